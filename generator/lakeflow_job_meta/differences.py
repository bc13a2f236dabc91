"""What differs between two values, setting by setting. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lakeflow_job_meta.values import Path, Value, quoted

ABSENT = object()
"""Stands for a setting that is not there."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One setting that differs.

    Attributes:
        before: Its value, `ABSENT` where it is new; `after` likewise where it is gone.
    """

    path: Path
    before: object
    after: object

    def __str__(self) -> str:
        name = ".".join(str(step) for step in self.path) or "value"
        if self.before is ABSENT:
            return f"{name}: {quoted(self.after)} (new)"
        if self.after is ABSENT:
            return f"{name}: {quoted(self.before)} (gone)"
        return f"{name}: {quoted(self.before)} -> {quoted(self.after)}"


def differences(before: Value, after: Value, path: Path = ()) -> Iterator[Difference]:
    """Yields every setting in which two values differ: maps key by key, lists as a whole if their lengths differ."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in {**before, **after}:
            if key not in before:
                yield Difference((*path, key), ABSENT, after[key])
            elif key not in after:
                yield Difference((*path, key), before[key], ABSENT)
            else:
                yield from differences(before[key], after[key], (*path, key))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from differences(one, other, (*path, number))
    elif type(before) is not type(after) or before != after:
        yield Difference(path, before, after)
