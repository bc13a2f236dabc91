"""What goes wrong on the fake workspace, one by one, and what the real SDK (0.156) makes of it.

The pauses of the SDK are on a clock that does not wait: the tests say how long they would be.
"""

from __future__ import annotations

import io
import socket
import time
from pathlib import Path

import pytest
import requests
from databricks.sdk import WorkspaceClient
from databricks.sdk.config import Config
from databricks.sdk.core import DatabricksError
from databricks.sdk.errors import (
    AlreadyExists,
    InternalError,
    PermissionDenied,
    TemporarilyUnavailable,
    TooManyRequests,
    Unauthenticated,
)

from fakes.workspace import FakeWorkspace, Fault, FaultKind, SleeplessClock
from fakes.workspace.answers import Rows, contents_of
from support.slow import few

STATEMENTS = "/api/2.0/sql/statements"
VOLUME = "/Volumes/main/etl/metadata"


@pytest.fixture
def clock() -> SleeplessClock:
    return SleeplessClock()


@pytest.fixture
def patient(workspace: FakeWorkspace, clock: SleeplessClock) -> WorkspaceClient:
    """A client with the SDK's default budget of 300 seconds, spent on a clock that does not wait."""
    client = workspace.client(clock=clock, retry_timeout_seconds=300)
    workspace.requests.clear()
    return client


def insert(client: WorkspaceClient, workspace: FakeWorkspace) -> None:
    client.statement_execution.execute_statement("INSERT INTO main.etl.once VALUES ('x')", workspace.warehouse_id)


@pytest.fixture
def once(workspace: FakeWorkspace, rows: Rows) -> str:
    """An empty table, to count how often an INSERT has run."""
    rows("CREATE TABLE main.etl.once (a STRING)")
    workspace.requests.clear()
    return "main.etl.once"


def runs(rows: Rows) -> int:
    return int(rows("SELECT count(*) FROM main.etl.once")[0][0] or -1)


def test_429_is_retried_after_the_seconds_that_the_server_says_plus_up_to_one(
    workspace: FakeWorkspace, patient: WorkspaceClient, clock: SleeplessClock, rows: Rows, once: str
) -> None:
    workspace.faults.add(Fault("POST", STATEMENTS, FaultKind.TOO_MANY_REQUESTS, times=2, retry_after=7))

    insert(patient, workspace)

    assert [call.status for call in workspace.requests] == [429, 429, 200]
    assert all(7 <= pause < 8 for pause in clock.slept)
    assert runs(rows) == 1


def test_503_before_the_work_is_retried_and_the_statement_runs_once(
    workspace: FakeWorkspace, patient: WorkspaceClient, clock: SleeplessClock, rows: Rows, once: str
) -> None:
    workspace.faults.add(Fault("POST", STATEMENTS, FaultKind.UNAVAILABLE, retry_after=None))

    insert(patient, workspace)

    assert len(clock.slept) == 1
    assert 1 <= clock.slept[0] < 2  # one second is the default without Retry-After
    assert runs(rows) == 1


@pytest.mark.parametrize("kind", [FaultKind.UNAVAILABLE_AFTER_WORK, FaultKind.CONNECTION_RESET_AFTER_WORK])
def test_what_goes_wrong_after_the_work_is_retried_too_so_a_statement_runs_twice(
    workspace: FakeWorkspace, patient: WorkspaceClient, rows: Rows, once: str, kind: FaultKind
) -> None:
    workspace.faults.add(Fault("POST", STATEMENTS, kind, body_contains="INSERT"))

    insert(patient, workspace)

    assert runs(rows) == 2


def test_an_answer_later_than_the_http_timeout_is_retried_so_a_statement_runs_twice(
    workspace: FakeWorkspace, clock: SleeplessClock, rows: Rows, once: str
) -> None:
    workspace.faults.add(Fault("POST", STATEMENTS, FaultKind.SLOW, seconds=0.5))

    insert(workspace.client(clock=clock, http_timeout_seconds=0.2), workspace)

    assert runs(rows) == 2


def test_a_slow_answer_is_waited_for(workspace: FakeWorkspace, client: WorkspaceClient, rows: Rows, once: str) -> None:
    workspace.faults.add(Fault("POST", STATEMENTS, FaultKind.SLOW, seconds=0.2))
    start = time.monotonic()

    insert(client, workspace)

    assert time.monotonic() - start >= 0.2
    assert runs(rows) == 1


def test_a_connection_reset_is_retried(
    workspace: FakeWorkspace, patient: WorkspaceClient, clock: SleeplessClock, rows: Rows, once: str
) -> None:
    workspace.faults.add(Fault("POST", STATEMENTS, FaultKind.CONNECTION_RESET, times=3))

    insert(patient, workspace)

    assert [call.status for call in workspace.requests] == [None, None, None, 200]
    assert [int(pause) for pause in clock.slept] == [1, 2, 3]  # and so on, up to ten seconds
    assert runs(rows) == 1


