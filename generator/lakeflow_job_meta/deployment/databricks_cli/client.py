"""Runs the official databricks CLI: found, checked, bounded in time, cancelled cleanly, never by a shell.

Its output goes to files rather than pipes: with a pipe the CLI would die at its next line if this process died, and
leave its lock in the workspace; with files it finishes.
"""

from __future__ import annotations

import json
import os
import posixpath
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from lakeflow_job_meta._internal.parallel import Stop
from lakeflow_job_meta._internal.secrets import without_secrets
from lakeflow_job_meta._internal.trees import Value
from lakeflow_job_meta.config.model import BUNDLE_FILE
from lakeflow_job_meta.deployment.databricks_cli.output import (
    Trouble,
    diagnostics_in,
    trouble_in,
    with_options_explained,
)
from lakeflow_job_meta.errors import ConfigError, OperationFailed
from lakeflow_job_meta.workspace.address import why_nobody_answers

FLOOR = (0, 281, 0)
"""The first version with `bundle plan -o json` and `bundle deploy --plan`."""
_FLOOR_TEXT = ".".join(map(str, FLOOR))

MANY_FILES = 300
"""From here on the CLI's time for reading one file per job matters: it grows with the square, to 69 s for 1,000."""

LAST_SLOW_VERSION = (1, 13)
"""The newest version of the CLI that was measured to be that slow; later ones are announced to be faster."""

LIMIT_SECONDS = 1800.0
UNANSWERED_SECONDS = 40.0
"""How long one call may take where nobody answers: with the look before it, less than a minute."""
_FIRST = ("bundle validate", "bundle plan", "bundle summary")
"""The commands with which work begins."""
_POLL_SECONDS = 0.05
_GRACE_SECONDS = 8.0
STOP_SECONDS = 25.0
"""How long what writes may go on when all is to end: whatever stops a process kills it after 30 seconds, as a rule."""
_WRITING = frozenset({"deploy", "deployment", "run"})
"""The commands of `databricks bundle` that write. The CLI has no handler for signals: it dies at once, and of a request
whose answer is on its way it never learns; the job that was created is not in its state, nor is the lock released."""
_ENDING = (signal.SIGINT, signal.SIGTERM)
_NO_FILE = re.compile(r"doesn't exist|does not exist|RESOURCE_DOES_NOT_EXIST")
"""Workspace API, `workspace/export` of a path where nothing is."""
_MISSING = re.compile(r"Job \d+ does not exist")
"""Jobs API, `jobs/get` of a job that is not there."""


@dataclass(frozen=True, slots=True)
class CliResult:
    """What one call returned."""

    code: int
    stdout: str
    stderr: str


class Stopped(Exception):
    """The call was ended, since everything is to end."""


class CliFailure(Exception):
    """A call that failed; `what` is the command in words, such as `bundle plan`."""

    def __init__(self, what: str, result: CliResult) -> None:
        super().__init__(what)
        self.what, self.result = what, result

    @property
    def trouble(self) -> Trouble:
        return trouble_in(self.result.stderr)


