"""Plain JSON-like values, and what is done with trees of them: looked up, walked, merged, compared. Pure.

Values are shared, never copied, and nobody changes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from copy import copy
from dataclasses import dataclass, field
from typing import Union

from lakeflow_job_meta._internal.secrets import is_secret_option, masked, names_a_secret
from lakeflow_job_meta._internal.text import quoted, quoted_apart

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
    """One setting that differs; `before` is `ABSENT` where it is new, `after` where it is gone.

    `is_secret` says that it may hold a secret although its path does not say so: the value of a parameter in a list.
    `origin` is where the value after was written, where that is to be told.
    """

    path: KeyPath
    before: object
    after: object
    is_secret: bool = False
    origin: str | None = field(default=None, compare=False, repr=False)

    @property
    def shown(self) -> tuple[object, object]:
        """What was before and what is after, as it may be shown."""
        before, after = (masked(each, self.path, is_secret=self.is_secret) for each in (self.before, self.after))
        return before, after

    def __str__(self) -> str:
        name, (before, after) = ".".join(str(step) for step in self.path) or "value", self.shown
        where = f"  ({self.origin})" if self.origin is not None else ""
        if before is ABSENT:
            return f"{name}: {quoted(after)} (new){where}"
        if after is ABSENT:
            return f"{name}: {quoted(before)} (gone){where}"
        return f"{name}: {' -> '.join(quoted_apart(before, after))}{where}"


def diff(before: Value, after: Value, path: KeyPath = (), *, is_secret: bool = False) -> Iterator[Difference]:
    """Yields every setting in which two values differ: maps key by key, lists as a whole if their lengths differ."""
    if isinstance(before, dict) and isinstance(after, dict):
        is_secret = is_secret or names_a_secret(before) or names_a_secret(after)
        for key in {**before, **after}:
            if key in before and key in after:
                yield from diff(before[key], after[key], (*path, key), is_secret=is_secret)
            else:
                yield Difference((*path, key), before.get(key, ABSENT), after.get(key, ABSENT), is_secret)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (one, other) in enumerate(zip(before, after, strict=True)):
            hidden = is_secret or (number > 0 and is_secret_option(after[number - 1]))
            yield from diff(one, other, (*path, number), is_secret=hidden)
    elif type(before) is not type(after) or before != after:
        yield Difference(path, before, after, is_secret)
