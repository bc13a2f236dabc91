"""Whether the files of a bundle are the ones that were deployed last.

`bundle plan` compares jobs, not the notebooks and SQL files that a deployment uploads. So that nothing is uploaded when
nothing changed, and everything when something did, the contents of the project's files are remembered as one digest.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from lakeflow_job_meta._internal.fs import files_below
from lakeflow_job_meta.errors import OperationFailed

_PIECE = 1 << 20


def fingerprint(folder: Path) -> str:
    """Returns a digest of the names and contents of all files below a folder, hidden ones and Delta tables left out."""
    digest = hashlib.sha256()
    try:
        for path in sorted(files_below(folder), key=lambda path: path.as_posix()):
            # A digest for each: joined contents could be cut into files in another way.
            name = path.relative_to(folder).as_posix().encode("utf-8", "surrogateescape")
            digest.update(hashlib.sha256(name).digest() + _digest(path))
    except OSError as error:
        raise OperationFailed(f"{error.filename!r} cannot be read: {error.strerror}.") from error
    return digest.hexdigest()


def _digest(path: Path) -> bytes:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.digest()
