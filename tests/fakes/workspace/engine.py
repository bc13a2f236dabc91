"""SQL of Databricks over Delta tables on disk: parses with sqlglot, works with delta-rs.

Comes in: the text of one statement and its named parameters. Goes out: a `Result`, a `SqlError` such as a SQL
warehouse would report, or an `UnsupportedSqlError`, which means that the fake has to learn something first. A
parameter becomes a literal of the parsed statement; it is never put into a text that is parsed again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import sqlglot
from sqlglot import Token, TokenType, exp
from sqlglot.errors import SqlglotError

from .sql import definitions, descriptions, errors, json_rows, merge, queries, types, writes
from .sql.errors import SqlError, UnsupportedSqlError
from .sql.expressions import Session, only
from .sql.results import Result
from .sql.tables import TableName, Tables, name_of

__all__ = ["Engine", "Parameter", "Result", "SqlError", "UnsupportedSqlError", "json_rows"]

_DIALECT = "databricks"


@dataclass(frozen=True, slots=True)
class Parameter:
    """The value for a named marker: its text (None is NULL) and the type it is checked against."""

    text: str | None
    type: str = "STRING"


@dataclass(frozen=True, slots=True)
class _Describe:
    """A DESCRIBE: what of (`TABLE`, `DETAIL`, `HISTORY`), and how many rows of it."""

    what: str
    table: exp.Expr
    limit: int | None = None


class Engine:
    """Runs statements one after the other, each as one Delta commit at most.

    Attributes:
        tables: Names, folders and privileges.
    """

    def __init__(self, root: Path, user_name: str, user_id: str) -> None:
        """Makes an engine whose tables are in folders below `root`."""
        self.tables = Tables(root, (user_name, user_id))
        self._lock = threading.Lock()

    def run(
        self,
        statement: str,
        parameters: Mapping[str, Parameter],
        defaults: Sequence[str] = ("main", "default"),
    ) -> Result:
        """Runs one statement.

        Args:
            statement: Its text.
            parameters: Values for its markers `:name`; more than it has is fine.
            defaults: The catalog and the schema of names that leave them out.

        Raises:
            SqlError: What Databricks would answer in place of a result.
            UnsupportedSqlError: The fake does not know the statement, or a part of it.
        """
        session = Session(self.tables.user[0], datetime.now(timezone.utc))
        parsed = _parse(statement)
        if isinstance(parsed, _Describe):
            return self._describe(parsed, defaults)
        bound = _bind(parsed, parameters)
        with self._lock:
            try:
                return _HANDLERS[type(bound)](bound, self.tables, session, defaults)
            except Exception as error:
                raise _as_reported(error) from error

    def _describe(self, parsed: _Describe, defaults: Sequence[str]) -> Result:
        name = name_of(parsed.table, defaults)
        if parsed.what != "TABLE" and name in self.tables.views:
            raise errors.expect_table_not_view(f"DESCRIBE {parsed.what}", name.quoted)
        table = self.tables.open(name, "SELECT")
        if parsed.what == "HISTORY":
            return descriptions.describe_history(table, parsed.limit)
        describe = descriptions.describe_detail if parsed.what == "DETAIL" else descriptions.describe_table
        return describe(table, name)


_Handler = Callable[..., Result]
_HANDLERS: dict[type[exp.Expr], _Handler] = {
    exp.Select: queries.select,
    exp.Insert: writes.insert,
    exp.Update: writes.update,
    exp.Delete: writes.delete,
    exp.Merge: merge.merge,
    exp.Create: definitions.create,
    exp.Alter: lambda node, tables, _, defaults: definitions.add_columns(node, tables, defaults),
    exp.Drop: lambda node, tables, _, defaults: definitions.drop(node, tables, defaults),
}
_WITHOUT_PARAMETERS = (exp.Create, exp.Alter, exp.Drop)
"""Definitions take no markers before Databricks Runtime 18."""

_REPORTS: tuple[tuple[str, Callable[[str], SqlError]], ...] = (
    ("Cast error", lambda text: errors.invalid_cast(text.rpartition("Cast error: ")[2])),
    ("Error parsing", lambda text: errors.invalid_cast(text.rpartition("Parser error: ")[2])),
    ("MERGE matched a target row with multiple source rows", lambda _: errors.ambiguous_merge()),
    ("not found: No such file", lambda text: errors.file_gone(text.rpartition("Object at location ")[2].split()[0])),
    ("Invalid data found", lambda text: errors.not_null_violated(text.rpartition("error: ")[2])),
)
"""What of delta-rs' complaints is one that Databricks has too."""


def _as_reported(error: Exception) -> Exception:
    for sign, report in _REPORTS:
        if sign in str(error) and not isinstance(error, SqlError):
            return report(str(error))
    return error


