"""`ljm bundles`: the bundles of a project of many, and moving jobs between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from lakeflow_job_meta._internal.text import count, did_you_mean, quoted
from lakeflow_job_meta.cli.params import (
    open_project,
    open_project_for,
    overwrite_drift_option,
    stop_timeout_option,
    target_option,
    timeout_option,
)
from lakeflow_job_meta.cli.report import echo, show_progress, show_text
from lakeflow_job_meta.cli.run import end_like_ctrl_c
from lakeflow_job_meta.compiler.compile import compile_project
from lakeflow_job_meta.compiler.result import Compilation
from lakeflow_job_meta.config.bundle import read_bundle_declarations, target_of
from lakeflow_job_meta.deployment.databricks_cli.client import CliResult, DatabricksCli
from lakeflow_job_meta.deployment.databricks_cli.deployer import CliDeployer
from lakeflow_job_meta.deployment.many_bundles.move_jobs import (
    SINGLE,
    Move,
    MoveContext,
    apply_move,
    recorded_bundle_of,
)
from lakeflow_job_meta.deployment.select_backend import open_cli
from lakeflow_job_meta.errors import ConfigError, OperationFailed
from lakeflow_job_meta.layout.bundle_file import common_config
from lakeflow_job_meta.layout.layout import ManyBundles, SingleBundle, many_bundles_of
from lakeflow_job_meta.layout.partitioning import bundle_name
from lakeflow_job_meta.output.writer import plan_changes
from lakeflow_job_meta.parsing.keys import job_key
from lakeflow_job_meta.state.folder import state_folder
from lakeflow_job_meta.state.lock import deployment_lock


@click.group("bundles")
def command() -> None:
    """The bundles of a project that has many, and moving jobs between them."""


@command.command("list")
@click.pass_obj
def list_bundles(folder: Path | None) -> None:
    """List the bundles with their jobs and the room that is left.

    \b
    Examples:
      ljm bundles list

    """
    layout = many_bundles_of(open_project(folder))
    limit = layout.bundles.jobs_per_bundle
    for name in layout.bundles_in(layout.folder):
        jobs = len(layout.job_keys(name))
        room = f", room for {max(limit - jobs, 0)}" if limit is not None else ""
        echo(f"{name}  {count(jobs, 'job')}{room}")


@command.command("move")
@click.argument("modules", nargs=-1, metavar="MODULE...")
@click.argument("bundle", required=False)
@target_option
@click.option("--all", "all_of_one", is_flag=True, help="All jobs of the single bundle that the project was before.")
@click.option("--from", "source", metavar="BUNDLE", help="Where the jobs are, if nothing here knows that any more.")
@overwrite_drift_option
@timeout_option
@stop_timeout_option
@click.pass_obj
def move(
    folder: Path | None,
    modules: tuple[str, ...],
    bundle: str | None,
    target: str | None,
    all_of_one: bool,
    source: str | None,
    overwrite_drift: bool,
    timeout: int,
    stop_timeout: int,
) -> None:
    """Move jobs to another bundle. The jobs and their history stay, whatever happens in between.

    Run it for each target. If it was cut off, run it again.

    \b
    Examples:
      ljm bundles move sales part_002 -t prod
      ljm bundles move sales stock part_002 -t prod      modules that run each other's jobs
      ljm bundles move --all -t prod                     from one bundle to many

    """
    layout = many_bundles_of(open_project_for(folder, target))
    project = layout.project
    cli = open_cli(project, target_of(project, target), show_progress, timeout, stop_timeout)
    end_like_ctrl_c()
    if all_of_one == bool(modules and bundle):
        raise click.UsageError("Name modules and the bundle where they go, or --all.")
    state = state_folder(project, cli.target)
    with deployment_lock(state, on_wait=show_progress) as lock:
        cli = replace(cli, inherited=(lock,))
        if all_of_one:
            moves, compilation = _all_moves(layout)
        else:
            moves, compilation = _moves(layout, state, modules, str(bundle), source)
        changes = plan_changes(project, compilation, is_moving=True)
        show_text(changes.diagnostics)
        context = _context(layout, state, cli, compilation)
        for each in moves:
            moved = apply_move(context, each, changes, overwriting=overwrite_drift, report=show_progress)
            ids = {job.key: job.job_id for job in moved}
            for key in each.keys:
                echo(f"{key}  {each.goal}  {ids.get(key, 'file only')}")


def _moves(
    layout: ManyBundles, state: Path, modules: Sequence[str], bundle: str, source: str | None
) -> tuple[list[Move], Compilation]:
    if bundle_name(bundle) != bundle or not bundle:
        raise ConfigError(f"{quoted(bundle)} cannot be the name of a bundle; it has letters, digits, '_' and '-'.")
    project, keys = layout.project, [job_key(name) for name in modules]
    compilation = compile_project(project, read_bundle_declarations(project), moving=dict.fromkeys(keys, bundle))
    sources: dict[str | None, list[str]] = {}
    for key in keys:
        _check_is_sound(compilation, key)
        sources.setdefault(source or _source(layout, state, key, bundle), []).append(key)
    return [Move(tuple(each), name, bundle) for name, each in sources.items()], compilation


def _source(layout: ManyBundles, state: Path, key: str, goal: str) -> str | None:
    """Returns the bundle where a job is now: where its file is, else where the records have it."""
    bundles = [bundle for bundle in layout.jobs_on_disk().get(key, ()) if bundle != goal]
    if key in SingleBundle(layout.project).job_keys(SINGLE):
        bundles.append(SINGLE)
    return bundles[0] if bundles else recorded_bundle_of(state, key, goal)


def _all_moves(layout: ManyBundles) -> tuple[list[Move], Compilation]:
    """Returns the moves of all jobs out of the single bundle; of another target the files have moved already."""
    keys = SingleBundle(layout.project).job_keys(SINGLE)
    compilation = compile_project(layout.project, read_bundle_declarations(layout.project))
    for key in keys:
        _check_is_sound(compilation, key)
    goals: dict[str, list[str]] = {}
    for key in dict.fromkeys([*keys, *layout.jobs_on_disk()]):
        goals.setdefault(compilation.bundles[key], []).append(key)
    return [Move(tuple(each), SINGLE, goal) for goal, each in sorted(goals.items())], compilation


def _check_is_sound(compilation: Compilation, key: str) -> None:
    """Stops where a job cannot be written in its new bundle, as its module has errors or does not exist."""
    known = compilation.jobs.names
    if key not in known:
        show_text(compilation.errors)
        hint = "" if key in compilation.kept_jobs else did_you_mean(key, known)
        kept = "waits for approval" if key in compilation.held else "has errors"
        what = kept if key in compilation.kept_jobs else "does not exist or has no job"
        raise OperationFailed(f"The module {quoted(key)} {what}{hint}; nothing was moved.")


def _context(layout: ManyBundles, state: Path, cli: DatabricksCli, compilation: Compilation) -> MoveContext:
    def open_bundle(bundle: Path, folder: Path) -> CliDeployer:
        here = replace(cli, folder=bundle)
        # Only errors of the CLI are shown with locations, and those of all bundles have the same.
        return CliDeployer(here, layout.project, compilation, folder, digest=lambda: "")

    def run(bundle: Path, command: str, *arguments: str) -> CliResult:
        return replace(cli, folder=bundle).bundle(command, *arguments)

    return MoveContext(layout, common_config(layout.project, compilation.bundle), state, run, open_bundle)
