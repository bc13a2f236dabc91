"""Plain JSON-like values, and what is done with trees of them: looked up, walked, merged, compared. Pure.

Values are shared, never copied, and nobody changes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from copy import copy
from dataclasses import dataclass
from typing import Union

from lakeflow_job_meta._internal.text import quoted

Scalar = str | int | float | bool | None
Value = Union[str, int, float, bool, None, list["Value"], dict[str, "Value"]]  # noqa: UP007 (recursive)
KeyPath = tuple[str | int, ...]


def value_at(value: object, path: Iterable[str | int]) -> tuple[bool, object]:
    """Follows a path into nested maps and lists; returns whether it leads somewhere, and to what."""
    for step in path:
        if isinstance(value, dict) and step in value:
            value = value[step]
            continue
        if not (isinstance(value, list) and isinstance(step, int) and 0 <= step < len(value)):
            return False, None
        value = value[step]
    return True, value


def texts_in(value: Value, path: KeyPath = ()) -> Iterator[tuple[KeyPath, str]]:
    """Yields every text in a value, keys of maps left out, with its path."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from texts_in(item, (*path, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from texts_in(item, (*path, number))


def merged(default: Value, own: Value) -> Value:
    """Lays `own` over `default`: maps are merged key by key, null takes a default away, the rest is replaced."""
    if not (isinstance(default, dict) and isinstance(own, dict)):
        return own
    result = dict(default)
    for key, value in own.items():
        if key in default and value is None:
            del result[key]
        else:
            result[key] = merged(default[key], value) if key in default else value
    return result


def replaced(value: Value, path: KeyPath, new: Value) -> Value:
    """Returns a copy with a new value at a path, or in place of what the path cannot go into."""
    if not path or not isinstance(value, (dict, list)):
        return new
    copied = copy(value)
    copied[path[0]] = replaced(value[path[0]], path[1:], new)  # type: ignore[index]
    return copied


ABSENT = object()
"""Stands for a setting that is not there."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One setting that differs; `before` is `ABSENT` where it is new, `after` where it is gone."""

    path: KeyPath
    before: object
    after: object

    def __str__(self) -> str:
        name = ".".join(str(step) for step in self.path) or "value"
        if self.before is ABSENT:
            return f"{name}: {quoted(self.after)} (new)"
        if self.after is ABSENT:
            return f"{name}: {quoted(self.before)} (gone)"
        return f"{name}: {quoted(self.before)} -> {quoted(self.after)}"


def diff(before: Value, after: Value, path: KeyPath = ()) -> Iterator[Difference]:
    """Yields every setting in which two values differ: maps key by key, lists as a whole if their lengths differ."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in {**before, **after}:
            if key not in before:
                yield Difference((*path, key), ABSENT, after[key])
            elif key not in after:
                yield Difference((*path, key), before[key], ABSENT)
            else:
                yield from diff(before[key], after[key], (*path, key))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from diff(one, other, (*path, number))
    elif type(before) is not type(after) or before != after:
        yield Difference(path, before, after)
