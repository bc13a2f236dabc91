"""A control table over a SQL warehouse when things go wrong: slow, large, refused, broken off, unreachable, hostile."""

from __future__ import annotations

import gc
import json
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from unittest import mock

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.core import Config
from hypothesis import given
from hypothesis import strategies as st

from fakes.workspace import FakeWorkspace, Fault, FaultKind, SqlError, State, Warehouse
from lakeflow_job_meta.control_table.schema import COLUMNS, CONTROL_TABLE
from lakeflow_job_meta.errors import ConfigError, LakeflowJobMetaError, OperationFailed
from lakeflow_job_meta.tables import sql
from lakeflow_job_meta.tables.names import name_problem
from lakeflow_job_meta.tables.schema import Row, RowChanges
from lakeflow_job_meta.tables.sql import MAX_STATEMENT_BYTES, SqlTable, Statement
from lakeflow_job_meta.tables.store import Created, TableMissing
from lakeflow_job_meta.tables.warehouse import WarehouseExecutor
from lakeflow_job_meta.workspace.client import Workspace
from support.connections import CONTROL, connect, table_of
from support.project_folder import ProjectFolder, Result
from support.slow import few
from support.tables import row

pytest_plugins = ["support.workspace_fixtures"]

STATEMENTS = "/api/2.0/sql/statements"
STORE = "/external-store/*"
OPTIONAL = dict.fromkeys(column.name for column in COLUMNS if column.is_optional)
SOME_ROWS = [{**row(f"s{number:02}"), **OPTIONAL} for number in range(25)]


@pytest.fixture
def filled(control: SqlTable, workspace: FakeWorkspace) -> SqlTable:
    """The control table with 25 rows."""
    control.write(RowChanges(SOME_ROWS, ()))
    workspace.requests.clear()
    return control


class ShortNames(WarehouseExecutor):
    """A warehouse whose current catalog and schema are those of the control table."""

    def run(self, statement: Statement) -> list[Row]:
        return super().run(replace(statement, text=statement.text.replace("`control`", "main.etl.control")))


def ids(table: SqlTable) -> list[str]:
    return sorted(str(each["source_id"]) for each in table.read().rows)


def statements_sent(workspace: FakeWorkspace) -> list[str]:
    return [json.loads(call.body)["statement"] for call in workspace.calls("POST", STATEMENTS)]


