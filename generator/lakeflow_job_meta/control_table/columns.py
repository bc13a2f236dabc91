"""Whether a table's columns can hold the metadata. Pure, and the same for every kind of table."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping

from lakeflow_job_meta._internal.text import closest, listing
from lakeflow_job_meta.control_table.interface import RowChanges, TableUnusable
from lakeflow_job_meta.parsing.columns import COLUMNS, METADATA_COLUMNS, Column

_ALSO_HOLDS = {
    "STRING": ("STRING", "VARCHAR", "CHAR"),
    "INT": ("INT", "INTEGER", "BIGINT", "LONG", "SMALLINT", "SHORT", "TINYINT", "BYTE"),
    "BOOLEAN": ("BOOLEAN",),
}


def column_problems(types: Mapping[str, str]) -> list[str]:
    """Says which columns are missing, or have a type that cannot hold what they are for.

    Args:
        types: The table's columns and their SQL types in upper case.
    """
    return [problem for column in METADATA_COLUMNS if (problem := _problem(column, types))]


def columns_to_read(present: Container[str], also: Iterable[str]) -> list[str]:
    """Returns which columns to read of a table.

    Args:
        present: The columns that it has.
        also: Columns of the user's own.
    """
    known = [column.name for column in METADATA_COLUMNS]
    return [name for name in dict.fromkeys((*known, *also)) if name in present]


def _problem(column: Column, types: Mapping[str, str]) -> str | None:
    if column.name not in types:
        near = closest(column.name, types)
        hint = f" (there is {near!r})" if near and near not in {known.name for known in COLUMNS} else ""
        return None if column.is_optional else f"the table has no column {column.name!r}{hint}; add it as {column.type}"
    actual = types[column.name]
    if actual.split("(")[0] in _ALSO_HOLDS[column.type]:
        return None
    return f"the column {column.name!r} has the type {actual}, but must be {column.type}"


def columns_to_write(name: str, changes: RowChanges, present: frozenset[str]) -> list[str]:
    """Returns the columns that a write sets, in the order of the format.

    Raises:
        TableUnusable: A row has a value for an optional column that the table lacks, or one that no column can hold.
    """
    for row in changes.upserts:
        order = row.get("execution_order")
        if isinstance(order, int) and not -(2**31) <= order < 2**31:
            raise TableUnusable(
                name,
                f"execution_order {order:,} of source {row['source_id']!r} does not fit into the column, which holds "
                "numbers of 32 bits",
            )
    needed = {column for row in changes.upserts for column, value in row.items() if value is not None}
    missing = [column.name for column in METADATA_COLUMNS if column.name in needed and column.name not in present]
    if missing:
        raise TableUnusable(
            name,
            f"the metadata needs the optional columns {listing(missing)}, which the table lacks; add them with "
            "`ljm table create --optional-columns`",
        )
    return [column.name for column in METADATA_COLUMNS if column.name in present]
