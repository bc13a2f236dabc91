"""The kinds of tasks: one row each, and the conveniences that some have in metadata.

A new kind of task is a new row in `TASK_TYPES`. What its block may hold is not written here: that is in the schema.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
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
    """What a kind of task runs on."""

    NONE = "no compute of its own"
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

COMPUTE_FIELDS = ("existing_cluster_id", "job_cluster_key", "new_cluster", "compute", "environment_key")
"""Each names what a task runs on; a default for one of them yields to a task that names another."""

RETRIES = ("max_retries", "min_retry_interval_millis", "retry_on_timeout", "disable_auto_optimization")
"""When a task is tried again; nothing for those that only start or steer others."""

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
    TaskType("gen_ai_compute", "gen_ai_compute_task"),
    TaskType("ai_function", "ai_function_task"),
    TaskType("ai_runtime", "ai_runtime_task"),
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
