"""From YAML into a control table: the rows of modules, and what a load would change. Pure.

A source that an operator switched off in the table stays off unless the YAML has `is_active: true`. Rows of a loaded
module that are no longer in its YAML are reported, and deleted only on request.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import cast

from lakeflow_job_meta._internal.trees import Value, diff
from lakeflow_job_meta.control_table.changes import SourceKey, TableChanges, compare_rows
from lakeflow_job_meta.control_table.schema import METADATA_COLUMNS, ControlColumn, cell_value, key_of
from lakeflow_job_meta.parsing.modules import written_sources
from lakeflow_job_meta.parsing.units import RawModule
from lakeflow_job_meta.tables.schema import Row, RowChanges

_JSON = {column.name for column in METADATA_COLUMNS if column.holds_json}
_MODULE_COLUMNS = [column for column in METADATA_COLUMNS if column.of_module and column.name != "module_name"]
_ALWAYS_JSON = ("source_config", "target_config", "transformation_config")
"""The original format writes {} into these where there is nothing."""


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """What a load would do.

    Attributes:
        changes: The commit by module and source, for people.
        stale: Rows of the loaded modules that are not in their YAML.
        rows: How many rows the YAML has.
    """

    commit: RowChanges
    changes: TableChanges
    stale: tuple[SourceKey, ...]
    rows: int


def plan_load(modules: Sequence[RawModule], existing_rows: Iterable[Row], *, prune: bool) -> LoadPlan:
    """Compares checked modules with the rows of a table; with `prune`, rows that are not in the YAML are deleted."""
    existing = {key_of(row): row for row in existing_rows}
    wanted = {key_of(row): row for raw in modules for row in rows_of_module(raw)}
    names = {module for module, _ in wanted}
    stale = tuple(sorted(key for key in existing if key[0] in names and key not in wanted))
    settled = {key: _with_text_of_the_table(row, existing.get(key)) for key, row in wanted.items()}
    _settle_module_columns(settled, existing)
    gone = set(stale) if prune else set()
    settled |= _stale_rows_that_contradict(existing, [key for key in stale if key not in gone], wanted)
    after: dict[SourceKey, Row] = {key: _as_stored(row, existing.get(key)) for key, row in settled.items()}
    changes = compare_rows(existing.values(), [row for key, row in (existing | after).items() if key not in gone])
    touched = {(change.module_name, change.source_id) for change in changes.sources}
    upserts = [settled[key] for key in sorted(touched) if key in settled]
    return LoadPlan(RowChanges(upserts, sorted(gone)), changes, stale, len(wanted))


def _stale_rows_that_contradict(
    existing: dict[SourceKey, Row], stale: Sequence[SourceKey], wanted: dict[SourceKey, Row]
) -> dict[SourceKey, Row]:
    """Removes the module's own settings from rows that are not in its YAML, where the YAML has other ones."""
    first_rows = {key[0]: row for key, row in reversed(wanted.items())}
    changed: dict[SourceKey, Row] = {}
    for key in stale:
        row = existing[key]
        for column in _MODULE_COLUMNS:
            theirs = row.get(column.name)
            if theirs is not None and not _means_the_same(column, first_rows[key[0]][column.name], theirs):
                row = {**row, column.name: None}
                changed[key] = row
    return changed


def rows_of_module(raw: RawModule) -> list[Row]:
    """Returns the rows of a module, in the order of its sources.

    What belongs to the module, such as `job_config`, goes into the first row only: there is one place to edit it. Its
    `source_parameters` go into every row that has none of its own.
    """
    module = cast("dict[str, Value]", raw.value)
    rows: list[Row] = []
    for number, (source, _) in enumerate(written_sources(module)):
        values = {**source, "module_name": module["module_name"]}
        if values.get("source_parameters") is None:
            values["source_parameters"] = module.get("source_parameters")
        if number == 0:
            values |= {column.name: module.get(column.name) for column in _MODULE_COLUMNS}
        rows.append({column.name: _cell(column.name, values.get(column.name)) for column in METADATA_COLUMNS})
    return rows


def _cell(column: str, value: Value) -> object:
    if column not in _JSON and not isinstance(value, list):
        return int(value) if isinstance(value, float) else value  # an execution_order may be written 1.0
    if value is None:
        return "{}" if column in _ALWAYS_JSON else None
    return json.dumps(value, ensure_ascii=False)


def _with_text_of_the_table(row: Row, old: Row | None) -> Row:
    """Keeps the text that the table has where it means the same as the YAML."""
    same = {
        column.name: old[column.name]
        for column in METADATA_COLUMNS
        if old is not None
        and column not in _MODULE_COLUMNS
        and column.name in old
        and _means_the_same(column, row[column.name], old[column.name])
    }
    return {**row, **same}


def _means_the_same(column: ControlColumn, ours: object, theirs: object) -> bool:
    return not any(diff(cell_value(column, ours), cell_value(column, theirs)))


def _settle_module_columns(rows: dict[SourceKey, Row], existing: dict[SourceKey, Row]) -> None:
    """Leaves the module's own settings in the rows that have them already, or else in its first row."""
    for _, group in groupby(list(rows), key=lambda key: key[0]):
        mates = list(group)
        for column in _MODULE_COLUMNS:
            name, value = column.name, rows[mates[0]][column.name]
            held = {mate: existing[mate].get(name) for mate in mates if mate in existing}
            holders = {mate: kept for mate, kept in held.items() if _means_the_same(column, value, kept)}
            for mate in mates if holders else ():
                rows[mate] = {**rows[mate], name: holders.get(mate)}


def _as_stored(row: Row, old: Row | None) -> Row:
    """Returns the row as the table will have it: `is_active` is as it was where the YAML has none."""
    if row.get("is_active") is not None:
        return row
    return {**row, "is_active": True if old is None else old.get("is_active")}
