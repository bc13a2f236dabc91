"""The one middle that every command shares: from what was read to jobs, files and diagnostics.

Pure: takes a project and the readings of its metadata, touches neither disk nor workspace. A module with an error gives
no file; the result says which jobs must stay as they are because of that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from lakeflow_job_meta.diagnostics import (
    RULES,
    Diagnostic,
    Severity,
    errors_among,
    in_reading_order,
    rule,
    with_severity,
)
from lakeflow_job_meta.jobs.build import build_job
from lakeflow_job_meta.jobs.checks import CheckContext, check_job
from lakeflow_job_meta.jobs.model import Job
from lakeflow_job_meta.metadata.parse import Parsed, parse_module
from lakeflow_job_meta.metadata.reading import Reading
from lakeflow_job_meta.output.render import Renderer
from lakeflow_job_meta.project import Project
from lakeflow_job_meta.values import quoted

DUPLICATE_MODULE = rule(
    "duplicate-module",
    is_fixed=True,
    meaning="Two modules have the same name: in one file, in two files, or in a file and a table. A module comes from "
    "one place.",
    remedy="Rename or remove one of the two. Neither is generated before; the job stays as it is.",
)
JOB_KEY_COLLISION = rule(
    "job-key-collision",
    is_fixed=True,
    meaning="Two different module names become the same resource key (special characters become `_`), or keys that "
    "differ only in upper and lower case, which many disks do not tell apart.",
    remedy="Rename one of the two modules.",
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
        empty: Sources that were read and hold no module; `failed` could not be read.
        modules: How many modules there are, broken ones among them.
    """

    jobs: tuple[Job, ...]
    files: dict[str, str]
    diagnostics: tuple[Diagnostic, ...]
    kept_jobs: frozenset[str]
    kept_labels: frozenset[str]
    empty: tuple[Reading, ...]
    failed: tuple[Reading, ...]
    modules: int

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
        return any(reading.covers(label) for reading in self.failed)


def compile_project(
    project: Project,
    readings: Sequence[Reading],
    on_progress: Callable[[int, int], None] = lambda done, of: None,
) -> Compilation:
    """Checks all metadata, and builds and renders every job that has no error.

    Args:
        project: The project.
        readings: What its sources gave, in order.
        on_progress: Called now and then with the number of modules done and of all.
    """
    parsed = [parse_module(raw) for reading in readings for raw in reading.modules]
    collisions = _collisions(parsed)
    names = {each.name: each.key for each in parsed if each.name is not None and each.key is not None}
    context = CheckContext(project, names)
    renderer = Renderer(project)
    judge = Judge(project)
    diagnostics = judge.judged(problem for reading in readings for problem in reading.diagnostics)
    jobs: list[Job] = []
    files: dict[str, str] = {}
    kept: set[str] = set()
    for number, each in enumerate(parsed):
        job, problems = _job(each, context, collisions.get(number, []))
        problems = judge.judged(problems)
        if job is not None and not errors_among(problems):
            rendered = renderer.render(job)
            problems += rendered.diagnostics
            files.update(rendered.files)
        if job is not None and not errors_among(problems):
            jobs.append(job)
        elif each.key is not None:
            kept.add(each.key)
        diagnostics += problems
        if number % 100 == 0:
            on_progress(number, len(parsed))
    nameless = {each.origin.document.label for each in parsed if each.key is None}
    return Compilation(
        tuple(jobs),
        files,
        in_reading_order(diagnostics),
        frozenset(kept),
        frozenset(nameless.union(*(reading.unreadable for reading in readings))),
        tuple(reading for reading in readings if reading.is_empty),
        tuple(reading for reading in readings if reading.failed),
        len(parsed),
    )


def _job(parsed: Parsed, context: CheckContext, collisions: list[Diagnostic]) -> tuple[Job | None, list[Diagnostic]]:
    """Builds and checks one module; a broken one too, so that all its mistakes are found in one run."""
    problems = [*parsed.diagnostics, *collisions]
    if parsed.module is None:
        return None, problems
    built = build_job(parsed.module, context.project)
    problems += _without_follow_ups(built.diagnostics, problems)
    if built.job is not None:
        problems += _without_follow_ups(check_job(built.job, context), problems)
    return None if parsed.is_broken else built.job, problems


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
