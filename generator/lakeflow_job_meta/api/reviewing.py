"""What people look at and decide by, from Python: the catalogue, who set a value, approvals. Thin, as `functions`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lakeflow_job_meta._internal.text import quoted
from lakeflow_job_meta.api.arguments import check_number, workspace_of
from lakeflow_job_meta.api.functions import compile, tell_progress
from lakeflow_job_meta.errors import OperationFailed
from lakeflow_job_meta.services.blamed import MOST_VERSIONS

if TYPE_CHECKING:
    from lakeflow_job_meta.api.arguments import WorkspaceLike
    from lakeflow_job_meta.compiler.result import Compilation
    from lakeflow_job_meta.config.model import Project
    from lakeflow_job_meta.services.approval_plan import ApprovalPlan
    from lakeflow_job_meta.services.approvals import Proposed
    from lakeflow_job_meta.services.blamed import Blame


def approve(
    project: Project,
    version: int,
    modules: Sequence[str] = (),
    *,
    target: str | None = None,
    table: str | None = None,
    comment: str | None = None,
    dry_run: bool = False,
    workspace: WorkspaceLike | None = None,
) -> ApprovalPlan:
    """Approves a version of a control table, as `ljm approve` does; nothing is deployed.

    Args:
        project: The project, with `deploy.approval`.
        version: The version of the control table.
        modules: The modules that are meant; by default all that are others in it than what is approved.
        target: The bundle's target; by default all that need approvals.
        table: The control table, where the project has several.
        comment: Why, for whoever reads the table of approvals.
        dry_run: Whether to approve nothing.
        workspace: Where the control table is; by default the workspace of the environment.

    Raises:
        ConfigError: No target needs approvals, or not the one that is named.
        OperationFailed: There is no such version or module, or the version cannot be read any more.
        PolicyRefused: Who approves has written some of it, and that is to be somebody else.
        InvalidMetadata: A module has errors in that version.
    """
    from lakeflow_job_meta.compiler.compile import compile_project
    from lakeflow_job_meta.config.bundle import read_bundle_declarations
    from lakeflow_job_meta.services import approvals

    check_number("version", version, 0)
    connection = workspace_of(workspace)

    def compile_with(project: Project, proposed: Proposed) -> Compilation:
        bundle = read_bundle_declarations(project)
        return compile_project(project, bundle, on_wait=tell_progress, workspace=connection, proposed=proposed)

    request = approvals.ApprovalRequest(version, tuple(modules), target, comment, table)
    return approvals.approve(project, request, compile_with, dry_run=dry_run, workspace=connection)


def write_catalogue(
    project: Project,
    output: str | Path,
    *,
    target: str | None = None,
    source_url: str | None = None,
    workspace: WorkspaceLike | None = None,
) -> Path:
    """Writes one page with all jobs of a project, as `ljm catalogue` does, and returns its path.

    Modules with an error are listed in it as problems; `validate` tells of them.

    Args:
        project: The project.
        output: The folder that gets `index.html`, or a file whose name ends in `.html`.
        target: The target as whose jobs they are shown, with ids and URLs from its record; by default none.
        source_url: Where the project's files can be read, for links to their lines.
        workspace: Where its tables and volumes are; by default the workspace of the environment.

    Raises:
        ConfigError: There is no such target, the URL is none of a web page, or a file that is no catalogue is there.
        OperationFailed: The page cannot be written, or the record cannot be read.
    """
    from lakeflow_job_meta.catalogue.page import page_of, place_of, write_page

    connection, path = workspace_of(workspace), place_of(output)
    write_page(path, page_of(project, compile(project, workspace=connection), target, source_url, connection))
    return path


def blame(
    project: Project,
    module: str,
    source: str | None = None,
    setting: str | None = None,
    *,
    target: str | None = None,
    versions: int = MOST_VERSIONS,
    workspace: WorkspaceLike | None = None,
) -> Blame:
    """Returns who set each value of a module, and when, as `ljm blame` shows it; secrets are not masked.

    Args:
        project: The project.
        module: The module's name.
        source: A source of it, by its `source_id` or the key of its task; by default all, and the job itself.
        setting: A setting of the source, or of the job, such as `tags.owner`, with all below it.
        target: The bundle's target, where the job is not the same in all; by default the bundle's own.
        versions: How many versions of a table are looked at.
        workspace: Where the tables are; by default the workspace of the environment.

    Raises:
        ConfigError: There is no such module.
        OperationFailed: No job can be made of it, it has no such source or setting, or a table cannot be read.
    """
    from lakeflow_job_meta.config.bundle import target_of
    from lakeflow_job_meta.services.blame import blame as who_set
    from lakeflow_job_meta.services.module_names import key_of_module

    check_number("versions", versions, 1)
    compilation = compile(project, workspace=workspace)
    job = compilation.jobs.get(key_of_module(compilation, module))
    if job is None:
        raise OperationFailed(f"No job can be made of the module {quoted(module)}; `validate` says why.")
    job = job.in_target(target_of(project, target)) if job.by_target else job
    connection = workspace_of(workspace)
    return who_set(project, job, source, setting, most_versions=versions, workspace=connection)
