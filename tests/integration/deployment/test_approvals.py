"""Targets that need approvals get the approved versions of a control table, and nothing that nobody has approved.

Real Delta tables, by path and behind a warehouse of the fake workspace; with the databricks CLI and the Jobs API.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from lakeflow_job_meta import ConfigError, InvalidMetadata, OperationFailed, PolicyRefused, approve
from lakeflow_job_meta.config.load import load_project
from lakeflow_job_meta.control_table.approvals import APPROVALS
from lakeflow_job_meta.sources.open import open_table_source
from lakeflow_job_meta.tables.schema import RowChanges
from support import many_bundles
from support.connections import CONTROL
from support.monitor_fixtures import World, broken_row, module_row
from support.project_folder import ProjectFolder, Result
from support.slow import few

pytest_plugins = ["support.workspace_fixtures", "support.monitor_fixtures", "fakes.databricks_cli.fixtures"]
pytestmark = pytest.mark.skipif(os.name != "posix", reason="process groups and file locks are those of POSIX")

RULE = "deploy: {approval: {targets: [dev]}}\n"
STRICT = "deploy: {approval: {targets: [dev], other_than_author: true}}\n"
ANN, BOB = ("ann@example.com", "1"), ("bob@example.com", "2")


class Place:
    """A project whose control table has `sales` and `stock`, and of which `dev` needs approvals.

    Attributes:
        backend: How it is deployed.
    """

    def __init__(self, world: World, environment: dict[str, str], backend: str, rule: str = RULE) -> None:
        self.world, self.environment, self.backend = world, environment, backend
        self.workspace = world.workspace
        self.needs(rule)
        world.put(module_row("sales"), module_row("stock"))

    def needs(self, rule: str) -> None:
        metadata = self.world.project.read("job_meta.yml").splitlines()[0]
        self.world.project.write("job_meta.yml", f"{metadata}\n{rule}")

    @property
    def version(self) -> int:
        return self.world.manager.table.version().number

    def approve(self, *modules: str, version: int | None = None, **options: Any) -> Any:
        project = load_project(self.world.project.path)
        number = self.version if version is None else version
        return approve(project, number, modules, workspace=self.workspace.client(), **options)

    def tick(self, **options: Any) -> Any:
        self.watching = self.world.monitor(self.backend, **options)  # type: ignore[arg-type]
        return self.watching.tick()

    def ljm(self, *arguments: str) -> Result:
        return self.world.project.inside(*arguments, **self.environment)

    def edited(self, name: str, notebook: str = "/Workspace/new") -> None:
        self.world.put(module_row(name, notebook=notebook))

    @property
    def notebooks(self) -> dict[str, str]:
        return {name: self.world.notebook(name) for name in self.world.names}


BASE = {"sales": "/Workspace/sales", "stock": "/Workspace/stock"}


@pytest.fixture(params=few(["delta jobs-api", "table cli"], ["delta cli", "table jobs-api"]))
def place(
    request: pytest.FixtureRequest,
    world: World,
    databricks_environment: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Place:
    kind, backend = request.param.split()
    environment = {**databricks_environment, "NO_PROXY": "127.0.0.1"}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    warehouse = world.workspace.warehouse_id if kind == "table" else None
    world.table(CONTROL if warehouse else str(tmp_path / "etl" / "control"), warehouse)
    return Place(world, environment, backend)


@pytest.fixture
def of_warehouse(world: World) -> Place:
    """A table whose history names users, of which approvals must be somebody else's than the author's."""
    world.table(CONTROL, world.workspace.warehouse_id)
    world.workspace.engine.tables.user = ANN
    return Place(world, {}, "jobs-api", STRICT)


@pytest.fixture
def approved(place: Place) -> Place:
    """Both modules are approved and deployed."""
    place.approve()
    assert place.tick().outcome.value == "deployed", place.watching.events
    assert place.notebooks == BASE
    assert place.world.changes == {"create": 2}
    return place


class TestAMonitor:
    def test_deploys_nothing_of_what_nobody_has_approved_and_names_the_command(self, place):
        tick = place.tick()

        assert place.world.names == []
        assert tick.is_healthy
        (text,) = place.watching.told("approval")
        assert f"ljm approve --version {place.version} -t dev --modules sales,stock" in text
        assert place.tick().outcome.value == "idle"

    def test_deploys_what_is_approved_and_proposes_the_rest(self, approved):
        before = approved.version
        approved.edited("sales")
        approved.edited("stock")
        approved.approve("stock")

        tick = approved.tick()

        assert approved.notebooks == {**BASE, "stock": "/Workspace/new"}
        assert approved.world.changes == {"reset": 1}
        (waiting,) = tick.state.waiting
        assert (waiting.module, waiting.version, waiting.approved) == ("sales", approved.version, before)
        assert waiting.authors

    def test_sees_an_approval_although_the_control_table_is_as_it_was(self, approved):
        approved.edited("sales")
        approved.tick()
        assert approved.notebooks == BASE

        approved.approve("sales")

        assert approved.tick().outcome.value == "deployed"
        assert approved.notebooks == {**BASE, "sales": "/Workspace/new"}
        assert approved.tick().state.waiting == ()

    def test_keeps_a_removed_module_until_that_is_approved_and_allowed(self, approved):
        approved.world.remove("sales")
        assert approved.tick(max_deletes=5).outcome.value == "unchanged"
        assert approved.watching.told("approval")
        assert approved.notebooks == BASE

        approved.approve("sales")
        assert approved.tick().outcome.value == "refused"
        assert approved.world.names == ["sales", "stock"]
        approved.tick(max_deletes=1)
        approved.tick(max_deletes=1)
        assert approved.world.names == ["stock"]

    def test_tells_what_waits_in_the_status_and_once_in_the_log(self, approved):
        approved.edited("sales")
        approved.tick()
        assert len(approved.watching.told("approval")) == 1

        approved.world.put(module_row("stock", description="another"))
        approved.approve("stock")
        approved.tick()

        assert approved.watching.told("approval") == []
        shown = approved.ljm("status", "-t", "dev").stdout
        assert f"sales: version {approved.version}" in shown
        assert f"ljm approve --version {approved.version} -t dev --modules sales" in shown


class TestAFreshCheckout:
    def test_deploys_the_same(self, approved):
        approved.edited("sales")
        for name in (".lakeflow-job-meta", ".databricks", "resources"):
            shutil.rmtree(approved.world.project.path / name, ignore_errors=True)

        tick = approved.tick()

        assert approved.notebooks == BASE
        assert approved.world.changes == {}
        assert [each.module for each in tick.state.waiting] == ["sales"]

    def test_with_files_that_were_generated_for_another_target_deploys_none_of_them(self, approved):
        approved.edited("sales")
        approved.world.put(module_row("new"))
        assert approved.ljm("generate", "-t", "prod").exit_code == 0
        generated = approved.world.project.generated()
        assert "/Workspace/new" in generated["jobs/sales.yml"]
        assert "jobs/new.yml" in generated

        approved.tick()

        assert approved.notebooks == BASE
        assert approved.world.changes == {}


class TestAModuleThatWasDeployedBeforeAnyApproval:
    @pytest.fixture
    def introduced(self, place: Place) -> Place:
        place.needs("")
        assert place.tick().outcome.value == "deployed"
        place.needs(RULE)
        place.world.changes  # noqa: B018 (they are counted from here)
        return place

    def test_stays_as_it_is_whatever_its_rows_say(self, introduced):
        introduced.edited("sales")
        introduced.tick()

        assert introduced.notebooks == BASE
        assert introduced.world.changes == {}

    @pytest.mark.parametrize("is_fresh", few([True], [False]))
    def test_is_not_deleted_with_its_rows(self, introduced, is_fresh):
        introduced.approve("stock")
        introduced.world.remove("sales")
        if is_fresh:
            for name in (".lakeflow-job-meta", ".databricks", "resources"):
                shutil.rmtree(introduced.world.project.path / name, ignore_errors=True)

        tick = introduced.tick(max_deletes=5)
        introduced.tick(max_deletes=5)

        assert introduced.notebooks == BASE
        assert any("nobody has approved that" in each.sentence for each in tick.state.refused)
        introduced.needs(RULE.replace("approval:", "removed: [sales], approval:"))
        introduced.tick()
        introduced.tick()
        assert introduced.world.names == ["stock"]


class TestTheSqlOfAModuleThatIsHeld:
    @pytest.mark.parametrize("place", few(["delta cli"], ["table cli"]), indirect=True)
    @pytest.mark.parametrize("is_fresh", [True, False])
    def test_stays_in_the_workspace_as_it_is(self, place, is_fresh):
        def sql(text: str) -> dict[str, Any]:
            config = {"sql_task": {"sql_query": text, "warehouse_id": "0123456789abcdef"}}
            return module_row("sales", transformation_config=config)

        place.needs("")
        place.world.put(sql("SELECT 1"))
        place.tick()
        place.needs(RULE)
        place.world.put(sql("SELECT 'nobody has approved that'"))
        assert place.ljm("generate", "-t", "prod").exit_code == 0
        if is_fresh:
            for name in (".lakeflow-job-meta", ".databricks", "resources"):
                shutil.rmtree(place.world.project.path / name, ignore_errors=True)
        place.approve("stock")
        place.edited("stock")
        place.approve("stock")

        place.tick()

        assert place.world.notebook("stock") == "/Workspace/new"
        path = place.workspace.jobs.by_name("sales").settings["tasks"][0]["sql_task"]["file"]["path"]
        assert "SELECT 1" in place.workspace.tree.read(path).decode()


class TestADeployment:
    @pytest.mark.parametrize("place", few(["table cli"], ["delta cli"]), indirect=True)
    def test_by_hand_is_of_what_is_approved_and_says_what_waits(self, approved):
        approved.edited("sales")
        approved.world.put(module_row("new"))

        done = approved.ljm("deploy", "-t", "dev")

        assert done.exit_code == 0, done.stderr
        assert approved.notebooks == BASE
        assert "Waiting for approval in dev:" in done.stderr
        assert f"ljm approve --version {approved.version} -t dev --modules new,sales" in done.stderr
        assert "'new' waits for approval" in approved.ljm("deploy", "new", "-t", "dev").stderr

    @pytest.mark.parametrize("place", few(["delta cli"], ["table cli"]), indirect=True)
    def test_is_planned_without_what_waits(self, approved):
        approved.world.put(module_row("new"))
        assert approved.ljm("generate", "-t", "prod").exit_code == 0

        planned = approved.ljm("plan", "--live", "-t", "dev")

        assert "In the workspace: nothing would change." in planned.stdout

    @pytest.mark.parametrize("place", few(["delta cli"], ["table cli"]), indirect=True)
    def test_of_many_bundles_leaves_out_what_waits_in_each_of_them(self, place):
        place.world.project.write("databricks.yml", many_bundles.ROOT)
        place.world.project.write("shared.yml", many_bundles.SHARED)
        place.needs("bundles: {jobs_per_bundle: 1}\n")
        assert place.ljm("deploy", "-t", "dev").exit_code == 0
        place.needs("bundles: {jobs_per_bundle: 1}\n" + RULE)
        place.approve("stock")
        place.edited("sales")
        place.edited("stock")
        place.world.put(module_row("new"))
        place.approve("stock")
        assert place.ljm("generate", "-t", "prod").exit_code == 0

        done = place.ljm("deploy", "-t", "dev")

        assert done.exit_code == 0, done.stderr
        assert place.notebooks == {**BASE, "stock": "/Workspace/new"}

    def test_to_a_target_without_approvals_is_of_the_newest_rows(self, place):
        place.needs("deploy: {approval: {targets: [prod]}}\n")

        assert place.tick().outcome.value == "deployed"
        assert place.notebooks == BASE


class TestAnApprovedVersionThatWasVacuumed:
    def test_holds_the_module_with_an_error_and_a_newer_one_goes_on(self, approved):
        approved.edited("sales")
        approved.world.put(module_row("new"))
        _vacuum(approved)

        tick = approved.tick()

        assert approved.notebooks == BASE
        assert tick.state.broken == ("sales",)
        assert "approve a newer version of it" in tick.state.errors[0]
        approved.approve("sales")
        assert approved.tick().is_healthy
        assert approved.notebooks == {**BASE, "sales": "/Workspace/new"}

    def test_matters_nothing_to_modules_whose_rows_have_not_changed_since(self, approved):
        approved.world.put(module_row("new"))
        _vacuum(approved)
        approved.approve("new")

        assert approved.tick().is_healthy
        assert approved.world.changes == {"create": 1}


def _vacuum(place: Place) -> None:
    """Takes away all data files that only older versions have."""
    table = place.world.manager.table
    folder = place.workspace.engine.tables.root / "main" / "etl" / "control" if table.name == CONTROL else table.name
    delta = DeltaTable(folder)
    delta.optimize.compact()
    DeltaTable(folder).vacuum(0, dry_run=False, enforce_retention_duration=False)


class TestAnAuthor:
    def test_cannot_approve_what_they_wrote_and_somebody_else_can(self, of_warehouse):
        with pytest.raises(PolicyRefused, match=r"ann@example\.com wrote some of it.*Nothing was approved"):
            of_warehouse.approve()
        of_warehouse.workspace.engine.tables.user = BOB
        of_warehouse.approve()

        of_warehouse.tick()

        assert of_warehouse.notebooks == BASE

    def test_may_approve_a_module_of_another_author(self, of_warehouse):
        of_warehouse.workspace.engine.tables.user = BOB
        of_warehouse.approve()
        of_warehouse.edited("stock")
        of_warehouse.workspace.engine.tables.user = ANN
        of_warehouse.edited("sales")

        of_warehouse.approve("stock")
        with pytest.raises(PolicyRefused):
            of_warehouse.approve("sales")

        of_warehouse.tick()
        assert of_warehouse.notebooks == {**BASE, "stock": "/Workspace/new"}

    def test_whose_approval_was_written_while_that_was_allowed_is_not_deployed(self, of_warehouse):
        of_warehouse.needs(RULE)
        of_warehouse.approve()
        of_warehouse.needs(STRICT)

        tick = of_warehouse.tick()

        assert of_warehouse.world.names == []
        assert "ann@example.com wrote some of it" in tick.state.waiting[0].objections[0]

    def test_whose_approval_was_written_into_the_table_by_hand_is_not_deployed(self, of_warehouse):
        of_warehouse.workspace.engine.tables.user = BOB
        plan = of_warehouse.approve("sales", dry_run=True)
        store = open_table_source(
            load_project(of_warehouse.world.project.path).table_sources[0],
            of_warehouse.world.project.path,
            APPROVALS,
            workspace=of_warehouse.world.connection,
        )
        (row,) = [each.as_row() for each in plan.approvals]
        store.write(RowChanges([{**row, "approved_by": "ann@example.com", "authors": "[]"}]))

        of_warehouse.tick()

        assert of_warehouse.world.names == []


class TestApproving:
    def test_shows_what_changes_against_what_is_approved_and_a_dry_run_approves_nothing(self, approved):
        approved.edited("sales")

        plan = approved.approve(dry_run=True)

        assert [each.module for each in plan.approvals] == ["sales"]
        assert [(change.key, change.kind.value) for change in plan.plans["dev"].changes] == [("sales", "update")]
        approved.tick()
        assert approved.notebooks == BASE

    def test_again_changes_nothing(self, approved):
        assert approved.approve().approvals == ()

    @pytest.mark.parametrize(
        ("options", "error", "words"),
        [
            ({"version": 99}, OperationFailed, "has no version|cannot be approved"),
            ({"modules": ["sale"]}, OperationFailed, "has no module 'sale'; did you mean 'sales'"),
            ({"target": "prod"}, ConfigError, "'prod' needs no approvals"),
            ({"table": "nothing"}, ConfigError, "'nothing' is no control table"),
        ],
    )
    def test_what_is_not_there_is_refused(self, of_warehouse, options, error, words):
        given = dict(options)
        with pytest.raises(error, match=words):
            of_warehouse.approve(*given.pop("modules", ()), **given)

    def test_a_module_with_a_mistake_is_refused(self, of_warehouse):
        of_warehouse.needs(RULE)
        of_warehouse.world.put(broken_row("sales"))

        with pytest.raises(InvalidMetadata, match="so nothing was approved"):
            of_warehouse.approve()

    def test_an_older_version_than_the_one_that_counts_is_refused(self, of_warehouse):
        of_warehouse.needs(RULE)
        older = of_warehouse.version
        of_warehouse.edited("sales")
        of_warehouse.approve("sales")

        with pytest.raises(OperationFailed, match="A newer version than"):
            of_warehouse.approve("sales", version=older)


class TestTheCommand:
    @pytest.fixture
    def by_path(self, project: ProjectFolder) -> ProjectFolder:
        """A Delta table by path, of which two targets need approvals; no workspace is asked."""
        rule = "deploy: {approval: {targets: [dev, prod]}}"
        project.write("job_meta.yml", f"metadata: [{{delta: control}}]\n{rule}\n")
        table = open_table_source(load_project(project.path).table_sources[0], project.path)
        table.create()
        table.write(RowChanges([module_row("sales"), module_row("a, b")]))
        return project

    def test_that_a_plan_prints_can_be_run_as_it_is(self, by_path):
        (line,) = [line for line in by_path.ljm("plan", "-t", "prod").stdout.splitlines() if "ljm approve" in line]

        result = by_path.ljm(*shlex.split(line)[1:])

        assert result.exit_code == 0, result.stderr
        assert "version 1 of 2 modules approved for prod by" in result.stderr
        assert "Waiting" not in by_path.ljm("plan", "-t", "prod").stdout
        assert "Waiting" in by_path.ljm("plan", "-t", "dev").stdout

    def test_approves_for_all_targets_and_shows_what_changes_in_each(self, by_path):
        by_path.ljm("approve", "--version", "1", "-t", "dev", "--modules", "sales")

        result = by_path.ljm("approve", "--version", "1", "--format", "json")

        found = json.loads(result.stdout)
        assert [each["module"] for each in found["approvals"]] == ["a, b", "sales"]
        assert {target: [job["job"] for job in plan["jobs"]] for target, plan in found["plans"].items()} == {
            "dev": ["a_b"],
            "prod": ["a_b", "sales"],
        }
        assert by_path.ljm("plan", "-t", "prod", "--format", "json").stdout.count("waiting_for_approval") == 0

    def test_without_a_target_that_needs_approvals_says_so(self, by_path):
        by_path.write("job_meta.yml", "metadata: [{delta: control}]\n")

        result = by_path.ljm("approve", "--version", "1")

        assert (result.exit_code, result.stdout) == (2, "")
        assert "No target needs approvals" in result.stderr

    def test_of_a_rename_takes_the_job_along(self, by_path):
        by_path.ljm("approve", "--version", "1")
        table = open_table_source(load_project(by_path.path).table_sources[0], by_path.path)
        table.create(optional_columns=True)
        table.write(RowChanges([module_row("shop", formerly="sales")], [("sales", "a")]))
        version = str(table.version().number)

        assert by_path.ljm("generate", "-t", "prod").exit_code == 0
        assert "jobs/sales.yml" in by_path.generated()
        approved = by_path.ljm("approve", "--version", version, "-t", "prod")
        assert "renamed from sales; keeps its id" in approved.stdout
        by_path.ljm("generate", "-t", "prod")

        assert sorted(by_path.generated()) == ["jobs/a_b.yml", "jobs/shop.yml"]


class TestApprovalsThatCannotBeRead:
    def test_keep_all_jobs_as_they_are(self, approved):
        approved.edited("sales")
        table = approved.world.manager.table
        if table.name != CONTROL:
            Path(f"{table.name}_approvals", "_delta_log", f"{0:020}.json").write_text("{")
        else:
            approved.workspace.engine.tables.denied.add((f"{CONTROL}_approvals", "SELECT"))

        tick = approved.tick(max_deletes=5)

        assert approved.notebooks == BASE
        assert tick.outcome.value == "failed"


class TestTheProjectFile:
    @pytest.mark.parametrize(
        ("text", "words"),
        [
            (
                "metadata: [{yaml: metadata}]\ndeploy: {approval: {targets: [prod]}}\n",
                "the review of files is the pull request",
            ),
            ("metadata: [{delta: c}]\ndeploy: {approval: {targets: []}}\n", "'targets' is empty"),
            (
                "metadata: [{delta: c}, {volume: /Volumes/a/b/c}]\ndeploy: {approval: {targets: [prod]}}\n",
                "nobody could approve what is in it",
            ),
        ],
    )
    def test_that_asks_for_approvals_of_what_has_none_is_wrong(self, project: ProjectFolder, text, words):
        project.write("job_meta.yml", text)

        result = project.ljm("validate")

        assert result.exit_code == 2
        assert words in result.stderr

    def test_that_names_a_target_which_is_not_there_deploys_nothing_anywhere(self, of_warehouse):
        of_warehouse.needs(RULE.replace("dev", "deb"))

        tick = of_warehouse.tick()

        assert tick.outcome.value == "failed"
        assert "no target 'deb'" in tick.failure
        assert "did you mean 'dev'" in tick.failure
        assert of_warehouse.world.names == []