@dataclass(frozen=True, slots=True)
class DatabricksCli:
    """The CLI of one bundle and target.

    Attributes:
        folder: The bundle's root.
        target: None for the bundle's default.
        inherited: File descriptors that its processes keep open: the deployment lock.
        version: As it reports itself; empty where it was not asked.
        stop: Ends what runs when it is asked, for calls in threads, which no Ctrl-C reaches.
        limit_seconds: How long one call may take.
        stop_seconds: How long one that writes may go on when all is to end.
        address: Of the workspace, to be looked at before the CLI tries for minutes; None where it is not known.
        login: The text of a bundle without jobs that leads to the same workspace. What is not about the bundle is done
            in it: the CLI reads the whole bundle for that too, 1.5 s for 100 jobs. None where it is not known.
    """

    program: str
    folder: Path
    target: str | None = None
    on_line: Callable[[str], None] = field(default=lambda line: None)
    inherited: tuple[int, ...] = ()
    version: str = ""
    stop: Stop = field(default_factory=Stop)
    limit_seconds: float = LIMIT_SECONDS
    stop_seconds: float = STOP_SECONDS
    address: str | None = None
    login: str | None = None

    def bundle(self, command: str, *arguments: str, limit_seconds: float | None = None) -> CliResult:
        """Runs `databricks bundle COMMAND`.

        Raises:
            CliFailure: It ended with another code than 0.
            OperationFailed: It did not end in time, or could not be started.
        """
        return self._checked(f"bundle {command}", arguments, limit_seconds)

    def jobs(self, name: str | None = None) -> str:
        """Returns the jobs of the bundle's workspace that the user may see, as JSON; raises as `bundle` does.

        By default all. Those of one name are filtered by the Jobs API (`jobs/list`, `name`: exact but for its case).
        """
        of_name = [f"--name={name}"] if name is not None else []
        return self._checked("jobs list", ["--expand-tasks", *of_name, "-o", "json"], None).stdout

    def user_name(self) -> str:
        """Returns who the CLI is logged in as, in the bundle's workspace; raises as `bundle` does."""
        answer = self._checked("current-user me", ["-o", "json"], None).stdout
        try:
            return str(json.loads(answer)["userName"])
        except (ValueError, KeyError, TypeError, RecursionError):
            raise OperationFailed("The output of `databricks current-user me` is not understood.") from None

    def job(self, job_id: str) -> str | None:
        """Returns a job of the bundle's workspace as JSON, None if it is not there; raises as `bundle` does."""
        try:
            return self._checked("jobs get", [job_id, "-o", "json"], None).stdout
        except CliFailure as failure:
            if _MISSING.search(failure.result.stderr):
                return None
            raise

    def update_job(self, job_id: str, settings: Mapping[str, Value]) -> None:
        """Replaces some settings of a job as a whole; raises as `bundle` does."""
        body = {"job_id": int(job_id), "new_settings": settings}
        self._checked("jobs update", ["--json", json.dumps(body)], None)

    def has_job(self, job_id: str) -> bool:
        """Says whether a job is in the bundle's workspace; it counts as being there until it is known not to be."""
        try:
            return self.job(job_id) is not None
        except CliFailure:
            return True

    def read_file(self, path: str) -> str | None:
        """Returns the text of a file of the bundle's workspace, None where there is none; raises as `bundle` does."""
        try:
            silent = replace(self, on_line=lambda line: None)
            return silent._checked("workspace export", [path], None).stdout
        except CliFailure as failure:
            if _NO_FILE.search(failure.result.stderr):
                return None
            raise

    def write_file(self, path: str, content: bytes, *, makes_folder: bool = True) -> None:
        """Writes a file of the bundle's workspace over what is there, its folder first; raises as `bundle` does."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "content")
            file.write_bytes(content)
            if makes_folder:
                self._checked("workspace mkdirs", [posixpath.dirname(path)], None)
            self._checked("workspace import", [path, "--file", str(file), "--format", "AUTO", "--overwrite"], None)

    def _checked(self, command: str, arguments: Sequence[str], limit_seconds: float | None) -> CliResult:
        if self.login is None or command.startswith("bundle "):
            return self._answered(command, arguments, limit_seconds)
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, BUNDLE_FILE).write_text(self.login, encoding="utf-8")
            return replace(self, folder=Path(folder))._answered(command, arguments, limit_seconds)

    def _answered(self, command: str, arguments: Sequence[str], limit_seconds: float | None) -> CliResult:
        target = ("--target", self.target) if self.target is not None else ()
        call, limit_seconds = [*command.split(), *arguments, *target], limit_seconds or self.limit_seconds
        unanswered = why_nobody_answers(self.address) if self.address and command in _FIRST else None
        if unanswered is None:
            result = self.run(call, limit_seconds)
        else:
            result = self._tried(call, min(limit_seconds, UNANSWERED_SECONDS), unanswered)
        if result.code != 0:
            raise CliFailure(command, result)
        return result

    def _tried(self, call: Sequence[str], limit_seconds: float, unanswered: str) -> CliResult:
        """Has the CLI try, which may know a way that we do not see; for a short while."""
        self.on_line(f"{unanswered} The databricks CLI tries for {limit_seconds:g} seconds.")
        try:
            result = self.run(call, limit_seconds)
        except OperationFailed:
            raise OperationFailed(f"{unanswered} The databricks CLI did not reach it either.") from None
        if result.code != 0 and trouble_in(result.stderr) is Trouble.UNREACHABLE:
            raise OperationFailed(f"{unanswered} The databricks CLI did not reach it either.")
        return result

    def run(self, arguments: Sequence[str], limit_seconds: float) -> CliResult:
        """Runs the CLI with arguments and returns the result, whatever the exit code."""
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            process: subprocess.Popen[bytes] | None = None
            lines = _Lines(err, self.on_line)
            try:
                with _signals_held():
                    process = self._start(arguments, out, err)
                self._wait(process, lines, limit_seconds, arguments)
            except BaseException as end:
                if process is not None:
                    if isinstance(end, (KeyboardInterrupt, Stopped)) and _writes(arguments):
                        self._let_finish(process, lines)
                    _stop(process)
                raise
            return CliResult(process.returncode, _all(out), without_secrets(_all(err)))

    def _start(self, arguments: Sequence[str], out: IO[bytes], err: IO[bytes]) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                [self.program, *arguments],
                cwd=self.folder,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                # A group of its own: Ctrl-C in a terminal reaches us alone, and we end it in good order.
                start_new_session=True,
                pass_fds=self.inherited if os.name == "posix" else (),
            )
        except OSError as error:
            raise ConfigError(f"{self.program!r} cannot be started: {error.strerror}. Set DATABRICKS_CLI.") from None

    def _environment(self) -> dict[str, str]:
        """Returns that of this process, in which no variable leads the CLI to another bundle than this one.

        The CLI takes the folder that DATABRICKS_BUNDLE_ROOT (or the older BUNDLE_ROOT) names for the bundle's; without
        it, `databricks.yml` in a folder above comes before `bundle.yml` here. Source: bundle/root.go of the CLI.
        """
        return {**os.environ, "DATABRICKS_BUNDLE_ROOT": str(self.folder)}

    def _wait(
        self, process: subprocess.Popen[bytes], lines: _Lines, limit_seconds: float, arguments: Sequence[str]
    ) -> None:
        end = time.monotonic() + limit_seconds
        while process.poll() is None:
            if self.stop.is_asked:
                raise Stopped
            if time.monotonic() > end:
                raise OperationFailed(
                    f"`databricks {' '.join(arguments[:2])}` did not end within {limit_seconds:.0f} seconds and was "
                    "stopped. Check the network and the workspace; --timeout gives it longer."
                )
            lines.show()
            time.sleep(_POLL_SECONDS)
        lines.show(to_the_end=True)

    def _let_finish(self, process: subprocess.Popen[bytes], lines: _Lines) -> None:
        """Waits for the end of what is in flight; whoever asks to stop once more is not kept waiting."""
        end = time.monotonic() + self.stop_seconds
        try:
            if self.stop_seconds > 0 and process.poll() is None:
                self.on_line(
                    f"Stopping: the databricks CLI has {self.stop_seconds:g} seconds to finish what it has begun; "
                    "asked once more to stop, it is interrupted at once."
                )
            while process.poll() is None and time.monotonic() < end and not self.stop.is_urgent:
                lines.show()
                time.sleep(_POLL_SECONDS)
            lines.show(to_the_end=True)
        except KeyboardInterrupt:
            return


def _writes(arguments: Sequence[str]) -> bool:
    return list(arguments[:1]) == ["bundle"] and not _WRITING.isdisjoint(arguments[1:2])


@dataclass(eq=False, slots=True)
class _Lines:
    """What the CLI writes to stderr while it runs, passed on in new whole lines."""

    file: IO[bytes]
    on_line: Callable[[str], None]
    shown: int = 0

    def show(self, *, to_the_end: bool = False) -> None:
        size = os.fstat(self.file.fileno()).st_size
        is_new = size > self.shown and hasattr(os, "pread")
        text = os.pread(self.file.fileno(), size - self.shown, self.shown) if is_new else b""
        whole = len(text) if to_the_end else text.rfind(b"\n") + 1
        self.shown += whole
        for line in text[:whole].decode("utf-8", "replace").removesuffix("\n").split("\n") if whole else ():
            self.on_line(without_secrets(line.rstrip("\r")))


@contextmanager
def _signals_held() -> Iterator[None]:
    """Puts Ctrl-C and SIGTERM off while a process starts: until its number is known, nobody could end it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[int] = []
    before = {each: signal.signal(each, lambda number, frame: held.append(number)) for each in _ENDING}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler if handler is not None else signal.SIG_DFL)
    if held:
        raise KeyboardInterrupt


