"""Looks at the files of a project: at those that metadata names, each at most once, and at all of them together."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from functools import lru_cache
from pathlib import Path

_NOT_OF_THE_PROJECT = ("__pycache__", "node_modules")
_MARKS_OF_OTHER_THINGS = ("_delta_log", "pyvenv.cfg")
"""What lies in a Delta table, which changes by itself, and in a virtual environment."""


def files_below(folder: Path, leaving_out: Collection[Path] = ()) -> Iterator[Path]:
    """Yields the files that belong to a project: no hidden ones, caches, Delta tables and virtual environments.

    Args:
        folder: The project's folder.
        leaving_out: Folders below it that are not meant.

    Raises:
        OSError: A folder cannot be read.
    """

    def stop(error: OSError) -> None:
        raise error

    for parent, folders, files in os.walk(folder, onerror=stop):
        if any(mark in folders or mark in files for mark in _MARKS_OF_OTHER_THINGS):
            folders.clear()
            continue
        folders[:] = [
            name
            for name in folders
            if not name.startswith(".") and name not in _NOT_OF_THE_PROJECT and Path(parent, name) not in leaving_out
        ]
        yield from (path for name in files if not name.startswith(".") and (path := Path(parent, name)).is_file())


class ProjectFiles:
    """The files below a project's folder, by paths relative to it.

    Args:
        folder: The project's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kind = lru_cache(maxsize=None)(self._look_up)
        self._line = lru_cache(maxsize=None)(self._read_first_line)

    def is_file(self, path: str) -> bool:
        """Says whether there is such a file."""
        return self._kind(path) == "file"

    def is_folder(self, path: str) -> bool:
        """Says whether there is such a folder."""
        return self._kind(path) == "folder"

    def first_line(self, path: str) -> str:
        """Returns the first line of a file, without its end; empty if it cannot be read as text."""
        return self._line(path)

    def beside(self, path: str) -> list[str]:
        """Returns the files in the folder of `path`, for the closest match."""
        parent = (self._folder / path).parent
        if not parent.is_dir():
            return []
        return [(Path(path).parent / other.name).as_posix() for other in sorted(parent.iterdir()) if other.is_file()]

    def _look_up(self, path: str) -> str:
        full = self._folder / path
        return "file" if full.is_file() else "folder" if full.is_dir() else ""

    def _read_first_line(self, path: str) -> str:
        try:
            with (self._folder / path).open(encoding="utf-8-sig", errors="replace") as file:
                return file.readline(200).rstrip("\r\n")
        except OSError:
            return ""
