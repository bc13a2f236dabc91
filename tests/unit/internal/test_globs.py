"""Globs of paths and other texts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakeflow_job_meta._internal.globs import glob


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("a", "a", True),
        ("a", "ab", False),
        ("a*", "abc", True),
        ("a*", "a/b", False),
        ("a/**", "a/b/c", True),
        ("a/**", "a", False),
        ("a/**", "a/", False),
        ("a/**/c", "a/c", True),
        ("a/**/c", "a/b/b/c", True),
        ("a/**/c", "ab/c", False),
        ("**/c", "c", True),
        ("**/c", "a/b/c", True),
        ("**", "a/b", True),
        ("a**", "a/b", True),
        ("a?c", "abc", True),
        ("a?c", "a/c", False),
        ("[ab]c", "bc", True),
        ("[!ab]c", "bc", False),
        ("[!ab]c", "/c", False),
        ("a.c", "abc", False),
        ("a\nb*", "a\nbc", True),
        ("*", "a\n", True),
        ("${var.*}", "${var.*}", True),
        ("${var.x}/*", "${var.x}/a", True),
    ],
)
def test_a_glob_fits_whole_texts(pattern, text, fits):
    assert [bool(glob(pattern, takes_references=each).fullmatch(text)) for each in (True, False)] == [fits, fits]


@pytest.mark.parametrize("reference", ["${var.x}", "{{job.id}}", "a${var.x}", "a{{job.id}}b"])
@pytest.mark.parametrize("pattern", ["*", "**", "a*", "**/*", "?*", "[$a{]*"])
def test_a_wildcard_takes_a_reference_only_where_it_may(pattern, reference):
    assert not glob(pattern, takes_references=False).fullmatch(reference)


def test_a_wildcard_that_may_takes_references():
    assert glob("*", takes_references=True).fullmatch("${var.x}")


@given(st.text(alphabet="ab/*?[]!-{}$.\\^\n", max_size=12), st.text(alphabet="ab/{}$.", max_size=12))
def test_any_text_is_a_glob(pattern, text):
    glob(pattern, takes_references=False).fullmatch(text)
