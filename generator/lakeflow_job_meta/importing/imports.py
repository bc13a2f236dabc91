"""An import from its start to its end: jobs are found, become modules, prove themselves, and only then are written.

Nothing that is there is overwritten, and a job is taken out of a file of the bundle only after its module is on disk.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from lakeflow_job_meta._internal.fs import read_file, write_atomically, write_new
from lakeflow_job_meta._internal.text import listing
from lakeflow_job_meta.compiler.compile import Progress
from lakeflow_job_meta.config.bundle import read_bundle_declarations
from lakeflow_job_meta.config.model import PROJECT_FILE, Project
from lakeflow_job_meta.deployment.jobs_api.client import JobsClient
from lakeflow_job_meta.errors import ConfigError, OperationFailed
from lakeflow_job_meta.importing.blueprints import blueprints_of_modules
from lakeflow_job_meta.importing.bundle_files import BundleJobs, BundleSource, file_without, find_jobs, why_it_stays
from lakeflow_job_meta.importing.destinations import BlueprintFiles, MetadataFiles, project_file_with
from lakeflow_job_meta.importing.jobs_meta import find_jobs_meta
from lakeflow_job_meta.importing.live_jobs import Selection, find_live_jobs
from lakeflow_job_meta.importing.model import ChangedFile, Destination, FoundJob, Import, ImportedModule, NotImported
from lakeflow_job_meta.importing.modules import module_of, text_of
from lakeflow_job_meta.importing.proof import prove
from lakeflow_job_meta.layout.layout import layout_of
from lakeflow_job_meta.workspace.client import Workspace


def _silently(what: str, done: int, of: int) -> None:
    """Shows nothing."""


@dataclass(slots=True)
class _Proved:
    """Modules that have proved themselves by where they go, and what has not."""

    parts: list[tuple[Destination, list[ImportedModule]]] = field(default_factory=list)
    refused: list[NotImported] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    changed: list[ChangedFile] = field(default_factory=list)

    def result(self, not_imported: Sequence[NotImported], notes: Sequence[str]) -> Import:
        parts = tuple((where, tuple(modules)) for where, modules in self.parts)
        return Import(parts, (*not_imported, *self.refused), tuple(self.changed), tuple(notes))


def import_bundle(
    project: Project,
    patterns: Sequence[str],
    destination: Destination,
    *,
    replacing: bool = False,
    as_blueprint: bool = False,
    on_progress: Progress = _silently,
) -> Import:
    """Plans to import the jobs that files of the bundle define; with `replacing` they are taken out of these files.

    With `as_blueprint`, jobs that differ in few values become a blueprint and rows.

    Raises:
        ConfigError: A file is not there or not of the project, or the bundle does not include what is generated.
    """
    if project.bundles is not None:
        raise ConfigError(
            f"The jobs of a project of many bundles ('bundles:' in {PROJECT_FILE}) are generated into other bundles "
            "than those that these files are of, so their keys would name no job. Leave 'bundles:' out until the jobs "
            "are imported and deployed, and move them then (`ljm bundles move`); or import the live jobs: have their "
            "bundle forget each (`databricks bundle deployment unbind KEY`), choose 'Disconnect from source' on its "
            "page, and run `ljm import jobs ID -t TARGET`, which keeps id and run history by 'adopt'."
        )
    if replacing:
        _refuse_unless_included(project)
    found = find_jobs(project, patterns)
    if replacing:
        _refuse_what_stays(found)
    proved = _proved(project, destination, [job for job, _ in found.jobs], on_progress, as_blueprint=as_blueprint)
    kept = {module.name for _, modules in proved.parts for module in modules}
    for source in dict.fromkeys(source for _, source in found.jobs) if replacing else ():
        jobs = [job for job, each in found.jobs if each is source and job.name in kept]
        _take_out(project, source, jobs, proved)
    notes = [*found.notes, *proved.notes, *_lost_comments(proved)]
    notes += () if replacing else _standing_twice(found, kept)
    return proved.result(found.not_imported, notes)


def _refuse_unless_included(project: Project) -> None:
    try:
        layout_of(project).included()
    except OperationFailed as error:
        raise ConfigError(f"With --replace the jobs would be gone from the bundle: {error}") from None


def _refuse_what_stays(found: BundleJobs) -> None:
    for source in dict.fromkeys(source for _, source in found.jobs):
        keys = [job.key for job, each in found.jobs if each is source]
        while keys and (reasons := why_it_stays(source, keys)):
            places = {job.key: job.where for job, _ in found.jobs}
            found.not_imported += (NotImported(key, places[key], reason) for key, reason in reasons.items())
            found.jobs = [(job, each) for job, each in found.jobs if each is not source or job.key not in reasons]
            keys = [key for key in keys if key not in reasons]


def _take_out(project: Project, source: BundleSource, jobs: Sequence[FoundJob], proved: _Proved) -> None:
    """Adds a file without its imported jobs; the comments that an emptied one leaves go to the first of them."""
    if not jobs:
        return
    first, keys = jobs[0].name, [job.key for job in jobs]
    keeping = {module.name for where, modules in proved.parts if where.keeps_comments for module in modules}
    file, comments = file_without(project, source, keys, keeps_comments=first in keeping)
    proved.changed.append(file)
    text = "".join(f"{line}\n" for line in comments)
    proved.parts = [
        (where, [replace(each, text=text + each.text) if each.name == first else each for each in modules])
        for where, modules in proved.parts
    ]


def _lost_comments(proved: _Proved) -> Iterator[str]:
    parts = [modules for where, modules in proved.parts if not where.keeps_comments]
    names = [module.name for modules in parts for module in modules if module.job.comments]
    if names:
        yield f"Rows have no place for comments, and so lose those of {listing(names)}."


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
    target: str | None = None,
    *,
    as_blueprint: bool = False,
    on_progress: Progress = _silently,
) -> Import:
    """Plans to import jobs of a workspace; with `as_blueprint`, those that differ in few values as blueprint and rows.

    The target, by default the bundle's own, is the one that takes them over.

    Raises:
        ConfigError: Nothing says which jobs.
        OperationFailed: The workspace cannot be reached, or refuses.
    """
    target = target or read_bundle_declarations(project).default_target
    found, not_imported, notes = find_live_jobs(project, client, wanted, target)
    proved = _proved(project, destination, found, on_progress, as_blueprint=as_blueprint)
    return proved.result(not_imported, [*notes, *proved.notes])


def import_jobs_meta(
    project: Project,
    sources: Sequence[str],
    destination: Destination,
    *,
    target: str | None = None,
    warehouse_id: str | None = None,
    as_blueprint: bool = False,
    on_progress: Progress = _silently,
    workspace: Workspace | None = None,
) -> Import:
    """Plans to import the metadata of lakeflow-jobs-meta, as the jobs that it deploys.

    The target, by default the bundle's own, is the one that takes over the jobs whose ids its tables name.

    Raises:
        ConfigError: A file or table is not there.
        OperationFailed: A table cannot be read.
    """
    target = target or read_bundle_declarations(project).default_target
    found = find_jobs_meta(project, sources, warehouse_id, workspace, target=target)
    proved = _proved(project, destination, found.jobs, on_progress, as_blueprint=as_blueprint)
    return proved.result(found.not_imported, [*found.notes, *proved.notes, *_lost_comments(proved)])


def _proved(
    project: Project,
    destination: Destination,
    jobs: Sequence[FoundJob],
    on_progress: Progress,
    *,
    as_blueprint: bool,
) -> _Proved:
    proved, left = _Proved(), list(jobs)
    if as_blueprint:
        if not isinstance(destination, MetadataFiles):
            raise ConfigError(
                "--as-blueprint writes files, and --to-table rows of the control table; give one of them."
            )
        left = _as_blueprints(project, destination, jobs, on_progress, proved)
    written = [ImportedModule(job, destination.label_of(job), text_of(job, module_of(job))) for job in left]
    modules: list[ImportedModule] = []
    for each in _checked(project, destination, written, on_progress):
        if isinstance(each, NotImported):
            proved.refused.append(each)
        else:
            modules.append(each)
    proved.parts.append((destination, modules))
    return proved


def _checked(
    project: Project, destination: Destination, modules: Sequence[ImportedModule], on_progress: Progress
) -> Iterator[ImportedModule | NotImported]:
    bundle = read_bundle_declarations(project)
    for each in prove(project, bundle, destination, modules, on_progress) if modules else ():
        reason = destination.why_not(each) if isinstance(each, ImportedModule) else None
        if isinstance(each, NotImported) or reason is None:
            yield each
        else:
            yield NotImported(each.name, each.job.where, reason)


def _as_blueprints(
    project: Project, files: MetadataFiles, jobs: Sequence[FoundJob], on_progress: Progress, proved: _Proved
) -> list[FoundJob]:
    """Adds the blueprints of which all jobs come out as they were; returns the jobs that are in none."""
    by_name = {job.name: job for job in jobs}
    for blueprint in blueprints_of_modules([module_of(job) for job in jobs]):
        rows = BlueprintFiles(files, project, blueprint)
        members = [ImportedModule(by_name[name], rows.rows_label, "") for name in blueprint.modules]
        checked = list(_checked(project, rows, members, on_progress))
        good = [each for each in checked if isinstance(each, ImportedModule)]
        if len(good) == len(members):
            proved.parts.append((rows, good))
        else:
            why = next(each.reason for each in checked if isinstance(each, NotImported))
            proved.notes.append(f"{listing(blueprint.modules)} are no blueprint: {why}")
    made = {module.name for _, modules in proved.parts for module in modules}
    entries = [(rows.rows_label, rows.blueprint.name) for rows, _ in proved.parts if isinstance(rows, BlueprintFiles)]
    proved.changed += project_file_with(project, entries)
    return [job for job in jobs if job.name not in made]


def write_import(project: Project, planned: Import) -> None:
    """Writes the modules, and then the files that jobs are taken out of.

    Killed at any moment, no job is lost, and the same import goes on.

    Raises:
        OperationFailed: The disk or the table refuses, or a file has changed since it was read.
    """
    try:
        for destination, modules in planned.parts:
            destination.write(modules)
        for file in planned.changed:
            _change(project.folder / file.label, file)
    except OSError as error:
        name = os.path.relpath(str(error.filename or project.folder), project.folder)
        raise OperationFailed(f"{name!r} cannot be written: {error.strerror or error}.") from error


def _change(path: Path, file: ChangedFile) -> None:
    path = path.resolve()  # a link stays one
    if file.before is None and file.after is not None:
        write_new(path, file.after, durable=True)
        return
    if read_file(path) != file.before:
        raise OperationFailed(f"{file.label!r} has changed since it was read; import again.")
    if file.after is None:
        path.unlink()
    else:
        write_atomically(path, file.after)
