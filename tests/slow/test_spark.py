"""Control tables in a real Spark session with real Delta: the contract, and the original's ways to use one."""

from __future__ import annotations

import itertools
import logging
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings

from fakes.workspace import FakeWorkspace
from lakeflow_job_meta import JobOrchestrator, MetadataManager, MetadataMonitor, PolicyRefused, approve
from lakeflow_job_meta.checks.schedules import quartz_problem
from lakeflow_job_meta.config.load import load_project
from lakeflow_job_meta.control_table.blame import blame_cells
from lakeflow_job_meta.control_table.changes import Kind
from lakeflow_job_meta.control_table.schema import CONTROL_TABLE
from lakeflow_job_meta.errors import OperationFailed
from lakeflow_job_meta.tables.open import open_table
from lakeflow_job_meta.tables.schema import RowChanges
from lakeflow_job_meta.tables.spark import SparkExecutor
from lakeflow_job_meta.tables.sql import SqlTable
from lakeflow_job_meta.tables.store import TableMissing, VersionedTable
from support.control_table_contract import ControlTableContract, check_history, histories
from support.cron_expressions import REFUSED, TAKEN, WITHOUT_MEANING
from support.project_folder import ProjectFolder, compile_loaded, module
from support.record_table_contract import OpenRecords, RecordTableContract, check_puts, put_histories
from support.row_projects import compiled, fingerprint_of, jobs_of, problems_of, project_of_rows, rows_of
from support.slow import SPARK
from support.tables import row

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytest_plugins = ["support.spark_session"]
pytestmark = SPARK
REPOSITORY = Path(__file__).parents[2]
NUMBERS = itertools.count()


@dataclass
class SparkPlace:
    """A table of the session's catalog."""

    session: SparkSession
    name: str
    folder: Path
    records_users: bool = False
    commits_nothing: bool = True

    def open(self) -> VersionedTable:
        return SqlTable(self.name, CONTROL_TABLE, SparkExecutor(self.session))

    def adopt(self) -> None:
        self.session.sql(f"CREATE TABLE {self.name} USING DELTA LOCATION '{self.folder}'")

    def drop(self) -> None:
        self.session.sql(f"DROP TABLE IF EXISTS {self.name}")
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture
def place(session: SparkSession) -> Iterator[SparkPlace]:
    name = f"control_{next(NUMBERS)}"
    warehouse = Path(str(session.conf.get("spark.sql.warehouse.dir")).removeprefix("file:"))
    place = SparkPlace(session, f"default.{name}", warehouse / name)
    yield place
    place.drop()


class TestSpark(ControlTableContract):
    @settings(max_examples=2)
    @given(history=histories)
    def test_a_table_in_spark_behaves_like_a_dictionary(self, place: SparkPlace, history):
        check_history(place, history)


class TestRecords(RecordTableContract):
    @pytest.fixture
    def open_table(self, session: SparkSession) -> Iterator[OpenRecords]:
        control = f"default.`records_{next(NUMBERS)}`"
        yield lambda layout: open_table(control, layout)
        for suffix in ("_jobs", "_history"):
            session.sql(f"DROP TABLE IF EXISTS {control[:-1]}{suffix}`")

    @settings(max_examples=2)
    @given(puts=put_histories)
    def test_a_store_in_spark_behaves_like_a_dictionary(self, jobs, puts):
        check_puts(jobs, puts)


class TestSession:
    def test_a_table_is_found_in_the_active_session(self, place: SparkPlace):
        table = open_table(place.name, CONTROL_TABLE)
        table.create(optional_columns=False)
        assert table.read().rows == []

    def test_a_name_is_quoted_part_by_part(self, session: SparkSession):
        table = open_table("spark_catalog.`default`.my_table", CONTROL_TABLE)
        table.create(optional_columns=False)
        assert table.version().number == 0
        session.sql("DROP TABLE default.my_table")

    def test_what_spark_refuses_is_one_sentence(self, place: SparkPlace):
        place.session.sql(f"CREATE TABLE {place.name} (source_id STRING) USING PARQUET")
        with pytest.raises(OperationFailed) as caught:
            place.open().version()
        assert "\n" not in str(caught.value)
        assert "JVM" not in str(caught.value)

    def test_times_are_utc_whatever_the_zone_of_the_session(self, place: SparkPlace):
        table = place.open()
        table.create(optional_columns=True)
        (commit,) = table.history(1)
        written = (place.folder / "_delta_log" / "00000000000000000000.json").stat().st_mtime
        assert abs(commit.timestamp.timestamp() - written) < 60


