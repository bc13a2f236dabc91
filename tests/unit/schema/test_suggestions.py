"""What would mend a mistake: given beside the message, and safe only where nothing else can have been meant."""

from __future__ import annotations

import pytest

from lakeflow_job_meta.config.load import load_project
from lakeflow_job_meta.diagnostics.model import Suggestion, SuggestionKind
from lakeflow_job_meta.errors import ConfigError
from lakeflow_job_meta.parsing.modules import parse_module
from lakeflow_job_meta.parsing.rows import modules_of_rows
from lakeflow_job_meta.schema.validator import compare, compare_module
from support.project_folder import ProjectFolder, module

TASK = {"notebook_path": "/a"}


def rename(key: str, is_safe: bool = True) -> Suggestion:
    return Suggestion(SuggestionKind.RENAME_KEY, key, is_safe)


def replace(value: object, is_safe: bool = True) -> Suggestion:
    return Suggestion(SuggestionKind.REPLACE_VALUE, value, is_safe)  # type: ignore[arg-type]


def suggestions(
    project: ProjectFolder, *, task: str = "", source: str = "execution_order: 1", job: str = ""
) -> list[Suggestion | None]:
    """Returns the suggestion of each mistake in a module with more settings."""
    text = f"""\
modules:
  - module_name: sales
    job_config: {{{job}}}
    sources:
      - {{source_id: a, transformation_config: {{notebook_path: /Workspace/a, {task}}}, {source}}}
"""
    project.write("metadata/sales.yml", text)
    return [each.suggestion for each in project.compile().diagnostics]


class TestKeys:
    def test_a_misspelt_key_is_renamed(self, project):
        assert suggestions(project, task="max_retry: 1") == [rename("max_retries")]
        assert suggestions(project, job="schedul: {}") == [rename("schedule")]
        assert suggestions(project, source="execution_order: 1, target_confg: {}") == [rename("target_config")]

    @pytest.mark.parametrize("written", ["maxRetries", "max-retries", "Max Retries", "MAX_RETRIES"])
    def test_a_key_in_another_spelling_is_renamed(self, project, written):
        assert suggestions(project, task=f"{written}: 1") == [rename("max_retries")]

    def test_a_key_is_not_renamed_by_itself_to_one_that_is_there_already(self, project):
        assert suggestions(project, task="max_retry: 1, max_retries: 2") == [rename("max_retries", False)]

    def test_nor_to_one_that_stands_there_but_is_no_setting_of_the_api(self, project):
        assert suggestions(project, task="notebook_pth: /b") == [rename("notebook_path", False)]
        task = "task_type: notebook, task_typ: notebook"
        assert suggestions(project, task=task) == [rename("task_type", False)]

    def test_two_keys_that_mean_the_same_one_are_not_renamed_by_themselves(self, project):
        found = suggestions(project, task="max_retry: 1, max_retris: 2")
        assert found == [rename("max_retries", False)] * 2

    def test_a_key_that_is_close_to_two_others_is_not_renamed_by_itself(self):
        value = {"module_name": "a", "sources": [{"source_id": "a", "depends_on": [], "x_config": {}}]}
        (unknown,) = [each.suggestion for each in compare_module(value) if each.path[-1] == "x_config"]
        assert unknown is not None
        assert not unknown.is_safe

    def test_a_key_that_is_only_somewhat_alike_is_not_renamed_by_itself(self, project):
        assert suggestions(project, task="timeout: 1") == [rename("timeout_seconds", False)]

    def test_a_setting_of_another_level_is_not_renamed(self, project):
        assert suggestions(project, task="max_concurrent_runs: 1") == [None]
        assert suggestions(project, source="execution_order: 1, max_retries: 1") == [None]

    def test_a_mistake_in_an_anchor_is_one_mistake_whatever_stands_beside_its_repetition(self, project):
        found = problems_of(
            project,
            """
            modules:
              - module_name: sales
                sources:
                  - {source_id: a, execution_order: 1, transformation_config: &t {notebook_path: /W/a, max_retry: 1}}
                  - {source_id: b, execution_order: 1, transformation_config: {<<: *t, max_retries: 2}}
            """,
        )
        assert [each.suggestion for each in found] == [rename("max_retries")]


