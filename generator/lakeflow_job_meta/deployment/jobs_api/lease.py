"""One deployment of a project and target at a time, over all machines of one login: a lease in the workspace.

Leases are files of a folder, numbered: the highest number is the lease. Whoever wants it creates the next number, which
the workspace lets one do only; so two that take over an expired lease at once never both have it. It ends when its
holder says so, when it has expired, or when its holder is a process of this machine that runs no more.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from uuid import uuid4

from lakeflow_job_meta._internal.parallel import is_running
from lakeflow_job_meta._internal.trees import Value
from lakeflow_job_meta.deployment.jobs_api.client import JobsClient
from lakeflow_job_meta.errors import OperationFailed

LEASE_SECONDS = 900
"""How long a lease holds without being renewed; the longest wait for one write is far below."""

_RENEWED_AFTER_SECONDS = 120
_HELD: set[str] = set()
"""The leases of this process; one of its process id that is not here was left behind."""


@dataclass(eq=False)
class Lease:
    """A lease on a folder of the workspace; `clock` gives seconds since 1970."""

    client: JobsClient
    folder: str
    clock: Callable[[], float] = time.time
    _nonce: str = field(default_factory=lambda: uuid4().hex)
    _number: int = 0
    _renewed: float = 0

    def take(self) -> None:
        """Takes the lease; raises OperationFailed, which names the holder, while somebody else has it."""
        numbers = self._numbers()
        last = max(numbers, default=0)
        self._refuse_if_held(last)
        self._number, self._renewed = last + 1, self.clock()
        try:
            self.client.create_file(self._path(self._number), self._content())
        except OperationFailed:
            # Somebody else was faster, or the answer was lost.
            self._refuse_if_held(self._number)
            if self.client.read_record(self._path(self._number)).get("nonce") != self._nonce:
                raise
        _HELD.add(self._nonce)
        for number in numbers:
            self.client.delete_file(self._path(number))

    def renew(self) -> None:
        """Makes the lease last, before a write; raises OperationFailed if it expired and somebody else has taken it."""
        if self.clock() - self._renewed < _RENEWED_AFTER_SECONDS:
            return
        if max(self._numbers(), default=0) != self._number:
            raise OperationFailed(
                "this deployment stood still for so long that another one took its place; what is left was not "
                "deployed. Run again."
            )
        self._renewed = self.clock()
        self.client.upload(self._path(self._number), self._content())

    def end(self) -> list[str]:
        """Ends the lease; returns why it could not be, which its expiry then does."""
        _HELD.discard(self._nonce)
        try:
            self.client.upload(self._path(self._number), self._content(has_ended=True))
        except OperationFailed as error:
            return [f"{self._path(self._number)}: error: the lease of this deployment could not be ended: {error}"]
        return []

    def _refuse_if_held(self, number: int) -> None:
        record = self.client.read_record(self._path(number)) if number else {}
        expires = record.get("expires")
        is_number = isinstance(expires, (int, float)) and self.clock() < expires < self.clock() + 10 * LEASE_SECONDS
        if is_number and not record.get("has_ended") and record.get("nonce") != self._nonce and not _is_left(record):
            raise OperationFailed(
                f"{record.get('holder')} deploys this project at the moment; nothing was changed in the workspace. Run "
                f"again when that has ended. If it has died, run again {LEASE_SECONDS // 60} minutes after it was last "
                f"seen, or delete {self._path(number)}."
            )

    def _numbers(self) -> list[int]:
        found = (re.fullmatch(r"([0-9]{1,18})\.json", name) for name in self.client.files_in(self.folder))
        return [int(match[1]) for match in found if match is not None]

    def _path(self, number: int) -> str:
        return f"{self.folder}/{number}.json"

    def _content(self, *, has_ended: bool = False) -> bytes:
        seen = datetime.fromtimestamp(self._renewed, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
        holder = f"Process {os.getpid()} on {socket.gethostname()}, last seen {seen},"
        record = {"nonce": self._nonce, "holder": holder, "machine": _machine(), "process": os.getpid()}
        return json.dumps({**record, "expires": self._renewed + LEASE_SECONDS, "has_ended": has_ended}).encode("ascii")


def _is_left(record: dict[str, Value]) -> bool:
    """Whether a lease was left behind on this machine, by a process that runs no more or by this one."""
    process = record.get("process")
    if record.get("machine") != _machine() or not isinstance(process, int) or record.get("nonce") in _HELD:
        return False
    return process == os.getpid() or not is_running(process)


def _machine() -> str:
    """Returns what tells machines apart, and containers of one host, whose process ids mean different processes."""
    parts = [socket.gethostname()]
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text("ascii"))
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogateescape")).hexdigest()
