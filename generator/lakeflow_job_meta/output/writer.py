"""Compares rendered files with what is on disk, and writes the difference.

Two steps: `plan_changes` reads and decides, `apply_changes` writes. A reader of the folder sees each file old or new,
each whole, at any instant; deletions come last; a file that does not change is not touched. Nothing outside the folder
of generated files is ever written, and a file without our marker is never overwritten or removed.
"""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from lakeflow_job_meta._internal.fs import sync_folder, write_new
from lakeflow_job_meta._internal.parallel import is_running
from lakeflow_job_meta._internal.text import count, listing
from lakeflow_job_meta.compiler.result import Compilation
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.diagnostics.model import Diagnostic
from lakeflow_job_meta.diagnostics.rules import FOREIGN_FILE
from lakeflow_job_meta.errors import ConfigError, OperationFailed, PolicyRefused
from lakeflow_job_meta.layout.generated_file import NOTEBOOK_PATH, SUFFIXES, FileKind, GeneratedFile
from lakeflow_job_meta.layout.job_summary import JobSummary
from lakeflow_job_meta.layout.layout import BundleLayout, layout_of
from lakeflow_job_meta.output.changes import FileChange, FileChanges
from lakeflow_job_meta.output.read_back import jobs_in, label_of, scan_for
from lakeflow_job_meta.render.quality_notebook import quality_notebook

_TEMPORARY = ".ljm-"
_numbers = itertools.count()
_SYNC_EACH = 200
"""Up to this many files are synced one by one; beyond it one sync of the whole disk is faster (0.5 ms a file)."""


def plan_changes(project: Project, compilation: Compilation, *, is_moving: bool = False) -> FileChanges:
    """Says which files would change.

    Raises:
        OperationFailed: The folder cannot be read.
        PolicyRefused: The project was split into many bundles, the files of the single one are still there, and this is
            not the move of their jobs.
        ConfigError: What the bundles share is not right for each.
    """
    layout = layout_of(project)
    if not is_moving:
        _refuse_unmoved_jobs(layout)
    on_disk, foreign = scan_for(layout, compilation.files, compilation.digests)
    blocked = {path.casefold(): path for path in foreign}
    in_the_way = _in_the_way(layout, compilation, blocked)
    wanted = {file: text for file, text in compilation.files.items() if file.job_key not in in_the_way}
    orphans = {
        file: label_of(file, text) or "" for file, text in on_disk.items() if file not in wanted and file.job_key
    }
    hiding_places = compilation.hiding_places({file.job_key for file in on_disk} - {""})
    losing = _losing_loose_tasks(compilation, on_disk, wanted)
    unapproved = {file.job_key for file in orphans if compilation.lacks_approval_to_go(file.job_key)}
    unapproved -= compilation.kept_jobs
    staying = {*in_the_way, *compilation.kept_jobs, *losing, *unapproved}
    staying |= {old for old, new in compilation.jobs.renamed.items() if new in staying}
    # Nobody has to look for a module that has become another one.
    renamed = compilation.jobs.renamed
    settled = {*staying, *renamed}
    kept = {
        file: text
        for file, text in on_disk.items()
        if file.job_key in staying or (hiding_places and file in orphans and file.job_key not in renamed)
    }
    waiting = {
        file.job_key
        for file, label in (orphans.items() if hiding_places else ())
        if file.job_key not in settled and not compilation.is_unread(label)
    }
    wanted = {file: text for file, text in wanted.items() if file.job_key not in staying}
    shared = _notebooks(wanted, kept) | _bundle_files(layout, compilation, kept, on_disk)
    _refuse_foreign(layout, shared, blocked)
    wanted |= shared
    changing = {file: text for file, text in on_disk.items() if file not in kept}
    return replace(
        changes_between(layout, layout.folder, changing, wanted),
        kept=tuple(sorted(kept)),
        orphans=tuple(label for file, label in orphans.items() if file.job_key not in compilation.kept_jobs),
        diagnostics=_foreign_files(layout, compilation, in_the_way),
        waiting=tuple(sorted(waiting)),
        hiding_places=hiding_places,
        losing_tasks=tuple(sorted(losing)),
        unapproved=tuple(sorted(unapproved)),
    )


def _in_the_way(layout: BundleLayout, compilation: Compilation, blocked: Mapping[str, str]) -> dict[str, str]:
    """Returns the keys of jobs whose file would stand where one of somebody else does, and the path of that."""
    files = compilation.files if blocked else ()
    return {file.job_key: blocked[path] for file in files if (path := layout.path_of(file).casefold()) in blocked}


