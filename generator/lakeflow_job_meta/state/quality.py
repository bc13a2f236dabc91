"""What came out of the checks of quality: the table `{control_table}_quality`, which the jobs themselves write.

Each run of a job adds a row for each check. Nothing here writes.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import fields

from lakeflow_job_meta._internal.text import did_you_mean, listing
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.errors import ConfigError, OperationFailed
from lakeflow_job_meta.jobs.expectations_sql import RESULT_COLUMNS
from lakeflow_job_meta.jobs.quality import results_table
from lakeflow_job_meta.sources.open import open_table_source
from lakeflow_job_meta.state.check_result import CheckResult
from lakeflow_job_meta.tables.open import open_table
from lakeflow_job_meta.tables.schema import Column, TableSchema
from lakeflow_job_meta.tables.spark import active_session
from lakeflow_job_meta.tables.store import TableStore
from lakeflow_job_meta.workspace.client import Workspace

QUALITY = TableSchema(
    suffix="_quality",
    columns=tuple(Column(name, kind) for name, kind in RESULT_COLUMNS),
    key=("module", "source", "kind", "check_name"),
    order="checked_at",
)


def open_results(project: Project, workspace: Workspace | None = None) -> TableStore:
    """Opens the table of results of a project.

    Raises:
        ConfigError: There is no control table that it could lie beside.
    """
    table = project.control_table
    if not table or not results_table(table):
        raise ConfigError(
            "Results of checks are kept in a table beside the control table, and this project has none that jobs "
            "reach: their tasks only print what they find. Name one in job_meta.yml, as `control_table: "
            "catalog.schema.table`, or give --control-table."
        )
    sources = [source for source in project.table_sources if source.location == table]
    if sources:
        return open_table_source(sources[0], project.folder, QUALITY, workspace=workspace)
    warehouse_id = project.defaults.warehouse_id if active_session() is None else None
    return open_table(table, QUALITY, warehouse_id, folder=project.folder, workspace=workspace)


def last_results(store: TableStore, target: str, modules: Collection[str] = ()) -> list[CheckResult]:
    """Returns what the checks of a target came to in the newest run of each source, the newest run first.

    Args:
        store: The table of results; without it, or without rows, there are none.
        target: The target that the jobs were deployed to.
        modules: The modules that are meant; by default all.

    Raises:
        OperationFailed: It cannot be read, or has no results of one of the modules.
    """
    rows = store.latest(("module", "source", "kind"), {"target": target})
    names = [each.name for each in fields(CheckResult)]
    found = [CheckResult(**{name: row[name] for name in names}) for row in rows]  # type: ignore[arg-type]
    known = sorted({each.module for each in found})
    if known and (missing := [name for name in modules if name not in known]):
        raise OperationFailed(
            f"{store.name} has no results of the module {listing(missing)} in the target {target!r}"
            f"{did_you_mean(missing[0], known)}"
        )
    return [each for each in found if not modules or each.module in modules]
