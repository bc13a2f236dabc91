"""All jobs of a project, built only when one is needed. Pure."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, overload

from lakeflow_job_meta.parsing.keys import former_key

if TYPE_CHECKING:
    from lakeflow_job_meta.config.model import Project
    from lakeflow_job_meta.jobs.model import Job
    from lakeflow_job_meta.jobs.neighbours import Neighbours
    from lakeflow_job_meta.parsing.units import SourceUnit


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
class Jobs(Sequence["Job"]):
    """The jobs of a project in reading order, each built when it is first needed: mostly only their keys are.

    `sources` has what each job is built from, by the job's key; `targets` are those of the bundle; `neighbours` all
    modules, those without a job among them.
    """

    project: Project
    output: str
    targets: frozenset[str] | None
    sources: Mapping[str, JobSource]
    neighbours: Neighbours

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
        from lakeflow_job_meta.jobs.units import parse_unit

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
