"""Which version of a control table set a value: versions are read backwards until every value is explained.

Values are compared by what they say: JSON that is only written in another way counts as the same. Changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from lakeflow_job_meta._internal.text import count
from lakeflow_job_meta._internal.trees import ABSENT, KeyPath, Value, diff, value_at
from lakeflow_job_meta.control_table.changes import SourceKey
from lakeflow_job_meta.control_table.schema import METADATA_COLUMNS, cell_value, key_of
from lakeflow_job_meta.errors import OperationFailed
from lakeflow_job_meta.tables.plain import plain_value
from lakeflow_job_meta.tables.schema import Row
from lakeflow_job_meta.tables.store import Commit, VersionedTable

Cell = tuple[SourceKey, KeyPath]
"""A value: the key of its row, and its path there, from the column on."""

_COLUMNS = {column.name: column for column in METADATA_COLUMNS}


@dataclass(frozen=True, slots=True)
class SetBy:
    """The version that set a value; where it is not exact, that one or one before it."""

    commit: Commit
    is_exact: bool = True


def blame_cells(
    table: VersionedTable,
    module_name: str,
    cells: Collection[Cell],
    most_versions: int,
    on_progress: Callable[[int, int], None] = lambda done, of: None,
) -> tuple[dict[Cell, SetBy], str]:
    """Returns which version set each of some values of a module that the newest version has.

    And why the versions end, where they end before all is explained; nothing where they do not.

    Args:
        table: The control table.
        module_name: The module that the values are of.
        cells: The values.
        most_versions: How many versions are looked at.
        on_progress: Called with the number of versions that have been read, and of those there may be.

    Raises:
        OperationFailed: The newest version cannot be read.
    """
    commits = table.history(most_versions + 1)
    if not commits:
        return {}, f"{table.name} has no history"
    newest, where = commits[0], {"module_name": module_name}
    values = _values(table.read(newest.version, where=where).rows, cells)
    pending = {cell: value for cell, value in values.items() if value is not ABSENT}
    found: dict[Cell, SetBy] = {}
    note = ""
    for number, older in enumerate(commits[1:]):
        if not pending:
            return found, ""
        if number + 1 == most_versions:
            looked = f"{count(most_versions, 'version')} {'was' if most_versions == 1 else 'were'}"
            note = f"{table.name}: only {looked} looked at; --versions looks further"
            break
        if newest.changes_rows:
            try:
                before = _values(table.read(older.version, where=where).rows, pending)
            except OperationFailed as error:
                note = f"{table.name}: versions before {newest.version} cannot be read: {error}"
                break
            changed = [cell for cell, value in pending.items() if _differ(value, before[cell])]
            found |= {cell: SetBy(newest) for cell in changed}
            pending = {cell: value for cell, value in pending.items() if cell not in found}
            on_progress(number + 1, len(commits) - 1)
        newest = older
    is_first = not note and newest.version == 0
    if pending and not note and not is_first:
        note = f"{table.name}: the log of versions before {newest.version} is not kept any more"
    return found | {cell: SetBy(newest, is_first) for cell in pending}, note if pending else ""


def _values(rows: Sequence[Row], cells: Collection[Cell]) -> dict[Cell, object]:
    """Returns the values of cells; `ABSENT` for one that is not there."""
    by_key = {key_of(row): row for row in rows}
    return {cell: _value(by_key.get(cell[0], {}), cell[1]) for cell in cells}


def _value(row: Mapping[str, object], path: KeyPath) -> object:
    name = str(path[0])
    if row.get(name) is None:
        return ABSENT
    column = _COLUMNS.get(name)
    whole: Value = plain_value(row[name]) if column is None else cell_value(column, row[name])
    is_there, value = value_at(whole, path[1:])
    return value if is_there else ABSENT


def _differ(one: object, other: object) -> bool:
    if one is ABSENT or other is ABSENT:
        return one is not other
    return any(diff(one, other))  # type: ignore[arg-type]
