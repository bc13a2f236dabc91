"""The state of the targets of a project: what a monitor did last, and what is left for a person to do.

Read from the history and the record of jobs, and from the state folder where jobs are deployed from this machine. A
target whose state cannot be read is told beside the others. Changes nothing, and asks the workspace for no job.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TypeAlias

from lakeflow_job_meta._internal.parallel import is_running, run_in_threads
from lakeflow_job_meta.config.bundle import BundleDeclarations
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.deployment.policy import left_behind
from lakeflow_job_meta.errors import LakeflowJobMetaError, PolicyViolation
from lakeflow_job_meta.layout.layout import ManyBundles, layout_of
from lakeflow_job_meta.state.folder import state_folder_path
from lakeflow_job_meta.state.history import Heartbeat, History, HistoryEntry, MonitorState, Outcome, read_heartbeat
from lakeflow_job_meta.state.store import HISTORY, JOBS, open_state_store
from lakeflow_job_meta.state.tracking import DeployedJob, jobs_by_target, read_left_behind, read_paused
from lakeflow_job_meta.tables.local import LocalTable
from lakeflow_job_meta.tables.schema import Row, TableSchema
from lakeflow_job_meta.tables.store import TableStore
from lakeflow_job_meta.workspace.client import Workspace

_Rows: TypeAlias = "list[Row] | LakeflowJobMetaError"
"""What a table holds, or why it cannot be read."""

_MOST_ENTRIES = 100
_AT_A_TIME = 4
_PATIENCE_SECONDS = 900.0
"""A deployment may take so long, and no tick ends before it has."""


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A module that keeps its last job because of mistakes; of a file without any name that can be read, its path.

    Attributes:
        since: When the history first has it there; where that is longer ago than what was read, the oldest of that.
        mistakes: With their locations; empty where it is not known which are its own.
    """

    name: str
    since: datetime
    mistakes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """A change that was refused, and since when; None where the history does not say."""

    change: PolicyViolation
    since: datetime | None


@dataclass(frozen=True, slots=True)
class Health:
    """The health of the monitor of a target.

    Attributes:
        deployment: The newest entry of the history in which jobs were deployed.
        absence: Why no monitor seems to run; empty when one does.
        quarantine: What is in quarantine.
        refusals: What is left for a person to allow or to do; jobs that nothing deletes, too, as far as the last
            deployment from this machine has found any.
    """

    target: str
    last: HistoryEntry | None
    deployment: HistoryEntry | None
    heartbeat: Heartbeat | None
    absence: str
    quarantine: tuple[Quarantined, ...] = ()
    refusals: tuple[Refused, ...] = ()

    @property
    def state(self) -> MonitorState:
        return self.last.state if self.last is not None else MonitorState()

    @property
    def has_been_monitored(self) -> bool:
        """Whether the history or this machine knows of a monitor."""
        return self.last is not None or self.heartbeat is not None

    @property
    def failures(self) -> list[str]:
        """What failed last, a line each."""
        newest = self.heartbeat.failure if self.heartbeat is not None else ""
        return list(dict.fromkeys(line for text in (self.state.failure, newest) for line in text.split("\n") if line))

    @property
    def is_healthy(self) -> bool:
        """Whether a monitor runs, and nothing is left for a person to do."""
        state = self.state
        return not (self.absence or self.failures or state.broken or state.errors or self.refusals)


@dataclass(frozen=True, slots=True)
class Deployed:
    """What is recorded of the jobs of a target.

    Attributes:
        modules: Their names by the keys of their jobs.
        bundles: Those that the generated files are in, each with how many jobs it has; empty where there is no bundle.
        paused: Keys of jobs that stay paused in the workspace, as the last deployment from this machine saw them.
    """

    modules: dict[str, str]
    jobs: tuple[DeployedJob, ...]
    bundles: dict[str, int]
    paused: tuple[str, ...] = ()

    def named(self, keys: Iterable[str]) -> list[str]:
        """Returns the names of modules for the keys of jobs; of another resource its own."""
        return [self.modules.get(key, key) for key in keys]


