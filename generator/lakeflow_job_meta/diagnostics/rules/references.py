"""Rules about references to parameters, tasks, other jobs and targets."""

from __future__ import annotations

from lakeflow_job_meta.diagnostics.model import Rule
from lakeflow_job_meta.diagnostics.rules.examples import example

UNKNOWN_MODULE = Rule(
    "unknown-module",
    meaning="run_job_task names a module that does not exist.",
    remedy="Correct the name. A job that is not created from metadata is named by job_id.",
    wrong=example("run_job_task: {module_name: salse}"),
    right=example(
        "run_job_task: {module_name: stock}",
        module="  - module_name: stock\n    sources:\n      - source_id: a\n        execution_order: 1\n"
        "        transformation_config: {notebook_path: /Workspace/a}\n",
    ),
)
RUN_JOB_CYCLE = Rule(
    "run-job-cycle",
    meaning="Modules run each other's jobs in a circle, so that they would start each other without end.",
    remedy="Take one of the run_job tasks out of the circle.",
    wrong=example("run_job_task: {module_name: sales}"),
    right=example("notebook_path: /Workspace/a"),
)
UNKNOWN_TARGET = Rule(
    "unknown-target",
    meaning="A module is for a target that databricks.yml does not have; its job would exist nowhere.",
    remedy="Correct the name, or add the target to databricks.yml.",
    wrong="modules:\n  - module_name: sales\n    targets: [prodd]\n    sources:\n      - source_id: a\n"
    "        execution_order: 1\n        transformation_config: {notebook_path: /Workspace/a}\n",
    right="modules:\n  - module_name: sales\n    targets: [prod]\n    sources:\n      - source_id: a\n"
    "        execution_order: 1\n        transformation_config: {notebook_path: /Workspace/a}\n",
    files=(("databricks.yml", "bundle: {name: x}\ntargets: {dev: {}, prod: {}}\n"),),
)


UNKNOWN_REFERENCE = Rule(
    "unknown-reference",
    meaning="`${...}` that the bundle cannot resolve: not one of its own kinds, a variable that databricks.yml does "
    "not declare, or a resource that does not exist. `databricks bundle plan` would fail on it.",
    remedy="Correct the name or declare the variable. A value of the running job is written {{...}}, not ${...}.",
    wrong=example('notebook_path: "/Workspace/${env.stage}/a"'),
    right=example('notebook_path: "/Workspace/${bundle.target}/a"'),
)
REFERENCE_IN_SQL = Rule(
    "reference-in-sql",
    meaning="A bundle reference inside inline SQL. The SQL becomes a .sql file, and the databricks CLI does not look "
    "into those, so the reference would reach the warehouse as it is.",
    remedy="Give the value as a parameter: `:name` for a value, `IDENTIFIER(:name)` for the name of a table, and "
    "`parameters: {name: ${var.x}}` in the sql_task.",
    wrong=example("sql_task: {warehouse_id: abc, sql_query: 'SELECT * FROM ${var.catalog}.s.t'}"),
    right=example(
        "sql_task: {warehouse_id: abc, sql_query: 'SELECT * FROM IDENTIFIER(:catalog || \".s.t\")', "
        "parameters: {catalog: main}}"
    ),
)
UNKNOWN_PARAMETER = Rule(
    "unknown-parameter",
    meaning="{{job.parameters.x}} names a parameter that the job does not declare.",
    remedy="Add it to `parameters` in job_config, or correct the name.",
    wrong=example('notebook_path: /Workspace/a, base_parameters: {day: "{{job.parameters.day}}"}'),
    right=example(
        'notebook_path: /Workspace/a, base_parameters: {day: "{{job.parameters.day}}"}',
        'parameters: [{name: day, default: "1"}]',
    ),
)
NOT_UPSTREAM = Rule(
    "not-upstream",
    meaning="{{tasks.t...}} names a task that does not exist, or that this one does not wait for, so that there is no "
    "value yet when it starts.",
    remedy="Add the task to depends_on, directly or through others, or correct its task key.",
    wrong=example('notebook_path: /Workspace/a, base_parameters: {n: "{{tasks.count.values.n}}"}'),
    right=example(
        "notebook_path: /Workspace/count",
        more="      - source_id: report\n        execution_order: 2\n        transformation_config:\n"
        '          notebook_path: /Workspace/a\n          base_parameters: {n: "{{tasks.orders.values.n}}"}\n',
    ),
)
