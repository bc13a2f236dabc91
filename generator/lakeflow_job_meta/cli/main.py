"""The entry point: lists the commands by name and imports each only when it is called.

`ljm --help` must start in under 0.2 s, so the summaries stand here and nothing else is loaded for them.
"""

from __future__ import annotations

import importlib
import keyword
import os
import sys
from pathlib import Path

import click

from lakeflow_job_meta import __version__

_COMMANDS = {
    "init": "Make a project, or add what a bundle lacks.",
    "validate": "Check all metadata and list every problem at once.",
    "generate": "Write the bundle's YAML files from the metadata.",
    "plan": "Show what the metadata would change, per job, task and setting.",
    "comment": "Comment on the pull request of this CI run.",
    "show": "Print the job of one module as YAML, as it is generated.",
    "explain-setting": "Show which places set a setting of a job or task.",
    "blame": "Show who set each value of a module, and when.",
    "blueprints": "List blueprints, their parameters, and what is made of them.",
    "approve": "Approve a version of a control table for a target.",
    "deploy": "Generate, pass the safety gate, and deploy.",
    "pull": "Write edits of the workspace into the metadata.",
    "run": "Start the job of a module, and wait for it.",
    "repair": "Run the failed tasks of a module's last run again.",
    "runs": "Show how the last run of each module ended.",
    "unpause": "Start jobs that are paused in the workspace.",
    "adopt": "Take over the jobs that modules name, and deploy.",
    "monitor": "Watch the metadata, and deploy what changes.",
    "status": "Show what the monitor did last, and what is left to do.",
    "history": "List what the monitor did.",
    "quality": "Show what the checks of the jobs found last.",
    "bundles": "List the bundles of a project of many, and move jobs.",
    "doctor": "Check what a deployment needs, and what to do about it.",
    "table": "Create, load, show, compare and roll back a control table.",
    "import": "Turn jobs of bundle files or of the workspace into modules.",
    "catalogue": "Write one page of all jobs: graphs, schedules, settings, tables.",
    "dashboard": "Write a dashboard of runs, changes and checks.",
    "explain": "Explain a code: what it means, an example, and the remedy.",
    "schema": "Print a JSON Schema, or an annotated example of metadata.",
    "editor": "Write what an editor completes and checks metadata with.",
    "skill": "Print how a coding agent works on a project.",
}


class _Commands(click.Group):
    """A group whose commands are modules of this folder, imported on demand."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        # `run.py` is what runs the commands.
        is_taken = keyword.iskeyword(cmd_name) or cmd_name == "run"
        name = f"{cmd_name.replace('-', '_')}{'_' if is_taken else ''}"
        module = importlib.import_module(f"lakeflow_job_meta.cli.{name}")
        command: click.Command = module.command
        _add_project_option(command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in _COMMANDS:
            from lakeflow_job_meta._internal.text import did_you_mean, listing

            known = f"; known: {listing(_COMMANDS, len(_COMMANDS))}"
            ctx.fail(f"No such command {args[0]!r}{did_you_mean(args[0], _COMMANDS, known)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


def _set_project(ctx: click.Context, param: click.Parameter, folder: Path | None) -> None:
    """Keeps the option for the command: given after the command, it wins over the one before."""
    if folder is not None:
        ctx.obj = folder


project_option = click.option(
    "--project",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="The bundle's folder. Default: the nearest one upwards with job_meta.yml or databricks.yml.",
    expose_value=False,
    callback=_set_project,
)


def _add_project_option(command: click.Command) -> None:
    """Lets a command, and the commands of a group, take `--project` as well."""
    if all(parameter.name != "project" for parameter in command.params):
        project_option(command)
    for each in command.commands.values() if isinstance(command, click.Group) else ():
        _add_project_option(each)


@click.group(
    cls=_Commands,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": 100,
        # Parameters of jobs are named with underscores.
        "token_normalize_func": lambda name: name.replace("_", "-"),
    },
    epilog="Exit codes: 0 fine; 1 problems found; 2 wrong usage or configuration; 3 refused by a safety rule.",
)
@project_option
@click.version_option(__version__, prog_name="lakeflow-job-meta", message="%(prog)s %(version)s")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Databricks jobs from metadata: reviewed bundle YAML, deployed behind a safety gate.

    \b
    Examples:
      ljm validate                     all problems of all metadata, each with its location
      ljm generate --diff              what would change in resources/, writing nothing
      ljm generate --project pipelines
    """
    if os.environ.get("NO_COLOR"):
        ctx.color = False


def monitor() -> None:
    """Runs `ljm monitor`, for the wheel task of a job: it names an entry point and has no place for a command."""
    main(["monitor", *sys.argv[1:]])


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line; no traceback for anything that a user can cause.

    In a process that is not its own it returns where all went well.

    Raises:
        LakeflowJobMetaError: In a process that is not its own: the command failed, and has shown why.
    """
    from lakeflow_job_meta.cli.run import failure_of, leave

    leave(failure_of(cli, arguments))
