"""The fake workspace, as a specification of itself and of what the real SDK does with each mishap.

Only the real SDK speaks to it, and plain urllib where the SDK has nothing (links to results).
"""

from __future__ import annotations

import io
import json
import os
import socket
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.core import DatabricksError
from databricks.sdk.errors import (
    AlreadyExists,
    BadRequest,
    InvalidParameterValue,
    NotFound,
    PermissionDenied,
    ResourceDoesNotExist,
    Unauthenticated,
)
from databricks.sdk.service.sql import (
    Disposition,
    ExecuteStatementRequestOnWaitTimeout,
    Format,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.workspace import FakeWorkspace, Fault, FaultKind, SqlError, State, Warehouse
from fakes.workspace.answers import Answer, Ask, Rows, RunSql, contents_of
from support.examples import examples

STATEMENTS = "/api/2.0/sql/statements"
VOLUME = "/Volumes/main/etl/metadata"


@pytest.fixture
def numbers(rows: Rows) -> str:
    """A table of the numbers 1 to 7."""
    rows("CREATE TABLE main.etl.numbers (n INT, name STRING)")
    rows("INSERT INTO main.etl.numbers VALUES " + ", ".join(f"({n}, 'number {n}')" for n in range(1, 8)))
    return "main.etl.numbers"


# The workspace itself


def test_nothing_runs_after_the_context_manager(tmp_path: Path) -> None:
    before = threading.active_count()
    with FakeWorkspace(tmp_path) as workspace:
        client = workspace.client()
        client.current_user.me()
        assert threading.active_count() > before

    assert threading.active_count() == before
    with (
        pytest.raises(ConnectionRefusedError),
        socket.create_connection(("127.0.0.1", int(workspace.url.rpartition(":")[2])), 1),
    ):
        pass


def test_two_workspaces_do_not_meet(tmp_path: Path) -> None:
    with FakeWorkspace(tmp_path / "a") as one, FakeWorkspace(tmp_path / "b") as other:
        one.client().statement_execution.execute_statement("CREATE TABLE main.a.t (x INT)", one.warehouse_id)

        assert one.table_path("main.a.t").is_dir()
        assert not other.table_path("main.a.t").exists()


def test_requests_are_logged_in_order_with_their_bodies(workspace: FakeWorkspace, client: WorkspaceClient) -> None:
    client.current_user.me()
    client.statement_execution.execute_statement("SELECT 1 AS one", workspace.warehouse_id)

    assert [(call.method, call.path, call.status) for call in workspace.requests] == [
        ("GET", "/.well-known/databricks-config", 200),
        ("GET", "/api/2.0/preview/scim/v2/Me", 200),
        ("POST", STATEMENTS, 200),
    ]
    assert json.loads(workspace.requests[-1].body)["statement"] == "SELECT 1 AS one"
    assert len(workspace.calls("POST", "/api/*", body_contains="AS one")) == 1
    assert workspace.requests[-1].headers["x-databricks-workspace-id"] == workspace.identity.workspace_id


def test_an_api_that_the_fake_does_not_know_fails_the_test(tmp_path: Path) -> None:
    with (
        pytest.raises(AssertionError, match="No API found for"),
        FakeWorkspace(tmp_path) as workspace,
        pytest.raises(NotFound),
    ):
        list(workspace.client().secrets.list_scopes())


def test_the_current_user(workspace: FakeWorkspace, client: WorkspaceClient) -> None:
    assert client.current_user.me().user_name == workspace.identity.user_name
    assert client.get_workspace_id() == int(workspace.identity.workspace_id)


# Tokens


def test_a_wrong_token_is_refused_with_403(workspace: FakeWorkspace) -> None:
    with pytest.raises(PermissionDenied, match="Invalid access token"):
        workspace.client(token="dapi-wrong").current_user.me()


def test_an_expired_token_is_refused_with_401_and_the_sdk_prints_the_host_but_not_the_token(
    workspace: FakeWorkspace, client: WorkspaceClient
) -> None:
    workspace.identity.expired = True

    with pytest.raises(Unauthenticated) as caught:
        client.current_user.me()

    assert f"host={workspace.url}" in str(caught.value)
    assert "token=***" in str(caught.value)
    assert workspace.token not in str(caught.value)


def test_a_request_without_a_token_is_refused_with_401(workspace: FakeWorkspace) -> None:
    assert fetch(f"{workspace.url}/api/2.0/preview/scim/v2/Me")[0] == 401


def fetch(url: str, **headers: str) -> tuple[int, bytes]:
    """The status and the body of a plain GET."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=5) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


# Warehouses


def test_warehouses_are_listed_with_their_states(tmp_path: Path) -> None:
    warehouses = [Warehouse("00000000000000aa", "small"), Warehouse("00000000000000bb", "large", "STOPPED")]
    with FakeWorkspace(tmp_path, warehouses) as workspace:
        client = workspace.client()

        assert [(found.id, found.name, str(found.state)) for found in client.warehouses.list()] == [
            ("00000000000000aa", "small", "State.RUNNING"),
            ("00000000000000bb", "large", "State.STOPPED"),
        ]
        assert client.warehouses.get("00000000000000bb").name == "large"


@pytest.mark.parametrize(
    ("warehouse_id", "error", "message"),
    [
        ("ffffffffffffffff", ResourceDoesNotExist, "SQL warehouse ffffffffffffffff does not exist"),
        ("my warehouse", InvalidParameterValue, "my warehouse is not a valid endpoint id"),
    ],
)
def test_an_unknown_warehouse_is_an_http_error(
    client: WorkspaceClient, warehouse_id: str, error: type[DatabricksError], message: str
) -> None:
    with pytest.raises(error, match=message):
        client.statement_execution.execute_statement("SELECT 1", warehouse_id)


def test_a_stopped_warehouse_starts_while_the_statement_is_pending(
    workspace: FakeWorkspace, client: WorkspaceClient, run_sql: RunSql, ask: Ask
) -> None:
    workspace.warehouses.put(Warehouse(state="STOPPED", answers_to_start=2))

    states = states_until_done(ask, run_sql("SELECT 1"))

    assert states == ["PENDING", "PENDING", "SUCCEEDED"]
    assert str(client.warehouses.get(workspace.warehouse_id).state) == "State.RUNNING"


def test_a_warehouse_that_never_starts_can_only_be_cancelled(
    workspace: FakeWorkspace, client: WorkspaceClient, run_sql: RunSql, ask: Ask
) -> None:
    workspace.warehouses.put(Warehouse(state="STOPPED", answers_to_start=None))
    statement_id = run_sql("SELECT 1").id

    for _ in range(20):
        assert ask(statement_id).state == "PENDING"
    client.statement_execution.cancel_execution(statement_id)

    assert ask(statement_id).state == "CANCELED"


def states_until_done(ask: Ask, answer: Answer) -> list[str]:
    states = [answer.state]
    while states[-1] in ("PENDING", "RUNNING"):
        states.append(ask(answer.id).state)
    return states


# Statements: their states


def test_a_statement_is_pending_then_running_then_done(
    workspace: FakeWorkspace, client: WorkspaceClient, run_sql: RunSql, ask: Ask
) -> None:
    workspace.statements.pending_answers = 2
    workspace.statements.running_answers = 1

    assert states_until_done(ask, run_sql("SELECT 1")) == ["PENDING", "PENDING", "RUNNING", "SUCCEEDED"]


def test_without_waiting_the_first_answer_is_pending_and_the_work_goes_on(
    client: WorkspaceClient, run_sql: RunSql, rows: Rows, numbers: str, ask: Ask
) -> None:
    response = run_sql(f"DELETE FROM {numbers}", wait_timeout="0s")

    assert response.state == "PENDING"
    assert not response.has_result
    assert rows(f"SELECT count(*) FROM {numbers}") == [["0"]]
    assert states_until_done(ask, response) == ["PENDING", "SUCCEEDED"]


@pytest.mark.parametrize("wait", ["4s", "51s", "10", "soon"])
def test_wait_timeouts_are_0_or_5_to_50_seconds(run_sql: RunSql, wait: str) -> None:
    with pytest.raises(BadRequest, match="wait_timeout"):
        run_sql("SELECT 1", wait_timeout=wait)


def test_a_statement_that_takes_too_long_is_cancelled_if_so_ordered_and_has_no_effect(
    workspace: FakeWorkspace, run_sql: RunSql, rows: Rows, numbers: str
) -> None:
    workspace.statements.running_answers = 1

    response = run_sql(
        f"DELETE FROM {numbers}",
        wait_timeout="5s",
        on_wait_timeout=ExecuteStatementRequestOnWaitTimeout.CANCEL,
    )

    workspace.statements.running_answers = 0
    assert response.state == "CANCELED"
    assert rows(f"SELECT count(*) FROM {numbers}") == [["7"]]


def test_a_cancelled_statement_has_no_effect(
    workspace: FakeWorkspace, client: WorkspaceClient, run_sql: RunSql, rows: Rows, numbers: str, ask: Ask
) -> None:
    workspace.statements.pending_answers = 1
    statement_id = run_sql(f"DELETE FROM {numbers}").id

    client.statement_execution.cancel_execution(statement_id)

    workspace.statements.pending_answers = 0
    assert workspace.statements.state_of(statement_id) is State.CANCELED
    assert not ask(statement_id).has_result
    assert rows(f"SELECT count(*) FROM {numbers}") == [["7"]]


def test_a_statement_that_is_done_cannot_be_cancelled(client: WorkspaceClient, run_sql: RunSql, ask: Ask) -> None:
    response = run_sql("SELECT 1")

    client.statement_execution.cancel_execution(response.id)

    again = ask(response.id)
    assert again.rows == [["1"]]


def test_results_are_kept_for_a_while(
    workspace: FakeWorkspace, client: WorkspaceClient, run_sql: RunSql, ask: Ask
) -> None:
    statement_id = run_sql("SELECT 1").id

    workspace.statements.close(statement_id)

    assert ask(statement_id).state == "CLOSED"
    with pytest.raises(BadRequest):
        client.statement_execution.get_statement_result_chunk_n(statement_id, 0)


def test_an_unknown_statement_is_not_found(client: WorkspaceClient) -> None:
    with pytest.raises(NotFound):
        client.statement_execution.get_statement("00000000-0000-0000-0000-000000000000")


def test_a_statement_can_be_made_to_fail(workspace: FakeWorkspace, run_sql: RunSql, rows: Rows, numbers: str) -> None:
    conflict = SqlError("DELTA_CONCURRENT_APPEND", "Files were added by a concurrent update.", "2D521")
    workspace.statements.fail("DELETE FROM", conflict)

    first, second = run_sql(f"DELETE FROM {numbers}"), run_sql(f"DELETE FROM {numbers}")

    assert first.error.startswith("[DELTA_CONCURRENT_APPEND]")
    assert second.rows == [["7"]]


def test_names_without_catalog_and_schema_take_the_ones_of_the_request(run_sql: RunSql, numbers: str) -> None:
    response = run_sql("SELECT count(*) FROM numbers", catalog="main", schema="etl")

    assert response.rows == [["7"]]


# Statements: their results


def test_a_result_comes_in_chunks(
    workspace: FakeWorkspace, client: WorkspaceClient, run_sql: RunSql, numbers: str
) -> None:
    workspace.statements.rows_per_chunk = 3

    response = run_sql(f"SELECT n FROM {numbers} ORDER BY n")

    manifest = response.manifest
    assert (manifest.total_chunk_count, manifest.total_row_count, manifest.truncated) == (3, 7, False)
    assert [(chunk.row_offset, chunk.row_count) for chunk in manifest.chunks or []] == [
        (0, 3),
        (3, 3),
        (6, 1),
    ]
    assert response.rows == [["1"], ["2"], ["3"]]
    assert response.result.next_chunk_index == 1
    last = client.statement_execution.get_statement_result_chunk_n(response.id, 2)
    assert last.data_array == [["7"]]
    assert last.next_chunk_index is None
    with pytest.raises(NotFound):
        client.statement_execution.get_statement_result_chunk_n(response.id, 3)


def test_chunks_may_come_without_the_index_of_the_next(workspace: FakeWorkspace, run_sql: RunSql, numbers: str) -> None:
    workspace.statements.rows_per_chunk = 3
    workspace.statements.sends_next_chunk_index = False

    response = run_sql(f"SELECT n FROM {numbers}")

    assert response.manifest.total_chunk_count == 3
    assert response.result.next_chunk_index is None


@pytest.mark.parametrize("text", ["CREATE TABLE main.etl.t (a INT)", "SELECT * FROM main.etl.numbers WHERE n = 99"])
def test_a_result_without_rows_has_no_chunks(run_sql: RunSql, numbers: str, text: str) -> None:
    response = run_sql(text)

    assert response.manifest.total_chunk_count == 0
    assert response.manifest.total_row_count == 0
    assert not response.rows


def test_a_row_limit_truncates(run_sql: RunSql, numbers: str) -> None:
    response = run_sql(f"SELECT n FROM {numbers} ORDER BY n", row_limit=2)

    assert response.manifest.truncated
    assert response.rows == [["1"], ["2"]]


def test_an_inline_result_beyond_the_limit_fails_and_external_links_do_not(
    workspace: FakeWorkspace, run_sql: RunSql, numbers: str
) -> None:
    workspace.statements.inline_byte_limit = 20

    inline = run_sql(f"SELECT * FROM {numbers}")
    external = run_sql(f"SELECT * FROM {numbers}", disposition=Disposition.EXTERNAL_LINKS)

    assert inline.state == "FAILED"
    assert "disposition=EXTERNAL_LINKS" in inline.error
    assert external.state == "SUCCEEDED"


def test_inline_results_are_json_only(run_sql: RunSql) -> None:
    with pytest.raises(BadRequest, match="ARROW_STREAM"):
        run_sql("SELECT 1", format=Format.ARROW_STREAM)


# External links


@pytest.fixture
def external(workspace: FakeWorkspace, run_sql: RunSql, numbers: str) -> tuple[str, str]:
    """The id of a statement and the link to its first chunk."""
    workspace.statements.rows_per_chunk = 4
    response = run_sql(f"SELECT n FROM {numbers} ORDER BY n", disposition=Disposition.EXTERNAL_LINKS)
    link = (response.result.external_links or [])[0]
    assert response.rows == []
    assert (link.chunk_index, link.row_count, link.next_chunk_index) == (0, 4, 1)
    return response.id, link.external_link or ""


def test_a_link_gives_the_chunk_without_a_token(external: tuple[str, str]) -> None:
    status, body = fetch(external[1])

    assert status == 200
    assert json.loads(body) == [["1"], ["2"], ["3"], ["4"]]


def test_a_link_refuses_a_token(workspace: FakeWorkspace, external: tuple[str, str]) -> None:
    status, body = fetch(external[1], Authorization=f"Bearer {workspace.token}")

    assert status == 400
    assert b"InvalidArgument" in body


def test_an_expired_link_stays_expired_until_the_chunk_is_asked_for_again(
    workspace: FakeWorkspace, client: WorkspaceClient, external: tuple[str, str]
) -> None:
    statement_id, link = external
    workspace.faults.add(Fault("GET", "/external-store/*", FaultKind.EXPIRED_LINK))

    assert [fetch(link)[0], fetch(link)[0]] == [403, 403]
    fresh = (client.statement_execution.get_statement_result_chunk_n(statement_id, 0).external_links or [])[0]

    assert json.loads(fetch(fresh.external_link or "")[1]) == [["1"], ["2"], ["3"], ["4"]]


def test_all_links_can_expire_at_once(workspace: FakeWorkspace, external: tuple[str, str]) -> None:
    workspace.links.expire_all()

    assert fetch(external[1])[0] == 403


# Files


def test_a_file_goes_up_and_comes_down(volume: Path, client: WorkspaceClient) -> None:
    path = f"{VOLUME}/team a/jobs.yml"

    client.files.upload(path, io.BytesIO(b"modules: []\n"), overwrite=True)

    assert (volume / "team a" / "jobs.yml").read_bytes() == b"modules: []\n"
    download = client.files.download(path)
    assert contents_of(download) == b"modules: []\n"
    metadata = client.files.get_metadata(path)
    assert metadata.content_length == 12
    assert metadata.last_modified == download.last_modified
    assert str(metadata.last_modified).endswith(" GMT")


def test_an_empty_file_is_a_file(volume: Path, client: WorkspaceClient) -> None:
    client.files.upload(f"{VOLUME}/empty.yml", io.BytesIO(b""))

    assert contents_of(client.files.download(f"{VOLUME}/empty.yml")) == b""
    assert (volume / "empty.yml").read_bytes() == b""


def test_downloads_go_over_a_signed_link_and_fall_back_where_there_are_none(
    workspace: FakeWorkspace, volume: Path, client: WorkspaceClient
) -> None:
    (volume / "a.yml").write_text("a")
    workspace.requests.clear()

    contents_of(client.files.download(f"{VOLUME}/a.yml"))
    workspace.files.gives_links = False
    contents_of(client.files.download(f"{VOLUME}/a.yml"))

    assert [(call.method, call.path.partition("-store/")[0]) for call in workspace.requests] == [
        ("POST", "/api/2.0/fs/create-download-url"),
        ("GET", "/external"),
        ("POST", "/api/2.0/fs/create-download-url"),
        ("GET", f"/api/2.0/fs/files{VOLUME}/a.yml"),
    ]


def test_a_listing_gives_names_sizes_and_times_in_milliseconds(volume: Path, client: WorkspaceClient) -> None:
    (volume / "sub").mkdir()
    (volume / "a.yml").write_text("abc")
    os.utime(volume / "a.yml", ns=(0, 1_700_000_000_123_000_000))

    file, folder = client.files.list_directory_contents(VOLUME)

    assert (file.path, file.name, file.is_directory, file.file_size, file.last_modified) == (
        f"{VOLUME}/a.yml",
        "a.yml",
        False,
        3,
        1_700_000_000_123,
    )
    assert (folder.path, folder.is_directory, folder.file_size) == (f"{VOLUME}/sub", True, None)


def test_a_listing_comes_in_pages(workspace: FakeWorkspace, volume: Path, client: WorkspaceClient) -> None:
    workspace.files.page_limit = 2
    for name in "edcba":
        (volume / name).write_text(name)
    workspace.requests.clear()

    assert [entry.name for entry in client.files.list_directory_contents(VOLUME)] == list("abcde")
    assert len(workspace.requests) == 3


def test_a_file_that_goes_between_two_pages_is_not_listed(
    workspace: FakeWorkspace, volume: Path, client: WorkspaceClient
) -> None:
    workspace.files.page_limit = 2
    for name in "abcd":
        (volume / name).write_text(name)

    names = []
    for entry in client.files.list_directory_contents(VOLUME):
        names.append(entry.name)
        (volume / "c").unlink(missing_ok=True)

    assert names == ["a", "b", "d"]


@settings(max_examples=examples(25))
@given(name=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1, max_size=20))
def test_names_hold_any_unicode(volume: Path, client: WorkspaceClient, name: str) -> None:
    if name in (".", ".."):
        return
    client.files.upload(f"{VOLUME}/{name}/{name}", io.BytesIO(name.encode()))

    (entry,) = client.files.list_directory_contents(f"{VOLUME}/{name}")

    assert (entry.name, entry.path) == (name, f"{VOLUME}/{name}/{name}")
    assert contents_of(client.files.download(entry.path or "")) == name.encode()
    client.files.delete(entry.path or "")
    client.files.delete_directory(f"{VOLUME}/{name}")


def test_an_upload_does_not_overwrite_if_so_ordered(volume: Path, client: WorkspaceClient) -> None:
    (volume / "a.yml").write_text("old")

    with pytest.raises(AlreadyExists):
        client.files.upload(f"{VOLUME}/a.yml", io.BytesIO(b"new"), overwrite=False)
    client.files.upload(f"{VOLUME}/a.yml", io.BytesIO(b"new"))  # overwriting is the default

    assert (volume / "a.yml").read_text() == "new"


@pytest.mark.parametrize("path", [f"{VOLUME}/nope.yml", "/Volumes/main/etl/nope/a.yml", f"{VOLUME}/sub"])
def test_a_file_that_is_not_there_is_not_found(volume: Path, client: WorkspaceClient, path: str) -> None:
    (volume / "sub").mkdir()

    for action in (client.files.download, client.files.get_metadata, client.files.delete):
        with pytest.raises(NotFound):
            action(path)


def test_directories(volume: Path, client: WorkspaceClient) -> None:
    client.files.create_directory(f"{VOLUME}/a/b")
    client.files.create_directory(f"{VOLUME}/a/b")
    client.files.get_directory_metadata(f"{VOLUME}/a/b")

    with pytest.raises(BadRequest, match="not empty"):
        client.files.delete_directory(f"{VOLUME}/a")
    client.files.delete_directory(f"{VOLUME}/a/b")
    with pytest.raises(NotFound):
        client.files.get_directory_metadata(f"{VOLUME}/a/b")
    with pytest.raises(NotFound):
        list(client.files.list_directory_contents(f"{VOLUME}/a/b"))
    (volume / "file").write_text("x")
    with pytest.raises(AlreadyExists):
        client.files.create_directory(f"{VOLUME}/file")


@pytest.mark.parametrize("path", ["/Volumes/main/etl", "/etc/passwd", f"{VOLUME}//x"])
def test_paths_lead_into_volumes_only(volume: Path, client: WorkspaceClient, path: str) -> None:
    with pytest.raises(InvalidParameterValue):
        client.files.upload(path, io.BytesIO(b"x"))


def test_requests_resolves_dots_in_a_path_before_it_is_sent(
    workspace: FakeWorkspace, volume: Path, client: WorkspaceClient
) -> None:
    with pytest.raises(NotFound):
        client.files.get_metadata(f"{VOLUME}/../other/a.yml")

    assert workspace.requests[-1].path == "/api/2.0/fs/files/Volumes/main/etl/other/a.yml"
