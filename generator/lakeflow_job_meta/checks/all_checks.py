"""All checks of a job, in the order of their subjects."""

from __future__ import annotations

from lakeflow_job_meta.checks import (
    combinations,
    compute,
    dependencies,
    git_source,
    limits,
    local_files,
    policies,
    references,
    schedules,
    secrets,
    settings,
)
from lakeflow_job_meta.checks.context import CheckContext, JobCheck
from lakeflow_job_meta.diagnostics.model import Diagnostic
from lakeflow_job_meta.jobs.model import Job

_SUBJECTS = (
    *(settings, dependencies, compute, schedules, limits, references, git_source, combinations, local_files),
    *(policies, secrets),
)
JOB_CHECKS: tuple[JobCheck, ...] = tuple(check for subject in _SUBJECTS for check in subject.JOB_CHECKS)


def check_job(job: Job, context: CheckContext) -> list[Diagnostic]:
    """Runs every check over one job."""
    return [problem for check in JOB_CHECKS for problem in check(job, context)]
