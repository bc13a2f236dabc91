"""`ljm table`: the control table at the command line, by path and over a SQL warehouse; the readers of a project."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from deltalake import DeltaTable

from fakes.workspace import FakeWorkspace, Fault, FaultKind, Warehouse
from lakeflow_job_meta.cli import table
from lakeflow_job_meta.control_table.schema import key_of
from lakeflow_job_meta.services import table_load
from lakeflow_job_meta.tables import sql
from support.connections import CONTROL, VOLUME
from support.project_folder import ProjectFolder, Result, module
from support.slow import few
from support.tables import row, write_table

pytest_plugins = ["support.workspace_fixtures"]

TWO_SOURCES = """\
modules:
  - module_name: sales
    description: Größe.
    sources:
      - {source_id: a, execution_order: 1, transformation_config: {notebook_path: /Workspace/a}}
      - {source_id: b, execution_order: 2, transformation_config: {notebook_path: /Workspace/b}}
"""


@dataclass
class Terminal:
    """A table and the options that name it."""

    project: ProjectFolder
    options: tuple[str, ...]
    name: str
    folder: Path

    def __call__(self, *arguments: str) -> Result:
        result = self.project.ljm("table", *arguments, *self.options)
        assert "Traceback" not in result.stderr
        return result


@pytest.fixture(autouse=True)
def in_the_project(
    project: ProjectFolder, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], tmp_path: Path
) -> None:
    """The current folder is the project's, and the environment is that of the fake workspace."""
    monkeypatch.chdir(project.path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("DATABRICKS_WAREHOUSE_ID", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(params=few(["delta"], ["warehouse"]))
def ljm(request: pytest.FixtureRequest, project: ProjectFolder, workspace: FakeWorkspace) -> Terminal:
    if request.param == "delta":
        return Terminal(project, ("--delta", "data/control"), "data/control", project.path / "data/control")
    options = ("--table", CONTROL, "--warehouse-id", workspace.warehouse_id)
    return Terminal(project, options, CONTROL, workspace.table_path(CONTROL))


@pytest.fixture
def filled(ljm: Terminal, project: ProjectFolder) -> Terminal:
    """The table with the module `sales` of two sources, in version 1."""
    project.write("metadata/a.yml", TWO_SOURCES)
    assert ljm("create", "--optional-columns").exit_code == 0
    assert ljm("load", "metadata").exit_code == 0
    return ljm


class TestCreate:
    def test_a_table_is_created_once(self, ljm):
        first, second = ljm("create"), ljm("create")
        assert (first.exit_code, first.stdout, first.stderr) == (0, "", f"{ljm.name}: created.\n")
        assert second.stderr == f"{ljm.name}: is there already; nothing was changed.\n"
        assert second.exit_code == 0

    def test_an_older_table_gets_the_optional_columns_when_asked(self, ljm):
        ljm("create")
        assert len(DeltaTable(ljm.folder).schema().fields) == 10
        result = ljm("create", "--optional-columns")
        assert len(DeltaTable(ljm.folder).schema().fields) == 23
        assert "made" not in result.stderr

    def test_the_table_of_the_original_takes_the_insert_of_its_readme(self, project, workspace):
        ljm = Terminal(project, ("--table", CONTROL, "--warehouse-id", workspace.warehouse_id), CONTROL, project.path)
        assert ljm("create", "--original").exit_code == 0
        values = (
            "'sql_task_1', 'my_pipeline', 'sql', 1, '{}', "
            """'{"catalog": "bronze", "schema": "data", "table": "customers"}', """
            """'{"task_type": "sql_query", "sql_task": {"warehouse_id": "abc123", "sql_query": "SELECT 1"}}', true"""
        )
        statements = workspace.client().statement_execution
        done = statements.execute_statement(f"INSERT INTO {CONTROL} VALUES ({values})", workspace.warehouse_id)
        assert done.status.state.value == "SUCCEEDED", done.status

        assert ljm("show").stdout == "my_pipeline: 1 source, 1 active\n"

    def test_it_has_not_both_kinds_of_columns(self, ljm):
        result = ljm("create", "--original", "--optional-columns")
        assert (result.exit_code, result.stdout) == (2, "")


class TestLoad:
    def test_the_changes_are_shown_and_made(self, ljm, project):
        project.write("metadata/a.yml", TWO_SOURCES)
        ljm("create", "--optional-columns")
        result = ljm("load", "metadata")
        assert (result.exit_code, result.stdout) == (0, "module 'sales': new, 2 sources\n")
        assert result.stderr.endswith(f"{ljm.name}: 2 rows changed of 2 loaded.\n")

    def test_loading_again_changes_nothing(self, filled):
        result = filled("load", "metadata/a.yml")
        assert (result.exit_code, result.stdout) == (0, "")
        assert result.stderr.endswith(f"{filled.name}: 0 rows changed of 2 loaded.\n")
        assert DeltaTable(filled.folder).version() == 1

    def test_a_large_one_says_what_it_does(self, ljm, project, monkeypatch):
        project.write("metadata/a.yml", TWO_SOURCES)
        ljm("create", "--optional-columns")
        monkeypatch.setattr(table_load, "MANY_ROWS", 2)
        assert ljm("load", "metadata").stderr == f"Writing 2 rows\n{ljm.name}: 2 rows changed of 2 loaded.\n"
        assert "Writing" not in ljm("load", "metadata").stderr

    @pytest.mark.parametrize("ljm", ["delta", "warehouse"], indirect=True)
    def test_a_dry_run_shows_the_changes_and_makes_none(self, filled, project):
        project.write("metadata/a.yml", TWO_SOURCES.replace("execution_order: 2", "execution_order: 3"))
        result = filled("load", "metadata", "--dry-run")
        assert result.stdout == (
            "module 'sales': updated\n  source 'b': updated\n    execution_order: 2 -> 3\n"
        )  # fmt: skip
        assert result.stderr.endswith(f"{filled.name}: 1 row would change of 2 loaded.\n")
        assert DeltaTable(filled.folder).version() == 1

    def test_a_dry_run_finds_what_is_too_large_for_one_statement(self, project, workspace, monkeypatch):
        monkeypatch.setattr(sql, "MAX_STATEMENT_BYTES", 100)
        options = ("--table", CONTROL, "--warehouse-id", workspace.warehouse_id)
        project.write("metadata/a.yml", TWO_SOURCES)
        project.ljm("table", "create", *options)
        for dry in ((), ("--dry-run",)):
            result = project.ljm("table", "load", "metadata", *dry, *options)
            assert result.exit_code == 1
            assert "more than the 100 that one statement over SQL takes" in result.stderr
            places = [f"{CONTROL}[module_name=sales, source_id={each}].transformation_config: the row" for each in "ab"]
            assert all(place in result.stderr for place in places)

    @pytest.mark.parametrize("ljm", ["delta", "warehouse"], indirect=True)
    def test_rows_that_are_not_in_the_yaml_are_told_and_pruned_when_asked(self, filled, project):
        project.write("metadata/a.yml", "\n".join(TWO_SOURCES.split("\n")[:-2]) + "\n")
        result = filled("load", "metadata")
        assert "not in the YAML: source 'b' of 'sales'; --prune deletes it\n" in result.stderr
        assert DeltaTable(filled.folder).version() == 1
        result = filled("load", "metadata", "--prune")
        assert result.stdout == "module 'sales': updated\n  source 'b': deleted\n"
        assert "source 'b'" not in result.stderr
        assert "--prune" not in result.stderr
        assert DeltaTable(filled.folder).version() == 2

    def test_several_files_folders_and_globs_are_one_commit(self, ljm, project):
        for name in ("a", "b", "c"):
            project.write(f"{name}/{name}.yml", module(name))
        ljm("create")
        assert ljm("load", "a", "b/b.yml", "c/*.yml").exit_code == 0
        assert DeltaTable(ljm.folder).version() == 1
        assert ljm("show").stdout == "".join(f"{name}: 1 source, 1 active\n" for name in "abc")

    def test_a_mistake_in_any_file_is_shown_at_its_place_and_nothing_is_loaded(self, filled, project):
        project.write("metadata/b.yml", module("stock"))
        project.write("metadata/c.yml", "modules:\n  - module_name: other\n    sourcs: []\n")
        result = filled("load", "metadata")
        assert result.exit_code == 1
        assert {"metadata/c.yml:2:5", "metadata/c.yml:3:5"} <= {problem.place for problem in result.errors}
        assert DeltaTable(filled.folder).version() == 1

    def test_a_mistake_in_loaded_metadata_is_reported_once(self, filled, project):
        project.write(
            "metadata/a.yml", TWO_SOURCES.replace("{notebook_path: /Workspace/b", "{max_retry: 1, notebook_path: /b")
        )
        result = filled("load", "metadata")
        assert result.stderr.count("[unknown-field]") == 1

    @pytest.mark.parametrize("metadata", ["nope.yml", "nope/"])
    def test_metadata_that_is_not_there_is_an_error(self, filled, metadata):
        result = filled("load", metadata)
        assert result.exit_code == 1
        assert "there is no such file or folder" in result.stderr

    def test_targets_are_loaded_with_their_module(self, filled, project):
        project.write("metadata/a.yml", TWO_SOURCES.replace("    sources:", "    targets: [dev]\n    sources:"))
        result = filled("load", "metadata")
        assert (result.exit_code, result.codes) == (0, [])

    def test_what_differs_by_target_comes_to_the_same_job_from_a_table_as_from_yaml(self, filled, project):
        targets = "{dev: false, prod: {job_config: {max_concurrent_runs: 2}, sources: {a: {is_active: false}}}}"
        project.write("metadata/a.yml", TWO_SOURCES.replace("    sources:", f"    targets: {targets}\n    sources:"))
        project.write("job_meta.yml", "metadata: [{yaml: metadata/}]\ncontrol_table: a.b.c\n")
        assert project.ljm("generate").exit_code == 0
        from_yaml = project.generated()
        assert filled("load", "metadata").exit_code == 0
        project.write("job_meta.yml", f"metadata: [{{delta: '{filled.folder}'}}]\ncontrol_table: a.b.c\n")

        assert project.ljm("generate").exit_code == 0

        def body(files: dict[str, str]) -> list[str]:
            return [text.split("\n", 1)[1] for path, text in files.items() if path.startswith("jobs/")]

        assert body(project.generated()) == body(from_yaml)

    def test_a_table_that_lacks_a_column_that_is_needed(self, ljm, project):
        project.write("metadata/a.yml", TWO_SOURCES)
        ljm("create")
        result = ljm("load", "metadata")
        assert result.exit_code == 1
        assert "ljm table create --optional-columns" in result.stderr

    def test_a_table_that_is_not_there(self, ljm, project):
        project.write("metadata/a.yml", TWO_SOURCES)
        result = ljm("load", "metadata")
        assert result.exit_code == 1
        assert "make it with `ljm table create`" in result.stderr


class TestShow:
    @pytest.mark.parametrize("ljm", ["delta", "warehouse"], indirect=True)
    def test_table_show_lists_all_modules(self, filled):
        DeltaTable(filled.folder).update(predicate="source_id = 'a'", updates={"is_active": "false"})
        result = filled("show")
        assert (result.exit_code, result.stdout, result.stderr) == (0, "sales: 2 sources, 1 active\n", "")

    def test_table_show_can_be_of_one_module(self, filled):
        DeltaTable(filled.folder).update(predicate="source_id = 'a'", updates={"is_active": "false"})
        assert filled("show", "sales").stdout == (
            'a (inactive): order 1, {"notebook_path": "/Workspace/a"}\n'
            'b: order 2, {"notebook_path": "/Workspace/b"}\n'
        )  # fmt: skip

    def test_table_show_gives_rows_as_json(self, filled):
        rows = json.loads(filled("show", "--format", "json").stdout)
        assert [each["source_id"] for each in rows] == ["a", "b"]
        assert rows[0]["description"] == "Größe."

    def test_a_module_that_is_not_there_with_the_closest_name(self, filled):
        result = filled("show", "salse")
        assert result.exit_code == 1
        assert f"{filled.name} has no module 'salse'; did you mean 'sales'?" in result.stderr

    def test_table_show_of_an_empty_table_prints_nothing(self, ljm):
        ljm("create")
        assert ljm("show").stdout == ""
        assert ljm("show", "--format", "json").stdout == "[]\n"

    def test_rows_without_names_or_json_are_shown_all_the_same(self, filled):
        write_table(filled.folder, [row(None, None, transformation_config="{"), row("x")])
        assert filled("show").exit_code == 0
        assert filled("show", "sales").exit_code == 0

    def test_the_cost_grows_with_the_rows_and_not_with_their_square(self, project, monkeypatch):
        write_table(project.path / "big", [row("a", f"m{number}") for number in range(500)])
        calls = []
        monkeypatch.setattr(table, "key_of", lambda row: calls.append(1) or key_of(row))

        result = project.ljm("table", "show", "--delta", "big")

        assert (result.exit_code, len(result.stdout.splitlines())) == (0, 500)
        assert len(calls) <= 4 * 500


class TestExport:
    @pytest.mark.parametrize("ljm", ["delta", "warehouse"], indirect=True)
    def test_the_export_loads_to_the_same_rows(self, filled, project):
        result = filled("export")
        assert (result.exit_code, result.stderr) == (0, "")
        project.write("exported.yml", result.stdout)
        assert filled("load", "exported.yml", "--prune").stdout == ""
        assert DeltaTable(filled.folder).version() == 1

    def test_table_export_can_be_of_some_modules(self, filled, project):
        project.write("metadata/b.yml", module("stock"))
        filled("load", "metadata")
        assert "sales" not in filled("export", "stock").stdout
        result = filled("export", "stock", "nope")
        assert (result.exit_code, result.stdout) == (1, "")

    def test_a_row_that_cannot_be_read_stops_it(self, filled):
        write_table(filled.folder, [row(transformation_config='{"a": ')])
        result = filled("export")
        assert (result.exit_code, result.stdout, set(result.codes)) == (1, "", {"bad-json"})


class TestHistory:
    @pytest.mark.parametrize("ljm", ["delta", "warehouse"], indirect=True)
    def test_table_history_has_the_newest_versions_first(self, filled):
        lines = filled("history").stdout.splitlines()
        assert [line.split()[0] for line in lines] == ["1", "0"]
        assert re.fullmatch(r" +1  \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC  MERGE by (someone@example\.com|\w+)", lines[0])
        assert len(filled("history", "--limit", "1").stdout.splitlines()) == 1

    def test_table_history_can_be_json(self, filled):
        entries = json.loads(filled("history", "--format", "json").stdout)
        assert [(entry["version"], entry["operation"]) for entry in entries] == [(1, "MERGE"), (0, "CREATE TABLE")]
        assert set(entries[0]) == {"version", "timestamp", "operation", "user"}


class TestDiff:
    @pytest.mark.parametrize("ljm", ["delta", "warehouse"], indirect=True)
    def test_table_diff_shows_what_changed_since_a_version(self, filled, project):
        project.write("metadata/a.yml", TWO_SOURCES.replace("/Workspace/b", "/Workspace/c"))
        filled("load", "metadata")
        result = filled("diff", "1")
        assert result.stdout == (
            "module 'sales': updated\n"
            "  source 'b': updated\n"
            "    transformation_config.notebook_path: '/Workspace/b' -> '/Workspace/c'\n"
        )
        assert (result.exit_code, result.stderr) == (0, "1 module changed.\n")
        assert filled("diff", "0", "1").stdout == "module 'sales': new, 2 sources\n"
        assert filled("diff", "1", "0").stdout == "module 'sales': deleted, 2 sources\n"
        assert filled("diff", "2").stderr == "0 modules changed.\n"

    def test_a_version_that_is_not_there(self, filled):
        result = filled("diff", "99")
        assert (result.exit_code, result.stdout) == (1, "")
        assert "99" in result.stderr

    def test_a_version_from_before_the_optional_columns(self, ljm, project):
        ljm("create")
        project.write("metadata/a.yml", module("sales"))
        ljm("load", "metadata")
        ljm("create", "--optional-columns")
        result = ljm("diff", "1")
        assert (result.exit_code, result.stdout) == (0, "")


class TestUsage:
    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (("show", "--delta", "a", "--table", "b"), "Name one table"),
            (("show", "--table", "main.etl.t"), "DATABRICKS_WAREHOUSE_ID"),
            (("show",), "Name a table with --table or --delta"),
            (("shwo",), "show"),
            (("load", "--delta", "a"), "METADATA"),
            (("diff", "--delta", "a"), "BEFORE"),
            (("diff", "x", "--delta", "a"), "x"),
            (("diff", "-1", "--delta", "a"), "-1"),
            (("history", "--limit", "0", "--delta", "a"), "0"),
            (("show", "--format", "xml", "--delta", "a"), "xml"),
            (("load", "a", "--prun", "--delta", "a"), "--prune"),
        ],
        ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
    )
    def test_wrong_usage_is_exit_code_2(self, project, arguments, words):
        result = project.ljm("table", *arguments)
        assert (result.exit_code, result.stdout) == (2, "")
        assert words in result.stderr
        assert "Traceback" not in result.stderr

    @pytest.mark.parametrize("command", ["create", "load", "show", "export", "history", "diff"])
    def test_every_table_command_has_help(self, project, command):
        result = project.ljm("table", command, "--help")
        assert result.exit_code == 0
        assert "Examples:" in result.stdout

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            ("metadata: [{delta: a}, {delta: b}]", "has 2"),
            ("metadata: [{yaml: a}]", "has none"),
        ],
    )
    def test_the_project_must_name_exactly_one_table(self, project, content, words):
        project.write("job_meta.yml", content)
        result = project.ljm("table", "show")
        assert result.exit_code == 2
        assert words in result.stderr

    def test_the_table_of_the_project_is_taken(self, project, workspace):
        project.write("metadata/a.yml", module("sales"))
        for entry in ("delta: data/t", f"table: {CONTROL}, warehouse_id: {workspace.warehouse_id}"):
            project.write("job_meta.yml", f"metadata: [{{yaml: metadata}}, {{{entry}}}]\n")
            assert project.ljm("table", "create").exit_code == 0
            assert project.ljm("table", "load", "metadata").exit_code == 0
            assert project.ljm("table", "show").stdout == "sales: 1 source, 1 active\n"

    def test_the_warehouse_may_come_from_the_environment(self, project, workspace, monkeypatch):
        monkeypatch.setenv("DATABRICKS_WAREHOUSE_ID", workspace.warehouse_id)
        assert project.ljm("table", "create", "--table", CONTROL).exit_code == 0

    @pytest.mark.parametrize("content", ["", "x", "{"])
    def test_what_is_no_table_is_an_error(self, project, content):
        project.write("data/t/_delta_log/00000000000000000000.json", content)
        for command in (("show",), ("history",), ("export",), ("diff", "0")):
            result = project.ljm("table", *command, "--delta", "data/t")
            assert (result.exit_code, result.stdout) == (1, "")
            assert len(result.stderr.rstrip("\n").split("\n")) == 1

    def test_a_folder_that_cannot_be_written(self, project):
        project.write("file", "x")
        result = project.ljm("table", "create", "--delta", "file/t")
        assert result.exit_code == 1
        assert "Traceback" not in result.stderr


