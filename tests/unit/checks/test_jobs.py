"""What is wrong with a job that could be built: one test for each kind of mistake."""

from __future__ import annotations

import json

import pytest

from support.project_folder import Problem, ProjectFolder, module

GIT = {"git_source": {"git_url": "https://x.y/z", "git_provider": "gitHub", "git_branch": "main"}}
NOTEBOOK = {"notebook_path": "/Workspace/a"}
SERVERLESS = {"environments": [{"environment_key": "e", "spec": {"environment_version": "4"}}]}


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

    @pytest.mark.parametrize("name", [{"a": "b"}, ["a"], 1])
    def test_a_name_that_is_no_text_is_reported_as_one(self, problems_of, name):
        parameter = {"name": name, "default": "x"}
        assert codes(problems_of(NOTEBOOK, {"parameters": [parameter, parameter]})) == ["wrong-type", "wrong-type"]

    @pytest.mark.parametrize("name", ["source_id", "day"])
    def test_a_parameter_of_the_job_hides_one_of_a_task(self, problems_of, name):
        task = {**NOTEBOOK, "base_parameters": {"day": "monday"}}
        (problem,) = problems_of(task, {"parameters": [{"name": name, "default": "x"}]})
        assert (problem.code, problem.severity) == ("hidden-parameter", "warning")
        assert repr(name) in problem.message

    def test_a_parameter_of_the_job_that_a_task_passes_on_hides_nothing(self, problems_of):
        task = {**NOTEBOOK, "base_parameters": {"day": "{{job.parameters.day}}"}}
        assert problems_of(task, {"parameters": [{"name": "day", "default": "x"}]}) == []


OWNER = {"level": "IS_OWNER", "user_name": "a@b.c"}
CLUSTER = {"spark_version": "16.4.x-scala2.12", "node_type_id": "i3.xlarge", "num_workers": 0}
SINGLE = {"spark.databricks.cluster.profile": "singleNode", "spark.master": "local[*]"}
ENVIRONMENTS = {"environments": [{"environment_key": "e", "spec": {"environment_version": "4"}}]}
LOOP = {"inputs": "[1]", "task": NOTEBOOK}
HOOK = {"id": "x"}


