"""What metadata in YAML may say, and what is said where it is wrong."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings

from lakeflow_job_meta.compiler.result import Compilation
from lakeflow_job_meta.config.load import load_project
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.parsing.rows import units_of_rows
from lakeflow_job_meta.sources.interface import SourceSnapshot
from lakeflow_job_meta.text.yaml_writer import to_yaml
from support.examples import examples
from support.project_folder import ProjectFolder, at_caret, compile_loaded, module
from support.strategies import module_lists
from support.tables import rows_of

SOURCE = "{source_id: a, execution_order: 1, transformation_config: {notebook_path: /a}}"
JOB_CONFIG = """
    modules:
      - module_name: sales
        job_config: {%s}
        sources:
          - {source_id: a, execution_order: 1, transformation_config: {notebook_path: /a}}
    """
IN_SOURCE = """
    modules:
      - module_name: sales
        sources:
          - {source_id: a, execution_order: 1, transformation_config: {notebook_path: /a}, %s}
    """
IN_TASK = """
    modules:
      - module_name: sales
        sources:
          - source_id: a
            execution_order: 1
            transformation_config: {%s}
    """
NOTEBOOK = "notebook_path: /a, "


MISTAKES = {
    # The file.
    "an empty file": ("‸", "unreadable", "the file is empty; it needs a list 'modules:'"),
    "a list at the top": ("‸- a\n", "unreadable", "a metadata file is a map with 'modules:', but this is a list"),
    "text at the top": ("‸just text\n", "unreadable", "this is the text 'just text'"),
    "no modules": ("‸metadata_version: '1.0'\n", "unreadable", "the list 'modules:' is missing"),
    "modules that are no list": ("‸modules: {a: 1}\n", "unreadable", "'modules' must be a list, not a map"),
    "an unknown key at the top": ("‸module: []\nmodules: []\n", "unreadable", "did you mean 'modules'?"),
    "syntax": ("modules:\n  - a: b‸: c\n", "unreadable", "put the value in quotes"),
    "a key twice": ("modules: []\n‸modules: []\n", "duplicate-key", "'modules' is given twice"),
    # A module.
    "a module that is no map": ("modules: [‸sales]\n", "wrong-type", "a module must be a map, not the text 'sales'"),
    "a module without a name": (f"modules: [‸{{sources: [{SOURCE}]}}]", "missing-field", "'module_name' is missing"),
    "a name that is null": (f"modules: [{{‸module_name: , sources: [{SOURCE}]}}]", "missing-field", "'module_name'"),
    "a name that is a number": (
        f"modules: [{{module_name: ‸2024, sources: [{SOURCE}]}}]",
        "wrong-type",
        "'module_name' must be text, not the number 2024; put it in quotes",
    ),
    "no sources": ("modules: [‸{module_name: sales}]", "missing-field", "'sources' is missing"),
    "sources that are no list": ("modules: [{module_name: s, sources: ‸{a: 1}}]", "wrong-type", "must be a list"),
    "a description that is no text": (
        f"modules: [{{module_name: s, description: ‸[x], sources: [{SOURCE}]}}]",
        "wrong-type",
        "'description' must be text, not a list",
    ),
    "a job_config that is no map": (
        f"modules: [{{module_name: s, job_config: ‸x, sources: [{SOURCE}]}}]",
        "wrong-type",
        "'job_config' must be a map, not the text 'x'",
    ),
    "an unknown field of a module": (
        f"modules: [{{module_name: s, ‸sorces: [], sources: [{SOURCE}]}}]",
        "unknown-field",
        "unknown field 'sorces' in a module; did you mean 'sources'?",
    ),
    "a job setting beside job_config": (
        f"modules: [{{module_name: s, ‸schedule: {{}}, sources: [{SOURCE}]}}]",
        "unknown-field",
        "it is a job setting: write it in 'job_config'",
    ),
    "a task setting in a module": (
        f"modules: [{{module_name: s, ‸max_retries: 1, sources: [{SOURCE}]}}]",
        "unknown-field",
        "it is a task setting: write it in the 'transformation_config' of a source",
    ),
    "a target that is no name": (
        f"modules: [{{module_name: s, targets: [dev, ‸1], sources: [{SOURCE}]}}]",
        "wrong-type",
        "a target must be the name of a target",
    ),
    # A source.
    "a source that is no map": ("modules: [{module_name: s, sources: [‸a]}]", "wrong-type", "a source must be a map"),
    "a source without an id": (
        "modules: [{module_name: s, sources: [‸{execution_order: 1, transformation_config: {notebook_path: /a}}]}]",
        "missing-field",
        "'source_id' is missing",
    ),
    "a source without an order": (
        "modules: [{module_name: s, sources: [‸{source_id: a, transformation_config: {notebook_path: /a}}]}]",
        "missing-field",
        "'execution_order' is missing",
    ),
    "an order that is text": (
        "modules: [{module_name: s, sources: [{source_id: a, execution_order: ‸'1', transformation_config: "
        "{notebook_path: /a}}]}]",
        "wrong-type",
        "'execution_order' must be a whole number, not the text '1'; write it without quotes",
    ),
    "an order that is a fraction": (
        "modules: [{module_name: s, sources: [{source_id: a, execution_order: ‸1.5, transformation_config: "
        "{notebook_path: /a}}]}]",
        "wrong-type",
        "'execution_order' must be a whole number",
    ),
    "an order that is a boolean": (
        "modules: [{module_name: s, sources: [{source_id: a, execution_order: ‸true, transformation_config: "
        "{notebook_path: /a}}]}]",
        "wrong-type",
        "'execution_order' must be a whole number, not true",
    ),
    "a source without a task": (
        "modules: [{module_name: s, sources: [‸{source_id: a, execution_order: 1}]}]",
        "missing-field",
        "'transformation_config' is missing",
    ),
    "is_active that is text": (
        IN_SOURCE % "is_active: ‸yes",
        "wrong-type",
        "must be true or false, not the text 'yes'",
    ),
    "a source_config that is no map": (IN_SOURCE % "source_config: ‸[]", "wrong-type", "must be a map, not a list"),
    "an unknown field of a source": (IN_SOURCE % "‸target_confg: {}", "unknown-field", "did you mean 'target_config'?"),
    "a task setting in a source": (
        IN_SOURCE % "‸max_retries: 1",
        "unknown-field",
        "it is a task setting: write it in 'transformation_config'",
    ),
    "a job_config in a source": (
        IN_SOURCE % "‸job_config: {}",
        "unknown-field",
        "it belongs to the module, beside 'sources'",
    ),
    "a dependency that is a number": (IN_SOURCE % "depends_on: [‸1]", "wrong-type", "a dependency must be a source_id"),
    "depends_on that is no list": (IN_SOURCE % "depends_on: ‸b", "wrong-type", "'depends_on' must be a list"),
    "an outcome that is neither true nor false": (
        IN_SOURCE % "depends_on: [{source_id: b, outcome: ‸maybe}]",
        "wrong-type",
        '\'outcome\' must be "true" or "false"',
    ),
    "an unknown field of a dependency": (
        IN_SOURCE % "depends_on: [{source_id: b, ‸outcom: 'true'}]",
        "unknown-field",
        "did you mean 'outcome'?",
    ),
    # Settings of the job.
    "an unknown job setting": (JOB_CONFIG % "‸schedul: {}", "unknown-field", "did you mean 'schedule'?"),
    "a job setting of the wrong kind": (
        JOB_CONFIG % "max_concurrent_runs: ‸'2'",
        "wrong-type",
        "'max_concurrent_runs' must be a whole number, not the text '2'; write it without quotes",
    ),
    "a required field that is missing": (
        JOB_CONFIG % "‸schedule: {timezone_id: UTC}",
        "missing-field",
        "'quartz_cron_expression' is missing in 'schedule'",
    ),
    "a word that is none of the known": (
        JOB_CONFIG % "schedule: {quartz_cron_expression: 0 0 2 * * ?, timezone_id: UTC, pause_status: ‸PAUSE}",
        "unknown-value",
        "did you mean 'PAUSED'?",
    ),
    "a text that needs quotes, deep inside": (
        JOB_CONFIG % "tags: {layer: silver, cost: ‸10}",
        "wrong-type",
        "'cost' must be text, not the number 10; put it in quotes",
    ),
    "an item of a list": (
        JOB_CONFIG % "email_notifications: {on_failure: [a@b.c, ‸7]}",
        "wrong-type",
        "item 2 of 'on_failure' must be text",
    ),
    "tasks in job_config": (JOB_CONFIG % "‸tasks: []", "unknown-field", "the tasks come from 'sources'"),
    # Settings of the task.
    "an unknown task setting": (IN_TASK % (NOTEBOOK + "‸max_retry: 1"), "unknown-field", "did you mean 'max_retries'?"),
    "a task setting of the wrong kind": (IN_TASK % (NOTEBOOK + "max_retries: ‸many"), "wrong-type", "a whole number"),
    "a job setting in a task": (
        IN_TASK % (NOTEBOOK + "‸max_concurrent_runs: 1"),
        "unknown-field",
        "it is a job setting: write it in the 'job_config' of the module",
    ),
    "a task_key": (IN_TASK % (NOTEBOOK + "‸task_key: b"), "unknown-field", "it is made from 'source_id'"),
    "a depends_on in the task": (IN_TASK % (NOTEBOOK + "‸depends_on: []"), "unknown-field", "beside 'source_id'"),
    "nothing to run": (IN_TASK % "max_retries: 1", "task-kind", "nothing says what the task runs"),
    "two things to run": (
        IN_TASK % "notebook_task: {notebook_path: /a}, ‸pipeline_task: {pipeline_id: b}",
        "task-kind",
        "a task has one block, but here are 'notebook_task', 'pipeline_task'",
    ),
    "an unknown task_type": (
        IN_TASK % (NOTEBOOK + "task_type: ‸notbook"),
        "task-kind",
        "unknown task_type 'notbook'; did you mean 'notebook'?",
    ),
    "a task_type without its block": (IN_TASK % "task_type: ‸pipeline", "missing-field", "needs 'pipeline_task'"),
    "a task_type that is not the block's": (
        IN_TASK % (NOTEBOOK + "task_type: ‸pipeline"),
        "task-kind",
        "needs 'pipeline_task', but here is 'notebook_task'",
    ),
    "a block that is no map": (IN_TASK % "pipeline_task: ‸[]", "wrong-type", "'pipeline_task' must be a map"),
    "a notebook path given twice": (
        IN_TASK % "‸notebook_path: /a, notebook_task: {notebook_path: /b}",
        "task-kind",
        "'notebook_path' is given twice",
    ),
    "a notebook path that is a number": (IN_TASK % "notebook_path: ‸1", "wrong-type", "'notebook_path' must be text"),
    "a base parameter that is a number": (
        IN_TASK % "notebook_path: /a, base_parameters: {days: ‸3}",
        "wrong-type",
        "'days' must be text, not the number 3; put it in quotes",
    ),
    "a SQL task that runs two things": (
        IN_TASK % "sql_task: {warehouse_id: w, sql_query: SELECT 1, ‸query_id: q}",
        "task-kind",
        "a SQL task runs one thing",
    ),
    "a SQL task that runs nothing": (
        IN_TASK % "‸sql_task: {warehouse_id: w}",
        "missing-field",
        "needs one of 'sql_query', 'sql_file_path'",
    ),
    "a SQL query that is empty": (
        IN_TASK % "sql_task: {warehouse_id: w, sql_query: ‸' '}",
        "missing-field",
        "'sql_query' is empty",
    ),
    "a SQL query that is no text": (
        IN_TASK % "sql_task: {warehouse_id: w, sql_query: ‸1}",
        "wrong-type",
        "'sql_query' must be text",
    ),
    "a SQL parameter that is a number": (
        IN_TASK % "sql_task: {warehouse_id: w, sql_query: SELECT 1, parameters: {hours: ‸24}}",
        "wrong-type",
        "'hours' must be text, not the number 24; put it in quotes",
    ),
    "a mistake in a nested task": (
        IN_TASK % "for_each_task: {inputs: '[]', task: {notebook_path: /a, ‸max_retry: 1}}",
        "unknown-field",
        "did you mean 'max_retries'?",
    ),
    "a wrong value in a nested task": (
        IN_TASK % "for_each_task: {inputs: '[]', task: {notebook_path: /a, base_parameters: {a: ‸1}}}",
        "wrong-type",
        "'a' must be text",
    ),
    "a word of the task's block": (
        IN_TASK % "condition_task: {op: ‸EQUALS, left: a, right: b}",
        "unknown-value",
        "did you mean 'EQUAL_TO'?",
    ),
    "a warehouse that is missing": (
        IN_TASK % "‸sql_task: {sql_query: SELECT 1}",
        "missing-field",
        "'warehouse_id' is missing in 'sql_task'",
    ),
}


@pytest.mark.parametrize("what", MISTAKES)
def test_each_mistake_is_one_line_at_its_place(project, what):
    marked, code, words = MISTAKES[what]
    text, place = at_caret(marked) if "‸" in marked else (at_caret("‸" + marked)[0], None)

    problems = [problem for problem in project.problems(text) if "[unknown-dependency]" not in problem]

    (problem,) = [each for each in problems if ": error: " in each]
    if place is not None:
        assert problem.startswith(f"metadata/sales.yml:{place}: error: ")
    assert words in problem
    assert problem.endswith(f"[{code}]")


class TestTogether:
    def test_all_mistakes_of_a_file_are_told_at_once_in_reading_order(self, project):
        problems = project.problems(
            """\
            modules:
              - module_name: 9x
                schedul: {}
                sources:
                  - source_id: 5
                    execution_order: first
                  - transformation_config: {notebook_path: /a, max_retry: 1}
              - nonsense
            """
        )
        lines = [int(problem.split(":")[1]) for problem in problems]
        assert lines == sorted(lines)
        assert {2, 3, 5, 6, 7, 8} <= set(lines)

    def test_a_key_that_is_given_twice_does_not_hide_the_other_mistakes_of_its_line(self, project):
        config = "{notebook_path: /a, max_retry: 1}"
        source = f"{{source_id: a, source_id: b, execution_order: first, transformation_config: {config}}}"
        problems = project.problems(f"modules: [{{module_name: sales, sources: [{source}]}}]\n")
        codes = sorted(problem.split(" ")[-1] for problem in problems)
        assert codes == ["[duplicate-key]", "[unknown-field]", "[wrong-type]"]

    def test_mistakes_of_all_files_are_told_in_the_order_of_the_files(self, project):
        for name in ("b", "a", "sub/c"):
            project.write(f"metadata/{name}.yml", module(name[-1]).replace("a}", "a, x: 1}"))
        places = [problem.place for problem in project.ljm("validate").problems]
        assert places == [f"metadata/{name}.yml:6:62" for name in ("a", "b", "sub/c")]

    def test_what_only_follows_from_another_mistake_is_not_told(self, project):
        assert len(project.problems(module().replace("execution_order: 1", "execution_order: x"))) == 1
        assert len(project.problems(module().replace("{notebook_path: /Workspace/a}", "text"))) == 1

    @pytest.mark.parametrize("sources", ["sources: 1", "sources: [1]", "sources:"])
    def test_a_module_whose_sources_cannot_be_read_is_not_said_to_have_no_active_source(self, project, sources):
        (problem,) = project.problems(f"modules: [{{module_name: sales, {sources}}}]")
        assert ": error: " in problem

    def test_a_long_value_is_cut_in_a_message(self, project):
        project.write("metadata/sales.yml", module(f'"{"1" * 100_000}"'))
        result = project.ljm("validate")
        assert len(result.stderr) < 2000

    def test_a_mistake_in_an_anchor_is_told_once_for_what_repeats_it(self, project):
        text, place = at_caret(
            """
            modules:
              - module_name: sales
                sources:
                  - {source_id: a, execution_order: 1, transformation_config: &t {notebook_path: /a, ‸max_retry: 1}}
                  - {source_id: b, execution_order: 1, transformation_config: *t}
            """
        )
        problems = project.problems(text)
        assert [problem.split(": error")[0] for problem in problems] == [f"metadata/sales.yml:{place}"]

    def test_a_mistake_in_what_is_merged_is_told_where_it_is_written(self, project):
        problems = project.problems(
            """\
            modules:
              - module_name: sales
                job_config: &j
                  tags: {cost: 1}
                sources:
                  - {source_id: a, execution_order: 1, transformation_config: {notebook_path: /a}}
              - module_name: returns
                job_config:
                  <<: *j
                  timeout_seconds: 5
                sources:
                  - {source_id: a, execution_order: 1, transformation_config: {notebook_path: /a}}
            """
        )
        assert [problem.split(": error")[0] for problem in problems] == ["metadata/sales.yml:4:20"]

    def test_columns_count_characters_not_bytes(self, project):
        text, place = at_caret(IN_TASK % "notebook_path: /ä日😀, ‸max_retry: 1")
        assert project.problems(text)[0].startswith(f"metadata/sales.yml:{place}:")

    @pytest.mark.parametrize("ending", ["\r\n", "\n"])
    def test_lines_are_counted_whatever_ends_them(self, project, ending):
        text, place = at_caret(IN_TASK % "notebook_path: /a, ‸max_retry: 1")
        assert project.problems(text.replace("\n", ending))[0].startswith(f"metadata/sales.yml:{place}:")

    def test_a_byte_order_mark_does_not_matter(self, project):
        assert project.problems("\ufeff" + module()) == []


class TestNumbers:
    @pytest.mark.parametrize("number", ["9223372036854775808", "99999999999999999999999", "1e400", ".inf", ".nan"])
    def test_a_number_that_a_setting_cannot_have_is_refused_at_its_place(self, project, number):
        text, place = at_caret(IN_TASK % f"notebook_path: /a, max_retries: ‸{number}")
        (problem,) = project.problems(text)
        assert problem.startswith(f"metadata/sales.yml:{place}: error: ")
        assert not problem.endswith("[template]")


class TestSound:
    def test_a_module_without_an_active_source_is_a_warning(self, project):
        (problem,) = project.problems(IN_SOURCE.strip() % "is_active: false")
        assert ": warning: " in problem
        assert problem.endswith("[no-active-source]")

    def test_a_file_without_modules_is_fine(self, project):
        assert project.problems("modules: []\n") == []

    def test_everything_the_original_format_has_is_taken(self, project):
        project.write("job_meta.yml", "control_table: main.etl.etl_control\n")
        job = project.job(
            """\
            metadata_version: "1.0"
            modules:
              - module_name: bronze_to_silver
                sources:
                  - source_id: customers
                    source_type: sql
                    execution_order: 1
                    source_config: {a: [1, {b: null}]}
                    target_config: {}
                    is_active: true
                    transformation_config:
                      task_type: sql_file
                      sql_task:
                        warehouse_id: abc
                        sql_file_path: /Workspace/q.sql
                        parameters: {max_hours: "24"}
                  - source_id: load
                    source_type: delta
                    execution_order: 2
                    transformation_config:
                      task_type: notebook
                      notebook_path: /Workspace/load
            """
        )
        assert job == {
            "name": "bronze_to_silver",
            "tasks": [
                {
                    "task_key": "customers",
                    "sql_task": {
                        "warehouse_id": "abc",
                        "file": {"path": "/Workspace/q.sql"},
                        "parameters": {"max_hours": "24"},
                    },
                },
                {
                    "task_key": "load",
                    "depends_on": [{"task_key": "customers"}],
                    "notebook_task": {
                        "notebook_path": "/Workspace/load",
                        "base_parameters": {"source_id": "load", "control_table": "main.etl.etl_control"},
                    },
                },
            ],
        }


class _Rows:
    """Reads rows that stand in memory."""

    def __init__(self, rows: list[dict]) -> None:
        self.rows = rows

    def read(self) -> SourceSnapshot:
        return SourceSnapshot("t", tuple(units_of_rows("main.etl.control", self.rows)), (), False, lambda label: False)


def _jobs(compilation: Compilation) -> list[tuple]:
    assert [str(problem) for problem in compilation.errors] == []
    return sorted((job.key, job.settings, job.files) for job in compilation.jobs)


class TestYamlAndRows:
    @settings(max_examples=examples(40))
    @given(module_lists)
    def test_yaml_and_rows_give_the_same_jobs(self, tmp_path_factory, modules):
        project = _next_folder(tmp_path_factory)
        project.write("job_meta.yml", "defaults: {warehouse_id: w}\ncontrol_table: c\n")
        project.write("metadata/sales.yml", to_yaml({"modules": modules}) + "\n")
        loaded = load_project(project.path)
        from_yaml = _jobs(compile_loaded(loaded))

        from_rows = _jobs(compile_loaded(_reading_rows(loaded, rows_of(modules))))

        assert from_rows == from_yaml
        assert len(from_yaml) == len(modules)


_NUMBERS = itertools.count()


def _next_folder(tmp_path_factory: pytest.TempPathFactory) -> ProjectFolder:
    return ProjectFolder(tmp_path_factory.getbasetemp() / f"parse{next(_NUMBERS)}")


def _reading_rows(project: Project, rows: list[dict]) -> Project:
    class SourceSnapshot(type(project)):  # type: ignore[misc]
        __slots__ = ()

        def readers(self, on_wait: object = None, workspace: object = None) -> list[_Rows]:
            return [_Rows(rows)]

    return SourceSnapshot(**{name: getattr(project, name) for name in type(project).__dataclass_fields__})


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("{task_typ: notebook, notebook_path: /a}", "task_type"),
        ("{notebok_path: /a}", "notebook_path"),
        ("{notebook_path: /a, max_retry: 1}", "max_retries"),
        ("{sql_task: {warehouse_id: w, sql_qery: SELECT 1}}", "sql_query"),
        ("{sql_task: {warehose_id: w, sql_query: SELECT 1}}", "warehouse_id"),
    ],
)
def test_a_misspelt_field_is_told_with_the_one_that_metadata_has(project, written, meant):
    problems = project.problems(module().replace("{notebook_path: /Workspace/a}", written))
    assert any(f"did you mean '{meant}'?" in problem for problem in problems), problems
