"""How rows of any table are read: the columns by their names, what of a row fills a parameter. Pure.

Rows come in as plain values by column. Nothing here reads a table, and a row is looked into only when its job is built.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from lakeflow_job_meta._internal.trees import KeyPath, Value
from lakeflow_job_meta.blueprints.model import Library
from lakeflow_job_meta.blueprints.template import Template, compile_template, placeholders_in
from lakeflow_job_meta.config.model import RowMapping
from lakeflow_job_meta.diagnostics.model import SourceRef
from lakeflow_job_meta.parsing.arguments import ValueForm
from lakeflow_job_meta.text.json_columns import read_json
from lakeflow_job_meta.text.yaml_errors import Mark

COLUMN = re.compile(r"\$\{column\.([^{}]*)\}")

KeyMistake = tuple[str, str]
"""What is wrong with the key of a row: the column, in small letters, and a message."""


class TableRow(NamedTuple):
    """One row: its values in the order of the columns, and of a file, the line that it begins at and its text."""

    values: tuple[Value, ...]
    line: int | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class RowSet:
    """The rows of one table, view, query or file, as of one moment.

    Attributes:
        label: What messages and generated files call it.
        columns: As they are spelled there; no two differ by case alone.
        form: In what form its values are.
        delimiter: What separates the columns of a line, of a file.
    """

    label: str
    columns: tuple[str, ...]
    rows: Sequence[TableRow]
    form: ValueForm = ValueForm.COLUMNS
    delimiter: str = ","


class Columns:
    """The columns of a table by name, whatever the case, as Delta has it; also the way into JSON in one of them."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        self.by_name = {name.casefold(): index for index, name in enumerate(names)}
        self._found: dict[str, tuple[int, KeyPath] | None] = {}

    def find(self, reference: str) -> tuple[int, KeyPath] | None:
        """Returns the column that a reference such as `Settings.loadType` begins with, and the path inside of it."""
        if reference not in self._found:
            self._found[reference] = self._find(reference)
        return self._found[reference]

    def _find(self, reference: str) -> tuple[int, KeyPath] | None:
        steps = reference.split(".")
        for length in range(len(steps), 0, -1):
            index = self.by_name.get(".".join(steps[:length]).casefold())
            if index is not None:
                return index, tuple(steps[length:])
        return None


class RowView:
    """A row as what `${column.x}` is filled from; notes JSON that cannot be read by the number of its column."""

    def __init__(self, columns: Columns, values: Sequence[Value]) -> None:
        self._columns, self._values = columns, values
        self.bad_json: dict[int, tuple[str, Mark]] = {}
        self.misread = 0

    def get(self, name: str, /) -> Value:
        found = self._columns.find(name)
        if found is None:
            return None
        index, path = found
        value = self._values[index]
        if not path:
            return value
        if isinstance(value, str):
            value, fault = read_json(value)
            if fault is not None:
                self.bad_json[index] = fault.message, fault.mark
                self.misread += 1
        return _follow(value, path)


def _follow(value: Value, path: KeyPath) -> Value:
    """Follows a path into JSON; a number is the place in a list."""
    for step in path:
        if isinstance(value, list) and str(step).isdigit() and int(step) < len(value):
            value = value[int(step)]
        elif isinstance(value, dict):
            value = value.get(str(step))
        else:
            return None
    return value


@dataclass(frozen=True)
class RowReading:
    """Everything that a unit of rows needs besides its rows; units of one table share it."""

    label: str
    names: tuple[str, ...]
    form: ValueForm
    delimiter: str
    file_columns: tuple[str, ...]
    mapping: RowMapping
    origin: SourceRef
    library: Library
    group_column: str | None
    shared_columns: tuple[str, ...]

    @cached_property
    def columns(self) -> Columns:
        return Columns(self.names)

    @cached_property
    def blueprint(self) -> Template:
        return compile_template(self.mapping.blueprint, COLUMN)

    @cached_property
    def mapped(self) -> dict[str, Template]:
        return {name: compile_template(value, COLUMN) for name, value in self.mapping.values.items()}

    @cached_property
    def blueprint_columns(self) -> list[int]:
        """The numbers of the columns that name the blueprint of a row."""
        found = (self.columns.find(name) for _, name, _ in placeholders_in(self.mapping.blueprint, COLUMN))
        return [each[0] for each in found if each is not None]

    @cached_property
    def key(self) -> list[int]:
        return [self.columns.by_name[name.casefold()] for name in self.mapping.key]

    def own_columns(self, blueprint: str) -> dict[str, int]:
        """Returns the columns that fill parameters by their names alone."""
        found = self._own.get(blueprint)
        if found is None:
            known = self.library.blueprints.get(blueprint)
            names = [] if known is None else [parameter.name for parameter in known.parameters]
            columns = {name: self.columns.by_name.get(name.casefold()) for name in names if name not in self.mapped}
            found = self._own[blueprint] = {name: index for name, index in columns.items() if index is not None}
        return found

    def mapped_for(self, blueprint: str) -> list[tuple[str, Template]]:
        """Returns what else fills parameters; where rows name their blueprints, some may be for another one alone."""
        found = self._mapped_for.get(blueprint)
        if found is None:
            known = self.library.blueprints.get(blueprint)
            names = self.mapped if known is None else [each for each in self.mapped if each in known.parameter_names]
            found = self._mapped_for[blueprint] = [(name, self.mapped[name]) for name in names]
        return found

    @cached_property
    def _mapped_for(self) -> dict[str, list[tuple[str, Template]]]:
        return {}

    @cached_property
    def _own(self) -> dict[str, dict[str, int]]:
        return {}
