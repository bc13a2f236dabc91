"""What runs after all other tasks of a module: on a failure, and in the end; held against runs that are played."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakeflow_job_meta.jobs.dependencies import ends
from support.examples import examples
from support.project_folder import at_caret

TASK = "transformation_config: {notebook_path: /Workspace/a}"
RUN_IFS = ["ALL_SUCCESS", "NONE_FAILED", "ALL_DONE", "AT_LEAST_ONE_SUCCESS", "AT_LEAST_ONE_FAILED", "ALL_FAILED"]


@st.composite
def graphs(draw: st.DrawFn, plain: bool = False) -> list[dict[str, Any]]:
    """Tasks that wait for earlier ones, for the outcomes of some, and run in all ways that Databricks knows."""
    tasks: list[dict[str, Any]] = []
    for number in range(draw(st.integers(1, 9))):
        task: dict[str, Any] = {"task_key": f"t{number}"}
        names = draw(st.lists(st.sampled_from(tasks), max_size=3, unique_by=id)) if tasks else []
        edges = []
        for other in names:
            outcome = draw(st.sampled_from([None, "true", "false"])) if other.get("condition_task") else None
            edges.append({"task_key": other["task_key"], **({"outcome": outcome} if outcome else {})})
        if edges:
            task["depends_on"] = edges
        if not plain:
            if draw(st.booleans()):
                task["condition_task"] = {"op": "EQUAL_TO"}
            if edges and draw(st.booleans()):
                task["run_if"] = draw(st.sampled_from(RUN_IFS))
            if draw(st.integers(0, 7)) == 0:
                task["disabled"] = True
        tasks.append(task)
    return tasks


def state_of(edge: dict[str, Any], states: dict[str, str], results: dict[str, str]) -> str:
    state = states[edge["task_key"]]
    if state == "success" and edge.get("outcome") not in (None, results[edge["task_key"]]):
        return "excluded"
    return state


def would_run(run_if: str, found: list[str]) -> str:
    """Returns how Databricks marks a task with these dependencies before it runs."""
    failed = [each == "failed" for each in found]
    if found and all(each == "excluded" for each in found):
        return "excluded"
    if run_if in ("ALL_SUCCESS", "NONE_FAILED"):
        return "failed" if any(failed) else "runs"
    if run_if == "AT_LEAST_ONE_SUCCESS":
        return "runs" if not found or not all(failed) else "failed"
    if run_if == "AT_LEAST_ONE_FAILED":
        return "runs" if any(failed) else "excluded"
    if run_if == "ALL_FAILED":
        return "runs" if all(failed) else "excluded"
    return "runs"


def played(tasks: list[dict[str, Any]], failing: set[str], results: dict[str, str], strict: bool) -> dict[str, str]:
    """Returns how each task of a run ends: "failed" stands for "upstream failed", too.

    With `strict`, an outcome that did not come leaves a task out whatever else it waits for.
    """
    states: dict[str, str] = {}
    for task in tasks:
        found = [state_of(edge, states, results) for edge in task.get("depends_on", ())]
        state = would_run(task.get("run_if", "ALL_SUCCESS"), found)
        left_out = any("outcome" in edge for edge in task.get("depends_on", ())) and "excluded" in found
        if task.get("disabled") or (strict and left_out):
            state = "excluded"
        if state == "runs":
            state = "failed" if task["task_key"] in failing else "success"
        states[task["task_key"]] = state
    return states


@settings(max_examples=examples(1000))
@given(graphs(), st.data())
def test_a_last_task_sees_every_failure_of_a_run_and_nothing_but_failures(tasks, data):
    names = [task["task_key"] for task in tasks]
    failing = data.draw(st.sets(st.sampled_from(names)))
    results = {name: data.draw(st.sampled_from(["true", "false"])) for name in names}
    states = played(tasks, failing, results, data.draw(st.booleans()))

    found = [states[name] for name in ends(tasks)]

    assert would_run("AT_LEAST_ONE_FAILED", found) == ("runs" if "failed" in states.values() else "excluded")
    if any(state != "excluded" for state in states.values()):
        assert would_run("ALL_DONE", [*found, "excluded"]) == "runs"


@settings(max_examples=examples(300))
@given(graphs(plain=True))
def test_the_ends_of_tasks_that_simply_wait_for_each_other_are_the_leaves(tasks):
    waited_for = {edge["task_key"] for task in tasks for edge in task.get("depends_on", ())}
    assert ends(tasks) == [task["task_key"] for task in tasks if task["task_key"] not in waited_for]


def tasks_of(job: dict[str, Any]) -> dict[str, tuple[str | None, list[str]]]:
    return {
        task["task_key"]: (task.get("run_if"), [edge["task_key"] for edge in task.get("depends_on", ())])
        for task in job["tasks"]
    }


MODULE = f"""
    modules:
      - module_name: sales
        on_failure: {{source_id: tell, {TASK}}}
        finally: {{source_id: close, {TASK}}}
        sources:
          - {{source_id: a, execution_order: 1, {TASK}}}
          - {{source_id: b, execution_order: 2, {TASK}}}
          - {{source_id: c, execution_order: 2, is_active: true, {TASK}}}
    """


def test_on_failure_waits_for_the_leaves_and_finally_for_them_and_for_on_failure(project):
    assert tasks_of(project.job(MODULE)) == {
        "a": (None, []),
        "b": (None, ["a"]),
        "c": (None, ["a"]),
        "tell": ("AT_LEAST_ONE_FAILED", ["b", "c"]),
        "close": ("ALL_DONE", ["b", "c", "tell"]),
    }


def test_a_source_that_is_switched_off_is_no_leaf(project):
    found = tasks_of(project.job(MODULE.replace("is_active: true", "is_active: false")))
    assert found["tell"] == ("AT_LEAST_ONE_FAILED", ["b"])


def test_on_failure_and_finally_may_be_lists_and_their_tasks_wait_for_no_other_of_their_list(project):
    found = tasks_of(
        project.job(
            f"""
            modules:
              - module_name: sales
                on_failure: [{{source_id: tell, {TASK}}}, {{source_id: page, {TASK}}}]
                finally: [{{source_id: x, {TASK}}}, {{source_id: y, is_active: false, {TASK}}}]
                sources: [{{source_id: a, execution_order: 1, {TASK}}}]
            """
        )
    )
    assert found == {
        "a": (None, []),
        "tell": ("AT_LEAST_ONE_FAILED", ["a"]),
        "page": ("AT_LEAST_ONE_FAILED", ["a"]),
        "x": ("ALL_DONE", ["a", "tell", "page"]),
    }


def test_the_last_tasks_wait_for_a_condition_too_since_all_behind_it_may_be_left_out(project):
    found = tasks_of(
        project.job(
            f"""
            modules:
              - module_name: sales
                finally: {{source_id: close, {TASK}}}
                sources:
                  - source_id: check
                    execution_order: 1
                    transformation_config: {{condition_task: {{op: EQUAL_TO, left: a, right: b}}}}
                  - {{source_id: load, depends_on: [{{source_id: check, outcome: "true"}}], {TASK}}}
            """
        )
    )
    assert found["close"] == ("ALL_DONE", ["check", "load"])


def test_the_last_tasks_wait_for_what_a_task_that_runs_all_the_same_hides(project):
    found = tasks_of(
        project.job(
            f"""
            modules:
              - module_name: sales
                on_failure: {{source_id: tell, {TASK}}}
                sources:
                  - {{source_id: load, execution_order: 1, {TASK}}}
                  - source_id: report
                    execution_order: 2
                    transformation_config: {{notebook_path: /Workspace/a, run_if: ALL_DONE}}
            """
        )
    )
    assert found["tell"] == ("AT_LEAST_ONE_FAILED", ["load", "report"])


def test_a_source_type_makes_a_last_task_of_a_source(project):
    written = f"""
        modules:
          - module_name: sales
            sources:
              - {{source_id: tell, source_type: on_failure, {TASK}}}
              - {{source_id: a, execution_order: 1, {TASK}}}
              - {{source_id: close, source_type: finally, {TASK}}}
        """
    assert tasks_of(project.job(written)) == {
        "a": (None, []),
        "tell": ("AT_LEAST_ONE_FAILED", ["a"]),
        "close": ("ALL_DONE", ["a", "tell"]),
    }


PRESET = f"""
    presets:
      - preset: tell
        match: {{module: "*"}}
        on_failure: {{source_id: tell, {TASK}}}
        finally: [{{source_id: close, {TASK}}}]
    """


def test_a_preset_adds_last_tasks_and_a_module_may_have_its_own_instead(project):
    project.write("job_meta.yml", PRESET)
    written = f"""
        modules:
          - module_name: sales
            on_failure: {{source_id: tell, transformation_config: {{notebook_path: /Workspace/own}}}}
            sources: [{{source_id: a, execution_order: 1, {TASK}}}]
        """
    job = project.job(written)
    assert tasks_of(job)["close"] == ("ALL_DONE", ["a", "tell"])
    assert [task["notebook_task"]["notebook_path"] for task in job["tasks"]][1] == "/Workspace/own"


def test_a_source_with_the_name_of_a_last_task_of_a_preset_does_not_take_its_place_in_silence(project):
    project.write("job_meta.yml", PRESET)
    problems = project.problems(
        f"""
        modules:
          - module_name: sales
            sources: [{{source_id: tell, execution_order: 1, {TASK}}}]
        """
    )
    assert len(problems) == 1
    assert "the source 'tell' is there already, at metadata" in problems[0]
    assert problems[0].startswith("job_meta.yml:5:")


def test_what_a_module_says_for_a_target_is_laid_over_its_last_tasks_too(project):
    written = f"""
        modules:
          - module_name: sales
            targets:
              dev: {{sources: {{tell: {{is_active: false}}}}}}
              prod: {{sources: {{close: {{transformation_config: {{max_retries: 3}}}}}}}}
            on_failure: {{source_id: tell, {TASK}}}
            finally: [{{source_id: close, {TASK}}}]
            sources: [{{source_id: a, execution_order: 1, {TASK}}}]
        """
    project.write("metadata/sales.yml", written)
    compilation = project.compile()
    assert compilation.diagnostics == ()
    job = compilation.jobs.get("sales")
    assert job is not None
    in_dev, in_prod = (job.in_target(target) for target in ("dev", "prod"))
    assert tasks_of(in_dev.settings) == {"a": (None, []), "close": ("ALL_DONE", ["a"])}
    assert in_prod.tasks[2]["max_retries"] == 3
    assert str(in_prod.origin_of(("tasks", 2, "max_retries")).location()).startswith("metadata/sales.yml:6:")


WRONG = {
    "with nothing to wait for": (
        f"on_failure: {{source_id: ‸tell, {TASK}}}\n        sources: []",
        "'tell' runs after the other tasks of the module, and there are none; add them below 'sources' [last-task]",
    ),
    "that another task waits for": (
        f"finally: {{source_id: close, {TASK}}}\n        sources: [{{source_id: a, depends_on: [‸close], {TASK}}}]",
        "'a' waits for 'close', which runs after all other tasks; wait for one of these [last-task]",
    ),
    "with the name of a source": (
        f"sources: [{{source_id: tell, execution_order: 1, {TASK}}}]\n        on_failure: {{source_id: ‸tell, {TASK}}}",
        "the source 'tell' is there already",
    ),
    "with dependencies of its own": (
        f"sources: [{{source_id: a, execution_order: 1, {TASK}}}]\n"
        f"        on_failure: {{source_id: tell, ‸depends_on: [a], {TASK}}}",
        "it runs after all other tasks: leave that out",
    ),
    "with a stage in a row": (
        f"sources: [{{source_id: a, execution_order: 1, {TASK}}}, "
        f"{{source_id: x, source_type: finally, ‸execution_order: 9, {TASK}}}]",
        "'x' runs after all other tasks, so it takes no 'execution_order'; leave that out [last-task]",
    ),
    "with a run_if of its own": (
        "sources: [{source_id: a, execution_order: 1, transformation_config: {notebook_path: /Workspace/a}}]\n"
        "        finally: {source_id: x, transformation_config: {notebook_path: /Workspace/x, ‸run_if: ALL_FAILED}}",
        "'run_if' cannot be in 'transformation_config'",
    ),
    "without what it runs": (
        f"sources: [{{source_id: a, execution_order: 1, {TASK}}}]\n        ‸finally: {{source_id: x}}",
        "'transformation_config' is missing",
    ),
    "in the place of a source": (
        f"sources: [{{source_id: a, execution_order: 1, ‸finally: {{}}, {TASK}}}]",
        "it belongs to the module, beside 'sources'",
    ),
}


@pytest.mark.parametrize(("written", "expected"), WRONG.values(), ids=WRONG)
def test_a_last_task_is_refused(project, written, expected):
    text, place = at_caret(f"\n    modules:\n      - module_name: sales\n        {written}\n")
    problems = project.problems(text)
    assert len(problems) == 1
    assert problems[0].startswith(f"metadata/sales.yml:{place}: ")
    assert expected in problems[0]


def test_a_notification_that_nobody_gets_is_reported_where_it_is_written(project):
    problems = project.problems(
        f"""
        modules:
          - module_name: sales
            job_config: {{email_notifications: {{on_failure: [a@example.com]}}}}
            finally: {{source_id: close, {TASK}}}
            sources: [{{source_id: a, execution_order: 1, {TASK}}}]
        """
    )
    assert len(problems) == 1
    assert "nobody is told where a task fails and 'close' succeeds" in problems[0]


RETRIES = {
    "retry_on_timeout: true, max_retries: 1": "give it 'timeout_seconds'",
    "retry_on_timeout: true, timeout_seconds: 60, max_retries: 0": "give it 'max_retries'",
    "min_retry_interval_millis: 1000, existing_cluster_id: a": "give it 'max_retries'",
    "min_retry_interval_millis: 1000, max_retries: 2": None,
    "min_retry_interval_millis: 1000": None,  # serverless compute tries again by itself
    "retry_on_timeout: true, timeout_seconds: 60, max_retries: 1": None,
    "retry_on_timeout: false": None,
}


@pytest.mark.parametrize(("written", "expected"), RETRIES.items())
def test_a_setting_of_retries_that_has_no_effect_is_reported(project, written, expected):
    task = f"transformation_config: {{notebook_path: /Workspace/a, {written}}}"
    problems = project.problems(
        f"modules:\n  - module_name: sales\n    sources:\n      - {{source_id: a, execution_order: 1, {task}}}"
    )
    assert [expected in problem for problem in problems] == ([] if expected is None else [True])
