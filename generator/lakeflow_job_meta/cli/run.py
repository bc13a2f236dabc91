"""Runs a command, turns what ends it into a message and an exit code, and ends the process with that.

SIGTERM ends a command like Ctrl-C does: in good order, and with the exit code of the command.
"""

from __future__ import annotations

import atexit
import errno
import gc
import io
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType, ModuleType

import click

from lakeflow_job_meta.errors import ConfigError, LakeflowJobMetaError, OperationFailed

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""The errors of a stream that takes no more: of a disk, or of a terminal that is gone."""

_COMMANDS = ("ljm", "lakeflow-job-meta", "ljm-monitor")


class Stop(KeyboardInterrupt):
    """SIGTERM or Ctrl-C.

    Not KeyboardInterrupt itself: where that passes through `exec`, as while a module with dataclasses is imported,
    Python takes it for unhandled, and kills itself by SIGINT at its end whatever the exit code.
    """


class ShownFailure(OperationFailed):
    """A failure that the command has shown itself; the text is for a program that has called an entry point."""

    def __init__(self, text: str, exit_code: int = 1) -> None:
        super().__init__(text)
        self.exit_code = exit_code


def end_like_ctrl_c() -> None:
    """Makes SIGTERM do what Ctrl-C does, so that the databricks CLI is ended and releases its lock.

    Python lets the main thread alone handle signals; in another one they stay what the program has made them.
    """
    if not _is_main_thread():
        return
    signal.signal(signal.SIGTERM, _stop)
    # A shell that starts a command in the background has it ignore Ctrl-C.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _stop)


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _stop(number: int, frame: FrameType | None) -> None:
    raise Stop


@contextmanager
def _process_as_it_was() -> Iterator[None]:
    """Puts back what a command changes in its process, which may be that of a notebook or a job."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    collects = gc.isenabled()
    # A command is short, and the collector would walk over millions of values that all stay: a sixth of the time.
    gc.disable()
    try:
        yield
    finally:
        (gc.enable if collects else gc.disable)()
        for number, handler in handlers.items() if _is_main_thread() else ():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)


def run(command: click.Command) -> int:
    """Runs the command line of this process, and returns its exit code."""
    failure = failure_of(command)
    return 0 if failure is None else exit_code_of(failure)


def exit_code_of(failure: BaseException) -> int:
    """Returns the exit code that stands for a failure; 130 is that of shells for Ctrl-C."""
    if isinstance(failure, KeyboardInterrupt):
        return 130
    return failure.exit_code if isinstance(failure, (LakeflowJobMetaError, click.ClickException)) else 1


def failure_of(command: click.Command, arguments: Sequence[str] | None = None) -> BaseException | None:
    """Runs a command line, by default that of this process, and returns what ended it badly, which it has shown.

    A closed pipe (`ljm validate | head`) and Ctrl-C end quietly, as they do elsewhere.
    """
    with _process_as_it_was():
        return _failure_of(command, arguments)


def _failure_of(command: click.Command, arguments: Sequence[str] | None) -> BaseException | None:
    _open_what_is_closed()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that lacks a character is no reason to fail.
            stream.reconfigure(errors="backslashreplace")
    try:
        # Without standalone mode click returns the code that a command gave to ctx.exit().
        code = command.main(arguments, standalone_mode=False, prog_name="ljm")
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error
    except (click.Abort, KeyboardInterrupt):
        click.echo("Stopped.", err=True)
        return KeyboardInterrupt("Stopped.")
    except BrokenPipeError:
        _drop_output()
        return OperationFailed("Nobody reads the output any more.")
    except ShownFailure as error:
        return error
    except LakeflowJobMetaError as error:
        from lakeflow_job_meta.cli.report import show_error, show_text

        show_text(error.diagnostics)
        show_error(str(error.args[0]))
        return error
    except Exception as error:
        return _unexpected(error)
    if not isinstance(code, int) or code == 0:
        return None
    return ShownFailure(f"The command ended with exit code {code}; its output says why.", code)


def _unexpected(error: Exception) -> OperationFailed:
    """Says what ended the command although nobody expected it; with LJM_DEBUG, Python shows its traceback."""
    # An error of a file is reported where it is opened; without a name it is the output itself.
    if isinstance(error, OSError) and error.filename is None and error.errno in _FULL:
        _drop_output()
        text = f"The output cannot be written: {error.strerror}."
        with suppress(OSError):
            click.echo(f"error: {text}", err=True)
        return OperationFailed(text)
    if os.environ.get("LJM_DEBUG"):
        raise error
    from lakeflow_job_meta.cli.report import show_error
    from lakeflow_job_meta.state.crash_report import internal_error

    text = internal_error(error)
    show_error(text)
    return OperationFailed(text)


def _open_what_is_closed() -> None:
    """Gives a command that was started without an output (`>&-`) one that nobody reads; Python has None there."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115


def _drop_output() -> None:
    """Lets go what was not written: Python would complain about it once more when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def leave(failure: BaseException | None) -> None:
    """Ends the process, if it is there for the command line alone, without clearing away its values one by one.

    That would take a seventh of the time of a command that finds nothing to do. Whoever else has called an entry point,
    such as a wheel task of a job, lives on: it gets nothing after a good end, and else an exception. Databricks takes
    every SystemExit of a wheel task for a failure, that with 0 too.
    """
    if is_command_line(sys.modules["__main__"]):
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            # Whoever read it has gone, or the disk is full; the code says how the command ended.
            with suppress(OSError):
                stream.flush()
        os._exit(0 if failure is None else exit_code_of(failure))
    if isinstance(failure, click.ClickException):
        raise ConfigError(failure.format_message())
    if failure is not None:
        raise failure


def is_command_line(program: ModuleType) -> bool:
    """Whether a program is an installed command of this package, or the package itself (`python -m`)."""
    if program.__spec__ is not None and program.__spec__.name == "lakeflow_job_meta.__main__":
        return True
    file = Path(getattr(program, "__file__", None) or "")
    # On Windows a command is an archive with a file in it.
    return file.name in _COMMANDS or (file.parent.name.removesuffix(".exe") in _COMMANDS and file.name == "__main__.py")
