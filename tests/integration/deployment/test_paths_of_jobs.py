"""Paths that jobs name are paths of the workspace once the real databricks CLI has deployed them."""

from __future__ import annotations

import json

import pytest

from support.project_folder import module

pytest_plugins = ["support.workspace_fixtures", "fakes.databricks_cli.fixtures"]

pytestmark = pytest.mark.parametrize(
    "databricks_command", [pytest.param("real", marks=pytest.mark.real_cli)], indirect=True
)
BUNDLE = "/Workspace/Users/someone@example.com/.bundle/test/dev"
GIT = {"git_source": {"git_url": "https://x.y/z", "git_provider": "gitHub", "git_branch": "main"}}
DEPENDENCIES = {
    "pkg @ https://x/y.whl": "pkg @ https://x/y.whl",
    "libs/a-1.0-py3-none-any.whl[extra]": f"{BUNDLE}/artifacts/.internal/a-1.0-py3-none-any.whl[extra]",
    "-r requirements.txt": f"-r {BUNDLE}/files/requirements.txt",
    '-r "a b.txt"': f'-r "{BUNDLE}/files/a b.txt"',
    "-e ./pkg": f"-e {BUNDLE}/files/pkg",
    "./pkg": f"{BUNDLE}/files/pkg",
    "-c requirements.txt": f"-c {BUNDLE}/files/requirements.txt",
}


@pytest.fixture
def deployed(project, databricks_environment, workspace):
    """Deploys a module with some settings, and returns what the Jobs API got."""
    for name in ("libs/a-1.0-py3-none-any.whl", "requirements.txt", "a b.txt", "pkg/setup.py"):
        project.write(name, "x")
    project.write("notebooks/a.py", "# Databricks notebook source\n")

    def deploy(job_config: dict, task: dict) -> dict:
        text = module().replace("    sources:", f"    job_config: {json.dumps(job_config)}\n    sources:")
        project.write("metadata/a.yml", text.replace("{notebook_path: /Workspace/a}", json.dumps(task)))
        result = project.run("deploy", "-t", "dev", **databricks_environment)
        assert result.exit_code == 0, result.stderr
        (job,) = workspace.jobs.all()
        return job.settings

    return deploy


@pytest.mark.parametrize("from_git", [{}, GIT])
def test_dependencies_of_an_environment(deployed, from_git):
    spec = {"environment_version": "4", "dependencies": list(DEPENDENCIES)}
    notebook = {"notebook_task": {"notebook_path": "/Workspace/a", "source": "WORKSPACE"}}
    job = deployed({"environments": [{"environment_key": "e", "spec": spec}], **from_git}, notebook)
    assert job["environments"][0]["spec"]["dependencies"] == list(DEPENDENCIES.values())


def test_files_of_the_project_in_a_job_of_a_repository(deployed):
    libraries = [{"whl": "libs/a-1.0-py3-none-any.whl"}, {"requirements": "requirements.txt"}]
    notebook = {"notebook_path": "notebooks/a.py", "source": "WORKSPACE"}
    cluster = {"spark_version": "16.4.x-scala2.12", "node_type_id": "i3.xlarge", "num_workers": 1}
    job = deployed(GIT, {"notebook_task": notebook, "new_cluster": cluster, "libraries": libraries})
    (task,) = job["tasks"]
    assert task["notebook_task"]["notebook_path"] == f"{BUNDLE}/files/notebooks/a"
    assert task["libraries"] == [
        {"whl": f"{BUNDLE}/artifacts/.internal/a-1.0-py3-none-any.whl"},
        {"requirements": f"{BUNDLE}/files/requirements.txt"},
    ]


def test_inline_sql_in_a_job_of_a_repository(deployed):
    job = deployed(GIT, {"sql_task": {"warehouse_id": "w", "sql_query": "SELECT 1"}})
    assert job["tasks"][0]["sql_task"]["file"]["path"] == f"{BUNDLE}/files/resources/sql/sales/a.sql"


def test_a_path_that_begins_with_a_variable(deployed, project):
    variables = "dir: {default: ./src}, far: {default: ../../src}, there: {default: /Workspace/src}"
    bundle = project.read("databricks.yml").replace("variables: {", f"variables: {{{variables}, ")
    project.write("databricks.yml", bundle)
    project.write("src/load.py", "print(1)\n")
    environment = {"environments": [{"environment_key": "e", "spec": {"environment_version": "4"}}]}

    def python_file(path: str) -> str:
        return deployed(environment, {"environment_key": "e", "spark_python_task": {"python_file": path}})["tasks"][0][
            "spark_python_task"
        ]["python_file"]

    assert python_file("./${var.dir}/load.py") == f"{BUNDLE}/files/src/load.py"
    assert python_file("${var.far}/load.py") == f"{BUNDLE}/files/src/load.py"
    assert python_file("${var.there}/load.py") == "/Workspace/src/load.py"
    with pytest.raises(AssertionError, match=r"for a path from the project folder write './\$\{var.dir\}/load.py'"):
        python_file("${var.dir}/load.py")
