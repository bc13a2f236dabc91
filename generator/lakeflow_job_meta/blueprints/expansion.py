"""Makes modules of blueprints: the template is filled with values, and what a use sets itself is laid over it. Pure.

The module that comes out looks as if it had been written by hand. Its document knows of every value whether it stands
in the blueprint, in the cell or line that gave a parameter, or in the use itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import cast

from lakeflow_job_meta._internal.secrets import masked
from lakeflow_job_meta._internal.text import count, did_you_mean, kind_of, quoted
from lakeflow_job_meta._internal.trees import KeyPath, Value, by_item_key, by_item_number, merged, value_at
from lakeflow_job_meta.blueprints.model import Blueprint, Library, SourceTemplate
from lakeflow_job_meta.blueprints.parameters import Resolved, given_at, resolve
from lakeflow_job_meta.blueprints.template import PLACEHOLDER, names_in, placeholders_in
from lakeflow_job_meta.diagnostics.model import (
    Diagnostic,
    Location,
    SourceRef,
    Subject,
    dotted,
    nearest,
    steps_of_source,
)
from lakeflow_job_meta.diagnostics.rules import CONFLICTING_ROWS, TOO_MUCH, UNKNOWN_BLUEPRINT
from lakeflow_job_meta.parsing.model import LAST_TASKS, RUNS
from lakeflow_job_meta.parsing.units import BlueprintUse, RawModule

MOST_TASKS = 1000
"""Databricks' resource limits: "tasks in a job"."""

_IN_PLACE = ("after", RUNS, *LAST_TASKS)
"""Fields of a use that stand in the place of the blueprint's, whatever the two hold."""

_LOOP = ("transformation_config", "for_each_task")


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


