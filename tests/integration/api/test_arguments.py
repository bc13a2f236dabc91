"""What Python people give to the functions and classes: clients, profiles, paths, and wrong arguments."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fakes.workspace import FakeWorkspace
from lakeflow_job_meta import JobOrchestrator, MetadataManager, MetadataMonitor, deploy, load_project
from lakeflow_job_meta.errors import ConfigError, InvalidMetadata, OperationFailed
from support.project_folder import ProjectFolder, module
from support.slow import few

pytest_plugins = ["support.workspace_fixtures"]
pytestmark = pytest.mark.skipif(os.name != "posix", reason="file locks are those of POSIX")


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A control table with the module `sales`, and a current folder outside of any project."""
    (tmp_path / "notebook").mkdir()
    monkeypatch.chdir(tmp_path / "notebook")
    monkeypatch.setenv("PATH", str(tmp_path))  # no databricks CLI
    path = tmp_path / "etl" / "control"
    manager = MetadataManager(path)
    manager.ensure_exists()
    Path("sales.yml").write_text(module("sales"), encoding="utf-8")
    manager.load_yaml(Path("sales.yml"))
    return path


class TestWorkspaces:
    def test_a_client_of_the_sdk_is_one(self, table: Path, workspace: FakeWorkspace):
        client = workspace.client()
        job = JobOrchestrator(table, workspace=client).create_or_update_job("sales")
        assert workspace.jobs.by_name("sales").job_id == job
        assert MetadataMonitor(table, workspace=client).check_and_update()["errors"] == []

    def test_so_is_the_name_of_a_profile(self, table: Path, workspace: FakeWorkspace, tmp_path, monkeypatch):
        for name in [name for name in os.environ if name.startswith("DATABRICKS_")]:
            monkeypatch.delenv(name)
        config = tmp_path / "databrickscfg"
        config.write_text(f"[prod]\nhost = {workspace.url}\ntoken = {workspace.token}\n")
        monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(config))
        assert len(JobOrchestrator(table, workspace="prod").run_all_modules(auto_run=False)) == 1
        with pytest.raises(ConfigError, match=r"No login to Databricks: .*nosuch"):
            JobOrchestrator(table, workspace="nosuch").run_all_modules()

    @pytest.mark.parametrize("given", [42, object(), ["prod"]])
    def test_anything_else_is_refused_at_once(self, table: Path, given):
        for create in (JobOrchestrator, MetadataManager, MetadataMonitor):
            with pytest.raises(ConfigError, match="workspace must be a WorkspaceClient"):
                create(table, workspace=given)


class TestWrongArguments:
    @pytest.mark.parametrize(
        ("argument", "value"),
        [
            ("max_deletes", -1),
            ("max_deletes", "1"),
            ("max_deletes", True),
            ("fail_after", 0),
            ("check_interval_seconds", 0),
            ("check_interval_seconds", 1.5),
        ],
    )
    def test_a_number_that_is_none_is_named_as_the_argument(self, table: Path, argument, value):
        with pytest.raises(ConfigError, match=f"{argument} must be a whole number from"):
            MetadataMonitor(table, **{argument: value})
        if argument == "max_deletes":
            with pytest.raises(ConfigError, match=argument):
                JobOrchestrator(table, max_deletes=value)

    def test_deploy_refuses_it_too(self, project: ProjectFolder):
        project.write("metadata/a.yml", module("a"))
        with pytest.raises(ConfigError, match="max_deletes must be"):
            deploy(load_project(project.path), max_deletes=-1)

    @pytest.mark.parametrize("path", ["/Volumes", "/Volumes/main/etl", "main.etl.metadata", "/no/such/folder"])
    def test_a_volume_that_is_none_is_refused(self, table: Path, path):
        with pytest.raises(ConfigError, match="is no volume: write /Volumes/catalog/schema/volume"):
            MetadataMonitor(table, volume_path=path)
        with pytest.raises(ConfigError, match="is no volume"):
            MetadataManager(table).sync_from_volume(path)

    def test_a_parameter_that_does_not_exist_is_refused_with_the_closest(self, table: Path):
        with pytest.raises(ConfigError, match="did you mean 'max_deletes'"):
            MetadataMonitor.from_parameters({"control_table": str(table), "max_delete": "1"})

    @pytest.mark.parametrize(("name", "value"), [("overwrite_drift", "x"), ("max_deletes", "x"), ("fail_after", "0")])
    def test_a_parameter_of_the_wrong_form_is_named(self, table: Path, name, value):
        with pytest.raises(ConfigError, match=f"The widget '{name}' must be"):
            MetadataMonitor.from_parameters({"control_table": str(table), name: value})


