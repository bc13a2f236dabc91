"""Finds the right kind of control table for a name: a path, a table of the active Spark session, or of a warehouse.

The tables beside a control table are found in the same way. Nothing is read or written here.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from lakeflow_job_meta.control_table.delta import DeltaControlTable, is_url
from lakeflow_job_meta.control_table.interface import ControlTable
from lakeflow_job_meta.control_table.names import split_name
from lakeflow_job_meta.control_table.spark import SparkExecutor, active_session
from lakeflow_job_meta.control_table.sql import SqlControlTable, SqlExecutor
from lakeflow_job_meta.control_table.warehouse import WarehouseExecutor
from lakeflow_job_meta.errors import ConfigError
from lakeflow_job_meta.workspace.client import Workspace

WAREHOUSE_VARIABLE = "DATABRICKS_WAREHOUSE_ID"


def open_named_table(
    name: str,
    warehouse_id: str | None,
    *,
    workspace: Workspace | None = None,
    on_wait: Callable[[str], None] = lambda message: None,
) -> ControlTable:
    """Opens a table of a catalog: in the active Spark session, else over a SQL warehouse.

    Args:
        name: `catalog.schema.table`.
        warehouse_id: The warehouse; without one DATABRICKS_WAREHOUSE_ID is used. With one, Spark is not looked for.
        workspace: The workspace; by default the one of the environment.
        on_wait: Told when the warehouse makes one wait.

    Raises:
        ConfigError: It is no name of a table, or there is neither a session nor a warehouse.
    """
    split_name(name)
    return SqlControlTable(name, find_executor(name, warehouse_id, workspace=workspace, on_wait=on_wait))


def find_executor(
    name: str,
    warehouse_id: str | None,
    *,
    workspace: Workspace | None = None,
    on_wait: Callable[[str], None] = lambda message: None,
) -> SqlExecutor:
    """Returns what runs the SQL of a table: the active Spark session, else a SQL warehouse.

    Args:
        name: The table's name, for the message.
        warehouse_id: The warehouse; without one DATABRICKS_WAREHOUSE_ID is used. With one, Spark is not looked for.
        workspace: The workspace; by default the one of the environment.
        on_wait: Told when the warehouse makes one wait.

    Raises:
        ConfigError: There is neither a session nor a warehouse.
    """
    session = active_session() if warehouse_id is None else None
    if session is not None:
        return SparkExecutor(session)
    warehouse = warehouse_id or os.environ.get(WAREHOUSE_VARIABLE)
    if not warehouse:
        raise ConfigError(
            f"The table {name!r} needs a Spark session, as a notebook has, or a SQL warehouse: give warehouse_id, "
            f"--warehouse-id or {WAREHOUSE_VARIABLE}."
        )
    return WarehouseExecutor(workspace or Workspace(), warehouse, on_wait=on_wait)


def open_table(
    name: str,
    warehouse_id: str | None = None,
    *,
    folder: Path | None = None,
    workspace: Workspace | None = None,
    on_wait: Callable[[str], None] = lambda message: None,
) -> ControlTable:
    """Opens a table by whatever its user calls it: what has a slash is a path or a URL, the rest a table's name."""
    if is_location(name):
        return DeltaControlTable(name, folder)
    return open_named_table(name, warehouse_id, workspace=workspace, on_wait=on_wait)


def is_location(name: str) -> bool:
    """Says whether a control table is named by a path or a URL rather than as a table of a catalog."""
    return is_url(name) or "/" in name.replace("`/`", "") or os.sep in name or name.startswith(".")
