"""What changes of jobs, per job, per task and per setting, as values; and what a project says of it. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from lakeflow_job_meta.output.changes import Change
from lakeflow_job_meta.parsing.keys import job_key

if TYPE_CHECKING:
    from lakeflow_job_meta._internal.trees import Difference
    from lakeflow_job_meta.config.model import Project, Removal
    from lakeflow_job_meta.control_table.waiting import WaitingModule


@dataclass(frozen=True, slots=True)
class TaskChange:
    """What happens to one task.

    Attributes:
        waits_also_for: Tasks that it starts to wait for; `waits_no_longer_for` those that it stops waiting for. A
            condition's outcome stands behind the key: `check (true)`.
        differences: Its other settings, for a task that is in both.
        sql_changed: Whether its inline SQL says something else.
        target: The target in which that happens, where not the same happens in all.
        rules_changed: Whether the file with its rules says something else.
        untold: What is different beside that: its files before and after, or all of a task that is in one only.
    """

    key: str
    kind: Change
    waits_also_for: tuple[str, ...] = ()
    waits_no_longer_for: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()
    sql_changed: bool = False
    target: str | None = None
    rules_changed: bool = False
    untold: tuple[object, ...] = field(default=(), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class JobChange:
    """What happens to one job.

    Attributes:
        settings: Those of one target begin with `targets` and its name, where not the same changes in all.
        tasks: Tasks that differ; all of a job that is created.
        renamed_from: For a job that is created, the one that goes and is probably the same.
        source: For a job that is deleted, the file or table that it came from, as its file says.
        blueprint: The name of the blueprint that the job is made of.
        rows: The names of the rows that fill the blueprint for it.
        keeps_job: Whether it takes over the job of the one that it was renamed from, as its module says; for one that
            is deleted, whether its job stays in the workspace and is only forgotten, as the project file says.
    """

    key: str
    kind: Change
    settings: tuple[Difference, ...] = ()
    tasks: tuple[TaskChange, ...] = ()
    renamed_from: str | None = None
    source: str | None = None
    blueprint: str | None = None
    rows: tuple[str, ...] = ()
    keeps_job: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """All that would change, by key, and how many jobs stay as they are.

    Attributes:
        refused: Jobs to delete that nobody has allowed to be deleted yet, so that a deployment is refused.
        waiting: What is no part of the plan until it is approved, in the target that the plan is of.
        released: What `deploy.removed` names from now on, of modules that were gone before.
    """

    changes: tuple[JobChange, ...]
    unchanged: int
    refused: tuple[str, ...] = ()
    waiting: tuple[WaitingModule, ...] = ()
    target: str | None = None
    released: tuple[Removal, ...] = ()

    def allowed_by(self, project: Project) -> Plan:
        """Returns the plan with what is refused where a project allows its deletions, by their number or by name."""
        removed = {job_key(each.module_name): each.keep_job for each in project.removed}
        doomed = (each.key for each in self.changes if each.kind is Change.DELETE)
        others = tuple(key for key in doomed if key not in removed)
        staying = {key for key, stays in removed.items() if stays}
        changes = tuple(_with_staying(change, staying) for change in self.changes) if staying else self.changes
        return replace(self, changes=changes, refused=others if len(others) > project.max_deletes else ())


def _with_staying(change: JobChange, staying: Collection[str]) -> JobChange:
    if change.kind is Change.DELETE and change.key in staying:
        return replace(change, keeps_job=True)
    # What stays is not replaced by what looks like it.
    return replace(change, renamed_from=None) if change.renamed_from in staying and not change.keeps_job else change
