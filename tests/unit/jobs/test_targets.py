"""A module that is not the same in all targets: what is written for one is laid over what is written for all."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from support.examples import examples
from support.project_folder import ProjectFolder, at_caret

TARGETS = ["dev", "prod", "test"]
BUNDLE = "bundle: {name: shop}\ninclude: [resources/jobs/*.yml]\ntargets: {dev: {default: true}, prod: {}, test: {}}\n"
MODULE = """\
modules:
  - module_name: orders
    job_config: {timeout_seconds: 100, tags: {owner: ada}}
    sources:
      - source_id: load
        execution_order: 1
        transformation_config: {notebook_path: /Workspace/load, max_retries: 1}
      - source_id: report
        execution_order: 2
        transformation_config: {sql_task: {sql_query: SELECT 1, warehouse_id: abc}}
    targets: TARGETS
"""


@pytest.fixture
def project(tmp_path) -> ProjectFolder:
    folder = ProjectFolder(tmp_path / "project")
    folder.write("databricks.yml", BUNDLE)
    return folder


def with_targets(targets: str) -> str:
    return MODULE.replace("TARGETS", targets)


def in_each(project: ProjectFolder, metadata: str) -> dict[str, Any]:
    """Returns the job of each target as the one generated file says it; for all targets under an empty name."""
    project.write("metadata/orders.yml", metadata)
    compilation = project.compile()
    assert [str(problem) for problem in compilation.diagnostics] == []
    return jobs_of(next(text for file, text in compilation.files.items() if file.path.startswith("jobs/")))


def jobs_of(text: str) -> dict[str, Any]:
    content = yaml.safe_load(text)
    parts = content.get("targets") or {"": content}
    return {target: next(iter(part["resources"]["jobs"].values())) for target, part in parts.items()}


class TestMap:
    def test_a_module_that_differs_stands_in_full_below_each_target(self, project):
        jobs = in_each(project, with_targets("{prod: {job_config: {max_concurrent_runs: 3}}}"))

        assert list(jobs) == TARGETS
        assert jobs["prod"] == {**jobs["dev"], "max_concurrent_runs": 3}
        assert jobs["test"] == jobs["dev"]
        assert jobs["dev"]["timeout_seconds"] == 100

    def test_null_takes_away_what_the_module_and_the_defaults_set(self, project):
        project.write("job_meta.yml", "metadata: [{yaml: metadata/}]\ndefaults: {job: {timeout_seconds: 5}}\n")

        jobs = in_each(project, with_targets("{dev: {job_config: {timeout_seconds: null, tags: {owner: null}}}}"))

        assert "timeout_seconds" not in jobs["dev"]
        assert jobs["dev"]["tags"] == {}
        assert jobs["prod"]["timeout_seconds"] == 100

    def test_a_source_is_changed_by_its_id_and_switched_off_where_it_is_not_wanted(self, project):
        targets = """
      dev: {sources: {report: {is_active: false}}}
      prod: {sources: {load: {transformation_config: {max_retries: 5, base_parameters: {full: "yes"}}}}}
"""
        jobs = in_each(project, with_targets(targets))

        assert [task["task_key"] for task in jobs["dev"]["tasks"]] == ["load"]
        assert [task["task_key"] for task in jobs["prod"]["tasks"]] == ["load", "report"]
        assert jobs["prod"]["tasks"][0]["max_retries"] == 5
        assert jobs["prod"]["tasks"][0]["notebook_task"]["base_parameters"]["full"] == "yes"
        assert jobs["test"]["tasks"][0]["max_retries"] == 1

    def test_false_leaves_the_job_out_of_a_target_and_null_says_nothing(self, project):
        assert list(in_each(project, with_targets("{dev: false, prod: null}"))) == ["prod", "test"]
        assert list(in_each(project, with_targets("{prod: null}"))) == [""]

    def test_a_module_that_comes_out_the_same_everywhere_is_written_once(self, project):
        assert list(in_each(project, with_targets("{prod: {job_config: {timeout_seconds: 100}}}"))) == [""]

    def test_sql_that_differs_has_a_file_for_each_text_and_that_of_the_module_keeps_its_name(self, project):
        project.write(
            "metadata/orders.yml",
            with_targets("{prod: {sources: {report: {transformation_config: {sql_task: {sql_query: SELECT 2}}}}}}"),
        )
        texts = project.texts()

        assert {path: text.splitlines()[1] for path, text in texts.items() if path.startswith("sql/")} == {
            "sql/orders/report.sql": "SELECT 1",
            "sql/orders/report_prod.sql": "SELECT 2",
        }
        paths = {t: job["tasks"][1]["sql_task"]["file"]["path"] for t, job in jobs_of(texts["jobs/orders.yml"]).items()}
        assert paths == {
            "dev": "../sql/orders/report.sql",
            "prod": "../sql/orders/report_prod.sql",
            "test": "../sql/orders/report.sql",
        }

    def test_an_item_of_a_keyed_list_is_changed_in_one_target(self, project):
        jobs = in_each(
            project,
            with_targets("{prod: {job_config: {parameters: [{name: day, default: today}]}}}").replace(
                "timeout_seconds: 100", 'parameters: [{name: size, default: "1"}, {name: day, default: ""}]'
            ),
        )

        assert jobs["dev"]["parameters"] == [{"name": "size", "default": "1"}, {"name": "day", "default": ""}]
        assert jobs["prod"]["parameters"] == [{"name": "size", "default": "1"}, {"name": "day", "default": "today"}]

    def test_a_blueprint_may_differ_by_target_and_a_use_of_it_too(self, project):
        jobs = in_each(
            project,
            """\
