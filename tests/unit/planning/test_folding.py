"""Changes that are alike are told as one, and nothing else is: jobs that differ in any way stay apart."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakeflow_job_meta._internal.trees import diff
from lakeflow_job_meta.output.changes import Change
from lakeflow_job_meta.output.read_back import GeneratedJob
from lakeflow_job_meta.planning.changes import JobChange, Plan
from lakeflow_job_meta.planning.compare import compare_jobs
from lakeflow_job_meta.planning.explain import MARKDOWN_LIMIT, as_json, as_markdown, as_text, workspace_lines
from lakeflow_job_meta.planning.fold import FOLDED_FROM, fold_jobs
from lakeflow_job_meta.planning.model import Action, BundlePlan, FieldChange, ResourceChange


def job(key: str, retries: object = 1, *, sql: str | None = None, more: dict | None = None, **settings) -> GeneratedJob:
    tasks: list = [{"task_key": "a", "max_retries": retries}, *([more] if more is not None else [])]
    if sql is not None:
        tasks.append({"task_key": "s", "sql_task": {"file": {"path": f"../sql/{key}/s.sql"}}})
    return GeneratedJob(key, {"name": key, **settings, "tasks": tasks}, (), {"s": sql} if sql else {}, "metadata/a.yml")


def plan_of(before: Sequence[GeneratedJob], after: Sequence[GeneratedJob]) -> Plan:
    return compare_jobs({each.key: each for each in before}, {each.key: each for each in after})


def keys_of(changes: Sequence[JobChange]) -> list[list[str]]:
    return [[change.key for change in group] for group in fold_jobs(changes)]


def made_of(plan: Plan, blueprint: str | None) -> Plan:
    return replace(plan, changes=tuple(replace(change, blueprint=blueprint) for change in plan.changes))


ABC = ("a", "b", "c")


class TestChangedJobs:
    def test_that_differ_in_the_same_setting_with_the_same_values_are_one(self):
        plan = made_of(plan_of([job(key) for key in ABC], [job(key, 2) for key in ABC]), "load")

        assert as_text(plan) == (
            "~ 3 jobs of blueprint load: changed alike\n"
            "    'a', 'b', 'c'\n"
            "    ~ task a: changed\n"
            "        max_retries: 1 -> 2\n"
            "0 jobs to create, 3 to change, 0 to delete, 0 unchanged."
        )

    def test_that_are_fewer_than_three_are_told_one_by_one(self):
        plan = plan_of([job(key) for key in "ab"], [job(key, 2) for key in "ab"])

        assert FOLDED_FROM == 3
        assert keys_of(plan.changes) == [["a"], ["b"]]

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ({}, {"retries": 3}),
            ({"retries": 5}, {}),
            ({}, {"retries": True}),
            ({}, {"tags": {"x": "y"}}),
            ({"sql": "SELECT 1"}, {"sql": "SELECT 2"}),
            ({}, {"more": {"task_key": "m"}}),
        ],
        ids=["after", "before", "type", "one setting more", "its SQL", "a task more"],
    )
    def test_one_that_differs_otherwise_stands_apart(self, before, after):
        old = [*(job(key) for key in "abc"), job("d", **before)]
        new = [*(job(key, 2) for key in "abc"), job("d", **{"retries": 2, **after})]

        assert keys_of(plan_of(old, new).changes) == [["a", "b", "c"], ["d"]]

    def test_whose_inline_sql_changed_to_other_texts_are_not_alike(self):
        plan = plan_of([job(key, sql="SELECT 1") for key in ABC], [job(key, sql=f"SELECT '{key}'") for key in ABC])

        assert keys_of(plan.changes) == [["a"], ["b"], ["c"]]

    def test_whose_inline_sql_changed_to_the_same_text_are_alike(self):
        plan = plan_of([job(key, sql="SELECT 1") for key in ABC], [job(key, sql="SELECT 2") for key in ABC])

        assert keys_of(plan.changes) == [["a", "b", "c"]]

    def test_that_get_the_same_task_with_inline_sql_are_alike_although_its_file_bears_the_job_s_name(self):
        plan = plan_of([job(key) for key in ABC], [job(key, sql="SELECT 1") for key in ABC])

        assert keys_of(plan.changes) == [["a", "b", "c"]]

    def test_that_get_different_tasks_of_one_key_are_not_alike(self):
        new = [job(key, more={"task_key": "m", "timeout_seconds": number}) for number, key in enumerate(ABC)]

        assert keys_of(plan_of([job(key) for key in ABC], new).changes) == [["a"], ["b"], ["c"]]

    def test_whose_difference_is_their_own_name_are_not_alike(self):
        plan = plan_of([job(key) for key in ABC], [job(key, tags={"name": key}) for key in ABC])

        assert keys_of(plan.changes) == [["a"], ["b"], ["c"]]

    def test_of_several_blueprints_are_one_that_names_none(self):
        changes = plan_of([job(key) for key in ABC], [job(key, 2) for key in ABC]).changes
        mixed = Plan(tuple(replace(c, blueprint=name) for c, name in zip(changes, ("x", "x", None), strict=True)), 0)

        assert as_text(mixed).startswith("~ 3 jobs: changed alike\n")

    def test_stand_where_the_first_of_them_stood(self):
        names = "abcde"
        new = [job(key, 9 if key == "b" else 2) for key in names]

        assert keys_of(plan_of([job(key) for key in names], new).changes) == [["a", "c", "d", "e"], ["b"]]


class TestCreatedAndDeletedJobs:
    def test_of_one_blueprint_are_one(self):
        plan = made_of(plan_of([], [job(key) for key in ABC]), "load")

        assert as_text(plan).split("\n")[:3] == [
            "+ 3 jobs of blueprint load: created",
            "    'a', 'b', 'c'",
            "    + task a: created",
        ]

    def test_of_one_blueprint_with_different_tasks_are_one_without_tasks(self):
        plan = made_of(plan_of([], [job("a"), job("b"), job("c", more={"task_key": "m"})]), "load")

        assert as_text(plan).split("\n")[2] == "3 jobs to create, 0 to change, 0 to delete, 0 unchanged."

    def test_that_were_written_out_are_created_one_by_one(self):
        assert keys_of(plan_of([], [job(key) for key in ABC]).changes) == [["a"], ["b"], ["c"]]

    def test_that_come_from_one_file_or_table_are_deleted_as_one(self):
        other = replace(job("x"), source="metadata/b.yml")

        lines = as_text(plan_of([*map(job, ABC), other], [])).split("\n")

        assert lines[:3] == [
            "- 3 jobs of metadata/a.yml: deleted; their run history is lost",
            "    'a', 'b', 'c'",
            "- job x: deleted; its run history is lost",
        ]

    def test_that_were_renamed_together_say_so_once_with_both_names(self):
        old = [job(key, more={"task_key": key}) for key in ABC]
        new = [replace(each, key=f"new_{each.key}") for each in old]

        text = as_text(made_of(plan_of(old, new), "load"))

        assert "+ 3 jobs of blueprint load: created; they look like others under new names: Databricks deletes" in text
        assert "'a -> new_a', 'b -> new_b', 'c -> new_c'" in text


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    changes = []
    for number in range(draw(st.integers(0, 12))):
        kind = draw(st.sampled_from(Change))
        settings = tuple(diff({"x": 0}, {"x": draw(st.sampled_from([0, 1, True, [1], {"a": 1}]))}))
        blueprint = draw(st.sampled_from(["one", "two", None]))
        is_update = kind is Change.UPDATE
        source = draw(st.sampled_from(["t", "u"])) if kind is Change.DELETE else None
        settings = settings if is_update else ()
        changes.append(JobChange(f"j{number:02}", kind, settings, source=source, blueprint=blueprint))
    return Plan(tuple(changes), 0)


def are_alike(one: JobChange, other: JobChange) -> bool:
    """Says it by looking at two jobs: what `fold_jobs` finds with one look at each."""
    if one.kind is not other.kind:
        return False
    if one.kind is Change.DELETE:
        return one.source == other.source
    if one.kind is Change.CREATE:
        return one.blueprint is not None and one.blueprint == other.blueprint
    return repr(one.settings) == repr(other.settings)


class TestAnyPlan:
    @given(plans())
    def test_has_each_job_in_one_group_with_all_that_are_like_it(self, plan):
        groups = fold_jobs(plan.changes)

        assert sorted(change.key for group in groups for change in group) == [change.key for change in plan.changes]
        for group in groups:
            like = [change for change in plan.changes if change is group[0] or are_alike(change, group[0])]
            assert list(group) == (like if len(like) >= FOLDED_FROM else [group[0]])

    @given(plans())
    def test_is_whole_in_json_and_names_what_is_alike_beside_it(self, plan):
        told = json.loads(as_json(plan))

        assert [each["job"] for each in told["jobs"]] == [change.key for change in plan.changes]
        assert [each["jobs"] for each in told["alike"]] == [keys for keys in keys_of(plan.changes) if len(keys) > 1]

    @given(plans())
    def test_has_a_row_in_markdown_for_each_group(self, plan):
        rows = [line for line in as_markdown(plan).split("\n") if line.startswith(("| + ", "| ~ ", "| - "))]

        assert len(rows) == len(fold_jobs(plan.changes))


KEYS = [f"ingest_{number:05}" for number in range(10_000)]


@pytest.fixture(scope="module")
def plan() -> Plan:
    """Ten thousand jobs that change alike."""
    return made_of(plan_of([job(key) for key in KEYS], [job(key, 2) for key in KEYS]), "ingest_table")


@pytest.mark.slow
class TestTenThousandJobs:
    def test_that_change_alike_are_four_lines_with_the_first_few_names(self, plan):
        lines = as_text(plan).split("\n")

        assert len(lines) == 5
        assert lines[0] == "~ 10,000 jobs of blueprint ingest_table: changed alike"
        assert lines[1].startswith("    'ingest_00000', 'ingest_00001', ")
        assert lines[1].endswith(" and 9990 more")

    def test_fit_a_comment_that_is_not_cut(self, plan):
        text = as_markdown(plan)

        assert len(text) < MARKDOWN_LIMIT / 50
        assert "| ~ | 10,000 jobs of blueprint ingest_table | changed alike |" in text

    def test_are_all_named_in_json(self, plan):
        (alike,) = json.loads(as_json(plan))["alike"]

        assert alike == {"action": "update", "blueprint": "ingest_table", "source": None, "jobs": KEYS}

    @pytest.mark.parametrize("distinct", [False, True], ids=["alike", "each in its own way"])
    def test_take_no_more_than_ten_times_the_time_of_a_thousand(self, plan, distinct):
        def seconds(changes: Sequence[JobChange]) -> float:
            start = time.process_time()
            fold_jobs(changes)
            return time.process_time() - start

        changes = plan.changes
        if distinct:
            changes = tuple(
                replace(change, settings=tuple(diff({"x": 0}, {"x": number + 1})))
                for number, change in enumerate(changes)
            )
        few = min(seconds(changes[:1000]) for _ in range(3))
        assert min(seconds(changes) for _ in range(3)) < 30 * few + 0.05


class TestInTheWorkspace:
    def resource(self, key: str, action: Action = Action.UPDATE, new: object = 2) -> ResourceChange:
        fields = (FieldChange("max_retries", Action.UPDATE, "", 1, new, 1),)  # type: ignore[arg-type]
        return ResourceChange(f"resources.jobs.{key}", action, fields, is_gone=False)

    def lines(self, *resources: ResourceChange) -> list[str]:
        return [*workspace_lines(BundlePlan(resources, None, None))]

    def test_jobs_of_which_the_same_is_written_are_one(self):
        assert self.lines(*map(self.resource, ABC), self.resource("d", new=3)) == [
            "In the workspace: 4 to update.",
            "~ 3 jobs: update",
            "    'a', 'b', 'c'",
            "    max_retries: 1 -> 2",
            "~ d: update",
            "    max_retries: 1 -> 3",
        ]

    def test_jobs_that_are_deleted_are_one_whatever_they_hold(self):
        deleted = [self.resource(key, Action.DELETE, new) for new, key in enumerate(ABC)]

        assert self.lines(*deleted)[1:] == ["- 3 jobs: delete", "    'a', 'b', 'c'"]
