"""Runs the benchmarks: `make bench` for the whole way, `python -m bench parts` for checks and tables alone."""

from __future__ import annotations

import sys

from bench import blueprints, checks, generate, layers, tables
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
    dumper = next(by_size for what, by_size in figures.items() if "CSafeDumper" in what)[SIZES[-1]]
    heads = (*(f"{size:,} modules" for size in SIZES), "processor", "growth", "to dumper", "peak MB")
    print(f"{'':52}" + "".join(f"{head:>15}" for head in heads))
    for what, by_size in figures.items():
        print(f"{what:52}" + "".join(f"{cell:>15}" for cell in _cells(by_size, dumper)))
    print()
    blueprints.show(blueprints.run())
    print()
    layers.show(layers.run())


def _cells(by_size: dict[int, Figure], dumper: Figure) -> list[str]:
    """Returns seconds at each size; then of the largest what it took of the processors, growth, ratio and memory."""
    figures = [by_size[size] for size in sorted(by_size)]
    last = figures[-1]
    seconds = [_time(figure.seconds) for figure in figures]
    memory = f"{last.megabytes:.0f}" if last.megabytes is not None else ""
    if len(figures) == 1:
        return [*seconds, "", _time(last.processor_seconds), "", "", memory]
    growth = f"{last.seconds / figures[0].seconds:.1f}x"
    ratio = f"{last.seconds / dumper.seconds:.2f}x"
    return [*seconds, _time(last.processor_seconds), growth, ratio, memory]


def _time(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 0.1 else f"{seconds * 1000:.0f} ms"


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
