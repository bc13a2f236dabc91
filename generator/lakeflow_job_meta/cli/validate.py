"""`ljm validate`: all problems of all metadata at once. Changes nothing."""

from __future__ import annotations

from pathlib import Path

import click

from lakeflow_job_meta.cli.project_option import compile_metadata, open_project
from lakeflow_job_meta.cli.report import show_count, show_text


@click.command("validate")
@click.pass_obj
@click.pass_context
def command(ctx: click.Context, folder: Path | None) -> None:
    """Check all metadata and list every problem at once.

    Each problem is one line with its file, line and column, or table, row and column. Nothing is written. Exits with 1
    if there is an error; warnings alone are fine.

    \b
    Examples:
      ljm validate
      ljm --project pipelines validate

    """
    compilation = compile_metadata(open_project(folder))
    show_text(compilation.diagnostics)
    show_count(compilation.diagnostics, compilation.modules)
    ctx.exit(1 if compilation.errors else 0)
