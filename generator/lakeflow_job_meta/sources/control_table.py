"""Metadata in a control table, of whatever kind: reads one version of it and changes nothing."""

from __future__ import annotations

from collections.abc import Callable

from lakeflow_job_meta.errors import LakeflowJobMetaError
from lakeflow_job_meta.parsing.rows import units_of_rows
from lakeflow_job_meta.sources.fingerprints import FileFingerprints
from lakeflow_job_meta.sources.interface import SourceSnapshot
from lakeflow_job_meta.tables.schema import TableUnusable
from lakeflow_job_meta.tables.store import VersionedTable


class TableReader:
    """Reads the modules of a control table.

    Args:
        label: The table's name or path, as the project file and messages give it.
        open_table: Opens it; what that raises is a problem of this source alone.
        group_column: The column that names the bundles of modules, if one does.
    """

    def __init__(self, label: str, open_table: Callable[[], VersionedTable], group_column: str | None = None) -> None:
        self.source = label
        self._open_table = open_table
        self._group_column = group_column

    def read(self) -> SourceSnapshot:
        """Reads all rows of the newest version."""
        try:
            snapshot = self._open_table().read(also=[self._group_column] if self._group_column is not None else [])
        except TableUnusable as error:
            return SourceSnapshot.unreadable(self, *error.problems, is_file=False)
        except LakeflowJobMetaError as error:
            return SourceSnapshot.unreadable(self, f"cannot be read: {error}", is_file=False)
        units = units_of_rows(self.source, snapshot.rows, self._group_column)
        return SourceSnapshot(self.source, tuple(units), (), False, self.contains, snapshot.version.number)

    def probe(self, fingerprints: FileFingerprints) -> str:
        """Returns the newest version, and which table of that name it is of."""
        version = self._open_table().version()
        return f"{version.number} of {version.stamp}"

    def contains(self, label: str) -> bool:
        """Returns whether a label, as generated files name it, belongs to this source."""
        return label == self.source
