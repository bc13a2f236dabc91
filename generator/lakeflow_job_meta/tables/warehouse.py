"""Runs SQL on a Databricks SQL warehouse, by the Statement Execution API of databricks-sdk: no cluster, no Spark.

The facts of the API that this module answers to: a statement that fails is an HTTP 200 with a state; every value is
text; a slow or starting warehouse answers PENDING; results come in chunks, and large ones as links that expire. A
request may be sent twice when an answer is lost, so every statement given to it can be repeated.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass
from datetime import datetime, timezone
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from lakeflow_job_meta._internal.parallel import attempts
from lakeflow_job_meta._internal.text import foreign_message
from lakeflow_job_meta.errors import OperationFailed
from lakeflow_job_meta.tables.schema import Row
from lakeflow_job_meta.tables.sql import Answer, Statement, statement_error
from lakeflow_job_meta.workspace.client import Workspace, workspace_errors

if TYPE_CHECKING:
    from databricks.sdk.service.sql import ColumnInfo, ExternalLink, ResultData, StatementResponse

_FIRST_WAIT_SECONDS = 30
_LONGEST_PAUSE_SECONDS = 10.0
_LINK_TIMEOUT_SECONDS = 60
_WAITING = ("PENDING", "RUNNING")


@dataclass(frozen=True, slots=True)
class WarehouseExecutor:
    """Runs statements on one SQL warehouse.

    Attributes:
        patience_seconds: How long to wait for a warehouse that starts, and for a statement.
        on_wait: Called once per statement that has to wait, with a sentence for the user.
    """

    workspace: Workspace
    warehouse_id: str
    _: KW_ONLY
    patience_seconds: float = 600
    on_wait: Callable[[str], None] = lambda message: None
    sleep: Callable[[float], None] = time.sleep

    def run(self, statement: Statement) -> list[Row]:
        found = self.answer(statement)
        return [dict(zip(found.columns, row, strict=True)) for row in found.rows]

    def answer(self, statement: Statement) -> Answer:
        with workspace_errors(self.workspace):
            response = self._finished(self._send(statement, external=False))
            if _state(response) == "FAILED" and "EXTERNAL_LINKS" in _message(response):
                # An inline result was refused for its size (25 MiB).
                response = self._finished(self._send(statement, external=True))
            if _state(response) != "SUCCEEDED":
                raise statement_error("The SQL warehouse", _message(response))
            return self._answer(response)

    def _send(self, statement: Statement, *, external: bool) -> StatementResponse:
        from databricks.sdk.service import sql

        parameters = [sql.StatementParameterListItem(name, value=value) for name, value in statement.parameters]
        return self.workspace.client().statement_execution.execute_statement(
            statement.text,
            self.warehouse_id,
            parameters=parameters or None,
            disposition=sql.Disposition.EXTERNAL_LINKS if external else sql.Disposition.INLINE,
            format=sql.Format.JSON_ARRAY,
            wait_timeout=f"{_FIRST_WAIT_SECONDS}s",
            on_wait_timeout=sql.ExecuteStatementRequestOnWaitTimeout.CONTINUE,
        )

    def _finished(self, response: StatementResponse) -> StatementResponse:
        """Waits for the end of a statement; cancels it when patience or the user ends."""
        execution = self.workspace.client().statement_execution
        begin, pause, waited = time.monotonic(), 0.5, 0.0
        try:
            while _state(response) in _WAITING:
                if max(waited, time.monotonic() - begin) > self.patience_seconds:
                    raise OperationFailed(
                        f"The SQL warehouse {self.warehouse_id!r} did not answer within {self.patience_seconds:.0f} "
                        "seconds. Look whether it can start, or choose another one."
                    )
                if waited == 0:
                    self.on_wait(f"Waiting for the SQL warehouse {self.warehouse_id} ...")
                self.sleep(pause)
                waited += pause
                pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
                response = execution.get_statement(str(response.statement_id))
        except BaseException:
            if response.statement_id is not None and _state(response) in _WAITING:
                # Whatever comes of it: the user sees what ended the waiting.
                with suppress(Exception):
                    execution.cancel_execution(response.statement_id)
            raise
        return response

    def _answer(self, response: StatementResponse) -> Answer:
        manifest = response.manifest
        columns = manifest.schema.columns if manifest is not None and manifest.schema is not None else None
        if manifest is None or columns is None:
            return Answer((), [])
        readers = [_reader(column) for column in columns]
        chunks = (self._chunk(response, number) for number in range(manifest.total_chunk_count or 0))
        rows = [
            tuple(None if value is None else reader(value) for reader, value in zip(readers, values, strict=True))
            for chunk in chunks
            for values in chunk
        ]
        return Answer(tuple(str(column.name) for column in columns), rows)

    def _chunk(self, response: StatementResponse, number: int) -> list[list[str | None]]:
        """Returns the values of one chunk; the first came with the answer."""
        data = response.result
        if number > 0 or data is None:
            data = self._fetch(response, number)
        if data.external_links:
            return self._linked(response, number, data.external_links[0])
        return cast("list[list[str | None]]", data.data_array or [])

    def _fetch(self, response: StatementResponse, number: int) -> ResultData:
        execution = self.workspace.client().statement_execution
        return execution.get_statement_result_chunk_n(str(response.statement_id), number)

    def _linked(self, response: StatementResponse, number: int, link: ExternalLink) -> list[list[str | None]]:
        """Fetches a chunk from the storage that a link leads to; an expired link is requested again."""
        import http.client
        import urllib.error
        import urllib.request

        for is_last in attempts(3, pause_seconds=0.2, sleep=self.sleep):
            try:
                # Without the workspace's token: the link carries its own permission, and storage refuses a second one.
                with urllib.request.urlopen(str(link.external_link), timeout=_LINK_TIMEOUT_SECONDS) as answer:
                    return cast("list[list[str | None]]", json.load(answer))
            except (OSError, ValueError, http.client.HTTPException) as error:
                if is_last:
                    reason = f"HTTP {error.code}" if isinstance(error, urllib.error.HTTPError) else type(error).__name__
                    raise OperationFailed(
                        f"A chunk of a result could not be fetched from cloud storage ({reason})."
                    ) from None
            links = self._fetch(response, number).external_links
            link = links[0] if links else link
        raise AssertionError("unreachable")


def _state(response: StatementResponse) -> str:
    status = response.status
    return status.state.value if status is not None and status.state is not None else "UNKNOWN"


def _message(response: StatementResponse) -> str:
    error = response.status.error if response.status is not None else None
    text = error.message if error is not None and error.message else f"it ended as {_state(response)}"
    return foreign_message(text, 500)


def _timestamp(text: str) -> datetime:
    found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return found if found.tzinfo is not None else found.replace(tzinfo=timezone.utc)


def _reader(column: ColumnInfo) -> Callable[[str], Any]:
    kind = column.type_name.value if column.type_name else "STRING"
    return partial(_nested, str(column.type_text)) if kind in _NESTED else _READERS.get(kind, str)


def _nested(kind: str, text: str) -> object:
    """Reads the value of an ARRAY, MAP or STRUCT; one that is no JSON stays text."""
    try:
        return _typed(json.loads(text), kind)
    except (ValueError, ArithmeticError):
        return text


def _typed(value: object, kind: str) -> object:
    """Gives a part of a nested value its type, as SQL writes it: `ARRAY<STRUCT<a: INT, b: STRING>>`.

    In the JSON that a warehouse answers, numbers are texts too (genezhang/clickgraph pull request 392).
    """
    name, _, inside = kind.strip().removesuffix(">").partition("<")
    if isinstance(value, list):
        return [_typed(item, inside) for item in value]
    if isinstance(value, dict):
        parts = _split(inside)
        if name.upper() == "MAP":
            return {key: _typed(item, parts[-1]) for key, item in value.items()}
        kinds = {part.partition(":")[0].strip(" `").casefold(): part.partition(":")[2] for part in parts}
        return {key: _typed(item, kinds.get(key.casefold(), "")) for key, item in value.items()}
    bare = name.partition("(")[0].partition(" ")[0].upper()  # DECIMAL(10,2), INT NOT NULL
    reader = _READERS.get(_SHORT.get(bare, bare), str)
    return reader(value) if isinstance(value, str) else value


def _split(kinds: str) -> list[str]:
    """Splits the parts of a type at the commas that are in none of them."""
    parts, depth = [""], 0
    for character in kinds:
        depth += (character in "<(") - (character in ">)")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts


_NESTED = ("ARRAY", "MAP", "STRUCT")
_SHORT = {"BIGINT": "LONG", "SMALLINT": "SHORT", "TINYINT": "BYTE"}
"""What the API calls types that have another name in SQL."""

_READERS: dict[str, Callable[[str], Any]] = {
    **dict.fromkeys(("INT", "LONG", "SHORT", "BYTE"), int),
    **dict.fromkeys(("DOUBLE", "FLOAT"), float),
    "DECIMAL": Decimal,
    "BOOLEAN": lambda text: text.lower() == "true",
    "TIMESTAMP": _timestamp,
}
