"""A digest of the tool itself and of the libraries that its results depend on. Reads the tool's own files."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from lakeflow_job_meta._internal.fs import shipped
from lakeflow_job_meta._internal.hashing import content_digest

_LIBRARIES = ("jinja2", "jsonschema_rs", "markupsafe", "py_yaml12", "pyyaml")


@cache
def code_fingerprint() -> bytes:
    """Returns a digest of all code and data that makes the results; a version would miss a change between releases.

    It is computed once, of the files as they are then, and stays the same for as long as the process lives.
    """
    package = Path(__file__).parents[2]
    files = [*package.rglob("*.py"), *shipped("templates").glob("*.j2"), *shipped("schemas").glob("*.json")]
    contents = [piece for path in sorted(files) for piece in (path.name.encode(), path.read_bytes())]
    return content_digest(sys.version.encode(), repr(sorted(_libraries())).encode(), *contents)


def _libraries() -> Iterator[str]:
    """Yields names and versions of libraries as their folders give them; importing them all would take much longer."""
    for folder in filter(os.path.isdir, sys.path):
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.name.endswith(".dist-info")]
        yield from (name for name in names if name.split("-")[0].lower() in _LIBRARIES)
