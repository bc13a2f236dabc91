"""Single values are set in YAML text, and everything else of it stays."""

from __future__ import annotations

import re
from textwrap import dedent

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lakeflow_job_meta._internal.trees import ABSENT, Value
from lakeflow_job_meta.text.yaml_reader import read_yaml
from lakeflow_job_meta.text.yaml_values import with_value
from lakeflow_job_meta.text.yaml_writer import to_yaml, to_yaml_key

TEXT = """\
modules:  # all of them
  # the first
  - module_name: sales  # its name
    job_config:
      schedule: {quartz_cron_expression: "0 0 6 * * ?", timezone_id: UTC}  # early
      tags:
        team: a  # who
        # and what for
        cost: '7'

    # what it does
    sources:
      - source_id: a
        execution_order: 1
        transformation_config: {notebook_path: /Workspace/a}
      - source_id: b
        transformation_config:
          notebook_path: /Workspace/b
          libraries:
            - pypi: {package: x}
            - pypi: {package: y}
# the end
"""
JOB = ("modules", 0, "job_config")
A = ("modules", 0, "sources", 0, "transformation_config")
B = ("modules", 0, "sources", 1, "transformation_config")


@pytest.mark.parametrize(
    ("path", "value", "before", "after"),
    [
        ((*JOB, "tags", "team"), "b", "team: a  # who", "team: b  # who"),
        ((*JOB, "tags", "team"), 7, "team: a  # who", "team: 7  # who"),
        ((*JOB, "tags", "team"), "yes", "team: a  # who", 'team: "yes"  # who'),
        ((*JOB, "tags", "cost"), "it's", "cost: '7'", "cost: 'it''s'"),
        ((*JOB, "schedule", "timezone_id"), "Europe/Rome", "UTC}", "Europe/Rome}"),
        ((*JOB, "schedule", "pause_status"), "PAUSED", "UTC}", 'UTC, pause_status: "PAUSED"}'),
        ((*JOB, "schedule", "timezone_id"), ABSENT, ", timezone_id: UTC}", "}"),
        ((*JOB, "schedule", "quartz_cron_expression"), ABSENT, 'quartz_cron_expression: "0 0 6 * * ?", ', ""),
        ((*JOB, "tags", "cost"), ABSENT, "        cost: '7'\n", ""),
        ((*JOB, "tags", "new"), "x", "cost: '7'\n", "cost: '7'\n        new: \"x\"\n"),
        (
            (*JOB, "email_notifications", "on_failure"),
            ["a@x"],
            "cost: '7'\n",
            "cost: '7'\n      email_notifications:\n        on_failure:\n          - \"a@x\"\n",
        ),
        ((*A, "max_retries"), 3, "/Workspace/a}", "/Workspace/a, max_retries: 3}"),
        ((*B, "max_retries"), 3, "package: y}\n", "package: y}\n          max_retries: 3\n"),
        ((*B, "notebook_path"), ABSENT, "          notebook_path: /Workspace/b\n", ""),
        ((*B, "libraries", 1, "pypi", "package"), "z", "package: y", "package: z"),
        ((*JOB, "tags"), {"one": 1}, None, None),
    ],
)
def test_a_value_is_set_and_comments_stay(path, value, before, after):
    new = with_value(TEXT, path, value)

    assert new is not None
    if before is None:
        assert read_yaml(new).value["modules"][0]["job_config"]["tags"] == value
    else:
        assert TEXT.count(before) == 1
        assert new == TEXT.replace(before, after)


@pytest.mark.parametrize(
    ("text", "path", "value", "expected"),
    [
        ("a:\n", ("a", "b"), 1, "a: {b: 1}\n"),
        ("a:  # none\n", ("a", "b"), 1, "a: {b: 1}  # none\n"),
        ("a: {}\n", ("a", "b", "c"), "x", 'a: {b: {c: "x"}}\n'),
        ("a: 1", ("b",), 2, "a: 1\nb: 2"),
        ("- a: 1\n  b: 2\n", (0, "a"), ABSENT, "- b: 2\n"),
        ("- a: 1\n  # of b\n  b: 2\n", (0, "a"), ABSENT, None),
        ("a:\n  b: 1\nc: 2\n", ("a", "b"), ABSENT, "a: {}\nc: 2\n"),
        ("a: |\n  one\n  two\nb: 1\n", ("a",), "x\ny", 'a: "x\\ny"\nb: 1\n'),
        ("a:\n  b: |\n    one\nc: 1\n", ("a", "d"), 2, "a:\n  b: |\n    one\n  d: 2\nc: 1\n"),
        ("a: &x 1\nb: *x\n", ("b",), 2, None),
        ("a: &x {c: 1}\nb: *x\n", ("a", "c"), 2, None),
        ("a: &x {c: 1}\nb: {<<: *x, d: 1}\n", ("b", "c"), 2, None),
        ("a: 1\n", ("a", "b"), 2, None),
        ("a: [1]\n", ("a", 3), 2, None),
    ],
)
def test_what_would_change_more_is_left_alone(text, path, value, expected):
    new = with_value(text, path, value)

    assert new == expected or (expected is None and new is None)


SCALARS = st.one_of(st.integers(), st.booleans(), st.text(max_size=8), st.sampled_from(["0 0 6 * * ?", "a\nb\n", "no"]))
KEYS = st.text("abcdef_", min_size=1, max_size=3)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=8,
)


def commented(text: str, numbers: list[int]) -> str:
    """Puts comments behind lines and between them, where no text of several lines stands."""
    if "|" in text:
        return text
    lines: list[str] = []
    for number, line in enumerate(text.split("\n")):
        if number in numbers:
            lines.append(f"# comment {number}")
        lines.append(f"{line}  # behind {number}" if number + 1 in numbers else line)
    return "\n".join(lines) + "\n"


def paths_in(value: Value, path: tuple = ()) -> list[tuple]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, item in items for found in paths_in(item, (*path, key)))]


@given(
    value=st.dictionaries(KEYS, VALUES, min_size=1, max_size=4),
    new=st.one_of(VALUES, st.just(ABSENT)),
    numbers=st.lists(st.integers(0, 12), max_size=6),
    data=st.data(),
)
def test_the_text_holds_the_new_value_and_every_comment_outside_of_it(value, new, numbers, data):
    assume(all("#" not in text and "comment" not in text for text in re.findall(r'"[^"]*"', to_yaml(value))))
    text = commented(to_yaml(value), numbers)
    assume(read_yaml(text).value == value and not read_yaml(text).faults)
    path = data.draw(st.sampled_from([each for each in paths_in(value) if each]))
    if data.draw(st.booleans()) and isinstance(path[-1], str):
        path = (*path[:-1], data.draw(KEYS))

    written = with_value(text, path, new)

    if written is None:
        return
    found = read_yaml(written).value
    for step in path[:-1]:
        found = found[step]
    assert path[-1] not in found if new is ABSENT else found[path[-1]] == new
    if not isinstance(new, (dict, list)) and new is not ABSENT and path in paths_in(value):
        old = value
        for step in path:
            old = old[step]
        if not isinstance(old, (dict, list)):
            assert re.findall(r"# \w+ \d+", written) == re.findall(r"# \w+ \d+", text)


def test_a_value_can_nearly_always_be_set():
    text = dedent(
        """
        a: {b: 1, c: [1, 2]}
        d:
          e: "x"
          f:
            - g: 1
              h: 2
        """
    )
    for path in paths_in(read_yaml(text).value):
        if path:
            assert with_value(text, path, "new") is not None, path
    assert to_yaml_key("a") == "a"
