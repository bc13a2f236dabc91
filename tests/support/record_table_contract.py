"""What every table of the state store promises, whatever it is stored in.

The same tests run over a local file, over Delta files, over a SQL warehouse (test_state_stores.py) and in a Spark
session (slow/test_spark.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import strategies as st

from lakeflow_job_meta.errors import OperationFailed
from lakeflow_job_meta.state.store import HISTORY, JOBS
from lakeflow_job_meta.tables.schema import Column, RowChanges, TableSchema
from lakeflow_job_meta.tables.store import TableStore
from support.control_table_contract import HOSTILE_TEXTS
from support.slow import one_in

OpenRecords = Callable[[TableSchema], TableStore]
"""Opens the table of a schema; the same one with each call."""

NOON = datetime(2026, 3, 1, 12, 0, 0, 123_000, tzinfo=timezone.utc)
OLDER_JOBS = TableSchema(JOBS.suffix, JOBS.columns[:7], JOBS.key, JOBS.order)
ORIGINAL_JOBS = TableSchema(JOBS.suffix, JOBS.columns[:5], ("job_id",), JOBS.order)
"""The table as the original tool made it."""


def job(bundle_key: str = "sales", target: str = "prod", **columns: Any) -> dict[str, Any]:
    """A whole row of the jobs."""
    return {
        "module_name": bundle_key,
        "job_id": 2**40,
        "job_name": f"[prod] {bundle_key}",
        "created_timestamp": NOON,
        "updated_timestamp": NOON,
        "target": target,
        "bundle_key": bundle_key,
        "url": "https://example.com/jobs/1",
        "metadata_version": "7",
        **columns,
    }


def tick(run_id: str, minutes: int = 0, **columns: Any) -> dict[str, Any]:
    """A whole row of the history."""
    nothing = dict.fromkeys(column.name for column in HISTORY.columns)
    return {**nothing, "run_id": run_id, "started_timestamp": NOON + timedelta(minutes=minutes), **columns}


def by_key(table: TableStore) -> dict[tuple[object, object], Mapping[str, object]]:
    return {(row["target"], row["bundle_key"]): row for row in table.rows()}


_texts = st.sampled_from(["a", "b", "it's", "`", ""])
_jobs = st.builds(
    job,
    bundle_key=_texts,
    target=st.sampled_from(["dev", "prod"]),
    job_id=st.none() | st.integers(-(2**63), 2**63 - 1),
    job_name=st.none() | st.text(max_size=10),
    updated_timestamp=st.none()
    | st.datetimes(datetime(1950, 1, 1), datetime(2100, 1, 1)).map(
        lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000, tzinfo=timezone.utc)
    ),
)
put_histories = st.lists(
    st.tuples(st.lists(_jobs, max_size=4), st.lists(st.tuples(st.sampled_from(["dev", "prod"]), _texts), max_size=3)),
    min_size=1,
    max_size=4,
)
"""Random puts: rows and deletions."""


def check_puts(table: TableStore, puts: list[tuple[list[dict[str, Any]], list[tuple[object, ...]]]]) -> None:
    """After each put, the table holds what a dictionary would."""
    table.write(RowChanges([], list(by_key(table))))
    model: dict[tuple[object, ...], dict[str, Any]] = {}
    for rows, deletions in puts:
        table.write(RowChanges(rows, deletions))
        for deletion in deletions:
            model.pop(deletion, None)
        model |= {(row["target"], row["bundle_key"]): row for row in rows}
        assert by_key(table) == model
        moments = [row["updated_timestamp"] for row in table.newest(3)]
        known = sorted((row["updated_timestamp"] for row in model.values() if row["updated_timestamp"]), reverse=True)
        assert moments == [*known, *[None] * len(model)][: min(3, len(model))]


class RecordTableContract:
    """Subclass it with a fixture `open_table`."""

    @pytest.fixture
    def jobs(self, open_table: OpenRecords) -> TableStore:
        return open_table(JOBS)

    @pytest.fixture
    def history(self, open_table: OpenRecords) -> TableStore:
        return open_table(HISTORY)

    def test_a_table_that_is_not_there_has_no_rows(self, jobs):
        assert jobs.rows() == []
        assert jobs.newest(5) == []

    def test_a_row_comes_back_as_it_was_written(self, jobs, history):
        done = tick(
            "r1", duration_seconds=1.25, metadata_version="3", outcome="deployed", created=1, changed=0, deleted=-1,
            refused=2**31 - 1, quarantined=0, error="it's", details='{"a": [1, null]}', target="prod",
            changed_by="ann, bob", git_commit="0a1b",
        )  # fmt: skip
        jobs.write(RowChanges([job()]))
        history.write(RowChanges([done]))
        assert jobs.rows() == [job()]
        assert history.rows() == [done]
        assert {type(value) for value in history.rows()[0].values()} == {str, int, float, datetime}
        assert history.rows()[0]["started_timestamp"].utcoffset() == timedelta(0)

    def test_a_whole_number_fits_into_a_fraction(self, history):
        history.write(RowChanges([tick("r1", duration_seconds=3)]))
        assert repr(history.rows()[0]["duration_seconds"]) == "3.0"

    def test_moments_are_kept_to_the_millisecond_in_utc(self, history):
        zone = timezone(timedelta(hours=-5))
        history.write(RowChanges([tick("r1", started_timestamp=datetime(2026, 3, 8, 2, 30, 0, 123_999, tzinfo=zone))]))
        (row,) = history.rows()
        assert row["started_timestamp"] == datetime(2026, 3, 8, 7, 30, 0, 123_000, tzinfo=timezone.utc)

    def test_what_a_row_lacks_is_null(self, jobs):
        jobs.write(RowChanges([job()]))
        jobs.write(RowChanges([{"target": "prod", "bundle_key": "sales"}]))
        nothing = dict.fromkeys(job())
        assert jobs.rows() == [{**nothing, "target": "prod", "bundle_key": "sales"}]

    def test_rows_are_inserted_updated_and_deleted_by_key_in_one_put(self, jobs):
        jobs.write(RowChanges([job("a"), job("b"), job("b", target="dev")]))
        jobs.write(RowChanges([job("a", job_id=2), job("c")], [("prod", "b"), ("prod", "never there")]))
        assert by_key(jobs) == {
            ("prod", "a"): job("a", job_id=2),
            ("prod", "c"): job("c"),
            ("dev", "b"): job("b", target="dev"),
        }

    def test_the_last_of_several_rows_of_a_key_counts_and_is_not_deleted(self, jobs):
        jobs.write(RowChanges([job(job_id=1), job(job_id=2)], [("prod", "sales")]))
        assert jobs.rows() == [job(job_id=2)]

    def test_the_same_put_again_changes_nothing(self, jobs):
        jobs.write(RowChanges([job("b")]))
        for _ in range(2):
            jobs.write(RowChanges([job("a")], [("prod", "b")]))
            assert jobs.rows() == [job("a")]

    def test_nothing_to_do_does_not_make_the_table(self, jobs):
        jobs.write(RowChanges([]))
        jobs.write(RowChanges([], []))
        assert jobs.rows() == []

    def test_deleting_from_a_table_that_is_not_there_is_no_error(self, jobs):
        jobs.write(RowChanges([], [("prod", "sales")]))
        assert jobs.rows() == []

    def test_text_goes_through_unharmed_whatever_it_looks_like(self, jobs):
        rows = [job(text, job_name=text) for text in HOSTILE_TEXTS]
        jobs.write(RowChanges(rows))
        assert by_key(jobs) == {("prod", row["bundle_key"]): row for row in rows}
        jobs.write(RowChanges([], [("prod", text) for text in HOSTILE_TEXTS]))
        assert jobs.rows() == []

    def test_half_a_character_becomes_a_question_mark(self, history):
        history.write(RowChanges([tick("r1", error="no file \udcff")]))
        assert history.rows()[0]["error"] == "no file ?"

    def test_the_newest_come_first_and_no_more_than_asked_for(self, history):
        history.write(
            RowChanges(
                [tick(f"r{minute}", minute) for minute in (3, 1, 4, 2)] + [tick("never", started_timestamp=None)]
            )
        )
        assert [row["run_id"] for row in history.newest(3)] == ["r4", "r3", "r2"]
        assert [row["run_id"] for row in history.newest(9)] == ["r4", "r3", "r2", "r1", "never"]
        assert history.newest(0) == []

    def test_the_newest_may_be_those_of_one_target(self, history):
        history.write(
            RowChanges([tick(f"r{minute}", minute, target="dev" if minute % 2 else "it's") for minute in (1, 2, 3, 4)])
        )
        assert [row["run_id"] for row in history.newest(1, {"target": "dev"})] == ["r3"]
        assert [row["run_id"] for row in history.newest(9, {"target": "it's"})] == ["r4", "r2"]
        assert history.newest(9, {"target": "dev' OR '1'='1"}) == []

    def test_rows_of_one_moment_are_in_the_order_of_their_keys(self, history):
        history.write(RowChanges([tick("b"), tick("a"), tick("c")]))
        assert [row["run_id"] for row in history.newest(2)] == ["a", "b"]

    def test_an_older_table_gets_the_columns_that_it_lacks(self, open_table, jobs):
        older = {name: value for name, value in job().items() if name not in ("url", "metadata_version")}
        open_table(OLDER_JOBS).write(RowChanges([older]))
        assert jobs.rows() == [job(url=None, metadata_version=None)]
        assert jobs.newest(1) == jobs.rows()
        jobs.write(RowChanges([job("b")]))
        assert by_key(jobs) == {("prod", "sales"): job(url=None, metadata_version=None), ("prod", "b"): job("b")}

    def test_the_table_of_the_original_tool_is_carried_on(self, open_table, jobs):
        columns = [column.name for column in ORIGINAL_JOBS.columns]
        originals = [{name: job(job_id=number)[name] for name in columns} for number in (1, 2)]
        open_table(ORIGINAL_JOBS).write(RowChanges(originals))
        nothing = dict.fromkeys(job())
        for found in (jobs.rows(), jobs.newest(5)):
            assert sorted(found, key=lambda row: row["job_id"]) == [{**nothing, **row} for row in originals]
        jobs.write(RowChanges([job(job_id=3)]))
        assert {row["job_id"] for row in jobs.rows()} == {1, 2, 3}

    @pytest.mark.parametrize(
        ("column", "value"),
        one_in(
            3,
            [
                ("created", 2**31),
                ("created", True),
                ("created", "1"),
                ("duration_seconds", float("nan")),
                ("duration_seconds", float("inf")),
                ("duration_seconds", 10**400),
                ("started_timestamp", datetime(2026, 1, 1)),
                ("started_timestamp", "2026-01-01"),
                ("error", b"x"),
                ("run_id", None),
                ("colour", "red"),
            ],
        ),
        ids=str,
    )
    def test_a_value_that_does_not_fit_is_refused_and_named(self, history, column, value):
        history.write(RowChanges([tick("r1")]))
        with pytest.raises(OperationFailed, match=f"'{column}'"):
            history.write(RowChanges([tick("r2"), {**tick("r3"), column: value}]))
        assert history.rows() == [tick("r1")]

    def test_a_key_of_another_length_is_refused(self, jobs):
        with pytest.raises(OperationFailed, match="not 1 values"):
            jobs.write(RowChanges([], [("prod",)]))

    def test_a_column_of_a_type_that_cannot_hold_it_is_an_error_and_not_no_rows(self, open_table, jobs):
        wrong = tuple(Column(c.name, "STRING" if c.name == "job_id" else c.type) for c in JOBS.columns)
        open_table(TableSchema(JOBS.suffix, wrong, JOBS.key, JOBS.order)).write(RowChanges([job(job_id="seven")]))
        for use in (jobs.rows, lambda: jobs.newest(1), lambda: jobs.write(RowChanges([job()]))):
            with pytest.raises(OperationFailed, match="'job_id' has the type STRING"):
                use()
