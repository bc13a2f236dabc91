"""The order in which the Databricks UI writes the settings of a job and of a task.

A reviewer reads generated files in the order that "View as YAML" shows. Settings that are not listed follow,
as written.
"""

from __future__ import annotations

from lakeflow_job_meta._internal.trees import Value

# fmt: off
_JOB_KEYS = (
    "name", "description", "email_notifications", "webhook_notifications", "notification_settings", "timeout_seconds",
    "health", "schedule", "trigger", "continuous", "max_concurrent_runs", "tasks", "job_clusters", "git_source", "tags",
    "queue", "parameters", "run_as", "environments", "budget_policy_id", "usage_policy_id", "performance_target",
    "permissions", "lifecycle",
)
_BEFORE_BLOCK = ("task_key", "description", "depends_on", "run_if", "disabled")
_AFTER_BLOCK = (
    "existing_cluster_id", "job_cluster_key", "new_cluster", "compute", "environment_key", "libraries", "max_retries",
    "min_retry_interval_millis", "retry_on_timeout", "disable_auto_optimization", "timeout_seconds", "health",
    "email_notifications", "webhook_notifications", "notification_settings",
)
# fmt: on
_JOB_RANKS = {key: rank for rank, key in enumerate(_JOB_KEYS)}
_TASK_RANKS = {key: rank for rank, key in enumerate((*_BEFORE_BLOCK, "*_task", *_AFTER_BLOCK))}


def in_job_order(settings: dict[str, Value]) -> dict[str, Value]:
    """Returns a job's settings in the order of the UI."""
    return {key: settings[key] for key in sorted(settings, key=lambda key: _JOB_RANKS.get(key, len(_JOB_RANKS)))}


def in_task_order(settings: dict[str, Value]) -> dict[str, Value]:
    """Returns a task's settings in the order of the UI, its block in the middle."""

    def rank(key: str) -> int:
        return _TASK_RANKS.get(key, len(_BEFORE_BLOCK) if key.endswith("_task") else len(_TASK_RANKS))

    return {key: settings[key] for key in sorted(settings, key=rank)}
