"""What changed between two states of a control table: by module and source.

Compares contents, never clocks: an edit that leaves `updated_timestamp` as it was is seen, a rewrite that changes
nothing is none, and what was deleted is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import groupby
from typing import TYPE_CHECKING

from lakeflow_job_meta._internal.text import count, quoted
from lakeflow_job_meta._internal.trees import Difference, diff
from lakeflow_job_meta.control_table.schema import METADATA_COLUMNS, cell_value, is_active, key_of
from lakeflow_job_meta.tables.schema import Row

if TYPE_CHECKING:
    from lakeflow_job_meta.tables.store import VersionedTable

SourceKey = tuple[str, str]
"""module_name and source_id."""


class Kind(str, Enum):
    """What happened to a module or a source."""

    NEW = "new"
    UPDATED = "updated"
    ACTIVATED = "activated"
    DEACTIVATED = "deactivated"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class SourceChange:
    """One row that changed, and the columns and settings in JSON columns that differ if it is in both states."""

    module_name: str
    source_id: str
    kind: Kind
    differences: tuple[Difference, ...] = ()


@dataclass(frozen=True, slots=True)
class TableChanges:
    """What happened to each module that changed, by name, and every row that changed, by module and source."""

    modules: dict[str, Kind]
    sources: tuple[SourceChange, ...]

    def of_kind(self, kind: Kind) -> list[str]:
        """Returns the names of the modules that were new, updated, and so on."""
        return [name for name, found in self.modules.items() if found is kind]

    def lines(self) -> Iterator[str]:
        """Yields the changes as text, a line each."""
        for name, group in groupby(self.sources, key=lambda change: change.module_name):
            rows, kind = list(group), self.modules[name]
            is_whole = kind in (Kind.NEW, Kind.DELETED)
            size = f", {count(len(rows), 'source')}" if is_whole else ""
            yield f"module {quoted(name)}: {kind.value}{size}"
            for change in () if is_whole else rows:
                yield f"  source {quoted(change.source_id)}: {change.kind.value}"
                yield from (f"    {difference}" for difference in change.differences)


def compare_versions(table: VersionedTable, before: int, after: int | None = None) -> TableChanges:
    """Reads and compares two versions of a control table, the second by default the newest.

    Raises OperationFailed if there is no such version, or it cannot be read any more.
    """
    return compare_rows(table.read(before).rows, table.read(after).rows)


def compare_rows(before: Iterable[Row], after: Iterable[Row]) -> TableChanges:
    """Compares two states of a table."""
    old, new = ({key_of(row): row for row in rows} for rows in (before, after))
    changes = [change for key in sorted({**old, **new}) if (change := _change(key, old.get(key), new.get(key)))]
    was_active, is_now_active = _active_modules(old), _active_modules(new)
    names = dict.fromkeys(change.module_name for change in changes)
    return TableChanges({name: _kind(was_active.get(name), is_now_active.get(name)) for name in names}, tuple(changes))


def _change(key: SourceKey, old: Row | None, new: Row | None) -> SourceChange | None:
    kind = _kind(*(None if row is None else is_active(row) for row in (old, new)))
    if old is None or new is None:
        return SourceChange(*key, kind)
    found = tuple(_row_differences(old, new))
    return SourceChange(*key, kind, found) if found else None


def _row_differences(old: Row, new: Row) -> Iterator[Difference]:
    """Yields the settings in which two rows of one source differ; JSON is compared by its values, not as text."""
    for column in METADATA_COLUMNS:
        before, after = (cell_value(column, row.get(column.name)) for row in (old, new))
        yield from diff(before, after, (column.name,))


def _active_modules(rows: Mapping[SourceKey, Row]) -> dict[str, bool]:
    active = {module for (module, _), row in rows.items() if is_active(row)}
    return {module: module in active for module, _ in rows}


def _kind(was_active: bool | None, is_now_active: bool | None) -> Kind:
    """Returns what happened to a module or source; None where it is not there."""
    if was_active is None:
        return Kind.NEW
    if is_now_active is None:
        return Kind.DELETED
    if was_active != is_now_active:
        return Kind.ACTIVATED if is_now_active else Kind.DEACTIVATED
    return Kind.UPDATED
