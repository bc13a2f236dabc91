"""`ljm pull` writes what was edited in the workspace into the metadata; then a plan shows no change of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest
from deltalake import DeltaTable
from hypothesis import given, settings
from hypothesis import strategies as st

from lakeflow_job_meta._internal.trees import ABSENT, value_at
from lakeflow_job_meta.config.load import load_project
from lakeflow_job_meta.planning.model import Action, BundlePlan, FieldChange, ResourceChange
from lakeflow_job_meta.services.pull import Pull, apply_pull, plan_pull
from lakeflow_job_meta.sources.open import open_table_source
from lakeflow_job_meta.tables.delta import DeltaFiles
from lakeflow_job_meta.tables.store import Snapshot
from support.deployments import COMMANDS, KeptWorld, World, new_world
from support.project_folder import ProjectFolder, compile_loaded

API = {"HTTP_PROXY": "", "HTTPS_PROXY": ""}

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
        parameters: {table: {type: text}}
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


ROWS = """\
modules:
  - module_name: sales
    description: What is sold
    job_config: {max_concurrent_runs: 1, tags: {team: a}}
    sources:
      - source_id: load
        execution_order: 1
        transformation_config: {notebook_path: /Workspace/a, timeout_seconds: 30}
      - source_id: tidy
        execution_order: 2
        transformation_config: {notebook_path: /Workspace/b}
