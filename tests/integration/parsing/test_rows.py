"""Rows of a control table: what becomes of them, and where mistakes in them are said to be."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakeflow_job_meta.parsing.rows import modules_of_rows
from lakeflow_job_meta.text.json_columns import locate_in_json
from lakeflow_job_meta.text.yaml_errors import Mark
from support.project_folder import ProjectFolder, at_caret
from support.strategies import integers, trees
from support.tables import ALL_COLUMNS, ORIGINAL_COLUMNS, TEXT, row, write_table

TABLE = "data/control"
finite = st.floats(allow_nan=False, allow_infinity=False)
json_values = trees(st.text() | integers | finite | st.booleans() | st.none(), st.text())


@pytest.fixture
def control(project):
    """A project that reads a control table; call it with rows."""
    project.write("job_meta.yml", f"metadata: [{{delta: {TABLE}}}]\ndefaults: {{warehouse_id: w}}\n")

    def fill(*rows: dict) -> ProjectFolder:
        write_table(project.path / TABLE, rows)
        return project

    return fill


class TestColumns:
    def test_a_schedule_in_a_column_of_another_case_is_read(self, control):
        schedule = {"quartz_cron_expression": "0 0 6 * * ?", "timezone_id": "UTC"}
        project = control()
        values = row(job_config={"schedule": schedule})
        upper = {name.upper(): kind for name, kind in ALL_COLUMNS.items()}
        write_table(project.path / TABLE, [{name.upper(): value for name, value in values.items()}], upper)
        (job,) = project.compile().jobs
        assert job.settings["schedule"]["quartz_cron_expression"] == "0 0 6 * * ?"

    @pytest.mark.parametrize("name", ["jobconfig", "Job_Configs", "depend_on", "descripton"])
    def test_a_column_with_almost_the_name_of_an_optional_one_is_reported_and_stops_nothing(self, control, name):
        project = control()
        write_table(project.path / TABLE, [row()], {**ORIGINAL_COLUMNS, name: TEXT})
        result = project.ljm("validate")
        (problem,) = result.problems
        assert (result.exit_code, problem.code, problem.severity) == (0, "near-column", "warning")
        assert repr(name) in problem.message

    @pytest.mark.parametrize("name", ["owner", "job_owner", "notes", "job_id"])
    def test_another_column_of_the_user_s_own_is_not(self, control, name):
        project = control()
        write_table(project.path / TABLE, [row()], {**ORIGINAL_COLUMNS, name: TEXT})
        assert project.ljm("validate").problems == []


class TestModules:
    def test_rows_of_a_name_are_one_module_whatever_their_order(self):
        rows = [row("b", "two"), row("z", "one"), row("a", "two"), row("a", "one")]
        for order in itertools.permutations(rows):
            content = modules_of_rows(TABLE, order)
            assert (content.diagnostics, content.is_whole) == ((), True)
            assert [
                (each.value["module_name"], [source["source_id"] for source in each.value["sources"]])
                for each in content.modules
            ] == [("one", ["a", "z"]), ("two", ["a", "b"])]

    def test_null_is_like_a_field_that_is_not_there(self):
        (module,) = modules_of_rows(TABLE, [row(source_config=None, is_active=None, source_type=None)]).modules
        assert module.value["sources"] == [
            {
                "source_id": "a",
                "execution_order": 1,
                "target_config": {},
                "transformation_config": {"notebook_path": "/Workspace/a"},
            }
        ]

    def test_a_setting_of_the_module_may_stand_in_any_row(self, control):
        project = control(
            row("a"),
            row("b", job_config={"timeout_seconds": 5}, description="Sales"),
            row("c", job_config=' {"timeout_seconds":5}', description=None),
        )
        (job,) = project.compile().jobs
        assert (job.settings["timeout_seconds"], job.settings["description"]) == (5, "Sales")

    def test_a_list_of_dependencies_is_json(self, control):
        project = control(row("a"), row("b", execution_order=None, depends_on=["a"]))
        (job,) = project.compile().jobs
        assert job.settings["tasks"][1]["depends_on"] == [{"task_key": "a"}]

    def test_an_inactive_row_gives_no_task(self, control):
        project = control(row("a"), row("b", is_active=False))
        (job,) = project.compile().jobs
        assert [task["task_key"] for task in job.settings["tasks"]] == ["a"]


ROW = f"{TABLE}[module_name=sales, source_id=a]"


class TestMistakes:
    @pytest.mark.parametrize(
        ("column", "marked", "code"),
        [
            ("transformation_config", '{"notebook_path": "/a", ‸"max_retry": 1}', "unknown-field"),
            ("transformation_config", '{"notebook_path": "/a",\n "max_retries": ‸"1"}', "wrong-type"),
            ("transformation_config", '{"notebook_path": "/a", "run_if": ‸"NEVER"}', "unknown-value"),
            ("transformation_config", '{‸"max_retries": 1', "bad-json"),
            ("transformation_config", '{"notebook_path": "/a", ‸"notebook_path": "/b"}', "duplicate-key"),
            ("transformation_config", '‸["notebook_path"]', "wrong-type"),
            ("transformation_config", '‸"text"', "wrong-type"),
            ("transformation_config", "‸", "bad-json"),
            ("job_config", '{"tags": {"cost": ‸5}}', "wrong-type"),
            ("job_config", '{‸"schedul": {}}', "unknown-field"),
            ("source_config", "‸[1]", "wrong-type"),
            ("source_config", "{‸a: 1}", "bad-json"),
            ("target_config", "‸nonsense", "bad-json"),
            ("depends_on", '["a", ‸7]', "wrong-type"),
            ("depends_on", '[‸"nobody"]', "unknown-dependency"),
            ("depends_on", '[{"source_id": "b", ‸"outcom": "true"}]', "unknown-field"),
            ("depends_on", "‸b", "bad-json"),
            ("depends_on", "‸", "bad-json"),
        ],
    )
    def test_a_mistake_in_json_is_one_line_with_row_column_and_position(self, control, column, marked, code):
        text, place = at_caret(marked)
        project = control(row(**{column: text}), row("b"))

        problems = [problem for problem in project.ljm("validate").errors if problem.code != "dependency-cycle"]

        (problem,) = [each for each in problems if each.code == code]
        assert len(problems) == 1 or column == "depends_on", [str(each) for each in problems]
        expected = f"{ROW}.{column}:{place}"
        assert problem.place == expected or (code == "bad-json" and problem.place.startswith(f"{ROW}.{column}:"))

    @pytest.mark.parametrize("column", ["transformation_config", "depends_on", "job_config", "source_config"])
    def test_bad_json_is_told_once_and_nothing_that_follows_from_it(self, control, column):
        (problem,) = control(row(**{column: "{not json"})).ljm("validate").problems
        assert (problem.code, problem.place) == ("bad-json", f"{ROW}.{column}:1:2")

    def test_bad_json_keeps_the_module_from_being_built(self, control):
        project = control(row("a"), row("b", source_config="{not json"), row("a", "other"))
        compilation = project.compile()
        assert [job.key for job in compilation.jobs] == ["other"]
        assert compilation.broken == ("sales",)

    @pytest.mark.parametrize(
        ("columns", "code", "place"),
        [
            ({"execution_order": None}, "missing-field", f"{ROW}.execution_order"),
            ({"transformation_config": None}, "missing-field", f"{ROW}.transformation_config"),
            ({"source_id": None}, "missing-field", f"{TABLE}[module_name=sales, source_id=NULL].source_id"),
            ({"source_id": "!!"}, "unusable-name", f"{TABLE}[module_name=sales, source_id='!!'].source_id"),
        ],
    )
    def test_a_mistake_in_a_row_names_the_row(self, control, columns, code, place):
        (problem,) = control(row(**columns)).ljm("validate").errors
        assert (problem.code, problem.place) == (code, place)

    @pytest.mark.parametrize("name", [None, ""])
    def test_a_row_without_a_module_is_an_error_and_the_others_are_built(self, control, name):
        project = control(row("x", name), row("a"))
        result = project.ljm("generate")
        (problem,) = result.errors
        assert problem.code == "row-without-module"
        assert problem.place.startswith(f"{TABLE}[module_name=")
        assert "source_id=x" in problem.place
        assert list(project.generated()) == ["jobs/sales.yml"]

    def test_a_row_that_lost_its_module_removes_no_file(self, control):
        control(row("a"), row("b", "returns")).ljm("generate")
        project = control(row("a"), row("b", None))
        project.ljm("generate")
        assert list(project.generated()) == ["jobs/returns.yml", "jobs/sales.yml"]

    def test_the_same_source_twice_is_an_error_at_the_second(self, control):
        (problem,) = control(row("a"), row("a")).ljm("validate").errors
        assert (problem.code, problem.place) == ("duplicate-source", f"{ROW}.source_id")

    def test_rows_that_disagree_about_the_module_are_told_down_to_the_setting(self, control):
        text, place = at_caret('{"timeout_seconds": 5, "tags": {"x": "1", "y": ‸"2"}}')
        project = control(
            row("a", job_config={"tags": {"x": "1", "y": "1"}, "timeout_seconds": 5}),
            row("b"),
            row("c", job_config=text),
        )
        (problem,) = project.ljm("validate").errors
        assert problem.code == "conflicting-rows"
        assert problem.place == f"{TABLE}[module_name=sales, source_id=c].job_config:{place}"
        assert f"job_config.tags.y is not the same as in {ROW}.job_config" in problem.message

    def test_rows_that_disagree_about_the_description_are_told(self, control):
        (problem,) = control(row("a", description="x"), row("b", description="y")).ljm("validate").errors
        assert problem.code == "conflicting-rows"
        assert problem.place == f"{TABLE}[module_name=sales, source_id=b].description"

    def test_true_and_one_do_not_agree(self, control):
        project = control(
            row("a", job_config={"queue": {"enabled": True}}), row("b", job_config={"queue": {"enabled": 1}})
        )
        assert "conflicting-rows" in project.ljm("validate").codes

    def test_strange_names_stay_on_one_line(self, control):
        project = control(row("a\nb\x1b[31m", "sales\r\n::error::", execution_order=None))
        result = project.ljm("validate")
        assert len(result.errors) == 1
        assert "\x1b" not in result.stderr
        assert len([line for line in result.stderr.split("\n") if line]) == 2

    def test_a_mistake_in_the_second_line_of_json_is_shown_in_its_line(self, control):
        project = control(row(transformation_config='{\n  "notebook_path": "/a",\n  "max_retry": 1\n}'))
        (problem,) = project.ljm("validate").errors
        assert problem.place == f"{ROW}.transformation_config:3:3"

    @given(json_values)
    def test_any_json_in_any_column_gives_diagnostics_and_no_exception(self, value):
        rows = [row(**{column: json.dumps(value)}) for column in ("transformation_config", "depends_on", "job_config")]
        modules = modules_of_rows(TABLE, rows).modules
        assert len(modules) == 1
        assert str(modules[0].origin.at("sources", 0, "transformation_config", "x", 0)).startswith(TABLE)

    @pytest.mark.parametrize("depth", [99, 150, 300, 600, 900])
    @pytest.mark.parametrize("column", ["transformation_config", "job_config", "source_config", "depends_on"])
    def test_deep_json_never_ends_in_a_traceback(self, control, column, depth):
        deep = {"notebook_path": "/a", "base_parameters": "DEEP", "tags": "DEEP"}
        if column == "job_config":
            del deep["notebook_path"], deep["base_parameters"]
        if column == "transformation_config":
            del deep["tags"]
        text = json.dumps(deep).replace('"DEEP"', '{"a": ' * depth + "1" + "}" * depth)
        result = control(row(**{column: text})).ljm("generate")
        assert result.exit_code in (0, 1)
        assert len(result.stderr) < 2000

    def test_mark_of_a_missing_value_is_what_would_hold_it(self):
        assert locate_in_json('{"a": [1, 2]}', ("a", 5), of_key=False).start == Mark(1, 7)
