"""What the Jobs API says of a run, as a value: how it ended, what failed first, and which attempt at a task counts."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from databricks.sdk.service.jobs import Run

from lakeflow_job_meta.services.run_states import ModuleRun, TaskRun, TrackedModule, as_module_run

SECOND = 1_000
START = 1_700_000_000_000
ORIGINAL = {"type": "ORIGINAL", "start_time": START, "end_time": START + SECOND}


def ended(result: str) -> dict[str, str]:
    cycle = result if result in ("SKIPPED", "INTERNAL_ERROR") else "TERMINATED"
    return {"life_cycle_state": cycle, "result_state": result, "state_message": f"It ended: {result}."}


def going(cycle: str = "RUNNING") -> dict[str, str]:
    return {"life_cycle_state": cycle}


def task(key: str, state: dict[str, str], run_id: int = 1, *, start: int = 0, attempt: int = 0, end: int = 0) -> dict:
    times = {"start_time": START + start, "end_time": START + end if end else 0}
    return {"task_key": key, "run_id": run_id, "attempt_number": attempt, "state": state, **times}


def run_of(
    state: dict[str, str], *tasks: dict, repair_id: int = 0, changed: datetime | None = None, **more: object
) -> ModuleRun:
    module = TrackedModule("sales", "sales", 7, "dev", "control@3", changed)
    body = {"run_id": 9, "start_time": START, "state": state, "tasks": list(tasks), **more}
    return as_module_run(module, Run.from_dict(body), repair_id)


class TestEnd:
    @pytest.mark.parametrize("result", ["SUCCESS", "SUCCESS_WITH_FAILURES", "EXCLUDED"])
    def test_of_a_run_that_went_well_is_no_failure(self, result):
        run = run_of(ended(result))
        assert (run.state, run.is_finished, run.has_failed) == (result, True, False)

    @pytest.mark.parametrize("result", ["FAILED", "TIMEDOUT", "CANCELED", "INTERNAL_ERROR", "SKIPPED"])
    def test_of_any_other_is_one(self, result):
        assert run_of({**ended(result), "result_state": "FAILED"} if result == "SKIPPED" else ended(result)).has_failed

    @pytest.mark.parametrize("cycle", ["QUEUED", "PENDING", "RUNNING", "BLOCKED", "WAITING_FOR_RETRY", "TERMINATING"])
    def test_has_not_come_for_a_run_that_goes_on(self, cycle):
        run = run_of(going(cycle))
        assert (run.state, run.is_finished, run.has_failed) == (cycle, False, False)

    def test_has_not_come_where_the_state_is_one_that_nobody_knows_yet(self):
        assert not run_of({"life_cycle_state": "DREAMING"}).is_finished


class TestFirstFailure:
    def test_is_of_the_task_that_failed_first_and_not_of_one_that_waited_for_it(self):
        run = run_of(
            ended("FAILED"),
            task("load", ended("UPSTREAM_FAILED"), end=1),
            task("clean", ended("FAILED"), end=3),
            task("read", ended("FAILED"), end=2),
        )
        assert run.failed_task is not None
        assert (run.failed_task.key, run.failed_task.message) == ("read", "It ended: FAILED.")

    def test_is_not_of_a_task_that_was_tried_again_with_success(self):
        first = task("read", ended("FAILED"), 1, start=0, attempt=0, end=5)
        assert (
            run_of(ended("SUCCESS"), first, task("read", ended("SUCCESS"), 2, start=9, attempt=1)).failed_task is None
        )


class TestRepair:
    OLD = task("a", ended("FAILED"), 1, attempt=3, end=5)
    NEW = task("a", going(), 2, start=9, attempt=0)

    @pytest.mark.parametrize(
        "item",
        [
            [],
            [{"type": "REPAIR", "id": 4}],
            [{"type": "REPAIR", "id": 4, "state": going("PENDING")}],
            [{"type": "REPAIR", "id": 3, "state": ended("FAILED"), "end_time": START + 1}],
        ],
        ids=["not listed", "without a state", "pending", "only the one before"],
    )
    def test_that_has_not_ended_is_waited_for_although_the_run_is_told_as_ended(self, item):
        run = run_of(ended("FAILED"), self.OLD, repair_id=4, repair_history=[ORIGINAL, *item])
        assert (run.state, run.is_finished, run.has_failed, run.tasks) == ("STARTED", False, False, ())

    @pytest.mark.parametrize(
        "end",
        [
            {"state": ended("SUCCESS")},
            {"end_time": START + 9},
            {"status": {"state": "TERMINATED"}},
        ],
        ids=["by its state", "by its time", "by its status"],
    )
    def test_that_has_ended_is_how_the_run_ended(self, end):
        new = task("a", ended("SUCCESS"), 2, start=9, attempt=0, end=12)
        history = [ORIGINAL, {"type": "REPAIR", "id": 4, "task_run_ids": [2], **end}]
        run = run_of(ended("SUCCESS"), self.OLD, new, repair_id=4, repair_history=history)
        assert (run.state, run.is_finished) == ("SUCCESS", True)
        assert [each.run_id for each in run.tasks] == [2]

    def test_that_has_ended_is_waited_for_while_the_run_goes_on(self):
        history = [ORIGINAL, {"type": "REPAIR", "id": 4, "end_time": START + 9}]
        assert not run_of(going(), self.NEW, repair_id=4, repair_history=history).is_finished

    def test_counts_as_the_newer_attempt_whatever_its_number(self):
        history = [ORIGINAL, {"type": "REPAIR", "id": 4, "task_run_ids": [2], "state": going()}]
        for tasks in ([self.OLD, self.NEW], [self.NEW, self.OLD]):
            run = run_of(going(), *tasks, repair_id=4, repair_history=history)
            assert [(each.run_id, each.state) for each in run.tasks] == [(2, "RUNNING")]

    def test_counts_as_the_newer_attempt_also_where_no_history_was_asked_for(self):
        assert [each.run_id for each in run_of(going(), self.NEW, self.OLD).tasks] == [2]


class TestVersion:
    @pytest.mark.parametrize(("seconds", "version"), [(-1, "control@3"), (0, "control@3"), (60, "")])
    def test_is_that_of_the_job_unless_it_was_changed_after_the_run_began(self, seconds, version):
        changed = datetime.fromtimestamp(START / SECOND + seconds, timezone.utc)
        assert run_of(ended("SUCCESS"), changed=changed).metadata_version == version


@pytest.mark.parametrize(
    ("started", "end", "seconds"), [(0, 0, None), (START, START + 65 * SECOND, 65.0), (START, 0, 30.0)]
)
def test_a_task_that_goes_on_takes_as_long_as_it_has_so_far(started, end, seconds):
    assert TaskRun("a", 1, "RUNNING", "", started, end).seconds(START / SECOND + 30) == seconds
