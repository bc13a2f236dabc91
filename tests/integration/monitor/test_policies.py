"""Policies in a monitor: a job that breaks one stays as it is, whoever may write the metadata."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fakes.workspace import Fault, FaultKind
from lakeflow_job_meta import JobOrchestrator, MetadataMonitor
from lakeflow_job_meta.config.load import load_project
from lakeflow_job_meta.errors import ConfigError, InvalidMetadata, OperationFailed
from lakeflow_job_meta.services.adhoc_project import with_policies_file
from support.connections import VOLUME
from support.monitor_fixtures import World, module_row
from support.project_folder import run_here

pytest_plugins = ["support.workspace_fixtures", "support.monitor_fixtures", "fakes.databricks_cli.fixtures"]
pytestmark = pytest.mark.skipif(os.name != "posix", reason="process groups and file locks are those of POSIX")

REVIEWED = 'policies:\n  - {policy: p, allow: {"tasks[*].notebook_task.notebook_path": ["/Workspace/**"]}}\n'


def add_policies(world: World, text: str) -> None:
    world.project.write("job_meta.yml", world.project.read("job_meta.yml") + text)


class TestPoliciesOfTheProject:
    def test_a_job_that_breaks_one_is_in_quarantine_and_the_others_are_deployed(self, deployed: World):
        add_policies(deployed, REVIEWED)
        watching = deployed.monitor()
        deployed.put(module_row("sales", notebook="/Users/me/x"), module_row("stock", notebook="/Workspace/new"))

        tick = watching.tick()

        assert deployed.changes == {"reset": 1}
        assert (deployed.notebook("sales"), deployed.notebook("stock")) == ("/Workspace/sales", "/Workspace/new")
        assert tick.state.broken == ("sales",)
        (told,) = watching.told("quarantined")
        assert "[policy:p]" in told

    @pytest.mark.slow
    def test_a_warning_lets_it_be_deployed(self, deployed: World):
        add_policies(deployed, REVIEWED.replace("}}", "}, severity: warning}"))
        watching = deployed.monitor()
        deployed.put(module_row("sales", notebook="/Users/me/x"))

        assert watching.looks() == "deployed"
        assert deployed.notebook("sales") == "/Users/me/x"

    @pytest.mark.slow
    def test_the_end_of_an_exemption_is_noticed_on_the_day_after_it(self, deployed: World):
        exemption = "exemptions:\n  - {policy: p, modules: [sales], until: 2026-01-31}\n"
        add_policies(deployed, "policies:\n  - {policy: p, where: {module: sales}, require: description}\n" + exemption)
        watching = deployed.monitor()
        assert (watching.tick().state.broken, watching.looks()) == ((), "idle")

        deployed.clock.goes_on(24 * 3600)
        tick = watching.tick()

        assert tick.state.broken == ("sales",)
        assert any("has ended on 2026-01-31" in error for error in tick.state.errors)


class TestAFileOfPolicies:
    @pytest.fixture
    def volume_file(self, volume: Path) -> Path:
        path = volume / "policies.yml"
        path.write_text(REVIEWED, encoding="utf-8")
        return path

    @pytest.fixture
    def control(self, world: World, tmp_path: Path) -> str:
        world.table(str(tmp_path / "etl" / "control"))
        world.put(module_row("sales"), module_row("stock", notebook="/Users/me/x"))
        return str(tmp_path / "etl" / "control")

    @pytest.mark.slow
    def test_a_monitor_without_a_project_keeps_policies_of_a_volume(
        self, world: World, control, volume_file, tmp_path, monkeypatch
    ):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("PATH", str(tmp_path))  # no databricks CLI
        monitor = MetadataMonitor(control, workspace=world.connection, policies=f"{VOLUME}/policies.yml")

        result = monitor.check_and_update()

        assert world.names == ["sales"]
        assert result["quarantined"] == ["stock"]
        assert any("[policy:p]" in error for error in result["errors"])

        volume_file.write_text(REVIEWED.replace("/Workspace/**", "/Users/**"), encoding="utf-8")
        result = monitor.check_and_update()

        assert world.names == ["sales", "stock"]
        assert result["quarantined"] == ["sales"]

    def test_while_its_file_cannot_be_read_nothing_is_deployed(
        self, world: World, control, volume_file, tmp_path, monkeypatch
    ):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("PATH", str(tmp_path))
        monitor = MetadataMonitor(control, workspace=world.connection, policies=f"{VOLUME}/policies.yml")
        world.workspace.faults.add(Fault("*", "/api/2.0/fs/files/*", FaultKind.FORBIDDEN, times=1_000_000))

        result = monitor.check_and_update()

        assert result["outcome"] == "failed"
        assert world.names == []

    def test_an_orchestrator_refuses_what_breaks_one(self, world: World, control, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("PATH", str(tmp_path))
        file = tmp_path / "policies.yml"
        file.write_text(REVIEWED, encoding="utf-8")
        orchestrator = JobOrchestrator(control, workspace=world.connection, policies=file)

        with pytest.raises(InvalidMetadata) as caught:
            orchestrator.create_or_update_job("stock")

        assert [each.code for each in caught.value.diagnostics] == ["policy:p"]
        assert orchestrator.create_or_update_job("sales") > 0

    def test_its_policies_are_added_to_those_of_the_project(self, world: World, tmp_path):
        world.file("sales")
        world.project.write("job_meta.yml", "policies:\n  - {policy: own, require: description}\n")
        file = tmp_path / "more.yml"
        file.write_text(REVIEWED, encoding="utf-8")

        project = with_policies_file(load_project(world.project.path), str(file))

        assert [policy.name for policy in project.policies] == ["own", "p"]

    @pytest.mark.parametrize(
        ("text", "place"),
        [
            ("policies:\n  - {policy: own, require: name}\n", "more.yml:2:14"),
            ("policies:\n  - {policy: p, require: nam}\n", "more.yml:2:26"),
            ("modules: []\n", "more.yml:1:1"),
        ],
    )
    def test_a_mistake_in_it_is_told_at_its_place(self, world: World, tmp_path, text, place):
        world.project.write("job_meta.yml", "policies:\n  - {policy: own, require: description}\n")
        (tmp_path / "more.yml").write_text(text, encoding="utf-8")

        with pytest.raises(ConfigError) as caught:
            with_policies_file(load_project(world.project.path), str(tmp_path / "more.yml"))

        assert str(caught.value.diagnostics[0].location).endswith(place)

    def test_a_file_that_is_not_there_is_an_error(self, world: World, tmp_path):
        with pytest.raises(OperationFailed, match="there is no file"):
            with_policies_file(load_project(world.project.path), str(tmp_path / "nothing.yml"))

    def test_the_command_takes_it_as_an_option(self, world: World, tmp_path):
        (tmp_path / "more.yml").write_text("policies: [{policy: p, requir: name}]\n", encoding="utf-8")

        result = run_here(
            *("--project", str(world.project.path), "monitor", "--once", "--policies", str(tmp_path / "more.yml"))
        )

        assert result.exit_code == 2
        assert "unknown field 'requir'" in result.stderr
