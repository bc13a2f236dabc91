"""One tick that has something to do: load the volume, compile, compare, deploy behind the gate, and tell.

Runs inside the deployment lock. What fails is part of what it returns, so that everything that can be done is done: a
source that cannot be read keeps its jobs, a broken module keeps its own, a refused deletion keeps that job.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from lakeflow_job_meta._internal.text import count, listing
from lakeflow_job_meta.compiler.compile import compile_project
from lakeflow_job_meta.config.model import TABLE_KINDS, Project
from lakeflow_job_meta.control_table.interface import ControlTable
from lakeflow_job_meta.control_table.open import open_table
from lakeflow_job_meta.deploy.execute import jobs_that_change
from lakeflow_job_meta.deploy.pipeline import (
    DeployBackend,
    DeployContext,
    DeployOptions,
    DeployResult,
    PreparedDeployment,
    Reporter,
    apply,
    prepare,
)
from lakeflow_job_meta.deploy.policy import Allowance, PolicyViolation
from lakeflow_job_meta.errors import ConfigError, LakeflowJobMetaError
from lakeflow_job_meta.monitor.proposal import write_proposal
from lakeflow_job_meta.monitor.volume_sync import Synced, sync_volume
from lakeflow_job_meta.monitor.watcher import PROJECT, TOOL, SourceVersions, SourceWatcher, source_message
from lakeflow_job_meta.output.writer import Change, FileChanges
from lakeflow_job_meta.plan.model import Action, job_key_in
from lakeflow_job_meta.sources.fingerprints import FileFingerprints, combined_fingerprint
from lakeflow_job_meta.sources.open import open_readers
from lakeflow_job_meta.sources.volume import VolumeReader, volume_files
from lakeflow_job_meta.state.history import History, MonitorState, Outcome, RefusedChange, shortened
from lakeflow_job_meta.state.open import open_state_store
from lakeflow_job_meta.state.schemas import HISTORY, JOBS
from lakeflow_job_meta.state.store import StateStore
from lakeflow_job_meta.state.tracking import known_jobs
from lakeflow_job_meta.workspace.client import Workspace


@dataclass(frozen=True, slots=True)
class MonitorConfig:
    """What a monitor was asked for.

    Attributes:
        target: The bundle's target.
        max_deletes: How many jobs each deployment may delete; None leaves that to the project file.
        overwriting: Whether edits made by hand in the workspace may be overwritten.
        volume: A volume whose YAML files are loaded into the control table as they change.
        proposal: A folder for what would be deployed, instead of a deployment.
    """

    target: str
    max_deletes: int | None = None
    overwriting: bool = False
    volume: str | None = None
    proposal: Path | None = None


@dataclass(frozen=True, slots=True)
class MonitorContext:
    """A project, opened for one target.

    Attributes:
        folder: The state folder of the target.
        allowance: What a person has allowed for each deployment.
        jobs: The record of jobs.
        table: The control table that the volume is loaded into, and `volume` reads it.
    """

    project: Project
    folder: Path
    wishes: MonitorConfig
    allowance: Allowance
    workspace: Workspace
    contents: FileFingerprints
    watch: SourceWatcher
    history: History
    jobs: StateStore
    volume: VolumeReader | None
    table: ControlTable | None


def open_context(
    project: Project, folder: Path, wishes: MonitorConfig, contents: FileFingerprints, workspace: Workspace
) -> MonitorContext:
    """Opens a project; nothing is connected to before it is needed.

    Raises:
        ConfigError: There is a volume and no control table that it could be loaded into.
    """
    readers = open_readers(project, workspace=workspace)
    volume, table = None, None
    if wishes.volume is not None:
        volume = VolumeReader(wishes.volume, volume_files(wishes.volume, workspace))
        source = next((source for source in project.metadata if source.kind in TABLE_KINDS), None)
        if source is None:
            raise ConfigError(
                "A volume path is loaded into a control table, but this project reads none: name one, or read the "
                "volume itself by `- volume: ...` below 'metadata:' in job_meta.yml."
            )
        table = open_table(source.location, source.warehouse_id, folder=project.folder, workspace=workspace)
    max_deletes = project.max_deletes if wishes.max_deletes is None else wishes.max_deletes
    allowance = Allowance(max_deletes, overwriting=wishes.overwriting)
    options = f"{allowance} {wishes.volume}"
    written = [wishes.proposal.absolute()] if wishes.proposal is not None else []
    return MonitorContext(
        project,
        folder,
        wishes,
        allowance,
        workspace,
        contents,
        SourceWatcher(project, [*readers, *([volume] if volume is not None else [])], contents, options, written),
        History(open_state_store(project, folder, HISTORY, workspace), wishes.target),
        open_state_store(project, folder, JOBS, workspace),
        volume,
        table,
    )


@dataclass(frozen=True, slots=True)
class ChangedJob:
    """A job that a tick made or changed."""

    module: str
    job_id: int


@dataclass(frozen=True, slots=True)
class ReconcileResult:
    """What the work came to.

    Attributes:
        created: The keys of the jobs that were made; `changed` and `deleted` likewise.
        jobs: Those that were made or changed.
        state: What is to be remembered.
        rows_loaded: Whether the volume has changed the control table.
    """

    outcome: Outcome
    metadata_version: str
    created: tuple[str, ...]
    changed: tuple[str, ...]
    deleted: tuple[str, ...]
    jobs: tuple[ChangedJob, ...]
    state: MonitorState
    rows_loaded: bool


def reconcile(
    site: MonitorContext,
    seen: SourceVersions,
    last: MonitorState,
    lock: int,
    choose_way: Callable[[Project], DeployBackend],
    say: Callable[[str], None],
) -> ReconcileResult:
    """Does everything that the metadata asks for and nobody has to be asked about.

    Args:
        site: The project.
        seen: What was seen before anything is read, so that an edit made meanwhile is seen by the next tick.
        last: What is remembered.
        lock: The file descriptor of the deployment lock.
        choose_way: How jobs get into the workspace.
        say: Told what is being done.

    Raises:
        LakeflowJobMetaError: Nothing could be done.
    """
    synced, failures = _synced(site, last)
    if synced.has_written:
        seen = _seen_after_loading(site, seen)
    failures = {**seen.errors, **failures}
    proposal = site.wishes.proposal
    way = None if proposal is not None else choose_way(site.project)
    options = DeployOptions(site.allowance, keep_going=True, hold_back=True)
    prepared = prepare(
        site.project,
        options,
        Reporter(say),
        lambda project: compile_project(project, on_wait=say, workspace=site.workspace),
        writes_files=way is None or way.writes_files,
    )
    found = _findings(prepared, synced, failures)
    ending = _Ending(seen, last, prepared, synced, _digest(prepared, seen))
    if way is None:
        return ending.proposed(found, _propose(site, prepared))
    if ending.digest == last.jobs and not last.refused and not _has_file_changes(prepared):
        return ending.unchanged(found)
    beginning = DeployContext(
        prepared.compilation, site.folder, lock, lambda: known_jobs(site.jobs, site.wishes.target), hold_back=True
    )
    out = apply(prepared, way, beginning, options, site.jobs, site.wishes.target)
    return ending.deployed(_after_deployment(found, out, prepared), out)


def _synced(site: MonitorContext, last: MonitorState) -> tuple[Synced, dict[str, str]]:
    """Loads the volume; one that cannot be read or loaded is an error of its own."""
    if site.volume is None or site.table is None:
        return Synced({}), {}
    try:
        return sync_volume(site.volume, site.table, site.project, site.contents, last.files), {}
    except LakeflowJobMetaError as error:
        return Synced(last.files), {site.volume.source: str(error)}


def _seen_after_loading(site: MonitorContext, before: SourceVersions) -> SourceVersions:
    """Looks again for the table's new version; what changed in the volume since has not been loaded."""
    again = site.watch.look()
    volume = site.volume.source if site.volume is not None else ""
    others = {source: token for source, token in again.tokens.items() if source != volume}
    return replace(
        again, tokens=others | {source: token for source, token in before.tokens.items() if source == volume}
    )


