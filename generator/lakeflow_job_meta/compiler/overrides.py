"""What the bundle's own files lay over generated jobs for a target: jobs and tasks that are there, or an error.

The databricks CLI takes the rest of an override for a job or a task of its own, and empties what was there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from lakeflow_job_meta._internal.text import did_you_mean, quoted
from lakeflow_job_meta.compiler.result import Compilation
from lakeflow_job_meta.config.bundle import BundleDeclarations, JobPart
from lakeflow_job_meta.diagnostics.model import Diagnostic
from lakeflow_job_meta.diagnostics.rules import UNKNOWN_OVERRIDE
from lakeflow_job_meta.parsing.keys import TaskKeys, task_key_hint


def unknown_overrides(bundle: BundleDeclarations, compilation: Compilation) -> Iterator[Diagnostic]:
    """Yields the overrides of jobs and tasks that no module and no file of the bundle defines."""
    parts = bundle.job_parts or ()
    # A job whose module has errors, or nothing active, stays as it is, with all of its tasks.
    staying = compilation.kept_jobs | compilation.broken_jobs
    whole: dict[str, list[JobPart]] = {}
    for part in parts:
        if part.target is None:
            whole.setdefault(part.key, []).append(part)
    for part in parts:
        if part.target is not None and part.key not in staying:
            yield from _problems(part, whole.get(part.key, []), compilation)


def _problems(part: JobPart, whole: list[JobPart], compilation: Compilation) -> Iterator[Diagnostic]:
    is_ours = part.key in compilation.jobs.names
    job = compilation.jobs.get(part.key) if is_ours and not whole else None
    targets = job.targets if job is not None else ()
    if targets and part.target not in targets and not part.is_whole:
        yield UNKNOWN_OVERRIDE.at(part.origin.key(), f"the module of the job {quoted(part.key)} is not for this target")
    elif job is None and not whole:
        # The job may be one of metadata that could not be read.
        if not part.is_whole and not compilation.hiding_places(()):
            hint = did_you_mean(part.key, sorted(compilation.jobs.names))
            message = (
                f"no module and no file of the bundle defines the job {quoted(part.key)} that this overrides{hint}"
            )
            yield UNKNOWN_OVERRIDE.at(part.origin.key(), message)
    else:
        tasks = job.in_target(part.target).tasks if job is not None else []
        known = {str(task.get("task_key")) for task in tasks}
        known |= {key for each in whole for _, key, _ in each.tasks}
        yield from _unknown_tasks(part, known, compilation.jobs.project.task_keys)


def _unknown_tasks(part: JobPart, known: Collection[str], style: TaskKeys) -> Iterator[Diagnostic]:
    for number, key, does_something in part.tasks:
        if key not in known and not does_something and "${" not in key:
            hint = task_key_hint(key, known, style)
            hint = hint or did_you_mean(key, sorted(known), otherwise="; is its source inactive?")
            message = f"the job {quoted(part.key)} has no task {quoted(key)} that this overrides{hint}"
            yield UNKNOWN_OVERRIDE.at(part.origin.at("tasks", number), message)
