"""Local paths in jobs become paths in the workspace; what does not exist or is no notebook ends the command."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from stand_in.diagnostics import failed
from stand_in.settings_schema import dotted
from stand_in.yaml_source import DataPath, Source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_EXTENSIONS = (".py", ".r", ".scala", ".sql", ".ipynb")
_HEADER = re.compile(rb"\A(?:\xef\xbb\xbf)?(?:#|--|//) Databricks notebook source")
_REMOTE = re.compile(r"(?:/|[A-Za-z][A-Za-z0-9+.-]*:)|.*\$\{")
_LOCAL_LIBRARY = re.compile(r"\.{1,2}/|.*\.(?:whl|jar|txt)\Z")


class Translator:
    """Translates the paths of jobs.

    Args:
        bundle: The bundle's folder.
        root: The folder that all that is uploaded is in.
        source: Where each value stands; a path is relative to the file that holds it.
        file_path: The folder of the bundle's files in the workspace.
        artifact_path: The folder of its libraries there.
    """

    def __init__(self, bundle: Path, root: Path, source: Source, file_path: str, artifact_path: str) -> None:
        self._bundle = bundle
        self._root = root
        self._source = source
        self._file_path = file_path
        self._artifact_path = artifact_path

    def job(self, job: dict[str, Any], path: DataPath) -> None:
        """Translates the paths of one job in place."""
        from_git = "git_source" in job
        for index, task in enumerate(job.get("tasks") or []):
            self._task(task, (*path, "tasks", index), from_git)
        for index, environment in enumerate(job.get("environments") or []):
            self._dependencies(environment.get("spec") or {}, (*path, "environments", index, "spec"))

    def _task(self, task: dict[str, Any], path: DataPath, from_git: bool) -> None:
        if not from_git:
            self._field(task, path, ("notebook_task", "notebook_path"), self._notebook)
            self._field(task, path, ("spark_python_task", "python_file"), self._file)
            self._field(task, path, ("sql_task", "file", "path"), self._file)
            self._field(task, path, ("dbt_task", "project_directory"), self._folder)
        for index, library in enumerate(task.get("libraries") or []):
            self._library(library, (*path, "libraries", index))
        if isinstance(loop := task.get("for_each_task"), dict) and isinstance(loop.get("task"), dict):
            self._task(loop["task"], (*path, "for_each_task", "task"), from_git)

    def _field(
        self, task: dict[str, Any], path: DataPath, names: tuple[str, ...], translate: Callable[[str, DataPath], str]
    ) -> None:
        block: Any = task
        for name in names[:-1]:
            block = block.get(name) if isinstance(block, dict) else None
        if not isinstance(block, dict) or not isinstance(value := block.get(names[-1]), str):
            return
        if block.get("source") != "GIT" and value and not _REMOTE.match(value):
            block[names[-1]] = translate(value, (*path, *names))

    def _notebook(self, value: str, path: DataPath) -> str:
        local = self._local(value, path)
        file = self._root / local
        if not file.is_file():
            for extension in _EXTENSIONS if not file.suffix else ():
                if file.with_name(file.name + extension).is_file():
                    raise failed(
                        f'notebook "{local}" not found. Did you mean "{local}{extension}"?\n'
                        "Local notebook references are expected to contain one of the following\n"
                        f"file extensions: [{', '.join(_EXTENSIONS)}]"
                    )
            raise failed(f"notebook {local} not found")
        if file.suffix not in _EXTENSIONS or (file.suffix != ".ipynb" and not _HEADER.match(file.read_bytes()[:100])):
            raise failed(f'expected a notebook for "{dotted(path)}" but got a file: file at {file} is not a notebook')
        return f"{self._file_path}/{local.removesuffix(file.suffix)}"

    def _file(self, value: str, path: DataPath) -> str:
        local = self._local(value, path)
        if not (self._root / local).is_file():
            raise failed(f"file {local} not found")
        return f"{self._file_path}/{local}"

    def _folder(self, value: str, path: DataPath) -> str:
        local = self._local(value, path)
        if not (self._root / local).is_dir():
            raise failed(f"stat {local}: no such file or directory")
        return self._file_path if local == "." else f"{self._file_path}/{local}"

    def _library(self, library: dict[str, Any], path: DataPath) -> None:
        for name in ("whl", "jar", "requirements"):
            value = library.get(name)
            if isinstance(value, str) and not _REMOTE.match(value):
                if name == "requirements":
                    library[name] = self._file(value, (*path, name))
                else:
                    library[name] = f"{self._artifact_path}/.internal/{Path(value).name}"

    def _dependencies(self, spec: dict[str, Any], path: DataPath) -> None:
        for index, value in enumerate(spec.get("dependencies") or []):
            if value.startswith("-r ") and not _REMOTE.match(value[3:]):
                spec["dependencies"][index] = "-r " + self._file(value[3:], (*path, "dependencies", index))
            elif _LOCAL_LIBRARY.match(value) and not _REMOTE.match(value):
                spec["dependencies"][index] = f"{self._artifact_path}/.internal/{Path(value).name}"

    def _local(self, value: str, path: DataPath) -> str:
        """The path from the bundle's folder, from one that is relative to the file it stands in."""
        place = self._source.values.get(path)
        folder = os.path.dirname(place.file) if place else ""  # noqa: PTH120 - a text, not a file
        path_here = os.path.normpath(self._bundle / folder / value)
        local = os.path.relpath(path_here, self._root).replace(os.sep, "/")
        if local == ".." or local.startswith("../"):
            raise failed(f"path {path_here} is not contained in sync root path")
        return local
