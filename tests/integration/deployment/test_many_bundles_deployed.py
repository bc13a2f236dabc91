"""A project of many bundles in a workspace: what is touched, what is refused, and jobs that move.

With a stand-in for the databricks CLI, and again with the real one where it is on PATH.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lakeflow_job_meta.config.load import load_project
from lakeflow_job_meta.deployment.databricks_cli.client import slow_warning
from lakeflow_job_meta.deployment.pipeline import DeployOptions, Reporter, prepare
from lakeflow_job_meta.layout import layout
from support.deployments import COMMANDS, SECONDS, KeptWorld, World, new_world
from support.many_bundles import ROOT, SHARED, places
from support.project_folder import ProjectFolder, Result, compile_loaded, module
from support.slow import few

pytestmark = pytest.mark.skipif(os.name != "posix", reason="process groups and file locks are those of POSIX")


def fill(project: ProjectFolder) -> None:
    """Makes a project one of many bundles, two jobs in each, without metadata."""
    project.write("databricks.yml", ROOT)
    project.write("shared.yml", SHARED)
    project.write("job_meta.yml", "bundles: {jobs_per_bundle: 2}\n")
    project.write("notebooks/a.py", "# Databricks notebook source\n")


@pytest.fixture(params=COMMANDS)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    with new_world(request.param, tmp_path) as world:
        fill(world.project)
        yield world


@pytest.fixture(scope="module", params=COMMANDS)
def kept(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeptWorld]:
    """Six jobs in three bundles, deployed."""
    with new_world(request.param, tmp_path_factory.mktemp("deployed")) as world:
        fill(world.project)
        for name in "abcdef":
            world.module(name, notebook="notebooks/a.py" if name == "a" else "/Workspace/a")
        world.deploy_well()
        yield KeptWorld(world)


@pytest.fixture
def deployed(kept: KeptWorld) -> World:
    """Six jobs in three bundles, deployed, and nothing counted yet."""
    return kept.restored()


def ids(world: World) -> dict[str, int]:
    return {name: world.job_id(name) for name in world.workspace.jobs.names()}


def all_ids(world: World) -> list[tuple[str, int]]:
    return sorted((job.settings["name"], job.job_id) for job in world.workspace.jobs.all())


class TestWhatIsTouched:
    def test_every_bundle_is_one_of_its_own_and_all_jobs_are_recorded(self, deployed):
        roots = {path.split("/.bundle/")[1].split("/")[0] for path in deployed.workspace.tree.paths()}

        assert roots == {"etl_part_001", "etl_part_002", "etl_part_003"}
        assert {key: row["job_id"] for key, row in deployed.record().items()} == ids(deployed)

    def test_no_bundle_is_touched_when_nothing_changed_not_even_by_a_question(self, deployed):
        result = deployed.deploy_well()

        assert deployed.calls == []
        assert "Nothing to deploy" in result.stderr
        assert len(result.stdout.splitlines()) == 6

    def test_one_bundle_is_touched_when_one_module_changed_and_the_others_stay_recorded(self, deployed):
        deployed.module("c", notebook="/Workspace/new")
        deployed.deploy_well()

        assert deployed.changes == {"reset": 1}
        assert deployed.calls == ["plan", "deploy"]
        assert {key: row["job_id"] for key, row in deployed.record().items()} == ids(deployed)

    def test_bundles_that_upload_a_file_that_changed_are_touched(self, deployed):
        deployed.project.write("notebooks/lib.py", "x = 1\n")
        deployed.deploy_well()

        assert deployed.calls.count("deploy") == 1
        assert [path for path in deployed.workspace.tree.paths() if path.endswith("/files/notebooks/lib.py")]

    @pytest.mark.slow
    def test_all_bundles_are_touched_when_the_shared_file_or_a_variable_changed(self, deployed):
        deployed.project.write("shared.yml", SHARED.replace("default: a", "default: b"))
        deployed.deploy_well()
        deployed.deploy_well()
        deployed.deploy("--parallel", "3", BUNDLE_VAR_x="c")

        assert deployed.calls.count("deploy") == 6
        assert deployed.changes == {}

    def test_all_bundles_are_planned_if_asked_for_so_that_edits_by_hand_are_found(self, deployed):
        deployed.workspace.jobs.edit(deployed.job_id("e"), max_concurrent_runs=7)

        assert deployed.deploy().exit_code == 0
        left = deployed.deploy("--all-bundles")

        assert left.exit_code == 1
        assert "e: max_concurrent_runs is 7" in left.stderr

    def test_the_monitor_touches_what_changed(self, deployed):
        assert deployed.ljm("monitor", "-t", "dev", "--once", "--deployer", "cli").exit_code == 0
        deployed.disturb("")
        deployed.module("c", notebook="/Workspace/new")
        result = deployed.ljm("monitor", "-t", "dev", "--once", "--deployer", "cli", "--parallel", "1")

        assert result.exit_code == 0, result.stderr
        assert deployed.calls == ["plan", "deploy"]
        assert deployed.changes == {"reset": 1}

    def test_a_live_plan_is_of_all_bundles(self, deployed):
        deployed.module("c", notebook="/Workspace/new")
        deployed.ljm("generate")
        result = deployed.ljm("plan", "--live", "-t", "dev")

        assert "~ c: update" in result.stdout
        assert deployed.calls == ["plan"] * 3


class TestAFreshCheckout:
    @pytest.fixture
    def fresh(self, deployed: World) -> World:
        """The same project without what `ljm` and the CLI have left in it."""
        for folder in (".lakeflow-job-meta", *(f"bundles/part_00{number}/.databricks" for number in (1, 2, 3))):
            shutil.rmtree(deployed.project.path / folder)
        return deployed

    def note_of(self, world: World, bundle: str) -> str:
        end = f"/etl_{bundle}/dev/state/lakeflow_job_meta_deployed.json"
        (path,) = (path for path in world.workspace.tree.paths() if path.endswith(end))
        return path

    def test_only_the_bundle_that_changed_is_planned_and_all_jobs_are_recorded(self, fresh):
        before = ids(fresh)
        fresh.module("c", notebook="/Workspace/new")

        result = fresh.deploy_well()

        assert fresh.calls == ["summary", "plan", "deploy"]
        assert (fresh.changes, ids(fresh)) == ({"reset": 1}, before)
        assert {key: row["job_id"] for key, row in fresh.record().items()} == before
        assert len({row["url"].replace(str(row["job_id"]), "") for row in fresh.record().values()}) == 1
        assert "1 bundle of 3 to plan" in result.stderr

    def test_no_bundle_is_planned_where_nothing_changed_and_the_workspace_is_asked_once(self, fresh):
        first = fresh.deploy_well()
        second = fresh.deploy_well()

        assert (fresh.calls, fresh.changes) == (["summary"], {})
        assert first.stdout == second.stdout
        assert len(first.stdout.splitlines()) == 6

    def test_a_bundle_that_somebody_has_deployed_since_is_planned(self, fresh):
        note = fresh.workspace.tree.read(self.note_of(fresh, "part_002"))
        generated = fresh.project.read("bundles/part_002/resources/jobs/c.yml")
        fresh.module("c", notebook="/Workspace/new")
        fresh.deploy_well()
        shutil.rmtree(fresh.project.path / ".lakeflow-job-meta")
        fresh.workspace.tree.write(self.note_of(fresh, "part_002"), note)
        fresh.module("c")
        fresh.disturb("")

        fresh.deploy_well()

        assert fresh.project.read("bundles/part_002/resources/jobs/c.yml") == generated
        assert fresh.calls == ["summary", "plan", "deploy"]
        assert fresh.changes == {"reset": 2}

    def test_a_bundle_of_which_something_was_left_out_is_planned(self, deployed):
        deployed.workspace.jobs.edit(deployed.job_id("c"), max_concurrent_runs=7)
        deployed.module("d", notebook="/Workspace/new")
        assert deployed.deploy().exit_code == 1
        shutil.rmtree(deployed.project.path / ".lakeflow-job-meta")
        deployed.disturb("")

        again = deployed.deploy()

        assert again.exit_code == 1
        assert "c: max_concurrent_runs is 7" in again.stderr
        assert "plan" in deployed.calls

    @pytest.mark.parametrize(
        "change",
        few(
            [{"serial": 7}, {"jobs": [{"key": "c", "job_id": "7", "name": "c", "url": ""}]}],
            [{"lineage": "of another"}, {"files": "other"}, {"is_whole": False}, {"jobs": None}],
        ),
    )
    def test_a_note_that_the_workspace_does_not_confirm_counts_for_nothing(self, fresh, change):
        path = self.note_of(fresh, "part_002")
        note = json.loads(fresh.workspace.tree.read(path))
        fresh.workspace.tree.write(path, json.dumps({**note, **change}).encode())

        fresh.deploy_well()

        assert fresh.calls[:2] == ["summary", "plan"]
        assert fresh.calls.count("plan") == 1
        assert {key: row["job_id"] for key, row in fresh.record().items()} == ids(fresh)

    def test_where_the_cli_does_not_say_where_the_notes_are_all_bundles_are_planned(self, fresh):
        fresh.disturb('[ "$2" = summary ] && [ "$(basename "$ROOT")" = .asking ] && exit 1')

        fresh.deploy_well()

        assert fresh.calls.count("plan") == 3
        assert fresh.changes == {}

    def test_paths_of_the_workspace_that_the_target_sets_are_followed(self, world):
        root = "targets: {dev: {workspace: {root_path: '~/of_${bundle.name}/${bundle.target}_${var.x}'}}, prod: {}}\n"
        world.project.write("shared.yml", SHARED.split("targets:")[0] + root)
        for name in "abc":
            world.module(name)
        world.deploy_well()
        shutil.rmtree(world.project.path / ".lakeflow-job-meta")
        world.disturb("")

        world.deploy_well()

        assert world.calls == ["summary"]


@pytest.mark.slow
def test_files_that_come_back_after_a_deployment_that_was_killed_are_deployed_again(deployed, tmp_path):
    reached = tmp_path / "reached"
    deployed.module("c", notebook="/Workspace/new")
    deployed.disturb(f'[ "$2" = deploy ] && {{ "$CLI" "$@"; touch "{reached}"; exec sleep 600; }}')
    process = deployed.start("deploy", "-t", "dev", "--stop-timeout", "1")
    end = time.monotonic() + SECONDS
    while not reached.exists() and time.monotonic() < end:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=SECONDS)
    deployed.module("c")
    deployed.disturb("")

    deployed.deploy_well()

    task = deployed.workspace.jobs.by_name("c").settings["tasks"][0]
    assert task["notebook_task"]["notebook_path"] == "/Workspace/a"


class TestTheGate:
    def test_the_gate_counts_the_deletions_of_all_bundles_before_anything_is_deployed(self, deployed):
        for name in "ac":
            deployed.remove(name)
        deployed.module("e", notebook="/Workspace/new")
        refused = deployed.deploy("--max-deletes", "1")

        assert refused.exit_code == 3
        assert "would delete 2 jobs ('a', 'c'); 1 allowed" in refused.stderr
        assert deployed.changes == {}
        deployed.deploy_well("--max-deletes", "2")
        assert deployed.changes == {"delete": 2, "reset": 1}
        assert set(deployed.record()) == set("bdef")

    def test_a_bundle_may_become_empty_while_others_are_not(self, deployed):
        for name in "ef":
            deployed.remove(name)
        deployed.deploy_well("--max-deletes", "2")

        assert deployed.workspace.jobs.names() == ["a", "b", "c", "d"]

    def test_the_gate_refuses_files_that_were_moved_without_their_job(self, deployed):
        folder = deployed.project.path / "bundles"
        (folder / "part_001/resources/jobs/b.yml").rename(folder / "part_003/resources/jobs/b.yml")
        refused = deployed.deploy("--max-deletes", "9")

        assert refused.exit_code == 3
        assert "ljm bundles move b part_003" in refused.stderr
        assert deployed.changes == {}


class TestOneOfSeveralFails:
    @pytest.mark.slow
    def test_where_one_bundle_fails_the_others_are_deployed_and_the_next_run_mends_it(self, deployed):
        for name in "ace":
            deployed.module(name, notebook="/Workspace/new")
        deployed.workspace.jobs.refusals["c"] = "This job is not wanted."
        result = deployed.deploy()

        assert result.exit_code == 1
        assert "This job is not wanted" in result.stderr
        assert deployed.changes["reset"] == 2
        assert set(deployed.record()) == set("abcdef")
        deployed.workspace.jobs.refusals.clear()
        deployed.disturb("")
        deployed.deploy_well()
        assert deployed.calls.count("deploy") == 1
        assert deployed.changes == {"reset": 3}

    @pytest.mark.slow
    def test_a_bundle_that_cannot_be_planned_keeps_no_other_from_it(self, deployed):
        for name in "ace":
            deployed.module(name, notebook="/Workspace/new")
        deployed.disturb('case "$PWD $2" in *part_002*plan) echo "Error: no" >&2; exit 1;; esac')
        result = deployed.deploy()

        assert result.exit_code == 1
        assert "[part_002]" in result.stderr
        assert deployed.changes == {"reset": 2}
        assert set(deployed.record()) == set("abcdef")

    @pytest.mark.slow
    def test_a_plan_that_became_stale_is_made_again_for_that_bundle_only(self, deployed, tmp_path):
        for name in "ace":
            deployed.module(name, notebook="/Workspace/new")
        once = tmp_path / "once"
        deployed.disturb(
            f'case "$PWD $2" in *part_002*deploy) mkdir "{once}" 2>/dev/null && '
            '"$CLI" bundle deploy -t dev >/dev/null 2>&1;; esac'
        )
        deployed.deploy_well()

        assert deployed.calls.count("plan") == 4
        assert deployed.changes == {"reset": 3}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sent", "times", "stop_timeout"),
    [(signal.SIGINT, 1, "1"), (signal.SIGTERM, 1, "1"), (signal.SIGINT, 2, "600")],
    ids=["Ctrl-C", "SIGTERM", "Ctrl-C once more"],
)
def test_being_stopped_ends_all_that_runs_within_ten_seconds(deployed, tmp_path, sent, times, stop_timeout):
    for name in "ace":
        deployed.module(name, notebook="/Workspace/new")
    reached = tmp_path / "reached"
    deployed.disturb(f'[ "$2" = deploy ] && {{ echo $$ >> "{reached}"; exec sleep 600; }}')
    process = deployed.start("deploy", "-t", "dev", "--parallel", "3", "--stop-timeout", stop_timeout)
    end = time.monotonic() + SECONDS
    while (not reached.exists() or len(reached.read_text().split()) < 3) and time.monotonic() < end:
        time.sleep(0.05)

    began = time.monotonic()
    process.send_signal(sent)
    if times == 2:
        time.sleep(1)
        assert process.poll() is None
        process.send_signal(sent)
    _, told = process.communicate(timeout=SECONDS)

    assert process.returncode == 130
    assert told.endswith("Stopped.\n")
    assert time.monotonic() - began < 10
    for number in reached.read_text().split():
        with pytest.raises(ProcessLookupError):
            os.kill(int(number), 0)
    deployed.disturb("")
    deployed.deploy_well()
    assert deployed.changes == {"reset": 3}


class TestMoving:
    def move(self, world: World, *arguments: str) -> Result:
        return world.ljm("bundles", "move", *arguments, "-t", "dev")

    def test_the_list_of_bundles_shows_what_is_where(self, deployed):
        deployed.remove("f")
        deployed.ljm("generate")

        assert deployed.ljm("bundles", "list").stdout == (
            "part_001  2 jobs, room for 0\npart_002  2 jobs, room for 0\npart_003  1 job, room for 1\n"
        )

    def test_a_job_that_moves_keeps_its_id_and_runs_the_files_of_its_new_bundle(self, deployed):
        before = ids(deployed)
        result = self.move(deployed, "a", "part_002")

        assert result.exit_code == 0, result.stderr
        assert result.stdout == f"a  part_002  {before['a']}\n"
        assert places(deployed.project)["a"] == "part_002"
        task = deployed.workspace.jobs.by_name("a").settings["tasks"][0]
        assert "/etl_part_002/" in task["notebook_task"]["notebook_path"]
        deployed.deploy_well("--all-bundles")
        assert ids(deployed) == before
        assert deployed.changes == {"reset": 1}
        assert {key: row["job_id"] for key, row in deployed.record().items()} == before

    @pytest.mark.slow
    def test_modules_that_run_each_other_move_together(self, deployed):
        before = ids(deployed)
        text = module("a").replace("notebook_path: /Workspace/a", "run_job_task: {module_name: b}")
        deployed.project.write("metadata/a.yml", text)
        deployed.deploy_well("--overwrite-drift")

        alone = self.move(deployed, "a", "part_002")
        together = self.move(deployed, "a", "b", "part_002")

        assert alone.exit_code == 1
        assert "job-in-other-bundle" in alone.stderr
        assert together.exit_code == 0, together.stderr
        assert ids(deployed) == before
        deployed.deploy_well("--all-bundles")
        assert ids(deployed) == before

    @pytest.mark.slow
    def test_what_was_edited_by_hand_is_not_overwritten(self, deployed):
        deployed.workspace.jobs.edit(deployed.job_id("a"), max_concurrent_runs=7)
        before = deployed.project.everything()
        refused = self.move(deployed, "a", "part_002")

        assert refused.exit_code == 3
        assert "edited by hand" in refused.stderr
        assert places(deployed.project)["a"] == "part_001"
        assert {path for path in deployed.project.everything() if "/jobs/" in path} == {
            path for path in before if "/jobs/" in path
        }
        assert self.move(deployed, "a", "part_002", "--overwrite-drift").exit_code == 0

    def test_an_unknown_module_moves_nothing(self, deployed):
        result = self.move(deployed, "aa", "part_002")

        assert result.exit_code == 1
        assert "'aa' does not exist" in result.stderr

    @pytest.mark.parametrize("moment", few(["after"], ["before"]))
    @pytest.mark.parametrize("step", few(["bind"], ["summary", "plan", "deploy", "unbind"]))
    @pytest.mark.slow
    def test_a_move_that_is_killed_anywhere_is_finished_by_the_next(self, deployed, step, moment):
        before = ids(deployed)
        call = '"$CLI" "$@";' if moment == "after" else ""
        deployed.disturb(f'case "$2 $3" in {step}*|"deployment {step}") {call} kill -9 $PPID; exit 1;; esac')
        killed = deployed.start("bundles", "move", "a", "part_002", "-t", "dev")
        killed.communicate(timeout=SECONDS)
        deployed.disturb("")
        # Whatever anybody does in between, no job is made or deleted.
        deployed.deploy("--keep-going", "--all-bundles")
        again = self.move(deployed, "a", "part_002")

        assert killed.returncode == -signal.SIGKILL
        assert again.exit_code == 0, again.stderr
        assert places(deployed.project)["a"] == "part_002"
        deployed.deploy_well("--all-bundles")
        assert ids(deployed) == before
        assert set(deployed.changes) <= {"reset"}

    @pytest.mark.slow
    def test_a_second_target_follows_a_move_with_the_same_command(self, deployed):
        deployed.deploy_well("-t", "prod")
        assert self.move(deployed, "a", "part_002").exit_code == 0
        refused = deployed.deploy("-t", "prod")
        moved = deployed.ljm("bundles", "move", "a", "part_002", "-t", "prod")

        assert refused.exit_code == 3
        assert "ljm bundles move a part_002" in refused.stderr
        assert moved.exit_code == 0, moved.stderr
        deployed.deploy_well("-t", "prod")
        assert deployed.changes == {"create": 6, "reset": 2}


@pytest.mark.slow
def test_from_one_bundle_to_many_no_job_is_lost(world):
    world.project.write("job_meta.yml", "{}\n")
    world.project.write("databricks.yml", "bundle: {name: etl}\ninclude: [shared.yml, resources/jobs/*.yml]\n")
    sql = "sql_task: {warehouse_id: w, sql_query: SELECT 1}"
    for name in "abc":
        text = module(name, notebook="notebooks/a.py")
        world.project.write(
            f"metadata/{name}.yml", text if name != "b" else module("b").replace("notebook_path: /Workspace/a", sql)
        )
    world.deploy_well()
    world.deploy_well("-t", "prod")
    before = all_ids(world)
    world.project.write("job_meta.yml", "bundles: {jobs_per_bundle: 2}\n")

    refused = world.deploy()
    moved = world.ljm("bundles", "move", "--all", "-t", "dev")
    other_target = world.ljm("bundles", "move", "--all", "-t", "prod")

    assert refused.exit_code == 3
    assert moved.exit_code == 0, moved.stderr
    assert other_target.exit_code == 0, other_target.stderr
    assert places(world.project) == {"a": "part_001", "b": "part_001", "c": "part_002"}
    assert world.project.generated() == {}
    world.deploy_well("--all-bundles")
    world.deploy_well("--all-bundles", "-t", "prod")
    assert all_ids(world) == before
    assert set(world.changes) == {"create", "reset"}
    assert world.changes["create"] == 6


def test_a_single_bundle_that_is_too_big_is_told_with_the_setting_that_parts_it():
    assert slow_warning(299, "1.13.0") is None
    assert "`bundles:` in job_meta.yml" in str(slow_warning(300, "1.13.0"))
    assert slow_warning(3999, "1.14.0") is None


@pytest.mark.parametrize("command", ["validate", "generate", "plan"])
def test_a_single_bundle_that_is_nearly_full_is_reported_by_every_command(project, command, monkeypatch):
    project.write("metadata/a.yml", module("a"))
    project.write("metadata/b.yml", module("b"))
    assert "Warning" not in project.ljm(command).stderr

    monkeypatch.setattr(layout, "NEARLY_FULL", 2)

    assert "Warning: this bundle has 2 jobs" in project.ljm(command).stderr
    assert "`bundles:` in job_meta.yml" in project.ljm(command).stderr


def test_a_single_bundle_that_is_nearly_full_is_reported_by_each_deployment_but_not_in_a_project_of_many(
    project, monkeypatch
):
    monkeypatch.setattr(layout, "NEARLY_FULL", 1)
    project.write("metadata/a.yml", module("a"))
    told: list[str] = []
    prepare(load_project(project.path), DeployOptions(), Reporter(told.append), compile_loaded, writes_files=True)
    assert [line.split(",")[0] for line in told] == ["Warning: this bundle has 1 jobs"]

    project.write("databricks.yml", ROOT)
    project.write("shared.yml", SHARED)
    project.write("job_meta.yml", "bundles: {jobs_per_bundle: 2}\n")
    prepare(load_project(project.path), DeployOptions(), Reporter(told.append), compile_loaded, writes_files=True)
    assert len(told) == 1
