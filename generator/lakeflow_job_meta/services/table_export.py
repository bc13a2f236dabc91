"""Exports a control table as a metadata file; reads one version and writes nothing."""

from __future__ import annotations

from collections.abc import Sequence

from lakeflow_job_meta._internal.text import count
from lakeflow_job_meta._internal.trees import Value
from lakeflow_job_meta.errors import InvalidMetadata, OperationFailed
from lakeflow_job_meta.parsing.rows import modules_of_rows
from lakeflow_job_meta.schema.validator import fields_of
from lakeflow_job_meta.tables.store import VersionedTable
from lakeflow_job_meta.text.yaml_writer import to_yaml


def export(table: VersionedTable, names: Sequence[str] = ()) -> str:
    """Returns the table as a metadata file; loading it gives the same rows.

    Args:
        table: The table.
        names: The modules to export; all if empty.

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
