"""Connections to a fake workspace, as the code makes them to a real one."""

from __future__ import annotations

from fakes.workspace import FakeWorkspace, SleeplessClock
from lakeflow_job_meta.control_table.schema import CONTROL_TABLE
from lakeflow_job_meta.tables.sql import SqlTable
from lakeflow_job_meta.tables.warehouse import WarehouseExecutor
from lakeflow_job_meta.workspace.client import Workspace

CONTROL = "main.etl.control"
VOLUME = "/Volumes/main/etl/metadata"


def connect(workspace: FakeWorkspace, clock: SleeplessClock | None = None, **settings: object) -> Workspace:
    """Returns a connection to the fake workspace."""
    return Workspace(
        lambda: workspace.client(clock=clock, disable_experimental_files_api_client=True, **settings)  # type: ignore[arg-type]
    )


def table_of(workspace: FakeWorkspace, connection: Workspace, clock: SleeplessClock, name: str = CONTROL) -> SqlTable:
    """Returns a control table over the default warehouse."""
    return SqlTable(name, CONTROL_TABLE, WarehouseExecutor(connection, workspace.warehouse_id, sleep=clock.sleep))
