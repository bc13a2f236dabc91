"""Makes modules of blueprints: the template is filled with values, and what a use sets itself is laid over it. Pure.

The module that comes out looks as if it had been written by hand. Its document knows of every value whether it stands
in the blueprint, in the cell or line that gave a parameter, or in the use itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

from lakeflow_job_meta._internal.text import count, did_you_mean, quoted
from lakeflow_job_meta._internal.trees import KeyPath, Value, merged, value_at
from lakeflow_job_meta.blueprints.model import Blueprint, Library, SourceTemplate
from lakeflow_job_meta.blueprints.parameters import Resolved, resolve
from lakeflow_job_meta.blueprints.template import PLACEHOLDER, names_in, placeholders_in
from lakeflow_job_meta.diagnostics.model import Diagnostic, Location, SourceRef, Subject, dotted, nearest
from lakeflow_job_meta.diagnostics.rules import CONFLICTING_ROWS, TOO_MUCH, UNKNOWN_BLUEPRINT
from lakeflow_job_meta.parsing.units import BlueprintUse, RawModule

MOST_TASKS = 1000
"""Databricks' resource limits: "tasks in a job"."""


@dataclass(frozen=True, slots=True)
class _SourceOrigin:
    """Where a source of an expanded module comes from.

    Attributes:
        template: In the blueprint; None for one that the use adds.
        row: The number of the row that it is repeated for; the first one's where it is not repeated.
        own: Its number among the sources that the use itself sets, if it is there.
    """

    template: SourceTemplate | None
    row: int
    own: int | None = None


def expand(raw: RawModule, library: Library) -> tuple[RawModule, list[Diagnostic]]:
    """Returns the module that a use of a blueprint stands for, as far as it can be made, and what is wrong with it.

    A module with something wrong is damaged, and has at least its name where that can be known.
    """
    use = raw.use
    if use is None:
        return raw, []
    blueprint = library.blueprints.get(use.blueprint) if isinstance(use.blueprint, str) else None
    if blueprint is None:
        return _nameless(raw), _unknown(use, library)
    found = [resolve(blueprint.name, blueprint.origin, blueprint.parameters, each) for each in use.arguments]
    rows = [resolved for resolved, _ in found]
    problems = [problem for _, more in found for problem in more]
    problems += _conflicts(blueprint, rows)
    own = raw.value if isinstance(raw.value, dict) else {}
    module = cast("dict[str, Value]", merged(blueprint.module.fill(rows[0].values), _without_sources(own)))
    sources, origins = _sources(blueprint, rows, own)
    document = ExpandedModule(blueprint, rows, raw.origin, own, module, sources, origins)
    origin = SourceRef(document)
    if len(sources) > MOST_TASKS:
        problems.append(_too_many(blueprint, rows, len(sources)))
        sources = []
    value: dict[str, Value] = {**module, "sources": sources}
    is_damaged = raw.is_damaged or bool(problems)
    return RawModule(value, origin, is_damaged, raw.group, blueprint=blueprint.name), problems


def _nameless(raw: RawModule) -> RawModule:
    """Returns a module that nothing can be made of, with the name that the use gives it if it does."""
    name = raw.value.get("module_name") if isinstance(raw.value, dict) else None
    value: dict[str, Value] = {"module_name": name, "sources": []}
    return replace(raw, value=value, is_damaged=True, use=None)


def _unknown(use: BlueprintUse, library: Library) -> list[Diagnostic]:
    """Reports a blueprint that is not there; one that is broken, or in a file that is, has been reported there."""
    if not library.is_whole or use.blueprint in library.broken:
        return []
    if use.blueprint is None:
        return [UNKNOWN_BLUEPRINT.at(use.origin, "no blueprint is named here, so nothing can be made of it")]
    name = str(use.blueprint)
    hint = did_you_mean(name, library.blueprints) or "; write it below 'blueprints:' in a metadata file"
    message = f"there is no blueprint {quoted(name)}{hint}"
    return [UNKNOWN_BLUEPRINT.at(use.origin, message, nearest(name, library.blueprints))]


def _conflicts(blueprint: Blueprint, rows: Sequence[Resolved]) -> list[Diagnostic]:
    """Reports rows of one job that differ in what the job has once."""
    first, problems = rows[0], []
    for row in rows[1:]:
        for name in sorted(blueprint.shared_names):
            one, other = first.values.get(name), row.values.get(name)
            if (one == other and type(one) is type(other)) or not (first.is_right and row.is_right):
                continue
            here, there = row.arguments.origin.at(name), first.arguments.origin.at(name)
            message = (
                f"{name!r} is {quoted(other)} here, but {quoted(one)} at {there}; rows of one job must agree in what "
                "stands outside of 'each'"
            )
            problems.append(CONFLICTING_ROWS.at(here, message))
            break
    return problems


