"""What the commands cost as a user starts them, from 1,000 to 10,000 modules, and what other ways to jobs cost.

Each step is one process of its own, imports included. What is measured besides is the least that another way to the
same files would take: `yaml.CSafeDumper` on the finished settings, and the models of `databricks-bundles` where a
Python has them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import yaml

from bench.estate import rows, write_table, write_yaml
from lakeflow_job_meta.compiler.compile import compile_project
from lakeflow_job_meta.config.bundle import read_bundle_declarations
from lakeflow_job_meta.config.load import load_project
from lakeflow_job_meta.monitor.watcher import SourceWatcher
from lakeflow_job_meta.sources.fingerprints import SETTLING_SECONDS, FileFingerprints
from lakeflow_job_meta.sources.open import open_readers

SIZES = (1_000, 10_000)
BUNDLES_PYTHON = "BENCH_BUNDLES_PYTHON"
"""The environment variable that names a Python with databricks-bundles, which is no dependency of this project."""

_REPEATS = 5
_SETTLED_SECONDS = 3.5
"""After them a generated file is old enough that it need not be read again; until then each run reads them all."""
_LOOKS = 20
_PROJECT = "metadata: [{kind}: {where}]\ndefaults: {{warehouse_id: 0123456789abcdef}}\n"
_BUNDLES = """
import json, sys, time
from databricks.bundles.jobs import Job
jobs = json.load(sys.stdin)
begin, began = time.perf_counter(), time.process_time()
for job in jobs:
    Job.from_dict(job).as_dict()
print(time.perf_counter() - begin, time.process_time() - began)
"""


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of the result.

    Attributes:
        seconds: As a clock has it.
        processor_seconds: Of all processes together, without waiting for the disk or for what else runs there.
        megabytes: The peak memory of the process and its workers together; None where there is no process of its own.
    """

    what: str
    modules: int
    seconds: float
    processor_seconds: float
    megabytes: float | None = None


def run() -> Iterator[Figure]:
    """Measures every size in projects of their own.

    They are removed at the end only: for half a minute after many files were deleted, a disk with ext4 makes new ones
    ten times slower.
    """
    with tempfile.TemporaryDirectory() as folder:
        yield measured_step("ljm --help", 0, ["--help"])
        for size in SIZES:
            yield from _of_a_table(Path(folder, f"delta{size}"), size)
            yield from _of_files(Path(folder, f"yaml{size}"), size)


def _of_a_table(folder: Path, size: int) -> Iterator[Figure]:
    made = rows(size)
    begin_project(folder, "delta", "control")
    write_table(folder / "control", made)
    project = ["--project", str(folder)]
    yield measured_step("Delta: generate, nothing there", size, [*project, "generate"], repeats=1)
    time.sleep(_SETTLED_SECONDS)
    yield measured_step("Delta: generate, nothing changed", size, [*project, "generate"])
    yield measured_step("Delta: generate --check, nothing changed", size, [*project, "generate", "--check"])
    yield measured_step("Delta: validate, nothing changed", size, [*project, "validate"])
    made[0]["execution_order"] = 7
    write_table(folder / "control", made)
    yield measured_step("Delta: generate, one row changed", size, [*project, "generate"], repeats=1)
    yield _tick("Delta: a look of the monitor, nothing changed", size, folder)
    yield from _other_ways(folder, size)


def _of_files(folder: Path, size: int) -> Iterator[Figure]:
    begin_project(folder, "yaml", "metadata")
    write_yaml(folder / "metadata", rows(size))
    project = ["--project", str(folder)]
    yield measured_step("YAML files: generate, nothing there", size, [*project, "generate"], repeats=1)
    time.sleep(_SETTLED_SECONDS)
    yield measured_step("YAML files: generate, nothing changed", size, [*project, "generate"])
    yield _tick("YAML files: a look of the monitor, nothing changed", size, folder)


def begin_project(folder: Path, kind: str, where: str) -> None:
    """Makes a project without metadata; `kind` is that of its source, at `where`."""
    folder.mkdir()
    (folder / "databricks.yml").write_text("bundle: {name: bench}\n", encoding="utf-8")
    (folder / "job_meta.yml").write_text(_PROJECT.format(kind=kind, where=where), encoding="utf-8")


def measured_step(what: str, size: int, arguments: list[str], *, repeats: int = _REPEATS) -> Figure:
    """Runs a command and returns its best time."""
    return min((_once(what, size, arguments) for _ in range(repeats)), key=lambda figure: figure.seconds)


def _once(what: str, size: int, arguments: list[str]) -> Figure:
    begin = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-m", "lakeflow_job_meta", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # Without it, every run would compile our own modules anew, which no user's machine does.
        env={name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
    ) as process:
        memory = _Memory(process.pid)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, "the benchmark's jobs are meant to be right"
    # Not `usage.ru_maxrss`: Linux counts the memory of the process that started it, the benchmark, as its own.
    megabytes = peak / 1024 if (peak := memory.peak()) else None
    return Figure(what, size, seconds, usage.ru_utime + usage.ru_stime, megabytes)


def _tick(what: str, size: int, folder: Path) -> Figure:
    """Looks at a project as the monitor does between two changes; what it needs only once is not measured."""
    project = load_project(folder)
    watch = SourceWatcher(project, open_readers(project), FileFingerprints(), "")
    first = watch.versions()
    time.sleep(SETTLING_SECONDS)
    assert watch.versions() == first, "nobody has changed anything"
    begin, began = time.perf_counter(), time.process_time()
    for _ in range(_LOOKS):
        watch.versions()
    seconds, processor = time.perf_counter() - begin, time.process_time() - began
    return Figure(what, size, seconds / _LOOKS, processor / _LOOKS)


class _Memory:
    """Looks now and then how much memory a process and its children have together; where there is /proc.

    Args:
        process: The process's number.
    """

    def __init__(self, process: int) -> None:
        self._process = process
        self._peak = 0
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def peak(self) -> int:
        """Returns the most that was seen, in kilobytes; asked for when the process has ended."""
        self._thread.join()
        return self._peak

    def _watch(self) -> None:
        folder = Path("/proc", str(self._process))
        with suppress(OSError):
            while True:
                children = (folder / "task" / str(self._process) / "children").read_text().split()
                found = [_resident(self._process), *(_resident(int(number)) for number in children)]
                if not found[0]:
                    return
                self._peak = max(self._peak, sum(found))
                time.sleep(0.005)


def _resident(process: int) -> int:
    """Returns the memory of a process in kilobytes; 0 if it has ended."""
    with suppress(OSError):
        for line in Path("/proc", str(process), "status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    return 0


def _other_ways(folder: Path, size: int) -> Iterator[Figure]:
    project = load_project(folder)
    jobs = [job.settings for job in compile_project(project, read_bundle_declarations(project)).jobs]
    begin, began = time.perf_counter(), time.process_time()
    for job in jobs:
        yaml.dump(job, Dumper=yaml.CSafeDumper, sort_keys=False)
    seconds, processor = time.perf_counter() - begin, time.process_time() - began
    yield Figure("yaml.CSafeDumper on the finished settings", size, seconds, processor)
    python = os.environ.get(BUNDLES_PYTHON, sys.executable)
    done = subprocess.run([python, "-c", _BUNDLES], input=json.dumps(jobs), capture_output=True, text=True, check=False)
    if done.returncode == 0:
        seconds, processor = map(float, done.stdout.split())
        yield Figure("databricks-bundles: from_dict, as_dict", size, seconds, processor)
