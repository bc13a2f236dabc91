"""The deployment of a compilation, step by step: plan, gate, deploy that plan, ask what is there now.

The same for every deployer. What is deployed is exactly the plan that passed the gate. Nothing is retried but a plan
that became stale, and that is planned and gated again, once.
"""

from __future__ import annotations

from dataclasses import dataclass

from lakeflow_job_meta.deploy.backend import Deployer, StalePlan
from lakeflow_job_meta.deploy.policy import Allowance, PolicyViolation, policy_violations, refuse_violations
from lakeflow_job_meta.errors import OperationFailed
from lakeflow_job_meta.plan.model import Action, BundlePlan
from lakeflow_job_meta.state.tracking import DeployedJob


@dataclass(frozen=True, slots=True)
class Deployment:
    """What a deployment came to.

    Attributes:
        plan: What passed the gate.
        jobs: Every job of the metadata that is in the workspace now; empty after a dry run.
        was_needed: Whether anything had to be deployed.
        problems: What went wrong, at its place in the metadata; empty when all is well.
        held_back: What the gate took out of the plan.
    """

    plan: BundlePlan
    jobs: tuple[DeployedJob, ...]
    was_needed: bool
    problems: tuple[str, ...] = ()
    held_back: tuple[PolicyViolation, ...] = ()


def execute(deployer: Deployer, allowance: Allowance, *, dry_run: bool = False, hold_back: bool = False) -> Deployment:
    """Plans, passes the gate, deploys, and asks what is there now.

    Args:
        deployer: What does it.
        allowance: What a person has allowed.
        dry_run: Whether to stop after the gate.
        hold_back: Whether what the gate would refuse is taken out of the plan, and the rest deployed.

    Raises:
        PolicyRefused: The gate; nothing was changed in the workspace.
        OperationFailed: It failed before anything was deployed.
    """
    plan, held_back = _gated_plan(deployer, allowance, hold_back)
    needed = not deployer.is_deployed(plan)
    if dry_run:
        return Deployment(plan, (), needed, plan.problems, held_back)
    if not needed:
        return Deployment(plan, deployer.jobs(), False, plan.problems, held_back)
    try:
        problems = deployer.deploy(plan)
    except StalePlan:
        plan, held_back = _gated_plan(deployer, allowance, hold_back)
        try:
            problems = deployer.deploy(plan)
        except StalePlan:
            raise OperationFailed(
                "Somebody else deploys at the same time, twice now; run again when that has ended."
            ) from None
    return Deployment(plan, deployer.jobs(), True, (*plan.problems, *problems), held_back)


def _gated_plan(
    deployer: Deployer, allowance: Allowance, hold_back: bool
) -> tuple[BundlePlan, tuple[PolicyViolation, ...]]:
    plan = deployer.plan()
    surprises = tuple(policy_violations(plan, allowance)) if hold_back else ()
    if surprises:
        plan = deployer.leave_out({name for surprise in surprises for name in surprise.resources})
    refuse_violations(plan, allowance)
    return plan, surprises


def jobs_that_change(plan: BundlePlan) -> list[str]:
    """Returns the keys of jobs that a plan creates or updates."""
    return plan.jobs(Action.CREATE, Action.UPDATE, Action.UPDATE_ID, Action.RECREATE)
