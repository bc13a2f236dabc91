"""Attempts at something that may work a moment later."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator


def attempts(number: int, *, pause_seconds: float = 0, sleep: Callable[[float], None] = time.sleep) -> Iterator[bool]:
    """Yields once for each attempt, whether it is the last one; pauses before the next, each time longer.

    The caller ends the loop by returning or raising.
    """
    for attempt in range(1, number + 1):
        yield attempt == number
        sleep(pause_seconds * attempt)
