"""What a check is, and what it may use."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from lakeflow_job_meta.checks.file_lookups import FileLookups
from lakeflow_job_meta.config.bundle import BundleDeclarations
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.diagnostics.model import Diagnostic
from lakeflow_job_meta.jobs.model import Job
from lakeflow_job_meta.jobs.neighbours import NeedsOthers


@dataclass(frozen=True)  # without slots, since checks ask again and again for what is sorted once
class OtherModules:
    """The other modules, as far as checks need them.

    Attributes:
        keys: The key of every module's job by the module's name; broken modules are among them.
        runs: Which jobs a job runs, by their keys.
        starts: Which jobs a job makes start: those that it runs, and those that wait for its tables.
    """

    keys: Mapping[str, str] = field(default_factory=dict)
    runs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    job_keys: frozenset[str] = frozenset()
    starts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self.keys))

    @cached_property
    def sorted_job_keys(self) -> tuple[str, ...]:
        return tuple(sorted(self.job_keys))


@dataclass(frozen=True, slots=True)
class CheckContext:
    """What a check may use besides the job.

    Its findings may only be cached if the next run can see whether they would be the same: the project and the bundle
    are compared as a whole, and `files` notes what was looked up in it. A unit that needs other modules is not cached.

    Attributes:
        output: The folder that `jobs/` and `sql/` are in, relative to the project.
        policies: Gets the names of the policies that are for a job that was checked.
    """

    project: Project
    output: str
    bundle: BundleDeclarations
    files: FileLookups
    _others: OtherModules | None
    policies: set[str] = field(default_factory=set)

    @property
    def others(self) -> OtherModules:
        """The other modules; raises NeedsOthers where they are not known, as where a unit is compiled alone."""
        if self._others is None:
            raise NeedsOthers
        return self._others


JobCheck = Callable[[Job, CheckContext], Iterator[Diagnostic]]
