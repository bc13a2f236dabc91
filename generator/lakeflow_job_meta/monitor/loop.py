"""Ticks again and again, until it is told to stop or has failed too often."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lakeflow_job_meta._internal.text import count
from lakeflow_job_meta.monitor.clock import Clock
from lakeflow_job_meta.monitor.events import Event, EventKind, EventSink
from lakeflow_job_meta.monitor.monitor import Monitor, TickResult


@dataclass(frozen=True, slots=True)
class LoopOptions:
    """How often, and for how long.

    Attributes:
        interval_seconds: From the beginning of one tick to the beginning of the next.
        max_ticks: After how many to end; None never ends.
        fail_after: After how many failures in a row to end; None never does.
    """

    interval_seconds: float = 60.0
    max_ticks: int | None = None
    fail_after: int | None = None


@dataclass(frozen=True, slots=True)
class LoopResult:
    """How a loop ended.

    Attributes:
        has_ended_well: Whether it was told to stop, or had looked as often as it should; not if it failed too often.
        last: The last tick that came to its end; None where none did.
    """

    has_ended_well: bool
    last: TickResult | None


def run_loop(
    monitor: Monitor,
    rhythm: LoopOptions,
    tell: EventSink,
    *,
    clock: Clock | None = None,
    on_tick: Callable[[TickResult], None] = lambda tick: None,
) -> LoopResult:
    """Ticks until it is told to stop by Ctrl-C or SIGTERM, or has failed too often.

    Args:
        monitor: What ticks.
        rhythm: How often.
        tell: Told when it starts and stops.
        clock: For tests.
        on_tick: Called after each tick.
    """
    clock = clock or Clock()
    monitor.interval_seconds = None if rhythm.max_ticks == 1 else rhythm.interval_seconds
    tell(Event(EventKind.STARTED, _introduction(rhythm), {"interval_seconds": rhythm.interval_seconds}))
    number, tick = 0, None
    try:
        while True:
            began = clock.monotonic()
            tick = monitor.tick()
            on_tick(tick)
            number += 1
            if rhythm.fail_after is not None and monitor.failures_in_a_row >= rhythm.fail_after:
                tell(Event(EventKind.STOPPED, f"Failed {monitor.failures_in_a_row} times in a row."))
                return LoopResult(False, tick)
            if rhythm.max_ticks is not None and number >= rhythm.max_ticks:
                tell(Event(EventKind.STOPPED, f"Ended after {count(number, 'look')}."))
                monitor.say_goodbye()
                return LoopResult(True, tick)
            clock.sleep(max(rhythm.interval_seconds - (clock.monotonic() - began), 0.0))
    except KeyboardInterrupt:
        tell(Event(EventKind.STOPPED, "Stopped on request. What was begun is finished by the next start."))
        monitor.say_goodbye()
        return LoopResult(True, tick)


def _introduction(rhythm: LoopOptions) -> str:
    if rhythm.max_ticks == 1:
        return "Looking once."
    return f"Looking every {rhythm.interval_seconds:g} seconds."
