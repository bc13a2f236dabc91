"""Who set each value of a module, and when: the version of its control table, or the commit of its file.

What a job has is followed to where it is written, in the module, a blueprint, a preset or the defaults; then the
versions of the table are read backwards, or git is asked for the line. Changes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from lakeflow_job_meta._internal.git import GitCommit, ask_git, blame_lines
from lakeflow_job_meta._internal.text import did_you_mean, quoted
from lakeflow_job_meta._internal.trees import KeyPath, Value
from lakeflow_job_meta.blueprints.expansion import ExpandedModule
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.control_table.blame import Cell, SetBy, blame_cells
from lakeflow_job_meta.control_table.schema import key_of
from lakeflow_job_meta.diagnostics.model import Location, SourceRef, dotted, steps_of
from lakeflow_job_meta.errors import OperationFailed
from lakeflow_job_meta.jobs.model import Job
from lakeflow_job_meta.jobs.setting_layers import layers_of
from lakeflow_job_meta.parsing.model import Source
from lakeflow_job_meta.parsing.rows import TableModule
from lakeflow_job_meta.parsing.targets import TargetedModule
from lakeflow_job_meta.services.blamed import MOST_VERSIONS, Blame, BlamedValue, ValueChange
from lakeflow_job_meta.sources.open import open_table_source
from lakeflow_job_meta.workspace.client import Workspace

_FIELDS = ("targets", "presets", "adopt", "formerly")
"""Fields of a module that are no settings of its job."""


_DERIVED_FROM = tuple((name,) for name in ("module_name", "source_id", "depends_on", "execution_order"))
"""What other settings follow from; all that follows from nothing is added to a job by this tool."""


@dataclass(frozen=True, slots=True)
class _Written:
    source: str | None
    path: KeyPath
    value: Value
    layer: str
    ref: SourceRef
    is_written: bool = True

    @property
    def locations(self) -> list[Location]:
        """Where it is written; of a list each item besides, since only its begin is known."""
        items = range(len(self.value)) if isinstance(self.value, list) else ()
        return [self.ref.location(), *(self.ref.at(number).location() for number in items)]

    @property
    def cell(self) -> Cell | None:
        """The cell of a control table that it is written in, if it is."""
        document = self.ref.document
        if not isinstance(document, TableModule) or not self.is_written:
            return None
        for row, inside in document.cells(self.ref.path):
            if inside:
                return key_of(row), inside
        return None


def blame(
    project: Project,
    job: Job,
    source: str | None = None,
    setting: str | None = None,
    *,
    most_versions: int = MOST_VERSIONS,
    on_progress: Callable[[int, int], None] = lambda done, of: None,
    workspace: Workspace | None = None,
) -> Blame:
    """Returns who set the values of a module, or of one of its sources, or one setting with all below it.

    Args:
        project: The project.
        job: The job of the module, as it is in one target.
        source: A source, by its `source_id` or the key of its task; by default all, and the job itself.
        setting: A setting of the source, or of the job, such as `tags.owner`.
        most_versions: How many versions of a table are looked at.
        on_progress: Called with the number of versions read, and of those there may be.
        workspace: Where the tables are; by default the one of the environment.

    Raises:
        OperationFailed: There is no such source or setting, or a table cannot be read.
    """
    written = _chosen(job, source, setting)
    cells = {each.cell: each.ref.document.label for each in written if each.cell is not None}
    versions, notes = _blame_tables(project, job.module.module_name, cells, most_versions, on_progress, workspace)
    lines = _Lines(project, [location for each in written if each.cell is None for location in each.locations])
    return Blame(tuple(_blamed(each, versions, lines) for each in written), tuple(notes))


def sources_of(job: Job) -> dict[str, str]:
    """Returns the sources of a job by the names that they may be asked for by: `source_id` and key of the task."""
    sources = [source for source in job.module.sources if source.follows is None]
    return {name: source.source_id for source in sources for name in (source.task_key, source.source_id)}


def _chosen(job: Job, source: str | None, setting: str | None) -> list[_Written]:
    known = sources_of(job)
    name = quoted(job.module.module_name)
    if source is not None and source not in known:
        raise OperationFailed(f"The module {name} has no source {quoted(source)}{did_you_mean(source, known)}")
    wanted = known[source] if source is not None else None
    written = [each for each in _written(job) if source is None or each.source == wanted]
    if setting is None:
        return written
    steps = steps_of(setting)
    of_one = [each for each in written if each.source == wanted]
    found = [each for each in of_one if each.path[: len(steps)] == steps or steps[: len(each.path)] == each.path]
    if not found:
        of_source = f" of the source {quoted(wanted)}" if wanted is not None else ""
        near = did_you_mean(setting, [dotted(each.path) or "" for each in of_one])
        raise OperationFailed(f"{quoted(setting)}{of_source} of the module {name} is not set{near}")
    return found


def _written(job: Job) -> Iterator[_Written]:
    """Yields every value of a module, with what sets it and where: those of the job, then source by source."""
    module = job.module
    settings: dict[str, Value] = {name: value for name, value in job.settings.items() if name != "tasks"}
    for path, value in _leaves(settings):
        yield _of_job(job, None, path, (), value)
    for field in _FIELDS:
        value = getattr(module, field)
        if value:
            kept = dict(value) if isinstance(value, dict) else [*value]
            yield _Written(None, (field,), kept, "module", _resolved(module.origin.at(field)))
    numbers = {origin.source.source_id: n for n, origin in enumerate(job.task_origins) if origin.source.follows is None}
    for source in module.sources:
        if source.follows is None:
            yield from _of_source(job, source, numbers.get(source.source_id))


def _of_source(job: Job, source: Source, number: int | None) -> Iterator[_Written]:
    """Yields the values of a source: those of its task, if it has one, and what is written beside them."""
    task = job.tasks[number] if number is not None else {}
    for path, value in _leaves(task):
        yield _of_job(job, source.source_id, path, ("tasks", number or 0), value)
    if (ref := _switch(source.origin, is_active=source.is_active)) is not None:
        yield _Written(source.source_id, ("is_active",), source.is_active, "module", ref)
    for path, value in _leaves(source.only_kept):
        yield _Written(source.source_id, path, value, "module", _resolved(source.origin.at(*path)))


def _of_job(job: Job, source: str | None, path: KeyPath, prefix: KeyPath, value: Value) -> _Written:
    if layers := layers_of(job, (*prefix, *path)):
        return _Written(source, path, value, layers[0].name, _resolved(layers[0].ref))
    ref = job.origin_of((*prefix, *path))
    is_written = not ref.of_key and ref.path[-1:] in _DERIVED_FROM
    return _Written(source, path, value, "derived", _resolved(ref), is_written)


def _switch(origin: SourceRef, *, is_active: bool) -> SourceRef | None:
    """Returns where a source is switched on or off; None where it is on since nothing is said."""
    ref = _resolved(origin.at("is_active"))
    document = ref.document
    cells = document.cells(ref.path) if isinstance(document, TableModule) else []
    is_said = any(row.get("is_active") is not None for row, _ in cells)
    return ref if is_said or not is_active else None


def _leaves(value: Value, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Value]]:
    """Yields single values; lists are one, but for those of maps."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _leaves(item, (*path, key))
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for number, item in enumerate(value):
            yield from _leaves(item, (*path, number))
    elif value != {} or len(path) > 1:
        yield path, value


