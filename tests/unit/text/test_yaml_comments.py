"""Comments of a YAML text go with the values that they stand at, into another text and out of their own."""

from __future__ import annotations

from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakeflow_job_meta.text.yaml_commented_writer import write_commented
from lakeflow_job_meta.text.yaml_comments import CommentedYaml, Comments
from lakeflow_job_meta.text.yaml_reader import read_yaml
from support.examples import examples

TEXT = dedent("""\
    # head

    jobs:
      # above a
      a:  # behind a
        name: "x # no comment"  # behind name
        # inside, before list
        list:
          # first
          - one  # behind one
          # still in the list
        text: |  # behind text
          # no comment
          more

        # deeper than what follows
      # above b
      b: {c: d}  # behind b

      # far above c

      c: 1
    other: 2
    """)


def read(text: str) -> CommentedYaml:
    return CommentedYaml(text)


def test_comments_are_found_by_the_values_they_stand_at():
    assert read(TEXT).comments_of(("jobs", "a")) == {
        (): Comments(("# above a",), "# behind a", ("# deeper than what follows",)),
        ("name",): Comments(behind="# behind name"),
        ("list",): Comments(("# inside, before list",), after=("# still in the list",)),
        ("list", 0): Comments(("# first",), "# behind one"),
        ("text",): Comments(behind="# behind text"),
    }


def test_a_comment_apart_from_the_key_is_not_taken_along():
    assert read(TEXT).comments_of(("jobs", "c")) == {}


@pytest.mark.parametrize(
    ("path", "gone"),
    [
        (("jobs", "a"), ["a:  # behind", "no comment", "# above a", "# deeper", "more"]),
        (("jobs", "b"), ["# above b", "b: {c", "# behind b"]),
        (("jobs", "c"), ["c: 1"]),
    ],
)
def test_an_entry_is_taken_out_with_its_comments_and_everything_else_stays(path, gone):
    text = read(TEXT).without([path])
    assert text is not None
    left = [line for line in TEXT.splitlines() if line in text.splitlines()]
    assert [line for line in text.splitlines() if line.strip()] == [line for line in left if line.strip()]
    assert all(each not in text for each in gone)
    assert "# head" in text


def test_maps_that_are_empty_then_go_too():
    text = read(TEXT).without([("jobs", "a"), ("jobs", "b"), ("jobs", "c")])
    assert text is not None
    assert read_yaml(text).value == {"other": 2}


@pytest.mark.parametrize(
    "text",
    [
        "jobs: {a: 1, b: 2}\n",
        "jobs: {\n  a: 1,\n  b: 2\n}\n",
        "{jobs: \n {a: 1}}\n",
        "jobs:\n  a: &x {b: 1}\n  c: *x\n",
    ],
)
def test_what_does_not_stand_in_lines_of_its_own_is_not_taken_out(text):
    assert read(text).without([("jobs", "a")]) is None


def test_line_ends_of_windows_stay():
    text = "jobs:\r\n  a: 1\r\n  b: 2\r\n"
    assert read(text).without([("jobs", "a")]) == "jobs:\r\n  b: 2\r\n"


def test_a_value_is_written_with_its_comments_and_as_it_was():
    yaml = read(TEXT)
    path = ("jobs", "a")
    written = write_commented(yaml.value["jobs"]["a"], yaml.comments_of(path), yaml.written_below(path))
    assert written == dedent("""\
        # above a
        name: "x # no comment"  # behind name
        # inside, before list
        list:
          # first
          - one  # behind one
          # still in the list
        text: |  # behind text
          # no comment
          more
        # deeper than what follows
        """)


def test_a_comment_at_what_is_not_written_stands_at_what_is_around_it():
    comments = {("a", "gone"): Comments(("# above",), "# behind"), ("b", 0, "x"): Comments(behind="# in the list")}
    written = write_commented({"a": {"c": 1}, "b": ["item"]}, comments)
    assert written == "# above\na:  # behind\n  c: 1\nb:\n  - item  # in the list\n"


KEYS = st.sampled_from(["a", "b-c", "on", "x y", "1", "é"])
SCALARS = st.one_of(
    st.text(max_size=12),
    st.integers(-(10**6), 10**6),
    st.booleans(),
    st.sampled_from(["yes", "09", "1e3", "${var.x}", "a: b"]),
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=12
)


def paths_of(value: object, path: tuple = ()) -> list[tuple]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for step, item in items for found in paths_of(item, (*path, step)))]


@settings(max_examples=examples(300))
@given(st.dictionaries(KEYS, VALUES, min_size=1, max_size=4), st.data())
def test_what_is_written_is_read_back_with_every_comment_once(value, data):
    places = data.draw(st.lists(st.sampled_from(paths_of(value)[1:]), unique=True, max_size=5))
    comments = {
        path: Comments((f"# before {number}!",), f"# behind {number}!", (f"# after {number}!",))
        for number, path in enumerate(places)
    }
    text = write_commented(value, comments)
    content = read_yaml(text)
    assert not content.faults
    assert content.value == value
    for number in range(len(places)):
        for kind in ("before", "behind", "after"):
            assert text.count(f"# {kind} {number}!") == 1


@settings(max_examples=examples(300))
@given(st.dictionaries(KEYS, VALUES, min_size=2, max_size=4), st.data())
def test_an_entry_that_is_taken_out_leaves_the_others_as_they_were(value, data):
    places = data.draw(st.lists(st.sampled_from(paths_of(value)[1:]), unique=True, max_size=5))
    text = write_commented(value, {path: Comments(("# before",), "# behind") for path in places})
    gone = data.draw(st.sampled_from(sorted(value)))
    left = CommentedYaml(text).without([(gone,)])
    assert left is not None
    assert read_yaml(left).value == {key: item for key, item in value.items() if key != gone}
    assert set(left.splitlines()) <= set(text.splitlines())
