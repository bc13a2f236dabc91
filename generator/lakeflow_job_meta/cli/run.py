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
from contextlib import suppress
from pathlib import Path
from types import FrameType, ModuleType
from typing import NoReturn

import click

from lakeflow_job_meta.errors import LakeflowJobMetaError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""The errors of a stream that takes no more: of a disk, or of a terminal that is gone."""


class Stop(KeyboardInterrupt):
    """SIGTERM or Ctrl-C.

    Not KeyboardInterrupt itself: where that passes through `exec`, as while a module with dataclasses is imported,
    Python takes it for unhandled, and kills itself by SIGINT at its end whatever the exit code.
    """


def end_like_ctrl_c() -> None:
    """Makes SIGTERM do what Ctrl-C does, so that the databricks CLI is ended and releases its lock."""
    signal.signal(signal.SIGTERM, _stop)
    # A shell that starts a command in the background has it ignore Ctrl-C.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _stop)


def _stop(number: int, frame: FrameType | None) -> None:
    raise Stop


def run(command: click.Command) -> int:
    """Runs a command line, and returns its exit code.

    A closed pipe (`ljm validate | head`) and Ctrl-C end quietly, as they do elsewhere.
    """
    # A command is short, and the collector would walk over millions of values that all stay: a sixth of the time.
    gc.disable()
    _open_what_is_closed()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that lacks a character is no reason to fail.
            stream.reconfigure(errors="backslashreplace")
    try:
        # Without standalone mode click returns the code that a command gave to ctx.exit().
        code = command.main(standalone_mode=False, prog_name="ljm")
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("Stopped.", err=True)
        return 130
    except BrokenPipeError:
        _drop_output()
        return 1
    except LakeflowJobMetaError as error:
        from lakeflow_job_meta.cli.report import show_error, show_text

        show_text(error.diagnostics)
        show_error(str(error.args[0]))
        return error.exit_code
    except Exception as error:
        return _unexpected(error)
    return code if isinstance(code, int) else 0


def _unexpected(error: Exception) -> int:
    """Says what ended the command although nobody expected it; with LJM_DEBUG, Python shows its traceback."""
    # An error of a file is reported where it is opened; without a name it is the output itself.
    if isinstance(error, OSError) and error.filename is None and error.errno in _FULL:
        _drop_output()
        with suppress(OSError):
            click.echo(f"error: The output cannot be written: {error.strerror}.", err=True)
        return 1
    if os.environ.get("LJM_DEBUG"):
        raise error
    from lakeflow_job_meta.cli.report import show_error
    from lakeflow_job_meta.state.crash_report import internal_error

    show_error(internal_error(error))
    return 1


def _open_what_is_closed() -> None:
    """Gives a command that was started without an output (`>&-`) one that nobody reads; Python has None there."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115


def _drop_output() -> None:
    """Lets go what was not written: Python would complain about it once more when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def leave(code: int) -> NoReturn:
    """Ends the process, if it is there for the command line alone, without clearing away its values one by one.

    That would take a seventh of the time of a command that finds nothing to do. Whoever else has called an entry point,
    such as a wheel task of a job, lives on.
    """
    if is_command_line(sys.modules["__main__"]):
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            # Whoever read it has gone, or the disk is full; the code says how the command ended.
            with suppress(OSError):
                stream.flush()
        os._exit(code)
    sys.exit(code)


def is_command_line(program: ModuleType) -> bool:
    """Whether a program is an installed command of this package, or the package itself (`python -m`)."""
    file = getattr(program, "__file__", None)
    if program.__spec__ is not None:
        return program.__spec__.name == "lakeflow_job_meta.__main__"
    return file is not None and Path(file).name in ("ljm", "lakeflow-job-meta")
