"""Rows of a control table to modules, for every kind of table.

Rows come in as plain maps of one version of the table; each module goes out in the same form as from YAML, and its
document knows the row, the column and the position inside JSON of every value.
"""

from __future__ import annotations

import marshal
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import cast

from lakeflow_job_meta._internal.hashing import digests_after
from lakeflow_job_meta._internal.text import quoted
from lakeflow_job_meta._internal.trees import KeyPath, Value, diff
from lakeflow_job_meta.control_table.schema import METADATA_COLUMNS
from lakeflow_job_meta.diagnostics import rules
from lakeflow_job_meta.diagnostics.model import Diagnostic, Location, SourceRef, Subject, dotted
from lakeflow_job_meta.parsing.arguments import Arguments
from lakeflow_job_meta.parsing.units import (
    Blueprints,
    BlueprintUse,
    RawModule,
    SourceUnit,
    UnitContent,
)
from lakeflow_job_meta.tables.rows import TableRows
from lakeflow_job_meta.tables.schema import Row
from lakeflow_job_meta.text.json_columns import locate_in_json, read_json
from lakeflow_job_meta.text.yaml_errors import Fault, lines_of

_MODULE_COLUMNS = [column.name for column in METADATA_COLUMNS if column.of_module]
_BLUEPRINT_COLUMNS = ("blueprint", "parameters")
_SOURCE_COLUMNS = [
    column.name for column in METADATA_COLUMNS if not column.of_module and column.name not in _BLUEPRINT_COLUMNS
]
_GIVEN_BY_NAME = ("source_id", "module_name", "source_type", "execution_order", "source_config", "target_config")
"""Columns that fill parameters of a blueprint that are named like them, where `parameters` does not."""
_JSON_COLUMNS = {column.name for column in METADATA_COLUMNS if column.holds_json}
_USUAL_BYTES = 400
"""Of a row."""

_SIMPLE = re.compile(r"[\w.:/ -]{1,80}")


class TableModule:
    """The rows of one module, in the order of its sources, as the document that holds its values.

    `row_of` has the number of the row that a value of the whole module was taken from, by column.
    """

    def __init__(self, label: str, rows: Sequence[Row], row_of: Mapping[str, int]) -> None:
        self.label = label
        self._rows = rows
        self._row_of = row_of

    def locate(self, path: KeyPath, *, of_key: bool) -> tuple[Location, str | None]:
        """Returns the row, and for a value in a column the column and the range in its JSON."""
        number, inside = self._cell(path)
        if number is None:
            return Location(f"{self.label}[{_key('module_name', self._rows[0])}]", is_file=False), None
        row = self._rows[number]
        name = f"{self.label}[{_key('module_name', row)}, {_key('source_id', row)}]"
        if not inside or inside[0] not in row:
            return Location(name, is_file=False), None
        column, text = str(inside[0]), row[inside[0]]  # type: ignore[index]
        if column not in _JSON_COLUMNS or not isinstance(text, str) or read_json(text)[1] is not None:
            return Location(f"{name}.{column}", is_file=False), None
        start, end = locate_in_json(text, inside[1:], of_key=of_key)
        return Location(f"{name}.{column}", *start, False, *end), lines_of(text)[start.line - 1]

    def subject(self, path: KeyPath) -> Subject:
        module = _text(self._rows[0], "module_name")
        if path[:1] == ("sources",) and len(path) > 1:
            return Subject(module, _text(self._rows[int(path[1])], "source_id"), dotted(path[2:]))
        return Subject(module, setting=dotted(path))

    @property
    def rows(self) -> tuple[Row, ...]:
        """All rows of the module."""
        return tuple(self._rows)

    def cells(self, path: KeyPath) -> list[tuple[Row, KeyPath]]:
        """Returns the rows that hold a value, each with its path there, from its column on.

        Of a value of the whole module these are all rows that say something of it, since they must agree.
        """
        number, inside = self._cell(path)
        column = str(inside[0]) if inside else ""
        if path[:1] == ("sources",) or not inside:
            return [(self._rows[number], inside)] if number is not None else []
        set_in = [row for row in self._rows if _read(row, column)[0] not in (None, {})]
        return [(row, inside) for row in set_in or self._rows[:1]]

    def _cell(self, path: KeyPath) -> tuple[int | None, KeyPath]:
        """Returns the number of the row that holds a value, and the path of the value there, from its column on."""
        if path[:1] == ("sources",) and len(path) > 1:
            return int(path[1]), path[2:]
        return self._row_of.get(str(path[0])) if path else None, path


def _text(row: Row, column: str) -> str | None:
    value = row.get(column)
    return value if isinstance(value, str) else None


def _key(column: str, row: Row) -> str:
    value = row.get(column)
    text = value if isinstance(value, str) and _SIMPLE.fullmatch(value) else repr(value)[:80]
    return f"{column}={'NULL' if value is None else text}"


