"""Which files a path or a pattern names: one rule, for a listing of the disk and for the label of a file.

Unlike with glob, fnmatch and os.walk, `*` ends at a slash, links to folders are followed, and nothing is passed over:
what cannot be listed is an OSError.
"""

from __future__ import annotations

import errno
import fnmatch
import heapq
import itertools
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from lakeflow_job_meta._internal.fs import is_glob

MOST_ENTRIES = 200_000
"""What is looked at for one pattern: beyond it, the pattern names more than anybody meant."""


class _Folder(NamedTuple):
    """A folder to list: what labels in it begin with, its path, the same without links, and the steps that follow."""

    inside: str
    path: str
    real: str
    states: frozenset[int]


class FilePattern:
    """A file, a folder with everything below it, or a glob (`*`, `?`, `[...]`, and `**` for any number of folders).

    Hidden files and folders are left out unless the pattern names them.

    Args:
        folder: What a relative pattern and all labels are relative to.
        suffixes: How the names of files below a folder end, in small letters; capitals count as the same.
        with_hidden: Whether wildcards stand for hidden names too.
    """

    def __init__(
        self, folder: Path, pattern: str, suffixes: tuple[str, ...] = ("",), *, with_hidden: bool = False
    ) -> None:
        steps = [step for step in pattern.replace(os.sep, "/").split("/") if step not in ("", ".")]
        first = next((number for number, step in enumerate(steps) if is_glob(step)), len(steps))
        self._is_glob = first < len(steps)
        self.base = os.path.join(folder, *(["/"] if pattern.startswith("/") else []), *steps[:first])  # noqa: PTH118
        # In plain text, as the rest: the monitor asks `covers` for every file of the project with each tick.
        self._label = os.path.relpath(self.base, folder).replace(os.sep, "/")
        self._inside = "" if self._label == "." else f"{self._label}/"
        # What ends in `**` means the files in all those folders, as a folder by itself does.
        wild = tuple(steps[first:]) or ("**",)
        self._steps = (*wild, "*") if wild[-1] == "**" else wild
        self._matches = [re.compile(fnmatch.translate(step)).match for step in self._steps]
        self._start = self._reached({0})
        self._after_any: dict[frozenset[int], frozenset[int]] = {}  # where any name will do, it is asked once
        self._suffixes = suffixes
        self._with_hidden = with_hidden

    def covers(self, label: str) -> bool:
        """Returns whether a file of this label would be in the listing if it were there."""
        if label == self._label:
            return not self._is_glob
        if not label.startswith(self._inside):
            return False
        states = self._start
        for name in label[len(self._inside) :].split("/"):
            states = self._after(states, name)
        return self._ends(states, label)

    def files(self) -> list[tuple[str, str]]:
        """Lists the disk: label and path of each file, by label; whatever is no folder is taken for a file.

        The files of a folder that links lead to as well are listed once.

        Raises:
            FileNotFoundError: There is nothing at the path, or a link leads nowhere.
            OSError: Something cannot be listed, or there is too much.
        """
        if not self._is_glob and not stat.S_ISDIR(os.stat(self.base).st_mode):  # noqa: PTH116
            return [(self._label, self.base)]
        if self._is_glob and not _is_there(self.base):
            return []
        return sorted(self._below())

    def _below(self) -> Iterator[tuple[str, str]]:
        base, number = os.path.realpath(self.base), itertools.count(1)
        folders, links = [_Folder(self._inside, self.base, base, self._start - {len(self._steps)})], list[_Folder]()
        seen: set[tuple[str, frozenset[int]]] = set()
        while folders or links:
            # Links come last, so that a folder's own path is the label of its files.
            folder = folders.pop() if folders else _resolved(heapq.heappop(links))
            is_around_all = folder.real != base and f"{base}/".startswith(f"{folder.real.rstrip('/')}/")
            if (folder.real, folder.states) in seen or (is_around_all and "**" in self._steps):
                continue
            seen.add((folder.real, folder.states))
            for entry in self._entries(folder.path, number):
                states, label = self._after(folder.states, entry.name), f"{folder.inside}{entry.name}"
                is_named, further = self._ends(states, label), states - {len(self._steps)}
                if not (is_named or further):
                    continue
                if not _is_folder(entry, is_named):
                    yield from [(label, entry.path)] if is_named else []
                elif further:
                    below = _Folder(f"{label}/", entry.path, f"{folder.real}/{entry.name}", further)
                    heapq.heappush(links if entry.is_symlink() else folders, below)

    def _entries(self, path: str, number: Iterator[int]) -> Iterator[os.DirEntry[str]]:
        with os.scandir(path) as entries:
            for entry in entries:
                if next(number) > MOST_ENTRIES:
                    reason = f"it holds more than {MOST_ENTRIES:,} files and folders; name a smaller one"
                    raise OSError(errno.E2BIG, reason, self.base)
                yield entry

    def _after(self, states: frozenset[int], name: str) -> frozenset[int]:
        """Returns which steps of the pattern may come next when those in `states` may stand for a name."""
        is_plain = name[0] != "." or self._with_hidden
        if is_plain and (known := self._after_any.get(states)) is not None:
            return known
        after = set()
        for number in states:
            step = self._steps[number] if number < len(self._steps) else ""
            if step and (name[0] != "." or self._with_hidden or step[0] == ".") and self._matches[number](name):
                after.add(number if step == "**" else number + 1)
        found = self._reached(after)
        if is_plain and all(step in ("*", "**") for number in states for step in self._steps[number : number + 1]):
            self._after_any[states] = found
        return found

    def _reached(self, states: set[int]) -> frozenset[int]:
        """Adds what follows `**`, which stands for no folder too."""
        for number in sorted(states):
            while number < len(self._steps) and self._steps[number] == "**":
                number += 1
                states.add(number)
        return frozenset(states)

    def _ends(self, states: frozenset[int], name: str) -> bool:
        return len(self._steps) in states and name.lower().endswith(self._suffixes)


def _resolved(link: _Folder) -> _Folder:
    return link._replace(real=os.path.realpath(link.path))


def _is_folder(entry: os.DirEntry[str], is_named: bool) -> bool:
    """Says whether an entry is a folder; a link that leads nowhere is an OSError, since a folder may be missing there.

    One with the name of a file is taken for a file, and reading it is the error.
    """
    try:
        is_folder = entry.is_dir()
        if not is_folder and not is_named and entry.is_symlink():
            os.stat(entry.path)  # noqa: PTH116
    except OSError as error:
        if is_named and error.errno == errno.ELOOP:
            return False
        raise
    return is_folder


def _is_there(path: str) -> bool:
    try:
        os.lstat(path)
    except FileNotFoundError:
        return False
    return True
