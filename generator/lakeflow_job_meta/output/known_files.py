"""Which generated files hold what they should, as far as that is known without reading them.

Reads and writes `.lakeflow-job-meta/cache/files`: for each file its entry in the folder (size, times, inode) and a
digest of its content, as they were when it was read. While the entry is the same, so is the content: no program can set
the time at which an inode changed. That holds only for files that were older than any clock's resolution when they were
read, by the clock of the disk itself; others are read again. All this can say is that a file is right: one that may be
wrong is read. Where there is no such record, or no such time as on Windows, all files are read.
"""

from __future__ import annotations

import json
import os
import stat
from contextlib import suppress
from pathlib import Path

from lakeflow_job_meta._internal.fs import write_atomically
from lakeflow_job_meta._internal.hashing import content_digest
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.state.folder import FOLDER, read_record

_LEAST_FILES = 100
"""Fewer are read in less time than anybody notices, and their projects stay free of a record."""

_SETTLED_AFTER = 3_000_000_000
"""Nanoseconds; the coarsest clock of a file system ticks every two seconds (FAT), network disks every one."""

_Stamp = tuple[int, ...]


class KnownFiles:
    """What is known of the generated files of a project, from before any of them is looked at."""

    def __init__(self, project: Project) -> None:
        self._path = project.folder / FOLDER / "cache" / "files"
        self._known = read_record(self._path) if os.name == "posix" else {}
        self._began = _clock_of_disk(self._path.parent)
        self._noted: dict[str, list[object]] = {}
        self._is_news = False

    def holds(self, entry: os.DirEntry[str], text: str, digest: str | None) -> bool:
        """Returns whether a file is known to hold a text; it is looked at here, and so before anybody reads it.

        `digest` is that of the text, where somebody has it already.
        """
        stamp, known = _stamp_of(entry), self._known.get(entry.path)
        if stamp is None or known is None:
            return False
        expected: list[object] = [*stamp, digest or _digest(text)]
        if known != expected:
            return False
        self._noted[entry.path] = expected
        return True

    def note(self, entry: os.DirEntry[str], text: str, digest: str | None) -> None:
        """Notes the text of a file that was asked for by `holds` and then read."""
        stamp = _stamp_of(entry)
        if stamp is not None and max(stamp[1:3]) + _SETTLED_AFTER <= self._began:
            self._noted[entry.path] = [*stamp, digest or _digest(text)]
            self._is_news = True

    def save(self) -> None:
        """Writes what is known now; without a folder for it, as in a checkout that nobody may write to, nothing."""
        if self._is_news and len(self._noted) >= _LEAST_FILES:
            content = json.dumps(self._noted, separators=(",", ":")).encode("utf-8", "surrogateescape")
            with suppress(OSError):
                write_atomically(self._path, content, durable=False, is_private=True)


def _digest(text: str) -> str:
    return content_digest(text.encode("utf-8", "surrogatepass")).hex()


def _stamp_of(entry: os.DirEntry[str]) -> _Stamp | None:
    """Returns size, times and inode of a regular file, as they were when this was first asked of the entry."""
    found = entry.stat(follow_symlinks=False)
    is_file = stat.S_ISREG(found.st_mode)
    return (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_dev) if is_file else None


def _clock_of_disk(folder: Path) -> int:
    """Returns the time by the disk's own clock, which need not be this machine's; 0 where nobody can tell it.

    Nothing is settled by 0, so that nothing is noted.
    """
    try:
        os.utime(folder)
        return folder.stat().st_mtime_ns if os.name == "posix" else 0
    except OSError:
        return 0
