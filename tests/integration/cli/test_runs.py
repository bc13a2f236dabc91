"""`ljm run`, `ljm repair` and `ljm runs` against the runs API of the fake workspace, with the real client."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from fakes.workspace import FakeWorkspace, Fault, FaultKind
from lakeflow_job_meta import deploy, load_project
from lakeflow_job_meta.services import runs
from lakeflow_job_meta.workspace.client import Workspace
from support.project_folder import ProjectFolder, Result, module

pytest_plugins = ["support.workspace_fixtures"]


@dataclass
class Deployed:
    project: ProjectFolder
    workspace: FakeWorkspace
    environment: dict[str, str]

    def ljm(self, *arguments: str) -> Result:
        return self.project.inside(*arguments, **self.environment)


@pytest.fixture
def deployed(
    project: ProjectFolder,
    workspace: FakeWorkspace,
    connection: Workspace,
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> Deployed:
    """The modules `sales` and `stock`, deployed to dev; nobody waits between two looks at a run."""
    monkeypatch.setattr(runs, "POLL_SECONDS", 0.0)
    for name in ("sales", "stock"):
        project.write(f"metadata/{name}.yml", module(name))
    deploy(load_project(project.path), "dev", backend="jobs-api", workspace=connection)
    return Deployed(project, workspace, environment)


def failed_run(deployed: Deployed) -> None:
    deployed.workspace.jobs.will_go(
        "sales",
        {"a": "FAILED", "b": "UPSTREAM_FAILED"},
        errors={"a": "Table not found"},
        after_repair=[[{"a": "SUCCESS"}]],
    )
    assert deployed.ljm("run", "sales", "-t", "dev").exit_code == 1


class TestRun:
    def test_a_run_is_started_and_its_url_is_told(self, deployed):
        result = deployed.ljm("run", "sales", "-t", "dev")

        (run,) = deployed.workspace.jobs.runs
        assert result.exit_code == 0
        assert run.job_id == deployed.workspace.jobs.by_name("sales").job_id
        assert f"/run/{run.run_id}" in result.stderr

    def test_parameters_reach_the_run(self, deployed):
        deployed.ljm("run", "sales", "-t", "dev", "--param", "day=2026-01-31", "--param", "note=a=b")
        assert deployed.workspace.jobs.runs[0].request["job_parameters"] == {"day": "2026-01-31", "note": "a=b"}

    def test_a_parameter_without_a_value_is_wrong_usage_and_starts_nothing(self, deployed):
        assert deployed.ljm("run", "sales", "-t", "dev", "--param", "day").exit_code == 2
        assert deployed.workspace.jobs.runs == []

    def test_waiting_shows_each_state_of_a_task_once_and_the_end(self, deployed):
        states = [{"a": "PENDING"}, {"a": "RUNNING"}, {"a": "RUNNING"}, {"a": "SUCCESS"}]
        deployed.workspace.jobs.will_go("sales", *states)

        result = deployed.ljm("run", "sales", "-t", "dev", "--wait")

        assert result.exit_code == 0
        assert result.stderr.splitlines()[1:] == ["  a: PENDING", "  a: RUNNING", "  a: SUCCESS"]
        assert result.stdout == "sales: SUCCESS after 1:05.\n"

    def test_a_failed_run_ends_with_exit_code_1_and_what_the_task_said(self, deployed):
        deployed.workspace.jobs.will_go("sales", {"a": "RUNNING"}, {"a": "FAILED"}, errors={"a": "Table not found"})

        result = deployed.ljm("run", "sales", "-t", "dev", "--wait")

        assert (result.exit_code, result.stdout) == (1, "sales: FAILED after 1:05. Task a: Table not found\n")

    def test_all_pages_of_tasks_are_read(self, deployed):
        deployed.workspace.jobs.will_go("sales", {f"t{n:03}": "SUCCESS" for n in range(250)})

        result = deployed.ljm("run", "sales", "-t", "dev", "--wait", "--format", "json")

        assert len(json.loads(result.stdout)["tasks"]) == 250

    def test_ctrl_c_leaves_the_run_going_and_says_so(self, deployed, monkeypatch):
        def interrupted(seconds: float) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(runs.follow_run, "__defaults__", (interrupted,))

        result = deployed.ljm("run", "sales", "-t", "dev", "--wait")

        assert result.exit_code == 130
        assert "The run goes on: http" in result.stderr
        assert deployed.workspace.jobs.writes["run-now"] == 1

    def test_a_run_that_somebody_deletes_meanwhile_is_told(self, deployed, monkeypatch):
        def deleted(seconds: float) -> None:
            deployed.workspace.jobs.forget_run(deployed.workspace.jobs.runs[0].run_id)

        monkeypatch.setattr(runs.follow_run, "__defaults__", (deleted,))

        result = deployed.ljm("run", "sales", "-t", "dev", "--wait")

        assert result.exit_code == 1
        assert "does not exist" in result.stderr

    def test_a_busy_workspace_is_asked_again_and_starts_one_run(self, deployed):
        deployed.workspace.faults.add(Fault("POST", "*/run-now", FaultKind.TOO_MANY_REQUESTS))

        assert deployed.ljm("run", "sales", "-t", "dev").exit_code == 0
        assert deployed.workspace.jobs.writes["run-now"] == 1

    def test_an_unknown_module_is_told_the_closest_one(self, deployed):
        result = deployed.ljm("run", "sale", "-t", "dev")
        assert result.exit_code == 2
        assert "did you mean 'sales'?" in result.stderr

    def test_a_module_that_is_not_deployed_is_told_the_way_out(self, deployed):
        deployed.project.write("metadata/new.yml", module("new"))

        result = deployed.ljm("run", "new", "-t", "dev")

        assert result.exit_code == 1
        assert "has no job in the target 'dev' yet. Deploy it first: `ljm deploy -t dev`." in result.stderr


class TestRepair:
    def test_only_the_failed_tasks_run_again(self, deployed):
        failed_run(deployed)

        result = deployed.ljm("repair", "sales", "-t", "dev", "--wait")

        (course,) = deployed.workspace.jobs.courses.values()
        assert (result.exit_code, result.stderr.count("a: SUCCESS")) == (0, 1)
        assert [request["rerun_all_failed_tasks"] for request in course.repairs] == [True]
        assert deployed.workspace.jobs.writes["run-now"] == 1

    def test_a_second_repair_names_the_first(self, deployed):
        course = deployed.workspace.jobs.will_go(
            "sales", {"a": "FAILED"}, after_repair=[[{"a": "FAILED"}], [{"a": "SUCCESS"}]]
        )
        deployed.ljm("run", "sales", "-t", "dev")

        assert deployed.ljm("repair", "sales", "-t", "dev", "--wait").exit_code == 1
        assert deployed.ljm("repair", "sales", "-t", "dev", "--wait").exit_code == 0
        assert course.repairs[1]["latest_repair_id"] == 1

    @pytest.mark.parametrize(
        ("states", "sentence"),
        [([{"a": "SUCCESS"}], "has not failed"), ([{"a": "RUNNING"}], "still goes on"), ([], "not run")],
    )
    def test_what_has_not_failed_is_not_repaired(self, deployed, states, sentence):
        if states:
            deployed.workspace.jobs.will_go("sales", *states)
            deployed.ljm("run", "sales", "-t", "dev")

        result = deployed.ljm("repair", "sales", "-t", "dev")

        assert result.exit_code == 1
        assert sentence in result.stderr
        assert deployed.workspace.jobs.writes["repair"] == 0


class TestRuns:
    def test_the_last_run_of_each_module_is_shown_with_what_failed_first(self, deployed):
        failed_run(deployed)

        result = deployed.ljm("runs", "-t", "dev")

        assert result.exit_code == 1
        assert "Task a: Table not found" in result.stdout
        assert "NEVER RUN" in result.stdout
        assert result.stdout.endswith("2 modules: 1 failed.\n")

    def test_failed_shows_failed_ones_alone_as_json(self, deployed):
        failed_run(deployed)

        (run,) = json.loads(deployed.ljm("runs", "-t", "dev", "--failed", "--format", "json").stdout)

        assert (run["module"], run["state"], run["duration_seconds"]) == ("sales", "FAILED", 65.0)
        assert run["failed_task"] == {"task_key": "a", "state": "FAILED", "message": "Table not found"}

    def test_the_newest_run_counts(self, deployed):
        failed_run(deployed)
        deployed.workspace.jobs.will_go("sales", {"a": "SUCCESS"})
        deployed.ljm("run", "sales", "-t", "dev")

        assert deployed.ljm("runs", "sales", "-t", "dev").exit_code == 0

    def test_a_job_that_somebody_deleted_is_told_and_the_others_are_shown(self, deployed):
        deployed.workspace.jobs.remove(deployed.workspace.jobs.by_name("sales").job_id)

        result = deployed.ljm("runs", "-t", "dev")

        assert result.exit_code == 1
        assert "NO JOB" in result.stdout
        assert "stock" in result.stdout
