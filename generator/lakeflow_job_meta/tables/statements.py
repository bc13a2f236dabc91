"""The SQL of control tables and of the tables beside them: the same text for a SQL warehouse and for Spark. Pure.

Names are quoted by `names`; every value goes in as a parameter.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from lakeflow_job_meta.metadata.columns import COLUMNS, UPDATED, Column
from lakeflow_job_meta.tables.interface import RowChanges
from lakeflow_job_meta.tables.names import quote_name, quote_part
from lakeflow_job_meta.tables.records import EVERYWHERE, RecordChanges, RecordColumn, RecordLayout


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
    return _create(name, [column for column in COLUMNS if optional_columns or not column.is_optional])


def create_record_table(name: str, columns: Iterable[RecordColumn]) -> Statement:
    """Makes a side table, if there is none."""
    return _create(name, columns)


def _create(name: str, columns: Iterable[Column | RecordColumn]) -> Statement:
    return Statement(f"CREATE TABLE IF NOT EXISTS {quote_name(name)} ({_definitions(columns)}) USING DELTA")


def add_columns(name: str, columns: Iterable[Column | RecordColumn]) -> Statement:
    """Adds columns to an older table."""
    return Statement(f"ALTER TABLE {quote_name(name)} ADD COLUMNS ({_definitions(columns)})")


def _definitions(columns: Iterable[Column | RecordColumn]) -> str:
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


def select_records(name: str, columns: Iterable[str]) -> Statement:
    """Reads columns of all rows as they are now."""
    return Statement(f"SELECT {', '.join(map(quote_part, columns))} FROM {quote_name(name)}")


def select_newest(
    name: str,
    columns: Iterable[str],
    order: str | None,
    key: Iterable[str],
    limit: int,
    where: Mapping[str, str] = EVERYWHERE,
) -> Statement:
    """Reads columns of the newest rows, newest first; those of the same moment by key, those without one last.

    Args:
        name: The table.
        columns: What to read.
        order: The column that says which row is newer.
        key: The columns of the key.
        limit: How many rows at most.
        where: Texts that columns must have, by column.
    """
    terms = [] if order is None else [f"{quote_part(order)} DESC NULLS LAST"]
    terms += [f"{quote_part(column)} ASC NULLS FIRST" for column in key]
    by = f" ORDER BY {', '.join(terms)}" if terms else ""
    wanted = [f"{quote_part(column)} = :{column}" for column in where]
    only = f" WHERE {' AND '.join(wanted)}" if wanted else ""
    return Statement(f"{select_records(name, columns).text}{only}{by} LIMIT {int(limit)}", tuple(where.items()))


def merge_records(name: str, layout: RecordLayout, changes: RecordChanges) -> Statement:
    """Inserts, updates and deletes rows by key in one commit; a row that has all the values already is not touched.

    Args:
        name: The table, which has all columns of the layout.
        layout: Its columns and key.
        changes: What to do; values as the table will return them.
    """
    payload = [
        {**(dict(zip(layout.key, key, strict=True)) if row is None else row), "ljm_delete": row is None}
        for key, row in changes.items()
    ]
    struct = ", ".join(f"{column.name}: {column.type}" for column in layout.columns)
    names = [quote_part(column.name) for column in layout.columns]
    values = [quote_part(column.name) for column in layout.columns if column.name not in layout.key]
    text = (
        f"MERGE INTO {quote_name(name)} AS t "
        f"USING (SELECT inline(from_json(:rows, 'ARRAY<STRUCT<{struct}, ljm_delete: BOOLEAN>>'))) AS s "
        f"ON {' AND '.join(f't.{column} = s.{column}' for column in map(quote_part, layout.key))} "
        "WHEN MATCHED AND s.`ljm_delete` THEN DELETE "
        f"WHEN MATCHED AND NOT ({' AND '.join(f't.{column} <=> s.{column}' for column in values)}) "
        f"THEN UPDATE SET {', '.join(f't.{column} = s.{column}' for column in values)} "
        f"WHEN NOT MATCHED AND NOT s.`ljm_delete` THEN INSERT ({', '.join(names)}) "
        f"VALUES ({', '.join(f's.{column}' for column in names)})"
    )
    return Statement(text, (("rows", json.dumps(payload, ensure_ascii=False, default=_moment)),))


def _moment(value: object) -> str:
    """Writes a moment as `from_json` reads it whatever the session's zone is."""
    if not isinstance(value, datetime):
        raise TypeError(f"{type(value).__name__} is no value of a table")
    return value.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