class TestCombinations:
    @pytest.mark.parametrize(
        ("task", "job_config"),
        [
            ({"dbt_task": {"commands": ["dbt deps", "run"]}, "existing_cluster_id": "c"}, {}),
            ({"for_each_task": {"inputs": "[1]", "task": {"for_each_task": LOOP}}}, {}),
            ({"for_each_task": {**LOOP, "inputs": "a, b"}}, {}),
            ({"for_each_task": {**LOOP, "inputs": '{"a": 1}'}}, {}),
            ({"for_each_task": LOOP, "max_retries": 1}, {}),
            ({"for_each_task": LOOP, "libraries": [{"pypi": {"package": "x"}}]}, {}),
            ({**NOTEBOOK, "environment_key": "e", "libraries": [{"pypi": {"package": "x"}}]}, ENVIRONMENTS),
            ({"sql_task": {"warehouse_id": "w", "sql_query": "SELECT 1"}, "environment_key": "e"}, ENVIRONMENTS),
            (NOTEBOOK, {"permissions": [OWNER, OWNER]}),
            (NOTEBOOK, {"permissions": [{"level": "IS_OWNER", "group_name": "g"}]}),
            (NOTEBOOK, {"permissions": [{"level": "CAN_VIEW"}]}),
            (NOTEBOOK, {"permissions": [{"level": "CAN_VIEW", "group_name": "g", "user_name": "a@b.c"}]}),
            (NOTEBOOK, {"continuous": {"pause_status": "PAUSED"}, "max_concurrent_runs": 2}),
            ({**NOTEBOOK, "max_retries": 1}, {"continuous": {"pause_status": "PAUSED"}}),
        ],
    )
    def test_what_databricks_refuses_together_is_reported_once(self, problems_of, task, job_config):
        (problem,) = problems_of(task, job_config)
        assert (problem.code, problem.severity) == ("conflicting-settings", "error")

    @pytest.mark.parametrize(
        ("task", "job_config"),
        [
            ({"dbt_task": {"commands": ["dbt deps", "${var.warehouse_id}"]}, "existing_cluster_id": "c"}, {}),
            (
                {"for_each_task": {**LOOP, "inputs": "{{job.parameters.day}}"}},
                {"parameters": [{"name": "day", "default": "[1]"}]},
            ),
            ({"for_each_task": {**LOOP, "task": {**NOTEBOOK, "max_retries": 1}}}, {}),
            ({**NOTEBOOK, "environment_key": "e"}, ENVIRONMENTS),
            (NOTEBOOK, {"permissions": [OWNER, {"level": "CAN_MANAGE", "group_name": "g"}]}),
            (NOTEBOOK, {"continuous": {"pause_status": "PAUSED"}, "max_concurrent_runs": 1}),
        ],
    )
    def test_what_databricks_takes_is_not(self, problems_of, task, job_config):
        assert problems_of(task, job_config) == []

    def test_tasks_of_a_continuous_job_do_not_wait(self, problems_of):
        assert codes(problems_of(NOTEBOOK, {"continuous": {}}, b=NOTEBOOK)) == ["conflicting-settings"]

    @pytest.mark.parametrize("more", [{}, {"spark_conf": SINGLE}, {"custom_tags": {"ResourceClass": "SingleNode"}}])
    def test_a_cluster_without_workers_is_a_single_node(self, problems_of, more):
        cluster = {**CLUSTER, **more}
        assert codes(problems_of({**NOTEBOOK, "new_cluster": cluster})) == ["no-workers"]
        shared = {"job_clusters": [{"job_cluster_key": "c", "new_cluster": cluster}]}
        assert codes(problems_of({**NOTEBOOK, "job_cluster_key": "c"}, shared)) == ["no-workers"]

    @pytest.mark.parametrize(
        "more",
        [
            {"spark_conf": SINGLE, "custom_tags": {"ResourceClass": "SingleNode"}},
            {"is_single_node": True},
            {"policy_id": "p"},
            {"num_workers": 1},
        ],
    )
    def test_a_single_node_or_one_by_a_policy_is_right(self, problems_of, more):
        assert problems_of({**NOTEBOOK, "new_cluster": {**CLUSTER, **more}}) == []

    def test_two_kinds_of_one_trigger_are_reported(self, problems_of):
        trigger = {"file_arrival": {"url": "/Volumes/a/b/c"}, "periodic": {"interval": 1, "unit": "HOURS"}}
        assert codes(problems_of(NOTEBOOK, {"trigger": trigger})) == ["several-triggers"]

    def test_more_webhooks_than_allowed_are_reported(self, problems_of):
        hooks = {"webhook_notifications": {"on_failure": [HOOK] * 4, "on_start": [HOOK] * 3}}
        assert codes(problems_of(NOTEBOOK, hooks)) == ["too-much"]
        assert codes(problems_of({**NOTEBOOK, **hooks})) == ["too-much"]


