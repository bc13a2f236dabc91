"""Modules that wait for others, or run them: the trigger of `after`, and which modules of `runs` have a job. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from lakeflow_job_meta._internal.text import did_you_mean, quoted
from lakeflow_job_meta._internal.trees import Value
from lakeflow_job_meta.diagnostics.model import Diagnostic, SourceRef, nearest
from lakeflow_job_meta.diagnostics.rules import NO_TARGET_TABLE, RUN_JOB_CYCLE, UNKNOWN_MODULE
from lakeflow_job_meta.jobs.layers import Layer
from lakeflow_job_meta.jobs.neighbours import Neighbours, runs_of, tables_of
from lakeflow_job_meta.parsing.model import Module

_CONDITIONS = {"all": "ALL_UPDATED", "any": "ANY_UPDATED"}


class Awaited(NamedTuple):
    """The trigger that `after` comes to, if it comes to one, and what is wrong with it."""

    layer: Layer | None
    problems: list[Diagnostic]


def wait_for(module: Module, neighbours: Neighbours, target: str | None) -> Awaited:
    """Returns the trigger by which a module starts when its tables are new.

    A module without a job in the target is not waited for: nothing updates its tables.
    """
    after = module.after
    if not after.tables and not after.modules:
        return Awaited(None, [])
    tables, problems = dict.fromkeys(after.tables), []
    for name, ref in after.modules:
        found, problem = _tables_of(name, ref, module, neighbours, target)
        tables |= dict.fromkeys(found)
        problems += [] if problem is None else [problem]
    origin = module.origin.at("after")
    own = {each.casefold() for each in tables_of(module)}
    if (same := next((each for each in tables if each.casefold() in own), None)) is not None:
        message = f"the module writes {quoted(same)} itself, so that it would start itself without end"
        problems.append(RUN_JOB_CYCLE.at(origin, message))
    if not tables:
        if not problems and all(name in neighbours.units for name, _ in after.modules):
            where = "" if target is None else f" in the target {quoted(target)}"
            message = f"none of the modules that it waits for has a job{where}, so nothing would start this one"
            problems.append(NO_TARGET_TABLE.at(origin, f"{message}; take 'after' out, or switch one of them on"))
        return Awaited(None, problems)
    trigger: dict[str, Value] = {"table_names": list(tables)}
    if len(tables) > 1:
        trigger["condition"] = _CONDITIONS.get(after.when, _CONDITIONS["all"])
    return Awaited(Layer("module", origin, trigger, ("trigger", "table_update"), is_derived=True), problems)


def _tables_of(
    name: str, ref: SourceRef, module: Module, neighbours: Neighbours, target: str | None
) -> tuple[tuple[str, ...], Diagnostic | None]:
    """Returns the tables of a module that another waits for, or what is wrong with that."""
    if name == module.module_name:
        return (), RUN_JOB_CYCLE.at(ref, f"{quoted(name)} waits for itself")
    found = neighbours.get(name, target)
    if found is None:
        if name in neighbours.others:
            return (), None
        hint = did_you_mean(name, neighbours.names, besides=module.module_name)
        near = nearest(name, neighbours.names, besides=module.module_name)
        return (), UNKNOWN_MODULE.at(ref, f"there is no module {quoted(name)}{hint}", near)
    if found.is_broken:
        return (), NO_TARGET_TABLE.at(ref, f"the module {quoted(name)} is wrong itself, so its tables are not known")
    if found.tables or not found.has_job:
        return found.tables if found.has_job else (), None
    message = (
        f"no active source of {quoted(name)} names its table in 'target_config', as catalog, schema and table; add it "
        "there, or write the tables to wait for: 'after: {tables: [...]}'"
    )
    return (), NO_TARGET_TABLE.at(ref, message)


def without_idle_runs(module: Module, neighbours: Neighbours, target: str | None) -> Module:
    """Returns a module whose `runs` leave out modules without a job in the target; they are looked through."""
    idle = [source for source, name in runs_of(module) if not _has_job(name, neighbours, target)]
    if not idle:
        return module
    sources = (each._replace(is_active=False) if each in idle else each for each in module.sources)
    return replace(module, sources=tuple(sources))


def _has_job(name: str, neighbours: Neighbours, target: str | None) -> bool:
    """Says so of one that is not known, too: that is reported."""
    found = neighbours.get(name, target)
    return found is None or found.has_job
