"""Projects whose jobs come from rows: a blueprint, and a source of rows that fills it."""

from __future__ import annotations

from arro3.core import Table as ArrowTable
from deltalake import QueryBuilder

from lakeflow_job_meta._internal.trees import Value
from lakeflow_job_meta.compiler.result import Compilation
from lakeflow_job_meta.config.load import load_project
from lakeflow_job_meta.sources.fingerprints import FileFingerprints
from lakeflow_job_meta.sources.open import open_readers
from lakeflow_job_meta.workspace.client import Workspace
from support.project_folder import ProjectFolder, compile_loaded

BLUEPRINT = """\
blueprints:
  - blueprint: load
    parameters:
      name: {type: text}
      owner: {type: text, required: false, pattern: "[a-z]+"}
      retries: {type: number, default: 0}
      active: {type: boolean, default: true}
    module:
      module_name: load_${param.name}
      sources:
        - source_id: load
          execution_order: 1
          is_active: ${param.active}
          transformation_config:
            notebook_path: /Workspace/load
            max_retries: ${param.retries}
            base_parameters: {table: "${param.name}", owner: "${param.owner}"}
"""


EVERY_TYPE: dict[str, Value] = {
    "big": 9007199254740993,
    "small": 7,
    "fraction": 1.5,
    "price": 12.5,
    "whole": 12,
    "day": "2024-02-29",
    "moment": "2024-02-29T10:00:00+00:00",
    "truth": True,
    "name": "a",
    "bytes": "AP8=",
    "texts": ["a", "b"],
    "numbers": [1, 2],
    "record": {"a": 1, "b": "x", "c": [True]},
    "pairs": {"a": "1", "b": "2"},
}
"""The first row of `every_type`, as every kind of table gives it."""

_TYPES = {
    "big": "9007199254740993",
    "small": "arrow_cast(7, 'Int16')",
    "fraction": "arrow_cast(1.5, 'Float64')",
    "price": "arrow_cast(12.50, 'Decimal128(10, 2)')",
    "whole": "arrow_cast(12, 'Decimal128(20, 0)')",
    "day": "date '2024-02-29'",
    "moment": "arrow_cast('2024-02-29T10:00:00Z', 'Timestamp(Microsecond, Some(\"UTC\"))')",
    "truth": "true",
    "name": "'a'",
    "bytes": "x'00ff'",
    "texts": "['a', 'b']",
    "numbers": "[1, 2]",
    "record": "{a: 1, b: 'x', c: [true]}",
    "pairs": "map(['a', 'b'], ['1', '2'])",
}


def every_type() -> ArrowTable:
    """Returns a row with a value of every type, and one of NULL."""
    values = ", ".join(f"{value} AS {name}" for name, value in _TYPES.items())
    cases = ", ".join(f"CASE WHEN k = 1 THEN {name} END AS {name}" for name in _TYPES)
    rows = f"(SELECT {values}) AS v CROSS JOIN (VALUES (1), (2)) AS t(k)"
    return QueryBuilder().execute(f"SELECT {cases} FROM {rows} ORDER BY k").read_all()


def project_of_rows(project: ProjectFolder, source: str) -> ProjectFolder:
    """Gives a project one source of rows, as flow YAML without its blueprint, and the blueprint."""
    project.write("metadata/blueprints.yml", BLUEPRINT)
    project.write("job_meta.yml", f"metadata:\n  - yaml: metadata/\n  - {{{source}, blueprint: load}}\n")
    return project


def rows_of(project: ProjectFolder, workspace: Workspace | None = None) -> list[dict[str, Value]]:
    """Returns the rows as the source of rows reads them, in any order; there must be no problem."""
    snapshot = open_readers(load_project(project.path), workspace=workspace)[-1].read()
    assert [str(problem) for problem in snapshot.diagnostics] == []
    assert snapshot.rows is not None
    return [dict(zip(each.columns, row.values, strict=True)) for each in snapshot.rows.sets for row in each.rows]


def fingerprint_of(project: ProjectFolder, workspace: Workspace | None = None) -> str:
    """Returns what the monitor knows the source of rows by."""
    return open_readers(load_project(project.path), workspace=workspace)[-1].probe(FileFingerprints())


def compiled(project: ProjectFolder, workspace: Workspace | None = None) -> Compilation:
    return compile_loaded(load_project(project.path), workspace=workspace)


def problems_of(compilation: Compilation) -> list[str]:
    return [str(problem) for problem in compilation.diagnostics]


def jobs_of(compilation: Compilation) -> dict[str, dict[str, object]]:
    """Returns the first task's parameters by job; there must be no problem."""
    assert problems_of(compilation) == []
    return {
        str(job.settings["name"]): job.settings["tasks"][0]["notebook_task"]["base_parameters"]
        for job in compilation.jobs
    }
