"""Which rows come of a history of a control table and of approvals: those of the newest approval that counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakeflow_job_meta.control_table.approvals import (
    APPROVALS,
    EVERY_TARGET,
    Approval,
    ApprovedRows,
    approval_of_row,
    rows_by_module,
    rows_digest,
)
from lakeflow_job_meta.control_table.waiting import NO_ROWS
from lakeflow_job_meta.sources.approved_rows import ApprovalReader, TableHistory
from lakeflow_job_meta.tables.schema import Row
from lakeflow_job_meta.tables.store import Commit, Snapshot, TableVersion, VersionUnreadable

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
USERS = ["ann", "bob", None]
NAMES = ["sales", "stock"]


@dataclass
class Table:
    """A control table of which every version is known, as long as it is not vacuumed."""

    versions: list[dict[str, int]]
    users: list[str | None]
    vacuumed: frozenset[int] = frozenset()
    oldest: int = 0
    reads: list[int] = field(default_factory=list)

    def rows(self, version: int) -> list[Row]:
        return [{"module_name": name, "source_id": str(text)} for name, text in self.versions[version].items()]

    def read(self, version: int | None = None, *, also: tuple[str, ...] = ()) -> Snapshot:
        number = len(self.versions) - 1 if version is None else version
        self.reads.append(number)
        if version is not None and (version in self.vacuumed or version < self.oldest):
            raise VersionUnreadable("it is gone")
        return Snapshot(TableVersion(number, ""), frozenset(), self.rows(number))

    def history(self, limit: int) -> list[Commit]:
        kept = range(self.oldest, len(self.versions))
        return [Commit(number, START, "MERGE", self.users[number]) for number in reversed(kept)]

    def digest(self, module: str, version: int) -> str:
        return rows_digest(rows_by_module(self.rows(version)).get(module, []))


@dataclass
class Approvals:
    rows_: list[Row]

    def rows(self) -> list[Row]:
        return self.rows_


def approval(table: Table, module: str, version: int, by: str = "eve", **values: object) -> Approval:
    digest = table.digest(module, version)
    return replace(Approval(module, version, EVERY_TARGET, by, START, digest=digest), **values)  # type: ignore[arg-type]


def approved(table: Table, *approvals: Approval, other_than_author: bool = False) -> ApprovedRows:
    store = Approvals([each.as_row() for each in approvals])
    reader = ApprovalReader("prod", other_than_author, lambda: store)  # type: ignore[arg-type,return-value]
    return reader.approved_rows("control", table, table.read(), ())  # type: ignore[arg-type]


def texts(found: ApprovedRows) -> dict[str, str]:
    return {str(row["module_name"]): str(row["source_id"]) for row in found.rows}


@st.composite
def histories(draw: st.DrawFn) -> tuple[Table, list[Approval]]:
    state = st.dictionaries(st.sampled_from(NAMES), st.integers(0, 2))
    versions = [{}, *draw(st.lists(state, min_size=1, max_size=7))]
    users = draw(st.lists(st.sampled_from(USERS), min_size=len(versions), max_size=len(versions)))
    table = Table(versions, users)
    pairs = st.tuples(st.sampled_from(NAMES), st.integers(0, len(versions) - 1), st.sampled_from(["ann", "bob", "eve"]))
    found = draw(st.lists(pairs, max_size=6, unique=True))
    approvals = [approval(table, module, version, by) for module, version, by in found]
    by_hand = draw(st.lists(st.booleans(), min_size=len(found), max_size=len(found)))
    return table, [
        replace(each, digest=None) if is_by_hand else each for each, is_by_hand in zip(approvals, by_hand, strict=True)
    ]


def changers(table: Table, module: str, since: int, until: int) -> set[str | None]:
    """The users of all commits after one version, up to another, that change a module."""
    return {
        table.users[number]
        for number in range(since + 1, until + 1)
        if table.digest(module, number) != (table.digest(module, number - 1) if number else NO_ROWS)
    }


class TestTheRowsOfAModule:
    @given(histories())
    def test_are_those_of_the_newest_version_that_was_approved_for_it(self, drawn: tuple[Table, list[Approval]]):
        table, approvals = drawn

        found = approved(table, *approvals)

        of_modules = {name: [each.version for each in approvals if each.module == name] for name in NAMES}
        self._are_those_of(found, table, {name: max(each, default=None) for name, each in of_modules.items()})

    @given(histories())
    def test_need_no_version_to_be_read_twice(self, drawn: tuple[Table, list[Approval]]):
        table, approvals = drawn

        approved(table, *approvals)

        newest = len(table.versions) - 1
        assert table.reads[0] == newest
        assert len(set(table.reads[1:])) == len(table.reads[1:])

    def _are_those_of(self, found: ApprovedRows, table: Table, versions: Mapping[str, int | None]) -> None:
        newest = len(table.versions) - 1
        known = {*table.versions[newest], *(name for name, version in versions.items() if version is not None)}
        wanted = {
            name: str(table.versions[version][name])
            for name, version in versions.items()
            if version is not None and name in table.versions[version]
        }
        assert texts(found) == wanted
        assert found.held == {name for name in known if versions[name] is None}
        assert found.removed == {
            name for name, version in versions.items() if version is not None and name not in table.versions[version]
        }
        assert {each.module for each in found.waiting} == {
            name
            for name in known
            if (version := versions[name]) is None
            or table.versions[version].get(name) != table.versions[newest].get(name)
        }


class TestAnApproval:
    @given(histories())
    def test_counts_unless_its_author_has_written_it_or_nobody_knows_who_has(self, drawn: tuple[Table, list[Approval]]):
        table, approvals = drawn
        reader = ApprovalReader(
            "prod",
            True,
            lambda: Approvals([each.as_row() for each in approvals]),  # type: ignore[arg-type,return-value]
        )

        found = reader.counted(TableHistory(table), len(table.versions) - 1)  # type: ignore[arg-type]

        for each in approvals:
            counting = [one.version for one in found[each.module].approvals]
            before = max((version for version in counting if version < each.version), default=-1)
            authors = changers(table, each.module, before, each.version)
            digest = table.digest(each.module, before) if before >= 0 else NO_ROWS
            if table.digest(each.module, each.version) == digest:
                assert each.version in counting  # what was changed meanwhile was changed back
            elif each in found[each.module].approvals:
                assert not authors or authors - {each.approved_by, None}
            elif each.version not in counting:
                assert authors & {each.approved_by, None}

    def test_by_who_wrote_another_module_meanwhile_counts(self):
        table = Table([{}, {"sales": 1}, {"sales": 1, "stock": 1}], [None, "ann", "bob"])

        found = approved(table, approval(table, "sales", 2, "bob"), other_than_author=True)

        assert texts(found) == {"sales": "1"}

    def test_of_its_own_author_does_not_and_the_one_before_goes_on(self):
        table = Table([{}, {"sales": 1}, {"sales": 2}], ["ann", "ann", "bob"])
        own = approval(table, "sales", 2, "BOB")

        found = approved(table, approval(table, "sales", 1, "bob"), own, other_than_author=True)

        assert texts(found) == {"sales": "1"}
        (waiting,) = found.waiting
        assert (waiting.approved, waiting.version, waiting.authors) == (1, 2, ("bob",))
        assert waiting.objections == ("the approval of version 2 by BOB does not count, since BOB wrote some of it",)

    def test_of_a_version_whose_author_the_history_does_not_name_does_not_count(self):
        table = Table([{}, {"sales": 1}], ["ann", None])

        found = approved(table, approval(table, "sales", 1, "bob"), other_than_author=True)

        assert found.held == {"sales"}
        assert "does not say who wrote it" in found.waiting[0].objections[0]

    def test_that_was_given_before_a_self_approval_is_what_the_next_one_is_compared_with(self):
        """Else an author would approve in two steps what is all their own."""
        table = Table([{}, {"sales": 1}, {"sales": 2}, {"sales": 3}], ["ann", "ann", "bob", "ann"])
        first, own = approval(table, "sales", 1, "eve"), approval(table, "sales", 2, "bob")

        found = approved(table, first, own, approval(table, "sales", 3, "bob"), other_than_author=True)

        assert texts(found) == {"sales": "1"}

    def test_goes_on_to_count_when_the_history_is_gone_if_its_authors_were_noted(self):
        table = Table([{}, {"sales": 1}, {"sales": 1, "stock": 1}], ["ann", "ann", "bob"], oldest=2)
        noted = approval(table, "sales", 1, "bob", authors=("ann",))

        assert texts(approved(table, noted, other_than_author=True)) == {"sales": "1"}
        own = replace(noted, authors=("Bob",))
        assert approved(table, own, other_than_author=True).held == {"sales", "stock"}
        by_hand = approved(table, replace(noted, authors=None), other_than_author=True)
        assert "does not say any more who wrote it" in by_hand.waiting[0].objections[0]

    def test_goes_on_to_count_when_its_version_cannot_be_read_and_nothing_has_changed_since(self):
        table = Table([{}, {"sales": 1}, {"sales": 1, "stock": 2}], ["ann", "ann", "bob"], frozenset([0, 1]))

        found = approved(table, approval(table, "sales", 1))

        assert texts(found) == {"sales": "1"}
        assert found.held == {"stock"}

    def test_by_who_wrote_other_modules_counts_although_some_of_the_versions_between_are_gone(self):
        versions = [{}, {"sales": 1}, *({"sales": 1, "stock": each} for each in range(6)), {"sales": 2, "stock": 5}]
        table = Table(versions, [None, "ann", *["bob"] * 6, "ann"], vacuumed=frozenset(range(6)))
        first = approval(table, "sales", 1, "bob", authors=("ann",))

        found = approved(table, first, approval(table, "sales", 8, "bob"), other_than_author=True)

        assert texts(found) == {"sales": "2"}

    def test_that_says_not_who_gave_it_does_not_count(self):
        table = Table([{}, {"sales": 1}], ["ann", "ann"])

        found = approved(table, approval(table, "sales", 1, ""), other_than_author=True)

        assert found.held == {"sales"}

    def test_whose_version_cannot_be_read_any_more_holds_what_is_deployed(self):
        table = Table([{}, {"sales": 1}, {"sales": 2}], ["ann", "ann", "bob"], frozenset([1]))

        found = approved(table, approval(table, "sales", 1))

        assert (texts(found), found.held) == ({}, {"sales"})
        assert found.unreadable == {"sales": (1, "it is gone")}

    def test_of_a_table_that_was_dropped_since_does_not_count_in_its_successor(self):
        table = Table([{}, {"sales": 1}, {"sales": 2}], ["ann"] * 3)
        older = approval(table, "sales", 1)
        of_the_old_table = replace(approval(table, "sales", 2), digest=rows_digest([{"module_name": "sales"}]))
        beyond = replace(older, version=7)

        found = approved(table, older, of_the_old_table, beyond)

        assert texts(found) == {"sales": "1"}
        assert "that version has other rows now" in found.waiting[0].objections[0]

    def test_for_one_target_says_nothing_of_another(self):
        table = Table([{}, {"sales": 1}], ["ann"] * 2)

        assert approved(table, approval(table, "sales", 1, target="qa")).held == {"sales"}
        assert texts(approved(table, approval(table, "sales", 1, target="prod"))) == {"sales": "1"}

    @given(
        st.fixed_dictionaries(
            {column.name: st.one_of(st.none(), st.text(), st.integers()) for column in APPROVALS.columns}
        )
    )
    def test_that_is_a_row_of_any_kind_is_read_or_is_none(self, row: Row):
        found = approval_of_row(row)

        assert found is None or approval_of_row(found.as_row()) == found

    def test_is_written_as_it_is_read(self):
        given_ = Approval("sales", 3, "prod", "ann", START + timedelta(days=1), "fine", "0+1", ("bob", None))

        assert approval_of_row(given_.as_row()) == given_


class TestADigest:
    def test_is_the_same_with_a_column_more_that_is_empty_and_in_any_order(self):
        rows = [{"module_name": "a", "source_id": "1"}, {"module_name": "a", "source_id": "2", "is_active": None}]

        assert rows_digest(rows) == rows_digest([{**each, "depends_on": None} for each in reversed(rows)])

    @pytest.mark.parametrize("other", [{"source_id": "2"}, {"is_active": False}, {"execution_order": 1}])
    def test_is_another_where_a_cell_is(self, other: Row):
        row = {"module_name": "a", "source_id": "1"}

        assert rows_digest([row]) != rows_digest([{**row, **other}])

    def test_tells_columns_of_the_user_from_those_of_metadata(self):
        row = {"module_name": "a", "domain": "x"}

        assert rows_digest([row]) == rows_digest([{**row, "domain": "y"}])
        assert rows_digest([row], ("domain",)) != rows_digest([{**row, "domain": "y"}], ("domain",))
        assert rows_digest([row], ("domain",)).startswith(rows_digest([row]))
