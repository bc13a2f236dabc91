"""The two ways into a workspace: the databricks CLI, or the Jobs API. Nothing is connected to before it is needed."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace

from lakeflow_job_meta.deployment.cli_deployer import CliDeployer
from lakeflow_job_meta.deployment.databricks_cli import DatabricksCli, check_version, find_cli
from lakeflow_job_meta.deployment.jobs_api import JobsApiDeployer
from lakeflow_job_meta.deployment.rollout import Way
from lakeflow_job_meta.errors import Misconfigured
from lakeflow_job_meta.project import BUNDLE_FILE, Project
from lakeflow_job_meta.workspace import Workspace


def open_cli(project: Project, target: str | None, say: Callable[[str], None] = lambda line: None) -> DatabricksCli:
    """Finds the databricks CLI and checks its version.

    Raises:
        Misconfigured: There is none, or it is too old.
    """
    cli = DatabricksCli(find_cli(os.environ), project.folder, target, on_line=say)
    check_version(cli)
    return cli


def by_cli(project: Project, cli: DatabricksCli, *, limit_seconds: float = 1800, force_lock: bool = False) -> Way:
    """Deploys the generated files as a bundle."""
    return Way(
        lambda beginning: CliDeployer(
            replace(cli, inherited=(beginning.lock,)),
            project,
            beginning.compilation,
            beginning.folder,
            limit_seconds=limit_seconds,
            force_lock=force_lock,
            say=cli.on_line,
        ),
        writes_files=True,
    )


def by_jobs_api(
    project: Project, target: str, workspace: Workspace, say: Callable[[str], None] = lambda line: None
) -> Way:
    """Deploys without a bundle, where no CLI can be installed."""
    return Way(
        lambda beginning: JobsApiDeployer(project, beginning.compilation, workspace, target, beginning.known(), say),
        writes_files=False,
    )


def best_way(
    project: Project,
    target: str,
    workspace: Workspace,
    say: Callable[[str], None] = lambda line: None,
    *,
    on_fallback: Callable[[str], None],
    limit_seconds: float = 1800,
) -> Way:
    """Returns the CLI where there are a bundle and a CLI, else the Jobs API.

    Args:
        project: The project.
        target: The bundle's target.
        workspace: The workspace, for the Jobs API.
        say: Told what is being done.
        on_fallback: Told why the CLI is not taken although there is a bundle.
        limit_seconds: How long one call of the CLI may take.
    """
    if (project.folder / BUNDLE_FILE).is_file():
        try:
            return by_cli(project, open_cli(project, target, say), limit_seconds=limit_seconds)
        except Misconfigured as error:
            on_fallback(f"{error} The jobs are deployed through the Jobs API.")
    return by_jobs_api(project, target, workspace, say)
