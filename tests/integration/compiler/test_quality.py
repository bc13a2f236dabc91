"""`quality` and `expect_no_rows`: the tasks that check rows, what waits for them, and what is wrong with checks."""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lakeflow_job_meta.diagnostics.model import SourceRef
from lakeflow_job_meta.jobs.dependencies import Stages
from lakeflow_job_meta.jobs.quality import with_checking_sources
from lakeflow_job_meta.parsing.model import table_of
from lakeflow_job_meta.parsing.modules import parse_module
from lakeflow_job_meta.parsing.rows import modules_of_rows
from lakeflow_job_meta.parsing.units import RawModule
from lakeflow_job_meta.schema.validator import compare_arguments, dqx_functions
from lakeflow_job_meta.text.yaml_documents import UnreadableDocument
from support.project_folder import ProjectFolder

ORIGIN = SourceRef(UnreadableDocument("test.yml"))

CHECK = {"check": {"function": "is_not_null", "arguments": {"column": "id"}}}
TABLE = {"catalog": "main", "schema": "silver", "table": "orders"}
NOTEBOOK = {"notebook_path": "/Workspace/a"}


def source(source_id: str = "orders", order: int | None = 1, **more: object) -> dict:
    return {
        "source_id": source_id,
        **({} if order is None else {"execution_order": order}),
        "target_config": TABLE,
        "transformation_config": NOTEBOOK,
        **more,
    }


def checked(source_id: str = "orders", order: int | None = 1, **more: object) -> dict:
    return source(source_id, order, quality={"checks": [CHECK]}, **more)


@pytest.fixture
def project(tmp_path) -> ProjectFolder:
    folder = ProjectFolder(tmp_path)
    folder.write("job_meta.yml", "metadata: [{yaml: metadata/}]\ndefaults: {warehouse_id: abc}\n")
    return folder


def write(project: ProjectFolder, *sources: dict, **module: object) -> None:
    modules = [{"module_name": "sales", "sources": list(sources), **module}]
    project.write("metadata/sales.yml", yaml.safe_dump({"modules": modules}, sort_keys=False))


def job_of(project: ProjectFolder, *sources: dict, **module: object) -> dict:
    write(project, *sources, **module)
    (job,) = project.compile().jobs
    return job.settings


def task_of(job: dict, key: str) -> dict:
    return next(task for task in job["tasks"] if task["task_key"] == key)


def edges(job: dict) -> dict[str, list[str]]:
    return {task["task_key"]: [edge["task_key"] for edge in task.get("depends_on", [])] for task in job["tasks"]}


