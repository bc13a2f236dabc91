"""Modules that would become one job: both are told, and neither is made. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from lakeflow_job_meta.diagnostics import Diagnostic, example, rule
from lakeflow_job_meta.metadata.parse import Parsed
from lakeflow_job_meta.values import quoted

_SECOND = (
    "  - module_name: {}\n    sources:\n      - source_id: a\n        execution_order: 1\n"
    "        transformation_config: {{notebook_path: /Workspace/a}}\n"
)
DUPLICATE_MODULE = rule(
    "duplicate-module",
    is_fixed=True,
    meaning="Two modules have the same name: in one file, in two files, or in a file and a table. A module comes from "
    "one place.",
    remedy="Rename or remove one of the two. Neither is generated before; the job stays as it is.",
    wrong=example("notebook_path: /Workspace/a", module=_SECOND.format("sales")),
    right=example("notebook_path: /Workspace/a", module=_SECOND.format("stock")),
)
JOB_KEY_COLLISION = rule(
    "job-key-collision",
    is_fixed=True,
    meaning="Two different module names become the same resource key (special characters become `_`), or keys that "
    "differ only in upper and lower case, which many disks do not tell apart.",
    remedy="Rename one of the two modules.",
    wrong=example("notebook_path: /Workspace/a", module=_SECOND.format("Sales")),
    right=example("notebook_path: /Workspace/a", module=_SECOND.format("stock")),
)


def collisions(parsed: Sequence[Parsed]) -> dict[int, list[Diagnostic]]:
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


def _collision(one: Parsed, other: Parsed) -> Diagnostic:
    origin, elsewhere = one.origin.at("module_name"), other.origin.at("module_name")
    if one.name == other.name:
        return DUPLICATE_MODULE.at(origin, f"the module {quoted(one.name)} is also at {elsewhere}")
    return JOB_KEY_COLLISION.at(
        origin,
        f"{quoted(one.name)} and {quoted(other.name)} (at {elsewhere}) become the job keys {one.key!r} and "
        f"{other.key!r}, which cannot stand side by side",
    )
