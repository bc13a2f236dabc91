"""A row as a document: the cell, or the place in a file, that each value of a module was taken from. Pure."""

from __future__ import annotations

import re
from typing import cast

from lakeflow_job_meta._internal.text import did_you_mean
from lakeflow_job_meta._internal.trees import KeyPath, Value, value_at
from lakeflow_job_meta.blueprints.expansion import ExpandedModule
from lakeflow_job_meta.blueprints.row_reading import COLUMN, RowReading, RowView, TableRow
from lakeflow_job_meta.blueprints.template import placeholders_in
from lakeflow_job_meta.diagnostics.model import Location, SourceRef, Subject
from lakeflow_job_meta.parsing.targets import TargetedModule
from lakeflow_job_meta.text.json_columns import locate_in_json, read_json
from lakeflow_job_meta.text.yaml_errors import lines_of

_SIMPLE = re.compile(r"[\w.:/@ -]{1,80}")


class RowDocument:
    """A row as the document of what it gives: a path begins with a parameter, or with the number of a column."""

    def __init__(self, reading: RowReading, row: TableRow) -> None:
        self.label = reading.label
        self._reading, self._row = reading, row

    def locate(self, path: KeyPath, *, of_key: bool) -> tuple[Location, str | None]:
        """Returns the cell that a parameter was taken from, or the place in the project file that sets it."""
        if not path:
            return self._whole()
        name, *inside = path
        if isinstance(name, int):
            return self.cell(name)
        if name in self._reading.mapping.values:
            return self._mapped(path, of_key)
        index = self._reading.columns.by_name.get(str(name).casefold())
        return self._inside(index, tuple(inside), of_key) if index is not None else self._whole()

    def _mapped(self, path: KeyPath, of_key: bool) -> tuple[Location, str | None]:
        """Returns the cell that a mapped value comes from; what comes from none stands in the project file."""
        reading, length = self._reading, len(path)
        while not value_at(reading.mapping.values, path[:length])[0]:
            length -= 1
        written = cast("Value", value_at(reading.mapping.values, path[:length])[1])
        found = [(name, is_whole) for _, name, is_whole in placeholders_in(written, COLUMN)]
        if not found or (of_key and length == len(path)):
            return reading.origin.document.locate((*reading.origin.path, "with", *path), of_key=of_key)
        column = reading.columns.find(found[0][0])
        if column is None:
            return self._whole()
        is_whole = isinstance(written, str) and found[0][1]
        return self._inside(column[0], (*column[1], *path[length:]) if is_whole else column[1], of_key)

    def cells(self, path: KeyPath) -> list[Location]:
        """Returns the cells of all columns that a parameter is made of; where it is made of none, its place."""
        written = self._reading.mapping.values.get(str(path[0])) if path else None
        columns = [self._reading.columns.find(name) for _, name, _ in placeholders_in(written, COLUMN)]
        if len(columns) < 2:
            return [self.locate(path, of_key=False)[0]]
        return [self._inside(*column, of_key=False)[0] for column in columns if column is not None]

    def subject(self, path: KeyPath) -> Subject:
        return Subject(setting=str(path[0]) if path and isinstance(path[0], str) else None)

    def why_missing(self, name: str) -> str:
        """Says which column has no value for a parameter, or that no column has its name."""
        reading = self._reading
        if name in reading.mapping.values:
            found = [each for _, each, _ in placeholders_in(reading.mapping.values[name], COLUMN)]
            empty = [each for each in found if RowView(reading.columns, self._row.values).get(each) is None]
            return f": the column {empty[0]!r} is NULL" if empty else ""
        index = reading.columns.by_name.get(name.casefold())
        if index is not None:
            return f": the column {reading.names[index]!r} is NULL"
        hint = did_you_mean(name, reading.file_columns, otherwise="")
        return f": no column has this name; map one below 'with'{hint}"

    def cell(self, index: int) -> tuple[Location, str | None]:
        """Returns the place of one value of the row."""
        reading, row = self._reading, self._row
        if row.line is None or row.text is None:
            return Location(f"{self._whole()[0].path}.{reading.names[index]}", is_file=False), None
        number = reading.file_columns.index(reading.names[index])
        start = _start_of_field(row.text, number, reading.delimiter)
        lines = lines_of(row.text[:start])
        line = lines_of(row.text)[len(lines) - 1]
        return Location(self.label, row.line + len(lines) - 1, len(lines[-1]) + 1), line

    def _whole(self) -> tuple[Location, str | None]:
        reading, row = self._reading, self._row
        if row.line is not None:
            return Location(self.label, row.line), lines_of(row.text or "")[0]
        key = ", ".join(f"{reading.names[index]}={_shown(row.values[index])}" for index in reading.key)
        return Location(f"{self.label}[{key}]", is_file=False), None

    def _inside(self, index: int, path: KeyPath, of_key: bool) -> tuple[Location, str | None]:
        """Returns the place of something in a cell that holds JSON; the cell itself where it does not."""
        at, line = self.cell(index)
        text = self._row.values[index]
        if at.is_file or not path or not isinstance(text, str) or read_json(text)[1] is not None:
            return at, line
        start, end = locate_in_json(text, path, of_key=of_key)
        return Location(at.path, *start, False, *end), lines_of(text)[start.line - 1]


def origins_of(ref: SourceRef) -> list[Location]:
    """Returns the places of all that a value of a module is made of: of what a row gives, its cells."""
    while isinstance(ref.document, TargetedModule):
        ref = ref.document.ref(ref.path)
    document = ref.document
    refs = document.refs(ref.path) if isinstance(document, ExpandedModule) else [ref]
    cells = (
        each.document.cells(each.path) if isinstance(each.document, RowDocument) else [each.location()] for each in refs
    )
    return [place for places in cells for place in places]


def _shown(value: Value) -> str:
    if value is None:
        return "NULL"
    return value if isinstance(value, str) and _SIMPLE.fullmatch(value) else repr(value)[:80]


def _start_of_field(text: str, number: int, delimiter: str) -> int:
    """Returns where a field of a CSV record starts, behind its quote if it has one.

    A quote means something at the beginning of a field alone.
    """
    field = re.compile(rf'(?:"(?:[^"]|"")*")?[^{re.escape(delimiter)}]*')
    at = 0
    for _ in range(number):
        found = field.match(text, at)
        at = min(found.end() + 1 if found is not None else at, len(text))
    return at + 1 if text[at : at + 1] == '"' else at