class TestManager:
    """The original README's ways in a notebook."""

    @pytest.fixture
    def manager(self, place: SparkPlace) -> MetadataManager:
        manager = MetadataManager(place.name)
        manager.ensure_exists()
        return manager

    def test_option_1_insert_by_sql(self, manager: MetadataManager, place: SparkPlace):
        place.session.sql(
            f"INSERT INTO {place.name} (source_id, module_name, source_type, execution_order, source_config, "
            "target_config, transformation_config, is_active) VALUES ('sql_task_1', 'my_pipeline', 'sql', 1, '{}', "
            """'{"table": "customers"}', '{"task_type": "sql_query"}', true)"""
        )
        assert manager.get_all_modules() == ["my_pipeline"]
        assert manager.detect_changes(0).of_kind(Kind.NEW) == ["my_pipeline"]

    def test_option_2_load_yaml(self, manager: MetadataManager):
        examples = str(REPOSITORY / "examples" / "metadata_examples.yaml")
        rows = manager.load_yaml(examples)
        assert rows == sum(len(manager.get_module_sources(name)) for name in manager.get_all_modules())
        assert manager.load_yaml(examples) == rows
        assert manager.current_version() == 1

    def test_rows_are_put_back_to_a_version_and_who_set_them_is_found(
        self, manager: MetadataManager, place: SparkPlace
    ):
        original = row("a", "sales", is_active=None)
        place.session.sql(
            f"INSERT INTO {place.name} (source_id, module_name, source_type, execution_order, source_config, "
            f"target_config, transformation_config) VALUES ('a', 'sales', 'sql', 1, '{{}}', '{{}}', "
            f"'{original['transformation_config']}')"
        )
        manager.table.write(RowChanges([row("a", "sales", is_active=False), row("b", "sales"), row("a", "returns")]))

        plan = manager.rollback("sales", 1)

        found = {str(each["source_id"]): each for each in manager.get_module_sources("sales")}
        assert {key: each["is_active"] for key, each in found.items()} == {"a": None}
        assert [change.kind for change in plan.changes] == ["changed", "removed"]
        assert len(manager.get_module_sources("returns")) == 1
        assert manager.current_version() == 3
        set_by, _ = blame_cells(manager.table, "sales", [(("sales", "a"), ("execution_order",))], 10)
        assert [each.commit.version for each in set_by.values()] == [1]

    def test_option_3_on_demand(self, manager: MetadataManager, place: SparkPlace, tmp_path: Path, monkeypatch):
        here = tmp_path / "notebook"
        here.mkdir()
        monkeypatch.chdir(here)
        nothing = dict.fromkeys(("depends_on", "job_config", "description"))
        config = '{"notebook_path": "/Workspace/a"}'
        manager.table.write(RowChanges([{**row("a"), **nothing, "transformation_config": config}], ()))
        with FakeWorkspace(tmp_path / "workspace") as workspace:
            monkeypatch.setenv("DATABRICKS_HOST", workspace.url)
            monkeypatch.setenv("DATABRICKS_TOKEN", workspace.token)

            jobs = JobOrchestrator(place.name).run_all_modules(auto_run=True)
            again = JobOrchestrator(place.name).run_all_modules(auto_run=False)

            assert [job["job_id"] for job in jobs] == [job.job_id for job in workspace.jobs.all()]
            assert again == jobs
            assert [run.job_id for run in workspace.jobs.runs] == [jobs[0]["job_id"]]
            recorded = place.session.sql(f"SELECT job_id FROM {place.name}_jobs").collect()
            assert [each.job_id for each in recorded] == [jobs[0]["job_id"]]
            place.session.sql(f"DROP TABLE {place.name}_jobs")

    def test_the_monitor_follows_what_is_written_by_sql_and_what_lies_in_the_volume(
        self, place: SparkPlace, tmp_path: Path, monkeypatch
    ):
        monkeypatch.chdir(tmp_path)
        with FakeWorkspace(tmp_path / "workspace") as workspace:
            monkeypatch.setenv("DATABRICKS_HOST", workspace.url)
            monkeypatch.setenv("DATABRICKS_TOKEN", workspace.token)
            volume = workspace.files.create_volume("main", "etl", "metadata")
            (volume / "files.yml").write_text(module("of_a_file"), encoding="utf-8")
            monitor = MetadataMonitor(place.name, volume_path="/Volumes/main/etl/metadata")

            first = monitor.check_and_update()
            place.session.sql(
                f"INSERT INTO {place.name} (source_id, module_name, source_type, execution_order, source_config, "
                "target_config, transformation_config, is_active) VALUES ('a', 'of_sql', 'notebook', 1, '{}', '{}', "
                """'{"notebook_path": "/Workspace/a"}', true)"""
            )
            second = monitor.check_and_update()
            place.session.sql(f"OPTIMIZE {place.name}")
            third = monitor.check_and_update()
            restarted = MetadataMonitor(place.name, volume_path="/Volumes/main/etl/metadata").check_and_update()

            assert (first["outcome"], first["yaml_changes"], first["errors"]) == ("deployed", True, [])
            assert (second["outcome"], second["table_changes"], second["yaml_changes"]) == ("deployed", True, False)
            assert [job["module"] for job in second["jobs_updated"]] == ["of_sql"]
            assert third["outcome"] in ("idle", "unchanged")
            assert restarted["outcome"] == "idle"
            assert sorted(workspace.jobs.names()) == ["of_a_file", "of_sql"]
            outcomes = place.session.sql(f"SELECT outcome FROM {place.name}_history ORDER BY started_timestamp")
            assert [row.outcome for row in outcomes.collect()][:2] == ["deployed", "deployed"]
            for side in ("jobs", "history"):
                place.session.sql(f"DROP TABLE {place.name}_{side}")

    def test_changes_are_seen_by_content(self, manager: MetadataManager, place: SparkPlace):
        nothing = dict.fromkeys(("depends_on", "job_config", "description"))
        manager.table.write(RowChanges([{**row("a"), **nothing}, {**row("b"), **nothing}], ()))
        place.session.sql(f"UPDATE {place.name} SET is_active = false WHERE source_id = 'a'")
        place.session.sql(f"DELETE FROM {place.name} WHERE source_id = 'b'")
        assert [(each.source_id, each.kind) for each in manager.detect_changes(1).sources] == [
            ("a", Kind.DEACTIVATED),
            ("b", Kind.DELETED),
        ]


