"""The package as other people's Python sees it: its names, its types, and functions that do what the commands do."""

from __future__ import annotations

import inspect
import json
import logging
import os
import pickle
import pydoc
import subprocess
import sys
from importlib.util import find_spec
from typing import get_type_hints

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

SIGNATURES = ("_internal", "api", "config", "diagnostics", "errors", "parsing")
"""The rooms that a function or class for notebooks needs until it is called: its arguments, the project, the errors."""

ROOMS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys((*FUNCTIONS, *CLASSES), SIGNATURES),
    **dict.fromkeys(("approve", "blame", "write_catalogue"), (*SIGNATURES, "services")),
    "MetadataManager": (*SIGNATURES, "control_table", "services", "tables"),
    **dict.fromkeys((*ERRORS, "PolicyViolation"), ("errors",)),
    **dict.fromkeys(("Diagnostic", "Location", "Severity"), ("_internal", "diagnostics")),
    **dict.fromkeys(("ModuleRun", "TaskRun"), ("_internal", "services")),
    "Blame": ("_internal", "diagnostics", "services"),
    "CheckResult": ("state",),
    "GeneratedFile": ("jobs", "layout"),
    "Import": ("importing",),
    "Project": ("_internal", "config", "diagnostics", "parsing"),
    "Rollback": ("_internal", "errors", "services", "tables"),
    "Unpaused": ("_internal", "deployment", "errors", "jobs", "layout", "planning", "state", "tables", "text"),
    "__version__": (),
}
"""From which rooms anything is imported for a name; the other results hold values of many rooms."""

WORKING = (
    *("cli", "monitor", "catalogue", "checks", "render", "schema", "workspace"),
    *("blueprints.expansion", "blueprints.library", "blueprints.parameters", "blueprints.rows"),
    *("compiler.cache", "compiler.compile", "compiler.link", "compiler.unit", "config.load", "config.sync"),
    *("deployment.databricks_cli", "deployment.jobs_api", "deployment.many_bundles", "deployment.pipeline"),
    *("deployment.select_backend", "deployment.takeovers", "deployment.unpause", "importing.imports"),
    *("jobs.build", "jobs.model", "jobs.quality", "jobs.units", "layout.layout", "output.read_back", "output.writer"),
    *("parsing.model", "parsing.modules", "planning.compare", "planning.explain", "planning.files"),
    *("services.approvals", "services.blame", "services.pull", "services.runs", "services.table_rollback"),
    *("sources.open", "sources.yaml_files", "state.history", "state.lock", "state.quality"),
    *("tables.delta", "tables.open", "tables.store", "text.yaml_documents", "text.yaml_reader", "text.yaml_writer"),
    "_internal.secret_forms",
)
"""Rooms and modules that do the work: no name needs them before it is called."""

HEAVY = (
    *("arro3", "click", "databricks", "deltalake", "jinja2", "jsonschema_rs", "packaging", "pyspark", "sqlglot"),
    *("yaml", "yaml12", "asyncio", "csv", "difflib", "email", "hashlib", "http", "multiprocessing", "socket", "ssl"),
    *("subprocess", "tempfile", "urllib", "uuid"),
)

TOUCHES = """\
import dataclasses, json, logging, os, pathlib, re, sys, typing
import lakeflow_job_meta
for name in dir(lakeflow_job_meta):
    before = {*sys.modules}
    if not (child := os.fork()):
        getattr(lakeflow_job_meta, name)
        print(json.dumps([name, sorted(sys.modules.keys() - before)]), flush=True)
        os._exit(0)
    os.waitpid(child, 0)
"""
"""Prints what each name imports in a process of its own, a copy of one that has imported nothing of ours yet."""

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


@pytest.fixture(scope="module")
def imported() -> dict[str, list[str]]:
    return dict(json.loads(line) for line in run(TOUCHES).splitlines())


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

    def test_every_public_name_is_pickled_by_its_name_and_has_help(self):
        for name in dir(lakeflow_job_meta):
            value = getattr(lakeflow_job_meta, name)
            assert pickle.loads(pickle.dumps(value)) == value
            if callable(value):
                assert inspect.getdoc(value).splitlines()[0] in pydoc.plain(pydoc.render_doc(value)), name

    def test_the_types_of_what_is_returned_can_be_asked_for_at_run_time(self):
        for name in (*DATA, "load_project"):
            get_type_hints(getattr(lakeflow_job_meta, name))
        assert get_type_hints(lakeflow_job_meta.DeployResult)["compilation"] is lakeflow_job_meta.Compilation
        assert get_type_hints(load_project)["return"] is lakeflow_job_meta.Project

    @pytest.mark.parametrize("name", CLASSES)
    def test_the_types_of_the_methods_of_a_class_for_notebooks_can_be_asked_for_at_run_time(self, name):
        methods = inspect.getmembers(getattr(lakeflow_job_meta, name), inspect.isroutine)

        assert [get_type_hints(method) for title, method in methods if title[0] != "_"]

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


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are copied as POSIX does")
class TestImports:
    """What a name imports is paid by everybody who touches it: work is imported by the function that does it."""

    def test_all_public_names_are_looked_at(self, imported):
        assert [*imported] == dir(lakeflow_job_meta)

    @pytest.mark.parametrize("name", dir(lakeflow_job_meta))
    def test_a_name_imports_no_library_and_nothing_that_does_the_work(self, name, imported):
        ours = [each.removeprefix("lakeflow_job_meta.") for each in imported[name] if each.startswith("lakeflow_")]

        assert [each for each in imported[name] if each.partition(".")[0] in HEAVY] == []
        assert [each for each in ours if any(f"{each}.".startswith(f"{work}.") for work in WORKING)] == []

    @pytest.mark.parametrize("name", ROOMS)
    def test_a_name_imports_nothing_but_what_its_own_types_are_made_of(self, name, imported):
        rooms = {each.split(".")[1] for each in imported[name] if each.startswith("lakeflow_job_meta.")}

        assert rooms - {*ROOMS[name]} == set()

    def test_what_does_the_work_is_there_under_these_names(self):
        assert [module for module in WORKING if find_spec(f"lakeflow_job_meta.{module}") is None] == []


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
