"""Whether the files of a bundle are the ones that were deployed last.

`bundle plan` compares jobs, not the notebooks and SQL files that a deployment uploads. So that nothing is uploaded when
nothing changed, and everything when something did, the contents of the project's files are remembered as one digest.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from lakeflow_job_meta.errors import Failed

_NOT_UPLOADED = ("__pycache__", "node_modules")
_PIECE = 1 << 20


def fingerprint(folder: Path) -> str:
    """Returns a digest of the names and contents of all files below a folder, hidden ones left out."""
    digest = hashlib.sha256()
    try:
        for path in sorted(_files(folder), key=lambda path: path.as_posix()):
            # A digest for each: joined contents could be cut into files in another way.
            name = path.relative_to(folder).as_posix().encode("utf-8", "surrogateescape")
            digest.update(hashlib.sha256(name).digest() + _digest(path))
    except OSError as error:
        raise Failed(f"{error.filename!r} cannot be read: {error.strerror}.") from error
    return digest.hexdigest()


def _digest(path: Path) -> bytes:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.digest()


def _files(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".") and name not in _NOT_UPLOADED]
        yield from (path for name in files if not name.startswith(".") and (path := Path(parent, name)).is_file())