def _resolved(ref: SourceRef) -> SourceRef:
    """Returns a reference into the document that a value was written in."""
    while isinstance(ref.document, (TargetedModule, ExpandedModule)):
        ref = ref.document.ref(ref.path, of_key=ref.of_key)
    return ref


def _blame_tables(
    project: Project,
    module_name: str,
    cells: dict[Cell, str],
    most_versions: int,
    on_progress: Callable[[int, int], None],
    workspace: Workspace | None,
) -> tuple[dict[Cell, SetBy], list[str]]:
    by_table: defaultdict[str, list[Cell]] = defaultdict(list)
    for cell, label in cells.items():
        by_table[label].append(cell)
    found: dict[Cell, SetBy] = {}
    notes: list[str] = []
    for source in project.table_sources:
        if source.location in by_table:
            table = open_table_source(source, project.folder, workspace=workspace)
            set_by, note = blame_cells(table, module_name, by_table[source.location], most_versions, on_progress)
            found |= set_by
            notes += [note] if note else []
    return found, notes


class _Lines:
    """The commits of lines of files; git is asked once for each file."""

    def __init__(self, project: Project, locations: Sequence[Location]) -> None:
        self._folder = project.folder
        ranges: defaultdict[str, set[tuple[int, int]]] = defaultdict(set)
        for location in locations:
            if location.is_file and location.line is not None:
                ranges[location.path].add(_range(location))
        self._files = {path: blame_lines(project.folder, path, each) for path, each in ranges.items()}

    def change(self, locations: Sequence[Location]) -> tuple[ValueChange | None, str]:
        """Returns the newest commit of the lines of a value; None and why it is not known."""
        lines, reason = self._files[locations[0].path]
        if lines is None:
            return None, reason
        numbers = {number for first, last in map(_range, locations) for number in range(first, last + 1)}
        commits = [lines[number] for number in sorted(numbers) if number in lines]
        if not commits or not all(commit.is_made for commit in commits):
            return None, "not committed yet"
        newest = max(commits, key=lambda commit: commit.committed)
        return ValueChange(None, newest.sha, newest.time, newest.author or None, self._is_exact(newest)), ""

    def _is_exact(self, commit: GitCommit) -> bool:
        """A shallow clone says of all that is older that it is of its oldest commit."""
        return not commit.is_oldest or ask_git(self._folder, "rev-parse", "--is-shallow-repository")[0] != b"true\n"


def _range(location: Location) -> tuple[int, int]:
    first = location.line or 1
    last = location.end_line or first
    # A block ends where what follows it begins.
    return first, max(first, last - 1 if location.end_column == 1 else last)


def _blamed(written: _Written, versions: dict[Cell, SetBy], lines: _Lines) -> BlamedValue:
    location, cell = written.ref.location(), written.cell
    change, note = None, ""
    if not written.is_written:
        note = "added, written nowhere"
    elif cell is not None and cell in versions:
        commit, is_exact = versions[cell].commit, versions[cell].is_exact
        change = ValueChange(commit.version, None, commit.timestamp, commit.user, is_exact)
    elif cell is not None:
        note = "the table has changed meanwhile"
    elif location.is_file and location.line is not None:
        change, note = lines.change(written.locations)
    else:
        note = "its table is only read: its versions are not followed"
    return BlamedValue(written.source, written.path, written.value, written.layer, location, change, note)
