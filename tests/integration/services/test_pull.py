"""`ljm pull` writes what was edited in the workspace into the metadata; then a plan shows no change of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from textwrap import dedent

import pytest

from support.deployments import COMMANDS, KeptWorld, World, new_world

PROJECT = """\
defaults:
  task: {max_retries: 1}
presets:
  - preset: early
    job: {timeout_seconds: 60}
"""

METADATA = """\
modules:
  # what is sold
  - module_name: sales
    presets: [early]
    job_config:
      max_concurrent_runs: 1  # one by one
      schedule: {quartz_cron_expression: "0 0 6 * * ?", timezone_id: UTC}  # before work
      tags:
        team: a
        owner: ${var.owner}  # who
    sources:
      - source_id: load
        execution_order: 1
        transformation_config:
          notebook_path: /Workspace/a  # by hand
          timeout_seconds: 30
      - source_id: tidy
        execution_order: 2
        transformation_config: {notebook_path: /Workspace/b}
    targets:
      dev:
        job_config: {description: of dev}
  - module_name: stock
    sources: [{source_id: a, execution_order: 1, transformation_config: {notebook_path: /Workspace/a}}]
"""
C = {"notebook_path": "/Workspace/c", "source": "WORKSPACE", "base_parameters": {"source_id": "tidy"}}

BUNDLE = """\
bundle: {name: test}
include: [resources/jobs/*.yml]
variables: {owner: {default: me}}
targets: {dev: {default: true}, prod: {}}
"""


@pytest.fixture(scope="module", params=COMMANDS)
def kept(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeptWorld]:
    with new_world(request.param, tmp_path_factory.mktemp("deployed")) as world:
        world.project.write("job_meta.yml", PROJECT)
        world.project.write("databricks.yml", BUNDLE)
        world.project.write("metadata/all.yml", METADATA)
        world.deploy_well()
        yield KeptWorld(world)


@pytest.fixture
def deployed(kept: KeptWorld) -> World:
    return kept.restored()


def metadata(world: World) -> str:
    return (world.project.path / "metadata/all.yml").read_text()


def live(world: World) -> dict:
    assert world.ljm("generate").exit_code == 0
    return json.loads(world.ljm("plan", "--live", "-t", "dev", "--format", "json").stdout)["live"]


def edit(world: World, **settings: object) -> None:
    world.workspace.jobs.edit(world.job_id("sales"), **settings)


@pytest.mark.parametrize(
    ("edited", "before", "after"),
    [
        ({"max_concurrent_runs": 7}, "max_concurrent_runs: 1", "max_concurrent_runs: 7"),
        ({"description": "of mine"}, "description: of dev", 'description: "of mine"'),
        ({"tags": {"team": "b", "owner": "me"}}, "team: a", "team: b"),
        (
            {"tags": {"team": "a", "owner": "me", "cost": "7"}},
            "owner: ${var.owner}  # who\n",
            'owner: ${var.owner}  # who\n        cost: "7"\n',
        ),
        ({"tags": {"owner": "me"}}, "        team: a\n", ""),
        (
            {"email_notifications": {"on_failure": ["me@x"]}},
            "# who\n",
            '# who\n      email_notifications:\n        on_failure:\n          - "me@x"\n',
        ),
        (
            {"schedule": {"quartz_cron_expression": "0 0 7 * * ?", "timezone_id": "UTC", "pause_status": "UNPAUSED"}},
            "0 0 6 * * ?",
            "0 0 7 * * ?",
        ),
    ],
    ids=lambda each: next(iter(each)) if isinstance(each, dict) else "",
)
def test_a_setting_of_a_job_is_written_where_it_came_from(deployed: World, edited: dict, before: str, after: str):
    edit(deployed, **edited)
    assert live(deployed)["hand_edits"]

    result = deployed.ljm("pull", "-t", "dev")

    assert result.exit_code == 0, result.stderr
    assert metadata(deployed) == METADATA.replace(before, after)
    assert live(deployed)["hand_edits"] == []
    assert live(deployed)["resources"] == []


@pytest.mark.parametrize(
    ("task", "edited", "before", "after"),
    [
        ("load", {"timeout_seconds": 40}, "timeout_seconds: 30", "timeout_seconds: 40"),
        ("load", {"timeout_seconds": 0}, "timeout_seconds: 30", "timeout_seconds: 0"),
        ("load", {"description": "x"}, "seconds: 30\n", 'seconds: 30\n          description: "x"\n'),
        ("tidy", {"timeout_seconds": 9}, "/Workspace/b}", "/Workspace/b, timeout_seconds: 9}"),
        ("tidy", {"notebook_task": C}, "space/b}", "space/c}"),
    ],
)
def test_a_setting_of_a_task_is_written_where_it_came_from(deployed: World, task, edited, before, after):
    deployed.workspace.jobs.edit_task(deployed.job_id("sales"), task, **edited)

    result = deployed.ljm("pull", "sales", "-t", "dev")

    assert result.exit_code == 0, result.stderr
    assert metadata(deployed) == METADATA.replace(before, after)
    assert live(deployed)["resources"] == []


def test_a_dry_run_shows_the_difference_and_writes_nothing(deployed: World):
    edit(deployed, max_concurrent_runs=7)

    result = deployed.ljm("pull", "-t", "dev", "--dry-run")

    assert "+      max_concurrent_runs: 7  # one by one" in result.stdout
    assert "metadata/all.yml:6:28: sales: max_concurrent_runs is 7" in result.stdout
    assert "1 setting to write, 0 not" in result.stderr
    assert metadata(deployed) == METADATA


@pytest.mark.parametrize(
    ("task", "edited", "said"),
    [
        ("load", {"max_retries": 5}, "it is 5 in the workspace, and 1 comes from defaults at job_meta.yml:2:23"),
        (None, {"timeout_seconds": 5}, "60 comes from preset early at job_meta.yml:5:28"),
        (None, {"tags": {"team": "a", "owner": "you"}}, "'${var.owner}' comes from a reference at metadata/all.yml:10"),
    ],
)
def test_what_comes_from_elsewhere_is_told_and_written_where_that_is_asked_for(deployed: World, task, edited, said):
    if task is None:
        edit(deployed, **edited)
    else:
        deployed.workspace.jobs.edit_task(deployed.job_id("sales"), task, **edited)

    result = deployed.ljm("pull", "-t", "dev")

    assert result.exit_code == 1
    assert said in result.stderr
    assert metadata(deployed) == METADATA
    assert live(deployed)["hand_edits"]

    assert deployed.ljm("pull", "-t", "dev", "--in-module").exit_code == 0

    assert live(deployed)["hand_edits"] == []
    assert "# one by one" in metadata(deployed)


def test_a_task_that_was_added_is_told(deployed: World):
    job = deployed.workspace.jobs.by_name("sales")
    more = {"task_key": "more", "notebook_task": {"notebook_path": "/Workspace/x"}}
    edit(deployed, tasks=[*job.settings["tasks"], more])

    result = deployed.ljm("pull", "-t", "dev")

    assert result.exit_code == 1
    assert "sales: tasks[task_key='more']: the task was added in the workspace" in result.stderr
    assert metadata(deployed) == METADATA


def test_only_the_modules_that_are_named_are_looked_at(deployed: World):
    edit(deployed, max_concurrent_runs=7)

    result = deployed.ljm("pull", "stock", "-t", "dev")

    assert (result.exit_code, result.stdout) == (0, "")
    assert "Nothing to pull" in result.stderr
    assert metadata(deployed) == METADATA


def test_older_generated_files_are_refused(deployed: World):
    deployed.project.write("metadata/all.yml", METADATA.replace("one by one", "one").replace("runs: 1", "runs: 2"))

    result = deployed.ljm("pull", "-t", "dev")

    assert result.exit_code == 1
    assert "Run `ljm generate` first" in result.stderr


BLUEPRINT = dedent(
    """\
    blueprints:
      - blueprint: ingest
        parameters: {table: {type: string}}
        module:
          module_name: ingest_${param.table}
          job_config: {max_concurrent_runs: 1}
          sources:
            - {source_id: a, execution_order: 1, transformation_config: {notebook_path: "/Workspace/${param.table}"}}
    modules:
      - blueprint: ingest
        with: {table: orders}  # the first
    """
)


def test_a_job_of_a_blueprint_is_written_over_where_it_is_used(deployed: World):
    deployed.project.write("metadata/made.yml", BLUEPRINT)
    deployed.deploy_well()
    deployed.workspace.jobs.edit(deployed.job_id("ingest_orders"), max_concurrent_runs=7)

    told = deployed.ljm("pull", "-t", "dev")

    assert told.exit_code == 1
    assert "1 comes from blueprint ingest at metadata/made.yml:6:41" in told.stderr
    assert deployed.ljm("pull", "-t", "dev", "--in-module").exit_code == 0
    path = deployed.project.path / "metadata/made.yml"
    assert path.read_text() == BLUEPRINT + "    job_config:\n      max_concurrent_runs: 7\n"
    assert live(deployed)["resources"] == []
