"""A query in the place of a table: over a SQL warehouse or Spark, or over Delta tables where they lie; read only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lakeflow_job_meta._internal.text import did_you_mean, foreign_message, listing, quoted
from lakeflow_job_meta.errors import ConfigError, OperationFailed
from lakeflow_job_meta.tables.delta import DeltaFiles, values_of
from lakeflow_job_meta.tables.plain import WholeTable
from lakeflow_job_meta.tables.schema import ANY_TABLE, TableUnusable
from lakeflow_job_meta.tables.sql import SqlExecutor, Statement

if TYPE_CHECKING:
    from deltalake import DeltaTable

_CODE = r"`[^`]*`|/\*|[^\W\d]\w*|."
_ON_DATABRICKS = re.compile(
    r"""[rR]'[^']*'|[rR]"[^"]*"|'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|--(?:\\\n|[^\r\n])*|""" + _CODE, re.DOTALL
)
_IN_DATAFUSION = re.compile(rf"""'[^']*'|"[^"]*"|--[^\n]*|{_CODE}""", re.DOTALL)
"""Texts, quoted names, comments, words, and the rest; only on Databricks does a backslash escape (SqlBaseLexer.g4)."""

_COMMENT_END = re.compile(r"/\*|\*/")
_READS = ("select", "values", "table", "from")
_ONE_WITH = (
    r"(?:\w+|'')\s*(?:\(\)\s*)?(?:max\s+recursion\s+level\s+\d+\s*)?(?:as\b\s*)?(?:(?:not\s+)?materialized\s*)?\(\)\s*"
)
_WITH = re.compile(rf"with\s+(?:recursive\s+)?{_ONE_WITH}(?:,\s*{_ONE_WITH})*", re.IGNORECASE)
_INSERTS = re.compile(r"\binsert\s+(?:into|overwrite)\b", re.IGNORECASE)


def query_problem(text: str, *, is_local: bool = False) -> str | None:
    """Returns why a text is not one statement that only reads; None if it is.

    It is a guard against mistakes, not against attackers: permissions of the warehouse are.

    Args:
        text: The query.
        is_local: Whether DataFusion reads it, rather than Databricks or Spark.
    """
    bare = _without_texts(text, is_local).strip().rstrip("; \t\r\n")
    if not bare:
        return "there is no statement in it; write one SELECT"
    if ";" in bare:
        return "it holds several statements; a query is one SELECT"
    outside = _outside_parentheses(bare.lstrip("( \t\r\n"))
    body = _WITH.sub("", outside, count=1).lstrip("( \t\r\n") if _WITH.match(outside) else outside
    first = re.match(r"\w+|\S", body)
    word = first[0] if first is not None else bare[:20]
    if word.lower() not in (*_READS, ")"):
        return f"it begins with {quoted(word)}; a query is one SELECT, which only reads"
    if (change := _INSERTS.search(outside)) is not None and word.lower() == "from":
        return f"it holds {quoted(change[0])}; a query only reads"
    return None


def _without_texts(text: str, is_local: bool) -> str:
    """Returns a query with '' for each text and quoted name, and a space for each comment, which may be nested."""
    token = _IN_DATAFUSION if is_local else _ON_DATABRICKS
    parts, at = [], 0
    while (found := token.match(text, at)) is not None:
        part, at = found[0], found.end()
        if part == "/*":
            part, at = " ", _end_of_comment(text, at)
        elif part.startswith("--"):
            part = " "
        elif len(part) > 1 and part[-1] in "'\"`":
            part = "''"
        parts.append(part)
    return "".join(parts)


def _end_of_comment(text: str, at: int) -> int:
    depth = 1
    while depth > 0 and (found := _COMMENT_END.search(text, at)) is not None:
        depth += 1 if found[0] == "/*" else -1
        at = found.end()
    return at if depth == 0 else len(text)


def _outside_parentheses(text: str) -> str:
    """Returns what stands in no parentheses, `()` in the place of each pair."""
    parts, depth = [], 0
    for part in re.split(r"([()])", text):
        if part == "(":
            depth += 1
            parts += ["()"] if depth == 1 else []
        elif part == ")":
            depth = max(depth - 1, 0)
        elif depth == 0:
            parts.append(part)
    return "".join(parts)


def run_query(text: str, executor: SqlExecutor) -> WholeTable:
    """Runs one query over a warehouse or in Spark; raises OperationFailed where it is refused."""
    found = executor.answer(Statement(text.strip().rstrip(";")))
    return _with_columns(WholeTable.of_values(found.columns, found.rows))


def run_local_query(text: str, tables: Mapping[str, str], folder: Path) -> WholeTable:
    """Runs one query over Delta tables where they lie, by the SQL of delta-rs (DataFusion).

    Args:
        text: The query.
        tables: The path or URL of each table by the name that the query has for it.
        folder: What relative paths are relative to.

    Raises:
        ConfigError: The extra 'delta' is not installed.
        OperationFailed: A table cannot be read, or the query is refused.
    """
    try:
        from deltalake import QueryBuilder
    except ImportError:
        raise ConfigError(
            "Queries over Delta tables by path need the extra 'delta': pip install 'lakeflow-job-meta[delta]'"
        ) from None
    builder = QueryBuilder()
    opened = {name: _opened(name, location, folder) for name, location in tables.items()}
    try:
        for name, table in opened.items():
            quoted_name = name.replace('"', '""')
            builder.register(f'"{quoted_name}"', table)  # without quotes, it would be changed to small letters
        found = builder.execute(text.strip().rstrip(";")).read_all()
        columns, rows = values_of(found)
    except Exception as error:  # DataFusion's own exceptions have no type of their own in Python
        raise OperationFailed(f"the query is refused: {_refusal(str(error), tables)}") from error
    return _with_columns(WholeTable.of_values(columns, rows))


def _opened(name: str, location: str, folder: Path) -> DeltaTable:
    try:
        return DeltaFiles(location, ANY_TABLE, folder).opened()
    except TableUnusable as error:
        raise OperationFailed(f"of its table {quoted(name)}: {error}") from None


def _with_columns(table: WholeTable) -> WholeTable:
    if not table.columns:
        raise OperationFailed("the query gives no columns; write one SELECT, with the columns that are wanted")
    return table


_NO_FIELD = re.compile(r"No field named (?P<name>\S+?)\.(?: Did you mean '(?P<near>[^']+)')?")
_NO_TABLE = re.compile(r"table 'datafusion\.public\.(?P<name>.+?)' not found")


def _refusal(text: str, tables: Mapping[str, str]) -> str:
    """Returns what DataFusion says, in the words of the user where it is about a name: it keeps their case."""
    if missing := _NO_TABLE.search(text):
        name = missing["name"]
        return f"there is no table {quoted(name)} in it{did_you_mean(name, tables)}; 'tables' names {listing(tables)}"
    if unknown := _NO_FIELD.search(text):
        name, near = unknown["name"].replace('"', ""), (unknown["near"] or "").replace('"', "")
        hint = f"; did you mean {quoted(near)}? Write names in the case that the table has" if near else ""
        fields = re.sub(r"\s+", " ", text.partition("Valid fields are ")[2].replace('"', "")).rstrip(". ")
        more = f"; there are {foreign_message(fields, 300)}" if fields and not near else ""
        return f"there is no column {quoted(name)}{hint}{more}"
    return foreign_message(text, 500)
