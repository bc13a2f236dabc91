"""A deployment from metadata to recorded jobs: prepare (compile, plan the files), apply (write, gate, deploy), record.

The commands, the Python functions and the monitor share it, whatever the backend. All of it happens inside the
deployment lock, so that no two deployments write files and plan at the same time. What is deployed is exactly the plan
that passed the gate. Nothing is retried but a plan that became stale, and that is planned and gated again, once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from lakeflow_job_meta._internal.text import listing
from lakeflow_job_meta.compiler.result import Compilation
from lakeflow_job_meta.config.bundle import JobPart
from lakeflow_job_meta.config.model import PAUSES, HandEdits, Project
from lakeflow_job_meta.deployment.backend import (
    DeployBackend,
    DeployContext,
    Deployer,
    DeployOptions,
    DeployReport,
    JobsRejected,
    Reporter,
    StalePlan,
)
from lakeflow_job_meta.deployment.chosen_modules import narrowed, of_others, refuse_what_cannot_be
from lakeflow_job_meta.deployment.file_swap import put_back_after_a_crash, swapped_files
from lakeflow_job_meta.deployment.policy import (
    doubled_jobs,
    edited_jobs,
    kept_files,
    kept_for_an_empty_source,
    left_behind,
    policy_violations,
    protected_changes,
    refuse,
    refused_deletions,
    resources_of,
    stray_jobs,
)
from lakeflow_job_meta.deployment.result import DeployResult
from lakeflow_job_meta.deployment.takeovers import (
    FoundTakeovers,
    Takeover,
    asks_for_takeovers,
    find_takeovers,
    forget_takeovers,
    forgotten_keys,
    leaving_keys,
    note_takeovers,
    removed_keys,
)
from lakeflow_job_meta.errors import InvalidMetadata, LakeflowJobMetaError, OperationFailed, PolicyViolation
from lakeflow_job_meta.output.changes import Change, FileChanges
from lakeflow_job_meta.output.writer import apply_changes, plan_changes, refuse_if_a_source_went_missing
from lakeflow_job_meta.planning.explain import kept_lines
from lakeflow_job_meta.planning.model import Action, BundlePlan, job_names
from lakeflow_job_meta.state.folder import state_folder
from lakeflow_job_meta.state.lock import deployment_lock
from lakeflow_job_meta.state.store import JOBS, open_state_store
from lakeflow_job_meta.state.tracking import (
    DeployedJob,
    jobs_by_target,
    read_left_behind,
    read_paused,
    record_jobs,
    write_left_behind,
    write_paused,
)
from lakeflow_job_meta.workspace.client import Workspace


@dataclass(frozen=True, slots=True)
class PreparedDeployment:
    """Metadata that was compiled and may be deployed; nothing was written yet.

    Attributes:
        changes: Of files; None where files are not deployed.
        violations: The changes that were held back.
        waiting: The keys of jobs whose deletion is to be confirmed by the next tick.
    """

    compilation: Compilation
    changes: FileChanges | None
    violations: tuple[PolicyViolation, ...] = ()
    waiting: frozenset[str] = frozenset()


def deploy(
    project: Project,
    target: str | None,
    backend: DeployBackend,
    options: DeployOptions | None = None,
    reporter: Reporter | None = None,
    *,
    compile_metadata: Callable[[Project], Compilation],
    workspace: Workspace | None = None,
) -> DeployResult:
    """Deploys the jobs of a project's metadata, and records them.

    Raises:
        InvalidMetadata: Nothing was written or deployed, since `keep_going` was not given.
        PolicyRefused: A safety rule; nothing was changed in the workspace.
        OperationFailed: It failed before anything was deployed.
    """
    options, reporter = options or DeployOptions(), reporter or Reporter()
    project = project.for_target(target)
    folder = state_folder(project, target)
    tracking = open_state_store(project, folder, JOBS, workspace)
    with deployment_lock(folder, on_wait=reporter.on_progress) as lock:
        put_back_after_a_crash(project, folder)
        prepared = prepare(project, options, reporter, compile_metadata, writes_files=backend.writes_files)
        context = DeployContext(project, target, folder, lock, tracking, options, reporter, workspace)
        if options.modules:
            refuse_what_cannot_be(prepared.compilation, _recorded_jobs(context), target)
        return apply(prepared, backend, context)


def live_plan(
    project: Project,
    target: str,
    backend: DeployBackend,
    compilation: Compilation,
    reporter: Reporter,
    workspace: Workspace | None = None,
) -> BundlePlan:
    """Plans a deployment that nothing follows, before any gate.

    Raises:
        OperationFailed: The generated files, which the databricks CLI plans, are older than the metadata.
    """
    if backend.writes_files and plan_changes(project, compilation).changes:
        raise OperationFailed(
            "The generated files are older than the metadata, and the databricks CLI plans the files. Run "
            "`ljm generate` first."
        )
    folder = state_folder(project, target)
    tracking = open_state_store(project, folder, JOBS, workspace)
    with deployment_lock(folder, on_wait=reporter.on_progress) as lock:
        context = DeployContext(project, target, folder, lock, tracking, DeployOptions(), reporter, workspace)
        return backend.open(context, compilation).plan()


def prepare(
    project: Project,
    options: DeployOptions,
    reporter: Reporter,
    compile_metadata: Callable[[Project], Compilation],
    *,
    writes_files: bool,
) -> PreparedDeployment:
    """Compiles the metadata and plans the files; to be called inside the lock.

    Raises:
        InvalidMetadata: `keep_going` was not given.
        PolicyRefused: A source went missing, and nothing is to be held back.
    """
    compilation = compile_metadata(project)
    if options.modules:
        compilation = narrowed(compilation, options, reporter)
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
    held_back = tuple(kept_files(changes))
    if options.modules:
        held_back = tuple(each for each in held_back if not compilation.jobs.names.keys().isdisjoint(each.jobs))
    if options.hold_back:
        return _with_deletions_held_back(project, compilation, changes, held_back, options)
    how = options.audience.allowing(allow_empty=True)
    refuse_if_a_source_went_missing(compilation, changes, options.allowance.emptying, how)
    return PreparedDeployment(compilation, changes, held_back)


def _with_deletions_held_back(
    project: Project,
    compilation: Compilation,
    changes: FileChanges,
    held_back: tuple[PolicyViolation, ...],
    options: DeployOptions,
) -> PreparedDeployment:
    # Of a job that is renamed, nothing is deleted but its file.
    leaving = replace(options.allowance, removed=leaving_keys(project, compilation))
    refused = tuple(refused_deletions(changes, compilation, leaving, options.audience))
    held = {key for violation in refused for key in violation.jobs}
    waiting = options.unconfirmed({*changes.job_keys(Change.DELETE)} - held - compilation.jobs.renamed.keys())
    if held or waiting:
        # All of a job stays with it: its inline SQL, and what its bundle takes along for it.
        changes = plan_changes(project, replace(compilation, kept_jobs=compilation.kept_jobs | held | waiting))
    return PreparedDeployment(compilation, changes, (*held_back, *refused), waiting)


def apply(prepared: PreparedDeployment, backend: DeployBackend, context: DeployContext) -> DeployResult:
    """Writes the files, deploys behind the gate, and records the jobs; to be called inside the lock.

    Where nothing is deployed, the files are as they were before.

    Raises:
        PolicyRefused: The gate; nothing was changed in the workspace.
        OperationFailed: It failed before anything was deployed.
    """
    if prepared.changes is None:
        return _applied(prepared, backend, context)
    with swapped_files(prepared.changes, context.folder) as swap:
        result = _applied(prepared, backend, context)
        if not context.options.dry_run and not result.has_failed:
            swap.keep()
        return result


def _applied(prepared: PreparedDeployment, backend: DeployBackend, context: DeployContext) -> DeployResult:
    compilation, changes = prepared.compilation, prepared.changes
    try:
        result = _deploy(backend.open(context, compilation), compilation, context)
    except JobsRejected as rejected:
        # The job of a module that was renamed stays under its former name.
        keys = rejected.keys.union(old for old, new in compilation.jobs.renamed.items() if new in rejected.keys)
        undone = changes.undone_for(keys) if changes is not None else None
        if undone is None or not undone.changes or not context.options.hold_back:
            raise
        apply_changes(undone)
        # Where there was no file before, nothing of the job is deployed, and it stays as it is.
        kept = replace(compilation, kept_jobs=compilation.kept_jobs | keys)
        result = _deploy(backend.open(context, compilation), kept, context)
        result = replace(result, compilation=compilation, rejected=rejected)
    of_empty = kept_for_an_empty_source(result.plan, result.compilation) if changes is None else ()
    waiting, held_back = prepared.waiting | result.waiting, (*prepared.violations, *result.held_back, *of_empty)
    result = replace(result, waiting=waiting, held_back=held_back)
    return result if context.options.dry_run else _recorded(result, context)


def _deploy(deployer: Deployer, compilation: Compilation, context: DeployContext) -> DeployResult:
    gated = _gated_plan(deployer, compilation, context)
    is_needed = not deployer.is_deployed(gated.plan)
    report = DeployReport()
    if is_needed and not context.options.dry_run:
        if gated.takeovers:
            deployer.note_begun()
            note_takeovers(context.folder, gated.takeovers)
            if deployer.rebind():
                gated = _gated_plan(deployer, compilation, context)
        try:
            report = deployer.deploy(gated.plan)
        except StalePlan:
            gated = _gated_plan(deployer, compilation, context)
            try:
                report = deployer.deploy(gated.plan)
            except StalePlan:
                advice = "Somebody else deploys at the same time, twice now; run again when that has ended."
                raise OperationFailed(advice) from None
    jobs = () if context.options.dry_run else _jobs_there(deployer, gated.plan)
    return DeployResult(
        compilation,
        gated.plan,
        is_needed,
        (*gated.plan.problems, *report.problems),
        gated.held_back,
        deployer,
        jobs,
        waiting=gated.waiting,
        undone=report.undone,
        notices=report.notices,
        edited=gated.edited,
    )


def _jobs_there(deployer: Deployer, plan: BundlePlan) -> tuple[DeployedJob, ...]:
    """Returns the jobs that are in the workspace: of one that was left out a backend may know but an old id."""
    jobs, unseen = deployer.jobs(), _unseen_jobs(plan)
    doubtful = [job for job in jobs if job.key in unseen]
    gone = {*doubtful}.difference(deployer.living(doubtful) if doubtful else ())
    return tuple(job for job in jobs if job not in gone)


def _unseen_jobs(plan: BundlePlan) -> set[str]:
    """Returns the jobs that a plan leaves as they are without having seen them in the workspace."""
    return {each.shown for each in plan.resources if each.action is Action.SKIP and each.job_key and not each.job_id}


@dataclass(frozen=True, slots=True)
class _GatedPlan:
    """A plan that passed the gate, what was left out of it, and the deletions that wait."""

    plan: BundlePlan
    held_back: tuple[PolicyViolation, ...]
    edited: tuple[PolicyViolation, ...]
    waiting: frozenset[str] = frozenset()
    takeovers: tuple[Takeover, ...] = ()


def _gated_plan(deployer: Deployer, compilation: Compilation, context: DeployContext) -> _GatedPlan:
    options = context.options
    plan, found = _plan_with_takeovers(deployer, compilation, context)
    if compilation.held:
        # Whatever their files say: those may have been written for another target.
        plan = deployer.leave_out(job_names(compilation.held))
    if options.modules:
        plan = deployer.leave_out(of_others(plan, compilation))
    for line in kept_lines(plan):
        context.reporter.on_progress(f"Kept as it is in the workspace: {line}.")
    if plan.first_paused:
        context.reporter.on_progress(f"Created paused, until `ljm unpause`: {listing(plan.first_paused)}.")
    parts = _parts_without_module(plan, compilation)
    recorded = _recorded_jobs(context) if plan.jobs(Action.CREATE, Action.DELETE) or parts else ()
    keys = {job.key for job in recorded}
    allowance = replace(options.allowance, removed=removed_keys(context.project))
    edited = tuple(edited_jobs(plan, allowance, options.audience))
    held_back = (*protected_changes(plan, compilation, keys), *edited)
    if held_back:
        plan = deployer.leave_out(resources_of(held_back))
    twins = deployer.twins(plan, recorded) if plan.jobs(Action.CREATE) else []
    violations = [
        *found.violations,
        *doubled_jobs(twins, allowance, options.audience, context.target),
        *stray_jobs(plan, compilation, parts, keys),
        *policy_violations(plan, allowance, options.audience),
    ]
    if edited and context.project.hand_edits is HandEdits.REFUSE:
        refuse([*violations, *edited])
    if not options.hold_back:
        refuse([*violations, *(edited if violations else ())])
        return _GatedPlan(plan, held_back, edited, takeovers=found.takeovers)
    if violations:
        plan = deployer.leave_out(resources_of(violations))
    waiting = options.unconfirmed(plan.jobs(Action.DELETE))
    if waiting:
        plan = deployer.leave_out(job_names(waiting))
    refuse([*policy_violations(plan, allowance, options.audience)])
    return _GatedPlan(plan, (*held_back, *violations), edited, waiting, found.takeovers)


def _plan_with_takeovers(
    deployer: Deployer, compilation: Compilation, context: DeployContext
) -> tuple[BundlePlan, FoundTakeovers]:
    """Returns a new plan as it is with the jobs in their new places, and which that are."""
    plan, project, folder = deployer.plan(), context.project, context.folder
    if not asks_for_takeovers(project, compilation):
        return plan, FoundTakeovers()
    recorded, begun = _recorded_jobs(context), deployer.begun_takeovers
    found = find_takeovers(plan, project, compilation, context.target or "", recorded, folder, begun)
    if context.options.modules:
        found = replace(found, takeovers=tuple(each for each in found.takeovers if each.key))
    if not found:
        return plan, found
    planned = deployer.take_over(found)
    if found.takeovers:
        context.reporter.on_taken_over(planned.plan, compilation.jobs)
    return planned.plan, replace(found, violations=(*found.violations, *planned.refused))


def _parts_without_module(plan: BundlePlan, compilation: Compilation) -> Sequence[JobPart]:
    """Returns what the bundle's own files say of jobs, where one that no module stands behind is to be written."""
    by_hand = any(each.job_key not in compilation.jobs.names for each in plan.writes())
    return compilation.bundle.job_parts or () if by_hand else ()


