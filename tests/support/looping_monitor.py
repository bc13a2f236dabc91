"""A monitor of the project in the working folder that looks as often as one likes, and notes each tick.

    python looping_monitor.py DEPLOYER INTERVAL_SECONDS TICKS

Each tick is a line of JSON in the file TICKS: what it came to, how long it took, and what the process holds after it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from lakeflow_job_meta.cli.run import end_like_ctrl_c
from lakeflow_job_meta.config.load import load_project
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.deployment.backend import DeployBackend
from lakeflow_job_meta.deployment.select_backend import BackendName, select_backend
from lakeflow_job_meta.monitor.events import Event, TickResult
from lakeflow_job_meta.monitor.loop import LoopOptions, run_loop
from lakeflow_job_meta.monitor.monitor import Monitor
from lakeflow_job_meta.monitor.reconcile import MonitorConfig
from lakeflow_job_meta.workspace.client import Workspace

TARGET = "dev"


class TimedMonitor(Monitor):
    """A monitor that knows how long its last tick took."""

    seconds = 0.0

    def tick(self) -> TickResult:
        began = time.perf_counter()
        try:
            return super().tick()
        finally:
            self.seconds = time.perf_counter() - began


def memory_kilobytes() -> int:
    """Returns the memory that this process has in use."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


def children() -> int:
    """Returns how many child processes this process has."""
    tasks = Path("/proc/self/task").iterdir()
    return sum(len((task / "children").read_text().split()) for task in tasks)


def main(deployer: BackendName, interval_seconds: float, ticks: Path) -> None:
    workspace = Workspace()

    def select(project: Project) -> DeployBackend:
        return select_backend(project, TARGET, workspace, deployer, on_fallback=print)

    def load() -> Project:
        return load_project(Path())

    def tell(event: Event) -> None:
        print(event.kind.value, event.text, file=sys.stderr)

    monitor = TimedMonitor(load, MonitorConfig(TARGET), select, tell, workspace=workspace)
    end_like_ctrl_c()
    with ticks.open("a", encoding="utf-8", buffering=1) as file:

        def note(tick: TickResult) -> None:
            record = {
                "outcome": tick.outcome.value,
                "failure": tick.failure,
                "seconds": monitor.seconds,
                "memory": memory_kilobytes(),
                "files": len(os.listdir("/proc/self/fd")),  # noqa: PTH208 - cheaper, and done after each tick
                "children": children(),
            }
            file.write(json.dumps(record) + "\n")

        run_loop(monitor, LoopOptions(interval_seconds), tell, on_tick=note)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), Path(sys.argv[3]))
