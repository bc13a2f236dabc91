"""How names become keys: of tasks as the original tool did it, of jobs with hyphens kept."""

from __future__ import annotations

import re

import pytest
from hypothesis import given

from lakeflow_job_meta.parsing.keys import MAX_JOB_KEY, MAX_TASK_KEY, is_job_key, job_key, task_key
from support.project_folder import module
from support.strategies import any_text, texts

JOB_KEY = r"^[A-Za-z][A-Za-z0-9]*([_-]+[A-Za-z0-9]+)*\Z"
"""As docs and design give it."""


@given(texts | any_text)
def test_a_task_key_has_only_letters_digits_and_single_underscores_between_them(text):
    key = task_key(text)
    assert re.fullmatch(r"([A-Za-z0-9]+(_[A-Za-z0-9]+)*)?", key)


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
    assert task_key(text).replace("_", "") == kept
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
    ("source_id", "key"),
    [
        ("customers", "customers"),
        ("sales/2024", "sales_2024"),
        ("a  -  b", "a_b"),
        ("__a__b__", "a_b"),
        ("a-b", "a_b"),
        ("größe", "gr_e"),
        ("1", "1"),
        ("日本", ""),
        ("", ""),
        ("main.bronze.orders", "main_bronze_orders"),
    ],
)
def test_task_keys_as_the_original_makes_them(source_id, key):
    assert task_key(source_id) == key


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
