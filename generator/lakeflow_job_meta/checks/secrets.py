"""Secrets in plain text: in what the job is made of, and in what only stays in the control table for its notebooks."""

from __future__ import annotations

from collections.abc import Iterator

from lakeflow_job_meta._internal.secret_forms import Found, may_hold_secrets, secrets_in
from lakeflow_job_meta.checks.context import CheckContext
from lakeflow_job_meta.diagnostics.model import Diagnostic, SourceRef
from lakeflow_job_meta.diagnostics.rules import SECRET_IN_METADATA
from lakeflow_job_meta.jobs.model import Job
from lakeflow_job_meta.jobs.task_types import INLINE_SQL

_RESOLVED_IN = ("spark_conf", "spark_env_vars", "docker_image")
"""Where Databricks resolves `{{secrets/...}}`: https://docs.databricks.com/security/secrets/secrets-spark-conf-env-var
and https://docs.databricks.com/compute/custom-containers."""

_IN_CLUSTER = "write '{{secrets/SCOPE/KEY}}'"
_IN_SQL = "write \"secret('SCOPE', 'KEY')\""
_IN_NOTEBOOK = "write the names of its scope and key, for 'dbutils.secrets.get' in the notebook"
_IN_JOB = "write a bundle variable, '${var.NAME}', or the names of its scope and key, for 'dbutils.secrets.get'"


def holds_no_secrets(job: Job, context: CheckContext) -> Iterator[Diagnostic]:
    """Refuses secrets; their values are in no message."""
    if not may_hold_secrets(job.all_texts):
        return
    seen: set[tuple[SourceRef, str]] = set()
    for found, origin, advice in _found(job):
        if (origin, found.kind) not in seen:
            seen.add((origin, found.kind))
            message = f"{found.kind} is a secret in plain text, which everybody can read here; {advice}"
            yield SECRET_IN_METADATA.at(origin, message)


def _found(job: Job) -> Iterator[tuple[Found, SourceRef, str]]:
    for found in secrets_in(job.settings):
        advice = _IN_CLUSTER if any(step in _RESOLVED_IN for step in found.path) else _IN_JOB
        yield found, job.origin_of(found.path), advice
    for path, _ in job.all_tasks:
        for found in secrets_in(job.written_in_task(path, "sql_task", INLINE_SQL)):
            yield found, job.origin_of((*path, "sql_task", "file")), _IN_SQL
    for source in job.module.sources:
        for found in secrets_in(source.only_kept):
            yield found, source.origin.at(*found.path), _IN_NOTEBOOK


JOB_CHECKS = (holds_no_secrets,)
