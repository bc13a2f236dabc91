"""A table behind SQL: in Unity Catalog over a warehouse, or in a Spark session.

What differs between the two is in their `SqlExecutor`; the statements are the same. Names are quoted by `names`, every
value goes in as a parameter, and every statement can be sent twice with the same result.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Protocol

from lakeflow_job_meta.errors import OperationFailed
from lakeflow_job_meta.tables.names import name_beside, quote_name, quote_part, split_name
from lakeflow_job_meta.tables.plain import WholeTable
from lakeflow_job_meta.tables.schema import (
    DELETE,
    EVERYWHERE,
    IS_THERE,
    WAS,
    Column,
    Key,
    KeyedRows,
    MergeTerms,
    Row,
    TableSchema,
    TableUnusable,
    as_was,
    latest_rows,
    merge_terms,
    named_as,
)
from lakeflow_job_meta.tables.store import (
    Commit,
    OpenTable,
    Snapshot,
    TableMissing,
    TableVersion,
    VersionedTable,
    check_as_before,
    fingerprint_of,
)
from lakeflow_job_meta.text.markers import one_line

MAX_STATEMENT_BYTES = 15_000_000
"""Statement Execution API: a query has at most 16 MiB. Whether parameters count is not said, so they are counted."""

_PARTS_OF_A_FULL_NAME = 3
"""Catalog, schema and table: unique in a workspace."""

_MISSING = (
    "TABLE_OR_VIEW_NOT_FOUND",
    "SCHEMA_NOT_FOUND",
    "NO_SUCH_CATALOG",
    "CATALOG_NOT_FOUND",
    "DELTA_TABLE_NOT_FOUND",
    "DELTA_MISSING_DELTA_TABLE",
)

_CONFLICT = re.compile(
    r"DELTA_CONCURRENT_|DELTA_(?:METADATA|PROTOCOL)_CHANGED|(?:Concurrent|MetadataChanged|ProtocolChanged)\w*Exception"
)
"""Error classes and exceptions of Delta for a commit that another one came before."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A SQL text with `:name` for each parameter, and the parameters, all of the type STRING.

    `asks_of` is the quoted name of a table that may not be there.
    """

    text: str
    parameters: tuple[tuple[str, str], ...] = ()
    asks_of: str = ""


class StatementRefused(OperationFailed):
    """A warehouse or Spark answered, and the answer is no."""


class NoSuchTable(StatementRefused):
    """The statement names a table, schema or catalog that is not there."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a statement gave: its columns, also where there is no row, and its rows in their order."""

    columns: tuple[str, ...]
    rows: list[tuple[object, ...]]


def statement_error(refused_by: str, message: str) -> OperationFailed:
    """Returns the exception for a statement that a warehouse or Spark refused."""
    if any(code in message for code in _MISSING):
        return NoSuchTable(message)
    if _CONFLICT.search(message):
        return OperationFailed(
            f"somebody else changed the table at the same time, so nothing was written; run again ({message})"
        )
    return StatementRefused(f"{refused_by} refused a statement: {message}")


class SqlExecutor(Protocol):
    """Runs SQL statements."""

    def run(self, statement: Statement) -> list[Row]:
        """Returns the rows, values as Python has them.

        Raises:
            StatementRefused: The statement is; NoSuchTable if that is why.
            OperationFailed: Anything else.
        """

    def answer(self, statement: Statement) -> Answer:
        """Returns the same with the columns, of which several may have one name; raises the same."""


