"""What Databricks fills in where a job does not say it. Pure."""

from __future__ import annotations

from lakeflow_job_meta._internal.trees import Value

_DEFAULTS: dict[str, tuple[Value, ...]] = {
    # Jobs API 2.2, request of `jobs/create`: "default" of each field.
    "format": ("MULTI_TASK",),
    "max_concurrent_runs": (1,),
    "timeout_seconds": (0,),
    "run_if": ("ALL_SUCCESS",),
    "max_retries": (0,),
    "min_retry_interval_millis": (0,),
    "retry_on_timeout": (False,),
    "no_alert_for_skipped_runs": (False,),
    "no_alert_for_canceled_runs": (False,),
    "alert_on_last_attempt": (False,),
    "disabled": (False,),
    # Seen in answers of `jobs/get` for jobs that were created without it.
    "edit_mode": ("EDITABLE",),
    "disable_auto_optimization": (False,),
}


def is_default(name: str, value: Value, *sources: str) -> bool:
    """Whether a setting says what its absence says; what is empty always does. `sources` are defaults of `source`."""
    if value is None or (name == "source" and value in sources):
        return True
    if isinstance(value, dict):
        return all(is_default(key, item, *sources) for key, item in value.items())
    if isinstance(value, list):
        return not value
    return any(type(value) is type(default) and value == default for default in _DEFAULTS.get(name, ()))
