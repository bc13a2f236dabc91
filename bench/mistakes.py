"""What 50,000 problems cost: `ljm validate` of 10,000 modules with five mistakes each, beside the same without any.

Whole processes, as a user starts them the first time, in processor seconds of all of them together and by the clock:
modules of one YAML file, of a file each, and of rows of a Delta table. Projects with and without mistakes take turns,
and the best of each counts; `python -m bench.mistakes 5` takes five turns instead of three.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.estate import Row, write_table
from lakeflow_job_meta.state.folder import FOLDER

MODULES = 10_000
_TURNS = 3
_MISTAKES = (
    '{"max_concurent_runs": 2, "timeout_second": 3, "descriptio": "x", "tgs": {"a": "b"}, "queu": {"enabled": true}}'
)
_MODULE = """\
  - module_name: module_{number:05d}
    job_config: {settings}
    sources:
      - {{source_id: a, execution_order: 1, transformation_config: {{notebook_path: /Workspace/x}}}}
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run took: processor seconds, seconds by the clock, and how many bytes it wrote."""

    processor_seconds: float
    seconds: float
    written: int


def _in_one_file(folder: Path, settings: str) -> None:
    (folder / "metadata").mkdir()
    modules = "".join(_MODULE.format(number=number, settings=settings) for number in range(MODULES))
    (folder / "metadata" / "all.yml").write_text(f"modules:\n{modules}", encoding="utf-8")


def _in_a_file_each(folder: Path, settings: str) -> None:
    (folder / "metadata").mkdir()
    for number in range(MODULES):
        module = _MODULE.format(number=number, settings=settings)
        (folder / "metadata" / f"module_{number:05d}.yml").write_text(f"modules:\n{module}", encoding="utf-8")


def _in_a_table(folder: Path, settings: str) -> None:
    (folder / "job_meta.yml").write_text("metadata: [delta: control]\n", encoding="utf-8")
    write_table(folder / "control", [_row(number, settings) for number in range(MODULES)])


def _row(number: int, settings: str) -> Row:
    return {
        "source_id": "a",
        "module_name": f"module_{number:05d}",
        "source_type": "sql",
        "execution_order": 1,
        "source_config": "{}",
        "target_config": "{}",
        "transformation_config": '{"notebook_path": "/Workspace/x"}',
        "is_active": True,
        "job_config": settings,
    }


_KINDS: dict[str, Callable[[Path, str], None]] = {
    "one YAML file": _in_one_file,
    "a YAML file each": _in_a_file_each,
    "a Delta table": _in_a_table,
}


def run(turns: int) -> Iterator[tuple[str, Cost, Cost]]:
    """Measures each kind of source without mistakes and with them."""
    with tempfile.TemporaryDirectory() as name:
        for kind, write in _KINDS.items():
            folders = {}
            for settings in ("{}", _MISTAKES):
                folders[settings] = folder = Path(tempfile.mkdtemp(dir=name))
                (folder / "databricks.yml").write_text("bundle: {name: bench}\n", encoding="utf-8")
                write(folder, settings)
            costs = [[_validated(folder) for folder in folders.values()] for _ in range(turns)]
            good, bad = (_best(each) for each in zip(*costs, strict=True))
            yield kind, good, bad


def _best(costs: tuple[Cost, ...]) -> Cost:
    processor, seconds = min(each.processor_seconds for each in costs), min(each.seconds for each in costs)
    return Cost(processor, seconds, costs[0].written)


def _validated(folder: Path) -> Cost:
    shutil.rmtree(folder / FOLDER, ignore_errors=True)  # a run finds good modules of the one before in its cache
    with tempfile.TemporaryFile() as said:
        begin = time.perf_counter()
        command = [sys.executable, "-m", "lakeflow_job_meta", "--project", str(folder), "validate"]
        with subprocess.Popen(command, stdout=said, stderr=said) as process:
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - begin
            process.returncode = os.waitstatus_to_exitcode(status)
        written = said.tell()
    assert process.returncode in (0, 1), "mistakes are errors, and nothing else ends it"
    return Cost(usage.ru_utime + usage.ru_stime, seconds, written)


def main() -> None:
    """Prints what mistakes cost in each kind of source."""
    turns = int(sys.argv[1]) if len(sys.argv) > 1 else _TURNS
    print(f"{MODULES:,} modules in       without: processor, clock        five mistakes each      more       ratio  KB")
    for kind, good, bad in run(turns):
        more, more_by_clock = bad.processor_seconds - good.processor_seconds, bad.seconds - good.seconds
        print(
            f"{kind:24}{good.processor_seconds:9.2f} s ({good.seconds:5.2f} s)  "
            f"{bad.processor_seconds:15.2f} s ({bad.seconds:5.2f} s)  {more:6.2f} s ({more_by_clock:5.2f} s)"
            f"{bad.processor_seconds / good.processor_seconds:8.2f}{bad.written / 1000:7.0f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
