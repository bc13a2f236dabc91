"""Runs of the deployed jobs of modules: started, repaired, and how the last ones ended.

Asks the tracking table which job a module has in a target, and the Jobs API for its runs; changes no job.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, cast
from uuid import uuid4

from lakeflow_job_meta._internal.parallel import run_in_threads
from lakeflow_job_meta._internal.text import did_you_mean, quoted
from lakeflow_job_meta.compiler.result import Compilation
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.errors import ConfigError, OperationFailed
from lakeflow_job_meta.services.module_names import key_of_module, why_not_in_target
from lakeflow_job_meta.services.run_states import (
    NEVER_RUN,
    NO_JOB,
    STARTED,
    ModuleRun,
    TaskRun,
    TrackedModule,
    as_module_run,
    said,
)
from lakeflow_job_meta.state.folder import state_folder_path
from lakeflow_job_meta.state.store import JOBS, open_state_store
from lakeflow_job_meta.tables.schema import Row
from lakeflow_job_meta.workspace.client import AnswerLost, Workspace, workspace_errors

if TYPE_CHECKING:
    from databricks.sdk.service.jobs import BaseRun, RepairRunResponse

POLL_SECONDS = 5.0
_AT_ONCE = 8
_FEW = 8
"""The last runs of so many jobs are asked for one by one; of more, the runs of the workspace are listed."""
_RUNS_IN_A_PAGE = 24
"""`jobs/runs/list`: "greater than 0 and less than 25"."""
_JOBS_IN_A_PAGE = 100
"""Jobs API 2.2, `jobs/list`: at most 100 jobs in an answer."""
_FRUITLESS = 10 * _RUNS_IN_A_PAGE
"""After so many runs of jobs that are of no interest, the rest is asked for one by one."""


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
        each = known.get(name)
        if each is None:
            compilation = compile_metadata(project)
            key = key_of_module(compilation, name)
            each = known.get(key)
            if each is None:
                raise OperationFailed(_why_without_job(compilation, key, name, target))
        chosen.append(each)
    return list(dict.fromkeys(chosen))


def _why_without_job(compilation: Compilation, key: str, name: str, target: str) -> str:
    sentence = f"The module {quoted(name)} has no job in the target {target!r}"
    if reason := why_not_in_target(compilation, key, target):
        return f"{sentence}, since {reason}"
    if key in compilation.broken_jobs:
        return f"{sentence} yet, and has errors. `ljm validate` lists them."
    if key not in compilation.jobs.names:
        return f"{sentence}, since nothing in it is active. Set `is_active: true` where it is meant, and deploy."
    return f"{sentence} yet. Deploy it first: `ljm deploy {name} -t {target}`."


def start_run(module: TrackedModule, workspace: Workspace, parameters: Mapping[str, str]) -> ModuleRun:
    """Starts a run of a module's job, once even where the request has to be sent again; reads nothing of the run.

    Raises:
        ConfigError: The job declares no parameter of a name; nothing was started.
        OperationFailed: The workspace refuses, or no longer has the job.
        AnswerLost: It is not known whether the run was started.
    """
    with _about_the_job_of(module, workspace):
        jobs = workspace.client().jobs
        if parameters:
            settings = jobs.get(module.job_id).settings
            _refuse_unknown(module, parameters, [each.name for each in (settings and settings.parameters) or []])
        with _telling_where_to_look(page_of_job(module, workspace), workspace):
            token = uuid4().hex
            run = jobs.run_now(module.job_id, job_parameters=dict(parameters) or None, idempotency_token=token)
        return _begun(module, workspace, int(run.run_id))


def _refuse_unknown(module: TrackedModule, parameters: Mapping[str, str], declared: Sequence[str]) -> None:
    for name in parameters:
        if name not in declared:
            none = ", nor any other. Declare it in `parameters` of the module, and deploy."
            raise ConfigError(
                f"Nothing was started: the job of {quoted(module.module)} declares no parameter {quoted(name)}"
                f"{did_you_mean(name, declared) if declared else none}"
            )


def repair_last_run(module: TrackedModule, workspace: Workspace) -> ModuleRun:
    """Runs the failed tasks of a module's last run again, and those that wait for them.

    Raises:
        OperationFailed: There is no run, or it has not failed; or the workspace refuses, or no longer has the job.
    """
    with _about_the_job_of(module, workspace):
        last, name = _newest_run_of(module, workspace), quoted(module.module)
        if last is None or last.run_id is None:
            run = f"`ljm run {module.module} -t {module.target}`"
            raise OperationFailed(f"The job of {name} has not run yet. Run it: {run}.")
        known = as_module_run(module, last)
        if not known.is_finished:
            raise OperationFailed(f"The last run of {name} still goes on ({known.state}): {known.url}")
        if not known.has_failed:
            raise OperationFailed(f"The last run of {name} has not failed ({known.state}): {known.url}")
        repair_id = _repaired(last.run_id, workspace, known.url)
        return replace(_begun(module, workspace, last.run_id), repair_id=repair_id)


def _repaired(run_id: int, workspace: Workspace, url: str) -> int:
    """Repairs a run, and returns the id of the repair."""
    jobs, before = workspace.client().jobs, _newest_repair(run_id, workspace)
    try:
        with _telling_where_to_look(url, workspace):
            # A run that was repaired before wants the id of its newest repair (docs of `jobs/runs/repair`).
            answer = jobs.repair_run(run_id, rerun_all_failed_tasks=True, latest_repair_id=before).response
            begun = cast("RepairRunResponse", answer).repair_id
    except OperationFailed:
        # The SDK sends again what got no answer, and the second request is refused where the first one has arrived.
        if (begun := _newest_repair(run_id, workspace)) == before:
            raise
    return begun or _newest_repair(run_id, workspace) or 0


def _newest_repair(run_id: int, workspace: Workspace) -> int | None:
    with workspace_errors(workspace):
        history = workspace.client().jobs.get_run(run_id, include_history=True).repair_history or []
    return next((each.id for each in reversed(history) if each.id), None)


def page_of_job(module: TrackedModule, workspace: Workspace) -> str:
    """Returns the address of the page of a module's job."""
    return f"{workspace.host.rstrip('/')}/jobs/{module.job_id}"


