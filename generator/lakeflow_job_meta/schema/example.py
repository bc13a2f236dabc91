"""A metadata file with every property of the format, each under a comment that says what it is.

In: the shipped schema, and `templates/example.yml`, which has the values. Out: text. What the example leaves out, such
as most settings of jobs, is there as comments.
"""

from __future__ import annotations

import textwrap
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from lakeflow_job_meta._internal.fs import shipped
from lakeflow_job_meta._internal.text import json_like
from lakeflow_job_meta._internal.trees import KeyPath, Value
from lakeflow_job_meta.schema.validator import Schema, load_schema
from lakeflow_job_meta.text.yaml_reader import read_yaml

_HEAD = """\
# Every property of a metadata file, with what it is; `ljm schema metadata` has the same for editors.

"""
_WIDTH = 120
_Property = tuple[str, str]
"""A key, and its description."""


def metadata_example() -> str:
    """Returns the example; it is valid, and jobs can be made of it in a bundle with the targets dev and prod."""
    text = shipped("templates", "example.yml").read_text(encoding="utf-8")
    content = read_yaml(text, with_positions=True)
    notes = _Notes(load_schema("metadata")["$defs"])
    notes.visit(content.value, load_schema("metadata"), ())
    above: dict[int, list[str]] = defaultdict(list)
    for path, comments in notes.comments():
        above[content.locate(path, of_key=True)[0].line] += comments
    lines = [_HEAD]
    for number, line in enumerate(text.splitlines(), start=1):
        indent = line[: len(line) - len(line.lstrip())]
        lines += (f"{row}\n" for each in above[number] for row in _wrapped(each, indent))
        lines.append(f"{line}\n")
    return "".join(lines)


def _wrapped(comment: str, indent: str) -> list[str]:
    return textwrap.wrap(
        comment, _WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}#   ", break_on_hyphens=False
    )


@dataclass(slots=True)
class _Notes:
    """What is said of each property: where it stands first, and where maps begin that could have it."""

    definitions: dict[str, Schema]
    _used: dict[_Property, KeyPath] = field(default_factory=dict)
    _known: dict[_Property, tuple[KeyPath, Schema]] = field(default_factory=dict)

    def visit(self, value: Value, node: Schema, path: KeyPath) -> None:
        for option in self._options(node, value):
            if isinstance(value, list) and "items" in option:
                for number, item in enumerate(value):
                    self.visit(item, option["items"], (*path, number))
            if isinstance(value, dict):
                self._visit_map(value, option, path)

    def _visit_map(self, value: dict[str, Value], option: Schema, path: KeyPath) -> None:
        properties: dict[str, Schema] = option.get("properties", {})
        for key, inside in properties.items() if value else ():
            first = next(iter(value))
            about = (key, str(inside.get("description", "")))
            self._known.setdefault(about, ((*path, first), inside))
            if key in value:
                self._used.setdefault(about, (*path, key))
        others = option.get("additionalProperties")
        for key, item in value.items():
            below = properties.get(key, others)
            if isinstance(below, dict):
                self.visit(item, below, (*path, key))

    def comments(self) -> Iterator[tuple[KeyPath, list[str]]]:
        """Yields comments, and the key that they stand above."""
        for (key, description), (first, schema) in self._known.items():
            if (key, description) not in self._used:
                yield first, [f"{key}: {self._said(schema, description.partition('. ')[0])}".rstrip(": ")]
        for (key, description), path in self._used.items():
            if description:
                yield path, [self._said(self._known[key, description][1], description)]

    def _said(self, schema: Schema, description: str) -> str:
        """Returns a description, with the values that may be there."""
        enums = (option["enum"] for option in self._options(schema, None) if "enum" in option)
        values = dict.fromkeys(map(json_like, next(enums, ())))
        choices = f" One of {', '.join(values)}." if values else ""
        default = f" Default: {json_like(schema['default'])}." if "default" in schema else ""
        text = " ".join(description.split())
        return f"{text}{'' if text.endswith('.') or not text else '.'}{choices}{default}"

    def _options(self, node: Schema, value: Value) -> Iterator[Schema]:
        if "$ref" in node:
            yield from self._options(self.definitions[node["$ref"].rsplit("/", 1)[1]], value)
        elif "if" in node:
            is_so = isinstance(value, dict) and all(key in value for key in node["if"]["required"])
            yield from self._options(node["then" if is_so else "else"], value)
        elif "anyOf" in node and "type" not in node:
            for option in node["anyOf"]:
                yield from self._options(option, value)
        else:
            yield node
