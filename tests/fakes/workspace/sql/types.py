"""The SQL types the fake knows, and what each is called in the API, in Delta and in Arrow.

A type is one row of `PRIMITIVES`. Nested types (ARRAY, MAP) can be created and read where their values are
strings; everything else is refused with `UnsupportedSqlError`.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from datetime import date, datetime, timezone
from typing import Any

from arro3.core import DataType as ArrowType
from arro3.core import Field as ArrowField
from deltalake.schema import ArrayType, Field, MapType, PrimitiveType, StructType, VariantType
from sqlglot import exp

from .errors import UnsupportedSqlError

DeltaType = PrimitiveType | ArrayType | MapType | StructType | VariantType


@dataclass(frozen=True, slots=True)
class SqlType:
    """One type.

    Attributes:
        text: As SQL writes it, e.g. `BIGINT` (`type_text` of the API).
        name: As the API names it, e.g. `LONG` (`type_name`).
        kind: What may be compared with what: `string`, `number`, `fraction`, `boolean`, `timestamp`, `date`;
            `nested` with nothing.
        delta: As the Delta log names it; empty for nested types.
        arrow: As DataFusion's `arrow_cast` names it; empty for nested types.
    """

    text: str
    name: str
    kind: str
    delta: str = ""
    arrow: str = ""


STRING = SqlType("STRING", "STRING", "string", "string", "Utf8")
BOOLEAN = SqlType("BOOLEAN", "BOOLEAN", "boolean", "boolean", "Boolean")
INT = SqlType("INT", "INT", "number", "integer", "Int32")
BIGINT = SqlType("BIGINT", "LONG", "number", "long", "Int64")
DOUBLE = SqlType("DOUBLE", "DOUBLE", "fraction", "double", "Float64")
DATE = SqlType("DATE", "DATE", "date", "date", "Date32")
TIMESTAMP = SqlType("TIMESTAMP", "TIMESTAMP", "timestamp", "timestamp", 'Timestamp(Microsecond, Some("UTC"))')
MAP_OF_STRINGS = SqlType("MAP<STRING,STRING>", "MAP", "nested")
ARRAY_OF_STRINGS = SqlType("ARRAY<STRING>", "ARRAY", "nested")
PRIMITIVES = (
    STRING,
    BOOLEAN,
    SqlType("TINYINT", "BYTE", "number", "byte", "Int8"),
    SqlType("SMALLINT", "SHORT", "number", "short", "Int16"),
    INT,
    BIGINT,
    SqlType("FLOAT", "FLOAT", "fraction", "float", "Float32"),
    DOUBLE,
    DATE,
    TIMESTAMP,
    SqlType("BINARY", "BINARY", "binary", "binary", "Binary"),
    SqlType("TIMESTAMP_NTZ", "TIMESTAMP_NTZ", "local time", "timestamp_ntz", "Timestamp(Microsecond, None)"),
)

_BY_TEXT = {row.text: row for row in PRIMITIVES} | {"LONG": BIGINT, "INTEGER": INT, "BYTE": PRIMITIVES[2]}
_BY_DELTA = {row.delta: row for row in PRIMITIVES}
_BY_DTYPE = (
    {
        exp.DType.TEXT: STRING,
        exp.DType.TIMESTAMPTZ: TIMESTAMP,  # sqlglot's name for the TIMESTAMP of Databricks
        exp.DType.TIMESTAMPNTZ: PRIMITIVES[-1],
    }
    | {exp.DType[row.text]: row for row in PRIMITIVES[:-1] if row not in (STRING, TIMESTAMP)}
)
_MAP_OF_TEXTS = re.compile(r'"key": non-null Utf8(View)?, "value": (non-null )?Utf8(View)?\)')
_ARROW_CHECKS = (
    (ArrowType.is_boolean, BOOLEAN),
    (ArrowType.is_int8, PRIMITIVES[2]),
    (ArrowType.is_int16, PRIMITIVES[3]),
    (ArrowType.is_int32, INT),
    (ArrowType.is_int64, BIGINT),
    (ArrowType.is_float32, PRIMITIVES[6]),
    (ArrowType.is_float64, DOUBLE),
    (ArrowType.is_date32, DATE),
    (ArrowType.is_binary, PRIMITIVES[-2]),
    (ArrowType.is_large_binary, PRIMITIVES[-2]),
    (ArrowType.is_binary_view, PRIMITIVES[-2]),
)


def named(text: str) -> SqlType:
    """The primitive type of a name such as `bigint`, as parameters give it.

    Raises:
        UnsupportedSqlError: The fake does not know the type.
    """
    if found := _BY_TEXT.get(text.upper()):
        return found
    raise UnsupportedSqlError(f"the type {text}")


def of_sql(node: exp.DataType) -> SqlType:
    """The primitive type that a parsed type means.

    Raises:
        UnsupportedSqlError: It is nested, or not known to the fake.
    """
    found = _BY_DTYPE.get(node.this)
    if found is None or node.expressions:
        raise UnsupportedSqlError(f"the type {node.sql(dialect='databricks')} here")
    return found


def of_delta(delta_type: DeltaType) -> SqlType:
    """The SQL type of a column of a Delta schema.

    Raises:
        UnsupportedSqlError: A primitive type that the fake does not know.
    """
    if not isinstance(delta_type, PrimitiveType):
        text = describe(delta_type).upper()
        return SqlType(text, text.partition("<")[0], "nested")
    if found := _BY_DELTA.get(delta_type.type):
        return found
    if delta_type.type.startswith("decimal"):
        return SqlType(delta_type.type.upper(), "DECIMAL", "decimal")
    raise UnsupportedSqlError(f"the Delta type {delta_type.type}")


def of_arrow(arrow_type: ArrowType) -> SqlType:
    """The SQL type of a column of a result.

    Raises:
        UnsupportedSqlError: An Arrow type for which the fake has none.
    """
    for is_of, sql_type in _ARROW_CHECKS:
        if is_of(arrow_type):
            return sql_type
    if _is_text(arrow_type):
        return STRING
    if ArrowType.is_timestamp(arrow_type):
        return TIMESTAMP if arrow_type.tz else PRIMITIVES[-1]
    if decimal := re.search(r"Decimal128\((\d+), ?(\d+)\)", str(arrow_type)):
        return SqlType(f"DECIMAL({decimal[1]},{decimal[2]})", "DECIMAL", "decimal")
    if nested := _nested(arrow_type):
        return SqlType(nested, nested.partition("<")[0], "nested")
    raise UnsupportedSqlError(f"a result of the Arrow type {arrow_type}")


def _nested(arrow_type: ArrowType) -> str | None:
    """A nested type as SQL writes it."""
    if ArrowType.is_list(arrow_type) and arrow_type.value_type:
        return f"ARRAY<{of_arrow(arrow_type.value_type).text}>"
    if ArrowType.is_struct(arrow_type):
        return f"STRUCT<{', '.join(f'{field.name}: {of_arrow(field.type).text}' for field in arrow_type.fields)}>"
    if ArrowType.is_map(arrow_type) and _MAP_OF_TEXTS.search(str(arrow_type)):
        return MAP_OF_STRINGS.text
    return None


def _is_text(arrow_type: ArrowType) -> bool:
    checks = (ArrowType.is_string, ArrowType.is_string_view, ArrowType.is_large_string)
    return any(is_of(arrow_type) for is_of in checks)


def arrow_of(sql_type: SqlType) -> ArrowType:
    """The Arrow type in which values of a primitive type are handed to delta-rs."""
    if sql_type.kind == "timestamp":
        return ArrowType.timestamp("us", tz="UTC")
    names = {"Utf8": "string", "Boolean": "bool"}
    made = getattr(ArrowType, names.get(sql_type.arrow, sql_type.arrow.lower()))()
    assert isinstance(made, ArrowType)
    return made


def delta_of(node: exp.DataType) -> DeltaType:
    """The Delta type of a column definition, nested types included.

    Raises:
        UnsupportedSqlError: A part of it is not known to the fake.
    """
    if node.this == exp.DType.ARRAY:
        return ArrayType(delta_of(node.expressions[0]))
    if node.this == exp.DType.MAP:
        return MapType(*(delta_of(part) for part in node.expressions))
    if node.this == exp.DType.STRUCT:
        return StructType([Field(part.name, delta_of(part.args["kind"])) for part in node.expressions])
    return PrimitiveType(of_sql(node).delta)


def describe(delta_type: DeltaType) -> str:
    """A Delta type as DESCRIBE TABLE prints it, e.g. `map<string,bigint>`."""
    if isinstance(delta_type, ArrayType):
        return f"array<{describe(delta_type.element_type)}>"
    if isinstance(delta_type, MapType):
        return f"map<{describe(delta_type.key_type)},{describe(delta_type.value_type)}>"
    if isinstance(delta_type, StructType):
        return f"struct<{','.join(f'{field.name}:{describe(field.type)}' for field in delta_type.fields)}>"
    if isinstance(delta_type, VariantType):
        return "variant"
    known = _BY_DELTA.get(delta_type.type)
    return known.text.lower() if known else delta_type.type


def to_text(value: Any, sql_type: SqlType) -> str | None:
    """One value as the API sends it: always a string, NULL excepted."""
    if value is None:
        return None
    if sql_type.kind == "boolean":
        return "true" if value else "false"
    if isinstance(value, datetime):
        return timestamp_text(value) if value.tzinfo else value.isoformat(timespec="milliseconds")
    if isinstance(value, date):
        return value.isoformat()
    if sql_type.kind == "binary":
        return base64.b64encode(value).decode()
    if sql_type.kind == "nested":
        plain = dict(value) if sql_type.name == "MAP" else value  # Arrow gives a map as a list of pairs
        return json.dumps(_texts(plain), ensure_ascii=False, separators=(",", ":"))
    return str(value)


def _texts(value: Any) -> Any:
    """A nested value with its numbers as texts: so does the API send them (genezhang/clickgraph pull request 392)."""
    if isinstance(value, dict):
        return {key: _texts(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_texts(item) for item in value]
    return value if value is None else to_text(value, BOOLEAN if isinstance(value, bool) else STRING)


def timestamp_text(value: datetime) -> str:
    """A moment as the API sends it: UTC, milliseconds, `2024-01-01T00:00:00.000Z`."""
    return value.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def arrow_field(name: str, sql_type: SqlType) -> ArrowField:
    """A nullable Arrow field of a primitive type."""
    return ArrowField(name, arrow_of(sql_type), nullable=True)
