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
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli import cli_environment, install_stand_in
from cli.fixtures import real_command
from lakeflow_job_meta.config.load import load_project
from lakeflow_job_meta.deploy.databricks_cli.fingerprint import fingerprint
from lakeflow_job_meta.deploy.databricks_cli.output import CliDiagnostic, CliLocation, diagnostics_in
from lakeflow_job_meta.deploy.databricks_cli.source_map import SourceMap
from lakeflow_job_meta.deploy.policy import Allowance, refuse_violations
from lakeflow_job_meta.errors import OperationFailed, PolicyRefused
from lakeflow_job_meta.plan.model import BundlePlan, parse_plan
from lakeflow_job_meta.state.folder import read_record, state_folder, write_record
from lakeflow_job_meta.state.lock import deployment_lock
from lakeflow_job_meta.state.store import JOBS
from lakeflow_job_meta.state.tracking import DeployedJob, known_jobs, record_jobs
from lakeflow_job_meta.tables.local import LocalTable
from lakeflow_job_meta.tables.schema import RowChanges
from project_folder import ProjectFolder, Result, module
from workspace import FakeWorkspace

pytestmark = pytest.mark.skipif(os.name != "posix", reason="process groups and file locks are those of POSIX")

# The gate ---------------------------------------------------------------------------------------------------------


def plan_of(**jobs: str | dict) -> BundlePlan:
    """Returns a plan: the action of each job, or all that the CLI says of it."""
    entries = {key: {"action": said} if isinstance(said, str) else said for key, said in jobs.items()}
    return parse_plan(json.dumps({"plan": {f"resources.jobs.{key}": entry for key, entry in entries.items()}}))


def refusal(plan: BundlePlan, **allowed: object) -> str:
    with pytest.raises(PolicyRefused) as raised:
        refuse_violations(plan, Allowance(**allowed))
    assert str(raised.value).endswith("Nothing was changed in the workspace.")
    assert raised.value.exit_code == 3
    return str(raised.value)


EDITED = {"action": "update", "changes": {"max_retries": {"action": "update", "old": 1, "new": 1, "remote": 5}}}


