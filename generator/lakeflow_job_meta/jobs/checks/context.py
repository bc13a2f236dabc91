"""What a check is, and what it may look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from lakeflow_job_meta.bundle_facts import BundleFacts
from lakeflow_job_meta.diagnostics import Diagnostic
from lakeflow_job_meta.jobs.model import Job
from lakeflow_job_meta.project import Project
from lakeflow_job_meta.project_files import ProjectFiles


@dataclass(frozen=True, slots=True)
class CheckContext:
    """What a check may look at besides the job.

    Attributes:
        bundle: What is declared outside the metadata.
        files: The project's files.
        modules: The key of every module's job by the module's name; broken modules are among them.
        runs: Which jobs a job runs, by their keys.
    """

    project: Project
    bundle: BundleFacts
    files: ProjectFiles
    modules: Mapping[str, str]
    runs: Mapping[str, tuple[str, ...]]
    job_keys: frozenset[str]


JobCheck = Callable[[Job, CheckContext], Iterator[Diagnostic]]
