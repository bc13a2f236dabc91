"""The functions for jobs that are in the workspace: imported as modules, pulled into the metadata, started.

Thin, as all functions of the package: parameters in, plain results out; see `functions`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from lakeflow_job_meta.api.arguments import workspace_of
from lakeflow_job_meta.api.functions import compile, tell_fallback, tell_progress
from lakeflow_job_meta.errors import ConfigError

if TYPE_CHECKING:
    from lakeflow_job_meta.api.arguments import WorkspaceLike
    from lakeflow_job_meta.api.results import PullResult
    from lakeflow_job_meta.compiler.result import Compilation
    from lakeflow_job_meta.config.model import Project
    from lakeflow_job_meta.deployment.backend import Unpaused
    from lakeflow_job_meta.deployment.select_backend import BackendName
    from lakeflow_job_meta.importing.model import Destination, Import
    from lakeflow_job_meta.workspace.client import Workspace


def pull(
    project: Project,
    target: str | None = None,
    modules: Collection[str] | None = None,
    *,
    in_module: bool = False,
    dry_run: bool = False,
    backend: BackendName = "auto",
    workspace: WorkspaceLike | None = None,
) -> PullResult:
    """Writes edits made by hand in the workspace into the metadata, as `ljm pull` does.

    Args:
        project: The project.
        target: The bundle's target; by default the bundle's own.
        modules: The names of the modules to look at; by default all.
        in_module: Whether to write over in the module what comes from defaults or a blueprint.
        dry_run: Whether to write nothing.
        backend: As for `deploy`.
        workspace: As for `deploy`.

    Raises:
        ConfigError: There is no such module or target.
        OperationFailed: The generated files are older than the metadata, or disk, table or workspace refuse.
    """
    from lakeflow_job_meta.api.results import PullResult
    from lakeflow_job_meta.config.bundle import target_of
    from lakeflow_job_meta.deployment.backend import Reporter
    from lakeflow_job_meta.deployment.pipeline import live_plan
    from lakeflow_job_meta.deployment.select_backend import select_backend
    from lakeflow_job_meta.services.module_names import key_of_module
    from lakeflow_job_meta.services.pull import apply_pull, plan_pull
    from lakeflow_job_meta.workspace.client import Workspace

    connection, named = workspace_of(workspace), target_of(project, target)
    project = project.for_target(named)
    compilation = compile(project, workspace=connection)
    keys = frozenset(key_of_module(compilation, name) for name in modules) if modules is not None else None
    deployer = select_backend(project, named, connection or Workspace(), backend, on_fallback=tell_fallback)
    plan = live_plan(project, named, deployer, compilation, Reporter(tell_progress), connection)
    found = plan_pull(
        project, compilation, plan, named, partial(_recompiled, project, connection), keys, in_module=in_module
    )
    left = [f"{each.job}: {each.name}: {each.reason}." for each in found.left]
    left += () if dry_run else apply_pull(project, found, connection)
    return PullResult(found.pulled, tuple(left), tuple(file.path for file in found.files))


def _recompiled(project: Project, connection: Workspace | None, contents: Mapping[str, bytes]) -> Compilation:
    from lakeflow_job_meta.compiler.compile import compile_project
    from lakeflow_job_meta.config.bundle import read_bundle_declarations

    return compile_project(project, read_bundle_declarations(project), workspace=connection, contents=contents)


def unpause(
    project: Project,
    target: str | None = None,
    modules: Collection[str] | None = None,
    *,
    backend: BackendName = "auto",
    workspace: WorkspaceLike | None = None,
) -> list[Unpaused]:
    """Starts what is paused of jobs in the workspace, as `ljm unpause` does; only the pause is changed.

    Args:
        project: The project.
        target: The bundle's target; by default the bundle's own.
        modules: The names of the modules; by default all but those that the metadata pauses.
        backend: As for `deploy`.
        workspace: As for `deploy`.

    Raises:
        ConfigError: There is no such module or target.
        OperationFailed: A job is not in the workspace, and nothing was started; or the workspace refuses.
    """
    from lakeflow_job_meta.config.bundle import target_of
    from lakeflow_job_meta.deployment.select_backend import select_backend
    from lakeflow_job_meta.deployment.unpause import unpause_jobs
    from lakeflow_job_meta.services.module_names import key_of_module
    from lakeflow_job_meta.workspace.client import Workspace

    connection, named = workspace_of(workspace), target_of(project, target)
    project = project.for_target(named)
    compilation = compile(project, workspace=connection)
    keys = [key_of_module(compilation, name) for name in dict.fromkeys(modules)] if modules is not None else None
    deployer = select_backend(project, named, connection or Workspace(), backend, on_fallback=tell_fallback)
    return unpause_jobs(project, named, deployer, keys, compilation, tell_progress, connection)


def import_bundle(
    project: Project,
    files: Sequence[str],
    *,
    to: str | Path | None = None,
    to_table: bool = False,
    replace: bool = False,
    as_blueprint: bool = False,
    dry_run: bool = False,
    workspace: WorkspaceLike | None = None,
) -> Import:
    """Imports jobs that files of the bundle define, as `ljm import bundle` does.

    Args:
        project: The project.
        files: Files, folders and globs, from the current folder.
        to: The folder for the metadata files; by default `imported/` in the folder that `metadata:` reads.
        to_table: Whether to load the modules into the control table instead.
        replace: Whether to take the imported jobs out of their files.
        as_blueprint: Whether jobs that differ in few values become a blueprint and rows.
        dry_run: Whether to write nothing.
        workspace: Where the control table is; as for `deploy`.

    Raises:
        ConfigError: A file is not there or not of the project, or modules cannot go where they are to.
        OperationFailed: The disk or the table refuses.
    """
    from lakeflow_job_meta.importing import imports

    destination = _destination(project, to, to_table, workspace_of(workspace))
    planned = imports.import_bundle(project, files, destination, replacing=replace, as_blueprint=as_blueprint)
    return _written(project, planned, dry_run)


def import_jobs(
    project: Project,
    ids: Iterable[int] = (),
    *,
    names: Iterable[str] = (),
    tags: Mapping[str, str] | None = None,
    unmanaged: bool = False,
    target: str | None = None,
    to: str | Path | None = None,
    to_table: bool = False,
    as_blueprint: bool = False,
    dry_run: bool = False,
    workspace: WorkspaceLike | None = None,
) -> Import:
    """Imports jobs of the workspace, as `ljm import jobs` does; nothing is changed there.

    Args:
        project: The project.
        ids: The jobs; else all that fit every one of the next three.
        names: Globs, of which one must fit the name.
        tags: Tags that must be there, with these values.
        unmanaged: All that no bundle deploys.
        target: The bundle's target that takes them over; by default the bundle's own.
        to: As for `import_bundle`; likewise the next three.
        to_table: See there.
        as_blueprint: See there.
        dry_run: See there.
        workspace: By default that of the target.

    Raises:
        ConfigError: Nothing says which jobs, or modules cannot go where they are to.
        OperationFailed: The workspace, the disk or the table refuses.
    """
    from lakeflow_job_meta.deployment.jobs_api.client import JobsClient
    from lakeflow_job_meta.deployment.login import workspace_of_target
    from lakeflow_job_meta.importing import imports
    from lakeflow_job_meta.importing.live_jobs import Selection

    wanted = Selection(tuple(ids), tuple(names), tags, unmanaged)
    if wanted.ids and (wanted.names or tags or unmanaged):
        raise ConfigError("Give ids, or what says which jobs; not both.")
    connection = workspace_of(workspace)
    destination = _destination(project, to, to_table, connection)
    client = JobsClient(connection or workspace_of_target(project, target))
    planned = imports.import_jobs(project, client, wanted, destination, target, as_blueprint=as_blueprint)
    return _written(project, planned, dry_run)


def import_jobs_meta(
    project: Project,
    sources: Sequence[str],
    *,
    target: str | None = None,
    warehouse_id: str | None = None,
    to: str | Path | None = None,
    to_table: bool = False,
    as_blueprint: bool = False,
    dry_run: bool = False,
    workspace: WorkspaceLike | None = None,
) -> Import:
    """Imports the metadata of lakeflow-jobs-meta, as `ljm import lakeflow-jobs-meta` does.

    Args:
        project: The project.
        sources: Its YAML files and folders, and its control tables by name or path.
        target: The bundle's target that takes over the jobs whose ids its tables name; by default the bundle's own.
        warehouse_id: The SQL warehouse that reads a table of Unity Catalog.
        to: As for `import_bundle`; likewise the next three.
        to_table: See there.
        as_blueprint: See there.
        dry_run: See there.
        workspace: Where tables are; as for `deploy`.

    Raises:
        ConfigError: A file or table is not there, or modules cannot go where they are to.
        OperationFailed: The disk or a table refuses.
    """
    from lakeflow_job_meta.importing import imports

    connection = workspace_of(workspace)
    destination = _destination(project, to, to_table, connection)
    planned = imports.import_jobs_meta(
        project,
        sources,
        destination,
        target=target,
        warehouse_id=warehouse_id,
        as_blueprint=as_blueprint,
        workspace=connection,
    )
    return _written(project, planned, dry_run)


def _destination(project: Project, to: str | Path | None, to_table: bool, workspace: Workspace | None) -> Destination:
    from lakeflow_job_meta.importing.destinations import control_table, metadata_files

    if to_table and to is not None:
        raise ConfigError("'to' names a folder and 'to_table' takes none; give one of them.")
    return control_table(project, workspace) if to_table else metadata_files(project, Path(to) if to else None)


def _written(project: Project, planned: Import, dry_run: bool) -> Import:
    from lakeflow_job_meta.importing import imports

    if not dry_run:
        imports.write_import(project, planned)
    return planned
