"""Modules are often alike: one is compiled for all, and each comes to what it comes to alone."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakeflow_job_meta._internal.trees import KeyPath
from lakeflow_job_meta.checks.all_checks import JOB_CHECKS
from lakeflow_job_meta.checks.file_lookups import FileLookups
from lakeflow_job_meta.compiler.result import UnitResult
from lakeflow_job_meta.compiler.unit import UnitCompiler
from lakeflow_job_meta.config.bundle import read_bundle_declarations
from lakeflow_job_meta.config.load import load_project
from lakeflow_job_meta.diagnostics import rules
from lakeflow_job_meta.diagnostics.model import Location, SourceRef, Subject, in_reading_order
from lakeflow_job_meta.jobs.neighbours import NeedsOthers
from lakeflow_job_meta.parsing.rows import units_of_rows
from lakeflow_job_meta.parsing.units import RawModule, SourceUnit, UnitContent
from lakeflow_job_meta.sources.yaml_files import unit_of_file
from lakeflow_job_meta.text.yaml_writer import to_yaml
from support import strategies
from support.examples import examples
from support.slow import few, one_in


@dataclass(frozen=True)
class Places:
    """A document whose places are their paths."""

    label: str = "rows"

    def locate(self, path: KeyPath, *, of_key: bool) -> tuple[Location, str | None]:
        return Location(f"{list(path)}{of_key}", is_file=False), None

    def subject(self, path: KeyPath) -> Subject:
        return Subject()


TEXTS = [
    *("orders", "main.bronze.orders", "/Workspace/a", "a b-c:d", "x", "UTC", "0 0 2 * * ?", "7", "con", "your-id"),
    *("", " ", "ä", "a\nb", '"', "lib/a.py", "there.py", "nowhere.sql", "p" * 101, "p" * 5000, "k_p_extract"),
    *(1, 0, True, None),
    *("${var.x}", "${var.known}", "${bundle.nothing}", "{{job.id}}", "{{tasks.load.values.x}}", "{{job.parameters.p}}"),
    *("{{input}}", "${resources.jobs.m1.id}", "dapi" + "0" * 32, "password=hunter2x", "Bearer abcdefghij0123456789"),
    "wJalrXUtnFEMI7MDENGbPxRfiCY3EXAMPLE9x1234",
]
POSITIONS = 20


def module(
    position: int = -1, text: Any = None, *, is_active: bool = True, free: str = "a1", sign: str = "q"
) -> dict[str, Any]:
    """Returns a right module, but for another text at one of the positions; `free` is at all that may have any text.

    `sign` is the name of a parameter, which may speak of secrets.
    """
    numbers = iter(range(POSITIONS))

    def at(usual: Any) -> Any:
        return text if next(numbers) == position else usual

    load = {
        "notebook_path": at("there.py"),
        "base_parameters": {"p": at(free), sign: at(free), "n": at("3")},
        "job_cluster_key": at("small"),
        "run_if": at("ALL_SUCCESS"),
        "description": at("loads"),
    }
    sql = {"sql_file_path": at("/a.sql"), "parameters": {"q": at(free)}, "warehouse_id": at("w1")}
    check = {"task_type": "sql_file", "sql_task": sql, "max_retries": at(1)}
    condition = {"op": "EQUAL_TO", "left": "1", "right": "1"}
    clusters: list[Any] = [{"job_cluster_key": at("small"), "new_cluster": {"num_workers": at(1)}}]
    schedule = {"quartz_cron_expression": at("0 0 2 * * ?"), "timezone_id": at("Europe/Berlin")}
    waits_for = [{"source_id": at("load")}, *([] if is_active else [{"source_id": "gate", "outcome": "true"}])]
    return {
        "module_name": f"m_{at(free)}",
        "description": at(free),
        "job_config": {"tags": {"owner": at(free)}, "schedule": schedule, "job_clusters": clusters},
        "sources": [
            {"source_id": "load", "execution_order": 1, "transformation_config": load},
            {"source_id": "check", "depends_on": waits_for, "is_active": is_active, "transformation_config": check},
            {
                "source_id": "gate",
                "execution_order": 1,
                "is_active": False,
                "transformation_config": {str(at("condition_task")): condition},
            },
        ],
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    (folder / "databricks.yml").write_text("bundle: {name: b}\nvariables: {known: {default: a}}\n")
    (folder / "job_meta.yml").write_text("metadata: [{yaml: m/}]\n")
    (folder / "there.py").write_text("# Databricks notebook source\n")
    return folder


def compiler_for(folder: Path) -> UnitCompiler:
    project = load_project(folder)
    return UnitCompiler(project, read_bundle_declarations(project), FileLookups(folder))


@pytest.fixture(scope="module")
def compiler_of(folder):
    """Returns a compiler that has compiled nothing yet."""
    return lambda: compiler_for(folder)


def unit_of(*values: dict[str, Any], label: str = "rows", **fields: Any) -> SourceUnit:
    modules = tuple(RawModule(each, SourceRef(Places(label), (n,)), **fields) for n, each in enumerate(values))
    return SourceUnit(label, None, lambda: UnitContent(modules))


def compiled(compiler: UnitCompiler, value: dict[str, Any], label: str = "rows") -> UnitResult | None:
    return compiler.compile_alone(unit_of(value, label=label))


def by_itself(compiler: UnitCompiler, unit: SourceUnit) -> UnitResult | None:
    """Compiles a unit as if there was no other module that is like those in it."""
    try:
        return compiler.compile(compiler.parse(unit))
    except NeedsOthers:
        return None


def assert_same(found: UnitResult | None, expected: UnitResult | None) -> None:
    """Compares two results, and of their problems what a comparison of them leaves out."""
    found, expected = (
        each and each._replace(diagnostics=in_reading_order(each.diagnostics)) for each in (found, expected)
    )
    assert found == expected
    problems = [[*map(repr, each.diagnostics)] if each is not None else None for each in (found, expected)]
    assert problems[0] == problems[1]


@pytest.mark.parametrize("sign", few(["q"], ["token_column", "access_key", "client_id"]))
@pytest.mark.parametrize("is_active", few([True], [False]))
@pytest.mark.parametrize("position", one_in(5, range(POSITIONS)))
def test_a_module_is_compiled_behind_others_like_it_as_it_is_alone(compiler_of, position, is_active, sign):
    behind_others = compiler_of()
    for name in ("a2", "a3", "a4"):
        right = compiled(behind_others, module(is_active=is_active, free=name, sign=sign))
        assert right is not None
        assert not right.diagnostics
    for text in TEXTS:
        # Several, since what is wrong with one may be told of the next.
        for free in ("a5", "b 6", "con"):
            like_others = module(position, text, is_active=is_active, free=free, sign=sign)
            assert_same(compiled(behind_others, like_others), by_itself(compiler_of(), unit_of(like_others)))


@pytest.fixture
def looked(monkeypatch) -> list[str]:
    """The keys of the jobs that are checked from now on."""
    found: list[str] = []
    check = lambda job, context: found.append(job.key) or ()  # noqa: E731
    monkeypatch.setattr("lakeflow_job_meta.checks.all_checks.JOB_CHECKS", (*JOB_CHECKS, check))
    return found


def test_of_modules_that_are_alike_two_are_compiled_and_one_with_marks(compiler_of, looked):
    compiler = compiler_of()
    for name in ("a", "b", "c", "d", "e"):
        result = compiled(compiler, module(free=name), label=f"{name}.yml")
        assert result is not None
        assert result.is_good
        assert result.files[f"jobs/m_{name}.yml"].startswith(f"# Generated by lakeflow-job-meta from {name}.yml.")
        assert f'p: "{name}"' in result.files[f"jobs/m_{name}.yml"]
    assert [key for key in looked if key.startswith("m_")] == ["m_a"]
    assert len(looked) == 2


def test_ids_of_sources_may_differ_too(compiler_of, looked):
    compiler = compiler_of()
    for load, check in (("load_a", "x1"), ("load_b", "x2"), ("load_c", "x3"), ("load_d", "x4")):
        value = {
            "module_name": f"of_{load}",
            "sources": [
                source(NOTEBOOK, source_id=load),
                source(
                    {"sql_task": {"sql_query": "SELECT 1", "warehouse_id": "w"}}, source_id=check, depends_on=[load]
                ),
            ],
        }
        result = compiled(compiler, value)
        assert result == by_itself(compiler_of(), unit_of(value))
        assert result is not None
        assert [*result.files] == [f"jobs/of_{load}.yml", f"sql/of_{load}/{check}.sql"]
    assert "of_load_d" in looked, "it was compiled by itself here, for comparison"
    assert looked.count("of_load_a") == 2
    assert looked.count("of_load_d") == 1


def test_which_source_waits_for_which_is_part_of_the_form(compiler_of):
    compiler = compiler_of()
    for ids, before in (("ab", "a"), ("ab", "a"), ("cd", "c"), ("dc", "d"), ("dc", "d"), ("ef", "f"), ("ef", "f")):
        sources = [source(NOTEBOOK, source_id=each) for each in ids]
        sources[1 if before == ids[0] else 0]["depends_on"] = [before]
        value = {"module_name": f"of_{ids}", "sources": sources}
        assert_same(compiled(compiler, value), by_itself(compiler_of(), unit_of(value)))


NOTEBOOK = {"notebook_path": "/Workspace/a"}
REPEATED = {"notebook_task": NOTEBOOK, "retry_on_timeout": True}


def loop(task: dict[str, Any]) -> dict[str, Any]:
    return {"module_name": "m", "sources": [source({"for_each_task": {"inputs": "[1]", "task": task}})]}


def source(config: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"source_id": "s", "transformation_config": config, **({"execution_order": 1} | fields)}


def ended_by(**fields: Any) -> dict[str, Any]:
    last = source(NOTEBOOK, source_id="last", source_type="finally", execution_order=None, **fields)
    return {"module_name": "m", "sources": [source(NOTEBOOK), last]}


@pytest.mark.parametrize(
    ("right", "wrong", "code"),
    [
        (loop({"notebook_task": NOTEBOOK}), loop(REPEATED), "IDLE_SETTING"),
        (ended_by(), ended_by(quality={"table": "a.b.c", "checks_table": "a.b.d"}), "LAST_TASK"),
        (ended_by(), ended_by(expect_no_rows=[{"name": "n", "sql": "SELECT 1"}]), "LAST_TASK"),
    ],
)
def test_what_a_job_does_not_show_of_its_metadata_is_part_of_its_form(tmp_path, right, wrong, code):
    (tmp_path / "databricks.yml").write_text("bundle: {name: b}\n")
    (tmp_path / "job_meta.yml").write_text("metadata: [{yaml: m/}]\ndefaults: {task: {retry_on_timeout: true}}\n")
    compiler = compiler_for(tmp_path)
    for value, expected in (*[(right, set())] * 3, (wrong, {getattr(rules, code).code})):
        result = compiled(compiler, value)
        assert result is not None
        assert {each.code for each in result.diagnostics} == expected


TAKEN = "resources: {pipelines: {a_taken: {name: x}}, jobs: {a_tagged: {tags: {t1: a}}}}\n"
LIKE = [
    *("a_1", "a_2", "a_3", "b_1", "b_2", "b_3", "a_taken", "a_tagged", "con", "on", "A-x", "a__b", "_a", "1a", "null"),
    *("a" * 91, "a" * 92, "a" * 93, "a" * 100, "a" * 101, "ljm_blank_0x", "ljm-blank-1"),
]
ASKING = {
    "nothing": "",
    "a preset for names": "presets: [{preset: p, match: {module: [a_*]}, job: {max_concurrent_runs: 3}}]",
    "a preset for a long name": f"presets: [{{preset: p, match: {{module: [{'a' * 90}*]}}, task: {{max_retries: 3}}}}]",
    "a preset for tags": "presets: [{preset: p, match: {tag.owner: a_1}, job: {max_concurrent_runs: 3}}]",
    "a preset for files": "presets: [{preset: p, match: {file: [a_*.yml]}, job: {max_concurrent_runs: 3}}]",
    "a preset with a task": "presets: [{preset: p, match: {module: ['*']}, sources: [{source_id: gate, "
    "execution_order: 9, transformation_config: {notebook_path: /x}}]}]",
    "a policy about parameters": "policies: [{policy: p, deny: {'tasks[*].notebook_task.base_parameters.p': [b_*]}}]",
    "a policy about all parameters": "policies: [{policy: p, deny: {'tasks[*].sql_task.parameters.q': [b_*]}}]",
    "a policy about names": "policies: [{policy: p, require: name, pattern: '[al].*'}]",
    "a policy about patterns": "policies: [{policy: p, require: 'tasks[*].sql_task.parameters.q', pattern: '[al].*'}]",
    "a policy about keys": "policies: [{policy: p, deny: {'tasks[*].task_key': [load]}}]",
    "a policy about tags": "policies: [{policy: p, deny: {tags.owner: [b_*]}}]",
    "a policy about descriptions": "policies: [{policy: p, deny: {description: [b_*]}}]",
    "a policy for names": "policies: [{policy: p, where: {module: [b_*]}, require: tags.cost}]",
    "a policy about something else": "policies: [{policy: p, most: {'tasks[*].max_retries': 0}}]",
    "a policy where something is": "policies: [{policy: p, where: {has: description}, most: {"
    "'tasks[*].max_retries': 0}}]",
    "a policy that something is": "policies: [{policy: p, require_one: ['tasks[*].notebook_task', description]}]",
    "exemptions": "policies: [{policy: p, most: {'tasks[*].max_retries': 0}}]\n"
    "exemptions: [{policy: p, modules: [a_*], until: 2999-01-01}]",
    "bundles by a tag": "bundles: {by: owner}",
    "names of jobs": "naming: {job_name: 'x {module_name} y'}",
    "keys of tasks": "naming: {task_key: underscores}",
    "a template": "templates: {job: own.yml.j2}",
    "a check that is off": "checks: {reserved-name: off}",
    "defaults that speak of secrets": "defaults: {job: {parameters: [{name: api_token_name, default: x}]}}",
}
OWN_TEMPLATE = """\
{{ marker }}
{% if job.module_name == "a_3" %}
# the third
{% endif %}
resources:
  jobs:
    {{ job.key | yaml_key }}:
      {{ job.settings | yaml(6) }}