class TestStatements:
    def test_the_version_costs_one_request(self, filled, workspace):
        filled.version()
        assert [(call.method, call.path) for call in workspace.requests] == [("POST", STATEMENTS)]

    def test_a_full_name_tells_a_table_from_others_however_it_is_written_and_without_a_request(
        self, workspace, connection, clock
    ):
        names = ("main.etl.control", "Main.`etl`.CONTROL")
        assert {table_of(workspace, connection, clock, name).identity() for name in names} == {"main.etl.control"}
        assert workspace.requests == []

    def test_a_shorter_name_is_asked_which_full_one_it_stands_for(self, control, workspace, connection, clock):
        executor = ShortNames(connection, workspace.warehouse_id, sleep=clock.sleep)
        assert SqlTable("control", CONTROL_TABLE, executor).identity() == "main.etl.control"

    def test_where_there_is_no_full_name_the_id_of_the_table_counts(self, workspace):
        class OldCatalog:
            def run(self, statement):
                return [{"id": "0-1-2", "name": "spark_catalog.etl.control"}]

        assert SqlTable("etl.control", CONTROL_TABLE, OldCatalog()).identity() == "0-1-2"

    def test_a_write_is_one_merge_and_no_value_is_in_its_text(self, control, workspace):
        control.write(RowChanges([{**row("it's me", source_type="hidden"), **OPTIONAL}], [("gone", "gone too")]))
        *_, merge = workspace.calls("POST", STATEMENTS)
        body = json.loads(merge.body)
        assert [text.split()[0] for text in statements_sent(workspace)] == ["DESCRIBE", "MERGE"]
        assert not any(value in body["statement"] for value in ("it's me", "hidden", "gone"))
        assert [item["name"] for item in body["parameters"]] == ["rows"]

    def test_a_read_is_of_one_version_although_somebody_writes_meanwhile(self, filled, workspace, connection, clock):
        class Meddling(WarehouseExecutor):
            def run(self, statement: Statement) -> list[Row]:
                rows = super().run(statement)
                if "HISTORY" in statement.text:
                    filled.write(RowChanges((), [("sales", "s00")]))
                return rows

        meddled = SqlTable(CONTROL, CONTROL_TABLE, Meddling(connection, workspace.warehouse_id, sleep=clock.sleep))
        snapshot = meddled.read()
        assert (snapshot.version.number, len(snapshot.rows)) == (1, 25)
        assert len(filled.read().rows) == 24

    def test_a_failed_statement_is_an_error_although_the_answer_is_200(self, filled, workspace):
        workspace.statements.fail("SELECT", SqlError("X", "[SOME_ERROR] It does\nnot   work.", "42000"))
        with pytest.raises(OperationFailed) as caught:
            filled.read()
        assert "[SOME_ERROR] It does not work." in str(caught.value)
        assert "\n" not in str(caught.value)
        assert {call.status for call in workspace.requests} == {200}

    @pytest.mark.parametrize("state", [State.CANCELED, State.CLOSED])
    def test_a_statement_that_somebody_else_ends_is_an_error(self, workspace, connection, state):
        workspace.statements.pending_answers = 3

        def end(seconds: float) -> None:
            (statement,) = workspace.statements._by_id.values()
            statement.state = state

        table = SqlTable(CONTROL, CONTROL_TABLE, WarehouseExecutor(connection, workspace.warehouse_id, sleep=end))
        with pytest.raises(OperationFailed, match=state.value):
            table.version()

    def test_a_message_is_never_long(self, filled, workspace):
        workspace.statements.fail("SELECT", SqlError("X", "[X] " + "long " * 100_000, ""))
        with pytest.raises(OperationFailed) as caught:
            filled.read()
        assert len(str(caught.value)) < 1000

    def test_every_row_that_one_statement_cannot_hold_is_named_before_anything_is_sent(self, control, workspace):
        large = {**row(), **OPTIONAL, "source_config": "ü" * (MAX_STATEMENT_BYTES // 2)}
        with pytest.raises(OperationFailed) as refused:
            control.write(RowChanges([{**row("fine"), **OPTIONAL}, large, {**large, "source_id": "b"}], ()))
        first, second = str(refused.value).split("\n")
        assert first.startswith(f"{CONTROL}[module_name=sales, source_id=a].source_config: the row has 15,000,2")
        assert second.startswith(f"{CONTROL}[module_name=sales, source_id=b].source_config: ")
        assert statements_sent(workspace) == []


class TestALargeWrite:
    """What one statement does not hold goes in with several, each of which may be sent again."""

    LIMIT = 2_000
    MODULES = 6

    @pytest.fixture
    def rows(self, monkeypatch: pytest.MonkeyPatch) -> list[Row]:
        """Six modules of three rows, of which two modules fit into a statement."""
        monkeypatch.setattr(sql, "MAX_STATEMENT_BYTES", self.LIMIT)
        return [{**row(each, f"m{module}"), **OPTIONAL} for each in "abc" for module in range(self.MODULES)]

    def merges(self, workspace: FakeWorkspace) -> list[list[dict[str, object]]]:
        """The rows of each MERGE that was sent."""
        bodies = [json.loads(call.body) for call in workspace.calls("POST", STATEMENTS)]
        return [json.loads(body["parameters"][0]["value"]) for body in bodies if body["statement"].startswith("MERGE")]

    def test_has_the_rows_of_a_module_in_one_statement_and_deletions_in_the_last(self, control, workspace, rows):
        control.write(RowChanges([{**row(f"old{n}", "m0"), **OPTIONAL} for n in range(3)]))
        workspace.requests.clear()
        told: list[tuple[int, int]] = []

        control.write(RowChanges(rows, [("m0", f"old{n}") for n in range(3)]), lambda *far: told.append(far))

        sent = self.merges(workspace)
        assert len(sent) >= 3
        upserts = [{each["module_name"] for each in part if not each["ljm_delete"]} for part in sent]
        assert sum(map(len, upserts)) == self.MODULES
        deletions = [each["ljm_delete"] for part in sent for each in part]
        assert deletions == sorted(deletions)
        assert told[-1] == (21, 21)
        assert len(told) == len(sent)
        assert ids(control) == sorted([*"abc"] * self.MODULES)

    def test_that_was_stopped_between_two_statements_says_how_far_it_came_and_the_same_again_ends_it(
        self, control, workspace, rows
    ):
        fault = Fault("POST", STATEMENTS, FaultKind.FORBIDDEN, after=1, body_contains="MERGE", times=1)
        workspace.faults.add(fault)

        with pytest.raises(OperationFailed, match=f"{CONTROL}: 6 of 18 rows had been written before; run again"):
            control.write(RowChanges(rows))

        assert len(ids(control)) == 6
        control.write(RowChanges(rows))
        control.write(RowChanges(rows))
        assert ids(control) == sorted([*"abc"] * self.MODULES)

    def test_whose_first_statement_is_refused_has_changed_nothing(self, control, workspace, rows):
        workspace.faults.add(Fault("POST", STATEMENTS, FaultKind.FORBIDDEN, body_contains="MERGE"))

        with pytest.raises(OperationFailed) as refused:
            control.write(RowChanges(rows))

        assert "run again to write the others" not in str(refused.value)
        assert ids(control) == []

    @given(
        sizes=st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 1_500), st.booleans()), max_size=30),
    )
    def test_is_split_so_that_each_statement_fits_and_nothing_is_lost(self, sizes):
        class Nowhere:
            def run(self, statement: Statement) -> list[Row]:
                raise AssertionError("nothing is sent")

        table = SqlTable(CONTROL, CONTROL_TABLE, Nowhere())
        wanted = {
            (name, str(number)): None if is_gone else {"module_name": name, "source_id": str(number), "x": "ü" * size}
            for number, (name, size, is_gone) in enumerate(sizes)
        }
        bytes_of = {key: len(sql._payload(CONTROL_TABLE, {key: each}).encode()) for key, each in wanted.items()}
        limit = max([self.LIMIT, *bytes_of.values()])
        with mock.patch.object(sql, "MAX_STATEMENT_BYTES", limit):
            parts = table._parts(wanted)

        assert {key: each for part in parts for key, each in part.items()} == wanted
        assert sum(map(len, parts)) == len(wanted)
        assert all(part and len(sql._payload(CONTROL_TABLE, part).encode()) <= limit for part in parts)
        kinds = [each is None for part in parts for each in part.values()]
        assert kinds == sorted(kinds)
        for name in "abc":
            own = [key for key, each in wanted.items() if each is not None and key[0] == name]
            holders = [part for part in parts if any(key in part for key in own)]
            assert len(holders) <= 1 or sum(bytes_of[key] for key in own) > limit


