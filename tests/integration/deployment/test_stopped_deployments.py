"""A deployment that is stopped finishes what is in flight, and what it leaves behind is mended by the next one."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fakes.workspace import Fault, FaultKind
from support.deployments import COMMANDS, SECONDS, World, new_world
from support.slow import few

CREATE = "/api/2.2/jobs/create"
SENT = few([pytest.param(signal.SIGTERM, id="SIGTERM")], [pytest.param(signal.SIGINT, id="Ctrl-C")])
DEPLOY = ("deploy", "-t", "dev")
MONITOR = ("monitor", "-t", "dev", "--deployer", "cli")
NO_PROXY = {"HTTP_PROXY": "", "HTTPS_PROXY": ""}


@pytest.fixture(params=COMMANDS)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """The module `one`, never deployed."""
    with new_world(request.param, tmp_path) as found:
        found.module("one")
        yield found


def slow(world: World, path: str, seconds: float) -> None:
    world.workspace.faults.add(Fault("POST", path, FaultKind.SLOW, times=100, seconds=seconds))


def wait_for(is_so: Callable[[], object]) -> None:
    end = time.monotonic() + SECONDS
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)


def ended(process: subprocess.Popen[str]) -> str:
    return process.communicate(timeout=SECONDS)[1]


def locks(world: World) -> list[str]:
    return [path for path in world.workspace.tree.paths() if path.endswith("deploy.lock")]


def interrupt_with_lock(world: World, *arguments: str) -> str:
    """Stops a deployment that holds its lock, and that gets no time to finish; returns what it said."""
    slow(world, "*/files/*", 60)
    process = world.start(*arguments, "--stop-timeout", "0")
    wait_for(lambda: (world.project.path / ".lakeflow-job-meta/dev/lock_taken.json").exists())
    process.send_signal(signal.SIGTERM)
    said = ended(process)
    world.workspace.faults.clear()
    assert len(locks(world)) == 1
    return said


class TestStoppedWhileTheAnswerToACreationIsOnItsWay:
    @pytest.mark.parametrize(
        "arguments", few([pytest.param(DEPLOY, id="deploy")], [pytest.param(MONITOR, id="monitor")])
    )
    @pytest.mark.parametrize("sent", SENT)
    def test_the_cli_learns_the_id_and_releases_its_lock_and_the_next_deployment_creates_nothing(
        self, world: World, sent: signal.Signals, arguments: tuple[str, ...]
    ):
        slow(world, CREATE, 1.5)
        process = world.start(*arguments)
        wait_for(world.workspace.jobs.names)

        process.send_signal(sent)
        said = ended(process)

        assert process.returncode == (130 if arguments is DEPLOY else 0), said
        assert locks(world) == []
        world.workspace.faults.clear()
        world.deploy_well()
        assert world.changes == {"create": 1}

    @pytest.mark.slow
    def test_it_is_interrupted_after_the_time_that_it_has(self, world: World):
        slow(world, CREATE, 30)
        process = world.start(*DEPLOY, "--stop-timeout", "1")
        wait_for(world.workspace.jobs.names)

        process.send_signal(signal.SIGTERM)
        begin = time.monotonic()
        said = ended(process)

        assert 0.9 < time.monotonic() - begin < 15
        assert "the databricks CLI has 1 seconds to finish what it has begun" in said

    @pytest.mark.slow
    def test_asked_to_stop_once_more_it_is_interrupted_at_once(self, world: World):
        slow(world, CREATE, 60)
        process = world.start(*DEPLOY)
        wait_for(world.workspace.jobs.names)
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert process.poll() is None

        process.send_signal(signal.SIGINT)
        begin = time.monotonic()
        ended(process)

        assert process.returncode == 130
        assert time.monotonic() - begin < 10


class TestALockThatIsLeftInTheWorkspace:
    @pytest.mark.slow
    def test_our_own_is_taken_over_once_and_that_is_told(self, world: World):
        interrupt_with_lock(world, *DEPLOY)

        result = world.deploy_well()

        assert "was left in the workspace by a deployment from here that was ended in the middle" in result.stderr
        assert (world.changes, locks(world)) == ({"create": 1}, [])

    @pytest.mark.slow
    def test_the_monitor_takes_over_its_own_and_reports_it(self, world: World):
        interrupt_with_lock(world, *MONITOR)

        result = world.ljm(*MONITOR, "--once")

        assert result.exit_code == 0, result.stderr
        assert "notice: The deployment lock of " in result.stderr
        assert (world.changes, locks(world)) == ({"create": 1}, [])

    @pytest.mark.parametrize(
        "changed",
        [
            {"User": "other@example.com"},
            {"AcquisitionTime": "2026-01-01T00:00:00Z"},
            {"AcquisitionTime": "2199-01-01T00:00:00Z"},
        ],
        ids=["of another user", "of an earlier moment", "of a later moment"],
    )
    @pytest.mark.slow
    def test_one_that_is_not_surely_ours_is_left(self, world: World, changed: dict[str, str]):
        interrupt_with_lock(world, *DEPLOY)
        (path,) = locks(world)
        content = {**json.loads(world.workspace.tree.read(path)), **changed}
        world.workspace.tree.write(path, json.dumps(content).encode())

        result = world.deploy()

        assert result.exit_code == 1
        assert "--force-lock" in result.stderr
        assert (world.changes, locks(world)) == ({}, [path])

    @pytest.mark.slow
    def test_one_of_another_machine_is_left(self, world: World):
        interrupt_with_lock(world, *DEPLOY)
        record = ".lakeflow-job-meta/dev/lock_taken.json"
        world.project.write(record, json.dumps({**json.loads(world.project.read(record)), "host": "elsewhere"}))

        assert world.deploy().exit_code == 1
        assert len(locks(world)) == 1

    @pytest.mark.slow
    def test_one_from_after_a_deployment_that_ended_well_is_left(self, world: World):
        world.deploy_well()
        assert not (world.project.path / ".lakeflow-job-meta/dev/lock_taken.json").exists()


class TestWhatIsCountedIsWhatHappened:
    @pytest.mark.slow
    def test_a_locked_deployment_counts_nothing_at_any_try(self, world: World):
        interrupt_with_lock(world, *DEPLOY)
        (world.project.path / ".lakeflow-job-meta/dev/lock_taken.json").unlink()

        deployed = world.deploy()
        ticks = [world.ljm(*MONITOR, "--once") for _ in range(2)]

        assert "The deployment failed, and no job was written." in deployed.stderr
        assert [tick.exit_code for tick in ticks] == [1, 1]
        assert not any("deployed:" in tick.stderr for tick in ticks)
        history = json.loads(world.ljm("history", "-t", "dev", "--format", "json").stdout)
        assert {(entry["outcome"], entry["created"]) for entry in history} == {("failed", 0)}

    @pytest.mark.slow
    def test_of_a_deployment_that_fails_in_part_the_jobs_are_counted_that_were_written(self, world: World):
        world.module("two", notebook="/Workspace/two")
        world.workspace.faults.add(Fault("POST", CREATE, FaultKind.FORBIDDEN, body_contains="/Workspace/two", times=9))

        result = world.deploy()

        assert result.exit_code == 1
        assert "failed in part: 1 job created or changed" in result.stderr
        assert world.workspace.jobs.names() == ["one"]

    @pytest.mark.slow
    def test_the_history_holds_the_jobs_that_were_written(self, world: World):
        world.module("two", notebook="/Workspace/two")
        world.workspace.faults.add(Fault("POST", CREATE, FaultKind.FORBIDDEN, body_contains="/Workspace/two", times=9))

        tick = world.ljm(*MONITOR, "--once")

        assert "deployed: Deployed: 1 job created, 0 changed, 0 deleted." in tick.stderr
        (entry,) = json.loads(world.ljm("history", "-t", "dev", "--format", "json").stdout)
        assert (entry["outcome"], entry["created"]) == ("failed", 1)

    @pytest.mark.slow
    def test_through_the_jobs_api_too(self, world: World):
        world.module("two", notebook="/Workspace/two")
        world.workspace.faults.add(Fault("POST", CREATE, FaultKind.FORBIDDEN, body_contains="/Workspace/two", times=9))

        tick = world.ljm("monitor", "-t", "dev", "--deployer", "jobs-api", "--once", **NO_PROXY)

        assert "deployed: Deployed: 1 job created, 0 changed, 0 deleted." in tick.stderr
