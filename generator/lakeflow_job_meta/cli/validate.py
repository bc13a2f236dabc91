"""`ljm validate`: all problems of all metadata at once. Changes nothing, unless it is to apply safe suggestions."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from lakeflow_job_meta._internal.text import count
from lakeflow_job_meta.cli.params import compile_for_review, compile_metadata, open_project
from lakeflow_job_meta.cli.report import FORMAT_OPTION, show, show_diff
from lakeflow_job_meta.config.repository import places_in_repository
from lakeflow_job_meta.diagnostics.formats import MOST_SHOWN
from lakeflow_job_meta.services.fixes import Fixes, apply_fixes, plan_fixes


@click.command("validate")
@FORMAT_OPTION
@click.option("--all", "with_all", is_flag=True, help="As text, list more than the first 200 problems.")
@click.option("--fix", is_flag=True, help="Apply safe suggestions to YAML files; rows of tables are never changed.")
@click.option("--diff", is_flag=True, help="Write nothing; show what --fix would change as a unified diff.")
@click.pass_obj
@click.pass_context
def command(ctx: click.Context, folder: Path | None, form: str, with_all: bool, fix: bool, diff: bool) -> None:
    """Check all metadata and list every problem at once.

    Each problem is one line with its file, line and column, or table, row and column. Nothing is written without --fix.
    Exits with 1 if there is an error; warnings alone are fine.

    \b
    Examples:
      ljm validate
      ljm --project pipelines validate
      ljm validate --format github   annotations on a pull request
      ljm validate --all > all.txt   however many there are
      ljm validate --diff            what --fix would change
      ljm validate --fix             misspelt settings, numbers in quotes
    """
    if diff and form != "text":
        raise click.UsageError("--diff and --format both write to stdout; give one of them.")
    project = open_project(folder)
    compilation = compile_for_review(project)
    done = planned = plan_fixes(project, compilation, partial(compile_metadata, project)) if fix or diff else Fixes()
    if diff:
        show_diff((line for file in planned.files for line in file.diff()), is_patch=True)
    elif planned.files:
        done = apply_fixes(project, planned)
        compilation = compile_metadata(project) if done.files else compilation
    closing = _closing(done, diff) if fix or diff else ""
    where = places_in_repository(project)
    show(
        compilation.diagnostics,
        compilation.modules,
        form,
        done.not_applied,
        closing,
        where,
        None if with_all else MOST_SHOWN,
    )
    ctx.exit(1 if compilation.errors or (diff and planned.files) else 0)


def _closing(fixes: Fixes, is_diff: bool) -> str:
    return f"; {count(fixes.fixed, 'problem')} {'to fix' if is_diff else 'fixed'} in {count(len(fixes.files), 'file')}"
