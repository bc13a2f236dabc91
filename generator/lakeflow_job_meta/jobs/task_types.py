"""The kinds of tasks, the conveniences that some have in metadata, and which settings beside its block each kind takes.

A new kind of task is a new row in `TASK_TYPES`. What its block may hold is not written here: that is in the schema.
What may stand beside the block is in `COMMON_SETTINGS`, and asked of nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from lakeflow_job_meta._internal.trees import Value
from lakeflow_job_meta.jobs.layers import Moves

Block = dict[str, Value]


@dataclass(frozen=True, slots=True)
class TaskContext:
    """What a convenience may need.

    Attributes:
        added_parameters: What notebooks get: the `source_id` as written, and the control table where there is one.
        warehouse_id: The project's default.
        sql_path: Where inline SQL of this task is put.
        job_key_of: Returns the key of the job of another module.
    """

    added_parameters: dict[str, Value]
    warehouse_id: str | None
    sql_path: str
    job_key_of: Callable[[str], str]


class Compute(Enum):
    """What a kind of task runs on.

    The databricks CLI has the same in `isComputeTask` (bundle/config/validate/job_task_cluster_spec.go): notebooks may,
    and wheels, dbt, JARs, Python files and spark-submit must name a cluster or an environment. AI Runtime tasks get an
    `environment_key` and no cluster there (experimental/air/cmd/convert_to_dabs.go).
    """

    NONE = "no compute of its own"
    SERVERLESS = "serverless, with an environment_key"
    OPTIONAL = "a cluster, or serverless when none is named"
    ENVIRONMENT = "a cluster, or serverless with an environment_key"
    CLUSTER = "a cluster"


@dataclass(frozen=True, slots=True)
class TaskType:
    """One kind of task.

    Attributes:
        name: What `task_type` calls it.
        block: The field of the Jobs API that holds it.
        prepare: Turns the metadata's form of the block into that of the Jobs API; None where they are the same.
    """

    name: str
    block: str
    compute: Compute = Compute.NONE
    prepare: Callable[[Block, TaskContext], Block] | None = None


DIRECT_NOTEBOOK_FIELDS = ("notebook_path", "base_parameters")
"""These may stand directly in `transformation_config`, as in the original format."""

CLUSTER_FIELDS = ("existing_cluster_id", "job_cluster_key", "new_cluster")
COMPUTE_FIELDS = (*CLUSTER_FIELDS, "compute", "environment_key")
"""Each names what a task runs on; a default for one of them yields to a task that names another."""

RETRIES = ("max_retries", "min_retry_interval_millis", "retry_on_timeout", "disable_auto_optimization")
"""When a task is tried again. Auto-optimization of serverless compute is a retry too:
https://docs.databricks.com/jobs/run-serverless-jobs."""

ADDED_PARAMETERS = ("source_id", "control_table")
"""The parameters of notebooks that are added."""

INLINE_SQL = "sql_query"
SQL_FORMS = ("sql_query", "sql_file_path", "query_id", "file", "query", "dashboard", "alert")
"""What a `sql_task` can run; exactly one of them."""


def _prepare_notebook(block: Block, context: TaskContext) -> Block:
    """Adds the parameters by which a notebook finds its row in the control table; its own win, null takes one away."""
    own = block.get("base_parameters")
    if own is not None and not isinstance(own, dict):
        return block
    parameters = {**context.added_parameters, **(own or {})}
    left: dict[str, Value] = {
        name: value for name, value in parameters.items() if value is not None or name not in ADDED_PARAMETERS
    }
    if left or own == {}:
        return {**block, "base_parameters": left}
    return {name: value for name, value in block.items() if name != "base_parameters"}


def _prepare_sql(block: Block, context: TaskContext) -> Block:
    """Adds the default warehouse, and turns the short forms of SQL into those of the Jobs API."""
    own = block.get("warehouse_id")
    warehouse_id = context.warehouse_id if own is None else own
    result: Block = {} if warehouse_id is None else {"warehouse_id": warehouse_id}
    for key, value in block.items():
        if key == INLINE_SQL:
            # A project may set a git_source, which would be looked in by default.
            result["file"] = {"path": context.sql_path, "source": "WORKSPACE"}
        elif key == "sql_file_path":
            result["file"] = {"path": value}
        elif key == "query_id":
            result["query"] = {"query_id": value}
        elif key != "warehouse_id":
            result[key] = value
    return result


