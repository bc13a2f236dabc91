"""What is left out although nobody wants that: sources without a file, and generated files that no bundle includes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lakeflow_job_meta._internal.fs import is_glob
from lakeflow_job_meta._internal.text import quoted
from lakeflow_job_meta.compiler.result import Compilation
from lakeflow_job_meta.config.bundle import BundleDeclarations, includes
from lakeflow_job_meta.config.model import DEFAULT_METADATA, Project
from lakeflow_job_meta.diagnostics.model import Diagnostic, SourceRef, UnreadableDocument
from lakeflow_job_meta.diagnostics.rules import NO_FILES, NOT_INCLUDED
from lakeflow_job_meta.sources.interface import SourceSnapshot


def sources_without_files(project: Project, snapshots: Iterable[SourceSnapshot]) -> Iterator[Diagnostic]:
    """Yields a warning for each glob or folder that names no YAML file."""
    for number, (source, found) in enumerate(zip(project.metadata, snapshots, strict=True)):
        if source.kind not in ("yaml", "volume") or found.units or found.is_unreadable:
            continue
        what = "no file fits the glob" if is_glob(source.location) else "no file that ends in .yml or .yaml is in"
        origin = project.origin.at("metadata", number, source.kind)
        if project.metadata is DEFAULT_METADATA:
            origin = SourceRef(UnreadableDocument(source.location))
        yield NO_FILES.at(origin, f"{what} {quoted(source.location)}, so no job comes from it")


def missing_include(project: Project, bundle: BundleDeclarations, compilation: Compilation) -> Iterator[Diagnostic]:
    """Yields a warning where the bundle includes files, and those of the jobs are not among them.

    One that includes nothing may be there for its targets alone, with jobs that go through the Jobs API.
    """
    root = bundle.root or {}
    is_asked = project.bundles is None and bool(root.get("include")) and bool(compilation.files)
    if not is_asked or includes(project.folder, root, f"{project.output}/jobs/x.yml"):
        return
    document = bundle.files[0].document
    if document is not None:
        wanted = quoted(f"{project.output}/jobs/*.yml")
        message = f"the generated files are not among what the bundle includes, so no job is deployed; add {wanted}"
        yield NOT_INCLUDED.at(SourceRef(document).key("include"), message)
