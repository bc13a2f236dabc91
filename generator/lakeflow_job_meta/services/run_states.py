"""Runs of modules' jobs as values: their states, and those of their tasks, from what the Jobs API says. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from databricks.sdk.service.jobs import BaseRun, RepairHistoryItem, Run, RunState, RunTask

NEVER_RUN = "NEVER RUN"
NO_JOB = "NO JOB"
STARTED = "STARTED"
_LONGEST_MESSAGE = 1000
_FINISHED = ("TERMINATED", "SKIPPED", "INTERNAL_ERROR")
"""Life cycle states that a run does not leave (RunLifeCycleState of the Jobs API)."""
_GOOD = ("SUCCESS", "SUCCESS_WITH_FAILURES", "EXCLUDED", "DISABLED")
"""Results that are no failure; a task is excluded where a condition has not chosen it (RunResultState)."""
_OF_OTHERS = ("UPSTREAM_FAILED", "UPSTREAM_CANCELED")
"""Results of tasks that did not run since another one had failed (RunResultState)."""


@dataclass(frozen=True, slots=True)
class TrackedModule:
    """A module that has a job in a target; `changed` is when a deployment has last changed the job."""

    module: str
    key: str
    job_id: int
    target: str
    metadata_version: str
    changed: datetime | None


@dataclass(frozen=True, slots=True)
class TaskRun:
    """A task of a run: the newest attempt at it.

    Attributes:
        state: The result, or the state of the life cycle where there is none yet, as the Jobs API names them.
        started: In milliseconds since 1970, as `ended`; 0 where it has not.
    """

    key: str
    run_id: int
    state: str
    message: str = ""
    started: int = 0
    ended: int = 0

    @property
    def has_failed(self) -> bool:
        """Whether it failed, was cancelled, or could not start."""
        return self.ended > 0 and self.state not in _GOOD

    def seconds(self, now: float) -> float | None:
        """Returns how long it took, or has taken so far; None where it has not begun."""
        ended = self.ended if self.ended > 1 else now * 1000
        return max(ended - self.started, 0) / 1000 if self.started else None


@dataclass(frozen=True, slots=True)
class ModuleRun:
    """A run of a module's job.

    Attributes:
        run_id: None where the job has not run yet, or is no longer there.
        state: The result, or the state of the life cycle; `STARTED` where it was not looked at since it was;
            `NEVER RUN`; `NO JOB` where somebody has deleted the job.
        metadata_version: What the job was deployed from; empty for files, and where it was changed after the run began.
        failed_task: The first task that failed, with what it said.
        repair_id: Of the repair that is waited for; 0 where none is.
    """

    module: str
    job_id: int
    run_id: int | None
    state: str
    is_finished: bool = True
    started: datetime | None = None
    seconds: float | None = None
    message: str = ""
    url: str = ""
    metadata_version: str = ""
    tasks: tuple[TaskRun, ...] = ()
    failed_task: TaskRun | None = None
    repair_id: int = 0

    @property
    def has_failed(self) -> bool:
        """Whether it ended without success, or its job is gone."""
        return self.state == NO_JOB or (self.run_id is not None and self.is_finished and self.state not in _GOOD)


def as_module_run(module: TrackedModule, run: BaseRun | Run, repair_id: int = 0) -> ModuleRun:
    """Returns a run as the Jobs API describes it.

    One that was repaired ends with its repair: until that has begun, the Jobs API may still say how it ended before.
    """
    repair = next((each for each in run.repair_history or [] if each.id == repair_id), None) if repair_id else None
    state, message, is_finished = _state_of(run.state)
    if repair_id and not _has_ended(repair):
        state, message, is_finished = (STARTED, "", False) if is_finished else (state, message, False)
    began = (repair.start_time if repair is not None else None) or run.start_time
    tasks = newest_attempts(run.tasks or [], (repair.task_run_ids or []) if repair is not None else ())
    tasks = tasks if is_finished or not repair_id else tuple(each for each in tasks if not each.has_failed)
    return ModuleRun(
        module=module.module,
        job_id=module.job_id,
        run_id=run.run_id,
        state=state,
        is_finished=is_finished,
        started=_moment(run.start_time),
        seconds=_seconds(run),
        message=message,
        url=run.run_page_url or "",
        metadata_version=_version_of(module, _moment(began)),
        tasks=tasks,
        failed_task=_first_failed(tasks),
        repair_id=repair_id,
    )


def newest_attempts(tasks: Sequence[RunTask], newest_ids: Collection[int] = ()) -> tuple[TaskRun, ...]:
    """Returns the newest attempt at each task; those of `newest_ids` are newer than all others."""
    newest: dict[str, RunTask] = {}
    for task in tasks:
        before = newest.get(task.task_key)
        if before is None or _age(task, newest_ids) >= _age(before, newest_ids):
            newest[task.task_key] = task
    return tuple(_task_run(task) for task in newest.values())


def said(text: str | None) -> str:
    """Returns what a run says, as it may be shown."""
    from lakeflow_job_meta._internal.secrets import without_secrets
    from lakeflow_job_meta._internal.text import foreign_message

    return foreign_message(without_secrets(text or ""), _LONGEST_MESSAGE)


def _age(task: RunTask, newest_ids: Collection[int]) -> tuple[bool, int, int]:
    # A repair may count its attempts anew.
    return task.run_id in newest_ids, task.start_time or 0, task.attempt_number or 0


def _has_ended(repair: RepairHistoryItem | None) -> bool:
    if repair is None:
        return False
    # What replaces `state` there; older SDKs do not have it.
    status = getattr(getattr(repair, "status", None), "state", None)
    return bool(repair.end_time) or _state_of(repair.state)[2] or (status is not None and status.value in _FINISHED)


def _state_of(state: RunState | None) -> tuple[str, str, bool]:
    cycle = state.life_cycle_state.value if state and state.life_cycle_state else "UNKNOWN"
    result = state.result_state.value if state and state.result_state else ""
    return result or cycle, said(state.state_message if state else None), cycle in _FINISHED


def _task_run(task: RunTask) -> TaskRun:
    state, message, is_finished = _state_of(task.state)
    ended = (task.end_time or 1) if is_finished else 0
    return TaskRun(task.task_key, task.run_id or 0, state, message, task.start_time or 0, ended)


def _first_failed(tasks: Sequence[TaskRun]) -> TaskRun | None:
    failed = [task for task in tasks if task.has_failed]
    return min(failed, key=lambda task: (task.state in _OF_OTHERS, task.ended), default=None)


def _moment(milliseconds: int | None) -> datetime | None:
    return datetime.fromtimestamp(milliseconds / 1000, timezone.utc) if milliseconds else None


def _seconds(run: BaseRun | Run) -> float | None:
    if run.run_duration:
        return run.run_duration / 1000
    return (run.end_time - run.start_time) / 1000 if run.start_time and run.end_time else None


def _version_of(module: TrackedModule, began: datetime | None) -> str:
    # A run goes by the settings that the job had when it began.
    is_older = began is None or (module.changed is not None and began < module.changed.replace(microsecond=0))
    return "" if is_older else module.metadata_version
