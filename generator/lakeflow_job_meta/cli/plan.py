"""`ljm plan`: what would change, per job, task and setting, in words. Changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from lakeflow_job_meta.cli.params import (
    compile_for_review,
    format_option,
    open_project_for,
    parallel_option,
    target_option,
)
from lakeflow_job_meta.cli.report import echo, show_count, show_text
from lakeflow_job_meta.cli.run import end_like_ctrl_c
from lakeflow_job_meta.compiler.result import Compilation
from lakeflow_job_meta.config.bundle import read_bundle_declarations
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.deployment.keeping import keeping_of
from lakeflow_job_meta.deployment.select_backend import jobs_left_behind, open_cli, plan_live
from lakeflow_job_meta.deployment.takeovers import find_takeovers, forgotten_keys
from lakeflow_job_meta.diagnostics.model import errors_among
from lakeflow_job_meta.output.writer import plan_changes
from lakeflow_job_meta.planning.explain import FORMATS
from lakeflow_job_meta.planning.files import compare_files
from lakeflow_job_meta.planning.model import BundlePlan, job_names
from lakeflow_job_meta.state.folder import state_folder
from lakeflow_job_meta.state.store import JOBS, open_state_store
from lakeflow_job_meta.state.tracking import DeployedJob, known_jobs


@click.command("plan")
@click.option("--against", metavar="REF", help="Compare with the generated files of a git revision, such as main.")
@format_option(FORMATS, "As text, JSON or Markdown.")
@click.option("--live", is_flag=True, help="Add what a deployment of the files on disk would do in the workspace.")
@target_option
@parallel_option
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
    """Show what the metadata would change: jobs, tasks, settings, dependencies.

    Compares the metadata with the generated files, as they are on disk or in a git revision. Markdown is meant for
    a comment in a pull request.

    \b
    Examples:
      ljm plan
      ljm plan --against origin/main --format markdown > comment.md
      ljm plan --live -t prod        also what was edited by hand in the workspace
    """
    project = open_project_for(folder, target)
    compilation = compile_for_review(project)
    changes = plan_changes(project, compilation)
    diagnostics = (*compilation.diagnostics, *changes.diagnostics)
    show_text(diagnostics)
    plan = compare_files(changes, compilation.jobs, against)
    plan = replace(plan, waiting=compilation.waiting, target=project.target)
    if live:
        end_like_ctrl_c()
    bundle_plan = None
    if live:
        cli = open_cli(project, target)
        recorded = _recorded_jobs(project, target)
        planned = plan_live(project, cli, parallel, keeping_of(project, compilation))
        planned = planned.leaving_out(job_names(compilation.held))
        bundle_plan = _with_takeovers(planned, project, compilation, target, recorded)
        for left in jobs_left_behind(cli, bundle_plan, _not_forgotten(project, recorded, bundle_plan)):
            echo(left.reason, err=True)
        if changes.changes:
            advice = "The files on disk are older than the metadata; --live is about the files. Run `ljm generate`."
            echo(advice, err=True)
    echo(FORMATS[form](plan, bundle_plan))
    show_count(diagnostics, compilation.modules)
    ctx.exit(1 if errors_among(diagnostics) or (check and plan.changes) else 0)


def _with_takeovers(
    plan: BundlePlan, project: Project, compilation: Compilation, target: str | None, recorded: Sequence[DeployedJob]
) -> BundlePlan:
    """Returns a live plan that says which jobs a deployment takes over instead of creating and deleting them."""
    target = target or read_bundle_declarations(project).default_target
    folder = state_folder(project, target)
    found = find_takeovers(plan, project, compilation, target or "", recorded, folder).takeovers
    freed = {f"resources.jobs.{each.former}" for each in found if each.key and each.is_held}
    return plan.leaving_out(freed).with_changes([each.change() for each in found])


def _not_forgotten(project: Project, recorded: Sequence[DeployedJob], plan: BundlePlan) -> list[DeployedJob]:
    """Returns the recorded jobs but for those that were forgotten on purpose, or have another key now."""
    ids, forgotten = {each.job_id for each in plan.resources if each.job_id}, forgotten_keys(project)
    return [each for each in recorded if each.job_id not in ids and each.key not in forgotten]


def _recorded_jobs(project: Project, target: str | None) -> tuple[DeployedJob, ...]:
    target = target or read_bundle_declarations(project).default_target
    return known_jobs(open_state_store(project, state_folder(project, target), JOBS), target or "")