class TestTheTasks:
    def test_what_waited_for_a_source_waits_for_both_of_its_checks_side_by_side(self, project):
        expectation = [{"name": "none", "sql": "SELECT 1 WHERE false"}]
        job = job_of(
            project,
            checked(expect_no_rows=expectation),
            source("by_stage", 2),
            source("by_name", None, depends_on=["orders"]),
        )

        both = ["orders_quality", "orders_expectations"]
        assert edges(job) == {
            "orders": [],
            "orders_quality": ["orders"],
            "orders_expectations": ["orders"],
            "by_stage": both,
            "by_name": both,
        }

    def test_a_source_that_is_switched_off_is_not_checked_and_looked_through(self, project):
        job = job_of(project, checked("first"), checked("off", 2, is_active=False), source("last", 3))

        assert edges(job) == {"first": [], "first_quality": ["first"], "last": ["first_quality"]}

    def test_a_task_without_a_cluster_is_checked_on_serverless_compute(self, project):
        job = job_of(project, checked())

        task = task_of(job, "orders_quality")
        assert task["environment_key"] == "ljm_quality"
        assert task["disable_auto_optimization"] is True
        assert task["notebook_task"]["base_parameters"] == {
            "ljm_module": "sales",
            "ljm_source": "orders",
            "ljm_table": "main.silver.orders",
            "ljm_checks_file": "sales/orders_quality.yml",
            "ljm_checks_table": "",
            "ljm_quarantine": "",
            "ljm_on_error": "stop",
            "ljm_results_table": "",
            "ljm_run_id": "{{job.run_id}}",
            "ljm_target": "${bundle.target}",
        }
        (environment,) = job["environments"]
        assert environment["spec"]["dependencies"] == ["databricks-labs-dqx==0.17.0"]

    @pytest.mark.parametrize("cluster", [{"existing_cluster_id": "1-2"}, {"job_cluster_key": "big"}])
    def test_a_task_on_a_cluster_is_checked_there(self, project, cluster):
        clusters = [{"job_cluster_key": "big", "new_cluster": {"num_workers": 1}}]
        config = {**NOTEBOOK, **cluster}
        job = job_of(project, checked(transformation_config=config), job_config={"job_clusters": clusters})

        task = task_of(job, "orders_quality")
        assert {name: task[name] for name in cluster} == cluster
        assert task["libraries"] == [{"pypi": {"package": "databricks-labs-dqx==0.17.0"}}]
        assert "environments" not in job

    def test_what_a_loop_repeats_says_the_cluster(self, project):
        loop = {"for_each_task": {"inputs": ["a"], "task": {**NOTEBOOK, "existing_cluster_id": "1-2"}}}
        job = job_of(project, checked(transformation_config=loop))

        assert task_of(job, "orders_quality")["existing_cluster_id"] == "1-2"

    def test_an_environment_of_the_same_name_wins(self, project):
        spec = {"environment_version": "3", "dependencies": ["databricks-labs-dqx==0.18.0"]}
        own = [{"environment_key": "ljm_quality", "spec": spec}]
        job = job_of(project, checked(), job_config={"environments": own})

        assert job["environments"] == own

    def test_checks_are_not_tried_again_and_get_all_other_defaults(self, project):
        defaults = "defaults: {task: {max_retries: 3, timeout_seconds: 60, existing_cluster_id: 1-2}}\n"
        project.write("job_meta.yml", f"metadata: [{{yaml: metadata/}}]\n{defaults}")
        task = task_of(job_of(project, checked()), "orders_quality")

        assert (task["timeout_seconds"], task["existing_cluster_id"]) == (60, "1-2")
        assert "max_retries" not in task

    def test_queries_run_on_the_warehouse_of_the_source(self, project):
        config = {"sql_task": {"sql_query": "SELECT 1", "warehouse_id": "own"}}
        expectations = [{"name": "none", "sql": "SELECT 1 WHERE false;\n"}]
        job = job_of(project, source(transformation_config=config, expect_no_rows=expectations))

        assert task_of(job, "orders_expectations")["sql_task"]["warehouse_id"] == "own"
        assert "SELECT 1 WHERE false\n" in project.texts()["sql/sales/orders_expectations.sql"]

    @pytest.mark.parametrize(
        ("control_table", "results"), [("a.b.c", "a.b.c_quality"), ("a.b.`c-d`", "a.b.`c-d_quality`")]
    )
    def test_results_go_beside_the_control_table(self, project, control_table, results):
        project.write("job_meta.yml", f"metadata: [{{yaml: metadata/}}]\ncontrol_table: '{control_table}'\n")
        job = job_of(project, checked())

        parameters = task_of(job, "orders_quality")["notebook_task"]["base_parameters"]
        assert parameters["ljm_results_table"] == results

    def test_a_target_may_go_on_where_others_stop(self, project):
        project.write("databricks.yml", "bundle: {name: x}\ntargets: {dev: {}, prod: {}}\n")
        own = {"dev": {"sources": {"orders": {"quality": {"on_error": "go_on", "checks": [CHECK, CHECK]}}}}}
        write(project, checked(), targets=own)
        (job,) = project.compile().jobs

        texts = {
            target: task_of(job.in_target(target).settings, "orders_quality")["notebook_task"]["base_parameters"]
            for target in ("dev", "prod")
        }
        assert [texts[each]["ljm_on_error"] for each in texts] == ["go_on", "stop"]
        assert [texts[each]["ljm_checks_file"] for each in texts] == [
            "sales/orders_quality_dev.yml",
            "sales/orders_quality.yml",
        ]

    def test_presets_and_blueprints_bring_checks(self, project):
        preset = {"preset": "audit", "match": {"module": "*"}, "sources": [checked("audit", 9)]}
        content = {"metadata": [{"yaml": "metadata/"}], "presets": [preset]}
        project.write("job_meta.yml", yaml.safe_dump(content))
        body = {
            "module_name": "load_${param.table}",
            "sources": [
                source(
                    quality={
                        "table": "main.silver.${param.table}",
                        "checks": "${param.checks}",
                        "checks_table": "main.etl.rules",
                    }
                )
            ],
        }
        parameters = {"table": {"type": "text"}, "checks": {"type": "list", "default": [CHECK]}}
        made = {"blueprints": [{"blueprint": "load", "parameters": parameters, "module": body}]}
        use = {"modules": [{"blueprint": "load", "with": {"table": "x"}}]}
        project.write("metadata/load.yml", yaml.safe_dump({**made, **use}))
        (job,) = project.compile().jobs

        parameters = task_of(job.settings, "orders_quality")["notebook_task"]["base_parameters"]
        assert parameters["ljm_table"] == "main.silver.x"
        assert "audit_quality" in edges(job.settings)
        assert yaml.safe_load(project.texts()["quality/load_x/orders_quality.yml"]) == [CHECK]

    def test_a_parameter_of_a_blueprint_may_be_a_list_by_default(self, project):
        parameters = {"checks": {"type": "list", "default": [CHECK, [1]]}}
        body = {"module_name": "a", "sources": [source(source_config={"all": "${param.checks}"})]}
        made = [{"blueprint": "load", "parameters": parameters, "module": body}]
        text = {"blueprints": made, "modules": [{"blueprint": "load"}]}
        project.write("metadata/load.yml", yaml.safe_dump(text))

        assert project.compile().diagnostics == ()


