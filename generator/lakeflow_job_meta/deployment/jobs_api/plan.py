"""Plans each job of the metadata: what to send to the workspace, in which order, and what would change. Pure.

Takes jobs whose files and references are known, and the jobs of the workspace; returns changes and settings to send.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from typing import cast

from lakeflow_job_meta._internal.graphs import dependency_order
from lakeflow_job_meta._internal.text import listing
from lakeflow_job_meta._internal.trees import ABSENT, Value, texts_in, value_at
from lakeflow_job_meta.config.model import PAUSES, SettingPath
from lakeflow_job_meta.deployment.jobs_api.client import RemoteJob
from lakeflow_job_meta.deployment.jobs_api.diff import (
    differ_at,
    digest_of,
    field_changes,
    paused,
    with_open_pauses,
    with_values_of,
)
from lakeflow_job_meta.deployment.jobs_api.ownership_tags import KEY_TAG, SCOPE_TAG, SENT_TAG, OwnershipScope
from lakeflow_job_meta.deployment.jobs_api.resolve import Resolver
from lakeflow_job_meta.jobs.model import Job
from lakeflow_job_meta.jobs.references import JOB_ID
from lakeflow_job_meta.planning.model import Action, KeptSetting, ResourceChange, workspace_wins


@dataclass(frozen=True, slots=True)
class JobPlan:
    """A job of the metadata, and what it needs in the workspace.

    Attributes:
        settings: With the paths of uploaded files; references to jobs are still in.
        files: Contents by path in the workspace.
        problem: Why it stays as it is; None if it can be deployed.
        base: The settings that were sent last; None if that is not known.
        before: What the metadata had of settings that were kept then, by their names.
        keep: What the workspace decides of the job.
        kept: What of that is kept in this plan.
        is_paused_first: Whether what starts the job is paused when it is created.
    """

    job: Job
    settings: dict[str, Value]
    files: dict[str, bytes]
    remote: RemoteJob | None
    problem: str | None = None
    base: dict[str, Value] | None = None
    before: Mapping[str, Value] = field(default_factory=dict)
    keep: tuple[SettingPath, ...] = ()
    kept: tuple[SettingPath, ...] = ()
    is_paused_first: bool = False

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
    if plan.remote is None:
        return paused(settings) if plan.is_paused_first else settings
    return with_values_of(plan.remote.settings, with_open_pauses(plan.remote.settings, settings), plan.kept)


def kept_settings(plan: JobPlan, settings: dict[str, Value]) -> list[KeptSetting]:
    """Returns what is kept of a job as the workspace has it, or is paused since it is new.

    `settings` are those that are sent.
    """
    if plan.remote is None:
        starts = [path for path in PAUSES if plan.is_paused_first and path[0] in settings]
        said = [(path, value_at(plan.settings, path)[1] or "UNPAUSED") for path in starts]
        return [_kept(plan, settings, path, value) for path, value in said if value != "PAUSED"]
    wanted = with_open_pauses(plan.remote.settings, plan.settings)
    return [_kept(plan, settings, path, value_at(wanted, path)[1]) for path in plan.kept]


def _kept(plan: JobPlan, settings: dict[str, Value], path: SettingPath, metadata: object) -> KeptSetting:
    workspace = cast("Value", value_at(settings, path)[1])
    return KeptSetting(plan.job.key, ".".join(path), workspace, cast("Value", metadata))


def last_sent(plan: JobPlan, scope: OwnershipScope, ids: Mapping[str, int], root: str, kept: Value = None) -> JobPlan:
    """Returns the plan with the settings that were sent last, as far as that is known.

    They are those of now if the digest says so, also under the tag that the job had before, and with files that were
    uploaded to another folder than `root`, such as that of another login; else what the workspace has `kept`.
    """
    if plan.remote is None:
        return plan
    remote, plan = plan.remote, replace(plan, kept=())
    tags = dict.fromkeys((scope.tag, str(remote.tags.get(SCOPE_TAG))))
    roots = dict.fromkeys((root, *_ROOT.findall(json.dumps(remote.settings, ensure_ascii=False))))
    for tag, other in product(tags, roots):
        settings = sent_settings(_moved(plan, root, other), replace(scope, tag=tag), ids)
        if sent_digest(settings) == plan.digest:
            # The metadata is as it was, so whatever differs was set in the workspace, now or before.
            return replace(plan, base=settings, kept=tuple(_differing(plan, settings)))
    for entry in kept if isinstance(kept, list) else []:
        if isinstance(entry, dict) and entry.get("digest") == plan.digest:
            found, before = entry.get("settings"), entry.get("kept")
            if isinstance(found, dict):
                known = replace(plan, base=found, before=before if isinstance(before, dict) else {})
                return replace(known, kept=tuple(_kept_of(known, sent_settings(plan, scope, ids))))
    return replace(plan, kept=tuple(_differing(plan, sent_settings(plan, scope, ids))))


def _differing(plan: JobPlan, wanted: dict[str, Value]) -> Iterator[SettingPath]:
    """Yields what the workspace decides and has in another way."""
    remote = plan.remote.settings if plan.remote is not None else {}
    for path in plan.keep:
        if isinstance(value_at(wanted, path[:-1])[1], dict) and differ_at(path, remote, wanted):
            yield path


def _kept_of(plan: JobPlan, wanted: dict[str, Value]) -> Iterator[SettingPath]:
    """Yields what of that stays; what the metadata has anew is sent."""
    remote = plan.remote.settings if plan.remote is not None else {}
    base = with_open_pauses(remote, plan.base or {})
    for path in _differing(plan, wanted):
        workspace, metadata = (value_at(each, path)[1] for each in (remote, wanted))
        before = plan.before.get(".".join(path), ABSENT)
        if workspace_wins(workspace, metadata, before, differ_at(path, remote, base)):
            yield path


def sent_digest(settings: Mapping[str, Value]) -> str:
    """Returns the digest that settings carry in our tag."""
    tags = settings.get("tags")
    return str(tags.get(SENT_TAG)) if isinstance(tags, dict) else ""


def sent_record(plan: JobPlan, settings: dict[str, Value]) -> bytes:
    """Returns what the workspace keeps beside a job: the settings to send, and those that the job has until then."""
    sent = {} if plan.base is None else {plan.digest: (plan.base, plan.before)}
    sent[sent_digest(settings)] = settings, {each.setting: each.metadata for each in kept_settings(plan, settings)}
    entries = [{"digest": digest, "settings": each, "kept": kept} for digest, (each, kept) in sent.items()]
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
    settings, base = sent_settings(plan, scope, ids), plan.base
    if base is not None:
        # Of what the workspace decides, nothing is an edit.
        base = with_values_of(remote.settings, with_open_pauses(remote.settings, base), plan.keep)
    fields = field_changes(remote.settings, settings, creator=remote.creator, base=base)
    whole = change_without_fields(plan.job.key, Action.UPDATE if fields else Action.SKIP)
    return replace(whole, fields=fields)


def change_without_fields(key: str, action: Action, *, is_gone: bool = False) -> ResourceChange:
    """Returns what happens to a job as a whole."""
    return ResourceChange(f"resources.jobs.{key}", action, (), is_gone=is_gone)