"""


@pytest.fixture
def rows(tmp_path: Path) -> ProjectFolder:
    """A project whose metadata is in a Delta table."""
    return project_of_rows(ProjectFolder(tmp_path))


def project_of_rows(project: ProjectFolder) -> ProjectFolder:
    project.write("job_meta.yml", "metadata: [{delta: control}]\n")
    project.write("rows.yml", ROWS)
    for arguments in (("table", "create", "--optional-columns"), ("table", "load", str(project.path / "rows.yml"))):
        result = project.ljm(*arguments)
        assert result.exit_code == 0, result.stderr
    return project


def cells(project: ProjectFolder) -> dict[str, dict[str, object]]:
    loaded = load_project(project.path)
    rows = open_table_source(loaded.table_sources[0], loaded.folder).read().rows
    return {str(row["source_id"]): dict(row) for row in rows}


def pull_of(project: ProjectFolder, path: str, remote: object) -> Pull:
    field = FieldChange(path, Action.UPDATE, "", "before", "before", remote)
    plan = BundlePlan((ResourceChange("resources.jobs.sales", Action.UPDATE, (field,), False),), None, None)
    compilation = project.compile()
    return plan_pull(load_project(project.path), compilation, plan, "default", lambda files: compilation)


EDITS = st.lists(
    st.one_of(
        st.tuples(st.just("max_concurrent_runs"), st.integers(1, 1000) | st.none()),
        st.tuples(st.just("description"), st.text(min_size=1, max_size=20)),
        st.tuples(st.sampled_from(["tags['team']", "tags['new one']"]), st.text("abc: #'\"", min_size=1)),
        st.tuples(st.just("tags['team']"), st.none()),
        st.tuples(st.just("schedule.timezone_id"), st.sampled_from(["Europe/Rome", "UTC"])),
        st.tuples(st.just("email_notifications.on_failure"), st.lists(st.emails(), min_size=1, max_size=2)),
        st.tuples(st.just("queue"), st.just({"enabled": True})),
        st.tuples(
            st.sampled_from(["load", "tidy"]).map(lambda key: f"tasks[task_key='{key}'].timeout_seconds"),
            st.integers(1, 99) | st.none(),
        ),
        st.tuples(
            st.just("tasks[task_key='tidy'].libraries"),
            st.lists(st.just({"pypi": {"package": "x"}}), min_size=1, max_size=2),
        ),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda each: each[0],
)


@given(edits=EDITS)
@settings(max_examples=40, deadline=None)
def test_what_was_pulled_compiles_to_what_the_workspace_has_and_every_comment_stays(tmp_path_factory, edits):
    project = ProjectFolder(tmp_path_factory.mktemp("pulled"))
    project.write("job_meta.yml", PROJECT)
    project.write("databricks.yml", BUNDLE)
    project.write("metadata/all.yml", METADATA)
    loaded = load_project(project.path)
    fields = tuple(FieldChange(path, Action.UPDATE, "", "before", "before", value) for path, value in edits)
    plan = BundlePlan((ResourceChange("resources.jobs.sales", Action.UPDATE, fields, False),), None, None)

    pull = plan_pull(loaded, project.compile(), plan, "dev", lambda files: compile_loaded(loaded, contents=files))
    apply_pull(loaded, pull)

    assert {each.edit.name.split(".")[0] for each in pull.pulled} | {each.name for each in pull.left}
    built = project.compile().jobs.get("sales").in_target("dev").settings
    for each in pull.pulled:
        is_there, value = value_at(built, each.edit.path)
        assert (value if is_there else ABSENT) == each.edit.value
    text = (project.path / "metadata/all.yml").read_text()
    kept = [comment for comment in re.findall(r"# [\w ]+", METADATA) if "one by one" not in comment]
    assert [comment for comment in kept if comment not in text] == []


class TestRows:
    def test_a_setting_of_a_task_goes_into_the_cell_of_its_row(self, rows: ProjectFolder):
        pull = pull_of(rows, "tasks[task_key='load'].timeout_seconds", 40)

        assert apply_pull(load_project(rows.path), pull) == ()

        assert [str(each.ref) for each in pull.pulled] == [
            "control[module_name=sales, source_id=load].transformation_config:1:54"
        ]
        found = cells(rows)
        assert json.loads(found["load"]["transformation_config"]) == {
            "notebook_path": "/Workspace/a",
            "timeout_seconds": 40,
        }
        (job,) = rows.compile().jobs
        assert job.tasks[0]["timeout_seconds"] == 40

    def test_one_of_the_job_goes_into_every_row_that_says_something_of_it(self, rows: ProjectFolder):
        apply_pull(load_project(rows.path), pull_of(rows, "tags['team']", "b"))
        apply_pull(load_project(rows.path), pull_of(rows, "email_notifications", {"on_failure": ["me@x"]}))
        apply_pull(load_project(rows.path), pull_of(rows, "description", "mine"))
        apply_pull(load_project(rows.path), pull_of(rows, "max_concurrent_runs", None))

        assert rows.compile().diagnostics == ()
        (job,) = rows.compile().jobs
        assert job.settings["description"] == "mine"
        assert (job.settings["tags"], "max_concurrent_runs" in job.settings) == ({"team": "b"}, False)
        assert job.settings["email_notifications"] == {"on_failure": ["me@x"]}

    def test_what_the_rows_would_not_give_is_told_and_not_written(self, rows: ProjectFolder):
        fields = [
            FieldChange("tags", Action.UPDATE, "", "before", "before", None),
            FieldChange("tags['team']", Action.UPDATE, "", "before", "before", "b"),
        ]
        plan = BundlePlan((ResourceChange("resources.jobs.sales", Action.UPDATE, tuple(fields), False),), None, None)
        compilation = rows.compile()

        pull = plan_pull(load_project(rows.path), compilation, plan, "default", lambda files: compilation)

        assert [each.edit.name for each in pull.pulled] == ["tags['team']"]
        (left,) = pull.left
        assert (left.name, "would not come out" in left.reason) == ("tags", True)

    def test_a_cell_that_changed_meanwhile_stays(self, rows: ProjectFolder):
        pull = pull_of(rows, "tasks[task_key='load'].timeout_seconds", 40)
        rows.write("rows.yml", ROWS.replace("timeout_seconds: 30", "timeout_seconds: 31"))
        rows.ljm("table", "load", str(rows.path / "rows.yml"))
        before = cells(rows)

        (left,) = apply_pull(load_project(rows.path), pull)

        assert left == (
            "control[module_name=sales, source_id=load].transformation_config: not applied: it has changed since it "
            "was read; run again"
        )
        assert cells(rows) == before

    def test_a_cell_that_somebody_changes_after_the_last_look_stays_and_what_else_is_in_its_row(
        self, rows: ProjectFolder, monkeypatch: pytest.MonkeyPatch
    ):
        pull = pull_of(rows, "tasks[task_key='load'].timeout_seconds", 40)
        look = DeltaFiles.read
        looks: list[object] = []

        def look_and_change(table: DeltaFiles, *arguments: object, **more: object) -> Snapshot:
            found = look(table, *arguments, **more)
            looks.append(found)
            if len(looks) == 1:
                rows.write("rows.yml", ROWS.replace("timeout_seconds: 30", "timeout_seconds: 31"))
                monkeypatch.setattr(DeltaFiles, "read", look)
                rows.ljm("table", "load", str(rows.path / "rows.yml"))
            return found

        monkeypatch.setattr(DeltaFiles, "read", look_and_change)
        project = load_project(rows.path)

        (left,) = apply_pull(project, pull)

        assert left.endswith("not applied: it has changed since it was read; run again")
        assert json.loads(cells(rows)["load"]["transformation_config"])["timeout_seconds"] == 31

    def test_all_edits_of_one_table_are_one_commit(self, rows: ProjectFolder):
        fields = [
            FieldChange(f"tasks[task_key='{key}'].timeout_seconds", Action.UPDATE, "", 1, 1, 50)
            for key in ("load", "tidy")
        ]
        plan = BundlePlan((ResourceChange("resources.jobs.sales", Action.UPDATE, tuple(fields), False),), None, None)
        compilation = rows.compile()
        pull = plan_pull(load_project(rows.path), compilation, plan, "default", lambda files: compilation)
        version = DeltaTable(str(rows.path / "control")).version()

        apply_pull(load_project(rows.path), pull)

        assert DeltaTable(str(rows.path / "control")).version() == version + 1
        assert [task["timeout_seconds"] for task in next(iter(rows.compile().jobs)).tasks] == [50, 50]

    def test_jobs_of_the_jobs_api_are_pulled_and_nothing_is_left_to_deploy(self, tmp_path: Path):
        with new_world("stand-in", tmp_path) as world:
            project_of_rows(world.project)
            run = ("monitor", "--once", "--deployer", "jobs-api", "-t", "dev")
            assert world.ljm(*run, **API).exit_code == 0
            world.workspace.jobs.edit_task(world.job_id("sales"), "load", timeout_seconds=40)

            result = world.ljm("pull", "--deployer", "jobs-api", "-t", "dev", **API)

            assert result.exit_code == 0, result.stderr
            assert "transformation_config:1:54: sales: tasks[task_key='load'].timeout_seconds is 40" in result.stdout
            world.forget()
            assert world.ljm(*run, **API).exit_code == 0
            assert world.ljm("pull", "--deployer", "jobs-api", "-t", "dev", **API).stdout == ""
            (task, _) = world.workspace.jobs.by_name("sales").settings["tasks"]
            assert task["timeout_seconds"] == 40