class SqlTable(VersionedTable):
    """A table that is reached by SQL: the control table (`catalog.schema.table`, or fewer parts), or one beside it."""

    def __init__(self, control_table: str, schema: TableSchema, executor: SqlExecutor) -> None:
        super().__init__(name_beside(control_table, schema.suffix), schema)
        self._quoted = quote_name(self.name)
        self._executor = executor

    def _open(self) -> OpenTable:
        with self._explaining_missing():
            return _OpenSqlTable(self._quoted, self.schema, self._executor)

    def _create(self, columns: Sequence[Column]) -> None:
        text = f"CREATE TABLE IF NOT EXISTS {self._quoted} ({_definitions(columns)}) USING DELTA"
        self._executor.run(Statement(text))

    @contextmanager
    def _explaining_missing(self) -> Iterator[None]:
        try:
            yield
        except NoSuchTable as error:
            if not self.schema.columns:
                reason = f"there is no such table or view, or none of what it is made of: {error}".partition(". ")[0]
                raise TableMissing(self.name, f"{reason}; correct its name") from None
            raise TableMissing(
                self.name,
                "there is no such table; make it with `ljm table create` (`ensure_exists()` in Python), or correct its "
                "name",
            ) from None

    def _parts(self, rows: KeyedRows) -> list[KeyedRows]:
        """Splits rows where they do not fit into one statement: deletions last, a module's rows in one if they fit."""
        sizes = {key: len(_payload(self.schema, {key: row}).encode("utf-8")) for key, row in rows.items()}
        if too_large := [key for key, size in sizes.items() if size > MAX_STATEMENT_BYTES]:
            raise OperationFailed("\n".join(self._too_large(key, rows[key], sizes[key]) for key in too_large[:10]))
        modules: defaultdict[object, list[Key]] = defaultdict(list)
        for key in (key for key, row in rows.items() if row is not None):
            modules[key[0]].append(key)
        parts: list[dict[Key, Row | None]] = []
        free = 0
        for keys in (*modules.values(), *([key] for key, row in rows.items() if row is None)):
            fits = sum(sizes[key] for key in keys) <= MAX_STATEMENT_BYTES
            for unit in [keys] if fits else [[key] for key in keys]:
                if (size := sum(sizes[key] for key in unit)) > free:
                    parts.append({})
                    free = MAX_STATEMENT_BYTES
                parts[-1].update((key, rows[key]) for key in unit)
                free -= size
        return [*parts]

    def _too_large(self, key: Key, row: Row | None, size: int) -> str:
        named = ", ".join(f"{column}={value}" for column, value in zip(self.schema.key, key, strict=True))
        longest = max(row or {}, key=lambda column: len(str((row or {})[column])), default=self.schema.key[0])
        return (
            f"{self.name}[{one_line(named)[:200]}].{longest}: the row has {size:,} bytes, more than the "
            f"{MAX_STATEMENT_BYTES:,} that one statement over SQL takes; keep such a long text in a file."
        )

    def version(self) -> TableVersion:
        """Returns the newest version, by one DESCRIBE HISTORY."""
        commits = self.history(1)
        if not commits:
            raise TableUnusable(self.name, "it has no history; a control table must be a Delta table")
        return TableVersion(commits[0].version, commits[0].timestamp.isoformat())

    def identity(self) -> str:
        """Returns the name with catalog and schema; of a shorter one, what DESCRIBE DETAIL says it is.

        In a catalog without three levels that is no whole name; then it is the id of the Delta table.
        """
        parts = split_name(self.name)
        if len(parts) == _PARTS_OF_A_FULL_NAME:
            return ".".join(parts).casefold()
        with self._explaining_missing():
            detail = self._executor.run(Statement(f"DESCRIBE DETAIL {self._quoted}", asks_of=self._quoted))[0]
        name = str(detail.get("name") or "").casefold()
        is_full = name.count(".") + 1 == _PARTS_OF_A_FULL_NAME and not name.startswith("spark_catalog.")
        return name if is_full else str(detail["id"])

    def read(
        self,
        version: int | None = None,
        *,
        also: Sequence[str] | None = (),
        where: Mapping[str, str] = EVERYWHERE,
    ) -> Snapshot:
        if version is not None:
            # All columns: DESCRIBE does not show which ones an older version had.
            with self._explaining_missing():
                found = self._executor.answer(self._versioned("*", version, where))
            types = self.schema.spelled(dict.fromkeys(found.columns, ""))
            return Snapshot(
                TableVersion(version, ""), types, [dict(zip(types, row, strict=True)) for row in found.rows]
            )
        newest = self.version()
        types = self._usable_types(self._open())
        columns = self.schema.readable(types, also)
        rows = named_as(self._executor.run(self._versioned(_listed(columns), newest.number, where)), columns)
        return Snapshot(newest, types, rows)

    def read_whole(self) -> WholeTable:
        return self._whole(self._version_if_any())

    def fingerprint(self) -> str:
        version = self._version_if_any()
        return fingerprint_of(version) if version is not None else self._whole(None).fingerprint

    def _whole(self, version: TableVersion | None) -> WholeTable:
        """Returns all rows of a version; of the newest state where it is None, or cannot be asked for.

        One SELECT sees one state in any case. Views over Delta tables of pipelines have a history and refuse to travel
        in time (delta-io/delta issue 1061).
        """
        if version is not None:
            with suppress(StatementRefused):
                found = self._executor.answer(self._versioned("*", version.number))
                return WholeTable.of_values(found.columns, found.rows, version.number)
        with self._explaining_missing():
            found = self._executor.answer(Statement(f"SELECT * FROM {self._quoted}"))
        return WholeTable.of_values(found.columns, found.rows)

    def _version_if_any(self) -> TableVersion | None:
        """Returns the newest version; None for what has none: a view, or a table of another format than Delta.

        How that is said depends on where it is asked, so every refusal means it, and a SELECT shows what is really
        wrong: of a view EXPECT_TABLE_NOT_VIEW (docs.databricks.com, error-messages), on serverless compute
        DELTA_MISSING_DELTA_TABLE (databrickslabs/impulse pull request 97); of another format DELTA_ONLY_OPERATION or
        DELTA_TABLE_ONLY_OPERATION (DeltaErrors.scala in delta-io/delta).
        """
        try:
            return self.version()
        except (StatementRefused, TableUnusable):
            return None

    def _versioned(self, listed: str, version: int, where: Mapping[str, str] = EVERYWHERE) -> Statement:
        text = f"SELECT {listed} FROM {self._quoted} VERSION AS OF {version:d}{_condition(where)}"
        return Statement(text, tuple(where.items()))

    def history(self, limit: int) -> list[Commit]:
        with self._explaining_missing():
            text = f"DESCRIBE HISTORY {self._quoted} LIMIT {limit:d}"
            return list(map(_commit, self._executor.run(Statement(text, asks_of=self._quoted))))


