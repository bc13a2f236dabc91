"""What a monitor does with the jobs when metadata changes: everything that is sound and allowed, and nothing else.

Real Delta tables, and a fake workspace that the real SDK talks to; with the databricks CLI where that makes a
difference.
"""

from __future__ import annotations

import os
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.workspace import FakeWorkspace, Fault, FaultKind, SleeplessClock
from lakeflow_job_meta import MetadataManager
from lakeflow_job_meta.monitor.retry import RetryPolicy
from lakeflow_job_meta.tables.schema import RowChanges
from support.connections import VOLUME, connect
from support.examples import examples
from support.monitor_fixtures import World, broken_row, module_row
from support.project_folder import ProjectFolder, module

pytest_plugins = ["support.workspace_fixtures", "support.monitor_fixtures", "fakes.databricks_cli.fixtures"]
pytestmark = pytest.mark.skipif(os.name != "posix", reason="process groups and file locks are those of POSIX")


class TestChanges:
    def test_the_first_look_deploys_everything_and_the_next_nothing(self, control_table: World):
        watching = control_table.monitor()

        assert [watching.looks(), watching.looks()] == ["deployed", "idle"]
        assert control_table.names == ["sales", "stock"]
        assert control_table.changes == {"create": 2}
        assert watching.kinds == ["changed", "deployed"]

    def test_a_changed_row_resets_its_job_alone(self, deployed: World):
        watching = deployed.monitor()
        deployed.put(module_row("stock", notebook="/Workspace/new"))

        tick = watching.tick()

        assert tick.outcome.value == "deployed"
        assert [job.module for job in tick.jobs] == ["stock"]
        assert deployed.notebook("stock") == "/Workspace/new"
        assert deployed.changes == {"reset": 1}

    def test_a_new_module_becomes_a_job(self, deployed: World):
        deployed.put(module_row("new"))

        tick = deployed.monitor().tick()

        assert deployed.changes == {"create": 1}
        (job,) = tick.jobs
        assert (job.module, job.job_id) == ("new", deployed.workspace.jobs.by_name("new").job_id)

    @pytest.mark.slow
    def test_an_inactive_source_takes_its_task_along(self, deployed: World):
        deployed.put(module_row("sales", "b", execution_order=2))
        watching = deployed.monitor()
        watching.tick()
        assert deployed.tasks("sales") == ["a", "b"]

        deployed.put(module_row("sales", "b", execution_order=2, is_active=False))

        assert watching.looks() == "deployed"
        assert deployed.tasks("sales") == ["a"]

    def test_a_module_without_an_active_source_keeps_its_job_as_it_is(self, deployed: World):
        deployed.put(module_row("sales", is_active=False), module_row("stock", notebook="/Workspace/new"))

        tick = deployed.monitor(max_deletes=9).tick()

        assert tick.is_healthy
        assert deployed.changes == {"reset": 1}
        assert deployed.names == ["sales", "stock"]

    @pytest.mark.slow
    def test_the_history_tells_what_was_done_and_from_which_version(self, deployed: World):
        deployed.put(module_row("new"), module_row("sales", notebook="/Workspace/new"))

        deployed.monitor().tick()

        newest, first = deployed.history
        assert (first.created, first.changed, first.deleted) == (2, 0, 0)
        assert (newest.created, newest.changed, newest.deleted) == (1, 1, 0)
        assert newest.metadata_version.endswith("control@2")
        assert newest.outcome.value == "deployed"


