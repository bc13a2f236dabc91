"""Settings of a job as they were read, in the form in which they can be compared: types and local paths. Pure."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import cast

from lakeflow_job_meta._internal.trees import KeyPath, Value, replaced, value_at
from lakeflow_job_meta.jobs.local_paths import JOB_PATHS, TASK_PATHS, Base, Patterns, local_paths
from lakeflow_job_meta.jobs.task_types import INLINE_SQL
from lakeflow_job_meta.schema.validator import types_in_job

_WHOLE = re.compile(r"[-+]?[0-9]{1,18}")
_BOOLEANS: dict[str, Value] = {"true": True, "false": False}


def with_types(value: Value, path: KeyPath = ()) -> Value:
    """Returns settings with the types that the databricks CLI gives them: `1.0` is the text "1" where text is wanted.

    libs/dyn/convert/normalize.go: numbers and booleans become text, and text that is one of them becomes that.
    """
    if isinstance(value, dict):
        return {key: with_types(item, (*path, key)) for key, item in value.items()}
    if isinstance(value, list):
        return [with_types(item, (*path, 0)) for item in value]
    wanted = _types(path)
    if len(wanted) != 1 or value is None:
        return value
    (kind,) = wanted
    if kind == "string":
        return value if isinstance(value, str) else _as_text(value)
    return _as_number(value, kind)


@lru_cache(maxsize=4096)
def _types(path: KeyPath) -> frozenset[str]:
    return types_in_job(path)


def _as_text(value: bool | int | float) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int) else format(Decimal(repr(value)).normalize(), "f")


def _as_number(value: str | bool | int | float, kind: str) -> Value:
    if kind == "boolean" and isinstance(value, str):
        return _BOOLEANS.get(value, value)
    if kind == "integer" and isinstance(value, float) and value.is_integer():
        return int(value)
    return int(value) if kind in ("integer", "number") and isinstance(value, str) and _WHOLE.fullmatch(value) else value


def from_project(settings: dict[str, Value], folder: str) -> dict[str, Value]:
    """Returns the settings of a job with its local paths from the project folder, as metadata has them.

    `folder` is that of the file that the settings stand in, which the databricks CLI takes them to be relative to. What
    the CLI does not translate stays as it is.
    """
    from_git = settings.get("git_source") is not None
    result = _rebased(settings, JOB_PATHS, folder, from_git)
    tasks = result.get("tasks")
    if isinstance(tasks, list):
        result["tasks"] = [_task_from_project(task, folder, from_git) for task in tasks]
    return result


def _task_from_project(task: Value, folder: str, from_git: bool) -> Value:
    if not isinstance(task, dict):
        return task
    result = _rebased(task, TASK_PATHS, folder, from_git)
    is_loop, inner = value_at(result, ("for_each_task", "task"))
    if is_loop:
        path = ("for_each_task", "task")
        return replaced(result, path, _task_from_project(cast("Value", inner), folder, from_git))
    return result


def _rebased(settings: dict[str, Value], patterns: Patterns, folder: str, from_git: bool) -> dict[str, Value]:
    result: Value = dict(settings)
    for found in list(local_paths(settings, patterns, from_git=from_git)):
        if found.base is Base.UPLOADED or not str(value_at(settings, found.setting)[1]).startswith(found.prefix):
            continue
        path = posixpath.normpath(posixpath.join(folder if found.base is Base.JOB_FILE else "", found.path))
        if isinstance(found.setting[-1], int) and not found.prefix and not path.startswith("../"):
            path = f"./{path}"  # a dependency without a folder in front would be the name of a package
        result = replaced(result, found.setting, f"{found.prefix}{path}{found.suffix}")
    return cast("dict[str, Value]", result)


def comparable(settings: dict[str, Value], folder: str, sql: Mapping[str, str] | None = None) -> dict[str, Value]:
    """Returns settings so that two that mean the same are the same: tasks by their keys, and paths of the project.

    `sql` has the texts of generated SQL files by the names of the files, which stand where the job names them.
    """
    settings = from_project({name: value for name, value in settings.items() if value is not None}, folder)
    tasks = settings.get("tasks")
    if isinstance(tasks, list):
        settings["tasks"] = {_key_of(task): _comparable_task(task, sql or {}) for task in tasks}
    return settings


def _with_text(block: dict[str, Value], sql: Mapping[str, str]) -> Value:
    """Returns a SQL task with its text where that is in a generated file, always with an end of line."""
    file = block.get("file")
    path = file.get("path") if isinstance(file, dict) else None
    text = sql.get(posixpath.basename(path).removesuffix(".sql")) if isinstance(path, str) else None
    text = block.get(INLINE_SQL) if text is None else text  # type: ignore[assignment]
    if not isinstance(text, str):
        return block
    others = {name: value for name, value in block.items() if name not in ("file", INLINE_SQL)}
    return {**others, INLINE_SQL: text if text.endswith("\n") else f"{text}\n"}


def _key_of(task: Value) -> str:
    return str(task.get("task_key")) if isinstance(task, dict) else str(task)


def _comparable_task(task: Value, sql: Mapping[str, str]) -> Value:
    if not isinstance(task, dict):
        return task
    block = task.get("sql_task")
    if isinstance(block, dict):
        task = {**task, "sql_task": _with_text(block, sql)}
    return {name: value for name, value in task.items() if value is not None and (name, value) != ("depends_on", [])}
