"""The functions of the package: what the commands do, from Python. Thin: parameters in, plain results out.

Progress goes to the log `lakeflow_job_meta`, and is printed where no logging is set up. What goes wrong is raised as
one of the errors in `errors`. A `workspace` is where tables, volumes and jobs are, as a WorkspaceClient or the name of
a profile; by default it is the one of the environment.

Each imports what it needs when it is called, so that a name of the package can be had for next to nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lakeflow_job_meta.api.arguments import check_number, tell, workspace_of
from lakeflow_job_meta.config.model import Project

if TYPE_CHECKING:
    from lakeflow_job_meta.api.arguments import WorkspaceLike
    from lakeflow_job_meta.api.results import PlanResult, ValidationResult
    from lakeflow_job_meta.compiler.result import Compilation
    from lakeflow_job_meta.deployment.backend import DeployOptions
    from lakeflow_job_meta.deployment.result import DeployResult
    from lakeflow_job_meta.deployment.select_backend import BackendName
    from lakeflow_job_meta.state.check_result import CheckResult

_log = logging.getLogger("lakeflow_job_meta")


def load_project(folder: str | Path | None = None) -> Project:
    """Loads a project.

    Args:
        folder: The bundle's folder; by default the nearest one upwards from the current folder that has
            `job_meta.yml` or `databricks.yml`.

    Raises:
        ConfigError: There is none, or `job_meta.yml` has mistakes.
    """
    from lakeflow_job_meta.config import load

    return load.load_project(Path(folder) if folder is not None else load.find_project_folder(Path.cwd()))


def compile(project: Project, *, workspace: WorkspaceLike | None = None) -> Compilation:
    """Reads all metadata of a project and compiles it to jobs; changes nothing."""
    from lakeflow_job_meta.compiler.compile import compile_project
    from lakeflow_job_meta.config.bundle import read_bundle_declarations

    bundle = read_bundle_declarations(project)
    return compile_project(project, bundle, on_wait=tell_progress, workspace=workspace_of(workspace))


def validate(project: Project, *, workspace: WorkspaceLike | None = None) -> ValidationResult:
    """Finds all problems of a project's metadata, as `ljm validate` does; changes nothing."""
    from lakeflow_job_meta.api.results import ValidationResult

    compilation = compile(project, workspace=workspace)
    return ValidationResult(compilation.diagnostics, compilation.modules)


def plan(
    project: Project,
    *,
    against: str | None = None,
    live: bool = False,
    target: str | None = None,
    parallel: int = 2,
    workspace: WorkspaceLike | None = None,
) -> PlanResult:
    """Compares a project's metadata with its generated files, as `ljm plan` does; changes nothing.

    Args:
        project: The project.
        against: A git revision to compare with; by default the files on disk.
        live: Whether to plan a deployment of the files on disk, too, with the databricks CLI.
        target: The bundle's target for that; by default the bundle's own.
        parallel: Of many bundles, how many are planned at a time.
        workspace: Where its tables and volumes are; by default the workspace of the environment.

    Raises:
        OperationFailed: Generated files cannot be read, or the databricks CLI failed.
        ConfigError: There is no such revision, or no databricks CLI.
    """
    from lakeflow_job_meta.api.results import PlanResult
    from lakeflow_job_meta.config.bundle import target_of
    from lakeflow_job_meta.output.writer import plan_changes
    from lakeflow_job_meta.planning.files import compare_files

    project = project.for_target(target_of(project, target))
    compilation = compile(project, workspace=workspace)
    changes = plan_changes(project, compilation)
    files = compare_files(changes, compilation.jobs, against)
    files = replace(files, waiting=compilation.waiting, target=project.target)
    bundle_plan = None
    if live:
        from lakeflow_job_meta.deployment.keeping import keeping_of
        from lakeflow_job_meta.deployment.select_backend import open_cli, plan_live
        from lakeflow_job_meta.planning.model import job_names

        bundle_plan = plan_live(project, open_cli(project, target), parallel, keeping_of(project, compilation))
        bundle_plan = bundle_plan.leaving_out(job_names(compilation.held))
    return PlanResult((*compilation.diagnostics, *changes.diagnostics), files, bundle_plan)


