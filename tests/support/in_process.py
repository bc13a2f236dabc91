"""Makes this process like one that is started for a command, while the command runs in it."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from unittest import mock


@contextlib.contextmanager
def started_in(folder: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """Gives this process a working folder and exactly this environment; after it all is as before, signals too."""
    handlers = {which: signal.getsignal(which) for which in (signal.SIGINT, signal.SIGTERM)}
    before = Path.cwd()
    os.chdir(folder)
    try:
        with mock.patch.dict(os.environ, environment, clear=True):
            yield
    finally:
        os.chdir(before)
        for which, handler in handlers.items():
            signal.signal(which, handler)
