"""What holds through the Jobs API whatever the workspace, the network or a second deployment does.

No job is created twice, nobody's edit is overwritten, two projects never share a job, and every answer is understood or
leads to a sentence.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.workspace import FakeWorkspace, Fault, FaultKind, SleeplessClock
from lakeflow_job_meta.deployment.backend import StalePlan
from lakeflow_job_meta.deployment.jobs_api.client import JobsClient
from lakeflow_job_meta.deployment.jobs_api.diff import digest_of, field_changes
from lakeflow_job_meta.deployment.jobs_api.lease import LEASE_SECONDS, Lease
from lakeflow_job_meta.deployment.policy import Allowance, policy_violations, resources_of
from lakeflow_job_meta.errors import OperationFailed, PolicyRefused
from support.connections import connect
from support.examples import examples
from support.jobs_api_site import FOLDER, SCOPE, Site
from support.project_folder import ProjectFolder
from support.slow import few, one_in
from support.tables import row, write_table

pytest_plugins = ["support.workspace_fixtures", "support.jobs_api_fixtures"]

CREATE, RESET, DELETE = (f"/api/2.2/jobs/{what}" for what in ("create", "reset", "delete"))
SETTINGS = st.dictionaries(st.sampled_from("abc"), st.integers(0, 2))
LOST = [
    FaultKind.UNAVAILABLE_AFTER_WORK,
    FaultKind.CONNECTION_RESET_AFTER_WORK,
    FaultKind.TRUNCATED_BODY,
    FaultKind.CONNECTION_RESET,
    FaultKind.UNAVAILABLE,
    FaultKind.BAD_GATEWAY,
    FaultKind.INTERNAL_ERROR,
]


class TestAWriteWhoseAnswerIsLost:
    @pytest.mark.parametrize("kind", few(LOST[:3], LOST[3:]))
    def test_creates_one_job(self, site, kind):
        site.module("sales")
        site.workspace.faults.add(Fault("POST", CREATE, kind))

        assert site.deploy() == []

        assert site.workspace.jobs.names() == ["sales"]
        assert site.plan().changes_nothing()

    def test_is_not_sent_again_before_a_look_at_the_workspace(self, site):
        site.module("sales")
        site.workspace.faults.add(Fault("POST", CREATE, FaultKind.CONNECTION_RESET, times=2))

        assert site.deploy() == []

        sent = [call.path for call in site.workspace.requests if call.path in (CREATE, "/api/2.2/jobs/list")]
        after = sent[sent.index(CREATE) :]
        assert after[:5] == [CREATE, "/api/2.2/jobs/list", CREATE, "/api/2.2/jobs/list", CREATE]

    def test_that_arrives_after_the_second_one_leaves_one_job_and_says_so(self, site):
        site.module("sales")
        site.module("runs", "run_job_task: {module_name: sales}")
        site.workspace.faults.add(
            Fault("POST", CREATE, FaultKind.CONNECTION_RESET_BEFORE_WORK, body_contains='"sales"')
        )
        lines: list[str] = []

        assert site.deploy(on_progress=lines.append) == []

        assert site.workspace.jobs.names() == ["runs", "sales"]
        assert any("has created two jobs" in line and "was removed" in line for line in lines)
        (task,) = site.workspace.jobs.by_name("runs").settings["tasks"]
        assert task["run_job_task"] == {"job_id": site.id_of("sales")}
        assert site.plan().changes_nothing()

    def test_that_arrives_only_in_the_next_deployment_leaves_one_job(self, site):
        site.module("sales")
        site.workspace.faults.add(Fault("POST", CREATE, FaultKind.CONNECTION_RESET_BEFORE_WORK))
        site.workspace.faults.add(Fault("POST", CREATE, FaultKind.FORBIDDEN))
        assert len(site.deploy()) == 1

        assert site.deploy() == []
        assert site.workspace.jobs.names() == ["sales"]
        assert site.plan().changes_nothing()

    @pytest.mark.parametrize("kind", few(LOST[:3], LOST[3:]))
    def test_resets_a_job_to_what_the_metadata_says(self, two_jobs, kind):
        two_jobs.module("sales", "notebook_path: /Workspace/b")
        two_jobs.workspace.faults.add(Fault("POST", RESET, kind))

        assert two_jobs.deploy() == []
        assert two_jobs.plan().changes_nothing()

    def test_does_not_overwrite_what_somebody_did_in_the_meantime(self, two_jobs, clock, monkeypatch):
        two_jobs.module("sales", "notebook_path: /Workspace/b")
        two_jobs.workspace.faults.add(Fault("POST", RESET, FaultKind.CONNECTION_RESET))
        job_id = two_jobs.id_of("sales")
        monkeypatch.setattr(clock, "sleep", lambda seconds: two_jobs.workspace.jobs.edit(job_id, timeout_seconds=7))

        (problem,) = two_jobs.deploy()

        assert "was changed in the workspace while this deployment ran" in problem
        assert two_jobs.workspace.jobs.by_name("sales").settings["timeout_seconds"] == 7

    @pytest.mark.parametrize("kind", few(LOST[:3], LOST[3:]))
    def test_deletes_a_job(self, two_jobs, kind):
        two_jobs.remove("stock")
        two_jobs.workspace.faults.add(Fault("POST", DELETE, kind))

        assert two_jobs.deploy(deletions=1) == []
        assert two_jobs.workspace.jobs.names() == ["sales"]

    @pytest.mark.parametrize("kind", [FaultKind.CONNECTION_RESET, FaultKind.TOO_MANY_REQUESTS])
    def test_uploads_a_file(self, site, kind):
        site.module("sales", "sql_task: {warehouse_id: abc, sql_query: SELECT 1}")
        site.workspace.faults.add(Fault("POST", "/api/2.0/workspace/import", kind, body_contains="resources/sql"))

        assert site.deploy() == []
        assert len(site.uploads()) == 1


class TestAListWithoutJobsThatAreThere:
    @pytest.mark.parametrize("answer", few([b"{}", b'{"jobs": []}'], [b'{"jobs": null}', b"null", b""]))
    def test_creates_no_job_a_second_time(self, two_jobs, answer):
        two_jobs.workspace.faults.add(Fault("GET", "*/jobs/list", FaultKind.ANSWERED, times=100, answer=answer))

        assert two_jobs.deploy() == []
        assert two_jobs.changes() == {}
        assert set(two_jobs.known) == {"sales", "stock"}

    def test_loses_no_job_of_the_record_that_waits_for_its_deletion(self, two_jobs):
        two_jobs.remove("stock")
        two_jobs.workspace.faults.add(Fault("GET", "*/jobs/list", FaultKind.ANSWERED, times=100, answer=b"{}"))

        assert two_jobs.actions() == {"sales": "skip", "stock": "delete"}

    @pytest.mark.parametrize("answer", few([b"<html>", b'{"jobs": 1}'], [b"[]", b"[1]", b'"x"', b'{"jobs": [1]}']))
    def test_of_another_form_stops_the_deployment_with_a_sentence(self, two_jobs, answer):
        two_jobs.workspace.faults.add(Fault("GET", "*/jobs/list", FaultKind.ANSWERED, times=100, answer=answer))

        with pytest.raises(OperationFailed, match="answers something that is not understood"):
            two_jobs.deploy()
        assert two_jobs.changes() == {}


class TestAnAnswerOfAnotherForm:
    @pytest.mark.parametrize(
        "job",
        one_in(
            3,
            [
                {},
                {"job_id": None},
                {"job_id": "x"},
                {"job_id": 1, "settings": []},
                {"job_id": 1, "settings": {"tags": [1]}},
                {"job_id": 1.5},
            ],
        ),
    )
    def test_about_a_job_is_a_sentence(self, two_jobs, job):
        answer = json.dumps({"jobs": [job]}).encode()
        two_jobs.workspace.faults.add(Fault("GET", "*/jobs/list", FaultKind.ANSWERED, answer=answer))

        with pytest.raises(OperationFailed, match="not understood"):
            two_jobs.plan()

    @pytest.mark.parametrize("path", few(["*/Me", "*/jobs/get"], ["*/workspace/list", "*/mkdirs", "*/import"]))
    @pytest.mark.parametrize(
        "answer", few([b'{"userName": [1], "objects": 1, "settings": 1}'], [b"<html>", b"[1]", b"1"])
    )
    def test_to_any_request_is_a_sentence_and_no_job_is_created_twice(self, two_jobs, path, answer):
        two_jobs.module("shops", "sql_task: {warehouse_id: abc, sql_query: SELECT 1}")
        two_jobs.workspace.faults.add(Fault("*", path, FaultKind.ANSWERED, times=100, answer=answer))

        with suppress(OperationFailed, StalePlan):
            two_jobs.deploy()
        two_jobs.workspace.faults.clear()
        assert two_jobs.deploy() == []
        assert two_jobs.workspace.jobs.names() == ["sales", "shops", "stock"]

    @pytest.mark.parametrize("answer", [b"<html>", b"[1]", b"{}", b'{"job_id": []}'])
    def test_to_a_creation_leaves_one_job(self, site, answer):
        site.module("sales")
        site.workspace.faults.add(Fault("POST", CREATE, FaultKind.ANSWERED, times=100, answer=answer))

        assert site.deploy() == []
        assert site.workspace.jobs.names() == ["sales"]

    def test_with_pages_that_come_again_ends(self, two_jobs):
        answer = b'{"jobs": [], "next_page_token": "again"}'
        two_jobs.workspace.faults.add(Fault("GET", "*/jobs/*", FaultKind.ANSWERED, times=9999, answer=answer))

        with pytest.raises(OperationFailed, match="the pages do not end"):
            two_jobs.plan()

    def test_with_ever_new_pages_ends(self, connection, monkeypatch):
        pages = ({"next_page_token": str(number)} for number in range(10**9))
        monkeypatch.setattr(connection.client().api_client, "do", lambda *args, **query: next(pages))

        with pytest.raises(OperationFailed, match="the pages do not end"):
            list(JobsClient(connection).all_jobs())


class TestTwoDeploymentsAtOnce:
    def lease(self, site: Site, **arguments: object) -> Lease:
        return Lease(JobsClient(site.connection), f"{FOLDER}/lease", **arguments)

    def written_by(self, site: Site, **values: object) -> None:
        """A lease that another machine holds."""
        held = {"nonce": "n", "holder": "Process 7 on elsewhere", "machine": "m", "process": 7, "expires": 2e9}
        site.workspace.tree.write(f"{FOLDER}/lease/3.json", json.dumps({**held, **values}).encode())

    def test_the_second_one_is_refused_with_who_deploys_and_the_way_out(self, two_jobs):
        two_jobs.module("shops")
        expires = time.time() + LEASE_SECONDS
        self.written_by(two_jobs, expires=expires)

        with pytest.raises(OperationFailed) as refused:
            two_jobs.deploy()

        assert str(refused.value).startswith("Process 7 on elsewhere deploys this project at the moment; nothing")
        assert f"or delete {FOLDER}/lease/3.json" in str(refused.value)
        assert two_jobs.changes() == {}

    @pytest.mark.parametrize("values", [{"has_ended": True}, {"expires": 1}, {"expires": "x"}, {"expires": 1e300}])
    def test_a_lease_that_has_ended_or_says_nothing_sensible_is_followed_by_the_next(self, two_jobs, values):
        two_jobs.module("shops")
        self.written_by(two_jobs, **values)

        assert two_jobs.deploy() == []
        assert self.numbers(two_jobs) == ["4.json"]

    def numbers(self, site: Site) -> list[str]:
        return [path.rsplit("/", 1)[1] for path in site.workspace.tree.paths(f"{FOLDER}/lease")]

    @pytest.mark.parametrize("content", [b"{", b"[" * 100_000, b"\xff", b"null"], ids=["cut", "deep", "bytes", "null"])
    def test_a_damaged_lease_is_followed_by_the_next(self, two_jobs, content):
        two_jobs.module("shops")
        two_jobs.workspace.tree.write(f"{FOLDER}/lease/3.json", content)

        assert two_jobs.deploy() == []

    def test_of_two_that_take_over_at_once_one_has_the_lease(self, two_jobs):
        self.written_by(two_jobs, expires=1)
        first, second = self.lease(two_jobs), self.lease(two_jobs)
        seen_before = second._numbers()
        first.take()
        second._numbers = lambda: seen_before

        with pytest.raises(OperationFailed, match="deploys this project at the moment"):
            second.take()

    @pytest.mark.slow
    def test_a_lease_of_a_process_that_died_on_this_machine_is_taken_over_at_once(self, two_jobs):
        program = (
            "import os, sys; from pathlib import Path; from fakes.workspace import *; "
            "from lakeflow_job_meta.deployment.jobs_api.client import JobsClient; "
            "from lakeflow_job_meta.deployment.jobs_api.lease import Lease; "
            "from lakeflow_job_meta.workspace.client import Workspace; "
            f"Lease(JobsClient(Workspace()), {FOLDER + '/lease'!r}).take(); os._exit(9)"
        )
        environment = {
            **os.environ,
            "DATABRICKS_HOST": two_jobs.workspace.url,
            "DATABRICKS_TOKEN": two_jobs.workspace.token,
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }
        assert subprocess.run([sys.executable, "-c", program], env=environment, check=False).returncode == 9
        two_jobs.module("shops")

        assert two_jobs.deploy() == []

    def test_a_lease_whose_end_could_not_be_said_does_not_hold_up_its_own_process(self, two_jobs):
        two_jobs.module("shops")
        two_jobs.workspace.faults.add(
            Fault("POST", "*/import", FaultKind.FORBIDDEN, times=99, body_contains='has_ended": true')
        )
        (problem,) = two_jobs.deploy()
        assert "could not be ended" in problem
        two_jobs.workspace.faults.clear()
        two_jobs.module("more")

        assert two_jobs.deploy() == []

    def test_a_deployment_that_stood_still_too_long_writes_nothing_more(self, two_jobs):
        moments = [1000.0]
        lease = self.lease(two_jobs, clock=lambda: moments[-1])
        lease.take()
        moments.append(5000.0)
        self.written_by(two_jobs)

        with pytest.raises(OperationFailed, match="another one took its place"):
            lease.renew()

    def test_a_lease_is_renewed_while_its_deployment_goes_on(self, two_jobs):
        moments = [1000.0]
        lease = self.lease(two_jobs, clock=lambda: moments[-1])
        lease.take()
        moments.append(1000.0 + LEASE_SECONDS - 1)
        lease.renew()

        (path,) = two_jobs.workspace.tree.paths(f"{FOLDER}/lease")
        assert json.loads(two_jobs.workspace.tree.read(path))["expires"] == moments[-1] + LEASE_SECONDS

    def test_a_creation_lease_whose_answer_is_lost_is_held(self, two_jobs):
        two_jobs.module("shops")
        two_jobs.workspace.faults.add(
            Fault("POST", "*/import", FaultKind.CONNECTION_RESET_AFTER_WORK, body_contains="/lease/")
        )

        assert two_jobs.deploy() == []

    def test_a_plan_and_a_deployment_without_changes_take_no_lease(self, two_jobs):
        two_jobs.workspace.tree.writes.clear()
        deployer = two_jobs.deployer()

        assert deployer.is_deployed(deployer.plan())
        assert two_jobs.workspace.tree.writes == []


class TestTwoProjects:
    def other(self, site: Site, name: str, **files: str) -> Site:
        folder = ProjectFolder(site.project.path.parent / name / "project")
        return Site(folder, site.workspace, site.connection)

    def test_of_one_folder_name_have_jobs_of_their_own(self, two_jobs):
        other = self.other(two_jobs, "elsewhere")
        other.project.write("databricks.yml", "bundle: {name: other}\ntargets: {dev: {}}\n")
        other.module("sales", "notebook_path: /Workspace/theirs")

        assert other.actions() == {"sales": "create"}
        assert other.deploy() == []
        assert other.plan().changes_nothing()
        assert two_jobs.plan().changes_nothing()

    def test_without_a_name_neither_overwrite_nor_delete_each_others_jobs(self, site):
        other = self.other(site, "elsewhere")
        for each in (site, other):
            (each.project.path / "databricks.yml").unlink()
        site.module("sales")
        site.module("stock")
        assert site.deploy() == []
        other.module("sales", "notebook_path: /Workspace/theirs")

        (problem,) = other.deploy(deletions=9)

        assert "it may be somebody else's" in problem
        assert "bundle.name in databricks.yml" in problem
        assert site.plan().changes_nothing()

    @pytest.mark.parametrize("table", ["data/etl_control"])
    def test_that_write_their_tables_alike_have_jobs_of_their_own(self, site, table):
        other = self.other(site, "elsewhere")
        for each, path in ((site, "/Workspace/a"), (other, "/Workspace/theirs")):
            (each.project.path / "databricks.yml").unlink()
            each.project.write("job_meta.yml", f"metadata: [{{delta: {table}}}]\n")
            write_table(each.project.path / "data/etl_control", [row(transformation_config={"notebook_path": path})])

        assert site.deploy() == []
        assert other.actions() == {"sales": "create"}
        assert other.deploy() == []
        assert site.plan().changes_nothing()
        assert other.plan().changes_nothing()


OLD = {"lakeflow_job_meta_key": "sales", "lakeflow_job_meta_scope": "project:dev"}


class TestJobsWithTagsOfAnOlderRelease:
    def as_of_old(self, site: Site) -> None:
        """Makes the job of `sales` what the last release would have left."""
        job = site.workspace.jobs.by_name("sales")
        site.workspace.jobs.edit(job.job_id, tags={**OLD, "lakeflow_job_meta_sent": self.old_digest(site)})
        for path in site.workspace.tree.paths(f"{FOLDER}/sent"):
            site.connection.client().workspace.delete(path)

    def old_digest(self, site: Site) -> str:
        deployer = site.deployer()
        deployer.plan()
        (plan,) = (each for each in deployer._prepared.jobs if each.job.key == "sales")
        text = json.dumps(plan.settings).replace("/bundle-test/dev/", "/project/dev/")
        files = {path.replace("/bundle-test/dev/", "/project/dev/"): content for path, content in plan.files.items()}
        return digest_of({**json.loads(text), "tags": OLD}, files)

    def test_are_carried_over_once_where_the_record_knows_them(self, two_jobs):
        self.as_of_old(two_jobs)

        assert two_jobs.actions() == {"sales": "update", "stock": "skip"}
        assert two_jobs.deploy() == []

        assert two_jobs.workspace.jobs.by_name("sales").settings["tags"]["lakeflow_job_meta_scope"] == SCOPE
        assert two_jobs.changes() == {"reset": 1}
        assert two_jobs.plan().changes_nothing()

    def test_and_uploaded_files_are_carried_over_without_a_hand_edit(self, site):
        site.module("sales", "sql_task: {warehouse_id: abc, sql_query: SELECT 1}")
        site.deploy()
        text = json.dumps(site.workspace.jobs.by_name("sales").settings).replace("bundle-test/dev", "project/dev")
        site.workspace.jobs.edit(site.id_of("sales"), **json.loads(text))
        self.as_of_old(site)

        assert list(site.plan().hand_edits()) == []
        assert site.deploy() == []
        assert site.plan().changes_nothing()

    def test_keep_the_edits_that_were_made_by_hand(self, two_jobs):
        self.as_of_old(two_jobs)
        two_jobs.workspace.jobs.edit(two_jobs.id_of("sales"), timeout_seconds=9)

        with pytest.raises(PolicyRefused, match="timeout_seconds is 9"):
            two_jobs.deploy()

    def test_are_neither_touched_nor_doubled_where_no_record_knows_them(self, two_jobs):
        self.as_of_old(two_jobs)
        two_jobs.known = {}

        (problem,) = two_jobs.deploy()

        assert "the tag lakeflow_job_meta_scope=project:dev of another project or of an older release" in problem
        assert f"Give it the tags lakeflow_job_meta_key=sales and lakeflow_job_meta_scope={SCOPE}" in problem
        assert two_jobs.changes() == {}

    def test_a_project_that_was_renamed_creates_nothing_beside_its_jobs(self, two_jobs):
        two_jobs.project.write("databricks.yml", "bundle: {name: renamed}\ntargets: {dev: {}}\n")

        problems = two_jobs.deploy()

        assert len(problems) == 2
        assert all("bundle:renamed:dev" in problem for problem in problems)
        assert two_jobs.changes() == {}


class TestAnEditByHand:
    def test_beside_a_change_of_the_same_setting_is_refused(self, two_jobs):
        two_jobs.workspace.jobs.edit_task(two_jobs.id_of("sales"), "a", notebook_task={"notebook_path": "/mine"})
        two_jobs.module("sales", "notebook_path: /Workspace/b")

        with pytest.raises(PolicyRefused, match=r"notebook_path is '/mine'"):
            two_jobs.deploy()

    def test_inside_of_a_task_that_the_metadata_takes_away_is_refused(self, site):
        two = "    sources: [{source_id: a, execution_order: 1, transformation_config: {notebook_path: /a}}, "
        two += "{source_id: b, execution_order: 1, transformation_config: {notebook_path: /b}}]\n"
        site.project.write("metadata/sales.yml", f"modules:\n  - module_name: sales\n{two}")
        site.deploy()
        site.workspace.jobs.edit_task(site.id_of("sales"), "b", max_retries=4)
        site.module("sales", "notebook_path: /a")

        with pytest.raises(PolicyRefused, match=r"tasks\[task_key='b'\]\.max_retries is 4"):
            site.deploy()

    def test_that_the_metadata_takes_over_is_none(self, two_jobs):
        two_jobs.workspace.jobs.edit_task(two_jobs.id_of("sales"), "a", max_retries=2)
        two_jobs.module("sales", "notebook_path: /Workspace/b, max_retries: 2")

        assert two_jobs.deploy() == []

    def test_is_known_to_another_machine(self, two_jobs):
        two_jobs.workspace.jobs.edit(two_jobs.id_of("sales"), timeout_seconds=9)
        two_jobs.module("sales", "notebook_path: /Workspace/b")
        two_jobs.known = {}

        assert [edit.path for _, edit in two_jobs.plan().hand_edits()] == ["timeout_seconds"]

    def test_is_none_where_somebody_else_deployed_last_and_uploaded_the_files(self, site):
        site.module("sales", "sql_task: {warehouse_id: abc, sql_query: SELECT 1}")
        site.deploy()
        site.workspace.identity.user_name = "other@example.com"
        site.workspace.tree.make_folder("/Users/other@example.com")
        site.connection = connect(site.workspace)

        assert site.deploy() == []
        assert "/Users/other@example.com/" in str(site.workspace.jobs.by_name("sales").settings)

    def test_cannot_be_told_from_a_change_without_what_was_sent_last_and_counts(self, two_jobs):
        for path in two_jobs.workspace.tree.paths(f"{FOLDER}/sent"):
            two_jobs.connection.client().workspace.delete(path)
        two_jobs.module("sales", "notebook_path: /Workspace/b")

        with pytest.raises(PolicyRefused, match="notebook_path is '/Workspace/a'"):
            two_jobs.deploy()
        assert two_jobs.deploy(overwriting=True) == []
        two_jobs.module("sales", "notebook_path: /Workspace/c")
        assert two_jobs.deploy() == []

    def test_what_was_sent_last_is_kept_again_by_the_next_deployment_without_touching_a_job(self, two_jobs):
        for path in two_jobs.workspace.tree.paths(f"{FOLDER}/sent"):
            two_jobs.connection.client().workspace.delete(path)
        deployer = two_jobs.deployer()
        plan = deployer.plan()

        assert plan.changes_nothing()
        assert not deployer.is_deployed(plan)
        assert deployer.deploy(plan).problems == ()
        assert two_jobs.changes() == {}
        assert deployer.is_deployed(deployer.plan())

    def test_is_still_known_when_a_reset_failed_after_what_it_sends_was_kept(self, two_jobs):
        two_jobs.workspace.jobs.refusals["sales"] = "No."
        two_jobs.module("sales", "notebook_path: /Workspace/b")
        assert len(two_jobs.deploy()) == 1
        two_jobs.workspace.jobs.refusals.clear()
        two_jobs.module("sales", "notebook_path: /Workspace/c")
        assert list(two_jobs.plan().hand_edits()) == []
        two_jobs.workspace.jobs.edit(two_jobs.id_of("sales"), timeout_seconds=9)

        with pytest.raises(PolicyRefused, match="timeout_seconds is 9"):
            two_jobs.deploy()

    @given(SETTINGS, SETTINGS, SETTINGS)
    def test_is_exactly_what_differs_from_what_was_sent_and_from_what_is_to_be_sent(self, sent, remote, wanted):
        changes = field_changes({"x": remote}, {"x": wanted}, creator="me", base={"x": sent})

        edited = {change.path for change in changes if change.was_edited_by_hand}
        assert edited == {
            f"x.{key}" for key in "abc" if remote.get(key) != sent.get(key) and remote.get(key) != wanted.get(key)
        }


STEPS = st.one_of(
    st.tuples(st.just("metadata"), st.sampled_from("ab"), st.integers(1, 3)),
    st.tuples(st.just("remove"), st.sampled_from("ab"), st.just(0)),
    st.tuples(st.just("by hand"), st.sampled_from("ab"), st.integers(4, 6)),
    st.tuples(st.just("record lost"), st.just(""), st.just(0)),
    st.tuples(st.sampled_from(["*/jobs/create", "*/jobs/reset", "*/jobs/delete", "*/import"]), st.just(""), st.just(0)),
)
FAULTS = st.sampled_from([*LOST, FaultKind.CONNECTION_RESET_BEFORE_WORK, FaultKind.FORBIDDEN])


class History:
    """What happens to two modules, `a` and `b`; the last word of a person about a job is never lost."""

    def __init__(self, folder: Path, workspace: FakeWorkspace) -> None:
        self.site = Site(ProjectFolder(folder), workspace, connect(workspace, SleeplessClock()))
        self.edits: dict[str, int] = {}
        self.site.module("keep")

    def step(self, what: str, module: str, number: int, kind: FaultKind) -> None:
        there = module in self.site.workspace.jobs.names()
        if what == "metadata":
            self.site.module(module, job_config=f"max_concurrent_runs: {number}")
        elif what == "remove":
            (self.site.project.path / f"metadata/{module}.yml").unlink(missing_ok=True)
        elif what == "by hand" and there:
            self.site.workspace.jobs.edit(self.site.id_of(module), max_concurrent_runs=number)
            self.edits[module] = number
        elif what == "record lost":
            self.site.known = {}
        elif what.startswith("*/"):
            self.site.workspace.faults.add(Fault("POST", what, kind))

    def deploy(self) -> None:
        deployer = self.site.deployer()
        plan = deployer.plan()
        allowed = Allowance(deletions=9)
        plan = deployer.leave_out(resources_of(policy_violations(plan, allowed)))
        if not deployer.is_deployed(plan):
            with suppress(OperationFailed, StalePlan):
                deployer.deploy(plan)
        self.site.known = {job.key: job.job_id for job in deployer.jobs()}
        deleted = self.edits.keys() - {*self.site.workspace.jobs.names()}
        self.edits = {module: number for module, number in self.edits.items() if module not in deleted}

    def check(self) -> None:
        jobs = self.site.workspace.jobs
        assert len(jobs.names()) == len({*jobs.names()})
        for module, number in self.edits.items():
            assert jobs.by_name(module).settings["max_concurrent_runs"] == number


@pytest.mark.slow
@pytest.mark.timeout(900)
@given(st.lists(st.tuples(STEPS, FAULTS), max_size=12))
@settings(max_examples=examples(60))
def test_histories_of_edits_faults_and_lost_records_double_no_job_and_lose_no_edit(tmp_path_factory, steps):
    folder = tmp_path_factory.mktemp("history")
    with FakeWorkspace(folder / "workspace") as workspace:
        history = History(folder / "project", workspace)
        history.deploy()
        for (what, module, number), kind in steps:
            history.step(what, module, number, kind)
            history.deploy()
            history.check()
        workspace.faults.clear()
        history.deploy()
        written = {path.stem for path in (history.site.project.path / "metadata").iterdir()}
        assert {*workspace.jobs.names()} == written
