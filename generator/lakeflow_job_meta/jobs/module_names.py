"""The names of a module, which thousands of them are known by without being parsed. Pure."""

from __future__ import annotations

from typing import NamedTuple


class ModuleNames(NamedTuple):
    """The name of a module, its job's key, and the name of the blueprint that it is made of, as far as there is one.

    `adopt` has the jobs that it takes over, with their targets; `formerly` the names that it had before.
    """

    name: str | None
    key: str | None
    blueprint: str | None = None
    adopt: tuple[tuple[str, int], ...] = ()
    formerly: tuple[str, ...] = ()
