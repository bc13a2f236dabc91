"""`ljm import lakeflow-jobs-meta`: its YAML and its control table become modules, with the jobs that it deploys."""

from __future__ import annotations

import json
from typing import Any

import arro3.core as arrow
import pytest

from lakeflow_job_meta.text.yaml_reader import read_yaml
from support.project_folder import ProjectFolder, Result
from support.tables import LONG, TEXT, write_table

METADATA = """\
metadata_version: "2.0"
jobs:
  # Loads orders.
  load-orders:
    name: Load orders
    description: Every night.
    tags: {team: sales}
    edit_mode: EDITABLE
    environments: [{environment_key: e, spec: {environment_version: "4"}}]
    schedule: {quartz_cron_expression: "0 0 2 * * ?", timezone_id: UTC, pause_status: PAUSED}
    notification_settings:
      email_notifications: {on_failure: [a@example.com]}
      no_alert_for_skipped_runs: true
    tasks:
      # the first
      - task_key: get-data
        task_type: notebook
        file_path: /Workspace/Shared/get  # a notebook
        parameters: {day: "1"}
        existing_cluster_id: c
      - task_key: check
        task_type: sql_query
        depends_on: [get-data]
        warehouse_id: w
        sql_query: SELECT 1
        run_if: ALL_DONE
        disabled: true
      - task_key: saved
        task_type: sql_query
        warehouse_id: w
        query_id: q
        parameters: {n: 5}
        timeout_seconds: 60
      - {task_key: file, task_type: sql_file, warehouse_id: w, file_path: /Workspace/q.sql}
      - {task_key: wheel, task_type: python_wheel, package_name: p, entry_point: e, parameters: ["1"],
         existing_cluster_id: c}
      - {task_key: jar, task_type: spark_jar, main_class_name: x.Y, existing_cluster_id: c}
      - {task_key: pipe, task_type: pipeline, pipeline_id: 12345678-1234-1234-1234-123456789012}
      - {task_key: dbt, task_type: dbt, commands: dbt build, warehouse_id: w, catalog: main, schema: s,
         environment_key: e}
  plain:
    tasks: [{task_key: a, task_type: notebook, file_path: /Workspace/a}]
"""

TASKS: list[dict[str, Any]] = [
    {"task_key": "get_data", "timeout_seconds": 3600, "existing_cluster_id": "c",
     "notebook_task": {"notebook_path": "/Workspace/Shared/get", "base_parameters": {"day": "1"}}},
    {"task_key": "check", "depends_on": [{"task_key": "get_data"}], "run_if": "ALL_DONE", "disabled": True,
     "timeout_seconds": 3600,
     "sql_task": {"warehouse_id": "w", "file": {"path": "../sql/load-orders/check.sql", "source": "WORKSPACE"}}},
    {"task_key": "saved", "timeout_seconds": 60,
     "sql_task": {"warehouse_id": "w", "query": {"query_id": "q"}, "parameters": {"n": "5"}}},
    {"task_key": "file", "timeout_seconds": 3600,
     "sql_task": {"warehouse_id": "w", "file": {"path": "/Workspace/q.sql", "source": "WORKSPACE"}}},
    {"task_key": "wheel", "timeout_seconds": 3600, "existing_cluster_id": "c",
     "python_wheel_task": {"package_name": "p", "entry_point": "e", "parameters": ["1"]}},
    {"task_key": "jar", "timeout_seconds": 3600, "existing_cluster_id": "c",
     "spark_jar_task": {"main_class_name": "x.Y"}},
    {"task_key": "pipe", "timeout_seconds": 3600,
     "pipeline_task": {"pipeline_id": "12345678-1234-1234-1234-123456789012"}},
    {"task_key": "dbt", "timeout_seconds": 3600, "environment_key": "e",
     "dbt_task": {"commands": ["dbt build"], "warehouse_id": "w", "catalog": "main", "schema": "s"}},
]  # fmt: skip


def importing(project: ProjectFolder, *arguments: str) -> Result:
    return project.ljm("import", "lakeflow-jobs-meta", *arguments)


def generated(project: ProjectFolder, key: str) -> dict[str, Any]:
    assert project.ljm("generate").exit_code == 0
    return read_yaml(project.generated()[f"jobs/{key}.yml"]).value["resources"]["jobs"][key]


def check_jobs(project: ProjectFolder) -> None:
    job = generated(project, "load-orders")
    assert {task["task_key"]: task for task in job.pop("tasks")} == {task["task_key"]: task for task in TASKS}
    assert job == {
        "name": "[Lakeflow Jobs Meta] Load orders",
        "tags": {"team": "sales"},
        "environments": [{"environment_key": "e", "spec": {"environment_version": "4"}}],
        "schedule": {"quartz_cron_expression": "0 0 2 * * ?", "timezone_id": "UTC", "pause_status": "PAUSED"},
        "notification_settings": {"no_alert_for_skipped_runs": True},
        "timeout_seconds": 7200,
        "max_concurrent_runs": 1,
    }
    assert project.generated()["sql/load-orders/check.sql"].splitlines()[1:] == ["SELECT 1"]
    assert generated(project, "plain")["name"] == "[Lakeflow Jobs Meta] plain"


