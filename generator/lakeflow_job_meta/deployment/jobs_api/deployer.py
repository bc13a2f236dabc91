"""Deploys jobs through the Jobs API, for where no databricks CLI can be installed, such as serverless notebooks.

Takes a compilation, and creates, resets and deletes exactly the jobs of one project and target, known by their tags.
A job that needs what only the CLI can do (folders, most references, overrides) stays as it is and is reported.
The mode and the presets of a target are applied as the CLI does it. What was sent last is kept in the workspace, a file
for each job, so that a hand edit is known as one whatever else has changed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from lakeflow_job_meta._internal.text import listing, quoted
from lakeflow_job_meta._internal.trees import Scalar, Value
from lakeflow_job_meta.checks.limits import MAX_TAGS
from lakeflow_job_meta.compiler.result import Compilation
from lakeflow_job_meta.config.bundle import VARIABLE_PREFIX
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.deployment.backend import DeployReport, StalePlan, TakeoverPlan
from lakeflow_job_meta.deployment.jobs_api import ownership_tags
from lakeflow_job_meta.deployment.jobs_api.apply import PlanExecution, PreparedPlan
from lakeflow_job_meta.deployment.jobs_api.client import JobsClient, RemoteJob, sorted_permissions, task_keys
from lakeflow_job_meta.deployment.jobs_api.lease import Lease
from lakeflow_job_meta.deployment.jobs_api.ownership_tags import OUR_TAGS, SCOPE_TAG, OwnershipScope, jobs_by_key
from lakeflow_job_meta.deployment.jobs_api.plan import (
    JobPlan,
    change_of,
    change_without_fields,
    in_order,
    kept_settings,
    last_sent,
    located_message,
    sent_settings,
)
from lakeflow_job_meta.deployment.jobs_api.resolve import LocalFiles, NeedsCli, Resolver
from lakeflow_job_meta.deployment.jobs_api.target_mode import TargetMode, is_in_workspace, target_mode
from lakeflow_job_meta.deployment.keeping import Keeping, unpaused
from lakeflow_job_meta.deployment.policy import Twin
from lakeflow_job_meta.deployment.takeovers import Begun, FoundTakeovers, Takeover, names_before, refused_takeover
from lakeflow_job_meta.errors import (
    InvalidMetadata,
    LakeflowJobMetaError,
    OperationFailed,
    PolicyRefused,
    PolicyViolation,
)
from lakeflow_job_meta.jobs.model import Job
from lakeflow_job_meta.planning.model import Action, BundlePlan
from lakeflow_job_meta.sources.open import open_table_source, table_identities
from lakeflow_job_meta.state.tracking import DeployedJob
from lakeflow_job_meta.workspace.client import Workspace

_ONLY_IN_BUNDLES = ("lifecycle",)
"""Settings of a job in a bundle that no API has."""


@dataclass(eq=False)
class JobsApiDeployer:
    """Deploys the jobs of a compilation through the Jobs API.

    Attributes:
        known: The recorded id of each job, by key; it may be incomplete or wrong.
        elsewhere: The keys that the same record has for other targets, by the ids of their jobs.
        keeping: What the workspace decides.
    """

    project: Project
    compilation: Compilation
    workspace: Workspace
    target: str
    known: Mapping[str, str]
    on_progress: Callable[[str], None] = lambda line: None
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    keeping: Keeping = field(default_factory=Keeping)

    def __post_init__(self) -> None:
        self._client = JobsClient(self.workspace)
        self._bundle = self.compilation.bundle.plain_values(self.target)
        jobs = self.compilation.jobs
        self._wanted = [job.in_target(self.target) for job in jobs if not job.targets or self.target in job.targets]
        self._prepared: PreparedPlan | None = None
        self._forgotten: dict[str, int] = {}
        self._nobodys: list[RemoteJob] = []

    @cached_property
    def _scope(self) -> OwnershipScope:
        name, readable = self._bundle.name, {snapshot.source for snapshot in self.compilation.present}
        tables = table_identities(self.project, readable, self.workspace)
        return ownership_tags.ownership_scope(self.project, self.target, name, self._table_id, tables)

    def _table_id(self) -> str:
        source, folder = self.project.table_sources[0], self.project.folder
        try:
            return open_table_source(source, folder, workspace=self.workspace).identity()
        except LakeflowJobMetaError as error:
            raise InvalidMetadata(
                "Without a bundle name the control table says which jobs are this project's, and it cannot be read: "
                f"{error} Nothing was changed in the workspace.",
                tuple(self.compilation.errors),
            ) from None

    def plan(self) -> BundlePlan:
        self._forgotten = {}
        self.on_progress("Reading the jobs of the workspace")
        return self._plan_with({})

    def take_over(self, found: FoundTakeovers) -> TakeoverPlan:
        refused: list[PolicyViolation] = []
        taken: dict[str, tuple[Takeover, RemoteJob]] = {}
        takeovers = [each for each in found.takeovers if each.key]
        remotes = self._client.jobs([int(each.job_id) for each in takeovers])
        for takeover, remote in zip(takeovers, remotes, strict=True):
            if remote is None and takeover.former:
                continue  # somebody has deleted it since: the module gets a new one
            if (reason := self._why_not(takeover, remote)) is not None:
                refused.append(refused_takeover(takeover, reason))
            elif remote is not None:
                taken[takeover.key] = takeover, remote
        self._forgotten = {each.former: int(each.job_id) for each in found.takeovers if not each.key}
        return TakeoverPlan(self._plan_with(taken), tuple(refused))

    def _why_not(self, takeover: Takeover, remote: RemoteJob | None) -> str | None:
        """Returns why a job cannot be taken over; None if it can be."""
        if remote is None:
            return f"there is no job {takeover.job_id} in the workspace, or this user may not see it"
        if remote.is_of_a_bundle:
            return (
                f"the job {takeover.job_id} is of the bundle at {remote.bundle_path!r}, which would take it back; let "
                "that forget it (`databricks bundle deployment unbind`), and choose 'Disconnect from source' on its "
                "page"
            )
        tag = remote.tags.get(SCOPE_TAG)
        is_ours = takeover.is_recorded or takeover.former or tag in (None, self._scope.tag)
        if not (is_ours or self._scope.may_be(str(tag))):
            return f"the job {takeover.job_id} has the tag {SCOPE_TAG}={tag} of another project, which deploys it"
        return None

    def begun_takeovers(self) -> Begun:
        return {}

    def note_begun(self) -> None:
        """Notes nothing: one request gives a job its new name and tags."""

    def rebind(self) -> bool:
        """Takes our tags from jobs that are forgotten; the others get theirs with their settings."""
        if not self._forgotten:
            return False
        lease = Lease(self._client, f"{self._folder}/lease")
        lease.take()
        try:
            for key, job in zip(self._forgotten, self._client.jobs([*self._forgotten.values()]), strict=True):
                if job is not None:
                    tags: dict[str, Value] = {name: tag for name, tag in job.tags.items() if name not in OUR_TAGS}
                    self._client.reset(job.job_id, {**job.settings, "tags": tags})
                self._client.delete_file(f"{self._folder}/sent/{key}.json")
        finally:
            lease.end()
        return True

    def _plan_with(self, taken: Mapping[str, tuple[Takeover, RemoteJob]]) -> BundlePlan:
        ours, reasons = self._our_jobs()
        for key, (takeover, remote) in taken.items():
            ours.pop(takeover.former, None)
            ours[key] = remote
            reasons.pop(key, None)
        ids = {key: job.job_id for key, job in ours.items()}
        plans = [self._plan_of(job, ours.get(job.key), reasons.get(job.key)) for job in self._wanted]
        recorded = {name.removesuffix(".json") for name in self._client.files_in(f"{self._folder}/sent")}
        jobs = self._with_bases(
            in_order(plans, set(ids)), recorded, ids, {key: each for key, (each, _) in taken.items()}
        )
        wanted = {job.key for job in self._wanted}
        gone = {key: job for key, job in ours.items() if key not in wanted}
        # Nothing is deleted while any metadata is missing or unreadable.
        is_whole, kept = not (self.compilation.missing or self.compilation.kept_labels), self.compilation.kept_jobs
        renamed = {key for key, new in self.compilation.jobs.renamed.items() if new not in ours}
        deletions = {
            key: job
            for key, job in gone.items()
            if ((is_whole and key not in kept) or key in renamed) and key not in self._forgotten
        }
        changes = [
            *(change_of(job, self._scope, ids) for job in jobs),
            *(change_without_fields(key, Action.DELETE if key in deletions else Action.SKIP) for key in gone),
        ]
        words = {key: takeover.words for key, (takeover, _) in taken.items()}
        words |= dict.fromkeys(self._forgotten, "forgotten; stays in the workspace")
        changes = [
            replace(each, job_id=str(ids.get(str(each.job_key), "")), takes_over=words.get(str(each.job_key), ""))
            for each in changes
        ]
        keeping = [job for job in jobs if job.problem is None and (job.kept or job.is_paused_first)]
        found = {job.job.key: kept_settings(job, sent_settings(job, self._scope, ids)) for job in keeping}
        created = {job.job.key for job in keeping if job.remote is None}
        plan = BundlePlan(
            tuple(sorted(changes, key=lambda change: change.name)),
            None,
            None,
            kept=tuple(each for key in sorted({*found} - created) for each in found[key]),
            first_paused=tuple(sorted(key for key in created if found[key])),
        )
        unrecorded = tuple(
            job for job in jobs if job.job.key not in recorded and job.base is not None and job.job.key not in taken
        )
        former = {key: takeover.former for key, (takeover, _) in taken.items() if takeover.former in recorded}
        self._prepared = PreparedPlan(plan, jobs, deletions, ids, f"{self._folder}/sent", unrecorded, former)
        return plan

    @property
    def _folder(self) -> str:
        """The folder of the scope in the workspace, with the files of the project."""
        folder = ownership_tags.folder_of(self._scope.tag)
        return f"/Workspace/Users/{self._client.user_name}/.lakeflow-job-meta/{folder}"

    def _with_bases(
        self,
        jobs: tuple[JobPlan, ...],
        recorded: Collection[str],
        ids: Mapping[str, int],
        taken: Mapping[str, Takeover],
    ) -> tuple[JobPlan, ...]:
        """Returns the jobs with what was sent last; what the workspace keeps of that is read where it is needed.

        A job that nobody has deployed has been sent as it is.
        """
        kept_as = {job.job.key: taken[job.job.key].former if job.job.key in taken else job.job.key for job in jobs}
        compared = [job for job in jobs if job.remote is not None and job.problem is None]
        files = f"{self._folder}/files"
        found = {job.job.key: last_sent(job, self._scope, ids, files) for job in compared}
        unknown = [job for key, job in found.items() if job.base is None and kept_as[key] in recorded]
        records = self._client.records([f"{self._folder}/sent/{kept_as[job.job.key]}.json" for job in unknown])
        for job, record in zip(unknown, records, strict=True):
            found[job.job.key] = last_sent(job, self._scope, ids, files, record.get("sent"))
        for key, takeover in taken.items():
            job_plan = found.get(key)
            if job_plan is not None and job_plan.remote is not None and not takeover.former:
                found[key] = replace(job_plan, base=job_plan.remote.settings)
        return tuple(found.get(job.job.key, job) for job in jobs)

    def tasks_of(self, job: Job) -> list[dict[str, Value]]:
        """Returns the tasks of a job as they would be sent; changes nothing.

        Raises OperationFailed if only the databricks CLI can deploy it.
        """
        planned = self._plan_of(job, None, None)
        if planned.problem is not None:
            raise OperationFailed(located_message(planned.location, planned.problem))
        ids = {key: ours.job_id for key, ours in self._our_jobs()[0].items()} if planned.needs else {}
        tasks = Resolver({}).resolved(planned.settings.get("tasks"), ids)
        return [task for task in tasks if isinstance(task, dict)] if isinstance(tasks, list) else []

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
        unrecorded = self._prepared is not None and self._prepared.unrecorded
        return plan.changes_nothing() and not (unrecorded or self._forgotten) and not any(job.problem for job in jobs)

    def twins(
        self, plan: BundlePlan, recorded: Sequence[DeployedJob], deployed: Sequence[DeployedJob] = ()
    ) -> list[Twin]:
        """Returns the jobs that are there, though nothing in the workspace says that they are ours (any more).

        They are recorded, or of nobody and alike. Those that say so were found by planning, which refuses where one is
        not ours alone.
        """
        ours = {str(job_id) for job_id in self._prepared.ids.values()} if self._prepared is not None else ()
        created = {*plan.jobs(Action.CREATE)}
        lost = [job for job in recorded if job.key in created and job.job_id not in ours]
        doubtful = [job for job in lost if _is_number(job.job_id)]
        there = self._client.jobs([int(job.job_id) for job in doubtful])
        alike = [] if deployed else [*self._alike(created.difference(job.key for job in doubtful))]
        return alike + [
            Twin(job.key, job.job_id, str(remote.settings.get("name") or ""), "which is recorded for this module")
            for job, remote in zip(doubtful, there, strict=True)
            if remote is not None
        ]

    def _alike(self, created: Collection[str]) -> Iterator[Twin]:
        """Yields the jobs of nobody that have the name, or an earlier one, and a task of one to be created."""
        plans = [plan for plan in self._prepared.jobs if plan.job.key in created] if self._prepared is not None else []
        names = {plan.job.key: plan.settings.get("name") for plan in plans}
        sources = self.compilation.jobs.sources
        by_name = {name: plan for plan in plans for name in names_before(sources[plan.job.key], names[plan.job.key])}
        by_name |= {str(names[plan.job.key]): plan for plan in plans}
        found = [job for job in self._nobodys if str(job.settings.get("name")) in by_name]
        for job in self._client.jobs([job.job_id for job in found]):
            plan = by_name.get(str(job.settings.get("name"))) if job is not None else None
            if job is not None and plan is not None and task_keys(job.settings) & task_keys(plan.settings):
                yield Twin.of_nobody(plan.job.key, job.job_id, str(job.settings.get("name")))

    def living(self, jobs: Sequence[DeployedJob]) -> list[DeployedJob]:
        found = self._client.jobs([int(job.job_id) for job in jobs])
        return [job for job, remote in zip(jobs, found, strict=True) if remote is not None]

    def deploy(self, plan: BundlePlan) -> DeployReport:
        if self._prepared is None or self._prepared.plan != plan:
            raise StalePlan("This is not the newest plan. Plan again; nothing was changed in the workspace.")
        self.on_progress("Deploying")
        lease = Lease(self._client, f"{self._folder}/lease")
        execution = PlanExecution(self._client, self._scope, self._prepared, lease, self.on_progress)
        lease.take()
        try:
            problems = execution.run()
        finally:
            left_behind = lease.end()
        self.known = {**self.known, **{key: str(job_id) for key, job_id in execution.ids.items()}}
        return DeployReport((*problems, *left_behind), frozenset(plan.written_jobs()) - execution.written)

    def start(self, job: DeployedJob) -> None:
        self._client.start(int(job.job_id))

    def unpause(self, job: DeployedJob) -> tuple[str, ...]:
        found = self._client.job(int(job.job_id))
        starts = unpaused(found.settings) if found is not None else {}
        if starts:
            self._client.update(int(job.job_id), starts)
        return tuple(starts)

    def jobs(self) -> tuple[DeployedJob, ...]:
        keys = {*self.compilation.jobs.names, *self.compilation.kept_jobs}
        found = jobs_by_key(self._seen(), self._scope, self.known)
        ours, host = ((key, job) for key, job in sorted(found.items()) if key in keys), self._client.host
        return tuple(
            DeployedJob(key, str(job.job_id), str(job.settings.get("name") or key), f"{host}/jobs/{job.job_id}")
            for key, job in ours
        )

    def _seen(self) -> list[RemoteJob]:
        """Returns the jobs that the workspace lists, and recorded ones that it has and does not list."""
        listed = list(self._client.all_jobs())
        ids = {str(job.job_id) for job in listed}
        unlisted = [int(text) for text in self.known.values() if _is_number(text) and text not in ids]
        return [*listed, *(job for job in self._client.jobs(unlisted) if job is not None)]

    def _our_jobs(self) -> tuple[dict[str, RemoteJob], dict[str, str]]:
        """Finds all of our jobs, with all of their settings.

        Returns:
            Those that are ours, by key; and why a job of the metadata must stay as it is, by key: one that the record
            names, or that has our key, may be ours and may be somebody else's.
        """
        seen = self._seen()
        tagged = jobs_by_key(seen, self._scope, self.known)
        complete = self._client.jobs([job.job_id for job in tagged.values()])
        found = {key: job for key, job in zip(tagged, complete, strict=True) if job is not None}
        names = {job.key: self._names(job) for job in self._wanted if job.key not in found}
        recorded = {job_id: key for key, job_id in self.known.items()}
        bundled = {**self._twins_in_our_bundle(seen), **{key: job for key, job in found.items() if job.is_of_a_bundle}}
        free = [job for job in seen if not job.is_of_a_bundle and SCOPE_TAG not in job.tags]
        named = recorded.keys() | self.elsewhere.keys()
        self._nobodys = [job for job in free if str(job.job_id) not in named]
        reasons: dict[str, str] = {}
        for job in seen:
            doubtful = ownership_tags.doubtful_key_of(job, self._scope, self.known)
            key = doubtful or recorded.get(str(job.job_id), "")
            if (other := ownership_tags.key_of_other_target(job, self._scope, self.elsewhere)) in names:
                reasons[str(other)] = ownership_tags.of_other_target(job, self._scope)
            elif (bundles := self._key_in_a_bundle(job, key)) in names:
                bundled[bundles] = job
            elif key in names and (doubtful or (SCOPE_TAG not in job.tags and job.settings.get("name") in names[key])):
                reasons[key] = ownership_tags.not_surely_ours(key, job, self._scope)
        if bundled:
            raise _deployed_by_a_bundle(bundled)
        others = {key: job for key, job in found.items() if not self._is_mine(job)}
        reasons |= {key: ownership_tags.of_other_developer(job, self.target) for key, job in others.items()}
        return {key: job for key, job in found.items() if key not in others}, reasons

    def _names(self, job: Job) -> tuple[Value, ...]:
        """Returns the names that a job may have in the workspace: with the prefix of the target, and as older ones."""
        name = job.settings.get("name")
        return (f"{self._mode.name_prefix}{name}", name)

    def _is_mine(self, job: RemoteJob) -> bool:
        """Whether whoever deploys may have created a job; in development mode each developer has jobs of their own."""
        return not self._mode.is_development or job.creator in ("", self._client.user_name)

    def _key_in_a_bundle(self, job: RemoteJob, key: str) -> str:
        """Returns the key of a job that a bundle has deployed for a module of ours; empty for another job.

        Outside of a bundle a target is a label, so that it may be recorded for another one.
        """
        if not job.is_of_a_bundle:
            return ""
        return key or (self.elsewhere.get(str(job.job_id), "") if self._scope.is_of_table else "")

    def _twins_in_our_bundle(self, listed: list[RemoteJob]) -> dict[str, RemoteJob]:
        """Returns the jobs that the bundle of this project has deployed; the CLI writes its path into them."""
        if self._bundle.name is None:
            return {}
        ending = f"/{self._bundle.name}/{self.target}/"
        jobs = [job for job in listed if job.is_of_a_bundle and ending in job.bundle_path and self._is_mine(job)]
        # A target may have put `[dev someone] ` before the name that is in development mode no more.
        names = [str(job.settings.get("name")) for job in jobs]
        plain = (name.split("] ", 1)[-1] if name.startswith("[dev ") else name for name in names)
        by_name: dict[Value, RemoteJob] = {**dict(zip(plain, jobs, strict=True)), **dict(zip(names, jobs, strict=True))}
        wanted = ((each.key, next(filter(None, map(by_name.get, self._names(each))), None)) for each in self._wanted)
        return {key: job for key, job in wanted if job is not None}

    @cached_property
    def _mode(self) -> TargetMode:
        runs_as = {job.key: job.settings.get("run_as") is not None for job in self._wanted}
        declared, login = self.compilation.bundle, self._client.login
        is_there = is_in_workspace(self.project.folder, os.environ)
        return target_mode(declared, self.target, login, self._resolver, runs_as, os.environ, is_there)

    @cached_property
    def _files(self) -> LocalFiles:
        mode = self._mode
        linked, wheels = mode.is_linked, mode.has_new_wheels
        return LocalFiles(
            self.project, self.compilation, f"{self._folder}/files", is_linked=linked, has_new_wheels=wheels
        )

    @cached_property
    def _resolver(self) -> Resolver:
        login = self._client.login
        values: dict[str, Scalar] = {f"var.{name}": value for name, value in self._bundle.variables.items()}
        values |= {
            f"var.{name.removeprefix(VARIABLE_PREFIX)}": value
            for name, value in os.environ.items()
            if name.startswith(VARIABLE_PREFIX) and "${" not in value
        }
        user = {"userName": login.name, "short_name": login.short_name}
        user["domain_friendly_name"] = login.domain_friendly_name
        values |= {f"workspace.current_user.{name}": value for name, value in user.items()}
        values["bundle.target"] = self.target
        return Resolver(values if self._bundle.name is None else {**values, "bundle.name": self._bundle.name})

    def _plan_of(self, job: Job, remote: RemoteJob | None, reason: str | None) -> JobPlan:
        try:
            if reason is not None:
                raise NeedsCli(reason)
            for name in _ONLY_IN_BUNDLES:
                if name in job.settings:
                    raise NeedsCli(f"{name!r} needs the databricks CLI: leave it out, or deploy with `ljm deploy`.")
            local, contents = self._files.of_job(job.settings)
            resolved = self._resolver.resolved(local, {})
            settings = self._mode.applied(job.key, resolved if isinstance(resolved, dict) else {})
            _refuse_too_many(settings.get("tags"), self._mode.tags)
            self._compare_permissions(settings, remote)
        except NeedsCli as problem:
            return JobPlan(job, {}, {}, remote, str(problem))
        keep, pauses = self.keeping.settings(job.key), self.keeping.pauses(job.key)
        return JobPlan(job, settings, contents, remote, keep=keep, is_paused_first=pauses)

    def _compare_permissions(self, settings: dict[str, Value], remote: RemoteJob | None) -> None:
        """Puts wanted permissions in order, and beside them those that the job has."""
        if (wanted := settings.get("permissions")) is None:
            return
        if not isinstance(wanted, list):
            raise NeedsCli("'permissions' as a whole from a reference needs the databricks CLI: write them one by one.")
        settings["permissions"] = sorted_permissions(wanted)
        if remote is not None:
            remote.settings["permissions"] = self._client.permissions(remote.job_id, wanted)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _refuse_too_many(tags: Value, of_target: Collection[str]) -> None:
    if not isinstance(tags, dict) or len({*tags, *OUR_TAGS}) <= MAX_TAGS:
        return
    added = sum(tag in of_target for tag in tags)
    named = f", {added} of them from the target" if added else ""
    raise NeedsCli(
        f"'tags' has {len(tags)} tags{named}, and a job that is deployed through the Jobs API has {len(OUR_TAGS)} of "
        f"ours; Databricks allows {MAX_TAGS}. Leave some out, or deploy with `ljm deploy`."
    )


def _deployed_by_a_bundle(jobs: Mapping[str, RemoteJob]) -> PolicyRefused:
    shown = [f"{quoted(key)} (job {job.job_id})" for key, job in sorted(jobs.items())]
    return PolicyRefused(
        f"The databricks CLI has deployed {listing(shown)} as part of a bundle, and a second deployment "
        "beside it would create each job twice. Deploy with `ljm deploy`, or destroy that bundle first. Nothing was "
        "changed in the workspace."
    )
