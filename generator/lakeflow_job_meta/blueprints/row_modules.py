"""The module that some rows come to, and what is wrong with them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lakeflow_job_meta._internal.text import quoted
from lakeflow_job_meta._internal.trees import Value
from lakeflow_job_meta.blueprints.expansion import expand
from lakeflow_job_meta.blueprints.row_document import RowDocument
from lakeflow_job_meta.blueprints.row_reading import KeyMistake, RowReading, RowView, TableRow
from lakeflow_job_meta.diagnostics.model import Diagnostic, SourceRef, Subject
from lakeflow_job_meta.diagnostics.rules import BAD_JSON, CONFLICTING_ROWS, ROW_KEY
from lakeflow_job_meta.parsing.arguments import Arguments
from lakeflow_job_meta.parsing.rows import agreed
from lakeflow_job_meta.parsing.units import BlueprintUse, RawModule, UnitContent
from lakeflow_job_meta.text.yaml_errors import Mark


class RowsOfJob:
    """The rows that one job is made of; there are thousands, and few of them are ever read.

    Args:
        reading: How they are read.
        rows: As the table has them.
        values: Of each row, those of the columns that a job may depend on.
        mistakes: Of each row, what is wrong with its key.
    """

    __slots__ = ("_mistakes", "_reading", "_rows", "_values")

    def __init__(
        self,
        reading: RowReading,
        rows: Sequence[TableRow],
        values: Sequence[tuple[Value, ...]],
        mistakes: Sequence[KeyMistake | None],
    ) -> None:
        self._reading = reading
        self._rows = rows
        self._values = values
        self._mistakes = mistakes

    def read(self) -> UnitContent:
        """Returns the module that they come to."""
        return _read_rows(self._reading, self._kept(), self._mistakes)

    def names(self) -> tuple[str, ...]:
        """Returns what messages call them."""
        return tuple(str(SourceRef(RowDocument(self._reading, row))) for row in self._kept())

    def _kept(self) -> list[TableRow]:
        return [row._replace(values=values) for row, values in zip(self._rows, self._values, strict=True)]

    def __getstate__(self) -> tuple[None, dict[str, object]]:
        """Returns what another process gets: nothing of columns that are not needed."""
        kept = self._kept()
        state = {"_reading": self._reading, "_rows": kept, "_values": self._values, "_mistakes": self._mistakes}
        return None, state


def _read_rows(reading: RowReading, rows: Sequence[TableRow], mistakes: Sequence[KeyMistake | None]) -> UnitContent:
    problems: list[Diagnostic] = []
    arguments: list[Arguments] = []
    names: list[Value] = []
    for row, mistake in zip(rows, mistakes, strict=True):
        document, view = RowDocument(reading, row), RowView(reading.columns, row.values)
        if mistake is not None:
            column, message = mistake
            problems.append(ROW_KEY.at(SourceRef(document, (reading.columns.by_name[column],)), message))
        names.append(reading.blueprint.fill(view))
        if names[-1] != names[0]:
            at = SourceRef(document, tuple(reading.blueprint_columns[:1]))
            problems.append(_two_blueprints(at, names[0], names[-1]))
        values, unread = _values(reading, row, view, str(names[0]))
        problems += (_bad_json(document, index, *fault) for index, fault in view.bad_json.items())
        at = SourceRef(document)
        arguments.append(Arguments(values, at, reading.form, unread=unread, why_missing=document.why_missing))
    origin = arguments[0].origin
    use = BlueprintUse(names[0], origin.at(*reading.blueprint_columns[:1]), tuple(arguments))
    raw = RawModule({}, origin, bool(problems), _group(reading, rows[0]), use, columns=_shared(reading, rows))
    module, more = expand(raw, reading.library)
    return UnitContent(() if module is None else (module,), (*problems, *more), is_whole=module is not None)


def _values(
    reading: RowReading, row: TableRow, view: RowView, blueprint: str
) -> tuple[dict[str, Value], frozenset[str]]:
    """Returns what a row gives the parameters of its blueprint, and those that it gives JSON that cannot be read.

    NULL gives nothing.
    """
    values: dict[str, Value] = {}
    unread: set[str] = set()
    for name, index in reading.own_columns(blueprint).items():
        if row.values[index] is not None:
            values[name] = row.values[index]
    for name, template in reading.mapped_for(blueprint):
        before = view.misread
        if (value := template.fill(view)) is not None:
            values[name] = value
        if view.misread > before:
            unread.add(name)
    return values, frozenset(unread)


def _shared(reading: RowReading, rows: Sequence[TableRow]) -> dict[str, Value]:
    """Returns the columns that presets ask for and in which all rows of a job agree."""
    found: dict[str, Value] = {}
    for name in reading.shared_columns:
        index = reading.columns.by_name.get(name.casefold())
        if index is not None and (value := agreed(row.values[index] for row in rows)) is not None:
            found[name] = value
    return found


def _group(reading: RowReading, row: TableRow) -> str | None:
    index = reading.columns.by_name.get(reading.group_column.casefold()) if reading.group_column is not None else None
    value = row.values[index] if index is not None else None
    return None if value is None else str(value)


def _two_blueprints(origin: SourceRef, one: Value, other: Value) -> Diagnostic:
    message = f"the blueprint is {quoted(other)} here, but {quoted(one)} in another row of the job; they must agree"
    return CONFLICTING_ROWS.at(origin, message)


def _bad_json(document: RowDocument, index: int, message: str, mark: Mark) -> Diagnostic:
    at, line = document.cell(index)
    if not at.is_file:
        at = replace(at, line=mark.line, column=mark.column)
    return BAD_JSON.report(at, line, Subject(), message)
