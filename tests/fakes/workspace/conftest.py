"""A workspace for each test, a client of it, and SQL in one line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.service.sql import StatementParameterListItem

from fakes.workspace import FakeWorkspace
from fakes.workspace.answers import Answer, Ask, ErrorOf, Row, Rows, RunSql, Value


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[FakeWorkspace]:
    with FakeWorkspace(tmp_path) as running:
        yield running


@pytest.fixture
def client(workspace: FakeWorkspace) -> WorkspaceClient:
    return workspace.client()


@pytest.fixture
def run_sql(workspace: FakeWorkspace, client: WorkspaceClient) -> RunSql:
    """Executes a statement; parameters are texts or (text, type), further settings as the SDK takes them."""

    def run(text: str, parameters: Mapping[str, Value] | None = None, **settings: Any) -> Answer:
        items = [_item(name, value) for name, value in (parameters or {}).items()]
        return Answer.of(
            client.statement_execution.execute_statement(
                text, workspace.warehouse_id, parameters=items or None, **settings
            )
        )

    return run


@pytest.fixture
def ask(client: WorkspaceClient) -> Ask:
    """Asks how a statement is doing."""
    return lambda statement_id: Answer.of(client.statement_execution.get_statement(statement_id))


@pytest.fixture
def rows(run_sql: RunSql) -> Rows:
    """The rows that a statement gives; it must succeed."""

    def run(text: str, parameters: Mapping[str, Value] | None = None) -> list[Row]:
        answer = run_sql(text, parameters)
        assert answer.state == "SUCCEEDED", answer.error
        return answer.rows

    return run


@pytest.fixture
def error_of(run_sql: RunSql) -> ErrorOf:
    """The message of a statement that must fail."""

    def run(text: str, parameters: Mapping[str, Value] | None = None) -> str:
        answer = run_sql(text, parameters)
        assert answer.state == "FAILED", answer
        return answer.error

    return run


@pytest.fixture
def volume(workspace: FakeWorkspace) -> Path:
    """The folder of the volume /Volumes/main/etl/metadata."""
    return workspace.files.create_volume("main", "etl", "metadata")


def _item(name: str, value: Value) -> StatementParameterListItem:
    text, kind = value if isinstance(value, tuple) else (value, None)
    return StatementParameterListItem(name, type=kind, value=text)
