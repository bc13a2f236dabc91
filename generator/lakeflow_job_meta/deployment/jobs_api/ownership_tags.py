"""Tags that mark a job of the workspace as belonging to a project, a target and a module. Pure.

A tag stays with its job whatever happens to records elsewhere. Only what carries our tags is ever touched; a tag that
another project can have as well counts only for a job that our record names by its id.
"""

from __future__ import annotations

import hashlib
import re
import socket
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from lakeflow_job_meta._internal.text import quoted
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.deployment.jobs_api.client import RemoteJob
from lakeflow_job_meta.errors import OperationFailed

KEY_TAG = "lakeflow_job_meta_key"
SCOPE_TAG = "lakeflow_job_meta_scope"
SENT_TAG = "lakeflow_job_meta_sent"
"""The digest of what was sent last."""

OUR_TAGS = (KEY_TAG, SCOPE_TAG, SENT_TAG)

_LONGEST_VALUE = 100
"""Tags of jobs become tags of clusters, whose values have at most 255 characters on AWS; two values fit twice."""

_OF_TABLE = "table:"
_NOT_IN_TAG = re.compile(r"[^A-Za-z0-9_.-]+")
"""What AWS, Azure and Google Cloud do not all take in a tag."""


@dataclass(frozen=True, slots=True)
class OwnershipScope:
    """One target of one project.

    Attributes:
        tag: `bundle:NAME:TARGET`, or `table:ID:TARGET` for a control table outside of a bundle, where a target is no
            more than a label: one module of a table has one job. What has neither bundle nor table is known by the
            machine and the path of its folder: `folder:NAME-DIGEST:TARGET`.
        folder_tag: The last one, which a project may have had before it got a bundle.
        old_tag: `NAME:TARGET` as older releases wrote it, where two projects could have the same.
        tables: `table:ID` of each control table that is read: with a bundle or without, one module of it has one job.
    """

    tag: str
    folder_tag: str
    old_tag: str
    tables: frozenset[str] = frozenset()

    def was(self, tag: str) -> bool:
        """Whether a job that the record of this project knows may be tagged so: before an update, or of its table."""
        is_of_table = tag.startswith(_OF_TABLE) and not self.tag.startswith("folder:")
        return tag == self.old_tag or (is_of_table and tag.split(":")[-1] == self.tag.split(":")[-1])

    def is_same_table(self, tag: str) -> bool:
        """Whether a tag is of a table that is read, for another target or without the bundle."""
        return tag != self.tag and tag.rpartition(":")[0] in self.tables

    @property
    def is_of_table(self) -> bool:
        return self.tag.startswith(_OF_TABLE)

    def may_be(self, tag: str) -> bool:
        """Whether a tag may be of this project or of another one whose folder has the same name."""
        name, _, target = self.folder_tag.rpartition(":")
        return tag == self.old_tag or (tag.rpartition(":")[0][:-12], tag.rpartition(":")[2]) == (name[:-12], target)


def ownership_scope(
    project: Project, target: str, bundle: str | None, table_id: Callable[[], str], tables: Iterable[str] = ()
) -> OwnershipScope:
    """Returns the scope of a project's target, with the name of its bundle, or what its control table says it is.

    `tables` are the identities of all control tables that it reads.
    """
    end = _tag_value(target)
    where = hashlib.sha256(f"{socket.gethostname()}\n{project.folder}".encode("utf-8", "surrogateescape")).hexdigest()
    folder_tag = f"folder:{_tag_value(project.folder.name)}-{where[:12]}:{end}"
    tag = folder_tag
    if bundle is not None:
        tag = f"bundle:{_tag_value(bundle)}:{end}"
    elif project.table_sources:
        tag = f"{_OF_TABLE}{_tag_value(table_id())}:{end}"
    read = frozenset(f"{_OF_TABLE}{_tag_value(table)}" for table in tables)
    return OwnershipScope(tag, folder_tag, f"{_tag_value(project.control_table or project.folder.name)}:{end}", read)


def folder_of(tag: str) -> str:
    """Returns the folder in the workspace for what belongs to a scope, such as `bundle-sales/dev`."""
    name, _, target = tag.rpartition(":")
    return f"{name.replace(':', '-')}/{target}"


