"""Side tables: small tables that the tool keeps beside a control table, whatever they are stored in.

A layout and rows come in; checked rows by key go out, in the same Python types from every kind of store. Pure: nothing
here reads or writes. A table that cannot be read is an error for every kind, never a table without rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from types import MappingProxyType
from typing import Protocol

from lakeflow_job_meta._internal.text import listing, quoted
from lakeflow_job_meta.errors import OperationFailed
from lakeflow_job_meta.parsing.columns import Row

EVERYWHERE: Mapping[str, str] = MappingProxyType({})
Key = tuple[object, ...]
StoreChanges = Mapping[Key, Row | None]
"""What one commit does, by key: a row to insert or to update, None for one to delete."""


@dataclass(frozen=True, slots=True)
class SchemaColumn:
    """A column.

    Attributes:
        type: STRING, INT, BIGINT, DOUBLE or TIMESTAMP.
    """

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class TableSchema:
    """What a side table looks like.

    Attributes:
        suffix: What is put behind the control table's name, such as `_jobs`.
        columns: In their order.
        key: The columns that tell one row from another; none of them is ever without a value.
        order: The column that says which row is newer.
        keep: How many of the newest rows a local file keeps; None keeps all. Tables keep all.
    """

    suffix: str
    columns: tuple[SchemaColumn, ...]
    key: tuple[str, ...]
    order: str
    keep: int | None = None


class StateStore(Protocol):
    """A side table. Values are str, int, float, datetime (UTC, to the millisecond) and None."""

    @property
    def name(self) -> str:
        """The table's name or path, as messages give it."""

    def rows(self) -> list[Row]:
        """Returns all rows in no order; none when the table is not there yet.

        Raises:
            OperationFailed: It is there, or may be, and cannot be read.
        """

    def newest(self, limit: int, where: Mapping[str, str] = EVERYWHERE) -> list[Row]:
        """Returns the newest rows, newest first; none when the table is not there yet.

        Args:
            limit: How many at most.
            where: Texts that columns must have, by column.

        Raises:
            OperationFailed: It is there, or may be, and cannot be read.
        """

    def put(self, rows: Sequence[Row], deletions: Sequence[Key] = ()) -> None:
        """Inserts, updates and deletes rows by key, in one commit; the same put again changes nothing.

        The table is made the first time, and gets the columns that an older one lacks. Without anything to do, nothing
        is touched or asked.

        Args:
            rows: Whole rows: a column that one lacks becomes NULL. Of several with one key the last counts.
            deletions: Keys, values in the order of the layout; one that a row has too is not deleted.

        Raises:
            OperationFailed: A value does not fit its column, or the table refuses; its rows are as they were.
        """


def prepared(layout: TableSchema, name: str, rows: Sequence[Row], deletions: Sequence[Key]) -> StoreChanges:
    """Checks what is to be written, and brings every value into the form in which it will be read back.

    Raises:
        OperationFailed: A row has an unknown column, a key without a value, or a value that does not fit.
    """
    types = {column.name: column.type for column in layout.columns}
    changes: dict[Key, Row | None] = {}
    for deletion in deletions:
        if len(deletion) != len(layout.key):
            raise OperationFailed(f"{name}: a key has the columns {listing(layout.key)}, not {len(deletion)} values.")
        given = dict(zip(layout.key, deletion, strict=True))
        changes[_key(layout, name, {column: _written(name, column, types[column], given) for column in given})] = None
    for row in rows:
        unknown = row.keys() - types.keys()
        if unknown:
            raise OperationFailed(
                f"{name} has no column {listing(sorted(unknown))}; it has {listing(types, len(types))}."
            )
        written = {column: _written(name, column, kind, row) for column, kind in types.items()}
        changes[_key(layout, name, written)] = written
    return changes


def restored(layout: TableSchema, name: str, row: Row) -> Row:
    """Returns a row as it was read, with all columns of the layout; those that an older table lacks are None.

    Raises:
        OperationFailed: A value is of another type than its column.
    """
    return {column.name: _written(name, column.name, column.type, row) for column in layout.columns}


def newest_of(layout: TableSchema, rows: Sequence[Row], limit: int, where: Mapping[str, str] = EVERYWHERE) -> list[Row]:
    """Returns the newest rows, newest first; those of the same moment by key, those without one last."""
    wanted = [row for row in rows if all(row[column] == text for column, text in where.items())]
    ordered = sorted(wanted, key=lambda row: tuple(_sortable(row[column]) for column in layout.key))
    ordered.sort(key=lambda row: _sortable(row[layout.order]), reverse=True)
    return ordered[: max(limit, 0)]


def column_problems_of(layout: TableSchema, types: Mapping[str, str]) -> list[str]:
    """Says which columns have a type that cannot hold what they are for; columns may be missing, but not all.

    Args:
        layout: What the table should be.
        types: The columns it has and their SQL types in upper case.
    """
    if not any(column.name in types for column in layout.columns):
        return ["it is a table of something else: it has none of the columns that are expected"]
    return [
        f"the column {column.name!r} has the type {types[column.name]}, but must be {column.type}"
        for column in layout.columns
        if column.name in types and types[column.name].split("(")[0] not in _HELD_BY[column.type]
    ]


_HELD_BY = {
    "STRING": ("STRING", "VARCHAR", "CHAR"),
    "INT": ("INT", "INTEGER", "BIGINT", "LONG"),
    "BIGINT": ("BIGINT", "LONG"),
    "DOUBLE": ("DOUBLE",),
    "TIMESTAMP": ("TIMESTAMP",),
}


def _key(layout: TableSchema, name: str, row: Row) -> Key:
    missing = [column for column in layout.key if row[column] is None]
    if missing:
        raise OperationFailed(f"{name}: a row has no value for {listing(missing)}, which its key needs.")
    return tuple(row[column] for column in layout.key)


def _sortable(value: object) -> tuple[bool, object]:
    return value is not None, value


def _written(name: str, column: str, kind: str, row: Row) -> object:
    value = row.get(column)
    if value is None:
        return None
    written = _FORMS[kind](value)
    if written is None:
        raise OperationFailed(f"{name}: the column {column!r} has the type {kind}, which cannot hold {quoted(value)}.")
    return written


def _text(value: object) -> object:
    """Half a surrogate pair, as undecodable file names have it, fits into no store: it becomes a question mark."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else None


def _integer(bits: int) -> Callable[[object], object]:
    limit = 2 ** (bits - 1)

    def read(value: object) -> object:
        fits = isinstance(value, int) and not isinstance(value, bool) and -limit <= value < limit
        return value if fits else None

    return read


def _fraction(value: object) -> object:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def _moment(value: object) -> object:
    """A warehouse returns milliseconds, so no kind of table keeps more."""
    if not isinstance(value, datetime) or value.tzinfo is None:
        return None
    return value.astimezone(timezone.utc).replace(microsecond=value.microsecond // 1000 * 1000)


_FORMS: dict[str, Callable[[object], object]] = {
    "STRING": _text,
    "INT": _integer(32),
    "BIGINT": _integer(64),
    "DOUBLE": _fraction,
    "TIMESTAMP": _moment,
}
