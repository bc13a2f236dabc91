"""What the YAML reader reads, what it refuses, and where it says that something stands."""

from __future__ import annotations

import math

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from lakeflow_job_meta.text.yaml_errors import Mark, Span
from lakeflow_job_meta.text.yaml_reader import MAX_CHARACTERS, MAX_DEPTH, MAX_VALUES_FROM_ALIASES, read_yaml
from lakeflow_job_meta.text.yaml_writer import to_yaml
from support.project_folder import at_caret
from support.strategies import any_text, maps, texts, trees


def value_of(text: str) -> object:
    """Reads a text that has nothing wrong with it."""
    content = read_yaml(text)
    assert content.faults == []
    return content.value


def fault_of(text: str) -> tuple[str, str]:
    """Reads a text with one fault; returns its kind and message."""
    (fault,) = read_yaml(text, with_positions=True).faults
    return fault.kind, fault.message


def assert_refused(marked: str, kind: str, words: str) -> None:
    """The text has a first fault of this kind, at the caret, with these words."""
    text, place = at_caret(marked)
    fault = read_yaml(text, with_positions=True).faults[0]
    assert (fault.kind, f"{fault.mark.line}:{fault.mark.column}") == (kind, place)
    assert words in fault.message
    assert [each.kind for each in read_yaml(text).faults] == [
        each.kind for each in read_yaml(text, with_positions=True).faults
    ]


class TestScalars:
    @pytest.mark.parametrize(
        "text",
        [
            *(
                "yes",
                "no",
                "on",
                "off",
                "y",
                "n",
                "Yes",
                "ON",
                "TrUe",
                "nULL",
                "tRUE",
                "1 000",
                "2024-01-01",
                "12:30:45",
            ),
            *("09", "0123", "-012", "1_000", "0b11", "1e", "1.2.3", "+", ".", "0x", "0xg", "=", "1:30", "0o9", "08.5"),
        ],
    )
    def test_what_readers_of_yaml_disagree_about_is_text(self, text):
        assert value_of(f"a: {text}") == {"a": text}

    @pytest.mark.parametrize(("text", "value"), [("true", True), ("True", True), ("TRUE", True), ("false", False)])
    def test_only_true_and_false_are_booleans(self, text, value):
        assert value_of(f"a: {text}") == {"a": value}

    @pytest.mark.parametrize("text", ["", "~", "null", "Null", "NULL"])
    def test_nothing_is_null(self, text):
        assert value_of(f"a: {text}") == {"a": None}

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            *(
                ("0", 0),
                ("1", 1),
                ("-7", -7),
                ("+7", 7),
                ("0x1F", 31),
                ("0o14", 12),
                ("9223372036854775807", 2**63 - 1),
            ),
            *(("1.0", 1.0), ("-0.5", -0.5), (".5", 0.5), ("1.", 1.0), ("1e3", 1000.0), ("1.5E-3", 0.0015)),
        ],
    )
    def test_numbers_keep_their_kind(self, text, value):
        found = value_of(f"a: {text}")["a"]
        assert (found, type(found)) == (value, type(value))

    @pytest.mark.parametrize("text", ["'{}'", '"{}"', "|-\n  {}", ">-\n  {}"])
    @pytest.mark.parametrize("inner", ["true", "1", "null", "~", "1.5", "yes"])
    def test_quoted_and_block_values_are_text(self, text, inner):
        assert value_of("a: " + text.format(inner)) == {"a": inner}

    def test_tags_of_the_core_are_followed(self):
        assert value_of(
            '{a: !!str 1, b: !!int "3", c: !!float 1, d: !!map {}, e: !!seq [], f: !!bool true, g: ! 1}'
        ) == {
            "a": "1",
            "b": 3,
            "c": 1.0,
            "d": {},
            "e": [],
            "f": True,
            "g": "1",
        }

    @pytest.mark.parametrize("text", ["", "# only a comment\n", "\n\n", "---\n", "---\n...\n"])
    def test_an_empty_text_is_null(self, text):
        assert value_of(text) is None

    @pytest.mark.parametrize("ending", ["\n", "\r\n"])
    def test_line_endings_do_not_matter(self, ending):
        assert value_of(ending.join(["a: 1", "b: |", "  x", "  y", ""])) == {"a": 1, "b": "x\ny\n"}


