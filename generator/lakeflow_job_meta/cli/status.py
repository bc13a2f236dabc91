"""`ljm status`: the state of the targets of a project. Changes nothing but a file of metrics that is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

import click

from lakeflow_job_meta.cli.params import (
    compile_metadata,
    control_table_options,
    format_option,
    open_monitored_project,
    prometheus_option,
)
from lakeflow_job_meta.cli.report import echo, show_json
from lakeflow_job_meta.cli.runs import as_object as run_as_object
from lakeflow_job_meta.cli.status_text import LastRuns, show_status
from lakeflow_job_meta.config.bundle import read_bundle_declarations, target_of
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.errors import LakeflowJobMetaError
from lakeflow_job_meta.monitor.status import Health, TargetStatus, needs_attention, status_of_targets
from lakeflow_job_meta.planning.waiting_lines import waiting_objects
from lakeflow_job_meta.state.folder import state_folder_path
from lakeflow_job_meta.state.history import History, HistoryEntry
from lakeflow_job_meta.state.store import HISTORY, open_state_store


def open_history(
    folder: Path | None, target: str | None, control_table: str | None, warehouse_id: str | None
) -> History:
    """Opens the history of a target."""
    project = open_monitored_project(folder, control_table, warehouse_id)
    named = target_of(project, target)
    return History(open_state_store(project, state_folder_path(project, named), HISTORY), named)


@click.command("status")
@control_table_options
@click.option("--runs", is_flag=True, help="Ask the workspace how the last run of each job ended, too.")
@prometheus_option
@format_option(["text", "json"])
@click.pass_obj
@click.pass_context
def command(
    ctx: click.Context,
    folder: Path | None,
    target: str | None,
    control_table: str | None,
    warehouse_id: str | None,
    runs: bool,
    prometheus: Path | None,
    form: str,
) -> None:
    """Show what the monitor did last in each target, and what is left for a person to do.

    Exit code 1 when a module is in quarantine, something was refused or failed, no monitor runs, or a state cannot be
    read; with --runs, also when a last run failed. Of several targets, one that no monitor has ever run for does not
    count.

    \b
    Examples:
      ljm status                                   all targets
      ljm status -t prod
      ljm status -t prod --runs
      ljm status -t prod --format json
      ljm status --prometheus /var/lib/node_exporter/ljm.prom
    """
    project = open_monitored_project(folder, control_table, warehouse_id)
    now, declared = datetime.now(timezone.utc), read_bundle_declarations(project)
    if declared.targets is None and declared.problems and not target:
        reasons = "; ".join(map(str, declared.problems))
        echo(f"Only targets with a record are shown, since the bundle's own are not known: {reasons}", err=True)
    statuses = status_of_targets(project, declared, [target] if target else [], now)
    asked = {each.target: _last_runs(project, each) for each in statuses} if runs else {}
    if prometheus is not None:
        _write_metrics(prometheus, statuses)
    if form == "json":
        default = target or declared.default_target or "default"
        objects = {each.target: _as_object(each, asked.get(each.target)) for each in statuses}
        show_json({**objects.get(default, objects[statuses[0].target]), "targets": [*objects.values()]})
    else:
        show_status(statuses, now, asked)
    has_failed = any(each.problem or any(run.has_failed for run in each.runs) for each in asked.values())
    ctx.exit(1 if has_failed or needs_attention(statuses) else 0)


def _last_runs(project: Project, status: TargetStatus) -> LastRuns:
    """Returns the last runs of the jobs of a target, in the workspace that the bundle names for it."""
    from lakeflow_job_meta.deployment.login import workspace_of_target  # most runs do without
    from lakeflow_job_meta.services.runs import last_runs, tracked_modules

    if status.deployed is None or not status.deployed.jobs:
        return LastRuns()
    try:
        workspace = workspace_of_target(project, status.target)
        return LastRuns(tuple(last_runs(tracked_modules(project, status.target, (), compile_metadata), workspace)))
    except LakeflowJobMetaError as error:
        return LastRuns(problem=str(error))


def _write_metrics(path: Path, statuses: Sequence[TargetStatus]) -> None:
    from lakeflow_job_meta.monitor.metrics import metrics_of_status, write_metrics  # most runs do without

    write_metrics(path, map(metrics_of_status, statuses))


def _as_object(status: TargetStatus, asked: LastRuns | None = None) -> dict[str, object]:
    health, deployed = status.health, status.deployed
    return {
        "project": status.project,
        "target": status.target,
        "healthy": status.is_healthy,
        "error": status.problem or None,
        **_health_object(health or Health(status.target, None, None, None, "")),
        "deployed": None
        if deployed is None
        else {"jobs": len(deployed.jobs), "modules": sorted({*deployed.named(job.key for job in deployed.jobs)})},
        "bundles": [{"name": name, "jobs": jobs} for name, jobs in (deployed.bundles if deployed else {}).items()],
        "paused": deployed.named(deployed.paused) if deployed else [],
        "runs": [run_as_object(run) for run in asked.runs] if asked is not None and not asked.problem else None,
        "runs_error": (asked.problem or None) if asked is not None else None,
    }


def _health_object(health: Health) -> dict[str, object]:
    beat, state = health.heartbeat, health.state
    return {
        "last_tick": None
        if beat is None
        else {
            "time": beat.moment.isoformat(),
            "outcome": beat.outcome,
            "process": beat.process,
            "host": beat.host,
        },
        "last_entry": None if health.last is None else entry_as_object(health.last),
        "last_deployment": None if health.deployment is None else entry_as_object(health.deployment),
        "absence": health.absence or None,
        "failures": health.failures,
        "failures_in_a_row": 0 if beat is None else beat.failures_in_a_row,
        "refused": [
            {
                "jobs": list(each.change.jobs),
                "reason": each.change.reason,
                "why": each.change.sentence,
                "way_out": each.change.remedy or None,
                "since": each.since.isoformat() if each.since is not None else None,
            }
            for each in health.refusals
        ],
        "waiting": list(state.leaving),
        "warnings": list(state.warnings),
        "quarantined": {
            "modules": list(state.broken),
            "errors": list(state.errors),
            "details": [
                {"module": each.name, "since": each.since.isoformat(), "errors": list(each.mistakes)}
                for each in health.quarantine
            ],
        },
        "waiting_for_approval": waiting_objects(state.waiting, health.target),
    }


def entry_as_object(entry: HistoryEntry) -> dict[str, object]:
    """Returns an entry of the history for JSON."""
    return {
        "run_id": entry.run_id,
        "target": entry.target,
        "started": entry.started.isoformat(),
        "duration_seconds": entry.duration_seconds,
        "metadata_version": entry.metadata_version,
        "outcome": entry.outcome.value,
        "created": entry.created,
        "changed": entry.changed,
        "deleted": entry.deleted,
        "refused": [refusal.reason for refusal in entry.state.refused],
        "quarantined": list(entry.state.broken),
        "warnings": list(entry.state.warnings),
        "error": entry.state.failure or None,
        "changed_by": entry.changed_by or None,
        "git_commit": entry.git_commit or None,
    }
