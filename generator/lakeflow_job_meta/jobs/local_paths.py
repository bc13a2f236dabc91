"""Which settings hold paths of files in the project, and how those are written in a generated file.

Pure. In metadata a local path is relative to the project folder, wherever the metadata stands; a bundle wants it
relative to the YAML file that holds it.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lakeflow_job_meta._internal.trees import KeyPath, Value

_NOT_LOCAL = re.compile(r"/|[A-Za-z][A-Za-z0-9+.-]*:|\$\{|\{\{|~|@|#")
_DEPENDENCY_FILE = re.compile(r"\.{1,2}/|.*\.(whl|zip|jar|tar\.gz)$|-r\s+|--requirement[ =]")

TASK_PATHS: tuple[tuple[str, ...], ...] = (
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

JOB_PATHS: tuple[tuple[str, ...], ...] = (("environments", "*", "spec", "dependencies", "*"),)
"""Settings of a job that may do so."""


@dataclass(frozen=True, slots=True)
class LocalPath:
    """A file of the project that a setting names.

    Attributes:
        setting: Where in the settings.
        path: The file, relative to the project folder.
        prefix: What stands before the path in the setting (`-r ` in a list of dependencies).
    """

    setting: KeyPath
    path: str
    prefix: str = ""


def is_local(path: str) -> bool:
    """Returns whether a path names a file of the project: not absolute, no URL, no reference."""
    return bool(path) and not _NOT_LOCAL.match(path)


def local_paths(
    settings: dict[str, Value], patterns: tuple[tuple[str, ...], ...], *, from_git: bool
) -> Iterator[LocalPath]:
    """Yields the files of the project that the settings of a job or a task name.

    Args:
        settings: Of the job or the task.
        patterns: Which settings hold paths.
        from_git: Whether the job has a `git_source`, where Databricks then looks for what names no other place.
    """
    for pattern in patterns:
        for setting, text in _matching(settings, pattern, ()) if pattern[0] in settings else ():
            if pattern[-1] == "*":
                yield from _of_dependency(setting, text)
            elif is_local(text) and not _is_from_git(settings, setting, from_git):
                yield LocalPath(setting, text)


def _of_dependency(setting: KeyPath, text: str) -> Iterator[LocalPath]:
    """A dependency names a file when it looks like one; `pandas==2.2` does not."""
    if not _DEPENDENCY_FILE.match(text):
        return
    prefix = re.match(r"-r\s+|--requirement[ =]|", text)
    start = prefix.group() if prefix else ""
    if is_local(text[len(start) :]):
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
    settings: dict[str, Value], patterns: tuple[tuple[str, ...], ...], change: Callable[[str], str], *, from_git: bool
) -> dict[str, Value]:
    """Returns the settings with every local path changed; nothing is changed in place."""
    result = settings
    for found in list(local_paths(settings, patterns, from_git=from_git)):
        result = _replaced(result, found.setting, found.prefix + change(found.path))
    return result


def _replaced(value: dict[str, Value], path: KeyPath, new: str) -> dict[str, Value]:
    def inner(current: Value, rest: KeyPath) -> Value:
        if not rest:
            return new
        if isinstance(current, dict):
            return {**current, str(rest[0]): inner(current[str(rest[0])], rest[1:])}
        if isinstance(current, list):
            return [inner(item, rest[1:]) if number == rest[0] else item for number, item in enumerate(current)]
        return current

    changed = inner(value, path)
    return changed if isinstance(changed, dict) else value
