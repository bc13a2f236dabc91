"""What tasks run on: compute that is defined, enough of it, and not two kinds at once."""

from __future__ import annotations

from collections.abc import Iterator

from lakeflow_job_meta._internal.text import did_you_mean, is_placeholder, listing, quoted
from lakeflow_job_meta.checks.context import CheckContext
from lakeflow_job_meta.diagnostics.model import Diagnostic, nearest
from lakeflow_job_meta.diagnostics.rules import NO_COMPUTE, PLACEHOLDER, TWO_COMPUTES, UNDEFINED_COMPUTE
from lakeflow_job_meta.jobs.model import Job
from lakeflow_job_meta.jobs.task_types import BY_BLOCK, CLUSTER_FIELDS, COMPUTE_FIELDS, Compute, kind_of_task

_DEFINED_IN = {"job_cluster_key": ("job_clusters", "job cluster"), "environment_key": ("environments", "environment")}


def compute_is_defined(job: Job, context: CheckContext) -> Iterator[Diagnostic]:
    """Refuses keys of job clusters and environments that the job does not define."""
    for field, (setting, noun) in _DEFINED_IN.items():
        named = [(path, task[field]) for path, task in job.all_tasks if task.get(field) is not None]
        defined = job.named(setting, field) if named else None
        known = sorted(defined or ())
        for path, name in named if defined is not None else ():
            if isinstance(name, str) and "${" not in name and name not in (defined or ()):
                where = f"; {setting!r} in 'job_config' defines none" if not known else did_you_mean(name, known)
                message = f"no {noun} {quoted(name)} is defined{where}"
                yield UNDEFINED_COMPUTE.at(job.origin_of((*path, field)), message, nearest(name, known))


def tasks_have_compute(job: Job, context: CheckContext) -> Iterator[Diagnostic]:
    """Refuses tasks without the compute that they need, and tasks with two kinds of it."""
    for path, task in job.all_tasks:
        kind = kind_of_task(task)
        given = [field for field in COMPUTE_FIELDS if field in task]
        clusters = [field for field in given if field in CLUSTER_FIELDS]
        if len(clusters) > 1:
            message = f"a task runs on one kind of compute, but here are {listing(clusters)}"
            yield TWO_COMPUTES.at(job.origin_of((*path, clusters[1]), of_key=True), message)
        if kind is not None and not given and kind.compute in (Compute.ENVIRONMENT, Compute.CLUSTER):
            message = f"a {kind.name!r} task needs {kind.compute.value}, but none is named"
            yield NO_COMPUTE.at(job.origin_of((*path, kind.block), of_key=True), message)


def ids_are_real(job: Job, context: CheckContext) -> Iterator[Diagnostic]:
    """Warns of ids that were copied from an example."""
    for path, task in job.all_tasks:
        for block_name, block in [("", task), *((key, value) for key, value in task.items() if key in BY_BLOCK)]:
            for field, value in block.items() if isinstance(block, dict) else ():
                if field.endswith("_id") and is_placeholder(str(value)):
                    at = (*path, block_name, field) if block_name else (*path, field)
                    yield PLACEHOLDER.at(job.origin_of(at), f"{field!r} is still the placeholder {quoted(value)}")


JOB_CHECKS = (compute_is_defined, tasks_have_compute, ids_are_real)