class TestTheFiles:
    def test_the_notebook_is_there_once_and_goes_with_the_last_job_that_runs_it(self, project):
        write(project, checked())
        assert project.ljm("generate").exit_code == 0
        notebook = project.read("resources/quality/ljm_quality.py").splitlines()
        assert notebook[0] == "# Databricks notebook source"
        assert notebook[1].startswith("# Generated by lakeflow-job-meta from job_meta.yml")
        assert project.ljm("generate", "--check").exit_code == 0

        write(project, source())
        assert project.ljm("generate").exit_code == 0
        assert not (project.path / "resources" / "quality").exists()

    def test_a_broken_module_keeps_its_rules_and_the_notebook(self, project):
        write(project, checked())
        project.ljm("generate")
        before = project.everything()

        write(project, source(quality={"checks": [{"check": {"function": "is_nul"}}]}))
        assert project.ljm("generate").exit_code == 1
        after = {path: text for path, text in project.everything().items() if not path.startswith("metadata")}
        assert after == {path: text for path, text in before.items() if not path.startswith("metadata")}

    def test_a_notebook_that_was_edited_by_hand_is_drift(self, project):
        write(project, checked())
        project.ljm("generate")
        project.write("resources/quality/ljm_quality.py", project.read("resources/quality/ljm_quality.py") + "\nx\n")

        assert project.ljm("generate", "--check").exit_code == 1

    def test_a_notebook_of_somebody_else_is_not_overwritten(self, project):
        project.write("resources/quality/ljm_quality.py", "# Databricks notebook source\nmine\n")
        write(project, checked())

        result = project.ljm("generate")
        assert result.exit_code != 0
        assert "resources/quality/ljm_quality.py was not generated by this tool and is in the way" in result.stderr
        assert project.read("resources/quality/ljm_quality.py").endswith("mine\n")

    def test_a_plan_says_that_rules_changed(self, project):
        write(project, checked())
        project.ljm("generate")
        write(project, source(quality={"checks": [CHECK, {**CHECK, "criticality": "warn"}]}))

        result = project.ljm("plan")
        assert "task orders_quality: changed\n" in result.stdout
        assert "its rules changed" in result.stdout

    def test_show_says_where_each_setting_is_written(self, project):
        project.write(
            "metadata/sales.yml",
            "modules:\n- module_name: sales\n  sources:\n"
            "  - source_id: orders\n    execution_order: 1\n    transformation_config: {notebook_path: /a}\n"
            "    quality:\n      table: a.b.c\n      checks_table: a.b.r\n",
        )
        shown = project.ljm("show", "sales", "--origin").stdout

        assert 'ljm_table: "a.b.c"  # metadata/sales.yml:8:14' in shown
        assert 'ljm_checks_table: "a.b.r"  # metadata/sales.yml:9:21' in shown


