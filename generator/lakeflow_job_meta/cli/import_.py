"""`ljm import`: jobs that exist already become modules, and prove that they would be generated as they are."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click

from lakeflow_job_meta._internal.text import count
from lakeflow_job_meta.cli.params import Command, format_option, open_project, target_option
from lakeflow_job_meta.cli.report import ProgressBar, echo, show_json
from lakeflow_job_meta.config.model import PROJECT_FILE, Project
from lakeflow_job_meta.deployment.jobs_api.client import JobsClient
from lakeflow_job_meta.deployment.login import workspace_of_target
from lakeflow_job_meta.importing.bundle_files import folders_of_bundles
from lakeflow_job_meta.importing.destinations import control_table, metadata_files
from lakeflow_job_meta.importing.imports import import_bundle, import_jobs, import_jobs_meta, write_import
from lakeflow_job_meta.importing.live_jobs import Selection
from lakeflow_job_meta.importing.model import Destination, Import, NotImported


@click.group("import")
def command() -> None:
    """Turn jobs that exist already into modules: of the bundle's own files, or of the workspace.

    Each import proves itself: what it wrote is generated in memory and compared with what was read, setting by setting.
    """


def _shared_options(command: Command) -> Command:
    """Adds the options that every import has."""
    to = click.option(
        "--to",
        "place",
        metavar="DIR",
        type=click.Path(path_type=Path),
        help="The folder for the new metadata files. Default: imported/ in the folder that 'metadata:' reads.",
    )
    to_table = click.option(
        "--to-table", is_flag=True, help="Load the modules into the project's control table instead."
    )
    blueprint = click.option(
        "--as-blueprint",
        is_flag=True,
        help="Make a blueprint and a CSV file of rows of jobs that differ in few values.",
    )
    dry_run = click.option("--dry-run", is_flag=True, help="Write nothing; show what would be imported.")
    return to(to_table(blueprint(dry_run(format_option(["text", "json"])(command)))))


@command.command("bundle")
@click.argument("files", nargs=-1, required=True)
@click.option(
    "--replace", "replacing", is_flag=True, help="Take the imported jobs out of their files; emptied ones go."
)
@_shared_options
@click.pass_obj
@click.pass_context
def bundle(
    ctx: click.Context,
    folder: Path | None,
    files: tuple[str, ...],
    replacing: bool,
    place: Path | None,
    to_table: bool,
    as_blueprint: bool,
    dry_run: bool,
    form: str,
) -> None:
    """Import jobs that YAML or JSON files of this bundle define, with their keys, names, references and comments.

    What files say of a job for one target stays where it is. Nothing is overwritten. Exits with 1 if a job is refused,
    or would get another setting from the project's defaults or presets. Files of several bundles, each with a
    databricks.yml of its own, become a project in each.

    \b
    Examples:
      ljm import bundle resources/*.yml --dry-run
      ljm import bundle resources/*.yml databricks.yml --replace
      ljm import bundle */resources/*.yml --replace          several bundles
    """
    bundles = folders_of_bundles(files) if folder is None else {folder: files}
    if len(bundles) > 1 and (place is not None or form == "json"):
        raise click.UsageError(f"--{'to' if place else 'format json'} is for the files of one bundle, not of several.")
    code = 0
    for each, own in bundles.items():
        if len(bundles) > 1 and each is not None:
            echo(f"{os.path.relpath(each)}:", err=True)
        project = open_project(each)
        destination = _destination(project, place, to_table)
        make = partial(import_bundle, project, own, destination, replacing=replacing, as_blueprint=as_blueprint)
        code = max(code, _run(project, make, dry_run=dry_run, form=form))
    ctx.exit(code)


@command.command("jobs")
@click.argument("ids", nargs=-1, type=click.IntRange(1))
@click.option("--name", "names", multiple=True, metavar="GLOB", help="Jobs of such a name; one of several globs.")
@click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", help="Jobs with this tag; with all of several.")
@click.option("--unmanaged", is_flag=True, help="All jobs that no bundle deploys.")
@target_option
@_shared_options
@click.pass_obj
@click.pass_context
def jobs(
    ctx: click.Context,
    folder: Path | None,
    ids: tuple[int, ...],
    names: tuple[str, ...],
    tags: tuple[str, ...],
    unmanaged: bool,
    target: str | None,
    place: Path | None,
    to_table: bool,
    as_blueprint: bool,
    dry_run: bool,
    form: str,
) -> None:
    """Import jobs of the workspace: those of some ids, or those that fit all of the options.

    Jobs that a bundle deploys are left alone. Notebooks stay where they are in the workspace, in which nothing is
    changed. No file is overwritten. Exits with 1 if a job is refused, or would get another setting from the project.

    \b
    Examples:
      ljm import jobs 123456789 --dry-run
      ljm import jobs --tag team=sales -t prod --to metadata/sales
      ljm import jobs --name "Nightly *" --unmanaged
    """
    if ids and (names or tags or unmanaged):
        raise click.UsageError("Give ids, or options that say which jobs; not both.")
    if wrong := next((tag for tag in tags if "=" not in tag), None):
        raise click.UsageError(f"--tag {wrong}: write KEY=VALUE.")
    pairs = [(tag.partition("=")[0], tag.partition("=")[2]) for tag in tags]
    project = open_project(folder)
    wanted = Selection(ids, names, dict(pairs), unmanaged)
    destination = _destination(project, place, to_table)
    client = JobsClient(workspace_of_target(project, target))
    plan = partial(import_jobs, project, client, wanted, destination, target, as_blueprint=as_blueprint)
    ctx.exit(_run(project, plan, dry_run=dry_run, form=form))


@command.command("lakeflow-jobs-meta")
@click.argument("sources", nargs=-1, required=True, metavar="FILE|TABLE...")
@click.option("--warehouse-id", metavar="ID", help="The SQL warehouse that reads a table of Unity Catalog.")
@target_option
@_shared_options
@click.pass_obj
@click.pass_context
def lakeflow_jobs_meta(
    ctx: click.Context,
    folder: Path | None,
    sources: tuple[str, ...],
    warehouse_id: str | None,
    target: str | None,
    place: Path | None,
    to_table: bool,
    as_blueprint: bool,
    dry_run: bool,
    form: str,
) -> None:
    """Import the metadata of lakeflow-jobs-meta 0.2: YAML files or folders, or its control table by name or path.

    The jobs get the names, keys of tasks and time limits that they have there. Where its table of jobs has their ids,
    the target takes them over (`adopt`). No file is overwritten. Exits with 1 if
    a job is refused, or would get another setting from the project's defaults or presets.

    \b
    Examples:
      ljm import lakeflow-jobs-meta old/metadata.yaml --dry-run
      ljm import lakeflow-jobs-meta main.etl.etl_control --warehouse-id abc123 -t prod
    """
    project = open_project(folder)
    destination = _destination(project, place, to_table)
    plan = partial(
        import_jobs_meta,
        project,
        sources,
        destination,
        target=target,
        warehouse_id=warehouse_id,
        as_blueprint=as_blueprint,
    )
    ctx.exit(_run(project, plan, dry_run=dry_run, form=form))


def _destination(project: Project, place: Path | None, to_table: bool) -> Destination:
    if to_table and place is not None:
        raise click.UsageError("--to names a folder and --to-table takes none; give one of them.")
    return control_table(project) if to_table else metadata_files(project, place)


def _run(project: Project, plan: Callable[..., Import], *, dry_run: bool, form: str) -> int:
    """Plans an import, writes it unless that is not wanted, and shows it; returns the exit code."""
    with ProgressBar() as progress:
        planned = plan(on_progress=progress.update)
    if not dry_run:
        write_import(project, planned)
    if form == "json":
        show_json(_as_json(planned))
    else:
        for module in planned.modules:
            echo(f"{module.label}  {module.name}  {module.job.where}")
    _show_notes(planned)
    written = "to write" if dry_run else "written"
    echo(f"{count(len(planned.modules), 'module')} {written}, {len(planned.refused)} refused.", err=True)
    return 0 if planned.is_exact else 1


def _show_notes(planned: Import) -> None:
    for note in planned.notes:
        echo(note, err=True)
    left = Counter(each.reason for each in planned.not_imported if not each.is_refused)
    for reason, number in left.items():
        names = [each.name or each.where for each in planned.not_imported if each.reason == reason]
        shown = ", ".join(names[:5]) + (f" and {number - 5:,} more" if number > 5 else "")
        echo(f"Left alone: {count(number, 'job')} ({shown}): {reason}.", err=True)
    for module in planned.modules:
        for difference in module.differences:
            echo(f"~ {module.name}: {difference}", err=True)
    for each in planned.refused:
        echo(f"Refused: {each}", err=True)
    for file in planned.changed:
        done = "without the imported jobs" if file.after is not None else "goes: nothing is left in it"
        done = "reads the rows now" if file.label == PROJECT_FILE else done
        echo(f"{file.label}: {done}", err=True)


def _as_json(planned: Import) -> dict[str, object]:
    def left(found: NotImported) -> dict[str, object]:
        return {"name": found.name, "where": found.where, "reason": found.reason, "refused": found.is_refused}

    return {
        "modules": [
            {
                "module": module.name,
                "file": module.label,
                "from": module.job.where,
                "differences": [str(each) for each in module.differences],
            }
            for module in planned.modules
        ],
        "not_imported": [left(each) for each in planned.not_imported],
        "changed_files": [{"file": file.label, "goes": file.after is None} for file in planned.changed],
        "notes": list(planned.notes),
    }
