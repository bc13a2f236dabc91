"""Deploys jobs through the Jobs API, for where no databricks CLI can be installed, such as serverless notebooks.

Takes a compilation, and creates, resets and deletes exactly the jobs of one project and target, known by their tags.
What only the CLI can do (a target's presets, permissions, most references) it never guesses: such a job stays as it
is and is reported. A hand edit is seen as long as the metadata of its job did not change as well: only a digest of
what was sent last is kept, so that otherwise nobody can tell the two apart.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from lakeflow_job_meta.bundle_facts import read_bundle_values
from lakeflow_job_meta.compilation import Compilation
from lakeflow_job_meta.deployment.bundle_plan import Action, BundlePlan, ResourceChange
from lakeflow_job_meta.deployment.bundle_references import NeedsCli, Resolver, jobs_referred_to
from lakeflow_job_meta.deployment.interface import DeployedJob, StalePlan
from lakeflow_job_meta.deployment.job_comparison import digest_of, field_changes, with_pauses_of
from lakeflow_job_meta.deployment.jobs_service import JobsService, RemoteJob
from lakeflow_job_meta.deployment.scope import KEY_TAG, SCOPE_TAG, SENT_TAG, Scope, scope_of
from lakeflow_job_meta.deployment.uploads import LocalFiles
from lakeflow_job_meta.errors import Failed, Refused
from lakeflow_job_meta.jobs.model import Job
from lakeflow_job_meta.project import Project
from lakeflow_job_meta.values import Scalar, Value, listing, quoted
from lakeflow_job_meta.workspace import Workspace

_ONLY_IN_BUNDLES = ("permissions", "lifecycle")
"""Settings of a job in a bundle that are none of the Jobs API."""

_VARIABLE = "BUNDLE_VAR_"
_MOVED_ON = "the job was changed in the workspace while this deployment ran, and was left as it is; run again."


@dataclass(frozen=True, slots=True)
class _Work:
    """A job of the metadata, and what it takes to have it in the workspace.

    Attributes:
        settings: With the paths of uploaded files; references to jobs are still in.
        files: Contents by path in the workspace.
        remote: As the workspace had it when it was planned.
        problem: Why it stays as it is; None if it can be deployed.
    """

    job: Job
    settings: dict[str, Value]
    files: dict[str, bytes]
    remote: RemoteJob | None
    problem: str | None = None

    @property
    def needs(self) -> set[str]:
        """The keys of the jobs whose ids it holds."""
        return set(jobs_referred_to(self.settings))

    def told(self, sentence: str) -> str:
        """Returns what went wrong, at its place in the metadata."""
        return _told(str(self.job.module.origin), sentence)


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A plan, and what is needed to carry it out.

    Attributes:
        works: Each after those whose ids it needs.
        doomed: The jobs to delete, by key.
        ids: Of all of our jobs that are in the workspace, by key.
    """

    plan: BundlePlan
    works: tuple[_Work, ...]
    doomed: Mapping[str, RemoteJob]
    ids: Mapping[str, int]


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
        self._prepared: _Prepared | None = None

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
        works = _in_order([self._work(job, ours.get(job.key), resolver, files) for job in self._wanted], set(ids))
        gone = {key: job for key, job in ours.items() if key not in {wanted.key for wanted in self._wanted}}
        doomed = {key: job for key, job in gone.items() if self._may_go(key)}
        changes = [
            *(_change_of(work, self._scope, ids) for work in works),
            *(_resource(key, Action.DELETE if key in doomed else Action.SKIP) for key in gone),
        ]
        plan = BundlePlan(tuple(sorted(changes, key=lambda change: change.name)), None, None)
        self._prepared = _Prepared(plan, works, doomed, ids)
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
        return _Run(self._service, self._scope, prepared).problems_of_all()

    def jobs(self) -> tuple[DeployedJob, ...]:
        """Returns the jobs of the metadata that are in the workspace now.

        Raises:
            Failed: The workspace cannot tell.
        """
        keys = {job.key for job in self._compilation.jobs} | self._compilation.kept_jobs
        found = _by_key(self._service.all_jobs(), self._scope)
        return tuple(
            DeployedJob(
                key, str(job.job_id), str(job.settings.get("name") or key), f"{self._service.host}/jobs/{job.job_id}"
            )
            for key, job in sorted(found.items())
            if key in keys
        )

    def _prepared_for(self, plan: BundlePlan) -> _Prepared:
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
        ours = _by_key(listed, self._scope)
        found = {key: job for key, summary in ours.items() if (job := self._service.job(summary.job_id))}
        listed_ids = {each.job_id for each in ours.values()}
        for wanted in self._wanted:
            tracked = self._tracked(wanted.key, listed_ids)
            if tracked is not None and wanted.key in found:
                raise Failed(_same_tags(wanted.key, found[wanted.key], tracked))
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
        return job if _key_of(job, self._scope) == key else None

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

    def _work(self, job: Job, remote: RemoteJob | None, resolver: Resolver, files: LocalFiles) -> _Work:
        try:
            for name in _ONLY_IN_BUNDLES:
                if name in job.settings:
                    raise NeedsCli(f"{name!r} needs the databricks CLI: leave it out, or deploy with `ljm deploy`.")
            found = files.of_job(job.settings)
            settings = resolver.resolved(found.settings, {})
            if not isinstance(settings, dict) or not isinstance(settings.get("tags", {}), dict):
                raise NeedsCli("'tags' as a whole from a reference needs the databricks CLI: write them one by one.")
        except NeedsCli as problem:
            return _Work(job, {}, {}, remote, str(problem))
        return _Work(job, settings, found.files, remote)


