"""What the catalogue says of a job and its tasks: settings with their origins, tables, checks, what starts it. Pure.

Jobs go in as they were compiled; out come plain facts for a page, in the order of the metadata, with secrets masked.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import NamedTuple, cast

from lakeflow_job_meta._internal.secrets import masked, secrets_of, without_login, without_values
from lakeflow_job_meta._internal.trees import ItemKey, KeyPath, Value, by_item_key, value_at
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.diagnostics.model import Location, SourceRef, dotted
from lakeflow_job_meta.jobs.model import Job, TaskFile
from lakeflow_job_meta.jobs.neighbours import is_table_name
from lakeflow_job_meta.jobs.task_types import kind_of_task
from lakeflow_job_meta.parsing.model import Source, table_of
from lakeflow_job_meta.state.tracking import DeployedJob

CHECK = "check"
"""The kind of a task that only checks what another one has written; the others are those of `task_type`."""

STARTS = ("schedule", "trigger", "continuous")
"""The settings of a job that say what starts it."""

_OWNER = "owner"


class Place(NamedTuple):
    """Where something is written: a file and a line, or a row of a table, whose line is None."""

    path: str
    line: int | None
    is_file: bool

    @classmethod
    def of(cls, at: Location) -> Place:
        return cls(at.path, at.line, at.is_file)


class Setting(NamedTuple):
    """One value that a job or task has, as text, and where it was written."""

    path: str
    value: str
    place: Place


class Check(NamedTuple):
    """One rule for the rows of a table, or a query that is to return none."""

    name: str
    text: str
    is_error: bool


class Difference(NamedTuple):
    """A setting that is not the same in all targets, with its value in each; None where it has none."""

    path: str
    values: tuple[tuple[str, str | None], ...]


@dataclass(frozen=True, slots=True)
class TaskEntry:
    """One task.

    Attributes:
        repeats: The kind of what a for_each task repeats.
        waits: The keys of the tasks that it waits for, each with the outcome that is wanted of a condition.
        sql: Its inline SQL.
    """

    key: str
    kind: str
    repeats: str | None
    waits: tuple[tuple[str, str | None], ...]
    settings: tuple[Setting, ...]
    place: Place
    writes: tuple[str, ...]
    reads: tuple[str, ...]
    checks: tuple[Check, ...]
    sql: str | None


@dataclass(frozen=True, slots=True)
class JobEntry:
    """One job.

    Attributes:
        starts: What starts it: those of `STARTS` that it has.
        runs: The keys of the jobs that its tasks run.
        after: The names of the modules that it waits for.
        reads: The tables whose updates start it.
        exemptions: Policies that it need not follow, each with the last day of that.
        switched_off: The sources that are not active.
        differences: What is not the same in all targets.
        deployed: The job in the workspace, as the record of a target has it.
    """

    key: str
    name: str
    description: str | None
    owner: str | None
    tags: Mapping[str, str]
    targets: tuple[str, ...]
    blueprint: str | None
    presets: tuple[str, ...]
    starts: Mapping[str, Value]
    settings: tuple[Setting, ...]
    tasks: tuple[TaskEntry, ...]
    place: Place
    runs: tuple[str, ...]
    after: tuple[str, ...]
    reads: tuple[str, ...]
    exemptions: tuple[tuple[str, date], ...]
    switched_off: tuple[str, ...]
    differences: tuple[Difference, ...]
    deployed: DeployedJob | None


def entry_of(
    job: Job,
    project: Project,
    known_targets: tuple[str, ...],
    key_of_reference: Mapping[str, str],
    deployed: DeployedJob | None = None,
) -> JobEntry:
    """Returns what the catalogue says of a job.

    Args:
        job: The job, as it is in the target that is shown.
        project: Its project.
        known_targets: The targets of the bundle.
        key_of_reference: The key of the job that each reference such as `${resources.jobs.load.id}` means.
        deployed: What the record says of it.
    """
    module, shown = job.module, _shown_in(job)
    starts = {
        name: shown.setting(name, job.settings[name]) for name in STARTS if isinstance(job.settings.get(name), dict)
    }
    tags = job.settings.get("tags")
    texts = {shown(str(name)): shown.of(value) for name, value in tags.items()} if isinstance(tags, dict) else {}
    return JobEntry(
        key=job.key,
        name=shown(module.module_name),
        description=shown(module.description) if module.description else None,
        owner=_owner(module.columns, texts, shown),
        tags=texts,
        targets=job.targets or tuple(job.by_target) or known_targets,
        blueprint=shown(module.blueprint) if module.blueprint else None,
        presets=tuple(sorted(job.presets)),
        starts=starts,
        settings=tuple(_settings(job, shown)),
        tasks=tuple(_task(job, number, shown) for number in range(len(job.tasks))),
        place=shown.place(module.origin),
        runs=tuple(dict.fromkeys(_jobs_run(job, key_of_reference))),
        after=tuple(shown(name) for name, _ in module.after.modules),
        reads=tuple(map(shown, _tables_waited_for(job))),
        exemptions=tuple(_exemptions(module.module_name, project)),
        switched_off=tuple(shown(source.source_id) for source in module.sources if not source.is_active),
        differences=tuple(_differences(job, shown)),
        deployed=deployed,
    )


@dataclass(frozen=True, slots=True)
class _Shown:
    """Masks the secrets of one job; most jobs have none."""

    mask: Callable[[str], str] | None

    def __call__(self, text: str) -> str:
        return self.mask(text) if self.mask is not None else text

    def of(self, value: Value) -> str:
        """Returns a value as text."""
        return self(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))

    def place(self, ref: SourceRef) -> Place:
        at = ref.location()
        return Place(self(at.path), at.line, at.is_file)

    def setting(self, name: str, value: Value) -> Value:
        """Returns a setting of a job or task with all that is below it."""
        return value if self.mask is None else self._tree(masked(value, (name,)))

    def _tree(self, value: object) -> Value:
        if isinstance(value, dict):
            return {self(str(key)): self._tree(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._tree(item) for item in value]
        return self(value) if isinstance(value, str) else cast("Value", value)


def _shown_in(job: Job) -> _Shown:
    settings = [variant.settings for variant in job.variants]
    kept = [each for source in job.module.sources for each in (source.transformation_config, source.only_kept)]
    texts = [job.module.module_name, job.module.description, *(file.text for file in job.files)]
    secrets = secrets_of([settings, kept, dict(job.module.columns), texts])
    return _Shown((lambda text: without_login(without_values(text, secrets))) if secrets else None)


def _owner(columns: Mapping[str, Value], tags: Mapping[str, str], shown: _Shown) -> str | None:
    """Returns whose a job is: as a column of the table says, else a tag; the dashboard asks the same."""
    own = columns.get(_OWNER)
    return shown(own) if isinstance(own, str) and own else tags.get(_OWNER)


def _leaves(value: Value, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Value]]:
    """Yields the values in a tree; a list of plain values is one."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _leaves(item, (*path, key))
    elif isinstance(value, list) and any(isinstance(item, (dict, list)) for item in value):
        for number, item in enumerate(value):
            yield from _leaves(item, (*path, number))
    else:
        yield path, value


