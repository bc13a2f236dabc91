"""What each public name costs a program that touches it: `python -m bench.imports`.

Each is touched in a process of its own. So is nothing, in one that imports what nearly every program has loaded: what a
name costs is the difference. Processor time of whole processes, the best of several rounds, in which all take turns.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import lakeflow_job_meta

ROUNDS = 15
_BARE = "import dataclasses, json, logging, pathlib, re, sys, typing"
_COUNT = "; print(sum(name.startswith('lakeflow_job_meta.') for name in sys.modules), len(sys.modules))"
_ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


@dataclass(frozen=True, slots=True)
class Touched:
    """What touching one name takes; `modules` are those of the package, `others` all else that is loaded then.

    Attributes:
        seconds: Processor time of the whole process.
        ratio: To that of a process that touches nothing.
    """

    name: str
    seconds: float
    ratio: float
    modules: int
    others: int


def run(names: Sequence[str] = ()) -> list[Touched]:
    """Touches every public name, or some; the first is none of them."""
    chosen = names or dir(lakeflow_job_meta)
    codes = {"(nothing)": _BARE, **{name: f"{_BARE}, lakeflow_job_meta as l; l.{name}" for name in chosen}}
    counts = {name: _output(code + _COUNT).split() for name, code in codes.items()}
    best = dict.fromkeys(codes, float("inf"))
    for _ in range(ROUNDS):
        for name, code in codes.items():
            best[name] = min(best[name], _processor_seconds(code))
    nothing = best["(nothing)"]
    return [
        Touched(name, seconds, seconds / nothing, int(counts[name][0]), int(counts[name][1]) - int(counts[name][0]))
        for name, seconds in best.items()
    ]


def show(measured: Sequence[Touched]) -> None:
    """Prints the figures as one table, and the worst ratio."""
    nothing = measured[0].seconds
    print(f"{'name':22}{'processor':>11}{'beyond':>9}{'ratio':>7}{'of ours':>9}{'others':>8}")
    for each in measured:
        beyond = each.seconds - nothing
        print(
            f"{each.name:22}{each.seconds * 1000:>8.1f} ms{beyond * 1000:>6.1f} ms{each.ratio:>7.2f}"
            f"{each.modules:>9}{each.others:>8}"
        )
    print(f"the worst ratio: {max(each.ratio for each in measured):.2f}")


def _output(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=_ENVIRONMENT)
    return done.stdout


def _processor_seconds(code: str) -> float:
    process = subprocess.Popen([sys.executable, "-c", code], env=_ENVIRONMENT)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, code
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    show(run(sys.argv[1:]))