@dataclass(slots=True)
class _Run:
    """One deployment of one plan.

    Attributes:
        ids: Of the jobs that are there, by key; grows.
        has_written: Whether anything may have been changed in the workspace.
    """

    service: JobsService
    scope: Scope
    prepared: _Prepared
    ids: dict[str, int] = field(default_factory=dict)
    uploaded: set[str] = field(default_factory=set)
    has_written: bool = False
    nonce: str = field(default_factory=lambda: uuid.uuid4().hex)

    def problems_of_all(self) -> list[str]:
        """Carries the plan out.

        Returns:
            What went wrong.
        """
        self.ids = dict(self.prepared.ids)
        plan = self.prepared.plan
        changing = {*plan.jobs(Action.CREATE, Action.UPDATE)}
        if new := plan.jobs(Action.CREATE):
            there = _by_key(self.service.all_jobs(), self.scope)
            if appeared := [key for key in new if key in there]:
                raise StalePlan(f"Somebody else has made {listing(appeared)}. Nothing was changed in the workspace.")
        problems: list[str] = []
        for work in self.prepared.works:
            if work.problem is not None:
                problems.append(work.told(work.problem))
            elif work.job.key in changing:
                problems += self._attempted(lambda work=work: self._bring(work), str(work.job.module.origin))  # type: ignore[misc]
        for key, job in sorted(self.prepared.doomed.items()):
            problems += self._attempted(lambda job=job: self._delete(job), f"resources.jobs.{key}")  # type: ignore[misc]
        return problems

    def _attempted(self, act: Callable[[], None], place: str) -> list[str]:
        try:
            act()
        except Failed as error:
            return [_told(place, str(error))]
        return []

    def _bring(self, work: _Work) -> None:
        if missing := sorted(work.needs - set(self.ids)):
            raise Failed(f"it runs {listing(missing)}, which could not be made; the next run makes both.")
        settings = _sent(work, self.scope, self.ids)
        if work.remote is not None:
            self._check_is_as_planned(self.service.job(work.remote.job_id), work.remote)
        self._upload(work)
        self.has_written = True
        if work.remote is None:
            self.ids[work.job.key] = self._create(work.job.key, settings)
        else:
            self.service.reset(work.remote.job_id, settings)

    def _create(self, key: str, settings: dict[str, Value]) -> int:
        token = hashlib.sha256("\n".join([self.scope.tag, key, self.nonce]).encode()).hexdigest()
        try:
            return self.service.create(settings, token)
        except Failed:
            # The job may be there although the answer said otherwise, or never came.
            made = _by_key(self.service.all_jobs(), self.scope).get(key)
            if made is None:
                raise
            return made.job_id

    def _upload(self, work: _Work) -> None:
        for path, content in work.files.items():
            if path not in self.uploaded:
                self.has_written = True
                self.service.upload(path, content)
                self.uploaded.add(path)

    def _delete(self, job: RemoteJob) -> None:
        now = self.service.job(job.job_id)
        if now is not None:
            self._check_is_as_planned(now, job)
            self.has_written = True
            self.service.delete(job.job_id)

    def _check_is_as_planned(self, now: RemoteJob | None, planned: RemoteJob) -> None:
        if now is not None and now.settings == planned.settings:
            return
        if not self.has_written:
            raise StalePlan(
                f"Somebody else has changed the job {planned.job_id}. Nothing was changed in the workspace."
            )
        raise Failed(_MOVED_ON)


