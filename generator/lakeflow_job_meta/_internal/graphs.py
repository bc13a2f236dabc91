"""Walks over small graphs that are given as "node to the nodes it leads to". Pure.

Edges to nodes that the graph does not have lead nowhere. Nothing here recurses: a job may have a thousand tasks in a
row. Results depend on the order of the nodes and edges alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import TypeVar

_Node = TypeVar("_Node")


def cycles(edges: Mapping[_Node, Iterable[_Node]]) -> Iterator[list[_Node]]:
    """Yields cycles that share no node, each in the direction of its edges, until the rest of the graph has none."""
    while cycle := _first_cycle(edges):
        yield cycle
        edges = {node: others for node, others in edges.items() if node not in cycle}


def _first_cycle(edges: Mapping[_Node, Iterable[_Node]]) -> list[_Node]:
    # All nodes first, and each as the predecessor of those it leads to: that is the order in which graphlib searches.
    sorter = TopologicalSorter[_Node](dict.fromkeys(edges, ()))
    for node, other in ((node, other) for node, others in edges.items() for other in others if other in edges):
        sorter.add(other, node)
    try:
        sorter.prepare()
    except CycleError as error:
        found: list[_Node] = error.args[1]
        return found[:-1]
    return []


def reachable(starts: Iterable[_Node], edges: Mapping[_Node, Iterable[_Node]]) -> list[_Node]:
    """Returns all nodes that can be reached, the starts among them, nearest first."""
    found = dict.fromkeys(starts)
    pending = list(found)
    for node in pending:
        for other in edges.get(node, ()):
            if other not in found:
                found[other] = None
                pending.append(other)
    return pending


def shortest_path(start: _Node, goal: _Node, edges: Mapping[_Node, Iterable[_Node]]) -> list[_Node] | None:
    """Returns the nodes from one to another, both included; None if there is no path."""
    came_from = {start: start}
    pending = [start]
    for node in pending:
        if node == goal:
            break
        for other in edges.get(node, ()):
            if other not in came_from:
                came_from[other] = node
                pending.append(other)
    if goal not in came_from:
        return None
    path = [goal]
    while path[-1] != start:
        path.append(came_from[path[-1]])
    return path[::-1]


def dependency_order(
    needs: Mapping[_Node, Collection[_Node]], present: Collection[_Node] = ()
) -> tuple[list[_Node], list[_Node]]:
    """Sorts nodes so that each comes after those that it needs, unless these are `present` already.

    Returns:
        The sorted nodes, and those that need something that never comes or each other.
    """
    ordered: list[_Node] = []
    known, waiting = set(present), dict(needs)
    while ready := [node for node, needed in waiting.items() if known.issuperset(needed)]:
        ordered += ready
        known.update(ready)
        for node in ready:
            del waiting[node]
    return ordered, list(waiting)
