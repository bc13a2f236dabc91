"""Trees with placeholders: compiled once, filled many times."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from lakeflow_job_meta.blueprints.template import compile_template, names_in, placeholders_in
from support.strategies import trees

VALUES: Any = {"text": "a", "number": 2, "real": 1.0, "yes": True, "list": [1], "map": {"k": None}, "none": None}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("${param.text}", "a"),
        ("${param.number}", 2),
        ("${param.yes}", True),
        ("${param.list}", [1]),
        ("${param.map}", {"k": None}),
        ("${param.none}", None),
        ("x ${param.number}-${param.real}-${param.yes}", "x 2-1.0-true"),
        ("${param.text}${param.text}", "aa"),
        ("${param.none}!", None),
        (" ${param.text}", " a"),
        ("$${param.text}", "$a"),
        ("${param.text", "${param.text"),
        ("${ param.text}", "${ param.text}"),
        ("${PARAM.text}", "${PARAM.text}"),
        ("{{param.text}} ${var.x}", "{{param.text}} ${var.x}"),
        ({"a": "${param.none}", "b": None, "c": {"d": "${param.none}"}}, {"b": None, "c": {}}),
        (["${param.none}", "${param.number}"], [None, 2]),
        ({"${param.text}": 1}, {"${param.text}": 1}),
    ],
)
def test_a_whole_placeholder_keeps_its_type_and_one_in_text_is_written_like_yaml(template, expected):
    found = compile_template(template).fill(VALUES)

    assert (found, type(found)) == (expected, type(expected))


def test_what_a_value_holds_is_never_looked_at_for_placeholders():
    values: Any = {"a": "${param.b}", "b": {"x": "${param.a}"}}

    assert compile_template("${param.a} ${param.a}").fill(values) == "${param.b} ${param.b}"
    assert compile_template({"y": "${param.b}"}).fill(values) == {"y": {"x": "${param.a}"}}


@given(trees())
def test_a_value_without_placeholders_is_itself(value):
    if not names_in(value):
        assert compile_template(value).fill(VALUES) is value


def test_parts_without_placeholders_are_shared_between_all_that_is_made():
    written: Any = {"constant": {"a": [1]}, "filled": "${param.text}"}
    template = compile_template(written)

    assert template.fill(VALUES)["constant"] is template.fill(VALUES)["constant"]  # type: ignore[index,call-overload]


def test_placeholders_are_found_with_their_paths():
    found = list(placeholders_in({"a": ["x ${param.b}", "${param.c}"]}))

    assert found == [(("a", 0), "b", False), (("a", 1), "c", True)]
