"""The state of a bundle as the databricks CLI keeps it, and the note of its last deployment beside it. Pure.

The state says which job has which id, so that a deployment need not ask for that: it lies beside the bundle's own file
after each `bundle plan` and `bundle deploy`. It is an internal file of the CLI. What in it is not as it is known to be,
or not of the deployment in question, is no answer, and the CLI is asked.

The note is of us, and says what the deployment brought: by it a fresh checkout knows that nothing is left to be done.
It counts only for the very state that it names.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import cast
from urllib.parse import urlsplit

from lakeflow_job_meta._internal.trees import Value, value_at
from lakeflow_job_meta.planning.model import Action, job_key_in, job_names
from lakeflow_job_meta.state.tracking import DeployedJob, recorded_job

STATE_FILE = "resources.json"
NOTE_FILE = "lakeflow_job_meta_deployed.json"

_KNOWN_VERSION = 2
"""Of the form of the state: bundle/direct/dstate/state.go of the CLI."""


@dataclass(frozen=True, slots=True)
class StateJob:
    """A job as the state has it, with the name that it got with its last deployment."""

    job_id: str
    name: str


@dataclass(frozen=True, slots=True)
class BundleState:
    """A state of a bundle.

    Attributes:
        lineage: Of all states of this bundle there; `serial` is one more with each deployment that changes something.
        jobs: By key; None where the form of the state is none that is known.
        folder: Where it is in the workspace, as the jobs name it; empty where none does.
    """

    lineage: str
    serial: int
    jobs: Mapping[str, StateJob] | None
    folder: str = ""


def parsed_state(text: str) -> BundleState | None:
    """Reads a state; None for what is none."""
    try:
        root = json.loads(text)
        lineage, serial = root["lineage"], root["serial"]
        if not (isinstance(lineage, str) and lineage and type(serial) is int):
            return None
        is_known = root["state_version"] == _KNOWN_VERSION and not root.get("features")
        entries = root["state"] if is_known else None
        jobs = {key: entry for name, entry in (entries or {}).items() if (key := job_key_in(name)) is not None}
        found = {
            key: StateJob(str(int(entry["__id__"])), str(value_at(entry, ("state", "name"))[1] or ""))
            for key, entry in jobs.items()
        }
        return BundleState(lineage, serial, found if is_known else None, _folder_named(jobs.values()))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return None


def _folder_named(jobs: Iterable[Value]) -> str:
    paths = (value_at(job, ("state", "deployment", "metadata_file_path"))[1] for job in jobs)
    return next((posixpath.dirname(path) for path in paths if isinstance(path, str) and "/" in path), "")


@dataclass(frozen=True, slots=True)
class DeploymentNote:
    """What the last deployment of a bundle brought.

    Attributes:
        files: The digest of all that was deployed.
        is_whole: Whether nothing was left out.
        lineage: Of the state after it, like `serial`.
        jobs: Those of the metadata that were in the workspace then.
    """

    files: str = ""
    is_whole: bool = False
    lineage: str = ""
    serial: int = -1
    jobs: tuple[DeployedJob, ...] = ()

    def as_record(self) -> dict[str, object]:
        return asdict(self)

    def is_of(self, lineage: str | None, serial: int | None) -> bool:
        """Says whether a state is the one that the note is about; a bundle that has no state has neither of the two."""
        return (self.lineage, self.serial) == (lineage or "", -1 if serial is None else serial)

    def is_confirmed_by(self, state: BundleState | None) -> bool:
        """Says whether a state is the one that the note is about, and has its jobs."""
        if state is None or state.jobs is None or not self.is_of(state.lineage, state.serial):
            return False
        ids = {key: job.job_id for key, job in state.jobs.items()}
        return all(ids.get(job.key) == job.job_id for job in self.jobs)


def parsed_note(record: object) -> DeploymentNote:
    """Reads a note; one that is damaged says nothing."""
    try:
        found = cast("dict[str, object]", record)
        files, is_whole, lineage, serial = (found[name] for name in ("files", "is_whole", "lineage", "serial"))
        jobs = [recorded_job(each) for each in cast("list[object]", found["jobs"])]
        if None not in jobs and (type(files), type(lineage)) == (str, str):
            return DeploymentNote(
                cast(str, files),
                is_whole is True,
                cast(str, lineage),
                serial if type(serial) is int else -1,
                tuple(job for job in jobs if job is not None),
            )
    except (KeyError, TypeError, AttributeError):
        return DeploymentNote()
    return DeploymentNote()


def parsed_note_text(text: str | None) -> DeploymentNote:
    """Reads the text of a note; of one that is not there, or is damaged, nothing is known."""
    try:
        return parsed_note(json.loads(text or ""))
    except (ValueError, RecursionError):
        return DeploymentNote()


@dataclass(frozen=True, slots=True)
class JobPages:
    """Where the pages of the jobs of a workspace are: what stands before and after the id in their addresses."""

    before: str
    after: str

    def page_of(self, job_id: str) -> str:
        return f"{self.before}{job_id}{self.after}"


def pages_like(jobs: Iterable[DeployedJob], state: BundleState, address: str | None) -> JobPages | None:
    """Returns where pages are, by that of a job which the state has under the same id.

    `address` is that of the workspace, where it is known; with another one nothing is known.
    """
    for job in jobs:
        before, page, after = job.url.partition(f"/jobs/{job.job_id}")
        is_same = state.jobs is not None and state.jobs.get(job.key, StateJob("", "")).job_id == job.job_id
        if is_same and page and (address is None or _host(address) == _host(before)):
            return JobPages(f"{before}/jobs/", after)
    return None


def _host(address: str) -> str:
    return urlsplit(address if "://" in address else f"https://{address}").netloc.lower()


@dataclass(frozen=True, slots=True)
class PlannedJobs:
    """The jobs of the newest plan: its entries by name, and the keys of those that it has written since."""

    entries: Mapping[str, Value]
    written: Collection[str] = field(default_factory=frozenset)

    def listed(self, keys: Collection[str], state: BundleState, pages: JobPages) -> tuple[DeployedJob, ...] | None:
        """Returns which of some jobs are deployed, as `bundle summary` says it; None where that is not quite clear.

        A job has the name that the configuration gives it now, also where it was left as it is.
        """
        found = []
        for key, name in sorted(zip(keys, job_names(keys), strict=True)):
            entry = self.entries.get(name)
            if entry is None or value_at(entry, ("action",))[1] == Action.DELETE.value:
                continue  # the configuration does not have it for this target
            job = state.jobs.get(key) if state.jobs is not None else None
            if job is None and key not in self.written and value_at(entry, ("action",))[1] == Action.CREATE.value:
                continue  # it was left out
            named = self._name(entry) or (job.name if job is not None else "")
            if job is None or not named or not self._agrees(entry, job):
                return None
            found.append(DeployedJob(key, job.job_id, named, pages.page_of(job.job_id)))
        return tuple(found)

    def _name(self, entry: Value) -> str:
        """Returns the name that the configuration gives a job; the plan says none of one that stays as it is."""
        name = value_at(entry, ("new_state", "value", "name"))[1]
        is_resolved_later = value_at(entry, ("new_state", "vars", "name"))[0]
        return name if isinstance(name, str) and not is_resolved_later else ""

    def _agrees(self, entry: Value, job: StateJob) -> bool:
        there = value_at(entry, ("remote_state", "job_id"))[1]
        is_new = value_at(entry, ("action",))[1] in (Action.CREATE.value, Action.RECREATE.value)
        return is_new or there is None or str(there) == job.job_id
