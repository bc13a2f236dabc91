"""What compiling gives: the result of one unit, and of a whole project. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from lakeflow_job_meta.blueprints.model import Library
from lakeflow_job_meta.config.bundle import BundleDeclarations
from lakeflow_job_meta.control_table.waiting import WaitingModule
from lakeflow_job_meta.diagnostics.model import Diagnostic, errors_among
from lakeflow_job_meta.jobs.all_jobs import Jobs
from lakeflow_job_meta.layout.generated_file import GeneratedFile
from lakeflow_job_meta.layout.job_summary import JobSummary
from lakeflow_job_meta.parsing.units import SourceUnit
from lakeflow_job_meta.sources.interface import SourceSnapshot

if TYPE_CHECKING:
    from lakeflow_job_meta.checks.file_lookups import Answer, Lookup
    from lakeflow_job_meta.jobs.module_names import ModuleNames


@dataclass(frozen=True, slots=True)
class Compilation:
    """The result of a project's metadata.

    Attributes:
        jobs: The jobs without an error.
        files: The text of every file of a job.
        diagnostics: Everything to report, by location.
        kept_jobs: Keys of jobs that stay as they are, since their module is broken or has nothing active.
        kept_labels: Files and tables of which not all modules are known, so that none of theirs counts as gone.
        missing: Sources that are empty or could not be read; `present` are the others.
        modules: How many modules there are, broken ones among them.
        broken: The names of the modules with an error; where a name could not be read, the file or table.
        summaries: Summaries of the jobs for their bundles, in a project of many bundles.
        bundles: The bundle of each job by its key, in a project of many bundles.
        broken_jobs: Keys of the jobs of broken modules, as far as they are known.
        loose_tasks: Keys of the tasks of sources whose module is not known.
        bundle: What the rest of the bundle declared when all this was compiled.
        library: The blueprints of the project.
        units: What each unit came to by itself, in reading order.
        waiting: The modules whose rows wait for approval, where the target needs that.
        held: The keys of jobs that stay as they are deployed, or are not created, for want of an approval.
        approved_removals: The keys of jobs that may go; None where that needs no approval.
        digests: Digests of the texts of files, where the cache had them.
    """

    jobs: Jobs
    files: dict[GeneratedFile, str]
    diagnostics: tuple[Diagnostic, ...]
    kept_jobs: frozenset[str]
    kept_labels: frozenset[str]
    missing: tuple[SourceSnapshot, ...]
    present: tuple[SourceSnapshot, ...]
    modules: int
    broken: tuple[str, ...] = ()
    summaries: tuple[JobSummary, ...] = ()
    bundles: Mapping[str, str] = field(default_factory=dict)
    broken_jobs: frozenset[str] = frozenset()
    loose_tasks: frozenset[str] = frozenset()
    bundle: BundleDeclarations = field(default_factory=BundleDeclarations)
    library: Library = field(default_factory=lambda: Library({}))
    units: Mapping[SourceUnit, UnitResult] = field(default_factory=dict)
    waiting: tuple[WaitingModule, ...] = ()
    held: frozenset[str] = frozenset()
    approved_removals: frozenset[str] | None = None
    digests: Mapping[GeneratedFile, str] = field(default_factory=dict)

    def lacks_approval_to_go(self, key: str) -> bool:
        """Returns whether a job that the metadata no longer has stays, since nobody has approved that it goes."""
        approved = self.approved_removals
        return approved is not None and key not in approved and key not in self.jobs.renamed

    @property
    def metadata_version(self) -> str:
        """The versions of the tables that were read, such as `main.etl.control@17`; empty for files alone."""
        snapshots = sorted((*self.present, *self.missing), key=lambda snapshot: snapshot.source)
        return ", ".join(f"{each.source}@{each.version}" for each in snapshots if each.version is not None)

    @property
    def errors(self) -> list[Diagnostic]:
        """The diagnostics that are errors."""
        return errors_among(self.diagnostics)

    def hiding_places(self, existing: Collection[str]) -> tuple[str, ...]:
        """Returns where a module may be that seems to be gone: no job is deleted while there is such a place.

        These are sources, files and tables that could not be read in whole, and broken modules that have no job of
        their own yet: each may be a module under a new name. `existing` are the keys of the jobs that there are.
        """
        unread = (snapshot.source for snapshot in self.missing if snapshot.is_unreadable)
        return tuple(
            dict.fromkeys([*unread, *sorted(self.kept_labels), *sorted(self.broken_jobs.difference(existing))])
        )

    def is_unread(self, label: str) -> bool:
        """Returns whether a label is of a file or table that could not be read in whole."""
        is_failing = any(snapshot.is_unreadable for snapshot in self.missing)
        return label in self.kept_labels or (is_failing and self.may_be_of_missing(label))

    def may_be_of_missing(self, label: str) -> bool:
        """Returns whether a file may come from a source that is empty or could not be read.

        Whatever comes from no other source may: a source that was renamed, or misspelt in the project file, leaves
        labels that nobody knows.
        """
        return bool(self.missing) and not any(snapshot.contains(label) for snapshot in self.present)


class UnitResult(NamedTuple):
    """The result of one compilation unit; a tuple, since reading thousands from the cache makes as many.

    Attributes:
        files: The text of every file, by its path below the output folder.
        noted: What was looked up in the project's files, and the answers.
        diagnostics: Everything to report.
        kept_jobs: Keys of jobs that stay as they are.
        broken: The names of the modules with an error; where a name could not be read, the file or table.
        is_whole: Whether all modules of the unit could be read.
        summaries: Summaries of the jobs that have files, in a project of many bundles.
        loose_tasks: Keys of the tasks of sources whose module is not known.
        presets: The names of presets that its jobs took something from.
        policies: The names of policies that are for some of its jobs.
        digests: Digests of the texts of `files`, in the same order; nothing where the cache did not have them.
    """

    modules: tuple[ModuleNames, ...]
    files: dict[str, str]
    noted: tuple[tuple[Lookup, Answer], ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    kept_jobs: frozenset[str] = frozenset()
    broken: tuple[str, ...] = ()
    is_whole: bool = True
    summaries: tuple[JobSummary, ...] = ()
    loose_tasks: frozenset[str] = frozenset()
    presets: frozenset[str] = frozenset()
    policies: frozenset[str] = frozenset()
    digests: tuple[str, ...] = ()

    @property
    def is_good(self) -> bool:
        """Whether there is nothing to report, so that its files are the whole result."""
        return self.is_whole and not (self.diagnostics or self.kept_jobs or self.broken)

    @property
    def is_empty(self) -> bool:
        """Whether it was read, and there is nothing in it."""
        return self.is_whole and not self.modules

    @property
    def is_unknown(self) -> bool:
        """Whether there may be modules in it of which not even the key is known."""
        return not self.is_whole or any(module.key is None for module in self.modules)
