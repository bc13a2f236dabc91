"""Everything that all units depend on, as one digest: this tool, its libraries, the project file, the bundle.

What only some units depend on (files, time zones) is not in here; it is noted with their results.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

from lakeflow_job_meta._internal.hashing import content_digest
from lakeflow_job_meta.compiler.cache.code_fingerprint import code_fingerprint
from lakeflow_job_meta.config.bundle import BundleDeclarations
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.text.yaml_documents import YamlDocument

_NOT_IN_RESULTS = ("folder", "origin")
"""Of a project; what is looked up below its folder is noted with the result."""


def cache_key(project: Project, bundle: BundleDeclarations) -> bytes:
    """Returns a digest of everything that the results of all units depend on."""
    document = project.origin.document
    # A comment in the project file can silence a check, so its text counts and not only its values.
    text = document.text if isinstance(document, YamlDocument) else ""
    all_values = repr((text, list(_values(project)), list(_values(bundle)))).encode("utf-8", "surrogatepass")
    return content_digest(code_fingerprint(), all_values)


def _values(record: Project | BundleDeclarations) -> Iterator[tuple[str, object]]:
    for each in fields(record):
        value = getattr(record, each.name)
        if each.name not in _NOT_IN_RESULTS:
            yield each.name, sorted(value) if isinstance(value, frozenset) else value
