"""What each tick of a monitor did, and what the newest one leaves for the next: the table `{control_table}_history`.

The newest row of a target is the monitor's whole memory, so that it survives the machine. Order comes from the rows,
not from the wall clock: each is dated later than the one before, also when the clock was moved back. Beside it there is
a heartbeat in the state folder, which each tick writes: for `ljm status` on the same machine.
"""

from __future__ import annotations

import json
import os
import socket
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta, timezone
from enum import Enum
from itertools import zip_longest
from pathlib import Path
from typing import Any

from lakeflow_job_meta.control_table.waiting import WaitingModule
from lakeflow_job_meta.errors import PolicyViolation
from lakeflow_job_meta.state.folder import read_record, write_record
from lakeflow_job_meta.tables.schema import Row, RowChanges
from lakeflow_job_meta.tables.store import TableStore

_HEARTBEAT = "monitor.json"
MOST_ERRORS = 1000
_LONGEST_ERROR = 500
_LONGEST_SUMMARY = 2000


class Outcome(str, Enum):
    """The result of a tick."""

    IDLE = "idle"
    DEPLOYED = "deployed"
    UNCHANGED = "unchanged"
    REFUSED = "refused"
    PROPOSED = "proposed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class MonitorState:
    """What one tick leaves for the next.

    Attributes:
        tokens: Of the metadata that was deployed last, by source.
        jobs: A digest of the jobs that were deployed last; empty while that is not certain.
        broken: Names of the modules in quarantine.
        errors: Their mistakes, as lines.
        refused: Changes that a person would have to allow.
        files: Of the volume that is loaded into the control table: what was loaded of each file, by path.
        failure: What failed; empty when nothing did.
        leaving: Keys of jobs that left the metadata, and are deleted by the next tick if they have not come back.
        warnings: What the databricks CLI warned of when it deployed last.
        owners: Of each of `errors`, which of `broken` it is in; empty where that is not known.
        waiting: The modules that wait for approval.
    """

    tokens: Mapping[str, str] = field(default_factory=dict)
    jobs: str = ""
    broken: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    refused: tuple[PolicyViolation, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    failure: str = ""
    leaving: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    waiting: tuple[WaitingModule, ...] = ()

    def mistakes(self) -> dict[str, tuple[str, ...]]:
        """Returns the mistakes by what they keep in quarantine; by an empty name those of which that is not known."""
        found: dict[str, list[str]] = {}
        for error, owner in zip_longest(self.errors, self.owners[: len(self.errors)], fillvalue=""):
            found.setdefault(owner, []).append(error)
        return {name: tuple(errors) for name, errors in found.items()}


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One tick that did something: how many jobs it created, changed and deleted, and what it leaves for the next.

    Attributes:
        changed_by: The users who have changed the tables of metadata since the entry before, with commas between them.
        git_commit: The commit that the files of metadata are of.
    """

    target: str
    started: datetime
    duration_seconds: float
    metadata_version: str
    outcome: Outcome
    created: int
    changed: int
    deleted: int
    state: MonitorState
    run_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    changed_by: str = ""
    git_commit: str = ""

    def repeats(self, before: HistoryEntry | None) -> bool:
        """Returns whether nothing happened that the entry before does not hold already."""
        is_quiet = not (self.created or self.changed or self.deleted)
        return before is not None and is_quiet and self.outcome is before.outcome and self.state == before.state

    def without_memory(self) -> HistoryEntry:
        """Returns the entry as it stays in the history: the tokens of thousands of files are of no use there."""
        return replace(self, state=replace(self.state, tokens={}, jobs="", files={}))

    def as_row(self) -> Row:
        state = self.state
        refused = [
            {"jobs": list(refusal.jobs), "reason": refusal.reason, "remedy": refusal.remedy}
            for refusal in state.refused
        ]
        return {
            "run_id": self.run_id,
            "target": self.target,
            "started_timestamp": self.started,
            "duration_seconds": round(self.duration_seconds, 3),
            "metadata_version": self.metadata_version,
            "outcome": self.outcome.value,
            "created": self.created,
            "changed": self.changed,
            "deleted": self.deleted,
            "refused": len({job for refusal in state.refused for job in refusal.jobs}),
            "quarantined": len(state.broken),
            "error": "\n".join(filter(None, [state.failure, *state.errors[:20]]))[:_LONGEST_SUMMARY] or None,
            "details": json.dumps(asdict(state) | {"refused": refused}, ensure_ascii=False),
            "changed_by": self.changed_by or None,
            "git_commit": self.git_commit or None,
        }


def shortened(errors: Sequence[str]) -> tuple[str, ...]:
    """Returns errors as they are remembered: not too many, none too long."""
    return tuple(error[:_LONGEST_ERROR] for error in errors[:MOST_ERRORS])


def entry_of_row(row: Row) -> HistoryEntry:
    """Reads one row; details that cannot be read are as if nothing were remembered, so that all is done again."""
    moment, duration = row["started_timestamp"], row["duration_seconds"]
    try:
        outcome = Outcome(str(row["outcome"]))
    except ValueError:
        outcome = Outcome.FAILED
    return HistoryEntry(
        str(row["target"]),
        moment if isinstance(moment, datetime) else datetime.fromtimestamp(0, timezone.utc),
        duration if isinstance(duration, float) else 0.0,
        str(row["metadata_version"] or ""),
        outcome,
        _count(row["created"]),
        _count(row["changed"]),
        _count(row["deleted"]),
        _state(row["details"]),
        str(row["run_id"]),
        str(row["changed_by"] or ""),
        str(row["git_commit"] or ""),
    )


def _count(value: object) -> int:
    return value if isinstance(value, int) else 0


def _state(text: object) -> MonitorState:
    try:
        root = json.loads(str(text))
        return MonitorState(
            _texts(root["tokens"]),
            str(root["jobs"]),
            _list(root["broken"]),
            _list(root["errors"]),
            tuple(_refusal(str(each["reason"]), str(each.get("remedy", "")), each["jobs"]) for each in root["refused"]),
            _texts(root["files"]),
            str(root["failure"]),
            _list(root.get("leaving", ())),
            _list(root.get("warnings", ())),
            _list(root.get("owners", ())),
            tuple(map(_waiting, root.get("waiting", ()))),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return MonitorState()


def _waiting(entry: Mapping[str, Any]) -> WaitingModule:
    approved = entry["approved"]
    return WaitingModule(
        str(entry["table"]),
        str(entry["module"]),
        int(entry["version"]),
        None if approved is None else int(approved),
        _list(entry["authors"]),
        entry["is_gone"] is True,
        _list(entry["objections"]),
        str(entry["digest"]),
    )


def _refusal(reason: str, remedy: str, jobs: Sequence[object]) -> PolicyViolation:
    is_end = bool(remedy) and reason.endswith(f" {remedy}")
    sentence, remedy = (reason[: -len(remedy) - 1], remedy) if is_end else (reason, "")
    return PolicyViolation(sentence, remedy, _list(jobs))


def _texts(value: Mapping[str, object]) -> dict[str, str]:
    return {str(key): str(text) for key, text in value.items()}


def _list(value: Sequence[object]) -> tuple[str, ...]:
    return tuple(map(str, value))


@dataclass(frozen=True, slots=True)
class History:
    """The history of one target; what is read and written raises OperationFailed where that cannot be done."""

    store: TableStore
    target: str

    @property
    def name(self) -> str:
        return self.store.name

    def newest(self, limit: int) -> list[HistoryEntry]:
        """Returns the newest entries, newest first."""
        return [entry_of_row(row) for row in self.store.newest(limit, {"target": self.target})]

    def last(self) -> HistoryEntry | None:
        return next(iter(self.newest(1)), None)

    def add(self, entry: HistoryEntry, before: HistoryEntry | None) -> None:
        """Writes an entry, and takes from the one before what only the newest has to remember, in one commit."""
        old = [before.without_memory().as_row()] if before is not None else []
        self.store.write(RowChanges([entry.as_row(), *old]))


def after(moment: datetime, last: HistoryEntry | None) -> datetime:
    """Returns the moment for a new entry, to the millisecond and later than the last one's."""
    cut = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    return cut if last is None else max(cut, last.started + timedelta(milliseconds=1))


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The newest tick of a monitor.

    Attributes:
        moment: When it ended, by the wall clock.
        outcome: Its result.
        failure: What failed; empty when nothing did.
        failures_in_a_row: How many ticks have failed since one did not.
        interval_seconds: After how long the next one follows; None when none does.
        process: The number of the monitor's process, on `host`; by default this one.
    """

    moment: datetime
    outcome: str
    failure: str
    failures_in_a_row: int
    interval_seconds: float | None
    process: int = field(default_factory=os.getpid)
    host: str = field(default_factory=socket.gethostname)


def write_heartbeat(folder: Path, heartbeat: Heartbeat) -> None:
    """Writes it into the state folder of a target; raises OperationFailed where the disk refuses."""
    record = {**asdict(heartbeat), "moment": heartbeat.moment.isoformat(timespec="milliseconds")}
    # It is written every minute for months, and nothing depends on it: it need not survive a power failure.
    write_record(folder / _HEARTBEAT, record, is_durable=False)


def read_heartbeat(folder: Path) -> Heartbeat | None:
    """Reads it; None where there is none that can be read."""
    record = read_record(folder / _HEARTBEAT)
    interval = record.get("interval_seconds")
    try:
        return Heartbeat(
            datetime.fromisoformat(str(record["moment"])).astimezone(timezone.utc),
            str(record["outcome"]),
            str(record["failure"]),
            int(str(record["failures_in_a_row"])),
            float(interval) if isinstance(interval, (int, float)) else None,
            int(str(record["process"])),
            str(record["host"]),
        )
    except (KeyError, ValueError, OverflowError, RecursionError):
        return None
