"""The columns of a control table: the one list that reading, creating and writing a table share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Column:
    """A column.

    Attributes:
        type: Its SQL type.
        holds_json: Whether its text is JSON.
        of_module: Whether it belongs to the module, so that all rows of a module must agree.
        is_optional: Whether a table may lack it (the original format's tables do).
        is_metadata: False for what only the table itself needs.
    """

    name: str
    type: str
    holds_json: bool = False
    of_module: bool = False
    is_optional: bool = False
    is_metadata: bool = True


CREATED = "created_timestamp"
UPDATED = "updated_timestamp"

COLUMNS = (
    Column("source_id", "STRING"),
    Column("module_name", "STRING", of_module=True),
    Column("source_type", "STRING"),
    Column("execution_order", "INT"),
    Column("source_config", "STRING", holds_json=True),
    Column("target_config", "STRING", holds_json=True),
    Column("transformation_config", "STRING", holds_json=True),
    Column("is_active", "BOOLEAN"),
    Column(CREATED, "TIMESTAMP", is_metadata=False),
    Column(UPDATED, "TIMESTAMP", is_metadata=False),
    Column("depends_on", "STRING", holds_json=True, is_optional=True),
    Column("job_config", "STRING", holds_json=True, of_module=True, is_optional=True),
    Column("description", "STRING", of_module=True, is_optional=True),
)
METADATA_COLUMNS = tuple(column for column in COLUMNS if column.is_metadata)


Row = Mapping[str, object]
