"""Rows of any table as uses of a blueprint: whether the mapping is right, and which rows make one job. Pure."""

from __future__ import annotations

import marshal
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from operator import itemgetter

from lakeflow_job_meta._internal.hashing import digests_after
from lakeflow_job_meta._internal.text import did_you_mean, listing, quoted
from lakeflow_job_meta._internal.trees import KeyPath, Value
from lakeflow_job_meta.blueprints.expansion import no_such_blueprint
from lakeflow_job_meta.blueprints.model import Library
from lakeflow_job_meta.blueprints.row_modules import RowsOfJob
from lakeflow_job_meta.blueprints.row_reading import (
    COLUMN,
    Columns,
    KeyMistake,
    RowReading,
    RowSet,
    RowView,
    TableRow,
)
from lakeflow_job_meta.blueprints.template import compile_template, placeholders_in
from lakeflow_job_meta.config.model import RowMapping
from lakeflow_job_meta.diagnostics.model import Diagnostic, SourceRef, nearest
from lakeflow_job_meta.diagnostics.rules import MISSING_PARAMETER, UNKNOWN_COLUMN, UNKNOWN_PARAMETER
from lakeflow_job_meta.parsing.arguments import ValueForm
from lakeflow_job_meta.parsing.units import SourceUnit


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
    """How the rows of one set become units; what of it is needed to build a job is `RowReading`."""

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
    def columns(self) -> Columns:
        return Columns(self.rows.columns)

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
        reading = RowReading(
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
        settings = (columns, self.mapping, self.rows.form.value, self.group_column, self.own_columns)
        label, fixed = (each.encode("utf-8", "surrogatepass") for each in (self.rows.label, repr(settings)))
        digest = digests_after(label, fixed, library.digest)
        pick = _picker(used)
        for rows, mistakes in self._groups():
            values = [pick(row.values) for row in rows]
            written = marshal.dumps((values, mistakes), 2)
            job = RowsOfJob(reading, rows, values, mistakes)
            yield SourceUnit(self.rows.label, digest(written), job.read, len(written), rows=job.names)

    def _groups(self) -> Iterator[tuple[list[TableRow], list[KeyMistake | None]]]:
        """Yields the rows of each job, and of each row what is wrong with its key."""
        rows = self._in_order()
        mistakes = self._key_mistakes(rows)
        if self.mapping.job_per is None:
            for row, mistake in zip(rows, mistakes, strict=True):
                yield [row], [mistake]
            return
        template = compile_template(self.mapping.job_per, COLUMN)
        groups: dict[str, tuple[list[TableRow], list[KeyMistake | None]]] = {}
        first = next(name for _, name, _ in placeholders_in(self.mapping.job_per, COLUMN))
        for row, mistake in zip(rows, mistakes, strict=True):
            group = template.fill(RowView(self.columns, row.values))
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
        first, *others = self._key
        if not others:  # nearly always, and twice as fast
            return sorted(self.rows.rows, key=lambda row: _sortable(row.values[first]))
        return sorted(self.rows.rows, key=lambda row: tuple(_sortable(row.values[index]) for index in self._key))

    def _key_mistakes(self, rows: Sequence[TableRow]) -> list[KeyMistake | None]:
        if not self._key:
            return [None] * len(rows)
        pick = _picker(self._key)
        keys = [pick(row.values) for row in rows]
        written = list(map(repr, keys))
        counted = Counter(written)
        if len(counted) == len(keys) and not any(None in key for key in keys):
            return [None] * len(keys)
        names = listing(self.rows.columns[index] for index in self._key)
        first = self.mapping.key[0]

        def mistake(key: tuple[Value, ...], number: int) -> KeyMistake | None:
            if None in key:
                return self._mistake(first, f"the key {names} is NULL, so nothing names this row")
            if number > 1:
                return self._mistake(first, f"the key {names} is the same in {number} rows; it must name one")
            return None

        return [mistake(key, counted[text]) for key, text in zip(keys, written, strict=True)]

    def _mistake(self, reference: str, message: str) -> KeyMistake:
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
