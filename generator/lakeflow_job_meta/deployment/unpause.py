"""Starts what was paused in the workspace, such as new jobs of a project that pauses them first.

Nothing else of a job is written, whatever has deployed it; no plan and no file is made.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from lakeflow_job_meta._internal.text import listing
from lakeflow_job_meta._internal.trees import value_at
from lakeflow_job_meta.compiler.result import Compilation
from lakeflow_job_meta.config.model import PAUSES, Project
from lakeflow_job_meta.deployment.backend import DeployBackend, DeployContext, DeployOptions, Reporter, Unpaused
from lakeflow_job_meta.errors import OperationFailed
from lakeflow_job_meta.state.folder import state_folder
from lakeflow_job_meta.state.lock import deployment_lock
from lakeflow_job_meta.state.store import JOBS, open_state_store
from lakeflow_job_meta.state.tracking import read_paused, write_paused
from lakeflow_job_meta.workspace.client import Workspace


def unpause_jobs(
    project: Project,
    target: str | None,
    backend: DeployBackend,
    keys: Collection[str] | None,
    compilation: Compilation,
    report: Callable[[str], None] = lambda line: None,
    workspace: Workspace | None = None,
) -> list[Unpaused]:
    """Starts the jobs of some keys; of None all that the metadata itself does not pause.

    Raises:
        OperationFailed: A job is not in the workspace, and nothing was started; or the workspace refuses.
    """
    folder = state_folder(project, target)
    tracking = open_state_store(project, folder, JOBS, workspace)
    with deployment_lock(folder, on_wait=report) as lock:
        reporter = Reporter(on_progress=report)
        context = DeployContext(project, target, folder, lock, tracking, DeployOptions(), reporter, workspace)
        deployer = backend.open(context, compilation)
        jobs = {job.key: job for job in deployer.jobs()}
        if keys is None:
            keys = [key for key in jobs if not _is_paused(compilation, key, target)]
        elif missing := [key for key in keys if key not in jobs]:
            raise OperationFailed(
                f"{listing(missing)} {'is' if len(missing) == 1 else 'are'} not in the workspace yet, so nothing was "
                "started. Deploy first."
            )
        done = []
        for key in keys:
            done.append(Unpaused(jobs[key], deployer.unpause(jobs[key])))
            write_paused(folder, {*read_paused(folder)} - {key})
        return done


def _is_paused(compilation: Compilation, key: str, target: str | None) -> bool:
    job = compilation.jobs.get(key)
    settings = job.in_target(target).settings if job is not None else {}
    return any(value_at(settings, path)[1] == "PAUSED" for path in PAUSES)
