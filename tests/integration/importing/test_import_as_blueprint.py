"""`--as-blueprint`: jobs that differ in few values become one blueprint and a CSV file of rows, with the same proof."""

from __future__ import annotations

import csv

import pytest

from lakeflow_job_meta.text.yaml_reader import read_yaml
from support.project_folder import ProjectFolder, Result


def job(name: str, retries: int = 1, task: str = "load") -> str:
    return f"""\
    ingest_{name}:
      name: "[${{bundle.target}}] ingest {name}"
      max_concurrent_runs: {retries}
      tasks:
        - task_key: {task}
          notebook_task:
            notebook_path: ../src/a.py
            base_parameters: {{table: {name}, path: /Volumes/in/{name}/new}}
        - task_key: done
          depends_on: [{{task_key: {task}}}]
          notebook_task: {{notebook_path: /Workspace/done}}
"""


OTHER = """\
    other:
      name: other
      tasks: [{task_key: a, spark_python_task: {python_file: /a.py}, existing_cluster_id: c}]
"""


@pytest.fixture
def with_jobs(project: ProjectFolder) -> ProjectFolder:
    project.write("src/a.py", "# Databricks notebook source\n")
    names = ("orders", "customers", "order_lines")
    jobs = "".join(job(name, number + 1) for number, name in enumerate(names))
    project.write("resources/hand.yml", f"resources:\n  jobs:\n{jobs}{OTHER}")
    return project


def importing(project: ProjectFolder, *options: str) -> Result:
    return project.ljm("import", "bundle", str(project.path / "resources/hand.yml"), "--as-blueprint", *options)


def jobs_of(project: ProjectFolder) -> dict:
    texts = {name: text for name, text in project.generated().items() if name.startswith("jobs/")}
    return {key: job for text in texts.values() for key, job in read_yaml(text).value["resources"]["jobs"].items()}


def test_jobs_that_differ_in_few_values_are_rows_and_the_others_modules(with_jobs):
    single = ProjectFolder(with_jobs.path.parent / "single")
    for name in ("src/a.py", "resources/hand.yml"):
        single.write(name, with_jobs.read(name))
    single.ljm("import", "bundle", str(single.path / "resources/hand.yml"), "--replace")
    single.ljm("generate")

    result = importing(with_jobs, "--replace")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.count("metadata/imported/ingest.csv  ingest_") == 3
    rows = list(csv.reader(with_jobs.read("metadata/imported/ingest.csv").splitlines()))
    assert rows == [
        ["table", "max_concurrent_runs"],
        ["orders", "1"],
        ["customers", "2"],
        ["order_lines", "3"],
    ]
    blueprint = read_yaml(with_jobs.read("metadata/imported/ingest.yml")).value["blueprints"][0]
    assert blueprint["parameters"] == {"table": {"type": "text"}, "max_concurrent_runs": {"type": "number"}}
    assert blueprint["module"]["module_name"] == "ingest_${param.table}"
    assert read_yaml(with_jobs.read("job_meta.yml")).value == {
        "metadata": [{"yaml": "metadata"}, {"csv": "metadata/imported/ingest.csv", "blueprint": "ingest"}]
    }
    assert "modules" in with_jobs.read("metadata/imported/other.yml")
    assert not (with_jobs.path / "resources/hand.yml").exists()

    assert with_jobs.ljm("generate").exit_code == 0
    assert jobs_of(with_jobs) == jobs_of(single)


def test_the_project_file_keeps_its_comments_and_what_it_reads(with_jobs):
    with_jobs.write(
        "job_meta.yml",
        """\
        # ours
        metadata:
          - yaml: metadata/  # by hand
        naming: {task_key: as_written}  # as it is
        """,
    )
    assert importing(with_jobs).exit_code == 0
    assert with_jobs.read("job_meta.yml") == (
        "# ours\nmetadata:\n  - yaml: metadata/  # by hand\n"
        '  - csv: "metadata/imported/ingest.csv"\n    blueprint: "ingest"\n'
        "naming: {task_key: as_written}  # as it is\n"
    )


def test_a_second_time_nothing_changes(with_jobs):
    importing(with_jobs)
    before = with_jobs.everything()
    result = importing(with_jobs)
    assert result.exit_code == 0, result.stderr
    assert with_jobs.everything() == before


def test_a_list_in_one_line_cannot_be_added_to_and_nothing_is_written(with_jobs):
    with_jobs.write("job_meta.yml", "metadata: [{yaml: metadata/}]\n")
    before = with_jobs.everything()
    result = importing(with_jobs, "--replace")
    assert result.exit_code == 2
    assert "add by hand: {csv: metadata/imported/ingest.csv, blueprint: ingest}" in result.stderr
    assert with_jobs.everything() == before


def test_rows_lose_comments_and_that_is_said(with_jobs):
    text = with_jobs.read("resources/hand.yml").replace("    ingest_orders:", "    # why\n    ingest_orders:")
    with_jobs.write("resources/hand.yml", text)
    assert "Rows have no place for comments, and so lose those of 'ingest_orders'." in importing(with_jobs).stderr


def test_a_group_with_a_job_that_is_refused_is_no_blueprint_and_the_others_are_modules(with_jobs):
    text = with_jobs.read("resources/hand.yml").replace("table: customers", "table: '{{tasks.nowhere.values.x}}'")
    with_jobs.write("resources/hand.yml", text)
    result = importing(with_jobs)
    assert result.exit_code == 1
    assert "are no blueprint: " in result.stderr
    assert "Refused: resources/hand.yml:14: ingest_customers: " in result.stderr
    assert (with_jobs.path / "metadata/imported/ingest_orders.yml").exists()


@pytest.mark.parametrize(
    "value", ['""', '"  x "', '"a,b"', '"a\\nb"', '"q\\"q"', '"${var.warehouse_id}"', '"2"', "'1e3'"]
)
def test_whatever_a_value_is_the_jobs_come_out_as_they_were(project, value):
    project.write("src/a.py", "# Databricks notebook source\n")
    jobs = "".join(job("x").replace("table: x", f"table: {each}").replace("ingest_x", f"ingest_{number}x")
                   for number, each in enumerate((value, "plain")))  # fmt: skip
    project.write("resources/hand.yml", f"resources:\n  jobs:\n{jobs}")
    before = read_yaml(project.read("resources/hand.yml")).value["resources"]["jobs"]
    assert importing(project, "--replace").exit_code == 0
    assert project.ljm("generate").exit_code == 0
    for key, found in jobs_of(project).items():
        expected = before[key]["tasks"][0]["notebook_task"]["base_parameters"]
        assert found["tasks"][0]["notebook_task"]["base_parameters"] == expected


def test_the_control_table_takes_no_blueprint(with_jobs):
    with_jobs.write("job_meta.yml", "metadata: [{delta: data/control}]\n")
    with_jobs.ljm("table", "create", "--optional-columns", "--delta", str(with_jobs.path / "data/control"))
    assert importing(with_jobs, "--to-table").exit_code == 2
