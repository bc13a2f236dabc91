"""`ljm doctor`: whether everything is there that a deployment needs, and what to do about what is not."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import click

from lakeflow_job_meta import __version__
from lakeflow_job_meta._internal.secrets import without_secrets
from lakeflow_job_meta._internal.text import count, listing, printable
from lakeflow_job_meta._internal.trees import value_at
from lakeflow_job_meta.cli.params import compile_metadata, open_project, target_option
from lakeflow_job_meta.compiler.placeholders import placeholder_values
from lakeflow_job_meta.compiler.result import Compilation
from lakeflow_job_meta.config.bundle import BundleDeclarations, read_bundle_declarations, target_named
from lakeflow_job_meta.config.model import ApprovalRule, MetadataSource, Project
from lakeflow_job_meta.control_table.approvals import APPROVALS
from lakeflow_job_meta.deployment.databricks_cli.client import DatabricksCli, check_version, find_cli
from lakeflow_job_meta.deployment.databricks_cli.known_settings import unknown_settings
from lakeflow_job_meta.deployment.select_backend import workspace_address
from lakeflow_job_meta.diagnostics.model import Diagnostic
from lakeflow_job_meta.diagnostics.rules import NOT_UPLOADED
from lakeflow_job_meta.errors import LakeflowJobMetaError, OperationFailed
from lakeflow_job_meta.layout.layout import layout_of
from lakeflow_job_meta.services.editor import outdated_schemas
from lakeflow_job_meta.sources.approved_rows import read_approvals
from lakeflow_job_meta.sources.interface import Reader
from lakeflow_job_meta.sources.open import open_readers, open_table_source
from lakeflow_job_meta.tables.open import WAREHOUSE_VARIABLE
from lakeflow_job_meta.text.yaml_reader import read_yaml
from lakeflow_job_meta.workspace.address import why_nobody_answers
from lakeflow_job_meta.workspace.client import ResourceMissing, Workspace, workspace_errors

_LOGIN_SECONDS = 60
_SCHEMA_SECONDS = 60
_COMMITS = 20
"""Among so many there is one by which rows changed, as a rule."""

_Check = tuple[str, Callable[[], str]]
"""What is checked, and a function that returns what was found or raises what is wrong."""


@click.command("doctor")
@target_option
@click.pass_obj
@click.pass_context
def command(ctx: click.Context, folder: Path | None, target: str | None) -> None:
    """Check what a deployment needs: Python, includes, files, variables, the databricks CLI, workspace, login, tables.

    Each line says what was found, or what is wrong and what to do about it. Exits with 1 if anything is wrong.

    \b
    Examples:
      ljm doctor
      ljm doctor -t prod
    """
    results = [_passes(what, check) for what, check in _checks(folder, target)]
    ctx.exit(0 if all(results) else 1)


class _Note(LakeflowJobMetaError):
    """Something that is to be mended, and that no deployment needs."""


def _passes(what: str, check: Callable[[], str]) -> bool:
    try:
        click.echo(f"{click.style('ok', fg='green')}     {what}: {printable(without_secrets(check()))}")
    except _Note as note:
        click.echo(f"{click.style('note', fg='yellow')}   {what}: {printable(without_secrets(str(note)))}")
    except LakeflowJobMetaError as error:
        told = f"{error}{_listed(error.diagnostics)}"
        click.echo(f"{click.style('wrong', fg='red')}  {what}: {printable(without_secrets(told))}")
        return False
    return True


def _checks(folder: Path | None, target: str | None) -> Iterator[_Check]:
    yield ("Python", lambda: f"{platform.python_version()} at {sys.prefix}, lakeflow-job-meta {__version__}")
    yield ("project", lambda: str(open_project(folder).folder))
    try:
        project = open_project(folder)
    except LakeflowJobMetaError:
        return
    bundle = read_bundle_declarations(project)
    yield ("bundle", partial(_bundle, bundle)) if bundle.problems else ("includes", layout_of(project).included)
    cli = DatabricksCli("", project.folder, target)
    compiled = cache(partial(compile_metadata, project))
    yield ("files", lambda: _files(compiled()))
    yield ("variables", lambda: _variables(compiled(), target_named(target)))
    if outdated := outdated_schemas(project):
        yield ("editor", partial(_editor, outdated))
    yield from _rows_checks(project, remote=False)
    yield from _approval_checks(project, remote=False)
    yield ("databricks CLI", lambda: _cli(replace(cli, program=find_cli(os.environ)), compiled()))
    address = workspace_address(project, target_named(target))
    unanswered = why_nobody_answers(address) if address is not None else None
    if address is not None:
        yield ("workspace", partial(_answers, address, unanswered))
    if unanswered is not None:
        return  # all that follows would wait for it, for minutes
    yield ("login", lambda: _login(replace(cli, program=find_cli(os.environ))))
    tables = [source for source in project.metadata if source.kind == "table"]
    queries = [source for source in project.metadata if source.kind == "query" and _is_remote(source)]
    warehouses = {source.warehouse_id or os.environ.get(WAREHOUSE_VARIABLE) for source in (*tables, *queries)}
    warehouses.add(project.defaults.warehouse_id)
    for warehouse in sorted(each for each in warehouses if each and "${" not in each):
        yield (f"warehouse {warehouse}", partial(_warehouse, warehouse))
    controls = [source for source in tables if source.rows is None]
    yield from ((f"table {source.location}", partial(_table, source, project.folder)) for source in controls)
    yield from _rows_checks(project, remote=True)
    yield from _approval_checks(project, remote=True)


def _approval_checks(project: Project, *, remote: bool) -> Iterator[_Check]:
    """Yields a check of the approvals of each control table that is in the workspace, or of each that is not."""
    if project.approval is not None:
        for source in (each for each in project.table_sources if _is_remote(each) == remote):
            yield (f"approvals of {source.location}", partial(_approvals, project.folder, source, project.approval))


def _rows_checks(project: Project, *, remote: bool) -> Iterator[_Check]:
    """Yields a check of each source of rows that is in the workspace, or of each that is not."""
    for source, reader in zip(project.metadata, open_readers(project), strict=True):
        if source.rows is not None and _is_remote(source) == remote:
            yield (f"rows of {source.location}", partial(_rows, reader))


def _is_remote(source: MetadataSource) -> bool:
    """Says whether a source is reached by the workspace."""
    is_local_query = source.rows is not None and bool(source.rows.tables)
    is_file = source.kind == "csv" and not source.location.startswith("/Volumes/")
    return not (source.kind in ("yaml", "delta") or is_local_query or is_file)


def _bundle(bundle: BundleDeclarations) -> str:
    raise OperationFailed(f"the databricks CLI cannot read its files:{_listed(bundle.problems)}")


def _files(compilation: Compilation) -> str:
    found = [each for each in compilation.diagnostics if each.code == NOT_UPLOADED.code]
    if found:
        number = count(len(found), "file")
        raise OperationFailed(f"the databricks CLI does not upload {number} that jobs name:{_listed(found)}")
    return "the databricks CLI uploads all that jobs name"


def _variables(compilation: Compilation, target: str | None) -> str:
    """Says which variables that jobs use still have the value of an example, in the target or in any."""
    bundle = compilation.bundle
    if target is not None:
        bundle = replace(bundle, targets=frozenset({target}))
    found = [*placeholder_values(bundle, compilation)]
    if found:
        raise OperationFailed(f"what jobs use has no value yet:{_listed(found)}")
    return "none that jobs use is still a placeholder"


def _cli(cli: DatabricksCli, compilation: Compilation) -> str:
    """Returns the version of a CLI that knows all settings of the jobs; one that has no schema may know them."""
    version = check_version(cli)
    schema = cli.run(["bundle", "schema"], _SCHEMA_SECONDS)
    try:
        unknown = unknown_settings(json.loads(schema.stdout), compilation.jobs) if schema.code == 0 else {}
    except (ValueError, RecursionError):
        unknown = {}
    if unknown:
        lines = "".join(f"\n       {name} of {listing(jobs, 3)}" for name, jobs in sorted(unknown.items()))
        problem = f"{version} is too old for these settings, and deploys jobs without them; update it:"
        raise OperationFailed(f"{problem}{lines}")
    return version


def _editor(outdated: Sequence[str]) -> str:
    is_or_are = "is" if len(outdated) == 1 else "are"
    raise _Note(f"{listing(outdated)} {is_or_are} of another version of this tool; `ljm editor` writes them anew.")


def _listed(problems: Iterable[Diagnostic]) -> str:
    return "".join(f"\n       {each.location}: {each.message}" for each in problems)


def _answers(address: str, unanswered: str | None) -> str:
    if unanswered is not None:
        raise OperationFailed(unanswered)
    return f"{address} answers"


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


def _approvals(folder: Path, source: MetadataSource, rule: ApprovalRule) -> str:
    """Returns how many modules have been approved for each target, while the history says who writes the table."""
    if rule.other_than_author:
        commits = open_table_source(source, folder).history(_COMMITS)
        newest = next((each for each in commits if each.changes_rows), None)
        if newest is not None and newest.user is None:
            raise OperationFailed(
                f"the history of the table does not say who wrote version {newest.version}, and `other_than_author` "
                "counts no approval without that; write through a warehouse, Databricks, or `ljm table`."
            )
    approvals = read_approvals(open_table_source(source, folder, APPROVALS))
    found = {target: {each.module for each in approvals if each.is_for(target)} for target in rule.targets}
    return ", ".join(f"{count(len(modules), 'module')} for {target}" for target, modules in found.items())


def _rows(reader: Reader) -> str:
    """Returns how many rows there are, of how many columns; a view and a query are known by reading them alone."""
    snapshot = reader.read()
    if snapshot.diagnostics:
        first, *others = (problem.message for problem in snapshot.diagnostics)
        raise OperationFailed(f"{first}{f'; and {len(others)} more, see `ljm validate`' if others else ''}")
    sets = snapshot.rows.sets if snapshot.rows is not None else ()
    rows, columns = sum(len(each.rows) for each in sets), {name.casefold() for each in sets for name in each.columns}
    version = f", version {snapshot.version}" if snapshot.version is not None else ""
    return f"{count(rows, 'row')} of {count(len(columns), 'column')}{version}"


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
