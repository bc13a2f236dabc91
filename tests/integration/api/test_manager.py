"""`MetadataManager`: the original's methods, on a Delta table by path and over a SQL warehouse."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import arro3.core as arrow
import pytest
from databricks.sdk import WorkspaceClient
from deltalake import DeltaTable, write_deltalake

from fakes.workspace import FakeWorkspace
from lakeflow_job_meta import MetadataManager
from lakeflow_job_meta.control_table.changes import Kind
from lakeflow_job_meta.errors import ConfigError, InvalidMetadata, OperationFailed
from lakeflow_job_meta.tables.store import TableMissing
from lakeflow_job_meta.workspace.client import Workspace
from support.connections import CONTROL, VOLUME
from support.project_folder import REPOSITORY, ProjectFolder
from support.slow import few
from support.tables import BOOL, INT, TEXT

pytest_plugins = ["support.workspace_fixtures"]

EXAMPLES = REPOSITORY / "examples" / "metadata_examples.yaml"
MODULES_OF_THE_EXAMPLES = [
    "bronze_to_silver",
    "data_freshness",
    "data_quality_checks",
    "end_to_end",
    "ingestion_and_validation",
    "reporting",
]
ONE_MODULE = """\
modules:
  - module_name: {name}
    sources:
      - {{source_id: a, execution_order: 1, transformation_config: {{notebook_path: /Workspace/a}}}}
      - {{source_id: b, execution_order: {order}, transformation_config: {{notebook_path: /Workspace/b}}}}
