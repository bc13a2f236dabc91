"""A module takes over the job of an earlier name, or one of the workspace: the job keeps its id and its run history."""

from __future__ import annotations

import json
import shutil
import urllib.request
from collections.abc import Iterator

import pytest

from support.deployments import COMMANDS, KeptWorld, World, new_world
from support.many_bundles import ROOT, SHARED
from support.project_folder import module
from support.slow import few


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


def killed_at_bind(world: World, moment: str) -> None:
    """Kills a deployment before or after the bundle is given a job under its new key."""
    call = '"$CLI" "$@" >&2;' if moment == "after" else ""
    world.disturb(f'[ "$3" != bind ] || {{ export DATABRICKS_BUNDLE_ROOT="$ROOT"; {call} kill -9 $PPID; exit 1; }}')
    with world.start("deploy", "-t", "dev") as process:
        process.wait(60)
    assert process.returncode == -9
    world.disturb("")


def check_out_anew(world: World) -> None:
    """Takes away all that a fresh checkout does not have, the record of jobs included."""
    for folder in (".databricks", ".lakeflow-job-meta", "resources"):
        shutil.rmtree(world.project.path / folder, ignore_errors=True)


def renames_noted(world: World) -> list[tuple[str, str]]:
    tree = world.workspace.tree
    return [(path, tree.read(path).decode()) for path in list(tree.paths()) if path.endswith("_renames.json")]


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

    def test_the_plan_says_so_instead_of_a_deletion_and_a_creation(self, deployed: World):
        rename(deployed, "stock", "stock_levels")

        result = deployed.ljm("plan")

        assert "~ job stock_levels: renamed from stock; keeps its id and run history\n" in result.stdout
        assert "0 jobs to create, 1 to change, 0 to delete, 1 unchanged." in result.stdout

    @pytest.mark.parametrize("allowed", [(), ("--max-deletes", "9")])
    def test_and_switched_off_at_the_same_time_keeps_its_job_until_it_is_on_again(self, deployed: World, allowed):
        job_id = deployed.job_id("stock")
        rename(deployed, "stock", "stock_levels")
        text = deployed.project.read("metadata/stock_levels.yml")
        deployed.project.write(
            "metadata/stock_levels.yml", text.replace("- source_id", "- is_active: false\n        source_id")
        )

        deployed.deploy_well(*allowed)

        assert deployed.changes == {}
        deployed.project.write("metadata/stock_levels.yml", text)
        deployed.deploy_well()
        assert deployed.job_id("stock_levels") == job_id

    def test_a_dry_run_passes_and_changes_nothing(self, deployed: World):
        rename(deployed, "stock", "stock_levels")

        result = deployed.deploy_well("--dry-run")

        assert "~ stock_levels (" in result.stderr
        assert "renamed from stock; keeps its id and run history" in result.stderr
        assert deployed.changes == {}

    def test_it_keeps_its_job_also_when_the_files_were_generated_before(self, deployed: World):
        job_id = deployed.job_id("stock")
        rename(deployed, "stock", "stock_levels")
        assert deployed.ljm("generate").exit_code == 0

        deployed.deploy_well()

        assert deployed.job_id("stock_levels") == job_id

    def test_what_changes_with_the_name_is_deployed_with_it(self, deployed: World):
        job_id = deployed.job_id("stock")
        rename(deployed, "stock", "stock_levels", notebook="/Workspace/new")

        deployed.deploy_well()

        assert deployed.job_id("stock_levels") == job_id
        (task,) = deployed.workspace.jobs.by_name("stock_levels").settings["tasks"]
        assert task["notebook_task"]["notebook_path"] == "/Workspace/new"

    def test_an_edit_by_hand_holds_the_rename_back_and_nothing_is_lost(self, deployed: World):
        job_id = deployed.job_id("stock")
        deployed.workspace.jobs.edit(job_id, max_concurrent_runs=7)
        rename(deployed, "stock", "stock_levels")

        result = deployed.deploy()

        assert result.exit_code == 1
        assert "stock_levels: max_concurrent_runs is 7" in result.stderr
        assert deployed.changes == {}
        deployed.deploy_well("--overwrite-drift")
        assert deployed.job_id("stock_levels") == job_id
        assert deployed.workspace.jobs.names() == ["other", "stock_levels"]

    def test_names_follow_each_other_and_each_target_goes_on_from_its_own(self, deployed: World):
        job_id = deployed.job_id("stock")
        assert deployed.ljm("deploy", "-t", "prod").exit_code == 0
        in_prod = [job for job in deployed.workspace.jobs.all() if job.settings["name"] == "stock"]
        ids = {job.job_id for job in in_prod}
        rename(deployed, "stock", "levels")
        deployed.deploy_well()
        rename(deployed, "levels", "stock_levels", "stock", "levels")

        deployed.deploy_well()
        assert deployed.ljm("deploy", "-t", "prod").exit_code == 0

        found = {job.job_id for job in deployed.workspace.jobs.all() if job.settings["name"] == "stock_levels"}
        assert found == ids
        assert job_id in ids
        assert len(deployed.workspace.jobs.all()) == 4

    def test_the_line_does_nothing_once_the_target_has_it(self, deployed: World):
        rename(deployed, "stock", "stock_levels")
        deployed.deploy_well()
        deployed.disturb("")

        deployed.module("stock_levels")
        deployed.deploy_well()

        assert "deployment" not in deployed.calls

    def test_a_module_whose_earlier_job_is_gone_gets_a_new_one(self, deployed: World):
        deployed.workspace.jobs.remove(deployed.job_id("stock"))
        rename(deployed, "stock", "stock_levels")

        deployed.deploy_well()

        assert deployed.workspace.jobs.names() == ["other", "stock_levels"]

    def test_the_monitor_renames_it_at_its_next_tick(self, deployed: World):
        job_id = deployed.job_id("stock")
        deployed.ljm("monitor", "--once", "-t", "dev")
        rename(deployed, "stock", "stock_levels")

        deployed.ljm("monitor", "--once", "-t", "dev")

        assert deployed.job_id("stock_levels") == job_id
        assert deployed.workspace.jobs.names() == ["other", "stock_levels"]
        assert sorted(deployed.project.generated()) == ["jobs/other.yml", "jobs/stock_levels.yml"]

    def test_what_a_killed_run_left_behind_is_taken_up(self, deployed: World):
        job_id = deployed.job_id("stock")
        rename(deployed, "stock", "stock_levels")
        deployed.disturb('[ "$3" != bind ] || kill -9 $PPID')
        with deployed.start("deploy", "-t", "dev") as process:
            process.wait(60)
        assert process.returncode == -9
        deployed.disturb("")

        deployed.deploy_well()

        assert deployed.job_id("stock_levels") == job_id
        assert deployed.workspace.jobs.names() == ["other", "stock_levels"]

    @pytest.mark.parametrize("moment", ["before", *few([], ["after"])])
    def test_killed_at_the_bind_it_is_gone_on_with_by_a_checkout_that_knows_nothing(self, deployed: World, moment: str):
        job_id = deployed.job_id("stock")
        rename(deployed, "stock", "stock_levels")
        killed_at_bind(deployed, moment)
        check_out_anew(deployed)

        deployed.deploy_well()

        assert deployed.job_id("stock_levels") == job_id
        assert deployed.workspace.jobs.names() == ["other", "stock_levels"]
        assert "create" not in deployed.changes
        assert [text for _, text in renames_noted(deployed)] == ["{}"]

    def test_killed_behind_the_bind_and_edited_then_is_held_back_by_a_checkout_that_knows_nothing(
        self, deployed: World
    ):
        rename(deployed, "stock", "stock_levels")
        killed_at_bind(deployed, "after")
        check_out_anew(deployed)
        deployed.workspace.jobs.edit(deployed.job_id("stock"), max_concurrent_runs=7)
        deployed.forget()

        result = deployed.deploy()

        assert result.exit_code == 1, result.stderr
        assert "stock_levels: max_concurrent_runs is 7" in result.stderr
        assert deployed.changes == {}

    def test_whose_note_in_the_workspace_is_lost_too_is_refused_with_the_id(self, deployed: World):
        job_id = deployed.job_id("stock")
        rename(deployed, "stock", "stock_levels")
        killed_at_bind(deployed, "before")
        check_out_anew(deployed)
        ((path, _),) = renames_noted(deployed)
        deployed.workspace.tree.remove(path)
        deployed.forget()

        result = deployed.deploy()

        assert result.exit_code == 3, result.stderr
        assert (
            f"stock_levels: job {job_id} ('stock'), which this bundle has deployed under an earlier name"
            in result.stderr
        )
        assert "`adopt: {dev: ID}`" in result.stderr
        assert deployed.changes == {}

    def test_is_not_begun_where_it_cannot_be_noted_in_the_workspace(self, deployed: World):
        rename(deployed, "stock", "stock_levels")
        deployed.disturb('[ "$1 $2" = "workspace import" ] && echo "Error: no room" >&2 && exit 1')

        result = deployed.deploy()

        assert result.exit_code == 1
        assert "`databricks workspace import` failed: no room" in result.stderr
        assert "deployment" not in deployed.calls
        assert deployed.changes == {}
        assert sorted(deployed.project.generated()) == ["jobs/other.yml", "jobs/stock.yml"]

    def test_a_deployment_that_fails_after_it_keeps_the_new_files_and_the_next_one_goes_on(self, deployed: World):
        job_id = deployed.job_id("stock")
        rename(deployed, "stock", "stock_levels", notebook="/Workspace/new")
        deployed.disturb('[ "$2" = deploy ] && echo "Error: out of order" >&2 && exit 1')

        failed = deployed.deploy()

        assert failed.exit_code == 1, failed.stderr
        # The bundle has the job under its new key by now: without its file it would be one that is gone.
        assert sorted(deployed.project.generated()) == ["jobs/other.yml", "jobs/stock_levels.yml"]
        deployed.disturb("")
        deployed.databricks("bundle", "deploy", "-t", "dev")
        assert deployed.job_id("stock_levels") == job_id
        deployed.deploy_well()
        assert deployed.workspace.jobs.names() == ["other", "stock_levels"]

    def test_a_deployment_that_is_refused_leaves_the_old_files_and_places(self, deployed: World):
        rename(deployed, "stock", "stock_levels")
        deployed.remove("other")
        before = deployed.project.generated()

        refused = deployed.deploy()

        assert refused.exit_code == 3, refused.stderr
        assert deployed.project.generated() == before
        assert "deployment" not in deployed.calls

    def test_permissions_and_inline_sql_go_with_it(self, deployed: World):
        def text(name: str, said: str) -> str:
            return (
                f"modules:\n  - module_name: {name}\n{said}"
                "    job_config: {permissions: [{level: CAN_VIEW, group_name: users}]}\n"
                "    sources:\n      - source_id: a\n        execution_order: 1\n"
                "        transformation_config: {sql_task: {warehouse_id: w, sql_query: SELECT 1}}\n"
            )

        deployed.project.write("metadata/stock.yml", text("stock", ""))
        deployed.deploy_well()
        job_id = deployed.job_id("stock")
        deployed.remove("stock")
        deployed.project.write("metadata/levels.yml", text("levels", "    formerly: stock\n"))

        shown = deployed.ljm("plan")
        deployed.deploy_well()

        assert "sql" not in shown.stdout.lower()
        assert deployed.job_id("levels") == job_id
        assert "Nothing to deploy" in deployed.deploy_well().stderr

    def test_what_the_cli_rejects_under_its_new_name_stays_under_the_old_one(self, deployed: World):
        job_id = deployed.job_id("stock")
        rename(deployed, "stock", "levels")
        text = deployed.project.read("metadata/levels.yml")
        deployed.project.write(
            "metadata/levels.yml", text.replace("    sources:", "    job_config: {nope: 1}\n    sources:")
        )
        deployed.project.write("job_meta.yml", "allow_unknown: [job.nope]\ndeploy: {max_deletes: 5}\n")

        told = [deployed.ljm("monitor", "--once", "-t", "dev") for _ in range(3)]

        assert "unknown field: nope" in told[0].stderr
        assert deployed.job_id("stock") == job_id
        assert deployed.workspace.jobs.names() == ["other", "stock"]


