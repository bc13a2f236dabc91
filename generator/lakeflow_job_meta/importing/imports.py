"""An import from its start to its end: jobs are found, become modules, prove themselves, and only then are written.

Nothing that is there is overwritten, and a job is taken out of a file of the bundle only after its module is on disk.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from lakeflow_job_meta._internal.fs import read_file, write_atomically
from lakeflow_job_meta._internal.text import listing
from lakeflow_job_meta.compiler.compile import Progress
from lakeflow_job_meta.config.bundle import read_bundle_declarations
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.deployment.jobs_api.client import JobsClient
from lakeflow_job_meta.errors import ConfigError, OperationFailed
from lakeflow_job_meta.importing.bundle_files import BundleJobs, BundleSource, file_without, find_jobs, why_it_stays
from lakeflow_job_meta.importing.jobs_meta import find_jobs_meta
from lakeflow_job_meta.importing.live_jobs import Selection, find_live_jobs
from lakeflow_job_meta.importing.model import ChangedFile, Destination, FoundJob, Import, ImportedModule, NotImported
from lakeflow_job_meta.importing.modules import module_of, text_of
from lakeflow_job_meta.importing.proof import prove
from lakeflow_job_meta.layout.layout import layout_of


def _silently(what: str, done: int, of: int) -> None:
    """Shows nothing."""


def import_bundle(
    project: Project,
    patterns: Sequence[str],
    destination: Destination,
    *,
    replacing: bool = False,
    on_progress: Progress = _silently,
) -> Import:
    """Plans to import the jobs that files of the bundle define; with `replacing` they are taken out of these files.

    Raises:
        ConfigError: A file is not there or not of the project, or the bundle does not include what is generated.
    """
    if project.bundles is not None:
        raise ConfigError("The jobs of a project of many bundles are generated into other bundles than this one.")
    if replacing:
        _refuse_unless_included(project)
    found = find_jobs(project, patterns)
    if replacing:
        _refuse_what_stays(found)
    modules, refused = _proved(project, destination, [job for job, _ in found.jobs], on_progress)
    kept = {module.name for module in modules}
    changed: list[ChangedFile] = []
    for source in dict.fromkeys(source for _, source in found.jobs) if replacing else ():
        names = [job.name for job, each in found.jobs if each is source and job.name in kept]
        modules = _taken_out(project, source, names, modules, changed, keeps_comments=destination.keeps_comments)
    notes = [*found.notes, *_lost_comments(destination, modules)]
    notes += () if replacing else _standing_twice(found, kept)
    return Import(destination, tuple(modules), (*found.not_imported, *refused), tuple(changed), tuple(notes))


def _refuse_unless_included(project: Project) -> None:
    try:
        layout_of(project).included()
    except OperationFailed as error:
        raise ConfigError(f"With --replace the jobs would be gone from the bundle: {error}") from None


def _refuse_what_stays(found: BundleJobs) -> None:
    for source in dict.fromkeys(source for _, source in found.jobs):
        keys = [job.name for job, each in found.jobs if each is source]
        while keys and (reasons := why_it_stays(source, keys)):
            places = {job.name: job.where for job, _ in found.jobs}
            found.not_imported += (NotImported(key, places[key], reason) for key, reason in reasons.items())
            found.jobs = [(job, each) for job, each in found.jobs if each is not source or job.name not in reasons]
            keys = [key for key in keys if key not in reasons]


def _taken_out(
    project: Project,
    source: BundleSource,
    keys: Sequence[str],
    modules: Sequence[ImportedModule],
    changed: list[ChangedFile],
    *,
    keeps_comments: bool,
) -> list[ImportedModule]:
    """Adds a file without its imported jobs; the comments that an emptied one leaves go to the first of them."""
    if not keys:
        return [*modules]
    file, comments = file_without(project, source, keys, keeps_comments=keeps_comments)
    changed.append(file)
    text = "".join(f"{line}\n" for line in comments)
    return [replace(each, text=text + each.text) if each.name == keys[0] else each for each in modules]


def _lost_comments(destination: Destination, modules: Sequence[ImportedModule]) -> Iterator[str]:
    names = [module.name for module in modules if module.job.comments]
    if names and not destination.keeps_comments:
        yield f"A table has no place for comments, and so loses those of {listing(names)}."


def _standing_twice(found: BundleJobs, kept: set[str]) -> Iterable[str]:
    files = dict.fromkeys(source.label for job, source in found.jobs if job.name in kept)
    if files:
        yield (
            f"The jobs stand in {', '.join(files)} as well, and the databricks CLI wants each once: take them out "
            "there before you generate, or import with --replace."
        )


def import_jobs(
    project: Project,
    client: JobsClient,
    wanted: Selection,
    destination: Destination,
    *,
    on_progress: Progress = _silently,
) -> Import:
    """Plans to import jobs of a workspace.

    Raises:
        ConfigError: Nothing says which jobs.
        OperationFailed: The workspace cannot be reached, or refuses.
    """
    found, not_imported, notes = find_live_jobs(project, client, wanted)
    modules, refused = _proved(project, destination, found, on_progress)
    return Import(destination, tuple(modules), (*not_imported, *refused), notes=tuple(notes))


def import_jobs_meta(
    project: Project,
    sources: Sequence[str],
    destination: Destination,
    *,
    warehouse_id: str | None = None,
    on_progress: Progress = _silently,
) -> Import:
    """Plans to import the metadata of lakeflow-jobs-meta, as the jobs that it deploys.

    Raises:
        ConfigError: A file or table is not there.
        OperationFailed: A table cannot be read.
    """
    found = find_jobs_meta(project, sources, warehouse_id)
    modules, refused = _proved(project, destination, found.jobs, on_progress)
    notes = (*found.notes, *_lost_comments(destination, modules))
    return Import(destination, tuple(modules), (*found.not_imported, *refused), notes=notes)


def _proved(
    project: Project, destination: Destination, jobs: Sequence[FoundJob], on_progress: Progress
) -> tuple[list[ImportedModule], list[NotImported]]:
    written = [ImportedModule(job, destination.label_of(job), text_of(job, module_of(job))) for job in jobs]
    bundle = read_bundle_declarations(project)
    modules: list[ImportedModule] = []
    refused: list[NotImported] = []
    for each in prove(project, bundle, destination, written, on_progress) if written else ():
        if isinstance(each, NotImported):
            refused.append(each)
        elif (reason := destination.why_not(each)) is not None:
            refused.append(NotImported(each.name, each.job.where, reason))
        else:
            modules.append(each)
    return modules, refused


def write_import(project: Project, planned: Import) -> None:
    """Writes the modules, and then the files that jobs are taken out of.

    Killed at any moment, no job is lost, and the same import goes on.

    Raises:
        OperationFailed: The disk or the table refuses, or a file has changed since it was read.
    """
    try:
        planned.destination.write(planned.modules)
        for file in planned.changed:
            _change(project.folder / file.label, file)
    except OSError as error:
        name = os.path.relpath(str(error.filename or project.folder), project.folder)
        raise OperationFailed(f"{name!r} cannot be written: {error.strerror or error}.") from error


def _change(path: Path, file: ChangedFile) -> None:
    path = path.resolve()  # a link stays one
    if read_file(path) != file.before:
        raise OperationFailed(f"{file.label!r} has changed since it was read; import again.")
    if file.after is None:
        path.unlink()
    else:
        write_atomically(path, file.after)
