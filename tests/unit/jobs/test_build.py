"""What job comes of a module: the settings that Databricks gets, in the order of its UI."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lakeflow_job_meta.layout.generated_file import FileKind
from support.project_folder import BUNDLE, module

DEPENDENCIES = {
    "pandas==2.2": "pandas==2.2",
    "pandas [all] ~= 2.2, <3 ; python_version < '3.13'": "pandas [all] ~= 2.2, <3 ; python_version < '3.13'",
    "zope.interface": "zope.interface",
    "pkg @ https://x/y.whl": "pkg @ https://x/y.whl",
    "pkg[x] @ https://x/y.zip": "pkg[x] @ https://x/y.zip",
    "pandas==${bundle.target}": "pandas==${bundle.target}",
    "${var.warehouse_id}": "${var.warehouse_id}",
    "https://x/y.whl": "https://x/y.whl",
    "git+https://x/y@v1": "git+https://x/y@v1",
    "/Volumes/a/b.whl": "/Volumes/a/b.whl",
    "--index-url https://x/y": "--index-url https://x/y",
    "--pre": "--pre",
    "./libs/a.whl": "../../libs/a.whl",
    "libs/a.whl": "../../libs/a.whl",
    "libs/*.whl": "../../libs/*.whl",
    "libs/a.whl[extra, more]": "../../libs/a.whl[extra, more]",
    "a-1.0.whl[extra]": "../../a-1.0.whl[extra]",
    "dist/x.tar.gz": "../../dist/x.tar.gz",
    "-r requirements.txt": "-r ../../requirements.txt",
    "-r  requirements.txt": "-r ../../requirements.txt",
    "-rrequirements.txt": "-r ../../requirements.txt",
    "--requirement=requirements.txt": "-r ../../requirements.txt",
    "-r /Workspace/requirements.txt": "-r /Workspace/requirements.txt",
    # What the CLI leaves as it is:
    '-r "a b.txt"': '-r "${workspace.file_path}/a b.txt"',
    "-c requirements.txt": "-c ${workspace.file_path}/requirements.txt",
    "-e ./pkg": "-e ${workspace.file_path}/pkg",
    "-e pkg[extra]": "-e ${workspace.file_path}/pkg[extra]",
    "--find-links libs": "-f ${workspace.file_path}/libs",
    "./pkg": "${workspace.file_path}/pkg",
    ".": "${workspace.file_path}",
}
"""Dependencies of an environment as metadata has them, and as a generated file does."""

NOTEBOOK = "# Databricks notebook source\nprint(1)\n"


@pytest.fixture
def task(project):
    """Builds the one task of a source from its transformation_config."""
    for name in ("notebooks/a.py", "shared/notebooks/a.py"):
        project.write(name, NOTEBOOK)
    project.write("src/main.py", "print(1)\n")
    project.write("sql/q.sql", "SELECT 1\n")
    project.write("libs/a.whl", "")

    def build(config: str, settings: str = "defaults: {warehouse_id: w}", job_config: str = "{}") -> dict:
        project.write("job_meta.yml", settings)
        job = project.job(
            f"modules:\n"
            f"  - module_name: sales\n"
            f"    job_config: {job_config}\n"
            f"    sources:\n"
            f"      - source_id: my source\n"
            f"        execution_order: 1\n"
            f"        transformation_config: {config}\n"
        )
        return {key: value for key, value in job["tasks"][0].items() if key != "task_key"}

    return build


class TestNotebooks:
    @pytest.mark.parametrize(
        "config",
        [
            "{notebook_path: /Workspace/a}",
            "{task_type: notebook, notebook_path: /Workspace/a}",
            "{task_type: notebook, notebook_task: {notebook_path: /Workspace/a}}",
            "{notebook_task: {notebook_path: /Workspace/a}}",
            "{task_type: notebook_task, notebook_path: /Workspace/a}",
        ],
    )
    def test_the_path_may_stand_beside_the_block_or_in_it(self, task, config):
        assert task(config) == {
            "notebook_task": {"notebook_path": "/Workspace/a", "base_parameters": {"source_id": "my source"}}
        }

    def test_a_project_with_a_control_table_gives_its_name_too(self, task):
        built = task("{notebook_path: /a}", "control_table: main.etl.control")
        assert built["notebook_task"]["base_parameters"] == {
            "source_id": "my source",
            "control_table": "main.etl.control",
        }

    def test_parameters_of_its_own_come_after_and_win(self, task):
        built = task(
            "{notebook_path: /a, base_parameters: {x: '1', control_table: mine}}", "control_table: main.etl.control"
        )
        assert list(built["notebook_task"]["base_parameters"].items()) == [
            ("source_id", "my source"),
            ("control_table", "mine"),
            ("x", "1"),
        ]

    def test_parameters_may_stand_in_the_block_while_the_path_does_not(self, task):
        built = task("{notebook_path: /a, notebook_task: {base_parameters: {x: '1'}}}")
        assert built["notebook_task"] == {
            "notebook_path": "/a",
            "base_parameters": {"source_id": "my source", "x": "1"},
        }

    @pytest.mark.parametrize(
        ("project_says", "module_says", "source_says", "is_added"),
        [
            ("all", None, None, True),
            ("none", None, None, False),
            ("none", "all", None, True),
            ("none", "all", "none", False),
            ("all", "none", None, False),
            (None, "none", "all", True),
            (None, None, "none", False),
        ],
    )
    def test_the_nearest_of_source_module_and_project_says_whether_parameters_are_added(
        self, project, project_says, module_says, source_says, is_added
    ):
        says = {"project": project_says, "module": module_says, "source": source_says}
        line = {key: f"source_parameters: {value}" if value else "" for key, value in says.items()}
        project.write("job_meta.yml", f"control_table: a.b.c\n{line['project']}\n")
        (task,) = project.job(f"""\
            modules:
              - module_name: sales
                {line["module"]}
                sources:
                  - source_id: a
                    {line["source"]}
                    execution_order: 1
                    transformation_config: {{notebook_path: /Workspace/a, base_parameters: {{x: "1"}}}}
            """)["tasks"]
        added = {"source_id": "a", "control_table": "a.b.c"} if is_added else {}
        assert task["notebook_task"]["base_parameters"] == {**added, "x": "1"}

    def test_a_notebook_that_gets_no_parameter_has_no_map_of_them(self, task):
        settings = "source_parameters: none"
        assert task("{notebook_path: /Workspace/a}", settings) == {"notebook_task": {"notebook_path": "/Workspace/a"}}

    def test_null_leaves_out_one_of_the_parameters_that_are_added(self, task):
        built = task("{notebook_path: /a, base_parameters: {source_id: null}}", "control_table: a.b.c")
        assert built["notebook_task"]["base_parameters"] == {"control_table": "a.b.c"}
        assert task("{notebook_path: /a, base_parameters: {source_id: null}}") == {
            "notebook_task": {"notebook_path": "/a"}
        }

    def test_what_a_loop_repeats_gets_no_parameter_either(self, task):
        loop = "{for_each_task: {inputs: '[1]', task: {notebook_path: /a%s}}}"
        inner = task(loop % "", "source_parameters: none")["for_each_task"]["task"]
        assert inner["notebook_task"] == {"notebook_path": "/a"}
        inner = task(loop % ", base_parameters: {source_id: null}")["for_each_task"]["task"]
        assert inner["notebook_task"] == {"notebook_path": "/a"}

    def test_null_for_a_parameter_that_nobody_adds_is_a_mistake(self, project):
        metadata = module().replace("{notebook_path:", "{base_parameters: {day: null}, notebook_path:")
        (problem,) = project.problems(metadata)
        assert "'day'" in problem
        assert problem.endswith("[wrong-type]")


class TestSql:
    def test_inline_sql_becomes_a_file_of_its_own(self, task, project):
        built = task("{task_type: sql_query, sql_task: {sql_query: SELECT 1, parameters: {a: '1'}}}")
        assert built == {
            "sql_task": {
                "warehouse_id": "w",
                "file": {"path": "../sql/sales/my_source.sql", "source": "WORKSPACE"},
                "parameters": {"a": "1"},
            }
        }
        assert project.texts()["sql/sales/my_source.sql"] == (
            "-- Generated by lakeflow-job-meta from metadata/sales.yml. Edit the metadata, not this file.\nSELECT 1\n"
        )

    @pytest.mark.parametrize("text", ["SELECT 1", "SELECT 1\n", "SELECT 1\n\n", " \n SELECT '日本'\n\t;"])
    def test_inline_sql_is_kept_to_the_letter(self, task, project, text):
        task(json.dumps({"sql_task": {"sql_query": text}}, ensure_ascii=False))
        body = project.texts()["sql/sales/my_source.sql"].split("\n", 1)[1]
        assert body == (text if text.endswith("\n") else text + "\n")

    @pytest.mark.parametrize("path", ["/Workspace/q.sql", "${workspace.file_path}/q.sql"])
    def test_a_sql_file_of_the_workspace_stays_as_it_is(self, task, path):
        built = task(f"{{task_type: sql_file, sql_task: {{sql_file_path: '{path}'}}}}")
        assert built["sql_task"]["file"] == {"path": path}

    def test_a_saved_query_is_named_by_its_id(self, task):
        built = task("{task_type: sql_query, sql_task: {query_id: abc}}")
        assert built == {"sql_task": {"warehouse_id": "w", "query": {"query_id": "abc"}}}

    def test_the_form_of_the_jobs_api_is_taken_as_it_is(self, task):
        block = {"warehouse_id": "mine", "alert": {"alert_id": "a"}}
        assert task(json.dumps({"sql_task": block})) == {"sql_task": block}

    def test_a_task_s_own_warehouse_wins_over_the_default(self, task):
        assert task("{sql_task: {query_id: q, warehouse_id: mine}}")["sql_task"]["warehouse_id"] == "mine"

    def test_the_warehouse_stands_first_wherever_it_was_written(self, task):
        assert list(task("{sql_task: {query_id: q, parameters: {}, warehouse_id: mine}}")["sql_task"]) == [
            "warehouse_id",
            "query",
            "parameters",
        ]

    def test_the_default_warehouse_may_be_a_reference(self, task):
        built = task("{sql_task: {query_id: q}}", "defaults: {warehouse_id: '${var.warehouse_id}'}")
        assert built["sql_task"]["warehouse_id"] == "${var.warehouse_id}"


class TestOtherTasks:
    @pytest.mark.parametrize(
        ("task_type", "block"),
        [
            ("python_wheel", {"python_wheel_task": {"package_name": "a", "entry_point": "b"}}),
            ("pipeline", {"pipeline_task": {"pipeline_id": "a"}}),
            ("run_job", {"run_job_task": {"job_id": 5}}),
            ("condition", {"condition_task": {"op": "EQUAL_TO", "left": "a", "right": "b"}}),
            ("dashboard", {"dashboard_task": {"dashboard_id": "a"}}),
        ],
    )
    def test_a_block_of_the_jobs_api_is_taken_as_it_is_with_and_without_its_type(self, task, task_type, block):
        compute = {"existing_cluster_id": "c"} if task_type == "python_wheel" else {}
        assert task(json.dumps({**block, **compute})) == {**block, **compute}
        assert task(json.dumps({"task_type": task_type, **block, **compute})) == {**block, **compute}

    def test_run_job_may_name_a_module(self, project):
        project.write("metadata/other.yml", module("the other-one"))
        project.write(
            "metadata/sales.yml",
            module().replace(
                "{notebook_path: /Workspace/a}",
                "{run_job_task: {job_parameters: {a: '1'}, module_name: the other-one}}",
            ),
        )
        (job,) = [job for job in project.compile().jobs if job.key == "sales"]
        assert job.settings["tasks"][0]["run_job_task"] == {
            "job_id": "${resources.jobs.the_other-one.id}",
            "job_parameters": {"a": "1"},
        }


class TestForEach:
    def test_the_nested_task_is_written_like_any_other(self, task, project):
        built = task(
            "{for_each_task: {inputs: '[1]', concurrency: 2, task: {task_type: sql_query, "
            "sql_task: {sql_query: SELECT 1}, max_retries: 1}}}"
        )
        assert built["for_each_task"] == {
            "inputs": "[1]",
            "concurrency": 2,
            "task": {
                "task_key": "my_source_iteration",
                "sql_task": {
                    "warehouse_id": "w",
                    "file": {"path": "../sql/sales/my_source_iteration.sql", "source": "WORKSPACE"},
                },
                "max_retries": 1,
            },
        }
        assert "sql/sales/my_source_iteration.sql" in project.texts()

    def test_the_nested_task_may_have_a_key_of_its_own(self, task):
        built = task("{for_each_task: {inputs: '[1]', task: {task_key: 'one table', notebook_path: /a}}}")
        assert built["for_each_task"]["task"] == {
            "task_key": "one_table",
            "notebook_task": {"notebook_path": "/a", "base_parameters": {"source_id": "my source"}},
        }

    @pytest.mark.parametrize(
        ("first", "second"),
        [
            (
                "a, execution_order: 1, transformation_config: {for_each_task: {inputs: '[]', "
                "task: {sql_task: {sql_query: SELECT 'nested'}}}}",
                "a_iteration, execution_order: 1, transformation_config: {sql_task: {sql_query: SELECT 'outer'}}",
            ),
            (
                "a, execution_order: 1, transformation_config: {for_each_task: {inputs: '[]', "
                "task: {task_key: same, sql_task: {sql_query: SELECT 'nested'}}}}",
                "b, execution_order: 1, transformation_config: {for_each_task: {inputs: '[]', "
                "task: {task_key: same, sql_task: {sql_query: SELECT 'outer'}}}}",
            ),
        ],
    )
    def test_no_inline_sql_takes_the_place_of_another(self, project, first, second):
        project.write("job_meta.yml", "defaults: {warehouse_id: w}")
        project.write(
            "metadata/sales.yml",
            "modules:\n  - module_name: sales\n    sources:\n"
            f"      - {{source_id: {first}}}\n      - {{source_id: {second}}}\n",
        )
        compilation = project.compile()
        written = "".join(text for file, text in compilation.files.items() if file.kind is FileKind.SQL)
        assert compilation.errors or ("SELECT 'nested'" in written and "SELECT 'outer'" in written)


class TestPaths:
    @pytest.mark.parametrize(
        ("config", "where", "written"),
        [
            ("{notebook_path: notebooks/a.py}", ("notebook_task", "notebook_path"), "../../notebooks/a.py"),
            ("{notebook_path: ./notebooks/a.py}", ("notebook_task", "notebook_path"), "../../notebooks/a.py"),
            ("{sql_task: {sql_file_path: sql/q.sql}}", ("sql_task", "file", "path"), "../../sql/q.sql"),
            ("{sql_task: {file: {path: sql/q.sql}}}", ("sql_task", "file", "path"), "../../sql/q.sql"),
            (
                "{spark_python_task: {python_file: src/main.py}, existing_cluster_id: c}",
                ("spark_python_task", "python_file"),
                "../../src/main.py",
            ),
            (
                "{notebook_path: /a, existing_cluster_id: c, libraries: [{pypi: {package: x}}, {whl: libs/a.whl}]}",
                ("libraries", 1, "whl"),
                "../../libs/a.whl",
            ),
        ],
    )
    def test_a_file_of_the_project_is_named_from_the_generated_file(self, task, project, config, where, written):
        value = task(config)
        for step in where:
            value = value[step]
        assert value == written
        assert (project.path / "resources" / "jobs" / value).resolve().is_file()

    @pytest.mark.parametrize(
        "path",
        [
            "/Workspace/a",
            "/Volumes/a/b",
            "dbfs:/a/b",
            "s3://a/b.py",
            "${workspace.file_path}/a",
            "{{job.parameters.a}}",
        ],
    )
    def test_any_other_place_stays_as_it_is(self, task, path):
        parameters = "{parameters: [{name: a, default: x}]}"
        built = task(json.dumps({"notebook_path": path}), job_config=parameters)
        assert built["notebook_task"]["notebook_path"] == path

    @pytest.mark.parametrize(("dependency", "written"), DEPENDENCIES.items())
    def test_a_dependency_of_an_environment_is_local_unless_it_has_another_grammar(self, project, dependency, written):
        for name in ("libs/a.whl", "requirements.txt", "a b.txt", "pkg/setup.py", "dist/x.tar.gz"):
            project.write(name, "")
        spec = {"environment_version": "4", "dependencies": [dependency]}
        settings = json.dumps({"environments": [{"environment_key": "e", "spec": spec}]})
        job = project.job(module().replace("    sources:", f"    job_config: {settings}\n    sources:"))
        assert job["environments"][0]["spec"]["dependencies"] == [written]

    @pytest.mark.parametrize("dependency", ["pandas=2.2", "libs/none", "-e ./none", "-r none.txt", "-r 'no ne.txt'"])
    def test_a_dependency_that_is_neither_there_nor_a_requirement_is_reported(self, project, dependency):
        spec = {"environment_version": "4", "dependencies": [dependency]}
        settings = json.dumps({"environments": [{"environment_key": "e", "spec": spec}]})
        project.write("metadata/a.yml", module().replace("    sources:", f"    job_config: {settings}\n    sources:"))
        assert project.ljm("validate").codes == ["missing-file"]

    def test_an_egg_is_named_by_its_place_in_the_workspace(self, task, project):
        project.write("libs/a.egg", "")
        built = task("{notebook_path: /a, existing_cluster_id: c, libraries: [{egg: libs/a.egg}]}")
        assert built["libraries"] == [{"egg": "${workspace.file_path}/libs/a.egg"}]

    def test_whether_a_path_with_a_reference_in_it_exists_is_not_judged(self, task):
        built = task("{notebook_path: 'notebooks/${bundle.target}/a.py'}")
        assert built["notebook_task"]["notebook_path"] == "../../notebooks/${bundle.target}/a.py"

    def test_paths_of_a_git_repository_are_left_alone(self, task):
        git = "{git_source: {git_url: https://x.y/z, git_provider: gitHub, git_branch: main}}"
        built = task("{notebook_path: notebooks/a}", job_config=git)
        assert built["notebook_task"]["notebook_path"] == "notebooks/a"

    def test_a_task_of_a_git_job_names_a_file_of_the_project_by_its_place_in_the_workspace(self, task):
        """The CLI translates no path of a job with a git_source."""
        git = "{git_source: {git_url: https://x.y/z, git_provider: gitHub, git_branch: main}}"
        built = task("{notebook_task: {notebook_path: notebooks/a.py, source: WORKSPACE}}", job_config=git)
        assert built["notebook_task"]["notebook_path"] == "${workspace.file_path}/notebooks/a"
        assert task("{sql_task: {sql_query: SELECT 1}}", "defaults: {warehouse_id: w}", git)["sql_task"]["file"] == {
            "path": "${workspace.file_path}/resources/sql/sales/my_source.sql",
            "source": "WORKSPACE",
        }

    def test_libraries_of_a_git_job_are_named_from_what_is_uploaded(self, task, project):
        project.write("requirements.txt", "")
        git = (
            "{git_source: {git_url: https://x.y/z, git_provider: gitHub, git_branch: main}, "
            "environments: [{environment_key: e, spec: {environment_version: '4', dependencies: "
            "[libs/a.whl, -r requirements.txt]}}]}"
        )
        libraries = "[{whl: libs/a.whl}, {requirements: requirements.txt}]"
        built = task(f"{{notebook_path: a, existing_cluster_id: c, libraries: {libraries}}}", job_config=git)
        assert built["libraries"] == [
            {"whl": "./libs/a.whl"},
            {"requirements": "${workspace.file_path}/requirements.txt"},
        ]
        assert "./libs/a.whl" in project.texts()["jobs/sales.yml"]
        assert "-r ${workspace.file_path}/requirements.txt" in project.texts()["jobs/sales.yml"]

    @pytest.mark.parametrize("what", ["notebook_path: notebooks/b.py, source: WORKSPACE", "notebook_path: b.py"])
    def test_a_file_that_a_git_job_takes_from_the_project_must_be_there(self, project, what):
        git = "job_config: {git_source: {git_url: https://x.y/z, git_provider: gitHub, git_branch: main}}\n    sources:"
        text = module().replace("sources:", git, 1).replace("notebook_path: /Workspace/a", f"notebook_task: {{{what}}}")
        project.write("metadata/sales.yml", text)
        codes = project.ljm("validate").codes
        assert codes == (["missing-file"] if "WORKSPACE" in what else [])

    def test_the_output_folder_decides_how_far_up_a_path_goes(self, project, task):
        project.write(
            "databricks.yml", BUNDLE.replace("resources/jobs/*.yml", "shared/jobs/*.yml, gen/deep/er/jobs/*.yml")
        )
        built = task("{notebook_path: notebooks/a.py}", "output: gen/deep/er")
        assert built["notebook_task"]["notebook_path"] == "../../../../notebooks/a.py"
        built = task("{notebook_path: shared/notebooks/a.py}", "output: shared")
        assert built["notebook_task"]["notebook_path"] == "../notebooks/a.py"

    def test_a_path_does_not_depend_on_the_folder_that_the_command_runs_in(self, project, monkeypatch):
        project.write("databricks.yml", "bundle: {name: x}\nsync: {paths: [., ../outside]}\n")
        project.write("../outside/a.py", NOTEBOOK)
        project.write("metadata/sales.yml", module(notebook="../outside/a.py"))
        written = []
        for folder in (project.path, project.path.parent, Path("/")):
            monkeypatch.chdir(folder)
            compilation = project.compile()
            assert [str(problem) for problem in compilation.diagnostics] == []
            written.append(compilation.files)
        assert written[0] == written[1] == written[2]


class TestDefaults:
    def test_defaults_are_merged_into_what_the_module_says_key_by_key(self, project):
        project.write(
            "job_meta.yml",
            "defaults: {job: {tags: {team: a, layer: x}, email_notifications: {on_failure: [a@b.c]}, "
            "max_concurrent_runs: 1}}",
        )
        job = project.job(
            module().replace(
                "    sources:",
                "    job_config: {tags: {layer: gold}, email_notifications: {on_failure: [d@e.f]}}\n    sources:",
            )
        )
        assert job["tags"] == {"team": "a", "layer": "gold"}
        assert job["email_notifications"] == {"on_failure": ["d@e.f"]}
        assert job["max_concurrent_runs"] == 1

    def test_null_takes_a_default_away(self, project):
        project.write("job_meta.yml", "defaults: {job: {timeout_seconds: 5, tags: {a: b}}, task: {max_retries: 3}}")
        job = project.job(
            module()
            .replace("    sources:", "    job_config: {timeout_seconds: null}\n    sources:")
            .replace("{notebook_path: /Workspace/a}", "{notebook_path: /a, max_retries: null}")
        )
        assert "timeout_seconds" not in job
        assert "max_retries" not in job["tasks"][0]
        assert job["tags"] == {"a": "b"}

    def test_null_takes_a_default_away_inside_a_map_too(self, project):
        project.write("job_meta.yml", "defaults: {job: {tags: {a: b, c: d}}}")
        job = project.job(module().replace("    sources:", "    job_config: {tags: {a: null}}\n    sources:"))
        assert job["tags"] == {"c": "d"}

    @pytest.mark.parametrize(
        "own", ["trigger: {periodic: {interval: 1, unit: DAYS}}", "continuous: {pause_status: PAUSED}"]
    )
    def test_a_default_schedule_yields_to_another_way_to_start(self, project, own):
        project.write(
            "job_meta.yml",
            "defaults: {job: {schedule: {quartz_cron_expression: 0 0 2 * * ?, timezone_id: UTC}}}",
        )
        job = project.job(module().replace("    sources:", f"    job_config: {{{own}}}\n    sources:"))
        assert "schedule" not in job
        assert own.split(":")[0] in job

    def test_a_part_of_a_default_schedule_can_be_changed(self, project):
        project.write(
            "job_meta.yml",
            "defaults: {job: {schedule: {quartz_cron_expression: 0 0 2 * * ?, timezone_id: UTC}}}",
        )
        job = project.job(
            module().replace("    sources:", "    job_config: {schedule: {pause_status: PAUSED}}\n    sources:")
        )
        assert job["schedule"] == {
            "quartz_cron_expression": "0 0 2 * * ?",
            "timezone_id": "UTC",
            "pause_status": "PAUSED",
        }

    def test_default_compute_yields_to_a_task_that_names_its_own(self, task):
        settings = "defaults: {task: {existing_cluster_id: default, timeout_seconds: 9}}"
        assert task("{notebook_path: /a}", settings)["existing_cluster_id"] == "default"
        built = task("{notebook_path: /a, new_cluster: {spark_version: x, num_workers: 1, node_type_id: y}}", settings)
        assert "existing_cluster_id" not in built
        assert built["timeout_seconds"] == 9

    def test_default_compute_is_not_for_tasks_that_run_on_none(self, task):
        settings = (
            "defaults: {warehouse_id: w, task: {existing_cluster_id: default, timeout_seconds: 2, "
            "libraries: [{pypi: {package: x}}]}}"
        )
        for config in ("{sql_task: {query_id: q}}", "{condition_task: {op: EQUAL_TO, left: a, right: b}}"):
            built = task(config, settings)
            assert "existing_cluster_id" not in built
            assert "libraries" not in built
            assert built["timeout_seconds"] == 2

    def test_default_compute_reaches_the_task_that_a_for_each_repeats_and_not_the_for_each(self, task):
        settings = "defaults: {task: {existing_cluster_id: default}}"
        built = task("{for_each_task: {inputs: '[1]', task: {notebook_path: /a}}}", settings)
        assert "existing_cluster_id" not in built
        assert built["for_each_task"]["task"]["existing_cluster_id"] == "default"

    def test_a_mistake_in_a_default_is_told_once_at_its_place(self, project):
        project.write("job_meta.yml", "defaults:\n  job:\n    max_concurrent_runs: 'x'\n")
        for name in ("a", "b", "c"):
            project.write(f"metadata/{name}.yml", module(name))
        result = project.ljm("validate")
        (problem,) = result.errors
        assert problem.place.startswith("job_meta.yml:3:")
        assert result.exit_code == 2

    def test_what_metadata_reads_is_not_changed_by_building(self, project):
        project.write("job_meta.yml", "defaults: {job: {tags: {a: b}}}")
        project.write(
            "metadata/sales.yml",
            "modules:\n"
            "  - &m {module_name: one, job_config: &j {tags: {x: y}}, sources: &s [{source_id: a, execution_order: 1, "
            "transformation_config: {notebook_path: /a}}]}\n"
            "  - {module_name: two, job_config: *j, sources: *s}\n",
        )
        one, two = project.compile().jobs
        assert one.settings == {**two.settings, "name": "one"}


class TestNames:
    def test_a_job_is_named_after_its_module(self, project):
        assert project.job(module("'sales / 2024'"))["name"] == "sales / 2024"

    def test_a_pattern_of_the_project_may_name_jobs(self, project):
        project.write("job_meta.yml", 'naming: {job_name: "Metadata_Driven_ETL_{module_name} ${bundle.target}"}')
        assert project.job(module())["name"] == "Metadata_Driven_ETL_sales ${bundle.target}"

    def test_a_module_may_name_its_job(self, project):
        project.write("job_meta.yml", 'naming: {job_name: "x {module_name}"}')
        assert (
            project.job(module().replace("    sources:", "    job_config: {name: mine}\n    sources:"))["name"]
            == "mine"
        )

    def test_a_module_name_is_never_taken_for_a_pattern(self, project):
        assert project.job(module("'{module_name} {x} %s {0}'"))["name"] == "{module_name} {x} %s {0}"

    def test_the_description_of_a_job_is_that_of_its_module(self, project):
        job = project.job(module().replace("    sources:", "    description: Sales.\n    sources:"))
        assert job["description"] == "Sales."


class TestOrder:
    def test_settings_stand_as_in_the_databricks_ui(self, project):
        job = project.job(
            """\
            modules:
              - module_name: sales
                job_config:
                  permissions: [{level: CAN_VIEW, group_name: users}]
                  environments: [{environment_key: e, spec: {environment_version: "4"}}]
                  queue: {enabled: true}
                  tags: {a: b}
                  max_concurrent_runs: 1
                  schedule: {timezone_id: UTC, quartz_cron_expression: 0 0 2 * * ?}
                  timeout_seconds: 5
                  email_notifications: {on_failure: [a@b.c]}
                description: Sales.
                sources:
                  - transformation_config:
                      timeout_seconds: 5
                      email_notifications: {on_failure: [a@b.c]}
                      max_retries: 1
                      environment_key: e
                      run_if: ALL_DONE
                      spark_python_task: {python_file: /Workspace/a.py}
                      description: d
                    execution_order: 2
                    source_id: b
                  - {source_id: a, execution_order: 1, transformation_config: {notebook_path: /a}}
            """
        )
        assert list(job) == [
            *("name", "description", "email_notifications", "timeout_seconds", "schedule", "max_concurrent_runs"),
            *("tasks", "tags", "queue", "environments", "permissions"),
        ]
        assert list(job["tasks"][1]) == [
            *("task_key", "description", "depends_on", "run_if", "spark_python_task", "environment_key"),
            *("max_retries", "timeout_seconds", "email_notifications"),
        ]
        assert list(job["schedule"]) == ["timezone_id", "quartz_cron_expression"]


class TestTargets:
    def test_a_module_may_exist_in_some_targets_only(self, project):
        project.write("metadata/sales.yml", module().replace("    sources:", "    targets: [dev, prod]\n    sources:"))
        project.ljm("generate")
        text = project.read("resources/jobs/sales.yml")
        assert text.count("    resources:\n      jobs:\n        sales:\n          name:") == 2
        assert text.split("\n")[1:3] == ["targets:", "  dev:"]


class TestGenerated:
    def test_a_file_as_a_reviewer_sees_it(self, project):
        project.write("job_meta.yml", "defaults: {warehouse_id: w}")
        project.write(
            "metadata/sales.yml",
            """\
            modules:
              - module_name: sales
                description: |
                  First line.
                  Second line.
                sources:
                  - source_id: load
                    execution_order: 1
                    transformation_config: {notebook_path: /Workspace/load, max_retries: 2}
                  - source_id: check
                    execution_order: 2
                    transformation_config: {sql_task: {sql_query: "SELECT 1"}}
            """,
        )
        assert project.ljm("generate").errors == []
        assert project.generated() == {
            "jobs/sales.yml": (
                "# Generated by lakeflow-job-meta from metadata/sales.yml. Edit the metadata, not this file.\n"
                "resources:\n"
                "  jobs:\n"
                "    sales:\n"
                '      name: "sales"\n'
                "      description: |\n"
                "        First line.\n"
                "        Second line.\n"
                "      tasks:\n"
                '        - task_key: "load"\n'
                "          notebook_task:\n"
                '            notebook_path: "/Workspace/load"\n'
                "            base_parameters:\n"
                '              source_id: "load"\n'
                "          max_retries: 2\n"
                '        - task_key: "check"\n'
                "          depends_on:\n"
                '            - task_key: "load"\n'
                "          sql_task:\n"
                '            warehouse_id: "w"\n'
                "            file:\n"
                '              path: "../sql/sales/check.sql"\n'
                '              source: "WORKSPACE"\n'
            ),
            "sql/sales/check.sql": (
                "-- Generated by lakeflow-job-meta from metadata/sales.yml. Edit the metadata, not this file.\n"
                "SELECT 1\n"
            ),
        }
