"""What a monitor tells: one event for each thing that happens, once.

Data only: where events go (a log, a webhook) is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from lakeflow_job_meta._internal.text import count, listing
from lakeflow_job_meta._internal.trees import Value
from lakeflow_job_meta.monitor.reconcile import ReconcileResult
from lakeflow_job_meta.state.history import MonitorState, Outcome


class EventKind(str, Enum):
    """What kind of thing happened."""

    STARTED = "started"
    CHANGED = "changed"
    WAITING = "waiting"
    DEPLOYED = "deployed"
    UNCHANGED = "unchanged"
    PROPOSED = "proposed"
    REFUSED = "refused"
    QUARANTINED = "quarantined"
    FAILED = "failed"
    HEALED = "healed"
    UNDELIVERED = "undelivered"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened.

    Attributes:
        text: A sentence for people.
        details: The same for programs, as JSON has it.
    """

    kind: EventKind
    text: str
    details: Mapping[str, Value] = field(default_factory=dict)


EventSink = Callable[[Event], None]
"""Is told what happens."""


_MOST_TOLD = 50


def change_event(changed: Sequence[str], *, is_first: bool) -> Event | None:
    """Returns what is told before the work begins; None when nothing has changed and something is tried again."""
    if is_first:
        return Event(EventKind.CHANGED, "Nothing is known of an earlier deployment; everything is compared.")
    if not changed:
        return None
    return Event(EventKind.CHANGED, f"Changed: {', '.join(changed)}.", {"sources": list(changed)})


def events_of(done: ReconcileResult, before: MonitorState) -> Iterator[Event]:
    """Yields what a tick did, and what is new.

    Args:
        done: What the tick came to.
        before: What was remembered before it.
    """
    yield from _deed(done)
    state = done.state
    for refusal in state.refused:
        if refusal not in before.refused:
            yield Event(EventKind.REFUSED, refusal.reason, {"jobs": list(refusal.jobs)})
    fresh = [error for error in state.errors if error not in set(before.errors)]
    for error in fresh[:_MOST_TOLD]:
        yield Event(EventKind.QUARANTINED, error)
    if len(fresh) > _MOST_TOLD:
        yield Event(EventKind.QUARANTINED, f"And {len(fresh) - _MOST_TOLD} more; see `ljm status`.")
    healed = [name for name in before.broken if name not in set(state.broken)]
    if healed:
        text = f"{listing(healed)} {'is' if len(healed) == 1 else 'are'} without mistakes again, or gone."
        yield Event(EventKind.HEALED, text, {"modules": [*healed]})
    if before.refused and not state.refused:
        yield Event(EventKind.HEALED, "Nothing is refused any more.")


def _deed(done: ReconcileResult) -> Iterator[Event]:
    details: dict[str, Value] = {
        "metadata_version": done.metadata_version,
        "created": list(done.created),
        "changed": list(done.changed),
        "deleted": list(done.deleted),
    }
    words = f"{count(len(done.created), 'job')} created, {len(done.changed)} changed, {len(done.deleted)} deleted"
    if done.outcome is Outcome.PROPOSED:
        yield Event(EventKind.PROPOSED, f"Proposed: {words}.", details)
    elif done.created or done.changed or done.deleted or done.outcome is Outcome.DEPLOYED:
        yield Event(EventKind.DEPLOYED, f"Deployed: {words}.", details)
    elif done.outcome is Outcome.UNCHANGED:
        yield Event(EventKind.UNCHANGED, "The same jobs come out; nothing to deploy.", details)
