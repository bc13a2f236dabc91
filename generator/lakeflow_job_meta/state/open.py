"""Finds the state store of a project and target: beside its control table, else in its state folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lakeflow_job_meta.config.model import TABLE_KINDS, Project
from lakeflow_job_meta.control_table.names import split_name
from lakeflow_job_meta.control_table.open import find_executor, is_location
from lakeflow_job_meta.state.delta_store import DeltaStore
from lakeflow_job_meta.state.local_store import LocalStore
from lakeflow_job_meta.state.sql_store import SqlStore
from lakeflow_job_meta.state.store import StateStore, TableSchema
from lakeflow_job_meta.workspace.client import Workspace


def open_store(
    control_table: str,
    layout: TableSchema,
    *,
    warehouse_id: str | None = None,
    folder: Path | None = None,
    workspace: Workspace | None = None,
    on_wait: Callable[[str], None] = lambda message: None,
) -> StateStore:
    """Opens a side table beside a control table, in the same way as the control table; it need not be there yet.

    Args:
        control_table: The control table by its name, path or URL.
        layout: Which side table.
        warehouse_id: The warehouse, as for the control table.
        folder: What a relative path is relative to.
        workspace: The workspace; by default the one of the environment.
        on_wait: Told when the warehouse makes one wait.

    Raises:
        ConfigError: Nothing can lie beside such a name, or there is neither a session nor a warehouse.
    """
    if is_location(control_table):
        return DeltaStore(control_table, layout, folder)
    split_name(control_table)
    executor = find_executor(control_table, warehouse_id, workspace=workspace, on_wait=on_wait)
    return SqlStore(control_table, layout, executor)


def open_state_store(
    project: Project, folder: Path, layout: TableSchema, workspace: Workspace | None = None
) -> StateStore:
    """Opens a side table: beside the first control table that the project reads, else in the state folder.

    Args:
        project: The project.
        folder: The state folder of the target.
        layout: Which table.
        workspace: The workspace; by default the one of the environment.
    """
    table = next((source for source in project.metadata if source.kind in TABLE_KINDS), None)
    if table is None:
        return LocalStore(folder, layout)
    if table.kind == "delta":
        return DeltaStore(table.location, layout, project.folder)
    return open_store(table.location, layout, warehouse_id=table.warehouse_id, workspace=workspace)
