"""Through the Jobs API too, a module takes over the job of an earlier name, or one of the workspace."""

from __future__ import annotations

import json
import urllib.request

import pytest

from lakeflow_job_meta.config.load import load_project
from lakeflow_job_meta.deployment.backend import DeployOptions
from lakeflow_job_meta.deployment.jobs_api.ownership_tags import KEY_TAG, SCOPE_TAG
from lakeflow_job_meta.deployment.pipeline import deploy
from lakeflow_job_meta.deployment.policy import Allowance
from lakeflow_job_meta.deployment.result import DeployResult
from lakeflow_job_meta.deployment.select_backend import JobsApiBackend
from lakeflow_job_meta.errors import PolicyRefused
from support.jobs_api_site import SCOPE, Site
from support.project_folder import compile_loaded

pytest_plugins = ["support.workspace_fixtures", "support.jobs_api_fixtures"]


def deployed(site: Site, *, dry_run: bool = False, hold_back: bool = False, **allowed: object) -> DeployResult:
    options = DeployOptions(Allowance(**allowed), dry_run=dry_run, hold_back=hold_back)
    backend = JobsApiBackend(site.connection)
    return deploy(
        load_project(site.project.path),
        "dev",
        backend,
        options,
        compile_metadata=compile_loaded,
        workspace=site.connection,
    )


@pytest.fixture
def two(site: Site) -> Site:
    """The jobs `stock` and `other`, deployed."""
    for name in ("stock", "other"):
        site.module(name)
    assert deployed(site).all_problems == ()
    site.changes()
    return site


def say(site: Site, name: str, line: str) -> None:
    text = site.project.read(f"metadata/{name}.yml")
    site.project.write(f"metadata/{name}.yml", text.replace("    sources:", f"    {line}\n    sources:"))


def rename(site: Site, old: str, new: str, config: str = "notebook_path: /Workspace/a") -> None:
    site.remove(old)
    site.module(new, config)
    say(site, new, f"formerly: {old}")


class TestARename:
    def test_keeps_the_job_and_sends_it_once(self, two: Site):
        job_id = two.id_of("stock")
        rename(two, "stock", "levels")

        result = deployed(two)

        assert result.all_problems == ()
        assert two.changes() == {"reset": 1}
        assert two.id_of("levels") == job_id
        assert two.workspace.jobs.by_name("levels").settings["tags"][KEY_TAG] == "levels"
        assert [job.bundle_key for job in result.jobs] == ["levels", "other"]
        assert result.left_behind == ()
        assert deployed(two).was_needed is False
        assert two.changes() == {}

    def test_and_switched_off_at_the_same_time_keeps_the_job_until_it_is_on_again(self, two: Site):
        job_id = two.id_of("stock")
        rename(two, "stock", "levels")
        text = two.project.read("metadata/levels.yml")
        two.project.write("metadata/levels.yml", text.replace("- source_id", "- is_active: false\n        source_id"))

        deployed(two, deletions=9)

        assert two.changes() == {}
        two.project.write("metadata/levels.yml", text)
        deployed(two)
        assert two.id_of("levels") == job_id

    def test_does_nothing_in_a_dry_run(self, two: Site):
        rename(two, "stock", "levels")

        result = deployed(two, dry_run=True)

        assert two.changes() == {}
        (change,) = [each for each in result.plan.resources if each.takes_over]
        assert change.takes_over == "renamed from stock; keeps its id and run history"

    def test_is_held_back_where_the_job_was_edited_by_hand(self, two: Site):
        two.workspace.jobs.edit(two.id_of("stock"), max_concurrent_runs=7)
        rename(two, "stock", "levels", "notebook_path: /Workspace/new")

        result = deployed(two)

        assert [violation.jobs for violation in result.edited] == [("levels",)]
        assert two.changes() == {}
        deployed(two, overwriting=True)
        assert two.workspace.jobs.names() == ["levels", "other"]

    def test_an_edit_after_it_is_still_known_as_one(self, two: Site):
        rename(two, "stock", "levels")
        deployed(two)
        two.workspace.jobs.edit(two.id_of("levels"), max_concurrent_runs=7)

        assert [violation.jobs for violation in deployed(two).edited] == [("levels",)]

    def test_of_a_job_that_the_record_alone_knows(self, two: Site):
        job_id = two.id_of("stock")
        rename(two, "stock", "levels")
        deployed(two)
        rename(two, "levels", "stock_levels")

        deployed(two)

        assert two.id_of("stock_levels") == job_id


