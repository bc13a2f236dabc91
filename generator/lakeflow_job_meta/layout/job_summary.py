"""What the bundle of a job has to know of the job, so that it need not be built again for that. Pure."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lakeflow_job_meta._internal.trees import KeyPath, Value, texts_in, value_at
from lakeflow_job_meta.config.model import Project, is_inside
from lakeflow_job_meta.jobs.local_paths import JOB_PATHS, TASK_PATHS, LocalPath, local_paths
from lakeflow_job_meta.jobs.model import with_iteration
from lakeflow_job_meta.jobs.references import JOB_REFERENCE

UP = "../.."
"""From the folder of a bundle to the project's."""

_UPLOADED_APART = ("whl", "jar", "egg")
"""Libraries are uploaded by the CLI wherever they are, and need not be among the files of the bundle."""


@dataclass(frozen=True, slots=True)
class JobSummary:
    """What the bundle of a job has to know of it.

    Attributes:
        key: The job's.
        group: What names its bundle: the value of the tag that `bundles.by` means, else of the column of that name;
            empty where there is neither.
        refers_to: The keys of the jobs that its settings name.
        uploads: What the CLI has to upload for it, relative to the bundle's folder.
        libraries: The libraries of the project that it names; the folder, where a pattern stands for several.
    """

    key: str
    group: str = ""
    refers_to: tuple[str, ...] = ()
    uploads: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()


def summarize_job(project: Project, key: str, settings: dict[str, Value], group: str | None = None) -> JobSummary:
    """Returns the outline of a job of a project of many bundles.

    Args:
        project: The project.
        key: The job's.
        settings: The job's.
        group: Of its module.
    """
    tag = value_at(settings, ("tags", project.bundles.by))[1] if project.bundles and project.bundles.by else None
    files = [*_files(settings)]
    return JobSummary(
        key,
        (group or "") if tag is None else str(tag),
        tuple(dict.fromkeys(other for _, other in references(key, settings))),
        tuple(sorted(set(_uploads(project, files)))),
        tuple(sorted(set(_libraries(project, files)))),
    )


def references(key: str, settings: dict[str, Value]) -> Iterator[tuple[KeyPath, str]]:
    """Yields the keys of the other jobs that the settings of a job refer to, with the paths of the settings."""
    if "${resources.jobs." in json.dumps(settings):
        found = ((path, match.group(1)) for path, text in texts_in(settings) for match in JOB_REFERENCE.finditer(text))
        yield from ((path, other) for path, other in found if other != key)


def _uploads(project: Project, files: Iterable[LocalPath]) -> Iterator[str]:
    own = f"{project.files_of_jobs}/"
    for found in files:
        path = in_project(project, found.path)
        if path.startswith(own):
            yield f"{project.output}/sql"
        elif found.setting[-1] not in _UPLOADED_APART and not _is_library(found) and is_inside(path):
            yield UP if path == "." else f"{UP}/{_whole_folder(path)}"


def _whole_folder(path: str) -> str:
    """Returns the first folder of a path, since notebooks import and run what lies beside and above them."""
    return path.split("/", 1)[0]


def _is_library(found: LocalPath) -> bool:
    return not found.prefix and found.setting[0] == "environments"


def _libraries(project: Project, files: Iterable[LocalPath]) -> Iterator[str]:
    for found in files:
        if found.setting[-1] in _UPLOADED_APART or _is_library(found):
            path = in_project(project, found.path)
            yield posixpath.dirname(path) if any(sign in path for sign in "*?[") else path


def in_project(project: Project, path: str) -> str:
    """Returns a path of a generated file, which is relative to that, relative to the project."""
    return posixpath.normpath(posixpath.join(project.files_of_jobs, "jobs", path))


def _files(settings: dict[str, Value]) -> Iterator[LocalPath]:
    from_git = "git_source" in settings
    yield from local_paths(settings, JOB_PATHS, from_git=from_git)
    tasks = settings.get("tasks")
    for task in tasks if isinstance(tasks, list) else []:
        if isinstance(task, dict):
            for _, each in with_iteration((), task):
                yield from local_paths(each, TASK_PATHS, from_git=from_git)
