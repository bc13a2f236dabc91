"""One part of a source on its way from raw metadata to files: parsed, built, checked and rendered.

Looks at the files that jobs name, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from lakeflow_job_meta.checks.all_checks import check_job
from lakeflow_job_meta.checks.context import CheckContext, NeedsOthers, OtherModules
from lakeflow_job_meta.checks.file_lookups import FileLookups
from lakeflow_job_meta.compiler.result import UnitResult
from lakeflow_job_meta.config.bundle import BundleDeclarations
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.diagnostics.model import Diagnostic, errors_among
from lakeflow_job_meta.diagnostics.rules.jobs import NO_ACTIVE_SOURCE
from lakeflow_job_meta.diagnostics.severity import SeverityOverrides
from lakeflow_job_meta.jobs.build import Built, build_job
from lakeflow_job_meta.jobs.model import Job
from lakeflow_job_meta.layout.job_summary import JobSummary, summarize_job
from lakeflow_job_meta.parsing.modules import ParsedModule, parse_module
from lakeflow_job_meta.parsing.units import SourceUnit
from lakeflow_job_meta.render.render import Renderer


class ParsedUnit:
    """A part that was read, with the jobs of its modules as far as they could be built.

    Args:
        part: The part.
        project: Its project.

    Attributes:
        parsed: Its modules.
        built: Their jobs, in the same order.
    """

    def __init__(self, part: SourceUnit, project: Project) -> None:
        self.content, self.label = part.content, part.label
        self.parsed: list[ParsedModule] = [parse_module(raw) for raw in part.content.modules]
        self.built: list[Built | None] = [
            build_job(each.module, project) if each.module is not None else None for each in self.parsed
        ]

    @property
    def jobs(self) -> Iterator[Job]:
        """The jobs that could be built, whatever is wrong with them."""
        return (each.job for each in self.built if each is not None and each.job is not None)

    @property
    def names(self) -> tuple[tuple[str | None, str | None], ...]:
        """The name and the job's key of each module, as far as there is one."""
        return tuple((each.name, each.key) for each in self.parsed)


@dataclass(slots=True)
class _Findings:
    """What was found so far; the fields are those of a result."""

    files: dict[str, str] = field(default_factory=dict)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    kept_jobs: set[str] = field(default_factory=set)
    broken: list[str] = field(default_factory=list)
    outlines: list[JobSummary] = field(default_factory=list)


class UnitCompiler:
    """Checks and renders the parts of one project.

    Args:
        project: The project.
        bundle: What the rest of the bundle declares.
        files: For the files that jobs name.

    Attributes:
        project: As given, likewise `bundle`.
        renderer: What writes the files.
    """

    def __init__(self, project: Project, bundle: BundleDeclarations, files: FileLookups) -> None:
        self.project = project
        self.bundle = bundle
        self._files = files
        self._severity = SeverityOverrides(dict(project.checks))
        self.renderer = Renderer(project)

    def compile_alone(self, part: SourceUnit) -> UnitResult | None:
        """Compiles a part without a look at the others; None if that cannot be done."""
        try:
            return self.compile(ParsedUnit(part, self.project), None, {})
        except NeedsOthers:
            return None

    def compile(
        self, part: ParsedUnit, others: OtherModules | None, collisions: Mapping[int, list[Diagnostic]]
    ) -> UnitResult:
        """Compiles a part that was opened.

        Args:
            part: The part.
            others: All modules of the project, as far as they are known.
            collisions: By the `id` of a module, what keeps it from standing beside another one.

        Raises:
            NeedsOthers: A check has to know the others, and they are not known.
        """
        context = CheckContext(self.project, self.bundle, self._files.noting(), others)
        found = _Findings(diagnostics=self._severity.apply(part.content.diagnostics))
        damaged = {_line(diagnostic) for diagnostic in found.diagnostics}
        # All checks come before the first rendering, which would be for nothing where a check needs the other modules.
        checked = [
            _checked(parsed, built, context, collisions.get(id(parsed), []))
            for parsed, built in zip(part.parsed, part.built, strict=True)
        ]
        for parsed, (job, problems) in zip(part.parsed, checked, strict=True):
            # What could not be read has been told; what is missing because of that only follows.
            told = damaged if parsed.is_damaged else ()
            self._add(found, parsed, job, [each for each in self._severity.apply(problems) if _line(each) not in told])
        if not part.content.is_whole:
            found.broken.append(part.label)
        return UnitResult(
            part.names,
            found.files,
            tuple(context.files.noted.items()),
            tuple(found.diagnostics),
            frozenset(found.kept_jobs),
            tuple(found.broken),
            part.content.is_whole,
            tuple(found.outlines),
        )

    def _add(self, found: _Findings, parsed: ParsedModule, job: Job | None, problems: list[Diagnostic]) -> None:
        """Renders a job that has no error, and adds what came of its module."""
        if job is not None and not errors_among(problems):
            rendered = self.renderer.render(job)
            problems += rendered.diagnostics
            found.files.update(rendered.files)
        if job is not None and not errors_among(problems):
            if self.project.bundles is not None:
                found.outlines.append(summarize_job(self.project, job.key, job.settings, job.module.group))
        elif parsed.key is not None:
            found.kept_jobs.add(parsed.key)
        # What is wrong with a damaged one was told where it was read.
        if parsed.is_damaged or errors_among(problems):
            found.broken.append(parsed.name or parsed.origin.document.label)
        found.diagnostics += problems


def _checked(
    parsed: ParsedModule, built: Built | None, context: CheckContext, collisions: list[Diagnostic]
) -> tuple[Job | None, list[Diagnostic]]:
    """Checks one module; a broken one too, so that all its mistakes are found in one run."""
    problems = [*parsed.diagnostics, *collisions]
    if built is None:
        return None, problems
    # A broken module may have no source only because none could be read.
    found = [each for each in built.diagnostics if not (parsed.is_broken and each.code == NO_ACTIVE_SOURCE.code)]
    problems += _without_follow_ups(found, problems)
    if built.job is not None:
        problems += _without_follow_ups(check_job(built.job, context), problems)
    return None if parsed.is_broken else built.job, problems


def _line(diagnostic: Diagnostic) -> tuple[str, int | None]:
    """Returns the line of a file, or the column of a row, that something is said of."""
    return diagnostic.location.path, diagnostic.location.line if diagnostic.location.is_file else None


def _without_follow_ups(found: Iterable[Diagnostic], before: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Drops what is said of a place of which an earlier step has said something: it only follows from that."""
    places = {diagnostic.location.start for diagnostic in before}
    return [diagnostic for diagnostic in found if diagnostic.location.start not in places]
