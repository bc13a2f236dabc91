"""Runs a command and turns what ends it into a message and an exit code."""

from __future__ import annotations

import os
import sys

import click

from lakeflow_job_meta.errors import LakeflowJobMetaError, Misconfigured


def run(command: click.Command) -> None:
    """Runs a command line and exits.

    A closed pipe (`ljm validate | head`) and Ctrl-C end quietly, as they do elsewhere.
    """
    try:
        command.main(standalone_mode=False, prog_name="ljm")
    except click.exceptions.Exit as end:
        sys.exit(end.exit_code)
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
        if isinstance(error, Misconfigured) and error.diagnostics:
            from lakeflow_job_meta.cli.report import show_text

            show_text(error.diagnostics)
        click.echo(click.style("error: ", fg="red", bold=True) + str(error), err=True)
        sys.exit(error.exit_code)
    sys.exit(0)
