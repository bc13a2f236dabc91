"""`ljm doctor`: is everything there that a deployment needs, and what to do about what is not."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click

from lakeflow_job_meta import __version__
from lakeflow_job_meta._internal.text import listing
from lakeflow_job_meta._internal.trees import value_at
from lakeflow_job_meta.cli.params import open_project
from lakeflow_job_meta.config.model import BUNDLE_FILE, MetadataSource, Project
from lakeflow_job_meta.deploy.databricks_cli.client import DatabricksCli, check_version, find_cli, without_secrets
from lakeflow_job_meta.errors import LakeflowJobMetaError, OperationFailed
from lakeflow_job_meta.layout.common_config import read_common_config
from lakeflow_job_meta.sources.open import open_table_source
from lakeflow_job_meta.tables.open import WAREHOUSE_VARIABLE
from lakeflow_job_meta.text.yaml_reader import read_yaml
from lakeflow_job_meta.workspace.client import ResourceMissing, Workspace, workspace_errors

_LOGIN_SECONDS = 60


@dataclass(frozen=True, slots=True)
class _Check:
    """One thing to look at: returns what is there, or raises what is wrong."""

    what: str
    look: Callable[[], str]


@click.command("doctor")
@click.option("--target", "-t", metavar="TARGET", help="The bundle's target, for the login.")
@click.pass_obj
@click.pass_context
def command(ctx: click.Context, folder: Path | None, target: str | None) -> None:
    """Check what a deployment needs: Python, the databricks CLI, login, tables, includes.

    Each line says what was found, or what is wrong and what to do about it. Exits with 1 if anything is wrong.

    \b
    Examples:
      ljm doctor
      ljm doctor -t prod

    """
    results = [_told(check) for check in _checks(folder, target)]
    ctx.exit(0 if all(results) else 1)


def _told(check: _Check) -> bool:
    """Looks, tells what was found, and returns whether it is well."""
    try:
        click.echo(f"{click.style('ok', fg='green')}     {check.what}: {check.look()}")
    except LakeflowJobMetaError as error:
        click.echo(f"{click.style('wrong', fg='red')}  {check.what}: {error}")
        return False
    return True


def _checks(folder: Path | None, target: str | None) -> Iterator[_Check]:
    yield _Check("Python", lambda: f"{platform.python_version()} at {sys.prefix}, lakeflow-job-meta {__version__}")
    yield _Check("project", lambda: str(open_project(folder).folder))
    try:
        project = open_project(folder)
    except LakeflowJobMetaError:
        return
    yield _Check("includes", lambda: _includes(project))
    yield _Check("databricks CLI", lambda: check_version(_cli(project, target)))
    yield _Check("login", lambda: _login(_cli(project, target)))
    tables = [source for source in project.metadata if source.kind == "table"]
    warehouses = {source.warehouse_id or os.environ.get(WAREHOUSE_VARIABLE) for source in tables}
    warehouses.add(project.defaults.warehouse_id)
    for warehouse in sorted(each for each in warehouses if each and "${" not in each):
        yield _Check(f"warehouse {warehouse}", partial(_warehouse, warehouse))
    yield from (_Check(f"table {source.location}", partial(_table, source, project.folder)) for source in tables)


def _warehouse(warehouse_id: str) -> str:
    workspace = Workspace()
    try:
        with workspace_errors(workspace):
            found = workspace.client().warehouses.get(warehouse_id)
    except ResourceMissing:
        raise OperationFailed(
            f"{workspace.host} has no SQL warehouse {warehouse_id!r}, or does not show it to you. Copy the id from the "
            "warehouse's page, or ask for the permission to use it."
        ) from None
    return f"{found.name}, {found.state.value.lower() if found.state is not None else 'of unknown state'}"


def _table(source: MetadataSource, folder: Path) -> str:
    return f"version {open_table_source(source, folder).version().number}"


def _cli(project: Project, target: str | None) -> DatabricksCli:
    return DatabricksCli(find_cli(os.environ), project.folder, target)


def _login(cli: DatabricksCli) -> str:
    target = ["--target", cli.target] if cli.target is not None else []
    result = cli.run(["current-user", "me", "-o", "json", *target], _LOGIN_SECONDS)
    if result.code != 0:
        raise OperationFailed(
            f"{without_secrets(' '.join(result.stderr.split()))[:300]} Log in with `databricks auth login`, or set "
            "DATABRICKS_HOST and DATABRICKS_TOKEN."
        )
    user = value_at(read_yaml(result.stdout).value, ("userName",))[1]
    return str(user or "accepted")


def _includes(project: Project) -> str:
    if project.bundles is not None:
        return f"each bundle includes {listing(read_common_config(project).include) or 'nothing'}"
    path = project.folder / BUNDLE_FILE
    if not path.is_file():
        raise OperationFailed(
            f"there is no {BUNDLE_FILE} in {str(project.folder)!r}; bundle/starter of this project has one."
        )
    root = read_yaml(path.read_text(encoding="utf-8", errors="replace")).value
    include = value_at(root, ("include",))[1]
    wanted = f"{project.output}/jobs/*.yml"
    if not isinstance(include, list) or wanted not in include:
        raise OperationFailed(f"{BUNDLE_FILE} does not include the generated files; add `- {wanted}` below 'include:'.")
    return wanted
