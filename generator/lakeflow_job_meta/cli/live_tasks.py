"""The tasks of a run while it goes on, on stderr: a table that is drawn again, or lines where that is no terminal."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence

import click

from lakeflow_job_meta._internal.text import cells, count, padded, printable
from lakeflow_job_meta.cli.report import echo, in_style
from lakeflow_job_meta.cli.runs import duration, styled
from lakeflow_job_meta.services.run_states import ModuleRun, TaskRun

_BESIDE_TASKS = 3
"""Lines of a terminal that are not for tasks: that of all of them, the cursor's, and the one before."""
_UP_AND_CLEAR = "\x1b[{}A\r\x1b[J"


class LiveTasks:
    """Shows a run as it is, again and again; the last table stays."""

    def __init__(self) -> None:
        self._is_drawn = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._run: ModuleRun | None = None
        self._lines = 0
        self._told: dict[str, str] = {}

    def show(self, run: ModuleRun) -> None:
        self._run = run
        if self._is_drawn:
            self._draw(run)
            return
        for task in run.tasks:
            if self._told.get(task.key) != task.state:
                self._told[task.key] = task.state
                echo(f"  {task.key}: {task.state}", err=True)

    def pause(self, seconds: float) -> None:
        """Waits; on a terminal the durations go on meanwhile."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 1.0) if self._is_drawn else left)
            if self._is_drawn and self._run is not None:
                self._draw(self._run)

    def _draw(self, run: ModuleRun) -> None:
        width, height = _size_of_terminal()
        lines = [*_table(run, time.time(), max(height - _BESIDE_TASKS, 1))]
        # With colours switched off, click would leave out what moves the cursor as well.
        click.echo(_UP_AND_CLEAR.format(self._lines) if self._lines else "", err=True, nl=False, color=True)
        click.echo("\n".join(_fitted(*line, run, width) for line in lines), err=True)
        self._lines = len(lines)


def _fitted(before: str, state: str, after: str, run: ModuleRun, width: int) -> str:
    before = printable(before)
    if cells(line := f"{before}{state}{after}") >= width:
        # A line that goes on in the next one would be cleared in part.
        while cells(line) >= width:
            line = line[:-1]
        return line
    has_failed = any(task.state == state and task.has_failed for task in run.tasks)
    return f"{before}{in_style(styled(state, state, has_failed=has_failed)) if state else ''}{after}"


def _table(run: ModuleRun, now: float, most: int) -> Iterator[tuple[str, str, str]]:
    """Yields lines, each as what is before a state, the state and what follows: of some tasks, and of all together."""
    tasks = _foremost(run.tasks, most)
    widest_key = max((cells(task.key) for task in tasks), default=0)
    widest_state = max((len(task.state) for task in tasks), default=0)
    for task in tasks:
        took = duration(task.seconds(now))
        yield (
            f"  {padded(task.key, widest_key)}  ",
            task.state,
            f"{'':{widest_state - len(task.state)}}  {took}".rstrip(),
        )
    states = Counter(task.state for task in run.tasks).most_common()
    numbers = f": {', '.join(f'{number:,} {state}' for state, number in states)}" if states else ""
    yield f"  {count(len(run.tasks), 'task')}{numbers}", "", ""


def _foremost(tasks: Sequence[TaskRun], most: int) -> list[TaskRun]:
    """Returns some tasks in their order: rather what failed than what goes on, waits, or is over."""

    def rank(task: TaskRun) -> int:
        return 0 if task.has_failed else 3 if task.ended else 1 if task.started else 2

    chosen = {task.key for task in sorted(tasks, key=rank)[:most]}
    return [task for task in tasks if task.key in chosen]


def _size_of_terminal() -> tuple[int, int]:
    try:
        return os.get_terminal_size(sys.stderr.fileno())
    except OSError:
        return shutil.get_terminal_size()