class TestRows:
    def test_columns_say_the_same_as_yaml(self, project):
        quality = {"checks": [CHECK], "on_error": "go_on"}
        expectations = [{"name": "none", "sql": "SELECT 1 WHERE false", "severity": "warn"}]
        row = {
            "module_name": "sales",
            "source_id": "orders",
            "execution_order": 1,
            "target_config": json.dumps(TABLE),
            "transformation_config": json.dumps(NOTEBOOK),
            "quality": json.dumps(quality),
            "expect_no_rows": json.dumps(expectations),
        }
        (module,) = modules_of_rows("main.etl.control", [row]).modules

        written = source(quality=quality, expect_no_rows=expectations)
        assert parse_module(module).module.sources[0].quality.is_to_stop is False
        assert module.value["sources"] == [written]

    def test_an_empty_map_is_no_quality(self):
        row = {
            "module_name": "a",
            "source_id": "b",
            "execution_order": 1,
            "transformation_config": "{}",
            "quality": "{}",
        }
        (module,) = modules_of_rows("t", [row]).modules

        assert "quality" not in module.value["sources"][0]

    def test_a_mistake_is_reported_in_its_cell(self):
        quality = {"checks": [{"criticality": "eror", **CHECK}]}
        row = {"module_name": "a", "source_id": "b", "quality": json.dumps(quality)}
        (module,) = modules_of_rows("t", [row]).modules

        shown = [str(each.location) for each in parse_module(module).diagnostics if "eror" in each.message]
        assert shown == ["t[module_name=a, source_id=b].quality:1:29"]


def said(project: ProjectFolder, *sources: dict) -> list[str]:
    write(project, *sources)
    return [f"{each.code}: {each.message}" for each in project.compile().diagnostics]


