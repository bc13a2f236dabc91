"""`ljm validate`: all problems of all metadata at once. Changes nothing."""

from __future__ import annotations

from pathlib import Path

import click

from lakeflow_job_meta.cli.params import compile_for_review, open_project
from lakeflow_job_meta.cli.report import FORMAT_OPTION, show


@click.command("validate")
@FORMAT_OPTION
@click.pass_obj
@click.pass_context
def command(ctx: click.Context, folder: Path | None, form: str) -> None:
    """Check all metadata and list every problem at once.

    Each problem is one line with its file, line and column, or table, row and column. Nothing is written. Exits with 1
    if there is an error; warnings alone are fine.

    \b
    Examples:
      ljm validate
      ljm --project pipelines validate
      ljm validate --format github   annotations on a pull request

    """
    compilation = compile_for_review(open_project(folder))
    show(compilation.diagnostics, compilation.modules, form)
    ctx.exit(1 if compilation.errors else 0)
