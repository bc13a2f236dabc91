"""`ljm monitor`: watches the metadata, and deploys what changes."""

from __future__ import annotations

import gc
from collections.abc import Callable
from datetime import datetime, timezone
from functools import partial
from pathlib import Path

import click

from lakeflow_job_meta.cli import params
from lakeflow_job_meta.cli.params import optional_text
from lakeflow_job_meta.cli.report import echo
from lakeflow_job_meta.cli.run import ShownFailure, end_like_ctrl_c
from lakeflow_job_meta.config.bundle import read_bundle_declarations, target_of
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.deployment.backend import DeployBackend
from lakeflow_job_meta.deployment.select_backend import BackendName, select_backend
from lakeflow_job_meta.monitor.events import Event, TickResult
from lakeflow_job_meta.monitor.loop import LoopOptions, run_loop
from lakeflow_job_meta.monitor.metrics import TickMetrics
from lakeflow_job_meta.monitor.monitor import Monitor
from lakeflow_job_meta.monitor.notify import LOG_FORMATS, Notifier
from lakeflow_job_meta.monitor.reconcile import MonitorConfig
from lakeflow_job_meta.monitor.status import project_name
from lakeflow_job_meta.services.scaffold import write_shipped_bundle
from lakeflow_job_meta.sources.volume import volume_path as find_volume
from lakeflow_job_meta.state.folder import state_folder_path
from lakeflow_job_meta.state.store import JOBS, open_state_store
from lakeflow_job_meta.state.tracking import known_jobs
from lakeflow_job_meta.workspace.client import Workspace

_from_one = partial(click.option, type=click.IntRange(1), metavar="N")


@click.command("monitor", cls=params.JobCommand)
@click.option("--once", is_flag=True, help="One tick, for a job that is started by a change; exit 1 if unhealthy.")
@params.control_table_options
@optional_text("--volume-path", metavar="PATH", help="A volume whose YAML is loaded into the table.")
@optional_text("--policies", metavar="FILE", help="More policies that jobs must keep; may be in a volume.")
@_from_one("--check-interval-seconds", help="From tick to tick. Default: 60.")
@_from_one("--max-iterations", help="End after so many ticks. Default: never.")
@_from_one("--fail-after", help="Exit 1 after so many failures in a row. Default: never.")
@params.max_deletes_option
@params.overwrite_drift_option
@params.deployer_option
@click.option("--propose", metavar="DIR", type=click.Path(path_type=Path), help="Write files and plan there instead.")
@optional_text("--webhook", metavar="URL", envvar="LJM_WEBHOOK", help="Send what a person must know there.")
@params.prometheus_option
@click.option(
    "--log-format", type=click.Choice(list(LOG_FORMATS)), default="text", show_default=True, help="Lines on stderr."
)
@click.option(
    "--init",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Write the bundle that runs it in Databricks, and end.",
)
@params.parallel_option
@params.timeout_option
@params.stop_timeout_option
@click.pass_obj
def command(
    folder: Path | None,
    once: bool,
    target: str | None,
    control_table: str | None,
    warehouse_id: str | None,
    volume_path: str | None,
    policies: str | None,
    check_interval_seconds: int | None,
    max_iterations: int | None,
    fail_after: int | None,
    max_deletes: int | None,
    overwrite_drift: bool,
    deployer: BackendName,
    propose: Path | None,
    webhook: str | None,
    prometheus: Path | None,
    log_format: str,
    init: Path | None,
    parallel: int,
    timeout: int,
    stop_timeout: int,
) -> None:
    """Watch the metadata, and deploy the jobs when it changes.

    A module with a mistake keeps its job and the others are deployed; a deletion that nobody has allowed is held back.
    Everything is done again after a failure, later each time. Ctrl-C and SIGTERM end it in good order.

    \b
    Examples:
      ljm monitor -t prod
      ljm monitor -t prod --once                   for a job with a trigger
      ljm monitor --control-table main.etl.control --volume-path /Volumes/main/etl/metadata
      ljm monitor -t prod --prometheus /var/lib/node_exporter/ljm.prom
      ljm monitor -t prod --propose proposal       for a pull request instead of a deployment
      ljm monitor --init my_monitor                a bundle whose job is the monitor
    """
    if init is not None:
        _write_bundle(init)
        return
    load = partial(params.open_monitored_project, folder, control_table, warehouse_id, policies)
    project = load()
    named = target_of(project, target)
    notifier = Notifier(partial(_log, log_format), webhook, f"{project.folder.name} ({named})")
    config = MonitorConfig(named, max_deletes, overwrite_drift, volume_path and find_volume(volume_path), propose)
    workspace = Workspace()
    select = _selection(deployer, named, workspace, notifier, timeout, stop_timeout, parallel)
    ticks, failures = (1, fail_after or 1) if once else (max_iterations, fail_after)
    options = LoopOptions(float(check_interval_seconds or 60), ticks, failures)
    monitor = Monitor(load, config, select, notifier.send, workspace=workspace)
    metrics = _metrics(prometheus, load, project, named, workspace, notifier) if prometheus is not None else None

    def on_tick(tick: TickResult) -> None:
        if metrics is not None:
            metrics.write(tick, monitor.retry.failures_in_a_row)
        notifier.deliver()

    _watch(monitor, options, notifier, on_tick, once=once)


def _watch(
    monitor: Monitor,
    options: LoopOptions,
    notifier: Notifier,
    on_tick: Callable[[TickResult], None],
    *,
    once: bool,
) -> None:
    # Commands are short and do without the collector; this one lives for months.
    gc.enable()
    end_like_ctrl_c()
    result = run_loop(monitor, options, notifier.send, on_tick=on_tick)
    if not result.is_success or (once and result.last is not None and not result.last.is_healthy):
        raise ShownFailure(result.failure)


def _metrics(
    path: Path, load: Callable[[], Project], project: Project, target: str, workspace: Workspace, notifier: Notifier
) -> TickMetrics:
    def count_jobs() -> int:
        now = load()
        return len(known_jobs(open_state_store(now, state_folder_path(now, target), JOBS, workspace), target))

    name = project_name(project, read_bundle_declarations(project))
    return TickMetrics(path, name, target, count_jobs, notifier.notice_once)


def _write_bundle(folder: Path) -> None:
    for path in write_shipped_bundle("monitor", folder):
        echo(str(folder / path))
    echo(f"Next: cd {folder} && databricks bundle deploy -t prod --var control_table=... --var service_principal=...")


def _selection(
    name: BackendName, target: str, workspace: Workspace, notifier: Notifier, timeout: int, stop: int, parallel: int
) -> Callable[[Project], DeployBackend]:
    report = notifier.notice_once
    limits = partial(select_backend, limit_seconds=timeout, stop_seconds=stop, parallel=parallel)
    return lambda project: limits(project, target, workspace, name, on_fallback=report)


def _log(form: str, event: Event) -> None:
    echo(LOG_FORMATS[form](event, datetime.now(timezone.utc)), err=True)
