"""Overrides of a target in the bundle's own files never empty a job, and variables never lead to another bundle."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.deployments import COMMANDS, World, new_world
from support.project_folder import module
from support.slow import few

pytestmark = pytest.mark.skipif(os.name != "posix", reason="process groups and file locks are those of POSIX")

RUNS = "max_concurrent_runs: 5"


@pytest.fixture(params=COMMANDS)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    with new_world(request.param, tmp_path) as world:
        yield world


def override(world: World, job: str, settings: str, file: str = "databricks.yml") -> None:
    """Lays settings over a job for the target dev."""
    world.project.write(
        file,
        "bundle: {name: shop}\ninclude: [resources/jobs/*.yml]\n"
        f"targets: {{dev: {{default: true, resources: {{jobs: {{{job}: {{{settings}}}}}}}}}}}\n",
    )


def keep_going(world: World, *more: str):
    return world.deploy("--keep-going", "--max-deletes", "5", *more)


class TestAnOverrideOfAJobThatIsGone:
    def test_is_an_error_before_anything_is_deployed(self, world):
        override(world, "stock", RUNS)
        world.module("stock")
        world.module("sales")
        world.deploy_well()
        world.remove("stock")

        result = world.deploy()

        assert result.exit_code == 1
        assert "databricks.yml:3:" in result.stderr
        assert "defines the job 'stock'" in result.stderr
        assert world.workspace.jobs.names() == ["sales", "stock"]

    def test_is_refused_however_many_deletions_are_allowed(self, world):
        override(world, "stock", RUNS)
        world.module("stock")
        world.module("sales")
        world.deploy_well()
        world.remove("stock")
        world.forget()

        result = keep_going(world)

        assert result.exit_code == 3, result.stderr
        assert "would write 1 job that cannot run ('stock' without any task)" in result.stderr
        assert world.changes == {}

    @pytest.mark.slow
    def test_is_refused_where_it_adds_a_task_of_its_own(self, world):
        more = "tasks: [{task_key: more, notebook_task: {notebook_path: /Workspace/b}}]"
        override(world, "stock", more)
        world.module("stock")
        world.module("sales")
        world.deploy_well()
        world.remove("stock")
        world.forget()

        result = keep_going(world)

        assert result.exit_code == 3, result.stderr
        assert "would change 'stock', of which the bundle has nothing but an override" in result.stderr
        assert world.changes == {}

    @pytest.mark.slow
    def test_a_task_of_an_inactive_source_is_reported_and_refused(self, world):
        override(world, "stock", "tasks: [{task_key: b, max_retries: 3}]")
        two = module("stock") + (
            "      - source_id: b\n        execution_order: 1\n        is_active: true\n"
            "        transformation_config: {notebook_path: /Workspace/b}\n"
        )
        world.project.write("metadata/stock.yml", two)
        world.deploy_well()
        world.project.write("metadata/stock.yml", two.replace("true", "false"))
        world.forget()

        told, refused = world.deploy(), keep_going(world)

        assert "the job 'stock' has no task 'b' that this overrides" in told.stderr
        assert (told.exit_code, refused.exit_code) == (1, 3), refused.stderr
        assert "'stock' without what its task 'b' would do" in refused.stderr
        assert world.changes == {}


class TestAJobByHand:
    @pytest.mark.slow
    def test_for_one_target_alone_is_deployed_beside_those_of_modules(self, world):
        job = "name: by_hand, tasks: [{{task_key: a, notebook_task: {{notebook_path: /Workspace/{}}}}}]"
        override(world, "by_hand", job.format("b"))
        world.module("sales")

        world.deploy_well()
        override(world, "by_hand", job.format("c"))
        world.deploy_well()

        assert sorted(world.workspace.jobs.names()) == ["by_hand", "sales"]
        assert world.changes == {"create": 2, "reset": 1}

    @pytest.mark.slow
    def test_may_be_overridden(self, world):
        override(world, "by_hand", f"{RUNS}, tasks: [{{task_key: a, max_retries: 2}}]")
        with (world.project.path / "databricks.yml").open("a") as file:
            file.write(
                "resources: {jobs: {by_hand: {name: by_hand, "
                "tasks: [{task_key: a, notebook_task: {notebook_path: /Workspace/b}}]}}}\n"
            )
        world.module("sales")

        world.deploy_well()

        assert world.changes == {"create": 2}


class TestTheEnvironment:
    def test_a_root_of_another_bundle_does_not_lead_there(self, world, tmp_path):
        other = tmp_path / "other"
        other.mkdir()
        (other / "databricks.yml").write_text("bundle: {name: other}\ntargets: {dev: {}}\n")
        world.module("sales")

        result = world.deploy(DATABRICKS_BUNDLE_ROOT=str(other), BUNDLE_ROOT=str(other))

        assert result.exit_code == 0, result.stderr
        assert world.workspace.jobs.names() == ["sales"]

    @pytest.mark.slow
    @pytest.mark.parametrize("name", ["bundle.yml", "bundle.yaml", "databricks.yaml"])
    def test_a_root_file_of_another_name_is_the_bundle_although_a_folder_above_is_one_too(self, world, name):
        world.project.write("../databricks.yml", "bundle: {name: above}\ntargets: {dev: {}}\n")
        override(world, "sales", RUNS, name)
        (world.project.path / "databricks.yml").unlink()
        world.module("sales")

        world.deploy_well()

        assert world.workspace.jobs.by_name("sales").settings["max_concurrent_runs"] == 5

    @pytest.mark.parametrize("variable", few(["DATABRICKS_BUNDLE_TARGET"], ["DATABRICKS_BUNDLE_ENV"]))
    def test_the_target_that_it_names_is_deployed_and_shown(self, world, variable):
        world.project.write(
            "databricks.yml",
            "bundle: {name: shop}\ninclude: [resources/jobs/*.yml]\n"
            "targets: {dev: {default: true}, prod: {workspace: {root_path: /Workspace/Shared/shop}}}\n",
        )
        world.module("sales")

        result = world.ljm("deploy", "--dry-run", **{variable: "nope"})
        given = world.ljm("deploy", "-t", "dev", "--dry-run", **{variable: "nope"})

        assert result.exit_code == 1
        assert "The target is 'nope', which DATABRICKS_BUNDLE_TARGET or DATABRICKS_BUNDLE_ENV names." in result.stderr
        assert "nope: no such target" in result.stderr
        assert given.exit_code == 0, given.stderr
