"""A monitor that ticks for months holds no more than after its first hour.

Thousands of ticks in a process of its own, with a table that is edited or left alone. How long: LJM_SOAK_SECONDS, by
default an hour. Run by `make soak`.
"""

from __future__ import annotations

import json
import random
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

from fakes.workspace import FakeWorkspace
from support.monitor_process import Estate, Monitoring, flat, module_rows, settle, sound_jobs, wait_for
from support.project_folder import BUNDLE
from support.soak_measures import (
    CHANGING_TOLERANCE_KILOBYTES,
    IDLE_TOLERANCE_KILOBYTES,
    SECONDS,
    Sample,
    growth_kilobytes,
)

pytestmark = [
    pytest.mark.soak,
    pytest.mark.timeout(600 + 2 * SECONDS),
    pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="processes are looked at by /proc"),
]


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[FakeWorkspace]:
    with FakeWorkspace(tmp_path / "workspace") as running:
        yield running


@pytest.fixture
def estate(request: pytest.FixtureRequest, tmp_path: Path, workspace: FakeWorkspace) -> Iterator[Estate]:
    """Twenty modules, never deployed."""
    estate = Estate(tmp_path, workspace, getattr(request, "param", "jobs-api"))
    # Without the lock in the workspace, which a killed CLI leaves for a person.
    estate.project.write("databricks.yml", BUNDLE.replace("dev: {}", "dev: {mode: development}"))
    estate.says(*flat(module_rows(f"module_{number}", "/Workspace/a") for number in range(20)))
    yield estate
    estate.discard()


def samples_in(path: Path) -> list[Sample]:
    lines = path.read_text().splitlines() if path.exists() else []
    return [Sample(**json.loads(line)) for line in lines]


def end_of(loop: Monitoring) -> None:
    loop.stop(signal.SIGTERM)
    assert loop.end(20).exit_code == 0


def assert_holds_no_more(samples: list[Sample], what: str, tolerance: int) -> None:
    settled = samples[len(samples) // 4 :]
    growth = growth_kilobytes(samples)
    print(
        f"\n{what}: {len(samples)} ticks, median {median(each.seconds for each in settled) * 1000:.1f} ms, memory "
        f"{settled[0].memory / 1024:.1f} MB, grown by {growth / 1024:.2f} MB, {settled[-1].files} files open"
    )
    assert [each.failure for each in samples if each.failure] == []
    assert {each.files for each in settled} == {settled[0].files}
    assert {each.children for each in settled} == {0}
    assert growth < tolerance


class TestTheMeasure:
    def test_takes_a_leak_of_ten_kilobytes_a_tick_for_what_it_is_and_noise_for_none(self):
        noise = random.Random(1)

        def ticks(leak: int) -> list[Sample]:
            return [
                Sample("idle", "", 0.0, 80_000 + noise.randrange(2_000) + number * leak, 9, 0) for number in range(1000)
            ]

        assert growth_kilobytes(ticks(0)) < IDLE_TOLERANCE_KILOBYTES < growth_kilobytes(ticks(10))


class TestIdleTicks:
    def test_hold_no_more_memory_files_or_processes_and_ask_the_workspace_nothing(self, estate, tmp_path):
        loop = estate.loop(tmp_path / "ticks", interval_seconds=0.001)
        wait_for(lambda: estate.changes["create"] == 20, "the first deployment")
        settle(estate)
        estate.forget()

        time.sleep(SECONDS / 4)
        end_of(loop)

        idle = samples_in(tmp_path / "ticks")[1:]
        assert len(idle) > SECONDS
        assert {each.outcome for each in idle} == {"idle"}
        assert estate.workspace.requests == []
        assert_holds_no_more(idle, "idle, no request", IDLE_TOLERANCE_KILOBYTES)


class TestChangingTicks:
    @pytest.mark.parametrize(("estate", "share"), [("jobs-api", 0.4), ("cli", 0.2)], indirect=["estate"])
    def test_changing_ticks_hold_no_more_memory_files_or_processes(self, estate, share, tmp_path):
        loop = estate.loop(tmp_path / "ticks", interval_seconds=0.02)
        end, edits = time.monotonic() + SECONDS * share, 0
        while time.monotonic() < end:
            settle(estate)
            estate.workspace.requests.clear()
            edits += 1
            modules = (module_rows(f"module_{n}", f"/Workspace/{edits * (edits % 20 == n)}") for n in range(20))
            estate.says(*flat(modules))
        settle(estate)
        end_of(loop)

        working = [each for each in samples_in(tmp_path / "ticks") if each.outcome != "idle"]
        assert len(working) > 3
        assert estate.changes["delete"] == 0
        assert len(estate.workspace.jobs.names()) == 20
        early, late = working[len(working) // 4 : len(working) // 2], working[-len(working) // 4 :]
        print(f"\nfrom {median(e.seconds for e in early):.3f} s to {median(e.seconds for e in late):.3f} s a tick")
        assert_holds_no_more(working, f"changing, {estate.deployer}", CHANGING_TOLERANCE_KILOBYTES)


class TestEndedAtAnyMoment:
    @pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
    @pytest.mark.parametrize("estate", ["cli", "jobs-api"], indirect=True)
    def test_a_monitor_ended_again_and_again_leaves_the_jobs_that_the_metadata_says(self, estate, how):
        moments = random.Random(7)
        editor = threading.Thread(target=lambda: estate.edit_at_random(seed=7, seconds=SECONDS / 12, pause_seconds=0.8))
        editor.start()
        while editor.is_alive():
            monitoring = estate.start("--check-interval-seconds", "1")
            time.sleep(moments.uniform(0.3, 3.0))
            monitoring.stop(how)
            # What comes before the first look ends by the signal itself.
            assert monitoring.end(20).exit_code in (0, -how)
            assert how is signal.SIGKILL or estate.processes() == []
        editor.join()
        wait_for(lambda: estate.processes() == [], "the last CLI")

        last = estate.once()

        assert "failed:" not in last.stderr
        assert estate.changes["delete"] == 0
        assert_agrees(estate)


def assert_agrees(estate: Estate) -> None:
    """No job is there twice or was made up, and those of the modules that are in order now are as these say."""
    jobs = [(name.split("] ")[-1], tasks) for name, tasks in estate.jobs()]
    assert len(dict(jobs)) == len(jobs)
    newest = estate.newest_version()
    assert sound_jobs(estate, newest).items() <= dict(jobs).items()
    # What was deployed right before the end, and broken or deleted after it, is in no history.
    once_sound = [sound_jobs(estate, version) for version in range(newest + 1)]
    assert [name for name, tasks in jobs if tasks not in [each.get(name) for each in once_sound]] == []
