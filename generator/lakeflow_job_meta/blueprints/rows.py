"""Rows of any table as uses of a blueprint: which columns fill which parameters, and which rows make one job.

Rows come in as plain values by column. Nothing here reads a table, and a row is looked into only when its job is built.
"""

from __future__ import annotations

import marshal
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from operator import itemgetter
from typing import cast

from lakeflow_job_meta._internal.hashing import content_digest
from lakeflow_job_meta._internal.text import did_you_mean, listing, quoted
from lakeflow_job_meta._internal.trees import KeyPath, Value, value_at
from lakeflow_job_meta.blueprints.expansion import ExpandedModule, expand, no_such_blueprint
from lakeflow_job_meta.blueprints.model import Library
from lakeflow_job_meta.blueprints.template import Template, compile_template, placeholders_in
from lakeflow_job_meta.config.model import RowMapping
from lakeflow_job_meta.diagnostics.model import Diagnostic, Location, SourceRef, Subject, nearest
from lakeflow_job_meta.diagnostics.rules import (
    BAD_JSON,
    CONFLICTING_ROWS,
    MISSING_PARAMETER,
    ROW_KEY,
    UNKNOWN_COLUMN,
    UNKNOWN_PARAMETER,
)
from lakeflow_job_meta.parsing.arguments import Arguments, ValueForm
from lakeflow_job_meta.parsing.rows import agreed
from lakeflow_job_meta.parsing.units import BlueprintUse, RawModule, SourceUnit, UnitContent
from lakeflow_job_meta.text.json_columns import locate_in_json, read_json
from lakeflow_job_meta.text.yaml_errors import Mark, lines_of

COLUMN = re.compile(r"\$\{column\.([^{}]*)\}")
_SIMPLE = re.compile(r"[\w.:/@ -]{1,80}")
_Mistake = tuple[str, str]
"""What is wrong with the key of a row: the column, in small letters, and a message."""


@dataclass(frozen=True, slots=True)
class TableRow:
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


@dataclass(frozen=True, slots=True)
class RowSource:
    """What a source of rows gave, and how its rows become modules.

    Attributes:
        origin: The entry of the project file.
        group_column: The column that names the bundles of modules, if one does.
        own_columns: Columns that presets may ask for, and that one.
    """

    sets: tuple[RowSet, ...]
    mapping: RowMapping
    origin: SourceRef
    group_column: str | None = None
    own_columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RowUnits:
    """What the rows of a source come to.

    Attributes:
        is_usable: Whether the mapping is right; if not, nothing is known of any of its modules.
    """

    units: tuple[SourceUnit, ...]
    problems: tuple[Diagnostic, ...] = ()
    is_usable: bool = True


def units_of_rows(source: RowSource, library: Library) -> RowUnits:
    """Puts rows together by job; what is wrong with the mapping is reported once, not for each row."""
    problems = _blueprint_problems(source, library)
    plans = [
        _Plan(rows, source.mapping, source.origin, library, source.group_column, source.own_columns)
        for rows in source.sets
    ]
    for plan in plans:
        problems += plan.problems
    name = source.mapping.blueprint
    is_known = COLUMN.search(name) is not None or name in library.blueprints
    if problems or not is_known:
        return RowUnits((), tuple(dict.fromkeys(problems)), is_usable=False)
    return RowUnits(tuple(unit for plan in plans for unit in plan.units()))


def _blueprint_problems(source: RowSource, library: Library) -> list[Diagnostic]:
    mapping, origin = source.mapping, source.origin
    name, by_row = mapping.blueprint, COLUMN.search(mapping.blueprint) is not None
    blueprint = library.blueprints.get(name)
    if blueprint is None and not by_row:
        return no_such_blueprint(name, origin.at("blueprint"), library)
    possible = list(library.blueprints.values()) if blueprint is None else [blueprint]
    known = {parameter.name for each in possible for parameter in each.parameters}
    found = []
    for parameter in mapping.values:
        if parameter not in known and library.is_whole and not library.broken:
            whose = f"blueprint {name} has no" if not by_row else "no blueprint has a"
            message = f"{whose} parameter {quoted(parameter)}{did_you_mean(parameter, sorted(known))}"
            suggestion = nearest(parameter, sorted(known))
            found.append(UNKNOWN_PARAMETER.at(origin.key("with", parameter), message, suggestion))
    return found


