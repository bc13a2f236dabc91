"""When a monitor finds something to do: whenever metadata has changed, and never otherwise.

Real Delta tables, files and volumes, and a fake workspace; the clock is the test's own.
"""

from __future__ import annotations

import os
import shutil
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.workspace import Fault, FaultKind
from lakeflow_job_meta.errors import OperationFailed
from lakeflow_job_meta.monitor.retry import RetryPolicy
from lakeflow_job_meta.sources.fingerprints import SETTLING_SECONDS, FileFingerprints
from lakeflow_job_meta.sources.volume import MountedFiles
from support.connections import CONTROL, VOLUME
from support.monitor_fixtures import World, module_row
from support.project_folder import module
from support.slow import few

pytest_plugins = ["support.workspace_fixtures", "support.monitor_fixtures"]
FIRST, LONGEST = RetryPolicy().first_seconds, RetryPolicy().longest_seconds
pytestmark = pytest.mark.skipif(os.name != "posix", reason="file locks are those of POSIX")

STATEMENTS = "/api/2.0/sql/statements"


class TestNothingHasChanged:
    def test_after_a_restart_too_nothing_is_asked_and_nothing_is_written(self, deployed: World):
        before = deployed.project.everything()
        watching = deployed.monitor()

        assert watching.looks() == "idle"

        assert deployed.asked == []
        assert watching.kinds == []
        assert len(deployed.history) == 1
        new = {name for name, content in deployed.project.everything().items() if before.get(name) != content}
        assert new == {".lakeflow-job-meta/dev/monitor.json"}

    def test_a_warehouse_is_asked_one_statement(self, world: World):
        world.table(CONTROL, world.workspace.warehouse_id)
        world.put(module_row("sales"))
        watching = world.monitor()
        assert watching.looks() == "deployed"
        world.asked  # noqa: B018

        assert watching.looks() == "idle"

        assert world.asked == [STATEMENTS]

    def test_a_monitor_that_starts_again_asks_a_warehouse_for_its_history_and_writes_nothing(self, world: World):
        world.table(CONTROL, world.workspace.warehouse_id)
        world.put(module_row("sales"))
        world.monitor().tick()
        world.workspace.requests.clear()

        assert world.monitor().looks() == "idle"

        assert {call.path for call in world.workspace.calls()} == {STATEMENTS}
        assert world.workspace.calls(body_contains="MERGE") == []

    def test_a_commit_that_changes_no_job_is_recorded_and_not_deployed(self, deployed: World):
        watching = deployed.monitor()
        deployed.put(module_row("sales", source_config={"path": "/new"}))

        assert watching.looks() == "unchanged"

        assert deployed.asked == []
        assert watching.kinds == ["changed", "unchanged"]
        assert [entry.outcome.value for entry in deployed.history] == ["unchanged", "deployed"]
        assert deployed.history[0].metadata_version.endswith("@2")
        assert watching.looks() == "idle"

    def test_a_log_in_the_project_does_not_wake_it(self, deployed: World):
        watching = deployed.monitor()
        watching.tick()

        deployed.project.write("monitor.log", "a line")

        assert watching.looks() == "idle"


def test_other_options_count_as_a_change(deployed: World):
    deployed.monitor().tick()

    tick = deployed.monitor(max_deletes=1).tick()

    assert tick.changed_sources == ("version and options of this tool",)
    assert tick.outcome.value == "unchanged"
    assert deployed.changes == {}
    assert deployed.monitor(max_deletes=1).looks() == "idle"


class TestEditsDuringTheWork:
    def test_one_after_the_version_was_asked_is_looked_at_again(self, deployed: World):
        watching = deployed.monitor()
        deployed.put(module_row("sales", notebook="/Workspace/1"))
        edits = iter([lambda: deployed.put(module_row("sales", notebook="/Workspace/2"))])
        deployed.before_reading = lambda: next(edits, lambda: None)()

        watching.tick()

        assert watching.looks() == "unchanged"
        assert deployed.notebook("sales") == "/Workspace/2"

    def test_one_after_the_metadata_was_read_is_deployed_by_the_next_look(self, deployed: World):
        watching = deployed.monitor()
        deployed.put(module_row("sales", notebook="/Workspace/1"))
        edits = iter([lambda: deployed.put(module_row("sales", notebook="/Workspace/2"))])
        deployed.after_reading = lambda: next(edits, lambda: None)()

        watching.tick()
        assert deployed.notebook("sales") == "/Workspace/1"

        assert watching.looks() == "deployed"
        assert deployed.notebook("sales") == "/Workspace/2"


