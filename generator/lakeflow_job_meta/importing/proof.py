"""An import proves itself: what the new modules generate is compared with the jobs that were read, setting by setting.

Reads all metadata of the project, and the files that jobs name; writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from lakeflow_job_meta._internal.text import quoted
from lakeflow_job_meta._internal.trees import ABSENT, Difference, KeyPath, diff
from lakeflow_job_meta.compiler.compile import Progress, compile_snapshots
from lakeflow_job_meta.compiler.result import Compilation
from lakeflow_job_meta.config.bundle import BundleDeclarations
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.diagnostics.model import Diagnostic, SourceRef
from lakeflow_job_meta.importing.model import Destination, ImportedModule, NotImported
from lakeflow_job_meta.importing.settings import comparable
from lakeflow_job_meta.jobs.model import Job
from lakeflow_job_meta.layout.layout import layout_of
from lakeflow_job_meta.output.read_back import GeneratedJob, jobs_in
from lakeflow_job_meta.sources.open import open_readers


def prove(
    project: Project,
    bundle: BundleDeclarations,
    destination: Destination,
    modules: Sequence[ImportedModule],
    on_progress: Progress,
) -> Iterator[ImportedModule | NotImported]:
    """Yields each module with the settings that the project changes in its job, or why it cannot be imported.

    What comes of the project's defaults and presets is a difference that people have to know of. Any other one, and
    everything that `ljm validate` calls an error, means that the job cannot be expressed.
    """
    compilation = _compiled(project, bundle, destination, modules, on_progress)
    names = {each.name for each in modules}
    generated = jobs_in({file: text for file, text in compilation.files.items() if file.job_key in names})
    errors: dict[str | None, list[Diagnostic]] = {}
    for each in compilation.errors:
        errors.setdefault(each.module, []).append(each)
    folder = f"{layout_of(project).output}/jobs"
    for module in modules:
        job, text = compilation.jobs.get(module.name), generated.get(module.name)
        if job is None or text is None or job.module.label != module.label:
            yield _refused(module, errors.get(module.name, ()))
        else:
            yield _compared(module, job, text, folder, project.origin.document.label)


def _compiled(
    project: Project,
    bundle: BundleDeclarations,
    destination: Destination,
    modules: Sequence[ImportedModule],
    on_progress: Progress,
) -> Compilation:
    names, labels = {module.name for module in modules}, {module.label for module in modules}
    found = [reader.read() for reader in open_readers(project)]
    # A module that is there already, from an import before, counts once.
    others = [
        replace(each, units=tuple(unit for unit in each.units if not destination.replaces(unit, names)))
        for each in found
        if each.source not in labels or each.rows is None
    ]
    return compile_snapshots(project, bundle, [*others, *destination.snapshots_of(modules)], on_progress)


def _refused(module: ImportedModule, errors: Sequence[Diagnostic]) -> NotImported:
    said = [": ".join(filter(None, [each.source, each.message])) for each in errors]
    reason = "; ".join(dict.fromkeys(said)) or f"another module becomes the job {quoted(module.name)}"
    return NotImported(module.name, module.job.where, reason)


def _compared(
    module: ImportedModule, job: Job, generated: GeneratedJob, folder: str, project_file: str
) -> ImportedModule | NotImported:
    before = comparable(module.job.settings, module.job.folder)
    after = comparable(generated.settings, folder, generated.sql)
    if generated.targets:
        after["targets"] = [*generated.targets]
    differences = [_with_origin(each, job) for each in diff(before, after)]
    unexpected = [each for each, origin in differences if origin is None or origin.document.label != project_file]
    if unexpected:
        shown = "; ".join(map(str, unexpected))
        return NotImported(module.name, module.job.where, f"the generated job would differ: {shown}")
    return replace(module, differences=tuple(each for each, _ in differences))


def _with_origin(difference: Difference, job: Job) -> tuple[Difference, SourceRef | None]:
    """Returns a difference with where the value after was written; None where there is none."""
    if difference.after is ABSENT:
        return difference, None
    origin = job.origin_of(_in_job(difference.path, job))
    return replace(difference, origin=str(origin)), origin


def _in_job(path: KeyPath, job: Job) -> KeyPath:
    """Returns the path in the job of one in which tasks are known by their keys."""
    if path[:1] != ("tasks",) or len(path) < 2:
        return path
    number = next(number for number, task in enumerate(job.tasks) if task.get("task_key") == path[1])
    return ("tasks", number, *(path[2:] or ("task_key",)))
