"""What a monitor does when rows of the user's own change: a table, a view, a query, a CSV file.

Real Delta tables and files, and a fake workspace that the real SDK talks to.
"""

from __future__ import annotations

import csv
import io
import os
import shutil
from dataclasses import dataclass

import pytest

from support.monitor_fixtures import World
from support.row_projects import BLUEPRINT, project_of_rows
from support.slow import few
from support.tables import TEXT, write_table

pytest_plugins = ["support.workspace_fixtures", "support.monitor_fixtures"]
pytestmark = pytest.mark.skipif(os.name != "posix", reason="process groups and file locks are those of POSIX")

TABLE = "main.etl.list"
VIEW = "main.etl.open_list"
KINDS = few(["delta"], ["view", "csv", "table", "query of files", "query of a warehouse"])


@dataclass
class Rows:
    """A source of rows of some kind, and what the project calls it."""

    world: World
    kind: str

    def __post_init__(self) -> None:
        project, warehouse = self.world.project, self.world.workspace.warehouse_id
        project.write("sql/rows.sql", f"SELECT name, owner FROM {'list' if 'files' in self.kind else TABLE}")
        over = f"key: name, warehouse_id: '{warehouse}'"
        source = {
            "delta": "delta: data/list, key: name",
            "table": f"table: {TABLE}, {over}",
            "view": f"table: {VIEW}, {over}",
            "csv": "csv: rows.csv",
            "query of files": "query: sql/rows.sql, tables: {list: data/list}, key: name",
            "query of a warehouse": f"query: sql/rows.sql, {over}",
        }[self.kind]
        self.source = source.split(": ")[1].split(",")[0]
        project_of_rows(project, source)

    def are(self, **owners: str) -> None:
        """Writes the rows: a name and an owner each."""
        rows = [{"name": name, "owner": owner} for name, owner in owners.items()]
        if self.kind == "csv":
            text = io.StringIO()
            csv.writer(text, lineterminator="\n").writerows([("name", "owner"), *(each.values() for each in rows)])
            self.world.project.write("rows.csv", text.getvalue())
        elif "warehouse" in self.kind or self.kind in ("table", "view"):
            write_table(self.world.workspace.table_path(TABLE), rows, {"name": TEXT, "owner": TEXT})
        else:
            write_table(self.world.project.path / "data/list", rows, {"name": TEXT, "owner": TEXT})
        if self.kind == "view":
            self._run(f"CREATE OR REPLACE VIEW {VIEW} AS SELECT name, owner FROM {TABLE}")

    def vanish(self) -> None:
        if self.kind == "csv":
            (self.world.project.path / "rows.csv").unlink()
        elif "warehouse" in self.kind or self.kind in ("table", "view"):
            shutil.rmtree(self.world.workspace.table_path(TABLE))
        else:
            shutil.rmtree(self.world.project.path / "data/list")

    def _run(self, statement: str) -> None:
        self.world.workspace.client().statement_execution.execute_statement(
            statement, self.world.workspace.warehouse_id
        )


@pytest.fixture(params=KINDS)
def rows(request: pytest.FixtureRequest, world: World) -> Rows:
    """A source of the rows `a` and `b`, deployed."""
    rows = Rows(world, request.param)
    rows.are(a="x", b="x")
    watching = world.monitor()
    assert watching.looks() == "deployed", watching.events
    assert world.changes == {"create": 2}
    return rows


def owner(world: World, name: str) -> object:
    task = world.workspace.jobs.by_name(f"load_{name}").settings["tasks"][0]
    return task["notebook_task"]["base_parameters"].get("owner")


