"""Deploys the generated files of a project with the databricks CLI: plan, and deploy that plan.

What is deployed is the plan in the file that passed the gate. Nothing is retried here. `bundle plan` compares jobs, not
the notebooks and SQL files that a deployment uploads. So that nothing is uploaded when nothing changed, and everything
when something did, the contents of the project's files are noted beside the bundle's state, as one digest.

Each of these two calls takes seconds, for the CLI reads the whole bundle for it. So there is no third one where it can
be spared: the plan warns as `bundle validate` does, and which job has which id is in the plan and the bundle's state.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from lakeflow_job_meta._internal.fs import files_below, pieces_of, write_atomically
from lakeflow_job_meta._internal.secrets import without_login
from lakeflow_job_meta._internal.trees import Value, texts_in, value_at
from lakeflow_job_meta.compiler.result import Compilation
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.deployment.backend import DeployReport, JobsRejected, StalePlan, TakeoverPlan
from lakeflow_job_meta.deployment.databricks_cli.bundle_state import DeploymentNote, PlannedJobs, pages_like
from lakeflow_job_meta.deployment.databricks_cli.client import CliFailure, CliResult, DatabricksCli, explain
from lakeflow_job_meta.deployment.databricks_cli.keep import KeptPlan, keep_in_plan, parsed_record, path_beside_state
from lakeflow_job_meta.deployment.databricks_cli.last_deployment import LastDeployment
from lakeflow_job_meta.deployment.databricks_cli.output import (
    CliDiagnostic,
    Trouble,
    diagnostics_in,
    forgotten_jobs,
    lock_holder_in,
)
from lakeflow_job_meta.deployment.databricks_cli.own_lock import OwnLock
from lakeflow_job_meta.deployment.databricks_cli.source_map import SourceMap
from lakeflow_job_meta.deployment.databricks_cli.takeovers import (
    FormerKeys,
    adopted_change,
    renamed_changes,
    settings_digest,
    settled,
)
from lakeflow_job_meta.deployment.databricks_cli.twins import (
    CreatedJob,
    created_jobs,
    entries_of,
    find_twins,
    owned_ids,
    remote_job_in,
    remote_jobs,
)
from lakeflow_job_meta.deployment.jobs_api.client import RemoteJob
from lakeflow_job_meta.deployment.jobs_api.ownership_tags import ownership_scope
from lakeflow_job_meta.deployment.keeping import Keeping, unpaused
from lakeflow_job_meta.deployment.policy import Twin
from lakeflow_job_meta.deployment.takeovers import (
    Begun,
    BegunTakeover,
    FoundTakeovers,
    Takeover,
    begun_in,
    begun_text,
    names_before,
    refused_takeover,
)
from lakeflow_job_meta.errors import OperationFailed, PolicyViolation
from lakeflow_job_meta.layout.generated_file import GeneratedFile
from lakeflow_job_meta.planning.model import (
    WRITTEN_OVER,
    Action,
    BundlePlan,
    ResourceChange,
    belongs_to,
    job_key_in,
    job_names,
    parse_plan,
)
from lakeflow_job_meta.planning.setting_paths import leads_into, steps_of
from lakeflow_job_meta.state.folder import write_private
from lakeflow_job_meta.state.tracking import DeployedJob

_PLAN = "plan.json"
_RENAMES = "lakeflow_job_meta_renames.json"
_VALIDATE_SECONDS = 600
_FEW_NAMES = 5
"""So many jobs are looked for one by one, each with a process of the CLI; of more all of the workspace are listed."""


def fingerprint(folder: Path) -> str:
    """Returns a digest of the names and contents of all files below a folder, hidden ones and Delta tables left out."""
    digest = hashlib.sha256()
    try:
        for label, path in sorted(files_below(folder)):
            # A digest for each: joined contents could be cut into files in another way.
            name = label.encode("utf-8", "surrogateescape")
            digest.update(hashlib.sha256(name).digest() + _digest(path))
    except OSError as error:
        raise OperationFailed(f"{error.filename!r} cannot be read: {error.strerror}.") from error
    return digest.hexdigest()


def _digest(path: str) -> bytes:
    digest = hashlib.sha256()
    for piece in pieces_of(path):
        digest.update(piece)
    return digest.digest()


def jobs_in_summary(text: str) -> list[DeployedJob]:
    """Returns the jobs that `bundle summary -o json` lists as deployed, by key.

    Raises:
        OperationFailed: It has another form: what is not understood is not taken for jobs that are gone.
    """
    try:
        return [
            DeployedJob(key, str(int(str(job["id"]))), str(job.get("name") or key), without_login(job.get("url") or ""))
            for key, job in sorted(((json.loads(text).get("resources") or {}).get("jobs") or {}).items())
            if job.get("id") and job.get("modified_status") != "deleted"
        ]
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        raise OperationFailed(
            "The output of `databricks bundle summary` is not understood; run again to record the jobs."
        ) from None


def plan_with_kept(cli: DatabricksCli, keeping: Keeping) -> tuple[KeptPlan, CliResult]:
    """Plans, and keeps in the plan what the workspace decides; returns what the CLI said, too.

    Raises CliFailure as the CLI fails.
    """
    result = cli.bundle("plan", "-o", "json")
    parse_plan(result.stdout)  # what is not understood is refused by it
    kept = keep_in_plan(result.stdout, keeping, lambda path: parsed_record(cli.read_file(path) or ""))
    return kept, result


@dataclass(eq=False, slots=True)
class CliDeployer:
    """Deploys the written files of a project with the databricks CLI.

    Attributes:
        cli: In the project's folder, for one target; it holds the deployment lock.
        compilation: For the locations of what goes wrong.
        folder: For plans and records.
        digest: Returns a digest of all that is deployed; by default of the project's files.
        tables: Returns the identities of the control tables that are read.
        keeping: What the workspace decides.
        bundle: The name of the bundle among many; empty in a project of one.
    """

    cli: DatabricksCli
    project: Project
    compilation: Compilation
    folder: Path
    force_lock: bool = False
    digest: Callable[[], str] | None = None
    tables: Callable[[], frozenset[str]] = frozenset
    keeping: Keeping = field(default_factory=Keeping)
    bundle: str = ""
    _planned_files: str | None = field(default=None, init=False)
    _planned: KeptPlan = field(default_factory=lambda: KeptPlan("{}"), init=False)
    _left_out: frozenset[str] = field(default=frozenset(), init=False)
    _warnings: tuple[str, ...] = field(default=(), init=False)
    _found: FoundTakeovers = field(default_factory=FoundTakeovers, init=False)
    _anticipated: tuple[ResourceChange, ...] = field(default=(), init=False)
    _is_carried_out: bool = field(default=False, init=False)
    _note: DeploymentNote | None = field(default=None, init=False)
    _jobs: tuple[DeployedJob, ...] | OperationFailed | None = field(default=None, init=False)
    _seen: dict[str, RemoteJob | None] = field(default_factory=dict, init=False)

    def plan(self) -> BundlePlan:
        if self._planned_files is None and self.project.strict:
            self._validate()
        self._planned_files = self.digest() if self.digest is not None else fingerprint(self.project.folder)
        self._left_out, self._found, self._anticipated = frozenset(), FoundTakeovers(), ()
        return self._fresh_plan()

    def _validate(self) -> None:
        """Has the CLI look for what only `validate` warns of, and what nothing but `deploy.strict` makes an error.

        That are patterns of `sync` without a file, nothing to upload, and permissions of folders:
        bundle/config/validate/validate.go, and fast_validate.go for what `plan` looks for.
        """
        self.cli.on_line("Validating the bundle")
        # An address where nobody answers is tried in silence for as long as it is let.
        result = self._bundle("validate", limit_seconds=min(self.cli.limit_seconds, _VALIDATE_SECONDS))
        self._harmless_warnings(result)

    def _fresh_plan(self) -> BundlePlan:
        self.cli.on_line("Planning")
        self._is_carried_out, self._note, self._jobs = False, None, None
        try:
            self._planned, result = plan_with_kept(self.cli, self.keeping)
        except CliFailure as failure:
            raise self._failed(failure) from None
        self._warnings = self._harmless_warnings(result)
        return self._newest_plan()

    def _newest_plan(self) -> BundlePlan:
        return replace(self._whole_plan().leaving_out(self._left_out), warnings=self._warnings)

    def _whole_plan(self) -> BundlePlan:
        read = settled(parse_plan(self._planned.text), self._found.fresh)
        return self._planned.with_kept(read).with_changes(self._anticipated)

    def leave_out(self, names: Collection[str]) -> BundlePlan:
        self._left_out |= frozenset(names)
        return self._newest_plan()

    def take_over(self, found: FoundTakeovers) -> TakeoverPlan:
        renamed = [each for each in found.takeovers if each.is_rename and each.is_held]
        others = [each for each in found.takeovers if each.key and each not in renamed]
        changes = [*renamed_changes(renamed, self._plan_of_former_keys(renamed))] if renamed else []
        done: list[Takeover] = [*renamed]
        refused: list[PolicyViolation] = []
        for takeover in others:
            remote = self._seen[takeover.job_id] = self._remote(takeover.job_id)
            if remote is None and takeover.former:
                continue  # somebody has deleted it since: the module gets a new one
            if (reason := self._why_not(takeover, remote)) is not None:
                refused.append(refused_takeover(takeover, reason))
            elif remote is not None:
                (job,) = created_jobs(entries_of(self._planned.text), [takeover.key])
                changes.append(adopted_change(takeover, remote, job.settings))
                done.append(takeover)
        done += [each for each in found.takeovers if not each.key]
        changes += [each.change() for each in done if not each.key]
        skipped = (f"resources.jobs.{each.former}" for each in done if each.is_held and each.key)
        changes += [ResourceChange(name, Action.SKIP, (), is_gone=False) for name in skipped]
        self._found, self._anticipated = replace(found, takeovers=tuple(done)), tuple(map(self._without_kept, changes))
        return TakeoverPlan(self._newest_plan(), tuple(refused))

    def _without_kept(self, change: ResourceChange) -> ResourceChange:
        """Returns a change without what the workspace decides: once the job has its place, that stays in the plan."""
        kept = self.keeping.settings(change.job_key) if change.job_key is not None else ()
        fields = tuple(
            each for each in change.fields if not any(leads_into(steps_of(each.path), path) for path in kept)
        )
        is_left = fields or change.action not in WRITTEN_OVER
        return replace(change, fields=fields, action=change.action if is_left else Action.SKIP)

    def _places_of(self, takeovers: Sequence[Takeover]) -> frozenset[str]:
        return frozenset(job_names(key for each in takeovers for key in (each.key, each.former) if key))

    def _plan_of_former_keys(self, renamed: list[Takeover]) -> BundlePlan:
        self.cli.on_line("Planning with the names of before")
        with FormerKeys(self.project, self.compilation, self.bundle).written(renamed):
            return parse_plan(self._bundle("plan", "-o", "json").stdout)

    def _remote(self, job_id: str) -> RemoteJob | None:
        try:
            text = self.cli.job(job_id)
        except CliFailure as failure:
            raise self._failed(failure) from None
        return None if text is None else remote_job_in(text)

    def _why_not(self, takeover: Takeover, remote: RemoteJob | None) -> str | None:
        """Returns why a job cannot be taken over; None if it can be."""
        if remote is None:
            return f"there is no job {takeover.job_id} in the workspace, or this user may not see it"
        (job,) = created_jobs(entries_of(self._planned.text), [takeover.key])
        is_ours = takeover.former or takeover.is_recorded or remote.bundle_path == job.bundle_path
        if remote.is_of_a_bundle and not is_ours:
            return (
                f"the job {takeover.job_id} is of the bundle at {remote.bundle_path!r}, which would take it back; let "
                "that forget it (`databricks bundle deployment unbind`), and choose 'Disconnect from source' on its "
                "page"
            )
        return None

    def begun_takeovers(self) -> Begun:
        path = self._renames_path
        try:
            begun = begun_in(self.cli.read_file(path) or "") if path else {}
        except CliFailure as failure:
            raise self._failed(failure) from None
        owned = {str(job_id) for job_id in owned_ids(entries_of(self._planned.text))} if begun else set()
        # What has changed in a job since the bundle has it is somebody's edit, or was deployed.
        return {
            key: each
            for key, each in begun.items()
            if each.job_id not in owned or each.was == settings_digest(self._remote(each.job_id))
        }

    @property
    def _renames_path(self) -> str:
        return path_beside_state(entries_of(self._planned.text), _RENAMES)

    def rebind(self) -> bool:
        pending = self._pending()
        self.forget_former_keys()
        self.bind_new_keys()
        return bool(pending)

    def note_begun(self) -> None:
        """Notes beside the bundle's state which jobs get another key, and what they are: for a while no state knows.

        So a checkout that has neither our state folder nor a record of jobs can go on.
        """
        pending = [each for each in self._pending() if each.key]
        if not pending:
            return
        seen = {each.job_id: self._seen.get(each.job_id) or self._remote(each.job_id) for each in pending}
        begun = {
            each.key: BegunTakeover(each.former, each.job_id, settings_digest(seen[each.job_id])) for each in pending
        }
        try:
            self.cli.write_file(self._renames_path, begun_text({**self.begun_takeovers(), **begun}).encode("ascii"))
        except CliFailure as failure:
            raise self._failed(failure) from None

    def _forget_begun(self) -> Iterator[str]:
        """Empties the note of takeovers that are deployed; yields why it could not be."""
        if self.compilation.jobs.sources.keys().isdisjoint(self._found.fresh) or not self._renames_path:
            return
        try:
            self.cli.write_file(self._renames_path, b"{}")
        except CliFailure as failure:
            yield f"{self._renames_path} names jobs that were taken over, and could not be emptied: {explain(failure)}"

    def forget_former_keys(self) -> None:
        """Has the bundle forget the jobs that get another place or none; they stay in the workspace."""
        held = [each for each in self._pending() if each.is_held]
        if held:
            with FormerKeys(self.project, self.compilation, self.bundle).written(held):
                for each in held:
                    self.cli.on_line(f"The bundle forgets {each.former}")
                    self._bundle("deployment unbind", each.former, *self._force)

    def bind_new_keys(self) -> None:
        """Gives the bundle the jobs that modules of it take over."""
        for each in self._pending():
            if each.key:
                self.cli.on_line(f"Binding {each.key} to the job {each.job_id}")
                self._bundle("deployment bind", each.key, each.job_id, "--auto-approve", *self._force)

    @property
    def _force(self) -> Sequence[str]:
        return ["--force-lock"] if self.force_lock else []

    def _pending(self) -> list[Takeover]:
        return [each for each in self._found.takeovers if not self._left_out & self._places_of([each])]

    def is_deployed(self, plan: BundlePlan) -> bool:
        if self._pending() or not plan.changes_nothing():
            return False
        noted = self._last.note(entries_of(self._planned.text))
        if noted.lineage == plan.lineage:
            self._note = noted
        return noted.is_of(plan.lineage, plan.serial) and noted.files == self._planned_files

    def deploy(self, plan: BundlePlan) -> DeployReport:
        self.cli.on_line("Deploying")
        self._restore_held_files()
        # The CLI cannot tell that a plan of a first deployment is stale, and would create every job twice.
        if plan.lineage is None and self._fresh_plan() != plan:
            raise StalePlan
        notices: list[str] = []
        try:
            # First: a new job that is to stay paused must not look like one that the metadata has paused.
            if not self._planned.is_recorded and plan.written_jobs():
                record = json.dumps(self._planned.record)
                self.cli.write_file(self._planned.record_path, record.encode("ascii"))
            self._last.begin(self._any_note(plan), plan.lineage, entries_of(self._planned.text))
            result = self._carried_out(notices)
        except CliFailure as failure:
            if failure.trouble is Trouble.STALE_PLAN:
                raise StalePlan from None
            return DeployReport(tuple(self._located(failure)), self._undone(plan, failure), tuple(notices))
        self._is_carried_out = True
        notices += self._forget_begun()
        forgotten = forgotten_jobs(result.stderr)
        if not forgotten:
            notices += self._note_deployment(plan)
        problems = (
            f"{name}: error: the job could not be deleted for want of permission, and the bundle has forgotten it; "
            "delete it by hand [databricks]"
            for name in forgotten
        )
        undone = (job_key_in(name if name.startswith("resources.") else f"resources.{name}") for name in forgotten)
        return DeployReport(tuple(problems), frozenset(key for key in undone if key is not None), tuple(notices))

    def _restore_held_files(self) -> None:
        """Writes the files of jobs that wait for approval as the workspace has them: what is here is all uploaded."""
        entries, output = entries_of(self._planned.text), self.project.output
        for name in job_names(sorted(self.compilation.held)):
            remote = cast(Value, value_at(entries.get(name), ("remote_state",))[1])
            for _, text in texts_in(remote):
                inside = text.rpartition(f"/{output}/")[2]
                file = GeneratedFile.at(inside) if text.startswith("/") and inside != text else None
                if file is None or file.job_key not in self.compilation.held:
                    continue
                try:
                    content = self.cli.read_file(text)
                except CliFailure as failure:
                    raise self._failed(failure) from None
                path = self.cli.folder / output / inside
                if content is not None and (not path.is_file() or path.read_bytes() != content.encode()):
                    path.parent.mkdir(parents=True, exist_ok=True)
                    write_atomically(path, content.encode())

    @property
    def _last(self) -> LastDeployment:
        return LastDeployment(self.cli, self.cli.target or self.compilation.bundle.default_target, self.folder)

    def _any_note(self, plan: BundlePlan) -> DeploymentNote:
        if self._note is None:
            self._note = self._last.any_note(plan.lineage, entries_of(self._planned.text))
        return self._note

    def _note_deployment(self, plan: BundlePlan) -> Iterator[str]:
        """Notes what was deployed; yields why it could not be noted."""
        try:
            jobs = self.jobs()
        except OperationFailed as error:
            self._jobs = error  # for who asks for the jobs; without a note the next deployment does all of it again
            return
        # Where the new state is not known, the note is of the one before: if that is wrong, it counts for nothing.
        state, serial = self._last.state(), -1 if plan.serial is None else plan.serial
        of = (state.lineage, state.serial) if state is not None else (plan.lineage or "", serial)
        is_whole = plan.resources == self._whole_plan().resources
        note = DeploymentNote(self._planned_files or "", is_whole, *of, jobs)
        try:
            self._last.end(note, entries_of(self._planned.text))
        except CliFailure as failure:
            yield f"What is deployed could not be noted, so the next deployment does all again: {explain(failure)}"

    def _carried_out(self, notices: list[str]) -> CliResult:
        """Has the CLI carry out the plan; takes over, once, a lock that a deployment from here has left behind."""
        plan_file, lock = self._written_plan(), OwnLock(self.folder)
        cli = replace(self.cli, on_line=lock.noting(self.cli.on_line))
        arguments = ["--plan", str(plan_file), *(["--force-lock"] if self.force_lock else [])]
        try:
            try:
                result = cli.bundle("deploy", *arguments)
            except CliFailure as failure:
                holder = lock_holder_in(failure.result.stderr) if failure.trouble is Trouble.LOCKED else None
                if holder is None or not lock.is_held_by(holder, self._user_name):
                    raise
                lock.forget()
                notices.append(
                    f"The deployment lock of {holder.moment:%Y-%m-%d %H:%M:%S} UTC was left in the workspace by a "
                    "deployment from here that was ended in the middle; it was taken over."
                )
                cli.on_line(notices[-1])
                result = cli.bundle("deploy", *arguments, "--force-lock")
            lock.forget()
        finally:
            # It has secrets in it, so it goes; should the disk refuse, it is for its owner alone.
            with suppress(OSError):
                plan_file.unlink()
        return result

    def _user_name(self) -> str:
        try:
            return self.cli.user_name()
        except CliFailure:
            return ""  # nobody's lock: what kept the CLI from deploying is reported

    def _undone(self, plan: BundlePlan, failure: CliFailure) -> frozenset[str]:
        """Returns which jobs of a plan were not written: those that a new plan would write.

        The CLI does not say what it has done when something went wrong; and nothing was, where it had no lock.
        """
        written = frozenset(plan.written_jobs())
        if failure.trouble is Trouble.LOCKED:
            return written
        try:
            planned, _ = plan_with_kept(self.cli, self.keeping)
            return written.intersection(parse_plan(planned.text).written_jobs())
        except (CliFailure, OperationFailed):
            return written

    def _written_plan(self) -> Path:
        """Writes the plan for the CLI; only now, so that there is never a file of a plan that did not pass the gate."""
        path = self.folder / _PLAN
        write_private(path, self._narrowed_plan().encode("utf-8"), is_durable=False)
        return path

    def _narrowed_plan(self) -> str:
        left_out = self._left_out | self._places_of(self._found.takeovers)
        if not left_out:
            return self._planned.text
        root = json.loads(self._planned.text)
        for name, entry in root["plan"].items():
            if belongs_to(name, left_out):
                entry["action"] = Action.SKIP.value
        return json.dumps(root)

    def twins(
        self, plan: BundlePlan, recorded: Sequence[DeployedJob], deployed: Sequence[DeployedJob] = ()
    ) -> list[Twin]:
        return self.twins_among(
            self.workspace_jobs(self.created_names(plan) if deployed else ()), plan, recorded, deployed
        )

    def twins_among(
        self,
        jobs: Sequence[RemoteJob],
        plan: BundlePlan,
        recorded: Sequence[DeployedJob],
        deployed: Sequence[DeployedJob],
    ) -> list[Twin]:
        """Returns as `twins` does those of some jobs of the workspace."""
        entries = entries_of(self._planned.text)
        sources = self.compilation.jobs.sources
        created = [
            replace(each, former_names=names_before(sources.get(each.key), each.settings.get("name")))
            for each in self._created(plan)
        ]
        owned = owned_ids(entries).union(int(job.job_id) for job in deployed)
        target = self.cli.target or ""
        name = self.compilation.bundle.plain_values(target).name
        scope = ownership_scope(self.project, target, name, lambda: "", self.tables())
        return find_twins(created, jobs, owned, recorded, scope)

    def created_names(self, plan: BundlePlan) -> list[str]:
        """Returns the names of the jobs that a plan creates."""
        return [str(job.settings.get("name")) for job in self._created(plan)]

    def _created(self, plan: BundlePlan) -> list[CreatedJob]:
        return created_jobs(entries_of(self._planned.text), plan.jobs(Action.CREATE))

    def workspace_jobs(self, names: Sequence[str] = ()) -> list[RemoteJob]:
        """Returns the jobs of the workspace that the bundle is for, with their tasks; of a few names only those."""
        self.cli.on_line("Reading the jobs of the workspace")
        filters: Sequence[str | None] = list(dict.fromkeys(names)) if 0 < len(names) <= _FEW_NAMES else [None]
        try:
            return [job for each in filters for job in remote_jobs(self.cli.jobs(each))]
        except CliFailure as failure:
            raise self._failed(failure) from None

    def living(self, jobs: Sequence[DeployedJob]) -> list[DeployedJob]:
        return [job for job in jobs if self.cli.has_job(job.job_id)]

    def start(self, job: DeployedJob) -> None:
        self._bundle("run", job.key, "--no-wait")

    def unpause(self, job: DeployedJob) -> tuple[str, ...]:
        try:
            (found,) = remote_jobs(f"[{self.cli.job(job.job_id)}]")
            if starts := unpaused(found.settings):
                self.cli.update_job(job.job_id, starts)
        except CliFailure as failure:
            raise self._failed(failure) from None
        return tuple(starts)

    def jobs(self) -> tuple[DeployedJob, ...]:
        keys = {*self.compilation.jobs.names, *self.compilation.kept_jobs}
        if self._jobs is None:
            self._jobs = self._known_jobs(keys)
        if self._jobs is None:
            result = self._bundle("summary", "-o", "json")
            self._jobs = tuple(job for job in jobs_in_summary(result.stdout) if job.key in keys)
        if isinstance(self._jobs, OperationFailed):
            raise self._jobs
        return self._jobs

    def _known_jobs(self, keys: Collection[str]) -> tuple[DeployedJob, ...] | None:
        """Returns the jobs as plan and state have them; None where these are not of one moment, or leave a doubt."""
        if self._planned_files is None:
            return None
        plan, state = parse_plan(self._planned.text), self._last.state()
        if state is None or not plan.resources:
            return None if plan.resources else ()
        before = (plan.lineage, plan.serial or 0)
        after = (plan.lineage or state.lineage, (plan.serial or 0) + 1)
        if (state.lineage, state.serial) not in ((before, after) if self._is_carried_out else (before,)):
            return None
        pages = pages_like(self._any_note(plan).jobs, state, self.cli.address)
        if pages is None:
            return None
        created = parse_plan(self._narrowed_plan()).jobs(Action.CREATE) if self._is_carried_out else ()
        return PlannedJobs(entries_of(self._planned.text), created).listed(keys, state, pages)

    def _bundle(self, command: str, *arguments: str, limit_seconds: float | None = None) -> CliResult:
        """Runs a command whose failure ends the deployment."""
        try:
            return self.cli.bundle(command, *arguments, limit_seconds=limit_seconds)
        except CliFailure as failure:
            raise self._failed(failure) from None

    def _failed(self, failure: CliFailure) -> OperationFailed:
        """Returns the error for a failed call: about jobs, where every message is about one."""
        *problems, advice = self._located(failure)
        return self._rejected([e for e in diagnostics_in(failure.result.stderr) if self._blocks(e)], problems, advice)

    def _rejected(self, messages: list[CliDiagnostic], problems: Sequence[str], advice: str) -> OperationFailed:
        keys = [SourceMap(self.project, self.compilation).job_of(each) for each in messages]
        found = frozenset(key for key in keys if key is not None)
        if found and None not in keys:
            return JobsRejected(found, problems, advice)
        return OperationFailed("\n".join([*problems, advice]))

    def _blocks(self, message: CliDiagnostic) -> bool:
        """Says whether a message keeps a job from being deployed.

        A setting of a generated job that the CLI does not know is ignored by it. What it warns of elsewhere is the
        bundle's own matter, and may depend on the machine, as does a pattern that matches no file.
        """
        is_generated = SourceMap(self.project, self.compilation).is_about_generated(message)
        return message.severity == "Error" or self.project.strict or is_generated

    def _harmless_warnings(self, result: CliResult) -> tuple[str, ...]:
        """Returns the warnings that do not block, with their locations; raises for those that do."""
        warnings = [each for each in diagnostics_in(result.stderr) if each.severity == "Warning"]
        located = SourceMap(self.project, self.compilation).located
        if blocking := [replace(each, severity="Error") for each in warnings if self._blocks(each)]:
            why = "`deploy.strict` in job_meta.yml makes its warnings errors" if self.project.strict else "mend that"
            advice = f"The databricks CLI warns, and nothing was deployed: {why}."
            raise self._rejected(blocking, [*map(located, blocking)], advice)
        return tuple(map(located, warnings))

    def _located(self, failure: CliFailure) -> list[str]:
        """Returns what went wrong, each with its location in the metadata, and last what to do."""
        source_map = SourceMap(self.project, self.compilation)
        known = [each for each in diagnostics_in(failure.result.stderr) if source_map.covers(each)]
        return [*map(source_map.located, known), explain(failure, with_errors=not known)]
