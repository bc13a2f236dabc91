"""Notebooks and SQL files of jobs, run as Databricks runs them, in a local Spark session."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlglot
import yaml
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


_RUNS = {
    "ALL_SUCCESS": lambda states: states <= {"success"},
    "ALL_DONE": lambda states: True,
    "AT_LEAST_ONE_FAILED": lambda states: bool(states & {"failed", "upstream_failed"}),
}


def run_job(session: SparkSession, job_file: Path, run_id: str, target: str) -> dict[str, str]:
    """Runs the one job of a generated file, task by task as they wait for each other; returns what each came to."""
    (job,) = yaml.safe_load(job_file.read_text(encoding="utf-8"))["resources"]["jobs"].values()
    tasks, states = {task["task_key"]: task for task in job["tasks"]}, {}
    while waiting := [key for key in tasks if key not in states]:
        for key in waiting:
            before = [each["task_key"] for each in tasks[key].get("depends_on", [])]
            if all(each in states for each in before):
                found = {states[each] for each in before}
                if _RUNS[tasks[key].get("run_if", "ALL_SUCCESS")](found):
                    states[key] = _outcome(session, tasks[key], job_file.parent, run_id, target)
                else:
                    states[key] = "upstream_failed" if found & {"failed", "upstream_failed"} else "excluded"
    return states


def _outcome(session: SparkSession, task: Mapping[str, Any], folder: Path, run_id: str, target: str) -> str:
    def given(parameters: Mapping[str, str]) -> dict[str, str]:
        values = {"{{job.run_id}}": run_id, "${bundle.target}": target}
        return {name: values.get(value, value) for name, value in parameters.items()}

    try:
        if block := task.get("notebook_task"):
            path = (folder / block["notebook_path"]).resolve()
            with working_folder(path.parent):
                run_notebook(session, path, given(block.get("base_parameters", {})))
        else:
            block = task["sql_task"]
            text = (folder / block["file"]["path"]).read_text(encoding="utf-8")
            run_sql(session, text, given(block.get("parameters", {})))
    except Exception as error:
        print(f"{task['task_key']} failed: {error}")
        return "failed"
    return "success"
