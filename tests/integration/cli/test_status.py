"""`ljm status` of all targets of a project: what it shows of each, on a terminal and elsewhere, and as metrics.

What one monitor leaves is in `test_monitor_commands.py`.
"""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from lakeflow_job_meta.config.load import load_project
from lakeflow_job_meta.state.folder import state_folder
from lakeflow_job_meta.state.history import entry_of_row
from lakeflow_job_meta.state.tracking import read_paused
from support.many_bundles import ROOT, SHARED
from support.monitor_fixtures import World, broken_row, module_row
from support.project_folder import ProjectFolder, Result, module

pytest_plugins = ["support.workspace_fixtures", "support.monitor_fixtures"]
pytestmark = pytest.mark.skipif(os.name != "posix", reason="file locks and terminals are those of POSIX")

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
SCHEDULED = '    job_config: {schedule: {quartz_cron_expression: "0 0 6 * * ?", timezone_id: UTC}}\n    sources:'


@pytest.fixture
def files(world: World, environment: dict[str, str], monkeypatch, tmp_path) -> Iterator[World]:
    """A project of files with the targets `dev` and `prod`, in an environment that leads to the workspace."""
    for name, value in {**environment, "PATH": str(tmp_path / "empty"), "NO_PROXY": "127.0.0.1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("DATABRICKS_CLI", raising=False)
    monkeypatch.chdir(world.project.path)
    for name in ("sales", "stock"):
        world.file(name)
    return world


@pytest.fixture
def table(control_table: World, files: World) -> World:
    """The same, reading a control table with the modules `sales` and `stock` instead."""
    return control_table


def tick(world: World, target: str, *arguments: str) -> Result:
    return world.project.ljm("monitor", "-t", target, "--once", "--deployer", "jobs-api", *arguments)


def status(world: World, *arguments: str) -> Result:
    return world.project.ljm("status", *arguments)


def as_object(world: World, *arguments: str) -> dict:
    return json.loads(status(world, *arguments, "--format", "json").stdout)


def by_target(world: World, *arguments: str) -> dict[str, dict]:
    return {each["target"]: each for each in as_object(world, *arguments)["targets"]}


def on_a_terminal(world: World, columns: int, *arguments: str) -> str:
    """What a terminal of so many columns gets."""
    master, slave = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "lakeflow_job_meta", "status", *arguments],
        cwd=world.project.path,
        stdout=slave,
        env={**os.environ, "COLUMNS": str(columns)},
    ) as process:
        os.close(slave)
        parts = []
        while part := _read(master):
            parts.append(part)
        process.wait(60)
    os.close(master)
    return b"".join(parts).decode().replace("\r\n", "\n")


def _read(file: int) -> bytes:
    try:
        return os.read(file, 65536)
    except OSError:  # Linux: nobody has the other end open any more
        return b""


