"""The side tables of a control table: which job belongs to which module, and what each monitor tick did.

Data only: nothing here reads or writes.
"""

from __future__ import annotations

from lakeflow_job_meta.tables.records import RecordColumn, RecordLayout

JOBS = RecordLayout(
    suffix="_jobs",
    columns=(
        # These five first: the table of the original tool has them, and is carried on.
        RecordColumn("module_name", "STRING"),
        RecordColumn("job_id", "BIGINT"),
        RecordColumn("job_name", "STRING"),
        RecordColumn("created_timestamp", "TIMESTAMP"),
        RecordColumn("updated_timestamp", "TIMESTAMP"),
        RecordColumn("target", "STRING"),
        RecordColumn("bundle_key", "STRING"),
        RecordColumn("url", "STRING"),
        RecordColumn("metadata_version", "STRING"),
    ),
    key=("target", "bundle_key"),
    order="updated_timestamp",
)
"""Which job belongs to which module, for every target. Rows of the original tool have no target and no bundle_key."""

HISTORY = RecordLayout(
    suffix="_history",
    columns=(
        RecordColumn("run_id", "STRING"),
        RecordColumn("target", "STRING"),
        RecordColumn("started_timestamp", "TIMESTAMP"),
        RecordColumn("duration_seconds", "DOUBLE"),
        RecordColumn("metadata_version", "STRING"),
        RecordColumn("outcome", "STRING"),
        RecordColumn("created", "INT"),
        RecordColumn("changed", "INT"),
        RecordColumn("deleted", "INT"),
        RecordColumn("refused", "INT"),
        RecordColumn("quarantined", "INT"),
        RecordColumn("error", "STRING"),
        RecordColumn("details", "STRING"),
    ),
    key=("run_id",),
    order="started_timestamp",
    keep=1000,
)
"""What each tick of the monitor did; `details` is JSON."""
