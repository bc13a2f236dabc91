"""Compares rendered files with what is on disk, and writes the difference.

Two steps: `plan_changes` reads and decides, `apply_changes` writes. A reader of the folder sees each file old or new,
each whole, at any instant; deletions come last; a file that does not change is not touched. Nothing outside the output
folder is ever written, and a file without our marker is never overwritten or removed.
"""

from __future__ import annotations

import difflib
import itertools
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

from lakeflow_job_meta._internal.processes import is_running
from lakeflow_job_meta._internal.text import count, listing
from lakeflow_job_meta.compiler.compile import Progress
from lakeflow_job_meta.compiler.result import Compilation
from lakeflow_job_meta.config.model import BUNDLE_FILE, BUNDLES_FOLDER, Project
from lakeflow_job_meta.diagnostics.model import Diagnostic
from lakeflow_job_meta.diagnostics.rules.files import FOREIGN_FILE
from lakeflow_job_meta.errors import ConfigError, OperationFailed, PolicyRefused
from lakeflow_job_meta.layout.on_disk import bundle_folders, in_bundle, is_bundle_file, refuse_files_of_one_bundle
from lakeflow_job_meta.layout.paths import job_of_path
from lakeflow_job_meta.output.layout import bundle_files, placed_files
from lakeflow_job_meta.text.markers import JOB_MARKER, SQL_MARKER, Marker

_TEMPORARY = ".ljm-"
_NEW = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
_numbers = itertools.count()
_SYNC_EACH = 200
"""Up to this many files are synced one by one; beyond it one sync of the whole disk is faster (0.5 ms a file)."""


class Change(str, Enum):
    """What happens to a file."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file that changes.

    Attributes:
        path: Below the folder of generated files.
        before: Its text on disk; empty where it is created.
        after: Its new text; empty where it is deleted.
    """

    kind: Change
    path: str
    before: str
    after: str

    def reversed(self) -> FileChange:
        """Returns the change that undoes this one."""
        kinds = {Change.CREATE: Change.DELETE, Change.DELETE: Change.CREATE}
        return FileChange(kinds.get(self.kind, self.kind), self.path, self.after, self.before)

    def diff(self, folder: str) -> Iterator[str]:
        """Yields the lines of a unified diff.

        Args:
            folder: The folder of generated files, for the paths in the header.
        """
        name = f"{folder}/{self.path}"
        old = "/dev/null" if self.kind is Change.CREATE else f"a/{name}"
        new = "/dev/null" if self.kind is Change.DELETE else f"b/{name}"
        lines = difflib.unified_diff(self.before.splitlines(), self.after.splitlines(), old, new, lineterm="")
        yield from lines


@dataclass(frozen=True, slots=True)
class FileChanges:
    """All that has to happen for the folder to say what the metadata says.

    Attributes:
        changes: Creations and updates by path, then deletions.
        unchanged: How many files are right already.
        kept: Files that no job asks for, but that must stay.
        orphans: Where the files say they come from that no job asks for, kept ones among them.
        diagnostics: What keeps a file from being written.
    """

    folder: Path
    changes: tuple[FileChange, ...]
    unchanged: int
    kept: tuple[str, ...]
    orphans: tuple[str, ...]
    diagnostics: tuple[Diagnostic, ...]

    def undone_for(self, jobs: Collection[str]) -> FileChanges:
        """Returns the changes that bring the files of some jobs back to what they were before these changes."""
        undone = (change.reversed() for change in self.changes if job_key_of(change.path) in jobs)
        return replace(self, changes=tuple(sorted(undone, key=lambda change: change.kind is Change.DELETE)))

    @property
    def deletions(self) -> list[FileChange]:
        """The files that would go."""
        return [change for change in self.changes if change.kind is Change.DELETE]


@dataclass(frozen=True, slots=True)
class _Existing:
    """A generated file on disk."""

    path: str
    job_key: str
    label: str
    text: str


def plan_changes(project: Project, compilation: Compilation, *, is_moving: bool = False) -> FileChanges:
    """Says which files would change.

    Args:
        project: Names the folder of generated files.
        compilation: What the files should be, and which must stay.
        is_moving: Whether the files of the bundle that the project was before may still be there.

    Raises:
        OperationFailed: The folder cannot be read.
        PolicyRefused: The project was parted into many bundles, and the files of the single one are still there.
        ConfigError: What the bundles share is not right for each.
    """
    if not is_moving:
        refuse_files_of_one_bundle(project)
    folder = project.folder / project.generated
    try:
        existing, foreign = _scan(project, folder)
    except OSError as error:
        raise OperationFailed(
            f"The folder {project.generated!r} cannot be read: {error.strerror} ({error.filename})."
        ) from error
    files = placed_files(project, compilation)
    blocked = {name.casefold(): name for name in foreign}
    in_the_way = {job_key_of(path): blocked[path.casefold()] for path in files if path.casefold() in blocked}
    wanted = {path: text for path, text in files.items() if job_key_of(path) not in in_the_way}
    orphans = [file for path, file in sorted(existing.items()) if path not in wanted and not is_bundle_file(path)]
    kept = {
        file.path: file.text
        for file in orphans
        if file.job_key in in_the_way or compilation.keeps(file.job_key, file.label)
    }
    wanted |= _bundle_files(project, compilation, kept, existing, blocked)
    writes = _writes(wanted, existing)
    deletions = [FileChange(Change.DELETE, file.path, file.text, "") for file in orphans if file.path not in kept]
    return FileChanges(
        folder,
        (*writes, *deletions),
        len(wanted) - len(writes),
        tuple(sorted(kept)),
        tuple(file.label for file in orphans if file.job_key not in compilation.kept_jobs),
        _told_in_the_way(project, compilation, in_the_way),
    )


