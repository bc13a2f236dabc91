"""Settings against the schema of the Jobs API: names, kinds of values, choices, required fields."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import cast

from lakeflow_job_meta._internal.secrets import masked
from lakeflow_job_meta._internal.text import quoted
from lakeflow_job_meta._internal.trees import KeyPath, Value, value_at
from lakeflow_job_meta.checks.context import CheckContext
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.diagnostics.model import Diagnostic
from lakeflow_job_meta.diagnostics.rules import DUPLICATE_KEY, HIDDEN_PARAMETER, MISSING_FIELD
from lakeflow_job_meta.jobs.model import Job
from lakeflow_job_meta.jobs.references import JOB_PARAMETER, named_by
from lakeflow_job_meta.jobs.task_types import DIRECT_NOTEBOOK_FIELDS, SQL_FORMS
from lakeflow_job_meta.schema.validator import Finding, KeyHints, compare, fields_of, is_valid_job

_IN_TASK = "it is a task setting: write it in the 'transformation_config' of a source"
_BESIDE_BLOCK = "it is a setting of the task: write it beside the block"
_IN_JOB = "it is a job setting: write it in the 'job_config' of the module"
_WAREHOUSE = "give it here, or for all tasks as 'defaults: warehouse_id' in job_meta.yml"


def settings_fit_the_schema(job: Job, context: CheckContext) -> Iterator[Diagnostic]:
    """Compares all settings of the job with the schema; `allow_unknown` lets newer ones pass."""
    for finding in _findings(job, context.project):
        if finding.rule is MISSING_FIELD and finding.path[-2:] == ("sql_task", "warehouse_id"):
            finding = finding._replace(message=f"{finding.message}; {_WAREHOUSE}")
        yield finding.report(job.origin_of(finding.path, of_key=finding.of_key))


def constants_fit_the_schema(job: Job, project: Project) -> Iterator[Diagnostic]:
    """Compares with the schema what a blueprint says without placeholders; what is missing may come with its use."""
    for finding in _findings(job, project):
        if finding.rule is not MISSING_FIELD and not _has_placeholder(value_at(job.settings, finding.path)[1]):
            yield finding.report(job.origin_of(finding.path, of_key=finding.of_key))


def _has_placeholder(value: object) -> bool:
    return isinstance(value, str) and "${param." in value


def _findings(job: Job, project: Project) -> list[Finding]:
    settings = _without_allowed(job.settings, project.allow_unknown)
    return [] if is_valid_job(settings) else compare(settings, "job", "job setting", lambda path: _hints_at(path, job))


def _without_allowed(settings: dict[str, Value], allowed: frozenset[str]) -> dict[str, Value]:
    if not allowed:
        return settings
    known = {key: value for key, value in settings.items() if f"job.{key}" not in allowed}
    tasks = cast("list[dict[str, Value]]", known["tasks"])
    known["tasks"] = [{k: v for k, v in task.items() if f"task.{k}" not in allowed} for task in tasks]
    return known


def _hints_at(path: KeyPath, job: Job) -> KeyHints:
    """Returns what the schema cannot say: the level at which a setting belongs, and metadata's own short forms."""
    if not path:
        return _of_job()
    if path[0] != "tasks":
        return KeyHints()
    elsewhere = dict.fromkeys(fields_of("JobSettings"), _IN_JOB)
    also: tuple[str, ...] = ()
    if len(path) == 2 or path[-2:] == ("for_each_task", "task"):
        ours = ("task_key", "depends_on")  # these are written elsewhere
        also = (*(name for name in fields_of("Task") if name not in ours), *DIRECT_NOTEBOOK_FIELDS, "task_type")
    else:
        elsewhere |= dict.fromkeys(fields_of("Task"), _BESIDE_BLOCK)
    if path[-1] == "sql_task":
        also = (*SQL_FORMS, "warehouse_id", "parameters")
    written = job.written_in_task(path)
    return KeyHints(elsewhere, also, tuple(written) if isinstance(written, dict) else ())


@cache
def _of_job() -> KeyHints:
    return KeyHints(dict.fromkeys(fields_of("Task"), _IN_TASK))


_NAMED_THINGS = {"parameters": "name", "job_clusters": "job_cluster_key", "environments": "environment_key"}
"""Lists of a job whose items have names of their own. The databricks CLI merges parameters and clusters of one name."""


def names_are_given_once(job: Job, context: CheckContext) -> Iterator[Diagnostic]:
    """Refuses two job parameters, job clusters or environments of one name."""
    for setting, key in _NAMED_THINGS.items():
        seen: set[str] = set()
        items = job.settings.get(setting)
        for number, item in enumerate(items if isinstance(items, list) else ()):
            name = item.get(key) if isinstance(item, dict) else None
            if not isinstance(name, str):
                continue
            if name in seen:
                message = f"{setting!r} has {quoted(name)} already; the databricks CLI would merge the two in silence"
                yield DUPLICATE_KEY.at(job.origin_of((setting, number, key)), message)
            seen.add(name)


def parameters_reach_their_tasks(job: Job, context: CheckContext) -> Iterator[Diagnostic]:
    """Warns of parameters of a task that one of the job hides.

    https://docs.databricks.com/jobs/job-parameters: "Job parameters take precedence over task parameters."
    """
    declared = job.named("parameters", "name")
    for path, task in job.all_tasks if declared else ():
        for where in _KEYED_PARAMETERS:
            given = value_at(task, where)[1]
            for name, value in given.items() if isinstance(given, dict) else ():
                if name in (declared or ()) and named_by(JOB_PARAMETER, str(value)) != [name]:
                    shown = quoted(masked(value, (name,)))
                    message = (
                        f"the job has a parameter {quoted(name)} too, whose value wins over {shown}, so the "
                        "task never gets its own; give one of the two another name"
                    )
                    yield HIDDEN_PARAMETER.at(job.origin_of((*path, *where, name)), message)


_KEYED_PARAMETERS = (("notebook_task", "base_parameters"), ("python_wheel_task", "named_parameters"))


JOB_CHECKS = (settings_fit_the_schema, names_are_given_once, parameters_reach_their_tasks)
