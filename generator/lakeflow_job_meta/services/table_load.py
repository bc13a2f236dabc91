"""Loads YAML metadata into a control table, and exports a control table as YAML.

A load checks the metadata, compares it with one version, and writes one commit or none. An export reads one version.
"""

from __future__ import annotations

from collections.abc import Sequence

from lakeflow_job_meta._internal.text import count, listing
from lakeflow_job_meta._internal.trees import Value
from lakeflow_job_meta.compiler.compile import compile_snapshots
from lakeflow_job_meta.config.bundle import read_bundle_declarations
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.control_table.schema import key_of
from lakeflow_job_meta.diagnostics.model import Diagnostic, errors_among
from lakeflow_job_meta.errors import InvalidMetadata, OperationFailed
from lakeflow_job_meta.parsing.rows import modules_of_rows
from lakeflow_job_meta.parsing.units import RawModule
from lakeflow_job_meta.schema.validator import fields_of
from lakeflow_job_meta.services.load_plan import LoadPlan, not_in_a_table, plan_load
from lakeflow_job_meta.sources.interface import Reader, SourceSnapshot
from lakeflow_job_meta.tables.store import VersionedTable
from lakeflow_job_meta.text.yaml_writer import to_yaml


def read_checked(
    project: Project, readers: Sequence[Reader], table: VersionedTable
) -> tuple[tuple[RawModule, ...], tuple[Diagnostic, ...]]:
    """Reads metadata and checks it completely, as `ljm validate` would; returns its modules, and warnings about it.

    Modules may run the jobs of modules that are in the control table already.

    Raises:
        InvalidMetadata: There is an error in it; all are in its diagnostics.
        OperationFailed: There is no module in it at all, or the table cannot be read.
    """
    snapshots = [reader.read() for reader in readers]
    diagnostics = check_for_table(project, snapshots, table)
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
    project: Project, snapshots: Sequence[SourceSnapshot], table: VersionedTable
) -> tuple[Diagnostic, ...]:
    """Checks metadata that is to be loaded into a control table; raises OperationFailed where that cannot be read."""
    others, bundle = {key_of(row)[0] for row in table.read().rows}, read_bundle_declarations(project)
    found = compile_snapshots(project, bundle, snapshots, other_modules=others).diagnostics
    return (*found, *not_in_a_table(raw for snapshot in snapshots for raw in snapshot.modules))


def load(table: VersionedTable, modules: Sequence[RawModule], *, prune: bool, dry_run: bool) -> LoadPlan:
    """Loads checked modules into a control table with one commit, or none if there is nothing to change.

    With `prune`, rows of these modules that are not in the YAML are deleted.

    Raises:
        OperationFailed: The table cannot be read or written; it is as it was.
    """
    snapshot = table.read()
    plan = plan_load(modules, snapshot.rows, prune=prune)
    if dry_run:
        # It finds what the table could not hold, too.
        table.schema.writable(table.name, table.prepared(plan.commit), snapshot.columns)
    else:
        table.write(plan.commit)
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
