"""Each target of every project that is shipped passes the strict validation of the real `databricks` command."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from fakes.databricks_cli import cli_environment
from fakes.databricks_cli.fixtures import real_command
from fakes.workspace import FakeWorkspace
from support.project_folder import REPOSITORY

pytestmark = [pytest.mark.real_cli, pytest.mark.skipif(os.name != "posix", reason="the demonstration needs POSIX")]

OWN_TABLE = REPOSITORY / "examples" / "own_table"
PROJECTS = {
    "examples": REPOSITORY,
    **{str(path.parent.relative_to(REPOSITORY)): path.parent for path in REPOSITORY.glob("examples/**/databricks.yml")},
}
TARGETS = [
    pytest.param(folder, target, id=f"{name}-{target}")
    for name, folder in PROJECTS.items()
    for target in yaml.safe_load((folder / "databricks.yml").read_text(encoding="utf-8"))["targets"]
]


@pytest.fixture(scope="module")
def demonstrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the examples need; the demonstration has written the tables of `examples/own_table`."""
    real_command()  # or skips, before anything is written
    folder = tmp_path_factory.mktemp("examples")
    for name in ("examples", "bundle"):
        shutil.copytree(REPOSITORY / name, folder / name)
    for name in ("job_meta.yml", "databricks.yml"):
        shutil.copy(REPOSITORY / name, folder / name)
    subprocess.run([sys.executable, "examples/demo.py"], cwd=folder, check=True, capture_output=True, timeout=120)
    return folder


@pytest.mark.parametrize(("folder", "target"), TARGETS)
def test_a_target_of_an_example_passes_the_strict_validation(demonstrated, tmp_path, folder, target):
    project = demonstrated / ("build/own_table" if folder == OWN_TABLE else folder.relative_to(REPOSITORY))
    ljm = [sys.executable, "-m", "lakeflow_job_meta", "--project", str(project), "generate"]
    subprocess.run(ljm, check=True, capture_output=True, timeout=60)

    with FakeWorkspace(tmp_path / "workspace") as workspace:
        done = subprocess.run(
            [real_command(), "bundle", "validate", "--strict", "-t", target, "-o", "json"],
            cwd=project,
            env={**cli_environment(workspace.url, workspace.token, tmp_path / "cli"), "BUNDLE_VAR_warehouse_id": "abc"},
            capture_output=True,
            text=True,
            timeout=60,
        )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["resources"]["jobs"]


def test_every_example_has_more_than_one_target():
    assert {
        name: len([each for each in TARGETS if each.values[0] == folder]) > 1 for name, folder in PROJECTS.items()
    } == (dict.fromkeys(PROJECTS, True))
