"""Rows of modules put back to what they were in an earlier version, in one commit or not at all."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable
from hypothesis import given, settings
from hypothesis import strategies as st

from lakeflow_job_meta.control_table.schema import CONTROL_TABLE, METADATA_COLUMNS, key_of
from lakeflow_job_meta.errors import OperationFailed
from lakeflow_job_meta.services.rollback import Rollback
from lakeflow_job_meta.services.table_rollback import plan_rollback, roll_back
from lakeflow_job_meta.tables.delta import DeltaFiles
from lakeflow_job_meta.tables.schema import RowChanges
from lakeflow_job_meta.tables.store import RowsChanged
from support.control_table_contract import ORIGINAL, full
from support.examples import examples
from support.tables import INT, LONG, TEXT, row, write_table

NAMES = [column.name for column in METADATA_COLUMNS]


@pytest.fixture
def table(tmp_path: Path) -> DeltaFiles:
    """A new table, in version 0."""
    table = DeltaFiles(str(tmp_path / "control"), CONTROL_TABLE)
    table.create()
    return table


def rows_of(table: DeltaFiles, version: int | None = None) -> dict[tuple[str, str], dict[str, Any]]:
    return {key_of(each): {name: each.get(name) for name in NAMES} for each in table.read(version).rows}


def rolled_back(table: DeltaFiles, *modules: str, to: int) -> Rollback:
    plan = plan_rollback(table, modules, to)
    roll_back(table, plan)
    return plan


class TestRows:
    def test_come_back_as_they_were_and_newer_ones_go_in_one_commit(self, table):
        table.write(RowChanges([full("a", execution_order=1), full("b"), full("a", "returns")]))
        table.write(RowChanges([full("a", execution_order=2), full("c")], [("sales", "b")]))
        table.write(RowChanges([full("a", "returns", execution_order=9)]))

        plan = rolled_back(table, "sales", to=1)

        assert table.version().number == 4
        assert rows_of(table) == {**rows_of(table, 1), ("returns", "a"): full("a", "returns", execution_order=9)}
        assert [(change.source_id, change.kind) for change in plan.changes] == [
            ("a", "changed"),
            ("b", "added"),
            ("c", "removed"),
        ]
        assert plan.summary == "3 rows (1 added, 1 changed, 1 removed)"

    @pytest.mark.parametrize("column", ["is_active", "job_config", "source_type"])
    def test_without_a_value_come_back_without_one(self, tmp_path, column):
        write_table(tmp_path / "control", [{**full("a"), column: None}, {**full("b"), column: None}])
        table = DeltaFiles(str(tmp_path / "control"), CONTROL_TABLE)
        value = False if column == "is_active" else "x"
        table.write(RowChanges([{**full("a"), column: value}], [("sales", "b")]))

        rolled_back(table, "sales", to=0)

        assert rows_of(table) == rows_of(table, 0)
        assert {each[column] for each in rows_of(table).values()} == {None}

    def test_that_are_as_they_were_make_no_commit(self, table):
        table.write(RowChanges([full("a"), full("a", "returns")]))
        table.write(RowChanges([full("a", "returns", description="x")]))

        plan = rolled_back(table, "sales", to=1)

        assert (plan.changes, table.version().number) == ((), 2)

    def test_that_mean_the_same_are_written_as_they_were(self, table):
        table.write(RowChanges([full("a", job_config='{"a": 1}')]))
        table.write(RowChanges([full("a", job_config='{"a":1}')]))

        plan = rolled_back(table, "sales", to=1)

        assert [*plan.lines()][-1] == "    written in another way, with the same meaning"
        assert rows_of(table) == rows_of(table, 1)

    def test_of_a_rollback_can_be_taken_back(self, table):
        table.write(RowChanges([full("a"), full("b")]))
        table.write(RowChanges([full("a", description="x")], [("sales", "b")]))

        plan = rolled_back(table, "sales", to=1)
        rolled_back(table, "sales", to=plan.read)

        assert rows_of(table) == rows_of(table, 2)

    def test_of_a_module_that_came_since_all_go(self, table):
        table.write(RowChanges([full("a")]))
        rolled_back(table, "sales", to=0)
        assert rows_of(table) == {}

    def test_are_shown_with_old_and_new_values_and_without_secrets(self, table):
        table.write(RowChanges([full("a", transformation_config={"x": {"password": "hunter22", "n": 1}})]))
        table.write(RowChanges([full("a", transformation_config={"x": {"password": "swordfish", "n": 2}})]))

        assert [*plan_rollback(table, ["sales"], 1).lines()] == [
            "module 'sales'",
            "  source 'a': changed",
            "    transformation_config.x.password: '***' -> '***'",
            "    transformation_config.x.n: 2 -> 1",
        ]
        assert [*plan_rollback(table, ["sales"], 0).lines()] == [
            "module 'sales'",
            "  source 'a': removed",
            "    source_type: 'sql' (gone)",
            "    execution_order: 1 (gone)",
            "    transformation_config.x.password: '***' (gone)",
            "    transformation_config.x.n: 2 (gone)",
            "    is_active: true (gone)",
        ]


class TestRefusals:
    @pytest.mark.parametrize(
        "meanwhile",
        [
            RowChanges([full("a", execution_order=7)]),
            RowChanges([full("new")]),
            RowChanges([], [("sales", "b")]),
        ],
        ids=["changed", "added", "removed"],
    )
    def test_rows_that_somebody_changed_meanwhile_stay_all_of_them(self, table, meanwhile):
        table.write(RowChanges([full("a"), full("b")]))
        table.write(RowChanges([full("a", description="x")]))
        plan = plan_rollback(table, ["sales"], 1)
        table.write(meanwhile)
        before = rows_of(table)

        with pytest.raises(RowsChanged, match="somebody has changed these rows"):
            roll_back(table, plan)

        assert (rows_of(table), table.version().number) == (before, 3)

    def test_a_commit_between_the_last_look_and_the_own_one_keeps_it_from_being_made(self, table, monkeypatch):
        table.write(RowChanges([full("a")]))
        table.write(RowChanges([full("a", description="x")]))
        plan, real = plan_rollback(table, ["sales"], 1), DeltaTable.merge

        def slow(opened, *arguments, **named):
            monkeypatch.setattr(DeltaTable, "merge", real)
            table.write(RowChanges([full("a", description="y")]))
            return real(opened, *arguments, **named)

        monkeypatch.setattr(DeltaTable, "merge", slow)
        with pytest.raises(OperationFailed, match="somebody else changed the table at the same time, so nothing"):
            roll_back(table, plan)

        assert rows_of(table)["sales", "a"]["description"] == "y"
        assert table.version().number == 3

    def test_a_version_whose_files_are_gone_is_refused_with_the_oldest_that_can_be_read(self, table, tmp_path):
        for number in range(1, 5):
            table.write(RowChanges([full("a", execution_order=number)]))
        files = [set(DeltaTable(tmp_path / "control", version=number).file_uris()) for number in range(5)]
        for uri in (files[1] | files[2]) - files[3]:
            os.unlink(uri)  # noqa: PTH108

        with pytest.raises(
            OperationFailed, match=r"version cannot be read: .*VACUUM; the oldest .* can be read is 3\.$"
        ):
            plan_rollback(table, ["sales"], 2)

    def test_a_version_whose_log_was_cleaned_is_refused_with_the_oldest_that_can_be_read(self, table, tmp_path):
        for number in range(1, 4):
            table.write(RowChanges([full("a", execution_order=number)]))
            if number == 2:
                DeltaTable(tmp_path / "control").create_checkpoint()
        for version in (0, 1):
            (tmp_path / "control" / "_delta_log" / f"{version:020}.json").unlink()

        with pytest.raises(OperationFailed, match=r"does not keep version 1 any more.*oldest .* can be read is 2\.$"):
            plan_rollback(table, ["sales"], 1)

    def test_a_version_that_is_not_there_yet_is_refused(self, table):
        with pytest.raises(OperationFailed, match=r"has no version 7; the newest is 0; the oldest .* is 0\."):
            plan_rollback(table, ["sales"], 7)

    def test_a_module_that_was_never_there_is_refused_with_the_nearest_name(self, table):
        table.write(RowChanges([full("a")]))
        with pytest.raises(
            OperationFailed, match=r"no module 'slaes', neither now nor in version 1; did you mean 'sal"
        ):
            plan_rollback(table, ["slaes"], 1)

    def test_rows_that_cannot_be_told_apart_are_refused(self, tmp_path):
        write_table(tmp_path / "control", [full("a"), full("a", description="x")])
        table = DeltaFiles(str(tmp_path / "control"), CONTROL_TABLE)
        with pytest.raises(OperationFailed, match="version 0 has several rows of the source 'a' of 'sales'"):
            plan_rollback(table, ["sales"], 0)

    def test_rows_without_a_name_are_refused(self, tmp_path):
        write_table(tmp_path / "control", [full("a"), full(None)])  # type: ignore[arg-type]
        table = DeltaFiles(str(tmp_path / "control"), CONTROL_TABLE)
        with pytest.raises(OperationFailed, match="version 0 has a row of 'sales' without a source_id"):
            plan_rollback(table, ["sales"], 0)


class TestColumns:
    def test_of_the_metadata_that_came_since_have_no_value_again(self, tmp_path):
        write_table(tmp_path / "control", [row("a")], ORIGINAL)
        table = DeltaFiles(str(tmp_path / "control"), CONTROL_TABLE)
        table.create(optional_columns=True)
        table.write(RowChanges([full("a", job_config="{}")]))

        rolled_back(table, "sales", to=0)

        assert rows_of(table) == {("sales", "a"): full("a")}

    def test_of_the_metadata_that_are_gone_and_needed_are_an_error_with_the_way_out(self, tmp_path):
        write_table(tmp_path / "control", [full("a", description="x")])
        write_table(tmp_path / "control", [row("a")], ORIGINAL)
        table = DeltaFiles(str(tmp_path / "control"), CONTROL_TABLE)

        with pytest.raises(OperationFailed, match="'description', which the table lacks; add them with `ljm table cr"):
            plan_rollback(table, ["sales"], 0)

        table.create(optional_columns=True)
        rolled_back(table, "sales", to=0)
        assert rows_of(table)["sales", "a"]["description"] == "x"

    def test_of_the_user_s_own_come_back_those_that_came_since_stay_and_those_that_are_gone_are_named(self, tmp_path):
        folder, own = tmp_path / "control", {"owner": TEXT, "gone": TEXT, "rank": INT}
        write_table(folder, [row("a", owner="me", gone="x", rank=1), row("b", owner="me", rank=2)], {**ORIGINAL, **own})
        now = {**ORIGINAL, "owner": TEXT, "rank": INT, "cost": LONG}
        write_table(folder, [row("a", owner="you", rank=3, cost=5)], now)
        table = DeltaFiles(str(folder), CONTROL_TABLE)

        plan = rolled_back(table, "sales", to=0)

        found = {each["source_id"]: each for each in table.read(also=None).rows}
        assert {key: (each["owner"], each["rank"], each["cost"]) for key, each in found.items()} == {
            "a": ("me", 1, 5),
            "b": ("me", 2, None),
        }
        assert plan.notes == ("the column 'gone', which version 0 had, is not there any more",)

    def test_of_the_user_s_own_of_other_types_stay_and_are_named(self, tmp_path):
        from arro3.core import DataType

        kinds = {**ORIGINAL, "day": DataType.timestamp("us", tz="UTC")}
        write_table(tmp_path / "control", [row("a", day=1)], kinds)
        write_table(tmp_path / "control", [row("a", day=2, execution_order=2)], kinds)
        table = DeltaFiles(str(tmp_path / "control"), CONTROL_TABLE)

        plan = rolled_back(table, "sales", to=0)

        assert plan.notes == ("the column 'day' of your own (TIMESTAMP) stays as it is",)
        assert rows_of(table) == rows_of(table, 0)


_names = st.sampled_from(["a", "b", "it's", "表\n`"])
_values = st.fixed_dictionaries(
    {
        "source_type": st.none() | st.text(max_size=3),
        "execution_order": st.none() | st.integers(0, 3),
        "is_active": st.none() | st.booleans(),
        "job_config": st.none() | st.sampled_from(["{}", "{ }", '{"a": 1}']),
    }
)
_change = st.tuples(
    st.dictionaries(st.tuples(_names, _names), _values, max_size=4), st.sets(st.tuples(_names, _names), max_size=3)
)


@settings(max_examples=examples(60))
@given(data=st.data(), history=st.lists(_change, min_size=1, max_size=5))
def test_a_rollback_to_any_version_gives_the_rows_of_that_version_and_leaves_other_modules_alone(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, history: list[Any]
):
    folder = tmp_path_factory.mktemp("history") / "control"
    table = DeltaFiles(str(folder), CONTROL_TABLE)
    table.create()
    for changed, gone in history:
        rows = [full(source, module, **values) for (module, source), values in changed.items()]
        table.write(RowChanges(rows, sorted(gone - set(changed))))
    newest = table.version().number
    version = data.draw(st.integers(0, newest), label="version")
    then, now = rows_of(table, version), rows_of(table)
    known = sorted({module for module, _ in (*then, *now)})
    modules = data.draw(st.lists(st.sampled_from(known), min_size=1, unique=True), label="modules") if known else []

    if modules:
        rolled_back(table, *modules, to=version)

    wanted = {key: each for key, each in now.items() if key[0] not in modules}
    wanted |= {key: each for key, each in then.items() if key[0] in modules}
    assert rows_of(table) == wanted
    assert table.version().number == newest + (wanted != now)
    shutil.rmtree(folder)
