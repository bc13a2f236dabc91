"""The stand-in for the `databricks` command and the real one, held against one specification.

Each test runs with the stand-in, and again with the real command where a new enough one is on PATH.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from fakes.databricks_cli import cli_environment
from fakes.workspace import FakeWorkspace, Fault, FaultKind

pytest_plugins = ["fakes.databricks_cli.fixtures"]
pytestmark = pytest.mark.slow

SECONDS = 60

ROOT = """\
bundle: {name: demo}
include: [resources/jobs/*.yml]
variables:
  warehouse: {default: abc}
targets:
  dev: {default: true}
  mine: {mode: development}
  prod: {mode: production, workspace: {root_path: "/Workspace/Users/${workspace.current_user.userName}/prod"}}
"""
ALPHA = """\
resources:
  jobs:
    alpha:
      name: "alpha"
      tags: {team: sales}
      permissions: [{level: CAN_VIEW, group_name: users}]
      tasks:
        - task_key: one
          notebook_task: {notebook_path: ../../src/first.py}
          max_retries: 2
        - task_key: two
          depends_on: [{task_key: one}]
          sql_task: {warehouse_id: "${var.warehouse}", file: {path: ../../src/query.sql}}
"""
BETA = """\
resources:
  jobs:
    beta:
      name: beta
      tasks:
        - task_key: only
          notebook_task: {notebook_path: /Workspace/Shared/notebook}
"""
CALLER = """\
resources:
  jobs:
    caller:
      name: caller
      tasks:
        - task_key: call
          run_job_task: {job_id: "${resources.jobs.alpha.id}"}
"""


@dataclass(frozen=True)
class Done:
    """What a command came to."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)

    @property
    def actions(self) -> dict[str, str]:
        """The actions of a plan by the nodes' short names."""
        return {name.removeprefix("resources.jobs."): node["action"] for name, node in self.json["plan"].items()}

    def changes(self, key: str) -> dict[str, Any]:
        """What a plan would really change of a job."""
        changes = self.json["plan"][f"resources.jobs.{key}"].get("changes") or {}
        return {path: change for path, change in changes.items() if change["action"] != "skip"}


@dataclass
class Cli:
    """A `databricks` command in a bundle's folder, against a fake workspace."""

    command: str
    folder: Path
    workspace: FakeWorkspace
    environment: dict[str, str]
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __call__(self, *arguments: str, **environment: str) -> Done:
        done = subprocess.run(
            [self.command, *arguments],
            cwd=self.folder,
            env={**self.environment, **environment},
            capture_output=True,
            encoding="utf-8",
            timeout=SECONDS,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        """Starts a command whose output nobody reads."""
        process = subprocess.Popen(
            [self.command, *arguments],
            cwd=self.folder,
            env={**self.environment, **environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.started.append(process)
        return process

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text), encoding="utf-8")
        return path

    def plan(self, *arguments: str) -> Done:
        done = self("bundle", "plan", "-o", "json", *arguments)
        assert (done.exit_code, done.stderr) == (0, "")
        return done

    def plan_file(self, name: str = "plan.json") -> Path:
        path = self.folder.parent / name
        path.write_text(self.plan().stdout, encoding="utf-8")
        return path

    def deploy(self, *arguments: str) -> Done:
        done = self("bundle", "deploy", *arguments)
        assert (done.exit_code, done.stdout) == (0, ""), done
        return done

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.folder / name
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[FakeWorkspace]:
    with FakeWorkspace(tmp_path / "workspace") as running:
        yield running


@pytest.fixture
def cli(
    databricks_command: Path, databricks_environment: dict[str, str], workspace: FakeWorkspace, tmp_path: Path
) -> Iterator[Cli]:
    made = Cli(str(databricks_command), tmp_path / "bundle", workspace, databricks_environment)
    made.write("databricks.yml", ROOT)
    made.write("src/first.py", "# Databricks notebook source\nprint(1)\n")
    made.write("src/query.sql", "SELECT 1\n")
    made.write("resources/jobs/alpha.yml", ALPHA)
    yield made
    for process in made.started:
        process.kill()
        process.wait(10)


@pytest.fixture
def three(cli: Cli) -> Cli:
    """A bundle of three jobs, deployed, with no writes counted."""
    cli.write("resources/jobs/beta.yml", BETA)
    cli.write("resources/jobs/caller.yml", CALLER)
    cli.deploy()
    cli.workspace.jobs.writes.clear()
    return cli


# First deployment


def test_the_version_is_json(cli: Cli) -> None:
    version = cli("version", "-o", "json").json

    assert re.fullmatch(r"\d+\.\d+\.\d+.*", version["Version"])
    assert version["Version"].startswith(f"{version['Major']}.{version['Minor']}.{version['Patch']}")


def test_the_current_user_is_json(cli: Cli) -> None:
    assert cli("current-user", "me", "-o", "json").json["userName"] == cli.workspace.identity.user_name


def test_a_sound_bundle_is_valid_and_its_folder_is_made(cli: Cli) -> None:
    done = cli("bundle", "validate", "--strict")

    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.endswith("\nValidation OK!\n")
    root = f"/Workspace/Users/{cli.workspace.identity.user_name}/.bundle/demo/dev"
    assert f"Target: dev\nWorkspace:\n  User: someone@example.com\n  Path: {root}\n" in done.stdout
    cli.workspace.tree.make_folder(f"{root}/files/inside")
    assert cli.workspace.jobs.all() == []


def test_the_plan_of_a_first_deployment_has_no_lineage_and_creates_everything(cli: Cli) -> None:
    cli.write("resources/jobs/caller.yml", CALLER)

    plan = cli.plan()

    assert sorted(plan.json) == ["cli_version", "plan", "plan_version"]
    assert plan.json["plan_version"] == 2
    assert plan.actions == {"alpha": "create", "alpha.permissions": "create", "caller": "create"}
    assert plan.json["plan"]["resources.jobs.caller"] == {
        "action": "create",
        "depends_on": [{"node": "resources.jobs.alpha", "label": "${resources.jobs.alpha.id}"}],
        "new_state": {
            "value": {
                "deployment": {"kind": "BUNDLE", "metadata_file_path": state_path("metadata.json")},
                "edit_mode": "UI_LOCKED",
                "format": "MULTI_TASK",
                "max_concurrent_runs": 1,
                "name": "caller",
                "queue": {"enabled": True},
                "tasks": [{"run_job_task": {"job_id": 0}, "task_key": "call"}],
            },
            "vars": {"tasks[0].run_job_task.job_id": "${resources.jobs.alpha.id}"},
        },
    }
    assert cli.workspace.jobs.all() == []


def state_path(name: str) -> str:
    return f"/Workspace/Users/someone@example.com/.bundle/demo/dev/state/{name}"


def test_a_first_deployment_creates_and_says_so_on_stderr_only(cli: Cli) -> None:
    cli.write("resources/jobs/caller.yml", CALLER)

    done = cli.deploy()

    assert done.stderr.splitlines() == [
        "Uploading bundle files to /Workspace/Users/someone@example.com/.bundle/demo/dev/files...",
        "Created jobs.alpha",
        "Created jobs.alpha.permissions",
        "Created jobs.caller",
        "Files: 5 uploaded, 0 deleted",
        "Resources: 3 created, 0 changed, 0 deleted, 0 unchanged",
    ]
    jobs = cli.workspace.jobs
    assert jobs.names() == ["alpha", "caller"]
    alpha = jobs.by_name("alpha")
    files = "/Workspace/Users/someone@example.com/.bundle/demo/dev/files"
    assert alpha.settings["tasks"] == [
        {"task_key": "one", "max_retries": 2, "notebook_task": {"notebook_path": f"{files}/src/first"}},
        {
            "task_key": "two",
            "depends_on": [{"task_key": "one"}],
            "sql_task": {"warehouse_id": "abc", "file": {"path": f"{files}/src/query.sql"}},
        },
    ]
    assert alpha.access == [
        {"group_name": "users", "permission_level": "CAN_VIEW"},
        {"user_name": "someone@example.com", "permission_level": "IS_OWNER"},
    ]
    assert jobs.by_name("caller").settings["tasks"][0]["run_job_task"] == {"job_id": alpha.job_id}
    assert cli.workspace.tree.read(f"{files}/src/first").endswith(b"print(1)\n")
    assert json.loads(cli.workspace.tree.read(state_path("resources.json")))["serial"] == 1


def test_the_second_plan_skips_everything_and_the_second_deployment_writes_no_job(three: Cli) -> None:
    plan = three.plan()

    assert set(plan.actions.values()) == {"skip"}
    assert plan.json["serial"] == 1
    assert re.fullmatch(r"[0-9a-f-]{36}", plan.json["lineage"])
    node = plan.json["plan"]["resources.jobs.beta"]
    assert sorted(node) == ["action", "changes", "remote_state"]
    assert node["remote_state"]["job_id"] == three.workspace.jobs.by_name("beta").job_id
    assert node["remote_state"]["tasks"][0]["run_if"] == "ALL_SUCCESS"
    assert node["changes"]["timeout_seconds"] == {"action": "skip", "reason": "empty", "remote": 0}
    assert node["changes"]["tasks[task_key='only'].run_if"] == {
        "action": "skip",
        "reason": "backend_default",
        "remote": "ALL_SUCCESS",
    }

    done = three.deploy()

    assert "Resources: 0 created, 0 changed, 0 deleted, 4 unchanged" in done.stderr
    assert three.workspace.jobs.writes == {}
    assert three.plan().json["serial"] == 1


def test_plans_and_summaries_write_nothing(three: Cli) -> None:
    before = len(three.workspace.tree.writes)

    three.plan()
    three("bundle", "summary", "-o", "json")

    assert three.workspace.tree.writes[before:] == []
    assert three.workspace.jobs.writes == {}


# Changes


def test_one_change_resets_one_job(three: Cli) -> None:
    three.edit("resources/jobs/alpha.yml", "max_retries: 2", "max_retries: 3")

    plan = three.plan()

    assert plan.actions == {"alpha": "update", "alpha.permissions": "skip", "beta": "skip", "caller": "skip"}
    assert plan.changes("alpha") == {
        "tasks[task_key='one'].max_retries": {"action": "update", "old": 2, "new": 3, "remote": 2}
    }
    assert plan.json["plan"]["resources.jobs.alpha"]["new_state"]["value"]["tasks"][0]["max_retries"] == 3

    done = three.deploy()

    assert "Updated jobs.alpha\n" in done.stderr
    assert three.workspace.jobs.writes == {"reset": 1}
    assert three.workspace.jobs.by_name("alpha").settings["tasks"][0]["max_retries"] == 3
    assert three.plan().json["serial"] == 2


def test_the_paths_and_values_of_changes(cli: Cli) -> None:
    cli.write(
        "resources/jobs/alpha.yml",
        """\
        resources:
          jobs:
            alpha:
              name: alpha
              description: hello
              tags: {a: b, "k e": c}
              parameters: [{name: zz, default: "1"}, {name: aa, default: "2"}]
              job_clusters: [{job_cluster_key: main, new_cluster: {spark_version: 15, num_workers: 1}}]
              email_notifications: {on_failure: [a@b.c, d@e.f]}
              timeout_seconds: 0
              schedule: {quartz_cron_expression: "0 0 2 * * ?", timezone_id: UTC}
              queue: {enabled: false}
              tasks:
               - task_key: z
                 depends_on: [{task_key: a}, {task_key: b}]
                 notebook_task: {notebook_path: /Workspace/x, base_parameters: {v: 1.0, w: "2"}}
                 max_retries: 0
               - {task_key: a, notebook_task: {notebook_path: /Workspace/x}, libraries: [{pypi: {package: b}}]}
               - {task_key: b, notebook_task: {notebook_path: /Workspace/x}}
               - {task_key: c, notebook_task: {notebook_path: /Workspace/x}}
        """,
    )
    cli.deploy()
    assert cli.plan().actions == {"alpha": "skip"}
    cli.write(
        "resources/jobs/alpha.yml",
        """\
        resources:
          jobs:
            alpha:
              name: alpha
              tags: {a: b2, new: t}
              parameters: [{name: yy, default: "1"}, {name: aa, default: "3"}]
              job_clusters:
                - {job_cluster_key: main, new_cluster: {spark_version: 16, num_workers: 1}}
                - {job_cluster_key: second, new_cluster: {spark_version: 16, num_workers: 1}}
              email_notifications: {on_failure: [d@e.f]}
              schedule: {quartz_cron_expression: "0 0 3 * * ?", timezone_id: UTC, pause_status: PAUSED}
              tasks:
               - task_key: z
                 depends_on: [{task_key: b}, {task_key: c}]
                 notebook_task: {notebook_path: /Workspace/x, base_parameters: {v: 2, "n.n": "3"}}
                 timeout_seconds: 5
               - task_key: a
                 sql_task: {warehouse_id: a, file: {path: /Workspace/x}}
                 libraries: [{pypi: {package: a}}]
               - {task_key: c, notebook_task: {notebook_path: /Workspace/x}}
               - {task_key: d, notebook_task: {notebook_path: /Workspace/x}}
        """,
    )

    changes = cli.plan().json["plan"]["resources.jobs.alpha"]["changes"]

    assert {path: tuple(change.get(side, ...) for side in ("old", "new")) for path, change in changes.items()} == {
        **{path: (..., ...) for path in changes if set(changes[path]) == {"action", "reason", "remote"}},
        "description": ("hello", ...),
        "email_notifications.on_failure": (["a@b.c", "d@e.f"], ["d@e.f"]),
        "job_clusters[job_cluster_key='main'].new_cluster.spark_version": ("15", "16"),
        "job_clusters[job_cluster_key='second']": (
            ...,
            {"job_cluster_key": "second", "new_cluster": {"num_workers": 1, "spark_version": "16"}},
        ),
        "parameters[name='aa'].default": ("2", "3"),
        "parameters[name='yy']": (..., {"default": "1", "name": "yy"}),
        "parameters[name='zz']": ({"default": "1", "name": "zz"}, ...),
        "queue.enabled": (False, True),
        "schedule.pause_status": ("UNPAUSED", "PAUSED"),
        "schedule.quartz_cron_expression": ("0 0 2 * * ?", "0 0 3 * * ?"),
        "tags['a']": ("b", "b2"),
        "tags['k e']": ("c", ...),
        "tags['new']": (..., "t"),
        "tasks[task_key='a'].libraries[0].pypi.package": ("b", "a"),
        "tasks[task_key='a'].notebook_task": ({"notebook_path": "/Workspace/x"}, ...),
        "tasks[task_key='a'].sql_task": (..., {"file": {"path": "/Workspace/x"}, "warehouse_id": "a"}),
        "tasks[task_key='b']": ({"notebook_task": {"notebook_path": "/Workspace/x"}, "task_key": "b"}, ...),
        "tasks[task_key='d']": (..., {"notebook_task": {"notebook_path": "/Workspace/x"}, "task_key": "d"}),
        "tasks[task_key='z'].depends_on[task_key='a']": ({"task_key": "a"}, ...),
        "tasks[task_key='z'].depends_on[task_key='c']": (..., {"task_key": "c"}),
        "tasks[task_key='z'].max_retries": (0, ...),
        "tasks[task_key='z'].notebook_task.base_parameters['n.n']": (..., "3"),
        "tasks[task_key='z'].notebook_task.base_parameters['v']": ("1", "2"),
        "tasks[task_key='z'].notebook_task.base_parameters['w']": ("2", ...),
        "tasks[task_key='z'].timeout_seconds": (..., 5),
        "timeout_seconds": (0, ...),
    }
    assert changes["timeout_seconds"] == {"action": "skip", "reason": "empty", "old": 0, "remote": 0}


def test_a_job_that_left_the_configuration_is_deleted_without_asking(three: Cli) -> None:
    (three.folder / "resources/jobs/beta.yml").unlink()

    assert three.plan().actions["beta"] == "delete"
    done = three.deploy()

    assert "Deleted jobs.beta\n" in done.stderr
    assert "Files: 0 uploaded, 1 deleted\nResources: 0 created, 0 changed, 1 deleted, 3 unchanged\n" in done.stderr
    assert three.workspace.jobs.writes == {"delete": 1}
    assert three.workspace.jobs.names() == ["alpha", "caller"]


def test_a_bundle_without_jobs_deletes_all(three: Cli) -> None:
    shutil.rmtree(three.folder / "resources")

    three.deploy()

    assert three.workspace.jobs.names() == []
    assert three.plan().json["plan"] == {}


def test_exactly_the_plan_is_deployed_even_when_the_files_have_changed_since(three: Cli) -> None:
    three.edit("resources/jobs/alpha.yml", "max_retries: 2", "max_retries: 3")
    plan = three.plan_file()
    three.edit("resources/jobs/alpha.yml", "max_retries: 3", "max_retries: 4")

    three.deploy("--plan", str(plan))

    assert three.workspace.jobs.by_name("alpha").settings["tasks"][0]["max_retries"] == 3


# Edits by hand


def test_edits_by_hand_are_changes_with_equal_old_and_new(three: Cli) -> None:
    jobs = three.workspace.jobs
    alpha = jobs.by_name("alpha").job_id
    jobs.edit(alpha, name="renamed", max_concurrent_runs=5, description="by hand", tags={"team": "x", "n": "1"})
    jobs.edit(alpha, queue=None, timeout_seconds=100)
    jobs.edit_task(alpha, "one", max_retries=9)

    plan = three.plan()

    assert plan.actions["alpha"] == "update"
    assert plan.changes("alpha") == {
        "description": {"action": "update", "remote": "by hand"},
        "max_concurrent_runs": {"action": "update", "old": 1, "new": 1, "remote": 5},
        "name": {"action": "update", "old": "alpha", "new": "alpha", "remote": "renamed"},
        "queue": {"action": "update", "old": {"enabled": True}, "new": {"enabled": True}},
        "tags['n']": {"action": "update", "remote": "1"},
        "tags['team']": {"action": "update", "old": "sales", "new": "sales", "remote": "x"},
        "tasks[task_key='one'].max_retries": {"action": "update", "old": 2, "new": 2, "remote": 9},
        "timeout_seconds": {"action": "update", "remote": 100},
    }

    three.deploy()

    assert jobs.writes == {"reset": 1}
    assert jobs.by_name("alpha").settings["max_concurrent_runs"] == 1


def test_tasks_added_and_taken_away_by_hand(three: Cli) -> None:
    jobs = three.workspace.jobs
    alpha = jobs.by_name("alpha")
    extra = {"task_key": "three", "notebook_task": {"notebook_path": "/a"}}
    jobs.edit(alpha.job_id, tasks=[alpha.settings["tasks"][0], extra])

    changes = three.plan().changes("alpha")

    assert sorted(changes) == ["tasks[task_key='three']", "tasks[task_key='two']"]
    assert sorted(changes["tasks[task_key='three']"]) == ["action", "remote"]
    assert changes["tasks[task_key='three']"]["remote"]["notebook_task"]["notebook_path"] == "/a"
    assert sorted(changes["tasks[task_key='two']"]) == ["action", "new", "old"]


def test_a_change_that_was_made_by_hand_already_is_skipped(three: Cli) -> None:
    jobs = three.workspace.jobs
    jobs.edit_task(jobs.by_name("alpha").job_id, "one", max_retries=3)
    three.edit("resources/jobs/alpha.yml", "max_retries: 2", "max_retries: 3")

    plan = three.plan()

    assert plan.actions["alpha"] == "skip"
    assert plan.json["plan"]["resources.jobs.alpha"]["changes"]["tasks[task_key='one'].max_retries"] == {
        "action": "skip",
        "reason": "remote_already_set",
        "old": 2,
        "new": 3,
        "remote": 3,
    }


def test_permissions_given_by_hand_are_a_change_of_the_permissions(three: Cli) -> None:
    alpha = three.workspace.jobs.by_name("alpha").job_id
    client = three.workspace.client()
    client.api_client.do(
        "PATCH",
        f"/api/2.0/permissions/jobs/{alpha}",
        body={"access_control_list": [{"group_name": "devs", "permission_level": "CAN_MANAGE"}]},
    )

    plan = three.plan()

    assert plan.actions["alpha"] == "skip"
    assert plan.changes("alpha.permissions") == {
        "[group_name='devs']": {"action": "update", "remote": {"group_name": "devs", "level": "CAN_MANAGE"}}
    }
    three.deploy()
    assert "devs" not in str(three.workspace.jobs.by_name("alpha").access)


def test_a_job_deleted_by_hand_is_created_again(three: Cli) -> None:
    jobs = three.workspace.jobs
    jobs.remove(jobs.by_name("beta").job_id)

    assert three.plan().actions["beta"] == "create"
    three.deploy()

    assert jobs.writes == {"create": 1}
    assert set(three.plan().actions.values()) == {"skip"}


def test_a_job_deleted_by_hand_and_in_the_configuration_is_gone(three: Cli) -> None:
    jobs = three.workspace.jobs
    jobs.remove(jobs.by_name("beta").job_id)
    (three.folder / "resources/jobs/beta.yml").unlink()

    assert three.plan().json["plan"]["resources.jobs.beta"] == {"action": "delete", "gone": True}
    three.deploy()

    assert jobs.writes == {}
    assert "beta" not in three.plan().actions


# Stale plans


def test_a_plan_is_refused_once_the_state_has_moved_on(three: Cli) -> None:
    three.edit("resources/jobs/alpha.yml", "max_retries: 2", "max_retries: 3")
    plan = three.plan_file()
    three.deploy()

    done = three("bundle", "deploy", "--plan", str(plan))

    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == (
        "Error: plan serial 1 does not match state serial 2; the state has been modified since the plan was "
        "created. Please run 'bundle plan' again\n\n"
    )
    assert three.workspace.jobs.writes == {"reset": 1}


def test_a_plan_of_another_lineage_is_refused(three: Cli) -> None:
    plan = three.plan_file()
    content = json.loads(plan.read_text())
    lineage = content["lineage"]
    plan.write_text(json.dumps({**content, "lineage": "other"}))

    done = three("bundle", "deploy", "--plan", str(plan))

    assert done.exit_code == 1
    assert done.stderr == (
        f'Error: plan lineage "other" does not match state lineage "{lineage}"; '
        "the state may have been modified by another process\n\n"
    )


def test_a_plan_made_before_the_first_deployment_is_never_stale_so_it_makes_every_job_twice(cli: Cli) -> None:
    plan = cli.plan_file()
    cli.deploy("--plan", str(plan))

    cli.deploy("--plan", str(plan))

    assert cli.workspace.jobs.names() == ["alpha", "alpha"]


@pytest.mark.parametrize(
    ("text", "error"),
    [("", "parsing plan JSON: "), ("{bad", "parsing plan JSON: "), ("{}", "plan version mismatch: plan has version 0")],
)
def test_a_file_that_is_no_plan_is_refused(cli: Cli, text: str, error: str) -> None:
    plan = cli.write("../plan.json", text)

    done = cli("bundle", "deploy", "--plan", str(plan))

    assert done.exit_code == 1
    assert done.stderr.startswith(f"Error: {error}")


# The lock

HOLDER = """\
deploy lock acquired by other@example.com at 2026-11-23 08:00:00.123456 +0000 UTC.
Another deployment may be in progress. Use --force-lock to override, but this may
conflict with the other deployment if it is still active
"""


def hold_lock(workspace: FakeWorkspace) -> None:
    lock = {
        "ID": "6b0e9a3c-0000-4000-8000-000000000001",
        "AcquisitionTime": "2026-11-23T08:00:00.123456Z",
        "IsForced": False,
        "User": "other@example.com",
    }
    workspace.tree.write(state_path("deploy.lock"), json.dumps(lock).encode())


def test_a_lock_that_someone_holds_names_the_user_and_the_time(cli: Cli) -> None:
    hold_lock(cli.workspace)

    done = cli("bundle", "deploy")

    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == f"Error: Failed to acquire deployment lock: {HOLDER}Error: {HOLDER}\n"
    assert cli.workspace.jobs.all() == []
    assert cli.plan().actions["alpha"] == "create"


def test_a_lock_can_be_taken_by_force(cli: Cli) -> None:
    hold_lock(cli.workspace)

    cli.deploy("--force-lock")

    assert cli.workspace.jobs.names() == ["alpha"]
    assert not [path for path in cli.workspace.tree.paths() if path.endswith("deploy.lock")]


def test_a_target_in_development_has_no_lock_and_marks_its_jobs(cli: Cli) -> None:
    path = state_path("deploy.lock").replace("/dev/", "/mine/")
    cli.workspace.tree.write(path, b"someone's")
    cli.edit(
        "resources/jobs/alpha.yml", "tags:", 'schedule: {quartz_cron_expression: "x", timezone_id: UTC}\n      tags:'
    )

    cli.deploy("-t", "mine")

    settings = cli.workspace.jobs.by_name("[dev someone] alpha").settings
    assert settings["tags"] == {"team": "sales", "dev": "someone"}
    assert settings["schedule"]["pause_status"] == "PAUSED"
    assert settings["max_concurrent_runs"] == 4


# Summary and runs


def test_a_summary_has_the_ids_and_addresses_of_jobs(three: Cli) -> None:
    (three.folder / "resources/jobs/beta.yml").unlink()
    three.write("resources/jobs/delta.yml", BETA.replace("beta", "delta"))

    jobs = three("bundle", "summary", "-o", "json").json["resources"]["jobs"]

    known = three.workspace.jobs
    alpha, beta = known.by_name("alpha").job_id, known.by_name("beta").job_id
    address = f"{three.workspace.url}/jobs/{{}}?w={three.workspace.identity.workspace_id}"
    assert (jobs["alpha"]["id"], jobs["alpha"]["url"]) == (str(alpha), address.format(alpha))
    assert jobs["alpha"]["name"] == "alpha"
    assert "modified_status" not in jobs["alpha"]
    assert jobs["beta"] == {"id": str(beta), "modified_status": "deleted", "url": address.format(beta)}
    assert jobs["delta"]["modified_status"] == "created"
    assert "id" not in jobs["delta"]


def test_a_run_is_started_and_named_on_stderr(three: Cli) -> None:
    done = three("bundle", "run", "alpha", "--no-wait")

    (run,) = three.workspace.jobs.runs
    alpha = three.workspace.jobs.by_name("alpha").job_id
    assert (done.exit_code, done.stdout) == (0, "")
    number = three.workspace.identity.workspace_id
    assert done.stderr == f"Run URL: {three.workspace.url}/jobs/{alpha}/runs/{run.run_id}?o={number}\n\n"
    assert run.job_id == alpha


def test_a_job_that_is_not_there_cannot_run(three: Cli) -> None:
    done = three("bundle", "run", "nope", "--no-wait")

    assert done.exit_code == 1
    assert done.stderr.startswith('Error: resource with key "nope" not found\n')


def test_variables_come_from_the_environment_and_from_flags(cli: Cli) -> None:
    def warehouse(done: Done) -> str:
        return done.json["plan"]["resources.jobs.alpha"]["new_state"]["value"]["tasks"][1]["sql_task"]["warehouse_id"]

    assert warehouse(cli("bundle", "plan", "-o", "json", BUNDLE_VAR_warehouse="from-environment")) == "from-environment"
    assert warehouse(cli("bundle", "plan", "-o", "json", "--var", "warehouse=from-flag")) == "from-flag"


def test_a_job_of_one_target_is_only_there(cli: Cli) -> None:
    cli.write(
        "resources/jobs/beta.yml",
        """\
        targets:
          prod:
            resources:
              jobs:
                beta: {name: beta, tasks: [{task_key: a, notebook_task: {notebook_path: ../../src/first.py}}]}
        """,
    )

    assert sorted(cli.plan().actions) == ["alpha", "alpha.permissions"]
    assert "beta" in cli.plan("-t", "prod").actions
    cli.deploy("-t", "prod")
    assert cli.workspace.jobs.names() == ["alpha", "beta"]


def test_a_job_of_many_tasks_is_read_page_by_page(cli: Cli) -> None:
    tasks = "".join(
        f"        - {{task_key: t{number}, notebook_task: {{notebook_path: /Workspace/x}}}}\n" for number in range(250)
    )
    cli.write("resources/jobs/beta.yml", BETA[: BETA.index("        -")] + tasks)
    cli.deploy()
    cli.workspace.requests.clear()

    plan = cli.plan()

    assert plan.actions["beta"] == "skip"
    assert len(plan.json["plan"]["resources.jobs.beta"]["remote_state"]["tasks"]) == 250
    assert len(cli.workspace.calls("GET", "/api/2.2/jobs/get")) == 4


# Mistakes in the configuration


def test_unknown_fields_and_wrong_types_are_warnings_with_places(cli: Cli) -> None:
    cli.write(
        "resources/jobs/beta.yml",
        """\
        resources:
          jobs:
            a:
              name: a
              nope: 1
              tasks:
                - task_key: x
                  notebook_task: {notebook_path: ../../src/first.py, wrong: 2}
                  max_retries: "three"
        """,
    )

    done = cli("bundle", "validate")
    strict = cli("bundle", "validate", "--strict")

    assert (done.exit_code, done.stdout.splitlines()[-1]) == (0, "Found 3 warnings")
    assert done.stderr == (
        "Warning: unknown field: nope\n"
        "  at resources.jobs.a\n"
        "  in resources/jobs/beta.yml:5:7\n"
        "\n"
        "Warning: unknown field: wrong\n"
        "  at resources.jobs.a.tasks[0].notebook_task\n"
        "  in resources/jobs/beta.yml:8:62\n"
        "\n"
        'Warning: cannot parse "three" as an integer\n'
        "  at resources.jobs.a.tasks[0].max_retries\n"
        "  in resources/jobs/beta.yml:9:24\n"
        "\n"
    )
    assert strict.exit_code == 1
    assert "Error: 3 warnings were found. Warnings are not allowed in strict mode" in strict.stderr


@pytest.mark.parametrize(
    ("task", "error"),
    [
        ("notebook_task: {notebook_path: ../../src/missing.py}", "notebook src/missing.py not found"),
        (
            "notebook_task: {notebook_path: ../../src/first}",
            'notebook "src/first" not found. Did you mean "src/first.py"?',
        ),
        (
            "notebook_task: {notebook_path: ../../src/query.sql}",
            'expected a notebook for "resources.jobs.a.tasks[0].notebook_task.notebook_path" but got a file: '
            "file at FOLDER/src/query.sql is not a notebook",
        ),
        ("sql_task: {warehouse_id: x, file: {path: ../../src/none.sql}}", "file src/none.sql not found"),
        ("sql_task: {warehouse_id: x, file: {path: src/query.sql}}", "file resources/jobs/src/query.sql not found"),
        ("spark_python_task: {python_file: ../../src/none.py}", "file src/none.py not found"),
        ("dbt_task: {project_directory: ../../nodir, commands: [dbt run]}", "stat nodir: no such file or directory"),
        (
            "notebook_task: {notebook_path: ../../../outside.py}",
            "path ABOVE/outside.py is not contained in sync root path",
        ),
        ('run_job_task: {job_id: "${var.nope}"}', "reference does not exist: ${var.nope}"),
    ],
)
def test_local_paths_and_variables_must_exist(cli: Cli, task: str, error: str) -> None:
    cli.write(
        "resources/jobs/alpha.yml", f"resources: {{jobs: {{a: {{name: a, tasks: [{{task_key: x, {task}}}]}}}}}}\n"
    )
    expected = error.replace("FOLDER", str(cli.folder)).replace("ABOVE", str(cli.folder.parent))

    for command in ("validate", "plan", "deploy"):
        done = cli("bundle", command)

        assert done.exit_code == 1
        assert done.stderr.startswith(f"Error: {expected}\n")


@pytest.mark.parametrize(
    ("value", "reference", "node"),
    [
        ("x ${foo.bar}", "${foo.bar}", ""),
        ("${resources.jobs.none.id}", "${resources.jobs.none.id}", "resources.jobs.none"),
    ],
)
def test_a_wrong_reference_passes_validation_and_fails_the_plan(
    cli: Cli, value: str, reference: str, node: str
) -> None:
    cli.edit("resources/jobs/alpha.yml", 'name: "alpha"', f'name: "{value}"')

    assert cli("bundle", "validate", "--strict").exit_code == 0
    done = cli("bundle", "plan", "-o", "json")

    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith(f'Error: invalid dependency "{reference}", no such node "{node}"\n')


def test_a_file_to_include_that_is_not_there_is_an_error_and_a_pattern_for_none_is_not(cli: Cli) -> None:
    cli.write("databricks.yml", ROOT.replace("[resources/jobs/*.yml]", "[resources/jobs/*.yml, nope/*.yml]"))
    assert cli("bundle", "validate").exit_code == 0

    cli.write("databricks.yml", ROOT.replace("[resources/jobs/*.yml]", "[resources/jobs/*.yml, nope.yml]"))
    done = cli("bundle", "validate")

    assert done.exit_code == 1
    assert done.stderr.startswith("Error: nope.yml defined in 'include' section does not match any files\n")


def test_two_jobs_of_one_key_are_an_error_with_both_places(cli: Cli) -> None:
    cli.write("resources/jobs/beta.yml", ALPHA)

    done = cli("bundle", "validate")

    assert done.exit_code == 1
    assert done.stdout == "Name: demo\n\nFound 1 error\n"
    assert done.stderr == (
        "Error: multiple resources or scripts have been defined with the same key: alpha\n"
        "  at resources.jobs.alpha\n"
        "  in resources/jobs/alpha.yml:4:7\n"
        "     resources/jobs/beta.yml:4:7\n"
        "\n"
    )


def test_yaml_that_cannot_be_read_names_the_file_and_the_line(cli: Cli) -> None:
    path = cli.write("resources/jobs/beta.yml", "resources:\n  jobs:\n    a: [\n")

    for command in ("validate", "plan", "deploy"):
        done = cli("bundle", command)

        assert done.exit_code == 1
        assert re.match(rf"Error: failed to load {re.escape(str(path))}: yaml: line \d+: ", done.stderr)


def test_a_target_that_is_not_there(cli: Cli) -> None:
    done = cli("bundle", "plan", "-t", "nope")

    assert done.exit_code == 1
    match = re.fullmatch("Error: nope: no such target. Available targets: (.*)\n\n", done.stderr)
    assert match
    assert sorted(match.group(1).split(", ")) == ["dev", "mine", "prod"]


def test_a_variable_without_a_value(cli: Cli) -> None:
    cli.edit("databricks.yml", "{default: abc}", "{description: none}")

    done = cli("bundle", "plan")

    assert done.exit_code == 1
    assert done.stderr.startswith("Error: no value assigned to required variable warehouse. ")


def test_a_folder_without_a_bundle(cli: Cli) -> None:
    (cli.folder / "databricks.yml").unlink()

    done = cli("bundle", "plan")

    assert done.exit_code == 1
    assert done.stderr.startswith("Error: Unable to locate the bundle root: databricks.yml not found.\n")


def test_texts_and_numbers_as_go_yaml_reads_them(cli: Cli) -> None:
    cli.write(
        "resources/jobs/alpha.yml",
        """\
        resources:
          jobs:
            alpha:
              name: yes
              description: 1.0
              tags: {a: 09, b: 1e3, c: 0123, d: 1_000, e: true, f: "1.0", g: 1.5}
              tasks:
                - {task_key: x, notebook_task: {notebook_path: /Workspace/x}}
                - {task_key: x, max_retries: 1}
        """,
    )

    value = cli.plan().json["plan"]["resources.jobs.alpha"]["new_state"]["value"]

    assert (value["name"], value["description"]) == ("yes", "1")
    assert value["tags"] == {"a": "9", "b": "1000", "c": "123", "d": "1000", "e": "true", "f": "1.0", "g": "1.5"}
    assert value["tasks"] == [{"task_key": "x", "max_retries": 1, "notebook_task": {"notebook_path": "/Workspace/x"}}]


# What goes wrong on the way


def test_one_job_that_the_api_refuses_stops_only_those_that_need_it(three: Cli) -> None:
    for name in ("alpha", "beta", "caller"):
        three.edit(f"resources/jobs/{name}.yml", "      tasks:", "      max_concurrent_runs: 2\n      tasks:")
    three.workspace.jobs.refusals["alpha"] = "The cron expression is bad."
    alpha = three.workspace.jobs.by_name("alpha").job_id

    done = three("bundle", "deploy")

    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == (
        "Uploading bundle files to /Workspace/Users/someone@example.com/.bundle/demo/dev/files...\n"
        f"Error: cannot update resources.jobs.alpha: updating id={alpha}: The cron expression is bad. "
        "(400 INVALID_PARAMETER_VALUE)\n"
        "\n"
        f"Endpoint: POST {three.workspace.url}/api/2.2/jobs/reset\n"
        "HTTP Status: 400 Bad Request\n"
        "API error_code: INVALID_PARAMETER_VALUE\n"
        "API message: The cron expression is bad.\n"
        "\n"
        "Error: cannot update resources.jobs.caller: dependency failed: resources.jobs.alpha\n"
        "\n"
        "Files: 3 uploaded, 0 deleted\n"
    )
    assert three.workspace.jobs.writes == {"reset": 1}
    assert {key: action for key, action in three.plan().actions.items() if action != "skip"} == {
        "alpha": "update",
        "caller": "update",
    }
    three.workspace.jobs.refusals.clear()
    three.deploy()
    assert set(three.plan().actions.values()) == {"skip"}


def test_a_job_that_cannot_be_created_leaves_the_others_and_is_created_by_the_next_deployment(cli: Cli) -> None:
    cli.write("resources/jobs/beta.yml", BETA)
    cli.workspace.jobs.refusals["alpha"] = "No."

    done = cli("bundle", "deploy")

    assert done.exit_code == 1
    assert "Error: cannot create resources.jobs.alpha: No. (400 INVALID_PARAMETER_VALUE)\n" in done.stderr
    permissions = "Error: cannot create resources.jobs.alpha.permissions: dependency failed: resources.jobs.alpha\n"
    assert permissions in done.stderr
    assert cli.workspace.jobs.names() == ["beta"]
    cli.workspace.jobs.refusals.clear()
    cli.deploy()
    assert cli.workspace.jobs.names() == ["alpha", "beta"]


def test_a_job_that_cannot_be_deleted_stays_in_the_state(three: Cli) -> None:
    (three.folder / "resources/jobs/beta.yml").unlink()
    beta = three.workspace.jobs.by_name("beta").job_id
    three.workspace.faults.add(Fault("POST", "/api/2.2/jobs/delete", FaultKind.INTERNAL_ERROR))

    done = three("bundle", "deploy")

    assert done.exit_code == 1
    assert (
        f"Error: cannot delete resources.jobs.beta: deleting id={beta}: An internal error happened. "
        "(500 INTERNAL_ERROR)\n"
    ) in done.stderr
    assert three.plan().actions["beta"] == "delete"


def test_a_job_that_may_not_be_deleted_is_forgotten(three: Cli) -> None:
    (three.folder / "resources/jobs/beta.yml").unlink()
    beta = three.workspace.jobs.by_name("beta").job_id
    three.workspace.faults.add(Fault("POST", "/api/2.2/jobs/delete", FaultKind.FORBIDDEN))

    done = three.deploy()

    assert (
        "Warn: destroying resources.jobs.beta: Ignoring permission error when deleting resources.jobs.beta "
        f"id={beta}: User does not have permission for this operation.\nDeleted jobs.beta\n"
    ) in done.stderr
    assert three.workspace.jobs.names() == ["alpha", "beta", "caller"]
    assert "beta" not in three.plan().actions


@pytest.mark.parametrize("kind", [FaultKind.TOO_MANY_REQUESTS, FaultKind.UNAVAILABLE, FaultKind.CONNECTION_RESET])
def test_what_was_not_done_is_tried_again(cli: Cli, kind: FaultKind) -> None:
    cli.workspace.faults.add(Fault("POST", "/api/2.2/jobs/create", kind))

    cli.deploy()

    assert cli.workspace.jobs.writes["create"] == 1


def test_a_create_whose_answer_is_lost_makes_a_second_job(cli: Cli) -> None:
    cli.workspace.faults.add(Fault("POST", "/api/2.2/jobs/create", FaultKind.CONNECTION_RESET_AFTER_WORK))

    cli.deploy()

    assert cli.workspace.jobs.names() == ["alpha", "alpha"]


def test_an_answer_that_breaks_off_is_an_error(cli: Cli) -> None:
    cli.workspace.faults.add(Fault("POST", "/api/2.2/jobs/create", FaultKind.TRUNCATED_BODY))

    done = cli("bundle", "deploy")

    assert done.exit_code == 1
    assert "Error: cannot create resources.jobs.alpha: response body: unexpected EOF\n" in done.stderr


def test_a_wrong_token_is_refused_before_anything(cli: Cli) -> None:
    for command in ("validate", "plan", "deploy", "summary"):
        done = cli("bundle", command, DATABRICKS_TOKEN="wrong")

        assert done.exit_code == 1
        assert done.stderr == (
            "Error: Invalid access token. (403 403)\n"
            "\n"
            f"Endpoint: GET {cli.workspace.url}/api/2.0/preview/scim/v2/Me?\n"
            "HTTP Status: 403 Forbidden\n"
            "API error_code: 403\n"
            "API message: Invalid access token.\n"
            "\n"
        )


def test_an_expired_token(cli: Cli) -> None:
    cli.workspace.identity.expired = True

    done = cli("bundle", "validate", "--strict")

    assert done.exit_code == 1
    assert done.stderr.startswith("Error: The access token has expired. (401 UNAUTHENTICATED)\n\nEndpoint: GET ")
    assert "HTTP Status: 401 Unauthorized\n" in done.stderr


def test_no_credentials(cli: Cli) -> None:
    environment = {name: value for name, value in cli.environment.items() if name not in HOST_AND_TOKEN}
    cli.environment = environment

    done = cli("bundle", "plan")

    assert done.exit_code == 1
    assert "default auth: cannot configure default credentials, please check https://docs." in done.stderr


HOST_AND_TOKEN = ("DATABRICKS_HOST", "DATABRICKS_TOKEN")


def test_a_host_that_no_one_knows_fails_at_once(cli: Cli) -> None:
    direct = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY"), "")

    done = cli("bundle", "validate", DATABRICKS_HOST="http://nohost.invalid", **direct)

    assert done.exit_code == 1
    assert (
        'Error: Get "http://nohost.invalid/api/2.0/preview/scim/v2/Me?": dial tcp: lookup nohost.invalid' in done.stderr
    )


def test_a_host_that_refuses_connections_is_tried_for_a_long_time(cli: Cli) -> None:
    process = cli.start("bundle", "validate", DATABRICKS_HOST="http://127.0.0.1:1")

    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(3)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_deployment_that_is_ended_leaves_its_lock_and_knows_what_it_made(cli: Cli, how: signal.Signals) -> None:
    cli.workspace.faults.add(Fault("PUT", "/api/2.0/permissions/*", FaultKind.SLOW, seconds=20))
    process = cli.start("bundle", "deploy")
    wait_for(lambda: cli.workspace.jobs.names() == ["alpha"] or process.poll() is not None, cli)
    process.send_signal(how)

    assert process.wait(10) == -how
    cli.workspace.faults.clear()

    assert [path for path in cli.workspace.tree.paths() if path.endswith("deploy.lock")]
    assert cli.plan().actions["alpha"] == "skip"
    refused = cli("bundle", "deploy")
    assert refused.exit_code == 1
    assert "deploy lock acquired by someone@example.com at " in refused.stderr
    cli.deploy("--force-lock")
    assert cli.workspace.jobs.names() == ["alpha"]


def test_without_its_local_folder_a_deployment_that_was_ended_makes_its_jobs_again(cli: Cli) -> None:
    cli.workspace.faults.add(Fault("PUT", "/api/2.0/permissions/*", FaultKind.SLOW, seconds=20))
    process = cli.start("bundle", "deploy")
    wait_for(lambda: cli.workspace.jobs.names() == ["alpha"] or process.poll() is not None, cli)
    process.kill()
    process.wait(10)
    cli.workspace.faults.clear()
    shutil.rmtree(cli.folder / ".databricks")

    cli.deploy("--force-lock")

    assert cli.workspace.jobs.names() == ["alpha", "alpha"]


def test_a_deployment_whose_output_nobody_reads_dies_and_leaves_its_lock(cli: Cli) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as closed:
        done = subprocess.run(
            [cli.command, "bundle", "deploy"],
            cwd=cli.folder,
            env=cli.environment,
            stdout=subprocess.DEVNULL,
            stderr=closed,
            timeout=SECONDS,
        )

    assert done.returncode == -signal.SIGPIPE
    assert [path for path in cli.workspace.tree.paths() if path.endswith("deploy.lock")]


def wait_for(condition: Any, cli: Cli) -> None:
    """Waits until it holds and the fake has been asked for permissions, ten seconds at most."""
    end = time.monotonic() + 10
    while time.monotonic() < end and not (condition() and cli.workspace.calls("PUT", "/api/2.0/permissions/*")):
        time.sleep(0.02)


# The faults of the stand-in itself


only_stand_in = pytest.mark.parametrize("databricks_command", ["stand-in"], indirect=True)


@only_stand_in
def test_the_stand_in_is_of_any_version(cli: Cli) -> None:
    assert cli("version", "-o", "json", LJM_FAKE_CLI_VERSION="0.200.1").json["Minor"] == 200


@only_stand_in
def test_the_stand_in_hangs(cli: Cli) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        cli.start("bundle", "plan", LJM_FAKE_CLI_HANG="plan").wait(1)
    assert cli.start("bundle", "summary", LJM_FAKE_CLI_HANG="plan").wait(20) == 0


@only_stand_in
def test_the_stand_in_prints_half_of_its_output(cli: Cli) -> None:
    done = cli("bundle", "plan", "-o", "json", LJM_FAKE_CLI_GARBAGE="plan")

    assert done.exit_code == 0
    with pytest.raises(json.JSONDecodeError):
        json.loads(done.stdout)


@only_stand_in
def test_the_stand_in_kills_itself_at_any_call_and_the_next_deployments_make_no_job_twice(cli: Cli) -> None:
    cli.write("resources/jobs/beta.yml", BETA)
    crashes = 0
    for number in range(1, 40):
        done = cli("bundle", "deploy", "--force-lock", LJM_FAKE_CLI_CRASH_AFTER=str(number))
        crashes += done.exit_code == -9
        if done.exit_code == 0:
            break

    cli.deploy("--force-lock")

    assert crashes > 5
    names = cli.workspace.jobs.names()
    assert set(names) == {"alpha", "beta"}
    assert len(names) <= 4  # the answer to a create that was not noted is lost, once for each job


# Jobs that a bundle takes over, and forgets


def other_key(cli: Cli) -> None:
    """Puts the job of `alpha` under another key."""
    text = (cli.folder / "resources/jobs/alpha.yml").read_text(encoding="utf-8")
    (cli.folder / "resources/jobs/alpha.yml").unlink()
    cli.write("resources/jobs/omega.yml", text.replace("alpha:", "omega:", 1))


def test_a_job_that_is_forgotten_is_created_anew_and_one_that_is_bound_is_not(cli: Cli) -> None:
    cli.deploy()
    job_id = str(cli.workspace.jobs.all()[0].job_id)

    forgotten = cli("bundle", "deployment", "unbind", "alpha")
    created = cli.plan().actions
    bound = cli("bundle", "deployment", "bind", "alpha", job_id, "--auto-approve")

    assert (forgotten.exit_code, forgotten.stdout) == (0, "")
    assert created == {"alpha": "create", "alpha.permissions": "create"}
    assert (bound.exit_code, bound.stdout) == (0, "")
    assert f"Successfully bound job with an id '{job_id}'" in bound.stderr
    assert cli.plan().actions == {"alpha": "skip", "alpha.permissions": "create"}


def test_a_job_may_be_bound_under_two_keys_and_the_plan_deletes_one(cli: Cli) -> None:
    cli.deploy()
    job_id = str(cli.workspace.jobs.all()[0].job_id)
    other_key(cli)

    assert cli("bundle", "deployment", "bind", "omega", job_id, "--auto-approve").exit_code == 0

    plan = cli.plan()
    assert plan.actions["alpha"] == "delete"
    jobs = [plan.json["plan"][f"resources.jobs.{key}"] for key in ("alpha", "omega")]
    assert [each["remote_state"]["job_id"] for each in jobs] == [int(job_id)] * 2


def test_what_is_not_in_the_configuration_cannot_be_forgotten(cli: Cli) -> None:
    cli.deploy()
    other_key(cli)

    done = cli("bundle", "deployment", "unbind", "alpha")

    assert done.exit_code == 1
    assert "no such resource: alpha" in done.stderr


def test_a_key_that_has_a_job_gets_no_other_and_a_job_that_is_not_there_is_not_bound(cli: Cli) -> None:
    cli.deploy()
    job_id = str(cli.workspace.jobs.all()[0].job_id)

    again = cli("bundle", "deployment", "bind", "alpha", job_id, "--auto-approve")
    assert cli("bundle", "deployment", "unbind", "alpha").exit_code == 0
    missing = cli("bundle", "deployment", "bind", "alpha", "12345", "--auto-approve")

    assert again.exit_code == 1
    assert "Resource already managed" in again.stderr
    assert missing.exit_code == 1
    assert "failed to fetch the resource, err: Job 12345 does not exist" in missing.stderr


@only_stand_in
def test_the_stand_in_fails_one_job(cli: Cli) -> None:
    cli.write("resources/jobs/beta.yml", BETA)

    done = cli("bundle", "deploy", LJM_FAKE_CLI_FAIL_JOB="alpha")

    assert done.exit_code == 1
    assert "Error: cannot create resources.jobs.alpha: The job is refused" in done.stderr
    assert cli.workspace.jobs.names() == ["beta"]


@only_stand_in
def test_the_stand_in_is_slow(cli: Cli) -> None:
    process = cli.start("bundle", "plan", LJM_FAKE_CLI_SLOW="5")

    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(2)


def test_the_environment_has_nothing_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DATABRICKS_CLUSTER_ID", "mine")
    monkeypatch.setenv("https_proxy", "http://proxy")

    environment = cli_environment("http://x", "t", tmp_path)

    assert "DATABRICKS_CLUSTER_ID" not in environment
    assert "https_proxy" not in environment
    assert environment["PATH"] == os.environ["PATH"]
