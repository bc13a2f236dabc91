"""The errors a SQL warehouse reports, in its own words, and the one it never does: "I do not know that".

A `SqlError` becomes `status.state = FAILED` of a statement. An `UnsupportedSqlError` must fail the test that
met it: a fake that guesses would make wrong code look right.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence


class UnsupportedSqlError(Exception):
    """The statement may well be valid on Databricks; this fake does not know what it would do."""


class SqlError(Exception):
    """What Databricks answers to a statement it cannot run.

    Attributes:
        condition: The error condition, e.g. `TABLE_OR_VIEW_NOT_FOUND`; empty where the API gives none.
        sql_state: The five characters of SQLSTATE.
        message: The whole text as the API gives it, condition and SQLSTATE included.
    """

    def __init__(self, condition: str, text: str, sql_state: str) -> None:
        """Makes the error from its condition, the sentence and the SQLSTATE."""
        self.condition = condition
        self.sql_state = sql_state
        self.message = f"[{condition}] {text} SQLSTATE: {sql_state}" if condition else text
        super().__init__(self.message)


def backquoted(*parts: str) -> str:
    """A name as Databricks prints it: every part in backquotes."""
    return ".".join("`" + part.replace("`", "``") + "`" for part in parts)


def syntax_error(near: str) -> SqlError:
    """The text is not SQL."""
    return SqlError("PARSE_SYNTAX_ERROR", f"Syntax error at or near {near}.", "42601")


def table_not_found(name: str) -> SqlError:
    """No table has this (back-quoted) name."""
    return SqlError(
        "TABLE_OR_VIEW_NOT_FOUND",
        f"The table or view {name} cannot be found. Verify the spelling and correctness of the schema and "
        "catalog.\nIf you did not qualify the name with a schema, verify the current_schema() output, or "
        "qualify the name with the correct schema and catalog.\nTo tolerate the error on drop use DROP VIEW "
        "IF EXISTS or DROP TABLE IF EXISTS.",
        "42P01",
    )


def table_exists(name: str) -> SqlError:
    """CREATE TABLE of a table that is there."""
    return SqlError(
        "TABLE_OR_VIEW_ALREADY_EXISTS",
        f"Cannot create table or view {name} because it already exists. Choose a different name, drop or "
        "replace the existing object, or add the IF NOT EXISTS clause to tolerate pre-existing objects.",
        "42P07",
    )


def expect_table_not_view(operation: str, name: str) -> SqlError:
    """What only a table can do (docs.databricks.com/error-messages/expect-table-not-view-error-class)."""
    return SqlError(
        "EXPECT_TABLE_NOT_VIEW.NO_ALTERNATIVE", f"'{operation}' expects a table but {name} is a view.", "42809"
    )


def time_travel_of_view(name: str) -> SqlError:
    """VERSION AS OF of a view."""
    return SqlError(
        "UNSUPPORTED_FEATURE.TIME_TRAVEL",
        f"The feature is not supported: Time travel on the relation: {name}.",
        "0A000",
    )


def schema_not_found(name: str) -> SqlError:
    """The schema of a new table does not exist."""
    return SqlError(
        "SCHEMA_NOT_FOUND",
        f"The schema {name} cannot be found. Verify the spelling and correctness of the schema and catalog.",
        "42704",
    )


def column_not_found(name: str, known: Iterable[str]) -> SqlError:
    """An expression names a column that no table in sight has."""
    suggestions = ", ".join(backquoted(column) for column in known)
    return SqlError(
        "UNRESOLVED_COLUMN.WITH_SUGGESTION",
        f"A column, variable, or function parameter with name {name} cannot be resolved. "
        f"Did you mean one of the following? [{suggestions}].",
        "42703",
    )


def ambiguous_column(name: str, candidates: Sequence[str]) -> SqlError:
    """A column that two tables have, named without a table."""
    return SqlError(
        "AMBIGUOUS_REFERENCE", f"Reference {name} is ambiguous, could be: [{', '.join(candidates)}].", "42704"
    )


def column_exists(name: str) -> SqlError:
    """A column list names a column twice, or adds one that is there."""
    return SqlError(
        "COLUMN_ALREADY_EXISTS",
        f"The column {name} already exists. Choose another name or rename the existing column.",
        "42711",
    )


def invalid_column_name(name: str, characters: str) -> SqlError:
    """A column's name that a Delta table without column mapping cannot have."""
    return SqlError(
        "DELTA_INVALID_CHARACTERS_IN_COLUMN_NAMES",
        f"Found invalid character(s) among {characters!r} in the column names of your schema.\n"
        f"Invalid column names: {name}.",
        "42K05",
    )


