"""What came of a deployment. Nothing is done here."""

from __future__ import annotations

from dataclasses import dataclass

from lakeflow_job_meta.compiler.result import Compilation
from lakeflow_job_meta.deployment.backend import Deployer, JobsRejected
from lakeflow_job_meta.errors import PolicyViolation
from lakeflow_job_meta.planning.model import Action, BundlePlan, job_names
from lakeflow_job_meta.state.tracking import DeployedJob, TrackedJob


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
        waiting: The keys of jobs whose deletion is to be confirmed by the next tick.
        left_behind: Recorded jobs that the metadata no longer has, nothing has deleted, and nothing will.
        undone: The keys of jobs that the plan writes and that were not written, or of which that is not known.
        notices: What a person should know although nothing is wrong.
        edited: Of `held_back` what a person has to decide: jobs that were edited in the workspace.
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
    waiting: frozenset[str] = frozenset()
    left_behind: tuple[PolicyViolation, ...] = ()
    undone: frozenset[str] = frozenset()
    notices: tuple[str, ...] = ()
    edited: tuple[PolicyViolation, ...] = ()

    @property
    def done(self) -> BundlePlan:
        """The plan, as far as it was carried out; after a dry run all of it, since nothing went wrong."""
        return self.plan.leaving_out(job_names(self.undone)) if self.undone else self.plan

    @property
    def has_failed(self) -> bool:
        """Whether something was to be written in the workspace, and nothing was."""
        written = self.plan.written_jobs()
        return bool(self.problems and written) and self.undone.issuperset(written)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the databricks CLI warns of, with locations; nothing is kept from being deployed by it."""
        return self.plan.warnings

    @property
    def all_problems(self) -> tuple[str, ...]:
        return (*self.problems, self.record_problem) if self.record_problem else self.problems

    @property
    def changed(self) -> list[str]:
        """The keys of the jobs that were created or updated."""
        return self.done.jobs(Action.CREATE, Action.UPDATE, Action.UPDATE_ID, Action.RECREATE)
