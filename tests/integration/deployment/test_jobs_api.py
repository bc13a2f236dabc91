"""Deployment through the Jobs API: the second run changes nothing, nothing is made twice, nothing of others is touched.

The real SDK talks to a fake workspace on loopback.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.workspace import Fault, FaultKind
from lakeflow_job_meta.config.bundle import read_bundle_declarations
from lakeflow_job_meta.config.load import load_project
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.deployment.backend import StalePlan
from lakeflow_job_meta.deployment.jobs_api.diff import field_changes, path_text
from lakeflow_job_meta.deployment.jobs_api.ownership_tags import folder_of, ownership_scope
from lakeflow_job_meta.diagnostics.model import SourceRef
from lakeflow_job_meta.errors import OperationFailed, PolicyRefused
from lakeflow_job_meta.planning.explain import workspace_lines
from lakeflow_job_meta.planning.model import Action, KeptSetting
from support.jobs_api_site import ROOT, SCOPE, Site
from support.project_folder import module

pytest_plugins = ["support.workspace_fixtures", "support.jobs_api_fixtures"]
UNPAUSED = {"quartz_cron_expression": "0 0 6 * * ?", "timezone_id": "UTC", "pause_status": "UNPAUSED"}


class TestADeployment:
    def test_makes_all_jobs_and_marks_them_as_ours(self, site):
        site.module("sales")
        site.module("stock", job_config="tags: {team: etl}")

        assert site.actions() == {"sales": "create", "stock": "create"}
        assert site.deploy() == []

        assert site.workspace.jobs.names() == ["sales", "stock"]
        tags = site.workspace.jobs.by_name("stock").settings["tags"]
        assert tags.pop("lakeflow_job_meta_sent")
        assert tags == {"team": "etl", "lakeflow_job_meta_key": "stock", "lakeflow_job_meta_scope": SCOPE}

    @pytest.mark.parametrize(("number", "is_too_much"), [(22, False), (23, True)])
    def test_counts_our_tags_with_those_of_a_job(self, site, number, is_too_much):
        tags = ", ".join(f"tag{each}: x" for each in range(number))
        site.module("sales")
        site.module("stock", job_config=f"tags: {{{tags}}}")

        problems = site.deploy()

        assert site.workspace.jobs.names() == (["sales"] if is_too_much else ["sales", "stock"])
        assert [problem.split("error: ")[1].split(";")[0] for problem in problems] == (
            ["'tags' has 23 tags, and a job that is deployed through the Jobs API has 3 of ours"] if is_too_much else []
        )

    def test_a_deployment_lists_the_jobs_that_are_there(self, two_jobs):
        (sales, _) = two_jobs.deployer().jobs()

        job_id = str(two_jobs.id_of("sales"))
        assert (sales.key, sales.job_id, sales.name) == ("sales", job_id, "sales")
        assert sales.url == f"{two_jobs.workspace.url}/jobs/{job_id}"

    def test_writes_nothing_when_nothing_has_changed(self, two_jobs):
        deployer = two_jobs.deployer()
        plan = deployer.plan()

        assert plan.changes_nothing()
        assert deployer.is_deployed(plan)
        assert deployer.deploy(plan).problems == ()
        assert two_jobs.changes() == {}

    def test_resets_only_the_job_that_changed(self, two_jobs):
        two_jobs.module("sales", "notebook_path: /Workspace/b, max_retries: 2")

        lines = list(workspace_lines(two_jobs.plan()))
        assert lines[:2] == ["In the workspace: 1 to update.", "~ sales: update"]
        assert "    tasks[task_key='a'].max_retries: null -> 2" in lines
        assert two_jobs.deploy() == []

        assert two_jobs.changes() == {"reset": 1}
        (task,) = two_jobs.workspace.jobs.by_name("sales").settings["tasks"]
        assert (task["notebook_task"]["notebook_path"], task["max_retries"]) == ("/Workspace/b", 2)
        assert two_jobs.plan().changes_nothing()

    def test_deletes_the_job_of_a_module_that_is_gone_when_a_person_allows_it(self, two_jobs):
        two_jobs.remove("stock")

        assert two_jobs.actions() == {"sales": "skip", "stock": "delete"}
        with pytest.raises(PolicyRefused, match="would delete 1 job"):
            two_jobs.deploy()
        assert two_jobs.deploy(deletions=1) == []

        assert two_jobs.changes() == {"delete": 1}
        assert two_jobs.workspace.jobs.names() == ["sales"]

    def test_makes_a_job_again_that_was_deleted_by_hand(self, two_jobs):
        two_jobs.workspace.jobs.remove(two_jobs.id_of("sales"))

        assert two_jobs.deploy() == []
        assert two_jobs.changes() == {"create": 1}

    def test_reads_jobs_of_more_than_one_page(self, site):
        tasks = "".join(
            f"      - source_id: s{n}\n        execution_order: 1\n"
            "        transformation_config: {notebook_path: /Workspace/a}\n"
            for n in range(230)
        )
        site.project.write("metadata/big.yml", f"modules:\n  - module_name: big\n    sources:\n{tasks}")

        assert site.deploy() == []
        assert site.plan().changes_nothing()

    def test_a_deployment_is_of_one_target(self, two_jobs):
        two_jobs.known = {}
        deployer = two_jobs.deployer("prod")

        assert deployer.plan().jobs(Action.CREATE) == ["sales", "stock"]
        assert deployer.jobs() == ()

    def test_deploys_a_module_only_to_its_targets(self, site):
        site.project.write("metadata/sales.yml", module() + "    targets: [prod]\n")

        assert site.plan().resources == ()
        assert site.deployer("prod").plan().jobs(Action.CREATE) == ["sales"]


class TestWhichJobIsOurs:
    def test_a_lost_record_makes_no_duplicate(self, two_jobs):
        two_jobs.known = {}

        assert two_jobs.deploy() == []
        assert two_jobs.changes() == {}

    @pytest.mark.parametrize("recorded", ["1", "not a number", ""])
    def test_a_record_of_a_job_that_does_not_exist_is_passed_over(self, two_jobs, recorded):
        two_jobs.known = {"sales": recorded}

        assert two_jobs.plan().changes_nothing()

    def test_a_record_of_somebody_elses_job_touches_nothing_of_it(self, site):
        other = site.connection.client().api_client.do("POST", "/api/2.2/jobs/create", body={"name": "theirs"})
        site.changes()
        site.known = {"sales": str(other["job_id"])}
        site.module("sales")

        with pytest.raises(PolicyRefused) as refused:
            site.deploy()

        assert f"sales: job {other['job_id']} ('theirs'), which is recorded for this module" in str(refused.value)
        (violation,) = refused.value.violations
        assert "`adopt: {dev: ID}` in its module" in violation.remedy
        assert "if it is another job, run again with --allow-duplicates" in violation.remedy
        assert site.changes() == {}
        assert site.workspace.jobs.by_name("theirs").settings == {"name": "theirs"}

    def test_a_person_may_say_that_the_recorded_job_is_another_one(self, site):
        other = site.connection.client().api_client.do("POST", "/api/2.2/jobs/create", body={"name": "theirs"})
        site.changes()
        site.known = {"sales": str(other["job_id"])}
        site.module("sales")

        assert site.deploy(doubling=True) == []

        assert site.changes() == {"create": 1}
        assert site.workspace.jobs.by_name("theirs").settings == {"name": "theirs"}
        assert site.known == {"sales": str(site.id_of("sales"))}

    def test_a_recorded_job_that_lost_its_tags_and_its_name_is_not_created_again(self, two_jobs):
        job_id = two_jobs.id_of("sales")
        two_jobs.workspace.jobs.edit(job_id, tags={}, name="renamed by hand")

        with pytest.raises(PolicyRefused, match=f"sales: job {job_id} .'renamed by hand'., which is recorded"):
            two_jobs.deploy()

        assert two_jobs.changes() == {}

    def test_a_recorded_job_that_is_by_its_tags_another_modules_is_no_twin(self, two_jobs):
        two_jobs.module("third")
        two_jobs.known = {**two_jobs.known, "third": two_jobs.known["stock"]}

        assert two_jobs.deploy() == []

        assert two_jobs.changes() == {"create": 1}

    def test_a_recorded_job_of_the_same_name_without_tags_gets_no_twin(self, two_jobs):
        two_jobs.workspace.jobs.edit(two_jobs.id_of("sales"), tags={})

        (problem,) = two_jobs.deploy()

        assert problem.startswith("metadata/sales.yml:2:")
        assert f"lakeflow_job_meta_scope={SCOPE}" in problem
        assert two_jobs.changes() == {}

    def test_it_is_taken_over_once_a_person_has_given_it_the_tags(self, two_jobs):
        tags = {"lakeflow_job_meta_key": "sales", "lakeflow_job_meta_scope": SCOPE}
        two_jobs.workspace.jobs.edit(two_jobs.id_of("sales"), tags=tags)

        assert two_jobs.deploy() == []
        assert two_jobs.changes() == {"reset": 1}

    def test_a_wrong_record_of_a_bundles_job_does_not_matter_where_ours_is_there(self, two_jobs):
        body = {"name": "theirs", "deployment": {"kind": "BUNDLE"}}
        made = two_jobs.connection.client().api_client.do("POST", "/api/2.2/jobs/create", body=body)
        two_jobs.known["sales"] = str(made["job_id"])

        assert two_jobs.plan().changes_nothing()

    def test_it_is_found_among_jobs_of_many_pages(self, two_jobs):
        client = two_jobs.connection.client().api_client
        for number in range(205):
            client.do("POST", "/api/2.2/jobs/create", body={"name": f"other {number}"})
        two_jobs.known = {}

        assert two_jobs.plan().changes_nothing()

    def test_the_job_of_another_project_or_target_is_somebody_elses(self, two_jobs):
        two_jobs.workspace.jobs.edit(
            two_jobs.id_of("stock"),
            tags={"lakeflow_job_meta_key": "stock", "lakeflow_job_meta_scope": "bundle:test:prod"},
        )
        del two_jobs.known["stock"]

        assert two_jobs.actions() == {"sales": "skip", "stock": "create"}

    def test_two_jobs_with_the_same_tags_stop_the_deployment(self, two_jobs):
        settings = two_jobs.workspace.jobs.by_name("sales").settings
        clone = two_jobs.connection.client().api_client.do("POST", "/api/2.2/jobs/create", body=settings)

        with pytest.raises(OperationFailed) as raised:
            two_jobs.plan()

        assert str(clone["job_id"]) in str(raised.value)
        assert two_jobs.known["sales"] in str(raised.value)

    def test_a_job_that_a_bundle_has_deployed_is_never_made_a_second_time(self, site):
        body = {"name": "sales", "deployment": {"kind": "BUNDLE", "metadata_file_path": "/Workspace/x"}}
        made = site.connection.client().api_client.do("POST", "/api/2.2/jobs/create", body=body)
        site.known = {"sales": str(made["job_id"])}
        site.module("sales")

        with pytest.raises(PolicyRefused, match="ljm deploy"):
            site.plan()

    def test_nor_is_it_when_the_record_is_lost(self, site):
        path = "/Workspace/Users/someone@example.com/.bundle/test/dev/state/metadata.json"
        body = {"name": "[dev someone] sales", "deployment": {"kind": "BUNDLE", "metadata_file_path": path}}
        site.connection.client().api_client.do("POST", "/api/2.2/jobs/create", body=body)
        site.module("sales")

        with pytest.raises(PolicyRefused, match="ljm deploy"):
            site.plan()

    def test_a_job_of_ours_that_a_bundle_took_over_is_refused(self, two_jobs):
        two_jobs.workspace.jobs.edit(two_jobs.id_of("sales"), deployment={"kind": "BUNDLE"})

        with pytest.raises(PolicyRefused, match="'sales'"):
            two_jobs.plan()


class TestWhatGoesWrong:
    @pytest.mark.parametrize("kind", [FaultKind.UNAVAILABLE_AFTER_WORK, FaultKind.CONNECTION_RESET_AFTER_WORK])
    @pytest.mark.parametrize("times", [1, 100])
    def test_a_job_that_was_made_although_the_answer_was_an_error_is_made_once(self, site, kind, times):
        site.module("sales")
        site.workspace.faults.add(Fault("POST", "/api/2.2/jobs/create", kind, times=times))

        assert site.deploy() == []

        assert site.workspace.jobs.names() == ["sales"]
        site.workspace.faults.clear()
        assert site.plan().changes_nothing()

    def test_one_job_that_fails_does_not_keep_the_others_and_the_next_run_mends_it(self, site):
        for name in ("sales", "shops", "stock"):
            site.module(name)
        site.workspace.jobs.refusals["shops"] = "The cluster policy does not allow this."

        (problem,) = site.deploy()

        assert problem.startswith("metadata/shops.yml:2:")
        assert "The cluster policy does not allow this." in problem
        assert problem.endswith(" [databricks]")
        assert site.workspace.jobs.names() == ["sales", "stock"]
        site.workspace.jobs.refusals.clear()
        site.changes()
        assert site.deploy() == []
        assert site.changes() == {"create": 1}

    def test_a_job_that_changed_since_the_plan_makes_the_plan_stale(self, two_jobs):
        two_jobs.module("sales", "notebook_path: /Workspace/b")
        deployer = two_jobs.deployer()
        plan = deployer.plan()
        two_jobs.workspace.jobs.edit(two_jobs.id_of("sales"), max_concurrent_runs=7)

        with pytest.raises(StalePlan):
            deployer.deploy(plan)
        assert two_jobs.changes() == {}

    def test_after_the_first_write_such_a_job_is_a_problem_of_its_own(self, two_jobs):
        two_jobs.module("sales", "notebook_path: /Workspace/b")
        two_jobs.module("stock", "notebook_path: /Workspace/b")
        deployer = two_jobs.deployer()
        plan = deployer.plan()
        two_jobs.workspace.jobs.edit(two_jobs.id_of("stock"), max_concurrent_runs=7)

        (problem,) = deployer.deploy(plan).problems

        assert problem.startswith("metadata/stock.yml:2:")
        assert "run again" in problem
        assert two_jobs.changes() == {"reset": 1}

    def test_a_job_that_somebody_else_made_since_the_plan_makes_it_stale(self, site):
        site.module("sales")
        deployer = site.deployer()
        plan = deployer.plan()
        site.deploy()

        with pytest.raises(StalePlan):
            deployer.deploy(plan)
        assert site.workspace.jobs.names() == ["sales"]

    def test_a_job_that_changed_since_the_plan_is_not_deleted(self, two_jobs):
        two_jobs.remove("stock")
        deployer = two_jobs.deployer()
        plan = deployer.plan()
        two_jobs.workspace.jobs.edit(two_jobs.id_of("stock"), max_concurrent_runs=7)

        with pytest.raises(StalePlan):
            deployer.deploy(plan)
        assert two_jobs.workspace.jobs.names() == ["sales", "stock"]

    def test_a_job_that_is_gone_already_needs_no_deletion(self, two_jobs):
        two_jobs.remove("stock")
        deployer = two_jobs.deployer()
        plan = deployer.plan()
        two_jobs.workspace.jobs.remove(two_jobs.id_of("stock"))

        assert deployer.deploy(plan).problems == ()

    def test_a_deletion_that_is_refused_is_told_with_the_name_of_the_job(self, two_jobs):
        two_jobs.remove("stock")
        two_jobs.workspace.faults.add(Fault("POST", "/api/2.2/jobs/delete", FaultKind.FORBIDDEN))

        (problem,) = two_jobs.deploy(deletions=1)
        assert problem.startswith("resources.jobs.stock: error: ")

    def test_a_list_of_jobs_that_cannot_be_read_makes_nothing(self, site):
        site.module("sales")
        site.workspace.faults.add(Fault("GET", "/api/2.2/jobs/list", FaultKind.FORBIDDEN))

        with pytest.raises(OperationFailed):
            site.deploy()
        assert site.changes() == {}

    def test_a_job_that_cannot_be_read_makes_nothing(self, two_jobs):
        two_jobs.workspace.faults.add(Fault("GET", "/api/2.2/jobs/get", FaultKind.FORBIDDEN))

        with pytest.raises(OperationFailed):
            two_jobs.deploy()
        assert two_jobs.changes() == {}

    def test_a_file_that_cannot_be_uploaded_keeps_its_job_from_being_made(self, site):
        site.module("sales", "sql_task: {warehouse_id: abc, sql_query: SELECT 1}")
        site.module("stock")
        site.workspace.faults.add(
            Fault("POST", "/api/2.0/workspace/import", FaultKind.FORBIDDEN, body_contains="resources/sql")
        )

        (problem,) = site.deploy()
        assert problem.startswith("metadata/sales.yml:2:")
        assert site.workspace.jobs.names() == ["stock"]

    def test_only_the_newest_plan_is_deployed(self, two_jobs):
        old = two_jobs.plan()
        two_jobs.module("shops")
        deployer = two_jobs.deployer()
        deployer.plan()

        with pytest.raises(StalePlan):
            deployer.deploy(old)

    @pytest.mark.parametrize("text", ["modules: [", "", None], ids=["broken", "empty", "gone"])
    def test_a_source_that_cannot_be_read_deletes_nothing(self, site, text):
        site.project.write("job_meta.yml", "metadata: [{yaml: metadata}, {yaml: more}]\n")
        site.module("sales")
        site.project.write("more/stock.yml", module("stock"))
        site.deploy()
        if text is None:
            (site.project.path / "more" / "stock.yml").unlink()
        else:
            site.project.write("more/stock.yml", text)

        assert site.actions() == {"sales": "skip", "stock": "skip"}

    def test_a_broken_module_keeps_its_job(self, two_jobs):
        two_jobs.module("stock", "no_such_block: 1")

        assert two_jobs.actions() == {"sales": "skip", "stock": "skip"}
        assert [job.key for job in two_jobs.deployer().jobs()] == ["sales", "stock"]


class TestWhatPeopleDoInTheWorkspace:
    SCHEDULE = "schedule: {quartz_cron_expression: 0 0 6 * * ?, timezone_id: UTC}"

    def pause(self, site: Site) -> None:
        job = site.workspace.jobs.by_name("sales")
        site.workspace.jobs.edit(job.job_id, schedule={**job.settings["schedule"], "pause_status": "PAUSED"})

    def test_a_schedule_that_was_paused_stays_so(self, site):
        site.module("sales", job_config=self.SCHEDULE)
        site.deploy()
        self.pause(site)

        assert site.plan().changes_nothing()
        site.module("sales", "notebook_path: /Workspace/b", self.SCHEDULE)
        assert site.deploy() == []

        job = site.workspace.jobs.by_name("sales")
        assert job.settings["schedule"]["pause_status"] == "PAUSED"
        assert job.settings["tasks"][0]["notebook_task"]["notebook_path"] == "/Workspace/b"
        assert site.plan().changes_nothing()

    def test_it_stays_so_where_the_metadata_says_otherwise(self, site):
        site.module("sales", job_config=self.SCHEDULE.replace("}", ", pause_status: UNPAUSED}"))
        site.deploy()
        self.pause(site)

        plan = site.plan()

        assert plan.changes_nothing()
        assert plan.kept == (KeptSetting("sales", "schedule.pause_status", "PAUSED", "UNPAUSED"),)

    def test_it_starts_again_where_edits_may_be_overwritten(self, site):
        site.module("sales", job_config=self.SCHEDULE)
        site.deploy()
        self.pause(site)

        assert site.deploy(overwriting=True) == []

        assert site.workspace.jobs.by_name("sales").settings["schedule"]["pause_status"] == "UNPAUSED"

    def test_it_is_an_edit_where_nothing_is_kept(self, site):
        site.project.write("job_meta.yml", "deploy: {keep: []}\n")
        site.module("sales", job_config=self.SCHEDULE)
        site.deploy()
        self.pause(site)

        with pytest.raises(PolicyRefused, match=r"schedule\.pause_status is 'PAUSED'"):
            site.deploy()

    def test_a_schedule_that_leaves_the_metadata_goes_although_it_was_paused(self, site):
        site.module("sales", job_config=self.SCHEDULE)
        site.deploy()
        self.pause(site)
        site.module("sales")

        assert site.deploy() == []

        assert "schedule" not in site.workspace.jobs.by_name("sales").settings

    def test_what_the_metadata_says_anew_is_deployed(self, site):
        site.module("sales", job_config=self.SCHEDULE)
        site.deploy()
        self.pause(site)
        site.module("sales", "notebook_path: /Workspace/b", self.SCHEDULE)
        site.deploy()
        site.workspace.jobs.edit(site.id_of("sales"), schedule=UNPAUSED)
        for asked in ("PAUSED", "UNPAUSED"):
            config = self.SCHEDULE.replace("}", f", pause_status: {asked}}}")
            site.module("sales", "notebook_path: /Workspace/b", config)
            assert site.deploy() == []

            assert site.workspace.jobs.by_name("sales").settings["schedule"]["pause_status"] == asked

    @pytest.mark.parametrize("is_changed_besides", [False, True])
    @pytest.mark.parametrize("modules", ["[sa*]", "[x*]"])
    def test_another_setting_is_kept_for_the_modules_that_the_project_names(self, site, modules, is_changed_besides):
        site.project.write(
            "job_meta.yml", f"deploy: {{keep: [{{setting: email_notifications, modules: {modules}}}]}}\n"
        )
        site.module("sales")
        site.deploy()
        mine = {"on_failure": ["me@example.com"]}
        site.workspace.jobs.edit(site.id_of("sales"), email_notifications=mine)
        if is_changed_besides:
            site.module("sales", "notebook_path: /Workspace/b")

        if modules == "[x*]":
            with pytest.raises(PolicyRefused, match="email_notifications"):
                site.deploy()
            return
        for notebook in ("b", "c"):
            assert site.deploy() == []
            site.module("sales", f"notebook_path: /Workspace/{notebook}")

        assert site.workspace.jobs.by_name("sales").settings["email_notifications"] == mine

    def test_new_jobs_are_paused_where_the_project_says_so_and_stay_so(self, site):
        site.project.write("job_meta.yml", "deploy: {first_pause: true}\n")
        site.module("sales", job_config=self.SCHEDULE)
        site.module("stock")
        assert site.plan().first_paused == ("sales",)
        for notebook in ("a", "b", "c"):
            site.module("sales", f"notebook_path: /Workspace/{notebook}", self.SCHEDULE)
            assert site.deploy() == []
            assert site.plan().changes_nothing()

        assert site.plan().kept == (KeptSetting("sales", "schedule.pause_status", "PAUSED", "UNPAUSED"),)
        assert site.workspace.jobs.by_name("sales").settings["schedule"]["pause_status"] == "PAUSED"

    def test_a_hand_edit_is_told_and_not_overwritten(self, two_jobs):
        two_jobs.workspace.jobs.edit_task(two_jobs.id_of("sales"), "a", max_retries=5)

        with pytest.raises(PolicyRefused, match=r"sales: tasks\[task_key='a'\]\.max_retries is 5"):
            two_jobs.deploy()
        assert two_jobs.changes() == {}
        assert two_jobs.deploy(overwriting=True) == []
        assert two_jobs.changes() == {"reset": 1}
        assert "max_retries" not in two_jobs.workspace.jobs.by_name("sales").settings["tasks"][0]

    def test_so_is_a_setting_that_metadata_never_had(self, two_jobs):
        two_jobs.workspace.jobs.edit(two_jobs.id_of("sales"), queue={"enabled": True})

        ((owner, edit),) = two_jobs.plan().hand_edits()
        assert (owner.shown, edit.path, edit.remote) == ("sales", "queue", {"enabled": True})

    def test_so_is_one_beside_a_change_of_the_metadata(self, two_jobs):
        two_jobs.workspace.jobs.edit_task(two_jobs.id_of("sales"), "a", max_retries=5)
        two_jobs.module("sales", "notebook_path: /Workspace/b")

        ((_, edit),) = two_jobs.plan().hand_edits()
        assert (edit.path, edit.old, edit.remote, edit.new) == ("tasks[task_key='a'].max_retries", None, 5, None)
        with pytest.raises(PolicyRefused):
            two_jobs.deploy()
        assert two_jobs.changes() == {}


class TestReferences:
    def test_a_job_that_runs_another_is_made_after_it(self, site):
        site.module("a_first", "run_job_task: {module_name: stock}")
        site.module("stock")

        assert site.deploy() == []

        (task,) = site.workspace.jobs.by_name("a_first").settings["tasks"]
        assert task["run_job_task"] == {"job_id": site.id_of("stock")}
        assert site.plan().changes_nothing()

    def test_it_gets_the_new_id_of_a_job_that_was_made_again(self, site):
        site.module("a_first", "run_job_task: {module_name: stock}")
        site.module("stock")
        site.deploy()
        site.workspace.jobs.remove(site.id_of("stock"))

        assert site.deploy() == []

        (task,) = site.workspace.jobs.by_name("a_first").settings["tasks"]
        assert task["run_job_task"] == {"job_id": site.id_of("stock")}
        assert site.plan().changes_nothing()

    def test_it_is_not_made_when_the_other_could_not_be_made(self, site):
        site.module("a_first", "run_job_task: {module_name: stock}")
        site.module("stock")
        site.workspace.jobs.refusals["stock"] = "No."

        assert [problem.split(":")[0] for problem in site.deploy()] == ["metadata/stock.yml", "metadata/a_first.yml"]
        assert site.workspace.jobs.names() == []
        site.workspace.jobs.refusals.clear()
        assert site.deploy() == []
        assert site.workspace.jobs.names() == ["a_first", "stock"]

    def test_variables_come_from_the_bundle_the_target_and_the_environment(self, site, monkeypatch):
        site.project.write(
            "databricks.yml",
            """\
            bundle: {name: test}
            variables: {catalog: {default: main}, stage: {default: none}, size: {default: 3}, day: {}}
            targets: {dev: {variables: {stage: trial}}, prod: {variables: {stage: {default: real}}}}
            """,
        )
        monkeypatch.setenv("BUNDLE_VAR_day", "monday")
        texts = "c: '${var.catalog}', s: 'x-${var.stage}-${bundle.target}', d: '${var.day}', j: '{{job.id}}'"
        more = "u: '${workspace.current_user.userName}', b: '${bundle.name}'"
        site.module(
            "sales",
            f"notebook_path: /Workspace/a, base_parameters: {{{texts}, {more}}}",
            "max_concurrent_runs: '${var.size}'",
        )

        assert site.deploy() == []

        job = site.workspace.jobs.by_name("sales")
        parameters = job.settings["tasks"][0]["notebook_task"]["base_parameters"]
        assert {name: parameters[name] for name in "csdjub"} == {
            "c": "main",
            "s": "x-trial-dev",
            "d": "monday",
            "j": "{{job.id}}",
            "u": "someone@example.com",
            "b": "test",
        }
        assert job.settings["max_concurrent_runs"] == 3
        declared = read_bundle_declarations(load_project(site.project.path))
        assert declared.plain_values("prod").variables["stage"] == "real"

    @pytest.mark.parametrize(
        "reference", ["${workspace.root_path}", "${var.without}", "${resources.pipelines.silver.id}"]
    )
    def test_what_only_the_cli_can_resolve_leaves_that_job_as_it_is(self, site, reference):
        site.project.write(
            "databricks.yml",
            "bundle: {name: test}\nvariables: {without: {}}\n"
            "resources: {pipelines: {silver: {name: silver}}}\ntargets: {dev: {}}\n",
        )
        site.module("sales")
        site.deploy()
        site.changes()
        site.module("sales", f"notebook_path: '/Workspace/{reference}'")
        site.module("shops", f"notebook_path: '/Workspace/{reference}'")
        site.module("stock")

        first, second = site.deploy()

        assert first.startswith("metadata/sales.yml:2:")
        assert second.startswith("metadata/shops.yml:2:")
        assert "databricks CLI" in first
        assert site.changes() == {"create": 1}
        deployer = site.deployer()
        assert not deployer.is_deployed(deployer.plan())

    def test_jobs_of_the_bundle_only_are_a_problem(self, site):
        site.project.write(
            "databricks.yml", "bundle: {name: test}\nresources: {jobs: {hand: {name: hand}}}\ntargets: {dev: {}}\n"
        )
        site.module("sales", "run_job_task: {job_id: '${resources.jobs.hand.id}'}")

        (problem,) = site.deploy()
        assert "'hand'" in problem
        assert site.changes() == {}


class TestPermissions:
    SEEN = "permissions: [{level: CAN_VIEW, group_name: users}, {level: CAN_MANAGE_RUN, user_name: bob@example.com}]"

    def access(self, site) -> set[tuple[str, str]]:
        entries = site.workspace.jobs.by_name("sales").access
        return {(next(each[k] for k in each if k.endswith("_name")), each["permission_level"]) for each in entries}

    def owner(self, site) -> tuple[str, str]:
        return (site.workspace.jobs.by_name("sales").creator, "IS_OWNER")

    def test_a_new_job_has_them_at_once_and_the_next_plan_changes_nothing(self, site):
        site.module("sales", job_config=self.SEEN)
        assert site.deploy() == []
        assert self.access(site) == {self.owner(site), ("users", "CAN_VIEW"), ("bob@example.com", "CAN_MANAGE_RUN")}
        assert site.plan().changes_nothing()

    def test_a_change_of_them_alone_is_planned_and_done(self, site):
        site.module("sales", job_config=self.SEEN)
        site.deploy()
        site.module("sales", job_config=self.SEEN.replace("CAN_VIEW", "CAN_MANAGE"))
        assert site.actions() == {"sales": "update"}
        assert site.deploy() == []
        assert self.access(site) == {self.owner(site), ("users", "CAN_MANAGE"), ("bob@example.com", "CAN_MANAGE_RUN")}
        assert site.plan().changes_nothing()

    def test_a_job_that_had_none_gets_them(self, site):
        site.module("sales")
        site.deploy()
        site.module("sales", job_config=self.SEEN)
        assert site.deploy() == []
        assert ("users", "CAN_VIEW") in self.access(site)
        assert site.plan().changes_nothing()

    def test_one_that_somebody_gave_by_hand_is_not_taken_away(self, site):
        site.module("sales", job_config=self.SEEN)
        site.deploy()
        job_id = site.id_of("sales")
        body = {"access_control_list": [{"user_name": "eve@example.com", "permission_level": "CAN_VIEW"}]}
        site.workspace.client().api_client.do("PATCH", f"/api/2.0/permissions/jobs/{job_id}", body=body)
        with pytest.raises(PolicyRefused, match="permissions"):
            site.deploy()
        assert ("eve@example.com", "CAN_VIEW") in self.access(site)

    def test_jobs_without_them_are_not_asked_for_theirs(self, two_jobs):
        two_jobs.deploy()
        assert two_jobs.workspace.calls("*", "/api/2.0/permissions/*") == []


class TestFiles:
    def test_inline_sql_is_uploaded_before_its_job_and_again_when_it_changes(self, site):
        site.module("sales", "sql_task: {warehouse_id: abc, sql_query: SELECT 1}")
        assert site.deploy() == []

        path = f"{ROOT}/resources/sql/sales/a.sql"
        (task,) = site.workspace.jobs.by_name("sales").settings["tasks"]
        assert task["sql_task"]["file"]["path"] == path
        assert b"SELECT 1" in site.workspace.tree.read(path)
        assert site.plan().changes_nothing()

        site.module("sales", "sql_task: {warehouse_id: abc, sql_query: SELECT 2}")
        assert site.actions() == {"sales": "update"}
        assert site.deploy() == []
        assert b"SELECT 2" in site.workspace.tree.read(path)

    def test_only_the_files_of_jobs_that_change_are_uploaded(self, site):
        site.module("sales", "sql_task: {warehouse_id: abc, sql_query: SELECT 1}")
        site.deploy()
        site.workspace.tree.writes.clear()
        site.module("stock")

        assert site.deploy() == []
        assert site.uploads() == []

    def test_a_notebook_of_the_project_is_uploaded_and_named_without_its_suffix(self, site):
        site.project.write("notebooks/load.py", "# Databricks notebook source\nprint(1)\n")
        site.module("sales", "notebook_path: notebooks/load.py")
        site.project.write(
            "metadata/loop.yml",
            """\
            modules:
              - module_name: loop
                sources:
                  - source_id: a
                    execution_order: 1
                    transformation_config:
                      for_each_task:
                        inputs: "[1]"
                        task: {notebook_path: notebooks/load.py}
            """,
        )
        assert site.deploy() == []

        (task,) = site.workspace.jobs.by_name("sales").settings["tasks"]
        assert task["notebook_task"]["notebook_path"] == f"{ROOT}/notebooks/load"
        (loop,) = site.workspace.jobs.by_name("loop").settings["tasks"]
        assert loop["for_each_task"]["task"]["notebook_task"]["notebook_path"] == f"{ROOT}/notebooks/load"
        assert site.workspace.tree.read(f"{ROOT}/notebooks/load").endswith(b"print(1)\n")
        site.project.write("notebooks/load.py", "# Databricks notebook source\nprint(2)\n")
        assert site.actions() == {"loop": "update", "sales": "update"}

    def test_libraries_and_lists_of_requirements_are_uploaded(self, site):
        site.project.write("dist/etl.whl", "wheel")
        site.project.write("requirements.txt", "pandas")
        site.module(
            "sales",
            "python_wheel_task: {package_name: etl, entry_point: main}, existing_cluster_id: c, "
            "libraries: [{whl: dist/etl.whl}]",
            "environments: [{environment_key: default, spec: {environment_version: '2', "
            "dependencies: [-r ./requirements.txt, pandas]}}]",
        )

        assert site.deploy() == []

        settings = site.workspace.jobs.by_name("sales").settings
        assert settings["tasks"][0]["libraries"] == [{"whl": f"{ROOT}/dist/etl.whl"}]
        dependencies = settings["environments"][0]["spec"]["dependencies"]
        assert dependencies == [f"-r {ROOT}/requirements.txt", "pandas"]
        assert site.workspace.tree.read(f"{ROOT}/dist/etl.whl") == b"wheel"

    def test_files_of_the_project_in_a_job_of_a_repository_are_uploaded(self, site):
        site.project.write("notebooks/load.py", "# Databricks notebook source\n")
        site.project.write("dist/etl.whl", "wheel")
        site.module(
            "sales",
            "notebook_task: {notebook_path: notebooks/load.py, source: WORKSPACE}, libraries: [{whl: dist/etl.whl}]",
            "git_source: {git_url: https://x.y/z, git_provider: gitHub, git_branch: main}",
        )
        assert site.deploy() == []

        (task,) = site.workspace.jobs.by_name("sales").settings["tasks"]
        assert task["notebook_task"]["notebook_path"] == f"{ROOT}/notebooks/load"
        assert task["libraries"] == [{"whl": f"{ROOT}/dist/etl.whl"}]
        assert site.workspace.tree.read(f"{ROOT}/dist/etl.whl") == b"wheel"

    def test_inline_sql_in_a_job_of_a_repository_is_uploaded(self, site):
        git = "git_source: {git_url: https://x.y/z, git_provider: gitHub, git_branch: main}"
        site.module("sales", "sql_task: {warehouse_id: w, sql_query: SELECT 1}", git)
        assert site.deploy() == []

        (task,) = site.workspace.jobs.by_name("sales").settings["tasks"]
        assert site.workspace.tree.read(task["sql_task"]["file"]["path"]).endswith(b"SELECT 1\n")

    def test_a_file_outside_the_project_is_not_read(self, site):
        site.project.write("databricks.yml", site.project.read("databricks.yml") + "sync: {paths: [., ..]}\n")
        site.project.write("../secret.py", "# Databricks notebook source\n")
        site.module("sales", "notebook_path: ../secret.py")

        (problem,) = site.deploy()
        assert "no single file of the project" in problem
        assert site.uploads() == []

    def test_a_folder_needs_the_cli(self, site):
        site.project.write("dbt/dbt_project.yml", "name: x\n")
        site.module("sales", "dbt_task: {project_directory: dbt, commands: [dbt run]}, existing_cluster_id: c")

        (problem,) = site.deploy()
        assert "folder" in problem
        assert "ljm deploy" in problem


class TestComparison:
    def compare(self, remote: dict, wanted: dict) -> list[str]:
        return [each.path for each in field_changes(remote, wanted, creator="me", base=None)]

    def test_the_order_of_named_things_means_nothing(self):
        tasks = [{"task_key": "a", "depends_on": [{"task_key": "x"}, {"task_key": "y"}]}, {"task_key": "b"}]
        turned = [{"task_key": "b"}, {"task_key": "a", "depends_on": [{"task_key": "y"}, {"task_key": "x"}]}]

        assert self.compare({"tasks": tasks}, {"tasks": turned}) == []

    @pytest.mark.parametrize(
        "remote",
        [
            {"timeout_seconds": 0},
            {"email_notifications": {"no_alert_for_skipped_runs": False}},
            {"run_as": {"user_name": "me"}},
            {"tasks": [{"task_key": "a", "notebook_task": {"source": "WORKSPACE"}}]},
            {"new_cluster": {"aws_attributes": {"zone_id": "auto"}}},
        ],
    )
    def test_what_the_workspace_adds_is_no_difference(self, remote):
        wanted = {"tasks": [{"task_key": "a"}]} if "tasks" in remote else {}
        wanted = {"new_cluster": {}} if "new_cluster" in remote else wanted

        assert self.compare(remote, wanted) == []

    @pytest.mark.parametrize(
        "remote", [{"timeout_seconds": 5}, {"run_as": {"user_name": "you"}}, {"queue": {"enabled": True}}]
    )
    def test_what_somebody_added_to_a_job_is_a_difference(self, remote):
        assert self.compare(remote, {}) == [*remote]

    @given(st.integers())
    def test_a_number_may_be_written_as_text(self, number):
        assert self.compare({"x": number}, {"x": str(number)}) == []

    def test_paths_are_those_of_the_cli(self):
        assert path_text(("tasks", "[task_key='a']", "libraries", 0, "whl")) == "tasks[task_key='a'].libraries[0].whl"


@given(st.text(), st.text())
def test_a_scope_fits_into_a_tag_and_a_path(name, target):
    project = Project(Path("x"), SourceRef(None), control_table=name or "x")  # type: ignore[arg-type]
    for scope in (ownership_scope(project, target, name, str), ownership_scope(project, target, None, lambda: name)):
        folder = folder_of(scope.tag)

        assert len(scope.tag) <= 255
        assert scope.tag.isascii()
        assert scope.tag.count(":") == 2
        assert folder.count("/") == 1
        assert ".." not in folder.split("/")
