"""How names become keys: of tasks as written where that is a key, of jobs with hyphens kept."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakeflow_job_meta.parsing.keys import (
    MAX_JOB_KEY,
    MAX_TASK_KEY,
    TaskKeys,
    former_key,
    former_name,
    is_job_key,
    job_key,
    task_key,
)
from support.project_folder import module
from support.strategies import any_text, texts

JOB_KEY = r"^[A-Za-z][A-Za-z0-9]*([_-]+[A-Za-z0-9]+)*\Z"
"""As docs and design give it."""


TASK_KEY = r"[A-Za-z0-9_-]{1,100}"


@given(st.from_regex(rf"\A{TASK_KEY}\Z"))
def test_a_source_id_that_is_a_task_key_stays_as_it_is_written(text):
    assert task_key(text) == text


@given(texts | any_text)
def test_any_other_source_id_gets_single_underscores_between_what_a_key_can_hold(text):
    if re.fullmatch(TASK_KEY, text):
        return
    key = task_key(text)
    assert re.fullmatch(r"[A-Za-z0-9_-]*", key)
    assert "__" not in key
    assert key == key.strip("_-")


@given(texts | any_text)
def test_a_task_key_of_underscores_has_letters_digits_and_single_underscores_between_them(text):
    key = task_key(text, TaskKeys.UNDERSCORES)
    assert re.fullmatch(r"([A-Za-z0-9]+(_[A-Za-z0-9]+)*)?", key)
    assert key == task_key(task_key(text), TaskKeys.UNDERSCORES)


@given(texts)
def test_a_job_key_has_only_letters_digits_hyphens_and_single_underscores(text):
    key = job_key(text)
    assert re.fullmatch(r"[A-Za-z0-9_-]*", key)
    assert "__" not in key
    assert key == key.strip("_-")


@given(texts)
def test_a_key_stays_as_it_is(text):
    assert task_key(task_key(text)) == task_key(text)
    assert job_key(job_key(text)) == job_key(text)


@given(texts)
def test_letters_and_digits_of_a_name_are_kept_in_order(text):
    kept = re.sub(r"[^A-Za-z0-9]", "", text)
    assert re.sub(r"[_-]", "", task_key(text)) == kept
    assert task_key(text, TaskKeys.UNDERSCORES).replace("_", "") == kept
    assert re.sub(r"[_-]", "", job_key(text)) == kept


@given(texts)
def test_a_job_key_is_taken_exactly_when_it_starts_with_a_letter_and_is_not_too_long(text):
    key = job_key(text)
    assert is_job_key(key) == bool(re.search(JOB_KEY, key) and len(key) <= MAX_JOB_KEY)
    assert is_job_key(key) == (key[:1].isalpha() and len(key) <= MAX_JOB_KEY)


@pytest.mark.parametrize("key", ["a\n", "", "_a", "a_", "-a", "a-", "é", "a.b", "../a", "a/b", "1a", "a" * 201])
def test_what_is_no_job_key_is_not_taken(key):
    assert not is_job_key(key)


@pytest.mark.parametrize(
    ("source_id", "as_written", "underscores"),
    [
        ("customers", "customers", "customers"),
        ("sales/2024", "sales_2024", "sales_2024"),
        ("a  -  b", "a_-_b", "a_b"),
        ("__a__b__", "__a__b__", "a_b"),
        ("a-b", "a-b", "a_b"),
        ("a-b.c", "a-b_c", "a_b_c"),
        ("-a!", "a", "a"),
        ("größe", "gr_e", "gr_e"),
        ("1", "1", "1"),
        ("-", "-", ""),
        ("日-本", "", ""),
        ("", "", ""),
        ("main.bronze.orders", "main_bronze_orders", "main_bronze_orders"),
        ("a__b" * 33, "a_b" * 33, "a_b" * 33),
    ],
)
def test_task_keys_as_written_and_as_the_original_makes_them(source_id, as_written, underscores):
    assert task_key(source_id) == as_written
    assert task_key(source_id, TaskKeys.UNDERSCORES) == underscores


@pytest.mark.parametrize(
    ("module_name", "key"),
    [
        ("bronze-to-silver", "bronze-to-silver"),
        ("Sales 2024", "Sales_2024"),
        ("a.b", "a_b"),
        ("-a-", "a"),
        ("a -b", "a_-b"),
    ],
)
def test_job_keys_keep_hyphens(module_name, key):
    assert job_key(module_name) == key


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ('"2024 sales"', "'m_2024_sales' would do"),
        ('"日本"', "nothing is left of it"),
        ('"../.."', "nothing is left of it"),
        ('""', "nothing is left of it"),
        ("a" * 201, "it has 201 characters; the limit is 200"),
    ],
)
def test_a_module_whose_name_cannot_become_a_key_is_told_what_would_do(project, name, advice):
    (problem,) = project.problems(module(name))
    assert problem.startswith("metadata/sales.yml:2:18: error:")
    assert advice in problem
    assert problem.endswith("[unusable-name]")


def test_a_module_name_of_the_greatest_length_is_fine(project):
    name = "a" * MAX_JOB_KEY
    project.write("metadata/sales.yml", module(name))
    assert project.ljm("generate").exit_code == 0
    assert (project.path / "resources" / "jobs" / f"{name}.yml").is_file()


@pytest.mark.parametrize("length", [MAX_TASK_KEY, MAX_TASK_KEY + 1])
def test_a_task_key_has_at_most_a_hundred_characters(project, length):
    metadata = module().replace("source_id: a", f"source_id: {'s' * length}")
    problems = project.problems(metadata)
    assert [problem.rsplit(" ", 1)[1] for problem in problems] == ["[unusable-name]"] * (length - MAX_TASK_KEY)


LOOP = """\
    modules:
      - module_name: sales
        sources:
          - source_id: {source_id}
            execution_order: 1
            transformation_config:
              for_each_task: {{inputs: "[1]", task: {{{task_key}notebook_path: /Workspace/a}}}}
    """


@pytest.mark.parametrize(
    ("source_id", "task_key", "place", "why"),
    [
        ("s" * MAX_TASK_KEY, "", "7:48", "has 110 characters; Databricks allows 100"),
        ("a", "task_key: 日本, ", "7:59", "no task key can be derived from '日本'"),
        ("a", "task_key: 'x${var.y}', ", "7:59", "holds a reference"),
        ("s" * (MAX_TASK_KEY + 1), "", "4:20", "has 101 characters; Databricks allows 100"),
    ],
)
def test_the_key_of_what_a_loop_repeats_must_be_one_too(project, source_id, task_key, place, why):
    (problem,) = project.problems(LOOP.format(source_id=source_id, task_key=task_key))
    assert problem.startswith(f"metadata/sales.yml:{place}: error:")
    assert why in problem
    assert problem.endswith("[unusable-name]")


@pytest.mark.parametrize(("style", "inner"), [("as_written", "per-day"), ("underscores", "per_day")])
def test_the_project_file_says_how_task_keys_are_made(project, style, inner):
    project.write("job_meta.yml", f"naming: {{task_key: {style}}}\n")
    job = project.job(LOOP.format(source_id="load-orders", task_key="task_key: per-day, "))
    assert job["tasks"][0]["task_key"] == task_key("load-orders", TaskKeys(style))
    assert job["tasks"][0]["for_each_task"]["task"]["task_key"] == inner


def test_an_unknown_style_of_task_keys_is_reported_with_the_closest(project):
    project.write("job_meta.yml", "naming: {task_key: underscore}\n")
    (problem,) = project.ljm("validate").problems
    assert problem.place == "job_meta.yml:1:20"
    assert "did you mean 'underscores'?" in problem.message


REFERS = """modules:
  - module_name: sales
    sources:
      - {source_id: %s, execution_order: 1, transformation_config: {notebook_path: /Workspace/a}}
      - source_id: report
        depends_on: [%s]
        transformation_config: {notebook_path: /Workspace/b, base_parameters: {n: "{{tasks.%s.values.n}}"}}