def units_of_rows(
    label: str, rows: Iterable[Row], group_column: str | None = None, own_columns: tuple[str, ...] = ()
) -> Iterator[SourceUnit]:
    """Puts the rows of a control table together by module: modules by name, sources sorted by `source_id`.

    JSON columns are text. `label` is what messages and generated files call the table, `group_column` the column that
    names the bundles of modules, if one does, `own_columns` those of the user's own that presets may ask for.
    """
    found = TableRows.of(rows)
    names, sources = found.column("module_name"), found.column("source_id")
    keys = [*zip(_texts(names), _texts(sources), strict=True)]
    in_order = sorted(range(len(found)), key=keys.__getitem__)
    with_blueprint = {number for number, cell in enumerate(found.column("blueprint")) if cell is not None}
    digest_of = digests_after(label.encode("utf-8", "surrogatepass"), marshal.dumps(found.columns, 2))
    for name, group in groupby(in_order, key=names.__getitem__):
        numbers = list(group)
        members = found.only(numbers)
        is_module = name is not None and name != ""
        read = (
            partial(_module, label, members, group_column, own_columns)
            if is_module
            else partial(_without_module, label, members)
        )
        written = _written(members)
        digest = digest_of(written) if written is not None else None
        size = len(written) if written is not None else _USUAL_BYTES * len(members)
        if not is_module or with_blueprint.isdisjoint(numbers):
            yield SourceUnit(label, digest, read, size)
            continue
        rows_of_uses = partial(_names_of_uses, label, members)
        yield SourceUnit(label, digest, read, size, Blueprints.USED, rows=rows_of_uses)


def _texts(cells: list[object]) -> list[str]:
    """Returns what rows are sorted by; that all cells are texts is seen faster than each is turned into itself."""
    return cast("list[str]", cells) if {*map(type, cells)} <= {str} else [str(cell or "") for cell in cells]


def _names_of_uses(label: str, rows: Sequence[Row]) -> tuple[str, ...]:
    document = TableModule(label, rows, {})
    numbers = (number for number, row in enumerate(rows) if row.get("blueprint") is not None)
    return tuple(str(SourceRef(document, ("sources", number))) for number in numbers)


def modules_of_rows(label: str, rows: Iterable[Row]) -> UnitContent:
    """Reads all units of a table at once, the modules by name."""
    contents = [unit.content for unit in units_of_rows(label, rows)]
    modules = tuple(module for content in contents for module in content.modules)
    problems = tuple(problem for content in contents for problem in content.diagnostics)
    return UnitContent(modules, problems, all(content.is_whole for content in contents))


def _written(rows: TableRows) -> bytes | None:
    """Returns all cells; None where one is of no plain type."""
    try:
        # Only written, never read back: the fastest form in which different values, and 1 and true, are different.
        return marshal.dumps(rows.cells, 2)  # type: ignore[arg-type]
    except ValueError:
        return None


def _without_module(label: str, rows: Sequence[Row]) -> UnitContent:
    message = "the row has no module_name, so it belongs to no job"
    origins = (SourceRef(TableModule(label, rows, {}), ("sources", number)) for number in range(len(rows)))
    problems = tuple(rules.ROW_WITHOUT_MODULE.at(origin, message) for origin in origins)
    ids = tuple(source for row in rows if (source := _text(row, "source_id")) is not None)
    return UnitContent((), problems, is_whole=False, loose_sources=ids)


def _module(label: str, rows: Sequence[Row], group_column: str | None, own_columns: tuple[str, ...]) -> UnitContent:
    if any(row.get("blueprint") is not None for row in rows):
        # The sources of the module are its first rows; those of a blueprint come to sources elsewhere.
        rows = sorted(rows, key=lambda row: row.get("blueprint") is not None)
    row_of = {"module_name": 0}
    origin = SourceRef(TableModule(label, rows, row_of))
    value: dict[str, Value] = {}
    problems: list[Diagnostic] = []
    for column in _MODULE_COLUMNS:
        first: Value = None
        for number, row in enumerate(rows):
            if row.get(column) is None:
                continue
            found, fault = _read(row, column)
            if fault is not None:
                problems.append(_bad_cell(row, column, origin.at("sources", number, column), fault))
            elif found in (None, {}):
                continue  # an empty map sets nothing, so it contradicts nothing
            elif first is None:
                first, row_of[column] = found, number
                value[column] = found
            elif any(diff(first, found)):
                here = origin.at("sources", number, column)
                problems.append(_conflict(column, here, origin.at(column), first, found))
    value["sources"] = [
        _source(row, origin.at("sources", number), problems)
        for number, row in enumerate(rows)
        if row.get("blueprint") is None
    ]
    use = _use(rows, origin, problems)
    group = _group(rows, group_column, origin, row_of, problems) if group_column is not None else None
    raw = RawModule(value, origin, bool(problems), group, use, columns=_shared_columns(rows, own_columns))
    return UnitContent((raw,), tuple(problems))


