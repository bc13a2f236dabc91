"""One compilation unit on its way from raw metadata to files: parsed, built, checked and rendered.

Looks at the files that jobs name, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from lakeflow_job_meta._internal.secret_signs import Found
from lakeflow_job_meta._internal.secrets import secrets_of
from lakeflow_job_meta._internal.text import quoted
from lakeflow_job_meta.blueprints.expansion import ExpandedModule
from lakeflow_job_meta.checks.context import CheckContext, OtherModules
from lakeflow_job_meta.checks.file_lookups import FileLookups
from lakeflow_job_meta.checks.secrets import holds_no_secrets, module_holds_no_secrets
from lakeflow_job_meta.checks.settings import constants_fit_the_schema
from lakeflow_job_meta.compiler.alike import Alike
from lakeflow_job_meta.compiler.result import UnitResult
from lakeflow_job_meta.compiler.takeovers import Takeovers
from lakeflow_job_meta.config.bundle import BundleDeclarations
from lakeflow_job_meta.config.model import Defaults, Project
from lakeflow_job_meta.diagnostics.model import Diagnostic, errors_among
from lakeflow_job_meta.diagnostics.rules import (
    DUPLICATE_KEY,
    DUPLICATE_MODULE,
    JOB_KEY_COLLISION,
    NO_ACTIVE_SOURCE,
    POLICY,
    TASK_KIND,
    UNKNOWN_FIELD,
    SeverityOverrides,
)
from lakeflow_job_meta.jobs.build import build_job
from lakeflow_job_meta.jobs.model import Job
from lakeflow_job_meta.jobs.neighbours import NeedsOthers, Neighbours
from lakeflow_job_meta.jobs.units import BuiltModule, ParsedUnit, parse_unit
from lakeflow_job_meta.layout.job_summary import JobSummary
from lakeflow_job_meta.layout.layout import layout_of
from lakeflow_job_meta.parsing.keys import TaskKeys, former_key, task_key
from lakeflow_job_meta.parsing.model import Module
from lakeflow_job_meta.parsing.modules import ParsedModule
from lakeflow_job_meta.parsing.units import RawModule, SourceUnit
from lakeflow_job_meta.render.render import Renderer

OnDone = Callable[[int, int], None]
"""Called now and then with how many units of how many are done."""

_UNITS_PER_REPORT = 50


class CompilePass(Protocol):
    """Compiles units, each without the others."""

    @property
    def templates(self) -> set[tuple[str, str | None]]:
        """Name and text of each template of the project that was used; None for one that is not there."""

    def compile_units(self, units: Sequence[SourceUnit], on_done: OnDone) -> dict[SourceUnit, UnitResult]:
        """Returns the results of all units but those that depend on others."""


@dataclass(frozen=True, slots=True)
class Links:
    """What all units of a project know together.

    Attributes:
        others: All modules of the project, as far as they are known.
        collisions: Modules that would become the same job, by the job's key in small letters.
        takeovers: Modules that take over what others take over too, or what others are.
    """

    others: OtherModules
    collisions: Mapping[str, Sequence[ParsedModule]]
    takeovers: Takeovers = field(default_factory=Takeovers)

    def conflicts_of(self, module: ParsedModule) -> list[Diagnostic]:
        """Returns what keeps a module from standing beside other ones."""
        same = self.collisions.get(module.key.casefold(), ()) if module.key is not None else ()
        other = next((each for each in same if each is not module), None)
        collisions = [] if other is None else [_collision(module, other)]
        return [*collisions, *self.takeovers.problems_of(module)]


def _collision(one: ParsedModule, other: ParsedModule) -> Diagnostic:
    origin, elsewhere = one.origin.at("module_name"), other.origin.at("module_name")
    if one.name == other.name:
        return DUPLICATE_MODULE.at(origin, f"the module {quoted(one.name)} is also at {elsewhere}")
    return JOB_KEY_COLLISION.at(
        origin,
        f"{quoted(one.name)} and {quoted(other.name)} (at {elsewhere}) become the job keys {one.key!r} and "
        f"{other.key!r}, which cannot stand side by side",
    )


@dataclass(slots=True)
class _Findings:
    """What was found so far; the fields are those of a result."""

    files: dict[str, str] = field(default_factory=dict)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    kept_jobs: set[str] = field(default_factory=set)
    broken: list[str] = field(default_factory=list)
    summaries: list[JobSummary] = field(default_factory=list)


class UnitCompiler:
    """Checks and renders the units of one project.

    Args:
        project: The project.
        bundle: What the rest of the bundle declares.
        files: For the files that jobs name.
    """

    def __init__(self, project: Project, bundle: BundleDeclarations, files: FileLookups) -> None:
        self.project = project
        self.bundle = bundle
        self.layout = layout_of(project)
        self.files = files
        self._severity = SeverityOverrides(dict(project.checks))
        self._renderer = Renderer(project)
        self._alike = Alike(project, bundle, self._compile_alone)

    @property
    def templates(self) -> set[tuple[str, str | None]]:
        return set(self._renderer.project_templates.items())

    def compile_units(self, units: Sequence[SourceUnit], on_done: OnDone) -> dict[SourceUnit, UnitResult]:
        results: dict[SourceUnit, UnitResult] = {}
        for number, unit in enumerate(units):
            if number % _UNITS_PER_REPORT == 0:
                on_done(number, len(units))
            result = self.compile_alone(unit)
            if result is not None:
                results[unit] = result
        return results

    def parse(self, unit: SourceUnit, neighbours: Neighbours | None = None) -> ParsedUnit:
        """Parses a unit; without all modules, NeedsOthers is raised where one of them waits for others or runs them."""
        return parse_unit(unit, self.project, self.layout.output, self.bundle.targets, neighbours)

    def compile_alone(self, unit: SourceUnit) -> UnitResult | None:
        """Compiles a unit without the others; None if that cannot be done."""
        return self._alike.compile(unit)

    def _compile_alone(self, unit: SourceUnit) -> UnitResult | None:
        try:
            return self.compile(self.parse(unit))
        except NeedsOthers:
            return None

    def compile(self, unit: ParsedUnit, links: Links | None = None) -> UnitResult:
        """Compiles a unit that was parsed.

        Args:
            unit: The unit.
            links: What all units know together; None while each is compiled alone.

        Raises:
            NeedsOthers: A check has to know the other modules, and they are not known.
        """
        content = unit.source.content
        others = links.others if links else None
        context = CheckContext(self.project, self.layout.output, self.bundle, self.files.noting(), others)
        found = _Findings(diagnostics=self._severity.apply(content.diagnostics))
        damaged = {_line(each) for each in found.diagnostics if not _is_read_all_the_same(each)}
        # All checks come before the first rendering, which would be for nothing where a check needs the other modules.
        checked = [
            (module.parsed, *_checked(module, context, links.conflicts_of(module.parsed) if links else []))
            for module in unit.modules
        ]
        for example in unit.examples:
            _, problems = _checked(example, replace(context, policies=set()), [])
            reported = damaged if example.parsed.is_damaged else ()
            found.diagnostics += [each for each in self._severity.apply(problems) if _line(each) not in reported]
        for draft in content.drafts:
            found.diagnostics += self._severity.apply(_constants_of(draft, context))
        for parsed, job, problems in checked:
            # What could not be read has been reported; what is missing because of that only follows.
            reported = damaged if parsed.is_damaged else ()
            shown = [problem for problem in self._severity.apply(problems) if _line(problem) not in reported]
            self._add(found, parsed, job, shown)
        if not content.is_whole:
            found.broken.append(unit.source.label)
        if found.diagnostics:
            secrets = _secrets_of(unit, self.project)
            found.diagnostics = [each.without(secrets) for each in found.diagnostics] if secrets else found.diagnostics
        return UnitResult(
            unit.names,
            found.files,
            tuple(context.files.noted.items()),
            tuple(found.diagnostics),
            frozenset(found.kept_jobs),
            tuple(found.broken),
            content.is_whole,
            tuple(found.summaries),
            _loose_tasks(unit, self.project.task_keys),
            frozenset().union(*(job.presets for job in unit.jobs)),
            frozenset(context.policies),
        )

    def _add(self, found: _Findings, parsed: ParsedModule, job: Job | None, problems: list[Diagnostic]) -> None:
        """Renders a job that has no error, and adds what became of its module."""
        if job is not None and not errors_among(problems):
            rendered = self._renderer.render(job)
            problems += rendered.diagnostics
            found.files.update(rendered.files)
        if job is not None and not errors_among(problems):
            everywhere = [each.settings for each in job.variants]
            found.summaries += self.layout.summaries(job.key, everywhere, job.module.group)
        elif parsed.key is not None:
            # Where it was renamed at the same time, its job has the former key.
            former = parsed.module.formerly if parsed.module is not None else ()
            found.kept_jobs |= {parsed.key, *map(former_key, former)}
        # What is wrong with a damaged one was reported where it was read.
        if parsed.is_damaged or errors_among(problems):
            found.broken.append(parsed.name or parsed.origin.document.label)
        found.diagnostics += problems


def _checked(
    module: BuiltModule, context: CheckContext, conflicts: list[Diagnostic]
) -> tuple[Job | None, list[Diagnostic]]:
    """Checks one module; a broken one too, so that all its mistakes are found in one run."""
    # Most runs find everything in the cache, and do without checks.
    from lakeflow_job_meta.checks.all_checks import check_job

    parsed, built = module.parsed, module.built
    problems = [*parsed.diagnostics, *conflicts]
    # A broken module may have no source only because none could be read; and that of a row, the row switches off.
    is_no_news = parsed.is_broken or isinstance(parsed.origin.document, ExpandedModule)
    found = [each for each in built.diagnostics if not (is_no_news and each.code == NO_ACTIVE_SOURCE.code)]
    problems += _without_follow_ups(found, problems)
    if built.job is not None:
        # Of what could not be read, nobody knows whether it keeps a policy.
        found = [each for each in check_job(built.job, context) if not (parsed.is_damaged and _is_of_policy(each))]
        problems += _without_follow_ups(found, problems)
    elif parsed.module is not None:
        problems += module_holds_no_secrets(parsed.module)
    return None if parsed.is_broken else built.job, problems


def _constants_of(draft: Module, context: CheckContext) -> list[Diagnostic]:
    """Returns what is wrong in a blueprint whatever its parameters come to; its uses may be told the same."""
    # What the project gives to jobs is checked on those.
    built = build_job(draft, replace(context.project, defaults=Defaults(), presets=()), context.output)
    named = [each for each in built.diagnostics if each.code in (UNKNOWN_FIELD.code, TASK_KIND.code)]
    problems = [each for each in named if "${param." not in each.message]
    if built.job is not None:
        found = [*constants_fit_the_schema(built.job, context.project), *holds_no_secrets(built.job, context)]
        problems += _without_follow_ups(found, problems)
    return problems


def _secrets_of(unit: ParsedUnit, project: Project) -> set[Found]:
    """Returns the secrets that words about a unit may hold, however far its modules could be read."""
    content, defaults = unit.source.content, project.defaults
    raw = [each for module in (*content.modules, *content.examples) for each in (module.value, *_given(module))]
    for draft in content.drafts:
        raw += [draft.job_config, *(source.transformation_config for source in draft.sources)]
    presets = [each for preset in project.presets for each in (preset.job, preset.task)]
    return secrets_of(*raw, *presets, defaults.job, defaults.task)


def _given(module: RawModule) -> list[object]:
    """Returns the values that a blueprint was to be filled with."""
    document = module.origin.document
    return document.given if isinstance(document, ExpandedModule) else []


def _is_read_all_the_same(diagnostic: Diagnostic) -> bool:
    """Whether nothing is missing because of a problem: of a key that YAML has twice, the first value was read."""
    return diagnostic.code == DUPLICATE_KEY.code and diagnostic.location.is_file


def _loose_tasks(unit: ParsedUnit, style: TaskKeys) -> frozenset[str]:
    """Returns the keys of the tasks of sources whose module is not known."""
    nameless = (each.parsed.module for each in unit.modules if each.parsed.key is None)
    of_modules = (source.task_key for module in nameless if module is not None for source in module.sources)
    return frozenset([*(task_key(each, style) for each in unit.source.content.loose_sources), *of_modules])


def _line(diagnostic: Diagnostic) -> tuple[str, int | None]:
    """Returns the line of a file, or the column of a row, that a diagnostic is about."""
    return diagnostic.location.path, diagnostic.location.line if diagnostic.location.is_file else None


def _without_follow_ups(found: Iterable[Diagnostic], before: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Drops diagnostics at a location where an earlier step has found something: they only follow from that.

    A policy stands for itself: no warning at the same place takes its place.
    """
    starts = {diagnostic.location.start for diagnostic in before}
    return [each for each in found if each.location.start not in starts or _is_of_policy(each)]


def _is_of_policy(diagnostic: Diagnostic) -> bool:
    return diagnostic.rule_code == POLICY.code
