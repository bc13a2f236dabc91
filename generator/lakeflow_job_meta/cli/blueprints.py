"""`ljm blueprints`: the blueprints of a project, their parameters, and what is made of them. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import click

from lakeflow_job_meta._internal.secrets import masked
from lakeflow_job_meta._internal.text import count, json_like, listing, quoted
from lakeflow_job_meta._internal.trees import Value
from lakeflow_job_meta.blueprints.model import Blueprint
from lakeflow_job_meta.cli.params import compile_for_review, format_option, open_project
from lakeflow_job_meta.cli.report import echo, show_count, show_json, show_text
from lakeflow_job_meta.diagnostics.model import SourceRef
from lakeflow_job_meta.services.blueprint_uses import BlueprintUses, uses_of_blueprints
from lakeflow_job_meta.text.markers import one_line

_LIMITS = ("one_of", "pattern", "min", "max")


@click.command("blueprints")
@format_option(["text", "json"])
@click.pass_obj
@click.pass_context
def command(ctx: click.Context, folder: Path | None, form: str) -> None:
    """List blueprints, their parameters, and what is made of them.

    Of each: where it is defined, what it takes, the modules that name it by hand, and how many rows of which table or
    file fill it. One that nothing is made of is listed too. Exits with 1 if the metadata has an error.

    \b
    Examples:
      ljm blueprints
      ljm blueprints --format json
    """
    compilation = compile_for_review(open_project(folder))
    show_text(compilation.diagnostics)
    uses = uses_of_blueprints(compilation)
    blueprints = [compilation.library.blueprints[name] for name in sorted(uses)]
    if form == "json":
        show_json([_as_object(each, uses[each.name]) for each in blueprints])
    else:
        for each in blueprints:
            for line in _lines(each, uses[each.name]):
                echo(one_line(line))
    show_count(compilation.diagnostics, compilation.modules)
    ctx.exit(1 if compilation.errors else 0)


def _lines(blueprint: Blueprint, uses: BlueprintUses) -> Iterator[str]:
    yield f"{blueprint.name}  {blueprint.origin.at('blueprint')}"
    if blueprint.description is not None:
        yield f"    {blueprint.description}"
    declared = _declared(blueprint)
    widest = max(map(len, declared), default=0)
    for name, each in declared.items():
        about = ", ".join([_default_in_words(name, each), *_limits_in_words(each)])
        yield f"    {name:{widest}}  {each['type']!s:7}  {about}"
    yield f"    {_uses_in_words(uses)}"


def _declared(blueprint: Blueprint) -> dict[str, dict[str, Value]]:
    """Returns the parameters as they are written, and in that order."""
    written = cast("dict[str, Value]", blueprint.written)
    return cast("dict[str, dict[str, Value]]", written.get("parameters") or {})


def _is_required(parameter: dict[str, Value]) -> bool:
    return parameter.get("default") is None and parameter.get("required") is not False


def _default_in_words(name: str, parameter: dict[str, Value]) -> str:
    if _is_required(parameter):
        return "required"
    default = masked(parameter.get("default"), (name,))
    return "optional" if default is None else f"default {quoted(default)}"


def _limits_in_words(parameter: dict[str, Value]) -> Iterator[str]:
    for key in _LIMITS:
        value = parameter.get(key)
        if isinstance(value, list):
            yield f"one of {listing(map(json_like, value))}"
        elif value is not None:
            yield f"{key} {quoted(value)}"


def _uses_in_words(uses: BlueprintUses) -> str:
    by_hand = [name if name is not None else f"a module in {label}" for name, label in uses.modules]
    found = [f"{count(len(by_hand), 'module')} by hand ({listing(by_hand)})"] if by_hand else []
    found += [f"{count(rows, 'row')} of {source}" for source, rows in uses.rows.items()]
    return f"used by {'; '.join(found)}" if found else "used by nothing"


def _as_object(blueprint: Blueprint, uses: BlueprintUses) -> dict[str, object]:
    parameters = [
        {
            "name": name,
            "type": each["type"],
            "required": _is_required(each),
            "default": masked(each.get("default"), (name,)),
            **{key: each.get(key) for key in _LIMITS},
            **_place(blueprint.origin.key("parameters", name)),
        }
        for name, each in _declared(blueprint).items()
    ]
    return {
        "blueprint": blueprint.name,
        "description": blueprint.description,
        **_place(blueprint.origin.at("blueprint")),
        "parameters": parameters,
        "modules": [{"module": name, "path": label} for name, label in uses.modules],
        "rows": [{"source": source, "rows": rows} for source, rows in uses.rows.items()],
    }


def _place(ref: SourceRef) -> dict[str, object]:
    at = ref.location()
    return {"path": at.path, "line": at.line, "column": at.column}