class TestRows:
    def test_nothing_is_done_while_nothing_changes(self, rows: Rows, world: World):
        watching = world.monitor()
        assert [watching.looks(), watching.looks()] == ["idle", "idle"]
        assert watching.kinds == []

    def test_one_changed_row_changes_one_job(self, rows: Rows, world: World):
        rows.are(a="x", b="y")
        watching = world.monitor()
        tick = watching.tick()
        assert (tick.outcome.value, [job.module for job in tick.jobs]) == ("deployed", ["load_b"])
        assert world.changes == {"reset": 1}
        assert (owner(world, "a"), owner(world, "b")) == ("x", "y")
        assert watching.told("changed") == [f"Changed: {rows.source}."]

    def test_a_new_row_becomes_a_job(self, rows: Rows, world: World):
        rows.are(a="x", b="x", c="x")
        assert world.monitor().looks() == "deployed"
        assert world.changes == {"create": 1}

    def test_a_row_that_is_gone_waits_for_the_next_tick_and_needs_to_be_allowed(self, rows: Rows, world: World):
        rows.are(a="x")
        assert world.monitor().looks() == "refused"
        watching = world.monitor(max_deletes=1)
        watching.tick()
        watching.tick()
        assert world.names == ["load_a"]

    @pytest.mark.parametrize("rows", ["delta", "view", "csv"], indirect=True)
    def test_a_bad_row_is_quarantined_alone_told_once_and_heals(self, rows: Rows, world: World):
        watching = world.monitor(max_deletes=9)
        rows.are(a="y", b="x", c="R2D2")
        tick = watching.tick()
        assert world.changes == {"reset": 1}
        (told,) = watching.told("quarantined")
        assert told.startswith(f"{rows.source}:4:3: " if rows.kind == "csv" else f"{rows.source}[name=c].owner: ")
        assert "'R2D2' does not match the pattern" in told
        assert not tick.is_healthy
        watching.events.clear()
        rows.are(a="z", b="x", c="R2D2")
        watching.tick()
        assert watching.kinds == ["changed", "deployed"]
        assert world.names == ["load_a", "load_b"]
        rows.are(a="z", b="x")
        assert watching.tick().is_healthy
        assert len(watching.told("healed")) == 1

    @pytest.mark.parametrize("max_deletes", [0, 100])
    def test_a_source_that_was_emptied_deletes_nothing_whatever_is_allowed(
        self, rows: Rows, world: World, max_deletes: int
    ):
        watching = world.monitor(max_deletes=max_deletes)
        rows.are()
        assert not watching.tick().is_healthy
        assert not watching.tick().is_healthy
        assert world.names == ["load_a", "load_b"]
        (told,) = watching.told("refused")
        assert f"'{rows.source}' holds no module, so 2 jobs ('load_a', 'load_b') stay" in told

    @pytest.mark.parametrize("rows", ["delta", "view", "csv"], indirect=True)
    def test_a_source_that_cannot_be_read_keeps_its_jobs_and_is_told_once(self, rows: Rows, world: World):
        watching = world.monitor(max_deletes=9)
        rows.vanish()
        watching.tick()
        watching.tick()
        assert world.names == ["load_a", "load_b"]
        told = [event.text for event in watching.events if rows.source in event.text]
        assert len(told) == 1, watching.events
        rows.are(a="x", b="y")
        world.clock.goes_on(1000)
        watching.tick()
        assert owner(world, "b") == "y"

    def test_an_edited_blueprint_changes_all_of_its_jobs(self, rows: Rows, world: World):
        world.project.write("metadata/blueprints.yml", BLUEPRINT.replace("/Workspace/load", "/Workspace/new"))
        watching = world.monitor()
        assert watching.looks() == "deployed"
        assert world.changes == {"reset": 2}

    def test_a_blueprint_that_is_wrong_keeps_all_of_its_jobs(self, rows: Rows, world: World):
        world.project.write("metadata/blueprints.yml", BLUEPRINT.replace("${param.owner}", "${param.wner}"))
        watching = world.monitor(max_deletes=9)
        assert not watching.tick().is_healthy
        watching.tick()
        assert world.names == ["load_a", "load_b"]
        assert world.changes == {}


class TestHistory:
    def test_the_version_of_a_table_is_in_the_history_and_in_the_status(self, world: World):
        rows = Rows(world, "delta")
        rows.are(a="x")
        rows.are(a="y")
        world.monitor().tick()
        assert world.history[0].metadata_version == "data/list@1"
        for command in ("status", "history"):
            assert "data/list@1" in world.project.ljm(command, "-t", "dev").stdout

    def test_what_has_no_version_is_left_out(self, world: World):
        Rows(world, "csv").are(a="x")
        world.monitor().tick()
        assert world.history[0].metadata_version == ""
