"""Writes folders that ship with the package into a folder of the user's.

In: a shipped folder and the place for it. Out: its files, in a folder that was empty or not there. It never overwrites.
"""

from __future__ import annotations

from pathlib import Path

from lakeflow_job_meta._internal.fs import files_below, shipped, write_new
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
        files = sorted(path.relative_to(source) for path in files_below(source))
        for path in files:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            write_new(folder / path, (source / path).read_bytes(), durable=False)
    except OSError as error:
        raise ConfigError(f"{error.filename or folder} cannot be written: {error.strerror}.") from error
    return tuple(files)
