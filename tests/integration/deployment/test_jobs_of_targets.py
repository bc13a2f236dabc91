"""Through the Jobs API: pauses end with what asked for them, developers keep their jobs, and nothing is done by halves.

What the mode and the presets of a target make of a job is in `test_target_modes.py`.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from lakeflow_job_meta.config.bundle import read_bundle_declarations
from lakeflow_job_meta.config.load import load_project
from lakeflow_job_meta.deployment.jobs_api.login import Login
from lakeflow_job_meta.deployment.jobs_api.resolve import Resolver
from lakeflow_job_meta.deployment.jobs_api.target_mode import TargetMode, is_in_workspace, target_mode
from lakeflow_job_meta.errors import OperationFailed, PolicyRefused
from lakeflow_job_meta.planning.model import Action
from support.connections import connect
from support.jobs_api_site import ROOT, Site

pytest_plugins = ["support.workspace_fixtures", "support.jobs_api_fixtures"]

SCHEDULE = "schedule: {quartz_cron_expression: 0 0 6 * * ?, timezone_id: UTC}"
PAUSED = "presets: {trigger_pause_status: PAUSED}"
DEVELOPMENT = "mode: development"


def target(site: Site, settings: str) -> Site:
    """Gives the target dev these settings."""
    site.project.write("databricks.yml", f"bundle: {{name: test}}\ntargets: {{dev: {{{settings}}}, prod: {{}}}}\n")
    return site


class TestPauses:
    def pause_of(self, site: Site) -> str:
        return site.workspace.jobs.by_name("sales").settings["schedule"].get("pause_status", "UNPAUSED")

    def by_hand(self, site: Site, pause: str) -> None:
        job = site.workspace.jobs.by_name("sales")
        site.workspace.jobs.edit(job.job_id, schedule={**job.settings["schedule"], "pause_status": pause})

    @pytest.fixture
    def scheduled(self, site):
        site.module("sales", job_config=SCHEDULE)
        return site

    @pytest.mark.parametrize("is_changed_besides", [False, True])
    def test_of_the_target_end_with_it(self, scheduled, is_changed_besides):
        assert target(scheduled, PAUSED).deploy() == []
        assert self.pause_of(scheduled) == "PAUSED"
        if is_changed_besides:
            scheduled.module("sales", "notebook_path: /Workspace/b", SCHEDULE)
            assert scheduled.deploy() == []

        assert target(scheduled, "").deploy() == []

        assert self.pause_of(scheduled) == "UNPAUSED"
        assert scheduled.plan().changes_nothing()

    def test_of_the_metadata_end_with_it(self, site):
        site.module("sales", job_config=SCHEDULE.replace("}", ", pause_status: PAUSED}"))
        site.deploy()
        site.module("sales", job_config=SCHEDULE)

        assert site.deploy() == []

        assert self.pause_of(site) == "UNPAUSED"

    def test_by_hand_stay_whatever_changes(self, scheduled):
        target(scheduled, "").deploy()
        self.by_hand(scheduled, "PAUSED")
        for runs in (2, 3, 4):
            assert target(scheduled, f"presets: {{jobs_max_concurrent_runs: {runs}}}").deploy() == []

        assert self.pause_of(scheduled) == "PAUSED"
        assert scheduled.plan().changes_nothing()

    def test_that_a_target_asks_for_may_be_ended_by_hand(self, scheduled):
        target(scheduled, PAUSED).deploy()
        self.by_hand(scheduled, "UNPAUSED")

        assert scheduled.deploy() == []

        assert self.pause_of(scheduled) == "UNPAUSED"

    def test_of_a_target_come_to_jobs_that_are_there(self, scheduled):
        target(scheduled, "").deploy()

        assert target(scheduled, DEVELOPMENT).deploy() == []

        (job,) = scheduled.workspace.jobs.all()
        assert (job.settings["name"], job.settings["schedule"]["pause_status"]) == ("[dev someone] sales", "PAUSED")
        assert scheduled.plan().changes_nothing()


class TestWhoseJobItIs:
    @pytest.fixture
    def developed(self, site):
        """Jobs that somebody has deployed to a target in development mode."""
        site.module("sales")
        site.module("stock")
        assert target(site, DEVELOPMENT).deploy() == []
        site.changes()
        return site

    def as_other(self, site: Site) -> Site:
        site.workspace.identity.user_name = "other@example.com"
        return replace(site, connection=connect(site.workspace), known={})

    def deployed_by_cli(self, site: Site, name: str) -> None:
        path = "/Workspace/Users/someone@example.com/.bundle/test/dev/state/metadata.json"
        body = {"name": name, "deployment": {"kind": "BUNDLE", "metadata_file_path": path}}
        site.connection.client().api_client.do("POST", "/api/2.2/jobs/create", body=body)
        site.changes()
        target(site, DEVELOPMENT).module("sales")

    def test_another_developer_neither_changes_nor_deletes_it(self, developed):
        other = self.as_other(developed)
        other.remove("stock")

        (problem,) = other.deploy()

        assert "someone@example.com has created it as the job" in problem
        assert "'dev' (mode: development) each developer has jobs of their own" in problem
        assert other.changes() == {}

    def test_without_that_mode_anybody_deploys_it(self, developed):
        other = target(self.as_other(developed), "")

        assert other.deploy(overwriting=True) == []

        assert other.workspace.jobs.names() == ["sales", "stock"]

    @pytest.mark.parametrize("name", ["[dev someone] sales", "sales"])
    def test_a_recorded_one_that_lost_its_tags_gets_no_twin(self, developed, name):
        developed.workspace.jobs.edit(developed.id_of("[dev someone] sales"), tags={}, name=name)

        (problem,) = developed.deploy()

        assert "is recorded for this module and has its name" in problem
        assert developed.changes() == {}

    @pytest.mark.parametrize("name", ["sales", "[dev someone] sales", "[dev before] sales"])
    def test_one_of_the_bundle_is_refused(self, site, name):
        self.deployed_by_cli(site, name)

        with pytest.raises(PolicyRefused, match="ljm deploy"):
            site.plan()

    def test_one_of_the_bundle_of_another_developer_is_none_of_ours(self, site):
        self.deployed_by_cli(site, "[dev someone] sales")
        other = self.as_other(site)

        assert other.deploy() == []

        assert other.workspace.jobs.names() == ["[dev other] sales", "[dev someone] sales"]


class TestWhatOnlyTheCliChanges:
    CLUSTER = "notebook_path: /Workspace/a, existing_cluster_id: mine"

    def test_an_overridden_job_stays_as_it_is_and_the_others_are_deployed(self, site):
        site.module("sales")
        site.module("stock")
        target(site, "resources: {jobs: {stock: {description: x}}}")

        (problem,) = site.deploy()

        assert problem.startswith("metadata/stock.yml:2:")
        assert "override the job 'stock'" in problem
        assert site.workspace.jobs.names() == ["sales"]
        site.known = {}
        assert site.deployer("prod").plan().jobs(Action.CREATE) == ["sales", "stock"]

    @pytest.mark.parametrize(
        ("settings", "variable", "cluster"),
        [
            ("cluster_id: one", "", "one"),
            ("bundle: {cluster_id: one}", "", "one"),
            (DEVELOPMENT, "two", "two"),
            (f"{DEVELOPMENT}, cluster_id: one", "two", "two"),
            ("cluster_id: ''", "two", None),
        ],
    )
    def test_the_cluster_of_the_target_is_for_jobs_with_compute(self, site, monkeypatch, settings, variable, cluster):
        monkeypatch.setenv("DATABRICKS_CLUSTER_ID", variable)
        site.module("sales", self.CLUSTER)
        site.module("stock")

        problems = target(site, settings).deploy()

        assert [f"run it on the cluster {cluster!r}" in problem for problem in problems] == ([True] if cluster else [])
        assert len(site.workspace.jobs.all()) == (1 if cluster else 2)

    def test_a_wheel_that_gets_a_version_of_its_own(self, site):
        wheel = "libs/a-1.0-py3-none-any.whl"
        site.project.write(wheel, "x")
        site.module("sales", f"{self.CLUSTER}, libraries: [{{whl: {wheel}}}]")

        (problem,) = target(site, "presets: {artifacts_dynamic_version: true}").deploy()

        assert f"'{wheel}' gets a version of its own" in problem

    def test_a_bundle_that_cannot_be_read_is_not_guessed(self, site):
        site.module("sales")
        site.project.write("databricks.yml", "bundle: {name: test}\ninclude: [more.yml]\ntargets: {dev: {}}\n")
        site.project.write("more.yml", "targets: [\n")

        (problem,) = site.deploy()

        assert "cannot all be read" in problem

    @pytest.mark.parametrize(("number", "is_too_much"), [(21, False), (22, True)])
    def test_tags_of_the_target_count(self, site, number, is_too_much):
        tags = ", ".join(f"tag{each}: x" for each in range(number))
        site.module("sales", job_config=f"tags: {{{tags}}}")

        problems = target(site, DEVELOPMENT).deploy()

        assert ["'tags' has 23 tags, 1 of them from the target" in each for each in problems] == [True] * is_too_much

    def test_tasks_are_not_shown_where_they_would_not_be_sent(self, site):
        site.module("sales")
        deployer = target(site, "mode: staging").deployer()
        (job,) = deployer.compilation.jobs

        with pytest.raises(OperationFailed, match="'mode' of the target 'dev'"):
            deployer.tasks_of(job)

    def test_production_wants_a_root_path_or_an_owner_of_each_run(self, site):
        site.module("sales", job_config="run_as: {user_name: someone@example.com}")

        assert target(site, "mode: production").deploy() == []

        site.module("stock")
        assert ["'workspace.root_path'" in problem for problem in site.deploy()] == [True, True]


class TestFilesOfTheProject:
    def test_that_are_linked_are_used_where_they_are(self, site):
        site.project.write("notebooks/a.py", "# Databricks notebook source\n")
        site.module("sales", "notebook_path: notebooks/a.py")
        site.module("stock", "sql_task: {warehouse_id: abc, sql_query: SELECT 1}")
        deployer = site.deployer()
        deployer.__dict__["_mode"] = TargetMode("development", is_linked=True)

        deployer.deploy(deployer.plan())

        (linked,) = site.workspace.jobs.by_name("sales").settings["tasks"]
        (generated,) = site.workspace.jobs.by_name("stock").settings["tasks"]
        assert linked["notebook_task"]["notebook_path"] == f"{site.project.path.as_posix()}/notebooks/a"
        assert generated["sql_task"]["file"]["path"] == f"{ROOT}/resources/sql/stock/a.sql"
        assert [path.rpartition("/")[2] for path in site.uploads()] == ["a.sql"]

    @pytest.mark.parametrize(
        ("settings", "is_linked"),
        [
            (DEVELOPMENT, True),
            (f"{DEVELOPMENT}, presets: {{source_linked_deployment: false}}", False),
            ("presets: {source_linked_deployment: true}", True),
            ("", False),
        ],
    )
    def test_are_linked_in_the_workspace_alone(self, site, settings, is_linked):
        declared = read_bundle_declarations(load_project(target(site, settings).project.path))

        def linked(in_workspace: bool) -> bool:
            login = Login("someone@example.com")
            return target_mode(declared, "dev", login, Resolver({}), {}, {}, in_workspace).is_linked

        assert (linked(False), linked(True)) == (False, is_linked)

    @pytest.mark.skipif(sys.platform != "linux", reason="a Databricks Runtime is Linux")
    @pytest.mark.parametrize(
        ("folder", "version", "has_runtime", "is_there"),
        [
            ("/Workspace/Users/me/project", "16.4", True, True),
            ("/home/me/project", "16.4", True, False),
            ("/Workspace/Users/me/project", "", True, False),
            ("/Workspace/Users/me/project", None, True, False),
            ("/Workspace/Users/me/project", "16.4", False, False),
        ],
    )
    def test_are_in_the_workspace_where_a_runtime_runs(self, tmp_path, folder, version, has_runtime, is_there):
        environment = {} if version is None else {"DATABRICKS_RUNTIME_VERSION": version}
        runtime = tmp_path if has_runtime else tmp_path / "none"

        assert is_in_workspace(Path(folder), environment, runtime) == is_there


def test_of_many_bundles_the_files_that_all_include_count(site):
    site.module("sales")
    site.project.write("job_meta.yml", "metadata: [{yaml: metadata}]\nbundles: {jobs_per_bundle: 1}\n")
    site.project.write("databricks.yml", "bundle: {name: test}\ninclude: [shared.yml]\n")
    site.project.write("shared.yml", "targets: {dev: {mode: development, default: true}}\n")

    assert site.deploy() == []

    assert site.workspace.jobs.names() == ["[dev someone] sales"]