class TestWhatIsWritten:
    def test_a_list_of_inputs_is_written_as_json(self, problems_of, project):
        assert problems_of({"for_each_task": {**LOOP, "inputs": ["ä", 1]}}) == []
        (job,) = project.compile().jobs
        assert job.settings["tasks"][0]["for_each_task"]["inputs"] == '["ä", 1]'

    def test_a_git_provider_is_written_as_the_api_returns_it(self, problems_of, project):
        git = {"git_source": {**GIT["git_source"], "git_provider": "github"}}
        assert problems_of({"notebook_path": "a"}, git) == []
        (job,) = project.compile().jobs
        assert job.settings["git_source"]["git_provider"] == "gitHub"

    @pytest.mark.parametrize("name", ["format", "job_id", "creator_user_name", "edit_mode", "deployment", "has_more"])
    def test_what_only_databricks_sets_is_left_out_with_a_warning(self, problems_of, project, name):
        (problem,) = problems_of(NOTEBOOK, {name: "MULTI_TASK"})
        assert (problem.code, problem.severity) == ("output-only", "warning")
        (job,) = project.compile().jobs
        assert name not in job.settings
        project.write("job_meta.yml", f"allow_unknown: [job.{name}]\n")
        assert problems_of(NOTEBOOK, {name: "MULTI_TASK"}) == []
        (job,) = project.compile().jobs
        assert job.settings[name] == "MULTI_TASK"

    @pytest.mark.parametrize(
        "task",
        [
            {"for_each_task": LOOP},
            {"condition_task": {"op": "EQUAL_TO", "left": "a", "right": "b"}},
            {"run_job_task": {"job_id": 5}},
        ],
    )
    def test_retries_by_default_do_not_reach_tasks_that_only_start_others(self, problems_of, project, task):
        project.write("job_meta.yml", "defaults: {task: {max_retries: 2}}\n")
        assert problems_of(task, b=NOTEBOOK) == []
        (job,) = project.compile().jobs
        assert [each.get("max_retries") for each in job.settings["tasks"]] == [None, 2]


class TestBundle:
    @pytest.mark.parametrize(
        "reference",
        ["${bundle.nosuch}", "${workspace.filepath}", "${resources.jobs.sales.id}", "{{input}}", "{{input.x}}"],
    )
    def test_a_reference_to_what_is_never_there_is_reported(self, problems_of, reference):
        task = {**NOTEBOOK, "base_parameters": {"x": reference}}
        assert codes(problems_of(task)) == ["unknown-reference"]

    @pytest.mark.parametrize(
        "reference",
        ["${bundle.git.branch}", "${workspace.current_user.short_name}", "${bundle.target}", "${workspace.root_path}"],
    )
    def test_what_a_bundle_knows_of_itself_may_be_referred_to(self, problems_of, reference):
        assert problems_of({**NOTEBOOK, "base_parameters": {"x": reference}}) == []

    def test_a_module_to_run_that_nobody_has_is_reported_once(self, problems_of):
        runs = {"run_job_task": {"module_name": "nowhere"}}
        assert codes(problems_of(runs)) == ["unknown-module"]
        assert codes(problems_of({"for_each_task": {**LOOP, "task": runs}})) == ["unknown-module"]
        assert codes(problems_of({"run_job_task": {"job_id": "${resources.jobs.nowhere.id}"}})) == ["unknown-reference"]

    def test_the_item_of_a_loop_may_be_referred_to_inside_it(self, problems_of):
        task = {**NOTEBOOK, "base_parameters": {"x": "{{input.x}}"}}
        assert problems_of({"for_each_task": {**LOOP, "task": task}}) == []

    def test_the_key_of_another_resource_of_the_bundle_is_taken(self, problems_of, project):
        project.write("databricks.yml", project.read("databricks.yml") + "resources: {pipelines: {sales: {name: x}}}\n")
        assert codes(problems_of(NOTEBOOK)) == ["job-key-collision"]

    def test_an_override_of_the_job_does_not_take_its_key(self, problems_of, project):
        project.write("databricks.yml", project.read("databricks.yml") + "resources: {jobs: {sales: {name: x}}}\n")
        assert problems_of(NOTEBOOK) == []

    VARIABLES = """\
bundle: {name: x}
variables:
  text: {default: a}
  unset: {description: no value}
  listed: {default: [{whl: /Workspace/a.whl}], type: complex}
  plainly: {default: [a]}
  by_target: {type: complex}
  map: {default: {a: b, c: [d]}, type: complex}
"""

    @pytest.mark.parametrize(
        ("setting", "value", "right"),
        [
            ("libraries", "${var.listed}", True),
            ("libraries", "${var.plainly}", True),
            ("libraries", "${var.by_target}", True),
            ("libraries", "${var.map.c}", True),
            ("libraries", "${resources.pipelines.p.libraries}", True),
            ("libraries", "${var.text}", False),
            ("libraries", "${var.unset}", False),
            ("libraries", "${bundle.name}", False),
            ("libraries", ["${var.text}"], False),
            ("libraries", ["${var.map}"], True),
            ("health", "${var.text}", False),
            ("health", "${var.map}", True),
            ("max_retries", "${var.text}", True),
            ("max_retries", "${var.map.a}", True),
            ("max_retries", "${var.map}", False),
            ("description", "${var.listed}", False),
            ("description", "${bundle.name}", True),
        ],
    )
    def test_a_reference_that_is_a_whole_setting_has_its_type(self, problems_of, project, setting, value, right):
        project.write("databricks.yml", f"{self.VARIABLES}resources: {{pipelines: {{p: {{name: x}}}}}}\n")
        found = problems_of({**NOTEBOOK, "existing_cluster_id": "x", setting: value})
        assert codes(found) == ([] if right else ["wrong-type"])

    @pytest.mark.parametrize("text", ["{{job.parameters.x}}", "{{input}}", "a ${var.text}"])
    def test_any_other_text_is_no_list(self, problems_of, project, text):
        project.write("databricks.yml", self.VARIABLES)
        found = problems_of(
            {**NOTEBOOK, "existing_cluster_id": "x", "libraries": text}, {"parameters": [{"name": "x"}]}
        )
        assert "wrong-type" in codes(found)

    def test_the_inputs_of_a_loop_are_text_for_databricks(self, problems_of, project):
        project.write("databricks.yml", self.VARIABLES)
        assert problems_of({"for_each_task": {**LOOP, "inputs": "${var.text}"}}) == []
        assert codes(problems_of({"for_each_task": {**LOOP, "inputs": "${var.listed}"}})) == ["wrong-type"]


