"""Shares the compilation of many units with worker processes on the machine's other cores, where there is enough to do.

Units are taken from the front here and from the back by the workers, until they meet. What a worker does not bring, for
whatever reason, is compiled here, so that workers can change nothing but the time.
"""

from __future__ import annotations

import gc
import os
import pickle
import signal
import threading
import time
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

from lakeflow_job_meta.checks.file_lookups import FileLookups
from lakeflow_job_meta.compiler.cache.key import code_fingerprint
from lakeflow_job_meta.compiler.parts import may_tell_of_secrets, parts_of, together
from lakeflow_job_meta.compiler.result import UnitResult
from lakeflow_job_meta.compiler.unit import OnDone, UnitCompiler
from lakeflow_job_meta.config.bundle import BundleDeclarations
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.parsing.units import SourceUnit

if TYPE_CHECKING:
    from concurrent.futures import Future, ProcessPoolExecutor
    from multiprocessing.process import BaseProcess

TURN_SECONDS = 0.01
"""A worker waits as long for its next units, or until this process has done the unit that it is at."""

LIVENESS_SECONDS = 1.0
"""After so long without an answer it is asked whether there is still a worker."""

Templates = set[tuple[str, str | None]]


@dataclass(frozen=True, slots=True)
class Workers:
    """How many worker processes there may be, and when they are worth their start.

    Starting one runs the main script of this process again in the new one, which only the command line's own can bear.
    So only the command line hands this in.

    Attributes:
        most: More would wait for this process, which alone reads and writes.
        after_seconds: Of compiling here, before the speed is known.
        worth_seconds: Of work that is left; starting a worker takes less than half of that.
        chunk_seconds: Of work that a worker is given at a time.
    """

    most: int
    after_seconds: float = 0.2
    worth_seconds: float = 1.0
    chunk_seconds: float = 0.3


