"""A bundle's configuration, from `databricks.yml` to jobs as the Jobs API takes them.

Order: include, select the target, variables, the workspace's paths, references, settings, local paths, mode.
What stays are references to ids of resources: only a plan can resolve them.
"""

from __future__ import annotations

import copy
import glob
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from stand_in.diagnostics import Diagnostic, Failed, failed
from stand_in.local_paths import Translator
from stand_in.references import REFERENCE, RESOLVED, UNKNOWN, at, resolve
from stand_in.settings_schema import Shaper, dotted
from stand_in.yaml_source import DataPath, Source, read_yaml

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ROOT_FILES = ("databricks.yml", "databricks.yaml", "bundle.yml", "bundle.yaml")
_RESOURCE_KINDS = ("jobs",)
_RUNS_IN_DEVELOPMENT = 4
_JOB_LEVELS = {"CAN_RUN": "CAN_MANAGE_RUN"}


class Bundle:
    """A bundle with one target selected; each step below fills in more of it."""

    def __init__(self, root: Path, source: Source) -> None:
        self.root = root
        self.source = source
        self.includes: list[str] = []
        self.target = ""
        self.data: dict[str, Any] = {}
        self.warnings: list[Diagnostic] = []

    @property
    def name(self) -> str:
        return str((self.data.get("bundle") or self.source.data.get("bundle") or {}).get("name", ""))

    @property
    def jobs(self) -> dict[str, Any]:
        """The jobs by their keys."""
        found: dict[str, Any] = self.data.get("resources", {}).get("jobs") or {}
        return found

    @property
    def workspace(self) -> dict[str, Any]:
        found: dict[str, Any] = self.data["workspace"]
        return found

    @property
    def synced(self) -> list[Path]:
        """The files and folders that are uploaded; each is relative to the file that names it."""
        paths = self.data["sync"]["paths"]
        places = [self.source.values.get(("sync", "paths", number)) for number in range(len(paths))]
        folders = [self.root / os.path.dirname(place.file) if place else self.root for place in places]  # noqa: PTH120
        return [Path(os.path.normpath(folder / path)) for folder, path in zip(folders, paths, strict=True)]

    @property
    def sync_root(self) -> Path:
        """The folder that all of them are in, and the bundle as well."""
        return Path(os.path.commonpath([self.root, *self.synced]))

    @property
    def mode(self) -> str:
        return str(self.data["bundle"].get("mode", ""))


def find_root(folder: Path) -> Path:
    """The folder of the bundle that a folder is in.

    Raises:
        OperationFailed: There is none.
    """
    given = os.environ.get("DATABRICKS_BUNDLE_ROOT")
    for candidate in [Path(given)] if given else [folder, *folder.parents]:
        if any((candidate / name).is_file() for name in ROOT_FILES):
            return candidate
    raise failed(
        "Unable to locate the bundle root: databricks.yml not found.\n\n"
        "Run this command from a directory that contains a bundle, or set the DATABRICKS_BUNDLE_ROOT environment "
        "variable to the bundle root directory.\n"
        "Alternatively, create a new bundle with 'databricks bundle init'."
    )


def load(root: Path) -> Bundle:
    """Reads the root file. `include` reads the others, so that what fails there can still name the bundle."""
    name = next(name for name in ROOT_FILES if (root / name).is_file())
    return Bundle(root, read_yaml(root / name, name))


def include(bundle: Bundle) -> None:
    """Adds the files that `include` names.

    Raises:
        OperationFailed: A file is not there or cannot be read, or two files define a resource of one key.
    """
    merged = bundle.source
    for pattern in merged.data.get("include") or []:
        found = sorted(glob.glob(str(bundle.root / pattern)))  # noqa: PTH207 - `**` is not recursive here
        if not found and not glob.has_magic(pattern):
            raise failed(f"{pattern} defined in 'include' section does not match any files")
        bundle.includes += [os.path.relpath(path, bundle.root) for path in found if Path(path).is_file()]
    parts = [merged]
    for path in bundle.includes:
        part = read_yaml(bundle.root / path, path)
        part.data.pop("include", None)
        parts.append(part)
    _refuse_two_of_one_key(parts)
    for part in parts[1:]:
        _add_source(merged, part, ())


