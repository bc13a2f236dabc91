"""Tables of rows by key: what every kind can do, and what is the same for all of them.

Every write is one commit, or several where it does not fit into one. Every read of a versioned table is of one version,
so that a module is never half old, half new. A table that cannot be read is an error for every kind, never a table
without rows.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Container, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Protocol

from lakeflow_job_meta.errors import OperationFailed
from lakeflow_job_meta.tables.plain import WholeTable
from lakeflow_job_meta.tables.schema import (
    EVERYWHERE,
    WAS,
    Column,
    KeyedRows,
    Row,
    RowChanges,
    Stamp,
    TableSchema,
    TableUnusable,
    as_was,
)


class TableMissing(TableUnusable):
    """There is no such table."""


class TableDamaged(TableMissing):
    """There is no such table, but what may be left of one."""


class VersionUnreadable(OperationFailed):
    """The table has no such version, or keeps what is needed to read it no more."""


class RowsChanged(OperationFailed):
    """Somebody has changed rows since they were read, so nothing was written."""


class Created(Enum):
    """What creating a table came to, in words."""

    TABLE = "created"
    COLUMNS = "was there already; the missing optional columns were added"
    NOTHING = "is there already; nothing was changed"


_ROWS_CHANGED = "somebody has changed these rows since they were read, so nothing was written; run again"


@dataclass(frozen=True, slots=True)
class TableVersion:
    """One state of a table.

    Attributes:
        number: Delta's version, counted from 0.
        stamp: Tells a table from another one of the same name: one that is dropped and created again starts at 0 too.
    """

    number: int
    stamp: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All rows of one version, or those that were asked for.

    Attributes:
        types: The table's columns, the user's own among them, and their SQL types in upper case; an older version may
            not say them, and gives empty texts.
    """

    version: TableVersion
    types: Mapping[str, str]
    rows: Sequence[Row]

    @property
    def columns(self) -> frozenset[str]:
        return frozenset(self.types)


@dataclass(frozen=True, slots=True)
class Commit:
    """One entry of a table's history; the user is None where the table does not record who it was."""

    version: int
    timestamp: datetime
    operation: str
    user: str | None

    @property
    def changes_rows(self) -> bool:
        """Whether it may have; Databricks makes other ones by itself (predictive optimization)."""
        return not self.operation.startswith(("OPTIMIZE", "VACUUM", "ANALYZE"))


class OpenTable(Protocol):
    """A table that is there, as of the moment when it was opened."""

    def types(self) -> Mapping[str, str]:
        """Returns the table's columns and their SQL types in upper case."""

    def add_columns(self, columns: Sequence[Column]) -> None: ...

    def rows(
        self, columns: Sequence[str], limit: int | None, where: Mapping[str, str], groups: Sequence[str]
    ) -> Sequence[Row]:
        """Returns the current rows: at least the newest ones, and at least those of `where`, in any order.

        With `groups` these are at least those of the newest moment among the rows that are equal in these columns.
        """

    def merge(self, rows: KeyedRows, columns: Sequence[Column], expected: Sequence[Column] = ()) -> None:
        """Inserts, updates and deletes rows in one commit; a row that has all the values already is not touched.

        With `expected` columns, rows are updated alone, and only those in which these have yet what is said with `WAS`
        before their names.

        Raises OperationFailed if the table refuses; then nothing was written.
        """

    def replace(self, rows: KeyedRows, before: KeyedRows, columns: Sequence[Column], scope: Collection[str]) -> None:
        """Inserts, updates and deletes rows in one commit, if the rows of a scope are yet those that there were before.

        The scope are values of the first key column; all rows are of it. Raises RowsChanged if somebody has written,
        added or removed one, and OperationFailed if the table refuses; then nothing was written.
        """