blueprints:
  - blueprint: ingest
    parameters: {table: {type: text}, runs: {type: number}}
    module:
      module_name: ingest_${param.table}
      sources:
        - {source_id: load, execution_order: 1, transformation_config: {notebook_path: /Workspace/load}}
      targets: {prod: {job_config: {max_concurrent_runs: "${param.runs}", timeout_seconds: 7}}}
modules:
  - blueprint: ingest
    with: {table: orders, runs: 4}
    targets: {prod: {job_config: {timeout_seconds: 8}}}
""",
        )

        assert jobs["prod"] == {**jobs["dev"], "max_concurrent_runs": 4, "timeout_seconds": 8}

    def test_null_in_a_use_of_a_blueprint_takes_away_what_the_blueprint_and_the_defaults_set(self, project):
        project.write(
            "job_meta.yml",
            "metadata: [{yaml: metadata/}]\n"
            "defaults: {job: {timeout_seconds: 5, tags: {a: d}}, task: {max_retries: 3}}\n",
        )
        jobs = in_each(
            project,
            """\
blueprints:
  - blueprint: ingest
    module:
      module_name: ingest
      job_config: {timeout_seconds: 6, tags: {a: b, c: d}}
      sources:
        - source_id: load
          execution_order: 1
          transformation_config: {notebook_path: /Workspace/load, max_retries: 4}
modules:
  - blueprint: ingest
    job_config: {timeout_seconds: null, tags: {a: null}}
    sources: [{source_id: load, transformation_config: {max_retries: null}}]
""",
        )

        assert jobs[""] == {"name": "ingest", "tags": {"c": "d"}, "tasks": jobs[""]["tasks"]}
        assert "max_retries" not in jobs[""]["tasks"][0]


class TestPresets:
    def test_a_preset_for_a_target_is_laid_below_the_module_there_alone(self, project):
        project.write(
            "job_meta.yml",
            """\
metadata: [{yaml: metadata/}]
presets:
  - preset: loud
    match: {target: [prod, t*], tag.owner: ada}
    job: {timeout_seconds: 1, max_concurrent_runs: 2}
    task: {max_retries: 9, timeout_seconds: 3}
    sources: [{source_id: tell, execution_order: 9, transformation_config: {notebook_path: /Workspace/tell}}]
""",
        )

        jobs = in_each(project, with_targets("null"))

        assert {target: job.get("max_concurrent_runs") for target, job in jobs.items()} == {
            "dev": None,
            "prod": 2,
            "test": 2,
        }
        assert jobs["prod"]["timeout_seconds"] == 100
        assert [task["task_key"] for task in jobs["prod"]["tasks"]] == ["load", "report", "tell"]
        assert [task.get("timeout_seconds") for task in jobs["prod"]["tasks"]] == [3, 3, 3]
        assert len(jobs["dev"]["tasks"]) == 2

    def test_a_list_of_targets_still_says_where_the_job_exists(self, project):
        project.write(
            "job_meta.yml",
            "metadata: [{yaml: metadata/}]\n"
            "presets: [{preset: p, match: {target: prod}, job: {max_concurrent_runs: 2}}]\n",
        )

        jobs = in_each(project, with_targets("[prod, dev]"))

        assert {target: job.get("max_concurrent_runs") for target, job in jobs.items()} == {"prod": 2, "dev": None}


def layers_of(absent: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Layers of a job and a task; `absent` is what may stand in the place of any value."""
    numbers = st.one_of(st.integers(1, 9), absent)
    tags = st.dictionaries(st.sampled_from("abc"), st.sampled_from("xyz"), min_size=1)
    job = {"timeout_seconds": numbers, "max_concurrent_runs": numbers, "tags": tags}
    task = {"max_retries": numbers, "timeout_seconds": numbers}
    return st.fixed_dictionaries(
        {"job": st.fixed_dictionaries({}, optional=job), "task": st.fixed_dictionaries({}, optional=task)}
    )


