"""A side table that is read and written where it lies, by delta-rs, beside a control table by path or URL.

Rows come in and go out; the table is opened anew for every operation. A folder that holds files but no readable table
is an error, never a table without rows.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from lakeflow_job_meta._internal.text import quoted
from lakeflow_job_meta.control_table.delta import explaining, is_url, sql_type
from lakeflow_job_meta.control_table.interface import TableUnusable
from lakeflow_job_meta.errors import ConfigError, OperationFailed
from lakeflow_job_meta.parsing.columns import Row
from lakeflow_job_meta.state.store import (
    EVERYWHERE,
    Key,
    SchemaColumn,
    StoreChanges,
    TableSchema,
    column_problems_of,
    newest_of,
    prepared,
    restored,
)

if TYPE_CHECKING:
    from arro3.core import Array, DataType
    from arro3.core import Table as ArrowTable
    from deltalake import DeltaTable, Field

_DELETE = "ljm_delete"
_MOST_FILES = 20
"""Each commit adds a file, and reading opens all of them; beyond this many they are put together."""
_DELTA_TYPES = {
    "STRING": "string",
    "INT": "integer",
    "BIGINT": "long",
    "DOUBLE": "double",
    "TIMESTAMP": "timestamp",
}
_TRIES = 4
_PAUSE_SECONDS = 0.1
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def location_beside(location: str, suffix: str) -> str:
    """Returns where a side table lies: `data/etl_control` and `_jobs` make `data/etl_control_jobs`.

    Raises:
        ConfigError: The location has no name at its end that something could be put behind.
    """
    bare = location.rstrip("/" + os.sep)
    if (
        not bare
        or re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]+:(//[^/]*)?", bare)
        or re.split(r"[/\\]", bare)[-1] in (".", "..")
    ):
        raise ConfigError(
            f"The table {suffix!r} would lie beside the control table {quoted(location)}, whose location ends without "
            "a name. Give the control table a folder with a name."
        )
    return bare + suffix


class DeltaStore:
    """A side table by path or URL.

    Args:
        control_table: The path or URL of the control table beside which it is.
        layout: What it looks like.
        folder: What a relative path is relative to.

    Raises:
        ConfigError: The control table's location ends without a name.
    """

    def __init__(self, control_table: str, layout: TableSchema, folder: Path | None = None) -> None:
        self._location = location_beside(control_table, layout.suffix)
        self._path = None if is_url(self._location) else (folder or Path()) / self._location
        self._layout = layout

    @property
    def name(self) -> str:
        """The path or URL, relative where the control table's is."""
        return self._location

    def rows(self) -> list[Row]:
        """Returns all rows."""
        with explaining(self._location):
            table = self._open()
            if table is None:
                return []
            types = self._types(table)
            columns = [column.name for column in self._layout.columns if column.name in types]
            batch = table.scan(columns=columns).read_all()
            found = cast("list[Row]", batch.to_struct_array().to_pylist())
        return [restored(self._layout, self._location, row) for row in found]

    def newest(self, limit: int, where: Mapping[str, str] = EVERYWHERE) -> list[Row]:
        """Returns the newest rows."""
        return newest_of(self._layout, self.rows(), limit, where)

    def put(self, rows: Sequence[Row], deletions: Sequence[Key] = ()) -> None:
        """Applies all changes with one merge."""
        changes = prepared(self._layout, self._location, rows, deletions)
        if not changes:
            return
        with explaining(self._location):
            table = self._open() or self._make()
            types = self._types(table)
            missing = [column for column in self._layout.columns if column.name not in types]
            if missing:
                table.alter.add_columns(_fields(missing))
            _merge(table, self._layout, _source_rows(self._layout, changes))
            _compact(table)

    def _open(self) -> DeltaTable | None:
        """Opens the table; None where nothing lies."""
        for _ in range(_TRIES):
            table = self._look()
            if table is not None or self._path is None or not self._holds_files(self._path):
                return table
            # Somebody else may be making it: its first files are there a moment before its first version.
            time.sleep(_PAUSE_SECONDS)
        raise OperationFailed(
            f"{self._location} holds files, but no Delta table that can be read: its log is damaged or missing. "
            "Restore it, or move the folder away to start without records."
        )

    def _look(self) -> DeltaTable | None:
        from deltalake import DeltaTable
        from deltalake.exceptions import TableNotFoundError

        try:
            return DeltaTable(self._uri)
        except TableNotFoundError:
            return None

    def _make(self) -> DeltaTable:
        from deltalake import DeltaTable, Schema

        DeltaTable.create(self._uri, Schema(_fields(self._layout.columns)), mode="ignore")
        return DeltaTable(self._uri)

    @property
    def _uri(self) -> str:
        return self._location if self._path is None else str(self._path)

    def _holds_files(self, path: Path) -> bool:
        """Says whether anything lies at a path; what cannot be looked into counts as something."""
        try:
            if not path.is_dir():
                return os.path.lexists(path)
            return any(not each.is_dir() or self._holds_files(each) for each in path.iterdir())
        except OSError as error:
            raise OperationFailed(f"{str(path)!r} cannot be read: {error.strerror}.") from error

    def _types(self, table: DeltaTable) -> Mapping[str, str]:
        types = {field.name: sql_type(field.type) for field in table.schema().fields}
        problems = column_problems_of(self._layout, types)
        if problems:
            raise TableUnusable(self._location, *problems)
        return types