class TestAnchors:
    MODULE = (
        "modules: [{module_name: m, sources: [{source_id: a, execution_order: 1, transformation_config: *config}]}]\n"
    )

    @pytest.mark.parametrize(
        "holder", ["common: &config {notebook_path: /a}\n", "common:\n  one: [&config {notebook_path: /a}]\n"]
    )
    def test_a_key_that_only_holds_anchors_may_stand_at_the_top_of_a_file(self, project, holder):
        project.write("metadata/a.yml", holder + self.MODULE)
        assert project.ljm("validate").problems == []

    def test_another_key_is_unknown_also_beside_one(self, project):
        project.write("metadata/a.yml", "common: &config {notebook_path: /a}\nother: &x {a: b}\n" + self.MODULE)
        (problem,) = project.ljm("validate").problems
        assert "'other'" in problem.message


class TestFiles:
    @pytest.mark.parametrize("content", ["{", "[]", '{"cells": [], "metadata": {}, "nbformat": 3}', '{"cells": []}'])
    def test_a_jupyter_notebook_is_one(self, problems_of, project, content):
        project.write("a.ipynb", content)
        assert codes(problems_of({"notebook_path": "a.ipynb"})) == ["not-a-notebook"]
        project.write("a.ipynb", '{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')
        assert problems_of({"notebook_path": "a.ipynb"}) == []

    def test_a_jupyter_notebook_with_a_byte_order_mark_is_none(self, problems_of, project):
        project.write("a.ipynb", '\ufeff{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')
        assert codes(problems_of({"notebook_path": "a.ipynb"})) == ["not-a-notebook"]

    @pytest.mark.parametrize("name", ["a.ipynb", "a.sql", "a.scala"])
    @pytest.mark.parametrize("kind", ["sql_task", "spark_python_task"])
    def test_a_notebook_of_any_language_is_no_plain_file(self, problems_of, project, name, kind):
        project.write(name, f"{ {'a.sql': '--', 'a.scala': '//'}.get(name, '#') } Databricks notebook source\n")
        tasks = {
            "sql_task": {"sql_task": {"warehouse_id": "w", "sql_file_path": name}},
            "spark_python_task": {"spark_python_task": {"python_file": name}, "environment_key": "e"},
        }
        assert codes(problems_of(tasks[kind], SERVERLESS)) == ["not-a-notebook"]

    def test_a_notebook_with_a_byte_order_mark_is_none(self, problems_of, project):
        project.write("a.py", "\ufeff# Databricks notebook source\n")
        (problem,) = problems_of({"notebook_path": "a.py"})
        assert problem.code == "not-a-notebook"
        assert "byte order mark" in problem.message

    def test_a_sql_file_that_is_a_notebook_is_reported(self, problems_of, project):
        project.write("a.sql", "-- Databricks notebook source\nSELECT 1\n")
        assert codes(problems_of({"sql_task": {"warehouse_id": "w", "sql_file_path": "a.sql"}})) == ["not-a-notebook"]


