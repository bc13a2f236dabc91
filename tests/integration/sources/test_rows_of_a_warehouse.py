"""Rows of tables, views and queries over a SQL warehouse, whose jobs come from a blueprint."""

from __future__ import annotations

import pytest
from deltalake import write_deltalake

from fakes.workspace import FakeWorkspace, SqlError
from lakeflow_job_meta.config.load import load_project
from lakeflow_job_meta.sources.open import open_readers
from lakeflow_job_meta.workspace.client import Workspace
from support.project_folder import ProjectFolder
from support.row_projects import (
    EVERY_TYPE,
    compiled,
    every_type,
    fingerprint_of,
    jobs_of,
    problems_of,
    project_of_rows,
    rows_of,
)
from support.tables import BOOL, INT, TEXT, write_table

pytest_plugins = ["support.workspace_fixtures"]

LIST = "main.etl.ingest_list"
COLUMNS = {"name": TEXT, "owner": TEXT, "retries": INT, "active": BOOL}
ROWS = [
    {"name": "customers", "owner": "crm", "retries": 1, "active": True},
    {"name": "orders", "owner": None, "retries": None, "active": None},
]
OPEN = "main.etl.open_lists"


@pytest.fixture
def filled(workspace: FakeWorkspace) -> FakeWorkspace:
    """A workspace with a table of two rows, and a view of those that are switched on or say nothing."""
    write_table(workspace.table_path(LIST), ROWS, COLUMNS)
    run_sql(workspace, f"CREATE VIEW {OPEN} AS SELECT name, owner FROM {LIST} WHERE name <> 'closed'")
    return workspace


def run_sql(workspace: FakeWorkspace, statement: str) -> None:
    workspace.client().statement_execution.execute_statement(statement, workspace.warehouse_id)


def over(project: ProjectFolder, workspace: FakeWorkspace, source: str) -> ProjectFolder:
    return project_of_rows(project, f"{source}, key: name, warehouse_id: {workspace.warehouse_id}")


def query(project: ProjectFolder, workspace: FakeWorkspace, text: str) -> ProjectFolder:
    project.write("sql/rows.sql", text)
    return over(project, workspace, "query: sql/rows.sql")


class TestTables:
    def test_each_row_becomes_a_job_and_null_leaves_the_default(self, project, filled, connection):
        over(project, filled, f"table: {LIST}")
        found = compiled(project, connection)
        assert jobs_of(found) == {
            "load_customers": {"source_id": "load", "table": "customers", "owner": "crm"},
            "load_orders": {"source_id": "load", "table": "orders"},
        }
        assert [job.settings["tasks"][0]["max_retries"] for job in found.jobs] == [1, 0]

    def test_the_version_names_the_state_that_was_read(self, project, filled, connection):
        over(project, filled, f"table: {LIST}")
        run_sql(filled, f"UPDATE {LIST} SET owner = 'x' WHERE name = 'orders'")
        assert version_read(project, connection) == 1

    def test_the_fingerprint_is_the_version_and_costs_one_request(self, project, filled, connection):
        over(project, filled, f"table: {LIST}")
        before = fingerprint_of(project, connection)
        filled.requests.clear()
        assert fingerprint_of(project, connection) == before
        assert len(filled.requests) == 1
        run_sql(filled, f"UPDATE {LIST} SET owner = 'x' WHERE name = 'orders'")
        assert fingerprint_of(project, connection) != before

    def test_a_table_that_is_missing_is_one_sentence(self, project, filled, connection):
        over(project, filled, "table: main.etl.ingest_lists")
        (problem,) = problems_of(compiled(project, connection))
        assert problem == (
            "main.etl.ingest_lists: error: there is no such table or view, or none of what it is made of: "
            "[TABLE_OR_VIEW_NOT_FOUND] The table or view `main`.`etl`.`ingest_lists` cannot be found; correct its name "
            "[unreadable]"
        )

    def test_a_table_that_may_not_be_read_is_one_sentence(self, project, filled, connection):
        filled.engine.tables.denied.add((LIST, "SELECT"))
        over(project, filled, f"table: {LIST}")
        (problem,) = problems_of(compiled(project, connection))
        assert "does not have SELECT on Table 'main.etl.ingest_list'" in problem
        assert "\n" not in problem

    def test_every_type_of_a_column_is_a_plain_value(self, project, workspace, connection):
        write_deltalake(workspace.table_path(LIST), every_type())
        over(project, workspace, f"table: {LIST}")
        assert rows_of(project, connection) == [EVERY_TYPE, dict.fromkeys(EVERY_TYPE)]

    def test_a_large_table_comes_in_chunks(self, project, workspace, connection):
        many = [{"name": f"t{number:04}", "retries": number} for number in range(2500)]
        write_table(workspace.table_path(LIST), many, {"name": TEXT, "retries": INT})
        workspace.statements.rows_per_chunk = 1000
        over(project, workspace, f"table: {LIST}")
        assert sorted(rows_of(project, connection), key=lambda row: str(row["name"])) == many


