"""JSON with comments, as editors have it: what is read, and that setting a member loses nothing else."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakeflow_job_meta.text.json_with_comments import read_json_with_comments, with_json_member
from support.strategies import trees

keys = st.text("ab/*,\"\\ {}[]:'", max_size=4)
objects = st.dictionaries(keys, trees(st.text('a/*,"\\{}[]') | st.integers() | st.none(), keys), max_size=4)
blanks = st.sampled_from(["", " ", "\n", "\n  ", ' /* a, "b" { */ ', " // it's {\n", "\t"])

SETTINGS = """\
{
  // how wide
  "editor.tabSize": 2, // two
  "yaml.schemas": {
    "https://a.b/c.json": ["x.yml"], /* not ours */
  },
}
"""


@st.composite
def commented(draw) -> tuple[str, dict]:
    """An object, and a text of it with comments between its tokens and commas behind its last items."""
    value = draw(objects)
    pieces = []

    def write(value: object) -> None:
        pieces.append(draw(blanks))
        if not isinstance(value, (dict, list)):
            pieces.append(json.dumps(value))
            return
        opener, closer = "{}" if isinstance(value, dict) else "[]"
        pieces.append(opener)
        for number, item in enumerate(value):
            if isinstance(value, dict):
                pieces.extend((draw(blanks), json.dumps(item), draw(blanks), ":"))
            write(value[item] if isinstance(value, dict) else item)
            pieces.extend((draw(blanks), "," if number < len(value) - 1 or draw(st.booleans()) else ""))
        pieces.extend((draw(blanks), closer))

    write(value)
    return "".join(pieces), value


@given(commented())
def test_comments_and_last_commas_change_no_value(case):
    text, value = case

    assert read_json_with_comments(text) == value


@given(commented(), st.lists(keys, min_size=1, max_size=3), st.integers() | st.lists(st.text("ab"), max_size=2))
def test_a_member_is_set_and_all_else_stays_or_nothing_is_changed(case, path, new):
    text, value = case

    changed = with_json_member(text, path, new)

    if changed is not None:
        expected = inner = json.loads(json.dumps(value))
        for key in path[:-1]:
            inner = inner.setdefault(key, {})
        inner[path[-1]] = new
        assert read_json_with_comments(changed) == expected
        assert [*expected] == [*read_json_with_comments(changed)]
        for comment in ("it's {", '/* a, "b" { */'):
            assert changed.count(comment) == text.count(comment)


def test_a_new_member_comes_last_in_the_layout_of_the_others():
    assert with_json_member(SETTINGS, ["yaml.schemas", "ours.json"], ["y.yml"]) == SETTINGS.replace(
        "/* not ours */\n", '/* not ours */\n    "ours.json": [\n      "y.yml"\n    ]\n'
    )


def test_the_line_ends_of_the_file_stay():
    changed = with_json_member('{\r\n\t"a": 1\r\n}\r\n', ["b"], [1])

    assert changed == '{\r\n\t"a": 1,\r\n\t"b": [\r\n\t\t1\r\n\t]\r\n}\r\n'


@pytest.mark.parametrize("text", ["", "\n", "{}", "{\n}\n", "\ufeff{}"])
def test_what_is_empty_gets_its_first_member(text):
    changed = with_json_member(text, ["a", "b"], 1)

    assert read_json_with_comments(changed) == {"a": {"b": 1}}


@pytest.mark.parametrize(
    "text", ["[]", "{", "{'a': 1}", '{"a": [1]}', '{"a": {"b": [1 /* c */]}}', '{"x": 1, "x": 2}', "[" * 100_000]
)
def test_what_cannot_be_edited_without_a_loss_is_left(text):
    assert with_json_member(text, ["a", "b"], 1) is None
