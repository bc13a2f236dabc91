"""`MetadataMonitor`: the monitor from notebooks and tests, with the methods of the original tool.

Thin: the same ticks as `ljm monitor`. What happens goes to the log `lakeflow_job_meta.metadata_monitor`, and
is printed where no logging is set up.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypedDict

from lakeflow_job_meta._internal.text import did_you_mean
from lakeflow_job_meta.api.arguments import check_number, table_name, tell, workspace_of
from lakeflow_job_meta.api.orchestrator import JobOfModule
from lakeflow_job_meta.errors import ConfigError, OperationFailed

if TYPE_CHECKING:
    from lakeflow_job_meta.api.arguments import WorkspaceLike
    from lakeflow_job_meta.config.model import Project
    from lakeflow_job_meta.monitor.events import Event, TickResult
    from lakeflow_job_meta.monitor.monitor import Monitor

_log = logging.getLogger("lakeflow_job_meta.metadata_monitor")


class CheckResult(TypedDict):
    """The result of one check; the keys are the original tool's, with three more.

    Attributes:
        timestamp: When it was, in ISO format; `last_check_timestamp` is the same.
        changes_detected: Whether anything had changed since the last deployment.
        yaml_changes: Whether files of the volume had.
        table_changes: Whether the control table had.
        jobs_updated: The jobs that were created or changed.
        errors: Everything that is wrong now, a text each.
        outcome: `idle`, `deployed`, `unchanged`, `refused`, `proposed` or `failed`.
        refused: What a person would have to allow.
        quarantined: The modules that keep their last job because of mistakes.
    """

    timestamp: str
    changes_detected: bool
    yaml_changes: bool
    table_changes: bool
    jobs_updated: list[JobOfModule]
    errors: list[str]
    last_check_timestamp: str
    outcome: str
    refused: list[str]
    quarantined: list[str]


class Widgets(Protocol):
    """The widgets of a notebook's `dbutils`, which parameters come from."""

    def get(self, name: str) -> str:
        """Returns the value of a widget."""


class _Utilities(Protocol):
    @property
    def widgets(self) -> Widgets: ...