"""


@pytest.mark.parametrize("asking", ASKING)
def test_whatever_the_project_asks_for(tmp_path, asking):
    (tmp_path / "databricks.yml").write_text(f"bundle: {{name: b}}\n{TAKEN}")
    (tmp_path / "own.yml.j2").write_text(OWN_TEMPLATE)
    (tmp_path / "there.py").write_text("# Databricks notebook source\n")
    (tmp_path / "job_meta.yml").write_text(f"metadata: [{{yaml: m/}}]\n{ASKING[asking]}\n")
    compiler = compiler_for(tmp_path)
    for name in LIKE:
        value = module(free=name) | {"module_name": name}
        unit = unit_of(value, label=f"{name[:20]}.yml")
        assert_same(compiler.compile_alone(unit), by_itself(compiler_for(tmp_path), unit))


def test_a_policy_may_ask_for_the_file_of_a_query(tmp_path):
    (tmp_path / "databricks.yml").write_text("bundle: {name: b}\n")
    asked = "deny: {'tasks[*].sql_task.file.path': ['resources/sql/b_*/**']}"
    (tmp_path / "job_meta.yml").write_text(f"metadata: [{{yaml: m/}}]\npolicies: [{{policy: p, {asked}}}]\n")
    compiler = compiler_for(tmp_path)
    for name in ("a_1", "a_2", "a_3", "b_1"):
        query = source({"sql_task": QUERY})
        result = compiled(compiler, {"module_name": name, "sources": [query]})
        assert result is not None
        assert [each.code for each in result.diagnostics] == ([] if name.startswith("a") else ["policy:p"])


def test_a_check_that_a_comment_silences_in_one_file_speaks_in_another(project):
    for name in ("a", "b", "c", "d"):
        silenced = "  # ljm: ignore[placeholder]" if name != "d" else ""
        project.write(
            f"metadata/{name}.yml",
            f"modules:\n  - module_name: {name}\n    sources:\n      - source_id: s\n        execution_order: 1\n"
            f"        transformation_config: {{pipeline_task: {{pipeline_id: your-id}}}}{silenced}\n",
        )
    assert [(each.place.split(":")[0], each.code) for each in project.ljm("validate").problems] == [
        ("metadata/d.yml", "placeholder")
    ]


def test_a_name_that_is_another_resource_of_the_bundle_is_told(tmp_path):
    (tmp_path / "databricks.yml").write_text(f"bundle: {{name: b}}\n{TAKEN}")
    (tmp_path / "job_meta.yml").write_text("metadata: [{yaml: m/}]\n")
    compiler = compiler_for(tmp_path)
    for name in ("a_1", "a_2", "a_3"):
        compiled(compiler, {"module_name": name, "sources": [source(NOTEBOOK)]})
    result = compiled(compiler, {"module_name": "a_taken", "sources": [source(NOTEBOOK)]})
    assert result is not None
    assert [each.code for each in result.diagnostics] == ["job-key-collision"]


def test_modules_of_one_file_are_those_of_a_file_each(compiler_of):
    values = [
        *(module(free=name) for name in ("a", "b")),
        module(13, "${var.x}", free="wrong"),
        *(module(free=name) for name in ("c", "d")),
        module(13, "/other.sql", free="e"),
        {"module_name": "none", "sources": []},
    ]
    found, expected = (work(unit_of(*values)) for work in (compiler_of().compile_alone, _expected(compiler_of())))
    assert found is not None
    assert found._replace(files={}, noted=()) == expected._replace(files={}, noted=())
    assert found.files == expected.files
    assert dict(found.noted) == dict(expected.noted)
    assert [each.name for each in found.modules] == ["m_a", "m_b", "m_wrong", "m_c", "m_d", "m_e", "none"]
    assert "m_wrong" in found.broken


def _expected(compiler: UnitCompiler):
    return lambda unit: by_itself(compiler, unit)


def test_a_unit_of_which_one_module_needs_others_needs_others(compiler_of):
    waits = module(free="w") | {"after": {"modules": ["m_a"]}}
    compiler = compiler_of()
    for name in ("a", "b", "c"):
        compiled(compiler, module(free=name))
    assert compiler.compile_alone(unit_of(module(free="d"), waits)) is None


def right(name: str, **fields: Any) -> dict[str, Any]:
    return {"module_name": name, "sources": [source(NOTEBOOK)], **fields}


def checked(name: str, table: str) -> dict[str, Any]:
    """Returns a module whose table is checked, as its `target_config` names it."""
    target = {"catalog": "c", "schema": "s", "table": table}
    return right(name, sources=[source(NOTEBOOK, target_config=target, quality={"checks_table": "c.s.checks"})])


LAST = {
    "another group": (right("d"), {"group": "g2"}),
    "another blueprint": (right("d"), {"blueprint": "b"}),
    "another column": (right("d"), {"columns": {"team": "b"}}),
    "a damaged one": (right("d"), {"is_damaged": True}),
    "one that had another name": (right("d", formerly="old"), {}),
    "one that takes a job over": (right("d", adopt={"dev": 1}), {}),
    "one with a longer name": (right("d" * 150), {}),
    "one with longer texts": (right("d", description="x" * 30_000), {}),
}


@pytest.mark.parametrize("last", LAST)
@pytest.mark.parametrize("before", [{}, {"formerly": "old"}, {"adopt": {"dev": 1}}])
def test_what_is_no_text_is_part_of_the_form(tmp_path, last, before):
    (tmp_path / "databricks.yml").write_text("bundle: {name: b}\ntargets: {dev: {}}\n")
    preset = "{preset: p, match: {column.team: b}, job: {max_concurrent_runs: 3}}"
    (tmp_path / "job_meta.yml").write_text(f"metadata: [{{yaml: m/}}]\nbundles: {{by: team}}\npresets: [{preset}]\n")
    value, fields = LAST[last]
    compiler = compiler_for(tmp_path)
    usual = {"group": "g1", "columns": {"team": "a"}}
    units = [*(unit_of(right(name, **before), **usual) for name in "abc"), unit_of(value, **usual | fields)]
    for unit in units:
        assert_same(compiler.compile_alone(unit), by_itself(compiler_for(tmp_path), unit))


QUERY = {"sql_query": "SELECT 1", "warehouse_id": "w"}
OTHERS = {
    "ids that differ by case": [
        right(n, sources=[source(NOTEBOOK, source_id=i) for i in (n, n.upper())]) for n in "abcd"
    ],
    "ids that are long": [
        right(name, sources=[source({"for_each_task": {"inputs": "[1]", "task": NOTEBOOK}}, source_id=name * length)])
        for name, length in (("a", 5), ("b", 5), ("c", 5), ("d", 90), ("e", 95), ("f", 101))
    ],
    "ids that targets speak of": [
        right(name, sources=[source(NOTEBOOK, source_id=f"s{name}")], targets={"dev": {"sources": {"sa": {}}}})
        for name in "xyza"
    ],
    "texts that look like marks": [
        right(name, sources=[source({**NOTEBOOK, "description": f"ljm_blank_{1:069}x"}, source_id=f"s{name}")])
        for name in "abcd"
    ],
    "tables that are checked": [checked(name, f"t_{name}") for name in "abcd"],
    "modules that had other names": [right(name, formerly=f"old_{name}") for name in "abcd"],
    "texts of a hundred characters and more": [
        right(f"m{n}", description="x" * n) for n in (5, 6, 7, 100, 101, 30_000)
    ],
    "texts that are blank": [
        right(f"m{n}", description=each) for n, each in enumerate(["a", "b", "c", " ", "", "  d"])
    ],
}


@pytest.mark.parametrize("others", OTHERS)
@pytest.mark.parametrize("style", ["as_written", "underscores"])
def test_others_come_to_what_each_comes_to_alone(tmp_path, others, style):
    (tmp_path / "databricks.yml").write_text("bundle: {name: b}\ntargets: {dev: {}, prod: {}}\n")
    policy = "{policy: p, where: {has: description}, require_one: [description]}"
    (tmp_path / "job_meta.yml").write_text(
        f"metadata: [{{yaml: m/}}]\nnaming: {{task_key: {style}}}\npolicies: [{policy}]\n"
    )
    compiler = compiler_for(tmp_path)
    for value in OTHERS[others]:
        assert_same(compiled(compiler, value), by_itself(compiler_for(tmp_path), unit_of(value)))


def test_ids_with_hyphens_become_other_keys_where_the_project_says_so(tmp_path):
    (tmp_path / "databricks.yml").write_text("bundle: {name: b}\n")
    (tmp_path / "job_meta.yml").write_text("metadata: [{yaml: m/}]\nnaming: {task_key: underscores}\n")
    compiler = compiler_for(tmp_path)
    for name in ("a", "b", "c", "d-e"):
        result = compiled(compiler, right("m", sources=[source(NOTEBOOK, source_id=f"of_{name}")]))
        assert result is not None
        assert f'task_key: "of_{name.replace("-", "_")}"' in result.files["jobs/m.yml"]


names = st.from_regex(r"[a-z][a-z0-9_-]{0,6}", fullmatch=True)
free_texts = st.from_regex(r"[A-Za-z0-9_./: -]{1,12}", fullmatch=True) | strategies.texts


@st.composite
def modules_alike(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Random modules that differ in names, ids and texts; now and then in more."""
    first = draw(strategies.modules("first"))
    for number, each in enumerate(first["sources"]):
        if number and draw(st.booleans()):
            each["depends_on"] = [draw(st.sampled_from(first["sources"][:number]))["source_id"]]

    def texts_in(value: Any) -> Any:
        return {key: draw(free_texts) if isinstance(each, str) else each for key, each in value.items()}

    def in_config(config: dict[str, Any]) -> dict[str, Any]:
        changed = {
            key: texts_in(each) if key in ("base_parameters", "parameters") else each for key, each in config.items()
        }
        return {key: in_config(each) if key in ("notebook_task", "sql_task") else each for key, each in changed.items()}

    def like_it(number: int) -> dict[str, Any]:
        ids = [each["source_id"] for each in first["sources"]]
        new = dict(zip(ids, draw(st.lists(names, min_size=len(ids), max_size=len(ids))), strict=True))
        new = new if draw(st.booleans()) else dict(zip(ids, ids, strict=True))
        made = {**first, "module_name": draw(st.sampled_from([f"m_{number}", f"m-{number}", "on", f"m {number}"]))}
        if "description" in made:
            made["description"] = draw(free_texts)
        if "tags" in made.get("job_config", {}):
            made["job_config"] = {**made["job_config"], "tags": texts_in(made["job_config"]["tags"])}
        made["sources"] = [
            {
                **each,
                "source_id": new[each["source_id"]],
                **({"depends_on": [new[name] for name in each["depends_on"]]} if "depends_on" in each else {}),
                "transformation_config": in_config(each["transformation_config"]),
                **({"source_config": texts_in(each["source_config"])} if "source_config" in each else {}),
            }
            for each in first["sources"]
        ]
        return made

    return [first, *(like_it(number) for number in range(5))]


