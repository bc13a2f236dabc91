"""Opens the sources of metadata that a project names; nothing is connected to before it is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lakeflow_job_meta.config.model import MetadataSource, Project
from lakeflow_job_meta.control_table.schema import CONTROL_TABLE
from lakeflow_job_meta.sources.control_table import TableReader
from lakeflow_job_meta.sources.interface import Reader
from lakeflow_job_meta.sources.volume import VolumeReader, volume_files
from lakeflow_job_meta.sources.yaml_files import YamlReader
from lakeflow_job_meta.tables.open import open_table
from lakeflow_job_meta.tables.schema import TableSchema
from lakeflow_job_meta.tables.store import VersionedTable
from lakeflow_job_meta.workspace.client import Workspace


def _ignore(message: str) -> None:
    pass


def open_readers(
    project: Project, on_wait: Callable[[str], None] = _ignore, workspace: Workspace | None = None
) -> list[Reader]:
    """Returns a reader for each source of metadata, in the order of the project file.

    Args:
        project: Names the sources.
        on_wait: Called when a warehouse makes one wait.
        workspace: Where tables and volumes are; by default the one of the environment.
    """
    return [_open_reader(project, source, on_wait, workspace) for source in project.metadata]


def _open_reader(
    project: Project, source: MetadataSource, on_wait: Callable[[str], None], workspace: Workspace | None
) -> Reader:
    if source.kind == "yaml":
        return YamlReader(project.folder, source.location)
    if source.kind == "volume":
        return VolumeReader(source.location, None if workspace is None else volume_files(source.location, workspace))
    group_column = project.bundles.by if project.bundles is not None else None
    return TableReader(
        source.location,
        lambda: open_table_source(source, project.folder, workspace=workspace, on_wait=on_wait),
        group_column,
    )


def open_table_source(
    source: MetadataSource,
    folder: Path,
    schema: TableSchema = CONTROL_TABLE,
    *,
    workspace: Workspace | None = None,
    on_wait: Callable[[str], None] = _ignore,
) -> VersionedTable:
    """Opens a control table that a project reads, one of `Project.table_sources`, or a table beside it."""
    return open_table(
        source.location,
        schema,
        source.warehouse_id,
        by_location=source.kind == "delta",
        folder=folder,
        workspace=workspace,
        on_wait=on_wait,
    )
