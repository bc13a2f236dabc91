"""The parameters of a blueprint: their types, what they accept, and what a use of the blueprint gives them. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lakeflow_job_meta._internal.text import did_you_mean, kind_of, listing, quoted
from lakeflow_job_meta._internal.trees import Value
from lakeflow_job_meta.blueprints.template import Template, compile_template, names_in
from lakeflow_job_meta.diagnostics.model import Diagnostic, SourceRef, nearest
from lakeflow_job_meta.diagnostics.rules import BAD_PARAMETER, MISSING_PARAMETER, UNKNOWN_PARAMETER
from lakeflow_job_meta.parsing.arguments import Arguments, ValueForm
from lakeflow_job_meta.text.json_columns import read_json

TYPES = ("text", "number", "boolean", "list", "map")

_WORDS = {"text": "text", "number": "a number", "boolean": "true or false", "list": "a list", "map": "a map"}
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter as its blueprint declares it.

    Attributes:
        type: One of `TYPES`.
        default: What it is without a value; it may depend on other parameters. None where there is no default.
        is_required: Whether it needs a value; one that does not, and has none, is null.
        one_of: The values that it may have; None for all.
        pattern: What all of a text must match.
        least, most: The bounds of a number, of the characters of a text, or of the items of a list or map.
    """

    name: str
    type: str
    default: Template | None
    is_required: bool
    one_of: tuple[Value, ...] | None = None
    pattern: re.Pattern[str] | None = None
    least: float | None = None
    most: float | None = None

    def read(self, value: Value, form: ValueForm) -> tuple[Value, str | None]:
        """Returns a value in the parameter's type, and what is wrong with it if anything is."""
        read = value if _TYPE_OF.get(type(value)) == self.type else _read(value, self.type, form)
        if _TYPE_OF.get(type(read)) != self.type:
            return None, f"{self.name!r} must be {_WORDS[self.type]}, not {kind_of(value)}"
        if self.one_of is None and self.pattern is None and self.least is None and self.most is None:
            return read, None
        return read, self._broken(read)

    def _broken(self, value: Value) -> str | None:
        if self.one_of is not None and not any(_is_same(value, each) for each in self.one_of):
            choices = [each for each in self.one_of if isinstance(each, str)]
            hint = did_you_mean(value, choices, otherwise="") if isinstance(value, str) else ""
            return f"{quoted(value)} is not one of {listing(map(str, self.one_of))}{hint}"
        if self.pattern is not None and isinstance(value, str) and self.pattern.fullmatch(value) is None:
            return f"{quoted(value)} does not match the pattern {self.pattern.pattern!r} of {self.name!r}"
        size = value if isinstance(value, (int, float)) else len(value) if value is not None else 0
        of = {"text": " characters", "list": " items", "map": " items"}.get(self.type, "")
        if self.least is not None and size < self.least:
            return f"{self.name!r} must be at least {_short(self.least)}{of}, not {_short(size)}"
        if self.most is not None and size > self.most:
            return f"{self.name!r} must be at most {_short(self.most)}{of}, not {_short(size)}"
        return None


def _short(number: float) -> str:
    return f"{number:g}" if abs(number) < 1e15 else str(number)


def _is_same(one: Value, other: Value) -> bool:
    return one == other and isinstance(one, bool) == isinstance(other, bool)


_TYPE_OF: dict[type, str] = {str: "text", int: "number", float: "number", bool: "boolean", list: "list", dict: "map"}


def _read(value: Value, kind: str, form: ValueForm) -> Value:
    """Turns a value into another type as far as its form lets it; else returns it as it is."""
    if form is ValueForm.TYPED:
        return value
    if kind in ("list", "map") and isinstance(value, str):
        found, fault = read_json(value)
        return value if fault is not None else found
    if kind == "text" and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return _READERS[kind](value) if form is ValueForm.TEXT and isinstance(value, str) and kind in _READERS else value


def _number(text: str) -> Value:
    text = text.strip()
    if _NUMBER.fullmatch(text) is None or len(text) > 40:
        return text
    number = float(text)
    if not math.isfinite(number):
        return text
    return int(text) if re.fullmatch(r"[-+]?\d+", text) else number


def _boolean(text: str) -> Value:
    return {"true": True, "false": False}.get(text.strip().lower(), text)


_READERS: dict[str, Callable[[str], Value]] = {"number": _number, "boolean": _boolean}


@dataclass(frozen=True, slots=True)
class Resolved:
    """The values of all parameters for one use.

    Attributes:
        values: By name; null for one that has none, or whose value is wrong.
        is_right: Whether nothing is wrong with them.
        given: The names of those that the use gives a value.
    """

    values: dict[str, Value]
    arguments: Arguments
    is_right: bool = True

    def is_given(self, name: str) -> bool:
        values = self.arguments.values
        return isinstance(values, dict) and values.get(name) is not None


def resolve(
    blueprint: str, origin: SourceRef, parameters: Sequence[Parameter], arguments: Arguments
) -> tuple[Resolved, list[Diagnostic]]:
    """Returns the values of a blueprint's parameters for one use, and everything that is wrong with those given.

    Args:
        blueprint: Its name.
        origin: Where it stands, for messages.
        parameters: In an order in which the default of each depends on earlier ones alone.
        arguments: What the use gives.
    """

    def place(name: str) -> str:
        return f" (blueprint {blueprint}, {origin.key('parameters', name)})"

    problems: list[Diagnostic] = []
    given = arguments.values if isinstance(arguments.values, dict) else {}
    if not isinstance(arguments.values, dict) and arguments.values is not None:
        message = f"the values for a blueprint are a map of its parameters, not {kind_of(arguments.values)}"
        problems.append(BAD_PARAMETER.at(arguments.origin, message))
    values: dict[str, Value] = {}
    for parameter in parameters:
        name = parameter.name
        value = given.get(name)
        value = arguments.by_name.get(name) if value is None else value
        if value is not None:
            values[name], mistake = parameter.read(value, arguments.form)
            if mistake is not None:
                values[name] = None
                problems.append(BAD_PARAMETER.at(arguments.origin.at(name), mistake + place(name)))
        elif parameter.default is not None:
            values[name] = parameter.default.fill(values)
        elif parameter.is_required:
            message = f"no value for {name!r} of blueprint {blueprint}{arguments.why_missing(name)}"
            problems.append(MISSING_PARAMETER.at(arguments.origin, message + place(name)))
            values[name] = None
        else:
            values[name] = None
    if len(given) > len(parameters) or given.keys() - values.keys():
        known = [parameter.name for parameter in parameters]
        for name in (name for name in given if name not in values):
            message = f"blueprint {blueprint} has no parameter {quoted(name)}{did_you_mean(name, known)}"
            origin = arguments.origin.key(name)
            problems.append(UNKNOWN_PARAMETER.at(origin, message, nearest(name, known)))
    return Resolved(values, arguments, not problems), problems


def default_template(value: Value) -> Template:
    """Returns the template of a parameter's default."""
    return compile_template(value)


def in_order_of_defaults(names: Sequence[str], defaults: dict[str, Value]) -> tuple[list[str], list[str]]:
    """Sorts parameters so that the default of each depends on earlier ones alone.

    Returns:
        The names in that order, and those whose defaults depend on each other in a circle.
    """
    needs = {name: names_in(defaults.get(name)) & set(names) for name in names}
    ordered: list[str] = []
    left = list(names)
    while left:
        ready = [name for name in left if needs[name] <= set(ordered)]
        if not ready:
            return [*ordered, *left], left
        ordered += ready
        left = [name for name in left if name not in ordered]
    return ordered, []