def _too_many(blueprint: Blueprint, rows: Sequence[Resolved], tasks: int) -> Diagnostic:
    message = (
        f"the {count(len(rows), 'row')} of this job make {tasks:,} tasks, and Databricks allows {MOST_TASKS:,}; add a "
        "column to 'job_per', or write `each_as: loop`"
    )
    return TOO_MUCH.at(rows[0].arguments.origin, message)


def _without_sources(own: dict[str, Value]) -> dict[str, Value]:
    return {key: value for key, value in own.items() if key != "sources"}


def _sources(
    blueprint: Blueprint, rows: Sequence[Resolved], own: dict[str, Value]
) -> tuple[list[Value], list[_SourceOrigin]]:
    """Returns the sources of a module: those of the blueprint, and those that the use lays over or adds."""
    sources: list[Value] = []
    origins: list[_SourceOrigin] = []
    has_active = any(row.arguments.is_active for row in rows)
    number = 0
    templates = blueprint.sources
    while number < len(templates):
        template = templates[number]
        if not template.is_repeated:
            sources.append(_switched(template.template.fill(rows[0].values), is_active=has_active))
            origins.append(_SourceOrigin(template, 0))
            number += 1
        elif template.loop is not None:
            sources.append(_loop(template, rows))
            origins.append(_SourceOrigin(template, 0))
            number += 1
        else:
            same = [each for each in templates[number:] if each.path[:3] == template.path[:3]]
            for index, row in enumerate(rows):
                for each in same:
                    sources.append(_switched(each.template.fill(row.values), is_active=row.arguments.is_active))
                    origins.append(_SourceOrigin(each, index))
            number += len(same)
    return _laid_over(sources, origins, own)


def _laid_over(
    sources: list[Value], origins: list[_SourceOrigin], own: dict[str, Value]
) -> tuple[list[Value], list[_SourceOrigin]]:
    added = own.get("sources")
    if not isinstance(added, list):
        return sources, origins
    by_id = {each.get("source_id"): number for number, each in enumerate(sources) if isinstance(each, dict)}
    for number, each in enumerate(added):
        place = by_id.get(each.get("source_id")) if isinstance(each, dict) else None
        if place is None:
            sources.append(each)
            origins.append(_SourceOrigin(None, 0, number))
        else:
            sources[place] = merged(sources[place], each)
            origins[place] = replace(origins[place], own=number)
    return sources, origins


def _switched(source: Value, *, is_active: bool) -> Value:
    """Returns a source that is switched off where its row is."""
    return source if is_active or not isinstance(source, dict) else {**source, "is_active": False}


def _loop(template: SourceTemplate, rows: Sequence[Resolved]) -> Value:
    """Returns one source that Databricks repeats for every row.

    What is the same for all rows is written as it is; everything else becomes a field of the inputs.
    """
    used = sorted(names_in(template.value))
    active = [row for row in rows if row.arguments.is_active and _is_active(template, row)]
    first = (active or list(rows))[0].values
    varying = [name for name in used if any(row.values.get(name) != first.get(name) for row in active)]
    inputs: list[Value] = [{name: row.values.get(name) for name in varying or used} for row in active]
    values = {**first, **{name: f"{{{{input.{name}}}}}" for name in varying}}
    filled = template.template.fill(values)
    if not isinstance(filled, dict) or not isinstance(template.value, dict):
        return filled
    written = template.value.get("source_id")
    for_each: dict[str, Value] = {"inputs": inputs, "task": filled.get("transformation_config")}
    if template.loop is not None and template.loop.concurrency is not None:
        for_each["concurrency"] = template.loop.concurrency
    return {
        **filled,
        "source_id": PLACEHOLDER.sub("", written).strip("_- .") or "each" if isinstance(written, str) else written,
        "is_active": bool(active),
        "transformation_config": {"for_each_task": for_each},
    }


def _is_active(template: SourceTemplate, row: Resolved) -> bool:
    filled = template.template.fill(row.values)
    return not (isinstance(filled, dict) and filled.get("is_active") is False)


