"""One part of a source on its way from raw metadata to files: remembered from an earlier run, or compiled now.

A part is read, parsed, built, checked and rendered here; what the parts mean to each other is decided by the caller.
Looks at the files that jobs name, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from lakeflow_job_meta.bundle_facts import BundleFacts
from lakeflow_job_meta.cache.stored import Result
from lakeflow_job_meta.diagnostics import Diagnostic, errors_among
from lakeflow_job_meta.jobs.build import NO_ACTIVE_SOURCE, Built, build_job
from lakeflow_job_meta.jobs.checks.all_checks import check_job
from lakeflow_job_meta.jobs.checks.context import CheckContext, OtherModules
from lakeflow_job_meta.jobs.model import Job
from lakeflow_job_meta.judge import Judge
from lakeflow_job_meta.metadata.parse import Parsed, parse_module
from lakeflow_job_meta.metadata.reading import Part
from lakeflow_job_meta.output.render import Renderer
from lakeflow_job_meta.project import Project
from lakeflow_job_meta.project_files import ProjectFiles


@dataclass(slots=True)
class Portion:
    """A part of a source, and how far it has come.

    Attributes:
        result: What it is known to come to; None while it is not.
        parsed: Its modules, once it was opened.
        built: The jobs of these as far as they could be built.
    """

    part: Part
    result: Result | None = None
    parsed: list[Parsed] = field(default_factory=list)
    built: list[Built | None] = field(default_factory=list)

    def open(self, project: Project) -> None:
        """Reads the part and builds its jobs, whatever was known of it."""
        self.result = None
        self.parsed = [parse_module(raw) for raw in self.part.content.modules]
        self.built = [build_job(each.module, project) if each.module is not None else None for each in self.parsed]

    @property
    def names(self) -> Sequence[tuple[str | None, str | None]]:
        """The name and the job's key of each module, as far as there is one."""
        return self.result.modules if self.result is not None else [(each.name, each.key) for each in self.parsed]

    @property
    def is_empty(self) -> bool:
        """Whether it was read, and there is nothing in it."""
        return not self.names and (self.result is not None or self.part.content.is_whole)

    @property
    def is_unknown(self) -> bool:
        """Whether there may be modules in it of which not even the key is known."""
        unread = self.result is None and not self.part.content.is_whole
        return unread or any(key is None for _, key in self.names)

    def jobs_anew(self, project: Project) -> list[Job]:
        """Returns the jobs of a part that was remembered, and so has no mistake."""
        parsed = (parse_module(raw) for raw in self.part.content.modules)
        built = (build_job(each.module, project) for each in parsed if each.module is not None)
        return [each.job for each in built if each.job is not None]


@dataclass(slots=True)
class Compiled:
    """What the modules of a part came to.

    Attributes:
        jobs: Those without an error.
        files: As in a compilation, likewise `diagnostics`, `kept_jobs` and `broken`.
        result: What can be remembered of it; None if nothing can.
    """

    jobs: list[Job] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    kept_jobs: set[str] = field(default_factory=set)
    broken: list[str] = field(default_factory=list)
    result: Result | None = None


class PortionCompiler:
    """Checks and renders the parts of one project.

    Args:
        project: The project.
        bundle: What the rest of the bundle declares.
        files: For the files that jobs name.
        others: All modules of the project.
        on_module: Called after each module.
    """

    def __init__(
        self,
        project: Project,
        bundle: BundleFacts,
        files: ProjectFiles,
        others: OtherModules,
        on_module: Callable[[], None],
    ) -> None:
        self._project = project
        self._bundle = bundle
        self._files = files
        self._others = others
        self._on_module = on_module
        self._judge = Judge(project)
        self.renderer = Renderer(project)

    def compile(self, portion: Portion, collisions: Sequence[list[Diagnostic]]) -> Compiled:
        """Compiles a part that was opened.

        Args:
            portion: The part.
            collisions: For each of its modules, what keeps it from standing beside another one.
        """
        context = CheckContext(self._project, self._bundle, self._files.noting(), self._others)
        compiled = Compiled(diagnostics=self._judge.judged(portion.part.content.diagnostics))
        damaged = {_line(diagnostic) for diagnostic in compiled.diagnostics}
        for parsed, built, collided in zip(portion.parsed, portion.built, collisions, strict=True):
            job, problems = _checked(parsed, built, context, collided)
            # What could not be read has been told; what is missing because of that only follows.
            told = damaged if parsed.is_damaged else ()
            self._add(compiled, parsed, job, [each for each in self._judge.judged(problems) if _line(each) not in told])
            self._on_module()
        if not portion.part.content.is_whole:
            compiled.broken.append(portion.part.label)
        if portion.part.content.is_whole and not (compiled.diagnostics or compiled.kept_jobs or context.saw_others):
            modules = tuple((job.module.module_name, job.key) for job in compiled.jobs)
            compiled.result = Result(modules, compiled.files, tuple(context.files.noted.items()))
        return compiled

    def _add(self, compiled: Compiled, parsed: Parsed, job: Job | None, problems: list[Diagnostic]) -> None:
        """Renders a job that has no error, and adds what came of its module."""
        if job is not None and not errors_among(problems):
            rendered = self.renderer.render(job)
            problems += rendered.diagnostics
            compiled.files.update(rendered.files)
        if job is not None and not errors_among(problems):
            compiled.jobs.append(job)
        elif parsed.key is not None:
            compiled.kept_jobs.add(parsed.key)
        # What is wrong with a damaged one was told where it was read.
        if parsed.is_damaged or errors_among(problems):
            compiled.broken.append(parsed.name or parsed.origin.document.label)
        compiled.diagnostics += problems


def _checked(
    parsed: Parsed, built: Built | None, context: CheckContext, collisions: list[Diagnostic]
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
    return diagnostic.place.path, diagnostic.place.line if diagnostic.place.is_file else None


def _without_follow_ups(found: Iterable[Diagnostic], before: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Drops what is said of a place of which an earlier step has said something: it only follows from that."""
    places = {diagnostic.place for diagnostic in before}
    return [diagnostic for diagnostic in found if diagnostic.place not in places]
