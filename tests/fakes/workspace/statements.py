"""The SQL Statement Execution API 2.0 over the SQL engine.

A statement runs when the fake says that its time has come, and time passes with each answer about it: nothing
here waits. `wait_timeout` is checked but not waited for; `pending_answers` and `running_answers` say how many
answers a statement is unfinished for, and a stopped warehouse adds its own.
"""

from __future__ import annotations

import json
import re
import threading
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from .api import ApiError, Request, Response, Route, Routes
from .engine import Engine, Parameter, Result, SqlError, UnsupportedSqlError
from .links import Content, SignedLinks
from .sql.expressions import Column
from .sql.results import Row
from .sql.types import timestamp_text
from .warehouses import Warehouses

_PATH = "/api/2.0/sql/statements"
_ONE = _PATH + "/(?P<id>[^/]+)"


class State(str, Enum):
    """The states of a statement."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"
    CLOSED = "CLOSED"


_UNFINISHED = (State.PENDING, State.RUNNING)


@dataclass(frozen=True, slots=True)
class _Order:
    """A statement as it was ordered, checked."""

    text: str
    warehouse_id: str
    parameters: dict[str, Parameter]
    defaults: tuple[str, str]
    external: bool
    row_limit: int | None
    waits: bool
    cancels: bool

    @classmethod
    def of(cls, body: dict[str, Any]) -> _Order:
        """Checks the body of a request.

        Raises:
            ApiError: 400, as a field is missing or has a value that it cannot have.
        """
        for name in ("statement", "warehouse_id"):
            if not isinstance(body.get(name), str) or not body[name]:
                raise _invalid(f"{name} must be provided")
        wait = str(body.get("wait_timeout", "10s"))
        seconds = int(wait[:-1]) if re.fullmatch(r"\d+s", wait) else -1
        if seconds != 0 and not 5 <= seconds <= 50:
            raise _invalid(f"wait_timeout must be 0s or from 5s to 50s, but was {wait}")
        on_timeout = _choice(body, "on_wait_timeout", ("CONTINUE", "CANCEL"))
        disposition = _choice(body, "disposition", ("INLINE", "EXTERNAL_LINKS"))
        format_ = _choice(body, "format", ("JSON_ARRAY", "ARROW_STREAM", "CSV"))
        if format_ != "JSON_ARRAY" and disposition == "INLINE":
            raise _invalid(f"The format {format_} is only supported with the disposition EXTERNAL_LINKS")
        if format_ != "JSON_ARRAY" or "byte_limit" in body:
            raise UnsupportedSqlError(f"byte_limit, or the format {format_}")
        return cls(
            text=body["statement"],
            warehouse_id=body["warehouse_id"],
            parameters=dict(_parameter(item) for item in body.get("parameters", [])),
            defaults=(body.get("catalog", "main"), body.get("schema", "default")),
            external=disposition == "EXTERNAL_LINKS",
            row_limit=body.get("row_limit"),
            waits=seconds > 0,
            cancels=on_timeout == "CANCEL",
        )


def _choice(body: dict[str, Any], name: str, choices: Sequence[str]) -> str:
    value = body.get(name, choices[0])
    if value not in choices:
        raise _invalid(f"{name} must be one of {', '.join(choices)}, but was {value}")
    return str(value)


def _parameter(item: Any) -> tuple[str, Parameter]:
    if not isinstance(item, dict) or not isinstance(item.get("name"), str):
        raise _invalid("A parameter needs a name")
    value = item.get("value")
    if value is not None and not isinstance(value, str):
        raise _invalid(f"The value of the parameter {item['name']} must be a string")
    return item["name"], Parameter(value, item.get("type") or "STRING")


def _invalid(message: str) -> ApiError:
    return ApiError(400, "INVALID_PARAMETER_VALUE", message)


@dataclass(slots=True)
class _Statement:
    """A statement on its way.

    Attributes:
        remaining: The states that the next answers say, before the statement is as far as it is.
        outcome: What it gave, once it has run.
        chunk_size: How many rows are in each chunk of its result.
    """

    order: _Order
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    state: State = State.PENDING
    remaining: list[State] = field(default_factory=list)
    outcome: Result | SqlError | None = None
    chunk_size: int = 1
    truncated: bool = False

    def chunks(self) -> list[Sequence[Row]]:
        """The rows of the result, cut."""
        assert isinstance(self.outcome, Result)
        rows = self.outcome.rows
        return [rows[start : start + self.chunk_size] for start in range(0, len(rows), self.chunk_size)]


@dataclass(slots=True)
class _Failure:
    containing: str
    error: SqlError
    times: int


class Statements:
    """The statements of the workspace.

    Attributes:
        rows_per_chunk: How many rows are in each chunk of a result.
        sends_next_chunk_index: Whether a chunk says which is the next; some servers leave it out.
        inline_byte_limit: How large a result with the disposition INLINE may be.
        pending_answers: How many answers about each new statement say PENDING.
        running_answers: How many say RUNNING after that.
    """

    def __init__(self, engine: Engine, warehouses: Warehouses, links: SignedLinks) -> None:
        """Starts without statements."""
        self.rows_per_chunk = 10_000
        self.sends_next_chunk_index = True
        self.inline_byte_limit = 25 * 1024 * 1024
        self.pending_answers = 0
        self.running_answers = 0
        self._engine = engine
        self._warehouses = warehouses
        self._links = links
        self._by_id: dict[str, _Statement] = {}
        self._failures: list[_Failure] = []
        self._lock = threading.RLock()

    def fail(self, containing: str, error: SqlError, times: int = 1) -> None:
        """Makes the next statements that contain a text fail with this error; they do not run."""
        self._failures.append(_Failure(containing, error, times))

    def close(self, statement_id: str) -> None:
        """Ends the time for which a result is kept: the statement is CLOSED, its result gone."""
        statement = self._by_id[statement_id]
        statement.state, statement.outcome = State.CLOSED, None

    def state_of(self, statement_id: str) -> State:
        """The state of a statement; asking does not make time pass."""
        return self._by_id[statement_id].state

    def routes(self) -> Routes:
        """Execute, get, get a chunk, cancel."""
        return (
            Route.of("POST", _PATH, self._execute),
            Route.of("POST", _PATH + "/", self._execute),
            Route.of("GET", _ONE, self._get),
            Route.of("GET", _ONE + r"/result/chunks/(?P<chunk>\d+)", self._get_chunk),
            Route.of("POST", _ONE + "/cancel", self._cancel),
        )

    def _execute(self, request: Request) -> Response:
        order = _Order.of(request.json())
        self._warehouses.find(order.warehouse_id)
        statement = _Statement(order, chunk_size=self.rows_per_chunk)
        statement.remaining = [State.PENDING] * self.pending_answers + [State.RUNNING] * self.running_answers
        with self._lock:
            self._by_id[statement.id] = statement
            self._advance(statement)
            if not order.waits:
                return Response.of_json({"statement_id": statement.id, "status": {"state": State.PENDING}})
            if order.cancels and statement.state in _UNFINISHED:
                statement.state = State.CANCELED
            return Response.of_json(self._described(statement))

    def _get(self, request: Request) -> Response:
        with self._lock:
            statement = self._find(request)
            self._advance(statement)
            return Response.of_json(self._described(statement))

    def _get_chunk(self, request: Request) -> Response:
        with self._lock:
            statement = self._find(request)
            index = int(request.groups["chunk"])
            if statement.state is not State.SUCCEEDED:
                text = f"The statement {statement.id} has no result: it is {statement.state.value}."
                raise ApiError(400, "BAD_REQUEST", text)
            if index >= len(statement.chunks()):
                raise ApiError(404, "NOT_FOUND", f"The statement {statement.id} has no chunk {index}.")
            return Response.of_json(self._chunk(statement, index))

    def _cancel(self, request: Request) -> Response:
        with self._lock:
            statement = self._find(request)
            if statement.state in _UNFINISHED:
                statement.state = State.CANCELED
            return Response.of_json({})

    def _find(self, request: Request) -> _Statement:
        found = self._by_id.get(request.groups["id"])
        if found is None:
            raise ApiError(404, "NOT_FOUND", f"The statement {request.groups['id']} was not found.")
        return found

    def _advance(self, statement: _Statement) -> None:
        """Lets time pass by one answer."""
        if statement.state not in _UNFINISHED:
            return
        if not self._warehouses.is_up(statement.order.warehouse_id):
            statement.state = State.PENDING
        elif statement.remaining:
            statement.state = statement.remaining.pop(0)
        else:
            self._run(statement)

    def _run(self, statement: _Statement) -> None:
        try:
            statement.outcome = self._outcome(statement)
            statement.state = State.SUCCEEDED
        except SqlError as error:
            statement.outcome = error
            statement.state = State.FAILED

    def _outcome(self, statement: _Statement) -> Result:
        order = statement.order
        self._fail_as_told(order.text)
        result = self._engine.run(order.text, order.parameters, order.defaults)
        if order.row_limit is not None and len(result.rows) > order.row_limit:
            result = Result(result.columns, result.rows[: order.row_limit])
            statement.truncated = True
        if not order.external and result.byte_count > self.inline_byte_limit:
            raise _too_large(self.inline_byte_limit)
        return result

    def _fail_as_told(self, text: str) -> None:
        for failure in self._failures:
            if failure.times and failure.containing in text:
                failure.times -= 1
                raise failure.error

    def _described(self, statement: _Statement) -> dict[str, object]:
        status: dict[str, object] = {"state": statement.state}
        described: dict[str, object] = {"statement_id": statement.id, "status": status}
        if isinstance(statement.outcome, SqlError):
            status["error"] = {"error_code": "BAD_REQUEST", "message": statement.outcome.message}
            status |= {"sql_state": statement.outcome.sql_state} if statement.outcome.sql_state else {}
        if isinstance(statement.outcome, Result):
            described["manifest"] = _manifest(statement, statement.outcome)
            described["result"] = self._chunk(statement, 0) if statement.outcome.rows else {}
        return described

    def _chunk(self, statement: _Statement, index: int) -> dict[str, object]:
        chunks = statement.chunks()
        chunk: dict[str, object] = _extent(chunks, index)
        if self.sends_next_chunk_index and index + 1 < len(chunks):
            chunk["next_chunk_index"] = index + 1
            chunk["next_chunk_internal_link"] = f"{_PATH}/{statement.id}/result/chunks/{index + 1}"
        if not statement.order.external:
            return chunk | {"data_array": chunks[index]}
        body = json.dumps(chunks[index], ensure_ascii=False, separators=(",", ":")).encode()
        link = self._links.issue(lambda: Content(body))
        chunk |= {
            "byte_count": len(body),
            "external_link": link.url,
            "expiration": timestamp_text(link.expires_at),
        }
        return {"external_links": [chunk]}


def _too_large(limit: int) -> SqlError:
    text = (
        "Inline byte limit exceeded. Statements executed with disposition=INLINE can have a result size of "
        f"at most {limit} bytes. Please execute the statement with disposition=EXTERNAL_LINKS if you want to "
        "download the full result."
    )
    return SqlError("", text, "")


def _manifest(statement: _Statement, result: Result) -> dict[str, object]:
    chunks = statement.chunks()
    return {
        "format": "JSON_ARRAY",
        "schema": {
            "column_count": len(result.columns),
            "columns": [_column(column, position) for position, column in enumerate(result.columns)],
        },
        "total_chunk_count": len(chunks),
        "chunks": [_extent(chunks, index) for index in range(len(chunks))],
        "total_row_count": len(result.rows),
        "total_byte_count": result.byte_count,
        "truncated": statement.truncated,
    }


def _column(column: Column, position: int) -> dict[str, object]:
    return {
        "name": column.name,
        "type_text": column.type.text,
        "type_name": column.type.name,
        "position": position,
    }


def _extent(chunks: Sequence[Sequence[Row]], index: int) -> dict[str, object]:
    offset = sum(len(chunk) for chunk in chunks[:index])
    return {"chunk_index": index, "row_offset": offset, "row_count": len(chunks[index])}