class TestPathsInVariables:
    """The databricks CLI takes what a variable holds as relative to the file of the reference: a generated one."""

    @pytest.fixture
    def told(self, problems_of, project):
        def validate(value: str, task: dict, job_config: dict | None = None, targets: str = "") -> list[Problem]:
            bundle = f"bundle: {{name: x}}\nvariables: {{dir: {{default: {json.dumps(value)}}}}}\n{targets}"
            project.write("databricks.yml", bundle)
            project.write("src/load.py", "# Databricks notebook source\n")
            project.write("src/plain.py", "print(1)\n")
            project.write("src/requirements.txt", "")
            return problems_of({"environment_key": "e", **task}, {**SERVERLESS, **(job_config or {})})

        return validate

    @pytest.mark.parametrize("value", ["./src", "src", "lib/../src"])
    def test_one_that_is_meant_from_the_project_folder_is_told_how_to_write_it(self, told, value):
        (problem,) = told(value, {"spark_python_task": {"python_file": "${var.dir}/plain.py"}})
        assert problem.code == "missing-file"
        assert "'resources/jobs/src/plain.py', and not there" in problem.message
        assert problem.message.endswith("for a path from the project folder write './${var.dir}/plain.py'")
        assert told(value, {"spark_python_task": {"python_file": "./${var.dir}/plain.py"}}) == []

    @pytest.mark.parametrize("value", ["../../src", "/Workspace/src", "dbfs:/src", "${workspace.file_path}/src", ""])
    def test_one_that_the_cli_finds_or_that_is_not_in_the_project_is_left_alone(self, told, value):
        assert told(value, {"spark_python_task": {"python_file": "${var.dir}/plain.py"}}) == []

    @pytest.mark.parametrize(
        ("dependency", "right"),
        [
            ("-r ${var.dir}/requirements.txt", "-r ./${var.dir}/requirements.txt"),
            ("${var.dir}/a.whl", "./${var.dir}/a.whl"),
        ],
    )
    def test_dependencies_are_looked_at_too(self, told, dependency, right):
        def job(text: str) -> dict:
            spec = {"environment_version": "4", "dependencies": [text]}
            return {"environments": [{"environment_key": "e", "spec": spec}]}

        (problem,) = told("./src", NOTEBOOK, job(dependency))
        assert repr(right) in problem.message
        assert told("./src", NOTEBOOK, job(right)) == []
        assert told("pandas", NOTEBOOK, job("${var.dir}==2.0")) == []

    def test_the_name_of_the_target_is_never_an_absolute_path(self, told):
        (problem,) = told("x", {"notebook_path": "${bundle.target}/load.py"})
        assert problem.code == "missing-file"
        assert problem.message.endswith("write './${bundle.target}/load.py'")
        for right in ("./${bundle.target}/load.py", "${bundle.target}/../../../src/load.py"):
            assert told("x", {"notebook_path": right}) == []

    def test_a_job_of_a_repository_gets_no_path_of_the_project(self, told):
        notebook = {"notebook_task": {"notebook_path": "${var.dir}/load", "source": "WORKSPACE"}}
        (problem,) = told("./src", notebook, GIT)
        assert "which is not translated" in problem.message

    def test_the_value_of_each_target_counts(self, told):
        targets = "targets: {dev: {}, prod: {variables: {dir: ./src}}}\n"
        task = {"spark_python_task": {"python_file": "${var.dir}/plain.py"}}
        assert codes(told("../../src", task, targets=targets)) == ["missing-file"]
        both = "targets: {dev: {}, prod: {variables: {dir: {default: /Workspace/src}}}}\n"
        assert told("../../src", task, targets=both) == []

    def test_a_value_of_the_environment_or_of_the_overrides_file_wins(self, told, project, monkeypatch):
        task = {"spark_python_task": {"python_file": "${var.dir}/plain.py"}}
        assert codes(told("./src", task)) == ["missing-file"]
        monkeypatch.setenv("BUNDLE_VAR_dir", "/Workspace/src")
        assert told("./src", task) == []
        monkeypatch.delenv("BUNDLE_VAR_dir")
        targets = "targets: {dev: {}}\n"
        project.write(".databricks/bundle/dev/variable-overrides.json", '{"dir": "/Workspace/src"}')
        assert told("./src", task, targets=targets) == []


