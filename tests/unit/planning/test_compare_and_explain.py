"""Every change of a job is told in words, and nothing else is; in every format."""

from __future__ import annotations

import copy
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakeflow_job_meta.output.changes import Change
from lakeflow_job_meta.output.read_back import GeneratedJob
from lakeflow_job_meta.planning.changes import JobChange, Plan, TaskChange
from lakeflow_job_meta.planning.compare import compare_jobs
from lakeflow_job_meta.planning.explain import MARKDOWN_LIMIT, as_json, as_markdown, as_text
from support.strategies import identifiers, text_maps, texts, trees


def job(key: str = "sales", *tasks: dict, targets: tuple[str, ...] = (), sql: dict | None = None, **settings):
    """Returns a generated job of tasks without a type, which a comparison does not look at."""
    return GeneratedJob(key, {"name": key, **settings, "tasks": [*tasks]}, targets, sql or {})


def task(key: str, /, *waits_for: str | tuple[str, str], **settings) -> dict:
    """Returns a task; a pair in `waits_for` is a task and its outcome."""
    edges = [
        {"task_key": each} if isinstance(each, str) else {"task_key": each[0], "outcome": each[1]} for each in waits_for
    ]
    return {"task_key": key, **({"depends_on": edges} if edges else {}), **settings}


def sql_task(job_key: str, key: str) -> dict:
    """Returns a task with inline SQL, as it is generated."""
    return task(key, sql_task={"file": {"path": f"../sql/{job_key}/{key}.sql"}, "warehouse_id": "abc"})


def compare(before: list[GeneratedJob], after: list[GeneratedJob]) -> Plan:
    return compare_jobs({each.key: each for each in before}, {each.key: each for each in after})


def the_change(before: GeneratedJob, after: GeneratedJob) -> JobChange:
    (change,) = compare([before], [after]).changes
    return change


def lines(plan: Plan) -> list[str]:
    return [line.strip() for line in as_text(plan).split("\n")]


@st.composite
def generated_jobs(draw: st.DrawFn, key: str) -> GeneratedJob:
    keys = draw(st.lists(identifiers, max_size=4, unique=True))
    tasks = []
    for number, each in enumerate(keys):
        waits_for = draw(st.lists(st.sampled_from(keys[:number]), unique=True)) if number else []
        edges = [(other, draw(st.sampled_from(["", "true", "false"]))) for other in waits_for]
        made = task(each, *(edge if edge[1] else edge[0] for edge in edges), **draw(text_maps))
        tasks.append({**made, **(sql_task(key, each) if draw(st.booleans()) else {})})
    settings = draw(st.dictionaries(identifiers.map(lambda name: f"s_{name}"), trees(), max_size=3))
    targets = tuple(draw(st.lists(st.sampled_from(["dev", "prod"]), unique=True).map(sorted)))
    sql = {each["task_key"]: draw(st.sampled_from(["SELECT 1", "SELECT 2"])) for each in tasks if "sql_task" in each}
    return job(key, *tasks, targets=targets, sql=sql, **settings)


job_sets = st.lists(st.sampled_from(["sales", "stock", "returns"]), unique=True).flatmap(
    lambda keys: st.tuples(*(generated_jobs(key) for key in keys)).map(
        lambda jobs: {job.key: job for job in jobs},
    )
)


def meaning(each: GeneratedJob) -> str:
    """Returns what a job says to Databricks: its dependencies are a set, and so are its tasks."""
    tasks = {
        one["task_key"]: {
            **one,
            "depends_on": sorted((edge["task_key"], edge.get("outcome", "")) for edge in one.get("depends_on", [])),
            "sql": each.sql.get(one["task_key"]),
        }
        for one in each.settings["tasks"]
    }
    return repr_of([{**each.settings, "tasks": tasks}, each.targets])


def repr_of(value: object) -> str:
    """Returns a text that differs where values do, whatever the order of keys; 1, 1.0 and true are three values."""
    if isinstance(value, dict):
        return f"{{{', '.join(sorted(f'{key!r}: {repr_of(item)}' for key, item in value.items()))}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(repr_of, value))}]"
    return repr(value)


