"""What grows in one place, sources of a module, modules of a file, SQL of a source: nowhere worse than linear.

Whole processes, as a user starts them, in processor time: `python -m bench.large`; with `delta`, a hundred thousand
modules of a Delta table instead, which takes minutes.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.estate import rows, write_table
from bench.generate import Figure, begin_project, measured_step

_SOURCE = "      - {{source_id: s{number:05d}, execution_order: {stage}, transformation_config: {config}}}\n"
_NOTEBOOK = "{notebook_path: /Workspace/x}"


@dataclass(frozen=True, slots=True)
class Growth:
    """What `ljm generate` took in processor seconds, with a few and with many."""

    what: str
    few: int
    many: int
    few_seconds: float
    many_seconds: float


def _module(number: int, sources: int = 1, config: str = _NOTEBOOK) -> str:
    """Returns a module whose sources are in stages of ten."""
    listed = "".join(_SOURCE.format(number=each, stage=each // 10, config=config) for each in range(sources))
    return f"  - module_name: module_{number:05d}\n    sources:\n{listed}"


def _sources(count: int) -> str:
    return _module(0, count)


def _modules(count: int) -> str:
    return "".join(_module(number) for number in range(count))


def _sql(kilobytes: int) -> str:
    line = "SELECT order_id, customer_id, amount * 1.19 AS gross FROM main.shop.orders -- a line of SQL\\n"
    text = line * (kilobytes * 1024 // len(line))
    return _module(0, 1, f'{{sql_task: {{sql_query: "{text}", warehouse_id: a}}}}')


_CASES: tuple[tuple[str, int, int, Callable[[int], str]], ...] = (
    ("sources of one module", 100, 1_000, _sources),
    ("modules of one file", 1_000, 10_000, _modules),
    ("KB of SQL of one source", 100, 1_000, _sql),
)


def run() -> Iterator[Growth]:
    """Measures each at two sizes, the larger one ten times the other."""
    for what, few, many, text in _CASES:
        yield Growth(what, few, many, _generated(text(few)), _generated(text(many)))


def _generated(modules: str) -> float:
    """Returns the processor seconds of the fastest of three first runs."""
    return min(_first_run(modules) for _ in range(3))


def _first_run(modules: str) -> float:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "databricks.yml").write_text("bundle: {name: bench}\ninclude: [resources/jobs/*.yml]\n")
        (folder / "metadata").mkdir()
        (folder / "metadata" / "all.yml").write_text(f"modules:\n{modules}", encoding="utf-8")
        before = _children()
        command = [sys.executable, "-m", "lakeflow_job_meta", "--project", name, "generate"]
        subprocess.run(command, capture_output=True, check=True)
        return _children() - before


def _children() -> float:
    times = os.times()
    return times.children_user + times.children_system


def run_delta() -> Iterator[Figure]:
    """Measures ten thousand and a hundred thousand modules of five sources, rows of a Delta table."""
    with tempfile.TemporaryDirectory() as name:
        for size in (10_000, 100_000):
            folder = Path(name, str(size))
            begin_project(folder, "delta", "control")
            write_table(folder / "control", rows(size))
            command = ["--project", str(folder), "generate"]
            yield measured_step("nothing there", size, command, repeats=1)
            yield measured_step("nothing changed", size, command, repeats=2)


def _show_delta() -> None:
    for each in run_delta():
        times = f"{each.seconds:8.2f} s, {each.processor_seconds:8.2f} s of processors"
        print(f"{each.modules:8,} modules, {each.what:16}{times}, {each.megabytes or 0:6.0f} MB", flush=True)


def main() -> None:
    """Prints seconds at each size, and the growth."""
    if sys.argv[1:] == ["delta"]:
        _show_delta()
        return
    for each in run():
        growth = each.many_seconds / each.few_seconds
        sizes = f"{each.few:,}: {each.few_seconds:.2f} s; {each.many:,}: {each.many_seconds:.2f} s"
        print(f"{each.what:28}{sizes:36}{growth:5.1f}x")


if __name__ == "__main__":
    main()