def _refuse_unmoved_jobs(layout: BundleLayout) -> None:
    if left := layout.unmoved_jobs():
        raise PolicyRefused(
            f"{layout.project.output}/jobs still holds the {count(len(left), 'job')} of a single bundle, and 'bundles' "
            "in job_meta.yml would create each a second time. Move them with `ljm bundles move --all -t TARGET`, which "
            "keeps the jobs in the workspace, or take 'bundles' out again. Nothing was changed."
        )


def _losing_loose_tasks(
    compilation: Compilation, on_disk: Mapping[GeneratedFile, str], wanted: Mapping[GeneratedFile, str]
) -> set[str]:
    if not compilation.loose_tasks:
        return set()
    changing = {file: text for file, text in on_disk.items() if wanted.get(file, text) != text}
    after = jobs_in({file: wanted[file] for file in changing})
    return {
        key
        for key, job in jobs_in(changing).items()
        if compilation.loose_tasks & (job.tasks.keys() - after[key].tasks.keys())
    }


def changes_between(
    layout: BundleLayout, folder: Path, before: Mapping[GeneratedFile, str], after: Mapping[GeneratedFile, str]
) -> FileChanges:
    """Returns the changes from some texts of generated files below a folder to others."""
    writes = [FileChange(file, before.get(file), text) for file, text in after.items() if before.get(file) != text]
    gone = [FileChange(file, text, None) for file, text in before.items() if file not in after]
    changes = sorted([*writes, *gone], key=lambda change: (change.after is None, layout.path_of(change.file)))
    return FileChanges(layout, folder, tuple(changes), len(after) - len(writes))


def _bundle_files(
    layout: BundleLayout,
    compilation: Compilation,
    kept: Mapping[GeneratedFile, str],
    on_disk: Collection[GeneratedFile],
) -> dict[GeneratedFile, str]:
    """Returns the bundles' own files."""
    keys = {file.job_key for file in kept}
    jobs = ((compilation.bundles[job.key], job) for job in compilation.summaries if job.key not in keys)
    return layout.bundle_files(compilation.bundle, itertools.chain(jobs, _kept_jobs(layout, kept)), on_disk)


def _notebooks(*jobs: Mapping[GeneratedFile, str]) -> dict[GeneratedFile, str]:
    """Returns the notebook that jobs share to check rows, for each bundle with a job that runs it."""
    name = NOTEBOOK_PATH.removesuffix(".py")
    found = (file for texts in jobs for file, text in texts.items() if file.kind is FileKind.JOB and name in text)
    return {GeneratedFile(bundle, FileKind.NOTEBOOK): quality_notebook() for bundle in {file.bundle for file in found}}


def _refuse_foreign(layout: BundleLayout, files: Iterable[GeneratedFile], blocked: Collection[str]) -> None:
    for file in files:
        if layout.path_of(file).casefold() in blocked:
            raise ConfigError(
                f"{layout.in_project(file)} was not generated by this tool and is in the way; rename or remove it."
            )


def _kept_jobs(layout: BundleLayout, kept: Mapping[GeneratedFile, str]) -> Iterator[tuple[str, JobSummary]]:
    for file, text in kept.items():
        for key, job in jobs_in({file: text}).items():
            yield from (
                (file.bundle, summary)
                for summary in layout.summaries(key, [*job.by_target.values()] or [job.settings], None)
            )


def _foreign_files(
    layout: BundleLayout, compilation: Compilation, in_the_way: Mapping[str, str]
) -> tuple[Diagnostic, ...]:
    """Reports each file of somebody else that stands where a job's file has to go, by the job's key."""
    return tuple(
        FOREIGN_FILE.at(
            job.module.origin.at("module_name"),
            f"the file {layout.root}/{in_the_way[job.key]} was not generated by this tool and is in the way; "
            "rename or remove it, or rename the module",
        )
        for job in (compilation.jobs.only(in_the_way) if in_the_way else ())
    )


def refuse_if_a_source_went_missing(
    compilation: Compilation,
    changes: FileChanges,
    allow_empty: bool,
    how_to_allow: str = "run again with --allow-empty",
) -> None:
    """Raises PolicyRefused when files may have come from a source that is now empty or cannot be read."""
    suspicious = [label for label in changes.orphans if compilation.may_be_of_missing(label)]
    if allow_empty or not suspicious:
        return
    empty = [each.source for each in compilation.missing if not each.is_unreadable]
    failed = [each.source for each in compilation.missing if each.is_unreadable]
    reasons = [f"{listing(empty)} holds no module"] if empty else []
    reasons += [f"{listing(failed)} cannot be read"] if failed else []
    remedy = f"If everything is meant to go, {how_to_allow}."
    if failed:
        remedy = f"Mend that; to write the other modules meanwhile, {how_to_allow} (those files stay)."
    raise PolicyRefused(
        f"{' and '.join(reasons)}, but {count(len(suspicious), 'generated file')} came from metadata that is no longer "
        f"there. Nothing was written. {remedy}"
    )


