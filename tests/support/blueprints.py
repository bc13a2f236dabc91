"""Projects whose jobs are made of a blueprint: by hand, of the lines of a CSV file, of the rows of a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lakeflow_job_meta.compiler.result import Compilation
from support.project_folder import ProjectFolder
from support.tables import row, write_table

INGEST = """\
blueprints:
  - blueprint: ingest
    parameters:
      table:  {type: text, pattern: "[a-z]+"}
      owner:  {type: text}
      mode:   {type: text, one_of: [full, delta], default: full}
      retry:  {type: number, min: 0, max: 5, default: 1}
      target: {type: text, default: "main.${param.table}"}
      more:   {type: map, required: false}
      libs:   {type: list, required: false}
      active: {type: boolean, default: true}
    module:
      module_name: ingest_${param.table}
      job_config: {tags: {owner: "${param.owner}"}}
      sources:
        - source_id: extract
          execution_order: 1
          transformation_config:
            notebook_path: /extract
            max_retries: ${param.retry}
            libraries: ${param.libs}
            base_parameters: {table: "${param.table}", mode: "${param.mode}", target: "${param.target}"}
        - source_id: merge
          execution_order: 2
          is_active: ${param.active}
          transformation_config:
            notebook_path: /merge
            base_parameters: ${param.more}
"""
"""A blueprint of parameters of every type; only `table` and `owner` are required."""

CSV = """\
metadata:
  - yaml: metadata/
  - csv: list.csv
    blueprint: ingest
    key: table
"""
DELTA = CSV.replace("csv: list.csv", "delta: list")
CONTROL = "metadata: [{yaml: metadata/}, {delta: control}]\n"


def lines(project: ProjectFolder, text: str, *, blueprint: str = INGEST, project_file: str = CSV) -> ProjectFolder:
    """Writes a project in which the lines of a CSV file fill a blueprint."""
    project.write("metadata/blueprints.yml", blueprint)
    project.write("job_meta.yml", project_file)
    project.write("list.csv", text)
    return project


def table(
    project: ProjectFolder,
    rows: Iterable[Mapping[str, Any]],
    columns: Mapping[str, Any],
    *,
    blueprint: str = INGEST,
    project_file: str = DELTA,
) -> ProjectFolder:
    """Writes a project in which the rows of a Delta table fill a blueprint."""
    project.write("metadata/blueprints.yml", blueprint)
    project.write("job_meta.yml", project_file)
    write_table(project.path / "list", rows, columns)
    return project


def control(project: ProjectFolder, *rows: Mapping[str, Any], blueprint: str = INGEST) -> ProjectFolder:
    """Writes a project with a blueprint and a control table."""
    project.write("metadata/blueprints.yml", blueprint)
    project.write("job_meta.yml", CONTROL)
    write_table(project.path / "control", rows)
    return project


def use(source_id: str, module_name: str, blueprint: str | None = "ingest", **columns: Any) -> dict[str, Any]:
    """A row of a control table that is made of a blueprint."""
    return row(
        source_id,
        module_name,
        **{"blueprint": blueprint, "transformation_config": None, "execution_order": None, **columns},
    )


def shown(compilation: Compilation) -> list[str]:
    return [str(problem) for problem in compilation.diagnostics]


def settings(compilation: Compilation) -> dict[str, Any]:
    """Returns the settings of each job by its key."""
    return {job.key: job.settings for job in compilation.jobs}


def tasks(job: dict[str, Any]) -> dict[str, Any]:
    return {task["task_key"]: task for task in job["tasks"]}


def line_of(text: str, needle: str) -> str:
    """Returns `line:column` of the only place in a text that reads like this."""
    (before, _) = text.split(needle)
    return f"{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"


def project_in(folder: Path) -> ProjectFolder:
    return ProjectFolder(folder / "project")
