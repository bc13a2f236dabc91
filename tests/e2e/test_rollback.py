"""Rows of a control table that are put back bring back the job of that version."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.connections import CONTROL
from support.deployments import World, new_world
from support.project_folder import module


@pytest.fixture(params=["delta", pytest.param("warehouse", marks=pytest.mark.slow)])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """A project that reads an empty control table, and a workspace."""
    with new_world("stand-in", tmp_path) as world:
        world.environment |= {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
        id_ = world.workspace.warehouse_id
        source = "delta: data/control" if request.param == "delta" else f"table: {CONTROL}\n    warehouse_id: {id_}"
        world.project.write("job_meta.yml", f"metadata:\n  - {source}\n")
        assert world.ljm("table", "create", "--optional-columns").exit_code == 0
        yield world


def write_rows(world: World, *arguments: str, **values: object) -> None:
    world.project.write("loaded/sales.yml", module("sales", **values))  # type: ignore[arg-type]
    result = world.ljm("table", "load", "loaded", *arguments)
    assert result.exit_code == 0, result.stderr
    shutil.rmtree(world.project.path / "loaded")


def notebook_of(world: World) -> object:
    return world.workspace.jobs.by_name("sales").settings["tasks"][0]["notebook_task"]["notebook_path"]


def test_a_rollback_of_rows_brings_back_the_job_of_that_version_under_its_id(world):
    write_rows(world, notebook="/Workspace/one")
    world.deploy_well()
    job_id = world.job_id("sales")
    write_rows(world, notebook="/Workspace/two")
    world.deploy_well()
    assert notebook_of(world) == "/Workspace/two"

    rolled_back = world.ljm("table", "rollback", "sales", "--to", "1", "--yes")
    assert rolled_back.exit_code == 0, rolled_back.stderr
    assert notebook_of(world) == "/Workspace/two"
    world.deploy_well()

    assert notebook_of(world) == "/Workspace/one"
    assert world.job_id("sales") == job_id
    assert [job.job_id for job in world.workspace.jobs.all()] == [job_id]


def test_a_rollback_to_before_a_module_does_not_delete_its_job_without_permission(world):
    write_rows(world)
    world.deploy_well()
    job_id = world.job_id("sales")

    assert world.ljm("table", "rollback", "sales", "--to", "0", "--yes").exit_code == 0
    refused = world.deploy("--allow-empty")

    assert refused.exit_code == 3
    assert world.job_id("sales") == job_id
