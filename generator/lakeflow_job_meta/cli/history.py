"""`ljm history`: what the monitor of a target did. Changes nothing."""

from __future__ import annotations

from pathlib import Path

import click

from lakeflow_job_meta.cli.params import control_table_options, format_option
from lakeflow_job_meta.cli.report import echo, show_json
from lakeflow_job_meta.cli.status import entry_as_object, open_history
from lakeflow_job_meta.state.history import HistoryEntry


@click.command("history")
@control_table_options
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, metavar="N", help="How many entries.")
@format_option(["text", "json"])
@click.pass_obj
def command(
    folder: Path | None, target: str | None, control_table: str | None, warehouse_id: str | None, limit: int, form: str
) -> None:
    """List what the monitor did, newest first; ticks that found nothing to do are left out.

    \b
    Examples:
      ljm history -t prod
      ljm history -t prod --limit 100 --format json
    """
    entries = open_history(folder, target, control_table, warehouse_id).newest(limit)
    if form == "json":
        show_json([entry_as_object(entry) for entry in entries])
        return
    for entry in entries:
        echo(_line(entry))


def _line(entry: HistoryEntry) -> str:
    parts = [
        f"{entry.started:%Y-%m-%d %H:%M:%S}  {entry.outcome.value:9}",
        f"{entry.created} created, {entry.changed} changed, {entry.deleted} deleted",
        f"{len(entry.state.refused)} refused, {len(entry.state.broken)} in quarantine",
        f"{entry.duration_seconds:.1f} s",
        entry.metadata_version,
        f"by {entry.changed_by}" if entry.changed_by else "",
        _short(entry.git_commit),
        entry.state.failure.split("\n")[0],
    ]
    return "  ".join(part for part in parts if part)


def _short(commit: str) -> str:
    """Returns a commit as git shortens it, and whether files differ from it."""
    digits, dash, rest = commit.partition("-")
    return f"{digits[:10]}{dash}{rest}"
