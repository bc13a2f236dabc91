"""Plain JSON-like values, and what is done with trees of them: looked up, walked, merged, compared. Pure.

Values are shared, never copied, and nobody changes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from copy import copy
from dataclasses import dataclass, field
from typing import NamedTuple, Union, cast

from lakeflow_job_meta._internal.secrets import is_secret_option, masked, names_a_secret, without_found
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


KEYS_OF_LISTS = {"job_clusters": "job_cluster_key", "environments": "environment_key", "parameters": "name"}
"""Lists whose items have a key, by which they are merged; the databricks CLI does so with clusters and parameters of
overrides: bundle/config/mutator/resourcemutator/merge_job_*.go."""


def merged(default: Value, own: Value) -> Value:
    """Lays `own` over `default`: maps are merged key by key, null takes a default away, the rest is replaced.

    The lists of `KEYS_OF_LISTS` are merged item by item; one with nothing but null beside its key is taken away.
    """
    if not (isinstance(default, dict) and isinstance(own, dict)):
        return own
    result = dict(default)
    for key, value in own.items():
        if key in default and value is None:
            del result[key]
        elif key not in default:
            result[key] = value
        elif key in KEYS_OF_LISTS:
            result[key] = _merged_items(default[key], value, KEYS_OF_LISTS[key])
        else:
            result[key] = merged(default[key], value)
    return result


def _merged_items(default: Value, own: Value, key: str) -> Value:
    before, after = _by_key(default, key), _by_key(own, key)
    if before is None or after is None:
        return merged(default, own)
    together = {name: merged(before[name], after[name]) if name in after else before[name] for name in before}
    together |= {name: item for name, item in after.items() if name not in before}
    taken = {name for name, item in after.items() if name in before and _is_taken_away(item, key)}
    return [item for name, item in together.items() if name not in taken]


def _by_key(items: Value, key: str) -> dict[str, Value] | None:
    """Returns the items of a list by their keys; None if one has none, or two have the same."""
    if not isinstance(items, list):
        return None
    found = {item[key]: item for item in items if isinstance(item, dict) and isinstance(item.get(key), str)}
    return cast("dict[str, Value]", found) if len(found) == len(items) else None


def _is_taken_away(item: Value, key: str) -> bool:
    return isinstance(item, dict) and len(item) > 1 and all(each is None for name, each in item.items() if name != key)


class ItemKey(NamedTuple):
    """A step into one of the lists of `KEYS_OF_LISTS`, by the key of the item: its number differs between layers."""

    name: str
    value: str


def by_item_key(value: Value, path: KeyPath) -> tuple[str | int | ItemKey, ...]:
    """Returns a path into `value` in which numbers of items of `KEYS_OF_LISTS` are their keys."""
    steps: list[str | int | ItemKey] = []
    inside: object = value
    for number, step in enumerate(path):
        key = KEYS_OF_LISTS.get(str(path[number - 1])) if number > 0 and isinstance(step, int) else None
        inside = value_at(inside, (step,))[1]
        name = inside.get(key) if key is not None and isinstance(inside, dict) else None
        steps.append(ItemKey(key, name) if key is not None and isinstance(name, str) else step)
    return tuple(steps)


def by_item_number(value: Value, path: Iterable[str | int | ItemKey]) -> KeyPath:
    """Returns a path of `by_item_key` as a path into another value; an item that it has not is at -1 there."""
    steps: list[str | int] = []
    inside: object = value
    for step in path:
        found: str | int = step if not isinstance(step, ItemKey) else _number_of(inside, step)
        steps.append(found)
        inside = value_at(inside, (found,))[1]
    return tuple(steps)


def _number_of(items: object, wanted: ItemKey) -> int:
    numbered = enumerate(items if isinstance(items, list) else [])
    return next((n for n, item in numbered if isinstance(item, dict) and item.get(wanted.name) == wanted.value), -1)


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
        name, (before, after) = without_found(".".join(map(str, self.path))) or "value", self.shown
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


def with_value_at(root: Value, path: KeyPath, value: object) -> object:
    """Returns a copy with another value at a path, or without what is there where that is `ABSENT`.

    Maps that lead there and are missing are added. `ABSENT` where the path leads through what is neither map nor list.
    """
    if not path:
        return value
    if root is None and isinstance(path[0], str):
        root = {}
    if isinstance(root, dict) and isinstance(path[0], str):
        inside = with_value_at(root.get(path[0]), path[1:], value)
        if inside is ABSENT:
            return {key: item for key, item in root.items() if key != path[0]} if len(path) == 1 else ABSENT
        return {**root, path[0]: inside}
    if not isinstance(root, list) or not isinstance(path[0], int) or not 0 <= path[0] < len(root):
        return ABSENT
    inside = with_value_at(root[path[0]], path[1:], value)
    changed = copy(root)
    changed[path[0]] = cast("Value", inside)
    return ABSENT if inside is ABSENT else changed