def _settings(job: Job, shown: _Shown) -> Iterator[Setting]:
    for name, value in job.settings.items():
        if name != "tasks":
            yield from _settings_in(shown.setting(name, value), (name,), shown, job.origin_of)


def _settings_in(
    value: Value, path: KeyPath, shown: _Shown, origin_of: Callable[[KeyPath], SourceRef], skip: int = 0
) -> Iterator[Setting]:
    for inside, leaf in _leaves(value, path):
        yield Setting(shown(dotted(inside[skip:]) or ""), shown.of(leaf), shown.place(origin_of(inside)))


def _task(job: Job, number: int, shown: _Shown) -> TaskEntry:
    task, source = job.tasks[number], job.task_origins[number].source
    repeated = value_at(task, ("for_each_task", "task"))[1]
    return TaskEntry(
        key=shown(str(task.get("task_key", ""))),
        kind=CHECK if source.follows is not None else _kind(task),
        repeats=_kind(repeated) if isinstance(repeated, dict) else None,
        waits=tuple((shown(key), outcome) for key, outcome in _waits(task)),
        settings=tuple(
            setting
            for name, value in task.items()
            if name not in ("task_key", "depends_on")
            for setting in _settings_in(shown.setting(name, value), ("tasks", number, name), shown, job.origin_of, 2)
        ),
        place=shown.place(source.origin),
        writes=tuple(map(shown, _written(source))),
        reads=tuple(map(shown, _read(source))),
        checks=tuple(_checks(source, shown)),
        sql=_sql(task, job.files, shown),
    )