def test_its_yaml_becomes_modules_with_its_names_keys_and_time_limits(project):
    file = project.write("old/metadata.yaml", METADATA)
    result = importing(project, str(file))
    assert result.exit_code == 0, result.stderr
    assert "metadata/imported/load-orders.yml  load-orders  old/metadata.yaml:4" in result.stdout
    ignored = "'description', 'edit_mode', 'notification_settings.email_notifications'"
    assert f"Left out, since lakeflow-jobs-meta takes no notice of it: {ignored}." in result.stderr
    assert "1 task ran SQL from saved queries of that tool" in result.stderr
    text = project.read("metadata/imported/load-orders.yml")
    assert [text.count(comment) for comment in ("# Loads orders.", "# the first", "# a notebook")] == [1, 1, 1]
    check_jobs(project)


def test_its_control_table_becomes_the_same_modules_with_the_ids_of_the_jobs(project):
    rows = []
    for key, job in read_yaml(METADATA).value["jobs"].items():
        config = {name: value for name, value in job.items() if name not in ("name", "description", "tasks")}
        config |= {"_job_environments": config.pop("environments")} if "environments" in config else {}
        for task in job["tasks"]:
            own = ("task_key", "task_type", "depends_on", "disabled")
            rows.append({
                "resource_id": key,
                "job_name": job.get("name", key),
                "task_key": task["task_key"],
                "depends_on": json.dumps(task.get("depends_on", [])),
                "task_type": task["task_type"],
                "job_config": json.dumps(config),
                "task_config": json.dumps({name: value for name, value in task.items() if name not in own}),
                "disabled": task.get("disabled", False),
            })  # fmt: skip
    write_table(project.path / "etl", rows, {**dict.fromkeys(rows[0], TEXT), "disabled": arrow.DataType.bool()})
    ids = [{"resource_id": "load-orders", "job_id": 123, "job_name": "Load orders"}]
    write_table(project.path / "etl_jobs", ids, {"resource_id": TEXT, "job_id": LONG, "job_name": TEXT})
    result = importing(project, str(project.path / "etl"), "-t", "prod")
    assert result.exit_code == 0, result.stderr
    assert project.read("metadata/imported/load-orders.yml").startswith("# Job 123 of lakeflow-jobs-meta\n")
    (module,) = read_yaml(project.read("metadata/imported/load-orders.yml")).value["modules"]
    assert module["adopt"] == {"prod": 123}
    assert "adopt" not in project.read("metadata/imported/plain.yml")
    assert not project.read("metadata/imported/plain.yml").startswith("#")
    check_jobs(project)


@pytest.mark.parametrize("column", ["depends_on", "job_config", "task_config"])
def test_a_cell_of_its_table_that_is_no_json_is_told_and_the_others_come(project, column):
    row = {"job_name": "a", "task_key": "a", "task_type": "notebook", "depends_on": "[]", "job_config": "{}"}
    row |= {"task_config": '{"file_path": "/Workspace/a"}'}
    rows = [{"resource_id": "good", **row}, {"resource_id": "bad", **row, column: "[" * 100_000}]
    write_table(project.path / "etl", rows, dict.fromkeys(rows[0], TEXT))

    result = importing(project, str(project.path / "etl"), "-t", "prod")

    assert f"{column!r} is no JSON" in result.stderr + result.stdout
    assert "internal error" not in result.stderr
    assert (project.path / "metadata/imported/good.yml").exists()


@pytest.mark.parametrize(
    ("job", "reason"),
    [
        ("{tasks: []}", "it has no tasks"),
        ("text", "it is no map of settings"),
        ("{tasks: [{task_type: notebook}]}", "task number 1 has no 'task_key'"),
        ("{tasks: [{task_key: a, task_type: shell}]}", "'shell' of the task 'a' is no task type that it has"),
        ("{tasks: [{task_key: a, task_type: notebook, file_path: /a, depends_on: b}]}", "is no list"),
        ("{tasks: [{task_key: a, task_type: notebook}]}", "notebook_path"),
        ("{tasks: [{task_key: a, task_type: sql_query, sql_query: SELECT 1}]}", "warehouse_id"),
        ("{tasks: [{task_key: a, task_type: notebook, file_path: '/${var.nowhere}'}]}", "is not declared"),
    ],
)
def test_what_cannot_be_a_module_is_refused_and_the_others_come(project, job, reason):
    file = project.write("old/m.yml", f"jobs:\n  bad: {job}\n{METADATA.split('jobs:')[1].split('  # Loads')[0]}")
    file.write_text(f"jobs:\n  bad: {job}\n  good: {{tasks: [{{task_key: a, task_type: notebook, file_path: /a}}]}}\n")
    result = importing(project, str(file))
    assert result.exit_code == 1
    assert "Refused: old/m.yml:2: bad: " in result.stderr
    assert reason in result.stderr
    assert result.stdout == "metadata/imported/good.yml  good  old/m.yml:3\n"


def test_a_key_of_variables_is_refused(project):
    file = project.write(
        "m.yml", "jobs: {'etl_${var.env}': {tasks: [{task_key: a, task_type: notebook, file_path: /a}]}}\n"
    )
    assert "its key cannot be that of a module" in importing(project, str(file)).stderr


@pytest.mark.parametrize(
    ("source", "code", "said"),
    [("nowhere.yml", 2, "cannot be read"), ("nowhere/table", 1, "nowhere/table"), ("a.b", 2, "a.b")],
)
def test_what_is_not_there_is_told_in_a_sentence(project, source, code, said):
    result = importing(project, source)
    assert result.exit_code == code
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_a_file_of_another_form_is_refused(project):
    file = project.write("m.yml", "modules: []\n")
    assert "it has no map 'jobs:'" in importing(project, str(file)).stderr
