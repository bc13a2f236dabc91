"""Loads YAML metadata into a control table, and exports a control table as YAML.

A load checks the metadata, compares it with one version, and writes one commit or none, or several where one SQL
statement does not hold all of it. An export reads one version.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lakeflow_job_meta._internal.text import count, listing
from lakeflow_job_meta._internal.trees import Value
from lakeflow_job_meta.compiler.compile import Progress, compile_snapshots
from lakeflow_job_meta.config.bundle import read_bundle_declarations
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.control_table.schema import key_of
from lakeflow_job_meta.diagnostics.model import Diagnostic, errors_among
from lakeflow_job_meta.errors import InvalidMetadata, OperationFailed
from lakeflow_job_meta.parsing.rows import modules_of_rows
from lakeflow_job_meta.parsing.units import RawModule
from lakeflow_job_meta.schema.validator import fields_of
from lakeflow_job_meta.services.load_plan import LoadPlan, plan_load
from lakeflow_job_meta.sources.interface import Reader, SourceSnapshot, with_blueprints
from lakeflow_job_meta.tables.store import VersionedTable
from lakeflow_job_meta.text.yaml_writer import to_yaml

MANY_ROWS = 5_000
"""To write more than these takes long enough to say so."""


def read_checked(
    project: Project,
    readers: Sequence[Reader],
    table: VersionedTable,
    on_progress: Progress = lambda what, done, of: None,
) -> tuple[tuple[RawModule, ...], tuple[Diagnostic, ...]]:
    """Reads metadata and checks it completely, as `ljm validate` would; returns its modules, and warnings about it.

    Modules may run the jobs of modules that are in the control table already.

    Raises:
        InvalidMetadata: There is an error in it; all are in its diagnostics.
        OperationFailed: There is no module in it at all, or the table cannot be read.
    """
    snapshots = with_blueprints([reader.read() for reader in readers])
    diagnostics = check_for_table(project, snapshots, table, on_progress)
    errors = errors_among(diagnostics)
    if errors:
        raise InvalidMetadata(f"{count(len(errors), 'error')} in the metadata, so nothing was loaded.", tuple(errors))
    modules = tuple(raw for snapshot in snapshots for raw in snapshot.modules)
    if not modules:
        raise OperationFailed(
            f"There is no module in {listing(snapshot.source for snapshot in snapshots)}, so nothing was loaded."
        )
    return modules, diagnostics


def check_for_table(
    project: Project,
    snapshots: Sequence[SourceSnapshot],
    table: VersionedTable,
    on_progress: Progress = lambda what, done, of: None,
) -> tuple[Diagnostic, ...]:
    """Checks metadata that is to be loaded into a control table; raises OperationFailed where that cannot be read."""
    others, bundle = {key_of(row)[0] for row in table.read().rows}, read_bundle_declarations(project)
    return compile_snapshots(project, bundle, snapshots, on_progress, other_modules=others).diagnostics


def load(
    table: VersionedTable,
    modules: Sequence[RawModule],
    *,
    prune: bool,
    dry_run: bool,
    on_progress: Callable[[str], None] = lambda line: None,
) -> LoadPlan:
    """Loads checked modules into a control table with one commit, or none if there is nothing to change.

    With `prune`, rows of these modules that are not in the YAML are deleted. What does not fit into one SQL statement
    goes in with several; the same load again finishes one that was stopped between them. `on_progress` takes a line
    now and then where there is much to write.

    Raises:
        OperationFailed: The table cannot be read or written; it is as it was, or the text says how far it came.
    """

    def tell(done: int, of: int) -> None:
        if done < of:
            on_progress(f"{done:,} of {of:,} rows written")

    snapshot = table.read()
    plan = plan_load(modules, snapshot.rows, prune=prune)
    if dry_run:
        # It finds what the table could not hold, too.
        table.check(plan.commit, snapshot.columns)
    else:
        size = len(plan.commit.upserts) + len(plan.commit.deletions)
        if size >= MANY_ROWS:
            on_progress(f"Writing {size:,} rows")
        table.write(plan.commit, tell)
    return plan


def export(table: VersionedTable, names: Sequence[str] = ()) -> str:
    """Returns the named modules of a table, without names all, as a metadata file; loading it gives the same rows.

    Raises:
        InvalidMetadata: A row cannot be read, so that the file would lack it.
        OperationFailed: A module is not there.
    """
    content = modules_of_rows(table.name, table.read().rows)
    if content.diagnostics:
        raise InvalidMetadata(f"{count(len(content.diagnostics), 'error')} in {table.name}.", content.diagnostics)
    made = [str(each.value["module_name"]) for each in content.modules if each.use and isinstance(each.value, dict)]
    if refused := [name for name in made if not names or name in names]:
        raise OperationFailed(
            f"{table.name}: rows of {listing(refused)} are made of a blueprint, which a metadata file cannot say of "
            "single rows; name the other modules."
        )
    values = {str(each.value["module_name"]): each.value for each in content.modules if isinstance(each.value, dict)}
    missing = [name for name in names if name not in values]
    if missing:
        raise OperationFailed(f"{table.name} has no module {missing[0]!r}.")
    chosen: list[Value] = [_in_file_order(value) for name, value in values.items() if not names or name in names]
    return to_yaml({"metadata_version": "1.0", "modules": chosen}) + "\n"


def _in_file_order(module: dict[str, Value]) -> dict[str, Value]:
    sources = module["sources"]
    ordered = {name: module[name] for name in fields_of("module") if name in module}
    ordered["sources"] = [
        {name: source[name] for name in fields_of("source") if name in source}
        for source in (sources if isinstance(sources, list) else [])
        if isinstance(source, dict)
    ]
    return ordered
