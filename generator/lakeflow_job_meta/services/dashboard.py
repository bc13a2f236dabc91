"""The dashboard of a project: an AI/BI dashboard of runs, changes and checks, and the resource that deploys it.

In: the project. Out: the content of two files, rendered from `templates/dashboard`; they are written once and are the
user's own from then on. No query is run here.

What the queries read of `system.lakeflow` are columns that are documented at
https://docs.databricks.com/aws/en/admin/system-tables/jobs: `jobs` (one row for each change of a job), and
`job_run_timeline` and `job_task_run_timeline` (a row for each hour of a run, the result in the last one).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lakeflow_job_meta._internal.fs import read_file, shipped, write_atomically
from lakeflow_job_meta.config.bundle import BundleDeclarations
from lakeflow_job_meta.config.model import MetadataSource, Project
from lakeflow_job_meta.errors import ConfigError, OperationFailed
from lakeflow_job_meta.jobs.quality import results_table
from lakeflow_job_meta.services.dashboard_pages import PAGES, dashboard_json
from lakeflow_job_meta.state.quality import QUALITY
from lakeflow_job_meta.state.store import HISTORY, JOBS
from lakeflow_job_meta.tables.delta import location_beside
from lakeflow_job_meta.tables.names import is_location, name_beside, quote_name, quote_part
from lakeflow_job_meta.text.yaml_writer import to_yaml

RESOURCE_FILE, DASHBOARD_FILE = "pipelines.dashboard.yml", "pipelines.lvdash.json"

_FAILED = "('FAILED', 'ERROR', 'TIMED_OUT')"
"""Values of `result_state`; CANCELLED, SKIPPED and BLOCKED are nobody's failure."""

_SCHEDULED = "('CRON', 'PERIODIC')"
"""Values of `trigger_type` of runs that a clock has started."""


@dataclass(frozen=True, slots=True)
class Dashboard:
    """The files of a project's dashboard.

    Attributes:
        files: Their contents by their paths in the project.
        pages: The titles of its pages.
        left_out: The titles of pages whose tables the project does not have.
    """

    files: Mapping[str, bytes]
    pages: tuple[str, ...]
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DashboardTables:
    """The tables that the queries read, as SQL names them; those that a project does not have are empty."""

    control_tables: tuple[str, ...] = ()
    records: Mapping[str, str] | None = None
    quality: str = ""

    @property
    def kinds(self) -> frozenset[str]:
        """What there is of `records` and `quality`."""
        return frozenset(kind for kind in ("records", "quality") if getattr(self, kind))


def dashboard_of(project: Project, bundle: BundleDeclarations, warehouse_id: str | None = None) -> Dashboard:
    """Returns the dashboard of a project.

    Args:
        project: The project; its records lie beside its first control table.
        bundle: What the rest of the bundle declares.
        warehouse_id: What runs the queries; by default the one of the project file, or a variable of the bundle.

    Raises:
        ConfigError: No warehouse reaches what the project keeps of its jobs, or no warehouse is known.
    """
    tables = dashboard_tables(project)
    warehouse = warehouse_id or _warehouse(project, bundle)
    if warehouse is None:
        raise ConfigError(
            "A dashboard needs a SQL warehouse, and neither the project file nor a variable of the bundle names one. "
            "Give --warehouse-id."
        )
    pages = [page for page in PAGES if page.needs in tables.kinds]
    queries = {each: query_of(each, tables) for page in pages for each in page.datasets}
    name = bundle.plain_values("").name
    values = {"title": f"Pipelines of {name}" if name else "Pipelines", "warehouse_id": warehouse}
    resource = _render(f"{RESOURCE_FILE}.j2", values)
    folder = f"{project.output}/dashboards"
    return Dashboard(
        {f"{folder}/{RESOURCE_FILE}": resource.encode(), f"{folder}/{DASHBOARD_FILE}": dashboard_json(pages, queries)},
        tuple(page.title for page in pages),
        tuple(page.title for page in PAGES if page not in pages),
    )