def apply_changes(
    changes: FileChanges, on_progress: Callable[[str, int, int], None] = lambda what, done, of: None
) -> None:
    """Writes everything: new contents beside the old first, then all renames, then deletions.

    Raises:
        ConfigError: A link leads out of the project; nothing was written.
        OperationFailed: The disk refused; every file is whole, and the next run finishes the work.
    """
    paths = [(change, f"{changes.folder}/{changes.layout.path_of(change.file)}") for change in changes.changes]
    writes = [(change.after, path) for change, path in paths if change.after is not None]
    prepared: list[tuple[str, str]] = []
    try:
        _remove_leftovers(changes.layout, changes.folder)
        changes.layout.refuse_outside({os.path.dirname(path) for _, path in paths}, str(changes.folder))  # noqa: PTH120
        for number, (text, path) in enumerate(writes):
            # Before the file is there: most of the time goes by while one is written, so that is when Ctrl-C comes.
            prepared.append((_temporary_beside(path), path))
            _write_temporary(prepared[-1][0], text, durable=len(writes) <= _SYNC_EACH)
            if number % 100 == 0:
                on_progress("Writing files", number, len(writes))
        if len(writes) > _SYNC_EACH and hasattr(os, "sync"):
            os.sync()
        while prepared:
            os.replace(*prepared[-1])  # noqa: PTH105
            prepared.pop()
        _delete(paths)
        for folder in {os.path.dirname(path) for _, path in paths}:  # noqa: PTH120
            sync_folder(Path(folder))
    except OSError as error:
        raise OperationFailed(
            f"Writing below {str(changes.folder)!r} failed: {error.strerror} ({error.filename}). Every file there is "
            "whole, old or new; run again when that is mended."
        ) from error
    finally:
        for temporary, _ in prepared:
            with suppress(FileNotFoundError, NotADirectoryError):  # its folder could not be made
                Path(temporary).unlink()


def _temporary_beside(path: str) -> str:
    """Returns a name beside a file; in plain text, since there are thousands."""
    return f"{os.path.dirname(path)}/{_TEMPORARY}{os.getpid()}-{next(_numbers)}.tmp"  # noqa: PTH120


def _write_temporary(path: str, text: str, *, durable: bool, tries: int = 5) -> None:
    """Writes a new file and, where there is none, its folder; another run beside this one may remove that at once."""
    try:
        write_new(path, text.encode("utf-8"), durable=durable)
    except FileNotFoundError:
        if tries == 1:
            raise
        with suppress(FileNotFoundError, FileExistsError):
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        _write_temporary(path, text, durable=durable, tries=tries - 1)


def _delete(changes: Sequence[tuple[FileChange, str]]) -> None:
    """Deletes the files that go, and the folders that are empty then of what tasks are given in files."""
    written = {path.casefold() for change, path in changes if change.after is not None}
    gone = [(change.file, Path(path)) for change, path in changes if change.after is None]
    for _, path in gone:
        # On a disk that does not tell cases apart, `Sales.yml` is the `sales.yml` that was just written.
        if str(path).casefold() not in written:
            path.unlink(missing_ok=True)
    for folder in {path.parent for file, path in gone if file.kind in SUFFIXES}:
        _remove_if_empty(folder)
    for folder in {path.parent for file, path in gone if file.kind is FileKind.NOTEBOOK}:
        _remove_if_empty(folder)


def _remove_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError as error:
        # Somebody's file is in it, or another run beside this one was faster.
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT):
            raise


def _remove_leftovers(layout: BundleLayout, root: Path) -> None:
    """Removes temporary files of runs that were killed; those of a run that goes on beside this one stay."""
    for folder in layout.folders_in(root):
        names = os.listdir(folder) if folder.is_dir() else ()  # noqa: PTH208 (half the time, and there are thousands)
        for name in (name for name in names if name.startswith(_TEMPORARY) and name.endswith(".tmp")):
            process = name.removeprefix(_TEMPORARY).split("-")[0]
            if not process.isdecimal() or int(process) == os.getpid() or not is_running(int(process)):
                (folder / name).unlink(missing_ok=True)
