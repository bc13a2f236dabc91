"""A deployment from metadata to recorded jobs: prepare (compile, plan the files), apply (write, gate, deploy), record.

The commands, the Python functions and the monitor share it, whatever the backend. All of it happens inside the
deployment lock, so that no two deployments write files and plan at the same time. What is deployed is exactly the plan
that passed the gate. Nothing is retried but a plan that became stale, and that is planned and gated again, once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from lakeflow_job_meta.compiler.compile import compile_project
from lakeflow_job_meta.compiler.result import Compilation
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.deployment.backend import (
    DeployBackend,
    DeployContext,
    Deployer,
    DeployOptions,
    JobsRejected,
    Reporter,
    StalePlan,
)
from lakeflow_job_meta.deployment.policy import policy_violations, refuse_violations, refused_deletions, resources_of
from lakeflow_job_meta.errors import InvalidMetadata, LakeflowJobMetaError, OperationFailed, PolicyViolation
from lakeflow_job_meta.output.writer import FileChanges, apply_changes, plan_changes, refuse_if_a_source_went_missing
from lakeflow_job_meta.planning.model import Action, BundlePlan
from lakeflow_job_meta.state.folder import state_folder
from lakeflow_job_meta.state.lock import deployment_lock
from lakeflow_job_meta.state.store import JOBS, open_state_store
from lakeflow_job_meta.state.tracking import DeployedJob, TrackedJob, record_jobs
from lakeflow_job_meta.workspace.client import Workspace


@dataclass(frozen=True, slots=True)
class PreparedDeployment:
    """Metadata that was compiled and may be deployed; nothing was written yet.

    The `changes` of files are None where files are not deployed; `violations` are the deletions that were held back.
    """

    compilation: Compilation
    changes: FileChanges | None
    violations: tuple[PolicyViolation, ...] = ()


@dataclass(frozen=True, slots=True)
class DeployResult:
    """The result of a deployment.

    Attributes:
        plan: The plan that passed the gate.
        problems: What went wrong in the deployment, each with its location in the metadata.
        held_back: What the gate took out of the plan.
        deployed: Every job of the metadata that is in the workspace now; empty after a dry run.
        jobs: The same as recorded for the target.
        record_problem: Why the jobs could not be recorded; the next deployment does it.
        rejected: The jobs that were left as they are, since the databricks CLI found something wrong with them.
    """

    compilation: Compilation
    plan: BundlePlan
    was_needed: bool
    problems: tuple[str, ...]
    held_back: tuple[PolicyViolation, ...]
    deployer: Deployer
    deployed: tuple[DeployedJob, ...] = ()
    jobs: tuple[TrackedJob, ...] = ()
    record_problem: str = ""
    rejected: JobsRejected | None = None

    @property
    def all_problems(self) -> tuple[str, ...]:
        return (*self.problems, self.record_problem) if self.record_problem else self.problems

    @property
    def changed(self) -> list[str]:
        """The keys of the jobs that the plan creates or updates."""
        return self.plan.jobs(Action.CREATE, Action.UPDATE, Action.UPDATE_ID, Action.RECREATE)


def deploy(
    project: Project,
    target: str | None,
    backend: DeployBackend,
    options: DeployOptions | None = None,
    reporter: Reporter | None = None,
    *,
    compile_metadata: Callable[[Project], Compilation] = compile_project,
    workspace: Workspace | None = None,
) -> DeployResult:
    """Deploys the jobs of a project's metadata, and records them.

    Raises:
        InvalidMetadata: Nothing was written or deployed, since `keep_going` was not given.
        PolicyRefused: A safety rule; nothing was changed in the workspace.
        OperationFailed: It failed before anything was deployed.
    """
    options, reporter = options or DeployOptions(), reporter or Reporter()
    folder = state_folder(project, target)
    tracking = open_state_store(project, folder, JOBS, workspace)
    with deployment_lock(folder, on_wait=reporter.on_progress) as lock:
        prepared = prepare(project, options, reporter, compile_metadata, writes_files=backend.writes_files)
        return apply(prepared, backend, DeployContext(project, target, folder, lock, tracking, options, reporter))


def prepare(
    project: Project,
    options: DeployOptions,
    reporter: Reporter,
    compile_metadata: Callable[[Project], Compilation] = compile_project,
    *,
    writes_files: bool,
) -> PreparedDeployment:
    """Compiles the metadata and plans the files; to be called inside the lock.

    Raises:
        InvalidMetadata: `keep_going` was not given.
        PolicyRefused: A source went missing, and nothing is to be held back.
    """
    compilation = compile_metadata(project)
    changes = plan_changes(project, compilation) if writes_files else None
    conflicts = changes.diagnostics if changes is not None else ()
    reporter.on_checked((*compilation.diagnostics, *conflicts), compilation.modules)
    if (compilation.errors or conflicts) and not options.keep_going:
        errors = (*compilation.errors, *conflicts)
        option = options.audience.naming(keep_going=True)
        raise InvalidMetadata(f"Nothing was deployed; {option} deploys the modules without errors.", errors)
    if changes is None:
        return PreparedDeployment(compilation, None)
    if (warning := changes.layout.size_warning(len(compilation.jobs))) is not None:
        reporter.on_progress(warning)
    if options.hold_back:
        return _with_deletions_held_back(project, compilation, changes, options)
    how = options.audience.allowing(allow_empty=True)
    refuse_if_a_source_went_missing(compilation, changes, options.allowance.emptying, how)
    return PreparedDeployment(compilation, changes)


def _with_deletions_held_back(
    project: Project, compilation: Compilation, changes: FileChanges, options: DeployOptions
) -> PreparedDeployment:
    violations = tuple(refused_deletions(changes, compilation, options.allowance))
    if held := {key for violation in violations for key in violation.jobs}:
        # All of a job stays with it: its inline SQL, and what its bundle takes along for it.
        changes = plan_changes(project, replace(compilation, kept_jobs=compilation.kept_jobs | held))
    return PreparedDeployment(compilation, changes, violations)


def apply(prepared: PreparedDeployment, backend: DeployBackend, context: DeployContext) -> DeployResult:
    """Writes the files, deploys behind the gate, and records the jobs; to be called inside the lock.

    Raises:
        PolicyRefused: The gate; nothing was changed in the workspace.
        OperationFailed: It failed before anything was deployed.
    """
    compilation, changes = prepared.compilation, prepared.changes
    if changes is not None:
        apply_changes(changes)
    try:
        result = _deploy(backend.open(context, compilation), compilation, context.options)
    except JobsRejected as rejected:
        undone = changes.undone_for(rejected.keys) if changes is not None else None
        if undone is None or not undone.changes or not context.options.hold_back:
            raise
        apply_changes(undone)
        result = _deploy(backend.open(context, compilation), compilation, context.options)
        result = replace(result, rejected=rejected)
    return result if context.options.dry_run else _recorded(result, context)


def _deploy(deployer: Deployer, compilation: Compilation, options: DeployOptions) -> DeployResult:
    plan, held_back = _gated_plan(deployer, options)
    is_needed = not deployer.is_deployed(plan)
    problems: list[str] = []
    if is_needed and not options.dry_run:
        try:
            problems = deployer.deploy(plan)
        except StalePlan:
            plan, held_back = _gated_plan(deployer, options)
            try:
                problems = deployer.deploy(plan)
            except StalePlan:
                advice = "Somebody else deploys at the same time, twice now; run again when that has ended."
                raise OperationFailed(advice) from None
    jobs = () if options.dry_run else deployer.jobs()
    return DeployResult(compilation, plan, is_needed, (*plan.problems, *problems), held_back, deployer, jobs)


def _gated_plan(deployer: Deployer, options: DeployOptions) -> tuple[BundlePlan, tuple[PolicyViolation, ...]]:
    plan, allowed = deployer.plan(), options.allowance
    held_back = tuple(policy_violations(plan, allowed, options.audience)) if options.hold_back else ()
    if held_back:
        plan = deployer.leave_out(resources_of(held_back))
    refuse_violations(plan, allowed, options.audience)
    return plan, held_back


def _recorded(result: DeployResult, context: DeployContext) -> DeployResult:
    """Records the jobs; a record that cannot be written is a problem that the next deployment mends."""
    modules, version = result.compilation.jobs.names, result.compilation.metadata_version
    staying = result.plan.jobs(Action.SKIP)
    tracking, target = context.tracking, context.target or ""
    try:
        jobs = record_jobs(tracking, target, result.deployed, modules, result.changed, version, staying)
    except LakeflowJobMetaError as error:
        problem = f"the jobs are deployed, but could not be recorded: {error} Run again. [record]"
        return replace(result, record_problem=f"{tracking.name}: error: {problem}")
    return replace(result, jobs=tuple(jobs))