class TestNothingElseIsTold:
    @given(job_sets)
    def test_equal_jobs_have_no_difference(self, jobs):
        plan = compare_jobs(jobs, copy.deepcopy(jobs))

        assert plan == Plan((), len(jobs))

    @given(job_sets, st.randoms())
    def test_the_order_of_tasks_and_dependencies_says_nothing(self, jobs, random):
        shuffled = copy.deepcopy(jobs)
        for each in shuffled.values():
            random.shuffle(each.settings["tasks"])
            for one in each.settings["tasks"]:
                random.shuffle(one.get("depends_on", []))

        assert compare_jobs(jobs, shuffled).changes == ()

    @given(job_sets, job_sets)
    def test_comparing_changes_neither_side(self, before, after):
        copies = copy.deepcopy((before, after))

        compare_jobs(before, after)

        assert (before, after) == copies


class TestEveryChangeIsTold:
    @given(job_sets, job_sets)
    def test_jobs_differ_in_the_plan_exactly_if_they_say_something_else(self, before, after):
        plan = compare_jobs(before, after)

        told = {change.key: change.kind for change in plan.changes}
        both = before.keys() & after.keys()
        assert told == {
            **dict.fromkeys(after.keys() - both, Change.CREATE),
            **dict.fromkeys(before.keys() - both, Change.DELETE),
            **{key: Change.UPDATE for key in both if meaning(before[key]) != meaning(after[key])},
        }
        assert plan.unchanged == len(both) - sum(change.kind is Change.UPDATE for change in plan.changes)

    @given(st.data())
    def test_a_change_carried_out_gives_the_job_that_it_was_made_from(self, data):
        before, after = data.draw(generated_jobs("sales")), data.draw(generated_jobs("sales"))
        changes = compare([before], [after]).changes

        assert meaning(carried_out(before, changes, after)) == meaning(after)

    @given(st.data())
    def test_the_way_back_is_the_same_way(self, data):
        before, after = data.draw(job_sets), data.draw(job_sets)
        there, back = compare_jobs(before, after), compare_jobs(after, before)
        opposite = {Change.CREATE: Change.DELETE, Change.DELETE: Change.CREATE, Change.UPDATE: Change.UPDATE}

        assert [(change.key, opposite[change.kind]) for change in there.changes] == [
            (change.key, change.kind) for change in back.changes
        ]
        assert [len(change.settings) for change in there.changes] == [len(change.settings) for change in back.changes]

    @given(job_sets, job_sets)
    def test_every_format_tells_every_change(self, before, after):
        plan = compare_jobs(before, after)
        text, markdown, told = as_text(plan), as_markdown(plan), json.loads(as_json(plan))

        assert [each["job"] for each in told["jobs"]] == [change.key for change in plan.changes]
        alike = {key for group in told["alike"] for key in group["jobs"]}
        for change in plan.changes:
            if change.key in alike:
                assert re.search(rf"^    ('\w+'(, )?)*'{change.key}'", text, flags=re.MULTILINE)
                assert f"'{change.key}'" in markdown
            else:
                assert re.search(rf"^[+~-] job {change.key}: ", text, flags=re.MULTILINE)
                assert f"| `{change.key}` |" in markdown
            for one in change.tasks:
                assert re.search(rf"^    [+~-] task {one.key}: ", text, flags=re.MULTILINE)


def carried_out(before: GeneratedJob, changes: tuple[JobChange, ...], after: GeneratedJob) -> GeneratedJob:
    """Does to a job what a plan says; tasks that are new, and SQL that is said to change, are those of `after`."""
    if not changes:
        return before
    (change,) = changes
    settings = copy.deepcopy({**before.settings, "targets": [*before.targets]})
    tasks = {each["task_key"]: each for each in settings.pop("tasks")}
    made = {each["task_key"]: each for each in after.settings["tasks"]}
    sql = dict(before.sql)
    for difference in change.settings:
        put(settings, difference)
    for one in change.tasks:
        if one.kind is Change.DELETE:
            del tasks[one.key]
            sql.pop(one.key, None)
        elif one.kind is Change.CREATE:
            tasks[one.key] = made[one.key]
            sql.update({one.key: after.sql[one.key]} if one.key in after.sql else {})
        else:
            waits = {words_of(edge): edge for edge in tasks[one.key].get("depends_on", [])}
            new = {words_of(edge): edge for edge in made[one.key].get("depends_on", [])}
            waits.update((words, new[words]) for words in one.waits_also_for)
            for words in one.waits_no_longer_for:
                del waits[words]
            tasks[one.key]["depends_on"] = [*waits.values()]
            for difference in one.differences:
                put(tasks[one.key], difference)
            if one.sql_changed:
                sql.pop(one.key, None)
                sql.update({one.key: after.sql[one.key]} if one.key in after.sql else {})
    targets = tuple(settings.pop("targets", ()))
    return GeneratedJob(before.key, {**settings, "tasks": [*tasks.values()]}, targets, sql)


