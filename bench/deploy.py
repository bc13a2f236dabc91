"""What one changed row costs until it is live: `python -m bench.deploy [JOBS ...]`.

Every deployment is a process as a user starts it, against the fake workspace of tests/fakes/workspace: with the
stand-in of tests/fakes/databricks_cli for the databricks CLI, and with the real one where it is on PATH. Beside it
stands what the CLI alone takes to plan one changed row and to deploy that plan, in the same bundle. A project of one
bundle is measured with `JOBS_PER_BUNDLE` jobs. Of many bundles, the first deployment of all jobs takes long: of more
than `FEW_BUNDLES` only that many are deployed, and the record says of the others that they are.
"""

from __future__ import annotations

import json
import os
import resource
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from bench.estate import Row, rows, write_table
from fakes.databricks_cli import cli_environment, install_stand_in
from fakes.workspace import FakeWorkspace
from lakeflow_job_meta.compiler.compile import compile_project
from lakeflow_job_meta.config.bundle import read_bundle_declarations
from lakeflow_job_meta.config.load import load_project
from lakeflow_job_meta.config.model import BUNDLE_FILE, BUNDLES_FOLDER
from lakeflow_job_meta.deployment.many_bundles.deployer import views_of
from lakeflow_job_meta.deployment.many_bundles.records import BundleFingerprints, BundleRecord, write_bundle_record
from lakeflow_job_meta.output.writer import apply_changes, plan_changes

SIZES = (100, 1_000, 10_000)
JOBS_PER_BUNDLE = 100
FEW_BUNDLES = 3
_TURNS = 3
"""Of what is compared with the CLI alone, which takes a tenth more or less each time; the middle one counts."""
_SHARED = "targets: {prod: {default: true}}\n"


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the result.

    Attributes:
        bundles: One or many.
        deployed: How many jobs the workspace really has.
        processor: Seconds of it, of all processes together.
        calls: The commands of `databricks bundle`, and how many others there were.
    """

    what: str
    cli: str
    bundles: str
    jobs: int
    deployed: int
    seconds: float
    processor: float
    calls: str


def run(sizes: tuple[int, ...] = SIZES) -> Iterator[Figure]:
    """Measures every size with every CLI that is there."""
    with tempfile.TemporaryDirectory() as folder:
        commands = {"stand-in": str(install_stand_in(Path(folder) / "bin"))}
        real = shutil.which("databricks")
        if real is not None:
            commands["real"] = real
        for size in sizes:
            for name, command in commands.items():
                for bundles in ("one", "many") if size <= JOBS_PER_BUNDLE else ("many",):
                    yield from _measured(Path(folder) / f"{name}_{size}_{bundles}", size, name, command, bundles)


def _measured(folder: Path, size: int, name: str, command: str, bundles: str) -> Iterator[Figure]:
    root = folder / "project"
    made = rows(size)
    _write_project(root, bundles)
    write_table(root / "control", made)
    with FakeWorkspace(folder / "workspace") as workspace:
        site = _Site(root, {**cli_environment(workspace.url, workspace.token, folder / "cli")}, command)
        few = _pretend(root, site.environment) if bundles == "many" else 1
        deployed = min(size, few * JOBS_PER_BUNDLE)

        def figure(what: str, work: Callable[[], None]) -> Figure:
            return Figure(what, name, bundles, size, deployed, *site.measured(work))

        yield figure("first deployment", site.deploy)
        yield figure("nothing changed", site.deploy)
        bundle = next(root.glob(f"{BUNDLES_FOLDER}/*/{BUNDLE_FILE}"), root / BUNDLE_FILE).parent
        turns: tuple[list[Figure], list[Figure]] = ([], [])
        for turn in range(_TURNS):
            _change(root, made, 2 * turn)
            turns[0].append(figure("one row changed", site.deploy))
            _change(root, made, 2 * turn + 1)
            site.ljm("generate")
            turns[1].append(figure("the same, CLI alone", lambda: site.deploy_by_cli(bundle)))
        yield from (sorted(each, key=lambda one: one.seconds)[_TURNS // 2] for each in turns)
        if deployed == size:
            site.deploy()
            site.forget()
            yield figure("fresh checkout", site.deploy)


def _change(root: Path, made: list[Row], number: int) -> None:
    """Changes a setting of the first job's first task."""
    made[0]["transformation_config"] = json.dumps({"notebook_path": f"/Workspace/changed/{number}"})
    write_table(root / "control", made)