def _recorded_jobs(context: DeployContext) -> tuple[DeployedJob, ...]:
    try:
        return context.known_jobs()
    except LakeflowJobMetaError:
        return ()  # it is reported when it is written; what the workspace says of its jobs counts without it


def _doubled(result: DeployResult, context: DeployContext, known_ids: Collection[str]) -> list[DeployedJob]:
    """Returns jobs that are there twice, since the CLI sent a request again whose first one had done its work."""
    is_in_doubt = result.plan.jobs(Action.CREATE) and not context.options.allowance.doubling
    found = result.deployer.twins(result.plan, (), result.deployed) if is_in_doubt else []
    ours = {job.key for job in result.deployed}  # of a job that was written by hand, only the CLI knows the id
    twins = [twin for twin in found if twin.key in ours]
    known_ids = {*known_ids, *(twin.job_id for twin in twins)}
    still = result.deployer.living([job for job in read_left_behind(context.folder) if job.job_id not in known_ids])
    return [*(DeployedJob(twin.key, twin.job_id, twin.name, "") for twin in twins), *still]


def _paused(result: DeployResult, before: Collection[str]) -> set[str]:
    """Returns the jobs that stay paused in the workspace; of one that was not looked at, what was known `before`."""
    plan, unseen = result.plan, _unseen_jobs(result.plan)
    kept = {each.job for each in plan.kept if (*each.setting.split("."),) in PAUSES and each.workspace == "PAUSED"}
    return {*kept, *result.done.first_paused, *(key for key in before if key in unseen)}


