"""The folder `.lakeflow-job-meta/`: locks, plans and records of deployments, and the cache; git ignores it.

It is for its owner alone: a plan has the values of the bundle's variables in it.
"""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from lakeflow_job_meta._internal.fs import read_file, write_atomically
from lakeflow_job_meta.errors import OperationFailed

if TYPE_CHECKING:
    from lakeflow_job_meta.config.model import Project

FOLDER = ".lakeflow-job-meta"


def state_folder(project: Project, target: str | None) -> Path:
    """Returns the folder for one target, and creates it.

    A control table without a project around it, as in a notebook, has a folder of the user's own for temporary files:
    the current folder may be read-only there, or have no locks, and nothing but a lock and a heartbeat is kept.
    """
    make_state_root(project)
    folder = state_folder_path(project, target)
    make_private(folder)
    return folder


def state_folder_path(project: Project, target: str | None) -> Path:
    """Returns where the folder for one target is, for who only reads; it may not be there."""
    return _root(project) / re.sub(r"[^A-Za-z0-9_-]", "_", target or "default")


def make_state_root(project: Project) -> Path:
    """Returns the folder itself, and creates it; raises OperationFailed where the disk refuses."""
    root = _root(project)
    if root.parent == temporary_folder():
        make_private(root.parent)
    make_private(root)
    try:
        ignore = root / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")
    except OSError as error:
        raise OperationFailed(f"{str(root)!r} cannot be written to: {error.strerror}.") from error
    return root


def make_private(folder: Path) -> None:
    """Creates a folder for its owner alone, and closes one that is open to others; its parents are as usual."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
        if os.name == "posix" and found.st_mode & 0o077 and found.st_uid == os.getuid():
            # Some file systems, such as that of notebooks in a workspace, have no modes.
            with suppress(OSError):
                folder.chmod(0o700)
    except OSError as error:
        raise OperationFailed(f"{str(folder)!r} cannot be created: {error.strerror}.") from error


def temporary_folder() -> Path:
    """Returns the user's own folder among the temporary files of this machine; it may not be there."""
    import tempfile  # projects have a folder of their own

    user = f"lakeflow-job-meta-{os.getuid()}" if hasattr(os, "getuid") else "lakeflow-job-meta"
    return Path(tempfile.gettempdir(), user)


def _root(project: Project) -> Path:
    from lakeflow_job_meta.config.model import BUNDLE_FILES, PROJECT_FILE

    try:
        if any((project.folder / name).exists() for name in (*BUNDLE_FILES, PROJECT_FILE)):
            return project.folder / FOLDER
    except OSError as error:
        raise OperationFailed(f"{str(project.folder)!r} cannot be read: {error.strerror}.") from error
    name = project.control_table or str(project.folder)
    import hashlib  # likewise

    return temporary_folder() / hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def write_record(path: Path, record: object, *, is_durable: bool = True) -> None:
    """Writes a small JSON file whole: a crash leaves the old one or the new one.

    A durable one survives a power failure right after. Raises OperationFailed where the disk refuses.
    """
    write_private(path, json.dumps(record, indent=2, ensure_ascii=False).encode("utf-8"), is_durable=is_durable)


def write_private(path: Path, content: bytes, *, is_durable: bool = True) -> None:
    """Writes a file of the state folder whole, for its owner alone. Raises OperationFailed where the disk refuses."""
    try:
        write_atomically(path, content, durable=is_durable, is_private=True)
    except OSError as error:
        raise OperationFailed(f"{str(path)!r} cannot be written: {error.strerror}.") from error


def read_record(path: Path) -> dict[str, object]:
    """Reads a small JSON file; one that is missing or damaged is as good as empty."""
    try:
        record = json.loads(read_file(path))
    except (OSError, ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}