class TestFiles:
    @pytest.fixture
    def watched(self, world: World) -> World:
        world.file("sales", "/Workspace/1")
        return world

    @pytest.mark.parametrize("rest", [0.0, 60.0], ids=["at once", "long afterwards"])
    def test_an_edit_that_leaves_size_and_time_is_noticed(self, watched: World, rest):
        path = watched.project.path / "metadata/sales.yml"
        found = path.stat()
        watching = watched.monitor()
        watching.tick()
        for _ in range(2):
            watched.clock.goes_on(rest)
            assert watching.looks() == "idle"

        watched.file("sales", "/Workspace/2")
        os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))

        assert (path.stat().st_size, path.stat().st_mtime_ns) == (found.st_size, found.st_mtime_ns)
        assert watching.looks() == "deployed"
        assert watched.notebook("sales") == "/Workspace/2"

    def test_a_file_that_is_touched_and_not_edited_is_no_change(self, watched: World):
        watching = watched.monitor()
        watching.tick()
        os.utime(watched.project.path / "metadata/sales.yml", (1, 1))

        assert watching.looks() == "idle"

    def test_a_new_file_and_a_renamed_one_are_noticed(self, watched: World):
        watching = watched.monitor()
        watching.tick()
        watched.file("stock")
        assert watching.looks() == "deployed"

        (watched.project.path / "metadata/stock.yml").rename(watched.project.path / "metadata/other.yml")
        assert watching.looks() == "unchanged"

    def test_files_that_are_deployed_along_are_noticed(self, watched: World):
        watched.project.write("src/load.py", "# Databricks notebook source\n")
        watched.file("sales", "src/load.py")
        watching = watched.monitor()
        watching.tick()

        watched.project.write("src/load.py", "# Databricks notebook source\nprint(1)\n")
        tick = watching.tick()

        assert tick.outcome.value == "deployed"
        assert tick.changed_sources == ("files of the project",)
        (content,) = (watched.workspace.tree.read(path) for path in watched.workspace.tree.paths() if "/load" in path)
        assert b"print(1)" in content

    def test_resources_written_by_hand_are_noticed_beside_the_generated_ones(self, watched: World):
        watching = watched.monitor()
        watching.tick()

        watched.project.write("resources/by_hand.yml", "resources: {}\n")

        assert watching.tick().changed_sources == ("files of the project",)

    def test_a_project_file_that_is_broken_is_told_once_and_heals_when_it_is_mended(self, watched: World):
        watching = watched.monitor()
        watching.tick()
        watching.events.clear()
        watched.project.write("job_meta.yml", "metdata: []\n")

        assert [watching.looks(), watching.looks()] == ["failed", "failed"]
        assert watching.kinds == ["failed"]

        watched.project.write("job_meta.yml", "defaults: {job: {max_concurrent_runs: 3}}\n")
        assert watching.looks() == "deployed"
        assert "healed" in watching.kinds
        assert watched.workspace.jobs.by_name("sales").settings["max_concurrent_runs"] == 3

    def test_one_that_is_put_back_as_it_was_heals_without_a_deployment(self, watched: World):
        watching = watched.monitor()
        watching.tick()
        watching.events.clear()
        path = watched.project.write("job_meta.yml", "metdata: []\n")
        watching.tick()

        path.unlink()

        assert watching.looks() == "idle"
        assert watching.kinds == ["failed", "healed"]

    def test_a_broken_file_whose_name_is_no_text_is_told_and_remembered(self, watched: World):
        name = os.fsdecode(b"metadata/b\xff.yml")
        (watched.project.path / name).write_text("modules: [")
        watching = watched.monitor()

        tick = watching.tick()

        assert len(tick.state.broken) == 1
        assert watched.names == ["sales"]
        assert len(watched.history) == 1
        assert watching.looks() == "idle"


