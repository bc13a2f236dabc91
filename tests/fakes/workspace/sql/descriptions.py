"""DESCRIBE TABLE, DESCRIBE DETAIL and DESCRIBE HISTORY."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from deltalake import DeltaTable

from . import types
from .results import Result
from .tables import TableName
from .types import ARRAY_OF_STRINGS, BIGINT, BOOLEAN, INT, MAP_OF_STRINGS, STRING, TIMESTAMP

_TABLE_COLUMNS = (("col_name", STRING), ("data_type", STRING), ("comment", STRING))
_DETAIL_COLUMNS = (
    ("format", STRING),
    ("id", STRING),
    ("name", STRING),
    ("description", STRING),
    ("location", STRING),
    ("createdAt", TIMESTAMP),
    ("lastModified", TIMESTAMP),
    ("partitionColumns", ARRAY_OF_STRINGS),
    ("clusteringColumns", ARRAY_OF_STRINGS),
    ("numFiles", BIGINT),
    ("sizeInBytes", BIGINT),
    ("properties", MAP_OF_STRINGS),
    ("minReaderVersion", INT),
    ("minWriterVersion", INT),
)
_HISTORY_COLUMNS = (
    ("version", BIGINT),
    ("timestamp", TIMESTAMP),
    ("userId", STRING),
    ("userName", STRING),
    ("operation", STRING),
    ("operationParameters", MAP_OF_STRINGS),
    ("job", STRING),
    ("notebook", STRING),
    ("clusterId", STRING),
    ("readVersion", BIGINT),
    ("isolationLevel", STRING),
    ("isBlindAppend", BOOLEAN),
    ("operationMetrics", MAP_OF_STRINGS),
    ("userMetadata", STRING),
    ("engineInfo", STRING),
)
_OPERATIONS = {"ADD COLUMN": "ADD COLUMNS"}
"""Where delta-rs and Databricks call an operation differently."""


def describe_table(table: DeltaTable, _: TableName) -> Result:
    """The columns with their types and comments."""
    rows = [(f.name, types.describe(f.type), f.metadata.get("comment")) for f in table.schema().fields]
    return Result.of_values(_TABLE_COLUMNS, rows)


def describe_detail(table: DeltaTable, name: TableName) -> Result:
    """The one row about the table as a whole; a table made again has another `id`."""
    metadata, protocol = table.metadata(), table.protocol()
    files = table.get_add_actions(flatten=True)
    sizes = files.column("size_bytes").combine_chunks().to_pylist() if files.num_rows else []
    row: tuple[object, ...] = (
        "delta",
        str(metadata.id),
        str(name),
        metadata.description,
        table.table_uri,
        _moment(metadata.created_time),
        _moment(table.history(1)[0]["timestamp"]),
        metadata.partition_columns,
        [],
        len(sizes),
        sum(sizes),
        metadata.configuration,
        protocol.min_reader_version,
        protocol.min_writer_version,
    )
    return Result.of_values(_DETAIL_COLUMNS, [row])


def describe_history(table: DeltaTable, limit: int | None) -> Result:
    """The commits, newest first."""
    rows = [[_history_value(commit, name) for name, _ in _HISTORY_COLUMNS] for commit in table.history(limit)]
    return Result.of_values(_HISTORY_COLUMNS, rows)


def _history_value(commit: dict[str, Any], name: str) -> object:
    value = commit.get(name)
    if value is None:
        return None
    read = _HISTORY_READERS.get(name)
    return read(value) if read else value


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, tz=timezone.utc)


def _strings(values: dict[str, Any]) -> dict[str, str]:
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}


_HISTORY_READERS: dict[str, Callable[[Any], object]] = {
    "timestamp": _moment,
    "operation": lambda operation: _OPERATIONS.get(operation, operation),
    "operationParameters": _strings,
    "operationMetrics": _strings,
}
