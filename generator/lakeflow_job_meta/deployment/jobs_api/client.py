"""The Jobs API and the workspace's files, as plain maps: no setting is lost in a dataclass that lacks it.

Takes and returns settings as the API does, with the pages of a long answer put together. Reads are repeated by the SDK;
what writes is sent once (`AnswerLost` says that it may have arrived), since the SDK would repeat it without a look.
"""

from __future__ import annotations

import base64
import io
import json
import posixpath
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import cast
from uuid import uuid4

from lakeflow_job_meta._internal.parallel import run_in_threads
from lakeflow_job_meta._internal.trees import Value
from lakeflow_job_meta.deployment.jobs_api.login import Login
from lakeflow_job_meta.errors import OperationFailed
from lakeflow_job_meta.workspace.client import ResourceMissing, Workspace, not_understood, workspace_errors

_API = "/api/2.2/jobs"
_FILES = "/api/2.0/workspace"
_PERMISSIONS = "/api/2.0/permissions/jobs"
_PRINCIPALS = ("user_name", "group_name", "service_principal_name")
_OWNER = "IS_OWNER"
_JOBS_IN_A_PAGE = 100
"""Jobs API 2.2, `jobs/list`: at most 100 jobs in an answer."""

_AT_ONCE = 8
"""So many requests side by side; Databricks slows down who sends far more."""

_MOST_PAGES = 1000
"""A workspace keeps at most 12,000 jobs (resource limits of Databricks): an answer of more pages never ends."""

_PAGED_LISTS = ("tasks", "job_clusters", "environments", "parameters")
"""Jobs API 2.2, `jobs/get`: these lists come in pages of 100."""


@dataclass(frozen=True, slots=True)
class RemoteJob:
    """A job as the workspace has it; in a list of jobs its settings lack the tasks.

    The `creator` runs it unless `run_as` says otherwise; `created` is in milliseconds since 1970.
    """

    job_id: int
    creator: str
    settings: dict[str, Value]
    created: int = 0

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


def task_keys(settings: dict[str, Value]) -> set[str]:
    """Returns the keys of the tasks of a job."""
    tasks = settings.get("tasks")
    return {str(task.get("task_key")) for task in tasks if isinstance(task, dict)} if isinstance(tasks, list) else set()


class _SentOnce(io.BytesIO):
    """The body of a request that the SDK cannot rewind, and therefore never sends a second time.

    The SDK before 0.40 does not ask, and would send what is left of it: a request to create a job without settings.
    """

    def __len__(self) -> int:
        return self.getbuffer().nbytes

    def seekable(self) -> bool:
        return False

    def tell(self) -> int:
        if (position := super().tell()) == len(self):
            raise RuntimeError("the request was sent already")
        return position


