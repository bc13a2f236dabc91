"""What every control table promises, whatever it is stored in.

The same tests run over Delta files, over a SQL warehouse (test_contract.py) and in a Spark session
(slow/test_spark.py), so that the three cannot drift apart. All of them keep their rows in a Delta table on disk: it is
written and looked at here by delta-rs, behind the back of what is tested.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Protocol

import arro3.core as arrow
import pytest
from deltalake import CommitProperties, DeltaTable, QueryBuilder
from hypothesis import strategies as st

from lakeflow_job_meta._internal.trees import Value
from lakeflow_job_meta.blueprints.library import bound, library_of
from lakeflow_job_meta.errors import OperationFailed
from lakeflow_job_meta.parsing.rows import units_of_rows
from lakeflow_job_meta.parsing.units import SourceUnit
from lakeflow_job_meta.sources.yaml_files import unit_of_file
from lakeflow_job_meta.tables.schema import Column, RowChanges, TableUnusable
from lakeflow_job_meta.tables.store import Created, RowsChanged, TableMissing, VersionedTable
from support.tables import LONG, ORIGINAL_COLUMNS, TEXT, row, write_table

UTC = arrow.DataType.timestamp("us", tz="UTC")
STAMPS = {"created_timestamp": UTC, "updated_timestamp": UTC}
ORIGINAL = {**ORIGINAL_COLUMNS, **STAMPS}
OPTIONAL = (
    *(
        "depends_on",
        "job_config",
        "description",
        "targets",
        "presets",
        "adopt",
        "formerly",
        "after",
        "blueprint",
        "parameters",
    ),
    *("source_parameters", "quality", "expect_no_rows"),
)

HOSTILE_TEXTS = (
    "it's",
    '"double"',
    "back`tick",
    "`; DROP TABLE control; --",
    "'; DROP TABLE control; --",
    "\\' OR 1=1 --",
    ":rows :name ? ${var.x} {{job.id}}",
    "line\nline\r\nline\ttab",
    "back\\slash \\n \\u0041",
    "Größe, 表, \U0001f600, e\u0301, \u202e",
    "\u2028\u2029\x85\xa0\ufeff",
    "\x01\x07\x1b\x7f",
    "null",
    "NULL",
    "",
    " ",
    " spaces around ",
    '{"json": [1, 2, {"a": null}]}',
    "%s %d {} {0}",
    "/* comment */ -- comment",
    "x" * 20_000,
)


LOAD = b"""\
blueprints:
  - blueprint: load
    parameters: {table: {type: text}, retries: {type: number, default: 1}}
    module:
      module_name: load
      sources:
        - each:
            - source_id: load_${param.table}
              execution_order: 1
              transformation_config: {notebook_path: /Workspace/load, max_retries: "${param.retries}"}
