"""A bundle of twenty hand-written jobs, of every shape that such bundles have."""

from __future__ import annotations

from support.project_folder import ProjectFolder

NOTEBOOK = "# Databricks notebook source\nprint(1)\n"

FILES = {
    "src/a.py": NOTEBOOK,
    "src/deep/b.py": NOTEBOOK,
    "src/main.py": "print(1)\n",
    "src/q.sql": "SELECT 1\n",
    "src/c.ipynb": '{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 4}\n',
    "dbt/dbt_project.yml": "name: x\n",
    "requirements.txt": "pandas\n",
    "dist/p-1.0-py3-none-any.whl": "x",
    "databricks.yml": """\
        # The bundle of the team.
        bundle: {name: handwritten}
        include:
          - resources/*.yml
          - resources/deep/*.yml
          - resources/single.job.yml
          - resources/jobs/*.yml
        variables:
          warehouse_id: {default: "0123456789abcdef"}
          workers: {default: 2}
          cluster:
            type: complex
            default: {spark_version: 16.4.x-scala2.12, node_type_id: i3.xlarge, num_workers: 1}
        targets:
          dev:
            default: true
            resources:
              jobs:
                nightly:
                  max_concurrent_runs: 4
                  tasks:
                    - task_key: load
                      max_retries: 5
          prod: {}
        resources:
          jobs:
            # A job of the root file.
            root_job:
              name: root
              tasks:
                - task_key: a
                  notebook_task: {notebook_path: src/a.py}
        """,
    "resources/many.yml": """\
        # Many jobs in a file.

        x-tasks:
          cluster: &cluster
            spark_version: 16.4.x-scala2.12
            node_type_id: i3.xlarge
            num_workers: 2
          mail: &mail {on_failure: [team@example.com]}

        resources:
          jobs:
            # Loads everything.
            # Twice a day.
            nightly:  # by the data team
              name: "[${bundle.target}] nightly load"
              description: |
                Loads orders.

                And customers.
              schedule:
                quartz_cron_expression: 0 0 2 * * ?  # at two
                timezone_id: UTC
                pause_status: PAUSED
              email_notifications: *mail
              job_clusters:
                - job_cluster_key: main
                  new_cluster: *cluster
              parameters:
                - {name: n, default: 1.0}
                - {name: flag, default: true}
              tasks:
                # the first one
                - task_key: load
                  job_cluster_key: main
                  notebook_task:
                    notebook_path: ../src/a.py
                    base_parameters:
                      day: "{{job.start_time.iso_date}}"
                      # region: eu
                  # timeout_seconds: 60
                - task_key: load-orders
                  depends_on:
                    - task_key: load  # they come later
                  job_cluster_key: main
                  max_retries: 1
                  spark_python_task: {python_file: ../src/main.py, parameters: [--n, "1"]}
                - task_key: report
                  depends_on: [{task_key: load}, {task_key: load-orders}]
                  run_if: ALL_DONE
                  notebook_task: {notebook_path: /Workspace/Shared/report}
              # end of nightly

            checked:
              name: checked
              tasks:
                - task_key: is_there
                  condition_task: {op: EQUAL_TO, left: "{{job.parameters.day}}", right: "1"}
                - task_key: yes_task
                  depends_on: [{task_key: is_there, outcome: "true"}]
                  notebook_task: {notebook_path: ../src/deep/b.py}
                - task_key: no_task
                  depends_on: [{task_key: is_there, outcome: "false"}]
                  notebook_task: {notebook_path: ../src/c.ipynb}
              parameters: [{name: day, default: "1"}]

            looped:
              name: looped
              tasks:
                - task_key: each
                  for_each_task:
                    inputs: "[1, 2]"
                    concurrency: 2
                    task:
                      task_key: one
                      notebook_task:
                        notebook_path: ../src/a.py
                        base_parameters: {n: "{{input}}"}

            caller:
              name: caller
              tasks:
                - task_key: call
                  run_job_task: {job_id: "${resources.jobs.looped.id}"}
        """,
    "resources/merged.yml": """\
        resources:
          jobs:
            first: &base
              name: first
              max_concurrent_runs: 3
              queue: {enabled: true}
              tags: &tags {team: sales, cost: "12"}
              tasks: &tasks
                - task_key: a
                  notebook_task: {notebook_path: ../src/a.py}
            second:
              <<: *base
              name: second
              tags: {<<: *tags, cost: "13"}
            third:
              name: third
              tasks: *tasks
              continuous: {pause_status: PAUSED}
        """,
    "resources/kinds.yml": """\
        resources:
          jobs:
            sql_job:
              name: sql
              tasks:
                - task_key: q
                  sql_task:
                    warehouse_id: ${var.warehouse_id}
                    file: {path: ../src/q.sql}
                    parameters: {n: 5}
            dbt_job:
              name: dbt
              environments:
                - environment_key: default
                  spec: {environment_version: "4", dependencies: [dbt-databricks]}
              tasks:
                - task_key: d
                  environment_key: default
                  dbt_task:
                    project_directory: ../dbt
                    commands: [dbt deps, dbt build]
                    warehouse_id: ${var.warehouse_id}
            wheel_job:
              name: wheel
              tasks:
                - task_key: w
                  python_wheel_task: {package_name: p, entry_point: main, named_parameters: {n: "1"}}
                  new_cluster: ${var.cluster}
                  libraries:
                    - whl: ../dist/*.whl
                    - pypi: {package: pandas==2.2}
                    - requirements: ../requirements.txt
            serverless_job:
              name: serverless
              environments:
                - environment_key: e
                  spec:
                    environment_version: "4"
                    dependencies:
                      - ../dist/p-1.0-py3-none-any.whl
                      - -r ../requirements.txt
                      - pandas==2.2
              tasks:
                - task_key: s
                  environment_key: e
                  spark_python_task: {python_file: ../src/main.py}
            jar_job:
              name: jar
              tasks:
                - task_key: j
                  spark_jar_task: {main_class_name: com.x.Main}
                  existing_cluster_id: 0101-1-x
                  libraries: [{jar: /Volumes/main/etl/libs/a.jar}]
            pipeline_job:
              name: pipeline
              trigger: {file_arrival: {url: /Volumes/main/etl/in/}, pause_status: PAUSED}
              tasks:
                - task_key: p
                  pipeline_task: {pipeline_id: 12345678-1234-1234-1234-123456789012, full_refresh: false}
            git_job:
              name: git
              git_source: {git_url: "https://github.com/x/y", git_provider: gitHub, git_branch: main}
              tasks:
                - task_key: g
                  notebook_task: {notebook_path: notebooks/a, source: GIT}
                  existing_cluster_id: 0101-1-x
        """,
    "resources/deep/settings.yml": """\
        resources:
          jobs:
            notified:
              name: notified
              timeout_seconds: "3600"
              health: {rules: [{metric: RUN_DURATION_SECONDS, op: GREATER_THAN, value: 10}]}
              webhook_notifications: {on_failure: [{id: w}]}
              notification_settings: {no_alert_for_skipped_runs: true}
              edit_mode: UI_LOCKED
              format: MULTI_TASK
              permissions:
                - {level: CAN_VIEW, group_name: users}
              tasks:
                - task_key: n
                  notebook_task: {notebook_path: ../../src/deep/b.py, source: WORKSPACE}
                  email_notifications: {on_start: [a@example.com]}
                  new_cluster:
                    spark_version: 16.4.x-scala2.12
                    node_type_id: i3.xlarge
                    num_workers: ${var.workers}
                    spark_conf: {spark.x: true, "spark.y": 1}
            wide:
              name: wide
              tasks:
                - {task_key: t1, notebook_task: {notebook_path: ../../src/a.py}}
                - {task_key: t2, depends_on: [{task_key: t1}], notebook_task: {notebook_path: ../../src/a.py}}
                - {task_key: t3, depends_on: [{task_key: t1}], notebook_task: {notebook_path: ../../src/a.py}}
                - {task_key: t0, depends_on: [{task_key: t3}, {task_key: t2}], notebook_task: {notebook_path: /a}}
        """,
    "resources/single.job.yml": """\
        # Copyright of the team.

        resources:
          jobs:
            single:
              name: single
              tasks: [{task_key: a, notebook_task: {notebook_path: ../src/a.py}}]
        """,
    "resources/flow.yml": """\
        resources:
          jobs:
            flow_one: {name: flow one, tasks: [{task_key: a, notebook_task: {notebook_path: ../src/a.py}}]}
            flow_two: {
              name: flow two, tags: {a: b},
              tasks: [
                {task_key: a, notebook_task: {notebook_path: ../src/a.py}},  # the only one
              ]
            }
        """,
}
PATTERNS = ("databricks.yml", "resources")
KEYS = (
    *("root_job", "nightly", "checked", "looped", "caller", "first", "second", "third", "sql_job", "dbt_job"),
    *("wheel_job", "serverless_job", "jar_job", "pipeline_job", "git_job", "notified", "wide", "single"),
    *("flow_one", "flow_two"),
)


def write_bundle(project: ProjectFolder) -> None:
    """Writes all files of the bundle."""
    for name, text in FILES.items():
        project.write(name, text)
