"""How fast a control table of many rows is read and parsed: from Delta files, and over a (fake) SQL warehouse.

The warehouse is the tests' fake one on loopback, so its figure shows what our side costs, HTTP and JSON included, and
not how fast Databricks is.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.estate import SOURCES, rows, write_table
from lakeflow_job_meta.control_table.schema import CONTROL_TABLE
from lakeflow_job_meta.parsing.modules import parse_module
from lakeflow_job_meta.parsing.rows import modules_of_rows
from lakeflow_job_meta.tables.delta import DeltaFiles
from lakeflow_job_meta.tables.sql import SqlTable
from lakeflow_job_meta.tables.store import VersionedTable
from lakeflow_job_meta.tables.warehouse import WarehouseExecutor
from lakeflow_job_meta.workspace.client import Workspace

MODULES = 10_000
NAME = "main.bench.control"


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the result: how long one step took for all rows."""

    what: str
    rows: int
    seconds: float


def run() -> list[Figure]:
    """Measures both tables: the cheap look at the version, reading all rows, and making modules of them."""
    with tempfile.TemporaryDirectory() as folder, _fake_warehouse(Path(folder)) as (path, over_warehouse):
        write_table(path, rows(MODULES))
        return [
            *_measured("Delta files", DeltaFiles(str(path), CONTROL_TABLE)),
            *_measured("SQL warehouse (fake)", over_warehouse),
        ]


@contextmanager
def _fake_warehouse(folder: Path) -> Iterator[tuple[Path, VersionedTable]]:
    """Gives a table of a fake workspace, and the folder in which it lies."""
    tests = str(Path(__file__).parent.parent / "tests")
    sys.path.insert(0, tests)
    try:
        from fakes.workspace import FakeWorkspace
    finally:
        sys.path.remove(tests)
    with FakeWorkspace(folder) as workspace:
        path: Path = workspace.table_path(NAME)
        path.parent.mkdir(parents=True)
        connection = Workspace(lambda: workspace.client(retry_timeout_seconds=60, http_timeout_seconds=120))
        connection.client()
        yield path, SqlTable(NAME, CONTROL_TABLE, WarehouseExecutor(connection, workspace.warehouse_id))


def _measured(what: str, table: VersionedTable) -> Iterator[Figure]:
    begin = time.perf_counter()
    table.version()
    looked = time.perf_counter()
    found = table.read().rows
    read = time.perf_counter()
    modules = [parse_module(raw).module for raw in modules_of_rows(table.name, found).modules]
    parsed = time.perf_counter()
    assert len(modules) == MODULES
    assert len(found) == MODULES * SOURCES
    yield Figure(f"{what}: version", len(found), looked - begin)
    yield Figure(f"{what}: read", len(found), read - looked)
    yield Figure(f"{what}: modules", len(found), parsed - read)
