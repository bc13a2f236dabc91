"""The hooks for pre-commit: of this repository, and those that a new project has."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from lakeflow_job_meta import __version__
from support.git import commit, git
from support.project_folder import REPOSITORY, new_project

HOOKS = {"ljm-validate": "ljm validate", "ljm-generate-check": "ljm generate --check"}


def entries(hooks: list[dict]) -> dict[str, str]:
    return {hook["id"]: hook["entry"] for hook in hooks}


def test_a_new_project_has_the_hooks_of_the_repository_with_its_own_version(tmp_path):
    ours = yaml.safe_load((REPOSITORY / ".pre-commit-hooks.yaml").read_text())
    project = new_project(tmp_path / "project", "--from", "csv")
    (local,) = yaml.safe_load((project / ".pre-commit-config.yaml").read_text())["repos"]

    assert entries(ours) == entries(local["hooks"]) == HOOKS
    added = {"additional_dependencies": [f"lakeflow-job-meta=={__version__}"]}
    for hook, own in zip(local["hooks"], ours, strict=True):
        assert hook == {name: value for name, value in own.items() if name != "description"} | added


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="the commands of the hooks are those of POSIX")
def test_the_hooks_tell_a_mistake_and_files_that_nobody_has_generated(tmp_path):
    project = new_project(tmp_path / "repository", "--warehouse-id", "0123456789abcdef")
    git(project, "init", "-q")
    git(project, "add", "-A")
    # A copy, as pre-commit clones what it tries; the tree here may have changes that are not committed.
    hooks = tmp_path / "hooks"
    ignored = "--exclude-standard", "--cached", "--others", "-z"
    files = subprocess.run(["git", "ls-files", *ignored], cwd=REPOSITORY, capture_output=True, check=True).stdout
    for name in filter(None, files.decode().split("\0")):
        if (REPOSITORY / name).is_file() and not name.startswith(("tests/", "docs/", "bench/")):
            (hooks / name).parent.mkdir(parents=True, exist_ok=True)
            (hooks / name).write_bytes((REPOSITORY / name).read_bytes())
    git(hooks, "init", "-q")
    commit(hooks)

    def tried() -> dict[str, str]:
        done = subprocess.run(
            [sys.executable, "-m", "pre_commit", "try-repo", str(hooks), "--all-files"],
            cwd=project,
            env={**os.environ, "PRE_COMMIT_HOME": str(tmp_path / "cache"), "PRE_COMMIT_COLOR": "never"},
            capture_output=True,
            text=True,
            timeout=280,
        )
        found = dict(re.findall(r"^(ljm [a-z -]+?)\.+(Passed|Failed)$", done.stdout, re.MULTILINE))
        assert set(found) == set(HOOKS.values()), done.stdout + done.stderr
        return found

    assert tried() == {"ljm validate": "Passed", "ljm generate --check": "Failed"}
    subprocess.run(
        [sys.executable, "-m", "lakeflow_job_meta", "generate"], cwd=project, check=True, capture_output=True
    )
    git(project, "add", "-A")
    assert tried() == {"ljm validate": "Passed", "ljm generate --check": "Passed"}
    metadata: Path = project / "metadata/first.yml"
    metadata.write_text(metadata.read_text().replace("execution_order", "execution_ordr"))
    git(project, "add", "-A")
    assert tried()["ljm validate"] == "Failed"
