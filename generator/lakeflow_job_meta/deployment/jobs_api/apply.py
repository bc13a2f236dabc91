"""Carries one plan out through the Jobs API, job by job.

Reads each job again right before it is written, and writes nothing over what has changed since the plan. A write whose
answer is lost is sent again only after a look at the workspace has shown that it did not arrive. A job that fails does
not block the others. It deletes only what the plan lists, and what it has itself created twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from lakeflow_job_meta._internal.parallel import attempts
from lakeflow_job_meta._internal.text import listing
from lakeflow_job_meta._internal.trees import Value
from lakeflow_job_meta.deployment.backend import StalePlan
from lakeflow_job_meta.deployment.jobs_api.client import JobsClient, RemoteJob, without_permissions
from lakeflow_job_meta.deployment.jobs_api.diff import field_changes
from lakeflow_job_meta.deployment.jobs_api.lease import Lease
from lakeflow_job_meta.deployment.jobs_api.ownership_tags import KEY_TAG, SCOPE_TAG, SENT_TAG, OwnershipScope
from lakeflow_job_meta.deployment.jobs_api.plan import (
    JobPlan,
    located_message,
    sent_digest,
    sent_record,
    sent_settings,
)
from lakeflow_job_meta.errors import OperationFailed
from lakeflow_job_meta.planning.model import Action, BundlePlan
from lakeflow_job_meta.workspace.client import AnswerLost

_LOOKS = 4
_PAUSE_SECONDS = 2
"""After the first lost answer; longer after each more. The workspace may still be at work on what it did not answer."""


@dataclass(frozen=True, slots=True)
class PreparedPlan:
    """A plan, and what is needed to carry it out.

    Attributes:
        jobs: Each after those whose ids it needs.
        ids: Of all of our jobs that are in the workspace, by key.
        records: Folder in the workspace for what was sent last.
        unrecorded: Jobs that are as they were sent, and of which that is not kept yet.
        former: The keys under which jobs were sent last that have others now, by those.
    """

    plan: BundlePlan
    jobs: tuple[JobPlan, ...]
    deletions: Mapping[str, RemoteJob]
    ids: Mapping[str, int]
    records: str
    unrecorded: tuple[JobPlan, ...] = ()
    former: Mapping[str, str] = field(default_factory=dict)


class PlanExecution:
    """One execution of one plan, under a lease.

    Attributes:
        ids: Of all of our jobs that are in the workspace, by key.
        written: The keys of the jobs that were created, changed or deleted.
    """

    def __init__(
        self,
        client: JobsClient,
        scope: OwnershipScope,
        prepared: PreparedPlan,
        lease: Lease,
        report: Callable[[str], None],
    ) -> None:
        self._client, self._scope, self._prepared = client, scope, prepared
        self._lease, self._report = lease, report
        self.ids = dict(prepared.ids)
        self.written: set[str] = set()
        self._uploaded: set[str] = set()
        self._has_written = False

    def run(self) -> list[str]:
        """Carries the plan out and returns what failed. Raises StalePlan if it is stale; nothing was written then."""
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
            problems += self._attempted(partial(self._delete, key, job), f"resources.jobs.{key}")
        for job_plan in self._prepared.unrecorded:
            settings = sent_settings(job_plan, self._scope, self._prepared.ids)
            problems += self._attempted(partial(self._record, job_plan, settings), job_plan.location)
        if new := plan.jobs(Action.CREATE):
            problems += self._attempted(partial(self._remove_twins, new), f"resources.jobs.{new[0]}")
        return problems

    def _check_nothing_appeared(self, new: list[str]) -> None:
        there = {job.tags[KEY_TAG] for job in self._client.all_jobs() if self._is_ours(job)} if new else set()
        if appeared := [key for key in new if key in there]:
            raise StalePlan(f"Somebody else has created {listing(appeared)}. Nothing was changed in the workspace.")

    def _is_ours(self, job: RemoteJob) -> bool:
        return job.tags.get(SCOPE_TAG) == self._scope.tag and isinstance(job.tags.get(KEY_TAG), str)

    def _attempted(self, act: Callable[[], None], location: str) -> list[str]:
        try:
            act()
        except OperationFailed as error:
            return [located_message(location, str(error))]
        return []

    def _deploy(self, job_plan: JobPlan) -> None:
        if missing := sorted(job_plan.needs - set(self.ids)):
            raise OperationFailed(f"it runs {listing(missing)}, which could not be created; the next run creates both.")
        settings = sent_settings(job_plan, self._scope, self.ids)
        if job_plan.remote is not None:
            self._check_is_as_planned(self._client.job(job_plan.remote.job_id), job_plan.remote)
        self._upload(job_plan)
        self._record(job_plan, settings)
        self._has_written = True
        if job_plan.remote is None:
            self._create(job_plan.job.key, settings)
        else:
            # First, so that a job which says that it was sent has them; a new job gets them with its settings.
            if settings.get("permissions") != job_plan.remote.settings.get("permissions"):
                self._client.permit(job_plan.remote.job_id, settings.get("permissions"))
            self._reset(job_plan.remote, without_permissions(settings))
            if (former := self._prepared.former.get(job_plan.job.key)) is not None:
                self._client.delete_file(self._record_of(former))
        self.written.add(job_plan.job.key)

    def _send(self, write: Callable[[], None], has_arrived: Callable[[], bool]) -> None:
        """Sends a write, and again only where a look has shown that the one before did not arrive."""
        lost: AnswerLost | None = None
        for is_last in attempts(_LOOKS, pause_seconds=_PAUSE_SECONDS, sleep=self._client.sleep):
            if lost is not None and has_arrived():
                return
            if lost is not None and is_last:
                raise lost
            self._lease.renew()
            try:
                write()
            except AnswerLost as error:
                lost = error
            else:
                return

    def _create(self, key: str, settings: dict[str, Value]) -> None:
        def write() -> None:
            self.ids[key] = self._client.create(settings)

        def has_arrived() -> bool:
            ours = (job for job in self._client.all_jobs() if self._is_ours(job) and job.tags[KEY_TAG] == key)
            made = [(job.created, job.job_id) for job in ours if job.tags.get(SENT_TAG) == sent_digest(settings)]
            if made:
                self.ids[key] = min(made)[1]
            return bool(made)

        self._send(write, has_arrived)

    def _remove_twins(self, new: list[str]) -> None:
        """Removes second jobs of keys that had none before: requests of ours arrived that had seemed to be lost."""
        for job in [each for each in self._client.all_jobs() if self._is_ours(each)]:
            key = str(job.tags[KEY_TAG])
            if key not in new or job.creator != self._client.user_name:
                continue
            if self.ids.setdefault(key, job.job_id) != job.job_id:
                self._send(partial(self._client.delete, job.job_id), partial(self._is_gone, job))
                self._report(f"{key}: the workspace lost an answer and has created two jobs; {job.job_id} was removed.")

    def _reset(self, planned: RemoteJob, settings: dict[str, Value]) -> None:
        def has_arrived() -> bool:
            now = self._client.job(planned.job_id)
            if now is not None and not field_changes(now.settings, settings, creator=now.creator, base=settings):
                return True
            self._check_is_as_planned(now, planned)
            return False

        self._send(partial(self._client.reset, planned.job_id, settings), has_arrived)

    def _upload(self, job_plan: JobPlan) -> None:
        for path, content in job_plan.files.items():
            if path not in self._uploaded:
                self._write_file(path, content)
                self._uploaded.add(path)

    def _record(self, job_plan: JobPlan, settings: dict[str, Value]) -> None:
        """Keeps what is sent, before it is: a hand edit is known by it as long as the job says that it was sent."""
        self._write_file(self._record_of(job_plan.job.key), sent_record(job_plan, settings))

    def _record_of(self, key: str) -> str:
        return f"{self._prepared.records}/{key}.json"

    def _write_file(self, path: str, content: bytes) -> None:
        self._has_written = True
        self._send(partial(self._client.upload, path, content), lambda: False)

    def _delete(self, key: str, planned: RemoteJob) -> None:
        now = self._client.job(planned.job_id)
        if now is not None:
            self._check_is_as_planned(now, planned)
            self._has_written = True
            self._send(partial(self._client.delete, planned.job_id), partial(self._is_gone, planned))
        self.written.add(key)
        self._client.delete_file(self._record_of(key))

    def _is_gone(self, job: RemoteJob) -> bool:
        return self._client.job(job.job_id) is None

    def _check_is_as_planned(self, now: RemoteJob | None, planned: RemoteJob) -> None:
        if now is not None and now.settings == without_permissions(planned.settings):
            return
        if not self._has_written:
            raise StalePlan(
                f"Somebody else has changed the job {planned.job_id}. Nothing was changed in the workspace."
            )
        raise OperationFailed(
            "the job was changed in the workspace while this deployment ran, and was left as it is; run again."
        )
