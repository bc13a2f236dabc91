"""What changed between two states of a control table: by module and source, in words. Pure.

Compares contents, never clocks: an edit that leaves `updated_timestamp` as it was is seen, a rewrite that changes
nothing is none, and what was deleted is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from lakeflow_job_meta._internal.text import count, quoted
from lakeflow_job_meta._internal.trees import Difference, Value, diff
from lakeflow_job_meta.parsing.columns import METADATA_COLUMNS, Row
from lakeflow_job_meta.text.json_columns import read_json

Key = tuple[str, str]
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
        """Returns the names of the modules to which this happened."""
        return [name for name, what in self.modules.items() if what is kind]

    def lines(self) -> Iterator[str]:
        """Yields the changes in words, a line each."""
        for name, kind in self.modules.items():
            rows = [change for change in self.sources if change.module_name == name]
            if kind in (Kind.NEW, Kind.DELETED):
                yield f"module {quoted(name)}: {kind.value}, {count(len(rows), 'source')}"
                continue
            yield f"module {quoted(name)}: {kind.value}"
            for change in rows:
                yield f"  source {quoted(change.source_id)}: {change.kind.value}"
                yield from (f"    {difference}" for difference in change.differences)


def compare_rows(before: Iterable[Row], after: Iterable[Row]) -> TableChanges:
    """Says what changed between two states of a table."""
    old, new = _by_key(before), _by_key(after)
    changes = [change for key in sorted({**old, **new}) if (change := _change(key, old.get(key), new.get(key)))]
    names = dict.fromkeys(change.module_name for change in changes)
    return TableChanges({name: _module_kind(name, old, new) for name in names}, tuple(changes))


def _by_key(rows: Iterable[Row]) -> dict[Key, Row]:
    return {key_of(row): row for row in rows}


def key_of(row: Row) -> Key:
    """Returns what identifies a row."""
    return str(row.get("module_name") or ""), str(row.get("source_id") or "")


def _change(key: Key, old: Row | None, new: Row | None) -> SourceChange | None:
    if old is None:
        return SourceChange(*key, Kind.NEW)
    if new is None:
        return SourceChange(*key, Kind.DELETED)
    found = tuple(row_differences(old, new))
    if not found:
        return None
    if is_active(old) != is_active(new):
        return SourceChange(*key, Kind.ACTIVATED if is_active(new) else Kind.DEACTIVATED, found)
    return SourceChange(*key, Kind.UPDATED, found)


def row_differences(old: Row, new: Row) -> Iterator[Difference]:
    """Yields in what two rows of one source differ; JSON is compared by what it says, not by how it is written."""
    for column in METADATA_COLUMNS:
        before, after = old.get(column.name), new.get(column.name)
        if column.holds_json:
            before, after = meaning(before), meaning(after)
        yield from diff(plain(before), plain(after), (column.name,))


def meaning(text: object) -> Value:
    """Returns what a JSON column says; text that is no JSON stands for itself, and NULL is an empty map."""
    if not isinstance(text, str):
        return {}
    value, fault = read_json(text)
    return text if fault is not None else value


def is_active(row: Row) -> bool:
    """Says whether a source is active; only false switches it off."""
    return row.get("is_active") is not False


def plain(value: object) -> Value:
    """Returns a cell as a value of metadata; what is none, such as a date, counts as nothing."""
    return value if isinstance(value, (str, int, float, bool, list, dict)) else None


def _module_kind(name: str, old: dict[Key, Row], new: dict[Key, Row]) -> Kind:
    before = [row for key, row in old.items() if key[0] == name]
    after = [row for key, row in new.items() if key[0] == name]
    if not before:
        return Kind.NEW
    if not after:
        return Kind.DELETED
    was_active, is_now_active = any(map(is_active, before)), any(map(is_active, after))
    if was_active != is_now_active:
        return Kind.ACTIVATED if is_now_active else Kind.DEACTIVATED
    return Kind.UPDATED
