"""Exports a control table as a metadata file; reads one version and writes nothing."""

from __future__ import annotations

from collections.abc import Sequence

from lakeflow_job_meta._internal.text import count
from lakeflow_job_meta._internal.trees import Value
from lakeflow_job_meta.errors import InvalidMetadata, OperationFailed
from lakeflow_job_meta.parsing.modules import MODULE_FIELDS, SOURCE_FIELDS
from lakeflow_job_meta.parsing.rows import modules_of_rows
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
