"""Who set each value of a module, as values. Nothing is looked up here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from lakeflow_job_meta._internal.trees import KeyPath, Value
from lakeflow_job_meta.diagnostics.model import Location, dotted

MOST_VERSIONS = 100
"""Of a table, so many versions are looked at where nobody says how many."""


@dataclass(frozen=True, slots=True)
class ValueChange:
    """What set a value: a version of a table, or a commit.

    Attributes:
        version: The number of the version; None for a commit.
        commit: The commit; None for a version.
        user: None where the table does not record who it was.
        is_exact: Whether it was this one; else it was this one, or one before it that is not known any more.
    """

    version: int | None
    commit: str | None
    time: datetime
    user: str | None
    is_exact: bool


@dataclass(frozen=True, slots=True)
class BlamedValue:
    """A value of a module.

    Attributes:
        source: The source that it is of; None for one of the job.
        path: Its path below the job or the task; what is kept for notebooks begins with its column.
        layer: What sets it, such as `defaults`, `blueprint ingest` or `module`; `derived` for what follows from others.
        location: Where it is written.
        change: What set it; None where that is not known.
        note: Why it is not known.
    """

    source: str | None
    path: KeyPath
    value: Value
    layer: str
    location: Location
    change: ValueChange | None
    note: str = ""

    @property
    def setting(self) -> str:
        """Its name, such as `tags.owner` or `email_notifications.on_failure[0]`."""
        return dotted(self.path) or ""


@dataclass(frozen=True, slots=True)
class Blame:
    """The values of a module, and where the history of a table ends before all of them are explained."""

    values: tuple[BlamedValue, ...]
    notes: tuple[str, ...] = ()
