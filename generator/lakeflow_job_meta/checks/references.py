"""References: `${...}`, which the databricks CLI resolves, `{{...}}`, which Databricks does, other jobs and targets.

The CLI's `validate` passes a wrong reference and `plan` fails on it; a wrong dynamic value is found when the job runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from lakeflow_job_meta._internal.graphs import reachable, shortest_path
from lakeflow_job_meta._internal.text import circle, did_you_mean, quoted
from lakeflow_job_meta._internal.trees import KeyPath, Value, texts_in, value_at
from lakeflow_job_meta.checks.context import CheckContext
from lakeflow_job_meta.diagnostics import rules
from lakeflow_job_meta.diagnostics.model import Diagnostic, nearest
from lakeflow_job_meta.jobs.model import Job
from lakeflow_job_meta.jobs.references import (
    JOB_ID,
    JOB_PARAMETER,
    REFERENCE,
    REFERENCE_KINDS,
    TASK_VALUE,
    named_by,
)
from lakeflow_job_meta.jobs.task_types import INLINE_SQL
from lakeflow_job_meta.parsing.keys import TaskKeys, task_key_hint
from lakeflow_job_meta.schema.validator import types_in_job

_FIELDS = {
    "bundle": (
        *("name", "target", "environment", "mode", "git", "uuid", "cluster_id", "compute_id", "engine", "deployment"),
        *("databricks_cli_version", "force", "terraform"),
    ),
    "workspace": (
        *("host", "profile", "root_path", "file_path", "resource_path", "artifact_path", "state_path", "current_user"),
        *("snapshot_path", "account_id", "workspace_id", "auth_type", "client_id", "google_service_account"),
        *("azure_workspace_resource_id", "azure_use_msi", "azure_client_id", "azure_tenant_id", "azure_environment"),
        *("azure_login_app_id", "metadata_service_url", "experimental_is_unified_host"),
    ),
}
"""What the configuration of the databricks CLI 1.14 has there; its plan fails on anything else."""

_JOB_THAT_RUNS = ("run_job_task", "job_id")

_INPUT = re.compile(r"\{\{\s*input(\.[^{}]*)?\s*\}\}")

Texts = list[tuple[KeyPath, str]]
"""Texts that may hold a reference, with their paths in the job."""


def references_are_right(job: Job, context: CheckContext) -> Iterator[Diagnostic]:
    """Checks every reference in the settings, which are gone through only once, and only if there is one."""
    together = job.all_texts
    may_be = b"${" in together or b"{{" in together
    texts = [(path, text) for path, text in texts_in(job.settings) if "${" in text or "{{" in text] if may_be else []
    yield from bundle_references_resolve(job, texts, context)
    yield from job_parameters_are_declared(job, texts)
    yield from task_values_come_from_upstream(job, texts, context.project.task_keys)
    for path, text in texts:
        if _INPUT.search(text) and path[2:4] != ("for_each_task", "task"):
            message = "'{{input}}' is the item of a for_each task, and nothing outside of what it repeats"
            yield rules.UNKNOWN_REFERENCE.at(job.origin_of(path), message)


def bundle_references_resolve(job: Job, texts: Texts, context: CheckContext) -> Iterator[Diagnostic]:
    """Checks each `${...}` against what the bundle declares."""
    for path, match in ((path, match) for path, text in texts for match in REFERENCE.finditer(text)):
        if match.group(1).startswith(f"resources.jobs.{job.key}.") and path[-2:] != _JOB_THAT_RUNS:
            message = f"{quoted(match.group())} is the job itself, which is not known before it is created"
            yield rules.UNKNOWN_REFERENCE.at(job.origin_of(path), f"{message}; use '{{{{job.id}}}}'")
        elif (problem := _problem(match.group(1), context)) is not None and not _runs_unknown(job, path, context):
            yield rules.UNKNOWN_REFERENCE.at(job.origin_of(path), problem)
        elif match.group() == match.string and (problem := _type_problem(match.group(1), path, context)) is not None:
            yield rules.WRONG_TYPE.at(job.origin_of(path), problem)


def _type_problem(reference: str, path: KeyPath, context: CheckContext) -> str | None:
    """Says why a reference cannot be the whole of a setting: a text for a list or map, or the other way round.

    The databricks CLI leaves such a setting out, and only warns.
    """
    kind, _, name = reference.partition(".")
    types = types_in_job(tuple(0 if isinstance(step, int) else step for step in path))
    if not types or kind not in ("var", "bundle", "workspace") or (kind == "var" and context.bundle.variables is None):
        return None
    wanted = {"array": "a list", "object": "a map"}.get(next(iter(types)), "a single value")
    shown, is_single, known = quoted(f"${{{reference}}}"), "single" in wanted, context.bundle.complex_variables
    if kind == "var" and is_single and name in known:
        return f"{wanted} is wanted here, but {shown} is a complex variable"
    if is_single or (kind == "var" and re.split(r"[.\[]", name, maxsplit=1)[0] in known):
        return None
    way = f"; give the variable 'type: complex' and {wanted} as its value" if kind == "var" else ""
    return f"{wanted} is wanted here, but {shown} is a single value{way}"


def _problem(reference: str, context: CheckContext) -> str | None:
    parts = re.sub(r"\[[0-9]+\]", "", reference).split(".")
    kind, bundle = parts[0], context.bundle
    shown = quoted(f"${{{reference}}}")
    if kind not in REFERENCE_KINDS:
        return f"{shown} is no reference that a bundle resolves{did_you_mean(kind, REFERENCE_KINDS)}"
    if kind in ("var", "variables") and bundle.variables is not None and len(parts) > 1:
        if parts[1] not in bundle.variables:
            hint = did_you_mean(parts[1], sorted(bundle.variables))
            return f"the variable of {shown} is not declared in databricks.yml{hint}"
    elif kind in _FIELDS and len(parts) > 1 and parts[1] not in _FIELDS[kind]:
        return f"there is nothing like {shown}{did_you_mean(parts[1], _FIELDS[kind])}"
    elif kind == "resources" and len(parts) > 2:
        return _resource_problem(parts[1], parts[2], shown, context)
    return None


def _resource_problem(kind: str, key: str, shown: str, context: CheckContext) -> str | None:
    declared = context.bundle.resources
    if (kind == "jobs" and key in context.others.job_keys) or declared is None or (kind, key) in declared:
        return None
    known = sorted(other for other_kind, other in declared if other_kind == kind)
    if kind == "jobs":
        known = [*context.others.sorted_job_keys, *known]
        return f"{shown} names a job that no module and no file of the bundle makes{did_you_mean(key, known)}"
    return f"{shown} names nothing in the bundle{did_you_mean(key, known)}"


def sql_holds_no_references(job: Job, context: CheckContext) -> Iterator[Diagnostic]:
    """Refuses bundle references inside inline SQL; the older `${name}` of notebooks is left alone."""
    for path, task in job.all_tasks:
        sql = job.written_in_task(path, "sql_task", INLINE_SQL) if "sql_task" in task else None
        for match in REFERENCE.finditer(sql) if isinstance(sql, str) else ():
            if match.group(1).split(".")[0] in REFERENCE_KINDS and "." in match.group(1):
                origin = job.origin_of((*path, "sql_task", "file"))
                advice = "give it in 'parameters' and write ':name' (or 'IDENTIFIER(:name)' for the name of a table)"
                if job.task_origins[int(path[1])].source.follows is not None:
                    advice = "write 'IDENTIFIER(:ljm_table)' for the table of the source"
                message = f"{quoted(match.group())} inside SQL is not resolved; {advice}"
                yield rules.REFERENCE_IN_SQL.at(origin, message)


def job_parameters_are_declared(job: Job, texts: Texts) -> Iterator[Diagnostic]:
    """Refuses {{job.parameters.x}} where the job has no parameter x."""
    declared = job.named("parameters", "name")
    for path, text in texts if declared is not None else ():
        for name in named_by(JOB_PARAMETER, text):
            if name not in (declared or ()):
                hint = did_you_mean(name, sorted(declared or ())) or "; the job declares none"
                message = f"the job has no parameter {quoted(name)}{hint}"
                yield rules.UNKNOWN_PARAMETER.at(job.origin_of(path), message)


def task_values_come_from_upstream(job: Job, texts: Texts, style: TaskKeys) -> Iterator[Diagnostic]:
    """Refuses {{tasks.t...}} where t is not waited for."""
    found = [(path, name) for path, text in texts for name in named_by(TASK_VALUE, text) if path[0] == "tasks"]
    before = {str(task["task_key"]): _waits_for(task) for task in job.tasks} if found else {}
    for path, name in found:
        key = str(job.tasks[int(path[1])]["task_key"])
        if name not in before:
            hint = task_key_hint(name, before, style) or did_you_mean(name, before, besides=key)
            yield rules.NOT_UPSTREAM.at(job.origin_of(path), f"the job has no task {quoted(name)}{hint}")
        elif name not in reachable(before[key], before):
            message = f"{key!r} does not wait for {name!r}, so there is no value of it yet; add it to 'depends_on'"
            yield rules.NOT_UPSTREAM.at(job.origin_of(path), message)


def _waits_for(task: dict[str, Value]) -> list[str]:
    edges = task.get("depends_on", [])
    return [str(edge["task_key"]) for edge in edges if isinstance(edge, dict)] if isinstance(edges, list) else []


def jobs_run_by(job: Job) -> Iterator[tuple[KeyPath, str]]:
    """Yields the keys of the bundle's jobs that a job runs, with the paths of the settings that run them."""
    for path, task in job.all_tasks:
        job_id = value_at(task, _JOB_THAT_RUNS)[1] if "run_job_task" in task else None
        match = JOB_ID.fullmatch(job_id) if isinstance(job_id, str) else None
        if match:
            yield (*path, *_JOB_THAT_RUNS), match.group(1)