class TestRefused:
    @pytest.mark.parametrize(
        ("marked", "words"),
        [
            ("a: 1\nb: 2\n‸a: 3\n", "the key 'a' is given twice in this map (first at line 1)"),
            ("x:\n  - {a: 1, b: 2, ‸'a': 3}\n", "'a' is given twice"),
            ("? a\n: 1\n? ‸a\n: 2\n", "'a' is given twice"),
            ("x: &k a\n*k : 1\n‸*k : 2\n", "'a' is given twice"),
        ],
    )
    def test_a_key_that_stands_twice_is_refused(self, marked, words):
        assert_refused(marked, "duplicate-key", words)

    @pytest.mark.parametrize(
        ("marked", "words"),
        [
            ("a:\n  ‸1: x\n", 'write it in quotes: "1"'),
            ("‸true: x\n", 'write it in quotes: "true"'),
            ("‸~: x\n", 'write it in quotes: "~"'),
            ("?‸\n: x\n", "a key is missing before the colon"),
            ("‸1.5: x\n", 'write it in quotes: "1.5"'),
            ("? ‸[a]\n: x\n", "a key must be text"),
            ("a: {‸{job.id}}\n", "put it in quotes"),
            ("n: &k 1\n‸*k : x\n", "a key must be text"),
        ],
    )
    def test_a_key_that_is_not_text_is_refused(self, marked, words):
        assert_refused(marked, "value", words)

    @pytest.mark.parametrize("second", ["---\nb: 2\n", "--- {}\n", "...\n---\nb: 2\n"])
    def test_several_documents_are_refused(self, second):
        kind, message = fault_of("a: 1\n" + second)
        assert kind == "document"
        assert "a second document starts here" in message

    @pytest.mark.parametrize("marked", ["&a [‸*a]", "&a {b: [1, {c: ‸*a}]}", "x: &a\n  y: &b\n    z: ‸*a\n"])
    def test_an_alias_inside_its_own_anchor_is_refused(self, marked):
        assert_refused(marked, "syntax", "never ends")

    def test_an_alias_without_an_anchor_is_refused(self):
        assert_refused("a: ‸*nowhere\n", "syntax", "no anchor &nowhere")

    @pytest.mark.parametrize("opener", ["[", "{"])
    def test_a_bomb_of_aliases_is_refused(self, opener):
        lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
        for n in range(1, 30):
            items = [f"{f'k{k}: ' if opener == '{' else ''}*a{n - 1}" for k in range(10)]
            lines.append(f"a{n}: &a{n} {opener}{', '.join(items)}{'}' if opener == '{' else ']'}")
        kind, message = fault_of("\n".join(lines))
        assert kind == "limit"
        assert f"{MAX_VALUES_FROM_ALIASES:,}" in message

    def test_a_bomb_of_merge_keys_is_refused(self):
        wide = ", ".join(f"k{n}: 1" for n in range(1000))
        text = f"a: &a {{{wide}}}\n" + "".join(f"b{n}: {{<<: *a}}\n" for n in range(1000))
        assert fault_of(text)[0] == "limit"

    @pytest.mark.parametrize("merged", ["*a{}", "[*a{}]", "{{<<: *a{}}}", "{{k: *a{}}}"])
    def test_a_bomb_of_aliases_that_are_merged_on_their_way_is_refused(self, merged):
        lines = ["a0: &a0 {k: x}"]
        for n in range(12):
            lines.append(f"m{n}: &m{n} {{<<: {merged.format(n)}}}")
            lines.append(f"a{n + 1}: &a{n + 1} {{k: [{', '.join([f'*m{n}'] * 10)}]}}")
        kind, message = fault_of("\n".join(lines))
        assert kind == "limit"
        assert f"{MAX_VALUES_FROM_ALIASES:,}" in message

    def test_merging_counts_as_much_as_repeating(self):
        text = "a: &a {b: 1, c: [1, 2]}\nm: &m {<<: *a}\n"
        for repeat in ("*m", "{<<: *m}"):
            found = read_yaml(text + "".join(f"k{n}: {repeat}\n" for n in range(20_000)))
            assert [fault.kind for fault in found.faults] == ["limit"]
            assert 16_000 < found.faults[0].mark.line < 17_000  # six values each

    def test_a_few_aliases_are_fine(self):
        text = "a: &a {b: 1, c: [1, 2]}\n" + "".join(f"k{n}: *a\n" for n in range(1000))
        assert value_of(text)["k999"] == {"b": 1, "c": [1, 2]}

    @pytest.mark.parametrize(
        ("marked", "words"),
        [
            ("a: ‸!!binary aGk=\n", "!!binary"),
            ("a: ‸!Ref x\n", "!Ref"),
            ("a: ‸!!python/object/apply:os.system [echo]\n", "!!python/object/apply:os.system"),
            ("a: ‸!!set {a, b}\n", "!!set"),
            ("a: ‸!!timestamp 2024-01-01\n", "!!timestamp"),
            ("a: ‸!!bool yes\n", "'yes' is not what the tag !!bool says"),
            ("a: ‸!!int x\n", "'x' is not what the tag !!int says"),
        ],
    )
    def test_an_unknown_tag_is_refused(self, marked, words):
        assert_refused(marked, "value", words)

    @pytest.mark.parametrize("text", [".inf", "-.inf", "+.INF", ".nan", ".NaN", "1e400", "-1e999", "9" * 400])
    def test_a_number_that_a_job_cannot_have_is_refused(self, text):
        assert_refused(f"a: ‸{text}\n", "value", "quote it if text is meant")

    @pytest.mark.parametrize("text", ["9223372036854775808", "-9223372036854775809", "99999999999999999999"])
    def test_a_whole_number_beyond_64_bits_is_refused_which_other_readers_take_for_a_fraction(self, text):
        assert_refused(f"a: ‸{text}\n", "value", "quote it if text is meant")

    @pytest.mark.parametrize(("opener", "closer"), [("[", "]"), ("{a: ", "}")])
    def test_nesting_beyond_the_limit_is_refused(self, opener, closer):
        assert read_yaml(opener * MAX_DEPTH + closer * MAX_DEPTH).faults == []
        kind, message = fault_of(opener * (MAX_DEPTH + 1) + closer * (MAX_DEPTH + 1))
        assert (kind, message) == ("limit", f"nested deeper than {MAX_DEPTH} levels")

    def test_a_text_beyond_the_limit_is_refused(self):
        kind, message = fault_of("#" * (MAX_CHARACTERS + 1))
        assert kind == "limit"
        assert "split it" in message

    @pytest.mark.parametrize("marked", ["a:\n‸\tb: 1\n", "a:\n  b: 1\n‸\tc: 2\n"])
    def test_a_tab_in_the_indentation_is_refused(self, marked):
        text, place = at_caret(marked)
        (fault,) = read_yaml(text).faults
        assert (fault.kind, fault.mark.line) == ("syntax", int(place.split(":")[0]))
        assert "tab" in fault.message

    @pytest.mark.parametrize("character", ["\x00", "\x1b", "\ufffe"])
    @pytest.mark.parametrize("before", ["a: ", "a: x\nb: ", "a: 日本語\nb: 😀 "])
    def test_a_control_character_is_refused_at_its_place(self, character, before):
        assert_refused(f"{before}‸{character}x\n", "syntax", "a character that YAML does not allow")

    @pytest.mark.parametrize(
        "text", [r'a: "\z"', r'a: "\xg0"', r'a: "\u12"', r'a: "\ud800"', r'a: "\U00110000"', 'a: "\\']
    )
    def test_a_bad_escape_is_refused(self, text):
        assert fault_of(text)[0] == "syntax"

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("a: b: c\n", "put the value in quotes"),
            ("a: @b\n", "a value cannot start with '@'"),
            ("a: `b`\n", "a value cannot start with '`'"),
            ("a: 1\nb\nc: 2\n", "a key without a colon"),
            ("a: [1, 2\n", "not valid YAML"),
            ("a: 'b\n", "not valid YAML"),
            ("a: 1\n b: 2\n", "put the value in quotes"),
            ("- a\nb: 1\n", "not valid YAML"),
        ],
    )
    def test_bad_syntax_is_explained(self, text, words):
        kind, message = fault_of(text)
        assert kind == "syntax"
        assert words in message

    @pytest.mark.parametrize("text", ["<<: 1\n", "<<: [1, {a: 1}]\n", "<<: text\n", "x: &x [1]\ny: {<<: *x}\n"])
    def test_a_merge_key_with_something_else_than_maps_is_refused(self, text):
        assert fault_of(text)[0] == "value"

    def test_all_faults_of_a_text_are_found_at_once(self):
        faults = read_yaml("a: 1\na: 2\n3: x\nb: !t y\nc: .nan\n").faults
        assert [(fault.kind, fault.mark.line) for fault in faults] == [
            ("duplicate-key", 2),
            ("value", 3),
            ("value", 4),
            ("value", 5),
        ]