@dataclass(frozen=True)
class _Plan:
    """How the rows of one set become units; what of it is needed to build a job is `_Reading`."""

    rows: RowSet
    mapping: RowMapping
    origin: SourceRef
    library: Library
    group_column: str | None
    own_columns: tuple[str, ...]
    problems: list[Diagnostic] = field(default_factory=list)

    def __post_init__(self) -> None:
        mapping = self.mapping
        for path, name, _ in placeholders_in({"with": mapping.values, "blueprint": mapping.blueprint}, COLUMN):
            self._check(name, path)
        if mapping.job_per is not None:
            for _, name, _ in placeholders_in(mapping.job_per, COLUMN):
                self._check(name, ("job_per",))
        for number, name in enumerate(mapping.key):
            self._check(name, ("key", number) if len(mapping.key) > 1 else ("key",), is_path=False)
        self.problems.extend(self._unfilled())

    def _unfilled(self) -> Iterator[Diagnostic]:
        """Reports required parameters that nothing can fill, whatever is in the rows."""
        blueprint = self.library.blueprints.get(self.mapping.blueprint)
        for parameter in blueprint.parameters if blueprint is not None and self.rows.columns else ():
            is_mapped = self.mapping.values.get(parameter.name) is not None
            has_column = parameter.name not in self.mapping.values and parameter.name.casefold() in self.columns.by_name
            is_told = parameter.name.casefold() in (name.casefold() for name in self.mapping.key)
            if parameter.is_required and blueprint is not None and not (is_mapped or has_column or is_told):
                hint = did_you_mean(parameter.name, self.rows.columns, otherwise="")
                message = (
                    f"nothing fills the parameter {quoted(parameter.name)} of blueprint {blueprint.name}, which has no "
                    f"default: no column has this name; map one below 'with'{hint}"
                )
                yield MISSING_PARAMETER.at(self.origin.at("blueprint"), message)

    def _check(self, name: str, path: KeyPath, *, is_path: bool = True) -> None:
        found = self.columns.find(name)
        # Of a query without rows, not even the columns are known.
        if self.rows.columns and (found is None or (found[1] and not is_path)):
            hint = did_you_mean(name, self.rows.columns)
            what = "the file" if self.rows.form is ValueForm.TEXT else "the table"
            message = f"{what} has no column {quoted(name)}{hint or f'; it has {listing(self.rows.columns)}'}"
            self.problems.append(
                UNKNOWN_COLUMN.at(
                    SourceRef(self.origin.document, (*self.origin.path, *path)),
                    message,
                    nearest(name, self.rows.columns),
                )
            )

    @cached_property
    def columns(self) -> _Columns:
        return _Columns(self.rows.columns)

    @cached_property
    def _key(self) -> tuple[int, ...]:
        found = (self.columns.find(name) for name in self.mapping.key)
        return tuple(each[0] for each in found if each is not None)

    def _used_columns(self) -> list[int]:
        """Returns the columns that a job may depend on; an edit of any other one is none of ours."""
        mapping, name = self.mapping, self.mapping.blueprint
        texts: Value = [mapping.values, mapping.blueprint, mapping.job_per]
        used = {found[0] for _, each, _ in placeholders_in(texts, COLUMN) if (found := self.columns.find(each))}
        possible = [known] if (known := self.library.blueprints.get(name)) else list(self.library.blueprints.values())
        names = {parameter.name for each in possible for parameter in each.parameters}
        names |= {*self.own_columns}
        used |= {index for each in names if (index := self.columns.by_name.get(each.casefold())) is not None}
        return sorted(used.union(self._key))

    def units(self) -> Iterator[SourceUnit]:
        used = self._used_columns()
        columns = tuple(self.rows.columns[index] for index in used)
        name = self.mapping.blueprint
        names = [name] if name in self.library.blueprints else list(self.library.blueprints)
        library = replace(self.library, blueprints={each: self.library.blueprints[each] for each in names})
        reading = _Reading(
            self.rows.label,
            columns,
            self.rows.form,
            self.rows.delimiter,
            self.rows.columns,
            self.mapping,
            self.origin,
            library,
            self.group_column,
            self.own_columns,
        )
        fixed = content_digest(
            self.rows.label.encode("utf-8", "surrogatepass"),
            repr((columns, self.mapping, self.rows.form.value, self.group_column, self.own_columns)).encode(
                "utf-8", "surrogatepass"
            ),
            library.digest,
        )
        pick = _picker(used)
        for rows, mistakes in self._groups():
            kept = [TableRow(pick(row.values), row.line, row.text) for row in rows]
            written = marshal.dumps([(row.values, mistake) for row, mistake in zip(kept, mistakes, strict=True)], 2)
            digest = content_digest(fixed, written)
            read, row_names = partial(_read, reading, kept, mistakes), partial(_row_names, reading, kept)
            yield SourceUnit(self.rows.label, digest, read, len(written), rows=row_names)

    def _groups(self) -> Iterator[tuple[list[TableRow], list[_Mistake | None]]]:
        """Yields the rows of each job, and of each row what is wrong with its key."""
        rows = self._in_order()
        mistakes = self._key_mistakes(rows)
        if self.mapping.job_per is None:
            for row, mistake in zip(rows, mistakes, strict=True):
                yield [row], [mistake]
            return
        template = compile_template(self.mapping.job_per, COLUMN)
        groups: dict[str, tuple[list[TableRow], list[_Mistake | None]]] = {}
        first = next(name for _, name, _ in placeholders_in(self.mapping.job_per, COLUMN))
        for row, mistake in zip(rows, mistakes, strict=True):
            group = template.fill(_View(self.columns, row.values))
            if group is None:
                message = f"{self.mapping.job_per} is NULL, so the row belongs to no job"
                yield [row], [mistake or self._mistake(first, message)]
                continue
            members = groups.setdefault(repr(group), ([], []))
            members[0].append(row)
            members[1].append(mistake)
        yield from groups.values()

    def _in_order(self) -> Sequence[TableRow]:
        """Returns the rows by their keys: a table has no order of its own, a file has."""
        if self.rows.form is ValueForm.TEXT or not self._key:
            return self.rows.rows
        return sorted(self.rows.rows, key=lambda row: tuple(_sortable(row.values[index]) for index in self._key))

    def _key_mistakes(self, rows: Sequence[TableRow]) -> list[_Mistake | None]:
        if not self._key:
            return [None] * len(rows)
        pick = _picker(self._key)
        keys = [pick(row.values) for row in rows]
        written = list(map(repr, keys))
        counted = Counter(written)
        names = listing(self.rows.columns[index] for index in self._key)
        first = self.mapping.key[0]

        def mistake(key: tuple[Value, ...], number: int) -> _Mistake | None:
            if None in key:
                return self._mistake(first, f"the key {names} is NULL, so nothing names this row")
            if number > 1:
                return self._mistake(first, f"the key {names} is the same in {number} rows; it must name one")
            return None

        return [mistake(key, counted[text]) for key, text in zip(keys, written, strict=True)]

    def _mistake(self, reference: str, message: str) -> _Mistake:
        found = self.columns.find(reference)
        return self.rows.columns[found[0] if found is not None else 0].casefold(), message


