"""What `ljm generate` costs as a user starts it, for a control table in Delta files; and what writing YAML alone costs.

Each step is one process of its own, imports included. What is measured besides is the least that another way to the
same files would take: `yaml.CSafeDumper` on the finished settings, and the models of `databricks-bundles` if they are
installed.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from bench.estate import rows, write_table
from lakeflow_job_meta.compilation import compile_project
from lakeflow_job_meta.project import load_project

SIZES = (1_000, 10_000)


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the result.

    Attributes:
        megabytes: The process's peak memory; None where there is no process of its own.
    """

    what: str
    modules: int
    seconds: float
    megabytes: float | None = None


def run() -> Iterator[Figure]:
    """Measures every size in a project of its own."""
    for size in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            yield from _generate(Path(folder), size)
            yield from _other_ways(Path(folder), size)


def _generate(folder: Path, size: int) -> Iterator[Figure]:
    (folder / "databricks.yml").write_text("bundle: {name: bench}\n", encoding="utf-8")
    (folder / "job_meta.yml").write_text(
        "metadata: [{delta: control}]\ndefaults: {warehouse_id: 0123456789abcdef}\n", encoding="utf-8"
    )
    made = rows(size)
    write_table(folder / "control", made)
    yield _step("generate, nothing there", folder, size)
    yield _step("generate, nothing changed", folder, size)
    made[0]["execution_order"] = 7
    write_table(folder / "control", made)
    yield _step("generate, one row changed", folder, size)


def _step(what: str, folder: Path, size: int) -> Figure:
    begin = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-m", "lakeflow_job_meta", "--project", str(folder), "generate"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, "the benchmark's jobs are meant to be right"
    kilobytes = usage.ru_maxrss / (1024 if sys.platform == "darwin" else 1)
    return Figure(what, size, time.perf_counter() - begin, kilobytes / 1024)


def _other_ways(folder: Path, size: int) -> Iterator[Figure]:
    jobs = [job.settings for job in compile_project(load_project(folder)).jobs]
    yield _measured("yaml.CSafeDumper on the settings", jobs, _dumped)
    try:
        model = importlib.import_module("databricks.bundles.jobs").Job
    except ImportError:
        return
    yield _measured("databricks-bundles: from_dict, as_dict", jobs, lambda job: model.from_dict(job).as_dict())


def _dumped(settings: object) -> str:
    return str(yaml.dump(settings, Dumper=yaml.CSafeDumper, sort_keys=False))


def _measured(what: str, jobs: list[dict[str, object]], convert: Callable[[dict[str, object]], object]) -> Figure:
    begin = time.perf_counter()
    for job in jobs:
        convert(job)
    return Figure(what, len(jobs), time.perf_counter() - begin)