@pytest.mark.parametrize("name", ["not_there", "no_schema.not_there", "`not there`"])
def test_a_missing_table_leaves_no_stack_of_java_on_the_console(session, name):
    from pyspark.logger import PySparkLogger

    shown: list[logging.LogRecord] = []
    logger, keep = PySparkLogger.getLogger("SQLQueryContextLogger"), logging.Handler()
    keep.emit = shown.append
    logger.addHandler(keep)
    table = SqlTable(name, CONTROL_TABLE, SparkExecutor(session))
    try:
        for look in (table.version, table.read, table.identity, table.rows, lambda: table.history(1)):
            with pytest.raises(TableMissing):
                look()
    finally:
        logger.removeHandler(keep)
    assert shown == []


CRON_ITEMS = (
    ("0", "59", "60", "*", "/15", "0/5", "*/7", "/60", "5-50", "50-5", "1-5/2", "?", "07"),
    ("0", "30", "60", "*", "/15", "*/61", "10-20", "1,5", "?"),
    ("0", "23", "24", "*", "*/2", "/24", "8-18/2", "22-2", "1,?"),
    ("1", "31", "32", "0", "*", "?", "L", "LW", "L-3", "L-3W", "L-31", "15W", "32W", "W", "1-5", "*/5", "/15"),
    ("1", "12", "13", "*", "JAN", "jul", "JAN-MAR", "NOV-FEB", "*/3", "/12", "JA", "?", "0"),
    ("1", "7", "8", "0", "*", "?", "L", "MON", "MON-FRI", "2L", "FRIL", "1#1", "MON#3", "1#6", "8L", "*/2", "/8", "MO"),
    ("", "", "*", "2026", "2026-2030", "2030-2026", "*/2", "1970", "2099", "2026,2028"),
)
"""What each field of a cron expression may be, right and wrong; nothing that Quartz takes by accident."""


