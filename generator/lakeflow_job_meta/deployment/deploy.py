"""The deployment, step by step: `bundle validate`, `bundle plan`, gate, `bundle deploy --plan`, `bundle summary`.

What is deployed is exactly the plan that passed the gate. Nothing is retried but a plan that became stale, and that is
planned and gated again.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from lakeflow_job_meta.compilation import Compilation
from lakeflow_job_meta.deployment.bundle_plan import Action, BundlePlan, parse_plan
from lakeflow_job_meta.deployment.cli_output import Trouble, diagnostics_in, forgotten_jobs
from lakeflow_job_meta.deployment.databricks_cli import CliFailure, CliResult, DatabricksCli, explain
from lakeflow_job_meta.deployment.fingerprint import fingerprint
from lakeflow_job_meta.deployment.gate import Allowance, refuse_surprises
from lakeflow_job_meta.deployment.places import Places
from lakeflow_job_meta.deployment.state_folder import read_record, write_record
from lakeflow_job_meta.errors import Failed
from lakeflow_job_meta.project import Project

_DEPLOYED = "deployed.json"
_PLAN = "plan.json"
_VALIDATE_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Options:
    """How to deploy.

    Attributes:
        allowance: What a person has allowed.
        dry_run: Whether to stop after the gate.
        force_lock: Whether to take over a lock that was left in the workspace.
        limit_seconds: How long one call of the CLI may take.
    """

    allowance: Allowance = field(default_factory=Allowance)
    dry_run: bool = False
    force_lock: bool = False
    limit_seconds: float = 1800


@dataclass(frozen=True, slots=True)
class DeployedJob:
    """A job in the workspace."""

    key: str
    job_id: str
    name: str
    url: str


@dataclass(frozen=True, slots=True)
class Deployment:
    """What a deployment came to.

    Attributes:
        plan: What passed the gate.
        jobs: Every job of the bundle's metadata that is in the workspace now; empty after a dry run.
        was_needed: Whether anything had to be deployed.
        problems: What the CLI said went wrong, at its place in the metadata; empty when all is well.
    """

    plan: BundlePlan
    jobs: tuple[DeployedJob, ...]
    was_needed: bool
    problems: tuple[str, ...] = ()


class Deployer:
    """Deploys the generated files of a project with the databricks CLI.

    Args:
        cli: The CLI in the project's folder, for one target; it holds the deployment lock.
        project: The project; its files are written.
        compilation: For the places of what goes wrong.
        folder: For plans and records.
        options: How.
        say: Told what is being done.
    """

    def __init__(
        self,
        cli: DatabricksCli,
        project: Project,
        compilation: Compilation,
        folder: Path,
        options: Options,
        say: Callable[[str], None] = lambda message: None,
    ) -> None:
        self._cli = cli
        self._project = project
        self._places = Places(project, compilation)
        self._keys = {job.key for job in compilation.jobs} | set(compilation.kept_jobs)
        self._folder = folder
        self._options = options
        self._say = say

    def deploy(self) -> Deployment:
        """Validates, plans, passes the gate, deploys, and asks what is there now.

        Raises:
            Refused: The gate; nothing was changed in the workspace.
            Failed: The CLI failed before anything was deployed.
        """
        self._say("Validating the bundle")
        # An address where nobody answers is tried in silence for as long as it is let.
        limit = min(self._options.limit_seconds, _VALIDATE_SECONDS)
        self._bundle("validate", "--strict", limit_seconds=limit)
        plan = self._planned()
        if self._options.dry_run:
            return Deployment(plan, (), not self._is_deployed(plan))
        if self._is_deployed(plan):
            return Deployment(plan, self._summary(), was_needed=False)
        plan, problems = self._deploy(plan)
        deployment = Deployment(plan, self._summary(), True, tuple(problems))
        if not problems:
            self._remember()
        return deployment

    def _planned(self) -> BundlePlan:
        self._say("Planning")
        result = self._bundle("plan", "-o", "json")
        plan = parse_plan(result.stdout)
        refuse_surprises(plan, self._options.allowance)
        # Written only now: a plan that did not pass is never lying about.
        try:
            (self._folder / _PLAN).write_text(result.stdout, encoding="utf-8")
        except OSError as error:
            raise Failed(f"The plan cannot be written to {str(self._folder / _PLAN)!r}: {error.strerror}.") from error
        return plan

    def _deploy(self, plan: BundlePlan) -> tuple[BundlePlan, list[str]]:
        """Deploys the plan; once more if somebody else was faster.

        Returns:
            The plan that was deployed, and what went wrong.
        """
        self._say("Deploying")
        arguments = ["--plan", str(self._folder / _PLAN), *(["--force-lock"] if self._options.force_lock else [])]
        if plan.lineage is None:
            # The CLI cannot tell that a plan of a first deployment is stale, and would make every job twice.
            plan = self._planned()
        try:
            result = self._cli.bundle("deploy", *arguments, limit_seconds=self._options.limit_seconds)
        except CliFailure as failure:
            if failure.trouble is not Trouble.STALE_PLAN:
                return plan, self._told(failure)
            plan = self._planned()
            try:
                result = self._cli.bundle("deploy", *arguments, limit_seconds=self._options.limit_seconds)
            except CliFailure as second:
                return plan, self._told(second)
        return plan, [
            f"{name}: error: the job could not be deleted for want of permission, and the bundle has forgotten it; "
            "delete it by hand [databricks]"
            for name in forgotten_jobs(result.stderr)
        ]

    def _is_deployed(self, plan: BundlePlan) -> bool:
        """Says whether jobs and files are in the workspace as they are here."""
        record = read_record(self._folder / _DEPLOYED)
        return plan.changes_nothing() and record.get("files") == fingerprint(self._project.folder)

    def _remember(self) -> None:
        write_record(self._folder / _DEPLOYED, {"files": fingerprint(self._project.folder)})

    def _summary(self) -> tuple[DeployedJob, ...]:
        result = self._bundle("summary", "-o", "json")
        try:
            root = json.loads(result.stdout)
        except ValueError:
            root = None
        if not isinstance(root, dict):
            raise Failed("What `databricks bundle summary` printed is not understood; run again to record the jobs.")
        resources = root.get("resources") or {}
        jobs = resources.get("jobs") if isinstance(resources, dict) else None
        entries = {key: entry for key, entry in (jobs or {}).items() if isinstance(entry, dict)}
        return tuple(
            DeployedJob(key, str(entry["id"]), str(entry.get("name") or key), str(entry.get("url") or ""))
            for key, entry in sorted(entries.items())
            if key in self._keys and entry.get("id") and entry.get("modified_status") != "deleted"
        )

    def _bundle(self, command: str, *arguments: str, limit_seconds: float | None = None) -> CliResult:
        """Runs a command of which a failure ends everything."""
        try:
            return self._cli.bundle(command, *arguments, limit_seconds=limit_seconds or self._options.limit_seconds)
        except CliFailure as failure:
            raise Failed("\n".join(self._told(failure))) from None

    def _told(self, failure: CliFailure) -> list[str]:
        """Returns what went wrong, each at its place in the metadata, and last what to do."""
        placed = [each for each in diagnostics_in(failure.result.stderr) if self._places.knows(each)]
        return [*map(self._places.tell, placed), explain(failure, with_errors=not placed)]


def jobs_that_change(plan: BundlePlan) -> list[str]:
    """Returns the keys of jobs that a plan creates or updates."""
    return plan.jobs(Action.CREATE, Action.UPDATE, Action.UPDATE_ID, Action.RECREATE)
