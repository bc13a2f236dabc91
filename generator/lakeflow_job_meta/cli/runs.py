"""`ljm runs`: how the last run of each module ended. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timezone
from pathlib import Path

import click

from lakeflow_job_meta._internal.text import count, printable
from lakeflow_job_meta.cli import params
from lakeflow_job_meta.cli.report import Line, Styled, aligned, echo, show_json, show_line
from lakeflow_job_meta.config.bundle import target_of
from lakeflow_job_meta.deployment.login import workspace_of_target
from lakeflow_job_meta.services.run_states import ModuleRun
from lakeflow_job_meta.services.runs import last_runs, tracked_modules
from lakeflow_job_meta.text.markers import one_line

_COLOURS = {"SUCCESS": "green", "SUCCESS_WITH_FAILURES": "green", "RUNNING": "cyan", "TERMINATING": "cyan"}
_HEADER = ("STARTED (UTC)", "MODULE", "STATE", "DURATION", "VERSION", "URL")
_STATE = _HEADER.index("STATE")


@click.command("runs")
@click.argument("modules", nargs=-1, metavar="[MODULE]...")
@params.target_option
@click.option("--failed", is_flag=True, help="Only the modules whose last run failed.")
@params.format_option(["text", "json"])
@click.pass_obj
@click.pass_context
def command(
    ctx: click.Context, folder: Path | None, modules: tuple[str, ...], target: str | None, failed: bool, form: str
) -> None:
    """Show how the last run of each module ended, and which task failed first.

    Exit code 1 when one failed, or its job is gone.

    \b
    Examples:
      ljm runs -t prod
      ljm runs sales stock -t prod --failed
      ljm runs -t prod --format json
    """
    project = params.open_project(folder)
    named = target_of(project, target)
    tracked = tracked_modules(project, named, modules, params.compile_metadata)
    runs = last_runs(tracked, workspace_of_target(project, target)) if tracked else []
    shown = [run for run in runs if run.has_failed or not failed]
    if form == "json":
        show_json([as_object(run) for run in shown])
    elif runs:
        bad = sum(run.has_failed for run in runs)
        for line in table_of(shown) if shown else ():
            show_line(*line)
        echo(f"{count(len(runs), 'module')}: {bad:,} failed.")
    else:
        echo(f"No job is deployed in the target {named!r} yet. `ljm deploy -t {named}` deploys.")
    ctx.exit(1 if any(run.has_failed for run in runs) else 0)


def table_of(runs: Sequence[ModuleRun]) -> Iterator[Line]:
    """Yields runs as lines, below their header; of one that failed a line more, with what failed first."""
    for line, run in zip(aligned([_HEADER, *map(_cells, runs)]), (None, *runs), strict=True):
        parts = [f"{text}  " for text in line]
        before, state, after = "".join(parts[:_STATE]), parts[_STATE], "".join(parts[_STATE + 1 :]).rstrip()
        state = state if after else state.rstrip()
        yield (before, state if run is None else styled(state, run.state, has_failed=run.has_failed), after)
        if run is not None and run.has_failed:
            yield (f"  {failure(run)}",)


def _cells(run: ModuleRun) -> tuple[str, ...]:
    started = f"{run.started.astimezone(timezone.utc):%Y-%m-%d %H:%M:%S}" if run.started else ""
    found = started, run.module, run.state, duration(run.seconds), run.metadata_version, run.url
    return tuple(printable(one_line(cell)) for cell in found)


def styled(text: str, state: str, *, has_failed: bool) -> Styled:
    """Returns a text in the colour of the state that it tells; what neither went well nor goes on is dim."""
    colour = "red" if has_failed else _COLOURS.get(state)
    return Styled(text, colour, is_dim=colour is None)


def duration(seconds: float | None) -> str:
    """Returns how long something took, such as `1:02:03` or `0:07`; nothing where that is not known."""
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def failure(run: ModuleRun) -> str:
    """Returns what failed in a run, on one line."""
    if (task := run.failed_task) is None:
        return one_line(run.message or run.state)
    return one_line(f"Task {task.key}: {task.message or task.state}")


def as_object(run: ModuleRun) -> dict[str, object]:
    """Returns a run for JSON."""
    task = run.failed_task
    return {
        "module": run.module,
        "job_id": run.job_id,
        "run_id": run.run_id,
        "state": run.state,
        "failed": run.has_failed,
        "started": run.started.isoformat() if run.started else None,
        "duration_seconds": run.seconds,
        "message": run.message or None,
        "failed_task": None if task is None else {"task_key": task.key, "state": task.state, "message": task.message},
        "metadata_version": run.metadata_version or None,
        "url": run.url or None,
    }
