"""Exceptions that nobody expected: a tick ends in an outcome, a command in a sentence; the traceback is in a file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator

import pytest

from lakeflow_job_meta.cli import generate
from support.monitor_fixtures import World, module_row
from support.project_folder import ProjectFolder, module
from support.somebody import project_of_somebody

pytest_plugins = ["support.workspace_fixtures", "support.monitor_fixtures"]
pytestmark = pytest.mark.skipif(os.name != "posix", reason="file locks are those of POSIX")


class Surprise(Exception):
    """An exception of no kind that anybody handles."""


def fail(*arguments: object) -> None:
    raise Surprise("password=hunter2-and-more\nsecond line")


class TestTheTick:
    def test_of_a_deployment_that_fails_unexpectedly_is_a_failed_one_and_tried_again(self, deployed: World):
        watching = deployed.monitor()
        deployed.put(module_row("sales", notebook="/Workspace/new"))
        deployed.after_reading = fail

        tick = watching.tick()

        assert tick.outcome.value == "failed"
        (told,) = watching.told("failed")
        assert told.startswith("internal error in deployment/pipeline.py:")
        assert ": Surprise: password=***" in told
        assert "\n" not in told
        assert deployed.history[0].state.failure == told
        deployed.after_reading = lambda: None
        deployed.clock.goes_on(60)
        assert watching.looks() == "deployed"
        assert watching.kinds == ["changed", "failed", "deployed", "healed"]
        assert deployed.notebook("sales") == "/Workspace/new"

    def test_leaves_the_traceback_in_the_state_folder_without_secrets_and_for_its_owner_alone(self, deployed: World):
        deployed.put(module_row("sales", notebook="/Workspace/new"))
        deployed.after_reading = fail

        tick = deployed.monitor().tick()

        path = deployed.state_folder / "internal-error.txt"
        assert str(path) in tick.failure
        assert "Traceback (most recent call last)" in path.read_text()
        assert "hunter2" not in path.read_text()
        assert path.stat().st_mode & 0o077 == 0

    def test_that_cannot_even_load_the_project_is_a_failed_one(self, world: World, tmp_path, monkeypatch):
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        watching = world.monitor()
        watching.monitor.load = fail  # type: ignore[assignment]

        assert [watching.looks() for _ in range(3)] == ["failed"] * 3

        assert len(watching.told("failed")) == 1
        assert [path.name for path in tmp_path.rglob("internal-error.txt")] == ["internal-error.txt"]

    def test_that_looks_at_the_sources_in_vain_is_a_failed_one(self, deployed: World):
        watching = deployed.monitor()
        watching.tick()
        object.__setattr__(watching.monitor._context.watcher, "readers", (None,))

        assert watching.looks() == "failed"

    @pytest.mark.parametrize("ending", [KeyboardInterrupt, SystemExit])
    def test_that_is_to_end_ends(self, deployed: World, ending):
        def end() -> None:
            raise ending

        watching = deployed.monitor()
        deployed.put(module_row("sales", notebook="/Workspace/new"))
        deployed.after_reading = end

        with pytest.raises(ending):
            watching.tick()

    def test_whose_traceback_cannot_be_written_is_a_failed_one_all_the_same(self, deployed: World):
        (deployed.state_folder / "internal-error.txt").mkdir()
        deployed.put(module_row("sales", notebook="/Workspace/new"))
        deployed.after_reading = fail

        assert "Its traceback is lost: " in deployed.monitor().tick().failure


class TestTheCommandLine:
    @pytest.fixture(autouse=True)
    def broken(self, monkeypatch, tmp_path) -> None:
        monkeypatch.setattr(generate, "plan_changes", fail)
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def test_ends_with_one_sentence_and_exit_code_1(self, project, tmp_path):
        result = project.ljm("generate")

        assert result.exit_code == 1
        (line,) = result.stderr.splitlines()
        assert line.startswith("error: internal error in cli/generate.py:")
        assert "Please report it" in line
        (path,) = tmp_path.rglob("internal-error.txt")
        assert str(path) in line
        assert "in command" in path.read_text()
        assert path.parent.stat().st_mode & 0o077 == 0

    def test_shows_the_traceback_where_that_is_wanted(self, project, monkeypatch):
        monkeypatch.setenv("LJM_DEBUG", "1")

        with pytest.raises(Surprise):
            project.ljm("generate")


LONG = "n" * 300


class TestNamesThatNoFileCanHave:
    @pytest.mark.parametrize(
        "task",
        [
            f"{{notebook_path: notebooks/{LONG}.py}}",
            f"{{notebook_path: {LONG}/a.py}}",
            f"{{spark_python_task: {{python_file: {LONG}.py}}}}",
            f"{{sql_task: {{warehouse_id: w, file: {{path: {LONG}.sql}}}}}}",
            f"{{dbt_task: {{commands: [dbt run], project_directory: {LONG}, warehouse_id: w}}}}",
        ],
    )
    def test_are_a_diagnostic_at_the_module_that_has_one(self, project, task):
        text = module("long").replace("{notebook_path: /Workspace/a}", task)
        project.write("metadata/long.yml", text)
        project.write("metadata/sales.yml", module("sales"))

        result = project.ljm("generate")

        assert result.exit_code == 1
        assert {problem.place.split(":")[0] for problem in result.errors} == {"metadata/long.yml"}
        assert "missing-file" in result.codes
        assert list(project.generated()) == ["jobs/sales.yml"]

    def test_of_a_row_keep_no_other_module_from_being_deployed(self, control_table: World):
        control_table.put(module_row("sales", notebook=f"{LONG}.py"))

        tick = control_table.monitor().tick()

        assert tick.state.broken == ("sales",)
        assert control_table.names == ["stock"]

    def test_as_a_project_are_a_sentence(self, project):
        result = project.ljm("--project", LONG, "validate")

        assert result.exit_code == 2
        assert "There is no folder" in result.stderr


class TestAFolderThatMayNotBeEntered:
    @pytest.fixture
    def shut_out(self) -> Iterator[ProjectFolder]:
        """A project that is read by somebody whom a folder can keep out."""
        with project_of_somebody() as project:
            yield project

    def test_below_which_a_notebook_lies_is_a_diagnostic(self, shut_out: ProjectFolder):
        notebook = shut_out.write("closed/a.py", "# Databricks notebook source\n")
        shut_out.write("metadata/sales.yml", module("sales", notebook="closed/a.py"))
        notebook.parent.chmod(0)

        result = shut_out.ljm("validate")

        assert result.codes == ["missing-file"]

    @pytest.mark.parametrize("command", ["validate", "status"])
    def test_as_a_project_is_a_sentence(self, shut_out: ProjectFolder, command):
        shut_out.path.chmod(0)

        result = shut_out.ljm(command)

        assert result.exit_code == 2
        assert "cannot be read: Permission denied" in result.stderr
