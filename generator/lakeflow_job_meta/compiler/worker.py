"""A process on another core that compiles parts alone, as this one does.

It is given the project once and then parts, and answers with their results. It ends with the process that has started
it, at the latest when it has done the part that it is at. Not `multiprocessing`: that would run the user's own script
once more. No threads either: they would wait for each other at every piece that comes through a pipe.
"""

from __future__ import annotations

import gc
import os
import pickle
import select
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO, cast

from lakeflow_job_meta.checks.file_lookups import FileLookups
from lakeflow_job_meta.compiler.cache.code_fingerprint import code_fingerprint
from lakeflow_job_meta.compiler.result import UnitResult
from lakeflow_job_meta.compiler.unit import UnitCompiler
from lakeflow_job_meta.config.bundle import BundleDeclarations
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.parsing.units import SourceUnit

# The same code as here, wherever this process has found it: the working folder could hold a file of the same name.
_PROGRAM = f"import sys; sys.path[:] = sys.argv[1:]; from {__name__} import main; main()"


class Worker:
    """A process that helps.

    Attributes:
        templates: As in a renderer: the texts of the project's templates that the process has used.

    Raises:
        Exception: It cannot be started: the system refuses, or there is no path to Python, or an odd one to modules.
    """

    def __init__(self) -> None:
        self.templates: Mapping[str, str | None] = {}
        self._is_known = False
        self._process = subprocess.Popen(
            # Options too: `-X utf8` is how a path becomes the name of a file, and `-I` keeps out whose code may run.
            [sys.executable, *_options(), "-c", _PROGRAM, *sys.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # What fails there is done again here, and told then.
            stderr=subprocess.DEVNULL,
        )
        self._to, self._from = cast("IO[bytes]", self._process.stdin), cast("IO[bytes]", self._process.stdout)

    def fileno(self) -> int:
        """Returns what to wait for: there is an answer, or the process has ended."""
        return self._from.fileno()

    def join(self, project: Project, bundle: BundleDeclarations) -> None:
        """Tells it, before anything else, what project the parts are of; raises whatever keeps it from that."""
        self._send((project, bundle))

    def begin(self, parts: Sequence[SourceUnit]) -> None:
        """Gives it parts to compile alone, once it has answered; raises whatever keeps it from that."""
        self._send(parts)

    def results(self) -> list[UnitResult | None]:
        """Returns what it has answered, at first only that it is there; raises whatever keeps it from that."""
        if not self._is_known:
            # Where the package was installed anew while this process lives, a helper would run the new code.
            self._is_known = pickle.load(self._from) == code_fingerprint()
            if not self._is_known:
                raise ValueError("the helper runs other code")
            return []
        results, self.templates = cast("tuple[list[UnitResult | None], dict[str, str | None]]", pickle.load(self._from))
        return results

    def end(self) -> None:
        """Ends the process, whatever it is doing."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._to, self._from):
            # What was not sent any more is not missed.
            with suppress(OSError):
                pipe.close()

    def _send(self, what: object) -> None:
        pickle.dump(what, self._to, pickle.HIGHEST_PROTOCOL)
        self._to.flush()


def with_an_answer(helpers: Sequence[Worker], *, wait: bool) -> list[Worker]:
    """Returns the helpers that have answered or ended.

    Args:
        helpers: At least one.
        wait: Whether to wait for the next one.
    """
    # Not `select`, which takes no number of a file above 1023; a process that others share may have more.
    waiting = select.poll()
    by_number = {helper.fileno(): helper for helper in helpers}
    for number in by_number:
        waiting.register(number, select.POLLIN)
    return [by_number[number] for number, _ in waiting.poll(None if wait else 0)]


def _options() -> list[str]:
    options: list[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    return options


def main() -> None:
    """Is what runs in the process."""
    # Ctrl-C goes to all processes of a terminal; this one ends with the one that it works for.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    incoming, outgoing = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    # Nothing that prints may come between the answers.
    os.dup2(2, 1)
    project, bundle = cast("tuple[Project, BundleDeclarations]", pickle.load(incoming))
    compiler = UnitCompiler(project, bundle, FileLookups(project.folder))
    employer = os.getppid()
    # Left to itself, the collector would walk over all that stays again and again.
    gc.disable()
    gc.freeze()
    answer: object = code_fingerprint()
    while True:
        pickle.dump(answer, outgoing, pickle.HIGHEST_PROTOCOL)
        outgoing.flush()
        del answer
        gc.collect()
        try:
            parts = cast("Sequence[SourceUnit]", pickle.load(incoming))
        except EOFError:
            return
        results = [compiler.compile_alone(part) for part in parts if os.getppid() == employer]
        answer = results, compiler.renderer.project_templates