def _parse(statement: str) -> exp.Expr | _Describe:
    """The one statement in the text.

    Raises:
        SqlError: It is not SQL, or more than one statement.
        UnsupportedSqlError: It is a statement that the fake does not know.
    """
    try:
        tokens = sqlglot.tokenize(statement, dialect=_DIALECT)
        if described := _parse_describe(statement, tokens):
            return described
        found = [tree for tree in sqlglot.parse(statement, dialect=_DIALECT) if tree is not None]
    except SqlglotError as error:
        raise errors.syntax_error(f"'{_near(error, statement)}'") from error
    if len(found) != 1:
        raise errors.syntax_error("end of input" if not found else "';': extra input")
    tree = found[0]
    if isinstance(tree, exp.Describe):
        return _plain_describe(tree)
    if type(tree) in _HANDLERS:
        return tree
    if isinstance(tree, (exp.Condition, exp.Alias)):
        raise errors.syntax_error(f"'{statement.split(maxsplit=1)[0]}'")
    raise UnsupportedSqlError(statement)


def _near(error: SqlglotError, statement: str) -> str:
    details = getattr(error, "errors", None) or [{}]
    return details[0].get("highlight") or statement.strip()[-20:]


def _parse_describe(statement: str, tokens: Sequence[Token]) -> _Describe | None:
    """DESCRIBE DETAIL and DESCRIBE HISTORY with a LIMIT, which sqlglot does not know."""
    words = [token.text.upper() for token in tokens]
    if len(words) < 3 or words[0] not in ("DESCRIBE", "DESC") or words[1] not in ("DETAIL", "HISTORY"):
        return None
    end, limit = len(statement), None
    if words[1] == "HISTORY" and words[-2] == "LIMIT" and tokens[-1].token_type == TokenType.NUMBER:
        end, limit = tokens[-2].start, int(words[-1])
    table = statement[tokens[1].end + 1 : end].rstrip().removesuffix(";")
    return _Describe(words[1], exp.to_table(table, dialect=_DIALECT), limit)


def _plain_describe(tree: exp.Describe) -> _Describe:
    only(tree, "this", "kind")
    if tree.args.get("kind") not in (None, "TABLE"):
        raise UnsupportedSqlError(tree.sql(dialect=_DIALECT))
    return _Describe("TABLE", tree.this)


def _bind(tree: exp.Expr, parameters: Mapping[str, Parameter]) -> exp.Expr:
    """The statement with a literal in place of every marker.

    Raises:
        SqlError: A marker has no value, or one that is not of its type.
    """
    markers = list(tree.find_all(exp.Placeholder))
    if markers and isinstance(tree, _WITHOUT_PARAMETERS):
        raise UnsupportedSqlError(f"a parameter in a definition: {tree.sql(dialect=_DIALECT)}")
    for marker in markers:
        if marker.name not in parameters:
            raise errors.unbound_parameter(marker.name)
        marker.replace(_literal(marker.name, parameters[marker.name]))
    return tree


def _literal(name: str, parameter: Parameter) -> exp.Expr:
    sql_type = types.named(parameter.type)
    typed = exp.DataType.build(sql_type.text, dialect=_DIALECT)
    if parameter.text is None:
        return exp.Null() if sql_type == types.STRING else exp.Cast(this=exp.Null(), to=typed)
    if sql_type == types.STRING:
        return exp.Literal.string(parameter.text)
    try:
        return _READERS[sql_type.kind](parameter.text.strip(), typed)
    except (ValueError, KeyError) as error:
        raise errors.malformed_parameter(name, sql_type.text) from error


def _number(text: str, typed: exp.DataType) -> exp.Expr:
    literal = exp.Literal.number(abs(int(text)))
    return exp.Cast(this=exp.Neg(this=literal) if int(text) < 0 else literal, to=typed)


_TRUTHS = dict.fromkeys(("true", "t", "yes", "y", "1"), True) | dict.fromkeys(("false", "f", "no", "n", "0"), False)
_READERS: dict[str, Callable[[str, exp.DataType], exp.Expr]] = {
    "number": _number,
    "fraction": lambda text, typed: exp.Cast(this=exp.Literal.string(str(float(text))), to=typed),
    "boolean": lambda text, _: exp.Boolean(this=_TRUTHS[text.lower()]),
    "timestamp": lambda text, typed: _moment(text, typed),
    "date": lambda text, typed: _moment(text, typed),
}


def _moment(text: str, typed: exp.DataType) -> exp.Expr:
    datetime.fromisoformat(text.replace("Z", "+00:00"))
    return exp.Cast(this=exp.Literal.string(text), to=typed)


def table_name(text: str) -> TableName:
    """The name that a text such as ``main.`my-schema`.t`` means.

    Raises:
        ValueError: It does not have three parts.
    """
    table = exp.to_table(text, dialect=_DIALECT)
    if len(table.parts) != 3:
        raise ValueError(f"{text!r} is not a name of the form catalog.schema.table.")
    return TableName.of(*(part.name for part in table.parts))
