"""All checks of a job, in the order of their subjects."""

from __future__ import annotations

from dataclasses import replace

from lakeflow_job_meta._internal.text import listing
from lakeflow_job_meta.checks import (
    combinations,
    compute,
    dependencies,
    git_source,
    limits,
    local_files,
    policies,
    quality,
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
    *(quality, policies, secrets),
)
JOB_CHECKS: tuple[JobCheck, ...] = tuple(check for subject in _SUBJECTS for check in subject.JOB_CHECKS)


def check_job(job: Job, context: CheckContext) -> list[Diagnostic]:
    """Runs every check over one job, as it is in each target; what is wrong in some of them alone says in which."""
    if not job.by_target:
        return _checked(job, context)
    found: dict[Diagnostic, list[str]] = {}
    for target, each in job.by_target.items():
        for problem in dict.fromkeys(_checked(each, context)):
            found.setdefault(problem, []).append(target)
    of_all = len(job.by_target)
    return [
        each if len(names) == of_all else replace(each, message=f"{each.message} (in {listing(names)})")
        for each, names in found.items()
    ]


def _checked(job: Job, context: CheckContext) -> list[Diagnostic]:
    return [problem for check in JOB_CHECKS for problem in check(job, context)]
