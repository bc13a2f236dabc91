"""Walks over graphs: cycles, reachable nodes, shortest paths, and an order that puts needs first."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from lakeflow_job_meta._internal.graphs import cycles, dependency_order, reachable, shortest_path

Edges = dict[int, list[int]]
graphs = st.dictionaries(st.integers(0, 6), st.lists(st.integers(0, 7), max_size=4), max_size=7)


@given(graphs)
def test_every_cycle_follows_edges_and_shares_no_node_with_another(edges: Edges):
    found = list(cycles(edges))

    nodes = [node for cycle in found for node in cycle]
    assert len(nodes) == len(set(nodes))
    for cycle in found:
        assert all(after in edges[node] for node, after in zip(cycle, [*cycle[1:], cycle[0]], strict=True))


@given(graphs)
def test_without_the_nodes_of_all_cycles_every_node_can_be_ordered(edges: Edges):
    in_a_cycle = {node for cycle in cycles(edges) for node in cycle}
    rest = {node: [other for other in others if other in edges] for node, others in edges.items()}
    rest = {node: others for node, others in rest.items() if node not in in_a_cycle}

    assert dependency_order(rest, in_a_cycle)[1] == []


@given(graphs, st.integers(0, 6), st.integers(0, 6))
def test_a_path_is_found_exactly_where_the_goal_can_be_reached(edges: Edges, start: int, goal: int):
    path = shortest_path(start, goal, edges)

    assert (path is not None) == (goal in reachable([start], edges))
    if path is not None:
        assert (path[0], path[-1]) == (start, goal)
        assert all(after in edges[node] for node, after in itertools.pairwise(path))


def test_of_two_paths_the_shorter_one_is_found():
    assert shortest_path("a", "d", {"a": ["b", "c"], "b": ["c"], "c": ["d"]}) == ["a", "c", "d"]


@given(graphs, st.sets(st.integers(0, 7)))
def test_each_node_comes_after_all_that_it_needs(needs: Edges, present: set[int]):
    ordered, stuck = dependency_order(needs, present)

    assert sorted([*ordered, *stuck]) == sorted(needs)
    for number, node in enumerate(ordered):
        assert set(needs[node]) <= {*present, *ordered[:number]}
    assert all(not set(needs[node]) <= {*present, *ordered} for node in stuck)


def test_a_row_of_many_thousand_nodes_is_no_trouble():
    row = {number: [number + 1] for number in range(20_000)}

    assert list(cycles(row)) == []
    assert len(reachable([0], row)) == 20_001
    assert len(next(cycles({**row, 20_000: [0]}))) == 20_001
    assert len(shortest_path(0, 20_000, row) or ()) == 20_001