def _begun(module: TrackedModule, workspace: Workspace, run_id: int) -> ModuleRun:
    """Returns a run of which nothing is known but that it was started."""
    url = f"{page_of_job(module, workspace)}/runs/{run_id}"
    return ModuleRun(module.module, module.job_id, run_id, STARTED, is_finished=False, url=url)


def last_runs(modules: Sequence[TrackedModule], workspace: Workspace) -> list[ModuleRun]:
    """Returns the newest run of each module's job, in the order of the modules; of failed ones with what failed first.

    Of many modules it lists jobs and runs of the workspace page by page, newest first, as long as that finds some of
    theirs; it asks for what is left one by one, several at once. So a thousand jobs that run every day take some fifty
    requests, and never more than a thousand and what the lists took; each failed run takes two more.

    Raises:
        OperationFailed: The workspace cannot be asked.
    """
    found = _listed(modules, workspace) if len(modules) > _FEW else {}
    left = {each.job_id: partial(_last_run, each, workspace) for each in modules if each.job_id not in found}
    asked, _ = run_in_threads(left, _AT_ONCE)
    runs = [found[each.job_id] if each.job_id in found else asked[each.job_id] for each in modules]
    failed = {
        module.job_id: partial(_explained, module, workspace, run)
        for module, run in zip(modules, runs, strict=True)
        if run.run_id is not None and run.has_failed
    }
    explained, _ = run_in_threads(failed, _AT_ONCE)
    return [explained.get(run.job_id, run) for run in runs]


def _explained(module: TrackedModule, workspace: Workspace, run: ModuleRun) -> ModuleRun:
    try:
        return read_run(module, workspace, run)
    except AnswerLost:
        raise
    except OperationFailed:
        # Somebody has deleted it since it was listed: it stays as the list had it.
        return run


