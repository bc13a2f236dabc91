"""The tasks that check rows find their notebook and their rules in the workspace, however the job is deployed."""

from __future__ import annotations

import posixpath

import pytest
import yaml

from support.deployments import new_world
from support.jobs_api_site import ROOT

pytest_plugins = ["support.workspace_fixtures", "support.jobs_api_fixtures"]

SALES = """
modules:
  - module_name: sales
    job_config: {%s}
    sources:
      - source_id: orders
        execution_order: 1
        transformation_config: {notebook_task: {notebook_path: /Workspace/a, source: WORKSPACE}}
        quality:
          table: main.silver.orders
          checks: [{check: {function: is_not_null, arguments: {column: order_id}}}]
        expect_no_rows: [{name: none, sql: SELECT 1 WHERE false}]
"""
GIT = "git_source: {git_url: 'https://x.y/z', git_provider: gitHub, git_branch: main}"
BUNDLE = "bundle: {name: test}\ninclude: [resources/jobs/*.yml, shared.yml]\n"
MANY = "bundles: {jobs_per_bundle: 10}\n"
PROJECT = "metadata: [{yaml: metadata/}]\ndefaults: {warehouse_id: abc123}\n"


def rules_of(workspace, job) -> list:
    """The rules that the notebook of a job finds, which runs with its own folder as working directory."""
    task = next(task for task in job.settings["tasks"] if task["task_key"] == "orders_quality")["notebook_task"]
    notebook = task["notebook_path"].removeprefix("/Workspace")
    assert workspace.tree.read(notebook).startswith(b"# Databricks notebook source\n")
    path = posixpath.join(posixpath.dirname(notebook), task["base_parameters"]["ljm_checks_file"])
    return yaml.safe_load(workspace.tree.read(path))


@pytest.mark.real_cli
@pytest.mark.parametrize(
    ("job_config", "bundles"),
    [("", ""), (GIT, ""), ("", MANY)],
    ids=["one bundle", "a job of a repository", "many bundles"],
)
def test_the_databricks_cli_uploads_notebook_and_rules(tmp_path, job_config, bundles):
    with new_world("real", tmp_path) as world:
        world.project.write("databricks.yml", BUNDLE)
        world.project.write("shared.yml", "targets: {dev: {default: true}}\n")
        world.project.write("job_meta.yml", PROJECT + bundles)
        world.project.write("metadata/sales.yml", SALES % job_config)

        world.deploy_well()

        (job,) = world.workspace.jobs.all()
        assert rules_of(world.workspace, job) == [
            {"check": {"function": "is_not_null", "arguments": {"column": "order_id"}}}
        ]


def test_the_jobs_api_gets_notebook_and_rules_uploaded(site):
    site.project.write("job_meta.yml", PROJECT)
    site.project.write("metadata/sales.yml", SALES % "")
    assert site.deploy() == []

    job = site.workspace.jobs.by_name("sales")
    assert rules_of(site.workspace, job)[0]["check"]["function"] == "is_not_null"

    site.workspace.tree.writes.clear()
    site.project.write("metadata/sales.yml", SALES.replace("is_not_null", "is_null") % "")
    assert site.deploy() == []
    assert rules_of(site.workspace, job)[0]["check"]["function"] == "is_null"
    assert f"{ROOT}/resources/quality/sales/orders_quality.yml".removeprefix("/Workspace") in site.uploads()


def test_a_job_of_a_repository_in_one_of_many_bundles_cannot_be_checked(site):
    site.project.write("databricks.yml", BUNDLE)
    site.project.write("shared.yml", "targets: {dev: {default: true}}\n")
    site.project.write("job_meta.yml", PROJECT + MANY)
    site.project.write("metadata/sales.yml", SALES % GIT)

    problems = site.project.ljm("validate").errors
    assert {problem.code for problem in problems} == {"missing-file"}
    assert any("ljm_quality' here, and where in the workspace it will be is not" in each.message for each in problems)