def _bundle_files(
    project: Project,
    compilation: Compilation,
    kept: Mapping[str, str],
    existing: Collection[str],
    blocked: Collection[str],
) -> dict[str, str]:
    """Returns the bundles' own files, of which none may be somebody else's."""
    files = bundle_files(project, compilation, kept, existing)
    for path in files:
        if path in blocked:
            raise ConfigError(
                f"{project.generated}/{path} was not generated by this tool and is in the way; rename or remove it."
            )
    return files


def _writes(wanted: Mapping[str, str], existing: Mapping[str, _Existing]) -> list[FileChange]:
    """Returns the creations and updates, by path."""
    return [
        FileChange(
            Change.UPDATE if path in existing else Change.CREATE,
            path,
            existing[path].text if path in existing else "",
            text,
        )
        for path, text in sorted(wanted.items())
        if path not in existing or existing[path].text != text
    ]


def _told_in_the_way(
    project: Project, compilation: Compilation, in_the_way: Mapping[str, str]
) -> tuple[Diagnostic, ...]:
    """Tells each file of somebody else that stands where a job's file has to go, by the job's key."""
    return tuple(
        FOREIGN_FILE.at(
            job.module.origin.at("module_name"),
            f"the file {project.generated}/{in_the_way[job.key]} was not generated by this tool and is in the way; "
            "rename or remove it, or rename the module",
        )
        for job in compilation.jobs.only(in_the_way)
    )


def generated_files(project: Project, folder: Path) -> dict[str, str]:
    """Returns the texts of the generated files in a folder, by path below it.

    Args:
        project: Says how they lie there.
        folder: The project's own folder of generated files, or a copy.

    Raises:
        OperationFailed: The folder cannot be read.
    """
    try:
        return {path: file.text for path, file in _scan(project, folder)[0].items()}
    except OSError as error:
        raise OperationFailed(
            f"The folder {str(folder)!r} cannot be read: {error.strerror} ({error.filename})."
        ) from error


def job_key_of(path: str) -> str:
    """Returns the job that a path below the folder of generated files belongs to; a bundle's own file has none."""
    return "" if is_bundle_file(path) else job_of_path(in_bundle(path))


def is_job_file(path: str) -> bool:
    """Says whether a path below the folder of generated files is the YAML file of a job."""
    return path.endswith(".yml") and not is_bundle_file(path)


def _scan(project: Project, folder: Path) -> tuple[dict[str, _Existing], list[str]]:
    """Reads the folder of generated files: those by path, and the paths of all others."""
    existing: dict[str, _Existing] = {}
    foreign: list[str] = []
    for name, path, is_file, marker in _candidates(project, str(folder)):
        text = _text(path) if is_file else ""
        label = marker.label_in(text)
        if label is None:
            foreign.append(name)
        else:
            existing[name] = _Existing(name, job_key_of(name), label, text)
    return existing, foreign


def _candidates(project: Project, folder: str) -> Iterator[tuple[str, str, bool, Marker]]:
    """Yields what may be a generated file: its path below the folder, its whole path, whether it is a file at all.

    There are thousands, so all of it is plain text: a `Path` costs more than reading the file.
    """
    if project.bundles is None:
        yield from _candidates_of_bundle(folder, "")
        return
    for bundle in bundle_folders(Path(folder), project.output):
        yield from (
            (f"{bundle}/{name}", path, is_file, JOB_MARKER)
            for name, path, is_file in _entries(f"{folder}/{bundle}")
            if name == BUNDLE_FILE
        )
        yield from _candidates_of_bundle(f"{folder}/{bundle}/{project.output}", f"{bundle}/{project.output}/")


def _candidates_of_bundle(folder: str, prefix: str) -> Iterator[tuple[str, str, bool, Marker]]:
    for name, path, is_file in _entries(f"{folder}/jobs"):
        if name.endswith(".yml") and name[0] != ".":
            yield f"{prefix}jobs/{name}", path, is_file, JOB_MARKER
    for below, inside, _ in _entries(f"{folder}/sql"):
        for name, path, is_file in _entries(inside):
            if name.endswith(".sql") and name[0] != ".":
                yield f"{prefix}sql/{below}/{name}", path, is_file, SQL_MARKER


def _entries(folder: str) -> list[tuple[str, str, bool]]:
    """Returns name, path and whether it is a file of all that is in a folder; nothing if there is no such folder."""
    if not os.path.isdir(folder):  # noqa: PTH112
        return []
    with os.scandir(folder) as entries:
        return sorted(
            (entry.name, entry.path, entry.is_file(follow_symlinks=False) or os.path.isfile(entry.path))  # noqa: PTH113
            for entry in entries
        )


