"""A module takes over the job of an earlier name, or one of the workspace: the job keeps its id and its run history."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.deployments import COMMANDS, KeptWorld, World, new_world
from support.project_folder import module


@pytest.fixture(scope="module", params=COMMANDS)
def kept(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeptWorld]:
    with new_world(request.param, tmp_path_factory.mktemp("deployed")) as world:
        for name in ("stock", "other"):
            world.module(name)
        world.deploy_well()
        yield KeptWorld(world)


@pytest.fixture
def deployed(kept: KeptWorld) -> World:
    """The jobs `stock` and `other`, deployed."""
    world = kept.restored()
    world.forget()
    return world


def rename(world: World, old: str, new: str, *formerly: str, **values: object) -> None:
    world.remove(old)
    world.project.write(f"metadata/{new}.yml", saying(module(new, **values), formerly=[*(formerly or (old,))]))


def saying(text: str, **lines: object) -> str:
    """Returns the text of a module that says something more."""
    more = "".join(f"    {name}: {value}\n" for name, value in lines.items())
    return text.replace("    sources:", f"{more}    sources:")


class TestAModuleThatIsRenamed:
    def test_keeps_the_id_of_its_job_and_a_second_deployment_changes_nothing(self, deployed: World):
        job_id = deployed.job_id("stock")
        rename(deployed, "stock", "stock_levels")

        deployed.deploy_well()

        assert deployed.changes == {"reset": 1}
        assert deployed.job_id("stock_levels") == job_id
        assert deployed.workspace.jobs.names() == ["other", "stock_levels"]
        assert deployed.record()["stock_levels"]["job_id"] == job_id
        assert sorted(deployed.record()) == ["other", "stock_levels"]
        assert sorted(deployed.project.generated()) == ["jobs/other.yml", "jobs/stock_levels.yml"]
        deployed.forget()
        again = deployed.deploy_well()
        assert "Nothing to deploy" in again.stderr
        assert deployed.changes == {}
