"""The Jobs API 2.2 and the permissions of jobs, over jobs in memory.

Tests see the jobs (`all`, `by_name`), change them behind everyone's back (`edit`, `remove`) and count what was
written (`writes`). What `get` adds to the settings a job was given are the defaults that Databricks documents.
"""

from __future__ import annotations

import base64
import copy
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .api import ApiError, Request, Response, Route, Routes
from .identity import Identity
from .runs import Course, States

Settings = dict[str, Any]

_API = r"/api/2\.[12]/jobs"
_PERMISSIONS = "/api/2.0/permissions/jobs/(?P<id>[^/]+)"
_MOST_TASKS = 1000
"""So many tasks in a job (docs of `jobs/create`)."""
_TASKS_IN_A_PAGE = 100
"""So many elements of each list in one answer of `jobs/get` (docs of Jobs API 2.2)."""
_MOST_JOBS_IN_A_PAGE = 100
_MOST_RUNS_IN_A_PAGE = 24
"""`jobs/runs/list`: "greater than 0 and less than 25"."""
_PAGED_LISTS = ("tasks", "job_clusters", "environments", "parameters")
_KEYS_OF_LISTS = {"tasks": "task_key", "job_clusters": "job_cluster_key"}
_JOB_DEFAULTS: Settings = {
    "email_notifications": {},
    "format": "MULTI_TASK",
    "max_concurrent_runs": 1,
    "timeout_seconds": 0,
    "webhook_notifications": {},
}
_TASK_DEFAULTS: Settings = {"email_notifications": {}, "run_if": "ALL_SUCCESS", "timeout_seconds": 0}
_BLOCKS_WITH_SOURCE = ("notebook_task", "spark_python_task", "dbt_task")
_ADMINS = {
    "group_name": "admins",
    "all_permissions": [
        {"permission_level": "CAN_MANAGE", "inherited": True, "inherited_from_object": ["/jobs/"]},
    ],
}


@dataclass(slots=True)
class Job:
    """A job.

    Attributes:
        job_id: Its number.
        settings: What it was given, without the defaults that answers add.
        creator: The user who made it.
        created_time: When, in milliseconds since 1970.
        access: Who may do what, as entries of `access_control_list` with one `permission_level` each.
    """

    job_id: int
    settings: Settings
    creator: str
    created_time: int
    access: list[dict[str, str]]

    @property
    def name(self) -> str:
        """The name; jobs without one are called Untitled."""
        return str(self.settings.get("name", "Untitled"))

    def described(self) -> Settings:
        """The settings with all defaults, as answers have them."""
        settings = {**_JOB_DEFAULTS, **copy.deepcopy(self.settings)}
        source = "GIT" if "git_source" in settings else "WORKSPACE"
        if "tasks" in settings:
            settings["tasks"] = [_described_task(task, source) for task in settings["tasks"]]
        return settings


@dataclass(frozen=True, slots=True)
class Run:
    """A run of a job."""

    run_id: int
    job_id: int
    request: Mapping[str, Any]