@dataclass(frozen=True, slots=True)
class _Findings:
    """What is wrong, and with what.

    Attributes:
        broken: Modules in quarantine, and `errors` their mistakes.
        unread: Sources that could not be read.
        failures: What failed.
    """

    broken: tuple[str, ...]
    errors: tuple[str, ...]
    refused: tuple[RefusedChange, ...]
    unread: tuple[str, ...]
    failures: tuple[str, ...]


def _findings(prepared: PreparedDeployment, synced: Synced, failures: Mapping[str, str]) -> _Findings:
    compilation = prepared.compilation
    unread = {reading.source: reading.diagnostics for reading in compilation.missing if reading.failed}
    of_sources = {problem for problems in unread.values() for problem in problems}
    in_the_way = prepared.changes.diagnostics if prepared.changes is not None else ()
    errors = [*(error for error in compilation.errors if error not in of_sources), *synced.errors, *in_the_way]
    broken = [*compilation.broken, *synced.broken, *(str(problem.place) for problem in in_the_way)]
    by_source = {source: "; ".join(problem.message for problem in problems) for source, problems in unread.items()}
    return _Findings(
        tuple(dict.fromkeys(broken)),
        shortened([str(error) for error in errors]),
        prepared.refusals,
        (*unread, *failures),
        tuple(source_message(source, message) for source, message in {**by_source, **failures}.items()),
    )