class ExpandedModule:
    """A module that was made of a blueprint, as the document that holds its values."""

    def __init__(
        self,
        blueprint: Blueprint,
        rows: Sequence[Resolved],
        origin: SourceRef,
        own: dict[str, Value],
        module: dict[str, Value],
        sources: list[Value],
        origins: Sequence[_SourceOrigin],
    ) -> None:
        self.label = origin.document.label
        self._blueprint, self._rows, self._origin = blueprint, rows, origin
        self._own, self._module, self._sources, self._origins = own, module, sources, origins

    def locate(self, path: KeyPath, *, of_key: bool) -> tuple[Location, str | None]:
        """Returns where a value stands: in the use, where a parameter was given, or in the blueprint."""
        ref = self.ref(path, of_key=of_key)
        return ref.document.locate(ref.path, of_key=ref.of_key)

    def subject(self, path: KeyPath) -> Subject:
        name = self._module.get("module_name")
        module = name if isinstance(name, str) else None
        note = "" if self.ref(path, of_key=False).document is self._blueprint.origin.document else self._note()
        if path[:1] == ("sources",) and len(path) > 1:
            source = value_at(self._sources, (path[1], "source_id"))[1]
            return Subject(module, source if isinstance(source, str) else None, dotted(path[2:]), note)
        return Subject(module, setting=dotted(path), note=note)

    def _note(self) -> str:
        return f" ({self._blueprint.place})"

    def ref(self, path: KeyPath, *, of_key: bool) -> SourceRef:
        """Returns the place of a value in the document that it was written in."""
        own, written, row = self._written(path)
        if own is not None:
            return self._of_own(own, of_key)
        return self._of_parameter(written, row) or self._in_blueprint(written, of_key)

    def refs(self, path: KeyPath) -> list[SourceRef]:
        """Returns the places of all that a value is made of: its parameters, and those that their defaults name."""
        own, written, row = self._written(path)
        is_there, value = value_at(self._blueprint.written, written)
        if own is not None or not is_there or not isinstance(value, str):
            return [self.ref(path, of_key=False)]
        resolved = self._rows[row]
        defaults = {
            name: value_at(self._blueprint.written, ("parameters", name, "default"))[1] for name in resolved.values
        }
        given: dict[str, None] = {}
        pending = [name for _, name, _ in placeholders_in(value)]
        while pending:
            name = pending.pop(0)
            if resolved.is_given(name):
                given[name] = None
            else:
                pending += sorted(names_in(cast("Value", defaults.get(name))))
        return [resolved.arguments.origin.at(name) for name in given] or [self.ref(path, of_key=False)]

    def _written(self, path: KeyPath) -> tuple[KeyPath | None, KeyPath, int]:
        """Returns the path of a value in the use itself, if it is there, that in the blueprint, and whose row it is."""
        origin, inside = _SourceOrigin(None, 0), path
        written: KeyPath = ("module", *path)
        own: KeyPath | None = path
        if path[:1] == ("sources",) and len(path) > 1 and int(path[1]) < len(self._origins):
            origin, inside = self._origins[int(path[1])], path[2:]
            own = ("sources", origin.own, *inside) if origin.own is not None else None
            if origin.template is None:
                return ("sources", origin.own or 0, *inside), (), 0
            written = self._in_template(origin.template, inside)
        is_own = own is not None and value_at(self._own, own)[0]
        return own if is_own else None, written, origin.row

    def _in_template(self, template: SourceTemplate, inside: KeyPath) -> KeyPath:
        """Returns the path in the blueprint of something in a source; there the task of a loop is a level higher."""
        loop = ("transformation_config", "for_each_task")
        if template.loop is None or inside[:2] != loop:
            return (*template.path, *inside)
        is_task = inside[2:3] == ("task",)
        return (*template.path, "transformation_config", *inside[3:]) if is_task else template.path[:3]

    def _of_own(self, path: KeyPath, of_key: bool) -> SourceRef:
        return SourceRef(self._origin.document, (*self._origin.path, *path), of_key)

    def _in_blueprint(self, path: KeyPath, of_key: bool) -> SourceRef:
        origin = self._blueprint.origin
        return SourceRef(origin.document, (*origin.path, *path), of_key)

    def _of_parameter(self, path: KeyPath, row: int) -> SourceRef | None:
        """Returns where the parameter that a value is made of was given; None if it is made of none."""
        for length in range(len(path), 0, -1):
            is_there, text = value_at(self._blueprint.written, path[:length])
            if not is_there:
                continue
            if not isinstance(text, str):
                return None
            resolved = self._rows[row]
            found = [(name, is_whole) for _, name, is_whole in placeholders_in(text)]
            for name, is_whole in found:
                if resolved.is_given(name):
                    return resolved.arguments.origin.at(name, *(path[length:] if is_whole else ()))
            missing = next((name for name, _ in found if resolved.values.get(name) is None), None)
            return resolved.arguments.origin if missing is not None else None
        return None
