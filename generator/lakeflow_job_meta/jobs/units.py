"""Compilation units with the jobs of their modules, and all jobs of a project, built only when one is needed. Pure."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, overload

from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.jobs.build import Built
from lakeflow_job_meta.jobs.in_targets import build_module
from lakeflow_job_meta.jobs.model import Job
from lakeflow_job_meta.jobs.neighbours import NO_NEIGHBOURS, Neighbours
from lakeflow_job_meta.parsing.keys import former_key
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


class ModuleNames(NamedTuple):
    """The name of a module, its job's key, and the name of the blueprint that it is made of, as far as there is one.

    `adopt` has the jobs that it takes over, with their targets; `formerly` the names that it had before.
    """

    name: str | None
    key: str | None
    blueprint: str | None = None
    adopt: tuple[tuple[str, int], ...] = ()
    formerly: tuple[str, ...] = ()


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


class JobSource(NamedTuple):
    """What is known of a job that is not built: its module's name and blueprint, and the unit that the module is in.

    `adopt` and `formerly` are as in `ModuleNames`.
    """

    module_name: str
    unit: SourceUnit
    blueprint: str | None = None
    adopt: tuple[tuple[str, int], ...] = ()
    formerly: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)  # without slots, since a built job is kept
class Jobs(Sequence[Job]):
    """The jobs of a project in reading order, each built when it is first needed: mostly only their keys are.

    `sources` has what each job is built from, by the job's key; `targets` are those of the bundle; `neighbours` all
    modules, those without a job among them.
    """

    project: Project
    output: str
    targets: frozenset[str] | None
    sources: Mapping[str, JobSource]
    neighbours: Neighbours = NO_NEIGHBOURS

    @cached_property
    def names(self) -> dict[str, str]:
        return {key: source.module_name for key, source in self.sources.items()}

    @cached_property
    def renamed(self) -> dict[str, str]:
        """The key of the job that takes the place of an earlier one, by each key that it had before."""
        return {former_key(name): key for key, source in self.sources.items() for name in source.formerly}

    def only(self, keys: Container[str]) -> Jobs:
        return self._with({key: source for key, source in self.sources.items() if key in keys})

    def _with(self, sources: Mapping[str, JobSource]) -> Jobs:
        return Jobs(self.project, self.output, self.targets, sources, self.neighbours)

    def split(self, groups: Mapping[str, str]) -> dict[str, Jobs]:
        """Returns the jobs of each group; `groups` has the group of each job, by the job's key."""
        sources: dict[str, dict[str, JobSource]] = {}
        for key, source in self.sources.items():
            sources.setdefault(groups[key], {})[key] = source
        return {group: self._with(found) for group, found in sources.items()}

    def get(self, key: str) -> Job | None:
        """Returns the job of a key, and builds no other unit."""
        return next(self._build((key,)), None) if key in self.sources else None

    def _build(self, keys: Iterable[str]) -> Iterator[Job]:
        keys_of: dict[SourceUnit, set[str]] = {}
        for key in keys:
            keys_of.setdefault(self.sources[key].unit, set()).add(key)
        for unit, wanted in keys_of.items():
            parsed = parse_unit(unit, self.project, self.output, self.targets, self.neighbours)
            yield from (job for job in parsed.jobs if job.key in wanted)

    @cached_property
    def _jobs(self) -> tuple[Job, ...]:
        return tuple(self._build(self.sources))

    @overload
    def __getitem__(self, index: int) -> Job: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Job, ...]: ...

    def __getitem__(self, index: int | slice) -> Job | tuple[Job, ...]:
        return self._jobs[index]

    def __len__(self) -> int:
        return len(self.sources)
