"""What a monitor did: the result of one tick, and its events, one for each thing that happens, once.

Data only: where events go (a log, a webhook) is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from enum import Enum

from lakeflow_job_meta._internal.secrets import without_secrets
from lakeflow_job_meta._internal.text import count, listing
from lakeflow_job_meta._internal.trees import Value
from lakeflow_job_meta.deployment.result import DeployResult
from lakeflow_job_meta.errors import PolicyViolation
from lakeflow_job_meta.output.changes import Change, FileChanges
from lakeflow_job_meta.planning.model import Action
from lakeflow_job_meta.planning.waiting_lines import waiting_sentence
from lakeflow_job_meta.state.history import MonitorState, Outcome


@dataclass(frozen=True, slots=True)
class ChangedJob:
    """A job that a tick created or changed."""

    module: str
    job_id: int


@dataclass(frozen=True, slots=True)
class TickResult:
    """What one tick did; a failure overrides the outcome.

    Attributes:
        state: What is remembered now.
        created: The keys of the jobs that were created; `changed` and `deleted` likewise.
        jobs: Those that were created or changed.
        rows_loaded: Whether files of the volume changed the control table.
        retry_seconds: In how many seconds something is tried again without a change; None when nothing is.
        notices: What a person should know although nothing is wrong.
    """

    outcome: Outcome
    state: MonitorState
    failure: str = ""
    created: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    jobs: tuple[ChangedJob, ...] = ()
    metadata_version: str = ""
    changed_sources: tuple[str, ...] = ()
    rows_loaded: bool = False
    moment: datetime = field(default_factory=lambda: datetime.now(timezone.utc))
    retry_seconds: float | None = None
    notices: tuple[str, ...] = ()

    @classmethod
    def ended(cls, outcome: Outcome, state: MonitorState) -> TickResult:
        return cls(Outcome.FAILED if state.failure else outcome, state, state.failure)

    @classmethod
    def proposed(cls, state: MonitorState, changes: FileChanges) -> TickResult:
        created, changed, deleted = (changes.job_keys(kind) for kind in Change)
        return replace(cls.ended(Outcome.PROPOSED, state), created=created, changed=changed, deleted=deleted)

    @classmethod
    def deployed(cls, state: MonitorState, result: DeployResult) -> TickResult:
        """The deployment ended, perhaps in part; unless nothing was to be deployed."""
        if not result.was_needed:
            return cls.ended(Outcome.REFUSED if state.refused else Outcome.UNCHANGED, state)
        created, touched = tuple(result.done.jobs(Action.CREATE)), result.changed
        return replace(
            cls.ended(Outcome.DEPLOYED, state),
            created=created,
            changed=tuple(key for key in touched if key not in created),
            deleted=tuple(result.done.jobs(Action.DELETE)),
            jobs=tuple(ChangedJob(job.module_name, job.job_id) for job in result.jobs if job.bundle_key in touched),
            notices=(*result.notices, *_first_paused(result)),
        )

    def without_secrets(self) -> TickResult:
        """Returns the same, with nothing in its texts that looks like a secret: they go to logs, tables and chats."""
        state = self.state
        refused = tuple(
            PolicyViolation(without_secrets(each.sentence), without_secrets(each.remedy), each.jobs)
            for each in state.refused
        )
        errors, failure = tuple(map(without_secrets, state.errors)), without_secrets(state.failure)
        warnings = tuple(map(without_secrets, state.warnings))
        state = replace(state, errors=errors, failure=failure, refused=refused, warnings=warnings)
        return replace(self, state=state, failure=without_secrets(self.failure))

    @property
    def problems(self) -> str:
        """What is left for a person to do, a line each; empty where nothing is."""
        state = self.state
        refused = (refusal.reason for refusal in state.refused)
        broken = () if state.errors else state.broken
        return "\n".join(dict.fromkeys(filter(None, [self.failure, state.failure, *state.errors, *refused, *broken])))

    @property
    def is_healthy(self) -> bool:
        """Whether nothing is left for a person to do."""
        return not self.problems


def _first_paused(result: DeployResult) -> Iterator[str]:
    if paused := result.done.first_paused:
        yield f"Created paused, until `ljm unpause`: {listing(paused)}."


class EventKind(str, Enum):
    """What happened."""

    STARTED = "started"
    CHANGED = "changed"
    WAITING = "waiting"
    DEPLOYED = "deployed"
    UNCHANGED = "unchanged"
    PROPOSED = "proposed"
    REFUSED = "refused"
    QUARANTINED = "quarantined"
    APPROVAL = "approval"
    NOTICE = "notice"
    FAILED = "failed"
    RESOLVED = "healed"
    UNDELIVERED = "undelivered"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened: a sentence for people, and details as JSON has them."""

    kind: EventKind
    text: str
    details: Mapping[str, Value] = field(default_factory=dict)


