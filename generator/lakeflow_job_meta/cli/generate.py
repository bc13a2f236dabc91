"""`ljm generate`: metadata to files, or what would change."""

from __future__ import annotations

from pathlib import Path

import click

from lakeflow_job_meta._internal.text import count
from lakeflow_job_meta.cli.params import compile_for_review, open_project_for, show_waiting, target_option
from lakeflow_job_meta.cli.report import ProgressBar, echo, show_count, show_diff, show_list, show_text
from lakeflow_job_meta.output import writer
from lakeflow_job_meta.output.changes import Change, FileChanges
from lakeflow_job_meta.output.writer import plan_changes

_COLOURS = {Change.CREATE: "green", Change.UPDATE: "yellow", Change.DELETE: "red"}


@click.command("generate")
@target_option
@click.option("--check", is_flag=True, help="Write nothing; list the files that differ and exit with 1 if any does.")
@click.option("--diff", is_flag=True, help="Write nothing; show the differences as a unified diff.")
@click.option("--allow-empty", is_flag=True, help="Go on although a whole source is empty or cannot be read.")
@click.pass_obj
@click.pass_context
def command(
    ctx: click.Context, folder: Path | None, target: str | None, check: bool, diff: bool, allow_empty: bool
) -> None:
    """Write the bundle's YAML files from the metadata.

    Each module becomes one file in resources/jobs/. A module with an error keeps its last good file, the others are
    written, and the exit code is 1. Files of modules that are gone are removed. Files that this tool did not write are
    never touched. The files are for all targets; only where one needs approvals, --target has those of what is
    approved for it.

    \b
    Examples:
      ljm generate
      ljm generate --diff            show what would change
      ljm generate --check           in CI: is what was committed what the metadata says?
    """
    project = open_project_for(folder, target)
    compilation = compile_for_review(project)
    changes = plan_changes(project, compilation)
    diagnostics = (*compilation.diagnostics, *changes.diagnostics)
    show_text(diagnostics)
    writer.refuse_if_a_source_went_missing(compilation, changes, allow_empty)
    if diff:
        show_diff(line for change in changes.changes for line in change.diff(changes.layout.in_project(change.file)))
    if not (check or diff):
        with ProgressBar() as progress:
            writer.apply_changes(changes, progress.update)
    if not diff:
        _show_changes(changes, written=not check)
    if changes.waiting or changes.losing_tasks or changes.unapproved:
        from lakeflow_job_meta.deployment.policy import kept_files  # which most runs need not

        for held_back in kept_files(changes):
            echo(held_back.reason, err=True)
    show_waiting(compilation, project.target)
    show_count(diagnostics, compilation.modules)
    differs = check and bool(changes.changes)
    ctx.exit(1 if compilation.errors or changes.diagnostics or differs else 0)


def _show_changes(changes: FileChanges, *, written: bool) -> None:
    words = {kind: f"{click.style(f'{kind.value:6}', fg=_COLOURS[kind])} " for kind in Change}
    show_list([(words[change.kind], changes.layout.in_project(change.file)) for change in changes.changes])
    kept = f", {len(changes.kept)} kept" if changes.kept else ""
    done = "changed" if written else "to change"
    echo(f"{count(len(changes.changes), 'file')} {done}, {changes.unchanged} unchanged{kept}.", err=True)
