"""What a table of rows by key looks like, whatever it is stored in.

A schema, the columns that a table has, and rows come in; problems, and rows in the same Python types for every kind of
table, go out. Pure: nothing here reads or writes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from enum import Enum
from functools import partial
from types import MappingProxyType

from lakeflow_job_meta._internal.text import closest, listing, most_alike, quoted
from lakeflow_job_meta.errors import OperationFailed

Row = Mapping[str, object]
"""A row by column. Values are str, int, float, bool, datetime (UTC, to the millisecond) and None."""

Key = tuple[object, ...]
"""The values of a row's key columns, in the order of the schema."""

KeyedRows = Mapping[Key, Row | None]
"""What one commit does, by key: a row to insert or to update, None for one to delete."""

EVERYWHERE: Mapping[str, str] = MappingProxyType({})


class TableUnusable(OperationFailed):
    """The table is not one of its schema, or cannot be read.

    Attributes:
        problems: What is wrong, a sentence each, without the table's name.
    """

    def __init__(self, name: str, *problems: str) -> None:
        super().__init__("; ".join(f"{name}: {problem}" for problem in problems))
        self.problems = problems


class Stamp(str, Enum):
    """When a commit writes its own time into a column."""

    CREATED = "created"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Column:
    """A column.

    Attributes:
        type: STRING, INT, BIGINT, DOUBLE, BOOLEAN or TIMESTAMP.
        is_optional: Whether a table may lack it.
        default: SQL for what a new row gets instead of NULL; NULL leaves an existing row's value as it is. Without a
            default, NULL is a value like others.
        stamp: Of a column that is not part of the rows, but stamped with the time when a row is created or changed.
    """

    name: str
    type: str
    is_optional: bool = False
    default: str | None = None
    stamp: Stamp | None = None


@dataclass(frozen=True, slots=True)
class RowChanges:
    """What one commit is to do.

    Attributes:
        upserts: Whole rows to insert, or to update where the key is there already. A column that one lacks becomes
            NULL. Of several with one key the last counts.
        deletions: Keys; one that an upsert has too is not deleted.
    """

    upserts: Sequence[Row]
    deletions: Sequence[Key] = ()

    def __bool__(self) -> bool:
        return bool(self.upserts or self.deletions)


