"""A control table that is read and written where it lies, by delta-rs: no Spark, no cluster, no pyarrow.

Rows come and go as Arrow data straight from Rust: deltalake's way through pyarrow reads wrong values from column-mapped
tables. The table is opened anew for every operation (a few milliseconds), so that a table that was dropped and made
again is never mistaken for the old one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakeflow_job_meta.control_table.columns import column_problems, columns_to_read, columns_to_write
from lakeflow_job_meta.control_table.interface import (
    Commit,
    Created,
    RowChanges,
    Snapshot,
    TableMissing,
    TableUnusable,
    TableVersion,
)
from lakeflow_job_meta.errors import ConfigError, LakeflowJobMetaError, OperationFailed
from lakeflow_job_meta.parsing.columns import COLUMNS, CREATED, METADATA_COLUMNS, UPDATED, Row

if TYPE_CHECKING:
    from arro3.core import Table as ArrowTable
    from deltalake import DeltaTable

_NOW = "now()"
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_SQL_TYPES = {"integer": "INT", "long": "BIGINT", "short": "SMALLINT", "byte": "TINYINT"}
_DELTA_TYPES = {"STRING": "string", "INT": "integer", "BOOLEAN": "boolean", "TIMESTAMP": "timestamp"}


def is_url(location: str) -> bool:
    """Says whether a location is a URL such as `s3://...` rather than a path."""
    return bool(_URL.match(location))


class DeltaControlTable:
    """A control table by path or URL.

    Args:
        location: A path or a URL (`s3://`, `abfss://`, ...); also its name in messages.
        folder: What a relative path is relative to.
    """

    def __init__(self, location: str, folder: Path | None = None) -> None:
        self._location = location
        self._uri = location if is_url(location) else str((folder or Path()) / location)

    @property
    def name(self) -> str:
        """The path or URL as it was given."""
        return self._location

    def create(self, *, optional_columns: bool) -> Created:
        """Makes the table, or adds the columns that an older one lacks."""
        with explaining(self._location):
            from deltalake import DeltaTable, Field, Schema
            from deltalake.schema import PrimitiveType

            wanted = [column for column in COLUMNS if optional_columns or not column.is_optional]
            fields = {column.name: Field(column.name, PrimitiveType(_DELTA_TYPES[column.type])) for column in wanted}
            if not DeltaTable.is_deltatable(self._uri):
                DeltaTable.create(self._uri, Schema(list(fields.values())))
                return Created.TABLE
            table = DeltaTable(self._uri)
            present = {field.name for field in table.schema().fields}
            missing = [column.name for column in wanted if column.is_optional and column.name not in present]
            if missing:
                table.alter.add_columns([fields[name] for name in missing])
            return Created.COLUMNS if missing else Created.NOTHING

    def version(self) -> TableVersion:
        """Returns the newest version and the table's id."""
        with explaining(self._location):
            return _version(self._open())

    def read(self, version: int | None = None, *, also: Sequence[str] = ()) -> Snapshot:
        """Returns all rows of one version."""
        with explaining(self._location):
            newest = self._open()
            if version is not None and version > newest.version():
                raise OperationFailed(f"{self._location} has no version {version}; the newest is {newest.version()}.")
            table = newest if version is None else self._open(version)
            types = {field.name: sql_type(field.type) for field in table.schema().fields}
            problems = column_problems(types)
            if problems:
                raise TableUnusable(self._location, *problems)
            columns = columns_to_read(types, also)
            batch = table.scan(columns=columns).read_all()
            # Column by column, which takes half the time of asking for rows.
            cells = zip(*(batch.column(column).to_pylist() for column in columns), strict=True)
            rows: list[Row] = [dict(zip(columns, row, strict=True)) for row in cells]
            return Snapshot(_version(table), frozenset(types), rows)

    def write(self, changes: RowChanges) -> None:
        """Applies all changes with one merge."""
        if not changes:
            return
        with explaining(self._location):
            table = self._open()
            present = frozenset(field.name for field in table.schema().fields)
            columns = columns_to_write(self._location, changes, present)
            stamps = [stamp for stamp in (CREATED, UPDATED) if stamp in present]
            _merge(table, _source_rows(changes, columns), columns, stamps)

    def history(self, limit: int) -> list[Commit]:
        """Returns the newest commits."""
        with explaining(self._location):
            return [_commit(entry) for entry in self._open().history(limit)]

    def _open(self, version: int | None = None) -> DeltaTable:
        from deltalake import DeltaTable

        return DeltaTable(self._uri, version=version)


