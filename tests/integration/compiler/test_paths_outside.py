"""What is outside the project is neither looked at nor suggested, unless the bundle takes it along."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from lakeflow_job_meta._internal import listing
from lakeflow_job_meta.checks.file_lookups import LOOKUPS
from lakeflow_job_meta.config import bundle
from lakeflow_job_meta.config.bundle import BundleDeclarations, read_bundle_declarations
from lakeflow_job_meta.config.load import load_project
from support.project_folder import ProjectFolder, module

NOTEBOOK = "# Databricks notebook source\n"


@pytest.fixture
def project(tmp_path: Path) -> ProjectFolder:
    return ProjectFolder(tmp_path / "shop" / "project")


@pytest.fixture
def looked_at(monkeypatch) -> list[str]:
    """The paths that were looked at, by their last steps."""
    paths: list[str] = []
    for kind, look in list(LOOKUPS.items()):
        monkeypatch.setitem(LOOKUPS, kind, lambda folder, path, look=look: (paths.append(path), look(folder, path))[1])
    return paths


def nothing_is_known_of(project: ProjectFolder) -> bool:
    declared = read_bundle_declarations(load_project(project.path))
    return replace(declared, problems=(), root=None, files=()) == BundleDeclarations()


@pytest.mark.parametrize("is_there", [True, False])
@pytest.mark.parametrize("path", ["../secret.py", "../../../etc/passwd", "src/../../secret.py", "./../project2/x.py"])
def test_a_path_outside_says_the_same_whether_there_is_a_file_or_not(project, looked_at, path, is_there):
    if is_there:
        project.write("../secret.py", NOTEBOOK)
        project.write("../project2/x.py", NOTEBOOK)
    (problem,) = project.problems(module(notebook=path))
    shown = os.path.normpath(path)
    assert problem == (
        f"metadata/sales.yml:6:48: error: {shown!r} is outside the project, which is all that is deployed; move it "
        "there, or name its folder below 'sync: {paths: [...]}' in databricks.yml [missing-file]"
    )
    assert [each for each in looked_at if os.path.normpath(project.path / each) != str(project.path / each)] == []


@pytest.mark.parametrize("path", ["../notebooks/a.py", "../../notebooks/a.py", "./../notebooks/a.py"])
def test_a_path_that_was_written_from_another_folder_is_told_the_one_from_the_project(project, path):
    project.write("notebooks/a.py", NOTEBOOK)

    (problem,) = project.problems(module(notebook=path))

    assert problem.startswith(f"metadata/sales.yml:6:48: error: {os.path.normpath(path)!r} is outside the project, ")
    assert problem.endswith("whose folder paths are relative to; did you mean 'notebooks/a.py'? [missing-file]")


@pytest.mark.parametrize("synced", ["[., ../shared]", "['../..']", "[../../shop/shared/src]"])
def test_a_file_in_a_folder_that_the_bundle_takes_along_is_looked_at_as_any_other(project, synced):
    project.write("databricks.yml", f"bundle: {{name: x}}\nsync: {{paths: {synced}}}\n")
    project.write("../shared/src/a.py", NOTEBOOK)
    assert project.problems(module(notebook="../shared/src/a.py")) == []
    (problem,) = project.problems(module(notebook="../shared/src/b.py"))
    assert "there is no file '../shared/src/b.py'" in problem
    assert "did you mean" not in problem


def test_a_target_or_an_included_file_may_name_such_a_folder_too(project):
    project.write("databricks.yml", "bundle: {name: x}\ninclude: [conf/more.yml, resources/jobs/*.yml]\n")
    project.write("conf/more.yml", "targets: {dev: {sync: {paths: [../../shared]}}}\n")
    project.write("../shared/a.py", NOTEBOOK)
    assert project.problems(module(notebook="../shared/a.py")) == []


def test_where_it_is_not_known_what_the_bundle_takes_along_nothing_is_said_or_looked_at(project, looked_at):
    (project.path / "databricks.yml").write_text("[")
    (problem,) = project.problems(module(notebook="../secret.py"))
    assert "databricks.yml:2:1: error: not valid YAML" in problem
    assert looked_at == []


class TestIncludedFiles:
    def test_an_include_of_more_than_anybody_wrote_is_not_read_to_its_end(self, project, monkeypatch):
        project.write("databricks.yml", "bundle: {name: x}\ninclude: ['**/*.yml']\n")
        for n in range(20):
            project.write(f"more/{n}.yml", f"variables: {{v{n}: {{default: a}}}}\n")
        declared = read_bundle_declarations(load_project(project.path))
        assert declared.variables == {f"v{n}" for n in range(20)}
        for limit in ((listing, "MOST_ENTRIES", 10), (bundle, "MAX_BYTES", 300)):
            with monkeypatch.context() as patch:
                patch.setattr(*limit)
                assert nothing_is_known_of(project)

    @pytest.mark.timeout(20)
    def test_a_pipe_among_included_files_is_one_that_cannot_be_read(self, project):
        project.write("databricks.yml", "bundle: {name: x}\ninclude: [more/*]\n")
        (project.path / "more").mkdir()
        os.mkfifo(project.path / "more" / "a.yml")
        assert nothing_is_known_of(project)

    def test_an_included_folder_that_cannot_be_listed_is_not_taken_for_an_empty_one(self, project):
        project.write("databricks.yml", "bundle: {name: x}\ninclude: ['more/**/*.yml']\n")
        project.write("more/a.yml", "variables: {a: {default: b}}\n")
        (project.path / "more" / "gone").symlink_to("nowhere")
        assert nothing_is_known_of(project)


def test_a_file_that_windows_reserves_is_warned_of_where_its_name_is_written(project):
    problems = project.problems(
        """\
        modules:
          - module_name: Com1
            sources:
              - source_id: nul
                execution_order: 1
                transformation_config: {sql_task: {warehouse_id: w, sql_query: SELECT 1}}
              - source_id: con
                execution_order: 1
                transformation_config: {notebook_path: /Workspace/a}
        """
    )
    assert problems == [
        "metadata/sales.yml:2:18: warning: Windows can have no file 'jobs/Com1.yml'; rename the module if anybody is "
        "to work there [reserved-name]",
        "metadata/sales.yml:4:20: warning: Windows can have no file 'sql/Com1/nul.sql'; rename the source if anybody "
        "is to work there [reserved-name]",
    ]
