"""`ljm deploy MODULE...`: the jobs of some modules are deployed, and all others stay as they are.

With a stand-in for the databricks CLI, again with the real one where it is on PATH, and through the Jobs API.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from lakeflow_job_meta import ConfigError, InvalidMetadata, OperationFailed, deploy, load_project
from support.deployments import COMMANDS, KeptWorld, World, new_world
from support.many_bundles import ROOT, SHARED
from support.project_folder import ProjectFolder, module

pytest_plugins = ["support.workspace_fixtures"]

SQL = """\
modules:
  - module_name: {name}
    sources:
      - source_id: a
        execution_order: 1
        transformation_config: {{sql_task: {{warehouse_id: w, sql_query: "SELECT {value}"}}}}
"""


@pytest.fixture(scope="module", params=COMMANDS)
def kept(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeptWorld]:
    with new_world(request.param, tmp_path_factory.mktemp("deployed")) as world:
        for name in ("sales", "stock"):
            world.module(name)
        world.project.write("metadata/query.yml", SQL.format(name="query", value=1))
        world.deploy_well()
        yield KeptWorld(world)


@pytest.fixture
def deployed(kept: KeptWorld) -> World:
    """The jobs `sales`, `stock` and `query`, deployed, and nothing counted yet."""
    world = kept.restored()
    world.forget()
    return world


def notebook_of(world: World, name: str) -> str:
    (task,) = world.workspace.jobs.by_name(name).settings["tasks"]
    return str(task["notebook_task"]["notebook_path"])


class TestTheChosenOnes:
    def test_are_deployed_and_listed_alone(self, deployed: World):
        for name in ("sales", "stock", "new"):
            deployed.module(name, notebook="/Workspace/b")

        result = deployed.deploy_well("sales")

        assert deployed.changes == {"reset": 1}
        assert (notebook_of(deployed, "sales"), notebook_of(deployed, "stock")) == ("/Workspace/b", "/Workspace/a")
        assert [line.split()[0] for line in result.stdout.splitlines()] == ["sales"]
        assert result.stderr.endswith("Deployed: 1 job created or changed.\n")

    def test_may_be_several_and_new_ones(self, deployed: World):
        for name in ("sales", "stock", "new", "newer"):
            deployed.module(name, notebook="/Workspace/b")

        deployed.deploy_well("new", "stock")

        assert deployed.changes == {"create": 1, "reset": 1}
        assert deployed.workspace.jobs.names() == ["new", "query", "sales", "stock"]
        assert sorted(deployed.record()) == ["new", "query", "sales", "stock"]

    def test_alone_are_started_afterwards(self, deployed: World):
        deployed.module("sales", notebook="/Workspace/b")

        deployed.deploy_well("sales", "--run", "all")

        assert [run.job_id for run in deployed.workspace.jobs.runs] == [deployed.job_id("sales")]

    def test_keep_their_job_when_they_are_renamed(self, deployed: World):
        job_id = deployed.job_id("sales")
        deployed.remove("sales")
        text = module("revenue").replace("    sources:", "    formerly: [sales]\n    sources:")
        deployed.project.write("metadata/revenue.yml", text)
        deployed.module("stock", notebook="/Workspace/b")

        deployed.deploy_well("revenue")

        assert deployed.job_id("revenue") == job_id
        assert deployed.changes == {"reset": 1}
        assert notebook_of(deployed, "stock") == "/Workspace/a"

    def test_pass_the_same_gate(self, deployed: World):
        deployed.workspace.jobs.edit(deployed.job_id("sales"), description="edited by hand")
        deployed.module("sales", notebook="/Workspace/b")
        deployed.project.write(
            "metadata/sales.yml", module("sales").replace("sources:", "job_config: {description: x}\n    sources:")
        )

        result = deployed.deploy("sales")

        assert result.exit_code == 1
        assert "edited by hand" in result.stderr
        assert deployed.changes == {}

    def test_would_be_deployed_in_a_dry_run_and_nothing_is(self, deployed: World):
        for name in ("sales", "stock"):
            deployed.module(name, notebook="/Workspace/b")

        result = deployed.deploy_well("sales", "--dry-run")

        assert "sales" in result.stdout
        assert "stock" not in result.stdout
        assert deployed.changes == {}


class TestTheOthers:
    def test_are_neither_created_nor_changed_although_their_files_are_generated_already(self, deployed: World):
        for name in ("sales", "stock", "new"):
            deployed.module(name, notebook="/Workspace/b")
        assert deployed.ljm("generate").exit_code == 0

        deployed.deploy_well("sales")

        assert deployed.changes == {"reset": 1}
        assert deployed.workspace.jobs.names() == ["query", "sales", "stock"]

    @pytest.mark.parametrize("is_generated", [False, True])
    def test_are_not_deleted_when_they_left_the_metadata_whatever_is_allowed(self, deployed: World, is_generated):
        deployed.remove("stock")
        deployed.module("sales", notebook="/Workspace/b")
        if is_generated:
            assert deployed.ljm("generate").exit_code == 0

        result = deployed.deploy_well("sales", "--max-deletes", "9", "--allow-empty")

        assert deployed.changes == {"reset": 1}
        assert "stock" not in result.stderr
        assert sorted(deployed.record()) == ["query", "sales", "stock"]

    def test_keep_what_was_edited_by_hand_whatever_is_allowed(self, deployed: World):
        deployed.workspace.jobs.edit(deployed.job_id("stock"), description="mine")
        deployed.module("sales", notebook="/Workspace/b")

        result = deployed.deploy_well("sales", "--overwrite-drift")

        assert deployed.workspace.jobs.by_name("stock").settings["description"] == "mine"
        assert "mine" not in result.stderr

    def test_keep_their_files_and_their_sql(self, deployed: World):
        deployed.project.write("metadata/query.yml", SQL.format(name="query", value=2))
        deployed.module("sales", notebook="/Workspace/b")
        before = {path: text for path, text in deployed.project.generated().items() if "sales" not in path}

        deployed.deploy_well("sales")

        after = {path: text for path, text in deployed.project.generated().items() if "sales" not in path}
        assert after == before
        uploaded = [deployed.workspace.tree.read(path) for path in deployed.workspace.tree.paths() if ".sql" in path]
        assert [b"SELECT 1" in text for text in uploaded] == [True]

    def test_may_have_errors_which_are_told(self, deployed: World):
        deployed.project.write("metadata/stock.yml", module("stock").replace("order: 1", "order: one"))
        deployed.module("sales", notebook="/Workspace/b")

        result = deployed.deploy_well("sales")

        assert deployed.changes == {"reset": 1}
        assert "Other modules have 1 error, which `ljm validate` lists." in result.stderr

    def test_may_be_in_a_file_that_cannot_be_read(self, deployed: World):
        deployed.project.write("metadata/stock.yml", "modules: [")
        deployed.module("sales", notebook="/Workspace/b")

        deployed.deploy_well("sales")

        assert deployed.changes == {"reset": 1}

    def test_are_deployed_by_the_next_deployment_of_all(self, deployed: World):
        for name in ("sales", "stock", "new"):
            deployed.module(name, notebook="/Workspace/b")
        deployed.deploy_well("sales")
        deployed.forget()

        deployed.deploy_well()

        assert deployed.changes == {"create": 1, "reset": 1}
        assert "Nothing to deploy" in deployed.deploy_well().stderr


class TestWhatCannotBeChosen:
    def test_is_a_module_that_does_not_exist(self, deployed: World):
        result = deployed.deploy("sale")
        assert (result.exit_code, deployed.calls) == (2, [])
        assert "There is no module 'sale'; did you mean 'sales'?" in result.stderr

    def test_is_a_module_with_errors(self, deployed: World):
        deployed.project.write("metadata/sales.yml", module("sales").replace("order: 1", "order: one"))
        deployed.project.write("metadata/stock.yml", module("stock").replace("order: 1", "order: two"))

        result = deployed.deploy("sales")

        assert (result.exit_code, deployed.calls) == (1, [])
        assert [error.place.split(":")[0] for error in result.errors] == ["metadata/sales.yml"]
        assert "Nothing was deployed, since 'sales' has errors." in result.stderr

    def test_is_a_module_of_another_target(self, deployed: World):
        text = module("new").replace("    sources:", "    targets: [prod]\n    sources:")
        deployed.project.write("metadata/new.yml", text)

        result = deployed.deploy("new")

        assert (result.exit_code, deployed.calls) == (1, [])
        assert "'new' has no job in the target 'dev', since it is for 'prod' alone. Add 'dev' to" in result.stderr

    def test_is_a_module_without_anything_active(self, deployed: World):
        deployed.project.write("metadata/sales.yml", module().replace("order: 1", "order: 1\n        is_active: false"))

        result = deployed.deploy("sales")

        assert (result.exit_code, deployed.calls) == (1, [])
        assert "'sales' has no job, since nothing in it is active." in result.stderr


class TestAModuleThatRunsAnother:
    RUNS = """\