def _listed(modules: Sequence[TrackedModule], workspace: Workspace) -> dict[int, ModuleRun]:
    """Returns the newest runs that a list of all has, by the job's id; of jobs that are there."""
    wanted = {each.job_id: each for each in modules}
    found: dict[int, ModuleRun] = {}
    with workspace_errors(workspace):
        jobs = workspace.client().jobs
        there = wanted.keys() & {job.job_id for job in jobs.list(limit=_JOBS_IN_A_PAGE)}
        fruitless = 0
        for run in jobs.list_runs(limit=_RUNS_IN_A_PAGE) if there else ():
            if run.job_id in there and run.job_id not in found:
                found[run.job_id] = as_module_run(wanted[run.job_id], run)
                fruitless = 0
            fruitless += 1
            if len(found) == len(there) or fruitless > _FRUITLESS:
                break
    return found


def _last_run(module: TrackedModule, workspace: Workspace) -> ModuleRun:
    try:
        with workspace_errors(workspace):
            newest = _newest_run_of(module, workspace)
    except OperationFailed as error:
        if not _is_gone(module, error):
            raise
        return ModuleRun(module.module, module.job_id, None, NO_JOB, message=_gone(module))
    if newest is None:
        return ModuleRun(module.module, module.job_id, None, NEVER_RUN)
    return as_module_run(module, newest)


def _newest_run_of(module: TrackedModule, workspace: Workspace) -> BaseRun | None:
    return next(iter(workspace.client().jobs.list_runs(job_id=module.job_id, limit=1)), None)


def follow_run(
    module: TrackedModule, workspace: Workspace, run: ModuleRun, pause: Callable[[float], None] = time.sleep
) -> Iterator[ModuleRun]:
    """Yields a run as it is, again and again until it is finished.

    Raises:
        OperationFailed: The workspace cannot be asked, or somebody has deleted the run.
    """
    while True:
        run = read_run(module, workspace, run)
        yield run
        if run.is_finished:
            return
        pause(POLL_SECONDS)


def read_run(module: TrackedModule, workspace: Workspace, run: ModuleRun) -> ModuleRun:
    """Returns a run as it is now; where it has failed, with what its first failed task said.

    Raises:
        OperationFailed: The workspace cannot be asked, or no longer has the run.
    """
    if run.run_id is None:
        return run
    with workspace_errors(workspace):
        answer = workspace.client().jobs.get_run(run.run_id, include_history=True if run.repair_id else None)
        now = as_module_run(module, answer, run.repair_id)
    if now.failed_task is None or not now.is_finished:
        return now
    return replace(now, failed_task=_with_output(now.failed_task, workspace))


def _with_output(task: TaskRun, workspace: Workspace) -> TaskRun:
    try:
        with workspace_errors(workspace):
            output = workspace.client().jobs.get_run_output(task.run_id)
    except AnswerLost:
        raise
    except OperationFailed:
        # Not every kind of task has an output (docs of `jobs/runs/get-output`); the message of its state is left.
        return task
    return replace(task, message=said(output.error) or task.message)


@contextmanager
def _about_the_job_of(module: TrackedModule, workspace: Workspace) -> Iterator[None]:
    """Turns what the SDK raises into one sentence each; a job that somebody has deleted is told with the way out."""
    try:
        with workspace_errors(workspace):
            yield
    except OperationFailed as error:
        if not _is_gone(module, error):
            raise
        raise OperationFailed(_gone(module)) from None


@contextmanager
def _telling_where_to_look(url: str, workspace: Workspace) -> Iterator[None]:
    """Says of a request that got no answer where its effect would be seen."""
    try:
        with workspace_errors(workspace):
            yield
    except AnswerLost as error:
        raise AnswerLost(f"{error} What was asked for may have begun all the same; look there first: {url}") from None


def _is_gone(module: TrackedModule, error: OperationFailed) -> bool:
    return not isinstance(error, AnswerLost) and f"Job {module.job_id} does not exist" in str(error)


def _gone(module: TrackedModule) -> str:
    return (
        f"The workspace no longer has the job {module.job_id} of {quoted(module.module)}. "
        f"`ljm deploy {module.module} -t {module.target}` creates it again."
    )


def _tracked(row: Row) -> TrackedModule:
    changed = row["updated_timestamp"]
    key = str(row["bundle_key"] or "")
    return TrackedModule(
        str(row["module_name"] or key),
        key,
        int(str(row["job_id"])),
        str(row["target"]),
        str(row["metadata_version"] or ""),
        changed if isinstance(changed, datetime) else None,
    )
