"""What a reader of metadata gives: modules as they were written, and what could not be read.

A reader is one file beside this one. It knows one kind of source (files, a table) and nothing of what the values mean;
its `read` raises nothing, since one source that fails must not hide the mistakes in the others. It fetches everything
at once, in parts that are parsed only when somebody asks what they say.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from lakeflow_job_meta.diagnostics.model import Diagnostic
from lakeflow_job_meta.parsing.units import RawModule, SourceUnit
from lakeflow_job_meta.sources.fingerprints import FileFingerprints


@dataclass(frozen=True, slots=True)
class SourceSnapshot:
    """What one source of metadata gave.

    Attributes:
        source: The source as the project file names it.
        parts: What it holds, in reading order.
        problems: Why it could not be read as a whole.
        failed: Whether that is so.
        covers: Says whether a label, as generated files name it, belongs to this source.
        version: Of a table, the version that was read.
    """

    source: str
    parts: tuple[SourceUnit, ...]
    problems: tuple[Diagnostic, ...]
    failed: bool
    covers: Callable[[str], bool]
    version: int | None = None

    @property
    def modules(self) -> tuple[RawModule, ...]:
        """All modules, in reading order."""
        return tuple(module for part in self.parts for module in part.content.modules)

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """What is wrong with the reading itself."""
        return (*self.problems, *(problem for part in self.parts for problem in part.content.diagnostics))

    @property
    def unreadable(self) -> frozenset[str]:
        """Labels of the files or tables whose modules are unknown; their jobs must stay."""
        return frozenset(part.label for part in self.parts if not part.content.is_whole)


class Reader(Protocol):
    """One source of metadata."""

    @property
    def source(self) -> str:
        """The source as the project file names it."""

    def covers(self, label: str) -> bool:
        """Says whether a label, as generated files name it, belongs to this source."""

    def read(self) -> SourceSnapshot:
        """Reads everything, once, as of one moment."""

    def probe(self, contents: FileFingerprints) -> str:
        """Returns a token that differs whenever the metadata does, as cheaply as that can be known.

        Args:
            contents: What is remembered of files.

        Raises:
            LakeflowJobMetaError: The source cannot be reached.
        """