def _kind(task: dict[str, Value]) -> str:
    kind = kind_of_task(task)
    return "sql" if kind is not None and kind.block == "sql_task" else kind.name if kind is not None else "other"


def _waits(task: dict[str, Value]) -> Iterator[tuple[str, str | None]]:
    edges = task.get("depends_on")
    for edge in edges if isinstance(edges, list) else ():
        if isinstance(edge, dict):
            outcome = edge.get("outcome")
            yield str(edge.get("task_key")), outcome if isinstance(outcome, str) else None


def _written(source: Source) -> Iterator[str]:
    if source.follows is None and source.table is not None and is_table_name(source.table):
        yield source.table
    if source.follows is not None and source.quality is not None and source.quality.quarantine:
        yield source.quality.quarantine


def _read(source: Source) -> Iterator[str]:
    table = table_of(source.source_config)
    if table is not None and is_table_name(table):
        yield table
    if source.follows is not None and source.follows.table is not None and is_table_name(source.follows.table):
        yield source.follows.table


def _checks(source: Source, shown: _Shown) -> Iterator[Check]:
    if source.follows is None:
        return
    for each in source.quality.checks if source.quality is not None else ():
        if isinstance(each, dict):
            check = each.get("check")
            call = check if isinstance(check, dict) else {}
            arguments = call.get("arguments")
            written = ", ".join(
                f"{shown(name)}: {shown.of(value)}"
                for name, value in (arguments if isinstance(arguments, dict) else {}).items()
            )
            text = f"{shown.of(call.get('function') or '')}({written})"
            yield Check(shown.of(each.get("name") or ""), text, each.get("criticality", "error") != "warn")
    if source.quality is not None and source.quality.checks_table:
        yield Check("", f"the checks in {shown(source.quality.checks_table)}", True)
    for query in source.expectations:
        yield Check(shown(query.name), shown(query.sql), query.is_error)


def _sql(task: dict[str, Value], files: tuple[TaskFile, ...], shown: _Shown) -> str | None:
    path = value_at(task, ("sql_task", "file", "path"))[1]
    name = PurePosixPath(path).stem if isinstance(path, str) else None
    return next((shown(file.text) for file in files if file.folder == "sql" and file.name == name), None)


def _jobs_run(job: Job, key_of_reference: Mapping[str, str]) -> Iterator[str]:
    for _, task in job.all_tasks:
        reference = value_at(task, ("run_job_task", "job_id"))[1]
        if isinstance(reference, str) and reference in key_of_reference:
            yield key_of_reference[reference]


def _tables_waited_for(job: Job) -> Iterator[str]:
    names = value_at(job.settings, ("trigger", "table_update", "table_names"))[1]
    yield from (name for name in (names if isinstance(names, list) else ()) if isinstance(name, str))


def _exemptions(module: str, project: Project) -> Iterator[tuple[str, date]]:
    for each in project.exemptions:
        if any(fnmatchcase(module, pattern) for pattern in each.modules):
            yield each.policy, each.until


def _differences(job: Job, shown: _Shown) -> Iterator[Difference]:
    if len(job.by_target) < 2:
        return
    settings = {
        target: {_words(by_item_key(each.settings, path)): value for path, value in _leaves(each.settings)}
        for target, each in job.by_target.items()
    }
    for path in dict.fromkeys(path for each in settings.values() for path in each):
        values = [(target, each.get(path)) for target, each in settings.items()]
        texts = tuple((target, None if value is None else shown.of(value)) for target, value in values)
        if len({text for _, text in texts}) > 1:
            yield Difference(shown(path), texts)


def _words(path: tuple[str | int | ItemKey, ...]) -> str:
    words = "".join(
        f"[{step.value}]" if isinstance(step, ItemKey) else f"[{step}]" if isinstance(step, int) else f".{step}"
        for step in path
    )
    return words.removeprefix(".")
