"""Tags that mark a job of the workspace as belonging to a project, a target and a module. Pure.

A tag stays with its job whatever happens to records elsewhere. Only what carries our tags is ever touched.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from lakeflow_job_meta._internal.text import quoted
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.deployment.jobs_api.client import RemoteJob
from lakeflow_job_meta.errors import OperationFailed

KEY_TAG = "lakeflow_job_meta_key"
SCOPE_TAG = "lakeflow_job_meta_scope"
SENT_TAG = "lakeflow_job_meta_sent"
"""The digest of what was sent last."""

_LONGEST_VALUE = 100
"""Tags of jobs become tags of clusters, whose values have at most 255 characters on AWS; two values fit twice."""

_NOT_IN_TAG = re.compile(r"[^A-Za-z0-9_.-]+")
"""What AWS, Azure and Google Cloud do not all take in a tag."""


@dataclass(frozen=True, slots=True)
class OwnershipScope:
    """One target of one project, which is named by its control table or its folder."""

    name: str
    target: str

    @property
    def tag(self) -> str:
        return f"{self.name}:{self.target}"

    @property
    def folder(self) -> str:
        return f"{self.name}/{self.target}"


def ownership_scope(project: Project, target: str) -> OwnershipScope:
    """Returns the scope of a project's target."""
    return OwnershipScope(_tag_value(project.control_table or project.folder.name), _tag_value(target))


def _tag_value(text: str) -> str:
    """Returns text as it may stand in a tag; what had to be changed for that gets a digest, to stay distinct."""
    clean = _NOT_IN_TAG.sub("_", text).strip(".")
    if clean == text and len(clean) <= _LONGEST_VALUE:
        return clean
    return f"{clean[: _LONGEST_VALUE - 13]}-{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:12]}"


def key_of(job: RemoteJob, scope: OwnershipScope) -> str | None:
    """Returns the key of a job that is ours; None for one of somebody else."""
    key = job.tags.get(KEY_TAG)
    return key if isinstance(key, str) and job.tags.get(SCOPE_TAG) == scope.tag else None


def jobs_by_key(jobs: Iterable[RemoteJob], scope: OwnershipScope) -> dict[str, RemoteJob]:
    """Returns the jobs that are ours by key. Raises OperationFailed if two have the same."""
    found: dict[str, RemoteJob] = {}
    for job in jobs:
        key = key_of(job, scope)
        if key is not None and key in found and found[key].job_id != job.job_id:
            raise OperationFailed(same_tags(key, found[key], job))
        if key is not None:
            found[key] = job
    return found


def same_tags(key: str, one: RemoteJob, other: RemoteJob) -> str:
    """Says that two jobs claim to be the same, and what to do."""
    first, second = sorted((one.job_id, other.job_id))
    return (
        f"The jobs {first} and {second} both say that they are the job {quoted(key)} of this project, perhaps because "
        f"one was cloned. Delete the wrong one, or take the tag {KEY_TAG!r} from it; nothing was changed."
    )
