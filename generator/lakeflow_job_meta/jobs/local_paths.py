"""Which settings hold paths of files in the project, and how those are written in a generated file.

Pure. In metadata a local path is relative to the project folder, wherever the metadata stands. The databricks CLI takes
it as relative to the YAML file that holds it, and leaves some as they are; those are written as paths in the workspace.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import Enum
from functools import lru_cache
from typing import cast

from lakeflow_job_meta._internal.trees import KeyPath, Value, replaced

_NOT_LOCAL = re.compile(r"/|[A-Za-z][A-Za-z0-9+.-]*:|\$\{|\{\{|~|@|#")
_ARCHIVE = re.compile(r"\.(whl|zip|jar|tar\.gz)$")
_REFERENCE = re.compile(r"\$\{[^{}]*\}|\{\{[^{}]*\}\}")
_OPTION = re.compile(
    r"(?P<name>-r(?=[^\s=])|(?:-[recf]|--requirement|--editable|--constraint|--find-links)(?:\s*=\s*|\s+))"
    r"(?P<quote>['\"]?)(?P<path>.+?)(?P=quote)"
)
"""The options of pip that name something local: https://pip.pypa.io/en/stable/reference/requirements-file-format."""
_EXTRAS = re.compile(r"(?P<path>.*[^\s])\s*(?P<extras>\[[\w\s,.-]*\])")
_SUFFIX_OF_NOTEBOOK = re.compile(r"\.(py|sql|scala|r|ipynb)$", re.IGNORECASE)
NOTEBOOK_SUFFIXES = (".ipynb", ".py", ".sql", ".scala", ".r")

UPLOADED = "${workspace.file_path}"
"""The folder of the workspace that the files of the bundle are uploaded to."""

Patterns = tuple[tuple[str, ...], ...]
"""Paths of settings, where `*` stands for every item of a list."""

TASK_PATHS: Patterns = (
    ("notebook_task", "notebook_path"),
    ("sql_task", "file", "path"),
    ("spark_python_task", "python_file"),
    ("dbt_task", "project_directory"),
    ("alert_task", "workspace_path"),
    ("ai_runtime_task", "deployments", "*", "command_path"),
    ("libraries", "*", "whl"),
    ("libraries", "*", "jar"),
    ("libraries", "*", "egg"),
    ("libraries", "*", "requirements"),
)
"""Settings of a task that may name a file of the project."""

JOB_PATHS: Patterns = (("environments", "*", "spec", "dependencies", "*"),)
"""Settings of a job that may do so."""

_OF_REPOSITORY = ("notebook_task", "sql_task", "spark_python_task", "dbt_task")
"""Tasks whose file Databricks looks for in the `git_source` of the job; what else it names is in the workspace."""


class Base(Enum):
    """What a local path is relative to in a generated file, as the databricks CLI 1.14 reads it."""

    JOB_FILE = "the file that holds it"
    SYNC_ROOT = "what is uploaded: so the CLI finds libraries of jobs with a `git_source`"
    UPLOADED = "the workspace: for what the CLI does not translate"


@dataclass(frozen=True, slots=True)
class LocalPath:
    """A file or folder of the project that a setting names.

    Attributes:
        path: From the project folder; where it was read from a generated file, as it is written there.
        prefix: What stands before the path in the setting (`-r ` in a list of dependencies), and the suffix behind it.
    """

    setting: KeyPath
    path: str
    prefix: str = ""
    suffix: str = ""
    base: Base = Base.JOB_FILE

    @property
    def is_folder(self) -> bool:
        """Whether a folder must be there, not a file."""
        of_pip = self.setting[0] == "environments" and not _ARCHIVE.search(self.path)
        return self.setting[-1] == "project_directory" or (of_pip and self.prefix[:2] not in ("-r", "-c"))

    def written(self, output: str) -> str:
        """Returns a path of the project as the files in `<output>/jobs` write it."""
        if self.base is Base.JOB_FILE:
            return relative_to_job_file(self.path, output)
        path = posixpath.normpath(self.path)
        if self.base is Base.SYNC_ROOT:
            return f"./{path}"
        if self.setting[-1] == "notebook_path":
            path = _SUFFIX_OF_NOTEBOOK.sub("", path)  # in a workspace a notebook has none
        return UPLOADED if path == "." else f"{UPLOADED}/{path}"

    def in_project(self, output: str, is_file: Callable[[str], bool]) -> str:
        """Returns the path from the project folder of what a generated file names."""
        if self.base is Base.JOB_FILE:
            return relative_to_project(self.path, output)
        path = posixpath.normpath(self.path)
        names = [path + suffix for suffix in NOTEBOOK_SUFFIXES if self.setting[-1] == "notebook_path"]
        return next(filter(is_file, names), path) if self.base is Base.UPLOADED else path


