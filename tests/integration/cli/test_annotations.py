"""`ljm validate` for a CI: every annotation is at a line of a file of the repository, wherever the project is in it."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from support.git import git
from support.project_folder import ProjectFolder, module
from support.tables import row, write_table

BROKEN = module("sales").replace("execution_order", "execution_ordr")
IN_FOLDER = "pipelines/sales"
CELL = "data/control[module_name=sales, source_id=orders].job_config:1:19"


def places(project: ProjectFolder, form: str, **environment: str) -> list[tuple[str, int]]:
    """Returns the file and line of every annotation in one format."""
    text = project.inside("validate", "--format", form, **environment).stdout
    if form == "github":
        found = re.findall(r"file=([^,]*),line=(\d+)", text)
    elif form == "azure":
        found = re.findall(r"sourcepath=([^;]*);linenumber=(\d+)", text)
    elif form == "gitlab":
        found = [(each["location"]["path"], each["location"]["lines"]["begin"]) for each in json.loads(text)]
    else:
        results = json.loads(text)["runs"][0]["results"]
        all_of_them = [each["locations"][0]["physicalLocation"] for each in results]
        found = [(each["artifactLocation"]["uri"], each["region"]["startLine"]) for each in all_of_them]
    return [(path, int(line)) for path, line in found]


@pytest.fixture
def inner(tmp_path: Path) -> ProjectFolder:
    """A project in a folder of a repository of many."""
    git(tmp_path, "init", "-q")
    project = ProjectFolder(tmp_path / IN_FOLDER)
    project.write("metadata/sales.yml", BROKEN)
    return project


FORMS = ("github", "azure", "gitlab", "sarif")


@pytest.mark.parametrize("form", FORMS)
class TestInAFolderOfARepository:
    def test_paths_begin_at_the_root_of_the_git_repository(self, inner, form):
        assert set(places(inner, form)) == {(f"{IN_FOLDER}/metadata/sales.yml", line) for line in (4, 5)}

    @pytest.mark.parametrize("variable", ["GITHUB_WORKSPACE", "BUILD_SOURCESDIRECTORY", "CI_PROJECT_DIR"])
    def test_without_git_they_begin_at_the_checkout_that_the_ci_names(self, inner, tmp_path, form, variable):
        shutil.rmtree(tmp_path / ".git")

        found = places(inner, form, **{variable: str(tmp_path)})

        assert set(found) == {(f"{IN_FOLDER}/metadata/sales.yml", line) for line in (4, 5)}

    def test_a_checkout_elsewhere_says_nothing_of_the_project(self, inner, tmp_path, form):
        shutil.rmtree(tmp_path / ".git")

        found = places(inner, form, GITHUB_WORKSPACE=str(tmp_path / "other"))

        assert {path for path, _ in found} == {"metadata/sales.yml"}

    def test_a_file_beside_the_project_is_where_it_is(self, inner, tmp_path, form):
        shutil.move(inner.path / "metadata", tmp_path / "pipelines/shared")
        inner.write("job_meta.yml", "metadata: [{yaml: ../shared}]\n")

        assert {path for path, _ in places(inner, form)} == {"pipelines/shared/sales.yml"}

    def test_a_row_of_a_table_is_at_its_source_in_the_project_file(self, inner, form):
        write_table(inner.path / "data/control", [row("orders", "sales", job_config='{"tags": {"cost": 5}}')])
        inner.write("job_meta.yml", "metadata:\n  - yaml: others/\n  - delta: data/control\n")

        assert (f"{IN_FOLDER}/job_meta.yml", 3) in places(inner, form)

    def test_a_file_outside_of_the_repository_is_at_its_source_in_the_project_file(self, inner, tmp_path, form):
        git(inner.path, "init", "-q")
        shutil.move(inner.path / "metadata", tmp_path / "shared")
        inner.write("job_meta.yml", "# where\nmetadata: [{yaml: ../../shared}]\n")

        assert set(places(inner, form)) == {("job_meta.yml", 2)}


@pytest.mark.parametrize("form", ["github", "azure", "gitlab"])
def test_an_annotation_that_is_not_at_its_place_names_it(inner, form):
    write_table(inner.path / "data/control", [row("orders", "sales", job_config='{"tags": {"cost": 5}}')])
    inner.write("job_meta.yml", "metadata: [{delta: data/control}]\n")

    assert f"{CELL}: " in inner.inside("validate", "--format", form).stdout


def test_code_scanning_gets_the_row_as_a_logical_location_too(inner):
    write_table(inner.path / "data/control", [row("orders", "sales", job_config='{"tags": {"cost": 5}}')])
    inner.write("job_meta.yml", "metadata: [{delta: data/control}]\n")

    (result,) = json.loads(inner.inside("validate", "--format", "sarif").stdout)["runs"][0]["results"]

    (location,) = result["locations"]
    assert location["logicalLocations"][0]["fullyQualifiedName"] == CELL
    assert location["physicalLocation"]["artifactLocation"]["uri"] == f"{IN_FOLDER}/job_meta.yml"
    assert "fixes" not in result


def test_json_stays_relative_to_the_project(inner):
    problems = json.loads(inner.inside("validate", "--format", "json").stdout)

    assert {each["path"] for each in problems} == {"metadata/sales.yml"}


@pytest.mark.parametrize("form", ["github", "azure"])
def test_of_very_many_problems_people_get_the_foremost_and_the_number_of_the_others(project, form):
    many = "".join(BROKEN.replace("sales", f"sales{number}").removeprefix("modules:\n") for number in range(150))
    project.write("metadata/sales.yml", f"modules:\n{many}")

    result = project.ljm("validate", "--format", form)

    assert len(result.stdout.splitlines()) == 200
    assert "... and 100 more" in result.stderr
