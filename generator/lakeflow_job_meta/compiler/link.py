"""Modules that would become one job: both are told, and neither is made. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from lakeflow_job_meta._internal.text import quoted
from lakeflow_job_meta.diagnostics.model import Diagnostic
from lakeflow_job_meta.diagnostics.rules.metadata import DUPLICATE_MODULE, JOB_KEY_COLLISION
from lakeflow_job_meta.parsing.modules import ParsedModule


def collisions(parsed: Sequence[ParsedModule]) -> dict[int, list[Diagnostic]]:
    """Finds modules that would become one job: both are reported, each by its `id`."""
    by_key: dict[str, list[int]] = {}
    for number, each in enumerate(parsed):
        if each.key is not None:
            by_key.setdefault(each.key.casefold(), []).append(number)
    found: dict[int, list[Diagnostic]] = {}
    for numbers in by_key.values():
        for number in numbers if len(numbers) > 1 else ():
            other = numbers[1] if number == numbers[0] else numbers[0]
            found[id(parsed[number])] = [_collision(parsed[number], parsed[other])]
    return found


def _collision(one: ParsedModule, other: ParsedModule) -> Diagnostic:
    origin, elsewhere = one.origin.at("module_name"), other.origin.at("module_name")
    if one.name == other.name:
        return DUPLICATE_MODULE.at(origin, f"the module {quoted(one.name)} is also at {elsewhere}")
    return JOB_KEY_COLLISION.at(
        origin,
        f"{quoted(one.name)} and {quoted(other.name)} (at {elsewhere}) become the job keys {one.key!r} and "
        f"{other.key!r}, which cannot stand side by side",
    )
