"""Runs the benchmarks: `make bench` for the whole way, `python -m bench parts` for checks and tables alone."""

from __future__ import annotations

import sys

from bench import checks, generate, tables
from bench.generate import SIZES, Figure


def main() -> None:
    """Prints the figures as one table."""
    if sys.argv[1:] == ["parts"]:
        _show_parts()
    else:
        _show_targets()


def _show_targets() -> None:
    figures: dict[str, dict[int, Figure]] = {}
    for figure in generate.run():
        figures.setdefault(figure.what, {})[figure.modules] = figure
        print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    dumper = next(by_size for what, by_size in figures.items() if "CSafeDumper" in what)[SIZES[-1]].seconds
    heads = (*(f"{size:,} modules" for size in SIZES), "growth", "peak MB", "to dumper")
    print(f"{'':45}" + "".join(f"{head:>15}" for head in heads))
    for what, by_size in figures.items():
        print(f"{what:45}" + "".join(f"{cell:>15}" for cell in _cells(by_size, dumper)))


def _cells(by_size: dict[int, Figure], dumper: float) -> list[str]:
    """Returns seconds at each size, growth, memory, and the time beside that of the plain dumper."""
    if 0 in by_size:
        return [f"{by_size[0].seconds:.2f} s", "", "", f"{by_size[0].megabytes:.0f}", ""]
    first, last = (by_size[size] for size in SIZES)
    memory = f"{last.megabytes:.0f}" if last.megabytes is not None else ""
    growth = f"{last.seconds / first.seconds:.1f}x"
    return [f"{first.seconds:.2f} s", f"{last.seconds:.2f} s", growth, memory, f"{last.seconds / dumper:.2f}x"]


def _show_parts() -> None:
    measured = checks.run()
    slowest = min(each.tasks_a_second for each in measured)
    print(f"{'checks':45} {'tasks a second':>15} {'ratio':>8}")
    for each in measured:
        print(f"{each.what:45} {each.tasks_a_second:15,.0f} {each.tasks_a_second / slowest:8,.1f}")
    print(f"\n{'control tables':45} {'rows':>15} {'seconds':>8}")
    for step in tables.run():
        print(f"{step.what:45} {step.rows:15,} {step.seconds:8.2f}")


if __name__ == "__main__":
    main()
