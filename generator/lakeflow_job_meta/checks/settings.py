"""Settings against the schema of the Jobs API: names, kinds of values, choices, required fields."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from lakeflow_job_meta._internal.text import closest
from lakeflow_job_meta._internal.trees import KeyPath, Value
from lakeflow_job_meta.checks.context import CheckContext
from lakeflow_job_meta.diagnostics.model import Diagnostic
from lakeflow_job_meta.diagnostics.rules.jobs import UNKNOWN_VALUE
from lakeflow_job_meta.diagnostics.rules.metadata import MISSING_FIELD, UNKNOWN_FIELD, WRONG_TYPE
from lakeflow_job_meta.jobs.model import Job
from lakeflow_job_meta.jobs.task_types import DIRECT_NOTEBOOK_FIELDS, SQL_FORMS
from lakeflow_job_meta.schema.validator import Finding, Mismatch, compare, is_valid_job, job_settings, task_settings

_RULES = {
    Mismatch.UNKNOWN_FIELD: UNKNOWN_FIELD,
    Mismatch.WRONG_TYPE: WRONG_TYPE,
    Mismatch.MISSING_FIELD: MISSING_FIELD,
    Mismatch.UNKNOWN_VALUE: UNKNOWN_VALUE,
}


def settings_fit_the_schema(job: Job, context: CheckContext) -> Iterator[Diagnostic]:
    """Compares all settings of the job with the schema; `allow_unknown` lets newer ones pass."""
    settings = _without_allowed(job.settings, context.project.allow_unknown)
    if is_valid_job()(settings):
        return
    for finding in compare(settings, "job", "job setting"):
        origin = job.origin_of(finding.path, of_key=finding.of_key)
        yield _RULES[finding.kind].at(origin, _with_advice(finding))


def _without_allowed(settings: dict[str, Value], allowed: frozenset[str]) -> dict[str, Value]:
    if not allowed:
        return settings
    known = {key: value for key, value in settings.items() if f"job.{key}" not in allowed}
    tasks = cast("list[dict[str, Value]]", known["tasks"])
    known["tasks"] = [{k: v for k, v in task.items() if f"task.{k}" not in allowed} for task in tasks]
    return known


def _with_advice(finding: Finding) -> str:
    """Adds what the schema cannot know: the level at which a setting belongs, and metadata's own short forms."""
    if finding.kind is Mismatch.MISSING_FIELD and finding.path[-2:] == ("sql_task", "warehouse_id"):
        return f"{finding.message}; give it here, or for all tasks as 'defaults: warehouse_id' in job_meta.yml"
    if finding.kind is not Mismatch.UNKNOWN_FIELD:
        return finding.message
    what, name = finding.message.split("; ")[0], str(finding.path[-1])
    level = _level_of(name, finding.path)
    if level is not None:
        return f"{what}; {level}"
    near = closest(name, _written_names(finding.path))
    return f"{what}; did you mean {near!r}?" if near else finding.message


def _written_names(path: KeyPath) -> list[str]:
    """Returns the names that metadata may write beside an unknown one, where they are not those of the Jobs API."""
    if len(path) == 3 and path[0] == "tasks":
        ours = {"task_key", "depends_on"}  # these are written elsewhere
        return [*(name for name in task_settings() if name not in ours), *DIRECT_NOTEBOOK_FIELDS, "task_type"]
    return [*SQL_FORMS, "warehouse_id", "parameters"] if path[-2:-1] == ("sql_task",) else []


def _level_of(name: str, path: KeyPath) -> str | None:
    """Says where a setting belongs that exists, but at another level."""
    if len(path) == 1 and name in task_settings():
        return "it is a task setting: write it in the 'transformation_config' of a source"
    if path[0] == "tasks" and len(path) > 3 and name in task_settings():
        return "it is a setting of the task: write it beside the block"
    if path[0] == "tasks" and name in job_settings():
        return "it is a job setting: write it in the 'job_config' of the module"
    return None


JOB_CHECKS = (settings_fit_the_schema,)
