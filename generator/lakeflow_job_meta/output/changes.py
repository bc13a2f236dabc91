"""What has to happen to the generated files, as values. Nothing here reads or writes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from lakeflow_job_meta.layout.generated_file import FileKind, GeneratedFile

if TYPE_CHECKING:
    from lakeflow_job_meta.diagnostics.model import Diagnostic
    from lakeflow_job_meta.layout.layout import BundleLayout


class Change(str, Enum):
    """What happens to a file."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file that changes: its text on disk, None where it is created, and its new text, None where it is deleted."""

    file: GeneratedFile
    before: str | None
    after: str | None

    @property
    def kind(self) -> Change:
        return Change.CREATE if self.before is None else Change.DELETE if self.after is None else Change.UPDATE

    def diff(self, path: str) -> Iterator[str]:
        """Yields the lines of a unified diff with the file's path in its header."""
        old = "/dev/null" if self.before is None else f"a/{path}"
        new = "/dev/null" if self.after is None else f"b/{path}"
        # Not splitlines, which takes a form feed or a carriage return for the end of a line.
        before, after = (text.removesuffix("\n").split("\n") if text else [] for text in (self.before, self.after))
        from lakeflow_job_meta.text.diffs import unified_diff

        yield from unified_diff(before, after, old, new, end="")


@dataclass(frozen=True, slots=True)
class FileChanges:
    """All that has to happen for the generated files to say what the metadata says.

    Attributes:
        folder: The root of the generated files, or a copy of it.
        changes: Creations and updates by path, then deletions.
        kept: Files that stay as they are, although no job asks for them or one asks for something else.
        waiting: Keys of jobs that are no longer in the metadata, and may be in one of the `hiding_places`.
        losing_tasks: Keys of jobs that would lose a task whose source is there, but no longer says of which module.
        unapproved: Keys of jobs that are no longer in the metadata, and nobody has approved that.
        orphans: Where the files say they come from that no job asks for, kept ones among them.
        diagnostics: What keeps a file from being written.
    """

    layout: BundleLayout
    folder: Path
    changes: tuple[FileChange, ...]
    unchanged: int = 0
    kept: tuple[GeneratedFile, ...] = ()
    orphans: tuple[str, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    waiting: tuple[str, ...] = ()
    hiding_places: tuple[str, ...] = ()
    losing_tasks: tuple[str, ...] = ()
    unapproved: tuple[str, ...] = ()

    def undone_for(self, jobs: Collection[str]) -> FileChanges:
        """Returns the changes that bring the files of some jobs back to what they were before these changes."""
        undone = (FileChange(each.file, each.after, each.before) for each in self.changes if each.file.job_key in jobs)
        return replace(self, changes=tuple(sorted(undone, key=lambda change: change.after is None)))

    def applied_to(self, texts: Mapping[GeneratedFile, str]) -> dict[GeneratedFile, str]:
        after = {**texts, **{change.file: change.after for change in self.changes}}
        return {file: text for file, text in after.items() if text is not None}

    def job_keys(self, kind: Change) -> tuple[str, ...]:
        """Returns the keys of the jobs whose own files are created, updated or deleted."""
        return tuple(
            change.file.job_key for change in self.changes if change.kind is kind and change.file.kind is FileKind.JOB
        )

    @property
    def deletions(self) -> list[FileChange]:
        return [change for change in self.changes if change.after is None]