"""


def load(**settings: int) -> dict[str, object]:
    return {"notebook_path": "/Workspace/load", **settings}


def expanded(units: list[SourceUnit]) -> list[Value]:
    """Returns the modules that units come to once blueprints are filled; nothing may be wrong."""
    contents = [unit.content for unit in bound(units, library_of(units))]
    assert [str(problem) for content in contents for problem in content.diagnostics] == []
    return [raw.value for content in contents for raw in content.modules]


class Place(Protocol):
    """Where the control table of a test is.

    Attributes:
        folder: The folder of its Delta table.
        records_users: Whether its commits carry who made them.
        commits_nothing: Whether a write that finds nothing to change is a commit all the same, as with Delta on Spark.
    """

    folder: Path
    records_users: bool
    commits_nothing: bool

    def open(self) -> VersionedTable:
        """Opens the table, which need not be there."""

    def adopt(self) -> None:
        """Makes a Delta table known that was written into `folder`."""

    def drop(self) -> None:
        """Removes the table with its history."""


def upserts(*rows: Mapping[str, Any]) -> RowChanges:
    return RowChanges(rows, ())


def stored(place: Place) -> dict[tuple[str, str], dict[str, Any]]:
    """Returns all rows with all columns as they lie on disk."""
    query = QueryBuilder().register("t", DeltaTable(place.folder))
    rows = query.execute("SELECT * FROM t").read_all().to_struct_array().to_pylist()
    return {(each["module_name"], each["source_id"]): each for each in rows}


@contextmanager
def unchanged(place: Place) -> Iterator[None]:
    """What happens inside touches no row; it makes a commit only where that cannot be helped."""
    rows, version = stored(place), place.open().version()
    yield
    assert stored(place) == rows
    assert place.commits_nothing or place.open().version() == version


def on_disk(place: Place, rows: Iterable[Mapping[str, Any]], columns: Mapping[str, Any] = ORIGINAL) -> VersionedTable:
    """Makes a table of these rows behind the back of what is tested."""
    write_table(place.folder, rows, columns)
    place.adopt()
    return place.open()


def by_source(table: VersionedTable, version: int | None = None) -> dict[str, Mapping[str, object]]:
    """Returns the rows of one version by their source_id."""
    return {str(each["source_id"]): each for each in table.read(version).rows}


def full(source_id: str = "a", module_name: str = "sales", **columns: Any) -> dict[str, Any]:
    """A row with a value, or NULL, for every column."""
    return {**dict.fromkeys(OPTIONAL), **row(source_id, module_name, **columns)}


class ControlTableContract:
    """Subclass it with a fixture `place`."""

    @pytest.fixture
    def table(self, place: Place) -> VersionedTable:
        """A new table with all columns."""
        table = place.open()
        table.create(optional_columns=True)
        return table

    # Making a table

    def test_a_new_table_has_the_original_columns_in_their_order(self, place: Place):
        assert place.open().create(optional_columns=False) is Created.TABLE
        fields = DeltaTable(place.folder).schema().fields
        assert [(field.name, field.type.type) for field in fields] == [  # type: ignore[union-attr]
            ("source_id", "string"),
            ("module_name", "string"),
            ("source_type", "string"),
            ("execution_order", "integer"),
            ("source_config", "string"),
            ("target_config", "string"),
            ("transformation_config", "string"),
            ("is_active", "boolean"),
            ("created_timestamp", "timestamp"),
            ("updated_timestamp", "timestamp"),
        ]
        assert place.open().read().rows == []

    def test_a_new_table_has_the_optional_columns_when_asked(self, place: Place):
        assert place.open().create(optional_columns=True) is Created.TABLE
        names = [field.name for field in DeltaTable(place.folder).schema().fields]
        assert names == [*ORIGINAL, *OPTIONAL]

    def test_a_table_that_is_there_is_left_alone(self, place: Place):
        table = place.open()
        table.create(optional_columns=False)
        table.write(upserts(row()))
        before = table.version()
        assert table.create(optional_columns=False) is Created.NOTHING
        assert table.version() == before
        assert list(by_source(table)) == ["a"]

    def test_one_of_the_original_tool_has_eight_columns_in_order_and_everything_works_with_it(self, place: Place):
        table = place.open()
        assert table.create(original=True) is Created.TABLE
        assert [field.name for field in DeltaTable(place.folder).schema().fields] == list(ORIGINAL_COLUMNS)
        assert table.create(original=True) is Created.NOTHING
        assert table.create(only_new=True) is Created.NOTHING

        table.write(upserts(row("a"), row("b")))
        table.write(RowChanges([row("a", execution_order=7)], [("sales", "b")]))

        assert {key: found["execution_order"] for key, found in by_source(table).items()} == {"a": 7}
        with pytest.raises(TableUnusable, match="the optional columns 'description'"):
            table.write(upserts({**row("a"), "description": "x"}))

    def test_an_older_table_gets_the_optional_columns_only_on_request(self, place: Place):
        table = on_disk(place, [row(owner="me")], {**ORIGINAL, "owner": TEXT})
        assert table.create(optional_columns=False) is Created.NOTHING
        assert table.read().columns == {*ORIGINAL, "owner"}
        assert table.create(optional_columns=True) is Created.COLUMNS
        assert table.read().columns == {*ORIGINAL, "owner", *OPTIONAL}
        assert table.create(optional_columns=True) is Created.NOTHING
        assert stored(place)["sales", "a"] == {
            **row(owner="me"),
            **dict.fromkeys(("created_timestamp", "updated_timestamp", *OPTIONAL)),
        }

    def test_only_the_optional_columns_that_are_missing_are_added(self, place: Place):
        table = on_disk(place, [], {**ORIGINAL, "description": TEXT})
        assert table.create(optional_columns=True) is Created.COLUMNS
        assert table.read().columns == {*ORIGINAL, *OPTIONAL}

    # Spelling

    @pytest.mark.parametrize("spell", [str.upper, str.title])
    def test_the_case_of_a_column_s_name_makes_no_difference(self, place: Place, spell):
        spelled = {**{spell(name): kind for name, kind in ORIGINAL.items()}, spell("job_config"): TEXT}
        config = '{"max_concurrent_runs": 2}'
        table = on_disk(place, [{spell(name): value for name, value in row(job_config=config).items()}], spelled)
        assert table.create(optional_columns=True) is Created.COLUMNS
        assert table.read().columns == {*ORIGINAL, *OPTIONAL}
        assert [(each["source_id"], each["job_config"]) for each in table.read().rows] == [("a", config)]
        assert [each["job_config"] for each in table.read(0).rows] == [config]
        table.write(RowChanges([full("a", job_config="{}"), full("b")], [("sales", "c")]))
        assert {name: each["job_config"] for name, each in by_source(table).items()} == {"a": "{}", "b": None}
        names = [field.name for field in DeltaTable(place.folder).schema().fields]
        added = (
            "depends_on",
            "description",
            "targets",
            "presets",
            "adopt",
            "formerly",
            "after",
            "blueprint",
            "parameters",
        )
        assert names == [*spelled, *added, "source_parameters", "quality", "expect_no_rows"]

    def test_a_column_of_the_user_s_own_is_found_in_any_case(self, place: Place):
        table = on_disk(place, [row(Domain="x")], {**ORIGINAL, "Domain": TEXT})
        assert [each["domain"] for each in table.read(also=["domain"]).rows] == ["x"]

    # Versions

    def test_every_commit_is_one_version_more(self, table: VersionedTable):
        versions = [table.version()]
        for number in range(3):
            table.write(upserts(full(f"s{number}")))
            versions.append(table.version())
        assert [version.number for version in versions] == [0, 1, 2, 3]
        assert len(set(versions)) == 4

    def test_asking_for_the_version_changes_nothing(self, table: VersionedTable):
        assert table.version() == table.version() == table.read().version

    def test_a_commit_of_somebody_else_is_seen(self, place: Place, table: VersionedTable):
        table.write(upserts(full()))
        before = table.version()
        DeltaTable(place.folder).update(updates={"is_active": "false"})
        assert table.version() != before
        assert by_source(table)["a"]["is_active"] is False

    def test_a_table_dropped_and_made_again_has_another_version_of_the_same_number(
        self, place: Place, table: VersionedTable
    ):
        before = table.version()
        time.sleep(0.01)
        place.drop()
        place.open().create(optional_columns=True)
        after = place.open().version()
        assert (after.number, before.number) == (0, 0)
        assert after != before

    def test_what_tells_it_from_other_tables_stays_while_its_rows_change(self, place: Place, table: VersionedTable):
        before = table.identity()
        table.write(upserts(full()))
        assert place.open().identity() == before

    def test_a_read_can_be_pinned_to_a_version(self, table: VersionedTable):
        table.write(upserts(full(execution_order=1)))
        table.write(RowChanges([full(execution_order=2)], [("sales", "b")]))
        assert table.read(0).rows == []
        assert by_source(table, 1)["a"]["execution_order"] == 1
        assert by_source(table, 2)["a"]["execution_order"] == 2
        assert table.read(1).version.number == 1

    def test_a_version_from_before_a_column_was_added_can_be_read(self, place: Place):
        table = place.open()
        table.create(optional_columns=False)
        table.write(upserts(row()))
        table.create(optional_columns=True)
        assert [each["source_id"] for each in table.read(1).rows] == ["a"]
        assert not table.read(1).columns & set(OPTIONAL)

    def test_the_columns_of_an_older_version_are_known_even_if_it_has_no_rows(self, table: VersionedTable):
        table.write(upserts(full()))
        assert table.read(0).columns == {*ORIGINAL, *OPTIONAL}

    @pytest.mark.parametrize("version", [None, 1])
    def test_the_rows_of_one_module_can_be_read_alone(self, table: VersionedTable, version: int | None):
        rows = [full("a", text) for text in HOSTILE_TEXTS[:8]]
        table.write(upserts(*rows))
        for wanted in rows:
            found = table.read(version, where={"module_name": wanted["module_name"]}).rows
            assert [each["module_name"] for each in found] == [wanted["module_name"]]

    def test_a_version_that_is_not_there_yet_is_an_error_that_names_it(self, table: VersionedTable):
        with pytest.raises(OperationFailed, match=r"\b99\b"):
            table.read(99)

    # Rows in, rows out

    def test_a_row_comes_back_as_it_was_written(self, table: VersionedTable):
        written = full(
            source_type="api",
            execution_order=-7,
            source_config={"url": "x"},
            target_config={"t": [1]},
            is_active=False,
            depends_on=["b"],
            job_config={"tags": {"a": "b"}},
            description="Text.",
        )
        table.write(upserts(written))
        assert table.read().rows == [written]

    def test_rows_of_a_blueprint_come_to_the_sources_that_it_makes(self, table: VersionedTable):
        use = {"transformation_config": None, "execution_order": None, "blueprint": "load"}
        table.write(
            upserts(
                full("a", parameters={"table": "x"}, **use), full("b", parameters={"table": "y", "retries": 3}, **use)
            )
        )
        defining = unit_of_file("blueprints.yml", LOAD)

        (module,) = expanded([*units_of_rows("t", table.read().rows), defining])

        assert module == {
            "module_name": "sales",
            "sources": [
                {"source_id": "load_x", "execution_order": 1, "transformation_config": load(max_retries=1)},
                {"source_id": "load_y", "execution_order": 1, "transformation_config": load(max_retries=3)},
            ],
        }

    def test_null_stays_null(self, table: VersionedTable):
        nothing = dict.fromkeys(full())
        written = {**nothing, "module_name": "sales", "source_id": "a", "is_active": True}
        table.write(upserts(written))
        assert table.read().rows == [written]

    def test_text_goes_through_unharmed_whatever_it_looks_like(self, table: VersionedTable):
        rows = [full(text, f"m{text}", description=text, source_config=text) for text in HOSTILE_TEXTS]
        table.write(upserts(*rows))
        assert {each["source_id"]: each for each in table.read().rows} == {each["source_id"]: each for each in rows}
        table.write(RowChanges((), [(f"m{text}", text) for text in HOSTILE_TEXTS]))
        assert table.read().rows == []

    def test_the_users_own_columns_are_left_alone(self, place: Place):
        table = on_disk(place, [row("a", owner="me", cost=1), row("b", owner="you", cost=2)],
                        {**ORIGINAL, "owner": TEXT, "cost": LONG})  # fmt: skip
        assert "owner" in table.read().columns
        assert set(by_source(table)["a"]) == set(ORIGINAL_COLUMNS)
        table.write(upserts(row("a", execution_order=9), row("c")))
        found = stored(place)
        assert [(found["sales", name]["owner"], found["sales", name]["cost"]) for name in "abc"] == [
            ("me", 1), ("you", 2), (None, None),
        ]  # fmt: skip
        assert found["sales", "a"]["execution_order"] == 9

    def test_a_column_of_the_users_own_is_read_when_asked_for(self, place: Place):
        table = on_disk(place, [row("a", **{"my owner": "me", "cost": 1}), row("b")],
                        {**ORIGINAL, "my owner": TEXT, "cost": LONG})  # fmt: skip
        found = {each["source_id"]: each for each in table.read(also=["my owner", "nothing", "source_id"]).rows}
        assert [set(found["a"]) - set(ORIGINAL_COLUMNS), found["a"]["my owner"], found["b"]["my owner"]] == [
            {"my owner"}, "me", None,
        ]  # fmt: skip

    def test_all_columns_are_read_when_asked_for(self, place: Place):
        table = on_disk(place, [row("a", **{"my owner": "me", "cost": 1})],
                        {**ORIGINAL, "my owner": TEXT, "cost": LONG})  # fmt: skip
        snapshot = table.read(also=None)
        assert [set(each) for each in snapshot.rows] == [{*ORIGINAL, "my owner", "cost"}]
        assert {name: snapshot.types[name] for name in ("my owner", "cost", "source_id")} == {
            "my owner": "STRING", "cost": "BIGINT", "source_id": "STRING",
        }  # fmt: skip

    def test_a_table_without_timestamps_can_be_written(self, place: Place):
        table = on_disk(place, [row("a")], ORIGINAL_COLUMNS)
        table.write(upserts(row("a", execution_order=2), row("b")))
        assert {name: each["execution_order"] for name, each in by_source(table).items()} == {"a": 2, "b": 1}

    # Inserts and updates

    def test_a_new_row_is_stamped_with_the_time(self, place: Place, table: VersionedTable):
        table.write(upserts(full()))
        (found,) = stored(place).values()
        assert found["created_timestamp"] == found["updated_timestamp"]
        age = datetime.now(timezone.utc) - found["created_timestamp"]
        assert timedelta(seconds=-1) < age < timedelta(minutes=1)

    def test_only_rows_that_differ_are_touched(self, place: Place, table: VersionedTable):
        table.write(upserts(full("a"), full("b"), full("c", "returns")))
        before = stored(place)
        table.write(upserts(full("a"), full("b", execution_order=2), full("c", "returns")))
        after = stored(place)
        assert after["sales", "a"] == before["sales", "a"]
        assert after["returns", "c"] == before["returns", "c"]
        assert after["sales", "b"]["execution_order"] == 2
        assert after["sales", "b"]["created_timestamp"] == before["sales", "b"]["created_timestamp"]
        assert after["sales", "b"]["updated_timestamp"] > before["sales", "b"]["updated_timestamp"]

    def test_every_column_counts_as_a_difference(self, table: VersionedTable):
        changes: list[dict[str, Any]] = [
            {"source_type": "api"},
            {"source_type": None},
            {"execution_order": None},
            {"execution_order": 0},
            {"source_config": ""},
            {"target_config": None},
            {"transformation_config": "{ }"},
            {"is_active": False},
            {"depends_on": "[]"},
            {"job_config": "{}"},
            {"description": ""},
            {"adopt": "{}"},
            {"formerly": "a"},
            {"after": '["a"]'},
            {"blueprint": "ingest"},
            {"parameters": "{}"},
        ]
        changed = {f"s{number}": full(f"s{number}", **change) for number, change in enumerate(changes)}
        table.write(upserts(*(full(name) for name in changed)))
        table.write(upserts(*changed.values()))
        assert by_source(table) == changed

    def test_a_null_becomes_a_value(self, table: VersionedTable):
        table.write(upserts(full(source_type=None)))
        table.write(upserts(full(source_type="sql", description="x")))
        assert table.read().rows == [full(source_type="sql", description="x")]

    def test_the_same_source_id_in_two_modules_is_two_sources(self, table: VersionedTable):
        table.write(upserts(full("a", "sales", execution_order=1), full("a", "returns", execution_order=2)))
        table.write(RowChanges([full("a", "sales", execution_order=3)], [("returns", "a")]))
        assert table.read().rows == [full("a", "sales", execution_order=3)]

    def test_names_are_compared_exactly(self, table: VersionedTable):
        rows = [full("a"), full("A"), full("a "), full("á"), full("a\u0301")]
        table.write(upserts(*rows))
        assert len(table.read().rows) == 5

    # is_active

    def test_is_active_none_makes_a_new_row_active(self, table: VersionedTable):
        table.write(upserts(full(is_active=None)))
        assert table.read().rows == [full(is_active=True)]

    @pytest.mark.parametrize("state", [True, False, None])
    def test_is_active_none_keeps_what_an_operator_has_set(self, place: Place, state: bool | None):
        table = on_disk(place, [row(is_active=state)])
        table.write(upserts(row(is_active=None, execution_order=2)))
        assert table.read().rows == [row(is_active=state, execution_order=2)]

    @pytest.mark.parametrize("state", [True, False, None])
    def test_is_active_none_alone_is_no_difference(self, place: Place, state: bool | None):
        table = on_disk(place, [row(is_active=state)])
        with unchanged(place):
            table.write(upserts(row(is_active=None)))

    def test_is_active_is_set_where_it_is_given(self, table: VersionedTable):
        table.write(upserts(full(is_active=False)))
        table.write(upserts(full(is_active=True)))
        assert table.read().rows == [full(is_active=True)]

    # Deletions, and several changes at once

    def test_a_row_is_updated_where_it_is_yet_as_it_was_read(self, place: Place, table: VersionedTable):
        before = [row("a"), row("b"), row("c"), row("gone", execution_order=None)]
        table.write(RowChanges(before))
        wanted = [(each, {**each, "transformation_config": "{}", "is_active": None}) for each in before]
        meanwhile = [row("b", transformation_config="1"), row("c", description="d"), row("new")]
        table.write(RowChanges(meanwhile, [("sales", "gone")]))
        version = table.version().number

        table.update(wanted)

        found = {each["source_id"]: each for each in table.read().rows}
        assert table.version().number == version + 1
        assert {key: each["transformation_config"] for key, each in found.items()} == {
            "a": "{}",
            "b": "1",
            "c": "{}",
            "new": row()["transformation_config"],
        }
        # What no change is about is as somebody else has written it.
        assert found["c"]["description"] == "d"

    @pytest.mark.parametrize(("before", "after"), [(None, "x"), ("x", None), ("it's", "\\' OR 1=1 --"), ("", None)])
    def test_a_value_and_no_value_are_told_apart_where_a_row_is_updated(self, table: VersionedTable, before, after):
        kept, other = row("a", description=before), row("b", description="meanwhile")
        table.write(RowChanges([kept, other]))

        table.update([(each, {**each, "description": after}) for each in (kept, row("b", description=before))])

        found = {each["source_id"]: each["description"] for each in table.read().rows}
        assert found == {"a": after, "b": "meanwhile"}

    def test_rows_without_a_change_are_not_updated(self, table: VersionedTable):
        table.write(RowChanges([row("a")]))
        version = table.version()

        table.update([(row("a"), row("a"))])

        assert table.version() == version

    def test_rows_are_put_in_the_place_of_others_in_one_commit(self, table: VersionedTable):
        before = [full("same"), full("changed", description="x"), full("gone")]
        table.write(upserts(*before, full("a", "returns")))
        version = table.version().number
        after = [full("same"), full("changed", is_active=None, source_type=None), full("new", is_active=None)]

        table.replace(before, after, ["sales"])

        assert table.version().number == version + 1
        assert by_source(table) == {each["source_id"]: each for each in (*after, full("a", "returns"))}

    @pytest.mark.parametrize(
        "meanwhile",
        [
            RowChanges([full("changed", execution_order=7)]),
            RowChanges([full("same", is_active=False)]),
            RowChanges([full("added")]),
            RowChanges([full("new")]),
            RowChanges([], [("sales", "gone")]),
            RowChanges([], [("sales", "same")]),
        ],
        ids=["changed", "changed where nothing is to", "added", "added as wanted", "gone", "gone where it is to stay"],
    )
    def test_no_row_is_put_in_the_place_of_others_where_somebody_has_changed_one(
        self, table: VersionedTable, meanwhile: RowChanges
    ):
        before = [full("same"), full("changed"), full("gone")]
        table.write(upserts(*before))
        table.write(meanwhile)
        rows, version = by_source(table), table.version()

        with pytest.raises(RowsChanged, match="somebody has changed these rows since they were read"):
            table.replace(before, [full("same"), full("changed", description="y"), full("new")], ["sales"])

        assert (by_source(table), table.version()) == (rows, version)

    def test_rows_of_other_modules_may_change_meanwhile(self, table: VersionedTable):
        table.write(upserts(full("a"), full("a", "returns")))
        table.write(RowChanges([full("b", "returns")], [("returns", "a")]))

        table.replace([full("a")], [full("a", description="y")], ["sales"])

        found = {(each["module_name"], each["source_id"], each["description"]) for each in table.read().rows}
        assert found == {("sales", "a", "y"), ("returns", "b", None)}

    def test_columns_of_the_user_s_own_can_be_put_back_too(self, place: Place):
        table = on_disk(place, [row("a", owner="me", cost=1), row("b", owner="you", cost=2)],
                        {**ORIGINAL, "owner": TEXT, "cost": LONG})  # fmt: skip
        own = [Column("owner", "STRING")]
        before = [row("a", owner="me"), row("b", owner="you")]

        table.replace(before, [row("a", owner=None), row("c", owner="it's")], ["sales"], own)

        found = stored(place)
        assert {key[1]: (each["owner"], each["cost"]) for key, each in found.items()} == {
            "a": (None, 1), "c": ("it's", None),
        }  # fmt: skip

    def test_rows_are_deleted_by_module_and_source(self, table: VersionedTable):
        table.write(upserts(full("a"), full("b"), full("a", "returns")))
        table.write(RowChanges((), [("sales", "a")]))
        assert sorted((each["module_name"], each["source_id"]) for each in table.read().rows) == [
            ("returns", "a"), ("sales", "b"),
        ]  # fmt: skip

    def test_inserts_updates_and_deletions_are_one_commit(self, table: VersionedTable):
        table.write(upserts(full("a"), full("b")))
        table.write(RowChanges([full("b", execution_order=2), full("c")], [("sales", "a")]))
        assert table.version().number == 2
        assert {name: each["execution_order"] for name, each in by_source(table).items()} == {"b": 2, "c": 1}

    def test_a_row_that_is_not_there_may_be_deleted(self, table: VersionedTable):
        table.write(RowChanges([full("a")], [("sales", "nobody"), ("nowhere", "a")]))
        assert list(by_source(table)) == ["a"]

    def test_nothing_to_do_makes_no_commit(self, table: VersionedTable):
        before = table.version()
        table.write(RowChanges((), ()))
        assert table.version() == before

    def test_nothing_to_change_changes_nothing(self, place: Place, table: VersionedTable):
        table.write(upserts(full()))
        with unchanged(place):
            table.write(upserts(full()))
            table.write(RowChanges((), [("sales", "nobody")]))

    def test_the_same_write_again_changes_nothing(self, place: Place, table: VersionedTable):
        changes = RowChanges([full("b", execution_order=2, is_active=None), full("c")], [("sales", "a")])
        table.write(upserts(full("a"), full("b")))
        table.write(changes)
        with unchanged(place):
            table.write(changes)

    # History

    def test_the_history_says_newest_first_what_happened_and_when(self, place: Place, table: VersionedTable):
        table.write(upserts(full()))
        table.write(RowChanges((), [("sales", "a")]))
        commits = table.history(10)
        assert [(commit.version, commit.operation) for commit in commits] == [
            (2, "MERGE"),
            (1, "MERGE"),
            (0, "CREATE TABLE"),
        ]
        assert all(commit.timestamp.utcoffset() == timedelta() for commit in commits)
        age = datetime.now(timezone.utc) - commits[0].timestamp
        assert timedelta(seconds=-1) < age < timedelta(minutes=1)
        assert [commit.user is not None for commit in commits] == [place.records_users] * 3

    def test_the_history_can_be_limited(self, table: VersionedTable):
        table.write(upserts(full()))
        assert [commit.version for commit in table.history(1)] == [1]

    def test_the_history_names_who_made_a_commit(self, place: Place, table: VersionedTable):
        table.write(upserts(full()))
        named = CommitProperties(custom_metadata={"userName": "else@example.com"})
        DeltaTable(place.folder).update(updates={"is_active": "false"}, commit_properties=named)
        assert table.history(1)[0].user == "else@example.com"

    # What is no control table

    @pytest.mark.parametrize("operation", ["version", "read", "history", "write"])
    def test_a_table_that_is_missing_says_how_to_make_it(self, place: Place, operation: str):
        table = place.open()
        calls = {
            "version": table.version,
            "read": table.read,
            "history": lambda: table.history(1),
            "write": lambda: table.write(upserts(full())),
        }
        with pytest.raises(TableMissing) as caught:
            calls[operation]()
        assert "make it with `ljm table create`" in caught.value.problems[0]
        assert str(caught.value) == f"{table.name}: {caught.value.problems[0]}"

    @pytest.mark.parametrize("column", ORIGINAL_COLUMNS)
    def test_a_missing_column_is_named(self, place: Place, column: str):
        columns = {name: kind for name, kind in ORIGINAL.items() if name != column}
        table = on_disk(place, [], columns)
        with pytest.raises(TableUnusable) as caught:
            table.read()
        assert len(caught.value.problems) == 1
        assert f"the table has no column '{column}'" in caught.value.problems[0]

    def test_all_that_is_wrong_with_the_columns_is_said_at_once(self, place: Place):
        columns = {**ORIGINAL, "is_active": TEXT, "job_config": LONG}
        del columns["source_id"]
        table = on_disk(place, [], columns)
        with pytest.raises(TableUnusable) as caught:
            table.read()
        assert [problem.partition(";")[0] for problem in caught.value.problems] == [
            "the table has no column 'source_id'",
            "the column 'is_active' has the type STRING, but must be BOOLEAN",
            "the column 'job_config' has the type BIGINT, but must be STRING",
        ]

    @pytest.mark.parametrize("column", ["source_id", "is_active", "execution_order"])
    def test_a_table_with_a_column_missing_is_never_written(self, place: Place, column: str):
        table = on_disk(place, [], {name: kind for name, kind in ORIGINAL.items() if name != column})
        before = table.version()
        with pytest.raises(TableUnusable, match=column):
            table.write(upserts(row()))
        assert table.version() == before

    def test_an_optional_column_that_a_row_needs_but_the_table_lacks_is_an_error(self, place: Place):
        table = on_disk(place, [row()])
        before = table.version()
        with pytest.raises(TableUnusable, match="optional columns 'job_config', which the table lacks") as caught:
            table.write(upserts(full(job_config="{}"), full("b")))
        assert "ljm table create --optional-columns" in str(caught.value)
        assert table.version() == before

    def test_optional_columns_without_a_value_need_not_be_there(self, place: Place):
        table = on_disk(place, [])
        table.write(upserts(full()))
        assert table.read().rows == [row()]

    def test_an_order_that_does_not_fit_is_refused_not_changed(self, table: VersionedTable):
        table.write(upserts(full()))
        with pytest.raises(OperationFailed, match="execution_order"):
            table.write(upserts(full(execution_order=2**31)))
        assert table.read().rows == [full()]

    @pytest.mark.parametrize("kind", [LONG, arrow.DataType.int16()], ids=str)
    def test_an_order_may_be_any_whole_number(self, place: Place, kind: arrow.DataType):
        table = on_disk(place, [row("a", execution_order=7)], {**ORIGINAL, "execution_order": kind})
        table.write(upserts(row("b", execution_order=8)))
        assert {name: each["execution_order"] for name, each in by_source(table).items()} == {"a": 7, "b": 8}


# A control table is a dictionary by module and source: steps of random changes give the same as one.

_names = st.sampled_from(["a", "b", "it's", "表\n`"])
_rows = st.fixed_dictionaries(
    {
        "source_type": st.none() | st.text(max_size=5),
        "execution_order": st.none() | st.integers(-(2**31), 2**31 - 1),
        "is_active": st.none() | st.booleans(),
        "description": st.none() | st.text(st.characters(codec="utf-8"), max_size=5),
    }
)
_keys = st.tuples(_names, _names)
_change = st.tuples(st.dictionaries(_keys, _rows, max_size=4), st.sets(_keys, max_size=2))
histories = st.lists(_change, min_size=1, max_size=4)


def check_history(place: Place, history: list[tuple[dict[tuple[str, str], dict[str, Any]], set[tuple[str, str]]]]):
    """Makes the changes in a new table and in a dictionary; both must have the same rows after each."""
    place.drop()
    table = place.open()
    table.create(optional_columns=True)
    model: dict[tuple[str, str], dict[str, Any]] = {}
    for changed, gone in history:
        before = dict(model)
        deletions = sorted(gone - set(changed))
        for key in deletions:
            model.pop(key, None)
        for (module, source), values in changed.items():
            new = full(source, module, **values)
            if new["is_active"] is None:
                new["is_active"] = model[module, source]["is_active"] if (module, source) in model else True
            model[module, source] = new
        version = table.version().number

        table.write(RowChanges([full(key[1], key[0], **values) for key, values in changed.items()], deletions))

        assert {(each["module_name"], each["source_id"]): each for each in table.read().rows} == model
        assert place.commits_nothing or table.version().number == version + (model != before)
