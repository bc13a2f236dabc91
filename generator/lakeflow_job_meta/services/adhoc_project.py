"""The project of a control table that is named in Python or on the command line rather than in a project file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from lakeflow_job_meta.config.load import find_project_folder, load_project
from lakeflow_job_meta.config.model import BUNDLE_FILE, TABLE_KINDS, MetadataSource, Project
from lakeflow_job_meta.control_table.names import split_name
from lakeflow_job_meta.control_table.open import is_location
from lakeflow_job_meta.errors import ConfigError
from lakeflow_job_meta.services.table_operations import without_file_checks


def project_of_table(control_table: str, warehouse_id: str | None = None, folder: str | Path | None = None) -> Project:
    """Returns the project around, reading a control table.

    Args:
        control_table: `catalog.schema.table`, or the path or URL of a Delta table.
        warehouse_id: The SQL warehouse that reads it where there is no Spark session.
        folder: The bundle's folder; by default the nearest one upwards from the current folder.

    Raises:
        ConfigError: The name is no table's name, or the project file has mistakes.
    """
    start = Path(folder) if folder is not None else Path.cwd()
    try:
        project = load_project(find_project_folder(start.absolute()))
    except ConfigError as error:
        if error.diagnostics or folder is not None:
            raise
        project = load_project(start)
    if any(source.kind in TABLE_KINDS and source.location == control_table for source in project.metadata):
        return project
    kind = "delta" if is_location(control_table) else "table"
    if kind == "table":
        split_name(control_table)
    else:
        control_table = control_table if "://" in control_table else str(Path(control_table).absolute())
    source = MetadataSource(kind, control_table, warehouse_id)
    project = replace(project, metadata=(source,), control_table=control_table)
    return project if (project.folder / BUNDLE_FILE).is_file() else without_file_checks(project)
