"""What putting rows of a control table back does, row by row. Nothing is read or written here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from lakeflow_job_meta._internal.text import count, quoted
from lakeflow_job_meta._internal.trees import Difference
from lakeflow_job_meta.tables.schema import Column, Row


@dataclass(frozen=True, slots=True)
class RowChange:
    """One row that a rollback adds, changes or removes, and the settings in which it differs.

    There are none where the row says the same, and is only written in another way.
    """

    module_name: str
    source_id: str
    kind: str
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class Rollback:
    """What a rollback does.

    Attributes:
        version: The version whose rows come back.
        read: The version that they are compared with: with it, a rollback takes back this one.
        changes: The rows that change, by module and source.
        notes: What of the older version does not come back, a sentence each.
    """

    modules: tuple[str, ...]
    version: int
    read: int
    before: tuple[Row, ...]
    after: tuple[Row, ...]
    own: tuple[Column, ...]
    changes: tuple[RowChange, ...]
    notes: tuple[str, ...]

    def lines(self) -> Iterator[str]:
        """Yields the changes as text, a line each, without secrets."""
        for name, group in groupby(self.changes, key=lambda change: change.module_name):
            yield f"module {quoted(name)}"
            for change in group:
                yield f"  source {quoted(change.source_id)}: {change.kind}"
                yield from (f"    {difference}" for difference in change.differences)
                if not change.differences:
                    yield "    written in another way, with the same meaning"

    @property
    def summary(self) -> str:
        """How many rows change, and how."""
        found = Counter(change.kind for change in self.changes)
        kinds = ", ".join(f"{found[kind]:,} {kind}" for kind in ("added", "changed", "removed") if found[kind])
        return f"{count(len(self.changes), 'row')}{f' ({kinds})' if kinds else ''}"