def words_of(edge: dict) -> str:
    return f"{edge['task_key']} ({edge['outcome']})" if "outcome" in edge else edge["task_key"]


def put(value, difference) -> None:
    for step in difference.path[:-1]:
        value = value[step]
    told = json.loads(as_json(Plan((JobChange("a", Change.UPDATE, (difference,)),), 0)))["jobs"][0]["settings"][0]
    if "new" in told:
        value[difference.path[-1]] = difference.after
    else:
        del value[difference.path[-1]]


MUTATIONS = {
    "a setting of the job": (
        job("sales", max_concurrent_runs=1),
        job("sales", max_concurrent_runs=2),
        "max_concurrent_runs: 1 -> 2",
    ),
    "a new setting": (job("sales"), job("sales", description="Sales."), "description: 'Sales.' (new)"),
    "a setting that goes": (job("sales", description="Sales."), job("sales"), "description: 'Sales.' (gone)"),
    "a nested setting": (
        job("sales", schedule={"timezone_id": "UTC", "pause_status": "PAUSED"}),
        job("sales", schedule={"timezone_id": "UTC", "pause_status": "UNPAUSED"}),
        "schedule.pause_status: 'PAUSED' -> 'UNPAUSED'",
    ),
    "a number that becomes text": (job("sales", a=1), job("sales", a="1"), "a: 1 -> '1'"),
    "a number that becomes true": (job("sales", a=1), job("sales", a=True), "a: 1 -> true"),
    "a task that comes": (job("sales", task("a")), job("sales", task("a"), task("b")), "+ task b: created"),
    "a task that goes": (job("sales", task("a"), task("b")), job("sales", task("a")), "- task b: deleted"),
    "a setting of a task": (
        job("sales", task("a", max_retries=1)),
        job("sales", task("a", max_retries=3)),
        "max_retries: 1 -> 3",
    ),
    "a dependency more": (
        job("sales", task("orders"), task("a")),
        job("sales", task("orders"), task("a", "orders")),
        "waits now also for 'orders'",
    ),
    "a dependency less": (
        job("sales", task("orders"), task("a", "orders")),
        job("sales", task("orders"), task("a")),
        "waits no longer for 'orders'",
    ),
    "another outcome": (
        job("sales", task("check"), task("a", ("check", "true"))),
        job("sales", task("check"), task("a", ("check", "false"))),
        "waits now also for 'check (false)'",
    ),
    "inline SQL": (
        job("sales", sql_task("sales", "a"), sql={"a": "SELECT 1\n"}),
        job("sales", sql_task("sales", "a"), sql={"a": "SELECT 2\n"}),
        "its SQL changed",
    ),
    "the targets": (
        job("sales", targets=("dev",)),
        job("sales", targets=("dev", "prod")),
        "targets: a list -> a list",
    ),
    "the first target": (job("sales"), job("sales", targets=("dev",)), "targets: a list (new)"),
}


@pytest.mark.parametrize(("before", "after", "words"), MUTATIONS.values(), ids=MUTATIONS)
def test_a_change_is_told_in_words(before, after, words):
    plan = compare([before], [after])

    assert words in lines(plan)
    assert lines(plan)[0] == "~ job sales: changed"
    assert lines(plan)[-1] == "0 jobs to create, 1 to change, 0 to delete, 0 unchanged."


