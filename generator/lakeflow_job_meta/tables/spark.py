"""Runs SQL in a Spark session: in notebooks and jobs of Databricks, or anywhere with Delta on Spark."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from lakeflow_job_meta._internal.text import foreign_message
from lakeflow_job_meta.errors import OperationFailed
from lakeflow_job_meta.tables.schema import Row
from lakeflow_job_meta.tables.sql import Answer, NoSuchTable, Statement, statement_error

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def active_session() -> SparkSession | None:
    """Returns the session that this process has, as in a notebook; None outside of Spark.

    A job's Python process on Databricks has a session too, which is only created when it is first used. Raises
    OperationFailed where that cannot be.
    """
    is_on_databricks = bool(os.environ.get("DATABRICKS_RUNTIME_VERSION"))
    if "pyspark" not in sys.modules and not is_on_databricks:
        return None
    try:
        from pyspark.sql import SparkSession
    except ImportError:
        return None
    try:
        return SparkSession.builder.getOrCreate() if is_on_databricks else SparkSession.getActiveSession()
    except Exception as error:
        raise OperationFailed(f"There is no Spark session: {foreign_message(str(error), 500)}") from None


_CALL = re.compile(r"^An error occurred while calling \S+\s*:\s*")
"""How Py4J begins every message, whatever Java says."""


@dataclass(frozen=True, slots=True)
class SparkExecutor:
    """Runs statements in a session; everything that it can see is within reach."""

    session: SparkSession

    def run(self, statement: Statement) -> list[Row]:
        found = self.answer(statement)
        return [dict(zip(found.columns, row, strict=True)) for row in found.rows]

    def answer(self, statement: Statement) -> Answer:
        try:
            # Spark logs the stack of Java for each statement that fails, also where a missing table is no mistake.
            if statement.asks_of and not self.session.catalog.tableExists(statement.asks_of):
                raise NoSuchTable(f"there is no {statement.asks_of}")
            frame = self.session.sql(statement.text, args=dict(statement.parameters) or None)
            local = [field.dataType.typeName() == "timestamp" for field in frame.schema.fields]
            rows = [tuple(map(_plain, row, local)) for row in frame.collect()]
            return Answer(tuple(frame.columns), rows)
        except NoSuchTable:
            raise
        except Exception as error:  # of PySpark, Py4J, gRPC and whatever else is below: there is no list of them
            text = _CALL.sub("", str(error)) or type(error).__name__
            raise statement_error("Spark", foreign_message(text, 500)) from None


def _plain(value: object, is_local: bool = False) -> object:
    """Gives a timestamp its time zone: Spark returns one in the driver's, without saying so; a struct becomes a map."""
    if isinstance(value, datetime):
        return value.astimezone(timezone.utc) if is_local and value.tzinfo is None else value
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "asDict"):
        return {name: _plain(item) for name, item in value.asDict().items()}
    return value
