"""`ljm catalogue`: one page with all jobs, to be opened from a disk or put on a web server. Never deploys anything."""

from __future__ import annotations

from pathlib import Path

import click

from lakeflow_job_meta._internal.text import count
from lakeflow_job_meta.catalogue.page import is_current, page_of, place_of, write_page
from lakeflow_job_meta.cli.params import compile_metadata, open_project, optional_text
from lakeflow_job_meta.cli.report import echo, show_count, show_text


@click.command("catalogue")
@click.option(
    "--output",
    "-o",
    required=True,
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="The folder that gets index.html, or a file that ends in .html.",
)
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if the page is not what would be written.")
@optional_text("--target", "-t", metavar="TARGET", help="Jobs as they are in this target, with their ids and URLs.")
@optional_text("--source-url", metavar="URL", help="Where the project's files can be read, for links to their lines.")
@click.pass_obj
@click.pass_context
def command(
    ctx: click.Context, folder: Path | None, output: Path, check: bool, target: str | None, source_url: str | None
) -> None:
    """Write one page with all jobs: graphs, schedules, settings, tables, and where each is written.

    It is one HTML file that needs no server and no network. The same metadata gives the same bytes. Modules with an
    error are listed as problems, the others are shown, and the exit code is 1. Secrets are masked. Ids and URLs of
    jobs come from the record of a target; no workspace is asked.

    \b
    Examples:
      ljm catalogue -o site/
      ljm catalogue -o site/ -t prod --source-url https://github.com/acme/pipelines/blob/main
      ljm catalogue -o site/ --check     in CI: is the page that was committed what the metadata says?
    """
    project = open_project(folder)
    compilation = compile_metadata(project)
    page = page_of(project, compilation, target, source_url)
    show_text(compilation.diagnostics)
    path = place_of(output)
    is_right = is_current(path, page) if check else True
    if not is_right:
        echo(f"{str(path)!r} is not what the metadata says; write it with `ljm catalogue -o {output}`.", err=True)
    elif not check:
        is_new = write_page(path, page)
        echo(f"{'write' if is_new else 'same'}  {path}  ({count(len(compilation.jobs), 'job')}, {_size(page)})")
    show_count(compilation.diagnostics, compilation.modules)
    ctx.exit(1 if compilation.errors or not is_right else 0)


def _size(page: bytes) -> str:
    return f"{len(page) / 1e6:.1f} MB" if len(page) >= 1e6 else f"{len(page) / 1e3:.0f} KB"
