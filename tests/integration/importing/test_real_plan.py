"""Hand-written jobs that are deployed and then imported plan no change: with the real databricks CLI."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections import Counter

import pytest

from lakeflow_job_meta.deployment.jobs_api.client import JobsClient
from support.handwritten_bundle import KEYS, PATTERNS, write_bundle
from support.in_process import started_in
from support.project_folder import ProjectFolder

pytest_plugins = ["support.workspace_fixtures", "fakes.databricks_cli.fixtures"]

pytestmark = pytest.mark.parametrize(
    "databricks_command", [pytest.param("real", marks=pytest.mark.real_cli)], indirect=True
)


@pytest.fixture
def bundle(project, databricks_command, databricks_environment):
    """Runs a command of `databricks bundle` in the project, and returns what it prints."""

    def run(*arguments: str) -> str:
        command = [str(databricks_command), "bundle", *arguments, "-t", "dev"]
        done = subprocess.run(
            command, cwd=project.path, env=databricks_environment, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_twenty_deployed_jobs_are_imported_and_the_plan_has_no_change(project, bundle):
    write_bundle(project)
    bundle("deploy")
    before = json.loads(bundle("plan", "-o", "json"))["plan"]
    jobs = {f"resources.jobs.{key}" for key in KEYS}
    assert jobs <= before.keys()
    assert Counter(each["action"] for each in before.values()).keys() == {"skip"}, before

    result = project.ljm("import", "bundle", "--replace", *(str(project.path / each) for each in PATTERNS))
    assert result.exit_code == 0, result.stderr
    assert project.ljm("generate").exit_code == 0

    after = json.loads(bundle("plan", "-o", "json"))["plan"]
    assert {key: each["action"] for key, each in after.items()} == dict.fromkeys(before, "skip")


BOOKKEEPING = {"deployment", "edit_mode", "format", "queue"}
"""What the databricks CLI sets in each job that it takes over, or leaves out of a plan only for its own."""


@pytest.mark.slow
def test_twenty_live_jobs_are_imported_bound_and_only_bookkeeping_is_planned(
    project, bundle, workspace, connection, environment
):
    write_bundle(project)
    bundle("deploy")
    client, ids = JobsClient(connection), {}
    for job in workspace.jobs.all():
        workspace.jobs.remove(job.job_id)
        client.create({key: value for key, value in job.settings.items() if key not in ("deployment", "edit_mode")})
    other = ProjectFolder(project.path.parent / "other")
    with started_in(other.path, environment):
        result = other.ljm("import", "jobs", "--unmanaged", "--format", "json")
        assert result.exit_code == 0, result.stderr
        ids = {each["module"]: each["from"].removeprefix("job ") for each in json.loads(result.stdout)["modules"]}
        assert len(ids) == len(KEYS)
        assert other.ljm("generate").exit_code == 0
    shutil.rmtree(project.path)
    other.path.rename(project.path)
    for key, job_id in ids.items():
        bundle("deployment", "bind", key, job_id, "--auto-approve")
    planned = json.loads(bundle("plan", "-o", "json"))["plan"]
    assert planned.keys() == {f"resources.jobs.{key}" for key in ids}
    changes = {
        path for each in planned.values() for path, change in each["changes"].items() if change["action"] != "skip"
    }
    assert {path.split(".")[0].split("[")[0] for path in changes} <= BOOKKEEPING
