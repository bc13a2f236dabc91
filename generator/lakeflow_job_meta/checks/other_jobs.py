"""Jobs that run other jobs, and the targets that a job is for."""

from __future__ import annotations

from collections.abc import Iterator

from lakeflow_job_meta._internal.graphs import shortest_path
from lakeflow_job_meta._internal.text import did_you_mean, quoted
from lakeflow_job_meta._internal.trees import KeyPath, value_at
from lakeflow_job_meta.checks.context import CheckContext
from lakeflow_job_meta.diagnostics.model import Diagnostic, nearest
from lakeflow_job_meta.diagnostics.rules import RUN_JOB_CYCLE, UNKNOWN_MODULE, UNKNOWN_TARGET
from lakeflow_job_meta.jobs.model import Job
from lakeflow_job_meta.jobs.references import JOB_ID


def jobs_run_by(job: Job) -> Iterator[tuple[KeyPath, str]]:
    """Yields the keys of the bundle's jobs that a job runs, with the paths of the settings that run them."""
    for path, task in job.all_tasks:
        job_id = value_at(task, ("run_job_task", "job_id"))[1]
        match = JOB_ID.fullmatch(job_id) if isinstance(job_id, str) else None
        if match:
            yield (*path, "run_job_task", "job_id"), match.group(1)


def modules_that_are_run_exist(job: Job, context: CheckContext) -> Iterator[Diagnostic]:
    """Refuses run_job_task with a module_name that nobody has."""
    for path, _ in job.all_tasks:
        name = job.written_in_task(path, "run_job_task", "module_name")
        if isinstance(name, str) and name not in context.others.keys:
            hint = did_you_mean(name, sorted(set(context.others.keys) - {job.module.module_name}))
            origin = job.origin_of((*path, "run_job_task", "job_id"))
            yield UNKNOWN_MODULE.at(origin, f"there is no module {quoted(name)}{hint}")


def no_circle_of_jobs(job: Job, context: CheckContext) -> Iterator[Diagnostic]:
    """Refuses jobs that run each other in a circle; each job of the circle is reported."""
    for path, key in jobs_run_by(job):
        back = shortest_path(key, job.key, context.others.runs)
        if back is not None:
            shown = " -> ".join([job.key, *back])
            yield RUN_JOB_CYCLE.at(job.origin_of(path), f"jobs run each other without end: {shown}")


def targets_exist(job: Job, context: CheckContext) -> Iterator[Diagnostic]:
    """Refuses targets that the bundle does not have."""
    known = context.bundle.targets
    for number, target in enumerate(job.module.targets if known is not None else ()):
        if target not in (known or ()):
            hint = did_you_mean(target, sorted(known or ()))
            origin = job.module.origin.at("targets", number)
            yield UNKNOWN_TARGET.at(
                origin, f"databricks.yml has no target {quoted(target)}{hint}", nearest(target, known or ())
            )


JOB_CHECKS = (modules_that_are_run_exist, no_circle_of_jobs, targets_exist)
