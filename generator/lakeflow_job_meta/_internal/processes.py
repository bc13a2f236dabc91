"""Whether another process lives."""

from __future__ import annotations

import os


def is_running(process: int) -> bool:
    """Says whether a process of this machine runs; where the system has no harmless way to ask, it is taken to."""
    if os.name != "posix":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