class TestDeletions:
    def test_one_that_nobody_has_allowed_is_held_back_and_the_rest_goes_on(self, deployed: World):
        deployed.remove("sales")
        deployed.put(module_row("stock", notebook="/Workspace/new"), module_row("new"))
        watching = deployed.monitor()

        tick = watching.tick()

        assert deployed.changes == {"create": 1, "reset": 1}
        assert deployed.names == ["new", "sales", "stock"]
        assert not tick.is_healthy
        (refused,) = watching.told("refused")
        assert "would delete 1 job ('sales'); 0 allowed" in refused
        assert "--max-deletes 1" in refused
        assert [refusal.jobs for refusal in deployed.history[0].state.refused] == [("sales",)]

    @pytest.mark.slow
    def test_it_is_told_once_and_looked_at_again_only_after_a_long_while(self, deployed: World):
        deployed.remove("sales")
        watching = deployed.monitor()
        assert watching.looks() == "refused"
        watching.events.clear()

        assert watching.looks() == "idle"
        deployed.clock.goes_on(901)
        assert watching.looks() == "refused"

        assert watching.kinds == []
        assert len(deployed.history) == 2

    def test_one_that_is_allowed_waits_for_the_next_tick_in_case_the_module_is_being_moved(self, deployed: World):
        deployed.remove("sales")
        watching = deployed.monitor(max_deletes=1)

        tick = watching.tick()

        assert tick.is_healthy
        assert deployed.names == ["sales", "stock"]
        assert watching.told("waiting") == ["'sales' left the metadata; deleted by the next tick unless it comes back."]
        assert watching.looks() == "deployed"
        assert deployed.changes == {"delete": 1}
        assert deployed.history[0].deleted == 1

    @pytest.mark.slow
    def test_more_than_are_allowed_are_held_back_together(self, deployed: World):
        deployed.put(module_row("third"))
        watching = deployed.monitor(max_deletes=1)
        watching.tick()
        deployed.remove("sales", "stock")

        watching.tick()

        assert deployed.names == ["sales", "stock", "third"]
        assert "would delete 2 jobs" in "".join(watching.told("refused"))

    @pytest.mark.slow
    def test_allowing_it_at_the_next_start_lets_it_through(self, deployed: World):
        deployed.remove("sales")
        assert deployed.monitor().looks() == "refused"

        watching = deployed.monitor(max_deletes=1)

        assert watching.looks() == "deployed"
        assert deployed.names == ["stock"]
        assert watching.told("healed") == ["Nothing is refused any more."]

    @pytest.mark.slow
    def test_allowing_it_in_the_project_file_needs_no_restart(self, deployed: World):
        watching = deployed.monitor(max_deletes=None)
        deployed.remove("sales")
        assert watching.looks() == "refused"
        text = deployed.project.read("job_meta.yml")

        deployed.project.write("job_meta.yml", text + "deploy: {max_deletes: 1}\n")
        assert watching.looks() == "deployed"
        assert deployed.names == ["stock"]

        deployed.project.write("job_meta.yml", text + "deploy: {max_deletes: 0}\n")
        deployed.put(module_row("new"))
        watching.tick()
        deployed.remove("new")
        assert watching.looks() == "refused"

    @pytest.mark.slow
    def test_a_module_that_comes_back_is_no_refusal_any_more(self, deployed: World):
        watching = deployed.monitor()
        deployed.remove("sales")
        watching.tick()
        deployed.put(module_row("sales"))

        tick = watching.tick()

        assert tick.is_healthy
        assert deployed.changes == {}
        assert "Nothing is refused any more." in watching.told("healed")

    @pytest.mark.parametrize("max_deletes", [0, 100])
    def test_a_table_that_was_emptied_deletes_nothing_whatever_is_allowed(self, deployed: World, max_deletes):
        watching = deployed.monitor(max_deletes=max_deletes)
        deployed.remove("sales", "stock")

        tick = watching.tick()

        assert deployed.names == ["sales", "stock"]
        assert not tick.is_healthy
        assert "holds no module, so 2 jobs ('sales', 'stock') stay" in "".join(watching.told("refused"))

    def test_with_the_cli_files_that_are_all_gone_delete_nothing_and_that_is_said_in_the_same_words(
        self, with_cli: World
    ):
        watching = with_cli.monitor("cli", max_deletes=100)
        for name in ("sales", "stock"):
            (with_cli.project.path / f"metadata/{name}.yml").unlink()

        watching.tick()

        assert with_cli.names == ["sales", "stock"]
        assert "holds no module, so 2 jobs ('sales', 'stock') stay." in "".join(watching.told("refused"))

    def test_with_the_cli_job_and_file_stay_and_the_rest_goes_on_until_it_is_allowed(self, with_cli: World):
        (with_cli.project.path / "metadata/sales.yml").unlink()
        with_cli.file("stock", "/Workspace/new")
        watching = with_cli.monitor("cli")

        tick = watching.tick()

        assert tick.outcome.value == "deployed"
        assert with_cli.changes == {"reset": 1}
        assert with_cli.names == ["sales", "stock"]
        assert sorted(with_cli.project.generated()) == ["jobs/sales.yml", "jobs/stock.yml"]
        assert "1 job ('sales') left the metadata" in "".join(watching.told("refused"))

        assert with_cli.monitor("cli", max_deletes=1).looks() == "deployed"
        assert with_cli.changes == {"delete": 1}
        assert sorted(with_cli.project.generated()) == ["jobs/stock.yml"]

    @pytest.mark.slow
    def test_with_the_cli_a_folder_that_was_emptied_deletes_nothing_whatever_is_allowed(self, with_cli: World):
        for path in (with_cli.project.path / "metadata").iterdir():
            path.unlink()
        watching = with_cli.monitor("cli", max_deletes=100)

        assert not watching.tick().is_healthy

        assert with_cli.names == ["sales", "stock"]
        assert sorted(with_cli.project.generated()) == ["jobs/sales.yml", "jobs/stock.yml"]
        assert "--allow-empty --max-deletes 2" in "".join(watching.told("refused"))


