"""Plans each job of the metadata: what to send to the workspace, in which order, and what would change. Pure.

Takes jobs whose files and references are known, and the jobs of the workspace; returns changes and settings to send.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import product

from lakeflow_job_meta._internal.graphs import dependency_order
from lakeflow_job_meta._internal.text import listing
from lakeflow_job_meta._internal.trees import Value, texts_in
from lakeflow_job_meta.deployment.jobs_api.client import RemoteJob
from lakeflow_job_meta.deployment.jobs_api.diff import digest_of, field_changes, pauses_of, with_pauses_of
from lakeflow_job_meta.deployment.jobs_api.ownership_tags import KEY_TAG, SCOPE_TAG, SENT_TAG, OwnershipScope
from lakeflow_job_meta.deployment.jobs_api.resolve import Resolver
from lakeflow_job_meta.jobs.model import Job
from lakeflow_job_meta.jobs.references import JOB_ID
from lakeflow_job_meta.planning.model import Action, ResourceChange


@dataclass(frozen=True, slots=True)
class JobPlan:
    """A job of the metadata, and what it needs in the workspace.

    Attributes:
        settings: With the paths of uploaded files; references to jobs are still in.
        files: Contents by path in the workspace.
        problem: Why it stays as it is; None if it can be deployed.
        base: The settings that were sent last; None if that is not known.
        asked: The pauses that were asked for then, as far as that is known; the others were as in the workspace.
    """

    job: Job
    settings: dict[str, Value]
    files: dict[str, bytes]
    remote: RemoteJob | None
    problem: str | None = None
    base: dict[str, Value] | None = None
    asked: Mapping[str, Value] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """The digest of what was sent last, as the job's tag says."""
        return str(self.remote.tags.get(SENT_TAG)) if self.remote is not None else ""

    @property
    def needs(self) -> set[str]:
        """The keys of the jobs whose ids it holds."""
        return {key for _, text in texts_in(self.settings) for key in JOB_ID.findall(text)}

    @property
    def location(self) -> str:
        return str(self.job.module.origin)


_ROOT = re.compile(r"/Workspace/Users/[^/]+/\.lakeflow-job-meta/[^/]+/[^/]+/files(?=/)")
"""Where this and older releases upload files."""


def located_message(location: str, sentence: str) -> str:
    """Returns what went wrong, as a line of diagnostics."""
    return f"{location}: error: {sentence} [databricks]"


def in_order(plans: list[JobPlan], existing: set[str]) -> tuple[JobPlan, ...]:
    """Sorts jobs so that each comes after those whose ids it needs; those that can never come get a problem.

    `existing` are the keys of the jobs that have an id already.
    """
    sound = {plan.job.key: plan for plan in plans if plan.problem is None}
    ordered, stuck = dependency_order({key: plan.needs for key, plan in sound.items()}, existing)
    known = existing.union(ordered)
    return (
        *(plan for plan in plans if plan.problem is not None),
        *(sound[key] for key in ordered),
        *(_stuck(sound[key], known) for key in stuck),
    )


def _stuck(plan: JobPlan, known: set[str]) -> JobPlan:
    missing = listing(sorted(plan.needs - known))
    return replace(
        plan,
        problem=f"it runs {missing}, which is not in the workspace and cannot be created first: it has a problem of "
        "its own, or the jobs run each other in a circle, or only the bundle knows it.",
    )


def sent_settings(plan: JobPlan, scope: OwnershipScope, ids: Mapping[str, int]) -> dict[str, Value]:
    """Returns the settings as they are sent: with our tags, and the ids of other jobs as far as they are known."""
    resolved = Resolver({}).resolved(plan.settings, ids)
    settings = dict(resolved) if isinstance(resolved, dict) else {}
    tags = settings.get("tags")
    own = tags if isinstance(tags, dict) else {}
    ours: dict[str, Value] = {**own, KEY_TAG: plan.job.key, SCOPE_TAG: scope.tag}
    digest = digest_of({**settings, "tags": ours}, plan.files)
    settings["tags"] = {**ours, SENT_TAG: digest}
    return settings if plan.remote is None else with_pauses_of(plan.remote.settings, settings, plan.asked)


def last_sent(plan: JobPlan, scope: OwnershipScope, ids: Mapping[str, int], root: str, kept: Value = None) -> JobPlan:
    """Returns the plan with the settings that were sent last, as far as that is known.

    They are those of now if the digest says so, also under the tag that the job had before, and with files that were
    uploaded to another folder than `root`, such as that of another login; else what the workspace has `kept`.
    """
    if plan.remote is None:
        return plan
    tags = dict.fromkeys((scope.tag, str(plan.remote.tags.get(SCOPE_TAG))))
    roots = dict.fromkeys((root, *_ROOT.findall(json.dumps(plan.remote.settings, ensure_ascii=False))))
    for tag, other in product(tags, roots):
        settings = sent_settings(_moved(plan, root, other), replace(scope, tag=tag), ids)
        if sent_digest(settings) == plan.digest:
            return replace(plan, base=settings)
    for entry in kept if isinstance(kept, list) else []:
        if isinstance(entry, dict) and entry.get("digest") == plan.digest:
            found, asked = entry.get("settings"), entry.get("asked")
            if isinstance(found, dict):
                return replace(plan, base=found, asked=asked if isinstance(asked, dict) else {})
    return plan


def sent_digest(settings: Mapping[str, Value]) -> str:
    """Returns the digest that settings carry in our tag."""
    tags = settings.get("tags")
    return str(tags.get(SENT_TAG)) if isinstance(tags, dict) else ""


def sent_record(plan: JobPlan, settings: dict[str, Value]) -> bytes:
    """Returns what the workspace keeps beside a job: the settings to send, and those that the job has until then."""
    sent = {} if plan.base is None else {plan.digest: (plan.base, plan.asked)}
    sent[sent_digest(settings)] = (settings, pauses_of(plan.settings))
    entries = [{"digest": digest, "settings": each, "asked": asked} for digest, (each, asked) in sent.items()]
    return json.dumps({"sent": entries}).encode("ascii")


def _moved(plan: JobPlan, root: str, other: str) -> JobPlan:
    if root == other:
        return plan
    text = json.dumps(plan.settings, ensure_ascii=False).replace(f"{root}/", f"{other}/")
    files = {path.replace(f"{root}/", f"{other}/"): content for path, content in plan.files.items()}
    return replace(plan, settings=json.loads(text), files=files)


def change_of(plan: JobPlan, scope: OwnershipScope, ids: Mapping[str, int]) -> ResourceChange:
    """Returns what a deployment would do with a job; `ids` are those of all of our jobs in the workspace, by key."""
    remote = plan.remote
    if plan.problem is not None:
        return change_without_fields(plan.job.key, Action.SKIP, is_gone=remote is None)
    if remote is None:
        return change_without_fields(plan.job.key, Action.CREATE)
    fields = field_changes(remote.settings, sent_settings(plan, scope, ids), creator=remote.creator, base=plan.base)
    whole = change_without_fields(plan.job.key, Action.UPDATE if fields else Action.SKIP)
    return replace(whole, fields=fields)


def change_without_fields(key: str, action: Action, *, is_gone: bool = False) -> ResourceChange:
    """Returns what happens to a job as a whole."""
    return ResourceChange(f"resources.jobs.{key}", action, (), is_gone=is_gone)
