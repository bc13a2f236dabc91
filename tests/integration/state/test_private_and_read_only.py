"""The state folder is for its owner alone, and who only looks creates nothing in it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from lakeflow_job_meta.config.load import load_project
from lakeflow_job_meta.state.folder import state_folder
from support.deployments import COMMANDS, World, new_world
from support.project_folder import ProjectFolder, module
from support.somebody import project_of_somebody

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes of files are those of POSIX")


@pytest.fixture(params=COMMANDS)
def world(request, tmp_path) -> Iterator[World]:
    with new_world(request.param, tmp_path) as world:
        world.module("sales")
        yield world


def open_to_others(folder: Path) -> list[str]:
    paths = [folder, *folder.rglob("*")]
    return [path.name for path in paths if stat.S_IMODE(path.stat().st_mode) & 0o077 and path.name != ".gitignore"]


class TestTheStateFolder:
    def test_and_all_that_a_deployment_leaves_in_it_is_for_its_owner_alone(self, world: World):
        world.deploy_well()

        state = world.project.path / ".lakeflow-job-meta"
        assert sorted(path.name for path in (state / "dev").iterdir()) == ["deployed.json", "jobs.json", "lock"]
        assert open_to_others(state) == []

    def test_that_was_open_to_others_is_closed(self, world: World):
        world.deploy_well()
        state = world.project.path / ".lakeflow-job-meta"
        for path in (state, *state.rglob("*")):
            path.chmod(0o777 if path.is_dir() else 0o666)
        world.module("sales", notebook="/Workspace/b")

        world.deploy_well()

        assert stat.S_IMODE(state.stat().st_mode) == 0o700
        assert {"deployed.json", "jobs.json"}.isdisjoint(open_to_others(state))

    def test_has_the_plan_only_while_it_is_carried_out_and_only_for_its_owner(self, world: World, tmp_path):
        seen = tmp_path / "seen"
        world.disturb(f'[ "$2" = deploy ] && stat -c "%a %s" .lakeflow-job-meta/dev/plan.json > {seen}')

        world.deploy_well()

        mode, size = seen.read_text().split()
        assert mode == "600"
        assert int(size) > 100
        assert not (world.project.path / ".lakeflow-job-meta" / "dev" / "plan.json").exists()

    def test_has_no_plan_after_a_deployment_that_failed(self, world: World):
        world.disturb('[ "$2" = deploy ] && exit 1')

        assert world.deploy().exit_code == 1

        assert not (world.project.path / ".lakeflow-job-meta" / "dev" / "plan.json").exists()


class TestAProjectThatCannotBeWrittenTo:
    @pytest.fixture
    def read_only(self) -> Iterator[ProjectFolder]:
        with project_of_somebody() as project:
            project.write("metadata/sales.yml", module("sales"))
            project.path.chmod(0o500)
            yield project

    @pytest.mark.parametrize("form", ["text", "json"])
    def test_has_a_status_and_a_history(self, read_only: ProjectFolder, form):
        status = read_only.ljm("status", "-t", "dev", "--format", form)
        history = read_only.ljm("history", "-t", "dev", "--format", form)

        assert (status.exit_code, history.exit_code) == (1, 0)
        assert "no monitor has run for this target yet" in status.stdout
        assert status.stderr == history.stderr == ""
        assert history.stdout == ("" if form == "text" else "[]\n")

    def test_says_that_it_cannot_be_written_to_where_that_is_needed(self, read_only: ProjectFolder):
        with pytest.raises(Exception, match="cannot be created: Permission denied"):
            state_folder(load_project(read_only.path), "dev")


def test_a_status_and_a_history_create_nothing(project: ProjectFolder):
    before = project.everything(), sorted(project.path.rglob("*"))

    project.ljm("status", "-t", "dev")
    project.ljm("history", "-t", "dev")

    assert (project.everything(), sorted(project.path.rglob("*"))) == before
