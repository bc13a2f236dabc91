"""Rows that become maps late are the same as maps: in every place where a sequence of maps could stand."""

from __future__ import annotations

import pickle

from hypothesis import given
from hypothesis import strategies as st

from lakeflow_job_meta.parsing.rows import units_of_rows
from lakeflow_job_meta.tables.rows import TableRows

cells = st.none() | st.text(max_size=3) | st.integers(0, 2) | st.booleans()
ragged = st.lists(st.dictionaries(st.sampled_from(["source_id", "module_name", "blueprint", "own"]), cells))
even = st.lists(st.tuples(st.sampled_from(["a", "b", None]), cells, cells))
COLUMNS = ("module_name", "source_id", "own")


@given(ragged)
def test_rows_give_back_the_maps_that_they_were_made_of(maps):
    rows = TableRows.of(maps)

    assert (rows, [*rows], rows[:], [rows[number] for number in range(len(rows))]) == (maps,) * 4
    assert pickle.loads(pickle.dumps(rows)) == maps
    assert TableRows.of(rows) is rows


@given(ragged, st.sampled_from(["source_id", "own", "nowhere"]))
def test_a_column_has_nothing_where_a_row_lacks_it(maps, name):
    assert TableRows.of(maps).column(name) == [row.get(name) for row in maps]


@given(even, st.randoms(use_true_random=False))
def test_some_of_the_rows_are_rows_in_the_order_that_was_asked_for(cells, chance):
    numbers = [chance.randrange(len(cells)) for _ in cells]

    found = TableRows(COLUMNS, cells).only(numbers)

    assert found == [dict(zip(COLUMNS, cells[number], strict=True)) for number in numbers]


@given(even, even)
def test_units_have_the_same_digest_where_all_their_cells_are_the_same_and_else_another(one, other):
    def by_digest(cells):
        return {unit.digest: repr([*unit.read.args[1]]) for unit in units_of_rows("t", TableRows(COLUMNS, cells))}

    first, second = by_digest(one), by_digest(other)

    assert len({**first, **second}) == len({*first.values(), *second.values()})


def test_a_row_without_a_column_has_another_digest_than_one_with_nothing_in_it():
    def digests(**own):
        return [unit.digest for unit in units_of_rows("t", [{"module_name": "a"}, {"module_name": "b", **own}])]

    assert digests(own=None)[1] != digests()[1]
    assert [unit.digest for unit in units_of_rows("t", [{"module_name": "a", "own": None}])] != [
        unit.digest for unit in units_of_rows("t", [{"module_name": "a"}])
    ]
