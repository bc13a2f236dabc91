"""What the tests of the fake workspace share: answers about statements with nothing in them absent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from databricks.sdk.service.files import DownloadResponse
from databricks.sdk.service.sql import ColumnInfo, ResultData, ResultManifest, StatementResponse

Value = str | tuple[str | None, str] | None
Row = list[str | None]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the SDK gives for a statement, with the parts that may be absent made empty."""

    id: str
    state: str
    error: str
    error_code: str
    sql_state: str | None
    manifest: ResultManifest
    result: ResultData
    has_result: bool

    @classmethod
    def of(cls, response: StatementResponse) -> Answer:
        status = response.status
        assert status is not None
        assert status.state is not None
        return cls(
            id=response.statement_id or "",
            state=status.state.value,
            error=(status.error.message if status.error else None) or "",
            error_code=status.error.error_code.value if status.error and status.error.error_code else "",
            sql_state=status.sql_state,
            manifest=response.manifest or ResultManifest(),
            result=response.result or ResultData(),
            has_result=response.manifest is not None,
        )

    @property
    def rows(self) -> list[Row]:
        return [list(row) for row in self.result.data_array or []]

    @property
    def columns(self) -> list[ColumnInfo]:
        return (self.manifest.schema.columns if self.manifest.schema else None) or []


RunSql = Callable[..., Answer]
Ask = Callable[[str], Answer]
Rows = Callable[..., list[Row]]
ErrorOf = Callable[..., str]


def contents_of(download: DownloadResponse) -> bytes:
    """The whole content of a download."""
    assert download.contents is not None
    return bytes(download.contents.read())