class TestMistakes:
    @pytest.mark.parametrize(
        ("call", "message"),
        [
            ({"function": "is_not_nul"}, "unknown check function 'is_not_nul'; did you mean 'is_not_null'?"),
            ({"function": "is_not_null"}, "'column' is missing in 'is_not_null'"),
            ({"function": "is_not_null", "arguments": {"column": 5}}, "'column' must be text"),
            ({"function": "is_not_null", "for_each_column": []}, "'for_each_column' is empty"),
            ({"function": "is_not_null", "for_each_column": ["a", ["b"]]}, "'column' must be text, not a list"),
            ({"function": "is_unique", "for_each_column": [["a", 5]]}, "item 2 of 'columns' must be text"),
            ({"function": "has_valid_schema"}, "'has_valid_schema' is given no argument"),
            (
                {
                    "function": "foreign_key",
                    "arguments": {"columns": ["a"], "ref_columns": ["a"], "ref_table": "${var.x}"},
                },
                "'${var.x}' inside of a check is not resolved",
            ),
        ],
    )
    def test_a_check_that_dqx_would_refuse(self, project, call, message):
        problems = said(project, source(quality={"checks": [{"check": call}]}))

        assert any(each.startswith(f"bad-check: {message}") for each in problems), problems

    def test_an_unknown_argument_with_the_one_that_was_meant(self, project):
        call = {"function": "is_in_range", "arguments": {"column": "a", "min_limt": 1}}
        (problem,) = said(project, source(quality={"checks": [{"check": call}]}))

        assert problem == "bad-check: unknown argument 'min_limt' in 'is_in_range'; did you mean 'min_limit'?"

    @pytest.mark.parametrize(
        ("quality", "message"),
        [
            ({"checks": [{**CHECK, "criticality": "eror"}]}, "'criticality' cannot be 'eror'; did you mean 'error'?"),
            ({"checks": [{**CHECK, "nam": "x"}]}, "unknown field 'nam' in a check; did you mean 'name'?"),
            ({"checks": [{"criticality": "warn"}]}, "'check' is missing"),
            ({"checks": [CHECK], "on_error": "ignore"}, "'on_error' cannot be 'ignore'"),
            ({"quarantine": "a.b.c"}, "'checks' is missing in 'quality'"),
            ({"checks": []}, "'checks' is empty, and there is no 'checks_table'"),
        ],
    )
    def test_what_has_not_the_form_of_quality(self, project, quality, message):
        problems = said(project, source(quality=quality))

        assert len(problems) == 1
        assert message in problems[0]

    def test_a_table_that_nothing_names(self, project):
        (problem,) = said(project, source(target_config={"table_name": "x"}, quality={"checks": [CHECK]}))

        assert problem.startswith("missing-field: 'table' is missing: nothing says which table is checked")

    def test_a_task_that_writes_no_table(self, project):
        config = {"condition_task": {"op": "EQUAL_TO", "left": "1", "right": "1"}}
        (problem,) = said(project, checked(transformation_config=config))

        assert problem == (
            "conflicting-settings: 'quality' is for a task that writes a table, and a 'condition' task writes none"
        )

    @pytest.mark.parametrize("first", [0, 1])
    def test_a_source_with_the_name_of_a_check(self, project, first):
        sources = [checked(), source("orders_quality", 2)]
        (problem,) = said(project, sources[first], sources[1 - first])

        assert problem.startswith("task-key-collision: this makes a task 'orders_quality', but so does the source")

    def test_a_name_that_is_too_long_with_what_is_put_behind_it(self, project):
        (problem,) = said(project, checked("a" * 95))

        assert "has 103 characters; Databricks allows 100" in problem or "has 102 characters" in problem

    @pytest.mark.parametrize(
        ("sql", "problem"),
        [
            ("SELECT * FROM a WHERE b >", "bad-sql: this does not look like SQL of Databricks, line 1, column"),
            ("SELECT * FROM (a", "unknown-value: 'sql' must be one query that can stand in parentheses"),
            ("DELETE FROM a", "unknown-value: 'sql' must be a query whose rows are the failures, and this is DELETE"),
            ("SELECT 1; SELECT 2", "unknown-value: 'sql' must be one query"),
            ("SELECT * FROM ${var.a}.b", "reference-in-sql: '${var.a}' inside SQL is not resolved; write 'IDENTIFIER"),
            ("", "missing-field: 'sql' is empty"),
        ],
    )
    def test_an_expectation_that_is_no_query(self, project, sql, problem):
        problems = said(project, source(expect_no_rows=[{"name": "none", "sql": sql}]))

        assert any(each.startswith(problem) for each in problems), problems

    def test_two_expectations_of_one_name(self, project):
        same = {"name": "none", "sql": "SELECT 1"}
        (problem,) = said(project, source(expect_no_rows=[same, same]))

        assert problem == "duplicate-key: there is an expectation 'none' already"

    def test_without_sqlglot_nothing_is_said_of_sql(self, project, monkeypatch):
        monkeypatch.setattr("lakeflow_job_meta.checks.quality.find_spec", lambda name: None)

        assert said(project, source(expect_no_rows=[{"name": "none", "sql": "SELECT * FORM a WHERE b"}])) == []

    def test_a_secret_in_a_check_is_refused(self, project):
        check = {
            "check": {
                "function": "sql_expression",
                "arguments": {"expression": "a = 'dapi" + "0123456789abcdef" * 2 + "'"},
            }
        }
        problems = said(project, source(quality={"checks": [check]}))

        assert [each.partition(":")[0] for each in problems] == ["secret-in-metadata"]