class _OpenSqlTable:
    def __init__(self, quoted_name: str, schema: TableSchema, executor: SqlExecutor) -> None:
        self._name, self._schema, self._executor = quoted_name, schema, executor
        self._types = self._describe()

    def _describe(self) -> dict[str, str]:
        types: dict[str, str] = {}
        for row in self._executor.run(Statement(f"DESCRIBE TABLE {self._name}", asks_of=self._name)):
            column = str(row["col_name"] or "")
            # Partitions and properties follow behind an empty or a `# ...` line.
            if not column or column.startswith("#"):
                break
            types[column] = str(row["data_type"]).upper()
        return types

    def types(self) -> dict[str, str]:
        return self._types

    def add_columns(self, columns: Sequence[Column]) -> None:
        try:
            self._executor.run(Statement(f"ALTER TABLE {self._name} ADD COLUMNS ({_definitions(columns)})"))
        except OperationFailed:
            # A request that was answered too late is sent again and then finds the columns there.
            types = self._describe()
            if any(column.name not in types for column in columns):
                raise

    def rows(
        self, columns: Sequence[str], limit: int | None, where: Mapping[str, str], groups: Sequence[str]
    ) -> list[Row]:
        """Returns the rows; with a limit or groups, the warehouse chooses, as `newest` and `latest` of a schema do."""
        source = f"{self._name}{_condition(where)}"
        if groups and {self._schema.order, *groups} <= {*columns}:
            source = latest_rows(_listed(columns), source, quote_part(self._schema.order), [*map(quote_part, groups)])
        text = f"SELECT {_listed(columns)} FROM {source}"
        if limit is not None:
            terms = [f"{quote_part(self._schema.order)} DESC NULLS LAST"] if self._schema.order in columns else []
            terms += [f"{quote_part(name)} ASC NULLS FIRST" for name in self._schema.key if name in columns]
            text += f"{' ORDER BY ' if terms else ''}{', '.join(terms)} LIMIT {int(limit)}"
        return named_as(self._executor.run(Statement(text, tuple(where.items()))), columns)

    def replace(self, rows: KeyedRows, before: KeyedRows, columns: Sequence[Column], scope: Collection[str]) -> None:
        """Writes by one MERGE, which fails as a whole, by `raise_error`, where it meets a row that is not as it was.

        It is for Databricks Runtime 12.2 or newer, or Delta 2.3, which have WHEN NOT MATCHED BY SOURCE.
        """
        known = [column for column in columns if column.stamp is None and column.name not in self._schema.key]
        terms = merge_terms(self._schema, columns, known, quote_part, "current_timestamp()")
        wide = {
            key: {
                **(row if row is not None else dict(zip(self._schema.key, key, strict=True))),
                **{f"{WAS}{column.name}": (before.get(key) or {}).get(column.name) for column in known},
                IS_THERE: key in before,
                DELETE: row is None,
            }
            for key, row in rows.items()
        }
        payload = _payload(self._schema, wide)
        if len(payload.encode("utf-8")) > MAX_STATEMENT_BYTES:
            raise OperationFailed(
                f"these {len(rows):,} rows do not fit into the one statement of {MAX_STATEMENT_BYTES:,} bytes that "
                "they are to be written with; take fewer modules at a time"
            )
        failed, (first, *_) = "CAST(raise_error('a row is not as it was') AS STRING)", terms.key
        text = next(quote_part(column.name) for column in known if column.type == "STRING")
        spoiled = f"THEN UPDATE SET t.{text} = {failed}"
        # A row that is not as it was, one that is gone, and one that is new.
        merge = self._merge_text(
            terms,
            [*(column for column in columns if column.stamp is None), *as_was(known), Column(IS_THERE, "BOOLEAN")],
            f"WHEN MATCHED AND (NOT s.`{IS_THERE}` OR NOT ({_same(terms.expected)})) {spoiled}",
            f"WHEN NOT MATCHED AND s.`{IS_THERE}` THEN {_insert({**terms.inserts, first: failed})}",
            f"WHEN NOT MATCHED BY SOURCE AND array_contains(from_json(:scope, 'ARRAY<STRING>'), t.{first}) {spoiled}",
        )
        try:
            self._executor.run(Statement(merge, (("rows", payload), ("scope", json.dumps([*scope])))))
        except StatementRefused:
            # How an error of a task is said differs: of Spark it is TASK_WRITE_FAILED.
            names = [column.name for column in columns if column.stamp is None]
            check_as_before(self._schema, columns, self.rows(names, None, {}, ()), before, scope)
            raise

    def merge(self, rows: KeyedRows, columns: Sequence[Column], expected: Sequence[Column] = ()) -> None:
        terms = merge_terms(self._schema, columns, expected, quote_part, "current_timestamp()")
        given = [*(column for column in columns if column.stamp is None), *as_was(expected)]
        known = f" AND {_same(terms.expected)}" if expected else ""
        text = self._merge_text(terms, given, condition=known, inserts=not expected)
        self._executor.run(Statement(text, (("rows", _payload(self._schema, rows)),)))

    def _merge_text(
        self, terms: MergeTerms, given: Sequence[Column], *guards: str, condition: str = "", inserts: bool = True
    ) -> str:
        """Returns a MERGE of rows with some columns; `guards` are clauses that come before its own of their kind."""
        struct = ", ".join(f"{quote_part(column.name)}: {column.type}" for column in given)
        clauses = [
            *guards,
            f"WHEN MATCHED AND s.`{DELETE}` THEN DELETE",
            f"WHEN MATCHED AND NOT ({_same(terms.compared)}){condition} "
            f"THEN UPDATE SET {', '.join(f't.{column} = {term}' for column, term in terms.updates.items())}",
        ]
        if inserts:
            clauses.append(f"WHEN NOT MATCHED AND NOT s.`{DELETE}` THEN {_insert(terms.inserts)}")
        return (
            f"MERGE INTO {self._name} AS t "
            f"USING (SELECT inline(from_json(:rows, 'ARRAY<STRUCT<{struct}, {DELETE}: BOOLEAN>>'))) AS s "
            f"ON {' AND '.join(f't.{column} = s.{column}' for column in terms.key)} "
            f"{' '.join(sorted(clauses, key=_kind_of_clause))}"
        )