HAND = """\
resources:
  jobs:
    # Loads all.
    load__all:
      name: Load all
      tasks:
        - task_key: x
          notebook_task: {notebook_path: /Workspace/a}
    load_all:
      name: Start
      tasks:
        - task_key: x
          run_job_task: {job_id: "${resources.jobs.load__all.id}"}
"""


class TestAnImportedJobWithAKeyThatNoModuleCanHave:
    @pytest.fixture
    def imported(self, deployed: World) -> World:
        """Two jobs of the bundle's own file, deployed by the databricks CLI, and imported."""
        project = deployed.project
        project.write("resources/hand.yml", HAND)
        bundle = project.read("databricks.yml")
        project.write("databricks.yml", bundle.replace("include: [", "include: [resources/hand.yml, "))
        deployed.databricks("bundle", "deploy", "-t", "dev")
        result = deployed.ljm("import", "bundle", str(project.path / "resources/hand.yml"), "--replace")
        assert result.exit_code == 0, result.stderr
        assert "load__all: no module can have this key, so it becomes load_all_2" in result.stderr
        deployed.forget()
        return deployed

    @pytest.mark.parametrize("command", ["adopt", "deploy", "monitor"])
    def test_keeps_its_id_without_a_change_and_is_then_nothing_new_to_the_cli(self, imported: World, command: str):
        ids = [imported.job_id(name) for name in ("Load all", "Start")]

        result = imported.ljm(command, *(["--once"] if command == "monitor" else []), "-t", "dev")

        assert result.exit_code == 0, result.stderr
        assert imported.changes == {}
        assert [imported.record()[key]["job_id"] for key in ("load_all_2", "load_all")] == ids
        plan = json.loads(imported.databricks("bundle", "plan", "-o", "json", "-t", "dev"))["plan"]
        assert {name: each["action"] for name, each in plan.items()} == dict.fromkeys(
            [f"resources.jobs.{key}" for key in ("load_all", "load_all_2", "other", "stock")], "skip"
        )
        assert "nothing would change" in imported.ljm("plan", "--live", "-t", "dev").stdout
        assert "Nothing to deploy" in imported.deploy_well().stderr

    def test_killed_behind_the_bind_it_goes_on(self, imported: World):
        ids = [imported.job_id(name) for name in ("Load all", "Start")]
        killed_at_bind(imported, "after")

        imported.deploy_well()

        assert [imported.record()[key]["job_id"] for key in ("load_all_2", "load_all")] == ids
        assert len(imported.workspace.jobs.all()) == 4

    def test_stands_twice_for_as_long_as_it_is_in_its_file_and_nothing_is_deployed(self, imported: World):
        imported.project.write("resources/hand.yml", HAND[: HAND.index("    load_all:")])

        result = imported.deploy()

        assert result.exit_code == 3
        assert "'load__all', which it was formerly, is still in the bundle" in result.stderr
        assert imported.changes == {}