def unbound_parameter(name: str) -> SqlError:
    """The statement has a marker for which the request gives no value."""
    return SqlError(
        "UNBOUND_SQL_PARAMETER",
        f"Found the unbound parameter: {name}. Please, fix `args` and provide a mapping of the parameter to "
        "either a SQL literal or collection constructor functions such as `map()`, `array()`, `struct()`.",
        "42P02",
    )


def malformed_parameter(name: str, type_text: str) -> SqlError:
    """A parameter's text is not of the type that the request gives."""
    return SqlError(
        "INVALID_PARAMETER_MARKER_VALUE.INVALID_VALUE_FOR_DATA_TYPE",
        f"An invalid parameter mapping was provided: The provided value for the parameter {name} cannot be "
        f"cast to {type_text} because it is malformed.",
        "22023",
    )


def invalid_cast(detail: str) -> SqlError:
    """A value that does not fit the column's or the cast's type."""
    return SqlError("CAST_INVALID_INPUT", f"{detail}.", "22018")


def not_enough_values(table: str, columns: int, values: int) -> SqlError:
    """INSERT without a column list gives fewer values than the table has columns."""
    return SqlError(
        "DELTA_INSERT_COLUMN_ARITY_MISMATCH",
        f"Cannot write to '{table}', not enough data columns; target table has {columns} column(s) but the "
        f"inserted data has {values} column(s)",
        "42802",
    )


def insert_arity(table: str, reason: str, columns: Sequence[str], values: int) -> SqlError:
    """INSERT whose values are not as many as the columns it names (or too many for the table)."""
    data = ", ".join(backquoted(f"col{number}") for number in range(1, values + 1))
    words = "not enough data columns" if reason == "NOT_ENOUGH_DATA_COLUMNS" else "too many data columns"
    return SqlError(
        f"INSERT_COLUMN_ARITY_MISMATCH.{reason}",
        f"Cannot write to {table}, the reason is {words}:\n"
        f"Table columns: {', '.join(backquoted(column) for column in columns)}.\nData columns: {data}.",
        "21S01",
    )


def not_null_violated(detail: str) -> SqlError:
    """A NULL, or nothing at all, for a NOT NULL column."""
    return SqlError("DELTA_NOT_NULL_CONSTRAINT_VIOLATED", f"NOT NULL constraint violated. {detail}", "23502")


def ambiguous_merge() -> SqlError:
    """Two rows of a MERGE's source change the same row of its target."""
    return SqlError(
        "DELTA_MULTIPLE_SOURCE_ROW_MATCHING_TARGET_ROW_IN_MERGE",
        "Cannot perform Merge as multiple source rows matched and attempted to modify the same target row in "
        "the Delta table in possibly conflicting ways.",
        "21506",
    )


def user_raised(message: str) -> SqlError:
    """A statement came to its own raise_error."""
    return SqlError("USER_RAISED_EXCEPTION", message, "P0001")


def version_not_found(version: int, earliest: int, latest: int) -> SqlError:
    """Time travel to a version the table does not have."""
    return SqlError(
        "DELTA_VERSION_NOT_FOUND",
        f"Cannot time travel Delta table to version {version}. Available versions: [{earliest}, {latest}].",
        "22003",
    )


def no_permission(privilege: str, kind: str, name: str) -> SqlError:
    """The user lacks a privilege on a table or a schema."""
    return SqlError(
        "INSUFFICIENT_PERMISSIONS",
        f"Insufficient privileges:\nUser does not have {privilege} on {kind} '{name}'.",
        "42501",
    )
