"""The `databricks` command for tests: each test that asks for it runs with the stand-in and with the real one.

Modules that use it name `fakes.databricks_cli.fixtures` in `pytest_plugins` and have a fixture `workspace`. A test that
needs one of the two says `@pytest.mark.parametrize("databricks_command", ["stand-in"], indirect=True)`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from fakes.databricks_cli import cli_environment, install_stand_in
from fakes.workspace import FakeWorkspace

FLOOR = (0, 281)
"""Plans as files came with this version."""


@pytest.fixture(params=["stand-in", pytest.param("real", marks=pytest.mark.real_cli)])
def databricks_command(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The path of the command; the real one is skipped where there is none on PATH that is new enough."""
    return real_command() if request.param == "real" else install_stand_in(tmp_path / "bin")


@pytest.fixture
def databricks_environment(databricks_command: Path, workspace: FakeWorkspace, tmp_path: Path) -> dict[str, str]:
    """The environment of a process that runs the command: it is first on PATH and talks to the fake workspace."""
    environment = cli_environment(workspace.url, workspace.token, tmp_path / "cli")
    return {**environment, "PATH": f"{databricks_command.parent}{os.pathsep}{environment['PATH']}"}


def real_command() -> Path:
    """The real command's path; skips where there is none, or one that is too old."""
    found = shutil.which("databricks")
    if not found:
        pytest.skip("no databricks command on PATH")
    with Path(found).open("rb") as file:
        if file.read(2) == b"#!":
            pytest.skip(f"{found} is a script, not the real command")
    text = subprocess.run([found, "--version"], capture_output=True, text=True, timeout=60).stdout.strip()
    version = re.search(r"v(\d+)\.(\d+)", text)
    if not version or (int(version.group(1)), int(version.group(2))) < FLOOR:
        pytest.skip(f"{found} is {text or 'of no version'}; {'.'.join(map(str, FLOOR))} is needed")
    return Path(found)
