"""Walks over small graphs that are given as "node to the nodes it leads to". Pure.

Edges to nodes that the graph does not have lead nowhere. Nothing here recurses: a job may have a thousand tasks in a
row. Results depend on the order of the nodes and edges alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TypeVar

_Node = TypeVar("_Node")


def cycles(edges: Mapping[_Node, Iterable[_Node]]) -> Iterator[list[_Node]]:
    """Yields cycles that share no node, each in the direction of its edges, until the rest of the graph has none."""
    done: set[_Node] = set()
    for start in edges:
        # Depth first; each node on the path with its edges that are still to be followed.
        path = {start: iter(edges[start])} if start not in done else {}
        while path:
            node = next(reversed(path))
            other = next((other for other in path[node] if other in edges and other not in done), None)
            if other is None:
                gone = [node]
            elif other not in path:
                path[other] = iter(edges[other])
                continue
            else:
                gone = list(path)
                gone = gone[gone.index(other) :]
                yield gone
            done.update(gone)
            for each in gone:
                del path[each]


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
    given = set(present)
    missing = {node: set(needed) - given for node, needed in needs.items()}
    needed_by: defaultdict[_Node, list[_Node]] = defaultdict(list)
    for node, others in missing.items():
        for other in others:
            needed_by[other].append(node)
    places = {node: number for number, node in enumerate(needs)}
    ordered: list[_Node] = []
    ready = [node for node in needs if not missing[node]]
    while ready:
        ordered += ready
        following = []
        for node in ready:
            for other in needed_by[node]:
                missing[other].remove(node)
                if not missing[other]:
                    following.append(other)
        ready = sorted(following, key=places.__getitem__)
    done = set(ordered)
    return ordered, [node for node in needs if node not in done]
