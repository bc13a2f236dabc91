"""`ljm show`: the job of one module as it is generated, whatever is on disk. Changes nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from lakeflow_job_meta._internal.secrets import without_values
from lakeflow_job_meta._internal.text import printable, quoted
from lakeflow_job_meta.cli.params import compile_metadata, open_project, optional_text
from lakeflow_job_meta.cli.report import echo, show_text
from lakeflow_job_meta.compiler.result import Compilation
from lakeflow_job_meta.diagnostics.model import Diagnostic, in_reading_order
from lakeflow_job_meta.errors import InvalidMetadata, OperationFailed
from lakeflow_job_meta.jobs.model import Job
from lakeflow_job_meta.layout.generated_file import FileKind, GeneratedFile
from lakeflow_job_meta.layout.layout import layout_of
from lakeflow_job_meta.render.annotate import with_origins
from lakeflow_job_meta.services.module_names import key_of_module
from lakeflow_job_meta.text.diffs import secrets_of_text
from lakeflow_job_meta.text.yaml_writer import to_yaml, to_yaml_key

_EMPTY_LINE = "\n"


@click.command("show")
@click.argument("module")
@optional_text("--target", "-t", metavar="TARGET", help="Print the job as it is in this target alone.")
@click.option("--origin", "with_origin", is_flag=True, help="Put behind each value where it is written.")
@click.pass_obj
def command(folder: Path | None, module: str, target: str | None, with_origin: bool) -> None:
    """Print the job of a module as YAML, as it is generated.

    Nothing has to be on disk, and nothing is written. What a blueprint and the defaults of the project give is in it.
    A job with inline SQL or rules has several files; then each stands below a line with its name. A module with an
    error has no job: its problems are listed, and the exit code is 1. Secrets are masked.

    \b
    Examples:
      ljm show ingest_orders
      ljm show ingest_orders --origin
      ljm show ingest_orders -t prod
    """
    project = open_project(folder)
    compilation = compile_metadata(project)
    key = key_of(compilation, module)
    problems = _problems_of(compilation, key)
    show_text(problems)
    texts = {file: text for file, text in compilation.files.items() if file.job_key == key}
    job = compilation.jobs.get(key) if with_origin or target is not None else None
    if not texts:
        raise OperationFailed(f"No job can be made of the module {quoted(module)}.")
    if job is not None and target is not None:
        job = variant_of(job, target, compilation)
        texts = {file: text if file.kind is not FileKind.JOB else _yaml_of(job) for file, text in _files_of(job, texts)}
    layout = layout_of(project)
    for number, (file, text) in enumerate(sorted(texts.items())):
        if len(texts) > 1:
            echo(f"{_EMPTY_LINE if number else ''}==> {layout.in_project(file)} <==")
        secrets = secrets_of_text(text)
        is_marked = with_origin and job is not None and file.kind is FileKind.JOB
        text = without_values(with_origins(text, job) if is_marked and job is not None else text, secrets)
        # Elsewhere it may be kept as a file.
        click.echo(printable(text) if sys.stdout.isatty() else text, nl=False)


def key_of(compilation: Compilation, module: str) -> str:
    """Returns the key of the job of a module; raises an error that says why there is none."""
    try:
        return key_of_module(compilation, module)
    except InvalidMetadata as error:
        show_text(error.diagnostics)
        raise OperationFailed(error.args[0]) from None


def job_of(compilation: Compilation, module: str, target: str | None) -> tuple[Job, str | None]:
    """Returns the job of a module as it is in a target, and that: by default the bundle's own, where jobs differ."""
    job = compilation.jobs.get(key_of(compilation, module))
    if job is None:
        raise OperationFailed(f"No job can be made of the module {quoted(module)}; `ljm validate` says why.")
    if target is None and job.by_target:
        target = compilation.bundle.default_target or next(iter(job.by_target))
    return (job if target is None else variant_of(job, target, compilation)), target


def variant_of(job: Job, target: str, compilation: Compilation) -> Job:
    """Returns a job as it is in a target; raises an error where there is no such target, or no such job in it."""
    compilation.bundle.require_target(target)
    if job.targets and target not in job.targets:
        raise OperationFailed(f"The module {quoted(job.module.module_name)} has no job in the target {quoted(target)}.")
    return job.in_target(target)


def _files_of(job: Job, texts: Mapping[GeneratedFile, str]) -> Iterator[tuple[GeneratedFile, str]]:
    """Yields the files of a job that it has in one target."""
    places = {(file.folder, file.name) for file in job.files}
    for file, text in texts.items():
        if file.kind is FileKind.JOB or (file.kind.value, file.name) in places:
            yield file, text


def _yaml_of(job: Job) -> str:
    return f"resources:\n  jobs:\n    {to_yaml_key(job.key)}:\n      {to_yaml(job.settings, 6)}\n"


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
