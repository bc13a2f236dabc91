"""Loads YAML metadata into a control table: checks it, compares it with one version, writes one commit or none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lakeflow_job_meta._internal.text import count, listing
from lakeflow_job_meta.compiler.compile import compile_snapshots
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.control_table.schema import key_of
from lakeflow_job_meta.diagnostics.model import Diagnostic, errors_among
from lakeflow_job_meta.errors import InvalidMetadata, OperationFailed
from lakeflow_job_meta.parsing.units import RawModule
from lakeflow_job_meta.services.load_plan import LoadPlan, not_in_a_table, plan_load
from lakeflow_job_meta.sources.interface import Reader, SourceSnapshot
from lakeflow_job_meta.tables.store import VersionedTable


@dataclass(frozen=True, slots=True)
class CheckedMetadata:
    """Metadata without errors.

    Attributes:
        warnings: The warnings about it.
    """

    modules: tuple[RawModule, ...]
    warnings: tuple[Diagnostic, ...]


def read_checked(project: Project, readers: Sequence[Reader], table: VersionedTable) -> CheckedMetadata:
    """Reads metadata and checks it completely, as `ljm validate` would.

    Args:
        project: For defaults and local files.
        readers: Of the YAML.
        table: The control table; modules may run the jobs of modules that are there already.

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
    return CheckedMetadata(modules, diagnostics)


def check_for_table(
    project: Project, snapshots: Sequence[SourceSnapshot], table: VersionedTable
) -> tuple[Diagnostic, ...]:
    """Checks metadata that is to be loaded into a control table.

    Raises:
        OperationFailed: The table cannot be read.
    """
    others = {key_of(row)[0] for row in table.read().rows}
    found = compile_snapshots(project, snapshots, other_modules=others).diagnostics
    return (*found, *not_in_a_table(raw for snapshot in snapshots for raw in snapshot.modules))


def load(table: VersionedTable, modules: Sequence[RawModule], *, prune: bool, dry_run: bool) -> LoadPlan:
    """Loads modules into a control table with one commit, or none if there is nothing to change.

    Args:
        table: The table.
        modules: Checked ones.
        prune: Whether rows of these modules that are not in the YAML are deleted.
        dry_run: Whether only to plan.

    Raises:
        OperationFailed: The table cannot be read or written; it is as it was.
    """
    snapshot = table.read()
    plan = plan_load(modules, snapshot.rows, prune=prune)
    if dry_run:
        # It finds what the table could not hold, too.
        table.schema.writable(table.name, table.schema.prepared(table.name, plan.commit), snapshot.columns)
    else:
        table.write(plan.commit)
    return plan