def modules_that_are_run_exist(job: Job, context: CheckContext) -> Iterator[Diagnostic]:
    """Refuses run_job_task with a module_name that nobody has."""
    for path in ((*path, *_JOB_THAT_RUNS) for path, task in job.all_tasks if "run_job_task" in task):
        if _runs_unknown(job, path, context):
            name = str(_module_that_runs(job, path))
            hint = did_you_mean(name, context.others.names, besides=job.module.module_name)
            yield rules.UNKNOWN_MODULE.at(job.origin_of(path), f"there is no module {quoted(name)}{hint}")


def _runs_unknown(job: Job, path: KeyPath, context: CheckContext) -> bool:
    """Says whether a setting is the job of a module that nobody has."""
    name = _module_that_runs(job, path) if path[-2:] == _JOB_THAT_RUNS and path[0] == "tasks" else None
    return isinstance(name, str) and name not in context.others.keys


def _module_that_runs(job: Job, path: KeyPath) -> object:
    return job.written_in_task(path[:-2], "run_job_task", "module_name")


def no_circle_of_jobs(job: Job, context: CheckContext) -> Iterator[Diagnostic]:
    """Refuses jobs that run each other in a circle; each job of the circle is reported."""
    for path, key in jobs_run_by(job):
        if (back := shortest_path(key, job.key, context.others.runs)) is not None:
            shown = circle([job.key, *back[:-1]])
            yield rules.RUN_JOB_CYCLE.at(job.origin_of(path), f"jobs run each other without end: {shown}")
        elif (back := shortest_path(key, job.key, context.others.starts)) is not None:
            shown = circle([job.key, *back[:-1]])
            yield rules.RUN_JOB_CYCLE.at(job.origin_of(path), f"jobs start each other without end: {shown}")
    for name, ref in job.module.after.modules:
        key = context.others.keys.get(name, "")
        if key != job.key and (forth := shortest_path(job.key, key, context.others.starts)) is not None:
            yield rules.RUN_JOB_CYCLE.at(ref, f"jobs start each other without end: {circle(forth)}")


