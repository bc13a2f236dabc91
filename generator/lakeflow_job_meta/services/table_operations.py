"""What is done with a control table as a whole: loading YAML, listing, exporting, comparing versions.

The command line and `MetadataManager` call these; each reads one version and writes at most one commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lakeflow_job_meta._internal.text import count, listing
from lakeflow_job_meta._internal.trees import Value
from lakeflow_job_meta.compiler.compile import compile_snapshots
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.control_table.changes import TableChanges, compare_rows, key_of
from lakeflow_job_meta.control_table.columns import columns_to_write
from lakeflow_job_meta.control_table.interface import ControlTable
from lakeflow_job_meta.control_table.load_plan import LoadPlan, not_in_a_table, plan_load
from lakeflow_job_meta.diagnostics.model import Diagnostic, errors_among
from lakeflow_job_meta.errors import InvalidMetadata, OperationFailed
from lakeflow_job_meta.parsing.modules import MODULE_FIELDS, SOURCE_FIELDS
from lakeflow_job_meta.parsing.rows import modules_of_rows
from lakeflow_job_meta.parsing.units import RawModule
from lakeflow_job_meta.sources.interface import Reader
from lakeflow_job_meta.text.yaml_writer import to_yaml


@dataclass(frozen=True, slots=True)
class CheckedMetadata:
    """Metadata without errors.

    Attributes:
        warnings: What there is to say of it all the same.
    """

    modules: tuple[RawModule, ...]
    warnings: tuple[Diagnostic, ...]


def read_checked(project: Project, readers: Sequence[Reader], table: ControlTable) -> CheckedMetadata:
    """Reads metadata and checks it completely, as `ljm validate` would.

    Args:
        project: For defaults and local files.
        readers: Of the YAML.
        table: Where it is to go; modules may run the jobs of modules that are there already.

    Raises:
        InvalidMetadata: There is an error in it; all are in its diagnostics.
        OperationFailed: There is no module in it at all, or the table cannot be read.
    """
    readings = [reader.read() for reader in readers]
    others = {key_of(row)[0] for row in table.read().rows}
    compilation = compile_snapshots(project, readings, other_modules=others)
    modules = tuple(raw for reading in readings for raw in reading.modules)
    errors = [*errors_among(compilation.diagnostics), *not_in_a_table(modules)]
    if errors:
        raise InvalidMetadata(f"{count(len(errors), 'error')} in the metadata, so nothing was loaded.", tuple(errors))
    if not modules:
        raise OperationFailed(
            f"There is no module in {listing(reading.source for reading in readings)}, so nothing was loaded."
        )
    return CheckedMetadata(modules, compilation.diagnostics)


def load(table: ControlTable, modules: Sequence[RawModule], *, prune: bool, dry_run: bool) -> LoadPlan:
    """Loads modules into a table with one commit, or none if there is nothing to change.

    Args:
        table: The table.
        modules: Checked ones.
        prune: Whether rows of these modules that are not in the YAML are deleted.
        dry_run: Whether only to say what would change.

    Raises:
        OperationFailed: The table cannot be read or written; it is as it was.
    """
    snapshot = table.read()
    plan = plan_load(modules, snapshot, prune=prune)
    # A dry run finds what the table could not hold, too.
    columns_to_write(table.name, plan.commit, snapshot.columns)
    if not dry_run:
        table.write(plan.commit)
    return plan


def export(table: ControlTable, names: Sequence[str] = ()) -> str:
    """Returns the table as a metadata file; loading it gives the same rows.

    Args:
        table: The table.
        names: The modules to export; all if empty.

    Raises:
        InvalidMetadata: A row cannot be read, so that the file would lack it.
        OperationFailed: A module is not there.
    """
    modules, problems, _ = modules_of_rows(table.name, table.read().rows)
    if problems:
        raise InvalidMetadata(f"{count(len(problems), 'error')} in {table.name}.", tuple(problems))
    values = {str(module.value["module_name"]): module.value for module in modules if isinstance(module.value, dict)}
    missing = [name for name in names if name not in values]
    if missing:
        raise OperationFailed(f"{table.name} has no module {missing[0]!r}.")
    chosen: list[Value] = [_in_file_order(value) for name, value in values.items() if not names or name in names]
    return to_yaml({"metadata_version": "1.0", "modules": chosen}) + "\n"


def _in_file_order(module: dict[str, Value]) -> dict[str, Value]:
    sources = module["sources"]
    ordered = {name: module[name] for name in MODULE_FIELDS if name in module}
    ordered["sources"] = [
        {name: source[name] for name in SOURCE_FIELDS if name in source}
        for source in (sources if isinstance(sources, list) else [])
        if isinstance(source, dict)
    ]
    return ordered


def compare_versions(table: ControlTable, before: int, after: int | None = None) -> TableChanges:
    """Says what changed from one version to another, or to the newest.

    Raises:
        OperationFailed: There is no such version, or it cannot be read any more.
    """
    return compare_rows(table.read(before).rows, table.read(after).rows)


def without_file_checks(project: Project) -> Project:
    """Returns a project in which jobs may name files that are not here, for metadata without a project around it."""
    return replace(project, checks=(*project.checks, ("missing-file", "off"), ("not-a-notebook", "off")))
