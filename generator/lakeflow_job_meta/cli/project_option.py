"""What commands share: the project they work on, and its metadata with a progress bar while it is read."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from lakeflow_job_meta.cli.progress import ProgressBar
from lakeflow_job_meta.cli.run import is_command_line
from lakeflow_job_meta.compiler.compile import compile_project
from lakeflow_job_meta.compiler.parallel import workers_of_this_machine
from lakeflow_job_meta.compiler.result import Compilation
from lakeflow_job_meta.config.load import find_project_folder, load_project
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.deploy.bundle_size import full_warning
from lakeflow_job_meta.errors import ConfigError


def open_project(folder: Path | None) -> Project:
    """Loads the project of `--project`, or the one that the current folder is in.

    Raises:
        ConfigError: There is none, or its file has mistakes.
    """
    return load_project(folder if folder is not None else find_project_folder(_working_folder()))


def _working_folder() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise ConfigError("The current folder was deleted; change to another one, or give --project.") from None


def compile_for_review(project: Project) -> Compilation:
    """Compiles all metadata for a command that does not deploy, and tells when the bundle nears its limit."""
    compilation = compile_metadata(project)
    warning = full_warning(project, len(compilation.jobs))
    if warning is not None:
        click.echo(warning, err=True)
    return compilation


def compile_metadata(project: Project) -> Compilation:
    """Reads all metadata of a project and compiles it, with a progress bar when that takes long."""
    workers = workers_of_this_machine() if is_command_line(sys.modules["__main__"]) else None
    with ProgressBar() as progress:
        return compile_project(project, progress.update, lambda message: click.echo(message, err=True), workers=workers)