def workers_of_this_machine() -> Workers | None:
    """Returns one worker for each other core that this process may use, at most three; None where there is none."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    # Elsewhere a worker cannot be kept from Ctrl-C while it starts.
    return Workers(min(cores - 1, 3)) if cores > 1 and hasattr(signal, "pthread_sigmask") else None


class ParallelCompiler:
    """Compiles units here and in worker processes.

    Args:
        compiler: Compiles here.
        workers: What to share the work with.
    """

    def __init__(self, compiler: UnitCompiler, workers: Workers) -> None:
        self._compiler = compiler
        self._workers = workers
        self._templates: Templates = set()

    @property
    def templates(self) -> Templates:
        return self._templates | self._compiler.templates

    def compile_units(self, units: Sequence[SourceUnit], on_done: OnDone) -> dict[SourceUnit, UnitResult]:
        parts = {unit: parts_of(unit) for unit in units}
        work = _Work([part for each in parts.values() for part in each], self._workers)
        pool: _Pool | None = None
        try:
            while work.left or (pool is not None and pool.chunks):
                turn = time.monotonic()
                while work.left and time.monotonic() - turn < TURN_SECONDS:
                    unit = work.take_first()
                    work.results[unit] = self._compiler.compile_alone(unit)
                on_done(len(work.results), work.all)
                if pool is None and work.is_worth_workers():
                    pool = _Pool(self._compiler, self._workers.most)
                if pool is not None:
                    self._templates |= pool.exchange(work)
        finally:
            if pool is not None:
                pool.close()
        whole = {unit: self._whole(unit, [work.results[part] for part in of_unit]) for unit, of_unit in parts.items()}
        return {unit: result for unit, result in whole.items() if result is not None}

    def _whole(self, unit: SourceUnit, parts: Sequence[UnitResult | None]) -> UnitResult | None:
        """Returns the result of a unit by those of its parts; None if one of them depends on other units."""
        if len(parts) == 1:
            return parts[0]
        found = [each for each in parts if each is not None]
        if len(found) < len(parts):
            return None
        if any(each.diagnostics for each in found) and may_tell_of_secrets(unit.content):
            return self._compiler.compile_alone(unit)
        return together(found)


class _Work:
    """What is left to do, and the results that are there.

    Attributes:
        left: The units that were not taken yet.
        all: How many there are.
        results: Of those that are done; None for one that depends on others.
    """

    def __init__(self, units: Sequence[SourceUnit], workers: Workers) -> None:
        self.left = deque(units)
        self.all = len(units)
        self.results: dict[SourceUnit, UnitResult | None] = {}
        self._workers = workers
        self._bytes_left = sum(unit.size for unit in units)
        self._bytes_here = 0
        self._begin = time.monotonic()

    def is_worth_workers(self) -> bool:
        seconds = time.monotonic() - self._begin
        is_much = self._bytes_left * seconds >= self._workers.worth_seconds * self._bytes_here
        return bool(self.left) and seconds >= self._workers.after_seconds and is_much

    def take_first(self) -> SourceUnit:
        unit = self.left.popleft()
        self._bytes_left -= unit.size
        self._bytes_here += unit.size
        return unit

    def take_chunk(self) -> list[SourceUnit]:
        """Takes units from the back, for a worker: at least one if there is one."""
        speed = self._bytes_here / (time.monotonic() - self._begin)
        # Less and less, so that all end at the same time.
        most = min(speed * self._workers.chunk_seconds, self._bytes_left / 8)
        taken: list[SourceUnit] = []
        size = 0
        while self.left and (not taken or size + self.left[-1].size <= most):
            taken.append(self.left.pop())
            size += taken[-1].size
        self._bytes_left -= size
        return taken

    def give_back(self, taken: Sequence[SourceUnit]) -> None:
        self.left.extend(taken)
        self._bytes_left += sum(unit.size for unit in taken)


class _Chunk(NamedTuple):
    """Units that a worker has and has not answered, and the file that they and the answer go through."""

    path: Path
    units: list[SourceUnit]
    worker: ProcessPoolExecutor | None = None


class _Pool:
    """The workers, and the units that each has.

    Each worker is an executor of its own. One of several starts a process while a thread watches those that are there:
    where one dies just then, that thread walks over a dictionary that grows, and ends with a traceback.

    Units and results go through files, since a message through a pipe that is longer than its buffer is slow (each
    piece of it waits for the interpreter's lock) and never ends where a worker dies in the middle of it.

    Attributes:
        chunks: What the workers have and have not answered.
    """

    def __init__(self, compiler: UnitCompiler, most: int) -> None:
        # Hardly any run has workers, so what they need is imported with the first one.
        from concurrent.futures import ThreadPoolExecutor

        self.chunks: dict[Future[None], _Chunk] = {}
        self._compiler = compiler
        self._most = most
        self._sender = ThreadPoolExecutor(1)
        self._executors: list[ProcessPoolExecutor] = []
        self._folder: Path | None = None
        self._at_end = ExitStack()
        self._count = 0
        self._is_usable = True

    def exchange(self, work: _Work) -> Templates:
        """Takes the results that are there, waiting for some if nothing else is left to do, and hands out chunks.

        Returns:
            The project's templates as workers have seen them.
        """
        from concurrent.futures import FIRST_COMPLETED, wait

        templates: Templates = set()
        done, _ = wait(self.chunks, 0 if work.left else LIVENESS_SECONDS, return_when=FIRST_COMPLETED)
        if not (done or work.left or _live_workers()):
            # A chunk that is sent while the pool breaks is never answered.
            self._give_up(work)
        for future in done:
            path, units, _ = self.chunks.pop(future)
            try:
                future.result()
                results, seen = cast("tuple[list[UnitResult | None], Templates]", pickle.loads(path.read_bytes()))
                work.results.update(zip(units, results, strict=True))
                templates |= seen
                path.unlink()
            # Whatever it was: the units are compiled by this process, which reports what is wrong with them.
            except Exception:
                self._is_usable = False
                work.give_back(units)
        # Two for each, so that none waits for the next.
        while self._is_usable and work.left and len(self.chunks) < 2 * self._most:
            self._hand_out(work, work.take_chunk())
        return templates

    def _give_up(self, work: _Work) -> None:
        self._is_usable = False
        for chunk in self.chunks.values():
            work.give_back(chunk.units)
        self.chunks.clear()

    def _hand_out(self, work: _Work, units: list[SourceUnit]) -> None:
        try:
            # In another thread, since Ctrl-C interrupts the main one: no process is left half started.
            self._sender.submit(self._send, units).result()
        # Where no process can be started (no semaphores without /dev/shm, no `sys.executable`), this one gets on alone.
        except Exception:
            self._is_usable = False
            work.give_back(units)

    def _send(self, units: list[SourceUnit]) -> None:
        self._count += 1
        folder = self._folder = self._folder or self._begin()
        if len(self._executors) < self._most:
            self._executors.append(self._start())
        busy = Counter(chunk.worker for chunk in self.chunks.values())
        worker = min(self._executors, key=lambda each: busy[each])
        path = folder / str(self._count)
        path.write_bytes(pickle.dumps(units, pickle.HIGHEST_PROTOCOL))
        # Ctrl-C goes to all processes of a terminal; a process that starts inherits what its thread blocks.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        self.chunks[worker.submit(_compile_chunk, path)] = _Chunk(path, units, worker)

    def _begin(self) -> Path:
        from tempfile import TemporaryDirectory

        # Before a new Python has the path of this one, its own begins with the current folder, and that could hold a
        # file that is named like a module of the standard library.
        if "PYTHONSAFEPATH" not in os.environ:
            os.environ["PYTHONSAFEPATH"] = "1"
            self._at_end.callback(os.environ.pop, "PYTHONSAFEPATH")
        return Path(self._at_end.enter_context(TemporaryDirectory(prefix="ljm-", ignore_cleanup_errors=True)))

    def _start(self) -> ProcessPoolExecutor:
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor

        arguments = (self._compiler.project, self._compiler.bundle, code_fingerprint())
        executor = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _begin_worker, arguments)
        # With a wait: a process that ends right after this would wait for a worker that got no order to end.
        self._at_end.callback(executor.shutdown, cancel_futures=True)
        return executor

    def close(self) -> None:
        """Ends the workers when each has done the chunk that it is at; at once where one has failed."""
        self._sender.shutdown()
        # A pool that breaks waits for a worker that was started meanwhile, and that nobody tells to end.
        for worker in [] if self._is_usable else _live_workers():
            worker.kill()
        self._at_end.close()


def _live_workers() -> list[BaseProcess]:
    from multiprocessing import active_children

    return active_children()


# What follows runs in a worker.

_compiler: UnitCompiler


def _begin_worker(project: Project, bundle: BundleDeclarations, fingerprint: bytes) -> None:
    global _compiler
    # Where the package was installed anew while the other process lives, this one runs the new code.
    if code_fingerprint() != fingerprint:
        os._exit(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _compiler = UnitCompiler(project, bundle, FileLookups(project.folder))
    # Left to itself, the collector would walk over all that stays again and again.
    gc.disable()
    gc.freeze()


def _end_with_parent() -> None:
    """Ends this process when the one that has started it is killed; a worker would wait for its next task forever."""
    from multiprocessing import parent_process

    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _compile_chunk(path: Path) -> None:
    units = cast("list[SourceUnit]", pickle.loads(path.read_bytes()))
    answer = [_compiler.compile_alone(unit) for unit in units], _compiler.templates
    path.write_bytes(pickle.dumps(answer, pickle.HIGHEST_PROTOCOL))
    del units, answer
    gc.collect()