class TestAModuleThatTakesAJobOver:
    def test_keeps_its_id_and_lists_it_first(self, deployed: World):
        job_id = by_hand(deployed, "nightly")
        adopting(deployed, "nightly", job_id)

        shown = deployed.ljm("adopt", "-t", "dev", "--dry-run")
        assert deployed.changes == {}
        done = deployed.ljm("adopt", "-t", "dev")

        for result in (shown, done):
            assert result.exit_code == 0, result.stderr
            assert "1 job to adopt, without a change." in result.stderr
        assert deployed.workspace.jobs.names() == ["nightly", "other", "stock"]
        assert deployed.job_id("nightly") == job_id
        assert deployed.record()["nightly"]["job_id"] == job_id
        deployed.forget()
        assert "Nothing to deploy" in deployed.deploy_well().stderr

    def test_what_changes_in_it_is_named_with_its_place(self, deployed: World):
        job_id = by_hand(deployed, "nightly", max_concurrent_runs=3)
        deployed.project.write("job_meta.yml", "defaults:\n  job: {max_concurrent_runs: 2}\n")
        adopting(deployed, "nightly", job_id)

        result = deployed.ljm("adopt", "-t", "dev")

        assert result.exit_code == 0, result.stderr
        assert "1 job to adopt: 0 without a change, 1 with:" in result.stderr
        line = f"~ nightly ({job_id}): max_concurrent_runs: 3 -> 2 (from defaults.job, job_meta.yml:2:30)"
        assert line in result.stderr.splitlines()
        assert deployed.workspace.jobs.by_name("nightly").settings["max_concurrent_runs"] == 2

    def test_deploy_does_the_same(self, deployed: World):
        job_id = by_hand(deployed, "nightly", max_concurrent_runs=3)
        adopting(deployed, "nightly", job_id)

        deployed.deploy_well()

        assert deployed.job_id("nightly") == job_id

    @pytest.mark.parametrize("moment", ["before", "after"])
    def test_killed_at_the_bind_it_is_gone_on_with_by_a_checkout_that_knows_nothing(self, deployed: World, moment: str):
        job_id = by_hand(deployed, "nightly", max_concurrent_runs=3)
        adopting(deployed, "nightly", job_id)
        killed_at_bind(deployed, moment)
        check_out_anew(deployed)

        deployed.deploy_well()

        assert deployed.job_id("nightly") == job_id
        assert deployed.workspace.jobs.names() == ["nightly", "other", "stock"]
        assert [text for _, text in renames_noted(deployed)] == ["{}"]

    def test_the_monitor_does_the_same(self, deployed: World):
        job_id = by_hand(deployed, "nightly", max_concurrent_runs=3)
        adopting(deployed, "nightly", job_id)

        deployed.ljm("monitor", "--once", "-t", "dev")

        assert deployed.job_id("nightly") == job_id
        assert len(deployed.workspace.jobs.all()) == 3

    def test_a_paused_one_is_not_started(self, deployed: World):
        schedule = {"quartz_cron_expression": "0 0 6 * * ?", "timezone_id": "UTC", "pause_status": "PAUSED"}
        job_id = by_hand(deployed, "nightly", schedule=schedule)
        adopting(deployed, "nightly", job_id)
        text = deployed.project.read("metadata/nightly.yml")
        cron = '    job_config: {schedule: {quartz_cron_expression: "0 0 6 * * ?", timezone_id: UTC}}\n    sources:'
        deployed.project.write("metadata/nightly.yml", text.replace("    sources:", cron))

        deployed.deploy()

        assert deployed.workspace.jobs.by_name("nightly").settings["schedule"]["pause_status"] == "PAUSED"
        assert deployed.job_id("nightly") == job_id

    def test_a_job_that_is_not_there_is_refused(self, deployed: World):
        adopting(deployed, "nightly", 999)

        result = deployed.deploy()

        assert result.exit_code == 3
        assert "'nightly' is not created: there is no job 999 in the workspace" in result.stderr
        assert deployed.changes == {}

    def test_a_job_of_another_bundle_is_refused(self, deployed: World):
        path = "/Workspace/Users/someone@example.com/.bundle/other/dev/state/metadata.json"
        job_id = by_hand(deployed, "nightly", deployment={"kind": "BUNDLE", "metadata_file_path": path})
        adopting(deployed, "nightly", job_id)
        deployed.forget()

        result = deployed.deploy()

        assert result.exit_code == 3
        assert f"the job {job_id} is of the bundle at {path!r}" in result.stderr
        assert deployed.changes == {}

    def test_the_job_of_another_module_is_refused(self, deployed: World):
        job_id = deployed.job_id("other")
        adopting(deployed, "nightly", job_id)

        result = deployed.deploy()

        assert result.exit_code == 3
        assert f"the job {job_id}, which it is to take over, is the one of 'other'" in result.stderr

    def test_two_modules_for_one_job_are_an_error_at_both_places(self, deployed: World):
        for name in ("one", "two"):
            adopting(deployed, name, 5)

        result = deployed.ljm("validate")

        assert result.codes == ["adopted-twice", "adopted-twice"]
        assert [each.place for each in result.problems] == ["metadata/one.yml:3:18", "metadata/two.yml:3:18"]
        assert "metadata/two.yml:3:18" in result.problems[0].message

    @pytest.mark.parametrize("number", ["nightly", '"5"', "0", "1.5", "true"])
    def test_what_is_no_number_of_a_job_is_an_error(self, deployed: World, number):
        adopting(deployed, "one", number)

        assert deployed.ljm("validate").exit_code == 1

    def test_an_unknown_target_is_an_error(self, deployed: World):
        deployed.project.write("metadata/one.yml", saying(module("one"), adopt="{prd: 5}"))

        result = deployed.ljm("validate")

        assert result.codes == ["unknown-target"]


