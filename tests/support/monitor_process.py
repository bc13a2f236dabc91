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
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from deltalake import DeltaTable

from fakes.databricks_cli import cli_environment, install_stand_in
from fakes.workspace import FakeWorkspace
from lakeflow_job_meta.control_table.schema import CONTROL_TABLE
from lakeflow_job_meta.state.history import History, HistoryEntry
from lakeflow_job_meta.state.store import HISTORY, JOBS
from lakeflow_job_meta.tables.delta import DeltaFiles
from support.in_process import started_in
from support.project_folder import ProjectFolder, Result
from support.table_editor import MISTAKES
from support.tables import row, write_table

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
        if is_now and where["until_file"]:
            time.sleep(60)  # the watch may come late on a busy machine
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

    def open_files(self) -> list[str]:
        """Returns the paths of the files that it has open."""
        with suppress(OSError):
            return [str(each.readlink()) for each in Path(f"/proc/{self.pid}/fd").iterdir()]
        return []

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
            self.stop(signal.SIGABRT)
            stderr = self._process.communicate()[1]
            raise AssertionError(f"The monitor still runs after {seconds} seconds: {stderr}") from None
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
        # A process that hangs is asked where.
        self.environment = {**kept, "DATABRICKS_CLI": str(command), "PYTHONFAULTHANDLER": "1"}
        self._running: list[Monitoring] = []

    # metadata

    @property
    def table(self) -> Path:
        return self.project.path / TABLE

    def newest_version(self) -> int:
        return DeltaTable(self.table).version()

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
        with started_in(self.project.path, self.environment):
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

    def cli_runs(self, command: str) -> bool:
        """Says whether the databricks CLI is at a command of bundles."""
        lines = [_command_line(pid) for pid in self.processes()]
        return any(["bundle", command] == line[index : index + 2] for line in lines for index in range(len(line)))

    def loop(self, ticks: Path, *, interval_seconds: float) -> Monitoring:
        """Starts a process that looks again and again, faster than the command line allows.

        Args:
            ticks: A file that gets a line of JSON for each tick, see `looping_monitor`.
            interval_seconds: From tick to tick.
        """
        program = [sys.executable, str(Path(__file__).parent / "looping_monitor.py")]
        process = subprocess.Popen(
            [*program, self.deployer, str(interval_seconds), str(ticks)],
            cwd=self.project.path,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        self._running.append(Monitoring(process))
        return self._running[-1]

    def edit_at_random(self, *, seed: int, seconds: float, pause_seconds: float = 0.1) -> int:
        """Has another process edit the control table for a while; returns how many edits it made."""
        program = [sys.executable, "-m", "support.table_editor"]
        done = subprocess.run(
            [*program, str(self.table), str(seed), str(seconds), str(pause_seconds)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=subprocess.PIPE,
            timeout=seconds + SECONDS,
            check=True,
            text=True,
        )
        return int(done.stdout)

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

    def history(self) -> list[HistoryEntry]:
        """Returns all that the monitor recorded, oldest first."""
        return History(self.records(HISTORY), "dev").newest(100_000)[::-1]

    def recorded_jobs(self) -> dict[str, int]:
        """Returns the recorded job ids by key."""
        return {row["bundle_key"]: row["job_id"] for row in self.records(JOBS).rows()}

    def records(self, layout: Any) -> DeltaFiles:
        return DeltaFiles(TABLE, layout, self.project.path)


def _all_processes() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()]


def _working_folder(pid: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/cwd").readlink())
    except OSError:
        return ""


def _command_line(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except OSError:
        return []


def module_rows(name: str, *notebooks: str, **columns: Any) -> list[dict[str, Any]]:
    """Returns the rows of a sound module whose tasks follow each other."""
    return [
        row(f"s{number}", name, execution_order=number, transformation_config={"notebook_path": notebook}, **columns)
        for number, notebook in enumerate(notebooks, 1)
    ]


def module_job(name: str, *notebooks: str) -> tuple[str, list[dict[str, Any]]]:
    """Returns the job of such a module, as `Estate.jobs` does."""
    return name, _tasks(module_rows(name, *notebooks))


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


def settle(estate: Estate) -> None:
    """Waits until the monitor has worked on the newest version of the table."""

    def is_settled() -> bool:
        entries = estate.history()
        token = entries[-1].state.tokens.get(TABLE, "") if entries else ""
        return token.startswith(f"{estate.newest_version()} of ")

    wait_for(is_settled, "the newest version to be deployed")


def jobs_that_follow(estate: Estate) -> list[tuple[str, list[dict[str, Any]]]]:
    """Returns what the jobs have to be: of each module as it was when the monitor last read it in good order."""
    jobs: dict[str, list[dict[str, Any]]] = {}
    for entry in estate.history():
        jobs.update(sound_jobs(estate, int(entry.metadata_version.removeprefix(f"{TABLE}@"))))
    return sorted(jobs.items())


def sound_jobs(estate: Estate, version: int) -> dict[str, list[dict[str, Any]]]:
    """Returns the tasks of each module without mistakes in one version of the table."""
    found = DeltaFiles(TABLE, CONTROL_TABLE, estate.project.path).read(version).rows
    rows = sorted(found, key=lambda row: (str(row["module_name"]), str(row["source_id"])))
    jobs = {}
    for name, members in groupby(rows, key=lambda row: str(row["module_name"])):
        sources = list(members)
        active = [source for source in sources if source["is_active"]]
        if active and not any(is_broken(source) for source in sources):
            jobs[name] = _tasks(active)
    return jobs


def is_broken(source: Mapping[str, Any]) -> bool:
    """Says whether a row has one of the mistakes that `table_editor` makes."""
    return source["transformation_config"] in MISTAKES or source["execution_order"] is None


def _tasks(sources: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    tasks: list[dict[str, Any]] = []
    for before, source in zip([None, *sources], sources, strict=False):
        waits = {"depends_on": [{"task_key": before["source_id"]}]} if before is not None else {}
        parameters = {"source_id": source["source_id"], "control_table": "main.etl.control"}
        notebook = json.loads(source["transformation_config"])["notebook_path"]
        block = {"notebook_path": notebook, "base_parameters": parameters}
        tasks.append({"task_key": source["source_id"], **waits, "notebook_task": block})
    return tasks
