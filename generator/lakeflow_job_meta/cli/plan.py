"""`ljm plan`: what would change, per job, task and setting, in words. Changes nothing."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import partial
from pathlib import Path

import click

from lakeflow_job_meta._internal.parallel import concurrently
from lakeflow_job_meta.cli.project_option import compile_for_review, open_project
from lakeflow_job_meta.cli.report import show_count, show_text
from lakeflow_job_meta.cli.stopping import end_like_ctrl_c
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.deploy.databricks_cli.client import CliFailure, DatabricksCli, explain
from lakeflow_job_meta.deploy.select_backend import cli_of_bundle, open_cli
from lakeflow_job_meta.diagnostics.model import errors_among
from lakeflow_job_meta.errors import OperationFailed
from lakeflow_job_meta.layout.layout import layout_of
from lakeflow_job_meta.output.writer import plan_changes
from lakeflow_job_meta.plan.compare import compare_files
from lakeflow_job_meta.plan.explain import FORMATS
from lakeflow_job_meta.plan.model import BundlePlan, parse_plan

_LIMIT_SECONDS = 1800


@click.command("plan")
@click.option("--against", metavar="REF", help="Compare with the generated files of a git revision, such as main.")
@click.option("--format", "form", type=click.Choice(list(FORMATS)), default="text", help="As text, JSON or Markdown.")
@click.option("--live", is_flag=True, help="Add what a deployment of the files on disk would do in the workspace.")
@click.option("--target", "-t", metavar="TARGET", help="The bundle's target for --live. Default: the bundle's own.")
@click.option("--parallel", type=click.IntRange(1), default=2, show_default=True, help="How many bundles at a time.")
@click.option("--check", is_flag=True, help="Exit with 1 when anything would change.")
@click.pass_obj
@click.pass_context
def command(
    ctx: click.Context,
    folder: Path | None,
    against: str | None,
    form: str,
    live: bool,
    target: str | None,
    parallel: int,
    check: bool,
) -> None:
    """Say in words what the metadata would change: jobs, tasks, settings, dependencies.

    Compares the metadata with the generated files, as they are on disk or in a git revision. Markdown is meant for
    a comment in a pull request.

    \b
    Examples:
      ljm plan
      ljm plan --against origin/main --format markdown > comment.md
      ljm plan --live -t prod        also what was edited by hand in the workspace

    """
    project = open_project(folder)
    compilation = compile_for_review(project)
    changes = plan_changes(project, compilation)
    diagnostics = (*compilation.diagnostics, *changes.diagnostics)
    show_text(diagnostics)
    plan = compare_files(changes, against)
    bundle_plan = _live_plan(project, target, parallel) if live else None
    if bundle_plan is not None and changes.changes:
        click.echo(
            "The files on disk are older than the metadata; --live is about the files. Run `ljm generate`.", err=True
        )
    click.echo(FORMATS[form](plan, bundle_plan))
    show_count(diagnostics, compilation.modules)
    ctx.exit(1 if errors_among(diagnostics) or (check and plan.changes) else 0)


def _live_plan(project: Project, target: str | None, parallel: int) -> BundlePlan:
    """Asks the databricks CLI what a deployment would do; writes nothing."""
    cli, layout, stop = open_cli(project, target), layout_of(project), threading.Event()
    bundles = layout.bundles_in(layout.folder)
    tasks = {name: partial(_plan_of, cli_of_bundle(replace(cli, stop=stop), project, name)) for name in bundles}
    end_like_ctrl_c()
    plans, failed = concurrently(tasks, parallel, stop, OperationFailed)
    if failed:
        raise OperationFailed("\n".join(f"{name}: {error}" if name else str(error) for name, error in failed.items()))
    resources = (resource for plan in plans.values() for resource in plan.resources)
    return BundlePlan(tuple(sorted(resources, key=lambda resource: resource.name)), None, None)


def _plan_of(cli: DatabricksCli) -> BundlePlan:
    try:
        return parse_plan(cli.bundle("plan", "-o", "json", limit_seconds=_LIMIT_SECONDS).stdout)
    except CliFailure as failure:
        raise OperationFailed(explain(failure)) from None
