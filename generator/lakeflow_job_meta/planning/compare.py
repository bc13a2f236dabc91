"""Compares jobs before and after: per job, per task, per setting. Pure."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice

from lakeflow_job_meta._internal.trees import Difference, Value, diff, texts_in, value_at
from lakeflow_job_meta.jobs.quality_names import CHECKS_FILE
from lakeflow_job_meta.layout.generated_file import sql_path
from lakeflow_job_meta.output.changes import Change
from lakeflow_job_meta.output.read_back import GeneratedJob
from lakeflow_job_meta.planning.changes import JobChange, Plan, TaskChange

_ALIKE = 0.6
"""Of two jobs that share this much of their tasks one is taken for the other under a new name."""


def compare_jobs(
    before: Mapping[str, GeneratedJob], after: Mapping[str, GeneratedJob], renamed: Mapping[str, str] | None = None
) -> Plan:
    """Returns what changes from one set of jobs to another.

    `renamed` has the new keys of jobs that were renamed, as far as modules say so, by their former keys.
    """
    former = {new: old for old, new in (renamed or {}).items() if old in before.keys() - after.keys()}
    former = {new: old for new, old in former.items() if new in after.keys() - before.keys()}
    kept = {*former.values()}
    gone = _Gone({key: job for key, job in before.items() if key not in after and key not in kept})
    changes: list[JobChange] = []
    for key in sorted({*before, *after} - kept):
        if key in former:
            changes.append(_renamed(before[former[key]], after[key]))
        elif key not in after:
            changes.append(JobChange(key, Change.DELETE, source=before[key].source))
        elif key not in before:
            tasks = tuple(TaskChange(task, Change.CREATE) for task in after[key].tasks)
            changes.append(JobChange(key, Change.CREATE, tasks=tasks, renamed_from=gone.take(after[key])))
        elif before[key] is not after[key] and (change := _changed(before[key], after[key])) is not None:
            changes.append(change)
    updated = sum(change.kind is Change.UPDATE and not change.keeps_job for change in changes)
    return Plan(tuple(changes), sum(key in before for key in after) - updated)


def _renamed(old: GeneratedJob, new: GeneratedJob) -> JobChange:
    """Returns what changes in a job that is renamed; the files of its inline SQL are renamed with it."""
    folders = sql_path(old.key, "").removesuffix(".sql"), sql_path(new.key, "").removesuffix(".sql")
    settings, by_target = json.loads(json.dumps([old.settings, dict(old.by_target)]).replace(*folders))
    change = _changed(replace(old, key=new.key, settings=settings, by_target=by_target), new)
    return replace(change or JobChange(new.key, Change.UPDATE), renamed_from=old.key, keeps_job=True)


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
    return frozenset(_as_text(job, task) for task in job.tasks.values())


def _as_text(job: GeneratedJob, task: dict[str, Value]) -> str:
    """Returns all of a task as one text, without the job's name, which the files of inline SQL bear."""
    folder = sql_path(job.key, "").removesuffix(".sql")
    return json.dumps(task, sort_keys=True).replace(folder, "sql/") + json.dumps(_sql_of(job, task))


def _changed(old: GeneratedJob, new: GeneratedJob) -> JobChange | None:
    settings, tasks = _differences(old, new)
    settings += diff(_targets_of(old), _targets_of(new))
    return JobChange(new.key, Change.UPDATE, tuple(settings), tuple(tasks)) if settings or tasks else None


def _differences(old: GeneratedJob, new: GeneratedJob) -> tuple[list[Difference], list[TaskChange]]:
    """Returns what changes in the settings and tasks of a job; what is the same in all targets is told once."""
    names = [*{**old.by_target, **new.by_target}]
    found = [_differences_of_one(old.in_target(name), new.in_target(name)) for name in names]
    if not found:
        return _differences_of_one(old, new)
    settings = [each for each in found[0][0] if all(_has(others, each) for others, _ in found)]
    tasks = [each for each in found[0][1] if all(_has(others, each) for _, others in found)]
    for name, (own, own_tasks) in zip(names, found, strict=True):
        settings += [replace(each, path=("targets", name, *each.path)) for each in own if not _has(settings, each)]
        tasks += [replace(each, target=name) for each in own_tasks if not _has(tasks, each)]
    return settings, tasks


def _has(found: Sequence[object], wanted: object) -> bool:
    """Says whether something is among others; to Python 1 and true would be the same."""
    return any(repr(each) == repr(wanted) for each in found)


def _differences_of_one(old: GeneratedJob, new: GeneratedJob) -> tuple[list[Difference], list[TaskChange]]:
    own = diff(_without("tasks", old.settings), _without("tasks", new.settings))
    return [*own], [*_task_changes(old, new)]


def _targets_of(job: GeneratedJob) -> dict[str, Value]:
    """Returns the targets that a job is for as if they were one of its settings."""
    return {"targets": [*job.targets]} if job.targets else {}


def _without(left_out: str, settings: dict[str, Value]) -> dict[str, Value]:
    return {key: value for key, value in settings.items() if key != left_out}


def _task_changes(old: GeneratedJob, new: GeneratedJob) -> Iterator[TaskChange]:
    before, after = old.tasks, new.tasks
    for key in {**before, **after}:
        if key not in after or key not in before:
            kind, job = (Change.CREATE, new) if key in after else (Change.DELETE, old)
            yield TaskChange(key, kind, untold=(_as_text(job, job.tasks[key]),))
            continue
        one, other = before[key], after[key]
        sql, rules = (tuple(find(*each) for each in ((old, one), (new, other))) for find in (_sql_of, _rules_of))
        old_edges, new_edges = list(_edges(one)), list(_edges(other))
        change = TaskChange(
            key,
            Change.UPDATE,
            tuple(edge for edge in new_edges if edge not in old_edges),
            tuple(edge for edge in old_edges if edge not in new_edges),
            tuple(diff(_without("depends_on", one), _without("depends_on", other))),
            sql[0] != sql[1],
            rules_changed=rules[0] != rules[1],
            untold=tuple(each for each in (sql, rules) if each[0] != each[1]),
        )
        if change != TaskChange(key, Change.UPDATE):
            yield change


def _edges(task: dict[str, Value]) -> Iterator[str]:
    edges = task.get("depends_on")
    for edge in edges if isinstance(edges, list) else []:
        if isinstance(edge, dict):
            outcome = f" ({edge['outcome']})" if "outcome" in edge else ""
            yield f"{edge.get('task_key')}{outcome}"


def _sql_of(job: GeneratedJob, task: dict[str, Value]) -> tuple[str | None, ...]:
    """Returns the inline SQL of a task and of the one that it repeats."""
    folder = sql_path(job.key, "").removesuffix(".sql")
    paths = [text for path, text in texts_in(task) if path[-1] == "path" and folder in text]
    return tuple(job.sql.get(path.rsplit("/", 1)[-1].removesuffix(".sql")) for path in paths)


def _rules_of(job: GeneratedJob, task: dict[str, Value]) -> str | None:
    """Returns the rules of a task that checks the rows of a table, as they are in their file."""
    path = value_at(task, ("notebook_task", "base_parameters", CHECKS_FILE))[1]
    return job.rules.get(path.rsplit("/", 1)[-1].removesuffix(".yml")) if isinstance(path, str) else None
