"""A job that was edited in the workspace keeps its edit, and keeps no other job from being deployed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.deployments import COMMANDS, KeptWorld, World, new_world
from support.project_folder import module
from support.slow import few

SCHEDULED = '    job_config: {schedule: {quartz_cron_expression: "0 0 6 * * ?", timezone_id: UTC}}\n    sources:'
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


class TestAPausedSchedule:
    @pytest.mark.parametrize("command", few(["deploy"], ["monitor --once --deployer cli"]))
    def test_alone_it_is_kept_and_blocks_nothing(self, deployed: World, command: str):
        pause(deployed, "a")
        deployed.project.write("metadata/b.yml", scheduled("b", notebook="/Workspace/new"))

        result = deployed.ljm(*command.split(), "-t", "dev")

        assert result.exit_code == 0, result.stderr
        assert deployed.changes == {"reset": 1}
        assert (pause_of(deployed, "a"), pause_of(deployed, "b")) == ("PAUSED", "UNPAUSED")
        if command == "deploy":
            assert "What starts 'a' was paused in the workspace, and stays so" in result.stderr

    def test_it_starts_again_where_edits_may_be_overwritten(self, deployed: World):
        pause(deployed, "a")

        deployed.deploy_well("--overwrite-drift")

        assert pause_of(deployed, "a") == "UNPAUSED"

    @pytest.mark.slow
    def test_a_change_of_the_metadata_does_not_start_it_again(self, deployed: World):
        pause(deployed, "a")
        deployed.project.write("metadata/a.yml", scheduled("a", notebook="/Workspace/new"))

        result = deployed.deploy()

        assert result.exit_code == 1
        assert "a: schedule.pause_status is 'PAUSED'" in result.stderr
        assert pause_of(deployed, "a") == "PAUSED"

    @pytest.mark.slow
    def test_an_edit_that_starts_what_the_metadata_pauses_is_an_edit(self, deployed: World):
        text = scheduled("a").replace("timezone_id: UTC", "timezone_id: UTC, pause_status: PAUSED")
        deployed.project.write("metadata/a.yml", text)
        deployed.deploy_well()
        schedule = deployed.workspace.jobs.by_name("a").settings["schedule"]
        deployed.workspace.jobs.edit(deployed.job_id("a"), schedule={**schedule, "pause_status": "UNPAUSED"})

        assert deployed.deploy().exit_code == 1
