"""What a control table can do, whatever it is stored in.

Every read is of one version, so that a module is never half old, half new; every write is one commit. Rows are plain
maps by column name; JSON columns hold text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol

from lakeflow_job_meta.errors import OperationFailed
from lakeflow_job_meta.parsing.columns import Row


class TableUnusable(OperationFailed):
    """The table cannot be used as a control table.

    Attributes:
        problems: What is wrong, a sentence each, without the table's name.
    """

    def __init__(self, name: str, *problems: str) -> None:
        super().__init__("; ".join(f"{name}: {problem}" for problem in problems))
        self.problems = problems


class TableMissing(TableUnusable):
    """There is no such table."""


class Created(Enum):
    """What making a table came to, in words."""

    TABLE = "made"
    COLUMNS = "was there already; the missing optional columns were added"
    NOTHING = "is there already; nothing was changed"


@dataclass(frozen=True, slots=True)
class TableVersion:
    """One state of a table.

    Attributes:
        number: Delta's version, counted from 0.
        stamp: Tells a table from another one of the same name: one that is dropped and made again starts at 0 too.
    """

    number: int
    stamp: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All rows of one version.

    Attributes:
        columns: The table's columns, the user's own among them.
    """

    version: TableVersion
    columns: frozenset[str]
    rows: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Commit:
    """One entry of a table's history.

    Attributes:
        user: Who did it, None where the table does not record that.
    """

    version: int
    timestamp: datetime
    operation: str
    user: str | None


@dataclass(frozen=True, slots=True)
class RowChanges:
    """What one commit is to do.

    Attributes:
        upserts: Rows to insert, or to update where module_name and source_id are there already. `is_active` None leaves
            an existing row as it is and makes a new one active. Each has the same columns.
        deletions: Pairs of module_name and source_id.
    """

    upserts: Sequence[Row]
    deletions: Sequence[tuple[str, str]]

    def __bool__(self) -> bool:
        return bool(self.upserts or self.deletions)


class ColumnDefinition(Protocol):
    """What a statement has to know of a column."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def type(self) -> str:
        """Its SQL type."""


class ControlTable(Protocol):
    """A control table."""

    @property
    def name(self) -> str:
        """The table's name or path, as messages and generated files give it."""

    def create(self, *, optional_columns: bool) -> Created:
        """Makes the table if it is not there; of an existing one adds what columns are missing, if asked.

        Args:
            optional_columns: Whether the table is to have `depends_on`, `job_config` and `description`.

        Returns:
            What was changed.
        """

    def version(self) -> TableVersion:
        """Returns the newest version, by one cheap request.

        Raises:
            TableMissing: There is no such table.
            OperationFailed: It cannot be reached.
        """

    def read(self, version: int | None = None, *, also: Sequence[str] = ()) -> Snapshot:
        """Returns all rows of the newest version, or of an older one.

        Args:
            version: The older one.
            also: Columns of the user's own to read besides, as far as the table has them.

        Raises:
            TableUnusable: It is missing, a column is, or has a type that cannot hold the metadata.
            OperationFailed: It cannot be reached.
        """

    def write(self, changes: RowChanges) -> None:
        """Applies all changes in one commit; on a failure the table is as it was."""

    def history(self, limit: int) -> list[Commit]:
        """Returns the newest commits, newest first."""
