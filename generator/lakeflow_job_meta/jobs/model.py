"""A job as Databricks gets it, and where in the metadata each of its settings comes from."""

from __future__ import annotations

import marshal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from lakeflow_job_meta._internal.trees import KeyPath, Value, value_at
from lakeflow_job_meta.diagnostics.model import SourceRef
from lakeflow_job_meta.jobs.layers import Layer, origin_in
from lakeflow_job_meta.parsing.model import Module, Source


@dataclass(frozen=True, slots=True)
class TaskFile:
    """What a task is given in a file beside the job: inline SQL in `sql`, or rules in `quality`.

    Its name has no folder and no suffix.
    """

    folder: str
    name: str
    text: str

    @property
    def place(self) -> str:
        """Folder and name, as a disk that does not tell cases apart has them."""
        return f"{self.folder}/{self.name}".casefold()


class TaskOrigin(NamedTuple):
    """What a task was made of: its source, and the layers of its settings."""

    source: Source
    layers: tuple[Layer, ...]

    def of(self, path: KeyPath, *, of_key: bool) -> SourceRef:
        """Returns where a setting of the task was written; see `Job.origin_of`."""
        source = self.source
        if path[:1] == ("task_key",):
            return source.origin.at("source_id") if source.follows is None else source.origin
        if path[:1] == ("depends_on",) and source.follows is None:
            return source.origin.at("depends_on" if source.depends_on is not None else "execution_order")
        found = origin_in(self.layers, path, None, of_key=of_key)
        return found or (source.origin.at("transformation_config") if source.transformation_config else source.origin)


@dataclass(frozen=True)  # without slots, since checks ask again and again for what is found once
class Job:
    """One job.

    Attributes:
        settings: As the Jobs API takes them, in the order of the UI.
        layers: What the settings were merged from, but for those of tasks.
        task_origins: Of each task, in the order of `settings["tasks"]`.
        presets: The names of those that something was taken from.
        targets: Those in which it exists; empty for all of the bundle.
        by_target: Of a job that may differ between targets, the job of each; it has itself the settings of the first.
    """

    module: Module
    settings: dict[str, Value]
    layers: tuple[Layer, ...] = ()
    task_origins: tuple[TaskOrigin, ...] = ()
    files: tuple[TaskFile, ...] = ()
    presets: frozenset[str] = frozenset()
    targets: tuple[str, ...] = ()
    by_target: Mapping[str, Job] = field(default_factory=dict)

    @property
    def variants(self) -> tuple[Job, ...]:
        """The job as it is in each target, or itself where it is the same in all."""
        return tuple(self.by_target.values()) or (self,)

    def in_target(self, target: str | None) -> Job:
        """Returns the job as it is in a target."""
        return self.by_target.get(target, self) if target is not None else self

    @property
    def key(self) -> str:
        """Its resource key in the bundle."""
        return self.module.key

    @cached_property
    def tasks(self) -> list[dict[str, Value]]:
        tasks = self.settings.get("tasks")
        return [task for task in tasks if isinstance(task, dict)] if isinstance(tasks, list) else []

    @cached_property
    def all_tasks(self) -> tuple[tuple[KeyPath, dict[str, Value]], ...]:
        """Every task with its path in `settings`, the ones that for_each tasks repeat among them."""
        return tuple(found for n, task in enumerate(self.tasks) for found in with_iteration(("tasks", n), task))

    @cached_property
    def all_texts(self) -> bytes:
        """All texts of the job and of what is only kept with it, with the names before them, to look for signs in.

        The fastest way to have them together; that a number may look like a sign there does no harm.
        """
        kept = [source.only_kept for source in self.module.sources]
        texts = [self.module.module_name, *(file.text for file in self.files)]
        return marshal.dumps((self.settings, kept, texts), 2)

    def of_file(self, path: KeyPath) -> tuple[Job, KeyPath] | None:
        """Returns the job as it is in the target that a path in its generated file leads into, and the path in it.

        None for what is around the job there.
        """
        start = next((n for n, step in enumerate(path) if n > 0 and step == self.key and path[n - 1] == "jobs"), None)
        if start is None:
            return None
        return self.in_target(str(path[1]) if path[0] == "targets" else None), path[start + 1 :]

    def named(self, setting: str, key: str) -> set[str] | None:
        """Returns the names in a list of named things, such as `("job_clusters", "job_cluster_key")`.

        None if the list is not known before the bundle's references are resolved.
        """
        value = self.settings.get(setting, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            return None
        return {str(item[key]) for item in value if isinstance(item, dict) and key in item}

    def origin_of(self, path: KeyPath, *, of_key: bool = False) -> SourceRef:
        """Returns where a setting (or its key) was written: in the module, a source, or the project's defaults."""
        if path[:1] == ("tasks",) and len(path) > 1:
            return self.task_origins[int(path[1])].of(path[2:], of_key=of_key)
        module = self.module
        found = origin_in(self.layers, path, self.settings, of_key=of_key)
        return found or (module.origin.at("job_config") if module.job_config else module.origin)

    def written_in_task(self, path: KeyPath, *steps: str) -> object:
        """Returns what the metadata of the task at `path` has at some steps from there, as written; None if nothing."""
        config = self.task_origins[int(path[1])].source.transformation_config
        return value_at(config, (*path[2:], *steps))[1]


def with_iteration(path: KeyPath, task: dict[str, Value]) -> Iterator[tuple[KeyPath, dict[str, Value]]]:
    """Yields a task and, of a for_each task, what it repeats, with their paths."""
    yield path, task
    inner = value_at(task, ("for_each_task", "task"))[1] if "for_each_task" in task else None
    if isinstance(inner, dict):
        yield from with_iteration((*path, "for_each_task", "task"), inner)
