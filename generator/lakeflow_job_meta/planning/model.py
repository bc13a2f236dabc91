"""The plan of `databricks bundle plan -o json`, read once at this edge. Pure."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import Enum
from typing import cast

from lakeflow_job_meta._internal.secrets import masked
from lakeflow_job_meta._internal.text import listing
from lakeflow_job_meta._internal.trees import Value, value_at
from lakeflow_job_meta.errors import OperationFailed
from lakeflow_job_meta.planning.defaults import is_default

_JOBS = "resources.jobs."
_DOTS = 2
"""In the name of a resource, such as `resources.jobs.sales`."""


class Action(str, Enum):
    """What the CLI would do with a resource."""

    SKIP = "skip"
    CREATE = "create"
    UPDATE = "update"
    UPDATE_ID = "update_id"
    RESIZE = "resize"
    RECREATE = "recreate"
    DELETE = "delete"


BOOKKEEPING = frozenset({"deployment", "edit_mode", "format"})
"""Settings that the CLI gives to every job, beside a queue where there is none, and that the workspace may lose."""

_SOURCES = ("WORKSPACE", "GIT")

WRITTEN_OVER = (Action.UPDATE, Action.UPDATE_ID, Action.RESIZE)
"""What writes over a resource that is there."""


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One setting that the deployment would write.

    Attributes:
        path: As the CLI names it, such as `tasks[task_key='a'].max_retries`.
        old: As deployed last; `new` in the configuration; `remote` in the workspace now.
    """

    path: str
    action: Action
    reason: str
    old: Value
    new: Value
    remote: Value

    @property
    def was_edited_by_hand(self) -> bool:
        """Whether the workspace has something else than was deployed, and the deployment would overwrite it.

        What Databricks has filled in is no edit: of a block that the metadata takes away, such as a task, nor where it
        sets what nothing has set before.
        """
        if self.action is Action.SKIP or self.remote == self.new or self.is_bookkeeping:
            return False
        if self.old is None and is_default(self.path.rpartition(".")[2], self.remote, *_SOURCES):
            return False
        return not _covers(self.remote, self.old) if self.new is None else self.remote != self.old

    @property
    def is_bookkeeping(self) -> bool:
        """Whether it is what the databricks CLI itself writes into a job, and no setting of anybody.

        bundle/config/mutator/resourcemutator and bundle/deploy/metadata of the CLI.
        """
        name = self.path.partition(".")[0]
        return name in BOOKKEEPING or (name == "queue" and self.remote is None)

    @property
    def shown(self) -> FieldChange:
        """The same with its values as they may be shown."""
        old, new, remote = (cast(Value, masked(each, self.path)) for each in (self.old, self.new, self.remote))
        return replace(self, old=old, new=new, remote=remote)


@dataclass(frozen=True, slots=True)
class ResourceChange:
    """What happens to a resource such as `resources.jobs.sales`; one that `is_gone` is not there to be deleted.

    `lacks` says what the job would be without, such as `any task`; empty where it is whole, or that is not known.
    `job_id` is that of a job that is there, as far as it is known. `takes_over` is set where the plan does not create
    the job but takes one over: `renamed from stock`, or `takes the job 123 over`.
    """

    name: str
    action: Action
    fields: tuple[FieldChange, ...]
    is_gone: bool
    lacks: str = ""
    job_id: str = ""
    takes_over: str = ""

    @property
    def job_key(self) -> str | None:
        """None for another resource, and for the permissions of a job."""
        return job_key_in(self.name)

    @property
    def is_access(self) -> bool:
        """Whether it is who may use another resource, such as `resources.jobs.sales.permissions`."""
        return self.name.rpartition(".")[2] in ("permissions", "grants") and self.name.count(".") > _DOTS

    @property
    def shown(self) -> str:
        return self.job_key or self.name


@dataclass(frozen=True, slots=True)
class KeptSetting:
    """A setting that stays as somebody has set it in the workspace, though the metadata has something else.

    None stands for a setting that is not there.
    """

    job: str
    setting: str
    workspace: Value
    metadata: Value

    @property
    def shown(self) -> KeptSetting:
        """The same with its values as they may be shown."""
        workspace, metadata = (cast(Value, masked(each, self.setting)) for each in (self.workspace, self.metadata))
        return replace(self, workspace=workspace, metadata=metadata)


def workspace_wins(workspace: object, metadata: object, before: object, is_edited: bool) -> bool:
    """Says whether the workspace's value of a kept setting stays.

    Args:
        workspace: The value there.
        metadata: That of the metadata, which is another one.
        before: What the metadata had when a value was kept; anything else where none was.
        is_edited: Whether the workspace has something else than was deployed.
    """
    return metadata == before or (is_edited and workspace != before)


