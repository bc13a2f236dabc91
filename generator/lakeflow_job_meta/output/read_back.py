"""Reads the generated files that are on disk, and the jobs in generated files.

Reads only. Files without our marker are somebody else's; a generated file that cannot be read back is an error, since
nothing could be said about its job.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from lakeflow_job_meta._internal.fs import read_file
from lakeflow_job_meta._internal.trees import KeyPath, Value, value_at
from lakeflow_job_meta.errors import OperationFailed
from lakeflow_job_meta.layout.generated_file import SUFFIXES, FileKind, GeneratedFile
from lakeflow_job_meta.layout.layout import BundleLayout, is_file
from lakeflow_job_meta.output.known_files import KnownFiles
from lakeflow_job_meta.text.markers import JOB_MARKER, SQL_MARKER
from lakeflow_job_meta.text.yaml_reader import read_yaml


@dataclass(frozen=True, slots=True)
class GeneratedJob:
    """A job as a file says it, for some targets or, without any, for all.

    Attributes:
        settings: For the first target, where they differ.
        sql: Its inline SQL by the name of the file.
        source: The file or table that it came from, as its marker says.
        by_target: The settings for each target, where they differ.
        rules: Those for the rows of tables, by the name of the file.
    """

    key: str
    settings: dict[str, Value]
    targets: tuple[str, ...]
    sql: dict[str, str]
    source: str | None = None
    by_target: Mapping[str, dict[str, Value]] = field(default_factory=dict)
    rules: Mapping[str, str] = field(default_factory=dict)

    def in_target(self, target: str) -> GeneratedJob:
        """Returns the job as it is in a target."""
        return replace(self, settings=self.by_target.get(target, self.settings), by_target={})

    @property
    def tasks(self) -> dict[str, dict[str, Value]]:
        """The settings of each task by its key."""
        tasks = self.settings.get("tasks")
        listed = [task for task in tasks if isinstance(task, dict)] if isinstance(tasks, list) else []
        return {str(task.get("task_key")): task for task in listed}


def scan(layout: BundleLayout, folder: Path | None = None) -> tuple[dict[GeneratedFile, str], list[str]]:
    """Returns the texts of the generated files of a layout, below its root or a copy of that.

    Also returns the paths below the folder of other files that stand where one could be.
    """
    return _scan(layout, folder or layout.folder, {}, None, {})


def scan_for(
    layout: BundleLayout, expected: Mapping[GeneratedFile, str], digests: Mapping[GeneratedFile, str]
) -> tuple[dict[GeneratedFile, str], list[str]]:
    """Returns the same as `scan` of a layout's root, but reads no file that is known to hold what it should.

    Remembers what it has read for the next time. `digests` are those of the expected texts, as far as they are known.
    """
    known = KnownFiles(layout.project)
    found = _scan(layout, layout.folder, expected, known, digests)
    known.save()
    return found


def _scan(
    layout: BundleLayout,
    folder: Path,
    expected: Mapping[GeneratedFile, str],
    known: KnownFiles | None,
    digests: Mapping[GeneratedFile, str],
) -> tuple[dict[GeneratedFile, str], list[str]]:
    found: dict[GeneratedFile, str] = {}
    foreign: list[str] = []
    try:
        for file, entry in layout.candidates(str(folder)):
            wanted = expected.get(file) if known is not None else None
            if known is not None and wanted is not None and known.holds(entry, wanted, digests.get(file)):
                found[file] = wanted
                continue
            text = _text_of(entry.path) if is_file(entry) else ""
            if text is None:
                continue
            if known is not None and text == wanted:
                known.note(entry, text, digests.get(file))
            if label_of(file, text) is None:
                foreign.append(layout.path_of(file))
            else:
                found[file] = text
    except OSError as error:
        shown = layout.root if folder == layout.folder else str(folder)
        raise OperationFailed(f"The folder {shown!r} cannot be read: {error.strerror} ({error.filename}).") from error
    return found, foreign


def _text_of(path: str) -> str | None:
    """Returns a file's text; an empty one where it is no UTF-8, and so is not ours, None where it is gone by now."""
    try:
        return read_file(path).decode("utf-8")
    except UnicodeDecodeError:
        return ""
    except FileNotFoundError:
        return None


def label_of(file: GeneratedFile, text: str) -> str | None:
    """Returns where the marker of a file says it comes from; None if the file is not generated."""
    if file.kind is FileKind.NOTEBOOK:
        text = text.partition("\n")[2]  # the first line says that it is a notebook
    return (SQL_MARKER if file.kind is FileKind.SQL else JOB_MARKER).label_in(text)


def jobs_in(files: Mapping[GeneratedFile, str]) -> dict[str, GeneratedJob]:
    """Returns the jobs that generated files hold, by key; raises OperationFailed if one with our marker holds none."""
    ours = {file: text.replace("\r\n", "\n") for file, text in files.items() if label_of(file, text) is not None}
    of_tasks: dict[tuple[str, str, str], dict[str, str]] = {}
    for file, text in ours.items():
        if file.kind.value in SUFFIXES:
            found = of_tasks.setdefault((file.bundle, file.job_key, file.kind.value), {})
            found[file.name] = text.split("\n", 1)[-1]
    jobs: dict[str, GeneratedJob] = {}
    for file in sorted(ours):
        # A job that stands in two bundles counts where the layout takes it to be.
        if file.kind is FileKind.JOB and file.job_key not in jobs:
            sql, rules = (of_tasks.get((file.bundle, file.job_key, folder), {}) for folder in SUFFIXES)
            jobs[file.job_key] = _job(file, ours[file], sql, rules)
    return jobs


def _job(file: GeneratedFile, text: str, sql: dict[str, str], rules: dict[str, str]) -> GeneratedJob:
    key = file.job_key
    root = read_yaml(text).value
    targets = root.get("targets") if isinstance(root, dict) else None
    names = tuple(targets) if isinstance(targets, dict) else ()
    around: list[KeyPath] = [("targets", name) for name in names] or [()]
    found = [value_at(root, (*path, "resources", "jobs", key))[1] for path in around]
    each = [settings for settings in found if isinstance(settings, dict)]
    if len(each) < len(found):
        raise OperationFailed(
            f"The generated file {file.path!r} holds no job {key!r}; run `ljm generate` to write it anew."
        )
    differ = any(settings != each[0] for settings in each[1:])
    by_target = dict(zip(names, each, strict=True)) if differ else {}
    return GeneratedJob(key, each[0], names, sql, label_of(file, text), by_target, rules)
