"""Opens a table by whatever its user calls it: a path, a URL, or a name in a catalog.

The one place that chooses between delta-rs, the active Spark session and a SQL warehouse. Nothing is read or written.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lakeflow_job_meta.errors import ConfigError
from lakeflow_job_meta.tables.delta import DeltaFiles
from lakeflow_job_meta.tables.names import is_location, split_name
from lakeflow_job_meta.tables.schema import TableSchema
from lakeflow_job_meta.tables.store import VersionedTable
from lakeflow_job_meta.workspace.client import Workspace

if TYPE_CHECKING:
    from lakeflow_job_meta.tables.sql import SqlExecutor

WAREHOUSE_VARIABLE = "DATABRICKS_WAREHOUSE_ID"


def open_table(
    control_table: str,
    schema: TableSchema,
    warehouse_id: str | None = None,
    *,
    by_location: bool | None = None,
    folder: Path | None = None,
    workspace: Workspace | None = None,
    on_wait: Callable[[str], None] = lambda message: None,
) -> VersionedTable:
    """Opens a control table, or a table beside it; it need not be there yet.

    Args:
        control_table: A path, a URL, or `catalog.schema.table`, which is found in the active Spark session, else over
            a SQL warehouse.
        warehouse_id: The warehouse; without one DATABRICKS_WAREHOUSE_ID is used. With one, Spark is not looked for.
        by_location: Whether it is a path or a URL; by default that is seen from the text.
        folder: What a relative path is relative to.
        schema: The table's columns, and the suffix of one beside the control table.
        workspace: By default the one of the environment.
        on_wait: Called when the warehouse makes one wait.

    Raises:
        ConfigError: It is no name of a table, nothing can lie beside it, or there is neither a session nor a warehouse.
    """
    if is_location(control_table) if by_location is None else by_location:
        return DeltaFiles(control_table, schema, folder)
    from lakeflow_job_meta.tables.sql import SqlTable  # a table by path needs no SQL

    split_name(control_table)
    return SqlTable(control_table, schema, _executor(f"The table {control_table!r}", warehouse_id, workspace, on_wait))


def open_executor(
    name: str,
    warehouse_id: str | None,
    workspace: Workspace | None = None,
    on_wait: Callable[[str], None] = lambda message: None,
) -> SqlExecutor:
    """Returns what runs a query: the active Spark session, or a warehouse; raises ConfigError if there is neither."""
    return _executor(f"The query {name!r}", warehouse_id, workspace, on_wait)


def _executor(
    what: str, warehouse_id: str | None, workspace: Workspace | None, on_wait: Callable[[str], None]
) -> SqlExecutor:
    from lakeflow_job_meta.tables.spark import SparkExecutor, active_session
    from lakeflow_job_meta.tables.warehouse import WarehouseExecutor

    if warehouse_id is None and (session := active_session()) is not None:
        return SparkExecutor(session)
    warehouse = warehouse_id or os.environ.get(WAREHOUSE_VARIABLE)
    if not warehouse:
        raise ConfigError(
            f"{what} needs a Spark session, as a notebook has, or a SQL warehouse: give warehouse_id, "
            f"--warehouse-id or {WAREHOUSE_VARIABLE}."
        )
    return WarehouseExecutor(workspace or Workspace(), warehouse, on_wait=on_wait)
