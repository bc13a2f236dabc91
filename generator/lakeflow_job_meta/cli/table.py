"""`ljm table`: the control table, wherever it is."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path

import click

from lakeflow_job_meta._internal.secrets import without_found
from lakeflow_job_meta._internal.text import count, did_you_mean, printable, quoted
from lakeflow_job_meta.cli.params import open_project
from lakeflow_job_meta.cli.report import ProgressBar, echo, show_json, show_progress, show_text
from lakeflow_job_meta.config.model import MetadataSource, Project
from lakeflow_job_meta.control_table.changes import compare_versions
from lakeflow_job_meta.control_table.schema import is_active, key_of
from lakeflow_job_meta.control_table.versions import version_named
from lakeflow_job_meta.errors import ConfigError, OperationFailed
from lakeflow_job_meta.services.table_load import export, load, read_checked
from lakeflow_job_meta.services.table_rollback import plan_rollback, roll_back
from lakeflow_job_meta.sources.open import open_table_source
from lakeflow_job_meta.sources.yaml_files import YamlReader
from lakeflow_job_meta.tables.schema import Row
from lakeflow_job_meta.tables.store import Commit, VersionedTable


@dataclass(frozen=True, slots=True)
class _TableOption:
    """The table of the options, or the only one of the project."""

    folder: Path | None
    name: str | None
    warehouse_id: str | None
    path: str | None

    def project(self) -> Project:
        return open_project(self.folder)

    def open(self) -> VersionedTable:
        source, folder = self._source()
        return open_table_source(source, folder, on_wait=_report)

    def _source(self) -> tuple[MetadataSource, Path]:
        if self.name is not None and self.path is not None:
            raise ConfigError("Name one table: either --table or --delta.")
        if self.path is not None:
            return MetadataSource("delta", self.path), Path()
        if self.name is not None:
            return MetadataSource("table", self.name, self.warehouse_id), Path()
        project = self.project()
        tables = project.table_sources
        if len(tables) != 1:
            found = len(tables) or "none"
            own = any(source.rows is not None for source in project.metadata)
            hint = " (what fills a blueprint is no control table: it is only read)" if own and not tables else ""
            raise ConfigError(f"Name a table with --table or --delta; 'metadata' in job_meta.yml has {found}{hint}.")
        return replace(tables[0], warehouse_id=self.warehouse_id or tables[0].warehouse_id), project.folder


def _report(message: str) -> None:
    echo(message, err=True)


def _with_table_option(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options that name the table, and hands them to the command as one argument."""

    @functools.wraps(command)
    @click.option("--table", "name", metavar="NAME", help="A table of Unity Catalog: catalog.schema.table.")
    @click.option("--warehouse-id", metavar="ID", help="The SQL warehouse that reaches --table.")
    @click.option("--delta", "path", metavar="PATH", help="A Delta table by path or URL.")
    @click.pass_obj
    def run(
        folder: Path | None, /, name: str | None, warehouse_id: str | None, path: str | None, **options: object
    ) -> None:
        command(_TableOption(folder, name, warehouse_id, path), **options)

    return run


@click.group("table")
def command() -> None:
    """Create, fill, show, export, compare and put back a control table.

    The table is the one of job_meta.yml, or given with --delta PATH, or with --table NAME and --warehouse-id ID.

    \b
    Examples:
      ljm table create --delta data/etl_control
      ljm table load metadata/ --dry-run
      ljm table diff 3

    """


@command.command("create")
@click.option("--optional-columns", is_flag=True, help="With depends_on, job_config and description.")
@click.option("--original", is_flag=True, help="With the eight columns of the original tool, and no others.")
@_with_table_option
def create(chosen: _TableOption, optional_columns: bool, original: bool) -> None:
    """Create the table, or add the optional columns that an older one lacks.

    An INSERT of eight values without names of columns, as in the original tool, fits a table made with --original.

    \b
    Examples:
      ljm table create --delta data/etl_control --optional-columns
      ljm table create --table main.etl.etl_control --warehouse-id abc123

    """
    if original and optional_columns:
        raise ConfigError("--original is a table without the optional columns: give one of the two.")
    table = chosen.open()
    _report(f"{table.name}: {table.create(optional_columns=optional_columns, original=original).value}.")


@command.command("load")
@click.argument("metadata", nargs=-1, required=True)
@click.option("--prune", is_flag=True, help="Delete rows of the loaded modules that are not in the YAML.")
@click.option("--dry-run", is_flag=True, help="Write nothing; show which rows would change.")
@_with_table_option
def load_(chosen: _TableOption, metadata: tuple[str, ...], prune: bool, dry_run: bool) -> None:
    """Load YAML metadata (files, folders, globs) into the table.

    Everything is checked before the first row is written, and all goes in with one commit or not at all. Over SQL, more
    than fits into one statement goes in with several; run again if that was interrupted. A source that was switched off
    in the table stays off unless the YAML has is_active: true.

    \b
    Examples:
      ljm table load metadata/ --dry-run
      ljm table load metadata/sales.yml --prune

    """
    table, project = chosen.open(), chosen.project()
    readers = [YamlReader(project.folder, str(Path(pattern).absolute())) for pattern in metadata]
    with ProgressBar() as progress:
        modules, warnings = read_checked(project, readers, table, progress.update)
    show_text(warnings)
    plan = load(table, modules, prune=prune, dry_run=dry_run, on_progress=show_progress)
    for line in plan.changes.lines():
        echo(line)
    for module, source in () if prune else plan.stale:
        _report(f"not in the YAML: source {quoted(source)} of {quoted(module)}; --prune deletes it")
    changed = count(len(plan.changes.sources), "row")
    _report(f"{table.name}: {changed} {'would change' if dry_run else 'changed'} of {plan.rows} loaded.")


