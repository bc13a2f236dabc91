"""`ljm unpause`: starts what is paused in the workspace, and changes nothing else of it."""

from __future__ import annotations

from pathlib import Path

import click

from lakeflow_job_meta._internal.text import count
from lakeflow_job_meta.cli import params
from lakeflow_job_meta.cli.report import echo, show_list, show_progress
from lakeflow_job_meta.cli.run import end_like_ctrl_c
from lakeflow_job_meta.cli.show import key_of
from lakeflow_job_meta.config.bundle import target_of
from lakeflow_job_meta.deployment.select_backend import BackendName, select_backend
from lakeflow_job_meta.deployment.unpause import unpause_jobs
from lakeflow_job_meta.workspace.client import Workspace


@click.command("unpause")
@click.argument("modules", nargs=-1, metavar="[MODULE]...")
@params.target_option
@click.option("--all", "all_jobs", is_flag=True, help="Of all modules, but for those that the metadata pauses.")
@params.deployer_option
@click.pass_obj
def command(
    folder: Path | None, modules: tuple[str, ...], target: str | None, all_jobs: bool, deployer: BackendName
) -> None:
    """Start the schedules and triggers of jobs that are paused in the workspace.

    With `deploy: {first_pause: true}` in job_meta.yml new jobs are paused until then. Only the pause is changed.

    \b
    Examples:
      ljm unpause sales -t prod
      ljm unpause --all -t prod
    """
    if all_jobs == bool(modules):
        raise click.UsageError("Name modules, or --all.")
    project = params.open_project_for(folder, target)
    compilation = params.compile_metadata(project)
    keys = None if all_jobs else list(dict.fromkeys(key_of(compilation, name) for name in modules))
    named, workspace = target_of(project, target), Workspace()
    backend = select_backend(project, named, workspace, deployer, on_fallback=show_progress)
    end_like_ctrl_c()
    done = unpause_jobs(project, named, backend, keys, compilation, show_progress, workspace)
    started = [each for each in done if each.starts]
    show_list([("", f"{each.job.key}  {each.job.job_id}  {', '.join(each.starts)}") for each in started])
    for each in done if keys is not None else ():
        if not each.starts:
            echo(f"{each.job.key}: nothing of it is paused.", err=True)
    echo(f"Started: {count(len(started), 'job')}.", err=True)
