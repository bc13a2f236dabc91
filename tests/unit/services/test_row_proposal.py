"""What is proposed for the rows of a table: which columns fill a blueprint, and what names a row."""

from __future__ import annotations

import pytest

from lakeflow_job_meta.errors import ConfigError
from lakeflow_job_meta.parsing.arguments import ValueForm
from lakeflow_job_meta.services.row_proposal import propose_blueprint


def proposed(columns: dict[str, list], form: ValueForm = ValueForm.COLUMNS):
    return propose_blueprint("t", list(columns), list(zip(*columns.values(), strict=True)), form)


class TestTheKey:
    def test_is_the_column_whose_name_says_that_it_is_the_target(self):
        assert proposed({"id": [1, 2], "source_table": ["a", "b"], "target_table": ["c", "d"]}).key == ("target_table",)

    def test_is_no_column_with_the_same_value_twice_or_with_none(self):
        found = proposed({"table_name": ["a", "a"], "target_table": ["c", None], "id": [1, 2]})

        assert found.key == ("id",)

    def test_is_no_column_whose_values_would_give_two_jobs_one_name(self):
        assert proposed({"table": ["a.b", "A b"], "id": [1, 2]}).key == ("id",)

    def test_is_two_columns_where_one_is_not_enough(self):
        found = proposed({"schema": ["s", "s", "t"], "table": ["a", "b", "a"]})

        assert (found.key, found.key_parameters) == (("table", "schema"), ("table", "schema"))

    def test_is_missed_where_no_two_columns_tell_rows_apart(self):
        with pytest.raises(ConfigError, match="No column of t, and no two of them"):
            proposed({"a": ["x", "x"], "b": ["y", "y"]})

    def test_is_missed_where_there_are_no_rows(self):
        with pytest.raises(ConfigError, match="t has no rows"):
            propose_blueprint("t", ["a"], [])


class TestParameters:
    def test_are_required_where_no_value_is_missing(self):
        found = proposed({"name": ["a", "b"], "note": ["c", None]})

        assert [(each.name, each.is_required) for each in found.parameters] == [("name", True), ("note", False)]

    def test_of_a_switch_are_true_or_false_and_switch_the_row_off(self):
        found = proposed({"name": ["a", "b"], "CopyEnabled": [True, False]})

        assert [each.type for each in found.parameters] == ["text", "boolean"]
        assert found.active == "CopyEnabled"

    def test_of_text_that_says_true_are_a_switch_in_a_csv_file_alone(self):
        columns = {"name": ["a", "b"], "enabled": ["true", "FALSE"]}

        assert proposed(columns, ValueForm.TEXT).active == "enabled"
        assert proposed(columns).active is None

    def test_are_named_like_a_column_as_far_as_a_name_may_be(self):
        found = proposed({"name": ["a"], "Load Type": ["b"], "2nd": ["c"], "Load_Type": ["d"]})

        assert [(each.name, each.column) for each in found.parameters if each.is_mapped] == [
            ("Load_Type", "Load Type"),
            ("column_2nd", "2nd"),
            ("Load_Type_2", "Load_Type"),
        ]

    def test_come_out_of_json_and_of_records(self):
        found = proposed(
            {
                "Id": [1, 2],
                "Source": ['{"schema": "dbo", "object": {"table": "a"}}', '{"schema": "dbo"}'],
                "Sink": [{"path": "x"}, None],
            }
        )

        assert [(each.name, each.column, each.is_required) for each in found.parameters] == [
            ("Id", "Id", True),
            ("Source_schema", "Source.schema", True),
            ("Source_object_table", "Source.object.table", False),
            ("Sink_path", "Sink.path", False),
        ]

    @pytest.mark.parametrize("value", [1.5, True, ["a"], {"a.b": "c"}])
    def test_are_none_of_what_is_no_text(self, value):
        found = proposed({"name": ["a"], "other": [value]})

        assert (len(found.parameters), found.unused) == (1, ("other",))
