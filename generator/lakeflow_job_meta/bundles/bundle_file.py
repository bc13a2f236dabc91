"""The `databricks.yml` of each bundle of a project of many. Pure.

A bundle takes along only what its own jobs need, so that it can be validated, planned and deployed alone, also by the
plain databricks CLI.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator

from lakeflow_job_meta.bundles.shared import Shared
from lakeflow_job_meta.jobs.paths import JOB_PATHS, TASK_PATHS, LocalPath, local_paths
from lakeflow_job_meta.output.markers import JOB_MARKER
from lakeflow_job_meta.output.yaml_writer import to_yaml
from lakeflow_job_meta.project import PROJECT_FILE, Project, is_inside
from lakeflow_job_meta.values import Value

_UP = "../.."
_UPLOADED_APART = ("whl", "jar", "egg")
"""Libraries are uploaded by the CLI wherever they are, and need not be among the files of the bundle."""


def bundle_file(project: Project, shared: Shared, bundle: str, jobs: Iterable[dict[str, Value]]) -> str:
    """Returns the text of a bundle's file.

    Args:
        project: The project.
        shared: What the bundles have in common.
        bundle: The bundle's name within the project.
        jobs: The settings of its jobs.
    """
    paths = {place for settings in jobs for place in _synced(project, settings)}
    content: Value = {
        "bundle": {"name": f"{shared.name}_{bundle}"},
        "include": [f"{project.output}/jobs/*.yml", *(f"{_UP}/{path}" for path in shared.include)],
        "sync": {"paths": [*sorted(paths)]},
    }
    return f"{JOB_MARKER.line(PROJECT_FILE)}\n{to_yaml(content)}\n"


def _synced(project: Project, settings: dict[str, Value]) -> Iterator[str]:
    """Yields what the CLI has to upload for a job, relative to the bundle's folder."""
    own = f"{project.files_of_jobs}/"
    for found in _files(settings):
        path = in_project(project, found.path)
        if path.startswith(own):
            yield f"{project.output}/sql"
        elif found.setting[-1] not in _UPLOADED_APART and not _is_library(found) and is_inside(path):
            yield _UP if path == "." else f"{_UP}/{_whole_folder(path)}"


def _whole_folder(path: str) -> str:
    """Returns the first folder of a path, since notebooks import and run what lies beside and above them."""
    return path.split("/", 1)[0]


def _is_library(found: LocalPath) -> bool:
    return not found.prefix and found.setting[0] == "environments"


def libraries_named(project: Project, settings: dict[str, Value]) -> Iterator[str]:
    """Yields the libraries of the project that a job names; the folder, where a pattern stands for several."""
    for found in _files(settings):
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
        yield from _files_of_task(task, from_git)


def _files_of_task(task: Value, from_git: bool) -> Iterator[LocalPath]:
    if not isinstance(task, dict):
        return
    yield from local_paths(task, TASK_PATHS, from_git=from_git)
    loop = task.get("for_each_task")
    if isinstance(loop, dict):
        yield from _files_of_task(loop.get("task"), from_git)
