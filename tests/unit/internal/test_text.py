"""Values in messages: short, and never without what is wrong in them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakeflow_job_meta._internal.text import LONGEST_QUOTE, cells, did_you_mean, listing, padded, quoted, quoted_apart
from lakeflow_job_meta._internal.trees import Difference

LONG = "x" * 200
_MARKS = 8
"""What stands for what was left out, and in which quotes the rest is."""


@pytest.mark.parametrize("value", ["", "a", "it's", 5, None, True, {"a": 1}])
def test_a_short_value_is_shown_whole(value):
    assert "..." not in quoted(value)


@given(st.text(min_size=LONGEST_QUOTE))
def test_a_long_value_keeps_its_beginning_and_its_end(text):
    shown = quoted(text)
    assert len(shown) <= LONGEST_QUOTE
    assert shown[:10] == repr(text)[:10]
    assert shown[-10:] == repr(text)[-10:]


@given(before=st.text("ab", max_size=300), after=st.text("ab", max_size=300))
def test_what_is_wrong_is_shown_wherever_it_is(before, after):
    shown = quoted(f"{before}!{after}", at=len(before))
    assert "!" in shown
    assert len(shown) <= LONGEST_QUOTE + _MARKS


@given(before=st.text("ab", max_size=300), after=st.text("ab", max_size=300))
def test_two_long_values_show_where_they_differ(before, after):
    one, other = quoted_apart(f"{before}1{after}", f"{before}2{after}")
    assert "1" in one
    assert "2" in other


def test_the_name_of_a_file_is_shown_behind_many_folders():
    assert quoted(f"notebooks/{LONG}/ingest.py").endswith("/ingest.py'")


def test_names_are_listed_whole_and_what_is_none_is_cut():
    assert listing([LONG, "b"]) == f"'{LONG}', 'b'"
    assert len(listing(["[" * 100_000])) < 100
    assert len(did_you_mean("x" * 100_000, ["x" * 99_999])) < 100


def test_a_change_shows_both_values_where_they_differ():
    sql = Difference(("description",), f"{LONG} one {LONG}", f"{LONG} two {LONG}")
    assert " one " in str(sql)
    assert " two " in str(sql)


@pytest.mark.parametrize("text", ["plain", "長い名前", "e\u0301t\u00e9"])
def test_a_padded_text_takes_as_many_cells_as_are_asked_for(text):
    assert cells(padded(text, 12)) == 12
    assert padded(text, 12).rstrip() == text
