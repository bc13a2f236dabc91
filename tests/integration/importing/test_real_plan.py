"""Hand-written jobs that are deployed and then imported plan no change: with the real databricks CLI."""

from __future__ import annotations

import json
import subprocess
from collections import Counter

import pytest

from support.handwritten_bundle import KEYS, PATTERNS, write_bundle

pytest_plugins = ["support.workspace_fixtures", "fakes.databricks_cli.fixtures"]

pytestmark = pytest.mark.parametrize(
    "databricks_command", [pytest.param("real", marks=pytest.mark.real_cli)], indirect=True
)


def test_twenty_deployed_jobs_are_imported_and_the_plan_has_no_change(
    project, databricks_command, databricks_environment
):
    def bundle(*arguments: str) -> str:
        command = [str(databricks_command), "bundle", *arguments, "-t", "dev"]
        done = subprocess.run(
            command, cwd=project.path, env=databricks_environment, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

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
