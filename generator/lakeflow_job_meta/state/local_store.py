"""A side table in one JSON file of the project's state folder, for projects without a control table.

Rows come in and go out; the file is always written whole. A file that is there and cannot be understood is an error,
never a table without rows, and is never overwritten. It takes no lock: who writes holds the deployment's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from lakeflow_job_meta.errors import OperationFailed
from lakeflow_job_meta.parsing.columns import Row
from lakeflow_job_meta.state.folder import write_record
from lakeflow_job_meta.state.store import EVERYWHERE, Key, TableSchema, newest_of, prepared, restored


class LocalStore:
    """A side table in `<folder>/<suffix without its underscore>.json`.

    Args:
        folder: The state folder of a target; it is made when something is written.
        layout: What the table looks like; of its newest rows as many as `keep` says stay in the file.
    """

    def __init__(self, folder: Path, layout: TableSchema) -> None:
        self._path = folder / f"{layout.suffix.lstrip('_')}.json"
        self._layout = layout

    @property
    def name(self) -> str:
        """The file's path."""
        return str(self._path)

    def rows(self) -> list[Row]:
        """Returns all rows."""
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise OperationFailed(f"{self.name!r} cannot be read: {error.strerror}.") from error
        except (ValueError, RecursionError):
            raise self._damaged("it holds no JSON") from None
        if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
            raise self._damaged("it holds no list of rows")
        try:
            return [restored(self._layout, self.name, self._with_moments(row)) for row in found]
        except (OperationFailed, ValueError) as error:
            raise self._damaged(str(error)) from None

    def newest(self, limit: int, where: Mapping[str, str] = EVERYWHERE) -> list[Row]:
        """Returns the newest rows."""
        return newest_of(self._layout, self.rows(), limit, where)

    def put(self, rows: Sequence[Row], deletions: Sequence[Key] = ()) -> None:
        """Applies all changes by writing the file anew."""
        changes = prepared(self._layout, self.name, rows, deletions)
        if not changes:
            return
        kept = [row for row in self.rows() if tuple(row[column] for column in self._layout.key) not in changes]
        kept += [row for row in changes.values() if row is not None]
        if self._layout.keep is not None:
            kept = newest_of(self._layout, kept, self._layout.keep)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OperationFailed(f"{str(self._path.parent)!r} cannot be made: {error.strerror}.") from error
        write_record(self._path, [{name: _as_json(value) for name, value in row.items()} for row in kept])

    def _with_moments(self, row: Row) -> Row:
        moments = {column.name for column in self._layout.columns if column.type == "TIMESTAMP"}
        return {
            name: datetime.fromisoformat(value) if name in moments and isinstance(value, str) else value
            for name, value in row.items()
        }

    def _damaged(self, reason: str) -> OperationFailed:
        return OperationFailed(
            f"{self.name!r} is damaged: {reason.rstrip('.')}. Restore the file, or move it away to start without "
            "these records."
        )


def _as_json(value: object) -> object:
    return value.isoformat(timespec="milliseconds") if isinstance(value, datetime) else value
