"""Looks up what jobs name outside of the metadata: files of the project, and time zones.

Each is looked up once, since metadata names the same notebook thousands of times. Every answer is noted, so that what
was concluded from it can be cached for as long as the answers are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import cast

from lakeflow_job_meta._internal.timezones import is_time_zone

Answer = str | list[str]
Lookup = tuple[str, str]
"""The kind of question, and the name that it is about."""


class FileLookups:
    """The files below a project's folder, by paths relative to it.

    Args:
        folder: The project's folder.

    Attributes:
        noted: What was looked up, and the answer.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[Lookup, Answer] = {}
        self.noted: dict[Lookup, Answer] = {}

    def noting(self) -> FileLookups:
        """Returns the same files, with notes of their own."""
        other = FileLookups(self._folder)
        other._known = self._known
        return other

    def still_answer(self, noted: Iterable[tuple[Lookup, Answer]]) -> bool:
        """Returns whether earlier lookups would give the same answers now."""
        return all(self._answer(lookup) == answer for lookup, answer in noted)

    def is_file(self, path: str) -> bool:
        return self._noted(("kind", path)) == "file"

    def is_folder(self, path: str) -> bool:
        return self._noted(("kind", path)) == "folder"

    def first_line(self, path: str) -> str:
        """Returns the first line of a file, without its end; empty if it cannot be read as text."""
        return cast(str, self._noted(("first line", path)))

    def beside(self, path: str) -> list[str]:
        """Returns the files in the folder of `path`, for the closest match."""
        return cast("list[str]", self._noted(("beside", path)))

    def is_time_zone(self, name: str) -> bool:
        return self._noted(("time zone", name)) == "known"

    def _noted(self, lookup: Lookup) -> Answer:
        self.noted[lookup] = answer = self._answer(lookup)
        return answer

    def _answer(self, lookup: Lookup) -> Answer:
        if lookup not in self._known:
            kind, name = lookup
            self._known[lookup] = LOOKUPS[kind](self._folder, name)
        return self._known[lookup]


def _kind(folder: Path, path: str) -> str:
    full = folder / path
    return "file" if full.is_file() else "folder" if full.is_dir() else ""


def _first_line(folder: Path, path: str) -> str:
    try:
        with (folder / path).open(encoding="utf-8-sig", errors="replace") as file:
            return file.readline(200).rstrip("\r\n")
    except OSError:
        return ""


def _beside(folder: Path, path: str) -> list[str]:
    parent = (folder / path).parent
    if not parent.is_dir():
        return []
    return [(Path(path).parent / other.name).as_posix() for other in sorted(parent.iterdir()) if other.is_file()]


LOOKUPS: dict[str, Callable[[Path, str], Answer]] = {
    "kind": _kind,
    "first line": _first_line,
    "beside": _beside,
    "time zone": lambda folder, name: "known" if is_time_zone(name) else "",
}
