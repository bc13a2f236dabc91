"""The SQL of a source's expectations, as one file that a SQL warehouse runs. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from lakeflow_job_meta.parsing.model import Expectation


def render_expectations_sql(expectations: Sequence[Expectation], *, has_results: bool) -> str:
    """Returns statements that count the rows of each query, record the counts, and fail where there should be none.

    `has_results` says whether there is a table for the counts, `:ljm_results_table`. What a query is called gets into
    the text as a literal; the query itself is SQL that the user wrote.
    """
    counts = "\nUNION ALL\n".join(
        f"SELECT {_literal(each.name)} AS check_name, {_literal('error' if each.is_error else 'warn')} AS criticality, "
        f"(SELECT COUNT(*) FROM (\n{each.sql}\n)) AS failed_rows"
        for each in expectations
    )
    failed = f"SELECT array_join(collect_list(check_name), ', ') AS names FROM (\n{counts}\n) WHERE failed_rows > 0"
    return f"SELECT CASE WHEN names <> '' THEN raise_error(names) END FROM ({failed} AND criticality = 'error');"


def _literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