def _prepare_run_job(block: Block, context: TaskContext) -> Block:
    """Turns the name of a module into a reference to its job."""
    name = block.get("module_name")
    if not isinstance(name, str):
        return block
    job_id = f"${{resources.jobs.{context.job_key_of(name)}.id}}"
    return {"job_id": job_id, **{key: value for key, value in block.items() if key != "module_name"}}


def _prepare_for_each(block: Block, context: TaskContext) -> Block:
    """Writes a list of inputs as the JSON text that the Jobs API takes."""
    inputs = block.get("inputs")
    return {**block, "inputs": json.dumps(inputs, ensure_ascii=False)} if isinstance(inputs, list) else block


TASK_TYPES = (
    TaskType("notebook", "notebook_task", Compute.OPTIONAL, _prepare_notebook),
    TaskType("sql_query", "sql_task", Compute.NONE, _prepare_sql),
    TaskType("sql_file", "sql_task", Compute.NONE, _prepare_sql),
    TaskType("sql", "sql_task", Compute.NONE, _prepare_sql),
    TaskType("python_script", "spark_python_task", Compute.ENVIRONMENT),
    TaskType("python_wheel", "python_wheel_task", Compute.ENVIRONMENT),
    TaskType("spark_jar", "spark_jar_task", Compute.ENVIRONMENT),
    TaskType("spark_submit", "spark_submit_task", Compute.CLUSTER),
    TaskType("pipeline", "pipeline_task"),
    TaskType("dbt", "dbt_task", Compute.ENVIRONMENT),
    TaskType("run_job", "run_job_task", Compute.NONE, _prepare_run_job),
    TaskType("condition", "condition_task"),
    TaskType("for_each", "for_each_task", Compute.NONE, _prepare_for_each),
    TaskType("dashboard", "dashboard_task"),
    TaskType("alert", "alert_task"),
    TaskType("power_bi", "power_bi_task"),
    TaskType("clean_rooms_notebook", "clean_rooms_notebook_task"),
    TaskType("dbt_platform", "dbt_platform_task"),
    TaskType("dbt_cloud", "dbt_cloud_task"),
    TaskType("gen_ai_compute", "gen_ai_compute_task", Compute.SERVERLESS),
    TaskType("ai_function", "ai_function_task"),
    TaskType("ai_runtime", "ai_runtime_task", Compute.SERVERLESS),
    TaskType("python_operator", "python_operator_task", Compute.ENVIRONMENT),
)

WRITTEN_ELSEWHERE: Moves = (
    *((("notebook_task", field), (field,)) for field in DIRECT_NOTEBOOK_FIELDS),
    (("sql_task", "file", "path"), ("sql_task", "sql_file_path")),
    (("sql_task", "file"), ("sql_task", "sql_file_path")),
    (("sql_task", "file"), ("sql_task", INLINE_SQL)),
    (("sql_task", "query", "query_id"), ("sql_task", "query_id")),
    (("sql_task", "query"), ("sql_task", "query_id")),
    (("run_job_task", "job_id"), ("run_job_task", "module_name")),
)
"""Settings of a task that `prepare` or the direct fields of a notebook put at another path than they are written at."""

BY_NAME = {kind.name: kind for kind in TASK_TYPES}
BY_BLOCK = {kind.block: kind for kind in TASK_TYPES}
SQL_KINDS = {"sql_query": ("sql_query", "query_id"), "sql_file": ("sql_file_path", "file")}
"""Which of `SQL_FORMS` a SQL `task_type` needs."""