class TestARename:
    def test_of_a_module_that_is_still_there_is_an_error(self, deployed: World):
        deployed.project.write("metadata/new.yml", saying(module("new"), formerly="stock"))

        result = deployed.ljm("validate")

        assert result.codes == ["former-name"]
        assert "there still is a module 'stock', which has that job" in result.stderr

    def test_of_two_modules_that_swap_their_names_is_an_error(self, deployed: World):
        deployed.project.write("metadata/stock.yml", saying(module("stock"), formerly="other"))
        deployed.project.write("metadata/other.yml", saying(module("other"), formerly="stock"))

        result = deployed.ljm("validate")

        assert result.codes == ["former-name", "former-name"]
        assert "swap their names" in result.stderr

    def test_of_two_modules_that_were_formerly_the_same_is_an_error(self, deployed: World):
        deployed.remove("stock")
        for name in ("one", "two"):
            deployed.project.write(f"metadata/{name}.yml", saying(module(name), formerly="stock"))

        result = deployed.ljm("validate")

        assert result.codes == ["former-name", "former-name"]
        assert "is also what 'two' was formerly" in result.problems[0].message

    def test_to_its_own_name_is_an_error(self, deployed: World):
        deployed.project.write("metadata/stock.yml", saying(module("stock"), formerly="stock"))

        assert "is the module's own name" in deployed.ljm("validate").stderr


