"""What a project leaves to the workspace: which settings of which jobs, and whether new jobs are paused. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lakeflow_job_meta._internal.trees import Value
from lakeflow_job_meta.compiler.result import Compilation
from lakeflow_job_meta.config.model import STARTS, Project, SettingPath
from lakeflow_job_meta.deployment.policy import Allowance


@dataclass(frozen=True, slots=True)
class Keeping:
    """What the workspace decides.

    Attributes:
        settings: Returns the settings of a job, by its key.
        pauses: Says whether a job is paused when it is created, by its key.
    """

    settings: Callable[[str], tuple[SettingPath, ...]] = lambda key: ()
    pauses: Callable[[str], bool] = lambda key: False


def unpaused(settings: Mapping[str, Value]) -> dict[str, Value]:
    """Returns what starts a job and is paused, as it runs again; `jobs/update` replaces each of these as a whole."""
    starts = {name: each for name in STARTS if isinstance(each := settings.get(name), dict)}
    return {
        name: {**each, "pause_status": "UNPAUSED"}
        for name, each in starts.items()
        if each.get("pause_status") == "PAUSED"
    }


def keeping_of(project: Project, compilation: Compilation, allowance: Allowance | None = None) -> Keeping:
    """Returns what a project leaves to the workspace, unless that is to be overwritten."""
    is_kept = allowance is None or not allowance.overwriting

    def settings(key: str) -> tuple[SettingPath, ...]:
        job = compilation.jobs.get(key)
        names = (key,) if job is None else (key, job.module.module_name)
        return project.kept_settings(*names) if is_kept else ()

    return Keeping(settings, lambda key: project.first_pause and key in compilation.jobs.names)
