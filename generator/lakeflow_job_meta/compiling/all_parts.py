"""Compiles many parts alone, with helpers on the machine's other cores where there is enough to do.

Parts are taken from the front here and from the back by the helpers, until they meet. What a helper does not bring,
for whatever reason, is compiled here, so that helpers can change nothing but the time.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from lakeflow_job_meta.bundle_facts import BundleFacts
from lakeflow_job_meta.compiling.helper import Helper, with_an_answer
from lakeflow_job_meta.compiling.part_compiler import PartCompiler
from lakeflow_job_meta.compiling.result import Result
from lakeflow_job_meta.metadata.reading import Part
from lakeflow_job_meta.project import Project

MOST_HELPERS = 3
"""More would wait for this process, which alone reads and writes."""

LOOK_AFTER_SECONDS = 0.2
WORTH_SECONDS = 1.0
"""Of work that is left; starting a helper takes less than half of that."""

_AT_ONCE = 20
_AT_ONCE_BY_HELPER = 400
"""A helper waits some milliseconds for its next parts, until this process has done those that it is at."""


def compile_parts(
    compiler: PartCompiler,
    project: Project,
    bundle: BundleFacts,
    parts: Sequence[Part],
    on_done: Callable[[int], None],
) -> tuple[list[Result | None], list[Mapping[str, str | None]]]:
    """Compiles parts alone.

    Args:
        compiler: Compiles here.
        project: The project.
        bundle: What the rest of the bundle declares.
        parts: The parts.
        on_done: Told how many are done.

    Returns:
        The result of each part, None where it depends on others; and the project's templates as each helper has seen
        them.
    """
    work = _Work(parts)
    helpers = _Helpers(work)
    begin = time.monotonic()
    try:
        while work.left or helpers.are_busy:
            taken = work.take_first(_AT_ONCE)
            work.bring(taken, [compiler.compile_alone(parts[number]) for number in taken])
            on_done(work.done)
            helpers.exchange(wait=not work.left)
            if work.would_take(time.monotonic() - begin) >= WORTH_SECONDS:
                helpers.start(project, bundle)
    finally:
        helpers.end()
    return work.results, helpers.templates


class _Work:
    """What is left to do, and the results that are there.

    Args:
        parts: All parts.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self.parts = parts
        self.results: list[Result | None] = [None] * len(parts)
        self.left = list(range(len(parts)))
        self.done = 0

    def take_first(self, most: int) -> list[int]:
        """Takes some from the front."""
        taken, self.left = self.left[:most], self.left[most:]
        return taken

    def take_last(self, most: int) -> list[int]:
        """Takes some from the back."""
        at = max(len(self.left) - most, 0)
        self.left, taken = self.left[:at], self.left[at:]
        return taken

    def bring(self, taken: Sequence[int], results: Sequence[Result | None]) -> None:
        """Takes the results of parts."""
        for number, result in zip(taken, results, strict=True):
            self.results[number] = result
        self.done += len(taken)

    def would_take(self, seconds: float) -> float:
        """Returns how many seconds the rest would take, by those that the work has taken so far; 0 in the beginning."""
        return len(self.left) * seconds / self.done if seconds >= LOOK_AFTER_SECONDS else 0


class _Helpers:
    """The helpers, and what each is doing.

    Args:
        work: The work.
    """

    def __init__(self, work: _Work) -> None:
        self.templates: list[Mapping[str, str | None]] = []
        self._work = work
        self._in_hands: dict[Helper, list[int]] = {}
        self._were_started = False

    @property
    def are_busy(self) -> bool:
        """Whether one has parts in hands."""
        return any(self._in_hands.values())

    def start(self, project: Project, bundle: BundleFacts) -> None:
        """Starts as many as there are other cores, once, where the system can wait for several at a time."""
        count = 0 if self._were_started or os.name != "posix" else min(_cores() - 1, MOST_HELPERS)
        self._were_started = True
        # Where no process starts, or one ends at once, this one gets on without; whatever keeps it from that, such as
        # a `sys.executable` or a `sys.path` that somebody has changed.
        with suppress(Exception):
            for _ in range(count):
                helper = Helper()
                self._in_hands[helper] = []
                helper.join(project, bundle)

    def exchange(self, *, wait: bool) -> None:
        """Takes the results of those that have any, and gives them the next parts."""
        for helper in with_an_answer([*self._in_hands], wait=wait) if self._in_hands else ():
            taken = self._in_hands[helper]
            try:
                self._work.bring(taken, helper.results())
                # Less and less, so that all end at the same time.
                taken = self._work.take_last(min(_AT_ONCE_BY_HELPER, -(-len(self._work.left) // 8)))
                if not taken:
                    self._dismiss(helper)
                    continue
                self._in_hands[helper] = taken
                helper.begin([self._work.parts[number] for number in taken])
            # Whatever it was: its parts are compiled by this process, which tells what is wrong with them.
            except Exception:
                self._work.left += taken
                self._dismiss(helper)

    def end(self) -> None:
        """Ends all of them."""
        for helper in [*self._in_hands]:
            self._dismiss(helper)

    def _dismiss(self, helper: Helper) -> None:
        del self._in_hands[helper]
        self.templates.append(helper.templates)
        helper.end()


def _cores() -> int:
    # Where the system tells, those that this process may use; a container seldom has all of them.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