class TestAllTargets:
    def test_have_a_block_each_where_none_is_named(self, files: World):
        tick(files, "dev")
        tick(files, "prod")

        result = status(files)

        assert result.exit_code == 0, result.stdout
        dev, prod = result.stdout.split("\n\n")
        for name, block in (("dev", dev), ("prod", prod)):
            lines = [*map(str.strip, block.splitlines())]
            assert lines[0] == f"Target {name}: all is well."
            assert re.fullmatch(r"Last tick: +2\S+ \S+ UTC \(just now\), deployed, by process \d+ on \S+\.", lines[1])
            assert lines[3:] == ["Deployed:        2 jobs: sales, stock.", "Bundle:          test."]

    def test_are_but_one_where_it_is_named(self, files: World):
        tick(files, "dev")

        assert status(files, "-t", "dev").stdout.startswith("Target dev: all is well.\n")
        assert "prod" not in status(files, "-t", "dev").stdout
        assert [each["target"] for each in as_object(files, "-t", "dev")["targets"]] == ["dev"]

    def test_that_no_monitor_is_for_have_one_line_and_are_no_problem_beside_one_that_has_one(self, files: World):
        tick(files, "prod")

        result = status(files)

        line = (
            "Target dev: no monitor has run for this target yet; `ljm monitor -t dev` starts one. "
            "No job yet; `ljm deploy -t dev` deploys."
        )
        assert (result.stdout.splitlines()[0], result.exit_code) == (line, 0)
        assert status(files, "-t", "dev").exit_code == 1

    def test_without_any_monitor_need_attention_and_say_what_to_do_next(self, files: World):
        result = status(files, "-t", "dev")

        assert result.exit_code == status(files).exit_code == 1
        assert "`ljm monitor -t dev` starts one." in result.stdout
        assert "No job yet; `ljm deploy -t dev` deploys." in result.stdout

    def test_of_which_one_needs_attention_exit_1(self, files: World):
        tick(files, "dev")
        tick(files, "prod")
        files.project.write("metadata/sales.yml", "modules: [{module_name: sales, sources: 5}]\n")
        tick(files, "prod")

        result = status(files)

        assert result.exit_code == 1
        assert [line for line in result.stdout.splitlines() if line.startswith("Target ")] == [
            "Target dev: all is well.",
            "Target prod: needs attention.",
        ]

    def test_are_those_of_a_control_table_too_that_the_bundle_does_not_declare(self, table: World):
        (table.project.path / "databricks.yml").unlink()
        tick(table, "somewhere")
        table.put(broken_row("sales"), broken_row("stock"))
        tick(table, "where_nothing_is_deployed")

        assert [*by_target(table)] == ["somewhere", "where_nothing_is_deployed"]

    def test_of_a_table_in_a_warehouse_are_asked_for_in_few_statements(self, files: World):
        files.table("main.etl.control", files.workspace.warehouse_id)
        files.put(module_row("sales"))
        tick(files, "prod")
        files.workspace.requests.clear()

        found = by_target(files)

        assert (found["prod"]["deployed"]["jobs"], found["dev"]["healthy"]) == (1, False)
        assert len([path for path in files.asked if path.endswith("/sql/statements")]) <= 8

    def test_are_those_with_a_record_on_this_machine_where_no_bundle_declares_any(self, files: World):
        (files.project.path / "databricks.yml").unlink()
        tick(files, "somewhere")

        assert [*by_target(files)] == ["somewhere"]
        assert by_target(files)["somewhere"]["bundles"] == []

    def test_are_those_with_a_record_where_the_bundle_cannot_be_read_and_that_is_said(self, files: World):
        tick(files, "prod")
        files.project.write("databricks.yml", "targets: {prod: {}\n")

        result = status(files)

        assert "Only targets with a record are shown" in result.stderr
        assert "databricks.yml:" in result.stderr
        assert "Target prod: " in result.stdout

    def test_are_in_json_those_below_targets_and_the_default_one_as_before(self, files: World):
        files.project.write(
            "databricks.yml", files.project.read("databricks.yml").replace("prod: {}", "prod: {default: true}")
        )
        tick(files, "prod")

        found = as_object(files)

        assert [each["target"] for each in found["targets"]] == ["dev", "prod"]
        assert {key: value for key, value in found.items() if key != "targets"} == found["targets"][1]


