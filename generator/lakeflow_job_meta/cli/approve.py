"""`ljm approve`: a version of a control table may be deployed to targets that need that. Nothing is deployed."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from lakeflow_job_meta._internal.text import count
from lakeflow_job_meta.cli import params
from lakeflow_job_meta.cli.report import echo, show_json
from lakeflow_job_meta.compiler.result import Compilation
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.planning.explain import FORMATS
from lakeflow_job_meta.services.approval_plan import ApprovalPlan
from lakeflow_job_meta.services.approvals import ApprovalRequest, Proposed, approve


@click.command("approve")
@click.argument("modules", nargs=-1, metavar="[MODULE]...")
@click.option("--version", type=click.IntRange(0), required=True, help="The version, as `ljm table history` lists it.")
@params.optional_text("--modules", "listed", metavar="NAMES", help="The same as MODULE..., with commas between them.")
@params.target_option
@params.optional_text("--table", metavar="TABLE", help="The control table, where the project has several.")
@params.optional_text("--comment", metavar="TEXT", help="Why, for whoever reads the table of approvals.")
@click.option("--dry-run", is_flag=True, help="Show what would change; approve nothing.")
@params.format_option(FORMATS, "As text, JSON or Markdown.")
@click.pass_obj
def command(
    folder: Path | None,
    modules: tuple[str, ...],
    version: int,
    listed: str | None,
    target: str | None,
    table: str | None,
    comment: str | None,
    dry_run: bool,
    form: str,
) -> None:
    """Approve a version of a control table for a target that needs it, and show what that changes.

    Without modules, all are approved that are others in that version than what is approved; without a target, for
    all that need approvals. The next deployment, or the monitor, then deploys it.

    \b
    Examples:
      ljm approve --version 17 -t prod --dry-run
      ljm approve --version 17 -t prod --modules sales,stock
      ljm approve sales --version 17 --comment "as agreed on Monday"
    """
    project = params.open_project(folder)
    names = (*modules, *(name for each in (listed or "").split(",") if (name := each.strip())))
    request = ApprovalRequest(version, names, target, comment, table)

    def compile_with(project: Project, proposed: Proposed) -> Compilation:
        return params.compile_metadata(project, proposed=proposed)

    result = approve(project, request, compile_with, dry_run=dry_run)
    if form == "json":
        show_json(_as_object(result))
    for named, plan in result.plans.items() if form != "json" else ():
        if len(result.plans) > 1:
            echo(f"In {named}:")
        echo(FORMATS[form](plan, None))
    echo(_summary(result, version, dry_run), err=True)


def _summary(result: ApprovalPlan, version: int, dry_run: bool) -> str:
    if not result.approvals:
        return f"Nothing to approve: what version {version} has is approved already."
    listed = ", ".join(result.plans)
    done = "would be approved" if dry_run else "approved"
    modules, user = count(len(result.approvals), "module"), result.approvals[0].approved_by
    return f"{result.table}: version {version} of {modules} {done} for {listed} by {user}."


def _as_object(result: ApprovalPlan) -> dict[str, object]:
    approvals = [
        {**asdict(each), "approved_at": each.approved_at.isoformat(), "authors": [*(each.authors or ())]}
        for each in result.approvals
    ]
    plans = {target: json.loads(FORMATS["json"](plan, None)) for target, plan in result.plans.items()}
    return {"table": result.table, "approvals": approvals, "plans": plans}
