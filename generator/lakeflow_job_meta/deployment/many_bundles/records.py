"""Records of what was deployed last of each bundle of many: by them, bundles whose files did not change stay untouched.

Beside the files, the environment counts too: another workspace or another value of a variable is a change.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import cast

from lakeflow_job_meta._internal.fs import MAX_BYTES_OF_ANY, kind_of_path, read_file
from lakeflow_job_meta._internal.trees import value_at
from lakeflow_job_meta.compiler.result import Compilation
from lakeflow_job_meta.config.bundle import read_bundle_file
from lakeflow_job_meta.config.model import BUNDLE_FILE, BUNDLES_FOLDER, Project, is_inside
from lakeflow_job_meta.deployment.databricks_cli.deployer import fingerprint
from lakeflow_job_meta.errors import OperationFailed
from lakeflow_job_meta.layout.bundle_file import common_config
from lakeflow_job_meta.layout.layout import layout_of
from lakeflow_job_meta.state.folder import read_record, write_record
from lakeflow_job_meta.state.tracking import DeployedJob, recorded_job

_FILE = "bundle.json"
_CHANGING_WHAT_IS_DEPLOYED = ("BUNDLE_VAR_", "DATABRICKS_HOST", "DATABRICKS_CONFIG_PROFILE")


@dataclass(frozen=True, slots=True)
class BundleRecord:
    """What was deployed last: the digest of the files, empty where not all of them was deployed, and the jobs."""

    digest: str = ""
    jobs: tuple[DeployedJob, ...] = ()


def bundle_state_folder(folder: Path, bundle: str) -> Path:
    """Returns the folder of the records of one bundle in the state folder of a target."""
    return folder / BUNDLES_FOLDER / bundle


def read_bundle_record(folder: Path) -> BundleRecord:
    """Reads the record in the state folder of a bundle; one that is missing or damaged is empty."""
    record = read_record(folder / _FILE)
    entries = record.get("jobs")
    jobs = [job for entry in (entries if isinstance(entries, list) else ()) if (job := recorded_job(entry)) is not None]
    digest = record.get("digest")
    return BundleRecord(digest if isinstance(digest, str) else "", tuple(jobs))


def has_bundle_record(folder: Path) -> bool:
    """Says whether there is a record in the state folder of a bundle, whatever it is worth."""
    return kind_of_path(folder / _FILE) != ""


def write_bundle_record(folder: Path, record: BundleRecord) -> None:
    """Writes the record."""
    write_record(folder / _FILE, {"digest": record.digest, "jobs": [asdict(job) for job in record.jobs]})


class BundleFingerprints:
    """Fingerprints of all that a deployment of a bundle depends on; what several bundles need is read once."""

    def __init__(self, project: Project, compilation: Compilation, environment: Mapping[str, str]) -> None:
        self._folder = project.folder
        self._layout = layout_of(project)
        self._shared = common_config(project, compilation.bundle).include
        self._libraries: dict[str, set[str]] = {}
        for job in compilation.summaries:
            self._libraries.setdefault(compilation.bundles[job.key], set()).update(job.libraries)
        names = sorted(name for name in environment if name.startswith(_CHANGING_WHAT_IS_DEPLOYED))
        self._environment = repr([(name, environment[name]) for name in names])
        self._of_path = lru_cache(maxsize=None)(self._read)

    def of(self, bundle: str) -> str:
        """Returns the fingerprint of a bundle; raises OperationFailed where a file cannot be read."""
        own = self._layout.deployment_folder(bundle).relative_to(self._folder).as_posix()
        paths = {own, *self._shared, *self._synced(own), *self._libraries.get(bundle, ())}
        texts = [self._environment, *(f"{path} {self._of_path(path)}" for path in sorted(paths))]
        return hashlib.sha256("\n".join(texts).encode("utf-8", "surrogateescape")).hexdigest()

    def _synced(self, own: str) -> Iterator[str]:
        """Yields what the bundle uploads, relative to the project."""
        for file in (f"{own}/{BUNDLE_FILE}", *self._shared):
            paths = value_at(read_bundle_file(self._folder / file), ("sync", "paths"))[1]
            for path in cast("Iterable[object]", paths) if isinstance(paths, list) else ():
                synced = os.path.normpath((self._folder / file).parent / str(path))
                if synced.startswith(str(self._folder)):
                    name = Path(synced).relative_to(self._folder).as_posix()
                    if not name.startswith(f"{own}/"):
                        yield name

    def _read(self, name: str) -> str:
        path = self._folder / name
        kind = kind_of_path(path) if is_inside(name) else ""
        if kind != "file":
            return fingerprint(path) if kind == "folder" else ""
        try:
            return hashlib.sha256(read_file(path, MAX_BYTES_OF_ANY)).hexdigest()
        except OSError as error:
            raise OperationFailed(f"{name!r} cannot be read: {error.strerror}.") from error
