"""JSON in columns of a control table: what is read, what is refused, and where it says that something stands."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakeflow_job_meta._internal.trees import value_at
from lakeflow_job_meta.text.json_columns import locate_in_json, read_json
from lakeflow_job_meta.text.yaml_errors import Fault, Mark
from lakeflow_job_meta.text.yaml_reader import MAX_DEPTH, read_yaml
from support.project_folder import at_caret
from support.strategies import integers, trees

finite = st.floats(allow_nan=False, allow_infinity=False)
json_values = trees(st.text() | integers | finite | st.booleans() | st.none(), st.text())


class TestJson:
    @given(json_values, st.sampled_from([None, 0, 2]), st.booleans())
    def test_every_value_is_read_as_json_says(self, value, indent, ascii_only):
        text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
        found, fault = read_json(text)
        assert fault is None
        assert repr(found) == repr(value)

    @pytest.mark.parametrize(("opener", "closer", "column"), [("[", "]", 101), ('{"[":', "}", 501)])
    def test_nesting_has_a_limit_that_does_not_depend_on_who_reads(self, opener, closer, column):
        at_most, too_deep = (opener * depth + "1" + closer * depth for depth in (MAX_DEPTH, MAX_DEPTH + 1))

        assert read_json(at_most)[1] is None
        assert read_json(too_deep) == (None, Fault("limit", Mark(1, column), "nested deeper than 100 levels"))
        assert read_json(json.dumps([opener * 200]))[1] is None

    @given(json_values, st.sampled_from([None, 1]))
    def test_every_value_is_found_where_yaml_finds_it(self, value, indent):
        text = json.dumps(value, indent=indent, ensure_ascii=False)
        positions = read_yaml(text, with_positions=True)
        if positions.faults or any(character in text for character in "\x85\u2028\u2029"):
            return
        for path in positions.positions:
            if value_at(value, path)[0]:
                assert locate_in_json(text, path, of_key=False) == positions.locate(path, of_key=False)
                assert locate_in_json(text, path, of_key=True) == positions.locate(path, of_key=True)

    @given(st.text() | st.text('{}[]:," \n\\u0tfn1.e-'))
    def test_any_text_is_read_or_refused_without_a_crash(self, text):
        value, fault = read_json(text)
        assert fault is None or (value is None and fault.mark.line >= 1 and fault.mark.column >= 1)

    @pytest.mark.parametrize("opener", ["[", '{"a":'])
    def test_nesting_without_end_is_refused(self, opener):
        closer = "]" if opener == "[" else "}"
        _, fault = read_json(opener * 100_000 + "1" + closer * 100_000)
        assert fault is not None
        assert fault.kind == "limit"

    @pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e400", "-1e400", "9" * 5000])
    def test_a_number_that_a_job_cannot_have_is_refused(self, text):
        _, fault = read_json(f'{{"a": {text}}}')
        assert fault is not None
        assert fault.kind == "value"

    @pytest.mark.parametrize("number", ["9223372036854775808", "100000000000000000000000000000"])
    def test_a_whole_number_beyond_64_bits_is_refused(self, number):
        _, fault = read_json(f'{{"a": {number}}}')
        assert fault is not None
        assert fault.kind == "value"

    @pytest.mark.parametrize("text", [r'"\ud83d"', r'["\ude00\ud83d"]', r'{"\ud800": 1}'])
    def test_half_a_surrogate_pair_is_refused(self, text):
        assert read_json(text)[1] is not None

    def test_a_whole_surrogate_pair_is_one_character(self):
        assert read_json(r'"\ud83d\ude00"') == ("😀", None)

    @pytest.mark.parametrize(
        "marked",
        [
            '{"a": 1, ‸"a": 2}',
            '{"a": {"b": 1,\n  ‸"b": 2}}',
            '[{"x": 1},\n{"b": 1, "c": 2, ‸"b": 2}]',
            '{\n\t"a": 1,\n\t‸"a": 2\n}',
            '{"emoji": "\\ud83d\\ude00", "a": 1, ‸"a": 2}',
            '{"path": "a\\/b", "a": 1, ‸"a": 2}',
        ],
    )
    def test_a_key_that_stands_twice_is_found(self, marked):
        text, place = at_caret(marked)
        _, fault = read_json(text)
        assert fault is not None
        assert (fault.kind, f"{fault.mark.line}:{fault.mark.column}") == ("duplicate-key", place)

    @pytest.mark.parametrize(
        ("marked", "words"),
        [
            ("{‸'a': 1}", "not valid JSON"),
            ('{"a": 1,\n‸}', "not valid JSON"),
            ('{"a": ‸tru}', "not valid JSON"),
            ('{"a": 1} ‸x', "not valid JSON"),
            ("‸", "the text is empty"),
        ],
    )
    def test_what_is_no_json_is_refused_at_its_place(self, marked, words):
        text, place = at_caret(marked)
        _, fault = read_json(text)
        assert fault is not None
        assert f"{fault.mark.line}:{fault.mark.column}" == place or place.startswith("2:")
        assert words in fault.message
