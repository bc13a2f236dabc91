"""Rows as uses of a blueprint, as far as nothing is read for it."""

from __future__ import annotations

from lakeflow_job_meta.blueprints.model import Library
from lakeflow_job_meta.blueprints.row_reading import RowSet, TableRow
from lakeflow_job_meta.blueprints.rows import RowSource, units_of_rows
from lakeflow_job_meta.config.model import RowMapping
from lakeflow_job_meta.diagnostics.model import SourceRef, UnreadableDocument

ORIGIN = SourceRef(UnreadableDocument("job_meta.yml"))


def units(rows: RowSet, mapping: RowMapping, library: Library | None = None):
    return units_of_rows(RowSource((rows,), mapping, ORIGIN), library or Library({}))


def test_of_a_query_without_rows_not_even_the_columns_are_known():
    found = units(RowSet("q", (), []), RowMapping("${column.kind}", {}, ("id",), "${column.team}"))

    assert (found.units, found.problems, found.is_usable) == ((), (), True)


def test_a_blueprint_that_may_be_where_nothing_could_be_read_makes_the_rows_unusable_without_a_word():
    found = units(RowSet("q", ("id",), [TableRow(("a",))]), RowMapping("b", key=("id",)), Library({}, is_whole=False))

    assert (found.units, found.problems, found.is_usable) == ((), (), False)


def test_columns_of_one_name_in_another_case_are_found():
    rows = RowSet("q", ("ID", "Kind"), [TableRow(("a", "x")), TableRow(("b", "y"))])
    found = units(rows, RowMapping("${column.KIND}", key=("id",)))

    assert (len(found.units), found.problems) == (2, ())


def test_each_row_is_a_unit_of_its_own_that_nothing_else_changes():
    mapping = RowMapping("${column.kind}", key=("id",))
    one = units(RowSet("q", ("id", "kind"), [TableRow(("a", "x")), TableRow(("b", "y"))]), mapping)
    other = units(RowSet("q", ("id", "kind"), [TableRow(("c", "z")), TableRow(("b", "y"))]), mapping)

    digests = [{unit.digest for unit in each.units} for each in (one, other)]
    assert len(digests[0] & digests[1]) == 1


def test_a_number_and_the_same_as_text_or_as_true_are_different_rows():
    mapping = RowMapping("${column.kind}", key=("id",))
    found = [units(RowSet("q", ("id", "kind"), [TableRow(("a", each))]), mapping) for each in (1, "1", True, 1.0)]

    assert len({unit.digest for each in found for unit in each.units}) == 4
