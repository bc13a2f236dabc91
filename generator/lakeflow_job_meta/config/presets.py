"""The presets of the project file: settings for many modules, and which modules they are for. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from lakeflow_job_meta._internal.text import did_you_mean, json_like, quoted
from lakeflow_job_meta._internal.trees import Value
from lakeflow_job_meta.config.model import Condition, Preset
from lakeflow_job_meta.diagnostics.model import Diagnostic, SourceRef
from lakeflow_job_meta.diagnostics.rules import PROJECT_FILE_MISTAKE
from lakeflow_job_meta.parsing.keys import TaskKeys
from lakeflow_job_meta.parsing.modules import hints_at, parse_sources
from lakeflow_job_meta.schema.validator import compare_module

_PLAIN = ("module", "file", "blueprint", "task_type")
_NAMED = ("tag", "column")


def presets_in(value: dict[str, Value], origin: SourceRef, style: TaskKeys) -> tuple[Preset, ...]:
    """Returns the presets of a project file that fits its schema."""
    entries = cast("list[dict[str, Value]]", value.get("presets") or [])
    return tuple(
        Preset(
            str(entry["preset"]),
            tuple(_conditions(cast("dict[str, Value]", entry["match"]))) if entry.get("match") is not None else None,
            cast("dict[str, Value]", entry.get("job") or {}),
            cast("dict[str, Value]", entry.get("task") or {}),
            # What is wrong with the form of one is reported by `preset_mistakes`.
            ()
            if any(_source_mistakes(entry, origin))
            else parse_sources(cast("list[Value]", entry.get("sources") or []), origin.at("presets", number), style),
        )
        for number, entry in enumerate(entries)
    )


def _conditions(match: dict[str, Value]) -> Iterator[Condition]:
    for key, wanted in match.items():
        kind, _, name = key.partition(".")
        values = wanted if isinstance(wanted, list) else [wanted]
        yield Condition(kind, name, tuple(map(json_like, values)))


def preset_mistakes(value: dict[str, Value], origin: SourceRef) -> Iterator[Diagnostic]:
    """Yields what is wrong with the presets of a project file besides what its schema says."""
    entries = cast("list[dict[str, Value]]", value.get("presets") or [])
    names: set[str] = set()
    for number, entry in enumerate(entries):
        at, name = origin.at("presets", number), str(entry["preset"])
        if name in names:
            yield PROJECT_FILE_MISTAKE.at(at.at("preset"), f"the preset {quoted(name)} is there twice")
        names.add(name)
        if not any(entry.get(key) for key in ("job", "task", "sources")):
            message = "the preset sets nothing; give it one of 'job', 'task' and 'sources'"
            yield PROJECT_FILE_MISTAKE.at(at.key("preset"), message)
        yield from _match_mistakes(entry, at)
        yield from _source_mistakes(entry, at)


def _match_mistakes(entry: dict[str, Value], origin: SourceRef) -> Iterator[Diagnostic]:
    match = cast("dict[str, Value]", entry.get("match") or {})
    if entry.get("match") is not None and not match:
        message = "'match' is empty; say which modules, or leave it out for a preset that modules name"
        yield PROJECT_FILE_MISTAKE.at(origin.key("match"), message)
    for key, wanted in match.items():
        kind, _, name = key.partition(".")
        at = origin.key("match", key)
        if not (key in _PLAIN or (kind in _NAMED and name)):
            known = [*_PLAIN, "tag.NAME", "column.NAME"]
            yield PROJECT_FILE_MISTAKE.at(at, f"unknown condition {quoted(key)}{did_you_mean(key, known)}")
        elif isinstance(wanted, dict) or wanted in (None, []) or _has_map(wanted):
            message = f"{key!r} is a text, or a list of texts of which one must fit"
            yield PROJECT_FILE_MISTAKE.at(origin.at("match", key), message)
    if "task_type" in match and (entry.get("job") or entry.get("sources")):
        message = "a preset for a kind of task sets 'task' alone; put the rest into another preset"
        yield PROJECT_FILE_MISTAKE.at(origin.key("match", "task_type"), message)


def _has_map(wanted: Value) -> bool:
    return isinstance(wanted, list) and any(isinstance(each, (dict, list)) or each is None for each in wanted)


def _source_mistakes(entry: dict[str, Value], origin: SourceRef) -> Iterator[Diagnostic]:
    for finding in compare_module({"module_name": "preset", "sources": entry.get("sources") or []}, hints_at):
        at = SourceRef(origin.document, (*origin.path, *finding.path), finding.of_key)
        yield finding.report(at, PROJECT_FILE_MISTAKE)