@dataclass(eq=False)
class JobsClient:
    """The requests of a deployment to a workspace, which is connected to with the first call."""

    _workspace: Workspace
    _folders: set[str] = field(default_factory=set)

    @property
    def host(self) -> str:
        return self._workspace.host.rstrip("/")

    @cached_property
    def login(self) -> Login:
        """Who is logged in. Raises OperationFailed if the workspace does not say it."""
        with workspace_errors(self._workspace):
            client = self._workspace.client()
            user = client.current_user.me()
        if not isinstance(user.user_name, str) or not user.user_name:
            raise OperationFailed(f"{self.host} does not say who is logged in. Check the login.")
        cloud = "azure" if client.config.is_azure else "gcp" if client.config.is_gcp else "aws"
        return Login(user.user_name, str(user.display_name or ""), cloud)

    @property
    def user_name(self) -> str:
        return self.login.name

    def sleep(self, seconds: float) -> None:
        """Waits on the clock of the SDK."""
        self._workspace.client().config.clock.sleep(seconds)

    def all_jobs(self) -> Iterator[RemoteJob]:
        """Yields every job that the user may see, without its tasks."""
        for answer in self._pages("list", {"limit": _JOBS_IN_A_PAGE}):
            entries = answer.get("jobs") or []
            if not isinstance(entries, list):
                raise not_understood(self.host, "jobs/list: 'jobs' is no list")
            yield from map(self._remote, entries)

    def job(self, job_id: int) -> RemoteJob | None:
        """Returns one job with all of its settings; None if there is none."""
        try:
            first, *others = map(self._remote, self._pages("get", {"job_id": job_id}))
        except ResourceMissing:
            return None
        for other in others:
            _append(first.settings, other.settings)
        return first

    def jobs(self, job_ids: Sequence[int]) -> list[RemoteJob | None]:
        """Returns jobs as `job` does, in the order of their ids; several are requested at once."""
        found, _ = run_in_threads({job_id: partial(self.job, job_id) for job_id in job_ids}, _AT_ONCE)
        return [found[job_id] for job_id in job_ids]

    def create(self, settings: dict[str, Value]) -> int:
        """Creates a job; each request that arrives creates one, since `jobs/create` knows no idempotency token."""
        body = without_permissions(settings)
        if permissions := _access(settings.get("permissions")):
            body["access_control_list"] = permissions
        return _job_id(self.host, self._post(f"{_API}/create", body))

    def reset(self, job_id: int, settings: dict[str, Value]) -> None:
        """Gives a job these settings and no others; permissions have a request of their own."""
        self._post(f"{_API}/reset", {"job_id": job_id, "new_settings": without_permissions(settings)})

    def update(self, job_id: int, settings: dict[str, Value]) -> None:
        """Replaces some settings of a job as a whole, and leaves the others (Jobs API 2.2, `jobs/update`)."""
        self._post(f"{_API}/update", {"job_id": job_id, "new_settings": settings})

    def permissions(self, job_id: int, wanted: Value) -> list[Value]:
        """Returns what was given on a job itself, as a bundle writes it; the owner only where one is wanted."""
        given = self._as_written(job_id)
        return given if _names_owner(_access(wanted)) else [each for each in given if _map(each).get("level") != _OWNER]

    def shared_permissions(self, job_ids: Sequence[int]) -> tuple[dict[int, list[Value]], dict[int, OperationFailed]]:
        """Returns what was given on jobs themselves to others than their owners, together with the owner's entry.

        A bundle that gives permissions and names no owner makes whoever deploys it the owner (the databricks CLI,
        bundle/config/mutator/resourcemutator/fix_permissions.go).

        Returns:
            The entries of jobs that have any, as a bundle writes them; and why those of some cannot be read.
        """
        calls = {job_id: partial(self._as_written, job_id) for job_id in job_ids}
        found, failed = run_in_threads(calls, _AT_ONCE, expected=(OperationFailed,))
        return {
            job_id: each for job_id, each in found.items() if any(_map(entry).get("level") != _OWNER for entry in each)
        }, failed

    def _as_written(self, job_id: int) -> list[Value]:
        return sorted_permissions(
            {"level": each["permission_level"], **_principal(each)} for each in self._given(job_id)
        )

    def permit(self, job_id: int, permissions: Value) -> None:
        """Gives these permissions on a job and no others; the owner stays unless they name one.

        Permissions API, `permissions/jobs`: what is set replaces all that was given on the job, and it has to keep
        exactly one owner.
        """
        access = _access(permissions)
        if not _names_owner(access):
            access += [each for each in self._given(job_id) if each["permission_level"] == _OWNER]
        self._do("PUT", f"{_PERMISSIONS}/{job_id}", body={"access_control_list": access})

    def _given(self, job_id: int) -> list[dict[str, Value]]:
        """Returns the entries that no folder or setting above the job brings with it, one level each."""
        entries = self._do("GET", f"{_PERMISSIONS}/{job_id}").get("access_control_list") or []
        return [
            {**_principal(entry), "permission_level": level.get("permission_level")}
            for entry in map(_map, entries if isinstance(entries, list) else [])
            for level in map(_map, cast("list[Value]", entry.get("all_permissions") or []))
            if not level.get("inherited")
        ]

    def delete(self, job_id: int) -> None:
        self._post(f"{_API}/delete", {"job_id": job_id})

    def start(self, job_id: int) -> None:
        self._do("POST", f"{_API}/run-now", body={"job_id": job_id, "idempotency_token": uuid4().hex})

    def upload(self, path: str, content: bytes) -> None:
        """Writes a file or notebook of the workspace, folders included, over what is there."""
        self._make_folder(posixpath.dirname(path))
        with workspace_errors(self._workspace):
            from databricks.sdk.service.workspace import ImportFormat

            files = self._workspace.client().workspace
            files.upload(path, io.BytesIO(content), format=ImportFormat.AUTO, overwrite=True)

    def create_file(self, path: str, content: bytes) -> None:
        """Creates a small file, folders included; raises OperationFailed if it is there already, and leaves it."""
        self._make_folder(posixpath.dirname(path))
        text = base64.b64encode(content).decode("ascii")
        self._post(f"{_FILES}/import", {"path": path, "format": "AUTO", "overwrite": False, "content": text})

    def read_record(self, path: str) -> dict[str, Value]:
        """Returns what a small JSON file says; nothing if it is missing or damaged."""
        try:
            answer = self._do("GET", f"{_FILES}/export", query={"path": path, "format": "AUTO"})
            return _map(json.loads(base64.b64decode(str(answer.get("content") or ""))))
        except (ResourceMissing, ValueError, RecursionError):
            return {}

    def records(self, paths: Sequence[str]) -> list[dict[str, Value]]:
        """Returns what small JSON files say, as `read_record` does; several are requested at once."""
        found, _ = run_in_threads({path: partial(self.read_record, path) for path in paths}, _AT_ONCE)
        return [found[path] for path in paths]

    def files_in(self, folder: str) -> list[str]:
        """Returns the names of what is in a folder; nothing if there is no such folder."""
        try:
            entries = self._do("GET", f"{_FILES}/list", query={"path": folder}).get("objects") or []
        except ResourceMissing:
            return []
        if not isinstance(entries, list):
            raise not_understood(self.host, "workspace/list: 'objects' is no list")
        return [posixpath.basename(str(_map(entry).get("path"))) for entry in entries]

    def delete_file(self, path: str) -> None:
        """Deletes a file of the workspace; one that is not there is as good as deleted."""
        try:
            self._post(f"{_FILES}/delete", {"path": path})
        except ResourceMissing:
            return

    def _make_folder(self, folder: str) -> None:
        if folder not in self._folders:
            self._do("POST", f"{_FILES}/mkdirs", body={"path": folder})
            self._folders.add(folder)

    def _pages(self, what: str, query: dict[str, str | int]) -> Iterator[dict[str, Value]]:
        """Yields the pages of an answer; raises OperationFailed if they come again, or never end."""
        tokens = {""}
        while len(tokens) <= _MOST_PAGES:
            yield (answer := self._do("GET", f"{_API}/{what}", query=query))
            if not (token := str(answer.get("next_page_token") or "")):
                return
            if token in tokens:
                break
            tokens.add(token)
            query = {**query, "page_token": token}
        raise not_understood(self.host, f"jobs/{what}: the pages do not end")

    def _post(self, path: str, body: dict[str, Value]) -> dict[str, Value]:
        data = _SentOnce(json.dumps(body, allow_nan=False).encode("ascii"))
        return self._do("POST", path, data=data, headers={"Content-Type": "application/json"})

    def _do(self, method: str, path: str, **request: object) -> dict[str, Value]:
        with workspace_errors(self._workspace):
            answer = self._workspace.client().api_client.do(method, path, **request)  # type: ignore[arg-type]
        if not isinstance(answer, dict):
            raise not_understood(self.host, f"{path}: no map")
        return answer

    def _remote(self, entry: object) -> RemoteJob:
        return remote_job(self.host, entry)


