"""Which bundle a new job goes to. Pure.

A job that has a place keeps it, whatever else changes: another place would delete and remake it. Nothing depends on the
order in which metadata is read.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

OTHER = "other"
"""The bundle of jobs without the tag."""

LONGEST_NAME = 100

_NOT_IN_NAME = re.compile(r"[^A-Za-z0-9_-]+")


def bundle_name(tag: str) -> str:
    """Returns the name of the bundle for the value of a tag; empty if no character is left."""
    return _NOT_IN_NAME.sub("_", tag).strip("_-")[:LONGEST_NAME]


def numbered(number: int) -> str:
    """Returns the name of a bundle that is known by its number, from 1."""
    return f"part_{number:03}"


def assign(
    placed: Mapping[str, str], new: Collection[str], runs: Mapping[str, Collection[str]], limit: int
) -> dict[str, str]:
    """Finds a bundle for each new job: the first with room, and one for all jobs that run each other.

    Args:
        placed: The bundles of the jobs that have one, by the jobs' keys.
        new: The keys of the jobs that have none.
        runs: Which jobs a job refers to, by their keys.
        limit: How many jobs a bundle takes; only jobs that must stay together may exceed it.

    Returns:
        The bundles of the new jobs.
    """
    filled = Counter(placed.values())
    found: dict[str, str] = {}
    bundles_of_others = _neighbours(new, placed, runs)
    first = 1
    for group in _groups(new, runs):
        neighbours = set().union(*(bundles_of_others[key] for key in group))
        while not neighbours and filled[numbered(first)] >= limit:
            first += 1
        place = min(neighbours) if neighbours else _with_room(filled, len(group), limit, first)
        found |= dict.fromkeys(group, place)
        filled[place] += len(group)
    return found


def _groups(new: Collection[str], runs: Mapping[str, Collection[str]]) -> list[Sequence[str]]:
    """Returns the new jobs in groups that refer to each other, all in the order of their keys."""
    linked: dict[str, set[str]] = {key: set() for key in new}
    for key in linked:
        for other in runs.get(key, ()):
            if other in linked:
                linked[key].add(other)
                linked[other].add(key)
    seen: set[str] = set()
    return [sorted(_reached(key, linked, seen)) for key in sorted(linked) if key not in seen]


def _reached(start: str, linked: Mapping[str, Iterable[str]], seen: set[str]) -> list[str]:
    seen.add(start)
    reached = [start]
    for key in reached:
        more = [other for other in linked[key] if other not in seen]
        seen.update(more)
        reached += more
    return reached


def _neighbours(
    new: Collection[str], placed: Mapping[str, str], runs: Mapping[str, Collection[str]]
) -> dict[str, set[str]]:
    """Returns, for each new job, the bundles of the placed ones that it refers to or that refer to it."""
    found: dict[str, set[str]] = {key: set() for key in new}
    for key, others in runs.items():
        for other in others:
            if key in found and other in placed:
                found[key].add(placed[other])
            elif other in found and key in placed:
                found[other].add(placed[key])
    return found


def _with_room(filled: Counter[str], size: int, limit: int, first: int) -> str:
    number = first
    while filled[numbered(number)] and filled[numbered(number)] + size > limit:
        number += 1
    return numbered(number)
