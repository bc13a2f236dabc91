"""The queries of the dashboard, run by Spark over tables with the documented columns."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest

from lakeflow_job_meta.services.dashboard import DashboardTables, query_of
from lakeflow_job_meta.services.dashboard_pages import PAGES
from support.dashboard_tables import COLUMNS, FILLED, NOW, fill, rows_of, view_name
from support.slow import SPARK

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytest_plugins = ["support.spark_session"]
pytestmark = SPARK
TABLES = DashboardTables(
    ("`etl_control`",),
    {"jobs": "`etl_control_jobs`", "history": "`etl_control_history`"},
    "`etl_control_quality`",
)
JOBS, RUNS, TASKS = "etl.control_jobs", "lakeflow.job_run_timeline", "lakeflow.job_task_run_timeline"
HISTORY, QUALITY, DEFINITIONS, CONTROL = "etl.control_history", "etl.control_quality", "lakeflow.jobs", "etl.control"
DATASETS = sorted({name for page in PAGES for name in page.datasets})
DAY = 24


@pytest.fixture(scope="module")
def plain_session(session: SparkSession) -> Iterator[SparkSession]:
    """The session with all tables, empty; code is not generated for queries that run once over a few rows."""
    settings = {
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
        "spark.sql.adaptive.enabled": "false",
    }
    before = {name: session.conf.get(name) for name in settings}
    for name, value in settings.items():
        session.conf.set(name, value)
    for table in COLUMNS:
        fill(session, table)
    yield session
    for table in COLUMNS:
        session.catalog.dropTempView(view_name(table))
    for name, old in before.items():
        session.conf.set(name, str(old))


@pytest.fixture
def spark(plain_session: SparkSession) -> SparkSession:
    """The session with all tables, empty again."""
    NOW[0] = datetime.now(timezone.utc)
    for table in [*FILLED]:
        fill(plain_session, table)
    return plain_session


def found(spark: SparkSession, dataset: str) -> list[dict[str, Any]]:
    return [*rows_of(spark, query_of(dataset, TABLES))]


def job(job_id: int, name: str, **more: Any) -> dict[str, Any]:
    url = f"https://adb-77.1.azuredatabricks.net/jobs/{job_id}"
    times = {"created_timestamp": 60 * DAY, "updated_timestamp": 60 * DAY}
    return {"module_name": name, "job_id": job_id, "target": "prod", "url": url, **times, **more}


def run(job_id: int, run_id: str, hours_ago: float, result: str | None = "SUCCEEDED", **more: Any) -> dict[str, Any]:
    """A run of six minutes that started so many hours ago."""
    period = {"period_start_time": hours_ago, "period_end_time": hours_ago - 0.1}
    ids = {"workspace_id": "77", "job_id": str(job_id), "run_id": run_id, "trigger_type": "CRON"}
    return {**ids, **period, "result_state": result, "termination_code": "SUCCESS", **more}


def definition(job_id: int, cron: str | None, **more: Any) -> dict[str, Any]:
    trigger = {"schedule": {"quartz_cron_expression": cron, "timezone_id": "Europe/Berlin"} if cron else None}
    ids = {"workspace_id": "77", "job_id": str(job_id)}
    return {**ids, "change_time": 60 * DAY, "trigger": json.dumps(trigger), "paused": False, **more}


def tick(hours_ago: float, broken: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    details = {"broken": broken, "errors": [], "failure": "", "refused": [], **more.pop("details", {})}
    counts = {"created": 0, "changed": 0, "deleted": 0, "duration_seconds": 30.0, "outcome": "deployed"}
    row = {"target": "prod", "started_timestamp": hours_ago, **counts, "details": json.dumps(details)}
    return {**row, **more}


def check(run_id: str, hours_ago: float, failed: int, **more: Any) -> dict[str, Any]:
    names = {"module": "sales", "source": "orders", "check_name": "id_is_set", "kind": "dqx", "target": "prod"}
    counts = {"failed_rows": failed, "checked_rows": 200, "checked_at": hours_ago}
    return {"run_id": run_id, **names, "criticality": "error", **counts, **more}


@pytest.mark.parametrize("dataset", DATASETS)
def test_each_query_finds_nothing_in_empty_tables_and_has_the_columns_that_widgets_show(spark, dataset):
    frame = spark.sql(query_of(dataset, TABLES).replace("system.lakeflow.", "lakeflow_"))
    widgets = [widget for page in PAGES for widget in page.widgets if widget.dataset == dataset]
    shown = {name for each in widgets for name in (*each.columns, each.x, each.y, each.color) if name}
    assert frame.collect() == []
    assert shown <= set(frame.columns)


class TestNow:
    def test_a_job_that_failed_in_the_last_day_is_its_owners(self, spark):
        fill(spark, JOBS, job(1, "sales"), job(2, "stock"), job(3, "old"))
        fill(
            spark, CONTROL, {"module_name": "sales", "owner": "ann", "domain": "shop"}, owner="STRING", domain="STRING"
        )
        failed = {"result": "FAILED", "termination_code": "RUN_EXECUTION_ERROR"}
        fill(spark, RUNS, run(1, "a", 3, **failed), run(1, "b", 2, **failed), run(2, "c", 1), run(3, "d", 25, **failed))

        (row,) = found(spark, "failed_jobs")

        assert (row["owner"], row["domain"], row["module_name"], row["target"]) == ("ann", "shop", "sales", "prod")
        assert (row["failures"], row["state"], row["result_state"]) == (2, "still failing", "FAILED")
        assert row["termination_code"] == "RUN_EXECUTION_ERROR"

    @pytest.mark.parametrize(("result", "counts"), [("ERROR", 1), ("TIMED_OUT", 1), ("CANCELLED", 0), ("SKIPPED", 0)])
    def test_what_a_person_has_ended_is_no_failure(self, spark, result, counts):
        fill(spark, JOBS, job(1, "sales"))
        fill(spark, RUNS, run(1, "a", 3, result))
        assert len(found(spark, "failed_jobs")) == counts

    def test_a_job_that_succeeded_since_says_so_and_comes_after_those_that_fail(self, spark):
        fill(spark, JOBS, job(1, "sales"), job(2, "stock"))
        fill(spark, RUNS, run(1, "a", 3, "FAILED"), run(1, "b", 2), run(2, "c", 5), run(2, "d", 4, "FAILED"))
        assert [(row["module_name"], row["state"]) for row in found(spark, "failed_jobs")] == [
            ("stock", "still failing"),
            ("sales", "succeeded since"),
        ]

    def test_an_owner_is_a_tag_of_the_job_where_the_table_has_no_column_for_it(self, spark):
        fill(spark, JOBS, job(1, "sales"), job(2, "stock"))
        tags = json.dumps({"tags": {"owner": "bob", "domain": "shop"}})
        fill(spark, CONTROL, {"module_name": "sales", "job_config": tags}, {"module_name": "sales"})
        fill(spark, RUNS, run(1, "a", 3, "FAILED"), run(2, "b", 2, "FAILED"))
        assert {(row["module_name"], row["owner"], row["domain"]) for row in found(spark, "failed_jobs")} == {
            ("sales", "bob", "shop"),
            ("stock", "(no owner)", "(no domain)"),
        }

    def test_a_run_of_many_hours_is_one_run_with_the_result_of_its_last_row(self, spark):
        fill(spark, JOBS, job(1, "sales"))
        hours = [run(1, "a", hour, None, period_end_time=hour - 1, termination_code=None) for hour in (5, 4, 3)]
        fill(spark, RUNS, *hours, run(1, "a", 2, "FAILED"))
        assert [row["failures"] for row in found(spark, "failed_jobs")] == [1]
        assert [(row["result"], row["runs"]) for row in found(spark, "runs_by_hour")] == [("failed", 1)]

    def test_a_repaired_run_has_the_result_of_its_repair(self, spark):
        fill(spark, JOBS, job(1, "sales"))
        fill(spark, RUNS, run(1, "a", 3, "FAILED"), run(1, "a", 2, "SUCCEEDED"))
        assert found(spark, "failed_jobs") == []

    @pytest.mark.parametrize(
        ("url", "counts"),
        [
            ("https://adb-77.1.azuredatabricks.net/jobs/1", 1),
            ("https://adb-78.1.azuredatabricks.net/jobs/1", 0),
            ("https://shop.cloud.databricks.com/jobs/1?o=77", 1),
            ("https://shop.cloud.databricks.com/?o=78#job/1", 0),
            ("https://shop.cloud.databricks.com/jobs/1?w=78", 0),
            ("https://shop.cloud.databricks.com/jobs/1?w=78e4567-e89b", 1),
            ("https://shop.cloud.databricks.com/jobs/1", 1),
            (None, 1),
        ],
    )
    def test_a_job_of_another_workspace_with_the_same_id_is_not_ours(self, spark, url, counts):
        fill(spark, JOBS, job(1, "sales", url=url))
        fill(spark, RUNS, run(1, "a", 3, "FAILED"))
        fill(spark, TASKS, task("a", "load", "FAILED"))
        assert [len(found(spark, name)) for name in ("failed_jobs", "failed_tasks")] == [counts, counts]

    def test_rows_that_the_original_tool_left_are_no_jobs_of_a_target(self, spark):
        fill(spark, JOBS, job(1, "sales", target=None))
        fill(spark, RUNS, run(1, "a", 3, "FAILED"))
        assert found(spark, "failed_jobs") == []

    def test_the_tasks_that_failed_are_listed_and_those_that_a_retry_has_mended_are_not(self, spark):
        fill(spark, JOBS, job(1, "sales"))
        mended = [task("a", "flaky", "FAILED", 3), task("a", "flaky", "SUCCEEDED", 2)]
        fill(spark, TASKS, task("a", "load", "FAILED"), task("a", "after", "BLOCKED"), *mended)
        (row,) = found(spark, "failed_tasks")
        assert (row["module_name"], row["task_key"], row["job_run_id"]) == ("sales", "load", "a")


def task(run_id: str, key: str, result: str, hours_ago: float = 3) -> dict[str, Any]:
    of_run = run(1, f"{run_id}-{key}-{hours_ago}", hours_ago, result, job_run_id=run_id, task_key=key)
    return {name: value for name, value in of_run.items() if name != "trigger_type"}


class TestLate:
    DAILY, WEEKLY, MONTHLY = "0 0 6 * * ?", "0 0 6 ? * MON", "0 0 6 1 * ?"

    def late(self, spark: SparkSession) -> list[tuple[str, str]]:
        return [(row["module_name"], row["state"]) for row in found(spark, "late_jobs")]

    def test_a_job_that_did_not_start_after_its_longest_pause_is_late(self, spark):
        fill(spark, JOBS, job(1, "sales"), job(2, "stock"))
        fill(spark, DEFINITIONS, definition(1, "0 0 * * * ?"), definition(2, "0 0 * * * ?"))
        hourly = [run(number, f"{number}-{hour}", hour) for number in (1, 2) for hour in (6, 5, 4)]
        fill(spark, RUNS, *hourly, run(2, "last", 1))

        (row,) = found(spark, "late_jobs")

        assert (row["module_name"], row["state"], row["hours_late"]) == ("sales", "is late", 2.0)
        assert (row["cron"], row["time_zone"]) == ("0 0 * * * ?", "Europe/Berlin")

    def test_a_weekend_is_no_delay(self, spark):
        fill(spark, JOBS, job(1, "sales"))
        fill(spark, DEFINITIONS, definition(1, "0 0 6 ? * MON-FRI"))
        fill(spark, RUNS, *(run(1, str(day), day * DAY) for day in (2, 3, 6, 7, 8)))
        assert self.late(spark) == []

    @pytest.mark.parametrize(("cron", "days"), [(DAILY, 1), (WEEKLY, 7), (MONTHLY, 31)])
    def test_a_job_that_never_started_is_late_when_its_cron_expression_has_come_round(self, spark, cron, days):
        young, old = days * DAY, days * DAY + 2
        fill(spark, JOBS, job(1, "young", updated_timestamp=young), job(2, "old", updated_timestamp=old))
        fill(spark, DEFINITIONS, definition(1, cron), definition(2, cron))
        assert self.late(spark) == [("old", "has not run")]

    def test_a_job_once_a_year_is_not_judged(self, spark):
        fill(spark, JOBS, job(1, "sales"))
        fill(spark, DEFINITIONS, definition(1, "0 0 6 1 1 ?"))
        assert self.late(spark) == []

    def test_a_job_that_is_paused_deleted_or_has_no_schedule_is_not_late(self, spark):
        fill(spark, JOBS, *(job(number, f"m{number}") for number in (1, 2, 3, 4)))
        paused = [definition(1, self.DAILY), definition(1, self.DAILY, change_time=30, paused=True)]
        fill(spark, DEFINITIONS, *paused, definition(2, self.DAILY, delete_time=40), definition(3, None))
        fill(spark, RUNS, *(run(3, str(hour), hour) for hour in (90, 89, 88)))
        assert self.late(spark) == []

    def test_the_runs_tell_of_a_job_whose_trigger_is_not_known(self, spark):
        fill(spark, JOBS, job(1, "sales"))
        fill(spark, DEFINITIONS, definition(1, None, trigger=None, paused=None))
        fill(spark, RUNS, *(run(1, str(hour), hour) for hour in (90, 89, 88)))
        assert self.late(spark) == [("sales", "is late")]

    def test_a_schedule_that_was_changed_is_judged_by_what_came_after(self, spark):
        fill(spark, JOBS, job(1, "sales", updated_timestamp=20))
        fill(spark, DEFINITIONS, definition(1, self.DAILY))
        fill(spark, RUNS, *(run(1, str(hour), hour) for hour in (30, 29, 28, 27)))
        assert self.late(spark) == []

    def test_a_start_by_hand_is_a_start_and_says_nothing_of_the_schedule(self, spark):
        fill(spark, JOBS, job(1, "sales"))
        fill(spark, DEFINITIONS, definition(1, self.DAILY))
        by_hand = [run(1, str(hour), hour, trigger_type="ONETIME") for hour in (40, 39, 38, 5)]
        fill(spark, RUNS, *by_hand)
        assert self.late(spark) == []


class TestChangeAndEffect:
    def test_a_run_that_failed_within_a_day_of_a_change_is_shown_with_that_change(self, spark):
        changed = {"updated_timestamp": 9.999, "metadata_version": "17"}
        fill(spark, JOBS, job(1, "sales", **changed), job(2, "stock", updated_timestamp=40))
        fill(spark, HISTORY, tick(10, changed=1, changed_by="ann@example.com"), tick(9), changed_by="STRING")
        fill(spark, RUNS, run(1, "a", 12), run(1, "b", 8, "FAILED"), run(2, "c", 8, "FAILED"))

        (row,) = found(spark, "failed_after_change")

        assert (row["module_name"], row["change"], row["metadata_version"]) == ("sales", "changed", "17")
        assert (row["deployed_by"], row["changed_by"], row["git_commit"]) == ("monitor", "ann@example.com", None)
        assert (row["hours_after"], row["result_before"]) == (2.0, "SUCCEEDED")

    def test_a_change_by_ljm_deploy_has_no_tick_and_a_new_job_no_run_before(self, spark):
        fill(spark, JOBS, job(1, "sales", created_timestamp=10, updated_timestamp=10, metadata_version=""))
        fill(spark, HISTORY, tick(30))
        fill(spark, RUNS, run(1, "b", 8, "FAILED"), run(1, "c", 7))
        (row,) = found(spark, "failed_after_change")
        assert (row["deployed_by"], row["change"], row["result_before"]) == ("ljm deploy", "created", "(no run)")
        assert row["metadata_version"] is None

    def test_what_the_monitor_deployed_is_listed_newest_first_without_ticks_that_changed_nothing(self, spark):
        old = tick(31 * DAY, created=5)
        fill(spark, HISTORY, tick(3, created=2, deleted=1), tick(2, outcome="failed"), tick(1, changed=1), old)
        assert [row["jobs"] for row in found(spark, "changes")] == [1, 3]


class TestQuality:
    def test_the_newest_run_of_a_source_counts(self, spark):
        mended, failing = {"source": "mended"}, {"source": "failing", "check_name": "unique"}
        fill(
            spark,
            QUALITY,
            *(check("1", 5, 4, **mended), check("2", 3, 0, **mended)),
            *(check("1", 5, 0, **failing), check("2", 3, 5, **failing)),
        )
        (row,) = found(spark, "failing_checks")
        assert (row["source"], row["check_name"], row["failed_rows"], row["failed_percent"]) == (
            *("failing", "unique", 5),
            pytest.approx(2.5),
        )

    def test_a_check_that_was_taken_away_is_not_failing_for_ever(self, spark):
        fill(spark, QUALITY, check("1", 5, 4, check_name="gone"), check("2", 3, 0))
        assert found(spark, "failing_checks") == []

    def test_a_task_that_was_tried_again_counts_once(self, spark):
        fill(spark, QUALITY, check("1", 5, 4), check("1", 4, 3))
        assert [row["failed_rows"] for row in found(spark, "failing_checks")] == [3]

    def test_a_query_without_a_number_of_checked_rows_has_no_share(self, spark):
        fill(spark, QUALITY, check("1", 5, 4, checked_rows=None, kind="expect_no_rows"))
        assert [row["failed_percent"] for row in found(spark, "failing_checks")] == [None]

    def test_rows_are_summed_up_by_day_and_criticality(self, spark):
        fill(spark, QUALITY, check("1", 49, 4), check("2", 1, 2, criticality="warn"), check("3", 1, 0))
        found_rows = {(row["criticality"], row["failed_rows"]) for row in found(spark, "quality_by_day")}
        assert found_rows == {("error", 4), ("warn", 2), ("error", 0)}


class TestHeldBack:
    def test_a_module_in_quarantine_has_an_owner_and_a_day_since_when(self, spark):
        fill(spark, CONTROL, {"module_name": "sales", "owner": "ann"}, owner="STRING")
        fill(spark, JOBS, job(1, "sales"))
        fill(spark, HISTORY, tick(9, ("sales",)), tick(8), tick(5, ("sales",)), tick(2, ("sales", "new")))
        rows = {row["module_name"]: row for row in found(spark, "quarantine")}
        assert rows["sales"]["owner"] == "ann"
        assert (rows["sales"]["job"], rows["new"]["job"]) == ("keeps its last good job", "has no job yet")
        assert round((rows["new"]["since"] - rows["sales"]["since"]).total_seconds() / 3600) == 3

    def test_a_module_that_was_mended_is_not_in_quarantine(self, spark):
        fill(spark, HISTORY, tick(9, ("sales",)), tick(8), tick(9.5, ("stock",), target="dev"))
        assert [(row["module_name"], row["target"]) for row in found(spark, "quarantine")] == [("stock", "dev")]

    def test_what_is_refused_stands_there_with_its_reason(self, spark):
        refused = {"refused": [{"jobs": ["sales", "stock"], "reason": "2 jobs would be deleted"}]}
        fill(
            spark, HISTORY, tick(9, details=refused), tick(20, details={"refused": [{"jobs": ["x"], "reason": "old"}]})
        )
        (row,) = found(spark, "held_back")
        assert (row["target"], row["jobs"], row["reason"]) == ("prod", "sales, stock", "2 jobs would be deleted")

    def test_what_failed_and_each_mistake_is_a_message(self, spark):
        details = {"failure": "the workspace refused", "errors": ["control: sales: no 'source_type'"]}
        fill(spark, HISTORY, tick(9, details=details), tick(8, target="dev"))
        messages = {(row["target"], row["message"]) for row in found(spark, "messages")}
        assert messages == {("prod", "the workspace refused"), ("prod", "control: sales: no 'source_type'")}

    def test_details_that_cannot_be_read_are_as_if_there_were_none(self, spark):
        fill(spark, HISTORY, {**tick(9), "details": "{"})
        assert [found(spark, name) for name in ("quarantine", "held_back", "messages")] == [[], [], []]


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/New_York"])
def test_no_time_zone_of_the_session_makes_a_run_older_or_younger(spark, zone):
    before = spark.conf.get("spark.sql.session.timeZone")
    fill(spark, JOBS, job(1, "sales", updated_timestamp=23.5))
    fill(spark, DEFINITIONS, definition(1, TestLate.DAILY))
    fill(spark, RUNS, run(1, "a", 23, "FAILED"), run(1, "b", 25, "FAILED"))
    spark.conf.set("spark.sql.session.timeZone", zone)
    try:
        assert [row["failures"] for row in found(spark, "failed_jobs")] == [1]
        assert [row["hours_after"] for row in found(spark, "failed_after_change")] == [0.5]
        assert found(spark, "late_jobs") == []
    finally:
        spark.conf.set("spark.sql.session.timeZone", before)
