"""A control table behind SQL: in Unity Catalog over a warehouse, or in a Spark session.

What differs between the two is in their `SqlExecutor`; everything a control table does is here, once.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from lakeflow_job_meta.control_table import statements
from lakeflow_job_meta.control_table.columns import column_problems, columns_to_read, columns_to_write
from lakeflow_job_meta.control_table.interface import (
    ColumnDefinition,
    Commit,
    Created,
    RowChanges,
    Snapshot,
    TableMissing,
    TableUnusable,
    TableVersion,
)
from lakeflow_job_meta.control_table.names import split_name
from lakeflow_job_meta.control_table.statements import Statement
from lakeflow_job_meta.errors import OperationFailed
from lakeflow_job_meta.parsing.columns import COLUMNS, CREATED, UPDATED, Row

MAX_WRITE_CHARACTERS = 15_000_000
"""Databricks takes statements of up to 16 MiB, parameters among them; one write is one statement."""


class NoSuchTable(OperationFailed):
    """The statement names a table, schema or catalog that is not there."""


class SqlExecutor(Protocol):
    """Runs SQL statements."""

    def run(self, statement: Statement) -> list[Row]:
        """Runs a statement and returns its rows, values as Python has them.

        Raises:
            NoSuchTable: The table is not there.
            OperationFailed: Anything else.
        """


def column_types(executor: SqlExecutor, name: str) -> dict[str, str]:
    """Returns a table's columns and their types in upper case.

    Raises:
        NoSuchTable: The table is not there.
        OperationFailed: Anything else.
    """
    types: dict[str, str] = {}
    for row in executor.run(statements.describe(name)):
        column = str(row["col_name"] or "")
        # Partitions and properties follow behind an empty or a `# ...` line.
        if not column or column.startswith("#"):
            break
        types[column] = str(row["data_type"]).upper()
    return types


def add_columns(executor: SqlExecutor, name: str, missing: Sequence[ColumnDefinition]) -> None:
    """Adds the columns that a table lacks.

    Raises:
        OperationFailed: It could not be done.
    """
    try:
        executor.run(statements.add_columns(name, missing))
    except OperationFailed:
        # A request that was answered too late is sent again and then finds the columns there.
        types = column_types(executor, name)
        if any(column.name not in types for column in missing):
            raise


class SqlControlTable:
    """A control table that is reached by SQL.

    Args:
        name: `catalog.schema.table`, or fewer parts.
        executor: What runs the statements.

    Raises:
        ConfigError: It is no name of a table.
    """

    def __init__(self, name: str, executor: SqlExecutor) -> None:
        split_name(name)
        self._name = name
        self._executor = executor

    @property
    def name(self) -> str:
        """The table's name."""
        return self._name

    def create(self, *, optional_columns: bool) -> Created:
        """Makes the table, or adds the columns that an older one lacks."""
        try:
            present = self._types()
        except TableMissing:
            self._executor.run(statements.create_table(self._name, optional_columns=optional_columns))
            return Created.TABLE
        missing = [column for column in COLUMNS if column.name not in present and column.is_optional]
        if not optional_columns or not missing:
            return Created.NOTHING
        add_columns(self._executor, self._name, missing)
        return Created.COLUMNS

    def version(self) -> TableVersion:
        """Returns the newest version, by one DESCRIBE HISTORY."""
        commits = self._commits(1)
        if not commits:
            raise TableUnusable(self._name, "it has no history; a control table must be a Delta table")
        return _version(commits[0])

    def read(self, version: int | None = None, *, also: Sequence[str] = ()) -> Snapshot:
        """Returns all rows of one version."""
        if version is not None:
            return self._read_older(version)
        newest = self.version()
        types = self._types()
        problems = column_problems(types)
        if problems:
            raise TableUnusable(self._name, *problems)
        rows = self._executor.run(statements.select(self._name, columns_to_read(types, also), newest.number))
        return Snapshot(newest, frozenset(types), rows)

    def _read_older(self, version: int) -> Snapshot:
        """Reads a version that may have had fewer columns, which DESCRIBE does not tell."""
        rows = self._executor.run(statements.select(self._name, None, version))
        return Snapshot(TableVersion(version, ""), frozenset(rows[0] if rows else ()), rows)

    def write(self, changes: RowChanges) -> None:
        """Applies all changes with one MERGE."""
        if not changes:
            return
        present = frozenset(self._types())
        columns = columns_to_write(self._name, changes, present)
        stamps = [stamp for stamp in (CREATED, UPDATED) if stamp in present]
        statement = statements.merge(self._name, changes, columns, stamps)
        size = len(statement.parameters[0][1])
        if size > MAX_WRITE_CHARACTERS:
            raise OperationFailed(
                f"{self._name}: the changed rows have {size:,} characters, more than the {MAX_WRITE_CHARACTERS:,} that "
                "fit into one commit. Load fewer files at a time."
            )
        self._executor.run(statement)

    def history(self, limit: int) -> list[Commit]:
        """Returns the newest commits."""
        return self._commits(limit)

    def _commits(self, limit: int) -> list[Commit]:
        try:
            rows = self._executor.run(statements.history(self._name, limit))
        except NoSuchTable:
            raise TableMissing(self._name, MISSING_ADVICE) from None
        return [_commit(row) for row in rows]

    def _types(self) -> dict[str, str]:
        """Returns the columns and their types in upper case."""
        try:
            return column_types(self._executor, self._name)
        except NoSuchTable:
            raise TableMissing(self._name, MISSING_ADVICE) from None


MISSING_ADVICE = "there is no such table; make it with `ljm table create`, or correct its name"


def _commit(row: Row) -> Commit:
    number, timestamp, user = row["version"], row["timestamp"], row.get("userName") or row.get("userId")
    if not isinstance(number, int) or not isinstance(timestamp, datetime):
        raise OperationFailed(
            f"The table's history has a version {number!r} at {timestamp!r}, which is not understood."
        )
    return Commit(number, timestamp, str(row["operation"]), str(user) if user else None)


def _version(commit: Commit) -> TableVersion:
    return TableVersion(commit.version, commit.timestamp.isoformat())
