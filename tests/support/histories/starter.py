"""Starts commands as processes of their own within milliseconds, and has each end, or stand still, at any of its steps.

This file is also the program of the one process that has imported everything, and makes a copy of itself for each
command. A step is a request, a change of a file of the project, the start of the databricks CLI, or the first wait for
it: the same command takes the same steps each time.
"""

from __future__ import annotations

import importlib
import json
import mmap
import os
import pkgutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType
from typing import Any

KILL, TERM, STOP = "SIGKILL", "SIGTERM", "SIGSTOP"
ENDS = (KILL, TERM)

_CHANGES = frozenset({"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate"})
_REQUEST, _CLI, _OPEN = "http.client.send", "subprocess.Popen", "open"
_LONGEST_SLEEP = 0.03
"""Seconds; whoever waits for longer waits for this test's sake."""


@dataclass(frozen=True)
class Interruption:
    """What happens to a process at one of its steps, which count from 1; a process of fewer steps comes to its end."""

    how: str
    step: int


@dataclass(frozen=True)
class Command:
    """What is run, where.

    Attributes:
        program: `ljm`, or `deploy` through the Jobs API by the function of the package.
        root: Changes of files below it are steps.
    """

    program: str
    arguments: Sequence[Any]
    folder: str
    environment: Mapping[str, str]
    root: str
    at: Interruption | None = None


@dataclass(frozen=True)
class Ended:
    """What a command came to; the exit code is negative where a signal ended it."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def was_killed(self) -> bool:
        return self.exit_code < 0


class Starter:
    """The process that commands are copies of.

    Attributes:
        clock: How many seconds the wall clock of each command is ahead.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._clock = folder, folder / "clock"
        self._number, self._ahead = 0, 0.0
        self._clock.write_bytes(struct.pack("d", 0.0))

    def __enter__(self) -> Starter:
        program = [sys.executable, __file__, str(self._clock)]
        self._process = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()

    @property
    def clock(self) -> float:
        return self._ahead

    @clock.setter
    def clock(self, seconds: float) -> None:
        self._ahead = seconds
        with self._clock.open("r+b") as file:
            file.write(struct.pack("d", seconds))

    def start(self, command: Command) -> Ended | Standing:
        """Runs a command until it ends or stands still."""
        self._number += 1
        out = self._folder / f"out{self._number}"
        return self._ask({"start": asdict(command), "out": str(out)}, out)

    def go_on(self, standing: Standing) -> Ended:
        """Runs to its end what stands still."""
        ended = self._ask({"continue": standing.pid}, standing.out)
        assert isinstance(ended, Ended)
        return ended

    def _ask(self, request: dict[str, Any], out: Path) -> Ended | Standing:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if "stands" in answer:
            return Standing(answer["stands"], out)
        texts = [Path(f"{out}.{name}") for name in ("stdout", "stderr")]
        ended = Ended(answer["ended"], *(path.read_text("utf-8", "backslashreplace") for path in texts))
        for path in texts:
            path.unlink()
        return ended


@dataclass(frozen=True)
class Standing:
    """A process that stands still in the middle."""

    pid: int
    out: Path


# The program.


class _Steps:
    """Counts the steps of this process, and does at one of them what is to be done."""

    def __init__(self, root: str, at: dict[str, Any] | None) -> None:
        self._root, self._left = root, at["step"] if at else 0
        self._signal = signal.Signals[at["how"]] if at else signal.SIGKILL
        self._has_started_cli = False

    def on_event(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == _CLI:
            self._has_started_cli = True
        if event in (_CLI, _REQUEST) or (self._is_inside(arguments) and self._is_change(event, arguments)):
            self._step()

    def on_sleep(self) -> None:
        if self._has_started_cli:
            self._has_started_cli = False
            if self._signal is not signal.SIGSTOP:  # the CLI would go on
                self._step()

    def _step(self) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), self._signal)

    def _is_inside(self, arguments: tuple[Any, ...]) -> bool:
        return bool(arguments) and str(arguments[0]).startswith(self._root)

    def _is_change(self, event: str, arguments: tuple[Any, ...]) -> bool:
        return event in _CHANGES or (event == _OPEN and bool(arguments[2] & (os.O_WRONLY | os.O_RDWR)))