@given(st.sampled_from(sorted(dqx_functions())), st.data())
def test_arguments_of_the_right_types_are_accepted_and_each_must_be_known(function, data):
    schema = dqx_functions()[function]
    arguments = {name: data.draw(value_of(each)) for name, each in schema["properties"].items()}
    assert compare_arguments(function, arguments) == []

    findings = compare_arguments(function, {**arguments, "no_such_argument": 1})
    assert [each.path for each in findings] == [(function, "no_such_argument")]


def value_of(schema: dict) -> st.SearchStrategy:
    if "anyOf" in schema:
        return st.one_of(map(value_of, schema["anyOf"]))
    kinds = {
        "string": st.text(max_size=5),
        "integer": st.integers(),
        "number": st.floats(allow_nan=False),
        "boolean": st.booleans(),
        "null": st.none(),
        "object": st.just({}),
    }
    if schema.get("type") == "array":
        return st.lists(value_of(schema["items"]), max_size=3)
    return kinds[schema["type"]] if "type" in schema else st.just("x")


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans(), st.integers(1, 3)), min_size=1, max_size=6))
def test_no_task_runs_before_the_checks_of_what_it_waited_for(sources):
    """Whatever the stages and switches: the checks are between a source and what waits for it."""
    listed = [
        source(
            f"s{number}",
            order,
            is_active=active,
            **({"quality": {"checks": [CHECK]}} if rules else {}),
            **({"expect_no_rows": [{"name": "n", "sql": "SELECT 1"}]} if queries else {}),
        )
        for number, (rules, queries, active, order) in enumerate(sources)
    ]
    plain = parse_module(RawModule({"module_name": "m", "sources": listed}, ORIGIN)).module
    module = with_checking_sources(plain)
    before, after = Stages(plain), Stages(module)
    checking = {each.task_key: each.follows.task_key for each in module.sources if each.follows is not None}
    for each in before.in_order():
        waited = {edge.task_key for edge in before.edges(each)}
        waits = {edge.task_key for edge in after.edges(each)}
        assert {checking.get(key, key) for key in waits} == waited
        for key in waited:
            checks = {check for check, of in checking.items() if of == key}
            assert checks <= waits
            assert (key in waits) == (not checks)
    for each in module.sources:
        if each.follows is not None:
            assert [edge.task_key for edge in after.edges(each)] == [each.follows.task_key]


@pytest.mark.parametrize(
    ("target", "table"),
    [
        (TABLE, "main.silver.orders"),
        ({"schema": "silver", "table": "orders"}, "silver.orders"),
        ({"table": "main.silver.orders"}, "main.silver.orders"),
        ({"catalog": "my-cat", "schema": "s", "table": "t"}, "`my-cat`.s.t"),
        ({"catalog": "${var.catalog}", "schema": "s", "table": "t"}, "${var.catalog}.s.t"),
        ({"catalog": "main", "table": "orders"}, None),
        ({"catalog": "main", "schema": "silver"}, None),
        ({"catalog": "main", "schema": 1, "table": "orders"}, None),
        ({}, None),
    ],
)
def test_target_config_names_a_table_only_as_a_whole(target, table):
    assert table_of(target) == table
