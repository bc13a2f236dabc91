"""Which settings each kind of task takes: one table, which defaults, checks and the documentation follow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lakeflow_job_meta.checks.combinations import settings_go_together
from lakeflow_job_meta.checks.context import CheckContext
from lakeflow_job_meta.checks.file_lookups import FileLookups
from lakeflow_job_meta.config.bundle import BundleDeclarations
from lakeflow_job_meta.config.model import Defaults, Project
from lakeflow_job_meta.diagnostics.model import Diagnostic, SourceRef, UnreadableDocument
from lakeflow_job_meta.jobs.build import build_job
from lakeflow_job_meta.jobs.model import Job
from lakeflow_job_meta.jobs.task_settings_page import task_settings_page
from lakeflow_job_meta.jobs.task_types import BY_BLOCK, COMMON_SETTINGS, TASK_TYPES
from lakeflow_job_meta.parsing.modules import parse_module
from lakeflow_job_meta.parsing.units import RawModule
from lakeflow_job_meta.schema.validator import fields_of
from support.project_folder import REPOSITORY

NOWHERE = SourceRef(UnreadableDocument("test.yml"))

EVERY_TASK = {"description": "d", "disabled": True, "timeout_seconds": 9, "health": {"rules": []}, "run_if": "ALL_DONE"}
RETRIES = {
    "max_retries": 2,
    "min_retry_interval_millis": 1,
    "retry_on_timeout": True,
    "disable_auto_optimization": True,
}
NOTIFICATIONS = {
    "email_notifications": {"on_failure": ["a@b.c"]},
    "webhook_notifications": {"on_failure": [{"id": "x"}]},
    "notification_settings": {"alert_on_last_attempt": True},
}
CLUSTER = {"existing_cluster_id": "0101-120000-abcd1234"}
ENVIRONMENT = {"environment_key": "e"}
VARIABLES = {"environment_variables_key": "v"}
ACCELERATOR = {"compute": {"hardware_accelerator": "GPU_1xA10"}}
LIBRARIES = {"libraries": [{"pypi": {"package": "x"}}]}
SETTINGS = {**EVERY_TASK, **RETRIES, **NOTIFICATIONS, **CLUSTER, **ENVIRONMENT, **VARIABLES, **ACCELERATOR, **LIBRARIES}

NOTEBOOK = {"notebook_task": {"notebook_path": "/Workspace/a"}}
BLOCKS: dict[str, Any] = {
    **{block: {} for block in BY_BLOCK},
    **NOTEBOOK,
    "sql_task": {"warehouse_id": "w", "sql_query": "SELECT 1"},
    "for_each_task": {"inputs": "[1]", "task": NOTEBOOK},
    "run_job_task": {"job_id": 5},
    "condition_task": {"op": "EQUAL_TO", "left": "a", "right": "b"},
}
ON_CLUSTERS = {*CLUSTER, *LIBRARIES}
RUNS_CODE = {*ON_CLUSTERS, *ENVIRONMENT, *VARIABLES, *ACCELERATOR}
BY_DEFAULT = {
    "notebook_task": RUNS_CODE | set(RETRIES),
    "spark_python_task": RUNS_CODE | set(RETRIES),
    "python_wheel_task": RUNS_CODE | set(RETRIES),
    "spark_jar_task": RUNS_CODE | set(RETRIES),
    "dbt_task": RUNS_CODE | set(RETRIES),
    "python_operator_task": RUNS_CODE | set(RETRIES),
    "spark_submit_task": ON_CLUSTERS | set(RETRIES),
    "ai_runtime_task": {*VARIABLES, *RETRIES},
    "gen_ai_compute_task": {*VARIABLES, *RETRIES},
    **{block: set() for block in ("condition_task", "for_each_task", "run_job_task")},
}
"""What defaults give to each kind besides what they give to all; retries to those that are not here."""

WITHOUT_ENVIRONMENT = (
    *("spark_submit_task", "sql_task", "pipeline_task", "run_job_task", "dashboard_task", "alert_task"),
    *("power_bi_task", "clean_rooms_notebook_task", "ai_function_task", "dbt_platform_task", "dbt_cloud_task"),
)
REFUSED = {
    "condition_task": {*RETRIES, *NOTIFICATIONS, *ENVIRONMENT},
    "for_each_task": {*RETRIES, *LIBRARIES, *ENVIRONMENT},
    **{block: set(ENVIRONMENT) for block in WITHOUT_ENVIRONMENT},
}
each_block = pytest.mark.parametrize("block", sorted(BY_BLOCK))


def test_every_setting_of_the_schema_is_in_one_row_of_the_table():
    names = [name for row in COMMON_SETTINGS for name in row.names]

    assert sorted(names) == sorted(set(fields_of("Task")) - {"task_key", "depends_on", *BY_BLOCK})
    assert set(SETTINGS) == set(names) - {"job_cluster_key", "new_cluster"}
    assert all(row.source for row in COMMON_SETTINGS)


def test_the_page_of_the_documentation_is_what_the_table_says():
    page = REPOSITORY / "docs" / "task-settings.md"
    assert page.read_text(encoding="utf-8") == task_settings_page(), (
        "run: ljm explain --task-settings > docs/task-settings.md"
    )
    for kind in TASK_TYPES:
        assert f"`{kind.block}`" in task_settings_page()


def built(config: dict[str, Any], defaults: dict[str, Any] | None = None) -> Job:
    source: dict[str, Any] = {"source_id": "a", "execution_order": 1, "transformation_config": config}
    module = parse_module(RawModule({"module_name": "m", "sources": [source]}, NOWHERE)).module
    assert module is not None
    job = build_job(module, Project(Path(), NOWHERE, defaults=Defaults(task=defaults or {})), "resources").job
    assert job is not None
    return job


def conflicts(job: Job) -> list[Diagnostic]:
    context = CheckContext(Project(Path(), NOWHERE), "resources", BundleDeclarations(), FileLookups(Path()), None)
    return list(settings_go_together(job, context))


@each_block
def test_defaults_give_a_kind_of_task_what_it_takes_and_nothing_else(block):
    (task,) = built({block: BLOCKS[block]}, SETTINGS).settings["tasks"]

    for_all = {*EVERY_TASK, *NOTIFICATIONS} if block != "condition_task" else {*EVERY_TASK}
    assert set(task) - {"task_key", block} == for_all | BY_DEFAULT.get(block, set(RETRIES))
    if block == "for_each_task":
        assert set(task[block]["task"]) - {"task_key", "notebook_task"} == set(SETTINGS)


@each_block
def test_a_setting_that_a_kind_of_task_cannot_have_is_reported_and_no_other(block):
    found = {name: conflicts(built({block: BLOCKS[block], name: SETTINGS[name]})) for name in SETTINGS}

    assert {name for name, each in found.items() if each} == REFUSED.get(block, set())
    for name, each in found.items():
        for problem in each:
            assert name.removesuffix("_key") in problem.message
            assert BY_BLOCK[block].name in problem.message


@pytest.mark.parametrize("nothing", [{}, {"on_failure": []}])
def test_an_empty_map_of_notifications_that_a_copied_condition_has_is_no_mistake(nothing):
    config = {"condition_task": BLOCKS["condition_task"], "email_notifications": nothing}

    assert conflicts(built(config)) == []


def test_what_a_task_says_itself_stays_where_no_default_would_reach_it():
    (task,) = built({"run_job_task": {"job_id": 5}, "max_retries": 1}, {"max_retries": 3}).settings["tasks"]

    assert task["max_retries"] == 1
