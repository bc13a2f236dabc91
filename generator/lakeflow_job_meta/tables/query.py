"""A query in the place of a table: over a SQL warehouse or Spark, or over Delta tables where they lie; read only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from lakeflow_job_meta._internal.text import foreign_message, quoted
from lakeflow_job_meta.errors import ConfigError, OperationFailed
from lakeflow_job_meta.tables.delta import DeltaFiles
from lakeflow_job_meta.tables.plain import WholeTable, plain_value
from lakeflow_job_meta.tables.schema import ANY_TABLE
from lakeflow_job_meta.tables.sql import SqlExecutor, Statement

# One SELECT. Texts, quoted names and comments are left out before words are looked for.
_PASSED_OVER = re.compile(
    r"'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.|\"\")*\"|`(?:[^`]|``)*`|--[^\n]*|/\*.*?\*/", re.DOTALL
)
_FIRST_WORDS = ("select", "with", "values", "table", "from")
_CHANGES = re.compile(
    r"\b(insert\s+(?:into|overwrite)|update\s+\S+\s+set|delete\s+from|merge\s+into|create|drop|alter|truncate|grant|"
    r"revoke|copy\s+into|call|execute|refresh|optimize|vacuum|use|set)\b(?!\s*[,.)])",
    re.IGNORECASE,
)


def query_problem(text: str) -> str | None:
    """Returns why a text is not one statement that only reads; None if it is.

    It is a guard against mistakes, not against attackers: permissions of the warehouse are.
    """
    bare = _PASSED_OVER.sub(" '' ", text).strip().rstrip(";").strip()
    if not bare or bare == "''":
        return "there is no statement in it; write one SELECT"
    if ";" in bare:
        return "it holds several statements; a query is one SELECT"
    first = re.match(r"\(*\s*(\w+)", bare)
    if first is None or first[1].lower() not in _FIRST_WORDS:
        return f"it begins with {quoted(first[1] if first else bare[:20])}; a query is one SELECT, which only reads"
    if (change := _CHANGES.search(bare)) is not None and first[1].lower() in ("with", "from"):
        return f"it holds {quoted(change[0])}; a query only reads (a column of that name goes in backticks)"
    return None


def run_query(text: str, executor: SqlExecutor) -> WholeTable:
    """Runs one query over a warehouse or in Spark; raises OperationFailed where it is refused."""
    rows = executor.run(Statement(text.strip().rstrip(";")))
    return WholeTable.of_rows(list(rows[0]) if rows else (), rows)


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
    for name, location in tables.items():
        builder.register(name, DeltaFiles(location, ANY_TABLE, folder).opened())
    try:
        found = builder.execute(text.strip().rstrip(";")).read_all()
        columns = [str(name) for name in found.column_names]
        cells = [found.column(number).to_pylist() for number in range(len(columns))]
    except Exception as error:  # DataFusion's own exceptions have no type of their own in Python
        raise OperationFailed(f"the query is refused: {foreign_message(str(error), 500)}") from error
    rows = [tuple(map(plain_value, row)) for row in zip(*cells, strict=True)]
    return WholeTable(tuple(columns), rows)