BELOW, LAYERS = layers_of(st.nothing()), layers_of(st.none())
PRESETS = st.lists(st.tuples(st.sets(st.sampled_from(TARGETS)), LAYERS), max_size=3)


def laid_over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """The plainest way to lay settings over others: key by key, null takes away."""
    result = dict(below)
    for key, value in above.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            result[key] = laid_over(result.get(key, {}), value)
        else:
            result[key] = value
    return result


@settings(max_examples=examples(150), deadline=None)
@given(BELOW, PRESETS, LAYERS, st.dictionaries(st.sampled_from(TARGETS), st.one_of(LAYERS, st.just(False))))
def test_layers_and_targets_come_to_what_laying_each_over_the_others_gives(
    tmp_path_factory, defaults, presets, own, by
):
    project = ProjectFolder(tmp_path_factory.mktemp("layers"))
    project.write("databricks.yml", BUNDLE)
    listed = [
        {"preset": f"p{number}", "match": {"module": "*", **({"target": sorted(targets)} if targets else {})}, **layer}
        for number, (targets, layer) in enumerate(presets)
        if layer["job"] or layer["task"]
    ]
    meta = {"metadata": [{"yaml": "metadata/"}], "defaults": defaults, "presets": listed}
    project.write("job_meta.yml", json.dumps(meta))
    task = {"notebook_path": "/Workspace/load"}
    targets = {
        name: each and {"job_config": each["job"], "sources": {"load": {"transformation_config": each["task"]}}}
        for name, each in by.items()
    }
    source = {"source_id": "load", "execution_order": 1, "transformation_config": {**task, **own["task"]}}
    module = {"module_name": "orders", "job_config": own["job"], "sources": [source], "targets": targets}
    project.write("metadata/orders.yml", json.dumps({"modules": [module]}))

    found = jobs_of(project.texts()["jobs/orders.yml"]) if list(by.values()) != [False] * 3 else {}

    expected = {}
    for target in TARGETS:
        if by.get(target) is False:
            continue
        of_presets = [layer for names, layer in presets if not names or target in names]
        each_layer = [defaults, *of_presets, own, *([by[target]] if target in by else [])]
        job: dict[str, Any] = {}
        settings_of_task: dict[str, Any] = {}
        for each in each_layer:
            job, settings_of_task = laid_over(job, each["job"]), laid_over(settings_of_task, each["task"])
        expected[target] = (job, settings_of_task)
    shown = {
        target: (
            {key: value for key, value in job.items() if key not in ("name", "tasks")},
            {key: value for key, value in job["tasks"][0].items() if key not in ("task_key", "notebook_task")},
        )
        for target, job in found.items()
    }
    # What is the same everywhere stands once.
    if list(shown) == [""]:
        shown = dict.fromkeys(TARGETS, shown[""])
    assert without_empty(shown) == without_empty(expected)


def without_empty(found: dict[str, Any]) -> dict[str, Any]:
    """Leaves out maps of which nothing is left: an empty `tags` is no different from none."""
    return {target: [{k: v for k, v in each.items() if v != {}} for each in pair] for target, pair in found.items()}


