"""`ljm run`, `ljm repair` and `ljm runs` against the runs API of the fake workspace, with the real client."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from fakes.workspace import FakeWorkspace, Fault, FaultKind
from fakes.workspace.runs import States
from lakeflow_job_meta import MetadataManager, deploy, load_project
from lakeflow_job_meta.cli import run_
from lakeflow_job_meta.cli.live_tasks import LiveTasks
from lakeflow_job_meta.services import runs
from lakeflow_job_meta.services.run_states import ModuleRun
from lakeflow_job_meta.workspace.client import Workspace
from support.project_folder import ProjectFolder, Result, module

pytest_plugins = ["support.workspace_fixtures"]


@dataclass
class Deployed:
    project: ProjectFolder
    workspace: FakeWorkspace
    environment: dict[str, str]
    connection: Workspace

    def ljm(self, *arguments: str) -> Result:
        return self.project.inside(*arguments, **self.environment)

    def job(self, module_name: str) -> int:
        return self.workspace.jobs.by_name(module_name).job_id

    def runs(self, module_name: str, *states: States, **more: Any) -> None:
        """Starts a run of a module's job that goes through these states."""
        self.workspace.jobs.will_go(module_name, *states, **more)
        self.connection.client().jobs.run_now(self.job(module_name))

    def declares(self, *parameters: str) -> None:
        """Gives the job of `sales` parameters."""
        settings = [{"name": each, "default": "x"} for each in parameters]
        self.workspace.jobs.edit(self.job("sales"), parameters=settings or None)


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
    return Deployed(project, workspace, environment, connection)


def failed_run(deployed: Deployed) -> None:
    deployed.workspace.jobs.will_go(
        "sales",
        {"a": "FAILED", "b": "UPSTREAM_FAILED"},
        errors={"a": "Table not found"},
        after_repair=[[{"a": "SUCCESS"}]],
    )
    assert deployed.ljm("run", "sales", "-t", "dev", "--wait").exit_code == 1


def between_looks(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], None]) -> None:
    """Has something happen while `--wait` waits to look again."""
    monkeypatch.setattr(LiveTasks, "pause", lambda self, seconds: happens())