class MetadataMonitor:
    """Watches a control table and, if one is given, a volume, and keeps the jobs up to date.

    Args:
        control_table: As `MetadataManager` takes it; it is created if it does not exist.
        check_interval_seconds: From one check to the next.
        volume_path: A volume whose YAML files are loaded into the table when they change.
        auto_update_jobs: Whether jobs are deployed; otherwise what would be deployed is written to `proposal_folder`.
        warehouse_id: The SQL warehouse that reads the table where there is no Spark session.
        project_folder: The bundle's folder; by default the nearest one upwards from the current folder.
        target: The bundle's target; by default the bundle's own.
        max_deletes: How many jobs one deployment may delete; by default as the project file says.
        overwrite_drift: Whether edits made by hand in the workspace may be overwritten.
        policies: A file of policies that every job must keep besides those of the project; it may be in a volume.
        fail_after: After how many failures in a row `run_continuous` ends with an error; by default never.
        workspace: The workspace: a WorkspaceClient or the name of a profile; by default the one of the environment.

    Attributes:
        target: The bundle's target.
        proposal_folder: Where proposals are written; None when jobs are deployed.

    Raises:
        ConfigError: The name is no table's name, or there is no way to reach it.
        OperationFailed: The table can neither be found nor created.
    """

    def __init__(
        self,
        control_table: str | os.PathLike[str],
        check_interval_seconds: int = 60,
        volume_path: str | os.PathLike[str] | None = None,
        auto_update_jobs: bool = True,
        *,
        warehouse_id: str | None = None,
        project_folder: str | Path | None = None,
        target: str | None = None,
        max_deletes: int | None = None,
        overwrite_drift: bool = False,
        fail_after: int | None = None,
        policies: str | os.PathLike[str] | None = None,
        workspace: WorkspaceLike | None = None,
    ) -> None:
        from lakeflow_job_meta.config.bundle import target_of
        from lakeflow_job_meta.services.adhoc_project import project_of_table, with_policies_file
        from lakeflow_job_meta.sources.open import open_table_source
        from lakeflow_job_meta.sources.volume import volume_path as find_volume
        from lakeflow_job_meta.state.folder import state_folder
        from lakeflow_job_meta.workspace.client import Workspace

        check_number("check_interval_seconds", check_interval_seconds, 1)
        check_number("max_deletes", max_deletes, 0)
        check_number("fail_after", fail_after, 1)
        self.check_interval_seconds, self.fail_after = check_interval_seconds, fail_after
        self.max_iterations: int | None = None
        self._volume_path = find_volume(os.fspath(volume_path)) if volume_path else None
        self._workspace = workspace_of(workspace) or Workspace()
        self._table = table_name(control_table)

        def load() -> Project:
            project = project_of_table(self._table, warehouse_id or None, project_folder)
            return with_policies_file(project, os.fspath(policies) if policies else None, self._workspace)

        project = load()
        self.target = target_of(project, target)
        source = next((source for source in project.metadata if source.location == self._table), project.metadata[0])
        self._source = source.location
        open_table_source(source, project.folder, workspace=self._workspace).create(only_new=True)
        self.proposal_folder = None if auto_update_jobs else state_folder(project, self.target) / "proposal"
        self._monitor = self._open(load, max_deletes, overwrite_drift)

    def _open(self, load: Callable[[], Project], max_deletes: int | None, overwrite_drift: bool) -> Monitor:
        from lakeflow_job_meta.deployment.policy import Audience
        from lakeflow_job_meta.deployment.select_backend import select_backend
        from lakeflow_job_meta.monitor.monitor import Monitor
        from lakeflow_job_meta.monitor.reconcile import MonitorConfig

        return Monitor(
            load,
            MonitorConfig(
                self.target, max_deletes, overwrite_drift, self._volume_path, self.proposal_folder, Audience.OBJECT
            ),
            lambda project: select_backend(project, self.target, self._workspace, on_fallback=_log.warning),
            _log_event,
            workspace=self._workspace,
        )

    @classmethod
    def from_widgets(cls, dbutils: _Utilities) -> MetadataMonitor:
        """Creates one from the widgets of a notebook, which are the parameters of its job.

        `control_table` is required; `volume_path`, `check_interval_seconds`, `max_iterations`, `warehouse_id`,
        `target`, `max_deletes`, `overwrite_drift`, `fail_after` and `policies` may be missing or empty. Raises
        ConfigError for a value that is missing or wrong.
        """
        return cls.from_parameters({name: _widget(dbutils.widgets, name) or "" for name in _WIDGETS})

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, str]) -> MetadataMonitor:
        """Creates one from texts, as parameters of a job are: `from_widgets` where there is no `dbutils`."""
        if unknown := [name for name in parameters if name not in _WIDGETS]:
            raise ConfigError(f"There is no parameter {unknown[0]!r}{did_you_mean(unknown[0], _WIDGETS)}")
        given = {name: parameters.get(name, "").strip() or None for name in _WIDGETS}
        table = given["control_table"]
        if table is None:
            raise ConfigError("The widget 'control_table' is missing or empty; give the name of the control table.")
        monitor = cls(
            table,
            _number("check_interval_seconds", given) or 60,
            given["volume_path"],
            warehouse_id=given["warehouse_id"],
            target=given["target"],
            max_deletes=_number("max_deletes", given, least=0),
            overwrite_drift=_flag("overwrite_drift", given),
            fail_after=_number("fail_after", given),
            policies=given["policies"],
        )
        monitor.max_iterations = _number("max_iterations", given)
        return monitor

    def check_and_update(self) -> CheckResult:
        """Runs one tick; raises nothing for what may happen in operation."""
        return self._result(self._monitor.tick())

    def run_continuous(self, max_iterations: int | None = None) -> None:
        """Checks again and again; ends after so many checks, by default as the widget says, else never.

        Raises:
            OperationFailed: It has failed `fail_after` times in a row.
        """
        from lakeflow_job_meta.monitor.loop import LoopOptions, run_loop

        check_number("max_iterations", max_iterations, 1)
        limit = max_iterations if max_iterations is not None else self.max_iterations
        options = LoopOptions(float(self.check_interval_seconds), limit, self.fail_after)
        result = run_loop(self._monitor, options, _log_event)
        if not result.is_success:
            raise OperationFailed(result.failure)

    def __repr__(self) -> str:
        return f"MetadataMonitor({self._table!r}, target={self.target!r})"

    def _result(self, tick: TickResult) -> CheckResult:
        moment, state = tick.moment.isoformat(), tick.state
        failures = [line for line in (tick.failure or state.failure).split("\n") if line]
        sources = set(tick.changed_sources)
        volume = (self._volume_path or "").rstrip("/")
        return CheckResult(
            timestamp=moment,
            changes_detected=bool(sources),
            yaml_changes=volume in sources,
            table_changes=tick.rows_loaded or self._source in sources,
            jobs_updated=[JobOfModule(module=job.module, job_id=job.job_id) for job in tick.jobs],
            errors=[*failures, *state.errors],
            last_check_timestamp=moment,
            outcome=tick.outcome.value,
            refused=[refusal.reason for refusal in state.refused],
            quarantined=list(state.broken),
        )


_WIDGETS = (
    "control_table",
    "volume_path",
    "check_interval_seconds",
    "max_iterations",
    "warehouse_id",
    "target",
    "max_deletes",
    "overwrite_drift",
    "fail_after",
    "policies",
)


def _widget(widgets: Widgets, name: str) -> str | None:
    """Returns a widget's value; None for one that is empty or does not exist."""
    try:
        return widgets.get(name).strip() or None
    except Exception as error:  # what a missing widget raises comes from Java and differs between runtimes
        if "InputWidgetNotDefined" in f"{type(error).__name__} {error}" or isinstance(error, KeyError):
            return None
        raise


def _number(name: str, given: dict[str, str | None], least: int = 1) -> int | None:
    text = given[name]
    if text is None:
        return None
    if not text.isdecimal() or int(text) < least:
        raise ConfigError(f"The widget {name!r} must be a whole number from {least}, or empty, not {text!r}.")
    return int(text)


def _flag(name: str, given: dict[str, str | None]) -> bool:
    text = (given[name] or "false").lower()
    if text not in ("true", "false"):
        raise ConfigError(f"The widget {name!r} must be true, false or empty, not {text!r}.")
    return text == "true"


def _log_event(event: Event) -> None:
    from lakeflow_job_meta.monitor.events import EventKind

    levels = {
        EventKind.FAILED: logging.ERROR,
        EventKind.QUARANTINED: logging.ERROR,
        EventKind.REFUSED: logging.WARNING,
        EventKind.UNDELIVERED: logging.WARNING,
    }
    tell(_log, levels.get(event.kind, logging.INFO), f"{event.kind.value}: {event.text}")
