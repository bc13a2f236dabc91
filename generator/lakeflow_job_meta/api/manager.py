"""`MetadataManager`: the control table from notebooks and tests, with the methods of the original tool.

Thin: every method is one of the functions behind `ljm table`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING

from lakeflow_job_meta.api.arguments import table_name, workspace_of
from lakeflow_job_meta.api.functions import tell_progress
from lakeflow_job_meta.control_table.changes import TableChanges
from lakeflow_job_meta.services.rollback import Rollback
from lakeflow_job_meta.tables.schema import Row

if TYPE_CHECKING:
    from lakeflow_job_meta.api.arguments import WorkspaceLike
    from lakeflow_job_meta.config.model import Project
    from lakeflow_job_meta.sources.interface import Reader
    from lakeflow_job_meta.tables.store import VersionedTable


class MetadataManager:
    """Reads and writes one control table.

    Args:
        control_table: `catalog.schema.table`, reached by the active Spark session or else over a SQL warehouse; or the
            path (text or `Path`) or URL of a Delta table.
        warehouse_id: The SQL warehouse; without one, DATABRICKS_WAREHOUSE_ID is used where there is no session.
        workspace: The workspace: a WorkspaceClient or the name of a profile; by default the one of the environment.

    Raises:
        ConfigError: The name is no table's name, or there is no way to reach it.
    """

    def __init__(
        self,
        control_table: str | os.PathLike[str],
        warehouse_id: str | None = None,
        *,
        workspace: WorkspaceLike | None = None,
    ) -> None:
        from lakeflow_job_meta.control_table.schema import CONTROL_TABLE
        from lakeflow_job_meta.tables.open import open_table

        self._workspace = workspace_of(workspace)
        self.table: VersionedTable = open_table(
            table_name(control_table), CONTROL_TABLE, warehouse_id or None, workspace=self._workspace
        )

    def __repr__(self) -> str:
        return f"MetadataManager({self.table.name!r})"

    def ensure_exists(self, *, optional_columns: bool = True) -> bool:
        """Creates the table if it is not there.

        Args:
            optional_columns: Whether it has `depends_on`, `job_config` and `description`; an existing table gets those
                that it lacks.

        Returns:
            Whether anything was changed.
        """
        from lakeflow_job_meta.tables.store import Created

        return self.table.create(optional_columns=optional_columns) is not Created.NOTHING

    def load_yaml(self, path: str | os.PathLike[str], *, prune: bool = False) -> int:
        """Loads a YAML file, a folder or a glob, with one commit or none; over SQL several where it is very large.

        Args:
            path: Relative to the current folder.
            prune: Whether rows of the loaded modules that are not in the YAML are deleted.

        Returns:
            How many rows the YAML has.

        Raises:
            InvalidMetadata: There is a mistake in the YAML; nothing was loaded.
            OperationFailed: The table cannot be written; it is as it was, or the text says how far it came.
        """
        from lakeflow_job_meta.sources.yaml_files import YamlReader

        return self._load(lambda project: YamlReader(project.folder, str(Path(path).absolute())), Path(path), prune)

    def sync_from_volume(self, path: str | os.PathLike[str], *, prune: bool = False) -> int:
        """Loads all YAML files of a Unity Catalog volume, as `load_yaml` does."""
        from lakeflow_job_meta.sources.volume import VolumeReader, volume_files, volume_path

        folder = volume_path(os.fspath(path))
        files = volume_files(folder, self._workspace)
        return self._load(lambda project: VolumeReader(folder, files), Path.cwd(), prune)

    def _load(self, reader_in: Callable[[Project], Reader], near: Path, prune: bool) -> int:
        from lakeflow_job_meta.services.adhoc_project import project_around
        from lakeflow_job_meta.services.table_load import load, read_checked

        project = project_around(near)
        modules, _ = read_checked(project, [reader_in(project)], self.table)
        return load(self.table, modules, prune=prune, dry_run=False, on_progress=tell_progress).rows

    def get_all_modules(self) -> list[str]:
        """Returns the names of all modules, sorted."""
        from lakeflow_job_meta.control_table.schema import key_of

        return sorted({key_of(row)[0] for row in self.table.read().rows} - {""})

    def get_module_sources(self, module_name: str) -> list[Row]:
        """Returns the rows of a module by `source_id`, JSON columns as text; empty if there is no such module."""
        from lakeflow_job_meta.control_table.schema import key_of

        rows = (row for row in self.table.read().rows if row.get("module_name") == module_name)
        return sorted(rows, key=key_of)

    def detect_changes(self, since: int) -> TableChanges:
        """Compares the table with an earlier version: new, updated, deactivated and deleted modules and sources.

        By content, not by clock; `since` is a version as `current_version` gives it.
        """
        from lakeflow_job_meta.control_table.changes import compare_versions

        return compare_versions(self.table, since)

    def rollback(self, modules: str | Collection[str], to: int | str, *, dry_run: bool = False) -> Rollback:
        """Puts the rows of modules back to what they were in a version, in one new commit or not at all.

        Args:
            modules: The names of the modules, or one.
            to: A version as `current_version` gives it, or a moment in ISO 8601 for the newest version then, in UTC.
            dry_run: Whether to write nothing.

        Returns:
            What changes, row by row, and the version `read` that takes it back.

        Raises:
            ConfigError: `to` is neither a version nor a moment.
            OperationFailed: The version cannot be read any more, there is no such module, or somebody has changed one
                of these rows meanwhile; nothing was written.
        """
        from lakeflow_job_meta.control_table.versions import version_named
        from lakeflow_job_meta.services.table_rollback import plan_rollback, roll_back

        names = [modules] if isinstance(modules, str) else [*modules]
        plan = plan_rollback(self.table, names, version_named(self.table, str(to))[0])
        if not dry_run:
            roll_back(self.table, plan)
        return plan

    def current_version(self) -> int:
        """Returns the table's newest version."""
        return self.table.version().number
