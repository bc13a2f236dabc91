"""Asks many questions side by side, in threads that keep nobody from stopping.

A pool of the standard library is waited for when the program ends, so an answer that does not come would keep Ctrl-C
from ending it for as long as the network lets it wait.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
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