@settings(max_examples=examples(400))
@given(modules_alike())
def test_random_modules_come_to_what_each_comes_to_alone(folder, alike):
    compiler = compiler_for(folder)
    for value in alike:
        assert_same(compiled(compiler, value), by_itself(compiler_for(folder), unit_of(value)))


MISTAKES: list[dict[str, Any]] = [
    {"unknown": 1},
    {"unknown": {"a": 1}, "job_confg": {}},
    {"job_config": {"max_concurent_runs": 2, "tgs": {"a": "b"}, "timeout_seconds": "x"}},
    {"job_config": {"timeout_seconds": "1", "schedule": {"quartz_cron_expression": "0 0 2", "timezone_id": "Moon"}}},
    {"job_config": {"name": "{{job.parameters.p}} ${var.nobody}", "tags": {"a": 1, "b": "${bundle.x}"}}},
    {"job_config": []},
    {"description": 7, "presets": ["nobody"]},
    {"targets": ["nowhere"]},
    {"targets": {"nowhere": False}},
    {"sources": []},
    {"sources": [{"source_id": "a"}]},
    {"sources": [{"source_id": "a", "transformation_config": {"notebok_path": "/x"}}]},
    {"sources": [{"source_id": "a", "execution_order": "1", "transformation_config": {"notebook_path": "nowhere.py"}}]},
    {"sources": [{"source_id": n, "transformation_config": {"notebook_path": "/x"}} for n in ("load", "load")]},
    {
        "sources": [
            {"source_id": "load", "transformation_config": {"notebook_path": "/x"}},
            {"source_id": "next", "depends_on": ["laod"], "transformation_config": {"notebook_path": "/x"}},
        ]
    },
    {"sources": [{"source_id": "a", "is_active": False, "transformation_config": {"notebook_path": "/x"}}]},
    {"job_config": {"tags": {"password": "hunter2x"}}},
]


