"""The one middle that every command shares: from metadata to jobs, files and diagnostics.

Reads the project's metadata, and looks whether files that jobs name exist; changes nothing and never talks to a
workspace. A module with an error gives no file; the result says which jobs must stay as they are because of that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice

from lakeflow_job_meta.checks.context import OtherModules
from lakeflow_job_meta.checks.file_lookups import FileLookups
from lakeflow_job_meta.checks.other_jobs import jobs_run_by
from lakeflow_job_meta.compiler.cache.cache import CompilationCache
from lakeflow_job_meta.compiler.link import collisions
from lakeflow_job_meta.compiler.parallel import compile_units
from lakeflow_job_meta.compiler.result import Compilation, UnitResult
from lakeflow_job_meta.compiler.unit import ParsedUnit, UnitCompiler
from lakeflow_job_meta.config.bundle import BundleDeclarations, read_bundle_declarations
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.diagnostics.model import errors_among, in_reading_order
from lakeflow_job_meta.diagnostics.severity import SeverityOverrides
from lakeflow_job_meta.jobs.model import Job, Jobs
from lakeflow_job_meta.layout.common_config import read_common_config
from lakeflow_job_meta.layout.partitioning import partition
from lakeflow_job_meta.layout.paths import job_of_path, job_path
from lakeflow_job_meta.parsing.keys import job_key
from lakeflow_job_meta.parsing.units import SourceUnit
from lakeflow_job_meta.sources.interface import SourceSnapshot
from lakeflow_job_meta.sources.open import open_readers
from lakeflow_job_meta.sources.yaml_files import with_contents
from lakeflow_job_meta.workspace.client import Workspace

Progress = Callable[[str, int, int], None]
"""Is told what is being done, and how many steps of how many are done."""


def _silently(what: str, done: int, of: int) -> None:
    """Tells nobody."""


def compile_project(
    project: Project,
    on_progress: Progress = _silently,
    on_wait: Callable[[str], None] = lambda message: None,
    workspace: Workspace | None = None,
    moving: Mapping[str, str] | None = None,
    contents: Mapping[str, bytes] | None = None,
) -> Compilation:
    """Reads all metadata of a project, checks it, and builds and renders every job that has no error.

    Args:
        project: The project.
        on_progress: Called now and then.
        on_wait: Told when a warehouse makes one wait.
        workspace: Where tables and volumes are; by default the one of the environment.
        moving: Keys of jobs that are being moved, with the bundles that they go to.
        contents: By label, what some YAML files are read as instead of what is on disk.

    Raises:
        ConfigError: The project file gives a severity to a check that does not exist or cannot be changed, or what
            the bundles of a project of many share is not right for each.
    """
    readings = []
    readers = open_readers(project, on_wait, workspace)
    for number, reader in enumerate(readers):
        on_progress("Reading metadata", number, len(readers))
        readings.append(with_contents(reader.read(), contents or {}))
    bundle, files = read_bundle_declarations(project), FileLookups(project.folder)
    cache = CompilationCache(project, bundle, files)
    compilation = compile_snapshots(project, readings, bundle, files, on_progress, cache=cache)
    return compilation if project.bundles is None else _in_bundles(project, compilation, moving or {})


def _in_bundles(project: Project, compilation: Compilation, moving: Mapping[str, str]) -> Compilation:
    """Puts the jobs into the bundles of a project of many; a job that cannot be there stays as it is."""
    read_common_config(project)
    placement = partition(project, compilation.outlines, compilation.jobs, moving)
    told = SeverityOverrides(dict(project.checks)).apply(problem for _, problem in placement.problems)
    wrong = {key for key, problem in placement.problems if errors_among([problem]) and problem in told}
    names = compilation.jobs.names
    return replace(
        compilation,
        jobs=compilation.jobs.only(names.keys() - wrong),
        files={path: text for path, text in compilation.files.items() if job_of_path(path) not in wrong},
        diagnostics=in_reading_order((*compilation.diagnostics, *told)),
        kept_jobs=compilation.kept_jobs | wrong,
        broken=tuple(dict.fromkeys((*compilation.broken, *(name for key, name in names.items() if key in wrong)))),
        outlines=tuple(outline for outline in compilation.outlines if outline.key not in wrong),
        bundles=placement.bundles,
    )


def compile_snapshots(
    project: Project,
    readings: Sequence[SourceSnapshot],
    bundle: BundleDeclarations,
    files_of_project: FileLookups,
    on_progress: Progress = _silently,
    *,
    other_modules: Iterable[str] = (),
    cache: CompilationCache | None = None,
) -> Compilation:
    """Checks metadata that was read, and builds and renders every job that has no error.

    Args:
        project: The project.
        readings: What its sources gave, in order.
        bundle: What the rest of the bundle declares.
        files_of_project: For the files that jobs name.
        on_progress: Called now and then.
        other_modules: Names of modules that exist without being read here, whose jobs may be run.
        cache: Knows what modules came to before.
    """
    parts = [part for reading in readings for part in reading.units]
    compiler = UnitCompiler(project, bundle, files_of_project)
    alone = _each_alone(compiler, parts, on_progress, cache)
    results = _beside_each_other(compiler, parts, alone, other_modules)
    own = SeverityOverrides(dict(project.checks)).apply(problem for reading in readings for problem in reading.problems)
    missing, present = _missing_and_present(readings, results)
    return Compilation(
        _jobs(project, parts, results),
        {path: text for result in results for path, text in result.files.items()},
        in_reading_order([*own, *(problem for result in results for problem in result.diagnostics)]),
        frozenset(key for result in results for key in result.kept_jobs),
        frozenset(part.label for part, result in zip(parts, results, strict=True) if result.is_unknown),
        tuple(missing),
        tuple(present),
        sum(len(result.modules) for result in results),
        tuple(dict.fromkeys(name for result in results for name in result.broken)),
        tuple(outline for result in results for outline in result.outlines),
    )


def _each_alone(
    compiler: UnitCompiler, parts: Sequence[SourceUnit], on_progress: Progress, cache: CompilationCache | None
) -> list[UnitResult | None]:
    """Returns what each part comes to by itself, remembered or compiled; None where it depends on others."""
    results = [cache.recall(part) if cache is not None else None for part in parts]
    unknown = [number for number, result in enumerate(results) if result is None]
    found, templates = compile_units(
        compiler,
        [parts[number] for number in unknown],
        lambda done: on_progress("Checking modules", done, len(unknown)),
    )
    for number, result in zip(unknown, found, strict=True):
        results[number] = result
        if cache is not None and result is not None:
            cache.keep(parts[number], result)
    if cache is not None:
        cache.save([compiler.renderer.project_templates, *templates])
    return results


def _beside_each_other(
    compiler: UnitCompiler,
    parts: Sequence[SourceUnit],
    alone: Sequence[UnitResult | None],
    other_modules: Iterable[str],
) -> list[UnitResult]:
    """Returns what the parts come to together; those that depend on others or collide with some are compiled again."""
    project = compiler.project
    opened = {number: ParsedUnit(parts[number], project) for number, result in enumerate(alone) if result is None}
    names = [opened[n].names if result is None else result.modules for n, result in enumerate(alone)]
    keys = Counter(key.casefold() for each in names for _, key in each if key is not None)
    for number, each in enumerate(names):
        if number not in opened and any(key is not None and keys[key.casefold()] > 1 for _, key in each):
            opened[number] = ParsedUnit(parts[number], project)
    known = {name: job_key(name) for name in other_modules}
    known |= {name: key for each in names for name, key in each if name is not None and key is not None}
    # A job that runs others depends on them, and so was opened.
    # In reading order, since the last one of those that collide counts.
    in_order = [opened[number] for number in sorted(opened)]
    runs = {job.key: tuple(key for _, key in jobs_run_by(job)) for each in in_order for job in each.jobs}
    others = OtherModules(known, runs, frozenset(known.values()))
    collided = collisions([parsed for each in in_order for parsed in each.parsed])
    return [
        result if result is not None and number not in opened else compiler.compile(opened[number], others, collided)
        for number, result in enumerate(alone)
    ]


def _missing_and_present(
    readings: Iterable[SourceSnapshot], results: Iterable[UnitResult]
) -> tuple[list[SourceSnapshot], list[SourceSnapshot]]:
    """Tells sources that are empty or could not be read from the others."""
    waiting = iter(results)
    missing: list[SourceSnapshot] = []
    present: list[SourceSnapshot] = []
    for reading in readings:
        own = [*islice(waiting, len(reading.units))]
        is_missing = reading.is_unreadable or all(result.is_empty for result in own)
        (missing if is_missing else present).append(reading)
    return missing, present


def _jobs(project: Project, parts: Sequence[SourceUnit], results: Sequence[UnitResult]) -> Jobs:
    names = [
        {key: name for name, key in result.modules if key is not None and name and job_path(key) in result.files}
        for result in results
    ]

    def build(keys: Container[str]) -> Iterator[Job]:
        for part, own in zip(parts, names, strict=True):
            if any(key in keys for key in own):
                yield from (job for job in ParsedUnit(part, project).jobs if job.key in own and job.key in keys)

    return Jobs({key: name for own in names for key, name in own.items()}, build)