def _is_local(path: str) -> bool:
    return bool(path) and not _NOT_LOCAL.match(path)


def local_paths(
    settings: dict[str, Value], patterns: Patterns, *, from_git: bool, resolve: Callable[[str], str] = str
) -> Iterator[LocalPath]:
    """Yields the files of the project that the settings of a job or a task name.

    `from_git` says whether the job has a `git_source`: Databricks then looks there for what names no other place, and
    the CLI translates no path of the job, wherever its file is. `resolve` replaces references in a setting.
    """
    for pattern in patterns:
        for setting, written in _matching(settings, pattern, ()) if pattern[0] in settings else ():
            text = resolve(written)
            if text.startswith("/"):
                continue  # whatever it is, and nearly every one is
            if pattern[-1] == "*":
                found = _of_dependency(setting, text, from_git)
            elif not is_from_git(settings, setting, from_git):
                found = LocalPath(setting, text, base=_base_of(str(setting[-1]), from_git))
            else:
                continue
            if found.base is Base.UPLOADED and found.path.startswith(f"{UPLOADED}/"):
                yield replace(found, path=found.path.removeprefix(f"{UPLOADED}/"))
            elif _is_local(found.path):
                yield found


def _base_of(kind: str, from_git: bool) -> Base:
    if from_git and kind in ("whl", "jar"):
        return Base.SYNC_ROOT
    return Base.UPLOADED if from_git or kind == "egg" else Base.JOB_FILE


def _of_dependency(setting: KeyPath, text: str, from_git: bool) -> LocalPath:
    """A dependency is local unless it is another option of pip, a requirement, absolute or a URL, as the CLI has it.

    Of the options the CLI translates `-r` and `-e`, each with a space behind it, without quotes and for files alone;
    of other dependencies those that are files, which it uploads as libraries.
    """
    option = _OPTION.fullmatch(text)
    if option is None and (text.startswith("-") or _is_requirement(text)):
        return LocalPath(setting, "")
    path, prefix, quote, suffix = text, "", "", ""
    if option is not None:
        path, prefix, quote = option["path"], f"-{option['name'].lstrip('-')[0]} ", option["quote"]
    if prefix != "-r " and (extras := _EXTRAS.fullmatch(path)):
        path, suffix = extras["path"], extras["extras"]
    if option is None and _ARCHIVE.search(path):
        base = Base.SYNC_ROOT if from_git else Base.JOB_FILE
    else:
        base = Base.JOB_FILE if prefix == "-r " and not quote and not from_git else Base.UPLOADED
    return LocalPath(setting, path, prefix + quote, suffix + quote, base)


@lru_cache(maxsize=1024)
def _is_requirement(text: str) -> bool:
    """Returns whether pip takes this for the name of a package; a reference stands for any part of it."""
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        found = Requirement(_REFERENCE.sub("1", text))
    except InvalidRequirement:
        return False
    return not _ARCHIVE.search(found.name) or bool(found.url or found.specifier or found.marker)


def is_from_git(settings: dict[str, Value], setting: KeyPath, from_git: bool) -> bool:
    """Returns whether a path is one of the repository that the job names, not of the project."""
    block: Value = settings
    for step in setting[:-1]:
        block = block[step]  # type: ignore[index]
        if isinstance(block, dict) and isinstance(block.get("source"), str):
            return block["source"] == "GIT"
    return from_git and setting[0] in _OF_REPOSITORY


def _matching(value: Value, pattern: tuple[str, ...], at: KeyPath) -> list[tuple[KeyPath, str]]:
    for number, step in enumerate(pattern):
        if step == "*" and isinstance(value, list):
            inner, outer = pattern[number + 1 :], (*at, *pattern[:number])
            return [found for n, item in enumerate(value) for found in _matching(item, inner, (*outer, n))]
        if not isinstance(value, dict) or step not in value:
            return []
        value = value[step]
    return [((*at, *pattern), value)] if isinstance(value, str) else []


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
    settings: dict[str, Value], patterns: Patterns, change: Callable[[LocalPath], str], *, from_git: bool
) -> dict[str, Value]:
    """Returns the settings with every local path changed; nothing is changed in place."""
    result: Value = settings
    for found in list(local_paths(settings, patterns, from_git=from_git)):
        result = replaced(result, found.setting, found.prefix + change(found) + found.suffix)
    return cast("dict[str, Value]", result)
