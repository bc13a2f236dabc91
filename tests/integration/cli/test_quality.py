"""`ljm quality`: the newest results of checks, over a Delta table and a SQL warehouse."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any

import arro3.core as arrow
import pytest

from fakes.workspace import FakeWorkspace
from lakeflow_job_meta import ConfigError, load_project, quality
from lakeflow_job_meta.jobs.expectations_sql import RESULT_COLUMNS
from support.project_folder import ProjectFolder, Result
from support.tables import LONG, TEXT, write_table

pytest_plugins = ["support.workspace_fixtures"]

NOON = datetime(2026, 3, 1, 12, 0, 0, 123_456, tzinfo=timezone.utc)
BUNDLE = "bundle: {name: shop}\ntargets: {dev: {}, prod: {}}\n"
ARROW = {"STRING": TEXT, "BIGINT": LONG, "TIMESTAMP": arrow.DataType.timestamp("us", tz="UTC")}
TYPES = {name: ARROW[kind] for name, kind in RESULT_COLUMNS}


def result(check: str, minutes: int = 0, failed: int = 0, **columns: Any) -> dict[str, Any]:
    """A row of the table of results."""
    return {
        "run_id": str(minutes),
        "module": "sales",
        "source": "orders",
        "check_name": check,
        "kind": "dqx",
        "criticality": "error",
        "failed_rows": failed,
        "checked_rows": 4,
        "checked_at": NOON + timedelta(minutes=minutes),
        "table_name": "main.silver.orders",
        "message": f"{failed} of 4 rows",
        "target": "prod",
        **columns,
    }


@dataclass
class Site:
    """A project whose control table is a Delta table or one of a warehouse."""

    project: ProjectFolder
    name: str
    write: Callable[..., None]
    environment: dict[str, str]

    def ljm(self, *arguments: str) -> Result:
        return self.project.inside("quality", *arguments, **self.environment, NO_PROXY="127.0.0.1")


@pytest.fixture(params=["delta", "warehouse"])
def site(request, project: ProjectFolder, workspace: FakeWorkspace, environment: dict[str, str]) -> Site:
    project.write("databricks.yml", BUNDLE)
    if request.param == "delta":
        table = str(project.path / "data" / "control")
        project.write("job_meta.yml", f"metadata:\n  - delta: {table}\n")
        folder = project.path / "data" / "control_quality"
    else:
        table = "main.etl.control"
        project.write("job_meta.yml", f"metadata:\n  - {{table: {table}, warehouse_id: '{workspace.warehouse_id}'}}\n")
        folder = workspace.table_path(f"{table}_quality")
    return Site(project, f"{table}_quality", partial(_write, folder), environment)


def _write(folder: Path, rows: Sequence[dict[str, Any]], columns: Mapping[str, arrow.DataType] = TYPES) -> None:
    moments = [{"checked_at": int(row["checked_at"].timestamp() * 1e6)} if "checked_at" in row else {} for row in rows]
    write_table(folder, [{**row, **moment} for row, moment in zip(rows, moments, strict=True)], columns)


def test_of_each_source_and_kind_the_newest_run_is_shown_newest_first(site: Site):
    site.write(
        [
            result("has_id", 0, 3),
            result("gone_since", 0),
            result("has_id", 5),
            result("in_range", 5, 1, criticality="warn"),
            result("no_future", 1, kind="expect_no_rows", checked_rows=None, message="0 rows"),
            result("has_id", 9, 2, module="stock", source="items"),
            result("has_id", 99, 4, target="dev"),
        ]
    )
    shown = site.ljm("-t", "prod")
    assert shown.stdout.splitlines() == [
        "CHECKED AT (UTC)     MODULE  SOURCE  CHECK      CRITICALITY  RESULT  ROWS",
        "2026-03-01 12:09:00  stock   items   has_id     error        FAILED  2 of 4 rows",
        "2026-03-01 12:05:00  sales   orders  has_id     error        passed  0 of 4 rows",
        "2026-03-01 12:05:00  sales   orders  in_range   warn         warned  1 of 4 rows",
        "2026-03-01 12:01:00  sales   orders  no_future  error        passed  0 rows",
        "4 checks: 1 failed, 1 warned, 2 passed.",
    ]
    assert shown.exit_code == 1


def test_modules_and_failed_ones_can_be_chosen_and_warnings_alone_are_fine(site: Site):
    site.write([result("has_id", 1), result("in_range", 1, 1, criticality="warn"), result("a", 2, 1, module="stock")])
    chosen = site.ljm("sales", "-t", "prod", "--failed", "--format", "json")
    assert chosen.exit_code == 0
    assert json.loads(chosen.stdout) == [
        {
            **result("in_range", 1, 1, criticality="warn"),
            "checked_at": "2026-03-01T12:01:00.123000+00:00",
            "verdict": "warned",
        }
    ]
    assert site.ljm("sales", "stock", "-t", "prod").exit_code == 1
    assert site.ljm("-t", "prod", "--failed").stdout.splitlines()[-1] == "3 checks: 1 failed, 1 warned, 1 passed."


def test_a_module_without_results_is_no_silent_success(site: Site):
    site.write([result("has_id")])
    refused = site.ljm("sale", "-t", "prod")
    assert refused.exit_code == 1
    assert (
        f"{site.name} has no results of the module 'sale' in the target 'prod'; did you mean 'sales'?" in refused.stderr
    )


def test_before_the_first_run_the_command_says_how_the_table_comes_to_be(site: Site):
    shown = site.ljm("-t", "prod")
    assert shown.exit_code == 0
    assert shown.stdout == (
        f"There are no results for the target 'prod' in {site.name}: the first run of a job whose sources have "
        "`quality` or `expect_no_rows` creates that table and adds them.\n"
    )
    assert site.ljm("-t", "prod", "--format", "json").stdout == "[]\n"


def test_a_table_of_something_else_is_refused(site: Site):
    site.write([{"a": "x"}], {"a": TEXT})
    refused = site.ljm("-t", "prod")
    assert refused.exit_code == 1
    assert f"{site.name}: it is a table of something else" in refused.stderr


def test_without_a_control_table_there_is_nowhere_to_look(project: ProjectFolder):
    project.write("databricks.yml", BUNDLE)
    project.write("job_meta.yml", "metadata:\n  - yaml: metadata/\n")
    refused = project.ljm("quality", "-t", "prod")
    assert refused.exit_code == 2
    assert "Results of checks are kept in a table beside the control table" in refused.stderr
    with pytest.raises(ConfigError):
        quality(load_project(project.path), "prod")


def test_python_returns_what_the_command_shows(site: Site, monkeypatch):
    for name, value in {**site.environment, "NO_PROXY": "127.0.0.1"}.items():
        monkeypatch.setenv(name, value)
    site.write([result("has_id", 0, 3), result("has_id", 5)])
    (found,) = quality(load_project(site.project.path), "prod")
    assert (found.module, found.check_name, found.run_id, found.verdict.value) == ("sales", "has_id", "5", "passed")
