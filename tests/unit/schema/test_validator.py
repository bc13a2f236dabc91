"""Settings against the schema: the quick verdict and the careful walk never disagree."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lakeflow_job_meta.config.model import Defaults, Project
from lakeflow_job_meta.diagnostics.model import SourceRef, UnreadableDocument
from lakeflow_job_meta.jobs.build import build_job
from lakeflow_job_meta.parsing.modules import parse_module
from lakeflow_job_meta.parsing.units import RawModule
from lakeflow_job_meta.schema.validator import compare, is_valid_job, load_schema
from support.examples import examples
from support.strategies import identifiers, modules, text_maps

JOB: dict[str, Any] = {
    "name": "a",
    "tags": {"a": "b"},
    "schedule": {"quartz_cron_expression": "0 0 2 * * ?", "timezone_id": "UTC", "pause_status": "PAUSED"},
    "email_notifications": {"on_failure": ["a@b.c"]},
    "job_clusters": [{"job_cluster_key": "c", "new_cluster": {"spark_version": "x", "num_workers": 1}}],
    "environments": [{"environment_key": "e", "spec": {"environment_version": "4"}}],
    "queue": {"enabled": True},
    "permissions": [{"level": "CAN_VIEW", "group_name": "users"}],
    "tasks": [
        {
            "task_key": "a",
            "notebook_task": {"notebook_path": "/a", "base_parameters": {"x": "1"}},
            "max_retries": 1,
            "libraries": [{"pypi": {"package": "x"}}],
        },
        {
            "task_key": "b",
            "depends_on": [{"task_key": "a"}],
            "condition_task": {"op": "EQUAL_TO", "left": "", "right": ""},
        },
        {
            "task_key": "c",
            "for_each_task": {"inputs": "[]", "task": {"task_key": "d", "pipeline_task": {"pipeline_id": "p"}}},
        },
    ],
}
REFERENCES = [
    "${var.x}",
    "${var.x}\n",
    "${a.b[0]}",
    "${1x}",
    " ${var.x}",
    "${var.x}x",
    "${var.x",
    "$var.x",
    "${resources.jobs.a.id}",
]
odd_values = (
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.sampled_from([1.0, 1.5, 2**63, -(2**63) - 1, 1e300, "", "x", "PAUSED", "1", "true", *REFERENCES])
    | st.sampled_from([[], {}, [[]], [{}], {"a": "b"}, {"a": 1}, ["x"], [1]])
)


def places(value: Any, path: tuple = ()) -> list[tuple]:
    """Returns the path of everything in a value."""
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        found += places(item, (*path, key))
    return found


@st.composite
def mutated_jobs(draw: st.DrawFn) -> Any:
    """A sound job with a few things changed at random."""
    job = copy.deepcopy(JOB)
    for _ in range(draw(st.integers(0, 3))):
        spots = places(job)
        if not spots:
            break
        *parents, last = draw(st.sampled_from(spots))
        holder: Any = job
        for step in parents:
            holder = holder[step]
        action = draw(st.sampled_from(["replace", "drop", "add", "rename"]))
        if action == "replace":
            holder[last] = copy.deepcopy(draw(odd_values))
        elif action == "drop":
            del holder[last]
        elif isinstance(holder, dict):
            holder[draw(st.sampled_from(["x", "name", "timeout_seconds", "spec"]))] = copy.deepcopy(draw(odd_values))
            if action == "rename":
                holder.pop(last, None)
        else:
            holder.append(copy.deepcopy(draw(odd_values)))
    return job


@settings(max_examples=examples(300))
@given(mutated_jobs())
@example(JOB)
@example({**JOB, "max_concurrent_runs": "${var.x}\n"})
@example({**JOB, "max_concurrent_runs": "${var.x}"})
@example({**JOB, "max_concurrent_runs": 1.0})
@example({**JOB, "queue": {"enabled": 1}})
@example({**JOB, "schedule": "${var.x}\n"})
@example({**JOB, "timeout_seconds": 2**64})
@example({**JOB, "timeout_seconds": -(2**70)})
@example({**JOB, "timeout_seconds": 1e308})
@example({**JOB, "tags": {"": ""}})
def test_the_walk_finds_something_exactly_when_the_verdict_is_no(job):
    assert (compare(job, "job", "job setting") == []) == is_valid_job(job)


@given(odd_values | text_maps)
def test_anything_else_than_a_job_is_refused_by_both(value):
    assert (compare(value, "job", "job setting") == []) == is_valid_job(value)


@given(mutated_jobs())
def test_every_finding_points_at_something_that_is_there_or_is_missing(job):
    for finding in compare(job, "job", "job setting"):
        holder: Any = job
        for step in finding.path[:-1]:
            holder = holder[step]
        assert "\n" not in finding.message
        assert len(finding.message) < 500


@given(identifiers.flatmap(modules))
def test_whatever_is_built_from_sound_metadata_fits_the_schema(module):
    nowhere = SourceRef(UnreadableDocument("test.yml"))
    parsed = parse_module(RawModule(module, nowhere))
    assert parsed.diagnostics == ()
    built = build_job(parsed.module, Project(Path(), nowhere, defaults=Defaults(warehouse_id="w")), "resources")
    assert compare(built.job.settings, "job", "job setting") == []


@pytest.mark.parametrize("keyword", ["maxLength", "minItems", "maxItems", "const", "allOf"])
def test_the_schema_uses_nothing_that_the_walk_does_not_know(keyword):
    def keywords(node: object) -> set[str]:
        if isinstance(node, dict):
            own = {key for key in node if key not in ("properties", "$defs")}
            inner = [*node.get("properties", {}).values(), *node.get("$defs", {}).values()]
            return own.union(*(keywords(each) for key, each in node.items() if key in own), *map(keywords, inner))
        return set().union(*map(keywords, node)) if isinstance(node, list) else set()

    for name in ("job", "metadata", "project"):
        assert keyword not in keywords({key: each for key, each in load_schema(name).items() if key != "examples"})


def test_a_number_below_the_least_is_told():
    (finding,) = compare({"deploy": {"max_deletes": -1}}, "project", "key")
    assert finding.path == ("deploy", "max_deletes")
    assert "at least 0" in finding.message
