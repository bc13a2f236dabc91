"""`ljm run`: starts the job of one module, and waits for it if asked. Changes no job."""

from __future__ import annotations

from pathlib import Path

import click

from lakeflow_job_meta.cli import params
from lakeflow_job_meta.cli.report import echo, show_json
from lakeflow_job_meta.cli.run import end_like_ctrl_c
from lakeflow_job_meta.cli.runs import as_object, duration, failure
from lakeflow_job_meta.config.bundle import target_of
from lakeflow_job_meta.services.runs import ModuleRun, TrackedModule, follow_run, start_run, tracked_modules
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
    ctx.exit(show_run(tracked, workspace, start_run(tracked, workspace, given), form, wait=wait))


def tracked_module(folder: Path | None, target: str | None, module: str) -> tuple[TrackedModule, Workspace]:
    """Returns a module that has a job in a target, and the workspace."""
    project = params.open_project(folder)
    workspace = Workspace()
    (tracked,) = tracked_modules(project, target_of(project, target), [module], params.compile_metadata, workspace)
    return tracked, workspace


def show_run(module: TrackedModule, workspace: Workspace, run: ModuleRun, form: str, *, wait: bool) -> int:
    """Shows a run that was started, and its tasks until its end where that is waited for; returns the exit code."""
    echo(f"{module.module} runs: {run.url}", err=True)
    latest, told = run, dict[str, str]()
    try:
        for latest in follow_run(module, workspace, run) if wait else ():
            for task in latest.tasks:
                if told.get(task.key) != task.state:
                    told[task.key] = task.state
                    echo(f"  {task.key}: {task.state}", err=True)
    except KeyboardInterrupt:
        echo(f"The run goes on: {run.url}", err=True)
        raise
    if form == "json":
        show_json(as_object(latest))
    elif latest.is_finished:
        took = f" after {duration(latest.seconds)}" if latest.seconds is not None else ""
        echo(f"{module.module}: {latest.state}{took}.{f' {failure(latest)}' if latest.has_failed else ''}")
    return 1 if latest.has_failed else 0


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise click.BadParameter(
            f"{text!r} is not of the form KEY=VALUE, such as day=2026-01-31.", param_hint="--param"
        )
    return key, value