def dashboard_tables(project: Project) -> DashboardTables:
    """Returns the tables of a project that a warehouse reaches.

    Raises:
        ConfigError: There are none, so that there is nothing to show.
    """
    sources = project.table_sources
    reachable = [source for source in sources if _sql_name(source, "")]
    checked = results_table(project.control_table)
    source = next((each for each in sources if each.location == project.control_table), None)
    kind = "delta" if is_location(project.control_table or "") else "table"
    quality = _sql_name(source or MetadataSource(kind, project.control_table or ""), QUALITY.suffix) if checked else ""
    if sources and sources[0] in reachable:
        records = {"jobs": _sql_name(sources[0], JOBS.suffix), "history": _sql_name(sources[0], HISTORY.suffix)}
        return DashboardTables(tuple(_sql_name(each, "") for each in reachable), records, quality)
    if quality:
        return DashboardTables(quality=quality)
    kept = f"beside {sources[0].location!r}" if sources else "in its state folder"
    raise ConfigError(
        f"A dashboard reads what is kept of jobs and changes, and this project keeps it {kept}, where no SQL warehouse "
        "reads it. Read the metadata from a control table in a catalog (`table: catalog.schema.table` below "
        "'metadata:'); with `control_table: catalog.schema.table` alone there is a dashboard of quality."
    )


def query_of(dataset: str, tables: DashboardTables) -> str:
    """Returns the SQL of a dataset."""
    values = {
        "control_tables": tables.control_tables,
        "records": tables.records or {},
        "quality": tables.quality,
        "failed": _FAILED,
        "scheduled": _SCHEDULED,
    }
    return _render(f"{dataset}.sql.j2", values)


def plan_dashboard(project: Project, dashboard: Dashboard, *, force: bool) -> dict[str, str]:
    """Returns what is to become of each file: `create`, `keep` or, with `force`, `update`.

    Raises:
        OperationFailed: A file that is there cannot be read.
    """
    return {path: _action(project.folder, path, content, force) for path, content in dashboard.files.items()}


def write_dashboard_file(project: Project, path: str, content: bytes) -> None:
    """Writes one of the files, whole; raises OperationFailed where the disk refuses."""
    target = (project.folder / path).resolve()  # a link stays one
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(target, content, durable=False)
    except OSError as error:
        raise OperationFailed(f"{path!r} cannot be written: {error.strerror or error}.") from error


def _action(folder: Path, path: str, content: bytes, force: bool) -> str:
    try:
        is_same = read_file(folder / path) == content
    except FileNotFoundError:
        return "create"
    except OSError as error:
        raise OperationFailed(f"{path!r} cannot be read: {error.strerror or error}.") from error
    return "update" if force and not is_same else "keep"


def _sql_name(source: MetadataSource, suffix: str) -> str:
    """Returns how SQL names a table beside a control table; empty where a relative path leads to it."""
    if source.kind == "table":
        return quote_name(name_beside(source.location, suffix))
    return f"delta.{quote_part(location_beside(source.location, suffix))}" if results_table(source.location) else ""


def _warehouse(project: Project, bundle: BundleDeclarations) -> str | None:
    """Returns the warehouse of SQL tasks, of the table, or the first variable that is named after one."""
    named = sorted(name for name in bundle.variables or () if "warehouse" in name.lower())
    of_tables = (source.warehouse_id for source in project.table_sources)
    known = (project.defaults.warehouse_id, *of_tables, *(f"${{var.{name}}}" for name in named))
    return next(filter(None, known), None)


def _render(template: str, values: Mapping[str, object]) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_templates()), undefined=StrictUndefined, keep_trailing_newline=False, autoescape=False
    )
    environment.filters["yaml"] = to_yaml
    return f"{environment.get_template(template).render(values).strip()}\n"


def _templates() -> Path:
    return shipped("templates", "dashboard")
