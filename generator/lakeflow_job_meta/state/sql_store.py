"""A side table behind SQL: in Unity Catalog over a warehouse, or in a Spark session.

Rows come in and go out; every statement can be sent twice with the same result. Only "there is no such table" means
that there are no rows: whatever else goes wrong is an error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lakeflow_job_meta.control_table.interface import TableUnusable
from lakeflow_job_meta.control_table.names import name_beside
from lakeflow_job_meta.control_table.sql import (
    MAX_WRITE_CHARACTERS,
    NoSuchTable,
    SqlExecutor,
    add_columns,
    column_types,
)
from lakeflow_job_meta.control_table.statements import Statement
from lakeflow_job_meta.errors import OperationFailed
from lakeflow_job_meta.parsing.columns import Row
from lakeflow_job_meta.state.statements import create_state_table, merge_records, select_newest, select_records
from lakeflow_job_meta.state.store import EVERYWHERE, Key, TableSchema, column_problems_of, prepared, restored


class SqlStore:
    """A side table that is reached by SQL.

    Args:
        control_table: The name of the control table beside which it is.
        layout: What it looks like.
        executor: What runs the statements.

    Raises:
        ConfigError: It is no name of a table.
    """

    def __init__(self, control_table: str, layout: TableSchema, executor: SqlExecutor) -> None:
        self._name = name_beside(control_table, layout.suffix)
        self._layout = layout
        self._executor = executor

    @property
    def name(self) -> str:
        """The table's name."""
        return self._name

    def rows(self) -> list[Row]:
        """Returns all rows."""
        return self._read(None, EVERYWHERE)

    def newest(self, limit: int, where: Mapping[str, str] = EVERYWHERE) -> list[Row]:
        """Returns the newest rows; the warehouse chooses and sorts."""
        return self._read(limit, where) if limit > 0 else []

    def _read(self, limit: int | None, where: Mapping[str, str]) -> list[Row]:
        try:
            types = column_types(self._executor, self._name)
            self._refuse_types(types)
            columns = [column.name for column in self._layout.columns if column.name in types]
            if not where.keys() <= types.keys():
                return []
            found = self._executor.run(self._select(columns, limit, where))
        except NoSuchTable:
            return []
        return [restored(self._layout, self._name, row) for row in found]

    def _select(self, columns: Sequence[str], limit: int | None, where: Mapping[str, str]) -> Statement:
        if limit is None:
            return select_records(self._name, columns)
        order = self._layout.order if self._layout.order in columns else None
        key = [column for column in self._layout.key if column in columns]
        return select_newest(self._name, columns, order, key, limit, where)

    def put(self, rows: Sequence[Row], deletions: Sequence[Key] = ()) -> None:
        """Applies all changes with one MERGE."""
        changes = prepared(self._layout, self._name, rows, deletions)
        if not changes:
            return
        statement = merge_records(self._name, self._layout, changes)
        size = len(statement.parameters[0][1])
        if size > MAX_WRITE_CHARACTERS:
            raise OperationFailed(
                f"{self._name}: the rows to write have {size:,} characters, more than the {MAX_WRITE_CHARACTERS:,} "
                "that fit into one commit. Write fewer rows at a time."
            )
        self._prepare()
        self._executor.run(statement)

    def _prepare(self) -> None:
        """Makes the table if it is not there, and adds the columns that it lacks."""
        try:
            types = column_types(self._executor, self._name)
        except NoSuchTable:
            self._executor.run(create_state_table(self._name, self._layout.columns))
            types = column_types(self._executor, self._name)  # somebody else may have made another one first
        self._refuse_types(types)
        missing = [column for column in self._layout.columns if column.name not in types]
        if missing:
            add_columns(self._executor, self._name, missing)

    def _refuse_types(self, types: Mapping[str, str]) -> None:
        problems = column_problems_of(self._layout, types)
        if problems:
            raise TableUnusable(self._name, *problems)