def _fields(columns: Sequence[SchemaColumn]) -> list[Field]:
    from deltalake import Field
    from deltalake.schema import PrimitiveType

    return [Field(column.name, PrimitiveType(_DELTA_TYPES[column.type])) for column in columns]


def _merge(table: DeltaTable, layout: TableSchema, source: ArrowTable) -> None:
    # DataFusion, which runs the merge, binds IS NOT DISTINCT FROM and AND unlike SQL does: hence the parentheses.
    names = [column.name for column in layout.columns]
    values = [name for name in names if name not in layout.key]
    same = " AND ".join(f"((t.{name}) IS NOT DISTINCT FROM (s.{name}))" for name in values)
    (
        table.merge(
            source,
            predicate=" AND ".join(f"(t.{name} = s.{name})" for name in layout.key),
            source_alias="s",
            target_alias="t",
        )
        .when_matched_delete(predicate=f"s.{_DELETE}")
        .when_matched_update(updates={name: f"s.{name}" for name in values}, predicate=f"NOT ({same})")
        .when_not_matched_insert(updates={name: f"s.{name}" for name in names}, predicate=f"NOT s.{_DELETE}")
        .execute()
    )


def _compact(table: DeltaTable) -> None:
    """Puts small files together: each write makes one, and each read opens all, so that both became slow in time."""
    from deltalake.exceptions import DeltaError

    if len(table.file_uris()) > _MOST_FILES:
        # The rows are written; what somebody else keeps from being put together now is so after a later write.
        with suppress(DeltaError):
            table.optimize.compact()
            table.vacuum(dry_run=False)  # of files that nobody has needed for Delta's default of a week


def _source_rows(layout: TableSchema, changes: StoreChanges) -> ArrowTable:
    """Returns the changes as an Arrow table with one column more: what to delete."""
    from arro3.core import Array, DataType, Table

    rows = [dict(zip(layout.key, key, strict=True)) if row is None else row for key, row in changes.items()]
    arrays: dict[str, Any] = {
        column.name: _array(column.type, [row.get(column.name) for row in rows]) for column in layout.columns
    }
    arrays[_DELETE] = Array([row is None for row in changes.values()], DataType.bool())
    return Table.from_pydict(arrays)


def _array(kind: str, values: list[object]) -> Array:
    from arro3.core import Array, DataType

    if kind == "TIMESTAMP":
        return Array([_microseconds(value) for value in values], DataType.int64()).cast(
            DataType.timestamp("us", tz="UTC")
        )
    kinds: dict[str, Callable[[], DataType]] = {
        "STRING": DataType.utf8,
        "INT": DataType.int32,
        "BIGINT": DataType.int64,
        "DOUBLE": DataType.float64,
    }
    return Array(values, kinds[kind]())


def _microseconds(value: object) -> int | None:
    return (value - _EPOCH) // timedelta(microseconds=1) if isinstance(value, datetime) else None
