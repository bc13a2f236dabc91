"""The jobs in bundle/ that run the monitor: the databricks CLI takes them, and the wheel does what they ask.

With the stand-in for the databricks CLI, and with the real one where it is on PATH.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from lakeflow_job_meta.cli.monitor import command
from support.project_folder import REPOSITORY

pytest_plugins = ["support.workspace_fixtures", "fakes.databricks_cli.fixtures"]
pytestmark = pytest.mark.skipif(os.name != "posix", reason="the stand-in is a shell script")


def jobs_of(name: str) -> dict[str, Any]:
    return yaml.safe_load((REPOSITORY / "bundle" / name).read_text(encoding="utf-8"))["resources"]["jobs"]


def wheel_tasks() -> list[dict[str, Any]]:
    jobs = [*jobs_of("monitor.yml").values(), *jobs_of("monitor_polling.yml").values()]
    tasks = [task for job in jobs for task in job["tasks"]]
    return [task["python_wheel_task"] for task in tasks if "python_wheel_task" in task]


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """What of this repository a deployment of its bundle takes."""
    folder = tmp_path / "repository"
    for name in ("bundle", "examples"):
        shutil.copytree(REPOSITORY / name, folder / name)
    shutil.copy(REPOSITORY / "databricks.yml", folder)
    return folder


@pytest.mark.parametrize("target", ["dev", "prod"])
def test_the_bundle_of_this_repository_passes_the_strict_validation(
    bundle, target, databricks_command, databricks_environment
):
    done = subprocess.run(
        [databricks_command, "bundle", "validate", "--strict", "--target", target],
        cwd=bundle,
        env=databricks_environment,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_a_change_of_the_table_and_a_new_file_each_start_the_monitor_once():
    jobs = jobs_of("monitor.yml")

    assert jobs["monitor"]["trigger"]["table_update"]["table_names"] == ["${var.control_table}"]
    assert jobs["monitor_on_new_files"]["trigger"]["file_arrival"]["url"] == "${var.volume_path}/"
    assert jobs["monitor_on_new_files"]["tasks"][0]["run_job_task"] == {"job_id": "${resources.jobs.monitor.id}"}
    assert [job["max_concurrent_runs"] for job in jobs.values()] == [1, 1]
    assert [job["queue"] for job in jobs.values()] == [{"enabled": True}] * 2
    assert "--once" in wheel_tasks()[0]["parameters"]


def test_the_polling_one_is_paused_and_runs_on():
    job = jobs_of("monitor_polling.yml")["monitor_polling"]

    assert job["continuous"] == {"pause_status": "PAUSED"}
    assert "--once" not in wheel_tasks()[1]["parameters"]


@pytest.mark.parametrize("task", wheel_tasks(), ids=["triggered", "polling"])
def test_the_wheel_has_what_the_jobs_start(task):
    scripts = re.search(r"\[project\.scripts\]\n(.*?)\n\n", (REPOSITORY / "pyproject.toml").read_text(), flags=re.S)

    assert scripts
    assert f'{task["entry_point"]} = "lakeflow_job_meta.cli.main:monitor"' in scripts.group(1)
    assert task["package_name"] == "lakeflow_job_meta"
    context = command.make_context("ljm-monitor", list(task["parameters"]))
    assert context.params["control_table"] == "${var.control_table}"
    assert context.params["deployer"] == "jobs-api"
