"""`ljm monitor`: looks at the metadata again and again, and brings the jobs after it."""

from __future__ import annotations

import gc
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import click

from lakeflow_job_meta.cli.monitored import open_watched_project
from lakeflow_job_meta.cli.optional import optional_number, optional_text
from lakeflow_job_meta.cli.stopping import end_like_ctrl_c
from lakeflow_job_meta.config.bundle import target_of
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.deploy.many_bundles.deployer import ManyBundlesOptions
from lakeflow_job_meta.deploy.pipeline import DeployBackend
from lakeflow_job_meta.deploy.select_backend import cli_backend, jobs_api_backend, open_cli, select_backend
from lakeflow_job_meta.monitor.events import Event
from lakeflow_job_meta.monitor.log import FORMATS
from lakeflow_job_meta.monitor.loop import LoopOptions, run_loop
from lakeflow_job_meta.monitor.monitor import Monitor
from lakeflow_job_meta.monitor.notify import Notifier
from lakeflow_job_meta.monitor.reconcile import MonitorConfig
from lakeflow_job_meta.monitor.webhook import Webhook
from lakeflow_job_meta.workspace.client import Workspace


@click.command("monitor")
@click.option("--once", is_flag=True, help="Look once, for a job that is started by a change; exit 1 if unhealthy.")
@optional_text("--target", "-t", metavar="TARGET", help="The bundle's target. Default: the bundle's own.")
@optional_text("--control-table", "--control_table", metavar="TABLE", help="Read this table instead of 'metadata:'.")
@optional_text("--warehouse-id", "--warehouse_id", metavar="ID", help="The SQL warehouse that reads --control-table.")
@optional_text("--volume-path", "--volume_path", metavar="PATH", help="A volume whose YAML is loaded into the table.")
@optional_number("--check-interval-seconds", "--check_interval_seconds", help="From look to look. Default: 60.")
@optional_number("--max-iterations", "--max_iterations", help="End after so many looks. Default: never.")
@optional_number("--fail-after", "--fail_after", help="Exit 1 after so many failures in a row. Default: never.")
@click.option("--max-deletes", type=click.IntRange(0), metavar="N", help="How many jobs one deployment may delete.")
@click.option("--overwrite-drift", is_flag=True, help="Overwrite what was edited by hand in the workspace.")
@click.option(
    "--deployer",
    type=click.Choice(["auto", "cli", "jobs-api"]),
    default="auto",
    show_default=True,
    help="How jobs get into the workspace; auto takes the CLI where there are a bundle and a CLI.",
)
@click.option("--propose", metavar="DIR", type=click.Path(path_type=Path), help="Write files and plan there instead.")
@optional_text("--webhook", metavar="URL", envvar="LJM_WEBHOOK", help="Send what a person must know there.")
@click.option(
    "--log-format", type=click.Choice(list(FORMATS)), default="text", show_default=True, help="Lines on stderr."
)
@click.option("--parallel", type=click.IntRange(1), default=2, show_default=True, help="How many bundles at a time.")
@click.option("--timeout", type=click.IntRange(1), default=1800, show_default=True, help="Seconds for one CLI call.")
@click.pass_obj
@click.pass_context
def command(
    ctx: click.Context,
    folder: Path | None,
    once: bool,
    target: str | None,
    control_table: str | None,
    warehouse_id: str | None,
    volume_path: str | None,
    check_interval_seconds: int | None,
    max_iterations: int | None,
    fail_after: int | None,
    max_deletes: int | None,
    overwrite_drift: bool,
    deployer: str,
    propose: Path | None,
    webhook: str | None,
    log_format: str,
    parallel: int,
    timeout: int,
) -> None:
    """Look at the metadata again and again, and bring the jobs after it when it changes.

    A module with a mistake keeps its job and the others are deployed; a deletion that nobody has allowed is held back.
    Everything is done again after a failure, later each time. Ctrl-C and SIGTERM end it in good order.

    \b
    Examples:
      ljm monitor -t prod
      ljm monitor -t prod --once                   for a job with a trigger
      ljm monitor --control-table main.etl.control --volume-path /Volumes/main/etl/metadata
      ljm monitor -t prod --propose proposal       for a pull request instead of a deployment

    """
    # Commands are short and do without the collector; this one lives for months.
    gc.enable()

    def load() -> Project:
        return open_watched_project(folder, control_table, warehouse_id)

    project = load()
    named = target_of(project, target)
    wishes = MonitorConfig(named, max_deletes, overwrite_drift, volume_path, propose)

    def log(event: Event) -> None:
        click.echo(FORMATS[log_format](event, datetime.now(timezone.utc)), err=True)

    name = f"{project.folder.name} ({named})"
    teller = Notifier(log, None if webhook is None else lambda tell: Webhook(webhook, name, tell))
    workspace, manner = Workspace(), ManyBundlesOptions(parallel)
    ways: dict[str, Callable[[Project], DeployBackend]] = {
        "auto": lambda project: select_backend(
            project, named, workspace, on_fallback=teller.say_once, limit_seconds=timeout, manner=manner
        ),
        "cli": lambda project: cli_backend(project, open_cli(project, named), limit_seconds=timeout, manner=manner),
        "jobs-api": lambda project: jobs_api_backend(project, named, workspace),
    }
    rhythm = LoopOptions(
        float(check_interval_seconds or 60), 1 if once else max_iterations, fail_after or (1 if once else None)
    )
    end_like_ctrl_c()
    monitor = Monitor(load, wishes, ways[deployer], teller.tell, workspace=workspace)
    ending = run_loop(monitor, rhythm, teller.tell, on_tick=lambda tick: teller.deliver())
    is_well = ending.has_ended_well and not (once and ending.last is not None and not ending.last.is_healthy)
    ctx.exit(0 if is_well else 1)
