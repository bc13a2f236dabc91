"""A monitor of one project and target: watches the metadata, and reconciles the jobs with it when something changed.

Where nothing changed, a tick costs one request to each source, and nothing else. What was deployed last is remembered
in the history, so that a restart or another machine goes on from there. A tick never raises: whatever goes wrong, it
returns as a failed one, and is tried again after a while.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.deployment.backend import DeployBackend
from lakeflow_job_meta.errors import LakeflowJobMetaError
from lakeflow_job_meta.monitor.events import Event, EventKind, EventSink, TickResult, change_events, events_of
from lakeflow_job_meta.monitor.reconcile import MonitorConfig, MonitorContext, open_context, reconcile
from lakeflow_job_meta.monitor.retry import Clock, Retry, RetryPolicy
from lakeflow_job_meta.monitor.watcher import SourceVersions, source_message
from lakeflow_job_meta.sources.fingerprints import FileFingerprints
from lakeflow_job_meta.state.authors import changed_by, git_commit
from lakeflow_job_meta.state.crash_report import internal_error
from lakeflow_job_meta.state.history import (
    Heartbeat,
    HistoryEntry,
    MonitorState,
    Outcome,
    after,
    read_heartbeat,
    write_heartbeat,
)
from lakeflow_job_meta.state.lock import deployment_lock
from lakeflow_job_meta.workspace.client import Workspace


@dataclass(eq=False)
class Monitor:
    """Watches a project, and deploys what changes.

    Attributes:
        load: Loads the project; again before each reconciliation, since its file may have changed.
        workspace: Where tables and volumes are; by default the one of the environment.
        interval_seconds: After how long the next tick follows, for the heartbeat; None when none does.
    """

    load: Callable[[], Project]
    config: MonitorConfig
    select_backend: Callable[[Project], DeployBackend]
    sink: EventSink
    workspace: Workspace = field(default_factory=Workspace)
    clock: Clock = field(default_factory=Clock)
    retry_policy: RetryPolicy = field(default_factory=RetryPolicy)
    interval_seconds: float | None = None
    retry: Retry = field(default_factory=Retry)

    def __post_init__(self) -> None:
        self._fingerprints = FileFingerprints(self.clock.monotonic)
        self._context: MonitorContext | None = None
        self._last: HistoryEntry | None = None
        self._has_read_history = False
        self._attempted: SourceVersions | None = None
        self._reported_failure = self._history_failure = ""

    def tick(self) -> TickResult:
        """Checks the sources once, and reconciles; whatever goes wrong is the outcome."""
        try:
            tick = self._tick()
        except Exception as error:
            tick = TickResult(Outcome.FAILED, self._state, self._failure(error)).without_secrets()
        return self._finished(replace(tick, moment=self.clock.now()))

    def announce_end(self) -> None:
        """Leaves a last heartbeat, which says that no other is to be expected."""
        heartbeat = read_heartbeat(self._context.folder) if self._context is not None else None
        if self._context is not None and heartbeat is not None:
            write_heartbeat(self._context.folder, replace(heartbeat, interval_seconds=None))

    @property
    def _state(self) -> MonitorState:
        return self._last.state if self._last is not None else MonitorState()

    def _tick(self) -> TickResult:
        context = self._context or self._open()
        versions = context.watcher.versions(self.clock.now().date())
        if not self._has_read_history:
            self._remember(context.history.last())
        if not self._has_work(versions):
            return self._idle(versions)
        self.retry = replace(self.retry, due=None)
        with deployment_lock(context.folder, on_wait=lambda line: self.sink(Event(EventKind.WAITING, line))) as lock:
            return self._reconcile(lock)

    def _reconcile(self, lock: int) -> TickResult:
        """Reconciles, unless another process has done so while the lock was waited for."""
        context = self._open()
        self._remember(context.history.last())
        versions = context.watcher.versions()
        if not self._has_work(versions):
            return self._idle(versions)
        last = self._state
        changed = versions.changed_since(last.tokens)
        if self._attempted is None or versions.changed_since(self._attempted.tokens):
            for event in change_events(changed, is_first=self._last is None):
                self.sink(event)
        self._attempted = versions
        began = self.clock.monotonic()
        try:
            tick = reconcile(context, versions, last, lock, self.select_backend)
        except Exception as error:
            # Nothing is known to be deployed: what was remembered stays, so that the change is noticed again.
            failure = self._failure(error)
            tick = TickResult(Outcome.FAILED, replace(last, jobs="", failure=failure), failure)
        tick = tick.without_secrets()
        for event in events_of(tick, last):
            self.sink(event)
        self._record(context, tick, self.clock.monotonic() - began)
        return replace(tick, changed_sources=changed)

    def _idle(self, versions: SourceVersions) -> TickResult:
        failure = "\n".join(source_message(source, error) for source, error in versions.errors.items())
        if failure:
            return TickResult(Outcome.FAILED, self._state, failure).without_secrets()
        if not self._is_unfinished(versions):
            self._history_failure = ""
        return TickResult(Outcome.IDLE, self._state, self._history_failure)

    def _has_work(self, versions: SourceVersions) -> bool:
        if not self._is_unfinished(versions):
            return False
        is_new = self._attempted is None or bool(versions.changed_since(self._attempted.tokens))
        return is_new or self.retry.is_due(self.clock.monotonic())

    def _is_unfinished(self, versions: SourceVersions) -> bool:
        last = self._last
        if last is None or (last.outcome is Outcome.PROPOSED and self.config.proposal is None):
            return True
        state = last.state
        return bool(versions.changed_since(state.tokens) or state.failure or state.refused or state.leaving)

    def _failure(self, error: Exception) -> str:
        """Returns what failed; of what nobody expected, also where the traceback is."""
        if isinstance(error, LakeflowJobMetaError):
            return _text(error)
        return internal_error(error, self._context.folder if self._context is not None else None)

    def _open(self) -> MonitorContext:
        project = replace(self.load(), today=self.clock.now().date())
        self._context = open_context(project, self.config, self._fingerprints, self.workspace)
        return self._context

    def _remember(self, entry: HistoryEntry | None) -> None:
        self._last, self._has_read_history = entry, True

    def _record(self, context: MonitorContext, tick: TickResult, seconds: float) -> None:
        """Writes the history, unless it would only repeat what the newest entry says.

        If it cannot be written, what was done is done again, which changes nothing.
        """
        target, moment, version = self.config.target, after(self.clock.now(), self._last), tick.metadata_version
        created, changed, deleted = len(tick.created), len(tick.changed), len(tick.deleted)
        entry = HistoryEntry(target, moment, seconds, version, tick.outcome, created, changed, deleted, tick.state)
        if entry.repeats(self._last):
            return
        before, project = self._state.tokens, context.project
        users = changed_by(project, before, tick.state.tokens, self.workspace)
        entry = replace(entry, changed_by=users, git_commit=git_commit(project))
        try:
            context.history.add(entry, self._last)
        except LakeflowJobMetaError as error:
            self._history_failure = _text(error)
            raise
        self._remember(entry)
        self._history_failure = ""

    def _finished(self, tick: TickResult) -> TickResult:
        now, state = self.clock.monotonic(), tick.state
        self.retry = self.retry_policy.after(
            self.retry,
            tick.outcome,
            is_refused=bool(state.refused),
            is_failing=bool(tick.failure or state.failure),
            now=now,
            jitter=random.random(),
        )
        try:
            if self._context is not None:
                failures, interval = self.retry.failures_in_a_row, self.interval_seconds
                beat = Heartbeat(tick.moment, tick.outcome.value, tick.failure, failures, interval)
                write_heartbeat(self._context.folder, beat)
        except LakeflowJobMetaError as error:
            tick = replace(tick, failure="\n".join(filter(None, [tick.failure, str(error)])))
        self._report_failure(tick)
        if self.retry.due is None or not (tick.failure or state.failure or state.refused):
            return tick
        return replace(tick, retry_seconds=max(self.retry.due - now, 0.0))

    def _report_failure(self, tick: TickResult) -> None:
        if tick.failure:
            if tick.failure != self._reported_failure:
                details = {"failures_in_a_row": self.retry.failures_in_a_row}
                self.sink(Event(EventKind.FAILED, tick.failure, details))
            self._reported_failure = tick.failure
        elif self._reported_failure and not tick.state.failure:
            self.sink(Event(EventKind.RESOLVED, "What had failed works again.", {"failure": self._reported_failure}))
            self._reported_failure = ""


def _text(error: LakeflowJobMetaError) -> str:
    return "\n".join([str(error.args[0]), *map(str, error.diagnostics)])
