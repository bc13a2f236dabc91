"""Who changed the metadata, as the history of a monitor says it: users of the tables, and the commit of the files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from deltalake import CommitProperties, DeltaTable, QueryBuilder, write_deltalake

from lakeflow_job_meta.config.load import load_project
from lakeflow_job_meta.state.authors import MOST_VERSIONS, changed_by, git_commit
from lakeflow_job_meta.state.store import HISTORY, open_state_store
from lakeflow_job_meta.tables.delta import user_of_process
from lakeflow_job_meta.tables.schema import RowChanges, TableSchema
from support.connections import CONTROL
from support.git import commit, git
from support.monitor_fixtures import TARGET, World, module_row
from support.project_folder import ProjectFolder
from support.tables import row, write_table

pytest_plugins = ["support.workspace_fixtures", "support.monitor_fixtures", "fakes.databricks_cli.fixtures"]
STATEMENTS = "/api/2.0/sql/statements"


def commits_of(folder: Path, *users: str, operation: str = "") -> None:
    """Makes a commit of each user, who changes a row."""
    for number, user in enumerate(users):
        signed = CommitProperties(custom_metadata={"userName": user} if user else {})
        if operation == "OPTIMIZE":
            DeltaTable(folder).optimize.compact(commit_properties=signed)
        else:
            DeltaTable(folder).update(updates={"source_type": f"'{user}{number}'"}, commit_properties=signed)


class TestUsers:
    def project(self, folder: ProjectFolder, *names: str) -> None:
        listed = ", ".join(f"{{delta: data/{name}}}" for name in names)
        folder.write("job_meta.yml", f"metadata: [{listed}]\n")
        for name in names:
            write_table(folder.path / "data" / name, [row()])

    def users(self, folder: ProjectFolder, before: dict[str, int], now: dict[str, int]) -> str:
        old, new = ({f"data/{name}": f"{number} of x" for name, number in each.items()} for each in (before, now))
        return changed_by(load_project(folder.path), old, new)

    def test_of_the_versions_in_between_are_named_once_the_newest_first(self, project):
        self.project(project, "control")
        commits_of(project.path / "data/control", "ann", "bob", "carl", "bob", "dora")
        assert self.users(project, {"control": 1}, {"control": 4}) == "bob, carl"

    def test_of_all_tables_that_changed_are_named(self, project):
        self.project(project, "one", "two", "three")
        for name, user in (("one", "ann"), ("two", "bob"), ("three", "carl")):
            commits_of(project.path / "data" / name, user)
        before = {"one": 0, "two": 0, "three": 1}
        assert self.users(project, before, dict.fromkeys(before, 1)) == "ann, bob"

    def test_of_the_first_deployment_are_those_of_all_versions(self, project):
        self.project(project, "control")
        commits_of(project.path / "data/control", "ann", "bob")
        assert self.users(project, {}, {"control": 2}) == "bob, ann"

    def test_of_a_table_that_was_created_again_are_those_of_all_its_versions(self, project):
        self.project(project, "control")
        commits_of(project.path / "data/control", "ann")
        assert self.users(project, {"control": 9}, {"control": 1}) == "ann"

    def test_are_left_out_where_they_only_tidied_up(self, project):
        self.project(project, "control")
        folder = project.path / "data/control"
        write_deltalake(
            folder,
            QueryBuilder().register("t", DeltaTable(folder)).execute("SELECT * FROM t").read_all(),
            mode="append",
        )
        commits_of(folder, "nobody", operation="OPTIMIZE")
        commits_of(folder, "ann")
        assert self.users(project, {"control": 1}, {"control": 3}) == "ann"

    def test_are_not_named_where_the_table_does_not_say(self, project):
        self.project(project, "control")
        commits_of(project.path / "data/control", "")
        assert self.users(project, {"control": 0}, {"control": 1}) == ""

    @pytest.mark.slow
    def test_are_asked_for_so_many_versions_alone_and_that_there_are_more_is_said(self, project):
        self.project(project, "control")
        commits_of(project.path / "data/control", "old", *["new"] * MOST_VERSIONS)
        assert self.users(project, {"control": 0}, {"control": MOST_VERSIONS + 1}) == "new, ..."

    def test_so_many_are_named_and_that_there_are_more_is_said(self, project):
        self.project(project, "control")
        commits_of(project.path / "data/control", *(f"u{number:02}" for number in range(25)))
        assert self.users(project, {"control": 0}, {"control": 25}) == ", ".join(
            [*(f"u{number:02}" for number in range(24, 4, -1)), "..."]
        )

    def test_of_a_table_that_cannot_be_asked_are_not_known_and_the_reason_is_given(self, project):
        project.write("job_meta.yml", "metadata: [{delta: data/control}]\n")
        assert self.users(project, {"control": 0}, {"control": 1}).startswith("not known (data/control: there is no D")


class TestCommit:
    @pytest.fixture
    def repository(self, project: ProjectFolder) -> ProjectFolder:
        project.write("metadata/a.yml", "modules: []\n")
        project.write("job_meta.yml", "metadata: [{yaml: metadata/}, {yaml: 'more/**/*.yml'}]\n")
        git(project.path, "init", "-q")
        return project

    def commit_of(self, project: ProjectFolder) -> str:
        return git_commit(load_project(project.path))

    def test_is_that_of_the_repository(self, repository):
        head = commit(repository.path)
        assert self.commit_of(repository) == head

    def test_is_none_without_a_repository_and_without_a_commit(self, project, repository):
        assert self.commit_of(repository) == ""
        (repository.path / ".git").rename(repository.path / "no_git")
        assert self.commit_of(repository) == ""

    @pytest.mark.parametrize("path", ["metadata/a.yml", "metadata/new.yml", "more/b/c.yml", "job_meta.yml"])
    def test_is_dirty_where_a_file_of_the_metadata_differs(self, repository, path):
        head = commit(repository.path)
        text = "" if path != "job_meta.yml" else repository.read(path)
        repository.write(path, f"{text}# changed\n")
        assert self.commit_of(repository) == f"{head}-dirty"

    @pytest.mark.parametrize("path", ["resources/jobs/a.yml", "src/a.py", "more/b/c.txt"])
    def test_is_not_dirty_for_what_is_generated_or_no_metadata(self, repository, path):
        head = commit(repository.path)
        repository.write(path, "# changed\n")
        assert self.commit_of(repository) == head


class TestHistory:
    def test_has_the_users_since_the_entry_before_and_keeps_those_of_older_ones(self, deployed: World):
        folder = Path(deployed.manager.table.name)
        commits_of(folder, "ann@example.com", "bob@example.com")
        deployed.put(module_row("stock", notebook="/Workspace/new"))

        assert deployed.monitor().looks() == "deployed"
        deployed.put(module_row("stock", notebook="/Workspace/newer"))
        assert deployed.monitor().looks() == "deployed"

        me = user_of_process()
        assert [entry.changed_by for entry in deployed.history] == [me, f"{me}, bob@example.com, ann@example.com", me]

    def test_has_the_user_of_a_warehouse_and_asks_nothing_more_where_nothing_changed(self, world: World):
        world.table(CONTROL, world.workspace.warehouse_id)
        world.put(module_row("sales"))
        watching = world.monitor()
        assert watching.looks() == "deployed"
        assert [entry.changed_by for entry in world.history] == [world.workspace.identity.user_name]
        world.asked  # noqa: B018
        assert watching.looks() == "idle"
        assert world.asked == [STATEMENTS]

    def test_has_the_commit_of_the_files(self, world: World):
        world.file("sales")
        git(world.project.path, "init", "-q")
        head = commit(world.project.path)
        assert world.monitor().looks() == "deployed"
        assert [(entry.git_commit, entry.changed_by) for entry in world.history] == [(head, "")]
        (world.project.path / "metadata" / "sales.yml").unlink()
        world.file("stock")
        world.monitor().tick()
        assert world.history[0].git_commit == f"{head}-dirty"

    @pytest.mark.parametrize("kind", ["delta", pytest.param("warehouse", marks=pytest.mark.slow)])
    def test_of_an_older_version_gets_the_columns_when_it_is_written_next(self, world: World, tmp_path, kind):
        world.table(*((str(tmp_path / "t"),) if kind == "delta" else (CONTROL, world.workspace.warehouse_id)))
        world.put(module_row("sales"))
        project = load_project(world.project.path)
        older = TableSchema(HISTORY.suffix, HISTORY.columns[:-2], HISTORY.key, HISTORY.order)
        open_state_store(project, world.state_folder, older, world.connection).write(
            RowChanges([{"run_id": "old", "target": TARGET, "outcome": "deployed", "details": "{}"}])
        )

        assert world.monitor().looks() == "deployed"

        store = open_state_store(project, world.state_folder, HISTORY, world.connection)
        assert {row["run_id"] == "old": row["git_commit"] for row in store.rows()} == {True: None, False: None}
        assert {"changed_by", "git_commit"} <= store.rows()[0].keys()
        assert len(store.rows()) == 2

    def test_is_shown_with_both(self, deployed: World):
        git(deployed.project.path, "init", "-q")
        head = commit(deployed.project.path)
        commits_of(Path(deployed.manager.table.name), "ann@example.com")
        deployed.put(module_row("stock", notebook="/Workspace/new"))
        assert deployed.monitor().looks() == "deployed"

        entry, *_ = json.loads(deployed.project.ljm("history", "-t", TARGET, "--format", "json").stdout)
        line, *_ = deployed.project.ljm("history", "-t", TARGET).stdout.splitlines()

        users = f"{user_of_process()}, ann@example.com"
        assert (entry["changed_by"], entry["git_commit"]) == (users, head)
        assert line.endswith(f"  by {users}  {head[:10]}")
