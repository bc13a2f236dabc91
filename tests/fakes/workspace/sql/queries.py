"""SELECT, from one table (at any of its versions) or from none.

The statement is checked part by part and rewritten for DataFusion, which does the work on the Delta table.
"""

from __future__ import annotations

from collections.abc import Sequence

from arro3.core import Table
from deltalake import DeltaTable, QueryBuilder
from sqlglot import exp

from . import types
from .errors import UnsupportedSqlError, syntax_error
from .expressions import Column, Relation, Session, Translator, Typed, cast_always, columns_of, integer, only, quoted
from .results import Result
from .tables import Tables, name_of, names_in_sight

_AGGREGATES = (exp.Count, exp.Max, exp.Min)
_TABLE = "source_table"


def select(node: exp.Select, tables: Tables, session: Session, defaults: Sequence[str]) -> Result:
    """Runs a SELECT.

    Raises:
        SqlError: It names a table, a version or a column that does not exist.
        UnsupportedSqlError: It has more in it than one table, a condition, an order and a limit.
    """
    return Result.of_arrow(rows_of(node, tables, session, defaults))


def rows_of(node: exp.Select, tables: Tables, session: Session, defaults: Sequence[str]) -> Table:
    """What a SELECT gives, as Arrow has it; raises like `select`."""
    builder = QueryBuilder()
    return builder.execute(_text_of(node, builder, tables, session, defaults)[0]).read_all()


def _text_of(
    node: exp.Select, builder: QueryBuilder, tables: Tables, session: Session, defaults: Sequence[str]
) -> tuple[str, list[Column]]:
    """A SELECT as DataFusion takes it, its table given to `builder`; and the columns that it gives."""
    only(node, "expressions", "from_", "where", "group", "order", "limit", "distinct")
    if not node.expressions:
        raise syntax_error("end of input")
    relations, text = [], ""
    if source := node.args.get("from_"):
        if isinstance(source.this, exp.Subquery):
            inner, columns = _text_of(source.this.this, builder, tables, session, defaults)
            relations, text = [Relation.of("", [source.this.alias], columns)], f"({inner}) AS {_TABLE}"
        else:
            table, names = _source(source.this, tables, defaults)
            builder.register(_TABLE, table)
            relations, text = [Relation.of("", names, columns_of(table.schema()))], _TABLE
    return _rewritten(node, Translator(relations, session), relations, text)


def _source(node: exp.Expr, tables: Tables, defaults: Sequence[str]) -> tuple[DeltaTable, list[str]]:
    name = name_of(node, defaults, "alias", "version")
    names = names_in_sight(node, name)
    return tables.open(name, "SELECT", _version(node)), names


def _version(node: exp.Expr) -> int | None:
    version = node.args.get("version")
    if version is None:
        return None
    if version.name.upper() != "VERSION":
        raise UnsupportedSqlError(f"time travel by {version.sql(dialect='databricks')}")
    return integer(version.expression)


def _rewritten(
    node: exp.Select, translator: Translator, relations: Sequence[Relation], source: str
) -> tuple[str, list[Column]]:
    for part in ("from_", "where", "order", "distinct"):
        only(node.args.get(part) or exp.Null(), "this", "expressions" if part == "order" else "this")
    outputs = [output for item in node.expressions for output in _outputs(item, translator, relations)]
    parts = [
        "SELECT DISTINCT" if node.args.get("distinct") else "SELECT",
        ", ".join(f"{value.text} AS {quoted(name)}" for value, name in outputs),
    ]
    if relations:
        parts.append(f"FROM {source}")
    if where := node.args.get("where"):
        parts.append(f"WHERE {translator.condition(where.this)}")
    if group := node.args.get("group"):
        only(group, "expressions")
        parts.append("GROUP BY " + ", ".join(translator.translate(item).text for item in group.expressions))
    if order := node.args.get("order"):
        names = {name.lower(): name for _, name in outputs}
        parts.append("ORDER BY " + ", ".join(_ordered(item, translator, names) for item in order.expressions))
    if limit := node.args.get("limit"):
        only(limit, "expression")
        parts.append(f"LIMIT {integer(limit.expression)}")
    return " ".join(parts), [Column(name, value.type or types.STRING) for value, name in outputs]


def _outputs(item: exp.Expr, translator: Translator, relations: Sequence[Relation]) -> list[tuple[Typed, str]]:
    """What one item of the list of a SELECT gives: value and name of each column."""
    if item.is_star:
        only(item, "this", "table")
        return [(Typed(quoted(column.name), column.type), column.name) for column in _all_columns(item, relations)]
    expression = item.this if isinstance(item, exp.Alias) else item
    name = item.alias if isinstance(item, exp.Alias) else _name(expression)
    return [(_value(expression, translator), name)]


def _all_columns(item: exp.Expr, relations: Sequence[Relation]) -> list[Column]:
    """The columns that `*` or `t.*` means."""
    table = item.table.lower() if isinstance(item, exp.Column) else ""
    if table and not any(table in relation.names for relation in relations):
        raise UnsupportedSqlError(item.sql(dialect="databricks"))
    return [column for relation in relations for column in relation.columns.values()]


def _value(node: exp.Expr, translator: Translator) -> Typed:
    if isinstance(node, exp.Count):
        only(node, "this", "big_int")
        counted = "*" if isinstance(node.this, exp.Star) else translator.translate(node.this).text
        return Typed(f"count({counted})", types.BIGINT)
    if isinstance(node, exp.Window):
        only(node, "this", "partition_by", "over")
        groups = ", ".join(translator.translate(each).text for each in node.args["partition_by"])
        value = _value(node.this, translator)
        return Typed(f"{value.text} OVER (PARTITION BY {groups})", value.type)
    if isinstance(node, _AGGREGATES):
        only(node, "this")
        inner = translator.translate(node.this)
        return Typed(f"{node.sql_name().lower()}({inner.text})", inner.type)
    value = translator.translate(node)
    if isinstance(node, exp.Column):
        return value
    return cast_always(value.text, value.type or types.STRING)


def _name(node: exp.Expr) -> str:
    """What Databricks calls a column that has no alias."""
    if isinstance(node, exp.Column):
        return node.name
    if isinstance(node, exp.Count) and isinstance(node.this, exp.Star):
        return "count(1)"
    if isinstance(node, _AGGREGATES) and isinstance(node.this, exp.Column):
        return f"{node.sql_name().lower()}({node.this.name})"
    if isinstance(node, exp.Literal):
        return str(node.this)
    if isinstance(node, (exp.CurrentUser, exp.CurrentTimestamp)):
        return f"{node.sql_name().lower()}()"
    raise UnsupportedSqlError(f"an expression without an alias: {node.sql(dialect='databricks')}")


def _ordered(item: exp.Expr, translator: Translator, names: dict[str, str]) -> str:
    """One item of ORDER BY; where it does not say, Databricks puts NULL before all other values."""
    only(item, "this", "desc", "nulls_first")
    key = item.this
    if not isinstance(key, exp.Column):
        raise UnsupportedSqlError(f"ORDER BY {key.sql(dialect='databricks')}")
    known = names.get(key.name.lower()) if not key.table else None
    text = quoted(known) if known is not None else translator.translate(key).text
    direction = "DESC" if item.args.get("desc") else "ASC"
    return f"{text} {direction} NULLS {'FIRST' if item.args.get('nulls_first') else 'LAST'}"
