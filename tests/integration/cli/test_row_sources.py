"""What `ljm doctor` says of sources of rows, and `ljm table` of a project that has no other tables."""

from __future__ import annotations

import pytest

from fakes.workspace import FakeWorkspace
from support.project_folder import ProjectFolder, Result
from support.row_projects import BLUEPRINT, project_of_rows
from support.tables import TEXT, write_table

pytest_plugins = ["support.workspace_fixtures", "fakes.databricks_cli.fixtures"]

COLUMNS = {"name": TEXT, "owner": TEXT}
ROWS = [{"name": "a", "owner": "x"}, {"name": "b", "owner": "x"}]


@pytest.fixture
def filled(project: ProjectFolder, workspace: FakeWorkspace) -> ProjectFolder:
    """A project with a source of rows of every kind; one warehouse is missing."""
    write_table(workspace.table_path("main.etl.list"), ROWS, COLUMNS)
    workspace.client().statement_execution.execute_statement(
        "CREATE VIEW main.etl.some AS SELECT name FROM main.etl.list WHERE name = 'a'", workspace.warehouse_id
    )
    write_table(project.path / "data/list", ROWS, COLUMNS)
    project.write("lists/c.csv", "name,owner\nc,x\n")
    project.write("lists/d.csv", "name,Owner,note\nd,x,y\n")
    for name, table in (("local", "list"), ("remote", "main.etl.list"), ("lost", "main.etl.list")):
        project.write(f"sql/{name}.sql", f"SELECT name, owner AS {name} FROM {table}")
    project.write("metadata/blueprints.yml", BLUEPRINT)
    over = f"key: name, blueprint: load, warehouse_id: '{workspace.warehouse_id}'"
    sources = [
        f"table: main.etl.list, {over}",
        f"table: main.etl.some, {over}",
        f"query: sql/remote.sql, {over}",
        "query: sql/lost.sql, key: name, blueprint: load, warehouse_id: ffffffffffffffff",
        "query: sql/local.sql, key: name, blueprint: load, tables: {list: data/list}",
        "delta: data/list, key: name, blueprint: load",
        "csv: lists/*.csv, blueprint: load",
    ]
    project.write("job_meta.yml", "metadata:\n  - yaml: metadata/\n" + "".join(f"  - {{{each}}}\n" for each in sources))
    return project


def doctor(project: ProjectFolder, environment: dict[str, str]) -> Result:
    # The environment's proxy leads nowhere, and the SDK would take it.
    return project.inside("doctor", "-t", "dev", **environment, NO_PROXY="127.0.0.1")


@pytest.mark.parametrize("databricks_command", ["stand-in"], indirect=True)
class TestDoctor:
    def test_rows_are_counted_wherever_they_are_and_their_warehouses_looked_at(
        self, filled, databricks_environment, workspace
    ):
        result = doctor(filled, databricks_environment)
        lines = [line for line in result.stdout.splitlines() if "rows of" in line or "warehouse " in line]
        warehouse = workspace.warehouse_id
        assert [line.split(", or does not")[0] for line in lines[:-1]] == [
            "ok     rows of sql/local.sql: 2 rows of 2 columns",
            "ok     rows of data/list: 2 rows of 2 columns, version 0",
            "ok     rows of lists/*.csv: 2 rows of 3 columns",
            f"ok     warehouse {warehouse}: {workspace.warehouses.find(warehouse).name}, running",
            f"wrong  warehouse ffffffffffffffff: {workspace.url} has no SQL warehouse 'ffffffffffffffff'",
            "ok     rows of main.etl.list: 2 rows of 2 columns, version 0",
            "ok     rows of main.etl.some: 1 row of 1 column",
            "ok     rows of sql/remote.sql: 2 rows of 2 columns",
        ]
        assert lines[-1].startswith("wrong  rows of sql/lost.sql: cannot be read: ")
        assert result.exit_code == 1

    def test_what_is_wrong_with_rows_is_one_line(self, project, databricks_environment):
        project.write("rows.csv", "name\na,b\nc,d\n")
        result = doctor(project_of_rows(project, "csv: rows.csv"), databricks_environment)
        assert (
            "wrong  rows of rows.csv: 2 fields in this line, but 1 column in the first; and 1 more, see `ljm validate`"
        ) in result.stdout.splitlines()


class TestTableCommands:
    @pytest.mark.parametrize(
        "arguments",
        [("create",), ("load", "metadata/"), ("show",), ("diff", "0"), ("history",), ("export", "out/")],
        ids=lambda each: each[0],
    )
    def test_a_table_that_fills_a_blueprint_is_no_control_table(self, project, arguments):
        write_table(project.path / "data/list", ROWS, COLUMNS)
        project_of_rows(project, "delta: data/list, key: name")
        before = project.everything()
        result = project.ljm("table", *arguments)
        assert result.exit_code == 2
        assert (
            "Name a table with --table or --delta; 'metadata' in job_meta.yml has none (what fills a blueprint is no "
            "control table: it is only read)." in result.stderr
        )
        assert project.everything() == before
