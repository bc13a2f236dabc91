"""A table that is read and written where it lies, by delta-rs: no Spark, no cluster, no pyarrow.

Rows come and go as Arrow data straight from Rust: deltalake's way through pyarrow reads wrong values from column-mapped
tables. The table is opened anew for every operation (a few milliseconds), so that a table that was dropped and created
again is never mistaken for the old one.
"""

from __future__ import annotations

import getpass
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from lakeflow_job_meta._internal.parallel import attempts
from lakeflow_job_meta._internal.text import foreign_message, listing, quoted
from lakeflow_job_meta.errors import ConfigError, LakeflowJobMetaError, OperationFailed
from lakeflow_job_meta.tables.names import is_url
from lakeflow_job_meta.tables.plain import WholeTable
from lakeflow_job_meta.tables.rows import TableRows
from lakeflow_job_meta.tables.schema import (
    DELETE,
    EVERYWHERE,
    WAS,
    Column,
    KeyedRows,
    Row,
    TableSchema,
    TableUnusable,
    as_was,
    latest_rows,
    merge_terms,
)
from lakeflow_job_meta.tables.store import (
    Commit,
    Snapshot,
    TableDamaged,
    TableMissing,
    TableVersion,
    VersionedTable,
    VersionUnreadable,
    check_as_before,
)

if TYPE_CHECKING:
    from arro3.core import Array, ChunkedArray
    from arro3.core import Field as ArrowField
    from arro3.core import Table as ArrowTable
    from deltalake import CommitProperties, DeltaTable, Field

_MOST_FILES = 20
"""Each commit adds a file, and reading opens all of them; beyond this many they are compacted."""
_TYPES = {
    "STRING": ("string", "utf8"),
    "INT": ("integer", "int32"),
    "BIGINT": ("long", "int64"),
    "DOUBLE": ("double", "float64"),
    "BOOLEAN": ("boolean", "bool"),
    "TIMESTAMP": ("timestamp", "int64"),
}
"""The names of a column's type in Delta and in Arrow."""
_SQL_TYPES = {"integer": "INT", "long": "BIGINT", "short": "SMALLINT", "byte": "TINYINT"}
_CONFLICT = re.compile(r"(?i)concurrent|since last commit|existing table version|failed to commit transaction")
"""What delta-rs says of a commit that another one came before; every other refusal would come again."""