class TestMergeKeys:
    def test_a_merged_map_gives_way_to_own_keys_wherever_they_stand(self):
        text = "d: &d {a: 1, b: 1}\nx: {<<: *d, b: 2}\ny: {b: 2, <<: *d}\n"
        content = value_of(text)
        assert content["x"] == content["y"] == {"a": 1, "b": 2}

    def test_of_several_merged_maps_the_first_wins(self):
        text = "p: &p {a: 1}\nq: &q {a: 2, b: 2}\nx: {<<: [*p, *q]}\n"
        assert value_of(text)["x"] == {"a": 1, "b": 2}

    def test_a_map_can_be_merged_where_it_is_written(self):
        assert value_of("x: {<<: {a: 1}, b: 2}\n")["x"] == {"a": 1, "b": 2}

    def test_in_quotes_it_is_a_key_like_any_other(self):
        assert value_of('"<<": {a: 1}\n') == {"<<": {"a": 1}}
        assert value_of("'<<': text\n") == {"<<": "text"}


def composed_spans(text: str) -> dict[tuple, tuple[Span | None, Span, bool]]:
    """Returns what PyYAML's own composer finds: key, value, and whether its end of the value is that of the text."""
    found: dict[tuple, tuple[Span | None, Span, bool]] = {}

    def walk(node: yaml.Node, path: tuple, key: Span | None) -> None:
        has_end = isinstance(node, yaml.ScalarNode) or bool(node.flow_style)
        span = span_of(node)
        found[path] = (key, span, has_end and (span.start.line == span.end.line or isinstance(node, yaml.ScalarNode)))
        if isinstance(node, yaml.MappingNode):
            for key_node, value_node in node.value:
                walk(value_node, (*path, key_node.value), span_of(key_node))
        elif isinstance(node, yaml.SequenceNode):
            for number, item in enumerate(node.value):
                walk(item, (*path, number), None)

    node = yaml.compose(text, Loader=yaml.CSafeLoader)
    if node is not None:
        walk(node, (), None)
    return found


