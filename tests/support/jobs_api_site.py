"""A project that is deployed through the Jobs API to a fake workspace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from fakes.workspace import FakeWorkspace
from lakeflow_job_meta.config.load import load_project
from lakeflow_job_meta.deployment.jobs_api.deployer import JobsApiDeployer
from lakeflow_job_meta.deployment.keeping import keeping_of
from lakeflow_job_meta.deployment.policy import Allowance, Audience, doubled_jobs, policy_violations, refuse
from lakeflow_job_meta.planning.model import Action, BundlePlan
from lakeflow_job_meta.state.tracking import DeployedJob
from lakeflow_job_meta.workspace.client import Workspace
from support.project_folder import ProjectFolder

SCOPE = "bundle:test:dev"
FOLDER = "/Workspace/Users/someone@example.com/.lakeflow-job-meta/bundle-test/dev"
ROOT = f"{FOLDER}/files"


@dataclass
class Site:
    """A project that is deployed to a workspace; what its deployments recorded is known to the next."""

    project: ProjectFolder
    workspace: FakeWorkspace
    connection: Workspace
    known: dict[str, str] = field(default_factory=dict)

    def module(self, name: str, config: str = "notebook_path: /Workspace/a", job_config: str = "") -> None:
        job = f"    job_config: {{{job_config}}}\n" if job_config else ""
        text = (
            f"modules:\n  - module_name: {name}\n{job}    sources:\n      - source_id: a\n"
            f"        execution_order: 1\n        transformation_config: {{{config}}}\n"
        )
        self.project.write(f"metadata/{name}.yml", text)

    def remove(self, name: str) -> None:
        (self.project.path / "metadata" / f"{name}.yml").unlink()

    def deployer(self, target: str = "dev", **allowed: object) -> JobsApiDeployer:
        project, compilation = load_project(self.project.path), self.project.compile()
        keeping = keeping_of(project, compilation, Allowance(**allowed))
        return JobsApiDeployer(project, compilation, self.connection, target, self.known, keeping=keeping)

    def plan(self) -> BundlePlan:
        return self.deployer().plan()

    def deploy(self, on_progress: Callable[[str], None] = lambda line: None, **allowed: object) -> list[str]:
        """Deploys through the gate, and keeps a record."""
        deployer = self.deployer(**allowed)
        deployer.on_progress = on_progress
        plan = deployer.plan()
        recorded = [DeployedJob(key, job_id, key, "") for key, job_id in self.known.items()]
        twins = deployer.twins(plan, recorded) if plan.jobs(Action.CREATE) else []
        allowance = Allowance(**allowed)
        refuse([*doubled_jobs(twins, allowance, Audience.COMMAND, "dev"), *policy_violations(plan, allowance)])
        problems = [*deployer.deploy(plan).problems]
        self.known = {job.key: job.job_id for job in deployer.jobs()}
        return problems

    def actions(self) -> dict[str, str]:
        return {change.name.removeprefix("resources.jobs."): change.action.value for change in self.plan().resources}

    def changes(self) -> dict[str, int]:
        """What was written since the last call."""
        changes = dict(self.workspace.jobs.changes)
        self.workspace.jobs.writes.clear()
        return changes

    def uploads(self) -> list[str]:
        """The files of the project that were written."""
        root = ROOT.removeprefix("/Workspace")
        return [path for path in self.workspace.tree.writes if path.startswith(root)]

    def id_of(self, name: str) -> int:
        return self.workspace.jobs.by_name(name).job_id
