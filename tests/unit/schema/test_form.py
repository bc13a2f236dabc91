"""The form of a module: an editor with the shipped schema and the tool never disagree about it."""

from __future__ import annotations

import copy
import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.diagnostics.model import SourceRef, UnreadableDocument
from lakeflow_job_meta.diagnostics.rules import UNUSABLE_NAME
from lakeflow_job_meta.jobs.build import build_job
from lakeflow_job_meta.parsing.modules import ParsedModule, parse_module
from lakeflow_job_meta.parsing.units import RawModule
from lakeflow_job_meta.schema.validator import fields_of, schema_text
from lakeflow_job_meta.services.load_plan import rows_of_module
from support.examples import examples
from support.project_folder import module

NOWHERE = SourceRef(UnreadableDocument("test.yml"))
TASK = {"notebook_path": "/a"}
LAST = {"source_id": "tell", "transformation_config": TASK}
SETTINGS = ("job_config", "transformation_config")


@cache
def shipped_schema() -> jsonschema.Draft202012Validator:
    """What an editor checks metadata files with."""
    return jsonschema.Draft202012Validator(json.loads(schema_text("metadata")))


def parsed(value: Any) -> ParsedModule:
    return parse_module(RawModule(value, NOWHERE))


def tool_accepts(value: Any) -> bool:
    """Says whether the tool finds nothing wrong with the form; whether names can become keys, no schema says."""
    return all(each.code == UNUSABLE_NAME.code for each in parsed(value).diagnostics)


def editor_accepts(value: Any) -> bool:
    """Says whether the shipped schema finds nothing wrong, but for what is inside settings of jobs and tasks.

    The tool compares these with the schema later, on the job that it builds of them.
    """
    document = {"modules": [value]}
    return all(_is_inside_settings(error, document) for error in shipped_schema().iter_errors(document))


def _is_inside_settings(error: jsonschema.ValidationError, document: Any) -> bool:
    """Says so of what fails in each form that a value may have, too, where one of these fails there alone."""
    forms: dict[Any, list[jsonschema.ValidationError]] = {}
    for each in error.context or ():
        forms.setdefault(each.schema_path[0], []).append(each)
    if any(all(_is_inside_settings(each, document) for each in form) for form in forms.values()):
        return True
    value, path = document, list(error.absolute_path)
    for number, step in enumerate(path):
        value = value[step]
        if step in SETTINGS and number in (2, 3, 4) and isinstance(value, dict):
            return True
    return False


odd_values = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from([1.0, -2.0, 1.5, 1e300, 2**70, "", " ", "x", "1", "true", "True", "maybe", "${var.x}"])
    | st.sampled_from([[], {}, [[]], [{}], [None], [""], ["x"], [1], {"a": 1}, {"source_id": None}, {"source_id": "a"}])
    | st.sampled_from([[{"source_id": "b", "outcome": each}] for each in ("true", "no", "", True, 1, None, [])])
)
keys = st.sampled_from([*fields_of("module"), *fields_of("source"), "outcome", "group", ""])
names = st.sampled_from(["a", "b", "c"])
maps = st.sampled_from([{}, {"a": [1, None]}])
settings_of_tasks = st.sampled_from([TASK, {}, {"max_retry": 1}, {"sql_task": {"sql_query": 5}}])
dependencies = names | st.fixed_dictionaries(
    {"source_id": names}, optional={"outcome": st.sampled_from(["true", "false", True, None])}
)
optional_fields = {
    "source_type": names | st.none(),
    "is_active": st.booleans() | st.none(),
    "source_config": maps | st.none(),
    "target_config": maps,
}
sources = st.one_of(
    st.fixed_dictionaries(
        {"source_id": names, "transformation_config": settings_of_tasks, "execution_order": st.integers(-2, 3)},
        optional={**optional_fields, "depends_on": st.lists(dependencies, max_size=2) | st.none()},
    ),
    st.fixed_dictionaries(
        {"source_id": names, "transformation_config": settings_of_tasks, "depends_on": st.lists(dependencies)},
        optional={**optional_fields, "execution_order": st.none()},
    ),
)
last_sources = st.fixed_dictionaries(
    {"source_id": names, "transformation_config": settings_of_tasks},
    optional={key: each for key, each in optional_fields.items() if key != "source_type"},
)
runs = names | st.fixed_dictionaries(
    {"module": names},
    optional={"after": st.lists(names, max_size=2) | st.none(), "transformation_config": settings_of_tasks},
)
valid_modules = st.fixed_dictionaries(
    {"module_name": names, "sources": st.lists(sources, max_size=2)},
    optional={
        "description": names | st.none(),
        "job_config": st.sampled_from([None, {}, {"tags": {"a": "b"}}, {"max_retries": 1}]),
        "targets": st.lists(names) | st.none(),
        "on_failure": last_sources | st.lists(last_sources, max_size=2) | st.none(),
        "finally": last_sources | st.none(),
        "runs": st.lists(runs, max_size=2) | st.none(),
        "after": st.lists(names, max_size=2)
        | st.fixed_dictionaries({}, optional={"tables": st.lists(names), "when": st.sampled_from(["all", "any"])}),
    },
)
"""With every field of the format; what is set for jobs and tasks may be wrong."""


