"""Jobs are often alike: what looks at their shape alone looks once, and finds what it would find in each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lakeflow_job_meta._internal.trees import KeyPath
from lakeflow_job_meta.checks.all_checks import JOB_CHECKS
from lakeflow_job_meta.checks.file_lookups import FileLookups
from lakeflow_job_meta.compiler.result import UnitResult
from lakeflow_job_meta.compiler.unit import UnitCompiler
from lakeflow_job_meta.config.bundle import read_bundle_declarations
from lakeflow_job_meta.config.load import load_project
from lakeflow_job_meta.diagnostics import rules
from lakeflow_job_meta.diagnostics.model import Location, SourceRef, Subject
from lakeflow_job_meta.parsing.units import RawModule, SourceUnit, UnitContent
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
]
POSITIONS = 20


def module(position: int = -1, text: Any = None, *, is_active: bool = True, free: str = "a1") -> dict[str, Any]:
    """Returns a right module, but for another text at one of the positions; `free` is at all that may have any text."""
    numbers = iter(range(POSITIONS))

    def at(usual: Any) -> Any:
        return text if next(numbers) == position else usual

    load = {
        "notebook_path": at("there.py"),
        "base_parameters": {"p": at(free), "token_column": at(free), "n": at("3")},
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


def compiled(compiler: UnitCompiler, value: dict[str, Any]) -> UnitResult | None:
    raw = RawModule(value, SourceRef(Places()))
    return compiler.compile_alone(SourceUnit("rows", None, lambda: UnitContent((raw,))))


@pytest.mark.parametrize("is_active", few([True], [False]))
@pytest.mark.parametrize("position", one_in(5, range(POSITIONS)))
def test_a_job_is_compiled_behind_others_like_it_as_it_is_alone(compiler_of, position, is_active):
    behind_others = compiler_of()
    right = compiled(behind_others, module(is_active=is_active))
    assert right is not None
    assert not right.diagnostics
    for text in TEXTS:
        like_others = module(position, text, is_active=is_active)
        assert compiled(behind_others, like_others) == compiled(compiler_of(), like_others)


def test_what_looks_at_the_shape_alone_looks_once(compiler_of, monkeypatch):
    looked = []
    monkeypatch.setattr(
        "lakeflow_job_meta.checks.all_checks.JOB_CHECKS", (*JOB_CHECKS, lambda *_: looked.append(1) or ())
    )
    compiler = compiler_of()
    for name in ("a", "b", "c"):
        result = compiled(compiler, module(free=name))
        assert result is not None
        assert result.is_good
        assert f'p: "{name}"' in result.files[f"jobs/m_{name}.yml"]
    assert looked == [1]


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
def test_what_a_job_does_not_show_of_its_metadata_is_part_of_its_shape(tmp_path, right, wrong, code):
    (tmp_path / "databricks.yml").write_text("bundle: {name: b}\n")
    (tmp_path / "job_meta.yml").write_text("metadata: [{yaml: m/}]\ndefaults: {task: {retry_on_timeout: true}}\n")
    compiler = compiler_for(tmp_path)
    for value, expected in ((right, set()), (wrong, {getattr(rules, code).code})):
        result = compiled(compiler, value)
        assert result is not None
        assert {each.code for each in result.diagnostics} == expected
