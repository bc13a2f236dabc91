"""The package as other people's Python sees it: its names, its types, and functions that do what the commands do."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest

import lakeflow_job_meta
from fakes.workspace import FakeWorkspace
from lakeflow_job_meta import (
    ConfigError,
    InvalidMetadata,
    LakeflowJobMetaError,
    PolicyRefused,
    Severity,
    compile,
    deploy,
    load_project,
    plan,
    validate,
)
from support.project_folder import REPOSITORY, ProjectFolder, module
from support.slow import few

pytest_plugins = ["support.workspace_fixtures", "fakes.databricks_cli.fixtures"]

FUNCTIONS = (
    *("approve", "blame", "compile", "deploy", "load_project", "plan", "quality", "validate"),
    *("import_bundle", "import_jobs", "import_jobs_meta", "pull", "unpause"),
    *("last_runs", "repair_module", "run_module", "write_catalogue"),
)
CLASSES = ("JobOrchestrator", "MetadataManager", "MetadataMonitor")
ERRORS = ("ConfigError", "InvalidMetadata", "LakeflowJobMetaError", "OperationFailed", "PolicyRefused")
DATA = (
    *("Compilation", "DeployResult", "Diagnostic", "GeneratedFile", "Location", "PlanResult", "PolicyViolation"),
    *("ApprovalPlan", "Blame", "CheckResult", "Import", "ModuleRun", "Project", "PullResult", "Rollback", "Severity"),
    *("TaskRun", "Unpaused", "ValidationResult"),
)

CALLER = """\
from pathlib import Path

from lakeflow_job_meta import (
    DeployResult, Diagnostic, MetadataManager, OperationFailed, PlanResult, PolicyRefused, Project, Severity,
    compile, deploy, load_project, plan, validate,
)


def errors(folder: Path) -> list[Diagnostic]:
    return [each for each in validate(load_project(folder)).diagnostics if each.severity is Severity.ERROR]


def names(project: Project) -> list[str]:
    return [job.key for job in compile(project).jobs]


def changed(project: Project) -> PlanResult:
    return plan(project, against="main")


def deployed(project: Project) -> DeployResult | None:
    try:
        return deploy(project, "prod", max_deletes=1, backend="cli")
    except PolicyRefused as refused:
        print([violation.jobs for violation in refused.violations])
    except OperationFailed as error:
        print(error.exit_code, [problem.location.line for problem in error.diagnostics])
    return None


