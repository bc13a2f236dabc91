"""Members of a matrix of which `make test` runs a few and `make test-slow` the rest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pytest


def few(fast: Iterable[Any], rest: Iterable[Any]) -> list[Any]:
    """Returns parameters: the fast ones as they are, each of the rest marked as slow.

    A parameter is one value, or a tuple of values for several arguments; `pytest.param` gives it an id.
    """
    return [*fast, *map(_slow, rest)]


def one_in(step: int, parameters: Iterable[Any]) -> list[Any]:
    """Returns parameters in their order; the first of each `step` is fast, the others are marked as slow."""
    return [_slow(each) if number % step else each for number, each in enumerate(parameters)]


def _slow(parameter: Any) -> Any:
    if hasattr(parameter, "marks"):
        return pytest.param(*parameter.values, marks=[*parameter.marks, pytest.mark.slow], id=parameter.id)
    values: Sequence[Any] = parameter if isinstance(parameter, tuple) else (parameter,)
    return pytest.param(*values, marks=pytest.mark.slow)


SPARK = [
    pytest.mark.spark,
    # The first session downloads Delta's jars.
    pytest.mark.timeout(900),
    # pyspark and py4j leave sockets to their garbage collection.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:pyspark"),
]
"""The marks of a module of tests with Spark."""
