"""What it takes to have one job of the metadata in the workspace, in which order, and what would change. Pure.

Takes jobs whose files and references are known, and the jobs of the workspace; gives changes and the settings to send.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from lakeflow_job_meta._internal.text import listing
from lakeflow_job_meta._internal.trees import Value
from lakeflow_job_meta.deploy.jobs_api.client import RemoteJob
from lakeflow_job_meta.deploy.jobs_api.diff import digest_of, field_changes, with_pauses_of
from lakeflow_job_meta.deploy.jobs_api.ownership_tags import KEY_TAG, SCOPE_TAG, SENT_TAG, OwnershipScope
from lakeflow_job_meta.deploy.jobs_api.references import Resolver, jobs_referred_to
from lakeflow_job_meta.jobs.model import Job
from lakeflow_job_meta.plan.model import Action, ResourceChange


@dataclass(frozen=True, slots=True)
class JobPlan:
    """A job of the metadata, and what it takes to have it in the workspace.

    Attributes:
        settings: With the paths of uploaded files; references to jobs are still in.
        files: Contents by path in the workspace.
        remote: As the workspace had it when it was planned.
        problem: Why it stays as it is; None if it can be deployed.
    """

    job: Job
    settings: dict[str, Value]
    files: dict[str, bytes]
    remote: RemoteJob | None
    problem: str | None = None

    @property
    def needs(self) -> set[str]:
        """The keys of the jobs whose ids it holds."""
        return set(jobs_referred_to(self.settings))

    def told(self, sentence: str) -> str:
        """Returns what went wrong, at its place in the metadata."""
        return located_message(str(self.job.module.origin), sentence)


def located_message(place: str, sentence: str) -> str:
    """Returns what went wrong, as a line of diagnostics."""
    return f"{place}: error: {sentence} [databricks]"


def in_order(works: list[JobPlan], there: set[str]) -> tuple[JobPlan, ...]:
    """Sorts jobs so that each comes after those whose ids it needs; what can never come is given a problem.

    Args:
        works: All of them.
        there: The keys of the jobs that have an id already.
    """
    done = [work for work in works if work.problem is not None]
    waiting = [(work, work.needs) for work in works if work.problem is None]
    known = set(there)
    while ready := [work for work, needs in waiting if needs <= known]:
        done += ready
        waiting = [(work, needs) for work, needs in waiting if not needs <= known]
        known |= {work.job.key for work in ready}
    return (*done, *(_stuck(work, known) for work, _ in waiting))


def _stuck(work: JobPlan, known: set[str]) -> JobPlan:
    missing = listing(sorted(work.needs - known))
    return replace(
        work,
        problem=f"it runs {missing}, which is not in the workspace and cannot be made first: it has a problem of its "
        "own, or the jobs run each other in a circle, or only the bundle knows it.",
    )


def sent_settings(work: JobPlan, scope: OwnershipScope, ids: Mapping[str, int]) -> dict[str, Value]:
    """Returns the settings as they are sent: with our tags, and the ids of other jobs as far as they are known."""
    resolved = Resolver({}).resolved(work.settings, ids)
    settings = dict(resolved) if isinstance(resolved, dict) else {}
    tags = settings.get("tags")
    own = tags if isinstance(tags, dict) else {}
    ours: dict[str, Value] = {**own, KEY_TAG: work.job.key, SCOPE_TAG: scope.tag}
    digest = digest_of({**settings, "tags": ours}, work.files)
    settings["tags"] = {**ours, SENT_TAG: digest}
    return settings if work.remote is None else with_pauses_of(work.remote.settings, settings)


def change_of(work: JobPlan, scope: OwnershipScope, ids: Mapping[str, int]) -> ResourceChange:
    """Returns what a deployment would do with a job.

    Args:
        work: The job.
        scope: For its tags.
        ids: Of all of our jobs that are in the workspace, by key.
    """
    remote = work.remote
    if work.problem is not None:
        return ResourceChange(_name(work.job.key), Action.SKIP, (), is_gone=remote is None)
    if remote is None:
        return change_without_fields(work.job.key, Action.CREATE)
    sent = sent_settings(work, scope, ids)
    tags = sent["tags"]
    is_as_sent = isinstance(tags, dict) and remote.tags.get(SENT_TAG) == tags[SENT_TAG]
    fields = field_changes(remote.settings, sent, creator=remote.creator, is_as_sent=is_as_sent)
    return ResourceChange(_name(work.job.key), Action.UPDATE if fields else Action.SKIP, fields, is_gone=False)


def change_without_fields(key: str, action: Action) -> ResourceChange:
    """Returns what happens to a job as a whole."""
    return ResourceChange(_name(key), action, (), is_gone=False)


def _name(key: str) -> str:
    return f"resources.jobs.{key}"