def _condition(where: Mapping[str, str]) -> str:
    """Returns a WHERE by which columns have the texts of parameters that are named like them; nothing for all rows."""
    return f" WHERE {' AND '.join(f'{quote_part(column)} = :{column}' for column in where)}" if where else ""


def _same(pairs: Sequence[tuple[str, str]]) -> str:
    return " AND ".join(f"{ours} <=> {theirs}" for ours, theirs in pairs)


def _kind_of_clause(clause: str) -> int:
    """Returns where a clause of MERGE stands among the others: they come in this order."""
    kinds = ("WHEN MATCHED", "WHEN NOT MATCHED BY SOURCE", "WHEN NOT MATCHED")
    return (0, 2, 1)[next(number for number, kind in enumerate(kinds) if clause.startswith(kind))]


def _insert(values: Mapping[str, str]) -> str:
    return f"INSERT ({', '.join(values)}) VALUES ({', '.join(values.values())})"


def _definitions(columns: Sequence[Column]) -> str:
    return ", ".join(f"{quote_part(column.name)} {column.type}" for column in columns)


def _listed(columns: Sequence[str]) -> str:
    return ", ".join(map(quote_part, columns))


def _payload(schema: TableSchema, rows: KeyedRows) -> str:
    """Returns rows as `from_json` reads them; a column that a row lacks is NULL."""
    payload = [
        {DELETE: row is None}
        | {name: value for name, value in (row or dict(zip(schema.key, key, strict=True))).items() if value is not None}
        for key, row in rows.items()
    ]
    return json.dumps(payload, ensure_ascii=False, default=_moment)


def _moment(value: object) -> str:
    """Writes a moment as `from_json` reads it whatever the session's zone is."""
    if not isinstance(value, datetime):
        raise TypeError(f"{type(value).__name__} is no value of a table")
    return value.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _commit(row: Row) -> Commit:
    number, timestamp, user = row["version"], row["timestamp"], row.get("userName") or row.get("userId")
    if not isinstance(number, int) or not isinstance(timestamp, datetime):
        raise OperationFailed(
            f"The table's history has a version {number!r} at {timestamp!r}, which is not understood."
        )
    return Commit(number, timestamp, str(row["operation"]), str(user) if user else None)
