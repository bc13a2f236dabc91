"""Every rule has a wrong and a right example, and they are what they say; the documentation is the same text."""

from __future__ import annotations

from pathlib import Path

import pytest

from lakeflow_job_meta.config.load import load_project
from lakeflow_job_meta.diagnostics import rules
from lakeflow_job_meta.diagnostics.catalog import explain_all, explanations
from lakeflow_job_meta.diagnostics.model import Rule
from lakeflow_job_meta.diagnostics.rules import RULES
from lakeflow_job_meta.errors import ConfigError
from lakeflow_job_meta.output.writer import plan_changes
from support.project_folder import REPOSITORY, compile_loaded

ONLY_IN_TABLES = {"bad-json", "conflicting-rows", "near-column", "row-without-module", "unreadable-approval"}
"""Mistakes of rows and of loading them; test_rows.py, test_table_load.py and test_approvals.py have their examples."""

each_rule = pytest.mark.parametrize("code", sorted(RULES.keys() - ONLY_IN_TABLES))


def codes_of(folder: Path, metadata: str, files: dict[str, str]) -> list[str]:
    for path, content in {"metadata/example.yml": metadata, **files}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content, encoding="utf-8")
    try:
        project = load_project(folder)
        compilation = compile_loaded(project)
    except ConfigError as error:
        return [diagnostic.rule_code for diagnostic in error.diagnostics]
    changes = plan_changes(project, compilation)
    return [diagnostic.rule_code for diagnostic in (*compilation.diagnostics, *changes.diagnostics)]


@each_rule
def test_the_wrong_example_of_a_rule_has_its_mistake_and_no_other(code: str, tmp_path: Path):
    explanation = explanations()[code]

    found = codes_of(
        tmp_path, explanation.wrong or explanation.example, {**explanation.files, **explanation.wrong_files}
    )

    assert set(found) == {code}


@each_rule
def test_the_right_example_of_a_rule_has_no_mistake(code: str, tmp_path: Path):
    explanation = explanations()[code]

    found = codes_of(
        tmp_path, explanation.right or explanation.example, {**explanation.files, **explanation.right_files}
    )

    assert found == []


def test_every_rule_is_registered_and_explained():
    defined = {rule.code for rule in vars(rules).values() if isinstance(rule, Rule)}

    assert set(RULES) == set(explanations()) == defined
    assert all(each.meaning.endswith(".") and each.remedy.endswith(".") for each in explanations().values())


def test_the_documentation_is_what_explain_prints():
    page = REPOSITORY / "docs" / "checks.md"
    assert page.read_text(encoding="utf-8") == explain_all(), "run: ljm explain --all > docs/checks.md"


@pytest.mark.parametrize(
    ("checks", "message"),
    [
        ("{dependency-cycel: off}", "did you mean 'dependency-cycle'?"),
        ("{unknown-field: warning}", "is always an error"),
    ],
)
def test_a_severity_for_a_check_that_cannot_have_one_is_a_mistake_in_the_project_file(checks, message, tmp_path):
    (tmp_path / "job_meta.yml").write_text(f"checks: {checks}\n", encoding="utf-8")
    (tmp_path / "metadata").mkdir()

    with pytest.raises(ConfigError) as caught:
        compile_loaded(load_project(tmp_path))

    assert message in caught.value.diagnostics[0].message
    assert str(caught.value.diagnostics[0].location).startswith("job_meta.yml:1:")


PLACEHOLDER = """\
modules:
  - module_name: sales
    sources:
      - source_id: orders
        execution_order: 1
        transformation_config:
          sql_task:
            warehouse_id: your-warehouse-id{comment}
            sql_query: SELECT 1
"""


@pytest.mark.parametrize(
    ("project_file", "comment", "expected"),
    [
        ("", "", ["warning"]),
        ("checks: {placeholder: error}", "", ["error"]),
        ('checks: {placeholder: "off"}', "", []),
        ("", "  # ljm: ignore[placeholder]", []),
        ("checks: {placeholder: error}", "  # ljm: ignore[placeholder]", []),
        ("", "  # ljm: ignore[unknown-value]", ["warning"]),
    ],
)
def test_severity_follows_the_project_file_and_the_comment_at_the_place(project_file, comment, expected, tmp_path):
    (tmp_path / "job_meta.yml").write_text(project_file, encoding="utf-8")
    (tmp_path / "metadata").mkdir()
    (tmp_path / "metadata" / "a.yml").write_text(PLACEHOLDER.format(comment=comment), encoding="utf-8")

    compilation = compile_loaded(load_project(tmp_path))

    assert [diagnostic.severity.value for diagnostic in compilation.diagnostics] == expected
