"""The SQL of `expect_no_rows`: queries whose rows are failures become one script for a SQL warehouse.

The script evaluates each query once, keeps the counts where there is a table for results, and ends in an error that
names what failed. It keeps nothing in the session: variables need one that outlives a statement. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from lakeflow_job_meta.parsing.model import Expectation

RESULT_COLUMNS = (
    ("run_id", "STRING"),
    ("module", "STRING"),
    ("source", "STRING"),
    ("check_name", "STRING"),
    ("kind", "STRING"),
    ("criticality", "STRING"),
    ("failed_rows", "BIGINT"),
    ("checked_rows", "BIGINT"),
    ("checked_at", "TIMESTAMP"),
    ("table_name", "STRING"),
    ("message", "STRING"),
    ("target", "STRING"),
)
"""The table of results, which the notebook of DQX's rules writes too (`bundle/notebooks/quality.py`)."""

_TOKEN = re.compile(
    r"""
    (?P<text> (?<!\w)[rR](?:'[^']*'|"[^"]*") | '(?:[^'\\]|\\.)*' | "(?:[^"\\]|\\.)*" | `[^`]*` | --(?:\\\n|[^\r\n])* )
  | (?P<comment> /\* )
  | (?P<sign> ['"`();] )
    """,
    re.VERBOSE | re.DOTALL,
)
"""What can hide or close a parenthesis (SqlBaseLexer.g4 of Spark); `--` goes on after a backslash at a line's end."""
_COMMENT = re.compile(r"/\*|\*/")
_OPEN = {"'": "a quote ' is not closed", '"': 'a quote " is not closed', "`": "a backtick is not closed"}
_THIS_RUN = "run_id = :ljm_run_id AND module = :ljm_module AND source = :ljm_source AND kind = 'expect_no_rows'"
_FAILED = "criticality = 'error' AND failed_rows > 0"
_LISTED = "concat(check_name, ' (', failed_rows, if(failed_rows = 1, ' row)', ' rows)'))"


def query_problem(sql: str) -> str | None:
    """Returns why a text cannot stand in parentheses, as one query and nothing else; None where it can."""
    depth = comments = position = 0
    while token := (_COMMENT if comments else _TOKEN).search(sql, position):
        position = token.end()
        if token[0] in ("/*", "*/"):
            comments += 1 if token[0] == "/*" else -1  # they nest
        elif sign := None if comments else token["sign"]:
            if sign in _OPEN:
                return _OPEN[sign]
            if sign == ";":
                return "it is more than one statement: there is a ';' inside"
            depth += 1 if sign == "(" else -1
            if depth < 0:
                return "there is a ')' without its '('"
    if comments:
        return "a comment /* is not closed"
    return "there is a '(' without its ')'" if depth else None


def render_expectations_sql(expectations: Sequence[Expectation], *, has_results: bool) -> str:
    """Renders the script for queries that have no `query_problem`.

    It takes the parameters `ljm_module`, `ljm_source`, `ljm_table`, `ljm_run_id` and `ljm_target`, and
    `ljm_results_table` where results are kept. Of a run that is repaired the newest counts are looked at: each attempt
    adds its own.
    """
    counts = "\n  UNION ALL\n".join(map(_count, expectations))
    if not has_results:
        return f"{_verdict(f'FROM ({chr(10)}{counts}{chr(10)})')};\n"
    columns = ", ".join(f"{name} {kind}" for name, kind in RESULT_COLUMNS)
    names = ", ".join(name for name, _ in RESULT_COLUMNS)
    newest = f"SELECT max(checked_at) FROM IDENTIFIER(:ljm_results_table) WHERE {_THIS_RUN}"
    kept = f"FROM IDENTIFIER(:ljm_results_table)\nWHERE {_THIS_RUN}\n  AND checked_at = ({newest})"
    return (
        f"CREATE TABLE IF NOT EXISTS IDENTIFIER(:ljm_results_table) ({columns}) USING DELTA;\n\n"
        f"INSERT INTO IDENTIFIER(:ljm_results_table) ({names})\n"
        "SELECT :ljm_run_id, :ljm_module, :ljm_source, check_name, 'expect_no_rows', criticality, failed_rows,\n"
        "  CAST(NULL AS BIGINT), current_timestamp(), nullif(:ljm_table, ''),\n"
        "  concat(failed_rows, if(failed_rows = 1, ' row', ' rows')), nullif(:ljm_target, '')\n"
        f"FROM (\n{counts}\n);\n\n"
        f"{_verdict(kept)};\n"
    )


def _count(query: Expectation) -> str:
    criticality = "error" if query.is_error else "warn"
    # A comment at the end of the query must not hide the parenthesis, also one that ends in a backslash.
    end = "\n\n" if query.sql.endswith("\\") else "\n"
    return (
        f"  SELECT {_literal(query.name)} AS check_name, '{criticality}' AS criticality, count(*) AS failed_rows\n"
        "  FROM (\n"
        f"{query.sql}{end}  )"
    )


def _verdict(rows: str) -> str:
    failed = f"array_join(sort_array(collect_list(if({_FAILED}, {_LISTED}, NULL))), '; ')"
    return (
        f"SELECT\n  CASE WHEN count_if({_FAILED}) > 0\n"
        f"    THEN raise_error(concat(:ljm_module, '.', :ljm_source, ': rows that should not be there: ', {failed}))\n"
        f"    ELSE 'passed'\n  END AS verdict,\n"
        f"  array_join(sort_array(collect_list({_LISTED})), '; ') AS rows_found\n{rows}"
    )


def _literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
