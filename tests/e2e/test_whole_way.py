"""Twelve varied pipelines, from files and a control table, all the way into a workspace and on.

With the stand-in for the databricks CLI, and with the real one where it is on PATH: so every example's generated YAML,
of which there are snapshots, is validated by it.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from pathlib import Path

import pytest
import yaml

from fakes.workspace import FakeWorkspace
from lakeflow_job_meta import MetadataManager
from lakeflow_job_meta.state.store import JOBS
from lakeflow_job_meta.tables.open import open_table
from lakeflow_job_meta.tables.schema import Row, RowChanges
from support.project_folder import REPOSITORY, ProjectFolder, Result

pytest_plugins = ["support.workspace_fixtures", "fakes.databricks_cli.fixtures"]
pytestmark = pytest.mark.skipif(os.name != "posix", reason="process groups and file locks are those of POSIX")

WAREHOUSE = "0123456789abcdef"
TASKS = {
    "with_a_condition": {"condition_task": {"op": "EQUAL_TO", "left": "{{job.id}}", "right": "1"}},
    "for_each_of_several": {
        "for_each_task": {"inputs": '["a", "b"]', "concurrency": 2, "task": {"notebook_path": "/Workspace/each"}}
    },
    "of_a_wheel": {
        "task_type": "python_wheel",
        "python_wheel_task": {"package_name": "etl", "entry_point": "main"},
        "existing_cluster_id": "0101-010101-abcdefgh",
    },
    "that_runs_another": {"run_job_task": {"module_name": "of_a_wheel"}},
    "with_inline_sql": {"task_type": "sql_query", "sql_task": {"warehouse_id": WAREHOUSE, "sql_query": "SELECT 1"}},
    "of_a_notebook": {"notebook_path": "/Workspace/a", "max_retries": 2, "timeout_seconds": 60},
}


def row(name: str, task: dict) -> Row:
    return {
        "module_name": name,
        "source_id": "a",
        "source_type": "any",
        "execution_order": 1,
        "source_config": "{}",
        "target_config": "{}",
        "transformation_config": json.dumps(task),
        "is_active": True,
    }


class World:
    """The project, and the workspace that it is deployed to."""

    def __init__(self, project: ProjectFolder, workspace: FakeWorkspace, environment: dict[str, str]) -> None:
        self.project = project
        self.workspace = workspace
        self.environment = environment
        self.table = MetadataManager(str(project.path / "etl_control"))
        self.table.ensure_exists()
        self.table.table.write(RowChanges([row(name, task) for name, task in TASKS.items()], ()))

    def ljm(self, *arguments: str, **environment: str) -> Result:
        return self.project.inside(*arguments, **{**self.environment, **environment})

    def deploy(self, *arguments: str) -> Result:
        return self.ljm("deploy", "-t", "prod", *arguments)

    def deploy_well(self, *arguments: str) -> Counter[str]:
        """Deploys, and returns what was written to jobs."""
        self.workspace.jobs.writes.clear()
        result = self.deploy(*arguments)
        assert result.exit_code == 0, result.stderr
        return self.workspace.jobs.changes

    def record(self) -> dict[str, Row]:
        return {
            str(each["module_name"]): each for each in open_table(str(self.project.path / "etl_control"), JOBS).rows()
        }


@pytest.fixture
def world(project, workspace, databricks_environment) -> World:
    examples = REPOSITORY / "examples"
    shutil.copytree(examples, project.path / "examples", ignore=shutil.ignore_patterns("resources", "*.py[co]"))
    bundle = yaml.safe_load((REPOSITORY / "databricks.yml").read_text(encoding="utf-8"))
    project.write("databricks.yml", yaml.safe_dump(bundle, sort_keys=False))
    project.write(
        "job_meta.yml",
        "metadata:\n  - yaml: examples/metadata_examples.yaml\n  - delta: etl_control\noutput: examples/resources\n"
        "defaults:\n  warehouse_id: ${var.warehouse_id}\n",
    )
    return World(project, workspace, databricks_environment)


def test_twelve_varied_pipelines_go_all_the_way_into_a_workspace_and_on(world: World):
    first = world.project.run("deploy", "-t", "prod", **world.environment)
    assert first.exit_code == 0, first.stderr
    assert world.workspace.jobs.changes == {"create": 12}
    assert set(TASKS) < set(world.workspace.jobs.names())
    record = world.record()
    assert {name: each["job_id"] for name, each in record.items()} == {
        job.name: job.job_id for job in world.workspace.jobs.all()
    }
    assert {each["metadata_version"] for each in record.values()} == {"etl_control@1"}

    assert world.deploy_well() == {}

    world.table.table.write(RowChanges([row("of_a_notebook", {"notebook_path": "/Workspace/b"})], ()))
    assert world.deploy_well() == {"reset": 1}
    versions = {name: each["metadata_version"] for name, each in world.record().items()}
    assert versions == {**dict.fromkeys(record, "etl_control@1"), "of_a_notebook": "etl_control@2"}

    world.table.table.write(RowChanges((), [("of_a_notebook", "a")]))
    refused = world.deploy()
    assert refused.exit_code == 3
    assert "would delete 1 job ('of_a_notebook'); 0 allowed" in refused.stderr
    assert len(world.workspace.jobs.all()) == 12

    assert world.deploy_well("--max-deletes", "1") == {"delete": 1}
    assert "of_a_notebook" not in world.workspace.jobs.names()
    assert set(world.record()) == set(record) - {"of_a_notebook"}


@pytest.mark.slow
def test_a_record_that_cannot_be_written_is_told_and_mended_by_the_next_run(world: World):
    blocked = Path(f"{world.project.path / 'etl_control'}_jobs")
    blocked.write_text("in the way")

    first = world.deploy()
    blocked.unlink()

    assert first.exit_code == 1
    assert "could not be recorded" in first.stderr
    assert len(world.workspace.jobs.all()) == 12
    assert world.deploy_well() == {}
    assert len(world.record()) == 12


class TestDoctor:
    def test_doctor_says_what_is_there(self, world: World):
        result = world.ljm("doctor", "-t", "prod")

        assert result.exit_code == 0, result.stdout
        assert [line.split()[0] for line in result.stdout.splitlines()] == ["ok"] * 8
        assert f"ok     workspace: {world.workspace.url} answers" in result.stdout
        assert "ok     files: the databricks CLI uploads all that jobs name" in result.stdout

    def test_doctor_looks_at_the_warehouse_of_the_tasks_and_of_a_table(self, world: World):
        world.project.write(
            "job_meta.yml",
            "metadata: [{table: main.etl.control, warehouse_id: ffffffffffffffff}]\noutput: examples/resources\n"
            f"defaults: {{warehouse_id: '{world.workspace.warehouse_id}'}}\n",
        )

        # The environment's proxy leads nowhere, and the SDK would take it.
        result = world.ljm("doctor", "-t", "prod", NO_PROXY="127.0.0.1")

        assert result.exit_code == 1
        assert f"ok     warehouse {world.workspace.warehouse_id}: " in result.stdout
        assert "wrong  warehouse ffffffffffffffff: " in result.stdout
        assert "has no SQL warehouse 'ffffffffffffffff'" in result.stdout

    def test_doctor_says_what_to_do_without_a_cli(self, world: World, tmp_path: Path):
        result = world.ljm("doctor", PATH=str(tmp_path / "empty"))

        assert result.exit_code == 1
        assert "wrong  databricks CLI: The databricks CLI is not installed." in result.stdout

    def test_doctor_lists_the_files_that_are_not_uploaded(self, world: World):
        (world.project.path / ".gitignore").write_text("*.sql\n")

        result = world.ljm("doctor", "-t", "prod")

        assert result.exit_code == 1
        assert "wrong  files: the databricks CLI does not upload " in result.stdout
        assert "'examples/resources/sql/" in result.stdout
        assert ".gitignore has '*.sql'" in result.stdout

    def test_doctor_waits_for_nobody_where_the_workspace_does_not_answer(self, world: World):
        result = world.ljm("doctor", "-t", "prod", DATABRICKS_HOST="http://127.0.0.1:1")

        assert result.exit_code == 1
        assert "wrong  workspace: The workspace does not answer at 127.0.0.1" in result.stdout
        assert "login" not in result.stdout

    def test_doctor_says_which_include_is_missing(self, world: World):
        (world.project.path / "databricks.yml").write_text("bundle: {name: x}\n")

        result = world.ljm("doctor")

        assert result.exit_code == 1
        assert "add `- examples/resources/jobs/*.yml` below 'include:'" in result.stdout