class TableStore(ABC):
    """A table of one schema; its `name`, or path, is what messages and generated files give."""

    def __init__(self, name: str, schema: TableSchema) -> None:
        self.name = name
        self.schema = schema

    @abstractmethod
    def _open(self) -> OpenTable:
        """Opens the table anew; raises TableMissing if there is none."""

    @abstractmethod
    def _create(self, columns: Sequence[Column]) -> None: ...

    def _explaining(self) -> AbstractContextManager[None]:
        """Turns errors of a library into sentences that name the table."""
        return nullcontext()

    def _parts(self, rows: KeyedRows) -> list[KeyedRows]:
        """Returns rows as they go into one commit each; raises OperationFailed where one fits into none."""
        return [rows]

    def create(self, *, optional_columns: bool = True, only_new: bool = False, original: bool = False) -> Created:
        """Creates the table if it is not there; an existing one gets the optional columns that it lacks, if wanted.

        With `only_new` an existing one is left alone; with `original` too, and a new one has the columns of the
        original tool alone, in their order: an INSERT of values without names fits such a table.
        """
        wanted = [each for each in self.schema.columns if optional_columns or not each.is_optional]
        if original:
            wanted = [each for each in self.schema.values if not each.is_optional]
        with self._explaining():
            try:
                table = self._open()
            except TableMissing:
                self._create(wanted)
                return Created.TABLE
            known = self.schema.spelled(table.types())
            missing = self.schema.addable(known) if optional_columns and not (only_new or original) else []
            if missing:
                table.add_columns(missing)
            return Created.COLUMNS if missing else Created.NOTHING

    def rows(self) -> list[Row]:
        """Returns all rows in no order, whole; none when a table of this tool is not there yet.

        Raises:
            OperationFailed: It is there, or may be, and cannot be read.
        """
        return self._current_rows(None, EVERYWHERE)

    def newest(self, limit: int, where: Mapping[str, str] = EVERYWHERE) -> list[Row]:
        """Returns the newest rows in which columns have the texts of `where`, newest first; else like `rows`."""
        return self.schema.newest(self._current_rows(limit, where), limit, where) if limit > 0 else []

    def latest(self, groups: Sequence[str], where: Mapping[str, str] = EVERYWHERE) -> list[Row]:
        """Returns the rows of the newest moment among those that are equal in some columns, newest first."""
        groups = (*where, *groups)
        return self.schema.latest(self._current_rows(None, where, groups), groups, where)

    def _current_rows(self, limit: int | None, where: Mapping[str, str], groups: Sequence[str] = ()) -> list[Row]:
        with self._explaining():
            table = self._open_if_there()
            types = self._usable_types(table) if table is not None else {}
            if table is None or not where.keys() <= types.keys():
                return []
            found = table.rows(self.schema.readable(types), limit, where, groups)
        return [self.schema.restored(self.name, row) for row in found]

    def write(self, changes: RowChanges, on_written: Callable[[int, int], None] = lambda done, of: None) -> None:
        """Inserts, updates and deletes rows by key; the same again changes nothing.

        That is one commit where it fits into one. Else rows of one first key column are in the same commit, as far as
        they fit, and deletions are in the last ones; whoever was stopped between two writes the rest by the same again.
        `on_written` is called after each, with the number of rows until then and of all. Without anything to do,
        nothing is touched or sent.

        Raises:
            TableMissing: A table of the user's own is not there.
            OperationFailed: A value does not fit its column, or the table refuses; its rows are as they were, but for
                commits that came before, of which the text says so.
        """
        parts = self._prepared(changes)
        rows = _joined(parts)
        if not rows:
            return
        with self._explaining():
            table = self._open_if_there()
            if table is None:
                self._create(self.schema.columns)
                table = self._open()  # somebody else may have created another one first
            types = self._usable_types(table)
            missing = self.schema.addable(types) if self.schema.is_created_on_write else []
            if missing:
                table.add_columns(missing)
                types = {**types, **{column.name: column.type for column in missing}}
            columns, done = self.schema.writable(self.name, rows, types), 0
            for part in parts:
                try:
                    table.merge(part, columns)
                except OperationFailed as error:
                    if not done:
                        raise
                    written = f"{done:,} of {len(rows):,} rows had been written before; run again to write the others."
                    raise OperationFailed(f"{error}\n{self.name}: {written}") from error
                done += len(part)
                on_written(done, len(rows))

    def update(self, changes: Sequence[tuple[Row, Row]]) -> None:
        """Updates rows that are yet as they were read: each change is a row as it was, and as it is to be.

        Where somebody has changed a column of a row that any of the changes is about, or taken the row away, that row
        stays as it is: the commit itself looks at it.

        Raises:
            OperationFailed: As `write` does.
        """
        edited = {name for before, after in changes for name in after if before.get(name) != after[name]}
        expected = [column for column in self.schema.values if column.name in edited]
        keys = [column for column in self.schema.columns if column.name in self.schema.key]
        wide = replace(self.schema, columns=(*keys, *expected, *as_was(expected)))
        rows = wide.prepared(
            self.name,
            RowChanges(
                [
                    {
                        **{column.name: after.get(column.name) for column in (*keys, *expected)},
                        **{f"{WAS}{column.name}": before.get(column.name) for column in expected},
                    }
                    for before, after in changes
                ]
            ),
        )
        with self._explaining():
            table = self._open()
            types = self._usable_types(table)
            stamped = [each for each in self.schema.columns if each.stamp is Stamp.CHANGED and each.name in types]
            for part in self._parts(rows) if expected else ():
                table.merge(part, [*keys, *expected, *stamped], expected)

    def replace(
        self, before: Sequence[Row], after: Sequence[Row], scope: Collection[str], own: Sequence[Column] = ()
    ) -> None:
        """Puts other rows into the place of some, in one commit or not at all.

        Args:
            before: All rows whose first key column has one of the values of `scope`, as they were read.
            after: What is to be there instead. NULL is a value like others, also of a column with a default.
            scope: Values of the first key column.
            own: Columns of the user's own that are in the rows too.

        Raises:
            RowsChanged: Somebody has written, added or removed such a row since; nothing was written.
            OperationFailed: As `write` does, or they do not fit into one commit; nothing was written.
        """
        columns = tuple(replace(column, default=None) for column in (*self.schema.columns, *own))
        schema = replace(self.schema, columns=columns)
        old = schema.prepared(self.name, RowChanges(before))
        new = schema.prepared(self.name, RowChanges(after, [*old]))
        with self._explaining():
            table = self._open()
            types = self._usable_types(table)
            table.replace(new, old, schema.writable(self.name, new, {*types, *(each.name for each in own)}), scope)

    def check(self, changes: RowChanges, columns: Container[str]) -> None:
        """Raises OperationFailed where rows cannot be written to a table with some columns; writes nothing."""
        self.schema.writable(self.name, _joined(self._prepared(changes)), columns)

    def _prepared(self, changes: RowChanges) -> list[KeyedRows]:
        rows = self.schema.prepared(self.name, changes)
        return self._parts(rows) if rows else []

    def _open_if_there(self) -> OpenTable | None:
        """Opens the table; None where a table of this tool is not there yet."""
        try:
            return self._open()
        except TableMissing as error:
            if isinstance(error, TableDamaged) or not self.schema.is_created_on_write:
                raise
            return None

    def _usable_types(self, table: OpenTable) -> Mapping[str, str]:
        types = self.schema.spelled(table.types())
        problems = self.schema.problems(types)
        if problems:
            raise TableUnusable(self.name, *problems)
        return types