class TestAdoption:
    def test_gives_a_job_our_tags_and_keeps_its_id(self, two: Site):
        job_id = by_hand(two, "nightly", max_concurrent_runs=3)
        two.module("nightly")
        say(two, "nightly", f"adopt: {{dev: {job_id}}}")

        assert deployed(two).all_problems == ()

        assert two.changes() == {"reset": 1}
        settings = two.workspace.jobs.by_name("nightly").settings
        assert (settings["tags"][KEY_TAG], settings["tags"][SCOPE_TAG]) == ("nightly", SCOPE)
        assert two.id_of("nightly") == job_id
        assert deployed(two).was_needed is False

    def test_of_a_job_that_is_not_there_is_refused(self, two: Site):
        two.module("nightly")
        say(two, "nightly", "adopt: {dev: 999}")

        with pytest.raises(PolicyRefused, match="there is no job 999 in the workspace"):
            deployed(two)

        assert two.changes() == {}

    def test_of_a_job_of_a_bundle_is_refused_and_the_others_go_on_where_that_is_held_back(self, two: Site):
        path = "/Workspace/Users/someone@example.com/.bundle/else/dev/state/metadata.json"
        job_id = by_hand(two, "nightly", deployment={"kind": "BUNDLE", "metadata_file_path": path})
        two.module("nightly")
        say(two, "nightly", f"adopt: {{dev: {job_id}}}")
        two.module("third")

        result = deployed(two, hold_back=True)

        assert [violation.jobs for violation in result.held_back] == [("nightly",)]
        assert two.changes() == {"create": 1}

    def test_of_a_job_of_another_project_is_refused(self, two: Site):
        tags = {KEY_TAG: "nightly", SCOPE_TAG: "bundle:else:dev"}
        job_id = by_hand(two, "nightly", tags=tags)
        two.module("nightly")
        say(two, "nightly", f"adopt: {{dev: {job_id}}}")

        with pytest.raises(PolicyRefused, match="of another project"):
            deployed(two)


class TestARemovedModule:
    def test_leaves_its_job_there_without_our_tags(self, two: Site):
        job_id = two.id_of("stock")
        two.remove("stock")
        two.project.write("job_meta.yml", "deploy: {removed: [{module: stock, keep_job: true}]}\n")

        result = deployed(two)

        assert result.all_problems == ()
        assert result.left_behind == ()
        assert two.id_of("stock") == job_id
        assert KEY_TAG not in two.workspace.jobs.by_name("stock").settings.get("tags", {})
        assert [job.bundle_key for job in result.jobs] == ["other"]
        two.changes()
        assert deployed(two).was_needed is False
        assert two.changes() == {}

    def test_may_be_deleted(self, two: Site):
        two.remove("stock")
        two.project.write("job_meta.yml", "deploy: {removed: [stock]}\n")

        deployed(two)

        assert two.workspace.jobs.names() == ["other"]


def by_hand(site: Site, name: str, **settings: object) -> int:
    """Creates a job as a person would do it in the workspace."""
    task = {"task_key": "a", "notebook_task": {"notebook_path": "/Workspace/a", "source": "WORKSPACE"}}
    request = urllib.request.Request(
        f"{site.workspace.url}/api/2.2/jobs/create",
        json.dumps({"name": name, "tasks": [task], "max_concurrent_runs": 1, **settings}).encode(),
        {"Authorization": f"Bearer {site.workspace.token}", "Content-Type": "application/json"},
    )
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
        job_id: int = json.load(answer)["job_id"]
    site.changes()
    return job_id


def test_a_job_that_may_be_somebody_elses_is_taken_over_by_a_line_in_its_module(two: Site):
    job_id = two.id_of("stock")
    two.workspace.jobs.edit(job_id, tags={})
    problems = deployed(two).problems
    assert f"write `adopt: {{dev: {job_id}}}` in the module" in "".join(problems)
    say(two, "stock", f"adopt: {{dev: {job_id}}}")

    assert deployed(two).all_problems == ()

    assert two.id_of("stock") == job_id
    assert two.workspace.jobs.names() == ["other", "stock"]


def test_a_job_without_tags_that_no_record_has_is_refused_by_its_name_and_tasks_and_taken_over_by_the_line(two: Site):
    job_id = two.id_of("stock")
    two.workspace.jobs.edit(job_id, tags={})
    (two.project.path / ".lakeflow-job-meta/dev/jobs.json").unlink()
    two.changes()

    with pytest.raises(
        PolicyRefused, match=rf"stock: job {job_id} \('stock'\), which has its name and one of its tasks"
    ):
        deployed(two)
    assert two.changes() == {}
    say(two, "stock", f"adopt: {{dev: {job_id}}}")
    assert deployed(two).all_problems == ()

    assert two.id_of("stock") == job_id
    assert two.workspace.jobs.names() == ["other", "stock"]


def test_a_job_of_the_name_with_other_tasks_or_of_another_project_is_another_job(two: Site):
    by_hand(two, "third", tasks=[{"task_key": "other", "notebook_task": {"notebook_path": "/Workspace/a"}}])
    by_hand(two, "fourth", tags={SCOPE_TAG: "bundle:else:dev", KEY_TAG: "fourth"})
    for name in ("third", "fourth"):
        two.module(name)

    assert deployed(two).all_problems == ()

    assert sorted(two.workspace.jobs.names()) == ["fourth", "fourth", "other", "stock", "third", "third"]


def test_a_recorded_job_without_tags_and_name_is_refused_and_taken_over_by_the_line_it_names(two: Site):
    job_id = two.id_of("stock")
    two.workspace.jobs.edit(job_id, tags={}, name="somebody renamed it")
    two.changes()

    with pytest.raises(PolicyRefused, match=f"stock: job {job_id} "):
        deployed(two)
    assert two.changes() == {}
    say(two, "stock", f"adopt: {{dev: {job_id}}}")

    assert deployed(two, overwriting=True).all_problems == ()

    assert two.id_of("stock") == job_id
    assert two.workspace.jobs.names() == ["other", "stock"]