class TestTheWallClock:
    @pytest.mark.slow
    def test_moved_back_it_changes_no_order(self, deployed: World):
        watching = deployed.monitor()
        for number, hours in enumerate([-5, 3, -48]):
            deployed.clock.wall += timedelta(hours=hours)
            deployed.put(module_row("sales", notebook=f"/Workspace/{number}"))
            assert watching.looks() == "deployed"

        versions = [entry.metadata_version[-2:] for entry in deployed.history]

        assert versions == ["@4", "@3", "@2", "@1"]
        assert deployed.monitor().looks() == "idle"


class TestFailures:
    @pytest.fixture
    def down(self, deployed: World) -> World:
        """The workspace is down, and there is something to deploy."""
        deployed.goes_down()
        deployed.put(module_row("sales", notebook="/Workspace/1"))
        return deployed

    def test_one_is_told_once_and_heals_when_the_workspace_is_back(self, down: World):
        watching = down.monitor()
        for _ in range(3):
            assert watching.looks() == "failed"
            down.clock.goes_on(10_000)
        assert watching.kinds == ["changed", "failed"]

        down.comes_back()

        assert watching.looks() == "deployed"
        assert watching.kinds == ["deployed", "healed"]
        assert down.notebook("sales") == "/Workspace/1"

    def test_it_is_tried_again_later_each_time_and_never_at_the_same_moment_for_all(self, down: World):
        watching = down.monitor()
        waits = []
        for _ in range(12):
            tick = watching.tick()
            assert tick.outcome.value == "failed"
            assert tick.retry_seconds is not None
            waits.append(tick.retry_seconds)
            down.clock.goes_on(tick.retry_seconds)

        longest = [min(FIRST * 2**number, LONGEST) for number in range(12)]
        assert all(most / 2 <= wait <= most for wait, most in zip(waits, longest, strict=True))
        assert len({wait / most for wait, most in zip(waits, longest, strict=True)}) > 6

    def test_it_is_not_tried_before_its_time(self, down: World):
        watching = down.monitor()
        watching.tick()
        down.asked  # noqa: B018
        down.clock.goes_on(FIRST / 2 - 1)

        tick = watching.tick()

        assert tick.outcome.value == "idle"
        assert not tick.is_healthy
        assert down.asked == []
        assert watching.monitor.retry.failures_in_a_row == 1

    @pytest.mark.slow
    def test_a_change_of_metadata_is_tried_at_once(self, down: World):
        watching = down.monitor()
        watching.tick()
        down.comes_back()

        down.put(module_row("sales", notebook="/Workspace/2"))

        assert watching.looks() == "deployed"
        assert down.notebook("sales") == "/Workspace/2"

    @pytest.mark.slow
    def test_after_failures_a_restart_tries_at_once(self, down: World):
        down.monitor().tick()
        down.comes_back()

        assert down.monitor().looks() == "deployed"

    @pytest.mark.slow
    def test_a_source_that_stays_away_does_not_put_off_what_is_due(self, deployed: World):
        text = deployed.project.read("job_meta.yml")
        deployed.project.write("job_meta.yml", text.replace("[{", "[{yaml: away}, {"))
        deployed.goes_down()
        deployed.put(module_row("sales", notebook="/Workspace/1"))
        watching = deployed.monitor()
        for _ in range(8):
            watching.tick()
            deployed.clock.goes_on(60)
        deployed.comes_back()

        for _ in range(20):
            watching.tick()
            deployed.clock.goes_on(60)

        assert deployed.notebook("sales") == "/Workspace/1"

    def test_a_history_that_cannot_be_written_is_told_once_and_makes_no_job_twice(self, world: World):
        world.file("sales")
        in_the_way = world.state_folder / f"history.json-{os.getpid()}.tmp"
        in_the_way.mkdir()
        watching = world.monitor()

        outcomes = []
        for _ in range(10):
            outcomes.append(watching.looks())
            world.clock.goes_on(60)

        assert len(watching.told("failed")) == 1
        assert watching.told("healed") == []
        assert watching.monitor.retry.failures_in_a_row == outcomes.count("failed") > 2
        assert "idle" in outcomes
        assert world.changes == {"create": 1}
        in_the_way.rmdir()
        world.clock.goes_on(LONGEST)
        assert watching.looks() != "failed"
        assert watching.kinds[-1] == "healed"
        assert world.changes == {}
        assert len(world.history) == 1

    def test_a_history_that_cannot_be_written_after_a_change_is_no_sign_of_health(self, world: World):
        world.file("sales")
        watching = world.monitor()
        watching.tick()
        (world.state_folder / f"history.json-{os.getpid()}.tmp").mkdir()
        world.file("sales", "/Workspace/new")
        assert watching.looks() == "failed"

        tick = watching.tick()

        assert not tick.is_healthy
        assert "healed" not in watching.kinds

    @pytest.mark.slow
    def test_a_heartbeat_that_cannot_be_written_is_reported_once_and_stops_nothing(self, deployed: World):
        in_the_way = deployed.state_folder / f"monitor.json-{os.getpid()}.tmp"
        in_the_way.mkdir()
        watching = deployed.monitor()
        deployed.put(module_row("sales", notebook="/Workspace/new"))

        ticks = [watching.tick(), watching.tick()]

        assert [tick.outcome.value for tick in ticks] == ["deployed", "idle"]
        assert not any(tick.is_healthy for tick in ticks)
        assert watching.kinds == ["changed", "deployed", "failed"]
        in_the_way.rmdir()
        assert watching.tick().is_healthy
        assert watching.kinds == ["healed"]

    def test_a_history_that_is_damaged_stops_everything_until_it_is_mended(self, world: World):
        world.file("sales")
        watching = world.monitor()
        watching.tick()
        path = world.state_folder / "history.json"
        whole = path.read_bytes()
        path.write_bytes(whole[:-10])

        again = world.monitor()
        assert again.looks() == "failed"
        assert "damaged" in "".join(again.told("failed"))
        path.write_bytes(whole)

        assert again.looks() == "idle"
        assert again.kinds == ["failed", "healed"]