def fingerprint_of(version: TableVersion) -> str:
    """Returns the fingerprint of a table in a version."""
    return f"{version.number} of {version.stamp}"


def version_in(fingerprint: str) -> int | None:
    """Returns the number of the version that a fingerprint is of; None where it is none of a version."""
    number, of, _ = fingerprint.partition(" of ")
    return int(number) if of and number.isdecimal() else None


def check_as_before(
    schema: TableSchema, columns: Sequence[Column], found: Sequence[Row], before: KeyedRows, scope: Collection[str]
) -> None:
    """Raises RowsChanged unless the rows of a scope are those that there were before, in some columns."""
    schema = replace(schema, columns=tuple(columns))
    names = [column.name for column in schema.values]
    rows = [row for row in found if row[schema.key[0]] in scope]
    known = {key: row and {name: row[name] for name in names} for key, row in before.items()}
    if len(rows) != len(known) or schema.prepared("", RowChanges(rows)) != known:
        raise RowsChanged(_ROWS_CHANGED)


def _joined(parts: Iterable[KeyedRows]) -> KeyedRows:
    return {key: row for part in parts for key, row in part.items()}


class VersionedTable(TableStore):
    """A table that keeps its history: Delta, reached by whatever."""

    @abstractmethod
    def version(self) -> TableVersion:
        """Returns the newest version, by one cheap request; raises OperationFailed where there is none to reach."""

    @abstractmethod
    def identity(self) -> str:
        """Returns what tells this table from all others, however a project names it; it stays while rows change."""

    @abstractmethod
    def read(
        self,
        version: int | None = None,
        *,
        also: Sequence[str] | None = (),
        where: Mapping[str, str] = EVERYWHERE,
    ) -> Snapshot:
        """Returns all rows of the newest version, or of an older one, as they are stored.

        `also` are columns of the user's own to read besides, as far as the table has them; None means all. With `where`
        they are the rows in which columns have these texts.

        Raises:
            TableUnusable: It is missing, a column is, or has a type that cannot hold its values.
            VersionUnreadable: There is no such version, or it cannot be read any more.
            OperationFailed: It cannot be reached.
        """

    @abstractmethod
    def read_whole(self) -> WholeTable:
        """Returns all rows and all columns, whatever they are; a view is fine too.

        Raises:
            TableUnusable: It is missing.
            OperationFailed: It cannot be reached.
        """

    def fingerprint(self) -> str:
        """Returns what differs whenever the rows do, as cheaply as it can be."""
        return fingerprint_of(self.version())

    @abstractmethod
    def history(self, limit: int) -> list[Commit]: ...

    @abstractmethod
    def current_user(self) -> str:
        """Returns who would be named in the history by a commit from here."""