class TestWaiting:
    def test_a_pending_statement_is_polled_until_it_is_done(self, filled, workspace, clock):
        workspace.statements.pending_answers, workspace.statements.running_answers = 2, 2
        assert len(ids(filled)) == 25
        polls = workspace.calls("GET", f"{STATEMENTS}/*")
        assert len(polls) == 3 * 4
        assert clock.slept[:4] == [0.5, 1, 2, 4]

    def test_a_stopped_warehouse_starts_and_is_told_of_once_per_statement(self, filled, workspace, connection, clock):
        workspace.warehouses.put(Warehouse(state="STOPPED", answers_to_start=5))
        said: list[str] = []
        executor = WarehouseExecutor(connection, workspace.warehouse_id, on_wait=said.append, sleep=clock.sleep)
        SqlTable(CONTROL, CONTROL_TABLE, executor).read()
        assert said == [f"Waiting for the SQL warehouse {workspace.warehouse_id} ..."]

    def test_a_warehouse_that_never_starts_is_given_up_and_the_statement_cancelled(self, workspace, connection, clock):
        workspace.warehouses.put(Warehouse(state="STOPPED", answers_to_start=None))
        executor = WarehouseExecutor(connection, workspace.warehouse_id, patience_seconds=60, sleep=clock.sleep)
        with pytest.raises(OperationFailed, match="did not answer within 60 seconds"):
            SqlTable(CONTROL, CONTROL_TABLE, executor).version()
        assert 60 <= clock.time() <= 75
        (statement,) = workspace.statements._by_id.values()
        assert statement.state is State.CANCELED

    def test_an_interrupt_cancels_the_statement(self, workspace, connection):
        workspace.statements.pending_answers = 100

        def interrupt(seconds: float) -> None:
            raise KeyboardInterrupt

        table = SqlTable(CONTROL, CONTROL_TABLE, WarehouseExecutor(connection, workspace.warehouse_id, sleep=interrupt))
        with pytest.raises(KeyboardInterrupt):
            table.version()
        (statement,) = workspace.statements._by_id.values()
        assert statement.state is State.CANCELED

    def test_a_write_that_is_cancelled_changes_nothing(self, filled, workspace, connection):
        workspace.faults.clear()

        def interrupt(seconds: float) -> None:
            raise KeyboardInterrupt

        table = SqlTable(CONTROL, CONTROL_TABLE, WarehouseExecutor(connection, workspace.warehouse_id, sleep=interrupt))
        before = filled.version()
        opened = table._open()
        table._open = lambda: opened  # type: ignore[method-assign]
        workspace.statements.pending_answers = 100
        with pytest.raises(KeyboardInterrupt):
            table.write(RowChanges((), [("sales", "s00")]))
        workspace.statements.pending_answers = 0
        assert filled.version() == before

    def test_a_cancellation_that_fails_does_not_hide_the_interrupt(self, workspace, connection):
        workspace.statements.pending_answers = 100
        workspace.faults.add(Fault("POST", "*/cancel", FaultKind.INTERNAL_ERROR))

        def interrupt(seconds: float) -> None:
            raise KeyboardInterrupt

        table = SqlTable(CONTROL, CONTROL_TABLE, WarehouseExecutor(connection, workspace.warehouse_id, sleep=interrupt))
        with pytest.raises(KeyboardInterrupt):
            table.version()


