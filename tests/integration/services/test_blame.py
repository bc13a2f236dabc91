"""Who set a value: the version of the control table, or the commit of the line that it is written in."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from deltalake import CommitProperties, DeltaTable
from hypothesis import given, settings
from hypothesis import strategies as st

import lakeflow_job_meta
from fakes.workspace import FakeWorkspace
from lakeflow_job_meta.config.load import load_project
from lakeflow_job_meta.control_table.blame import Cell, blame_cells
from lakeflow_job_meta.control_table.schema import CONTROL_TABLE, key_of
from lakeflow_job_meta.errors import ConfigError, OperationFailed
from lakeflow_job_meta.services.blamed import Blame
from lakeflow_job_meta.tables.delta import DeltaFiles
from lakeflow_job_meta.tables.schema import RowChanges
from lakeflow_job_meta.workspace.client import Workspace
from support.connections import CONTROL
from support.control_table_contract import full
from support.examples import examples
from support.git import git
from support.project_folder import ProjectFolder
from support.tables import write_table

pytest_plugins = ["support.workspace_fixtures"]

SHOP = """\
blueprints:
  - blueprint: ingest
    parameters: {table: {type: text}, retry: {type: number}}
    module:
      module_name: ingest_${param.table}
      sources:
        - source_id: load
          execution_order: 1
          transformation_config: {notebook_path: /Workspace/load, max_retries: "${param.retry}"}
modules:
  - module_name: shop
    description: >
      Loads the shop,
      then reports.
    job_config:
      max_concurrent_runs: 2
      email_notifications:
        on_failure:
          - a@example.com
          - b@example.com
    sources:
      - source_id: customers
        execution_order: 1
        transformation_config:
          notebook_path: /Workspace/customers
        target_config: {table: a.b.c}
      - source_id: off
        is_active: false
        execution_order: 1
        transformation_config: {notebook_path: /Workspace/off}
      - source_id: report
        execution_order: 2
        transformation_config: {notebook_path: /Workspace/report}
"""
JOB_META = """\
metadata:
  - yaml: metadata/
  - {csv: list.csv, blueprint: ingest}
defaults:
  job: {timeout_seconds: 101}
presets:
  - preset: all
    match: {module: "*"}
    job: {tags: {b: of-preset}}