def expand(raw: RawModule, library: Library) -> tuple[RawModule | None, list[Diagnostic]]:
    """Returns the module that a use of a blueprint stands for, as far as it can be made, and what is wrong with it.

    A module with something wrong is damaged, and has at least its name. It is None where not even that is known, since
    there is no such blueprint.
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
    own = raw.value if isinstance(raw.value, dict) else {}
    problems += _conflicts(blueprint, rows, own)
    module = cast("dict[str, Value]", blueprint.module.fill(rows[0].values))
    if own:
        below = {key: item for key, item in module.items() if key not in own or key not in _IN_PLACE}
        module = cast("dict[str, Value]", merged(below, _without_sources(own)))
    sources, origins = _sources(blueprint, rows, own)
    document = ExpandedModule(blueprint, rows, raw.origin, own, module, sources, origins)
    origin = SourceRef(document)
    if not all(row.is_right for row in rows):
        # What else would be found of it only follows from what is missing.
        value = {key: item for key, item in module.items() if key == "module_name"}
        lost: dict[str, Value] = {**value, "sources": []}
        return RawModule(lost, origin, True, raw.group, None, blueprint.name, raw.columns), problems
    if len(sources) > MOST_TASKS and (tasks := sum(map(_takes_part, sources))) > MOST_TASKS:
        problems.append(_too_many(blueprint, rows, tasks))
        sources = []
    made: dict[str, Value] = {**module, "sources": sources}
    is_damaged = raw.is_damaged or bool(problems)
    return RawModule(made, origin, is_damaged, raw.group, None, blueprint.name, raw.columns), problems


def _nameless(raw: RawModule) -> RawModule | None:
    """Returns a module that nothing can be made of, with the name that the use gives it; None if it gives none."""
    name = raw.value.get("module_name") if isinstance(raw.value, dict) else None
    value: dict[str, Value] = {"module_name": name, "sources": []}
    return replace(raw, value=value, is_damaged=True, use=None) if name is not None else None


def _unknown(use: BlueprintUse, library: Library) -> list[Diagnostic]:
    """Reports a blueprint that is not there; one that is broken, or in a file that is, has been reported there."""
    name = use.blueprint
    if name is None:
        return [UNKNOWN_BLUEPRINT.at(use.origin, "no blueprint is named here, so nothing can be made of it")]
    if not isinstance(name, str):
        return [UNKNOWN_BLUEPRINT.at(use.origin, f"'blueprint' must be the name of one, not {kind_of(name)}")]
    return no_such_blueprint(name, use.origin, library)


def no_such_blueprint(name: str, origin: SourceRef, library: Library) -> list[Diagnostic]:
    """Reports a name that no blueprint has; nothing where it may be that of one that could not be read."""
    if not library.is_whole or name in library.broken:
        return []
    hint = did_you_mean(name, library.blueprints) or "; write it below 'blueprints:' in a metadata file"
    message = f"there is no blueprint {quoted(name)}{hint}"
    return [UNKNOWN_BLUEPRINT.at(origin, message, nearest(name, library.blueprints))]


def _conflicts(blueprint: Blueprint, rows: Sequence[Resolved], own: dict[str, Value]) -> list[Diagnostic]:
    """Reports rows of one job that differ in what the job has once, and that the use does not set itself."""
    if len(rows) == 1:
        return []
    first, problems = rows[0], []
    set_here = own.keys() - {"job_config", "sources", "adopt"}
    kept = [names for key, names in blueprint.shared_names.items() if key not in set_here]
    shared = sorted(frozenset().union(*kept))
    for row in rows[1:]:
        for name in shared:
            one, other = first.values.get(name), row.values.get(name)
            if (one == other and type(one) is type(other)) or not (first.is_right and row.is_right):
                continue
            here, there = row.arguments.place_of(name), first.arguments.place_of(name)
            message = (
                f"{name!r} is {_shown(other, name)} here, but {_shown(one, name)} at {there}; rows of one job must "
                "agree in what stands outside of 'each'"
            )
            problems.append(CONFLICTING_ROWS.at(here, message))
            break
    return problems


def _shown(value: Value, name: str) -> str:
    return quoted(masked(value, (name,)))


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
    return _takes_part(template.template.fill(row.values))


def _takes_part(source: Value) -> bool:
    return not (isinstance(source, dict) and source.get("is_active") is False)


def _nulls_over(below: object, own: Value) -> dict[str, Value]:
    """Returns the nulls of a map that take something away below it, which is not to be seen afterwards."""
    if not (isinstance(below, dict) and isinstance(own, dict)):
        return {}
    found: dict[str, Value] = {}
    for key in own.keys() & below.keys():
        inside = _nulls_over(below[key], own[key])
        if own[key] is None or inside:
            found[key] = inside or None
    return found


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

    @property
    def given(self) -> list[object]:
        """What the blueprint's parameters were given, and what the use sets itself, whatever became of it."""
        return [self._own, *(each for row in self._rows for each in (row.arguments.values, row.arguments.by_name))]

    def locate(self, path: KeyPath, *, of_key: bool) -> tuple[Location, str | None]:
        """Returns where a value stands: in the use, where a parameter was given, or in the blueprint."""
        ref = self.ref(path, of_key=of_key)
        return ref.document.locate(ref.path, of_key=ref.of_key)

    def subject(self, path: KeyPath) -> Subject:
        name = self._module.get("module_name")
        module = name if isinstance(name, str) else None
        note = "" if self.ref(path, of_key=False).document is self._blueprint.origin.document else self._note()
        steps = steps_of_source(path)
        if steps:
            made: dict[str, Value] = {**self._module, "sources": self._sources}
            source = value_at(made, (*path[:steps], "source_id"))[1]
            return Subject(module, source if isinstance(source, str) else None, dotted(path[steps:]), note)
        return Subject(module, setting=dotted(path), note=note)

    def _note(self) -> str:
        return f" ({self._blueprint.place})"

    def ref(self, path: KeyPath, *, of_key: bool) -> SourceRef:
        """Returns the place of a value in the document that it was written in."""
        origin, inside = self._source_at(path)
        own = self._own_path(path, origin, inside)
        if own is not None and (value_at(self._own, own)[0] or (origin is not None and origin.template is None)):
            return self._of_own(own, of_key)
        return self._below(path, of_key)

    def of_use(self, path: KeyPath) -> SourceRef | None:
        """Returns where the use itself would write a value; None where it says nothing of the source around it."""
        own = self._own_path(path, *self._source_at(path))
        return self._of_own(own, of_key=False) if own is not None else None

    def parts(self, path: KeyPath, value: Value) -> Iterator[tuple[str, Value, SourceRef]]:
        """Yields what sets a value that has come to be `value`: the use itself, then the blueprint below it."""
        origin, inside = self._source_at(path)
        own = self._own_path(path, origin, inside)
        is_own, found = value_at(self._own, own) if own is not None else (False, None)
        if own is not None and is_own:
            yield "module", cast("Value", found), self._of_own(own, of_key=False)
        is_made, made = self._made(path, origin, inside) if is_own else (True, value)
        if is_made and (origin is None or origin.template is not None):
            yield f"blueprint {self._blueprint.name}", cast("Value", made), self._below(path, of_key=False)

    def taken_away(self, path: KeyPath) -> tuple[SourceRef, Value] | None:
        """Returns what the use takes away of a map of the blueprint, as null, and where; None if it takes nothing."""
        if not self._own:
            return None
        origin, inside = self._source_at(path)
        own = self._own_path(path, origin, inside)
        found = value_at(self._own, own)[1] if own is not None else None
        if own is None or not isinstance(found, dict) or not found:
            return None
        gone = _nulls_over(self._made(path, origin, inside)[1], cast("Value", found))
        return (self._of_own(own, of_key=False), gone) if gone else None

    def _made(self, path: KeyPath, origin: _SourceOrigin | None, inside: KeyPath) -> tuple[bool, object]:
        """Returns what the blueprint makes at a path, before anything is laid over it."""
        if origin is None:
            return value_at(self._blueprint.module.fill(self._rows[0].values), path)
        if origin.template is None:
            return False, None
        return value_at(origin.template.template.fill(self._rows[origin.row].values), inside)

    def _source_at(self, path: KeyPath) -> tuple[_SourceOrigin | None, KeyPath]:
        """Returns the source that a path leads into, if it does, and what is left of the path there."""
        if path[:1] == ("sources",) and len(path) > 1 and int(path[1]) < len(self._origins):
            return self._origins[int(path[1])], path[2:]
        return None, path

    def _own_path(self, path: KeyPath, origin: _SourceOrigin | None, inside: KeyPath) -> KeyPath | None:
        """Returns where the use itself would write a value; None where it says nothing of a source."""
        if origin is not None:
            return ("sources", origin.own, *inside) if origin.own is not None else None
        return by_item_number(self._own, by_item_key(self._module, path))

    def refs(self, path: KeyPath) -> list[SourceRef]:
        """Returns the places of all that a value is made of: its parameters, and those that their defaults name."""
        here, own = self.ref(path, of_key=False), self._own_path(path, *self._source_at(path))
        written, row = self._in_blueprint_path(path)
        value = value_at(self._blueprint.written, written)[1]
        is_own = own is not None and value_at(self._own, own)[0]
        if is_own or not isinstance(value, str):
            return [here]
        resolved = self._rows[row]
        given: dict[str, SourceRef] = {}
        pending = [name for _, name, _ in placeholders_in(value)]
        needs = {parameter.name: parameter.needs for parameter in self._blueprint.parameters}
        while pending:
            name = pending.pop(0)
            if resolved.arguments.is_given(name):
                given[name] = resolved.arguments.place_of(name)
            else:
                pending += sorted(needs.get(name, ()))
        return [*given.values()] or [here]

    def _below(self, path: KeyPath, of_key: bool) -> SourceRef:
        """Returns the place of a value that the blueprint makes: in it, or where a parameter was given."""
        origin, inside = self._source_at(path)
        written, row = self._in_blueprint_path(path)
        if origin is not None and origin.template is not None and origin.template.loop is not None:
            if inside[:3] == (*_LOOP, "inputs"):
                return self._rows[0].arguments.origin
            if inside == ("source_id",):  # made of what is left without placeholders
                return self._in_blueprint(written, of_key)
        return self._of_parameter(written, row, of_key) or self._in_blueprint(written, of_key)

    def _in_blueprint_path(self, path: KeyPath) -> tuple[KeyPath, int]:
        """Returns where the blueprint writes a value, and the number of the row whose parameters fill it."""
        origin, inside = self._source_at(path)
        if origin is not None and origin.template is not None:
            return self._in_template(origin.template, inside), origin.row
        return by_item_number(self._blueprint.written, ("module", *by_item_key(self._module, path))), 0

    def _in_template(self, template: SourceTemplate, inside: KeyPath) -> KeyPath:
        """Returns the path in the blueprint of something in a source; there the task of a loop is a level higher."""
        if template.loop is None or inside[: len(_LOOP)] != _LOOP:
            return (*template.path, *inside)
        inside = inside[len(_LOOP) :]
        is_task = inside[:1] == ("task",)
        return (*template.path, "transformation_config", *inside[1:]) if is_task else (*template.path[:3], *inside)

    def _of_own(self, path: KeyPath, of_key: bool) -> SourceRef:
        return SourceRef(self._origin.document, (*self._origin.path, *path), of_key)

    def _in_blueprint(self, path: KeyPath, of_key: bool) -> SourceRef:
        origin = self._blueprint.origin
        return SourceRef(origin.document, (*origin.path, *path), of_key)

    def _of_parameter(self, path: KeyPath, row: int, of_key: bool) -> SourceRef | None:
        """Returns where the parameter that a value is made of was given; None if it is made of none.

        A key stands in the blueprint, but for one inside of a map that is given, and for one that is left out.
        """
        for length in range(len(path), 0, -1):
            is_there, text = value_at(self._blueprint.written, path[:length])
            if not is_there:
                continue
            if not isinstance(text, str):
                return None
            resolved = self._rows[row]
            found = [(name, is_whole) for _, name, is_whole in placeholders_in(text)]
            missing = next((name for name, _ in found if resolved.values.get(name) is None), None)
            if of_key and length == len(path) and missing is None:
                return None
            for name, is_whole in found:
                inside = path[length:] if is_whole else ()
                at = given_at(name, resolved.arguments, self._blueprint.parameters, inside)
                if at is not None:
                    return at
            return resolved.arguments.origin if missing is not None else None
        return None
