"""Runs a command, turns what ends it into a message and an exit code, and ends the process with that."""

from __future__ import annotations

import atexit
import gc
import io
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import NoReturn

import click

from lakeflow_job_meta.errors import LakeflowJobMetaError


def run(command: click.Command) -> int:
    """Runs a command line.

    A closed pipe (`ljm validate | head`) and Ctrl-C end quietly, as they do elsewhere.

    Returns:
        The exit code.
    """
    # A command is short, and the collector would walk over millions of values that all stay: a sixth of the time.
    gc.disable()
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
        # Python would complain about the pipe once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except LakeflowJobMetaError as error:
        if error.diagnostics:
            from lakeflow_job_meta.cli.report import show_text

            show_text(error.diagnostics)
        click.echo(click.style("error: ", fg="red", bold=True) + str(error.args[0]), err=True)
        return error.exit_code
    return code if isinstance(code, int) else 0


def leave(code: int) -> NoReturn:
    """Ends the process, if it is there for the command line alone, without clearing away its values one by one.

    That would take a seventh of the time of a command that finds nothing to do. Whoever else has called an entry point,
    such as a wheel task of a job, lives on.

    Raises:
        SystemExit: The process is not ours.
    """
    if _is_ours(sys.modules["__main__"]):
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _is_ours(program: ModuleType) -> bool:
    """Says whether a program is an installed command of this package, or the package itself (`python -m`)."""
    file = getattr(program, "__file__", None)
    if program.__spec__ is not None:
        return program.__spec__.name == "lakeflow_job_meta.__main__"
    return file is not None and Path(file).name in ("ljm", "lakeflow-job-meta")
