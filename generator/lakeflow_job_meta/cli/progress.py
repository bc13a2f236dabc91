"""Progress on stderr: lines of what is done, and a counter of what takes longer than a second, only on a terminal."""

from __future__ import annotations

import sys
import time

import click

_PATIENCE_SECONDS = 1.0
_EVERY_SECONDS = 0.1
_CLEAR = "\r\x1b[K"


def show_progress(line: str) -> None:
    """Shows what is being done."""
    click.echo(click.style(line, dim=True), err=True)


class ProgressBar:
    """Shows how far something is; to be used in a `with` statement. It is gone at the end."""

    def __init__(self) -> None:
        self._next = time.monotonic() + _PATIENCE_SECONDS
        self._is_shown = False

    def update(self, what: str, done: int, of: int) -> None:
        """Takes what is being done, and how many steps of how many are done."""
        now = time.monotonic()
        if now < self._next or not sys.stderr.isatty():
            return
        self._next, self._is_shown = now + _EVERY_SECONDS, True
        filled = 30 * done // max(of, 1)
        bar = click.style("#" * filled, fg="green") + "." * (30 - filled)
        click.echo(f"{_CLEAR}{what} {bar} {done:,} of {of:,}", err=True, nl=False)

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *error: object) -> None:
        if self._is_shown:
            click.echo(_CLEAR, err=True, nl=False)
