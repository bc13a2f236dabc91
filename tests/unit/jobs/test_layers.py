"""Where a setting was written: editing it there, and only there, changes it, whichever layer has set it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakeflow_job_meta._internal.trees import KeyPath, Value, value_at
from lakeflow_job_meta.config.model import Defaults, Project
from lakeflow_job_meta.diagnostics.model import SourceRef, UnreadableDocument
from lakeflow_job_meta.jobs.build import build_job
from lakeflow_job_meta.jobs.layers import Layer, merge_layers, origin_in
from lakeflow_job_meta.jobs.model import Job
from lakeflow_job_meta.parsing.modules import parse_module
from lakeflow_job_meta.parsing.units import RawModule
from support.examples import examples

PROJECT, METADATA = UnreadableDocument("job_meta.yml"), UnreadableDocument("metadata/sales.yml")

numbers = st.integers(0, 3)
words = st.sampled_from(["a", "b", "c"])
maps = st.dictionaries(words, words, max_size=2)


def some_of(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


def both(one: st.SearchStrategy[dict], other: st.SearchStrategy[dict]) -> st.SearchStrategy[dict]:
    return st.builds(lambda first, second: {**first, **second}, one, other)


job_settings = some_of(
    max_concurrent_runs=numbers | st.none(),
    tags=maps,
    description=words,
    email_notifications=some_of(on_failure=st.lists(words, max_size=2), no_alert_for_skipped_runs=st.booleans()),
    schedule=st.fixed_dictionaries({"quartz_cron_expression": words, "timezone_id": words}) | st.none(),
    continuous=st.fixed_dictionaries({"pause_status": words}),
)
task_settings = some_of(
    max_retries=numbers | st.none(),
    existing_cluster_id=words,
    libraries=st.lists(st.fixed_dictionaries({"whl": st.just("/Volumes/x.whl")}), max_size=2),
    email_notifications=some_of(on_failure=st.lists(words, max_size=1), no_alert_for_skipped_runs=st.booleans()),
)
plain_tasks = both(
    task_settings,
    st.one_of(
        both(st.fixed_dictionaries({"notebook_path": words}), some_of(base_parameters=maps)),
        st.fixed_dictionaries({"notebook_task": st.fixed_dictionaries({"notebook_path": words})}),
        st.builds(
            lambda form, own: {"sql_task": {**form, **own}},
            st.sampled_from(["sql_query", "sql_file_path", "query_id"]).map(lambda name: {name: "x"}),
            some_of(warehouse_id=words, parameters=maps),
        ),
        st.just({"run_job_task": {"module_name": "other"}}),
        st.fixed_dictionaries({"spark_python_task": st.fixed_dictionaries({"python_file": words})}),
    ),
)
tasks = plain_tasks | both(
    task_settings, plain_tasks.map(lambda task: {"for_each_task": {"inputs": "[1]", "task": task}})
)
projects = some_of(job=job_settings, task=task_settings, warehouse_id=words)
metadata = both(
    st.fixed_dictionaries(
        {
            "module_name": st.just("sales"),
            "sources": st.lists(tasks, min_size=1, max_size=2).map(
                lambda found: [
                    {"source_id": f"s{number}", "execution_order": number, "transformation_config": config}
                    for number, config in enumerate(found)
                ]
            ),
        }
    ),
    some_of(job_config=job_settings, description=words),
)


def build(defaults: dict[str, Any], module: dict[str, Any]) -> Job:
    parsed = parse_module(RawModule(module, SourceRef(METADATA)))
    assert parsed.module is not None
    built = build_job(parsed.module, Project(Path(), SourceRef(PROJECT), defaults=Defaults(**defaults)), "resources")
    assert built.job is not None
    return built.job


def leaves(value: Value, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Value]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if items is None:
        yield path, value
    for key, item in items or ():
        yield from leaves(item, (*path, key))


def edited(value: Any, path: KeyPath) -> Any:
    """Returns a copy with another scalar at a path."""
    if path:
        copy = dict(value) if isinstance(value, dict) else list(value)
        copy[path[0]] = edited(value[path[0]], path[1:])
        return copy
    return not value if isinstance(value, bool) else value + 1 if isinstance(value, int) else f"{value}_edited"


GENERATED = ("source_id", "source", "outcome")
"""Steps of paths that nobody has written."""


@settings(max_examples=examples(300), deadline=None)
@given(projects, metadata)
def test_editing_where_a_setting_was_written_changes_it(defaults: dict, module: dict):
    job = build(defaults, module)

    for path, value in leaves(job.settings):
        if path[-1] in GENERATED or "depends_on" in path or path[-2:] == ("task", "task_key"):
            continue
        ref = job.origin_of(path)
        if ref.of_key:
            # The path of inline SQL: what is written is the SQL, and the path is that of its file.
            assert path[-3:] == ("sql_task", "file", "path"), (path, ref.path)
            continue
        if ref.document is PROJECT:
            changed = build(edited({"defaults": defaults}, ref.path)["defaults"], module)
        else:
            changed = build(defaults, edited(module, ref.path))
        assert value_at(changed.settings, path)[1] != value, (path, ref.path)


def test_every_layer_is_named_by_the_settings_that_it_has_set():
    defaults = {
        "job": {"tags": {"a": "1", "b": "1"}, "timeout_seconds": 1},
        "task": {"max_retries": 1, "timeout_seconds": 1},
        "warehouse_id": "w",
    }
    query = {"sql_task": {"query_id": "q"}}
    module = {
        "module_name": "sales",
        "description": "d",
        "job_config": {"tags": {"b": "2"}, "timeout_seconds": None},
        "sources": [
            {"source_id": "s", "execution_order": 1, "transformation_config": {**query, "max_retries": 2}},
            {
                "source_id": "t",
                "execution_order": 2,
                "transformation_config": {"for_each_task": {"inputs": "[]", "task": query}},
            },
        ],
    }
    inner = ("transformation_config", "for_each_task", "task")

    job = build(defaults, module)

    def origin(*path: str | int, of_key: bool = False) -> tuple[str, KeyPath, bool]:
        ref = job.origin_of(path, of_key=of_key)
        return ref.document.label, ref.path, ref.of_key

    project, ours = "job_meta.yml", "metadata/sales.yml"
    assert origin("tags", "a") == (project, ("defaults", "job", "tags", "a"), False)
    assert origin("tags", "b", of_key=True) == (ours, ("job_config", "tags", "b"), True)
    assert origin("name", of_key=True) == (ours, ("module_name",), False)
    assert origin("description") == (ours, ("description",), False)
    assert origin("nobody", "wrote", "this") == (ours, ("job_config",), False)
    assert origin("tags", "c") == (ours, ("job_config", "tags"), True)
    assert origin("tasks", 0, "task_key") == (ours, ("sources", 0, "source_id"), False)
    assert origin("tasks", 0, "depends_on", 0) == (ours, ("sources", 0, "execution_order"), False)
    assert origin("tasks", 0, "max_retries") == (
        ours,
        ("sources", 0, "transformation_config", "max_retries"),
        False,
    )
    assert origin("tasks", 0, "sql_task", "warehouse_id") == (project, ("defaults", "warehouse_id"), False)
    for_each = ("tasks", 1, "for_each_task", "task")
    assert origin("tasks", 1, "timeout_seconds") == (project, ("defaults", "task", "timeout_seconds"), False)
    assert origin(*for_each, "max_retries") == (project, ("defaults", "task", "max_retries"), False)
    assert origin(*for_each, "sql_task", "query") == (ours, ("sources", 1, *inner, "sql_task", "query_id"), False)
    assert origin(*for_each, "sql_task", "warehouse_id") == (project, ("defaults", "warehouse_id"), False)


@pytest.mark.parametrize("below", [(), ("x",)])
def test_any_number_of_layers_may_be_laid_over_each_other(below):
    documents = [UnreadableDocument(name) for name in ("preset", "defaults", "target")]
    values: list[Value] = [{"a": 1, "b": {"c": 1, "d": 1}}, {"b": {"c": 2}, "e": 2}, {"b": {"c": 3}, "a": None}]
    written = zip(documents, values, strict=True)
    layers = [Layer(document.label, SourceRef(document), value, below) for document, value in written]

    assert merge_layers(layers, below) == {"b": {"c": 3, "d": 1}, "e": 2}
    found = {path: origin_in(layers, (*below, *path), None, of_key=False) for path in [("b", "c"), ("b", "d"), ("e",)]}
    assert [ref and ref.document.label for ref in found.values()] == ["target", "preset", "defaults"]
    assert origin_in(layers, ("nobody",), None, of_key=False) is None
