"""Jobs that a blueprint makes of rows pass the databricks CLI's strict validation, and are deployed row by row."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest
from deltalake import DeltaTable
from examples.demo import write_rows

from support.project_folder import REPOSITORY, ProjectFolder

pytest_plugins = ["support.workspace_fixtures", "fakes.databricks_cli.fixtures"]

EXAMPLE = REPOSITORY / "examples" / "own_table"
JOBS = ["copy_HrLoad", "copy_SalesLoad", "ingest_countries", "ingest_customers", "ingest_orders"]


@pytest.fixture
def project(tmp_path) -> ProjectFolder:
    """The example of two tables that are no control tables, as it is."""
    folder = tmp_path / "own_table"
    shutil.copytree(EXAMPLE, folder)
    for name in ("ingest_list", "main_control_table"):
        write_rows(folder / "rows" / f"{name}.jsonl", folder / "data" / name)
    text = (folder / "databricks.yml").read_text(encoding="utf-8")
    found = ProjectFolder(folder)
    found.write("databricks.yml", text.replace("    mode: development\n", ""))
    return found


def deploy(project: ProjectFolder, environment: dict[str, str], *more: str):
    return project.inside("deploy", "-t", "dev", *more, **environment)


def test_what_is_made_of_rows_passes_the_strict_validation(project, databricks_command, databricks_environment):
    assert project.ljm("generate").exit_code == 0

    done = subprocess.run(
        [databricks_command, "bundle", "validate", "--strict", "-t", "dev", "-o", "json"],
        cwd=project.path,
        env=databricks_environment,
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert done.returncode == 0, done.stderr
    assert sorted(json.loads(done.stdout)["resources"]["jobs"]) == JOBS


@pytest.mark.slow
def test_a_row_that_is_edited_added_or_removed_is_one_job(project, databricks_environment, workspace):
    assert deploy(project, databricks_environment).exit_code == 0
    first = {job.settings["name"]: job.job_id for job in workspace.jobs.all()}
    assert sorted(first) == JOBS

    table = DeltaTable(project.path / "data" / "ingest_list")
    table.update(predicate="target_table = 'orders'", updates={"load_type": "'full'"})
    planned = project.ljm("plan")
    edited = deploy(project, databricks_environment)
    table = DeltaTable(project.path / "data" / "ingest_list")
    table.update(predicate="target_table = 'customers'", updates={"target_table": "'clients'"})
    renamed = deploy(project, databricks_environment, "--max-deletes", "1")

    assert "~ job ingest_orders: changed" in planned.stdout
    assert "(data/ingest_list[target_table=orders].load_type)" in planned.stdout
    assert "0 jobs to create, 1 to change, 0 to delete" in planned.stdout
    assert (edited.exit_code, "0 created, 1 changed, 0 deleted" in edited.stderr) == (0, True), edited.stderr
    assert renamed.exit_code == 0, renamed.stderr
    last = {job.settings["name"]: job.job_id for job in workspace.jobs.all()}
    assert sorted(last) == sorted({*JOBS, "ingest_clients"} - {"ingest_customers"})
    assert all(last[name] == first[name] for name in last.keys() & first.keys())


@pytest.mark.slow
def test_a_bad_row_keeps_its_own_job_and_the_others_are_deployed(project, databricks_environment, workspace):
    assert deploy(project, databricks_environment).exit_code == 0
    table = DeltaTable(project.path / "data" / "ingest_list")
    table.update(predicate="target_table = 'orders'", updates={"load_type": "'ful'"})
    table = DeltaTable(project.path / "data" / "ingest_list")
    table.update(predicate="target_table = 'customers'", updates={"owner": "'new-team'"})

    done = deploy(project, databricks_environment, "--keep-going")

    assert "data/ingest_list[target_table=orders].load_type: error: 'ful' is not one of" in done.stderr
    tags = {job.settings["name"]: job.settings.get("tags") for job in workspace.jobs.all()}
    assert sorted(tags) == JOBS
    assert tags["ingest_customers"] == {"owner": "new-team"}
