"""Which job of the workspace belongs to which module: recorded after a deployment, corrected whenever it differs.

The record is for people and for other tools; a deployment never depends on it, since the bundle's own state knows the
jobs. So a crash between deployment and record heals with the next one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path

from lakeflow_job_meta.deployment.deploy import DeployedJob
from lakeflow_job_meta.deployment.state_folder import read_record, write_record

_FILE = "jobs.json"


@dataclass(frozen=True, slots=True)
class TrackedJob:
    """One job of the record.

    Attributes:
        bundle_key: The job's key in the bundle.
        created_timestamp: When it was first recorded, in ISO form and UTC; `updated_timestamp` when it last changed.
    """

    module_name: str
    job_id: str
    job_name: str
    target: str
    bundle_key: str
    url: str
    created_timestamp: str
    updated_timestamp: str


def record_jobs(folder: Path, target: str, jobs: Iterable[DeployedJob], modules: dict[str, str]) -> list[TrackedJob]:
    """Writes the jobs of a target into the project's own record.

    Args:
        folder: The state folder of the target.
        target: Its name.
        jobs: As the bundle's summary has them.
        modules: The module's name by the job's key.

    Returns:
        The record as it is now.
    """
    known = read_record(folder / _FILE)
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    tracked = [_tracked(job, target, modules.get(job.key, job.key), known.get(job.key), now) for job in jobs]
    record = {job.bundle_key: asdict(job) for job in tracked}
    if record != known:
        write_record(folder / _FILE, record)
    return tracked


def _tracked(job: DeployedJob, target: str, module_name: str, known: object, now: str) -> TrackedJob:
    old = known if isinstance(known, dict) else {}
    same = [old.get(name) for name in ("module_name", "job_id", "job_name", "target", "url")]
    is_same = same == [module_name, job.job_id, job.name, target, job.url]
    created = str(old.get("created_timestamp") or now) if old.get("job_id") == job.job_id else now
    updated = str(old.get("updated_timestamp") or now) if is_same else now
    return TrackedJob(module_name, job.job_id, job.name, target, job.key, job.url, created, updated)
