"""What compiles the units of one project, made only once one must be compiled: most runs find all in the cache.

What parses, builds, checks and renders is imported then; that would take a tenth of a run that compiles nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from lakeflow_job_meta.checks.file_lookups import FileLookups
from lakeflow_job_meta.config.bundle import BundleDeclarations
from lakeflow_job_meta.config.model import Project

if TYPE_CHECKING:
    from lakeflow_job_meta.compiler.parallel import Workers
    from lakeflow_job_meta.compiler.unit import CompilePass, UnitCompiler


def no_workers() -> None:
    """Has this process do all the work."""


@dataclass(frozen=True)  # without slots, since what was made is kept
class Compilers:
    """The compilers of one project.

    Attributes:
        project: The project.
        bundle: What the rest of the bundle declares.
        files: For the files that jobs name.
        workers: Returns what to share the work with; None for this process alone.
    """

    project: Project
    bundle: BundleDeclarations
    files: FileLookups
    workers: Callable[[], Workers | None] = no_workers

    @cached_property
    def here(self) -> UnitCompiler:
        """Compiles in this process."""
        from lakeflow_job_meta.compiler.unit import UnitCompiler

        return UnitCompiler(self.project, self.bundle, self.files)

    @cached_property
    def shared(self) -> CompilePass:
        """Compiles in this process and in the workers that there may be."""
        workers = self.workers()
        if workers is None:
            return self.here
        from lakeflow_job_meta.compiler.parallel import ParallelCompiler

        return ParallelCompiler(self.here, workers)
