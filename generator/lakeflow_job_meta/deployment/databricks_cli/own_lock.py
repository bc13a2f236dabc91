"""Whether a lock that was left in the workspace is that of a deployment from here which was ended in the middle.

The CLI writes into its lock who deploys, and since when, by the clock of its machine. A deployment from here notes
between which two moments of that clock it took its lock, and forgets that when it has ended well. As long as it held
its lock, nobody else could take one; so one of the same user and of a moment in between is its own.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from lakeflow_job_meta.deployment.databricks_cli.output import LockHolder, shows_that_lock_is_held
from lakeflow_job_meta.errors import OperationFailed
from lakeflow_job_meta.state.folder import read_record, write_record

_RECORD = "lock_taken.json"


@dataclass(frozen=True, slots=True)
class OwnLock:
    """The lock in the workspace of the deployment whose state folder is `folder`."""

    folder: Path

    def noting(self, on_line: Callable[[str], None]) -> Callable[[str], None]:
        """Returns what takes the lines of a deployment that begins now, and notes when it has taken its lock."""
        begin, has_lock = datetime.now(timezone.utc), False

        def note(line: str) -> None:
            nonlocal has_lock
            if not has_lock and shows_that_lock_is_held(line):
                has_lock, record = True, {"since": begin.isoformat(), "until": datetime.now(timezone.utc).isoformat()}
                write_record(self.folder / _RECORD, {**record, "host": socket.gethostname()})
            on_line(line)

        return note

    def forget(self) -> None:
        """Forgets the deployment: its lock is released, or taken over."""
        path = self.folder / _RECORD
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise OperationFailed(f"{str(path)!r} cannot be removed: {error.strerror}.") from error

    def is_held_by(self, holder: LockHolder, user_name: Callable[[], str]) -> bool:
        """Says whether a lock is that of the noted deployment, which is over: the deployment lock here is ours.

        `user_name` is asked last. Without file locks, or on another machine, nobody knows whether it is over.
        """
        record = read_record(self.folder / _RECORD)
        try:
            since, until = (datetime.fromisoformat(str(record[name])) for name in ("since", "until"))
            is_then = since <= holder.moment <= until
        except (KeyError, ValueError, TypeError):
            return False
        is_here = os.name == "posix" and record.get("host") == socket.gethostname()
        return is_then and is_here and holder.user == user_name()
