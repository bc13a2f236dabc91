"""When a monitor tries again without a change, and the clocks that it uses.

Pure but for the real clocks: takes the outcome of a tick and the time, and returns when the next try is due.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timezone

from lakeflow_job_meta.state.history import Outcome


@dataclass(frozen=True, slots=True)
class Clock:
    """The clocks of a monitor. Durations and waits never depend on the wall clock, which may be moved."""

    now: Callable[[], datetime] = lambda: datetime.now(timezone.utc)
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True, slots=True)
class Retry:
    """How many ticks have failed in a row, and when the next try without a change is due, by the monotonic clock."""

    failures_in_a_row: int = 0
    due: float | None = None

    def is_due(self, now: float) -> bool:
        return self.due is None or now >= self.due


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When to try again: after a failure soon, then later each time; after a refusal only after the longest wait.

    Attributes:
        first_seconds: How long to wait at most after the first failure; doubled with each one that follows.
        longest_seconds: The longest wait. What was refused may have been allowed elsewhere by then.
    """

    first_seconds: float = 15.0
    longest_seconds: float = 900.0

    def after(
        self, retry: Retry, outcome: Outcome, *, is_refused: bool, is_failing: bool, now: float, jitter: float
    ) -> Retry:
        """Returns the next try after a tick, of which `retry` is the one before it.

        `is_failing` says whether an earlier failure is still unresolved. `now` is by the monotonic clock; `jitter` is
        from 0 to 1, so that two monitors do not keep trying at the same time.
        """
        if outcome is Outcome.FAILED:
            failures = retry.failures_in_a_row + 1
            # A source that stays away fails each tick, and must not put off what waits for its time.
            return Retry(failures, now + self.back_off(failures, jitter) if retry.due is None else retry.due)
        if outcome is not Outcome.IDLE:
            return Retry(0, now + self.longest_seconds if is_refused else None)
        return retry if is_failing else replace(retry, failures_in_a_row=0)

    def back_off(self, failures: int, jitter: float) -> float:
        """Returns how many seconds to wait after so many failures in a row."""
        longest = min(self.first_seconds * 2.0 ** min(failures - 1, 30), self.longest_seconds)
        return longest * (0.5 + jitter / 2)
