"""Whether the files of a bundle are the ones that were deployed last.

`bundle plan` compares jobs, not the notebooks and SQL files that a deployment uploads. So that nothing is uploaded when
nothing changed, and everything when something did, the contents of the project's files are remembered as one digest.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

_NOT_UPLOADED = ("__pycache__", "node_modules")
_PIECE = 1 << 20


def fingerprint(folder: Path) -> str:
    """Returns a digest of the names and contents of all files below a folder, hidden ones left out."""
    digest = hashlib.sha256()
    for path in sorted(_files(folder), key=lambda path: path.as_posix()):
        digest.update(path.relative_to(folder).as_posix().encode("utf-8", "surrogateescape") + b"\0")
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
        digest.update(b"\0")
    return digest.hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".") and name not in _NOT_UPLOADED]
        yield from (path for name in files if not name.startswith(".") and (path := Path(parent, name)).is_file())
