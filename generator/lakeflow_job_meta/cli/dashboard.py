"""`ljm dashboard`: writes a dashboard of the jobs once. Never overwrites it unless told to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from lakeflow_job_meta._internal.text import listing
from lakeflow_job_meta._internal.trees import Value
from lakeflow_job_meta.cli.params import open_project, optional_text
from lakeflow_job_meta.cli.report import echo, show_list
from lakeflow_job_meta.config.bundle import includes, read_bundle_declarations
from lakeflow_job_meta.config.model import Project
from lakeflow_job_meta.errors import ConfigError
from lakeflow_job_meta.services.dashboard import dashboard_of, plan_dashboard, write_dashboard_file


@click.command("dashboard")
@optional_text("--warehouse-id", metavar="ID", help="The SQL warehouse that runs its queries, or a variable.")
@click.option("--force", is_flag=True, help="Write it anew; what was changed in the files is lost.")
@click.pass_obj
def command(folder: Path | None, warehouse_id: str | None, force: bool) -> None:
    """Write a dashboard of what failed, what is late, what a change did, and what checks found.

    It goes into resources/dashboards: an AI/BI dashboard, and the resource that deploys it with the bundle. Both files
    are yours from then on. Its queries read the tables beside the control table, and system.lakeflow.

    \b
    Examples:
      ljm dashboard
      ljm dashboard --warehouse-id '${var.warehouse_id}'
      ljm dashboard --force        write it as this version does
    """
    project = open_project(folder)
    bundle = read_bundle_declarations(project)
    if bundle.problems:
        raise ConfigError("The bundle cannot be read.", bundle.problems)
    dashboard = dashboard_of(project, bundle, warehouse_id)
    planned = plan_dashboard(project, dashboard, force=force)
    for path, action in planned.items():
        if action != "keep":
            write_dashboard_file(project, path, dashboard.files[path])
    show_list([(f"{action:6} ", path) for path, action in planned.items()])
    if dashboard.left_out:
        echo(
            f"Only the page {listing(dashboard.pages)}: the others read what is kept beside a control table, and this "
            "project's metadata is in none.",
            err=True,
        )
    _show_what_to_include(project, bundle.root or {}, min(planned))


def _show_what_to_include(project: Project, root: Mapping[str, Value], path: str) -> None:
    """Says what a person has to add to the bundle, so that the dashboard is deployed."""
    if project.bundles is not None:
        echo(
            "The jobs are in many bundles: deploy the dashboard from one of its own that includes these files.",
            err=True,
        )
    elif not includes(project.folder, root, path):
        echo(f"Add to {project.bundle_file.name}, so that the bundle deploys it:", err=True)
        echo(f"    include:\n      - {project.output}/dashboards/*.yml", err=True)
