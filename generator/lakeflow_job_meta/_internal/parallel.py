"""Threads for calls that wait for something: requests, and processes.

They are daemon threads, and none of an executor: Python waits for the threads of an executor when a process ends, so
that one call that hangs would keep the process from ending after Ctrl-C.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TypeVar

_Name = TypeVar("_Name", bound=Hashable)
_Result = TypeVar("_Result")
_Expected = TypeVar("_Expected", bound=Exception)


def run_in_threads(
    calls: Mapping[_Name, Callable[[], _Result]],
    at_a_time: int,
    *,
    expected: tuple[type[_Expected], ...] = (),
    stop: threading.Event | None = None,
) -> tuple[dict[_Name, _Result], dict[_Name, _Expected]]:
    """Makes all calls, also when some fail as expected.

    Args:
        calls: By name.
        at_a_time: How many threads.
        expected: Errors that leave the other calls alone. After any other no further call begins, and it is raised.
        stop: Set when this thread is interrupted; the calls look at it and end, and are waited for. Without it they are
            left behind.

    Returns:
        The results and the expected errors by name, in the order of the calls.
    """
    waiting: SimpleQueue[_Name] = SimpleQueue()
    for name in calls:
        waiting.put(name)
    results: dict[_Name, _Result] = {}
    errors: dict[_Name, _Expected] = {}
    ended_by: list[BaseException] = []

    def run(end: threading.Event) -> None:
        with suppress(Empty):
            while not ended_by:
                name = waiting.get_nowait()
                try:
                    results[name] = calls[name]()
                except expected as error:
                    errors[name] = error
                except BaseException as error:
                    ended_by.append(error)
        end.set()

    # No Thread.join: one that was interrupted takes the thread for ended (Python 3.10 to 3.12).
    ends: list[threading.Event] = []
    try:
        for _ in range(min(at_a_time, len(calls))):
            end = threading.Event()
            threading.Thread(target=run, args=(end,), daemon=True).start()
            ends.append(end)
        for end in ends:
            end.wait()
    except BaseException as interruption:
        ended_by.append(interruption)
        if stop is not None:
            stop.set()
            for end in ends:
                end.wait()
        raise
    if ended_by:
        raise ended_by[0]
    return {name: results[name] for name in calls if name in results}, {n: errors[n] for n in calls if n in errors}
