"""What `make run` shows: a Delta control table becomes bundle files, one row changes, and one small diff follows.

Works in `build/demo`, with a real Delta table and the real command line. Nothing else is changed.
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


def make_project() -> None:
    """Makes a bundle that reads a Delta table, with the notebooks and SQL files of the examples."""
    shutil.rmtree(DEMO, ignore_errors=True)
    DEMO.mkdir(parents=True)
    if shutil.which("git"):
        # A repository of its own: the one around it ignores `build/`, and what git ignores is not uploaded.
        subprocess.run(["git", "init", "--quiet"], cwd=DEMO, check=True)
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


def ljm(*arguments: str) -> None:
    """Runs the command line in the demonstration project."""
    say(f"$ ljm {' '.join(arguments)}")
    sys.stdout.flush()
    subprocess.run([sys.executable, "-m", "lakeflow_job_meta", *arguments], cwd=DEMO, check=True)


def say(text: str) -> None:
    """Prints a line that stands out."""
    print(f"\n== {text}", flush=True)


if __name__ == "__main__":
    main()
