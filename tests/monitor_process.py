"""`ljm monitor` as a process that a test kills or stops, on a Delta table and a fake workspace.

`Estate` is all of it; `Interruption` says where the process meets its end.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

from cli import cli_environment, install_stand_in
from lakeflow_job_meta.deployment.layouts import HISTORY, JOBS
from lakeflow_job_meta.monitor.history import Entry, History
from lakeflow_job_meta.tables.delta_records import DeltaRecords
from project_folder import ProjectFolder, Result
from tables import row, write_table
from workspace import FakeWorkspace

SECONDS = 60.0
"""For whatever must come, on a busy machine."""

TABLE = "data/control"

DRIVER = """
import importlib, json, os, signal, sys, threading, time
from pathlib import Path

where = json.loads(sys.argv[1])
sys.argv = ["ljm", *sys.argv[2:]]


def end():
    if where["stays_at"]:
        Path(where["stays_at"]).touch()
        time.sleep(600)
    elif where["until_file"]:
        folder = Path("data", where["until_file"])
        before = {*folder.glob("*.parquet")}

        def watch():
            while {*folder.glob("*.parquet")} <= before:
                pass
            os.kill(os.getpid(), signal.SIGKILL)

        threading.Thread(target=watch, daemon=True).start()
    else:
        os.kill(os.getpid(), signal.SIGKILL)


def interrupt(place):
    module, _, dotted = place.partition(":")
    *above, name = dotted.split(".")
    owner = importlib.import_module(module)
    for part in above:
        owner = getattr(owner, part)
    original, calls = getattr(owner, name), []

    def interrupted(*arguments, **named):
        is_meant = not where["given"] or where["given"] in repr(arguments)
        calls.extend([None] * is_meant)
        is_now = is_meant and len(calls) == where["call"]
        if is_now and not where["after"]:
            end()
        result = original(*arguments, **named)
        if is_now and where["after"]:
            end()
        return result

    setattr(owner, name, interrupted)


