"""SIGTERM ends a command like Ctrl-C does: in good order."""

from __future__ import annotations

import signal
from types import FrameType


def end_like_ctrl_c() -> None:
    """Has SIGTERM raise what Ctrl-C raises, so that the databricks CLI is ended and releases its lock."""
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
