"""Versions of a control table: which one a number or a moment means, and which can be read yet. Changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone

from lakeflow_job_meta._internal.text import quoted
from lakeflow_job_meta.errors import ConfigError, OperationFailed
from lakeflow_job_meta.tables.schema import EVERYWHERE
from lakeflow_job_meta.tables.store import Commit, Snapshot, VersionedTable

MOST_COMMITS = 10_000
"""So far back the log is asked; Delta keeps it for 30 days by default (delta.logRetentionDuration)."""


def version_named(table: VersionedTable, name: str) -> tuple[int, Commit | None]:
    """Returns the version that its number or a moment means, and its commit, if the log has it.

    A moment is in the form of ISO 8601, in UTC unless it says its zone, and means the newest version then.

    Raises:
        ConfigError: It is neither.
        OperationFailed: The table has no version of that moment, or cannot be reached.
    """
    commits = table.history(MOST_COMMITS)
    if name.isdecimal():
        return int(name), next((commit for commit in commits if commit.version == int(name)), None)
    moment = _moment(name)
    found = next((commit for commit in commits if commit.timestamp <= moment), None)
    if found is None:
        oldest = f"{commits[-1].version}, of {commits[-1].timestamp:%Y-%m-%d %H:%M:%S %Z}" if commits else "not known"
        raise OperationFailed(f"{table.name} has no version of {moment:%Y-%m-%d %H:%M:%S %Z}; the oldest is {oldest}.")
    return found.version, found


def _moment(text: str) -> datetime:
    try:
        # `Z` is understood from Python 3.11 on.
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise ConfigError(
            f"{quoted(text)} is neither the number of a version, as `ljm table history` lists them, nor a moment such "
            "as 2026-03-01T12:00 (in UTC)."
        ) from None
    return found if found.tzinfo is not None else found.replace(tzinfo=timezone.utc)


def read_version(
    table: VersionedTable,
    version: int,
    *,
    also: Sequence[str] | None = (),
    where: Mapping[str, str] = EVERYWHERE,
) -> Snapshot:
    """Reads a version of a table as `VersionedTable.read` does; where it is gone the error says which is the oldest."""
    try:
        return table.read(version, also=also, where=where)
    except OperationFailed as error:
        oldest = oldest_readable(table)
        if oldest is None:
            raise
        text = str(error) if str(error).startswith(table.name) else f"{table.name}: {error}"
        raise OperationFailed(f"{text.rstrip('.')}; the oldest version that can be read is {oldest}.") from None


def oldest_readable(table: VersionedTable) -> int | None:
    """Returns the oldest version whose rows can be read; None where not even the newest can.

    VACUUM takes the files of older versions first, so that it is found by halving.
    """
    versions = sorted(commit.version for commit in table.history(MOST_COMMITS))
    if not versions or not _is_readable(table, versions[-1]):
        return None
    first, last = 0, len(versions) - 1
    while first < last:
        middle = (first + last) // 2
        first, last = (first, middle) if _is_readable(table, versions[middle]) else (middle + 1, last)
    return versions[last]


def _is_readable(table: VersionedTable, version: int) -> bool:
    try:
        table.read(version)
    except OperationFailed:
        return False
    return True
