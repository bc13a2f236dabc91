"""Expressions of Databricks SQL, rewritten for DataFusion, the engine inside delta-rs.

Comes in: a parsed expression and the tables it may name. Goes out: DataFusion text with every name resolved
and quoted, every operator in parentheses (its parser has other precedences), and the type. Where the two
engines would differ (comparing a string with a number, casting a timestamp to a string) it refuses instead.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from deltalake import Schema
from sqlglot import exp

from . import errors, types
from .errors import UnsupportedSqlError, backquoted
from .types import SqlType


@dataclass(frozen=True, slots=True)
class Session:
    """What an expression may ask about the statement it is in: who runs it, and since when."""

    user: str
    started_at: datetime


@dataclass(frozen=True, slots=True)
class Column:
    """A column under the name that the table gives it."""

    name: str
    type: SqlType


@dataclass(frozen=True, slots=True)
class Relation:
    """A table in sight of an expression.

    Attributes:
        prefix: How the rewritten text refers to it (`t.`), or nothing where it is the only one.
        names: The names under which the statement may refer to it, in lower case.
        columns: Its columns by their names in lower case: names of columns do not depend on case.
    """

    prefix: str
    names: frozenset[str]
    columns: Mapping[str, Column]

    @classmethod
    def of(cls, prefix: str, names: Iterable[str], columns: Iterable[Column]) -> Relation:
        """A table from its names and columns as written."""
        by_name = {column.name.lower(): column for column in columns}
        return cls(prefix, frozenset(name.lower() for name in names), by_name)

    def column(self, name: str) -> Column:
        """The column of this name, in any case.

        Raises:
            SqlError: There is none.
        """
        if found := self.columns.get(name.lower()):
            return found
        raise errors.column_not_found(backquoted(name), (column.name for column in self.columns.values()))


@dataclass(frozen=True, slots=True)
class Typed:
    """A rewritten expression; the type is None for a bare NULL."""

    text: str
    type: SqlType | None


def quoted(name: str) -> str:
    """A name as DataFusion quotes it."""
    return '"' + name.replace('"', '""') + '"'


def string_literal(text: str) -> str:
    """A string as DataFusion writes it: only the quote is special."""
    return "'" + text.replace("'", "''") + "'"


def columns_of(schema: Schema) -> list[Column]:
    """The columns of a Delta table."""
    return [Column(field.name, types.of_delta(field.type)) for field in schema.fields]


def only(node: exp.Expr, *allowed: str) -> None:
    """Refuses a node that has any part beyond the ones its caller handles.

    Raises:
        UnsupportedSqlError: Names the part, so that nothing written in a statement is skipped in silence.
    """
    extra = [key for key, value in node.args.items() if key not in allowed and value not in (None, False, [], "")]
    if extra:
        raise UnsupportedSqlError(f"{', '.join(extra)} in: {node.sql(dialect='databricks')}")


def cast(value: Typed, target: SqlType) -> Typed:
    """The value as the type of a column (or of a CAST), as an assignment in Databricks converts it.

    Raises:
        UnsupportedSqlError: A conversion for which the two engines might differ.
    """
    if value.type == target:
        return value
    if value.type is None and not target.arrow:
        return Typed("NULL", target)
    source = value.type.kind if value.type else "null"
    safe = source in ("null", target.kind, "string") or (source, target.kind) in _SAFE_CASTS
    if not target.arrow or not safe:
        raise UnsupportedSqlError(f"{value.type.text if value.type else 'NULL'} as {target.text}")
    return Typed(f"arrow_cast({value.text}, {string_literal(target.arrow)})", target)


_SAFE_CASTS = frozenset({("number", "string"), ("boolean", "string"), ("number", "fraction")})


def integer(node: exp.Expr) -> int:
    """The whole number of LIMIT or VERSION AS OF, which a parameter may have given.

    Raises:
        UnsupportedSqlError: It is anything else.
    """
    literal = node.this if isinstance(node, exp.Cast) else node
    if not literal.is_int:
        raise UnsupportedSqlError(f"{node.sql(dialect='databricks')} where a number is expected")
    return int(literal.this)


class Translator:
    """Rewrites the expressions of one statement (or of one clause of it)."""

    def __init__(self, relations: Sequence[Relation], session: Session) -> None:
        """Makes a translator for expressions that see these tables."""
        self._relations = relations
        self._session = session

    def translate(self, node: exp.Expr) -> Typed:
        """The expression for DataFusion.

        Raises:
            SqlError: It names what does not exist.
            UnsupportedSqlError: It is beyond this fake.
        """
        for node_type, translate in _TRANSLATORS.items():
            if type(node) is node_type:
                return translate(self, node)
        raise UnsupportedSqlError(f"{type(node).__name__} in: {node.sql(dialect='databricks')}")

    def condition(self, node: exp.Expr) -> str:
        """The text of an expression that must be a condition.

        Raises:
            UnsupportedSqlError: It is of another type than BOOLEAN.
        """
        return self._boolean(node).text

    def _boolean(self, node: exp.Expr) -> Typed:
        value = self.translate(node)
        if value.type not in (types.BOOLEAN, None):
            raise UnsupportedSqlError(f"a {value.type.text if value.type else ''} as a condition: {node.sql()}")
        return cast(value, types.BOOLEAN)

    def _column(self, node: exp.Column) -> Typed:
        only(node, "this", "table")
        found = [
            (relation, relation.columns[node.name.lower()])
            for relation in self._relations
            if (not node.table or node.table.lower() in relation.names) and node.name.lower() in relation.columns
        ]
        if not found:
            raise self._not_found(node)
        if len(found) > 1:
            raise errors.ambiguous_column(backquoted(node.name), [backquoted(column.name) for _, column in found])
        relation, column = found[0]
        return Typed(relation.prefix + quoted(column.name), column.type)

    def _not_found(self, node: exp.Column) -> errors.SqlError:
        name = backquoted(*(part.name for part in node.parts))
        known = [column.name for relation in self._relations for column in relation.columns.values()]
        return errors.column_not_found(name, known)

    def _literal(self, node: exp.Literal) -> Typed:
        if node.is_string:
            return Typed(string_literal(node.this), types.STRING)
        if not node.is_int:
            raise UnsupportedSqlError(f"the number {node.this}")
        number = int(node.this)
        return Typed(str(number), types.INT if number < 2**31 else types.BIGINT)

    def _constant(self, node: exp.Boolean | exp.Null) -> Typed:
        if isinstance(node, exp.Null):
            return Typed("NULL", None)
        return Typed("true" if node.this else "false", types.BOOLEAN)

    def _paren(self, node: exp.Paren) -> Typed:
        return self.translate(node.this)

    def _logic(self, node: exp.And | exp.Or) -> Typed:
        operator = "AND" if isinstance(node, exp.And) else "OR"
        return Typed(f"({self.condition(node.this)} {operator} {self.condition(node.expression)})", types.BOOLEAN)

    def _not(self, node: exp.Not) -> Typed:
        return Typed(f"(NOT {self.condition(node.this)})", types.BOOLEAN)

    def _comparison(self, node: exp.Binary) -> Typed:
        left, right = self._alike(self.translate(node.this), self.translate(node.expression))
        return Typed(f"({left.text} {_COMPARISONS[type(node)]} {right.text})", types.BOOLEAN)

    def _alike(self, left: Typed, right: Typed) -> tuple[Typed, Typed]:
        """Both sides as one type, or a refusal: Databricks casts to the number, DataFusion to the string."""
        if left.type is None or right.type is None or left.type.kind == right.type.kind:
            return left, right
        if left.type.kind in ("timestamp", "date") and right.type.kind == "string":
            return left, cast(right, left.type)
        if right.type.kind in ("timestamp", "date") and left.type.kind == "string":
            return cast(left, right.type), right
        raise UnsupportedSqlError(f"{left.type.text} together with {right.type.text}")

    def _is(self, node: exp.Is) -> Typed:
        if not isinstance(node.expression, (exp.Null, exp.Boolean)):
            raise UnsupportedSqlError(node.sql(dialect="databricks"))
        return Typed(f"({self.translate(node.this).text} IS {node.expression.sql().upper()})", types.BOOLEAN)

    def _in(self, node: exp.In) -> Typed:
        only(node, "this", "expressions")
        value = self.translate(node.this)
        members = [self._alike(value, self.translate(member))[1].text for member in node.expressions]
        return Typed(f"({value.text} IN ({', '.join(members)}))", types.BOOLEAN)

    def _array_contains(self, node: exp.ArrayContains) -> Typed:
        """`array_contains(from_json('[...]', 'ARRAY<STRING>'), value)`."""
        only(node, "this", "expression")
        listed, value = node.this, self.translate(node.expression)
        if not isinstance(listed, exp.FromJson) or listed.expression.name.upper() != "ARRAY<STRING>":
            raise UnsupportedSqlError(node.sql(dialect="databricks"))
        members = ", ".join(string_literal(each) for each in json.loads(listed.this.name))
        return Typed(f"({value.text} IN ({members}))", types.BOOLEAN)

    def _arithmetic(self, node: exp.Binary) -> Typed:
        left, right = self.translate(node.this), self.translate(node.expression)
        for side in (left, right):
            if side.type is None or side.type.kind != "number":
                raise UnsupportedSqlError(f"arithmetic in: {node.sql(dialect='databricks')}")
        wider = types.BIGINT if types.BIGINT in (left.type, right.type) else types.INT
        return cast_always(f"({left.text} {_ARITHMETIC[type(node)]} {right.text})", wider)

    def _negative(self, node: exp.Neg) -> Typed:
        value = self.translate(node.this)
        if value.type is None or value.type.kind != "number":
            raise UnsupportedSqlError(node.sql(dialect="databricks"))
        return Typed(f"(-{value.text})", value.type)

    def _coalesce(self, node: exp.Coalesce) -> Typed:
        only(node, "this", "expressions")
        values, common = self._branches([node.this, *node.expressions])
        return Typed(f"coalesce({', '.join(value.text for value in values)})", common)

    def _case(self, node: exp.Case) -> Typed:
        only(node, "ifs", "default")
        return self._conditional([(branch.this, branch.args["true"]) for branch in node.args["ifs"]], node)

    def _if(self, node: exp.If) -> Typed:
        return self._conditional([(node.this, node.args["true"])], node, default="false")

    def _conditional(
        self, branches: Sequence[tuple[exp.Expr, exp.Expr]], node: exp.Expr, default: str = "default"
    ) -> Typed:
        otherwise = node.args.get(default) or exp.Null()
        values, common = self._branches([*(value for _, value in branches), otherwise])
        whens = [
            f"WHEN {self.condition(condition)} THEN {value.text}"
            for (condition, _), value in zip(branches, values, strict=False)
        ]
        return Typed(f"(CASE {' '.join(whens)} ELSE {values[-1].text} END)", common)

    def _branches(self, nodes: Sequence[exp.Expr]) -> tuple[list[Typed], SqlType | None]:
        """The values one of which will be the result, all as one type."""
        values = [self.translate(node) for node in nodes]
        found = {value.type for value in values if value.type}
        if len({sql_type.kind for sql_type in found}) > 1:
            raise UnsupportedSqlError(f"values of several types: {', '.join(sorted(kind.text for kind in found))}")
        if not found:
            return values, None
        common = found.pop() if len(found) == 1 else types.BIGINT
        if not common.arrow:
            return values, common
        return [cast(value, common) for value in values], common

    def _cast(self, node: exp.Cast) -> Typed:
        only(node, "this", "to", "_type")
        return cast(self.translate(node.this), types.of_sql(node.to))

    def _current_timestamp(self, node: exp.CurrentTimestamp) -> Typed:
        only(node)
        moment = self._session.started_at.astimezone(timezone.utc).isoformat(timespec="microseconds")
        return cast_always(string_literal(moment.replace("+00:00", "Z")), types.TIMESTAMP)

    def _current_user(self, node: exp.CurrentUser) -> Typed:
        return Typed(string_literal(self._session.user), types.STRING)


def cast_always(text: str, target: SqlType) -> Typed:
    """A text that is known to be convertible, as this type."""
    return Typed(f"arrow_cast({text}, {string_literal(target.arrow)})", target)


_COMPARISONS: dict[type[exp.Expr], str] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.GT: ">",
    exp.GTE: ">=",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.NullSafeEQ: "IS NOT DISTINCT FROM",
}
_ARITHMETIC: dict[type[exp.Expr], str] = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*"}
_TRANSLATORS: dict[type[exp.Expr], Callable[[Translator, Any], Typed]] = {
    exp.Column: Translator._column,
    exp.Literal: Translator._literal,
    exp.Boolean: Translator._constant,
    exp.Null: Translator._constant,
    exp.Paren: Translator._paren,
    exp.And: Translator._logic,
    exp.Or: Translator._logic,
    exp.Not: Translator._not,
    exp.Is: Translator._is,
    exp.In: Translator._in,
    exp.ArrayContains: Translator._array_contains,
    exp.Neg: Translator._negative,
    exp.Coalesce: Translator._coalesce,
    exp.Case: Translator._case,
    exp.If: Translator._if,
    exp.Cast: Translator._cast,
    exp.CurrentTimestamp: Translator._current_timestamp,
    exp.CurrentUser: Translator._current_user,
    **dict.fromkeys(_COMPARISONS, Translator._comparison),
    **dict.fromkeys(_ARITHMETIC, Translator._arithmetic),
}
