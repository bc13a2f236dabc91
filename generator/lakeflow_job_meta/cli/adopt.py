"""`ljm adopt`: a deployment whose purpose is to take over jobs of the workspace that modules name."""

from __future__ import annotations

from pathlib import Path

import click

from lakeflow_job_meta.cli import params
from lakeflow_job_meta.cli.deploy import deploy_and_show, has_failed, show_jobs, show_result
from lakeflow_job_meta.cli.report import show_progress
from lakeflow_job_meta.cli.run import end_like_ctrl_c
from lakeflow_job_meta.config.bundle import read_bundle_declarations
from lakeflow_job_meta.deployment.backend import DeployOptions
from lakeflow_job_meta.deployment.policy import Allowance
from lakeflow_job_meta.deployment.select_backend import CliBackend, open_cli


@click.command("adopt")
@params.target_option
@click.option("--dry-run", is_flag=True, help="Only list what would be taken over, and what would change in it.")
@click.option("--keep-going", is_flag=True, help="Take over for the other modules although some have errors.")
@params.deployment_options
@click.pass_obj
@click.pass_context
def command(
    ctx: click.Context,
    folder: Path | None,
    target: str | None,
    dry_run: bool,
    keep_going: bool,
    overwrite_drift: bool,
    force_lock: bool,
    timeout: int,
    stop_timeout: int,
    parallel: int,
) -> None:
    """Take over the jobs that modules name with `adopt` and `formerly`, and deploy.

    Lists them first: how many are as their modules have them, and what changes in the others. Their ids and run
    histories stay. `ljm deploy` does the same beside everything else. If it was cut off, run it again.

    \b
    Examples:
      ljm adopt -t prod --dry-run
      ljm adopt -t prod
    """
    project = params.open_project(folder)
    cli = open_cli(
        project, target or read_bundle_declarations(project).default_target, show_progress, timeout, stop_timeout
    )
    end_like_ctrl_c()
    allowance = Allowance(project.max_deletes, overwriting=overwrite_drift)
    options = DeployOptions(allowance, keep_going=keep_going, dry_run=dry_run)
    result = deploy_and_show(project, cli.target, CliBackend(cli, force_lock, parallel), options)
    show_jobs(result, "text")
    show_result(result, dry_run)
    ctx.exit(1 if has_failed(result) else 0)
