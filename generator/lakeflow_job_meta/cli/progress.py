"""A progress bar on stderr, only on a terminal and only for what takes longer than a second."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_PATIENCE = 1.0


class ProgressBar:
    """Shows how far something is.

    Args:
        title: What is being done.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._begin = time.monotonic()
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def update(self, done: int, of: int) -> None:
        """Tells how many steps of how many are done."""
        if self._bar is None:
            if not sys.stderr.isatty() or time.monotonic() - self._begin < _PATIENCE:
                return
            # Costs a tenth of a second, so it is loaded only now.
            from rich.console import Console
            from rich.progress import Progress

            self._bar = Progress(console=Console(stderr=True), transient=True)
            self._task = self._bar.add_task(self._title, total=of)
            self._bar.start()
        assert self._task is not None
        self._bar.update(self._task, completed=done, total=of)

    def close(self) -> None:
        """Takes the bar away."""
        if self._bar is not None:
            self._bar.stop()
