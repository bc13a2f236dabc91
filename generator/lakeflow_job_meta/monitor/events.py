"""What a monitor tells: one event for each thing that happens, once.

Data only: where events go (a log, a webhook) is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from lakeflow_job_meta.values import Value


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


Tell = Callable[[Event], None]
"""Is told what happens."""
