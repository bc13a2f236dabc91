"""`ljm deploy`: what is deployed is what was asked for, and after every failure the next run mends it.

Whole deployments run against a fake workspace, with a stand-in for the databricks CLI, and again with the real one
where it is on PATH.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.deployments import COMMANDS, SECONDS, KeptWorld, World, new_world
from support.project_folder import module
from support.slow import few

pytestmark = pytest.mark.skipif(os.name != "posix", reason="process groups and file locks are those of POSIX")


@pytest.fixture(params=COMMANDS)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    with new_world(request.param, tmp_path) as world:
        yield world


@pytest.fixture(scope="module", params=COMMANDS)
def kept(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeptWorld]:
    with new_world(request.param, tmp_path_factory.mktemp("deployed")) as world:
        for name in ("one", "two", "three"):
            world.module(name)
        world.deploy_well()
        yield KeptWorld(world)


@pytest.fixture
def deployed(kept: KeptWorld) -> World:
    """The jobs `one`, `two` and `three`, deployed, and nothing counted yet."""
    return kept.restored()


class TestFromTheFirstToTheLast:
    def test_the_first_deployment_creates_every_job_and_lists_it(self, world):
        names = [f"job_{number:02}" for number in range(12)]
        for name in names:
            world.module(name)

        result = world.deploy_well()

        assert world.changes == {"create": 12}
        assert world.workspace.jobs.names() == names
        listed = [line.split("  ") for line in result.stdout.splitlines()]
        assert [(each[0], int(each[1])) for each in listed] == [(name, world.job_id(name)) for name in names]
        assert all(each[2].startswith("http") for each in listed)
        assert {key: int(entry["job_id"]) for key, entry in world.record().items()} == {
            name: world.job_id(name) for name in names
        }

    def test_the_second_writes_nothing_and_lists_the_same(self, world):
        world.module("one")
        first = world.deploy_well()
        world.forget()
        world.disturb("")

        second = world.deploy_well()

        assert second.stdout == first.stdout
        assert "Nothing to deploy" in second.stderr
        assert world.changes == {}
        assert world.calls == ["plan"]
        written = [call for call in world.workspace.calls() if call.method in ("PUT", "POST", "PATCH", "DELETE")]
        assert [call.path for call in written if "mkdirs" not in call.path] == []

    def test_one_changed_module_resets_one_job(self, deployed):
        deployed.module("two", notebook="/Workspace/new")

        result = deployed.deploy_well()

        assert deployed.changes == {"reset": 1}
        settings = deployed.workspace.jobs.by_name("two").settings
        assert settings["tasks"][0]["notebook_task"]["notebook_path"] == "/Workspace/new"
        assert "1 job created or changed" in result.stderr

    def test_only_a_changed_file_is_uploaded_and_no_job_is_touched(self, deployed):
        deployed.project.write("notes.txt", "new")

        deployed.deploy_well()

        assert deployed.changes == {}
        assert any(path.endswith("/files/notes.txt") for path in deployed.workspace.tree.paths())

    def test_json_lists_the_jobs(self, deployed):
        listed = json.loads(deployed.deploy_well("--format", "json").stdout)

        assert [set(each) for each in listed] == [{"module", "job_id", "name", "url", "kept", "first_paused"}] * 3
        assert {each["module"]: int(each["job_id"]) for each in listed} == {
            name: deployed.job_id(name) for name in ("one", "two", "three")
        }

    def test_a_damaged_record_is_told_and_heals_once_it_is_removed(self, deployed):
        before = deployed.record()
        path = deployed.project.path / ".lakeflow-job-meta" / "dev" / "jobs.json"
        path.write_text("{")

        told = deployed.deploy()
        path.unlink()
        deployed.deploy_well()

        assert told.exit_code == 1
        assert "could not be recorded" in told.stderr
        assert {key: each["job_id"] for key, each in deployed.record().items()} == {
            key: each["job_id"] for key, each in before.items()
        }

    def test_a_job_deleted_by_hand_is_made_again(self, deployed):
        deployed.workspace.jobs.remove(deployed.job_id("two"))

        deployed.deploy_well()

        assert deployed.changes == {"create": 1}
        assert deployed.workspace.jobs.names() == ["one", "three", "two"]


class TestDeletions:
    def test_a_removed_module_is_refused_and_deleted_when_allowed(self, deployed):
        deployed.remove("two")

        refused = deployed.deploy()

        assert refused.exit_code == 3
        assert "would delete 1 job ('two'); 0 allowed" in refused.stderr
        assert deployed.changes == {}
        assert deployed.deploy("--max-deletes", "1").exit_code == 0
        assert deployed.changes == {"delete": 1}
        assert set(deployed.record()) == {"one", "three"}

    def test_the_project_file_may_allow_some_and_the_flag_wins(self, deployed):
        deployed.project.write("job_meta.yml", "deploy: {max_deletes: 1}\n")
        deployed.remove("two")

        assert deployed.deploy("--max-deletes", "0").exit_code == 3
        assert deployed.deploy().exit_code == 0
        assert deployed.changes == {"delete": 1}

    def test_a_source_that_became_empty_deletes_nothing_whatever_is_allowed(self, deployed):
        for name in ("one", "two", "three"):
            deployed.remove(name)

        assert deployed.deploy("--max-deletes", "100").exit_code == 3
        assert deployed.deploy("--allow-empty").exit_code == 3
        assert deployed.changes == {}

    @pytest.mark.slow
    def test_the_record_of_the_last_job_goes_with_it(self, deployed):
        for name in ("one", "two", "three"):
            deployed.remove(name)

        deployed.deploy_well("--max-deletes", "3", "--allow-empty")

        assert deployed.changes == {"delete": 3}
        assert deployed.record() == {}


class TestHandEdits:
    def test_an_edit_by_hand_stays_and_is_named_with_its_value_until_it_may_be_overwritten(self, deployed):
        deployed.workspace.jobs.edit(deployed.job_id("two"), max_concurrent_runs=7)

        left = deployed.deploy()

        assert left.exit_code == 1
        assert "two: max_concurrent_runs is 7" in left.stderr
        assert "--overwrite-drift" in left.stderr
        assert deployed.changes == {}
        assert deployed.deploy("--overwrite-drift").exit_code == 0
        assert deployed.changes == {"reset": 1}
        assert deployed.workspace.jobs.by_name("two").settings.get("max_concurrent_runs", 1) == 1

    def test_an_edit_that_was_taken_into_the_metadata_is_no_edit_any_more(self, deployed):
        deployed.workspace.jobs.edit(deployed.job_id("two"), max_concurrent_runs=7)
        text = module("two").replace("    sources:", "    job_config: {max_concurrent_runs: 7}\n    sources:")
        deployed.project.write("metadata/two.yml", text)

        deployed.deploy_well()

        assert deployed.workspace.jobs.by_name("two").settings["max_concurrent_runs"] == 7

    @pytest.mark.slow
    def test_what_databricks_filled_in_is_none_when_a_task_becomes_another_one_or_goes(self, deployed):
        deployed.project.write("metadata/two.yml", TWO_TASKS)
        deployed.deploy_well()

        text = TWO_TASKS.replace("notebook_path: /Workspace/a", "run_job_task: {module_name: one}")
        deployed.project.write("metadata/two.yml", text.split("      - source_id: last")[0])
        deployed.deploy_well()

        (task,) = deployed.workspace.jobs.by_name("two").settings["tasks"]
        assert task["run_job_task"] == {"job_id": deployed.job_id("one")}

    @pytest.mark.slow
    def test_an_edit_in_a_task_that_goes_stays_too(self, deployed):
        deployed.project.write("metadata/two.yml", TWO_TASKS)
        deployed.deploy_well()
        deployed.workspace.jobs.edit_task(
            deployed.job_id("two"), "last", notebook_task={"notebook_path": "/Workspace/by_hand"}
        )

        deployed.project.write("metadata/two.yml", TWO_TASKS.split("      - source_id: last")[0])

        assert deployed.deploy().exit_code == 1
        assert deployed.changes["reset"] == 1


TWO_TASKS = """\
modules:
  - module_name: two
    sources:
      - source_id: a
        execution_order: 1
        transformation_config: {notebook_path: /Workspace/a}
      - source_id: last
        execution_order: 2
        transformation_config: {notebook_path: /Workspace/last, max_retries: 1}
