"""Whether files have changed, by their contents, without reading all of them each time.

Remembers a digest for each file together with its entry in a listing (size, times). A file is read again when that
differs, and also while it is young: two edits within the resolution of a clock leave size and time as they were. Wall
clocks are never compared.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import partial

from lakeflow_job_meta._internal.fs import MAX_BYTES_OF_ANY, read_file

SETTLING_SECONDS = 3.0
"""The coarsest clock of a file system ticks every two seconds (FAT); volumes and object stores every one."""


@dataclass(frozen=True, slots=True)
class _Fingerprint:
    """What is remembered of a file: since when its entry in the listing, the stamp, is as it is, and its digest then.

    It is settled when it was read once more after `SETTLING_SECONDS`.
    """

    stamp: Hashable
    digest: str
    since: float
    is_settled: bool


class FileFingerprints:
    """Digests of the contents of files, for as long as a process lives; the clock never goes backwards."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[str, _Fingerprint] = {}

    def digest(self, name: str, stamp: Hashable, read: Callable[[], bytes]) -> str:
        """Returns the digest of a file's content; `stamp` is its entry in a listing taken before `read` is called."""
        now = self._clock()
        known = self._known.get(name)
        if known is not None and known.stamp == stamp and known.is_settled:
            return known.digest
        since = known.since if known is not None and known.stamp == stamp else now
        # Half of the digest: it is compared, never looked up. State folders hold it, so it is not `content_digest`.
        digest = hashlib.sha256(read()).hexdigest()[:32]
        self._known[name] = _Fingerprint(stamp, digest, since, now - since >= SETTLING_SECONDS)
        return digest

    def of_file(self, path: str) -> str:
        """Returns the digest of a local file; one that cannot be read has a digest too, of the reason."""
        try:
            found = os.stat(path)  # noqa: PTH116 (of thousands of files, again and again)
            stamp = (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_dev)
            return self.digest(path, stamp, partial(read_file, path, MAX_BYTES_OF_ANY))
        except OSError as error:
            self._known.pop(path, None)
            return f"unreadable: {error.strerror}"


def combined_fingerprint(digests: dict[str, str]) -> str:
    """Returns one digest of many, by name."""
    # With their quotes, so that no name can be taken for another one and its digest.
    return hashlib.sha256(repr(sorted(digests.items())).encode("utf-8", "surrogatepass")).hexdigest()[:32]
