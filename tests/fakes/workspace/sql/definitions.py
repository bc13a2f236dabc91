"""CREATE TABLE, CREATE VIEW, ALTER TABLE ... ADD COLUMNS, DROP TABLE and DROP VIEW."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from deltalake import DeltaTable, Field, Schema
from sqlglot import exp

from . import errors, types
from .errors import UnsupportedSqlError, backquoted
from .expressions import Session, only
from .queries import rows_of
from .results import Result
from .tables import Tables, name_of

_INVALID_CHARACTERS = " ,;{}()\n\t="


def create(node: exp.Create, tables: Tables, session: Session, defaults: Sequence[str]) -> Result:
    """CREATE TABLE or CREATE VIEW; raises like what each of them is made by."""
    return (_create_view if node.kind == "VIEW" else _create_table)(node, tables, session, defaults)


def _create_view(node: exp.Create, tables: Tables, session: Session, defaults: Sequence[str]) -> Result:
    """CREATE [OR REPLACE] VIEW ... AS SELECT.

    Raises:
        SqlError: There is a table or view of this name.
        UnsupportedSqlError: It is made of something else than a SELECT, or has clauses.
    """
    only(node, "this", "kind", "expression", "replace")
    name = name_of(node.this, defaults)
    if not isinstance(node.expression, exp.Select):
        raise UnsupportedSqlError(node.sql(dialect="databricks"))
    if tables.exists(name) and not node.args.get("replace"):
        raise errors.table_exists(name.quoted)
    tables.views[name] = lambda: rows_of(node.expression, tables, session, defaults)
    return Result()


def _create_table(node: exp.Create, tables: Tables, _: Session, defaults: Sequence[str]) -> Result:
    """CREATE TABLE: a new Delta table at version 0.

    Raises:
        SqlError: The table is there already, or its schema is not, or a column comes twice.
        UnsupportedSqlError: A clause that the fake does not know (partitions, defaults, AS SELECT, ...).
    """
    only(node, "this", "kind", "exists", "properties")
    if node.kind != "TABLE" or not isinstance(node.this, exp.Schema):
        raise UnsupportedSqlError(node.sql(dialect="databricks"))
    name = name_of(node.this.this, defaults)
    fields = [_field(column) for column in node.this.expressions]
    _check_names(field.name for field in fields)
    if tables.exists(name):
        if node.args.get("exists"):
            return Result()
        raise errors.table_exists(name.quoted)
    description, configuration = _properties(node.args.get("properties"))
    DeltaTable.create(
        tables.prepare(name),
        Schema(fields),
        description=description,
        configuration=configuration,
        commit_properties=tables.signed(),
        raise_if_key_not_exists=False,
    )
    return Result()


def _field(node: exp.Expr) -> Field:
    if not isinstance(node, exp.ColumnDef):
        raise UnsupportedSqlError(node.sql(dialect="databricks"))
    only(node, "this", "kind", "constraints")
    constraints = [constraint.args["kind"] for constraint in node.args.get("constraints") or []]
    comment, nullable = None, True
    for constraint in constraints:
        if isinstance(constraint, exp.CommentColumnConstraint):
            comment = constraint.name
        elif isinstance(constraint, exp.NotNullColumnConstraint) and not constraint.args.get("allow_null"):
            nullable = False
        else:
            raise UnsupportedSqlError(node.sql(dialect="databricks"))
    metadata = None if comment is None else {"comment": comment}
    return Field(node.name, types.delta_of(node.args["kind"]), nullable=nullable, metadata=metadata)


def _check_names(names: Iterable[str]) -> None:
    """Names of columns are unique in any case of letters, and free of characters that Parquet dislikes."""
    seen = set()
    for name in names:
        if set(name) & set(_INVALID_CHARACTERS):
            raise errors.invalid_column_name(name, _INVALID_CHARACTERS)
        if name.lower() in seen:
            raise errors.column_exists(backquoted(name))
        seen.add(name.lower())


def _properties(node: exp.Expr | None) -> tuple[str | None, dict[str, str | None]]:
    """The comment and the table properties."""
    description, configuration = None, dict[str, str | None]()
    for item in node.expressions if node else []:
        if isinstance(item, exp.SchemaCommentProperty):
            description = item.this.name
        elif type(item) is exp.Property:
            key = item.this.name if isinstance(item.this, exp.Literal) else item.this.sql()
            configuration[key] = item.args["value"].name
        elif not (isinstance(item, exp.FileFormatProperty) and item.this.name.upper() == "DELTA"):
            raise UnsupportedSqlError(item.sql(dialect="databricks"))
    return description, configuration


def add_columns(node: exp.Alter, tables: Tables, defaults: Sequence[str]) -> Result:
    """ALTER TABLE ... ADD COLUMNS: one commit; rows that are there have NULL in the new columns.

    Raises:
        SqlError: There is no such table, or it has such a column.
        UnsupportedSqlError: Any other ALTER.
    """
    only(node, "this", "kind", "actions")
    table = tables.open(name_of(node.this, defaults), "MODIFY")
    fields = [_field(column) for action in node.args["actions"] for column in _added(action)]
    if any(not field.nullable for field in fields):
        raise UnsupportedSqlError("NOT NULL for a column added to a table")
    _check_names([field.name for field in (*table.schema().fields, *fields)])
    table.alter.add_columns(fields, commit_properties=tables.signed())
    return Result()


def _added(action: exp.Expr) -> list[exp.Expr]:
    if isinstance(action, exp.ColumnDef):
        only(action, "this", "kind", "constraints")
        return [action]
    if isinstance(action, exp.Schema) and action.this is None:
        return list(action.expressions)
    raise UnsupportedSqlError(f"ALTER TABLE ... {action.sql(dialect='databricks')}")


def drop(node: exp.Drop, tables: Tables, defaults: Sequence[str]) -> Result:
    """DROP TABLE or VIEW, with all its history: a table made again starts at version 0, with another id.

    Raises:
        SqlError: There is no such table.
        UnsupportedSqlError: Anything else is dropped.
    """
    only(node, "tables", "kind", "exists")
    if node.args["kind"] not in ("TABLE", "VIEW") or len(node.args["tables"]) != 1:
        raise UnsupportedSqlError(node.sql(dialect="databricks"))
    name = name_of(node.args["tables"][0], defaults)
    if tables.exists(name) or not node.args.get("exists"):
        if name not in tables.views:
            tables.open(name, "MANAGE")
        tables.drop(name)
    return Result()