class TestTheGate:
    @pytest.mark.parametrize(
        "plan",
        [
            plan_of(),
            plan_of(a="create", b="update", c="skip"),
            plan_of(a="skip", b={"action": "delete", "gone": True}),
            plan_of(a={"action": "update", "changes": {"x": {"action": "update", "old": 1, "new": 2, "remote": 1}}}),
            plan_of(a={"action": "skip", "changes": {"run_if": {"action": "skip", "remote": "ALL_SUCCESS"}}}),
            parse_plan('{"plan": {"resources.jobs.a.permissions": {"action": "delete"}}}'),
        ],
        ids=["nothing", "creations and updates", "gone already", "a change", "a default of Databricks", "permissions"],
    )
    def test_lets_pass_what_the_metadata_asks_for(self, plan):
        refuse_violations(plan, Allowance())

    def test_refuses_a_deletion_and_names_the_job_and_the_flag(self):
        text = refusal(plan_of(sales="delete", stock="skip"))

        assert text.startswith("This deployment would delete 1 job ('sales'); 0 allowed.")
        assert "--max-deletes 1" in text

    def test_refuses_more_deletions_than_allowed_and_names_the_number(self):
        plan = plan_of(a="delete", b="delete", c="delete", d="skip")

        assert "would delete 3 jobs ('a', 'b', 'c'); 2 allowed" in refusal(plan, deletions=2)
        assert "--max-deletes 3" in refusal(plan, deletions=2)
        refuse_violations(plan, Allowance(deletions=3))

    def test_refuses_to_leave_no_job_however_many_deletions_are_allowed(self):
        plan = plan_of(a="delete", b="delete")

        text = refusal(plan, deletions=100)

        assert "no job at all" in text
        assert "--allow-empty" in text
        assert "--max-deletes" not in text
        refuse_violations(plan, Allowance(deletions=2, emptying=True))

    def test_permission_to_empty_is_no_permission_to_delete(self):
        assert "--max-deletes 1" in refusal(plan_of(a="delete"), emptying=True)

    def test_refuses_to_overwrite_what_was_edited_and_lists_job_field_and_value(self):
        text = refusal(plan_of(a=EDITED))

        assert "1 setting changed in the workspace since the last deployment would be overwritten" in text
        assert "(a: max_retries is 5)" in text
        assert "--overwrite-drift" in text
        refuse_violations(plan_of(a=EDITED), Allowance(overwriting=True))

    def test_many_edits_are_counted_and_not_all_listed(self):
        text = refusal(plan_of(**{f"job_{number}": EDITED for number in range(30)}))

        assert "30 settings" in text
        assert "and 20 more" in text
        assert len(text) < 2_000

    def test_what_is_deleted_anyway_has_no_edits_to_keep(self):
        refuse_violations(plan_of(a={**EDITED, "action": "delete"}, b="skip"), Allowance(deletions=1))

    def test_refuses_to_make_a_job_again_whatever_is_allowed(self):
        text = refusal(plan_of(a="recreate"), deletions=9, emptying=True, overwriting=True)

        assert "delete and create again 'a'" in text
        assert "run history would be lost" in text

    def test_refuses_to_delete_what_is_no_job(self):
        plan = parse_plan('{"plan": {"resources.schemas.gold": {"action": "delete"}}}')

        assert "resources that are not jobs ('resources.schemas.gold')" in refusal(plan, deletions=9, emptying=True)

    def test_gives_all_reasons_at_once(self):
        text = refusal(plan_of(a="delete", b="recreate", c=EDITED))

        assert [word in text for word in ("--max-deletes 1", "create again 'b'", "--overwrite-drift")] == [True] * 3

    @given(
        st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(["skip", "create", "update", "delete"])),
        st.integers(0, 7),
        st.booleans(),
    )
    def test_never_lets_more_jobs_go_than_allowed(self, actions, deletions, emptying):
        doomed = [*actions.values()].count("delete")
        is_fine = doomed <= deletions and (emptying or doomed == 0 or doomed < len(actions))

        if is_fine:
            refuse_violations(plan_of(**actions), Allowance(deletions, emptying))
        else:
            refusal(plan_of(**actions), deletions=deletions, emptying=emptying)


# Whether there is anything to upload ------------------------------------------------------------------------------

file_names = st.text(st.sampled_from("abä "), min_size=1, max_size=3).filter(lambda name: name.strip() == name)
trees_of_files = st.dictionaries(file_names, st.binary(max_size=4), max_size=3)


def filled(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / f"{name}.txt").write_bytes(content)
    return folder


class TestTheFingerprint:
    @given(trees_of_files, trees_of_files)
    def test_differs_if_and_only_if_a_file_does(self, tmp_path_factory, one, other):
        folder = tmp_path_factory.mktemp("files")
        digests = [fingerprint(filled(folder / name, files)) for name, files in (("one", one), ("other", other))]

        assert (digests[0] == digests[1]) == (one == other)

    def test_content_cannot_be_taken_for_another_file(self, tmp_path):
        one = filled(tmp_path / "one", {"a": b"x\0b.txt\0y"})
        other = filled(tmp_path / "other", {"a": b"x", "b": b"y"})

        assert fingerprint(one) != fingerprint(other)

    def test_the_names_of_folders_count(self, project):
        before = fingerprint(project.path)
        project.write("notebooks/a.py", "1")
        first = fingerprint(project.path)
        (project.path / "notebooks").rename(project.path / "other")

        assert len({before, first, fingerprint(project.path)}) == 3

    @pytest.mark.parametrize(
        "name", [".databricks/state", ".lakeflow-job-meta/dev/x", ".git/HEAD", "__pycache__/a.pyc"]
    )
    def test_what_is_not_uploaded_does_not_count(self, project, name):
        before = fingerprint(project.path)
        project.write(name, "x")
        assert fingerprint(project.path) == before

    def test_a_link_that_leads_nowhere_and_a_pipe_are_left_out(self, project):
        (project.path / "link").symlink_to("nowhere")
        os.mkfifo(project.path / "pipe")

        assert fingerprint(project.path)


