"""The contract of control tables, over Delta files and over a SQL warehouse."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings

from fakes.workspace import FakeWorkspace, SleeplessClock
from lakeflow_job_meta.control_table.schema import CONTROL_TABLE
from lakeflow_job_meta.tables.delta import DeltaFiles
from lakeflow_job_meta.tables.store import VersionedTable
from lakeflow_job_meta.workspace.client import Workspace
from support.connections import CONTROL, table_of
from support.control_table_contract import ControlTableContract, check_history, histories
from support.examples import examples

pytest_plugins = ["support.workspace_fixtures"]


@dataclass
class DeltaPlace:
    """A Delta table by its path."""

    folder: Path
    records_users: bool = True
    commits_nothing: bool = False

    def open(self) -> VersionedTable:
        return DeltaFiles(str(self.folder), CONTROL_TABLE)

    def adopt(self) -> None:
        pass

    def drop(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass
class WarehousePlace:
    """A table of the fake workspace."""

    workspace: FakeWorkspace
    connection: Workspace
    clock: SleeplessClock
    records_users: bool = True
    commits_nothing: bool = False

    @property
    def folder(self) -> Path:
        return self.workspace.table_path(CONTROL)

    def open(self) -> VersionedTable:
        return table_of(self.workspace, self.connection, self.clock)

    def adopt(self) -> None:
        pass

    def drop(self) -> None:
        statements = self.connection.client().statement_execution
        statements.execute_statement(f"DROP TABLE IF EXISTS {CONTROL}", self.workspace.warehouse_id)


class TestDelta(ControlTableContract):
    @pytest.fixture
    def place(self, tmp_path: Path) -> DeltaPlace:
        return DeltaPlace(tmp_path / "control")

    @settings(max_examples=examples(15))
    @given(history=histories)
    def test_a_delta_table_behaves_like_a_dictionary(self, place: DeltaPlace, history):
        check_history(place, history)


class TestWarehouse(ControlTableContract):
    @pytest.fixture
    def place(self, workspace: FakeWorkspace, connection: Workspace, clock: SleeplessClock) -> Iterator[WarehousePlace]:
        place = WarehousePlace(workspace, connection, clock)
        place.folder.parent.mkdir(parents=True)
        yield place
        # The writes of the code are understood by the fake, and no statement is left running.
        assert workspace.unsupported == []

    @settings(max_examples=examples(10))
    @given(history=histories)
    def test_a_table_over_a_warehouse_behaves_like_a_dictionary(self, place: WarehousePlace, history):
        check_history(place, history)
