"""Runs a command and turns what ends it into a message and an exit code."""

from __future__ import annotations

import gc
import io
import os
import sys

import click

from lakeflow_job_meta.errors import LakeflowJobMetaError


def run(command: click.Command) -> None:
    """Runs a command line and exits.

    A closed pipe (`ljm validate | head`) and Ctrl-C end quietly, as they do elsewhere.
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
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Stopped.", err=True)
        sys.exit(130)
    except BrokenPipeError:
        # Python would complain about the pipe once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except LakeflowJobMetaError as error:
        if error.diagnostics:
            from lakeflow_job_meta.cli.report import show_text

            show_text(error.diagnostics)
        click.echo(click.style("error: ", fg="red", bold=True) + str(error.args[0]), err=True)
        sys.exit(error.exit_code)
    sys.exit(code if isinstance(code, int) else 0)
