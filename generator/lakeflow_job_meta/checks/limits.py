"""What Databricks allows at most. Each limit is one row with its source."""

from __future__ import annotations

import json
import marshal
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from lakeflow_job_meta._internal.text import listing, quoted
from lakeflow_job_meta._internal.trees import KeyPath, Value, value_at
from lakeflow_job_meta.checks.context import CheckContext
from lakeflow_job_meta.diagnostics.model import Diagnostic
from lakeflow_job_meta.diagnostics.rules import TOO_MUCH
from lakeflow_job_meta.jobs.model import Job


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit of a setting: the items of a list or map, the bytes or characters of a text, or the bytes of its JSON."""

    path: KeyPath
    most: int
    unit: str


_EVENTS = (
    *("on_start", "on_success", "on_failure", "on_duration_warning_threshold_exceeded"),
    *("on_streaming_backlog_exceeded", "on_maintenance_start", "on_maintenance_complete"),
)
# Jobs API, WebhookNotifications: "A maximum of 3 destinations can be specified", for each event.
_WEBHOOKS = tuple(Limit(("webhook_notifications", event), 3, "destinations") for event in _EVENTS)

MAX_TAGS = 25
"""Jobs API, create: "A maximum of 25 tags can be added to the job.\""""

_JOB_LIMITS = (
    *_WEBHOOKS,
    # Databricks' resource limits: "tasks in a job".
    Limit(("tasks",), 1000, "tasks"),
    Limit(("tags",), MAX_TAGS, "tags"),
    # Jobs API, create: "The maximum length is 4096 bytes in UTF-8 encoding."
    Limit(("name",), 4096, "bytes"),
    # Jobs API, create: "The maximum length is 27700 characters in UTF-8 encoding."
    Limit(("description",), 27700, "bytes"),
)
_TASK_LIMITS = (
    *_WEBHOOKS,
    # Jobs API, DbtTask: "A maximum of up to 10 commands can be provided."
    Limit(("dbt_task", "commands"), 10, "commands"),
    # Jobs API, create: "An optional description for this task. The maximum length is 1000 bytes."
    Limit(("description",), 1000, "bytes"),
    # Jobs API, NotebookTask: "The JSON representation of this field cannot exceed 1MB."
    Limit(("notebook_task", "base_parameters"), 1_048_576, "bytes of JSON"),
    # Jobs API, run-now: "The JSON representation of this field cannot exceed 10,000 bytes", for each kind below.
    Limit(("spark_python_task", "parameters"), 10_000, "bytes of JSON"),
    Limit(("spark_jar_task", "parameters"), 10_000, "bytes of JSON"),
    Limit(("spark_submit_task", "parameters"), 10_000, "bytes of JSON"),
    Limit(("python_wheel_task", "parameters"), 10_000, "bytes of JSON"),
    Limit(("python_wheel_task", "named_parameters"), 10_000, "bytes of JSON"),
    Limit(("sql_task", "parameters"), 10_000, "bytes of JSON"),
    # https://docs.databricks.com/jobs/for-each: inputs that are written out have at most 10,000 characters.
    Limit(("for_each_task", "inputs"), 10_000, "characters"),
)


def nothing_is_too_much(job: Job, context: CheckContext) -> Iterator[Diagnostic]:
    """Compares a job and its tasks with the limits."""
    yield from _exceeded(job, (), job.settings, _JOB_LIMITS)
    for path, task in job.all_tasks:
        yield from _exceeded(job, path, task, _TASK_LIMITS)


def tags_of_the_bundle_fit_in(job: Job, context: CheckContext) -> Iterator[Diagnostic]:
    """Counts the tags of the job with those that the bundle adds, for each target."""
    own = job.settings.get("tags") or {}
    if not context.bundle.added_tags or not isinstance(own, dict) or len(own) > MAX_TAGS:
        return
    for target in sorted(job.targets or context.bundle.targets or ()):
        added = sorted(context.bundle.tags_added(job.key, target) - own.keys())
        if len(own) + len(added) > MAX_TAGS:
            message = (
                f"'tags' has {len(own)} tags, and in the target {quoted(target)} the bundle adds {listing(added, 3)}; "
                f"Databricks allows {MAX_TAGS}"
            )
            yield TOO_MUCH.at(job.origin_of(("tags",), of_key=True), message)
            return


def _exceeded(job: Job, at: KeyPath, settings: dict[str, Value], limits: tuple[Limit, ...]) -> Iterator[Diagnostic]:
    for limit in limits:
        if limit.path[0] not in settings:
            continue
        value = value_at(settings, limit.path)[1]
        if value is None or _is_surely_small(value, limit):
            continue
        if (amount := _amount(value, limit.unit)) > limit.most:
            origin = job.origin_of((*at, *limit.path), of_key=True)
            if limit.path == ("tasks",):
                origin = job.module.origin.key("sources")
            message = f"{limit.path[-1]!r} has {amount:,} {limit.unit}; Databricks allows {limit.most:,}"
            yield TOO_MUCH.at(origin, message)


def _is_surely_small(value: object, limit: Limit) -> bool:
    """Whether the JSON form need not be made: JSON has at most 8 times the size of a form that is made faster."""
    return limit.unit == "bytes of JSON" and 8 * len(marshal.dumps(cast(Any, value), 2)) <= limit.most


def _amount(value: object, unit: str) -> int:
    if isinstance(value, str):
        return len(value) if unit == "characters" else len(value.encode("utf-8", "replace"))
    if unit == "bytes of JSON":
        return len(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    return len(value) if isinstance(value, (list, dict)) else 0


JOB_CHECKS = (nothing_is_too_much, tags_of_the_bundle_fit_in)
