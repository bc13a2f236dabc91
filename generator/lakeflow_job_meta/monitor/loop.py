"""Ticks again and again, until it is stopped or has failed too often."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lakeflow_job_meta._internal.text import count
from lakeflow_job_meta.monitor.events import Event, EventKind, EventSink, TickResult
from lakeflow_job_meta.monitor.monitor import Monitor
from lakeflow_job_meta.monitor.retry import Clock


@dataclass(frozen=True, slots=True)
class LoopOptions:
    """How often, from the beginning of one tick to that of the next, and for how long: None never ends.

    Ends after `fail_after` failures in a row.
    """

    interval_seconds: float = 60.0
    max_ticks: int | None = None
    fail_after: int | None = None

    def __str__(self) -> str:
        return "One tick." if self.max_ticks == 1 else f"One tick every {self.interval_seconds:g} seconds."


@dataclass(frozen=True, slots=True)
class LoopResult:
    """How a loop ended: well, or because it failed too often; and the last tick that came to its end."""

    is_success: bool
    last: TickResult | None

    @property
    def failure(self) -> str:
        """What the last tick leaves for a person to do, as text."""
        return "The monitor ended." if self.last is None else self.last.problems


def run_loop(
    monitor: Monitor,
    options: LoopOptions,
    sink: EventSink,
    *,
    clock: Clock | None = None,
    on_tick: Callable[[TickResult], None] = lambda tick: None,
) -> LoopResult:
    """Ticks until it is stopped by Ctrl-C or SIGTERM, or has failed too often."""
    clock = clock or Clock()
    monitor.interval_seconds = None if options.max_ticks == 1 else options.interval_seconds
    sink(Event(EventKind.STARTED, str(options), {"interval_seconds": options.interval_seconds}))
    number, tick = 0, None
    try:
        while True:
            began = clock.monotonic()
            tick = monitor.tick()
            on_tick(tick)
            number += 1
            failures = monitor.retry.failures_in_a_row
            if options.fail_after is not None and failures >= options.fail_after:
                sink(Event(EventKind.STOPPED, f"Failed {failures} times in a row."))
                return LoopResult(False, tick)
            if options.max_ticks is not None and number >= options.max_ticks:
                sink(Event(EventKind.STOPPED, f"Ended after {count(number, 'tick')}."))
                break
            clock.sleep(max(options.interval_seconds - (clock.monotonic() - began), 0.0))
    except KeyboardInterrupt:
        sink(Event(EventKind.STOPPED, "Stopped on request. What was begun is finished by the next start."))
    monitor.announce_end()
    return LoopResult(True, tick)
