"""Compiles many parts alone, with helpers on the machine's other cores where there is enough to do.

Parts are taken from the front here and from the back by the helpers, until they meet. What a helper does not bring,
for whatever reason, is compiled here, so that helpers can change nothing but the time.
"""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from lakeflow_job_meta.compiler.result import UnitResult
from lakeflow_job_meta.compiler.unit import UnitCompiler
from lakeflow_job_meta.compiler.worker import Worker, with_an_answer
from lakeflow_job_meta.config.bundle import BundleDeclarations
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.parsing.units import SourceUnit

MOST_WORKERS = 3
"""More would wait for this process, which alone reads and writes."""

LOOK_AFTER_SECONDS = 0.2
WORTH_SECONDS = 1.0
"""Of work that is left; starting a helper takes less than half of that."""

TURN_SECONDS = 0.01
"""A helper waits as long for its next parts, or until this process has done the part that it is at."""

WORKER_TURN_SECONDS = 0.3


def compile_units(
    compiler: UnitCompiler, parts: Sequence[SourceUnit], on_done: Callable[[int], None]
) -> tuple[list[UnitResult | None], list[Mapping[str, str | None]]]:
    """Compiles parts alone.

    Args:
        compiler: Compiles here.
        parts: The parts.
        on_done: Told how many are done.

    Returns:
        The result of each part, None where it depends on others; and the project's templates as each helper has seen
        them.
    """
    work = _Work(parts)
    helpers = _Workers(work)
    try:
        while work.left or helpers.are_busy:
            turn = time.monotonic()
            while work.left:
                number = work.take_first()
                work.bring([number], [compiler.compile_alone(parts[number])])
                if time.monotonic() - turn >= TURN_SECONDS:
                    break
            on_done(work.done)
            helpers.exchange(wait=not work.left)
            if work.seconds >= LOOK_AFTER_SECONDS and work.bytes_left / work.bytes_a_second >= WORTH_SECONDS:
                helpers.start(compiler.project, compiler.bundle)
    finally:
        helpers.end()
    return work.results, helpers.templates


class _Work:
    """What is left to do, and the results that are there.

    Args:
        parts: All parts.

    Attributes:
        left: The numbers of the parts that nobody has taken.
        bytes_left: Their size.
    """

    def __init__(self, parts: Sequence[SourceUnit]) -> None:
        self.parts = parts
        self.results: list[UnitResult | None] = [None] * len(parts)
        self.left = deque(range(len(parts)))
        self.bytes_left = sum(part.size for part in parts)
        self.done = 0
        self._bytes_here = 0
        self._begin = time.monotonic()

    @property
    def seconds(self) -> float:
        """How long the work has taken so far."""
        return time.monotonic() - self._begin

    def take_first(self) -> int:
        """Takes a part from the front, for this process."""
        number = self.left.popleft()
        self.bytes_left -= self.parts[number].size
        self._bytes_here += self.parts[number].size
        return number

    def take_last(self, most: float) -> list[int]:
        """Takes parts from the back, for a helper: at least one if there is one.

        Args:
            most: How many bytes.
        """
        taken: list[int] = []
        size = 0
        while self.left and (not taken or size + self.parts[self.left[-1]].size <= most):
            taken.append(self.left.pop())
            size += self.parts[taken[-1]].size
        self.bytes_left -= size
        return taken

    def give_back(self, taken: Sequence[int]) -> None:
        """Leaves to others what was taken."""
        self.left.extend(taken)
        self.bytes_left += sum(self.parts[number].size for number in taken)

    def bring(self, taken: Sequence[int], results: Sequence[UnitResult | None]) -> None:
        """Takes the results of parts."""
        for number, result in zip(taken, results, strict=True):
            self.results[number] = result
        self.done += len(taken)

    @property
    def bytes_a_second(self) -> float:
        """How fast this process has been so far."""
        return self._bytes_here / self.seconds


class _Workers:
    """The helpers, and what each is doing.

    Args:
        work: The work.
    """

    def __init__(self, work: _Work) -> None:
        self.templates: list[Mapping[str, str | None]] = []
        self._work = work
        self._in_hands: dict[Worker, list[int]] = {}
        self._were_started = False

    @property
    def are_busy(self) -> bool:
        """Whether one has parts in hands."""
        return any(self._in_hands.values())

    def start(self, project: Project, bundle: BundleDeclarations) -> None:
        """Starts as many as there are other cores, once; where the system can wait for several at a time."""
        # In an application that was frozen, `sys.executable` is the application.
        is_possible = os.name == "posix" and not getattr(sys, "frozen", False)
        count = min(_cores() - 1, MOST_WORKERS) if is_possible and not self._were_started else 0
        self._were_started = True
        # Where no process starts, or one ends at once, this one gets on without; whatever keeps it from that, such as
        # a `sys.executable` or a `sys.path` that somebody has changed.
        with suppress(Exception):
            for _ in range(count):
                helper = Worker()
                self._in_hands[helper] = []
                helper.join(project, bundle)

    def exchange(self, *, wait: bool) -> None:
        """Takes the results of those that have any, and gives them the next parts."""
        for helper in with_an_answer([*self._in_hands], wait=wait) if self._in_hands else ():
            taken = self._in_hands[helper]
            try:
                self._work.bring(taken, helper.results())
                # Less and less, so that all end at the same time.
                size = min(self._work.bytes_a_second * WORKER_TURN_SECONDS, self._work.bytes_left / 8)
                taken = self._work.take_last(size)
                if not taken:
                    self._dismiss(helper)
                    continue
                self._in_hands[helper] = taken
                helper.begin([self._work.parts[number] for number in taken])
            # Whatever it was: its parts are compiled by this process, which tells what is wrong with them.
            except Exception:
                self._work.give_back(taken)
                self._dismiss(helper)

    def end(self) -> None:
        """Ends all of them."""
        for helper in [*self._in_hands]:
            self._dismiss(helper)

    def _dismiss(self, helper: Worker) -> None:
        del self._in_hands[helper]
        self.templates.append(helper.templates)
        helper.end()


def _cores() -> int:
    # Where the system tells, those that this process may use; a container seldom has all of them.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
