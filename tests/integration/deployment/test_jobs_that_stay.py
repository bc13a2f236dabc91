"""No job goes, and none loses a task, because something of the metadata or of the files is missing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.workspace import Fault, FaultKind
from support.deployments import COMMANDS, KeptWorld, World, new_world
from support.project_folder import module
from support.tables import row, write_table

UNPARSABLE = "<<<<<<< ours\nmodules:\n=======\n"


@pytest.fixture(scope="module", params=COMMANDS)
def kept(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeptWorld]:
    with new_world(request.param, tmp_path_factory.mktemp("deployed")) as world:
        for name in ("a", "f"):
            world.module(name)
        world.deploy_well()
        yield KeptWorld(world)


@pytest.fixture
def deployed(kept: KeptWorld) -> World:
    """The jobs `a` and `f`, deployed."""
    return kept.restored()


def names(world: World) -> list[str]:
    return world.workspace.jobs.names()


def break_module(world: World, file: str, name: str) -> None:
    text = module(name).replace("source_id:", "source_idd:")
    assert text != module(name)
    world.project.write(f"metadata/{file}.yml", text)


def lose_files(world: World) -> None:
    """Leaves the project as a fresh checkout does where nothing generated is in git."""
    shutil.rmtree(world.project.path / "resources")
    shutil.rmtree(world.project.path / ".lakeflow-job-meta")


class TestTheFileOfAKeptJobIsMissing:
    def test_a_broken_module_keeps_its_job_whatever_is_allowed(self, deployed: World):
        lose_files(deployed)
        break_module(deployed, "f", "f")

        result = deployed.deploy("--keep-going", "--max-deletes", "9", "--allow-empty")

        assert result.exit_code == 1
        assert "The job of 'f' stays, since its module is there, and has errors" in result.stderr
        assert names(deployed) == ["a", "f"]

    @pytest.mark.slow
    def test_the_monitor_keeps_it_too_and_goes_on_with_the_rest(self, deployed: World):
        lose_files(deployed)
        break_module(deployed, "f", "f")
        deployed.module("a", notebook="/Workspace/new")

        for _ in range(2):
            deployed.ljm("monitor", "--once", "-t", "dev", "--max-deletes", "9")

        assert names(deployed) == ["a", "f"]
        assert deployed.changes["reset"] == 1

    @pytest.mark.slow
    def test_a_module_without_an_active_source_keeps_its_job(self, deployed: World):
        lose_files(deployed)
        deployed.project.write(
            "metadata/f.yml", module("f").replace("- source_id", "- is_active: false\n    source_id")
        )

        result = deployed.deploy("--max-deletes", "9")

        assert names(deployed) == ["a", "f"], result.stderr

    @pytest.mark.slow
    def test_a_job_whose_file_a_refused_deployment_had_removed_is_kept_once_its_module_is_back(self, deployed: World):
        deployed.remove("f")
        assert deployed.deploy().exit_code == 3
        break_module(deployed, "f", "f")

        deployed.deploy("--keep-going", "--max-deletes", "9")

        assert names(deployed) == ["a", "f"]


class TestNobodyKnowsWhereAModuleHasGone:
    def test_it_may_be_in_a_file_that_cannot_be_parsed(self, deployed: World):
        deployed.remove("f")
        deployed.project.write("metadata/g.yml", UNPARSABLE)

        result = deployed.deploy("--keep-going", "--max-deletes", "9")

        assert names(deployed) == ["a", "f"]
        assert "'f' left the metadata, and may have moved to what has errors or cannot be read" in result.stderr
        assert "'metadata/g.yml'" in result.stderr

    def test_it_may_be_a_broken_module_of_another_name_that_has_no_job_yet(self, deployed: World):
        deployed.remove("f")
        break_module(deployed, "g", "g")

        deployed.deploy("--keep-going", "--max-deletes", "9")

        assert names(deployed) == ["a", "f"]

    def test_a_broken_module_that_has_its_job_hides_none(self, deployed: World):
        break_module(deployed, "a", "a")
        deployed.remove("f")

        deployed.deploy("--keep-going", "--max-deletes", "1")

        assert names(deployed) == ["a"]

    @pytest.mark.slow
    def test_it_stays_also_where_no_file_of_it_is_left(self, deployed: World):
        lose_files(deployed)
        deployed.remove("f")
        break_module(deployed, "g", "g")

        deployed.deploy("--keep-going", "--max-deletes", "9")

        assert names(deployed) == ["a", "f"]

    def test_generate_keeps_the_file_and_says_why(self, deployed: World):
        deployed.remove("f")
        deployed.project.write("metadata/g.yml", UNPARSABLE)

        result = deployed.ljm("generate")

        assert (deployed.project.path / "resources/jobs/f.yml").is_file()
        assert "'f' left the metadata" in result.stderr

    def test_a_file_that_moves_while_the_monitor_ticks_is_no_deletion(self, deployed: World):
        deployed.remove("f")
        deployed.ljm("monitor", "--once", "-t", "dev", "--max-deletes", "1")
        deployed.module("f")

        deployed.ljm("monitor", "--once", "-t", "dev", "--max-deletes", "1")

        assert deployed.changes["delete"] == 0
        assert names(deployed) == ["a", "f"]


class TestARowThatHasLostItsModule:
    @pytest.fixture
    def table(self, tmp_path: Path) -> Iterator[World]:
        with new_world("stand-in", tmp_path) as world:
            world.project.write("job_meta.yml", "metadata: [{delta: control}]\n")
            self.write(world, "a", "a")
            world.deploy_well()
            yield world

    def write(self, world: World, first: str | None, second: str | None) -> None:
        config = {"transformation_config": {"notebook_path": "/Workspace/x"}}
        rows = [row("one", first, **config), row("two", second, **config), row("b", "b", **config)]
        write_table(world.project.path / "control", rows)

    def tasks(self, world: World) -> list[str]:
        return [task["task_key"] for task in world.workspace.jobs.by_name("a").settings["tasks"]]

    def test_its_task_stays_and_the_other_modules_go_on(self, table: World):
        self.write(table, "a", None)

        result = table.deploy("--keep-going", "--max-deletes", "9")

        assert result.exit_code == 1
        assert "'a' would lose a task whose source is there, but has lost its module_name" in result.stderr
        assert self.tasks(table) == ["one", "two"]

    def test_its_task_stays_and_that_is_told_where_its_module_alone_is_deployed(self, table: World):
        self.write(table, "a", None)

        result = table.deploy("a")

        assert "'a' would lose a task whose source is there, but has lost its module_name" in result.stderr
        assert self.tasks(table) == ["one", "two"]

    @pytest.mark.slow
    def test_its_task_stays_also_where_no_file_of_the_job_is_left(self, table: World):
        lose_files(table)
        self.write(table, "a", None)

        table.deploy("--keep-going", "--max-deletes", "9")

        assert self.tasks(table) == ["one", "two"]

    @pytest.mark.slow
    def test_the_module_stays_if_all_of_its_rows_have_lost_it(self, table: World):
        self.write(table, None, None)

        table.deploy("--keep-going", "--max-deletes", "9")

        assert names(table) == ["a", "b"]


class TestAJobThatMayNotBeDeleted:
    def test_it_is_named_until_it_is_gone(self, deployed: World):
        job_id = str(deployed.job_id("f"))
        deployed.remove("f")
        deployed.workspace.faults.add(Fault("POST", "/api/2.2/jobs/delete", FaultKind.FORBIDDEN, times=9))
        assert deployed.deploy("--max-deletes", "1").exit_code == 1

        again = deployed.deploy()
        status = deployed.ljm("status", "-t", "dev")
        plan = deployed.ljm("plan", "--live", "-t", "dev")

        for result in (again, status, plan):
            assert f"The job {job_id} ('f') is no longer any module's job, was not deleted, and still runs." in (
                result.stdout + result.stderr
            )
        assert (again.exit_code, status.exit_code) == (1, 1)
        assert set(deployed.record()) == {"a", "f"}

        deployed.workspace.faults.clear()
        deployed.workspace.jobs.remove(int(job_id))
        assert "still runs" not in deployed.deploy_well().stderr
        assert set(deployed.record()) == {"a"}
