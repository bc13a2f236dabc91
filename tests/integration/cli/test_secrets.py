"""Secrets in metadata are reported at their place, and no command shows one, whatever it prints."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakeflow_job_meta.cli import report
from lakeflow_job_meta.config.load import load_project
from support.examples import examples
from support.project_folder import ProjectFolder, Result, compile_loaded
from support.slow import few
from support.tables import write_table

TOKEN = "da" + "pi" + "0a1b2c3d4e5f6789" * 2
PASSWORD = "hunter2-zq8"
URL = f"jdbc:postgresql://h:5432/d?user=u&password={PASSWORD}&ssl=true&application_name=something-long-enough"
PEM = f"-----BEGIN PRIVATE{' '}KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nq8w7e6r5t4z3\n-----END PRIVATE{' '}KEY-----"
HIDDEN = ("0a1b2c3d4e5f6789", PASSWORD, "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC", "q8w7e6r5t4z3")
"""What no output has."""

PLACES: dict[str, Any] = {
    "base_parameters.password": PASSWORD,
    "base_parameters.url": URL,
    "base_parameters.x": TOKEN,
    "tags.token": TOKEN,
    "description": f"Use {TOKEN} to log in",
    "parameters": [{"name": "api_token", "default": PASSWORD}],
    "spark_conf": {"fs.azure.account.key.lake.dfs.core.windows.net": PASSWORD},
    "spark_env_vars": {"PASSWORD": PASSWORD},
    "sql": f"CREATE CONNECTION c OPTIONS (host 'h', password '{PASSWORD}')",
    "sql_lines": f"SELECT 1;\n\nSELECT * FROM t WHERE x = '{TOKEN}'\n",
    "source_config": {"options": {"password": PASSWORD, "url": URL}},
    "target_config": {"key": PEM},
    "inactive": PASSWORD,
    "for_each": [{"user": "u", "password": PASSWORD}],
    "wheel": ["--host", "h", "--password", PASSWORD],
}
FAST_PLACES = ["base_parameters.url", "description", "sql_lines", "target_config", "wheel"]
"""One of each way in which a secret shows: in a URL, in prose, in SQL, in a block, as an argument."""


def module_with(place: str) -> dict[str, Any]:
    """Returns a module with a secret at one place, and with mistakes that others may be reported for."""
    value = PLACES[place]
    first, _, last = place.partition(".")
    task: dict[str, Any] = {"notebook_path": "/Workspace/a"}
    job: dict[str, Any] = {}
    sources: list[dict[str, Any]] = [{"source_id": "a", "execution_order": 1, "transformation_config": task}]
    if first == "base_parameters":
        task[first] = {last: value}
    elif first == "tags":
        job[first] = {last: value}
    elif first.startswith("sql"):
        sources[0]["transformation_config"] = {"sql_task": {"warehouse_id": "w", "sql_query": value}}
    elif first.startswith("spark"):
        cluster = {"spark_version": "15.4.x-scala2.12", "node_type_id": "n", "num_workers": 1, first: value}
        task["new_cluster"] = cluster
    elif first in ("source_config", "target_config"):
        sources[0][first] = value
    elif first == "inactive":
        inactive = {"notebook_path": "/Workspace/a", "base_parameters": {"password": value}}
        sources.append({"source_id": "b", "execution_order": 1, "is_active": False, "transformation_config": inactive})
    elif first == "for_each":
        sources[0]["transformation_config"] = {"for_each_task": {"inputs": value, "task": task}}
    elif first == "wheel":
        wheel = {"package_name": "p", "entry_point": "e", "parameters": value}
        sources[0]["transformation_config"] = {"python_wheel_task": wheel, "existing_cluster_id": "c"}
    else:
        job[first] = value
    return {"module_name": "sales", "job_config": job, "sources": sources}


def with_mistake(module: dict[str, Any], mistake: str) -> dict[str, Any]:
    task = module["sources"][0]["transformation_config"]
    parameters = task.get("base_parameters", {})
    if mistake == "unknown setting":
        task["max_retry"] = 1
    elif mistake == "hidden parameter" and parameters:
        name, value = next(iter(parameters.items()))
        module["job_config"]["parameters"] = [{"name": name, "default": value}]
    elif mistake == "unknown reference" and parameters:
        parameters.update({name: f"{value}{{{{job.parameters.x}}}}" for name, value in parameters.items()})
    elif mistake == "wrong type":
        module["sources"][0]["is_active"] = TOKEN
        module["job_config"]["max_concurrent_runs"] = PASSWORD
        module["job_config"]["timeout_seconds"] = URL
    elif mistake == "not a map":
        module["sources"][0]["target_config"] = URL
        module["job_config"]["schedule"] = {"quartz_cron_expression": TOKEN, "timezone_id": TOKEN}
    return module


MISTAKES = ("", "unknown setting", "hidden parameter", "unknown reference", "wrong type", "not a map")
HOLDERS = ("yaml", "flow", "table", "blueprint", "csv")


def hold(project: ProjectFolder, holder: str, module: dict[str, Any], checks: str) -> None:
    """Puts a module into a file, a table, or a blueprint and what fills it."""
    kinds = {"table": "{delta: control}", "csv": "{csv: list.csv, blueprint: b}"}
    kind = "{yaml: metadata}" + (f", {kinds[holder]}" if holder in kinds else "")
    project.write("job_meta.yml", f"metadata: [{kind}]\nchecks: {{secret-in-metadata: {checks}}}\n")
    (project.path / "metadata").mkdir(exist_ok=True)
    if holder in ("yaml", "flow"):
        text = json.dumps({"modules": [module]}, indent=2 if holder == "yaml" else None)
        project.write("metadata/sales.yml", text)
    elif holder == "table":
        rows = [
            {name: json.dumps(each) if name.endswith("_config") else each for name, each in source.items()}
            | {"module_name": "sales", "is_active": source.get("is_active", True), "source_type": "x"}
            | {"job_config": json.dumps(module["job_config"])}
            for source in module["sources"]
        ]
        columns = {"is_active": True}
        write_table(project.path / "control", [columns | row | {"is_active": row["is_active"] is True} for row in rows])
    else:
        text = json.dumps(module).replace(PASSWORD, "${param.password}").replace(TOKEN, "${param.given}")
        parameters = {
            "password": {"type": "text", "default": PASSWORD},
            "given": {"type": "text", "default": TOKEN, "required": False},
        }
        blueprint = {"blueprint": "b", "parameters": parameters, "module": json.loads(text)}
        uses = [{"blueprint": "b", "with": {"password": PASSWORD, "given": TOKEN}}] if holder == "blueprint" else []
        project.write("metadata/b.yml", json.dumps({"blueprints": [blueprint], "modules": uses}))
        project.write("list.csv", f"password,given\n{PASSWORD},{TOKEN}\n")


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


COMMANDS = (
    *(("validate",), ("validate", "--format", "json"), ("validate", "--format", "sarif")),
    *(("validate", "--format", "github"), ("validate", "--fix", "--diff"), ("blueprints",)),
    *(("blueprints", "--format", "json"), ("generate", "--diff"), ("plan",), ("plan", "--format", "json")),
    *(("plan", "--format", "markdown"), ("show", "sales"), ("show", "sales", "--origin"), ("generate",)),
    *(("explain-setting", "sales", each) for each in ("tags", "tags.token", "description", "parameters", "name")),
    *(
        ("explain-setting", "sales", "a", each)
        for each in ("notebook_task", "new_cluster", "notebook_task.base_parameters.x")
    ),
    ("explain-setting", "sales", "a", "notebook_task", "--format", "json"),
    *(("generate", "--check"), ("plan", "--since", "HEAD"), ("status",), ("history",)),
    *(("blame", "sales"), ("blame", "sales", "--format", "json"), ("blame", "sales", "nothing")),
)


def outputs(project: ProjectFolder) -> Iterator[tuple[str, Result]]:
    for arguments in COMMANDS:
        yield " ".join(arguments), project.ljm(*arguments)
    with tempfile.TemporaryDirectory() as site:
        result = project.ljm("catalogue", "-o", site)
        yield "catalogue", Result(result.exit_code, Path(site, "index.html").read_text("utf-8"), result.stderr)
    terminal = _Terminal()
    with contextlib.redirect_stderr(terminal):
        report.show_text(compile_loaded(load_project(project.path)).diagnostics)
    yield "on a terminal", Result(0, "", terminal.getvalue())


def shows(result: Result) -> list[str]:
    return [each for each in HIDDEN if each in result.stdout or each in result.stderr]


@pytest.mark.parametrize("checks", few(['"off"'], ["error", "warning"]))
@pytest.mark.parametrize("place", few(FAST_PLACES, sorted({*PLACES} - {*FAST_PLACES})))
def test_a_secret_in_a_file_is_in_no_output(project: ProjectFolder, place, checks):
    hold(project, "yaml", module_with(place), checks)

    shown = {command: found for command, result in outputs(project) if (found := shows(result))}

    assert shown == {}


@settings(max_examples=examples(50))
@given(
    st.sampled_from(HOLDERS),
    st.sampled_from(sorted(PLACES)),
    st.sampled_from(MISTAKES),
    st.sampled_from(["error", "warning", '"off"']),
)
def test_a_secret_beside_any_mistake_in_any_source_is_in_no_output(holder, place, mistake, checks):
    folder = Path(tempfile.mkdtemp())
    try:
        project = ProjectFolder(folder)
        hold(project, holder, with_mistake(module_with(place), mistake), checks)

        shown = {command: found for command, result in outputs(project) if (found := shows(result))}

        assert shown == {}
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize(("holder", "place"), list(itertools.product(HOLDERS, PLACES)))
def test_a_secret_at_any_place_of_any_source_keeps_the_job_from_being_generated(project: ProjectFolder, holder, place):
    hold(project, holder, module_with(place), "error")

    result = project.ljm("generate")

    assert result.exit_code == 1
    assert "secret-in-metadata" in result.codes
    assert project.generated() == {}


def test_a_secret_that_is_gone_from_the_metadata_is_not_shown_as_what_was_before(project: ProjectFolder):
    hold(project, "yaml", module_with("base_parameters.password"), '"off"')
    assert project.ljm("generate").exit_code == 0
    clean = json.loads(json.dumps(module_with("base_parameters.password")).replace(PASSWORD, "{{job.id}}"))
    hold(project, "yaml", clean, "error")

    shown = [project.ljm(*command) for command in (("generate", "--diff"), ("plan",), ("plan", "--format", "json"))]

    assert [shows(each) for each in shown] == [[], [], []]
    assert "***" in shown[0].stdout
    assert "***" in shown[1].stdout


@pytest.mark.parametrize("place", few(FAST_PLACES, sorted({*PLACES} - {*FAST_PLACES})))
def test_a_secret_in_a_control_table_is_not_shown_by_commands_about_the_table(project: ProjectFolder, place):
    hold(project, "table", module_with(place), "error")
    text = project.read("job_meta.yml")
    project.write("job_meta.yml", text + f"control_table: {project.path / 'control'}\n")
    changed = json.loads(json.dumps(module_with(place)).replace(PASSWORD, "other").replace(TOKEN, "other"))
    hold_again = [("table", "show", "sales"), ("table", "show", "sales", "--format", "json"), ("table", "diff", "0")]

    before = [project.ljm(*command) for command in hold_again[:2]]
    hold(project, "table", changed, "error")
    project.write("job_meta.yml", text + f"control_table: {project.path / 'control'}\n")
    after = project.ljm(*hold_again[2])
    back = project.ljm("table", "rollback", "sales", "--to", "0", "--dry-run")

    assert [each.exit_code for each in (*before, after, back)] == [0, 0, 0, 0]
    assert [shows(each) for each in (*before, after, back)] == [[], [], [], []]
    json.loads(before[1].stdout)


BESIDE_SETTINGS = {
    "a key of a map": ({}, {"base_parameters": {TOKEN: "x"}}, {}),
    "a key that stands in many settings": ({"job_config": {"tags": {TOKEN: "x"}}}, {}, {}),
    "a key of what is only kept": ({}, {}, {"source_config": {"options": {TOKEN: "x"}}}),
    "the name of the module": ({"module_name": f"load-{TOKEN}"}, {}, {}),
    "the name of a source": ({}, {}, {"source_id": f"load-{TOKEN}"}),
    "a task that is switched off": ({}, {"base_parameters": {"password": PASSWORD}}, {"is_active": False}),
    "a job that is switched off": ({"job_config": {"tags": {"token": TOKEN}}}, {}, {"is_active": False}),
    "a description of what is switched off": ({"description": f"use {TOKEN}"}, {}, {"is_active": False}),
    "the name of what is switched off": ({"module_name": f"load-{TOKEN}"}, {}, {"is_active": False}),
}


@pytest.mark.parametrize("place", BESIDE_SETTINGS)
@pytest.mark.parametrize("holder", few(["yaml"], ["table"]))
def test_a_secret_beside_the_settings_of_a_job_is_reported_and_in_no_output(project: ProjectFolder, holder, place):
    of_module, of_task, of_source = BESIDE_SETTINGS[place]
    task = {"notebook_path": "/Workspace/a", **of_task}
    source = {"source_id": "a", "execution_order": 1, "transformation_config": task, **of_source}
    module = {"module_name": "sales", "job_config": {}, "sources": [source], **of_module}
    if holder == "yaml":
        project.write("metadata/sales.yml", json.dumps({"modules": [module]}, indent=2))
    else:
        project.write("job_meta.yml", "metadata: [{delta: control}]\n")
        columns = {name: json.dumps(each) if name.endswith("_config") else each for name, each in source.items()}
        of_row = {"module_name": module["module_name"], "job_config": json.dumps(module["job_config"])}
        described = {"description": module["description"]} if "description" in module else {}
        write_table(project.path / "control", [{"is_active": True, "source_type": "x"} | columns | of_row | described])

    found = project.ljm("validate").problems

    assert "secret-in-metadata" in [each.code for each in found]
    assert {command: shown for command, result in outputs(project) if (shown := shows(result))} == {}


@pytest.mark.parametrize("checks", ["error", "warning", '"off"'])
def test_a_secret_in_the_key_of_a_map_is_in_no_output_where_nobody_checks_for_it(project: ProjectFolder, checks):
    module = module_with("tags.token")
    module["job_config"]["tags"] = {TOKEN: "x"}
    hold(project, "yaml", module, checks)

    assert {command: shown for command, result in outputs(project) if (shown := shows(result))} == {}
