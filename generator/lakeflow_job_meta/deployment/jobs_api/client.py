"""The Jobs API and the workspace's files, as plain maps: no setting is lost in a dataclass that lacks it.

Takes and returns settings as the API does, with the pages of a long answer put together. It never decides anything, and
repeats nothing that the SDK does not repeat itself.
"""

from __future__ import annotations

import io
import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import cast
from uuid import uuid4

from lakeflow_job_meta._internal.parallel import run_in_threads
from lakeflow_job_meta._internal.trees import Value
from lakeflow_job_meta.errors import OperationFailed
from lakeflow_job_meta.workspace.client import ResourceMissing, Workspace, workspace_errors

_API = "/api/2.2/jobs"
_JOBS_IN_A_PAGE = 100
"""Jobs API 2.2, `jobs/list`: at most 100 jobs in an answer."""

_AT_ONCE = 8
"""So many requests side by side; Databricks slows down who sends far more."""

_PAGED_LISTS = ("tasks", "job_clusters", "environments", "parameters")
"""Jobs API 2.2, `jobs/get`: these lists come in pages of 100."""


@dataclass(frozen=True, slots=True)
class RemoteJob:
    """A job as the workspace has it; in a list of jobs its settings lack the tasks.

    The `creator` runs it unless `run_as` says otherwise.
    """

    job_id: int
    creator: str
    settings: dict[str, Value]

    @property
    def tags(self) -> dict[str, Value]:
        return _map(self.settings.get("tags"))

    @property
    def is_of_a_bundle(self) -> bool:
        """Whether the databricks CLI has deployed it and keeps it in a state of its own."""
        return self._deployment.get("kind") == "BUNDLE"

    @property
    def bundle_path(self) -> str:
        """Where in the workspace that bundle keeps its state; empty for a job of no bundle."""
        return str(self._deployment.get("metadata_file_path") or "")

    @property
    def _deployment(self) -> dict[str, Value]:
        return _map(self.settings.get("deployment"))


@dataclass(eq=False)
class JobsClient:
    """The requests of a deployment to a workspace, which is connected to with the first call."""

    _workspace: Workspace

    @property
    def host(self) -> str:
        return self._workspace.host.rstrip("/")

    @cached_property
    def user_name(self) -> str:
        with workspace_errors(self._workspace):
            name = self._workspace.client().current_user.me().user_name
        if not name:
            raise OperationFailed(f"{self.host} does not say who is logged in. Check the login.")
        return name

    def all_jobs(self) -> Iterator[RemoteJob]:
        """Yields every job that the user may see, without its tasks."""
        query: dict[str, str | int] = {"limit": _JOBS_IN_A_PAGE}
        while True:
            answer = self._get("list", query)
            entries = answer.get("jobs")
            yield from map(remote_job, cast("list[dict[str, Value]]", entries or []))
            if not answer.get("next_page_token"):
                return
            query = {**query, "page_token": str(answer["next_page_token"])}

    def job(self, job_id: int) -> RemoteJob | None:
        """Returns one job with all of its settings; None if there is none."""
        try:
            first = self._get("get", {"job_id": job_id})
            job, answer = remote_job(first), first
            while answer.get("next_page_token"):
                answer = self._get("get", {"job_id": job_id, "page_token": str(answer["next_page_token"])})
                _append(job.settings, remote_job(answer).settings)
            return job
        except ResourceMissing:
            return None

    def jobs(self, job_ids: Sequence[int]) -> list[RemoteJob | None]:
        """Returns jobs as `job` does, in the order of their ids; several are requested at once."""
        found, _ = run_in_threads({job_id: partial(self.job, job_id) for job_id in job_ids}, _AT_ONCE)
        return [found[job_id] for job_id in job_ids]

    def create(self, settings: dict[str, Value], token: str) -> int:
        """Creates a job; the same token (at most 64 characters) never creates two."""
        return int(str(self._post("create", {**settings, "idempotency_token": token})["job_id"]))

    def reset(self, job_id: int, settings: dict[str, Value]) -> None:
        """Gives a job these settings and no others."""
        self._post("reset", {"job_id": job_id, "new_settings": settings})

    def delete(self, job_id: int) -> None:
        self._post("delete", {"job_id": job_id})

    def start(self, job_id: int) -> None:
        self._post("run-now", {"job_id": job_id, "idempotency_token": uuid4().hex})

    def upload(self, path: str, content: bytes) -> None:
        """Writes a file or notebook of the workspace, folders included, over what is there."""
        with workspace_errors(self._workspace):
            from databricks.sdk.service.workspace import ImportFormat

            files = self._workspace.client().workspace
            files.mkdirs(posixpath.dirname(path))
            files.upload(path, io.BytesIO(content), format=ImportFormat.AUTO, overwrite=True)

    def _get(self, what: str, query: dict[str, str | int]) -> dict[str, Value]:
        with workspace_errors(self._workspace):
            return _map(self._workspace.client().api_client.do("GET", f"{_API}/{what}", query=dict(query)))

    def _post(self, what: str, body: dict[str, Value]) -> dict[str, Value]:
        with workspace_errors(self._workspace):
            return _map(self._workspace.client().api_client.do("POST", f"{_API}/{what}", body=body))


def _map(value: object) -> dict[str, Value]:
    return cast("dict[str, Value]", value) if isinstance(value, dict) else {}


def remote_job(entry: dict[str, Value]) -> RemoteJob:
    """Reads a job as the Jobs API answers it."""
    creator = str(entry.get("creator_user_name") or "")
    return RemoteJob(int(str(entry["job_id"])), creator, dict(_map(entry.get("settings"))))


def _append(settings: dict[str, Value], more: dict[str, Value]) -> None:
    for name in _PAGED_LISTS:
        items, others = settings.get(name), more.get(name)
        if isinstance(others, list) and others:
            settings[name] = [*(items if isinstance(items, list) else []), *others]
