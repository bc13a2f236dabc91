"""Metadata in a Delta table that is read where it lies, by delta-rs: no Spark, no cluster, no pyarrow.

Reads one version of the table; changes nothing.
"""

from __future__ import annotations

import re
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, cast

from lakeflow_job_meta.diagnostics import Origin
from lakeflow_job_meta.metadata.columns import METADATA_COLUMNS, Column
from lakeflow_job_meta.metadata.reading import UNREADABLE, Reading, Unread
from lakeflow_job_meta.metadata.rows import Row, modules_of_rows
from lakeflow_job_meta.values import closest

if TYPE_CHECKING:
    from deltalake import DeltaTable

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_DELTA_TYPES = {
    "STRING": {"string"},
    "INT": {"integer", "long", "short", "byte"},
    "BOOLEAN": {"boolean"},
}


class _Unusable(Exception):
    """The table cannot be read; the messages say why."""

    def __init__(self, *messages: str) -> None:
        super().__init__(*messages)
        self.messages = messages


class DeltaReader:
    """Reads the modules of a Delta table.

    Args:
        project_folder: What a relative path is relative to.
        location: A path or a URL (`s3://`, `abfss://`, ...). It is also the label that messages give.
    """

    def __init__(self, project_folder: FilePath, location: str) -> None:
        self.location = location
        self._uri = location if _URL.match(location) else str(project_folder / location)

    def read(self) -> Reading:
        """Reads all rows of the table's newest version."""
        try:
            rows = self._rows()
        except _Unusable as error:
            origin = Origin(Unread(self.location, is_file=False))
            problems = tuple(UNREADABLE.at(origin, message) for message in error.messages)
            return Reading(self.location, (), problems, frozenset(), True, self._covers)
        modules, found, is_whole = modules_of_rows(self.location, rows)
        unreadable = frozenset() if is_whole else frozenset({self.location})
        return Reading(self.location, tuple(modules), tuple(found), unreadable, False, self._covers)

    def _covers(self, label: str) -> bool:
        return label == self.location

    def _rows(self) -> list[Row]:
        try:
            from deltalake import DeltaTable
            from deltalake.exceptions import DeltaError, TableNotFoundError
        except ImportError:
            raise _Unusable(
                "reading a Delta table needs the extra 'delta': pip install 'lakeflow-job-meta[delta]'"
            ) from None
        try:
            table = DeltaTable(self._uri)
            columns = _columns_of(table)
            # Rows come as Arrow data straight from Rust: deltalake's own way through pyarrow reads wrong
            # values from column-mapped tables.
            batch = table.scan(columns=columns).read_all()
        except TableNotFoundError:
            raise _Unusable(
                "there is no Delta table here; create it, or name the right one under 'metadata:' in job_meta.yml"
            ) from None
        except (DeltaError, OSError, ValueError) as error:
            raise _Unusable(_explained(error)) from error
        return cast("list[Row]", batch.to_struct_array().to_pylist())


def _columns_of(table: DeltaTable) -> list[str]:
    """Returns the columns to read.

    Raises:
        _Unusable: A column is missing or has a type that cannot hold the metadata.
    """
    types = {field.name: str(getattr(field.type, "type", field.type)) for field in table.schema().fields}
    problems = [problem for column in METADATA_COLUMNS if (problem := _column_problem(column, types))]
    if problems:
        raise _Unusable(*problems)
    return [column.name for column in METADATA_COLUMNS if column.name in types]


def _column_problem(column: Column, types: dict[str, str]) -> str | None:
    if column.name not in types:
        near = closest(column.name, types)
        hint = f" (there is {near!r})" if near else ""
        return None if column.is_optional else f"the table has no column {column.name!r}{hint}; add it as {column.type}"
    if types[column.name] in _DELTA_TYPES[column.type]:
        return None
    return f"the column {column.name!r} has the type {types[column.name]}, but must be {column.type}"


def _explained(error: Exception) -> str:
    text = " ".join(str(error).split())[:300]
    if "feature" in text.lower():
        return (
            f"the table uses a Delta feature that cannot be read without Databricks ({text}); "
            "read it over a SQL warehouse"
        )
    return f"cannot be read: {text}"