class TestRun:
    def test_a_run_is_started_and_its_id_and_url_are_told(self, deployed):
        result = deployed.ljm("run", "sales", "-t", "dev")

        (run,) = deployed.workspace.jobs.runs
        assert result.exit_code == 0
        assert run.job_id == deployed.job("sales")
        url = f"{deployed.workspace.url}/jobs/{run.job_id}/runs/{run.run_id}"
        assert result.stderr == f"sales: run {run.run_id} was started: {url}\n"

    def test_a_run_that_is_not_waited_for_is_not_read(self, deployed):
        deployed.workspace.faults.add(Fault("GET", "*/runs/get", FaultKind.FORBIDDEN))

        result = deployed.ljm("run", "sales", "-t", "dev", "--format", "json")

        run = json.loads(result.stdout)
        assert (result.exit_code, run["state"], run["failed"]) == (0, "STARTED", False)
        assert run["run_id"] == deployed.workspace.jobs.runs[0].run_id

    @pytest.mark.parametrize("kind", [FaultKind.FORBIDDEN, FaultKind.INTERNAL_ERROR, FaultKind.BAD_GATEWAY])
    def test_a_run_that_cannot_be_read_is_told_all_the_same_with_the_way_to_look_for_it(self, deployed, kind):
        deployed.workspace.faults.add(Fault("GET", "*/runs/get", kind, times=50, retry_after=0))

        result = deployed.ljm("run", "sales", "-t", "dev", "--wait")

        run_id = deployed.workspace.jobs.runs[0].run_id
        assert result.exit_code == 1
        assert f"sales: run {run_id} was started: http" in result.stderr
        assert f"The run {run_id} goes on unless it has ended: http" in result.stderr
        assert "`ljm runs sales -t dev` shows how." in result.stderr

    def test_parameters_that_the_job_declares_reach_the_run(self, deployed):
        deployed.declares("day", "note")
        deployed.ljm("run", "sales", "-t", "dev", "--param", "day=2026-01-31", "--param", "note=a=b")
        assert deployed.workspace.jobs.runs[0].request["job_parameters"] == {"day": "2026-01-31", "note": "a=b"}

    @pytest.mark.parametrize(
        ("declared", "sentence"),
        [
            (["day"], "declares no parameter 'dya'; did you mean 'day'?"),
            (["note"], "declares no parameter 'dya'; known: 'note'"),
            ([], "declares no parameter 'dya', nor any other. Declare it in `parameters` of the module, and deploy."),
        ],
    )
    def test_a_parameter_that_the_job_does_not_declare_starts_nothing(self, deployed, declared, sentence):
        deployed.declares(*declared)

        result = deployed.ljm("run", "sales", "-t", "dev", "--param", "dya=2026-01-31")

        assert (result.exit_code, deployed.workspace.jobs.runs) == (2, [])
        assert f"error: Nothing was started: the job of 'sales' {sentence}\n" in result.stderr

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

    def test_ctrl_c_while_it_is_started_says_that_it_may_have_been(self, deployed, monkeypatch):
        def interrupted(*arguments: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(run_, "start_run", interrupted)

        result = deployed.ljm("run", "sales", "-t", "dev")

        assert result.exit_code == 130
        job_id = deployed.job("sales")
        assert f"A run may have been started; see {deployed.workspace.url}/jobs/{job_id}\n" in result.stderr

    def test_a_run_that_somebody_deletes_meanwhile_is_told(self, deployed, monkeypatch):
        jobs = deployed.workspace.jobs
        between_looks(monkeypatch, lambda: jobs.forget_run(jobs.runs[0].run_id))

        result = deployed.ljm("run", "sales", "-t", "dev", "--wait")

        assert result.exit_code == 1
        assert "does not exist" in result.stderr

    def test_a_busy_workspace_is_asked_again_and_starts_one_run(self, deployed):
        deployed.workspace.faults.add(Fault("POST", "*/run-now", FaultKind.TOO_MANY_REQUESTS, retry_after=0))

        assert deployed.ljm("run", "sales", "-t", "dev").exit_code == 0
        assert deployed.workspace.jobs.writes["run-now"] == 1

    def test_a_busy_workspace_is_looked_at_again_while_it_is_waited_for(self, deployed):
        deployed.workspace.jobs.will_go("sales", {"a": "RUNNING"}, {"a": "SUCCESS"})
        for kind in (FaultKind.TOO_MANY_REQUESTS, FaultKind.UNAVAILABLE):
            deployed.workspace.faults.add(Fault("GET", "*/runs/get", kind, retry_after=0))

        assert deployed.ljm("run", "sales", "-t", "dev", "--wait").exit_code == 0

    def test_an_answer_that_was_lost_after_the_start_starts_one_run(self, deployed):
        deployed.workspace.faults.add(Fault("POST", "*/run-now", FaultKind.UNAVAILABLE_AFTER_WORK, retry_after=0))

        assert deployed.ljm("run", "sales", "-t", "dev").exit_code == 0
        assert deployed.workspace.jobs.writes["run-now"] == 1

    def test_a_start_without_an_answer_is_told_with_where_to_look(self, deployed):
        deployed.workspace.faults.add(Fault("POST", "*/run-now", FaultKind.INTERNAL_ERROR, times=50))

        result = deployed.ljm("run", "sales", "-t", "dev")

        assert result.exit_code == 1
        assert f"look there first: {deployed.workspace.url}/jobs/{deployed.job('sales')}\n" in result.stderr

    @pytest.mark.parametrize("command", ["run", "repair"])
    def test_a_job_that_somebody_deleted_is_told_with_the_way_out(self, deployed, command):
        job_id = deployed.job("sales")
        deployed.workspace.jobs.remove(job_id)

        result = deployed.ljm(command, "sales", "-t", "dev")

        assert result.exit_code == 1
        assert result.stderr == (
            f"error: The workspace no longer has the job {job_id} of 'sales'. `ljm deploy sales -t dev` creates it "
            "again.\n"
        )

    def test_an_unknown_module_is_told_the_closest_one(self, deployed):
        result = deployed.ljm("run", "sale", "-t", "dev")
        assert result.exit_code == 2
        assert "did you mean 'sales'?" in result.stderr

    @pytest.mark.parametrize(
        ("metadata", "sentence"),
        [
            (module("new"), "in the target 'dev' yet. Deploy it first: `ljm deploy new -t dev`."),
            (
                module("new").replace("order: 1", "order: 1\n        is_active: false"),
                "in the target 'dev', since nothing in it is active. Set `is_active: true` where it is meant, and "
                "deploy.",
            ),
            (
                module("new").replace("    sources:", "    targets: [prod]\n    sources:"),
                "in the target 'dev', since it is for 'prod' alone. Add 'dev' to `targets` of the module and deploy.",
            ),
            (
                module("new").replace("order: 1", "order: one"),
                "in the target 'dev' yet, and has errors. `ljm validate` lists them.",
            ),
        ],
        ids=["not deployed", "inactive", "of another target", "broken"],
    )
    def test_a_module_without_a_job_is_told_why_and_the_way_out(self, deployed, metadata, sentence):
        deployed.project.write("metadata/new.yml", metadata)

        result = deployed.ljm("run", "new", "-t", "dev")

        assert result.exit_code == 1
        assert result.stderr.endswith(f"error: The module 'new' has no job {sentence}\n")

    def test_a_module_that_became_inactive_runs_as_it_was_deployed(self, deployed):
        deployed.project.write("metadata/sales.yml", module().replace("order: 1", "order: 1\n        is_active: false"))
        assert deployed.ljm("run", "sales", "-t", "dev").exit_code == 0


BY_JOBS_API, FILE = ("--deployer", "jobs-api"), "DATABRICKS_CONFIG_FILE"


class TestTheWorkspace:
    HOST = "targets: {dev: {workspace: {host: https://other.example.com}}, prod: {}}"

    @pytest.mark.parametrize(
        "arguments",
        [
            *(("run", "sales"), ("repair", "sales"), ("runs",)),
            *(("unpause", "--all", *BY_JOBS_API), ("pull", *BY_JOBS_API), ("monitor", "--once", *BY_JOBS_API)),
        ],
        ids=lambda arguments: arguments[0],
    )
    def test_is_the_one_of_the_target_and_no_other_is_asked(self, deployed, arguments):
        bundle = deployed.project.read("databricks.yml").replace("targets: {dev: {}, prod: {}}", self.HOST)
        deployed.project.write("databricks.yml", bundle)
        deployed.workspace.requests.clear()

        result = deployed.ljm(*arguments, "-t", "dev")

        # A monitor tries again.
        assert result.exit_code == (1 if arguments[0] == "monitor" else 2)
        assert f"The login is one to {deployed.workspace.url}, but the bundle names https://other.exa" in result.stderr
        assert [each for each in deployed.workspace.requests if "/jobs/" in each.path] == []

    def test_is_not_another_than_that_of_a_profile_that_the_bundle_names(self, deployed, tmp_path):
        profiles = tmp_path / "profiles"
        profiles.write_text("[theirs]\nhost = https://other.example.com\n")
        named = "targets: {dev: {workspace: {profile: theirs}}, prod: {}}"
        bundle = deployed.project.read("databricks.yml").replace("targets: {dev: {}, prod: {}}", named)
        deployed.project.write("databricks.yml", bundle)
        arguments = ("unpause", "--all", "-t", "dev", *BY_JOBS_API)

        refused = deployed.project.inside(*arguments, **{**deployed.environment, FILE: str(profiles)})
        within_a_job = deployed.project.inside(*arguments, **{**deployed.environment, FILE: str(tmp_path / "none")})

        assert "but the bundle names https://other.example.com for this target" in refused.stderr
        assert within_a_job.exit_code == 0

    def test_is_that_of_the_profile_that_the_bundle_names(self, deployed, tmp_path):
        profiles = tmp_path / "profiles"
        profiles.write_text(f"[mine]\nhost = {deployed.workspace.url}\ntoken = {deployed.workspace.token}\n")
        named = "targets: {dev: {workspace: {profile: mine}}, prod: {}}"
        bundle = deployed.project.read("databricks.yml").replace("targets: {dev: {}, prod: {}}", named)
        deployed.project.write("databricks.yml", bundle)

        result = deployed.project.inside("run", "sales", "-t", "dev", DATABRICKS_CONFIG_FILE=str(profiles))

        assert (result.exit_code, len(deployed.workspace.jobs.runs)) == (0, 1)


class TestInterrupted:
    def test_ctrl_c_leaves_the_run_going_and_says_so_with_its_url(self, deployed):
        deployed.workspace.jobs.will_go("sales", {"a": "RUNNING"})
        process = subprocess.Popen(
            [sys.executable, "-m", "lakeflow_job_meta", "run", "sales", "-t", "dev", "--wait"],
            cwd=deployed.project.path,
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            env={**os.environ, **deployed.environment},
        )
        with process:
            assert process.stderr is not None
            told = [process.stderr.readline(), process.stderr.readline()]
            process.send_signal(signal.SIGINT)
            stdout, stderr = process.communicate(timeout=30)

        (run,) = deployed.workspace.jobs.runs
        url = f"{deployed.workspace.url}/jobs/{run.job_id}/runs/{run.run_id}"
        assert told == [f"sales: run {run.run_id} was started: {url}\n", "  a: RUNNING\n"]
        assert (process.returncode, stdout) == (130, "")
        assert stderr == f"The run {run.run_id} of sales goes on: {url}\n\nStopped.\n"
        assert not deployed.workspace.jobs.writes.keys() & {"cancel", "delete"}


class TestRepair:
    def test_only_the_failed_tasks_run_again(self, deployed):
        failed_run(deployed)

        result = deployed.ljm("repair", "sales", "-t", "dev", "--wait")

        (course,) = deployed.workspace.jobs.courses.values()
        assert (result.exit_code, result.stderr.count("a: SUCCESS")) == (0, 1)
        assert [request["rerun_all_failed_tasks"] for request in course.repairs] == [True]
        assert deployed.workspace.jobs.writes["run-now"] == 1

    @pytest.mark.parametrize("late_looks", [1, 3])
    def test_waiting_is_for_the_repair_and_not_for_how_the_run_ended_before(self, deployed, late_looks):
        course = deployed.workspace.jobs.will_go(
            "sales", {"a": "FAILED"}, after_repair=[[{"a": "RUNNING"}, {"a": "SUCCESS"}]], late_looks=late_looks
        )
        deployed.ljm("run", "sales", "-t", "dev")

        result = deployed.ljm("repair", "sales", "-t", "dev", "--wait")

        (run,) = deployed.workspace.jobs.runs
        assert (result.exit_code, result.stdout) == (0, "sales: SUCCESS after 1:05.\n")
        assert result.stderr.startswith(f"sales: the failed tasks of run {run.run_id} run again: http")
        assert result.stderr.splitlines()[1:] == ["  a: RUNNING", "  a: SUCCESS"]
        assert len(course.repairs) == 1

    def test_a_repair_that_is_not_waited_for_is_told_as_begun(self, deployed):
        failed_run(deployed)

        result = deployed.ljm("repair", "sales", "-t", "dev", "--format", "json")

        assert (result.exit_code, json.loads(result.stdout)["state"]) == (0, "STARTED")

    def test_an_answer_that_was_lost_after_the_repair_is_no_failure(self, deployed):
        failed_run(deployed)
        deployed.workspace.faults.add(Fault("POST", "*/repair", FaultKind.UNAVAILABLE_AFTER_WORK, retry_after=0))

        assert deployed.ljm("repair", "sales", "-t", "dev", "--wait").exit_code == 0
        assert deployed.workspace.jobs.writes["repair"] == 1

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

    def test_a_failure_without_an_output_is_told_by_its_state(self, deployed):
        deployed.workspace.jobs.will_go("sales", {"a": "FAILED"})
        deployed.ljm("run", "sales", "-t", "dev")

        assert "  Task a: It ended: FAILED.\n" in deployed.ljm("runs", "sales", "-t", "dev").stdout

    def test_a_failed_run_that_somebody_deletes_meanwhile_is_shown_as_the_list_had_it(self, deployed, monkeypatch):
        failed_run(deployed)
        read = runs.read_run

        def read_too_late(*arguments: Any) -> ModuleRun:
            deployed.workspace.jobs.forget_run(deployed.workspace.jobs.runs[0].run_id)
            return read(*arguments)

        monkeypatch.setattr(runs, "read_run", read_too_late)

        assert "FAILED" in deployed.ljm("runs", "-t", "dev").stdout

    def test_secrets_and_control_characters_of_a_failure_are_not_shown(self, deployed):
        token = "dapi" + "0123456789abcdef" * 2
        deployed.workspace.jobs.will_go("sales", {"a": "FAILED"}, errors={"a": f"\x1b[2Jbad login\ntoken={token}"})
        deployed.ljm("run", "sales", "-t", "dev")

        shown = deployed.ljm("runs", "sales", "-t", "dev").stdout

        assert "bad login" in shown
        assert token not in shown
        assert "\x1b" not in shown

    def test_the_newest_run_counts(self, deployed):
        failed_run(deployed)
        deployed.workspace.jobs.will_go("sales", {"a": "SUCCESS"})
        deployed.ljm("run", "sales", "-t", "dev")

        assert deployed.ljm("runs", "sales", "-t", "dev").exit_code == 0

    def test_a_job_that_somebody_deleted_is_told_with_the_way_out_and_the_others_are_shown(self, deployed):
        job_id = deployed.job("sales")
        deployed.workspace.jobs.remove(job_id)

        result = deployed.ljm("runs", "-t", "dev")

        assert result.exit_code == 1
        assert "NO JOB" in result.stdout
        assert (
            f"The workspace no longer has the job {job_id} of 'sales'. `ljm deploy sales -t dev` creates it again."
            in result.stdout
        )
        assert "stock" in result.stdout

    def test_a_target_without_jobs_says_how_to_get_some(self, deployed):
        result = deployed.ljm("runs", "-t", "prod")
        assert (result.exit_code, result.stdout) == (
            0,
            "No job is deployed in the target 'prod' yet. `ljm deploy -t prod` deploys.\n",
        )


class TestManyRuns:
    @pytest.fixture
    def many(self, deployed: Deployed) -> Deployed:
        """A hundred more modules, each with a run that went well; `sales` and `stock` have not run."""
        for number in range(100):
            deployed.project.write(f"metadata/m{number:03}.yml", module(f"m{number:03}"))
        deploy(load_project(deployed.project.path), "dev", backend="jobs-api", workspace=deployed.connection)
        for number in range(100):
            deployed.runs(f"m{number:03}", {"a": "SUCCESS"})
        deployed.workspace.requests.clear()
        return deployed

    def test_are_listed_page_by_page_and_only_what_the_list_lacks_is_asked_for(self, many):
        result = many.ljm("runs", "-t", "dev")

        asked = (request.path for request in many.workspace.requests if "/api/" in request.path)
        paths = Counter(re.sub(r"^/api/2\.\d", "", path) for path in asked)
        assert result.exit_code == 0
        assert result.stdout.endswith("102 modules: 0 failed.\n")
        assert result.stdout.count("NEVER RUN") == 2
        # Two pages of jobs; five of runs, of 24 each; and one request for each that has not run.
        assert paths == {"/jobs/list": 2, "/jobs/runs/list": 5 + 2}

    def test_failed_ones_take_two_requests_more(self, many):
        many.runs("m007", {"a": "FAILED"}, errors={"a": "Table not found"})

        result = many.ljm("runs", "-t", "dev", "--failed")

        assert result.exit_code == 1
        assert "Task a: Table not found" in result.stdout
        paths = [request.path for request in many.workspace.requests]
        assert sum(path.endswith(("/runs/get", "/runs/get-output")) for path in paths) == 2

    def test_a_deleted_job_is_told_although_its_runs_are_listed(self, many):
        many.workspace.jobs.remove(many.job("m007"))

        assert "NO JOB" in many.ljm("runs", "-t", "dev").stdout

    def test_of_a_workspace_that_runs_other_jobs_only_some_pages_are_listed(self, many):
        for _ in range(400):
            many.runs("stock", {"a": "SUCCESS"})
        names = [f"m{number:03}" for number in range(20)]

        result = many.ljm("runs", *names, "-t", "dev")

        assert result.exit_code == 0
        assert result.stdout.endswith("20 modules: 0 failed.\n")
        pages = [r for r in many.workspace.requests if r.path.endswith("/runs/list") and "job_id" not in r.query]
        assert len(pages) == 11


class TestVersion:
    @pytest.fixture
    def of_table(self, project, workspace, connection, environment, monkeypatch) -> Deployed:
        """The module `sales` of a control table, deployed to dev."""
        rows = project.write("rows.yml", module("sales"))
        table = MetadataManager(project.path / "data" / "control")
        table.ensure_exists()
        table.load_yaml(str(rows))
        project.write("job_meta.yml", "metadata: [{delta: data/control}]\n")
        deploy(load_project(project.path), "dev", backend="jobs-api", workspace=connection)
        return Deployed(project, workspace, environment, connection)

    def test_of_the_metadata_that_the_job_was_deployed_from_is_shown(self, of_table):
        of_table.runs("sales", {"a": "SUCCESS"})

        (run,) = json.loads(of_table.ljm("runs", "-t", "dev", "--format", "json").stdout)

        assert run["metadata_version"].startswith("data/control@")
        assert run["metadata_version"] in of_table.ljm("runs", "-t", "dev").stdout

    def test_is_not_claimed_for_a_run_that_began_before_the_job_was_changed(self, of_table):
        of_table.runs("sales", {"a": "SUCCESS"})
        of_table.workspace.jobs.courses_of_jobs["sales"].started = 1_000_000_000_000

        (run,) = json.loads(of_table.ljm("runs", "-t", "dev", "--format", "json").stdout)

        assert run["metadata_version"] is None