def in_yaml(values: list[dict[str, Any]]) -> list[SourceUnit]:
    return [unit_of_file(f"m/{n}.yml", f"modules:\n{to_yaml([each])}\n".encode()) for n, each in enumerate(values)]


def in_one_file(values: list[dict[str, Any]]) -> list[SourceUnit]:
    return [unit_of_file("m/all.yml", f"modules:\n{to_yaml(values)}\n".encode())]


def in_rows(values: list[dict[str, Any]]) -> list[SourceUnit]:
    made = []
    for value in values:
        for number, each in enumerate(value["sources"] or [{"source_id": "none"}]):
            configs = {key: json.dumps(each[key]) for key in ("transformation_config", "source_config") if key in each}
            of_module = {"job_config": json.dumps(value["job_config"])} if "job_config" in value and not number else {}
            depends_on = {"depends_on": json.dumps(each["depends_on"])} if "depends_on" in each else {}
            made.append({"module_name": value["module_name"], **each, **configs, **of_module, **depends_on})
    return [*units_of_rows("control", made)]


@settings(max_examples=examples(400))
@given(modules_alike(), st.sampled_from(MISTAKES), st.sampled_from([in_yaml, in_one_file, in_rows]))
def test_problems_are_told_of_each_as_of_it_alone(folder, alike, mistake, written):
    compiler = compiler_for(folder)
    values = [
        {**value, "module_name": f"{value['module_name']}{number}", **mistake} for number, value in enumerate(alike)
    ]
    for unit in written(values):
        assert_same(compiler.compile_alone(unit), by_itself(compiler_for(folder), unit))