def _tag_value(text: str) -> str:
    """Returns text as it may stand in a tag; what had to be changed for that gets a digest, to stay distinct."""
    clean = _NOT_IN_TAG.sub("_", text).strip(".")
    if clean == text and len(clean) <= _LONGEST_VALUE:
        return clean
    return f"{clean[: _LONGEST_VALUE - 13]}-{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:12]}"


def key_of(job: RemoteJob, scope: OwnershipScope, known: Mapping[str, str]) -> str | None:
    """Returns the key of a job that is ours; None for one of somebody else. `known` are recorded ids by key."""
    key, tag = job.tags.get(KEY_TAG), job.tags.get(SCOPE_TAG)
    if not (isinstance(key, str) and isinstance(tag, str)):
        return None
    is_recorded = known.get(key) == str(job.job_id)
    return key if tag in (scope.tag, scope.folder_tag) or (is_recorded and scope.was(tag)) else None


def doubtful_key_of(job: RemoteJob, scope: OwnershipScope, known: Mapping[str, str]) -> str | None:
    """Returns the key of a job that may be ours: the record or the tag says so, but not both; else None."""
    key, tag = job.tags.get(KEY_TAG), job.tags.get(SCOPE_TAG)
    if not (isinstance(key, str) and isinstance(tag, str)) or key_of(job, scope, known) is not None:
        return None
    return key if known.get(key) == str(job.job_id) or scope.may_be(tag) else None


def key_of_other_target(job: RemoteJob, scope: OwnershipScope, elsewhere: Collection[str]) -> str | None:
    """Returns the key of a job that another target of the same control table has; else None.

    Known by its tag, or since the record of the table names it (`elsewhere` are the ids of other targets). Targets of
    one bundle are kept apart by the bundle: theirs are none.
    """
    key, tag = job.tags.get(KEY_TAG), job.tags.get(SCOPE_TAG)
    if not (isinstance(key, str) and isinstance(tag, str)) or tag == scope.tag:
        return None
    is_recorded = str(job.job_id) in elsewhere and (scope.is_of_table or tag.startswith(_OF_TABLE))
    return key if is_recorded or scope.is_same_table(tag) else None


def of_other_target(job: RemoteJob, scope: OwnershipScope) -> str:
    """Says why no job is created for a module that has one, and what to do."""
    target = str(job.tags[SCOPE_TAG]).rpartition(":")[2]
    way = "Name that target here too" if scope.is_of_table else f"Give it the tag {SCOPE_TAG}={scope.tag}"
    return (
        f"this module of the control table has the job {job.job_id} already, which was deployed for the target "
        f"{quoted(target)}; a second one would run beside it. {way}, or delete that job first."
    )


def of_other_developer(job: RemoteJob, target: str) -> str:
    """Says why a job stays as it is that somebody else has in a target in development mode, and what to do."""
    return (
        f"{job.creator} has created it as the job {job.job_id}. In the target {quoted(target)} (mode: development) "
        "each developer has jobs of their own, and the databricks CLI alone keeps those apart: name a target of your "
        "own, or deploy with `ljm deploy`."
    )


def jobs_by_key(jobs: Iterable[RemoteJob], scope: OwnershipScope, known: Mapping[str, str]) -> dict[str, RemoteJob]:
    """Returns the jobs that are ours by key. Raises OperationFailed if two have the same."""
    found: dict[str, RemoteJob] = {}
    for job in jobs:
        key = key_of(job, scope, known)
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


def not_surely_ours(key: str, job: RemoteJob, scope: OwnershipScope) -> str:
    """Says why a job stays as it is that may be somebody else's, and what to do."""
    tag, target = job.tags.get(SCOPE_TAG), scope.tag.rpartition(":")[2]
    what = "is recorded for this module and has its name, but not our tags" if tag is None else "is for such a module"
    other = "" if tag is None else f", but has the tag {SCOPE_TAG}={tag} of another project or of an older release"
    named = "" if scope.tag.startswith("bundle:") else "Give this project a name (bundle.name in databricks.yml). "
    return (
        f"the job {job.job_id} {what}{other}, so it may be somebody else's. {named}Give it the tags {KEY_TAG}={key} "
        f"and {SCOPE_TAG}={scope.tag}, or write `adopt: {{{target}: {job.job_id}}}` in the module, to have it taken "
        "over; or rename the one or the other."
    )
