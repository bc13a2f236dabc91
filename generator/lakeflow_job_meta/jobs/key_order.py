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


class _Ranks(dict[str, int]):
    """The places of keys; a key that is not listed is behind all others, and that of a task's block at its place.

    A map, since asking a function for each key of each task takes a while.
    """

    def __init__(self, *listed: str) -> None:
        super().__init__({key: rank for rank, key in enumerate(listed)})

    def __missing__(self, key: str) -> int:
        return self.get("*_task", len(self)) if key.endswith("_task") else len(self)


_JOB_RANKS = _Ranks(*_JOB_KEYS)
_TASK_RANKS = _Ranks(*_BEFORE_BLOCK, "*_task", *_AFTER_BLOCK)


def in_job_order(settings: dict[str, Value]) -> dict[str, Value]:
    """Returns a job's settings in the order of the UI."""
    return {key: settings[key] for key in sorted(settings, key=_JOB_RANKS.__getitem__)}


def in_task_order(settings: dict[str, Value]) -> dict[str, Value]:
    """Returns a task's settings in the order of the UI, its block in the middle."""
    return {key: settings[key] for key in sorted(settings, key=_TASK_RANKS.__getitem__)}
