"""A progress bar on stderr, only on a terminal and only for what takes longer than a second."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_PATIENCE = 1.0


class ProgressBar:
    """Shows how far something is; to be used in a `with` statement."""

    def __init__(self) -> None:
        self._begin = time.monotonic()
        self._bar: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def update(self, what: str, done: int, of: int) -> None:
        """Tells what is being done, and how many steps of how many are done."""
        if self._bar is None:
            if not sys.stderr.isatty() or time.monotonic() - self._begin < _PATIENCE:
                return
            # Costs a tenth of a second, so it is loaded only now.
            from rich.console import Console
            from rich.progress import Progress

            self._bar = Progress(console=Console(stderr=True), transient=True)
            self._bar.start()
        if what not in self._tasks:
            self._tasks[what] = self._bar.add_task(what, total=of)
        self._bar.update(self._tasks[what], completed=done, total=of)

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.stop()