class TestProcess:
    """The whole way as a process of its own: nothing of this process helps it."""

    def test_a_process_creates_loads_and_exports_a_table_by_its_path(self, project):
        project.write("metadata/a.yml", TWO_SOURCES)
        self.walk(project, "--delta", "data/control")

    @pytest.mark.slow
    def test_a_process_creates_loads_and_exports_a_table_over_a_warehouse(self, project, workspace, environment):
        project.write("metadata/a.yml", TWO_SOURCES)
        self.walk(project, "--table", CONTROL, "--warehouse-id", workspace.warehouse_id, **environment)

    def walk(self, project: ProjectFolder, *options: str, **environment: str) -> None:
        def run(*arguments: str) -> str:
            result = project.run("table", *arguments, *options, **environment)
            assert result.exit_code == 0, result.stderr
            return result.stdout

        run("create", "--optional-columns")
        assert run("load", "metadata") == "module 'sales': new, 2 sources\n"
        assert 'description: "Größe."' in run("export")

    @pytest.mark.slow
    @pytest.mark.skipif(sys.platform == "win32", reason="signals")
    def test_a_large_load_that_is_killed_between_two_statements_is_finished_by_the_same_command(
        self, project, workspace, environment
    ):
        options = ["--table", CONTROL, "--warehouse-id", workspace.warehouse_id]
        for name in "abcde":
            project.write(f"metadata/{name}.yml", module(name))
        project.ljm("table", "create", *options)
        merge, statements = "MERGE INTO", "/api/2.0/sql/statements"
        slow = Fault("POST", statements, FaultKind.SLOW, body_contains=merge, after=1, seconds=30)
        workspace.faults.add(slow)

        def sent() -> int:
            return sum(merge.encode() in call.body for call in workspace.calls("POST", statements))

        small = "from lakeflow_job_meta.tables import sql; sql.MAX_STATEMENT_BYTES = 500"
        program = f"{small}; from lakeflow_job_meta.cli.main import main; main()"
        command = [sys.executable, "-c", program, "table", "load", "metadata", *options]
        with subprocess.Popen(
            command, cwd=project.path, env={**os.environ, **environment}, stderr=subprocess.PIPE, encoding="utf-8"
        ) as process:
            give_up = time.monotonic() + 30
            while sent() < 2 and time.monotonic() < give_up:
                time.sleep(0.05)
            process.kill()
            _, stderr = process.communicate(timeout=30)
        assert stderr == "2 of 5 rows written\n"
        assert len(project.ljm("table", "show", *options).stdout.splitlines()) in (2, 4)

        result = project.ljm("table", "load", "metadata", *options)

        assert result.exit_code == 0, result.stderr
        shown = project.ljm("table", "show", *options).stdout
        assert shown == "".join(f"{name}: 1 source, 1 active\n" for name in "abcde")
        assert project.ljm("table", "load", "metadata", *options).stdout == ""

    @pytest.mark.skipif(sys.platform == "win32", reason="signals")
    @pytest.mark.slow
    def test_a_control_c_while_a_warehouse_starts_cancels_the_statement(self, project, workspace, environment):
        workspace.warehouses.put(Warehouse(state="STOPPED", answers_to_start=None))
        command = [sys.executable, "-m", "lakeflow_job_meta", "table", "show", "--table", CONTROL,
                   "--warehouse-id", workspace.warehouse_id]  # fmt: skip
        with subprocess.Popen(
            command, cwd=project.path, env={**os.environ, **environment}, stderr=subprocess.PIPE, encoding="utf-8"
        ) as process:
            give_up = time.monotonic() + 30
            while not workspace.calls("GET", "/api/2.0/sql/statements/*") and time.monotonic() < give_up:
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            _, stderr = process.communicate(timeout=30)
        assert process.returncode not in (0, None)
        assert "Waiting for the SQL warehouse" in stderr
        assert "Traceback" not in stderr
        assert len(workspace.calls("POST", "*/cancel")) == 1


