"""`JobOrchestrator`: jobs on demand from notebooks and tests, with the methods of the original tool.

Thin: deploys like `deploy`, with the databricks CLI where there are a bundle and a CLI, else through the Jobs API.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from lakeflow_job_meta._internal.text import count, did_you_mean, quoted
from lakeflow_job_meta._internal.trees import Value, texts_in
from lakeflow_job_meta.api import functions
from lakeflow_job_meta.api.arguments import check_number, table_name, workspace_of
from lakeflow_job_meta.errors import ConfigError, InvalidMetadata, OperationFailed

if TYPE_CHECKING:
    from lakeflow_job_meta.api.arguments import WorkspaceLike
    from lakeflow_job_meta.compiler.result import Compilation
    from lakeflow_job_meta.config.model import Project
    from lakeflow_job_meta.deployment.backend import Deployer
    from lakeflow_job_meta.deployment.result import DeployResult
    from lakeflow_job_meta.jobs.model import Job
    from lakeflow_job_meta.state.tracking import DeployedJob


class JobOfModule(TypedDict):
    """A module and the id of its job."""

    module: str
    job_id: int


class JobOrchestrator:
    """Creates and updates the jobs of a control table's modules.

    In the folder of a project that reads the table, the project's settings apply; elsewhere the defaults.

    Args:
        control_table: As `MetadataManager` takes it.
        warehouse_id: The SQL warehouse that reads the table where there is no Spark session.
        project_folder: The bundle's folder; by default the nearest one upwards from the current folder.
        target: The bundle's target; by default the bundle's own.
        max_deletes: How many jobs may be deleted; by default as the project file says.
        allow_empty: Whether a source, or the whole table, may have become empty.
        overwrite_drift: Whether edits made by hand in the workspace may be overwritten.
        policies: A file of policies that every job must keep besides those of the project; it may be in a volume.
        workspace: The workspace: a WorkspaceClient or the name of a profile; by default the one of the environment.

    Raises:
        ConfigError: The name is no table's name, or there is no way to reach it.
    """

    def __init__(
        self,
        control_table: str | os.PathLike[str],
        warehouse_id: str | None = None,
        *,
        project_folder: str | Path | None = None,
        target: str | None = None,
        max_deletes: int | None = None,
        allow_empty: bool = False,
        overwrite_drift: bool = False,
        policies: str | os.PathLike[str] | None = None,
        workspace: WorkspaceLike | None = None,
    ) -> None:
        from lakeflow_job_meta.config.bundle import target_of
        from lakeflow_job_meta.deployment.policy import Allowance
        from lakeflow_job_meta.services.adhoc_project import project_of_table, with_policies_file

        check_number("max_deletes", max_deletes, 0)
        self._table, self._warehouse_id = table_name(control_table), warehouse_id or None
        self._workspace = workspace_of(workspace)
        project = project_of_table(self._table, self._warehouse_id, project_folder)
        self.project = with_policies_file(project, os.fspath(policies) if policies else None, self._workspace)
        self.target = target_of(self.project, target)
        deletions = self.project.max_deletes if max_deletes is None else max_deletes
        self._allowance = Allowance(deletions, allow_empty, overwrite_drift)

    def __repr__(self) -> str:
        return f"JobOrchestrator({self._table!r}, target={self.target!r})"

    def generate_tasks_for_module(self, module_name: str) -> list[dict[str, Value]]:
        """Returns the tasks of a module's job, as the Jobs API takes them; changes nothing.

        References are resolved, and files of the project are named by the paths that a deployment uploads them to.

        Raises:
            InvalidMetadata: The module has mistakes.
            OperationFailed: There is no such module, nothing in it is active, or only the databricks CLI can deploy it.
        """
        from lakeflow_job_meta.deployment.jobs_api.deployer import JobsApiDeployer
        from lakeflow_job_meta.workspace.client import Workspace

        compilation = self._compile(self.project)
        job = _job_of(compilation, module_name)
        # Most tables name nothing but what is in the workspace, and need no connection for it.
        if not any("${" in text or text.startswith((".", "/.")) for _, text in texts_in(job.settings)):
            return job.tasks
        deployer = JobsApiDeployer(self.project, compilation, self._workspace or Workspace(), self.target, {})
        return deployer.tasks_of(job)

    def create_or_update_job(self, module_name: str) -> int:
        """Deploys the job of one module, and leaves all others as they are.

        Returns:
            The job's id.

        Raises:
            InvalidMetadata: The module has mistakes; its job is as it was.
            PolicyRefused: The safety gate; nothing was changed.
            OperationFailed: It could not be done.
        """
        from lakeflow_job_meta.deployment.policy import refuse

        def compile_metadata(project: Project) -> Compilation:
            compilation = self._compile(project)
            _job_of(compilation, module_name)
            return compilation

        result = self._deploy(compile_metadata, modules=(module_name,))
        _refuse_problems(result.all_problems)
        (key,) = result.compilation.jobs.names
        refuse([edit for edit in result.edited if key in edit.jobs])
        return next(int(job.job_id) for job in result.deployed if job.key == key)

    def run_all_modules(
        self, auto_run: bool = True, yaml_path: str | None = None, sync_yaml: bool = False
    ) -> list[JobOfModule]:
        """Deploys the jobs of all modules, and starts them.

        Args:
            auto_run: Whether to start every job.
            yaml_path: YAML files to load into the table first, if `sync_yaml`.
            sync_yaml: Whether to load `yaml_path`.

        Returns:
            Module and job id, by module.

        Raises:
            InvalidMetadata: Some modules have mistakes and keep their last jobs; all others were deployed and started.
            PolicyRefused: The safety gate; nothing was changed.
            OperationFailed: Some jobs could not be deployed or started; the text names them, and the others were.
        """
        if sync_yaml and yaml_path is None:
            raise ConfigError("sync_yaml needs yaml_path: the YAML file or folder to load.")
        if sync_yaml and yaml_path is not None:
            from lakeflow_job_meta.api.manager import MetadataManager

            MetadataManager(self._table, self._warehouse_id, workspace=self._workspace).load_yaml(yaml_path)
        result = self._deploy(self._compile, keep_going=True)
        problems = [*result.all_problems, *(edit.reason for edit in result.edited)]
        if auto_run:
            problems += _start(result.deployer, result.deployed)
        if broken := result.compilation.errors:
            others = "".join(f"\n{problem}" for problem in problems)
            raise InvalidMetadata(
                f"{count(len(broken), 'mistake')} in the metadata; these modules keep the jobs they have, the others "
                f"were deployed.{others}",
                tuple(broken),
            )
        _refuse_problems(problems)
        if not result.compilation.jobs.names:
            functions.tell_progress(f"{self._table} has no module with an active source; jobs that are there stay.")
        modules = result.compilation.jobs.names
        jobs = [JobOfModule(module=modules[j.key], job_id=int(j.job_id)) for j in result.deployed if j.key in modules]
        return sorted(jobs, key=lambda job: job["module"])

    def _compile(self, project: Project) -> Compilation:
        return functions.compile(project, workspace=self._workspace)

    def _deploy(
        self,
        compile_metadata: Callable[[Project], Compilation],
        *,
        keep_going: bool = False,
        modules: tuple[str, ...] = (),
    ) -> DeployResult:
        from lakeflow_job_meta.deployment.backend import DeployOptions
        from lakeflow_job_meta.deployment.policy import Audience

        options = DeployOptions(self._allowance, keep_going, audience=Audience.OBJECT, modules=modules)
        return functions.run_deployment(
            self.project, self.target, options, compile_metadata=compile_metadata, workspace=self._workspace
        )


def _job_of(compilation: Compilation, module_name: str) -> Job:
    """Returns the job of a module."""
    keys = {name: key for key, name in compilation.jobs.names.items()}
    if (job := compilation.jobs.get(keys.get(module_name, ""))) is not None:
        return job
    if compilation.errors:
        raise InvalidMetadata(f"The module {quoted(module_name)} has no job.", tuple(compilation.errors))
    raise OperationFailed(
        f"There is no module {quoted(module_name)} with an active source{did_you_mean(module_name, keys)}"
    )


def _start(deployer: Deployer, jobs: Sequence[DeployedJob]) -> list[str]:
    return [problem for job in jobs if (problem := _start_one(deployer, job)) is not None]


def _start_one(deployer: Deployer, job: DeployedJob) -> str | None:
    try:
        deployer.start(job)
    except OperationFailed as error:
        return f"{job.name}: error: it could not be started: {error} [databricks]"
    return None


def _refuse_problems(problems: Sequence[str]) -> None:
    if problems:
        raise OperationFailed("\n".join(problems))
