"""What is wrong in the settings of a blueprint is reported there, once, although no row and no example reaches it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakeflow_job_meta.schema.validator import fields_of
from support.project_folder import ProjectFolder

BLUEPRINT = """\
blueprints:
  - blueprint: ingest
    parameters:
      table: {{type: text}}
      retries: {{type: number, default: 2}}
      libs: {{type: list, required: false}}
      active: {{type: boolean, default: true}}
    module:
      module_name: ingest_${{param.table}}
      job_config: {{timeout_seconds: "${{param.retries}}"{job}}}
      sources:
        - source_id: first
          execution_order: 1
          is_active: ${{param.active}}
          transformation_config: {{notebook_path: "/Workspace/${{param.table}}", libraries: "${{param.libs}}"{task}}}
        - each:
            - source_id: load_${{param.table}}
              execution_order: 2
              transformation_config: {{notebook_path: /Workspace/b, max_retries: "${{param.retries}}"{each}}}
"""
MISTAKES = [
    ("job", "max_concurrent_runs: two", "two", "'max_concurrent_runs' must be a whole number, not the text 'two'"),
    ("job", "taggs: {a: b}", "taggs", "unknown job setting 'taggs'; did you mean 'tags'?"),
    (
        "job",
        'schedule: {pause_status: PAUSE, timezone_id: "${param.table}"}',
        "PAUSE",
        "'pause_status' cannot be 'PAUSE'",
    ),
    ("task", "max_retry: 2", "max_retry", "unknown task setting 'max_retry'; did you mean 'max_retries'?"),
    ("task", "task_type: notbook", "notbook", "unknown task_type 'notbook'; did you mean 'notebook'?"),
    ("each", "run_if: NEVER", "NEVER", "'run_if' cannot be 'NEVER'"),
    ("each", "timeout_seconds: [1]", "[1]", "'timeout_seconds' must be a whole number, not a list"),
]
RIGHT = [
    ("job", "tags: {of_the_defaults: null}, schedule: null"),
    ("job", 'max_concurrent_runs: "${param.retries}", tags: {owner: "${param.table}", "a b": "x-${param.table}"}'),
    ("job", "email_notifications: {on_failure: ['${param.table}@example.com']}, schedule: {pause_status: PAUSED}"),
    ("task", 'max_retries: "${param.retries}", timeout_seconds: "${var.x}", task_type: "${param.table}"'),
    ("task", 'run_if: "ALL_${param.table}", new_cluster: "${param.table}"'),
    ("each", 'email_notifications: "${param.table}", environment_key: "${param.table}"'),
]
"""What is right for some values at least."""


def write(project: ProjectFolder, more: str = "", **wrong: str) -> None:
    parts = {name: f", {wrong[name]}" if name in wrong else "" for name in ("job", "task", "each")}
    project.write("metadata/blueprints.yml", BLUEPRINT.format(**parts) + more)


def problems(project: ProjectFolder) -> list[tuple[str, str]]:
    return [(each.place, each.message) for each in project.ljm("validate").problems]


@pytest.mark.parametrize(("where", "wrong", "word", "message"), MISTAKES)
@pytest.mark.parametrize(
    "more",
    [
        "",
        "    examples: [{table: x}]\n",
        "modules: [{blueprint: ingest, with: {table: x}}, {blueprint: ingest, with: {table: y, active: false}}]\n",
    ],
    ids=["unused", "example", "used"],
)
def test_a_mistake_is_reported_once_at_its_line_whoever_reaches_it(project, where, wrong, word, message, more):
    write(project, more, **{where: wrong})

    # A use or an example may find what depends on its values besides.
    found = [each for each in problems(project) if each[1].startswith(message)]

    before = project.read("metadata/blueprints.yml").partition(word)[0].split("\n")
    assert [at for at, _ in found] == [f"metadata/blueprints.yml:{len(before)}:{len(before[-1]) + 1}"]


@pytest.mark.parametrize(("where", "right"), RIGHT)
def test_what_may_be_right_for_some_values_is_no_mistake(project, where, right):
    write(project, **{where: right})

    assert problems(project) == []


def test_a_source_that_every_row_switches_off_is_checked_all_the_same(project):
    write(project, "modules: [{blueprint: ingest, with: {table: x, active: false}}]\n", task="max_retry: 2")

    assert [message for _, message in problems(project)] == [
        "unknown task setting 'max_retry'; did you mean 'max_retries'?"
    ]


def test_a_setting_that_the_project_allows_is_no_mistake(project):
    project.write("job_meta.yml", "allow_unknown: [job.new_setting, task.newer_setting]\n")
    write(project, job="new_setting: 1", task="newer_setting: 2")

    assert problems(project) == []


def test_a_secret_in_a_blueprint_that_nobody_uses_is_reported_and_not_shown(project):
    token = "da" + "pi" + "0a1b2c3d4e5f6789" * 2
    write(project, job=f"tags: {{x: {token}}}", task=f"max_retries: {token}")

    result = project.ljm("validate")

    assert "secret-in-metadata" in result.codes
    assert token not in result.stdout + result.stderr


@given(st.sampled_from(sorted(fields_of("JobSettings"))), st.sampled_from(["${param.table}", "${param.libs}"]))
def test_a_placeholder_stands_for_any_value_of_any_setting(tmp_path_factory, name, placeholder):
    project = ProjectFolder(tmp_path_factory.mktemp("project"))
    write(project, job=f'{name}: "{placeholder}"')

    found = [message for _, message in problems(project) if "given twice" not in message]

    assert found == [] or name in ("tasks", "timeout_seconds"), found