class TestQuarantine:
    def test_a_broken_row_keeps_its_job_and_the_others_are_deployed(self, deployed: World):
        watching = deployed.monitor(max_deletes=9)
        deployed.put(broken_row("sales"), module_row("stock", notebook="/Workspace/new"))

        tick = watching.tick()

        assert deployed.changes == {"reset": 1}
        assert deployed.notebook("sales") == "/Workspace/sales"
        assert tick.state.broken == ("sales",)
        assert not tick.is_healthy
        (told,) = watching.told("quarantined")
        assert "module_name=sales" in told

    @pytest.mark.slow
    def test_it_is_told_once_and_stays_in_the_history(self, deployed: World):
        watching = deployed.monitor()
        deployed.put(broken_row("sales"))
        watching.tick()
        watching.events.clear()

        deployed.put(module_row("stock", notebook="/Workspace/new"))
        watching.tick()

        assert watching.kinds == ["changed", "deployed"]
        assert [entry.state.broken for entry in deployed.history] == [("sales",), ("sales",), ()]

    @pytest.mark.slow
    def test_it_is_told_once_although_the_monitor_was_started_again(self, deployed: World):
        deployed.put(broken_row("sales"))
        deployed.monitor().tick()
        deployed.put(module_row("stock", notebook="/Workspace/new"))

        watching = deployed.monitor()
        watching.tick()

        assert watching.kinds == ["changed", "deployed"]

    def test_a_repaired_row_heals_by_itself(self, deployed: World):
        watching = deployed.monitor()
        deployed.put(broken_row("sales"))
        watching.tick()

        deployed.put(module_row("sales", notebook="/Workspace/mended"))
        tick = watching.tick()

        assert tick.is_healthy
        assert deployed.notebook("sales") == "/Workspace/mended"
        assert watching.told("healed") == ["'sales' is without mistakes again, or gone."]

    @pytest.mark.slow
    def test_many_mistakes_are_counted_and_not_all_told(self, deployed: World):
        watching = deployed.monitor()
        deployed.put(*(broken_row(f"m{number}") for number in range(60)))

        tick = watching.tick()

        told = watching.told("quarantined")
        assert len(told) == 51
        assert told[-1] == "And 10 more; see `ljm status`."
        assert len(tick.state.broken) == 60

    @pytest.mark.slow
    def test_broken_files_and_files_in_the_way_keep_what_is_there(self, with_cli: World):
        by_hand = with_cli.project.write("resources/jobs/new.yml", "resources: {}\n")
        before = with_cli.project.read("resources/jobs/sales.yml")
        with_cli.project.write("metadata/sales.yml", "modules: [")
        with_cli.file("new")
        with_cli.file("stock", "/Workspace/new")

        tick = with_cli.monitor("cli", max_deletes=9).tick()

        assert with_cli.changes == {"reset": 1}
        assert with_cli.project.read("resources/jobs/sales.yml") == before
        assert by_hand.read_text() == "resources: {}\n"
        assert tick.state.broken[0] == "metadata/sales.yml"
        assert tick.state.broken[1].startswith("metadata/new.yml:")