def _write_project(root: Path, bundles: str) -> None:
    root.mkdir(parents=True)
    generated = ", resources/jobs/*.yml" if bundles == "one" else ""
    (root / BUNDLE_FILE).write_text(f"bundle: {{name: bench}}\ninclude: [shared.yml{generated}]\n", encoding="utf-8")
    (root / "shared.yml").write_text(_SHARED, encoding="utf-8")
    split = f"bundles: {{jobs_per_bundle: {JOBS_PER_BUNDLE}}}\n" if bundles == "many" else ""
    (root / "job_meta.yml").write_text(
        f"metadata: [{{delta: control}}]\n{split}defaults: {{warehouse_id: 0123456789abcdef}}\n", encoding="utf-8"
    )


class _Site:
    """A project, a databricks CLI whose calls are counted, and the environment of both."""

    def __init__(self, root: Path, environment: dict[str, str], command: str) -> None:
        self._root, self._calls, self._program = root, root.parent / "calls", root.parent / "databricks"
        self._program.write_text(
            f'#!/bin/sh\necho "$1 $2" >> {shlex.quote(str(self._calls))}\nexec {shlex.quote(command)} "$@"\n',
            encoding="utf-8",
        )
        self._program.chmod(0o755)
        path = {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}
        self.environment = {**environment, **path, "DATABRICKS_CLI": str(self._program)}

    def ljm(self, *arguments: str) -> None:
        self._run([sys.executable, "-m", "lakeflow_job_meta", *arguments], self._root)

    def deploy(self) -> None:
        self.ljm("deploy", "-t", "prod")

    def deploy_by_cli(self, bundle: Path) -> None:
        plan = self._run([str(self._program), "bundle", "plan", "-o", "json", "-t", "prod"], bundle)
        file = self._root.parent / "plan.json"
        file.write_text(plan, encoding="utf-8")
        self._run([str(self._program), "bundle", "deploy", "--plan", str(file), "-t", "prod"], bundle)

    def forget(self) -> None:
        """Leaves of the project what a fresh checkout has."""
        for path in [self._root / ".lakeflow-job-meta", *self._root.rglob(".databricks")]:
            shutil.rmtree(path, ignore_errors=True)

    def _run(self, command: list[str], folder: Path) -> str:
        done = subprocess.run(command, cwd=folder, env=self.environment, capture_output=True, encoding="utf-8")
        assert done.returncode == 0, done.stderr
        return done.stdout

    def measured(self, work: Callable[[], None]) -> tuple[float, float, str]:
        """Returns the seconds by the clock and of the processor that something took, and the calls of the CLI."""
        self._calls.write_text("", encoding="utf-8")
        before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        work()
        seconds, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
        processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        calls = [line.split() for line in self._calls.read_text(encoding="utf-8").splitlines()]
        of_bundle = [command for group, command in calls if group == "bundle"]
        return seconds, processor, " ".join([*of_bundle, f"+{len(calls) - len(of_bundle)}"])


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


def main() -> None:
    """Prints the figures."""
    print(
        f"{'a deployment':20} {'CLI':9} {'bundles':7} {'jobs':>7} {'there':>6} {'seconds':>8} {'processor':>9}  calls"
    )
    for each in run(tuple(map(int, sys.argv[1:])) or SIZES):
        print(
            f"{each.what:20} {each.cli:9} {each.bundles:7} {each.jobs:7,} {each.deployed:6,} {each.seconds:8.1f} "
            f"{each.processor:9.1f}  {each.calls}",
            flush=True,
        )


if __name__ == "__main__":
    main()