EventSink = Callable[[Event], None]

_MOST_REPORTED = 50


def change_events(changed: Sequence[str], *, is_first: bool) -> Iterator[Event]:
    """Yields the event of a reconciliation that begins; none when nothing has changed and something is tried again."""
    if is_first:
        yield Event(EventKind.CHANGED, "Nothing is known of an earlier deployment; everything is compared.")
    elif changed:
        yield Event(EventKind.CHANGED, f"Changed: {', '.join(changed)}.", {"sources": list(changed)})


def events_of(tick: TickResult, before: MonitorState, target: str) -> Iterator[Event]:
    """Yields what a tick for a target did, what is new, and what is resolved since the state `before` it."""
    state = tick.state
    for notice in (*tick.notices, *(warning for warning in state.warnings if warning not in before.warnings)):
        yield Event(EventKind.NOTICE, notice)
    yield from _changes(tick)
    for refusal in state.refused:
        if refusal not in before.refused:
            yield Event(EventKind.REFUSED, refusal.reason, {"jobs": list(refusal.jobs)})
    if leaving := [key for key in state.leaving if key not in before.leaving]:
        text = f"{listing(leaving)} left the metadata; deleted by the next tick unless it comes back."
        yield Event(EventKind.WAITING, text, {"jobs": [*leaving]})
    known = {(each.table, each.module, each.digest) for each in before.waiting}
    if waiting := [each for each in state.waiting if (each.table, each.module, each.digest) not in known]:
        modules: Value = [each.module for each in waiting]
        yield Event(EventKind.APPROVAL, waiting_sentence(waiting, target), {"modules": modules})
    known_errors, still_broken = set(before.errors), set(state.broken)
    fresh = [error for error in state.errors if error not in known_errors]
    for error in fresh[:_MOST_REPORTED]:
        yield Event(EventKind.QUARANTINED, error)
    if len(fresh) > _MOST_REPORTED:
        yield Event(EventKind.QUARANTINED, f"And {len(fresh) - _MOST_REPORTED} more; see `ljm status`.")
    resolved = [name for name in before.broken if name not in still_broken]
    if resolved:
        text = f"{listing(resolved)} {'is' if len(resolved) == 1 else 'are'} without mistakes again, or gone."
        yield Event(EventKind.RESOLVED, text, {"modules": [*resolved]})
    if before.refused and not state.refused:
        yield Event(EventKind.RESOLVED, "Nothing is refused any more.")


def _changes(tick: TickResult) -> Iterator[Event]:
    details: dict[str, Value] = {
        "metadata_version": tick.metadata_version,
        "created": list(tick.created),
        "changed": list(tick.changed),
        "deleted": list(tick.deleted),
    }
    jobs = f"{count(len(tick.created), 'job')} created, {len(tick.changed)} changed, {len(tick.deleted)} deleted"
    if tick.outcome is Outcome.PROPOSED:
        yield Event(EventKind.PROPOSED, f"Proposed: {jobs}.", details)
    elif tick.created or tick.changed or tick.deleted or tick.outcome is Outcome.DEPLOYED:
        yield Event(EventKind.DEPLOYED, f"Deployed: {jobs}.", details)
    elif tick.outcome is Outcome.UNCHANGED:
        yield Event(EventKind.UNCHANGED, "The same jobs come out; nothing to deploy.", details)