def span_of(node: yaml.Node) -> Span:
    return Span(*(Mark(mark.line + 1, mark.column + 1) for mark in (node.start_mark, node.end_mark)))


def assert_all_are_found(text: str) -> None:
    content = read_yaml(text, with_positions=True)
    for path, (key, value, has_end) in composed_spans(text).items():
        found = content.locate(path, of_key=False)
        assert found.start == value.start
        assert found.start <= found.end
        assert found == value or not has_end
        if key is not None:
            assert content.locate(path, of_key=True) == key


class TestPositions:
    @given(st.lists(trees(), min_size=1, max_size=3) | maps)
    def test_every_key_and_value_of_a_written_document_is_found(self, value):
        assert_all_are_found(to_yaml(value))

    @given(trees(keys=st.text("abc", max_size=2)), st.booleans(), st.integers(1, 120))
    def test_every_key_and_value_is_found_whatever_the_style(self, value, flow, width):
        text = yaml.safe_dump(value, default_flow_style=flow, width=width, allow_unicode=True)
        if "&id" not in text and not read_yaml(text).faults:
            assert_all_are_found(text)

    @pytest.mark.parametrize(
        ("text", "path", "shown"),
        [
            ("a: 'x y' # c\n", ("a",), "'x y'"),
            ("a: x y   # c\n", ("a",), "x y"),
            ("a: {b: 1, c: [2]} # c\n", ("a",), "{b: 1, c: [2]}"),
            ("a: {b: 1,\n  c: 2}\n", ("a",), "{b: 1"),
            ("a: {\n  c: 2}\n", ("a",), "{"),
            ("a: 1 # c\nb: 2\n", (), "a: 1"),
            ("- b:   1 # c\n\n# d\n", (0,), "b:   1"),
            ("- b: |\n    x\n- c\n", (0,), "b: |"),
            ("a: &x {b: 1}\n", ("a",), "&x {b: 1}"),
            ("a: 😀\n", ("a",), "😀"),
            ("a:\n", ("a",), ""),
        ],
    )
    def test_a_value_ends_with_its_text_and_one_of_several_lines_with_its_first(self, text, path, shown):
        start, end = read_yaml(text, with_positions=True).locate(path, of_key=False)
        assert start.line == end.line
        assert text.split("\n")[start.line - 1][start.column - 1 : end.column - 1] == shown

    def test_a_text_of_several_lines_ends_with_its_last(self):
        assert read_yaml('a: "x\n  y"\n', with_positions=True).locate(("a",), of_key=False) == ((1, 4), (2, 5))

    def test_what_is_missing_is_reported_at_what_would_hold_it(self):
        content = read_yaml("a:\n  b:\n    c: 1\n", with_positions=True)
        assert content.locate(("a", "b", "x", "y"), of_key=False).start == Mark(2, 3)
        assert content.locate(("z",), of_key=False).start == Mark(1, 1)

    def test_what_an_alias_repeats_is_found_where_it_is_written(self):
        text = "shared: &s\n  retries: 3\n  list: [1, 2]\nuse: *s\nitems:\n  - *s\n"
        content = read_yaml(text, with_positions=True)
        for start in (("use",), ("items", 0)):
            assert content.locate((*start, "retries"), of_key=True).start == Mark(2, 3)
            assert content.locate((*start, "retries"), of_key=False).start == Mark(2, 12)
            assert content.locate((*start, "list", 1), of_key=False).start == Mark(3, 13)

    def test_the_key_before_an_alias_is_found_at_its_own_place(self):
        content = read_yaml("shared: &s {a: 1}\nuse: *s\n", with_positions=True)
        assert content.locate(("use",), of_key=True).start == Mark(2, 1)

    def test_what_is_missing_in_an_alias_is_reported_where_its_text_is(self):
        content = read_yaml("shared: &s\n  a: 1\nuse: *s\n", with_positions=True)
        assert content.locate(("use", "b"), of_key=True).start.line in (1, 2)

    @pytest.mark.parametrize("merge", ["<<: *s", "<<: [*s]", "<<: [*t, *s]"])
    def test_what_is_merged_is_found_where_it_is_written(self, merge):
        text = f"shared: &s\n  retries: 3\nother: &t\n  x: 1\nuse:\n  {merge}\n  own: 1\n"
        content = read_yaml(text, with_positions=True)
        assert content.value["use"]["retries"] == 3
        assert content.locate(("use", "retries"), of_key=True).start == Mark(2, 3)
        assert content.locate(("use", "retries"), of_key=False).start == Mark(2, 12)
        assert content.locate(("use", "own"), of_key=True).start == Mark(7, 3)

    def test_what_is_merged_through_two_levels_is_found(self):
        text = "a: &a\n  x: {y: 1}\nb: &b\n  <<: *a\nc:\n  <<: *b\n"
        content = read_yaml(text, with_positions=True)
        assert content.locate(("c", "x", "y"), of_key=True).start == Mark(2, 7)

    def test_a_map_merged_where_it_is_written_is_found_there(self):
        content = read_yaml("use:\n  <<: {a: 1}\n", with_positions=True)
        assert content.locate(("use", "a"), of_key=True).start == Mark(2, 8)

    def test_an_own_key_wins_over_a_merged_one_in_its_place_too(self):
        content = read_yaml("s: &s {a: 1}\nuse:\n  <<: *s\n  a: 2\n", with_positions=True)
        assert content.locate(("use", "a"), of_key=False).start == Mark(4, 6)


