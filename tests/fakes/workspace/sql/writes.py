"""INSERT, UPDATE and DELETE: each is one Delta commit, or none where no row changes, as on Databricks."""

from __future__ import annotations

from collections.abc import Sequence

from deltalake import QueryBuilder, write_deltalake
from sqlglot import exp

from . import errors
from .errors import UnsupportedSqlError, backquoted
from .expressions import Column, Relation, Session, Translator, cast, columns_of, only, quoted
from .results import Result
from .tables import Tables, name_of, names_in_sight


def insert(node: exp.Insert, tables: Tables, session: Session, defaults: Sequence[str]) -> Result:
    """INSERT INTO ... VALUES.

    Without a list of columns there must be a value for each column of the table (Databricks fills nothing
    in); with one, the columns left out are NULL.

    Raises:
        SqlError: The number of values is wrong, one does not fit its column, or a NOT NULL column has none.
        UnsupportedSqlError: The rows come from a query, or replace others.
    """
    only(node, "this", "expression")
    if not isinstance(node.expression, exp.Values):
        raise UnsupportedSqlError(node.sql(dialect="databricks"))
    only(node.expression, "expressions")
    listed = node.this if isinstance(node.this, exp.Schema) else None
    name = name_of(listed.this if listed else node.this, defaults)
    table = tables.open(name, "MODIFY")
    columns = columns_of(table.schema())
    target = Relation.of("", [], columns)
    rows = [row.expressions if isinstance(row, exp.Tuple) else [row] for row in node.expression.expressions]
    given = [target.column(item.name) for item in listed.expressions] if listed else columns
    _check_arity(str(name), given, rows, listed=listed is not None)
    translator = Translator([], session)
    selects = [_row(given, row, translator) for row in rows]
    data = QueryBuilder().execute(" UNION ALL ".join(selects)).read_all()
    write_deltalake(table, data, mode="append", schema_mode="merge", commit_properties=tables.signed())
    return Result.of_counts(num_affected_rows=len(rows), num_inserted_rows=len(rows))


def _check_arity(table: str, given: Sequence[Column], rows: Sequence[Sequence[exp.Expr]], listed: bool) -> None:
    if len({column.name for column in given}) < len(given):
        raise errors.column_exists(", ".join(backquoted(column.name) for column in given))
    for row in rows:
        if len(row) < len(given) and not listed:
            raise errors.not_enough_values(table, len(given), len(row))
        if len(row) != len(given):
            reason = "NOT_ENOUGH_DATA_COLUMNS" if len(row) < len(given) else "TOO_MANY_DATA_COLUMNS"
            raise errors.insert_arity(table, reason, [column.name for column in given], len(row))


def _row(given: Sequence[Column], values: Sequence[exp.Expr], translator: Translator) -> str:
    """A row of VALUES as a SELECT; columns that it leaves out are NULL in the table.

    So are those of a nested type, which has no other literal here: they are left out of the SELECT too.
    """
    items = []
    for column, value in zip(given, values, strict=True):
        text = cast(translator.translate(value), column.type).text
        if column.type.arrow:
            items.append(f"{text} AS {quoted(column.name)}")
    return f"SELECT {', '.join(items)}"


def update(node: exp.Update, tables: Tables, session: Session, defaults: Sequence[str]) -> Result:
    """UPDATE ... SET ... WHERE.

    Raises:
        SqlError: There is no such table or column, or a value does not fit.
    """
    only(node, "this", "expressions", "where")
    if not node.expressions:
        raise errors.syntax_error("end of input")
    name = name_of(node.this, defaults, "alias")
    table = tables.open(name, "MODIFY")
    relation = Relation.of("", names_in_sight(node.this, name), columns_of(table.schema()))
    translator = Translator([relation], session)
    metrics = table.update(
        updates=assignments(node.expressions, relation, translator),
        predicate=_where(node, translator),
        commit_properties=tables.signed(),
    )
    return Result.of_counts(num_affected_rows=metrics["num_updated_rows"])


def assignments(nodes: Sequence[exp.Expr], target: Relation, translator: Translator) -> dict[str, str]:
    """What SET says: the value for each column, as the column's type.

    Raises:
        SqlError: The table has no such column, or one is set twice.
    """
    made: dict[str, str] = {}
    for node in nodes:
        if not isinstance(node, exp.EQ) or not isinstance(node.this, exp.Column):
            raise UnsupportedSqlError(node.sql(dialect="databricks"))
        if node.this.table and node.this.table.lower() not in target.names:
            raise errors.column_not_found(node.this.sql(dialect="databricks"), target.columns)
        column = target.column(node.this.name)
        if quoted(column.name) in made:
            raise errors.column_exists(backquoted(column.name))
        made[quoted(column.name)] = cast(translator.translate(node.expression), column.type).text
    return made


def delete(node: exp.Delete, tables: Tables, session: Session, defaults: Sequence[str]) -> Result:
    """DELETE FROM ... WHERE.

    Raises:
        SqlError: There is no such table or column.
    """
    only(node, "this", "where")
    name = name_of(node.this, defaults, "alias")
    table = tables.open(name, "MODIFY")
    relation = Relation.of("", names_in_sight(node.this, name), columns_of(table.schema()))
    metrics = table.delete(_where(node, Translator([relation], session)), commit_properties=tables.signed())
    return Result.of_counts(num_affected_rows=metrics["num_deleted_rows"])


def _where(node: exp.Expr, translator: Translator) -> str:
    where = node.args.get("where")
    return translator.condition(where.this) if where else "true"
