"""`ljm init`: a new project, or what a bundle lacks; asks on a terminal, and never overwrites."""

from __future__ import annotations

import re
import sys
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote
from tempfile import TemporaryDirectory

import click

from lakeflow_job_meta._internal.secrets import masked, without_secrets
from lakeflow_job_meta._internal.text import count, json_like, listing, quoted
from lakeflow_job_meta._internal.trees import Value
from lakeflow_job_meta.cli.params import compile_for_review, optional_text
from lakeflow_job_meta.cli.report import aligned, echo, show_list, show_progress, show_text
from lakeflow_job_meta.config.load import load_project
from lakeflow_job_meta.config.model import BUNDLE_FILE, bundle_file_in
from lakeflow_job_meta.config.repository import repository_of
from lakeflow_job_meta.errors import ConfigError, LakeflowJobMetaError
from lakeflow_job_meta.services.existing_bundle import look_into_bundle
from lakeflow_job_meta.services.new_project import (
    CI_FILES,
    POLICIES_FILE,
    Flavour,
    NewProject,
    lacking,
    project_files,
    tool_files,
)
from lakeflow_job_meta.services.row_choice import ChosenRows, example_rows, in_project, rows_of_csv, rows_of_table
from lakeflow_job_meta.services.scaffold import write_new_files
from lakeflow_job_meta.tables.names import is_location
from lakeflow_job_meta.tables.open import WAREHOUSE_VARIABLE
from lakeflow_job_meta.workspace.client import Workspace, workspace_errors

_NO_CI = "none"
_SHOWN_ROWS = 3
_WIDEST_CELL = 28
_OF_A_NEW_REPOSITORY = re.compile(r"\..*|(README|LICENSE)(\..*)?", re.IGNORECASE)
_WAREHOUSE_ID = re.compile(r"[0-9A-Za-z_-]+")


@dataclass(frozen=True, slots=True)
class _Options:
    """What was said on the command line; None where nothing was.

    Attributes:
        asks: Whether the rest is asked.
    """

    root: Path
    table: str | None
    csv: str | None
    warehouse_id: str | None
    ci: str | None
    policies: bool | None
    asks: bool


@click.command("init")
@click.argument("new", metavar="[DIR]", type=click.Path(path_type=Path), required=False)
@click.option("--from", "origin", type=click.Choice([each.value for each in Flavour]), help="What to begin with.")
@optional_text("--table", metavar="TABLE", help="The table of --from table: a path, a URL, or catalog.schema.table.")
@optional_text("--csv", metavar="FILE", help="The file of --from csv. Default: an example.")
@optional_text(
    "--warehouse-id", metavar="ID", envvar=WAREHOUSE_VARIABLE, help="The SQL warehouse of tasks, and of the table."
)
@click.option("--ci", type=click.Choice([*CI_FILES, _NO_CI]), help="The CI that a recipe is for. Default: none.")
@click.option("--policies/--no-policies", default=None, help="Rules that every job must keep. Default: none.")
@click.pass_obj
@click.pass_context
def command(
    ctx: click.Context,
    folder: Path | None,
    new: Path | None,
    origin: str | None,
    table: str | None,
    csv: str | None,
    warehouse_id: str | None,
    ci: str | None,
    policies: bool | None,
) -> None:
    """Make a project in DIR, by default the current folder.

    It begins with an example (starter), or with a job for each row of a table or CSV file that you have. A bundle that
    exists gets what it lacks. Nothing is overwritten. On a terminal, what no option says is asked.

    \b
    Examples:
      ljm init my_pipelines
      ljm init my_pipelines --table main.etl.ingest_list --warehouse-id 0123456789abcdef
      ljm init my_pipelines --csv tables.csv --ci github --policies
      ljm init --from existing                     in the folder of a bundle
    """
    asks = sys.stdin.isatty() and sys.stderr.isatty()
    options = _Options(new or folder or Path(), table, csv, warehouse_id, ci, policies, asks)
    flavour = _flavour(options, origin)
    if flavour is Flavour.EXISTING:
        _complete_bundle(options)
        return
    has_problems = _make_project(options, flavour)
    ctx.exit(1 if has_problems else 0)


def _flavour(options: _Options, origin: str | None) -> Flavour:
    """Returns what to begin with, and refuses options that do not go with it."""
    if options.warehouse_id is not None and not _WAREHOUSE_ID.fullmatch(options.warehouse_id):
        raise ConfigError(f"{options.warehouse_id!r} is no id of a SQL warehouse; copy it from the warehouse's page.")
    implied = [each for each, said in ((Flavour.TABLE, options.table), (Flavour.CSV, options.csv)) if said is not None]
    if origin is None and not implied and options.asks:
        default = Flavour.STARTER if bundle_file_in(options.root) is None else Flavour.EXISTING
        origin = _chosen("Begin with", [each.value for each in Flavour], default.value)
    flavour = Flavour(origin) if origin is not None else next(iter(implied), Flavour.STARTER)
    if wrong := [each.value for each in implied if each is not flavour]:
        raise ConfigError(f"--{wrong[0]} is the {wrong[0]} of --from {wrong[0]}, and this is --from {flavour.value}.")
    return flavour


