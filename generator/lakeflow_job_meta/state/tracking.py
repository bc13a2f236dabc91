"""The tracking table: which job of the workspace belongs to which module, corrected after each deployment.

It is `{control_table}_jobs` beside the table that a project reads, else in its state folder. It is for
people and other tools; the bundle's own state, or the tags of the jobs, know the jobs without it. So a crash between
deployment and record heals with the next one.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, cast

from lakeflow_job_meta.state.folder import read_record, write_record

if TYPE_CHECKING:
    from lakeflow_job_meta.tables.schema import Row
    from lakeflow_job_meta.tables.store import TableStore

_LEFT_BEHIND = "left_behind.json"
_PAUSED = "paused.json"
_JOB_ID = re.compile("[0-9]{1,19}")
_SAME = ("module_name", "job_id", "job_name", "url")


@dataclass(frozen=True, slots=True)
class DeployedJob:
    """A job in the workspace; its resource key comes from the module's name."""

    key: str
    job_id: str
    name: str
    url: str


@dataclass(frozen=True, slots=True)
class TrackedJob:
    """One row of the tracking table.

    Attributes:
        metadata_version: Of the tables read when the job was changed last; empty for files.
        created_timestamp: When it was first tracked; `updated_timestamp` when it last changed.
    """

    module_name: str
    job_id: int
    job_name: str
    created_timestamp: datetime
    updated_timestamp: datetime
    target: str
    bundle_key: str
    url: str
    metadata_version: str

    def as_row(self) -> Row:
        from lakeflow_job_meta.state.store import JOBS

        return {column.name: getattr(self, column.name) for column in JOBS.columns}


def known_jobs(store: TableStore, target: str) -> tuple[DeployedJob, ...]:
    """Returns the tracked jobs of a target."""
    return tuple(jobs_by_target(store.rows()).get(target, ()))


def jobs_by_target(rows: Iterable[Row]) -> dict[str, list[DeployedJob]]:
    """Returns the jobs in the tracking table by target; rows of the original tool have none."""
    jobs: defaultdict[str, list[DeployedJob]] = defaultdict(list)
    for row in rows:
        key, job_id, name, url = (str(row[each] or "") for each in ("bundle_key", "job_id", "job_name", "url"))
        if isinstance(row["target"], str):
            jobs[row["target"]].append(DeployedJob(key, job_id, name, url))
    return dict(jobs)


def recorded_job(entry: object) -> DeployedJob | None:
    """Returns a job as a record in JSON has it; None for what is none, or is damaged."""
    names = {field.name for field in fields(DeployedJob)}
    is_whole = isinstance(entry, dict) and entry.keys() == names and {*map(type, entry.values())} == {str}
    job = DeployedJob(**cast("dict[str, str]", entry)) if is_whole else None
    return job if job is not None and _JOB_ID.fullmatch(job.job_id) else None


def write_left_behind(folder: Path, jobs: Sequence[DeployedJob]) -> None:
    """Remembers in a state folder the jobs that nothing deletes, for commands that do not ask the workspace."""
    path = folder / _LEFT_BEHIND
    if jobs or path.exists():
        write_record(path, {"jobs": [asdict(job) for job in jobs]})


def read_left_behind(folder: Path) -> tuple[DeployedJob, ...]:
    """Reads them; none where nothing can be read."""
    jobs = read_record(folder / _LEFT_BEHIND).get("jobs")
    return tuple(
        DeployedJob(*(str(job.get(field.name) or "") for field in fields(DeployedJob)))
        for job in (jobs if isinstance(jobs, list) else [])
        if isinstance(job, dict)
    )


def write_paused(folder: Path, keys: Collection[str]) -> None:
    """Remembers in a state folder the jobs that stay paused in the workspace, though not by the metadata."""
    if {*keys} != {*read_paused(folder)}:
        write_record(folder / _PAUSED, {"jobs": sorted(keys)})


def read_paused(folder: Path) -> tuple[str, ...]:
    """Reads their keys; none where nothing can be read."""
    keys = read_record(folder / _PAUSED).get("jobs")
    return tuple(map(str, keys)) if isinstance(keys, list) else ()


def record_jobs(
    store: TableStore,
    rows: Iterable[Row],
    target: str,
    jobs: Iterable[DeployedJob],
    modules: Mapping[str, str],
    changed: Collection[str] = (),
    metadata_version: str = "",
    staying: Collection[str] = (),
) -> list[TrackedJob]:
    """Brings the tracking table to what is in the workspace for a target; writes only what differs.

    `rows` are what the table has, `modules` the modules' names by the keys of the jobs, `changed` the keys of those
    that this deployment has changed, `staying` the keys of jobs that no metadata has any more, and that are still
    there: their rows stay.
    """
    old = {str(row["bundle_key"]): row for row in rows if row["target"] == target}
    by_id = {str(row["job_id"]): row for row in old.values()}
    now = datetime.now(timezone.utc)
    now = now.replace(microsecond=now.microsecond // 1000 * 1000)
    tracked = []
    for job in jobs:
        row = old.get(job.key) or by_id.get(job.job_id, {})
        name = modules.get(job.key) or str(old.get(job.key, {}).get("module_name") or job.key)
        fresh = TrackedJob(name, int(job.job_id), job.name, now, now, target, job.key, job.url, metadata_version)
        tracked.append(_carried_on(fresh, row, is_sent=job.key in changed))
    gone = old.keys() - {job.bundle_key for job in tracked} - {*staying}
    changed_rows = [row for job in tracked if (row := job.as_row()) != old.get(job.bundle_key)]
    from lakeflow_job_meta.tables.schema import RowChanges

    store.write(RowChanges(changed_rows, [(target, key) for key in sorted(gone)]))
    return tracked


def _carried_on(job: TrackedJob, old: Row, *, is_sent: bool) -> TrackedJob:
    """Returns an entry that keeps when the job was created, and when it was changed last unless that is now."""
    created, updated = old.get("created_timestamp"), old.get("updated_timestamp")
    if old.get("job_id") != job.job_id or not isinstance(created, datetime):
        return job
    new = job.as_row()
    if is_sent or any(old.get(column) != new[column] for column in _SAME):
        return replace(job, created_timestamp=created)
    return replace(
        job,
        created_timestamp=created,
        updated_timestamp=updated if isinstance(updated, datetime) else job.updated_timestamp,
        metadata_version=str(old.get("metadata_version") or ""),
    )
