"""Projects whose jobs are made of blueprints, by hand and by rows of a CSV or a Delta table."""

from __future__ import annotations

from collections.abc import Sequence

from support.project_folder import ProjectFolder
from support.tables import LONG, TEXT, write_table

BLUEPRINT = """\
blueprints:
  - blueprint: ingest_table
    description: Loads one table of a source system.
    parameters:
      table: {type: text, pattern: "[a-z][a-z0-9_]*"}
      source: {type: text}
      load_type: {type: text, one_of: [full, delta], default: full}
      retries: {type: number, default: 2, min: 0, max: 9}
    module:
      module_name: ingest_${param.table}
      sources:
        - source_id: extract
          execution_order: 1
          transformation_config:
            notebook_path: /Workspace/extract
            max_retries: ${param.retries}
            base_parameters: {source: "${param.source}", mode: "${param.load_type}"}
        - source_id: merge
          execution_order: 2
          transformation_config: {notebook_path: /Workspace/merge}
"""
BY_HAND = """\
modules:
  - blueprint: ingest_table
    with: {table: hand, source: dbo.Hand}
"""
COLUMNS = ("TargetName", "source", "load_type", "retries")
MAPPING = "    blueprint: ingest_table\n    with: {table: '${column.TargetName}'}\n    key: [TargetName]\n"

Row = tuple[str, str, str, int]


def rows_of(number: int) -> list[Row]:
    """Returns the rows of tables `t000`, `t001` and so on."""
    return [(f"t{n:03}", f"dbo.T{n}", "full", 2) for n in range(number)]


def write_csv(project: ProjectFolder, rows: Sequence[Row], *, name: str = "list.csv") -> None:
    lines = [",".join(COLUMNS), *(",".join(map(str, row)) for row in rows)]
    project.write(name, "\n".join(lines) + "\n")


def write_delta(project: ProjectFolder, rows: Sequence[Row], *, name: str = "data/ingest_list") -> None:
    kinds = dict(zip(COLUMNS, (TEXT, TEXT, TEXT, LONG), strict=True))
    write_table(project.path / name, [dict(zip(COLUMNS, row, strict=True)) for row in rows], kinds)


def csv_project(project: ProjectFolder, rows: Sequence[Row]) -> ProjectFolder:
    """Fills a project with the blueprint, a module by hand, and rows of `list.csv`."""
    project.write("metadata/blueprints.yml", BLUEPRINT)
    project.write("metadata/hand.yml", BY_HAND)
    project.write("job_meta.yml", f"metadata:\n  - yaml: metadata/\n  - csv: list.csv\n{MAPPING}")
    write_csv(project, rows)
    return project


def delta_project(project: ProjectFolder, rows: Sequence[Row]) -> ProjectFolder:
    """Fills a project with the blueprint and rows of the Delta table `data/ingest_list`."""
    project.write("metadata/blueprints.yml", BLUEPRINT)
    project.write("job_meta.yml", f"metadata:\n  - yaml: metadata/\n  - delta: data/ingest_list\n{MAPPING}")
    write_delta(project, rows)
    return project