@pytest.mark.parametrize(
    ("kind", "error", "message"),
    [
        (FaultKind.INTERNAL_ERROR, InternalError, "An internal error happened."),
        (FaultKind.BAD_GATEWAY, DatabricksError, "502 Bad Gateway"),
        (FaultKind.UNAUTHENTICATED, Unauthenticated, "The access token has expired"),
        (FaultKind.FORBIDDEN, PermissionDenied, "User does not have permission"),
    ],
)
def test_these_are_raised_at_once(
    workspace: FakeWorkspace,
    patient: WorkspaceClient,
    clock: SleeplessClock,
    kind: FaultKind,
    error: type[DatabricksError],
    message: str,
) -> None:
    workspace.faults.add(Fault("GET", "/api/2.0/sql/warehouses", kind))

    with pytest.raises(error, match=message) as caught:
        list(patient.warehouses.list())

    assert type(caught.value) is error
    assert len(workspace.requests) == 1
    assert clock.slept == []


def test_a_body_cut_off_is_an_error_of_requests_not_of_the_sdk_and_is_not_retried(
    workspace: FakeWorkspace, patient: WorkspaceClient, clock: SleeplessClock, rows: Rows, once: str
) -> None:
    workspace.faults.add(Fault("POST", STATEMENTS, FaultKind.TRUNCATED_BODY))

    with pytest.raises(requests.exceptions.ChunkedEncodingError) as caught:
        insert(patient, workspace)

    assert not isinstance(caught.value, (DatabricksError, requests.ConnectionError))
    assert clock.slept == []
    assert runs(rows) == 1


@pytest.mark.parametrize(
    ("kind", "last"),
    few(
        [(FaultKind.UNAVAILABLE, TemporarilyUnavailable)],
        [
            (FaultKind.TOO_MANY_REQUESTS, TooManyRequests),
            (FaultKind.CONNECTION_RESET, requests.ConnectionError),
        ],
    ),
)
@pytest.mark.slow
def test_after_300_seconds_the_sdk_gives_up_with_a_plain_timeout_error(
    workspace: FakeWorkspace,
    patient: WorkspaceClient,
    clock: SleeplessClock,
    kind: FaultKind,
    last: type[Exception],
) -> None:
    workspace.faults.add(Fault("*", "*", kind, times=10_000))

    with pytest.raises(TimeoutError, match="Timed out after 0:05:00") as caught:
        patient.current_user.me()

    assert not isinstance(caught.value, DatabricksError)
    assert isinstance(caught.value.__cause__, last)
    assert 300 <= clock.time() < 312
    assert len(workspace.requests) == len(clock.slept)


def test_the_budget_does_not_shorten_a_pause_that_the_server_asks_for(
    workspace: FakeWorkspace, clock: SleeplessClock
) -> None:
    client = workspace.client(clock=clock, retry_timeout_seconds=1)
    workspace.faults.add(Fault("*", "*", FaultKind.TOO_MANY_REQUESTS, retry_after=3600))

    with pytest.raises(TimeoutError, match="Timed out after 0:00:01"):
        client.current_user.me()

    assert clock.time() >= 3600


def test_a_budget_of_zero_or_of_a_part_of_a_second_is_taken_for_300_seconds(
    workspace: FakeWorkspace, clock: SleeplessClock
) -> None:
    client = workspace.client(clock=clock, retry_timeout_seconds=0.5)  # type: ignore[arg-type]
    workspace.faults.add(Fault("*", "*", FaultKind.UNAVAILABLE, times=10_000))

    with pytest.raises(TimeoutError, match="Timed out after 0:05:00"):
        client.current_user.me()


def test_a_dead_host_costs_the_constructor_a_budget_of_its_own_and_it_does_not_fail() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        host = f"http://127.0.0.1:{taken.getsockname()[1]}"
        start = time.monotonic()

        WorkspaceClient(config=Config(host=host, token="x", auth_type="pat", retry_timeout_seconds=1))

    assert 1 <= time.monotonic() - start < 4


def test_a_fault_may_let_requests_pass_first(workspace: FakeWorkspace, patient: WorkspaceClient) -> None:
    workspace.faults.add(Fault("GET", "/api/2.0/sql/*", FaultKind.INTERNAL_ERROR, after=2, times=1))

    list(patient.warehouses.list())
    list(patient.warehouses.list())
    with pytest.raises(InternalError):
        list(patient.warehouses.list())
    list(patient.warehouses.list())

    assert workspace.faults.waiting == []