class TestHandEdits:
    @pytest.mark.slow
    def test_with_the_cli_an_edited_job_stays_until_the_edit_may_be_overwritten(self, with_cli: World):
        with_cli.workspace.jobs.edit(with_cli.workspace.jobs.by_name("sales").job_id, max_concurrent_runs=7)
        with_cli.file("stock", "/Workspace/new")
        watching = with_cli.monitor("cli")

        tick = watching.tick()

        assert with_cli.changes == {"reset": 1}
        assert with_cli.notebook("stock") == "/Workspace/new"
        assert with_cli.workspace.jobs.by_name("sales").settings["max_concurrent_runs"] == 7
        (refused,) = watching.told("refused")
        assert "sales: max_concurrent_runs is 7" in refused
        assert [refusal.jobs for refusal in tick.state.refused] == [("sales",)]

        assert with_cli.monitor("cli", overwriting=True).tick().is_healthy
        assert with_cli.changes == {"reset": 1}
        assert with_cli.workspace.jobs.by_name("sales").settings.get("max_concurrent_runs", 1) == 1

    def test_through_the_jobs_api_an_edited_job_stays_and_the_others_are_deployed(self, deployed: World):
        deployed.workspace.jobs.edit(deployed.workspace.jobs.by_name("sales").job_id, max_concurrent_runs=7)
        deployed.put(module_row("stock", notebook="/Workspace/new"))
        watching = deployed.monitor()

        tick = watching.tick()

        assert deployed.changes == {"reset": 1}
        assert deployed.notebook("stock") == "/Workspace/new"
        assert deployed.workspace.jobs.by_name("sales").settings["max_concurrent_runs"] == 7
        assert [refusal.jobs for refusal in tick.state.refused] == [("sales",)]
        assert "sales: max_concurrent_runs is 7" in "".join(watching.told("refused"))

    def test_that_are_secrets_are_in_no_event_and_not_in_the_history(self, deployed: World):
        notebook = {"notebook_path": "/Workspace/sales", "base_parameters": {"db_password": "{{secrets/etl/db}}"}}
        deployed.put(module_row("sales", transformation_config=notebook))
        watching = deployed.monitor()
        watching.tick()
        edited = notebook | {"base_parameters": {"db_password": "hunter2"}}
        job = deployed.workspace.jobs.by_name("sales")
        deployed.workspace.jobs.edit_task(job.job_id, "a", notebook_task=edited)
        deployed.put(module_row("stock", notebook="/Workspace/new"))

        tick = watching.tick()

        (told,) = watching.told("refused")
        assert "base_parameters.db_password is '***'" in told
        assert "hunter2" not in f"{watching.events} {tick} {[entry.as_row() for entry in deployed.history]}"

    def test_a_secret_in_metadata_is_in_nothing_that_a_monitor_tells(self, deployed: World):
        notebook = {"notebook_path": "/Workspace/sales", "base_parameters": {"db_password": "hunter2"}}
        deployed.put(module_row("sales", transformation_config=notebook))
        watching = deployed.monitor()

        tick = watching.tick()

        assert "secret-in-metadata" in str(watching.events)
        assert deployed.changes == {}
        assert "hunter2" not in f"{watching.events} {tick} {[entry.as_row() for entry in deployed.history]}"


BRAND_NEW = """\
modules:
  - module_name: {}
    sources:
      - source_id: a
        execution_order: 1
        transformation_config: {{notebook_path: /Workspace/new, brand_new: 1}}
"""