def _make_project(options: _Options, flavour: Flavour) -> bool:
    """Writes a new project; returns whether the rows that it reads have problems."""
    root, written = options.root, _named_rows(options, flavour)
    _refuse_unfit_folder(root, written)
    project = NewProject(_bundle_name(root), flavour, options.warehouse_id)
    has_problems = False
    if flavour is Flavour.STARTER:
        project = _with_extras(replace(project, warehouse_id=_warehouse(options)), options)
    else:
        project, rows = _with_rows(project, options, written)
        project = _with_extras(project, options)
        _show_rows(rows, written)
        has_problems = _show_jobs(project)
        project = replace(project, rows=in_project(rows, root, written))
        if options.asks and not click.confirm("Write this project?", default=True, err=True):
            raise click.Abort
    files = {**project_files(project), **tool_files(project)}
    new = lacking(root, files)
    write_new_files(root, new)
    _show_files(root, files, new)
    _place_recipe(root, project.ci)
    if project.has_warehouse and project.warehouse_id is None:
        file = root / BUNDLE_FILE
        echo(f"First give the variable warehouse_id in {file} a SQL warehouse; nothing is deployed without.", err=True)
    echo(f"Next: {'' if root == Path() else f'cd {quote(str(root))} && '}ljm generate && ljm deploy -t dev", err=True)
    return has_problems


def _complete_bundle(options: _Options) -> None:
    """Adds to a bundle what it lacks, and says what a person has to add."""
    bundle = look_into_bundle(options.root)
    name = _bundle_name(options.root)
    project = NewProject(name, Flavour.EXISTING, warehouse=bundle.warehouse, production=bundle.production)
    project = _with_extras(project, options)
    locations = [each.location for each in bundle.project.metadata if each.kind == "yaml"]
    files = {**project_files(project), **tool_files(project, locations)}
    new = bundle.lacking(files)
    write_new_files(options.root, new)
    _show_files(options.root, files, new)
    for path, lines in bundle.to_add(POLICIES_FILE if project.has_policies else None, new):
        echo(f"Add to {options.root / path}:")
        echo("".join(f"    {line}\n" for line in lines.split("\n")).rstrip("\n"))
    _place_recipe(options.root, project.ci)
    echo("Next: ljm validate && ljm plan", err=True)


def _show_files(root: Path, files: Iterable[str], new: Container[str]) -> None:
    show_list([("create " if path in new else "keep ", str(root / path)) for path in files])


def _place_recipe(root: Path, ci: str | None) -> None:
    """Says what to do with a recipe that its CI does not find, since the project is in a folder of its repository."""
    root = root.resolve()
    repository = repository_of(root)
    if ci is not None and repository != root:
        folder = root.relative_to(repository).as_posix()
        echo(f"Move {CI_FILES[ci]} to the root of the repository, and let its steps run in {folder}.", err=True)


def _refuse_unfit_folder(root: Path, source: str) -> None:
    """Refuses a folder that a project is in, or anything else than a new repository and the rows that are meant."""
    if (found := bundle_file_in(root)) is not None:
        raise ConfigError(f"{found} is a bundle already. `ljm init --from existing` adds to it what it lacks.")
    try:
        names = sorted(each.name for each in root.iterdir()) if root.exists() else []
    except OSError as error:
        raise ConfigError(f"{error.filename} cannot be read: {error.strerror}.") from None
    path = Path(source).absolute()
    own = path.relative_to(root.absolute()).parts[:1] if source and path.is_relative_to(root.absolute()) else ()
    if others := [name for name in names if not _OF_A_NEW_REPOSITORY.fullmatch(name) and name not in own]:
        raise ConfigError(f"{root} is not empty: it has {listing(others, 5)}. Name a new folder.")


def _bundle_name(root: Path) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "_", root.absolute().resolve().name).strip("_-") or "my_pipelines"


def _named_rows(options: _Options, flavour: Flavour) -> str:
    """Returns how the user names the table or file; empty for none."""
    if (named := options.table or options.csv) is not None:
        return named
    if flavour is Flavour.CSV:
        return _asked("CSV file (empty: an example)") if options.asks else ""
    if flavour is not Flavour.TABLE:
        return ""
    if not (named := _asked("Table (a path, a URL, or catalog.schema.table)") if options.asks else ""):
        raise ConfigError("Name the table with --table: a path, a URL, or catalog.schema.table.")
    return named


