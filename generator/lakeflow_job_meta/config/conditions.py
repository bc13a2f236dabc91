"""The conditions of presets and policies: which modules and tasks they are for. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from lakeflow_job_meta._internal.text import did_you_mean, json_like, quoted
from lakeflow_job_meta._internal.trees import Value
from lakeflow_job_meta.config.model import Condition
from lakeflow_job_meta.diagnostics.model import Diagnostic, SourceRef
from lakeflow_job_meta.diagnostics.rules import PROJECT_FILE_MISTAKE

PLAIN = ("module", "file", "blueprint", "task_type", "target")
_NAMED = ("tag", "column")


def conditions_in(match: dict[str, Value]) -> Iterator[Condition]:
    """Yields the conditions of a map that `condition_mistakes` finds nothing wrong with."""
    for key, wanted in match.items():
        kind, _, name = key.partition(".")
        values = wanted if isinstance(wanted, list) else [wanted]
        yield Condition(kind, name, tuple(map(json_like, values)))


def condition_mistakes(
    match: dict[str, Value], origin: SourceRef, plain: Collection[str] = PLAIN
) -> Iterator[Diagnostic]:
    """Yields what is wrong with a map of conditions; `plain` are the kinds that are for no tag or column."""
    for key, wanted in match.items():
        kind, _, name = key.partition(".")
        if not (key in plain or (kind in _NAMED and name)):
            known = [*plain, "tag.NAME", "column.NAME"]
            hint = f"; write {quoted(f'{kind}.NAME')}" if kind in _NAMED else did_you_mean(key, known)
            yield PROJECT_FILE_MISTAKE.at(origin.key(key), f"unknown condition {quoted(key)}{hint}")
        elif isinstance(wanted, dict) or wanted in (None, []) or _has_map(wanted):
            message = f"{key!r} is a text, or a list of texts of which one must fit"
            yield PROJECT_FILE_MISTAKE.at(origin.at(key), message)


def _has_map(wanted: Value) -> bool:
    return isinstance(wanted, list) and any(isinstance(each, (dict, list)) or each is None for each in wanted)
