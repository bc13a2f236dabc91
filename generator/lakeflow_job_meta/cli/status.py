"""`ljm status`: the health of the monitor of a target. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import click

from lakeflow_job_meta._internal.text import count
from lakeflow_job_meta.cli.params import control_table_options, format_option, open_monitored_project
from lakeflow_job_meta.cli.report import echo, show_json
from lakeflow_job_meta.config.bundle import target_of
from lakeflow_job_meta.monitor.status import Health, health_of
from lakeflow_job_meta.state.folder import state_folder_path
from lakeflow_job_meta.state.history import History, HistoryEntry
from lakeflow_job_meta.state.store import HISTORY, open_state_store


def open_history(
    folder: Path | None, target: str | None, control_table: str | None, warehouse_id: str | None
) -> tuple[History, Path, str]:
    """Opens the history of a target; returns its state folder and name as well."""
    project = open_monitored_project(folder, control_table, warehouse_id)
    named = target_of(project, target)
    state = state_folder_path(project, named)
    return History(open_state_store(project, state, HISTORY), named), state, named


@click.command("status")
@control_table_options
@format_option(["text", "json"])
@click.pass_obj
@click.pass_context
def command(
    ctx: click.Context,
    folder: Path | None,
    target: str | None,
    control_table: str | None,
    warehouse_id: str | None,
    form: str,
) -> None:
    """Show what the monitor did last, and what is left for a person to do.

    Exit code 1 when a module is in quarantine, something was refused or failed, or no monitor runs.

    \b
    Examples:
      ljm status -t prod
      ljm status -t prod --format json
    """
    health = health_of(*open_history(folder, target, control_table, warehouse_id), datetime.now(timezone.utc))
    if form == "json":
        show_json(_as_object(health))
    else:
        echo("\n".join(_lines(health)))
    ctx.exit(0 if health.is_healthy else 1)


def _lines(health: Health) -> Iterator[str]:
    yield f"Target {health.target}: {'all is well' if health.is_healthy else 'needs attention'}."
    if (beat := health.heartbeat) is not None:
        yield f"Last tick: {_moment(beat.moment)}, {beat.outcome}, by process {beat.process} on {beat.host}."
    if health.last is not None:
        yield f"Last entry of the history: {_entry(health.last)}."
    if health.deployment is not None:
        yield f"Last deployment: {_entry(health.deployment)}."
    state = health.state
    if health.absence:
        yield f"No heartbeat: {health.absence}."
    for title, lines in (
        ("Failed", health.failures),
        ("Refused", [refusal.reason for refusal in health.refused]),
        ("Warnings of the databricks CLI", [*state.warnings]),
        (f"In quarantine ({count(len(state.broken), 'module')})", [*(state.errors or state.broken)]),
    ):
        if lines:
            yield f"{title}:"
            yield from (f"  {line}" for line in lines)


def _entry(entry: HistoryEntry) -> str:
    version = f", {entry.metadata_version}" if entry.metadata_version else ""
    return (
        f"{_moment(entry.started)}, {entry.outcome.value}, {entry.created} created, {entry.changed} changed, "
        f"{entry.deleted} deleted{version}"
    )


def _moment(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")


def _as_object(health: Health) -> dict[str, object]:
    beat, state = health.heartbeat, health.state
    return {
        "target": health.target,
        "healthy": health.is_healthy,
        "last_tick": None if beat is None else {"time": beat.moment.isoformat(), "outcome": beat.outcome},
        "last_deployment": None if health.deployment is None else entry_as_object(health.deployment),
        "absence": health.absence or None,
        "failures": health.failures,
        "failures_in_a_row": 0 if beat is None else beat.failures_in_a_row,
        "refused": [{"jobs": list(refusal.jobs), "reason": refusal.reason} for refusal in health.refused],
        "warnings": list(state.warnings),
        "quarantined": {"modules": list(state.broken), "errors": list(state.errors)},
    }


def entry_as_object(entry: HistoryEntry) -> dict[str, object]:
    """Returns an entry of the history for JSON."""
    return {
        "run_id": entry.run_id,
        "target": entry.target,
        "started": entry.started.isoformat(),
        "duration_seconds": entry.duration_seconds,
        "metadata_version": entry.metadata_version,
        "outcome": entry.outcome.value,
        "created": entry.created,
        "changed": entry.changed,
        "deleted": entry.deleted,
        "refused": [refusal.reason for refusal in entry.state.refused],
        "quarantined": list(entry.state.broken),
        "warnings": list(entry.state.warnings),
        "error": entry.state.failure or None,
        "changed_by": entry.changed_by or None,
        "git_commit": entry.git_commit or None,
    }
