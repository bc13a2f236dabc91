"""One tick that has something to do: load the volume, compile, compare, deploy behind the gate.

Runs inside the deployment lock. What fails is part of what it returns, so that everything that can be done is done: a
source that cannot be read keeps its jobs, a broken module keeps its own, a refused deletion keeps that job. Instead of
a deployment it can write a proposal for a pull request: the generated files and the plan in Markdown, in a folder of
their own. The files there are complete: a CI job puts them in the place of the project's own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

# A monitor may live on while the package is installed anew: what compiles is all of the version that it began with.
import lakeflow_job_meta.compiler.unit  # noqa: F401
from lakeflow_job_meta._internal.fs import write_atomically
from lakeflow_job_meta.compiler.compile import compile_project
from lakeflow_job_meta.config.bundle import read_bundle_declarations
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.deployment.backend import DeployBackend, DeployContext, DeployOptions, Reporter
from lakeflow_job_meta.deployment.file_swap import put_back_after_a_crash
from lakeflow_job_meta.deployment.pipeline import PreparedDeployment, apply, prepare
from lakeflow_job_meta.deployment.policy import Allowance, Audience
from lakeflow_job_meta.deployment.result import DeployResult
from lakeflow_job_meta.diagnostics.model import Diagnostic
from lakeflow_job_meta.errors import ConfigError, LakeflowJobMetaError, OperationFailed
from lakeflow_job_meta.jobs.all_jobs import Jobs
from lakeflow_job_meta.monitor.events import TickResult
from lakeflow_job_meta.monitor.volume_sync import SyncResult, sync_volume
from lakeflow_job_meta.monitor.watcher import PROJECT, TOOL, SourceVersions, SourceWatcher, source_message
from lakeflow_job_meta.output.changes import FileChanges
from lakeflow_job_meta.output.read_back import scan
from lakeflow_job_meta.output.writer import apply_changes, changes_between
from lakeflow_job_meta.planning.explain import as_markdown
from lakeflow_job_meta.planning.files import compare_files
from lakeflow_job_meta.sources.fingerprints import FileFingerprints, combined_fingerprint
from lakeflow_job_meta.sources.open import open_readers, open_table_source
from lakeflow_job_meta.sources.volume import VolumeReader, volume_files
from lakeflow_job_meta.state.folder import state_folder
from lakeflow_job_meta.state.history import MOST_ERRORS, History, MonitorState, Outcome, shortened
from lakeflow_job_meta.state.store import HISTORY, JOBS, open_state_store
from lakeflow_job_meta.tables.store import TableStore, VersionedTable
from lakeflow_job_meta.workspace.client import Workspace


@dataclass(frozen=True, slots=True)
class MonitorConfig:
    """What a monitor is to do.

    Attributes:
        max_deletes: How many jobs each deployment may delete; None leaves that to the project file.
        volume: A volume whose YAML files are loaded into the control table as they change.
        proposal: A folder for what would be deployed, instead of a deployment.
        audience: Who reads what would allow a refused change; by default whoever can run `ljm deploy`.
    """

    target: str
    max_deletes: int | None = None
    overwrite_drift: bool = False
    volume: str | None = None
    proposal: Path | None = None
    audience: Audience | None = None


@dataclass(frozen=True, slots=True)
class MonitorContext:
    """A project, opened for one target; `volume` is read and loaded into `table`, where it is given."""

    project: Project
    folder: Path
    config: MonitorConfig
    options: DeployOptions
    workspace: Workspace
    fingerprints: FileFingerprints
    watcher: SourceWatcher
    history: History
    tracking: TableStore
    volume: VolumeReader | None
    table: VersionedTable | None


PROPOSED_PLAN = "plan.md"
_MOST_WAITING = 1000
"""So many modules that wait for approval are remembered and told."""


def open_context(
    project: Project, config: MonitorConfig, fingerprints: FileFingerprints, workspace: Workspace
) -> MonitorContext:
    """Opens a project; nothing is connected to before it is needed.

    Raises ConfigError if there is a volume and no control table that it could be loaded into.
    """
    project = project.for_target(config.target)
    folder = state_folder(project, config.target)
    volume, table = _open_volume(project, config.volume, workspace) if config.volume is not None else (None, None)
    readers = [*open_readers(project, workspace=workspace), *([volume] if volume is not None else [])]
    max_deletes = project.max_deletes if config.max_deletes is None else config.max_deletes
    allowance = Allowance(max_deletes, overwriting=config.overwrite_drift)
    audience = config.audience or Audience.of_monitor(config.target)
    written = [config.proposal.absolute()] if config.proposal is not None else []
    return MonitorContext(
        project,
        folder,
        config,
        DeployOptions(allowance, keep_going=True, hold_back=True, audience=audience),
        workspace,
        fingerprints,
        SourceWatcher(project, readers, fingerprints, f"{allowance} {config.volume}", written, workspace),
        History(open_state_store(project, folder, HISTORY, workspace), config.target),
        open_state_store(project, folder, JOBS, workspace),
        volume,
        table,
    )


def _open_volume(project: Project, path: str, workspace: Workspace) -> tuple[VolumeReader, VersionedTable]:
    if not project.table_sources:
        raise ConfigError(
            "A volume path is loaded into a control table, but this project reads none: name one, or read the "
            "volume itself by `- volume: ...` below 'metadata:' in job_meta.yml."
        )
    table = open_table_source(project.table_sources[0], project.folder, workspace=workspace)
    return VolumeReader(path, volume_files(path, workspace)), table


def reconcile(
    context: MonitorContext,
    versions: SourceVersions,
    last: MonitorState,
    lock: int,
    select_backend: Callable[[Project], DeployBackend],
) -> TickResult:
    """Does everything that the metadata asks for and that needs no one's permission.

    `versions` are those before anything is read, so that an edit made meanwhile is noticed by the next tick. Raises
    LakeflowJobMetaError if nothing could be done.
    """
    project, proposal = context.project, context.config.proposal
    seen = frozenset([*last.leaving, *(key for refusal in last.refused for key in refusal.jobs)])
    options = replace(context.options, leaving=seen) if proposal is None else context.options
    synced, failures = _load_volume(context, last)
    if synced.has_written:
        versions = _versions_after_loading(context, versions)
    backend = None if proposal is not None else select_backend(project)
    put_back_after_a_crash(project, context.folder)
    prepared = prepare(
        project,
        options,
        Reporter(),
        lambda project: compile_project(project, read_bundle_declarations(project), workspace=context.workspace),
        writes_files=backend is None or backend.writes_files,
    )
    changes = prepared.changes
    state = _state(prepared, synced, versions, last, failures)
    if backend is None:
        if proposal is None or changes is None:
            raise AssertionError("a proposal is of files")
        write_proposal(proposal, changes, prepared.compilation.jobs)
        tick = TickResult.proposed(replace(state, jobs=""), changes)
    elif state.jobs == last.jobs and not (last.refused or last.leaving or (changes is not None and changes.changes)):
        tick = TickResult.ended(Outcome.UNCHANGED, _certain(state))
    else:
        target, folder, tracking = context.config.target, context.folder, context.tracking
        deployment = DeployContext(project, target, folder, lock, tracking, options, Reporter(), context.workspace)
        result = apply(prepared, backend, deployment)
        tick = TickResult.deployed(_certain(_with_deployment(state, result)), result)
    return replace(tick, metadata_version=prepared.compilation.metadata_version, rows_loaded=synced.has_written)


def write_proposal(folder: Path, changes: FileChanges, jobs: Jobs) -> None:
    """Writes the files as they would be with the changes, and the plan; nothing outside the folder.

    Raises OperationFailed if the disk refuses, or a file of somebody else is in the way.
    """
    layout, copy = changes.layout, folder / changes.layout.root
    (on_disk, _), (copied, _) = scan(layout), scan(layout, copy)
    apply_changes(changes_between(layout, copy, copied, changes.applied_to(on_disk)))
    path = folder / PROPOSED_PLAN
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path, f"{as_markdown(compare_files(changes, jobs))}\n".encode())
    except OSError as error:
        raise OperationFailed(f"{str(path)!r} cannot be written: {error.strerror}.") from error


def _load_volume(context: MonitorContext, last: MonitorState) -> tuple[SyncResult, dict[str, str]]:
    """Loads the volume; one that cannot be read or loaded is an error of its own.

    What is remembered of other volumes stays: a monitor of the same target may look without this one, or at another.
    """
    if context.volume is None or context.table is None:
        return SyncResult(last.files), {}
    try:
        synced = sync_volume(context.volume, context.table, context.project, context.fingerprints, last.files)
    except LakeflowJobMetaError as error:
        return SyncResult(last.files), {context.volume.source: str(error)}
    others = {path: digest for path, digest in last.files.items() if not context.volume.contains(path)}
    return replace(synced, files={**others, **synced.files}), {}


def _versions_after_loading(context: MonitorContext, before: SourceVersions) -> SourceVersions:
    """Reads the table's new version; what changed in the volume since has not been loaded."""
    again = context.watcher.versions()
    volume = context.volume.source if context.volume is not None else ""
    tokens = {source: token for source, token in again.tokens.items() if source != volume}
    return replace(again, tokens=tokens | ({volume: before.tokens[volume]} if volume in before.tokens else {}))


