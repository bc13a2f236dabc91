"""`ljm editor`: what an editor completes and checks metadata with. Never overwrites anything of the user's."""

from __future__ import annotations

from pathlib import Path

import click

from lakeflow_job_meta.cli.params import open_project
from lakeflow_job_meta.cli.report import echo, show_list
from lakeflow_job_meta.services.editor import SETTINGS_FILE, EditorAction, plan_editor_files, write_editor_files

_GIT = ".git"


@click.command("editor")
@click.option("--modelines", is_flag=True, help="Name the schema in the first line of each YAML file, too.")
@click.pass_obj
@click.pass_context
def command(ctx: click.Context, folder: Path | None, modelines: bool) -> None:
    """Write what an editor completes and checks the metadata with.

    JSON Schemas go into .schemas/, and .vscode/settings.json says which files each one is for. Settings that are there
    stay. Other editors with the YAML language server read the line that --modelines adds to each file.

    Run it again after an upgrade of this tool. Exits with 1 where something is left for you to add.

    \b
    Examples:
      ljm editor
      ljm editor --modelines       also for Neovim, Emacs, Helix and Zed
    """
    project = open_project(folder)
    files = plan_editor_files(project, modelines=modelines)
    write_editor_files(project, files)
    left = [file for file in files if file.action is EditorAction.BY_HAND]
    show_list([(f"{file.action.value:6} ", file.path) for file in files if file not in left])
    for file in left:
        echo(file.advice)
        for line in file.lines:
            echo(f"    {line}")
    if not modelines and _lies_below_its_repository(project.folder):
        where = f"{SETTINGS_FILE} counts where VS Code has opened {project.folder}, and not the repository around it"
        echo(f"{where}: for that, run `ljm editor --modelines`.", err=True)
    ctx.exit(1 if left else 0)


def _lies_below_its_repository(folder: Path) -> bool:
    return not (folder / _GIT).exists() and any((each / _GIT).exists() for each in folder.parents)
