"""Settings of jobs drawn from the job schema: every setting that the Jobs API has, in every kind of task."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from lakeflow_job_meta.jobs.task_types import BY_BLOCK
from lakeflow_job_meta.schema.validator import load_schema

_PLAIN = st.sampled_from(
    ["x", "yes", "09", "1e3", "a: b", "  x", "#x", "${var.warehouse_id}", "{{job.id}}", "é\n2", ""]
)
_SPECIAL = {
    "quartz_cron_expression": st.just("0 0 2 * * ?"),
    "timezone_id": st.just("UTC"),
    "task_key": st.just("inner"),
    "inputs": st.just("[1, 2]"),
    "git_url": st.just("https://github.com/x/y"),
    "commands": st.just("dbt build"),
    "url": st.just("/Volumes/a/b/c/"),
}
_ABSOLUTE = ("path", "file", "directory", "whl", "jar", "egg", "requirements", "workspace_path")


def _resolved(schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = load_schema("job")["$defs"][schema["$ref"].removeprefix("#/$defs/")]
        if "anyOf" in schema:
            schema = schema["anyOf"][0]
    return _resolved(schema["anyOf"][0]) if "anyOf" in schema else schema


@st.composite
def values(draw: st.DrawFn, schema: dict[str, Any], name: str = "", depth: int = 0) -> Any:
    """A value of a schema; of an object the required properties and, not too deep, some of the others."""
    schema = _resolved(schema)
    if name in _SPECIAL and schema.get("type") != "array":
        return draw(_SPECIAL[name])
    if "enum" in schema:
        return draw(st.sampled_from(schema["enum"]))
    kind = schema.get("type")
    if kind == "object":
        return draw(_objects(schema, depth))
    if kind == "array":
        return draw(st.lists(values(schema["items"], name, depth + 1), min_size=1, max_size=2))
    if kind == "string":
        text = draw(_PLAIN)
        return f"/Workspace/{text.strip() or 'x'}" if name.endswith(_ABSOLUTE) else text
    return draw({"integer": st.integers(0, 9), "number": st.integers(1, 9), "boolean": st.booleans()}[str(kind)])


@st.composite
def _objects(draw: st.DrawFn, schema: dict[str, Any], depth: int) -> dict[str, Any]:
    properties = schema.get("properties", {})
    required = schema.get("required", [])
    if not properties:
        inner = schema.get("additionalProperties", {})
        inner = inner if isinstance(inner, dict) and inner else {"type": "string"}
        return draw(st.dictionaries(st.sampled_from(["k", "on", "a b"]), values(inner, "", depth + 1), max_size=2))
    optional = sorted(set(properties) - set(required) - {"for_each_task", "task"})
    more = draw(st.lists(st.sampled_from(optional), unique=True, max_size=2)) if optional and depth < 4 else []
    return {name: draw(values(properties[name], name, depth + 1)) for name in [*required, *more]}


@st.composite
def tasks(draw: st.DrawFn, key: str, block: str) -> dict[str, Any]:
    """A task of one kind, with some of the settings that every task may have."""
    properties = load_schema("job")["$defs"]["Task"]["properties"]
    others = sorted(set(properties) - set(BY_BLOCK) - {"task_key", "depends_on"})
    more = draw(st.lists(st.sampled_from(others), unique=True, max_size=3))
    settings = {name: draw(values(properties[name], name, 2)) for name in [block, *more]}
    if block == "sql_task":
        chosen = draw(st.sampled_from(["query", "file", "dashboard", "alert"]))
        kept = {name: settings[block][name] for name in settings[block] if name in ("warehouse_id", "parameters")}
        sql = load_schema("job")["$defs"]["SqlTask"]["anyOf"][0]["properties"]
        settings[block] = {"warehouse_id": "w", **kept, chosen: draw(values(sql[chosen], chosen, 3))}
    if block == "for_each_task":
        settings[block]["task"] = {"task_key": "inner", "notebook_task": {"notebook_path": "/Workspace/x"}}
    return {"task_key": key, **settings}


@st.composite
def jobs(draw: st.DrawFn) -> dict[str, Any]:
    """A job of up to three tasks, of whatever kinds."""
    properties = load_schema("job")["$defs"]["JobSettings"]["properties"]
    names = sorted(set(properties) - {"name", "tasks"})
    more = draw(st.lists(st.sampled_from(names), unique=True, max_size=4))
    keys = draw(st.lists(st.sampled_from(["a", "b-c", "d__e"]), unique=True, min_size=1))
    settings = {name: draw(values(properties[name], name, 1)) for name in more}
    found = [draw(tasks(key, draw(st.sampled_from(sorted(BY_BLOCK))))) for key in keys]
    for number, task in enumerate(found[1:], 1):
        if draw(st.booleans()):
            task["depends_on"] = [{"task_key": each} for each in draw(st.permutations(keys[:number]))]
    return {"name": draw(_PLAIN), **settings, "tasks": found}
