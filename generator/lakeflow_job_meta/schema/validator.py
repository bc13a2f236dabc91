"""What Databricks takes as settings of jobs and tasks, from the shipped JSON Schemas.

Two ways to check a value: a compiled verdict for the many that are right (microseconds), and a walk that says what is
wrong, where, and what was expected. Both read the same schema; a property test holds them together. Pure, but for
reading the schema files once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Any, cast

from lakeflow_job_meta._internal.package_data import shipped
from lakeflow_job_meta._internal.text import did_you_mean, kind_of, quoted
from lakeflow_job_meta._internal.trees import KeyPath, Value
from lakeflow_job_meta.diagnostics.model import Suggestion

Schema = dict[str, Any]
"""A part of a JSON Schema, in the narrow dialect that `schemas/derive.py` writes."""


class Mismatch(str, Enum):
    """How a value differs from its schema; the values are codes of diagnostics."""

    UNKNOWN_FIELD = "unknown-field"
    WRONG_TYPE = "wrong-type"
    UNKNOWN_VALUE = "unknown-value"
    MISSING_FIELD = "missing-field"


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference between a value and its schema.

    Attributes:
        path: To the value, or to the field that should not be there or is missing.
        of_key: Whether the key rather than the value is the mistake.
        suggestion: What would mend it, where that is known.
    """

    kind: Mismatch
    path: KeyPath
    of_key: bool
    message: str
    suggestion: Suggestion | None = None


@cache
def load_schema(name: str) -> Schema:
    """Returns a shipped schema: `job`, `metadata` or `project`."""
    return cast(Schema, json.loads(schema_text(name)))


def schema_text(name: str) -> str:
    """Returns a shipped schema as text."""
    return shipped("schemas", f"{name}.schema.json").read_text(encoding="utf-8")


def job_settings() -> dict[str, Schema]:
    """Returns the settings of a job by name."""
    return cast("dict[str, Schema]", load_schema("job")["$defs"]["JobSettings"]["properties"])


def task_settings() -> dict[str, Schema]:
    """Returns the settings of a task by name."""
    return cast("dict[str, Schema]", load_schema("job")["$defs"]["Task"]["properties"])


@cache
def is_valid_job() -> Callable[[Value], bool]:
    """Returns the compiled check of a job's settings."""
    import jsonschema_rs

    return cast("Callable[[Value], bool]", jsonschema_rs.Draft202012Validator(load_schema("job")).is_valid)


def compare(value: Value, schema: str, what: str) -> list[Finding]:
    """Says everything in which a value differs from a shipped schema.

    Args:
        value: What was written.
        schema: The schema's name, such as `job`.
        what: What the value is in a user's words, such as `job setting`.
    """
    root = load_schema(schema)
    return list(_Walk(root["$defs"]).check(value, root, (), what))


