"""The two ways into a workspace: the databricks CLI, or the Jobs API. Nothing is connected to before it is needed."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from lakeflow_job_meta.compiler.result import Compilation
from lakeflow_job_meta.config.model import BUNDLE_FILE, Project
from lakeflow_job_meta.deploy.backend import Deployer
from lakeflow_job_meta.deploy.bundle_size import slow_warning
from lakeflow_job_meta.deploy.databricks_cli.client import DatabricksCli, check_version, find_cli
from lakeflow_job_meta.deploy.databricks_cli.deployer import CliDeployer
from lakeflow_job_meta.deploy.jobs_api.deployer import JobsApiDeployer
from lakeflow_job_meta.deploy.many_bundles.deployer import BundlesDeployer, ManyBundlesOptions
from lakeflow_job_meta.deploy.pipeline import DeployBackend, DeployContext
from lakeflow_job_meta.errors import ConfigError
from lakeflow_job_meta.layout.layout import layout_of
from lakeflow_job_meta.workspace.client import Workspace


def open_cli(project: Project, target: str | None, say: Callable[[str], None] = lambda line: None) -> DatabricksCli:
    """Finds the databricks CLI and checks its version.

    Raises:
        ConfigError: There is none, or it is too old.
    """
    cli = DatabricksCli(find_cli(os.environ), project.folder, target, on_line=say)
    return replace(cli, version=check_version(cli))


def cli_backend(
    project: Project,
    cli: DatabricksCli,
    *,
    limit_seconds: float = 1800,
    force_lock: bool = False,
    manner: ManyBundlesOptions | None = None,
) -> DeployBackend:
    """Deploys the generated files as a bundle, or as many.

    Args:
        project: The project.
        cli: The CLI in the project's folder.
        limit_seconds: How long one call may take.
        force_lock: Whether to take over a lock that was left in the workspace.
        manner: How many bundles are deployed.
    """

    def make(
        project: Project, compilation: Compilation, folder: Path, cli: DatabricksCli, digest: Callable[[], str] | None
    ) -> CliDeployer:
        return CliDeployer(
            cli,
            project,
            compilation,
            folder,
            limit_seconds=limit_seconds,
            force_lock=force_lock,
            say=cli.on_line,
            digest=digest,
        )

    def one(beginning: DeployContext) -> Deployer:
        warning = slow_warning(len(beginning.compilation.jobs), cli.version)
        if warning is not None:
            cli.on_line(warning)
        inheriting = replace(cli, inherited=(beginning.lock,))
        return make(project, beginning.compilation, beginning.folder, inheriting, None)

    def many(beginning: DeployContext) -> Deployer:
        how = replace(manner or ManyBundlesOptions(), rejects=beginning.hold_back)
        inheriting = replace(cli, inherited=(beginning.lock,), stop=how.stop)
        return BundlesDeployer(
            project,
            beginning.compilation,
            beginning.folder,
            lambda name, compilation, folder, digest: make(
                project, compilation, folder, cli_of_bundle(inheriting, project, name), digest
            ),
            beginning.known,
            os.environ,
            how,
            cli.on_line,
        )

    return DeployBackend(one if project.bundles is None else many, writes_files=True)


def cli_of_bundle(cli: DatabricksCli, project: Project, name: str) -> DatabricksCli:
    """Returns the CLI in the folder of a bundle; the lines of one of many begin with its name."""
    folder, prefix = layout_of(project).deployment_folder(name), f"[{name}] " if name else ""
    return replace(cli, folder=folder, on_line=lambda line: cli.on_line(f"{prefix}{line}" if line.strip() else line))


def jobs_api_backend(
    project: Project, target: str, workspace: Workspace, say: Callable[[str], None] = lambda line: None
) -> DeployBackend:
    """Deploys without a bundle, where no CLI can be installed."""
    return DeployBackend(
        lambda beginning: JobsApiDeployer(project, beginning.compilation, workspace, target, _ids(beginning), say),
        writes_files=False,
    )


def _ids(beginning: DeployContext) -> dict[str, str]:
    return {job.key: job.job_id for job in beginning.known()}


def select_backend(
    project: Project,
    target: str,
    workspace: Workspace,
    say: Callable[[str], None] = lambda line: None,
    *,
    on_fallback: Callable[[str], None],
    limit_seconds: float = 1800,
    manner: ManyBundlesOptions | None = None,
) -> DeployBackend:
    """Returns the CLI where there are a bundle and a CLI, else the Jobs API.

    Args:
        project: The project.
        target: The bundle's target.
        workspace: The workspace, for the Jobs API.
        say: Told what is being done.
        on_fallback: Told why the CLI is not taken although there is a bundle.
        limit_seconds: How long one call of the CLI may take.
        manner: How many bundles are deployed.
    """
    if (project.folder / BUNDLE_FILE).is_file():
        try:
            return cli_backend(project, open_cli(project, target, say), limit_seconds=limit_seconds, manner=manner)
        except ConfigError as error:
            on_fallback(f"{error} The jobs are deployed through the Jobs API.")
    return jobs_api_backend(project, target, workspace, say)
