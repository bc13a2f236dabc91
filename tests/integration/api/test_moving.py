"""Imports, pulls and unpausing from Python: they do what the commands do, and print nothing."""

from __future__ import annotations

import pytest

from fakes.workspace import FakeWorkspace
from lakeflow_job_meta import (
    ConfigError,
    deploy,
    import_bundle,
    import_jobs,
    import_jobs_meta,
    load_project,
    pull,
    unpause,
)
from lakeflow_job_meta.deployment.jobs_api.client import JobsClient
from lakeflow_job_meta.workspace.client import Workspace
from support.project_folder import ProjectFolder

pytest_plugins = ["support.workspace_fixtures"]

NOTEBOOK = {"notebook_task": {"notebook_path": "/Workspace/Shared/a", "source": "WORKSPACE"}}
SCHEDULE = '{quartz_cron_expression: "0 0 2 * * ?", timezone_id: UTC}'
NIGHTLY = f"""\
modules:
  - module_name: nightly
    job_config: {{max_concurrent_runs: 2, schedule: {SCHEDULE}}}
    sources:
      - source_id: load
        execution_order: 1
        transformation_config: {{notebook_path: /Workspace/Shared/a}}
"""


class TestImports:
    def test_live_jobs_become_modules_that_take_them_over(self, project: ProjectFolder, connection: Workspace):
        job_id = JobsClient(connection).create({"name": "sales", "tasks": [{"task_key": "a", **NOTEBOOK}]})

        planned = import_jobs(load_project(project.path), [job_id], target="dev", dry_run=True, workspace=connection)
        assert (planned.is_exact, project.everything().get("metadata/imported/sales.yml")) == (True, None)
        import_jobs(load_project(project.path), names=["sal*"], target="dev", workspace=connection)

        assert f"dev: {job_id}" in project.read("metadata/imported/sales.yml")

    def test_ids_and_names_exclude_each_other(self, project: ProjectFolder, connection: Workspace):
        with pytest.raises(ConfigError, match="not both"):
            import_jobs(load_project(project.path), [1], names=["*"], workspace=connection)

    def test_jobs_of_the_bundles_files_leave_them(self, project: ProjectFolder):
        job = "resources: {jobs: {hand: {tasks: [{task_key: a, notebook_task: {notebook_path: /Workspace/a}}]}}}\n"
        file = project.write("resources/hand.yml", job.replace("{jobs", "\n  {jobs"))

        found = import_bundle(load_project(project.path), [str(file)])

        assert [module.name for module in found.modules] == ["hand"]
        assert "module_name: hand" in project.read("metadata/imported/hand.yml")

    def test_metadata_of_the_successor_becomes_modules(self, project: ProjectFolder):
        text = "jobs: {plain: {tasks: [{task_key: a, task_type: notebook, file_path: /Workspace/a}]}}\n"
        file = project.write("old/m.yml", text)

        found = import_jobs_meta(load_project(project.path), [str(file)], to=project.path / "metadata" / "old")

        assert [module.label for module in found.modules] == ["metadata/old/plain.yml"]


class TestOfTheWorkspace:
    @pytest.fixture
    def deployed(self, project: ProjectFolder, connection: Workspace) -> ProjectFolder:
        project.write("metadata/nightly.yml", NIGHTLY)
        assert deploy(load_project(project.path), "dev", backend="jobs-api", workspace=connection).all_problems == ()
        return project

    def test_an_edit_is_pulled_to_where_the_value_came_from(
        self, deployed: ProjectFolder, connection: Workspace, workspace: FakeWorkspace
    ):
        workspace.jobs.edit(workspace.jobs.by_name("nightly").job_id, max_concurrent_runs=7)
        project = load_project(deployed.path)

        shown = pull(project, "dev", ["nightly"], dry_run=True, backend="jobs-api", workspace=connection)
        assert deployed.read("metadata/nightly.yml") == NIGHTLY
        done = pull(project, "dev", backend="jobs-api", workspace=connection)

        assert [each.edit.name for each in shown.pulled] == ["max_concurrent_runs"]
        assert (done.left, done.files) == ((), ("metadata/nightly.yml",))
        assert deployed.read("metadata/nightly.yml") == NIGHTLY.replace(
            "max_concurrent_runs: 2", "max_concurrent_runs: 7"
        )

    def test_a_paused_job_runs_again(self, deployed: ProjectFolder, connection: Workspace, workspace: FakeWorkspace):
        job = workspace.jobs.by_name("nightly")
        workspace.jobs.edit(job.job_id, schedule={**job.settings["schedule"], "pause_status": "PAUSED"})

        (started,) = unpause(load_project(deployed.path), "dev", backend="jobs-api", workspace=connection)

        assert (started.job.key, started.starts) == ("nightly", ("schedule",))
        assert workspace.jobs.by_name("nightly").settings["schedule"]["pause_status"] == "UNPAUSED"

    @pytest.mark.parametrize("function", [pull, unpause])
    def test_a_module_that_is_not_there_is_an_error(self, deployed: ProjectFolder, connection: Workspace, function):
        with pytest.raises(ConfigError, match="There is no module 'nighty'; did you mean 'nightly'"):
            function(load_project(deployed.path), "dev", ["nighty"], backend="jobs-api", workspace=connection)
