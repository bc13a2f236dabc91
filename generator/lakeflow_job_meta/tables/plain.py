"""Rows with columns of the user's own, in plain values. Pure."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import cast

from lakeflow_job_meta._internal.hashing import content_digest
from lakeflow_job_meta._internal.trees import Value


@dataclass(frozen=True, slots=True)
class WholeTable:
    """All rows of a table or query, in the order of its columns.

    Attributes:
        version: Of a Delta table; None where there is no such number, as of a view.
    """

    columns: tuple[str, ...]
    rows: list[tuple[Value, ...]]
    version: int | None = None

    @classmethod
    def of_values(
        cls, columns: Sequence[str], rows: Iterable[Sequence[object]], version: int | None = None
    ) -> WholeTable:
        # Most rows hold nothing else than plain values, which is seen faster than each is turned into itself.
        plain = [
            cast("tuple[Value, ...]", tuple(row)) if _PLAIN.issuperset(map(type, row)) else tuple(map(plain_value, row))
            for row in rows
        ]
        return cls(tuple(columns), plain, version)

    @property
    def fingerprint(self) -> str:
        """What differs whenever the rows do, whatever order they come in."""
        pieces = (repr(row).encode("utf-8", "surrogatepass") for row in self.rows)
        return content_digest(repr(self.columns).encode(), *sorted(pieces)).hex()


_PLAIN = frozenset({type(None), str, bool, int, float})


def plain_value(value: object) -> Value:
    """Returns the value of a column as metadata has values: moments as ISO text, decimals as numbers.

    Bytes become base64, as a warehouse sends them.
    """
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, datetime):
        return (value.astimezone(timezone.utc) if value.tzinfo is not None else value).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, Mapping):
        return {str(key): plain_value(item) for key, item in value.items()}
    if isinstance(value, list):
        if value and all(isinstance(item, tuple) for item in value):  # a map, as Arrow gives it
            return {str(key): plain_value(item) for key, item in value}
        return [plain_value(item) for item in value]
    return b64encode(value).decode() if isinstance(value, (bytes, bytearray)) else str(value)
