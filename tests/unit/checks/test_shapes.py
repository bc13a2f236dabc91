"""Jobs of a blueprint are alike: what looks at their shape alone looks once, and finds what it would find in each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakeflow_job_meta._internal.trees import KeyPath
from lakeflow_job_meta.checks.all_checks import JOB_CHECKS
from lakeflow_job_meta.checks.file_lookups import FileLookups
from lakeflow_job_meta.compiler.result import UnitResult
from lakeflow_job_meta.compiler.unit import UnitCompiler
from lakeflow_job_meta.config.bundle import read_bundle_declarations
from lakeflow_job_meta.config.load import load_project
from lakeflow_job_meta.diagnostics.model import Location, SourceRef, Subject
from lakeflow_job_meta.parsing.units import RawModule, SourceUnit, UnitContent


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
    *("${var.x}", "${var.known}", "${bundle.nothing}", "{{job.id}}", "{{tasks.load.values.x}}", "{{job.parameters.p}}"),
    *("{{input}}", "${resources.jobs.m1.id}", "dapi" + "0" * 32, "password=hunter2x", "Bearer abcdefghij0123456789"),
]
texts: st.SearchStrategy[Any] = st.sampled_from(TEXTS) | st.sampled_from(["orders", "x"]) | st.sampled_from([1, True])


@st.composite
def modules(draw: st.DrawFn, most_hostile: int = 2) -> dict[str, Any]:
    """A module with a few texts that are not plain, wherever a parameter may stand; most are as in all others."""
    hostile = draw(st.sets(st.integers(0, 17), max_size=most_hostile))
    number = iter(range(18))

    def text(plain: Any, values: st.SearchStrategy[Any] = texts) -> Any:
        own = next(number)
        return draw(values) if own in hostile else plain

    free = draw(st.sampled_from(["a1", "b/2", "c.3"]))
    load = {
        "notebook_path": text("/Workspace/load"),
        "base_parameters": {"p": text(free), "token_column": text(free), "n": text("3")},
        "job_cluster_key": text("small"),
        "run_if": text("ALL_SUCCESS"),
        "description": text(free),
    }
    check = {
        "task_type": "sql_file",
        "sql_task": {
            "sql_file_path": text("/Workspace/check.sql"),
            "parameters": {"q": text(free)},
            "warehouse_id": text("w1"),
        },
        "max_retries": text(1),
    }
    return {
        "module_name": f"m{draw(st.integers(1, 3))}",
        "description": text(free),
        "job_config": {
            "tags": {"owner": text(free), "x_id": text(free)},
            "schedule": {"quartz_cron_expression": text("0 0 2 * * ?"), "timezone_id": text("UTC")},
            "job_clusters": [{"job_cluster_key": text("small"), "new_cluster": {"num_workers": 1}}],
        },
        "sources": [
            {"source_id": "load", "execution_order": 1, "transformation_config": load},
            {
                "source_id": "check",
                "depends_on": [{"source_id": text("load")}],
                "is_active": draw(st.booleans()),
                "transformation_config": check,
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


@pytest.fixture(scope="module")
def compiler_of(folder):
    """Returns a compiler that has compiled nothing yet."""
    project = load_project(folder)
    bundle = read_bundle_declarations(project)
    return lambda: UnitCompiler(project, bundle, FileLookups(folder))


def compiled(compiler: UnitCompiler, module: dict[str, Any]) -> UnitResult | None:
    raw = RawModule(module, SourceRef(Places()), blueprint="ingest")
    return compiler.compile_alone(SourceUnit("rows", None, lambda: UnitContent((raw,))))


@given(modules(most_hostile=0), st.lists(modules(), min_size=2, max_size=6))
def test_a_job_is_compiled_behind_others_of_its_blueprint_as_it_is_alone(compiler_of, right, several):
    behind_others = compiler_of()
    first = compiled(behind_others, right)
    assert first is not None
    assert first.is_good
    for module in several:
        assert compiled(behind_others, module) == compiled(compiler_of(), module)


def test_what_looks_at_the_shape_alone_looks_once(compiler_of, monkeypatch):
    looked = []
    monkeypatch.setattr(
        "lakeflow_job_meta.checks.all_checks.JOB_CHECKS", (*JOB_CHECKS, lambda *_: looked.append(1) or ())
    )
    compiler = compiler_of()
    for name in ("a", "b", "c"):
        task = {"notebook_path": "/Workspace/a", "base_parameters": {"table": name}}
        sources = [{"source_id": "s", "execution_order": 1, "transformation_config": task}]
        result = compiled(compiler, {"module_name": f"load_{name}", "sources": sources})
        assert result is not None
        assert result.is_good
        assert f'"{name}"' in result.files[f"jobs/load_{name}.yml"]
    assert looked == [1]
