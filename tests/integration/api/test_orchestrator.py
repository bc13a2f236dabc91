"""`JobOrchestrator`: jobs on demand from a control table, on disk and over a warehouse.

The jobs are made through the Jobs API of a fake workspace by the real SDK, and once with the databricks CLI.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

import pytest

from fakes.workspace import FakeWorkspace
from lakeflow_job_meta import JobOrchestrator, MetadataManager
from lakeflow_job_meta.errors import ConfigError, InvalidMetadata, OperationFailed, PolicyRefused
from lakeflow_job_meta.state.store import JOBS
from lakeflow_job_meta.tables.open import open_table
from lakeflow_job_meta.tables.schema import Row, RowChanges
from lakeflow_job_meta.workspace.client import Workspace
from support.project_folder import ProjectFolder, module
from support.slow import few

pytest_plugins = ["support.workspace_fixtures", "fakes.databricks_cli.fixtures"]
pytestmark = pytest.mark.skipif(os.name != "posix", reason="file locks are those of POSIX")


def row(name: str, source: str = "a", **values: object) -> Row:
    columns = {
        "module_name": name,
        "source_id": source,
        "source_type": "sql",
        "execution_order": 1,
        "source_config": "{}",
        "target_config": "{}",
        "transformation_config": json.dumps({"notebook_path": f"/Workspace/{name}"}),
        "is_active": True,
    }
    return {**columns, **values}


class World:
    """A control table of one kind, and the orchestrator of it."""

    def __init__(self, table: str, workspace: FakeWorkspace, connection: Workspace, warehouse: str | None) -> None:
        self.table = table
        self.workspace = workspace
        self.connection = connection
        self.warehouse = warehouse
        self.manager = MetadataManager(table, warehouse, workspace=connection)
        self.manager.ensure_exists()

    def put(self, *rows: Row) -> None:
        self.manager.table.write(RowChanges(rows, ()))

    def remove(self, name: str) -> None:
        self.manager.table.write(RowChanges((), [(name, "a")]))

    def orchestrator(self, **options: object) -> JobOrchestrator:
        return JobOrchestrator(self.table, self.warehouse, workspace=self.connection, **options)

    @property
    def names(self) -> list[str]:
        return self.workspace.jobs.names()

    def record(self) -> dict[str, int]:
        records = open_table(self.table, JOBS, warehouse_id=self.warehouse, workspace=self.connection)
        return {str(each["module_name"]): int(str(each["job_id"])) for each in records.rows()}


@pytest.fixture(params=few(["delta"], ["warehouse"]))
def world(request, tmp_path, monkeypatch, workspace, connection) -> World:
    here = tmp_path / "notebook"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("PATH", str(tmp_path))  # no databricks CLI
    monkeypatch.delenv("DATABRICKS_CLI", raising=False)
    if request.param == "delta":
        return World(str(tmp_path / "etl" / "control"), workspace, connection, None)
    return World("main.etl.control", workspace, connection, workspace.warehouse_id)


def ids(jobs: list) -> dict[str, int]:
    return {job["module"]: job["job_id"] for job in jobs}


class TestAllModules:
    @pytest.mark.parametrize("world", ["delta", "warehouse"], indirect=True)
    def test_all_modules_are_created_recorded_and_started(self, world):
        world.put(row("sales"), row("stock"))

        jobs = world.orchestrator().run_all_modules(auto_run=True)

        assert [job["module"] for job in jobs] == ["sales", "stock"]
        assert ids(jobs) == {name: world.workspace.jobs.by_name(name).job_id for name in world.names}
        assert world.record() == ids(jobs)
        assert sorted(run.job_id for run in world.workspace.jobs.runs) == sorted(ids(jobs).values())

    def test_are_not_started_when_that_is_not_wanted(self, world):
        world.put(row("sales"))
        world.orchestrator().run_all_modules(auto_run=False)
        assert world.workspace.jobs.runs == []

    def test_nothing_is_sent_again_when_nothing_changed(self, world):
        world.put(row("sales"), row("stock"))
        first = world.orchestrator().run_all_modules(auto_run=False)
        world.workspace.jobs.writes.clear()

        second = world.orchestrator().run_all_modules(auto_run=False)

        assert second == first
        assert dict(world.workspace.jobs.writes) == {}

    def test_one_changed_row_resets_one_job(self, world):
        world.put(row("sales"), row("stock"))
        world.orchestrator().run_all_modules(auto_run=False)
        world.workspace.jobs.writes.clear()
        world.put(row("stock", transformation_config='{"notebook_path": "/Workspace/new"}'))

        world.orchestrator().run_all_modules(auto_run=False)

        assert dict(world.workspace.jobs.writes) == {"reset": 1}

    @pytest.mark.parametrize("world", ["delta", "warehouse"], indirect=True)
    def test_a_removed_module_is_refused_until_its_deletion_is_allowed(self, world):
        world.put(row("sales"), row("stock"))
        world.orchestrator().run_all_modules(auto_run=False)
        world.remove("stock")

        with pytest.raises(PolicyRefused, match="would delete 1 job"):
            world.orchestrator().run_all_modules(auto_run=False)
        assert world.names == ["sales", "stock"]

        world.orchestrator(max_deletes=1).run_all_modules(auto_run=False)
        assert world.names == ["sales"]
        assert set(world.record()) == {"sales"}

    def test_a_broken_module_keeps_its_job_and_the_others_go_on(self, world):
        world.put(row("sales"), row("stock"))
        before = ids(world.orchestrator().run_all_modules(auto_run=False))
        world.put(row("sales", transformation_config="{broken"), row("new"))

        with pytest.raises(InvalidMetadata, match="module_name=sales") as raised:
            world.orchestrator().run_all_modules(auto_run=False)

        assert "these modules keep the jobs they have" in str(raised.value)
        assert world.names == ["new", "sales", "stock"]
        assert world.record()["sales"] == before["sales"]

    def test_yaml_can_be_loaded_first(self, world):
        Path("sales.yml").write_text(module("sales"), encoding="utf-8")

        jobs = world.orchestrator().run_all_modules(auto_run=False, yaml_path="sales.yml", sync_yaml=True)

        assert [job["module"] for job in jobs] == world.manager.get_all_modules() == ["sales"]

    def test_loading_yaml_needs_to_know_which(self, world):
        with pytest.raises(ConfigError, match="yaml_path"):
            world.orchestrator().run_all_modules(sync_yaml=True)

    def test_the_row_of_the_original_readme_becomes_a_job(self, world):
        sql = {"task_type": "sql_query", "sql_task": {"warehouse_id": "abc123", "sql_query": "SELECT 1 FROM b.c"}}
        world.put(row("my_pipeline", "sql_task_1", transformation_config=json.dumps(sql)))

        world.orchestrator().run_all_modules(auto_run=True)

        (task,) = world.workspace.jobs.by_name("my_pipeline").settings["tasks"]
        assert task["sql_task"]["warehouse_id"] == "abc123"
        assert task["sql_task"]["file"]["path"].endswith("/sql_task_1.sql")


class TestOneModule:
    def test_one_module_is_created_and_then_updated(self, world):
        world.put(row("sales"), row("stock"))

        first = world.orchestrator().create_or_update_job("sales")
        world.put(row("sales", transformation_config='{"notebook_path": "/Workspace/new"}'))
        second = world.orchestrator().create_or_update_job("sales")

        assert first == second
        assert world.names == ["sales"]
        (task,) = world.workspace.jobs.by_name("sales").settings["tasks"]
        assert task["notebook_task"]["notebook_path"] == "/Workspace/new"

    def test_the_jobs_of_others_and_their_record_stay(self, world):
        world.put(row("sales"), row("stock"))
        world.orchestrator().run_all_modules(auto_run=False)
        world.remove("stock")

        world.orchestrator().create_or_update_job("sales")

        assert world.names == ["sales", "stock"]
        assert set(world.record()) >= {"sales"}

    def test_one_that_is_broken_is_told_whole(self, world):
        world.put(row("sales", transformation_config="{broken"))

        with pytest.raises(InvalidMetadata, match="module_name=sales"):
            world.orchestrator().create_or_update_job("sales")

        assert world.names == []

    def test_one_that_does_not_exist_gets_the_closest_match(self, world):
        world.put(row("sales"))
        with pytest.raises(OperationFailed, match="did you mean 'sales'"):
            world.orchestrator().create_or_update_job("sale")

    def test_its_tasks_can_be_looked_at(self, world):
        world.put(row("sales"), row("sales", "b", execution_order=2))

        tasks = world.orchestrator().generate_tasks_for_module("sales")

        assert [task["task_key"] for task in tasks] == ["a", "b"]
        assert tasks[1]["depends_on"] == [{"task_key": "a"}]
        assert world.names == []


def test_a_table_that_cannot_be_read_deletes_nothing(world):
    world.put(row("sales"))
    world.orchestrator().run_all_modules(auto_run=False)
    other = JobOrchestrator(f"{world.table}_gone", world.warehouse, workspace=world.connection, max_deletes=10)

    with pytest.raises(InvalidMetadata, match="there is no"):
        other.run_all_modules()

    assert world.names == ["sales"]


def test_with_a_bundle_and_a_cli_the_jobs_are_the_bundles(
    tmp_path, monkeypatch, workspace, connection, databricks_environment
):
    for name, value in databricks_environment.items():
        monkeypatch.setenv(name, value)
    project = ProjectFolder(tmp_path / "project")
    table = str(tmp_path / "etl" / "control")
    project.write("job_meta.yml", f"metadata: [{{delta: '{table}'}}]\n")
    manager = MetadataManager(table)
    manager.ensure_exists()
    manager.table.write(RowChanges([row("sales"), row("stock")], ()))

    jobs = JobOrchestrator(table, project_folder=project.path, target="dev", workspace=connection).run_all_modules()

    assert [job["module"] for job in jobs] == ["sales", "stock"]
    assert workspace.jobs.names() == ["sales", "stock"]
    assert len(workspace.jobs.runs) == 2
    assert set(project.generated()) == {"jobs/sales.yml", "jobs/stock.yml"}


class TestOneModuleHasOneJob:
    """Outside of a bundle the table is what the jobs belong to; a target is a label."""

    def test_another_target_of_the_table_makes_no_second_job(self, world):
        world.put(row("sales"))
        world.orchestrator(target="prod").run_all_modules(auto_run=False)

        with pytest.raises(OperationFailed) as refused:
            world.orchestrator().run_all_modules(auto_run=False)

        job = world.workspace.jobs.by_name("sales").job_id
        assert f"has the job {job} already, which was deployed for the target 'prod'" in str(refused.value)
        assert world.names == ["sales"]
        assert world.orchestrator(target="prod").create_or_update_job("sales") == job

    @pytest.mark.parametrize("world", ["delta", "warehouse"], indirect=True)
    def test_nor_does_it_when_the_record_is_lost(self, world):
        world.put(row("sales"))
        world.orchestrator(target="prod").run_all_modules(auto_run=False)
        records = open_table(world.table, JOBS, warehouse_id=world.warehouse, workspace=world.connection)
        records.write(RowChanges((), [("prod", "sales")]))

        with pytest.raises(OperationFailed, match="deployed for the target 'prod'"):
            world.orchestrator().run_all_modules(auto_run=False)

        assert world.names == ["sales"]

    @pytest.mark.parametrize("target", ["default", "prod"])
    def test_nor_does_the_table_by_its_path_beside_the_table_by_its_name(self, world, target):
        if world.warehouse is None:
            pytest.skip("a table by path has no name")
        world.put(row("sales"))
        world.orchestrator(target=target).run_all_modules(auto_run=False)
        path = str(world.workspace.table_path(world.table))
        records = open_table(world.table, JOBS, warehouse_id=world.warehouse, workspace=world.connection)
        beside = open_table(path, JOBS, workspace=world.connection)
        beside.write(RowChanges(records.rows()))

        with contextlib.suppress(OperationFailed, PolicyRefused):
            JobOrchestrator(path, workspace=world.connection).run_all_modules(auto_run=False)

        assert world.names == ["sales"]

    @pytest.mark.parametrize("name", few(["MAIN.etl.control"], ["`main`.etl.`control`", "main.ETL.CONTROL"]))
    def test_nor_does_another_spelling_of_its_name(self, world, name):
        if world.warehouse is None:
            pytest.skip("a table by path has no name")
        world.put(row("sales"))
        first = world.orchestrator().create_or_update_job("sales")

        again = JobOrchestrator(name, world.warehouse, workspace=world.connection).create_or_update_job("sales")

        assert (again, world.names) == (first, ["sales"])