def _recorded(result: DeployResult, context: DeployContext) -> DeployResult:
    """Records the jobs; a record that cannot be written is a problem that the next deployment mends."""
    modules, version = result.compilation.jobs.names, result.compilation.metadata_version
    tracking, target, plan = context.tracking, context.target or "", result.plan
    unseen = _unseen_jobs(plan).difference(job.key for job in result.deployed)
    staying = [key for key in plan.jobs(*(each for each in Action if each is not Action.DELETE)) if key not in unseen]
    try:
        rows = tracking.rows()
        known, kept = jobs_by_target(rows).get(target, ()), {*staying, *(job.key for job in result.deployed)}
        kept |= forgotten_keys(context.project)
        ids = {job.job_id for job in result.deployed}
        gone = [job for job in known if job.key not in kept and job.job_id not in ids]
        deleted = () if result.problems else plan.jobs(Action.DELETE)
        left = result.deployer.living([job for job in gone if job.key not in deleted])
        jobs = record_jobs(
            tracking,
            rows,
            target,
            result.deployed,
            modules,
            result.changed,
            version,
            [*staying, *(job.key for job in left)],
        )
        left += _doubled(result, context, {job.job_id for job in (*result.deployed, *left)})
        write_left_behind(context.folder, left)
        write_paused(context.folder, _paused(result, read_paused(context.folder)))
        forget_takeovers(context.folder, result.undone)
    except LakeflowJobMetaError as error:
        problem = f"the jobs are deployed, but could not be recorded: {error} Run again. [record]"
        return replace(result, record_problem=f"{tracking.name}: error: {problem}")
    return replace(result, jobs=tuple(jobs), left_behind=tuple(map(left_behind, left)))
