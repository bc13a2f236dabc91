"""What a project file may say of sources of rows, and what is refused before anything is read."""

from __future__ import annotations

import pytest

from support.project_folder import at_caret
from support.row_projects import BLUEPRINT

MISTAKES = {
    "a query that is not there": ("{query: ‸sql/lost.sql, key: a, blueprint: load}", "there is no file 'sql/lost.sql'"),
    "a query outside": ("{query: ‸../rows.sql, key: a, blueprint: load}", "there is no file '../rows.sql'"),
    "a query among the generated files": (
        "{query: ‸resources/rows.sql, key: a, blueprint: load}",
        "'resources/rows.sql' lies among the generated files in 'resources'; move it",
    ),
    "a file among the generated files": (
        "{csv: ‸resources/rows.csv, blueprint: load}",
        "'resources/rows.csv' lies among the generated files in 'resources'; move it",
    ),
    "a glob among the generated files": (
        "{csv: ‸'resources/**/*.csv', blueprint: load}",
        "lies among the generated files in 'resources'; move it",
    ),
    "rows without a blueprint": ("{csv: ‸rows.csv}", "rows of a 'csv' fill a blueprint; name it with 'blueprint'"),
    "a query without a blueprint": ("{query: ‸sql/rows.sql}", "rows of a 'query' fill a blueprint"),
    "a mapping without a blueprint": ("{delta: t, key: ‸a}", "'key' is for rows that fill a blueprint"),
    "rows of YAML": ("{yaml: metadata, blueprint: ‸load}", "'yaml' has no rows"),
    "a table without a key": ("{delta: ‸t, blueprint: load}", "'key' is missing"),
    "a warehouse for files": (
        "{delta: t, warehouse_id: ‸abc, key: a, blueprint: load}",
        "only a 'table' or a 'query' is read over a warehouse",
    ),
    "a warehouse for CSV": ("{csv: rows.csv, warehouse_id: ‸abc, blueprint: load}", "is read over a warehouse"),
    "tables of a table": ("{delta: t, tables: ‸{a: b}, key: a, blueprint: load}", "'tables' are what a 'query' reads"),
    "tables and a warehouse": (
        "{query: sql/rows.sql, tables: ‸{a: b}, warehouse_id: abc, key: a, blueprint: load}",
        "'tables' are read where they lie, without a warehouse; leave out one of the two",
    ),
    "a name that is none": ("{table: ‸a b, key: a, blueprint: load}", "is no name of a table"),
    "jobs by something": ("{csv: rows.csv, job_per: ‸domain, blueprint: load}", "a column like `${column.domain}`"),
    "a volume that is none": ("{csv: ‸/Volumes/main/rows.csv, blueprint: load}", "begins with /Volumes/catalog/schema"),
    "any volume": ("{csv: ‸'/Volumes/main/*/v/rows.csv', blueprint: load}", "begins with /Volumes/catalog/schema"),
    "a glob that is none": ("{csv: ‸'a**b/*.csv', blueprint: load}", "'**' stands alone between slashes"),
    "a glob of a volume that is none": ("{csv: ‸'/Volumes/a/b/c/x**/*.csv', blueprint: load}", "'**' stands alone"),
}
TWICE = [
    "{delta: t, key: a, blueprint: load}, {delta: t, key: a, blueprint: other}",
    "{csv: rows.csv, blueprint: load}, {csv: rows.csv, blueprint: other}",
    "{csv: 'lists/*.csv', blueprint: load}, {csv: lists/a.csv, blueprint: other}",
    "{csv: lists/a.csv, blueprint: load}, {csv: lists/, blueprint: other}",
]
RIGHT = [
    "{csv: '**/*.csv', blueprint: load}",
    "{csv: '/Volumes/main/etl/lists/**/*.csv', blueprint: load}",
    "{csv: lists/a.csv, blueprint: load}, {csv: lists/b.csv, blueprint: load}",
    "{csv: resources.csv, blueprint: load}",
    "{query: sql/rows.sql, key: [a, b], blueprint: '${column.kind}', job_per: row}",
    "{table: main.etl.v, key: a, blueprint: load}, {query: sql/rows.sql, key: a, blueprint: other}",
]


@pytest.fixture
def project(project):
    project.write("metadata/blueprints.yml", BLUEPRINT)
    project.write("sql/rows.sql", "SELECT 1 AS a")
    project.write("resources/rows.sql", "SELECT 1 AS a")
    return project


class TestRowSources:
    @pytest.mark.parametrize("what", MISTAKES)
    def test_a_mistake_is_told_at_its_place(self, project, what):
        marked, words = MISTAKES[what]
        text, place = at_caret(f"metadata: [{{yaml: metadata/}}, {marked}]\n")
        project.write("job_meta.yml", text)
        result = project.ljm("validate")
        assert result.exit_code == 2, result
        assert [problem.place for problem in result.errors] == [f"job_meta.yml:{place}"]
        assert words in result.errors[0].message

    @pytest.mark.parametrize("sources", TWICE)
    def test_one_table_or_file_has_one_blueprint_and_the_message_says_how_to_have_two(self, project, sources):
        project.write("job_meta.yml", f"metadata: [{{yaml: metadata/}}, {sources}]\n")
        (problem,) = project.ljm("validate").errors
        assert problem.message.endswith(
            "is named twice; for two blueprints, name the blueprint of each row by `blueprint: ${column.x}`, or read "
            "the rows of one of them by a 'query'"
        )

    @pytest.mark.parametrize("sources", RIGHT)
    def test_what_is_right_is_not_refused(self, project, sources):
        project.write("job_meta.yml", f"metadata: [{{yaml: metadata/}}, {sources}]\n")
        assert project.ljm("validate").exit_code in (0, 1)

    def test_a_query_without_a_warehouse_or_tables_says_what_it_needs(self, project, monkeypatch):
        monkeypatch.delenv("DATABRICKS_WAREHOUSE_ID", raising=False)
        project.write("job_meta.yml", "metadata: [{query: sql/rows.sql, key: a, blueprint: load}]\n")
        (problem,) = project.ljm("validate").errors
        assert (
            "The query 'sql/rows.sql' needs a Spark session, as a notebook has, or a SQL warehouse" in problem.message
        )
