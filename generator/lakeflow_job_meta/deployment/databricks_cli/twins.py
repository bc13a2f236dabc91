"""Finds jobs of the workspace that a plan of the databricks CLI would create a second time. Pure.

The CLI knows its jobs by its state alone. Where that is lost or another one (an answer that never came, a bundle under
a new name, a machine that died between job and state), it creates what is there.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from lakeflow_job_meta._internal.trees import Value, value_at
from lakeflow_job_meta.deployment.jobs_api.client import RemoteJob, remote_job, task_keys
from lakeflow_job_meta.deployment.jobs_api.ownership_tags import SCOPE_TAG, OwnershipScope, key_of, key_of_other_target
from lakeflow_job_meta.deployment.policy import Twin
from lakeflow_job_meta.errors import OperationFailed
from lakeflow_job_meta.planning.model import job_names
from lakeflow_job_meta.state.tracking import DeployedJob


@dataclass(frozen=True, slots=True)
class CreatedJob:
    """A job as a plan creates it; `former_names` are those that it had under earlier names of its module."""

    key: str
    settings: dict[str, Value]
    former_names: tuple[str, ...] = ()

    @property
    def bundle_path(self) -> str:
        """Where the bundle keeps its state; by default `ROOT/BUNDLE/TARGET/state/metadata.json`."""
        return str(value_at(self.settings, ("deployment", "metadata_file_path"))[1] or "")


def entries_of(plan: str) -> dict[str, Value]:
    """Returns what a plan of the CLI says of each resource, by name."""
    entries = value_at(json.loads(plan), ("plan",))[1]
    return entries if isinstance(entries, dict) else {}


def created_jobs(entries: Mapping[str, Value], keys: Collection[str]) -> list[CreatedJob]:
    """Returns the jobs of some keys, as the entries of a plan would create them."""
    states = {
        key: value_at(entries.get(name), ("new_state", "value"))[1]
        for key, name in zip(keys, job_names(keys), strict=True)
    }
    return [CreatedJob(key, state) for key, state in states.items() if isinstance(state, dict)]


def owned_ids(entries: Mapping[str, Value]) -> set[int]:
    """Returns the ids of the jobs that the bundle has, as the entries of its plan show them."""
    found = (value_at(entry, ("remote_state", "job_id"))[1] for entry in entries.values())
    return {job_id for job_id in found if isinstance(job_id, int)}


def remote_jobs(text: str) -> list[RemoteJob]:
    """Reads the answer of `databricks jobs list`; raises OperationFailed for an unknown form."""
    try:
        return [remote_job("The databricks CLI", entry) for entry in json.loads(text) or []]
    except (ValueError, TypeError, RecursionError) as error:
        raise OperationFailed(
            f"The output of `databricks jobs list` is not understood ({type(error).__name__}), so nobody knows whether "
            "the jobs to create are there already; nothing was deployed."
        ) from error


def remote_job_in(text: str) -> RemoteJob:
    """Reads the answer of `databricks jobs get`; raises OperationFailed for an unknown form."""
    try:
        return remote_job("The databricks CLI", json.loads(text))
    except (ValueError, TypeError, RecursionError) as error:
        raise OperationFailed(
            f"The output of `databricks jobs get` is not understood ({type(error).__name__}); nothing was deployed."
        ) from error


def find_twins(
    created: Iterable[CreatedJob],
    jobs: Iterable[RemoteJob],
    owned: Collection[int],
    recorded: Sequence[DeployedJob],
    scope: OwnershipScope,
) -> list[Twin]:
    """Returns which jobs of the workspace are among those to be created.

    Args:
        created: The jobs to be created.
        jobs: Those of the workspace.
        owned: The ids of jobs that the bundle has under other keys.
        recorded: Those of the tracking table.
        scope: What marks jobs that were deployed through the Jobs API.
    """
    ids = {job.job_id: job.key for job in recorded}
    others = [job for job in jobs if job.job_id not in owned]
    by_name: dict[str, list[RemoteJob]] = defaultdict(list)
    for job in others:
        by_name[str(job.settings.get("name"))].append(job)
    of_us = {
        key: job
        for job in others
        if (key := ids.get(str(job.job_id)) or key_of(job, scope, {}) or key_of_other_target(job, scope, ()))
    }
    found = (next(_twins(each, of_us, by_name, ids), None) for each in created)
    return [twin for twin in found if twin is not None]


def _twins(
    created: CreatedJob, of_us: dict[str, RemoteJob], by_name: dict[str, list[RemoteJob]], ids: dict[str, str]
) -> Iterator[Twin]:
    known = of_us.get(created.key)
    if known is not None:
        why = "which is recorded for this module" if str(known.job_id) in ids else "which the Jobs API has deployed"
        yield _twin(created, known, why)
    for job in by_name[str(created.settings.get("name"))]:
        if ids.get(str(job.job_id), created.key) != created.key:
            continue
        if job.is_of_a_bundle and job.bundle_path == created.bundle_path:
            yield _twin(created, job, "which this bundle has deployed, though its state does not have it")
        elif _siblings(job.bundle_path, created.bundle_path) and task_keys(job.settings) == task_keys(created.settings):
            yield _twin(created, job, f"which has the same tasks and is of the bundle at {job.bundle_path!r}")
        elif _is_nobodys(job, ids) and _has_a_task_of(job, created):
            yield Twin.of_nobody(created.key, job.job_id, str(job.settings.get("name")))
    for job in (each for name in created.former_names for each in by_name[name]):
        if job.is_of_a_bundle and job.bundle_path == created.bundle_path:
            yield _twin(created, job, "which this bundle has deployed under an earlier name, and has forgotten")
        elif _is_nobodys(job, ids) and _has_a_task_of(job, created):
            yield Twin.of_nobody(created.key, job.job_id, str(job.settings.get("name")))


def _is_nobodys(job: RemoteJob, recorded: Collection[str]) -> bool:
    return not job.is_of_a_bundle and SCOPE_TAG not in job.tags and str(job.job_id) not in recorded


def _has_a_task_of(job: RemoteJob, created: CreatedJob) -> bool:
    return not task_keys(job.settings).isdisjoint(task_keys(created.settings))


def _twin(created: CreatedJob, job: RemoteJob, evidence: str) -> Twin:
    return Twin(created.key, str(job.job_id), str(job.settings.get("name") or ""), evidence)


def _siblings(one: str, other: str) -> bool:
    """Says whether two bundles differ in nothing but their name, or in nothing but where their root is."""
    ours, theirs = one.split("/"), other.split("/")
    return (ours[:-4] == theirs[:-4] and ours[-3:] == theirs[-3:]) or ours[-4:] == theirs[-4:]
