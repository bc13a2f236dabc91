"""The side tables of a control table: which job belongs to which module, and what each monitor tick did.

Data only: nothing here reads or writes.
"""

from __future__ import annotations

from lakeflow_job_meta.state.store import SchemaColumn, TableSchema

JOBS = TableSchema(
    suffix="_jobs",
    columns=(
        # These five first: the table of the original tool has them, and is carried on.
        SchemaColumn("module_name", "STRING"),
        SchemaColumn("job_id", "BIGINT"),
        SchemaColumn("job_name", "STRING"),
        SchemaColumn("created_timestamp", "TIMESTAMP"),
        SchemaColumn("updated_timestamp", "TIMESTAMP"),
        SchemaColumn("target", "STRING"),
        SchemaColumn("bundle_key", "STRING"),
        SchemaColumn("url", "STRING"),
        SchemaColumn("metadata_version", "STRING"),
    ),
    key=("target", "bundle_key"),
    order="updated_timestamp",
)
"""Which job belongs to which module, for every target. Rows of the original tool have no target and no bundle_key."""

HISTORY = TableSchema(
    suffix="_history",
    columns=(
        SchemaColumn("run_id", "STRING"),
        SchemaColumn("target", "STRING"),
        SchemaColumn("started_timestamp", "TIMESTAMP"),
        SchemaColumn("duration_seconds", "DOUBLE"),
        SchemaColumn("metadata_version", "STRING"),
        SchemaColumn("outcome", "STRING"),
        SchemaColumn("created", "INT"),
        SchemaColumn("changed", "INT"),
        SchemaColumn("deleted", "INT"),
        SchemaColumn("refused", "INT"),
        SchemaColumn("quarantined", "INT"),
        SchemaColumn("error", "STRING"),
        SchemaColumn("details", "STRING"),
    ),
    key=("run_id",),
    order="started_timestamp",
    keep=1000,
)
"""What each tick of the monitor did; `details` is JSON."""
