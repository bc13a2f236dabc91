"""Runs of the deployed jobs of modules: started, repaired, and how the last ones ended.

Asks the tracking table which job a module has in a target, and the Jobs API for its runs; changes no job.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING
from uuid import uuid4

from lakeflow_job_meta._internal.secrets import without_secrets
from lakeflow_job_meta._internal.text import foreign_message, quoted
from lakeflow_job_meta.compiler.result import Compilation
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.errors import OperationFailed
from lakeflow_job_meta.services.module_names import key_of_module
from lakeflow_job_meta.state.folder import state_folder_path
from lakeflow_job_meta.state.store import JOBS, open_state_store
from lakeflow_job_meta.tables.schema import Row
from lakeflow_job_meta.workspace.client import AnswerLost, Workspace, workspace_errors

if TYPE_CHECKING:
    from databricks.sdk.service.jobs import Run, RunState, RunTask

POLL_SECONDS = 5.0
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
    metadata_version: str
    changed: datetime | None


@dataclass(frozen=True, slots=True)
class TaskRun:
    """A task of a run: the newest attempt at it.

    Attributes:
        state: The result, or the state of the life cycle where there is none yet, as the Jobs API names them.
    """

    key: str
    run_id: int
    state: str
    message: str
    ended: int

    @property
    def has_failed(self) -> bool:
        """Whether it failed, was cancelled, or could not start."""
        return self.ended > 0 and self.state not in _GOOD


@dataclass(frozen=True, slots=True)
class ModuleRun:
    """A run of a module's job.

    Attributes:
        run_id: None where the job has not run yet, or is no longer there.
        state: The result, or the state of the life cycle; `NEVER RUN`; `NO JOB` where somebody has deleted the job.
        metadata_version: What the job was deployed from; empty for files, and where it was changed after the run began.
        failed_task: The first task that failed, with what it said.
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

    @property
    def has_failed(self) -> bool:
        """Whether it ended without success, or its job is gone."""
        return self.state == "NO JOB" or (self.run_id is not None and self.is_finished and self.state not in _GOOD)


def tracked_modules(
    project: Project,
    target: str,
    names: Sequence[str],
    compile_metadata: Callable[[Project], Compilation],
    workspace: Workspace | None = None,
) -> list[TrackedModule]:
    """Returns the modules of some names that have a job in a target, or all of them; compiles only what is not found.

    Raises:
        ConfigError: There is no module of a name.
        OperationFailed: A module has no job in this target, or the tracking table cannot be read.
    """
    store = open_state_store(project, state_folder_path(project, target), JOBS, workspace)
    found = [_tracked(row) for row in store.rows() if row["target"] == target]
    if not names:
        return sorted(found, key=lambda each: each.module)
    known = {each.key: each for each in found} | {each.module: each for each in found}
    chosen = []
    for name in dict.fromkeys(names):
        each = known.get(name) or known.get(key_of_module(compile_metadata(project), name))
        if each is None:
            raise OperationFailed(
                f"The module {quoted(name)} has no job in the target {target!r} yet. Deploy it first: "
                f"`ljm deploy -t {target}`."
            )
        chosen.append(each)
    return list(dict.fromkeys(chosen))


def start_run(module: TrackedModule, workspace: Workspace, parameters: Mapping[str, str]) -> ModuleRun:
    """Starts a run of a module's job, once even where the request has to be sent again.

    Raises:
        OperationFailed: The workspace refuses, or no longer has the job.
    """
    with workspace_errors(workspace):
        jobs = workspace.client().jobs
        token = uuid4().hex
        run = jobs.run_now(module.job_id, job_parameters=dict(parameters) or None, idempotency_token=token)
    return read_run(module, workspace, int(run.run_id))


def repair_last_run(module: TrackedModule, workspace: Workspace) -> ModuleRun:
    """Runs the failed tasks of a module's last run again, and those that wait for them.

    Raises:
        OperationFailed: There is no run, or it has not failed; or the workspace refuses.
    """
    last = last_run(module, workspace)
    if last.run_id is None:
        raise OperationFailed(f"The job of {quoted(module.module)} has not run yet. Run it: `ljm run {module.module}`.")
    if not last.is_finished:
        raise OperationFailed(f"The last run of {quoted(module.module)} still goes on ({last.state}): {last.url}")
    if not last.has_failed:
        raise OperationFailed(f"The last run of {quoted(module.module)} has not failed ({last.state}): {last.url}")
    with workspace_errors(workspace):
        jobs = workspace.client().jobs
        history = jobs.get_run(last.run_id, include_history=True).repair_history or []
        repairs = [each.id for each in history if each.id]
        # A run that was repaired before wants the id of its newest repair (docs of `jobs/runs/repair`).
        jobs.repair_run(last.run_id, rerun_all_failed_tasks=True, latest_repair_id=repairs[-1] if repairs else None)
    return read_run(module, workspace, last.run_id)