@dataclass(slots=True)
class Jobs:
    """All jobs of the workspace.

    Attributes:
        identity: Whose requests come.
        writes: How often each of `create`, `reset`, `update`, `delete`, `run-now` and `permissions` was done.
        refusals: By a job's name, the message with which `create`, `reset` and `update` refuse it (400).
        runs: The runs that were started, in their order.
        courses: By run, the states that it goes through; without one it stays pending.
        courses_of_jobs: By a job's name, the states of the runs that are started next (`will_go`).
        base_url: The address of the server; known once it has a port.
    """

    identity: Identity
    writes: Counter[str] = field(default_factory=Counter)
    refusals: dict[str, str] = field(default_factory=dict)
    runs: list[Run] = field(default_factory=list)
    courses: dict[int, Course] = field(default_factory=dict)
    courses_of_jobs: dict[str, Course] = field(default_factory=dict)
    base_url: str = ""
    _jobs: dict[int, Job] = field(default_factory=dict)
    _last_id: int = 100_000_000_000_000
    _lock: threading.RLock = field(default_factory=threading.RLock)

    # for tests

    def all(self) -> list[Job]:
        """Copies of all jobs, oldest first."""
        with self._lock:
            return copy.deepcopy(list(self._jobs.values()))

    def names(self) -> list[str]:
        """The names of all jobs, sorted; two jobs of one name are there twice."""
        return sorted(job.name for job in self.all())

    def by_name(self, name: str) -> Job:
        """A copy of the one job of this name.

        Raises:
            LookupError: No job has the name, or several have it.
        """
        found = [job for job in self.all() if job.name == name]
        if len(found) != 1:
            raise LookupError(f"{len(found)} jobs are named {name!r}; there are {self.names()}.")
        return found[0]

    def edit(self, job_id: int, **settings: Any) -> None:
        """Sets settings of a job as a person in the browser does; None takes a setting away. No write is counted."""
        with self._lock:
            merged = {**self._jobs[job_id].settings, **copy.deepcopy(settings)}
            self._jobs[job_id].settings = {name: value for name, value in merged.items() if value is not None}

    def edit_task(self, job_id: int, task_key: str, **settings: Any) -> None:
        """Sets settings of one task, as `edit` does."""
        with self._lock:
            tasks = copy.deepcopy(self._jobs[job_id].settings["tasks"])
            (task,) = [task for task in tasks if task["task_key"] == task_key]
            task.update(settings)
            self.edit(job_id, tasks=tasks)

    def remove(self, job_id: int) -> None:
        """Deletes a job as a person in the browser does. No write is counted."""
        with self._lock:
            del self._jobs[job_id]

    def kept(self) -> Any:
        """All jobs as they are, for `restore`."""
        with self._lock:
            return copy.deepcopy((self._jobs, self._last_id))

    def restore(self, kept: Any) -> None:
        """Makes the jobs what they were; nothing is refused, has been written or was run."""
        with self._lock:
            self._jobs, self._last_id = copy.deepcopy(kept)
            for each in (self.writes, self.refusals, self.runs, self.courses, self.courses_of_jobs):
                each.clear()

    def will_go(self, name: str, *states: States, **more: Any) -> Course:
        """Says through which states the runs of a job go that are started from now on."""
        self.courses_of_jobs[name] = course = Course(list(states), **more)
        return course

    def forget_run(self, run_id: int) -> None:
        """Deletes a run, as a person in the browser does."""
        with self._lock:
            self.runs[:] = [run for run in self.runs if run.run_id != run_id]

    @property
    def changes(self) -> Counter[str]:
        """The writes that changed which jobs there are or what they are; no runs, no permissions."""
        return Counter(
            {kind: self.writes[kind] for kind in ("create", "reset", "update", "delete") if self.writes[kind]}
        )

    # for the server

    def routes(self) -> Routes:
        """Jobs, runs, and who may do what with a job."""
        return (
            Route.of("POST", f"{_API}/create", self._locked(self._create)),
            Route.of("POST", f"{_API}/reset", self._locked(self._reset)),
            Route.of("POST", f"{_API}/update", self._locked(self._update)),
            Route.of("POST", f"{_API}/delete", self._locked(self._delete)),
            Route.of("GET", f"{_API}/get", self._locked(self._get)),
            Route.of("GET", f"{_API}/list", self._locked(self._list)),
            Route.of("POST", f"{_API}/run-now", self._locked(self._run_now)),
            Route.of("GET", f"{_API}/runs/get", self._locked(self._get_run)),
            Route.of("GET", f"{_API}/runs/list", self._locked(self._list_runs)),
            Route.of("GET", f"{_API}/runs/get-output", self._locked(self._run_output)),
            Route.of("POST", f"{_API}/runs/repair", self._locked(self._repair_run)),
            Route.of("GET", _PERMISSIONS, self._locked(self._permissions)),
            Route.of("PUT", _PERMISSIONS, self._locked(self._set_permissions)),
            Route.of("PATCH", _PERMISSIONS, self._locked(self._add_permissions)),
        )

    def _locked(self, handle: Callable[[Request], Response]) -> Callable[[Request], Response]:
        def handler(request: Request) -> Response:
            with self._lock:
                return handle(request)

        return handler

    def _create(self, request: Request) -> Response:
        settings = request.json()
        # Only `run-now` and `runs/submit` know an idempotency token: the same request again makes another job.
        settings.pop("idempotency_token", None)
        access = _access_of(settings.pop("access_control_list", None) or [])
        self._accept(settings)
        user = self.identity.user_name
        job = Job(self._next_id(), settings, user, int(time.time() * 1000), _owned(access, user))
        self._jobs[job.job_id] = job
        self.writes["create"] += 1
        return Response.of_json({"job_id": job.job_id})

    def _reset(self, request: Request) -> Response:
        body = request.json()
        job = self._find(body.get("job_id"))
        settings = dict(body.get("new_settings") or {})
        self._accept(settings)
        job.settings = settings
        self.writes["reset"] += 1
        return Response.of_json({})

    def _update(self, request: Request) -> Response:
        body = request.json()
        job = self._find(body.get("job_id"))
        settings = _merged(job.settings, body.get("new_settings") or {})
        for path in body.get("fields_to_remove") or []:
            _remove(settings, path)
        self._accept(settings)
        job.settings = settings
        self.writes["update"] += 1
        return Response.of_json({})

    def _delete(self, request: Request) -> Response:
        del self._jobs[self._find(request.json().get("job_id")).job_id]
        self.writes["delete"] += 1
        return Response.of_json({})

    def _get(self, request: Request) -> Response:
        job = self._find(request.query.get("job_id"))
        start = _position(request.query.get("page_token"))
        settings = job.described()
        lists = {name: settings[name] for name in _PAGED_LISTS if name in settings}
        for name, items in lists.items():
            settings[name] = items[start : start + _TASKS_IN_A_PAGE]
        body = {**_header(job), "run_as_user_name": job.creator, "settings": settings}
        if any(len(items) > start + _TASKS_IN_A_PAGE for items in lists.values()):
            body |= {"has_more": True, "next_page_token": _token(start + _TASKS_IN_A_PAGE)}
        return Response.of_json(body)

    def _list(self, request: Request) -> Response:
        size = int(request.query.get("limit") or 20)
        if not 1 <= size <= _MOST_JOBS_IN_A_PAGE:
            text = f"Invalid limit: {size}. The limit must be between 1 and {_MOST_JOBS_IN_A_PAGE}."
            raise ApiError(400, "INVALID_PARAMETER_VALUE", text)
        start = _position(request.query.get("page_token")) + int(request.query.get("offset") or 0)
        name = request.query.get("name", "").casefold()
        found = [job for job in reversed(self._jobs.values()) if not name or job.name.casefold() == name]
        with_tasks = request.query.get("expand_tasks") == "true"
        body: dict[str, Any] = {"has_more": len(found) > start + size}
        if page := found[start : start + size]:
            body["jobs"] = [_in_a_list(job, with_tasks) for job in page]
        if body["has_more"]:
            body["next_page_token"] = _token(start + size)
        if start:
            body["prev_page_token"] = _token(max(0, start - size))
        return Response.of_json(body)

    def _run_now(self, request: Request) -> Response:
        body = request.json()
        job = self._find(body.get("job_id"))
        token = body.get("idempotency_token")
        for run in self.runs:
            if token and run.request.get("idempotency_token") == token:
                return Response.of_json({"run_id": run.run_id, "number_in_job": run.run_id})
        declared = {each["name"] for each in job.settings.get("parameters") or []}
        if unknown := {*(body.get("job_parameters") or {})} - declared:
            raise ApiError(400, "INVALID_PARAMETER_VALUE", f"Job parameters are not defined: {sorted(unknown)}.")
        run = Run(self._next_id(), job.job_id, body)
        self.runs.append(run)
        if course := self.courses_of_jobs.get(job.name):
            self.courses[run.run_id] = course
        self._last_id += 10_000  # the runs of its tasks
        self.writes["run-now"] += 1
        return Response.of_json({"run_id": run.run_id, "number_in_job": run.run_id})

    def _get_run(self, request: Request) -> Response:
        run = self._find_run(request.query.get("run_id"))
        body = self._described_run(run)
        if course := self.courses.get(run.run_id):
            start = _position(request.query.get("page_token"))
            body |= course.look(run.run_id, start, _token(start + _TASKS_IN_A_PAGE))
        return Response.of_json(body)

    def _find_run(self, run_id: object) -> Run:
        for run in self.runs:
            if str(run.run_id) == str(run_id):
                return run
        raise ApiError(400, "INVALID_PARAMETER_VALUE", f"Run {run_id} does not exist.")

    def _list_runs(self, request: Request) -> Response:
        wanted = request.query.get("job_id")
        job_id = None if wanted is None else self._find(wanted).job_id
        size, start = (
            int(request.query.get("limit") or _MOST_RUNS_IN_A_PAGE),
            _position(request.query.get("page_token")),
        )
        if size > _MOST_RUNS_IN_A_PAGE:
            raise ApiError(400, "INVALID_PARAMETER_VALUE", f"The limit must be less than {_MOST_RUNS_IN_A_PAGE + 1}.")
        found = [run for run in reversed(self.runs) if job_id in (None, run.job_id)]
        body: dict[str, Any] = {"has_more": len(found) > start + size}
        if page := found[start : start + size]:
            body["runs"] = [self._seen_in_a_list(run) for run in page]
        if body["has_more"]:
            body["next_page_token"] = _token(start + size)
        return Response.of_json(body)

    def _seen_in_a_list(self, run: Run) -> dict[str, Any]:
        """The run as a list has it: without tasks and history, unless they are asked for."""
        course = self.courses.get(run.run_id)
        seen = course.now() if course else {}
        return {**self._described_run(run), **seen}

    def _run_output(self, request: Request) -> Response:
        task_run = int(request.query.get("run_id", "0"))
        for run_id, course in self.courses.items():
            if run_id < task_run <= run_id + 10_000 and (key := course.task_of(run_id, task_run)) in course.errors:
                return Response.of_json({"error": course.errors[str(key)], "metadata": {"run_id": task_run}})
        raise ApiError(400, "INVALID_PARAMETER_VALUE", "Retrieving the output of this kind of task is not supported.")

    def _repair_run(self, request: Request) -> Response:
        body = request.json()
        course = self.courses[self._find_run(body.get("run_id")).run_id]
        if course.repairs and body.get("latest_repair_id") != len(course.repairs):
            raise ApiError(400, "INVALID_PARAMETER_VALUE", "The latest repair id must be given.")
        self.writes["repair"] += 1
        return Response.of_json({"repair_id": course.repaired(body)})

    def _described_run(self, run: Run) -> dict[str, Any]:
        job = self._jobs.get(run.job_id)
        workspace = self.identity.workspace_id
        return {
            "job_id": run.job_id,
            "run_id": run.run_id,
            "run_name": job.name if job else "Untitled",
            "run_page_url": f"{self.base_url}/?o={workspace}#job/{run.job_id}/run/{run.run_id}",
            "creator_user_name": self.identity.user_name,
            "state": {"life_cycle_state": "PENDING", "state_message": ""},
        }

    def _permissions(self, request: Request) -> Response:
        return Response.of_json(_described_access(self._find(request.groups["id"])))

    def _set_permissions(self, request: Request) -> Response:
        job = self._find(request.groups["id"])
        access = _access_of(request.json().get("access_control_list") or [])
        if sum(entry["permission_level"] == "IS_OWNER" for entry in access) != 1:
            raise ApiError(400, "INVALID_PARAMETER_VALUE", "The job must have exactly one owner.")
        job.access = access
        self.writes["permissions"] += 1
        return Response.of_json(_described_access(job))

    def _add_permissions(self, request: Request) -> Response:
        job = self._find(request.groups["id"])
        added = _access_of(request.json().get("access_control_list") or [])
        job.access = [entry for entry in job.access if _who(entry) not in map(_who, added)] + added
        self.writes["permissions"] += 1
        return Response.of_json(_described_access(job))

    def _accept(self, settings: Settings) -> None:
        if refusal := self.refusals.get(str(settings.get("name"))):
            raise ApiError(400, "INVALID_PARAMETER_VALUE", refusal)
        tasks = settings.get("tasks") or []
        keys = [task.get("task_key") for task in tasks]
        if len(tasks) > _MOST_TASKS:
            raise ApiError(400, "INVALID_PARAMETER_VALUE", f"The number of tasks exceeds the limit of {_MOST_TASKS}.")
        for key in keys:
            if not key or keys.count(key) > 1:
                raise ApiError(400, "INVALID_PARAMETER_VALUE", f"Task keys must be given and be unique: {key!r}.")
        for needed in (wait.get("task_key") for task in tasks for wait in task.get("depends_on") or []):
            if needed not in keys:
                raise ApiError(400, "INVALID_PARAMETER_VALUE", f"Invalid dependency: task {needed!r} does not exist.")

    def _find(self, job_id: object) -> Job:
        try:
            return self._jobs[int(str(job_id))]
        except (KeyError, ValueError) as error:
            raise ApiError(400, "INVALID_PARAMETER_VALUE", f"Job {job_id} does not exist.") from error

    def _next_id(self) -> int:
        self._last_id += 1
        return self._last_id


