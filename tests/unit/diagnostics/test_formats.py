"""What other tools get to read: every field of a diagnostic, in JSON, SARIF, and what GitHub, Azure and GitLab show."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakeflow_job_meta.diagnostics import formats
from lakeflow_job_meta.diagnostics.formats import as_azure, as_github, as_gitlab, as_json, as_sarif
from lakeflow_job_meta.diagnostics.model import (
    DOCUMENTATION,
    Diagnostic,
    Location,
    Severity,
    Suggestion,
    SuggestionKind,
)
from lakeflow_job_meta.diagnostics.rules import RULES
from support.project_folder import REPOSITORY, ProjectFolder, module
from support.tables import row, write_table

METADATA = """\
modules:
  - module_name: sales
    job_config: {tags: {cost: 5}, timeout_seconds: [
      1]}
    sources:
      - source_id: orders
        execution_ordr: 1
        depends_on: [customers]
        transformation_config: {notebook_path: /Workspace/a}
"""
IN_FILE = Diagnostic(
    Severity.ERROR,
    "unknown-field",
    "unknown field 'execution_ordr' in a source; did you mean 'execution_order'?",
    Location("metadata/a.yml", 7, 9, True, 7, 23),
    "        execution_ordr: 1",
    Suggestion(SuggestionKind.RENAME_KEY, "execution_order", is_safe=True),
    "sales",
    "orders",
    "execution_ordr",
)
IN_ROW = Diagnostic(Severity.WARNING, "placeholder", "x, y: 100%\n", Location("t[module_name=a].b", 1, 2, False, 1, 4))
OF_FILE = Diagnostic(Severity.ERROR, "unreadable", "cannot be read", Location("metadata/b.yml"))


def shown(project: ProjectFolder) -> list[tuple[object, ...]]:
    """Returns code, range, module, source and setting of every problem."""
    return [(each.code, each.text, each.module, each.source, each.setting) for each in project.compile().diagnostics]


class TestNames:
    def test_a_problem_in_a_file_names_module_source_and_setting(self, project):
        project.write("metadata/a.yml", METADATA)
        assert shown(project) == [
            ("wrong-type", "5", "sales", None, "job_config.tags.cost"),
            ("wrong-type", "[", "sales", None, "job_config.timeout_seconds"),
            ("unknown-field", "execution_ordr", "sales", "orders", "execution_ordr"),
            ("unknown-dependency", "customers", "sales", "orders", "depends_on[0]"),
        ]

    def test_a_problem_in_a_row_names_the_same(self, project):
        project.write("job_meta.yml", "metadata: [{delta: data/control}]\n")
        config = '{"notebook_path": "/Workspace/a", "base_parameters": {"a": [1]}}'
        write_table(
            project.path / "data/control",
            [row("orders", "sales", transformation_config=config, job_config='{"tags": {"cost": 5}}')],
        )
        assert shown(project) == [
            ("wrong-type", "5", "sales", None, "job_config.tags.cost"),
            ("wrong-type", "[1]", "sales", "orders", "transformation_config.base_parameters.a"),
        ]

    def test_what_is_of_no_module_has_the_path_in_its_file(self, project):
        project.write("metadata/a.yml", "modlues: []\n")
        assert {problem[2:] for problem in shown(project)} == {(None, None, "modlues"), (None, None, "modules")}

    def test_a_missing_field_is_named_though_the_range_is_of_its_map(self, project):
        project.write("metadata/a.yml", "modules:\n  - module_name: sales # x\n    description: y\n")
        assert shown(project) == [("missing-field", "module_name: sales", "sales", None, "sources")]


class TestSuggestions:
    def test_a_known_name_that_is_near_is_suggested_and_left_to_a_person(self, project):
        text = """\
modules:
  - module_name: sales
    job_config: {schedule: {quartz_cron_expression: "0 0 2 * * ?", timezone_id: Europe/Amsterdm}}
    targets: [prd]
    sources:
      - source_id: orders2
        execution_order: 1
        transformation_config: {notebook_path: /Workspace/a}
      - source_id: last
        depends_on: [order, {source_id: order}]
        transformation_config: {notebook_path: /Workspace/a}
