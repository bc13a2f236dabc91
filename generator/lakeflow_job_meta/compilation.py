"""The one middle that every command shares: from metadata to jobs, files and diagnostics.

Reads the project's metadata, and looks whether files that jobs name exist; changes nothing and never talks to a
workspace. A module with an error gives no file; the result says which jobs must stay as they are because of that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from lakeflow_job_meta.bundle_facts import BundleFacts, read_bundle_facts
from lakeflow_job_meta.diagnostics import (
    RULES,
    Diagnostic,
    Severity,
    errors_among,
    example,
    in_reading_order,
    rule,
    with_severity,
)
from lakeflow_job_meta.jobs.build import NO_ACTIVE_SOURCE, Built, build_job
from lakeflow_job_meta.jobs.checks.all_checks import check_job
from lakeflow_job_meta.jobs.checks.context import CheckContext
from lakeflow_job_meta.jobs.checks.other_jobs import jobs_run_by
from lakeflow_job_meta.jobs.model import Job
from lakeflow_job_meta.metadata.keys import job_key
from lakeflow_job_meta.metadata.parse import Parsed, parse_module
from lakeflow_job_meta.metadata.reading import Reading
from lakeflow_job_meta.output.render import Renderer
from lakeflow_job_meta.project import Project, check_codes
from lakeflow_job_meta.project_files import ProjectFiles
from lakeflow_job_meta.values import quoted
from lakeflow_job_meta.workspace import Workspace

_SECOND = (
    "  - module_name: {}\n    sources:\n      - source_id: a\n        execution_order: 1\n"
    "        transformation_config: {{notebook_path: /Workspace/a}}\n"
)
DUPLICATE_MODULE = rule(
    "duplicate-module",
    is_fixed=True,
    meaning="Two modules have the same name: in one file, in two files, or in a file and a table. A module comes from "
    "one place.",
    remedy="Rename or remove one of the two. Neither is generated before; the job stays as it is.",
    wrong=example("notebook_path: /Workspace/a", module=_SECOND.format("sales")),
    right=example("notebook_path: /Workspace/a", module=_SECOND.format("stock")),
)
JOB_KEY_COLLISION = rule(
    "job-key-collision",
    is_fixed=True,
    meaning="Two different module names become the same resource key (special characters become `_`), or keys that "
    "differ only in upper and lower case, which many disks do not tell apart.",
    remedy="Rename one of the two modules.",
    wrong=example("notebook_path: /Workspace/a", module=_SECOND.format("Sales")),
    right=example("notebook_path: /Workspace/a", module=_SECOND.format("stock")),
)
_IGNORE = re.compile(r"#\s*ljm:\s*ignore\[([\w\s,-]+)\]")


@dataclass(frozen=True, slots=True)
class Compilation:
    """What a project's metadata comes to.

    Attributes:
        jobs: The jobs without an error, in reading order.
        files: The text of every file, by its path below the output folder.
        diagnostics: Everything to tell the user, by place.
        kept_jobs: Keys of jobs that stay as they are, since their module is broken or has nothing active.
        kept_labels: Files and tables that could not be read in whole; all that came from them stays as it is.
        missing: Sources that are empty or could not be read; `present` are the others.
        modules: How many modules there are, broken ones among them.
        broken: The names of the modules with an error; where a name could not be read, the file or table.
    """

    jobs: tuple[Job, ...]
    files: dict[str, str]
    diagnostics: tuple[Diagnostic, ...]
    kept_jobs: frozenset[str]
    kept_labels: frozenset[str]
    missing: tuple[Reading, ...]
    present: tuple[Reading, ...]
    modules: int
    broken: tuple[str, ...] = ()

    @property
    def metadata_version(self) -> str:
        """The versions of the tables that were read, such as `main.etl.control@17`; empty for files alone."""
        readings = sorted((*self.present, *self.missing), key=lambda reading: reading.source)
        return ", ".join(f"{each.source}@{each.version}" for each in readings if each.version is not None)

    @property
    def errors(self) -> list[Diagnostic]:
        """The diagnostics that are errors."""
        return errors_among(self.diagnostics)

    def keeps(self, job_key: str, label: str) -> bool:
        """Says whether a generated file must stay although no job asks for it.

        Args:
            job_key: The job that it belongs to.
            label: Where its marker says it comes from.
        """
        if job_key in self.kept_jobs or label in self.kept_labels:
            return True
        return any(reading.failed for reading in self.missing) and self.may_be_of_missing(label)

    def may_be_of_missing(self, label: str) -> bool:
        """Says whether a file may come from a source that is empty or could not be read.

        Whatever comes from no other source may: a source that was renamed, or misspelt in the project file, leaves
        labels that nobody knows.
        """
        return bool(self.missing) and not any(reading.covers(label) for reading in self.present)


Progress = Callable[[str, int, int], None]
"""Is told what is being done, and how many steps of how many are done."""


def _silently(what: str, done: int, of: int) -> None:
    """Tells nobody."""


def compile_project(
    project: Project,
    on_progress: Progress = _silently,
    on_wait: Callable[[str], None] = lambda message: None,
    workspace: Workspace | None = None,
) -> Compilation:
    """Reads all metadata of a project, checks it, and builds and renders every job that has no error.

    Args:
        project: The project.
        on_progress: Called now and then.
        on_wait: Told when a warehouse makes one wait.
        workspace: Where tables and volumes are; by default the one of the environment.

    Raises:
        Misconfigured: The project file gives a severity to a check that does not exist or cannot be changed.
    """
    check_codes(project)
    readings = []
    readers = project.readers(on_wait, workspace)
    for number, reader in enumerate(readers):
        on_progress("Reading metadata", number, len(readers))
        readings.append(reader.read())
    return compile_readings(project, readings, read_bundle_facts(project), ProjectFiles(project.folder), on_progress)


def compile_readings(
    project: Project,
    readings: Sequence[Reading],
    bundle: BundleFacts,
    files_of_project: ProjectFiles,
    on_progress: Progress = _silently,
    *,
    other_modules: Iterable[str] = (),
) -> Compilation:
    """Checks metadata that was read, and builds and renders every job that has no error.

    Args:
        project: The project.
        readings: What its sources gave, in order.
        bundle: What the rest of the bundle declares.
        files_of_project: For the files that jobs name.
        on_progress: Called now and then.
        other_modules: Names of modules that exist without being read here, whose jobs may be run.
    """
    parsed = [parse_module(raw) for reading in readings for raw in reading.modules]
    collisions = _collisions(parsed)
    built = [build_job(each.module, project) if each.module is not None else None for each in parsed]
    others = {name: job_key(name) for name in other_modules}
    jobs_built = [each.job for each in built if each is not None]
    context = _context(project, bundle, files_of_project, parsed, jobs_built, others)
    renderer = Renderer(project)
    judge = Judge(project)
    diagnostics = judge.judged(problem for reading in readings for problem in reading.diagnostics)
    damaged_lines = {_line(diagnostic) for diagnostic in diagnostics}
    jobs: list[Job] = []
    files: dict[str, str] = {}
    kept: set[str] = set()
    broken: list[str] = []
    for number, (each, made) in enumerate(zip(parsed, built, strict=True)):
        job, problems = _checked(each, made, context, collisions.get(number, []))
        problems = [
            problem
            for problem in judge.judged(problems)
            # What could not be read has been told; what is missing because of that only follows.
            if not each.is_damaged or _line(problem) not in damaged_lines
        ]
        if job is not None and not errors_among(problems):
            rendered = renderer.render(job)
            problems += rendered.diagnostics
            files.update(rendered.files)
        if job is not None and not errors_among(problems):
            jobs.append(job)
        elif each.key is not None:
            kept.add(each.key)
        # What is wrong with a damaged one was told where it was read.
        if each.is_damaged or errors_among(problems):
            broken.append(each.name or each.origin.document.label)
        diagnostics += problems
        if number % 100 == 0:
            on_progress("Checking modules", number, len(parsed))
    nameless = {each.origin.document.label for each in parsed if each.key is None}
    return Compilation(
        tuple(jobs),
        files,
        in_reading_order(diagnostics),
        frozenset(kept),
        frozenset(nameless.union(*(reading.unreadable for reading in readings))),
        tuple(reading for reading in readings if reading.is_empty or reading.failed),
        tuple(reading for reading in readings if not (reading.is_empty or reading.failed)),
        len(parsed),
        tuple(dict.fromkeys([*broken, *sorted(label for reading in readings for label in reading.unreadable)])),
    )


def _context(
    project: Project,
    bundle: BundleFacts,
    files: ProjectFiles,
    parsed: Sequence[Parsed],
    jobs: Iterable[Job | None],
    others: dict[str, str],
) -> CheckContext:
    named = {each.name: each.key for each in parsed if each.name is not None and each.key is not None}
    names = {**others, **named}
    runs = {job.key: tuple(key for _, key in jobs_run_by(job)) for job in jobs if job is not None}
    return CheckContext(project, bundle, files, names, runs, frozenset(names.values()))


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


def _collisions(parsed: Sequence[Parsed]) -> dict[int, list[Diagnostic]]:
    """Finds modules that would become one job: both are reported, by their number in `parsed`."""
    by_key: dict[str, list[int]] = {}
    for number, each in enumerate(parsed):
        if each.key is not None:
            by_key.setdefault(each.key.casefold(), []).append(number)
    found: dict[int, list[Diagnostic]] = {}
    for numbers in by_key.values():
        for number in numbers if len(numbers) > 1 else ():
            other = numbers[1] if number == numbers[0] else numbers[0]
            found[number] = [_collision(parsed[number], parsed[other])]
    return found


def _collision(one: Parsed, other: Parsed) -> Diagnostic:
    origin, elsewhere = one.origin.at("module_name"), other.origin.at("module_name")
    if one.name == other.name:
        return DUPLICATE_MODULE.at(origin, f"the module {quoted(one.name)} is also at {elsewhere}")
    return JOB_KEY_COLLISION.at(
        origin,
        f"{quoted(one.name)} and {quoted(other.name)} (at {elsewhere}) become the job keys {one.key!r} and "
        f"{other.key!r}, which cannot stand side by side",
    )


class Judge:
    """Gives each diagnostic the severity that the project file or a comment beside it asks for.

    Args:
        project: Its `checks` map codes to `error`, `warning` or `off`.
    """

    def __init__(self, project: Project) -> None:
        self._severities = dict(project.checks)

    def judged(self, diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
        """Returns what is left to report."""
        return [judged for diagnostic in diagnostics if (judged := self._judge(diagnostic)) is not None]

    def _judge(self, diagnostic: Diagnostic) -> Diagnostic | None:
        if RULES[diagnostic.code].is_fixed:
            return diagnostic
        ignored = _IGNORE.search(diagnostic.source_line or "")
        if ignored and diagnostic.code in (code.strip() for code in ignored.group(1).split(",")):
            return None
        severity = self._severities.get(diagnostic.code)
        if severity is None:
            return diagnostic
        return None if severity == "off" else with_severity(diagnostic, Severity(severity))
