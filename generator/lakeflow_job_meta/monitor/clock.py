"""The clocks of a monitor, so that tests can have their own."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone


@dataclass(frozen=True, slots=True)
class Clock:
    """What a monitor knows of time. Durations and waits never depend on the wall clock, which may be moved.

    Attributes:
        now: The wall clock, for people to read.
        monotonic: Seconds that never go backwards.
        sleep: Waits for so many seconds.
    """

    now: Callable[[], datetime] = lambda: datetime.now(timezone.utc)
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
