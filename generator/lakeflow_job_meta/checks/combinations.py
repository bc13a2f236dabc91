"""Settings that are right one by one, and that Databricks refuses together."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

from lakeflow_job_meta._internal.text import listing, quoted
from lakeflow_job_meta._internal.trees import KeyPath, Value, value_at
from lakeflow_job_meta.checks.context import CheckContext
from lakeflow_job_meta.diagnostics.model import Diagnostic
from lakeflow_job_meta.diagnostics.rules import CONFLICTING_SETTINGS, IDLE_SETTING, NO_WORKERS, OUTPUT_ONLY
from lakeflow_job_meta.jobs.build import left_out
from lakeflow_job_meta.jobs.model import Job
from lakeflow_job_meta.jobs.task_types import CLUSTER_FIELDS, REFUSED, RETRIES, Compute, kind_of_task

_PRINCIPALS = ("user_name", "group_name", "service_principal_name")
_DBT = re.compile(r"\s*(dbt\b|\$\{|\{\{)")
_SINGLE_NODE = {
    ("spark_conf", "spark.databricks.cluster.profile"): "singleNode",
    ("custom_tags", "ResourceClass"): "SingleNode",
}
_Conflicts = Iterator[tuple[KeyPath, str]]
"""The path of what is to be changed, and what is wrong with it."""


def settings_go_together(job: Job, context: CheckContext) -> Iterator[Diagnostic]:
    """Refuses settings that Databricks refuses together."""
    for find in _CONFLICTS:
        for path, message in find(job):
            yield CONFLICTING_SETTINGS.at(job.origin_of(path), message)


def _dbt_commands(job: Job) -> _Conflicts:
    """https://docs.databricks.com/jobs/dbt and the Jobs API, `DbtTask`: "All commands must start with dbt"."""
    for path, task in job.all_tasks:
        commands = value_at(task, ("dbt_task", "commands"))[1]
        for number, command in enumerate(commands if isinstance(commands, list) else ()):
            if isinstance(command, str) and not _DBT.match(command):
                yield (
                    (*path, "dbt_task", "commands", number),
                    f"{quoted(command)} does not begin with 'dbt', as it must",
                )


def _iterations(job: Job) -> _Conflicts:
    """https://docs.databricks.com/jobs/for-each: no loop in a loop.

    Jobs API, `ForEachTask.inputs`: "This can be a JSON string or a reference to an array parameter."
    """
    for path, task in job.all_tasks:
        block = task.get("for_each_task")
        if not isinstance(block, dict):
            continue
        if "for_each_task" in path:
            yield (
                (*path, "for_each_task"),
                "a for_each task cannot repeat another for_each task; run a job of its own instead",
            )
        inputs = block.get("inputs")
        if (
            isinstance(inputs, str)
            and not re.search(r"\$\{|\{\{", inputs)
            and (at := _no_json_list(inputs)) is not None
        ):
            message = f'{quoted(inputs, at)} is no JSON list; write one, such as \'["a", "b"]\', or a reference to one'
            yield (*path, "for_each_task", "inputs"), message


def _no_json_list(text: str) -> int | None:
    """Returns where a text is no JSON list; None if it is one."""
    try:
        return None if isinstance(json.loads(text), list) else 0
    except json.JSONDecodeError as error:
        return error.pos
    except (ValueError, RecursionError):  # a number of too many digits, brackets in brackets without end
        return 0


def _kinds(job: Job) -> _Conflicts:
    """Which kind of task takes which settings, and by which source: `COMMON_SETTINGS`."""
    for path, task in job.all_tasks:
        if (kind := kind_of_task(task)) is not None:
            for name, why in REFUSED[kind.block].items():
                if name in task and not _says_nothing(task[name]):
                    yield (*path, name), why.format(name=repr(name), kind=repr(kind.name))


def _says_nothing(value: Value) -> bool:
    """The Jobs API returns maps such as `email_notifications: {}` with every task, and copies of a task have them."""
    return isinstance(value, dict) and not any(value.values())


def _serverless(job: Job) -> _Conflicts:
    """Jobs API: libraries of a task with an environment are the dependencies of that environment."""
    for path, task in job.all_tasks:
        if task.get("environment_key") is not None and "libraries" in task:
            message = "a task with an 'environment_key' takes its libraries from there: 'spec: dependencies'"
            yield (*path, "libraries"), message


def _permissions(job: Job) -> _Conflicts:
    """Permissions API: each is for one principal; a job has one owner, who "cannot be a group"."""
    permissions = job.settings.get("permissions")
    owners = 0
    for number, each in enumerate(permissions if isinstance(permissions, list) else ()):
        if not isinstance(each, dict) or each.get("level") is None:
            continue
        path, given = ("permissions", number), [name for name in _PRINCIPALS if each.get(name) is not None]
        if len(given) != 1:
            yield path, f"a permission is for one of {listing(_PRINCIPALS)}, but here are {listing(given) or 'none'}"
        if each["level"] == "IS_OWNER":
            owners += 1
            if given == ["group_name"]:
                yield (*path, "group_name"), "a group cannot own a job; name a user or a service principal"
            if owners > 1:
                yield (*path, "level"), "a job has one owner, but here is another"