"""


def commit(project: ProjectFolder, author: str, day: int) -> str:
    """Commits everything; each author has a day."""
    moment = f"2026-01-{day:02}T12:00:00Z"
    git(project.path, "add", "-A")
    os.environ["GIT_COMMITTER_DATE"] = moment
    try:
        git(project.path, "commit", "-qm", author, f"--author={author} <{author}@example.com>", f"--date={moment}")
    finally:
        del os.environ["GIT_COMMITTER_DATE"]
    return git(project.path, "rev-parse", "HEAD")


def who(found: Blame) -> dict[tuple[str | None, str], str]:
    """Returns who set each value, or why that is not known, by source and setting."""
    return {(each.source, each.setting): str(each.change.user) if each.change else each.note for each in found.values}


class TestFiles:
    @pytest.fixture
    def repository(self, project: ProjectFolder) -> ProjectFolder:
        """A project of files, committed by ann."""
        project.write("metadata/shop.yml", SHOP)
        project.write("job_meta.yml", JOB_META)
        project.write("list.csv", "table,retry\norders,3\ncustomers,4\n")
        git(project.path, "init", "-q")
        commit(project, "ann", 1)
        return project

    def edit(self, project: ProjectFolder, old: str, new: str, file: str = "metadata/shop.yml") -> None:
        text = project.read(file)
        assert old in text
        project.write(file, text.replace(old, new))

    def blame(self, project: ProjectFolder, *arguments: str, **named: Any) -> Blame:
        return lakeflow_job_meta.blame(load_project(project.path), *arguments, **named)

    def test_each_value_is_of_the_commit_that_changed_its_line_last(self, repository):
        self.edit(repository, "max_concurrent_runs: 2", "max_concurrent_runs: 3")
        head = commit(repository, "bob", 2)

        found = self.blame(repository, "shop")

        assert who(found) == {
            (None, "name"): "ann",
            (None, "description"): "ann",
            (None, "max_concurrent_runs"): "bob",
            (None, "email_notifications.on_failure"): "ann",
            (None, "timeout_seconds"): "ann",
            (None, "tags.b"): "ann",
            ("customers", "task_key"): "ann",
            ("customers", "notebook_task.notebook_path"): "ann",
            ("customers", "notebook_task.base_parameters.source_id"): "added, written nowhere",
            ("customers", "target_config.table"): "ann",
            ("off", "is_active"): "ann",
            ("off", "transformation_config.notebook_path"): "ann",
            ("report", "task_key"): "ann",
            ("report", "depends_on[0].task_key"): "ann",
            ("report", "notebook_task.notebook_path"): "ann",
            ("report", "notebook_task.base_parameters.source_id"): "added, written nowhere",
        }
        changed = next(each for each in found.values if each.setting == "max_concurrent_runs")
        assert changed.change is not None
        assert (changed.change.commit, changed.change.time.day, changed.change.version) == (head, 2, None)
        assert str(changed.location) == "metadata/shop.yml:16:28"

    @pytest.mark.parametrize(
        ("old", "new", "setting"),
        [
            ("then reports.", "then writes.", "description"),
            ("b@example.com", "c@example.com", "email_notifications.on_failure"),
        ],
    )
    def test_a_value_of_several_lines_is_of_the_newest_of_them_and_of_no_other(self, repository, old, new, setting):
        self.edit(repository, old, new)
        commit(repository, "bob", 2)
        assert [key for key, author in who(self.blame(repository, "shop")).items() if author == "bob"] == [
            (None, setting)
        ]

    def test_what_is_around_a_value_of_several_lines_is_not_of_it(self, repository):
        self.edit(repository, "    job_config:\n", "    job_config: # changed\n")
        self.edit(repository, "    sources:\n      - source_id: cust", "    sources: # too\n      - source_id: cust")
        commit(repository, "bob", 2)
        assert "bob" not in who(self.blame(repository, "shop")).values()

    def test_values_of_defaults_presets_blueprints_and_rows_are_looked_for_there(self, repository):
        self.edit(repository, "timeout_seconds: 101", "timeout_seconds: 102", "job_meta.yml")
        commit(repository, "of defaults", 2)
        self.edit(repository, "of-preset", "of-other", "job_meta.yml")
        commit(repository, "of presets", 3)
        self.edit(repository, "notebook_path: /Workspace/load", "notebook_path: /Workspace/other")
        commit(repository, "of blueprints", 4)
        self.edit(repository, "customers,4", "customers,5", "list.csv")
        commit(repository, "of rows", 5)

        found = who(self.blame(repository, "ingest_customers"))

        assert found[None, "timeout_seconds"] == "of defaults"
        assert found[None, "tags.b"] == "of presets"
        assert found["load", "notebook_task.notebook_path"] == "of blueprints"
        assert found["load", "max_retries"] == "of rows"
        layers = {each.setting: each.layer for each in self.blame(repository, "ingest_customers").values}
        assert (layers["timeout_seconds"], layers["tags.b"]) == ("defaults", "preset all")

    def test_a_line_that_is_not_committed_is_said_to_be_so(self, repository):
        self.edit(repository, "max_concurrent_runs: 2", "max_concurrent_runs: 3")
        found = who(self.blame(repository, "shop", None, "max_concurrent_runs"))
        assert found == {(None, "max_concurrent_runs"): "not committed yet"}

    def test_without_a_repository_the_reason_is_given(self, repository):
        (repository.path / ".git").rename(repository.path / "no_git")
        assert set(who(self.blame(repository, "shop", "off")).values()) == {"there is no git repository"}

    def test_without_git_the_reason_is_given(self, repository, monkeypatch, tmp_path):
        monkeypatch.setenv("PATH", str(tmp_path))
        assert set(who(self.blame(repository, "shop", "off")).values()) == {"git is not installed"}

    def test_a_file_that_was_never_committed_is_said_to_be_so(self, repository):
        repository.write("metadata/new.yml", NEW)
        found = who(self.blame(repository, "new", "a", "notebook_task.notebook_path"))
        assert [*found.values()] == ["git refuses: fatal: no such path 'metadata/new.yml' in HEAD"]

    def test_a_shallow_clone_says_that_it_may_have_been_a_commit_before(self, repository, tmp_path):
        self.edit(repository, "max_concurrent_runs: 2", "max_concurrent_runs: 3")
        commit(repository, "bob", 2)
        git(tmp_path, "clone", "-q", "--depth", "1", f"file://{repository.path}", "shallow")

        (one,) = self.blame(ProjectFolder(tmp_path / "shallow"), "shop", None, "max_concurrent_runs").values
        (whole,) = self.blame(repository, "shop", "off", "is_active").values

        assert [each.change and each.change.is_exact for each in (one, whole)] == [False, True]

    def test_a_source_or_a_setting_with_all_below_it_can_be_asked_for(self, repository):
        assert {each.source for each in self.blame(repository, "shop", "report").values} == {"report"}
        (one,) = self.blame(repository, "shop", None, "email_notifications").values
        (item,) = self.blame(repository, "shop", None, "email_notifications.on_failure[1]").values
        assert one == item

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (("shop", "reprot"), "has no source 'reprot'; did you mean 'report'?"),
            (("shop", "report", "notebook_taks"), "'notebook_taks' of the source 'report' of the module 'shop' is not"),
            (("shop", None, "tags.c"), "'tags.c' of the module 'shop' is not set; did you mean 'tags.b'?"),
        ],
    )
    def test_what_is_not_there_is_named(self, repository, arguments, sentence):
        with pytest.raises(OperationFailed) as caught:
            self.blame(repository, *arguments)
        assert sentence in str(caught.value)
        with pytest.raises(ConfigError, match="There is no module 'shpo'; did you mean 'shop'"):
            self.blame(repository, "shpo")


NEW = """\
modules:
  - module_name: new
    sources:
      - source_id: a
        execution_order: 1
        transformation_config: {notebook_path: /Workspace/a}
