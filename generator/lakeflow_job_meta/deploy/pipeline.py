"""The whole way from metadata to jobs in a workspace: compile, write the files, deploy behind the gate, record.

The commands, the classes for notebooks and the monitor go this way. All of it happens inside the deployment lock, so
that nobody writes files here while another one plans with them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from lakeflow_job_meta.compiler.compile import compile_project
from lakeflow_job_meta.compiler.result import Compilation
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.deploy.backend import Deployer, JobsRejected
from lakeflow_job_meta.deploy.deletion_guard import refused_deletions
from lakeflow_job_meta.deploy.execute import Deployment, execute, jobs_that_change
from lakeflow_job_meta.deploy.policy import Allowance
from lakeflow_job_meta.diagnostics.model import Diagnostic
from lakeflow_job_meta.errors import LakeflowJobMetaError, OperationFailed
from lakeflow_job_meta.output.writer import FileChanges, apply_changes, plan_changes, refuse_if_a_source_went_missing
from lakeflow_job_meta.plan.model import Action
from lakeflow_job_meta.state.folder import state_folder
from lakeflow_job_meta.state.history import RefusedChange
from lakeflow_job_meta.state.lock import deployment_lock
from lakeflow_job_meta.state.open import open_state_store
from lakeflow_job_meta.state.schemas import JOBS
from lakeflow_job_meta.state.store import StateStore
from lakeflow_job_meta.state.tracking import DeployedJob, TrackedJob, known_jobs, record_jobs
from lakeflow_job_meta.workspace.client import Workspace


@dataclass(frozen=True, slots=True)
class DeployContext:
    """What a deployer is made from.

    Attributes:
        compilation: The jobs.
        folder: The state folder of the target.
        lock: The file descriptor of the deployment lock, for children to inherit.
        known: Asks the record for the jobs.
        hold_back: Whether what would be refused is left as it is, and the rest deployed.
    """

    compilation: Compilation
    folder: Path
    lock: int
    known: Callable[[], tuple[DeployedJob, ...]]
    hold_back: bool = False


@dataclass(frozen=True, slots=True)
class DeployBackend:
    """How jobs get into the workspace.

    Attributes:
        make_deployer: Makes the deployer, inside the lock.
        writes_files: Whether it deploys the generated files, which are then written first.
    """

    make_deployer: Callable[[DeployContext], Deployer]
    writes_files: bool


@dataclass(frozen=True, slots=True)
class DeployOptions:
    """How far to go.

    Attributes:
        allowance: What a person has allowed.
        keep_going: Whether modules without errors are deployed although others have some.
        hold_back: Whether what would be refused is left as it is, and the rest deployed.
        dry_run: Whether to stop after the gate.
    """

    allowance: Allowance = field(default_factory=Allowance)
    keep_going: bool = False
    hold_back: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Reporter:
    """Who is told what happens.

    Attributes:
        say: Told what is being done, a line each.
        on_checked: Told what is wrong with the metadata, and how many modules there are.
    """

    say: Callable[[str], None] = lambda message: None
    on_checked: Callable[[Sequence[Diagnostic], int], None] = lambda diagnostics, modules: None


@dataclass(frozen=True, slots=True)
class DeployResult:
    """What it came to.

    Attributes:
        jobs: The record of the target's jobs; empty after a dry run.
        problems: What went wrong in the deployment or with the record.
        deployer: For what is to be started.
        rejected: The jobs that were left as they are, since the databricks CLI found something wrong with them.
    """

    compilation: Compilation
    deployment: Deployment
    jobs: tuple[TrackedJob, ...]
    problems: tuple[str, ...]
    deployer: Deployer
    rejected: JobsRejected | None = None


class MetadataHasErrors(OperationFailed):
    """The metadata has errors, and nothing was deployed."""


@dataclass(frozen=True, slots=True)
class PreparedDeployment:
    """Metadata that was compiled and may be deployed; nothing was written yet.

    Attributes:
        changes: Of the generated files; None where files are not what is deployed.
        refusals: The deletions of files that were held back.
    """

    compilation: Compilation
    changes: FileChanges | None
    refusals: tuple[RefusedChange, ...] = ()


def deploy(
    project: Project,
    target: str | None,
    way: DeployBackend,
    options: DeployOptions | None = None,
    listener: Reporter | None = None,
    *,
    compile_metadata: Callable[[Project], Compilation] = compile_project,
    workspace: Workspace | None = None,
) -> DeployResult:
    """Brings the jobs of a project's metadata into a workspace.

    Args:
        project: The project.
        target: The bundle's target.
        way: With the databricks CLI, or through the Jobs API.
        options: How far to go.
        listener: Who is told.
        compile_metadata: Reads and compiles.
        workspace: For the record; by default the one of the environment.

    Raises:
        MetadataHasErrors: Nothing was written or deployed, since `keep_going` was not asked for.
        PolicyRefused: A safety rule; nothing was changed in the workspace.
        OperationFailed: It failed before anything was deployed.
    """
    options, listener = options or DeployOptions(), listener or Reporter()
    folder = state_folder(project, target)
    records = open_state_store(project, folder, JOBS, workspace)
    with deployment_lock(folder, on_wait=listener.say) as lock:
        prepared = prepare(project, options, listener, compile_metadata, writes_files=way.writes_files)
        beginning = DeployContext(prepared.compilation, folder, lock, lambda: known_jobs(records, target or ""))
        return apply(prepared, way, beginning, options, records, target or "")


def prepare(
    project: Project,
    options: DeployOptions,
    listener: Reporter,
    compile_metadata: Callable[[Project], Compilation] = compile_project,
    *,
    writes_files: bool,
) -> PreparedDeployment:
    """Compiles the metadata, and says which files would change; to be called inside the lock.

    Args:
        project: The project.
        options: How far to go.
        listener: Who is told.
        compile_metadata: Reads and compiles.
        writes_files: Whether the generated files are what is deployed.

    Raises:
        MetadataHasErrors: `keep_going` was not asked for.
        PolicyRefused: A source went missing, and nothing is to be held back.
    """
    compilation = compile_metadata(project)
    changes = plan_changes(project, compilation) if writes_files else None
    in_the_way = changes.diagnostics if changes is not None else ()
    listener.on_checked((*compilation.diagnostics, *in_the_way), compilation.modules)
    if (compilation.errors or in_the_way) and not options.keep_going:
        raise MetadataHasErrors("Nothing was deployed; --keep-going deploys the modules without errors.")
    if changes is None:
        return PreparedDeployment(compilation, None)
    warning = changes.layout.size_warning(len(compilation.jobs))
    if warning is not None:
        listener.say(warning)
    allowed = options.allowance
    if options.hold_back:
        refusals = refused_deletions(changes, compilation, allowed.deletions, emptying=allowed.emptying)
        held = {key for refusal in refusals for key in refusal.jobs}
        if held:
            # All of a job stays with it: its inline SQL, and what its bundle takes along for it.
            changes = plan_changes(project, replace(compilation, kept_jobs=compilation.kept_jobs | held))
        return PreparedDeployment(compilation, changes, refusals)
    refuse_if_a_source_went_missing(compilation, changes, allowed.emptying)
    return PreparedDeployment(compilation, changes)


def apply(
    prepared: PreparedDeployment,
    way: DeployBackend,
    beginning: DeployContext,
    options: DeployOptions,
    records: StateStore,
    target: str,
) -> DeployResult:
    """Writes the files, deploys behind the gate, and records the jobs; to be called inside the lock.

    Raises:
        PolicyRefused: The gate; nothing was changed in the workspace.
        OperationFailed: It failed before anything was deployed.
    """
    if prepared.changes is not None:
        apply_changes(prepared.changes)
    rejected: JobsRejected | None = None
    deployer = way.make_deployer(beginning)
    try:
        deployment = execute(deployer, options.allowance, dry_run=options.dry_run, hold_back=options.hold_back)
    except JobsRejected as error:
        undone = prepared.changes.undone_for(error.keys) if prepared.changes is not None else None
        if undone is None or not undone.changes or not options.hold_back:
            raise
        rejected = error
        apply_changes(undone)
        deployer = way.make_deployer(beginning)
        deployment = execute(deployer, options.allowance, dry_run=options.dry_run, hold_back=True)
    if options.dry_run:
        return DeployResult(prepared.compilation, deployment, (), deployment.problems, deployer, rejected)
    jobs, problems = _recorded(records, target, prepared.compilation, deployment)
    told = (*deployment.problems, *problems)
    return DeployResult(prepared.compilation, deployment, tuple(jobs), told, deployer, rejected)


def _recorded(
    records: StateStore, target: str, compilation: Compilation, deployment: Deployment
) -> tuple[list[TrackedJob], list[str]]:
    """Records the jobs; a record that cannot be written is a problem that the next deployment mends."""
    modules = compilation.jobs.names
    changed, staying = jobs_that_change(deployment.plan), deployment.plan.jobs(Action.SKIP)
    version = compilation.metadata_version
    try:
        return record_jobs(records, target, deployment.jobs, modules, changed, version, staying), []
    except LakeflowJobMetaError as error:
        told = f"{records.name}: error: the jobs are deployed, but could not be recorded: {error} Run again. [record]"
        return [], [told]
