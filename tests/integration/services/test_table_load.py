"""Loading YAML into a control table, exporting it, and what changed between two states of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lakeflow_job_meta.compiler.compile import compile_snapshots
from lakeflow_job_meta.config.bundle import read_bundle_declarations
from lakeflow_job_meta.config.load import load_project
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.control_table.changes import Kind, compare_rows
from lakeflow_job_meta.control_table.schema import CONTROL_TABLE, METADATA_COLUMNS, key_of
from lakeflow_job_meta.errors import InvalidMetadata, OperationFailed
from lakeflow_job_meta.parsing.rows import modules_of_rows
from lakeflow_job_meta.parsing.units import RawModule, SourceUnit, UnitContent
from lakeflow_job_meta.services.load_plan import LoadPlan, plan_load, rows_of_module
from lakeflow_job_meta.services.table_load import export, load
from lakeflow_job_meta.sources.interface import SourceSnapshot
from lakeflow_job_meta.sources.yaml_files import unit_of_file
from lakeflow_job_meta.tables.delta import DeltaFiles
from lakeflow_job_meta.tables.schema import Row, RowChanges
from lakeflow_job_meta.tables.store import VersionedTable
from lakeflow_job_meta.text.yaml_writer import to_yaml
from support import strategies
from support.examples import examples
from support.tables import row, write_table

Module = dict[str, Any]
COLUMNS = frozenset(column.name for column in METADATA_COLUMNS)
JSON_COLUMNS = [column.name for column in METADATA_COLUMNS if column.holds_json]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("project")
    (folder / "job_meta.yml").write_text("defaults: {warehouse_id: w}\ncontrol_table: c\n")
    return load_project(folder)


@pytest.fixture
def table(tmp_path: Path) -> VersionedTable:
    """A real table with all columns."""
    return new_table(tmp_path / "control")


def new_table(folder: Path) -> VersionedTable:
    table = DeltaFiles(str(folder), CONTROL_TABLE)
    table.create(optional_columns=True)
    return table


# Modules, rows and jobs, all from plain data


def read(modules: Sequence[Module] | str) -> list[RawModule]:
    """Reads modules as they are read from a file."""
    text = modules if isinstance(modules, str) else to_yaml({"modules": list(modules)}) + "\n"
    content = unit_of_file("a.yml", text.encode()).content
    assert content.diagnostics == ()
    return list(content.modules)


def source(source_id: str, **fields: Any) -> dict[str, Any]:
    task = {"notebook_path": "/Workspace/a"}
    return {"source_id": source_id, "execution_order": 1, "transformation_config": task, **fields}


def module(*sources: Any, name: str = "sales", **fields: Any) -> Module:
    return {
        "module_name": name,
        **fields,
        "sources": [source(each) if isinstance(each, str) else each for each in sources],
    }


def plan(modules: Sequence[Module], rows: Iterable[Row] = (), *, prune: bool = False) -> LoadPlan:
    return plan_load(read(modules), rows, prune=prune)


def written(rows: Iterable[Row], commit: RowChanges) -> list[dict[str, Any]]:
    """Does to rows what `TableStore.write` does to a table; the contract of control tables says the same."""
    table = {key_of(each): dict(each) for each in rows}
    for key in commit.deletions:
        table.pop(key, None)
    for each in commit.upserts:
        state = each["is_active"]
        if state is None:
            state = table[key_of(each)]["is_active"] if key_of(each) in table else True
        table[key_of(each)] = {**each, "is_active": state}
    return list(table.values())


def loaded(modules: Sequence[Module], rows: Iterable[Row] = (), *, prune: bool = False) -> list[dict[str, Any]]:
    rows = list(rows)
    return written(rows, plan(modules, rows, prune=prune).commit)


def jobs(modules: Iterable[RawModule], project: Project) -> dict[str, str]:
    """Returns the settings of every job, as text, so that true is not 1."""
    reading = SourceSnapshot(
        "x", (SourceUnit("x", None, lambda: UnitContent(tuple(modules))),), (), False, lambda label: False
    )
    compilation = compile_snapshots(project, read_bundle_declarations(project), [reading])
    assert [str(problem) for problem in compilation.errors] == []
    return {job.key: json.dumps([job.settings, job.files], sort_keys=True, default=str) for job in compilation.jobs}


def modules_in(rows: Iterable[Row]) -> tuple[RawModule, ...]:
    """Returns the modules of rows; none of them may be wrong."""
    content = modules_of_rows("t", rows)
    assert ([str(problem) for problem in content.diagnostics], content.is_whole) == ([], True)
    return content.modules


def meanings(rows: Iterable[Row]) -> dict[tuple[str, str], str]:
    """Returns what rows say: JSON by its value, NULL as nothing."""
    return {
        key_of(each): json.dumps(
            {
                column.name: (json.loads(str(each[column.name])) if column.holds_json else each[column.name])
                for column in METADATA_COLUMNS
                if each.get(column.name) not in (None, "{}")
            },
            sort_keys=True,
        )
        for each in rows
    }


# Random modules that share names, and the tables that an operator may have made of them

_values = st.sampled_from([0, 1, True, False, 1.0, "1", "true", None, [], {}, [1], [True], {"a": 1}, {"a": True}])
_sources = st.fixed_dictionaries(
    {
        "execution_order": st.integers(-1, 3),
        "transformation_config": st.sampled_from(
            [
                {"notebook_path": "/Workspace/a"},
                {"notebook_path": "/Workspace/b", "max_retries": 1},
                {"sql_task": {"sql_query": "SELECT 'ü'\n"}},
            ]
        ),
    },
    optional={
        "source_type": st.sampled_from(["sql", ""]),
        "is_active": st.booleans(),
        "source_config": st.dictionaries(st.sampled_from("xy"), _values, max_size=2),
        "target_config": st.just({}),
    },
)
_settings = st.sampled_from([{}, {"timeout_seconds": 1}, {"timeout_seconds": 2, "tags": {"a": "1"}}])


@st.composite
def modules(draw: st.DrawFn, name: str) -> Module:
    ids = sorted(draw(st.sets(st.sampled_from("abcd"), min_size=1)))
    fields = draw(st.fixed_dictionaries({}, optional={"description": st.sampled_from(["", "x", "y"]),
                                                      "job_config": _settings}))  # fmt: skip
    return {"module_name": name, **fields, "sources": [{"source_id": each, **draw(_sources)} for each in ids]}


module_lists = st.sets(st.sampled_from(["sales", "stock"]), min_size=1).flatmap(
    lambda names: st.tuples(*(modules(name) for name in sorted(names))).map(list)
)


@st.composite
def tables(draw: st.DrawFn) -> list[dict[str, Any]]:
    """The rows of earlier modules, and what an operator has done to them since."""
    rows = loaded(draw(module_lists | st.just([])))
    for each in rows:
        each["is_active"] = draw(st.sampled_from([each["is_active"], False, None]))
        mates = [mate for mate in rows if mate["module_name"] == each["module_name"]]
        for column in ("job_config", "description"):
            if draw(st.booleans()):  # the setting stands in this row too, or in this row instead
                each[column] = next((mate[column] for mate in mates if mate[column] is not None), None)
                if draw(st.booleans()):
                    for mate in mates:
                        mate[column] = each[column] if mate is each else None
        if draw(st.booleans()):
            for column in JSON_COLUMNS:
                each[column] = each[column] and json.dumps(json.loads(each[column]), indent=1)
    return rows


def with_states_of(rows: Iterable[Row], modules: Sequence[Module]) -> list[Module]:
    """Fills in what the table says where the YAML says nothing of `is_active`."""
    states = {key_of(each): each["is_active"] is not False for each in rows}
    return [
        {
            **each,
            "sources": [
                {"is_active": states.get((each["module_name"], one["source_id"]), True), **one}
                for one in each["sources"]
            ],
        }
        for each in modules
    ]


class TestLoading:
    @settings(max_examples=examples(50))
    @given(strategies.module_lists | module_lists)
    def test_load_then_read_gives_the_same_jobs_as_the_yaml(self, project, modules):
        assert jobs(modules_in(loaded(modules)), project) == jobs(read(modules), project)

    @settings(max_examples=examples(100))
    @given(module_lists, tables())
    def test_so_it_does_in_a_table_with_other_rows_but_for_what_an_operator_switched_off(self, project, modules, rows):
        names = {each["module_name"] for each in modules}
        after = [each for each in loaded(modules, rows, prune=True) if each["module_name"] in names]
        assert jobs(modules_in(after), project) == jobs(read(with_states_of(rows, modules)), project)

    @given(module_lists, tables(), st.booleans())
    def test_loading_twice_changes_nothing(self, modules, rows, prune):
        again = plan(modules, loaded(modules, rows, prune=prune), prune=prune)
        assert (bool(again.commit), again.changes.sources) == (False, ())

    @given(module_lists, tables(), st.booleans())
    def test_modules_that_are_not_in_the_yaml_are_left_alone(self, modules, rows, prune):
        names = {each["module_name"] for each in modules}
        others = [each for each in rows if each["module_name"] not in names]
        after = loaded(modules, rows, prune=prune)
        assert [each for each in after if each["module_name"] not in names] == others

    @given(module_lists, tables(), st.booleans())
    def test_the_commit_has_only_rows_that_differ(self, modules, rows, prune):
        found = plan(modules, rows, prune=prune)
        before, after = meanings(rows), meanings(written(rows, found.commit))
        differ = {key for key in {*before, *after} if before.get(key) != after.get(key)}
        changed = {key_of(each) for each in found.commit.upserts} | set(found.commit.deletions)
        assert differ == changed
        assert {(change.module_name, change.source_id) for change in found.changes.sources} == changed

    @given(module_lists, tables())
    def test_without_prune_no_row_is_deleted_and_the_stale_ones_are_told(self, modules, rows):
        kept, pruned = plan(modules, rows), plan(modules, rows, prune=True)
        wanted = {(each["module_name"], one["source_id"]) for each in modules for one in each["sources"]}
        names = {name for name, _ in wanted}
        stale = sorted(key_of(each) for each in rows if key_of(each)[0] in names and key_of(each) not in wanted)
        assert list(kept.stale) == list(pruned.stale) == stale
        assert (list(kept.commit.deletions), list(pruned.commit.deletions)) == ([], stale)

    @settings(max_examples=examples(100))
    @given(module_lists, tables(), st.booleans())
    def test_a_load_never_leaves_rows_of_a_module_that_contradict_each_other(self, modules, rows, prune):
        modules_in(loaded(modules, rows, prune=prune))

    @given(module_lists, tables(), st.booleans())
    def test_the_number_of_rows_is_that_of_the_sources(self, modules, rows, prune):
        assert plan(modules, rows, prune=prune).rows == sum(len(each["sources"]) for each in modules)

    @settings(max_examples=examples(10))
    @given(module_lists, module_lists, st.booleans())
    def test_a_real_table_ends_as_planned(self, tmp_path_factory, first, second, prune):
        table = new_table(tmp_path_factory.mktemp("table"))
        load(table, read(first), prune=False, dry_run=False)
        load(table, read(second), prune=prune, dry_run=False)
        expected = loaded(second, loaded(first), prune=prune)
        assert sorted(table.read().rows, key=key_of) == sorted(expected, key=key_of)
        assert table.version().number == 1 + (expected != loaded(first))

    def test_a_dry_run_says_the_same_and_writes_nothing(self, table):
        dry = load(table, read([module("a", "b")]), prune=False, dry_run=True)
        assert (table.version().number, dry.rows) == (0, 2)
        assert list(dry.changes.lines()) == ["module 'sales': new, 2 sources"]
        assert load(table, read([module("a", "b")]), prune=False, dry_run=False) == dry


class TestActive:
    @pytest.mark.parametrize(
        ("in_yaml", "in_table", "then"),
        [
            ({}, True, True),
            ({}, False, False),
            ({}, None, None),
            ({"is_active": None}, False, False),
            ({"is_active": True}, False, True),
            ({"is_active": False}, True, False),
            ({"is_active": False}, False, False),
        ],
    )
    def test_a_source_that_was_switched_off_stays_off_unless_the_yaml_says_true(self, in_yaml, in_table, then):
        before = loaded([module("a")])
        before[0]["is_active"] = in_table
        for changes in ({}, {"execution_order": 2}):
            (after,) = loaded([module(source("a", **in_yaml, **changes))], before)
            assert after["is_active"] is then
            assert after["execution_order"] == changes.get("execution_order", 1)

    def test_a_new_source_is_active_unless_the_yaml_says_false(self):
        after = loaded([module("a", source("b", is_active=False))])
        assert [each["is_active"] for each in after] == [True, False]

    def test_a_source_switched_on_again_is_told(self):
        before = loaded([module(source("a", is_active=False))])
        assert list(plan([module(source("a", is_active=True))], before).changes.lines()) == [
            "module 'sales': activated",
            "  source 'a': activated",
            "    is_active: false -> true",
        ]


class TestStale:
    def test_a_row_that_is_no_longer_in_the_yaml_is_told_and_kept(self):
        found = plan([module("a")], loaded([module("a", "b")]))
        assert found.stale == (("sales", "b"),)
        assert not found.commit

    def test_a_row_that_is_no_longer_in_the_yaml_goes_with_prune(self):
        before = loaded([module("a", "b"), module("c", name="stock")])
        found = plan([module("a")], before, prune=True)
        assert (list(found.commit.upserts), list(found.commit.deletions)) == ([], [("sales", "b")])
        assert list(found.changes.lines()) == ["module 'sales': updated", "  source 'b': deleted"]

    def test_a_module_that_is_not_loaded_has_no_stale_rows(self):
        assert plan([module("a")], loaded([module("b", name="stock")]), prune=True).stale == ()


class TestWhatAModuleSays:
    CONFIG = {"timeout_seconds": 5}  # noqa: RUF012

    def test_a_new_module_says_it_in_its_first_row_only(self):
        rows = loaded([module("a", "b", job_config=self.CONFIG, description="x")])
        assert [(each["job_config"], each["description"]) for each in rows] == [
            ('{"timeout_seconds": 5}', "x"),
            (None, None),
        ]

    @pytest.mark.parametrize("holders", ["b", "c", "bc", "abc"])
    def test_it_stays_in_the_rows_that_have_it(self, holders):
        rows = loaded([module("a", "b", "c")])
        for each in rows:
            if each["source_id"] in holders:
                each |= {"job_config": '{ "timeout_seconds": 5 }', "description": "x"}
        assert not plan([module("a", "b", "c", job_config=self.CONFIG, description="x")], rows).commit

    def test_a_new_value_stands_once_and_the_old_one_nowhere(self):
        rows = loaded([module("a", "b", job_config=self.CONFIG)])
        rows[0]["job_config"], rows[1]["job_config"] = None, rows[0]["job_config"]
        after = loaded([module("a", "b", job_config={"timeout_seconds": 6})], rows)
        assert [each["job_config"] for each in after] == ['{"timeout_seconds": 6}', None]

    def test_it_goes_when_the_yaml_does_not_have_it_any_more(self):
        rows = loaded([module("a", "b", job_config=self.CONFIG, description="x")])
        after = loaded([module("a", "b")], rows)
        assert [(each["job_config"], each["description"]) for each in after] == [(None, None)] * 2

    def test_a_source_before_the_first_does_not_take_it_away(self):
        rows = loaded([module("b", job_config=self.CONFIG)])
        found = plan([module("a", "b", job_config=self.CONFIG)], rows)
        assert [each["source_id"] for each in found.commit.upserts] == ["a"]

    def test_pruning_the_row_that_has_it_moves_it(self):
        rows = loaded([module("a", "b", job_config=self.CONFIG)])
        after = loaded([module("b", job_config=self.CONFIG)], rows, prune=True)
        assert [(each["source_id"], each["job_config"]) for each in after] == [("b", '{"timeout_seconds": 5}')]

    def test_a_stale_row_that_has_it_does_not_contradict_the_new_value(self):
        rows = loaded([module("a", "b", job_config=self.CONFIG)])
        after = loaded([module("b", job_config={"timeout_seconds": 6})], rows)
        (found,) = modules_in(after)
        assert found.value["job_config"] == {"timeout_seconds": 6}  # type: ignore[index, call-overload]


class TestWriting:
    def test_the_text_of_json_stays_where_it_says_the_same(self):
        before = loaded([module("a")])
        before[0]["transformation_config"] = '{\n  "notebook_path":"\\/Workspace\\/a"\n}'
        (after,) = loaded([module(source("a", execution_order=2))], before)
        assert after["transformation_config"] == before[0]["transformation_config"]

    @pytest.mark.parametrize(("old", "new"), [(1, True), (True, 1), (0, False), (1, 1.0), ([0], [False])])
    def test_true_is_not_1(self, old, new):
        before = loaded([module(source("a", source_config={"full": old}))])
        (after,) = loaded([module(source("a", source_config={"full": new}))], before)
        assert after["source_config"] == json.dumps({"full": new})

    def test_json_is_written_as_people_read_it(self):
        (raw,) = read([module(source("a", source_config={"name": "Größe 表"}))])
        (found,) = rows_of_module(raw)
        assert found == {
            **dict.fromkeys(COLUMNS),
            "module_name": "sales",
            "source_id": "a",
            "execution_order": 1,
            "source_config": '{"name": "Größe 表"}',
            "target_config": "{}",
            "transformation_config": '{"notebook_path": "/Workspace/a"}',
        }

    def test_rows_that_are_not_json_are_replaced(self):
        before = [row(transformation_config="{not json", source_config="[1", job_config=None, description=None)]
        after = loaded([module("a")], before)
        assert [each["transformation_config"] for each in after] == ['{"notebook_path": "/Workspace/a"}']
        modules_in(after)

    def test_a_table_without_the_optional_columns_takes_what_does_not_need_them(self, tmp_path):
        table = DeltaFiles(str(tmp_path / "t"), CONTROL_TABLE)
        table.create(optional_columns=False)
        assert load(table, read([module("a")]), prune=False, dry_run=False).rows == 1
        with pytest.raises(OperationFailed, match="optional columns 'description'"):
            load(table, read([module("b", description="x")]), prune=False, dry_run=False)
        assert [each["source_id"] for each in table.read().rows] == ["a"]


class TestTargets:
    def test_source_parameters_of_a_module_go_into_every_row_that_has_none_of_its_own(self, tmp_path):
        table = DeltaFiles(str(tmp_path / "t"), CONTROL_TABLE)
        table.create()
        (raw,) = read([module("a", "b", source_parameters="none")])
        raw.value["sources"][1]["source_parameters"] = "all"
        load(table, [raw], prune=False, dry_run=False)
        rows = sorted(table.read().rows, key=lambda row: row["source_id"])
        assert [row["source_parameters"] for row in rows] == ["none", "all"]
        assert 'source_parameters: "none"' in export(table)

    def test_targets_and_presets_stand_in_the_first_row_of_a_module(self, tmp_path):
        table = DeltaFiles(str(tmp_path / "t"), CONTROL_TABLE)
        table.create()
        (raw,) = read([module("a", "b", targets=["dev"], presets=["big"])])

        load(table, [raw], prune=False, dry_run=False)

        rows = sorted(table.read().rows, key=lambda row: str(row["source_id"]))
        assert [(row["targets"], row["presets"]) for row in rows] == [('["dev"]', '["big"]'), (None, None)]


class TestExport:
    @settings(max_examples=examples(15))
    @given(strategies.module_lists.map(loaded) | tables())
    def test_export_then_load_changes_nothing_and_fills_an_empty_table_with_the_same(self, tmp_path_factory, rows):
        assume(rows)
        folder = tmp_path_factory.mktemp("tables")
        table, other = new_table(folder / "one"), new_table(folder / "other")
        table.write(RowChanges(rows, ()))
        before = table.version()

        exported = read(export(table))

        load(table, exported, prune=True, dry_run=False)
        assert table.version() == before
        load(other, exported, prune=False, dry_run=False)
        assert not compare_rows(_settled(table.read().rows), _settled(other.read().rows)).sources
        assert export(other) == export(table)

    def test_an_export_is_a_metadata_file_in_the_order_of_the_format(self, table):
        load(table, read([module("b", "a", description="x", job_config={"timeout_seconds": 5})]), prune=False,
             dry_run=False)  # fmt: skip
        assert export(table) == (
            'metadata_version: "1.0"\n'
            "modules:\n"
            '  - module_name: "sales"\n'
            '    description: "x"\n'
            "    job_config:\n"
            "      timeout_seconds: 5\n"
            "    sources:\n"
            '      - source_id: "a"\n'
            "        execution_order: 1\n"
            "        is_active: true\n"
            "        source_config: {}\n"
            "        target_config: {}\n"
            "        transformation_config:\n"
            '          notebook_path: "/Workspace/a"\n'
            '      - source_id: "b"\n'
            "        execution_order: 1\n"
            "        is_active: true\n"
            "        source_config: {}\n"
            "        target_config: {}\n"
            "        transformation_config:\n"
            '          notebook_path: "/Workspace/a"\n'
        )

    def test_some_modules_can_be_exported_alone(self, table):
        load(table, read([module("a"), module("a", name="stock")]), prune=False, dry_run=False)
        (found,) = read(export(table, ["stock"]))
        assert found.value["module_name"] == "stock"  # type: ignore[index, call-overload]

    def test_a_module_that_is_not_there_is_an_error(self, table):
        with pytest.raises(OperationFailed, match="has no module 'stock'"):
            export(table, ["stock"])

    @pytest.mark.parametrize(
        "broken", [row(transformation_config="{"), row(module_name=None), row(source_config='{"a": 1, "a": 2}')]
    )
    def test_a_row_that_cannot_be_read_stops_an_export(self, table, broken):
        write_table(Path(table.name), [row("z"), broken])
        with pytest.raises(InvalidMetadata) as caught:
            export(table)
        assert len(caught.value.diagnostics) == 1


def _settled(rows: Iterable[Row]) -> list[Row]:
    """Says NULL of `is_active` as true, and what a module says in its first row only."""
    first: dict[str, dict[str, Any]] = {}
    settled: list[Row] = []
    for each in sorted(rows, key=key_of):
        new = {**each, "is_active": each["is_active"] is not False}
        leader = first.setdefault(str(each["module_name"]), new)
        for column in ("job_config", "description"):
            leader[column] = each[column] if leader[column] is None else leader[column]
            if new is not leader:
                new[column] = None
        settled.append(new)
    return settled


# What changed, against a plain model

_states = st.dictionaries(
    st.tuples(st.sampled_from(["sales", "stock"]), st.sampled_from("abc")),
    st.fixed_dictionaries(
        {
            "is_active": st.sampled_from([True, False, None]),
            "execution_order": st.integers(1, 2),
            "source_config": st.sampled_from(['{"a": 1, "b": 2}', '{"b":2,\n"a":1}', '{"a": true, "b": 2}', None, "{"]),
        }
    ),
)


def rows_of(state: Mapping[tuple[str, str], Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [row(name[1], name[0], **values) for name, values in state.items()]


class TestChanges:
    @settings(max_examples=examples(100))
    @given(_states, _states)
    def test_compare_rows_says_what_a_plain_comparison_says(self, before, after):
        changes = compare_rows(rows_of(before), rows_of(after))
        assert {(each.module_name, each.source_id): each.kind for each in changes.sources} == {
            key: kind for key in {*before, *after} if (kind := _kind(before.get(key), after.get(key)))
        }
        touched = {each.module_name for each in changes.sources}
        assert changes.modules == {name: _module_kind(name, before, after) for name in touched}

    @given(_states)
    def test_rows_in_another_order_are_no_change(self, state):
        changes = compare_rows(rows_of(state), reversed(rows_of(state)))
        assert (changes.sources, changes.modules) == ((), {})

    @given(_states, _states)
    def test_changes_there_and_back_are_the_opposite_of_each_other(self, before, after):
        opposite = {Kind.NEW: Kind.DELETED, Kind.ACTIVATED: Kind.DEACTIVATED, Kind.UPDATED: Kind.UPDATED}
        opposite |= {back: there for there, back in opposite.items()}
        there = compare_rows(rows_of(before), rows_of(after))
        back = compare_rows(rows_of(after), rows_of(before))
        assert {name: opposite[kind] for name, kind in there.modules.items()} == back.modules

    def test_the_words_name_modules_sources_and_settings(self):
        before = rows_of({("sales", "a"): {}, ("sales", "b"): {}, ("stock", "a"): {}, ("returns", "a"): {}})
        after = [
            row("a", "sales", transformation_config={"notebook_path": "/Workspace/b", "max_retries": 2}),
            row("c", "sales"),
            row("a", "returns", is_active=False),
            row("a", "new"),
        ]
        changes = compare_rows(before, after)
        assert list(changes.lines()) == [
            "module 'new': new, 1 source",
            "module 'returns': deactivated",
            "  source 'a': deactivated",
            "    is_active: true -> false",
            "module 'sales': updated",
            "  source 'a': updated",
            "    transformation_config.notebook_path: '/Workspace/a' -> '/Workspace/b'",
            "    transformation_config.max_retries: 2 (new)",
            "  source 'b': deleted",
            "  source 'c': new",
            "module 'stock': deleted, 1 source",
        ]
        assert changes.of_kind(Kind.DELETED) == ["stock"]

    def test_an_edit_is_seen_although_the_time_stays(self):
        old, new = row(updated_timestamp=1), row(updated_timestamp=1, execution_order=2)
        assert compare_rows([old], [new]).of_kind(Kind.UPDATED) == ["sales"]

    def test_a_rewrite_that_says_the_same_is_no_change(self):
        old, new = row(updated_timestamp=1, owner="me"), row(updated_timestamp=2, owner="you")
        assert compare_rows([old], [new]).modules == {}

    def test_columns_that_come_empty_are_no_change(self):
        assert (
            compare_rows([row()], [{**row(), "depends_on": None, "job_config": None, "description": None}]).modules
            == {}
        )


def _said(text: str | None) -> object:
    try:
        return json.dumps(json.loads(text or "{}"), sort_keys=True)
    except ValueError:
        return text


def _kind(old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> Kind | None:
    if old is None or new is None:
        return Kind.NEW if old is None else Kind.DELETED
    if (old["is_active"] is False) != (new["is_active"] is False):
        return Kind.ACTIVATED if old["is_active"] is False else Kind.DEACTIVATED
    same = old["is_active"] == new["is_active"] and old["execution_order"] == new["execution_order"]
    return None if same and _said(old["source_config"]) == _said(new["source_config"]) else Kind.UPDATED


def _module_kind(name: str, before: Mapping[tuple[str, str], Any], after: Mapping[tuple[str, str], Any]) -> Kind:
    old = [each["is_active"] is not False for key, each in before.items() if key[0] == name]
    new = [each["is_active"] is not False for key, each in after.items() if key[0] == name]
    if not old or not new:
        return Kind.NEW if not old else Kind.DELETED
    if any(old) != any(new):
        return Kind.ACTIVATED if any(new) else Kind.DEACTIVATED
    return Kind.UPDATED
