"""A fake workspace for each test, and the connection to it; modules that use it name it in `pytest_plugins`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.workspace import FakeWorkspace, SleeplessClock
from lakeflow_job_meta.tables.sql import SqlTable
from lakeflow_job_meta.workspace.client import Workspace
from support.connections import connect, table_of


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[FakeWorkspace]:
    with FakeWorkspace(tmp_path / "workspace") as running:
        yield running


@pytest.fixture
def clock() -> SleeplessClock:
    """The clock on which the SDK and we wait."""
    return SleeplessClock()


@pytest.fixture
def connection(workspace: FakeWorkspace, clock: SleeplessClock) -> Workspace:
    """The fake workspace, as the code connects to one; the client is as it makes it, but for the clock."""
    return connect(workspace, clock)


@pytest.fixture
def control(workspace: FakeWorkspace, connection: Workspace, clock: SleeplessClock) -> SqlTable:
    """The control table `main.etl.control`, with all columns and without rows."""
    table = table_of(workspace, connection, clock)
    table.create(optional_columns=True)
    workspace.requests.clear()
    return table


@pytest.fixture
def volume(workspace: FakeWorkspace) -> Path:
    """The folder of the volume /Volumes/main/etl/metadata."""
    return workspace.files.create_volume("main", "etl", "metadata")


@pytest.fixture
def environment(workspace: FakeWorkspace) -> dict[str, str]:
    """What a process needs to find the fake workspace."""
    return {"DATABRICKS_HOST": workspace.url, "DATABRICKS_TOKEN": workspace.token}