rows: int = MetadataManager("main.etl.control").load_yaml("metadata.yaml")
"""


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True).stdout


class TestNames:
    def test_dir_lists_what_is_public_and_nothing_else(self):
        assert dir(lakeflow_job_meta) == sorted([*FUNCTIONS, *CLASSES, *ERRORS, *DATA, "__version__"])

    def test_every_public_name_can_be_imported_and_says_what_it_is_for(self):
        for name in dir(lakeflow_job_meta):
            assert getattr(lakeflow_job_meta, name).__doc__, name

    def test_every_public_name_is_on_the_page(self):
        page = (REPOSITORY / "docs" / "python.md").read_text(encoding="utf-8")

        assert [name for name in dir(lakeflow_job_meta) if name not in page and name != "__version__"] == []

    def test_another_name_is_an_attribute_error(self):
        with pytest.raises(AttributeError, match="no attribute 'generate_everything'"):
            _ = lakeflow_job_meta.generate_everything

    def test_importing_the_package_imports_nothing_of_it(self):
        code = "import sys, lakeflow_job_meta; print([n for n in sys.modules if n.startswith('lakeflow_job_meta.')])"

        assert run(code) == "[]\n"

    @pytest.mark.parametrize(
        ("name", "most"), [("ConfigError", 1), ("PolicyRefused", 1), ("Diagnostic", 12), ("Severity", 12)]
    )
    def test_a_small_public_class_does_not_load_the_rest(self, name, most):
        code = (
            f"import sys; from lakeflow_job_meta import {name}\n"
            "print(len([n for n in sys.modules if n.startswith('lakeflow_job_meta.')]))"
        )

        assert int(run(code)) <= most

    def test_no_public_class_loads_click_or_the_command_line(self):
        code = (
            "import sys, lakeflow_job_meta as package\n"
            "[getattr(package, name) for name in dir(package)]\n"
            "print([n for n in sys.modules if n.partition('.')[0] in ('click', 'databricks', 'deltalake', 'pyspark')])"
        )

        assert run(code) == "[]\n"

    @pytest.mark.parametrize("name", few(["deploy"], ["plan"]))
    @pytest.mark.parametrize(
        "first",
        few(
            ["import lakeflow_job_meta.deployment.pipeline, lakeflow_job_meta.planning.model"],
            [
                "",
                "from lakeflow_job_meta.deployment.policy import Allowance; import lakeflow_job_meta.planning",
                "from lakeflow_job_meta import MetadataMonitor",
                "from lakeflow_job_meta import plan, deploy",
            ],
        ),
    )
    def test_a_function_is_not_hidden_by_the_subpackage_of_the_same_name(self, name, first):
        code = f"{first}\nfrom lakeflow_job_meta import {name}\nprint(callable({name}), {name}.__module__)"

        assert run(code) == "True lakeflow_job_meta.api.functions\n"

    @pytest.mark.slow
    def test_the_types_hold_for_a_caller_that_is_checked_strictly(self, tmp_path):
        (tmp_path / "caller.py").write_text(CALLER, encoding="utf-8")

        done = subprocess.run(
            [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), "caller.py"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
        )

        assert done.returncode == 0, done.stdout


class TestFunctions:
    def test_the_project_is_the_nearest_one_upwards(self, project: ProjectFolder, monkeypatch):
        project.write("below/x.txt", "")
        monkeypatch.chdir(project.path / "below")

        assert load_project().folder == load_project(project.path).folder == load_project(str(project.path)).folder

    def test_without_a_project_there_is_an_error(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)

        with pytest.raises(ConfigError, match="No project here"):
            load_project()

    def test_validate_returns_all_problems_and_raises_none(self, project: ProjectFolder):
        project.write("metadata/good.yml", module("good"))
        project.write("metadata/bad.yml", module("bad").replace("order: 1", "order: x"))

        result = validate(load_project(project.path))

        assert not result.is_valid
        assert result.modules == 2
        assert [(each.severity, each.location.path) for each in result.errors] == [(Severity.ERROR, "metadata/bad.yml")]
        assert [*result.errors, *result.warnings] == list(result.diagnostics)
        assert project.generated() == {}

    def test_compile_returns_the_jobs_and_their_files(self, project: ProjectFolder):
        project.write("metadata/sales.yml", module("sales"))

        compilation = compile(load_project(project.path))

        assert [job.settings["name"] for job in compilation.jobs] == ["sales"]
        assert [file.path for file in compilation.files] == ["jobs/sales.yml"]

    def test_plan_shows_what_the_command_shows(self, project: ProjectFolder):
        project.write("metadata/sales.yml", module("sales"))

        result = plan(load_project(project.path))

        assert [change.key for change in result.changes] == ["sales"]
        assert f"{result}\n" == project.ljm("plan").stdout
        assert f"{result.render('json')}\n" == project.ljm("plan", "--format", "json").stdout
        assert result.live is None


class TestDeploy:
    @pytest.fixture
    def deployable(
        self, project: ProjectFolder, databricks_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> ProjectFolder:
        for name, value in databricks_environment.items():
            monkeypatch.setenv(name, value)
        project.write("metadata/sales.yml", module("sales"))
        project.write("metadata/stock.yml", module("stock"))
        return project

    @pytest.mark.parametrize("databricks_command", ["stand-in"], indirect=True)
    def test_it_deploys_plans_live_and_refuses_with_parameters(
        self, deployable: ProjectFolder, workspace: FakeWorkspace
    ):
        project = load_project(deployable.path)

        planned = deploy(project, "dev", dry_run=True)
        assert (planned.changed, planned.deployed, workspace.jobs.names()) == (["sales", "stock"], (), [])

        result = deploy(project, "dev")
        assert [job.module_name for job in result.jobs] == ["sales", "stock"] == workspace.jobs.names()
        assert result.all_problems == ()
        live = plan(project, live=True, target="dev").live
        assert live is not None
        assert live.changes_nothing()

        (deployable.path / "metadata" / "stock.yml").unlink()
        with pytest.raises(PolicyRefused) as refused:
            deploy(project, "dev")
        assert [violation.jobs for violation in refused.value.violations] == [("stock",)]
        assert "call `deploy` with max_deletes=1" in str(refused.value)
        assert "--" not in str(refused.value)

        assert [job.module_name for job in deploy(project, "dev", max_deletes=1).jobs] == ["sales"]

    @pytest.mark.parametrize("databricks_command", ["stand-in"], indirect=True)
    @pytest.mark.slow
    def test_metadata_with_mistakes_is_not_deployed_unless_asked_for(
        self, deployable: ProjectFolder, workspace: FakeWorkspace
    ):
        deployable.write("metadata/stock.yml", module("stock").replace("order: 1", "order: x"))
        project = load_project(deployable.path)

        with pytest.raises(InvalidMetadata) as invalid:
            deploy(project, "dev")
        assert [problem.location.path for problem in invalid.value.diagnostics] == ["metadata/stock.yml"]
        assert "keep_going=True deploys the modules without errors." in str(invalid.value)
        assert isinstance(invalid.value, LakeflowJobMetaError)
        assert workspace.jobs.names() == []

        assert [job.module_name for job in deploy(project, "dev", keep_going=True).jobs] == ["sales"]

    @pytest.mark.parametrize("databricks_command", ["stand-in"], indirect=True)
    @pytest.mark.slow
    def test_a_source_that_became_empty_is_refused_with_the_parameter_that_allows_it(self, deployable: ProjectFolder):
        project = load_project(deployable.path)
        deploy(project, "dev")
        for name in ("sales", "stock"):
            (deployable.path / "metadata" / f"{name}.yml").unlink()

        with pytest.raises(PolicyRefused, match="call `deploy` with allow_empty=True"):
            deploy(project, "dev")

    def test_by_the_jobs_api_says_which_jobs_stay_since_a_source_became_empty(
        self, project: ProjectFolder, environment: dict[str, str], workspace: FakeWorkspace, monkeypatch, caplog
    ):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        project.write("job_meta.yml", "metadata: [{yaml: metadata}, {yaml: more}]\n")
        project.write("metadata/sales.yml", module("sales"))
        project.write("more/stock.yml", module("stock"))
        loaded = load_project(project.path)
        assert deploy(loaded, "dev", backend="jobs-api").held_back == ()
        (project.path / "more" / "stock.yml").unlink()
        caplog.set_level(logging.INFO)

        result = deploy(loaded, "dev", max_deletes=1, backend="jobs-api")

        reason = "'more' holds no module, so 1 job ('stock') stays. Delete by hand what is meant to go."
        assert [each.reason for each in result.held_back] == [reason]
        assert reason in caplog.text
        assert workspace.jobs.names() == ["sales", "stock"]
