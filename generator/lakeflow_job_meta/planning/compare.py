"""Compares jobs before and after: per job, per task, per setting.

Pure, but for `compare_files`, which reads generated files.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from lakeflow_job_meta._internal.trees import Difference, Value, diff, texts_in
from lakeflow_job_meta.layout.generated_file import sql_path
from lakeflow_job_meta.output.read_back import GeneratedJob, jobs_in, scan, texts_of_revision
from lakeflow_job_meta.output.writer import Change, FileChanges

_ALIKE = 0.6
"""Of two jobs that share this much of their tasks one is taken for the other under a new name."""


@dataclass(frozen=True, slots=True)
class TaskChange:
    """What happens to one task.

    Attributes:
        waits_also_for: Tasks that it starts to wait for; `waits_no_longer_for` those that it stops waiting for. A
            condition's outcome stands behind the key: `check (true)`.
        differences: Its other settings, for a task that is in both.
        sql_changed: Whether its inline SQL says something else.
    """

    key: str
    kind: Change
    waits_also_for: tuple[str, ...] = ()
    waits_no_longer_for: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()
    sql_changed: bool = False


@dataclass(frozen=True, slots=True)
class JobChange:
    """What happens to one job.

    Attributes:
        tasks: Tasks that differ; all of a job that is created.
        renamed_from: For a job that is created, the one that goes and is probably the same.
    """

    key: str
    kind: Change
    settings: tuple[Difference, ...] = ()
    tasks: tuple[TaskChange, ...] = ()
    renamed_from: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """All that would change, by key, and how many jobs stay as they are."""

    changes: tuple[JobChange, ...]
    unchanged: int


def compare_files(changes: FileChanges, revision: str | None = None) -> Plan:
    """Returns what changes in the jobs when files change, against the files on disk or those of a git revision.

    A job that must stay as it is (its module is broken, its source cannot be read) does not change.

    Raises:
        OperationFailed: Generated files cannot be read.
        ConfigError: There is no such revision.
    """
    on_disk, _ = scan(changes.layout)
    before = on_disk if revision is None else texts_of_revision(changes.layout.project, revision)
    return compare_jobs(jobs_in(before), jobs_in(changes.applied_to(on_disk)))


def compare_jobs(before: Mapping[str, GeneratedJob], after: Mapping[str, GeneratedJob]) -> Plan:
    """Returns what changes from one set of jobs to another."""
    gone = _Gone({key: job for key, job in before.items() if key not in after})
    changes: list[JobChange] = []
    for key in sorted({*before, *after}):
        if key not in after:
            changes.append(JobChange(key, Change.DELETE))
        elif key not in before:
            tasks = tuple(TaskChange(task, Change.CREATE) for task in after[key].tasks)
            changes.append(JobChange(key, Change.CREATE, tasks=tasks, renamed_from=gone.take(after[key])))
        elif (change := _changed(before[key], after[key])) is not None:
            changes.append(change)
    return Plan(tuple(changes), sum(key in before for key in after) - sum(c.kind is Change.UPDATE for c in changes))


class _Gone:
    """The jobs that are no more, by their tasks, so that none is compared with those that share nothing with it."""

    def __init__(self, jobs: Mapping[str, GeneratedJob]) -> None:
        self._tasks = {key: _comparable(job) for key, job in jobs.items()}
        self._places = {key: number for number, key in enumerate(jobs)}
        self._having: defaultdict[object, dict[str, None]] = defaultdict(dict)
        for key, tasks in self._tasks.items():
            for each in (tasks, *tasks):
                self._having[each][key] = None

    def take(self, job: GeneratedJob) -> str | None:
        """Returns the job that is most like a new one and alike enough, and forgets it; the first of several."""
        tasks = _comparable(job)
        alike: Mapping[str, int] = {key: len(tasks) for key in islice(self._having[tasks], 1)} if tasks else {}
        alike = alike or Counter(key for task in tasks for key in self._having[task])
        likeness = {key: shared / max(len(tasks), len(self._tasks[key])) for key, shared in alike.items()}
        nearest = max(likeness, key=lambda key: (likeness[key], -self._places[key]), default=None)
        if nearest is None or likeness[nearest] < _ALIKE:
            return None
        for each in (self._tasks[nearest], *self._tasks[nearest]):
            del self._having[each][nearest]
        return nearest


def _comparable(job: GeneratedJob) -> frozenset[str]:
    """Returns the tasks of a job, each as one text; the files of inline SQL bear the job's name."""
    folder = sql_path(job.key, "").removesuffix(".sql")
    return frozenset(
        json.dumps(task, sort_keys=True).replace(folder, "sql/") + json.dumps(_sql_of(job, task))
        for task in job.tasks.values()
    )


def _changed(old: GeneratedJob, new: GeneratedJob) -> JobChange | None:
    settings = tuple(diff(_own_settings(old), _own_settings(new)))
    tasks = tuple(_task_changes(old, new))
    return JobChange(new.key, Change.UPDATE, settings, tasks) if settings or tasks else None


def _own_settings(job: GeneratedJob) -> dict[str, Value]:
    """Returns a job's own settings, and the targets that it is for as if they were one of them."""
    return _without("tasks", job.settings) | ({"targets": [*job.targets]} if job.targets else {})


def _without(left_out: str, settings: dict[str, Value]) -> dict[str, Value]:
    return {key: value for key, value in settings.items() if key != left_out}


def _task_changes(old: GeneratedJob, new: GeneratedJob) -> Iterator[TaskChange]:
    before, after = old.tasks, new.tasks
    for key in {**before, **after}:
        if key not in after or key not in before:
            yield TaskChange(key, Change.CREATE if key in after else Change.DELETE)
            continue
        one, other = before[key], after[key]
        old_edges, new_edges = list(_edges(one)), list(_edges(other))
        change = TaskChange(
            key,
            Change.UPDATE,
            tuple(edge for edge in new_edges if edge not in old_edges),
            tuple(edge for edge in old_edges if edge not in new_edges),
            tuple(diff(_without("depends_on", one), _without("depends_on", other))),
            _sql_of(old, one) != _sql_of(new, other),
        )
        if change != TaskChange(key, Change.UPDATE):
            yield change


def _edges(task: dict[str, Value]) -> Iterator[str]:
    edges = task.get("depends_on")
    for edge in edges if isinstance(edges, list) else []:
        if isinstance(edge, dict):
            outcome = f" ({edge['outcome']})" if "outcome" in edge else ""
            yield f"{edge.get('task_key')}{outcome}"


def _sql_of(job: GeneratedJob, task: dict[str, Value]) -> list[str | None]:
    """Returns the inline SQL of a task and of the one that it repeats."""
    folder = sql_path(job.key, "").removesuffix(".sql")
    paths = [text for path, text in texts_in(task) if path[-1] == "path" and folder in text]
    return [job.sql.get(path.rsplit("/", 1)[-1].removesuffix(".sql")) for path in paths]
