"""Runs all benchmarks: `make bench`."""

from __future__ import annotations

from bench import checks, generate, tables


def main() -> None:
    """Prints the figures; the last column of the checks is the ratio to the slowest."""
    figures = checks.run()
    slowest = min(figure.tasks_a_second for figure in figures)
    print(f"{'checks':45} {'tasks a second':>15} {'ratio':>8}")
    for figure in figures:
        print(f"{figure.what:45} {figure.tasks_a_second:15,.0f} {figure.tasks_a_second / slowest:8,.1f}")
    print(f"\n{'control tables':45} {'rows':>15} {'seconds':>8}")
    for step in tables.run():
        print(f"{step.what:45} {step.rows:15,} {step.seconds:8.2f}")
    print(f"\n{'the whole way':45} {'modules':>15} {'seconds':>8} {'MB':>6}")
    for way in generate.run():
        memory = f"{way.megabytes:6,.0f}" if way.megabytes is not None else ""
        print(f"{way.what:45} {way.modules:15,} {way.seconds:8.2f} {memory}")


if __name__ == "__main__":
    main()