def paths_of_the_form(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Returns the path of everything in a module that is not inside settings or free maps."""
    found = [path] if path else []
    if path and path[-1] in (*SETTINGS, "source_config", "target_config"):
        return found
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        found += paths_of_the_form(item, (*path, key))
    return found


@st.composite
def mutated_modules(draw: st.DrawFn) -> Any:
    """A valid module in which up to three things are changed at random."""
    value = copy.deepcopy(draw(valid_modules))
    for _ in range(draw(st.integers(0, 3))):
        paths = paths_of_the_form(value)
        if not paths:
            break
        *parents, last = draw(st.sampled_from(paths))
        holder: Any = value
        for step in parents:
            holder = holder[step]
        action = draw(st.sampled_from(["replace", "drop", "add", "rename"]))
        odd = copy.deepcopy(draw(odd_values))
        if action == "replace":
            holder[last] = odd
        elif action == "drop":
            del holder[last]
        elif isinstance(holder, list):
            holder.append(odd)
        else:
            holder[draw(keys)] = holder.pop(last) if action == "rename" else odd
    return value


@settings(max_examples=examples(500))
@given(mutated_modules())
@example({"module_name": "a", "sources": [{"source_id": "a", "execution_order": 1.0, "transformation_config": TASK}]})
@example({"module_name": "a", "sources": [{"source_id": "a", "execution_order": None, "transformation_config": TASK}]})
@example({"module_name": "a", "sources": [{"source_id": "a", "depends_on": None, "transformation_config": TASK}]})
@example({"module_name": "a", "targets": [""], "sources": []})
@example({"module_name": "", "sources": []})
@example({"module_name": "a", "sources": None, "runs": ["b"]})
@example({"module_name": "a", "sources": [{"source_id": "a", "source_type": "finally", "transformation_config": TASK}]})
@example({"module_name": "a", "sources": [], "on_failure": {**LAST, "execution_order": 1}})
@example({"module_name": "a", "sources": [], "finally": [LAST, {**LAST, "transformation_config": {"max_retry": 1}}]})
def test_editor_and_tool_agree_on_the_form_of_every_module(value):
    event(f"valid: {tool_accepts(value)}")
    assert tool_accepts(value) == editor_accepts(value)


@given(odd_values)
def test_editor_and_tool_agree_on_what_is_no_module_at_all(value):
    assert tool_accepts(value) == editor_accepts(value)


@given(valid_modules)
def test_a_valid_module_is_built_with_every_value_that_was_written(value):
    found = parsed(value)
    assert found.diagnostics == ()
    assert found.module is not None
    assert found.module.job_config == (value.get("job_config") or {})
    assert found.module.targets == tuple(dict.fromkeys(value.get("targets") or ()))
    own = [source for source in found.module.sources if source.origin.path[0] == "sources"]
    last = [source for source in found.module.sources if source.run_if is not None]
    written_last = [value.get("on_failure") or [], value.get("finally") or []]
    names_of_last = [
        each["source_id"] for part in written_last for each in (part if isinstance(part, list) else [part])
    ]
    assert [each.source_id for each in last] == names_of_last
    for source, written in zip(own, value["sources"], strict=True):
        assert source.source_id == written["source_id"]
        assert source.execution_order == written.get("execution_order")
        assert source.transformation_config == written["transformation_config"]
        waits_for = [each if isinstance(each, str) else each["source_id"] for each in written.get("depends_on") or ()]
        assert [each.source_id for each in source.depends_on or ()] == waits_for


@settings(max_examples=examples(200))
@given(mutated_modules())
def test_a_broken_module_is_built_as_far_as_it_can_be(value):
    before = copy.deepcopy(value)
    found = parsed(value)
    assert found.module is not None
    if isinstance(value.get("sources"), list):
        own = [source for source in found.module.sources if source.origin.path[0] == "sources"]
        assert len(own) == sum(isinstance(each, dict) for each in value["sources"])
    build_job(found.module, Project(Path(), NOWHERE), "resources")
    assert value == before


IN_SOURCE = """
    modules:
      - module_name: sales
        %s
        sources:
          - source_id: a
            transformation_config: {notebook_path: /Workspace/a}
            execution_order: 1
            %s
    """


@pytest.mark.parametrize("field", ["source_type", "depends_on", "is_active", "source_config", "target_config"])
def test_an_optional_field_of_a_source_that_is_null_counts_as_absent(project, field):
    with_null = project.job(IN_SOURCE % ("", f"{field}:"))
    assert with_null == project.job(IN_SOURCE % ("", ""))


@pytest.mark.parametrize("field", ["description", "job_config", "targets"])
def test_an_optional_field_of_a_module_that_is_null_counts_as_absent(project, field):
    with_null = project.job(IN_SOURCE % (f"{field}:", ""))
    assert with_null == project.job(IN_SOURCE % ("", ""))


@pytest.mark.parametrize("fields", ["execution_order:", "depends_on:", "execution_order:\n            depends_on:"])
def test_a_source_whose_order_and_dependencies_are_null_does_not_say_when_it_runs(project, fields):
    (problem,) = project.problems((IN_SOURCE % ("", "")).replace("execution_order: 1", fields))
    assert "'execution_order' is missing: the stage in which the source runs" in problem


def test_a_whole_number_with_a_fraction_of_nothing_is_an_execution_order(project):
    written = module().replace("execution_order: 1", "execution_order: 1.0")
    assert project.job(written) == project.job(module())
    source = {"source_id": "a", "execution_order": 1.0, "transformation_config": TASK}
    (row,) = rows_of_module(RawModule({"module_name": "sales", "sources": [source]}, NOWHERE))
    assert repr(row["execution_order"]) == "1"


def test_a_target_without_a_name_is_refused(project):
    (problem,) = project.problems(IN_SOURCE % ("targets: ['']", ""))
    assert "a target must be the name of a target, not the text ''" in problem


@pytest.mark.parametrize("outcome", ["true", "'true'"])
def test_an_outcome_may_be_written_with_or_without_quotes(project, outcome):
    job = project.job(
        f"""
        modules:
          - module_name: sales
            sources:
              - source_id: check
                execution_order: 1
                transformation_config: {{condition_task: {{op: EQUAL_TO, left: a, right: b}}}}
              - source_id: load
                depends_on: [{{source_id: check, outcome: {outcome}}}]
                transformation_config: {{notebook_path: /Workspace/a}}
        """
    )
    assert job["tasks"][1]["depends_on"] == [{"task_key": "check", "outcome": "true"}]


@pytest.mark.parametrize("version", ["1.0", "'1.0'", ""])
def test_a_version_may_be_text_a_number_or_nothing_for_editor_and_tool(project, version):
    assert project.problems(f"metadata_version: {version}\n{module()}") == []
    value = {"1.0": 1.0, "'1.0'": "1.0", "": None}[version]
    assert shipped_schema().is_valid({"metadata_version": value, "modules": []})


def test_a_file_without_modules_is_refused_by_editor_and_tool(project):
    assert project.problems("metadata_version: '1.0'\n") != []
    assert not shipped_schema().is_valid({"metadata_version": "1.0"})


def test_a_cell_that_json_does_not_have_is_reported_and_not_raised():
    value = {"module_name": "a", "sources": [{"source_id": Path("a"), "depends_on": [], "transformation_config": TASK}]}
    (problem,) = parsed(value).diagnostics
    assert "'source_id' must be text" in problem.message
