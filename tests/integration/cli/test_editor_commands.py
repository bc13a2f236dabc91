"""`ljm editor`, `ljm skill`, `ljm schema --example`, `ljm explain --format json`, and where there is no project."""

from __future__ import annotations

import json

import pytest

from lakeflow_job_meta.diagnostics.rules import RULES
from support.in_process import started_in
from support.project_folder import REPOSITORY, module, run_here


class TestEditor:
    def test_says_of_each_file_what_it_did(self, project):
        project.write("metadata/a.yml", module())

        first, second = project.ljm("editor"), project.ljm("editor", "--modelines")

        files = [".schemas/metadata.schema.json", ".schemas/project.schema.json", ".vscode/settings.json"]
        assert (first.exit_code, first.stderr) == (0, "")
        assert first.stdout.splitlines() == [f"create {each}" for each in files]
        assert second.stdout.splitlines() == [*(f"keep   {each}" for each in files), "update metadata/a.yml"]

    def test_shows_what_to_add_by_hand_and_exits_with_1(self, project):
        project.write("metadata/a.yml", module())
        project.write(".vscode/settings.json", "{ what is this\n")

        result = project.ljm("editor")

        assert result.exit_code == 1
        assert ".vscode/settings.json cannot be edited without a loss; add to it:\n" in result.stdout
        assert '          "/metadata/*.yml",\n' in result.stdout
        assert project.read(".vscode/settings.json") == "{ what is this\n"

    def test_says_where_the_settings_do_not_count(self, project):
        (project.path.parent / ".git").mkdir()

        assert "not the repository around it: for that, run `ljm editor --modelines`." in project.ljm("editor").stderr
        assert project.ljm("editor", "--modelines").stderr == ""

    def test_a_folder_that_cannot_be_written_is_one_sentence(self, project):
        project.write(".schemas", "in the way\n")

        result = project.ljm("editor")

        assert result.exit_code == 1
        assert result.stderr.startswith("error: '.schemas/metadata.schema.json' cannot be ")


class TestWithoutAProject:
    @pytest.fixture(autouse=True)
    def nowhere(self, tmp_path):
        with started_in(tmp_path, {}):
            yield

    def test_the_page_for_agents_is_the_template_of_new_projects(self):
        page = (REPOSITORY / "templates/init/AGENTS.md").read_text("utf-8")

        assert run_here("skill").stdout == page

    def test_an_example_is_of_metadata_alone(self):
        assert run_here("schema", "--example").stdout == run_here("schema", "metadata", "--example").stdout
        assert run_here("schema", "project", "--example").exit_code == 2

    def test_a_code_is_explained_in_json(self):
        explained = json.loads(run_here("explain", "unknown-field", "--format", "json").stdout)

        assert explained["code"] == "unknown-field"
        assert "max_retry" in explained["wrong"]
        assert "max_retries" in explained["right"]
        assert explained["documentation"] == "docs/checks.md#unknown-field"

    def test_all_codes_are_a_list(self):
        assert [each["code"] for each in json.loads(run_here("explain", "--format", "json").stdout)] == sorted(RULES)

    @pytest.mark.parametrize("arguments", [["validate"], ["deploy"], ["plan"], ["editor"], ["show", "a"], ["generate"]])
    def test_every_command_names_the_one_that_makes_a_project(self, arguments, tmp_path):
        (tmp_path / "empty").mkdir()

        here, named = run_here(*arguments), run_here(*arguments, "--project", "empty")

        assert (here.exit_code, named.exit_code) == (2, 2)
        assert "`ljm init` makes a new project." in here.stderr
        assert "There is no project in 'empty'" in named.stderr
        assert "`ljm init` makes a new project." in named.stderr


class TestSourcesWithoutFiles:
    @pytest.mark.parametrize(
        ("pattern", "message"),
        [
            ("teams/*.yml", "no file fits the glob 'teams/*.yml', so no job comes from it"),
            ("teams", "no file that ends in .yml or .yaml is in 'teams', so no job comes from it"),
        ],
    )
    def test_are_a_warning_that_names_them_where_they_are_written(self, project, pattern, message):
        project.write("metadata/a.yml", module())
        project.write("teams/readme.txt", "")
        project.write("job_meta.yml", f"metadata:\n  - yaml: metadata/\n  - yaml: '{pattern}'\n")

        result = project.ljm("validate")

        (problem,) = result.problems
        assert (result.exit_code, problem.place, problem.severity) == (0, "job_meta.yml:3:11", "warning")
        assert (problem.message, problem.code) == (message, "no-files")

    def test_are_named_without_a_project_file_too(self, project):
        (project.path / "metadata").mkdir()

        (problem,) = project.ljm("validate").problems

        assert (problem.place, problem.code) == ("metadata", "no-files")
