"""`ljm table`: the control table, wherever it is."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import click

from lakeflow_job_meta._internal.text import count, did_you_mean, quoted
from lakeflow_job_meta.cli.params import open_project
from lakeflow_job_meta.cli.report import show_text
from lakeflow_job_meta.config.model import TABLE_KINDS, Project
from lakeflow_job_meta.control_table.changes import is_active, key_of
from lakeflow_job_meta.control_table.delta import DeltaControlTable
from lakeflow_job_meta.control_table.interface import ControlTable
from lakeflow_job_meta.control_table.open import open_named_table
from lakeflow_job_meta.errors import ConfigError, OperationFailed
from lakeflow_job_meta.services.table_operations import compare_versions, export, load, read_checked
from lakeflow_job_meta.sources.yaml_files import YamlReader

Command = TypeVar("Command", bound=Callable[..., object])


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The table that a command works on."""

    folder: Path | None
    name: str | None
    warehouse_id: str | None
    path: str | None

    def project(self) -> Project:
        return open_project(self.folder)

    def open(self) -> ControlTable:
        """Opens the table of the options, or the only one of the project.

        Raises:
            ConfigError: No table is named, or more than one.
        """
        if self.name is not None and self.path is not None:
            raise ConfigError("Name one table: either --table or --delta.")
        if self.path is not None:
            return DeltaControlTable(self.path)
        if self.name is not None:
            return open_named_table(self.name, self.warehouse_id, on_wait=_say)
        project = self.project()
        tables = [source for source in project.metadata if source.kind in TABLE_KINDS]
        if len(tables) != 1:
            found = "none" if not tables else f"{len(tables)}"
            raise ConfigError(f"Name a table with --table or --delta; 'metadata' in job_meta.yml has {found}.")
        if tables[0].kind == "delta":
            return DeltaControlTable(tables[0].location, project.folder)
        return open_named_table(tables[0].location, self.warehouse_id or tables[0].warehouse_id, on_wait=_say)


def _say(message: str) -> None:
    click.echo(message, err=True)


def _table_options(command: Command) -> Command:
    """Adds the options that say which table is meant."""
    for option in (
        click.option("--delta", "path", metavar="PATH", help="A Delta table by path or URL."),
        click.option("--warehouse-id", metavar="ID", help="The SQL warehouse that reaches --table."),
        click.option("--table", "name", metavar="NAME", help="A table of Unity Catalog: catalog.schema.table."),
    ):
        command = option(command)
    return command


def _chosen(ctx: click.Context, name: str | None, warehouse_id: str | None, path: str | None) -> _Chosen:
    return _Chosen(ctx.obj, name, warehouse_id, path)


@click.group("table")
def command() -> None:
    """Make, fill, show, export and compare a control table.

    The table is the one of job_meta.yml, or given with --delta PATH, or with --table NAME and --warehouse-id ID.

    \b
    Examples:
      ljm table create --delta data/etl_control
      ljm table load metadata/ --dry-run
      ljm table diff 3

    """


@command.command("create")
@click.option("--optional-columns", is_flag=True, help="With depends_on, job_config and description.")
@_table_options
@click.pass_context
def create(
    ctx: click.Context, optional_columns: bool, name: str | None, warehouse_id: str | None, path: str | None
) -> None:
    """Make the table, or give an older one the optional columns that it lacks.

    \b
    Examples:
      ljm table create --delta data/etl_control --optional-columns
      ljm table create --table main.etl.etl_control --warehouse-id abc123

    """
    table = _chosen(ctx, name, warehouse_id, path).open()
    done = table.create(optional_columns=optional_columns)
    _say(f"{table.name}: {done.value}.")