def test_modules_with_the_same_mistakes_are_checked_three_times_at_most(compiler_of, looked):
    compiler = compiler_of()
    for number, unit in enumerate(in_yaml([right(f"m{n}", job_config={"tgs": {}, "quue": {}}) for n in range(8)])):
        result = compiler.compile_alone(unit)
        assert result is not None
        assert [str(each.location) for each in result.diagnostics] == [f"m/{number}.yml:9:5", f"m/{number}.yml:10:5"]
        assert [each.suggestion and each.suggestion.replacement for each in result.diagnostics] == ["tags", "queue"]
        assert (result.kept_jobs, result.broken) == ({f"m{number}"}, (f"m{number}",))
    assert len(looked) == 3


def test_a_comment_that_silences_all_mistakes_of_one_module_has_it_compiled(compiler_of):
    compiler = compiler_of()
    job = '{{parameters: [{{name: x, default: "${{var.nobody}}"}}]}}'
    source_of_it = "- source_id: s\n    execution_order: 1\n    transformation_config: {{notebook_path: /Workspace/x}}"
    text = f"modules:\n- module_name: m{{0}}\n  job_config: {job}{{1}}\n  sources:\n  {source_of_it}\n"
    for number in range(6):
        comment = "  # ljm: ignore[unknown-reference]" if number == 5 else ""
        unit = unit_of_file(f"m/{number}.yml", text.format(number, comment).encode())
        result = compiler.compile_alone(unit)
        assert_same(result, by_itself(compiler_of(), unit))
        assert result is not None
        assert bool(result.files) == (number == 5)


def test_a_secret_of_one_module_is_masked_in_what_is_told_of_another(compiler_of):
    compiler = compiler_of()
    values = [right(f"m{number}", job_config={"hunter2x": 1}) for number in range(5)]
    values.append(right("secret", job_config={"tags": {"password": "hunter2x"}}))
    for unit in in_one_file(values):
        found = compiler.compile_alone(unit)
        assert_same(found, by_itself(compiler_of(), unit))
        assert found is not None
        assert not any("hunter2x" in repr(each) for each in found.diagnostics)