def _text(path: str) -> str:
    """Returns a file's text; nothing where it is no UTF-8, and so is not ours."""
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123
        content = file.read()
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return ""


def refuse_if_a_source_went_missing(compilation: Compilation, changes: FileChanges, allow_empty: bool) -> None:
    """Stops when files may have come from a source that is now empty or cannot be read.

    Raises:
        PolicyRefused: Names the sources, and says what would allow it.
    """
    if allow_empty or not compilation.missing:
        return
    suspicious = [label for label in changes.orphans if compilation.may_be_of_missing(label)]
    if not suspicious:
        return
    empty = [reading.source for reading in compilation.missing if not reading.is_unreadable]
    failed = [reading.source for reading in compilation.missing if reading.is_unreadable]
    reasons = [f"{listing(empty)} holds no module"] if empty else []
    reasons += [f"{listing(failed)} cannot be read"] if failed else []
    remedy = (
        "Mend that; to write the other modules meanwhile, run again with --allow-empty (those files stay)."
        if failed
        else "If everything is meant to go, run again with --allow-empty."
    )
    raise PolicyRefused(
        f"{' and '.join(reasons)}, but {count(len(suspicious), 'generated file')} came from metadata that is no longer "
        f"there. Nothing was written. {remedy}"
    )


def apply_changes(changes: FileChanges, on_progress: Progress = lambda what, done, of: None) -> None:
    """Writes everything: new contents beside the old first, then all renames, then deletions.

    Args:
        changes: As planned.
        on_progress: Called now and then.

    Raises:
        OperationFailed: The disk refused; every file is whole, and the next run finishes the work.
    """
    writes = [change for change in changes.changes if change.kind is not Change.DELETE]
    prepared: list[tuple[str, str]] = []
    try:
        _remove_leftovers(changes.folder)
        for folder in {_folder_of(change) for change in writes}:
            (changes.folder / folder).mkdir(parents=True, exist_ok=True)
        for number, change in enumerate(writes):
            final = f"{changes.folder}/{change.path}"
            # Before the file is there: most of the time goes by while one is made, so that is when Ctrl-C comes.
            prepared.append((_temporary_beside(final), final))
            _write(prepared[-1][0], change.after, sync=len(writes) <= _SYNC_EACH)
            if number % 100 == 0:
                on_progress("Writing files", number, len(writes))
        if len(writes) > _SYNC_EACH and hasattr(os, "sync"):
            os.sync()
        while prepared:
            os.replace(*prepared[-1])  # noqa: PTH105
            prepared.pop()
        _delete(changes.folder, changes.deletions, writes)
        _sync_folders({changes.folder / folder for folder in {_folder_of(change) for change in changes.changes}})
    except OSError as error:
        raise OperationFailed(
            f"Writing below {str(changes.folder)!r} failed: {error.strerror} ({error.filename}). Every file there is "
            "whole, old or new; run again when that is mended."
        ) from error
    finally:
        for temporary, _ in prepared:
            Path(temporary).unlink(missing_ok=True)


def _folder_of(change: FileChange) -> str:
    return change.path.rpartition("/")[0]


def _temporary_beside(final: str) -> str:
    """Returns a name beside a file; in plain text again, for thousands of files."""
    return f"{final.rpartition('/')[0]}/{_TEMPORARY}{os.getpid()}-{next(_numbers)}.tmp"


def _write(temporary: str, text: str, *, sync: bool) -> None:
    """Writes a new file."""
    with os.fdopen(os.open(temporary, _NEW, 0o666), "wb") as file:
        file.write(text.encode("utf-8"))
        if sync:
            file.flush()
            os.fsync(file.fileno())


def _delete(folder: Path, deletions: Sequence[FileChange], writes: Sequence[FileChange]) -> None:
    written = {change.path.casefold() for change in writes}
    for change in deletions:
        # On a disk that does not tell cases apart, `Sales.yml` is the `sales.yml` that was just written.
        if change.path.casefold() not in written:
            (folder / change.path).unlink(missing_ok=True)
    for parent in {(folder / change.path).parent for change in deletions}:
        if parent.parent.name == "sql" and not any(parent.iterdir()):
            parent.rmdir()


def _sync_folders(folders: set[Path]) -> None:
    """Makes renames and deletions durable, where the system has a way to."""
    for folder in folders if os.name == "posix" else ():
        if not folder.is_dir():
            continue
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _remove_leftovers(folder: Path) -> None:
    """Removes temporary files of runs that were killed; those of a run that goes on beside this one stay."""
    for below in ("*", "*/**") if folder.name == BUNDLES_FOLDER else ("jobs", "sql/*"):
        for path in folder.glob(f"{below}/{_TEMPORARY}*.tmp"):
            process = path.name.removeprefix(_TEMPORARY).split("-")[0]
            if not process.isdecimal() or int(process) == os.getpid() or not is_running(int(process)):
                path.unlink(missing_ok=True)
