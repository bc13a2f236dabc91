"""`ljm dashboard`: what it writes and keeps, what it needs, and that the databricks CLI deploys it once."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import sqlglot

from fakes.databricks_cli import cli_environment
from fakes.databricks_cli.fixtures import real_command
from lakeflow_job_meta.services.dashboard_pages import GRID_WIDTH

pytest_plugins = ["support.workspace_fixtures"]

RESOURCE, DASHBOARD = "resources/dashboards/pipelines.dashboard.yml", "resources/dashboards/pipelines.lvdash.json"
TABLE = "metadata: [{table: main.etl.control, warehouse_id: '${var.warehouse_id}'}]\n"
PAGES = ["Now", "Late", "Change and effect", "Quality", "Held back and in quarantine"]


@pytest.fixture
def of_table(project):
    project.write("job_meta.yml", TABLE)
    return project


def written(project) -> dict:
    return json.loads(project.read(DASHBOARD))


def sql_of(project) -> dict[str, str]:
    return {each["name"]: "".join(each["queryLines"]) for each in written(project)["datasets"]}


class TestFiles:
    def test_are_written_once_and_kept_from_then_on(self, of_table):
        first = of_table.ljm("dashboard")
        of_table.write(DASHBOARD, "{}\n")
        second = of_table.ljm("dashboard")

        assert (first.exit_code, second.exit_code) == (0, 0)
        assert first.stdout.splitlines() == [f"create {RESOURCE}", f"create {DASHBOARD}"]
        assert second.stdout.splitlines() == [f"keep   {RESOURCE}", f"keep   {DASHBOARD}"]
        assert of_table.read(DASHBOARD) == "{}\n"

    def test_are_written_anew_by_force_alone(self, of_table):
        of_table.ljm("dashboard")
        before = of_table.read(DASHBOARD)
        of_table.write(DASHBOARD, "{}\n")
        assert of_table.ljm("dashboard", "--force").stdout.splitlines() == [f"keep   {RESOURCE}", f"update {DASHBOARD}"]
        assert of_table.read(DASHBOARD) == before

    def test_the_command_says_what_the_bundle_must_include_until_it_does(self, of_table):
        bundle = of_table.read("databricks.yml")
        assert "    include:\n      - resources/dashboards/*.yml\n" in of_table.ljm("dashboard").stderr
        assert of_table.read("databricks.yml") == bundle
        of_table.write("databricks.yml", bundle.replace("jobs/*.yml]", "jobs/*.yml, resources/dashboards/*.yml]"))
        assert of_table.ljm("dashboard").stderr == ""

    def test_a_folder_that_cannot_be_written_is_one_sentence(self, of_table):
        of_table.write("resources/dashboards", "in the way\n")
        result = of_table.ljm("dashboard")
        assert result.exit_code == 1
        assert result.stderr.startswith(f"error: '{RESOURCE}' cannot be ")

    def test_are_no_generated_files_that_a_later_run_deletes(self, of_table):
        of_table.ljm("dashboard")
        of_table.write("job_meta.yml", "metadata: [{yaml: metadata}]\n")
        of_table.ljm("generate")
        assert (of_table.path / DASHBOARD).exists()


class TestContent:
    def test_each_page_has_widgets_on_a_grid_that_do_not_overlap(self, of_table):
        of_table.ljm("dashboard")
        pages = written(of_table)["pages"]
        assert [page["displayName"] for page in pages] == PAGES
        for page in pages:
            cells: set[tuple[int, int]] = set()
            for each in page["layout"]:
                place = each["position"]
                across, down = range(place["width"]), range(place["height"])
                taken = {(place["x"] + x, place["y"] + y) for x in across for y in down}
                assert not taken & cells
                assert place["x"] + place["width"] <= GRID_WIDTH
                cells |= taken

    def test_each_widget_has_a_name_of_its_own_and_shows_fields_that_it_asks_for(self, of_table):
        of_table.ljm("dashboard")
        root = written(of_table)
        widgets = [each["widget"] for page in root["pages"] for each in page["layout"]]
        datasets = {each["name"] for each in root["datasets"]}
        assert len({widget["name"] for widget in widgets}) == len(widgets)
        for widget in (each for each in widgets if "spec" in each):
            query, encodings = widget["queries"][0]["query"], widget["spec"]["encodings"]
            shown = encodings.get("columns") or encodings.values()
            assert query["datasetName"] in datasets
            assert {each["fieldName"] for each in shown} == {field["name"] for field in query["fields"]}

    def test_each_query_is_one_select_in_the_dialect_of_databricks(self, of_table):
        of_table.ljm("dashboard")
        for name, query in sql_of(of_table).items():
            statements = sqlglot.parse(query, dialect="databricks")
            assert [statement.key for statement in statements if statement is not None] == ["select"], name

    def test_the_tables_are_those_beside_the_control_table_however_it_is_named(self, of_table):
        of_table.write("job_meta.yml", TABLE.replace("main.etl.control", "main.etl.`my table`"))
        of_table.ljm("dashboard")
        assert "FROM `main`.`etl`.`my table_jobs` AS job\n" in sql_of(of_table)["failed_jobs"]
        assert "FROM `main`.`etl`.`my table_quality`\n" in sql_of(of_table)["failing_checks"]

    def test_a_delta_table_by_url_is_named_by_its_location(self, of_table):
        of_table.write("job_meta.yml", "metadata: [{delta: 's3://shop/etl/control/'}]\n")
        assert of_table.ljm("dashboard").exit_code == 0
        assert "FROM delta.`s3://shop/etl/control_jobs` AS job\n" in sql_of(of_table)["failed_jobs"]

    def test_owners_are_looked_for_in_all_control_tables(self, of_table):
        of_table.write("job_meta.yml", "metadata: [{table: main.etl.a}, {table: main.etl.b}]\n")
        of_table.ljm("dashboard")
        query = sql_of(of_table)["failed_jobs"]
        assert "FROM `main`.`etl`.`a`\n" in query
        assert "FROM `main`.`etl`.`b`\n" in query
        assert "FROM `main`.`etl`.`a_jobs` AS job\n" in query


class TestWarehouse:
    @pytest.mark.parametrize(
        ("project_file", "options", "warehouse"),
        [
            (TABLE, (), "${var.warehouse_id}"),
            (TABLE + "defaults: {warehouse_id: abc}\n", (), "abc"),
            (TABLE, ("--warehouse-id", "def"), "def"),
            ("metadata: [{table: main.etl.control}]\n", (), "${var.warehouse_id}"),
        ],
    )
    def test_is_the_one_of_the_option_the_defaults_the_table_or_a_variable(
        self, project, project_file, options, warehouse
    ):
        project.write("job_meta.yml", project_file)
        project.ljm("dashboard", *options)
        assert f'warehouse_id: "{warehouse}"\n' in project.read(RESOURCE)

    def test_without_any_the_command_says_what_to_give(self, project):
        project.write("job_meta.yml", "metadata: [{table: main.etl.control}]\n")
        project.write("databricks.yml", "bundle: {name: test}\ntargets: {dev: {}}\n")
        result = project.ljm("dashboard")
        assert result.exit_code == 2
        assert "Give --warehouse-id." in result.stderr


class TestWithoutAControlTable:
    def test_the_command_says_what_is_needed_and_writes_nothing(self, project):
        result = project.ljm("dashboard")
        assert result.exit_code == 2
        assert "in its state folder, where no SQL warehouse reads it" in result.stderr
        assert not (project.path / "resources").exists()

    def test_a_table_by_a_relative_path_is_none_that_a_warehouse_reads(self, project):
        project.write("job_meta.yml", "metadata: [{delta: ./control}]\n")
        assert "beside './control', where no SQL warehouse reads it" in project.ljm("dashboard").stderr

    def test_results_of_checks_alone_are_one_page(self, project):
        project.write("job_meta.yml", "control_table: main.etl.control\n")
        result = project.ljm("dashboard")
        assert result.exit_code == 0
        assert [page["displayName"] for page in written(project)["pages"]] == ["Quality"]
        assert "Only the page 'Quality'" in result.stderr


@pytest.mark.real_cli
def test_the_real_cli_accepts_it_strictly_deploys_it_and_has_no_change_afterwards(workspace, of_table, tmp_path):
    of_table.ljm("dashboard")
    bundle = of_table.read("databricks.yml")
    of_table.write("databricks.yml", bundle.replace("jobs/*.yml]", "jobs/*.yml, resources/dashboards/*.yml]"))
    environment = cli_environment(workspace.url, workspace.token, tmp_path / "cli")

    def bundle_command(*arguments: str) -> str:
        command: list[str | Path] = [real_command(), "bundle", *arguments, "-t", "dev"]
        done = subprocess.run(
            command, cwd=of_table.path, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "Validation OK!" in bundle_command("validate", "--strict")
    bundle_command("deploy")
    assert "0 to add, 0 to change, 0 to delete, 1 unchanged" in bundle_command("plan")
    (deployed,) = workspace.dashboards.by_id.values()
    assert deployed["warehouse_id"] == "0123456789abcdef"
    assert json.loads(deployed["serialized_dashboard"]) == written(of_table)
