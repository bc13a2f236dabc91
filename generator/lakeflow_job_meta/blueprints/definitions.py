"""Reads the `blueprints:` of a metadata file: each is checked and compiled once, however many rows use it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import cast

from lakeflow_job_meta._internal.text import circle, did_you_mean, quoted
from lakeflow_job_meta._internal.trees import KeyPath, Value, value_at
from lakeflow_job_meta.blueprints.model import Blueprint, Loop, SourceTemplate
from lakeflow_job_meta.blueprints.parameters import (
    Parameter,
    in_order_of_defaults,
    type_of,
)
from lakeflow_job_meta.blueprints.template import compile_template, names_in, placeholders_in
from lakeflow_job_meta.diagnostics.model import Diagnostic, SourceRef, errors_among, nearest
from lakeflow_job_meta.diagnostics.rules import BAD_BLUEPRINT, MISSING_FIELD, UNKNOWN_PARAMETER, UNUSED_PARAMETER
from lakeflow_job_meta.parsing.arguments import Arguments, ValueForm
from lakeflow_job_meta.parsing.model import LAST_TASKS, Module, Source
from lakeflow_job_meta.parsing.modules import hints_at, written_sources
from lakeflow_job_meta.schema.validator import compare_blueprint, compare_each, walk_module

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


def read_blueprint(value: Value, origin: SourceRef, digest: bytes) -> tuple[Blueprint | None, list[Diagnostic]]:
    """Returns a blueprint, None if it cannot be used, and everything that is wrong with it.

    Args:
        value: As it is written.
        origin: Where.
        digest: Of its file.
    """
    body = value.get("module") if isinstance(value, dict) else None
    if isinstance(body, dict) and "blueprint" in body:
        message = "a blueprint cannot be made of another one; write its module out"
        return None, [BAD_BLUEPRINT.at(origin.key("module", "blueprint"), message)]
    problems = [finding.report(_at(origin, finding.path, finding.of_key)) for finding in compare_blueprint(value)]
    if errors_among(problems) or not isinstance(value, dict):
        return None, problems
    name = str(value["blueprint"])
    if _NAME.fullmatch(name) is None:
        message = f"{quoted(name)} is no name of a blueprint: a letter, then letters, digits, '_' and '-'"
        problems.append(BAD_BLUEPRINT.at(origin.at("blueprint"), message))
    declared = cast("dict[str, dict[str, Value]]", value.get("parameters") or {})
    parameters, more = _parameters(declared, origin)
    module = cast("dict[str, Value]", value["module"])
    problems += _each_problems(module, origin)
    sources = _sources(module)
    problems += [*more, *_placeholder_problems(value, declared, origin), *_body_problems(module, sources, origin)]
    if errors_among(problems):
        return None, problems
    fixed: dict[str, Value] = {key: item for key, item in module.items() if key != "sources"}
    shared = {key: names_in(item) for key, item in fixed.items()}
    shared["sources"] = names_in([each.value for each in sources if not each.is_repeated])
    examples = cast("list[Value]", value.get("examples") or [])
    blueprint = Blueprint(
        name,
        origin,
        value,
        digest + repr(origin.path).encode(),
        cast("str | None", value.get("description")),
        tuple(parameters),
        compile_template(fixed),
        tuple(sources),
        {key: _with_defaults(names, declared) for key, names in shared.items()},
        tuple(Arguments(each, origin.at("examples", number)) for number, each in enumerate(examples)),
    )
    return blueprint, problems


def draft_of(blueprint: Blueprint) -> Module:
    """Returns the module of a blueprint as it is written, with placeholders in its settings.

    What it says besides (names, stages, switches) is compared by `read_blueprint`, and stands for nothing here.
    """
    module = cast("dict[str, dict[str, Value]]", cast("dict[str, Value]", blueprint.written)["module"])
    written = [(each.value, each.path) for each in blueprint.sources]
    last = written_sources({**module, "sources": []})
    written += [(each, ("module", *path)) for each, path in last if path[0] in LAST_TASKS]
    sources = []
    for number, (value, path) in enumerate(written):
        settings = value.get("transformation_config") if isinstance(value, dict) else None
        if isinstance(settings, dict):
            key, origin = f"source_{number}", _at(blueprint.origin, path)
            sources.append(Source(key, key, None, 1, None, True, {}, {}, _set_in(settings), origin))
    job_config = module.get("job_config")
    settings_of_job = _set_in(job_config) if isinstance(job_config, dict) else {}
    origin = blueprint.origin.at("module")
    return Module(blueprint.name, "draft", None, settings_of_job, (), tuple(sources), origin, blueprint=blueprint.name)


def _set_in(settings: dict[str, Value]) -> dict[str, Value]:
    """Returns settings without null, which takes away what the project gives to jobs: here that is nothing."""
    return {
        key: _set_in(value) if isinstance(value, dict) else value
        for key, value in settings.items()
        if value is not None
    }


def _at(origin: SourceRef, path: KeyPath, of_key: bool = False) -> SourceRef:
    return SourceRef(origin.document, (*origin.path, *path), of_key)


def _with_defaults(names: frozenset[str], declared: dict[str, dict[str, Value]]) -> frozenset[str]:
    """Adds the parameters that the defaults of others depend on."""
    found = set(names)
    pending = list(names)
    while pending:
        new = names_in((declared.get(pending.pop()) or {}).get("default")) - found
        found |= new
        pending += new
    return frozenset(found)


def _parameters(declared: dict[str, dict[str, Value]], origin: SourceRef) -> tuple[list[Parameter], list[Diagnostic]]:
    problems: list[Diagnostic] = []
    defaults = {name: each.get("default") for name, each in declared.items()}
    ordered, in_circle = in_order_of_defaults(list(declared), defaults)
    if in_circle:
        message = f"the defaults of these parameters depend on each other: {circle(in_circle)}"
        problems.append(BAD_BLUEPRINT.at(origin.at("parameters", in_circle[0], "default"), message))
    found = []
    for name in ordered:
        at = origin.at("parameters", name)
        if _NAME.fullmatch(name) is None:
            message = f"{quoted(name)} is no name of a parameter: a letter, then letters, digits, '_' and '-'"
            problems.append(BAD_BLUEPRINT.at(at.key(), message))
        parameter, more = _parameter(name, declared[name], at)
        found.append(parameter)
        problems += [*more, *_default_of_another_type(name, declared, at)]
    return found, problems


def _parameter(name: str, declared: dict[str, Value], origin: SourceRef) -> tuple[Parameter, list[Diagnostic]]:
    problems = list(_contradictions(declared, origin))
    kind, default = str(declared["type"]), declared.get("default")
    choices = cast("list[Value] | None", declared.get("one_of"))
    pattern = None
    if (text := declared.get("pattern")) is not None:
        try:
            pattern = re.compile(str(text))
        except re.error as error:
            problems.append(BAD_BLUEPRINT.at(origin.at("pattern"), f"not a regular expression: {error}"))
    least, most = (cast("float | None", declared.get(key)) for key in ("min", "max"))
    is_required = default is None and declared.get("required") is not False
    template = compile_template(default) if default is not None else None
    needs = tuple(sorted(names_in(default)))
    choice_of = tuple(choices) if choices else None
    parameter = Parameter(name, kind, template, is_required, choice_of, pattern, least, most, needs)
    plain = Parameter(name, kind, None, is_required)
    for number, choice in enumerate(choices or ()):
        if (mistake := plain.read(choice, ValueForm.TYPED)[1]) is not None:
            problems.append(BAD_BLUEPRINT.at(origin.at("one_of", number), mistake))
    # Whether what a default with placeholders comes to is accepted is seen with each use.
    if default is not None and not names_in(default) and not problems:
        mistake = parameter.read(default, ValueForm.TYPED)[1]
        if mistake is not None:
            problems.append(BAD_BLUEPRINT.at(origin.at("default"), f"the default is wrong: {mistake}"))
    return parameter, problems


def _default_of_another_type(name: str, declared: dict[str, dict[str, Value]], origin: SourceRef) -> list[Diagnostic]:
    """Reports a default that is another parameter, or text with some in it, where that cannot have the right type."""
    default, kind = declared[name].get("default"), declared[name]["type"]
    found = list(placeholders_in(default))
    if not found:
        return []
    whole = declared.get(found[0][1]) if isinstance(default, str) and found[0][2] else None
    if isinstance(default, str) and found[0][2] and whole is None:
        return []
    comes_to = type_of(default) if whole is None else whole["type"]
    if comes_to == kind:
        return []
    message = f"the default is wrong: {name!r} is of type {kind}, and this comes to {comes_to}"
    return [BAD_BLUEPRINT.at(origin.at("default"), message)]


def _contradictions(declared: dict[str, Value], origin: SourceRef) -> Iterator[Diagnostic]:
    least, most = (cast("float | None", declared.get(key)) for key in ("min", "max"))
    if least is not None and most is not None and least > most:
        yield BAD_BLUEPRINT.at(origin.at("min"), f"'min' {least:g} is above 'max' {most:g}")
    for key, kinds in _ONLY_FOR.items():
        if declared.get(key) is not None and declared["type"] not in kinds:
            yield BAD_BLUEPRINT.at(origin.key(key), f"{key!r} says nothing of a parameter of type {declared['type']}")
    if declared.get("default") is not None and declared.get("required") is True:
        message = "a parameter with a default needs no value; leave out one of 'required' and 'default'"
        yield BAD_BLUEPRINT.at(origin.key("required"), message)


_ONLY_FOR = {
    "pattern": ("text",),
    "one_of": ("text", "number"),
    "min": ("number", "text", "list", "map"),
    "max": ("number", "text", "list", "map"),
}


def _placeholder_problems(
    value: dict[str, Value], declared: dict[str, dict[str, Value]], origin: SourceRef
) -> Iterator[Diagnostic]:
    name = str(value["blueprint"])
    used: set[str] = set()
    searched: dict[str, Value] = {key: value[key] for key in ("module", "parameters") if key in value}
    for path, parameter, is_whole in placeholders_in(searched):
        if path[0] == "parameters" and (len(path) < 3 or path[2] != "default"):
            yield BAD_BLUEPRINT.at(_at(origin, path), "a placeholder can stand in a default and in the module alone")
        elif parameter not in declared:
            message = f"blueprint {name} has no parameter {quoted(parameter)}{did_you_mean(parameter, declared)}"
            yield UNKNOWN_PARAMETER.at(_at(origin, path), message, nearest(parameter, declared))
        elif not is_whole and declared[parameter].get("type") in ("list", "map"):
            kind = declared[parameter]["type"]
            message = f"the parameter {parameter!r} is a {kind}, which cannot stand within text; let it be all of it"
            yield BAD_BLUEPRINT.at(_at(origin, path), message)
        used.add(parameter)
    for path in _keys_with_placeholders(value["module"], ("module",)):
        message = "a placeholder stands for a value, and not for a key; use a parameter of type map for the whole map"
        yield BAD_BLUEPRINT.at(_at(origin, path, of_key=True), message)
    for parameter in declared:
        if parameter not in used:
            at = origin.key("parameters", parameter)
            yield UNUSED_PARAMETER.at(at, f"the parameter {quoted(parameter)} is used nowhere")


def _keys_with_placeholders(value: Value, path: KeyPath) -> Iterator[KeyPath]:
    if isinstance(value, dict):
        for key, item in value.items():
            if "${param." in key:
                yield (*path, key)
            yield from _keys_with_placeholders(item, (*path, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _keys_with_placeholders(item, (*path, number))


def _sources(module: dict[str, Value]) -> list[SourceTemplate]:
    found = []
    for number, item in enumerate(cast("list[Value]", module["sources"])):
        path: KeyPath = ("module", "sources", number)
        if not (isinstance(item, dict) and "each" in item):
            found.append(SourceTemplate(path, item, compile_template(item)))
            continue
        loop = Loop(item.get("concurrency")) if item.get("each_as") == "loop" else None
        repeated = item["each"]
        for inner, each in enumerate(repeated if isinstance(repeated, list) else []):
            found.append(SourceTemplate((*path, "each", inner), each, compile_template(each), True, loop))
    return found


def _body_problems(
    module: dict[str, Value], sources: Sequence[SourceTemplate], origin: SourceRef
) -> Iterator[Diagnostic]:
    """Compares the module with the schema, as far as that does not depend on parameters."""
    flat: dict[str, Value] = {**module, "sources": [each.value for each in sources]}
    for finding in walk_module(flat, hints_at):
        written = value_at(flat, finding.path)[1]
        if isinstance(written, str) and "${param." in written and not finding.of_key:
            continue
        # A row of a control table, or a use by hand, may name the module.
        if finding.rule is MISSING_FIELD and finding.path == ("module_name",):
            continue
        path: KeyPath = ("module", *finding.path)
        if finding.path[:1] == ("sources",) and len(finding.path) > 1:
            path = (*sources[int(finding.path[1])].path, *finding.path[2:])
        yield finding.report(_at(origin, path, finding.of_key))


def _each_problems(module: dict[str, Value], origin: SourceRef) -> Iterator[Diagnostic]:
    for number, item in enumerate(cast("list[Value]", module["sources"])):
        if not (isinstance(item, dict) and "each" in item):
            continue
        at = origin.at("module", "sources", number)
        findings = compare_each(item)
        yield from (finding.report(_at(at, finding.path, finding.of_key)) for finding in findings)
        each = item["each"]
        if not isinstance(each, list):
            continue
        others = item.keys() - {"each", "each_as", "concurrency"}
        for key in sorted(others):
            message = f"{key!r} cannot stand beside 'each'; write it in the sources below 'each'"
            yield BAD_BLUEPRINT.at(at.key(key), message)
        if item.get("each_as") == "loop" and len(each) != 1:
            message = (
                f"'each_as: loop' repeats one source, and there are {len(each)}; give each one an 'each' of its own"
            )
            yield BAD_BLUEPRINT.at(at.key("each"), message)
        elif "concurrency" in item and item.get("each_as") != "loop":
            yield BAD_BLUEPRINT.at(at.key("concurrency"), "'concurrency' is for 'each_as: loop' alone")
