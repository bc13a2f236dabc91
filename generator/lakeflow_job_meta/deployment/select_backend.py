"""The two deployment backends, which of them is selected, and a plan by the databricks CLI that nothing follows.

Nothing is connected to before it is needed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import ClassVar, Literal

from lakeflow_job_meta._internal.parallel import Stop, run_in_threads
from lakeflow_job_meta._internal.trees import Value, texts_in
from lakeflow_job_meta.compiler.result import Compilation
from lakeflow_job_meta.config.bundle import BundleDeclarations, overlaid, read_bundle_declarations
from lakeflow_job_meta.config.model import Project, bundle_file_in
from lakeflow_job_meta.deployment.backend import DeployBackend, DeployContext, Deployer
from lakeflow_job_meta.deployment.databricks_cli import client
from lakeflow_job_meta.deployment.databricks_cli.client import LIMIT_SECONDS, STOP_SECONDS, CliFailure, DatabricksCli
from lakeflow_job_meta.deployment.databricks_cli.deployer import CliDeployer, plan_with_kept
from lakeflow_job_meta.deployment.jobs_api.deployer import JobsApiDeployer
from lakeflow_job_meta.deployment.keeping import Keeping, keeping_of
from lakeflow_job_meta.deployment.login import refuse_another_workspace
from lakeflow_job_meta.deployment.many_bundles.deployer import BundlesDeployer
from lakeflow_job_meta.deployment.policy import left_behind
from lakeflow_job_meta.errors import ConfigError, OperationFailed, PolicyViolation
from lakeflow_job_meta.layout.layout import layout_of
from lakeflow_job_meta.planning.model import Action, BundlePlan, parse_plan, together
from lakeflow_job_meta.sources.open import table_identities
from lakeflow_job_meta.state.tracking import DeployedJob, jobs_by_target
from lakeflow_job_meta.text.yaml_writer import to_yaml
from lakeflow_job_meta.workspace.address import address_of_profile
from lakeflow_job_meta.workspace.client import Workspace

BackendName = Literal["auto", "cli", "jobs-api"]
"""How jobs are deployed; `auto` takes the CLI where there are a bundle and a CLI."""


@dataclass(frozen=True, slots=True)
class CliBackend:
    """Deploys the generated files with the databricks CLI, as one bundle or as many, `parallel` at a time.

    `force_lock` takes over a lock that was left in the workspace; `all_bundles` plans those too whose files did not
    change.
    """

    writes_files: ClassVar[bool] = True
    cli: DatabricksCli
    force_lock: bool = False
    parallel: int = 2
    all_bundles: bool = False

    def open(self, context: DeployContext, compilation: Compilation) -> Deployer:
        cli = replace(self.cli, on_line=context.reporter.on_progress, inherited=(context.lock,))
        labels = {snapshot.source for snapshot in compilation.present}
        tables = cache(partial(table_identities, context.project, labels, context.workspace))
        if context.project.bundles is not None:
            return self._open_many(context, compilation, cli, tables)
        if (warning := client.slow_warning(len(compilation.jobs), cli.version)) is not None:
            cli.on_line(warning)
        return CliDeployer(
            cli,
            context.project,
            compilation,
            context.folder,
            self.force_lock,
            tables=tables,
            keeping=keeping_of(context.project, compilation, context.options.allowance),
        )

    def _open_many(
        self, context: DeployContext, compilation: Compilation, cli: DatabricksCli, tables: Callable[[], frozenset[str]]
    ) -> Deployer:
        stop = Stop()
        cli = replace(cli, stop=stop)
        keeping = keeping_of(context.project, compilation, context.options.allowance)

        def open_bundle(name: str, unit: Compilation, folder: Path, digest: Callable[[], str]) -> CliDeployer:
            bundle = cli_of_bundle(cli, context.project, name)
            return CliDeployer(bundle, context.project, unit, folder, self.force_lock, digest, tables, keeping, name)

        return BundlesDeployer(context, compilation, open_bundle, self.parallel, self.all_bundles, stop)


@dataclass(frozen=True, slots=True)
class JobsApiBackend:
    """Deploys jobs through the Jobs API, where no CLI can be installed."""

    writes_files: ClassVar[bool] = False
    workspace: Workspace

    def open(self, context: DeployContext, compilation: Compilation) -> Deployer:
        refuse_another_workspace(compilation.bundle, context.target, self.workspace)
        target, recorded = context.target or "", jobs_by_target(context.tracking.rows())
        return JobsApiDeployer(
            context.project,
            compilation,
            self.workspace,
            target,
            {job.key: job.job_id for job in recorded.pop(target, ())},
            context.reporter.on_progress,
            {job.job_id: job.key for jobs in recorded.values() for job in jobs},
            keeping_of(context.project, compilation, context.options.allowance),
        )


def open_cli(
    project: Project,
    target: str | None,
    on_line: Callable[[str], None] = lambda line: None,
    limit_seconds: float = LIMIT_SECONDS,
    stop_seconds: float = STOP_SECONDS,
) -> DatabricksCli:
    """Finds the databricks CLI and checks its version. Raises ConfigError if there is none, or it is too old."""
    cli = DatabricksCli(
        client.find_cli(os.environ),
        project.folder,
        target,
        on_line=on_line,
        limit_seconds=limit_seconds,
        stop_seconds=stop_seconds,
    )
    declared = read_bundle_declarations(project)
    version, address = client.check_version(cli), _address_in(declared, target)
    return replace(cli, version=version, address=address, login=login_bundle(declared, target))


def login_bundle(declared: BundleDeclarations, target: str | None) -> str | None:
    """Returns a bundle that has nothing but the workspace of a target of another; None where that is not plain.

    What the CLI logs in with may have no references in it: bundle/config/validate/interpolation_in_auth_config.go.
    """
    name, is_known = target or declared.default_target, all(file.content is not None for file in declared.files)
    if declared.root is None or not is_known or (name is not None and name not in (declared.targets or ())):
        return None
    for_all, for_one = declared.said_for(name or "")
    workspace = overlaid(for_all.get("workspace"), for_one.get("workspace")) or {}
    login = workspace.items() if isinstance(workspace, dict) else ()
    said: dict[str, Value] = {"workspace": {key: value for key, value in login if not key.endswith("_path")}}
    if not isinstance(workspace, dict) or any("${" in text for _, text in texts_in(said)):
        return None
    content: Value = {"bundle": {"name": "login"}, **({"targets": {name: said}} if name is not None else said)}
    return to_yaml(content) + "\n"


def workspace_address(project: Project, target: str | None) -> str | None:
    """Returns the workspace's address, from where the CLI takes it; None where that is not plain."""
    return _address_in(read_bundle_declarations(project), target)