def remote_job(host: str, entry: object) -> RemoteJob:
    """Reads a job as the Jobs API of a host answers it; raises OperationFailed for another form."""
    job = _map(entry)
    settings = {} if job.get("settings") is None else job["settings"]
    if not isinstance(settings, dict) or not isinstance(settings.get("tags", {}), dict):
        raise not_understood(host, "a job whose settings or tags are no map")
    created = job.get("created_time")
    creator = str(job.get("creator_user_name") or "")
    return RemoteJob(_job_id(host, job), creator, dict(settings), created if isinstance(created, int) else 0)


def without_permissions(settings: dict[str, Value]) -> dict[str, Value]:
    """Returns settings of a job as the Jobs API knows them."""
    return {name: value for name, value in settings.items() if name != "permissions"}


def sorted_permissions(permissions: Iterable[Value]) -> list[Value]:
    """Returns permissions in an order of their own: which comes first means nothing."""
    return sorted(permissions, key=lambda each: json.dumps(each, sort_keys=True))


def _access(permissions: Value) -> list[Value]:
    """Returns the permissions of a bundle as the API takes them."""
    entries = [_map(each) for each in permissions] if isinstance(permissions, list) else []
    return [{**_principal(each), "permission_level": each.get("level")} for each in entries]


def _principal(entry: dict[str, Value]) -> dict[str, Value]:
    return {name: entry[name] for name in _PRINCIPALS if entry.get(name) is not None}


def _names_owner(access: list[Value]) -> bool:
    return any(_map(each).get("permission_level") == _OWNER for each in access)


def _job_id(host: str, answer: dict[str, Value]) -> int:
    text = str(answer.get("job_id"))
    if not (text.isascii() and text.isdigit()):
        raise not_understood(host, "a job without an id")
    return int(text)


def _map(value: object) -> dict[str, Value]:
    return cast("dict[str, Value]", value) if isinstance(value, dict) else {}


def _append(settings: dict[str, Value], more: dict[str, Value]) -> None:
    for name in _PAGED_LISTS:
        items, others = settings.get(name), more.get(name)
        if isinstance(others, list) and others:
            settings[name] = [*(items if isinstance(items, list) else []), *others]