def select_target(bundle: Bundle, wanted: str) -> None:
    """Lays a target over the rest.

    Raises:
        OperationFailed: There is no such target, or none to take.
    """
    targets = bundle.source.data.get("targets") or {"default": {}}
    if not wanted:
        defaults = [name for name, target in targets.items() if (target or {}).get("default")]
        wanted = defaults[0] if defaults else next(iter(targets)) if len(targets) == 1 else ""
        if not wanted:
            raise failed("please specify target")
    if wanted not in targets:
        raise failed(f"{wanted}: no such target. Available targets: {', '.join(sorted(targets))}")
    bundle.target = wanted
    target = targets[wanted] or {}
    _move_places(bundle.source, ("targets", wanted))
    data = {name: value for name, value in bundle.source.data.items() if name != "targets"}
    overrides = {name: value for name, value in target.items() if name not in ("default", "mode")}
    variables = overrides.pop("variables", None) or {}
    bundle.data = _laid_over(copy.deepcopy(data), copy.deepcopy(overrides))
    for name, value in variables.items():
        given = value if isinstance(value, dict) and {"default", "lookup", "type"} & set(value) else {"default": value}
        bundle.data.setdefault("variables", {}).setdefault(name, {}).update(given)
    section = bundle.data.setdefault("bundle", {})
    section |= {"target": wanted, "environment": wanted, "git": {"bundle_root_path": "."}}
    if target.get("mode"):
        section["mode"] = target["mode"]
    bundle.data["include"] = bundle.includes
    bundle.data.setdefault("sync", {}).setdefault("paths", ["."])


def set_variables(bundle: Bundle, given: Sequence[str], environment: Mapping[str, str]) -> None:
    """Gives each variable its value: `--var`, else BUNDLE_VAR_x, else its default.

    Raises:
        OperationFailed: A variable has no value, or one is given that is not defined.
    """
    variables = bundle.data.get("variables") or {}
    values = dict(text.partition("=")[::2] for text in given)
    for name in values:
        if name not in variables:
            raise failed(f"variable {name} has not been defined")
    for name, variable in variables.items():
        definition = variables[name] = dict(variable or {})
        if name in values:
            definition["value"] = values[name]
        elif f"BUNDLE_VAR_{name}" in environment:
            definition["value"] = environment[f"BUNDLE_VAR_{name}"]
        elif "default" in definition:
            definition["value"] = definition["default"]
        else:
            raise failed(
                f"no value assigned to required variable {name}. Variables are usually assigned in databricks.yml, and "
                f'they can be overridden using "--var", the BUNDLE_VAR_{name} environment variable, or '
                ".databricks/bundle/<target>/variable-overrides.json"
            )


def set_workspace(bundle: Bundle, me: Mapping[str, Any]) -> None:
    """Fills in who deploys, and the folders of the deployment."""
    user = str(me["userName"])
    short = user.partition("@")[0].replace(".", "_")
    workspace = bundle.data.setdefault("workspace", {})
    workspace["current_user"] = {**me, "short_name": short, "domain_friendly_name": short.replace("_", "-")}
    root = workspace.get("root_path") or f"~/.bundle/{bundle.name}/{bundle.target}"
    root = root.replace("~/", f"/Workspace/Users/{user}/", 1) if root.startswith("~/") else root
    root = root if root.startswith(("/Workspace/", "/Volumes/")) else "/Workspace" + root
    workspace["root_path"] = root = resolve(root, lambda name: at(bundle.data, name))
    for name in ("file", "artifact", "resource", "state"):
        folder = {"file": "files", "artifact": "artifacts", "resource": "resources", "state": "state"}[name]
        workspace.setdefault(f"{name}_path", f"{root}/{folder}")


