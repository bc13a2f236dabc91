"""Carries one plan out through the Jobs API, job by job.

Reads each job again right before it is written, and writes nothing over what has changed since the plan. A job that
fails does not keep the others from it. It never makes a job twice, and deletes only what the plan lists.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from lakeflow_job_meta._internal.text import listing
from lakeflow_job_meta._internal.trees import Value
from lakeflow_job_meta.deploy.backend import StalePlan
from lakeflow_job_meta.deploy.jobs_api.client import JobsClient, RemoteJob
from lakeflow_job_meta.deploy.jobs_api.ownership_tags import OwnershipScope, jobs_by_key
from lakeflow_job_meta.deploy.jobs_api.plan import JobPlan, located_message, sent_settings
from lakeflow_job_meta.errors import OperationFailed
from lakeflow_job_meta.plan.model import Action, BundlePlan

_MOVED_ON = "the job was changed in the workspace while this deployment ran, and was left as it is; run again."


@dataclass(frozen=True, slots=True)
class PreparedJob:
    """A plan, and what is needed to carry it out.

    Attributes:
        works: Each after those whose ids it needs.
        doomed: The jobs to delete, by key.
        ids: Of all of our jobs that are in the workspace, by key.
        nonce: Of this plan alone, so that a request sent twice makes one job.
    """

    plan: BundlePlan
    works: tuple[JobPlan, ...]
    doomed: Mapping[str, RemoteJob]
    ids: Mapping[str, int]
    nonce: str = field(default_factory=lambda: uuid.uuid4().hex)


@dataclass(slots=True)
class PlanRun:
    """One deployment of one plan.

    Attributes:
        ids: Of the jobs that are there, by key; grows.
        has_written: Whether anything may have been changed in the workspace.
    """

    service: JobsClient
    scope: OwnershipScope
    prepared: PreparedJob
    ids: dict[str, int] = field(default_factory=dict)
    uploaded: set[str] = field(default_factory=set)
    has_written: bool = False

    def problems_of_all(self) -> list[str]:
        """Carries the plan out.

        Returns:
            What went wrong.
        """
        self.ids = dict(self.prepared.ids)
        plan = self.prepared.plan
        changing = {*plan.jobs(Action.CREATE, Action.UPDATE)}
        if new := plan.jobs(Action.CREATE):
            there = jobs_by_key(self.service.all_jobs(), self.scope)
            if appeared := [key for key in new if key in there]:
                raise StalePlan(f"Somebody else has made {listing(appeared)}. Nothing was changed in the workspace.")
        problems: list[str] = []
        for work in self.prepared.works:
            if work.problem is not None:
                problems.append(work.told(work.problem))
            elif work.job.key in changing:
                problems += self._attempted(lambda work=work: self._bring(work), str(work.job.module.origin))  # type: ignore[misc]
        for key, job in sorted(self.prepared.doomed.items()):
            problems += self._attempted(lambda job=job: self._delete(job), f"resources.jobs.{key}")  # type: ignore[misc]
        return problems

    def _attempted(self, act: Callable[[], None], place: str) -> list[str]:
        try:
            act()
        except OperationFailed as error:
            return [located_message(place, str(error))]
        return []

    def _bring(self, work: JobPlan) -> None:
        if missing := sorted(work.needs - set(self.ids)):
            raise OperationFailed(f"it runs {listing(missing)}, which could not be made; the next run makes both.")
        settings = sent_settings(work, self.scope, self.ids)
        if work.remote is not None:
            self._check_is_as_planned(self.service.job(work.remote.job_id), work.remote)
        self._upload(work)
        self.has_written = True
        if work.remote is None:
            self.ids[work.job.key] = self._create(work.job.key, settings)
        else:
            self.service.reset(work.remote.job_id, settings)

    def _create(self, key: str, settings: dict[str, Value]) -> int:
        token = hashlib.sha256("\n".join([self.scope.tag, key, self.prepared.nonce]).encode()).hexdigest()
        try:
            return self.service.create(settings, token)
        except OperationFailed:
            # The job may be there although the answer said otherwise, or never came.
            made = jobs_by_key(self.service.all_jobs(), self.scope).get(key)
            if made is None:
                raise
            return made.job_id

    def _upload(self, work: JobPlan) -> None:
        for path, content in work.files.items():
            if path not in self.uploaded:
                self.has_written = True
                self.service.upload(path, content)
                self.uploaded.add(path)

    def _delete(self, job: RemoteJob) -> None:
        now = self.service.job(job.job_id)
        if now is not None:
            self._check_is_as_planned(now, job)
            self.has_written = True
            self.service.delete(job.job_id)

    def _check_is_as_planned(self, now: RemoteJob | None, planned: RemoteJob) -> None:
        if now is not None and now.settings == planned.settings:
            return
        if not self.has_written:
            raise StalePlan(
                f"Somebody else has changed the job {planned.job_id}. Nothing was changed in the workspace."
            )
        raise OperationFailed(_MOVED_ON)
