"""Everything that all units depend on, as one digest: this tool, its libraries, the project file, the bundle.

Reads the tool's own files. What only some units depend on (files, time zones) is noted with their results.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from pathlib import Path

from lakeflow_job_meta._internal.fs import files_below, read_file, shipped
from lakeflow_job_meta._internal.hashing import content_digest
from lakeflow_job_meta.config.bundle import BundleDeclarations
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.text.yaml_documents import YamlDocument

_LIBRARIES = ("jinja2", "jsonschema_rs", "markupsafe", "packaging", "py_yaml12", "pyyaml", "sqlglot")
_NOT_IN_RESULTS = (
    *("folder", "origin", "job_parts", "problems", "root", "files", "presets", "policies_file", "today"),
    *("approval", "target"),
)
"""What no unit depends on: what is looked up below the project's folder is noted with the result. Presets are all in
the text of the project file."""


def cache_key(project: Project, bundle: BundleDeclarations) -> bytes:
    """Returns a digest of everything that the results of all units depend on."""
    document = project.origin.document
    # A comment in the project file can silence a check, so its text counts and not only its values.
    text = document.text if isinstance(document, YamlDocument) else ""
    all_values = repr((text, list(_values(project)), list(_values(bundle)), project.over())).encode(
        "utf-8", "surrogatepass"
    )
    return content_digest(code_fingerprint(), all_values)


def _values(record: Project | BundleDeclarations) -> Iterator[tuple[str, object]]:
    for each in fields(record):
        value = getattr(record, each.name)
        if each.name not in _NOT_IN_RESULTS:
            yield each.name, sorted(value, key=repr) if isinstance(value, frozenset) else value


@cache
def code_fingerprint() -> bytes:
    """Returns a digest of all code and data that makes the results; a version would miss a change between releases.

    It is computed once, of the files as they are then, and stays the same for as long as the process lives.
    """
    code = [path for _, path in files_below(Path(__file__).parents[2], suffixes=(".py",))]
    data = map(str, [*shipped("templates").glob("*.j2"), *shipped("schemas").glob("*.json")])
    files = sorted([*code, *data])
    contents = [piece for path in files for piece in (os.path.basename(path).encode(), read_file(path))]  # noqa: PTH119
    return content_digest(sys.version.encode(), repr(sorted(_libraries())).encode(), *contents)


def _libraries() -> Iterator[str]:
    """Yields names and versions of libraries as their folders give them; importing them all would take much longer."""
    for folder in filter(os.path.isdir, sys.path):
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.name.endswith(".dist-info")]
        yield from (name for name in names if name.split("-")[0].lower() in _LIBRARIES)