def _without_secrets(row: Row) -> Row:
    return {name: without_found(cell) if isinstance(cell, str) else cell for name, cell in row.items()}


@command.command("show")
@click.argument("module", required=False)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="As lines or as JSON.")
@_with_table_option
def show(chosen: _TableOption, module: str | None, form: str) -> None:
    """Show the modules of the table, or the rows of one.

    \b
    Examples:
      ljm table show
      ljm table show bronze_to_silver --format json

    """
    table = chosen.open()
    rows = sorted(table.read().rows, key=key_of)
    names = list(dict.fromkeys(key_of(row)[0] for row in rows))
    if module is not None and module not in names:
        raise OperationFailed(f"{table.name} has no module {quoted(module)}{did_you_mean(module, names)}")
    shown = [_without_secrets(row) for row in rows if module in (None, row.get("module_name"))]
    if form == "json":
        show_json(shown)
    elif module is None:
        for each, group in groupby(shown, key=lambda row: key_of(row)[0]):
            sources = list(group)
            active = sum(is_active(row) for row in sources)
            echo(f"{each}: {count(len(sources), 'source')}, {active} active")
    else:
        for row in shown:
            state = "" if is_active(row) else " (inactive)"
            order = row.get("execution_order")
            when = f"depends on {row.get('depends_on')}" if order is None else f"order {order}"
            echo(f"{row['source_id']}{state}: {when}, {row['transformation_config']}")


@command.command("export")
@click.argument("modules", nargs=-1)
@_with_table_option
def export_(chosen: _TableOption, modules: tuple[str, ...]) -> None:
    """Print the table as YAML metadata; loading it gives the same rows.

    \b
    Examples:
      ljm table export > metadata.yml
      ljm table export bronze_to_silver reporting

    """
    click.echo(export(chosen.open(), modules), nl=False)


@command.command("history")
@click.option("--limit", type=click.IntRange(1), default=20, help="How many versions.", show_default=True)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="As lines or as JSON.")
@_with_table_option
def history(chosen: _TableOption, limit: int, form: str) -> None:
    """Show the newest versions: when, what, by whom.

    \b
    Examples:
      ljm table history --limit 5

    """
    commits = chosen.open().history(limit)
    if form == "json":
        entries = [{**asdict(commit), "timestamp": commit.timestamp.isoformat()} for commit in commits]
        show_json(entries)
        return
    for commit in commits:
        echo(f"{commit.version:>6}  {commit.timestamp:%Y-%m-%d %H:%M:%S %Z}  {commit.operation}{_by(commit)}")


@command.command("diff")
@click.argument("before", type=click.IntRange(0))
@click.argument("after", type=click.IntRange(0), required=False)
@_with_table_option
def diff(chosen: _TableOption, before: int, after: int | None) -> None:
    """Show which modules and sources changed from version BEFORE to AFTER (default: the newest).

    \b
    Examples:
      ljm table diff 3
      ljm table diff 3 7

    """
    changes = compare_versions(chosen.open(), before, after)
    for line in changes.lines():
        echo(line)
    _report(f"{count(len(changes.modules), 'module')} changed.")


@command.command("rollback")
@click.argument("modules", nargs=-1, required=True)
@click.option("--to", "to", required=True, metavar="VERSION", help="A version, or a moment: the newest version then.")
@click.option("--dry-run", is_flag=True, help="Write nothing; show which rows would change.")
@click.option("--yes", is_flag=True, help="Write without asking.")
@_with_table_option
def rollback(chosen: _TableOption, modules: tuple[str, ...], to: str, dry_run: bool, yes: bool) -> None:
    """Put the rows of modules back to what they were in a version, in one new commit.

    Rows that came since are removed, and rows that are gone come back. Nothing is written where somebody changes one of
    these rows meanwhile. Rows of other modules stay. What is deployed changes with the next deployment, and its safety
    gate is asked then. A moment such as 2026-03-01T12:00 is in UTC.

    \b
    Examples:
      ljm table rollback bronze_to_silver --to 17 --dry-run
      ljm table rollback bronze_to_silver reporting --to 2026-03-01T12:00

    """
    table = chosen.open()
    version, commit = version_named(table, to)
    plan = plan_rollback(table, modules, version)
    for line in plan.lines():
        echo(line)
    for note in plan.notes:
        _report(f"{table.name}: {note}.")
    of = f" of {commit.timestamp:%Y-%m-%d %H:%M:%S %Z}{_by(commit)}" if commit is not None else ""
    as_in = f"as in version {plan.version}{of}"
    if dry_run or not plan.changes:
        _report(f"{table.name}: {plan.summary} would change, {as_in}." if plan.changes else f"{table.name}: {_SAME}.")
        return
    if not yes:
        _confirm(f"{table.name}: change {plan.summary}, {as_in}?")
    roll_back(table, plan)
    _report(f"{table.name}: {plan.summary} changed, {as_in}. To take that back: --to {plan.read}.")


_SAME = "nothing to change: the rows of these modules are as they were in that version"


def _by(commit: Commit) -> str:
    return f" by {commit.user}" if commit.user else ""


def _confirm(question: str) -> None:
    """Asks on a terminal; raises an error elsewhere."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise ConfigError("Nobody can be asked here, so nothing was written: give --yes, or --dry-run to only look.")
    if not click.confirm(printable(question), err=True):
        raise click.Abort
