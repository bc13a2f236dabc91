"""Edits that were made by hand in the workspace, written into the metadata at the place that each value came from.

A plan of a deployment says what was edited. What comes from defaults, presets, blueprints or references is told and
not written, unless it is to be written over in the module. New YAML is compiled before it is written: what would not
come out as it is in the workspace is taken back. Only `apply_pull` writes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from lakeflow_job_meta._internal.fs import read_file
from lakeflow_job_meta._internal.secrets import masked
from lakeflow_job_meta._internal.text import quoted
from lakeflow_job_meta._internal.trees import ABSENT, ItemKey, KeyPath, Value, diff, value_at, with_value_at
from lakeflow_job_meta.blueprints.expansion import ExpandedModule
from lakeflow_job_meta.compiler.result import Compilation
from lakeflow_job_meta.config.model import MetadataSource, Project
from lakeflow_job_meta.control_table.schema import COLUMNS, key_of
from lakeflow_job_meta.diagnostics.model import SourceRef
from lakeflow_job_meta.jobs.in_targets import build_module
from lakeflow_job_meta.jobs.layers import Layer, written_in
from lakeflow_job_meta.jobs.model import Job
from lakeflow_job_meta.jobs.setting_layers import layers_of
from lakeflow_job_meta.parsing.modules import parse_module
from lakeflow_job_meta.parsing.rows import TableModule, units_of_rows
from lakeflow_job_meta.parsing.targets import TargetedModule
from lakeflow_job_meta.planning.model import BundlePlan
from lakeflow_job_meta.planning.setting_paths import Steps, steps_of
from lakeflow_job_meta.services.fixes import FileFix, Fixes, apply_fixes
from lakeflow_job_meta.services.hand_edits import HandEdit, Pulled
from lakeflow_job_meta.sources.open import open_table_source
from lakeflow_job_meta.tables.schema import Row
from lakeflow_job_meta.tables.store import VersionedTable
from lakeflow_job_meta.text.json_columns import read_json
from lakeflow_job_meta.text.yaml_documents import YamlDocument
from lakeflow_job_meta.text.yaml_values import with_value
from lakeflow_job_meta.workspace.client import Workspace

Recompile = Callable[[Mapping[str, bytes]], Compilation]
_JSON = frozenset(column.name for column in COLUMNS if column.holds_json)
_CHANGED = "it has changed since it was read; run again"
_OWN = ("module", "source")
_OF_TARGET = "module, target "
"""What the names of layers are, or begin with, that a module writes itself."""


@dataclass(frozen=True, slots=True)
class Left:
    """An edit that is not written, and why."""

    job: str
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class CellEdit:
    """A cell of a control table, as it was read and as it is to be."""

    table: MetadataSource
    key: tuple[str, str]
    column: str
    before: object
    after: object


@dataclass(frozen=True, slots=True)
class Pull:
    """What is to be written into the metadata, and what is not."""

    pulled: tuple[Pulled, ...] = ()
    left: tuple[Left, ...] = ()
    files: tuple[FileFix, ...] = ()
    cells: tuple[CellEdit, ...] = ()


def plan_pull(
    project: Project,
    compilation: Compilation,
    plan: BundlePlan,
    target: str,
    recompile: Recompile,
    keys: Collection[str] | None = None,
    *,
    in_module: bool = False,
) -> Pull:
    """Finds out what to write for the edits that a plan shows; writes nothing.

    Args:
        project: The project.
        compilation: Of its metadata, which the plan is of.
        plan: A plan of a deployment to the target.
        target: The bundle's target.
        recompile: Compiles the project with other contents of some files, by path.
        keys: The jobs to look at; None for all.
        in_module: Whether to write over in the module what does not come from it.
    """
    planner = _Planner(project, compilation, target, in_module)
    for owner, field in plan.hand_edits():
        key = owner.job_key or owner.name.split(".")[2]
        if keys is None or key in keys:
            planner.add(key, field.path, field.remote, field.new, is_setting=owner.job_key is not None)
    return planner.result(recompile)


class _Planner:
    def __init__(self, project: Project, compilation: Compilation, target: str, in_module: bool) -> None:
        self._project, self._compilation = project, compilation
        self._target, self._in_module = target, in_module
        self._pulled: list[Pulled] = []
        self._left: list[Left] = []

    def add(self, key: str, name: str, remote: Value, planned: Value, *, is_setting: bool) -> None:
        job = self._compilation.jobs.get(key)
        if job is None or not is_setting:
            reason = "no module has this job" if job is None else "permissions are not pulled; write them into the job"
            self._left.append(Left(key, name, reason))
            return
        job, steps = job.in_target(self._target), steps_of(name)
        for edit in _edits(job, key, name, steps, ABSENT if remote is None else remote):
            found = edit if isinstance(edit, Left) else self._placed(job, edit, planned)
            if isinstance(found, Left):
                self._left.append(found)
            else:
                self._pulled.append(found)

    def _placed(self, job: Job, edit: HandEdit, planned: Value) -> Pulled | Left:
        place = _place_of(job, edit, in_module=self._in_module)
        if isinstance(place, str):
            return Left(edit.job, edit.name, f"it is {edit.shown} in the workspace, and {place}")
        ref, value = place
        reason = self._reason_to_leave(ref)
        return Pulled(edit, ref, value) if reason is None else Left(edit.job, edit.name, f"{ref}: {reason}")

    def _reason_to_leave(self, ref: SourceRef) -> str | None:
        document = ref.document
        if isinstance(document, TableModule):
            is_known = any(table.location == document.label for table in self._project.table_sources)
            return None if is_known and document.cells(ref.path) else "it has no cell of its own"
        if not isinstance(document, YamlDocument):
            return "these rows are not written"
        return "it is in a volume, whose files are not written" if document.label.startswith("/") else None

    def result(self, recompile: Recompile) -> Pull:
        """Returns what is written, after a compilation has shown that it comes out as it should."""
        while True:
            files = self._files()
            cells = self._cells()
            wrong = self._not_as_wanted(recompile({file.path: file.after for file in files})) if files else []
            wrong += [each for each in self._pulled if not self._comes_out_of_rows(each, cells)]
            if not wrong:
                return Pull(tuple(self._pulled), tuple(self._left), tuple(files), tuple(cells))
            self._leave(wrong, "the job would not come out with it")

    def _leave(self, pulled: Sequence[Pulled], reason: str) -> None:
        self._pulled = [each for each in self._pulled if each not in pulled]
        self._left += [Left(each.edit.job, each.edit.name, f"{each.ref}: not written: {reason}") for each in pulled]

    def _not_as_wanted(self, compilation: Compilation) -> list[Pulled]:
        jobs, in_files = compilation.jobs, [each for each in self._pulled if isinstance(each.document, YamlDocument)]
        return [each for each in in_files if not _comes_out(jobs.get(each.edit.job), self._target, each.edit)]

    def _comes_out_of_rows(self, pulled: Pulled, cells: Sequence[CellEdit]) -> bool:
        """Says whether the rows of a module give what is wanted when all cells are written; true of what is no row."""
        document = pulled.document
        if not isinstance(document, TableModule):
            return True
        new = {(each.key, each.column): each.after for each in cells if each.table.location == document.label}
        rows = [{**row, **{name: new.get((key_of(row), name), row.get(name)) for name in row}} for row in document.rows]
        (unit,) = units_of_rows(document.label, rows, None, self._project.own_columns)
        (raw,) = unit.content.modules
        module = parse_module(raw, self._project.task_keys).module
        if module is None or raw.use is not None:
            return module is not None
        targets, others = self._compilation.bundle.targets, self._compilation.jobs.neighbours
        built = build_module(raw, module, self._project, self._project.output, targets, others)
        return _comes_out(built.job, self._target, pulled.edit)

    def _files(self) -> list[FileFix]:
        files: dict[str, FileFix] = {}
        for each in [*self._pulled]:
            document = each.document
            if not isinstance(document, YamlDocument):
                continue
            file = files.get(document.label) or self._file(document)
            new = with_value(file.after.decode("utf-8-sig"), each.ref.path, each.value) if file is not None else None
            if file is None or new is None:
                self._leave([each], _CHANGED if file is None else "that would change more than this")
                continue
            mark = file.before[: len(file.before) - len(file.before.decode("utf-8-sig").encode())]
            files[document.label] = FileFix(file.path, file.before, mark + new.encode(), file.fixed + 1)
        return [file for _, file in sorted(files.items())]

    def _file(self, document: YamlDocument) -> FileFix | None:
        try:
            content = read_file(self._project.folder / document.label)
            return FileFix(document.label, content, content) if content.decode("utf-8-sig") == document.text else None
        except (OSError, UnicodeDecodeError):
            return None

    def _cells(self) -> list[CellEdit]:
        tables = {table.location: table for table in self._project.table_sources}
        cells: dict[tuple[str, tuple[str, str], str], CellEdit] = {}
        for each in self._pulled:
            document = each.document
            for row, inside in document.cells(each.ref.path) if isinstance(document, TableModule) else ():
                column, table = str(inside[0]), tables[each.ref.document.label]
                place = table.location, key_of(row), column
                known = cells.get(place) or CellEdit(table, key_of(row), column, row.get(column), row.get(column))
                after = _cell_with(known.after, column, inside[1:], each.value)
                cells[place] = CellEdit(table, known.key, column, known.before, after)
        return [*cells.values()]


def _edits(job: Job, key: str, name: str, steps: Steps, value: object) -> Iterator[HandEdit | Left]:
    """Yields an edit by its path in the settings of a job: of a map in parts, of what comes into a list as a whole."""
    path = _path_in(job.settings, steps)
    is_task = steps[0] == "tasks" and len(steps) == len(("tasks", "its key"))
    if is_task and (path is None or value is ABSENT):
        what = "added" if path is None else "taken away"
        yield Left(key, name, f"the task was {what} in the workspace; tasks are sources, so do that by hand")
        return
    if path is None and _path_in(job.settings, steps[:-1]) is None:
        yield Left(key, name, "what it is in is not in the metadata")
        return
    if path is None or (value is ABSENT and isinstance(path[-1], int)):
        path, value = _whole_list(job, steps, path, value)
    current = value_at(job.settings, path)[1]
    if isinstance(current, dict) and isinstance(value, dict):
        for each in diff(current, cast(Value, value), path):
            inside = ".".join(map(str, each.path[len(path) :]))
            yield HandEdit(key, f"{name}.{inside}", each.path, each.after)
        return
    yield HandEdit(key, name, path, value)


def _path_in(settings: Value, steps: Steps) -> KeyPath | None:
    """Returns the path of a plan as a path in settings; None where it leads to an item that these do not have."""
    path: list[str | int] = []
    for step in steps:
        if isinstance(step, ItemKey):
            items = value_at(settings, path)[1]
            numbered = enumerate(items if isinstance(items, list) else [])
            found = (n for n, item in numbered if isinstance(item, dict) and item.get(step.name) == step.value)
            if (number := next(found, None)) is None:
                return None
            path.append(number)
        else:
            path.append(step)
    return tuple(path)


def _whole_list(job: Job, steps: Steps, path: KeyPath | None, value: object) -> tuple[KeyPath, object]:
    """Returns the edit of an item that comes or goes as one of the list around it."""
    around = cast("KeyPath", _path_in(job.settings, steps[:-1]))
    items = value_at(job.settings, around)[1]
    known = items if isinstance(items, list) else []
    return around, [*known, value] if path is None else [item for n, item in enumerate(known) if n != path[-1]]


def _place_of(job: Job, edit: HandEdit, *, in_module: bool) -> tuple[SourceRef, object] | str:
    """Returns where an edit is to be written and what, or why it is not written."""
    if edit.path[:1] == ("tasks",) and edit.path[2:3] in (("depends_on",), ("task_key",)):
        return f"it is made from {job.origin_of(edit.path)}, so that a person has to decide"
    is_there, current = value_at(job.settings, edit.path)
    layers = layers_of(job, edit.path)
    if not layers:
        made = f"it is made from {job.origin_of(edit.path)}"
        return made if is_there else _in_module(job, edit, edit.value, in_module=in_module)
    top, lower = layers[0], layers[1:]
    if top.name in _OWN or top.name.startswith(_OF_TARGET):
        if top.ref.path[-1:] != edit.path[-1:] or any(diff(top.value, cast(Value, current))):
            return f"it is made from {top.ref}"
        if in_module or not _refers(top.value):
            is_set_below = any(each.value is not None for each in lower)
            return _resolved(top.ref), None if edit.value is ABSENT and is_set_below else edit.value
    elif in_module:
        return _in_module(job, edit, None if edit.value is ABSENT else edit.value, in_module=True)
    what = "a reference" if top.name in _OWN or top.name.startswith(_OF_TARGET) else top.name
    said = quoted(masked(top.value, top.ref.path))
    return f"{said} comes from {what} at {top.ref}; change it there, or write it into the module with --in-module"


def _refers(value: object) -> bool:
    return "${" in json.dumps(value)


def _in_module(job: Job, edit: HandEdit, value: object, *, in_module: bool) -> tuple[SourceRef, object] | str:
    """Returns where the module itself would write a setting: beside what it says of it, for a target if that is so."""
    if value is ABSENT:
        return "it is not set in the metadata either"
    is_of_task = edit.path[:1] == ("tasks",) and len(edit.path) > 1
    layers = job.task_origins[int(edit.path[1])].layers if is_of_task else job.layers
    path, settings = (edit.path[2:], None) if is_of_task else (edit.path, job.settings)
    found = [layer for layer in layers if _may_write(layer, path)]
    if not found:
        return f"it is made from {job.origin_of(edit.path[:2])}"
    best = max(found, key=lambda layer: (_depth(layer, written_in(layer, path, settings)), -found.index(layer)))
    written = written_in(best, path, settings)
    ref = SourceRef(best.ref.document, (*best.ref.path, *written))
    if isinstance(best.ref.document, ExpandedModule):
        if not in_module:
            return f"its module is made of a blueprint at {best.ref}; change it there, or write it with --in-module"
        own = best.ref.document.of_use(ref.path)
        if own is None:
            return f"its task is made of a blueprint at {best.ref}; change it there"
        ref = own
    return _resolved(ref), value


def _may_write(layer: Layer, path: KeyPath) -> bool:
    is_own = layer.name in _OWN or layer.name.startswith(_OF_TARGET)
    return is_own and not layer.is_derived and path[: len(layer.prefix)] == layer.prefix


def _depth(layer: Layer, path: KeyPath) -> int:
    """Returns how far a path leads into what a layer says."""
    return next(n for n in range(len(path), -1, -1) if value_at(layer.value, path[:n])[0])


def _resolved(ref: SourceRef) -> SourceRef:
    document = ref.document
    return document.ref(ref.path) if isinstance(document, TargetedModule) else ref


def _comes_out(job: Job | None, target: str, edit: HandEdit) -> bool:
    if job is None:
        return False
    is_there, value = value_at(job.in_target(target).settings, edit.path)
    if edit.value is ABSENT:
        return not is_there
    return is_there and not any(diff(cast(Value, value), cast(Value, edit.value)))


def _cell_with(cell: object, column: str, path: KeyPath, value: object) -> object:
    """Returns a cell with another value at a path in its JSON, written as it was: in lines or in one."""
    if column not in _JSON or not path:
        return None if value is ABSENT else value
    text = cell if isinstance(cell, str) else ""
    content = read_json(text)[0] if text else {}
    new = with_value_at(content, path, value)
    return cell if new is ABSENT else json.dumps(new, ensure_ascii=False, indent=2 if "\n" in text else None)


def apply_pull(project: Project, pull: Pull, workspace: Workspace | None = None) -> tuple[str, ...]:
    """Writes files, each whole, and the cells of each table by one MERGE; returns what was left, and why.

    The MERGE itself writes only rows in which these cells are as they were read.

    Raises:
        OperationFailed: The disk or a table refuses; what came before is written.
    """
    left = [*apply_fixes(project, Fixes(pull.files)).not_applied]
    by_table: dict[str, list[CellEdit]] = {}
    for cell in pull.cells:
        by_table.setdefault(cell.table.location, []).append(cell)
    for cells in by_table.values():
        table = open_table_source(cells[0].table, project.folder, workspace=workspace)
        rows = _rows_of(table)
        new: dict[tuple[str, str], dict[str, object]] = {}
        for cell in cells:
            if (row := rows.get(cell.key)) is not None and row.get(cell.column) == cell.before:
                new.setdefault(cell.key, {**row})[cell.column] = cell.after
        table.update([(rows[key], row) for key, row in new.items()])
        written = _rows_of(table)
        left += (
            f"{table.name}[module_name={cell.key[0]}, source_id={cell.key[1]}].{cell.column}: not applied: {_CHANGED}"
            for cell in cells
            if cell.key not in written or written[cell.key].get(cell.column) != cell.after
        )
    return tuple(left)


def _rows_of(table: VersionedTable) -> dict[tuple[str, str], Row]:
    return {key_of(row): row for row in table.read().rows}
