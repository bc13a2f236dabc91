"""The SQL of control tables and of the tables beside them: the same text for a SQL warehouse and for Spark. Pure.

Names are quoted by `names`; every value goes in as a parameter.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lakeflow_job_meta.control_table.interface import ColumnDefinition, RowChanges
from lakeflow_job_meta.control_table.names import quote_name, quote_part
from lakeflow_job_meta.parsing.columns import COLUMNS, UPDATED


@dataclass(frozen=True, slots=True)
class Statement:
    """A SQL text and the values of its parameters.

    Attributes:
        text: With `:name` for each parameter.
        parameters: All of the type STRING.
    """

    text: str
    parameters: tuple[tuple[str, str], ...] = ()


def create_table(name: str, *, optional_columns: bool) -> Statement:
    """Makes the table of the original format, if there is none."""
    return create_with(name, [column for column in COLUMNS if optional_columns or not column.is_optional])


def create_with(name: str, columns: Iterable[ColumnDefinition]) -> Statement:
    """Makes a table of these columns, if there is none."""
    return Statement(f"CREATE TABLE IF NOT EXISTS {quote_name(name)} ({_definitions(columns)}) USING DELTA")


def add_columns(name: str, columns: Iterable[ColumnDefinition]) -> Statement:
    """Adds columns to an older table."""
    return Statement(f"ALTER TABLE {quote_name(name)} ADD COLUMNS ({_definitions(columns)})")


def _definitions(columns: Iterable[ColumnDefinition]) -> str:
    return ", ".join(f"{quote_part(column.name)} {column.type}" for column in columns)


def describe(name: str) -> Statement:
    """Lists the columns and their types."""
    return Statement(f"DESCRIBE TABLE {quote_name(name)}")


def history(name: str, limit: int) -> Statement:
    """Lists the newest commits."""
    return Statement(f"DESCRIBE HISTORY {quote_name(name)} LIMIT {int(limit)}")


def select(name: str, columns: Iterable[str] | None, version: int) -> Statement:
    """Reads columns of one version; None reads all that it has."""
    listed = "*" if columns is None else ", ".join(quote_part(column) for column in columns)
    return Statement(f"SELECT {listed} FROM {quote_name(name)} VERSION AS OF {int(version)}")


def merge(name: str, changes: RowChanges, columns: Sequence[str], stamps: Sequence[str]) -> Statement:
    """Inserts, updates and deletes rows in one commit; a row that has all the values already is not touched.

    Args:
        name: The table.
        changes: What to do.
        columns: The columns to write; module_name and source_id are among them, the timestamps are not.
        stamps: Which of the timestamp columns the table has.
    """
    types = {column.name: column.type for column in COLUMNS}
    payload = [{**{column: row.get(column) for column in columns}, "ljm_delete": False} for row in changes.upserts]
    payload += [
        {"module_name": module, "source_id": source, "ljm_delete": True} for module, source in changes.deletions
    ]
    struct = ", ".join(f"{column}: {types[column]}" for column in columns)
    values = [column for column in columns if column not in ("module_name", "source_id", "is_active")]
    assignments = [f"t.{quote_part(column)} = s.{quote_part(column)}" for column in values]
    same = " AND ".join([f"t.{quote_part(column)} <=> s.{quote_part(column)}" for column in values])
    inserted = [*columns, *stamps]
    new = [
        *(
            "coalesce(s.`is_active`, true)" if column == "is_active" else f"s.{quote_part(column)}"
            for column in columns
        ),
        *("current_timestamp()" for _ in stamps),
    ]
    assignments.append("t.`is_active` = coalesce(s.`is_active`, t.`is_active`)")
    if UPDATED in stamps:
        assignments.append(f"t.{quote_part(UPDATED)} = current_timestamp()")
    text = (
        f"MERGE INTO {quote_name(name)} AS t "
        f"USING (SELECT inline(from_json(:rows, 'ARRAY<STRUCT<{struct}, ljm_delete: BOOLEAN>>'))) AS s "
        "ON t.`module_name` = s.`module_name` AND t.`source_id` = s.`source_id` "
        "WHEN MATCHED AND s.`ljm_delete` THEN DELETE "
        f"WHEN MATCHED AND NOT ({same} AND t.`is_active` <=> coalesce(s.`is_active`, t.`is_active`)) "
        f"THEN UPDATE SET {', '.join(assignments)} "
        f"WHEN NOT MATCHED AND NOT s.`ljm_delete` THEN INSERT ({', '.join(quote_part(c) for c in inserted)}) "
        f"VALUES ({', '.join(new)})"
    )
    return Statement(text, (("rows", json.dumps(payload, ensure_ascii=False)),))