class TestAModuleThatIsRemoved:
    def test_may_be_deleted_where_the_project_file_says_so(self, deployed: World):
        deployed.remove("stock")
        deployed.project.write("job_meta.yml", "deploy: {removed: [stock]}\n")

        deployed.deploy_well()

        assert deployed.workspace.jobs.names() == ["other"]

    def test_allows_no_other_deletion(self, deployed: World):
        deployed.module("third")
        deployed.deploy_well()
        deployed.remove("stock")
        deployed.remove("other")
        deployed.project.write("job_meta.yml", "deploy: {removed: [stock]}\n")

        result = deployed.deploy()

        assert result.exit_code == 3
        assert "This deployment would delete 1 job ('other'); 0 allowed." in result.stderr

    def test_keeps_its_job_where_that_is_said(self, deployed: World):
        job_id = deployed.job_id("stock")
        deployed.remove("stock")
        deployed.project.write("job_meta.yml", "deploy: {removed: [{module: stock, keep_job: true}]}\n")

        result = deployed.deploy_well()

        assert f"- stock ({job_id}): forgotten; stays in the workspace" in result.stderr
        assert deployed.changes == {}
        assert deployed.job_id("stock") == job_id
        assert sorted(deployed.record()) == ["other"]
        assert "Nothing to deploy" in deployed.deploy_well().stderr

    def test_the_monitor_keeps_its_job_too(self, deployed: World):
        deployed.remove("stock")
        deployed.project.write("job_meta.yml", "deploy: {removed: [{module: stock, keep_job: true}]}\n")
        for _ in range(3):
            deployed.ljm("monitor", "--once", "-t", "dev")

        assert deployed.workspace.jobs.names() == ["other", "stock"]
        assert sorted(deployed.record()) == ["other"]


