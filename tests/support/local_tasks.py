"""Notebooks and SQL files of jobs, run as Databricks runs them, in a local Spark session."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlglot
from sqlglot.tokens import TokenType

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@dataclass(frozen=True)
class _Widgets:
    values: Mapping[str, str]

    def text(self, name: str, default: str) -> None: ...

    def get(self, name: str) -> str:
        return self.values.get(name, "")


@dataclass(frozen=True)
class _Utilities:
    widgets: _Widgets


def run_notebook(session: SparkSession, path: Path, parameters: Mapping[str, str]) -> dict[str, Any]:
    """Runs a notebook in its working directory, the caller's; returns its variables."""
    variables = {"spark": session, "dbutils": _Utilities(_Widgets(parameters)), "__name__": "__main__"}
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), variables)
    return variables


def run_sql(session: SparkSession, text: str, parameters: Mapping[str, str]) -> list[Any]:
    """Runs the statements of a SQL file one by one; returns the rows of the last."""
    rows: list[Any] = []
    for statement in _statements(text):
        rows = session.sql(statement, args=dict(parameters)).collect()
    return rows


def _statements(text: str) -> Iterator[str]:
    start = 0
    for token in sqlglot.tokenize(text, read="databricks"):
        if token.token_type is TokenType.SEMICOLON:
            yield text[start : token.start]
            start = token.end + 1


@contextmanager
def working_folder(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