def _described_task(task: Settings, source: str) -> Settings:
    described = {**_TASK_DEFAULTS, **task}
    for block in _BLOCKS_WITH_SOURCE:
        if block in described:
            described[block] = {"source": source, **described[block]}
    return described


def _header(job: Job) -> dict[str, Any]:
    return {"job_id": job.job_id, "creator_user_name": job.creator, "created_time": job.created_time}


def _in_a_list(job: Job, with_tasks: bool) -> dict[str, Any]:
    hidden = () if with_tasks else ("tasks", "job_clusters")
    return {**_header(job), "settings": {k: v for k, v in job.described().items() if k not in hidden}}


def _merged(settings: Settings, new: Settings) -> Settings:
    """What `update` makes: settings replaced as wholes, tasks and clusters one by one by their keys."""
    merged = copy.deepcopy({**settings, **new})
    for name, key in _KEYS_OF_LISTS.items():
        if name in settings and name in new:
            items = {item[key]: item for item in settings[name]} | {item[key]: item for item in new[name]}
            merged[name] = copy.deepcopy(list(items.values()))
    return merged


def _remove(settings: Settings, path: str) -> None:
    first, _, rest = path.partition("/")
    if not rest:
        settings.pop(first, None)
    elif first in _KEYS_OF_LISTS:
        settings[first] = [item for item in settings.get(first, []) if item[_KEYS_OF_LISTS[first]] != rest]
    else:
        _remove(settings.get(first, {}), rest)


