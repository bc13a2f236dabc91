"""Rules about the settings of jobs and tasks."""

from __future__ import annotations

from lakeflow_job_meta.diagnostics.model import Rule, Severity
from lakeflow_job_meta.diagnostics.rules.examples import example

UNDEFINED_COMPUTE = Rule(
    "undefined-compute",
    meaning="A task names a job cluster or an environment that its job does not define.",
    remedy="Define it in job_config (job_clusters or environments), or correct the name.",
    wrong=example("python_wheel_task: {package_name: p, entry_point: e}, environment_key: missing"),
    right=example(
        "python_wheel_task: {package_name: p, entry_point: e}, environment_key: tools",
        'environments: [{environment_key: tools, spec: {environment_version: "4"}}]',
    ),
)
NO_COMPUTE = Rule(
    "no-compute",
    meaning="A kind of task that needs compute names none. Notebooks and SQL run serverless without it; Python "
    "scripts, wheels, JARs and dbt need an environment_key for that, or a cluster.",
    remedy="Give environment_key, job_cluster_key, existing_cluster_id or new_cluster; `defaults.task` in job_meta.yml "
    "can give one to all tasks.",
    wrong=example("spark_python_task: {python_file: /Workspace/a.py}"),
    right=example("spark_python_task: {python_file: /Workspace/a.py}, existing_cluster_id: 0101-120000-abcd1234"),
)
TWO_COMPUTES = Rule(
    "two-computes",
    meaning="A task names two kinds of compute, of which Databricks takes only one.",
    remedy="Keep one of them.",
    wrong=example("notebook_path: /Workspace/a, existing_cluster_id: c, new_cluster: {num_workers: 1}"),
    right=example("notebook_path: /Workspace/a, existing_cluster_id: 0101-120000-abcd1234"),
)
PLACEHOLDER = Rule(
    "placeholder",
    Severity.WARNING,
    meaning="An id is still a placeholder from an example, such as `your-warehouse-id`.",
    remedy="Write the real id, or a bundle variable such as ${var.warehouse_id}.",
    wrong=example("sql_task: {warehouse_id: your-warehouse-id, sql_query: SELECT 1}"),
    right=example("sql_task: {warehouse_id: 0123456789abcdef, sql_query: SELECT 1}"),
)


TOO_MUCH = Rule(
    "too-much",
    meaning="More of something than Databricks allows: 1,000 tasks or 25 tags in a job, the length of names, "
    "descriptions and parameters.",
    remedy="Split the module, or shorten what the message names.",
    wrong=example("notebook_path: /Workspace/a", "tags: {" + ", ".join(f't{n}: "x"' for n in range(26)) + "}"),
    right=example("notebook_path: /Workspace/a", 'tags: {team: "sales"}'),
)


_TASK = "notebook_path: /Workspace/a"
SEVERAL_TRIGGERS = Rule(
    "several-triggers",
    meaning="A job has more than one of schedule, trigger and continuous; Databricks takes one.",
    remedy="Keep one of them.",
    wrong=example(_TASK, 'continuous: {}, schedule: {quartz_cron_expression: "0 0 2 * * ?", timezone_id: UTC}'),
    right=example(_TASK, 'schedule: {quartz_cron_expression: "0 0 2 * * ?", timezone_id: UTC}'),
)
BAD_CRON = Rule(
    "bad-cron",
    meaning="A cron expression that Quartz does not take. Databricks reports it only when the job is deployed.",
    remedy="Write seconds, minutes, hours, day of month, month and day of week, one of the two days as `?`.",
    wrong=example(_TASK, 'schedule: {quartz_cron_expression: "0 2 * * *", timezone_id: UTC}'),
    right=example(_TASK, 'schedule: {quartz_cron_expression: "0 0 2 * * ?", timezone_id: UTC}'),
)
BAD_TIME_ZONE = Rule(
    "bad-time-zone",
    meaning="A time zone that does not exist.",
    remedy="Use a name of the IANA time zone database, such as Europe/Berlin or UTC.",
    wrong=example(_TASK, 'schedule: {quartz_cron_expression: "0 0 2 * * ?", timezone_id: Europe/Berln}'),
    right=example(_TASK, 'schedule: {quartz_cron_expression: "0 0 2 * * ?", timezone_id: Europe/Berlin}'),
)


UNKNOWN_VALUE = Rule(
    "unknown-value",
    meaning="A setting that takes one of a few words has another one.",
    remedy="Use one of the words in the message. For one that is newer than this release, switch the check off for the "
    "line with `# ljm: ignore[unknown-value]`.",
    wrong=example("notebook_path: /Workspace/a, run_if: ALL_DON"),
    right=example("notebook_path: /Workspace/a, run_if: ALL_DONE"),
)


TASK_KIND = Rule(
    "task-kind",
    is_fixed=True,
    meaning="What a task runs is not clear: it has no task block, several, or one that does not fit its task_type. "
    "Databricks refuses such a task only when the job is deployed.",
    remedy="Give exactly one block, such as notebook_task or sql_task; task_type may be left out.",
    wrong=example("notebook_path: /Workspace/a, sql_task: {warehouse_id: abc, sql_query: SELECT 1}"),
    right=example("sql_task: {warehouse_id: abc, sql_query: SELECT 1}"),
)
NO_ACTIVE_SOURCE = Rule(
    "no-active-source",
    Severity.WARNING,
    meaning="A module has no active source, so there is no job to make of it. Its file and its job stay as they are.",
    remedy="Activate a source; to remove the job, delete the module.",
    wrong="modules:\n  - module_name: sales\n    sources: []\n",
    right=example("notebook_path: /Workspace/a"),
)
