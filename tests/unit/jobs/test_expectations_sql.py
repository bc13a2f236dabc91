"""The script of `expect_no_rows`: what is refused as a query, and that no query gets out of its parentheses."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lakeflow_job_meta.diagnostics.model import SourceRef, UnreadableDocument
from lakeflow_job_meta.jobs.expectations_sql import query_problem, render_expectations_sql
from lakeflow_job_meta.parsing.model import Expectation
from support.examples import examples

NOWHERE = SourceRef(UnreadableDocument("test.yml"))


def query(name: str, sql: str, is_error: bool = True) -> Expectation:
    return Expectation(name, sql, is_error, NOWHERE)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1",
        "SELECT ';' AS a, \"; )\" AS b, `x;)` FROM t",
        "SELECT 'it\\'s ; )' FROM t -- a comment; with ) and '",
        "SELECT 1 /* outer ( /* inner ; ' */ still ) */ FROM t",
        "SELECT r'C:\\' FROM t WHERE (a = 1)",
        "SELECT bar 'x\\';'",
        "WITH x AS (SELECT 1) SELECT * FROM x",
        "SELECT 1 -- goes on \\\n ) ; still the comment\n FROM t",
    ],
)
def test_one_query_may_hold_any_sign_where_it_is_text_or_a_comment(sql: str):
    assert query_problem(sql) is None


@pytest.mark.parametrize(
    ("sql", "problem"),
    [
        ("SELECT 1; DROP TABLE t", "it is more than one statement: there is a ';' inside"),
        ("SELECT 1) AS x; DROP TABLE t; SELECT (1", "there is a ')' without its '('"),
        ("SELECT (1", "there is a '(' without its ')'"),
        ("SELECT 'a", "a quote ' is not closed"),
        ('SELECT "a', 'a quote " is not closed'),
        ("SELECT `a", "a backtick is not closed"),
        ("SELECT 1 /* a /* b */", "a comment /* is not closed"),
        ("SELECT 1 /* 'a */ ; DROP TABLE t --'", "it is more than one statement: there is a ';' inside"),
        ("SELECT 1 -- 'a\n; DROP TABLE t --'", "it is more than one statement: there is a ';' inside"),
    ],
)
def test_what_would_leave_the_parentheses_is_refused(sql: str, problem: str):
    assert query_problem(sql) == problem


PIECES = st.lists(
    st.sampled_from(
        ["SELECT 1", " ", "'", '"', "`", "(", ")", ";", "--", "/*", "*/", "\n", "\\", "\\\n", "r'", "a", "DROP TABLE t"]
    ),
    max_size=14,
).map("".join)


@settings(max_examples=examples(500))
@given(sql=PIECES)
def test_a_query_without_a_problem_leaves_the_number_of_statements_as_it_is(sql: str):
    assume(query_problem(sql) is None)
    script = render_expectations_sql([query("a", sql)], has_results=False)
    # What follows the query is one text for the scanner too: its parenthesis closes, and one ';' ends the script.
    assert query_problem(script.rstrip().removesuffix(";")) is None


@pytest.mark.parametrize("has_results", [True, False])
def test_each_query_stands_in_the_script_once(has_results: bool):
    queries = [query("no_future", "SELECT * FROM a"), query("it's \\ odd", "SELECT * FROM b -- why", is_error=False)]
    script = render_expectations_sql(queries, has_results=has_results)
    assert [script.count(each.sql) for each in queries] == [1, 1]
    assert re.findall(r"^(?:CREATE TABLE|INSERT|SELECT\n  CASE)", script, re.MULTILINE) == (
        ["CREATE TABLE", "INSERT", "SELECT\n  CASE"] if has_results else ["SELECT\n  CASE"]
    )


def test_without_a_table_for_results_the_script_changes_nothing():
    script = render_expectations_sql([query("a", "SELECT 1")], has_results=False)
    assert "results_table" not in script
    assert "INSERT" not in script
