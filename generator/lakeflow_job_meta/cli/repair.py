"""`ljm repair`: runs the failed tasks of a module's last run again. Changes no job."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from lakeflow_job_meta.cli import params
from lakeflow_job_meta.cli.run import end_like_ctrl_c
from lakeflow_job_meta.cli.run_ import show_run, tracked_module, wait_option
from lakeflow_job_meta.services.runs import repair_last_run


@click.command("repair")
@click.argument("module")
@params.target_option
@wait_option
@params.format_option(["text", "json"])
@click.pass_obj
@click.pass_context
def command(ctx: click.Context, folder: Path | None, module: str, target: str | None, wait: bool, form: str) -> None:
    """Run the failed tasks of a module's last run again, and the tasks that wait for them.

    \b
    Examples:
      ljm repair sales -t prod
      ljm repair sales -t prod --wait
    """
    tracked, workspace = tracked_module(folder, target, module)
    end_like_ctrl_c()
    ctx.exit(show_run(tracked, workspace, partial(repair_last_run, tracked, workspace), form, wait=wait))