def last_run(module: TrackedModule, workspace: Workspace) -> ModuleRun:
    """Returns the newest run of a module's job, with its first failed task.

    Raises:
        OperationFailed: The workspace cannot be asked.
    """
    try:
        with workspace_errors(workspace):
            newest = next(iter(workspace.client().jobs.list_runs(job_id=module.job_id, limit=1)), None)
        if newest is None or newest.run_id is None:
            return ModuleRun(module.module, module.job_id, None, "NEVER RUN")
        return read_run(module, workspace, newest.run_id)
    except AnswerLost:
        raise
    except OperationFailed as error:
        if f"Job {module.job_id} does not exist" not in str(error):
            raise
        return ModuleRun(module.module, module.job_id, None, "NO JOB", message="The workspace no longer has the job.")


def follow_run(
    module: TrackedModule, workspace: Workspace, run: ModuleRun, pause: Callable[[float], None] = time.sleep
) -> Iterator[ModuleRun]:
    """Yields a run as it is, again and again until it is finished.

    Raises:
        OperationFailed: The workspace cannot be asked, or somebody has deleted the run.
    """
    yield run
    while not run.is_finished and run.run_id is not None:
        pause(POLL_SECONDS)
        run = read_run(module, workspace, run.run_id)
        yield run


def read_run(module: TrackedModule, workspace: Workspace, run_id: int) -> ModuleRun:
    """Returns a run as it is now; where it has failed, with what its first failed task said.

    Raises:
        OperationFailed: The workspace cannot be asked, or no longer has the run.
    """
    with workspace_errors(workspace):
        run = workspace.client().jobs.get_run(run_id)
        tasks = _newest_attempts(run.tasks or [])
        state, message, is_finished = _state_of(run.state)
        started = datetime.fromtimestamp(run.start_time / 1000, timezone.utc) if run.start_time else None
    failed = _first_failed(tasks)
    return ModuleRun(
        module=module.module,
        job_id=module.job_id,
        run_id=run_id,
        state=state,
        is_finished=is_finished,
        started=started,
        seconds=_seconds(run),
        message=message,
        url=run.run_page_url or "",
        metadata_version=_version_of(module, started),
        tasks=tasks,
        failed_task=_with_output(failed, workspace) if failed is not None and is_finished else failed,
    )


def _tracked(row: Row) -> TrackedModule:
    changed = row["updated_timestamp"]
    key = str(row["bundle_key"] or "")
    return TrackedModule(
        str(row["module_name"] or key),
        key,
        int(str(row["job_id"])),
        str(row["metadata_version"] or ""),
        changed if isinstance(changed, datetime) else None,
    )


def _state_of(state: RunState | None) -> tuple[str, str, bool]:
    cycle = state.life_cycle_state.value if state and state.life_cycle_state else "UNKNOWN"
    result = state.result_state.value if state and state.result_state else ""
    return result or cycle, _said(state.state_message if state else None), cycle in _FINISHED


def _newest_attempts(tasks: Sequence[RunTask]) -> tuple[TaskRun, ...]:
    newest: dict[str, RunTask] = {}
    for task in tasks:
        before = newest.get(task.task_key)
        if before is None or (task.attempt_number or 0) >= (before.attempt_number or 0):
            newest[task.task_key] = task
    return tuple(_task_run(task) for task in newest.values())


def _task_run(task: RunTask) -> TaskRun:
    state, message, is_finished = _state_of(task.state)
    return TaskRun(task.task_key, task.run_id or 0, state, message, (task.end_time or 1) if is_finished else 0)


def _first_failed(tasks: Sequence[TaskRun]) -> TaskRun | None:
    failed = [task for task in tasks if task.has_failed]
    return min(failed, key=lambda task: (task.state in _OF_OTHERS, task.ended), default=None)


def _with_output(task: TaskRun, workspace: Workspace) -> TaskRun:
    try:
        with workspace_errors(workspace):
            output = workspace.client().jobs.get_run_output(task.run_id)
    except AnswerLost:
        raise
    except OperationFailed:
        # Not every kind of task has an output (docs of `jobs/runs/get-output`); the message of its state is left.
        return task
    return TaskRun(task.key, task.run_id, task.state, _said(output.error) or task.message, task.ended)


def _said(text: str | None) -> str:
    return foreign_message(without_secrets(text or ""), _LONGEST_MESSAGE)


def _seconds(run: Run) -> float | None:
    if run.run_duration:
        return run.run_duration / 1000
    return (run.end_time - run.start_time) / 1000 if run.start_time and run.end_time else None


def _version_of(module: TrackedModule, started: datetime | None) -> str:
    # A run goes by the settings that the job had when it began.
    is_older = started is None or (module.changed is not None and started < module.changed.replace(microsecond=0))
    return "" if is_older else module.metadata_version
