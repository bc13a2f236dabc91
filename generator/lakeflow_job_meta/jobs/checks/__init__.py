"""What is wrong with a job that could be built: each check a small function with a code of its own.

A check takes a job and a `CheckContext`, and yields diagnostics; it changes nothing and raises nothing. A new check is
one function in the file of its subject, entered in that file's `JOB_CHECKS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from lakeflow_job_meta.diagnostics import Diagnostic
from lakeflow_job_meta.jobs.model import Job
from lakeflow_job_meta.project import Project


@dataclass(frozen=True, slots=True)
class CheckContext:
    """What a check may look at besides the job.

    Attributes:
        modules: The key of every module's job by the module's name; broken modules are among them.
    """

    project: Project
    modules: Mapping[str, str] = field(default_factory=dict)


JobCheck = Callable[[Job, CheckContext], Iterator[Diagnostic]]


def check_job(job: Job, context: CheckContext) -> list[Diagnostic]:
    """Runs every check over one job."""
    return [problem for check in _all_checks() for problem in check(job, context)]


def _all_checks() -> tuple[JobCheck, ...]:
    from lakeflow_job_meta.jobs.checks import dependencies, settings

    return (*settings.JOB_CHECKS, *dependencies.JOB_CHECKS)