class TestResults:
    @pytest.mark.parametrize("says_next", [True, False], ids=["with the next chunk's index", "without it"])
    @pytest.mark.parametrize("size", few([7, 25], [1, 24, 26]))
    def test_a_result_in_chunks_is_read_whole(self, filled, workspace, size, says_next):
        workspace.statements.rows_per_chunk = size
        workspace.statements.sends_next_chunk_index = says_next
        assert sorted(filled.read().rows, key=lambda each: str(each["source_id"])) == SOME_ROWS

    def test_a_chunk_that_fails_is_an_error_never_fewer_rows(self, filled, workspace):
        workspace.statements.rows_per_chunk = 10
        workspace.faults.add(Fault("GET", "*/result/chunks/2", FaultKind.INTERNAL_ERROR))
        with pytest.raises(OperationFailed):
            filled.read()

    @pytest.fixture
    def large(self, filled: SqlTable, workspace: FakeWorkspace) -> SqlTable:
        """The table of 25 larger rows on a workspace that takes them for too many for one answer."""
        filled.write(RowChanges([{**each, "description": "x" * 1_000} for each in SOME_ROWS], ()))
        workspace.requests.clear()
        workspace.statements.inline_byte_limit = 20_000
        workspace.statements.rows_per_chunk = 10
        return filled

    def test_a_large_result_comes_by_links_and_without_the_token(self, large, workspace):
        assert len(ids(large)) == 25
        fetched = workspace.calls("GET", STORE)
        assert len(fetched) == 3
        assert not any("authorization" in call.headers for call in fetched)

    @pytest.mark.slow
    def test_a_result_over_25_mib_is_read(self, control, workspace):
        big = [{**row(f"s{number}"), **OPTIONAL, "source_config": "x" * 1_400_000} for number in range(20)]
        for half in (big[:10], big[10:]):
            control.write(RowChanges(half, ()))
        found = control.read().rows
        assert {len(str(each["source_config"])) for each in found} == {1_400_000}
        assert len(found) == 20
        assert workspace.calls("GET", STORE)

    def test_an_expired_link_is_asked_for_again(self, large, workspace, clock):
        workspace.faults.add(Fault("GET", STORE, FaultKind.EXPIRED_LINK, times=2, after=1))
        assert len(ids(large)) == 25
        assert len(workspace.calls("GET", STORE)) == 5

    @pytest.mark.parametrize(
        "kind",
        few(
            [FaultKind.TRUNCATED_BODY],
            [FaultKind.UNAVAILABLE, FaultKind.CONNECTION_RESET, FaultKind.INTERNAL_ERROR, FaultKind.BAD_GATEWAY],
        ),
        ids=lambda kind: kind.name,
    )
    @pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
    @pytest.mark.slow
    def test_a_fetch_that_breaks_off_is_made_again(self, large, workspace, kind):
        workspace.faults.add(Fault("GET", STORE, kind))
        assert len(ids(large)) == 25
        gc.collect()  # http.client forgets to close a connection that was reset before the answer

    def test_a_link_that_never_works_is_an_error_without_the_link(self, large, workspace):
        workspace.faults.add(Fault("GET", STORE, FaultKind.EXPIRED_LINK, times=100))
        with pytest.raises(OperationFailed, match=r"could not be fetched from cloud storage \(HTTP 403\)") as caught:
            large.read()
        assert "Signature" not in str(caught.value)
        assert "external-store" not in str(caught.value)