def test_faults_that_did_not_happen_are_still_waiting(workspace: FakeWorkspace, patient: WorkspaceClient) -> None:
    workspace.faults.add(Fault("GET", "/api/2.0/sql/warehouses", FaultKind.INTERNAL_ERROR, times=2))

    with pytest.raises(InternalError):
        list(patient.warehouses.list())

    assert [fault.times for fault in workspace.faults.waiting] == [1]
    workspace.faults.clear()
    list(patient.warehouses.list())


# Files


def test_a_download_that_breaks_off_goes_on_where_it_was(
    workspace: FakeWorkspace, volume: Path, client: WorkspaceClient
) -> None:
    content = bytes(range(256)) * 40_000  # ten megabytes: five reads of the SDK
    (volume / "large").write_bytes(content)
    workspace.faults.add(Fault("GET", "/external-store/*", FaultKind.TRUNCATED_BODY))

    assert contents_of(client.files.download(f"{VOLUME}/large")) == content

    first, second = workspace.calls("GET", "/external-store/*")
    assert "range" not in first.headers
    assert second.headers["range"].startswith("bytes=")


def test_an_expired_link_of_a_download_is_no_loss(
    workspace: FakeWorkspace, volume: Path, client: WorkspaceClient
) -> None:
    (volume / "a.yml").write_text("a")
    workspace.faults.add(Fault("GET", "/external-store/*", FaultKind.EXPIRED_LINK))

    assert contents_of(client.files.download(f"{VOLUME}/a.yml")) == b"a"
    # Newer SDKs ask for another link; before, the Files API was asked for the file.
    others = [
        *workspace.calls("POST", "*/create-download-url"),
        *workspace.calls("GET", f"/api/2.0/fs/files{VOLUME}/*"),
    ]
    assert len(others) == 2


def test_an_upload_retried_after_its_work_was_done_says_that_the_file_exists(
    workspace: FakeWorkspace, volume: Path, patient: WorkspaceClient
) -> None:
    workspace.faults.add(Fault("PUT", "/api/2.0/fs/files/*", FaultKind.UNAVAILABLE_AFTER_WORK))

    with pytest.raises(AlreadyExists):
        patient.files.upload(f"{VOLUME}/mine.yml", io.BytesIO(b"mine"), overwrite=False)

    assert (volume / "mine.yml").read_bytes() == b"mine"


def test_an_upload_is_sent_again_from_its_start(
    workspace: FakeWorkspace, volume: Path, patient: WorkspaceClient
) -> None:
    workspace.faults.add(Fault("PUT", "/api/2.0/fs/files/*", FaultKind.CONNECTION_RESET))

    patient.files.upload(f"{VOLUME}/a.yml", io.BytesIO(b"whole"))

    assert (volume / "a.yml").read_bytes() == b"whole"


def test_a_second_page_that_fails_fails_the_listing_midway(
    workspace: FakeWorkspace, volume: Path, client: WorkspaceClient
) -> None:
    workspace.files.page_limit = 1
    for name in "ab":
        (volume / name).write_text(name)
    workspace.faults.add(Fault("GET", "/api/2.0/fs/directories/*", FaultKind.INTERNAL_ERROR, after=1))
    names: list[str | None] = []

    with pytest.raises(InternalError):
        names.extend(entry.name for entry in client.files.list_directory_contents(VOLUME))

    assert names == ["a"]  # what came before the error has been given: a listing is whole only at its end


@pytest.mark.slow
def test_a_download_from_a_workspace_that_is_down_ends_when_the_budget_is_spent(
    workspace: FakeWorkspace, volume: Path, patient: WorkspaceClient, clock: SleeplessClock
) -> None:
    workspace.faults.add(Fault("*", "*", FaultKind.UNAVAILABLE, times=10_000))

    with pytest.raises(TimeoutError):
        patient.files.download(f"{VOLUME}/a.yml")

    assert clock.time() >= 300


def test_one_setting_makes_downloads_plain_requests_which_do_not_go_on_where_they_broke_off(
    workspace: FakeWorkspace, volume: Path
) -> None:
    (volume / "a.yml").write_text("abc")
    client = workspace.client(disable_experimental_files_api_client=True)
    workspace.requests.clear()

    assert contents_of(client.files.download(f"{VOLUME}/a.yml")) == b"abc"
    workspace.faults.add(Fault("GET", "/api/2.0/fs/files/*", FaultKind.TRUNCATED_BODY))
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        contents_of(client.files.download(f"{VOLUME}/a.yml"))

    assert {call.path for call in workspace.requests} == {f"/api/2.0/fs/files{VOLUME}/a.yml"}
