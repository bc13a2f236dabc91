"""What a statement gives back: columns and rows of text, as the API sends them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from arro3.core import Field, Table

from . import types
from .expressions import Column
from .types import SqlType

Row = list[str | None]


@dataclass(frozen=True, slots=True)
class Result:
    """A statement's result; DDL has neither columns nor rows."""

    columns: tuple[Column, ...] = ()
    rows: tuple[Row, ...] = ()

    @classmethod
    def of_arrow(cls, table: Table) -> Result:
        """A result from what DataFusion gave."""
        columns = tuple(Column(field.name, types.of_arrow(field.type)) for field in _fields(table))
        rows = table.to_struct_array().to_pylist() if columns else []
        return cls(columns, tuple([types.to_text(row[c.name], c.type) for c in columns] for row in rows))

    @classmethod
    def of_values(cls, columns: Sequence[tuple[str, SqlType]], rows: Sequence[Sequence[object]]) -> Result:
        """A result from Python values."""
        made = tuple(Column(name, sql_type) for name, sql_type in columns)
        texts = ([types.to_text(v, c.type) for v, c in zip(row, made, strict=True)] for row in rows)
        return cls(made, tuple(texts))

    @classmethod
    def of_counts(cls, **counts: int) -> Result:
        """The one row of numbers that INSERT, UPDATE, DELETE and MERGE give."""
        return cls.of_values([(name, types.BIGINT) for name in counts], [list(counts.values())])

    @property
    def byte_count(self) -> int:
        """How large the values are."""
        return sum(len(value.encode()) for row in self.rows for value in row if value is not None)


def _fields(table: Table) -> list[Field]:
    return [table.schema.field(index) for index in range(table.num_columns)]