USES_VARIABLE = {"sql_task": {"warehouse_id": "${var.w}", "sql_query": "SELECT 1"}}


class TestPlaceholdersInVariables:
    def bundle(self, project, variable: str, targets: str = "{dev: {}, prod: {}}") -> None:
        project.write("databricks.yml", f"bundle: {{name: x}}\nvariables:\n  w: {variable}\ntargets: {targets}\n")

    @pytest.mark.parametrize(
        "value",
        ["your-warehouse-id", "<warehouse>", "TODO", "changeme", "REPLACE_ME", "xxx", "xxxxxxxx", "Your warehouse id"],
    )
    def test_an_id_that_is_one_in_every_target_is_an_error_at_the_variable(self, problems_of, project, value):
        self.bundle(project, f"{{default: {json.dumps(value)}}}")
        (problem,) = problems_of(USES_VARIABLE)
        assert (problem.code, problem.severity, problem.place) == ("placeholder", "error", "databricks.yml:3:16")
        assert f"'w', used by 'sales', is still the placeholder {value!r}" in problem.message
        assert project.ljm("generate").exit_code == 1

    def test_each_variable_is_reported_once_for_all_jobs(self, problems_of, project):
        self.bundle(project, "{default: xxx}")
        assert codes(problems_of(USES_VARIABLE, second=USES_VARIABLE)) == ["placeholder"]

    @pytest.mark.parametrize("variable", ["{default: abc}", "{description: x}", "{lookup: {warehouse: your-x}}"])
    def test_a_value_or_none_at_all_is_fine(self, problems_of, project, variable):
        self.bundle(project, variable)
        assert problems_of(USES_VARIABLE) == []

    def test_a_variable_that_no_job_uses_is_not_looked_at(self, problems_of, project):
        self.bundle(project, "{default: xxx}")
        assert problems_of(NOTEBOOK) == []

    def test_what_is_no_id_may_be_meant(self, problems_of, project):
        self.bundle(project, "{default: todo_items}")
        (problem,) = problems_of({**NOTEBOOK, "base_parameters": {"table": "${var.w}"}})
        assert (problem.code, problem.severity) == ("placeholder", "warning")

    def test_a_target_with_a_real_id_can_be_deployed(self, problems_of, project):
        self.bundle(project, "{default: xxx}", "{dev: {}, prod: {variables: {w: abc}}}")
        (problem,) = problems_of(USES_VARIABLE)
        assert problem.severity == "warning"
        assert "'xxx' in 'dev';" in problem.message
        self.bundle(
            project, "{default: xxx}", "{dev: {variables: {w: {lookup: {warehouse: x}}}}, prod: {variables: {w: abc}}}"
        )
        assert problems_of(USES_VARIABLE) == []

    def test_the_placeholder_of_a_target_is_reported_there(self, problems_of, project):
        self.bundle(project, "{default: abc}", "{dev: {}, prod: {variables: {w: <id>}}}")
        (problem,) = problems_of(USES_VARIABLE)
        assert (problem.severity, problem.place) == ("warning", "databricks.yml:4:42")

    def test_the_environment_may_give_the_real_one(self, problems_of, project, monkeypatch):
        self.bundle(project, "{default: xxx}")
        monkeypatch.setenv("BUNDLE_VAR_w", "abc")
        assert problems_of(USES_VARIABLE) == []

    @pytest.mark.parametrize(
        ("setting", "told"), [("{placeholder: warning}", ["warning"]), ("{placeholder: 'off'}", [])]
    )
    def test_the_project_file_may_say_how_bad_it_is(self, problems_of, project, setting, told):
        self.bundle(project, "{default: xxx}")
        project.write("job_meta.yml", f"checks: {setting}\n")
        assert [problem.severity for problem in problems_of(USES_VARIABLE)] == told