"""


@pytest.mark.parametrize("written", ["%s", "`%s`"])
@pytest.mark.parametrize(
    ("style", "source_id", "key", "other"),
    [
        ("as_written", "load-orders", "load-orders", "load_orders"),
        ("underscores", "load-orders", "load_orders", "load-orders"),
        ("as_written", "__load", "__load", "load"),
        ("as_written", "load/orders", "load_orders", "load-orders"),
    ],
)
def test_a_reference_to_a_task_names_the_key_and_is_told_of_the_other_form(
    project, style, source_id, key, other, written
):
    project.write("job_meta.yml", f"naming: {{task_key: {style}}}\n")
    assert project.problems(REFERS % (source_id, source_id, written % key)) == []
    (problem,) = project.problems(REFERS % (source_id, source_id, written % other))
    assert f"the job has no task {other!r}; its key is {key!r}, since" in problem
    assert "naming: {task_key: underscores}" in problem
    assert problem.endswith("[not-upstream]")


@pytest.mark.parametrize(
    ("style", "source_id", "written", "said"),
    [
        ("as_written", "load-orders", "load_orders", "its task key is 'load-orders'"),
        ("underscores", "load-orders", "load_orders", "'load_orders' is its task key"),
        ("underscores", "load_orders", "load-orders", "its task key is 'load_orders'"),
        ("as_written", "load/orders", "load_orders", "'load_orders' is its task key"),
    ],
)
def test_a_dependency_on_a_task_key_is_told_the_source_id(project, style, source_id, written, said):
    project.write("job_meta.yml", f"naming: {{task_key: {style}}}\n")
    key = task_key(source_id, TaskKeys(style))
    problem = project.problems(REFERS % (source_id, written, key))[0]
    expected = f"'depends_on' names the 'source_id' as it is written, '{source_id}' ({said})"
    assert f"'report' depends on '{written}', which the module does not have; {expected}" in problem
    assert problem.endswith("[unknown-dependency]")


def test_an_override_of_a_task_is_told_of_the_other_form(project):
    project.write("metadata/sales.yml", module().replace("source_id: a", "source_id: load-orders"))
    override = "{sales: {tasks: [{task_key: load_orders, max_retries: 1}]}}"
    bundle = project.read("databricks.yml").replace("dev: {}", f"dev: {{resources: {{jobs: {override}}}}}")
    project.write("databricks.yml", bundle)
    (problem,) = project.ljm("validate").problems
    assert problem.code == "unknown-override"
    assert "its key is 'load-orders', since" in problem.message


@pytest.mark.parametrize("style", list(TaskKeys))
def test_a_bundle_reference_in_a_source_id_is_refused(project, style):
    project.write("job_meta.yml", f"naming: {{task_key: {style.value}}}\n")
    (problem,) = project.problems(module().replace("source_id: a", "source_id: 'load_${bundle.target}'"))
    assert "holds a reference, which would be lost" in problem


@pytest.mark.parametrize(("style", "collide"), [("as_written", False), ("underscores", True)])
def test_ids_that_differ_in_a_hyphen_collide_where_it_is_replaced(project, style, collide):
    project.write("job_meta.yml", f"naming: {{task_key: {style}}}\n")
    metadata = REFERS % ("load-orders", "load_orders", "load_orders")
    metadata = metadata.replace("source_id: report", "source_id: load_orders")
    metadata = metadata.replace("[load_orders]", "[load-orders]").replace("tasks.load_orders", "tasks.load-orders")
    codes = [problem.rsplit(" ", 1)[1] for problem in project.problems(metadata)]
    assert ("[task-key-collision]" in codes) == collide
    assert collide or codes == []


def test_a_source_without_a_letter_or_digit_is_refused(project):
    (problem,) = project.problems(module().replace("source_id: a", 'source_id: "日本"'))
    assert problem.startswith("metadata/sales.yml:4:20: error: no task key can be derived from '日本'")


def test_two_modules_of_one_name_are_both_reported_with_the_other_s_place(project):
    project.write("metadata/a.yml", module("sales"))
    project.write("metadata/b.yml", module("sales"))
    one, other = project.ljm("validate").problems
    assert (one.place, other.place) == ("metadata/a.yml:2:18", "metadata/b.yml:2:18")
    assert one.code == other.code == "duplicate-module"
    assert "metadata/b.yml:2:18" in one.message
    assert "metadata/a.yml:2:18" in other.message


@pytest.mark.parametrize("last_runs", [True, False])
def test_of_two_modules_of_one_name_the_last_one_says_what_the_job_runs(project, last_runs):
    runs = module("sales").replace("notebook_path: /Workspace/a", "run_job_task: {module_name: stock}")
    pair = (module("sales"), runs) if last_runs else (runs, module("sales"))
    for name, text in zip("ac", pair, strict=True):
        project.write(f"metadata/{name}.yml", text)
    project.write("metadata/b.yml", runs.replace("stock", "SALES").replace("sales", "stock").replace("SALES", "sales"))

    problems = project.ljm("validate").problems

    told = [problem.place.split(":")[0] for problem in problems if problem.code == "run-job-cycle"]
    assert ("metadata/b.yml" in told) == last_runs


@pytest.mark.parametrize("pair", [("a b", "a_b"), ("a.b", "a b"), ("Sales", "sales")])
def test_two_modules_that_become_one_key_are_both_reported(project, pair):
    for number, name in enumerate(pair):
        project.write(f"metadata/{number}.yml", module(name))
    problems = project.ljm("validate").problems
    assert [problem.code for problem in problems] == ["job-key-collision"] * 2
    assert all(repr(name) in problem.message for name in pair for problem in problems)


def test_two_sources_that_become_one_task_are_reported_with_both_places(project):
    metadata = """\
        modules:
          - module_name: sales
            sources:
              - {source_id: a.b, execution_order: 1, transformation_config: {notebook_path: /a}}
              - {source_id: a b, execution_order: 1, transformation_config: {notebook_path: /a}}
        """
    (problem,) = project.problems(metadata)
    assert problem.startswith("metadata/sales.yml:5:21: error: 'a b' and 'a.b' (at metadata/sales.yml:4:21)")
    assert problem.endswith("[task-key-collision]")


def test_two_sources_of_one_id_are_reported_even_if_one_is_inactive(project):
    metadata = """\
        modules:
          - module_name: sales
            sources:
              - {source_id: a, execution_order: 1, transformation_config: {notebook_path: /a}}
              - {source_id: a, execution_order: 2, is_active: false, transformation_config: {notebook_path: /a}}
        """
    (problem,) = project.problems(metadata)
    assert problem.startswith("metadata/sales.yml:5:21: error: the source 'a' is there already")
    assert problem.endswith("[duplicate-source]")


@given(st.from_regex("[A-Za-z0-9_-]{1,30}", fullmatch=True))
def test_a_former_name_is_that_of_a_module_or_any_key_of_the_bundles_own_files(key: str):
    assert former_key(former_name(key)) == key
    assert former_key(key) == job_key(key)