def _told(place: str, sentence: str) -> str:
    return f"{place}: error: {sentence} [databricks]"


def _key_of(job: RemoteJob, scope: Scope) -> str | None:
    """Returns the key of a job that is ours; None for one of somebody else."""
    key = job.tags.get(KEY_TAG)
    return key if isinstance(key, str) and job.tags.get(SCOPE_TAG) == scope.tag else None


def _by_key(jobs: Iterable[RemoteJob], scope: Scope) -> dict[str, RemoteJob]:
    """Returns the jobs that are ours by key.

    Raises:
        Failed: Two have the same.
    """
    found: dict[str, RemoteJob] = {}
    for job in jobs:
        key = _key_of(job, scope)
        if key is not None and key in found and found[key].job_id != job.job_id:
            raise Failed(_same_tags(key, found[key], job))
        if key is not None:
            found[key] = job
    return found


def _same_tags(key: str, one: RemoteJob, other: RemoteJob) -> str:
    first, second = sorted((one.job_id, other.job_id))
    return (
        f"The jobs {first} and {second} both say that they are the job {quoted(key)} of this project, perhaps because "
        f"one was cloned. Delete the wrong one, or take the tag {KEY_TAG!r} from it; nothing was changed."
    )


def _deployed_by_a_bundle(keys: Iterable[str]) -> Refused:
    return Refused(
        f"The databricks CLI has deployed {listing(sorted(set(keys)))} as part of a bundle, and a second deployment "
        "beside it would make each job twice. Deploy with `ljm deploy`, or destroy that bundle first. Nothing was "
        "changed in the workspace."
    )


def _in_order(works: list[_Work], there: set[str]) -> tuple[_Work, ...]:
    """Sorts jobs so that each comes after those whose ids it needs; what can never come is given a problem.

    Args:
        works: All of them.
        there: The keys of the jobs that have an id already.
    """
    done = [work for work in works if work.problem is not None]
    waiting = [(work, work.needs) for work in works if work.problem is None]
    known = set(there)
    while ready := [work for work, needs in waiting if needs <= known]:
        done += ready
        waiting = [(work, needs) for work, needs in waiting if not needs <= known]
        known |= {work.job.key for work in ready}
    return (*done, *(_stuck(work, known) for work, _ in waiting))


def _stuck(work: _Work, known: set[str]) -> _Work:
    missing = listing(sorted(work.needs - known))
    return replace(
        work,
        problem=f"it runs {missing}, which is not in the workspace and cannot be made first: it has a problem of its "
        "own, or the jobs run each other in a circle, or only the bundle knows it.",
    )


def _sent(work: _Work, scope: Scope, ids: Mapping[str, int]) -> dict[str, Value]:
    """Returns the settings as they are sent."""
    resolved = Resolver({}).resolved(work.settings, ids)
    settings = dict(resolved) if isinstance(resolved, dict) else {}
    tags = settings.get("tags")
    own = tags if isinstance(tags, dict) else {}
    ours: dict[str, Value] = {**own, KEY_TAG: work.job.key, SCOPE_TAG: scope.tag}
    digest = digest_of({**settings, "tags": ours}, work.files)
    settings["tags"] = {**ours, SENT_TAG: digest}
    return settings if work.remote is None else with_pauses_of(work.remote.settings, settings)


def _change_of(work: _Work, scope: Scope, ids: Mapping[str, int]) -> ResourceChange:
    remote = work.remote
    if work.problem is not None:
        return ResourceChange(_name(work.job.key), Action.SKIP, (), is_gone=remote is None)
    if remote is None:
        return _resource(work.job.key, Action.CREATE)
    sent = _sent(work, scope, ids)
    tags = sent["tags"]
    is_as_sent = isinstance(tags, dict) and remote.tags.get(SENT_TAG) == tags[SENT_TAG]
    fields = field_changes(remote.settings, sent, creator=remote.creator, is_as_sent=is_as_sent)
    return ResourceChange(_name(work.job.key), Action.UPDATE if fields else Action.SKIP, fields, is_gone=False)


def _resource(key: str, action: Action) -> ResourceChange:
    return ResourceChange(_name(key), action, (), is_gone=False)


def _name(key: str) -> str:
    return f"resources.jobs.{key}"
