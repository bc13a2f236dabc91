"""The template for `databricks bundle init` gives the project that `ljm init` gives, whatever is answered."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fakes.databricks_cli import cli_environment
from fakes.databricks_cli.fixtures import real_command
from fakes.workspace import FakeWorkspace
from lakeflow_job_meta.services.new_project import CI_FILES
from support.project_folder import REPOSITORY, new_project

pytest_plugins = ["support.workspace_fixtures"]

ANSWERS = list(itertools.product(("", "0123456789abcdef"), ("no", "yes"), (*CI_FILES, "none")))


def files_below(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_template_is_what_it_would_be_derived_as():
    derive = [sys.executable, "schemas/derive_template.py", "--check"]
    done = subprocess.run(derive, cwd=REPOSITORY, capture_output=True, text=True, timeout=60)

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.real_cli
@pytest.mark.skipif(os.name != "posix", reason="the environment of the command is one of POSIX")
@pytest.mark.parametrize(("warehouse_id", "policies", "ci"), ANSWERS)
def test_the_template_gives_what_ljm_init_gives(workspace: FakeWorkspace, tmp_path, warehouse_id, policies, ci):
    answers = {"project_name": "sales", "warehouse_id": warehouse_id, "policies": policies, "ci": ci}
    (tmp_path / "answers.json").write_text(json.dumps(answers))
    options = ["--config-file", tmp_path / "answers.json", "--output-dir", tmp_path / "template"]
    done = subprocess.run(
        [real_command(), "bundle", "init", REPOSITORY / "bundle" / "template", *options],
        env=cli_environment(workspace.url, workspace.token, tmp_path / "cli"),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr

    warehouse = ["--warehouse-id", warehouse_id] if warehouse_id else []
    policy = "--policies" if policies == "yes" else "--no-policies"
    ours = new_project(tmp_path / "ljm" / "sales", *warehouse, policy, "--ci", ci)

    # The schemas, half a megabyte, `ljm editor` writes.
    wanted = {path: text for path, text in files_below(ours).items() if not path.startswith((".schemas/", ".vscode/"))}
    assert files_below(tmp_path / "template" / "sales") == wanted
