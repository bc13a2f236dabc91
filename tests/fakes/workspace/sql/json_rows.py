"""`inline(from_json(text, 'ARRAY<STRUCT<...>>'))`: a JSON text as the rows of a MERGE's source.

It converts as Spark does in its PERMISSIVE mode, which is silent about mistakes: text that is no JSON gives
no rows, a value of the wrong type gives NULL, a key that the schema lacks is dropped, one that is missing is
NULL, and a number in a STRING field keeps its spelling.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta, timezone
from typing import Any

from arro3.core import Array, DataType, Table
from arro3.core import Schema as ArrowSchema
from sqlglot import exp
from sqlglot.errors import SqlglotError

from . import types
from .errors import UnsupportedSqlError
from .expressions import Column
from .types import SqlType

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_INTEGER_BITS = {"TINYINT": 8, "SMALLINT": 16, "INT": 32, "BIGINT": 64}


class _Number(str):
    """A JSON number as it was written."""

    __slots__ = ()


def columns(schema_text: str) -> list[Column]:
    """The columns that a schema such as `ARRAY<STRUCT<a: STRING>>` describes.

    Raises:
        UnsupportedSqlError: The schema is of another form, or has a type the fake does not know.
    """
    try:
        schema = exp.DataType.build(schema_text, dialect="databricks")
    except SqlglotError as error:
        raise UnsupportedSqlError(f"the schema of from_json: {schema_text}") from error
    element = schema.expressions[0] if schema.this == exp.DType.ARRAY and schema.expressions else None
    if element is None or element.this != exp.DType.STRUCT:
        raise UnsupportedSqlError(f"from_json with a schema that is not ARRAY<STRUCT<...>>: {schema_text}")
    return [Column(field.name, types.of_sql(field.args["kind"])) for field in element.expressions]


def table(text: str | None, fields: Sequence[Column]) -> Table:
    """The rows of a JSON text, as the Arrow table that delta-rs merges from.

    Raises:
        UnsupportedSqlError: A value of which Spark's reading is not known here.
    """
    rows = [_row(item, fields) for item in _items(text)]
    arrays = [_array([row[index] for row in rows], field.type) for index, field in enumerate(fields)]
    schema = ArrowSchema([types.arrow_field(field.name, field.type) for field in fields])
    return Table.from_arrays(arrays, schema=schema)


def _items(text: str | None) -> list[Any]:
    try:
        parsed = json.loads(text or "null", parse_int=_Number, parse_float=_Number, parse_constant=_Number)
    except ValueError:
        return []
    if isinstance(parsed, dict):
        return [parsed]
    return parsed if isinstance(parsed, list) else []


def _row(item: Any, fields: Sequence[Column]) -> list[Any]:
    if item is None:
        return [None] * len(fields)
    if not isinstance(item, dict):
        raise UnsupportedSqlError(f"from_json of an array with {json.dumps(item)} in it")
    return [_value(item.get(field.name), field.type) for field in fields]


def _value(value: Any, sql_type: SqlType) -> Any:
    return None if value is None else _READERS[sql_type.kind](value, sql_type)


def _string(value: Any, _: SqlType) -> str:
    return str(value) if isinstance(value, str) else _json_text(value)


def _json_text(value: Any) -> str:
    return json.dumps(_plain(value), ensure_ascii=False, separators=(",", ":"))


def _plain(value: Any) -> Any:
    """The value with its numbers as numbers again, so that they are written as they were read."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, _Number):
        if str(int(value) if value.lstrip("-").isdigit() else "") != value:
            raise UnsupportedSqlError(f"from_json of {value} inside a STRING field")
        return int(value)
    return value


def _integer(value: Any, sql_type: SqlType) -> int | None:
    if not isinstance(value, _Number) or not value.lstrip("-").isdigit():
        return None
    bits = _INTEGER_BITS[sql_type.text]
    return int(value) if -(2 ** (bits - 1)) <= int(value) < 2 ** (bits - 1) else None


def _fraction(value: Any, _: SqlType) -> float | None:
    return float(value) if isinstance(value, _Number) else None


def _boolean(value: Any, _: SqlType) -> bool | None:
    return value if isinstance(value, bool) else None


def _timestamp(value: Any, _: SqlType) -> int | None:
    """Microseconds since 1970 of an ISO text; one without a zone is UTC, as on a SQL warehouse."""
    if not isinstance(value, str) or isinstance(value, _Number):
        raise UnsupportedSqlError(f"from_json of {value!r} as TIMESTAMP")
    try:
        moment = datetime.fromisoformat(value.replace("Z", "+00:00"))
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _date(value: Any, _: SqlType) -> int | None:
    try:
        return date.fromisoformat(str(value)).toordinal() - _EPOCH.toordinal()
    except ValueError:
        return None


_READERS: dict[str, Callable[[Any, SqlType], Any]] = {
    "string": _string,
    "number": _integer,
    "fraction": _fraction,
    "boolean": _boolean,
    "timestamp": _timestamp,
    "date": _date,
}


def _array(values: list[Any], sql_type: SqlType) -> Array:
    if sql_type.kind == "timestamp":
        return Array(values, DataType.int64()).cast(types.arrow_of(sql_type))
    if sql_type.kind == "date":
        return Array(values, DataType.int32()).cast(types.arrow_of(sql_type))
    return Array(values, types.arrow_of(sql_type))
