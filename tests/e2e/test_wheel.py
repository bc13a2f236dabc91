"""The wheel, installed alone into an environment of its own. Takes a minute: `make wheel`."""

from __future__ import annotations

import email
import os
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from lakeflow_job_meta import __version__
from support.project_folder import REPOSITORY

pytestmark = [pytest.mark.wheel, pytest.mark.timeout(900)]

PACKED = (
    "lakeflow_job_meta/_shipped/templates/job.yml.j2",
    "lakeflow_job_meta/_shipped/schemas/job.schema.json",
    "lakeflow_job_meta/_shipped/schemas/metadata.schema.json",
    "lakeflow_job_meta/_shipped/schemas/project.schema.json",
    "lakeflow_job_meta/_shipped/bundle/starter/databricks.yml",
    "lakeflow_job_meta/_shipped/bundle/starter/job_meta.yml",
    "lakeflow_job_meta/_shipped/bundle/monitor/databricks.yml",
    "lakeflow_job_meta/_shipped/bundle/monitor/resources/monitor.yml",
    "lakeflow_job_meta/py.typed",
)

# Nothing of this checkout may help.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def run(*command: object, cwd: Path) -> str:
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", folder, REPOSITORY, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns the folder of the commands of an environment that has the wheel and what it needs."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    bin_folder = folder / ("Scripts" if sys.platform == "win32" else "bin")
    run(bin_folder / "python", "-m", "pip", "install", "--quiet", wheel, cwd=folder)
    return bin_folder


def test_the_wheel_holds_everything_that_ships(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    assert set(PACKED) <= names
    assert [name for name in names if name.startswith(("tests/", "examples/")) or name.endswith(".pyc")] == []


def test_the_metadata_of_the_wheel_is_read_by_old_tools_and_replaces_nothing_on_a_cluster(wheel):
    with zipfile.ZipFile(wheel) as packed:
        (name,) = [name for name in packed.namelist() if name.endswith(".dist-info/METADATA")]
        metadata = email.message_from_bytes(packed.read(name))
    major, minor = metadata["Metadata-Version"].split(".")
    assert (int(major), int(minor)) <= (2, 4)
    assert metadata["Author"] == "Lakeflow Job Meta authors"
    own = [Requirement(line) for line in metadata.get_all("Requires-Dist")]
    own = [
        each
        for each in own
        if each.marker is None or re.search("'(databricks|delta)'|\"(databricks|delta)\"", str(each.marker))
    ]
    assert {each.name for each in own} >= {"click", "databricks-sdk", "deltalake", "pyyaml"}
    # Only the least that is needed: each other bound would exchange what the runtime of a cluster brings.
    assert {bound.operator for each in own for bound in each.specifier} == {">="}


def test_the_wheel_is_small_and_holds_nothing_but_the_package_and_what_it_ships(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if ".dist-info/" not in name]
    code = {path.relative_to(REPOSITORY / "generator").as_posix() for path in (REPOSITORY / "generator").rglob("*")}
    shipped = {
        f"lakeflow_job_meta/_shipped/{path.relative_to(REPOSITORY).as_posix()}"
        for folder in ("schemas", "templates", "bundle")
        for path in (REPOSITORY / folder).rglob("*")
    }

    assert [name for name in names if name not in code | shipped] == []
    # A third of it is schemas and explanations; what would make it much larger is a library that got in.
    assert wheel.stat().st_size < 750_000


@pytest.mark.parametrize("command", ["ljm", "lakeflow-job-meta"])
def test_the_wheel_brings_the_command(installed, tmp_path, command):
    assert run(installed / command, "--version", cwd=tmp_path) == f"lakeflow-job-meta {__version__}\n"


def test_the_wheel_generates_from_the_starter_that_it_brings(installed, tmp_path):
    code = "from lakeflow_job_meta._internal.fs import shipped; print(shipped('bundle', 'starter'))"
    starter = run(installed / "python", "-c", code, cwd=tmp_path).strip()
    assert not Path(starter).is_relative_to(REPOSITORY)
    shutil.copytree(starter, tmp_path / "mine")
    run(installed / "ljm", "--project", "mine", "generate", cwd=tmp_path)
    job = (tmp_path / "mine" / "resources" / "jobs" / "first_pipeline.yml").read_text(encoding="utf-8")
    assert job.startswith("# Generated by lakeflow-job-meta from metadata/first.yml.")
    assert run(installed / "ljm", "--project", "mine", "generate", "--check", cwd=tmp_path) == ""


def test_without_the_extra_a_delta_table_says_what_to_install(installed, tmp_path):
    (tmp_path / "job_meta.yml").write_text("metadata: [{delta: data/t}]\n", encoding="utf-8")
    done = subprocess.run(
        [installed / "ljm", "validate"], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert "pip install 'lakeflow-job-meta[delta]'" in done.stderr