class TestTags:
    @pytest.mark.parametrize(
        ("number", "bundle", "added"),
        [
            (25, "targets: {dev: {}}", None),
            (24, "targets: {dev: {mode: development}}", None),
            (25, "targets: {dev: {mode: development}}", "'dev' the bundle adds 'dev';"),
            (25, "targets: {prod: {mode: production}}", None),
            (24, "presets: {tags: {a: b}}\ntargets: {dev: {}}", None),
            (
                24,
                "presets: {tags: {a: b}}\ntargets: {dev: {presets: {tags: {c: d}}}}",
                "'dev' the bundle adds 'a', 'c';",
            ),
            (25, "presets: {tags: {tag0: b}}\ntargets: {dev: {}}", None),
            (25, "targets: {dev: {resources: {jobs: {sales: {tags: {a: b}}}}}}", "'dev' the bundle adds 'a';"),
            (
                0,
                f"presets: {{tags: {json.dumps({f'p{n}': '' for n in range(26)})}}}\ntargets: {{dev: {{}}}}",
                "and 23 more",
            ),
        ],
    )
    def test_those_that_the_bundle_adds_are_counted_too(self, problems_of, project, number, bundle, added):
        project.write("databricks.yml", f"bundle: {{name: x}}\n{bundle}\n")
        found = problems_of(NOTEBOOK, {"tags": {f"tag{n}": "" for n in range(number)}} if number else {})
        assert codes(found) == ([] if added is None else ["too-much"])
        assert all(str(added) in problem.message for problem in found)

    def test_a_target_that_the_module_is_not_for_does_not_count(self, project):
        project.write("databricks.yml", "bundle: {name: x}\ntargets: {dev: {mode: development}, prod: {}}\n")
        tags = json.dumps({f"tag{number}": "" for number in range(25)})
        text = module().replace("    sources:", f"    targets: [prod]\n    job_config: {{tags: {tags}}}\n    sources:")
        assert project.problems(text) == []


@pytest.mark.parametrize("wrong", ["oops", "bare", "1,"])
def test_inputs_of_a_loop_show_where_they_are_no_json(problems_of, wrong):
    items = ", ".join(f'"item {number}"' for number in range(50))
    (problem,) = problems_of({"for_each_task": {**LOOP, "inputs": f"[{items}, {wrong}]"}})
    assert wrong in problem.message


def test_inputs_of_a_loop_may_be_nested_without_end(problems_of):
    found = codes(problems_of({"for_each_task": {**LOOP, "inputs": "[" * 200_000}}))
    assert found == ["too-much", "conflicting-settings"]


def test_the_file_that_is_missing_is_named_behind_many_folders(problems_of):
    (problem,) = problems_of({"notebook_path": f"notebooks/{'folder/' * 20}ingest.py"})
    assert "/ingest.py' in the project" in problem.message
