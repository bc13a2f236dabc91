"""Where imported modules go: each to a metadata file of its own, or all of them into the control table.

Nothing that is there already is overwritten; the same module once more is no change.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from lakeflow_job_meta._internal.fs import is_glob, kind_of_path, read_file, sync_folder, write_new
from lakeflow_job_meta._internal.text import quoted
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.control_table.schema import key_of
from lakeflow_job_meta.errors import ConfigError, OperationFailed
from lakeflow_job_meta.importing.model import FoundJob, ImportedModule
from lakeflow_job_meta.parsing.rows import units_of_rows
from lakeflow_job_meta.parsing.units import RawModule, SourceUnit
from lakeflow_job_meta.services.load_plan import plan_load, rows_of_module
from lakeflow_job_meta.services.table_load import load
from lakeflow_job_meta.sources.open import open_table_source
from lakeflow_job_meta.sources.yaml_files import YAML_SUFFIXES, YamlReader, unit_of_file
from lakeflow_job_meta.tables.schema import Row
from lakeflow_job_meta.tables.store import VersionedTable
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

    def units_of(self, modules: Sequence[ImportedModule]) -> tuple[SourceUnit, ...]:
        return tuple(unit_of_file(module.label, module.text.encode()) for module in modules)

    def why_not(self, module: ImportedModule) -> str | None:
        """Says what keeps a module from being written; None if nothing does."""
        path = self.folder / module.label
        if not os.path.lexists(path) or _says(path, module.text):
            return None
        return f"{quoted(module.label)} is there already and says something else; nothing is overwritten"

    def write(self, modules: Sequence[ImportedModule]) -> None:
        """Writes each module; raises OSError if the disk refuses."""
        for module in modules:
            path = self.folder / module.label
            if not _says(path, module.text):
                path.parent.mkdir(parents=True, exist_ok=True)
                write_new(path, module.text.encode(), durable=True)
        if modules:
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

    def units_of(self, modules: Sequence[ImportedModule]) -> tuple[SourceUnit, ...]:
        rows = (row for raw in _raw_modules(modules) for row in rows_of_module(raw))
        return tuple(units_of_rows(self.table.name, rows))

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
