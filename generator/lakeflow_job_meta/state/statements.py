"""The SQL of state tables: the same text for a SQL warehouse and for Spark. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone

from lakeflow_job_meta.control_table.names import quote_name, quote_part
from lakeflow_job_meta.control_table.statements import Statement, create_with
from lakeflow_job_meta.state.store import EVERYWHERE, SchemaColumn, StoreChanges, TableSchema


def create_state_table(name: str, columns: Iterable[SchemaColumn]) -> Statement:
    """Makes a side table, if there is none."""
    return create_with(name, columns)


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


def merge_records(name: str, layout: TableSchema, changes: StoreChanges) -> Statement:
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
