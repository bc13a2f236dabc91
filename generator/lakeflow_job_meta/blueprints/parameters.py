"""The parameters of a blueprint: their types, what they accept, and what a use of the blueprint gives them. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from lakeflow_job_meta._internal.secrets import masked
from lakeflow_job_meta._internal.text import did_you_mean, kind_of, listing, quoted
from lakeflow_job_meta._internal.trees import KeyPath, Value
from lakeflow_job_meta.blueprints.template import Template, names_in
from lakeflow_job_meta.diagnostics.model import Diagnostic, SourceRef, nearest
from lakeflow_job_meta.diagnostics.rules import BAD_PARAMETER, MISSING_PARAMETER, UNKNOWN_PARAMETER
from lakeflow_job_meta.parsing.arguments import Arguments, ValueForm
from lakeflow_job_meta.text.json_columns import read_json

TYPES = ("text", "number", "boolean", "list", "map")

_WORDS = {"text": "text", "number": "a number", "boolean": "true or false", "list": "a list", "map": "a map"}
_NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter as its blueprint declares it.

    Attributes:
        type: One of `TYPES`.
        default: What it is without a value; it may depend on other parameters. None where there is no default.
        needs: The parameters that the default depends on.
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
    needs: tuple[str, ...] = ()

    def read(self, value: Value, form: ValueForm) -> tuple[Value, str | None]:
        """Returns a value in the parameter's type, and what is wrong with it if anything is."""
        read = value if _TYPE_OF.get(type(value)) == self.type else _read(value, self.type, form)
        if _TYPE_OF.get(type(read)) != self.type or (type(read) is float and not math.isfinite(read)):
            reason = _why_no_json(read) if form is not ValueForm.TYPED and self.type in ("list", "map") else ""
            return None, f"{self.name!r} must be {_WORDS[self.type]}, not {kind_of(value)}{reason}"
        if self.one_of is None and self.pattern is None and self.least is None and self.most is None:
            return read, None
        return read, self._broken(read)

    def _broken(self, value: Value) -> str | None:
        if self.one_of is not None and not any(_is_same(value, each) for each in self.one_of):
            choices = [each for each in self.one_of if isinstance(each, str)]
            hint = did_you_mean(value, choices, otherwise="") if isinstance(value, str) else ""
            return f"{self._shown(value)} is not one of {listing(map(str, self.one_of))}{hint}"
        if self.pattern is not None and isinstance(value, str) and self.pattern.fullmatch(value) is None:
            return f"{self._shown(value)} does not match the pattern {self.pattern.pattern!r} of {self.name!r}"
        size = value if isinstance(value, (int, float)) else len(value) if value is not None else 0
        of = {"text": " characters", "list": " items", "map": " items"}.get(self.type, "")
        if self.least is not None and size < self.least:
            return f"{self.name!r} must be at least {_short(self.least)}{of}, not {_short(size)}"
        if self.most is not None and size > self.most:
            return f"{self.name!r} must be at most {_short(self.most)}{of}, not {_short(size)}"
        return None

    def _shown(self, value: Value) -> str:
        return quoted(masked(value, (self.name,)))


def _short(number: float) -> str:
    return f"{number:g}" if abs(number) < 1e15 else str(number)


def _is_same(one: Value, other: Value) -> bool:
    return one == other and isinstance(one, bool) == isinstance(other, bool)


_TYPE_OF: dict[type, str] = {str: "text", int: "number", float: "number", bool: "boolean", list: "list", dict: "map"}


def type_of(value: Value) -> str | None:
    """Returns which of the types of parameters a value has; None for null."""
    return _TYPE_OF.get(type(value))


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


def _why_no_json(value: Value) -> str:
    """Says what keeps a text from being a list or map that it seems to be meant as."""
    if not isinstance(value, str) or not value.lstrip().startswith(("[", "{")):
        return ""
    fault = read_json(value)[1]
    return f" ({fault.message})" if fault is not None else ""


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
    """

    values: dict[str, Value]
    arguments: Arguments
    is_right: bool = True


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
    if arguments.unread is None:
        return Resolved(dict.fromkeys(parameter.name for parameter in parameters), arguments, False), []
    if not isinstance(arguments.values, dict) and arguments.values is not None:
        message = f"the values for a blueprint are a map of its parameters, not {kind_of(arguments.values)}"
        problem = BAD_PARAMETER.at(arguments.origin, message)
        return resolve(blueprint, origin, parameters, replace(arguments, unread=None))[0], [problem]
    problems: list[Diagnostic] = []
    given = arguments.values or {}
    values: dict[str, Value] = {}
    for parameter in parameters:
        name = parameter.name
        value = given.get(name)
        value = arguments.by_name.get(name) if value is None else value
        if value is not None:
            values[name], mistake = parameter.read(value, arguments.form)
        else:
            values[name], mistake = _without_value(blueprint, parameter, values, arguments)
        if mistake is not None:
            values[name] = None
            at = given_at(name, arguments, parameters) or arguments.origin
            rule = MISSING_PARAMETER if value is None and parameter.default is None else BAD_PARAMETER
            problems.append(rule.at(at, f"{mistake} (blueprint {blueprint}, {origin.key('parameters', name)})"))
    if given.keys() - values.keys():
        problems += _unknown(blueprint, given, arguments, [parameter.name for parameter in parameters])
    return Resolved(values, arguments, not (problems or arguments.unread)), problems


def _without_value(
    blueprint: str, parameter: Parameter, values: dict[str, Value], arguments: Arguments
) -> tuple[Value, str | None]:
    """Returns what a parameter is that no value is given for, and what is wrong with that if anything is."""
    if parameter.default is None:
        is_missing = parameter.is_required and parameter.name not in (arguments.unread or ())
        why = arguments.why_missing(parameter.name) if is_missing else ""
        return None, f"no value for {parameter.name!r} of blueprint {blueprint}{why}" if is_missing else None
    value = parameter.default.fill(values)
    mistake = parameter.read(value, ValueForm.TYPED)[1] if parameter.needs and value is not None else None
    return value, f"by its default, {mistake}" if mistake is not None else None


def _unknown(
    blueprint: str, given: dict[str, Value], arguments: Arguments, known: Sequence[str]
) -> Iterator[Diagnostic]:
    for name in (name for name in given if name not in known):
        message = f"blueprint {blueprint} has no parameter {quoted(name)}{did_you_mean(name, known)}"
        yield UNKNOWN_PARAMETER.at(arguments.origin.key(name), message, nearest(name, known))


def given_at(
    name: str, arguments: Arguments, parameters: Sequence[Parameter], inside: KeyPath = ()
) -> SourceRef | None:
    """Returns where a parameter's value was given, or one that its default depends on; None where neither was."""
    if arguments.is_given(name):
        return arguments.place_of(name, *inside)
    needs = next((each.needs for each in parameters if each.name == name), ())
    return next((at for each in needs if (at := given_at(each, arguments, parameters)) is not None), None)


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
