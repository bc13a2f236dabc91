"""Rows of Delta tables where they lie, and of queries over them, whose jobs come from a blueprint."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from deltalake import DeltaTable, QueryBuilder, write_deltalake

from lakeflow_job_meta.config.load import load_project
from lakeflow_job_meta.sources.open import open_readers
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

COLUMNS = {"name": TEXT, "owner": TEXT, "retries": INT, "active": BOOL}
ROWS = [
    {"name": "customers", "owner": "crm", "retries": 1, "active": True},
    {"name": "orders", "owner": None, "retries": None, "active": None},
]


@pytest.fixture
def table(project: ProjectFolder) -> ProjectFolder:
    """A project with the rows of one table."""
    write_table(project.path / "data/list", ROWS, COLUMNS)
    return project_of_rows(project, "delta: data/list, key: name")


def query(project: ProjectFolder, text: str, tables: str = "{list: data/list}") -> ProjectFolder:
    project.write("sql/rows.sql", text)
    return project_of_rows(project, f"query: sql/rows.sql, key: name, tables: {tables}")


def problem(project: ProjectFolder) -> str:
    (found,) = problems_of(compiled(project))
    assert "\n" not in found
    return found


class TestTables:
    def test_each_row_becomes_a_job(self, table):
        assert sorted(jobs_of(compiled(table))) == ["load_customers", "load_orders"]

    def test_every_type_of_a_column_is_a_plain_value(self, project):
        write_deltalake(project.path / "data/list", every_type())
        project_of_rows(project, "delta: data/list, key: name")
        assert rows_of(project) == [EVERY_TYPE, dict.fromkeys(EVERY_TYPE)]

    def test_an_empty_map_is_no_list(self, project):
        data = QueryBuilder().execute("SELECT map([], []) AS pairs, [] AS items, 'a' AS name").read_all()
        write_deltalake(project.path / "data/list", data)
        project_of_rows(project, "delta: data/list, key: name")
        assert rows_of(project) == [{"pairs": {}, "items": [], "name": "a"}]

    def test_the_columns_of_partitions_are_columns(self, project):
        data = QueryBuilder().execute("SELECT * FROM (VALUES ('a', 1), ('b', 2)) AS t(name, day)").read_all()
        write_deltalake(project.path / "data/list", data, partition_by=["day"])
        project_of_rows(project, "delta: data/list, key: name")
        assert sorted(rows_of(project), key=str) == [{"name": "a", "day": 1}, {"name": "b", "day": 2}]

    def test_mapped_columns_have_the_names_that_users_see(self, table):
        map_columns(table.path / "data/list", {"name": "col-1", "owner": "col-2", "retries": "c3", "active": "c4"})
        assert sorted(rows_of(table), key=str) == sorted(ROWS, key=str)

    def test_a_table_with_a_feature_that_delta_rs_lacks_is_one_sentence(self, table):
        require_features(table.path / "data/list", "someFeature")
        assert "delta-rs cannot handle these features of the table: 'someFeature'" in problem(table)

    def test_the_fingerprint_is_the_version_of_the_table(self, table):
        before = fingerprint_of(table)
        DeltaTable(table.path / "data/list").update(predicate="name = 'orders'", updates={"owner": "'x'"})
        assert fingerprint_of(table) != before
        assert open_readers(load_project(table.path))[-1].read().version == 1

    def test_a_table_made_anew_is_another_one(self, table):
        before = fingerprint_of(table)
        shutil.rmtree(table.path / "data/list")
        write_table(table.path / "data/list", ROWS, COLUMNS)
        assert fingerprint_of(table) != before

    def test_a_table_that_is_missing_is_one_sentence(self, table):
        shutil.rmtree(table.path / "data/list")
        assert problem(table) == "data/list: error: there is no Delta table here; correct the path [unreadable]"

    def test_a_path_may_hold_spaces_and_letters_of_any_language(self, project):
        write_table(project.path / "my data/größe", ROWS, COLUMNS)
        project_of_rows(project, "delta: my data/größe, key: name")
        assert len(jobs_of(compiled(project))) == 2

    def test_a_table_is_reached_by_its_url_too(self, project, tmp_path):
        write_table(tmp_path / "elsewhere/list", ROWS, COLUMNS)
        project_of_rows(project, f"delta: 'file://{tmp_path}/elsewhere/list', key: name")
        assert len(jobs_of(compiled(project))) == 2

    def test_a_table_without_rows_is_no_mistake(self, project):
        write_table(project.path / "data/list", [], COLUMNS)
        project_of_rows(project, "delta: data/list, key: name")
        found = compiled(project)
        assert (problems_of(found), list(found.jobs)) == ([], [])


class TestQueries:
    def test_the_rows_of_a_query_become_jobs(self, table):
        query(table, "-- the open ones\nSELECT name, owner FROM list WHERE active IS NULL;  -- done\n")
        assert jobs_of(compiled(table)) == {"load_orders": {"source_id": "load", "table": "orders"}}

    def test_tables_are_joined(self, table):
        write_table(table.path / "data/teams", [{"Id": 1, "Team": "crm"}], {"Id": INT, "Team": TEXT})
        query(
            table,
            "SELECT l.name, t.Team AS owner FROM list l JOIN teams t ON l.retries = t.Id",
            "{list: data/list, teams: data/teams}",
        )
        assert jobs_of(compiled(table))["load_customers"]["owner"] == "crm"

    def test_every_type_of_a_column_is_a_plain_value(self, project):
        write_deltalake(project.path / "data/list", every_type())
        query(project, "SELECT * FROM list WHERE name IS NOT NULL")
        assert rows_of(project) == [EVERY_TYPE]

    def test_names_are_taken_as_they_are_written(self, project):
        write_table(project.path / "data/list", [{"TargetName": "a"}], {"TargetName": TEXT})
        query(project, 'SELECT TargetName AS name, "TargetName" AS owner, `TargetName` AS x FROM list')
        assert jobs_of(compiled(project))["load_a"]["owner"] == "a"

    def test_a_column_in_another_case_is_told_as_the_table_has_it(self, project):
        write_table(project.path / "data/list", [{"TargetName": "a"}], {"TargetName": TEXT})
        query(project, "SELECT targetname AS name FROM list")
        assert problem(project) == (
            "sql/rows.sql: error: cannot be read: the query is refused: there is no column 'targetname'; did you mean "
            "'list.TargetName'? Write names in the case that the table has [unreadable]"
        )

    def test_a_column_that_is_missing_is_told_with_those_that_are_there(self, table):
        query(table, "SELECT nothing AS name FROM list")
        assert problem(table) == (
            "sql/rows.sql: error: cannot be read: the query is refused: there is no column 'nothing'; there are "
            "list.name, list.owner, list.retries, list.active [unreadable]"
        )

    def test_a_table_that_is_not_listed_is_told_with_the_closest(self, table):
        query(table, "SELECT name FROM lists")
        assert problem(table) == (
            "sql/rows.sql: error: cannot be read: the query is refused: there is no table 'lists' in it; did you mean "
            "'list'?; 'tables' names 'list' [unreadable]"
        )

    @pytest.mark.parametrize("name", ["List", "my list", "main.list", "größe", "1"])
    def test_a_table_may_have_any_name_in_a_query(self, table, name):
        query(table, f'SELECT name FROM "{name}"', f"{{'{name}': data/list}}")
        assert len(jobs_of(compiled(table))) == 2

    def test_a_table_that_is_not_there_is_one_sentence(self, table):
        query(table, "SELECT name FROM list", "{list: data/lost}")
        assert problem(table) == (
            "sql/rows.sql: error: cannot be read: of its table 'list': data/lost: there is no Delta table here; "
            "correct the path [unreadable]"
        )

    def test_what_is_no_sql_is_one_sentence(self, table):
        query(table, "SELECT name FROM list WHERE")
        assert problem(table).startswith("sql/rows.sql: error: cannot be read: the query is refused: SQL error")

    @pytest.mark.parametrize("text", ["SELECT interval '1 day' AS name", "SELECT [interval '1 day'] AS name"])
    def test_a_value_that_is_none_of_a_table_is_one_sentence(self, table, text):
        query(table, text)
        assert "the column 'name' is an interval, which is no value; cast it to text" in problem(table)

    def test_what_gives_no_columns_is_no_query(self, table):
        query(table, "FROM list")
        assert "the query gives no columns; write one SELECT" in problem(table)

    def test_two_columns_that_differ_by_case_alone_are_refused(self, table):
        query(table, "SELECT name, owner AS Name FROM list")
        assert "the columns 'name' and 'Name' differ by case alone" in problem(table)

    def test_nothing_is_written_by_a_query(self, table, tmp_path):
        query(table, f"COPY (SELECT 1 AS name) TO '{tmp_path}/stolen.csv'")
        assert "it begins with 'COPY'; a query is one SELECT, which only reads" in problem(table)
        assert not (tmp_path / "stolen.csv").exists()

    def test_a_query_without_rows_is_empty_and_knows_its_columns(self, table):
        query(table, "SELECT name FROM list WHERE false")
        found = compiled(table)
        assert (problems_of(found), list(found.jobs)) == ([], [])
        query(table, "SELECT owner FROM list WHERE false")
        assert "the table has no column 'name'" in problem(table)


def map_columns(folder: Path, stored: dict[str, str]) -> None:
    """Gives a table of one commit column mapping by name: its data files call the columns otherwise."""
    log = folder / "_delta_log/00000000000000000000.json"
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    for entry in entries:
        if "protocol" in entry:
            entry["protocol"] = {"minReaderVersion": 2, "minWriterVersion": 5}
        if "metaData" in entry:
            schema = json.loads(entry["metaData"]["schemaString"])
            for number, field in enumerate(schema["fields"], 1):
                field["metadata"] = {
                    "delta.columnMapping.id": number,
                    "delta.columnMapping.physicalName": stored[field["name"]],
                }
            entry["metaData"]["schemaString"] = json.dumps(schema)
            entry["metaData"]["configuration"] = {
                "delta.columnMapping.mode": "name",
                "delta.columnMapping.maxColumnId": str(len(stored)),
            }
        if "add" in entry:
            (folder / entry["add"]["path"]).unlink()
            entry["add"]["path"] = "mapped.parquet"
            entry["add"].pop("stats", None)
    renamed = {stored[name]: column for name, column in columns_of(ROWS).items()}
    scratch = folder.parent / "scratch"
    write_table(scratch, [dict(zip(renamed, row, strict=True)) for row in zip(*renamed.values(), strict=True)], {
        stored[name]: kind for name, kind in COLUMNS.items()
    })  # fmt: skip
    (data,) = scratch.glob("*.parquet")
    shutil.move(data, folder / "mapped.parquet")
    for entry in entries:
        if "add" in entry:
            entry["add"]["size"] = (folder / "mapped.parquet").stat().st_size
    log.write_text("\n".join(map(json.dumps, entries)))


def columns_of(rows: list[dict[str, object]]) -> dict[str, list[object]]:
    return {name: [row[name] for row in rows] for name in rows[0]}


def require_features(folder: Path, *features: str) -> None:
    """Says in the log of a table that its readers need some features."""
    commit = {"protocol": {"minReaderVersion": 3, "minWriterVersion": 7}}
    commit["protocol"] |= {"readerFeatures": list(features), "writerFeatures": list(features)}  # type: ignore[dict-item]
    (folder / "_delta_log/00000000000000000001.json").write_text(json.dumps(commit))