interrupt(where["place"])
from lakeflow_job_meta.cli.main import main
main()
"""
"""Runs the command line with one function of the package that ends the process, or stays for ever."""


@dataclass(frozen=True)
class Interruption:
    """Where a process ends: before or after one call of one function of the package.

    Attributes:
        place: The function, as `module:name`, where it is looked up.
        after: Whether it ends when the function has returned.
        call: At which call.
        given: Only calls count whose arguments show this text.
        until_file: Ends during the call: as soon as this table beside the control table has a new file of rows.
        stays_at: Does not end but stays for ever, and makes this file.
    """

    place: str
    after: bool = False
    call: int = 1
    given: str = ""
    until_file: str = ""
    stays_at: str = ""


class Monitoring:
    """A running `ljm monitor`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self, how: signal.Signals) -> None:
        self._process.send_signal(how)

    def end(self, seconds: float = SECONDS) -> Result:
        """Waits for its end.

        Raises:
            AssertionError: It does not come in time.
        """
        try:
            stdout, stderr = self._process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"The monitor still runs after {seconds} seconds.") from None
        assert "Traceback" not in stderr, stderr
        return Result(self._process.returncode, stdout, stderr)

    def discard(self) -> None:
        """Ends it if the test did not."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()


class Estate:
    """A project that reads a Delta table, a workspace, and a way to deploy.

    Attributes:
        deployer: `cli` with the stand-in, or `jobs-api`.
        environment: What `ljm monitor` needs to find the workspace and the CLI.
    """

    def __init__(self, folder: Path, workspace: FakeWorkspace, deployer: str) -> None:
        self.project = ProjectFolder(folder / "project")
        self.project.write("job_meta.yml", f"metadata: [{{delta: {TABLE}}}]\ncontrol_table: main.etl.control\n")
        self.workspace = workspace
        self.deployer = deployer
        command = install_stand_in(folder / "bin")
        environment = cli_environment(workspace.url, workspace.token, folder / "cli")
        kept = {name: value for name, value in environment.items() if name not in ("HTTP_PROXY", "HTTPS_PROXY")}
        self.environment = {**kept, "DATABRICKS_CLI": str(command)}
        self._running: list[Monitoring] = []

    # metadata

    @property
    def table(self) -> Path:
        return self.project.path / TABLE

    def says(self, *rows: dict[str, Any]) -> None:
        """Makes these the rows of the control table."""
        write_table(self.table, rows)

    # running

    def arguments(self, *more: str) -> list[str]:
        return ["monitor", "-t", "dev", "--deployer", self.deployer, *more]

    def start(self, *more: str, at: Interruption | None = None, **environment: str) -> Monitoring:
        """Starts `ljm monitor` as a process, which meets its end at the interruption."""
        how = ["-m", "lakeflow_job_meta"] if at is None else ["-c", DRIVER, json.dumps(asdict(at))]
        process = subprocess.Popen(
            [sys.executable, *how, *self.arguments(*more)],
            cwd=self.project.path,
            env={**self.environment, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        self._running.append(Monitoring(process))
        return self._running[-1]

    def kill(self, at: Interruption, **environment: str) -> None:
        """Runs the monitor until it is killed there."""
        result = self.start("--once", at=at, **environment).end()
        assert result.exit_code == -signal.SIGKILL, f"It was not killed: {result}"

    def once(self, *more: str) -> Result:
        """Runs `ljm monitor --once`, in this process."""
        with pytest.MonkeyPatch.context() as patch, _signals_as_they_are():
            for name in [name for name in os.environ if name.startswith(("DATABRICKS_", "LJM_"))]:
                patch.delenv(name)
            for name in [name for name in self.environment if name.startswith("DATABRICKS_")]:
                patch.setenv(name, self.environment[name])
            return self.project.ljm(*self.arguments("--once", *more))

    def discard(self) -> None:
        """Ends what is left of the processes, by their numbers."""
        for monitoring in self._running:
            monitoring.discard()
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)

    def processes(self) -> list[int]:
        """Returns the numbers of all processes that work in the project's folder."""
        folder = str(self.project.path.resolve())
        return [pid for pid in _all_processes() if _working_folder(pid) == folder]

    # what came out

    @property
    def changes(self) -> Counter[str]:
        return self.workspace.jobs.changes

    def forget(self) -> None:
        """Counts writes from here."""
        self.workspace.jobs.writes.clear()
        self.workspace.requests.clear()

    def jobs(self) -> list[tuple[str, list[dict[str, Any]]]]:
        """Returns name and tasks of every job in the workspace, by name; a job that is there twice is here twice."""
        found = [(job.name, job.settings["tasks"]) for job in self.workspace.jobs.all()]
        return sorted(found, key=lambda job: job[0])

    def history(self) -> list[Entry]:
        """Returns all that the monitor recorded, oldest first."""
        return History(self.records(HISTORY), "dev").newest(100_000)[::-1]

    def recorded_jobs(self) -> dict[str, int]:
        """Returns the recorded job ids by key."""
        return {row["bundle_key"]: row["job_id"] for row in self.records(JOBS).rows()}

    def records(self, layout: Any) -> DeltaRecords:
        return DeltaRecords(TABLE, layout, self.project.path)


@contextmanager
def _signals_as_they_are() -> Iterator[None]:
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, handler)


def _all_processes() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()]


def _working_folder(pid: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/cwd").readlink())
    except OSError:
        return ""


def module_rows(name: str, *notebooks: str, **columns: Any) -> list[dict[str, Any]]:
    """Returns the rows of a sound module whose tasks follow each other."""
    return [
        row(f"s{number}", name, execution_order=number, transformation_config={"notebook_path": notebook}, **columns)
        for number, notebook in enumerate(notebooks, 1)
    ]


def module_job(name: str, *notebooks: str) -> tuple[str, list[dict[str, Any]]]:
    """Returns the job of such a module, as `Estate.jobs` does."""
    tasks: list[dict[str, Any]] = []
    for number, notebook in enumerate(notebooks, 1):
        waits = {"depends_on": [{"task_key": f"s{number - 1}"}]} if number > 1 else {}
        parameters = {"source_id": f"s{number}", "control_table": "main.etl.control"}
        block = {"notebook_path": notebook, "base_parameters": parameters}
        tasks.append({"task_key": f"s{number}", **waits, "notebook_task": block})
    return name, tasks


def wait_for(is_so: Callable[[], object], what: str, seconds: float = SECONDS) -> None:
    """Waits until something is so.

    Raises:
        AssertionError: It does not come in time.
    """
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, f"Waited {seconds} seconds for {what}."
        time.sleep(0.02)


def flat(lists: Iterable[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Returns the rows of several modules."""
    return [item for each in lists for item in each]
