"""The folder `.lakeflow-job-meta/`: locks, plans and records of deployments, and the cache; git ignores it."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from lakeflow_job_meta.errors import Failed
from lakeflow_job_meta.project import Project

FOLDER = ".lakeflow-job-meta"


def state_folder(project: Project, target: str | None) -> Path:
    """Returns the folder for one target, and makes it.

    Raises:
        Failed: The disk refuses.
    """
    folder = make_state_root(project) / re.sub(r"[^A-Za-z0-9_-]", "_", target or "default")
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise Failed(f"{str(folder)!r} cannot be made: {error.strerror}.") from error
    return folder


def make_state_root(project: Project) -> Path:
    """Returns the folder itself, and makes it.

    Raises:
        Failed: The disk refuses.
    """
    root = project.folder / FOLDER
    try:
        root.mkdir(parents=True, exist_ok=True)
        ignore = root / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")
    except OSError as error:
        raise Failed(f"{str(root)!r} cannot be made: {error.strerror}.") from error
    return root


def write_record(path: Path, record: object) -> None:
    """Writes a small JSON file whole: a crash leaves the old one or the new one."""
    temporary = path.with_suffix(".tmp")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            json.dump(record, file, indent=2, ensure_ascii=False)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise Failed(f"{str(path)!r} cannot be written: {error.strerror}.") from error


def read_record(path: Path) -> dict[str, object]:
    """Reads a small JSON file; one that is missing or damaged says nothing."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}
