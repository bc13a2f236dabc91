"""A monitor that is killed at any step is mended by its next start; one that is asked to stop does so at once.

Real processes on a real Delta table; the jobs come through a stand-in for the databricks CLI, or through the Jobs API.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from lakeflow_job_meta.monitor.history import Entry
from lakeflow_job_meta.output.files import plan_changes
from lakeflow_job_meta.project import load_project
from monitor_process import (
    Estate,
    Interruption,
    flat,
    module_job,
    module_rows,
)
from tables import row
from workspace import FakeWorkspace

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


def told(estate: Estate) -> list[Entry]:
    """Returns the history as it stays, oldest first: only the newest entry remembers."""
    return [entry.without_memory() for entry in estate.history()]


def assert_settled(estate: Estate, writes: dict[str, int]) -> None:
    """The jobs were written as often as was needed; everything agrees; another look does nothing."""
    assert dict(estate.changes) == writes
    assert estate.recorded_jobs() == {job.name: job.job_id for job in estate.workspace.jobs.all()}
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


CLI_STEPS = {
    "after looking": Interruption("lakeflow_job_meta.monitor.detection:Watch.look", after=True),
    "with the lock taken": Interruption("lakeflow_job_meta.monitor.monitor:work"),
    "after compiling": Interruption("lakeflow_job_meta.monitor.work:compile_project", after=True),
    "with one file written beside its place": Interruption("lakeflow_job_meta.output.files:_prepare", after=True),
    "with one file of two in its place": Interruption("pathlib:Path.replace", call=2, given=".ljm-"),
    "with all files written": Interruption("lakeflow_job_meta.deployment.rollout:apply_changes", after=True),
    "after the validation": Interruption("lakeflow_job_meta.deployment.cli_deployer:CliDeployer._fresh_plan"),
    "while the CLI plans": Interruption(
        "lakeflow_job_meta.deployment.databricks_cli:DatabricksCli._wait", given="plan"
    ),
    "after the plan": Interruption("lakeflow_job_meta.deployment.deploy:_gated_plan", after=True),
    "with the plan written": Interruption(
        "lakeflow_job_meta.deployment.cli_deployer:CliDeployer._written_plan", after=True
    ),
    "after the deployment": Interruption("lakeflow_job_meta.deployment.rollout:deploy", after=True),
    "after the record of jobs": Interruption("lakeflow_job_meta.deployment.rollout:record_jobs", after=True),
}


class TestKilledInTheFirstDeployment:
    @pytest.mark.parametrize("at", CLI_STEPS.values(), ids=CLI_STEPS)
    def test_leaves_whole_files_and_the_next_start_makes_each_job_once(self, by_cli, at):
        by_cli.kill(at)
        assert_files_are_whole(by_cli)

        result = by_cli.once()

        assert result.exit_code == 0, result.stderr
        assert by_cli.jobs() == FIRST_JOBS
        assert_settled(by_cli, {"create": 2})

    def test_while_the_cli_deploys_the_next_start_waits_for_the_cli_and_makes_no_job_twice(self, by_cli):
        at = Interruption("lakeflow_job_meta.deployment.databricks_cli:DatabricksCli._wait", given="'deploy'")
        by_cli.kill(at, LJM_FAKE_CLI_SLOW="0.15")
        assert by_cli.processes() != []

        result = by_cli.once()

        assert result.exit_code == 0, result.stderr
        assert "waiting: Waiting for the deployment of process" in result.stderr
        assert by_cli.jobs() == FIRST_JOBS
        assert_settled(by_cli, {"create": 2})


API_STEPS = {
    "after looking": Interruption("lakeflow_job_meta.monitor.detection:Watch.look", after=True),
    "with the lock taken": Interruption("lakeflow_job_meta.monitor.monitor:work"),
    "after compiling": Interruption("lakeflow_job_meta.monitor.work:compile_project", after=True),
    "after the plan": Interruption("lakeflow_job_meta.deployment.deploy:_gated_plan", after=True),
    "with the first job written": Interruption(
        "lakeflow_job_meta.deployment.jobs_service:JobsService._post", after=True
    ),
    "before the second job is written": Interruption(
        "lakeflow_job_meta.deployment.jobs_service:JobsService._post", call=2
    ),
    "after the deployment": Interruption("lakeflow_job_meta.deployment.rollout:deploy", after=True),
    "while the jobs are recorded": Interruption(
        "lakeflow_job_meta.tables.delta_records:_merge", given="bundle_key", until_file="control_jobs"
    ),
    "while the history is written": Interruption(
        "lakeflow_job_meta.tables.delta_records:_merge", given="run_id", until_file="control_history"
    ),
    "after the record of jobs": Interruption("lakeflow_job_meta.deployment.rollout:record_jobs", after=True),
    "before the history": Interruption("lakeflow_job_meta.tables.delta_records:_merge", given="run_id"),
    "after the history": Interruption("lakeflow_job_meta.monitor.history:History.add", after=True),
    "before the sign of life": Interruption("pathlib:Path.replace", given="monitor.tmp"),
}


class TestKilledAmidAChange:
    @pytest.mark.parametrize("at", API_STEPS.values(), ids=API_STEPS)
    def test_the_next_start_finishes_it_and_nothing_is_lost_doubled_or_deleted(self, changed, at):
        before = told(changed)
        changed.kill(at)
        assert told(changed)[: len(before)] == before

        changed.once()

        assert changed.jobs() == CHANGED_JOBS
        assert told(changed)[: len(before)] == before
        assert changed.history()[-1].state.broken == ("broken",)
        assert_settled(changed, {"create": 1, "reset": 1})