class TestVolumesThatAreLoadedIntoTheTable:
    @pytest.fixture
    def loading(self, control_table: World, volume: Path) -> World:
        """The module `sales` is in the volume too; nothing is deployed yet."""
        (volume / "sales.yml").write_text(module("sales", notebook="/Workspace/of-the-file"))
        return control_table

    def test_its_modules_become_rows_and_jobs(self, loading: World):
        watching = loading.monitor(volume=VOLUME)

        tick = watching.tick()

        assert tick.rows_loaded
        assert tick.outcome.value == "deployed"
        assert loading.notebook("sales") == "/Workspace/of-the-file"
        assert loading.notebook("stock") == "/Workspace/stock"
        assert watching.looks() == "idle"

    def test_a_changed_file_is_loaded_and_the_others_are_not(self, loading: World, volume: Path):
        (volume / "other.yml").write_text(module("other", notebook="/Workspace/of-the-file"))
        watching = loading.monitor(volume=VOLUME)
        watching.tick()
        loading.put(module_row("sales", notebook="/Workspace/of-a-person"))
        watching.tick()

        (volume / "other.yml").write_text(module("other", notebook="/Workspace/edited"))
        tick = watching.tick()

        assert tick.rows_loaded
        assert loading.notebook("other") == "/Workspace/edited"
        assert loading.notebook("sales") == "/Workspace/of-a-person"

    @pytest.mark.slow
    def test_a_restart_loads_nothing_over_an_edit_in_the_table(self, loading: World):
        loading.monitor(volume=VOLUME).tick()
        loading.put(module_row("sales", notebook="/Workspace/of-a-person"))

        tick = loading.monitor(volume=VOLUME).tick()

        assert not tick.rows_loaded
        assert loading.notebook("sales") == "/Workspace/of-a-person"

    @pytest.mark.parametrize("between", few([None], ["/Volumes/main/etl/metadata/other"]))
    def test_a_look_without_the_volume_forgets_nothing_of_it(self, loading: World, volume: Path, between):
        (volume / "other").mkdir()
        (volume / "gone.yml").write_text(module("gone"))
        loading.monitor(volume=VOLUME, max_deletes=9).tick()
        loading.put(module_row("sales", notebook="/Workspace/of-a-person"))
        loading.remove("gone")
        for _ in range(2):
            loading.monitor(volume=between, max_deletes=9).tick()
        assert (loading.names, loading.notebook("sales")) == (["sales", "stock"], "/Workspace/of-a-person")

        tick = loading.monitor(volume=VOLUME, max_deletes=9).tick()

        assert not tick.rows_loaded
        assert (loading.names, loading.notebook("sales")) == (["sales", "stock"], "/Workspace/of-a-person")

    @pytest.mark.slow
    def test_a_broken_module_keeps_its_rows_and_the_others_are_loaded(self, loading: World, volume: Path):
        watching = loading.monitor(volume=VOLUME)
        watching.tick()
        second = module("new").split("modules:\n")[1]
        (volume / "sales.yml").write_text(module("sales").replace("execution_order", "exection_order") + second)

        tick = watching.tick()

        assert tick.state.broken == ("sales",)
        assert loading.names == ["new", "sales", "stock"]
        assert loading.notebook("sales") == "/Workspace/of-the-file"
        assert "exection_order" in "".join(watching.told("quarantined"))

        (volume / "sales.yml").write_text(module("sales", notebook="/Workspace/mended") + second)
        assert watching.tick().is_healthy
        assert loading.notebook("sales") == "/Workspace/mended"

    def test_a_file_that_is_no_yaml_is_told_and_the_others_are_loaded(self, loading: World, volume: Path):
        (volume / "broken.yml").write_text("modules: [")

        tick = loading.monitor(volume=VOLUME).tick()

        assert tick.state.broken == (f"{VOLUME}/broken.yml",)
        assert loading.notebook("sales") == "/Workspace/of-the-file"

    def test_a_file_with_a_mistake_is_not_loaded_over_an_edit_in_the_table(self, loading: World, volume: Path):
        broken = module("new").replace("execution_order", "exection_order").split("modules:\n")[1]
        (volume / "sales.yml").write_text(module("sales", notebook="/Workspace/of-the-file") + broken)
        watching = loading.monitor(volume=VOLUME)
        watching.tick()

        for number, each in enumerate([watching, loading.monitor(volume=VOLUME)]):
            loading.put(module_row("sales", notebook=f"/Workspace/{number}"))
            tick = each.tick()

            assert loading.notebook("sales") == f"/Workspace/{number}"
            assert tick.state.broken == ("new",)
            assert not tick.rows_loaded

    @pytest.mark.slow
    def test_a_module_that_waited_for_another_one_is_loaded_when_that_is_there(self, loading: World, volume: Path):
        waiting = module("waiting").replace(
            "transformation_config: {notebook_path: /Workspace/a}",
            "transformation_config: {run_job_task: {module_name: later}}",
        )
        (volume / "waiting.yml").write_text(waiting)
        watching = loading.monitor(volume=VOLUME)
        assert watching.tick().state.broken == ("waiting",)

        loading.put(module_row("later"))

        assert watching.tick().is_healthy
        assert loading.names == ["later", "sales", "stock", "waiting"]

    def test_a_module_that_another_file_has_is_told_and_does_not_go_over_it(self, loading: World, volume: Path):
        watching = loading.monitor(volume=VOLUME)
        watching.tick()

        (volume / "again.yml").write_text(module("sales", notebook="/Workspace/of-another-file"))
        tick = watching.tick()

        assert (tick.rows_loaded, tick.state.broken) == (False, ("sales",))
        assert loading.notebook("sales") == "/Workspace/of-the-file"
        assert f"is also at {VOLUME}/sales.yml" in "".join(watching.told("quarantined"))

    def test_a_file_that_is_gone_leaves_its_rows(self, loading: World, volume: Path):
        watching = loading.monitor(volume=VOLUME, max_deletes=9)
        watching.tick()
        (volume / "sales.yml").unlink()

        assert watching.looks() == "unchanged"
        assert loading.names == ["sales", "stock"]

    @pytest.mark.slow
    def test_one_that_cannot_be_listed_is_an_error_and_the_table_is_deployed(self, loading: World):
        watching = loading.monitor(volume=VOLUME)
        watching.tick()
        loading.put(module_row("stock", notebook="/Workspace/new"))
        loading.workspace.faults.add(Fault("GET", "/api/2.0/fs/directories*", FaultKind.FORBIDDEN, times=99))

        tick = watching.tick()

        assert tick.failure.startswith(f"{VOLUME}: ")
        assert loading.notebook("stock") == "/Workspace/new"
        loading.comes_back()
        loading.clock.goes_on(LONGEST)
        assert watching.tick().is_healthy

    @pytest.mark.slow
    def test_an_edit_made_while_files_are_loaded_is_seen_by_the_next_look(self, loading: World, volume: Path):
        (volume / "z.yml").write_text(module("z"))
        watching = loading.monitor(volume=VOLUME)
        reads = "/api/2.0/fs/files*/z.yml"
        loading.workspace.faults.add(Fault("GET", reads, FaultKind.SLOW, after=3, seconds=0.5))

        def edit_when_all_digests_are_known() -> None:
            while len(loading.workspace.calls("GET", reads)) < 4:
                threading.Event().wait(0.01)
            (volume / "sales.yml").write_text(module("sales", notebook="/Workspace/edited"))

        person = threading.Thread(target=edit_when_all_digests_are_known)
        person.start()
        watching.tick()
        person.join()
        assert loading.notebook("sales") == "/Workspace/of-the-file"

        watching.tick()

        assert loading.notebook("sales") == "/Workspace/edited"

    def test_a_project_without_a_table_has_nothing_to_load_into(self, world: World):
        world.file("sales")
        watching = world.monitor(volume=VOLUME)

        assert watching.looks() == "failed"
        assert "this project reads none" in "".join(watching.told("failed"))


