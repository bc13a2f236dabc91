"""`make run`, the first thing that a visitor does."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.project_folder import REPOSITORY

pytestmark = pytest.mark.slow  # `make test` compares what it prints with README.md, in test_docs.py


def test_make_run_ends_with_a_diff_of_one_line(tmp_path):
    for name in ("examples", "databricks.yml"):
        source = REPOSITORY / name
        (shutil.copytree if source.is_dir() else shutil.copyfile)(source, tmp_path / name)
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    (tmp_path / ".gitignore").write_text("build/\n")
    done = subprocess.run(
        [sys.executable, str(tmp_path / "examples" / "demo.py")], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stderr.count("error")) == (0, 0), done.stderr
    diff = done.stdout.split("generate --diff")[1].split("\n== ")[0]
    changed = [line for line in diff.split("\n") if line[:1] in "+-" and line[:3] not in ("+++", "---") and line]
    assert changed == ["+          max_retries: 3"]
    assert "update resources/jobs/bronze_to_silver.yml" in done.stdout
    assert Path(tmp_path / "build" / "demo" / "resources" / "jobs" / "bronze_to_silver.yml").is_file()