AFTER_THE_WORK = (FaultKind.UNAVAILABLE_AFTER_WORK, FaultKind.CONNECTION_RESET_AFTER_WORK)
BEFORE_THE_WORK = (FaultKind.TOO_MANY_REQUESTS, FaultKind.UNAVAILABLE, FaultKind.CONNECTION_RESET)
FATAL = (
    FaultKind.INTERNAL_ERROR,
    FaultKind.BAD_GATEWAY,
    FaultKind.UNAUTHENTICATED,
    FaultKind.FORBIDDEN,
    FaultKind.TRUNCATED_BODY,
)


class TestFaults:
    @pytest.mark.parametrize(
        "kind",
        few([*BEFORE_THE_WORK[:1], *AFTER_THE_WORK[:1]], [*BEFORE_THE_WORK[1:], *AFTER_THE_WORK[1:]]),
        ids=lambda kind: kind.name,
    )
    @pytest.mark.parametrize("operation", few(["MERGE"], ["SELECT", "DESCRIBE TABLE", "DESCRIBE HISTORY"]))
    def test_a_fault_that_passes_is_waited_for(self, filled, workspace, kind, operation):
        workspace.faults.add(Fault("POST", STATEMENTS, kind, times=2, body_contains=operation, retry_after=1))
        filled.write(RowChanges([{**row("new"), **OPTIONAL}], [("sales", "s00")]))
        assert ids(filled) == [*("new",), *(f"s{number:02}" for number in range(1, 25))]
        assert workspace.faults.waiting == []

    @pytest.mark.parametrize("kind", AFTER_THE_WORK, ids=lambda kind: kind.name)
    def test_a_merge_that_runs_twice_does_its_work_once(self, filled, workspace, kind):
        workspace.faults.add(Fault("POST", STATEMENTS, kind, body_contains="MERGE"))
        filled.write(RowChanges([{**row("s01", execution_order=9, is_active=None), **OPTIONAL}], [("sales", "s00")]))
        assert len([text for text in statements_sent(workspace) if text.startswith("MERGE")]) == 2
        assert filled.version().number == 2

    @pytest.mark.parametrize("kind", AFTER_THE_WORK, ids=lambda kind: kind.name)
    def test_a_table_made_twice_is_made_once(self, workspace, connection, clock, kind):
        table = table_of(workspace, connection, clock)
        workspace.faults.add(Fault("POST", STATEMENTS, kind, body_contains="CREATE TABLE"))
        assert table.create(optional_columns=False) is Created.TABLE
        workspace.faults.add(Fault("POST", STATEMENTS, kind, body_contains="ALTER TABLE"))
        assert table.create(optional_columns=True) is Created.COLUMNS
        assert table.version().number == 1

    @pytest.mark.parametrize("kind", few(FATAL[:2], FATAL[2:]), ids=lambda kind: kind.name)
    def test_what_does_not_pass_is_one_sentence_and_the_table_is_as_it_was(self, filled, workspace, kind):
        before = ids(filled)
        workspace.faults.add(Fault("POST", STATEMENTS, kind, times=99, body_contains="MERGE"))
        with pytest.raises(OperationFailed) as caught:
            filled.write(RowChanges((), [("sales", "s00")]))
        message = str(caught.value)
        assert message.startswith(workspace.url)
        assert "\n" not in message
        assert workspace.token not in message
        workspace.faults.clear()
        assert ids(filled) == before or kind is FaultKind.TRUNCATED_BODY  # the work was done; a repeat does nothing

    @pytest.mark.parametrize("kind", [*BEFORE_THE_WORK], ids=lambda kind: kind.name)
    def test_what_lasts_is_given_up_within_the_limit(self, filled, workspace, clock, kind):
        workspace.faults.add(Fault("POST", STATEMENTS, kind, times=10_000))
        begin = clock.time()
        with pytest.raises(
            OperationFailed, match=r"could not be reached within 5 seconds .* Check the address"
        ) as caught:
            filled.version()
        assert clock.time() - begin < 20
        assert str(caught.value).startswith(workspace.url)

    def test_a_slow_answer_is_waited_for(self, filled, workspace):
        workspace.faults.add(Fault("POST", STATEMENTS, FaultKind.SLOW, seconds=0.3))
        begin = time.monotonic()
        filled.version()
        assert time.monotonic() - begin >= 0.3

    def test_an_answer_that_is_too_late_is_asked_for_again(self, filled, workspace, clock):
        slow = table_of(workspace, connect(workspace, clock, http_timeout_seconds=1), clock)
        workspace.faults.add(Fault("POST", STATEMENTS, FaultKind.SLOW, seconds=5, body_contains="MERGE"))
        slow.write(RowChanges([{**row("new"), **OPTIONAL}], ()))
        time.sleep(0.1)
        assert "new" in ids(filled)
        assert filled.version().number == 2

    def test_a_fault_while_polling_loses_nothing(self, filled, workspace):
        workspace.statements.pending_answers = 2
        workspace.faults.add(Fault("GET", f"{STATEMENTS}/*", FaultKind.UNAVAILABLE, times=2))
        assert len(ids(filled)) == 25

    def test_a_write_that_is_not_allowed_leaves_the_table_as_it_was(self, filled, workspace):
        before = filled.version()
        workspace.engine.tables.denied.add((CONTROL, "MODIFY"))
        with pytest.raises(OperationFailed, match="INSUFFICIENT_PERMISSIONS"):
            filled.write(RowChanges((), [("sales", "s00")]))
        assert filled.version() == before

    def test_a_schema_that_is_missing_is_a_missing_table_and_cannot_be_made(self, workspace, connection, clock):
        workspace.engine.tables.missing_schemas.add("main.nope")
        table = table_of(workspace, connection, clock, "main.nope.control")
        with pytest.raises(TableMissing):
            table.read()
        with pytest.raises(OperationFailed, match="SCHEMA_NOT_FOUND"):
            table.create(optional_columns=False)


