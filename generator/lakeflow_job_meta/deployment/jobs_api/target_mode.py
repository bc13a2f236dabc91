"""What the `mode` and the `presets` of a target make of a job, as the databricks CLI does it. Pure.

Takes what the bundle's files say, and who deploys; returns what to change in each job. What the CLI refuses is refused,
and so is what it would change in a job besides and is not done here: nothing is deployed that the CLI would deploy
differently. The facts are those of CLI 1.14; files are named as in its repository.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from lakeflow_job_meta._internal.text import did_you_mean, either, json_like, quoted
from lakeflow_job_meta._internal.trees import Value, value_at
from lakeflow_job_meta.config.bundle import BundleDeclarations, overlaid
from lakeflow_job_meta.config.model import STARTS
from lakeflow_job_meta.deployment.jobs_api.login import Login
from lakeflow_job_meta.deployment.jobs_api.resolve import NeedsCli, Resolver
from lakeflow_job_meta.jobs.references import JOB_REFERENCE
from lakeflow_job_meta.jobs.task_types import CLUSTER_FIELDS

_DEVELOPMENT, _PRODUCTION = "development", "production"
_RUNS_IN_DEVELOPMENT = 4
"""bundle/config/mutator/resourcemutator/apply_target_mode.go"""

_PAUSES = ("PAUSED", "UNPAUSED")
_PRESETS = (
    *("name_prefix", "tags", "trigger_pause_status", "jobs_max_concurrent_runs"),
    *("pipelines_development", "source_linked_deployment", "artifacts_dynamic_version"),
)
"""bundle/config/presets.go"""

_PATHS = ("file_path", "resource_path", "artifact_path", "state_path")
_COMPUTE = (*CLUSTER_FIELDS, "environment_key")
"""bundle/config/mutator/resourcemutator/override_compute.go"""

_CHANGES_JOBS = (
    *(("run_as",), ("permissions",), ("python",), ("experimental", "python"), ("experimental", "pydabs")),
    *(("compute_id",), ("bundle", "compute_id")),
)
"""What else changes jobs: bundle/config/mutator/resourcemutator/run_as.go, bundle_permissions.go, and Python code."""


@dataclass(frozen=True, slots=True)
class TargetMode:
    """What a target makes of each job.

    Attributes:
        mode: `development`, `production`, or empty.
        cluster: The cluster that all tasks with compute run on instead; empty for their own.
        overridden: The keys of the jobs that the bundle's own files say something of.
        is_linked: Whether jobs run the files of the project where they are, and not copies of them.
        has_new_wheels: Whether the CLI gives wheels a version of their own for each deployment.
        problem: Why no job can be deployed as the CLI would; None if all can.
    """

    mode: str = ""
    name_prefix: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    pause_status: str = ""
    max_concurrent_runs: int = 0
    cluster: str = ""
    overridden: frozenset[str] = frozenset()
    is_linked: bool = False
    has_new_wheels: bool = False
    problem: str | None = None

    @property
    def is_development(self) -> bool:
        return self.mode == _DEVELOPMENT

    def applied(self, key: str, settings: dict[str, Value]) -> dict[str, Value]:
        """Returns the settings of a job as the target has them, whose references are resolved.

        What the job says itself counts, unless it is empty (bundle/config/mutator/resourcemutator/apply_presets.go).
        Raises NeedsCli if the CLI would deploy something else.
        """
        self._refuse(key, settings)
        result = {**settings, "name": f"{self.name_prefix}{json_like(settings.get('name') or '')}"}
        tags = settings.get("tags") or {}
        if not isinstance(tags, dict):
            raise NeedsCli("'tags' as a whole from a reference needs the databricks CLI: write them one by one.")
        if self.tags:
            result["tags"] = {**tags, **{tag: text for tag, text in self.tags.items() if tags.get(tag) in (None, "")}}
        if self.max_concurrent_runs and settings.get("max_concurrent_runs") in (None, 0, "0"):
            result["max_concurrent_runs"] = self.max_concurrent_runs
        for name in STARTS if self.pause_status else ():
            start = settings.get(name)
            if isinstance(start, dict) and not start.get("pause_status"):
                result[name] = {**start, "pause_status": self.pause_status}
        return result

    def _refuse(self, key: str, settings: dict[str, Value]) -> None:
        if self.problem is not None:
            raise NeedsCli(self.problem)
        if key in self.overridden:
            raise NeedsCli(
                f"the bundle's own files override the job {quoted(key)} under 'resources', which only the databricks "
                "CLI does: write it into the metadata, or deploy with `ljm deploy`."
            )
        if self.cluster and any(each in task for task in _tasks_of(settings) for each in _COMPUTE):
            raise NeedsCli(
                f"the databricks CLI would run it on the cluster {quoted(self.cluster)} (cluster_id of the target, or "
                "DATABRICKS_CLUSTER_ID): leave that out, or deploy with `ljm deploy`."
            )


def _tasks_of(settings: dict[str, Value]) -> Iterator[dict[str, Value]]:
    tasks = settings.get("tasks")
    for task in tasks if isinstance(tasks, list) else ():
        if isinstance(task, dict):
            inner = value_at(task, ("for_each_task", "task"))[1]
            yield inner if isinstance(inner, dict) else task


def target_mode(
    bundle: BundleDeclarations,
    target: str,
    login: Login,
    resolver: Resolver,
    run_as: Mapping[str, bool],
    environment: Mapping[str, str],
    in_workspace: bool,
) -> TargetMode:
    """Returns what a target of a bundle makes of jobs.

    Args:
        bundle: What its files declare; of a project without a bundle, nothing.
        target: Its name.
        login: Who deploys.
        resolver: Resolves what the files refer to.
        run_as: For each job that is deployed, whether its `run_as` is set.
        environment: That of the process.
        in_workspace: Whether this runs in the workspace, as `is_in_workspace` says.
    """
    try:
        return _Reader.of(bundle, target, login, resolver).mode(bundle, run_as, environment, in_workspace)
    except NeedsCli as problem:
        return TargetMode(problem=str(problem))


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads what the files say for a target: `own` below it, `root` outside of targets, `all` for both."""

    target: str
    login: Login
    resolver: Resolver
    root: dict[str, Value]
    own: dict[str, Value]
    all: dict[str, Value]

    @classmethod
    def of(cls, bundle: BundleDeclarations, target: str, login: Login, resolver: Resolver) -> _Reader:
        root, own = bundle.said_for(target)
        both = overlaid(root, own)
        return cls(target, login, resolver, root, own, both if isinstance(both, dict) else {})

    def mode(
        self,
        bundle: BundleDeclarations,
        run_as: Mapping[str, bool],
        environment: Mapping[str, str],
        in_workspace: bool,
    ) -> TargetMode:
        if bundle.problems:
            raise NeedsCli("the files of the bundle cannot all be read, so nobody knows what the target makes of jobs.")
        for path in _CHANGES_JOBS:
            if value_at(self.all, path)[1]:
                raise self._no(path, "changes jobs as only the databricks CLI can", "leave it out for this target")
        for name in self._map("presets"):
            if name not in _PRESETS:
                raise self._no(("presets", name), f"is not known{did_you_mean(name, _PRESETS, '')}", "leave it out")
        mode = self._mode()
        jobs = self._map("resources", "jobs")
        if mode == _PRODUCTION:
            self._check_production({**{key: _has_run_as(job) for key, job in jobs.items()}, **run_as})
        found = self._presets(mode)
        if mode == _DEVELOPMENT:
            self._check_development(found)
        cluster = self._text("cluster_id") or self._text("bundle", "cluster_id")
        if mode == _DEVELOPMENT:
            # bundle/config/mutator/resourcemutator/override_compute.go
            cluster = environment.get("DATABRICKS_CLUSTER_ID") or cluster
        return TargetMode(
            mode,
            *found,
            cluster,
            frozenset(jobs),
            self._is_linked(mode, in_workspace),
            bool(self._flag("presets", "artifacts_dynamic_version")),
        )

    def _mode(self) -> str:
        """Returns the mode; outside of targets only `bundle` has one (MergeTargetOverrides, bundle/config/root.go)."""
        mode = self._plain(self.own.get("mode") or value_at(self.all, ("bundle", "mode"))[1], ("mode",))
        if mode not in ("", _DEVELOPMENT, _PRODUCTION):
            raise self._no(("mode",), f"is {quoted(mode)}", f"write {either((_DEVELOPMENT, _PRODUCTION))}")
        return mode

    def _presets(self, mode: str) -> tuple[str, dict[str, str], str, int]:
        prefix, pauses = self._text("presets", "name_prefix"), self._text("presets", "trigger_pause_status")
        given = {tag: value for tag, value in self._map("presets", "tags").items() if value is not None}
        tags = {tag: self._plain(value, ("presets", "tags", tag)) for tag, value in given.items()}
        runs = self._number("presets", "jobs_max_concurrent_runs")
        if pauses not in ("", *_PAUSES):
            raise self._no(("presets", "trigger_pause_status"), f"is {quoted(pauses)}", f"write {either(_PAUSES)}")
        if mode != _DEVELOPMENT:
            return prefix, tags, pauses, runs
        # bundle/config/mutator/resourcemutator/apply_target_mode.go
        prefix = prefix or f"[dev {self.login.short_name}] "
        return prefix, {"dev": self.login.tag, **tags}, pauses or "PAUSED", runs or _RUNS_IN_DEVELOPMENT

    def _check_development(self, presets: tuple[str, dict[str, str], str, int]) -> None:
        """Refuses what the CLI does (validateDevelopmentMode, resourcemutator/validate_target_mode.go)."""
        prefix, _, pauses, _ = presets
        if pauses == "UNPAUSED":
            what = "is UNPAUSED, which the databricks CLI refuses in development mode"
            raise self._no(
                ("presets", "trigger_pause_status"), what, "set 'pause_status' in the jobs that are to start"
            )
        names = (self.login.name, self.login.short_name)
        for path, text in self._paths():
            if text and not any(name in text for name in names):
                raise self._no(path, _no_user(f"is {quoted(text)}"), "put ${workspace.current_user.userName} into it")
        if not any(name in prefix for name in (*names, self.login.domain_friendly_name) if name):
            remedy = "put ${workspace.current_user.short_name} into it"
            raise self._no(("presets", "name_prefix"), _no_user(f"is {quoted(prefix)}"), remedy)

    def _paths(self) -> Iterator[tuple[tuple[str, str], str]]:
        """Yields the paths in the workspace that are set; those that are not lie in the home folder of the user."""
        root = self._text("workspace", "root_path") or "~"
        # bundle/config/mutator/expand_workspace_root.go
        root = f"/Workspace/Users/{self.login.name}{root[1:]}" if root == "~" or root.startswith("~/") else root
        yield ("workspace", "root_path"), root
        with_root = replace(self, resolver=Resolver({**self.resolver.values, "workspace.root_path": root}))
        for name in _PATHS:
            yield ("workspace", name), with_root._text("workspace", name)

    def _check_production(self, run_as: Mapping[str, bool]) -> None:
        """Refuses what the CLI does (validateProductionMode, resourcemutator/validate_target_mode.go)."""
        refused = "which the databricks CLI refuses in production mode"
        pipelines = self._map("resources", "pipelines")
        flags = {("resources", "pipelines", name, "development"): each for name, each in pipelines.items()}
        developed: list[tuple[str, ...]] = [
            path for path, each in flags.items() if value_at(each, ("development",))[1] is True
        ]
        if pipelines and self._flag("presets", "pipelines_development"):
            developed.append(("presets", "pipelines_development"))
        if developed:
            raise self._no(developed[0], f"is true, {refused}", "leave it out")
        is_set = value_at(self.own, ("workspace", "root_path"))[1]
        if not (is_set or all(run_as.values()) or self.login.is_service_principal):
            raise self._no(("workspace", "root_path"), f"is not set, {refused}", "set it for this target")

    def _is_linked(self, mode: str, in_workspace: bool) -> bool:
        """Whether files are used where they are (bundle/config/mutator/apply_source_linked_deployment_preset.go)."""
        wanted = self._flag("presets", "source_linked_deployment")
        return in_workspace and (mode == _DEVELOPMENT if wanted is None else wanted)

    def _map(self, *path: str) -> dict[str, Value]:
        found = value_at(self.all, path)[1]
        if found is not None and not isinstance(found, dict):
            raise self._no(path, "is no map", "write one")
        return found or {}

    def _text(self, *path: str) -> str:
        """Returns a text or a number; an empty one takes nothing away (libs/dyn/convert/from_typed.go)."""
        own = value_at(self.own, path)[1]
        is_empty = own is None or own == "" or (own == 0 and not isinstance(own, bool))
        return self._plain(value_at(self.root, path)[1] if is_empty else own, path)

    def _plain(self, value: object, path: tuple[str, ...]) -> str:
        """Returns a value as text, its references resolved; the CLI takes other scalars for text likewise."""
        if value is None:
            return ""
        try:
            found = self.resolver.resolved(value if isinstance(value, (str, int)) else None, {})
        except NeedsCli as problem:
            raise NeedsCli(f"{self._named(path)}: {problem}") from None
        if not isinstance(found, (str, int)) or (isinstance(found, str) and JOB_REFERENCE.search(found)):
            raise self._no(path, "is no plain text", "write one")
        return json_like(found)

    def _number(self, *path: str) -> int:
        text = self._text(*path)
        if text and not (text.isascii() and text.isdigit()):
            raise self._no(path, "is no whole number", "write one")
        return int(text or 0)

    def _flag(self, *path: str) -> bool | None:
        found = value_at(self.all, path)[1]
        if found is not None and not isinstance(found, bool):
            raise self._no(path, "is neither true nor false", "write one of them")
        return found

    def _named(self, path: tuple[str, ...]) -> str:
        return f"'{'.'.join(path)}' of the target {quoted(self.target)} in the files of the bundle"

    def _no(self, path: tuple[str, ...], what: str, remedy: str) -> NeedsCli:
        return NeedsCli(f"{self._named(path)} {what}: {remedy}, or deploy with `ljm deploy`.")


def _no_user(what: str) -> str:
    return f"{what}, and the databricks CLI asks for the name of the user there in development mode"


def _has_run_as(job: Value) -> bool:
    return value_at(job, ("run_as",))[1] is not None


def is_in_workspace(folder: Path, environment: Mapping[str, str], runtime: Path = Path("/databricks")) -> bool:
    """Whether this runs on a Databricks Runtime, in a folder of the workspace (libs/dbr/detect.go of the CLI)."""
    version = environment.get("DATABRICKS_RUNTIME_VERSION") if sys.platform == "linux" else None
    return bool(version) and runtime.is_dir() and folder.as_posix().startswith("/Workspace/")
