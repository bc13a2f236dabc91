"""A clock on which no one waits: for tests of what the SDK does between two attempts."""

from __future__ import annotations


class SleeplessClock:
    """Goes on by as much as anyone sleeps, at once; `FakeWorkspace.client(clock=...)` takes it.

    Attributes:
        slept: How long each sleep would have been, in seconds.
    """

    def __init__(self) -> None:
        """Starts at zero."""
        self.slept: list[float] = []

    def time(self) -> float:
        """The seconds slept so far."""
        return sum(self.slept)

    def sleep(self, seconds: float) -> None:
        """Notes the time instead of spending it."""
        self.slept.append(seconds)
