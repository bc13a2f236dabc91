"""The state of targets as metrics in the text format of Prometheus, for the textfile collector of node-exporter.

The format: https://prometheus.io/docs/instrumenting/exposition_formats/. A value that is not known is left out: there
is no number for what nobody has counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from lakeflow_job_meta._internal.fs import write_atomically
from lakeflow_job_meta.errors import LakeflowJobMetaError, OperationFailed
from lakeflow_job_meta.monitor.events import TickResult
from lakeflow_job_meta.monitor.status import TargetStatus
from lakeflow_job_meta.state.history import Outcome

METRICS = {
    "ljm_state_readable": "Whether the state of the target could be read.",
    "ljm_healthy": "Whether a monitor runs and nothing is left for a person to do, as the exit code of ljm status.",
    "ljm_last_tick_timestamp_seconds": "When the last tick of the monitor of this machine ended, in Unix time.",
    "ljm_last_tick_success": "Whether the last tick of the monitor of this machine did not fail.",
    "ljm_tick_failures_in_a_row": "How many ticks have failed since one did not.",
    "ljm_quarantined_modules": "Modules that keep their last job because of mistakes.",
    "ljm_refused_deployments": "Changes that are held back until a person allows them or does something.",
    "ljm_jobs": "Jobs that are recorded as deployed.",
}
"""The metrics, all of them gauges, and what they are."""


@dataclass(frozen=True, slots=True)
class TargetMetrics:
    """What is known of one target; None for what is not."""

    project: str
    target: str
    is_readable: bool
    is_healthy: bool | None
    last_tick: datetime | None = None
    is_success: bool | None = None
    failures_in_a_row: int | None = None
    quarantined: int | None = None
    refused: int | None = None
    jobs: int | None = None

    def values(self) -> dict[str, float | None]:
        """Returns the value of each metric."""
        tick = self.last_tick
        # To the millisecond, as the heartbeat has it.
        whole = tick.replace(microsecond=tick.microsecond // 1000 * 1000) if tick is not None else None
        seconds = whole.timestamp() if whole is not None else None
        values = (
            *(self.is_readable, self.is_healthy, seconds, self.is_success),
            *(self.failures_in_a_row, self.quarantined, self.refused, self.jobs),
        )
        return dict(zip(METRICS, values, strict=True))


def metrics_of_status(status: TargetStatus) -> TargetMetrics:
    """Returns the metrics of a target as it is read."""
    health, deployed = status.health, status.deployed
    beat = health.heartbeat if health is not None else None
    is_watched = health is not None and not status.is_unmonitored
    return TargetMetrics(
        status.project,
        status.target,
        not status.problem,
        status.is_healthy if is_watched or status.problem else None,
        beat.moment if beat is not None else None,
        beat.outcome != Outcome.FAILED.value if beat is not None else None,
        beat.failures_in_a_row if beat is not None else None,
        len(health.quarantine) if health is not None and is_watched else None,
        len(health.refusals) if health is not None and is_watched else None,
        len(deployed.jobs) if deployed is not None else None,
    )


class TickMetrics:
    """Writes the metrics of one target after each tick of its monitor.

    Args:
        count_jobs: Reads how many jobs are recorded; only asked where a tick may have changed that.
        report: Takes why the file could not be written; the monitor goes on.
    """

    def __init__(
        self, path: Path, project: str, target: str, count_jobs: Callable[[], int], report: Callable[[str], None]
    ) -> None:
        self._path, self._project, self._target = path, project, target
        self._count_jobs, self._report = count_jobs, report
        self._jobs: int | None = None

    def write(self, tick: TickResult, failures_in_a_row: int) -> None:
        """Writes what the newest tick left."""
        try:
            has_changed = tick.outcome is Outcome.DEPLOYED or tick.created or tick.deleted
            if has_changed or (self._jobs is None and tick.outcome is not Outcome.FAILED):
                self._jobs = None
                self._jobs = self._count_jobs()
        except LakeflowJobMetaError as error:
            self._report(f"The number of jobs is left out of the metrics: {error}")
        state = tick.state
        metrics = TargetMetrics(
            self._project,
            self._target,
            True,
            tick.is_healthy,
            tick.moment,
            tick.outcome is not Outcome.FAILED,
            failures_in_a_row,
            len(state.broken),
            len(state.refused),
            self._jobs,
        )
        try:
            write_metrics(self._path, [metrics])
        except OperationFailed as error:
            self._report(str(error))


def write_metrics(path: Path, targets: Iterable[TargetMetrics]) -> None:
    """Writes the file whole, so that a collector finds the old one or the new one.

    Raises:
        OperationFailed: The disk refuses.
    """
    try:
        write_atomically(path, as_text(targets).encode("utf-8", "replace"), durable=False)
    except OSError as error:
        hint = " Make its folder first." if not path.parent.is_dir() else ""
        raise OperationFailed(f"The metrics cannot be written to {str(path)!r}: {error.strerror}.{hint}") from error


def as_text(targets: Iterable[TargetMetrics]) -> str:
    """Returns the metrics of some targets in the text format."""
    return "".join(f"{line}\n" for line in _lines([*targets]))


def _lines(targets: list[TargetMetrics]) -> Iterator[str]:
    values = [(target, target.values()) for target in targets]
    for name, help_text in METRICS.items():
        known = [(target, value) for target, found in values if (value := found[name]) is not None]
        if known:
            yield f"# HELP {name} {help_text}"
            yield f"# TYPE {name} gauge"
        for target, value in known:
            labels = f'project="{_escaped(target.project)}",target="{_escaped(target.target)}"'
            yield f"{name}{{{labels}}} {value:.3f}" if isinstance(value, float) else f"{name}{{{labels}}} {int(value)}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