def _continuous(job: Job) -> _Conflicts:
    """https://docs.databricks.com/jobs/continuous: one run at a time, and neither dependencies nor retry policies."""
    if not isinstance(job.settings.get("continuous"), dict):
        return
    runs = job.settings.get("max_concurrent_runs")
    if isinstance(runs, int) and runs > 1:
        yield ("max_concurrent_runs",), f"a continuous job has one run at a time, not {runs}"
    waiting = next((task for _, task in job.all_tasks if task.get("depends_on")), None)
    if waiting is not None:
        message = f"tasks of a continuous job cannot wait for each other, but {quoted(waiting.get('task_key'))} does"
        yield ("continuous",), message
    for path, task in job.all_tasks:
        for name in RETRIES:
            if task.get(name):
                yield (*path, name), f"a continuous job tries again by itself, and takes no {name!r}"


_CONFLICTS: tuple[Callable[[Job], _Conflicts], ...] = (
    _dbt_commands,
    _iterations,
    _kinds,
    _serverless,
    _permissions,
    _continuous,
)


def clusters_have_workers(job: Job, context: CheckContext) -> Iterator[Diagnostic]:
    """Warns of `num_workers: 0` without what makes a single node of a cluster, as the databricks CLI does.

    https://docs.databricks.com/compute/configure#single-node: without it nobody runs what Spark hands out.
    """
    shared = job.settings.get("job_clusters")
    items = enumerate(shared if isinstance(shared, list) else ())
    holders = [*job.all_tasks, *((("job_clusters", number), each) for number, each in items if isinstance(each, dict))]
    for path, holder in holders:
        cluster = holder.get("new_cluster")
        if isinstance(cluster, dict) and cluster.get("num_workers") == 0 and not _is_single_node(cluster):
            message = (
                "no worker runs anything; for a single node give 'spark_conf: {spark.databricks.cluster.profile: "
                "singleNode, spark.master: \"local[*]\"}' and 'custom_tags: {ResourceClass: SingleNode}'"
            )
            yield NO_WORKERS.at(job.origin_of((*path, "new_cluster", "num_workers")), message)


def _is_single_node(cluster: dict[str, Value]) -> bool:
    if cluster.get("is_single_node") is True or cluster.get("policy_id"):
        return True
    master = value_at(cluster, ("spark_conf", "spark.master"))[1]
    return str(master).startswith("local") and all(
        value_at(cluster, path)[1] == each for path, each in _SINGLE_NODE.items()
    )


def retries_have_an_effect(job: Job, context: CheckContext) -> Iterator[Diagnostic]:
    """Warns of settings for retries of a task that is never tried again, or that never times out.

    Jobs API, `max_retries`: "The default behavior is to not retry"; `timeout_seconds`: 0 means no timeout. What runs on
    serverless compute is tried again by default (https://docs.databricks.com/jobs/run-serverless-jobs). What the
    project file gives to many tasks need not have an effect on each.
    """
    for path, task in job.all_tasks:
        settings = ("min_retry_interval_millis", "retry_on_timeout")
        # A text is a reference to what nobody knows here, or of the wrong type.
        for name in [name for name in settings if isinstance(value := task.get(name), (int, bool)) and value]:
            origin = job.origin_of((*path, name), of_key=True)
            if name == "retry_on_timeout" and not task.get("timeout_seconds"):
                missing = "the task never times out: give it 'timeout_seconds'"
            elif not task.get("max_retries") and not _tries_again_by_itself(task):
                missing = "the task is never tried again: give it 'max_retries'"
            else:
                continue
            if origin.document is not context.project.origin.document:
                yield IDLE_SETTING.at(origin, f"{name!r} has no effect, since {missing}, or leave this out")


def _tries_again_by_itself(task: dict[str, Value]) -> bool:
    kind = kind_of_task(task)
    may_be_serverless = kind is not None and kind.compute not in (Compute.NONE, Compute.CLUSTER)
    is_off = task.get("max_retries") == 0 or task.get("disable_auto_optimization") is True
    return may_be_serverless and not is_off and not any(task.get(name) is not None for name in CLUSTER_FIELDS)


def settings_are_ours_to_set(job: Job, context: CheckContext) -> Iterator[Diagnostic]:
    """Warns of what Databricks returns with a job and takes from nobody; the job is made without."""
    for name in left_out(context.project):
        if name in job.module.job_config:
            origin = job.module.origin.key("job_config", name)
            yield OUTPUT_ONLY.at(origin, f"{name!r} is set by Databricks or its CLI alone, and left out; delete it")


JOB_CHECKS = (settings_go_together, clusters_have_workers, retries_have_an_effect, settings_are_ours_to_set)
