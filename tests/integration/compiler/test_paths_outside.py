"""What is outside the project is neither looked at nor suggested, unless the bundle takes it along."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lakeflow_job_meta.checks.file_lookups import LOOKUPS
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
    assert looked_at == []


@pytest.mark.parametrize("synced", ["[., ../shared]", "['../..']", "[../../shop/shared/src]"])
def test_a_file_in_a_folder_that_the_bundle_takes_along_is_looked_at_as_any_other(project, synced):
    project.write("databricks.yml", f"bundle: {{name: x}}\nsync: {{paths: {synced}}}\n")
    project.write("../shared/src/a.py", NOTEBOOK)
    assert project.problems(module(notebook="../shared/src/a.py")) == []
    (problem,) = project.problems(module(notebook="../shared/src/b.py"))
    assert "there is no file '../shared/src/b.py'" in problem
    assert "did you mean" not in problem


def test_a_target_or_an_included_file_may_name_such_a_folder_too(project):
    project.write("databricks.yml", "bundle: {name: x}\ninclude: [conf/more.yml]\n")
    project.write("conf/more.yml", "targets: {dev: {sync: {paths: [../../shared]}}}\n")
    project.write("../shared/a.py", NOTEBOOK)
    assert project.problems(module(notebook="../shared/a.py")) == []


def test_where_it_is_not_known_what_the_bundle_takes_along_nothing_is_said_or_looked_at(project, looked_at):
    (project.path / "databricks.yml").write_text("[")
    assert project.problems(module(notebook="../secret.py")) == []
    assert looked_at == []
