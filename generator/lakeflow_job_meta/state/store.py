"""The state store: the tracking table and the history table of a project and target.

They lie beside the first control table that the project reads, else in its state folder. Nothing here reads or writes.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lakeflow_job_meta.tables.schema import Column, TableSchema

if TYPE_CHECKING:
    from lakeflow_job_meta.config.model import Project
    from lakeflow_job_meta.tables.store import TableStore
    from lakeflow_job_meta.workspace.client import Workspace

JOBS = TableSchema(
    suffix="_jobs",
    columns=(
        # These five first: the table of the original tool has them, and is carried on.
        Column("module_name", "STRING"),
        Column("job_id", "BIGINT"),
        Column("job_name", "STRING"),
        Column("created_timestamp", "TIMESTAMP"),
        Column("updated_timestamp", "TIMESTAMP"),
        Column("target", "STRING"),
        Column("bundle_key", "STRING"),
        Column("url", "STRING"),
        Column("metadata_version", "STRING"),
    ),
    key=("target", "bundle_key"),
    order="updated_timestamp",
)
"""Which job belongs to which module, for every target. Rows of the original tool have no target and no bundle_key."""

HISTORY = TableSchema(
    suffix="_history",
    columns=(
        Column("run_id", "STRING"),
        Column("target", "STRING"),
        Column("started_timestamp", "TIMESTAMP"),
        Column("duration_seconds", "DOUBLE"),
        Column("metadata_version", "STRING"),
        Column("outcome", "STRING"),
        Column("created", "INT"),
        Column("changed", "INT"),
        Column("deleted", "INT"),
        Column("refused", "INT"),
        Column("quarantined", "INT"),
        Column("error", "STRING"),
        Column("details", "STRING"),
        # A table of an older version gets these when it is written next.
        Column("changed_by", "STRING"),
        Column("git_commit", "STRING"),
    ),
    key=("run_id",),
    order="started_timestamp",
    keep=1000,
)
"""What each tick of the monitor did; `details` is JSON."""


def open_state_store(
    project: Project, folder: Path, schema: TableSchema, workspace: Workspace | None = None
) -> TableStore:
    """Opens a table of the state store; without a control table it is in `folder`, the state folder of the target."""
    from lakeflow_job_meta.sources.open import open_table_source
    from lakeflow_job_meta.tables.local import LocalTable

    if not project.table_sources:
        return LocalTable(folder, schema)
    return open_table_source(project.table_sources[0], project.folder, schema, workspace=workspace)