@dataclass(frozen=True, slots=True)
class BundlePlan:
    """A plan.

    Attributes:
        kept: What the metadata would set otherwise, and the project leaves to the workspace.
        first_paused: The keys of the jobs that are created, and paused since they are new.
        lineage: Of the state that it starts from, like `serial`; None before the first deployment.
        problems: Why not all of it could be planned, with locations in the metadata.
        warnings: What the CLI warns of and does not keep the plan from being deployed, with locations.
    """

    resources: tuple[ResourceChange, ...]
    lineage: str | None
    serial: int | None
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    kept: tuple[KeptSetting, ...] = ()
    first_paused: tuple[str, ...] = ()

    def jobs(self, *actions: Action) -> list[str]:
        return [
            resource.job_key
            for resource in self.resources
            if resource.job_key is not None and resource.action in actions and not resource.is_gone
        ]

    def writes(self) -> Iterator[ResourceChange]:
        """Yields the jobs that would be created or written over."""
        for resource in self.resources:
            if resource.job_key is not None and resource.action in (Action.CREATE, *WRITTEN_OVER):
                yield resource

    def written_jobs(self) -> list[str]:
        return self.jobs(*(action for action in Action if action is not Action.SKIP))

    def changes_nothing(self) -> bool:
        return all(resource.action is Action.SKIP for resource in self.resources)

    def hand_edits(self) -> Iterator[tuple[ResourceChange, FieldChange]]:
        """Yields what was edited in the workspace since the last deployment and would be overwritten."""
        for resource in self.resources:
            for field in resource.fields:
                if resource.action in WRITTEN_OVER and field.was_edited_by_hand:
                    yield resource, field

    def job(self, key: str) -> ResourceChange | None:
        """Returns what happens to a job."""
        return next((each for each in self.resources if each.job_key == key), None)

    def with_changes(self, changes: Iterable[ResourceChange]) -> BundlePlan:
        """Returns the plan in which something else happens to some resources."""
        others = {each.name: each for each in changes}
        created = {key for key in self.first_paused if others.keys().isdisjoint(job_names([key]))}
        return replace(
            self,
            resources=tuple(others.get(each.name, each) for each in self.resources),
            first_paused=tuple(key for key in self.first_paused if key in created),
        )

    def leaving_out(self, names: Collection[str]) -> BundlePlan:
        """Returns the plan in which some resources, and what belongs to them, stay as they are."""
        names = frozenset(names)
        resources = (
            replace(resource, action=Action.SKIP, fields=()) if belongs_to(resource.name, names) else resource
            for resource in self.resources
        )
        paused = tuple(key for key in self.first_paused if names.isdisjoint(job_names([key])))
        return replace(self, resources=tuple(resources), first_paused=paused)


def together(plans: Iterable[BundlePlan]) -> BundlePlan:
    """Returns the plans of many bundles as one."""
    plans = [*plans]
    return BundlePlan(
        tuple(sorted((each for plan in plans for each in plan.resources), key=lambda each: each.name)),
        None,
        None,
        tuple(problem for plan in plans for problem in plan.problems),
        tuple(dict.fromkeys(warning for plan in plans for warning in plan.warnings)),
        tuple(each for plan in plans for each in plan.kept),
        tuple(sorted(key for plan in plans for key in plan.first_paused)),
    )


def _covers(whole: Value, part: Value) -> bool:
    """Says whether a value is another one, in which maps may have more."""
    if isinstance(whole, dict) and isinstance(part, dict):
        return all(key in whole and _covers(whole[key], value) for key, value in part.items())
    if isinstance(whole, list) and isinstance(part, list):
        return len(whole) == len(part) and all(map(_covers, whole, part))
    return whole == part


def job_names(keys: Iterable[str]) -> tuple[str, ...]:
    """Returns the names of jobs as resources of a bundle."""
    return tuple(f"{_JOBS}{key}" for key in keys)


def job_key_in(name: str) -> str | None:
    """Returns the key of the job that a resource is; None for another resource."""
    key = name.removeprefix(_JOBS)
    return key if name.startswith(_JOBS) and "." not in key else None


def belongs_to(name: str, names: Collection[str]) -> bool:
    """Says whether a resource is one of some, or such as the permissions of one."""
    return name in names or name.rpartition(".")[0] in names


def parse_plan(text: str) -> BundlePlan:
    """Reads a plan; raises OperationFailed for an unknown form, since what is not understood is not deployed."""
    try:
        root = json.loads(text)
        entries = root["plan"]
        return BundlePlan(
            tuple(_resource(name, entry) for name, entry in sorted(entries.items())),
            root.get("lineage"),
            root.get("serial"),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise OperationFailed(
            f"The plan of the databricks CLI cannot be understood ({type(error).__name__}: {str(error)[:100]}); "
            "nothing was deployed. Is the CLI complete, and not newer than this release knows?"
        ) from error


def _resource(name: str, entry: dict[str, object]) -> ResourceChange:
    changes = cast("dict[str, dict[str, Value]]", entry.get("changes") or {})
    fields = tuple(
        FieldChange(
            path,
            Action(str(change.get("action", "skip"))),
            str(change.get("reason") or ""),
            *map(change.get, ("old", "new", "remote")),
        )
        for path, change in changes.items()
    )
    lacks = _lacks(value_at(cast(Value, entry), ("new_state", "value"))[1]) if job_key_in(name) is not None else ""
    job_id = value_at(cast(Value, entry), ("remote_state", "job_id"))[1] if job_key_in(name) is not None else None
    number = str(job_id) if isinstance(job_id, int) else ""
    return ResourceChange(name, Action(str(entry["action"])), fields, bool(entry.get("gone")), lacks, number)


def _lacks(job: object) -> str:
    """Returns what a job is without: its tasks, or what some of them do, as where only overrides of them are left."""
    if not isinstance(job, dict):
        return ""
    tasks = job.get("tasks")
    if not isinstance(tasks, list) or not tasks:
        return "any task"
    from lakeflow_job_meta.config.bundle import has_block

    idle = [str(task.get("task_key")) for task in tasks if isinstance(task, dict) and not has_block(task)]
    return f"what its {'task' if len(idle) == 1 else 'tasks'} {listing(idle)} would do" if idle else ""