@contextmanager
def explaining(location: str) -> Iterator[None]:
    """Turns errors of the library into sentences that name the table.

    Args:
        location: The table's path or URL, as messages give it.
    """
    try:
        from deltalake.exceptions import CommitFailedError, TableNotFoundError
    except ImportError:
        raise ConfigError(
            "Delta tables by path need the extra 'delta': pip install 'lakeflow-job-meta[delta]'"
        ) from None
    try:
        yield
    except TableNotFoundError:
        raise TableMissing(
            location, "there is no Delta table here; make it with `ljm table create`, or correct the path"
        ) from None
    except CommitFailedError as error:
        raise OperationFailed(
            f"{location}: somebody else changed the table at the same time, so nothing was written; run "
            f"again ({_short(error)})"
        ) from error
    except LakeflowJobMetaError:
        raise
    except Exception as error:  # arro3 raises bare exceptions for what goes wrong while rows are read
        raise TableUnusable(location, _explained(error)) from error


def _merge(table: DeltaTable, source: ArrowTable, columns: list[str], stamps: list[str]) -> None:
    # DataFusion, which runs the merge, binds IS NOT DISTINCT FROM and AND unlike SQL does: hence the parentheses.
    values = [column for column in columns if column not in ("module_name", "source_id", "is_active")]
    active = "coalesce(s.is_active, t.is_active)"
    pairs = [*((f"t.{column}", f"s.{column}") for column in values), ("t.is_active", active)]
    same = " AND ".join(f"(({ours}) IS NOT DISTINCT FROM ({theirs}))" for ours, theirs in pairs)
    updates = {column: f"s.{column}" for column in values} | {"is_active": active}
    updates |= {UPDATED: _NOW} if UPDATED in stamps else {}
    inserts = {column: f"s.{column}" for column in columns} | dict.fromkeys(stamps, _NOW)
    inserts |= {"is_active": "coalesce(s.is_active, true)"}
    (
        table.merge(
            source,
            predicate="(t.module_name = s.module_name) AND (t.source_id = s.source_id)",
            source_alias="s",
            target_alias="t",
        )
        .when_matched_delete(predicate="s.ljm_delete")
        .when_matched_update(updates=updates, predicate=f"NOT ({same})")
        .when_not_matched_insert(updates=inserts, predicate="NOT s.ljm_delete")
        .execute()
    )


def _source_rows(changes: RowChanges, columns: list[str]) -> ArrowTable:
    """Returns the changes as an Arrow table with one column more: what to delete."""
    from arro3.core import Array, DataType, Table

    kinds = {"INT": DataType.int32(), "BOOLEAN": DataType.bool(), "STRING": DataType.utf8()}
    rows: list[Row] = [*changes.upserts]
    rows += [{"module_name": module, "source_id": source} for module, source in changes.deletions]
    arrays: dict[str, Any] = {
        column.name: Array([row.get(column.name) for row in rows], kinds[column.type])
        for column in METADATA_COLUMNS
        if column.name in columns
    }
    arrays["ljm_delete"] = Array([number >= len(changes.upserts) for number in range(len(rows))], DataType.bool())
    return Table.from_pydict(arrays)


def sql_type(kind: object) -> str:
    """Returns the SQL name, in upper case, of a type of a Delta schema."""
    name = str(getattr(kind, "type", kind))
    return _SQL_TYPES.get(name, name.upper())


def _version(table: DeltaTable) -> TableVersion:
    return TableVersion(table.version(), str(table.metadata().id))


def _commit(entry: dict[str, Any]) -> Commit:
    timestamp = datetime.fromtimestamp(int(entry["timestamp"]) / 1000, timezone.utc)
    user = entry.get("userName") or entry.get("userId")
    return Commit(int(entry["version"]), timestamp, str(entry.get("operation", "")), str(user) if user else None)


def _explained(error: Exception) -> str:
    text = _short(error)
    if "feature" in text.lower():
        return (
            f"the table uses a Delta feature that cannot be read without Databricks ({text}); read it over a SQL "
            "warehouse, as `table:` with a warehouse_id"
        )
    return f"cannot be read or written: {text}"


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
