"""A deployment: refuses a plan that is stale, takes the lock, uploads, carries the plan out, writes the state.

A resource that fails does not stop the others, except those that depend on it. Nothing is asked: a job that the
plan deletes is deleted.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from stand_in import faults
from stand_in.configuration import Bundle
from stand_in.diagnostics import Diagnostic, Failed, failed, say
from stand_in.http_api import FORBIDDEN, Api, ApiFailure
from stand_in.lock import Lock
from stand_in.plan import PLAN_VERSION, Node, Plan, in_order, make_plan, read_job
from stand_in.references import REFERENCE
from stand_in.state import Entry, State, StateStore, local_folder
from stand_in.upload import upload_files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_DONE = {"create": "Created", "update": "Updated", "delete": "Deleted"}


def read_plan(path: str, state: State, cli_version: str) -> Plan:
    """A plan from a file. One without lineage (made before the first deployment) is never stale.

    Raises:
        OperationFailed: It is no plan, or the state has moved on since.
    """
    try:
        plan: Plan = json.loads(Path(path).read_bytes())
    except OSError as error:
        raise failed(f"reading plan file: open {path}: {str(error.strerror).lower()}") from error
    except ValueError as error:
        raise failed(f"parsing plan JSON: {error}") from error
    if plan.get("plan_version") != PLAN_VERSION:
        raise failed(
            f"plan version mismatch: plan has version {plan.get('plan_version', 0)} (generated with CLI "
            f'"{plan.get("cli_version", "")}"), but current version is {PLAN_VERSION}'
        )
    if plan["cli_version"] != cli_version:
        say(f"Warn: Plan was created with CLI version {plan['cli_version']} but current version is {cli_version}")
    if plan.get("lineage") and plan["lineage"] != state.lineage:
        raise failed(
            f'plan lineage "{plan["lineage"]}" does not match state lineage "{state.lineage}"; '
            "the state may have been modified by another process"
        )
    if plan.get("lineage") and plan.get("serial") != state.serial:
        raise failed(
            f"plan serial {plan.get('serial')} does not match state serial {state.serial}; "
            "the state has been modified since the plan was created. Please run 'bundle plan' again"
        )
    return plan


def deploy(bundle: Bundle, api: Api, plan_file: str, force_lock: bool, cli_version: str) -> None:
    """Deploys, and says on stderr what was done.

    Raises:
        OperationFailed: Before anything was changed, or after all was done that could be.
    """
    workspace = bundle.workspace
    folder = local_folder(bundle.root, bundle.target)
    store = StateStore(api, workspace["state_path"], folder, cli_version)
    state = store.read()
    plan = read_plan(plan_file, state, cli_version) if plan_file else None
    with _lock(bundle, api, force_lock):
        say(f"Uploading bundle files to {workspace['file_path']}...")
        files = upload_files(api, bundle.sync_root, bundle.synced, workspace["file_path"], folder)
        nodes = (plan or make_plan(bundle, state, api, cli_version))["plan"]
        work = _Work(api, store, state)
        store.begin(state)
        errors = work.carry_out(nodes)
        new_state = store.end(state)
        if errors:
            for error in errors:
                say(str(Diagnostic("Error", error)))
            say(files)
            raise Failed()
        _write_metadata(bundle, api, new_state)
        for name, node in sorted(nodes.items()):
            if node["action"] in _DONE:
                say(f"{_DONE[node['action']]} {name.removeprefix('resources.')}")
        say(files)
        say(_resources_line(nodes))


def bind(bundle: Bundle, api: Api, key: str, job_id: str, force: bool, cli_version: str) -> None:
    """Makes a job of the workspace the bundle's.

    Raises:
        OperationFailed: There is no such job here or there, or the bundle has another.
    """
    name = _known(bundle, key)
    try:
        read_job(api, job_id)
    except ApiFailure as failure:
        raise failed(f"failed to fetch the resource, err: {failure.message}") from failure
    folder = local_folder(bundle.root, bundle.target)
    store = StateStore(api, bundle.workspace["state_path"], folder, cli_version)
    state = store.read()
    if bound := state.id_of(name):
        what = "the requested" if bound == job_id else "a different"
        detail = f"The bundle is already managing resource for {name} and it is bound to {what} ID {bound}."
        raise Failed(Diagnostic("Error", "Resource already managed", detail=detail))
    with _lock(bundle, api, force):
        store.begin(state)
        wanted = make_plan(bundle, state, api, cli_version)["plan"][name]["new_state"]["value"]
        store.note(name, {"__id__": job_id, "state": wanted})
        store.end(state)
    say(f"Successfully bound job with an id '{job_id}'\nRun 'bundle deploy' to deploy changes to your workspace")


def unbind(bundle: Bundle, api: Api, key: str, force: bool, cli_version: str) -> None:
    """Makes the bundle forget a job; it is no mistake if it does not know it.

    Raises:
        OperationFailed: The configuration has no such job.
    """
    name = _known(bundle, key)
    folder = local_folder(bundle.root, bundle.target)
    store = StateStore(api, bundle.workspace["state_path"], folder, cli_version)
    with _lock(bundle, api, force):
        state = store.read()
        if state.id_of(name):
            store.begin(state)
            for forgotten in (name, f"{name}.permissions"):
                store.note(forgotten, None)
            store.end(state)


def _known(bundle: Bundle, key: str) -> str:
    if key not in bundle.jobs:
        raise failed(f"no such resource: {key}")
    return f"resources.jobs.{key}"


@contextlib.contextmanager
def _lock(bundle: Bundle, api: Api, force: bool) -> Iterator[None]:
    """Holds the lock of a deployment; targets in mode development have none."""
    if bundle.mode == "development":
        yield
        return
    lock = Lock(api, bundle.workspace["state_path"], bundle.workspace["current_user"]["userName"])
    lock.acquire(force)
    try:
        yield
    finally:
        lock.release()


class _Work:
    def __init__(self, api: Api, store: StateStore, state: State) -> None:
        self._api = api
        self._store = store
        self._state = state
        self._ids = {name: state.id_of(name) for name in state.resources}
        self._undone: dict[str, str] = {}

    def carry_out(self, nodes: dict[str, Node]) -> list[str]:
        """Carries the plan out; gives what went wrong."""
        kept = {name: node for name, node in nodes.items() if node["action"] != "delete"}
        doomed = {name: node for name, node in nodes.items() if node["action"] == "delete"}
        for name in [*in_order(kept), *reversed(in_order(doomed))]:
            if nodes[name]["action"] != "skip":
                self._attempt(name, nodes[name])
        return list(self._undone.values())

    def _attempt(self, name: str, node: Node) -> None:
        doing = f"cannot {node['action']} {name}"
        lost = [needed["node"] for needed in node.get("depends_on") or [] if needed["node"] in self._undone]
        if lost and node["action"] != "delete":
            self._undone[name] = f"{doing}: dependency failed: {lost[0]}"
            return
        try:
            self._do(name, node)
        except ApiFailure as failure:
            step = {"update": f": updating id={self._ids.get(name)}", "delete": f": deleting id={self._ids.get(name)}"}
            self._undone[name] = failure.summary(doing + step.get(node["action"], ""))

    def _do(self, name: str, node: Node) -> None:
        if node["action"] == "delete":
            if not name.endswith(".permissions") and not node.get("gone"):
                self._delete(name)
            self._store.note(name, None)
            return
        value = self._resolved(node["new_state"])
        if name.endswith(".permissions"):
            self._ids[name] = value["object_id"]
            entries = [_access(entry) for entry in value["__embed__"]]
            self._api.post(f"/api/2.0/permissions{value['object_id']}", {"access_control_list": entries}, "PUT")
        elif node["action"] == "create":
            self._ids[name] = str(self._call(name, "create", value)["job_id"])
        else:
            self._call(name, "reset", {"job_id": int(self._ids[name]), "new_settings": value})
        entry: Entry = {"__id__": self._ids[name], "state": value}
        if node.get("depends_on"):
            entry["depends_on"] = node["depends_on"]
        self._store.note(name, entry)

    def _delete(self, name: str) -> None:
        """Deletes a job; one that may not be deleted is forgotten, as the real command does."""
        identity = self._ids[name]
        try:
            self._call(name, "delete", {"job_id": int(identity)})
        except ApiFailure as failure:
            if failure.is_missing:
                return
            if failure.status != FORBIDDEN:
                raise
            ignoring = f"Ignoring permission error when deleting {name} id={identity}: {failure.message}"
            say(f"Warn: destroying {name}: {ignoring}")

    def _call(self, name: str, method: str, body: dict[str, Any]) -> Any:
        path = f"/api/2.2/jobs/{method}"
        if faults.setting("FAIL_JOB") == name.removeprefix("resources.jobs."):
            message = "The job is refused by LJM_FAKE_CLI_FAIL_JOB."
            raise ApiFailure("POST", f"{self._api.host}{path}", 400, "INVALID_PARAMETER_VALUE", message)
        return self._api.post(path, body)

    def _resolved(self, new_state: Node) -> Any:
        value = json.loads(json.dumps(new_state["value"]))
        for path, text in (new_state.get("vars") or {}).items():
            _put(value, path, self._with_ids(text))
        return value

    def _with_ids(self, text: str) -> Any:
        whole = REFERENCE.fullmatch(text)
        filled = REFERENCE.sub(lambda match: self._ids[match.group(1).removesuffix(".id")], text)
        return int(filled) if whole and filled.isdigit() else filled


def _put(value: Any, path: str, new: Any) -> None:
    *above, last = [int(part) if part.isdigit() else part for part in re.findall(r"[^.\[\]]+", path)]
    for part in above:
        value = value[part]
    value[last] = new


def _access(entry: dict[str, str]) -> dict[str, str]:
    return {"permission_level" if name == "level" else name: value for name, value in entry.items()}


def _write_metadata(bundle: Bundle, api: Api, state: State) -> None:
    jobs = {
        key: {"id": state.id_of(f"resources.jobs.{key}"), "relative_path": _file_of(bundle, key)} for key in bundle.jobs
    }
    config = {"bundle": {"name": bundle.name, "target": bundle.target}, "resources": {"jobs": jobs}}
    content = json.dumps({"version": 1, "config": config}, indent=2).encode()
    api.upload(f"{bundle.workspace['state_path']}/metadata.json", content, overwrite=True)


def _file_of(bundle: Bundle, key: str) -> str:
    place = bundle.source.values.get(("resources", "jobs", key))
    return place.file if place else ""


def _resources_line(nodes: dict[str, Node]) -> str:
    count = Counter(node["action"] for node in nodes.values())
    return (
        f"Resources: {count['create']} created, {count['update']} changed, {count['delete']} deleted, "
        f"{count['skip']} unchanged"
    )
