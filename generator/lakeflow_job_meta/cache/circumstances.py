"""All that every module depends on, as one digest: this tool, its libraries, the project file, the bundle.

Reads the tool's own files; the rest comes in. What only some modules depend on is not in here.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from pathlib import Path

from lakeflow_job_meta.bundle_facts import BundleFacts
from lakeflow_job_meta.metadata.reading import DIGEST_BYTES
from lakeflow_job_meta.metadata.yaml_files import YamlDocument
from lakeflow_job_meta.project import Project
from lakeflow_job_meta.shipped import shipped

_LIBRARIES = ("jinja2", "jsonschema_rs", "markupsafe", "py_yaml12", "pyyaml")
_NOT_IN_RESULTS = ("folder", "origin")
"""Of a project; what a module looks at below its folder is noted with the module."""


def circumstances(project: Project, bundle: BundleFacts) -> bytes:
    """Returns a digest of everything that the results of all modules depend on."""
    document = project.origin.document
    # A comment in the project file can silence a check, so its text counts and not only its values.
    text = document.text if isinstance(document, YamlDocument) else ""
    return _digest(
        tool_digest(), repr((text, list(_values(project)), list(_values(bundle)))).encode("utf-8", "surrogatepass")
    )


def _values(record: Project | BundleFacts) -> Iterator[tuple[str, object]]:
    for each in fields(record):
        value = getattr(record, each.name)
        if each.name not in _NOT_IN_RESULTS:
            yield each.name, sorted(value) if isinstance(value, frozenset) else value


@cache
def tool_digest() -> bytes:
    """Returns a digest of all code and data that makes the results; a version would miss a change between releases.

    It is of the files as they are when it is first asked for, and stays the same for as long as the process lives.
    """
    package = Path(__file__).parent.parent
    files = [*package.rglob("*.py"), *shipped("templates").glob("*.j2"), *shipped("schemas").glob("*.json")]
    contents = [part for path in sorted(files) for part in (path.name.encode(), path.read_bytes())]
    return _digest(sys.version.encode(), repr(sorted(_libraries())).encode(), *contents)


def _libraries() -> Iterator[str]:
    """Yields names and versions of libraries as their folders give them; importing them all would take much longer."""
    for folder in filter(os.path.isdir, sys.path):
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.name.endswith(".dist-info")]
        yield from (name for name in names if name.split("-")[0].lower() in _LIBRARIES)


def _digest(*contents: bytes) -> bytes:
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for content in contents:
        digest.update(b"%d:" % len(content) + content)
    return digest.digest()