def _address_in(declared: BundleDeclarations, target: str | None) -> str | None:
    said = declared.workspace(target)
    profile = said.get("profile") or os.environ.get("DATABRICKS_CONFIG_PROFILE")
    named = said.get("host") or ("" if said.get("profile") else os.environ.get("DATABRICKS_HOST"))
    address = named or address_of_profile(profile, os.environ)
    return address if address and "${" not in address else None


def cli_of_bundle(cli: DatabricksCli, project: Project, name: str) -> DatabricksCli:
    """Returns the CLI in the folder of a bundle; the lines of one of many begin with its name."""
    folder, prefix = layout_of(project).deployment_folder(name), f"[{name}] " if name else ""
    return replace(cli, folder=folder, on_line=lambda line: cli.on_line(f"{prefix}{line}" if line.strip() else line))


def select_backend(
    project: Project,
    target: str,
    workspace: Workspace,
    name: BackendName = "auto",
    *,
    on_fallback: Callable[[str], None],
    limit_seconds: float = LIMIT_SECONDS,
    stop_seconds: float = STOP_SECONDS,
    parallel: int = 2,
) -> DeployBackend:
    """Returns the backend of a name; `auto` takes the CLI where there are a bundle and a CLI, else the Jobs API.

    `on_fallback` takes the reason if the CLI cannot be used although there is a bundle. Raises ConfigError if the CLI
    is named, and there is none that can be used.
    """
    if name == "cli" or (name == "auto" and bundle_file_in(project.folder) is not None):
        try:
            cli = open_cli(project, target, limit_seconds=limit_seconds, stop_seconds=stop_seconds)
            return CliBackend(cli, parallel=parallel)
        except ConfigError as error:
            if name == "cli":
                raise
            on_fallback(f"{error} The jobs are deployed through the Jobs API.")
    return JobsApiBackend(workspace)


def jobs_left_behind(cli: DatabricksCli, plan: BundlePlan, recorded: Sequence[DeployedJob]) -> list[PolicyViolation]:
    """Returns what a live plan cannot show: recorded jobs that are in the workspace, and of no bundle any more."""
    planned = set(plan.jobs(*Action))
    return [left_behind(job) for job in recorded if job.key not in planned and cli.has_job(job.job_id)]


def plan_live(project: Project, cli: DatabricksCli, parallel: int, keeping: Keeping) -> BundlePlan:
    """Plans a deployment of the generated files on disk of one bundle, or of all, `parallel` at a time; writes nothing.

    Raises OperationFailed if the CLI failed.
    """
    layout, stop = layout_of(project), Stop()
    names = layout.bundles_in(layout.folder)
    calls = {name: partial(_plan_of, cli_of_bundle(replace(cli, stop=stop), project, name), keeping) for name in names}
    plans, failed = run_in_threads(calls, parallel, expected=(OperationFailed,), stop=stop)
    if failed:
        raise OperationFailed("\n".join(f"{name}: {error}" if name else str(error) for name, error in failed.items()))
    return together(plans.values())


def _plan_of(cli: DatabricksCli, keeping: Keeping) -> BundlePlan:
    try:
        planned, _ = plan_with_kept(cli, keeping)
        return planned.with_kept(parse_plan(planned.text))
    except CliFailure as failure:
        raise OperationFailed(client.explain(failure)) from None
