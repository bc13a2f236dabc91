"""A monitor that is killed at any step is mended by its next start; one that is asked to stop does so at once.

Real processes on a real Delta table; the jobs come through a stand-in for the databricks CLI, or through the Jobs API.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from fakes.workspace import FakeWorkspace, Fault, FaultKind
from lakeflow_job_meta.config.load import load_project
from lakeflow_job_meta.output.writer import plan_changes
from lakeflow_job_meta.state.history import HistoryEntry
from lakeflow_job_meta.state.lock import deployment_lock
from support.monitor_process import (
    Estate,
    Interruption,
    Monitoring,
    flat,
    jobs_that_follow,
    module_job,
    module_rows,
    settle,
    wait_for,
)
from support.project_folder import BUNDLE
from support.tables import row

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="processes are looked at by /proc")

LOCK = "/dev/state/deploy.lock"


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[FakeWorkspace]:
    with FakeWorkspace(tmp_path / "workspace") as running:
        yield running


@pytest.fixture
def by_cli(tmp_path: Path, workspace: FakeWorkspace) -> Iterator[Estate]:
    """Two modules that were never deployed, and the databricks CLI."""
    estate = Estate(tmp_path, workspace, "cli")
    estate.says(*flat([module_rows("one", "/Workspace/a"), module_rows("two", "/Workspace/a", "/Workspace/b")]))
    yield estate
    estate.discard()


FIRST_JOBS = [module_job("one", "/Workspace/a"), module_job("two", "/Workspace/a", "/Workspace/b")]


@pytest.fixture
def changed(tmp_path: Path, workspace: FakeWorkspace) -> Iterator[Estate]:
    """Jobs that came through the Jobs API, and then a change of each kind: new, edited, broken, deleted, none."""
    estate = Estate(tmp_path, workspace, "jobs-api")
    estate.says(*flat(module_rows(name, "/Workspace/a") for name in ("deleted", "broken", "edited", "same")))
    assert estate.once().exit_code == 0
    estate.forget()
    estate.says(
        row("s1", "broken", transformation_config='{"notebook_path": '),
        *flat(
            [module_rows("edited", "/Workspace/b", "/Workspace/c"), module_rows("same", "/Workspace/a")],
        ),
        *module_rows("new", "/Workspace/a"),
    )
    yield estate
    estate.discard()


CHANGED_JOBS = [
    module_job("broken", "/Workspace/a"),
    module_job("deleted", "/Workspace/a"),
    module_job("edited", "/Workspace/b", "/Workspace/c"),
    module_job("new", "/Workspace/a"),
    module_job("same", "/Workspace/a"),
]


def assert_files_are_whole(estate: Estate) -> None:
    for text in estate.project.generated().values():
        (settings,) = yaml.safe_load(text)["resources"]["jobs"].values()
        assert settings["tasks"]


def told(estate: Estate) -> list[HistoryEntry]:
    """Returns the history as it stays, oldest first: only the newest entry remembers."""
    return [entry.without_memory() for entry in estate.history()]


def assert_settled(estate: Estate, writes: dict[str, int]) -> None:
    """The jobs were written as often as was needed; everything agrees; another look does nothing."""
    assert dict(estate.changes) == writes
    # A target in development puts `[dev someone] ` before the name.
    assert estate.recorded_jobs() == {job.name.split("] ")[-1]: job.job_id for job in estate.workspace.jobs.all()}
    assert estate.processes() == []
    if estate.deployer == "cli":
        compilation = estate.project.compile()
        assert plan_changes(load_project(estate.project.path), compilation).changes == ()
        leftovers = [path for path in estate.project.path.glob("resources/**/*") if path.name.startswith(".")]
        assert leftovers == []
        assert [path for path in estate.workspace.tree.paths() if path.endswith(LOCK)] == []
    entries = estate.history()
    assert [entry.started for entry in entries] == sorted({entry.started for entry in entries})
    assert {entry.run_id: 1 for entry in entries} == dict.fromkeys((entry.run_id for entry in entries), 1)
    estate.forget()

    third = estate.once()

    assert dict(estate.changes) == {}
    assert "deployed:" not in third.stderr
    assert told(estate)[: len(entries)] == [entry.without_memory() for entry in entries]
    if not entries[-1].state.refused:
        assert (estate.workspace.requests, len(estate.history())) == ([], len(entries))


def journals_of(estate: Estate) -> list[str]:
    """Returns what the CLI has noted of deployments that have not ended; before that it does not know its jobs."""
    return [path.read_text() for path in estate.project.path.rglob("resources.json.wal") if path.exists()]


CLI_STEPS = {
    "after compiling": Interruption("lakeflow_job_meta.monitor.reconcile:compile_project", after=True),
    "with one file written beside its place": Interruption(
        "lakeflow_job_meta.output.writer:_write_temporary", after=True
    ),
    "with one file of two in its place": Interruption("os:replace", call=2, given=".ljm-"),
    "with all files written": Interruption("lakeflow_job_meta.deployment.file_swap:apply_changes", after=True),
    "after the validation": Interruption(
        "lakeflow_job_meta.deployment.databricks_cli.deployer:CliDeployer._fresh_plan"
    ),
    "while the CLI plans": Interruption(
        "lakeflow_job_meta.deployment.databricks_cli.client:DatabricksCli._wait", given="plan"
    ),
    "after the plan": Interruption("lakeflow_job_meta.deployment.pipeline:_gated_plan", after=True),
    "with the plan written": Interruption(
        "lakeflow_job_meta.deployment.databricks_cli.deployer:CliDeployer._written_plan", after=True
    ),
    "after the deployment": Interruption("lakeflow_job_meta.deployment.pipeline:_deploy", after=True),
    "after the record of jobs": Interruption("lakeflow_job_meta.deployment.pipeline:record_jobs", after=True),
}


class TestKilledInTheFirstDeployment:
    @pytest.mark.parametrize("at", CLI_STEPS.values(), ids=CLI_STEPS)
    def test_a_monitor_killed_in_the_first_deployment_leaves_whole_files_and_the_next_start_creates_each_job_once(
        self, by_cli, at
    ):
        by_cli.kill(at)
        assert_files_are_whole(by_cli)

        result = by_cli.once()

        assert result.exit_code == 0, result.stderr
        assert by_cli.jobs() == FIRST_JOBS
        assert_settled(by_cli, {"create": 2})

    def test_a_monitor_killed_while_the_cli_deploys_the_next_start_waits_for_the_cli_and_creates_no_job_twice(
        self, by_cli
    ):
        at = Interruption("lakeflow_job_meta.deployment.databricks_cli.client:DatabricksCli._wait", given="'deploy'")
        by_cli.kill(at, LJM_FAKE_CLI_SLOW="0.15")
        assert by_cli.processes() != []

        result = by_cli.once()

        assert result.exit_code == 0, result.stderr
        assert "waiting: Waiting for the deployment of process" in result.stderr
        assert by_cli.jobs() == FIRST_JOBS
        assert_settled(by_cli, {"create": 2})


API_STEPS = {
    "after looking": Interruption("lakeflow_job_meta.monitor.watcher:SourceWatcher.versions", after=True),
    "with the lock taken": Interruption("lakeflow_job_meta.monitor.monitor:reconcile"),
    "after compiling": Interruption("lakeflow_job_meta.monitor.reconcile:compile_project", after=True),
    "after the plan": Interruption("lakeflow_job_meta.deployment.pipeline:_gated_plan", after=True),
    "with the lease taken": Interruption(
        "lakeflow_job_meta.deployment.jobs_api.client:JobsClient.create_file", after=True
    ),
    "with the first job written": Interruption(
        "lakeflow_job_meta.deployment.jobs_api.client:JobsClient._post", after=True, given="/jobs/"
    ),
    "before the second job is written": Interruption(
        "lakeflow_job_meta.deployment.jobs_api.client:JobsClient._post", call=2, given="/jobs/"
    ),
    "before the lease ends": Interruption("lakeflow_job_meta.deployment.jobs_api.lease:Lease.end"),
    "after the deployment": Interruption("lakeflow_job_meta.deployment.pipeline:_deploy", after=True),
    "while the jobs are recorded": Interruption(
        "lakeflow_job_meta.tables.delta:_OpenDeltaTable.merge", given="bundle_key", until_file="control_jobs"
    ),
    "while the history is written": Interruption(
        "lakeflow_job_meta.tables.delta:_OpenDeltaTable.merge", given="run_id", until_file="control_history"
    ),
    "after the record of jobs": Interruption("lakeflow_job_meta.deployment.pipeline:record_jobs", after=True),
    "before the history": Interruption("lakeflow_job_meta.tables.delta:_OpenDeltaTable.merge", given="run_id"),
    "after the history": Interruption("lakeflow_job_meta.state.history:History.add", after=True),
    "before the heartbeat": Interruption("pathlib:Path.replace", given="monitor.json-"),
}


class TestKilledAmidAChange:
    @pytest.mark.parametrize("at", API_STEPS.values(), ids=API_STEPS)
    def test_a_change_amid_which_a_monitor_is_killed_is_finished_by_the_next_start(self, changed, at):
        before = told(changed)
        changed.kill(at)
        assert told(changed)[: len(before)] == before

        changed.once()

        assert changed.jobs() == CHANGED_JOBS
        assert told(changed)[: len(before)] == before
        assert changed.history()[-1].state.broken == ("broken",)
        assert_settled(changed, {"create": 1, "reset": 1})


STOPS = {"Ctrl-C": signal.SIGINT, "SIGTERM": signal.SIGTERM}
STOPPED_IN_SECONDS = 10


def assert_stops_well(estate: Estate, monitoring: Monitoring, how: signal.Signals) -> None:
    """Whoever starts monitors waits ten seconds, as a rule, and then kills."""
    monitoring.stop(how)

    result = monitoring.end(STOPPED_IN_SECONDS)

    assert (result.exit_code, result.stdout) == (0, ""), result.stderr
    assert "stopped: Stopped on request." in result.stderr
    assert estate.processes() == []


class TestAskedToStop:
    @pytest.mark.parametrize(
        ("place", "how"),
        [
            ("lakeflow_job_meta.monitor.watcher:SourceWatcher.versions", "Ctrl-C"),
            ("lakeflow_job_meta.monitor.reconcile:compile_project", "SIGTERM"),
            ("lakeflow_job_meta.deployment.jobs_api.apply:PlanExecution.run", "SIGTERM"),
        ],
        ids=["looking", "compiling", "about to write jobs"],
    )
    def test_a_monitor_stopped_while_it_works_ends_at_once_and_the_next_start_finishes(
        self, changed, tmp_path, place, how
    ):
        reached = tmp_path / "reached"
        monitoring = changed.start(at=Interruption(place, stays_at=str(reached)))
        wait_for(reached.exists, place)

        assert_stops_well(changed, monitoring, STOPS[how])

        changed.once()
        assert changed.jobs() == CHANGED_JOBS
        assert_settled(changed, {"create": 1, "reset": 1})

    @pytest.mark.parametrize("how", STOPS)
    def test_between_two_looks_it_ends_at_once_and_leaves_nothing_to_do(self, changed, how):
        monitoring = changed.start("--check-interval-seconds", "600")
        wait_for(lambda: len(changed.history()) == 2, "the work")
        wait_for((changed.project.path / ".lakeflow-job-meta/dev/monitor.json").exists, "the heartbeat")

        assert_stops_well(changed, monitoring, STOPS[how])

        assert changed.jobs() == CHANGED_JOBS
        assert_settled(changed, {"create": 1, "reset": 1})

    @pytest.mark.parametrize("how", STOPS)
    def test_a_monitor_stopped_while_the_cli_hangs_ends_the_cli_too(self, by_cli, how):
        monitoring = by_cli.start(LJM_FAKE_CLI_HANG="plan")
        wait_for(lambda: by_cli.cli_runs("plan"), "the CLI to plan")

        assert_stops_well(by_cli, monitoring, STOPS[how])

        by_cli.once()
        assert by_cli.jobs() == FIRST_JOBS
        assert_settled(by_cli, {"create": 2})

    def test_a_monitor_stopped_while_the_cli_deploys_leaves_no_job_that_the_next_start_creates_twice(self, by_cli):
        by_cli.project.write("databricks.yml", BUNDLE.replace("dev: {}", "dev: {mode: development}"))
        monitoring = by_cli.start(LJM_FAKE_CLI_SLOW="0.3")
        wait_for(
            lambda: any('"__id__"' in text for text in journals_of(by_cli)), "the first job in the CLI's own state"
        )

        assert_stops_well(by_cli, monitoring, signal.SIGTERM)

        by_cli.once()
        assert [tasks for _, tasks in by_cli.jobs()] == [tasks for _, tasks in FIRST_JOBS]
        assert_settled(by_cli, {"create": 2})

    @pytest.mark.parametrize("how", STOPS)
    def test_a_monitor_stopped_while_it_loads_a_library_has_its_own_exit_code(self, how):
        # Generated code, as dataclasses have it, is where Python would end by the signal after all.
        program = (
            "from lakeflow_job_meta.cli.run import end_like_ctrl_c\n"
            "end_like_ctrl_c()\n"
            f"try: exec('import signal; signal.raise_signal({int(STOPS[how])})')\n"
            "except KeyboardInterrupt: print('stopped')"
        )

        done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, timeout=60, check=False)

        assert (done.returncode, done.stdout) == (0, b"stopped\n")

    def test_a_monitor_stopped_while_another_one_deploys_does_not_wait_for_that(self, changed):
        with deployment_lock(changed.project.path / ".lakeflow-job-meta" / "dev"):
            monitoring = changed.start()
            wait_for(lambda: str(changed.project.path / ".lakeflow-job-meta/dev/lock") in monitoring.open_files(), "it")

            assert_stops_well(changed, monitoring, signal.SIGTERM)

        assert changed.changes == {}


class TestALockThatAStoppedCliLeavesInTheWorkspace:
    def test_a_lock_left_in_the_workspace_is_taken_over_by_the_next_start(self, by_cli):
        uploads = "/api/2.0/workspace-files/import-file/*/files/*"
        by_cli.workspace.faults.add(Fault("POST", uploads, FaultKind.SLOW, times=100, seconds=60))
        monitoring = by_cli.start("--stop-timeout", "1")
        wait_for(lambda: by_cli.workspace.calls("POST", uploads), "the CLI to hold its lock")
        assert_stops_well(by_cli, monitoring, signal.SIGTERM)
        by_cli.workspace.faults.clear()

        healed = by_cli.once()

        assert healed.exit_code == 0
        assert "notice: The deployment lock of " in healed.stderr
        assert by_cli.jobs() == FIRST_JOBS
        assert_settled(by_cli, {"create": 2})


class TestAWorkspaceThatDoesNotAnswer:
    def hang(self, workspace: FakeWorkspace, path: str) -> None:
        workspace.faults.add(Fault("GET", path, FaultKind.SLOW, times=100, seconds=60))

    @pytest.mark.parametrize("path", ["/api/2.2/jobs/list", "/api/2.2/jobs/get"])
    def test_a_workspace_that_does_not_answer_does_not_keep_a_monitor_from_stopping(self, changed, path):
        self.hang(changed.workspace, path)
        monitoring = changed.start()
        wait_for(lambda: changed.workspace.calls("GET", path), "the question")

        assert_stops_well(changed, monitoring, signal.SIGTERM)

        changed.workspace.faults.clear()
        changed.once()
        assert changed.jobs() == CHANGED_JOBS
        assert_settled(changed, {"create": 1, "reset": 1})

    def test_a_workspace_that_does_not_answer_does_not_keep_a_monitor_with_the_cli_from_stopping(self, by_cli):
        self.hang(by_cli.workspace, "*")
        monitoring = by_cli.start()
        wait_for(lambda: by_cli.workspace.requests, "the first question")

        assert_stops_well(by_cli, monitoring, signal.SIGINT)

    def test_a_workspace_that_cannot_be_reached_does_not_keep_a_monitor_from_stopping(self, changed):
        monitoring = changed.start(DATABRICKS_HOST="http://127.0.0.1:9")
        lock = changed.project.path / ".lakeflow-job-meta/dev/lock"
        wait_for(lambda: f"process {monitoring.pid} " in lock.read_text(), "the work")
        time.sleep(2)

        assert_stops_well(changed, monitoring, signal.SIGTERM)


class TestEditedWhileItLooks:
    def test_the_jobs_follow_a_table_that_somebody_edits_all_the_time_and_none_is_doubled_or_deleted(
        self, changed, tmp_path
    ):
        loop = changed.loop(tmp_path / "ticks", interval_seconds=0.05)
        edits = changed.edit_at_random(seed=1, seconds=12)
        while len(changed.history()) <= 10 and edits < 2_000:  # a busy machine looks less often
            edits += changed.edit_at_random(seed=edits, seconds=4)

        settle(changed)
        loop.stop(signal.SIGTERM)
        loop.end()

        ticks = [json.loads(line) for line in (tmp_path / "ticks").read_text().splitlines()]
        print(f"{edits} edits, {len(ticks)} looks, {len(changed.history())} entries in the history")
        assert len(changed.history()) > 10
        assert [tick["failure"] for tick in ticks if tick["failure"]] == []
        assert changed.changes["delete"] == 0
        assert changed.jobs() == jobs_that_follow(changed)
        assert changed.recorded_jobs() == {job.name: job.job_id for job in changed.workspace.jobs.all()}