class TestAnyText:
    @given(trees() | maps)
    @example({"<<": "a"})
    @example({"<<": {"a": 1}})
    @example({"a": {"<<": [1]}})
    def test_what_our_writer_writes_is_read_back_without_complaint(self, value):
        content = read_yaml(to_yaml(value) + "\n")
        assert content.faults == []
        assert repr(content.value) == repr(value)

    @given(texts)
    @example("<<")
    def test_any_key_that_our_writer_writes_is_read_back(self, key):
        assert value_of(to_yaml({key: {key: 1}}) + "\n") == {key: {key: 1}}

    @given(any_text | st.text("[]{}:,-?&*!|>'\"%@`#\n\t\r ab01.~<=", max_size=60))
    @example("<<: *a")
    @example("? ? a")
    @example("&a *a")
    @example("&a a: *a")
    @example("? &a [x]\n: *a\n")
    @example("{? {? {? : }}}")
    @example("[<<, <<: 1]")
    def test_any_text_is_read_or_refused_without_a_crash(self, text):
        for with_positions in (False, True):
            content = read_yaml(text, with_positions=with_positions)
            assert content.locate(("a", 0, "b"), of_key=True).start.line >= 1
            for fault in content.faults:
                assert fault.mark.line >= 1
                assert fault.mark.column >= 1
                assert fault.mark.line <= len(text.splitlines()) + 1

    def test_half_a_surrogate_pair_is_refused_too(self):
        assert not read_yaml("a: \ud800").is_usable

    @given(any_text | st.text("[]{}:,-?&*!|>'\"#\n ab01", max_size=60))
    def test_positions_do_not_change_what_is_read(self, text):
        plain, with_positions = read_yaml(text), read_yaml(text, with_positions=True)
        assert repr(plain.value) == repr(with_positions.value)
        assert [fault.mark for fault in plain.faults] == [fault.mark for fault in with_positions.faults]

    @given(any_text)
    def test_no_value_that_is_read_is_infinite(self, text):
        def leaves(value: object) -> list[object]:
            if isinstance(value, dict):
                return [leaf for each in value.values() for leaf in leaves(each)]
            return [leaf for each in value for leaf in leaves(each)] if isinstance(value, list) else [value]

        assert all(math.isfinite(leaf) for leaf in leaves(read_yaml(text).value) if isinstance(leaf, float))
