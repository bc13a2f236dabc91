"""Makes metadata of many pipelines, always the same for the same number."""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path

import arro3.core as arrow
from deltalake import write_deltalake

from lakeflow_job_meta._internal.trees import Value
from lakeflow_job_meta.text.yaml_writer import to_yaml

Row = dict[str, object]
SOURCES = 5
_KINDS = {"execution_order": arrow.DataType.int32(), "is_active": arrow.DataType.bool()}


def rows(modules: int) -> list[Row]:
    """Returns the control table's rows of so many modules of five sources: notebooks and SQL files in three stages."""
    return [_row(module, source) for module in range(modules) for source in range(SOURCES)]


def write_table(path: Path, made: list[Row]) -> None:
    """Writes rows as a Delta table, in place of one that is there."""
    columns = ["source_id", "module_name", *(name for name in made[0] if name not in ("source_id", "module_name"))]
    arrays = [arrow.Array([row[name] for row in made], _KINDS.get(name, arrow.DataType.utf8())) for name in columns]
    write_deltalake(path, arrow.RecordBatch.from_arrays(arrays, names=columns), mode="overwrite")


def write_yaml(folder: Path, made: list[Row]) -> None:
    """Writes the same modules as YAML files, one each."""
    folder.mkdir()
    for name, group in groupby(made, key=lambda row: row["module_name"]):
        members = list(group)
        module = {
            "module_name": name,
            "job_config": json.loads(str(members[0]["job_config"])),
            "sources": [_source(row) for row in members],
        }
        (folder / f"{name}.yml").write_text(to_yaml({"modules": [module]}) + "\n", encoding="utf-8")


def _source(row: Row) -> dict[str, Value]:
    return {
        key: json.loads(str(value)) if key.endswith("_config") else value  # type: ignore[misc]
        for key, value in row.items()
        if key not in ("module_name", "job_config")
    }


def _row(module: int, source: int) -> Row:
    notebook = {
        "notebook_path": "/Workspace/etl/ingest",
        "base_parameters": {"layer": "bronze", "number": str(module)},
        "max_retries": 1,
    }
    sql = {
        "task_type": "sql_file",
        "sql_task": {"sql_file_path": f"/Workspace/etl/step_{source}.sql", "parameters": {"max_hours": "24"}},
        "max_retries": 2,
        "timeout_seconds": 3600,
    }
    job = {
        "schedule": {"quartz_cron_expression": "0 0 2 * * ?", "timezone_id": "UTC"},
        "tags": {"domain": "sales", "team": f"team_{module % 7}"},
    }
    return {
        "source_id": f"source_{source}",
        "module_name": f"module_{module:05d}",
        "source_type": "sql",
        "execution_order": source // 2 + 1,
        "source_config": "{}",
        "target_config": '{"table": "main.silver.orders"}',
        "transformation_config": json.dumps(sql if source % 2 else notebook),
        "is_active": True,
        "job_config": json.dumps(job) if source == 0 else None,
    }