def _with_rows(project: NewProject, options: _Options, name: str) -> tuple[NewProject, ChosenRows]:
    """Reads the table or file; returns it as it is read from anywhere."""
    if project.flavour is Flavour.CSV:
        rows = rows_of_csv(name) if name else example_rows()
    else:
        if not is_location(name) and "." not in name:
            raise ConfigError(
                f"{quoted(name)} is neither a path nor a table of a catalog. Write ./{name} for a Delta table in that "
                f"folder, or catalog.schema.{name}."
            )
        warehouse_id = options.warehouse_id if is_location(name) else _warehouse(options)
        project = replace(project, warehouse_id=warehouse_id)
        rows = rows_of_table(name, warehouse_id, show_progress)
    return replace(project, rows=rows.choice), rows


def _with_extras(project: NewProject, options: _Options) -> NewProject:
    """Adds what every project may have: a recipe for its CI, and policies."""
    ci, policies = options.ci, options.policies
    if ci is None and options.asks:
        ci = _chosen("CI", [*CI_FILES, _NO_CI], _NO_CI)
    if policies is None and options.asks:
        policies = click.confirm("Rules that every job must keep (policies.yml)?", default=False, err=True)
    return replace(project, ci=None if ci == _NO_CI else ci, has_policies=policies is True)


def _warehouse(options: _Options) -> str | None:
    """Returns the warehouse: the one that was named, or one of the workspace's that is chosen."""
    if options.warehouse_id is not None or not options.asks:
        return options.warehouse_id
    try:
        workspace = Workspace()
        with workspace_errors(workspace):
            found = {str(each.id): str(each.name) for each in workspace.client().warehouses.list()}
    except LakeflowJobMetaError as error:
        echo(f"The warehouses of the workspace are not known: {error}", err=True)
        found = {}
    for number, (warehouse_id, name) in enumerate(found.items(), start=1):
        echo(f"  {number}  {name} ({warehouse_id})", err=True)
    while answer := _asked("SQL warehouse, by its number or id (empty: later)"):
        chosen = [*found][int(answer) - 1] if answer.isdigit() and 0 < int(answer) <= len(found) else answer
        if _WAREHOUSE_ID.fullmatch(chosen):
            return chosen
        echo(f"{answer!r} is no id of a SQL warehouse.", err=True)
    return None


def _asked(question: str) -> str:
    return str(click.prompt(question, default="", show_default=False, err=True)).strip()


def _chosen(question: str, choices: Sequence[str], default: str) -> str:
    return str(click.prompt(question, type=click.Choice(choices), default=default, err=True))


def _show_rows(rows: ChosenRows, name: str) -> None:
    """Shows the first rows, and which column becomes what."""
    first = rows.rows[:_SHOWN_ROWS]
    shown = [rows.columns, *([_cell(*each) for each in zip(rows.columns, row, strict=True)] for row in first)]
    source = without_secrets(name or rows.choice.location)
    echo(f"{source}: {count(len(rows.rows), 'row')} of {count(len(rows.columns), 'column')}. The first:")
    _show_table(shown)
    proposal = rows.choice.proposal
    echo("Each row fills a blueprint, which makes a job of it:")
    _show_table(
        [
            [each.name, f"<- {each.column}", each.type, "required" if each.is_required else "may be NULL"]
            for each in proposal.parameters
        ]
    )
    echo(f"A row is known by {listing(proposal.key)}, and its job is named after that.")
    if proposal.active is not None:
        echo(f"A row whose {proposal.active!r} is false gets no job.")
    if proposal.unused:
        echo(f"Not used, since a notebook takes text: {listing(proposal.unused)}.")


def _cell(column: str, value: Value) -> str:
    shown = masked(value, (column,))
    text = "NULL" if shown is None else " ".join((shown if isinstance(shown, str) else json_like(shown)).split())
    return text if len(text) <= _WIDEST_CELL else f"{text[: _WIDEST_CELL - 3]}..."


def _show_table(lines: Sequence[Sequence[str]]) -> None:
    for line in aligned(lines):
        echo(f"  {'  '.join(line)}".rstrip())


def _show_jobs(project: NewProject) -> bool:
    """Compiles the project where nobody sees it, and shows its jobs; returns whether there are errors."""
    with TemporaryDirectory() as scratch:
        folder = Path(scratch).resolve()
        write_new_files(folder, project_files(project))
        compilation = compile_for_review(load_project(folder))
    show_text(compilation.diagnostics)
    echo(f"That makes {count(len(compilation.jobs), 'job')}: {listing(sorted(compilation.jobs.names), 10)}.")
    return bool(compilation.errors)