@pytest.fixture
def read_from_all(project: ProjectFolder, workspace: FakeWorkspace, volume: Path, control) -> ProjectFolder:
    """A project that reads a module each from files, a path, a table and a volume."""
    project.write(
        "job_meta.yml",
        f"""\
        metadata:
          - yaml: metadata/
          - delta: data/control
          - table: {CONTROL}
            warehouse_id: {workspace.warehouse_id}
          - volume: {VOLUME}
        """,
    )
    project.write("metadata/a.yml", module("from_yaml"))
    write_table(project.path / "data/control", [row("a", "from_delta")])
    write_table(workspace.table_path(CONTROL), [row("a", "from_table")])
    (volume / "a.yml").write_text(module("from_volume"))
    return project


class TestReaders:
    def test_all_are_read_in_one_project(self, read_from_all):
        assert read_from_all.ljm("validate").exit_code == 0
        assert read_from_all.ljm("generate").exit_code == 0
        first_lines = {name: text.split("\n")[0] for name, text in read_from_all.generated().items()}
        assert {name: re.search(r"from (.*)\. Edit", line)[1] for name, line in first_lines.items()} == {  # type: ignore[index]
            "jobs/from_yaml.yml": "metadata/a.yml",
            "jobs/from_delta.yml": "data/control",
            "jobs/from_table.yml": CONTROL,
            "jobs/from_volume.yml": f"{VOLUME}/a.yml",
        }

    def test_a_module_in_two_of_them_is_an_error_that_names_both(self, read_from_all, volume):
        (volume / "a.yml").write_text(module("from_table"))
        result = read_from_all.ljm("validate")
        assert [problem.code for problem in result.errors] == ["duplicate-module"] * 2
        assert {problem.place.partition("[")[0].partition(":")[0] for problem in result.errors} == {
            CONTROL,
            f"{VOLUME}/a.yml",
        }

    @pytest.mark.parametrize("gone", ["table", "volume", "delta"])
    def test_one_that_cannot_be_read_removes_nothing_and_does_not_hide_the_others(
        self, read_from_all, workspace, volume, gone
    ):
        read_from_all.ljm("generate")
        before = read_from_all.generated()
        folders = {
            "table": workspace.table_path(CONTROL),
            "volume": volume,
            "delta": read_from_all.path / "data/control",
        }
        folders[gone].rename(folders[gone].parent / "elsewhere")
        result = read_from_all.ljm("validate")
        assert (result.exit_code, result.codes) == (1, ["unreadable"])
        assert read_from_all.ljm("generate").exit_code in (1, 3)
        assert read_from_all.generated() == before

    def test_problems_in_rows_have_their_places(self, read_from_all, workspace):
        write_table(
            workspace.table_path(CONTROL),
            [row("a", "from_table", transformation_config='{"notebook_path": "/a", "max_retry": 1}')],
        )
        (problem,) = read_from_all.ljm("validate").errors
        assert problem.place == f"{CONTROL}[module_name=from_table, source_id=a].transformation_config:1:25"

    def test_a_workspace_without_login_is_told_once_per_source(self, read_from_all, monkeypatch, tmp_path):
        monkeypatch.delenv("DATABRICKS_HOST")
        monkeypatch.delenv("DATABRICKS_TOKEN")
        monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(tmp_path / "none"))
        result = read_from_all.ljm("validate")
        assert sorted(problem.place for problem in result.errors) == [VOLUME, CONTROL]
        assert all("DATABRICKS_HOST" in problem.message for problem in result.errors)