@dataclass(frozen=True, slots=True)
class TableSchema:
    """A table's columns and key.

    Attributes:
        suffix: What is put behind the control table's name, such as `_jobs`; nothing for the control table itself.
        columns: In their order.
        key: The columns that identify a row; none of them is ever without a value.
        order: The column by which one row is newer than another.
        keep: How many of the newest rows a local file keeps; None keeps all. Tables keep all.
        is_created_on_write: Whether the table belongs to this tool: the first write creates it, later ones add the
            columns that an older one lacks, and before the first one it has no rows. Otherwise it belongs to the user,
            who creates it, and a table that is missing is an error.
    """

    suffix: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    order: str
    keep: int | None = None
    is_created_on_write: bool = True

    @property
    def values(self) -> tuple[Column, ...]:
        """The columns of the rows: those that are not stamped."""
        return tuple(column for column in self.columns if column.stamp is None)

    def spelled(self, types: Mapping[str, str]) -> Mapping[str, str]:
        """Returns a table's columns, known ones as they are spelled here: to Delta, case makes no other column."""
        ours = {column.name.casefold(): column.name for column in self.columns}
        return {ours.get(name.casefold(), name): kind for name, kind in types.items()}

    def nearly_optional(self, present: Iterable[str]) -> list[tuple[str, str]]:
        """Returns optional columns that are missing, each with one of the user's own that probably was to be it."""
        known = {column.name for column in self.columns}
        own = {name.casefold(): name for name in present if name not in known}
        missing = (column.name for column in self.columns if column.is_optional and column.name not in set(present))
        found = ((name, most_alike(name, own)) for name in missing)
        return [(name, own[near[1]]) for name, near in found if near is not None and near[0] >= _ALMOST_SURE]

    def problems(self, types: Mapping[str, str]) -> list[str]:
        """Returns which columns are missing, or have a type that cannot hold what they are for.

        `types` are the table's columns and their SQL types in upper case.
        """
        if self.is_created_on_write and not any(column.name in types for column in self.columns):
            return ["it is a table of something else: it has none of the columns that are expected"]
        return [problem for column in self.values if (problem := self._problem(column, types))]

    def _problem(self, column: Column, types: Mapping[str, str]) -> str | None:
        actual = types.get(column.name)
        if actual is None:
            if self._may_lack(column):
                return None
            near = closest(column.name, types)
            hint = f" (there is {near!r})" if near and near not in {known.name for known in self.columns} else ""
            return f"the table has no column {column.name!r}{hint}; add it as {column.type}"
        if actual.split("(")[0] in _HELD_BY[column.type]:
            return None
        return f"the column {column.name!r} has the type {actual}, but must be {column.type}"

    def _may_lack(self, column: Column) -> bool:
        return column.is_optional or self.is_created_on_write

    def addable(self, types: Mapping[str, str]) -> list[Column]:
        return [column for column in self.columns if column.name not in types and self._may_lack(column)]

    def readable(self, types: Mapping[str, str], also: Iterable[str] | None = ()) -> list[str]:
        """Returns the columns to read of a table: those of the rows, and `also`, as far as the table has them.

        Of `also`, None means all.
        """
        known, present = (column.name for column in self.values), {name.casefold() for name in types}
        wanted = dict.fromkeys((*known, *(types if also is None else also)))
        return [name for name in wanted if name.casefold() in present]

    def writable(self, name: str, rows: KeyedRows, present: Container[str]) -> list[Column]:
        """Returns the columns that a write sets; raises TableUnusable if a value is for a column that is not there."""
        needed = {column for row in rows.values() if row for column, value in row.items() if value is not None}
        missing = [column.name for column in self.columns if column.name in needed and column.name not in present]
        if missing:
            raise TableUnusable(
                name,
                f"the metadata needs the optional columns {listing(missing)}, which the table lacks; add them with "
                "`ljm table create --optional-columns` (`ensure_exists()` in Python)",
            )
        return [column for column in self.columns if column.name in present]

    def prepared(self, name: str, changes: RowChanges) -> KeyedRows:
        """Checks what is to be written, and brings every value into the form in which it will be read back.

        Raises:
            TableUnusable: A row has an unknown column, a key without a value, or a value that does not fit.
        """
        columns = {column.name: column for column in self.values}
        rows: dict[Key, Row | None] = {}
        for deletion in changes.deletions:
            if len(deletion) != len(self.key):
                raise TableUnusable(name, f"a key has the columns {listing(self.key)}, not {len(deletion)} values.")
            given = dict(zip(self.key, deletion, strict=True))
            rows[self._key(name, {column: _stored(name, columns[column], given) for column in given})] = None
        for row in changes.upserts:
            unknown = row.keys() - columns.keys()
            if unknown:
                raise TableUnusable(
                    name,
                    f"there is no column {listing(sorted(unknown))}; the table has {listing(columns, len(columns))}.",
                )
            stored = {column.name: _stored(name, column, row) for column in columns.values()}
            rows[self._key(name, stored)] = stored
        return rows

    def _key(self, name: str, row: Row) -> Key:
        missing = [column for column in self.key if row[column] is None]
        if missing:
            raise TableUnusable(name, f"a row has no value for {listing(missing)}, which its key needs.")
        return tuple(row[column] for column in self.key)

    def restored(self, name: str, row: Row) -> Row:
        """Returns a row as it was read, with all columns of the schema; those that an older table lacks are None."""
        return {column.name: _stored(name, column, row) for column in self.values}

    def newest(self, rows: Iterable[Row], limit: int, where: Mapping[str, str] = EVERYWHERE) -> list[Row]:
        """Returns the newest rows, newest first; those of the same moment by key, those without one last."""
        wanted = [row for row in rows if all(row[column] == text for column, text in where.items())]
        wanted.sort(key=lambda row: tuple(_sortable(row[column]) for column in self.key))
        wanted.sort(key=lambda row: _sortable(row[self.order]), reverse=True)
        return wanted[: max(limit, 0)]

    def latest(self, rows: Sequence[Row], groups: Sequence[str], where: Mapping[str, str] = EVERYWHERE) -> list[Row]:
        """Returns the rows of the newest moment among those that are equal in some columns, newest first."""
        newest: dict[Key, object] = {}
        ordered = self.newest(rows, len(rows), where)
        for row in ordered:
            newest.setdefault(tuple(row[column] for column in groups), row[self.order])
        return [row for row in ordered if row[self.order] == newest[tuple(row[column] for column in groups)]]


ANY_TABLE = TableSchema(suffix="", columns=(), key=(), order="", is_created_on_write=False)
"""A table of which nothing is known."""


def named_as(rows: list[Row], columns: Iterable[str]) -> list[Row]:
    """Returns rows whose columns are spelled as in `columns`; a table may spell them in another case."""
    wanted = {name.casefold(): name for name in columns}
    if not rows or all(wanted.get(name.casefold(), name) == name for name in rows[0]):
        return rows
    return [{wanted.get(name.casefold(), name): value for name, value in row.items()} for row in rows]


