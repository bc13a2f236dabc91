"""Calls that wait for something, such as requests: several attempts, threads, and processes beside this one.

Threads are daemon threads, and none of an executor: Python waits for the threads of an executor when a process ends, so
that one call that hangs would keep the process from ending after Ctrl-C.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Generic, TypeVar

_Name = TypeVar("_Name", bound=Hashable)
_Result = TypeVar("_Result")
_Expected = TypeVar("_Expected", bound=Exception)


class Stop:
    """Asks what runs in threads to end, which no Ctrl-C reaches: in good order, and asked once more, at once."""

    def __init__(self) -> None:
        self._asked, self._urgent = threading.Event(), threading.Event()

    @property
    def is_asked(self) -> bool:
        return self._asked.is_set()

    @property
    def is_urgent(self) -> bool:
        return self._urgent.is_set()

    def ask(self) -> None:
        (self._urgent if self.is_asked else self._asked).set()


def run_in_threads(
    calls: Mapping[_Name, Callable[[], _Result]],
    at_a_time: int,
    *,
    expected: tuple[type[_Expected], ...] = (),
    stop: Stop | None = None,
) -> tuple[dict[_Name, _Result], dict[_Name, _Expected]]:
    """Makes all calls, also when some fail as expected.

    Args:
        calls: By name.
        at_a_time: How many threads.
        expected: Errors that leave the other calls alone. After any other no further call begins, and it is raised.
        stop: Asked when this thread is interrupted, and when it is once more; the calls look at it and end, and are
            waited for. Without it, and after a third time, they are left behind.

    Returns:
        The results and the expected errors by name, in the order of the calls.
    """
    pending = _PendingCalls(calls, expected)
    # No Thread.join: one that was interrupted takes the thread for ended (Python 3.10 to 3.12).
    ends = [threading.Event() for _ in range(min(at_a_time, len(calls)))]
    threads = [threading.Thread(target=pending.run, args=(end,), daemon=True) for end in ends]
    try:
        for thread in threads:
            thread.start()
        for end in ends:
            end.wait()
    except BaseException as interruption:
        pending.ended_by.append(interruption)
        if stop is not None:
            _end(stop, [end for thread, end in zip(threads, ends, strict=True) if thread.ident is not None])
        raise
    if pending.ended_by:
        raise pending.ended_by[0]
    results, errors = pending.results, pending.errors
    return {name: results[name] for name in calls if name in results}, {n: errors[n] for n in calls if n in errors}


def _end(stop: Stop, ends: Sequence[threading.Event]) -> None:
    is_urgent = stop.is_asked
    stop.ask()
    try:
        for end in ends:
            end.wait()
    except KeyboardInterrupt:
        if not is_urgent:
            _end(stop, ends)


class _PendingCalls(Generic[_Name, _Result, _Expected]):
    def __init__(self, calls: Mapping[_Name, Callable[[], _Result]], expected: tuple[type[_Expected], ...]) -> None:
        self._calls = calls
        self._expected = expected
        self._names = deque(calls)
        self.results: dict[_Name, _Result] = {}
        self.errors: dict[_Name, _Expected] = {}
        self.ended_by: list[BaseException] = []

    def run(self, end: threading.Event) -> None:
        """Makes one call after the other, in one of several threads."""
        with suppress(IndexError):
            while not self.ended_by:
                name = self._names.popleft()
                try:
                    self.results[name] = self._calls[name]()
                except self._expected as error:
                    self.errors[name] = error
                except BaseException as error:
                    self.ended_by.append(error)
        end.set()


def attempts(number: int, *, pause_seconds: float = 0, sleep: Callable[[float], None] = time.sleep) -> Iterator[bool]:
    """Yields once for each attempt, whether it is the last one; pauses before the next, each time longer.

    The caller ends the loop by returning or raising.
    """
    for attempt in range(1, number + 1):
        yield attempt == number
        sleep(pause_seconds * attempt)


def is_running(process: int) -> bool:
    """Says whether a process of this machine runs; where the system has no harmless way to ask, it is taken to."""
    if os.name != "posix":
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True