"""


class TestDryRun:
    def test_a_dry_run_stops_after_the_gate(self, deployed):
        deployed.module("four")

        result = deployed.deploy_well("--dry-run")

        assert "The plan passed: 1 job created or changed" in result.stderr
        assert deployed.changes == {}
        assert "four" not in deployed.record()

    def test_a_dry_run_says_which_jobs_would_change_and_how(self, deployed):
        deployed.module("two", notebook="/Workspace/new")
        deployed.module("four")

        result = deployed.deploy_well("--dry-run")

        assert result.stdout.splitlines() == [
            "In the workspace: 1 to create, 1 to update.",
            "+ four: create",
            "~ two: update",
            "    tasks[task_key='a'].notebook_task.notebook_path: '/Workspace/a' -> '/Workspace/new'",
        ]

    def test_a_dry_run_with_nothing_to_deploy_lists_no_job(self, deployed):
        assert deployed.deploy_well("--dry-run").stdout == ""

    def test_a_dry_run_in_json_is_json_alone(self, deployed):
        deployed.module("four")

        assert json.loads(deployed.deploy_well("--dry-run", "--format", "json").stdout) == []

    def test_a_dry_run_is_refused_as_the_deployment_would_be(self, deployed):
        deployed.remove("two")
        assert deployed.deploy("--dry-run").exit_code == 3


class TestRun:
    @pytest.mark.parametrize(("which", "names"), few([("changed", ["two"])], [("all", ["one", "three", "two"])]))
    def test_starts_the_jobs_that_were_asked_for(self, deployed, which, names):
        deployed.module("two", notebook="/Workspace/new")

        deployed.deploy_well("--run", which)

        started = [run.job_id for run in deployed.workspace.jobs.runs]
        assert sorted(started) == sorted(deployed.job_id(name) for name in names)

    def test_run_changed_starts_nothing_where_nothing_changed(self, deployed):
        deployed.deploy_well("--run", "changed")
        assert deployed.workspace.jobs.runs == []

    def test_a_job_that_cannot_be_started_is_told(self, deployed):
        deployed.disturb('[ "$2" = run ] && { echo "Error: no permission to run" >&2; exit 1; }')

        result = deployed.deploy("--run", "all")

        assert result.exit_code == 1
        assert "no permission to run" in result.stderr


class TestBrokenModules:
    def break_two(self, world: World) -> None:
        world.project.write("metadata/two.yml", module("two").replace("execution_order", "exection_order"))

    def test_broken_modules_stop_everything(self, deployed):
        self.break_two(deployed)
        deployed.module("one", notebook="/Workspace/new")
        deployed.disturb("")

        result = deployed.deploy()

        assert result.exit_code == 1
        assert "--keep-going" in result.stderr
        assert (deployed.changes, deployed.calls) == ({}, [])

    def test_broken_modules_keep_their_job_while_the_others_go_on_if_asked(self, deployed):
        self.break_two(deployed)
        deployed.module("one", notebook="/Workspace/new")

        result = deployed.deploy("--keep-going")

        assert result.exit_code == 1
        assert deployed.changes == {"reset": 1}
        assert set(deployed.record()) == {"one", "two", "three"}


class TestOneOfSeveralFails:
    def test_the_others_are_recorded_it_is_named_at_its_place_and_the_next_run_mends_it(self, world):
        for name in ("one", "two", "three"):
            world.module(name)
        world.workspace.jobs.refusals["two"] = "This job is not wanted."

        result = world.deploy()

        assert result.exit_code == 1
        assert "This job is not wanted" in result.stderr
        assert re.search(r"^metadata/two\.yml:\d+:\d+: error: .*\[databricks\]$", result.stderr, flags=re.MULTILINE)
        assert set(world.record()) == {"one", "three"}
        world.workspace.jobs.refusals.clear()
        world.deploy_well()
        assert world.workspace.jobs.names() == ["one", "three", "two"]
        assert world.changes == {"create": 3}
        assert set(world.record()) == {"one", "two", "three"}

    def test_what_went_wrong_is_told_although_the_summary_fails_too(self, world):
        world.module("one")
        world.workspace.jobs.refusals["one"] = "This job is not wanted."
        world.disturb('[ "$2" = summary ] && { echo "Error: EOF" >&2; exit 1; }')

        result = world.deploy()

        assert result.exit_code == 1
        assert "This job is not wanted" in result.stderr


class TestSomebodyElse:
    def test_a_plan_that_became_stale_is_made_and_gated_again(self, deployed, tmp_path):
        deployed.module("two", notebook="/Workspace/new")
        once = tmp_path / "once"
        deployed.disturb(
            f'if [ "$2" = deploy ] && mkdir "{once}" 2>/dev/null; then "$CLI" bundle deploy -t dev >/dev/null 2>&1; fi'
        )

        deployed.deploy_well()

        assert deployed.calls == ["plan", "deploy", "plan", "deploy"]
        assert deployed.changes == {"reset": 1}

    def test_what_the_second_plan_would_delete_is_refused(self, deployed, tmp_path):
        deployed.module("two", notebook="/Workspace/new")
        once, elsewhere = tmp_path / "once", tmp_path / "elsewhere"
        deployed.disturb(
            f'if [ "$2" = deploy ] && mkdir "{once}" 2>/dev/null; then\n'
            f'  cp -r . "{elsewhere}" && cd "{elsewhere}"\n'
            "  sed s/two/four/ resources/jobs/two.yml > resources/jobs/four.yml\n"
            '  "$CLI" bundle deploy -t dev >/dev/null 2>&1; cd - >/dev/null\nfi'
        )

        result = deployed.deploy()

        assert result.exit_code == 3
        assert "would delete 1 job ('four')" in result.stderr
        assert "four" in deployed.workspace.jobs.names()

    def test_a_lock_held_in_the_workspace_is_told_with_the_flag_that_takes_it(self, deployed):
        (root,) = {path.rsplit("/", 1)[0] for path in deployed.workspace.tree.paths() if "/dev/state/" in path}
        lock = {
            "ID": "00000000-0000-4000-8000-000000000000",
            "AcquisitionTime": "2026-01-01T00:00:00Z",
            "IsForced": False,
            "User": "other@example.com",
        }
        deployed.workspace.tree.write(f"{root}/deploy.lock", json.dumps(lock).encode())
        deployed.module("two", notebook="/Workspace/new")

        result = deployed.deploy()

        assert result.exit_code == 1
        assert "other@example.com" in result.stderr
        assert "--force-lock" in result.stderr
        assert deployed.changes == {}
        deployed.deploy_well("--force-lock")
        assert deployed.changes == {"reset": 1}


class TestTheCliFails:
    @pytest.mark.slow
    @pytest.mark.parametrize("command", ["plan", "deploy", "summary"])
    def test_a_cli_that_hangs_is_ended_in_time_and_the_next_run_converges(self, world, command):
        world.module("one")
        world.disturb(f'[ "$2" = {command} ] && exec sleep 600')

        result = world.deploy("--timeout", "5")

        assert result.exit_code == 1
        assert f"`databricks bundle {command}` did not end within 5 seconds" in result.stderr
        world.disturb("")
        world.deploy_well()
        assert world.workspace.jobs.names() == ["one"]

    @pytest.mark.parametrize(
        "said", few(["{"], ["", "[]", "null", '{"resources": null}', '{"resources": {"jobs": null}}'])
    )
    @pytest.mark.parametrize("command", few(["plan"], ["summary"]))
    def test_a_cli_that_prints_something_else_is_reported_in_a_sentence(self, world, command, said):
        world.module("one")
        world.disturb(f'[ "$2" = {command} ] && {{ echo {shlex.quote(said)}; exit 0; }}')

        result = world.deploy()

        assert result.exit_code == (0 if command == "summary" and said.startswith('{"') else 1)
        assert world.changes == ({} if command == "plan" else {"create": 1})
        world.disturb("")
        world.deploy_well()
        assert (world.changes, set(world.record())) == ({"create": 1}, {"one"})

    @pytest.mark.slow
    @pytest.mark.parametrize("command", few(["deploy"], ["plan", "summary"]))
    def test_a_cli_that_is_killed_leaves_nothing_that_the_next_run_does_not_mend(self, world, command):
        world.module("one")
        world.disturb(f'[ "$2" = {command} ] && kill -9 $$')

        assert world.deploy().exit_code == 1
        world.disturb("")
        world.deploy_well()
        assert world.changes == {"create": 1}

    @pytest.mark.slow
    def test_a_network_that_fails_after_the_work_makes_no_second_job(self, world):
        world.module("one")
        world.disturb('if [ "$2" = deploy ]; then "$CLI" "$@"; echo "Error: EOF" >&2; exit 1; fi')

        result = world.deploy()

        assert result.exit_code == 1
        assert "cannot be reached" in result.stderr
        world.disturb("")
        world.deploy_well()
        assert world.changes == {"create": 1}

    def test_what_the_cli_finds_wrong_is_reported_at_the_place_in_the_metadata(self, world):
        world.project.write("notebook.py", "print('without the header of a notebook')\n")
        world.module("one", notebook="notebook.py")

        result = world.deploy()

        assert result.exit_code == 1
        assert re.search(r"^metadata/one\.yml:\d+:\d+: error: .*\[[a-z-]+\]$", result.stderr, flags=re.MULTILINE)
        assert world.changes == {}

    def test_a_missing_cli_changes_not_even_the_files(self, world):
        world.module("one")
        before = world.project.everything()

        result = world.deploy(DATABRICKS_CLI="", PATH=os.devnull)

        assert (result.exit_code, result.stdout) == (2, "")
        assert "not installed" in result.stderr
        assert world.project.everything() == before

    def test_a_cli_that_is_too_old_is_refused(self, world):
        world.module("one")
        said = '{"Version": "0.200.0", "Major": 0, "Minor": 200, "Patch": 0}'
        world.disturb(f'[ "$1" = version ] && {{ echo {shlex.quote(said)}; exit 0; }}')

        result = world.deploy()

        assert (result.exit_code, world.calls) == (2, [])
        assert "0.200.0 is too old" in result.stderr

    def test_a_disk_that_refuses_the_plan_is_told_in_a_sentence(self, world):
        world.module("one")
        (world.project.path / ".lakeflow-job-meta" / "dev" / "plan.json").mkdir(parents=True)

        result = world.deploy()

        assert result.exit_code == 1
        assert "plan.json" in result.stderr
        assert world.changes == {}

    @pytest.mark.parametrize(
        "sent", few([pytest.param(signal.SIGINT, id="Ctrl-C")], [pytest.param(signal.SIGTERM, id="SIGTERM")])
    )
    def test_being_stopped_in_the_middle_ends_quietly_and_the_next_run_converges(self, world, tmp_path, sent):
        world.module("one")
        reached = tmp_path / "reached"
        world.disturb(f'[ "$2" = deploy ] && {{ touch "{reached}"; exec sleep 600; }}')
        process = world.start("deploy", "-t", "dev", "--stop-timeout", "1")
        end = time.monotonic() + SECONDS
        while not reached.exists() and time.monotonic() < end:
            time.sleep(0.05)

        process.send_signal(sent)
        _, told = process.communicate(timeout=SECONDS)

        assert process.returncode == 130
        assert told.endswith("Stopped.\n")
        world.disturb("")
        world.deploy_well()
        assert world.changes == {"create": 1}