class TestTheGate:
    def test_refuses_to_delete_a_job_that_another_key_has_too(self, deployed: World):
        job_id = deployed.job_id("stock")
        deployed.module("levels")
        deployed.ljm("generate")
        deployed.databricks("bundle", "deployment", "bind", "levels", str(job_id), "--auto-approve", "-t", "dev")
        deployed.remove("stock")

        result = deployed.deploy("--max-deletes", "1", "--overwrite-drift")

        assert result.exit_code == 3
        assert f"stock and levels: job {job_id}" in result.stderr
        assert job_id in {job.job_id for job in deployed.workspace.jobs.all()}

    def test_the_line_that_it_names_mends_it(self, deployed: World):
        job_id = deployed.job_id("stock")
        deployed.module("levels")
        deployed.ljm("generate")
        deployed.databricks("bundle", "deployment", "bind", "levels", str(job_id), "--auto-approve", "-t", "dev")
        rename(deployed, "stock", "levels")

        deployed.deploy_well("--overwrite-drift")

        assert deployed.job_id("levels") == job_id


def by_hand(world: World, name: str, **settings: object) -> int:
    """Creates a job as a person would do it in the workspace, which is the one of a module in all but its tags."""
    world.deploy_well()
    task = world.workspace.jobs.by_name("other").settings["tasks"][0]
    body = {"name": name, "tasks": [task], "max_concurrent_runs": 1, **settings}
    request = urllib.request.Request(
        f"{world.workspace.url}/api/2.2/jobs/create",
        json.dumps(body).encode(),
        {"Authorization": f"Bearer {world.workspace.token}", "Content-Type": "application/json"},
    )
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
        job_id = json.load(answer)["job_id"]
    world.forget()
    return job_id


