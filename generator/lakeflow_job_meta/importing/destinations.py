"""Where imported modules go: each to a metadata file of its own, or all of them into the control table.

Nothing that is there already is overwritten; the same module once more is no change.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from lakeflow_job_meta._internal.fs import is_glob, kind_of_path, read_file, sync_folder, write_new
from lakeflow_job_meta._internal.text import quoted
from lakeflow_job_meta._internal.trees import Value, value_at
from lakeflow_job_meta.blueprints.rows import RowSource
from lakeflow_job_meta.config.model import PROJECT_FILE, Project, RowMapping
from lakeflow_job_meta.control_table.schema import key_of
from lakeflow_job_meta.errors import ConfigError, OperationFailed
from lakeflow_job_meta.importing.blueprints import BlueprintOfModules
from lakeflow_job_meta.importing.model import ChangedFile, FoundJob, ImportedModule
from lakeflow_job_meta.parsing.rows import units_of_rows
from lakeflow_job_meta.parsing.units import RawModule, SourceUnit
from lakeflow_job_meta.services.load_plan import plan_load, rows_of_module
from lakeflow_job_meta.services.table_load import load
from lakeflow_job_meta.sources.csv_files import read_csv
from lakeflow_job_meta.sources.interface import SourceSnapshot
from lakeflow_job_meta.sources.open import open_table_source
from lakeflow_job_meta.sources.yaml_files import YAML_SUFFIXES, YamlReader, unit_of_file
from lakeflow_job_meta.tables.schema import Row
from lakeflow_job_meta.tables.store import VersionedTable
from lakeflow_job_meta.text.yaml_comments import CommentedYaml
from lakeflow_job_meta.workspace.client import Workspace

_DEFAULT_FOLDER = "imported"


@dataclass(frozen=True, slots=True)
class MetadataFiles:
    """A folder of the project that its metadata is read from; `place` is relative to the project."""

    keeps_comments: ClassVar[bool] = True
    folder: Path
    place: str

    def label_of(self, job: FoundJob) -> str:
        return f"{self.place}/{job.name}.yml"

    def snapshots_of(self, modules: Sequence[ImportedModule]) -> list[SourceSnapshot]:
        units = tuple(unit_of_file(module.label, module.text.encode()) for module in modules)
        return [SourceSnapshot("import", units, (), False, {unit.label for unit in units}.__contains__)]

    def replaces(self, unit: SourceUnit, names: Collection[str]) -> bool:
        return unit.label.startswith(f"{self.place}/") and Path(unit.label).stem in names

    def why_not(self, module: ImportedModule) -> str | None:
        """Says what keeps a module from being written; None if nothing does."""
        return self.why_no_file(module.label, module.text)

    def why_no_file(self, label: str, text: str) -> str | None:
        path = self.folder / label
        if not os.path.lexists(path) or _says(path, text):
            return None
        return f"{quoted(label)} is there already and says something else; nothing is overwritten"

    def write(self, modules: Sequence[ImportedModule]) -> None:
        """Writes each module; raises OSError if the disk refuses."""
        self.write_files({module.label: module.text for module in modules})

    def write_files(self, texts: Mapping[str, str]) -> None:
        """Writes files, by their labels; raises OSError if the disk refuses."""
        for label, text in texts.items():
            path = self.folder / label
            if not _says(path, text):
                path.parent.mkdir(parents=True, exist_ok=True)
                write_new(path, text.encode(), durable=True)
        if texts:
            sync_folder(self.folder / self.place)


def _says(path: Path, text: str) -> bool:
    """Whether a file ends with a text: comments of the file that its job came from may stand above it."""
    return kind_of_path(path) == "file" and read_file(path).decode("utf-8", "replace").endswith(text)


def metadata_files(project: Project, folder: Path | None) -> MetadataFiles:
    """Returns a folder for new metadata files; raises ConfigError if the project does not read it."""
    places = [source.location for source in project.metadata if source.kind == "yaml"]
    if folder is None:
        usable = (each for each in places if not is_glob(each) and not each.lower().endswith(YAML_SUFFIXES))
        first = next(usable, None)
        if first is None:
            raise ConfigError("'metadata:' in job_meta.yml names no folder of YAML files; name one with --to DIR.")
        folder = project.folder / first / _DEFAULT_FOLDER
    place = os.path.relpath(folder.absolute(), project.folder).replace(os.sep, "/")
    if not any(YamlReader(project.folder, each).contains(f"{place}/a.yml") for each in places):
        raise ConfigError(
            f"'metadata:' in job_meta.yml does not read {place!r}; name a folder that it reads with --to."
        )
    return MetadataFiles(project.folder, place)


@dataclass(frozen=True, slots=True)
class ControlTable:
    """A control table, with the rows that it had when the import began."""

    keeps_comments: ClassVar[bool] = False
    table: VersionedTable
    rows: tuple[Row, ...]

    def label_of(self, job: FoundJob) -> str:
        return self.table.name

    def snapshots_of(self, modules: Sequence[ImportedModule]) -> list[SourceSnapshot]:
        rows = (row for raw in _raw_modules(modules) for row in rows_of_module(raw))
        units = tuple(units_of_rows(self.table.name, rows))
        return [SourceSnapshot("import", units, (), False, {self.table.name}.__contains__)]

    def replaces(self, unit: SourceUnit, names: Collection[str]) -> bool:
        if unit.label != self.table.name:
            return False
        values = (raw.value for raw in unit.content.modules)
        return any(value.get("module_name") in names for value in values if isinstance(value, dict))

    def why_not(self, module: ImportedModule) -> str | None:
        """Says what keeps a module from being loaded; None if nothing does."""
        if all(key_of(row)[0] != module.name for row in self.rows):
            return None
        plan = plan_load(_raw_modules([module]), self.rows, prune=False)
        if not plan.changes.sources and not plan.stale:
            return None
        return f"{self.table.name} has another module {quoted(module.name)} already; nothing is overwritten"

    def write(self, modules: Sequence[ImportedModule]) -> None:
        """Loads the modules with one commit; raises OperationFailed if the table refuses."""
        load(self.table, _raw_modules(modules), prune=False, dry_run=False)


@dataclass(frozen=True, slots=True)
class BlueprintFiles:
    """A blueprint in a metadata file, and a CSV file beside it whose rows fill it."""

    keeps_comments: ClassVar[bool] = False
    files: MetadataFiles
    project: Project
    blueprint: BlueprintOfModules

    @property
    def rows_label(self) -> str:
        return f"{self.files.place}/{self.blueprint.name}.csv"

    @property
    def _texts(self) -> dict[str, str]:
        return {
            f"{self.files.place}/{self.blueprint.name}.yml": self.blueprint.text,
            self.rows_label: self.blueprint.rows,
        }

    def label_of(self, job: FoundJob) -> str:
        return self.rows_label

    def snapshots_of(self, modules: Sequence[ImportedModule]) -> list[SourceSnapshot]:
        (label, text), _ = self._texts.items()
        units = (unit_of_file(label, text.encode()),)
        rows = read_csv(self.rows_label, self.blueprint.rows.encode()).rows
        mapping, columns = RowMapping(self.blueprint.name), self.project.own_columns
        source = RowSource(() if rows is None else (rows,), mapping, self.project.origin, None, columns)
        return [
            SourceSnapshot("import", units, (), False, {label}.__contains__),
            SourceSnapshot(self.rows_label, (), (), False, {self.rows_label}.__contains__, rows=source),
        ]

    def replaces(self, unit: SourceUnit, names: Collection[str]) -> bool:
        return unit.label in self._texts or self.files.replaces(unit, names)

    def why_not(self, module: ImportedModule) -> str | None:
        return next(filter(None, (self.files.why_no_file(label, text) for label, text in self._texts.items())), None)

    def write(self, modules: Sequence[ImportedModule]) -> None:
        self.files.write_files(self._texts)


def project_file_with(project: Project, entries: Sequence[tuple[str, str]]) -> list[ChangedFile]:
    """Returns the project file with entries of `metadata:`, each a CSV file and the blueprint that its rows fill.

    Raises ConfigError where they cannot be added by lines of their own.
    """
    known = {source.location for source in project.metadata}
    items: list[Value] = [{"csv": label, "blueprint": name} for label, name in entries if label not in known]
    if not items:
        return []
    path = project.folder / PROJECT_FILE
    before = read_file(path) if path.exists() else None
    yaml = CommentedYaml((before or b"").decode("utf-8-sig"))
    if value_at(yaml.value, ("metadata",))[1] is None:
        default: list[Value] = [{"yaml": source.location} for source in project.metadata]
        items = [*default, *items]
    text = yaml.with_items(("metadata",), items)
    if text is None:
        shown = ", ".join(f"{{csv: {label}, blueprint: {name}}}" for label, name in entries)
        raise ConfigError(f"'metadata:' in {PROJECT_FILE} is no list with a line for each item; add by hand: {shown}.")
    return [ChangedFile(PROJECT_FILE, before, text.encode())]


def _raw_modules(modules: Sequence[ImportedModule]) -> list[RawModule]:
    units = (unit_of_file(module.label, module.text.encode()) for module in modules)
    return [raw for unit in units for raw in unit.content.modules]


def control_table(project: Project, workspace: Workspace | None = None) -> ControlTable:
    """Returns the control table of a project.

    Raises:
        ConfigError: The project has none, or several.
        OperationFailed: It cannot be read.
    """
    tables = project.table_sources
    if len(tables) != 1:
        raise ConfigError(
            f"--to-table needs one control table, and 'metadata' in job_meta.yml has {len(tables) or 'none'}."
        )
    table = open_table_source(tables[0], project.folder, workspace=workspace)
    try:
        return ControlTable(table, tuple(table.read().rows))
    except OperationFailed as error:
        raise OperationFailed(f"{error} Is it there? `ljm table create` makes one.") from None
