"""What a parameter accepts, in each of the forms that values are written in."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakeflow_job_meta.blueprints.parameters import TYPES, Parameter, in_order_of_defaults, type_of
from lakeflow_job_meta.parsing.arguments import ValueForm
from support.strategies import finite_floats, trees

TYPED, COLUMNS, TEXT = ValueForm.TYPED, ValueForm.COLUMNS, ValueForm.TEXT


def read(kind: str, value: Any, form: ValueForm, **bounds: Any) -> Any:
    """Returns the value, or what is wrong with it."""
    found, mistake = Parameter("p", kind, None, True, **bounds).read(value, form)
    return found if mistake is None else mistake


@pytest.mark.parametrize(
    ("kind", "value", "form", "expected"),
    [
        ("text", "a", TEXT, "a"),
        ("text", "", TYPED, ""),
        ("text", 1, COLUMNS, "1"),
        ("text", 1, TYPED, "'p' must be text, not the number 1"),
        ("text", 1.5, COLUMNS, "'p' must be text, not the number 1.5"),
        ("text", True, COLUMNS, "'p' must be text, not true"),
        ("text", [1], COLUMNS, "'p' must be text, not a list"),
        ("number", "1", TEXT, 1),
        ("number", " 1 ", TEXT, 1),
        ("number", "-1.50", TEXT, -1.5),
        ("number", "1e3", TEXT, 1000.0),
        ("number", "007", TEXT, 7),
        ("number", "1,5", TEXT, "'p' must be a number, not the text '1,5'"),
        ("number", "0x10", TEXT, "'p' must be a number, not the text '0x10'"),
        ("number", "inf", TEXT, "'p' must be a number, not the text 'inf'"),
        ("number", "٣", TEXT, "'p' must be a number, not the text '٣'"),
        ("number", "1", COLUMNS, "'p' must be a number, not the text '1'"),
        ("number", True, COLUMNS, "'p' must be a number, not true"),
        ("number", float("nan"), COLUMNS, "'p' must be a number, not the number nan"),
        ("number", float("-inf"), COLUMNS, "'p' must be a number, not the number -inf"),
        ("boolean", "TRUE", TEXT, True),
        ("boolean", " false ", TEXT, False),
        ("boolean", "0", TEXT, "'p' must be true or false, not the text '0'"),
        ("boolean", 1, COLUMNS, "'p' must be true or false, not the number 1"),
        ("boolean", "true", COLUMNS, "'p' must be true or false, not the text 'true'"),
        ("list", '["a", 1]', TEXT, ["a", 1]),
        ("list", "[]", COLUMNS, []),
        ("list", '["a"]', TYPED, "'p' must be a list, not the text '[\"a\"]'"),
        ("list", '{"a": 1}', COLUMNS, "'p' must be a list, not the text '{\"a\": 1}'"),
        ("list", "a, b", TEXT, "'p' must be a list, not the text 'a, b'"),
        ("map", '{"a": {"b": null}}', COLUMNS, {"a": {"b": None}}),
        ("map", '{"a": 1, "a": 2}', TEXT, "'p' must be a map, not the text '{\"a\": 1, \"a\": 2}'"),
        ("map", [1], COLUMNS, "'p' must be a map, not a list"),
    ],
)
def test_a_value_is_read_as_the_type_of_its_parameter_as_far_as_its_form_lets_it(kind, value, form, expected):
    found = read(kind, value, form)

    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("kind", "value", "bounds", "expected"),
    [
        ("text", "abc", {"pattern": re.compile("[a-z]+")}, "abc"),
        ("text", "abc\n", {"pattern": re.compile("[a-z]+")}, "'abc\\n' does not match the pattern '[a-z]+' of 'p'"),
        ("text", "ab", {"least": 3}, "'p' must be at least 3 characters, not 2"),
        ("text", "abcd", {"most": 3}, "'p' must be at most 3 characters, not 4"),
        ("list", [1, 2], {"most": 1}, "'p' must be at most 1 items, not 2"),
        ("map", {}, {"least": 1}, "'p' must be at least 1 items, not 0"),
        ("number", 2.5, {"least": 2.5, "most": 2.5}, 2.5),
        ("number", 10**20, {"most": 5}, "'p' must be at most 5, not 100000000000000000000"),
        ("text", "b", {"one_of": ("a", "b")}, "b"),
        ("text", "c", {"one_of": ("a", "b")}, "'c' is not one of 'a', 'b'"),
        ("number", 1.0, {"one_of": (1, 2)}, 1.0),
        ("number", 3, {"one_of": (1, 2)}, "3 is not one of '1', '2'"),
    ],
)
def test_a_value_keeps_to_what_its_parameter_accepts(kind, value, bounds, expected):
    assert read(kind, value, TYPED, **bounds) == expected


@given(trees(), st.sampled_from(TYPES), st.sampled_from(list(ValueForm)))
def test_a_value_is_of_the_type_or_a_mistake(value, kind, form):
    found, mistake = Parameter("p", kind, None, True).read(value, form)

    assert (found is None) == (mistake is not None)
    assert mistake is not None or type_of(found) == kind


@given(st.sampled_from(TYPES), trees())
def test_a_typed_value_is_never_changed(kind, value):
    found, mistake = Parameter("p", kind, None, True).read(value, TYPED)

    assert mistake is not None or found is value


@given(st.integers() | finite_floats)
def test_a_number_that_is_written_in_a_file_is_read_back(number):
    text = str(number)

    assert read("number", text, TEXT) == number or len(text) > 40


@given(st.dictionaries(st.sampled_from("abcdef"), st.lists(st.sampled_from("abcdefg"), max_size=3), max_size=6))
def test_defaults_come_in_an_order_in_which_each_depends_on_earlier_ones_alone(needs: dict[str, list[str]]):
    defaults: Any = {name: "".join(f"${{param.{each}}}" for each in found) for name, found in needs.items()}

    ordered, in_circle = in_order_of_defaults(list(needs), defaults)

    assert sorted(ordered) == sorted(needs)
    for number, name in enumerate(ordered):
        depends = {each for each in needs[name] if each in needs}
        assert name in in_circle or depends <= set(ordered[:number])
    assert all(any(each in in_circle for each in needs[name]) for name in in_circle)
