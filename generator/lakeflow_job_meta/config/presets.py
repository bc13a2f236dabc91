"""The presets of the project file: settings for many modules, and which modules they are for. Pure."""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import replace
from typing import cast

from lakeflow_job_meta._internal.text import quoted
from lakeflow_job_meta._internal.trees import Value
from lakeflow_job_meta.config.conditions import condition_mistakes, conditions_in
from lakeflow_job_meta.config.model import Preset, Project
from lakeflow_job_meta.diagnostics.model import Diagnostic, SourceRef
from lakeflow_job_meta.diagnostics.rules import PROJECT_FILE_MISTAKE
from lakeflow_job_meta.parsing.model import LAST_TASKS, Source
from lakeflow_job_meta.parsing.modules import hints_at, parse_sources
from lakeflow_job_meta.schema.validator import compare_module

_SOURCES = ("sources", *LAST_TASKS)
"""What adds sources to a module."""


def with_presets(project: Project, value: dict[str, Value]) -> tuple[Project, list[Diagnostic]]:
    """Adds the presets of a project file that fits its schema, and returns what is wrong with them besides."""
    presets: list[Preset] = []
    problems: list[Diagnostic] = []
    for number, entry in enumerate(cast("list[dict[str, Value]]", value.get("presets") or [])):
        at = project.origin.at("presets", number)
        problems += _mistakes(entry, at, {preset.name for preset in presets})
        wrong = [*_source_mistakes(entry, at)]
        problems += wrong
        presets.append(_preset(entry, () if wrong else parse_sources(entry, at, project.task_keys)))
    return replace(project, presets=tuple(presets)), problems


def _preset(entry: dict[str, Value], sources: tuple[Source, ...]) -> Preset:
    match = cast("dict[str, Value] | None", entry.get("match"))
    return Preset(
        str(entry["preset"]),
        tuple(conditions_in(match)) if match is not None else None,
        cast("dict[str, Value]", entry.get("job") or {}),
        cast("dict[str, Value]", entry.get("task") or {}),
        sources,
    )


def _mistakes(entry: dict[str, Value], at: SourceRef, names: Container[str]) -> Iterator[Diagnostic]:
    if (name := str(entry["preset"])) in names:
        yield PROJECT_FILE_MISTAKE.at(at.at("preset"), f"the preset {quoted(name)} is there twice")
    if not any(entry.get(key) for key in ("job", "task", *_SOURCES)):
        message = "the preset sets nothing; give it one of 'job', 'task' and 'sources'"
        yield PROJECT_FILE_MISTAKE.at(at.key("preset"), message)
    yield from _match_mistakes(entry, at)


def _match_mistakes(entry: dict[str, Value], origin: SourceRef) -> Iterator[Diagnostic]:
    match = cast("dict[str, Value]", entry.get("match") or {})
    if entry.get("match") is not None and not match:
        message = "'match' is empty; say which modules, or leave it out for a preset that modules name"
        yield PROJECT_FILE_MISTAKE.at(origin.key("match"), message)
    yield from condition_mistakes(match, origin.at("match"))
    if "task_type" in match and any(entry.get(key) for key in ("job", *_SOURCES)):
        message = "a preset for a kind of task sets 'task' alone; put the rest into another preset"
        yield PROJECT_FILE_MISTAKE.at(origin.key("match", "task_type"), message)


def _source_mistakes(entry: dict[str, Value], origin: SourceRef) -> Iterator[Diagnostic]:
    own = {key: entry.get(key) for key in LAST_TASKS}
    for finding in compare_module({"module_name": "preset", "sources": entry.get("sources") or [], **own}, hints_at):
        at = SourceRef(origin.document, (*origin.path, *finding.path), finding.of_key)
        yield finding.report(at, PROJECT_FILE_MISTAKE)