def resolve_references(bundle: Bundle) -> None:
    """Puts in place what is known without the state.

    Raises:
        OperationFailed: A reference names a variable or a part of the bundle that is not there.
    """

    def lookup(name: str) -> Any:
        prefix, _, rest = name.partition(".")
        if prefix not in RESOLVED:
            return UNKNOWN
        if prefix == "var":
            found = at(bundle.data.get("variables") or {}, f"{rest.split('.')[0]}.value")
            inner = rest.partition(".")[2]
            found = at(found, inner) if inner and found is not UNKNOWN else found
        else:
            found = at(bundle.data, name)
        if prefix == "resources" and (found is UNKNOWN or name.endswith(".id")):
            return UNKNOWN
        if found is UNKNOWN:
            raise failed(f"reference does not exist: ${{{name}}}")
        return resolve(found, lookup) if not isinstance(found, str) or REFERENCE.search(found) else found

    for section in ("resources", "workspace", "permissions", "presets", "run_as"):
        if section in bundle.data:
            bundle.data[section] = resolve(bundle.data[section], lookup)


def shape_jobs(bundle: Bundle) -> None:
    """Gives jobs the shape of the Jobs API and the values that every deployed job has."""
    shaper = Shaper(bundle.source)
    for key in list(bundle.jobs):
        job = shaper.job(bundle.jobs[key], ("resources", "jobs", key))
        job["deployment"] = {
            "kind": "BUNDLE",
            "metadata_file_path": f"{bundle.workspace['state_path']}/metadata.json",
        }
        job |= {"edit_mode": "UI_LOCKED", "format": "MULTI_TASK"}
        runs = _RUNS_IN_DEVELOPMENT if bundle.mode == "development" else 1
        job = {"name": "Untitled", "max_concurrent_runs": runs, "queue": {"enabled": True}, **job}
        for block in ("schedule", "trigger", "continuous"):
            if isinstance(job.get(block), dict):
                job[block].setdefault("pause_status", "UNPAUSED")
        if bundle.data.get("run_as"):
            job.setdefault("run_as", bundle.data["run_as"])
        _add_permissions(bundle, job)
        bundle.jobs[key] = job
    bundle.warnings += shaper.warnings


def translate_paths(bundle: Bundle) -> None:
    """Turns local paths into paths in the workspace."""
    workspace = bundle.workspace
    root = bundle.sync_root
    translator = Translator(bundle.root, root, bundle.source, workspace["file_path"], workspace["artifact_path"])
    for key, job in bundle.jobs.items():
        translator.job(job, ("resources", "jobs", key))


def merge_tasks(bundle: Bundle) -> None:
    """Sorts tasks by their keys; those of one key become one, silently."""
    for job in bundle.jobs.values():
        for name, key in (("tasks", "task_key"), ("job_clusters", "job_cluster_key")):
            if not isinstance(job.get(name), list):
                continue
            merged: dict[str, Any] = {}
            for item in job[name]:
                identity = item.get(key, "")
                merged[identity] = _laid_over(merged[identity], item) if identity in merged else item
            ordered = (
                sorted(merged.values(), key=lambda item: item.get(key, "")) if name == "tasks" else merged.values()
            )
            job[name] = list(ordered)