def _state(
    prepared: PreparedDeployment,
    synced: SyncResult,
    versions: SourceVersions,
    last: MonitorState,
    failures: Mapping[str, str],
) -> MonitorState:
    """Returns what is to be remembered if the deployment adds nothing to it."""
    compilation, failures = prepared.compilation, {**versions.errors, **failures}
    unread = {snapshot.source: snapshot.diagnostics for snapshot in compilation.missing if snapshot.is_unreadable}
    of_sources = {problem for problems in unread.values() for problem in problems}
    conflicts = prepared.changes.diagnostics if prepared.changes is not None else ()
    errors = [*(error for error in compilation.errors if error not in of_sources), *synced.errors, *conflicts]
    broken = dict.fromkeys(
        [*compilation.broken, *synced.broken, *(str(problem.location) for problem in conflicts)],
    )
    failures = {
        **{source: "; ".join(problem.message for problem in problems) for source, problems in unread.items()},
        **failures,
    }
    return MonitorState(
        versions.carried_over(last.tokens, (*unread, *failures)),
        _digest(prepared, versions),
        tuple(broken),
        shortened([str(error) for error in errors]),
        prepared.violations,
        synced.files,
        "\n".join(source_message(source, message) for source, message in failures.items()),
        warnings=last.warnings,
        owners=tuple(_owner(error, broken) for error in errors[:MOST_ERRORS]),
        waiting=(*compilation.waiting, *(each for each in last.waiting if each.table in unread))[:_MOST_WAITING],
    )


