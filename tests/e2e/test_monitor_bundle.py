"""The bundle in bundle/monitor that runs the monitor: the databricks CLI takes them, and the wheel does what they ask.

With the stand-in for the databricks CLI, and with the real one where it is on PATH.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from lakeflow_job_meta.cli.monitor import command
from support.project_folder import REPOSITORY

pytest_plugins = ["support.workspace_fixtures", "fakes.databricks_cli.fixtures"]
pytestmark = pytest.mark.skipif(os.name != "posix", reason="the stand-in is a shell script")


BUNDLE = REPOSITORY / "bundle" / "monitor"
GIVEN = [
    "--var",
    "control_table=main.etl.etl_control",
    "--var",
    "service_principal=00000000-0000-0000-0000-000000000000",
]


def job_of(name: str) -> dict[str, Any]:
    (job,) = yaml.safe_load((BUNDLE / name).read_text(encoding="utf-8"))["resources"]["jobs"].values()
    return job


def wheel_task(name: str) -> dict[str, Any]:
    (task,) = job_of(name)["tasks"]
    return task["python_wheel_task"]


@pytest.fixture
def written(tmp_path: Path) -> Path:
    done = CliRunner().invoke(command, ["--init", str(tmp_path / "mine")])
    assert done.exit_code == 0, done.output
    return tmp_path / "mine"


def validated(folder: Path, target: str, databricks_command: Path, environment: dict[str, str], *more: str) -> Any:
    done = subprocess.run(
        [databricks_command, "bundle", "validate", "--strict", "--output", "json", "--target", target, *more],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout)


@pytest.mark.parametrize("target", ["dev", "prod"])
def test_the_bundle_of_this_repository_passes_the_strict_validation(
    tmp_path, target, databricks_command, databricks_environment
):
    shutil.copytree(REPOSITORY / "examples", tmp_path / "repository" / "examples")
    shutil.copy(REPOSITORY / "databricks.yml", tmp_path / "repository")
    jobs = validated(tmp_path / "repository", target, databricks_command, databricks_environment)["resources"]["jobs"]
    assert not [key for key in jobs if "monitor" in key]


@pytest.mark.parametrize("target", ["dev", "prod"])
def test_what_is_written_is_a_bundle_of_the_monitor_alone(written, target, databricks_command, databricks_environment):
    result = validated(written, target, databricks_command, databricks_environment, *GIVEN)
    assert list(result["resources"]["jobs"]) == ["monitor"]


@pytest.mark.real_cli
def test_the_real_command_sees_who_runs_it_who_may_see_it_and_nothing_that_was_not_given(
    written, databricks_environment, databricks_command
):
    if databricks_command != Path(shutil.which("databricks") or ""):
        pytest.skip("the stand-in resolves no variables")
    job = validated(written, "prod", databricks_command, databricks_environment, *GIVEN)["resources"]["jobs"]["monitor"]
    assert job["run_as"] == {"service_principal_name": "00000000-0000-0000-0000-000000000000"}
    assert {"group_name": "users", "level": "CAN_VIEW"} in job["permissions"]
    (task,) = job["tasks"]
    assert task["max_retries"] == 1
    assert {"--volume_path=", "--warehouse_id="} <= set(task["python_wheel_task"]["parameters"])


def test_everything_optional_passes_the_strict_validation_too(written, databricks_command, databricks_environment):
    root = written / "databricks.yml"
    root.write_text(root.read_text().replace("# - optional/", "- optional/"))
    more = [*GIVEN, "--var", "volume_path=/Volumes/main/etl/metadata"]
    jobs = validated(written, "prod", databricks_command, databricks_environment, *more)["resources"]["jobs"]
    assert sorted(jobs) == ["monitor", "monitor_on_new_files", "monitor_polling"]


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    done = CliRunner().invoke(command, ["--init", str(tmp_path)])
    assert done.exit_code != 0
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_change_of_the_table_and_a_new_file_each_start_the_monitor_once():
    monitor, new_files = job_of("resources/monitor.yml"), job_of("optional/new_files.yml")

    assert monitor["trigger"]["table_update"]["table_names"] == ["${var.control_table}"]
    assert new_files["trigger"]["file_arrival"]["url"] == "${var.volume_path}/"
    assert new_files["tasks"][0]["run_job_task"] == {"job_id": "${resources.jobs.monitor.id}"}
    assert [job["max_concurrent_runs"] for job in (monitor, new_files)] == [1, 1]
    assert [job["queue"] for job in (monitor, new_files)] == [{"enabled": True}] * 2
    assert "--once" in wheel_task("resources/monitor.yml")["parameters"]


def test_the_polling_one_is_paused_and_runs_on():
    assert job_of("optional/polling.yml")["continuous"] == {"pause_status": "PAUSED"}
    assert "--once" not in wheel_task("optional/polling.yml")["parameters"]


@pytest.mark.parametrize("name", ["resources/monitor.yml", "optional/polling.yml"])
def test_the_wheel_has_what_the_jobs_start(name):
    task = wheel_task(name)
    scripts = re.search(r"\[project\.scripts\]\n(.*?)\n\n", (REPOSITORY / "pyproject.toml").read_text(), flags=re.S)

    assert scripts
    assert f'{task["entry_point"]} = "lakeflow_job_meta.cli.main:monitor"' in scripts.group(1)
    assert task["package_name"] == "lakeflow_job_meta"
    parameters = [each.replace("${var.max_deletes}", "0") for each in task["parameters"]]
    context = command.make_context("ljm-monitor", parameters)
    assert context.params["control_table"] == "${var.control_table}"
    assert context.params["deployer"] == "jobs-api"


def test_no_version_of_the_sdk_is_asked_for():
    assert not [path for path in BUNDLE.rglob("*.yml") if "databricks-sdk" in path.read_text(encoding="utf-8")]
