"""What reaches a terminal: nothing in metadata, files or answers controls it, and no stack of a library is shown."""

from __future__ import annotations

import json
import re
from datetime import datetime, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakeflow_job_meta._internal.text import foreign_message, printable
from lakeflow_job_meta.state.history import Heartbeat, write_heartbeat
from lakeflow_job_meta.workspace.client import Workspace
from support.project_folder import ProjectFolder

EVIL = "\x1b[2J\x9b31m\u202e\r\x07"
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
SQL = """\
modules:
  - module_name: sales
    sources:
      - source_id: a
        execution_order: 1
        transformation_config:
          sql_task: {{warehouse_id: w, sql_query: "SELECT '{evil}' AS {column}"}}
      - source_id: b
        execution_order: 1
        transformation_config: {{notebook_path: /Workspace/a, base_parameters: {{x: "{evil}{column}"}}}}
    job_config: {{description: "{evil}{column}"}}
"""


def metadata(column: str) -> str:
    return SQL.format(evil=EVIL.encode("unicode_escape").decode(), column=column)


class TestText:
    @given(st.text())
    def test_that_may_go_to_a_terminal_controls_nothing_and_loses_nothing(self, text):
        shown = printable(text)

        assert _CONTROLS.search(shown) is None
        # The escapes are those of JSON.
        assert printable(shown) == shown
        assert json.loads(printable(json.dumps(text, ensure_ascii=False))) == text

    @pytest.mark.parametrize("text", ["ä ß 日本\u3000語", "\ta\nb", "\U0001f600", "a\xa0b"])
    def test_that_is_harmless_stays(self, text):
        assert printable(text) == text


class TestCommands:
    @pytest.fixture
    def changed(self, project: ProjectFolder) -> ProjectFolder:
        project.write("metadata/sales.yml", metadata("one"))
        assert project.ljm("generate").exit_code == 0
        project.write("metadata/sales.yml", metadata("two"))
        return project

    @pytest.mark.parametrize(
        "arguments", [("generate", "--diff"), ("plan",), ("plan", "--format", "json"), ("plan", "--format", "markdown")]
    )
    def test_that_show_a_change_show_no_control_character(self, changed: ProjectFolder, arguments):
        result = changed.ljm(*arguments)

        assert "sales" in result.stdout
        assert _CONTROLS.search(result.stdout + result.stderr) is None

    def test_the_diff_shows_them_escaped(self, changed: ProjectFolder):
        assert r"+SELECT '\u001b[2J\u009b31m\u202e\u000d\u0007' AS two" in changed.ljm("generate", "--diff").stdout

    def test_that_report_mistakes_show_no_control_character(self, project: ProjectFolder):
        name = EVIL.encode("unicode_escape").decode()
        project.write("metadata/sales.yml", metadata("one").replace("description:", f'"descr{name}":'))
        project.write("metadata/b.yml", f"modules: 'a{EVIL}")

        for form in ("text", "json"):
            result = project.ljm("validate", "--format", form)
            assert result.exit_code == 1
            assert _CONTROLS.search(result.stdout + result.stderr) is None

    @pytest.mark.parametrize("form", ["text", "json"])
    def test_the_status_shows_none_of_a_heartbeat(self, project: ProjectFolder, form):
        folder = project.path / ".lakeflow-job-meta" / "dev"
        folder.mkdir(parents=True)
        write_heartbeat(folder, Heartbeat(datetime.now(timezone.utc), "idle", f"failed {EVIL}", 0, 60.0))

        result = project.ljm("status", "-t", "dev", "--format", form)

        assert "failed " in result.stdout
        assert _CONTROLS.search(result.stdout + result.stderr) is None


_AZURE = "##vso[task.setvariable variable=PATH]/evil"
_GITHUB = "::add-path::/evil"
_COMMAND = re.compile(r"^\s*::|##(?:vso)?\[", re.MULTILINE | re.IGNORECASE)
"""What an agent of Azure Pipelines or GitHub runs where it stands in the output of a step."""


