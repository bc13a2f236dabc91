"""Patterns of `.gitignore` files in any form: each has a meaning or none, and is compared in no time."""

from __future__ import annotations

import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakeflow_job_meta._internal.gitignore import IgnorePatterns
from support.examples import examples


@pytest.mark.parametrize(
    "lines",
    [("[[a]",), ("[a--b]",), ("(" * 5_000,), ("a{99999999999}",), ("(?P<a>x)", "(?P<a>y)"), ("[a", "]b"), ("\\",)],
)
def test_what_is_no_expression_or_a_doubtful_one_raises_and_warns_of_nothing(lines):
    IgnorePatterns(lines).deciding("a/b.txt")


@pytest.mark.skipif(sys.version_info < (3, 11), reason="expressions that never go back came with Python 3.11")
def test_many_stars_take_no_time():
    begin = time.process_time()

    assert IgnorePatterns(("*a" * 30 + "b",)).deciding("a" * 120) == ""
    assert IgnorePatterns(("*a" * 30 + "*b",)).deciding("a" * 120 + "b") == "*a" * 30 + "*b"
    assert time.process_time() - begin < 1


@settings(max_examples=examples(300))
@given(st.text("ab*.", max_size=8), st.text("ab.", min_size=1, max_size=8))
def test_a_star_stands_for_whatever_lets_the_rest_follow(pattern, name):
    def fits(pattern: str, text: str) -> bool:
        if not pattern:
            return not text
        if pattern[0] == "*":
            return any(fits(pattern[1:], text[at:]) for at in range(len(text) + 1))
        return text[:1] == pattern[0] and fits(pattern[1:], text[1:])

    assert bool(IgnorePatterns((pattern,)).deciding(name)) == (pattern != "" and fits(pattern, name))
