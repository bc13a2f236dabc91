"""MERGE INTO a Delta table from the rows of one JSON parameter: one commit, or none where nothing changes.

The source is `SELECT inline(from_json(<string>, '<schema>'))` (or `SELECT * FROM inline(...)`), so that any
number of rows is one value; see `json_rows`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from arro3.core import Table
from deltalake import DeltaTable, QueryBuilder, write_deltalake
from deltalake.table import TableMerger
from sqlglot import exp

from . import errors, json_rows
from .errors import UnsupportedSqlError, backquoted
from .expressions import Column, Relation, Session, Translator, Typed, cast, columns_of, only, quoted
from .results import Result
from .tables import Tables, alias_of, name_of, names_in_sight
from .writes import assignments

_TARGET, _SOURCE = "t", "s"
_KINDS = ("matched", "not_matched_insert", "not_matched_by_source")
"""Of clauses, in the order in which Databricks takes them: all that are WHEN MATCHED come first."""


def merge(node: exp.Merge, tables: Tables, session: Session, defaults: Sequence[str]) -> Result:
    """Runs a MERGE.

    Raises:
        SqlError: It names what does not exist, or two rows of the source change one of the target.
        UnsupportedSqlError: The source or a clause is of another form.
    """
    only(node, "this", "using", "on", "whens")
    name = name_of(node.this, defaults, "alias")
    table = tables.open(name, "MODIFY")
    text, fields = _source(node.args["using"])
    scope = _Scope(
        Relation.of(f"{_TARGET}.", names_in_sight(node.this, name), columns_of(table.schema())),
        Relation.of(f"{_SOURCE}.", [alias_of(node.args["using"])], fields),
        session,
    )
    clauses = [_clause(when, scope) for when in node.args["whens"].expressions]
    if [clause.kind for clause in clauses] != sorted(clause.kind for clause in clauses):
        raise errors.syntax_error("'MATCHED'")
    on = scope.both.condition(node.args["on"])
    rows = json_rows.table(text, fields)
    clauses = _without_guards(rows, table, on, clauses)
    if table.metadata().configuration.get("delta.enableChangeDataFeed") == "true":
        rows = _without_idle_rows(rows, table, on, clauses)
    merger = table.merge(rows, on, source_alias=_SOURCE, target_alias=_TARGET, commit_properties=tables.signed())
    for clause in clauses:
        clause.add_to(merger)
    return _result(merger.execute())


@dataclass(frozen=True, slots=True)
class _Clause:
    """One WHEN: what it does, with which values, and the condition if it has one.

    One with a `message` is a guard: it raises that as an error for the first row that comes to it.
    """

    action: str
    condition: str | None
    updates: Mapping[str, str] | None = None
    message: str | None = None

    @property
    def kind(self) -> int:
        """Which rows it is for: those in both tables, in the source alone, in the target alone."""
        return next(n for n, case in enumerate(_KINDS) if self.action.startswith(case))

    def rows(self, on: str) -> str:
        """The rows that come to it, where no clause is before it."""
        found = (
            f"{_SOURCE} JOIN {_TARGET} ON {on} WHERE true",
            f"{_SOURCE} WHERE NOT EXISTS (SELECT 1 FROM {_TARGET} WHERE {on})",
            f"{_TARGET} WHERE NOT EXISTS (SELECT 1 FROM {_SOURCE} WHERE {on})",
        )[self.kind]
        return f"SELECT 1 FROM {found} AND {self.condition or 'true'} LIMIT 1"

    def add_to(self, merger: TableMerger) -> None:
        """Hands the clause to delta-rs, which tries them in the order in which it got them."""
        add = getattr(merger, f"when_{self.action}")
        if self.updates is None:
            add(predicate=self.condition)
        else:
            add(updates=dict(self.updates), predicate=self.condition)


def _without_guards(rows: Table, table: DeltaTable, on: str, clauses: Sequence[_Clause]) -> list[_Clause]:
    """The clauses that are no guards, of which none may stand before one of its kind.

    Raises SqlError where a row comes to a guard.
    """
    for _, group in groupby(clauses, key=lambda clause: clause.kind):
        if (found := [clause.message is None for clause in group]) != sorted(found):
            raise UnsupportedSqlError("raise_error in a clause of a MERGE behind one that does something")
    for guard in (clause for clause in clauses if clause.message is not None):
        with tempfile.TemporaryDirectory() as folder:
            write_deltalake(folder, rows)
            builder = QueryBuilder().register(_SOURCE, DeltaTable(folder)).register(_TARGET, table)
            if builder.execute(guard.rows(on)).read_all().num_rows:
                raise errors.user_raised(str(guard.message))
    return [clause for clause in clauses if clause.message is None]


def _message(then: exp.Expr) -> str | None:
    """The message that a clause raises, if it does: it is the same wherever in it a value is asked for."""
    calls = [call for call in then.find_all(exp.Anonymous) if call.name.lower() == "raise_error"]
    return str(calls[0].expressions[0].name) if calls else None


def _without_idle_rows(rows: Table, table: DeltaTable, on: str, clauses: Sequence[_Clause]) -> Table:
    """The rows of the source that match the target or are inserted.

    delta-rs 1.6 takes the others for rows of NULLs when it writes the change data feed, and fails if a column
    is NOT NULL.
    """
    inserts = [clause.condition for clause in clauses if clause.action == "not_matched_insert"]
    if None in inserts or not rows.num_rows:
        return rows
    wanted = [f"EXISTS (SELECT 1 FROM {_TARGET} WHERE {on})", *(f"({condition})" for condition in inserts)]
    with tempfile.TemporaryDirectory() as folder:
        write_deltalake(folder, rows)
        builder = QueryBuilder().register(_SOURCE, DeltaTable(folder)).register(_TARGET, table)
        return builder.execute(f"SELECT {_SOURCE}.* FROM {_SOURCE} WHERE {' OR '.join(wanted)}").read_all()


def _result(metrics: dict[str, int]) -> Result:
    updated = metrics["num_target_rows_updated"]
    deleted = metrics["num_target_rows_deleted"]
    inserted = metrics["num_target_rows_inserted"]
    return Result.of_counts(
        num_affected_rows=updated + deleted + inserted,
        num_updated_rows=updated,
        num_deleted_rows=deleted,
        num_inserted_rows=inserted,
    )


@dataclass(frozen=True, slots=True)
class _Scope:
    """What the clauses of a MERGE see: matched ones both tables, the others only one of them."""

    target: Relation
    source: Relation
    session: Session

    @property
    def both(self) -> Translator:
        return Translator([self.target, self.source], self.session)

    @property
    def only_source(self) -> Translator:
        return Translator([self.source], self.session)

    @property
    def only_target(self) -> Translator:
        return Translator([self.target], self.session)


def _source(node: exp.Expr) -> tuple[str | None, list[Column]]:
    """The JSON text of the source and the columns it is read as."""
    if not isinstance(node, exp.Subquery) or not isinstance(node.this, exp.Select):
        raise UnsupportedSqlError(f"a MERGE from {node.sql(dialect='databricks')}")
    only(node, "this", "alias")
    call = _call_of_inline(node.this)
    if not isinstance(call, exp.Inline) or not isinstance(call.this, exp.FromJson):
        raise UnsupportedSqlError(f"a MERGE from {node.sql(dialect='databricks')}")
    only(call, "this")
    only(call.this, "this", "expression")
    text, schema = call.this.this, call.this.expression
    if not schema.is_string or not (text.is_string or isinstance(text, exp.Null)):
        raise UnsupportedSqlError(f"from_json of anything but strings: {call.sql(dialect='databricks')}")
    return (text.name if text.is_string else None), json_rows.columns(schema.name)


def _call_of_inline(select: exp.Select) -> exp.Expr:
    """`inline(...)`, from the list of a SELECT or, behind a star, from its FROM."""
    source = select.args.get("from_")
    if source is None:
        only(select, "expressions", "kind")
        return select.expressions[0] if len(select.expressions) == 1 else select
    only(select, "expressions", "from_", "kind")
    if len(select.expressions) != 1 or not isinstance(select.expressions[0], exp.Star):
        return select
    only(select.expressions[0])
    only(source.this, "this", "alias")
    return source.this.this if isinstance(source.this, exp.Table) else select


def _clause(when: exp.Expr, scope: _Scope) -> _Clause:
    only(when, "matched", "source", "condition", "then")
    if (message := _message(when.args["then"])) is not None:
        case, translator = (
            ("matched", scope.both)
            if when.args["matched"]
            else ("not_matched_by_source", scope.only_target)
            if when.args.get("source")
            else ("not_matched_insert", scope.only_source)
        )
        return _Clause(case, _condition(when, translator), message=message)
    if when.args["matched"]:
        return _change(when, scope, "matched", scope.both)
    if when.args.get("source"):
        return _change(when, scope, "not_matched_by_source", scope.only_target)
    return _Clause("not_matched_insert", _condition(when, scope.only_source), _inserted(when.args["then"], scope))


def _change(when: exp.Expr, scope: _Scope, case: str, translator: Translator) -> _Clause:
    """A clause that deletes or updates rows of the target."""
    then, condition = when.args["then"], _condition(when, translator)
    if isinstance(then, exp.Var) and then.name.upper() == "DELETE":
        return _Clause(f"{case}_delete", condition)
    if not isinstance(then, exp.Update):
        raise UnsupportedSqlError(then.sql(dialect="databricks"))
    only(then, "expressions")
    everything = isinstance(then.expressions[0], exp.Star)
    updates = _everything(scope) if everything else assignments(then.expressions, scope.target, translator)
    return _Clause(f"{case}_update", condition, updates)


def _condition(when: exp.Expr, translator: Translator) -> str | None:
    condition = when.args.get("condition")
    return translator.condition(condition) if condition else None


def _everything(scope: _Scope) -> dict[str, str]:
    """`UPDATE SET *` and `INSERT *`: every column of the target from the source's column of the same name."""
    updates = {}
    for column in scope.target.columns.values():
        same = scope.source.column(column.name)
        value = Typed(scope.source.prefix + quoted(same.name), same.type)
        updates[quoted(column.name)] = cast(value, column.type).text
    return updates


def _inserted(then: exp.Expr, scope: _Scope) -> dict[str, str]:
    """The values of a new row."""
    if not isinstance(then, exp.Insert):
        raise UnsupportedSqlError(then.sql(dialect="databricks"))
    only(then, "this", "expression")
    if isinstance(then.this, exp.Star):
        return _everything(scope)
    if then.this is None:
        raise UnsupportedSqlError(f"INSERT without a list of columns in a MERGE: {then.sql(dialect='databricks')}")
    columns = [scope.target.column(item.name) for item in then.this.expressions]
    values = then.expression.expressions
    if len(columns) != len(values):
        raise errors.syntax_error("the list of values")
    if len({column.name for column in columns}) < len(columns):
        raise errors.column_exists(", ".join(backquoted(column.name) for column in columns))
    translator = scope.only_source
    return {
        quoted(column.name): cast(translator.translate(value), column.type).text
        for column, value in zip(columns, values, strict=True)
    }
