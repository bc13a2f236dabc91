"""Sound metadata of every kind of task has no complaint, and any single mistake in it is told at its line."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakeflow_job_meta.compiler.compile import compile_snapshots
from lakeflow_job_meta.config.bundle import read_bundle_declarations
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.diagnostics.model import Diagnostic, SourceRef, UnreadableDocument
from lakeflow_job_meta.jobs.task_types import BY_BLOCK, COMPUTE_FIELDS, REFUSED, Compute
from lakeflow_job_meta.parsing.units import RawModule, SourceUnit, UnitContent
from lakeflow_job_meta.schema.validator import load_schema
from lakeflow_job_meta.sources.interface import SourceSnapshot
from lakeflow_job_meta.text.yaml_documents import YamlDocument
from lakeflow_job_meta.text.yaml_reader import read_yaml
from lakeflow_job_meta.text.yaml_writer import to_yaml
from support.examples import examples
from support.slow import few

DEFINITIONS: dict[str, Any] = load_schema("job")["$defs"]
TASK = ("modules", 0, "sources", 0, "transformation_config")
WORD = st.from_regex(r"/Workspace/[a-z]{1,6}", fullmatch=True)
"""Absolute, so that it may stand for a path too."""

NOT_DRAWN = {*BY_BLOCK, *COMPUTE_FIELDS, "task_key", "depends_on"}
"""Settings of a task that need others beside them, or that metadata writes elsewhere."""


def resolved(node: dict[str, Any]) -> dict[str, Any]:
    """Returns the real thing behind references of the schema and choices of a bundle reference."""
    while "$ref" in node or ("anyOf" in node and "type" not in node):
        node = DEFINITIONS[node["$ref"].rsplit("/", 1)[1]] if "$ref" in node else node["anyOf"][0]
    return node


@st.composite
def values(draw: st.DrawFn, node: dict[str, Any], depth: int = 0) -> Any:
    """A value that the schema takes."""
    node = resolved(node)
    if "enum" in node:
        return draw(st.sampled_from(node["enum"]))
    if node["type"] == "object" and "properties" in node:
        required = node.get("required", [])
        optional = [name for name in node["properties"] if name not in required and depth < 3]
        chosen = (
            [*required, *draw(st.lists(st.sampled_from(optional), max_size=2, unique=True))] if optional else required
        )
        return {name: draw(values(node["properties"][name], depth + 1)) for name in chosen}
    if node["type"] == "object":
        return {draw(st.sampled_from(["a", "b"])): draw(values(node["additionalProperties"], depth + 1))}
    if node["type"] == "array":
        return [draw(values(node["items"], depth + 1))]
    simple = {"string": WORD, "integer": st.integers(0, 9), "number": st.integers(0, 9), "boolean": st.booleans()}
    return draw(simple[node["type"]])


@st.composite
def transformation_configs(draw: st.DrawFn, block: str) -> dict[str, Any]:
    """The task of one kind, with a few settings of tasks beside its block."""
    known = DEFINITIONS["Task"]["properties"]
    config = {block: draw(values(known[block]))}
    if block == "sql_task":
        config[block] = {"warehouse_id": "abc", "sql_query": "SELECT 1"}
    if block == "for_each_task":
        config[block] = {"inputs": "[1]", "task": {"notebook_task": {"notebook_path": "/Workspace/a"}}}
    if isinstance(config[block], dict) and config[block].get("source") == "GIT":
        config[block]["source"] = "WORKSPACE"  # the job has no repository
    if block == "dbt_task":
        config[block]["commands"] = ["dbt run"]
    if block == "run_job_task":
        config[block] = {"job_id": 5}
    if BY_BLOCK[block].compute in (Compute.ENVIRONMENT, Compute.CLUSTER):
        config["existing_cluster_id"] = "0101-120000-abcd1234"
    others = sorted(set(known) - NOT_DRAWN - set(REFUSED[block]))
    for name in draw(st.lists(st.sampled_from(others), max_size=3, unique=True)):
        config[name] = draw(values(known[name]))
    if not (config.get("max_retries") and config.get("timeout_seconds")):
        for without_effect in ("min_retry_interval_millis", "retry_on_timeout"):
            config.pop(without_effect, None)
    return config


def problems_of(config: dict[str, Any]) -> tuple[str, list[Diagnostic]]:
    """Writes a module with one task as YAML, and returns the text and everything that is said of it."""
    source = {"source_id": "a", "execution_order": 1, "transformation_config": config}
    text = to_yaml({"modules": [{"module_name": "sales", "sources": [source]}]}) + "\n"
    document = YamlDocument("metadata/sales.yml", text)
    read = read_yaml(text)
    assert read.faults == []
    raw = RawModule(read.value["modules"][0], SourceRef(document, ("modules", 0)))  # type: ignore[index, call-overload]
    project = Project(Path("/nowhere"), SourceRef(UnreadableDocument("job_meta.yml")))
    reading = SourceSnapshot(
        "metadata", (SourceUnit(document.label, None, lambda: UnitContent((raw,))),), (), False, lambda label: True
    )
    compilation = compile_snapshots(project, read_bundle_declarations(project), [reading])
    return text, list(compilation.diagnostics)


def paths_in(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, item in items for found in [(*path, key), *paths_in(item, (*path, key))]]


def at(value: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        value = value[step]
    return value


def lines_of(text: str, path: tuple[Any, ...]) -> set[int]:
    """Returns the lines on which a value of the task and its key stand."""
    found = read_yaml(text, with_positions=True).positions[(*TASK, *path)]
    return {span.start.line for span in found if span is not None}


COMMON = ["notebook_task", "sql_task", "for_each_task", "run_job_task", "python_wheel_task"]
each_kind = pytest.mark.parametrize("block", few(COMMON, sorted({*BY_BLOCK} - {*COMMON})))


@each_kind
@settings(max_examples=examples(15))
@given(st.data())
def test_sound_metadata_has_no_complaint(block, data):
    _, problems = problems_of(data.draw(transformation_configs(block)))
    assert [str(problem) for problem in problems] == []


@each_kind
@settings(max_examples=examples(15))
@given(st.data())
def test_a_misspelt_setting_is_told_at_its_line(block, data):
    config = data.draw(transformation_configs(block))
    maps = [path for path in paths_in(config) if path[-1] in _fields() and isinstance(at(config, path[:-1]), dict)]
    *parents, key = data.draw(st.sampled_from(maps))
    holder = at(config, tuple(parents))
    wrong = f"{key}s_" if key == "task" else f"{key[:-1]}"
    renamed = {(wrong if name == key else name): value for name, value in holder.items()}
    config = _with(config, tuple(parents), renamed)
    text, problems = problems_of(config)
    assert {problem.location.line for problem in problems} & lines_of(text, (*parents, wrong)), (text, problems)


@each_kind
@settings(max_examples=examples(15))
@given(st.data())
def test_a_value_of_the_wrong_kind_is_told_at_its_line(block, data):
    config = data.draw(transformation_configs(block))
    path = data.draw(st.sampled_from(paths_in(config)))
    config = _with(config, path, 7 if isinstance(at(config, path), (str, dict, list)) else [])
    text, problems = problems_of(config)
    assert {problem.location.line for problem in problems} & lines_of(text, path), (text, problems)


@each_kind
@settings(max_examples=examples(15))
@given(st.data())
def test_a_required_setting_that_is_missing_is_told_at_the_map_that_lacks_it(block, data):
    config = data.draw(transformation_configs(block))
    required = [path for path in paths_in(config) if _is_required(config, path)]
    if not required:
        return
    path = data.draw(st.sampled_from(required))
    holder = {name: value for name, value in at(config, path[:-1]).items() if name != path[-1]}
    text, problems = problems_of(_with(config, path[:-1], holder))
    assert {problem.location.line for problem in problems} & lines_of(text, path[:-1]), (text, problems)


def _with(config: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    changed = copy.copy(config)
    changed[path[0]] = _with(config[path[0]], path[1:], new)
    return changed


def _fields() -> set[str]:
    """Returns the names of all settings that the schema has; keys of free maps are none."""
    nodes = [resolved({"$ref": f"#/$defs/{name}"}) for name in DEFINITIONS]
    return {name for node in nodes for name in node.get("properties", {})}


def _is_required(config: Any, path: tuple[Any, ...]) -> bool:
    node: Any = {"$ref": "#/$defs/Task"}
    for step in path[:-1]:
        node = resolved(node)
        node = node["items"] if isinstance(step, int) else node.get("properties", {}).get(step)
        if node is None:
            return False
    special = path[0] in ("sql_task", "run_job_task") or path[:2] == ("for_each_task", "task")
    return not special and path[-1] in resolved(node).get("required", ())