def _all(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("utf-8", "replace")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ends the CLI and all that it started: asked first, so that it can release its lock, then forced."""
    if os.name == "posix":
        for what in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError, subprocess.TimeoutExpired):
                os.killpg(process.pid, what)
                process.wait(_GRACE_SECONDS if what is signal.SIGINT else 1)
            if process.poll() is not None:
                break
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # what it had started and left behind
    else:
        process.kill()
    process.wait()


def find_cli(environment: Mapping[str, str]) -> str:
    """Returns the CLI's path: DATABRICKS_CLI, or the one on PATH. Raises ConfigError if there is none."""
    named = environment.get("DATABRICKS_CLI")
    found = shutil.which(named) if named else shutil.which("databricks", path=environment.get("PATH"))
    if found is None and named:
        raise ConfigError(f"DATABRICKS_CLI names {named!r}, which is no program.")
    if found is None:
        raise ConfigError(
            f"The databricks CLI is not installed. Install version {_FLOOR_TEXT} or newer, as Databricks' "
            "documentation says, or name it with DATABRICKS_CLI."
        )
    return str(Path(found).absolute())


def check_version(cli: DatabricksCli) -> str:
    """Returns the CLI's version. Raises ConfigError if it is too old, or no databricks CLI."""
    result = cli.run(["version", "-o", "json"], 30)
    try:
        answer = json.loads(result.stdout)
        version = str(answer["Version"])
        numbers = (int(answer["Major"]), int(answer["Minor"]), int(answer["Patch"]))
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        raise ConfigError(
            f"{cli.program!r} does not answer like the databricks CLI (version {_FLOOR_TEXT} or newer is needed). "
            "The old Python package `databricks-cli` is another program."
        ) from None
    # A build from source calls itself 0.0.0-dev; whoever builds one knows what it is.
    if numbers < FLOOR and numbers != (0, 0, 0):
        raise ConfigError(
            f"The databricks CLI {version} is too old: version {_FLOOR_TEXT} or newer is needed, for deployments "
            "that follow a plan."
        )
    return version


def slow_warning(jobs: int, version: str) -> str | None:
    """Returns a warning when the CLI needs long for a single bundle; None otherwise."""
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
    if jobs < MANY_FILES or numbers > LAST_SLOW_VERSION:
        return None
    return (
        f"Warning: the databricks CLI {version} needs long for a bundle of {jobs:,} jobs. `bundles:` in job_meta.yml "
        "splits them into many bundles (docs/many-bundles.md)."
    )


def explain(failure: CliFailure, *, with_errors: bool = True) -> str:
    """Returns what a failed call means and what to do, in a sentence or two; its own errors only `with_errors`."""
    if not with_errors:
        return f"`databricks {failure.what}` failed.{_ADVICE[failure.trouble]}"
    errors = [each.message for each in diagnostics_in(failure.result.stderr) if each.severity == "Error"]
    reason = "; ".join(errors) or failure.result.stderr.strip()[-400:] or f"exit code {failure.result.code}"
    shown = with_options_explained(" ".join(reason.split())[:600])
    return f"`databricks {failure.what}` failed: {shown}{_ADVICE[failure.trouble]}"


_ADVICE = {
    Trouble.LOCKED: " Somebody else is deploying, or a deployment was killed. When you are sure that nobody is, run "
    "again with --force-lock.",
    Trouble.STALE_PLAN: " Somebody deployed in between; run again.",
    Trouble.NOT_LOGGED_IN: " Log in with `databricks auth login`, or set DATABRICKS_HOST and DATABRICKS_TOKEN.",
    Trouble.UNREACHABLE: " The workspace cannot be reached: check its address, the network and the proxy.",
    Trouble.OTHER: "",
}
