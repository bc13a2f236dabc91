"""A module that is not the same in all targets is validated and deployed as each target has it, by both deployers."""

from __future__ import annotations

import json
import subprocess

import pytest

from lakeflow_job_meta.planning.model import Action
from support.project_folder import ProjectFolder

pytest_plugins = ["support.workspace_fixtures", "support.jobs_api_fixtures", "fakes.databricks_cli.fixtures"]

BUNDLE = """\
bundle: {name: shop}
include: [resources/jobs/*.yml]
targets:
  dev: {default: true, workspace: {root_path: /Workspace/dev}}
  prod: {workspace: {root_path: /Workspace/prod}}
"""
JOB_META = """\
metadata: [{yaml: metadata/}]
defaults:
  job: {schedule: {quartz_cron_expression: "0 0 6 * * ?", timezone_id: UTC}}
presets:
  - {preset: loud, match: {target: prod}, job: {email_notifications: {on_failure: [oncall@example.com]}}}
"""
METADATA = """\
modules:
  - module_name: orders
    sources:
      - {source_id: load, execution_order: 1, transformation_config: {notebook_path: /Workspace/load}}
      - source_id: report
        execution_order: 2
        transformation_config: {sql_task: {sql_query: SELECT 1, warehouse_id: abc}}
    targets:
      dev: {job_config: {schedule: null}, sources: {report: {is_active: false}}}
      prod:
        job_config: {max_concurrent_runs: 3}
        sources: {load: {transformation_config: {max_retries: 5}}}
  - module_name: only_prod
    sources:
      - {source_id: load, execution_order: 1, transformation_config: {notebook_path: /Workspace/load}}
    targets: {dev: false}
"""


def filled(project: ProjectFolder) -> ProjectFolder:
    project.write("databricks.yml", BUNDLE)
    project.write("job_meta.yml", JOB_META)
    project.write("metadata/orders.yml", METADATA)
    return project


@pytest.fixture
def project(tmp_path) -> ProjectFolder:
    return filled(ProjectFolder(tmp_path / "project"))


@pytest.mark.parametrize("target", ["dev", "prod"])
def test_each_target_passes_the_strict_validation(project, databricks_command, databricks_environment, target):
    assert project.ljm("generate").exit_code == 0

    done = subprocess.run(
        [databricks_command, "bundle", "validate", "--strict", "-t", target, "-o", "json"],
        cwd=project.path,
        env=databricks_environment,
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert done.returncode == 0, done.stderr
    jobs = json.loads(done.stdout)["resources"]["jobs"]
    assert sorted(jobs) == (["orders"] if target == "dev" else ["only_prod", "orders"])
    assert ("schedule" in jobs["orders"]) is (target == "prod")


def test_each_target_gets_the_job_as_it_is_there(project, databricks_environment, workspace):
    for target in ("dev", "prod"):
        done = project.inside("deploy", "-t", target, **databricks_environment)
        assert done.exit_code == 0, done.stderr

    jobs = [job.settings for job in workspace.jobs.all()]
    assert sorted(job["name"] for job in jobs) == ["only_prod", "orders", "orders"]
    dev, prod = sorted((job for job in jobs if job["name"] == "orders"), key=lambda job: len(job["tasks"]))
    assert [task["task_key"] for task in dev["tasks"]] == ["load"]
    assert "schedule" not in dev
    assert (prod["max_concurrent_runs"], prod["tasks"][0]["max_retries"]) == (3, 5)
    assert prod["email_notifications"] == {"on_failure": ["oncall@example.com"]}


def test_the_jobs_api_gets_the_job_as_it_is_in_the_target(site):
    filled(site.project)

    assert site.deploy() == []
    (dev,) = (job.settings for job in site.workspace.jobs.all())

    assert [task["task_key"] for task in dev["tasks"]] == ["load"]
    assert "schedule" not in dev
    site.known = {}
    assert site.deployer("prod").plan().jobs(Action.CREATE) == ["only_prod", "orders"]


@pytest.mark.slow
def test_a_job_that_is_left_out_of_a_target_later_is_deleted_there_only_when_that_is_allowed(
    project, databricks_environment, workspace
):
    project.write("metadata/orders.yml", METADATA.replace("    targets: {dev: false}\n", ""))
    assert project.inside("deploy", "-t", "dev", **databricks_environment).exit_code == 0
    project.write("metadata/orders.yml", METADATA)

    refused = project.inside("deploy", "-t", "dev", **databricks_environment)
    allowed = project.inside("deploy", "-t", "dev", "--max-deletes", "1", **databricks_environment)

    assert refused.exit_code == 3, refused.stderr
    assert allowed.exit_code == 0, allowed.stderr
    assert [job.settings["name"] for job in workspace.jobs.all()] == ["orders"]


def test_an_override_of_a_task_that_the_target_does_not_have_is_reported(project):
    jobs = "{orders: {tasks: [{task_key: report, timeout_seconds: 5}]}}"
    project.write(
        "databricks.yml",
        f"bundle: {{name: shop}}\ninclude: [resources/jobs/*.yml]\n"
        f"targets:\n  dev: {{resources: {{jobs: {jobs}}}}}\n  prod: {{resources: {{jobs: {jobs}}}}}\n",
    )

    done = project.ljm("validate")

    assert [(each.place, each.code) for each in done.errors] == [("databricks.yml:4:45", "unknown-override")]
    assert "the job 'orders' has no task 'report'" in done.errors[0].message