class TestViews:
    def test_a_view_is_read_like_a_table_and_has_no_version(self, project, filled, connection):
        over(project, filled, f"table: {OPEN}")
        assert sorted(jobs_of(compiled(project, connection))) == ["load_customers", "load_orders"]
        assert version_read(project, connection) is None

    def test_the_fingerprint_of_a_view_is_of_its_result(self, project, filled, connection):
        over(project, filled, f"table: {OPEN}")
        before = fingerprint_of(project, connection)
        run_sql(filled, f"UPDATE {LIST} SET retries = 5 WHERE name = 'orders'")
        assert fingerprint_of(project, connection) == before
        run_sql(filled, f"UPDATE {LIST} SET owner = 'sales' WHERE name = 'orders'")
        assert fingerprint_of(project, connection) != before

    @pytest.mark.parametrize(
        "refusal",
        [
            "DELTA_MISSING_DELTA_TABLE",
            "DELTA_ONLY_OPERATION",
            "DELTA_TABLE_ONLY_OPERATION",
            "EXPECT_TABLE_NOT_VIEW.NO_ALTERNATIVE",
        ],
    )
    def test_a_view_is_read_whatever_the_workspace_says_of_its_history(self, project, filled, connection, refusal):
        over(project, filled, f"table: {OPEN}")
        filled.statements.fail("DESCRIBE HISTORY", SqlError(refusal, "It has none.", "42000"), times=10)
        assert len(rows_of(project, connection)) == 2
        assert fingerprint_of(project, connection) == fingerprint_of(project, connection)

    def test_what_has_a_history_and_refuses_time_travel_is_read_as_it_is(self, project, filled, connection):
        over(project, filled, f"table: {LIST}")
        filled.statements.fail("VERSION AS OF", SqlError("", "Cannot time travel views.", ""), times=10)
        assert len(rows_of(project, connection)) == 2
        assert version_read(project, connection) is None

    def test_a_view_whose_table_is_gone_is_one_sentence_with_the_table(self, project, filled, connection):
        over(project, filled, f"table: {OPEN}")
        run_sql(filled, f"DROP TABLE {LIST}")
        (problem,) = problems_of(compiled(project, connection))
        assert problem.startswith(f"{OPEN}: error: ")
        assert "`main`.`etl`.`ingest_list` cannot be found" in problem

    def test_a_view_without_rows_is_empty_and_knows_its_columns(self, project, filled, connection):
        run_sql(filled, f"CREATE OR REPLACE VIEW {OPEN} AS SELECT name, owner FROM {LIST} WHERE name = 'nothing'")
        over(project, filled, f"table: {OPEN}")
        found = compiled(project, connection)
        assert (problems_of(found), list(found.jobs)) == ([], [])


class TestQueries:
    def test_the_rows_of_a_query_become_jobs(self, project, filled, connection):
        query(project, filled, f"-- all of them\nSELECT name, owner FROM {LIST} ORDER BY name;")
        assert sorted(jobs_of(compiled(project, connection))) == ["load_customers", "load_orders"]

    def test_the_fingerprint_of_a_query_is_of_its_result_in_any_order(self, project, filled, connection):
        query(project, filled, f"SELECT name, owner FROM {LIST} ORDER BY name")
        before = fingerprint_of(project, connection)
        query(project, filled, f"SELECT name, owner FROM {LIST} ORDER BY name DESC")
        assert fingerprint_of(project, connection) == before
        run_sql(filled, f"DELETE FROM {LIST} WHERE name = 'orders'")
        assert fingerprint_of(project, connection) != before

    def test_a_query_without_rows_is_an_empty_source_that_knows_its_columns(self, project, filled, connection):
        query(project, filled, f"SELECT name, owner FROM {LIST} WHERE name = 'nothing'")
        found = compiled(project, connection)
        assert (problems_of(found), list(found.jobs)) == ([], [])

    def test_the_key_of_an_empty_result_is_still_checked(self, project, filled, connection):
        query(project, filled, f"SELECT owner FROM {LIST} WHERE name = 'nothing'")
        (problem,) = problems_of(compiled(project, connection))
        assert "the table has no column 'name'" in problem

    def test_a_query_that_the_warehouse_refuses_is_one_sentence(self, project, filled, connection):
        query(project, filled, f"SELECT nam FROM {LIST}")
        (problem,) = problems_of(compiled(project, connection))
        assert problem.startswith("sql/rows.sql: error: cannot be read: The SQL warehouse refused a statement: ")
        assert "UNRESOLVED_COLUMN" in problem
        assert "\n" not in problem

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            (f"DELETE FROM {LIST}", "it begins with 'DELETE'; a query is one SELECT, which only reads"),
            (f"SELECT 1; DELETE FROM {LIST}", "it holds several statements; a query is one SELECT"),
            ("", "there is no statement in it; write one SELECT"),
        ],
    )
    def test_what_is_no_query_is_refused_before_anything_is_sent(self, project, filled, connection, text, words):
        query(project, filled, text)
        filled.requests.clear()
        (problem,) = problems_of(compiled(project, connection))
        assert problem == f"sql/rows.sql: error: cannot be read: {words} [unreadable]"
        assert filled.requests == []

    def test_two_columns_of_one_name_are_refused(self, project, filled, connection):
        query(project, filled, f"SELECT name, owner AS Name FROM {LIST}")
        (problem,) = problems_of(compiled(project, connection))
        assert (
            "the columns 'name' and 'Name' differ by case alone, or not at all; give one of them another name"
            in problem
        )

    def test_columns_are_found_whatever_their_case(self, project, filled, connection):
        query(project, filled, f"SELECT name AS NAME, owner AS Owner FROM {LIST}")
        assert jobs_of(compiled(project, connection))["load_customers"]["owner"] == "crm"

    def test_a_query_that_is_no_text_is_one_sentence(self, project, filled, connection):
        query(project, filled, "SELECT 1")
        (project.path / "sql/rows.sql").write_bytes(b"SELECT '\xff'")
        (problem,) = problems_of(compiled(project, connection))
        assert problem == "sql/rows.sql: error: cannot be read: it is not UTF-8 [unreadable]"


def version_read(project: ProjectFolder, connection: Workspace) -> int | None:
    """Returns the version that the source of rows was read at."""
    return open_readers(load_project(project.path), workspace=connection)[-1].read().version
