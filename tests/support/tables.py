"""Real Delta tables, written without Spark."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import arro3.core as arrow
from deltalake import write_deltalake

TEXT, INT, BOOL, LONG = (
    arrow.DataType.utf8(),
    arrow.DataType.int32(),
    arrow.DataType.bool(),
    arrow.DataType.int64(),
)
ORIGINAL_COLUMNS: dict[str, arrow.DataType] = {
    "source_id": TEXT,
    "module_name": TEXT,
    "source_type": TEXT,
    "execution_order": INT,
    "source_config": TEXT,
    "target_config": TEXT,
    "transformation_config": TEXT,
    "is_active": BOOL,
}
ALL_COLUMNS = {
    **ORIGINAL_COLUMNS,
    "depends_on": TEXT,
    "job_config": TEXT,
    "description": TEXT,
    "targets": TEXT,
    "presets": TEXT,
    "adopt": TEXT,
    "formerly": TEXT,
    "blueprint": TEXT,
    "parameters": TEXT,
    "source_parameters": TEXT,
    "quality": TEXT,
    "expect_no_rows": TEXT,
}


def write_table(
    folder: Path,
    rows: Iterable[Mapping[str, Any]],
    columns: Mapping[str, arrow.DataType] = ALL_COLUMNS,
    *,
    mode: str = "overwrite",
) -> None:
    """Writes rows as a Delta table; a row may lack columns."""
    rows = list(rows)
    data = {name: _array([row.get(name) for row in rows], kind) for name, kind in columns.items()}
    write_deltalake(folder, arrow.Table.from_pydict(data), mode=mode, schema_mode="overwrite")  # type: ignore[call-overload]


def _array(values: list[Any], kind: arrow.DataType) -> arrow.Array:
    if arrow.DataType.is_timestamp(kind):  # given in microseconds
        return arrow.Array(values, LONG).cast(kind)
    return arrow.Array(values, kind)


def row(source_id: str | None = "a", module_name: str | None = "sales", **columns: Any) -> dict[str, Any]:
    """A sound row, but for the columns given; maps and lists become JSON."""
    values = {
        "source_id": source_id,
        "module_name": module_name,
        "source_type": "sql",
        "execution_order": 1,
        "source_config": "{}",
        "target_config": "{}",
        "transformation_config": '{"notebook_path": "/Workspace/a"}',
        "is_active": True,
        **columns,
    }
    return {name: json.dumps(value) if isinstance(value, (dict, list)) else value for name, value in values.items()}


def rows_of(modules: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Returns the rows that say the same as modules in the form of YAML."""
    json_columns = ("source_config", "target_config", "transformation_config", "depends_on")
    rows = []
    for module in modules:
        for number, source in enumerate(module["sources"]):
            values = {key: json.dumps(value) if key in json_columns else value for key, value in source.items()}
            values["module_name"] = module["module_name"]
            if number == 0 and "description" in module:
                values["description"] = module["description"]
            if number == 0 and "job_config" in module:
                values["job_config"] = json.dumps(module["job_config"])
            rows.append({"is_active": True, **values})
    return rows