WAS = "ljm_was_"
"""What the name of a column begins with that has, in a row to be written, the value that another one is to have yet."""


IS_THERE, DELETE = "ljm_is_there", "ljm_delete"
"""What the columns are called that say, in a row to be written, whether it is there yet, and whether it is to go."""


def as_was(columns: Iterable[Column]) -> list[Column]:
    """Returns the columns of the values that columns are to have yet."""
    return [replace(column, name=f"{WAS}{column.name}", default=None) for column in columns]


@dataclass(frozen=True, slots=True)
class MergeTerms:
    """The SQL terms of a merge of new rows `s` into a table `t`.

    Rows with equal `key` columns of which a `compared` pair of terms differs get the `updates`, as long as the terms of
    each `expected` pair are the same.
    """

    key: list[str]
    compared: list[tuple[str, str]]
    updates: dict[str, str]
    inserts: dict[str, str]
    expected: list[tuple[str, str]]


def merge_terms(
    schema: TableSchema,
    columns: Sequence[Column],
    expected: Sequence[Column],
    quote: Callable[[str], str],
    current_time: str,
) -> MergeTerms:
    """Returns the terms of a merge that writes columns, key and stamped ones among them; `current_time` is SQL.

    `expected` are columns that are to have yet what the rows say with `WAS` before their names.
    """
    compared, updates, inserts = [], {}, {}
    for column in columns:
        name = quote(column.name)
        if column.stamp is not None:
            inserts[name] = current_time
            if column.stamp is Stamp.CHANGED:
                updates[name] = current_time
            continue
        inserts[name] = f"s.{name}" if column.default is None else f"coalesce(s.{name}, {column.default})"
        if column.name not in schema.key:
            updates[name] = f"s.{name}" if column.default is None else f"coalesce(s.{name}, t.{name})"
            compared.append((f"t.{name}", updates[name]))
    known = [(f"t.{quote(column.name)}", f"s.{quote(WAS + column.name)}") for column in expected]
    return MergeTerms([quote(name) for name in schema.key], compared, updates, inserts, known)


def latest_rows(columns: str, source: str, order: str, groups: Sequence[str]) -> str:
    """Returns SQL, in parentheses, for the rows of the newest moment among those that are equal in some columns."""
    newest = f"max({order}) OVER (PARTITION BY {', '.join(groups)})"
    return (
        f"(SELECT * FROM (SELECT {columns}, {newest} AS ljm_newest FROM {source}) AS s WHERE {order} = ljm_newest) AS s"
    )


_ALMOST_SURE = 0.8
"""How alike two names of columns are of which one is surely meant to be the other, from 0 to 1."""

_HELD_BY = {
    "STRING": ("STRING", "VARCHAR", "CHAR"),
    "INT": ("INT", "INTEGER", "BIGINT", "LONG", "SMALLINT", "SHORT", "TINYINT", "BYTE"),
    "BIGINT": ("BIGINT", "LONG"),
    "DOUBLE": ("DOUBLE",),
    "BOOLEAN": ("BOOLEAN",),
    "TIMESTAMP": ("TIMESTAMP",),
}


def _sortable(value: object) -> tuple[bool, object]:
    return value is not None, value


def _stored(name: str, column: Column, row: Row) -> object:
    """Returns a value in the form in which every kind of table returns it."""
    value = row.get(column.name)
    if value is None:
        return None
    stored = _FORMS[column.type](value)
    if stored is None:
        raise TableUnusable(
            name, f"the column {column.name!r} has the type {column.type}, which cannot hold {quoted(value)}."
        )
    return stored


def _text(value: object) -> object:
    """Half a surrogate pair, as undecodable file names have it, fits into no store: it becomes a question mark."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else None


def _integer(limit: int, value: object) -> object:
    return value if isinstance(value, int) and not isinstance(value, bool) and -limit <= value < limit else None


def _fraction(value: object) -> object:
    with suppress(OverflowError):
        if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
    return None


def _moment(value: object) -> object:
    """A warehouse returns milliseconds, so no kind of table keeps more; at the ends of time there is no arithmetic."""
    if not isinstance(value, datetime) or value.tzinfo is None or not 1 < value.year < 9999:
        return None
    return value.astimezone(timezone.utc).replace(microsecond=value.microsecond // 1000 * 1000)


_FORMS: dict[str, Callable[[object], object]] = {
    "STRING": _text,
    "INT": partial(_integer, 2**31),
    "BIGINT": partial(_integer, 2**63),
    "DOUBLE": _fraction,
    "BOOLEAN": lambda value: value if isinstance(value, bool) else None,
    "TIMESTAMP": _moment,
}