class TestDependencies:
    def test_a_task_that_waits_for_another_one_instead_says_both(self):
        before = job("sales", task("a"), task("b"), task("c", "a"))
        after = job("sales", task("a"), task("b"), task("c", "b"))

        (change,) = the_change(before, after).tasks

        assert change == TaskChange("c", Change.UPDATE, waits_also_for=("b",), waits_no_longer_for=("a",))

    def test_a_dependency_is_never_told_as_a_setting(self):
        before = job("sales", task("a"), task("b", "a", max_retries=1))
        after = job("sales", task("a"), task("b", max_retries=1))

        assert "depends_on" not in as_text(compare([before], [after]))

    def test_the_inline_sql_of_a_repeated_task_is_that_of_the_task(self):
        loop = task("a", for_each_task={"inputs": "[1]", "task": sql_task("sales", "a_iteration")})

        change = the_change(job("sales", loop, sql={"a_iteration": "1"}), job("sales", loop, sql={"a_iteration": "2"}))

        assert change.tasks == (TaskChange("a", Change.UPDATE, sql_changed=True),)


class TestARenamedJob:
    def test_is_recognised_and_said_to_lose_its_runs(self):
        before, after = job("sales", task("a"), task("b", "a")), job("revenue", task("a"), task("b", "a"))

        text = as_text(compare([before], [after]))

        assert "+ job revenue: created; it looks like 'sales' under a new name" in text
        assert "the run history is lost" in text
        assert "- job sales: deleted" in text

    def test_is_recognised_with_inline_sql_whose_file_bears_the_job_s_name(self):
        before = job("sales", sql_task("sales", "a"), sql={"a": "SELECT 1"})
        after = job("revenue", sql_task("revenue", "a"), sql={"a": "SELECT 1"})

        created, _ = compare([before], [after]).changes

        assert created.renamed_from == "sales"

    def test_is_recognised_although_a_little_of_it_changed(self):
        tasks = [task(key) for key in "abcd"]

        created, _ = compare([job("sales", *tasks)], [job("revenue", *tasks, task("e"))]).changes

        assert created.renamed_from == "sales"

    def test_another_job_is_not_taken_for_it(self):
        created, _ = compare([job("sales", task("a", x=1))], [job("revenue", task("a", x=2))]).changes

        assert created.renamed_from is None

    def test_a_job_that_stays_was_not_renamed(self):
        stays = job("sales", task("a"))

        (created,) = compare([stays], [stays, job("copy", task("a"))]).changes

        assert created.renamed_from is None

    def test_is_only_one_of_two_that_look_like_it(self):
        plan = compare([job("sales", task("a"))], [job("one", task("a")), job("two", task("a"))])

        assert [change.renamed_from for change in plan.changes if change.kind is Change.CREATE].count("sales") == 1


class TestAJobThatSaysWhatItWasFormerly:
    def test_is_told_once_with_what_changes_besides(self):
        before = job("sales", sql_task("sales", "a"), sql={"a": "SELECT 1"}, timeout_seconds=1)
        after = job("revenue", sql_task("revenue", "a"), sql={"a": "SELECT 1"}, timeout_seconds=2)

        plan = compare_jobs({"sales": before}, {"revenue": after}, {"sales": "revenue"})

        assert lines(plan) == [
            "~ job revenue: renamed from sales; keeps its id and run history",
            "name: 'sales' -> 'revenue'",
            "timeout_seconds: 1 -> 2",
            "0 jobs to create, 1 to change, 0 to delete, 0 unchanged.",
        ]
        (entry,) = json.loads(as_json(plan))["jobs"]
        assert (entry["action"], entry["renamed_from"], entry["keeps_job"]) == ("update", "sales", True)
        assert "| ~ | `revenue` | renamed from sales; keeps its id and run history |" in as_markdown(plan)

    def test_is_an_ordinary_one_where_the_old_one_is_not_there_any_more_or_still(self):
        new, old = job("revenue", task("a")), job("sales", task("b"))

        assert compare_jobs({}, {"revenue": new}, {"sales": "revenue"}).changes[0].kind is Change.CREATE
        both = compare_jobs({"sales": old, "revenue": new}, {"sales": old, "revenue": new}, {"sales": "revenue"})
        assert both == Plan((), 2)
        gone = compare_jobs({"sales": old, "revenue": new}, {"revenue": new}, {"sales": "revenue"})
        assert [change.kind for change in gone.changes] == [Change.DELETE]


