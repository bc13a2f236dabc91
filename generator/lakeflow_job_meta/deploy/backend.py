"""What brings jobs into a workspace: the databricks CLI, or the Jobs API where no CLI can be installed.

A deployer plans, deploys a plan that passed the gate, and tells which jobs are there. It never decides what is allowed.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from lakeflow_job_meta.errors import OperationFailed
from lakeflow_job_meta.plan.model import BundlePlan
from lakeflow_job_meta.state.tracking import DeployedJob


class JobsRejected(OperationFailed):
    """Some jobs cannot be deployed as they are, and keep the others from it. Nothing was changed in the workspace.

    Attributes:
        keys: Of these jobs.
        problems: What is wrong, each at its place in the metadata.
    """

    def __init__(self, keys: frozenset[str], problems: Sequence[str], advice: str) -> None:
        super().__init__("\n".join([*problems, advice]))
        self.keys = keys
        self.problems = tuple(problems)


class StalePlan(Exception):
    """The workspace has moved on since the plan was made: plan again, and pass the gate again. Nothing was changed."""


class Deployer(Protocol):
    """Brings the jobs of a compilation into a workspace."""

    def plan(self) -> BundlePlan:
        """Says what a deployment would do; changes nothing.

        Raises:
            JobsRejected: The plan cannot be made because of some jobs.
            OperationFailed: The plan cannot be made.
        """

    def leave_out(self, names: Collection[str]) -> BundlePlan:
        """Returns the newest plan in which some resources stay as they are; it is the newest from now on."""

    def is_deployed(self, plan: BundlePlan) -> bool:
        """Says whether the workspace is as the metadata says, files of the jobs among it."""

    def deploy(self, plan: BundlePlan) -> list[str]:
        """Does what the plan says, and no more.

        Args:
            plan: The newest one that `plan` returned.

        Returns:
            What went wrong, each at its place in the metadata; empty when all is well. The rest was done.

        Raises:
            StalePlan: The workspace has moved on.
        """

    def jobs(self) -> tuple[DeployedJob, ...]:
        """Returns the jobs of the metadata that are in the workspace now.

        Raises:
            OperationFailed: The workspace cannot tell.
        """

    def start(self, job: DeployedJob) -> None:
        """Starts a job, and does not wait for its end.

        Raises:
            OperationFailed: It cannot be started.
        """
