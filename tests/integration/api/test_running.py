"""Runs of modules' jobs from Python, with the real client against the runs API of the fake workspace."""

from __future__ import annotations

import pytest

from lakeflow_job_meta import ConfigError, OperationFailed, deploy, last_runs, load_project, repair_module, run_module
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.services import runs
from support.project_folder import ProjectFolder, module

pytest_plugins = ["support.workspace_fixtures"]


@pytest.fixture
def deployed(project: ProjectFolder, connection, monkeypatch) -> Project:
    """The modules `sales` and `stock`, deployed to dev; nobody waits between two looks at a run."""
    monkeypatch.setattr(runs, "POLL_SECONDS", 0.0)
    for name in ("sales", "stock"):
        project.write(f"metadata/{name}.yml", module(name))
    loaded = load_project(project.path)
    deploy(loaded, "dev", backend="jobs-api", workspace=connection)
    return loaded


class TestRunModule:
    def test_starts_a_run_and_does_not_wait_for_it(self, deployed, workspace, connection):
        run = run_module(deployed, "sales", "dev", workspace=connection)

        assert (run.module, run.state, run.is_finished) == ("sales", "STARTED", False)
        assert run.run_id == workspace.jobs.runs[0].run_id
        assert run.url == f"{workspace.url}/jobs/{run.job_id}/runs/{run.run_id}"

    def test_waits_for_the_end_where_that_is_asked_for_and_raises_nothing_for_a_failure(
        self, deployed, workspace, connection
    ):
        workspace.jobs.will_go("sales", {"a": "RUNNING"}, {"a": "FAILED"}, errors={"a": "Table not found"})

        run = run_module(deployed, "sales", "dev", wait=True, workspace=connection)

        assert (run.state, run.has_failed, run.seconds) == ("FAILED", True, 65.0)
        assert run.failed_task is not None
        assert (run.failed_task.key, run.failed_task.message) == ("a", "Table not found")

    def test_refuses_a_parameter_that_the_job_does_not_declare(self, deployed, workspace, connection):
        with pytest.raises(ConfigError, match="declares no parameter 'day'"):
            run_module(deployed, "sales", "dev", parameters={"day": "today"}, workspace=connection)
        assert workspace.jobs.runs == []

    def test_refuses_a_module_that_does_not_exist(self, deployed, connection):
        with pytest.raises(ConfigError, match="did you mean 'sales'"):
            run_module(deployed, "sale", "dev", workspace=connection)


class TestRepairModule:
    def test_runs_what_failed_again_and_waits_for_the_repair(self, deployed, workspace, connection):
        workspace.jobs.will_go(
            "sales", {"a": "FAILED"}, after_repair=[[{"a": "RUNNING"}, {"a": "SUCCESS"}]], late_looks=2
        )
        run = run_module(deployed, "sales", "dev", wait=True, workspace=connection)

        repaired = repair_module(deployed, "sales", "dev", wait=True, workspace=connection)

        assert (repaired.run_id, repaired.state) == (run.run_id, "SUCCESS")

    def test_refuses_where_nothing_has_run(self, deployed, connection):
        with pytest.raises(OperationFailed, match="Run it: `ljm run sales -t dev`"):
            repair_module(deployed, "sales", "dev", workspace=connection)


class TestLastRuns:
    def test_has_each_module_of_the_target(self, deployed, workspace, connection):
        workspace.jobs.will_go("sales", {"a": "SUCCESS"})
        run_module(deployed, "sales", "dev", wait=True, workspace=connection)

        assert [(run.module, run.state) for run in last_runs(deployed, "dev", workspace=connection)] == [
            ("sales", "SUCCESS"),
            ("stock", "NEVER RUN"),
        ]

    def test_has_only_the_modules_that_are_asked_for(self, deployed, connection):
        (run,) = last_runs(deployed, "dev", modules=["stock"], workspace=connection)
        assert (run.module, run.run_id, run.has_failed) == ("stock", None, False)