def _shared_columns(rows: Sequence[Row], names: Iterable[str]) -> dict[str, Value]:
    """Returns the columns in which all rows of a module agree, but for those that have nothing there."""
    found = {name: agreed(cast("Value", row.get(name)) for row in rows) for name in names}
    return {name: value for name, value in found.items() if value is not None}


def agreed(values: Iterable[Value]) -> Value:
    """Returns what all rows of a module have in a column, but for those that have nothing; None if they differ."""
    present = [value for value in values if value is not None]
    return present[0] if present and all(value == present[0] for value in present) else None


def _use(rows: Sequence[Row], origin: SourceRef, problems: list[Diagnostic]) -> BlueprintUse | None:
    """Returns the blueprint of a module's rows, and what each gives its parameters; None where no row names one."""
    numbers = [number for number, row in enumerate(rows) if row.get("blueprint") is not None]
    if not numbers:
        return None
    name = rows[numbers[0]]["blueprint"]
    arguments = []
    for number in numbers:
        row, at = rows[number], origin.at("sources", number)
        if row["blueprint"] != name:
            both = (
                f"{quoted(row['blueprint'])} here but {quoted(name)} in {origin.at('sources', numbers[0], 'blueprint')}"
            )
            message = f"'blueprint' is {both}; rows of a module must agree"
            problems.append(rules.CONFLICTING_ROWS.at(at.at("blueprint"), message))
        given, fault = _read(row, "parameters")
        if fault is not None:
            problems.append(_bad_cell(row, "parameters", at.at("parameters"), fault))
        by_name: dict[str, Value] = {}
        for column in _GIVEN_BY_NAME:
            value, bad_cell = _read(row, column)
            if bad_cell is None and value is not None:
                by_name[column] = value
        arguments.append(
            Arguments(
                given,
                at.at("parameters"),
                by_name=by_name,
                by_name_origin=at,
                unread=None if fault is not None else frozenset(),
                is_active=row.get("is_active") is not False,
            )
        )
    return BlueprintUse(cast("Value", name), origin.at("sources", numbers[0], "blueprint"), tuple(arguments))


def _group(
    rows: Sequence[Row], column: str, origin: SourceRef, row_of: dict[str, int], problems: list[Diagnostic]
) -> str | None:
    """Returns the value of the column that names bundles; rows without one count for none."""
    found = {number: str(row[column]) for number, row in enumerate(rows) if row.get(column) is not None}
    if not found:
        return None
    first, group = next(iter(found.items()))
    row_of.setdefault(column, first)
    other = next((number for number, text in found.items() if text != group), None)
    if other is not None:
        both = f"{quoted(found[other])} here but {quoted(group)} in {origin.at('sources', first, column)}"
        message = f"{column!r} names the bundle of the module, and is {both}; rows of a module must agree"
        problems.append(rules.CONFLICTING_ROWS.at(origin.at("sources", other, column), message))
    return group


def _source(row: Row, origin: SourceRef, problems: list[Diagnostic]) -> Value:
    source: dict[str, Value] = {}
    for column in _SOURCE_COLUMNS:
        value, fault = _read(row, column)
        if fault is not None:
            problems.append(_bad_cell(row, column, origin.at(column), fault))
            source[column] = {}
        elif value is not None and (column, value) != ("quality", {}):
            source[column] = value
    return source


def _read(row: Row, column: str) -> tuple[Value, Fault | None]:
    """Returns the value of a cell; most configs are `{}`, and need no parser."""
    value = row.get(column)
    if not isinstance(value, str) or (column not in _JSON_COLUMNS and not _is_list_of_names(column, value)):
        return value, None  # type: ignore[return-value]
    return ({}, None) if value == "{}" else read_json(value)


def _is_list_of_names(column: str, value: str) -> bool:
    return column == "formerly" and value.lstrip().startswith("[")


def _bad_cell(row: Row, column: str, origin: SourceRef, fault: Fault) -> Diagnostic:
    rule = {"duplicate-key": rules.DUPLICATE_KEY, "value": rules.NOT_A_VALUE}.get(fault.kind, rules.BAD_JSON)
    cell = origin.location()
    lines = lines_of(str(row[column]))
    line = lines[fault.mark.line - 1] if fault.mark.line <= len(lines) else None
    location = Location(cell.path, *fault.mark, False, *(fault.end or (None, None)))
    return rule.report(location, line, origin.document.subject(origin.path), fault.message)


def _conflict(column: str, here: SourceRef, first: SourceRef, one: Value, other: Value) -> Diagnostic:
    """Reports where two rows of a module disagree, by the first setting that differs."""
    path = next(diff(one, other)).path
    name = ".".join(map(str, (column, *path)))
    message = f"{name} is not the same as in {first}; rows of a module that set {column!r} must agree"
    return rules.CONFLICTING_ROWS.at(here.at(*path), message)
