"""A monitor of one project and target: looks at the metadata, and brings the jobs after it when something changed.

`tick` is one look with all that follows from it. Nothing changed: one question to each source, and nothing else. What
was deployed last is remembered in the history, so that a restart or another machine goes on from there. A tick never
raises for what may happen in operation: it comes back as a failed one, and is tried again after a while.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.deploy.pipeline import DeployBackend
from lakeflow_job_meta.errors import LakeflowJobMetaError
from lakeflow_job_meta.monitor.clock import Clock
from lakeflow_job_meta.monitor.events import Event, EventKind, EventSink, change_event, events_of
from lakeflow_job_meta.monitor.reconcile import (
    ChangedJob,
    MonitorConfig,
    MonitorContext,
    ReconcileResult,
    open_context,
    reconcile,
)
from lakeflow_job_meta.monitor.watcher import SourceVersions, source_message
from lakeflow_job_meta.sources.fingerprints import FileFingerprints
from lakeflow_job_meta.state.folder import state_folder
from lakeflow_job_meta.state.heartbeat import Heartbeat, read_heartbeat, write_heartbeat
from lakeflow_job_meta.state.history import HistoryEntry, MonitorState, Outcome, after
from lakeflow_job_meta.state.lock import deployment_lock
from lakeflow_job_meta.workspace.client import Workspace

FIRST_RETRY_SECONDS = 15.0
LAST_RETRY_SECONDS = 900.0
"""What failed is tried again after the first of these, twice that, and so on up to the last one. What was refused is
looked at again after the last: somebody may have allowed it elsewhere."""


@dataclass(frozen=True, slots=True)
class TickResult:
    """What one look came to.

    Attributes:
        outcome: `FAILED` if anything failed now.
        changed: The sources that had changed.
        jobs: The jobs that were made or changed.
        state: What is remembered now.
        failure: What failed; empty when nothing did.
        rows_loaded: Whether files of the volume changed the control table.
        retry_seconds: In how many seconds something is tried again without a change; None when nothing is.
    """

    moment: datetime
    outcome: Outcome
    changed: tuple[str, ...] = ()
    jobs: tuple[ChangedJob, ...] = ()
    state: MonitorState = field(default_factory=MonitorState)
    failure: str = ""
    rows_loaded: bool = False
    retry_seconds: float | None = None

    @property
    def is_healthy(self) -> bool:
        """Whether nothing is left for a person to do."""
        state = self.state
        return not (self.failure or state.failure or state.broken or state.errors or state.refused)


class Monitor:
    """Looks, and does what follows.

    Args:
        load: Loads the project; again before each piece of work, since its file may have changed.
        wishes: What is asked for.
        choose_way: How jobs get into the workspace.
        tell: Told what happens.
        workspace: Where tables and volumes are; by default the one of the environment.
        clock: For tests.

    Attributes:
        interval_seconds: After how long the next tick follows, for the sign of life; None when none does.
    """

    def __init__(
        self,
        load: Callable[[], Project],
        wishes: MonitorConfig,
        choose_way: Callable[[Project], DeployBackend],
        tell: EventSink,
        *,
        workspace: Workspace | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._load = load
        self._wishes = wishes
        self._choose_way = choose_way
        self._tell = tell
        self._workspace = workspace or Workspace()
        self._clock = clock or Clock()
        self._contents = FileFingerprints(self._clock.monotonic)
        self._site: MonitorContext | None = None
        self._last: HistoryEntry | None = None
        self._knows_last = False
        self._tried: SourceVersions | None = None
        self._retry_at: float | None = None
        self._failures = 0
        self._told_failure = ""
        self._unrecorded = ""
        self.interval_seconds: float | None = None

    @property
    def failures_in_a_row(self) -> int:
        """How many ticks have failed since one did not."""
        return self._failures

    def tick(self) -> TickResult:
        """Looks once, and does what follows; raises nothing for what may happen in operation."""
        try:
            tick = self._look()
        except LakeflowJobMetaError as error:
            tick = self._tick(Outcome.FAILED, failure=_told(error))
        return self._counted(tick)

    def say_goodbye(self) -> None:
        """Leaves a last sign of life, which says that no other is to be expected.

        Raises:
            OperationFailed: The disk refuses.
        """
        heartbeat = read_heartbeat(self._site.folder) if self._site is not None else None
        if self._site is not None and heartbeat is not None:
            write_heartbeat(self._site.folder, replace(heartbeat, interval_seconds=None))

    # one look

    def _look(self) -> TickResult:
        site = self._site or self._open()
        seen = site.watch.look()
        if not self._knows_last:
            self._remember(site.history.last())
        if not self._has_work(seen):
            return self._at_rest(seen)
        self._retry_at = None
        with deployment_lock(site.folder, on_wait=self._wait) as lock:
            return self._work(lock)

    def _work(self, lock: int) -> TickResult:
        """Does the work, unless somebody else has done it while the lock was waited for."""
        site = self._open()
        self._remember(site.history.last())
        seen = site.watch.look()
        if not self._has_work(seen):
            return self._at_rest(seen)
        last = self._last.state if self._last is not None else MonitorState()
        changed = seen.changed_since(last.tokens)
        if self._tried is None or seen.changed_since(self._tried.tokens):
            event = change_event(changed, is_first=self._last is None)
            if event is not None:
                self._tell(event)
        self._tried = seen
        began = self._clock.monotonic()
        try:
            done = reconcile(site, seen, last, lock, self._choose_way, self._say)
        except LakeflowJobMetaError as error:
            # Nothing is known to be deployed: what was remembered stays, so that the change is seen again.
            done = ReconcileResult(
                Outcome.FAILED, "", (), (), (), (), replace(last, jobs="", failure=_told(error)), False
            )
        for event in events_of(done, last):
            self._tell(event)
        self._record(site, done, self._clock.monotonic() - began)
        return replace(
            self._tick(done.outcome, failure=done.state.failure),
            changed=changed,
            jobs=done.jobs,
            rows_loaded=done.rows_loaded,
        )

    def _at_rest(self, seen: SourceVersions) -> TickResult:
        failure = "\n".join(source_message(source, error) for source, error in seen.errors.items())
        if failure:
            return self._tick(Outcome.FAILED, failure=failure)
        if not self._is_undone(seen):
            self._unrecorded = ""
        return self._tick(Outcome.IDLE, failure=self._unrecorded)

    def _has_work(self, seen: SourceVersions) -> bool:
        """Says whether there is something to do, and this is the time for it."""
        if not self._is_undone(seen):
            return False
        is_due = self._retry_at is None or self._clock.monotonic() >= self._retry_at
        return is_due or self._tried is None or bool(seen.changed_since(self._tried.tokens))

    def _is_undone(self, seen: SourceVersions) -> bool:
        last = self._last
        if last is None or seen.changed_since(last.state.tokens):
            return True
        if last.outcome is Outcome.PROPOSED and self._wishes.proposal is None:
            return True
        return bool(last.state.failure or last.state.refused)

    # what is remembered

    def _open(self) -> MonitorContext:
        project = self._load()
        folder = state_folder(project, self._wishes.target)
        self._site = open_context(project, folder, self._wishes, self._contents, self._workspace)
        return self._site

    def _remember(self, entry: HistoryEntry | None) -> None:
        self._last, self._knows_last = entry, True

    def _record(self, site: MonitorContext, done: ReconcileResult, seconds: float) -> None:
        """Writes the history, unless it would only repeat what the newest entry says.

        Raises:
            OperationFailed: It cannot be written; what was done is then done again, which changes nothing.
        """
        entry = HistoryEntry(
            self._wishes.target,
            after(self._clock.now(), self._last),
            seconds,
            done.metadata_version,
            done.outcome,
            len(done.created),
            len(done.changed),
            len(done.deleted),
            done.state,
        )
        if entry.repeats(self._last):
            return
        try:
            site.history.add(entry, self._last)
        except LakeflowJobMetaError as error:
            self._unrecorded = _told(error)
            raise
        self._remember(entry)
        self._unrecorded = ""

    # telling and counting

    def _tick(self, outcome: Outcome, *, failure: str = "") -> TickResult:
        state = self._last.state if self._last is not None else MonitorState()
        return TickResult(self._clock.now(), outcome, state=state, failure=failure)

    def _counted(self, tick: TickResult) -> TickResult:
        """Counts failures, says when to try again, and leaves a sign of life."""
        now = self._clock.monotonic()
        if tick.outcome is Outcome.FAILED:
            self._failures += 1
            # A source that stays away fails each look, and must not put off what waits for its time.
            self._retry_at = self._retry_at or now + self._delay()
        elif tick.outcome is not Outcome.IDLE:
            self._failures = 0
            self._retry_at = now + LAST_RETRY_SECONDS if tick.state.refused else None
        elif not (tick.failure or tick.state.failure):
            self._failures = 0
        try:
            self._leave_heartbeat(tick)
        except LakeflowJobMetaError as error:
            tick = replace(tick, failure="\n".join(filter(None, [tick.failure, str(error)])))
        self._tell_failure(tick)
        is_waiting = tick.failure or tick.state.failure or tick.state.refused
        return replace(tick, retry_seconds=max(self._retry_at - now, 0.0)) if self._retry_at and is_waiting else tick

    def _delay(self) -> float:
        """Returns how long to wait after a failure: longer each time, and never the same for two monitors."""
        longest = min(FIRST_RETRY_SECONDS * 2.0 ** min(self._failures - 1, 30), LAST_RETRY_SECONDS)
        return longest * random.uniform(0.5, 1.0)

    def _tell_failure(self, tick: TickResult) -> None:
        """Tells a failure once, and that it is over."""
        if tick.failure:
            if tick.failure != self._told_failure:
                self._tell(Event(EventKind.FAILED, tick.failure, {"failures_in_a_row": self._failures}))
            self._told_failure = tick.failure
        elif self._told_failure and not tick.state.failure:
            self._tell(Event(EventKind.HEALED, "What had failed works again.", {"failure": self._told_failure}))
            self._told_failure = ""

    def _leave_heartbeat(self, tick: TickResult) -> None:
        if self._site is not None:
            write_heartbeat(
                self._site.folder,
                Heartbeat(tick.moment, tick.outcome.value, tick.failure, self._failures, self.interval_seconds),
            )

    def _say(self, line: str) -> None:
        """Takes the progress of a deployment, which is of no interest afterwards."""

    def _wait(self, line: str) -> None:
        self._tell(Event(EventKind.WAITING, line))


def _told(error: LakeflowJobMetaError) -> str:
    return "\n".join([str(error.args[0]), *map(str, error.diagnostics)])
