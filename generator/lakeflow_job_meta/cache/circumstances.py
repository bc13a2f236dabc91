"""All that every module depends on, as one digest: this tool, its libraries, the project file, the bundle.

What only some modules depend on is not in here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import fields

from lakeflow_job_meta.bundle_facts import BundleFacts
from lakeflow_job_meta.metadata.reading import DIGEST_BYTES
from lakeflow_job_meta.metadata.yaml_files import YamlDocument
from lakeflow_job_meta.own_code import tool_digest
from lakeflow_job_meta.project import Project

_NOT_IN_RESULTS = ("folder", "origin")
"""Of a project; what a module looks at below its folder is noted with the module."""


def circumstances(project: Project, bundle: BundleFacts) -> bytes:
    """Returns a digest of everything that the results of all modules depend on."""
    document = project.origin.document
    # A comment in the project file can silence a check, so its text counts and not only its values.
    text = document.text if isinstance(document, YamlDocument) else ""
    all_values = repr((text, list(_values(project)), list(_values(bundle)))).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(tool_digest() + all_values, digest_size=DIGEST_BYTES).digest()


def _values(record: Project | BundleFacts) -> Iterator[tuple[str, object]]:
    for each in fields(record):
        value = getattr(record, each.name)
        if each.name not in _NOT_IN_RESULTS:
            yield each.name, sorted(value) if isinstance(value, frozenset) else value