def _owner(error: Diagnostic, broken: Collection[str]) -> str:
    """Returns what an error keeps in quarantine: its module, or the file or table where no name could be read."""
    places = (error.module or "", error.location.path, str(error.location))
    return next((place for place in places if place in broken), "")


def _digest(prepared: PreparedDeployment, versions: SourceVersions) -> str:
    """Returns a digest of what is to be deployed: the jobs, and the files that go with them."""
    changes, files = prepared.changes, {file.path: text for file, text in prepared.compilation.files.items()}
    kept = {changes.layout.path_of(file): "kept" for file in changes.kept} if changes is not None else {}
    tokens = {name: versions.tokens.get(name, "") for name in (PROJECT, TOOL)}
    return combined_fingerprint({**files, **kept, **tokens})


def _certain(state: MonitorState) -> MonitorState:
    """Forgets what was deployed where that is not certain."""
    return replace(state, jobs="") if state.failure else state


def _with_deployment(state: MonitorState, result: DeployResult) -> MonitorState:
    refused = (*result.held_back, *result.left_behind)
    failure = "\n".join(filter(None, [state.failure, *result.all_problems]))
    leaving, warnings = tuple(sorted(result.waiting)), shortened(result.warnings)
    state = replace(state, refused=refused, failure=failure, leaving=leaving, warnings=warnings)
    if result.rejected is None:
        return state
    names = [name for key, name in result.compilation.jobs.names.items() if key in result.rejected.keys]
    errors = shortened([*state.errors, *result.rejected.problems])
    return replace(state, broken=tuple(dict.fromkeys([*state.broken, *names])), errors=errors)