class TestJobsThatTheCliFindsFaultWith:
    @pytest.fixture
    def lenient(self, with_cli: World) -> World:
        """A project that takes a setting for a new one, of which the CLI knows nothing either."""
        with_cli.project.write("job_meta.yml", "allow_unknown: [task.brand_new]\n")
        with_cli.monitor("cli").tick()
        with_cli.changes.clear()
        return with_cli

    def test_jobs_that_the_cli_finds_fault_with_stay_in_quarantine_and_the_others_are_deployed(self, lenient: World):
        lenient.project.write("metadata/sales.yml", BRAND_NEW.format("sales"))
        lenient.project.write("metadata/more.yml", BRAND_NEW.format("more"))
        lenient.file("stock", "/Workspace/new")
        watching = lenient.monitor("cli")

        tick = watching.tick()

        assert lenient.changes == {"reset": 1}
        assert (lenient.names, lenient.notebook("stock")) == (["sales", "stock"], "/Workspace/new")
        assert sorted(tick.state.broken) == ["more", "sales"]
        assert tick.outcome.value == "deployed"
        assert "metadata/sales.yml" in "".join(watching.told("quarantined"))
        assert "jobs/more.yml" not in lenient.project.generated()
        assert watching.looks() == "idle"

    @pytest.mark.slow
    def test_jobs_that_the_cli_finds_fault_with_are_deployed_once_they_are_repaired(self, lenient: World):
        lenient.project.write("metadata/sales.yml", BRAND_NEW.format("sales"))
        watching = lenient.monitor("cli")
        watching.tick()

        lenient.file("sales", "/Workspace/there")

        assert watching.tick().is_healthy
        assert lenient.notebook("sales") == "/Workspace/there"
        assert "healed" in watching.kinds


TARGETS = module("sales").replace("    sources:", "    targets: [prod]\n    sources:")


class TestModulesThatLeaveTheTarget:
    @pytest.mark.slow
    def test_with_the_cli_the_job_is_held_back(self, with_cli: World):
        with_cli.project.write("metadata/sales.yml", TARGETS)
        with_cli.file("stock", "/Workspace/new")
        watching = with_cli.monitor("cli")

        watching.tick()

        assert with_cli.changes == {"reset": 1}
        assert with_cli.names == ["sales", "stock"]
        assert "would delete 1 job ('sales'); 0 allowed" in "".join(watching.told("refused"))

    def test_through_the_jobs_api_the_job_is_held_back(self, world: World):
        world.file("sales")
        world.file("stock")
        watching = world.monitor()
        watching.tick()
        world.changes  # noqa: B018

        world.project.write("metadata/sales.yml", TARGETS)
        world.file("stock", "/Workspace/new")
        watching.tick()

        assert world.changes == {"reset": 1}
        assert world.names == ["sales", "stock"]
        assert "would delete 1 job ('sales'); 0 allowed" in "".join(watching.told("refused"))


class TestSourcesThatCannotBeRead:
    def test_a_dropped_table_is_an_error_and_deletes_nothing(self, deployed: World, tmp_path: Path):
        watching = deployed.monitor(max_deletes=100)
        watching.tick()
        watching.events.clear()
        shutil.rmtree(tmp_path / "etl" / "control")

        tick = watching.tick()

        assert tick.outcome.value == "failed"
        assert "control" in tick.failure
        assert watching.kinds == ["failed"]
        assert watching.looks() == "failed"
        assert watching.kinds == []
        assert deployed.changes == {}

    @pytest.mark.slow
    def test_one_that_was_made_again_is_noticed_although_its_version_is_lower(self, deployed: World, tmp_path: Path):
        watching = deployed.monitor()
        for number in range(3):
            deployed.put(module_row("sales", notebook=f"/Workspace/{number}"))
            watching.tick()
        before = deployed.history[0].metadata_version
        shutil.rmtree(tmp_path / "etl" / "control")
        manager = MetadataManager(str(tmp_path / "etl" / "control"))
        manager.ensure_exists()
        manager.table.write(RowChanges([module_row("sales", notebook="/Workspace/again"), module_row("stock")], ()))

        tick = watching.tick()

        assert (before[-2:], deployed.history[0].metadata_version[-2:]) == ("@4", "@1")
        assert tick.outcome.value == "deployed"
        assert deployed.notebook("sales") == "/Workspace/again"

    def test_one_made_again_at_the_very_same_version_is_noticed(self, deployed: World, tmp_path: Path):
        watching = deployed.monitor()
        watching.tick()
        shutil.rmtree(tmp_path / "etl" / "control")
        manager = MetadataManager(str(tmp_path / "etl" / "control"))
        manager.ensure_exists()
        manager.table.write(RowChanges([module_row("sales", notebook="/Workspace/again"), module_row("stock")], ()))

        assert watching.looks() == "deployed"
        assert deployed.notebook("sales") == "/Workspace/again"

    def test_a_volume_that_cannot_be_listed_is_an_error_of_its_own(self, world: World, volume: Path):
        world.project.write("job_meta.yml", f"metadata: [{{yaml: metadata}}, {{volume: {VOLUME}}}]\n")
        (volume / "sales.yml").write_text(module("sales"))
        world.file("stock")
        watching = world.monitor(max_deletes=9)
        watching.tick()
        assert world.changes == {"create": 2}

        world.file("stock", "/Workspace/new")
        world.workspace.faults.add(Fault("GET", "/api/2.0/fs/directories*", FaultKind.FORBIDDEN, times=99))
        tick = watching.tick()

        assert tick.outcome.value == "failed"
        assert tick.failure.startswith(f"{VOLUME}: ")
        assert world.changes == {"reset": 1}
        assert world.names == ["sales", "stock"]

    def test_it_heals_when_the_volume_is_back(self, world: World, volume: Path):
        world.project.write("job_meta.yml", f"metadata: [{{volume: {VOLUME}}}]\n")
        (volume / "sales.yml").write_text(module("sales"))
        watching = world.monitor()
        watching.tick()
        world.workspace.faults.add(Fault("GET", "/api/2.0/fs/directories*", FaultKind.FORBIDDEN, times=1))
        assert watching.looks() == "failed"
        (volume / "sales.yml").write_text(module("sales", notebook="/Workspace/new"))

        tick = watching.tick()

        assert (tick.outcome.value, tick.is_healthy) == ("deployed", True)
        assert world.notebook("sales") == "/Workspace/new"
        assert watching.told("healed") == ["What had failed works again."]


