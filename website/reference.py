"""Pages of the reference that say nothing but what the code says: commands, metadata fields, keys of the project file.

    python website/reference.py            # --check only says which pages are stale

Commands come from click, as `--help` shows them; fields and keys from the JSON Schemas that the tool checks with. Of
Python only the list of names is written; signatures and docstrings are filled in when the site is built.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import click

import lakeflow_job_meta
from lakeflow_job_meta.cli.main import cli
from lakeflow_job_meta.schema.validator import load_schema

DOCS = Path(__file__).parents[1] / "docs"
Schema = dict[str, Any]

COMMANDS = """\
# Commands: all options

Written by `website/reference.py` from what `--help` of each command says. With words and examples:
[the command line](command-line.md).

Every command takes `--project DIR` and `-h`, `--help`.
"""
METADATA = """\
# Metadata: every field

Written by `website/reference.py` from the schema of `ljm schema metadata`. With words and examples:
[the metadata format](metadata-format.md). Settings of jobs and tasks, such as `schedule` and `notebook_task`, are those
of the Jobs API, which `ljm schema job` prints; which kind of task takes which:
[settings of each kind of task](task-settings.md).
"""
PROJECT = """\
# The project file: every key

Written by `website/reference.py` from the schema of `ljm schema project`. With words and examples:
[the project file](project-file.md).
"""
JOBS_API = frozenset({"job_config", "job_defaults", "preset_job", "preset_task", "task_defaults"})
"""Objects whose keys are settings of the Jobs API; Databricks documents them."""
TITLES = {
    "use": "A module that a blueprint makes",
    "module": "A module",
    "blueprint": "A blueprint",
    "source": "A source of a module",
    "in_target": "What is not the same in a target",
    "source_in_target": "A source in a target",
    "blueprint_source": "A source of a blueprint",
    "parameter": "A parameter of a blueprint",
    "blueprint_module": "The module of a blueprint",
    "transformation_config": "The transformation_config of a source, beside the settings of its task",
    "metadata_place": "A place of metadata",
    "kept_setting": "A setting that the workspace decides",
}
"""Headings where the name of an object does not say enough."""


PYTHON = """\
# Python: every function and class

Written by `website/reference.py` from the names in `dir(lakeflow_job_meta)`; signatures and docstrings are filled in
when the site is built. With words and examples: [Python](python.md).
"""


def pages() -> dict[str, str]:
    """Returns the text of every page by the name of its file."""
    return {
        "reference-commands.md": COMMANDS + "".join(_commands(cli, "ljm")),
        "reference-metadata.md": METADATA + "".join(_objects("metadata")),
        "reference-project-file.md": PROJECT + "".join(_objects("project")),
        "reference-python.md": PYTHON + "".join(_names()),
    }


def _names() -> Iterator[str]:
    groups: dict[str, list[str]] = {"Functions": [], "Classes for notebooks": [], "Results": [], "Errors": []}
    for name in dir(lakeflow_job_meta):
        value = getattr(lakeflow_job_meta, name)
        if inspect.isfunction(value):
            groups["Functions"].append(name)
        elif inspect.isclass(value):
            in_api = value.__module__.startswith("lakeflow_job_meta.api.") and not name.endswith("Result")
            is_error = issubclass(value, Exception)
            groups["Errors" if is_error else "Classes for notebooks" if in_api else "Results"].append(name)
    for title, names in groups.items():
        yield f"\n## {title}\n" + "".join(f"\n::: lakeflow_job_meta.{name}\n" for name in names)


def _commands(group: click.Group, above: str) -> Iterator[str]:
    context = click.Context(group, info_name=above)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None, name
        yield _command(command, f"{above} {name}")
        if isinstance(command, click.Group):
            yield from _commands(command, f"{above} {name}")


def _command(command: click.Command, name: str) -> str:
    context = click.Context(command, info_name=name)
    usage = " ".join(["ljm", *name.split()[1:], *command.collect_usage_pieces(context)])
    words, _, examples = (command.help or "").partition("\b")
    text = [f"\n## {name}\n\n{' '.join(words.split())}\n\n`{usage}`\n"]
    shown = [each for each in command.params if each.name not in ("project", "help") and not _is_hidden(each)]
    if rows := [_parameter(each, context) for each in shown]:
        text.append("\n| Option | |\n|---|---|\n" + "".join(rows))
    if examples.strip():
        lines = re.sub(r"^\s*Examples?:\n", "", examples)
        body = dedent(lines).strip("\n")
        text.append(f"\n```text\n{body}\n```\n")
    return "".join(text)


def _is_hidden(parameter: click.Parameter) -> bool:
    return isinstance(parameter, click.Option) and parameter.hidden


def _parameter(parameter: click.Parameter, context: click.Context) -> str:
    if not isinstance(parameter, click.Option):
        return f"| `{_cell(parameter.make_metavar(context))}` | {'required' if parameter.required else ''} |\n"
    record = parameter.get_help_record(context)
    assert record is not None, parameter.name
    names, words = record
    return f"| {', '.join(f'`{_cell(each)}`' for each in names.split(', '))} | {_cell(words)} |\n"


def _objects(name: str) -> Iterator[str]:
    """Yields the schema's own table, then one for each object that it leads to, in the order in which they are met."""
    schema = load_schema(name)
    found: dict[str, Schema] = {"": schema}
    waiting = [schema]
    while waiting:
        for each in _below(waiting.pop(0)):
            if each not in found and each not in JOBS_API:
                found[each] = schema["$defs"][each]
                waiting.append(found[each])
    tables = {title: node for title, node in found.items() if node.get("properties")}
    yield from (_table(title, node, tables) for title, node in tables.items())


