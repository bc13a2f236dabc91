"""Views with the documented columns of the tables that the dashboard reads, filled by a test. Times are hours ago."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from lakeflow_job_meta.state.quality import QUALITY
from lakeflow_job_meta.state.store import HISTORY, JOBS

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_TIMELINE = {
    "account_id": "STRING",
    "workspace_id": "STRING",
    "job_id": "STRING",
    "run_id": "STRING",
    "period_start_time": "TIMESTAMP",
    "period_end_time": "TIMESTAMP",
    "compute_ids": "ARRAY<STRING>",
    "result_state": "STRING",
    "termination_code": "STRING",
}
COLUMNS = {
    "lakeflow.job_run_timeline": {
        **_TIMELINE,
        "trigger_type": "STRING",
        "run_type": "STRING",
        "run_name": "STRING",
        "job_parameters": "MAP<STRING, STRING>",
    },
    "lakeflow.job_task_run_timeline": {
        **_TIMELINE,
        "job_run_id": "STRING",
        "parent_run_id": "STRING",
        "task_key": "STRING",
    },
    "lakeflow.jobs": {
        "account_id": "STRING",
        "workspace_id": "STRING",
        "job_id": "STRING",
        "name": "STRING",
        "description": "STRING",
        "creator_id": "STRING",
        "tags": "MAP<STRING, STRING>",
        "change_time": "TIMESTAMP",
        "delete_time": "TIMESTAMP",
        "run_as": "STRING",
        "trigger": "STRUCT<file_arrival: STRUCT<url: STRING>, periodic: STRUCT<interval: INT, units: STRING>, "
        "schedule: STRUCT<quartz_cron_expression: STRING, timezone_id: STRING>>",
        "trigger_type": "STRING",
        "paused": "BOOLEAN",
    },
    "etl.control_jobs": {column.name: column.type for column in JOBS.columns},
    "etl.control_history": {column.name: column.type for column in HISTORY.columns},
    "etl.control_quality": {column.name: column.type for column in QUALITY.columns},
    "etl.control": {"module_name": "STRING", "source_id": "STRING", "job_config": "STRING"},
}
"""Of system.lakeflow: docs.databricks.com/aws/en/admin/system-tables/jobs, without the columns of durations."""


NOW = [datetime.now(timezone.utc)]
"""The moment that hours are counted from; a test sets it, so that all of its tables have the same one."""


FILLED: set[str] = set()
"""The tables that have rows."""


def fill(session: SparkSession, table: str, *rows: dict[str, Any], **more: str) -> None:
    """Makes a view of rows; what a row leaves out is NULL, a number in a TIMESTAMP is how many hours ago that is.

    `more` are the types of columns that the table has beside its own.
    """
    (FILLED.add if rows else FILLED.discard)(table)
    columns = {**COLUMNS[table], **more}
    assert all(row.keys() <= columns.keys() for row in rows)
    values = [[_literal(kind, row.get(name)) for name, kind in columns.items()] for row in rows or ({},)]
    names = ", ".join(f"CAST({name} AS {kind}) AS {name}" for name, kind in columns.items() if kind[:6] != "STRUCT")
    parsed = ", ".join(
        f"from_json({name}, '{kind}') AS {name}" for name, kind in columns.items() if kind[:6] == "STRUCT"
    )
    listed = ", ".join(f"({', '.join(row)})" for row in values)
    session.sql(
        f"CREATE OR REPLACE TEMPORARY VIEW {view_name(table)} AS SELECT {', '.join(filter(None, (names, parsed)))} "
        f"FROM VALUES {listed} AS given({', '.join(columns)}) {'' if rows else 'WHERE FALSE'}"
    )


def view_name(table: str) -> str:
    return table.replace(".", "_")


def _literal(kind: str, value: object) -> str:
    if kind == "TIMESTAMP" and isinstance(value, (int, float)):
        return f"TIMESTAMP '{NOW[0] - timedelta(hours=value):%Y-%m-%d %H:%M:%S.%f}+00:00'"
    return "NULL" if value is None else _text(value) if isinstance(value, str) else str(value)


def _text(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def rows_of(session: SparkSession, query: str) -> Sequence[dict[str, Any]]:
    """Runs a dataset's query; the catalog of the system tables is one that a local session cannot have."""
    return [row.asDict() for row in session.sql(query.replace("system.lakeflow.", "lakeflow_")).collect()]
