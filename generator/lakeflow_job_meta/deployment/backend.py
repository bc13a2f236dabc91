"""What deploys jobs to a workspace: the databricks CLI, or the Jobs API where no CLI can be installed.

A backend opens a deployer, which plans, carries out a plan that passed the gate, and lists which jobs are there. It
never decides what is allowed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from lakeflow_job_meta.deployment.policy import Allowance, Audience, Twin
from lakeflow_job_meta.errors import OperationFailed, PolicyViolation
from lakeflow_job_meta.state.tracking import DeployedJob, known_jobs

if TYPE_CHECKING:
    from lakeflow_job_meta.compiler.result import Compilation
    from lakeflow_job_meta.config.model import Project
    from lakeflow_job_meta.deployment.takeovers import Begun, FoundTakeovers
    from lakeflow_job_meta.diagnostics.model import Diagnostic
    from lakeflow_job_meta.jobs.all_jobs import Jobs
    from lakeflow_job_meta.planning.model import BundlePlan
    from lakeflow_job_meta.tables.store import TableStore
    from lakeflow_job_meta.workspace.client import Workspace


@dataclass(frozen=True, slots=True)
class DeployOptions:
    """How far a deployment goes.

    Attributes:
        keep_going: Whether modules without errors are deployed although others have some.
        hold_back: Whether what would be refused is left as it is, and the rest deployed.
        dry_run: Whether to stop after the gate.
        leaving: The keys of jobs that were to be deleted a while ago already; no others are. None where that is no
            matter.
        modules: The modules whose jobs are deployed; all others stay as they are. Empty for all.
    """

    allowance: Allowance = field(default_factory=Allowance)
    keep_going: bool = False
    hold_back: bool = False
    dry_run: bool = False
    audience: Audience = Audience.COMMAND
    leaving: frozenset[str] | None = None
    modules: tuple[str, ...] = ()

    def unconfirmed(self, doomed: Collection[str]) -> frozenset[str]:
        """Returns which of some deletions are to wait: a file that moves to another folder is gone for a moment."""
        return frozenset() if self.leaving is None else frozenset(doomed) - self.leaving


@dataclass(frozen=True, slots=True)
class Reporter:
    """Takes lines of progress, the problems of the metadata with the number of its modules, and what is taken over.

    The latter is a plan, with the jobs of the metadata.
    """

    on_progress: Callable[[str], None] = lambda line: None
    on_checked: Callable[[Sequence[Diagnostic], int], None] = lambda diagnostics, modules: None
    on_taken_over: Callable[[BundlePlan, Jobs], None] = lambda plan, jobs: None


@dataclass(frozen=True, slots=True)
class DeployContext:
    """One deployment, inside the deployment lock, whose file descriptor is for children to inherit.

    `folder` is the state folder of the target, which is None for the bundle's default. Tables are in `workspace`, by
    default that of the environment.
    """

    project: Project
    target: str | None
    folder: Path
    lock: int
    tracking: TableStore
    options: DeployOptions
    reporter: Reporter
    workspace: Workspace | None = None

    def known_jobs(self) -> tuple[DeployedJob, ...]:
        return known_jobs(self.tracking, self.target or "")


@dataclass(frozen=True, slots=True)
class DeployReport:
    """What came of a plan that was carried out.

    Attributes:
        problems: What went wrong, each with its location in the metadata; empty when all is well.
        undone: The keys of jobs that the plan writes and that were not written, or of which that is not known.
        notices: What a person should know although nothing is wrong.
    """

    problems: tuple[str, ...] = ()
    undone: frozenset[str] = frozenset()
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TakeoverPlan:
    """A plan as it is once some jobs have their new places, and why some cannot have them."""

    plan: BundlePlan
    refused: tuple[PolicyViolation, ...] = ()


class JobsRejected(OperationFailed):
    """Some jobs cannot be deployed as they are, and block the others. Nothing was changed in the workspace.

    Takes the keys of these jobs, and what is wrong, each with its location in the metadata.
    """

    def __init__(self, keys: frozenset[str], problems: Sequence[str], advice: str) -> None:
        super().__init__("\n".join([*problems, advice]))
        self.keys, self.problems = keys, tuple(problems)


@dataclass(frozen=True, slots=True)
class Unpaused:
    """A job, and what of its starts runs again, such as `schedule`; nothing where none was paused."""

    job: DeployedJob
    starts: tuple[str, ...]


class StalePlan(Exception):
    """The workspace has moved on since the plan was made: plan again, and pass the gate again. Nothing was changed."""


class Deployer(Protocol):
    """Deploys the jobs of a compilation."""

    def plan(self) -> BundlePlan:
        """Plans a deployment; changes nothing. Raises JobsRejected if the plan cannot be made because of some jobs."""

    def leave_out(self, names: Collection[str]) -> BundlePlan:
        """Returns the newest plan in which some resources stay as they are; it is the newest from now on."""

    def take_over(self, found: FoundTakeovers) -> TakeoverPlan:
        """Returns the newest plan as it is once some jobs have their new places; changes nothing in the workspace."""

    def begun_takeovers(self) -> Begun:
        """Returns which takeovers were begun, from any checkout, as the workspace knows it: those that may go on."""

    def note_begun(self) -> None:
        """Has the workspace know which takeovers are begun, before anything is done."""

    def rebind(self) -> bool:
        """Gives jobs their new places, but for those that are left out; True if another plan is to be made for that."""

    def is_deployed(self, plan: BundlePlan) -> bool:
        """Says whether jobs and their files are in the workspace as the metadata has them."""

    def twins(
        self, plan: BundlePlan, recorded: Sequence[DeployedJob], deployed: Sequence[DeployedJob] = ()
    ) -> list[Twin]:
        """Returns the jobs of the workspace that the newest plan would create a second time.

        When it was carried out, those that are there beside the ones that were `deployed`.
        """

    def living(self, jobs: Sequence[DeployedJob]) -> list[DeployedJob]:
        """Returns which of some recorded jobs are in the workspace, or may be."""

    def deploy(self, plan: BundlePlan) -> DeployReport:
        """Carries out the newest plan, and no more; one thing that goes wrong does not stop the others.

        Raises:
            StalePlan: The workspace has moved on.
        """

    def jobs(self) -> tuple[DeployedJob, ...]:
        """Returns the jobs of the metadata that are in the workspace now."""

    def start(self, job: DeployedJob) -> None:
        """Starts a job, and does not wait for its end."""

    def unpause(self, job: DeployedJob) -> tuple[str, ...]:
        """Has what is paused of a job start it again, and returns what that is, such as `schedule`."""


class DeployBackend(Protocol):
    """A way to deploy jobs; where `writes_files`, the generated files are what is deployed, and written first."""

    @property
    def writes_files(self) -> bool: ...

    def open(self, context: DeployContext, compilation: Compilation) -> Deployer:
        """Opens a deployer; nothing is connected to before it is needed."""