class TestProblems:
    @pytest.mark.parametrize(
        ("targets", "message"),
        [
            ("{‸prdo: {}}", "databricks.yml has no target 'prdo'; did you mean 'prod'? [unknown-target]"),
            ("{prod: {‸job_confg: {}}}", "unknown field 'job_confg' in a map for a target; did you mean "),
            ("{prod: {‸schedule: {}}}", "it is a job setting: write it in 'job_config'"),
            ("{prod: {‸presets: []}}", "it is the same in all targets: write it above"),
            ("{prod: ‸true}", "a map of what is not the same there, or false for a target without the job"),
            ("{prod: {sources: {‸laod: {}}}}", "the module has no source 'laod'; did you mean 'load'? [unknown-field]"),
            ("{prod: {sources: {load: {‸max_retries: 5}}}}", "write it in 'transformation_config'"),
            ("{prod: {job_config: {‸max_concurent_runs: 3}}}", "did you mean 'max_concurrent_runs'? (in 'prod')"),
            (
                "{prod: {sources: {load: {transformation_config: {max_retries: ‸many}}}}}",
                "'max_retries' must be a whole number, not the text 'many' (in 'prod') [wrong-type]",
            ),
            ("{prod: {sources: {load: {depends_on: [‸nobody]}}}}", "nobody"),
        ],
    )
    def test_what_is_wrong_in_a_target_is_reported_once_at_its_place(self, project, targets, message):
        text, place = at_caret(with_targets(targets))

        (problem,) = project.problems(text)

        assert problem.startswith(f"metadata/sales.yml:{place}: error: ")
        assert message in problem

    def test_what_is_wrong_in_all_targets_is_reported_once(self, project):
        text, place = at_caret(
            with_targets("{prod: {job_config: {max_concurrent_runs: 3}}}").replace("max_retries: 1", "max_retries: ‸x")
        )

        (problem,) = project.problems(text)

        assert problem.startswith(f"metadata/sales.yml:{place}: error: 'max_retries' must be a whole number")
        assert "(in " not in problem

    def test_a_module_without_an_active_source_in_one_target_stays_as_it_is_and_says_what_to_write(self, project):
        targets = "{dev: {sources: {load: {is_active: false}, report: {is_active: false}}}}"

        (problem,) = project.problems(with_targets(targets))

        assert "no active source in the target 'dev'" in problem
        assert "write `dev: false` below 'targets' to leave it out there" in problem
        assert project.compile().kept_jobs == {"orders"}

    def test_a_module_that_is_left_out_everywhere_stays_as_it_is(self, project):
        (problem,) = project.problems(with_targets("{dev: false, prod: false, test: false}"))

        assert "is left out of every target" in problem
        assert project.compile().kept_jobs == {"orders"}

    def test_without_a_bundle_nobody_knows_the_targets(self, project):
        (project.path / "databricks.yml").unlink()

        (problem,) = project.problems(with_targets("{prod: {job_config: {timeout_seconds: 1}}}"))

        assert "needs a databricks.yml that can be read, with its 'targets' [unknown-target]" in problem

    def test_where_the_bundle_cannot_be_read_jobs_that_differ_stay_as_they_are(self, project):
        project.write("databricks.yml", "bundle: [\n")
        project.write("metadata/orders.yml", with_targets("null"))
        project.write(
            "job_meta.yml",
            "metadata: [{yaml: metadata/}]\n"
            "presets: [{preset: p, match: {target: prod}, job: {max_concurrent_runs: 2}}]\n",
        )

        compilation = project.compile()

        assert compilation.kept_jobs == {"orders"}
        assert not compilation.files

    def test_a_preset_for_a_target_that_is_not_there_is_reported_with_the_closest(self, project):
        project.write(
            "job_meta.yml",
            "metadata: [{yaml: metadata/}]\n"
            "presets: [{preset: p, match: {target: prdo}, job: {max_concurrent_runs: 2}}]\n",
        )

        (problem,) = project.problems(with_targets("null"))

        assert problem == (
            "job_meta.yml:2:39: error: databricks.yml has no target 'prdo', so the preset is for none there; did you "
            "mean 'prod'? [unknown-target]"
        )

    def test_a_policy_for_a_target_sees_what_the_job_is_there(self, project):
        project.write(
            "job_meta.yml",
            "metadata: [{yaml: metadata/}]\n"
            "policies: [{policy: short, where: {target: prod}, most: {timeout_seconds: 60}}]\n",
        )
        text, place = at_caret(with_targets("{prod: {job_config: {timeout_seconds: ‸61}}}"))

        (problem,) = project.problems(text)

        assert problem.startswith(f"metadata/sales.yml:{place}: error: 'timeout_seconds' is 61, but must be at most 60")
        assert project.problems(with_targets("{prod: {job_config: {timeout_seconds: 60}}}")) == []
