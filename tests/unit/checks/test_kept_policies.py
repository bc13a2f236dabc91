"""Policies give what a naive evaluator gives, which knows the settings of a job and nothing of their origins."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from lakeflow_job_meta.config.load import load_project
from support.examples import examples
from support.project_folder import BUNDLE, compile_loaded

OWNERS = st.sampled_from([None, "", "ann", "test-ann", "Bob", "${var.owner}"])
SECONDS = st.sampled_from([None, 5, 10, 0, 15, "${var.seconds}"])
WAREHOUSES = st.sampled_from(["abc", "test-1", "${var.warehouse_id}"])
GLOBS = st.lists(st.sampled_from(["a*", "test-*", "Bob", "${var.owner}", "${var.warehouse_id}", "*"]), min_size=1)


@st.composite
def tasks(draw) -> dict[str, Any]:
    """Returns a transformation_config: a notebook or a query, alone or repeated."""
    kind = draw(st.sampled_from(["notebook", "sql"]))
    what: dict[str, Any] = {"notebook_path": "/Workspace/a"}
    if kind == "sql":
        what = {"sql_task": {"warehouse_id": draw(WAREHOUSES), "query": {"query_id": "q"}}}
    if (seconds := draw(SECONDS)) is not None:
        what["timeout_seconds"] = seconds
    if draw(st.booleans()):
        outer: dict[str, Any] = {"for_each_task": {"inputs": [1], "task": what}}
        if (seconds := draw(SECONDS)) is not None:
            outer["timeout_seconds"] = seconds
        return outer
    return what


@st.composite
def modules(draw, name: str) -> dict[str, Any]:
    config: dict[str, Any] = {}
    if (owner := draw(OWNERS)) is not None:
        config["tags"] = {"owner": owner}
    if (seconds := draw(SECONDS)) is not None:
        config["timeout_seconds"] = seconds
    sources = [
        {"source_id": f"s{number}", "execution_order": number, "transformation_config": task}
        for number, task in enumerate(draw(st.lists(tasks(), min_size=1, max_size=3)))
    ]
    targets = draw(st.sampled_from([None, ["dev"], ["prod"], ["dev", "prod"]]))
    own = {"targets": targets} if targets else {}
    return {"module_name": name, "job_config": config, "sources": sources, **own}


@st.composite
def policies(draw, name: str) -> dict[str, Any]:
    path = draw(st.sampled_from(["tags.owner", "tasks[*].sql_task.warehouse_id"]))
    seconds = draw(st.sampled_from(["timeout_seconds", "tasks[*].timeout_seconds"]))
    wanted = draw(
        st.sampled_from(
            [
                {"require": path},
                {"require": "tags.owner", "pattern": "[a-z-]+"},
                {"require_one": [seconds, "tags.owner"]},
                {"require_one": ["tasks[*].sql_task", "tasks[*].notebook_task"]},
                {"allow": {path: draw(GLOBS)}},
                {"deny": {path: draw(GLOBS)}},
                {"most": {seconds: 10}},
                {"least": {seconds: 5}},
            ]
        )
    )
    conditions = st.sampled_from(
        [
            *[("module", "a*"), ("module", "b*"), ("target", "dev"), ("target", "p*"), ("task_type", "sql")],
            *[("task_type", "notebook"), ("has", "tags.owner"), ("has", "tasks[*].timeout_seconds")],
            *[("tag.owner", "a*"), ("tag.owner", "Bob")],
        ]
    )
    where = dict(draw(st.lists(conditions, max_size=2)))
    return {"policy": name, **wanted, **({"where": where} if where else {})}


class Naive:
    """Judges one module by its written settings."""

    def __init__(self, module: dict[str, Any], policy: dict[str, Any]) -> None:
        self.module, self.policy, self.where = module, policy, policy.get("where", {})
        self.tasks = []
        for source in module["sources"]:
            task = source["transformation_config"]
            self.tasks += [task, *([task["for_each_task"]["task"]] if "for_each_task" in task else [])]
        kind = self.where.get("task_type")
        self.tasks = [task for task in self.tasks if kind in (None, self.kind(task))]

    @staticmethod
    def kind(task: dict[str, Any]) -> str:
        return "sql" if "sql_task" in task else "notebook" if "notebook_path" in task else "for_each"

    @staticmethod
    def get(value: Any, path: str) -> Any:
        if path == "notebook_task":
            return value.get("notebook_path")
        for step in path.split("."):
            value = value.get(step) if isinstance(value, dict) else None
        return value

    def values(self, path: str) -> list[Any]:
        """Returns the values at a path, None for each task or job that has none."""
        if path.startswith("tasks[*]."):
            return [self.get(task, path.removeprefix("tasks[*].")) for task in self.tasks]
        return [self.get(self.module["job_config"], path)]

    def is_for(self) -> bool:
        has, tag = self.where.get("has"), self.where.get("tag.owner")
        owner = self.get(self.module["job_config"], "tags.owner")
        targets = self.module.get("targets", ["dev", "prod"])
        return (
            fnmatchcase(self.module["module_name"], self.where.get("module", "*"))
            and any(fnmatchcase(target, self.where.get("target", "*")) for target in targets)
            and ("task_type" not in self.where or bool(self.tasks))
            and (has is None or any(each not in (None, "") for each in self.values(has)))
            and (tag is None or (owner is not None and fnmatchcase(owner, tag)))
        )

    def is_kept(self) -> bool:
        policy = self.policy
        if "require" in policy:
            return all(
                each not in (None, "") and re.fullmatch(policy.get("pattern", "(?s:.*)"), str(each)) is not None
                for each in self.values(policy["require"])
            )
        if "require_one" in policy:
            return self.has_one(policy["require_one"])
        kind = next(kind for kind in ("allow", "deny", "most", "least") if kind in policy)
        ((path, wanted),) = policy[kind].items()
        return all(each is None or self.is_good(kind, each, wanted) for each in self.values(path))

    def has_one(self, paths: list[str]) -> bool:
        of_tasks = [path for path in paths if path.startswith("tasks[*].")]
        of_job = [path for path in paths if path not in of_tasks]
        if any(each not in (None, "") for path in of_job for each in self.values(path)):
            return True
        names = [path.removeprefix("tasks[*].") for path in of_tasks]
        return bool(of_tasks) and all(
            any(self.get(task, name) not in (None, "") for name in names) for task in self.tasks
        )

    @staticmethod
    def is_good(kind: str, value: Any, wanted: Any) -> bool:
        if kind in ("most", "least"):
            return isinstance(value, int) and (value <= wanted if kind == "most" else value >= wanted)
        if kind == "deny":
            return not any(value == each or fnmatchcase(value, each) for each in wanted)
        return any(value == each or ("${" not in value and fnmatchcase(value, each)) for each in wanted)


@settings(max_examples=examples(400), deadline=None)
@given(st.tuples(modules("a1"), modules("b1")), st.tuples(policies("p"), policies("q")))
def test_a_policy_breaks_where_a_naive_evaluator_says_so(tmp_path_factory, both, wanted):
    folder: Path = tmp_path_factory.mktemp("project")
    (folder / "metadata").mkdir()
    variables = "variables: {warehouse_id: {default: x}, owner: {default: x}, seconds: {default: 1}}\n"
    (folder / "databricks.yml").write_text(re.sub(r"variables: .*\n", variables, BUNDLE), encoding="utf-8")
    (folder / "metadata" / "a.yml").write_text(yaml.safe_dump({"modules": [*both]}), encoding="utf-8")
    (folder / "job_meta.yml").write_text(yaml.safe_dump({"policies": [*wanted]}), encoding="utf-8")

    compilation = compile_loaded(load_project(folder))

    of_policies = [each for each in compilation.diagnostics if each.rule_code == "policy"]
    pairs = [(Naive(module, policy), module, policy) for module in both for policy in wanted]
    expected = {
        (module["module_name"], f"policy:{policy['policy']}")
        for naive, module, policy in pairs
        if naive.is_for() and not naive.is_kept()
    }
    assert {(each.module, each.code) for each in of_policies} == expected
    assert expected <= {(name, code) for name in compilation.broken for code in ("policy:p", "policy:q")}
