"""Which presets apply to a module and to its tasks, and what they add to it. Pure."""

from __future__ import annotations

import re
from dataclasses import replace
from fnmatch import translate
from functools import lru_cache
from pathlib import Path

from lakeflow_job_meta._internal.listing import FilePattern
from lakeflow_job_meta._internal.text import json_like
from lakeflow_job_meta._internal.trees import Value
from lakeflow_job_meta.config.model import Condition, Preset, Project
from lakeflow_job_meta.jobs.neighbours import has_active_source
from lakeflow_job_meta.parsing.model import Module

Numbered = tuple[int, Preset]
"""A preset and its place in the project file."""


def presets_of(module: Module, project: Project, target: str | None) -> list[Numbered]:
    """Returns the presets that apply to a module in a target: those that match it as written, then those it names.

    A condition on the kind of a task is left to `applies_to`. Without a target, none applies that is for some.
    """
    if not project.presets:
        return []
    tags = _tags(module, project)
    numbered = list(enumerate(project.presets))
    matching = [
        each
        for each in numbered
        if each[1].match is not None and _is_in(each[1], target) and _fits(each[1], module, project, tags)
    ]
    if not module.presets:
        return matching
    by_name = {each.name: (number, each) for number, each in numbered}
    named = [by_name[name] for name in module.presets if name in by_name]
    return [*(each for each in matching if each not in named), *named]


def differ_by_target(module: Module, project: Project) -> bool:
    """Says whether some preset applies to a module in some targets and not in others."""
    for_some = [each for each in project.presets if _targets_in(each)]
    tags = _tags(module, project) if for_some else {}
    return any(_fits(each, module, project, tags) for each in for_some)


def _tags(module: Module, project: Project) -> dict[str, Value]:
    return {**_map(project.defaults.job.get("tags")), **_map(module.job_config.get("tags"))}


def _targets_in(preset: Preset) -> list[tuple[str, ...]]:
    return [each.values for each in preset.match or () if each.kind == "target"]


def _is_in(preset: Preset, target: str | None) -> bool:
    return all(is_like(target, values) for values in _targets_in(preset))


def _fits(preset: Preset, module: Module, project: Project, tags: dict[str, Value]) -> bool:
    return all(
        each.kind in ("task_type", "target") or holds(each, module, project, tags) for each in preset.match or ()
    )


def holds(condition: Condition, module: Module, project: Project, tags: dict[str, Value]) -> bool:
    """Says whether a condition holds for a module whose job has these tags."""
    if condition.kind == "file":
        return any(_pattern(project.folder, each).covers(module.label) for each in condition.values)
    return is_like(_found(condition, module, tags), condition.values)


@lru_cache(maxsize=256)
def _pattern(folder: Path, pattern: str) -> FilePattern:
    return FilePattern(folder, pattern)


def _found(condition: Condition, module: Module, tags: dict[str, Value]) -> Value:
    """Returns what a module has where a condition looks."""
    if condition.kind == "module":
        return module.module_name
    if condition.kind == "blueprint":
        return module.blueprint
    if condition.kind == "column":
        # Delta takes no notice of the case of a column's name.
        return next((v for name, v in module.columns.items() if name.casefold() == condition.name.casefold()), None)
    return tags.get(condition.name)


def _map(value: Value) -> dict[str, Value]:
    return value if isinstance(value, dict) else {}


def is_like(found: Value, wanted: tuple[str, ...]) -> bool:
    """Says whether a plain value fits one of some globs; none does where nothing is set."""
    if found is None or isinstance(found, (dict, list)):
        return False
    return _globs(wanted).match(found if isinstance(found, str) else json_like(found)) is not None


@lru_cache(maxsize=1024)
def _globs(wanted: tuple[str, ...]) -> re.Pattern[str]:
    """Returns globs as one expression: modules by the thousand are compared with the same few."""
    return re.compile("|".join(map(translate, wanted)) or r"(?!)")


def applies_to(conditions: tuple[Condition, ...], task_type: str, block: str) -> bool:
    """Says whether conditions let pass tasks of a kind, by the kind's short name or its block."""
    for each in conditions:
        if each.kind == "task_type" and not (is_like(task_type, each.values) or is_like(block, each.values)):
            return False
    return True


def with_sources(module: Module, presets: list[Numbered]) -> Module:
    """Returns a module with the sources that its presets add; one that it has by itself is its own.

    A module that is switched off stays so.
    """
    if not has_active_source(module):
        return module
    known = {(source.source_id, source.run_if) for source in module.sources}
    added = []
    for _, preset in presets:
        for source in preset.sources:
            # What shares no more than its name with a source of the module is no substitute for it.
            if (key := (source.source_id, source.run_if)) not in known:
                known.add(key)
                added.append(source)
    return replace(module, sources=(*module.sources, *added)) if added else module
