"""Writes new files into a folder of the user's, such as a bundle that ships with the package.

In: files by their paths, and the place for them. Out: these files. It never overwrites, and refuses before it writes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from lakeflow_job_meta._internal.fs import files_below, kind_of_path, shipped, write_new
from lakeflow_job_meta._internal.text import listing
from lakeflow_job_meta.errors import ConfigError


def write_shipped_bundle(name: str, folder: Path) -> tuple[Path, ...]:
    """Writes a shipped bundle, such as `monitor`, into a folder and returns its files, relative to the folder.

    Raises:
        ConfigError: There is something in the folder already, or it cannot be written.
    """
    source = shipped("bundle", name)
    try:
        if folder.exists() and any(folder.iterdir()):
            raise ConfigError(f"{folder} is not empty, and nothing in it is overwritten. Name a new folder.")
        files = {label: Path(path).read_bytes() for label, path in sorted(files_below(source))}
    except OSError as error:
        raise _unwritable(folder, error) from error
    write_new_files(folder, files)
    return tuple(map(Path, files))


def write_new_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Writes all of these files, or none.

    Args:
        folder: Created where it is not there.
        files: The contents, by path relative to the folder.

    Raises:
        ConfigError: Some are there already, all of which are named, or one cannot be written.
    """
    made: list[Path] = []
    try:
        if taken := [path for path in files if _is_taken(folder, path)]:
            raise ConfigError(
                f"{folder} has {listing(taken, len(taken))} already, and nothing is overwritten. Name a new folder, or "
                "move them away."
            )
        for path, content in files.items():
            _make_folder((folder / path).parent, made)
            write_new(folder / path, content, durable=False)
            made.append(folder / path)
    except OSError as error:
        _remove(made)
        raise _unwritable(folder, error) from error


def _make_folder(folder: Path, made: list[Path]) -> None:
    for each in reversed([folder, *folder.parents]):
        if not each.is_dir():
            each.mkdir()
            made.append(each)


def _remove(made: list[Path]) -> None:
    for each in reversed(made):
        # Whatever comes of it: the user sees what kept the files from being written.
        with suppress(OSError):
            each.rmdir() if each.is_dir() else each.unlink()


def _is_taken(folder: Path, path: str) -> bool:
    """Says whether something is at a path, or a file where one of its folders would be."""
    target = folder / path
    above = [each for each in target.parents if each.is_relative_to(folder)]
    return os.path.lexists(target) or any(kind_of_path(each) == "file" for each in above)


def _unwritable(folder: Path, error: OSError) -> ConfigError:
    return ConfigError(f"{error.filename or folder} cannot be written: {error.strerror}.")