class TestAStateThatCannotBeRead:
    def folder(self, world: World, target: str) -> Path:
        return state_folder(load_project(world.project.path), target)

    def test_is_told_in_one_line_and_does_not_hide_the_others(self, files: World):
        tick(files, "dev")
        tick(files, "prod")
        (self.folder(files, "dev") / "history.json").write_text("{")

        result = status(files)

        dev, prod = result.stdout.split("\n\n")
        assert "\n" not in dev
        assert dev.startswith("Target dev: cannot be read: ")
        assert dev.endswith(
            "history.json' is damaged: it holds no JSON. Restore the file, or move it away to start without these "
            "records."
        )
        assert prod.startswith("Target prod: all is well.\n")
        assert result.exit_code == 1

    def test_is_an_error_in_json_beside_the_whole_state_of_the_others(self, files: World):
        tick(files, "prod")
        (self.folder(files, "dev") / "history.json").write_text("{")

        found = by_target(files)

        assert "is damaged" in found["dev"]["error"]
        assert (found["dev"]["healthy"], found["dev"]["last_tick"], found["dev"]["deployed"]) == (False, None, None)
        assert (found["prod"]["error"], found["prod"]["healthy"]) == (None, True)
        assert found["dev"].keys() == found["prod"].keys()

    def test_of_the_jobs_alone_leaves_what_the_monitor_did(self, files: World):
        tick(files, "dev")
        (self.folder(files, "dev") / "jobs.json").write_text("{")

        result = status(files, "-t", "dev")

        assert result.exit_code == 1
        assert re.search(r"Last tick: .* deployed,", result.stdout)
        assert re.search(r"Deployed: .*jobs\.json' is damaged", result.stdout)

    def test_is_one_line_for_each_target_where_a_table_cannot_be_reached(self, world: World, monkeypatch):
        world.project.write("job_meta.yml", "metadata: [{table: main.etl.control, warehouse_id: abc}]\n")
        for name in ("DATABRICKS_HOST", "DATABRICKS_TOKEN", "DATABRICKS_CONFIG_FILE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("DATABRICKS_HOST", "http://127.0.0.1:9")
        monkeypatch.setenv("DATABRICKS_TOKEN", "token")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")

        result = status(world)

        assert result.exit_code == 1
        assert [line.split(":")[:2] for line in result.stdout.splitlines()] == [
            ["Target dev", " cannot be read"],
            ["Target prod", " cannot be read"],
        ]
        assert "Traceback" not in result.stderr


class TestTables:
    @pytest.fixture
    def troubled(self, table: World) -> World:
        """A module in quarantine, and a job that may not be deleted."""
        tick(table, "dev")
        table.put(broken_row("sales"))
        tick(table, "dev")
        table.put(module_row("third"))
        tick(table, "dev")
        table.remove("stock")
        table.put(module_row("sales"), broken_row("third"))
        tick(table, "dev")
        table.put(module_row("third"))
        tick(table, "dev")
        table.put(broken_row("sales"))
        tick(table, "dev")
        tick(table, "dev")
        return table

    def test_say_since_when_as_the_history_has_it(self, troubled: World):
        history = json.loads(troubled.project.ljm("history", "-t", "dev", "--format", "json").stdout)
        found = as_object(troubled, "-t", "dev")

        (mistaken,), (refused,) = found["quarantined"]["details"], found["refused"]
        assert mistaken["module"] == "sales"
        assert mistaken["since"] == next(each["started"] for each in history if each["quarantined"] == ["sales"])
        assert refused["since"] == [each["started"] for each in history if each["refused"]][-1]
        assert refused["since"] < mistaken["since"]

    def test_tell_why_apart_from_the_way_out(self, troubled: World):
        found = as_object(troubled, "-t", "dev")

        refused = found["refused"][0]
        assert refused["jobs"] == ["stock"]
        assert refused["reason"] == f"{refused['why']} {refused['way_out']}"
        assert found["quarantined"]["details"][0]["errors"] == found["quarantined"]["errors"]
        text = status(troubled, "-t", "dev").stdout
        assert f"  {refused['why']}\n" in text
        assert f"-> {refused['way_out']}\n" in text
        assert "-> Mend that; its job stays as it is until then. `ljm explain bad-json` tells more.\n" in text

    def test_keep_the_mistakes_of_each_module_apart(self, table: World):
        table.put(broken_row("sales"), broken_row("stock"), module_row("third"))
        tick(table, "dev")

        details = as_object(table, "-t", "dev")["quarantined"]["details"]

        assert [each["module"] for each in details] == ["sales", "stock"]
        assert all(len(each["errors"]) == 1 and each["module"] in each["errors"][0] for each in details)

    def test_of_a_history_that_was_written_before_list_the_mistakes_below(self, table: World):
        table.put(broken_row("sales"))
        tick(table, "dev")
        store = table.history[0]
        older = {**json.loads(str(store.as_row()["details"]))}
        assert older.pop("owners") == ["sales"]

        state = entry_of_row({**store.as_row(), "details": json.dumps(older)}).state
        assert state.mistakes() == {"": state.errors}
        assert table.history[0].state.mistakes() == {"sales": state.errors}


class TestOnATerminal:
    @pytest.fixture
    def troubled(self, table: World) -> World:
        tick(table, "dev")
        table.put(broken_row("sales"), broken_row("a_module_with_a_name_that_is_longer_than_the_column"))
        tick(table, "dev")
        return table

    def test_nothing_but_an_address_is_wider_than_it(self, troubled: World):
        for columns in (70, 120):
            lines = COLOUR.sub("", on_a_terminal(troubled, columns, "-t", "dev")).splitlines()
            assert [
                each for each in lines if len(each) > columns and not ("/control" in each or len(each.split()) == 1)
            ] == []
            assert any("WHY, AND THE WAY OUT" in line for line in lines)

    def test_there_are_colours_and_elsewhere_there_are_none(self, troubled: World):
        assert "\x1b[31m\x1b[1mneeds attention" in on_a_terminal(troubled, 100, "-t", "dev")
        assert "\x1b" not in status(troubled, "-t", "dev").stdout

    def test_there_are_no_colours_where_nobody_wants_any(self, troubled: World, monkeypatch):
        monkeypatch.setenv("NO_COLOR", "1")
        assert "\x1b" not in on_a_terminal(troubled, 100, "-t", "dev")

    def test_names_of_wide_letters_are_aligned_too(self, table: World):
        table.put(broken_row("売上"), broken_row("stock"))
        tick(table, "dev")

        lines = status(table, "-t", "dev").stdout.splitlines()

        # Each of these letters takes two cells of a terminal.
        assert any(re.match(r"  売上    2\d{3}-", line) for line in lines)
        assert any(re.match(r"  stock   2\d{3}-", line) for line in lines)

    def test_the_columns_are_aligned_below_each_other(self, troubled: World):
        lines = status(troubled, "-t", "dev").stdout.splitlines()

        header = next(line for line in lines if line.startswith("  MODULE"))
        rows = [line for line in lines if re.match(r"  .*2\d{3}-\d\d-\d\d \d\d:\d\d  ", line) and "etl/control" in line]
        at = header.index("WHY")
        tables = [line for line in rows if "UTC" not in line]
        assert len(tables) == 2
        assert all(line[at - 2 : at] == "  " and line[at] == "/" for line in tables)

    def test_of_many_rows_only_the_first_are_shown_and_where_the_rest_is(self, table: World):
        table.put(*(broken_row(f"m{number:02}") for number in range(25)))
        tick(table, "dev")

        shown = COLOUR.sub("", on_a_terminal(table, 200, "-t", "dev"))

        assert "... and 5 more; `ljm status --format json` has all." in shown
        assert "m24" not in shown
        assert "m24" in status(table, "-t", "dev").stdout


class TestPauses:
    def test_that_stay_in_the_workspace_are_named_until_they_are_ended(self, files: World):
        files.project.write("metadata/sales.yml", module("sales").replace("    sources:", SCHEDULED))
        tick(files, "dev")
        job = files.workspace.jobs.by_name("sales")
        assert as_object(files, "-t", "dev")["paused"] == []

        files.workspace.jobs.edit(job.job_id, schedule={**job.settings["schedule"], "pause_status": "PAUSED"})
        files.file("stock", notebook="/Workspace/other")
        tick(files, "dev")

        assert as_object(files, "-t", "dev")["paused"] == ["sales"]
        assert re.search(
            r"Paused: +sales, in the workspace at the last deployment; `ljm unpause`", status(files).stdout
        )

        assert files.project.ljm("unpause", "sales", "-t", "dev", "--deployer", "jobs-api").exit_code == 0
        assert as_object(files, "-t", "dev")["paused"] == []

    def test_of_new_jobs_are_named_too(self, files: World):
        files.project.write("job_meta.yml", "deploy: {first_pause: true}\n")
        files.project.write("metadata/sales.yml", module("sales").replace("    sources:", SCHEDULED))

        tick(files, "dev")

        assert as_object(files, "-t", "dev")["paused"] == ["sales"]
        assert read_paused(files.state_folder) == ("sales",)


class TestLastRuns:
    @pytest.fixture
    def monitored(self, files: World) -> World:
        tick(files, "dev")
        return files

    def run_of(self, world: World, name: str, **states: object) -> None:
        world.workspace.jobs.will_go(name, states or {"a": "SUCCESS"})  # type: ignore[arg-type]
        world.connection.client().jobs.run_now(world.workspace.jobs.by_name(name).job_id)

    def test_are_asked_for_only_where_they_are_wanted(self, monitored: World):
        monitored.workspace.requests.clear()

        found = as_object(monitored, "-t", "dev")

        assert (found["runs"], found["runs_error"], monitored.asked) == (None, None, [])

    def test_of_each_job_are_in_the_block_of_its_target(self, monitored: World):
        self.run_of(monitored, "sales")

        result = status(monitored, "-t", "dev", "--runs")

        assert result.exit_code == 0, result.stdout
        table = result.stdout.split("Last runs (2 modules, 0 failed):\n")[1]
        assert re.search(r"^  \d{4}-\S+ \S+ +sales +SUCCESS", table, re.MULTILINE)
        assert re.search(r"^ +stock +NEVER RUN", table, re.MULTILINE)

    def test_that_failed_are_told_with_what_failed_and_exit_1(self, monitored: World):
        self.run_of(monitored, "sales", a="FAILED")

        result = status(monitored, "--runs")

        assert result.exit_code == 1
        assert "Target dev: all is well." in result.stdout
        assert "Last runs (2 modules, 1 failed):" in result.stdout
        assert "  Task a: " in result.stdout
        assert [run["failed"] for run in by_target(monitored, "--runs")["dev"]["runs"]] == [True, False]
        assert by_target(monitored, "--runs")["prod"]["runs"] == []

    def test_are_never_looked_up_in_another_workspace_than_that_of_the_target(self, monitored: World):
        text = monitored.project.read("databricks.yml")
        other = "dev: {workspace: {host: https://other.example.com}}"
        monitored.project.write("databricks.yml", text.replace("dev: {}", other))

        result = status(monitored, "-t", "dev", "--runs")

        assert result.exit_code == 1
        assert "Last runs: cannot be asked for: The login is one to http://127.0.0.1" in result.stdout
        assert "Target dev: all is well." in result.stdout
        assert "https://other.example.com" in as_object(monitored, "-t", "dev", "--runs")["runs_error"]


class TestBundles:
    def test_of_a_project_of_many_are_listed_with_their_jobs(self, project: ProjectFolder):
        project.write("job_meta.yml", "bundles: {jobs_per_bundle: 1}\n")
        project.write("databricks.yml", ROOT)
        project.write("shared.yml", SHARED)
        for name in ("sales", "stock"):
            project.write(f"metadata/{name}.yml", module(name))
        assert project.ljm("generate").exit_code == 0

        bundles = json.loads(project.ljm("status", "-t", "dev", "--format", "json").stdout)["bundles"]

        assert [each["jobs"] for each in bundles] == [0, 0]
        assert len({each["name"] for each in bundles}) == 2


class TestMetrics:
    def values(self, path: Path) -> dict[tuple[str, str], float]:
        families = text_string_to_metric_families(path.read_text())
        return {(each.name, each.labels["target"]): each.value for family in families for each in family.samples}

    def test_are_of_all_targets_and_only_of_what_is_known(self, files: World, tmp_path: Path):
        tick(files, "prod")

        result = status(files, "--prometheus", str(tmp_path / "ljm.prom"))

        found = self.values(tmp_path / "ljm.prom")
        assert result.stdout.startswith("Target dev: ")
        assert found["ljm_jobs", "prod"] == 2
        assert found["ljm_healthy", "prod"] == found["ljm_last_tick_success", "prod"] == 1
        assert {name for name, target in found if target == "dev"} == {"ljm_state_readable", "ljm_jobs"}

    def test_of_a_state_that_cannot_be_read_say_so_and_nothing_else(self, files: World, tmp_path: Path):
        folder = state_folder(load_project(files.project.path), "dev")
        (folder / "history.json").write_text("{")

        status(files, "-t", "dev", "--prometheus", str(tmp_path / "ljm.prom"))

        assert self.values(tmp_path / "ljm.prom") == {("ljm_state_readable", "dev"): 0, ("ljm_healthy", "dev"): 0}

    def test_are_renewed_by_each_tick_of_a_monitor_and_agree_with_the_status(self, table: World, tmp_path: Path):
        by_monitor, by_status = tmp_path / "monitor.prom", tmp_path / "status.prom"

        for change in ((), (broken_row("sales"),), (module_row("third"),)):
            table.put(*change)
            tick(table, "dev", "--prometheus", str(by_monitor))
            status(table, "-t", "dev", "--prometheus", str(by_status))
            found = self.values(by_monitor)
            assert found == self.values(by_status)

        assert (found["ljm_quarantined_modules", "dev"], found["ljm_jobs", "dev"]) == (1, 3)

    def test_that_cannot_be_written_do_not_end_a_monitor(self, files: World, tmp_path: Path):
        result = tick(files, "dev", "--prometheus", str(tmp_path / "no" / "ljm.prom"))

        assert result.exit_code == 0
        assert "The metrics cannot be written to" in result.stderr
        assert "Make its folder first." in result.stderr

    def test_cannot_be_written_is_one_sentence_for_the_status(self, files: World, tmp_path: Path):
        result = status(files, "--prometheus", str(tmp_path / "no" / "ljm.prom"))

        assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
        assert "Make its folder first." in result.stderr
