"""The columns of a control table: the one list that reading, creating and writing a table share; helpers for rows.

Pure. A source that an operator switched off stays off: NULL for `is_active` leaves an existing row as it is.
"""

from __future__ import annotations

from dataclasses import dataclass

from lakeflow_job_meta._internal.trees import Value
from lakeflow_job_meta.tables.schema import Column, Row, Stamp, TableSchema


@dataclass(frozen=True, slots=True)
class ControlColumn(Column):
    """A column of a control table; of one that is `of_module` all rows of a module must agree."""

    holds_json: bool = False
    of_module: bool = False


COLUMNS = (
    ControlColumn("source_id", "STRING"),
    ControlColumn("module_name", "STRING", of_module=True),
    ControlColumn("source_type", "STRING"),
    ControlColumn("execution_order", "INT"),
    ControlColumn("source_config", "STRING", holds_json=True),
    ControlColumn("target_config", "STRING", holds_json=True),
    ControlColumn("transformation_config", "STRING", holds_json=True),
    ControlColumn("is_active", "BOOLEAN", default="true"),
    ControlColumn("created_timestamp", "TIMESTAMP", stamp=Stamp.CREATED),
    ControlColumn("updated_timestamp", "TIMESTAMP", stamp=Stamp.CHANGED),
    # The original format's tables lack these.
    ControlColumn("depends_on", "STRING", holds_json=True, is_optional=True),
    ControlColumn("job_config", "STRING", holds_json=True, of_module=True, is_optional=True),
    ControlColumn("description", "STRING", of_module=True, is_optional=True),
    ControlColumn("targets", "STRING", holds_json=True, of_module=True, is_optional=True),
    ControlColumn("presets", "STRING", holds_json=True, of_module=True, is_optional=True),
    ControlColumn("adopt", "STRING", holds_json=True, of_module=True, is_optional=True),
    # A name, or a JSON list of names.
    ControlColumn("formerly", "STRING", of_module=True, is_optional=True),
    ControlColumn("after", "STRING", holds_json=True, of_module=True, is_optional=True),
    # Of a row that a blueprint makes the tasks of.
    ControlColumn("blueprint", "STRING", is_optional=True),
    ControlColumn("parameters", "STRING", holds_json=True, is_optional=True),
    # What a module says of all of its sources is written into each.
    ControlColumn("source_parameters", "STRING", is_optional=True),
    # What is checked once a source has run.
    ControlColumn("quality", "STRING", holds_json=True, is_optional=True),
    ControlColumn("expect_no_rows", "STRING", holds_json=True, is_optional=True),
)
METADATA_COLUMNS = tuple(column for column in COLUMNS if column.stamp is None)

CONTROL_TABLE = TableSchema(
    suffix="", columns=COLUMNS, key=("module_name", "source_id"), order="updated_timestamp", is_created_on_write=False
)


def key_of(row: Row) -> tuple[str, str]:
    """Returns the module_name and source_id of a row."""
    return str(row.get("module_name") or ""), str(row.get("source_id") or "")


def is_active(row: Row) -> bool:
    """Returns whether a source is active; only false switches it off."""
    return row.get("is_active") is not False


def cell_value(column: ControlColumn, cell: object) -> Value:
    """Returns what a cell means: JSON parsed, where it can be; an empty map for a NULL in a JSON column.

    What is no value of metadata, such as a date, counts as nothing.
    """
    if not column.holds_json:
        return cell if isinstance(cell, (str, int, float, bool, list, dict)) else None
    if not isinstance(cell, str):
        return {}
    from lakeflow_job_meta.text.json_columns import read_json

    value, fault = read_json(cell)
    return cell if fault is not None else value
