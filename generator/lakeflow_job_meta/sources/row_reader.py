"""A table, view or query of the user's own, whose rows fill a blueprint.

The rows are read at once, in plain values; what they mean, the blueprint says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from lakeflow_job_meta.blueprints.row_reading import RowSet, TableRow
from lakeflow_job_meta.blueprints.rows import RowSource
from lakeflow_job_meta.errors import LakeflowJobMetaError
from lakeflow_job_meta.sources.fingerprints import FileFingerprints
from lakeflow_job_meta.sources.interface import SourceSnapshot
from lakeflow_job_meta.tables.plain import WholeTable
from lakeflow_job_meta.tables.schema import TableUnusable


@dataclass(frozen=True, slots=True)
class RowReader:
    """Reads the rows of one table, view or query.

    Attributes:
        read_rows: Reads them; what that raises is a problem of this source alone.
        read_version: Returns what differs whenever the rows do, as cheaply as it can be.
        rows: How they become modules; its sets are filled here.
    """

    source: str
    read_rows: Callable[[], WholeTable]
    read_version: Callable[[], str]
    rows: RowSource

    def read(self) -> SourceSnapshot:
        try:
            table = self.read_rows()
        except TableUnusable as error:
            return SourceSnapshot.unreadable(self, *error.problems, is_file=False)
        except LakeflowJobMetaError as error:
            return SourceSnapshot.unreadable(self, f"cannot be read: {error}", is_file=False)
        twice = told_apart_by_case_alone(table.columns)
        if twice is not None:
            return SourceSnapshot.unreadable(self, twice, is_file=False)
        found = RowSet(self.source, table.columns, [TableRow(values) for values in table.rows])
        rows = replace(self.rows, sets=(found,))
        return SourceSnapshot(self.source, (), (), False, self.contains, table.version, rows)

    def probe(self, fingerprints: FileFingerprints) -> str:
        return self.read_version()

    def contains(self, label: str) -> bool:
        return label == self.source


def told_apart_by_case_alone(columns: Sequence[str]) -> str | None:
    """Returns which two columns have one name, since case makes no other column; None if there are none."""
    known: dict[str, str] = {}
    for name in columns:
        other = known.setdefault(name.casefold(), name)
        if other is not name:
            return (
                f"the columns {other!r} and {name!r} differ by case alone, or not at all; give one of them another name"
            )
    return None