@dataclass(frozen=True, slots=True)
class _Walk:
    """Goes through a value and its schema together."""

    definitions: dict[str, Schema]

    def check(self, value: Value, node: Schema, path: KeyPath, what: str) -> Iterator[Finding]:
        """Yields what is wrong with `value`; `what` names a field of it that nobody knows."""
        options = list(self._options(node))
        if any(_is_stand_in(option) and _matches(value, option) for option in options):
            return
        real = [option for option in options if not _is_stand_in(option)]
        if any(option.get("type") == "null" for option in real) and value is None:
            return
        expected = next(option for option in real if option.get("type") != "null" or len(real) == 1)
        if "enum" in expected:
            yield from _check_choice(value, expected["enum"], path)
        elif not _has_type(value, expected.get("type")):
            message = f"{_name(path)} must be {_kind(expected)}, not {kind_of(value)}{_advice(value, expected)}"
            yield Finding(Mismatch.WRONG_TYPE, path, False, message)
        elif isinstance(value, dict):
            yield from self._check_map(value, expected, path, what)
        elif isinstance(value, list):
            for number, item in enumerate(value):
                yield from self.check(
                    item, expected["items"], (*path, number), "task setting" if path == ("tasks",) else "field"
                )
        elif "minimum" in expected and isinstance(value, (int, float)) and value < expected["minimum"]:
            message = f"{_name(path)} must be at least {expected['minimum']}, not {quoted(value)}"
            yield Finding(Mismatch.UNKNOWN_VALUE, path, False, message)
        elif "maximum" in expected and isinstance(value, (int, float)) and value > expected["maximum"]:
            message = f"{_name(path)} must be at most {expected['maximum']}, not {quoted(value)}"
            yield Finding(Mismatch.UNKNOWN_VALUE, path, False, message)
        elif "pattern" in expected and isinstance(value, str) and not re.fullmatch(expected["pattern"], value):
            yield Finding(
                Mismatch.UNKNOWN_VALUE,
                path,
                False,
                f"{_name(path)} cannot be {quoted(value)}; write it like {quoted(expected['examples'][0])}",
            )

    def _check_map(self, value: dict[str, Value], node: Schema, path: KeyPath, what: str) -> Iterator[Finding]:
        known: dict[str, Schema] = node.get("properties", {})
        others = node.get("additionalProperties", True)
        for key, item in value.items():
            if key in known:
                yield from self.check(item, known[key], (*path, key), "field")
            elif isinstance(others, dict):
                yield from self.check(item, others, (*path, key), "field")
            elif others is False:
                yield self._unknown(key, known, path, what)
        for key in node.get("required", ()):
            if key not in value:
                yield Finding(Mismatch.MISSING_FIELD, (*path, key), True, f"{key!r} is missing{_inside(path)}")

    def _unknown(self, key: str, known: dict[str, Schema], path: KeyPath, what: str) -> Finding:
        message = f"unknown {what} {quoted(key)}{_inside(path)}{did_you_mean(key, known)}"
        return Finding(Mismatch.UNKNOWN_FIELD, (*path, key), True, message)

    def _options(self, node: Schema) -> Iterator[Schema]:
        while "$ref" in node:
            node = self.definitions[node["$ref"].rsplit("/", 1)[1]]
        if "anyOf" in node and not node.get("type"):
            for option in node["anyOf"]:
                yield from self._options(option)
        else:
            yield node


def _is_stand_in(option: Schema) -> bool:
    """Says whether this is a reference that stands for a value of another type."""
    return bool(option.get("x-stand-in"))


def _matches(value: Value, option: Schema) -> bool:
    return isinstance(value, str) and re.fullmatch(option["pattern"], value) is not None


_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
_KINDS = {
    "object": "a map",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "empty",
}


def _has_type(value: Value, asked: str | None) -> bool:
    if asked is None:
        return True
    if isinstance(value, bool):
        return asked == "boolean"
    if isinstance(value, float) and asked == "integer":
        return value.is_integer()
    return isinstance(value, _TYPES[asked])


def _kind(expected: Schema) -> str:
    return _KINDS[expected["type"]]


def _advice(value: Value, expected: Schema) -> str:
    asked = expected["type"]
    if asked == "string" and isinstance(value, (int, float)):
        return "; put it in quotes"
    if isinstance(value, str):
        if asked in ("integer", "number") and value.strip().lstrip("+-").isdigit():
            return "; write it without quotes"
        if asked == "boolean" and value.lower() in ("true", "false", "yes", "no", "on", "off", "y", "n"):
            return f"; write {'true' if value.lower() in ('true', 'yes', 'on', 'y') else 'false'}, without quotes"
        if asked == "array":
            return "; write it as a list, such as [...]"
    return ""


def _check_choice(value: Value, choices: list[str], path: KeyPath) -> Iterator[Finding]:
    if value in choices:
        return
    hint = did_you_mean(value, choices) if isinstance(value, str) else ""
    if not hint:
        hint = f"; known: {', '.join(choices)}"
    kind = Mismatch.UNKNOWN_VALUE if isinstance(value, str) else Mismatch.WRONG_TYPE
    yield Finding(
        kind,
        path,
        False,
        f"{_name(path)} cannot be {kind_of(value) if not isinstance(value, str) else quoted(value)}{hint}",
    )


def _name(path: KeyPath) -> str:
    """Names a value by its key, a list's item by its list."""
    if not path:
        return "this"
    if isinstance(path[-1], str):
        return repr(path[-1])
    keys = [step for step in path if isinstance(step, str)]
    return f"item {path[-1] + 1} of {keys[-1]!r}" if keys else f"item {path[-1] + 1}"


def _inside(path: KeyPath) -> str:
    """Says in which map a field is, where that is not plain from the place alone."""
    keys = [step for step in path if isinstance(step, str)]
    return f" in {keys[-1]!r}" if keys and keys != ["tasks"] else ""