# The lock ---------------------------------------------------------------------------------------------------------


class TestTheLock:
    def test_says_who_holds_it_once_and_goes_on_when_it_is_free(self, tmp_path):
        told: list[str] = []
        with deployment_lock(tmp_path) as handle:
            copy = os.dup(handle)  # as a CLI that outlives us has it

        def sleep(seconds: float) -> None:
            if len(slept) == 3:
                os.close(copy)
            slept.append(seconds)

        slept: list[float] = []
        with deployment_lock(tmp_path, on_wait=told.append, sleep=sleep):
            pass

        assert len(slept) == 4
        (message,) = told
        assert re.fullmatch(
            rf"Waiting for the deployment of process {os.getpid()} on \S+, begun \d{{4}}-\d\d-\d\d .* UTC\.", message
        )

    def test_gives_up_after_its_time_and_says_what_to_do(self, tmp_path):
        slept: list[float] = []
        with (
            deployment_lock(tmp_path),
            pytest.raises(
                OperationFailed, match=rf"process {os.getpid()} on .* for more than 60 seconds\. Wait for its end"
            ),
            deployment_lock(tmp_path, wait_seconds=60, sleep=slept.append),
        ):
            pass

        assert sum(slept) == 60

    def test_is_free_after_an_error_and_whatever_the_file_says(self, tmp_path):
        (tmp_path / "lock").write_bytes(b"\xff" * 10_000)
        with pytest.raises(RuntimeError), deployment_lock(tmp_path):
            raise RuntimeError

        with deployment_lock(tmp_path, wait_seconds=0):
            assert (tmp_path / "lock").read_text().startswith(f"the deployment of process {os.getpid()} on ")

    def test_a_file_that_cannot_be_opened_is_one_sentence(self, tmp_path):
        (tmp_path / "lock").mkdir()

        with pytest.raises(OperationFailed, match="lock"), deployment_lock(tmp_path):
            pass


# Records ----------------------------------------------------------------------------------------------------------


class TestRecords:
    def test_are_written_whole(self, tmp_path):
        path = tmp_path / "jobs.json"
        write_record(path, {"a": "ä"})

        assert read_record(path) == {"a": "ä"}
        assert [each.name for each in tmp_path.iterdir()] == ["jobs.json"]

    def test_a_crash_while_writing_leaves_the_old_one(self, tmp_path):
        path = tmp_path / "jobs.json"
        write_record(path, {"old": 1})

        with pytest.raises(TypeError):
            write_record(path, {"new": object()})

        assert read_record(path) == {"old": 1}

    @pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'"x"'])
    def test_a_damaged_one_says_nothing(self, tmp_path, content):
        (tmp_path / "jobs.json").write_bytes(content)
        assert read_record(tmp_path / "jobs.json") == {}

    def test_a_disk_that_refuses_is_one_sentence(self, tmp_path):
        (tmp_path / "jobs.json").mkdir()
        with pytest.raises(OperationFailed, match=r"jobs\.json' cannot be written: "):
            write_record(tmp_path / "jobs.json", {})

    def test_a_job_keeps_when_it_was_made_and_is_updated_only_when_it_differs(self, tmp_path):
        records = LocalTable(tmp_path, JOBS)
        made, long_ago = datetime(2000, 1, 1, tzinfo=timezone.utc), datetime(2001, 1, 1, tzinfo=timezone.utc)
        job = DeployedJob("sales", "1", "sales", "https://x/1")
        (first,) = record_jobs(records, "dev", [job], {"sales": "Sales"}, metadata_version="t@1")
        old = {**first.as_row(), "created_timestamp": made, "updated_timestamp": long_ago}
        records.write(RowChanges([old]))

        (same,) = record_jobs(records, "dev", [job], {"sales": "Sales"}, metadata_version="t@2")
        (sent,) = record_jobs(records, "dev", [job], {"sales": "Sales"}, {"sales"}, "t@3")
        (renamed,) = record_jobs(records, "dev", [DeployedJob("sales", "1", "new", "u")], {"sales": "Sales"})
        (other,) = record_jobs(records, "dev", [DeployedJob("sales", "2", "new", "u")], {"sales": "Sales"})

        assert same.as_row() == old
        assert (sent.created_timestamp, sent.metadata_version) == (made, "t@3")
        assert (renamed.created_timestamp, renamed.job_name) == (made, "new")
        assert renamed.updated_timestamp > long_ago
        assert other.created_timestamp > long_ago
        assert [row["job_id"] for row in records.rows()] == [2]

    def test_a_target_keeps_its_jobs_when_another_one_is_recorded(self, tmp_path):
        records = LocalTable(tmp_path, JOBS)
        record_jobs(records, "dev", [DeployedJob("sales", "1", "sales", "u")], {})

        record_jobs(records, "prod", [DeployedJob("sales", "2", "sales", "u")], {})
        record_jobs(records, "prod", [], {})

        assert [(job.key, job.job_id) for job in known_jobs(records, "dev")] == [("sales", "1")]
        assert known_jobs(records, "prod") == ()

    @pytest.mark.parametrize("target", [None, "dev", "a b", "a/b", "ä", ".", ".."])
    def test_are_in_a_folder_of_the_project_that_git_ignores(self, project, target):
        folder = state_folder(load_project(project.path), target)

        root = project.path / ".lakeflow-job-meta"
        assert folder.resolve().parent == root
        assert (root / ".gitignore").read_text() == "*\n"