def cron_expressions(number: int) -> Iterator[str]:
    """Yields expressions of which about half are right, always the same ones."""
    choose = random.Random(1)
    for _ in range(number):
        fields = ["0", "0", "6", "*", "*", "?", ""]
        if choose.random() < 0.5:
            fields[3], fields[5] = "?", "MON"
        for field in choose.sample(range(7), choose.choice((1, 1, 2))):
            items = choose.choices(CRON_ITEMS[field], k=choose.choice((1, 1, 2)))
            # Quartz reads no further than a '?', whatever follows in a list.
            fields[field] = "?" if "?" in items else ",".join(filter(None, items))
        yield " ".join(fields).strip()


def test_cron_expressions_are_judged_as_quartz_judges_them(session):
    quartz = session._jvm.org.quartz.CronExpression
    for expression in [*TAKEN, *WITHOUT_MEANING]:
        assert quartz.isValidExpression(expression), expression
    for expression in REFUSED:
        assert not quartz.isValidExpression(expression), expression
    expressions = list(cron_expressions(6000))
    verdicts = {each: quartz.isValidExpression(each) for each in expressions}
    ours = {each: quartz_problem(each) is None for each in expressions}
    assert [(each, ours[each]) for each in expressions if ours[each] != verdicts[each]] == []
    assert 600 < sum(verdicts.values()) < 5400


class TestApprovals:
    """What a target gets that needs approvals; Delta outside of Databricks names no user in a table's history."""

    @pytest.fixture
    def filled(self, place: SparkPlace, project: ProjectFolder) -> Iterator[ProjectFolder]:
        rule = "deploy: {approval: {targets: [prod]}}"
        project.write("job_meta.yml", f"metadata: [{{table: {place.name}}}]\n{rule}\n")
        table = place.open()
        table.create(optional_columns=True)
        table.write(RowChanges([row("a", "sales"), row("a", "stock")]))
        yield project
        place.session.sql(f"DROP TABLE IF EXISTS {place.name}_approvals")

    def _jobs(self, project: ProjectFolder) -> dict[str, str]:
        found = compile_loaded(load_project(project.path).for_target("prod"))
        assert [str(each) for each in found.errors] == []
        return {job.key: job.settings["tasks"][0]["notebook_task"]["notebook_path"] for job in found.jobs}  # type: ignore[index,call-overload,misc]

    def test_are_of_the_newest_version_that_was_approved_for_each_module(
        self, filled: ProjectFolder, place: SparkPlace
    ):
        assert self._jobs(filled) == {}
        done = approve(load_project(filled.path), 1)
        assert [each.approved_by for each in done.approvals] == [place.open().current_user()] * 2
        changed = [
            row("a", name, transformation_config='{"notebook_path": "/Workspace/b"}') for name in ("sales", "stock")
        ]
        place.open().write(RowChanges(changed))
        approve(load_project(filled.path), 2, ["stock"])

        assert self._jobs(filled) == {"sales": "/Workspace/a", "stock": "/Workspace/b"}
        assert approve(load_project(filled.path), 2).approvals[0].module == "sales"
        assert approve(load_project(filled.path), 2).approvals == ()

    def test_that_have_to_be_somebody_elses_do_not_count_without_a_name_in_the_history(
        self, filled: ProjectFolder, place: SparkPlace
    ):
        approve(load_project(filled.path), 1)
        text = filled.read("job_meta.yml").replace("[prod]", "[prod], other_than_author: true")
        filled.write("job_meta.yml", text)

        assert self._jobs(filled) == {}
        with pytest.raises(PolicyRefused, match="does not say who wrote it"):
            approve(load_project(filled.path), 1)

    def test_of_a_version_that_was_vacuumed_hold_what_has_changed_since_and_nothing_else(
        self, filled: ProjectFolder, place: SparkPlace
    ):
        approve(load_project(filled.path), 1)
        place.open().write(RowChanges([row("a", "sales", transformation_config='{"notebook_path": "/Workspace/b"}')]))
        session, name = place.session, place.name
        session.sql(f"ALTER TABLE {name} SET TBLPROPERTIES ('delta.deletedFileRetentionDuration' = '0 hours')")
        session.sql(f"OPTIMIZE {name}")
        session.conf.set("spark.databricks.delta.retentionDurationCheck.enabled", "false")
        session.sql(f"VACUUM {name} RETAIN 0 HOURS")

        found = compile_loaded(load_project(filled.path).for_target("prod"))

        assert [job.key for job in found.jobs] == ["stock"]
        assert [each.code for each in found.errors] == ["unreadable-approval"]
        assert found.held == {"sales"}