def _access_of(entries: list[dict[str, str]]) -> list[dict[str, str]]:
    known = ("user_name", "group_name", "service_principal_name", "permission_level")
    return [{name: entry[name] for name in known if name in entry} for entry in entries]


def _owned(access: list[dict[str, str]], user: str) -> list[dict[str, str]]:
    if any(entry["permission_level"] == "IS_OWNER" for entry in access):
        return access
    return [*access, {"user_name": user, "permission_level": "IS_OWNER"}]


def _who(entry: Mapping[str, str]) -> tuple[str, str]:
    return next((name, entry[name]) for name in ("user_name", "group_name", "service_principal_name") if name in entry)


def _described_access(job: Job) -> dict[str, Any]:
    entries = []
    for entry in job.access:
        kind, name = _who(entry)
        levels = [{"permission_level": entry["permission_level"], "inherited": False}]
        entries.append({kind: name, "display_name": name, "all_permissions": levels})
    return {
        "object_id": f"/jobs/{job.job_id}",
        "object_type": "job",
        "access_control_list": [*entries, copy.deepcopy(_ADMINS)],
    }


def _token(position: int) -> str:
    return base64.urlsafe_b64encode(str(position).encode()).decode()


def _position(token: str | None) -> int:
    try:
        return int(base64.urlsafe_b64decode(token)) if token else 0
    except ValueError as error:
        raise ApiError(400, "INVALID_PARAMETER_VALUE", "The page token is not valid.") from error