def vars_of(job) -> dict:
    return {name: getattr(job, name) for name in job.__slots__}


# Places -----------------------------------------------------------------------------------------------------------

TWO = """\
modules:
  - module_name: sales
    job_config:
      max_concurrent_runs: 2
    sources:
      - source_id: orders
        execution_order: 1
        transformation_config:
          notebook_path: /Workspace/orders
          max_retries: 3
      - source_id: report
        execution_order: 2
        transformation_config:
          notebook_path: /Workspace/report
          base_parameters: {day: monday}
"""


class TestPlaces:
    @pytest.fixture
    def places(self, project: ProjectFolder) -> SourceMap:
        project.write("metadata/sales.yml", TWO)
        project.ljm("generate")
        return SourceMap(load_project(project.path), project.compile())

    @pytest.fixture
    def place_of(self, project: ProjectFolder, places: SourceMap) -> Callable[[str], str | None]:
        """Returns the metadata place of a text in the generated file."""

        def find(text: str) -> str | None:
            content = project.read("resources/jobs/sales.yml")
            assert content.count(text) == 1, content
            before = content[: content.index(text)]
            line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
            return places.of_location(CliLocation("resources/jobs/sales.yml", line, column))

        return find

    @pytest.mark.parametrize(
        ("generated", "place"),
        [
            ("max_concurrent_runs", "metadata/sales.yml:4:7"),
            ("max_retries", "metadata/sales.yml:10:11"),
            ('"/Workspace/report"', "metadata/sales.yml:14:11"),
            ("day:", "metadata/sales.yml:15:29"),
        ],
    )
    def test_a_setting_is_told_where_it_was_written(self, place_of, generated, place):
        found = place_of(generated)

        assert found is not None
        assert found.split(":")[:2] == place.split(":")[:2]

    @pytest.mark.parametrize("line", [0, 1, 2, 3, 4, 999])
    def test_any_line_of_a_generated_file_has_a_place_in_its_module(self, places, line):
        found = places.of_location(CliLocation("resources/jobs/sales.yml", line, 1))

        assert found is not None
        assert found.startswith("metadata/sales.yml:")

    @pytest.mark.parametrize("path", ["databricks.yml", "resources/jobs/other.yml", "jobs/sales.yml", "../x.yml"])
    def test_other_files_have_none(self, places, path):
        assert places.of_location(CliLocation(path, 1, 1)) is None

    def test_a_message_is_told_at_the_place_in_the_metadata(self, places):
        (said,) = diagnostics_in(
            "Warning: unknown field: x\n  at resources.jobs.sales\n  in resources/jobs/sales.yml:4:7\n"
        )

        told = places.tell(said)

        assert re.fullmatch(r"metadata/sales\.yml:\d+:\d+: warning: unknown field: x \[databricks\]", told)

    def test_a_message_about_a_file_of_the_user_s_own_keeps_its_place(self, places):
        said = CliDiagnostic("Error", "no", (), (CliLocation("databricks.yml", 3, 1),))

        assert places.tell(said) == "databricks.yml:3:1: error: no [databricks]"

    @pytest.mark.parametrize("name", ["resources.jobs.sales", "resources.jobs.sales.tasks[0].x"])
    def test_a_message_without_a_place_is_told_at_the_module(self, places, name):
        assert places.tell(CliDiagnostic("Error", "no", (name,), ())).startswith("metadata/sales.yml:2:")

    def test_a_message_about_something_else_names_it(self, places):
        assert places.tell(CliDiagnostic("Error", "no", ("permissions",), ())) == "permissions: error: no [databricks]"
        assert places.tell(CliDiagnostic("Error", "no", (), ())) == "databricks: error: no [databricks]"


