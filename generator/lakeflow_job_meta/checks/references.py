"""References inside settings: `${...}`, which the databricks CLI resolves, and `{{...}}`, which Databricks does.

The CLI's `validate` passes a wrong reference and `plan` fails on it; a wrong dynamic value is found when the job runs.
"""

from __future__ import annotations

import marshal
import re
from collections.abc import Iterator

from lakeflow_job_meta._internal.graphs import reachable
from lakeflow_job_meta._internal.text import did_you_mean, quoted
from lakeflow_job_meta._internal.trees import KeyPath, Value, texts_in
from lakeflow_job_meta.checks.context import CheckContext
from lakeflow_job_meta.diagnostics.model import Diagnostic
from lakeflow_job_meta.diagnostics.rules import (
    NOT_UPSTREAM,
    REFERENCE_IN_SQL,
    UNKNOWN_PARAMETER,
    UNKNOWN_REFERENCE,
)
from lakeflow_job_meta.jobs.model import Job
from lakeflow_job_meta.jobs.references import JOB_PARAMETER, REFERENCE, REFERENCE_KINDS, TASK_VALUE
from lakeflow_job_meta.jobs.task_types import INLINE_SQL

Texts = list[tuple[KeyPath, str]]
"""Texts that may hold a reference, with their paths in the job."""


def references_are_right(job: Job, context: CheckContext) -> Iterator[Diagnostic]:
    """Checks every reference in the settings, which are gone through only once, and only if there is one."""
    # The fastest way to have all texts together; that a number may look like a sign there does no harm.
    together = marshal.dumps(job.settings, 2)
    may_be = b"${" in together or b"{{" in together
    texts = [(path, text) for path, text in texts_in(job.settings) if "${" in text or "{{" in text] if may_be else []
    yield from bundle_references_resolve(job, texts, context)
    yield from job_parameters_are_declared(job, texts)
    yield from task_values_come_from_upstream(job, texts)


def bundle_references_resolve(job: Job, texts: Texts, context: CheckContext) -> Iterator[Diagnostic]:
    """Checks each `${...}` against what the bundle declares."""
    for path, text in texts:
        for match in REFERENCE.finditer(text):
            problem = _problem(match.group(1), context)
            if problem is not None:
                yield UNKNOWN_REFERENCE.at(job.origin_of(path), problem)


def _problem(reference: str, context: CheckContext) -> str | None:
    parts = re.sub(r"\[[0-9]+\]", "", reference).split(".")
    kind, bundle = parts[0], context.bundle
    shown = quoted(f"${{{reference}}}")
    if kind not in REFERENCE_KINDS:
        hint = did_you_mean(kind, REFERENCE_KINDS) or f"; known are {', '.join(REFERENCE_KINDS)}"
        return f"{shown} is no reference that a bundle resolves{hint}"
    if kind in ("var", "variables") and bundle.variables is not None and len(parts) > 1:
        if parts[1] not in bundle.variables:
            hint = did_you_mean(parts[1], sorted(bundle.variables))
            return f"the variable of {shown} is not declared in databricks.yml{hint}"
    elif kind == "resources" and len(parts) > 2:
        return _resource_problem(parts[1], parts[2], shown, context)
    return None


def _resource_problem(kind: str, key: str, shown: str, context: CheckContext) -> str | None:
    declared = context.bundle.resources
    if kind == "jobs" and key in context.others.job_keys:
        return None
    if declared is None or (kind, key) in declared:
        return None
    known = [*sorted(context.others.job_keys)] if kind == "jobs" else []
    known += sorted(other for other_kind, other in declared if other_kind == kind)
    if kind == "jobs":
        return f"{shown} names a job that no module and no file of the bundle makes{did_you_mean(key, known)}"
    return f"{shown} names nothing in the bundle{did_you_mean(key, known)}"


def sql_holds_no_references(job: Job, context: CheckContext) -> Iterator[Diagnostic]:
    """Refuses bundle references inside inline SQL; the older `${name}` of notebooks is left alone."""
    for path, _ in job.all_tasks:
        sql = job.written_in_task(path, "sql_task", INLINE_SQL)
        for match in REFERENCE.finditer(sql) if isinstance(sql, str) else ():
            if match.group(1).split(".")[0] in REFERENCE_KINDS and "." in match.group(1):
                origin = job.origin_of((*path, "sql_task", "file"))
                message = (
                    f"{quoted(match.group())} inside SQL is not resolved; give it in 'parameters' and write ':name'"
                )
                yield REFERENCE_IN_SQL.at(origin, f"{message} (or 'IDENTIFIER(:name)' for the name of a table)")


def job_parameters_are_declared(job: Job, texts: Texts) -> Iterator[Diagnostic]:
    """Refuses {{job.parameters.x}} where the job has no parameter x."""
    declared = job.named("parameters", "name")
    for path, text in texts if declared is not None else ():
        for name in JOB_PARAMETER.findall(text):
            if name not in (declared or ()):
                hint = did_you_mean(name, sorted(declared or ())) or "; the job declares none"
                message = f"the job has no parameter {quoted(name)}{hint}"
                yield UNKNOWN_PARAMETER.at(job.origin_of(path), message)


def task_values_come_from_upstream(job: Job, texts: Texts) -> Iterator[Diagnostic]:
    """Refuses {{tasks.t...}} where t is not waited for."""
    found = [(path, name) for path, text in texts for name in TASK_VALUE.findall(text) if path[0] == "tasks"]
    before = {str(task["task_key"]): _waits_for(task) for task in job.tasks} if found else {}
    for path, name in found:
        key = str(job.tasks[int(path[1])]["task_key"])
        if name not in before:
            hint = did_you_mean(name, [other for other in before if other != key])
            yield NOT_UPSTREAM.at(job.origin_of(path), f"the job has no task {quoted(name)}{hint}")
        elif name not in reachable(before[key], before):
            message = f"{key!r} does not wait for {name!r}, so there is no value of it yet; add it to 'depends_on'"
            yield NOT_UPSTREAM.at(job.origin_of(path), message)


def _waits_for(task: dict[str, Value]) -> list[str]:
    edges = task.get("depends_on", [])
    return [str(edge["task_key"]) for edge in edges if isinstance(edge, dict)] if isinstance(edges, list) else []


JOB_CHECKS = (references_are_right, sql_holds_no_references)
