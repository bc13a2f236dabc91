"""Which task waits for which: from `execution_order` and `depends_on` to the edges of a job.

Pure. Inactive sources are looked through: who waits for one waits for what that one would have waited for. Who waits
for one that is checked waits for the checks. The last tasks of a module wait for the ends of all others, whatever these
are in the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from lakeflow_job_meta._internal.graphs import cycles, dependency_order
from lakeflow_job_meta._internal.trees import Value
from lakeflow_job_meta.parsing.model import LAST_TASKS, Module, Source


class Edge(NamedTuple):
    """That a task waits for another: for its end, or as a condition for its outcome."""

    task_key: str
    outcome: str | None = None

    @property
    def settings(self) -> dict[str, Value]:
        return {"task_key": self.task_key, **({} if self.outcome is None else {"outcome": self.outcome})}


class Stages:
    """The sources of one module in the order they run, but for its last tasks."""

    def __init__(self, module: Module) -> None:
        self._sources = [source for source in module.sources if source.run_if is None]
        self._by_id = {source.source_id: source for source in reversed(self._sources)}
        self._orders: dict[int, list[Source]] = {}
        for source in self._sources:
            if source.is_active and source.execution_order is not None:
                self._orders.setdefault(source.execution_order, []).append(source)
        self._checking: dict[str, list[Source]] = {}
        for source in self._sources:
            if source.follows is not None:
                self._checking.setdefault(source.follows.task_key, []).append(source)

    def in_order(self) -> list[Source]:
        """Returns the active sources by stage, and within a stage as written."""
        ranks = self._ranks()
        return sorted((each for each in self._sources if each.is_active), key=lambda each: ranks[each.source_id])

    def edges(self, source: Source) -> list[Edge]:
        """Returns what a source waits for, each task once, in the order of the metadata.

        In the place of a task that is checked stand those that check it.
        """
        found = dict.fromkeys(self._edges(source))
        if source.follows is None and self._checking:
            return list(dict.fromkeys(other for edge in found for other in self._checked(edge)))
        return list(found)

    def _checked(self, edge: Edge) -> list[Edge]:
        checking = self._checking.get(edge.task_key, ()) if edge.outcome is None else ()
        return [Edge(each.task_key) for each in checking] or [edge]

    def _edges(self, source: Source) -> Iterator[Edge]:
        pending, passed = [source], {source.source_id}
        while pending:
            current = pending.pop(0)
            if current.depends_on is None:
                yield from (Edge(other.task_key) for other in self._stage_before(current))
            for dependency in current.depends_on or ():
                other = self._by_id.get(dependency.source_id)
                if other is not None and other.is_active:
                    yield Edge(other.task_key, dependency.outcome)
                elif other is not None and other.source_id not in passed:
                    passed.add(other.source_id)
                    pending.append(other)

    def _stage_before(self, source: Source) -> Iterable[Source]:
        order = source.execution_order
        before = [each for each in self._orders if order is not None and each < order]
        return self._orders[max(before)] if before else ()

    def _ranks(self) -> dict[str, float]:
        """Places each source; one without `execution_order` half a stage behind what it waits for."""
        ranks = {s.source_id: float(s.execution_order) for s in self._sources if s.execution_order is not None}
        waiting = {source.source_id: source for source in self._sources if source.execution_order is None}
        for source in _in_order_of_waiting(waiting):
            before = [ranks[name] + 0.5 for name in _names(source) if name in ranks]
            ranks[source.source_id] = max(before, default=float("-inf"))
        return ranks


def _in_order_of_waiting(waiting: Mapping[str, Source]) -> list[Source]:
    """Returns sources so that each comes after those that it waits for; then as written what waits in a circle."""
    ordered, circle = dependency_order({name: [o for o in _names(s) if o in waiting] for name, s in waiting.items()})
    return [waiting[name] for name in (*ordered, *circle)]


def _names(source: Source) -> list[str]:
    return [dependency.source_id for dependency in source.depends_on or ()]


def find_cycles(module: Module) -> list[list[Source]]:
    """Returns circles among the module's active sources, each in the order of waiting; every circle shares no source.

    Stages count too: a source of stage 1 that depends on one of stage 2 waits for what waits for it.
    """
    # What only checks another source is in no circle without that one.
    module = replace(module, sources=tuple(source for source in module.sources if source.follows is None))
    active = [source for source in module.sources if source.is_active and source.run_if is None]
    by_key = {source.task_key: source for source in active}
    if len(by_key) == len(active) and all(source.depends_on is None for source in active):
        return []  # stages alone make no circle
    stages = Stages(module)
    waits_for = {key: [edge.task_key for edge in stages.edges(source)] for key, source in by_key.items()}
    return [[by_key[key] for key in cycle] for cycle in cycles(waits_for)]


def last_sources(module: Module) -> list[Source]:
    """Returns the active sources that run after all others: first those of a failure, then those of any end."""
    active = [source for source in module.sources if source.is_active]
    return [source for field in LAST_TASKS for source in active if source.source_type == field]


def ends(tasks: Sequence[Mapping[str, Value]]) -> list[str]:
    """Returns the keys of the tasks that together show how all of them ended, in their order.

    These are the leaves, and besides each task that no other surely fails with: a failure does not reach what waits
    for it and runs all the same, is left out by a condition, or is disabled. So a condition is one of them too, and
    what waits for all of them runs where everything behind it is left out: "If all task dependencies are excluded, the
    task is also excluded regardless of its Run if condition" (https://docs.databricks.com/jobs/run-if).
    """
    followed = {key for task in tasks if _fails_with_others(task) for key, _ in _waits_for(task)}
    return [str(task["task_key"]) for task in tasks if task["task_key"] not in followed]


def _fails_with_others(task: Mapping[str, Value]) -> bool:
    """Whether a task is marked as failed whenever one that it waits for failed."""
    if task.get("disabled") not in (None, False) or task.get("run_if", "ALL_SUCCESS") not in _NEED_SUCCESS:
        return False
    return all(outcome is None for _, outcome in _waits_for(task))


_NEED_SUCCESS = ("ALL_SUCCESS", "NONE_FAILED")


def _waits_for(task: Mapping[str, Value]) -> Iterator[tuple[Value, Value]]:
    edges = task.get("depends_on")
    for edge in edges if isinstance(edges, list) else ():
        if isinstance(edge, dict):
            yield edge.get("task_key"), edge.get("outcome")