@command.command("load")
@click.argument("metadata", nargs=-1, required=True)
@click.option("--prune", is_flag=True, help="Delete rows of the loaded modules that are not in the YAML.")
@click.option("--dry-run", is_flag=True, help="Write nothing; show which rows would change.")
@_table_options
@click.pass_context
def load_(
    ctx: click.Context,
    metadata: tuple[str, ...],
    prune: bool,
    dry_run: bool,
    name: str | None,
    warehouse_id: str | None,
    path: str | None,
) -> None:
    """Load YAML metadata (files, folders, globs) into the table.

    Everything is checked before the first row is written, and all goes in with one commit or not at all. A source that
    was switched off in the table stays off unless the YAML says is_active: true.

    \b
    Examples:
      ljm table load metadata/ --dry-run
      ljm table load metadata/sales.yml --prune

    """
    chosen = _chosen(ctx, name, warehouse_id, path)
    table, project = chosen.open(), chosen.project()
    readers = [YamlReader(project.folder, str(Path(pattern).absolute())) for pattern in metadata]
    checked = read_checked(project, readers, table)
    show_text(checked.warnings)
    plan = load(table, checked.modules, prune=prune, dry_run=dry_run)
    for line in plan.changes.lines():
        click.echo(line)
    if plan.stale and not prune:
        for module, source in plan.stale:
            _say(f"not in the YAML: source {quoted(source)} of {quoted(module)}; --prune deletes it")
    changed = count(len(plan.changes.sources), "row")
    _say(f"{table.name}: {changed} {'would change' if dry_run else 'changed'} of {plan.rows} loaded.")


@command.command("show")
@click.argument("module", required=False)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="As lines or as JSON.")
@_table_options
@click.pass_context
def show(
    ctx: click.Context, module: str | None, form: str, name: str | None, warehouse_id: str | None, path: str | None
) -> None:
    """Show the modules of the table, or the rows of one.

    \b
    Examples:
      ljm table show
      ljm table show bronze_to_silver --format json

    """
    table = _chosen(ctx, name, warehouse_id, path).open()
    rows = sorted(table.read().rows, key=key_of)
    names = list(dict.fromkeys(key_of(row)[0] for row in rows))
    if module is not None and module not in names:
        raise OperationFailed(f"{table.name} has no module {quoted(module)}{did_you_mean(module, names)}")
    shown = [row for row in rows if module in (None, row.get("module_name"))]
    if form == "json":
        click.echo(json.dumps(shown, indent=2, ensure_ascii=False, default=str))
    elif module is None:
        for each in names:
            sources = [row for row in shown if key_of(row)[0] == each]
            active = sum(is_active(row) for row in sources)
            click.echo(f"{each}: {count(len(sources), 'source')}, {active} active")
    else:
        for row in shown:
            state = "" if is_active(row) else " (inactive)"
            order = row.get("execution_order")
            when = f"depends on {row.get('depends_on')}" if order is None else f"order {order}"
            click.echo(f"{row['source_id']}{state}: {when}, {row['transformation_config']}")


@command.command("export")
@click.argument("modules", nargs=-1)
@_table_options
@click.pass_context
def export_(
    ctx: click.Context, modules: tuple[str, ...], name: str | None, warehouse_id: str | None, path: str | None
) -> None:
    """Print the table as YAML metadata; loading it gives the same rows.

    \b
    Examples:
      ljm table export > metadata.yml
      ljm table export bronze_to_silver reporting

    """
    click.echo(export(_chosen(ctx, name, warehouse_id, path).open(), modules), nl=False)


@command.command("history")
@click.option("--limit", type=click.IntRange(1), default=20, help="How many versions.", show_default=True)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="As lines or as JSON.")
@_table_options
@click.pass_context
def history(
    ctx: click.Context, limit: int, form: str, name: str | None, warehouse_id: str | None, path: str | None
) -> None:
    """Show the newest versions: when, what, by whom.

    \b
    Examples:
      ljm table history --limit 5

    """
    commits = _chosen(ctx, name, warehouse_id, path).open().history(limit)
    if form == "json":
        entries = [
            {"version": c.version, "timestamp": c.timestamp.isoformat(), "operation": c.operation, "user": c.user}
            for c in commits
        ]
        click.echo(json.dumps(entries, indent=2))
        return
    for commit in commits:
        by = f" by {commit.user}" if commit.user else ""
        click.echo(f"{commit.version:>6}  {commit.timestamp:%Y-%m-%d %H:%M:%S %Z}  {commit.operation}{by}")


@command.command("diff")
@click.argument("before", type=click.IntRange(0))
@click.argument("after", type=click.IntRange(0), required=False)
@_table_options
@click.pass_context
def diff(
    ctx: click.Context, before: int, after: int | None, name: str | None, warehouse_id: str | None, path: str | None
) -> None:
    """Say which modules and sources changed from version BEFORE to AFTER (default: the newest).

    \b
    Examples:
      ljm table diff 3
      ljm table diff 3 7

    """
    changes = compare_versions(_chosen(ctx, name, warehouse_id, path).open(), before, after)
    for line in changes.lines():
        click.echo(line)
    _say(f"{count(len(changes.modules), 'module')} changed.")
