"""One real Spark session with Delta for all tests of a process; modules that use it name it in `pytest_plugins`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

QUARTZ = "org.quartz-scheduler:quartz:2.3.2"
PLAIN = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.shuffle.partitions": "1",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.default.parallelism": "1",
    "spark.databricks.delta.snapshotPartitions": "1",
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "1",
    "spark.driver.memory": "1g",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    "spark.sql.session.timeZone": "America/New_York",
}
"""As little as possible of what makes large data fast, and what runs for hours; and a zone in which no time is UTC."""


@pytest.fixture(scope="session")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """The one session of this process; the jars of Delta come from Maven the first time."""
    from delta import configure_spark_with_delta_pip
    from pyspark.sql import SparkSession

    folder = tmp_path_factory.mktemp("spark")
    before = Path.cwd()
    os.chdir(folder)  # Derby and the warehouse write where the session starts
    try:
        builder = SparkSession.builder.master("local[2]").appName("lakeflow-job-meta")
        builder = builder.config("spark.sql.warehouse.dir", str(folder / "warehouse"))
        for name, value in PLAIN.items():
            builder = builder.config(name, value)
        session = configure_spark_with_delta_pip(builder, extra_packages=[QUARTZ]).getOrCreate()
        session.sparkContext.setLogLevel("ERROR")
        yield session
        session.stop()
    finally:
        os.chdir(before)
