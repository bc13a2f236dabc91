"""A job that the workspace has is not created a second time, however the bundle has lost it."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.workspace import Fault, FaultKind
from lakeflow_job_meta import JobOrchestrator, MetadataManager, deploy
from lakeflow_job_meta.config.load import load_project
from lakeflow_job_meta.deployment.jobs_api.ownership_tags import KEY_TAG, SCOPE_TAG, ownership_scope
from lakeflow_job_meta.errors import PolicyRefused
from lakeflow_job_meta.state.store import JOBS
from lakeflow_job_meta.tables.open import open_table
from lakeflow_job_meta.tables.schema import RowChanges
from support.connections import CONTROL, connect
from support.deployments import COMMANDS, KeptWorld, World, new_world
from support.in_process import started_in
from support.many_bundles import ROOT, SHARED
from support.project_folder import module
from support.slow import few
from support.tables import row, write_table

NAMED_A = module("new").replace("    sources:", "    job_config: {name: a}\n    sources:")


@pytest.fixture(scope="module", params=COMMANDS)
def kept(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeptWorld]:
    with new_world(request.param, tmp_path_factory.mktemp("deployed")) as world:
        for name in ("a", "b"):
            world.module(name)
        world.deploy_well()
        yield KeptWorld(world)


@pytest.fixture
def deployed(kept: KeptWorld) -> World:
    """The jobs `a` and `b`, deployed."""
    return kept.restored()


def lose_state(world: World) -> None:
    """Takes from the bundle all that it knows of its jobs, here and in the workspace; the jobs stay."""
    for folder in (".databricks", ".lakeflow-job-meta"):
        shutil.rmtree(world.project.path / folder, ignore_errors=True)
    for path in list(world.workspace.tree.paths()):
        if "/.bundle/" in path and path.endswith(".json"):
            world.workspace.tree.remove(path)


def assert_refused(world: World, *evidence: str) -> None:
    world.forget()
    result = world.deploy()
    assert result.exit_code == 3, result.stderr
    for words in ("would be created although the workspace has them", "adopt: {dev: ID}", *evidence):
        assert words in result.stderr
    assert world.changes == {}


class TestTheBundleHasLostAJob:
    def test_whose_state_is_lost_is_refused_with_the_id_that_is_there(self, deployed: World):
        lose_state(deployed)

        assert_refused(
            deployed, f"a: job {deployed.job_id('a')} ('a'), which this bundle has deployed, though its state"
        )

    def test_it_is_found_by_the_record_under_whatever_name(self, deployed: World):
        record = deployed.project.read(".lakeflow-job-meta/dev/jobs.json")
        lose_state(deployed)
        deployed.project.write(".lakeflow-job-meta/dev/jobs.json", record)
        job_id = deployed.job_id("a")
        deployed.workspace.jobs.edit(job_id, name="renamed", deployment=None)

        assert_refused(deployed, f"a: job {job_id} ('renamed'), which is recorded for this module")

    def test_a_bundle_under_a_new_name_in_a_fresh_checkout_is_refused(self, deployed: World):
        for folder in (".databricks", ".lakeflow-job-meta"):
            shutil.rmtree(deployed.project.path / folder, ignore_errors=True)
        text = deployed.project.read("databricks.yml")
        renamed = text.replace("name: test", "name: renamed")
        assert renamed != text
        deployed.project.write("databricks.yml", renamed)

        assert_refused(
            deployed, f"b: job {deployed.job_id('b')} ('b'), which has the same tasks and is of the bundle at"
        )

    @pytest.mark.slow
    def test_a_person_may_say_that_it_is_another_job(self, deployed: World):
        lose_state(deployed)
        deployed.forget()

        deployed.deploy_well("--allow-duplicates")

        assert deployed.changes == {"create": 2}

    @pytest.mark.slow
    def test_taking_it_over_is_the_way_out(self, deployed: World):
        lose_state(deployed)
        deployed.deploy()
        ids = {key: deployed.job_id(key) for key in ("a", "b")}
        for key, job_id in ids.items():
            adopting = f"    adopt: {{dev: {job_id}}}\n    sources:"
            deployed.project.write(f"metadata/{key}.yml", module(key).replace("    sources:", adopting))
        deployed.forget()

        deployed.deploy_well()

        assert deployed.changes["create"] == 0
        assert {key: deployed.job_id(key) for key in ("a", "b")} == ids

    def test_the_monitor_holds_it_back_and_goes_on_with_the_rest(self, deployed: World):
        lose_state(deployed)
        deployed.workspace.jobs.remove(deployed.job_id("b"))
        deployed.forget()

        deployed.ljm("monitor", "--once", "-t", "dev")

        assert deployed.changes == {"create": 1}
        assert deployed.workspace.jobs.names() == ["a", "b"]


def check_out_anew(world: World) -> None:
    for folder in (".databricks", ".lakeflow-job-meta", "resources", "bundles"):
        shutil.rmtree(world.project.path / folder, ignore_errors=True)


def under_another_root(world: World) -> None:
    text = world.project.read("databricks.yml")
    root = "/Workspace/Shared/elsewhere/${bundle.target}"
    world.project.write("databricks.yml", f"{text}workspace: {{root_path: '{root}'}}\n")


def under_another_name(world: World) -> None:
    text = world.project.read("databricks.yml")
    world.project.write("databricks.yml", text.replace("name: test", "name: renamed"))


OUT_OF_SIGHT = {
    "another root path": under_another_root,
    "another name": under_another_name,
    "a lost state": lose_state,
}


@pytest.fixture(scope="module", params=COMMANDS)
def of_table(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeptWorld]:
    folder = tmp_path_factory.mktemp("recorded")
    with new_world(request.param, folder) as world:
        world.project.write("job_meta.yml", f"metadata: [{{delta: '{folder}/control'}}]\n")
        write_table(folder / "control", [row("x", "a"), row("x", "b")])
        world.deploy_well()
        yield KeptWorld(world)


class TestARecordedJobWhoseStateIsOutOfSight:
    """The record of a control table is in the workspace: a fresh checkout has it, and nothing else."""

    @pytest.mark.parametrize("lose", OUT_OF_SIGHT.values(), ids=OUT_OF_SIGHT)
    def test_is_refused_under_whatever_name_it_has_by_now(self, of_table: KeptWorld, lose):
        deployed = of_table.restored()
        job_id = deployed.job_id("a")
        deployed.workspace.jobs.edit(job_id, name="renamed by hand", deployment=None, tasks=[])
        check_out_anew(deployed)
        lose(deployed)

        assert_refused(deployed, f"a: job {job_id} ('renamed by hand'), which is recorded for this module")
        assert f"b: job {deployed.job_id('b')} ('b'), which is recorded for this module" in deployed.deploy().stderr


class TestAnotherRootPathWithoutARecord:
    def test_of_another_login_is_refused(self, deployed: World):
        check_out_anew(deployed)
        text = deployed.project.read("databricks.yml")
        root = "/Workspace/Users/colleague@example.com/.bundle/${bundle.name}/${bundle.target}"
        deployed.project.write("databricks.yml", f"{text}workspace: {{root_path: '{root}'}}\n")

        assert_refused(
            deployed, f"a: job {deployed.job_id('a')} ('a'), which has the same tasks and is of the bundle at"
        )


class TestAJobOfNobody:
    """Somebody made it in the workspace, or it has lost what said whose it is."""

    def test_with_the_name_and_the_tasks_of_a_new_one_is_refused(self, deployed: World):
        lose_state(deployed)
        for name in ("a", "b"):
            deployed.workspace.jobs.edit(deployed.job_id(name), deployment=None)

        assert_refused(deployed, f"a: job {deployed.job_id('a')} ('a'), which has its name and one of its tasks")
        deployed.deploy_well("--allow-duplicates")
        assert sorted(deployed.workspace.jobs.names()) == ["a", "a", "b", "b"]

    def test_with_other_tasks_is_another_job(self, deployed: World):
        job_id = deployed.job_id("a")
        (task,) = deployed.workspace.jobs.by_name("a").settings["tasks"]
        deployed.workspace.jobs.edit(job_id, name="c", deployment=None, tasks=[{**task, "task_key": "other"}])
        lose_state(deployed)
        deployed.remove("a")
        deployed.remove("b")
        deployed.module("c")

        deployed.deploy_well()

        assert sorted(deployed.workspace.jobs.names()) == ["b", "c", "c"]


class TestNoTwin:
    def test_a_job_of_the_same_name_of_another_bundle_is_no_twin(self, deployed: World):
        path = "/Workspace/Users/someone@example.com/.bundle/other/dev/state/metadata.json"
        other = deployed.job_id("a")
        deployed.workspace.jobs.edit(other, name="c", deployment={"kind": "BUNDLE", "metadata_file_path": path})
        (task,) = deployed.workspace.jobs.by_name("c").settings["tasks"]
        deployed.workspace.jobs.edit(other, tasks=[{**task, "task_key": "something_else"}])
        deployed.remove("a")
        deployed.module("c")

        deployed.deploy_well("--max-deletes", "1", "--overwrite-drift")

        assert deployed.changes["create"] == 1

    @pytest.mark.slow
    def test_the_job_of_another_module_that_somebody_gave_its_name_is_no_twin(self, deployed: World):
        deployed.workspace.jobs.edit(deployed.job_id("b"), name="c", deployment=None)
        deployed.module("c")

        deployed.deploy_well("--overwrite-drift")

        assert sorted(deployed.workspace.jobs.names()) == ["a", "b", "c"]

    @pytest.mark.slow
    def test_a_module_under_a_new_name_is_no_twin_of_its_old_job(self, deployed: World):
        deployed.project.write("metadata/new.yml", NAMED_A)
        deployed.remove("a")

        deployed.deploy_well("--max-deletes", "1")

    def test_two_modules_may_have_jobs_of_one_name(self, deployed: World):
        deployed.project.write("metadata/new.yml", NAMED_A)

        deployed.deploy_well()

        assert sorted(deployed.workspace.jobs.names()) == ["a", "a", "b"]

    def test_a_job_deleted_by_hand_is_created_again(self, deployed: World):
        deployed.workspace.jobs.remove(deployed.job_id("a"))

        deployed.deploy_well()

        assert deployed.workspace.jobs.names() == ["a", "b"]


class TestTheJobsApiBefore:
    def test_what_was_deployed_without_a_cli_is_not_created_by_the_cli(self, deployed: World):
        job_id = deployed.job_id("a")
        job = deployed.workspace.jobs.by_name("a")
        scope = ownership_scope(load_project(deployed.project.path), "dev", "test", str)
        tags = {KEY_TAG: "a", SCOPE_TAG: scope.tag}
        lose_state(deployed)
        deployed.workspace.jobs.edit(job_id, deployment=None, tags=tags, tasks=job.settings["tasks"])

        assert_refused(deployed, f"a: job {job_id} ('a'), which the Jobs API has deployed")


class Shared:
    """A control table that a bundle and a notebook outside of it read: by its path, or by its name over a warehouse."""

    def __init__(self, world: World, kind: str, folder: Path) -> None:
        self.world, self.folder, self.connection = world, folder, connect(world.workspace)
        world.environment["NO_PROXY"] = "127.0.0.1"  # of the SDK, in this process
        self.table = CONTROL if kind == "table" else str(folder / "etl" / "control")
        self.warehouse = world.workspace.warehouse_id if kind == "table" else None
        at = f", warehouse_id: {self.warehouse}" if self.warehouse else ""
        key = "table" if kind == "table" else "delta"
        world.project.write("job_meta.yml", f"metadata: [{{{key}: {self.table!r}{at}}}]\n")
        self.folder.mkdir(exist_ok=True)
        with self.notebook():
            manager = MetadataManager(self.table, self.warehouse, workspace=self.connection)
            manager.ensure_exists()
            manager.table.write(RowChanges([row("a", "sales"), row("a", "stock")]))

    @contextlib.contextmanager
    def notebook(self) -> Iterator[None]:
        """Runs Python in a folder without a bundle."""
        with started_in(self.folder, self.world.environment_of()):
            yield

    def deploy_in_notebook(self, target: str | None = None) -> list[str]:
        with self.notebook():
            orchestrator = JobOrchestrator(self.table, self.warehouse, workspace=self.connection, target=target)
            return [job["module"] for job in orchestrator.run_all_modules(auto_run=False)]

    def lose_record(self) -> None:
        with self.notebook():
            records = open_table(self.table, JOBS, self.warehouse, workspace=self.connection)
            records.write(RowChanges((), [(each["target"], each["bundle_key"]) for each in records.rows()]))


class TestOneTableThroughBothBackends:
    """A module of a control table has one job, whichever deploys it first, and under whatever label of a target."""

    @pytest.fixture(params=few(["delta"], ["table"]))
    def shared(self, request: pytest.FixtureRequest, world: World, tmp_path: Path) -> Shared:
        return Shared(world, request.param, tmp_path / "notebook")

    @pytest.fixture(params=COMMANDS)
    def world(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
        with new_world(request.param, tmp_path) as world:
            yield world

    @pytest.mark.parametrize("target", few(["nightly"], ["dev"]))
    @pytest.mark.parametrize("is_recorded", few([False], [True]))
    def test_the_cli_after_the_jobs_api_creates_no_second_job(self, shared, target, is_recorded):
        assert shared.deploy_in_notebook(target) == ["sales", "stock"]
        if not is_recorded:
            shared.lose_record()

        found = (f"{key}: job {shared.world.job_id(key)} ('{key}')" for key in ("sales", "stock"))
        assert_refused(shared.world, *found)

        assert shared.world.workspace.jobs.names() == ["sales", "stock"]

    @pytest.mark.slow
    def test_such_a_job_is_taken_over_by_binding_it_and_then_refused_to_the_jobs_api(self, shared):
        shared.deploy_in_notebook("nightly")
        ids = {key: shared.world.job_id(key) for key in ("sales", "stock")}
        shared.world.ljm("generate")
        for key, job_id in ids.items():
            shared.world.databricks("bundle", "deployment", "bind", key, str(job_id), "--auto-approve", "-t", "dev")

        shared.world.deploy_well("--overwrite-drift")

        assert {key: shared.world.job_id(key) for key in ids} == ids
        for target in ("nightly", "another"):
            with pytest.raises(PolicyRefused):
                shared.deploy_in_notebook(target)
        assert shared.world.workspace.jobs.names() == ["sales", "stock"]

    @pytest.mark.parametrize("target", few(["nightly"], ["dev", None]))
    def test_the_jobs_api_after_the_cli_creates_no_second_job(self, shared, target):
        shared.world.deploy_well()
        ids = [shared.world.job_id(key) for key in ("sales", "stock")]
        shared.world.forget()

        with pytest.raises(PolicyRefused) as refused:
            shared.deploy_in_notebook(target)

        for words in (f"'sales' (job {ids[0]})", f"'stock' (job {ids[1]})", "ljm deploy"):
            assert words in str(refused.value)
        assert shared.world.changes == {}

    @pytest.mark.parametrize("is_recorded", few([False], [True]))
    def test_the_jobs_api_in_a_bundle_after_the_jobs_api_outside_creates_no_second_job(self, shared, is_recorded):
        shared.deploy_in_notebook("nightly")
        if not is_recorded:
            shared.lose_record()
        job_id = shared.world.job_id("sales")
        project = load_project(shared.world.project.path)

        with shared.notebook():
            result = deploy(project, "dev", backend="jobs-api", workspace=shared.connection)

        assert shared.world.workspace.jobs.names() == ["sales", "stock"]
        (problem,) = [problem for problem in result.problems if f"has the job {job_id} already" in problem]
        assert f"Give it the tag {SCOPE_TAG}=bundle:test:dev, or delete that job first." in problem

        for job in shared.world.workspace.jobs.all():
            shared.world.workspace.jobs.edit(job.job_id, tags={**job.settings["tags"], SCOPE_TAG: "bundle:test:dev"})
        with shared.notebook():
            again = deploy(project, "dev", backend="jobs-api", workspace=shared.connection, overwrite_drift=True)
        assert (again.all_problems, shared.world.job_id("sales")) == ((), job_id)

    @pytest.mark.slow
    def test_two_targets_of_one_bundle_have_jobs_of_their_own(self, shared):
        shared.world.deploy_well()

        result = shared.world.ljm("deploy", "-t", "prod")

        assert result.exit_code == 0, result.stderr
        assert shared.world.workspace.jobs.names() == ["sales", "sales", "stock", "stock"]

    def test_the_record_is_read_once_and_once_more_before_something_is_created(self, shared):
        if shared.warehouse is None:
            pytest.skip("reads of files are not counted")

        def reads() -> int:
            calls = shared.world.workspace.calls("POST", "/api/2.0/sql/statements")
            return sum(b"SELECT" in call.body and b"control_jobs" in call.body for call in calls)

        shared.world.deploy_well()
        first = reads()
        shared.world.deploy_well()

        assert (first, reads() - first) == (1, 1)  # at first there is no table to read before


@pytest.mark.slow
class TestManyBundles:
    """`bundles:` changes which bundle a job belongs to, and its state with it."""

    @pytest.fixture(params=COMMANDS)
    def world(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
        with new_world(request.param, tmp_path) as world:
            root = ROOT.replace("[shared.yml]", "[shared.yml, resources/jobs/*.yml]")
            world.project.write("databricks.yml", root)
            world.project.write("shared.yml", SHARED)
            for name in ("a", "b"):
                world.module(name)
            yield world

    def split(self, world: World) -> None:
        world.project.write("databricks.yml", ROOT)
        world.project.write("job_meta.yml", "metadata: [{yaml: metadata/}]\nbundles: {jobs_per_bundle: 1}\n")

    def test_that_were_one_before_create_no_job_again(self, world: World):
        world.deploy_well()
        check_out_anew(world)
        self.split(world)

        assert_refused(world, f"a: job {world.job_id('a')} ('a'), which has the same tasks and is of the bundle at")

    def test_that_become_one_create_no_job_again(self, world: World):
        root = world.project.read("databricks.yml")
        self.split(world)
        world.deploy_well()
        check_out_anew(world)
        (world.project.path / "job_meta.yml").unlink()
        world.project.write("databricks.yml", root)

        assert_refused(world, f"b: job {world.job_id('b')} ('b'), which has the same tasks and is of the bundle at")

    def test_whose_folder_was_removed_create_no_job_again(self, world: World):
        self.split(world)
        world.deploy_well()
        ids = {name: world.job_id(name) for name in ("a", "b")}
        shutil.rmtree(world.project.path / "bundles")

        world.deploy()

        assert {name: world.job_id(name) for name in ("a", "b")} == ids


class TestAnAnswerThatIsLost:
    """The CLI sends a request again whose connection broke, and the first may have done its work."""

    @pytest.fixture(params=COMMANDS)
    def doubled(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
        with new_world(request.param, tmp_path) as world:
            world.module("a")
            fault = Fault("POST", "/api/2.2/jobs/create", FaultKind.CONNECTION_RESET_AFTER_WORK, times=1)
            world.workspace.faults.add(fault)
            yield world

    @pytest.mark.slow
    def test_a_second_job_of_one_run_is_named_until_it_is_gone(self, doubled: World):
        first = doubled.deploy()
        jobs = doubled.workspace.jobs.all()
        if len(jobs) == 1:  # the CLI did not send it again, and does not know its job
            assert first.exit_code == 1
            assert_refused(doubled, "which this bundle has deployed, though its state does not have it")
            return
        owned = str(doubled.record()["a"]["job_id"])
        (other,) = {str(job.job_id) for job in jobs} - {owned}
        for result in (first, doubled.deploy()):
            assert result.exit_code == 1
            assert (
                f"The job {other} ('a') is no longer any module's job, was not deleted, and still runs" in result.stderr
            )

        doubled.workspace.jobs.remove(int(other))
        doubled.deploy_well()


def test_after_a_creation_only_jobs_of_its_name_are_listed_again(deployed: World):
    deployed.module("c")
    deployed.forget()

    deployed.deploy_well()

    lists = deployed.workspace.calls("GET", "/api/2.2/jobs/list")
    assert [call.query.get("name") for call in lists] == [None, "c"]


def test_a_workspace_that_cannot_be_listed_stops_a_deployment_that_creates(deployed: World):
    deployed.module("c")
    deployed.workspace.faults.add(Fault("GET", "/api/2.2/jobs/list", FaultKind.FORBIDDEN, times=99))
    deployed.forget()

    result = deployed.deploy()

    assert result.exit_code == 1
    assert "`databricks jobs list` failed" in result.stderr
    assert deployed.changes == {}


class TestAFirstDeploymentThatIsRaced:
    """No plan of a first deployment says which state it is for, so the CLI carries it out whatever has happened."""

    @pytest.fixture(params=COMMANDS)
    def world(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
        with new_world(request.param, tmp_path) as world:
            world.module("a")
            world.module("b")
            assert world.ljm("generate").exit_code == 0
            yield world

    def test_by_another_one_after_the_look_for_jobs_that_are_there_creates_no_job_twice(
        self, world: World, tmp_path: Path
    ):
        other, planned, raced = (tmp_path / name for name in ("other", "planned", "raced"))
        shutil.copytree(world.project.path, other)
        world.disturb(
            f'case "$2" in plan|deploy) goes_on=yes ;; *) goes_on= ;; esac\n'
            f'if [ -n "$goes_on" ] && [ -e "{planned}" ] && [ ! -e "{raced}" ]; then\n'
            f'  touch "{raced}"\n  (cd "{other}" && "$CLI" bundle deploy -t dev >&2) || exit 9\nfi\n'
            f'if [ "$2" = plan ]; then touch "{planned}"; fi'
        )

        result = world.deploy_well()

        assert raced.exists(), result.stderr
        assert world.workspace.jobs.names() == ["a", "b"]
        assert world.changes["create"] == 2
