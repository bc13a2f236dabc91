"""Deploys jobs through the Jobs API, for where no databricks CLI can be installed, such as serverless notebooks.

Takes a compilation, and creates, resets and deletes exactly the jobs of one project and target, known by their tags.
What only the CLI can do (a target's presets, permissions, most references) it never guesses: such a job stays as it
is and is reported. A hand edit is seen as long as the metadata of its job did not change as well: only a digest of
what was sent last is kept, so that otherwise nobody can tell the two apart.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping

from lakeflow_job_meta.bundle_facts import read_bundle_values
from lakeflow_job_meta.compilation import Compilation
from lakeflow_job_meta.deployment.bundle_plan import Action, BundlePlan
from lakeflow_job_meta.deployment.bundle_references import NeedsCli, Resolver
from lakeflow_job_meta.deployment.interface import DeployedJob, StalePlan
from lakeflow_job_meta.deployment.job_work import Work, change_of, change_without_fields, in_order
from lakeflow_job_meta.deployment.jobs_run import Prepared, Run
from lakeflow_job_meta.deployment.jobs_service import JobsService, RemoteJob
from lakeflow_job_meta.deployment.scope import jobs_by_key, key_of, same_tags, scope_of
from lakeflow_job_meta.deployment.uploads import LocalFiles
from lakeflow_job_meta.errors import Failed, Refused
from lakeflow_job_meta.jobs.model import Job
from lakeflow_job_meta.project import Project
from lakeflow_job_meta.values import Scalar, listing
from lakeflow_job_meta.workspace import Workspace

_ONLY_IN_BUNDLES = ("permissions", "lifecycle")
"""Settings of a job in a bundle that are none of the Jobs API."""

_VARIABLE = "BUNDLE_VAR_"


class JobsApiDeployer:
    """Brings the jobs of a compilation into a workspace through the Jobs API.

    Args:
        project: The project.
        compilation: Its jobs; its files are the inline SQL.
        workspace: Where to.
        target: The bundle's target.
        known: The recorded id of each job, by key; it may be incomplete or wrong.
        say: Told what is being done.
    """

    def __init__(
        self,
        project: Project,
        compilation: Compilation,
        workspace: Workspace,
        target: str,
        known: Mapping[str, str],
        say: Callable[[str], None] = lambda message: None,
    ) -> None:
        self._project = project
        self._compilation = compilation
        self._service = JobsService(workspace)
        self._target = target
        self._known = known
        self._say = say
        self._scope = scope_of(project, target)
        self._bundle = read_bundle_values(project, target)
        self._wanted = [job for job in compilation.jobs if not job.module.targets or target in job.module.targets]
        self._prepared: Prepared | None = None

    def plan(self) -> BundlePlan:
        """Says what a deployment would do; changes nothing.

        Raises:
            Failed: The workspace cannot be read, or two of its jobs have the same tags.
            Refused: A job of the metadata was deployed by a bundle, and would be there twice.
        """
        self._say("Reading the jobs of the workspace")
        ours = self._our_jobs()
        ids = {key: job.job_id for key, job in ours.items()}
        resolver = self._resolver()
        files = LocalFiles(
            self._project,
            self._compilation,
            f"/Workspace/Users/{self._service.user_name}/.lakeflow-job-meta/{self._scope.folder}/files",
        )
        works = in_order([self._work(job, ours.get(job.key), resolver, files) for job in self._wanted], set(ids))
        gone = {key: job for key, job in ours.items() if key not in {wanted.key for wanted in self._wanted}}
        doomed = {key: job for key, job in gone.items() if self._may_go(key)}
        changes = [
            *(change_of(work, self._scope, ids) for work in works),
            *(change_without_fields(key, Action.DELETE if key in doomed else Action.SKIP) for key in gone),
        ]
        plan = BundlePlan(tuple(sorted(changes, key=lambda change: change.name)), None, None)
        self._prepared = Prepared(plan, works, doomed, ids)
        return plan

    def is_deployed(self, plan: BundlePlan) -> bool:
        """Says whether the workspace is as the metadata says; it is not while a job cannot be deployed."""
        prepared = self._prepared_for(plan)
        return plan.changes_nothing() and not any(work.problem for work in prepared.works)

    def deploy(self, plan: BundlePlan) -> list[str]:
        """Does what the plan says, and no more; a job that fails does not keep the others from it.

        Raises:
            StalePlan: A job has changed since, and nothing was written yet; or the plan is not the newest.
        """
        prepared = self._prepared_for(plan)
        self._say("Deploying")
        return Run(self._service, self._scope, prepared).problems_of_all()

    def jobs(self) -> tuple[DeployedJob, ...]:
        """Returns the jobs of the metadata that are in the workspace now.

        Raises:
            Failed: The workspace cannot tell.
        """
        keys = {job.key for job in self._compilation.jobs} | self._compilation.kept_jobs
        found = jobs_by_key(self._service.all_jobs(), self._scope)
        return tuple(
            DeployedJob(
                key, str(job.job_id), str(job.settings.get("name") or key), f"{self._service.host}/jobs/{job.job_id}"
            )
            for key, job in sorted(found.items())
            if key in keys
        )

    def _prepared_for(self, plan: BundlePlan) -> Prepared:
        if self._prepared is None or self._prepared.plan != plan:
            raise StalePlan("This is not the newest plan. Plan again; nothing was changed in the workspace.")
        return self._prepared

    def _may_go(self, key: str) -> bool:
        """Says whether a job without a module may be deleted: not while any metadata is missing or unreadable."""
        compilation = self._compilation
        return not (compilation.missing or compilation.kept_labels or key in compilation.kept_jobs)

    # which jobs are ours

    def _our_jobs(self) -> dict[str, RemoteJob]:
        """Returns all of our jobs with all of their settings, by key."""
        listed = list(self._service.all_jobs())
        ours = jobs_by_key(listed, self._scope)
        complete = self._service.jobs([job.job_id for job in ours.values()])
        found = {key: job for key, job in zip(ours, complete, strict=True) if job is not None}
        listed_ids = {each.job_id for each in ours.values()}
        for wanted in self._wanted:
            tracked = self._tracked(wanted.key, listed_ids)
            if tracked is not None and wanted.key in found:
                raise Failed(same_tags(wanted.key, found[wanted.key], tracked))
            if tracked is not None:
                found[wanted.key] = tracked
        bundled = [each for each in listed if each.is_of_a_bundle]
        twins = [wanted.key for wanted in self._wanted for other in bundled if self._is_of_our_bundle(wanted, other)]
        of_bundles = [key for key, job in found.items() if job.is_of_a_bundle]
        if twins or of_bundles:
            raise _deployed_by_a_bundle([*twins, *of_bundles])
        return found

    def _tracked(self, key: str, seen: set[int]) -> RemoteJob | None:
        """Returns the job that the record names, if it is ours and no list has told of it."""
        recorded = self._known.get(key, "")
        if not (recorded.isascii() and recorded.isdigit()) or int(recorded) in seen:
            return None
        job = self._service.job(int(recorded))
        if job is None:
            return None
        if job.is_of_a_bundle:
            raise _deployed_by_a_bundle([key])
        return job if key_of(job, self._scope) == key else None

    def _is_of_our_bundle(self, job: Job, other: RemoteJob) -> bool:
        """Says whether the bundle of this project has deployed the job: the CLI notes its state's path in there."""
        deployment = other.settings.get("deployment")
        if not isinstance(deployment, dict) or self._bundle.name is None:
            return False
        # A target in development mode puts `[dev someone] ` before the name.
        same_name = str(other.settings.get("name")).endswith(str(job.settings.get("name")))
        return same_name and f"/{self._bundle.name}/{self._target}/" in str(deployment.get("metadata_file_path"))

    # what is wanted

    def _resolver(self) -> Resolver:
        values: dict[str, Scalar] = {f"var.{name}": value for name, value in self._bundle.variables.items()}
        values |= {
            f"var.{name.removeprefix(_VARIABLE)}": value
            for name, value in os.environ.items()
            if name.startswith(_VARIABLE) and "${" not in value
        }
        values |= {"bundle.target": self._target, "workspace.current_user.userName": self._service.user_name}
        return Resolver(values if self._bundle.name is None else {**values, "bundle.name": self._bundle.name})

    def _work(self, job: Job, remote: RemoteJob | None, resolver: Resolver, files: LocalFiles) -> Work:
        try:
            for name in _ONLY_IN_BUNDLES:
                if name in job.settings:
                    raise NeedsCli(f"{name!r} needs the databricks CLI: leave it out, or deploy with `ljm deploy`.")
            found = files.of_job(job.settings)
            settings = resolver.resolved(found.settings, {})
            if not isinstance(settings, dict) or not isinstance(settings.get("tags", {}), dict):
                raise NeedsCli("'tags' as a whole from a reference needs the databricks CLI: write them one by one.")
        except NeedsCli as problem:
            return Work(job, {}, {}, remote, str(problem))
        return Work(job, settings, found.files, remote)


def _deployed_by_a_bundle(keys: Iterable[str]) -> Refused:
    return Refused(
        f"The databricks CLI has deployed {listing(sorted(set(keys)))} as part of a bundle, and a second deployment "
        "beside it would make each job twice. Deploy with `ljm deploy`, or destroy that bundle first. Nothing was "
        "changed in the workspace."
    )