class TestValues:
    def test_a_number_for_text_gets_quotes(self, project):
        assert suggestions(project, job="tags: {cost: 10}") == [replace("10")]

    @pytest.mark.parametrize("written", ["4.10", "1e3", "0x1F", "-0", "+5", "1.", "true", "TRUE"])
    def test_what_gets_quotes_is_the_text_as_it_was_written(self, project, written):
        assert suggestions(project, job=f"tags: {{cost: {written}}}") == [replace(written)]

    def test_a_number_that_is_not_at_its_location_gets_no_quotes_by_itself(self, project):
        for job in ("tags: {cost: &a 4.10}", "tags: {cost: !!float 4.10}"):
            assert suggestions(project, job=job) == [replace("4.1", False)]

    def test_a_number_for_text_in_the_form_of_a_module_gets_quotes(self, project):
        (problem,) = problems_of(project, module("2024"))
        assert problem.suggestion == replace("2024")

    @pytest.mark.parametrize(
        ("setting", "value"),
        [
            ("max_retries: '2'", 2),
            ("max_retries: ' +2 '", 2),
            ("retry_on_timeout: 'true'", True),
            ("retry_on_timeout: 'Off'", False),
            ("retry_on_timeout: yes", True),
        ],
    )
    def test_text_that_is_a_number_or_a_boolean_loses_its_quotes(self, project, setting, value):
        assert suggestions(project, task=setting) == [replace(value)]

    @pytest.mark.parametrize(("field", "value"), [("execution_order: '1'", 1), ("is_active: 'no'", False)])
    def test_the_same_holds_in_the_form_of_a_source(self, project, field, value):
        source = field if "order" in field else f"execution_order: 1, {field}"
        assert suggestions(project, source=source) == [replace(value)]

    @pytest.mark.parametrize("value", ["many", "2.5", "²", "9" * 5000, "1_000", ""])
    def test_other_text_is_no_number(self, value):
        settings = {"tasks": [{"task_key": "a", "max_retries": value}]}
        (finding,) = compare(settings, "job", "job setting")
        assert finding.suggestion is None

    def test_text_for_a_list_has_no_suggestion(self, project):
        assert suggestions(project, source="depends_on: b") == [None]

    @pytest.mark.parametrize("written", ["paused", "Paused", "'PAUSED '", "PAU-SED"])
    def test_a_word_in_another_spelling_is_replaced(self, project, written):
        job = f"schedule: {{quartz_cron_expression: 0 0 2 * * ?, timezone_id: UTC, pause_status: {written}}}"
        assert suggestions(project, job=job) == [replace("PAUSED")]

    def test_a_word_that_is_only_close_is_not_replaced_by_itself(self, project):
        job = "schedule: {quartz_cron_expression: 0 0 2 * * ?, timezone_id: UTC, pause_status: PAUSE}"
        assert suggestions(project, job=job) == [replace("PAUSED", False)]

    @pytest.mark.parametrize(("written", "meant"), [("'True'", replace("true")), ("tru", replace("true", False))])
    def test_an_outcome_is_replaced_like_any_word(self, project, written, meant):
        found = suggestions(project, source=f"depends_on: [{{source_id: a, outcome: {written}}}]")
        assert meant in found


def problems_of(project: ProjectFolder, text: str) -> list:
    project.write("metadata/sales.yml", text)
    return list(project.compile().diagnostics)


def test_a_mistake_in_the_project_file_has_a_suggestion(project):
    project.write("job_meta.yml", "outptu: resources\ndeploy: {max_deletes: '1'}\n")
    with pytest.raises(ConfigError) as error:
        load_project(project.path)
    assert [each.suggestion for each in error.value.diagnostics] == [rename("output"), replace(1)]


def test_a_mistake_in_a_row_has_a_suggestion():
    row = {"module_name": "a", "source_id": "b", "execution_order": 1, "transformation_config": "{}"}
    (raw,) = modules_of_rows("t", [{**row, "depends_on": '[{"source_id": "c", "outcom": "true"}]'}]).modules
    (problem,) = parse_module(raw).diagnostics
    assert problem.suggestion == rename("outcome")
