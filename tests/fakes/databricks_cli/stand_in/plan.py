"""A plan: for each job and each job's permissions, what a deployment would do and why. Reads the workspace only."""

from __future__ import annotations

from stand_in.configuration import Bundle
from stand_in.diagnostics import failed
from stand_in.differences import is_update, job_changes, permission_changes
from stand_in.http_api import Api, ApiFailure
from stand_in.references import REFERENCE, references_in, resolve
from stand_in.settings_schema import dotted, zero_of
from stand_in.state import State
from stand_in.yaml_source import DataPath

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any
else:
    Any = object

PLAN_VERSION = 2
Plan = dict[str, Any]
Node = dict[str, Any]
_NOT_SETTINGS = ("permissions", "lifecycle")
_NOT_COMPARED = ("job_id", "created_time", "creator_user_name", "run_as_user_name")


def make_plan(bundle: Bundle, state: State, api: Api, cli_version: str) -> Plan:
    """Compares configuration, state and workspace.

    Raises:
        OperationFailed: A reference leads nowhere, or the workspace does not answer.
    """
    planner = _Planner(bundle, state, api)
    head: Plan = {"plan_version": PLAN_VERSION, "cli_version": cli_version}
    if state.lineage:
        head |= {"lineage": state.lineage, "serial": state.serial}
    return head | {"plan": planner.nodes()}


def in_order(nodes: dict[str, Node]) -> list[str]:
    """The nodes, each after those it depends on.

    Raises:
        OperationFailed: They wait for each other.
    """
    ordered: list[str] = []
    waiting = dict(nodes)
    while waiting:
        ready = [name for name, node in sorted(waiting.items()) if not (_needed_by(node) & set(waiting))]
        if not ready:
            raise failed(f"cycle detected: {' refers to '.join(sorted(waiting))}")
        ordered += ready
        for name in ready:
            del waiting[name]
    return ordered


class _Planner:
    def __init__(self, bundle: Bundle, state: State, api: Api) -> None:
        self._state = state
        self._api = api
        self._wanted = _wanted_nodes(bundle)
        self._created: set[str] = set()

    def nodes(self) -> dict[str, Node]:
        nodes: dict[str, Node] = {}
        for name in in_order(self._wanted):
            nodes[name] = self._wanted_node(name, self._wanted[name])
            if nodes[name]["action"] == "create":
                self._created.add(name)
        for name, entry in self._state.resources.items():
            if name not in self._wanted:
                nodes[name] = self._unwanted_node(name, entry)
        return dict(sorted(nodes.items()))

    def _wanted_node(self, name: str, wanted: Node) -> Node:
        head = {"depends_on": wanted["depends_on"]} if wanted["depends_on"] else {}
        new_state = self._new_state(wanted["value"])
        entry = self._state.resources.get(name)
        remote = self._remote(entry["__id__"], name) if entry else None
        if entry is None or remote is None:
            return {**head, "action": "create", "new_state": new_state}
        changes = _compare(name, entry["state"], new_state["value"], remote)
        node: Node = {**head, "action": "update" if is_update(changes) else "skip"}
        if node["action"] == "update":
            node["new_state"] = new_state
        node["remote_state"] = remote
        return node | ({"changes": changes} if changes else {})

    def _unwanted_node(self, name: str, entry: Node) -> Node:
        head = {"depends_on": entry["depends_on"]} if entry.get("depends_on") else {}
        remote = self._remote(entry["__id__"], name)
        if remote is None:
            return {**head, "gone": True, "action": "delete"}
        return {**head, "action": "delete", "remote_state": remote}

    def _new_state(self, value: Any) -> Node:
        """The settings with the ids that are known; the others are zero, and `vars` says what they will be."""
        value = resolve(value, self._id_of)
        unknown: dict[str, str] = {}
        value = _without_references(value, (), unknown)
        return {"value": value, "vars": unknown} if unknown else {"value": value}

    def _id_of(self, reference: str) -> Any:
        node = reference.removesuffix(".id")
        known = self._state.id_of(node)
        if not known or node in self._created:
            return "${" + reference + "}"
        return int(known) if known.isdigit() else known

    def _remote(self, identity: str, name: str) -> Any:
        try:
            if name.endswith(".permissions"):
                return _permissions(self._api, identity)
            return read_job(self._api, identity)
        except ApiFailure as failure:
            if failure.is_missing:
                return None
            raise failure.failed(f"cannot plan {name}: reading id={identity!r}") from failure


def read_job(api: Api, job_id: str) -> dict[str, Any]:
    """A job of the workspace with all its pages, as plans show it."""
    body = api.get("/api/2.2/jobs/get", job_id=job_id)
    settings = body.pop("settings")
    while token := body.pop("next_page_token", ""):
        page = api.get("/api/2.2/jobs/get", job_id=job_id, page_token=token)
        for name, items in page["settings"].items():
            if isinstance(items, list) and name in settings:
                settings[name] += items
        body["next_page_token"] = page.get("next_page_token", "")
    body.pop("has_more", None)
    settings["tasks"] = sorted(settings.get("tasks", []), key=lambda task: task["task_key"])
    return {**settings, **body}


def _permissions(api: Api, object_id: str) -> dict[str, Any]:
    body = api.get(f"/api/2.0/permissions{object_id}")
    entries = []
    for entry in body.get("access_control_list") or []:
        for level in entry["all_permissions"]:
            if not level.get("inherited"):
                principal = {name: entry[name] for name in entry if name in _PRINCIPALS}
                entries.append({"level": level["permission_level"], **principal})
    return {"object_id": object_id, "__embed__": entries}


_PRINCIPALS = ("user_name", "group_name", "service_principal_name")


def _compare(name: str, old: Any, new: Any, remote: Any) -> dict[str, Any]:
    if name.endswith(".permissions"):
        return permission_changes(old, new, remote)
    return job_changes(old, new, {key: value for key, value in remote.items() if key not in _NOT_COMPARED})


def _wanted_nodes(bundle: Bundle) -> dict[str, Node]:
    nodes: dict[str, Node] = {}
    for key, job in bundle.jobs.items():
        name = f"resources.jobs.{key}"
        settings = {field: value for field, value in job.items() if field not in _NOT_SETTINGS and value != []}
        nodes[name] = {"value": dict(sorted(settings.items())), "depends_on": _dependencies(bundle, settings)}
        if job.get("permissions"):
            label = f"${{{name}.id}}"
            value = {"object_id": f"/jobs/{label}", "__embed__": job["permissions"]}
            nodes[f"{name}.permissions"] = {"value": value, "depends_on": [{"node": name, "label": label}]}
    return nodes


def _dependencies(bundle: Bundle, settings: Any) -> list[dict[str, str]]:
    found = []
    for reference in dict.fromkeys(references_in(settings)):
        parts = reference.split(".")
        node = ".".join(parts[:3]) if parts[0] == "resources" and len(parts) > 3 else ""
        if not node or parts[1] != "jobs" or parts[2] not in bundle.jobs:
            raise failed(f'invalid dependency "${{{reference}}}", no such node "{node}"')
        found.append({"node": node, "label": f"${{{reference}}}"})
    return found


def _without_references(value: Any, path: DataPath, unknown: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _without_references(item, (*path, name), unknown) for name, item in value.items()}
    if isinstance(value, list):
        return [_without_references(item, (*path, index), unknown) for index, item in enumerate(value)]
    if isinstance(value, str) and REFERENCE.search(value):
        unknown[dotted(path)] = value
        return zero_of(path)
    return value


def _needed_by(node: Node) -> set[str]:
    return {dependency["node"] for dependency in node.get("depends_on") or []}
