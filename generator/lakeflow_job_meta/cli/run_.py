"""`ljm run`: starts the job of a module, and waits for it where that is wanted. Changes no job."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import click

from lakeflow_job_meta.cli import params
from lakeflow_job_meta.cli.live_tasks import LiveTasks
from lakeflow_job_meta.cli.report import echo, show_json
from lakeflow_job_meta.cli.run import end_like_ctrl_c
from lakeflow_job_meta.cli.runs import as_object, duration, failure
from lakeflow_job_meta.config.bundle import target_of
from lakeflow_job_meta.deployment.login import workspace_of_target
from lakeflow_job_meta.errors import OperationFailed
from lakeflow_job_meta.services.run_states import ModuleRun, TrackedModule
from lakeflow_job_meta.services.runs import follow_run, page_of_job, start_run, tracked_modules
from lakeflow_job_meta.text.markers import one_line
from lakeflow_job_meta.workspace.client import Workspace

wait_option = click.option("--wait", is_flag=True, help="Wait for the end; exit code 1 when the run failed.")


@click.command("run")
@click.argument("module")
@params.target_option
@wait_option
@click.option("--param", "parameters", multiple=True, metavar="KEY=VALUE", help="A parameter of the job; repeatable.")
@params.format_option(["text", "json"])
@click.pass_obj
@click.pass_context
def command(
    ctx: click.Context,
    folder: Path | None,
    module: str,
    target: str | None,
    wait: bool,
    parameters: tuple[str, ...],
    form: str,
) -> None:
    """Start the deployed job of a module.

    Ctrl-C while it waits leaves the run going.

    \b
    Examples:
      ljm run sales -t dev
      ljm run sales -t dev --wait --param day=2026-01-31
    """
    given = dict(_pair(each) for each in parameters)
    tracked, workspace = tracked_module(folder, target, module)
    end_like_ctrl_c()
    ctx.exit(show_run(tracked, workspace, partial(start_run, tracked, workspace, given), form, wait=wait))


def tracked_module(folder: Path | None, target: str | None, module: str) -> tuple[TrackedModule, Workspace]:
    """Returns a module that has a job in a target, and the workspace."""
    project = params.open_project(folder)
    (tracked,) = tracked_modules(project, target_of(project, target), [module], params.compile_metadata)
    return tracked, workspace_of_target(project, target)


def show_run(
    module: TrackedModule, workspace: Workspace, start: Callable[[], ModuleRun], form: str, *, wait: bool
) -> int:
    """Starts a run and shows it, and its tasks until its end where that is waited for; returns the exit code."""
    page, run = page_of_job(module, workspace), None  # connected by now, whenever Ctrl-C comes
    try:
        run = start()
        # At once: whatever happens from now on, the run goes on.
        begun = f"the failed tasks of run {run.run_id} run again" if run.repair_id else f"run {run.run_id} was started"
        echo(f"{one_line(module.module)}: {begun}: {run.url}", err=True)
        if wait:
            run = _followed(module, workspace, run)
    except KeyboardInterrupt:
        if run is None:
            echo(f"A run may have been started; see {page}", err=True)
        else:
            echo(f"The run {run.run_id} of {one_line(module.module)} goes on: {run.url}", err=True)
        raise
    if form == "json":
        tasks = [{"task_key": each.key, "state": each.state} for each in run.tasks]
        show_json({**as_object(run), "tasks": tasks})
    elif run.is_finished:
        took = f" after {duration(run.seconds)}" if run.seconds is not None else ""
        echo(f"{one_line(module.module)}: {run.state}{took}.{f' {failure(run)}' if run.has_failed else ''}")
    return 1 if run.has_failed else 0


def _followed(module: TrackedModule, workspace: Workspace, run: ModuleRun) -> ModuleRun:
    """Shows the tasks of a run until it ends; returns it as it is then."""
    started, tasks = run, LiveTasks()
    try:
        for now in follow_run(module, workspace, started, tasks.pause):
            tasks.show(run := now)
    except OperationFailed:
        again = f"`ljm runs {module.module} -t {module.target}`"
        echo(f"The run {started.run_id} goes on unless it has ended: {started.url}; {again} shows how.", err=True)
        raise
    return run


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise click.BadParameter(
            f"{text!r} is not of the form KEY=VALUE, such as day=2026-01-31.", param_hint="--param"
        )
    return key, value
