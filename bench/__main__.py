"""Runs all benchmarks: `make bench`."""

from __future__ import annotations

from bench import checks


def main() -> None:
    """Prints the figures; the last column is the ratio to the slowest."""
    figures = checks.run()
    slowest = min(figure.tasks_a_second for figure in figures)
    print(f"{'checks':45} {'tasks a second':>15} {'ratio':>8}")
    for figure in figures:
        print(f"{figure.what:45} {figure.tasks_a_second:15,.0f} {figure.tasks_a_second / slowest:8,.1f}")


if __name__ == "__main__":
    main()
