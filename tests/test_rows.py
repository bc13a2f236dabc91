"""Rows of a control table: what becomes of them, and where mistakes in them are said to be."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakeflow_job_meta._internal.trees import value_at
from lakeflow_job_meta.parsing.rows import modules_of_rows
from lakeflow_job_meta.text.json_columns import locate_in_json, read_json
from lakeflow_job_meta.text.yaml_errors import Fault, Mark
from lakeflow_job_meta.text.yaml_reader import MAX_DEPTH, read_yaml
from project_folder import ProjectFolder, at_caret
from strategies import integers, trees
from tables import row, write_table

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


class TestJson:
    @given(json_values, st.sampled_from([None, 0, 2]), st.booleans())
    def test_every_value_is_read_as_json_says(self, value, indent, ascii_only):
        text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
        found, fault = read_json(text)
        assert fault is None
        assert repr(found) == repr(value)

    @pytest.mark.parametrize(("opener", "closer", "column"), [("[", "]", 101), ('{"[":', "}", 501)])
    def test_nesting_has_a_limit_that_does_not_depend_on_who_reads(self, opener, closer, column):
        at_most, too_deep = (opener * depth + "1" + closer * depth for depth in (MAX_DEPTH, MAX_DEPTH + 1))

        assert read_json(at_most)[1] is None
        assert read_json(too_deep) == (None, Fault("limit", Mark(1, column), "nested deeper than 100 levels"))
        assert read_json(json.dumps([opener * 200]))[1] is None

    @given(json_values, st.sampled_from([None, 1]))
    def test_every_value_is_found_where_yaml_finds_it(self, value, indent):
        text = json.dumps(value, indent=indent, ensure_ascii=False)
        positions = read_yaml(text, with_positions=True)
        if positions.faults or any(character in text for character in "\x85\u2028\u2029"):
            return
        for path in positions.positions:
            if value_at(value, path)[0]:
                assert locate_in_json(text, path, of_key=False) == positions.locate(path, of_key=False)
                assert locate_in_json(text, path, of_key=True) == positions.locate(path, of_key=True)

    @given(st.text() | st.text('{}[]:," \n\\u0tfn1.e-'))
    def test_no_text_is_too_much(self, text):
        value, fault = read_json(text)
        assert fault is None or (value is None and fault.mark.line >= 1 and fault.mark.column >= 1)

    @pytest.mark.parametrize("opener", ["[", '{"a":'])
    def test_nesting_without_end_is_refused(self, opener):
        closer = "]" if opener == "[" else "}"
        _, fault = read_json(opener * 100_000 + "1" + closer * 100_000)
        assert fault is not None
        assert fault.kind == "limit"

    @pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e400", "-1e400", "9" * 5000])
    def test_a_number_that_a_job_cannot_have_is_refused(self, text):
        _, fault = read_json(f'{{"a": {text}}}')
        assert fault is not None
        assert fault.kind == "value"

    @pytest.mark.parametrize("number", ["9223372036854775808", "100000000000000000000000000000"])
    def test_a_whole_number_beyond_64_bits_is_refused(self, number):
        _, fault = read_json(f'{{"a": {number}}}')
        assert fault is not None
        assert fault.kind == "value"

    @pytest.mark.parametrize("text", [r'"\ud83d"', r'["\ude00\ud83d"]', r'{"\ud800": 1}'])
    def test_half_a_surrogate_pair_is_refused(self, text):
        assert read_json(text)[1] is not None

    def test_a_whole_surrogate_pair_is_one_character(self):
        assert read_json(r'"\ud83d\ude00"') == ("😀", None)

    @pytest.mark.parametrize(
        "marked",
        [
            '{"a": 1, ‸"a": 2}',
            '{"a": {"b": 1,\n  ‸"b": 2}}',
            '[{"x": 1},\n{"b": 1, "c": 2, ‸"b": 2}]',
            '{\n\t"a": 1,\n\t‸"a": 2\n}',
            '{"emoji": "\\ud83d\\ude00", "a": 1, ‸"a": 2}',
            '{"path": "a\\/b", "a": 1, ‸"a": 2}',
        ],
    )
    def test_a_key_that_stands_twice_is_found(self, marked):
        text, place = at_caret(marked)
        _, fault = read_json(text)
        assert fault is not None
        assert (fault.kind, f"{fault.mark.line}:{fault.mark.column}") == ("duplicate-key", place)

    @pytest.mark.parametrize(
        ("marked", "words"),
        [
            ("{‸'a': 1}", "not valid JSON"),
            ('{"a": 1,\n‸}', "not valid JSON"),
            ('{"a": ‸tru}', "not valid JSON"),
            ('{"a": 1} ‸x', "not valid JSON"),
            ("‸", "the text is empty"),
        ],
    )
    def test_what_is_no_json_is_refused_at_its_place(self, marked, words):
        text, place = at_caret(marked)
        _, fault = read_json(text)
        assert fault is not None
        assert f"{fault.mark.line}:{fault.mark.column}" == place or place.startswith("2:")
        assert words in fault.message


class TestModules:
    def test_rows_of_a_name_are_one_module_whatever_their_order(self):
        rows = [row("b", "two"), row("z", "one"), row("a", "two"), row("a", "one")]
        for order in itertools.permutations(rows):
            modules, problems, is_whole = modules_of_rows(TABLE, order)
            assert (problems, is_whole) == ([], True)
            assert [
                (each.value["module_name"], [source["source_id"] for source in each.value["sources"]])
                for each in modules
            ] == [("one", ["a", "z"]), ("two", ["a", "b"])]

    def test_null_is_like_a_field_that_is_not_there(self):
        (module,), _, _ = modules_of_rows(TABLE, [row(source_config=None, is_active=None, source_type=None)])
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
        modules, _, _ = modules_of_rows(TABLE, rows)
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
