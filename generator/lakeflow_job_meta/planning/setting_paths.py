"""Paths of settings as plans write them, such as `tasks[task_key='a'].max_retries` or `tags['team']`. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lakeflow_job_meta._internal.trees import ItemKey

Steps = tuple[str | int | ItemKey, ...]

_STEP = re.compile(
    r"\[(?P<number>\d+)\]|\['(?P<quoted>(?:[^']|'')*)'\]|\[(?P<key>\w+)='(?P<value>(?:[^']|'')*)'\]"
    r"|(?P<name>[^.\[\]]+)"
)


def steps_of(path: str) -> Steps:
    """Returns the steps of a path; a quote in a name is doubled there."""
    return tuple(map(_step, _STEP.finditer(path)))


def _step(found: re.Match[str]) -> str | int | ItemKey:
    if found["number"] is not None:
        return int(found["number"])
    if found["key"] is not None:
        return ItemKey(found["key"], found["value"].replace("''", "'"))
    return found["name"] or (found["quoted"] or "").replace("''", "'")


def leads_into(path: Sequence[object], around: Sequence[object]) -> bool:
    """Says whether a path is another one, or leads further."""
    return tuple(path[: len(around)]) == tuple(around)
