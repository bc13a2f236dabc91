"""Threads for work that waits: many questions at a time, and several long tasks that are stopped together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from queue import Empty, SimpleQueue
from typing import TypeVar

_Question = TypeVar("_Question")
_Answer = TypeVar("_Answer")


def side_by_side(ask: Callable[[_Question], _Answer], questions: Sequence[_Question], *, at_once: int) -> list[_Answer]:
    """Returns the answers in the order of the questions.

    Args:
        ask: Called for each question, in any thread; what it raises is raised here, and no more is asked.
        questions: All of them.
        at_once: How many threads.
    """
    waiting: SimpleQueue[int] = SimpleQueue()
    for number in range(len(questions)):
        waiting.put(number)
    answers: dict[int, _Answer] = {}
    errors: list[Exception] = []

    def work() -> None:
        while not errors:
            try:
                number = waiting.get_nowait()
            except Empty:
                return
            try:
                answers[number] = ask(questions[number])
            except Exception as error:
                errors.append(error)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(at_once, len(questions)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return [answers[number] for number in range(len(questions))]


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
