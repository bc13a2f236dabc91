"""The generated files are swapped only where something is deployed; else they are what they were before."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.deployments import SECONDS, World, new_world
from support.slow import few

pytestmark = pytest.mark.skipif(os.name != "posix", reason="process groups and file locks are those of POSIX")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Two jobs that are deployed; since then one module was edited, one renamed, and one is new."""
    with new_world("stand-in", tmp_path) as world:
        world.module("sales")
        world.module("stock")
        world.deploy_well()
        world.module("sales", notebook="/Workspace/b")
        world.remove("stock")
        world.module("stock_levels")
        yield world


@pytest.mark.slow
def test_a_dry_run_leaves_the_files_as_they_were(world):
    before = world.project.generated()

    done = world.deploy("--dry-run", "--max-deletes", "1")

    assert done.exit_code == 0, done.stderr
    assert "2 jobs created or changed, 1 deleted if it were deployed" in done.stderr
    assert world.project.generated() == before


def test_a_refused_deployment_leaves_the_files_as_they_were(world):
    before = world.project.generated()

    done = world.deploy()

    assert done.exit_code == 3, done.stderr
    assert world.project.generated() == before


@pytest.mark.parametrize("command", few(["plan"], ["deploy"]))
def test_a_deployment_that_fails_before_anything_is_deployed_leaves_the_files_as_they_were(world, command):
    before = world.project.generated()
    world.disturb(f'[ "$2" = {command} ] && echo "Error: out of order" >&2 && exit 1')

    done = world.deploy("--max-deletes", "1")

    assert done.exit_code == 1, done.stderr
    assert world.project.generated() == before


@pytest.mark.slow
def test_a_deployment_that_succeeds_swaps_the_files(world):
    world.deploy_well("--max-deletes", "1")

    assert sorted(world.project.generated()) == ["jobs/sales.yml", "jobs/stock_levels.yml"]
    assert "/Workspace/b" in world.project.generated()["jobs/sales.yml"]
    assert not [*world.project.path.glob(".lakeflow-job-meta/*/files_before.json")]


def deploy_until_killed(world: World) -> None:
    with world.start("deploy", "-t", "dev", "--max-deletes", "1") as process:
        assert process.wait(SECONDS) == -9


def test_what_a_killed_deployment_left_is_put_back_by_the_next_one(world):
    before = world.project.generated()
    world.disturb('[ "$2" = plan ] && kill -9 $PPID && exit 1')
    deploy_until_killed(world)
    assert world.project.generated() != before

    world.disturb("")
    refused = world.deploy()

    assert refused.exit_code == 3, refused.stderr
    assert world.project.generated() == before


@pytest.mark.slow
def test_a_file_that_somebody_wrote_after_a_killed_deployment_stays(world):
    world.disturb('[ "$2" = plan ] && kill -9 $PPID && exit 1')
    deploy_until_killed(world)
    world.module("sales", notebook="/Workspace/c")
    assert world.ljm("generate").exit_code == 0
    generated = world.project.generated()

    world.disturb("")
    refused = world.deploy()

    assert refused.exit_code == 3, refused.stderr
    assert world.project.generated()["jobs/sales.yml"] == generated["jobs/sales.yml"]
