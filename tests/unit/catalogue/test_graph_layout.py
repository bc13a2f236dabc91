"""Where tasks stand in the picture of a job's graph."""

from __future__ import annotations

from graphlib import CycleError
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakeflow_job_meta.catalogue.graph_layout import BOX_HEIGHT, BOX_WIDTH, boxes_of


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, list[str]]:
    count = draw(st.integers(0, 40))
    above = [draw(st.sets(st.integers(0, n - 1), max_size=3)) if n else set() for n in range(count)]
    return {f"t{n}": [f"t{each}" for each in sorted(above[n])] for n in draw(st.permutations(range(count)))}


@given(graphs())
def test_every_task_has_one_box_and_every_edge_goes_down(graph):
    boxes = boxes_of(graph)
    at = {box.key: box for box in boxes}

    assert sorted(box.key for box in boxes) == sorted(graph)
    assert all(at[above].y + BOX_HEIGHT < at[key].y for key, keys in graph.items() for above in keys)


@given(graphs())
def test_no_two_boxes_overlap(graph):
    for one, other in combinations(boxes_of(graph), 2):
        assert abs(one.x - other.x) >= BOX_WIDTH or abs(one.y - other.y) >= BOX_HEIGHT


@given(graphs())
def test_the_same_graph_is_laid_out_the_same(graph):
    assert boxes_of(graph) == boxes_of({key: list(above) for key, above in graph.items()})


def test_lines_do_not_cross_where_they_need_not():
    at = {box.key: box.x for box in boxes_of({"a": [], "b": [], "below_b": ["b"], "below_a": ["a"]})}

    assert at["a"] < at["b"]
    assert at["below_a"] < at["below_b"]


def test_a_stage_of_300_tasks_becomes_a_block_and_what_waits_stands_below_it():
    boxes = boxes_of({**{f"t{n}": [] for n in range(300)}, "last": [f"t{n}" for n in range(300)]})

    assert max(box.x for box in boxes) + BOX_WIDTH < 3000
    assert boxes[-1].key == "last"


def test_what_is_waited_for_and_is_not_there_gets_no_box():
    assert [box.key for box in boxes_of({"a": ["elsewhere"]})] == ["a"]


def test_tasks_that_wait_for_each_other_cannot_be_laid_out():
    with pytest.raises(CycleError):
        boxes_of({"a": ["b"], "b": ["a"]})