def adopting(world: World, name: str, job_id: object) -> None:
    world.project.write(f"metadata/{name}.yml", saying(module(name), adopt=f"{{dev: {job_id}}}"))


@pytest.mark.parametrize("pause", ["PAUSED", "UNPAUSED"])
def test_a_job_that_is_taken_over_is_not_new_and_stays_paused_or_not(deployed: World, pause: str):
    schedule = {"quartz_cron_expression": "0 0 6 * * ?", "timezone_id": "UTC"}
    job_id = by_hand(deployed, "nightly", schedule={**schedule, "pause_status": pause})
    deployed.project.write("job_meta.yml", "deploy: {first_pause: true}\n")
    text = module("nightly").replace("    sources:", f"    job_config: {{schedule: {schedule}}}\n    sources:")
    deployed.project.write("metadata/nightly.yml", saying(text, adopt=f"{{dev: {job_id}}}"))

    result = deployed.deploy_well()

    assert "Created paused" not in result.stderr
    assert deployed.workspace.jobs.by_name("nightly").settings["schedule"]["pause_status"] == pause
    assert deployed.job_id("nightly") == job_id
    deployed.forget()
    deployed.deploy_well()
    assert deployed.changes == {}


def generated_by_a_blueprint(world: World, *rows: str) -> None:
    world.project.write(
        "metadata/tables.yml",
        """\
        blueprints:
          - blueprint: ingest
            parameters:
              table: {type: text}
              old: {type: text, required: false}
              job: {type: number, required: false}
            module:
              module_name: load_${param.table}
              formerly: ingest_${param.old}
              adopt: {dev: "${param.job}"}
              sources:
                - source_id: load
                  execution_order: 1
                  transformation_config: {notebook_path: /Workspace/a}
        """
        + "modules:\n"
        + "".join(f"          - {{blueprint: ingest, with: {row}}}\n" for row in rows),
    )


class TestABlueprint:
    def test_renames_all_that_is_made_of_it_and_tells_it_once(self, deployed: World):
        for name in ("a", "b", "c"):
            deployed.module(f"ingest_{name}")
        deployed.deploy_well()
        ids = {name: deployed.job_id(f"ingest_{name}") for name in ("a", "b", "c")}
        for name in ids:
            deployed.remove(f"ingest_{name}")
        generated_by_a_blueprint(deployed, *(f"{{table: {name}, old: {name}}}" for name in ids))

        assert "~ 3 jobs of blueprint ingest: renamed; they keep their ids" in deployed.ljm("plan").stdout
        deployed.deploy_well()

        assert {name: deployed.job_id(f"load_{name}") for name in ids} == ids

    def test_takes_jobs_over_by_a_parameter(self, deployed: World):
        job_id = by_hand(deployed, "load_a")
        generated_by_a_blueprint(deployed, f"{{table: a, job: {job_id}}}", "{table: b}")

        deployed.deploy_well()

        assert deployed.job_id("load_a") == job_id
        assert deployed.changes["create"] == 1