# Whatever happens -------------------------------------------------------------------------------------------------

events = st.tuples(
    st.sampled_from(["edit", "break", "remove", "go down", "come back", "restart", "edit in between", "moved clock"]),
    st.sampled_from(["sales", "stock", "new"]),
)


@settings(max_examples=examples(12))
@given(st.lists(events, max_size=8))
def test_whatever_happens_sound_modules_become_their_jobs_and_no_job_is_ever_lost(tmp_path_factory, happened):
    folder = tmp_path_factory.mktemp("world")
    with FakeWorkspace(folder / "workspace") as workspace:
        world = World(ProjectFolder(folder / "project"), workspace, connect(workspace, SleeplessClock()))
        world.table(str(folder / "etl" / "control"))
        watching = world.monitor()
        wanted: dict[str, str] = {}
        broken: set[str] = set()

        def edit(name: str, notebook: str) -> None:
            world.put(module_row(name, notebook=notebook))
            wanted[name] = notebook
            broken.discard(name)

        def edit_once(name: str, notebook: str) -> None:
            world.after_reading = lambda: None
            edit(name, notebook)

        for number, (what, name) in enumerate(happened):
            if what == "edit":
                edit(name, f"/Workspace/{number}")
            elif what == "break":
                world.put(broken_row(name))
                broken.add(name)
                wanted.pop(name, None)
            elif what == "remove":
                world.remove(name)
                wanted.pop(name, None)
                broken.discard(name)
            elif what == "go down":
                world.goes_down()
            elif what == "come back":
                world.comes_back()
            elif what == "restart":
                watching = world.monitor()
            elif what == "moved clock":
                world.clock.wall -= timedelta(days=2)
            else:
                world.after_reading = lambda name=name, number=number: edit_once(name, f"/Workspace/{number}")
            jobs_before = {*world.names}
            watching.tick()
            assert jobs_before <= {*world.names}
            world.clock.goes_on(60)

        world.comes_back()
        world.after_reading = lambda: None
        for _ in range(3):
            world.clock.goes_on(RetryPolicy().longest_seconds + 1)
            tick = watching.tick()

        assert {name: world.notebook(name) for name in wanted} == wanted
        assert {*tick.state.broken} == broken
        assert tick.failure == tick.state.failure == ""
        world.workspace.requests.clear()
        assert world.monitor().tick().outcome.value in ("idle", "refused")
        assert world.changes.get("delete", 0) == 0
        started = [entry.started for entry in world.history]
        assert started == sorted(set(started), reverse=True)
