"""What is wrong with a job that could be built: one test for each kind of mistake."""

from __future__ import annotations

import json

import pytest

from support.project_folder import Problem, ProjectFolder

GIT = {"git_source": {"git_url": "https://x.y/z", "git_provider": "gitHub", "git_branch": "main"}}
NOTEBOOK = {"notebook_path": "/Workspace/a"}


@pytest.fixture
def problems_of(project: ProjectFolder):
    """Returns what is said of a module with one task, or several by their sources' ids."""

    def validate(task: dict, job_config: dict | None = None, **more: dict) -> list[Problem]:
        sources = [
            {"source_id": name, "execution_order": number, "transformation_config": config}
            for number, (name, config) in enumerate({"a": task, **more}.items())
        ]
        module = {"module_name": "sales", "job_config": job_config or {}, "sources": sources}
        project.write("metadata/sales.yml", json.dumps({"modules": [module]}))
        return project.ljm("validate").problems

    return validate


def codes(problems: list[Problem]) -> list[str]:
    return [problem.code for problem in problems]


class TestRepositories:
    @pytest.mark.parametrize(
        "task",
        [
            NOTEBOOK,
            {"notebook_task": {"notebook_path": "/Workspace/a", "source": "GIT"}},
            {"sql_task": {"warehouse_id": "w", "file": {"path": "/Workspace/a.sql"}}},
            {"spark_python_task": {"python_file": "/a.py", "source": "GIT"}, "existing_cluster_id": "c"},
            {"for_each_task": {"inputs": "[1]", "task": NOTEBOOK}},
        ],
    )
    def test_a_path_in_a_repository_is_not_absolute(self, problems_of, task):
        assert codes(problems_of(task, GIT)) == ["git-source"]

    @pytest.mark.parametrize(
        "task",
        [
            {"notebook_path": "a"},
            {"notebook_task": {"notebook_path": "/Workspace/a", "source": "WORKSPACE"}},
            {"spark_python_task": {"python_file": "/Workspace/a.py"}, "existing_cluster_id": "c"},
            {"spark_python_task": {"python_file": "s3://b/a.py"}, "existing_cluster_id": "c"},
            {"sql_task": {"warehouse_id": "w", "sql_query": "SELECT 1"}},
            {"alert_task": {"alert_id": "a", "workspace_path": "/Workspace/a"}},
        ],
    )
    def test_a_file_of_the_workspace_may_be_named_in_a_job_of_a_repository(self, problems_of, task):
        assert problems_of(task, GIT) == []

    def test_a_source_in_a_repository_needs_one(self, problems_of):
        assert codes(problems_of({"notebook_task": {"notebook_path": "a", "source": "GIT"}})) == ["git-source"]

    @pytest.mark.parametrize("second", ["git_tag", "git_commit"])
    def test_a_repository_has_one_version(self, problems_of, second):
        git = {"git_source": {**GIT["git_source"], second: "x"}}
        assert codes(problems_of({"notebook_path": "a"}, git)) == ["git-source"]


class TestReferences:
    def parameters(self, reference: str) -> dict:
        return {**NOTEBOOK, "base_parameters": {"n": reference}}

    @pytest.mark.parametrize(
        "reference", ["{{tasks.`first`.values.n}}", "{{ tasks.first.values.n }}", "{{job.parameters.`run-date`}}"]
    )
    def test_names_may_stand_in_backticks(self, problems_of, reference):
        declared = {"parameters": [{"name": "run-date", "default": "x"}]}
        assert problems_of(NOTEBOOK, declared, first=NOTEBOOK, second=self.parameters(reference)) == []

    @pytest.mark.parametrize(
        ("reference", "code"),
        [
            ("{{tasks.`frist`.values.n}}", "not-upstream"),
            ("{{tasks.`second`.values.n}}", "not-upstream"),
            ("{{job.parameters.`run date`}}", "unknown-parameter"),
        ],
    )
    def test_names_in_backticks_are_followed(self, problems_of, reference, code):
        declared = {"parameters": [{"name": "run-date", "default": "x"}]}
        assert codes(problems_of(NOTEBOOK, declared, first=self.parameters(reference), second=NOTEBOOK)) == [code]

    @pytest.mark.parametrize("source_id", ["load_${bundle.target}", "${var.warehouse_id}"])
    def test_a_bundle_reference_in_a_source_id_would_be_lost(self, problems_of, source_id):
        assert codes(problems_of(NOTEBOOK, **{source_id: NOTEBOOK})) == ["unusable-name"]


class TestNames:
    @pytest.mark.parametrize(
        ("setting", "item"),
        [
            ("parameters", {"name": "day", "default": "x"}),
            ("job_clusters", {"job_cluster_key": "c", "new_cluster": {"spark_version": "x", "num_workers": 1}}),
            ("environments", {"environment_key": "e", "spec": {"environment_version": "4"}}),
        ],
    )
    def test_what_the_cli_merges_by_its_name_is_given_once(self, problems_of, setting, item):
        assert codes(problems_of(NOTEBOOK, {setting: [item, item]})) == ["duplicate-key"]

    @pytest.mark.parametrize("name", ["source_id", "day"])
    def test_a_parameter_of_the_job_hides_one_of_a_task(self, problems_of, name):
        task = {**NOTEBOOK, "base_parameters": {"day": "monday"}}
        (problem,) = problems_of(task, {"parameters": [{"name": name, "default": "x"}]})
        assert (problem.code, problem.severity) == ("hidden-parameter", "warning")
        assert repr(name) in problem.message

    def test_a_parameter_of_the_job_that_a_task_passes_on_hides_nothing(self, problems_of):
        task = {**NOTEBOOK, "base_parameters": {"day": "{{job.parameters.day}}"}}
        assert problems_of(task, {"parameters": [{"name": "day", "default": "x"}]}) == []
