"""One deployment at a time for a project and target, on one machine.

The lock is a file lock that the databricks CLI inherits: if this process dies in the middle, the CLI goes on as an
orphan and the lock lives as long as the last of the two. A second deployment beside it would create every job twice.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path

from lakeflow_job_meta._internal.fs import read_file
from lakeflow_job_meta.errors import OperationFailed
from lakeflow_job_meta.text.markers import one_line

WAIT_SECONDS = 300
_LONGEST_HOLDER = 200


@contextmanager
def deployment_lock(
    folder: Path,
    *,
    wait_seconds: float = WAIT_SECONDS,
    on_wait: Callable[[str], None] = lambda message: None,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[int]:
    """Holds the lock of a folder, and yields its file descriptor, for children to inherit.

    If somebody else holds it, `on_wait` is called once with who it is; OperationFailed is raised after the wait.
    """
    path = folder / "lock"
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise OperationFailed(f"The lock {str(path)!r} cannot be opened: {error.strerror}.") from error
    try:
        waited = 0.0
        while not _try_to_lock(handle, path):
            holder = one_line(_read(path))[:_LONGEST_HOLDER] or "another deployment"
            if waited == 0:
                on_wait(f"Waiting for {holder}.")
            if waited >= wait_seconds:
                raise OperationFailed(
                    f"{holder} has held the deployment lock for more than {wait_seconds:.0f} seconds. Wait for its "
                    "end; if its process hangs, end it."
                )
            sleep(0.5)
            waited += 0.5
        now = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
        holder = f"the deployment of process {os.getpid()} on {socket.gethostname()}, begun {now}"
        # Who holds it is only for the message of somebody who waits: a full disk does not stop the deployment here.
        with suppress(OSError):
            os.ftruncate(handle, 0)
            os.pwrite(handle, holder.encode(), 0)
        yield handle
    finally:
        os.close(handle)


def _try_to_lock(handle: int, path: Path) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows: the bundle's own lock has to do
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise OperationFailed(
            f"{str(path)!r} cannot be locked: {error.strerror}. Some network file systems have no locks; copy the "
            "project to a local disk first."
        ) from error
    return True


def _read(path: Path) -> str:
    try:
        return read_file(path).decode("utf-8", "replace").strip()
    except OSError:
        return ""
