"""The data of a catalogue inside of its page."""

from __future__ import annotations

import json
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from lakeflow_job_meta.catalogue.packing import as_json_in_html

TEXTS = st.text() | st.sampled_from(
    ["</script>", "<!--<script>", "]]>", "\u202eabc", "\u2028", "\ud800", "&lt;", "\ufeff"]
)


class _Scripts(HTMLParser):
    """Keeps what elements there are, and the text of the first script."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.content = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        if self.tags == ["script"]:
            self.content += data


@given(st.recursive(TEXTS | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner)))
def test_any_value_is_the_same_behind_a_parser_of_html_and_one_of_json(value):
    parser = _Scripts()
    parser.feed(f"<script>{as_json_in_html(value)}</script><p>")
    parser.close()

    assert parser.tags == ["script", "p"]
    assert json.loads(parser.content) == value


@given(TEXTS)
def test_nothing_in_it_ends_a_line_or_turns_the_text_around_it_and_all_of_it_can_be_written(text):
    written = as_json_in_html([text])

    assert not {"<", ">", "&", "\u2028", "\u2029", "\u202e", "\u200f", "\n"} & {*written}
    assert written.encode()
