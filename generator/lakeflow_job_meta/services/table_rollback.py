"""Puts the rows of modules of a control table back to what they were in an earlier version, in one new commit.

What it would do is known before: every row that is added, changed or removed, setting by setting. Whoever changes one
of these rows meanwhile makes it fail, and nothing is written.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from lakeflow_job_meta._internal.text import did_you_mean, listing, quoted
from lakeflow_job_meta._internal.trees import ABSENT, Difference, Value, diff
from lakeflow_job_meta.control_table.changes import SourceKey
from lakeflow_job_meta.control_table.schema import COLUMNS, CONTROL_TABLE, METADATA_COLUMNS, cell_value, key_of
from lakeflow_job_meta.control_table.versions import read_version
from lakeflow_job_meta.errors import OperationFailed
from lakeflow_job_meta.services.rollback import Rollback, RowChange
from lakeflow_job_meta.tables.plain import plain_value
from lakeflow_job_meta.tables.schema import Column, Row, RowChanges
from lakeflow_job_meta.tables.store import Snapshot, VersionedTable

_NAMES = [column.name for column in METADATA_COLUMNS]
_PLAIN_TYPES = ("STRING", "INT", "BIGINT", "DOUBLE", "BOOLEAN")
"""Of columns of the user's own that are put back: values that every kind of table reads as they were written."""
_PLAIN_NAME = re.compile(r"[\w -]+")


def plan_rollback(table: VersionedTable, modules: Sequence[str], version: int) -> Rollback:
    """Compares the rows of modules with those that they had in a version; writes nothing.

    Columns that the metadata is made of are as they were, without a value where the version did not have them. Columns
    of the user's own are put back as far as the version had them; those that were added since stay as they are.

    Raises:
        OperationFailed: The version cannot be read (the text says which is the oldest), a module is in neither of the
            two, the table lacks a column that is needed, or has two rows of one source.
    """
    names, now = tuple(dict.fromkeys(modules)), table.read(also=None)
    then = read_version(table, version, also=None)
    _check_names(table.name, names, now, then)
    old, new = (_by_key(table.name, each, names) for each in (now, then))
    own, notes = _own_columns(now, then, old, new)
    wanted = [*_NAMES, *(column.name for column in own)]
    before, after = ([{name: row.get(name) for name in wanted} for row in rows.values()] for rows in (old, new))
    table.check(RowChanges([{name: row[name] for name in _NAMES} for row in after]), now.columns)
    changes = _changes(before, after, own)
    return Rollback(names, version, now.version.number, (*before,), (*after,), own, changes, notes)


def roll_back(table: VersionedTable, rollback: Rollback) -> None:
    """Writes what was planned, in one commit, or nothing where there is nothing to change.

    Raises:
        RowsChanged: Somebody has written, added or removed a row of these modules since; nothing was written.
        OperationFailed: The table refuses; nothing was written.
    """
    if rollback.changes:
        table.replace(rollback.before, rollback.after, rollback.modules, rollback.own)


def _check_names(table: str, names: Sequence[str], now: Snapshot, then: Snapshot) -> None:
    known = {key_of(row)[0] for snapshot in (now, then) for row in snapshot.rows}
    if unknown := [name for name in names if name not in known]:
        raise OperationFailed(
            f"{table} has no module {listing(unknown)}, neither now nor in version {then.version.number}"
            f"{did_you_mean(unknown[0], sorted(known))}"
        )


def _by_key(table: str, snapshot: Snapshot, names: Collection[str]) -> dict[SourceKey, Row]:
    rows = [row for row in snapshot.rows if key_of(row)[0] in names]
    if nameless := next((row for row in rows if row.get("source_id") is None), None):
        raise OperationFailed(
            f"{table}: version {snapshot.version.number} has a row of {quoted(key_of(nameless)[0])} without a "
            "source_id, which nothing can name; put the rows of this module back by hand."
        )
    found = {key_of(row): row for row in sorted(rows, key=key_of)}
    if len(found) < len(rows):
        (module, source), _ = Counter(map(key_of, rows)).most_common(1)[0]
        raise OperationFailed(
            f"{table}: version {snapshot.version.number} has several rows of the source {quoted(source)} of "
            f"{quoted(module)}, which cannot be told apart; put the rows of this module back by hand."
        )
    return found


def _own_columns(
    now: Snapshot, then: Snapshot, old: Mapping[SourceKey, Row], new: Mapping[SourceKey, Row]
) -> tuple[tuple[Column, ...], tuple[str, ...]]:
    """Returns the columns of the user's own that are to be put back, and what is to be said of the others."""
    known = {column.name for column in COLUMNS}
    own: list[Column] = []
    notes: list[str] = []
    here = {name.casefold(): name for name in now.types}
    for name in sorted(then.columns - known):
        if all(_plain(new[key], name) == _plain(old.get(key, {}), here.get(name.casefold(), name)) for key in new):
            continue
        kind = now.types.get(name)
        if kind in _PLAIN_TYPES and _PLAIN_NAME.fullmatch(name):
            own.append(Column(name, kind))
        elif name.casefold() in here:
            notes.append(f"the column {quoted(name)} of your own ({kind or 'spelled otherwise now'}) stays as it is")
        else:
            notes.append(f"the column {quoted(name)}, which version {then.version.number} had, is not there any more")
    return tuple(own), tuple(notes)


def _plain(row: Row, name: str) -> Value:
    return plain_value(row.get(name))


def _changes(before: Sequence[Row], after: Sequence[Row], own: Sequence[Column]) -> tuple[RowChange, ...]:
    old, new = ({key_of(row): row for row in rows} for rows in (before, after))
    changes = []
    for key in sorted({**old, **new}):
        was, is_now = old.get(key), new.get(key)
        if was != is_now:
            kind = "added" if was is None else "removed" if is_now is None else "changed"
            changes.append(RowChange(*key, kind, tuple(_differences(was or {}, is_now or {}, own))))
    return tuple(changes)


def _differences(old: Row, new: Row, own: Sequence[Column]) -> Iterator[Difference]:
    """Yields the settings in which two rows differ, down to single values; a row that is not there is empty."""
    for column in METADATA_COLUMNS:
        if column.name not in CONTROL_TABLE.key:
            was, is_now = (cell_value(column, row.get(column.name)) for row in (old, new))
            yield from _values(diff(was, is_now, (column.name,)))
    for each in own:
        yield from _values(diff(_plain(old, each.name), _plain(new, each.name), (each.name,)))


def _values(differences: Iterable[Difference]) -> Iterator[Difference]:
    """Yields a map that is new or gone as its values, and no value as none."""
    for each in differences:
        before, after = (ABSENT if value is None else value for value in (each.before, each.after))
        if before is ABSENT and isinstance(after, dict) and after:
            yield from _values(diff({}, after, each.path, is_secret=each.is_secret))
        elif after is ABSENT and isinstance(before, dict) and before:
            yield from _values(diff(before, {}, each.path, is_secret=each.is_secret))
        else:
            yield replace(each, before=before, after=after)
