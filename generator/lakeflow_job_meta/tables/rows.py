"""Rows of a table that become maps only once one is looked into: most runs just look whether any has changed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import overload

from lakeflow_job_meta.tables.schema import Row

ABSENT = ...
"""In place of a cell where a row lacks a column that others have; it can be marshalled, and no table holds it."""


class TableRows(Sequence[Row]):
    """Rows, each with the cells of all columns in their order.

    Args:
        columns: The names of the columns.
        cells: Those of each row.
        has_gaps: Whether some cells may be `ABSENT`.
    """

    __slots__ = ("_maps", "cells", "columns", "has_gaps")

    def __init__(
        self, columns: tuple[str, ...], cells: Sequence[tuple[object, ...]], *, has_gaps: bool = False
    ) -> None:
        self.columns = columns
        self.cells = cells
        self.has_gaps = has_gaps
        self._maps: list[Row] | None = None

    @classmethod
    def of(cls, rows: Iterable[Row]) -> TableRows:
        """Returns rows that are maps already; they may have different columns."""
        if isinstance(rows, TableRows):
            return rows
        maps = list(rows)
        columns = tuple(dict.fromkeys(column for row in maps for column in row))
        cells = [tuple([row.get(column, ABSENT) for column in columns]) for row in maps]
        return cls(columns, cells, has_gaps=any(len(row) < len(columns) for row in maps))

    def column(self, name: str) -> list[object]:
        """Returns the cells of a column; None where there is nothing."""
        if name not in self.columns:
            return [None] * len(self.cells)
        number = self.columns.index(name)
        found = [row[number] for row in self.cells]
        return [None if cell is ABSENT else cell for cell in found] if self.has_gaps else found

    def only(self, numbers: Iterable[int]) -> TableRows:
        """Returns some of the rows, by their numbers, in that order."""
        cells = self.cells
        return TableRows(self.columns, [cells[number] for number in numbers], has_gaps=self.has_gaps)

    def __len__(self) -> int:
        return len(self.cells)

    def __iter__(self) -> Iterator[Row]:
        return iter(self._as_maps())

    @overload
    def __getitem__(self, index: int) -> Row: ...

    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...

    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        return self._as_maps()[index]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self._as_maps() == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self._as_maps())

    def _as_maps(self) -> list[Row]:
        if self._maps is None:
            maps = (zip(self.columns, row, strict=True) for row in self.cells)
            self._maps = [
                {name: cell for name, cell in row if cell is not ABSENT} if self.has_gaps else dict(row) for row in maps
            ]
        return self._maps
