"""What changed between two states of a control table: by module and source.

Compares contents, never clocks: an edit that leaves `updated_timestamp` as it was is seen, a rewrite that changes
nothing is none, and what was deleted is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import groupby

from lakeflow_job_meta._internal.text import count, quoted
from lakeflow_job_meta._internal.trees import Difference, diff
from lakeflow_job_meta.control_table.schema import METADATA_COLUMNS, cell_value, is_active, key_of
from lakeflow_job_meta.tables.schema import Row
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
    """One row that changed.

    Attributes:
        differences: The columns, and the settings inside JSON columns, of a row that is in both states.
    """

    module_name: str
    source_id: str
    kind: Kind
    differences: tuple[Difference, ...] = ()


@dataclass(frozen=True, slots=True)
class TableChanges:
    """All that changed.

    Attributes:
        modules: What happened to each module that changed, by name.
        sources: Every row that changed, by module and source.
    """

    modules: dict[str, Kind]
    sources: tuple[SourceChange, ...]

    def of_kind(self, kind: Kind) -> list[str]:
        """Returns the names of the modules that were new, updated, and so on."""
        return [name for name, found in self.modules.items() if found is kind]

    def lines(self) -> Iterator[str]:
        """Yields the changes as text, a line each."""
        for name, group in groupby(self.sources, key=lambda change: change.module_name):
            rows, kind = list(group), self.modules[name]
            if kind in (Kind.NEW, Kind.DELETED):
                yield f"module {quoted(name)}: {kind.value}, {count(len(rows), 'source')}"
                continue
            yield f"module {quoted(name)}: {kind.value}"
            for change in rows:
                yield f"  source {quoted(change.source_id)}: {change.kind.value}"
                yield from (f"    {difference}" for difference in change.differences)


def compare_versions(table: VersionedTable, before: int, after: int | None = None) -> TableChanges:
    """Reads and compares two versions of a control table, by default the second one is the newest.

    Raises:
        OperationFailed: There is no such version, or it cannot be read any more.
    """
    return compare_rows(table.read(before).rows, table.read(after).rows)


def compare_rows(before: Iterable[Row], after: Iterable[Row]) -> TableChanges:
    """Compares two states of a table."""
    old, new = ({key_of(row): row for row in rows} for rows in (before, after))
    changes = [change for key in sorted({**old, **new}) if (change := _change(key, old.get(key), new.get(key)))]
    was_active, is_now_active = _active_modules(old), _active_modules(new)
    names = dict.fromkeys(change.module_name for change in changes)
    return TableChanges({name: _module_kind(name, was_active, is_now_active) for name in names}, tuple(changes))


def _change(key: SourceKey, old: Row | None, new: Row | None) -> SourceChange | None:
    if old is None:
        return SourceChange(*key, Kind.NEW)
    if new is None:
        return SourceChange(*key, Kind.DELETED)
    found = tuple(_row_differences(old, new))
    if not found:
        return None
    if is_active(old) != is_active(new):
        return SourceChange(*key, Kind.ACTIVATED if is_active(new) else Kind.DEACTIVATED, found)
    return SourceChange(*key, Kind.UPDATED, found)


def _row_differences(old: Row, new: Row) -> Iterator[Difference]:
    """Yields the settings in which two rows of one source differ; JSON is compared by its values, not as text."""
    for column in METADATA_COLUMNS:
        before, after = (cell_value(column, row.get(column.name)) for row in (old, new))
        yield from diff(before, after, (column.name,))


def _active_modules(rows: Mapping[SourceKey, Row]) -> dict[str, bool]:
    """Returns whether each module has an active source."""
    found: dict[str, bool] = {}
    for (module, _), row in rows.items():
        found[module] = found.get(module, False) or is_active(row)
    return found


def _module_kind(name: str, before: Mapping[str, bool], after: Mapping[str, bool]) -> Kind:
    if name not in before:
        return Kind.NEW
    if name not in after:
        return Kind.DELETED
    if before[name] != after[name]:
        return Kind.ACTIVATED if after[name] else Kind.DEACTIVATED
    return Kind.UPDATED
