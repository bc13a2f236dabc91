"""The link pass: what units come to together, once each was compiled alone.

Units that depend on others, and those whose modules would become the same job, are compiled again with what all units
know together; the others keep their results. Looks at the files that jobs name, and changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from lakeflow_job_meta.checks.context import OtherModules
from lakeflow_job_meta.checks.references import jobs_run_by
from lakeflow_job_meta.compiler.result import UnitResult
from lakeflow_job_meta.compiler.takeovers import Takeovers, modules_at_odds
from lakeflow_job_meta.compiler.unit import Links, UnitCompiler
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.jobs.neighbours import Neighbours
from lakeflow_job_meta.jobs.units import ModuleNames, ParsedUnit, names_in
from lakeflow_job_meta.parsing.keys import job_key
from lakeflow_job_meta.parsing.modules import ParsedModule
from lakeflow_job_meta.parsing.units import SourceUnit


def link(
    compiler: UnitCompiler,
    units: Sequence[SourceUnit],
    alone: Mapping[SourceUnit, UnitResult],
    other_modules: Iterable[str],
) -> dict[SourceUnit, UnitResult]:
    """Returns the results of all units, in reading order.

    Args:
        compiler: Compiles units.
        units: All units, in reading order.
        alone: The results of those that do not depend on others.
        other_modules: Names of modules that exist without being read here, whose jobs may be run.
    """
    names = {unit: alone[unit].modules if unit in alone else names_in(unit, compiler.project) for unit in units}
    neighbours = neighbours_of(compiler.project, names, other_modules := frozenset(other_modules))
    parsed = {unit: compiler.parse(unit, neighbours) for unit in units if unit not in alone}
    modules = [each for of_unit in names.values() for each in of_unit]
    counted = Counter(each.key.casefold() for each in modules if each.key is not None)
    odd = modules_at_odds(modules)
    for unit in units:
        if unit not in parsed and any(
            key and (counted[key.casefold()] > 1 or key in odd) for _, key, *_ in names[unit]
        ):
            parsed[unit] = compiler.parse(unit, neighbours)
    known = {name: job_key(name) for name in other_modules}
    known |= {each.name: each.key for each in modules if each.name is not None and each.key is not None}
    # A job that runs others depends on them, and so was parsed.
    # In reading order, since the last one of those that collide counts.
    in_order = [parsed[unit] for unit in units if unit in parsed]
    runs = {
        job.key: tuple(dict.fromkeys(key for each in job.variants for _, key in jobs_run_by(each)))
        for unit in in_order
        for job in unit.jobs
    }
    starts = {key: [*others] for key, others in runs.items()}
    for job in (job for unit in in_order for job in unit.jobs):
        for name in (name for name, _ in job.module.after.modules if name in known):
            starts.setdefault(known[name], []).append(job.key)
    taking = [each.parsed for unit in (in_order if odd else ()) for each in unit.modules if each.parsed.key in odd]
    takeovers = Takeovers({key.casefold(): name for name, key in known.items()} if odd else {}, taking)
    started = {key: tuple(others) for key, others in starts.items()}
    others = OtherModules(known, runs, frozenset(known.values()), started)
    links = Links(others, _collisions(in_order), takeovers)
    return {unit: compiler.compile(parsed[unit], links) if unit in parsed else alone[unit] for unit in units}


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
