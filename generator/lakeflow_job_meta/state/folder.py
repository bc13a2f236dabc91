"""The folder `.lakeflow-job-meta/`: locks, plans and records of deployments, and the cache; git ignores it."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from pathlib import Path

from lakeflow_job_meta._internal.fs import read_file, write_atomically
from lakeflow_job_meta.config.model import BUNDLE_FILE, PROJECT_FILE, Project
from lakeflow_job_meta.errors import OperationFailed

FOLDER = ".lakeflow-job-meta"


def state_folder(project: Project, target: str | None) -> Path:
    """Returns the folder for one target, and creates it.

    A control table without a project around it, as in a notebook, has a folder of the user's own for temporary files:
    the current folder may be read-only there, or have no locks, and nothing but a lock and a heartbeat is kept.
    """
    folder = make_state_root(project) / re.sub(r"[^A-Za-z0-9_-]", "_", target or "default")
    _create(folder)
    return folder


def make_state_root(project: Project) -> Path:
    """Returns the folder itself, and creates it; raises OperationFailed where the disk refuses."""
    root = _root(project)
    _create(root, ignored_by_git=True)
    return root


def _create(folder: Path, *, ignored_by_git: bool = False) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        ignore = folder / ".gitignore"
        if ignored_by_git and not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")
    except OSError as error:
        raise OperationFailed(f"{str(folder)!r} cannot be created: {error.strerror}.") from error


def _root(project: Project) -> Path:
    if any((project.folder / name).exists() for name in (BUNDLE_FILE, PROJECT_FILE)):
        return project.folder / FOLDER
    name = project.control_table or str(project.folder)
    user = f"lakeflow-job-meta-{os.getuid()}" if hasattr(os, "getuid") else "lakeflow-job-meta"
    return Path(tempfile.gettempdir(), user, hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:16])


def write_record(path: Path, record: object, *, is_durable: bool = True) -> None:
    """Writes a small JSON file whole: a crash leaves the old one or the new one.

    A durable one survives a power failure right after. Raises OperationFailed where the disk refuses.
    """
    content = json.dumps(record, indent=2, ensure_ascii=False).encode("utf-8")
    try:
        write_atomically(path, content, durable=is_durable)
    except OSError as error:
        raise OperationFailed(f"{str(path)!r} cannot be written: {error.strerror}.") from error


def read_record(path: Path) -> dict[str, object]:
    """Reads a small JSON file; one that is missing or damaged is as good as empty."""
    try:
        record = json.loads(read_file(path))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}
