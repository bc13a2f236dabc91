"""Puts changes together that are alike, so that an edit of what many jobs are made of is told once. Pure.

Each change is looked at once, however many there are.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

from lakeflow_job_meta.output.changes import Change
from lakeflow_job_meta.planning.changes import JobChange
from lakeflow_job_meta.planning.model import WRITTEN_OVER, Action, ResourceChange

FOLDED_FROM = 3
"""So many that are alike are told as one; fewer one by one."""

Item = TypeVar("Item")


def fold_jobs(changes: Sequence[JobChange]) -> list[tuple[JobChange, ...]]:
    """Returns changes in groups, in the order of their first members; one that is told by itself is a group of one.

    Changed jobs are together if exactly the same differs in them, created ones if they are made of one blueprint, and
    deleted ones if they came from one file or table.
    """
    return _folded(changes, _likeness)


def fold_resources(changes: Sequence[ResourceChange]) -> list[tuple[ResourceChange, ...]]:
    """Returns what happens to resources of a workspace in groups, as `fold_jobs` does for jobs."""
    return _folded(changes, _likeness_of_resource)


def _folded(items: Sequence[Item], likeness: Callable[[Item], Hashable]) -> list[tuple[Item, ...]]:
    groups: dict[Hashable, list[Item]] = {}
    of_each = []
    for item in items:
        of_each.append(groups.setdefault(likeness(item), []))
        of_each[-1].append(item)
    folded: list[tuple[Item, ...]] = []
    for item, group in zip(items, of_each, strict=True):
        if len(group) < FOLDED_FROM:
            folded.append((item,))
        elif item is group[0]:
            folded.append(tuple(group))
    return folded


def _likeness(change: JobChange) -> Hashable:
    if change.kind is Change.DELETE:
        return change.kind, change.source, change.keeps_job
    if change.kind is Change.CREATE:
        is_renamed = change.renamed_from is not None
        return (change.kind, change.blueprint, is_renamed) if change.blueprint is not None else change.key
    if change.keeps_job:
        settings = [each for each in change.settings if each.path != ("name",)]
        return change.kind, change.blueprint, repr((settings, [(task, task.untold) for task in change.tasks]))
    # As text, in which 1 and true are different, and which may be a key.
    return change.kind, repr((change.settings, [(task, task.untold) for task in change.tasks]))


def _likeness_of_resource(change: ResourceChange) -> Hashable:
    if change.takes_over:
        return change.name
    if change.action not in WRITTEN_OVER:
        # Of what is created or deleted, all is.
        return change.action, change.job_key is None
    written = [(field.path, field.remote, field.new) for field in change.fields if field.action is not Action.SKIP]
    return change.action, change.job_key is None, repr(written)
