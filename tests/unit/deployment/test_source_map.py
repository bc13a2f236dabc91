"""From a position in a generated file, or a name in the plan, to where the metadata is written."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from lakeflow_job_meta.config.load import load_project
from lakeflow_job_meta.deployment.databricks_cli.output import CliDiagnostic, CliLocation, diagnostics_in
from lakeflow_job_meta.deployment.databricks_cli.source_map import SourceMap
from support.project_folder import ProjectFolder

TWO = """\
modules:
  - module_name: sales
    job_config:
      max_concurrent_runs: 2
    sources:
      - source_id: orders
        execution_order: 1
        transformation_config:
          notebook_path: /Workspace/orders
          max_retries: 3
      - source_id: report
        execution_order: 2
        transformation_config:
          notebook_path: /Workspace/report
          base_parameters: {day: monday}
"""


class TestPlaces:
    @pytest.fixture
    def places(self, project: ProjectFolder) -> SourceMap:
        project.write("metadata/sales.yml", TWO)
        project.ljm("generate")
        return SourceMap(load_project(project.path), project.compile())

    @pytest.fixture
    def place_of(self, project: ProjectFolder, places: SourceMap) -> Callable[[str], str | None]:
        """Returns the metadata place of a text in the generated file."""

        def find(text: str) -> str | None:
            content = project.read("resources/jobs/sales.yml")
            assert content.count(text) == 1, content
            before = content[: content.index(text)]
            line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
            return places.of_location(CliLocation("resources/jobs/sales.yml", line, column))

        return find

    @pytest.mark.parametrize(
        ("generated", "place"),
        [
            ("max_concurrent_runs", "metadata/sales.yml:4:7"),
            ("max_retries", "metadata/sales.yml:10:11"),
            ('"/Workspace/report"', "metadata/sales.yml:14:11"),
            ("day:", "metadata/sales.yml:15:29"),
        ],
    )
    def test_a_setting_is_told_where_it_was_written(self, place_of, generated, place):
        found = place_of(generated)

        assert found is not None
        assert found.split(":")[:2] == place.split(":")[:2]

    @pytest.mark.parametrize("line", [0, 1, 2, 3, 4, 999])
    def test_any_line_of_a_generated_file_has_a_place_in_its_module(self, places, line):
        found = places.of_location(CliLocation("resources/jobs/sales.yml", line, 1))

        assert found is not None
        assert found.startswith("metadata/sales.yml:")

    @pytest.mark.parametrize("path", ["databricks.yml", "resources/jobs/other.yml", "jobs/sales.yml", "../x.yml"])
    def test_a_file_that_is_not_generated_has_no_place_in_the_metadata(self, places, path):
        assert places.of_location(CliLocation(path, 1, 1)) is None

    def test_a_message_is_told_at_the_place_in_the_metadata(self, places):
        (said,) = diagnostics_in(
            "Warning: unknown field: x\n  at resources.jobs.sales\n  in resources/jobs/sales.yml:4:7\n"
        )

        told = places.located(said)

        assert re.fullmatch(r"metadata/sales\.yml:\d+:\d+: warning: unknown field: x \[databricks\]", told)

    def test_a_message_about_a_file_of_the_user_s_own_keeps_its_place(self, places):
        said = CliDiagnostic("Error", "no", (), (CliLocation("databricks.yml", 3, 1),))

        assert places.located(said) == "databricks.yml:3:1: error: no [databricks]"

    @pytest.mark.parametrize("name", ["resources.jobs.sales", "resources.jobs.sales.tasks[0].x"])
    def test_a_message_without_a_place_is_told_at_the_module(self, places, name):
        assert places.located(CliDiagnostic("Error", "no", (name,), ())).startswith("metadata/sales.yml:2:")

    def test_a_message_about_something_else_names_it(self, places):
        assert (
            places.located(CliDiagnostic("Error", "no", ("permissions",), ())) == "permissions: error: no [databricks]"
        )
        assert places.located(CliDiagnostic("Error", "no", (), ())) == "databricks: error: no [databricks]"
