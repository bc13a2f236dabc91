"""What a monitor's process held after each tick, and whether that grows. Pure."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

SECONDS = float(os.environ.get("LJM_SOAK_SECONDS", "3600"))
"""How long a soak takes; an hour where nobody says otherwise."""

IDLE_TOLERANCE_KILOBYTES = 3_000
"""Allocators keep what they had."""

CHANGING_TOLERANCE_KILOBYTES = 15_000
"""delta-rs needs more for the logs of tables with more versions, until they have had a checkpoint or two: some 25 MB in
the first 200 changes, and next to nothing in the thousand after them."""


@dataclass(frozen=True)
class Sample:
    """One tick.

    Attributes:
        outcome: What it came to.
        seconds: How long it took.
        memory: Resident memory after it, in kilobytes.
        files: Open file descriptors after it; `children` likewise child processes.
    """

    outcome: str
    failure: str
    seconds: float
    memory: int
    files: int
    children: int


def growth_kilobytes(samples: Sequence[Sample]) -> float:
    """Returns by how much memory grew after the warm-up: from the second quarter of the ticks to the last one."""
    quarter = len(samples) // 4
    early, late = samples[quarter : 2 * quarter], samples[-quarter:]
    return median(sample.memory for sample in late) - median(sample.memory for sample in early)
