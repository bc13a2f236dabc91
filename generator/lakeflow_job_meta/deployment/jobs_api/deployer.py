"""Deploys jobs through the Jobs API, for where no databricks CLI can be installed, such as serverless notebooks.

Takes a compilation, and creates, resets and deletes exactly the jobs of one project and target, known by their tags.
A job that needs what only the CLI can do (permissions, folders, most references) stays as it is and is reported.
Presets and overrides of a target are not applied. A hand edit is known as one only while the metadata of its job has
not changed as well, since just a digest of what was sent last is kept.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from lakeflow_job_meta._internal.text import listing
from lakeflow_job_meta._internal.trees import Scalar
from lakeflow_job_meta.compiler.result import Compilation
from lakeflow_job_meta.config.bundle import read_bundle_values
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.deployment.backend import StalePlan
from lakeflow_job_meta.deployment.jobs_api import ownership_tags
from lakeflow_job_meta.deployment.jobs_api.apply import PlanExecution, PreparedPlan
from lakeflow_job_meta.deployment.jobs_api.client import JobsClient, RemoteJob
from lakeflow_job_meta.deployment.jobs_api.ownership_tags import KEY_TAG, SCOPE_TAG, jobs_by_key
from lakeflow_job_meta.deployment.jobs_api.plan import JobPlan, change_of, change_without_fields, in_order
from lakeflow_job_meta.deployment.jobs_api.resolve import LocalFiles, NeedsCli, Resolver
from lakeflow_job_meta.deployment.policy import Twin
from lakeflow_job_meta.errors import OperationFailed, PolicyRefused
from lakeflow_job_meta.jobs.model import Job
from lakeflow_job_meta.jobs.references import VARIABLE_PREFIX
from lakeflow_job_meta.planning.model import Action, BundlePlan
from lakeflow_job_meta.state.tracking import DeployedJob
from lakeflow_job_meta.workspace.client import Workspace

_ONLY_IN_BUNDLES = ("permissions", "lifecycle")
"""Settings of a job in a bundle that are none of the Jobs API."""


@dataclass(eq=False)
class JobsApiDeployer:
    """Deploys the jobs of a compilation through the Jobs API.

    Attributes:
        known: The recorded id of each job, by key; it may be incomplete or wrong.
    """

    project: Project
    compilation: Compilation
    workspace: Workspace
    target: str
    known: Mapping[str, str]
    on_progress: Callable[[str], None] = lambda line: None

    def __post_init__(self) -> None:
        self._client = JobsClient(self.workspace)
        self._scope = ownership_tags.ownership_scope(self.project, self.target)
        self._bundle = read_bundle_values(self.project, self.target)
        jobs = self.compilation.jobs
        self._wanted = [job for job in jobs if not job.module.targets or self.target in job.module.targets]
        self._prepared: PreparedPlan | None = None

    def plan(self) -> BundlePlan:
        self.on_progress("Reading the jobs of the workspace")
        ours, unmarked = self._our_jobs()
        ids = {key: job.job_id for key, job in ours.items()}
        root = f"/Workspace/Users/{self._client.user_name}/.lakeflow-job-meta/{self._scope.folder}/files"
        resolver, files = self._resolver(), LocalFiles(self.project, self.compilation, root)
        plans = [self._plan_of(job, ours.get(job.key), unmarked.get(job.key), resolver, files) for job in self._wanted]
        jobs = in_order(plans, set(ids))
        wanted = {job.key for job in self._wanted}
        gone = {key: job for key, job in ours.items() if key not in wanted}
        # Nothing is deleted while any metadata is missing or unreadable.
        is_whole, kept = not (self.compilation.missing or self.compilation.kept_labels), self.compilation.kept_jobs
        deletions = {key: job for key, job in gone.items() if is_whole and key not in kept}
        changes = [
            *(change_of(job, self._scope, ids) for job in jobs),
            *(change_without_fields(key, Action.DELETE if key in deletions else Action.SKIP) for key in gone),
        ]
        plan = BundlePlan(tuple(sorted(changes, key=lambda change: change.name)), None, None)
        self._prepared = PreparedPlan(plan, jobs, deletions, ids)
        return plan

    def leave_out(self, names: Collection[str]) -> BundlePlan:
        if self._prepared is None:
            raise StalePlan("There is no plan yet.")
        plan = self._prepared.plan.leaving_out(names)
        deleted = {*plan.jobs(Action.DELETE)}
        deletions = {key: job for key, job in self._prepared.deletions.items() if key in deleted}
        self._prepared = replace(self._prepared, plan=plan, deletions=deletions)
        return plan

    def is_deployed(self, plan: BundlePlan) -> bool:
        jobs = self._prepared.jobs if self._prepared is not None else ()
        return plan.changes_nothing() and not any(job.problem for job in jobs)

    def twins(
        self, plan: BundlePlan, recorded: Sequence[DeployedJob], deployed: Sequence[DeployedJob] = ()
    ) -> list[Twin]:
        return []  # planning has looked for our jobs, and refuses where it finds one that is not ours alone

    def living(self, jobs: Sequence[DeployedJob]) -> list[DeployedJob]:
        found = self._client.jobs([int(job.job_id) for job in jobs])
        return [job for job, remote in zip(jobs, found, strict=True) if remote is not None]

    def deploy(self, plan: BundlePlan) -> list[str]:
        if self._prepared is None or self._prepared.plan != plan:
            raise StalePlan("This is not the newest plan. Plan again; nothing was changed in the workspace.")
        self.on_progress("Deploying")
        return PlanExecution(self._client, self._scope, self._prepared).run()

    def start(self, job: DeployedJob) -> None:
        self._client.start(int(job.job_id))

    def jobs(self) -> tuple[DeployedJob, ...]:
        keys = {*self.compilation.jobs.names, *self.compilation.kept_jobs}
        found = jobs_by_key(self._client.all_jobs(), self._scope)
        ours, host = ((key, job) for key, job in sorted(found.items()) if key in keys), self._client.host
        return tuple(
            DeployedJob(key, str(job.job_id), str(job.settings.get("name") or key), f"{host}/jobs/{job.job_id}")
            for key, job in ours
        )

    def _our_jobs(self) -> tuple[dict[str, RemoteJob], dict[str, int]]:
        """Finds all of our jobs: by their tags, and those that no list shows by the record.

        Returns:
            Those with our tags, by key; and the ids of recorded jobs that look like ours and lack the tags, by key.
        """
        listed = list(self._client.all_jobs())
        tagged = jobs_by_key(listed, self._scope)
        complete = self._client.jobs([job.job_id for job in tagged.values()])
        found = {key: job for key, job in zip(tagged, complete, strict=True) if job is not None}
        unmarked: dict[str, int] = {}
        bundled = [*self._twins_in_our_bundle(listed), *(key for key, job in found.items() if job.is_of_a_bundle)]
        for wanted, recorded in self._recorded({job.job_id for job in tagged.values()}):
            key = wanted.key
            if ownership_tags.key_of(recorded, self._scope) == key:
                if key in found:
                    raise OperationFailed(ownership_tags.same_tags(key, found[key], recorded))
                found[key] = recorded
            elif recorded.is_of_a_bundle and key not in found:
                bundled.append(key)
            elif key not in found and _has_lost_its_tags(recorded, wanted):
                unmarked[key] = recorded.job_id
        if bundled:
            raise _deployed_by_a_bundle(bundled)
        return found, unmarked

    def _recorded(self, seen: set[int]) -> list[tuple[Job, RemoteJob]]:
        """Returns the jobs that the record names and no list has shown; they may be anybody's."""
        named = [(job, self.known.get(job.key, "")) for job in self._wanted]
        unseen = [
            (job, int(text)) for job, text in named if text.isascii() and text.isdigit() and int(text) not in seen
        ]
        remote = self._client.jobs([job_id for _, job_id in unseen])
        return [(job, found) for (job, _), found in zip(unseen, remote, strict=True) if found is not None]

    def _twins_in_our_bundle(self, listed: list[RemoteJob]) -> list[str]:
        """Returns the keys of jobs that the bundle of this project has deployed; the CLI writes its path into them."""
        if self._bundle.name is None:
            return []
        ending = f"/{self._bundle.name}/{self.target}/"
        names = [str(job.settings.get("name")) for job in listed if job.is_of_a_bundle and ending in job.bundle_path]
        # A target in development mode puts `[dev someone] ` before the name.
        plain = {name.split("] ", 1)[-1] if name.startswith("[dev ") else name for name in names}
        return [job.key for job in self._wanted if job.settings.get("name") in plain]

    def _resolver(self) -> Resolver:
        values: dict[str, Scalar] = {f"var.{name}": value for name, value in self._bundle.variables.items()}
        values |= {
            f"var.{name.removeprefix(VARIABLE_PREFIX)}": value
            for name, value in os.environ.items()
            if name.startswith(VARIABLE_PREFIX) and "${" not in value
        }
        values |= {"bundle.target": self.target, "workspace.current_user.userName": self._client.user_name}
        return Resolver(values if self._bundle.name is None else {**values, "bundle.name": self._bundle.name})

    def _plan_of(
        self, job: Job, remote: RemoteJob | None, unmarked: int | None, resolver: Resolver, files: LocalFiles
    ) -> JobPlan:
        try:
            if unmarked is not None:
                raise NeedsCli(
                    f"the job {unmarked} is recorded for this module and has its name, but not our tags, so it may be "
                    f"somebody else's. Give it the tags {KEY_TAG}={job.key} and {SCOPE_TAG}={self._scope.tag} to have "
                    "it taken over, or rename it."
                )
            for name in _ONLY_IN_BUNDLES:
                if name in job.settings:
                    raise NeedsCli(f"{name!r} needs the databricks CLI: leave it out, or deploy with `ljm deploy`.")
            local, contents = files.of_job(job.settings)
            settings = resolver.resolved(local, {})
            if not isinstance(settings, dict) or not isinstance(settings.get("tags", {}), dict):
                raise NeedsCli("'tags' as a whole from a reference needs the databricks CLI: write them one by one.")
        except NeedsCli as problem:
            return JobPlan(job, {}, {}, remote, str(problem))
        return JobPlan(job, settings, contents, remote)


def _has_lost_its_tags(recorded: RemoteJob, wanted: Job) -> bool:
    """Says whether a recorded job may be ours: named like it, and marked as nobody's."""
    return SCOPE_TAG not in recorded.tags and recorded.settings.get("name") == wanted.settings.get("name")


def _deployed_by_a_bundle(keys: Iterable[str]) -> PolicyRefused:
    return PolicyRefused(
        f"The databricks CLI has deployed {listing(sorted(set(keys)))} as part of a bundle, and a second deployment "
        "beside it would create each job twice. Deploy with `ljm deploy`, or destroy that bundle first. Nothing was "
        "changed in the workspace."
    )
