"""Brings uses of blueprints and blueprints together: after this every unit of every source holds whole modules.

Only files that may define a blueprint are read for it; a unit that uses one is expanded when its content is needed,
and its digest is one of what it depends on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import cast

from lakeflow_job_meta._internal.hashing import content_digest
from lakeflow_job_meta._internal.text import quoted
from lakeflow_job_meta._internal.trees import Value
from lakeflow_job_meta.blueprints.definitions import draft_of, read_blueprint
from lakeflow_job_meta.blueprints.expansion import expand
from lakeflow_job_meta.blueprints.model import Blueprint, Library
from lakeflow_job_meta.diagnostics.model import Diagnostic
from lakeflow_job_meta.diagnostics.rules import DUPLICATE_BLUEPRINT
from lakeflow_job_meta.parsing.model import Module
from lakeflow_job_meta.parsing.units import (
    Blueprints,
    BlueprintUse,
    RawBlueprint,
    RawModule,
    SourceUnit,
    UnitContent,
)


def library_of(units: Iterable[SourceUnit]) -> Library:
    """Returns the blueprints that some units define; what is wrong with them is reported by `bound` units."""
    contents = [unit.content for unit in units if unit.blueprints is Blueprints.DEFINED]
    found: dict[str, Blueprint] = {}
    broken: set[str] = set()
    is_whole = all(content.is_whole for content in contents)
    for raw in _in_order(contents):
        name = _name_of(raw)
        blueprint = None if raw.is_damaged else read_blueprint(raw.value, raw.origin, raw.digest)[0]
        if name is None:
            is_whole = False
        elif blueprint is None or name in found:
            broken.add(name)
        else:
            found[name] = blueprint
    return Library({name: each for name, each in found.items() if name not in broken}, frozenset(broken), is_whole)


def _in_order(contents: Iterable[UnitContent]) -> Iterator[RawBlueprint]:
    for content in contents:
        yield from content.blueprints


def _name_of(raw: RawBlueprint) -> str | None:
    name = raw.value.get("blueprint") if isinstance(raw.value, dict) else None
    return name if isinstance(name, str) else None


def bound(units: Sequence[SourceUnit], library: Library) -> tuple[SourceUnit, ...]:
    """Returns units in which every use of a blueprint has become the module that it stands for."""
    digest = library.digest
    return tuple(unit if unit.blueprints is Blueprints.NONE else _bound(unit, library, digest) for unit in units)


def _bound(unit: SourceUnit, library: Library, digest: bytes) -> SourceUnit:
    own = content_digest(unit.digest, digest) if unit.digest is not None else None
    read = partial(_expanded, unit.read, library)
    return SourceUnit(unit.label, own, read, unit.size, text_digest=unit.text_digest, rows=unit.rows)


def _expanded(read: Callable[[], UnitContent], library: Library) -> UnitContent:
    return expand_content(read(), library)


def expand_content(content: UnitContent, library: Library) -> UnitContent:
    """Returns the content of a unit with whole modules, what is wrong with its blueprints, and their examples."""
    modules: list[RawModule] = []
    problems = list(content.diagnostics)
    examples: list[RawModule] = []
    drafts: list[Module] = []
    for raw in content.modules:
        module, more = expand(raw, library)
        modules += [module] if module is not None else []
        problems += more
    for each in content.blueprints:
        blueprint, more = (None, []) if each.is_damaged else read_blueprint(each.value, each.origin, each.digest)
        problems += more
        if blueprint is not None:
            drafts.append(draft_of(blueprint))
            found, more = _examples_of(blueprint, each, library)
            examples += found
            problems += more
    is_whole = content.is_whole and len(modules) == len(content.modules)
    rest = (tuple(examples), tuple(drafts))
    return UnitContent(tuple(modules), tuple(problems), is_whole, content.loose_sources, (), *rest)


def _examples_of(blueprint: Blueprint, raw: RawBlueprint, library: Library) -> tuple[list[RawModule], list[Diagnostic]]:
    """Returns the modules that a blueprint's examples come to, and what is wrong with them."""
    problems: list[Diagnostic] = []
    if blueprint.name in library.broken:
        message = f"the blueprint {quoted(blueprint.name)} is defined more than once; rename or remove one"
        problems.append(DUPLICATE_BLUEPRINT.at(raw.origin.at("blueprint"), message))
        return [], problems
    examples: list[RawModule] = []
    # One that is named with each use has no name here.
    is_named = "module_name" in cast("dict[str, Value]", cast("dict[str, Value]", raw.value)["module"])
    own: Value = {} if is_named else {"module_name": blueprint.name}
    for arguments in blueprint.examples:
        use = BlueprintUse(blueprint.name, raw.origin.at("blueprint"), (arguments,))
        example, more = expand(RawModule(own, arguments.origin, use=use), library)
        problems += more
        examples += [example] if example is not None else []
    return examples, problems