class TestProjectFile:
    @pytest.mark.parametrize(
        ("content", "place", "words"),
        [
            ("metadata:\n  - table: main.etl.t; DROP TABLE x", "job_meta.yml:2:12", "is no name of a table"),
            ("metadata:\n  - table: a.b.c.d", "job_meta.yml:2:12", "is no name of a table"),
            ("metadata:\n  - table: a.", "job_meta.yml:2:12", "is no name of a table"),
            ("metadata:\n  - table: ''", "job_meta.yml:2:12", ""),
            ("metadata:\n  - table: 5", "job_meta.yml:2:12", ""),
            (
                "metadata:\n  - delta: t\n    warehouse_id: abc",
                "job_meta.yml:3:19",
                "only a 'table' or a 'query' is read over",
            ),
            ("metadata:\n  - volume: main/etl/v", "job_meta.yml:2:13", "begins with /Volumes/"),
            ("metadata:\n  - volume: /Volumes/main", "job_meta.yml:2:13", "/Volumes/catalog/schema/volume"),
            ("metadata:\n  - delta: a\n    yaml: b", "job_meta.yml:2:5", "exactly one of"),
            ("metadata:\n  - warehouse_id: a", "job_meta.yml:2:5", "exactly one of"),
            ("metadata:\n  - tabel: a.b.c", "job_meta.yml:2:5", "table"),
            ("metadata:\n  - table: a.b.c\n    warehouse: x", "job_meta.yml:3:5", "warehouse_id"),
            ("metadata:\n  - delta: a\n  - delta: a", "job_meta.yml:2:3", "named twice"),
        ],
    )
    def test_a_mistake_is_told_at_its_place_with_exit_code_2(self, project, content, place, words):
        project.write("job_meta.yml", content)
        result = project.ljm("validate")
        assert result.exit_code == 2
        assert [problem.place for problem in result.errors][:1] == [place]
        assert words in result.errors[0].message


