"""The project of metadata that is named in Python or on the command line rather than in a project file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from lakeflow_job_meta._internal.fs import kind_of_path
from lakeflow_job_meta._internal.text import count
from lakeflow_job_meta.config.load import find_project_folder, load_project
from lakeflow_job_meta.config.model import MetadataSource, Project, bundle_file_in
from lakeflow_job_meta.config.policies import with_policies
from lakeflow_job_meta.diagnostics.model import in_reading_order
from lakeflow_job_meta.errors import ConfigError
from lakeflow_job_meta.sources.volume import read_anywhere
from lakeflow_job_meta.tables.names import is_location, is_url, split_name
from lakeflow_job_meta.text.yaml_documents import decode_yaml
from lakeflow_job_meta.workspace.client import Workspace


def with_policies_file(project: Project, path: str | None, workspace: Workspace | None = None) -> Project:
    """Returns a project with the policies of a file besides its own; the file may be in a volume.

    Raises:
        ConfigError: The file has mistakes.
        OperationFailed: It cannot be read.
    """
    if path is None:
        return project
    document, problems = decode_yaml(read_anywhere(path, workspace), path)
    if document is not None:
        project, problems = with_policies(project, document)
    if problems:
        raise ConfigError(f"{count(len(problems), 'mistake')} in {path}.", in_reading_order(problems))
    return replace(project, policies_file=path)


def project_of_table(control_table: str, warehouse_id: str | None = None, folder: str | Path | None = None) -> Project:
    """Returns the project around, reading a control table: `catalog.schema.table`, or the path or URL of a Delta table.

    The folder is the bundle's, by default the nearest one upwards from the current folder.

    Raises:
        ConfigError: The name is no table's name, or the project file has mistakes.
    """
    start = Path(folder) if folder is not None else Path.cwd()
    project = _nearest_project(start.absolute(), must_be_there=folder is not None) or load_project(start)
    if any(source.location == control_table for source in project.table_sources):
        return project
    kind = "delta" if is_location(control_table) else "table"
    if kind == "table":
        split_name(control_table)
    elif not is_url(control_table):
        control_table = str(Path(control_table).absolute())
    source = MetadataSource(kind, control_table, warehouse_id)
    project = replace(project, metadata=(source,), control_table=control_table)
    return project if bundle_file_in(project.folder) is not None else _without_file_checks(project)


def project_around(path: Path) -> Project:
    """Returns the project that a path is in; outside of one, jobs may name files that are not here."""
    start = path.absolute() if kind_of_path(path) == "folder" else path.absolute().parent
    found = _nearest_project(start, must_be_there=False)
    return found or _without_file_checks(load_project(start if kind_of_path(start) == "folder" else Path.cwd()))


def _nearest_project(start: Path, *, must_be_there: bool) -> Project | None:
    try:
        return load_project(find_project_folder(start))
    except ConfigError as error:
        if error.diagnostics or must_be_there:
            raise
        return None


def _without_file_checks(project: Project) -> Project:
    """Returns a project in which jobs may name files that are not here, for metadata without a project around it."""
    of_files = ("missing-file", "not-a-notebook", "not-uploaded")
    return replace(project, checks=(*project.checks, *((code, "off") for code in of_files)))
