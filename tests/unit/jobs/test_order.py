"""Modules that start when the tables of others are new, and modules that run others; held against plain models."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakeflow_job_meta.jobs.neighbours import target_table
from support.examples import examples
from support.project_folder import ProjectFolder, at_caret

TASK = "transformation_config: {notebook_path: /Workspace/a}"


def writer(name: str, table: str | None = None, more: str = "") -> str:
    config = f"target_config: {{catalog: main, schema: silver, table: {table}}}, " if table else ""
    return f"  - {{module_name: {name}, {more}sources: [{{source_id: load, execution_order: 1, {config}{TASK}}}]}}\n"


CUSTOMERS, ORDERS = writer("customers", "customers"), writer("orders", "orders")


def mart(after: str, more: str = "") -> str:
    return writer("mart", more=f"after: {after}, {more}")


def settings_of(project: ProjectFolder, name: str, *modules: str, target: str | None = None) -> dict[str, Any]:
    project.write("metadata/all.yml", "modules:\n" + "".join(modules))
    compilation = project.compile()
    assert [str(each) for each in compilation.diagnostics] == []
    job = compilation.jobs.get(name)
    assert job is not None
    return job.in_target(target).settings


def problems_of(project: ProjectFolder, *modules: str) -> list[str]:
    project.write("metadata/all.yml", "modules:\n" + "".join(modules))
    return [str(each) for each in project.compile().diagnostics]


def awaited(settings: dict[str, Any]) -> dict[str, Any]:
    return settings["trigger"]["table_update"]


WAYS = {
    "[customers, orders]": ("main.silver.customers", "main.silver.orders", "ALL_UPDATED"),
    "{modules: [orders, customers], when: any}": ("main.silver.orders", "main.silver.customers", "ANY_UPDATED"),
    "{tables: [main.a.b], modules: [orders]}": ("main.a.b", "main.silver.orders", "ALL_UPDATED"),
    "{tables: [main.a.b, '${var.catalog}.c.d'], when: all}": ("main.a.b", "${var.catalog}.c.d", "ALL_UPDATED"),
}


@pytest.mark.parametrize(("after", "expected"), WAYS.items())
def test_a_module_starts_when_tables_or_those_of_modules_are_new(project, after, expected):
    project.write("databricks.yml", project.read("databricks.yml") + "\n").write_text(
        "bundle: {name: t}\nvariables: {catalog: {default: main}}\ntargets: {dev: {}, prod: {}}\n"
    )
    *tables, condition = expected
    found = settings_of(project, "mart", CUSTOMERS, ORDERS, mart(after))
    assert awaited(found) == {"table_names": tables, "condition": condition}


def test_a_single_table_needs_no_condition(project):
    assert awaited(settings_of(project, "mart", CUSTOMERS, mart("[customers]"))) == {
        "table_names": ["main.silver.customers"]
    }


def test_more_of_the_trigger_is_written_in_job_config(project):
    more = "job_config: {trigger: {pause_status: PAUSED, table_update: {wait_after_last_change_seconds: 60}}}, "
    found = settings_of(project, "mart", CUSTOMERS, mart("[customers]", more))
    assert found["trigger"] == {
        "table_update": {"table_names": ["main.silver.customers"], "wait_after_last_change_seconds": 60},
        "pause_status": "PAUSED",
    }


def test_a_schedule_of_the_defaults_yields_to_after(project):
    schedule = "{quartz_cron_expression: 0 0 1 * * ?, timezone_id: UTC}"
    project.write("job_meta.yml", f"defaults: {{job: {{schedule: {schedule}}}}}\n")
    assert "schedule" not in settings_of(project, "mart", CUSTOMERS, mart("[customers]"))
    assert "schedule" in settings_of(project, "customers", CUSTOMERS, mart("[customers]"))


def test_a_table_of_a_source_that_is_switched_off_is_not_waited_for(project):
    both = f"""
  - module_name: customers
    sources:
      - {{source_id: a, execution_order: 1, target_config: {{table: main.silver.a}}, {TASK}}}
      - {{source_id: b, execution_order: 1, is_active: false, target_config: {{table: main.silver.b}}, {TASK}}}