class TestCommandsOfACi:
    @pytest.mark.parametrize(
        "text", [_AZURE, _GITHUB, "##[add-path]/evil", f"a\n \t{_GITHUB}", "##VSO[x]", f"a {_AZURE}"]
    )
    def test_are_escaped_in_what_is_printed(self, text):
        assert _COMMAND.search(text)
        shown = printable(text)
        assert _COMMAND.search(shown) is None
        assert json.loads(f'"{json.dumps(shown)[1:-1]}"') == shown

    @given(st.text(st.sampled_from('#vVsSoO[:\n \t\\"a')))
    def test_stay_the_same_text_in_json(self, text):
        written = json.dumps(text, ensure_ascii=False)
        assert _COMMAND.search(printable(written)) is None
        assert json.loads(printable(written)) == text

    def test_of_metadata_reach_no_output_for_people(self, project: ProjectFolder):
        project.write("metadata/sales.yml", metadata("one").replace("description:", f'"{_AZURE}":'))
        project.write("metadata/b.yml", metadata("one").replace("module_name: sales", f"module_name: '{_GITHUB}'"))

        for arguments in (("validate",), ("plan",), ("plan", "--format", "markdown"), ("validate", "--format", "json")):
            result = project.ljm(*arguments)
            assert _COMMAND.search(result.stdout + result.stderr) is None, arguments

    @pytest.mark.parametrize(("form", "marks"), [("azure", "##vso["), ("github", "::")])
    def test_are_only_those_of_the_format_that_is_asked_for(self, project: ProjectFolder, form, marks):
        project.write("metadata/sales.yml", metadata("one").replace("description:", f'"{_AZURE}":'))

        lines = project.ljm("validate", "--format", form).stdout.splitlines()

        assert lines
        for line in lines:
            assert line.startswith(marks)
            assert _COMMAND.search(line, len(marks)) is None


STACKS = {
    "Rust": "Kernel error: bad log\n   0: <unknown>\n   1: std::rt\n             at ./x.c:4:8\n",
    "a Rust backtrace": "DataFusion error: bad log\n\nbacktrace:    0: std::backtrace_rs\n",
    "Spark": "bad log\n\nJVM stacktrace:\norg.apache.Spark\n\tat org.apache.A.b(A.scala:3)",
    "Java": "java.lang.Error: bad log\n\tat com.x.Y.z(Y.java:12)\n\tat com.x.Y$1.<init>(Y.java)\nCaused by: x",
    "Java on one line": "bad log at com.databricks.sql.Y.z(Y.scala:12) at com.x.Y.w(Unknown Source)",
}


class TestStacks:
    @pytest.mark.parametrize("name", STACKS)
    def test_are_cut_from_what_a_library_says(self, name):
        message = foreign_message(STACKS[name], 300)

        assert message.endswith("bad log")
        assert "\n" not in message

    @pytest.mark.parametrize(
        "said", ["no field x at line 3", "look at com.example.table", "12: one\nand two", "at most (5) rows"]
    )
    def test_what_is_none_stays(self, said):
        assert foreign_message(said, 300) == " ".join(said.split())

    def test_a_delta_log_of_nonsense_is_one_sentence(self, project: ProjectFolder, tmp_path: Path):
        assert project.ljm("table", "create", "--delta", str(tmp_path / "control")).exit_code == 0
        (tmp_path / "control" / "_delta_log" / f"{1:020}.json").write_text("{nonsense")

        result = project.ljm("table", "show", "--delta", str(tmp_path / "control"))

        (line,) = result.stderr.splitlines()
        assert result.exit_code == 1
        assert "cannot be read or written: Kernel error: Json error" in line
        assert "unknown>" not in line


def test_a_login_in_the_address_of_the_workspace_is_in_no_message_and_no_link():
    class Client:
        class config:  # noqa: N801
            host = "https://me:hunter2@example.com"

    assert Workspace(lambda: Client()).host == "https://example.com"  # type: ignore[arg-type,return-value]
