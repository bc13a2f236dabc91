"""`ljm import jobs`: jobs of a workspace become modules; over real HTTP to a fake workspace."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fakes.workspace import FakeWorkspace, Fault, FaultKind
from lakeflow_job_meta import deploy
from lakeflow_job_meta.config.load import load_project
from lakeflow_job_meta.deployment.jobs_api.client import JobsClient
from lakeflow_job_meta.text.yaml_reader import read_yaml
from lakeflow_job_meta.workspace.client import Workspace
from support.in_process import started_in
from support.project_folder import ProjectFolder, Result

pytest_plugins = ["support.workspace_fixtures"]

NOTEBOOK = {"notebook_task": {"notebook_path": "/Workspace/Shared/a", "source": "WORKSPACE"}}


class Live:
    """A workspace with jobs that somebody made, and a project that imports them."""

    def __init__(self, project: ProjectFolder, workspace: FakeWorkspace, connection: Workspace, env: dict) -> None:
        self.project, self.workspace = project, workspace
        self._client = JobsClient(connection)
        self._environment = env

    def job(self, name: str, *tasks: dict[str, Any], **settings: Any) -> int:
        shown = [{"task_key": "a", **NOTEBOOK}] if not tasks else list(tasks)
        return self._client.create({"name": name, "tasks": shown, **settings})

    def run(self, *arguments: str) -> Result:
        with started_in(self.project.path, self._environment):
            return self.project.ljm("import", "jobs", *arguments)

    def generated(self, key: str) -> dict[str, Any]:
        assert self.project.ljm("generate").exit_code == 0
        return read_yaml(self.project.generated()[f"jobs/{key}.yml"]).value["resources"]["jobs"][key]

    def files(self) -> list[str]:
        return sorted(name for name in self.project.everything() if name.startswith("metadata/"))


@pytest.fixture
def live(project, workspace, connection, environment) -> Live:
    return Live(project, workspace, connection, environment)


def test_a_job_comes_with_all_of_its_settings_and_what_databricks_sets_is_left_out(live):
    cluster = {"spark_version": "16.4.x-scala2.12", "node_type_id": "i3.xlarge", "num_workers": 1}
    job_id = live.job(
        "Nightly load",
        {"task_key": "load", "job_cluster_key": "c", **NOTEBOOK},
        {"task_key": "check-it", "depends_on": [{"task_key": "load"}], "run_if": "ALL_DONE", **NOTEBOOK},
        tags={"team": "sales"},
        job_clusters=[{"job_cluster_key": "c", "new_cluster": cluster}],
        schedule={"quartz_cron_expression": "0 0 2 * * ?", "timezone_id": "UTC", "pause_status": "PAUSED"},
        format="MULTI_TASK",
        edit_mode="EDITABLE",
    )
    result = live.run(str(job_id))
    assert (result.exit_code, result.stdout) == (0, f"metadata/imported/Nightly_load.yml  Nightly_load  job {job_id}\n")
    assert "Left out, since Databricks sets it: 'edit_mode (1 job)', 'format (1 job)'." in result.stderr
    text = live.project.read("metadata/imported/Nightly_load.yml")
    assert text.startswith(f"# Job {job_id} of {live.workspace.url}: Nightly load\n")
    job = live.generated("Nightly_load")
    expected = live.workspace.jobs.by_name("Nightly load").described()
    left = {name: value for name, value in expected.items() if name not in ("format", "edit_mode")}
    assert job == {name: left[name] for name in job}
    assert job.keys() == left.keys()


def test_nothing_is_changed_in_the_workspace(live):
    live.job("one")
    live.workspace.jobs.writes.clear()
    live.workspace.requests.clear()
    live.run("--name", "*")
    assert not live.workspace.jobs.writes
    assert {each.method for each in live.workspace.requests} == {"GET"}


def test_a_job_of_many_tasks_comes_whole(live):
    tasks = [
        {"task_key": f"t{n}", "depends_on": [{"task_key": f"t{n - 1}"}] if n else [], **NOTEBOOK} for n in range(250)
    ]
    job_id = live.job("big", *tasks)
    assert live.run(str(job_id)).exit_code == 0
    assert len(live.generated("big")["tasks"]) == 250


class TestWhichJobs:
    @pytest.fixture
    def three(self, live) -> Live:
        live.job("Sales load", tags={"team": "sales", "tier": "1"})
        live.job("Sales report", tags={"team": "sales"})
        live.job("Stock", tags={"team": "stock", "tier": "1"})
        return live

    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            (["--name", "Sales *"], ["Sales_load", "Sales_report"]),
            (["--name", "Stock", "--name", "*report"], ["Sales_report", "Stock"]),
            (["--tag", "team=sales"], ["Sales_load", "Sales_report"]),
            (["--tag", "team=sales", "--tag", "tier=1"], ["Sales_load"]),
            (["--tag", "tier=1", "--name", "S*k"], ["Stock"]),
            (["--unmanaged"], ["Sales_load", "Sales_report", "Stock"]),
            (["--name", "nothing"], []),
        ],
    )
    def test_options_narrow_each_other(self, three, options, expected):
        result = three.run(*options)
        assert result.exit_code == 0, result.stderr
        assert three.files() == [f"metadata/imported/{name}.yml" for name in expected]

    def test_without_any_nothing_is_imported(self, three):
        result = three.run()
        assert result.exit_code == 2
        assert "Say which jobs are meant: ids, --name GLOB, --tag KEY=VALUE or --unmanaged." in result.stderr

    @pytest.mark.parametrize("options", [["1", "--unmanaged"], ["--tag", "team"], ["x"]])
    def test_contradictions_are_wrong_usage(self, three, options):
        assert three.run(*options).exit_code == 2

    def test_an_id_that_is_not_there_is_refused_and_the_others_come(self, three):
        job_id = three.workspace.jobs.by_name("Stock").job_id
        result = three.run("42", str(job_id))
        assert result.exit_code == 1
        assert "Refused: job 42: there is no such job in" in result.stderr
        assert three.files() == ["metadata/imported/Stock.yml"]


def test_jobs_of_bundles_and_of_metadata_are_left_alone_by_name(live):
    path = "/Workspace/Users/x/.bundle/etl/prod/state/metadata.json"
    live.job("of a bundle", deployment={"kind": "BUNDLE", "metadata_file_path": path})
    live.job("ours", tags={"lakeflow_job_meta_key": "ours"})
    live.job("free")
    result = live.run("--name", "*")
    assert result.exit_code == 0
    assert "Left alone: 1 job (of a bundle): belongs to the bundle etl, target prod." in result.stderr
    assert "Left alone: 1 job (ours): is deployed from metadata already." in result.stderr
    assert live.files() == ["metadata/imported/free.yml"]
    before = live.files()
    assert "Left alone" not in live.run("--unmanaged").stderr
    assert live.files() == before


def test_a_job_of_the_old_format_without_tasks_is_left_alone(live):
    job_id = live.job("old")
    live.workspace.jobs.edit(job_id, tasks=None, format="SINGLE_TASK", notebook_task={"notebook_path": "/a"})
    result = live.run(str(job_id))
    assert result.exit_code == 0
    assert "Left alone: 1 job (old): has the format SINGLE_TASK, and no tasks." in result.stderr


@pytest.mark.parametrize(
    ("names", "modules"),
    [
        (["Nightly: load (prod)!"], ["Nightly_load_prod"]),
        (["2024 report"], ["job_{0}"]),
        (["日本"], ["job_{0}"]),
        (["same", "Same"], ["same_{0}", "Same_{1}"]),
        (["x" * 300], ["job_{0}"]),
        (["a\nb # c: d"], ["a_b_c_d"]),
    ],
)
def test_a_module_is_named_after_its_job_as_far_as_a_key_can_be(live, names, modules):
    ids = [live.job(name) for name in names]
    assert live.run("--name", "*").exit_code == 0
    expected = [module.format(*ids) for module in modules]
    assert sorted(live.files()) == sorted(f"metadata/imported/{module}.yml" for module in expected)
    assert [live.generated(module)["name"] for module in expected] == names


def test_what_cannot_be_a_module_is_refused_and_the_others_come(live):
    live.job("good")
    live.job("bad", {"task_key": "a", "notebook_task": {"notebook_path": "relative/path"}})
    result = live.run("--unmanaged")
    assert result.exit_code == 1
    assert "bad: a: there is no file 'relative/path' in the project" in result.stderr
    assert live.files() == ["metadata/imported/good.yml"]


def test_the_same_import_again_changes_nothing(live):
    live.job("one")
    live.run("--unmanaged")
    before = live.project.everything()
    assert live.run("--unmanaged").exit_code == 0
    assert live.project.everything() == before


def test_the_result_as_json_and_a_folder_of_ones_own(live):
    job_id = live.job("one")
    result = live.run("--unmanaged", "--to", "metadata/sales", "--format", "json")
    (module,) = json.loads(result.stdout)["modules"]
    assert (module["file"], module["from"]) == ("metadata/sales/one.yml", f"job {job_id}")


class TestWorkspaceOfTheTarget:
    def test_a_login_to_another_workspace_than_the_targets_is_refused(self, live):
        bundle = live.project.read("databricks.yml").replace("prod: {}", "prod: {workspace: {host: 'https://other.x'}}")
        live.project.write("databricks.yml", bundle)
        live.job("one")
        result = live.run("--unmanaged", "-t", "prod")
        assert result.exit_code == 2
        assert "the bundle names https://other.x for this target" in result.stderr
        assert live.run("--unmanaged", "-t", "dev").exit_code == 0

    def test_where_modules_go_is_checked_before_the_workspace_is_asked(self, project):
        with started_in(project.path, {"DATABRICKS_HOST": "http://127.0.0.1:9", "DATABRICKS_TOKEN": "t"}):
            result = project.ljm("import", "jobs", "1", "--to", "elsewhere")
        assert result.exit_code == 2
        assert "does not read 'elsewhere'" in result.stderr


class TestPermissions:
    def test_that_were_given_on_the_job_come_along_with_its_owner(self, live):
        job_id = live.job("shared", permissions=[{"level": "CAN_VIEW", "group_name": "users"}])
        result = live.run(str(job_id))
        assert result.exit_code == 0, result.stderr
        owner = {"level": "IS_OWNER", "user_name": "someone@example.com"}
        shared = {"level": "CAN_VIEW", "group_name": "users"}
        assert live.generated("shared")["permissions"] == [shared, owner]

    def test_of_the_owner_and_inherited_ones_alone_are_no_setting(self, live):
        live.run(str(live.job("mine")))
        assert "permissions" not in live.generated("mine")

    def test_that_may_not_be_read_are_named_and_the_job_comes_without_them(self, live):
        job_id = live.job("shared", permissions=[{"level": "CAN_VIEW", "group_name": "users"}])
        path = f"/api/2.0/permissions/jobs/{job_id}"
        live.workspace.faults.add(Fault("GET", path, FaultKind.FORBIDDEN, times=9))
        result = live.run(str(job_id))
        assert result.exit_code == 0, result.stderr
        assert f"job {job_id}: its permissions are not known, and so are not in its module: " in result.stderr
        assert "permissions" not in live.generated("shared")

    def test_that_were_imported_are_no_change_when_the_job_is_taken_over(self, live, connection):
        job_id = live.job("shared", permissions=[{"level": "CAN_VIEW", "group_name": "users"}])
        live.run(str(job_id), "-t", "dev")
        project = load_project(live.project.path)
        live.workspace.jobs.writes.clear()
        result = deploy(project, "dev", backend="jobs-api", workspace=connection)
        assert result.all_problems == ()
        assert dict(live.workspace.jobs.writes) == {"reset": 1}


def test_a_job_whose_name_is_no_modules_keeps_it_and_its_id_through_the_jobs_api(live, connection):
    job_id = live.job("load__all_", max_concurrent_runs=1)
    assert live.run(str(job_id), "-t", "dev").exit_code == 0

    result = deploy(load_project(live.project.path), "dev", backend="jobs-api", workspace=connection)

    assert result.all_problems == ()
    assert [(job.key, job.job_id) for job in result.deployed] == [("load_all", str(job_id))]
    assert live.workspace.jobs.names() == ["load__all_"]
    again = deploy(load_project(live.project.path), "dev", backend="jobs-api", workspace=connection)
    assert again.plan.changes_nothing()
