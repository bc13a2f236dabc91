"""The generated files of a deployment: written for it, and put back where it is not carried out.

The databricks CLI plans from files, so the new ones have to be there before the gate can be asked. What was there
before is the way back: a job that is renamed can only be let go while its old file stands. A journal in the state
folder says what was before, so that a process that is killed in between is made up for by the next deployment.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from lakeflow_job_meta._internal.hashing import content_digest
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.deployment.takeovers import noted_takeovers
from lakeflow_job_meta.errors import OperationFailed
from lakeflow_job_meta.layout.layout import BundleLayout, layout_of
from lakeflow_job_meta.output.changes import FileChange, FileChanges
from lakeflow_job_meta.output.read_back import scan
from lakeflow_job_meta.output.writer import apply_changes
from lakeflow_job_meta.state.folder import read_record, write_record

_JOURNAL = "files_before.json"


class FileSwap:
    """New files that are written, as long as nobody knows whether they are to stay."""

    def __init__(self) -> None:
        self.is_kept = False

    def keep(self) -> None:
        """Says that the new files are those of what was deployed."""
        self.is_kept = True


@contextmanager
def swapped_files(changes: FileChanges, state: Path) -> Iterator[FileSwap]:
    """Writes files, and puts back what was there before unless they are kept; `state` is the target's state folder.

    Raises OperationFailed where the disk refuses; the next deployment puts back what then is still to be put back.
    """
    swap, begun = FileSwap(), noted_takeovers(state)
    if not changes.changes:
        yield swap
        return
    journal = state / _JOURNAL
    write_record(journal, _entries(changes))
    try:
        apply_changes(changes)
        yield swap
    finally:
        # With the old files, the databricks CLI would take a job that was just given its new key for one that is gone.
        if not swap.is_kept and noted_takeovers(state) <= begun:
            _put_back(changes.layout, read_record(journal))
        _forget(journal)


def put_back_after_a_crash(project: Project, state: Path) -> None:
    """Puts back what a deployment that was killed has left; nothing where none was. To be called inside the lock."""
    journal = state / _JOURNAL
    record = read_record(journal)
    if not record:
        return
    # A takeover that was begun goes on with the new files.
    if not noted_takeovers(state):
        _put_back(layout_of(project), record)
    _forget(journal)


def _put_back(layout: BundleLayout, record: Mapping[str, object]) -> None:
    """Brings files back to what a journal says, but for those that somebody has changed since."""
    on_disk, _ = scan(layout)
    undone = []
    for path, entry in record.items():
        file = layout.file_at(path)
        if file is None or not isinstance(entry, dict):
            continue
        before, after, now = entry.get("before"), entry.get("after"), on_disk.get(file)
        is_ours = after == (None if now is None else _digest(now))
        if is_ours and (before is None or isinstance(before, str)) and before != now:
            undone.append(FileChange(file, now, before))
    changes = sorted(undone, key=lambda change: change.after is None)
    apply_changes(FileChanges(layout, layout.folder, tuple(changes)))


def _entries(changes: FileChanges) -> dict[str, dict[str, str | None]]:
    """Returns what was in each file before, and a digest of what is in it now."""
    return {
        changes.layout.path_of(each.file): {
            "before": each.before,
            "after": None if each.after is None else _digest(each.after),
        }
        for each in changes.changes
    }


def _digest(text: str) -> str:
    return content_digest(text.encode("utf-8", "surrogatepass")).hex()


def _forget(journal: Path) -> None:
    try:
        with suppress(FileNotFoundError):
            journal.unlink()
    except OSError as error:
        raise OperationFailed(f"{str(journal)!r} cannot be deleted: {error.strerror}.") from error