def test_the_live_plan_says_what_is_taken_over(deployed: World):
    job_id = deployed.job_id("stock")
    rename(deployed, "stock", "stock_levels")
    deployed.ljm("generate")

    result = deployed.ljm("plan", "--live", "-t", "dev")

    assert "In the workspace: 1 to take over.\n" in result.stdout
    assert "~ stock_levels: renamed from stock; keeps its id and run history\n" in result.stdout
    assert str(job_id) not in result.stderr


def test_a_file_that_a_killed_run_has_left_for_a_former_key_goes(deployed: World):
    text = deployed.project.read("resources/jobs/stock.yml")
    rename(deployed, "stock", "stock_levels")
    deployed.deploy_well()
    deployed.project.write("resources/jobs/stock.yml", text)

    deployed.deploy_well()

    assert sorted(deployed.project.generated()) == ["jobs/other.yml", "jobs/stock_levels.yml"]
    assert deployed.workspace.jobs.names() == ["other", "stock_levels"]


class TestManyBundles:
    @pytest.fixture
    def many(self, kept: KeptWorld) -> World:
        """Four jobs in two bundles."""
        world = kept.restored()
        shutil.rmtree(world.project.path)
        world.project.path.mkdir()
        world.project.write("databricks.yml", ROOT)
        world.project.write("shared.yml", SHARED)
        world.project.write("job_meta.yml", "bundles: {jobs_per_bundle: 2}\n")
        for job in world.workspace.jobs.all():
            world.workspace.jobs.remove(job.job_id)
        for path in list(world.workspace.tree.paths()):
            if "/.bundle/" in path and path.endswith(".json"):
                world.workspace.tree.remove(path)
        for name in "abcd":
            world.module(name)
        world.deploy_well()
        world.forget()
        return world

    def test_a_job_that_is_renamed_keeps_its_id(self, many: World):
        job_id = many.job_id("a")
        rename(many, "a", "e")

        many.deploy_well()

        assert many.job_id("e") == job_id
        assert many.workspace.jobs.names() == ["b", "c", "d", "e"]
        many.forget()
        many.deploy_well("--all-bundles")
        assert many.changes == {}

    @pytest.mark.parametrize("moment", few([], ["before", "after"]))
    def test_killed_at_the_bind_it_is_gone_on_with_by_a_checkout_that_knows_nothing(self, many: World, moment: str):
        job_id = many.job_id("a")
        rename(many, "a", "e")
        killed_at_bind(many, moment)
        check_out_anew(many)  # which bundle has which job stands in the generated files

        many.deploy_well()

        assert many.job_id("e") == job_id
        assert many.workspace.jobs.names() == ["b", "c", "d", "e"]

    def test_a_job_keeps_its_id_also_where_its_new_name_comes_into_another_bundle(self, many: World):
        many.project.write("job_meta.yml", "bundles: {by: team}\n")
        for name in ("a", "b"):
            many.project.write(f"metadata/{name}.yml", tagged(name, "one"))
        many.project.write("metadata/c.yml", tagged("c", "two"))
        many.remove("d")
        shutil.rmtree(many.project.path / "bundles")
        for job in many.workspace.jobs.all():
            many.workspace.jobs.remove(job.job_id)
        shutil.rmtree(many.project.path / ".lakeflow-job-meta")
        many.deploy_well()
        job_id = many.job_id("a")
        many.remove("a")
        many.project.write("metadata/e.yml", saying(tagged("e", "two"), formerly="a"))

        many.deploy_well()

        assert many.job_id("e") == job_id
        assert many.workspace.jobs.names() == ["b", "c", "e"]


def tagged(name: str, team: str) -> str:
    return module(name).replace("    sources:", f"    job_config: {{tags: {{team: {team}}}}}\n    sources:")


def test_a_new_name_whose_file_is_somebody_elses_leaves_the_job_under_the_old_one(deployed: World):
    job_id = deployed.job_id("stock")
    rename(deployed, "stock", "levels")
    deployed.project.write("resources/jobs/levels.yml", "# written by hand\n")

    deployed.deploy("--keep-going", "--max-deletes", "5")

    assert deployed.job_id("stock") == job_id
    assert deployed.workspace.jobs.names() == ["other", "stock"]