"""


def module_row(source: str = "a", module: str = "sales", **columns: Any) -> dict[str, Any]:
    return full(source, module, **{"transformation_config": {"notebook_path": "/Workspace/a"}, **columns})


class TestTables:
    @pytest.fixture
    def table(self, project: ProjectFolder) -> DeltaFiles:
        """An empty control table of the project."""
        project.write("job_meta.yml", "metadata:\n  - delta: data/control\n")
        table = DeltaFiles("data/control", CONTROL_TABLE, project.path)
        table.create()
        return table

    def blame(self, project: ProjectFolder, *arguments: str | None, **named: Any) -> Blame:
        return lakeflow_job_meta.blame(load_project(project.path), "sales", *arguments, **named)

    def versions(self, found: Blame) -> dict[str, int | None]:
        """Returns the versions by source and setting; with a minus where it may have been one before."""
        return {
            ".".join(filter(None, (each.source, each.setting))): (
                None if each.change is None else (each.change.version or 0) * (1 if each.change.is_exact else -1)
            )
            for each in found.values
        }

    def test_each_value_is_of_the_version_since_which_it_is_what_it_is(self, project, table):
        table.write(
            RowChanges([module_row(job_config={"max_concurrent_runs": 1, "timeout_seconds": 5}), module_row("b")])
        )
        table.write(
            RowChanges([module_row(job_config={"max_concurrent_runs": 2, "timeout_seconds": 5}), module_row("b")])
        )
        table.write(RowChanges([module_row("b", description="x", execution_order=2)]))
        table.write(RowChanges([module_row("x", "other")]))
        # Only written in another way.
        table.write(RowChanges([module_row(job_config='{"timeout_seconds":5,  "max_concurrent_runs":2}')]))

        assert self.versions(self.blame(project)) == {
            "name": 1,
            "description": 3,
            "timeout_seconds": 1,
            "max_concurrent_runs": 2,
            "a.task_key": 1,
            "a.notebook_task.notebook_path": 1,
            "a.notebook_task.base_parameters.source_id": None,
            "a.notebook_task.base_parameters.control_table": None,
            "a.is_active": 1,
            "b.task_key": 1,
            "b.notebook_task.notebook_path": 1,
            "b.depends_on[0].task_key": 3,
            "b.notebook_task.base_parameters.source_id": None,
            "b.notebook_task.base_parameters.control_table": None,
            "b.is_active": 1,
        }

    def test_a_source_that_is_switched_off_has_the_version_that_did_it(self, project, table):
        table.write(RowChanges([module_row(), module_row("b", target_config={"table": "x"})]))
        table.write(RowChanges([module_row("b", target_config={"table": "x"}, is_active=False)]))
        assert self.versions(self.blame(project, "b")) == {
            "b.is_active": 2,
            "b.target_config.table": 1,
            "b.transformation_config.notebook_path": 1,
        }

    def test_a_switch_that_nobody_has_set_is_no_value(self, project):
        project.write("job_meta.yml", "metadata:\n  - delta: data/control\n")
        write_table(project.path / "data/control", [module_row(is_active=None)])
        assert "a.is_active" not in self.versions(self.blame(project))

    def test_a_value_that_came_back_is_of_the_version_in_which_it_did(self, project, table):
        for order in (1, 2, 1):
            table.write(RowChanges([module_row(), module_row("b", description=str(order))]))
        assert self.versions(self.blame(project, None, "description")) == {"description": 3}

    def test_so_many_versions_are_looked_at_alone(self, project, table):
        table.write(RowChanges([module_row()]))
        for number in range(5):
            table.write(RowChanges([module_row(description=str(number))]))

        found = self.blame(project, versions=3)

        assert self.versions(found)["description"] == 6
        assert self.versions(found)["a.notebook_task.notebook_path"] == -4
        assert found.notes == ("data/control: only 3 versions were looked at; --versions looks further",)
        assert self.blame(project, None, "description", versions=3).notes == ()

    def test_where_older_versions_are_vacuumed_that_is_said(self, project, table):
        for number in range(4):
            table.write(RowChanges([module_row(description=str(number // 2), execution_order=number)]))
        folder = project.path / "data/control"
        for uri in {*DeltaTable(folder, version=2).file_uris()} - {*DeltaTable(folder, version=3).file_uris()}:
            os.unlink(uri)  # noqa: PTH108
        found = self.blame(project)
        assert self.versions(found)["description"] == -3
        assert found.notes[0].startswith(
            "data/control: versions before 3 cannot be read: data/control: this version cann"
        )

    def test_where_the_log_does_not_go_back_further_that_is_said(self, project, table):
        for number in range(3):
            table.write(RowChanges([module_row(description=str(number))]))
            if number == 1:
                DeltaTable(project.path / "data/control").create_checkpoint()
        for version in (0, 1):
            (project.path / "data/control/_delta_log" / f"{version:020}.json").unlink()
        found = self.blame(project)
        assert self.versions(found)["a.notebook_task.notebook_path"] == -2
        assert found.notes == ("data/control: the log of versions before 2 is not kept any more",)

    def test_a_value_that_was_there_from_the_start_is_of_version_0(self, project):
        project.write("job_meta.yml", "metadata:\n  - delta: data/control\n")
        write_table(project.path / "data/control", [module_row()])
        found = self.blame(project, "a", "notebook_task.notebook_path")
        assert (self.versions(found), found.notes) == ({"a.notebook_task.notebook_path": 0}, ())

    def test_versions_that_only_tidy_up_set_nothing_and_are_not_read(self, project, table, monkeypatch):
        table.write(RowChanges([module_row()]))
        table.write(RowChanges([module_row("x", "other")]))
        DeltaTable(project.path / "data/control").optimize.compact()
        read: list[int | None] = []
        real = DeltaFiles.read

        def counting(self: DeltaFiles, version: int | None = None, **named: Any) -> Any:
            read.append(version)
            return real(self, version, **named)

        monkeypatch.setattr(DeltaFiles, "read", counting)
        found = self.blame(project, "a", "is_active")
        assert self.versions(found) == {"a.is_active": 1}
        assert read == [None, 3, 1, 0]

    def test_values_of_blueprints_that_rows_fill_are_of_the_rows_version(self, project, table):
        project.write("job_meta.yml", "metadata:\n  - delta: data/control\n  - yaml: metadata/\n")
        project.write("metadata/a.yml", SHOP.partition("modules:")[0])
        use = {"transformation_config": None, "execution_order": None, "blueprint": "ingest"}
        for retry in (3, 4):
            table.write(RowChanges([full("a", parameters={"table": "orders", "retry": retry}, **use)]))
        found = self.versions(self.blame(project, None, None))
        assert found["load.max_retries"] == 2

    def test_the_user_of_a_warehouse_is_named(
        self, project: ProjectFolder, workspace: FakeWorkspace, connection: Workspace
    ):
        project.write("job_meta.yml", f"metadata:\n  - table: {CONTROL}\n    warehouse_id: {workspace.warehouse_id}\n")
        manager = lakeflow_job_meta.MetadataManager(CONTROL, workspace.warehouse_id, workspace=connection)
        manager.ensure_exists()
        for text in ("x", "it's"):
            manager.table.write(RowChanges([module_row(description=text), module_row("x", "o'ther")]))

        found = self.blame(project, workspace=connection)

        assert self.versions(found)["description"] == 2
        assert self.versions(found)["a.is_active"] == 1
        assert {each.change.user for each in found.values if each.change} == {workspace.identity.user_name}


class TestCommand:
    @pytest.fixture
    def sales(self, project: ProjectFolder) -> ProjectFolder:
        """A project of a table in version 2, whose commits have users."""
        project.write("job_meta.yml", "metadata:\n  - delta: data/control\nchecks: {secret-in-metadata: warning}\n")
        table = DeltaFiles("data/control", CONTROL_TABLE, project.path)
        table.create()
        parameters = {"password": "${var.warehouse_id}", "token": "dapi" + "0" * 32}
        table.write(
            RowChanges([module_row(transformation_config={"notebook_path": "/W", "base_parameters": parameters})])
        )
        DeltaTable(project.path / "data/control").update(
            updates={"description": "'Größe.'"}, commit_properties=CommitProperties(custom_metadata={"userName": "ann"})
        )
        return project

    def test_shows_an_aligned_table(self, sales):
        result = sales.ljm("blame", "sales", "description")
        lines = result.stdout.splitlines()
        assert (result.exit_code, len(lines)) == (0, 2)
        assert lines[0].split() == ["SETTING", "VALUE", "SET", "BY", "WHEN", "(UTC)", "WHO", "WHERE"]
        for name, value in (("VALUE", "Größe."), ("SET BY", "version 2"), ("WHO", "ann"), ("WHERE", "data/control[")):
            assert lines[0].index(name) == lines[1].index(value)

    def test_takes_one_name_for_a_source_or_else_for_a_setting(self, sales):
        of_source = json.loads(sales.ljm("blame", "sales", "a", "--format", "json").stdout)
        of_job = json.loads(sales.ljm("blame", "sales", "name", "--format", "json").stdout)
        assert {each["source"] for each in of_source["values"]} == {"a"}
        assert [(each["source"], each["setting"]) for each in of_job["values"]] == [(None, "name")]

    def test_shows_no_secret(self, sales):
        for form in ("text", "json"):
            result = sales.ljm("blame", "sales", "--format", form)
            assert "dapi" not in result.stdout + result.stderr
            assert "${var.warehouse_id}" in result.stdout

    def test_gives_json_with_all_that_is_known(self, sales):
        (value,) = json.loads(sales.ljm("blame", "sales", "description", "--format", "json").stdout)["values"]
        moment = value.pop("time")
        assert moment.endswith("+00:00")
        assert value == {
            "source": None,
            "setting": "description",
            "value": "Größe.",
            "layer": "module",
            "path": "data/control[module_name=sales, source_id=a].description",
            "line": None,
            "column": None,
            "is_file": False,
            "version": 2,
            "commit": None,
            "user": "ann",
            "is_exact": True,
            "note": None,
        }

    def test_says_on_stderr_where_the_versions_end_and_refuses_what_is_wrong(self, sales):
        result = sales.ljm("blame", "sales", "a", "is_active", "--versions", "1")
        assert "version 2 or before" in result.stdout
        assert result.stderr == "data/control: only 1 version was looked at; --versions looks further\n"
        assert sales.ljm("blame", "sales", "a", "b", "c").exit_code == 2
        assert sales.ljm("blame", "slaes").exit_code == 2
        assert sales.ljm("blame", "sales", "nope").exit_code == 1


# The version of a value is what a naive reader of all versions says.

_cells = st.sampled_from(["is_active", "job_config", "description", "execution_order"])
_row = st.fixed_dictionaries(
    {
        "is_active": st.booleans(),
        "execution_order": st.integers(0, 1),
        "description": st.none() | st.sampled_from(["x", "y"]),
        "job_config": st.none()
        | st.sampled_from(['{"a": 1}', '{"a":1}', '{"a": 2, "b": {"c": [1]}}', '{"b": {"c": 1}}']),
    }
)
PATHS = [
    ("is_active",), ("execution_order",), ("description",), ("job_config", "a"), ("job_config", "b", "c"),
    ("source_id",),
]  # fmt: skip


def _at(row: dict[str, Any] | None, path: tuple[str, ...]) -> object:
    value: Any = None if row is None else row[path[0]]
    if len(path) > 1:
        value = json.loads(value) if value is not None else {}
        for step in path[1:]:
            value = value.get(step) if isinstance(value, dict) else None
    return value


@settings(max_examples=examples(60))
@given(
    history=st.lists(
        st.dictionaries(st.tuples(st.sampled_from(["m", "n"]), st.sampled_from(["a", "b"])), _row, max_size=3),
        min_size=1,
        max_size=5,
    ),
    most=st.integers(1, 7),
)
def test_the_version_of_each_value_is_the_first_since_which_it_has_not_changed(
    tmp_path_factory: pytest.TempPathFactory, history: list[Any], most: int
):
    table = DeltaFiles(str(tmp_path_factory.mktemp("history") / "control"), CONTROL_TABLE)
    table.create()
    for rows in history:
        table.write(RowChanges([full(source, module, **values) for (module, source), values in rows.items()]))
    newest = table.version().number
    versions = [{key_of(each): dict(each) for each in table.read(number).rows} for number in range(newest + 1)]
    keys = [key for key in versions[-1] if key[0] == "m"]
    cells: list[Cell] = [(key, path) for key in keys for path in PATHS if _at(versions[-1][key], path) is not None]

    found, note = blame_cells(table, "m", cells, most)

    wanted = {}
    for key, path in cells:
        states = [_at(version.get(key), path) for version in versions]
        since = next(n for n in range(newest + 1) if all(state == states[-1] for state in states[n:]))
        oldest = max(newest - most + 1, 0)
        wanted[key, path] = (since, True) if since > oldest or since == oldest == 0 else (oldest, False)
    assert {cell: (each.commit.version, each.is_exact) for cell, each in found.items()} == wanted
    assert bool(note) == any(not is_exact for _, is_exact in wanted.values())
