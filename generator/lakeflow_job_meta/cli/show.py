"""`ljm show`: the job of one module as it is generated, whatever is on disk. Changes nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from lakeflow_job_meta._internal.secrets import without_values
from lakeflow_job_meta._internal.text import did_you_mean, listing, printable, quoted
from lakeflow_job_meta.cli.params import compile_metadata, open_project
from lakeflow_job_meta.cli.report import echo, show_text
from lakeflow_job_meta.compiler.result import Compilation
from lakeflow_job_meta.diagnostics.model import Diagnostic, in_reading_order
from lakeflow_job_meta.errors import ConfigError, OperationFailed
from lakeflow_job_meta.layout.generated_file import FileKind
from lakeflow_job_meta.layout.layout import layout_of
from lakeflow_job_meta.parsing.keys import job_key
from lakeflow_job_meta.render.annotate import with_origins
from lakeflow_job_meta.text.diffs import secrets_of_text

_EMPTY_LINE = "\n"


@click.command("show")
@click.argument("module")
@click.option("--origin", "with_origin", is_flag=True, help="Put behind each value where it is written.")
@click.pass_obj
def command(folder: Path | None, module: str, with_origin: bool) -> None:
    """Print the job of a module as YAML, as it is generated.

    Nothing has to be on disk, and nothing is written. What a blueprint and the defaults of the project give is in it.
    A job with inline SQL has several files; then each stands below a line with its name. A module with an error has no
    job: its problems are listed, and the exit code is 1. Secrets are masked.

    \b
    Examples:
      ljm show ingest_orders
      ljm show ingest_orders --origin
    """
    project = open_project(folder)
    compilation = compile_metadata(project)
    key = key_of(compilation, module)
    problems = _problems_of(compilation, key)
    show_text(problems)
    texts = {file: text for file, text in compilation.files.items() if file.job_key == key}
    if not texts:
        raise OperationFailed(f"No job can be made of the module {quoted(module)}.")
    layout = layout_of(project)
    for number, (file, text) in enumerate(sorted(texts.items())):
        if len(texts) > 1:
            echo(f"{_EMPTY_LINE if number else ''}==> {layout.in_project(file)} <==")
        job = compilation.jobs.get(key) if with_origin and file.kind is FileKind.JOB else None
        secrets = secrets_of_text(text)
        text = without_values(text if job is None else with_origins(text, job), secrets)
        # Elsewhere it may be kept as a file.
        click.echo(printable(text) if sys.stdout.isatty() else text, nl=False)


def key_of(compilation: Compilation, module: str) -> str:
    """Returns the key of the job of a module; raises an error that says why there is none."""
    names = {each.name: each.key for result in compilation.units.values() for each in result.modules if each.name}
    key = names.get(module) or job_key(module)
    if key in names.values():
        return key
    # A broken module whose name is known is none of them.
    places = compilation.hiding_places(compilation.broken_jobs)
    hint = did_you_mean(module, names)
    if places and not hint.startswith("; did you"):
        show_text(compilation.errors)
        raise OperationFailed(
            f"There is no module {quoted(module)} in what could be read; it may be in {listing(places)}."
        )
    raise ConfigError(f"There is no module {quoted(module)}{hint}")


def _problems_of(compilation: Compilation, key: str) -> tuple[Diagnostic, ...]:
    """Returns what is to be said of a module: what names it, and all of the rows that it is made of."""
    names = {each.name for result in compilation.units.values() for each in result.modules if each.key == key}
    of_rows = [
        problem
        for unit, result in compilation.units.items()
        if result.diagnostics and any(each.key == key for each in result.modules) and unit.rows()
        for problem in result.diagnostics
    ]
    named = [problem for problem in compilation.diagnostics if problem.module in names]
    return in_reading_order([*of_rows, *named])
