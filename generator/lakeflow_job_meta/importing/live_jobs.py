"""The jobs of a workspace that nobody deploys from files, as what an import takes. Reads the Jobs API only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from lakeflow_job_meta._internal.text import count, json_like, listing, quoted
from lakeflow_job_meta._internal.trees import Value
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.deployment.jobs_api.client import JobsClient, RemoteJob
from lakeflow_job_meta.deployment.jobs_api.diff import OUR_TAGS
from lakeflow_job_meta.errors import ConfigError
from lakeflow_job_meta.importing.model import FoundJob, NotImported
from lakeflow_job_meta.importing.modules import why_no_module
from lakeflow_job_meta.jobs.build import left_out
from lakeflow_job_meta.jobs.key_order import in_job_order, in_task_order
from lakeflow_job_meta.parsing.keys import is_job_key, job_key
from lakeflow_job_meta.text.markers import one_line


@dataclass(frozen=True, slots=True)
class Selection:
    """Which jobs are meant: those of the ids, or all that fit every one of the others.

    Attributes:
        names: Globs, of which one must fit the name.
        tags: Tags that must be there, with these values.
        unmanaged: All that no bundle deploys.
    """

    ids: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    tags: Mapping[str, str] | None = None
    unmanaged: bool = False

    def takes(self, job: RemoteJob) -> bool:
        name = str(job.settings.get("name") or "")
        has_name = not self.names or any(fnmatchcase(name, each) for each in self.names)
        tags = {key: value if isinstance(value, str) else json_like(value) for key, value in job.tags.items()}
        is_free = not self.unmanaged or not (job.is_of_a_bundle or _is_ours(job))
        return has_name and is_free and all(tags.get(key) == value for key, value in (self.tags or {}).items())


def find_live_jobs(
    project: Project, client: JobsClient, wanted: Selection, target: str | None
) -> tuple[list[FoundJob], list[NotImported], list[str]]:
    """Returns the jobs that are meant, those that are left alone or refused, and notes for people.

    The bundle's `target` is the one that takes the jobs over; None where it has none.

    Raises:
        ConfigError: Nothing says which jobs are meant.
        OperationFailed: The workspace cannot be reached, or refuses.
    """
    if not (wanted.ids or wanted.names or wanted.tags or wanted.unmanaged):
        raise ConfigError("Say which jobs are meant: ids, --name GLOB, --tag KEY=VALUE or --unmanaged.")
    ids = list(dict.fromkeys(wanted.ids)) or [job.job_id for job in client.all_jobs() if wanted.takes(job)]
    jobs, not_imported, dropped = list[RemoteJob](), list[NotImported](), Counter[str]()
    for job_id, job in zip(ids, client.jobs(ids), strict=True):
        reason = f"there is no such job in {client.host}, or you may not see it" if job is None else _why_left(job)
        if job is not None and reason is None:
            jobs.append(job)
        else:
            name = str(job.settings.get("name") or "") if job is not None else ""
            not_imported.append(NotImported(name, f"job {job_id}", reason or "", is_refused=job is None))
    permissions, unknown = client.shared_permissions([job.job_id for job in jobs])
    found: list[FoundJob] = []
    for job, name in zip(jobs, _names(jobs), strict=True):
        settings = {key: value for key, value in job.settings.items() if key not in left_out(project)}
        dropped.update(job.settings.keys() - settings.keys())
        where = f"job {job.job_id}"
        if (reason := why_no_module(settings)) is not None:
            not_imported.append(NotImported(name, where, reason))
            continue
        shared: dict[str, Value] = {"permissions": permissions[job.job_id]} if job.job_id in permissions else {}
        settings = _in_order({**settings, **shared})
        title = one_line(str(settings.get("name") or "without a name"))
        heading = (f"# Job {job.job_id} of {client.host}: {title}",)
        adopt = {target: job.job_id} if target is not None else {}
        found.append(FoundJob(name, where, settings, adopt=adopt, heading=heading))
    notes = [f"Left out, since Databricks sets it: {listing(_counted(dropped))}."] if dropped else []
    notes += (
        f"job {job_id}: its permissions are not known, and so are not in its module: {error}"
        for job_id, error in unknown.items()
    )
    return found, not_imported, notes


def _in_order(settings: dict[str, Value]) -> dict[str, Value]:
    """Returns settings in the order of the UI; the API answers them in another one."""
    tasks = settings["tasks"]
    ordered = [in_task_order(task) for task in (tasks if isinstance(tasks, list) else []) if isinstance(task, dict)]
    return in_job_order({**settings, "tasks": list[Value](ordered)})


def _counted(dropped: Counter[str]) -> Iterable[str]:
    return (f"{name} ({count(number, 'job')})" for name, number in sorted(dropped.items()))


def _why_left(job: RemoteJob) -> str | None:
    """Says why a job is left alone; None if it is not."""
    if job.is_of_a_bundle:
        return f"belongs to {_bundle_of(job)}"
    if _is_ours(job):
        return "is deployed from metadata already"
    if not job.settings.get("tasks"):
        return f"has the format {job.settings.get('format') or 'SINGLE_TASK'}, and no tasks"
    return None


def _is_ours(job: RemoteJob) -> bool:
    return any(tag.startswith(OUR_TAGS) for tag in job.tags)


def _bundle_of(job: RemoteJob) -> str:
    """Names the bundle of a job by the path of its state: `.../.bundle/NAME/TARGET/state/metadata.json`."""
    steps = job.bundle_path.split("/")
    number = steps.index(".bundle") if ".bundle" in steps else len(steps)
    name = steps[number + 1 : number + 3]
    if len(name) == 2:
        return f"the bundle {name[0]}, target {name[1]}"
    return f"a bundle ({quoted(job.bundle_path)})" if job.bundle_path else "a bundle"


def _names(jobs: Sequence[RemoteJob]) -> list[str]:
    """Returns the names of modules, each once whatever its case: of the jobs' own, or of their ids."""
    keys = [job_key(str(job.settings.get("name") or "")) for job in jobs]
    keys = [key if is_job_key(key) else f"job_{job.job_id}" for key, job in zip(keys, jobs, strict=True)]
    counted = Counter(key.casefold() for key in keys)
    return [f"{key}_{job.job_id}" if counted[key.casefold()] > 1 else key for key, job in zip(keys, jobs, strict=True)]