"""
        project.write("metadata/a.yml", text)
        suggested = {
            (problem.code, problem.text, problem.suggestion.replacement, problem.suggested_text)
            for problem in project.compile().diagnostics
            if problem.suggestion is not None and not problem.suggestion.is_safe
        }
        assert suggested == {
            ("bad-time-zone", "Europe/Amsterdm", "Europe/Amsterdam", '"Europe/Amsterdam"'),
            ("unknown-target", "prd", "prod", "prod"),
            ("unknown-dependency", "order", "orders2", "orders2"),
            ("unknown-dependency", "{source_id: order}", "orders2", None),
        }

    def test_a_misspelt_key_of_the_file_can_be_renamed(self, project):
        project.write("metadata/a.yml", module("a").replace("modules:", "modlues:"))
        assert project.ljm("validate", "--fix").exit_code == 0


class TestJson:
    def test_a_problem_has_all_fields(self):
        assert json.loads(as_json([IN_FILE])) == [
            {
                "severity": "error",
                "code": "unknown-field",
                "message": IN_FILE.message,
                "path": "metadata/a.yml",
                "line": 7,
                "column": 9,
                "is_file": True,
                "end_line": 7,
                "end_column": 23,
                "module": "sales",
                "source": "orders",
                "setting": "execution_ordr",
                "suggestion": {
                    "kind": "rename-key",
                    "replacement": "execution_order",
                    "is_safe": True,
                    "text": "execution_order",
                },
                "documentation": "docs/checks.md#unknown-field",
            }
        ]

    def test_what_is_not_known_is_null(self):
        (problem,) = json.loads(as_json([OF_FILE]))
        assert {name for name, value in problem.items() if value is None} == {
            *("line", "column", "end_line", "end_column", "module", "source", "setting", "suggestion")
        }

    def test_the_documentation_has_a_heading_for_every_code(self):
        lines = (REPOSITORY / DOCUMENTATION).read_text(encoding="utf-8").split("\n")
        assert {line.removeprefix("## ") for line in lines if line.startswith("## ")} == set(RULES)


class TestGithub:
    def test_a_problem_in_a_file_is_an_annotation_of_its_range(self):
        assert as_github([IN_FILE]) == (
            "::error title=unknown-field,file=metadata/a.yml,line=7,col=9,endLine=7,endColumn=23::" + IN_FILE.message
        )

    def test_a_problem_elsewhere_has_its_place_in_the_message(self):
        assert as_github([IN_ROW, OF_FILE]).split("\n") == [
            "::warning title=placeholder::t[module_name=a].b:1:2: x, y: 100%25%0A",
            "::error title=unreadable,file=metadata/b.yml::cannot be read",
        ]


class TestAzure:
    def test_a_problem_in_a_file_is_an_issue_at_its_start(self):
        assert as_azure([IN_FILE]) == (
            "##vso[task.logissue type=error;sourcepath=metadata/a.yml;linenumber=7;columnnumber=9;code=unknown-field]"
            + IN_FILE.message
        )

    def test_a_problem_elsewhere_has_its_place_in_the_message(self):
        assert as_azure([IN_ROW, OF_FILE]).split("\n") == [
            "##vso[task.logissue type=warning;code=placeholder]t[module_name=a].b:1:2: x, y: 100%AZP25%0A",
            "##vso[task.logissue type=error;sourcepath=metadata/b.yml;code=unreadable]cannot be read",
        ]

    @given(path=st.text(min_size=1), message=st.text())
    def test_no_text_ends_a_command_and_the_agent_reads_what_was_meant(self, path, message):
        line = as_azure([replace(IN_FILE, location=Location(path), message=message)])

        # As the agent reads it: src/Microsoft.VisualStudio.Services.Agent/CommandManager of azure-pipelines-agent.
        head, _, told = line.partition("]")
        fields = dict(each.split("=", 1) for each in head.split(" ", 1)[1].split(";"))
        assert "\n" not in line
        assert "\r" not in line
        assert (unescaped(fields["sourcepath"]), unescaped(told)) == (path, message)


def unescaped(text: str) -> str:
    for written, meant in {"%3B": ";", "%0D": "\r", "%0A": "\n", "%5D": "]", "%AZP25": "%"}.items():
        text = text.replace(written, meant)
    return text


class TestGitlab:
    def test_a_problem_in_a_file_is_an_issue_of_its_line(self):
        (issue,) = json.loads(as_gitlab([IN_FILE]))
        fingerprint = issue.pop("fingerprint")
        assert issue == {
            "description": IN_FILE.message,
            "check_name": "unknown-field",
            "severity": "critical",
            "location": {"path": "metadata/a.yml", "lines": {"begin": 7}},
        }
        moved = replace(IN_FILE, location=Location("metadata/a.yml", 9, 9, True, 9, 23))
        assert json.loads(as_gitlab([moved]))[0]["fingerprint"] == fingerprint

    def test_a_problem_of_a_whole_file_is_at_its_first_line_and_a_warning_is_minor(self):
        in_row, of_file = json.loads(as_gitlab([IN_ROW, OF_FILE]))
        assert of_file["location"] == {"path": "metadata/b.yml", "lines": {"begin": 1}}
        assert (in_row["severity"], in_row["description"]) == ("minor", "t[module_name=a].b:1:2: x, y: 100%\n")

    def test_no_two_issues_have_one_fingerprint_since_gitlab_would_drop_one(self):
        again = replace(IN_FILE, location=Location("metadata/a.yml", 12, 9))
        first, second = json.loads(as_gitlab([IN_FILE, again]))
        assert second["fingerprint"] == f"{first['fingerprint']}-2"

    def test_without_problems_it_is_a_report_of_none(self):
        assert json.loads(as_gitlab([])) == []


class TestSarif:
    def test_a_problem_in_a_file_has_a_region_and_a_fix(self):
        (run,) = json.loads(as_sarif([IN_FILE]))["runs"]
        (result,) = run["results"]
        region = {"startLine": 7, "startColumn": 9, "endLine": 7, "endColumn": 23}
        assert run["columnKind"] == "unicodeCodePoints"
        assert result["locations"][0]["physicalLocation"]["region"] == region
        assert result["properties"] == {"module": "sales", "source": "orders", "setting": "execution_ordr"}
        (change,) = result["fixes"][0]["artifactChanges"]
        assert change["artifactLocation"] == {"uri": "metadata/a.yml"}
        assert change["replacements"] == [{"deletedRegion": region, "insertedContent": {"text": "execution_order"}}]

    def test_a_problem_elsewhere_has_neither(self):
        in_row, of_file = json.loads(as_sarif([IN_ROW, OF_FILE]))["runs"][0]["results"]
        assert in_row["locations"] == [{"logicalLocations": [{"fullyQualifiedName": "t[module_name=a].b:1:2"}]}]
        assert of_file["locations"][0]["physicalLocation"]["region"] == {"startLine": 1, "startColumn": 1}
        assert "fixes" not in {**in_row, **of_file}

    def test_a_fingerprint_stays_when_lines_are_added_above(self):
        def fingerprint(**changes: object) -> object:
            return json.loads(as_sarif([replace(IN_FILE, **changes)]))["runs"][0]["results"][0]["partialFingerprints"]

        moved = Location("metadata/a.yml", 9, 9, True, 9, 23)
        assert fingerprint(location=moved) == fingerprint()
        assert fingerprint(source="customers") != fingerprint()

    @pytest.mark.parametrize(
        ("base", "expected"), [("docs/checks.md", None), ("https://x.y/z", "https://x.y/z#unreadable")]
    )
    def test_only_an_absolute_address_is_the_help_of_a_rule(self, base, expected, monkeypatch):
        monkeypatch.setattr(formats, "DOCUMENTATION", base)
        (rule,) = json.loads(as_sarif([OF_FILE]))["runs"][0]["tool"]["driver"]["rules"]
        assert rule.get("helpUri") == expected


class TestWrittenText:
    @pytest.mark.parametrize(
        ("old", "new", "written"),
        [
            ("a", "task", "task"),
            ("'a'", "task", "'task'"),
            ('"a"', "task", '"task"'),
            ("a", "yes", '"yes"'),
            ("a", "NULL", '"NULL"'),
            ("5", "5", '"5"'),
            ("a", "x y", '"x y"'),
            ("'a'", "it's", '"it\'s"'),
            ("a", 'x"\\\n', '"x\\"\\\\\\U0000000a"'),
            ('"5"', 5, "5"),
            ("'true'", True, "true"),
            ("{a: 1}", "x", None),
            ("&x 5", "5", None),
            ("*x", "5", None),
            ("", "x", None),
            ("source_id: x", "y", None),
            ('"source_id": "x"', "y", None),
            ("- x", "y", None),
            ("'a''b'", "c", "'c'"),
            ("a:b", "c", "c"),
            ("a", ["x"], None),
        ],
    )
    def test_it_has_quotes_of_the_same_kind_where_that_is_possible(self, old, new, written):
        assert Suggestion(SuggestionKind.REPLACE_VALUE, new).written_for(old) == written
