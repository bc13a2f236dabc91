"""`ljm deploy`: metadata to jobs in a workspace, behind the safety gate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from lakeflow_job_meta._internal.text import count
from lakeflow_job_meta.cli import params
from lakeflow_job_meta.cli.report import echo, show_count, show_json, show_list, show_progress, show_text
from lakeflow_job_meta.cli.run import end_like_ctrl_c
from lakeflow_job_meta.config.bundle import read_bundle_declarations
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.deployment.backend import DeployOptions, Reporter
from lakeflow_job_meta.deployment.pipeline import deploy
from lakeflow_job_meta.deployment.policy import Allowance
from lakeflow_job_meta.deployment.result import DeployResult
from lakeflow_job_meta.deployment.select_backend import CliBackend, open_cli
from lakeflow_job_meta.diagnostics.model import Diagnostic
from lakeflow_job_meta.errors import InvalidMetadata, OperationFailed
from lakeflow_job_meta.jobs.all_jobs import Jobs
from lakeflow_job_meta.planning.explain import kept_object, workspace_lines
from lakeflow_job_meta.planning.model import Action, BundlePlan
from lakeflow_job_meta.planning.takeover_lines import takeover_lines
from lakeflow_job_meta.state.tracking import DeployedJob, TrackedJob
from lakeflow_job_meta.text.markers import one_line


@click.command("deploy")
@click.argument("modules", nargs=-1, metavar="[MODULE]...")
@params.target_option
@params.max_deletes_option
@click.option("--keep-going", is_flag=True, help="Deploy the other modules although some have errors.")
@click.option("--allow-empty", is_flag=True, help="Go on although a whole source, or the whole bundle, is empty.")
@click.option("--allow-duplicates", is_flag=True, help="Create jobs although the workspace seems to have them.")
@click.option("--dry-run", is_flag=True, help="Stop after the gate, and show what would change; nothing does.")
@click.option("--run", "to_run", type=click.Choice(["changed", "all"]), help="Start the jobs afterwards.")
@params.deployment_options
@click.option("--all-bundles", is_flag=True, help="Of many bundles, plan those too whose files did not change.")
@params.format_option(["text", "json"], "How jobs are listed.")
@click.pass_obj
@click.pass_context
def command(
    ctx: click.Context,
    folder: Path | None,
    modules: tuple[str, ...],
    target: str | None,
    max_deletes: int | None,
    keep_going: bool,
    allow_empty: bool,
    overwrite_drift: bool,
    allow_duplicates: bool,
    dry_run: bool,
    force_lock: bool,
    to_run: str | None,
    timeout: int,
    stop_timeout: int,
    parallel: int,
    all_bundles: bool,
    form: str,
) -> None:
    """Generate, plan with the databricks CLI, pass the safety gate, and deploy.

    Runs `bundle plan`, refuses what nobody has allowed (deletions, creating what is there), leaves jobs as they are
    that were edited by hand, and deploys exactly the plan that passed. Lists module, job id and URL of every job. With
    modules, only their jobs are deployed and listed, and all others stay as they are.

    \b
    Examples:
      ljm deploy -t dev --dry-run
      ljm deploy sales -t dev
      ljm deploy -t prod --max-deletes 1
      ljm deploy -t dev --run changed
    """
    project = params.open_project(folder)
    # By its name even when it is not given, so that both ways of naming it exclude each other.
    named = target or read_bundle_declarations(project).default_target
    cli = open_cli(project, named, show_progress, timeout, stop_timeout)
    end_like_ctrl_c()
    allowed = project.max_deletes if max_deletes is None else max_deletes
    allowance = Allowance(allowed, allow_empty, overwrite_drift, allow_duplicates)
    options = DeployOptions(allowance, keep_going=keep_going, dry_run=dry_run, modules=modules)
    backend = CliBackend(cli, force_lock, parallel, all_bundles)
    result = deploy_and_show(project, cli.target, backend, options)
    if dry_run and form == "text" and result.was_needed:
        show_plan(result.plan)
    result = _of_chosen(result) if modules else result
    show_jobs(result, form)
    show_result(result, dry_run)
    params.show_waiting(result.compilation, cli.target)
    failed = has_failed(result)
    if to_run and not dry_run and not result.problems:
        failed = not _started_all(result, to_run) or failed
    ctx.exit(1 if failed else 0)


def _of_chosen(result: DeployResult) -> DeployResult:
    """Returns a result with no other jobs than those of the modules that were to be deployed."""
    keys = result.compilation.jobs.names
    return replace(
        result,
        deployed=tuple(job for job in result.deployed if job.key in keys),
        jobs=tuple(job for job in result.jobs if job.bundle_key in keys),
    )


def deploy_and_show(project: Project, target: str | None, backend: CliBackend, options: DeployOptions) -> DeployResult:
    """Deploys, and shows how that goes on. Raises as `deploy` of the pipeline, and OperationFailed for mistakes."""

    def show_taken_over(plan: BundlePlan, jobs: Jobs) -> None:
        for line in takeover_lines(plan, jobs, target):
            echo(line, err=True)

    reporter = Reporter(show_progress, _show, show_taken_over)
    try:
        return deploy(project, target, backend, options, reporter, compile_metadata=params.compile_metadata)
    except InvalidMetadata as error:  # the reporter has shown the mistakes
        raise OperationFailed(error.args[0]) from None


def show_plan(plan: BundlePlan) -> None:
    """Shows which jobs a plan changes and how, in the words of `ljm plan --live`; the rest was shown on the way."""
    for line in workspace_lines(replace(plan, kept=(), first_paused=())):
        echo(one_line(line))


def has_failed(result: DeployResult) -> bool:
    """Says whether a person has something to do."""
    return bool(result.compilation.errors or result.all_problems or result.left_behind or result.edited)


def _show(diagnostics: Sequence[Diagnostic], modules: int) -> None:
    show_text(diagnostics)
    show_count(diagnostics, modules)


def show_jobs(result: DeployResult, form: str) -> None:
    """Lists jobs with their modules and ids."""
    if form == "json":
        show_json([_job_object(job, result.plan) for job in result.jobs])
        return
    show_list([("", f"{job.module_name}  {job.job_id}  {job.url}".rstrip()) for job in result.jobs])


def _job_object(job: TrackedJob, plan: BundlePlan) -> dict[str, object]:
    return {
        "module": job.module_name,
        "job_id": job.job_id,
        "name": job.job_name,
        "url": job.url,
        "kept": [kept_object(each) for each in plan.kept if each.job == job.bundle_key],
        "first_paused": job.bundle_key in plan.first_paused,
    }


def show_result(result: DeployResult, dry_run: bool) -> None:
    """Shows what went wrong, what stays as it is, and what was done."""
    for line in (*result.all_problems, *(each.reason for each in (*result.held_back, *result.left_behind))):
        echo(line, err=True)
    echo(_summary(result, dry_run), err=True)


def _summary(result: DeployResult, dry_run: bool) -> str:
    deleted = result.done.jobs(Action.DELETE)
    changed = f"{count(len(result.changed), 'job')} created or changed" + (
        f", {len(deleted)} deleted" if deleted else ""
    )
    if result.problems:
        if not (result.changed or deleted):
            return "The deployment failed, and no job was written. Run again when that is mended."
        return f"The deployment failed in part: {changed}, and recorded. Run again when that is mended."
    if not result.was_needed and result.edited:
        return "Nothing else to deploy."
    if not result.was_needed:
        return "Nothing to deploy: jobs and files are as they should be."
    if dry_run:
        return f"The plan passed: {changed} if it were deployed. Nothing was changed in the workspace."
    return f"Deployed: {changed}."


def _started_all(result: DeployResult, which: str) -> bool:
    changed = set(result.changed)
    started = [_started(result, job) for job in result.deployed if which == "all" or job.key in changed]
    return all(started)


def _started(result: DeployResult, job: DeployedJob) -> bool:
    try:
        result.deployer.start(job)
    except OperationFailed as failure:
        echo(f"{job.key}: {failure}", err=True)
        return False
    echo(f"Started {job.name}.", err=True)
    return True
