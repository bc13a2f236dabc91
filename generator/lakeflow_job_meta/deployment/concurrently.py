"""Does several things at a time, in threads; being stopped stops all of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

_Result = TypeVar("_Result")
_Handled = TypeVar("_Handled", bound=Exception)


def concurrently(
    works: Mapping[str, Callable[[], _Result]], at_a_time: int, stop: threading.Event, handled: type[_Handled]
) -> tuple[dict[str, _Result], dict[str, _Handled]]:
    """Does all works, also when some fail.

    Args:
        works: What to do, by name.
        at_a_time: How many threads.
        stop: Set when this thread is interrupted; the works are to look at it and end.
        handled: What is expected to go wrong.

    Returns:
        What each came to by name, and what went wrong with the others.
    """
    with ThreadPoolExecutor(at_a_time) as pool:
        futures = {name: pool.submit(work) for name, work in works.items()}
        try:
            wait(futures.values())
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise
    done: dict[str, _Result] = {}
    failed: dict[str, _Handled] = {}
    for name, future in futures.items():
        error = future.exception()
        if isinstance(error, handled):
            failed[name] = error
        else:
            done[name] = future.result()
    return done, failed
