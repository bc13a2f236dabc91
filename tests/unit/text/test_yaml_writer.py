"""That whatever is written as YAML is read back the same, by every reader: 1.2, 1.1, and by the rules of go-yaml."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
import yaml12
from hypothesis import example, given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from lakeflow_job_meta.text.yaml_writer import Unwritable, to_yaml, to_yaml_key
from support.strategies import finite_floats, integers, line, maps, scalars, texts, trees


def by_ruamel(text: str) -> Any:
    reader = YAML(typ="safe", pure=True)
    reader.version = (1, 2)
    return reader.load(text)


def by_pyyaml(text: str) -> Any:
    return yaml.load(text, Loader=yaml.CSafeLoader)


READERS = {"ruamel.yaml, YAML 1.2": by_ruamel, "yaml12": yaml12.parse_yaml, "PyYAML, YAML 1.1": by_pyyaml}


@pytest.fixture(params=READERS)
def reader(request):
    return READERS[request.param]


def same(one: object, other: object) -> bool:
    """Compares values and their kinds: 1 is neither 1.0 nor true."""
    return repr(one) == repr(other)


SPECIAL = {
    "next line": "a\x85b",
    "next line in lines": "a\n\x85\nb",
    "line separator": "a\u2028b\nc",
    "paragraph separator": "a\u2029b",
    "byte order mark": "\ufeffa",
    "byte order mark in lines": "a\n\ufeffb\n",
    "emoji": "a😀b\n😀\n",
    "delete": "a\x7fb",
    "nul": "a\x00b\n",
    "escape": "\x1b[31m",
    "soft hyphen": "a\xadb",
    "no-break space": "a\xa0b\n\xa0",
    "right to left": "a\u202eb\nc",
    "trailing spaces": "a  \nb  ",
    "trailing tab": "a\t\nb\t",
    "only spaces in the last line": "a\n  ",
    "only spaces between": "a\n   \nb",
    "one trailing newline": "a\nb\n",
    "two trailing newlines": "a\nb\n\n",
    "leading newline": "\na\nb",
    "leading space": " a\nb",
    "leading tab": "\ta\nb",
    "indented second line": "a\n    b\n  c",
    "tab in a line": "a\n\tb",
    "carriage return": "a\r\nb\r\n",
    "one carriage return": "a\rb",
    "only newline": "\n",
    "only newlines": "\n\n",
    "only spaces": "   ",
    "document start": "---\na: 1\n",
    "document end": "a\n...\nb",
    "comment": "# x\n# y\n",
    "one comment": "# x",
    "directive": "%YAML 1.1\n---\n",
    "list": "- a\n- b\n",
    "map": "a: 1\nb: 2\n",
    "quotes": '"\'\\"\'\\\n"',
    "backslashes": "\\n\\\\n\\",
    "very long": "word " * 20_000,
    "very long lines": ("x" * 5000 + "\n") * 5,
    "very long without space": "é" * 100_000,
    "reference": "${var.x} {{job.id}} $${y}",
    "template": "{{ 7*7 }}{% raw %}{# x #}",
    "non-character": "a\uffff\ufffeb",
    "last character": "\U0010ffff",
}


class TestValues:
    @given(value=scalars)
    def test_a_scalar_is_read_back(self, reader, value):
        assert same(reader(f"key: {to_yaml(value)}\n"), {"key": value})

    @given(value=trees())
    def test_a_tree_is_read_back(self, reader, value):
        assert same(reader(to_yaml(value) + "\n"), value)

    @given(value=maps, indent=st.integers(1, 12))
    def test_a_map_is_read_back_at_any_indent(self, reader, value, indent):
        if value:
            assert same(reader(f"a:\n{' ' * indent}{to_yaml(value, indent)}\nb: 1\n"), {"a": value, "b": 1})

    @given(value=st.lists(trees(), min_size=1, max_size=4), indent=st.integers(0, 12))
    def test_a_list_is_read_back_at_any_indent(self, reader, value, indent):
        assert same(reader(f"a:\n{' ' * indent}{to_yaml(value, indent)}\nb: 1\n"), {"a": value, "b": 1})

    @given(value=scalars, indent=st.integers(0, 12))
    def test_a_scalar_is_read_back_at_any_indent(self, reader, value, indent):
        space = " " * indent
        text = (
            f"a:\n{space} k: {to_yaml(value, indent + 1)}\n{space} l:\n{space}   - {to_yaml(value, indent + 3)}\nb: 1\n"
        )
        assert same(reader(text), {"a": {"k": value, "l": [value]}, "b": 1})

    @pytest.mark.parametrize("name", SPECIAL)
    def test_special_text_is_read_back(self, reader, name):
        text = SPECIAL[name]
        value = {"a": text, "b": [text, [text], {"c": text}], "d": {"e": {"f": text}}}
        assert same(reader(to_yaml(value) + "\n"), value)

    @given(value=integers | st.sampled_from([2**63 - 1, -(2**63), 10**18, 0, -1]))
    def test_a_whole_number_stays_whole(self, reader, value):
        assert same(reader(f"a: {to_yaml(value)}"), {"a": value})

    @given(value=finite_floats)
    @example(1e16)
    @example(1e-7)
    @example(-0.0)
    @example(5e-324)
    @example(1.7976931348623157e308)
    def test_a_fraction_stays_a_fraction(self, reader, value):
        assert same(reader(f"a: {to_yaml(value)}"), {"a": value})

    def test_empty_maps_and_lists_stay_what_they_are(self, reader):
        value = {"a": {}, "b": [], "c": [{}, [], [[]], [{}]], "d": {"e": {}}}
        assert same(reader(to_yaml(value) + "\n"), value)

    def test_the_order_of_keys_is_kept(self):
        assert to_yaml({"b": 1, "a": {"z": 1, "c": 2}}) == "b: 1\na:\n  z: 1\n  c: 2"


class TestForm:
    @given(texts)
    def test_no_text_is_written_bare(self, text):
        assert to_yaml(text)[0] in '"|'

    @given(texts)
    def test_a_text_in_quotes_is_one_line_of_escapes_that_every_reader_knows(self, text):
        written = to_yaml(text)
        if written.startswith('"'):
            assert written.isprintable() or all(c.isprintable() or ord(c) >= 0xA0 for c in written)
            inner = re.sub(r'\\(["\\ntr]|x[0-9a-f]{2}|u(?!d[89a-f])[0-9a-f]{4})', "", written[1:-1])
            assert "\\" not in inner
            assert '"' not in inner

    @given(st.lists(line.filter(lambda text: text[:1].strip() != ""), min_size=2, max_size=5), st.booleans())
    def test_text_of_several_lines_is_a_literal_block(self, lines, ends_with_newline):
        text = "\n".join(lines) + ("\n" if ends_with_newline else "")
        written = to_yaml(text)
        assert written.startswith("|\n" if ends_with_newline else "|-\n")
        assert written.split("\n")[1:] == [f"  {each}" for each in lines]

    @pytest.mark.parametrize(
        "text", ["a\n\x00b", "a\rb\n", " a\nb", "\na", "a\n\n", "a\n\x85b", "a\n\u2028", "a\n\ufeff"]
    )
    def test_text_that_a_block_cannot_hold_is_in_quotes(self, text):
        assert to_yaml(text).startswith('"')

    def test_text_of_one_line_is_in_quotes(self):
        assert to_yaml("SELECT 1") == '"SELECT 1"'
        assert to_yaml('say "a\\b"') == r'"say \"a\\b\""'

    def test_a_block_as_a_reviewer_sees_it(self):
        value = {"tasks": [{"sql": "SELECT\n\n  1\n", "count": 1}, {"text": "a\nb"}]}
        assert to_yaml(value, 2) == (
            "tasks:\n    - sql: |\n        SELECT\n\n          1\n      count: 1\n    - text: |-\n        a\n        b"
        )

    @given(trees())
    def test_no_line_ends_in_a_space_that_the_value_does_not_have(self, value):
        for written in to_yaml(value).split("\n"):
            assert not written.endswith(": ")
            assert written != "" or "\n" in repr(value).replace("\\n", "\n")


class TestKeys:
    @given(key=texts)
    def test_any_text_is_read_back_as_a_key(self, reader, key):
        assert same(reader(f"{to_yaml_key(key)}: 1\n"), {key: 1})

    @pytest.mark.parametrize(
        ("character", "length"), [("a", 1024), ("a", 1025), (" ", 1023), ("é", 5000), ("\x00", 300)]
    )
    def test_a_key_too_long_for_the_short_form_is_read_back_or_refused(self, reader, character, length):
        try:
            written = to_yaml({character * length: 1})
        except Unwritable:
            return
        assert same(reader(written), {character * length: 1})

    @pytest.mark.parametrize("key", ["a", "max_retries", "_a", "A-b", "a1"])
    def test_an_ordinary_key_is_bare(self, key):
        assert to_yaml_key(key) == key

    @pytest.mark.parametrize(
        "key", ["y", "N", "yes", "No", "on", "OFF", "true", "Null", "", "1", "1a", "-a", "a b", "a:", "<<", "~", "é"]
    )
    def test_any_other_key_is_in_quotes(self, key):
        assert to_yaml_key(key) == f'"{key}"'


class TestRefused:
    @pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
    def test_a_number_that_is_not_finite_is_refused(self, number):
        with pytest.raises(Unwritable, match="no number"):
            to_yaml({"a": [number]})

    @pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "\ude00\ud83d", "a\nb\ud83d\nc"])
    def test_half_a_surrogate_pair_is_refused(self, text):
        with pytest.raises(Unwritable, match="surrogate"):
            to_yaml(text)
        with pytest.raises(Unwritable, match="surrogate"):
            to_yaml({text: 1})