def _picker(columns: Sequence[int]) -> Callable[[tuple[Value, ...]], tuple[Value, ...]]:
    """Returns what takes the values of some columns out of a row, as fast as it can be."""
    if len(columns) > 1:
        return itemgetter(*columns)
    return lambda values: tuple(values[index] for index in columns)


def _sortable(value: Value) -> tuple[int, float, str]:
    if isinstance(value, (int, float)):
        return 1, value, ""
    return (0, 0, "") if value is None else (2, 0, str(value))


class _Columns:
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


class _View:
    """A row as what `${column.x}` is filled from; notes JSON that cannot be read by the number of its column."""

    def __init__(self, columns: _Columns, values: Sequence[Value]) -> None:
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
class _Reading:
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
    def columns(self) -> _Columns:
        return _Columns(self.names)

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


def _read(reading: _Reading, rows: Sequence[TableRow], mistakes: Sequence[_Mistake | None]) -> UnitContent:
    """Returns the module that some rows come to."""
    problems: list[Diagnostic] = []
    arguments: list[Arguments] = []
    names: list[Value] = []
    for row, mistake in zip(rows, mistakes, strict=True):
        document, view = RowDocument(reading, row), _View(reading.columns, row.values)
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


def _row_names(reading: _Reading, rows: Sequence[TableRow]) -> tuple[str, ...]:
    return tuple(str(SourceRef(RowDocument(reading, row))) for row in rows)


def _values(reading: _Reading, row: TableRow, view: _View, blueprint: str) -> tuple[dict[str, Value], frozenset[str]]:
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


def _shared(reading: _Reading, rows: Sequence[TableRow]) -> dict[str, Value]:
    """Returns the columns that presets ask for and in which all rows of a job agree."""
    found: dict[str, Value] = {}
    for name in reading.shared_columns:
        index = reading.columns.by_name.get(name.casefold())
        if index is not None and (value := agreed(row.values[index] for row in rows)) is not None:
            found[name] = value
    return found


def _group(reading: _Reading, row: TableRow) -> str | None:
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


class RowDocument:
    """A row as the document of what it gives: a path begins with a parameter, or with the number of a column."""

    def __init__(self, reading: _Reading, row: TableRow) -> None:
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
            empty = [each for each in found if _View(reading.columns, self._row.values).get(each) is None]
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