@pytest.fixture
def dead_host() -> Iterator[str]:
    """The address of a port where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


class TestNobodyThere:
    @pytest.mark.slow
    def test_a_dead_host_is_named_within_the_limit(self, dead_host):
        def client() -> WorkspaceClient:
            return WorkspaceClient(
                config=Config(host=dead_host, token="dapi-secret", auth_type="pat", retry_timeout_seconds=1)
            )

        table = SqlTable(CONTROL, CONTROL_TABLE, WarehouseExecutor(Workspace(client), "0123456789abcdef"))
        begin = time.monotonic()
        with pytest.raises(OperationFailed) as caught:
            table.read()
        assert time.monotonic() - begin < 10
        assert str(caught.value).startswith(f"{dead_host} could not be reached within 1 seconds")
        assert "Check the address, the network and the proxy." in str(caught.value)
        assert "dapi-secret" not in str(caught.value)

    def test_no_login_at_all_says_what_to_set(self, monkeypatch, tmp_path):
        for name in ("DATABRICKS_HOST", "DATABRICKS_TOKEN", "DATABRICKS_CONFIG_PROFILE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(tmp_path / "none"))
        monkeypatch.setenv("HOME", str(tmp_path))
        table = SqlTable(CONTROL, CONTROL_TABLE, WarehouseExecutor(Workspace(), "0123456789abcdef"))
        with pytest.raises(ConfigError, match="Set DATABRICKS_HOST and DATABRICKS_TOKEN, or a profile") as caught:
            table.version()
        assert "\n" not in str(caught.value)


class TestCommandLine:
    """The same at the command line: one sentence, the right exit code, no secret, and no traceback."""

    @pytest.fixture
    def ljm(
        self, project: ProjectFolder, workspace: FakeWorkspace, environment: dict[str, str], monkeypatch, tmp_path
    ) -> Callable[..., Result]:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("HOME", str(tmp_path))

        def run(*arguments: str, table: str = CONTROL, warehouse: str = workspace.warehouse_id) -> Result:
            result = project.ljm("table", *arguments, "--table", table, "--warehouse-id", warehouse)
            assert "Traceback" not in result.stderr
            assert workspace.token not in result.stderr + result.stdout
            assert len(result.stderr.rstrip("\n").split("\n")) == 1, result.stderr
            return result

        return run

    def test_the_command_line_reports_a_missing_table(self, ljm):
        result = ljm("show")
        assert (result.exit_code, result.stdout) == (1, "")
        assert f"{CONTROL}: there is no such table; make it with `ljm table create`" in result.stderr

    @pytest.mark.parametrize(("warehouse", "words"), [("fedcba9876543210", "does not exist"), ("nope", "not a valid")])
    def test_the_command_line_reports_an_unknown_warehouse(self, ljm, warehouse, words):
        result = ljm("show", warehouse=warehouse)
        assert result.exit_code == 1
        assert words in result.stderr

    def test_the_command_line_reports_an_expired_token(self, ljm, workspace):
        workspace.identity.expired = True
        result = ljm("show")
        assert result.exit_code == 1
        assert "does not accept the login" in result.stderr
        assert "Renew the token or the profile." in result.stderr

    def test_the_command_line_reports_a_wrong_token(self, ljm, monkeypatch):
        monkeypatch.setenv("DATABRICKS_TOKEN", "dapi-wrong-secret")
        result = ljm("show")
        assert result.exit_code == 1
        assert "dapi-wrong-secret" not in result.stderr
        assert "Invalid access token" in result.stderr

    @pytest.mark.parametrize(("command", "privilege"), [("show", "SELECT"), ("history", "SELECT")])
    def test_the_command_line_reports_a_missing_permission(self, ljm, control, workspace, command, privilege):
        workspace.engine.tables.denied.add((CONTROL, privilege))
        result = ljm(command)
        assert result.exit_code == 1
        assert "INSUFFICIENT_PERMISSIONS" in result.stderr

    @pytest.mark.parametrize("kind", [FaultKind.INTERNAL_ERROR, FaultKind.BAD_GATEWAY, FaultKind.TRUNCATED_BODY])
    def test_the_command_line_reports_a_workspace_that_is_broken(self, ljm, control, workspace, kind):
        workspace.faults.add(Fault("POST", STATEMENTS, kind, times=99))
        result = ljm("show")
        assert result.exit_code == 1
        assert workspace.url in result.stderr

    def test_a_login_that_is_missing_is_a_mistake_of_the_configuration(self, ljm, monkeypatch, tmp_path):
        monkeypatch.delenv("DATABRICKS_HOST")
        monkeypatch.delenv("DATABRICKS_TOKEN")
        monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(tmp_path / "none"))
        result = ljm("show")
        assert result.exit_code == 2
        assert "Set DATABRICKS_HOST and DATABRICKS_TOKEN" in result.stderr

    @pytest.mark.parametrize("name", ["main.`my-schema`.t; DROP TABLE x", "", "a.b.c.d", "a`b", "a b"])
    def test_a_hostile_name_is_refused_before_anything_is_sent(self, ljm, workspace, name):
        result = ljm("show", table=name)
        assert result.exit_code == 2
        assert "is no name of a table" in result.stderr
        assert workspace.requests == []


class TestNames:
    @pytest.mark.parametrize("name", ["main.`my-schema`.`it's; DROP TABLE x`", "`a.b`.`c``d`.`e f`", "main.etl.größe"])
    def test_a_table_of_such_a_name_can_be_used(self, workspace, connection, clock, name):
        if name_problem(name) is not None:
            name = "main.etl.`größe`"
        table = table_of(workspace, connection, clock, name)
        table.create(optional_columns=True)
        table.write(RowChanges([{**row(), **OPTIONAL}], ()))
        assert ids(table) == ["a"]
        assert table.history(1)[0].version == 1


class TestWhichWay:
    def test_without_a_warehouse_the_message_says_how_to_name_one(self, monkeypatch, project: ProjectFolder):
        monkeypatch.delenv("DATABRICKS_WAREHOUSE_ID", raising=False)
        project.write("job_meta.yml", f"metadata: [{{table: {CONTROL}}}]\n")
        (problem,) = project.ljm("validate").errors
        assert "give warehouse_id, --warehouse-id or DATABRICKS_WAREHOUSE_ID" in problem.message

    def test_every_error_has_an_exit_code_of_its_kind(self):
        assert (OperationFailed("x").exit_code, ConfigError("x").exit_code) == (1, 2)
        assert issubclass(TableMissing, LakeflowJobMetaError)
