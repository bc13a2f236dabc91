"""What Spark raises becomes one sentence, whatever library below it raises."""

from __future__ import annotations

import pytest

from lakeflow_job_meta.errors import OperationFailed
from lakeflow_job_meta.tables.spark import SparkExecutor
from lakeflow_job_meta.tables.sql import NoSuchTable, Statement


class Py4JJavaError(Exception):
    """As Py4J raises it: of none of PySpark's classes."""


class Session:
    def __init__(self, error: Exception) -> None:
        self._error = error

    def sql(self, text: str, args: object) -> object:
        raise self._error


def error_of(error: Exception) -> OperationFailed:
    with pytest.raises(OperationFailed) as raised:
        SparkExecutor(Session(error)).run(Statement("SELECT 1"))  # type: ignore[arg-type]
    return raised.value


JAVA = "An error occurred while calling o45.collectToPython.\n: {}\n\tat x.A.b(A.scala:1)\n\tat x.Y.z(Y.java:2)"


def test_an_error_of_java_is_told_by_its_first_line():
    told = str(error_of(Py4JJavaError(JAVA.format("java.io.FileNotFoundException: File x does not exist"))))
    assert told == "Spark refused a statement: java.io.FileNotFoundException: File x does not exist"


@pytest.mark.parametrize(
    "text",
    [
        JAVA.format("io.delta.exceptions.ConcurrentAppendException: Files were added by a concurrent update."),
        "[DELTA_CONCURRENT_APPEND] ConcurrentAppendException: x",
        "[DELTA_METADATA_CHANGED] MetadataChangedException: x",
    ],
)
def test_a_conflict_is_told_as_one(text):
    assert str(error_of(Py4JJavaError(text))).startswith("somebody else changed the table at the same time")


def test_a_missing_table_is_known_from_whatever_library_tells_it():
    assert isinstance(error_of(RuntimeError("[TABLE_OR_VIEW_NOT_FOUND] x")), NoSuchTable)


@pytest.mark.parametrize("error", [ConnectionError(), RuntimeError("gone"), AttributeError("x"), ValueError("y")])
def test_everything_else_is_an_error_too(error):
    assert str(error_of(error)) == f"Spark refused a statement: {str(error) or type(error).__name__}"
