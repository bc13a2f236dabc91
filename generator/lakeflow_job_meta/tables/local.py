"""A table in one JSON file of the project's state folder, for projects without a control table.

The file is always written whole. A file that is there and cannot be understood is an error, never a table without
rows, and is never overwritten. It takes no lock: who writes holds the deployment's.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from lakeflow_job_meta._internal.fs import read_file, write_atomically
from lakeflow_job_meta.errors import OperationFailed
from lakeflow_job_meta.tables.schema import Column, KeyedRows, Row, TableSchema
from lakeflow_job_meta.tables.store import OpenTable, TableMissing, TableStore


class LocalTable(TableStore):
    """A table in `<folder>/<suffix without its underscore>.json`.

    Args:
        folder: The state folder of a target; it is created when something is written.
        schema: The table's columns; of its newest rows `keep` stay in the file.
    """

    def __init__(self, folder: Path, schema: TableSchema) -> None:
        self._path = folder / f"{schema.suffix.lstrip('_')}.json"
        super().__init__(str(self._path), schema)

    def _open(self) -> OpenTable:
        try:
            found = json.loads(read_file(self._path))
        except FileNotFoundError:
            raise TableMissing(self.name, "there is no such file") from None
        except OSError as error:
            raise OperationFailed(f"{self.name!r} cannot be read: {error.strerror}.") from error
        except (ValueError, RecursionError):
            raise self._damaged("it holds no JSON") from None
        if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
            raise self._damaged("it holds no list of rows")
        moments = {column.name for column in self.schema.columns if column.type == "TIMESTAMP"}
        try:
            rows = [{name: _from_json(value, name in moments) for name, value in row.items()} for row in found]
            return _OpenFile(self._path, self.schema, [self.schema.restored(self.name, row) for row in rows])
        except (OperationFailed, ValueError) as error:
            raise self._damaged(str(error)) from None

    def _create(self, columns: Sequence[Column]) -> None:
        _OpenFile(self._path, self.schema, []).merge({}, columns)

    def _damaged(self, reason: str) -> OperationFailed:
        return OperationFailed(
            f"{self.name!r} is damaged: {reason.rstrip('.')}. Restore the file, or move it away to start without "
            "these records."
        )


class _OpenFile:
    def __init__(self, path: Path, schema: TableSchema, rows: list[Row]) -> None:
        self._path = path
        self._schema = schema
        self._rows = rows

    def types(self) -> dict[str, str]:
        return {column.name: column.type for column in self._schema.columns}

    def add_columns(self, columns: Sequence[Column]) -> None:
        raise AssertionError("a file has every column")

    def rows(
        self, columns: Sequence[str], limit: int | None, where: Mapping[str, str], groups: Sequence[str]
    ) -> list[Row]:
        return self._rows

    def replace(self, rows: KeyedRows, before: KeyedRows, columns: Sequence[Column], scope: Collection[str]) -> None:
        raise AssertionError("who writes a file holds the lock of the deployment")

    def merge(self, rows: KeyedRows, columns: Sequence[Column], expected: Sequence[Column] = ()) -> None:
        if expected:
            raise AssertionError("who writes a file holds the lock of the deployment")
        kept = [row for row in self._rows if tuple(row[column] for column in self._schema.key) not in rows]
        kept += [row for row in rows.values() if row is not None]
        if self._schema.keep is not None:
            kept = self._schema.newest(kept, self._schema.keep)
        written = [{name: _to_json(value) for name, value in row.items()} for row in kept]
        content = json.dumps(written, indent=2, ensure_ascii=False).encode()
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomically(self._path, content, is_private=True)
        except OSError as error:
            raise OperationFailed(f"{str(self._path)!r} cannot be written: {error.strerror}.") from error


def _to_json(value: object) -> object:
    return value.isoformat(timespec="milliseconds") if isinstance(value, datetime) else value


def _from_json(value: object, is_moment: bool) -> object:
    return datetime.fromisoformat(value) if is_moment and isinstance(value, str) else value
