"""A job as Databricks gets it, and where in the metadata each of its settings comes from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from lakeflow_job_meta._internal.trees import KeyPath, Value, value_at
from lakeflow_job_meta.diagnostics.model import SourceRef
from lakeflow_job_meta.jobs.task_types import BY_BLOCK, DIRECT_NOTEBOOK_FIELDS
from lakeflow_job_meta.parsing.model import Module, Source


@dataclass(frozen=True, slots=True)
class SqlFile:
    """Inline SQL that becomes a file beside the job.

    Attributes:
        name: Of the file, without its folder and suffix.
    """

    name: str
    text: str


@dataclass(frozen=True)  # without slots, since checks ask again and again for what is found once
class Job:
    """One job.

    Attributes:
        settings: As the Jobs API takes them, in the order of the UI.
        sources: The source of each task, in the order of `settings["tasks"]`.
        project_origin: Where defaults come from.
        job_defaults: The project's, to tell where a setting comes from; likewise `task_defaults`.
    """

    module: Module
    settings: dict[str, Value]
    sources: tuple[Source, ...]
    sql_files: tuple[SqlFile, ...]
    project_origin: SourceRef
    job_defaults: dict[str, Value]
    task_defaults: dict[str, Value]

    @property
    def key(self) -> str:
        """The job's resource key in the bundle."""
        return self.module.key

    @cached_property
    def tasks(self) -> list[dict[str, Value]]:
        """The tasks, each as the Jobs API takes it."""
        return [task for task in self._list("tasks") if isinstance(task, dict)]

    @cached_property
    def all_tasks(self) -> tuple[tuple[KeyPath, dict[str, Value]], ...]:
        """Every task with its path in `settings`, the ones that for_each tasks repeat among them."""
        return tuple(
            found for number, task in enumerate(self.tasks) for found in with_iteration(("tasks", number), task)
        )

    def named(self, setting: str, key: str) -> set[str] | None:
        """Returns the names in a list of named things, such as `("job_clusters", "job_cluster_key")`.

        Returns:
            None if the list is not known before the bundle's references are resolved.
        """
        value = self.settings.get(setting, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            return None
        return {str(item[key]) for item in value if isinstance(item, dict) and key in item}

    def _list(self, name: str) -> list[Value]:
        value = self.settings.get(name)
        return value if isinstance(value, list) else []

    def origin_of(self, path: KeyPath, *, of_key: bool = False) -> SourceRef:
        """Returns where a setting was written: in the module, in a source, or in the project's defaults.

        Args:
            path: In `settings`.
            of_key: Whether the setting's name is meant rather than its value.
        """
        if path[:1] == ("tasks",) and len(path) > 1:
            source = self.sources[int(path[1])]
            is_given = value_at(self.settings, path)[0] and not value_at(source.transformation_config, path[2:])[0]
            if is_given and path[-2:] == ("sql_task", "warehouse_id"):
                return self.project_origin.at("defaults", "warehouse_id")
            return self._origin_in_task(source, path[2:], of_key)
        if path == ("name",) and "name" not in self.module.job_config:
            return self.module.origin.at("module_name")
        if path == ("description",) and "description" not in self.module.job_config:
            return self.module.origin.at("description")
        own = self.module.origin.at("job_config")
        return self._written(
            own,
            self.module.job_config,
            ("defaults", "job"),
            self.job_defaults,
            path,
            of_key,
            self.module.origin,
        )

    def _origin_in_task(self, source: Source, path: KeyPath, of_key: bool) -> SourceRef:
        if path[:1] == ("task_key",):
            return source.origin.at("source_id")
        if path[:1] == ("depends_on",):
            return source.origin.at("depends_on" if source.depends_on is not None else "execution_order")
        own = source.origin.at("transformation_config")
        config = source.transformation_config
        path = as_written(path, config)
        return self._written(own, config, ("defaults", "task"), self.task_defaults, path, of_key, source.origin)

    def _written(
        self,
        own: SourceRef,
        config: dict[str, Value],
        section: KeyPath,
        defaults: dict[str, Value],
        path: KeyPath,
        of_key: bool,
        fallback: SourceRef,
    ) -> SourceRef:
        """Finds the deepest place that holds `path`; the user's own words come before the defaults."""
        if value_at(config, path)[0]:
            return SourceRef(own.document, (*own.path, *path), of_key)
        if value_at(defaults, path)[0]:
            return SourceRef(self.project_origin.document, (*section, *path), of_key)
        for length in range(len(path) - 1, 0, -1):
            if value_at(config, path[:length])[0]:
                return own.key(*path[:length])
            if value_at(defaults, path[:length])[0]:
                return self.project_origin.key(*section, *path[:length])
        return own if config else fallback


def with_iteration(path: KeyPath, task: dict[str, Value]) -> Iterator[tuple[KeyPath, dict[str, Value]]]:
    """Yields a task and, of a for_each task, what it repeats, with their paths.

    Args:
        path: Of the task.
        task: Its settings.
    """
    yield path, task
    inner = value_at(task, ("for_each_task", "task"))[1] if "for_each_task" in task else None
    if isinstance(inner, dict):
        yield from with_iteration((*path, "for_each_task", "task"), inner)


def as_written(path: KeyPath, config: dict[str, Value]) -> KeyPath:
    """Turns a path in a task's settings into the path in the form that the metadata has.

    Args:
        path: In the task as the Jobs API takes it.
        config: The source's `transformation_config`.
    """
    if path[:2] == ("for_each_task", "task") and len(path) > 2:
        inner = value_at(config, path[:2])[1]
        return (*path[:2], *as_written(path[2:], inner if isinstance(inner, dict) else {}))
    if path[:1] == ("notebook_task",) and len(path) > 1 and path[1] in DIRECT_NOTEBOOK_FIELDS and path[1] in config:
        return path[1:]
    kind = BY_BLOCK.get(str(path[0])) if path else None
    for api, written in kind.gives if kind is not None else ():
        if path[1 : 1 + len(api)] == api and value_at(config, (path[0], *written))[0]:
            return (path[0], *written, *path[1 + len(api) :])
    return path
