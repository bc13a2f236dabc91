"""Looks up what jobs name outside of the metadata: files of the project, and time zones.

Each is looked up once, since metadata names the same notebook thousands of times. Every answer is noted, so that what
was concluded from it can be cached for as long as the answers are the same.
"""

from __future__ import annotations

import importlib.util
import json
import os
import posixpath
import re
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import cast

from lakeflow_job_meta._internal.fs import MAX_BYTES_OF_ANY, kind_of_path, read_file, read_start
from lakeflow_job_meta._internal.gitignore import IgnoreFiles, ignore_files

Answer = str | list[str]
Lookup = tuple[str, str]
"""The kind of question, and the name that it is about."""


class FileLookups:
    """The files below a project's folder, by paths relative to it; `noted` has what was looked up, and the answers."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[Lookup, Answer] = {}
        self._ignoring: dict[str, IgnoreFiles] = {}
        self.noted: dict[Lookup, Answer] = {}

    def noting(self) -> FileLookups:
        """Returns the same files, with notes of their own."""
        other = FileLookups(self._folder)
        other._known, other._ignoring = self._known, self._ignoring
        return other

    def still_answer(self, noted: Iterable[tuple[Lookup, Answer]]) -> bool:
        """Returns whether earlier lookups would give the same answers now."""
        return all(self._answer(lookup) == answer for lookup, answer in noted)

    def is_file(self, path: str) -> bool:
        return self._noted(("kind", path)) == "file"

    def is_folder(self, path: str) -> bool:
        return self._noted(("kind", path)) == "folder"

    def first_line(self, path: str) -> str:
        """Returns the first line of a file, with its byte order mark, without its end; empty if it cannot be read."""
        return cast(str, self._noted(("first line", path)))

    def is_jupyter(self, path: str) -> bool:
        """Returns whether a file is what the databricks CLI takes for a Jupyter notebook."""
        return self._noted(("jupyter", path)) == "yes"

    def beside(self, path: str) -> list[str]:
        """Returns the files in the folder of `path`, for the closest match."""
        return cast("list[str]", self._noted(("files in", posixpath.dirname(path))))

    def link_in(self, path: str) -> str:
        """Returns the last step of a path that is a symbolic link, as a path; empty if there is none."""
        return cast(str, self._noted(("link", path)))

    def ignoring(self, folder: str) -> IgnoreFiles:
        """Returns what is passed over in a folder when a bundle is uploaded."""
        digest = cast(str, self._noted(("ignored", folder)))
        found = self._ignoring.get(folder)
        if found is None or found.digest != digest:
            found = self._ignoring[folder] = _ignore_files(self._folder, folder)
        return found

    def is_time_zone(self, name: str) -> bool:
        return self._noted(("time zone", name)) == "known"

    def _noted(self, lookup: Lookup) -> Answer:
        self.noted[lookup] = answer = self._answer(lookup)
        return answer

    def _answer(self, lookup: Lookup) -> Answer:
        if lookup not in self._known:
            self._known[lookup] = LOOKUPS[lookup[0]](self._folder, lookup[1])
        return self._known[lookup]


def _kind(folder: Path, path: str) -> str:
    return kind_of_path(folder / path)


def _first_line(folder: Path, path: str) -> str:
    try:
        start = read_start(folder / path, 1024).decode("utf-8", "replace")
    except OSError:
        return ""
    return re.split("[\r\n]", start, maxsplit=1)[0][:200]


def _jupyter(folder: Path, path: str) -> str:
    """The CLI wants JSON in UTF-8 without a mark, with `cells` and `metadata`, and a `nbformat` of 4 at least."""
    try:
        found = json.loads(read_file(folder / path, MAX_BYTES_OF_ANY).decode("utf-8"))
    except (OSError, ValueError, RecursionError):
        return "no"
    parts = (found.get("cells"), found.get("metadata"), found.get("nbformat")) if isinstance(found, dict) else ()
    kinds = [isinstance(part, kind) for part, kind in zip(parts, (list, dict, int), strict=False)]
    return "yes" if kinds == [True] * 3 and found["nbformat"] >= 4 else "no"


def _files_in(folder: Path, path: str) -> list[str]:
    try:
        with os.scandir(folder / path) as entries:
            return sorted(posixpath.join(path, entry.name) for entry in entries if entry.is_file())
    except OSError:
        return []


def _link_in(folder: Path, path: str) -> str:
    steps = path.split("/")
    above = ("/".join(steps[:end]) for end in range(len(steps), 0, -1) if steps[end - 1] not in ("..", "."))
    return next((each for each in above if os.path.islink(folder / each)), "")  # noqa: PTH114


def _ignore_files(folder: Path, path: str) -> IgnoreFiles:
    return ignore_files(Path(os.path.normpath(folder / path)), folder)


def _ignored(folder: Path, path: str) -> str:
    return _ignore_files(folder, path).digest


@cache
def time_zones() -> frozenset[str]:
    """Returns the names of all time zones: those of the package tzdata, and those of this machine."""
    import zoneinfo  # most runs look up nothing

    return frozenset(zoneinfo.available_timezones())


@cache
def _zones_of_the_package() -> frozenset[str]:
    package = importlib.util.find_spec("tzdata")
    if package is None or package.origin is None:
        return frozenset()
    return frozenset(Path(package.origin).with_name("zones").read_text(encoding="utf-8").split())


def _time_zone(folder: Path, name: str) -> str:
    # The machine's list takes a twentieth of a second, and holds all of the package's.
    return "known" if name in _zones_of_the_package() or name in time_zones() else ""


LOOKUPS: dict[str, Callable[[Path, str], Answer]] = {
    "kind": _kind,
    "first line": _first_line,
    "jupyter": _jupyter,
    "files in": _files_in,
    "link": _link_in,
    "ignored": _ignored,
    "time zone": _time_zone,
}
