"""Which settings hold paths of files in the project, and how those are written in a generated file.

Pure. In metadata a local path is relative to the project folder, wherever the metadata stands; a bundle wants it
relative to the YAML file that holds it.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import cast

from lakeflow_job_meta._internal.trees import KeyPath, Value, replaced

_NOT_LOCAL = re.compile(r"/|[A-Za-z][A-Za-z0-9+.-]*:|\$\{|\{\{|~|@|#")
_DEPENDENCY_FILE = re.compile(r"\.{1,2}/|.*\.(whl|zip|jar|tar\.gz)$|-r\s+|--requirement[ =]")

Patterns = tuple[tuple[str, ...], ...]
"""Paths of settings, where `*` stands for every item of a list."""

TASK_PATHS: Patterns = (
    ("notebook_task", "notebook_path"),
    ("sql_task", "file", "path"),
    ("spark_python_task", "python_file"),
    ("dbt_task", "project_directory"),
    ("libraries", "*", "whl"),
    ("libraries", "*", "jar"),
    ("libraries", "*", "egg"),
    ("libraries", "*", "requirements"),
)
"""Settings of a task that may name a file of the project."""

JOB_PATHS: Patterns = (("environments", "*", "spec", "dependencies", "*"),)
"""Settings of a job that may do so."""


@dataclass(frozen=True, slots=True)
class LocalPath:
    """A file of the project that a setting names, by its path from the project folder.

    Attributes:
        prefix: What stands before the path in the setting (`-r ` in a list of dependencies).
    """

    setting: KeyPath
    path: str
    prefix: str = ""


def _is_local(path: str) -> bool:
    return bool(path) and not _NOT_LOCAL.match(path)


def local_paths(settings: dict[str, Value], patterns: Patterns, *, from_git: bool) -> Iterator[LocalPath]:
    """Yields the files of the project that the settings of a job or a task name.

    `from_git` says whether the job has a `git_source`, where Databricks then looks for what names no other place.
    """
    for pattern in patterns:
        for setting, text in _matching(settings, pattern, ()) if pattern[0] in settings else ():
            if pattern[-1] == "*":
                yield from _of_dependency(setting, text)
            elif _is_local(text) and not _is_from_git(settings, setting, from_git):
                yield LocalPath(setting, text)


def _of_dependency(setting: KeyPath, text: str) -> Iterator[LocalPath]:
    """A dependency names a file when it looks like one; `pandas==2.2` does not."""
    if not _DEPENDENCY_FILE.match(text):
        return
    prefix = re.match(r"-r\s+|--requirement[ =]|", text)
    start = prefix.group() if prefix else ""
    if _is_local(text[len(start) :]):
        yield LocalPath(setting, text[len(start) :], start)


def _is_from_git(settings: dict[str, Value], setting: KeyPath, from_git: bool) -> bool:
    """Whether a path is one of the repository that the job names, not of the project."""
    block: Value = settings
    for step in setting[:-1]:
        block = block[step]  # type: ignore[index]
        if isinstance(block, dict) and isinstance(block.get("source"), str):
            return block["source"] == "GIT"
    return from_git and setting[0] != "libraries"


def _matching(value: Value, pattern: tuple[str, ...], at: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    if not pattern:
        if isinstance(value, str):
            yield at, value
    elif pattern[0] == "*" and isinstance(value, list):
        for number, item in enumerate(value):
            yield from _matching(item, pattern[1:], (*at, number))
    elif isinstance(value, dict) and pattern[0] in value:
        yield from _matching(value[pattern[0]], pattern[1:], (*at, pattern[0]))


def relative_to_job_file(path: str, output: str) -> str:
    """Returns a path of the project as the files in `<output>/jobs` write it, always with `./` or `../` in front."""
    # Both are put below a root of their own: relpath would ask for the current folder otherwise.
    root = "/" + "/".join("r" * (path.count("..") + 1))
    relative = posixpath.relpath(posixpath.join(root, path), posixpath.join(root, output, "jobs"))
    return relative if relative.startswith("../") else f"./{relative}"


def relative_to_project(path: str, output: str) -> str:
    """Returns a path in a file of `<output>/jobs` as a path of the project."""
    return posixpath.normpath(posixpath.join(output, "jobs", path))


def with_paths(
    settings: dict[str, Value], patterns: Patterns, change: Callable[[str], str], *, from_git: bool
) -> dict[str, Value]:
    """Returns the settings with every local path changed; nothing is changed in place."""
    result: Value = settings
    for found in list(local_paths(settings, patterns, from_git=from_git)):
        result = replaced(result, found.setting, found.prefix + change(found.path))
    return cast("dict[str, Value]", result)
