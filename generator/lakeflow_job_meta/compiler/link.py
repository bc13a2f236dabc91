"""The link pass: what units come to together, once each was compiled alone.

Units that depend on others, and those whose modules would become the same job, are compiled again with what all units
know together; the others keep their results. Looks at the files that jobs name, and changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from lakeflow_job_meta.compiler.compilers import Compilers
from lakeflow_job_meta.compiler.result import UnitResult
from lakeflow_job_meta.compiler.takeovers import Takeovers, modules_at_odds
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.jobs.module_names import ModuleNames
from lakeflow_job_meta.jobs.neighbours import Neighbours
from lakeflow_job_meta.parsing.keys import job_key
from lakeflow_job_meta.parsing.units import SourceUnit

if TYPE_CHECKING:
    from lakeflow_job_meta.jobs.units import ParsedUnit
    from lakeflow_job_meta.parsing.modules import ParsedModule


def link(
    compilers: Compilers,
    units: Sequence[SourceUnit],
    alone: Mapping[SourceUnit, UnitResult],
    other_modules: Iterable[str],
) -> dict[SourceUnit, UnitResult]:
    """Returns the results of all units, in reading order.

    Args:
        compilers: Compile units.
        units: All units, in reading order.
        alone: The results of those that do not depend on others.
        other_modules: Names of modules that exist without being read here, whose jobs may be run.
    """
    names = {unit: alone[unit].modules if unit in alone else _names_in(unit, compilers.project) for unit in units}
    modules = [each for of_unit in names.values() for each in of_unit]
    counted = Counter(each.key.casefold() for each in modules if each.key is not None)
    odd = modules_at_odds(modules)
    shared = {key for key, number in counted.items() if number > 1}
    linked = [
        unit
        for unit in units
        if unit not in alone
        or ((shared or odd) and any(key and (key.casefold() in shared or key in odd) for _, key, *_ in names[unit]))
    ]
    again = _linked(compilers, linked, names, odd, frozenset(other_modules)) if linked else {}
    return {unit: again[unit] if unit in again else alone[unit] for unit in units}


def _linked(
    compilers: Compilers,
    units: Sequence[SourceUnit],
    names: Mapping[SourceUnit, Sequence[ModuleNames]],
    odd: frozenset[str],
    other_modules: frozenset[str],
) -> dict[SourceUnit, UnitResult]:
    """Compiles some units with what all of them, whose names are given, know together; `odd` are keys of jobs."""
    # Most projects have none, or have them in the cache.
    from lakeflow_job_meta.checks.context import OtherModules
    from lakeflow_job_meta.checks.references import jobs_run_by
    from lakeflow_job_meta.compiler.unit import Links

    neighbours = neighbours_of(compilers.project, names, other_modules)
    # In reading order, since the last one of those that collide counts.
    parsed = {unit: compilers.here.parse(unit, neighbours) for unit in units}
    known = {name: job_key(name) for name in other_modules}
    known |= {
        each.name: each.key
        for of_unit in names.values()
        for each in of_unit
        if each.name is not None and each.key is not None
    }
    # A job that runs others depends on them, and so was parsed.
    runs = {
        job.key: tuple(dict.fromkeys(key for each in job.variants for _, key in jobs_run_by(each)))
        for unit in parsed.values()
        for job in unit.jobs
    }
    starts = {key: [*others] for key, others in runs.items()}
    for job in (job for unit in parsed.values() for job in unit.jobs):
        for name in (name for name, _ in job.module.after.modules if name in known):
            starts.setdefault(known[name], []).append(job.key)
    taking = [each.parsed for unit in parsed.values() for each in unit.modules if each.parsed.key in odd]
    takeovers = Takeovers({key.casefold(): name for name, key in known.items()} if odd else {}, taking)
    started = {key: tuple(others) for key, others in starts.items()}
    others = OtherModules(known, runs, frozenset(known.values()), started)
    links = Links(others, _collisions(parsed.values()), takeovers)
    return {unit: compilers.here.compile(found, links) for unit, found in parsed.items()}


def _names_in(unit: SourceUnit, project: Project) -> tuple[ModuleNames, ...]:
    from lakeflow_job_meta.jobs.units import names_in  # which imports all that builds jobs

    return names_in(unit, project)


def neighbours_of(
    project: Project, names: Mapping[SourceUnit, Sequence[ModuleNames]], others: frozenset[str] = frozenset()
) -> Neighbours:
    """Returns all modules as each other sees them, by the names in their units."""
    units = {each.name: unit for unit, of_unit in names.items() for each in of_unit if each.name is not None}
    return Neighbours(units, project.task_keys, others)


def _collisions(units: Iterable[ParsedUnit]) -> dict[str, list[ParsedModule]]:
    by_key: dict[str, list[ParsedModule]] = {}
    for unit in units:
        for module in unit.modules:
            if module.parsed.key is not None:
                by_key.setdefault(module.parsed.key.casefold(), []).append(module.parsed)
    return {key: modules for key, modules in by_key.items() if len(modules) > 1}
