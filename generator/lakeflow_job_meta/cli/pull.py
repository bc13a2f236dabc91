"""`ljm pull`: edits made by hand in the workspace, written into the metadata."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from lakeflow_job_meta._internal.text import count
from lakeflow_job_meta.cli import params
from lakeflow_job_meta.cli.report import echo, show_diff, show_list, show_progress
from lakeflow_job_meta.cli.run import end_like_ctrl_c
from lakeflow_job_meta.cli.show import key_of
from lakeflow_job_meta.config.bundle import target_of
from lakeflow_job_meta.deployment.backend import Reporter
from lakeflow_job_meta.deployment.pipeline import live_plan
from lakeflow_job_meta.deployment.select_backend import BackendName, select_backend
from lakeflow_job_meta.services.pull import Pull, apply_pull, plan_pull
from lakeflow_job_meta.workspace.client import Workspace


@click.command("pull")
@click.argument("modules", nargs=-1, metavar="[MODULE]...")
@params.target_option
@click.option("--dry-run", is_flag=True, help="Write nothing; show what would be written.")
@click.option("--in-module", is_flag=True, help="Write over in the module what comes from defaults or a blueprint.")
@params.deployer_option
@click.pass_obj
@click.pass_context
def command(
    ctx: click.Context,
    folder: Path | None,
    modules: tuple[str, ...],
    target: str | None,
    dry_run: bool,
    in_module: bool,
    deployer: BackendName,
) -> None:
    """Write edits made by hand in the workspace into the metadata, where each value came from.

    Comments in YAML stay. Exits with 1 if an edit could not be written; each is listed with the place that it comes
    from.

    \b
    Examples:
      ljm pull -t prod --dry-run
      ljm pull sales -t prod
    """
    project = params.open_project_for(folder, target)
    compilation = params.compile_metadata(project)
    keys = frozenset(key_of(compilation, name) for name in modules) if modules else None
    named, workspace = target_of(project, target), Workspace()
    backend = select_backend(project, named, workspace, deployer, on_fallback=show_progress)
    end_like_ctrl_c()
    plan = live_plan(project, named, backend, compilation, Reporter(show_progress), workspace)
    recompile = partial(params.compile_metadata, project)
    pull = plan_pull(project, compilation, plan, named, recompile, keys, in_module=in_module)
    left = () if dry_run else apply_pull(project, pull, workspace)
    if dry_run:
        show_diff((line for file in pull.files for line in file.diff()), is_patch=True)
    show_list([("", f"{each.ref}: {each.edit.job}: {each.edit.name} is {each.edit.shown}") for each in pull.pulled])
    for line in (*(f"{each.job}: {each.name}: {each.reason}." for each in pull.left), *left):
        echo(line, err=True)
    echo(_closing(pull, len(left), dry_run, " Next: ljm generate." if backend.writes_files else ""), err=True)
    ctx.exit(1 if pull.left or left else 0)


def _closing(pull: Pull, left: int, dry_run: bool, advice: str) -> str:
    written = count(len(pull.pulled), "setting")
    if not pull.pulled and not pull.left:
        return "Nothing to pull: no setting was edited by hand."
    if dry_run:
        return f"{written} to write, {len(pull.left)} not. Nothing was changed."
    return f"{written} written, {len(pull.left) + left} not.{advice if pull.pulled else ''}"
