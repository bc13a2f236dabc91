"""What a reader of metadata returns: a snapshot of one source, in units, and what could not be read.

A reader is one file beside this one. It handles one kind of source (files, a volume, a table) and knows nothing of what
the values mean; its `read` raises nothing, since one source that fails must not hide the mistakes in the others. It
fetches everything at once, in units that are parsed only when their content is needed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from lakeflow_job_meta.diagnostics.model import Diagnostic, SourceRef, UnreadableDocument
from lakeflow_job_meta.diagnostics.rules import UNREADABLE
from lakeflow_job_meta.parsing.units import RawModule, SourceUnit
from lakeflow_job_meta.sources.fingerprints import FileFingerprints


@dataclass(frozen=True, slots=True)
class SourceSnapshot:
    """One source of metadata as of one moment.

    Attributes:
        source: The source as the project file names it.
        units: What it holds, in the order of the source.
        problems: Why it could not be read as a whole.
        is_unreadable: Whether that is so.
        contains: Whether a label, as generated files name it, belongs to this source.
        version: Of a table, the version that was read.
    """

    source: str
    units: tuple[SourceUnit, ...]
    problems: tuple[Diagnostic, ...]
    is_unreadable: bool
    contains: Callable[[str], bool]
    version: int | None = None

    @classmethod
    def unreadable(cls, reader: Reader, *messages: str, is_file: bool = True) -> SourceSnapshot:
        """Returns the snapshot of a source that cannot be read as a whole."""
        origin = SourceRef(UnreadableDocument(reader.source, is_file=is_file))
        problems = tuple(UNREADABLE.at(origin, message) for message in messages)
        return cls(reader.source, (), problems, True, reader.contains)

    @property
    def modules(self) -> tuple[RawModule, ...]:
        """All modules, in the order of the source."""
        return tuple(module for unit in self.units for module in unit.content.modules)

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """What could not be read, in the source as a whole and in its units."""
        return (*self.problems, *(problem for unit in self.units for problem in unit.content.diagnostics))

    @property
    def unreadable_labels(self) -> frozenset[str]:
        """Labels of the files or tables whose modules are unknown; their jobs must stay."""
        return frozenset(unit.label for unit in self.units if not unit.content.is_whole)


class Reader(Protocol):
    """One source of metadata."""

    @property
    def source(self) -> str:
        """The source as the project file names it."""

    def contains(self, label: str) -> bool:
        """Whether a label, as generated files name it, belongs to this source."""

    def read(self) -> SourceSnapshot:
        """Reads everything, once, as of one moment."""

    def probe(self, fingerprints: FileFingerprints) -> str:
        """Returns a token that differs whenever the metadata does, as cheaply as that can be known.

        Args:
            fingerprints: What is remembered of files.

        Raises:
            LakeflowJobMetaError: The source cannot be reached.
        """
