"""What one changed row costs until it is live, in a project of many bundles: `python -m bench.deploy [JOBS ...]`.

Every deployment is a process as a user starts it, against the fake workspace of tests/fakes/workspace: with the
stand-in of tests/fakes/databricks_cli for the databricks CLI, and with the real one where it is on PATH. The first
deployment of many jobs takes long: of more than `FEW_BUNDLES` bundles only that many are deployed, and the record says
of the others that they are.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from bench.estate import rows, write_table
from fakes.databricks_cli import cli_environment, install_stand_in
from fakes.workspace import FakeWorkspace
from lakeflow_job_meta.compiler.compile import compile_project
from lakeflow_job_meta.config.bundle import read_bundle_declarations
from lakeflow_job_meta.config.load import load_project
from lakeflow_job_meta.config.model import BUNDLES_FOLDER
from lakeflow_job_meta.deployment.many_bundles.deployer import views_of
from lakeflow_job_meta.deployment.many_bundles.records import BundleFingerprints, BundleRecord, write_bundle_record
from lakeflow_job_meta.output.writer import apply_changes, plan_changes

SIZES = (100, 1_000, 10_000)
JOBS_PER_BUNDLE = 100
FEW_BUNDLES = 3
_ROOT = "bundle: {name: bench}\ninclude: [shared.yml]\n"
_SHARED = "targets: {prod: {default: true}}\n"


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the result.

    Attributes:
        deployed: How many jobs the workspace really has.
    """

    what: str
    cli: str
    jobs: int
    deployed: int
    seconds: float


def run(sizes: tuple[int, ...] = SIZES) -> Iterator[Figure]:
    """Measures every size with every CLI that is there."""
    with tempfile.TemporaryDirectory() as folder:
        commands = {"stand-in": str(install_stand_in(Path(folder) / "bin"))}
        real = shutil.which("databricks")
        if real is not None:
            commands["real"] = real
        for size in sizes:
            for name, command in commands.items():
                yield from _measured(Path(folder) / f"{name}_{size}", size, name, command)


def _measured(folder: Path, size: int, name: str, command: str) -> Iterator[Figure]:
    root = folder / "project"
    root.mkdir(parents=True)
    (root / "databricks.yml").write_text(_ROOT, encoding="utf-8")
    (root / "shared.yml").write_text(_SHARED, encoding="utf-8")
    (root / "job_meta.yml").write_text(
        f"metadata: [{{delta: control}}]\nbundles: {{jobs_per_bundle: {JOBS_PER_BUNDLE}}}\n"
        "defaults: {warehouse_id: 0123456789abcdef}\n",
        encoding="utf-8",
    )
    made = rows(size)
    write_table(root / "control", made)
    with FakeWorkspace(folder / "workspace") as workspace:
        environment = {**cli_environment(workspace.url, workspace.token, folder / "cli"), "DATABRICKS_CLI": command}
        few = _pretend(root, environment)
        deployed = min(size, few * JOBS_PER_BUNDLE)
        yield Figure("first deployment", name, size, deployed, _deploy(root, environment))
        yield Figure("nothing changed", name, size, deployed, _deploy(root, environment))
        made[0]["execution_order"] = 7
        write_table(root / "control", made)
        yield Figure("one row changed", name, size, deployed, _deploy(root, environment))


def _pretend(root: Path, environment: dict[str, str]) -> int:
    """Records all bundles but a few as deployed; returns how many are left to be."""
    project = load_project(root)
    compilation = compile_project(project, read_bundle_declarations(project))
    apply_changes(plan_changes(project, compilation))
    digests = BundleFingerprints(project, compilation, environment)
    names = sorted(views_of(compilation))
    for name in names[FEW_BUNDLES:]:
        folder = root / ".lakeflow-job-meta" / "prod" / BUNDLES_FOLDER / name
        folder.mkdir(parents=True)
        write_bundle_record(folder, BundleRecord(digests.of(name)))
    return min(len(names), FEW_BUNDLES)


def _deploy(root: Path, environment: dict[str, str]) -> float:
    path = {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    begin = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "lakeflow_job_meta", "deploy", "-t", "prod"],
        cwd=root,
        env={**environment, **path},
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    return time.perf_counter() - begin


def main() -> None:
    """Prints the figures."""
    print(f"{'a deployment':20} {'CLI':10} {'jobs':>8} {'in workspace':>13} {'seconds':>8}")
    for each in run(tuple(map(int, sys.argv[1:])) or SIZES):
        print(f"{each.what:20} {each.cli:10} {each.jobs:8,} {each.deployed:13,} {each.seconds:8.1f}", flush=True)


if __name__ == "__main__":
    main()
