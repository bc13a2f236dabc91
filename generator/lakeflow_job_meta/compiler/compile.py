"""From metadata to jobs, files and diagnostics: read snapshots, compile each unit alone, link them, sum up.

Reads the project's metadata, and looks whether files that jobs name exist; changes nothing but its own cache and never
talks to a workspace. A module with an error gives no file; the result says which jobs must stay because of that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import TYPE_CHECKING

from lakeflow_job_meta.checks.file_lookups import FileLookups
from lakeflow_job_meta.compiler.cache.cache import CompilationCache
from lakeflow_job_meta.compiler.compilers import Compilers, no_workers
from lakeflow_job_meta.compiler.left_out import missing_include, sources_without_files
from lakeflow_job_meta.compiler.link import link, neighbours_of
from lakeflow_job_meta.compiler.overrides import unknown_overrides
from lakeflow_job_meta.compiler.placeholders import placeholder_values
from lakeflow_job_meta.compiler.result import Compilation, UnitResult
from lakeflow_job_meta.compiler.unused import policy_problems, preset_problems, refuse_unknown_targets
from lakeflow_job_meta.config.bundle import BundleDeclarations
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.diagnostics.model import Diagnostic, errors_among, in_reading_order
from lakeflow_job_meta.diagnostics.rules import SeverityOverrides
from lakeflow_job_meta.jobs.all_jobs import Jobs, JobSource
from lakeflow_job_meta.layout.generated_file import GeneratedFile, job_path
from lakeflow_job_meta.layout.layout import layout_of
from lakeflow_job_meta.layout.partitioning import Partitioning
from lakeflow_job_meta.parsing.keys import job_key
from lakeflow_job_meta.parsing.units import SourceUnit
from lakeflow_job_meta.sources.interface import SourceSnapshot, blueprints_of, with_blueprints
from lakeflow_job_meta.sources.open import open_readers
from lakeflow_job_meta.sources.yaml_files import with_contents
from lakeflow_job_meta.workspace.client import Workspace

if TYPE_CHECKING:
    from lakeflow_job_meta.compiler.parallel import Workers
    from lakeflow_job_meta.compiler.unit import OnDone
    from lakeflow_job_meta.control_table.approvals import Approval

Progress = Callable[[str, int, int], None]
"""Called with what is being done, and how many steps of how many are done."""


def _silently(what: str, done: int, of: int) -> None:
    """Shows nothing."""


def compile_project(
    project: Project,
    bundle: BundleDeclarations,
    on_progress: Progress = _silently,
    on_wait: Callable[[str], None] = lambda message: None,
    workspace: Workspace | None = None,
    moving: Mapping[str, str] | None = None,
    contents: Mapping[str, bytes] | None = None,
    workers: Callable[[], Workers | None] = no_workers,
    proposed: Mapping[str, tuple[Approval, ...]] | None = None,
) -> Compilation:
    """Reads all metadata of a project, checks it, and builds and renders every job that has no error.

    Args:
        project: The project.
        bundle: What the rest of the bundle declares now; the gate asks the result for it again.
        on_progress: Called now and then.
        on_wait: Called with a message when a warehouse makes one wait.
        workspace: Where tables and volumes are; by default the one of the environment.
        moving: Keys of jobs that are being moved, with the bundles that they go to.
        contents: By label, what some YAML files are read as instead of what is on disk.
        workers: Asked for processes to share the work with, where there is any; None for this process alone.
        proposed: By control table, approvals that count besides those that are there.

    Raises:
        ConfigError: The project file gives a severity to a check that does not exist or cannot be changed, needs
            approvals for a target that does not exist, or what the bundles of a project of many share is not right for
            each.
    """
    refuse_unknown_targets(project, bundle)
    snapshots = []
    readers = open_readers(project, on_wait, workspace, proposed or {})
    for number, reader in enumerate(readers):
        on_progress("Reading metadata", number, len(readers))
        snapshots.append(with_contents(reader.read(), contents or {}))
    compilers = Compilers(project, bundle, FileLookups(project.folder), workers)
    cache = CompilationCache(project, bundle, compilers.files, lambda: compilers.shared)
    compilation = _compile(compilers, cache.compile_units, snapshots, on_progress)
    found = [
        *bundle.problems,
        *unknown_overrides(bundle, compilation),
        *placeholder_values(bundle, compilation),
        *missing_include(project, bundle, compilation),
        *sources_without_files(project, snapshots),
        *preset_problems(project, bundle, compilation),
        *policy_problems(project, bundle, compilation),
    ]
    compilation = _with(compilation, project, found)
    partitioning = layout_of(project).partition(bundle, compilation.summaries, compilation.jobs, moving or {})
    return _in_bundles(project, compilation, partitioning) if partitioning.bundles else compilation


def compile_snapshots(
    project: Project,
    bundle: BundleDeclarations,
    snapshots: Sequence[SourceSnapshot],
    on_progress: Progress = _silently,
    *,
    other_modules: Iterable[str] = (),
) -> Compilation:
    """Checks metadata that was read, and builds and renders every job that has no error; uses no cache.

    Args:
        project: The project.
        bundle: What the rest of the bundle declares.
        snapshots: What its sources gave, in order.
        on_progress: Called now and then.
        other_modules: Names of modules that exist without being among them, whose jobs may be run.
    """
    compilers = Compilers(project, bundle, FileLookups(project.folder))
    return _compile(compilers, compilers.here.compile_units, snapshots, on_progress, other_modules)


def _compile(
    compilers: Compilers,
    compile_alone: Callable[[Sequence[SourceUnit], OnDone], dict[SourceUnit, UnitResult]],
    snapshots: Sequence[SourceSnapshot],
    on_progress: Progress,
    other_modules: Iterable[str] = (),
) -> Compilation:
    library = blueprints_of(snapshots)
    snapshots = with_blueprints(snapshots, library)
    held = (each.approved.held for each in snapshots if each.approved is not None)
    other_modules = frozenset(other_modules).union(*held)
    units = [unit for snapshot in snapshots for unit in snapshot.units]
    compiled = compile_alone(units, lambda done, of: on_progress("Checking modules", done, of))
    results = link(compilers, units, compiled, other_modules)
    compilation = replace(_summed_up(compilers, snapshots, results, other_modules), library=library)
    return _as_approved(compilation, compilers.project, snapshots)


def _as_approved(compilation: Compilation, project: Project, snapshots: Sequence[SourceSnapshot]) -> Compilation:
    """Adds what is approved and what waits, where the target needs approvals."""
    found = [each.approved for each in snapshots if each.approved is not None]
    if project.approval_in_force is None:
        return compilation
    held = frozenset(job_key(name) for each in found for name in each.held) - compilation.jobs.names.keys()
    gone = [*(name for each in found for name in each.removed), *(each.module_name for each in project.removed)]
    unreadable = [name for each in found for name in each.unreadable]
    return replace(
        compilation,
        kept_jobs=compilation.kept_jobs | held,
        broken=tuple(dict.fromkeys([*compilation.broken, *unreadable])),
        waiting=tuple(module for each in found for module in each.waiting),
        held=held,
        approved_removals=frozenset(map(job_key, gone)),
    )


def _summed_up(
    compilers: Compilers,
    snapshots: Sequence[SourceSnapshot],
    units: Mapping[SourceUnit, UnitResult],
    other_modules: frozenset[str],
) -> Compilation:
    results = units.values()
    texts, digests = _files_of(results)
    overrides = SeverityOverrides(dict(compilers.project.checks))
    own = overrides.apply(problem for snapshot in snapshots for problem in snapshot.problems)

    def is_missing(snapshot: SourceSnapshot) -> bool:
        is_empty = all(units[unit].is_empty for unit in snapshot.units) and not snapshot.has_blueprints
        return snapshot.is_unreadable or (is_empty and snapshot.approved is None)

    return Compilation(
        _jobs(compilers, units, other_modules),
        texts,
        in_reading_order([*own, *(problem for result in results for problem in result.diagnostics)]),
        frozenset(key for result in results for key in result.kept_jobs),
        frozenset(unit.label for unit, result in units.items() if result.is_unknown),
        tuple(snapshot for snapshot in snapshots if is_missing(snapshot)),
        tuple(snapshot for snapshot in snapshots if not is_missing(snapshot)),
        sum(len(result.modules) for result in results),
        tuple(dict.fromkeys(name for result in results for name in result.broken)),
        tuple(summary for result in results for summary in result.summaries),
        broken_jobs=frozenset(
            key
            for result in results
            if result.broken
            for broken in [frozenset(result.broken)]  # a file may have thousands
            for name, key, *_ in result.modules
            if key and name in broken
        ),
        loose_tasks=frozenset(key for result in results for key in result.loose_tasks),
        bundle=compilers.bundle,
        units=units,
        digests=digests,
    )


def _files_of(results: Iterable[UnitResult]) -> tuple[dict[GeneratedFile, str], dict[GeneratedFile, str]]:
    """Returns the texts of all files, and their digests as far as they are known."""
    texts: dict[GeneratedFile, str] = {}
    digests: dict[GeneratedFile, str] = {}
    for result in results:
        for (path, text), digest in zip_longest(result.files.items(), result.digests):
            file = GeneratedFile.at(path)
            if file is not None:
                texts[file] = text
                if digest is not None:
                    digests[file] = digest
    return texts, digests


def _jobs(compilers: Compilers, units: Mapping[SourceUnit, UnitResult], other_modules: frozenset[str]) -> Jobs:
    project = compilers.project
    sources = {
        each.key: JobSource(each.name, unit, each.blueprint, each.adopt, each.formerly)
        for unit, result in units.items()
        for each in result.modules
        if each.key is not None and each.name and job_path(each.key) in result.files
    }
    names = {unit: result.modules for unit, result in units.items()}
    neighbours = neighbours_of(project, names, other_modules)
    return Jobs(project, layout_of(project).output, compilers.bundle.targets, sources, neighbours)


def _with(compilation: Compilation, project: Project, found: Sequence[Diagnostic]) -> Compilation:
    if not found:
        return compilation
    reported = SeverityOverrides(dict(project.checks)).apply(found)
    return replace(compilation, diagnostics=in_reading_order((*compilation.diagnostics, *reported)))


def _in_bundles(project: Project, compilation: Compilation, partitioning: Partitioning) -> Compilation:
    """Puts the jobs into the bundles of a project of many; a job that cannot be there stays as it is."""
    reported = SeverityOverrides(dict(project.checks)).apply(problem for _, problem in partitioning.problems)
    wrong = {key for key, problem in partitioning.problems if errors_among([problem]) and problem in reported}
    names = compilation.jobs.names

    def moved(texts: Mapping[GeneratedFile, str]) -> dict[GeneratedFile, str]:
        bundles = partitioning.bundles
        return {file.moved_to(bundles[file.job_key]): text for file, text in texts.items() if file.job_key not in wrong}

    return replace(
        compilation,
        jobs=compilation.jobs.only(names.keys() - wrong),
        files=moved(compilation.files),
        digests=moved(compilation.digests),
        diagnostics=in_reading_order((*compilation.diagnostics, *reported)),
        kept_jobs=compilation.kept_jobs | wrong,
        broken=tuple(dict.fromkeys((*compilation.broken, *(name for key, name in names.items() if key in wrong)))),
        summaries=tuple(summary for summary in compilation.summaries if summary.key not in wrong),
        bundles=partitioning.bundles,
    )
