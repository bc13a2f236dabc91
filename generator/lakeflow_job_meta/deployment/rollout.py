"""The whole way from metadata to jobs in a workspace: compile, write the files, deploy behind the gate, record.

The commands, the classes for notebooks and the monitor go this way. All of it happens inside the deployment lock, so
that nobody writes files here while another one plans with them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lakeflow_job_meta.compilation import Compilation, compile_project
from lakeflow_job_meta.deployment.deploy import Deployment, deploy, jobs_that_change
from lakeflow_job_meta.deployment.gate import Allowance
from lakeflow_job_meta.deployment.interface import Deployer
from lakeflow_job_meta.deployment.layouts import JOBS
from lakeflow_job_meta.deployment.lock import deployment_lock
from lakeflow_job_meta.deployment.state_folder import state_folder
from lakeflow_job_meta.deployment.tracking import TrackedJob, known_jobs, open_side_table, record_jobs
from lakeflow_job_meta.diagnostics import Diagnostic
from lakeflow_job_meta.errors import Failed, LakeflowJobMetaError
from lakeflow_job_meta.output.files import apply_changes, plan_changes, refuse_if_a_source_went_missing
from lakeflow_job_meta.project import Project
from lakeflow_job_meta.tables.records import RecordTable
from lakeflow_job_meta.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Beginning:
    """What a deployer is made from.

    Attributes:
        compilation: The jobs.
        folder: The state folder of the target.
        lock: The file descriptor of the deployment lock, for children to inherit.
        known: Asks the record for job ids by key.
    """

    compilation: Compilation
    folder: Path
    lock: int
    known: Callable[[], dict[str, str]]


@dataclass(frozen=True, slots=True)
class Way:
    """How jobs get into the workspace.

    Attributes:
        make_deployer: Makes the deployer, inside the lock.
        writes_files: Whether it deploys the generated files, which are then written first.
    """

    make_deployer: Callable[[Beginning], Deployer]
    writes_files: bool


@dataclass(frozen=True, slots=True)
class Options:
    """How far to go.

    Attributes:
        allowance: What a person has allowed.
        keep_going: Whether modules without errors are deployed although others have some.
        dry_run: Whether to stop after the gate.
    """

    allowance: Allowance = field(default_factory=Allowance)
    keep_going: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Listener:
    """Who is told what happens.

    Attributes:
        say: Told what is being done, a line each.
        on_checked: Told what is wrong with the metadata, and how many modules there are.
    """

    say: Callable[[str], None] = lambda message: None
    on_checked: Callable[[Sequence[Diagnostic], int], None] = lambda diagnostics, modules: None


@dataclass(frozen=True, slots=True)
class RolledOut:
    """What it came to.

    Attributes:
        jobs: The record of the target's jobs; empty after a dry run.
        problems: What went wrong in the deployment or with the record.
        deployer: For what is to be started.
    """

    compilation: Compilation
    deployment: Deployment
    jobs: tuple[TrackedJob, ...]
    problems: tuple[str, ...]
    deployer: Deployer


class MetadataHasErrors(Failed):
    """The metadata has errors, and nothing was deployed."""


def roll_out(
    project: Project,
    target: str | None,
    way: Way,
    options: Options | None = None,
    listener: Listener | None = None,
    *,
    compile_metadata: Callable[[Project], Compilation] = compile_project,
    workspace: Workspace | None = None,
) -> RolledOut:
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
        Refused: A safety rule; nothing was changed in the workspace.
        Failed: It failed before anything was deployed.
    """
    options, listener = options or Options(), listener or Listener()
    folder = state_folder(project, target)
    records = open_side_table(project, folder, JOBS, workspace)
    with deployment_lock(folder, on_wait=listener.say) as lock:
        compilation = _prepared(project, way, options, listener, compile_metadata)
        beginning = Beginning(compilation, folder, lock, lambda: known_jobs(records, target or ""))
        deployer = way.make_deployer(beginning)
        deployment = deploy(deployer, options.allowance, dry_run=options.dry_run)
        if options.dry_run:
            return RolledOut(compilation, deployment, (), deployment.problems, deployer)
        jobs, problems = _recorded(records, target or "", compilation, deployment)
    return RolledOut(compilation, deployment, tuple(jobs), (*deployment.problems, *problems), deployer)


def _prepared(
    project: Project,
    way: Way,
    options: Options,
    listener: Listener,
    compile_metadata: Callable[[Project], Compilation],
) -> Compilation:
    """Compiles the metadata, and writes the files if they are what is deployed."""
    compilation = compile_metadata(project)
    changes = plan_changes(project, compilation) if way.writes_files else None
    in_the_way = changes.diagnostics if changes is not None else ()
    listener.on_checked((*compilation.diagnostics, *in_the_way), compilation.modules)
    if (compilation.errors or in_the_way) and not options.keep_going:
        raise MetadataHasErrors("Nothing was deployed; --keep-going deploys the modules without errors.")
    if changes is not None:
        refuse_if_a_source_went_missing(compilation, changes, options.allowance.emptying)
        apply_changes(changes)
    return compilation


def _recorded(
    records: RecordTable, target: str, compilation: Compilation, deployment: Deployment
) -> tuple[list[TrackedJob], list[str]]:
    """Records the jobs; a record that cannot be written is a problem that the next deployment mends."""
    modules = {job.key: job.module.module_name for job in compilation.jobs}
    changed = jobs_that_change(deployment.plan)
    try:
        return record_jobs(records, target, deployment.jobs, modules, changed, compilation.metadata_version), []
    except LakeflowJobMetaError as error:
        told = f"{records.name}: error: the jobs are deployed, but could not be recorded: {error} Run again. [record]"
        return [], [told]
