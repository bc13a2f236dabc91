"""A job that was edited in the workspace keeps its edit, and keeps no other job from being deployed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from support.deployments import COMMANDS, KeptWorld, World, new_world
from support.project_folder import module
from support.slow import few

SCHEDULED = '    job_config: {schedule: {quartz_cron_expression: "0 0 6 * * ?", timezone_id: UTC}}\n    sources:'
KEPT = "a: schedule.pause_status is 'PAUSED', in the metadata 'UNPAUSED'"
API = {"HTTP_PROXY": "", "HTTPS_PROXY": ""}


@pytest.fixture(scope="module", params=COMMANDS)
def kept(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeptWorld]:
    with new_world(request.param, tmp_path_factory.mktemp("deployed")) as world:
        for name in ("a", "b"):
            world.project.write(f"metadata/{name}.yml", scheduled(name))
        world.deploy_well()
        yield KeptWorld(world)


@pytest.fixture
def deployed(kept: KeptWorld) -> World:
    """The jobs `a` and `b` with schedules, deployed."""
    world = kept.restored()
    world.forget()
    return world


def scheduled(name: str, **values: object) -> str:
    return module(name, **values).replace("    sources:", SCHEDULED)


def pause(world: World, name: str) -> None:
    schedule = world.workspace.jobs.by_name(name).settings["schedule"]
    world.workspace.jobs.edit(world.job_id(name), schedule={**schedule, "pause_status": "PAUSED"})


def unpause(world: World, name: str) -> None:
    schedule = world.workspace.jobs.by_name(name).settings["schedule"]
    world.workspace.jobs.edit(world.job_id(name), schedule={**schedule, "pause_status": "UNPAUSED"})


def deploy_section(world: World, text: str) -> None:
    path = world.project.path / "job_meta.yml"
    path.write_text((path.read_text() if path.exists() else "") + f"deploy: {{{text}}}\n")


def forget_what_is_kept_here(world: World) -> None:
    """Leaves what a fresh checkout has: no state of the tool, and none of the CLI."""
    for name in (".lakeflow-job-meta", ".databricks"):
        shutil.rmtree(world.project.path / name, ignore_errors=True)


def pause_of(world: World, name: str) -> str:
    return world.workspace.jobs.by_name(name).settings["schedule"]["pause_status"]


class TestAnEditedJobIsHeldBack:
    def test_the_others_are_deployed_and_job_and_edit_are_named(self, deployed: World):
        deployed.workspace.jobs.edit(deployed.job_id("a"), max_concurrent_runs=7)
        for name in ("a", "b"):
            deployed.project.write(f"metadata/{name}.yml", scheduled(name, notebook="/Workspace/new"))

        result = deployed.deploy()

        assert result.exit_code == 1
        assert "a: max_concurrent_runs is 7" in result.stderr
        assert "Deployed: 1 job created or changed." in result.stderr
        assert deployed.changes == {"reset": 1}
        assert deployed.workspace.jobs.by_name("a").settings["max_concurrent_runs"] == 7
        (task,) = deployed.workspace.jobs.by_name("b").settings["tasks"]
        assert task["notebook_task"]["notebook_path"] == "/Workspace/new"

    def test_a_dry_run_says_the_same(self, deployed: World):
        deployed.workspace.jobs.edit(deployed.job_id("a"), max_concurrent_runs=7)

        result = deployed.deploy("--dry-run")

        assert result.exit_code == 1
        assert "a: max_concurrent_runs is 7" in result.stderr

    def test_what_is_refused_beside_it_stops_everything_as_before(self, deployed: World):
        deployed.workspace.jobs.edit(deployed.job_id("a"), max_concurrent_runs=7)
        deployed.remove("b")

        result = deployed.deploy()

        assert result.exit_code == 3
        assert "would delete 1 job ('b')" in result.stderr
        assert "a: max_concurrent_runs is 7" in result.stderr
        assert deployed.changes == {}

    @pytest.mark.parametrize(
        ("before", "after", "setting", "value"),
        [
            ("    job_config: {", "    job_config: {timeout_seconds: 100, ", "timeout_seconds", 100),
            ("{notebook_path", "{run_if: ALL_DONE, notebook_path", "run_if", "ALL_DONE"),
        ],
    )
    def test_what_databricks_has_filled_in_is_no_edit_where_the_metadata_says_it_for_the_first_time(
        self, deployed: World, before: str, after: str, setting: str, value: object
    ):
        text = deployed.project.read("metadata/a.yml")
        deployed.project.write("metadata/a.yml", text.replace(before, after))

        deployed.deploy_well()

        settings = deployed.workspace.jobs.by_name("a").settings
        assert {**settings, **settings["tasks"][0]}.get(setting) == value


class TestWhatTheWorkspaceDecides:
    """By default the pauses of what starts a job."""

    @pytest.mark.parametrize("command", few(["deploy"], ["monitor --once --deployer cli"]))
    def test_a_pause_blocks_nothing_and_is_told(self, deployed: World, command: str):
        pause(deployed, "a")
        deployed.project.write("metadata/b.yml", scheduled("b", notebook="/Workspace/new"))

        result = deployed.ljm(*command.split(), "-t", "dev")

        assert result.exit_code == 0, result.stderr
        assert deployed.changes == {"reset": 1}
        assert (pause_of(deployed, "a"), pause_of(deployed, "b")) == ("PAUSED", "UNPAUSED")
        if command == "deploy":
            assert f"Kept as it is in the workspace: {KEPT}." in result.stderr

    def test_a_plan_that_nothing_follows_lists_it(self, deployed: World):
        pause(deployed, "a")

        text = deployed.ljm("plan", "--live", "-t", "dev").stdout
        live = json.loads(deployed.ljm("plan", "--live", "-t", "dev", "--format", "json").stdout)["live"]

        assert "In the workspace: nothing would change." in text
        assert f"Kept as they are in the workspace:\n    {KEPT}\n" in text
        setting = {"setting": "schedule.pause_status", "workspace": "PAUSED", "metadata": "UNPAUSED"}
        assert live == {"resources": [], "hand_edits": [], "kept": [{"job": "a", **setting}], "first_paused": []}

    def test_it_starts_again_where_edits_may_be_overwritten(self, deployed: World):
        pause(deployed, "a")

        deployed.deploy_well("--overwrite-drift")

        assert pause_of(deployed, "a") == "UNPAUSED"

    def test_it_stays_through_changes_of_the_metadata_and_without_anything_kept_here(self, deployed: World):
        pause(deployed, "a")
        for notebook in ("/Workspace/new", "/Workspace/newer"):
            deployed.project.write("metadata/a.yml", scheduled("a", notebook=notebook))
            deployed.deploy_well()
            forget_what_is_kept_here(deployed)

        job = deployed.workspace.jobs.by_name("a")
        assert job.settings["tasks"][0]["notebook_task"]["notebook_path"] == "/Workspace/newer"
        assert pause_of(deployed, "a") == "PAUSED"
        deployed.forget()
        assert KEPT in deployed.deploy_well().stderr
        assert deployed.changes == {}

    def test_what_the_metadata_says_anew_is_deployed(self, deployed: World):
        pause(deployed, "a")
        deployed.project.write("metadata/a.yml", scheduled("a", notebook="/Workspace/new"))
        deployed.deploy_well()
        unpause(deployed, "a")
        for asked in ("PAUSED", "UNPAUSED"):
            text = scheduled("a", notebook="/Workspace/new")
            deployed.project.write("metadata/a.yml", text.replace("UTC", f"UTC, pause_status: {asked}"))
            deployed.deploy_well()
            assert pause_of(deployed, "a") == asked

    def test_a_start_by_hand_of_what_the_metadata_pauses_is_kept_as_well(self, deployed: World):
        deployed.project.write("metadata/a.yml", scheduled("a").replace("UTC", "UTC, pause_status: PAUSED"))
        deployed.deploy_well()
        unpause(deployed, "a")
        deployed.forget()

        assert "a: schedule.pause_status is 'UNPAUSED', in the metadata 'PAUSED'" in deployed.deploy_well().stderr
        assert deployed.changes == {}

    def test_a_schedule_that_leaves_the_metadata_goes_although_it_was_paused(self, deployed: World):
        pause(deployed, "a")
        deployed.project.write("metadata/a.yml", module("a"))

        deployed.deploy_well()

        assert "schedule" not in deployed.workspace.jobs.by_name("a").settings

    def test_another_edit_beside_it_holds_the_job_back(self, deployed: World):
        pause(deployed, "a")
        deployed.workspace.jobs.edit(deployed.job_id("a"), max_concurrent_runs=7)

        result = deployed.deploy()

        assert result.exit_code == 1
        assert "1 setting changed in the workspace" in result.stderr
        assert deployed.changes == {}

    def test_nothing_is_kept_where_the_project_says_so(self, deployed: World):
        deploy_section(deployed, "keep: []")
        pause(deployed, "a")

        result = deployed.deploy()

        assert result.exit_code == 1
        assert "a: schedule.pause_status is 'PAUSED'" in result.stderr

    @pytest.mark.parametrize("is_of_module", [True, False])
    def test_another_setting_is_kept_for_the_modules_that_the_project_names(self, deployed: World, is_of_module: bool):
        modules = "[a*]" if is_of_module else "[b*]"
        deploy_section(deployed, f"keep: [{{setting: email_notifications, modules: {modules}}}]")
        mine = {"on_failure": ["me@example.com"]}
        deployed.workspace.jobs.edit(deployed.job_id("a"), email_notifications=mine)
        deployed.project.write("metadata/a.yml", scheduled("a", notebook="/Workspace/new"))

        result = deployed.deploy()

        assert result.exit_code == (0 if is_of_module else 1), result.stderr
        assert deployed.changes == ({"reset": 1} if is_of_module else {})
        assert deployed.workspace.jobs.by_name("a").settings["email_notifications"] == mine


class TestHandEditsThatAreRefused:
    @pytest.mark.parametrize("command", [("deploy",), ("monitor", "--once", "--deployer", "cli")], ids=" ".join)
    def test_keep_everything_from_being_deployed(self, deployed: World, command: tuple[str, ...]):
        deploy_section(deployed, "hand_edits: refuse")
        deployed.workspace.jobs.edit(deployed.job_id("a"), max_concurrent_runs=7)
        deployed.project.write("metadata/b.yml", scheduled("b", notebook="/Workspace/new"))

        result = deployed.ljm(*command, "-t", "dev")

        assert result.exit_code == (3 if command == ("deploy",) else 1), result.stderr
        assert "a: max_concurrent_runs is 7" in result.stderr
        assert deployed.changes == {}

    def test_are_overwritten_where_that_is_allowed(self, deployed: World):
        deploy_section(deployed, "hand_edits: refuse")
        deployed.workspace.jobs.edit(deployed.job_id("a"), max_concurrent_runs=7)

        deployed.deploy_well("--overwrite-drift")

        assert deployed.workspace.jobs.by_name("a").settings["max_concurrent_runs"] == 1

    def test_a_pause_is_none(self, deployed: World):
        deploy_section(deployed, "hand_edits: refuse")
        pause(deployed, "a")

        deployed.deploy_well()


class TestNewJobsThatArePaused:
    @pytest.fixture
    def new(self, deployed: World) -> World:
        deploy_section(deployed, "first_pause: true")
        deployed.project.write("metadata/c.yml", scheduled("c"))
        return deployed

    def test_they_are_listed_and_stay_so(self, new: World):
        planned = new.ljm("generate") and new.ljm("plan", "--live", "-t", "dev").stdout

        assert "Created paused, until `ljm unpause`: 'c'." in planned
        assert "Created paused, until `ljm unpause`: 'c'." in new.deploy_well().stderr

        for notebook in ("/Workspace/new", "/Workspace/newer"):
            new.project.write("metadata/c.yml", scheduled("c", notebook=notebook))
            forget_what_is_kept_here(new)
            assert "c: schedule.pause_status is 'PAUSED'" in new.deploy_well().stderr
        assert [pause_of(new, name) for name in "abc"] == ["UNPAUSED", "UNPAUSED", "PAUSED"]

    @pytest.mark.parametrize("named", ["c", "--all"])
    def test_they_start_when_somebody_says_so_and_nothing_else_of_them_changes(self, new: World, named: str):
        (job,) = [each for each in json.loads(new.deploy("--format", "json").stdout) if each["module"] == "c"]
        before = new.workspace.jobs.by_name("c").settings

        result = new.ljm("unpause", named, "-t", "dev")

        assert job["first_paused"]
        assert result.exit_code == 0, result.stderr
        assert result.stdout == f"c  {job['job_id']}  schedule\n"
        schedule = {**before["schedule"], "pause_status": "UNPAUSED"}
        assert new.workspace.jobs.by_name("c").settings == {**before, "schedule": schedule}
        new.forget()
        assert "Nothing to deploy" in new.deploy_well().stderr
        assert new.changes == {}

    def test_one_that_is_not_deployed_is_told(self, new: World):
        result = new.ljm("unpause", "a", "c", "-t", "dev")

        assert result.exit_code == 1
        assert "'c' is not in the workspace yet, so nothing was started" in result.stderr

    def test_one_that_runs_is_left_alone(self, new: World):
        result = new.ljm("unpause", "a", "-t", "dev")

        assert (result.exit_code, result.stdout) == (0, "")
        assert "a: nothing of it is paused." in result.stderr
        assert new.changes == {}

    def test_all_leaves_those_alone_that_the_metadata_pauses(self, new: World):
        new.project.write("metadata/c.yml", scheduled("c").replace("UTC", "UTC, pause_status: PAUSED"))
        new.deploy_well()

        assert new.ljm("unpause", "--all", "-t", "dev").stdout == ""

        assert pause_of(new, "c") == "PAUSED"


def test_edits_are_refused_through_the_jobs_api_as_well(tmp_path: Path):
    with new_world("stand-in", tmp_path) as world:
        deploy_section(world, "hand_edits: refuse")
        for name in ("a", "b"):
            world.project.write(f"metadata/{name}.yml", scheduled(name))
        run = partial(world.ljm, "monitor", "--once", "--deployer", "jobs-api", "-t", "dev", **API)
        assert run().exit_code == 0
        world.workspace.jobs.edit(world.job_id("a"), max_concurrent_runs=7)
        world.project.write("metadata/b.yml", scheduled("b", notebook="/Workspace/new"))
        world.forget()

        result = run()

        assert result.exit_code == 1
        assert "a: max_concurrent_runs is 7" in result.stderr
        assert world.changes == {}


def test_of_many_bundles_each_keeps_what_is_its_own(tmp_path: Path):
    with new_world("stand-in", tmp_path) as world:
        world.project.write("job_meta.yml", "bundles: {jobs_per_bundle: 1}\ndeploy: {first_pause: true}\n")
        world.project.write("databricks.yml", "bundle: {name: test}\ninclude: [shared.yml]\n")
        world.project.write("shared.yml", "targets: {dev: {default: true}}\n")
        for name in ("a", "b"):
            world.project.write(f"metadata/{name}.yml", scheduled(name))
        assert "Created paused, until `ljm unpause`: 'a', 'b'." in world.deploy_well().stderr

        assert world.ljm("unpause", "b", "-t", "dev").stdout == f"b  {world.job_id('b')}  schedule\n"

        for name in ("a", "b"):
            world.project.write(f"metadata/{name}.yml", scheduled(name, notebook="/Workspace/new"))
        assert KEPT in world.deploy_well().stderr
        assert [pause_of(world, name) for name in ("a", "b")] == ["PAUSED", "UNPAUSED"]


def test_jobs_of_the_jobs_api_are_started_as_well(tmp_path: Path):
    with new_world("stand-in", tmp_path) as world:
        deploy_section(world, "first_pause: true")
        world.project.write("metadata/c.yml", scheduled("c"))
        run = partial(world.ljm, "monitor", "--once", "--deployer", "jobs-api", "-t", "dev", **API)
        assert run().exit_code == 0
        assert pause_of(world, "c") == "PAUSED"

        started = world.ljm("unpause", "c", "--deployer", "jobs-api", "-t", "dev", **API)

        assert started.stdout == f"c  {world.job_id('c')}  schedule\n"
        assert pause_of(world, "c") == "UNPAUSED"
        assert run().exit_code == 0
        assert pause_of(world, "c") == "UNPAUSED"


def test_what_the_cli_writes_into_each_job_is_no_edit(deployed: World):
    deployed.workspace.jobs.edit(deployed.job_id("a"), edit_mode="EDITABLE", deployment={"kind": "BUNDLE"})

    deployed.deploy_well()

    assert deployed.workspace.jobs.by_name("a").settings["edit_mode"] == "UI_LOCKED"