def test_a_deleted_job_is_said_to_lose_its_runs():
    assert lines(compare([job("sales")], []))[0] == "- job sales: deleted; its run history is lost"


# Formats ----------------------------------------------------------------------------------------------------------

BIG = compare([], [job(f"job_{number}", *(task(f"task_{n}") for n in range(20))) for number in range(400)])


class TestMarkdown:
    def test_the_summary_stands_first_and_details_are_folded(self):
        before, after, _ = MUTATIONS["a setting of the job"]

        text = as_markdown(compare([before], [after]))

        assert text.split("\n")[0] == "### Jobs: 0 jobs to create, 1 to change, 0 to delete, 0 unchanged"
        assert "| ~ | `sales` | changed |" in text
        folded = text.split("<details>")[1]
        assert "max_concurrent_runs: 1 -> 2" in folded
        assert "max_concurrent_runs" not in text.split("<details>")[0]

    def test_no_change_is_one_line_of_markdown(self):
        plan = compare([job()], [job()])
        assert as_markdown(plan) == "### Jobs: 0 jobs to create, 0 to change, 0 to delete, 1 unchanged\n"

    def test_is_cut_where_github_would_refuse_it_and_says_so(self):
        text = as_markdown(BIG)

        assert len(text) <= MARKDOWN_LIMIT == 60_000
        assert re.search(r"\*\*\d+ sections more not shown:\*\*.*`ljm plan`", text)
        assert text.startswith("### Jobs: 400 jobs to create")

    def test_is_cut_between_jobs_so_that_nothing_stays_open(self):
        text = as_markdown(BIG)

        assert text.count("<details>") == text.count("</details>")
        assert len(re.findall(r"^```$", text, flags=re.MULTILINE)) == 2 * text.count("<details>")

    def test_formats_other_than_markdown_are_never_cut(self):
        assert len(json.loads(as_json(BIG))["jobs"]) == 400
        assert "+ job job_99: created" in as_text(BIG)

    @given(st.text("`~\n<>/details| a", min_size=1), st.text("`~ a", min_size=1))
    def test_no_value_breaks_out_of_its_block(self, value, key):
        plan = compare([job("sales", tags={})], [job("sales", tags={key: value})])

        text = as_markdown(plan)

        fence = re.search(r"^`{3,}$", text, flags=re.MULTILINE).group()
        inside = text.split(f"\n{fence}\n")
        assert len(inside) == 3
        assert not any(re.match(rf" {{0,3}}{fence}", line) for line in inside[1].split("\n"))
        assert inside[2] == "\n</details>\n"

    @given(texts)
    def test_a_value_stays_on_one_line(self, value):
        plan = compare([job("sales")], [job("sales", description=value)])

        assert len(as_text(plan).splitlines()) == 3


@given(texts)
def test_a_name_that_a_user_chose_stays_on_one_line(name):
    plan = compare([job("sales", tags={})], [job("sales", tags={name: "x"})])

    assert len(as_text(plan).splitlines()) == 3


@given(job_sets, job_sets)
def test_json_tells_values_as_they_are(before, after):
    plan = compare_jobs(before, after)

    told = json.loads(as_json(plan))

    assert set(told) == {"jobs", "unchanged", "alike", "refused", "released"}
    for entry, change in zip(told["jobs"], plan.changes, strict=True):
        assert set(entry) == {"job", "action", "renamed_from", "settings", "tasks", "blueprint", "rows", "keeps_job"}
        assert entry["action"] in ("create", "update", "delete")
        for difference, real in zip(entry["settings"], change.settings, strict=True):
            assert difference["path"] == [*real.path]
            for name, value in zip(("old", "new"), real.shown, strict=True):
                assert repr_of(difference[name]) == repr_of(value) if name in difference else value not in (0, "", [])
        for one in entry["tasks"]:
            assert set(one) == {
                "task",
                "target",
                "action",
                "waits_also_for",
                "waits_no_longer_for",
                "sql_changed",
                "rules_changed",
                "settings",
            }