class TestAllowances:
    def test_a_refusal_names_the_arguments_of_the_class(self, table: Path, connection):
        JobOrchestrator(table, workspace=connection).run_all_modules(auto_run=False)
        manager = MetadataManager(table)
        manager.load_yaml(_file("stock"))
        manager.table.write(_deletion("sales"))

        (refused,) = MetadataMonitor(table, workspace=connection).check_and_update()["refused"]

        assert refused.endswith("If that is meant, create the object with max_deletes=1.")

    @pytest.mark.slow
    def test_an_edit_by_hand_is_overwritten_where_that_is_allowed(self, table: Path, workspace, connection):
        JobOrchestrator(table, workspace=connection).run_all_modules(auto_run=False)
        workspace.jobs.edit_task(workspace.jobs.by_name("sales").job_id, "a", max_retries=5)
        MetadataManager(table).load_yaml(_file("sales", "/Workspace/new"))

        assert MetadataMonitor(table, workspace=connection).check_and_update()["refused"] != []
        monitor = MetadataMonitor(table, overwrite_drift=True, workspace=connection)

        assert monitor.check_and_update()["refused"] == []
        assert "max_retries" not in workspace.jobs.by_name("sales").settings["tasks"][0]

    def test_a_loop_that_fails_so_often_ends_with_the_failure(self, table: Path, workspace, connection):
        monitor = MetadataMonitor(table, check_interval_seconds=1, fail_after=1, workspace=connection)
        for file in table.glob("*.parquet"):
            file.unlink()
        with pytest.raises(OperationFailed, match="is gone, as after VACUUM"):
            monitor.run_continuous()


class TestWhatANotebookShows:
    def test_an_error_is_its_sentence_and_no_traceback(self):
        assert ConfigError("No such table.")._render_traceback_() == ["ConfigError: No such table."]
        assert InvalidMetadata("2 errors.")._render_traceback_() == ["InvalidMetadata: 2 errors."]

    def test_objects_are_shown_by_what_they_are_of(self, table: Path):
        assert repr(MetadataManager(table)) == f"MetadataManager({str(table)!r})"
        assert repr(JobOrchestrator(table)) == f"JobOrchestrator({str(table)!r}, target='default')"
        assert repr(MetadataMonitor(table, target="prod")) == f"MetadataMonitor({str(table)!r}, target='prod')"

    CODE = """
import sys, logging
from lakeflow_job_meta import MetadataMonitor
{setup}
MetadataMonitor(sys.argv[1], auto_update_jobs=False).run_continuous(1)
"""

    @pytest.mark.parametrize(
        ("setup", "shown"),
        few(
            [("", True)],
            [
                ("logging.basicConfig(level=logging.INFO)", True),
                ("logging.getLogger('lakeflow_job_meta').setLevel(logging.ERROR)", False),
            ],
        ),
    )
    @pytest.mark.slow
    def test_progress_is_seen_unless_somebody_has_switched_it_off(self, table: Path, setup, shown):
        code = self.CODE.format(setup=setup)
        done = subprocess.run([sys.executable, "-c", code, str(table)], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert (done.stderr.count("proposed: Proposed: 1 job created"), done.stdout) == (int(shown), "")

    def test_a_table_without_modules_is_told(self, table: Path, connection, caplog):
        caplog.set_level(logging.INFO)
        MetadataManager(table).table.write(_deletion("sales"))
        assert JobOrchestrator(table, workspace=connection).run_all_modules() == []
        assert "has no module with an active source; jobs that are there stay." in caplog.text


class TestTasksOfAModule:
    def test_they_are_what_the_jobs_api_takes(self, workspace: FakeWorkspace, connection, project: ProjectFolder):
        project.write("metadata/a.yml", module("a"))
        project.write("src/load.py", "# Databricks notebook source\n")
        MetadataManager(project.path / "control").ensure_exists()
        project.write("job_meta.yml", f"metadata: [{{delta: {project.path / 'control'}}}]\n")
        path = project.write("more/b.yml", module("b", notebook="src/load.py"))
        MetadataManager(project.path / "control").load_yaml(path)
        orchestrator = JobOrchestrator(
            str(project.path / "control"), project_folder=project.path, target="dev", workspace=connection
        )

        tasks = orchestrator.generate_tasks_for_module("b")

        root = "/Workspace/Users/someone@example.com/.lakeflow-job-meta/bundle-test/dev/files"
        assert tasks[0]["notebook_task"]["notebook_path"] == f"{root}/src/load"
        assert workspace.jobs.names() == []


def _file(name: str, notebook: str = "/Workspace/a") -> str:
    Path(f"{name}.yml").write_text(module(name, notebook=notebook), encoding="utf-8")
    return f"{name}.yml"


def _deletion(name: str):
    from lakeflow_job_meta.tables.schema import RowChanges

    return RowChanges((), [(name, "a")])
