"""Checks of rows in a real Spark session with real Delta and real DQX: the shipped notebook, and the SQL files."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fakes.workspace import FakeWorkspace
from lakeflow_job_meta.diagnostics.model import SourceRef, UnreadableDocument
from lakeflow_job_meta.jobs.expectations_sql import RESULT_COLUMNS, render_expectations_sql
from lakeflow_job_meta.parsing.model import Expectation
from support.local_tasks import run_job, run_notebook, run_sql
from support.project_folder import ProjectFolder
from support.slow import SPARK

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytest_plugins = ["support.spark_session"]
pytestmark = [
    *SPARK,
    # Of DQX and what it brings.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
REPOSITORY = Path(__file__).parents[2]
NOTEBOOK = REPOSITORY / "bundle" / "notebooks" / "quality.py"
NUMBERS = itertools.count()
NOWHERE = SourceRef(UnreadableDocument("test.yml"))
IN_RANGE = {
    "name": "amount_in_range",
    "criticality": "warn",
    "check": {"function": "is_in_range", "arguments": {"column": "amount", "min_limit": 0, "max_limit": 100}},
}
HAS_ID = {
    "name": "has_id",
    "criticality": "error",
    "check": {"function": "is_not_null", "arguments": {"column": "order_id"}},
}
GOOD = "(1, 10), (2, 20)"
BAD = "(1, 10), (NULL, 20), (NULL, 30)"


@pytest.fixture(scope="module", autouse=True)
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """DQX asks the workspace whether it is there, once for each engine."""
    with FakeWorkspace(tmp_path_factory.mktemp("workspace")) as running, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABRICKS_HOST", running.url)
        patch.setenv("DATABRICKS_TOKEN", running.token)
        yield


@dataclass
class Site:
    """A schema with a table `orders`, and the parameters of a task that checks it."""

    session: SparkSession
    schema: str
    folder: Path

    def name(self, table: str) -> str:
        return f"{self.schema}.{table}"

    def orders(self, rows: str) -> None:
        self.session.sql(f"CREATE OR REPLACE TABLE {self.name('orders')} (order_id INT, amount INT) USING DELTA")
        if rows:
            self.session.sql(f"INSERT INTO {self.name('orders')} VALUES {rows}")

    def file(self, *rules: Mapping[str, Any]) -> str:
        path = self.folder / f"rules_{next(NUMBERS)}.yml"
        path.write_text(f"# Generated.\n{json.dumps(rules)}\n", encoding="utf-8")
        return str(path)

    def check(self, *rules: Mapping[str, Any], **parameters: str) -> None:
        given = {
            "module": "sales",
            "source": "orders",
            "table": self.name("orders"),
            "checks_file": self.file(*rules) if rules else "",
            "quarantine": self.name("bad_orders"),
            "results_table": self.name("results"),
            "run_id": "1",
            "target": "prod",
        }
        run_notebook(self.session, NOTEBOOK, named(given | parameters))

    def expect(self, *queries: Expectation, **parameters: str) -> list[Any]:
        script = render_expectations_sql(queries, has_results=True)
        return run_sql(self.session, script, named(self.sql_parameters | parameters))

    @property
    def sql_parameters(self) -> dict[str, str]:
        return {
            "module": "sales",
            "source": "orders",
            "table": self.name("orders"),
            "run_id": "1",
            "target": "prod",
            "results_table": self.name("results"),
        }

    def rows(self, table: str, columns: str = "*", then: str = "") -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self.session.sql(f"SELECT {columns} FROM {self.name(table)} {then}").collect()]

    def results(self, columns: str = "check_name, criticality, failed_rows, checked_rows") -> list[tuple[Any, ...]]:
        return self.rows("results", columns, "ORDER BY checked_at, check_name")

    def has(self, table: str) -> bool:
        return bool(self.session.catalog.tableExists(self.name(table)))


def named(parameters: Mapping[str, str]) -> dict[str, str]:
    return {f"ljm_{name}": value for name, value in parameters.items()}


def query(name: str, sql: str, is_error: bool = True) -> Expectation:
    return Expectation(name, sql, is_error, NOWHERE)


@pytest.fixture
def site(session: SparkSession, tmp_path: Path) -> Iterator[Site]:
    site = Site(session, f"quality_{next(NUMBERS)}", tmp_path)
    session.sql(f"CREATE SCHEMA {site.schema}")
    yield site
    session.sql(f"DROP SCHEMA {site.schema} CASCADE")


def message_of(action: Callable[[], object]) -> str:
    """Returns what the notebook fails with; the class of its error is its own."""
    with pytest.raises(Exception, match=r".") as caught:
        action()
    assert type(caught.value).__name__ == "QualityFailed", caught.value
    return str(caught.value)


class TestNotebook:
    def test_good_rows_pass_and_each_rule_leaves_a_result(self, site: Site, capsys):
        site.orders(GOOD)
        site.check(HAS_ID, IN_RANGE)
        assert site.results() == [("amount_in_range", "warn", 0, 2), ("has_id", "error", 0, 2)]
        assert set(site.results("run_id, module, source, kind, table_name, message, target")) == {
            ("1", "sales", "orders", "dqx", site.name("orders"), "0 of 2 rows", "prod")
        }
        fields = site.session.table(site.name("results")).schema.fields
        assert [(field.name, field.dataType.simpleString().upper()) for field in fields] == [*RESULT_COLUMNS]
        assert site.rows("bad_orders") == []
        assert "passed  has_id           error  0 of 2 rows" in capsys.readouterr().out

    def test_bad_rows_stop_the_task_and_are_copied_to_the_quarantine(self, site: Site):
        site.orders(f"{BAD}, (4, 500)")
        message = message_of(lambda: site.check(HAS_ID, IN_RANGE))
        assert message == f"{site.name('orders')}: 1 rule of criticality error failed: has_id (2 of 4 rows)."
        assert site.results() == [("amount_in_range", "warn", 1, 4), ("has_id", "error", 2, 4)]
        columns = "order_id, amount, _errors[0].name, size(_errors), _warnings IS NULL, _run_id, _module, _source"
        assert sorted(site.rows("bad_orders", columns)) == [
            (None, 20, "has_id", 1, True, "1", "sales", "orders"),
            (None, 30, "has_id", 1, True, "1", "sales", "orders"),
        ]

    def test_with_go_on_the_task_succeeds_and_the_results_say_what_failed(self, site: Site, capsys):
        site.orders(BAD)
        site.check(HAS_ID, on_error="go_on")
        assert site.results() == [("has_id", "error", 2, 3)]
        assert "has_id (2 of 3 rows). The run goes on" in capsys.readouterr().out

    def test_warnings_alone_stop_nothing_and_quarantine_nothing(self, site: Site):
        site.orders("(1, 10), (2, 500)")
        site.check(HAS_ID, IN_RANGE)
        assert site.results("check_name, failed_rows") == [("amount_in_range", 1), ("has_id", 0)]
        assert site.rows("bad_orders") == []

    def test_a_table_without_rows_passes_and_that_is_said(self, site: Site, capsys):
        site.orders("")
        site.check(HAS_ID)
        assert site.results() == [("has_id", "error", 0, 0)]
        assert f"{site.name('orders')} has no rows" in capsys.readouterr().out

    def test_without_quarantine_and_results_nothing_is_written(self, site: Site):
        site.orders(BAD)
        assert "has_id (2 of 3 rows)" in message_of(lambda: site.check(HAS_ID, quarantine="", results_table=""))
        assert [row.tableName for row in site.session.sql(f"SHOW TABLES IN {site.schema}").collect()] == ["orders"]

    def test_no_value_of_a_row_is_in_results_or_output(self, site: Site, capsys):
        site.orders("(NULL, 987654)")
        strict = {**IN_RANGE, "criticality": "error"}
        message = message_of(lambda: site.check(HAS_ID, strict))
        assert "987654" not in message + capsys.readouterr().out + str(site.results("*"))

    def test_a_rule_about_a_column_that_is_not_there_fails_and_quarantines_nothing(self, site: Site):
        site.orders(GOOD)
        wrong = {**HAS_ID, "check": {"function": "is_not_null", "arguments": {"column": "ordr_id"}}}
        message = message_of(lambda: site.check(wrong, IN_RANGE))
        assert "has_id (could not be evaluated: invalid check columns: ['ordr_id'])" in message
        assert site.results() == [("amount_in_range", "warn", 0, 2), ("has_id", "error", 2, 0)]
        assert site.rows("bad_orders") == []

    def test_two_rules_of_one_name_are_counted_each(self, site: Site):
        site.orders(BAD)
        other = {**HAS_ID, "check": {"function": "is_not_null", "arguments": {"column": "amount"}}}
        message_of(lambda: site.check(HAS_ID, other))
        assert sorted(site.results()) == [("has_id", "error", 0, 3), ("has_id", "error", 2, 3)]

    def test_a_repaired_run_replaces_what_it_put_into_quarantine(self, site: Site):
        site.orders(BAD)
        message_of(lambda: site.check(HAS_ID, run_id="1"))
        message_of(lambda: site.check(HAS_ID, run_id="2"))
        message_of(lambda: site.check(HAS_ID, run_id="1"))
        assert site.rows("bad_orders", "_run_id, count(*)", "GROUP BY ALL ORDER BY 1") == [("1", 2), ("2", 2)]

        site.orders(GOOD)
        site.check(HAS_ID, run_id="1")
        assert site.rows("bad_orders", "_run_id, count(*)", "GROUP BY ALL") == [("2", 2)]
        assert site.results("run_id, failed_rows") == [("1", 2), ("2", 2), ("1", 2), ("1", 0)]

    def test_a_table_whose_columns_have_changed_still_goes_into_the_same_quarantine(self, site: Site):
        site.orders(BAD)
        message_of(lambda: site.check(HAS_ID, run_id="it's \\ 1"))
        site.session.sql(f"ALTER TABLE {site.name('orders')} ADD COLUMNS (country STRING)")
        message_of(lambda: site.check(HAS_ID, run_id="2"))
        message_of(lambda: site.check(HAS_ID, run_id="it's \\ 1"))
        assert site.rows("bad_orders", "_run_id, count(*), count(country)", "GROUP BY ALL ORDER BY 1") == [
            ("2", 2, 0),
            ("it's \\ 1", 2, 0),
        ]

    def test_a_results_table_gains_the_columns_that_it_lacks_and_keeps_the_users_own(self, site: Site):
        site.orders(GOOD)
        columns = ", ".join(f"{name} {kind}" for name, kind in RESULT_COLUMNS if name != "message")
        site.session.sql(f"CREATE TABLE {site.name('results')} ({columns}, team STRING) USING DELTA")
        site.check(HAS_ID)
        assert site.results("check_name, team, message") == [("has_id", None, "0 of 2 rows")]

    def test_runs_at_the_same_time_all_leave_their_rows(self, site: Site):
        site.orders(BAD)
        rules = site.file(HAS_ID, IN_RANGE)
        with ThreadPoolExecutor(3) as pool:
            runs = [
                pool.submit(site.check, checks_file=rules, run_id=str(number), on_error="go_on") for number in range(3)
            ]
            for run in runs:
                run.result()
        assert site.rows("results", "run_id, count(*)", "GROUP BY ALL ORDER BY 1") == [("0", 2), ("1", 2), ("2", 2)]
        assert site.rows("bad_orders", "_run_id, count(*)", "GROUP BY ALL ORDER BY 1") == [("0", 2), ("1", 2), ("2", 2)]

    def test_a_table_and_a_quarantine_may_be_given_by_their_paths(self, site: Site):
        site.orders(BAD)
        paths = {name: str(site.folder / name) for name in ("results_table", "quarantine")}
        for run in ("1", "1"):
            message_of(lambda run=run: site.check(HAS_ID, run_id=run, **paths))
        counts = [site.session.sql(f"SELECT count(*) FROM delta.`{path}`").collect()[0][0] for path in paths.values()]
        assert counts == [2, 2]


class TestRulesOfATable:
    @pytest.fixture
    def rules(self, site: Site) -> str:
        from databricks.labs.dqx.checks_storage import CHECKS_TABLE_SCHEMA

        site.session.sql(f"CREATE TABLE {site.name('rules')} ({CHECKS_TABLE_SCHEMA}) USING DELTA")
        return site.name("rules")

    def add(self, site: Site, table: str, name: str = "has_id", column: str = "order_id") -> None:
        site.session.sql(
            f"INSERT INTO {site.name('rules')} (name, criticality, check, run_config_name) SELECT '{name}', 'error', "
            "named_struct('function', 'is_not_null', 'for_each_column', CAST(NULL AS ARRAY<STRING>), 'arguments', "
            f"map('column', '{column}')), '{table}'"
        )

    def test_rules_written_by_sql_are_those_of_the_table(self, site: Site, rules: str):
        site.orders(BAD)
        self.add(site, site.name("orders").upper())
        self.add(site, "main.silver.customers", "of_another", "nowhere")
        assert "has_id (2 of 3 rows)" in message_of(lambda: site.check(checks_table=rules))
        assert site.results() == [("has_id", "error", 2, 3)]

    def test_rules_of_the_table_and_of_the_file_are_joined(self, site: Site, rules: str):
        site.orders(GOOD)
        self.add(site, site.name("orders"))
        site.check(IN_RANGE, checks_table=rules)
        assert site.results("check_name") == [("amount_in_range",), ("has_id",)]

    def test_rules_that_dqx_has_saved_are_found(self, site: Site, rules: str):
        from databricks.labs.dqx.checks_storage import DataFrameConverter

        site.orders(GOOD)
        saved = DataFrameConverter.to_dataframe(site.session, [HAS_ID, IN_RANGE], site.name("orders"))
        saved.write.format("delta").mode("append").saveAsTable(rules)
        site.check(checks_table=rules)
        assert site.results("check_name") == [("amount_in_range",), ("has_id",)]

    def test_a_table_without_rules_for_this_one_names_those_that_it_has(self, site: Site, rules: str):
        site.orders(GOOD)
        assert message_of(lambda: site.check(checks_table=rules)).endswith("; it has no rows.")
        self.add(site, "main.silver.customers")
        assert message_of(lambda: site.check(checks_table=rules)) == (
            f"{rules} has no rules whose run_config_name is '{site.name('orders')}'; there are rules for "
            "'main.silver.customers'."
        )

    def test_a_table_that_is_not_there_or_is_none_of_rules_is_named(self, site: Site):
        site.orders(GOOD)
        assert message_of(lambda: site.check(checks_table=site.name("nothing"))).startswith(
            f"There is no table of rules {site.name('nothing')}"
        )
        assert message_of(lambda: site.check(checks_table=site.name("orders"))).startswith(
            f"{site.name('orders')} is no table of rules: it has no column check, criticality, filter, name"
        )


class TestWhatCannotBeChecked:
    def test_a_missing_table_is_one_sentence(self, site: Site):
        assert message_of(lambda: site.check(HAS_ID)).startswith(
            f"There is no table {site.name('orders')}: the source 'orders' has to create it"
        )
        assert not site.has("bad_orders")

    def test_rules_with_mistakes_are_named_as_dqx_names_them(self, site: Site):
        site.orders(GOOD)
        wrong = {"check": {"function": "is_not_nul", "arguments": {"column": "a"}}}
        assert "is_not_nul" in message_of(lambda: site.check(wrong))

    def test_without_any_rule_there_is_nothing_to_check(self, site: Site):
        site.orders(GOOD)
        assert "There are no rules" in message_of(lambda: site.check())
        assert "There is no file of rules" in message_of(lambda: site.check(checks_file="no/such.yml"))

    def test_a_column_that_the_checks_would_add_is_refused(self, site: Site):
        site.session.sql(f"CREATE TABLE {site.name('orders')} (order_id INT, _Errors STRING) USING DELTA")
        assert "has a column _errors" in message_of(lambda: site.check(HAS_ID))

    def test_a_wrong_parameter_is_named(self, site: Site):
        assert "it is either stop or go_on" in message_of(lambda: site.check(HAS_ID, on_error="stopp"))
        assert "needs a value for: ljm_module, ljm_table" in message_of(lambda: site.check(HAS_ID, module="", table=""))


class TestExpectations:
    NONE = query("none", "SELECT * FROM IDENTIFIER(:ljm_table) WHERE amount > 1000")
    SOME = query("no_ids", "SELECT * FROM IDENTIFIER(:ljm_table) WHERE order_id IS NULL -- a comment; )")

    def test_queries_without_rows_pass(self, site: Site):
        site.orders(GOOD)
        (row,) = site.expect(self.NONE, self.SOME)
        assert (row.verdict, row.rows_found) == ("passed", "no_ids (0 rows); none (0 rows)")
        assert site.results("check_name, kind, criticality, failed_rows, table_name, message") == [
            ("no_ids", "expect_no_rows", "error", 0, site.name("orders"), "0 rows"),
            ("none", "expect_no_rows", "error", 0, site.name("orders"), "0 rows"),
        ]

    def test_each_query_of_severity_error_with_rows_is_named_and_all_counts_are_kept(self, site: Site):
        site.orders(BAD)
        many = query("it's \\ odd", "WITH x AS (SELECT 1 AS a UNION ALL SELECT 1) SELECT a, a FROM x ORDER BY a")
        with pytest.raises(Exception, match="rows that should not be there") as caught:
            site.expect(self.NONE, self.SOME, many, query("warned", "SELECT 1", is_error=False))
        assert "sales.orders: rows that should not be there: it's \\ odd (2 rows); no_ids (2 rows)" in str(caught.value)
        assert sorted(site.results("check_name, criticality, failed_rows")) == [
            ("it's \\ odd", "error", 2),
            ("no_ids", "error", 2),
            ("none", "error", 0),
            ("warned", "warn", 1),
        ]

    def test_warnings_alone_stop_nothing(self, site: Site):
        site.orders(BAD)
        (row,) = site.expect(query("warned", "SELECT 1", is_error=False))
        assert (row.verdict, row.rows_found) == ("passed", "warned (1 row)")

    def test_a_repaired_run_is_judged_by_its_newest_counts(self, site: Site):
        site.orders(BAD)
        with pytest.raises(Exception, match="no_ids"):
            site.expect(self.SOME)
        site.orders(GOOD)
        assert site.expect(self.SOME)[0].verdict == "passed"
        with pytest.raises(Exception, match="no_ids"):
            site.expect(query("no_ids", "SELECT 1"), run_id="2")
        assert site.results("run_id, failed_rows") == [("1", 2), ("1", 0), ("2", 1)]

    def test_without_a_table_for_results_the_verdict_is_the_same(self, site: Site):
        site.orders(BAD)
        parameters = {name: value for name, value in site.sql_parameters.items() if name != "results_table"}
        script = render_expectations_sql([self.NONE, self.SOME], has_results=False)
        with pytest.raises(Exception, match=r"no_ids \(2 rows\)"):
            run_sql(site.session, script, named(parameters))
        site.orders(GOOD)
        assert run_sql(site.session, script, named(parameters))[0].verdict == "passed"
        assert not site.has("results")

    def test_a_comment_that_ends_in_a_backslash_hides_nothing(self, site: Site):
        site.orders(GOOD)
        assert site.expect(query("a", "SELECT 1 WHERE false -- \\"))[0].verdict == "passed"

    def test_both_kinds_share_one_table_of_results(self, site: Site):
        site.orders(GOOD)
        site.expect(self.SOME)
        site.check(HAS_ID)
        assert site.results("check_name, kind") == [("no_ids", "expect_no_rows"), ("has_id", "dqx")]


class TestExample:
    """`examples/quality`, generated and run task by task; the catalog of a local session has another name."""

    @pytest.fixture
    def shop(self, session: SparkSession, tmp_path: Path) -> Iterator[ProjectFolder]:
        project = ProjectFolder(tmp_path / "quality")
        for file in (REPOSITORY / "examples" / "quality").rglob("*.*"):
            if file.is_file():
                text = file.read_text(encoding="utf-8").replace("main.", "spark_catalog.")
                project.write(
                    str(file.relative_to(REPOSITORY / "examples" / "quality")),
                    text.replace("catalog: main,", "catalog: spark_catalog,"),
                )
        assert project.ljm("generate").exit_code == 0
        run_sql(session, project.read("sql/rules.sql"), {})
        yield project
        for schema in ("shop", "etl", "quarantine"):
            session.sql(f"DROP SCHEMA IF EXISTS {schema} CASCADE")

    def test_bad_rows_stop_the_pipeline_and_a_repaired_run_with_good_rows_goes_through(
        self, session: SparkSession, shop: ProjectFolder, capsys
    ):
        job = shop.path / "resources" / "jobs" / "shop.yml"

        assert run_job(session, job, "1", "dev") == {
            "orders": "success",
            "orders_quality": "failed",
            "orders_expectations": "success",
            "report": "upstream_failed",
            "tell": "success",
        }
        assert "Rows are wrong: has_order_id, 2 of 5 rows." in capsys.readouterr().out
        assert not session.catalog.tableExists("shop.report")
        assert session.table("quarantine.orders").count() == 2
        shown = shop.ljm("quality", "-t", "dev")
        assert sorted(line.split()[4:] for line in shown.stdout.splitlines()[1:-1]) == [
            ["amount_in_range", "warn", "warned", "1", "of", "5", "rows"],
            ["has_order_id", "error", "FAILED", "2", "of", "5", "rows"],
            ["no_future", "error", "passed", "0", "rows"],
        ]
        assert shown.exit_code == 1

        notebook = (
            shop.read("notebooks/orders.py").replace("(NULL, 15.0", "(3, 15.0").replace("(NULL, 99.9", "(4, 99.9")
        )
        shop.write("notebooks/orders.py", notebook)
        assert run_job(session, job, "1", "dev") == {
            "orders": "success",
            "orders_quality": "success",
            "orders_expectations": "success",
            "report": "success",
            "tell": "excluded",
        }
        assert session.table("quarantine.orders").count() == 0
        assert session.table("shop.report").count() == 2
        repaired = shop.ljm("quality", "-t", "dev", "--failed")
        assert repaired.stdout.splitlines()[-1] == "3 checks: 0 failed, 1 warned, 2 passed."
        assert repaired.exit_code == 0