# Whole deployments ------------------------------------------------------------------------------------------------

SECONDS = 60


class World:
    """A project, a workspace, and a databricks CLI between them that a test may disturb."""

    def __init__(self, project: ProjectFolder, workspace: FakeWorkspace, command: str, folder: Path) -> None:
        self.project = project
        self.workspace = workspace
        self.command = command
        self.environment = cli_environment(workspace.url, workspace.token, folder)
        self._program = folder / "databricks"
        self._calls = folder / "calls"
        self.disturb("")

    def disturb(self, body: str) -> None:
        """Runs shell commands before the CLI; `$2` is the bundle's command, `$CLI` the program."""
        self._calls.write_text("")
        cli = shlex.quote(self.command)
        self._program.write_text(
            f'#!/bin/sh\nCLI={cli}\necho "$*" >> {shlex.quote(str(self._calls))}\n{body}\nexec {cli} "$@"\n'
        )
        self._program.chmod(0o755)

    @property
    def calls(self) -> list[str]:
        """The bundle's commands that were run since `disturb`, such as `plan`."""
        lines = self._calls.read_text().splitlines()
        return [line.split()[1] for line in lines if line.startswith("bundle ")]

    def environment_of(self, **more: str) -> dict[str, str]:
        return {**self.environment, "DATABRICKS_CLI": str(self._program), **more}

    def deploy(self, *arguments: str, **environment: str) -> Result:
        done = subprocess.run(
            [sys.executable, "-m", "lakeflow_job_meta", "deploy", "-t", "dev", *arguments],
            cwd=self.project.path,
            env=self.environment_of(**environment),
            capture_output=True,
            encoding="utf-8",
            timeout=SECONDS,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Result(done.returncode, done.stdout, done.stderr)

    def deploy_well(self, *arguments: str) -> Result:
        result = self.deploy(*arguments)
        assert result.exit_code == 0, result.stderr
        return result

    def module(self, name: str, **values: object) -> None:
        self.project.write(f"metadata/{name}.yml", module(name, **values))

    def remove(self, name: str) -> None:
        (self.project.path / "metadata" / f"{name}.yml").unlink()

    def job_id(self, name: str) -> int:
        return self.workspace.jobs.by_name(name).job_id

    def record(self) -> dict:
        rows = LocalTable(self.project.path / ".lakeflow-job-meta" / "dev", JOBS).rows()
        return {row["bundle_key"]: row for row in rows}

    @property
    def changes(self) -> Counter[str]:
        return self.workspace.jobs.changes

    def forget(self) -> None:
        """Counts writes from here."""
        self.workspace.jobs.writes.clear()
        self.workspace.requests.clear()


@pytest.fixture(params=["stand-in", pytest.param("real", marks=pytest.mark.real_cli)])
def world(request: pytest.FixtureRequest, tmp_path: Path, project: ProjectFolder) -> Iterator[World]:
    real = request.param == "real"
    command = str(real_command()) if real else str(install_stand_in(tmp_path / "bin"))
    with FakeWorkspace(tmp_path / "workspace") as workspace:
        yield World(project, workspace, command, tmp_path / "cli")


@pytest.fixture
def deployed(world: World) -> World:
    """The jobs `one`, `two` and `three`, deployed."""
    for name in ("one", "two", "three"):
        world.module(name)
    world.deploy_well()
    world.forget()
    return world


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

        second = world.deploy_well()

        assert second.stdout == first.stdout
        assert "Nothing to deploy" in second.stderr
        assert world.changes == {}
        assert "deploy" not in world.calls[-3:]
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

        assert [set(each) for each in listed] == [{"module", "job_id", "name", "url"}] * 3
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

    def test_the_record_of_the_last_job_goes_with_it(self, deployed):
        for name in ("one", "two", "three"):
            deployed.remove(name)

        deployed.deploy_well("--max-deletes", "3", "--allow-empty")

        assert deployed.changes == {"delete": 3}
        assert deployed.record() == {}


class TestHandEdits:
    def test_one_is_refused_with_its_value_until_it_may_be_overwritten(self, deployed):
        deployed.workspace.jobs.edit(deployed.job_id("two"), max_concurrent_runs=7)

        refused = deployed.deploy()

        assert refused.exit_code == 3
        assert "two: max_concurrent_runs is 7" in refused.stderr
        assert "--overwrite-drift" in refused.stderr
        assert deployed.changes == {}
        assert deployed.deploy("--overwrite-drift").exit_code == 0
        assert deployed.changes == {"reset": 1}
        assert deployed.workspace.jobs.by_name("two").settings.get("max_concurrent_runs", 1) == 1

    def test_one_that_was_taken_into_the_metadata_is_none(self, deployed):
        deployed.workspace.jobs.edit(deployed.job_id("two"), max_concurrent_runs=7)
        text = module("two").replace("    sources:", "    job_config: {max_concurrent_runs: 7}\n    sources:")
        deployed.project.write("metadata/two.yml", text)

        deployed.deploy_well()

        assert deployed.workspace.jobs.by_name("two").settings["max_concurrent_runs"] == 7

    def test_what_databricks_filled_in_is_none_when_a_task_becomes_another_one_or_goes(self, deployed):
        deployed.project.write("metadata/two.yml", TWO_TASKS)
        deployed.deploy_well()

        text = TWO_TASKS.replace("notebook_path: /Workspace/a", "run_job_task: {module_name: one}")
        deployed.project.write("metadata/two.yml", text.split("      - source_id: last")[0])
        deployed.deploy_well()

        (task,) = deployed.workspace.jobs.by_name("two").settings["tasks"]
        assert task["run_job_task"] == {"job_id": deployed.job_id("one")}

    def test_one_in_a_task_that_goes_is_refused_too(self, deployed):
        deployed.project.write("metadata/two.yml", TWO_TASKS)
        deployed.deploy_well()
        deployed.workspace.jobs.edit_task(
            deployed.job_id("two"), "last", notebook_task={"notebook_path": "/Workspace/by_hand"}
        )

        deployed.project.write("metadata/two.yml", TWO_TASKS.split("      - source_id: last")[0])

        assert deployed.deploy().exit_code == 3


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
    def test_stops_after_the_gate(self, deployed):
        deployed.module("four")

        result = deployed.deploy_well("--dry-run")

        assert "The plan passed: 1 job created or changed" in result.stderr
        assert result.stdout == ""
        assert deployed.changes == {}
        assert "four" not in deployed.record()

    def test_is_refused_as_the_deployment_would_be(self, deployed):
        deployed.remove("two")
        assert deployed.deploy("--dry-run").exit_code == 3


class TestRun:
    @pytest.mark.parametrize(("which", "names"), [("changed", ["two"]), ("all", ["one", "three", "two"])])
    def test_starts_the_jobs_that_were_asked_for(self, deployed, which, names):
        deployed.module("two", notebook="/Workspace/new")

        deployed.deploy_well("--run", which)

        started = [run.job_id for run in deployed.workspace.jobs.runs]
        assert sorted(started) == sorted(deployed.job_id(name) for name in names)

    def test_nothing_changed_starts_nothing(self, deployed):
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

    def test_stop_everything(self, deployed):
        self.break_two(deployed)
        deployed.module("one", notebook="/Workspace/new")
        deployed.disturb("")

        result = deployed.deploy()

        assert result.exit_code == 1
        assert "--keep-going" in result.stderr
        assert (deployed.changes, deployed.calls) == ({}, [])

    def test_keep_their_job_while_the_others_go_on_if_asked(self, deployed):
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

        assert deployed.calls == ["validate", "plan", "deploy", "plan", "deploy", "summary"]
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
    @pytest.mark.parametrize("command", ["validate", "plan", "deploy", "summary"])
    def test_one_that_hangs_is_ended_in_time_and_the_next_run_converges(self, world, command):
        world.module("one")
        world.disturb(f'[ "$2" = {command} ] && exec sleep 600')

        result = world.deploy("--timeout", "5")

        assert result.exit_code == 1
        assert f"`databricks bundle {command}` did not end within 5 seconds" in result.stderr
        world.disturb("")
        world.deploy_well()
        assert world.workspace.jobs.names() == ["one"]

    @pytest.mark.parametrize("said", ["", "{", "[]", "null", '{"resources": null}', '{"resources": {"jobs": null}}'])
    @pytest.mark.parametrize("command", ["plan", "summary"])
    def test_one_that_prints_something_else_is_told_in_a_sentence(self, world, command, said):
        world.module("one")
        world.disturb(f'[ "$2" = {command} ] && {{ echo {shlex.quote(said)}; exit 0; }}')

        result = world.deploy()

        assert result.exit_code == (0 if command == "summary" and said.startswith('{"') else 1)
        assert world.changes == ({} if command == "plan" else {"create": 1})
        world.disturb("")
        world.deploy_well()
        assert (world.changes, set(world.record())) == ({"create": 1}, {"one"})

    @pytest.mark.parametrize("command", ["validate", "plan", "deploy", "summary"])
    def test_one_that_is_killed_leaves_nothing_that_the_next_run_does_not_mend(self, world, command):
        world.module("one")
        world.disturb(f'[ "$2" = {command} ] && kill -9 $$')

        assert world.deploy().exit_code == 1
        world.disturb("")
        world.deploy_well()
        assert world.changes == {"create": 1}

    def test_a_network_that_fails_after_the_work_makes_no_second_job(self, world):
        world.module("one")
        world.disturb('if [ "$2" = deploy ]; then "$CLI" "$@"; echo "Error: EOF" >&2; exit 1; fi')

        result = world.deploy()

        assert result.exit_code == 1
        assert "cannot be reached" in result.stderr
        world.disturb("")
        world.deploy_well()
        assert world.changes == {"create": 1}

    def test_what_it_finds_wrong_is_told_at_the_place_in_the_metadata(self, world):
        world.project.write("notebook.py", "print('without the header of a notebook')\n")
        world.module("one", notebook="notebook.py")

        result = world.deploy()

        assert result.exit_code == 1
        assert re.search(r"^metadata/one\.yml:\d+:\d+: error: .*\[[a-z-]+\]$", result.stderr, flags=re.MULTILINE)
        assert world.changes == {}

    def test_a_missing_one_changes_not_even_the_files(self, world):
        world.module("one")
        before = world.project.everything()

        result = world.deploy(DATABRICKS_CLI="", PATH=os.devnull)

        assert (result.exit_code, result.stdout) == (2, "")
        assert "not installed" in result.stderr
        assert world.project.everything() == before

    def test_one_that_is_too_old_is_refused(self, world):
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

    @pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
    def test_being_stopped_in_the_middle_ends_quietly_and_the_next_run_converges(self, world, tmp_path, sent):
        world.module("one")
        reached = tmp_path / "reached"
        world.disturb(f'[ "$2" = deploy ] && {{ touch "{reached}"; exec sleep 600; }}')
        process = subprocess.Popen(
            [sys.executable, "-m", "lakeflow_job_meta", "deploy", "-t", "dev"],
            cwd=world.project.path,
            env=world.environment_of(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
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
