"""Modules that wait for modules, run them, and have last tasks, as they are in the workspace, however deployed."""

from __future__ import annotations

import json
import subprocess

import pytest

from support.deployments import new_world
from support.project_folder import ProjectFolder
from support.tables import row, write_table

pytest_plugins = ["support.workspace_fixtures", "support.jobs_api_fixtures", "fakes.databricks_cli.fixtures"]

# The chain comes first, so that what it runs is not there yet when it is its turn.
SALES = """
modules:
  - module_name: chain
    runs: [customers, {module: mart, after: [customers]}]
    on_failure:
      source_id: tell
      transformation_config: {notebook_task: {notebook_path: /Workspace/t, source: WORKSPACE}}
    finally:
      source_id: close
      transformation_config: {notebook_task: {notebook_path: /Workspace/c, source: WORKSPACE}}
  - module_name: mart
    after: [customers]
    sources:
      - source_id: build
        execution_order: 1
        transformation_config: {notebook_task: {notebook_path: /Workspace/a, source: WORKSPACE}}
  - module_name: customers
    sources:
      - source_id: load
        execution_order: 1
        target_config: {catalog: main, schema: silver, table: customers}
        transformation_config: {notebook_task: {notebook_path: /Workspace/a, source: WORKSPACE}}
"""
BUNDLE = "bundle: {name: test}\ninclude: [resources/jobs/*.yml, shared.yml]\n"
TARGETS = "targets: {dev: {default: true}, prod: {}}\n"


def check(jobs) -> None:
    """Compares the jobs of a workspace with what the metadata says."""
    chain = {task["task_key"]: task for task in jobs.by_name("chain").settings["tasks"]}
    runs = {key: int(chain[key]["run_job_task"]["job_id"]) for key in ("customers", "mart")}
    assert runs == {name: jobs.by_name(name).job_id for name in ("customers", "mart")}
    waits = {key: sorted(edge["task_key"] for edge in task.get("depends_on", ())) for key, task in chain.items()}
    assert waits == {"customers": [], "mart": ["customers"], "tell": ["mart"], "close": ["mart", "tell"]}
    assert (chain["tell"]["run_if"], chain["close"]["run_if"]) == ("AT_LEAST_ONE_FAILED", "ALL_DONE")
    trigger = jobs.by_name("mart").settings["trigger"]["table_update"]
    assert trigger["table_names"] == ["main.silver.customers"]


def test_the_jobs_api_deploys_what_a_chain_runs_before_it(site):
    site.project.write("metadata/sales.yml", SALES)
    assert site.deploy() == []
    check(site.workspace.jobs)
    assert set(site.actions().values()) <= {"skip"}


@pytest.mark.real_cli
@pytest.mark.parametrize("bundles", ["", "bundles: {jobs_per_bundle: 10}\n"], ids=["one bundle", "many bundles"])
def test_the_databricks_cli_deploys_it(tmp_path, bundles):
    with new_world("real", tmp_path) as world:
        world.project.write("databricks.yml", BUNDLE)
        world.project.write("shared.yml", TARGETS)
        world.project.write("job_meta.yml", "metadata: [{yaml: metadata/}]\n" + bundles)
        world.project.write("metadata/sales.yml", SALES)

        world.deploy_well()

        check(world.workspace.jobs)


def test_a_chain_across_bundles_is_refused(project):
    project.write("databricks.yml", BUNDLE)
    project.write("shared.yml", TARGETS)
    project.write("job_meta.yml", "bundles: {by: team}\n")
    project.write(
        "metadata/sales.yml",
        SALES.replace("runs:", "job_config: {tags: {team: a}}\n    runs:").replace(
            "after: [customers]\n    sources", "job_config: {tags: {team: b}}\n    after: [customers]\n    sources"
        ),
    )
    assert "job-in-other-bundle" in {each.code for each in project.ljm("validate").errors}


def test_a_table_says_the_same_as_the_file_that_was_loaded_into_it(tmp_path):
    written, loaded = ProjectFolder(tmp_path / "yaml"), ProjectFolder(tmp_path / "table")
    written.write("metadata/sales.yml", SALES)
    loaded.write("sales.yml", SALES)
    write_table(loaded.path / "control", [row(module_name="other", source_id="a")])
    loaded.write("job_meta.yml", "metadata: [{delta: control}]\nsource_parameters: none\n")
    written.write("job_meta.yml", "source_parameters: none\n")

    result = loaded.inside("table", "load", "sales.yml")
    assert result.exit_code == 0, result.stderr

    found, wanted = loaded.compile(), written.compile()
    assert [str(each) for each in found.diagnostics] == []
    for name in ("chain", "mart", "customers"):
        one, other = found.jobs.get(name), wanted.jobs.get(name)
        assert one is not None
        assert other is not None
        assert one.settings == other.settings
    exported = loaded.ljm("table", "export", "chain")
    assert "source_type: on_failure" in exported.stdout.replace('"', "")


@pytest.mark.parametrize("target", ["dev", "prod"])
def test_each_target_passes_the_strict_validation(project, databricks_command, databricks_environment, target):
    project.write("databricks.yml", BUNDLE)
    project.write("shared.yml", TARGETS)
    only_prod = SALES.replace("module_name: customers", "module_name: customers\n    targets: [prod]")
    project.write(
        "metadata/sales.yml",
        only_prod.replace("    after: [customers]\n", "    after: {modules: [customers], tables: [main.a.b]}\n"),
    )
    assert project.ljm("generate").exit_code == 0
    done = subprocess.run(
        [databricks_command, "bundle", "validate", "--strict", "-t", target, "-o", "json"],
        cwd=project.path,
        env=databricks_environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    tasks = json.loads(done.stdout)["resources"]["jobs"]["chain"]["tasks"]
    assert ("customers" in {task["task_key"] for task in tasks}) == (target == "prod")
