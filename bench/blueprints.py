"""What jobs cost that a blueprint of three tasks makes of the rows of a team's own table, against the same written out.

`python -m bench.blueprints`. The rows are in a Delta table with columns of their own. The same jobs, written out, are
rows of a control table, three for each job. Each step is a process of its own, imports included; of first runs, and
of those after an edit of the blueprint, the middle one of three counts.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import cast

import arro3.core as arrow
from deltalake import write_deltalake

from bench.estate import Row, write_table
from bench.generate import Figure, measured_step
from lakeflow_job_meta._internal.trees import Value
from lakeflow_job_meta.config.load import load_project
from lakeflow_job_meta.sources.interface import with_blueprints
from lakeflow_job_meta.sources.open import open_readers

SIZE = 10_000
_TURNS = 3
_BLUEPRINT = """\
blueprints:
  - blueprint: ingest
    parameters:
      table: {type: text, pattern: "[a-z][a-z0-9_]*"}
      source: {type: text}
      load_type: {type: text, one_of: [full, delta], default: full}
      retries: {type: number, default: 2}
      owner: {type: text}
    module:
      module_name: ingest_${param.table}
      job_config:
        schedule: {quartz_cron_expression: "0 0 2 * * ?", timezone_id: UTC}
        tags: {owner: "${param.owner}"}
      sources:
        - source_id: extract
          execution_order: 1
          transformation_config:
            notebook_path: /Workspace/etl/ingest
            base_parameters: {table: "${param.source}", mode: "${param.load_type}"}
            max_retries: ${param.retries}
        - source_id: merge
          execution_order: 2
          transformation_config:
            task_type: sql_file
            sql_task: {sql_file_path: /Workspace/etl/merge.sql, parameters: {target: "main.bronze.${param.table}"}}
            timeout_seconds: 3600
        - source_id: check
          execution_order: 3
          transformation_config: {notebook_path: /Workspace/etl/check, base_parameters: {table: "${param.table}"}}
"""
_PROJECT = """\
metadata:
  - yaml: metadata/
  - delta: rows
    blueprint: ingest
    with: {table: "${column.TargetName}", source: "${column.SourceSchema}.${column.SourceTable}"}
    key: [TargetName]
defaults: {warehouse_id: 0123456789abcdef}
"""
_WRITTEN_OUT = "metadata: [{delta: control}]\ndefaults: {warehouse_id: 0123456789abcdef}\n"


def run(size: int = SIZE) -> Iterator[Figure]:
    """Measures a blueprint over rows, and before it the same jobs written out."""
    with tempfile.TemporaryDirectory() as folder:
        made = [_row(number) for number in range(size)]
        blueprint, written = Path(folder, "blueprint"), Path(folder, "written")
        _begin(blueprint, _PROJECT)
        (blueprint / "metadata").mkdir()
        (blueprint / "metadata" / "blueprints.yml").write_text(_BLUEPRINT, encoding="utf-8")
        _write(blueprint / "rows", made)
        _begin(written, _WRITTEN_OUT)
        write_table(written / "control", _as_control_table(blueprint))
        for name, turns in _first_runs({"written out": written, "blueprint": blueprint}, size).items():
            yield _middle(turns)
            arguments = _generate(Path(folder, f"{name} {_TURNS - 1}"))
            yield measured_step(f"{name}: generate, nothing changed", size, arguments)
        blueprint = Path(folder, f"blueprint {_TURNS - 1}")
        made[0]["load_type"] = "delta"
        _write(blueprint / "rows", made)
        yield measured_step("blueprint: generate, one row changed", size, arguments, repeats=1)
        yield _middle([_edited(Path(folder, f"blueprint {turn}"), size) for turn in range(_TURNS)])


def _edited(project: Path, size: int) -> Figure:
    edited = _BLUEPRINT.replace("timeout_seconds: 3600", "timeout_seconds: 7200")
    (project / "metadata" / "blueprints.yml").write_text(edited, encoding="utf-8")
    return measured_step("blueprint: generate, blueprint edited", size, _generate(project), repeats=1)


def _middle(turns: list[Figure]) -> Figure:
    return sorted(turns, key=lambda figure: figure.processor_seconds)[len(turns) // 2]


def _first_runs(projects: dict[str, Path], size: int) -> dict[str, list[Figure]]:
    """Returns the first runs of each project, of a copy each, in turns: a machine is not as fast all the time."""
    found: dict[str, list[Figure]] = {name: [] for name in projects}
    for turn in range(_TURNS):
        for name, project in projects.items():
            copy = project.with_name(f"{name} {turn}")
            shutil.copytree(project, copy)
            step = measured_step(f"{name}: generate, nothing there", size, _generate(copy), repeats=1)
            found[name].append(step)
    return found


def _generate(project: Path) -> list[str]:
    return ["--project", str(project), "generate"]


def _begin(folder: Path, project: str) -> None:
    folder.mkdir()
    (folder / "databricks.yml").write_text("bundle: {name: bench}\n", encoding="utf-8")
    (folder / "job_meta.yml").write_text(project, encoding="utf-8")


def _row(number: int) -> Row:
    return {
        "TargetName": f"orders_{number:05d}",
        "SourceSchema": f"dbo_{number % 7}",
        "SourceTable": f"Orders{number}",
        "load_type": "full",
        "retries": number % 4,
        "owner": f"team-{number % 5}",
        "last_watermark": "2026-01-01T00:00:00",
    }


def _write(path: Path, made: list[Row]) -> None:
    kinds = {"retries": arrow.DataType.int64()}
    arrays = [arrow.Array([row[name] for row in made], kinds.get(name, arrow.DataType.utf8())) for name in made[0]]
    write_deltalake(path, arrow.RecordBatch.from_arrays(arrays, names=list(made[0])), mode="overwrite")


def _as_control_table(folder: Path) -> list[Row]:
    """Returns the rows of a control table that has the same jobs."""
    snapshots = with_blueprints([reader.read() for reader in open_readers(load_project(folder))])
    made: list[Row] = []
    for raw in (raw for snapshot in snapshots for raw in snapshot.modules):
        module = cast("dict[str, Value]", raw.value)
        for number, source in enumerate(cast("list[dict[str, Value]]", module["sources"])):
            made.append(
                {
                    "source_id": source["source_id"],
                    "module_name": module["module_name"],
                    "source_type": None,
                    "execution_order": source["execution_order"],
                    "source_config": "{}",
                    "target_config": "{}",
                    "transformation_config": json.dumps(source["transformation_config"]),
                    "is_active": True,
                    "job_config": json.dumps(module["job_config"]) if number == 0 else None,
                }
            )
    return made


def show(figures: Iterable[Figure]) -> None:
    """Prints the figures as a table, each with the ratio of its processor time to that of the jobs written out."""
    written: dict[str, Figure] = {}
    print("| | seconds | processor | peak memory | against written out |\n|---|---|---|---|---|")
    for figure in figures:
        form, step = figure.what.split(": ", 1)
        if form == "written out":
            written[step] = figure
        base = written.get(step, written["generate, nothing there"])
        ratio = f"{figure.processor_seconds / base.processor_seconds:.2f}"
        memory = f"{figure.megabytes:.0f} MB" if figure.megabytes is not None else ""
        print(f"| {figure.what} | {figure.seconds:.2f} | {figure.processor_seconds:.2f} | {memory} | {ratio} |")


if __name__ == "__main__":
    show(run(int(sys.argv[1]) if len(sys.argv) > 1 else SIZE))
