"""Safe suggestions applied to YAML text: what changes, what stays, and what is left alone."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from lakeflow_job_meta._internal.trees import KeyPath, diff
from lakeflow_job_meta.diagnostics.model import Diagnostic, Severity, Suggestion, SuggestionKind
from lakeflow_job_meta.text.yaml_documents import LINE_END, YamlDocument
from lakeflow_job_meta.text.yaml_edits import FixedText, fix_yaml
from lakeflow_job_meta.text.yaml_reader import read_yaml


def problem(text: str, path: KeyPath, replacement: object, *, rename: bool = False) -> Diagnostic:
    """A diagnostic at a key or value of a text, with a suggestion."""
    document = YamlDocument("metadata/a.yml", text)
    location, line = document.locate(path, of_key=rename)
    kind = SuggestionKind.RENAME_KEY if rename else SuggestionKind.REPLACE_VALUE
    suggestion = Suggestion(kind, replacement, is_safe=True)
    setting = document.subject(path).setting
    return Diagnostic(Severity.ERROR, "unknown-field", "wrong", location, line, suggestion, setting=setting)


def fixed(text: str, path: KeyPath, replacement: object, *, rename: bool = False) -> str:
    """Applies one suggestion that can be applied."""
    result = fix_yaml(text, [problem(text, path, replacement, rename=rename)])
    assert result.left == ()
    return result.text


def refused(result: FixedText) -> list[str]:
    assert result.fixed == ()
    return [reason for _, reason in result.left]


class TestKeys:
    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ("tsk: 1\n", "task: 1\n"),
            ("tsk : 1 # tsk\n", "task : 1 # tsk\n"),
            ('"tsk": 1\n', '"task": 1\n'),
            ("'tsk': 1\n", "'task': 1\n"),
            ("{tsk: 1, b: 2}\n", "{task: 1, b: 2}\n"),
            ('{"tsk":1}\n', '{"task":1}\n'),
            ("? tsk\n: 1\n", "? task\n: 1\n"),
            ("tsk:\n", "task:\n"),
            ("tsk:\r\n  - a\r\n", "task:\r\n  - a\r\n"),
            ("ü😀: 1\r\ntsk:\t1\t# x\r\n", "ü😀: 1\r\ntask:\t1\t# x\r\n"),
            ("a: 1\rtsk: 2\r", "a: 1\rtask: 2\r"),
            ("a: x\u2028  y\ntsk: 2\n", "a: x\u2028  y\ntask: 2\n"),
            ("--- # x\ntsk: 1\n...\n", "--- # x\ntask: 1\n...\n"),
            ("%YAML 1.1\n---\ntsk: 1\n", "%YAML 1.1\n---\ntask: 1\n"),
        ],
    )
    def test_a_key_is_renamed_and_all_else_stays(self, before, after):
        assert fixed(before, ("tsk",), "task", rename=True) == after

    def test_a_key_that_needs_quotes_gets_them(self):
        assert fixed("a: 1\n", ("a",), "on", rename=True) == '"on": 1\n'
        assert fixed("a: 1\n", ("a",), "x: y", rename=True) == '"x: y": 1\n'
        assert fixed("'a': 1\n", ("a",), "it's", rename=True) == '"it\'s": 1\n'

    def test_a_number_as_a_key_is_put_in_quotes(self):
        document = YamlDocument("metadata/a.yml", "tags: {2024: x}  # year\n")
        (fault,) = map(document.report, document.faults())

        result = fix_yaml(document.text, [fault])

        assert result.text == 'tags: {"2024": x}  # year\n'
        assert read_yaml(result.text).faults == []

    def test_the_same_key_is_renamed_wherever_it_is_reported(self):
        text = "a: {tsk: 1}\nb:\n  tsk: 2\nc: [{tsk: tsk}] # tsk\n"
        problems = [problem(text, (*path, "tsk"), "task", rename=True) for path in (("a",), ("b",), ("c", 0))]

        result = fix_yaml(text, problems)

        assert result.text == "a: {task: 1}\nb:\n  task: 2\nc: [{task: tsk}] # tsk\n"
        assert result.fixed == tuple(problems)

    def test_a_key_that_is_there_already_is_not_given_twice(self):
        text = "tsk: 1\ntask: 2\n"
        result = fix_yaml(text, [problem(text, ("tsk",), "task", rename=True)])
        assert refused(result) == ["the key 'task' is there already"]
        assert result.text == text

    def test_of_two_keys_that_would_become_one_only_the_first_is_renamed(self):
        text = "tsk: 1\ntaks: 2\n"
        result = fix_yaml(text, [problem(text, (key,), "task", rename=True) for key in ("tsk", "taks")])
        assert result.text == "task: 1\ntaks: 2\n"
        assert [reason for _, reason in result.left] == ["more than this would change"]

    def test_what_is_missing_does_not_rename_what_would_hold_it(self):
        text = "a:\n  b: 1\n"
        assert refused(fix_yaml(text, [problem(text, ("a", "c"), "task", rename=True)])) == [
            "it is no single key or value"
        ]


class TestValues:
    @pytest.mark.parametrize(
        ("before", "replacement", "after"),
        [
            ('a: "5" # five\n', 5, "a: 5 # five\n"),
            ("a: '5'\n", 5, "a: 5\n"),
            ('a: ["5", "5"]\n', 5, 'a: ["5", 5]\n'),
            ('{"a":"5"}\n', 5, '{"a":5}\n'),
            ('a: "true"\n', True, "a: true\n"),
            ('a: "0.5"\n', 0.5, "a: 0.5\n"),
            ("a: 5\n", "5", 'a: "5"\n'),
            ("a: 1.10   # version\n", "1.10", 'a: "1.10"   # version\n'),
            ("a: {b: true}\n", "true", 'a: {b: "true"}\n'),
            ("a: continuos\n", "CONTINUOUS", "a: CONTINUOUS\n"),
            ("a: 'continuos'\n", "CONTINUOUS", "a: 'CONTINUOUS'\n"),
            ('a: "continuos"\r\n', "CONTINUOUS", 'a: "CONTINUOUS"\r\n'),
        ],
    )
    def test_a_value_is_replaced_and_all_else_stays(self, before, replacement, after):
        path = ("a", 1) if "[" in before else ("a", "b") if "b:" in before else ("a",)
        assert fixed(before, path, replacement) == after

    @pytest.mark.parametrize(
        "before", ["a: &x '5'\n", "a: !!str 5\n", "a: |\n  5\n", "a: 'x\n  y'\n", "a: {}\n", "a:\n"]
    )
    def test_what_is_no_plain_or_quoted_text_in_one_line_is_left_alone(self, before):
        result = fix_yaml(before, [problem(before, ("a",), 5)])
        assert len(refused(result)) == 1
        assert result.text == before


class TestAliases:
    @pytest.mark.parametrize(
        ("text", "path"),
        [
            ("x: &s {tsk: 1}\ny: *s\n", ("x", "tsk")),
            ("x: &s {tsk: 1}\ny: *s\n", ("y", "tsk")),
            ("x: &s\n  b: {tsk: 1}\ny:\n  <<: *s\n", ("y", "b", "tsk")),
            ("y:\n  <<: {tsk: 1}\n", ("y", "tsk")),
            ("x: &tsk tsk\ny: {*tsk : 1}\n", ("y", "tsk")),
        ],
    )
    def test_what_is_repeated_elsewhere_is_left_alone(self, text, path):
        result = fix_yaml(text, [problem(text, path, "task", rename=True)])
        assert len(refused(result)) == 1
        assert result.text == text

    def test_what_is_beside_an_alias_is_fixed(self):
        text = "x: &s {a: 1}\ny: {<<: *s, tsk: 2}\nz: &unused {tsk: 3}\n"
        result = fix_yaml(text, [problem(text, (key, "tsk"), "task", rename=True) for key in "yz"])
        assert result.text == "x: &s {a: 1}\ny: {<<: *s, task: 2}\nz: &unused {task: 3}\n"

    def test_a_new_name_that_hides_a_merged_key_is_refused(self):
        text = "x: &s {task: 1}\ny: {<<: *s, tsk: 2}\n"
        assert len(refused(fix_yaml(text, [problem(text, ("y", "tsk"), "task", rename=True)]))) == 1


words = st.text("abcdefgh _-.:#'\"\t😀ü日\x85\u2028", min_size=1, max_size=8)
leaves = words | st.integers(-5, 5) | st.booleans() | st.none() | st.text("a\n ", max_size=6)
documents = st.dictionaries(
    words,
    st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3)),
    min_size=1,
    max_size=4,
)


def paths_of(value: object, path: KeyPath = ()) -> list[KeyPath]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [*([path] if path else []), *(each for key, item in items for each in paths_of(item, (*path, key)))]


def with_change(value: object, path: KeyPath, change: object) -> object:
    """Returns a value with `change(parent, step)` applied to the parent at the path."""
    if len(path) == 1:
        return change(value, path[0])
    if isinstance(value, dict):
        return {key: with_change(item, path[1:], change) if key == path[0] else item for key, item in value.items()}
    return [with_change(item, path[1:], change) if n == path[0] else item for n, item in enumerate(value)]


def renamed(parent: dict, key: str) -> dict:
    return {"mispelt" if each == key else each: item for each, item in parent.items()}


def replaced(value: object):
    def change(parent: object, step: object) -> object:
        copy = parent.copy()
        copy[step] = value
        return copy

    return change


@st.composite
def texts_of(draw: st.DrawFn, value: object) -> str:
    """Writes a value in some style, with comments between and behind its lines."""
    text = yaml.safe_dump(
        value,
        default_flow_style=draw(st.sampled_from([None, True, False])),
        default_style=draw(st.sampled_from([None, '"', "'"])) if draw(st.booleans()) else None,
        width=draw(st.sampled_from([20, 1000])),
        indent=draw(st.sampled_from([2, 4])),
        allow_unicode=draw(st.booleans()),
        sort_keys=False,
    )
    lines = []
    for line in text.split("\n")[:-1]:
        if draw(st.integers(0, 4)) == 0:
            lines.append(f"{' ' * draw(st.integers(0, 3))}# mispelt: '5' ü")
        lines.append(line + draw(st.sampled_from(["", "", "", "  # mispelt: 5", "\t# x"])))
    decorated = draw(st.sampled_from(["\n", "\r\n"])).join([*lines, ""])
    # A comment inside a text of several lines is no comment.
    return decorated if is_same(read_yaml(decorated).value, value) else text


def is_same(one: object, other: object) -> bool:
    return not any(diff(one, other))


class TestAnyDocument:
    @given(documents, st.data())
    def test_a_misspelt_key_becomes_the_right_one_and_nothing_else_changes(self, meant, data):
        path = data.draw(st.sampled_from([path for path in paths_of(meant) if isinstance(path[-1], str)]))
        assume("mispelt" not in str(meant))
        wrong = with_change(meant, path, renamed)
        text = data.draw(texts_of(wrong))
        assume(read_yaml(text).faults == [] and is_same(read_yaml(text).value, wrong))

        self.assert_fixed(text, problem(text, (*path[:-1], "mispelt"), path[-1], rename=True), meant)

    @given(documents, st.data(), st.sampled_from([("5", 5), (5, "5"), ("true", True), (True, "true"), ("x", "y z")]))
    def test_a_wrong_value_becomes_the_right_one_and_nothing_else_changes(self, document, data, change):
        path = data.draw(st.sampled_from(paths_of(document)))
        wrong, meant = (with_change(document, path, replaced(value)) for value in change)
        text = data.draw(texts_of(wrong))
        assume(read_yaml(text).faults == [] and is_same(read_yaml(text).value, wrong))

        self.assert_fixed(text, problem(text, path, change[1]), meant)

    def assert_fixed(self, text: str, diagnostic: Diagnostic, meant: object) -> None:
        result = fix_yaml(text, [diagnostic])
        if result.left:
            # A dump in quotes gives numbers a tag; long text has several lines.
            assert [reason for _, reason in result.left] == ["it has an anchor, an alias, a tag or several lines"]
            assert result.text == text
            return
        assert is_same(read_yaml(result.text).value, meant)
        assert list(paths_of(read_yaml(result.text).value)) == list(paths_of(meant))
        at = diagnostic.location
        starts = [0, *(match.end() for match in LINE_END.finditer(text))]
        start, end = starts[at.line - 1] + at.column - 1, starts[at.end_line - 1] + at.end_column - 1
        assert result.text.startswith(text[:start])
        assert result.text.endswith(text[end:])
        assert len(result.text) - len(text[end:]) > start
        assert "\n" not in text[start:end]
