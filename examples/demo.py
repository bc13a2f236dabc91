"""What `make run` shows: a Delta control table becomes bundle files, one row changes, and one small diff follows.

Then the same with tables that a team has already, which blueprints turn into jobs as they are. Works in `build/demo`
and `build/own_table`, with real Delta tables and the real command line. Nothing else is changed.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import arro3.core as arrow
from deltalake import DeltaTable, write_deltalake

EXAMPLES = Path(__file__).parent
DEMO = EXAMPLES.parent / "build" / "demo"
OWN_TABLE = EXAMPLES.parent / "build" / "own_table"
TABLE = DEMO / "etl_control"
TEXT_COLUMNS = (
    "source_id",
    "module_name",
    "source_type",
    "source_config",
    "target_config",
    "transformation_config",
    "depends_on",
    "job_config",
    "description",
)
PROJECT = """\
metadata:
  - delta: etl_control
control_table: main.etl.etl_control
defaults:
  warehouse_id: ${var.warehouse_id}
"""


def main() -> None:
    """Runs the demonstration."""
    make_project()
    say(f"A control table of {make_control_table()} rows is in build/demo/etl_control.")
    ljm("validate")
    ljm("generate")
    say("One of the files:")
    print((DEMO / "resources/jobs/bronze_to_silver.yml").read_text(encoding="utf-8"))
    say("Now one row of the table changes: the silver table 'customers' is retried three times.")
    change_one_row()
    ljm("generate", "--diff")
    ljm("generate")
    say("Generating again changes nothing:")
    ljm("generate")
    show_own_tables()


def show_own_tables() -> None:
    """Generates the jobs of two tables that are no control tables, and changes a row of one."""
    shutil.rmtree(OWN_TABLE, ignore_errors=True)
    shutil.copytree(EXAMPLES / "own_table", OWN_TABLE)
    make_repository(OWN_TABLE)
    for name in ("ingest_list", "main_control_table"):
        write_rows(OWN_TABLE / "rows" / f"{name}.jsonl", OWN_TABLE / "data" / name)
    say("Two tables with columns of their own are in build/own_table/data; blueprints say what becomes of a row.")
    ljm("generate", project=OWN_TABLE)
    say("Now one row changes: orders are loaded in full.")
    DeltaTable(OWN_TABLE / "data" / "ingest_list").update(
        predicate="target_table = 'orders'", updates={"load_type": "'full'"}
    )
    ljm("generate", "--diff", project=OWN_TABLE)


def write_rows(source: Path, table: Path) -> None:
    """Writes rows of JSON as a Delta table, whose columns have the types of their values."""
    rows = [json.loads(line) for line in source.read_text(encoding="utf-8").splitlines()]
    kinds = {str: arrow.DataType.utf8(), bool: arrow.DataType.bool(), int: arrow.DataType.int32()}
    columns = {}
    for name in rows[0]:
        values = [row[name] for row in rows]
        kind = next((type(value) for value in values if value is not None), str)
        columns[name] = arrow.Array(values, kinds[kind])
    write_deltalake(table, arrow.Table.from_pydict(columns))


def make_repository(folder: Path) -> None:
    """Makes a folder a repository of its own: the one around it ignores `build/`, and git's ignored is not uploaded."""
    if shutil.which("git"):
        subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)


def make_project() -> None:
    """Makes a bundle that reads a Delta table, with the notebooks and SQL files of the examples."""
    shutil.rmtree(DEMO, ignore_errors=True)
    DEMO.mkdir(parents=True)
    make_repository(DEMO)
    for folder in ("notebook_task", "sql_query_task", "sql_file_task", "python_task"):
        shutil.copytree(EXAMPLES / folder, DEMO / "examples" / folder)
    (DEMO / "job_meta.yml").write_text(PROJECT, encoding="utf-8")
    bundle = (EXAMPLES.parent / "databricks.yml").read_text(encoding="utf-8")
    (DEMO / "databricks.yml").write_text(bundle.replace("examples/resources/", "resources/"), encoding="utf-8")


def make_control_table() -> int:
    """Writes the example rows as a Delta table; returns how many."""
    lines = (EXAMPLES / "control_table_rows.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    columns = {name: arrow.Array([row.get(name) for row in rows], arrow.DataType.utf8()) for name in TEXT_COLUMNS} | {
        "execution_order": arrow.Array([row["execution_order"] for row in rows], arrow.DataType.int32()),
        "is_active": arrow.Array([row["is_active"] for row in rows], arrow.DataType.bool()),
    }
    write_deltalake(TABLE, arrow.Table.from_pydict(columns))
    return len(rows)


def change_one_row() -> None:
    """Changes one row, as an operator would with an UPDATE."""
    table = DeltaTable(TABLE)
    key = "module_name = 'bronze_to_silver' AND source_id = 'silver_customers'"
    (row,) = table.scan(predicate=key).read_all().to_struct_array().to_pylist()
    config = {**json.loads(row["transformation_config"]), "max_retries": 3}
    escaped = json.dumps(config).replace("'", "''")
    table.update(predicate=key, updates={"transformation_config": f"'{escaped}'"})


def ljm(*arguments: str, project: Path = DEMO) -> None:
    """Runs the command line in a demonstration project."""
    say(f"$ ljm {' '.join(arguments)}")
    sys.stdout.flush()
    subprocess.run([sys.executable, "-m", "lakeflow_job_meta", *arguments], cwd=project, check=True)


def say(text: str) -> None:
    """Prints a line that stands out."""
    print(f"\n== {text}", flush=True)


if __name__ == "__main__":
    main()