def test_a_mounted_volume_of_which_a_folder_cannot_be_listed_is_an_error(tmp_path: Path):
    (tmp_path / "volume").mkdir()
    (tmp_path / "volume" / "a.yml").write_text(module())
    handle = os.open(tmp_path / "volume", os.O_RDONLY)
    for _ in range(20):  # a path of more than 4096 bytes can be made step by step, and not be listed
        os.mkdir("x" * 250, dir_fd=handle)
        below = os.open("x" * 250, os.O_RDONLY, dir_fd=handle)
        os.close(handle)
        handle = below
    os.close(handle)

    try:
        with pytest.raises(OperationFailed, match="cannot be listed: File name too long"):
            MountedFiles().listing(str(tmp_path / "volume"))
    finally:
        shutil.rmtree(tmp_path / "volume")


# Digests of files -------------------------------------------------------------------------------------------------

edits = st.tuples(st.sampled_from("abc"), st.sampled_from([b"1", b"2", b"3"]), st.integers(0, 2), st.floats(0, 1))
"""The file, its new content, what the listing says of it then, and how long it takes until the next look."""


@given(st.lists(st.lists(edits, max_size=4), max_size=12))
def test_after_a_file_has_settled_its_digest_is_that_of_its_content(looks):
    now = 0.0
    contents = FileFingerprints(lambda: now)
    files: dict[str, tuple[bytes, int]] = {}

    def digests(remembered: FileFingerprints) -> dict[str, str]:
        return {
            name: remembered.digest(name, stamp, lambda content=content: content)
            for name, (content, stamp) in files.items()
        }

    stamped: dict[tuple[str, int], float] = {}
    for edited in looks:
        for name, content, stamp, wait in edited:
            # A clock that ticks every two seconds gives one stamp to all edits of two seconds, and never again.
            tick = stamp + 3 * int(now // 2)
            stamped.setdefault((name, tick), now)
            files[name] = (content, tick)
            now += wait
        digests(contents)

    now += SETTLING_SECONDS
    digests(contents)
    now += SETTLING_SECONDS

    assert digests(contents) == digests(FileFingerprints(lambda: now))


def test_a_settled_file_is_not_read_again():
    now = 0.0
    read = []
    contents = FileFingerprints(lambda: now)

    def look() -> str:
        return contents.digest("a", 1, lambda: read.append(now) or b"x")

    for now in (0.0, 1.0, SETTLING_SECONDS, SETTLING_SECONDS + 1, 1000.0):  # noqa: B007
        look()

    assert read == [0.0, 1.0, SETTLING_SECONDS]
