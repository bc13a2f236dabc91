"""What a project costs with mistakes in every module: 2,000 and 10,000 modules in one file, with one and five each.

Whole processes, as a user starts them. Five times as many modules may take five times as long, and not more.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SIZES = (2_000, 10_000)
_MISTAKES = ("max_concurent_runs: 2", "timeout_second: 3", "descriptio: x", "tgs: {a: b}", "queu: {enabled: true}")
_MODULE = """\
  - module_name: module_{number:05d}
    job_config: {{{settings}}}
    sources:
      - {{source_id: a, execution_order: 1, transformation_config: {{notebook_path: /Workspace/x}}}}
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """What `ljm validate` took, and how much it wrote."""

    mistakes: int
    modules: int
    seconds: float
    written: int


def run() -> Iterator[Cost]:
    """Measures modules without a mistake, with one, and with five."""
    for mistakes in (0, 1, 5):
        for size in SIZES:
            with tempfile.TemporaryDirectory() as folder:
                yield _validated(Path(folder), mistakes, size)


def _validated(folder: Path, mistakes: int, size: int) -> Cost:
    (folder / "databricks.yml").write_text("bundle: {name: bench}\n", encoding="utf-8")
    (folder / "metadata").mkdir()
    settings = ", ".join(_MISTAKES[:mistakes])
    modules = "".join(_MODULE.format(number=number, settings=settings) for number in range(size))
    (folder / "metadata" / "all.yml").write_text(f"modules:\n{modules}", encoding="utf-8")
    begin = time.perf_counter()
    command = [sys.executable, "-m", "lakeflow_job_meta", "--project", str(folder), "validate"]
    done = subprocess.run(command, capture_output=True, check=False)
    seconds = time.perf_counter() - begin
    assert done.returncode == (1 if mistakes else 0), "the benchmark's mistakes are errors"
    return Cost(mistakes, size, seconds, len(done.stderr))


def main() -> None:
    """Prints seconds at each size, and the ratio."""
    print(f"{'mistakes a module':20}" + "".join(f"{size:>10,} modules" for size in SIZES) + f"{'ratio':>8}{'KB':>8}")
    costs = list(run())
    for few, many in zip(costs[::2], costs[1::2], strict=True):
        times = "".join(f"{cost.seconds:16.2f} s" for cost in (few, many))
        print(f"{few.mistakes:<20}{times}{many.seconds / few.seconds:8.1f}{many.written / 1000:8.0f}")


if __name__ == "__main__":
    main()