"""
# As in the original README, but for the names of the columns, which SQL wants where there are more of them.
INSERT = """
INSERT INTO {table} (source_id, module_name, source_type, execution_order, source_config, target_config,
                     transformation_config, is_active) VALUES (
  'sql_task_1',
  'my_pipeline',
  'sql',
  1,
  '{{}}',
  '{{"catalog": "bronze", "schema": "data", "table": "customers"}}',
  '{{"task_type": "sql_query", "sql_task": {{"warehouse_id": "abc123", "sql_query": "SELECT * FROM bronze.customers"}}}}',
  true
)
"""  # noqa: E501


@pytest.fixture(params=few(["delta"], ["warehouse"]))
def manager(
    request: pytest.FixtureRequest, tmp_path: Path, workspace: FakeWorkspace, connection: Workspace
) -> MetadataManager:
    """A manager of a table that is not there yet."""
    if request.param == "delta":
        return MetadataManager(str(tmp_path / "control"), workspace=connection)
    return MetadataManager(CONTROL, workspace.warehouse_id, workspace=connection)


@pytest.fixture
def made(manager: MetadataManager) -> MetadataManager:
    manager.ensure_exists()
    return manager


@pytest.fixture(autouse=True)
def somewhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder that is in no project."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def write(name: str, order: int = 1, path: str = "a.yml") -> str:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(ONE_MODULE.format(name=name, order=order), encoding="utf-8")
    return path


class TestTable:
    def test_the_table_is_created_once(self, manager):
        assert manager.ensure_exists() is True
        assert manager.ensure_exists() is False
        assert (manager.get_all_modules(), manager.current_version()) == ([], 0)

    def test_it_can_be_made_as_the_original_makes_it(self, manager):
        manager.ensure_exists(optional_columns=False)
        assert "job_config" not in manager.table.read().columns

    @pytest.mark.parametrize("method", ["get_all_modules", "current_version"])
    def test_a_table_that_does_not_exist_is_an_error(self, manager, method):
        with pytest.raises(TableMissing):
            getattr(manager, method)()

    @pytest.mark.parametrize("name", ["", "a.b.c.d", "main.etl.t; DROP TABLE x", "main.`etl"])
    def test_what_is_no_name_is_refused(self, name, workspace, connection):
        with pytest.raises(ConfigError, match="is no name of a table"):
            MetadataManager(name, workspace.warehouse_id, workspace=connection)

    def test_a_table_by_name_needs_a_warehouse(self, monkeypatch):
        monkeypatch.delenv("DATABRICKS_WAREHOUSE_ID", raising=False)
        with pytest.raises(ConfigError, match="DATABRICKS_WAREHOUSE_ID"):
            MetadataManager(CONTROL)

    def test_the_warehouse_may_come_from_the_environment(self, monkeypatch, workspace, connection):
        monkeypatch.setenv("DATABRICKS_WAREHOUSE_ID", workspace.warehouse_id)
        assert MetadataManager(CONTROL, workspace=connection).ensure_exists() is True

    @pytest.mark.parametrize("path", ["./control", "data/control", "{tmp}/control", "file://{tmp}/control"])
    def test_what_has_a_slash_is_a_path_or_a_url(self, path, tmp_path):
        manager = MetadataManager(path.replace("{tmp}", str(tmp_path)))
        assert manager.ensure_exists() is True
        assert manager.get_all_modules() == []


class TestLoadYaml:
    def test_the_examples_are_loaded_as_the_original_says(self, made):
        assert made.load_yaml(str(EXAMPLES)) == sum(
            len(made.get_module_sources(name)) for name in MODULES_OF_THE_EXAMPLES
        )
        assert made.get_all_modules() == MODULES_OF_THE_EXAMPLES
        assert made.current_version() == 1

    def test_loading_them_again_makes_no_commit(self, made):
        first = made.load_yaml(str(EXAMPLES))
        assert made.load_yaml(str(EXAMPLES)) == first
        assert made.current_version() == 1

    def test_a_relative_path_is_relative_to_the_current_folder(self, made):
        write("sales")
        assert made.load_yaml("./a.yml") == 2

    def test_a_folder_and_a_glob_are_one_commit(self, made):
        write("sales", path="m/a.yml")
        write("stock", path="m/deep/b.yaml")
        assert made.load_yaml("m") == 4
        assert (made.get_all_modules(), made.current_version()) == (["sales", "stock"], 1)
        assert made.load_yaml("m/*.yml") == 2

    def test_a_mistake_in_any_file_means_no_commit_at_all(self, made):
        write("sales", path="m/a.yml")
        Path("m/b.yml").write_text("modules:\n  - module_name: stock\n    sourcs: []\n")
        with pytest.raises(InvalidMetadata, match="so nothing was loaded") as caught:
            made.load_yaml("m")
        assert {Path(problem.location.path).name for problem in caught.value.diagnostics} == {"b.yml"}
        assert (made.get_all_modules(), made.current_version()) == ([], 0)

    @pytest.mark.parametrize(
        "content",
        [b"", b"modules: [", b"- a", b"\xff\xfe"],
        ids=["empty", "no YAML", "a list", "no UTF-8"],
    )
    def test_what_cannot_be_loaded_is_an_error(self, made, content):
        Path("a.yml").write_bytes(content)
        with pytest.raises(InvalidMetadata):
            made.load_yaml("a.yml")
        assert made.current_version() == 0

    def test_a_file_that_is_not_there_is_an_error(self, made):
        with pytest.raises(InvalidMetadata, match="there is no such file or folder"):
            made.load_yaml("nope.yml")

    def test_a_source_that_an_operator_switched_off_stays_off(self, made):
        write("sales")
        made.load_yaml("a.yml")
        folder = made.table._uri if hasattr(made.table, "_uri") else None
        switch_off(made, folder)
        write("sales", order=2)
        made.load_yaml("a.yml")
        assert [(each["is_active"], each["execution_order"]) for each in made.get_module_sources("sales")] == [
            (False, 1),
            (False, 2),
        ]

    @pytest.mark.parametrize("manager", ["delta", "warehouse"], indirect=True)
    def test_rows_that_are_no_longer_in_the_yaml_go_with_prune_only(self, made):
        write("sales")
        made.load_yaml("a.yml")
        Path("a.yml").write_text(
            "modules: [{module_name: sales, sources: [{source_id: a, execution_order: 1, "
            "transformation_config: {notebook_path: /Workspace/a}}]}]"
        )
        made.load_yaml("a.yml")
        assert [each["source_id"] for each in made.get_module_sources("sales")] == ["a", "b"]
        made.load_yaml("a.yml", prune=True)
        assert [each["source_id"] for each in made.get_module_sources("sales")] == ["a"]

    def test_the_project_around_the_file_gives_its_defaults(self, made, project: ProjectFolder):
        task = "{source_id: a, execution_order: 1, transformation_config: {sql_task: {sql_query: SELECT 1}}}"
        file = project.write("metadata/a.yml", f"modules: [{{module_name: sales, sources: [{task}]}}]")
        with pytest.raises(InvalidMetadata, match="warehouse_id"):
            made.load_yaml(str(file))
        project.write("job_meta.yml", "defaults: {warehouse_id: abc}")
        assert made.load_yaml(str(file)) == 1

    def test_a_mistake_in_the_project_file_is_told(self, made, project: ProjectFolder):
        project.write("job_meta.yml", "outputs: x")
        file = project.write("metadata/a.yml", "modules: []")
        with pytest.raises(ConfigError, match=r"job_meta\.yml"):
            made.load_yaml(str(file))


def switch_off(manager: MetadataManager, folder: str | None) -> None:
    """What an operator does by SQL: UPDATE ... SET is_active = false."""
    if folder is not None:
        DeltaTable(folder).update(updates={"is_active": "false"})
        return
    client = manager._workspace.client()  # type: ignore[union-attr]
    warehouse = next(iter(client.warehouses.list())).id
    client.statement_execution.execute_statement(f"UPDATE {CONTROL} SET is_active = false", str(warehouse))


class TestVolumes:
    @pytest.mark.parametrize("manager", ["delta", "warehouse"], indirect=True)
    def test_all_files_of_a_volume_are_one_commit(self, made, volume, monkeypatch):
        monkeypatch.chdir(REPOSITORY)  # the examples need its project file
        shutil.copyfile(EXAMPLES, volume / "examples.yaml")
        (volume / "more").mkdir()
        (volume / "more" / "a.yml").write_text(ONE_MODULE.format(name="sales", order=1))
        (volume / "readme.txt").write_text("not metadata")
        rows = made.sync_from_volume(VOLUME)
        assert rows == len(made.table.read().rows)
        assert made.get_all_modules() == sorted([*MODULES_OF_THE_EXAMPLES, "sales"])
        assert made.current_version() == 1
        assert made.sync_from_volume(VOLUME) == rows
        assert made.current_version() == 1

    def test_prune_removes_rows_that_no_file_has(self, made, volume):
        (volume / "a.yml").write_text(ONE_MODULE.format(name="sales", order=1))
        made.sync_from_volume(VOLUME)
        one = ONE_MODULE.format(name="sales", order=1).rstrip().rpartition("\n")[0]
        (volume / "a.yml").write_text(one)
        made.sync_from_volume(VOLUME, prune=True)
        assert [each["source_id"] for each in made.get_module_sources("sales")] == ["a"]

    def test_a_mistake_in_any_file_means_no_commit_at_all(self, made, volume):
        (volume / "a.yml").write_text(ONE_MODULE.format(name="sales", order=1))
        (volume / "b.yml").write_text("modules: [")
        with pytest.raises(InvalidMetadata) as caught:
            made.sync_from_volume(VOLUME)
        assert caught.value.diagnostics[0].location.path == f"{VOLUME}/b.yml"
        assert made.current_version() == 0

    def test_a_volume_that_is_not_there_is_an_error(self, made):
        with pytest.raises(OperationFailed, match="does not exist"):
            made.sync_from_volume("/Volumes/main/etl/nope")

    def test_a_mounted_folder_serves_as_in_a_notebook(self, tmp_path):
        write("sales", path="mounted/deep/a.yml")
        manager = MetadataManager(str(tmp_path / "control"))
        manager.ensure_exists()
        assert manager.sync_from_volume(str(Path("mounted").absolute())) == 2


class TestReading:
    def test_the_sources_of_a_module_are_its_rows(self, made):
        write("sales")
        made.load_yaml("a.yml")
        first, second = made.get_module_sources("sales")
        assert first == {
            "source_id": "a",
            "module_name": "sales",
            "source_type": None,
            "execution_order": 1,
            "source_config": "{}",
            "target_config": "{}",
            "transformation_config": '{"notebook_path": "/Workspace/a"}',
            "is_active": True,
            "depends_on": None,
            **dict.fromkeys(
                ("job_config", "description", "targets", "presets", "adopt", "formerly", "blueprint", "parameters")
            ),
            "source_parameters": None,
            **dict.fromkeys(("quality", "expect_no_rows", "after")),
        }
        assert second["source_id"] == "b"
        assert made.get_module_sources("nope") == []

    @pytest.mark.parametrize("manager", ["delta", "warehouse"], indirect=True)
    def test_changes_are_told_by_version_and_content(self, made):
        write("sales", path="m/a.yml")
        write("stock", path="m/b.yml")
        made.load_yaml("m")
        before = made.current_version()
        assert made.detect_changes(before).modules == {}

        write("sales", order=2, path="m/a.yml")
        write("returns", path="m/b.yml")
        made.load_yaml("m")

        changes = made.detect_changes(before)
        assert changes.modules == {"returns": Kind.NEW, "sales": Kind.UPDATED}
        assert list(changes.lines()) == [
            "module 'returns': new, 2 sources",
            "module 'sales': updated",
            "  source 'b': updated",
            "    execution_order: 1 -> 2",
        ]
        assert made.detect_changes(made.current_version()).modules == {}
        assert made.detect_changes(0).of_kind(Kind.NEW) == ["returns", "sales", "stock"]

    def test_deactivations_and_deletions_are_seen(self, made):
        write("sales")
        made.load_yaml("a.yml")
        before = made.current_version()
        switch_off(made, getattr(made.table, "_uri", None))
        assert made.detect_changes(before).of_kind(Kind.DEACTIVATED) == ["sales"]

    def test_changes_since_before_the_optional_columns_are_seen(self, manager):
        manager.ensure_exists(optional_columns=False)
        write("sales")
        manager.load_yaml("a.yml")
        before = manager.current_version()
        manager.ensure_exists()
        assert manager.detect_changes(before).modules == {}

    def test_a_version_that_is_not_there_is_an_error(self, made):
        with pytest.raises(OperationFailed, match="99"):
            made.detect_changes(99)


class TestOriginalReadme:
    """The three ways of the original README to change metadata; the third runs jobs and is tested with deployments."""

    EXPECTED = {  # noqa: RUF012
        "source_id": "sql_task_1",
        "module_name": "my_pipeline",
        "source_type": "sql",
        "execution_order": 1,
        "is_active": True,
    }

    def expect(self, manager: MetadataManager) -> None:
        assert manager.get_all_modules() == ["my_pipeline"]
        (found,) = manager.get_module_sources("my_pipeline")
        assert {name: found[name] for name in self.EXPECTED} == self.EXPECTED
        assert '"sql_query": "SELECT * FROM bronze.customers"' in str(found["transformation_config"])

    @pytest.mark.parametrize("optional", [False, True])
    def test_option_1_insert_by_sql(self, workspace, connection, optional):
        manager = MetadataManager(CONTROL, workspace.warehouse_id, workspace=connection)
        manager.ensure_exists(optional_columns=optional)
        client: WorkspaceClient = connection.client()
        answer = client.statement_execution.execute_statement(INSERT.format(table=CONTROL), workspace.warehouse_id)
        assert answer.status is not None
        assert answer.status.error is None
        self.expect(manager)
        assert manager.detect_changes(0).of_kind(Kind.NEW) == ["my_pipeline"]

    def test_option_1_append_by_delta_rs(self, tmp_path):
        manager = MetadataManager(str(tmp_path / "control"))
        manager.ensure_exists()
        kinds: dict[str, Any] = dict.fromkeys(("source_id", "module_name", "source_type"), TEXT)
        kinds |= {"execution_order": INT, "is_active": BOOL}
        kinds |= dict.fromkeys(("source_config", "target_config", "transformation_config"), TEXT)
        values = {
            **self.EXPECTED,
            "source_config": "{}",
            "target_config": '{"catalog": "bronze", "schema": "data", "table": "customers"}',
            "transformation_config": '{"task_type": "sql_query", "sql_task": {"warehouse_id": "abc123", '
            '"sql_query": "SELECT * FROM bronze.customers"}}',
        }
        arrays = {name: arrow.Array([values[name]], kind) for name, kind in kinds.items()}
        write_deltalake(tmp_path / "control", arrow.Table.from_pydict(arrays), mode="append", schema_mode="merge")
        self.expect(manager)

    def test_option_2_load_yaml_or_sync_the_volume(self, made, volume, monkeypatch):
        monkeypatch.chdir(REPOSITORY)
        shutil.copyfile(EXAMPLES, volume / "metadata_examples.yaml")
        loaded = made.load_yaml(str(EXAMPLES))
        assert made.sync_from_volume(VOLUME) == loaded
        assert made.current_version() == 1


class TestRollback:
    def test_puts_rows_back_and_says_how_that_is_taken_back(self, manager: MetadataManager, tmp_path: Path):
        manager.ensure_exists()
        for order in (2, 3):
            file = tmp_path / f"{order}.yml"
            file.write_text(ONE_MODULE.format(name="sales", order=order), encoding="utf-8")
            manager.load_yaml(file)
        orders = [row["execution_order"] for row in manager.get_module_sources("sales")]

        looked = manager.rollback("sales", manager.current_version() - 1, dry_run=True)
        assert [row["execution_order"] for row in manager.get_module_sources("sales")] == orders
        done = manager.rollback(["sales"], manager.current_version() - 1)

        assert looked == done
        assert [row["execution_order"] for row in manager.get_module_sources("sales")] == [1, 2]
        assert [*done.lines()] == ["module 'sales'", "  source 'b': changed", "    execution_order: 3 -> 2"]
        manager.rollback("sales", done.read)
        assert [row["execution_order"] for row in manager.get_module_sources("sales")] == orders

    def test_of_what_is_no_version_is_refused(self, manager: MetadataManager):
        manager.ensure_exists()
        with pytest.raises(ConfigError, match="neither the number of a version"):
            manager.rollback("sales", "yesterday")
        with pytest.raises(OperationFailed, match="no module 'sales'"):
            manager.rollback("sales", 0)
