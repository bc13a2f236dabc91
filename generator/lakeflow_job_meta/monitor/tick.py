"""The result of one tick of a monitor. Data only."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timezone

from lakeflow_job_meta.deployment.pipeline import DeployResult
from lakeflow_job_meta.output.writer import Change, FileChanges
from lakeflow_job_meta.planning.model import Action
from lakeflow_job_meta.state.history import MonitorState, Outcome


@dataclass(frozen=True, slots=True)
class ChangedJob:
    """A job that a tick created or changed."""

    module: str
    job_id: int


@dataclass(frozen=True, slots=True)
class TickResult:
    """What one tick did; a failure overrides the outcome.

    Attributes:
        state: What is remembered now.
        created: The keys of the jobs that were created; `changed` and `deleted` likewise.
        jobs: Those that were created or changed.
        rows_loaded: Whether files of the volume changed the control table.
        retry_seconds: In how many seconds something is tried again without a change; None when nothing is.
    """

    outcome: Outcome
    state: MonitorState
    failure: str = ""
    created: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    jobs: tuple[ChangedJob, ...] = ()
    metadata_version: str = ""
    changed_sources: tuple[str, ...] = ()
    rows_loaded: bool = False
    moment: datetime = field(default_factory=lambda: datetime.now(timezone.utc))
    retry_seconds: float | None = None

    @classmethod
    def ended(cls, outcome: Outcome, state: MonitorState) -> TickResult:
        return cls(Outcome.FAILED if state.failure else outcome, state, state.failure)

    @classmethod
    def proposed(cls, state: MonitorState, changes: FileChanges) -> TickResult:
        created, changed, deleted = (changes.job_keys(kind) for kind in Change)
        return replace(cls.ended(Outcome.PROPOSED, state), created=created, changed=changed, deleted=deleted)

    @classmethod
    def deployed(cls, state: MonitorState, result: DeployResult) -> TickResult:
        """The deployment ended, perhaps in part; unless nothing was to be deployed."""
        if not result.was_needed:
            return cls.ended(Outcome.REFUSED if state.refused else Outcome.UNCHANGED, state)
        created, touched = tuple(result.plan.jobs(Action.CREATE)), result.changed
        return replace(
            cls.ended(Outcome.DEPLOYED, state),
            created=created,
            changed=tuple(key for key in touched if key not in created),
            deleted=tuple(result.plan.jobs(Action.DELETE)),
            jobs=tuple(ChangedJob(job.module_name, job.job_id) for job in result.jobs if job.bundle_key in touched),
        )

    @property
    def is_healthy(self) -> bool:
        """Whether nothing is left for a person to do."""
        state = self.state
        return not (self.failure or state.failure or state.broken or state.errors or state.refused)