@dataclass(frozen=True, slots=True)
class CommonSettings:
    """Settings beside the block of a task that the same kinds take.

    Attributes:
        names: As the Jobs API calls them.
        source: Where Databricks says what `exceptions` says.
        exceptions: Kinds that no default and no preset gives them to, by their block or by what they run on; the block
            wins. With what is said of `{name}` where a kind cannot have it at all; `TAKES_ITS_OWN` where nobody says
            that Databricks refuses it, so that a task may have it that asks for it.
    """

    names: tuple[str, ...]
    source: str
    exceptions: Mapping[str | Compute, str] = field(default_factory=dict)

    def exception(self, kind: TaskType) -> str | None:
        """Returns the exception that a kind is; None where it simply takes them."""
        return self.exceptions.get(kind.block, self.exceptions.get(kind.compute))


TAKES_ITS_OWN = ""
_ON_NOTHING: dict[str | Compute, str] = {Compute.NONE: TAKES_ITS_OWN, Compute.SERVERLESS: TAKES_ITS_OWN}
_IN_A_LOOP = "{name} is for what is repeated: write it in the 'task' of 'for_each_task'"
_NO_ENVIRONMENT = "a {kind} task has no environment"
_OF_CONDITIONS = 'Jobs API, `condition_task`: it "does not support retries or notifications"'

COMMON_SETTINGS = (
    CommonSettings(
        ("description", "disabled", "run_if", "timeout_seconds", "health"), "Jobs API, `Task`: said of every task"
    ),
    CommonSettings(
        RETRIES,
        f"{_OF_CONDITIONS}; a `for_each_task` with retries of its own is refused when it is deployed "
        "(https://github.com/databricks/cli/issues/3977); a `run_job_task` starts a job whose tasks have their own",
        {
            "condition_task": "a {kind} task takes no {name}: Databricks does not try it again",
            "for_each_task": _IN_A_LOOP,
            "run_job_task": TAKES_ITS_OWN,
        },
    ),
    CommonSettings(
        ("email_notifications", "webhook_notifications", "notification_settings"),
        _OF_CONDITIONS,
        {"condition_task": "a {kind} task takes no {name}: Databricks tells nobody of it; give it to the job"},
    ),
    CommonSettings(
        CLUSTER_FIELDS,
        "databricks CLI, `isComputeTask` (bundle/config/validate/job_task_cluster_spec.go)",
        _ON_NOTHING,
    ),
    CommonSettings(
        ("compute",),
        'Jobs API, `Compute`: "for Serverless GPU workloads"; AI Runtime tasks have theirs in their block',
        {**_ON_NOTHING, Compute.CLUSTER: TAKES_ITS_OWN},
    ),
    CommonSettings(
        ("environment_key",),
        'Jobs API, `environments`: for "tasks that use serverless compute or a compute resource that uses Environments '
        'mode"; the databricks CLI gives one to AI Runtime tasks (experimental/air/cmd/convert_to_dabs.go)',
        {Compute.NONE: _NO_ENVIRONMENT, Compute.CLUSTER: _NO_ENVIRONMENT, Compute.SERVERLESS: TAKES_ITS_OWN},
    ),
    CommonSettings(
        ("environment_variables_key",),
        'Jobs API: "supports serverless tasks using environment version 5 or later"',
        {Compute.NONE: TAKES_ITS_OWN, Compute.CLUSTER: TAKES_ITS_OWN},
    ),
    CommonSettings(
        ("libraries",),
        'Jobs API: "to be installed on the cluster"; of loops: https://docs.databricks.com/jobs/for-each',
        {**_ON_NOTHING, "for_each_task": _IN_A_LOOP},
    ),
)
"""Every setting that may stand beside the block of a task, and the kinds that do not simply take it."""

NOT_BY_DEFAULT = {
    block: frozenset(name for row in COMMON_SETTINGS if row.exception(kind) is not None for name in row.names)
    for block, kind in BY_BLOCK.items()
}
"""By block: the settings that no default and no preset gives to its kind."""

REFUSED = {
    block: {name: why for row in COMMON_SETTINGS if (why := row.exception(kind)) for name in row.names}
    for block, kind in BY_BLOCK.items()
}
"""By block: the settings that its kind cannot have, and what is said of them."""


def kind_of_task(task: Mapping[str, Value]) -> TaskType | None:
    """Returns the kind of a built task, of several that share a block the last; None where it has no block."""
    return next((BY_BLOCK[name] for name in task if name in BY_BLOCK), None)