@dataclass(frozen=True, slots=True)
class TargetStatus:
    """The state of one target, as far as it can be read; the problem says why the rest cannot.

    Attributes:
        project: The name of the bundle, else of the project's folder.
    """

    project: str
    target: str
    health: Health | None = None
    deployed: Deployed | None = None
    problem: str = ""

    @property
    def is_healthy(self) -> bool:
        """Whether all of it could be read, a monitor runs, and nothing is left for a person to do."""
        return not self.problem and self.health is not None and self.health.is_healthy

    @property
    def is_unmonitored(self) -> bool:
        """Whether no monitor has ever run for it, and nothing else is left for a person to do."""
        health = self.health
        return not self.problem and health is not None and not (health.has_been_monitored or health.refusals)


def needs_attention(statuses: Sequence[TargetStatus]) -> bool:
    """Says whether a person has something to do: of several targets, one that no monitor is for may be meant so."""
    monitored = [status for status in statuses if not status.is_unmonitored]
    return not monitored or not all(status.is_healthy for status in monitored)


def status_of_targets(
    project: Project,
    declared: BundleDeclarations,
    targets: Sequence[str],
    now: datetime,
    workspace: Workspace | None = None,
) -> list[TargetStatus]:
    """Returns the state of some targets; where none is named, of all that are declared or have a record."""
    open_store = partial(open_state_store, project, workspace=workspace)
    # A control table has one record for all targets, and a project of files one for each.
    shared = (
        _read_rows(lambda: open_store(state_folder_path(project, None), JOBS).rows()) if project.table_sources else None
    )
    found = [*targets] or sorted({*(declared.targets or ()), *_recorded_targets(project, shared, open_store)})
    found = found or ["default"]

    def status(target: str) -> TargetStatus:
        folder = state_folder_path(project, target)
        health = health_of(History(open_store(folder, HISTORY), target), folder, target, now)
        rows = shared if shared is not None else _read_rows(lambda: open_store(folder, JOBS).rows())
        if isinstance(rows, LakeflowJobMetaError):
            return TargetStatus(name, target, health, problem=str(rows))
        return TargetStatus(name, target, health, _deployed(project, declared, rows, folder, target))

    name = project_name(project, declared)
    calls = {target: partial(status, target) for target in found}
    results, errors = run_in_threads(calls, _AT_A_TIME, expected=(LakeflowJobMetaError,))
    return [results.get(each) or TargetStatus(name, each, problem=str(errors[each])) for each in found]


def project_name(project: Project, declared: BundleDeclarations) -> str:
    """Returns the name of the bundle, else of the project's folder."""
    return declared.plain_values("").name or project.folder.name


def _read_rows(read: Callable[[], list[Row]]) -> _Rows:
    try:
        return read()
    except LakeflowJobMetaError as error:
        return error


def _recorded_targets(
    project: Project, shared: _Rows | None, open_store: Callable[[Path, TableSchema], TableStore]
) -> Iterator[str]:
    """Yields the targets that jobs were deployed to, or a monitor has run for."""
    root = state_folder_path(project, None)
    if isinstance(shared, list):
        yield from jobs_by_target(shared)
        newest = _read_rows(lambda: open_store(root, HISTORY).latest(("target",), {}))
        yield from (str(row["target"]) for row in (newest if isinstance(newest, list) else ()))
    if shared is not None:
        return
    for path in sorted(each for name in ("jobs", "history") for each in root.parent.glob(f"*/{name}.json")):
        rows = _read_rows(LocalTable(path.parent, JOBS if path.stem == "jobs" else HISTORY).rows)
        named = {row["target"] for row in rows} if isinstance(rows, list) else {path.parent.name}
        yield from (target for target in named if isinstance(target, str))


