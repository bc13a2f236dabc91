"""Compilation units with the jobs of their modules. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.jobs.build import Built
from lakeflow_job_meta.jobs.in_targets import build_module
from lakeflow_job_meta.jobs.model import Job
from lakeflow_job_meta.jobs.module_names import ModuleNames
from lakeflow_job_meta.jobs.neighbours import Neighbours
from lakeflow_job_meta.parsing.modules import ParsedModule, parse_module
from lakeflow_job_meta.parsing.units import RawModule, SourceUnit


@dataclass(frozen=True, slots=True)
class BuiltModule:
    """One module of a unit, as far as it could be read, and its job as far as it could be built."""

    parsed: ParsedModule
    built: Built


@dataclass(frozen=True, slots=True)
class ParsedUnit:
    """A unit that was parsed, with its modules in reading order, and the examples that are only checked."""

    source: SourceUnit
    modules: tuple[BuiltModule, ...]
    examples: tuple[BuiltModule, ...] = ()

    @property
    def jobs(self) -> Iterator[Job]:
        """The jobs that could be built, whatever is wrong with them."""
        return (module.built.job for module in self.modules if module.built.job is not None)

    @property
    def names(self) -> tuple[ModuleNames, ...]:
        parsed = (module.parsed for module in self.modules)
        return tuple(_names_of(each) for each in parsed)


def _names_of(parsed: ParsedModule) -> ModuleNames:
    module = parsed.module
    adopt, formerly = (tuple(module.adopt.items()), module.formerly) if module is not None else ((), ())
    return ModuleNames(parsed.name, parsed.key, parsed.blueprint, adopt, formerly)


def names_in(unit: SourceUnit, project: Project) -> tuple[ModuleNames, ...]:
    """Returns the names of the modules of a unit, without building anything."""
    return tuple(_names_of(parse_module(raw, project.task_keys)) for raw in unit.content.modules)


def parse_unit(
    unit: SourceUnit,
    project: Project,
    output: str,
    targets: Collection[str] | None,
    neighbours: Neighbours | None,
) -> ParsedUnit:
    """Parses a unit and builds the jobs of its modules as `build_module` does; their settings are checked elsewhere."""

    def built(raw: RawModule) -> BuiltModule:
        parsed = parse_module(raw, project.task_keys)
        return BuiltModule(
            parsed, build_module(raw, parsed.module, project, output, targets, neighbours) if parsed.module else Built()
        )

    return ParsedUnit(unit, tuple(map(built, unit.content.modules)), tuple(map(built, unit.content.examples)))
