"""Which Delta table a name means: `catalog.schema.table` is a folder below the workspace's `tables/`.

Opens, finds and removes tables, and knows who may do what with them. It never changes what is in one.
"""

from __future__ import annotations

import re
import shutil
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from arro3.core import Table
from deltalake import CommitProperties, DeltaTable, write_deltalake
from sqlglot import exp

from . import errors
from .errors import UnsupportedSqlError, backquoted
from .expressions import only


@dataclass(frozen=True, slots=True)
class TableName:
    """The three parts of a table's name, in lower case as Unity Catalog keeps them."""

    catalog: str
    schema: str
    table: str

    @classmethod
    def of(cls, *parts: str) -> TableName:
        """A name from its parts as anyone writes them."""
        return cls(*(part.lower() for part in parts))

    def __str__(self) -> str:
        """The parts joined by dots, as in messages."""
        return f"{self.catalog}.{self.schema}.{self.table}"

    @property
    def quoted(self) -> str:
        """Every part in backquotes."""
        return backquoted(self.catalog, self.schema, self.table)


@dataclass(slots=True)
class Tables:
    """The tables of a workspace.

    Attributes:
        root: The folder of all tables.
        denied: What the user may not do: (`main.etl.control`, `MODIFY`), or (`main.etl`, `CREATE TABLE`).
        missing_schemas: Schemas such as `main.nope` that do not exist; all others do.
        user: The name and the id that commits carry.
        views: What each view gives, as of now.
    """

    root: Path
    user: tuple[str, str]
    views: dict[TableName, Callable[[], Table]] = field(default_factory=dict)
    denied: set[tuple[str, str]] = field(default_factory=set)
    missing_schemas: set[str] = field(default_factory=set)

    def folder(self, name: TableName) -> Path:
        """Where the Delta table of this name is or would be."""
        return self.root.joinpath(*(folder_part(part) for part in (name.catalog, name.schema, name.table)))

    def exists(self, name: TableName) -> bool:
        """Whether there is such a table."""
        return self._in_a_schema(name) and (name in self.views or (self.folder(name) / "_delta_log").is_dir())

    def open(self, name: TableName, privilege: str, version: int | None = None) -> DeltaTable:
        """The table, at a version or as it is now, for someone with this privilege.

        Raises:
            SqlError: There is no such table or version, or the user lacks the privilege.
        """
        if not self.exists(name):
            raise errors.table_not_found(name.quoted)
        if (str(name), privilege) in self.denied:
            raise errors.no_permission(privilege, "Table", str(name))
        if name in self.views:
            return self._open_view(name, privilege, version)
        latest = DeltaTable(self.folder(name))
        if version is None:
            return latest
        if not 0 <= version <= latest.version():
            raise errors.version_not_found(version, 0, latest.version())
        return DeltaTable(self.folder(name), version=version)

    def _open_view(self, name: TableName, privilege: str, version: int | None) -> DeltaTable:
        """What a view gives now, as a table of its own."""
        if privilege != "SELECT":
            raise errors.expect_table_not_view(privilege, name.quoted)
        if version is not None:
            raise errors.time_travel_of_view(name.quoted)
        folder = self.root / "~views" / uuid.uuid4().hex
        write_deltalake(folder, self.views[name]())
        return DeltaTable(folder)

    def prepare(self, name: TableName) -> Path:
        """The folder for a new table.

        Raises:
            SqlError: There is no such schema, or the user may not create tables in it.
        """
        schema = f"{name.catalog}.{name.schema}"
        if not self._in_a_schema(name):
            raise errors.schema_not_found(backquoted(name.catalog, name.schema))
        if (schema, "CREATE TABLE") in self.denied:
            raise errors.no_permission("CREATE TABLE", "Schema", schema)
        self.folder(name).parent.mkdir(parents=True, exist_ok=True)
        return self.folder(name)

    def drop(self, name: TableName) -> None:
        """Removes the table with all its history."""
        if self.views.pop(name, None) is None:
            shutil.rmtree(self.folder(name))

    def signed(self) -> CommitProperties:
        """Who makes the commit, for the table's history."""
        name, number = self.user
        return CommitProperties(custom_metadata={"userName": name, "userId": number})

    def _in_a_schema(self, name: TableName) -> bool:
        return f"{name.catalog}.{name.schema}" not in self.missing_schemas


def folder_part(part: str) -> str:
    """A part of a name as a folder name that delta-rs can open: it decodes `%`, so that others stand in."""
    escaped = re.sub(r"[^a-z0-9_.-]", lambda match: f"~{ord(match.group()):x}~", part)
    return re.sub(r"^\.+", lambda match: "~2e~" * len(match.group()), escaped)


def name_of(node: exp.Expr, defaults: Sequence[str], *also: str) -> TableName:
    """The table that a parsed name means.

    Args:
        node: The parsed table.
        defaults: The catalog and the schema for names that leave them out.
        also: Parts of the node that the caller handles (`alias`, `version`).

    Raises:
        UnsupportedSqlError: It is not a plain name, or has something more about it.
    """
    if not isinstance(node, exp.Table):
        raise UnsupportedSqlError(f"{type(node).__name__} as a table: {node.sql(dialect='databricks')}")
    only(node, "this", "db", "catalog", *also)
    parts = [part.name for part in node.parts if isinstance(part, exp.Identifier)]
    if len(parts) != len(node.parts):
        raise UnsupportedSqlError(f"a table named by {node.sql(dialect='databricks')}")
    return TableName.of(*[*defaults, ""][: 3 - len(parts)], *parts)


def alias_of(node: exp.Expr) -> str:
    """The alias of a table or a subquery, or nothing.

    Raises:
        UnsupportedSqlError: The alias is something else than a name (`t@v3` is parsed as one).
    """
    alias = node.args.get("alias")
    if alias is None:
        return ""
    only(alias, "this")
    if not isinstance(alias.this, exp.Identifier):
        raise UnsupportedSqlError(node.sql(dialect="databricks"))
    return str(alias.name)


def names_in_sight(node: exp.Expr, name: TableName) -> list[str]:
    """The names under which a statement may refer to a table: its alias, else the last part of its name."""
    return [alias_of(node) or name.table]
