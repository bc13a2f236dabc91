"""`ljm plan`: what would change, per job, task and setting, in words. Changes nothing."""

from __future__ import annotations

from pathlib import Path

import click

from lakeflow_job_meta.cli.project_option import compile_metadata, open_project
from lakeflow_job_meta.cli.report import show_count, show_text
from lakeflow_job_meta.planning.compare import Plan
from lakeflow_job_meta.planning.planned import plan_files
from lakeflow_job_meta.planning.words import FORMATS


@click.command("plan")
@click.option("--against", metavar="REF", help="Compare with the generated files of a git revision, such as main.")
@click.option("--format", "form", type=click.Choice(list(FORMATS)), default="text", help="As text, JSON or Markdown.")
@click.option("--check", is_flag=True, help="Exit with 1 when anything would change.")
@click.pass_obj
@click.pass_context
def command(ctx: click.Context, folder: Path | None, against: str | None, form: str, check: bool) -> None:
    """Say in words what the metadata would change: jobs, tasks, settings, dependencies.

    Compares the metadata with the generated files, as they are on disk or in a git revision. Markdown is made for a
    comment in a pull request.

    \b
    Examples:
      ljm plan
      ljm plan --against origin/main --format markdown > comment.md

    """
    project = open_project(folder)
    compilation = compile_metadata(project)
    show_text(compilation.diagnostics)
    plan: Plan = plan_files(project, compilation, against)
    click.echo(FORMATS[form](plan))
    show_count(compilation.diagnostics, compilation.modules)
    ctx.exit(1 if compilation.errors or (check and plan.changes) else 0)
