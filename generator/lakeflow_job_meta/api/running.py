"""Runs of modules' jobs from Python: started, repaired, and how the last ones ended. Thin, as `functions`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from lakeflow_job_meta.api.arguments import workspace_of
from lakeflow_job_meta.api.functions import compile, tell_progress

if TYPE_CHECKING:
    from lakeflow_job_meta.api.arguments import WorkspaceLike
    from lakeflow_job_meta.config.model import Project
    from lakeflow_job_meta.services.run_states import ModuleRun, TrackedModule
    from lakeflow_job_meta.workspace.client import Workspace


def run_module(
    project: Project,
    module: str,
    target: str | None = None,
    *,
    parameters: Mapping[str, str] | None = None,
    wait: bool = False,
    workspace: WorkspaceLike | None = None,
) -> ModuleRun:
    """Starts the deployed job of a module, as `ljm run` does.

    Args:
        project: The project.
        module: The name of the module.
        target: The bundle's target; by default the bundle's own.
        parameters: Parameters of the job, such as it declares.
        wait: Whether to wait for the end; a run that failed is returned, and says `has_failed`.
        workspace: The workspace: a WorkspaceClient or the name of a profile; by default the one that the bundle names
            for the target, else the one of the environment.

    Raises:
        ConfigError: There is no such module, target or parameter.
        OperationFailed: The module has no job there; or the workspace refuses, or cannot be asked.
    """
    from lakeflow_job_meta.services import runs

    tracked, connection = _tracked(project, target, (module,), workspace)
    return _shown(tracked[0], connection, partial(runs.start_run, parameters=parameters or {}), wait=wait)


def repair_module(
    project: Project,
    module: str,
    target: str | None = None,
    *,
    wait: bool = False,
    workspace: WorkspaceLike | None = None,
) -> ModuleRun:
    """Runs the failed tasks of a module's last run again, and those that waited for them, as `ljm repair` does.

    Args:
        project: The project.
        module: The name of the module.
        target: As for `run_module`.
        wait: Whether to wait for the end of the repair.
        workspace: As for `run_module`.

    Raises:
        ConfigError: There is no such module or target.
        OperationFailed: There is no run, or it has not failed; or the workspace refuses, or cannot be asked.
    """
    from lakeflow_job_meta.services import runs

    tracked, connection = _tracked(project, target, (module,), workspace)
    return _shown(tracked[0], connection, runs.repair_last_run, wait=wait)


def last_runs(
    project: Project,
    target: str | None = None,
    *,
    modules: Sequence[str] = (),
    workspace: WorkspaceLike | None = None,
) -> list[ModuleRun]:
    """Returns how the last run of each module's job ended, as `ljm runs` shows it; of failed ones what failed first.

    Args:
        project: The project.
        target: As for `run_module`.
        modules: The names of the modules; by default all that have a job in the target.
        workspace: As for `run_module`.

    Raises:
        ConfigError: There is no such module or target.
        OperationFailed: A module has no job there, or the workspace cannot be asked.
    """
    from lakeflow_job_meta.services import runs

    tracked, connection = _tracked(project, target, modules, workspace)
    return runs.last_runs(tracked, connection)


def _tracked(
    project: Project, target: str | None, modules: Sequence[str], workspace: WorkspaceLike | None
) -> tuple[list[TrackedModule], Workspace]:
    from lakeflow_job_meta.config.bundle import target_of
    from lakeflow_job_meta.deployment.login import workspace_of_target
    from lakeflow_job_meta.services import runs

    connection = workspace_of(workspace)
    named, compiled = target_of(project, target), partial(compile, workspace=connection)
    tracked = runs.tracked_modules(project, named, modules, compiled, connection)
    return tracked, connection or workspace_of_target(project, target)


def _shown(
    module: TrackedModule, workspace: Workspace, start: Callable[[TrackedModule, Workspace], ModuleRun], *, wait: bool
) -> ModuleRun:
    from lakeflow_job_meta.services import runs

    run = start(module, workspace)
    tell_progress(f"{module.module}: run {run.run_id} was started: {run.url}")
    for now in runs.follow_run(module, workspace, run) if wait else ():
        run = now
    return run
