"""Files of the project that jobs name: they exist, and a notebook is one that Databricks takes for one."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from lakeflow_job_meta._internal.text import closest, quoted
from lakeflow_job_meta.checks.context import CheckContext
from lakeflow_job_meta.diagnostics.model import Diagnostic, SourceRef
from lakeflow_job_meta.diagnostics.rules import MISSING_FILE, NOT_A_NOTEBOOK
from lakeflow_job_meta.jobs.local_paths import JOB_PATHS, TASK_PATHS, LocalPath, local_paths, relative_to_project
from lakeflow_job_meta.jobs.model import Job

_HEADERS = {
    ".py": "# Databricks notebook source",
    ".r": "# Databricks notebook source",
    ".sql": "-- Databricks notebook source",
    ".scala": "// Databricks notebook source",
}
_BUILT = (".whl", ".jar", ".egg", ".zip", ".tar.gz")
"""These are often made by the bundle's own build, so they need not exist yet."""


def local_files_exist(job: Job, context: CheckContext) -> Iterator[Diagnostic]:
    """Looks at each file of the project that the job names."""
    from_git = "git_source" in job.settings
    for path, task in job.all_tasks:
        for found in local_paths(task, TASK_PATHS, from_git=from_git):
            yield from _problems(found, job.origin_of((*path, *found.setting)), context)
    for found in local_paths(job.settings, JOB_PATHS, from_git=from_git):
        yield from _problems(found, job.origin_of(found.setting), context)


def _problems(found: LocalPath, origin: SourceRef, context: CheckContext) -> Iterator[Diagnostic]:
    path = relative_to_project(found.path, context.output)
    if (
        path.startswith(f"{context.output}/sql/")
        or path.lower().endswith(_BUILT)
        or any(sign in path for sign in "*?[")
    ):
        return
    files = context.files
    is_folder = found.setting[-1] == "project_directory"
    if not (files.is_folder(path) if is_folder else files.is_file(path)):
        near = closest(path, files.beside(path))
        hint = f"; did you mean {near!r}?" if near else "; paths are relative to the project folder"
        yield MISSING_FILE.at(
            origin, f"there is no {'folder' if is_folder else 'file'} {quoted(path)} in the project{hint}"
        )
    elif found.setting[-2:] == ("notebook_task", "notebook_path"):
        yield from _notebook_problems(path, origin, context)
    elif found.setting[-1] == "python_file" and files.first_line(path) == _HEADERS[".py"]:
        yield NOT_A_NOTEBOOK.at(
            origin, f"{quoted(path)} is a notebook, but this task runs a plain Python file; use notebook_path"
        )


def _notebook_problems(path: str, origin: SourceRef, context: CheckContext) -> Iterator[Diagnostic]:
    suffix = posixpath.splitext(path)[1].lower()
    if suffix == ".ipynb":
        return
    if suffix not in _HEADERS:
        known = ", ".join([".ipynb", *_HEADERS])
        yield NOT_A_NOTEBOOK.at(origin, f"{quoted(path)} is no notebook: its name must end in one of {known}")
    elif context.files.first_line(path) != _HEADERS[suffix]:
        yield NOT_A_NOTEBOOK.at(origin, f"{quoted(path)} is no notebook: its first line must be {_HEADERS[suffix]!r}")


JOB_CHECKS = (local_files_exist,)
