"""Where the tasks of a job stand in a picture of its graph.

In come keys and what each waits for; out come rows of keys, then boxes. Pure, and the same for the same input: nothing
is measured and nothing is random. It draws nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter

BOX_WIDTH, BOX_HEIGHT = 200, 44
GAP, ROW_GAP = 24, 52
_ROW_LENGTH = 12  # A stage of 300 tasks becomes a block that fits a screen, not a line that fits none.
_SWEEPS = 4


@dataclass(frozen=True, slots=True)
class Box:
    """Where one task stands: its upper left corner, in pixels at the scale 1."""

    key: str
    x: int
    y: int


def boxes_of(waits_for: Mapping[str, Sequence[str]]) -> tuple[Box, ...]:
    """Returns a box for each key; whatever waits stands below all that it waits for, and no two boxes overlap.

    Keys that are only waited for, and are none of the mapping, get no box.

    Raises:
        graphlib.CycleError: Some keys wait for each other.
    """
    rows = [
        stage[start : start + _ROW_LENGTH]
        for stage in _in_order(_stages_of(waits_for), waits_for)
        for start in range(0, len(stage), _ROW_LENGTH)
    ]
    longest = max(map(len, rows), default=0)
    return tuple(
        Box(key, (longest - len(row)) * (BOX_WIDTH + GAP) // 2 + place * (BOX_WIDTH + GAP), n * (BOX_HEIGHT + ROW_GAP))
        for n, row in enumerate(rows)
        for place, key in enumerate(row)
    )


def _stages_of(waits_for: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Returns the keys by the length of the longest way that leads to each."""
    known = {key: [each for each in above if each in waits_for] for key, above in waits_for.items()}
    depth: dict[str, int] = {}
    for key in TopologicalSorter(known).static_order():
        depth[key] = 1 + max((depth[each] for each in known[key]), default=-1)
    stages: list[list[str]] = [[] for _ in range(1 + max(depth.values(), default=-1))]
    for key in waits_for:
        stages[depth[key]].append(key)
    return stages


def _in_order(stages: list[list[str]], waits_for: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Returns the stages with each key near the middle of its neighbours, so that few lines cross."""
    below: dict[str, list[str]] = {key: [] for key in waits_for}
    for key, above in waits_for.items():
        for each in above:
            below.setdefault(each, []).append(key)
    for sweep in range(_SWEEPS):
        downwards = sweep % 2 == 0
        neighbours: Mapping[str, Sequence[str]] = waits_for if downwards else below
        place = {key: n / len(stage) for stage in stages for n, key in enumerate(stage)}
        for number in range(len(stages)) if downwards else range(len(stages) - 1, -1, -1):
            stage = sorted(stages[number], key=lambda key: _middle(neighbours[key], place, place[key]))
            stages[number] = stage
            place.update((key, n / len(stage)) for n, key in enumerate(stage))
    return stages


def _middle(keys: Sequence[str], place: Mapping[str, float], otherwise: float) -> float:
    places = [place[key] for key in keys if key in place]
    return sum(places) / len(places) if places else otherwise
