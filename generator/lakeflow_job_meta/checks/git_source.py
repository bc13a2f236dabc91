"""Jobs whose files come from a repository: which one, and paths that can be in it."""

from __future__ import annotations

from collections.abc import Iterator

from lakeflow_job_meta._internal.text import listing, quoted
from lakeflow_job_meta._internal.trees import value_at
from lakeflow_job_meta.checks.context import CheckContext
from lakeflow_job_meta.diagnostics.model import Diagnostic
from lakeflow_job_meta.diagnostics.rules import GIT_SOURCE
from lakeflow_job_meta.jobs.local_paths import TASK_PATHS, is_from_git
from lakeflow_job_meta.jobs.model import Job

_VERSIONS = ("git_branch", "git_tag", "git_commit")
"""Jobs API, `git_source`: each "cannot be specified in conjunction with" the others."""

_MAY_BE_ELSEWHERE = "spark_python_task"
"""Jobs API: without a `source`, its file is one of the workspace also in a job with a `git_source`."""


def one_version_of_the_repository(job: Job, context: CheckContext) -> Iterator[Diagnostic]:
    """Refuses a branch together with a tag or a commit."""
    git = job.settings.get("git_source")
    given = [name for name in _VERSIONS if isinstance(git, dict) and git.get(name) is not None]
    if len(given) > 1:
        message = f"a job takes one version of a repository, but here are {listing(given)}"
        yield GIT_SOURCE.at(job.origin_of(("git_source", given[1]), of_key=True), message)


def files_are_in_the_repository(job: Job, context: CheckContext) -> Iterator[Diagnostic]:
    """Refuses `source: GIT` without a repository, and absolute paths in one.

    Jobs API, `notebook_path` and others: "For notebooks stored in a remote repository, the path must be relative."
    """
    has_repository = "git_source" in job.settings
    for path, task in job.all_tasks:
        for where in (pattern for pattern in TASK_PATHS if pattern[0] in task and "*" not in pattern):
            text = value_at(task, where)[1]
            block = value_at(task, where[:-1])[1]
            named = block.get("source") if isinstance(block, dict) else None
            if named == "GIT" and not has_repository:
                message = "'source: GIT' needs a 'git_source' in 'job_config', which names the repository"
                yield GIT_SOURCE.at(job.origin_of((*path, *where[:-1], "source")), message)
            elif (
                not isinstance(text, str)
                or not text.startswith("/")
                or (named is None and where[0] == _MAY_BE_ELSEWHERE)
            ):
                continue
            elif is_from_git(task, where, has_repository):
                advice = "write 'source: WORKSPACE' beside it, or a path from the root of the repository"
                message = (
                    f"{quoted(text)} is looked for in the repository of the job, where no path is absolute; {advice}"
                )
                yield GIT_SOURCE.at(job.origin_of((*path, *where)), message)


JOB_CHECKS = (one_version_of_the_repository, files_are_in_the_repository)