class TestRows:
    """Tables, views and queries of the user's own, whose rows fill a blueprint."""

    @pytest.fixture
    def filled(self, place: SparkPlace) -> Iterator[SparkPlace]:
        """A table of two rows, a view of it in the catalog and a temporary one."""
        run = place.session.sql
        run(f"CREATE TABLE {place.name} (Name STRING, Owner STRING, Retries INT, Closed BOOLEAN) USING DELTA")
        run(f"INSERT INTO {place.name} VALUES ('customers', 'crm', 1, false), ('orders', NULL, NULL, NULL)")
        run(f"CREATE VIEW {place.name}_view AS SELECT Name, Owner FROM {place.name}")
        run(f"CREATE TEMPORARY VIEW temporary_view AS SELECT Name, Owner FROM {place.name}")
        yield place
        run("DROP VIEW IF EXISTS temporary_view")
        run(f"DROP VIEW IF EXISTS {place.name}_view")

    @pytest.fixture(params=["table", "view", "temporary view", "query"])
    def rows(self, request: pytest.FixtureRequest, filled: SparkPlace, project: ProjectFolder) -> ProjectFolder:
        project.write("sql/rows.sql", f"-- all\nSELECT Name, Owner FROM {filled.name};\n")
        source = {
            "table": f"table: {filled.name}",
            "view": f"table: {filled.name}_view",
            "temporary view": "table: temporary_view",
            "query": "query: sql/rows.sql",
        }[request.param]
        return project_of_rows(project, f"{source}, key: name")

    def test_each_row_becomes_a_job(self, rows: ProjectFolder):
        assert jobs_of(compiled(rows)) == {
            "load_customers": {"source_id": "load", "table": "customers", "owner": "crm"},
            "load_orders": {"source_id": "load", "table": "orders"},
        }

    def test_the_fingerprint_changes_with_the_rows_alone(self, rows: ProjectFolder, filled: SparkPlace):
        before = fingerprint_of(rows)
        assert fingerprint_of(rows) == before
        filled.session.sql(f"UPDATE {filled.name} SET Owner = 'sales' WHERE Name = 'orders'")
        assert fingerprint_of(rows) != before

    def test_without_a_row_the_columns_are_known(self, rows: ProjectFolder, filled: SparkPlace):
        filled.session.sql(f"DELETE FROM {filled.name}")
        found = compiled(rows)
        assert (problems_of(found), list(found.jobs)) == ([], [])

    def test_what_is_not_there_is_one_sentence(self, rows: ProjectFolder, filled: SparkPlace):
        for statement in ("DROP VIEW temporary_view", f"DROP VIEW {filled.name}_view", f"DROP TABLE {filled.name}"):
            filled.session.sql(statement)
        (problem,) = problems_of(compiled(rows))
        assert "TABLE_OR_VIEW_NOT_FOUND" in problem
        assert "\n" not in problem

    def test_every_type_of_a_column_is_a_plain_value(self, place: SparkPlace, project: ProjectFolder):
        columns = {
            "name": "'a'",
            "big": "9007199254740993L",
            "price": "CAST(12.50 AS DECIMAL(10, 2))",
            "whole": "CAST(12 AS DECIMAL(20, 0))",
            "day": "DATE '2024-02-29'",
            "moment": "TIMESTAMP '2024-02-29T10:00:00Z'",
            "local": "TIMESTAMP_NTZ '2024-02-29T10:00:00'",
            "bytes": "X'00ff'",
            "items": "array(1, 2)",
            "records": "array(named_struct('a', 1, 'b', map('k', true)))",
            "pairs": "map('a', '1')",
        }
        project.write("sql/rows.sql", "SELECT " + ", ".join(f"{value} AS {name}" for name, value in columns.items()))
        project_of_rows(project, "query: sql/rows.sql, key: name")
        assert rows_of(project) == [
            {
                "name": "a",
                "big": 9007199254740993,
                "price": 12.5,
                "whole": 12,
                "day": "2024-02-29",
                "moment": "2024-02-29T10:00:00+00:00",
                "local": "2024-02-29T10:00:00",
                "bytes": "AP8=",
                "items": [1, 2],
                "records": [{"a": 1, "b": {"k": True}}],
                "pairs": {"a": "1"},
            }
        ]

    def test_a_table_of_another_format_has_no_version_and_is_read(self, place: SparkPlace, project: ProjectFolder):
        place.session.sql(f"CREATE TABLE {place.name} (name STRING) USING PARQUET")
        place.session.sql(f"INSERT INTO {place.name} VALUES ('a')")
        project_of_rows(project, f"table: {place.name}, key: name")
        assert list(jobs_of(compiled(project))) == ["load_a"]
        assert fingerprint_of(project) == fingerprint_of(project)

    def test_two_columns_of_one_name_are_refused(self, place: SparkPlace, project: ProjectFolder):
        project.write("sql/rows.sql", "SELECT 'a' AS name, 'b' AS name")
        (problem,) = problems_of(compiled(project_of_rows(project, "query: sql/rows.sql, key: name")))
        assert "the columns 'name' and 'name' differ by case alone, or not at all" in problem

    def test_what_is_no_sql_is_one_sentence(self, place: SparkPlace, project: ProjectFolder):
        project.write("sql/rows.sql", "SELECT (1")
        (problem,) = problems_of(compiled(project_of_rows(project, "query: sql/rows.sql, key: name")))
        assert problem.startswith(
            "sql/rows.sql: error: cannot be read: Spark refused a statement: [PARSE_SYNTAX_ERROR]"
        )
        assert "\n" not in problem

    @pytest.mark.parametrize("reached", ["in Spark", "where it lies"])
    def test_the_control_table_of_data_factory_becomes_jobs(
        self, place: SparkPlace, project: ProjectFolder, reached: str
    ):
        place.session.sql(
            f"CREATE TABLE {place.name} (Id INT, SourceObjectSettings STRING, TriggerName STRING, CopyEnabled BOOLEAN) "
            "USING DELTA TBLPROPERTIES ('delta.enableDeletionVectors' = 'true')"
        )
        settings = ", ".join(
            f'({number}, \'{{"schema": "dbo", "table": "{name}"}}\', \'["Daily"]\', {enabled})'
            for number, name, enabled in ((1, "Orders", "true"), (2, "Leads", "false"), (3, "Gone", "true"))
        )
        place.session.sql(f"INSERT INTO {place.name} VALUES {settings}")
        place.session.sql(f"DELETE FROM {place.name} WHERE Id = 3")
        source = f"table: {place.name}" if reached == "in Spark" else f"delta: '{place.folder}'"
        columns = "name: '${column.SourceObjectSettings.table}', owner: sales, active: '${column.CopyEnabled}'"
        project_of_rows(project, f"{source}, key: Id, with: {{{columns}}}")
        assert list(jobs_of(compiled(project))) == ["load_Orders"]