def apply_mode(bundle: Bundle) -> None:
    """What the target's mode makes of the jobs.

    Raises:
        OperationFailed: A production target says not where it is.
    """
    workspace = bundle.workspace
    if bundle.mode == "production" and "root_path" not in _given_workspace(bundle):
        raise failed(
            "target with 'mode: production' must set 'workspace.root_path' to make sure only one copy is deployed\n\n"
            "A common practice is to use a username or principal name in this path, i.e. use\n\n"
            f"  root_path: /Workspace/Users/{workspace['current_user']['userName']}/.bundle/"
            "${bundle.name}/${bundle.target}"
        )
    if workspace["root_path"].startswith("/Workspace/Shared/"):
        bundle.warnings.append(_shared_folder(workspace["root_path"]))
    if bundle.mode != "development":
        return
    user = workspace["current_user"]["short_name"]
    bundle.data["bundle"]["deployment"] = {"lock": {"enabled": False}}
    bundle.data["presets"] = {
        "jobs_max_concurrent_runs": _RUNS_IN_DEVELOPMENT,
        "name_prefix": f"[dev {user}] ",
        "pipelines_development": True,
        "tags": {"dev": user},
        "trigger_pause_status": "PAUSED",
    }
    for job in bundle.jobs.values():
        job["name"] = f"[dev {user}] {job['name']}"
        job["tags"] = {**(job.get("tags") or {}), "dev": user}
        for block in ("schedule", "trigger", "continuous"):
            if isinstance(job.get(block), dict):
                job[block]["pause_status"] = "PAUSED"


def _given_workspace(bundle: Bundle) -> dict[str, Any]:
    target = (bundle.source.data.get("targets") or {}).get(bundle.target) or {}
    return {**(bundle.source.data.get("workspace") or {}), **(target.get("workspace") or {})}


def _shared_folder(path: str) -> Diagnostic:
    detail = (
        "The bundle is configured to use /Workspace/Shared, which will give read/write access to all users. If this "
        "is intentional, add CAN_MANAGE for 'group_name: users' permission to your bundle configuration. If the "
        "deployment should be restricted, move it to a restricted folder such as "
        "/Workspace/Users/<username or principal name>."
    )
    summary = f"the bundle root path {path} is writable by all workspace users"
    return Diagnostic("Warning", summary, detail=detail)


def _add_permissions(bundle: Bundle, job: dict[str, Any]) -> None:
    """The job's own permissions and the bundle's; whoever deploys owns the job, unless someone else is to."""
    for_all = bundle.data.get("permissions") or []
    entries = [
        *(job.get("permissions") or []),
        *({**entry, "level": _JOB_LEVELS.get(entry.get("level"), entry.get("level"))} for entry in for_all),
    ]
    if not entries:
        return
    if not any(entry.get("level") == "IS_OWNER" for entry in entries):
        user = bundle.workspace["current_user"]["userName"]
        entries = [entry for entry in entries if entry.get("user_name") != user]
        entries.append({"level": "IS_OWNER", "user_name": user})
    job["permissions"] = entries


def _refuse_two_of_one_key(parts: Sequence[Source]) -> None:
    seen: dict[DataPath, list[Source]] = {}
    for part in parts:
        for kind in _RESOURCE_KINDS:
            for key in (part.data.get("resources") or {}).get(kind) or {}:
                seen.setdefault(("resources", kind, key), []).append(part)
    doubled = [
        Diagnostic(
            "Error",
            f"multiple resources or scripts have been defined with the same key: {path[-1]}",
            [dotted(path)],
            [owner.values[path] for owner in owners],
        )
        for path, owners in seen.items()
        if len(owners) > 1
    ]
    if doubled:
        raise Failed(*doubled)


def _add_source(merged: Source, part: Source, path: DataPath) -> None:
    merged.data = _laid_over(merged.data, part.data)
    merged.keys |= part.keys
    merged.values |= part.values


def _move_places(source: Source, prefix: DataPath) -> None:
    """Makes what a target says known by the places it takes in the whole."""
    length = len(prefix)
    for places in (source.keys, source.values):
        places |= {path[length:]: place for path, place in places.items() if path[:length] == prefix}


def _laid_over(below: Any, above: Any) -> Any:
    """Maps merged, lists one after the other, anything else replaced."""
    if isinstance(below, dict) and isinstance(above, dict):
        both = {name: _laid_over(below[name], above[name]) for name in below if name in above}
        return {**below, **above, **both}
    if isinstance(below, list) and isinstance(above, list):
        return [*below, *above]
    return below if above is None else above
