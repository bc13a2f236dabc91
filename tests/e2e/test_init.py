"""Every flavour of `ljm init` goes the whole way: validated, generated, and deployed for the first time."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import arro3.core as arrow
import pytest
from deltalake import write_deltalake

from fakes.workspace import FakeWorkspace
from support.in_process import started_in
from support.project_folder import Result, new_project, run_here

pytest_plugins = ["support.workspace_fixtures", "fakes.databricks_cli.fixtures"]
pytestmark = pytest.mark.skipif(os.name != "posix", reason="process groups and file locks are those of POSIX")

WAREHOUSE = "0123456789abcdef"
BUNDLE = """\
bundle: {name: shop}
include: [resources/jobs/*.yml]
variables: {sql_warehouse: {default: 0123456789abcdef}}
targets:
  dev: {mode: development, default: true}
  production:
    mode: production
    workspace: {root_path: "/Workspace/Users/${workspace.current_user.userName}/shop"}
"""


def _starter(folder: Path, *more: str) -> Path:
    return new_project(folder, "--warehouse-id", WAREHOUSE, *more)


def _csv(folder: Path, *more: str) -> Path:
    return new_project(folder, "--from", "csv", *more)


def _table(folder: Path, *more: str) -> Path:
    table = folder.parent / "ingest_list"
    names = arrow.Array(["customers", "orders"], type=arrow.DataType.utf8())
    write_deltalake(table, arrow.Table.from_pydict({"target_table": names}))
    return new_project(folder, "--table", str(table), *more)


def _existing(folder: Path, *more: str) -> Path:
    folder.mkdir()
    (folder / "databricks.yml").write_text(BUNDLE)
    return new_project(folder, "--from", "existing", *more)


FLAVOURS: dict[str, tuple[Callable[..., Path], set[str]]] = {
    "starter": (_starter, {"first_pipeline"}),
    "csv": (_csv, {"load_customers", "load_orders"}),
    "table": (_table, {"load_customers", "load_orders"}),
    "existing": (_existing, {"first_pipeline"}),
}


def ljm(folder: Path, environment: dict[str, str], *arguments: str) -> Result:
    with started_in(folder, environment):
        return run_here(*arguments)


@pytest.mark.parametrize("more", [(), ("--policies", "--ci", "github")], ids=["plain", "with everything"])
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_new_project_is_valid_passes_the_strict_validation_and_is_deployed(
    flavour, more, tmp_path, workspace: FakeWorkspace, databricks_command, databricks_environment
):
    make, jobs = FLAVOURS[flavour]
    folder = make(tmp_path / "project", *more)

    valid = ljm(folder, databricks_environment, "validate")
    assert (valid.exit_code, valid.problems) == (0, [])
    assert ljm(folder, databricks_environment, "generate").exit_code == 0
    assert ljm(folder, databricks_environment, "generate", "--check").exit_code == 0
    for target in ("dev", "production" if flavour == "existing" else "prod"):
        done = subprocess.run(
            [databricks_command, "bundle", "validate", "--strict", "-t", target, "-o", "json"],
            cwd=folder,
            env=databricks_environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert set(json.loads(done.stdout)["resources"]["jobs"]) == jobs
        deployed = ljm(folder, databricks_environment, "deploy", "-t", target)
        assert deployed.exit_code == 0, deployed.stderr
    names = {job.name.rpartition(" ")[2] for job in workspace.jobs.all()}
    assert names == jobs
