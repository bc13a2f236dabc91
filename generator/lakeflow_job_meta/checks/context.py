"""What a check is, and what it may look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from lakeflow_job_meta.checks.file_lookups import FileLookups
from lakeflow_job_meta.config.bundle import BundleDeclarations
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.diagnostics.model import Diagnostic
from lakeflow_job_meta.jobs.model import Job


@dataclass(frozen=True, slots=True)
class OtherModules:
    """What a check may know of the other modules.

    Attributes:
        keys: The key of every module's job by the module's name; broken modules are among them.
        runs: Which jobs a job runs, by their keys.
        job_keys: The keys of all jobs.
    """

    keys: Mapping[str, str] = field(default_factory=dict)
    runs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    job_keys: frozenset[str] = frozenset()


class NeedsOthers(Exception):
    """A check has to know the other modules, and nobody has told it of them."""


@dataclass(frozen=True, slots=True)
class CheckContext:
    """What a check may look at besides the job.

    What it found there may only be remembered for the next run if that can tell whether it would find the same:
    the project and the bundle are compared as a whole, and `files` notes what was asked of it; whoever looks at other
    modules has looked at too much for that.

    Attributes:
        output: The folder that `jobs/` and `sql/` are in, relative to the project.
        bundle: What is declared outside the metadata.
        files: The project's files.
    """

    project: Project
    output: str
    bundle: BundleDeclarations
    files: FileLookups
    _others: OtherModules | None

    @property
    def others(self) -> OtherModules:
        """The other modules.

        Raises:
            NeedsOthers: They are not known, as where a module is looked at alone.
        """
        if self._others is None:
            raise NeedsOthers
        return self._others


JobCheck = Callable[[Job, CheckContext], Iterator[Diagnostic]]
