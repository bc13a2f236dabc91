"""A plan of jobs made of blueprints: an edit of the blueprint is told once, one of a row with the row and column."""

from __future__ import annotations

import json

import pytest

from lakeflow_job_meta.compiler.cache import cache
from lakeflow_job_meta.planning import files
from support.blueprint_projects import (
    BLUEPRINT,
    csv_project,
    delta_project,
    rows_of,
    write_csv,
    write_delta,
)
from support.compiling import noting_built
from support.project_folder import ProjectFolder, module
from support.tables import row, write_table


@pytest.fixture
def of_csv(project: ProjectFolder) -> ProjectFolder:
    """Four jobs of a CSV and one by hand, generated."""
    csv_project(project, rows_of(4))
    assert project.ljm("generate").exit_code == 0
    return project


@pytest.fixture
def of_delta(project: ProjectFolder) -> ProjectFolder:
    """Four jobs of a Delta table, generated."""
    delta_project(project, rows_of(4))
    assert project.ljm("generate").exit_code == 0
    return project


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the modules whose jobs are built from now on."""
    return noting_built(monkeypatch)


def edit_blueprint(project: ProjectFolder) -> None:
    project.write("metadata/blueprints.yml", BLUEPRINT.replace("/Workspace/merge", "/Workspace/merge_all"))


class TestAnEditOfTheBlueprint:
    def test_is_one_block(self, of_csv):
        edit_blueprint(of_csv)

        assert of_csv.ljm("plan").stdout == (
            "~ 5 jobs of blueprint ingest_table: changed alike\n"
            "    'ingest_hand', 'ingest_t000', 'ingest_t001', 'ingest_t002', 'ingest_t003'\n"
            "    ~ task merge: changed\n"
            "        notebook_task.notebook_path: '/Workspace/merge' -> '/Workspace/merge_all'\n"
            "0 jobs to create, 5 to change, 0 to delete, 0 unchanged.\n"
        )

    def test_shows_the_first_few_names_and_how_many_more_and_all_in_json(self, project):
        csv_project(project, rows_of(40))
        assert project.ljm("generate").exit_code == 0
        edit_blueprint(project)

        text = project.ljm("plan").stdout
        told = json.loads(project.ljm("plan", "--format", "json").stdout)

        assert text.startswith("~ 41 jobs of blueprint ingest_table: changed alike\n    'ingest_hand', 'ingest_t000', ")
        assert " and 31 more\n" in text
        (alike,) = told["alike"]
        assert alike["jobs"] == [each["job"] for each in told["jobs"]]
        assert len(alike["jobs"]) == 41

    def test_beside_an_edited_row_leaves_that_row_s_job_apart(self, of_csv):
        edit_blueprint(of_csv)
        write_csv(of_csv, [*rows_of(3), ("t003", "dbo.T3", "delta", 2)])

        lines = of_csv.ljm("plan").stdout.split("\n")

        assert "~ 4 jobs of blueprint ingest_table: changed alike" in lines
        assert "~ job ingest_t003: changed" in lines

    def test_is_one_row_and_one_section_in_markdown(self, of_csv):
        edit_blueprint(of_csv)

        text = of_csv.ljm("plan", "--format", "markdown").stdout

        assert "| ~ | 5 jobs of blueprint ingest_table | changed alike |\n" in text
        assert text.count("<details>") == 1

    def test_builds_no_job_for_the_plan(self, of_csv, built):
        edit_blueprint(of_csv)

        of_csv.ljm("validate")
        to_compile = len(built)
        built.clear()
        of_csv.ljm("plan")

        assert len(built) == to_compile


class TestNewAndDeletedRows:
    def test_many_new_rows_are_one_block(self, of_csv):
        write_csv(of_csv, rows_of(7))

        assert of_csv.ljm("plan").stdout.split("\n")[:2] == [
            "+ 3 jobs of blueprint ingest_table: created",
            "    'ingest_t004', 'ingest_t005', 'ingest_t006'",
        ]

    def test_a_new_row_is_named_with_its_job(self, of_csv):
        write_csv(of_csv, rows_of(5))

        assert of_csv.ljm("plan").stdout.startswith("+ job ingest_t004: created  (list.csv:6)\n")

    def test_many_rows_that_are_gone_are_one_block_of_their_table(self, of_delta):
        write_delta(of_delta, rows_of(1))

        assert of_delta.ljm("plan").stdout.split("\n")[:2] == [
            "- 3 jobs of data/ingest_list: deleted; their run history is lost",
            "    'ingest_t001', 'ingest_t002', 'ingest_t003'",
        ]


class TestAnEditedRow:
    def test_of_a_table_is_named_with_its_columns(self, of_delta):
        write_delta(of_delta, [*rows_of(3), ("t003", "dbo.T3", "delta", 5)])

        assert of_delta.ljm("plan").stdout == (
            "~ job ingest_t003: changed\n"
            "    ~ task extract: changed\n"
            "        notebook_task.base_parameters.mode: 'full' -> 'delta'"
            "  (data/ingest_list[TargetName=t003].load_type)\n"
            "        max_retries: 2 -> 5  (data/ingest_list[TargetName=t003].retries)\n"
            "0 jobs to create, 1 to change, 0 to delete, 3 unchanged.\n"
        )

    def test_is_named_with_all_columns_that_a_value_is_made_of(self, of_delta):
        mapping = of_delta.read("job_meta.yml").replace(
            "'${column.TargetName}'", "'${column.TargetName}', source: '${column.source}/${column.load_type}'"
        )
        of_delta.write("job_meta.yml", mapping)
        assert of_delta.ljm("generate").exit_code == 0
        write_delta(of_delta, [*rows_of(3), ("t003", "dbo.New", "full", 2)])

        line = next(line for line in of_delta.ljm("plan").stdout.split("\n") if "parameters.source" in line)

        row = "data/ingest_list[TargetName=t003]"
        assert line.endswith(f"'dbo.T3/full' -> 'dbo.New/full'  ({row}.source, {row}.load_type)")

    def test_is_named_where_a_default_is_made_of_another_parameter(self, of_delta):
        blueprint = BLUEPRINT.replace("source: {type: text}", "source: {type: text, default: 'x.${param.load_type}'}")
        of_delta.write("metadata/blueprints.yml", blueprint)
        write_delta(of_delta, [(name, None, mode, 2) for name, _, mode, _ in rows_of(4)])  # type: ignore[misc]
        assert of_delta.ljm("generate").exit_code == 0
        write_delta(of_delta, [(f"t{n:03}", None, "delta" if n == 1 else "full", 2) for n in range(4)])  # type: ignore[misc]

        line = next(line for line in of_delta.ljm("plan").stdout.split("\n") if "parameters.source" in line)

        assert line.endswith("'x.full' -> 'x.delta'  (data/ingest_list[TargetName=t001].load_type)")

    def test_of_a_csv_is_named_with_line_and_column(self, of_csv):
        write_csv(of_csv, [("t000", "dbo.T0", "full", 7), *rows_of(4)[1:]])

        assert "        max_retries: 2 -> 7  (list.csv:2:18)\n" in of_csv.ljm("plan").stdout

    def test_has_row_and_origins_in_json(self, of_delta):
        write_delta(of_delta, [*rows_of(3), ("t003", "dbo.T3", "full", 5)])

        (job,) = json.loads(of_delta.ljm("plan", "--format", "json").stdout)["jobs"]

        assert (job["blueprint"], job["rows"]) == ("ingest_table", ["data/ingest_list[TargetName=t003]"])
        assert job["tasks"][0]["settings"] == [
            {"path": ["max_retries"], "old": 2, "new": 5, "origin": "data/ingest_list[TargetName=t003].retries"}
        ]

    def test_builds_the_job_of_that_row_and_no_other(self, of_delta, built, monkeypatch):
        monkeypatch.setattr(cache, "LEAST_MODULES", 0)
        of_delta.ljm("validate")
        write_delta(of_delta, [*rows_of(3), ("t003", "dbo.T3", "full", 5)])
        built.clear()

        of_delta.ljm("plan")

        # To be compiled, and to be asked where its settings come from.
        assert built == ["ingest_t003", "ingest_t003"]

    def test_is_traced_for_so_many_jobs_as_one_may_read(self, project, monkeypatch):
        monkeypatch.setattr(files, "TRACED_JOBS", 2)
        delta_project(project, rows_of(4))
        assert project.ljm("generate").exit_code == 0
        write_delta(project, [(name, source, mode, n + 3) for n, (name, source, mode, _) in enumerate(rows_of(4))])

        text = project.ljm("plan").stdout

        assert text.count("max_retries: 2 -> ") == 4
        assert text.count("].retries)") == 2

    def test_of_a_control_table_is_named_by_its_own_key(self, project):
        def write(retries: int) -> None:
            use = {"transformation_config": None, "blueprint": "ingest_table"}
            values = {"table": "orders", "source": "dbo.Orders", "retries": retries}
            write_table(project.path / "control", [row("a", "orders", **use, parameters=values)])

        project.write("metadata/blueprints.yml", BLUEPRINT)
        project.write("job_meta.yml", "metadata: [{yaml: metadata/}, {delta: control}]\n")
        write(2)
        assert project.ljm("generate").exit_code == 0
        write(3)

        line = next(line for line in project.ljm("plan").stdout.split("\n") if "max_retries" in line)

        assert line == "        max_retries: 2 -> 3  (control[module_name=orders, source_id=a].parameters:1:56)"


class TestWhatIsNoBlueprint:
    def test_has_no_origin(self, project):
        project.write("metadata/a.yml", module("a"))
        project.ljm("generate")
        project.write("metadata/a.yml", module("a", notebook="/Workspace/b"))

        result = project.ljm("plan", "--format", "json")

        (job,) = json.loads(result.stdout)["jobs"]
        assert (job["blueprint"], job["rows"]) == (None, [])
        assert "origin" not in job["tasks"][0]["settings"][0]


class TestTheCache:
    def test_knows_the_blueprint_of_jobs_that_are_not_built(self, of_csv, built, monkeypatch):
        monkeypatch.setattr(cache, "LEAST_MODULES", 0)
        of_csv.compile()
        built.clear()

        sources = of_csv.compile().jobs.sources

        assert built == []
        assert {source.blueprint for source in sources.values()} == {"ingest_table"}

    def test_names_a_row_by_its_line_as_it_is_now(self, of_csv, monkeypatch):
        monkeypatch.setattr(cache, "LEAST_MODULES", 0)
        of_csv.compile()
        write_csv(of_csv, [("new", "dbo.New", "full", 2), *rows_of(4)])

        sources = of_csv.compile().jobs.sources

        assert sources["ingest_t000"].unit.rows() == ("list.csv:3",)
