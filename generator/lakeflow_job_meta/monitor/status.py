"""The health of a monitor: what it did last, and what is left for a person to do.

Read from the history, and from the heartbeat where the monitor runs on this machine. Changes nothing.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from lakeflow_job_meta._internal.parallel import is_running
from lakeflow_job_meta.deployment.policy import left_behind
from lakeflow_job_meta.errors import PolicyViolation
from lakeflow_job_meta.state.history import Heartbeat, History, HistoryEntry, MonitorState, Outcome, read_heartbeat
from lakeflow_job_meta.state.tracking import read_left_behind

_MOST_ENTRIES = 100
_PATIENCE_SECONDS = 900.0
"""A deployment may take so long, and no tick ends before it has."""


@dataclass(frozen=True, slots=True)
class Health:
    """The health of the monitor of a target.

    Attributes:
        deployment: The newest entry of the history in which jobs were deployed.
        absence: Why no monitor seems to run; empty when one does.
        left_behind: Jobs that the last deployment from this machine found, and nothing deletes.
    """

    target: str
    last: HistoryEntry | None
    deployment: HistoryEntry | None
    heartbeat: Heartbeat | None
    absence: str
    left_behind: tuple[PolicyViolation, ...] = ()

    @property
    def refused(self) -> tuple[PolicyViolation, ...]:
        """What is left for a person to allow or to do."""
        return tuple(dict.fromkeys([*self.state.refused, *self.left_behind]))

    @property
    def state(self) -> MonitorState:
        return self.last.state if self.last is not None else MonitorState()

    @property
    def failures(self) -> list[str]:
        """What failed last, a line each."""
        newest = self.heartbeat.failure if self.heartbeat is not None else ""
        return list(dict.fromkeys(line for text in (self.state.failure, newest) for line in text.split("\n") if line))

    @property
    def is_healthy(self) -> bool:
        """Whether a monitor runs, and nothing is left for a person to do."""
        state = self.state
        return not (self.absence or self.failures or state.broken or state.errors or self.refused)


def health_of(history: History, folder: Path, target: str, now: datetime) -> Health:
    """Returns the health of the monitor of a target, whose state folder on this machine is `folder`."""
    entries = history.newest(_MOST_ENTRIES)
    heartbeat = read_heartbeat(folder)
    deployments = (entry for entry in entries if _has_deployed(entry))
    absence = "; ".join(_absences(entries, heartbeat, now))
    left = tuple(map(left_behind, read_left_behind(folder)))
    return Health(target, next(iter(entries), None), next(deployments, None), heartbeat, absence, left)


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
