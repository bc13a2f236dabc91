"""How names of the metadata become keys of the bundle, and how a key that was meant is found. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum

from lakeflow_job_meta._internal.text import quoted

MAX_TASK_KEY = 100
"""Jobs API, `tasks.task_key`: at most 100 characters."""

MAX_JOB_KEY = 200
"""A file is named after it, and file systems allow 255 bytes."""

_NOT_IN_KEY = re.compile(r"[^A-Za-z0-9_-]")
_TASK_KEY = re.compile(rf"[A-Za-z0-9_-]{{1,{MAX_TASK_KEY}}}")
_OF_BUNDLE = "resources.jobs."
_UNDERSCORES = re.compile(r"_+")
_JOB_KEY = re.compile(r"[A-Za-z][A-Za-z0-9]*([_-]+[A-Za-z0-9]+)*")


class TaskKeys(str, Enum):
    """How a `source_id` becomes a task key: as it is written where it can, or as the original tool made it."""

    AS_WRITTEN = "as_written"
    UNDERSCORES = "underscores"


class SourceParameters(str, Enum):
    """Which parameters notebooks get by which they find their row of the control table."""

    ALL = "all"
    NONE = "none"


def task_key(source_id: str, style: TaskKeys = TaskKeys.AS_WRITTEN) -> str:
    """Returns the task key of a source: `sales/2024` becomes `sales_2024`; empty if neither letter nor digit is left.

    What Databricks takes as a key stays as it is written (Jobs API: letters, digits, `_` and `-`), or gets underscores.
    """
    if style is TaskKeys.UNDERSCORES:
        return job_key(source_id.replace("-", "_"))
    return source_id if _TASK_KEY.fullmatch(source_id) else job_key(source_id)


def task_key_hint(name: str, keys: Iterable[str], style: TaskKeys) -> str:
    """Returns which of some task keys is meant by a name that differs in what becomes `_`, and why; else nothing."""
    spelling = task_key(name, TaskKeys.UNDERSCORES)
    meant = next((key for key in keys if task_key(key, TaskKeys.UNDERSCORES) == spelling), None)
    if meant is None:
        return ""
    if style is TaskKeys.UNDERSCORES:
        return f"; its key is {meant!r}, since job_meta.yml says 'naming: {{task_key: underscores}}'"
    return (
        f"; its key is {meant!r}, since a 'source_id' stays as written but for what no key can hold "
        "('naming: {task_key: underscores}' in job_meta.yml would replace '-' too)"
    )


class SourceSpellings:
    """The sources of a module by other ways to write their ids, for what names one in such a way."""

    def __init__(self, source_ids: Iterable[str], style: TaskKeys) -> None:
        self._keys = {source_id: task_key(source_id, style) for source_id in source_ids}
        self._by_key: dict[str, list[str]] = {}
        self._by_spelling: dict[str, list[str]] = {}
        for source_id, key in self._keys.items():
            self._by_key.setdefault(key, []).append(source_id)
            self._by_spelling.setdefault(task_key(source_id, TaskKeys.UNDERSCORES), []).append(source_id)

    def hint(self, name: str, besides: str) -> str:
        """Returns which source is meant by its task key, or by an id that differs in what becomes `_`; else nothing."""
        alike = self._by_spelling.get(task_key(name, TaskKeys.UNDERSCORES), [])
        meant = next((each for each in (*self._by_key.get(name, ()), *alike) if each != besides), None)
        if meant is None:
            return ""
        key = self._keys[meant]
        what = f"{quoted(name)} is its task key" if key == name else f"its task key is {key!r}"
        return f"; 'depends_on' names the 'source_id' as it is written, {quoted(meant)} ({what})"


def job_key(module_name: str) -> str:
    """Returns the bundle's resource key of a module, hyphens kept; empty if no character is left."""
    return _UNDERSCORES.sub("_", _NOT_IN_KEY.sub("_", module_name)).strip("_-")


def former_key(name: str) -> str:
    """Returns the key that a job had as `formerly` names it: of a module, or `resources.jobs.KEY` of the bundle's own.

    A file of the bundle may give its job a key that no module has, such as `a__b`.
    """
    return name.removeprefix(_OF_BUNDLE) if name.startswith(_OF_BUNDLE) else job_key(name)


def former_name(key: str) -> str:
    """Returns what `formerly` says of a job with a key that no module has."""
    return f"{_OF_BUNDLE}{key}"


def is_job_key(key: str) -> bool:
    """Says whether the CLI takes this as a resource key and a file can be named after it."""
    return bool(_JOB_KEY.fullmatch(key)) and len(key) <= MAX_JOB_KEY


def job_key_problem(module_name: str) -> str | None:
    """Says why no job can have the key of a module, and which name would do; None if one can."""
    key = job_key(module_name)
    if is_job_key(key):
        return None
    if not key:
        why = "nothing is left of it when special characters are replaced; a name that starts with a letter"
    elif len(key) > MAX_JOB_KEY:
        why = f"it has {len(key)} characters; the limit is {MAX_JOB_KEY}; a shorter name"
    else:
        why = f"{quoted(key)} does not start with a letter; {quoted(f'm_{key}')}"
    return f"no job key can be derived from {quoted(module_name)}: {why} would do"


def task_key_problem(source_id: str, key: str) -> str | None:
    """Says why no task can have the key of a source; None if one can."""
    if (at := source_id.find("${")) >= 0:
        why = "which would be lost: a task key is made of the text as it stands"
        return f"{quoted(source_id, at)} holds a reference, {why}"
    if not key:
        return f"no task key can be derived from {quoted(source_id)}: it has neither letters nor digits"
    if len(key) > MAX_TASK_KEY:
        return f"the task key {quoted(key)} has {len(key)} characters; Databricks allows {MAX_TASK_KEY}"
    return None
