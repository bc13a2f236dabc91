"""What many mistakes cost: four times as many cost about four times as much, counted in calls and not in seconds."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable

import pytest

from lakeflow_job_meta._internal.text import closest
from lakeflow_job_meta.compiler.result import Compilation
from lakeflow_job_meta.config.load import load_project
from lakeflow_job_meta.jobs.references import REFERENCE
from lakeflow_job_meta.output.read_back import GeneratedJob
from lakeflow_job_meta.parsing.rows import modules_of_rows
from lakeflow_job_meta.planning.compare import compare_jobs
from lakeflow_job_meta.schema.validator import compare
from support.project_folder import ProjectFolder, compile_loaded
from support.slow import few

FEW, MANY = 50, 200
RUNS_A_NOTEBOOK = "notebook_path: /Workspace/x"


def word(number: int) -> str:
    return "".join("abcdefghij"[int(digit)] for digit in f"{number:04d}")


def modules(count: int, job: str = "{}", task: str = RUNS_A_NOTEBOOK) -> str:
    """Returns modules; `N` in what they hold becomes their number, `W` a word that no other has."""
    made = (
        f"  - module_name: m{n}\n    job_config: {job}\n    sources:\n      - source_id: s\n"
        f"        execution_order: 1\n        transformation_config: {{{task}}}\n".replace("N", str(n)).replace(
            "W", word(n)
        )
        for n in range(count)
    )
    return "modules:\n" + "".join(made)


def sources(count: int, fields: str = "execution_order: 1", task: str = RUNS_A_NOTEBOOK, job: str = "{}") -> str:
    made = (
        f"      - {{source_id: s{n}, {fields}, transformation_config: {{{task}}}}}\n".replace("N", str(n))
        .replace("P", str(n ^ 1))
        .replace("W", word(n))
        for n in range(count)
    )
    return f"modules:\n  - module_name: m\n    job_config: {job}\n    sources:\n" + "".join(made)


MISTAKES: dict[str, Callable[[int], str]] = {
    "the same misspelt setting in each module": lambda n: modules(n, "{max_concurent_runs: 1}"),
    "five misspelt settings in each module": lambda n: modules(
        n, "{max_concurent_runs: 1, tgs: {}, queu: {}, a: 1, b: 2}"
    ),
    "another misspelt setting in each module": lambda n: modules(n, "{max_W_runs: 1}"),
    "all misspelt settings in one map": lambda n: sources(
        1, job="{" + ", ".join(f"max_{word(k)}_runs: 1" for k in range(n)) + "}"
    ),
    "keys that are given twice": lambda n: sources(
        1, job="{tags: {" + ", ".join(f"t{k}: a, t{k}: b" for k in range(n)) + "}}"
    ),
    "modules that are there twice": lambda n: modules(n).replace("module_name: m", "module_name: m # "),
    "sources that are there twice": lambda n: re.sub(r"source_id: s[0-9]+", "source_id: s", sources(n)),
    "dependencies that are not there": lambda n: sources(n, "depends_on: [sW]"),
    "sources that wait for each other": lambda n: sources(n, "depends_on: [sP]"),
    "jobs that are not there": lambda n: modules(n, task="run_job_task: {module_name: xW}"),
    "clusters that are not there": lambda n: sources(n, task=RUNS_A_NOTEBOOK + ", job_cluster_key: W"),
    "parameters that are not there": lambda n: sources(n, task="notebook_path: '/x/{{job.parameters.W}}'"),
    "time zones that are not there": lambda n: modules(
        n, "{schedule: {quartz_cron_expression: '0 0 2 * * ?', timezone_id: Europe/W}}"
    ),
    "files that are not there": lambda n: modules(n, task="notebook_path: src/notebok_N.py"),
}


def calls_of(work: Callable[[], object]) -> int:
    """Counts the calls of functions, of Python and C alike."""
    counted = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal counted
        counted += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(before)
    return counted


def calls_for_mistakes(project: ProjectFolder, metadata: str) -> tuple[int, int]:
    """Returns how many errors a compilation finds, and what it costs."""
    project.write("metadata/all.yml", metadata)
    loaded = load_project(project.path)
    results: list[Compilation] = []
    calls = calls_of(lambda: results.append(compile_loaded(loaded)))
    return len(results[0].errors), calls


class TestManyMistakes:
    @pytest.mark.parametrize("what", few(list(MISTAKES)[:1], list(MISTAKES)[1:]))
    @pytest.mark.slow
    def test_four_times_as_many_mistakes_cost_about_four_times_as_many_calls(self, project, what):
        (project.path / "src").mkdir()
        for number in range(MANY):
            (project.path / f"src/notebook_{number}.py").write_text("# Databricks notebook source\n")
        calls_for_mistakes(project, modules(1))  # what is read only once
        (few, calls_for_few), (many, calls_for_many) = (
            calls_for_mistakes(project, MISTAKES[what](count)) for count in (FEW, MANY)
        )
        assert many > 3 * few >= FEW
        assert calls_for_many < 5 * calls_for_few

    @pytest.mark.parametrize("cell", few([{f"k{n}": 1 for n in range(3000)}], [{"parameters": [{"nam": 1}] * 3000}]))
    def test_a_cell_is_searched_once_for_all_of_its_mistakes(self, cell):
        row = {"source_id": "s", "module_name": "m", "job_config": json.dumps(cell)}
        (module,) = modules_of_rows("t", [row]).modules
        origin = module.origin.at("job_config")
        findings = compare(cell, "job", "job setting")
        calls = calls_of(lambda: [origin.at(*each.path).location() for each in findings])
        assert calls < 100 * len(findings)

    def test_a_near_word_is_found_among_many_without_a_look_at_all(self):
        known = [f"src/team_{n % 7}/notebook_{n:05d}.py" for n in range(10_000)]
        assert closest("src/team_3/notebok_01704.py", known) == "src/team_3/notebook_01704.py"
        assert calls_of(lambda: closest("src/team_6/notebook_0170.py", known)) < 10_000

    def test_renamed_jobs_are_found_without_comparing_all_with_all(self):
        def jobs(prefix: str, count: int) -> dict[str, GeneratedJob]:
            return {
                f"{prefix}{n}": GeneratedJob(f"{prefix}{n}", {"tasks": [task(n), task(0)]}, (), {})
                for n in range(count)
            }

        def task(number: int) -> dict:
            return {"task_key": f"t{number}", "notebook_task": {"notebook_path": f"/x/{number}"}}

        few, many = (calls_of(lambda n=n: compare_jobs(jobs("a", n), jobs("b", n))) for n in (FEW, MANY))
        plan = compare_jobs(jobs("a", MANY), jobs("b", MANY))
        assert {change.key: change.renamed_from for change in plan.changes if change.renamed_from} == {
            f"b{n}": f"a{n}" for n in range(MANY)
        }
        assert many < 5 * few

    @pytest.mark.timeout(20)
    @pytest.mark.parametrize("pattern", [REFERENCE, "schema"])
    def test_indexes_without_end_in_a_reference_end_in_time(self, pattern):
        text = "${a.a" + "[0]" * 100_000
        if pattern == "schema":
            assert compare({"timeout_seconds": text}, "job", "job setting") != []
        else:
            assert re.fullmatch(pattern, text) is None
