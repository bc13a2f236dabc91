"""The files of a new project, rendered from `templates/init`. Nothing is written here.

In: what the user has chosen. Out: the content of each file by its path in the project.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import cast

from lakeflow_job_meta import __version__
from lakeflow_job_meta._internal.fs import shipped
from lakeflow_job_meta._internal.trees import Value
from lakeflow_job_meta.services.editor import METADATA, editor_files
from lakeflow_job_meta.services.row_proposal import RowProposal
from lakeflow_job_meta.text.yaml_writer import to_yaml, to_yaml_key


class Flavour(str, Enum):
    """What a new project begins with."""

    STARTER = "starter"
    TABLE = "table"
    CSV = "csv"
    EXISTING = "existing"


CI_FILES = {"github": ".github/workflows/jobs.yml", "azure": "azure-pipelines.yml", "gitlab": ".gitlab-ci.yml"}
"""Where the recipe of each CI is."""

POLICIES_FILE = "policies.yml"
AGENTS_FILE, HOOKS_FILE = "AGENTS.md", ".pre-commit-config.yaml"


@dataclass(frozen=True, slots=True)
class RowsChoice:
    """The rows that a new project reads.

    Attributes:
        kind: `delta`, `table` or `csv`, as in the project file.
        location: As the project file names it.
        warehouse_id: Of a table that is read over one.
        content: Of a CSV file that becomes one of the project; None for what stays where it is.
    """

    kind: str
    location: str
    proposal: RowProposal
    warehouse_id: str | None = None
    content: bytes | None = None


@dataclass(frozen=True, slots=True)
class NewProject:
    """What the user has chosen.

    Attributes:
        name: Of the bundle.
        warehouse_id: The warehouse of a new bundle's targets; None where it is not known yet.
        warehouse: What SQL tasks get in an existing bundle, such as `${var.sql_warehouse}`.
        production: The target that policies for production are for; None where there is none.
        ci: One of `CI_FILES`, or None.
        rows: What fills the blueprint, of the flavours `table` and `csv`.
    """

    name: str
    flavour: Flavour
    warehouse_id: str | None = None
    warehouse: str | None = None
    production: str | None = "prod"
    has_policies: bool = False
    ci: str | None = None
    rows: RowsChoice | None = None

    @property
    def has_warehouse(self) -> bool:
        """Whether the new bundle declares a variable for the warehouse: SQL tasks need it, and others do without."""
        return self.flavour is Flavour.STARTER or (self.rows is not None and self.warehouse_id is not None)


def project_files(project: NewProject) -> dict[str, bytes]:
    """Returns the files of a new project by their paths; raises UndefinedError for a template that is wrong."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(shipped("templates", "init")),
        # `${{ ... }}` is what GitHub has for its own values.
        variable_start_string="[[",
        variable_end_string="]]",
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters["yaml"] = to_yaml
    environment.filters["yaml_key"] = to_yaml_key
    values = _variables(project)
    files = {
        path: environment.get_template(template).render(values).encode()
        for path, (template, is_wanted) in _FILES.items()
        if is_wanted(project)
    }
    if project.rows is not None and project.rows.content is not None:
        files[project.rows.location] = project.rows.content
    return files


def tool_files(project: NewProject, metadata: Iterable[str] = METADATA) -> dict[str, bytes]:
    """Returns the files of a new project that editors read; its YAML metadata is at these locations."""
    return editor_files(metadata, POLICIES_FILE if project.has_policies else None)


def lacking(folder: Path, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Returns files without those for editors, agents and hooks that a folder has already: these stay as they are."""
    own = {AGENTS_FILE, HOOKS_FILE, *editor_files()}
    return {path: content for path, content in files.items() if path not in own or not (folder / path).exists()}


def example_csv() -> bytes:
    """Returns the rows of a project that has none yet."""
    return shipped("templates", "init", "tables.csv").read_bytes()


def _is_ci(name: str) -> Callable[[NewProject], bool]:
    return lambda project: project.ci == name


_FILES: dict[str, tuple[str, Callable[[NewProject], bool]]] = {
    "databricks.yml": ("databricks.yml.j2", lambda project: project.flavour is not Flavour.EXISTING),
    "job_meta.yml": ("job_meta.yml.j2", lambda project: True),
    "metadata/first.yml": ("first.yml.j2", lambda project: project.rows is None),
    "metadata/blueprints.yml": ("blueprints.yml.j2", lambda project: project.rows is not None),
    "notebooks/first.py": ("first.py.j2", lambda project: project.rows is None and _warehouse(project) is None),
    "notebooks/load.py": ("load.py.j2", lambda project: project.rows is not None),
    POLICIES_FILE: ("policies.yml.j2", lambda project: project.has_policies),
    AGENTS_FILE: ("AGENTS.md", lambda project: True),
    HOOKS_FILE: ("pre_commit.yml.j2", lambda project: True),
    **{path: (f"{name}.yml.j2", _is_ci(name)) for name, path in CI_FILES.items()},
}
"""Each file of a new project: its template, and who gets it."""


def _warehouse(project: NewProject) -> str | None:
    return "${var.warehouse_id}" if project.has_warehouse else project.warehouse


def _variables(project: NewProject) -> dict[str, object]:
    rows, kind = project.rows, project.rows.kind if project.rows is not None else ""
    extra = {"delta": "[delta]", "table": "[databricks]"}.get(kind, "")
    is_remote = kind == "table" or (rows is not None and rows.location.startswith("/Volumes/"))
    found: dict[str, object] = {
        "name": project.name,
        "warehouse_id": project.warehouse_id,
        "has_warehouse": project.has_warehouse,
        "warehouse": _warehouse(project),
        "production": project.production,
        "has_policies": project.has_policies,
        "requirement": f"lakeflow-job-meta{'[databricks]' if is_remote else extra}=={__version__}",
        "needs_login": is_remote,
        "rows": None,
    }
    if rows is not None:
        proposal = rows.proposal
        found["rows"] = _rows_entry(rows)
        found["parameters"] = proposal.parameters
        found["active"] = proposal.active
        found["key"] = [f"${{param.{name}}}" for name in proposal.key_parameters]
    return found


def _rows_entry(rows: RowsChoice) -> Value:
    entry: dict[str, Value] = {rows.kind: rows.location}
    if rows.warehouse_id is not None and rows.kind == "table":
        entry["warehouse_id"] = rows.warehouse_id
    entry["blueprint"] = "load_table"
    if rows.kind != "csv":
        entry["key"] = cast("list[Value]", list(rows.proposal.key))
    mapped = {each.name: f"${{column.{each.column}}}" for each in rows.proposal.parameters if each.is_mapped}
    return {**entry, "with": cast("dict[str, Value]", mapped)} if mapped else entry
