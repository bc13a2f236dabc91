"""Secrets in plain text: in what the job is made of, and in what only stays in the control table for its notebooks."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

from lakeflow_job_meta._internal.secret_signs import Found, may_hold_secrets
from lakeflow_job_meta.checks.context import CheckContext
from lakeflow_job_meta.diagnostics.model import Diagnostic, SourceRef
from lakeflow_job_meta.diagnostics.rules import SECRET_IN_METADATA
from lakeflow_job_meta.jobs.model import Job
from lakeflow_job_meta.jobs.task_types import INLINE_SQL
from lakeflow_job_meta.parsing.model import Module

_RESOLVED_IN = ("spark_conf", "spark_env_vars", "docker_image")
"""Where Databricks resolves `{{secrets/...}}`: https://docs.databricks.com/security/secrets/secrets-spark-conf-env-var
and https://docs.databricks.com/compute/custom-containers."""

_IN_CLUSTER = "write '{{secrets/SCOPE/KEY}}'"
_IN_SQL = "write \"secret('SCOPE', 'KEY')\""
_IN_NOTEBOOK = "write the names of its scope and key, for 'dbutils.secrets.get' in the notebook"
_IN_JOB = "write a bundle variable, '${var.NAME}', or the names of its scope and key, for 'dbutils.secrets.get'"
_IN_NAME = "call it something else"
_Place = tuple[Found, SourceRef, str]
"""A secret, where it stands, and what to do instead."""


def holds_no_secrets(job: Job, context: CheckContext) -> Iterator[Diagnostic]:
    """Refuses secrets; their values are in no message."""
    if may_hold_secrets(job.all_texts):
        yield from _reported(itertools.chain(_in_job(job), _in_module(job.module)))


def module_holds_no_secrets(module: Module) -> Iterator[Diagnostic]:
    """Refuses secrets in a module of which no job is made, since none of its sources is active."""
    yield from _reported(itertools.chain(_in_job_config(module), _in_module(module)))


def _reported(places: Iterable[_Place]) -> Iterator[Diagnostic]:
    seen: set[tuple[SourceRef, str]] = set()
    for found, origin, advice in places:
        if (origin, found.kind) not in seen:
            seen.add((origin, found.kind))
            advice = _IN_NAME if found.is_key else advice
            message = f"{found.kind} is a secret in plain text, which everybody can read here; {advice}"
            yield SECRET_IN_METADATA.at(origin, message)


def _secrets_in(value: object) -> Iterator[Found]:
    from lakeflow_job_meta._internal.secret_forms import secrets_in  # most projects have nothing to look through

    return secrets_in(value)


def _in_job(job: Job) -> Iterator[_Place]:
    for found in _secrets_in(job.settings):
        advice = _IN_CLUSTER if any(step in _RESOLVED_IN for step in found.path) else _IN_JOB
        yield found, job.origin_of(found.path, of_key=found.is_key), advice
    for path, _ in job.all_tasks:
        for found in _secrets_in(job.written_in_task(path, "sql_task", INLINE_SQL)):
            yield found, job.origin_of((*path, "sql_task", "file")), _IN_SQL


def _in_job_config(module: Module) -> Iterator[_Place]:
    for name, value in (("job_config", module.job_config), ("description", module.description)):
        for found in _secrets_in(value):
            yield found, _at(module.origin, (name, *found.path), found), _IN_JOB


def _in_module(module: Module) -> Iterator[_Place]:
    """Yields what stands beside the settings of the job: its name, and what is only kept for notebooks."""
    for found in _secrets_in(module.module_name):
        yield found, module.origin.at("module_name"), _IN_NAME
    for source in module.sources:
        for found in _secrets_in(source.only_kept):
            yield found, _at(source.origin, found.path, found), _IN_NOTEBOOK


def _at(origin: SourceRef, path: tuple[str | int, ...], found: Found) -> SourceRef:
    return origin.key(*path) if found.is_key else origin.at(*path)


JOB_CHECKS = (holds_no_secrets,)
