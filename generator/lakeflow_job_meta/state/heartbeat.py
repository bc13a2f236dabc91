"""The heartbeat that a monitor writes with each tick into its state folder; for `ljm status` on the same machine."""

from __future__ import annotations

import os
import socket
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path

from lakeflow_job_meta.state.folder import read_record, write_record

_FILE = "monitor.json"


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
    """Writes it into the state folder of a target.

    Raises:
        OperationFailed: The disk refuses.
    """
    record = {**asdict(heartbeat), "moment": heartbeat.moment.isoformat(timespec="milliseconds")}
    # It is written every minute for months, and nothing depends on it: it need not survive a power failure.
    write_record(folder / _FILE, record, is_durable=False)


def read_heartbeat(folder: Path) -> Heartbeat | None:
    """Reads it; None where there is none that can be read."""
    record = read_record(folder / _FILE)
    interval = record.get("interval_seconds")
    try:
        return Heartbeat(
            datetime.fromisoformat(str(record["moment"])),
            str(record["outcome"]),
            str(record["failure"]),
            int(str(record["failures_in_a_row"])),
            float(interval) if isinstance(interval, (int, float)) else None,
            int(str(record["process"])),
            str(record["host"]),
        )
    except (KeyError, ValueError):
        return None