def _below(node: Schema) -> Iterator[str]:
    """Yields the names of objects that an object refers to, but for those of the Jobs API."""
    for name in re.findall(r'"#/\$defs/(\w+)"', json.dumps(node.get("properties", node.get("anyOf", {})))):
        if name[0].islower():
            yield name


def _table(title: str, node: Schema, tables: Collection[str]) -> str:
    required = node.get("required", [])
    settings = load_schema("job")["$defs"]["Task"]["properties"] if title == "transformation_config" else {}
    own = {name: each for name, each in node["properties"].items() if name not in settings}
    rows = "".join(_property(name, each, name in required, tables) for name, each in own.items())
    words = f"{node['description']}\n\n" if title and "description" in node else ""
    heading = f"## {TITLES.get(title, title)}\n\n" if title else ""
    return f"\n{heading}{words}| Key | Takes | |\n|---|---|---|\n{rows}"


def _property(name: str, node: Schema, is_required: bool, tables: Collection[str]) -> str:
    words = [node.get("description", "")]
    if is_required:
        words.append("Required.")
    if "default" in node:
        words.append(f"Default: `{json.dumps(node['default'])}`.")
    if "const" not in node and (examples := node.get("examples")):
        words.append(f"Example: `{json.dumps(examples[0], ensure_ascii=False)}`.")
    return f"| `{name}` | {_cell(_linked(_kind(node), tables))} | {_cell(' '.join(filter(None, words)))} |\n"


def _kind(node: Schema) -> str:
    """Says in words what a value may be."""
    if reference := node.get("$ref"):
        return f"`{reference.rsplit('/', 1)[-1]}`"
    if "then" in node:
        return f"{_kind(node['else'])} or {_kind(node['then'])}"
    if choices := node.get("enum"):
        return ", ".join(f"`{json.dumps(each)}`" for each in choices)
    if options := node.get("anyOf", node.get("oneOf")):
        return " or ".join(dict.fromkeys(word for each in options for word in _kind(each).split(" or ")))
    kinds = node.get("type", "anything")
    if kinds == "array":
        return f"list of {_kind(node.get('items', {}))}"
    if kinds == "object":
        inner = node.get("additionalProperties")
        return f"map of {_kind(inner)}" if isinstance(inner, dict) else "map"
    return " or ".join(_WORDS.get(each, each) for each in ([kinds] if isinstance(kinds, str) else kinds))


def _linked(kind: str, tables: Collection[str]) -> str:
    """Lets the names of objects lead to their tables."""

    def of_a_table(match: re.Match[str]) -> str:
        name = match.group(1)
        return f"[{name}](#{slugify(TITLES.get(name, name))})" if name in tables else match.group(0)

    return re.sub(r"`(\w+)`", of_a_table, kind).replace("`reference`", "`${...}`")


def slugify(heading: str) -> str:
    """Returns the anchor that GitHub and the site give a heading."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


_WORDS = {"string": "text", "integer": "whole number", "boolean": "true or false", "null": "nothing"}


def _cell(text: str) -> str:
    """Makes a text the cell of a table."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def main(arguments: list[str]) -> int:
    """Writes the pages; with `--check` it only compares."""
    stale = [name for name, text in pages().items() if _text_of(DOCS / name) != text]
    for name in stale:
        print(f"docs/{name} {'is stale' if '--check' in arguments else 'written'}")
        if "--check" not in arguments:
            (DOCS / name).write_text(pages()[name], encoding="utf-8")
    return int(bool(stale) and "--check" in arguments)


def _text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
