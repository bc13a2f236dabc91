"""`ljm deploy`: metadata to jobs in a workspace, behind the safety gate."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click

from lakeflow_job_meta._internal.text import count
from lakeflow_job_meta.cli.project_option import compile_metadata, open_project
from lakeflow_job_meta.cli.report import show_count, show_text
from lakeflow_job_meta.cli.stopping import end_like_ctrl_c
from lakeflow_job_meta.config.bundle import read_bundle_declarations
from lakeflow_job_meta.deploy.execute import Deployment, jobs_that_change
from lakeflow_job_meta.deploy.many_bundles.deployer import ManyBundlesOptions
from lakeflow_job_meta.deploy.pipeline import DeployOptions, DeployResult, Reporter, deploy
from lakeflow_job_meta.deploy.policy import Allowance
from lakeflow_job_meta.deploy.select_backend import cli_backend, open_cli
from lakeflow_job_meta.diagnostics.model import Diagnostic
from lakeflow_job_meta.errors import OperationFailed
from lakeflow_job_meta.plan.model import Action
from lakeflow_job_meta.state.tracking import DeployedJob, TrackedJob


@click.command("deploy")
@click.option("--target", "-t", metavar="TARGET", help="The bundle's target. Default: the bundle's own default.")
@click.option("--max-deletes", type=click.IntRange(0), metavar="N", help="How many jobs may be deleted.")
@click.option("--keep-going", is_flag=True, help="Deploy the other modules although some have errors.")
@click.option("--allow-empty", is_flag=True, help="Go on although a whole source, or the whole bundle, is empty.")
@click.option("--overwrite-drift", is_flag=True, help="Overwrite what was edited by hand in the workspace.")
@click.option("--dry-run", is_flag=True, help="Stop after the gate; nothing is changed in the workspace.")
@click.option("--force-lock", is_flag=True, help="Take over a deployment lock that was left in the workspace.")
@click.option("--run", "to_run", type=click.Choice(["changed", "all"]), help="Start the jobs afterwards.")
@click.option("--timeout", type=click.IntRange(1), default=1800, show_default=True, help="Seconds for one CLI call.")
@click.option("--parallel", type=click.IntRange(1), default=2, show_default=True, help="How many bundles at a time.")
@click.option("--all-bundles", is_flag=True, help="Of many bundles, plan those too whose files did not change.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="How jobs are listed.")
@click.pass_obj
@click.pass_context
def command(
    ctx: click.Context,
    folder: Path | None,
    target: str | None,
    max_deletes: int | None,
    keep_going: bool,
    allow_empty: bool,
    overwrite_drift: bool,
    dry_run: bool,
    force_lock: bool,
    to_run: str | None,
    timeout: int,
    parallel: int,
    all_bundles: bool,
    form: str,
) -> None:
    """Generate, check with the databricks CLI, pass the safety gate, and deploy.

    Runs `bundle validate --strict` and `bundle plan`, refuses what nobody asked for (deletions, edits made by hand that
    would be overwritten), and deploys exactly the plan that passed. Lists module, job id and URL of every job.

    \b
    Examples:
      ljm deploy -t dev --dry-run
      ljm deploy -t prod --max-deletes 1
      ljm deploy -t dev --run changed

    """
    project = open_project(folder)
    # By its name even when it is not given, so that both ways of saying it exclude each other.
    cli = open_cli(project, target or read_bundle_declarations(project).default_target, _progress)
    end_like_ctrl_c()
    allowed = project.max_deletes if max_deletes is None else max_deletes
    options = DeployOptions(Allowance(allowed, allow_empty, overwrite_drift), keep_going=keep_going, dry_run=dry_run)
    way = cli_backend(
        project, cli, limit_seconds=timeout, force_lock=force_lock, manner=ManyBundlesOptions(parallel, all_bundles)
    )
    done = deploy(project, cli.target, way, options, Reporter(_progress, _show), compile_metadata=compile_metadata)
    _show_jobs(done.jobs, form)
    for problem in done.problems:
        click.echo(problem, err=True)
    _say_what_happened(done.deployment, dry_run)
    failed = bool(done.compilation.errors or done.problems)
    if to_run and not dry_run and not done.deployment.problems:
        failed = not _run(done, to_run) or failed
    ctx.exit(1 if failed else 0)


def _show(diagnostics: Sequence[Diagnostic], modules: int) -> None:
    show_text(diagnostics)
    show_count(diagnostics, modules)


def _show_jobs(jobs: Sequence[TrackedJob], form: str) -> None:
    if form == "json":
        entries = [
            {"module": job.module_name, "job_id": job.job_id, "name": job.job_name, "url": job.url} for job in jobs
        ]
        click.echo(json.dumps(entries, indent=2, ensure_ascii=False))
        return
    for job in jobs:
        click.echo(f"{job.module_name}  {job.job_id}  {job.url}".rstrip())


def _say_what_happened(deployment: Deployment, dry_run: bool) -> None:
    changed = f"{count(len(jobs_that_change(deployment.plan)), 'job')} created or changed"
    deleted = deployment.plan.jobs(Action.DELETE)
    changed += f", {len(deleted)} deleted" if deleted else ""
    if not deployment.was_needed and not deployment.problems:
        said = "Nothing to deploy: jobs and files are as they should be."
    elif dry_run and not deployment.problems:
        said = f"The plan passed: {changed} if it were deployed. Nothing was changed in the workspace."
    elif deployment.problems:
        said = "The deployment failed in part; what did succeed is recorded. Run again when that is mended."
    else:
        said = f"Deployed: {changed}."
    click.echo(said, err=True)


def _run(done: DeployResult, which: str) -> bool:
    """Starts jobs; returns whether all could be started."""
    changed = set(jobs_that_change(done.deployment.plan))
    chosen = [job for job in done.deployment.jobs if which == "all" or job.key in changed]
    started = [_started(done, job) for job in chosen]
    return all(started)


def _started(done: DeployResult, job: DeployedJob) -> bool:
    try:
        done.deployer.start(job)
    except OperationFailed as failure:
        click.echo(f"{job.key}: {failure}", err=True)
        return False
    click.echo(f"Started {job.name}.", err=True)
    return True


def _progress(line: str) -> None:
    click.echo(click.style(line, dim=True), err=True)