class TestRollback:
    @pytest.fixture
    def changed(self, filled: Terminal, project: ProjectFolder) -> Terminal:
        """The table in version 2, in which `b` is gone, `c` is new, and `a` has another notebook."""
        text = TWO_SOURCES.replace("source_id: b", "source_id: c").replace("/Workspace/a", "/Workspace/other")
        project.write("metadata/a.yml", text)
        assert filled("load", "metadata", "--prune").exit_code == 0
        return filled

    def test_shows_what_it_would_do_and_writes_nothing(self, changed):
        before = changed("show", "--format", "json").stdout

        result = changed("rollback", "sales", "--to", "1", "--dry-run")

        assert (result.exit_code, result.stdout.splitlines()) == (
            0,
            [
                "module 'sales'",
                "  source 'a': changed",
                "    transformation_config.notebook_path: '/Workspace/other' -> '/Workspace/a'",
                "  source 'b': added",
                "    execution_order: 2 (new)",
                "    transformation_config.notebook_path: '/Workspace/b' (new)",
                "    is_active: true (new)",
                "  source 'c': removed",
                "    execution_order: 2 (gone)",
                "    transformation_config.notebook_path: '/Workspace/b' (gone)",
                "    is_active: true (gone)",
            ],
        )
        assert re.fullmatch(
            rf"{changed.name}: 3 rows \(1 added, 1 changed, 1 removed\) would change, as in version 1 of [\d: -]+ UTC"
            r"( by \S+)?\.\n",
            result.stderr,
        )
        assert changed("show", "--format", "json").stdout == before
        assert '"version": 3' not in changed("history", "--format", "json").stdout

    def test_writes_one_commit_and_says_how_it_is_taken_back(self, changed):
        result = changed("rollback", "sales", "--to", "1", "--yes")

        assert result.exit_code == 0
        assert result.stderr.endswith("To take that back: --to 2.\n")
        assert [each["version"] for each in json.loads(changed("history", "--format", "json").stdout)] == [3, 2, 1, 0]
        assert changed("diff", "1").stderr == "0 modules changed.\n"
        again = changed("rollback", "sales", "--to", "1", "--yes")
        assert (again.exit_code, again.stdout) == (0, "")
        assert "nothing to change" in again.stderr

    def test_writes_nothing_where_nobody_can_be_asked(self, changed):
        result = changed("rollback", "sales", "--to", "1")
        assert (result.exit_code, "give --yes" in result.stderr) == (2, True)
        assert '"version": 3' not in changed("history", "--format", "json").stdout

    def test_takes_a_moment_for_the_newest_version_then(self, changed):
        moments = {
            each["version"]: each["timestamp"] for each in json.loads(changed("history", "--format", "json").stdout)
        }

        result = changed("rollback", "sales", "--to", moments[1], "--dry-run")

        assert "as in version 1 of" in result.stderr
        early = changed("rollback", "sales", "--to", "2001-01-01", "--dry-run")
        assert (early.exit_code, "has no version of 2001-01-01 00:00:00 UTC; the oldest is 0, of" in early.stderr) == (
            1,
            True,
        )
        wrong = changed("rollback", "sales", "--to", "yesterday")
        assert (wrong.exit_code, "'yesterday' is neither the number of a version" in wrong.stderr) == (2, True)

    def test_names_what_is_not_there(self, changed):
        for arguments, sentence in (
            (("slaes", "--to", "1"), "has no module 'slaes', neither now nor in version 1; did you mean 'sales'?"),
            (("sales", "--to", "9"), "the oldest version that can be read is 0."),
        ):
            result = changed("rollback", *arguments)
            assert (result.exit_code, sentence in result.stderr) == (1, True), result.stderr

    @pytest.mark.parametrize(("answer", "newest"), [("n", 2), ("y", 3)])
    def test_asks_on_a_terminal(self, changed, project, answer, newest):
        ours, theirs = pty.openpty()
        os.write(ours, f"{answer}\n".encode())
        done = subprocess.run(
            [sys.executable, "-m", "lakeflow_job_meta", "table", "rollback", "sales", "--to", "1", *changed.options],
            cwd=project.path,
            stdin=theirs,
            stderr=theirs,
            stdout=subprocess.PIPE,
            timeout=60,
        )
        shown = os.read(ours, 10_000).decode()
        os.close(theirs)
        os.close(ours)

        assert (done.returncode == 0) is (answer == "y")
        assert "change 3 rows (1 added, 1 changed, 1 removed), as in version 1 of" in shown
        assert json.loads(changed("history", "--format", "json").stdout)[0]["version"] == newest
