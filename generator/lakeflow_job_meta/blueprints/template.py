"""Trees of values with placeholders such as `${param.x}` in them, compiled once and filled many times. Pure.

A text that is a placeholder and nothing else becomes the parameter's value, whatever its type; in a longer text the
value is written as YAML would write it, and nothing (null) makes the whole text nothing, as in SQL. A key of a map
whose value comes to nothing is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Protocol

from lakeflow_job_meta._internal.text import json_like
from lakeflow_job_meta._internal.trees import KeyPath, Value, texts_in

PLACEHOLDER = re.compile(r"\$\{param\.([^{}]*)\}")


class Values(Protocol):
    """What placeholders stand for, by what is behind the dot: a map of parameters, or a row of a table."""

    def get(self, name: str, /) -> Value: ...


class Template(Protocol):
    """A value with placeholders, or without any."""

    def fill(self, values: Values) -> Value:
        """Returns the value; parts without a placeholder are shared between all that are made."""


class _Constant:
    __slots__ = ("value",)

    def __init__(self, value: Value) -> None:
        self.value = value

    def fill(self, values: Values) -> Value:
        return self.value


class _Whole:
    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def fill(self, values: Values) -> Value:
        return values.get(self.name)


class _Text:
    __slots__ = ("names", "pieces")

    def __init__(self, text: str, placeholder: re.Pattern[str]) -> None:
        parts = placeholder.split(text)
        self.pieces, self.names = parts[::2], parts[1::2]

    def fill(self, values: Values) -> Value:
        result = self.pieces[0]
        for name, piece in zip(self.names, self.pieces[1:], strict=True):
            value = values.get(name)
            if value is None:
                return None
            result += (value if isinstance(value, str) else json_like(value)) + piece
        return result


class _Map:
    __slots__ = ("base", "filled")

    def __init__(self, base: dict[str, Value], filled: Sequence[tuple[str, Template]]) -> None:
        self.base, self.filled = base, filled

    def fill(self, values: Values) -> Value:
        result = dict(self.base)
        for key, template in self.filled:
            value = template.fill(values)
            if value is None:
                del result[key]
            else:
                result[key] = value
        return result


class _List:
    __slots__ = ("items",)

    def __init__(self, items: Sequence[Template]) -> None:
        self.items = items

    def fill(self, values: Values) -> Value:
        return [item.fill(values) for item in self.items]


def compile_template(value: Value, placeholder: re.Pattern[str] = PLACEHOLDER) -> Template:
    """Returns the template of a value whose texts may hold placeholders; the group of the pattern is the name."""
    if isinstance(value, str):
        if placeholder.search(value) is None:
            return _Constant(value)
        whole = placeholder.fullmatch(value)
        return _Whole(whole[1]) if whole is not None else _Text(value, placeholder)
    if isinstance(value, dict):
        inside = {key: compile_template(item, placeholder) for key, item in value.items()}
        filled = [(key, each) for key, each in inside.items() if not isinstance(each, _Constant)]
        return _Map(value, filled) if filled else _Constant(value)
    if isinstance(value, list):
        items = [compile_template(item, placeholder) for item in value]
        return _List(items) if any(not isinstance(each, _Constant) for each in items) else _Constant(value)
    return _Constant(value)


def placeholders_in(value: Value, placeholder: re.Pattern[str] = PLACEHOLDER) -> Iterator[tuple[KeyPath, str, bool]]:
    """Yields every placeholder with its path, the name in it, and whether it is the whole text."""
    for path, text in texts_in(value):
        for match in placeholder.finditer(text):
            yield path, match[1], match.span() == (0, len(text))


def names_in(value: Value) -> frozenset[str]:
    """Returns the names of all parameters that a value depends on."""
    return frozenset(name for _, name, _ in placeholders_in(value))
