"""Carries one plan out through the Jobs API, job by job.

Reads each job again right before it is written, and writes nothing over what has changed since the plan. A job that
fails does not block the others. It never creates a job twice, and deletes only what the plan lists.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from lakeflow_job_meta._internal.text import listing
from lakeflow_job_meta._internal.trees import Value
from lakeflow_job_meta.deployment.backend import StalePlan
from lakeflow_job_meta.deployment.jobs_api.client import JobsClient, RemoteJob
from lakeflow_job_meta.deployment.jobs_api.ownership_tags import OwnershipScope, jobs_by_key
from lakeflow_job_meta.deployment.jobs_api.plan import JobPlan, located_message, sent_settings
from lakeflow_job_meta.errors import OperationFailed
from lakeflow_job_meta.planning.model import Action, BundlePlan


@dataclass(frozen=True, slots=True)
class PreparedPlan:
    """A plan, and what is needed to carry it out.

    Attributes:
        jobs: Each after those whose ids it needs.
        ids: Of all of our jobs that are in the workspace, by key.
        nonce: Of this plan alone, so that a request sent twice creates one job.
    """

    plan: BundlePlan
    jobs: tuple[JobPlan, ...]
    deletions: Mapping[str, RemoteJob]
    ids: Mapping[str, int]
    nonce: str = field(default_factory=lambda: uuid.uuid4().hex)


class PlanExecution:
    """One execution of one plan."""

    def __init__(self, client: JobsClient, scope: OwnershipScope, prepared: PreparedPlan) -> None:
        self._client, self._scope, self._prepared = client, scope, prepared
        self._ids = dict(prepared.ids)
        self._uploaded: set[str] = set()
        self._has_written = False

    def run(self) -> list[str]:
        """Carries the plan out; returns what went wrong. Raises StalePlan if it is stale and nothing was written."""
        plan = self._prepared.plan
        self._check_nothing_appeared(plan.jobs(Action.CREATE))
        changing = {*plan.jobs(Action.CREATE, Action.UPDATE)}
        problems: list[str] = []
        for job_plan in self._prepared.jobs:
            if job_plan.problem is not None:
                problems.append(located_message(job_plan.location, job_plan.problem))
            elif job_plan.job.key in changing:
                problems += self._attempted(partial(self._deploy, job_plan), job_plan.location)
        for key, job in sorted(self._prepared.deletions.items()):
            problems += self._attempted(partial(self._delete, job), f"resources.jobs.{key}")
        return problems

    def _check_nothing_appeared(self, new: list[str]) -> None:
        there = jobs_by_key(self._client.all_jobs(), self._scope) if new else {}
        if appeared := [key for key in new if key in there]:
            raise StalePlan(f"Somebody else has created {listing(appeared)}. Nothing was changed in the workspace.")

    def _attempted(self, act: Callable[[], None], location: str) -> list[str]:
        try:
            act()
        except OperationFailed as error:
            return [located_message(location, str(error))]
        return []

    def _deploy(self, job_plan: JobPlan) -> None:
        if missing := sorted(job_plan.needs - set(self._ids)):
            raise OperationFailed(f"it runs {listing(missing)}, which could not be created; the next run creates both.")
        settings = sent_settings(job_plan, self._scope, self._ids)
        if job_plan.remote is not None:
            self._check_is_as_planned(self._client.job(job_plan.remote.job_id), job_plan.remote)
        self._upload(job_plan)
        self._has_written = True
        if job_plan.remote is None:
            self._ids[job_plan.job.key] = self._create(job_plan.job.key, settings)
        else:
            self._client.reset(job_plan.remote.job_id, settings)

    def _create(self, key: str, settings: dict[str, Value]) -> int:
        token = hashlib.sha256("\n".join([self._scope.tag, key, self._prepared.nonce]).encode()).hexdigest()
        try:
            return self._client.create(settings, token)
        except OperationFailed:
            # The job may be there although the answer said otherwise, or never came.
            created = jobs_by_key(self._client.all_jobs(), self._scope).get(key)
            if created is None:
                raise
            return created.job_id

    def _upload(self, job_plan: JobPlan) -> None:
        for path, content in job_plan.files.items():
            if path not in self._uploaded:
                self._has_written = True
                self._client.upload(path, content)
                self._uploaded.add(path)

    def _delete(self, job: RemoteJob) -> None:
        now = self._client.job(job.job_id)
        if now is not None:
            self._check_is_as_planned(now, job)
            self._has_written = True
            self._client.delete(job.job_id)

    def _check_is_as_planned(self, now: RemoteJob | None, planned: RemoteJob) -> None:
        if now is not None and now.settings == planned.settings:
            return
        if not self._has_written:
            raise StalePlan(
                f"Somebody else has changed the job {planned.job_id}. Nothing was changed in the workspace."
            )
        raise OperationFailed(
            "the job was changed in the workspace while this deployment ran, and was left as it is; run again."
        )
