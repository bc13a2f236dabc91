"""The one middle that every command shares: from metadata to jobs, files and diagnostics.

Reads the project's metadata, and looks whether files that jobs name exist; changes nothing and never talks to a
workspace. A module with an error gives no file; the result says which jobs must stay as they are because of that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from lakeflow_job_meta.bundle_facts import BundleFacts, read_bundle_facts
from lakeflow_job_meta.bundles.outline import JobOutline
from lakeflow_job_meta.bundles.placement import place
from lakeflow_job_meta.bundles.shared import read_shared
from lakeflow_job_meta.cache.results import ResultsCache
from lakeflow_job_meta.compiling.all_parts import compile_parts
from lakeflow_job_meta.compiling.collisions import collisions
from lakeflow_job_meta.compiling.part_compiler import OpenPart, PartCompiler
from lakeflow_job_meta.compiling.result import Result
from lakeflow_job_meta.diagnostics import Diagnostic, errors_among, in_reading_order
from lakeflow_job_meta.jobs.checks.context import OtherModules
from lakeflow_job_meta.jobs.checks.other_jobs import jobs_run_by
from lakeflow_job_meta.jobs.model import Job, Jobs
from lakeflow_job_meta.judge import Judge
from lakeflow_job_meta.metadata.keys import job_key
from lakeflow_job_meta.metadata.reading import Part, Reading
from lakeflow_job_meta.output.render import job_of_path, job_path
from lakeflow_job_meta.project import Project, check_codes
from lakeflow_job_meta.project_files import ProjectFiles
from lakeflow_job_meta.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Compilation:
    """What a project's metadata comes to.

    Attributes:
        jobs: The jobs without an error.
        files: The text of every file, by its path below the output folder.
        diagnostics: Everything to tell the user, by place.
        kept_jobs: Keys of jobs that stay as they are, since their module is broken or has nothing active.
        kept_labels: Files and tables that could not be read in whole; all that came from them stays as it is.
        missing: Sources that are empty or could not be read; `present` are the others.
        modules: How many modules there are, broken ones among them.
        broken: The names of the modules with an error; where a name could not be read, the file or table.
        outlines: What their bundles have to know of the jobs, in a project of many bundles.
        bundles: The bundle of each job by its key, in a project of many bundles.
    """

    jobs: Jobs
    files: dict[str, str]
    diagnostics: tuple[Diagnostic, ...]
    kept_jobs: frozenset[str]
    kept_labels: frozenset[str]
    missing: tuple[Reading, ...]
    present: tuple[Reading, ...]
    modules: int
    broken: tuple[str, ...] = ()
    outlines: tuple[JobOutline, ...] = ()
    bundles: Mapping[str, str] = field(default_factory=dict)

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
    moving: Mapping[str, str] | None = None,
) -> Compilation:
    """Reads all metadata of a project, checks it, and builds and renders every job that has no error.

    Args:
        project: The project.
        on_progress: Called now and then.
        on_wait: Told when a warehouse makes one wait.
        workspace: Where tables and volumes are; by default the one of the environment.
        moving: Keys of jobs that are being moved, with the bundles that they go to.

    Raises:
        Misconfigured: The project file gives a severity to a check that does not exist or cannot be changed, or what
            the bundles of a project of many share is not right for each.
    """
    check_codes(project)
    readings = []
    readers = project.readers(on_wait, workspace)
    for number, reader in enumerate(readers):
        on_progress("Reading metadata", number, len(readers))
        readings.append(reader.read())
    bundle, files = read_bundle_facts(project), ProjectFiles(project.folder)
    cache = ResultsCache(project, bundle, files)
    compilation = compile_readings(project, readings, bundle, files, on_progress, cache=cache)
    return compilation if project.bundles is None else _in_bundles(project, compilation, moving or {})


def _in_bundles(project: Project, compilation: Compilation, moving: Mapping[str, str]) -> Compilation:
    """Puts the jobs into the bundles of a project of many; a job that cannot be there stays as it is."""
    read_shared(project)
    placement = place(project, compilation.outlines, compilation.jobs, moving)
    told = Judge(project).judged(problem for _, problem in placement.problems)
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


def compile_readings(
    project: Project,
    readings: Sequence[Reading],
    bundle: BundleFacts,
    files_of_project: ProjectFiles,
    on_progress: Progress = _silently,
    *,
    other_modules: Iterable[str] = (),
    cache: ResultsCache | None = None,
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
    parts = [part for reading in readings for part in reading.parts]
    compiler = PartCompiler(project, bundle, files_of_project)
    alone = _each_alone(compiler, parts, on_progress, cache)
    results = _beside_each_other(compiler, parts, alone, other_modules)
    own = Judge(project).judged(problem for reading in readings for problem in reading.problems)
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
    compiler: PartCompiler, parts: Sequence[Part], on_progress: Progress, cache: ResultsCache | None
) -> list[Result | None]:
    """Returns what each part comes to by itself, remembered or compiled; None where it depends on others."""
    results = [cache.recall(part) if cache is not None else None for part in parts]
    unknown = [number for number, result in enumerate(results) if result is None]
    found, templates = compile_parts(
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
    compiler: PartCompiler, parts: Sequence[Part], alone: Sequence[Result | None], other_modules: Iterable[str]
) -> list[Result]:
    """Returns what the parts come to together; those that depend on others or collide with some are compiled again."""
    project = compiler.project
    opened = {number: OpenPart(parts[number], project) for number, result in enumerate(alone) if result is None}
    names = [opened[n].names if result is None else result.modules for n, result in enumerate(alone)]
    keys = Counter(key.casefold() for each in names for _, key in each if key is not None)
    for number, each in enumerate(names):
        if number not in opened and any(key is not None and keys[key.casefold()] > 1 for _, key in each):
            opened[number] = OpenPart(parts[number], project)
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


def _missing_and_present(readings: Iterable[Reading], results: Iterable[Result]) -> tuple[list[Reading], list[Reading]]:
    """Tells sources that are empty or could not be read from the others."""
    waiting = iter(results)
    missing: list[Reading] = []
    present: list[Reading] = []
    for reading in readings:
        own = [*islice(waiting, len(reading.parts))]
        is_missing = reading.failed or all(result.is_empty for result in own)
        (missing if is_missing else present).append(reading)
    return missing, present


def _jobs(project: Project, parts: Sequence[Part], results: Sequence[Result]) -> Jobs:
    names = [
        {key: name for name, key in result.modules if key is not None and name and job_path(key) in result.files}
        for result in results
    ]

    def build(keys: Container[str]) -> Iterator[Job]:
        for part, own in zip(parts, names, strict=True):
            if any(key in keys for key in own):
                yield from (job for job in OpenPart(part, project).jobs if job.key in own and job.key in keys)

    return Jobs({key: name for own in names for key, name in own.items()}, build)