def _deployed(
    project: Project, declared: BundleDeclarations, rows: Sequence[Row], folder: Path, target: str
) -> Deployed:
    jobs = tuple(jobs_by_target(rows).get(target, ()))
    names = {str(row["bundle_key"]): str(row["module_name"] or row["bundle_key"]) for row in rows}
    keys = {job.key for job in jobs}
    layout = layout_of(project)
    if isinstance(layout, ManyBundles):
        bundles = {name: len(keys.intersection(layout.job_keys(name))) for name in layout.bundles_in(layout.folder)}
    else:
        bundles = {project_name(project, declared): len(jobs)} if declared.root is not None else {}
    paused = tuple(key for key in read_paused(folder) if key in keys)
    return Deployed({key: name for key, name in names.items() if key in keys}, jobs, bundles, paused)


def health_of(history: History, folder: Path, target: str, now: datetime) -> Health:
    """Returns the health of the monitor of a target, whose state folder on this machine is `folder`."""
    entries = history.newest(_MOST_ENTRIES)
    heartbeat = read_heartbeat(folder)
    deployments = (entry for entry in entries if _has_deployed(entry))
    absence = "; ".join(_absences(entries, heartbeat, now))
    return Health(
        target,
        next(iter(entries), None),
        next(deployments, None),
        heartbeat,
        absence,
        tuple(_quarantine(entries)),
        tuple(_refusals(entries, map(left_behind, read_left_behind(folder)))),
    )


def _quarantine(entries: Sequence[HistoryEntry]) -> Iterator[Quarantined]:
    state = entries[0].state if entries else MonitorState()
    mistakes, since = state.mistakes(), _since(entries, lambda state: {*state.broken})
    for name in state.broken:
        yield Quarantined(name, since[name], mistakes.get(name, ()))


def _refusals(entries: Sequence[HistoryEntry], left: Iterable[PolicyViolation]) -> Iterator[Refused]:
    """Yields what the newest entry has, since the first of its jobs was refused, and the jobs that are left behind."""
    changes = entries[0].state.refused if entries else ()
    since = _since(entries, lambda state: {job for each in state.refused for job in each.jobs})
    for change in changes:
        yield Refused(change, min((since[job] for job in change.jobs), default=entries[0].started))
    yield from (Refused(change, None) for change in dict.fromkeys(left) if change not in changes)


def _since(entries: Sequence[HistoryEntry], names_of: Callable[[MonitorState], set[str]]) -> dict[str, datetime]:
    """Returns when names came that the newest entry has, and those before it as far as they say so."""
    if not entries:
        return {}
    since, there, started = dict[str, datetime](), names_of(entries[0].state), entries[0].started
    for entry in entries[1:]:
        still = there & names_of(entry.state)
        since |= dict.fromkeys(there - still, started)
        there, started = still, entry.started
        if not there:
            break
    return since | dict.fromkeys(there, started)


def _has_deployed(entry: HistoryEntry) -> bool:
    wrote = bool(entry.created or entry.changed or entry.deleted)
    return entry.outcome is Outcome.DEPLOYED or (wrote and entry.outcome is not Outcome.PROPOSED)


def _absences(entries: list[HistoryEntry], heartbeat: Heartbeat | None, now: datetime) -> Iterator[str]:
    if not entries and heartbeat is None:
        yield "no monitor has run for this target yet"
    if heartbeat is None or heartbeat.interval_seconds is None or heartbeat.host != socket.gethostname():
        return
    silent_seconds = (now - heartbeat.moment).total_seconds()
    if not is_running(heartbeat.process):
        yield f"the monitor's process {heartbeat.process} has ended unexpectedly; start it again"
    elif silent_seconds > heartbeat.interval_seconds * 2 + _PATIENCE_SECONDS:
        yield f"the monitor's process {heartbeat.process} has not completed a tick for {silent_seconds:.0f} seconds"
