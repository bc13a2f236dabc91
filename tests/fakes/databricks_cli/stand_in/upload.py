"""The bundle's own files into the workspace: what is new or changed since the last time, and deletions."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from stand_in.diagnostics import failed
from stand_in.http_api import Api

_LEFT_OUT = {".databricks", ".git"}


def upload_files(api: Api, root: Path, synced: list[Path], file_path: str, state_folder: Path) -> str:
    """Uploads; says how many files.

    Args:
        api: The workspace.
        root: The folder that all that is uploaded is in.
        synced: What is uploaded: files and folders.
        file_path: Where to.
        state_folder: Remembers what was uploaded.
    """
    import hashlib

    identity = hashlib.sha256(f"{api.host}{file_path}".encode()).hexdigest()[:16]
    record = state_folder / "sync-snapshots" / f"{identity}.json"
    before: dict[str, str] = json.loads(record.read_text()) if record.is_file() else {}
    files = {path.relative_to(root).as_posix(): path for path in _all_below(synced) if _belongs(path, root)}
    now = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}
    changed = [name for name in files if before.get(name) != now[name]]
    gone = [name for name in before if name not in now]
    for name in changed:
        api.upload(f"{file_path}/{name}", files[name].read_bytes(), overwrite=True)
    for name in gone:
        api.delete(f"{file_path}/{name}")
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text(json.dumps(now))
    return f"Files: {len(changed)} uploaded, {len(gone)} deleted"


def _all_below(synced: list[Path]) -> list[Path]:
    for place in synced:
        if not place.exists():
            raise failed(f"cannot list files: stat {place}: no such file or directory")
    return sorted({path for place in synced for path in ([place] if place.is_file() else place.rglob("*"))})


def _belongs(path: Path, root: Path) -> bool:
    inside = path.relative_to(root)
    if _LEFT_OUT & set(inside.parts) or any(_is_ignored(root / folder) for folder in inside.parents):
        return False
    return path.is_file()


@cache
def _is_ignored(folder: Path) -> bool:
    """Whether git ignores all that is in a folder; of other rules the stand-in knows nothing."""
    try:
        return (folder / ".gitignore").read_text().split() == ["*"]
    except OSError:
        return False
