"""One CSV file: what is read of it, where its cells are, and what is told about what is none."""

from __future__ import annotations

import csv
import io
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakeflow_job_meta.blueprints.row_document import _start_of_field
from lakeflow_job_meta.sources.csv_files import CsvFile, read_csv

LINE_END = re.compile("\r\n|[\r\n]")
CELLS = st.text(alphabet="ab,;\t|\"' \n\ré☃\u2028\x85\x0b\x1c{}$", max_size=8)


def read(content: str | bytes) -> CsvFile:
    return read_csv("rows.csv", content.encode() if isinstance(content, str) else content)


def values(content: str | bytes) -> list[tuple[object, ...]]:
    found = read(content)
    assert [str(problem) for problem in found.problems] == []
    assert found.rows is not None
    return [row.values for row in found.rows.rows]


def problems(content: str | bytes) -> list[str]:
    return [str(problem) for problem in read(content).problems]


def lines(content: str) -> list[int | None]:
    found = read(content)
    assert found.rows is not None
    return [row.line for row in found.rows.rows]


class TestReading:
    def test_the_first_line_names_the_columns_and_an_empty_field_is_null(self):
        found = read('name,owner\na,\n"","x"\n')
        assert found.rows is not None
        assert (found.rows.columns, [row.values for row in found.rows.rows]) == (
            ("name", "owner"),
            [("a", None), (None, "x")],
        )

    @pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
    def test_the_delimiter_is_the_one_that_the_first_line_has_most_of(self, delimiter):
        assert values(f"a{delimiter}b\n1{delimiter}2,5;|\n".replace("2,5;|", "2")) == [("1", "2")]

    def test_a_delimiter_in_a_quoted_name_does_not_count(self):
        assert values('"a;b;c",d\n1,2\n') == [("1", "2")]

    def test_one_column_needs_no_delimiter(self):
        assert values("name\na\nb\n") == [("a",), ("b",)]

    def test_a_byte_order_mark_is_no_part_of_the_first_name(self):
        found = read("\ufeffname\na\n")
        assert found.rows is not None
        assert found.rows.columns == ("name",)

    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    def test_lines_end_as_they_do_anywhere(self, end):
        assert values(end.join(["a,b", "1,2", "", '"3', '4",5', ""])) == [("1", "2"), (f"3{end}4", "5")]

    def test_only_line_feeds_and_carriage_returns_end_a_line(self):
        assert values("a,b\n1\u20282,3\x0b4\x85\x1c5\n") == [("1\u20282", "3\x0b4\x85\x1c5")]

    def test_a_row_stands_at_its_first_line(self):
        assert lines('name\n\na\n"b\nc"\nd\n') == [3, 4, 6]

    def test_names_are_taken_without_the_spaces_around_them_and_values_with(self):
        found = read("name , owner\n a , b \n")
        assert found.rows is not None
        assert (found.rows.columns, found.rows.rows[0].values) == (("name", "owner"), (" a ", " b "))

    def test_what_looks_like_yaml_or_a_reference_is_text(self):
        assert values('a,b\n${param.x},"{{x}}: [1, *a]"\n') == [("${param.x}", "{{x}}: [1, *a]")]

    def test_a_file_of_a_header_alone_has_no_rows_and_no_mistake(self):
        assert values("name,owner\n") == []

    @given(st.lists(st.lists(CELLS, min_size=2, max_size=2), min_size=1, max_size=6), st.sampled_from(",;\t|"))
    def test_what_the_csv_module_writes_is_read_back_with_the_places_of_all_cells(self, rows, delimiter):
        text = io.StringIO(newline="")
        writer = csv.writer(text, delimiter=delimiter)
        starts = []
        for row in [["a", "b"], *rows]:
            starts.append(len(LINE_END.findall(text.getvalue())) + 1)
            writer.writerow(row)
        found = read(text.getvalue())
        assert [str(problem) for problem in found.problems] == []
        assert found.rows is not None
        assert [row.values for row in found.rows.rows] == [tuple(cell or None for cell in row) for row in rows]
        assert [row.line for row in found.rows.rows] == starts[1:]
        for row, wanted in zip(found.rows.rows, rows, strict=True):
            for number, cell in enumerate(wanted):
                at = _start_of_field(str(row.text), number, delimiter)
                assert str(row.text)[at:].startswith(cell.replace('"', '""'))

    @given(st.binary(max_size=80))
    def test_any_bytes_give_rows_or_problems_of_one_line(self, content):
        found = read(content)
        assert found.rows is not None or found.problems
        assert all("\n" not in problem.message for problem in found.problems)

    @given(st.text(alphabet='a",;\n\r', max_size=40))
    def test_whatever_is_no_csv_is_told_and_nothing_is_raised(self, text):
        found = read(text)
        assert found.rows is not None or found.problems

    def test_ten_thousand_lines_are_read_in_a_moment(self):
        text = "a,b,c\n" + "".join(f"{number},x,y\n" for number in range(10_000))
        begin = time.process_time()
        assert len(values(text)) == 10_000
        assert time.process_time() - begin < 1


