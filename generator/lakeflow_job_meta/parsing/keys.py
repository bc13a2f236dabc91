"""How names of the metadata become keys of the bundle. Pure, and the same since the original tool."""

from __future__ import annotations

import re

from lakeflow_job_meta._internal.text import quoted

MAX_TASK_KEY = 100
"""Jobs API, `tasks.task_key`: at most 100 characters."""

MAX_JOB_KEY = 200
"""A file is named after it, and file systems allow 255 bytes."""

_NOT_IN_TASK_KEY = re.compile(r"[^A-Za-z0-9_]")
_NOT_IN_JOB_KEY = re.compile(r"[^A-Za-z0-9_-]")
_UNDERSCORES = re.compile(r"_+")
_JOB_KEY = re.compile(r"[A-Za-z][A-Za-z0-9]*([_-]+[A-Za-z0-9]+)*")


def task_key(source_id: str) -> str:
    """Returns the task key of a source: `sales/2024` becomes `sales_2024`; empty if no character is left."""
    return _UNDERSCORES.sub("_", _NOT_IN_TASK_KEY.sub("_", source_id)).strip("_")


def job_key(module_name: str) -> str:
    """Returns the bundle's resource key of a module, hyphens kept; empty if no character is left."""
    return _UNDERSCORES.sub("_", _NOT_IN_JOB_KEY.sub("_", module_name)).strip("_-")


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
    if "${" in source_id:
        return (
            f"{quoted(source_id)} holds a reference, which would be lost: a task key is made of the text as it stands"
        )
    if not key:
        return f"no task key can be derived from {quoted(source_id)}: it has neither letters nor digits"
    if len(key) > MAX_TASK_KEY:
        return f"the task key of this source has {len(key)} characters; Databricks allows {MAX_TASK_KEY}"
    return None
