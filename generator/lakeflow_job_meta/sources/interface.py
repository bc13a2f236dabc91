"""What a reader of metadata returns: a snapshot of one source, in units, and what could not be read.

A reader is one file beside this one. It handles one kind of source (files, a volume, a table) and knows nothing of what
the values mean; its `read` raises nothing, since one source that fails must not hide the mistakes in the others. It
fetches everything at once, in units that are parsed only when their content is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from lakeflow_job_meta.blueprints.model import Library
from lakeflow_job_meta.diagnostics.model import Diagnostic, SourceRef, UnreadableDocument
from lakeflow_job_meta.diagnostics.rules import UNREADABLE
from lakeflow_job_meta.parsing.units import Blueprints, RawModule, SourceUnit

if TYPE_CHECKING:
    from lakeflow_job_meta.blueprints.rows import RowSource
    from lakeflow_job_meta.control_table.approvals import ApprovedRows
    from lakeflow_job_meta.sources.fingerprints import FileFingerprints


@dataclass(frozen=True, slots=True)
class SourceSnapshot:
    """One source of metadata as of one moment.

    Attributes:
        source: The source as the project file names it.
        problems: Why it could not be read as a whole.
        contains: Whether a label, as generated files name it, belongs to this source.
        version: Of a table, the version that was read.
        rows: Of a source whose rows fill blueprints, the rows; `with_blueprints` makes its units of them.
        has_blueprints: Whether it defines blueprints, so that it is not empty without a module.
        approved: Of a control table of which only approved rows were read, which those are and what waits.
    """

    source: str
    units: tuple[SourceUnit, ...]
    problems: tuple[Diagnostic, ...]
    is_unreadable: bool
    contains: Callable[[str], bool]
    version: int | None = None
    rows: RowSource | None = None
    has_blueprints: bool = False
    approved: ApprovedRows | None = None

    @classmethod
    def unreadable(cls, reader: Reader, *messages: str, is_file: bool = True) -> SourceSnapshot:
        origin = SourceRef(UnreadableDocument(reader.source, is_file=is_file))
        problems = tuple(UNREADABLE.at(origin, message) for message in messages)
        return cls(reader.source, (), problems, True, reader.contains)

    @property
    def modules(self) -> tuple[RawModule, ...]:
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
        """Returns, as cheaply as it can be, a token that differs whenever the metadata does.

        Raises LakeflowJobMetaError where the source cannot be reached.
        """


def blueprints_of(snapshots: Iterable[SourceSnapshot]) -> Library:
    """Returns the blueprints that some snapshots define; one that is missed may be in a source that cannot be read."""
    found = list(snapshots)
    defining = [unit for each in found for unit in each.units if unit.blueprints is Blueprints.DEFINED]
    library = Library({})
    if defining:
        from lakeflow_job_meta.blueprints.library import library_of  # which many projects do without

        library = library_of(defining)
    return replace(library, is_whole=library.is_whole and not any(each.is_unreadable for each in found))


def with_blueprints(snapshots: Sequence[SourceSnapshot], library: Library | None = None) -> list[SourceSnapshot]:
    """Returns snapshots whose units hold whole modules: every use of a blueprint is what it stands for.

    `library` has the blueprints; by default they are those of the snapshots.
    """
    library = library or blueprints_of(snapshots)
    return [_with_rows(_bound(snapshot, library), library) for snapshot in snapshots]


def _bound(snapshot: SourceSnapshot, library: Library) -> SourceSnapshot:
    if all(unit.blueprints is Blueprints.NONE for unit in snapshot.units):
        return snapshot
    from lakeflow_job_meta.blueprints.library import bound

    return replace(snapshot, units=bound(snapshot.units, library), has_blueprints=_defines(snapshot))


def _defines(snapshot: SourceSnapshot) -> bool:
    return any(unit.content.blueprints for unit in snapshot.units if unit.blueprints is Blueprints.DEFINED)


def _with_rows(snapshot: SourceSnapshot, library: Library) -> SourceSnapshot:
    if snapshot.rows is None:
        return snapshot
    from lakeflow_job_meta.blueprints.rows import units_of_rows

    found = units_of_rows(snapshot.rows, library)
    return replace(
        snapshot,
        units=(*snapshot.units, *found.units),
        problems=(*snapshot.problems, *found.problems),
        is_unreadable=snapshot.is_unreadable or not found.is_usable,
        rows=None,
    )