_FEATURES = re.compile(
    r"(?:table features required: \[(?P<names>.*)\]|Unsupported: Feature '(?P<reader>\w+)'|"
    r"support (?P<version>(?:reader|writer) version \w+))"
)
_LONGEST = 300
_CONSTRAINT = "delta.constraints."
_OTHER_WAY = (
    "Reach it by its name over a SQL warehouse or in Spark instead, as `table:` with a warehouse_id in job_meta.yml or "
    "as catalog.schema.table in Python."
)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def location_beside(location: str, suffix: str) -> str:
    """Returns the location of a table beside another: `data/etl_control` and `_jobs` make `data/etl_control_jobs`.

    Raises:
        ConfigError: The location has no name at its end that something could be put behind.
    """
    if not suffix:
        return location
    bare = location.rstrip("/" + os.sep)
    is_root = not bare or re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]+:(//[^/]*)?", bare)
    if is_root or re.split(r"[/\\]", bare)[-1] in (".", ".."):
        raise ConfigError(
            f"The table {suffix!r} would lie beside the control table {quoted(location)}, whose location ends without "
            "a name. Give the control table a folder with a name."
        )
    return bare + suffix


class DeltaFiles(VersionedTable):
    """A table by path, relative to a folder, or URL (`s3://`, `abfss://`, ...): the control table, or one beside it."""

    def __init__(self, control_table: str, schema: TableSchema, folder: Path | None = None) -> None:
        super().__init__(location_beside(control_table, schema.suffix), schema)
        self._path = None if is_url(self.name) else (folder or Path()) / self.name
        self._uri = self.name if self._path is None else str(self._path)

    def _open(self, version: int | None = None) -> _OpenDeltaTable:
        from deltalake import DeltaTable
        from deltalake.exceptions import TableNotFoundError

        for is_last in attempts(4, pause_seconds=0.1):
            with suppress(TableNotFoundError):
                return _OpenDeltaTable(DeltaTable(self._uri, version=version), self.schema)
            if self._path is None or not _holds_files(self._path):
                break
            # Somebody else may be creating it: its first files are there a moment before its first version.
            if is_last:
                raise TableDamaged(
                    self.name,
                    "there is no Delta table here that can be read, but there are files. If they are a table's, its "
                    "log is damaged or missing: restore it, or move the folder away to start anew",
                )
        raise TableMissing(
            self.name,
            "there is no Delta table here; correct the path"
            if not self.schema.columns
            else "there is no Delta table here; make it with `ljm table create` (`ensure_exists()` in Python), or "
            "correct the path",
        )

    def _open_old(self, version: int, newest: int) -> _OpenDeltaTable:
        try:
            return self._open(version)
        except TableMissing:
            raise VersionUnreadable(
                f"{self.name} does not keep version {version} any more: its log was cleaned; the newest is {newest}."
            ) from None

    def _create(self, columns: Sequence[Column]) -> None:
        from deltalake import DeltaTable, Schema

        schema = Schema(_fields(columns))
        DeltaTable.create(self._uri, schema, mode="ignore", commit_properties=_signature())

    def version(self) -> TableVersion:
        with self._explaining():
            return self._open().version

    def opened(self) -> DeltaTable:
        """Returns the table as delta-rs has it, for its queries."""
        with self._explaining():
            return self._open().table

    def identity(self) -> str:
        return self.version().stamp

    def read(
        self,
        version: int | None = None,
        *,
        also: Sequence[str] | None = (),
        where: Mapping[str, str] = EVERYWHERE,
    ) -> Snapshot:
        try:
            return self._read(version, also, where)
        except TableUnusable as error:
            if version is None or isinstance(error, TableMissing):
                raise
            raise VersionUnreadable(str(error)) from None

    def _read(self, version: int | None, also: Sequence[str] | None, where: Mapping[str, str]) -> Snapshot:
        with self._explaining():
            table = self._open()
            if version is not None and version > table.version.number:
                raise VersionUnreadable(f"{self.name} has no version {version}; the newest is {table.version.number}.")
            if version is not None:
                table = self._open_old(version, table.version.number)
            types = self._usable_types(table)
            rows: Sequence[Row] = table.rows(self.schema.readable(types, also))
            if where:
                rows = [row for row in rows if all(row[column] == text for column, text in where.items())]
            return Snapshot(table.version, types, rows)

    def read_whole(self) -> WholeTable:
        with self._explaining():
            table = self._open()
            columns, rows = table.values([field.name for field in table.table.schema().fields])
            return WholeTable.of_values(columns, rows, table.version.number)

    def history(self, limit: int) -> list[Commit]:
        with self._explaining():
            return [_commit(entry) for entry in self._open().table.history(limit)]

    def current_user(self) -> str:
        return user_of_process()

    @contextmanager
    def _explaining(self) -> Iterator[None]:
        try:
            from deltalake.exceptions import CommitFailedError
        except ImportError:
            raise ConfigError(
                "Delta tables by path need the extra 'delta': pip install 'lakeflow-job-meta[delta]'"
            ) from None
        if self._path is not None and unquote(str(self._path)) != str(self._path):
            raise TableUnusable(
                self.name, "delta-rs takes '%' and two digits in a path for another character; rename it"
            )
        try:
            yield
        except LakeflowJobMetaError:
            raise
        except Exception as error:  # arro3 raises bare exceptions for what goes wrong while rows are read
            text = foreign_message(str(error), 2000)
            if isinstance(error, CommitFailedError) and _CONFLICT.search(text):
                raise OperationFailed(
                    f"{self.name}: somebody else changed the table at the same time, so nothing was written; run "
                    f"again ({text[:_LONGEST]})"
                ) from error
            raise TableUnusable(self.name, self._explained(text)) from error

    def _explained(self, text: str) -> str:
        """Returns what a message of delta-rs means for this table."""
        if features := _FEATURES.search(text):
            found = next(filter(None, features.groups()))
            names = listing(sorted(part.removeprefix('Unknown("').rstrip('")') for part in found.split(", ")))
            return f"delta-rs cannot handle these features of the table: {names}. {_OTHER_WAY}"
        if "append-only" in text:
            return "the table is append-only (delta.appendOnly), so its rows cannot be changed; unset that property"
        if "failed validation check" in text:
            return f"nothing was written, since rows break a rule of the table: {'; '.join(self._rules())}"
        if gone := re.search(r"Object at location (\S+) not found", text):
            return f"this version cannot be read: its data file {gone[1].split('/')[-1]!r} is gone, as after VACUUM"
        return f"cannot be read or written: {text[:_LONGEST]}"

    def _rules(self) -> list[str]:
        """Returns what the table asks of its rows: a library says that a rule is broken, and not which."""
        table = self._open().table
        of_table = [
            f"{name.removeprefix(_CONSTRAINT)} ({rule})"
            for name, rule in table.metadata().configuration.items()
            if name.startswith(_CONSTRAINT)
        ]
        fields = table.schema().fields
        of_columns = [
            f"column {field.name!r} ({rule})"
            for field in fields
            for name, rule in field.metadata.items()
            if name in ("delta.invariants", "delta.generationExpression")
        ]
        return [
            *of_table,
            *of_columns,
            *(f"column {field.name!r} (NOT NULL)" for field in fields if not field.nullable),
        ]


@dataclass(frozen=True, slots=True)
class _OpenDeltaTable:
    table: DeltaTable
    schema: TableSchema

    @property
    def version(self) -> TableVersion:
        return TableVersion(self.table.version(), str(self.table.metadata().id))

    def types(self) -> dict[str, str]:
        return {field.name: _sql_type(field.type) for field in self.table.schema().fields}

    def add_columns(self, columns: Sequence[Column]) -> None:
        self.table.alter.add_columns(_fields(columns))

    def rows(
        self,
        columns: Sequence[str],
        limit: int | None = None,
        where: Mapping[str, str] | None = None,
        groups: Sequence[str] = (),
    ) -> TableRows:
        source = "t"
        if groups and {self.schema.order, *groups} <= {*columns}:
            order, *group = map(_quoted, self._stored_names([self.schema.order, *groups]))
            source = latest_rows("*", source, order, group)
        _, rows = self.values(self._stored_names(columns), source)
        return TableRows(tuple(columns), rows)

    def values(self, stored: Sequence[str], source: str = "t") -> tuple[list[str], list[tuple[object, ...]]]:
        """Returns columns, as the table spells them, and all rows, or those of a source in the SQL of DataFusion."""
        from deltalake import QueryBuilder

        names = ", ".join(map(_quoted, stored))
        # Not DeltaTable.scan, which does the same: it is new in 1.6.6.
        return values_of(QueryBuilder().register("t", self.table).execute(f"SELECT {names} FROM {source}").read_all())

    def _stored_names(self, columns: Sequence[str]) -> list[str]:
        """Returns columns as the table spells them; delta-rs knows no other spelling."""
        stored = {field.name.casefold(): field.name for field in self.table.schema().fields}
        return [stored.get(name.casefold(), name) for name in columns]

    def replace(self, rows: KeyedRows, before: KeyedRows, columns: Sequence[Column], scope: Collection[str]) -> None:
        """Compares the rows at the version that was opened, and makes the commit the next one of that version."""
        found = self.rows([column.name for column in columns if column.stamp is None])
        check_as_before(self.schema, columns, found, before, scope)
        self._spelled_merge(rows, columns, (), is_next=True)

    def merge(self, rows: KeyedRows, columns: Sequence[Column], expected: Sequence[Column] = ()) -> None:
        self._spelled_merge(rows, columns, expected)

    def _spelled_merge(
        self, rows: KeyedRows, columns: Sequence[Column], expected: Sequence[Column], *, is_next: bool = False
    ) -> None:
        names = [column.name for column in (*self.schema.columns, *columns)]
        stored = dict(zip(names, self._stored_names(names), strict=True))
        if any(name != other for name, other in stored.items()):
            schema = replace(
                self.schema,
                columns=tuple(replace(column, name=stored[column.name]) for column in self.schema.columns),
                key=tuple(stored[name] for name in self.schema.key),
            )
            stored |= {f"{WAS}{name}": f"{WAS}{other}" for name, other in stored.items()}
            renamed = {key: row and {stored[name]: value for name, value in row.items()} for key, row in rows.items()}
            _OpenDeltaTable(self.table, schema)._merge(
                renamed,
                [replace(column, name=stored[column.name]) for column in columns],
                [replace(column, name=stored[column.name]) for column in expected],
                is_next=is_next,
            )
        else:
            self._merge(rows, columns, expected, is_next=is_next)

    def _merge(self, rows: KeyedRows, columns: Sequence[Column], expected: Sequence[Column], *, is_next: bool) -> None:
        """Merges; with `is_next` only as the next version of the one that is open."""
        # DataFusion, which runs the merge, binds IS NOT DISTINCT FROM and AND unlike SQL does: hence the parentheses.
        terms = merge_terms(self.schema, columns, expected, str, "now()")
        known = "".join(f" AND (({ours}) IS NOT DISTINCT FROM ({theirs}))" for ours, theirs in terms.expected)
        same = " AND ".join(f"(({ours}) IS NOT DISTINCT FROM ({theirs}))" for ours, theirs in terms.compared)
        merger = self.table.merge(
            _source_rows(replace(self.schema, columns=(*columns, *as_was(expected))), rows),
            predicate=" AND ".join(f"(t.{name} = s.{name})" for name in terms.key),
            source_alias="s",
            target_alias="t",
            commit_properties=_signature(is_next=is_next),
        )
        if None in rows.values():  # most writes delete nothing, and each clause costs the planning of its columns
            merger = merger.when_matched_delete(predicate=f"s.{DELETE}")
        merger = merger.when_matched_update(updates=terms.updates, predicate=f"(NOT ({same})){known}")
        if not expected:
            merger = merger.when_not_matched_insert(updates=terms.inserts, predicate=f"NOT s.{DELETE}")
        merger.execute()
        if self.schema.is_created_on_write:
            self._compact()

    def _compact(self) -> None:
        """Joins small files: each write adds one, and each read opens all, so that both became slow in time."""
        from deltalake.exceptions import DeltaError

        if len(self.table.file_uris()) > _MOST_FILES:
            # The rows are written; what somebody else keeps from being compacted now is so after a later write.
            with suppress(DeltaError):
                self.table.optimize.compact()
                self.table.vacuum(dry_run=False)  # of files that nobody has needed for Delta's default of a week


def user_of_process() -> str:
    """Returns the name of the user that this process runs as; where there is none, as in some containers, the number.

    The account counts, and not the environment, which anybody may set.
    """
    try:
        import pwd
    except ImportError:  # Windows
        return getpass.getuser()
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _signature(*, is_next: bool = False) -> CommitProperties:
    """Returns who makes a commit, where Databricks has it; with `is_next` it is the next version or none."""
    from deltalake import CommitProperties

    user = {"userName": user_of_process()}
    return CommitProperties(max_commit_retries=0, custom_metadata=user) if is_next else CommitProperties(user)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def values_of(found: ArrowTable) -> tuple[list[str], list[tuple[object, ...]]]:
    """Returns the columns and the rows of Arrow data.

    Raises:
        OperationFailed: A column has a type that is no value of a table.
    """
    # Column by column, which takes half the time of asking for rows.
    fields = [found.schema.field(number) for number in range(found.num_columns)]
    cells = [_cells(found.column(number), field) for number, field in enumerate(fields)]
    return [field.name for field in fields], list(zip(*cells, strict=True))


def _cells(column: ChunkedArray, field: ArrowField) -> list[object]:
    from arro3.core import DataType

    if "Interval(" in str(field.type):  # arro3 panics
        raise OperationFailed(f"the column {field.name!r} is an interval, which is no value; cast it to text")
    values: list[Any] = column.to_pylist()
    # A map comes as pairs, which an empty one does not show.
    return [value if value is None else dict(value) for value in values] if DataType.is_map(field.type) else values


def _holds_files(path: Path) -> bool:
    """Returns whether anything lies at a path; what cannot be listed counts as something."""
    try:
        if not path.is_dir():
            return os.path.lexists(path)
        return any(not each.is_dir() or _holds_files(each) for each in path.iterdir())
    except OSError as error:
        raise OperationFailed(f"{str(path)!r} cannot be read: {error.strerror}.") from error


def _fields(columns: Sequence[Column]) -> list[Field]:
    from deltalake import Field
    from deltalake.schema import PrimitiveType

    return [Field(column.name, PrimitiveType(_TYPES[column.type][0])) for column in columns]


def _sql_type(kind: object) -> str:
    name = str(getattr(kind, "type", kind))
    return _SQL_TYPES.get(name, name.upper())


def _source_rows(schema: TableSchema, changes: KeyedRows) -> ArrowTable:
    """Returns the changes as an Arrow table with one column more: what to delete."""
    from arro3.core import Array, DataType, Table

    rows = [dict(zip(schema.key, key, strict=True)) if row is None else row for key, row in changes.items()]
    arrays: dict[str, Any] = {
        column.name: _array(column.type, [row.get(column.name) for row in rows]) for column in schema.values
    }
    arrays[DELETE] = Array([row is None for row in changes.values()], DataType.bool())
    return Table.from_pydict(arrays)


def _array(kind: str, values: list[object]) -> Array:
    from arro3.core import Array, DataType

    if kind == "TIMESTAMP":
        moments = [
            (value - _EPOCH) // timedelta(microseconds=1) if isinstance(value, datetime) else None for value in values
        ]
        return Array(moments, DataType.int64()).cast(DataType.timestamp("us", tz="UTC"))
    return Array(values, getattr(DataType, _TYPES[kind][1])())


def _commit(entry: dict[str, Any]) -> Commit:
    timestamp = datetime.fromtimestamp(int(entry["timestamp"]) / 1000, timezone.utc)
    user = entry.get("userName") or entry.get("userId")
    return Commit(int(entry["version"]), timestamp, str(entry.get("operation", "")), str(user) if user else None)