def _after_deployment(found: _Findings, out: DeployResult, prepared: PreparedDeployment) -> _Findings:
    """Adds what the deployment left undone."""
    held = [_refusal(surprise) for surprise in out.deployment.held_back]
    refused = (*found.refused, *held, *_kept_for_an_empty_source(out, prepared))
    found = replace(found, refused=refused, failures=(*found.failures, *out.problems))
    if out.rejected is None:
        return found
    names = [name for key, name in out.compilation.jobs.names.items() if key in out.rejected.keys]
    errors = shortened([*found.errors, *out.rejected.problems])
    return replace(found, broken=tuple(dict.fromkeys([*found.broken, *names])), errors=errors)


def _refusal(surprise: PolicyViolation) -> RefusedChange:
    keys = (job_key_in(name) or name for name in surprise.resources)
    return RefusedChange(tuple(keys), surprise.told("run `ljm deploy` with"))


def _kept_for_an_empty_source(out: DeployResult, prepared: PreparedDeployment) -> list[RefusedChange]:
    """Says which jobs a deployment without files has kept, since they may be of a source that is empty."""
    compilation = prepared.compilation
    empty = [reading.source for reading in compilation.missing if not reading.failed]
    known = {*compilation.jobs.names, *compilation.kept_jobs}
    kept = [key for key in out.deployment.plan.jobs(Action.SKIP) if key not in known]
    if prepared.changes is not None or not empty or not kept:
        return []
    return [
        RefusedChange(
            tuple(kept),
            f"{listing(empty)} holds no module, so {count(len(kept), 'job')} ({listing(kept)}) stay. Delete by hand "
            "what is meant to go.",
        )
    ]


def _propose(site: MonitorContext, prepared: PreparedDeployment) -> FileChanges:
    if site.wishes.proposal is None or prepared.changes is None:
        raise AssertionError("a proposal is of files")
    write_proposal(site.wishes.proposal, prepared.changes)
    return prepared.changes


def _has_file_changes(prepared: PreparedDeployment) -> bool:
    return prepared.changes is not None and bool(prepared.changes.changes)


def _digest(prepared: PreparedDeployment, seen: SourceVersions) -> str:
    """Returns a digest of what is to be deployed: the jobs, and the files that go with them."""
    changes = prepared.changes
    kept = {changes.layout.path_of(file): "kept" for file in changes.kept} if changes is not None else {}
    files = {file.path: text for file, text in prepared.compilation.files.items()}
    tokens = {name: seen.tokens.get(name, "") for name in (PROJECT, TOOL)}
    return combined_fingerprint({**files, **kept, **tokens})


@dataclass(frozen=True, slots=True)
class _Ending:
    """Puts together what a tick came to.

    Attributes:
        seen: What was seen before anything was read.
        last: What is remembered.
        digest: Of what is to be deployed.
    """

    seen: SourceVersions
    last: MonitorState
    prepared: PreparedDeployment
    synced: Synced
    digest: str

    def unchanged(self, found: _Findings) -> ReconcileResult:
        """The metadata has changed, and the same jobs come out."""
        return self._done(Outcome.UNCHANGED, found)

    def proposed(self, found: _Findings, changes: FileChanges) -> ReconcileResult:
        """The deployment was proposed."""
        created, changed, deleted = (changes.job_keys(kind) for kind in Change)
        return self._done(Outcome.PROPOSED, found, created, changed, deleted)

    def deployed(self, found: _Findings, out: DeployResult) -> ReconcileResult:
        """The deployment ended, perhaps in part."""
        if not out.deployment.was_needed:
            return self._done(Outcome.REFUSED if found.refused else Outcome.UNCHANGED, found)
        plan = out.deployment.plan
        created, deleted = plan.jobs(Action.CREATE), plan.jobs(Action.DELETE)
        touched = jobs_that_change(plan)
        changed = [key for key in touched if key not in created]
        jobs = tuple(ChangedJob(job.module_name, job.job_id) for job in out.jobs if job.bundle_key in touched)
        return self._done(Outcome.DEPLOYED, found, tuple(created), tuple(changed), tuple(deleted), jobs)

    def _done(
        self,
        outcome: Outcome,
        found: _Findings,
        created: tuple[str, ...] = (),
        changed: tuple[str, ...] = (),
        deleted: tuple[str, ...] = (),
        jobs: tuple[ChangedJob, ...] = (),
    ) -> ReconcileResult:
        failure = "\n".join(found.failures)
        is_certain = outcome is not Outcome.PROPOSED and not failure
        state = MonitorState(
            self.seen.carried_over(self.last.tokens, found.unread),
            self.digest if is_certain else "",
            found.broken,
            found.errors,
            found.refused,
            self.synced.files,
            failure,
        )
        return ReconcileResult(
            Outcome.FAILED if failure else outcome,
            self.prepared.compilation.metadata_version,
            created,
            changed,
            deleted,
            jobs,
            state,
            self.synced.has_written,
        )
