"""Opens the sources of metadata that a project names; nothing is connected to before it is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lakeflow_job_meta.config.model import MetadataSource, Project
from lakeflow_job_meta.control_table.delta import DeltaControlTable
from lakeflow_job_meta.control_table.open import open_named_table
from lakeflow_job_meta.sources.control_table import TableReader
from lakeflow_job_meta.sources.interface import Reader
from lakeflow_job_meta.sources.volume import VolumeReader, volume_files
from lakeflow_job_meta.sources.yaml_files import YamlReader
from lakeflow_job_meta.workspace.client import Workspace

OnWait = Callable[[str], None]


def open_readers(
    project: Project, on_wait: OnWait = lambda message: None, workspace: Workspace | None = None
) -> list[Reader]:
    """Returns a reader for each source of metadata, in reading order.

    Args:
        project: Names the sources.
        on_wait: Told when a warehouse makes one wait.
        workspace: Where tables and volumes are; by default the one of the environment.
    """
    column = project.bundles.by if project.bundles is not None else None
    return [_READERS[source.kind](source, project.folder, on_wait, workspace, column) for source in project.metadata]


_READERS: dict[str, Callable[[MetadataSource, Path, OnWait, Workspace | None, str | None], Reader]] = {
    "yaml": lambda source, folder, on_wait, workspace, group_column: YamlReader(folder, source.location),
    "delta": lambda source, folder, on_wait, workspace, group_column: TableReader(
        source.location, lambda: DeltaControlTable(source.location, folder), group_column
    ),
    "table": lambda source, folder, on_wait, workspace, group_column: TableReader(
        source.location,
        lambda: open_named_table(source.location, source.warehouse_id, workspace=workspace, on_wait=on_wait),
        group_column,
    ),
    "volume": lambda source, folder, on_wait, workspace, group_column: VolumeReader(
        source.location, None if workspace is None else volume_files(source.location, workspace)
    ),
}
