"""The tables beside the control table: the contract over three kinds, and what happens when things go wrong."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from deltalake import DeltaTable
from hypothesis import given, settings

from fakes.workspace import Fault, FaultKind, SqlError
from lakeflow_job_meta.errors import ConfigError, OperationFailed
from lakeflow_job_meta.state.store import HISTORY, JOBS
from lakeflow_job_meta.tables.delta import location_beside
from lakeflow_job_meta.tables.local import LocalTable
from lakeflow_job_meta.tables.names import MAX_PART, name_beside, split_name
from lakeflow_job_meta.tables.open import open_table
from lakeflow_job_meta.tables.schema import RowChanges
from lakeflow_job_meta.tables.sql import MAX_STATEMENT_BYTES, SqlTable
from lakeflow_job_meta.tables.store import TableStore
from lakeflow_job_meta.tables.warehouse import WarehouseExecutor
from support.connections import CONTROL
from support.examples import examples
from support.record_table_contract import (
    OLDER_JOBS,
    OpenRecords,
    RecordTableContract,
    by_key,
    check_puts,
    job,
    put_histories,
    tick,
)
from support.slow import few
from support.tables import TEXT, write_table

pytest_plugins = ["support.workspace_fixtures"]

STATEMENTS = "/api/2.0/sql/statements"


class TestLocal(RecordTableContract):
    @pytest.fixture
    def open_table(self, tmp_path: Path) -> OpenRecords:
        return lambda layout: LocalTable(tmp_path / "state" / "prod", layout)

    def test_a_column_of_a_type_that_cannot_hold_it_is_an_error_and_not_no_rows(self, tmp_path):
        (tmp_path / "jobs.json").write_text(json.dumps([{"target": "prod", "bundle_key": "a", "job_id": "seven"}]))
        table = LocalTable(tmp_path, JOBS)
        for use in (table.rows, lambda: table.newest(1), lambda: table.write(RowChanges([job()]))):
            with pytest.raises(OperationFailed, match="'job_id' has the type BIGINT"):
                use()

    @settings(max_examples=examples(15))
    @given(puts=put_histories)
    def test_a_local_store_behaves_like_a_dictionary(self, jobs, puts):
        check_puts(jobs, puts)

    def test_it_is_one_file_named_after_the_suffix(self, jobs, tmp_path):
        jobs.write(RowChanges([job()]))
        assert [path.name for path in (tmp_path / "state" / "prod").iterdir()] == ["jobs.json"]
        assert jobs.name == str(tmp_path / "state" / "prod" / "jobs.json")

    def test_only_the_newest_thousand_ticks_are_kept(self, history):
        history.write(RowChanges([tick(f"r{number}", number) for number in range(1000)]))
        history.write(RowChanges([tick("new", 5000)]))
        kept = {row["run_id"] for row in history.rows()}
        assert len(kept) == 1000
        assert "new" in kept
        assert "r0" not in kept

    def test_jobs_in_a_local_store_are_all_kept(self, jobs):
        jobs.write(RowChanges([job(f"j{number}") for number in range(1100)]))
        assert len(jobs.rows()) == 1100

    @pytest.mark.parametrize(
        "text",
        ["", "[", "{}", "null", "[1]", '[{"job_id": "x"}]', '[{"created_timestamp": "soon"}]', "[" * 100_000, "[\x00]"],
        ids=lambda text: text[:30],
    )
    def test_a_damaged_file_is_an_error_and_is_left_as_it_is(self, tmp_path, text):
        file = tmp_path / "jobs.json"
        file.write_text(text)
        table = LocalTable(tmp_path, JOBS)
        for use in (table.rows, lambda: table.newest(1), lambda: table.write(RowChanges([job()]))):
            with pytest.raises(OperationFailed, match=r"is damaged: .*Restore the file, or move it away"):
                use()
        assert file.read_text() == text

    def test_a_file_that_cannot_be_read_is_an_error(self, tmp_path):
        (tmp_path / "jobs.json").mkdir()
        with pytest.raises(OperationFailed, match="cannot be read"):
            LocalTable(tmp_path, JOBS).rows()

    def test_a_file_that_is_no_text_is_an_error(self, tmp_path):
        (tmp_path / "jobs.json").write_bytes(b"\xff\xfe[]")
        with pytest.raises(OperationFailed, match="is damaged"):
            LocalTable(tmp_path, JOBS).rows()

    def test_a_folder_that_cannot_be_made_is_an_error(self, tmp_path):
        (tmp_path / "state").write_text("a file")
        with pytest.raises(OperationFailed, match="cannot be"):
            LocalTable(tmp_path / "state" / "prod", JOBS).write(RowChanges([job()]))


class TestDelta(RecordTableContract):
    @pytest.fixture
    def open_table(self, tmp_path: Path) -> OpenRecords:
        return lambda layout: open_table("data/etl_control/", layout, folder=tmp_path)

    @settings(max_examples=examples(6))
    @given(puts=put_histories)
    def test_a_delta_store_behaves_like_a_dictionary(self, jobs, puts):
        check_puts(jobs, puts)

    def test_a_table_that_somebody_is_just_making_is_waited_for(self, jobs, tmp_path):
        jobs.write(RowChanges([job()]))
        log = tmp_path / "data" / "etl_control_jobs" / "_delta_log"
        log.rename(log.with_name("elsewhere"))
        threading.Timer(0.15, lambda: log.with_name("elsewhere").rename(log)).start()

        assert jobs.rows() == [job()]

    @pytest.mark.slow
    def test_many_commits_are_not_many_files_to_open(self, history, tmp_path):
        for number in range(60):
            history.write(RowChanges([tick(f"r{number}", number)]))
        assert len(DeltaTable(tmp_path / "data" / "etl_control_history").file_uris()) <= 20
        assert [row["run_id"] for row in history.newest(60)] == [f"r{number}" for number in reversed(range(60))]

    def test_it_lies_beside_the_control_table(self, jobs, history, tmp_path):
        jobs.write(RowChanges([job()]))
        history.write(RowChanges([tick("r1")]))
        assert sorted(path.name for path in (tmp_path / "data").iterdir()) == [
            "etl_control_history",
            "etl_control_jobs",
        ]
        assert jobs.name == "data/etl_control_jobs"

    def test_a_put_is_one_commit_and_the_same_again_is_none(self, jobs, tmp_path):
        jobs.write(RowChanges([job("a"), job("b")]))
        jobs.write(RowChanges([job("c")], [("prod", "a")]))
        jobs.write(RowChanges([job("c")], [("prod", "a")]))
        assert DeltaTable(tmp_path / "data" / "etl_control_jobs").version() == 2

    def test_the_columns_are_in_the_order_of_the_layout(self, jobs, tmp_path):
        jobs.write(RowChanges([job()]))
        fields = DeltaTable(tmp_path / "data" / "etl_control_jobs").schema().fields
        assert [field.name for field in fields][:5] == [
            "module_name", "job_id", "job_name", "created_timestamp", "updated_timestamp",
        ]  # fmt: skip

    @pytest.mark.parametrize("damage", ["no log", "empty log", "bad log", "no data"])
    def test_a_damaged_table_is_an_error_and_not_no_rows(self, jobs, tmp_path, damage):
        jobs.write(RowChanges([job()]))
        folder = tmp_path / "data" / "etl_control_jobs"
        commits = list((folder / "_delta_log").iterdir())
        if damage == "no data":
            for file in folder.glob("*.parquet"):
                file.unlink()
        for commit in commits if damage != "no data" else []:
            if damage == "bad log":
                commit.write_text("{")
            else:
                commit.unlink()
        if damage == "no log":
            (folder / "_delta_log").rmdir()
        for use in (jobs.rows, lambda: jobs.newest(1), lambda: jobs.write(RowChanges([job(job_id=1)]))):
            with pytest.raises(OperationFailed, match="data/etl_control_jobs"):
                use()

    def test_folders_without_files_are_no_table_yet(self, jobs, tmp_path):
        (tmp_path / "data" / "etl_control_jobs" / "_delta_log").mkdir(parents=True)
        assert jobs.rows() == []
        jobs.write(RowChanges([job()]))
        assert jobs.rows() == [job()]

    def test_a_file_in_its_place_is_an_error(self, jobs, tmp_path):
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "etl_control_jobs").write_text("a file")
        with pytest.raises(OperationFailed, match="data/etl_control_jobs"):
            jobs.rows()

    @pytest.mark.parametrize(
        ("location", "beside"),
        [
            ("data/etl", "data/etl_jobs"),
            ("data/etl//", "data/etl_jobs"),
            ("./etl", "./etl_jobs"),
            ("s3://bucket/etl/", "s3://bucket/etl_jobs"),
            ("abfss://c@a.dfs.core.windows.net/x", "abfss://c@a.dfs.core.windows.net/x_jobs"),
        ],
    )
    def test_the_suffix_goes_onto_the_last_folder(self, location, beside):
        assert location_beside(location, "_jobs") == beside

    @pytest.mark.parametrize(
        "location", ["/", ".", "./", "data/..", "s3://bucket", "s3://bucket/", "s3://", "file:///"]
    )
    def test_a_location_without_a_name_is_refused(self, location):
        with pytest.raises(ConfigError, match="ends without a name"):
            location_beside(location, "_jobs")


class TestWarehouse(RecordTableContract):
    @pytest.fixture
    def open_table(self, workspace, connection, clock) -> Iterator[OpenRecords]:
        executor = WarehouseExecutor(connection, workspace.warehouse_id, sleep=clock.sleep)
        yield lambda layout: SqlTable(CONTROL, layout, executor)
        assert workspace.unsupported == []

    @pytest.fixture
    def filled(self, jobs: TableStore, workspace) -> TableStore:
        jobs.write(RowChanges([job("a"), job("b")]))
        workspace.requests.clear()
        return jobs

    @settings(max_examples=examples(5))
    @given(puts=put_histories)
    def test_a_store_over_a_warehouse_behaves_like_a_dictionary(self, jobs, puts):
        check_puts(jobs, puts)

    def test_nothing_to_do_asks_nothing(self, jobs, workspace):
        jobs.write(RowChanges([], []))
        assert workspace.requests == []

    def test_a_put_is_one_merge_and_no_value_is_in_its_text(self, filled, workspace):
        filled.write(RowChanges([job("it's me", job_name="hidden")], [("prod", "gone")]))
        bodies = [json.loads(call.body) for call in workspace.calls("POST", STATEMENTS)]
        assert [body["statement"].split()[0] for body in bodies] == ["DESCRIBE", "MERGE"]
        assert not any(value in bodies[1]["statement"] for value in ("it's me", "hidden", "gone"))

    @pytest.mark.parametrize(
        "kind", [FaultKind.UNAVAILABLE_AFTER_WORK, FaultKind.CONNECTION_RESET_AFTER_WORK, FaultKind.UNAVAILABLE]
    )
    @pytest.mark.parametrize("statement", few(["MERGE"], ["CREATE TABLE", "SELECT", "DESCRIBE"]))
    def test_a_request_sent_twice_has_the_same_result(self, jobs, workspace, statement, kind):
        workspace.faults.add(Fault("POST", STATEMENTS, kind, body_contains=statement))
        jobs.write(RowChanges([job("a"), job("b")]))
        jobs.write(RowChanges([job("c")], [("prod", "a")]))
        assert set(by_key(jobs)) == {("prod", "b"), ("prod", "c")}
        assert workspace.faults.waiting == []

    def test_columns_added_by_a_request_sent_twice_are_no_error(self, open_table, jobs, workspace):
        open_table(OLDER_JOBS).write(RowChanges([{"target": "prod", "bundle_key": "old"}]))
        workspace.faults.add(Fault("POST", STATEMENTS, FaultKind.UNAVAILABLE_AFTER_WORK, body_contains="ALTER TABLE"))
        jobs.write(RowChanges([job()]))
        assert set(by_key(jobs)) == {("prod", "old"), ("prod", "sales")}
        assert workspace.faults.waiting == []

    def test_a_schema_that_is_missing_has_no_rows_and_takes_none(self, workspace, connection):
        workspace.engine.tables.missing_schemas.add("main.nope")
        table = open_table("main.nope.control", JOBS, warehouse_id=workspace.warehouse_id, workspace=connection)
        assert table.rows() == []
        with pytest.raises(OperationFailed, match="SCHEMA_NOT_FOUND"):
            table.write(RowChanges([job()]))

    def test_somebody_elses_table_is_an_error_and_is_left_alone(self, jobs, workspace):
        folder = workspace.table_path(f"{CONTROL}_jobs")
        folder.parent.mkdir(parents=True)
        write_table(folder, [{"owner": "me"}], {"owner": TEXT})
        for use in (jobs.rows, lambda: jobs.newest(1), lambda: jobs.write(RowChanges([job()]))):
            with pytest.raises(OperationFailed, match="a table of something else"):
                use()
        assert DeltaTable(folder).version() == 0

    @pytest.mark.parametrize("statement", ["DESCRIBE", "SELECT"])
    @pytest.mark.parametrize("kind", [FaultKind.FORBIDDEN, FaultKind.UNAUTHENTICATED])
    def test_a_read_that_fails_is_an_error_and_not_no_rows(self, filled, workspace, statement, kind):
        for read in (filled.rows, lambda: filled.newest(1)):
            workspace.faults.add(Fault("POST", STATEMENTS, kind, times=9, body_contains=statement))
            with pytest.raises(OperationFailed):
                read()
            workspace.faults.clear()
        assert len(filled.rows()) == 2

    @pytest.mark.parametrize("statement", ["DESCRIBE", "SELECT"])
    def test_a_statement_that_fails_is_an_error_and_not_no_rows(self, filled, workspace, statement):
        for read in (filled.rows, lambda: filled.newest(1)):
            workspace.statements.fail(statement, SqlError("X", "[DELTA_FILE_NOT_FOUND] A file is gone.", "42000"))
            with pytest.raises(OperationFailed, match="DELTA_FILE_NOT_FOUND"):
                read()

    def test_no_permission_to_read_is_an_error_and_not_no_rows(self, filled, workspace):
        workspace.engine.tables.denied.add((f"{CONTROL}_jobs", "SELECT"))
        with pytest.raises(OperationFailed, match="INSUFFICIENT_PERMISSIONS"):
            filled.rows()

    def test_a_put_that_fails_leaves_the_rows_as_they_were(self, filled, workspace):
        before = filled.rows()
        workspace.engine.tables.denied.add((f"{CONTROL}_jobs", "MODIFY"))
        with pytest.raises(OperationFailed, match="INSUFFICIENT_PERMISSIONS"):
            filled.write(RowChanges([job("c")], [("prod", "a")]))
        assert filled.rows() == before

    def test_a_row_that_one_statement_cannot_hold_is_refused_before_anything_is_sent(self, jobs, workspace):
        with pytest.raises(OperationFailed, match=r"\[target=prod, bundle_key=sales\]\.url: the row has 15,000,"):
            jobs.write(RowChanges([job(url="x" * MAX_STATEMENT_BYTES)]))
        assert workspace.requests == []

    @pytest.mark.parametrize(
        ("control", "beside"),
        [
            ("my-catalog.my-schema.etl-control", "my-catalog.my-schema.etl-control_jobs"),
            ("main.`my-schema`.`it's; DROP TABLE x`", "main.`my-schema`.`it's; DROP TABLE x_jobs`"),
            ("main.etl.`c``d`", "main.etl.`c``d_jobs`"),
            ("`main`.`e``t.l`.control", "`main`.`e``t.l`.control_jobs"),
        ],
    )
    def test_a_table_of_any_name_can_be_used(self, workspace, connection, clock, control, beside):
        table = open_table(control, JOBS, warehouse_id=workspace.warehouse_id, workspace=connection)
        assert table.name == beside
        table.write(RowChanges([job()]))
        assert table.rows() == [job()]
        assert (workspace.table_path(beside) / "_delta_log").is_dir()
        assert workspace.unsupported == []


class TestNames:
    @pytest.mark.parametrize("name", ["t", "a.t", "`a`.t", "a.`t`", "a.`t.u`", "a.`t`` `", "````"])
    def test_the_suffix_goes_onto_the_last_part(self, name):
        *before, last = split_name(name)
        assert split_name(name_beside(name, "_jobs")) == (*before, f"{last}_jobs")

    @pytest.mark.parametrize("name", ["", "a b", "a.b.c.d", "a; DROP TABLE b", "a" * MAX_PART])
    def test_what_is_no_name_or_would_be_too_long_is_refused(self, name):
        with pytest.raises(ConfigError, match="is no name of a table"):
            name_beside(name, "_history")

    def test_without_a_session_or_a_warehouse_it_says_what_to_give(self, monkeypatch):
        monkeypatch.delenv("DATABRICKS_WAREHOUSE_ID", raising=False)
        with pytest.raises(ConfigError, match="give warehouse_id"):
            open_table(CONTROL, HISTORY)
