"""What the modules of one part of a source came to. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from lakeflow_job_meta.bundles.outline import JobOutline
from lakeflow_job_meta.diagnostics import Diagnostic
from lakeflow_job_meta.project_files import Answer, Look


@dataclass(frozen=True, slots=True)
class Result:
    """What one part of a source came to.

    Attributes:
        modules: The name and the job's key of each module in it, as far as there is one.
        files: The text of every file, by its path below the output folder.
        noted: What was asked of the project's files, and the answers.
        diagnostics: Everything to tell the user.
        kept_jobs: Keys of jobs that stay as they are.
        broken: The names of the modules with an error; where a name could not be read, the file or table.
        is_whole: Whether all modules of the part could be read.
        outlines: What their bundles have to know of the jobs that files were made of, in a project of many bundles.
    """

    modules: tuple[tuple[str | None, str | None], ...]
    files: dict[str, str]
    noted: tuple[tuple[Look, Answer], ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    kept_jobs: frozenset[str] = frozenset()
    broken: tuple[str, ...] = ()
    is_whole: bool = True
    outlines: tuple[JobOutline, ...] = ()

    @property
    def is_good(self) -> bool:
        """Whether there is nothing to say of it, so that files are all that it comes to."""
        return self.is_whole and not (self.diagnostics or self.kept_jobs or self.broken)

    @property
    def is_empty(self) -> bool:
        """Whether it was read, and there is nothing in it."""
        return self.is_whole and not self.modules

    @property
    def is_unknown(self) -> bool:
        """Whether there may be modules in it of which not even the key is known."""
        return not self.is_whole or any(key is None for _, key in self.modules)