"""
    assert awaited(settings_of(project, "mart", both, mart("[customers]"))) == {"table_names": ["main.silver.a"]}


def test_a_module_that_is_left_out_of_a_target_is_not_waited_for_there(project):
    only_prod = writer("orders", "orders", "targets: [prod], ")
    modules = (CUSTOMERS, only_prod, mart("[customers, orders]"))
    assert awaited(settings_of(project, "mart", *modules, target="dev"))["table_names"] == ["main.silver.customers"]
    in_prod = awaited(settings_of(project, "mart", *modules, target="prod"))["table_names"]
    assert in_prod == ["main.silver.customers", "main.silver.orders"]


def test_a_module_of_a_blueprint_is_waited_for_like_any_other(project):
    project.write(
        "metadata/blueprint.yml",
        f"""
        blueprints:
          - blueprint: ingest
            parameters: {{table: {{type: text}}}}
            module:
              module_name: ingest_${{param.table}}
              on_failure: {{source_id: "tell_${{param.table}}", {TASK}}}
              sources:
                - source_id: load
                  execution_order: 1
                  target_config: {{catalog: main, schema: bronze, table: "${{param.table}}"}}
                  {TASK}
          - blueprint: clean
            parameters: {{table: {{type: text}}}}
            module:
              module_name: clean_${{param.table}}
              after: ["ingest_${{param.table}}"]
              sources: [{{source_id: load, execution_order: 1, {TASK}}}]
        """,
    )
    uses = "  - {blueprint: ingest, with: {table: orders}}\n  - {blueprint: clean, with: {table: orders}}\n"
    assert awaited(settings_of(project, "clean_orders", uses)) == {"table_names": ["main.bronze.orders"]}
    tasks = settings_of(project, "ingest_orders", uses)["tasks"]
    assert [task["task_key"] for task in tasks] == ["load", "tell_orders"]
    own = f"  - {{blueprint: ingest, with: {{table: orders}}, on_failure: {{source_id: page, {TASK}}}}}\n"
    assert [task["task_key"] for task in settings_of(project, "ingest_orders", own)["tasks"]] == ["load", "page"]
    none = "  - {blueprint: ingest, with: {table: orders}, on_failure: null}\n"
    assert [task["task_key"] for task in settings_of(project, "ingest_orders", none)["tasks"]] == ["load"]


CHAIN = "  - {module_name: chain, runs: [customers, orders, {module: mart, after: [customers, orders]}]}\n"


def waiting(settings: dict[str, Any]) -> dict[str, tuple[str, list[str]]]:
    return {
        task["task_key"]: (task["run_job_task"]["job_id"], [each["task_key"] for each in task.get("depends_on", ())])
        for task in settings["tasks"]
    }


def test_a_module_runs_the_jobs_of_others_in_the_order_that_it_says(project):
    assert waiting(settings_of(project, "chain", CUSTOMERS, ORDERS, writer("mart"), CHAIN)) == {
        "customers": ("${resources.jobs.customers.id}", []),
        "orders": ("${resources.jobs.orders.id}", []),
        "mart": ("${resources.jobs.mart.id}", ["customers", "orders"]),
    }


def test_a_module_without_a_job_is_not_run_and_who_waits_for_it_waits_for_what_it_waits_for(project):
    modules = (
        CUSTOMERS,
        writer("orders", more="targets: [prod], "),
        writer("mart"),
        "  - {module_name: chain, runs: [customers, {module: orders, after: [customers]}, "
        "{module: mart, after: [orders]}]}\n",
    )
    in_dev = waiting(settings_of(project, "chain", *modules, target="dev"))
    assert in_dev == {
        "customers": ("${resources.jobs.customers.id}", []),
        "mart": ("${resources.jobs.mart.id}", ["customers"]),
    }
    assert waiting(settings_of(project, "chain", *modules, target="prod"))["mart"][1] == ["orders"]


def test_a_run_may_be_switched_off_in_a_target_and_have_settings_of_its_task(project):
    chain = (
        "  - {module_name: chain, runs: [customers, {module: orders, transformation_config: {timeout_seconds: 60}}], "
        "targets: {dev: {sources: {customers: {is_active: false}}}}}\n"
    )
    in_dev = settings_of(project, "chain", CUSTOMERS, ORDERS, chain, target="dev")
    assert [(each["task_key"], each.get("timeout_seconds")) for each in in_dev["tasks"]] == [("orders", 60)]


def test_a_job_that_runs_others_may_have_tasks_of_its_own_and_last_tasks(project):
    chain = (
        f"  - {{module_name: chain, runs: [customers], on_failure: {{source_id: tell, {TASK}}}, "
        f"sources: [{{source_id: sum, depends_on: [customers], {TASK}}}]}}\n"
    )
    tasks = settings_of(project, "chain", CUSTOMERS, chain)["tasks"]
    assert [(each["task_key"], [edge["task_key"] for edge in each.get("depends_on", ())]) for each in tasks] == [
        ("customers", []),
        ("sum", ["customers"]),
        ("tell", ["sum"]),
    ]


WRONG = {
    "a module that nobody has": (CUSTOMERS, mart("[‸custmers]"), "did you mean 'customers'? [unknown-module]"),
    "itself": (CUSTOMERS, mart("[‸mart]"), "'mart' waits for itself [run-job-cycle]"),
    "a module without a table": (
        writer("customers"),
        mart("[‸customers]"),
        "no active source of 'customers' names its table in 'target_config'",
    ),
    "a module without a job": (
        writer("customers", "customers").replace("{source_id: load,", "{source_id: load, is_active: false,"),
        mart("‸[customers]"),
        "none of the modules that it waits for has a job",
    ),
    "a table without a catalog": ("", mart("{tables: [‸silver.orders]}"), "named with catalog and schema"),
    "its own table": (
        "",
        writer("mart", "mart", "after: ‸{tables: [main.silver.mart]}, "),
        "would start itself without end [run-job-cycle]",
    ),
    "a choice that there is not": ("", mart("{tables: [a.b.c], when: ‸every}"), "'when' cannot be 'every'"),
    "a field that there is not": ("", mart("{tables: [a.b.c], ‸table: x}"), "unknown field 'table' in 'after'"),
    "and for a time": (
        CUSTOMERS,
        mart(
            "‸[customers]",
            "job_config: {schedule: {quartz_cron_expression: 0 0 1 * * ?, timezone_id: UTC}}, ",
        ),
        "a job has one way to start, but here are 'schedule', 'trigger' [several-triggers]",
    ),
    "and is to run a module that nobody has": (
        CUSTOMERS,
        "  - {module_name: chain, runs: [‸custmers]}\n",
        "there is no module 'custmers'; did you mean 'customers'? [unknown-module]",
    ),
    "and is to run one after one that it does not run": (
        CUSTOMERS,
        "  - {module_name: chain, runs: [{module: customers, after: [‸orders]}]}\n",
        "which the module does not have",
    ),
    "and is to run one twice": (
        CUSTOMERS,
        "  - {module_name: chain, runs: [customers, ‸customers]}\n",
        "the source 'customers' is there already",
    ),
    "and a shorter time than there is": (
        CUSTOMERS,
        mart("[customers]", "job_config: {trigger: {table_update: {wait_after_last_change_seconds: ‸5}}}, "),
        "must be at least 60, not 5",
    ),
}


@pytest.mark.parametrize(("first", "second", "expected"), WRONG.values(), ids=WRONG)
def test_what_a_module_cannot_wait_for(project, first, second, expected):
    text, place = at_caret("modules:\n" + first + second)
    problems = problems_of(project, text.removeprefix("modules:\n"))
    found = [each for each in problems if not each.endswith(("[no-active-source]", "[unknown-reference]"))]
    assert len(found) == 1, problems
    assert found[0].startswith(f"metadata/all.yml:{place}: ")
    assert expected in found[0]


def test_a_circle_over_what_runs_and_what_waits_is_printed_as_a_path(project):
    problems = problems_of(
        project,
        writer("a", "a", "after: [c], "),
        "  - {module_name: b, runs: [c], after: [a]}\n",
        writer("c", "c"),
    )
    text = "jobs start each other without end: "
    assert [each.split(text)[1].partition(" [")[0] for each in problems] == ["a -> b -> c -> a"] + 2 * [
        "b -> c -> a -> b"
    ]


NAMES = "abcdef"


@st.composite
def orders_of_modules(draw: st.DrawFn) -> dict[str, tuple[str, list[str]]]:
    """Modules that wait for tables of others, or run others, or neither; in circles, too."""
    return {
        name: (
            draw(st.sampled_from(["after", "runs"])),
            draw(st.lists(st.sampled_from(NAMES), max_size=2, unique=True)),
        )
        for name in NAMES
    }


def on_a_circle(modules: dict[str, tuple[str, list[str]]]) -> set[str]:
    """The rule, word for word: a job starts what it runs and what waits for it; nobody may come back to itself."""
    starts: dict[str, set[str]] = {name: set() for name in NAMES}
    for name, (kind, others) in modules.items():
        for other in others:
            starts[name if kind == "runs" else other].add(other if kind == "runs" else name)
    reached = {name: set(others) for name, others in starts.items()}
    for _ in NAMES:
        for others in reached.values():
            others |= {far for near in set(others) for far in starts[near]}
    return {name for name in NAMES if name in reached[name]}


def longest(name: str, modules: dict[str, tuple[str, list[str]]]) -> int:
    kind, others = modules[name]
    return max((1 + longest(other, modules) for other in others), default=0) if kind == "runs" else 0


@settings(max_examples=examples(200), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(orders_of_modules())
def test_circles_and_depths_are_found_as_a_naive_search_finds_them(project, modules):
    written = ""
    for name, (kind, others) in modules.items():
        field = f"{kind}: [{', '.join(others)}], "
        written += writer(name, name, field)
    problems = problems_of(project, written)
    circles = {
        each
        for problem in problems
        if "[run-job-cycle]" in problem
        for each in re.findall(r"\b[a-f]\b(?= ->)", problem)
    } | {each[1] for problem in problems for each in re.findall(r"'[a-f]'(?= waits for itself)", problem)}
    assert circles == on_a_circle(modules)
    if not circles:
        deep = {each for problem in problems for each in re.findall(r"support: ([a-f]) ->", problem)}
        assert deep == {name for name in NAMES if longest(name, modules) > 3}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"catalog": "main", "schema": "silver", "table": "orders"}, "main.silver.orders"),
        ({"table": "main.silver.orders"}, "main.silver.orders"),
        ({"catalog": "${var.c}", "schema": "s", "table": "t"}, "${var.c}.s.t"),
        ({"table": "${var.table}"}, "${var.table}"),
        ({"table": "`my.catalog`.s.t"}, "`my.catalog`.s.t"),
        ({"schema": "silver", "table": "orders"}, None),
        ({"table": "orders"}, None),
        ({"table": ["a.b.c"]}, None),
        ({"path": "/Volumes/a"}, None),
        ({}, None),
    ],
)
def test_the_table_of_a_target_config(config, expected):
    assert target_table(config) == expected