class TestMistakes:
    def test_a_ragged_line_is_told_and_the_others_are_read(self):
        found = read("a,b\n1\n2,3\n4,5,6\n")
        assert found.rows is not None
        assert [row.values for row in found.rows.rows] == [("2", "3")]
        assert [str(problem) for problem in found.problems] == [
            "rows.csv:2: error: 1 field in this line, but 2 columns in the first [unreadable]",
            "rows.csv:4: error: 3 fields in this line, but 2 columns in the first [unreadable]",
        ]

    def test_a_quote_that_is_never_closed_is_told_at_its_line_and_the_others_are_read(self):
        found = read('a,b\n1,2\n3,"4\n5,6\n')
        assert found.rows is not None
        assert [row.values for row in found.rows.rows] == [("1", "2"), ("5", "6")]
        assert [str(problem) for problem in found.problems] == [
            "rows.csv:3: error: the line is no CSV: a quote is opened, and never closed [unreadable]"
        ]

    def test_what_follows_a_closing_quote_is_told(self):
        assert problems('a,b\n"1"x,2\n3,4\n') == [
            "rows.csv:2: error: the line is no CSV: behind a closing quote, only the next column may follow; a quote "
            "in a cell is written twice [unreadable]"
        ]

    def test_of_a_file_that_is_no_csv_some_lines_are_told(self):
        found = problems("a\n" + '"x"y\n' * 1000)
        assert len(found) == 21
        assert found[-1] == ("rows.csv:22: error: the lines that follow are not read: too many are no CSV [unreadable]")

    def test_a_cell_that_is_too_large_is_told(self):
        found = read("a\nsmall\n" + "x" * 200_000 + "\nlast\n")
        assert found.rows is not None
        assert [row.values for row in found.rows.rows] == [("small",), ("last",)]
        assert [problem.message for problem in found.problems] == [
            "the line is no CSV: a cell has more than 131,072 characters"
        ]
        assert found.problems[0].location.line == 3

    def test_a_name_that_stands_twice_is_told(self):
        assert problems("Name,owner,name\n") == [
            "rows.csv:1: error: the columns 'Name' and 'name' differ by case alone, or not at all; give one of them "
            "another name [unreadable]"
        ]

    def test_a_column_without_a_name_is_told(self):
        assert problems("name,,owner\n") == ["rows.csv:1: error: column 2 has no name in the first line [unreadable]"]

    @pytest.mark.parametrize("content", ["", "\n\n", "\ufeff"])
    def test_an_empty_file_is_told(self, content):
        assert problems(content) == [
            "rows.csv: error: the file is empty; its first line names the columns [unreadable]"
        ]

    def test_latin_1_is_told_with_its_line_and_byte(self):
        assert problems("name\nStraße\n".encode("latin-1")) == [
            "rows.csv:2: error: the byte 0xdf is not UTF-8; save the file as UTF-8 (in Excel: 'CSV UTF-8') [unreadable]"
        ]

    def test_latin_1_behind_a_byte_order_mark_is_told_with_the_right_byte(self):
        assert "the byte 0xdf is not UTF-8" in problems(b"\xef\xbb\xbfname\nStra\xdfe\n")[0]

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le"])
    def test_utf_16_is_told(self, encoding):
        (problem,) = problems("name\na\n".encode(encoding))
        assert "the file is UTF-16; save it as UTF-8" in problem or "the character NUL" in problem

    def test_nul_is_told(self):
        assert problems("name\na\0b\n") == [
            "rows.csv: error: the file holds the character NUL, so it is no text [unreadable]"
        ]
