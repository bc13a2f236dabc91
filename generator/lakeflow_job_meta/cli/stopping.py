"""SIGTERM ends a command like Ctrl-C does: in good order, and with the exit code of the command."""

from __future__ import annotations

import signal
from types import FrameType


class Stop(KeyboardInterrupt):
    """Somebody asks for the end.

    Not KeyboardInterrupt itself: where that passes through `exec`, as while a module with dataclasses is imported,
    Python takes it for unhandled, and kills itself by SIGINT at its end whatever the exit code.
    """


def end_like_ctrl_c() -> None:
    """Has SIGTERM do what Ctrl-C does, so that the databricks CLI is ended and releases its lock."""
    signal.signal(signal.SIGTERM, _stop)
    # A shell that starts a command in the background has it ignore Ctrl-C.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _stop)


def _stop(number: int, frame: FrameType | None) -> None:
    raise Stop