modules:
  - module_name: all
    sources:
      - source_id: a
        execution_order: 1
        transformation_config: {run_job_task: {job_id: "${resources.jobs.other.id}"}}
"""

    @pytest.mark.parametrize("is_generated", [False, True])
    def test_is_not_deployed_before_it_and_the_way_out_is_told(self, deployed: World, is_generated):
        deployed.project.write("metadata/all.yml", self.RUNS)
        deployed.module("other")
        if is_generated:
            assert deployed.ljm("generate").exit_code == 0

        result = deployed.deploy("all")

        assert (result.exit_code, deployed.calls) == (1, [])
        sentence = "'all' refers to the job of 'other', which is not deployed yet. Deploy both together."
        assert sentence in result.stderr
        assert deployed.deploy_well("all", "other").stderr.endswith("Deployed: 2 jobs created or changed.\n")

    def test_is_deployed_alone_where_the_other_is_there(self, deployed: World):
        deployed.project.write("metadata/all.yml", self.RUNS.replace("other", "stock"))
        deployed.module("stock", notebook="/Workspace/b")

        deployed.deploy_well("all")

        assert deployed.changes == {"create": 1}
        (task,) = deployed.workspace.jobs.by_name("all").settings["tasks"]
        assert task["run_job_task"]["job_id"] == deployed.job_id("stock")


class TestManyBundles:
    @pytest.fixture(params=COMMANDS)
    def bundles(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
        """The jobs `a` to `d` in two bundles, deployed."""
        with new_world(request.param, tmp_path) as world:
            world.project.write("databricks.yml", ROOT)
            world.project.write("shared.yml", SHARED)
            world.project.write("job_meta.yml", "bundles: {jobs_per_bundle: 2}\n")
            for name in "abcd":
                world.module(name)
            world.deploy_well()
            world.disturb("")
            world.forget()
            yield world

    def test_of_one_job_only_its_own_bundle_is_touched_and_there_only_the_job(self, bundles: World):
        for name in "abc":
            bundles.module(name, notebook="/Workspace/b")

        bundles.deploy_well("a")

        assert bundles.changes == {"reset": 1}
        assert notebook_of(bundles, "a") == "/Workspace/b"
        assert bundles.calls.count("deploy") == 1
        bundles.forget()
        bundles.deploy_well()
        assert bundles.changes == {"reset": 2}


class TestThroughTheJobsApi:
    @pytest.fixture
    def by_api(self, project: ProjectFolder, workspace, connection):
        def deploying(*modules: str, **options: object):
            return deploy(
                load_project(project.path), "dev", modules=modules, backend="jobs-api", workspace=connection, **options
            )

        for name in ("sales", "stock"):
            project.write(f"metadata/{name}.yml", module(name))
        deploying()
        workspace.jobs.writes.clear()
        return deploying

    def test_only_the_job_of_the_module_is_written(self, by_api, project, workspace):
        for name in ("sales", "stock", "new"):
            project.write(f"metadata/{name}.yml", module(name, notebook="/Workspace/b"))

        result = by_api("sales")

        assert workspace.jobs.changes == {"reset": 1}
        assert result.changed == ["sales"]
        assert workspace.jobs.names() == ["sales", "stock"]

    def test_nothing_else_is_deleted_or_forgotten(self, by_api, project, workspace):
        (project.path / "metadata/stock.yml").unlink()
        project.write("job_meta.yml", "deploy: {removed: [{module: stock, keep_job: true}]}\n")
        project.write("metadata/sales.yml", module("sales", notebook="/Workspace/b"))

        by_api("sales", max_deletes=9)

        assert workspace.jobs.changes == {"reset": 1}
        assert "lakeflow_job_meta_scope" in json.dumps(workspace.jobs.by_name("stock").settings["tags"])

    @pytest.mark.parametrize(
        ("name", "error"), [("sale", ConfigError), ("broken", InvalidMetadata), ("idle", OperationFailed)]
    )
    def test_what_cannot_be_chosen_is_an_error_and_nothing_is_written(self, by_api, project, workspace, name, error):
        project.write("metadata/broken.yml", module("broken").replace("order: 1", "order: one"))
        project.write("metadata/idle.yml", module("idle").replace("order: 1", "order: 1\n        is_active: false"))

        with pytest.raises(error):
            by_api(name)

        assert workspace.jobs.changes == {}
