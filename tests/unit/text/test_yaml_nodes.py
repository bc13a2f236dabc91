"""Positions from one pass of the parser: of every key and value the same that the careful reader notes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lakeflow_job_meta._internal.trees import KeyPath
from lakeflow_job_meta.text.yaml_documents import YamlDocument
from lakeflow_job_meta.text.yaml_errors import Mark, Span
from lakeflow_job_meta.text.yaml_nodes import YamlNodes
from lakeflow_job_meta.text.yaml_reader import YamlText, read_yaml
from support.strategies import any_text, maps, trees

STEPS: tuple[str | int, ...] = ("nowhere", 0, 7, -1)
PIECES = ("a: ", "b: ", '"": ', "? ", "- ", "-", "x", "10", "'y\n  z'", "{", "}", "[", "]", ", ", ": ", "\n", "\n  ")
MORE = ("\n    ", " # c", "|\n    t", "!!map ", "!!str ", "&a ", "*a", "<<: ", "é", "𝄞", "\ufeff", "\r\n", "\x85", "\t")


def asked(careful: YamlText) -> Iterator[KeyPath]:
    """Yields the path of each key and value, and some that lead nowhere."""
    for path in [(), *careful.ranges]:
        yield path
        yield from ((*path, step) for step in STEPS)
        yield (*path, "nowhere", 0)


def assert_same_places(text: str) -> None:
    careful = read_yaml(text, with_positions=True)
    nodes = YamlNodes(text, careful.items)
    for path in asked(careful):
        for of_key in (True, False):
            assert nodes.locate(path, of_key=of_key) == careful.locate(path, of_key=of_key), (path, of_key)


@given(st.lists(trees(), min_size=1, max_size=3) | maps, st.sampled_from([True, False, None]), st.integers(1, 120))
def test_all_is_found_where_the_careful_reader_finds_it_whatever_the_style(value, flow, width):
    text = yaml.safe_dump(value, default_flow_style=flow, width=width, allow_unicode=True)
    content = read_yaml(text)
    if content.is_plain and not content.faults:
        assert_same_places(text)


texts = st.lists(st.sampled_from(PIECES + MORE), max_size=25).map("".join) | any_text


@given(st.lists(maps | trees(), max_size=4), st.sampled_from([True, False, None]), st.integers(1, 120))
def test_all_of_a_list_of_modules_is_found_where_the_careful_reader_finds_it(modules, flow, width):
    text = yaml.safe_dump({"modules": modules, "b": [1]}, default_flow_style=flow, width=width, allow_unicode=True)
    if not read_yaml(text).faults:
        assert_same_places(text)


@given(texts | texts.map(lambda text: "modules:\n  - a: " + text))
def test_all_of_any_text_is_found_where_the_careful_reader_finds_it(text):
    content, careful = read_yaml(text), read_yaml(text, with_positions=True)
    assert content.is_plain == careful.is_plain
    if content.is_plain and not content.faults:
        assert not careful.links
        assert_same_places(text)
    document = YamlDocument("a.yml", text)
    for path in asked(careful):
        start, end = careful.locate(path, of_key=True)
        at, _ = document.locate(path, of_key=True)
        assert (at.line, at.column, at.end_line, at.end_column) == (*start, *end)


@pytest.mark.parametrize(
    "text",
    [
        *("", "# nothing\n", "---\n", "a", "a:\n", "a:\n  - b\n\n# c\nd:\n", "a: |\n  b\n\n  c\n\nd: e\n"),
        *("a: [b: c  , {d: e}, ? f : g]\n", "- - - a\n    - b\n", "- a: 1\n  b: {c: 2,\n    d: 3}\n- e\n"),
        *("a:\n- b: c\n  # d\n\n  # e\n- - f: g\n-\n  h: |\n    i\n\n", "a:\n  - b: {c: 1,\n d: 2}\n    e:\n  - f\n"),
        *("a: [b: c\n, {d: e,\nf: g}]\n", "a: {b: {c: d}}\n", "- - b: c\n", "a:\n  - ? b\n    : c\n  - {}\n...\n"),
        *("a:\n- é: 𝄞\n  ü: [x]\n- ö: y\n", "a:\r\n - b: c\r\n   d: e\r\n - f: g\r\n"),
        *("? 'a\n  b'\n:\n  c: d\n", "é: {𝄞: ü}\n", "- {}\n- []\n-\n", "a:\r\n  b: c\r\nd:\r\n  - e\r\n"),
    ],
)
def test_forms_that_are_rarely_written_are_found(text):
    assert_same_places(text)


@pytest.mark.parametrize(
    "text",
    [
        *("a: &x 1\n", "a: &x {b: c}\nd: *x\n", "&k a: 1\n", "<<: {a: 1}\n", "a: {<<: [{b: 1}]}\n"),
        *("a: !!map {b: c}\n", "%TAG !e! tag:yaml.org,2002:\n---\na: [!e!str 1]\n", "%YAML 1.1\n---\na: 1\n"),
    ],
)
def test_what_may_stand_elsewhere_than_its_text_is_not_plain(text):
    assert not read_yaml(text).is_plain


def test_a_tag_of_a_value_and_a_merge_key_in_quotes_are_plain():
    text = "'<<': {a: !!str 1}\n"
    assert read_yaml(text).is_plain
    assert_same_places(text)


def test_a_place_in_a_module_is_looked_up_without_the_modules_around_it():
    text = "modules:\n  - a: 1\n  - b:\n      c: 2\n    d: 3\n  - e: 4\n"
    items = read_yaml(text).items
    assert [text[at.start : at.end].rstrip() for at in items.values()] == ["a: 1", "b:\n      c: 2\n    d: 3", "e: 4"]
    elsewhere = text.replace("a: 1", "a: [").replace("e: 4", "e: [")
    assert YamlNodes(elsewhere, items).locate(("modules", 1, "b", "c"), of_key=True) == Span(Mark(4, 7), Mark(4, 8))