def deploy(
    project: Project,
    target: str | None = None,
    *,
    modules: Sequence[str] = (),
    max_deletes: int | None = None,
    allow_empty: bool = False,
    overwrite_drift: bool = False,
    allow_duplicates: bool = False,
    keep_going: bool = False,
    dry_run: bool = False,
    backend: BackendName = "auto",
    workspace: WorkspaceLike | None = None,
) -> DeployResult:
    """Deploys a project's jobs behind the safety gate, as `ljm deploy` does, and records them.

    Args:
        project: The project.
        target: The bundle's target; by default the bundle's own.
        modules: The modules whose jobs are deployed, while all others stay as they are; by default all.
        max_deletes: How many jobs may be deleted; by default as the project file says.
        allow_empty: Whether a source, or the whole bundle, may have become empty.
        overwrite_drift: Whether edits made by hand in the workspace may be overwritten; otherwise these jobs stay as
            they are, and are in the result's `edited`.
        allow_duplicates: Whether jobs may be created although the workspace seems to have them.
        keep_going: Whether modules without errors are deployed although others have some.
        dry_run: Whether to stop after the gate.
        backend: `cli`, `jobs-api`, or `auto`: the databricks CLI where there are a bundle and a CLI.
        workspace: The workspace: a WorkspaceClient or the name of a profile; by default the one of the environment.

    Raises:
        InvalidMetadata: The metadata has errors, and `keep_going` was not given; nothing was deployed.
        PolicyRefused: The gate; nothing was changed in the workspace.
        OperationFailed: It failed before anything was deployed.
        ConfigError: There is no module of a name.
    """
    from lakeflow_job_meta.config.bundle import target_of
    from lakeflow_job_meta.deployment.backend import DeployOptions
    from lakeflow_job_meta.deployment.policy import Allowance, Audience

    check_number("max_deletes", max_deletes, 0)
    allowed = project.max_deletes if max_deletes is None else max_deletes
    allowance = Allowance(allowed, allow_empty, overwrite_drift, allow_duplicates)
    options = DeployOptions(allowance, keep_going, dry_run=dry_run, audience=Audience.PYTHON, modules=tuple(modules))
    return run_deployment(project, target_of(project, target), options, backend=backend, workspace=workspace)


def quality(
    project: Project,
    target: str | None = None,
    *,
    modules: Sequence[str] = (),
    workspace: WorkspaceLike | None = None,
) -> list[CheckResult]:
    """Returns what the checks of `quality` and `expect_no_rows` found last, as `ljm quality` shows it.

    Args:
        project: The project.
        target: The bundle's target; by default the bundle's own.
        modules: The modules that are meant; by default all that have results.
        workspace: Where the control table is; by default the workspace of the environment.

    Raises:
        ConfigError: The project has no control table that results could lie beside.
        OperationFailed: They cannot be read, or one of the modules has none.
    """
    from lakeflow_job_meta.config.bundle import target_of
    from lakeflow_job_meta.state.quality import last_results, open_results

    store = open_results(project, workspace_of(workspace))
    return last_results(store, target_of(project, target), modules)


def run_deployment(
    project: Project,
    target: str,
    options: DeployOptions,
    *,
    compile_metadata: Callable[[Project], Compilation] | None = None,
    backend: BackendName = "auto",
    workspace: WorkspaceLike | None = None,
) -> DeployResult:
    """Deploys a project whose progress goes to the log; of `deploy` and `JobOrchestrator`."""
    from lakeflow_job_meta.deployment import pipeline
    from lakeflow_job_meta.deployment.backend import Reporter
    from lakeflow_job_meta.deployment.select_backend import select_backend
    from lakeflow_job_meta.workspace.client import Workspace

    connection = workspace_of(workspace)
    result = pipeline.deploy(
        project,
        target,
        select_backend(project, target, connection or Workspace(), backend, on_fallback=tell_fallback),
        options,
        Reporter(tell_progress),
        compile_metadata=compile_metadata or (lambda project: compile(project, workspace=connection)),
        workspace=connection,
    )
    for held_back in (each for each in result.held_back if each not in result.edited):
        tell_progress(held_back.reason)
    return result


def tell_fallback(reason: str) -> None:
    """Tells why the databricks CLI is not used although there is a bundle."""
    _log.warning(reason)


def tell_progress(line: str) -> None:
    """Tells what is being done, in the log or as a plain line."""
    tell(_log, logging.INFO, line)
