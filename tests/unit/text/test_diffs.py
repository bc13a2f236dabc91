"""Diffs: the same as difflib's for short texts, applicable for any, and quick where many of many lines differ."""

from __future__ import annotations

import difflib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakeflow_job_meta.text import diffs
from lakeflow_job_meta.text.diffs import unified_diff

few_lines = st.lists(st.sampled_from("abcdefgh"), max_size=40)


def applied(before: list[str], diff: list[str]) -> list[str]:
    """Returns what a diff makes of a text, and checks every line and number of it."""
    result, at = [], 0
    for line in diff[2:]:
        if line.startswith("@@"):
            old, new = (each[1:].split(",") for each in line.split(" ")[1:3])
            start = int(old[0]) - (old[1:] != ["0"])
            result += before[at:start]
            assert len(result) == int(new[0]) - (new[1:] != ["0"])
            at = start
        elif line.startswith("+"):
            result.append(line[1:])
        else:
            assert before[at] == line[1:]
            result += [line[1:]] if line.startswith(" ") else []
            at += 1
    return [*result, *before[at:]]


class TestUnifiedDiff:
    @given(few_lines, few_lines)
    def test_a_short_text_has_the_diff_of_difflib(self, before, after):
        assert list(unified_diff(before, after, "a", "b", end="\n")) == list(
            difflib.unified_diff(before, after, "a", "b")
        )

    @given(few_lines, few_lines)
    def test_the_diff_of_a_text_that_is_longer_than_a_window_makes_the_one_from_the_other(self, before, after):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(diffs, "_WINDOW", 5)
            diff = list(unified_diff(before, after, "a", "b", end=""))
        assert applied(before, diff) == after

    def test_lines_around_a_long_insertion_are_not_part_of_the_diff(self):
        before = [f"line {number}" for number in range(9000)]
        after = [*before[:4000], *(f"new {number}" for number in range(5000)), *before[4000:]]
        assert len(list(unified_diff(before, after, "a", "b", end=""))) == 3 + 5000 + 6

    @pytest.mark.slow
    @pytest.mark.timeout(20)
    def test_every_other_line_of_very_many_may_differ(self):
        before = [f"line {number}" for number in range(30_000)]
        after = [line if number % 2 else f"{line}!" for number, line in enumerate(before)]
        diff = list(unified_diff(before, after, "a", "b", end=""))
        assert sum(line.startswith("-line") for line in diff) == 15_000
        assert applied(before, diff) == after