MOST_NESTED = 3
"""https://docs.databricks.com/jobs/run-job: "Databricks does not support jobs [...] that nest more than three Run Job
tasks", and "might block deploying jobs with this pattern in a future release"."""


def runs_are_not_too_deep(job: Job, context: CheckContext) -> Iterator[Diagnostic]:
    """Warns of jobs that run jobs that run jobs, and so on."""
    for path, key in jobs_run_by(job):
        chain = _deepest([job.key, key], context.others.runs)
        if len(chain) > MOST_NESTED + 1:
            shown = " -> ".join(chain)
            message = f"jobs run jobs more than {MOST_NESTED} levels deep, which Databricks does not support: {shown}"
            yield rules.DEEP_RUNS.at(job.origin_of(path), message)


def _deepest(start: list[str], runs: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Returns a chain of jobs that run each other and that is too long; a longest one where none is.

    Jobs that run each other in a circle are no chain.
    """
    chains = [start]
    for _ in range(MOST_NESTED):
        longer = {each: [*c, each] for c in chains for each in runs.get(c[-1], ()) if each not in c}
        if not longer:
            break
        chains = [*longer.values()]
    return chains[0]


def key_is_free(job: Job, context: CheckContext) -> Iterator[Diagnostic]:
    """Refuses the key of another resource of the bundle: the databricks CLI wants each once, whatever its kind."""
    for kind, key in context.bundle.resources or ():
        if key == job.key and kind != "jobs":
            message = f"the job's key {quoted(key)} is that of one of the {kind} of the bundle; rename one of the two"
            yield rules.JOB_KEY_COLLISION.at(job.module.origin.at("module_name"), message)


def targets_exist(job: Job, context: CheckContext) -> Iterator[Diagnostic]:
    """Refuses targets that the bundle does not have."""
    known = context.bundle.targets
    module = job.module
    listed = [(target, module.origin.at("targets", number)) for number, target in enumerate(module.targets)]
    keys = [("targets", target) for target in module.by_target] + [("adopt", target) for target in module.adopt]
    for target, origin in (*listed, *((key[1], module.origin.key(*key)) for key in keys)):
        if known is not None and target not in known:
            hint = did_you_mean(target, sorted(known))
            message = f"databricks.yml has no target {quoted(target)}{hint}"
            yield rules.UNKNOWN_TARGET.at(origin, message, nearest(target, known))


def sources_of_targets_exist(job: Job, context: CheckContext) -> Iterator[Diagnostic]:
    """Refuses what is written for a target about a source that the module does not have."""
    module = job.module
    known = [source.source_id for source in module.sources if source.follows is None]
    for target, own in module.by_target.items():
        sources = own.get("sources") if isinstance(own, dict) else None
        for source_id in sources if isinstance(sources, dict) else ():
            if source_id not in known:
                message = f"the module has no source {quoted(source_id)}{did_you_mean(source_id, known)}"
                origin = module.origin.key("targets", target, "sources", source_id)
                yield rules.UNKNOWN_FIELD.at(origin, message)


def presets_exist(job: Job, context: CheckContext) -> Iterator[Diagnostic]:
    """Refuses presets that the project file does not have."""
    known = [preset.name for preset in context.project.presets]
    for number, name in enumerate(job.module.presets):
        if name not in known:
            hint = did_you_mean(name, known) or "; write it below 'presets:' in job_meta.yml"
            message = f"there is no preset {quoted(name)}{hint}"
            yield rules.UNKNOWN_PRESET.at(job.module.origin.at("presets", number), message, nearest(name, known))


JOB_CHECKS = (
    presets_exist,
    references_are_right,
    sql_holds_no_references,
    modules_that_are_run_exist,
    no_circle_of_jobs,
    runs_are_not_too_deep,
    key_is_free,
    targets_exist,
    sources_of_targets_exist,
)