class _Clock:
    """The clocks of a command: waits are short, and the wall clock is as far ahead as a file says."""

    def __init__(self, path: str) -> None:
        with Path(path).open("r+b") as file:
            self._ahead = mmap.mmap(file.fileno(), 8)
        self._sleep, self._time = time.sleep, time.time
        self.steps = _Steps("", None)
        time.sleep, time.time = self.sleep, self.time

    def sleep(self, seconds: float) -> None:
        self.steps.on_sleep()
        self._sleep(min(seconds, _LONGEST_SLEEP))

    def time(self) -> float:
        return float(self._time() + struct.unpack("d", self._ahead[:8])[0])

    def move_that_of_monitors(self) -> None:
        clock = self

        class Datetime(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
                return datetime.fromtimestamp(clock.time(), tz or timezone.utc)

        from lakeflow_job_meta.deployment.databricks_cli import own_lock
        from lakeflow_job_meta.monitor import retry

        for module in (own_lock, retry):
            module.datetime = Datetime  # type: ignore[attr-defined]


def _serve(clock: _Clock) -> None:
    _import_everything()
    clock.move_that_of_monitors()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for line in sys.stdin:
        request = json.loads(line)
        if "continue" in request:
            pid = request["continue"]
            os.kill(pid, signal.SIGCONT)
        else:
            pid = os.fork()
            if pid == 0:
                _become(request["start"], request["out"], clock)
        _, status = os.waitpid(pid, os.WUNTRACED)
        answer = {"stands": pid} if os.WIFSTOPPED(status) else {"ended": os.waitstatus_to_exitcode(status)}
        print(json.dumps(answer), flush=True)


def _import_everything() -> None:
    """Imports all of the package besides what it works with: functions import what they need when they are called."""
    import lakeflow_job_meta

    ours = (each.name for each in pkgutil.walk_packages(lakeflow_job_meta.__path__, "lakeflow_job_meta."))
    for name in ("databricks.sdk", "deltalake", *ours):
        if not name.endswith(".__main__"):
            importlib.import_module(name)


def _become(command: dict[str, Any], out: str, clock: _Clock) -> None:
    code = 1
    try:
        os.setsid()
        for number, path in ((0, os.devnull), (1, f"{out}.stdout"), (2, f"{out}.stderr")):
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            os.dup2(handle, number)
            os.close(handle)
        os.chdir(command["folder"])
        os.environ.clear()
        os.environ.update(command["environment"])
        clock.steps = _Steps(command["root"], command["at"])
        sys.addaudithook(clock.steps.on_event)
        code = _deploy(*command["arguments"]) if command["program"] == "deploy" else _ljm(command["arguments"])
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _ljm(arguments: list[str]) -> int:
    from lakeflow_job_meta.cli.main import cli
    from lakeflow_job_meta.cli.run import run

    sys.argv = ["ljm", *arguments]
    return run(cli)


def _deploy(target: str, options: dict[str, Any]) -> int:
    from lakeflow_job_meta import deploy, load_project
    from lakeflow_job_meta.cli.deploy import has_failed
    from lakeflow_job_meta.cli.run import end_like_ctrl_c
    from lakeflow_job_meta.errors import LakeflowJobMetaError

    end_like_ctrl_c()
    try:
        result = deploy(load_project(), target, backend="jobs-api", **options)
    except LakeflowJobMetaError as error:
        print(error, *error.diagnostics, sep="\n", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    for line in (*result.all_problems, *(each.reason for each in (*result.held_back, *result.left_behind))):
        print(line, file=sys.stderr)
    print(json.dumps({"changes_nothing": result.plan.changes_nothing(), "was_needed": result.was_needed}))
    return 1 if has_failed(result) else 0


if __name__ == "__main__":
    sys.path.pop(0)  # this folder, whose modules have the names of others
    _serve(_Clock(sys.argv[1]))
